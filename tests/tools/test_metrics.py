#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""metrics: what Prometheus reads is what the traffic was, over HTTP too."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    raise SystemExit(77) from None  # python3-prometheus-client is not installed

from toolkit import ToolCase, segment

LINES = [b"%d %s" % (i, b"x" * (i % 90)) for i in range(1000)]
BYTES = sum(map(len, LINES))
POWERS = ["%d.%09d" % divmod(1 << power, 10**9) for power in range(6, 36)] + ["+Inf"]


class Page:
    """A page of metrics, parsed by Prometheus' own client."""

    def __init__(self, text):
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def named(self, name, **labels):
        return [sample for sample in self.samples
                if sample.name == name and labels.items() <= sample.labels.items()]

    def value(self, name, **labels):
        (sample,) = self.named(name, **labels)
        return sample.value


class MetricsCase(ToolCase):
    def page(self, *arguments, code=0):
        return Page(self.run_tool("metrics", *arguments, code=code).stdout.decode())

    def traffic(self):
        """A publisher and a reader, which stay, and a group that reads nothing. Returns both processes."""
        self.run_tool("sub", "c", "--group", "idle", "--durable", "--timeout", "0")
        reader = self.start("sub", "c", "--group", "busy", "--shared", stdout=subprocess.DEVNULL)
        self.until_members(1)
        writer = self.start("pub", "c")
        writer.stdin.write(b"".join(line + b"\n" for line in LINES))
        self.until(lambda: self.group("busy")["messages"] == len(LINES), "all read")
        self.until(lambda: self.group("busy")["lag"] == 0, "all given back")
        return writer, reader


class Figures(MetricsCase):
    def test_what_the_traffic_was(self):
        writer, reader = self.traffic()
        page = self.page()
        value = page.value
        self.assertEqual(value("shmbus_up", bus=self.bus), 1)
        self.assertEqual(value("shmbus_participants", bus=self.bus), 2)
        self.assertEqual(value("shmbus_dead_participants"), 0)
        self.assertEqual(value("shmbus_bus_size_bytes"), os.stat(segment(self.bus)).st_size)
        self.assertEqual(value("shmbus_channel_published_total", channel="c"), len(LINES))
        self.assertEqual(value("shmbus_channel_slots", channel="c"), 4096)
        self.assertEqual(value("shmbus_channel_pending", channel="c"), len(LINES))
        self.assertEqual(value("shmbus_publisher_messages_total", process="shmbus pub"), len(LINES))
        self.assertEqual(value("shmbus_publisher_bytes_total", process="shmbus pub"), BYTES)
        self.assertEqual(value("shmbus_group_pending", group="idle"), len(LINES))
        self.assertEqual(value("shmbus_group_messages_total", group="idle"), 0)
        for entity in ("group", "member"):
            self.assertEqual(value(f"shmbus_{entity}_messages_total", group="busy"), len(LINES))
            self.assertEqual(value(f"shmbus_{entity}_bytes_total", group="busy"), BYTES)
            self.assertEqual(value(f"shmbus_{entity}_missed_total", group="busy"), 0)
        self.assertEqual(value("shmbus_member_held"), 0)
        pids = {sample.labels["pid"]: sample.value for sample in page.named("shmbus_participant_alive")}
        self.assertEqual(pids, {str(writer.pid): 1, str(reader.pid): 1})

    def test_every_figure_of_stat(self):
        """Whatever both show is the same."""
        self.traffic()
        for row in self.stat()["publishers"]:
            page = self.page()
            for key in ("messages", "bytes", "aborted", "blocked"):
                self.assertEqual(page.value(f"shmbus_publisher_{key}_total", publisher=str(row["index"])), row[key])

    def test_missed(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "64")
        self.run_tool("sub", "c", "--group", "slow", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 1000)
        taken = self.run_tool("sub", "c", "--group", "slow", "--durable", "--timeout", "0").stdout.count(b"\n")
        self.assertLessEqual(taken, 64)
        page = self.page()
        self.assertEqual(page.value("shmbus_group_missed_total", group="slow"), 1000 - taken)
        self.assertEqual(page.value("shmbus_group_messages_total", group="slow"), taken)

    def test_the_dead(self):
        writer, reader = self.traffic()
        writer.kill()
        writer.wait()
        self.until(lambda: self.page().value("shmbus_dead_participants") == 1, "a dead one")
        page = self.page()
        self.assertEqual(page.value("shmbus_participant_alive", pid=str(writer.pid)), 0)
        self.assertEqual(page.value("shmbus_participant_alive", pid=str(reader.pid)), 1)
        self.assertEqual(page.value("shmbus_participants"), 1)

    def test_latency(self):
        writer, _ = self.traffic()

        def sampled():
            writer.stdin.write(b"more\n")
            return self.page().value("shmbus_latency_seconds_count") > 3
        self.until(sampled, "samples of the latency")
        page = self.page()
        buckets = page.named("shmbus_latency_seconds_bucket")
        counts = [bucket.value for bucket in buckets]
        self.assertEqual([bucket.labels["le"] for bucket in buckets], POWERS)
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], page.value("shmbus_latency_seconds_count"))
        mean = page.value("shmbus_latency_seconds_sum") / counts[-1]
        filled = [float(POWERS[i]) for i in range(len(POWERS) - 1) if counts[i] > (counts[i - 1] if i else 0)]
        self.assertTrue(min(filled) / 2 <= mean <= max(filled) or counts[-1] > counts[-2], (mean, counts))

    def test_a_copy(self):
        self.traffic()
        path = self.scratch(b"")
        shutil.copyfile(segment(self.bus), path)
        page = self.page("--file", path)
        self.assertEqual(page.value("shmbus_up", bus=path), 1)
        self.assertEqual(page.value("shmbus_publisher_messages_total"), len(LINES))
        self.assertEqual(page.named("shmbus_participant_alive"), [])  # nobody knows


