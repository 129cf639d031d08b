#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stat: its figures against what the traffic is known to be."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

from toolkit import TOOL, ToolCase, maps, segment

PID_NAMESPACE = ["unshare", "--pid", "--uts", "--fork", "--kill-child"]


def can_unshare():
    """May we make PID namespaces?"""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run([*PID_NAMESPACE, "true"], capture_output=True).returncode == 0


class Traffic(ToolCase):
    def channel(self, *options):
        (row,) = self.json("stat", *options)["channels"]
        return row

    def test_fill_of_a_blocked_channel(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0", "--slots", "64")
        self.run_tool("pub", "c", input=b"line\n" * 48)
        row = self.channel()
        self.assertEqual((row["pending"], row["fill"], row["blocked"], row["publishers_asleep"]), (48, 75, 0, False))
        self.start("pub", "c")  # one that has nothing to say
        writer = self.start("pub", "c")
        self.until_publishers(2)
        writer.stdin.write(b"line\n" * 30)
        self.until(lambda: self.channel()["publishers_asleep"], "no room")
        row = self.channel()
        self.assertEqual((row["pending"], row["fill"], row["readers_asleep"]), (64, 100, False))
        self.assertGreaterEqual(row["blocked"], 1)
        idle, waiting = sorted(publisher["blocked"] for publisher in self.stat()["publishers"])
        self.assertEqual(idle, 0)
        self.assertGreaterEqual(waiting, row["blocked"])  # pub asks again now and then
        self.run_tool("sub", "c", "--group", "g", "--durable", "--count", "78")
        self.end(writer, b"")
        group = self.group("g")
        self.assertEqual((group["lag"], group["messages"], group["oldest"], group["oldest_age"]), (0, 78, None, None))

    def test_how_long_the_oldest_has_waited(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        before = time.monotonic_ns()
        self.run_tool("pub", "c", input=b"line\n" * 5)
        after = time.monotonic_ns()
        group = self.group("g")
        self.assertEqual((group["lag"], group["oldest"]), (5, 0))
        at_least = time.monotonic_ns()
        age = self.until(lambda: self.group("g")["oldest_age"], "the oldest message is dated")
        self.assertGreaterEqual(age, at_least - after)
        self.assertLessEqual(age, time.monotonic_ns() - before)

    def test_rate_needs_two_looks(self):
        self.run_tool("pub", "c", input=b"line\n" * 10)
        self.assertIsNone(self.channel()["rate"])
        self.assertEqual(self.channel("--interval", "0.01")["rate"], 0)

    def test_rate_of_messages_that_come_meanwhile(self):
        self.run_tool("create", "c")
        began = time.monotonic()
        looker = self.start("stat", "--json", "--interval", "1")
        self.until(lambda: self.bus in maps(looker.pid), "it has looked once")
        # clock_nanosleep() is number 230 (x86-64) or 115 (ARM64): it is asleep between its looks.
        self.until(lambda: self.call_of(looker) in ("230", "115", None), "it sleeps")
        self.run_tool("pub", "c", input=b"line\n" * 500)
        output, _ = self.end(looker)
        passed = time.monotonic() - began
        rate = json.loads(output)["channels"][0]["rate"]
        self.assertGreaterEqual(rate, int(500 / passed) - 1)
        self.assertLessEqual(rate, 501)

    @staticmethod
    def call_of(process):
        """Number of the system call that it is in; None where the kernel does not tell."""
        try:
            with open(f"/proc/{process.pid}/syscall", encoding="utf-8") as file:
                return file.read().split()[0]
        except OSError:
            return None

    def test_latency(self):
        reader = self.start("sub", "c", stdout=self.output_file())
        self.until_members(1)
        began = time.monotonic_ns()
        self.run_tool("pub", "c", input=b"line\n" * 20000)
        self.until(lambda: self.stat()["members"][0]["messages"] == 20000, "all are read")
        passed = time.monotonic_ns() - began
        (row,) = self.stat()["members"]
        self.assertGreaterEqual(row["latency_samples"], 20000 // 4096)
        self.assertLess(0, row["latency_p50"])
        self.assertLessEqual(row["latency_p50"], row["latency_p99"])
        self.assertLessEqual(row["latency_max"], passed)
        self.assertLessEqual(row["largest_lag"], 4096)
        self.interrupt(reader)

    def test_redelivered(self):
        shared = ["--group", "g", "--shared", "--durable"]
        reader = self.start("sub", "c", *shared)
        self.until_members(1)
        self.run_tool("pub", "c", input=(b"x" * 4000 + b"\n") * 60)
        held = self.until(lambda: self.stat()["members"][0]["held"], "its pipe is full")
        reader.kill()
        reader.wait()
        left = self.group("g")["lag"]
        self.assertGreaterEqual(left, held)
        self.run_tool("sub", "c", *shared, "--count", str(left))
        group = self.group("g")
        self.assertEqual((group["lag"], group["redelivered"], group["messages"]), (0, held, 60))


class People(ToolCase):
    def test_states(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        (row,) = self.stat()["participants"]
        self.assertEqual((row["pid"], row["pid_here"], row["state"], row["container"], row["host"]),
                         (reader.pid, reader.pid, "alive", None, socket.gethostname()[:39]))
        self.assertEqual(row["pid_namespace"], os.stat("/proc/self/ns/pid").st_ino)
        self.assertEqual(row["attached"][:4], time.strftime("%Y", time.gmtime()))
        reader.send_signal(signal.SIGSTOP)
        self.until(lambda: self.stat()["members"][0]["state"] == "paused", "paused")
        reader.kill()
        reader.wait()
        stat = self.stat()
        self.assertEqual([stat[table][0]["state"] for table in ("participants", "members")], ["dead", "dead"])
        self.assertIsNone(stat["participants"][0]["pid_here"])

    @staticmethod
    def parent_of(pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[1])

    @unittest.skipUnless(can_unshare(), "needs PID namespaces")
    def test_container(self):
        script = 'hostname box-of-cats; "$TOOL" sub d & exec "$TOOL" sub c'
        process = subprocess.Popen([*PID_NAMESPACE, "sh", "-c", script], env=dict(self.env, TOOL=TOOL),
                                   stdout=subprocess.DEVNULL)
        self.started.append(process)
        self.until_members(2)
        rows = {row["pid"]: row for row in self.stat()["participants"]}
        self.assertEqual({(row["container"], row["state"]) for row in rows.values()}, {("box-of-cats", "alive")})
        row = rows.pop(1)
        (other,) = rows.values()
        self.assertEqual(self.parent_of(row["pid_here"]), process.pid)  # unshare
        self.assertEqual(self.parent_of(other["pid_here"]), row["pid_here"])
        os.kill(row["pid_here"], signal.SIGSTOP)
        self.until(lambda: "paused" in [row["state"] for row in self.stat()["participants"] if row["pid"] == 1], "paused")
        self.assertRegex(self.run_tool("stat").stdout, rb"PID INSIDE +CONTAINER .*\n +0 .*box-of-cats")
        os.kill(row["pid_here"], signal.SIGCONT)

    def test_copy(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        copy = self.scratch(b"")
        shutil.copyfile(segment(self.bus), copy)
        stat = self.json("stat", "--file", copy)
        self.assertEqual((stat["buses"][0]["copy"], stat["buses"][0]["stale"]), (True, None))
        self.assertEqual([(row["alive"], row["state"]) for row in stat["participants"] + stat["members"]],
                         [(None, "unknown")] * 2)
        self.interrupt(reader)


if __name__ == "__main__":
    unittest.main()
