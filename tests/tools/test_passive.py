#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command that looks leaves no trace, needs no more than to read, and waits for nobody."""

import os
import shutil
import signal
import subprocess
import sys
import unittest

from looking import Looks, state
from toolkit import TOOL, ToolCase, segment

NOBODY = 65534

# Takes the directory lock of the file, says so, and is stopped: it holds it for ever.
HOLDER = """
import fcntl, os, signal, struct, sys
file = open(sys.argv[1], "r+b")
F_OFD_SETLK = 37
fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x1000000000000000, 1, 0))
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


class Passive(ToolCase):
    def setUp(self):
        super().setUp()
        self.looks = Looks()

    def traffic(self, *options):
        """A bus with groups that read and one that does not; nothing moves any more, whoever is attached is stopped."""
        self.run_tool("create", "c", *options)
        self.run_tool("sub", "c", "--group", "idle", "--durable", "--timeout", "0")
        reader = self.start("sub", "c", "--group", "busy", "--shared")
        self.until_members(1)
        self.run_tool("pub", "c", input=b"".join(b"%d\n" % i for i in range(300)) + b"x" * 5000)
        self.until(lambda: self.group("busy").get("messages") == 301 and self.group("busy")["lag"] == 0, "301 read")
        reader.send_signal(signal.SIGSTOP)  # a sleeping one counts its sleeps
        os.waitid(os.P_PID, reader.pid, os.WSTOPPED | os.WNOWAIT)
        return reader

    def assert_unseen(self, commands, path, **options):
        self.assertGreater(len(commands), 2)
        before = state(path)
        for command in commands:
            with self.subTest(command=command):
                result = subprocess.run([TOOL, *command], env=self.env, capture_output=True, timeout=30, **options)
                self.assertIn(result.returncode, (0, 1), result.stderr)
                if command[0] != "doctor":  # which may have found something
                    self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(state(path), before)

    def test_no_byte_changes(self):
        self.traffic()
        self.assert_unseen(self.looks.at_bus(self.bus), segment(self.bus))

    def test_no_byte_of_a_copy_changes(self):
        self.traffic()
        copy = self.scratch(b"")
        shutil.copyfile(segment(self.bus), copy)
        self.assert_unseen(self.looks.at_file(copy), copy)

    def test_nothing_looked_at_is_attached(self):
        self.traffic()
        for command in self.looks.at_bus(self.bus):
            self.run_tool(*command, code=None if command[0] == "doctor" else 0)
            self.assertEqual(len(self.stat()["participants"]), 1)

    @unittest.skipUnless(os.geteuid() == 0, "only root can start commands as other users")
    def test_reading_is_enough(self):
        path = os.path.realpath(TOOL)
        while path != "/":
            if not os.stat(path).st_mode & 0o001:
                self.skipTest(f"other users cannot run {TOOL}: {path} is closed to them")
            path = os.path.dirname(path)
        self.traffic()
        os.chmod(segment(self.bus), 0o444)
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.assert_unseen(self.looks.at_bus(self.bus), segment(self.bus), **nobody)
        self.assert_unseen(self.looks.at_file(segment(self.bus)), segment(self.bus), **nobody)

    def test_who_holds_the_directory_lock_holds_up_nobody(self):
        self.traffic()
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, segment(self.bus)], stdout=subprocess.PIPE)
        self.started.append(holder)
        self.assertEqual(holder.stdout.readline(), b"locked\n")
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        self.assert_unseen(self.looks.at_bus(self.bus), segment(self.bus))


if __name__ == "__main__":
    unittest.main()