class Rules(MetricsCase):
    def assert_rules(self, page):
        """Those of the exposition format, and of naming."""
        seen = set()
        for family in page.families:
            self.assertTrue(family.documentation, family.name)
            self.assertIn(family.type, ("counter", "gauge", "histogram"), family.name)
            self.assertRegex(family.name, r"\Ashmbus_[a-z_]+\Z")
            for sample in family.samples:
                if family.type == "counter":
                    self.assertTrue(sample.name.endswith("_total"), sample.name)
                series = (sample.name, tuple(sorted(sample.labels.items())))
                self.assertNotIn(series, seen)
                seen.add(series)
        self.assertEqual(len(page.families), len({family.name for family in page.families}))

    def test_each_family_is_whole_and_each_series_alone(self):
        self.traffic()
        other = self.new_bus()
        self.run_tool("create", "c", "--bus", other)
        page = self.page(self.bus, other)
        self.assert_rules(page)
        self.assertEqual({sample.labels["bus"] for sample in page.named("shmbus_up")}, {self.bus, other})
        self.assert_rules(self.page(self.bus, self.bus))

    @unittest.skipUnless(shutil.which("promtool"), "promtool (Debian: prometheus) is not installed")
    def test_promtool_has_nothing_to_say(self):
        self.traffic()
        text = self.run_tool("metrics").stdout
        result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=30)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_labels_are_escaped(self):
        group = 'a "quoted" back\\new größer\\'
        self.run_tool("sub", "c", "--group", group, "--durable", "--timeout", "0")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, 'x"\\\n\x1b[31m')
        shutil.copyfile(segment(self.bus), path)
        page = self.page("--file", path)
        self.assertEqual([sample.labels["group"] for sample in page.named("shmbus_group_pending")], [group])
        self.assertEqual([sample.labels["bus"] for sample in page.named("shmbus_up")],
                         [path.replace("\n", "\ufffd").replace("\x1b", "\ufffd")])

    def test_names_twice(self):
        """As only a damaged segment has them."""
        self.run_tool("create", "first-name")
        self.run_tool("create", "other-name")
        with open(segment(self.bus), "rb") as file:
            content = file.read().replace(b"other-name\0", b"first-name\0")
        page = self.page("--file", self.scratch(content))
        self.assert_rules(page)
        self.assertEqual(len(page.named("shmbus_channel_slots")), 1)

    def test_counters_are_where_the_help_says(self):
        text = self.run_tool("help", "metrics").stdout.decode()
        patterns = [re.escape(word).replace(r"\*", ".*") for word in re.findall(r"shmbus_[a-z_*]+", text)]
        self.traffic()
        for family in self.page().families:
            known = any(re.fullmatch(pattern, family.name) for pattern in patterns)
            self.assertTrue(known or family.name.endswith(("_limit", "_channels")), family.name)


class Choosing(MetricsCase):
    def test_one_that_is_missing_does_not_hide_the_others(self):
        self.run_tool("create", "c")
        result = self.assert_fails("metrics", "no-such-bus", self.bus, code=1, says="no-such-bus")
        page = Page(result.stdout.decode())
        self.assertEqual(page.value("shmbus_up", bus="no-such-bus"), 0)
        self.assertEqual(page.value("shmbus_up", bus=self.bus), 1)

    def test_all(self):
        other = self.new_bus()
        self.run_tool("create", "c")
        self.run_tool("create", "-b", other)
        buses = {sample.labels["bus"] for sample in self.page("--all", code=None).named("shmbus_up")}
        self.assertLessEqual({self.bus, other}, buses)

    def test_wrong_usage(self):
        self.assert_fails("metrics", "--all", "a", code=2, says="--all")
        self.assert_fails("metrics", "a", "--file", "b", code=2, says="--file")
        self.assert_fails("metrics", "a", "--bus", "b", code=2, says="--bus")


