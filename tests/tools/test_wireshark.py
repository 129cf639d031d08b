#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shmbus.lua: what Wireshark shows of a recording is what was sent."""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

from toolkit import LIMIT, TOOL, ToolCase, content_of

DISSECTOR = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         "../../shm_tools/wireshark/shmbus.lua")
PIECE = 262144 - 64
FIELDS = ["kind", "channel", "channel_name", "bus_name", "publisher", "sequence", "missed", "size", "sent_ns",
          "type", "offset", "aborted", "more", "data", "slots", "largest"]


class Dissector(ToolCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "recording")

    def record(self, *channels):
        self.run_tool("record", *channels, "--from", "oldest", "-t", "0", "--aborted", "-o", self.path)

    def tshark(self, *arguments):
        """Its output; its errors are ours."""
        # Its settings are not to come from the home of whoever runs the tests.
        environment = dict(os.environ, HOME=os.path.dirname(self.path), LC_ALL="C.UTF-8")
        done = subprocess.run(["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", self.path, *arguments],
                              capture_output=True, timeout=LIMIT, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"Lua", done.stderr)
        return done.stdout.decode()

    def rows(self):
        """A dict of its fields for each packet."""
        options = [option for field in FIELDS for option in ("-e", f"shmbus.{field}")]
        lines = self.tshark("-T", "fields", "-E", "separator=|", *options).splitlines()
        return [dict(zip(FIELDS, line.split("|"))) for line in lines]

    def test_fields_are_what_was_sent(self):
        self.run_tool("create", "c", "--slots", "64", "--type", "0x2a", "--largest", "300K")
        self.run_tool("create", "d", "--single")
        messages = [b"first", bytes(range(256)), b"x" * (PIECE + 5)]
        self.publish(messages)
        self.publish([b"other"], "d")
        self.run_tool("pub", "d", "--frame", "length", code=1,
                      input=struct.pack("<I", 100 << 10) + b"x" * (40 << 10))
        self.record("c", "d")
        rows = self.rows()
        shapes = {row["channel"]: row for row in rows if row["kind"] == "0"}
        self.assertEqual([shapes[number]["channel_name"] for number in ("0", "1")], ["c", "d"])
        self.assertEqual((shapes["0"]["slots"], shapes["0"]["largest"], shapes["0"]["bus_name"]),
                         ("64", str(300 << 10), self.bus))
        self.check_messages([row for row in rows if row["kind"] == "1" and row["channel"] == "0"], messages)
        others = [row for row in rows if row["kind"] == "1" and row["channel"] == "1"]
        self.assertEqual([(row["channel_name"], row["data"], row["size"], row["aborted"]) for row in others],
                         [("d", b"other".hex(), "5", "0"), ("d", "", "0", "1")])

    def check_messages(self, rows, messages):
        self.assertEqual([row["sequence"] for row in rows], ["0", "1", "2", "2"])
        self.assertEqual([row["size"] for row in rows], ["5", "256", str(PIECE + 5), str(PIECE + 5)])
        self.assertEqual([row["offset"] for row in rows], ["0", "0", "0", str(PIECE)])
        self.assertEqual([row["more"] for row in rows], ["0", "0", "1", "0"])
        self.assertEqual("".join(row["data"] for row in rows), b"".join(messages).hex())
        for row in rows:
            self.assertEqual((row["channel_name"], row["publisher"], row["missed"], row["aborted"], row["type"]),
                             ("c", "0", "0", "0", f"{0x2a:#018x}"))
        self.assertGreater(int(rows[0]["sent_ns"]), 0)

    def test_summary_and_filter(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "16")
        record = self.start("record", "c", "-v", "-o", self.path)
        self.until_says(record, b"follows channel")
        record.send_signal(signal.SIGSTOP)
        self.publish([b"x"] * 100 + [b"end"])
        record.send_signal(signal.SIGCONT)
        self.until(lambda: b"end" in content_of(self.path), "the last message in the file")
        self.interrupt(record)
        shown = self.tshark("-Y", "shmbus.sequence == 100 && shmbus.size == 3")
        self.assertRegex(shown, r"\A.*SHMBUS .* c #100 from publisher 0, 3 bytes\n\Z")
        missed = self.tshark("-Y", "shmbus.messages_missed", "-T", "fields", "-e", "shmbus.missed").split()
        self.assertEqual(len(missed), 1)
        self.assertGreaterEqual(int(missed[0]), 85)

    def test_damaged_packets_are_marked(self):
        self.publish([b"one"])
        self.record("c")
        whole = content_of(self.path)
        for at, byte in ((24 + 16, 0), (24 + 16 + 4, 9), (24 + 16 + 5, 7), (24 + 16 + 7, 0xFF),
                         (24 + 16 + 64 + 3, 0xFF)):
            with open(self.path, "wb") as file:
                file.write(whole[:at] + bytes([byte]) + whole[at + 1:])
            self.assertEqual(self.tshark("-Y", "shmbus.damaged", "-T", "fields", "-e", "frame.number"), "1\n", at)


def can_dissect():
    if not shutil.which("tshark"):
        return False
    help_text = subprocess.run(["tshark", "--version"], capture_output=True, timeout=LIMIT).stdout
    return re.search(rb"with\s+Lua", help_text) is not None


if __name__ == "__main__":
    if not can_dissect():
        print(f"skipped for {TOOL}: there is no tshark with Lua")
        sys.exit(77)
    unittest.main()
