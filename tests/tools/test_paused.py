#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""doctor and the stopped: by signals, debuggers and control groups, and those who wait for them."""

import ctypes
import os
import signal
import struct
import subprocess
import unittest

from doctoring import DoctorCase
from toolkit import is_emulated

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


def trace(request, process):
    """Attaches to it, stops it, or lets it go, as debuggers do."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, process.pid, None, None) != 0:
        raise unittest.SkipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")


class frozen_group:
    """A control group of its own, of the hierarchy that can freeze, and what to write where."""

    KINDS = (("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"), ("/sys/fs/cgroup/unified", "cgroup.freeze", "1"),
             ("/sys/fs/cgroup", "cgroup.freeze", "1"))

    def __enter__(self):
        for root, self.file, self.word in self.KINDS:
            self.path = f"{root}/shmbus-test-{os.getpid()}"
            try:
                os.mkdir(self.path)
            except OSError:
                continue
            if os.path.exists(f"{self.path}/{self.file}"):
                return self
            os.rmdir(self.path)
        raise unittest.SkipTest("no control group of our own that can be frozen")

    def __exit__(self, *_):
        self.write(self.file, "THAWED" if self.word == "FROZEN" else "0")
        with open(f"{self.path}/cgroup.procs", encoding="ascii") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGKILL)
                os.waitpid(int(pid), 0)
        os.rmdir(self.path)

    def write(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def freeze(self, pid):
        """The process, which is then in it."""
        try:
            self.write("cgroup.procs", str(pid))
            self.write(self.file, self.word)
        except OSError as error:
            raise unittest.SkipTest(f"control groups: {error}") from error
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            if f":/{os.path.basename(self.path)}\n" not in file.read():
                raise unittest.SkipTest("control groups have other paths in /proc than in /sys")


class Paused(DoctorCase):
    def test_reader_that_holds_nobody_up(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        self.pause(reader)
        row = self.finding("paused-participant", "hint", code=0)
        self.assertEqual((row["command"], row["pid"]), (f"kill -CONT {reader.pid}", reader.pid))
        self.assertEqual(self.stat()["participants"][0]["state"], "paused")
        subprocess.run(["sh", "-c", row["command"]], check=True)
        self.until(lambda: self.kinds() == set(), "it runs again")
        self.interrupt(reader)

    @unittest.skipIf(is_emulated(), "the debugger would stop the emulator")
    def test_reader_in_a_debugger(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        trace(PTRACE_SEIZE, reader)
        trace(PTRACE_INTERRUPT, reader)
        self.until(lambda: self.state_of(reader.pid) == "t", "stopped by its debugger")
        row = self.finding("paused-participant", "hint", code=0)
        self.assertEqual((row["command"], row["pid"]), (None, reader.pid))
        self.assertIn("stopped by a debugger", row["what"])
        os.waitpid(reader.pid, os.WUNTRACED)
        trace(PTRACE_DETACH, reader)
        self.assertEqual(self.kinds(), set())
        self.interrupt(reader)

    def test_frozen_reader(self):
        with frozen_group() as group:
            reader = self.start("sub", "c")
            self.until_members(1)
            group.freeze(reader.pid)
            row = self.finding_until("paused-participant", "hint")
            self.assertIn("frozen with its control group", row["what"])
            self.assertIn(group.path, row["command"])
            subprocess.run(["sh", "-c", row["command"]], check=True)
            self.until(lambda: self.kinds() == set(), "it is thawed")
            self.interrupt(reader)

    def test_reader_that_stops_a_publisher(self):
        reader = self.start("sub", "c", "--group", "g", "--slots", "64", stdout=self.output_file())
        self.until_members(1)
        self.pause(reader)
        writer = self.fill()
        row = self.finding("paused-participant", "problem")
        self.assertEqual(row["command"], f"kill -CONT {reader.pid}")
        self.assertIn('64 messages wait for it in group "g"', row["meaning"])
        self.assertIn("publishers sleep for room", row["meaning"])
        row = self.finding("blocked-channel", "problem")
        self.assertEqual((row["command"], row["channel"], row["group"]), (f"kill -CONT {reader.pid}", "c", "g"))
        self.assertIn(f"(pid {writer.pid})", row["meaning"])
        self.assertIn(f"(pid {reader.pid})", row["meaning"])
        subprocess.run(["sh", "-c", row["command"]], check=True)
        self.end(writer)
        self.assertEqual(self.kinds(), set())
        self.interrupt(reader)

    def test_dead_reader_of_a_full_ring(self):
        reader = self.start("sub", "c", "--group", "g", "--slots", "64")
        self.until_members(1)
        self.start("pub", "c")
        self.pause(reader)
        writer = self.start("pub", "c")
        writer.stdin.write(b"line\n" * 64)
        self.until(lambda: self.group()["lag"] == 64, "the ring is full, and nobody waits")
        reader.kill()
        reader.wait()
        row = self.finding_until("blocked-channel", "problem")
        self.assertIn("Its members: nobody", row["meaning"])
        self.assertEqual(row["command"], f"shmbus doctor --fix -b {self.bus}")
        rows = self.examine("-b", self.bus, "--fix", "--yes")
        self.assertEqual({row["outcome"] for row in rows if row["bus"]}, {"mended"})
        self.assertEqual(self.kinds(), set())

    def test_member_that_holds_messages(self):
        reader = self.start("sub", "c", "--group", "g", "--shared")
        self.until_members(1)
        self.run_tool("pub", "c", input=(b"x" * 4000 + b"\n") * 100)
        self.until(lambda: self.stat()["members"][0]["held"], "its pipe is full")
        self.pause(reader)
        held = self.stat()["members"][0]["held"]
        self.assertIn(f'holds {held} messages of group "g"', self.finding("paused-participant", "problem")["meaning"])

    def half_a_message(self):
        """A publisher that has claimed a message and waits for the second half of it."""
        reader = self.start("sub", "c", "--group", "g", stdout=self.output_file())
        self.until_members(1)
        writer = self.start("pub", "c", "--frame", "length")
        writer.stdin.write(struct.pack("<I", 100000) + b"x" * 50000)
        self.until(lambda: self.group("g")["unfinished"], "claim is open")
        return reader, writer

    def test_unfinished_claim(self):
        self.run_tool("create", "c", "--single", "--arena", "1M")
        _, writer = self.half_a_message()
        row = self.finding("unfinished-claim", "warning")
        self.assertEqual((row["pid"], row["group"]), (writer.pid, "g"))
        group = self.group("g")
        self.assertEqual((group["waits_for_pid"], group["lag"]), (writer.pid, 1))
        self.pause(writer)
        row = self.finding("paused-participant", "problem")
        self.assertIn('unfinished message 0 holds up group "g"', row["meaning"])
        self.assertNotIn("unfinished-claim", self.kinds())
        writer.send_signal(signal.SIGCONT)
        writer.stdin.write(b"x" * 50000)
        writer.stdin.close()
        self.until(lambda: self.group("g")["lag"] == 0, "it is read")
        self.assertEqual(self.kinds() - {"stale-bus"}, set())


if __name__ == "__main__":
    unittest.main()
