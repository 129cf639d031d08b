#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""top without a screen, hz and hist: what they say of traffic that is known."""

import json
import os
import signal
import time
import unittest

from toolkit import LIMIT, ToolCase, segment

FAST = ["--interval", "0.1"]


class Follower:
    """A command that prints an object a line, until the test ends it."""

    def __init__(self, case, *arguments):
        self.case = case
        self.process = case.start(*arguments, *FAST, "--json")
        self.lines = self.process.stdout

    def next(self):
        line = self.lines.readline()
        self.case.assertTrue(line, "it ended: " + (b"" if line else self.process.stderr.read()).decode())
        return json.loads(line)

    def until(self, condition, what):
        """Reads on until condition(object) holds, and returns all that was read."""
        seen = []
        deadline = time.monotonic() + LIMIT
        while not seen or not condition(seen[-1]):
            self.case.assertLess(time.monotonic(), deadline, what)
            seen.append(self.next())
        return seen


class RatesCase(ToolCase):
    def follow(self, *arguments):
        return Follower(self, *arguments)

    def durable_group(self, channel="c", name="g"):
        self.run_tool("sub", channel, "--group", name, "--durable", "--timeout", "0")

    def publisher(self, channel="c"):
        """One that sends what is written to it, line by line."""
        before = len(self.json("stat")["publishers"]) if os.path.exists(segment(self.bus)) else 0
        process = self.start("pub", channel)
        self.until_publishers(before + 1)
        return process

    def send(self, publisher, count, line=b"0123456789"):
        """Sends so many lines, and waits until all are sent."""
        def sent():
            return sum(row["messages"] for row in self.stat()["publishers"])
        before = sent()
        publisher.stdin.write((line + b"\n") * count)
        self.until(lambda: sent() == before + count, f"{count} lines sent")