class Serving(MetricsCase):
    def serve(self, *arguments, address="127.0.0.1:0"):
        """Starts the server; returns the process and the port."""
        server = self.start("metrics", "--listen", address, *arguments)
        line = server.stderr.readline().decode()
        match = re.fullmatch(r"shmbus: serving http://(.+):(\d+)/metrics\n", line)
        self.assertTrue(match, line)
        self.assertEqual(match[1], address.rpartition(":")[0])
        return server, int(match[2])

    @staticmethod
    @contextlib.contextmanager
    def connected(port, host="127.0.0.1"):
        connection = http.client.HTTPConnection(host, port, timeout=30)
        with contextlib.closing(connection):
            yield connection

    def ask(self, connection, method="GET", path="/metrics", body=None):
        connection.request(method, path, body)
        response = connection.getresponse()
        return response, response.read()

    def fetch(self, port, host="127.0.0.1"):
        with self.connected(port, host) as connection:
            response, body = self.ask(connection)
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return Page(body.decode())

    def test_each_request_looks_anew(self):
        server, port = self.serve()
        self.assertEqual(self.fetch(port).value("shmbus_up", bus=self.bus), 0)
        self.run_tool("create", "c")
        for count in (1, 2):
            self.run_tool("pub", "c", input=b"line\n")
            self.assertEqual(self.fetch(port).value("shmbus_channel_published_total"), count)
        self.run_tool("rm", self.bus)
        self.assertEqual([sample.name for sample in self.fetch(port).samples], ["shmbus_up"])
        self.assertEqual(self.interrupt(server, signal.SIGTERM), (b"", b""))

    def test_methods_and_paths(self):
        self.run_tool("create", "c")
        server, port = self.serve()
        with self.connected(port) as connection:  # all on one connection
            body = self.ask(connection)[1]
            response, nothing = self.ask(connection, "HEAD")
            self.assertEqual((response.status, nothing), (200, b""))
            self.assertEqual(int(response.headers["Content-Length"]), len(body))
            for path in ("/", "/metrics/", "/metrics.txt", "//metrics"):
                self.assertEqual(self.ask(connection, path=path)[0].status, 404)
            self.assertEqual(self.ask(connection, path="/metrics?x=y")[0].status, 200)
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                response, _ = self.ask(connection, method, body=b"x" * 100000)
                self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD"))
        self.interrupt(server)

    def test_who_says_nothing_holds_up_nobody(self):
        self.run_tool("create", "c")
        server, port = self.serve()
        with contextlib.ExitStack() as silent:
            for _ in range(10):
                silent.enter_context(socket.create_connection(("127.0.0.1", port))).send(b"GET /metr")
            self.assertEqual(self.fetch(port).value("shmbus_up"), 1)
            self.interrupt(server, signal.SIGTERM)

    def test_damage_while_serving(self):
        self.run_tool("create", "c")
        server, port = self.serve()
        with open(segment(self.bus), "r+b") as file:
            file.truncate(100)
        self.assertEqual(self.fetch(port).value("shmbus_up"), 0)
        with open(segment(self.bus), "r+b") as file:
            file.write(b"\xff" * 5000)
        self.assertEqual(self.fetch(port).value("shmbus_up"), 0)
        self.interrupt(server)

    def test_ipv6(self):
        with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                self.skipTest("there is no ::1 here")
        self.run_tool("create", "c")
        server, port = self.serve(address="[::1]:0")
        self.assertEqual(self.fetch(port, "::1").value("shmbus_up"), 1)
        self.interrupt(server)

    def test_port_in_use(self):
        server, port = self.serve()
        self.assert_fails("metrics", "--listen", f"127.0.0.1:{port}", code=1,
                          says=[f"cannot listen at 127.0.0.1:{port}", "[Aa]ddress already in use"])
        self.interrupt(server)

    def test_what_is_no_address(self):
        for address in ("", ":", "9090", ":9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                        "::1:9090", "[::1]", "localhost:http", "example.org:80", "127.0.0.1:99999999999999999999",
                        "x" * 500 + ":1"):
            with self.subTest(address):
                self.assert_fails("metrics", f"--listen={address}", code=1, says="127.0.0.1:9090")


if __name__ == "__main__":
    unittest.main()
