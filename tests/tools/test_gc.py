#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gc: removes what nobody uses, and never what somebody does."""

import json
import os
import signal
import struct
import subprocess
import unittest

from toolkit import LIMIT, TOOL, ToolCase, maps, segment


class Collecting(ToolCase):
    def gc(self, *options, code=0):
        """What it says of our bus: outcome and reason."""
        rows = self.json_of("gc", "-b", self.bus, *options, code=code)
        return [(row["outcome"], row["reason"]) for row in rows]

    def json_of(self, *arguments, code=0):
        return json.loads(self.run_tool(*arguments, "--json", code=code).stdout)["buses"]

    def is_there(self):
        return os.path.exists(segment(self.bus))

    def test_stale(self):
        self.run_tool("create", "c")
        resident = self.stat()["buses"][0]["resident"]
        self.assertEqual(self.gc("--dry-run"), [("would be removed", None)])
        self.assertTrue(self.is_there())
        (row,) = self.json_of("gc", "-b", self.bus)
        self.assertEqual(row, {"name": self.bus, "resident": resident, "unread": 0, "outcome": "removed",
                               "reason": None})
        self.assertFalse(self.is_there())
        self.assertEqual(self.gc(), [])

    def test_in_use(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        self.assertEqual(self.gc(), [("kept", "in use")])
        reader.send_signal(signal.SIGSTOP)
        self.assertEqual(self.gc(), [("kept", "in use")])
        reader.kill()
        reader.wait()
        self.until(lambda: self.stat()["buses"][0]["stale"], "it is dead")
        self.assertEqual(self.gc(), [("removed", None)])

    def test_looking_is_no_use(self):
        self.run_tool("create")
        looker = self.start("stat", "--interval", "1000")
        self.until(lambda: self.bus in maps(looker.pid), "it looks")
        self.assertEqual(self.gc(), [("removed", None)])

    def test_unread_messages(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 9)
        (row,) = self.json_of("gc", "-b", self.bus)
        self.assertEqual((row["outcome"], row["unread"]), ("kept", 9))
        self.assertEqual(self.gc("--durable"), [("removed", None)])

    def test_young(self):
        self.run_tool("create")
        self.assertEqual(self.gc("--older", "3600"), [("kept", "too young (--older)")])
        self.assertEqual(self.gc("--older", "0"), [("removed", None)])

    def test_what_is_no_bus_is_kept(self):
        with open(segment(self.bus), "wb") as file:
            file.write(b"this is no bus" * 1000)
        self.assertEqual([outcome for outcome, _ in self.gc()], ["kept"])
        os.unlink(segment(self.bus))
        self.run_tool("create")
        with open(segment(self.bus), "r+b") as file:
            file.seek(8)
            file.write(struct.pack("<Q", 1))  # of another layout
        self.assertEqual([outcome for outcome, _ in self.gc()], ["kept"])
        self.assertTrue(self.is_there())

    def test_all_buses(self):
        other = self.new_bus()
        self.run_tool("create")
        self.run_tool("create", "-b", other)
        rows = {row["name"]: row["outcome"] for row in self.json_of("gc", "--dry-run")}
        self.assertEqual({rows[self.bus], rows[other]}, {"would be removed"})

    def test_ls_counts_what_it_would_remove(self):
        self.run_tool("create")
        (row,) = [row for row in self.json("ls")["buses"] if row["name"] == self.bus]
        self.assertEqual((row["stale"], row["copy"], row["participants"]), (True, False, 0))
        self.assertRegex(self.run_tool("ls").stdout, rb"\n\d+ bus(es)?, .+ in memory; \d+ stale: .*shmbus gc")

    def test_usage(self):
        self.assert_fails("gc", "-b", "a", "b", code=2, says="not both")


class Racing(ToolCase):
    ROUNDS = 150

    def test_nobody_is_cut_off(self):
        """A pair opens and closes the bus again and again while others collect it: it always meets."""
        script = 'while :; do "$TOOL" gc -b "$SHMBUS_BUS" || exit 1; done'
        env = dict(self.env, TOOL=TOOL)
        output = self.output_file()
        collectors = [subprocess.Popen(["sh", "-c", script], env=env, stdout=output, start_new_session=True)
                      for _ in range(2)]
        try:
            for number in range(self.ROUNDS):
                message = b"round %d\n" % number
                reader = self.start("sub", "c", "--slots", "64", "--arena", "4K", "--count", "1", "--timeout", "20")
                writer = self.start("pub", "c", "--slots", "64", "--arena", "4K", "--wait-groups", "1")
                self.end(writer, message)
                self.assertEqual(self.end(reader)[0], message)
                self.started.clear()
            self.assertEqual([collector.poll() for collector in collectors], [None, None])
        finally:
            for collector in collectors:
                os.killpg(collector.pid, signal.SIGKILL)
                collector.wait(LIMIT)
        output.seek(0)
        text = output.read()
        self.assertIn(b"removed", text)
        self.assertIn(b"in use", text)


if __name__ == "__main__":
    unittest.main()