class Hz(RatesCase):
    def test_counts_every_message_once(self):
        self.run_tool("create", "c")
        publisher = self.publisher()
        hz = self.follow("hz", "c")
        self.assertEqual(hz.next()["messages"], 0)
        self.send(publisher, 3000)
        lines = []
        hz.until(lambda line: lines.append(line) or sum(one["messages"] for one in lines) >= 3000, "all seen")
        lines.append(hz.next())
        self.assertEqual(sum(line["messages"] for line in lines), 3000)
        self.assertAlmostEqual(sum(line["bytes_per_s"] * line["seconds"] for line in lines), 30000, places=3)
        for line in lines:
            self.assertAlmostEqual(line["messages_per_s"] * line["seconds"], line["messages"], places=3)
            if line["messages"]:
                self.assertEqual(line["mean_size"], 10)
                self.assertAlmostEqual(line["mean_gap_ns"], 1e9 / line["messages_per_s"], delta=1)

    def test_counts_those_of_publishers_that_left(self):
        self.run_tool("create", "c")
        hz = self.follow("hz", "c")
        hz.next()
        self.run_tool("pub", "c", input=b"line\n" * 500)
        self.run_tool("pub", "c", input=b"line\n" * 300)
        lines = []
        hz.until(lambda line: lines.append(line) or sum(one["messages"] for one in lines) >= 800, "all seen")
        self.assertEqual(sum(line["messages"] for line in lines), 800)

    def test_window(self):
        self.run_tool("create", "c")
        publisher = self.publisher()
        hz = self.follow("hz", "c", "--window", "3")
        first = hz.next()
        self.assertEqual((first["window"], first["window_max_per_s"]), (1, 0))
        self.send(publisher, 100)
        seen = hz.until(lambda line: line["messages"] > 0, "the messages")
        peak = seen[-1]["messages_per_s"]
        self.assertEqual(seen[-1]["window_max_per_s"], peak)
        self.assertEqual(seen[-1]["window_min_per_s"], min(line["messages_per_s"] for line in [first, *seen][-3:]))
        seen = hz.until(lambda line: line["window_max_per_s"] == 0, "the messages leave the window")
        self.assertEqual([line["window"] for line in seen], [3] * len(seen))
        self.assertEqual((seen[-1]["window_mean_per_s"], seen[-1]["window_stddev_per_s"]), (0, 0))

    def test_statistics_of_the_window(self):
        self.run_tool("create", "c")
        publisher = self.publisher()
        hz = self.follow("hz", "c", "--window", "4")
        lines = [hz.next()]
        self.send(publisher, 50)
        lines += hz.until(lambda line: line["messages"] > 0, "the messages")
        rates = [line["messages_per_s"] for line in lines][-4:]
        mean = sum(rates) / len(rates)
        deviation = (sum((rate - mean) ** 2 for rate in rates) / len(rates)) ** 0.5
        self.assertAlmostEqual(lines[-1]["window_mean_per_s"], mean, places=3)
        self.assertAlmostEqual(lines[-1]["window_stddev_per_s"], deviation, places=3)

    def test_text(self):
        self.run_tool("create", "c")
        titles, *lines = self.run_tool("hz", "c", "-n", "2", *FAST).stdout.decode().splitlines()
        self.assertEqual(titles.split(), ["MESSAGES", "MSG/S", "MB/S", "BYTES", "EVERY", "OVER", "MEAN", "LEAST",
                                          "MOST", "STDDEV"])
        self.assertEqual([line.split()[:6] for line in lines],
                         [["0", "0", "0", "-", "-", number] for number in "12"])

    def test_what_is_wrong(self):
        self.assert_fails("hz", "c", code=1, says=f'cannot look at bus "{self.bus}"')
        self.run_tool("create", "c")
        self.assert_fails("hz", "d", code=1, says=['no channel "d"', self.bus])
        self.assert_fails("hz", "c", "--interval", "0.001", code=2, says="0.001 s is less than 0.01")
        self.assert_fails("hz", "c", "--window", "2M", code=2, says="2097152 is more than 1000000")
        self.assert_fails("hz", code=2, says="CHANNEL is missing")

    def test_channel_removed_meanwhile(self):
        self.run_tool("create", "c")
        hz = self.follow("hz", "c")
        hz.next()
        self.run_tool("rm", "-c", "c")
        hz.process.wait(LIMIT)
        self.assertEqual(hz.process.returncode, 1)
        self.assertIn(b'no channel "c"', hz.process.stderr.read())

    def test_signal_ends_it(self):
        self.run_tool("create", "c")
        for options, code in (([], 0), (["-n", "1000000"], 128 + signal.SIGTERM)):
            hz = self.follow("hz", "c", *options)
            hz.next()
            self.interrupt(hz.process, signal.SIGTERM, code=code)


class Top(RatesCase):
    def frame(self, *arguments):
        return json.loads(self.run_tool("top", "--json", "-n", "1", *FAST, *arguments).stdout)

    def channels(self, *arguments):
        return {row["name"]: row for row in self.frame(*arguments)["channels"]}

    @staticmethod
    def total(frames, channel, key):
        return sum(frame["seconds"] * row[key] for frame in frames for row in frame["channels"]
                   if row["name"] == channel)

    def test_counts_every_message_once(self):
        for channel in ("one", "two"):
            self.run_tool("create", channel)
        publishers = [self.publisher("one"), self.publisher("two"), self.publisher("two")]
        top = self.follow("top")
        frames = [top.next()]
        for publisher, count in zip(publishers, (1000, 200, 30)):
            self.send(publisher, count)
        frames += top.until(lambda frame: sum(row["published"] for row in frame["channels"]) == 1230, "all")
        frames.append(top.next())
        self.assertEqual(round(self.total(frames, "one", "messages_per_s"), 3), 1000)
        self.assertEqual(round(self.total(frames, "one", "bytes_per_s"), 3), 10000)
        self.assertEqual(round(self.total(frames, "two", "messages_per_s"), 3), 230)
        bus = sum(frame["seconds"] * frame["bus"]["messages_per_s"] for frame in frames)
        self.assertEqual(round(bus, 3), 1230)

    def test_participants_and_handles(self):
        reader = self.start("sub", "c", "--group", "g", stdout=self.output_file())
        self.until_members(1)
        publisher = self.publisher()
        people, handles = self.follow("top", "--participants"), self.follow("top", "-c", "c")
        seen = {"people": [people.next()], "handles": [handles.next()]}
        self.send(publisher, 700)
        self.until(lambda: self.group("g")["messages"] == 700, "all read")
        for name, follower in (("people", people), ("handles", handles)):
            seen[name] += [follower.next() for _ in range(3)]
        sums = {}
        for frame in seen["people"]:
            for row in frame["participants"]:
                for key in ("messages_per_s", "delivered_per_s"):
                    sums[row["pid"], key] = sums.get((row["pid"], key), 0) + frame["seconds"] * row[key]
        self.assertEqual({key: round(value, 3) for key, value in sums.items()},
                         {(publisher.pid, "messages_per_s"): 700, (publisher.pid, "delivered_per_s"): 0,
                          (reader.pid, "messages_per_s"): 0, (reader.pid, "delivered_per_s"): 700})
        sums = {}
        for frame in seen["handles"]:
            for row in frame["handles"]:
                sums[row["what"]] = sums.get(row["what"], 0) + frame["seconds"] * row["messages_per_s"]
        self.assertEqual({key: round(value, 3) for key, value in sums.items()},
                         {"publisher": 700, "group": 700, "member": 700})

    def test_lag_and_fill(self):
        self.run_tool("create", "c", "--slots", "1024")
        self.durable_group(name="g")
        self.run_tool("pub", "c", input=b"line\n" * 256)
        self.durable_group(name="late")
        self.run_tool("pub", "c", input=b"line\n" * 256)
        row = self.channels()["c"]
        self.assertEqual((row["lag"], row["fill"], row["published"]), (512, 0.5, 512))
        groups = {row["group"]: row for row in self.frame("-c", "c")["handles"]}
        self.assertEqual((groups["g"]["lag"], groups["late"]["lag"]), (512, 256))
        self.assertGreater(groups["g"]["oldest_ns"], groups["late"]["oldest_ns"])

    def test_blocked(self):
        self.run_tool("create", "c", "--slots", "64")
        self.durable_group()
        top = self.follow("top")
        frames = [top.next()]
        writer = self.start("pub", "c", stdin=self.input_file(b"line\n" * 65))
        self.until_publishers(1)
        self.until(lambda: self.stat()["publishers"][0]["blocked"] > 0, "it is blocked")
        frames += top.until(lambda frame: frame["channels"][0]["blocked_per_s"] > 0, "blocked is shown")
        self.assertEqual((frames[-1]["channels"][0]["fill"], frames[-1]["channels"][0]["lag"]), (1, 64))
        writer.kill()

    def test_missed(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "64")
        self.durable_group()
        self.run_tool("pub", "c", input=b"line\n" * 1000)
        read = self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0").stdout
        self.assertEqual(self.channels()["c"]["missed"], 1000 - read.count(b"\n"))
        self.assertGreater(self.channels()["c"]["missed"], 900)

    def test_latency_is_of_the_interval(self):
        reader = self.start("sub", "c", stdout=self.output_file())
        self.until_members(1)
        publisher = self.publisher()
        top = self.follow("top")
        self.assertIsNone(top.next()["channels"][0]["p99_ns"])
        self.send(publisher, 5000)
        seen = top.until(lambda frame: frame["channels"][0]["latency_samples"] > 0, "samples")
        row = seen[-1]["channels"][0]
        self.assertLessEqual(row["p50_ns"], row["p99_ns"])
        self.assertGreater(row["p50_ns"], 0)
        seen = top.until(lambda frame: frame["channels"][0]["latency_samples"] == 0, "a quiet interval")
        self.assertIsNone(seen[-1]["channels"][0]["p50_ns"])
        self.interrupt(reader)

    def test_filter_and_sort(self):
        for index, channel in enumerate(("tick-a", "tick-b", "news")):
            self.run_tool("create", channel)
            self.durable_group(channel)
            self.run_tool("pub", channel, input=b"x\n" * (index + 1))
        self.assertEqual(sorted(self.channels("--filter", "tick")), ["tick-a", "tick-b"])
        for options, names in ((["lag"], ["news", "tick-b", "tick-a"]), (["lag", "-r"], ["tick-a", "tick-b", "news"]),
                               (["name"], ["news", "tick-a", "tick-b"])):
            self.assertEqual(list(self.channels("--sort", *options)), names)

    def test_dead_publisher(self):
        self.run_tool("create", "c")
        publisher = self.publisher()
        publisher.kill()
        publisher.wait()
        self.until(lambda: self.frame()["bus"]["dead"] == 1, "it is dead")
        (row,) = self.frame("--participants")["participants"]
        self.assertEqual((row["pid"], row["state"]), (publisher.pid, "dead"))
        self.assertEqual(self.frame("-c", "c")["handles"][0]["state"], "dead")

    def test_text(self):
        self.run_tool("create", "a-channel-of-mine", "--slots", "64")
        self.durable_group("a-channel-of-mine")
        self.run_tool("pub", "a-channel-of-mine", input=b"x\n" * 32)
        for locale, bar in (("C", "#####     "), ("C.UTF-8", "█████     ")):
            self.env["LC_ALL"] = locale
            text = self.run_tool("top", "--batch", "-n", "2", *FAST).stdout.decode()
            self.assertEqual(text.count(f'bus "{self.bus}"'), 2)
            self.assertRegex(text, rf"\na-channel-of-mine N blk +0 +0 {bar}  50% +32 ")
            self.assertEqual(text.isascii(), locale == "C")

    def test_bus_removed_and_made_anew(self):
        self.run_tool("create", "c")
        top = self.follow("top")
        created = top.next()
        self.assertEqual([row["name"] for row in created["channels"]], ["c"])
        self.run_tool("rm", self.bus)
        seen = top.until(lambda frame: "error" in frame, "it is gone")
        self.assertIn(self.bus, seen[-1]["error"])
        self.run_tool("create", "d")
        self.run_tool("pub", "d", input=b"x\n" * 10)
        seen = top.until(lambda frame: frame.get("channels") and frame["channels"][0]["published"] == 10, "again")
        self.assertEqual([row["name"] for row in seen[-1]["channels"]], ["d"])
        self.assertEqual(top.next()["channels"][0]["messages_per_s"], 0)

    def test_channel_made_anew_counts_from_nothing(self):
        self.run_tool("pub", "c", input=b"x\n" * 100)
        top = self.follow("top")
        frames = [top.next()]
        self.run_tool("rm", "-c", "c")
        self.run_tool("pub", "c", input=b"x\n" * 20)
        frames += top.until(lambda frame: frame["channels"] and frame["channels"][0]["published"] == 20, "20")
        frames.append(top.next())
        self.assertEqual(round(self.total(frames, "c", "messages_per_s"), 3), 20)

    def test_truncated_meanwhile(self):
        for size in (0, 4096, 64 << 10):
            self.run_tool("create", "c")
            top = self.follow("top")
            top.next()
            os.truncate(segment(self.bus), size)
            seen = top.until(lambda frame: "error" in frame or frame["bus"]["damaged"] or not frame["channels"],
                             "damage is noticed")
            self.assertTrue(seen[-1])
            os.unlink(segment(self.bus))
            self.run_tool("create", "again")
            top.until(lambda frame: frame.get("channels") and frame["channels"][0]["name"] == "again", "anew")
            self.interrupt(top.process)
            self.run_tool("rm", self.bus)

    def test_hostile_name(self):
        self.run_tool("create", "innocent")
        with open(segment(self.bus), "r+b") as file:
            content = file.read()
            at = content.find(b"innocent")
            self.assertGreater(at, 0)
            file.seek(at)
            file.write(b"\x1b[31mx\xff\n")
        for locale in ("C", "C.UTF-8"):
            self.env["LC_ALL"] = locale
            for arguments in (["--batch"], ["--json"]):
                output = self.run_tool("top", *arguments, "-n", "1", *FAST).stdout
                self.assertNotIn(b"\x1b", output)
                self.assertNotIn(b"\xff", output)

    def test_what_is_wrong(self):
        self.assert_fails("top", "--batch", code=1, says=f'cannot look at bus "{self.bus}"')
        self.run_tool("create", "c")
        self.assert_fails("top", code=1, says="needs a terminal")
        self.assert_fails("top", "--batch", "-c", "d", code=1, says='no channel "d"')
        self.assert_fails("top", "--sort", "beauty", code=2, says=['no column "beauty"', "name kind msgs"])
        self.assert_fails("top", "-c", "c", "-p", code=2, says="not both")
        self.assert_fails("top", "-n", "1", code=2, says="--batch or --json")
        self.assert_fails("top", "--interval", "0.01", code=2, says="0.010 s is less than 0.05")
        self.assert_fails("top", "--filter", "x" * 64, code=2, says="64 bytes, at most 63")
        with open(segment(self.bus), "r+b") as file:
            file.truncate(100)
        self.assert_fails("top", "--batch", code=1, says=f'cannot look at bus "{self.bus}"')

    def test_looking_changes_nothing(self):
        self.run_tool("pub", "c", input=b"line\n")
        self.durable_group()
        with open(segment(self.bus), "rb") as file:
            before = file.read()
        for command in (["top", "--batch", "-n", "2", *FAST], ["hz", "c", "-n", "2", *FAST], ["hist", "c"]):
            self.run_tool(*command)
        with open(segment(self.bus), "rb") as file:
            self.assertEqual(file.read(), before)


class Hist(RatesCase):
    def hist(self, *arguments):
        return json.loads(self.run_tool("hist", "c", "--json", *arguments).stdout)

    def reader(self, group, members):
        process = self.start("sub", "c", "--group", group, stdout=self.output_file())
        self.until_members(members)
        return process

    def check_figures(self, row, at_most):
        self.assertEqual(sum(bucket["samples"] for bucket in row["buckets"]), row["samples"])
        self.assertTrue(0 < row["samples"] <= at_most, row)
        percentiles = [row[key] for key in ("p50_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns", "max_ns")]
        self.assertEqual(percentiles, sorted(percentiles))
        self.assertTrue(0 < row["mean_ns"] <= row["max_ns"])
        for bucket in row["buckets"]:
            self.assertTrue(bucket["to_ns"] is None or bucket["from_ns"] < bucket["to_ns"])
        self.assertGreaterEqual(row["max_ns"], row["buckets"][-1]["from_ns"])

    def test_groups_and_all(self):
        for index, group in enumerate(("one", "two")):
            self.reader(group, index + 1)
        self.send(self.publisher(), 5000)
        self.until(lambda: all(row["messages"] == 5000 for row in self.stat()["groups"]), "all read")
        hist = self.hist()
        self.assertEqual([row["group"] for row in hist["members"]], ["one", "two"])
        for row in hist["members"]:
            self.check_figures(row, 5000)
        self.check_figures(hist["all"], 10000)
        self.assertEqual(hist["all"]["samples"], sum(row["samples"] for row in hist["members"]))
        (row,) = self.hist("--group", "two")["members"]
        self.assertEqual(row, hist["members"][1])

    def test_a_latency_that_is_known(self):
        """The reader stands still while the message is sent: it took from before the sending until after the reading."""
        reader = self.reader("g", 1)
        publisher = self.publisher()
        reader.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, reader.pid, os.WSTOPPED | os.WNOWAIT)
        before = time.monotonic_ns()
        self.send(publisher, 1)
        sent = time.monotonic_ns()
        for _ in range(5):
            self.stat()
        shortest = time.monotonic_ns() - sent
        reader.send_signal(signal.SIGCONT)
        self.until(lambda: self.group("g")["messages"] == 1, "it is read")
        longest = time.monotonic_ns() - before
        row = self.hist()["all"]
        self.assertEqual(row["samples"], 1)
        for key in ("mean_ns", "max_ns"):
            self.assertTrue(shortest <= row[key] <= longest, (shortest, row, longest))
        (bucket,) = row["buckets"]
        self.assertTrue(bucket["from_ns"] <= row["max_ns"] < bucket["to_ns"])

    def test_interval_leaves_out_what_was_before(self):
        self.reader("g", 1)
        publisher = self.publisher()
        self.send(publisher, 100)
        self.until(lambda: self.group("g")["messages"] == 100, "all read")
        self.assertGreater(self.hist()["all"]["samples"], 0)
        result = self.run_tool("hist", "c", *FAST)
        self.assertIn(b"no message came to those who read", result.stderr)
        self.assertEqual(self.hist(*FAST)["all"]["samples"], 0)
        hist = self.start("hist", "c", "--interval", "1", "--json")
        while hist.poll() is None:
            self.send(publisher, 10)
        row = json.loads(self.end(hist)[0])
        self.check_figures(row["all"], self.group("g")["messages"] - 100)
        self.assertGreaterEqual(row["seconds"], 1)

    def test_says_why_there_is_nothing(self):
        self.run_tool("create", "c")
        self.assertIn(b"nobody reads channel", self.run_tool("hist", "c").stderr)
        self.reader("g", 1)
        self.assertIn(b"no message came", self.run_tool("hist", "c").stderr)
        self.send(self.publisher(), 50, b"x" * 56)
        self.until(lambda: self.group("g")["messages"] == 50, "all read")
        self.assertRegex(self.run_tool("hist", "c").stderr.decode(), "56 bytes on average; those of 49 to 56 bytes")
        self.assertIsNone(self.hist()["all"]["p50_ns"])

    def test_text_fits_the_terminal(self):
        self.reader("g", 1)
        self.send(self.publisher(), 2000)
        self.until(lambda: self.group("g")["messages"] == 2000, "all read")
        for locale, full in (("C", "#"), ("C.UTF-8", "█")):
            self.env["LC_ALL"] = locale
            lines = self.run_tool("hist", "c").stdout.decode().splitlines()
            self.assertLessEqual(max(map(len, lines)), 80)
            self.assertEqual(lines[0].split(), ["GROUP", "MEMBER", "OWNER", "SAMPLES", "MEAN", "P50", "P90", "P95",
                                                "P99", "P99.9", "MAX"])
            longest = max(line.count(full) for line in lines)
            self.assertEqual(longest, max(line.rstrip().rfind(full) - line.find(full) + 1 for line in lines
                                          if full in line), "the greatest bucket has a whole bar")
            self.assertGreater(longest, 40)

    def test_copied_file(self):
        self.reader("g", 1)
        self.send(self.publisher(), 100)
        self.until(lambda: self.group("g")["messages"] == 100, "all read")
        with open(segment(self.bus), "rb") as file:
            copy = self.scratch(file.read())
        there, here = self.hist("--file", copy), self.hist()
        self.assertEqual(there["all"], here["all"])
        self.assert_fails("hist", "c", "--file", copy, "-i", "1", code=2, says="leave --interval out")

    def test_what_is_wrong(self):
        self.run_tool("create", "c")
        self.assert_fails("hist", "d", code=1, says='no channel "d"')
        self.assert_fails("hist", "c", "-g", "g", code=1, says=['channel "c" has no group "g"'])
        self.assert_fails("hist", "c", "-F", "/nowhere", code=1, says='cannot look at file "/nowhere"')


if __name__ == "__main__":
    unittest.main()
