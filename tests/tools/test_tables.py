#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""create, ls, stat and rm: what they do, and what they print for people and for programs."""

import json
import os
import pty
import re
import subprocess
import unittest

from toolkit import TOOL, ToolCase, segment

BUS_KEYS = {"name", "size", "resident", "mode", "owner", "uid", "group", "gid", "participants", "dead",
            "participants_max", "channels", "channels_max", "fingerprint", "stale", "copy", "removed", "unused",
            "leaked", "error"}
CHANNEL_KEYS = {"bus", "name", "producers", "overflow", "slots", "slot_size", "arena", "largest", "size",
                "type", "first_sequence", "published", "oldest", "publishers", "publishers_max", "groups",
                "groups_max", "members", "members_max"}
TRAFFIC_KEYS = CHANNEL_KEYS | {"pending", "fill", "rate", "blocked", "readers_asleep", "publishers_asleep"}
OWNER_KEYS = {"participant", "owner", "pid", "pid_here", "alive", "state"}
STAT_KEYS = {
    "buses": BUS_KEYS,
    "channels": TRAFFIC_KEYS,
    "participants": {"index", "name", "pid", "pid_here", "container", "host", "pid_namespace", "alive", "state",
                     "attached", "generation", "membarrier", "timed"},
    "publishers": OWNER_KEYS | {"channel", "index", "messages", "bytes", "aborted", "blocked", "spins", "sleeps",
                                "wakes", "fenced"},
    "groups": {"channel", "name", "index", "shared", "durable", "members", "joined", "position", "lag", "oldest",
               "oldest_age", "unfinished", "waits_for", "waits_for_owner", "waits_for_pid", "interrupted",
               "messages", "bytes", "missed", "aborted", "redelivered"},
    "members": OWNER_KEYS | {"channel", "group", "index", "held", "held_first", "messages", "bytes", "missed",
                             "redelivered", "largest_lag", "spins", "sleeps", "latency_samples", "latency_p50",
                             "latency_p99", "latency_max"},
}
SHAPE = ["--single", "--overwrite", "--slots", "1K", "--slot-size", "128", "--arena", "1M",
         "--largest", "256K", "--publishers", "1", "--groups", "3", "--members", "5",
         "--type", "0xfeedfacecafebeef"]


class Create(ToolCase):
    def test_bus_alone(self):
        text = self.run_tool("create", "--participants", "10", "--channels", "3").stdout.decode()
        self.assertRegex(text, rf'bus "{self.bus}" created: .+, up to 10 participants and 3 channels\n')
        (bus,) = self.stat()["buses"]
        self.assertEqual((bus["participants_max"], bus["channels_max"], bus["channels"]), (10, 3, 0))
        self.assertEqual(bus["size"], os.stat(segment(self.bus)).st_size)
        self.assertRegex(self.run_tool("create").stdout, rb"is there already")

    def test_channel_with_every_option(self):
        text = self.run_tool("create", "c", *SHAPE).stdout.decode()
        self.assertRegex(text, r'channel "c" created: .+: 1024 slots of 128 B, arena of 1 MiB, .* 256 KiB')
        (channel,) = self.json("ls", self.bus)["channels"]
        wanted = {"bus": self.bus, "name": "c", "producers": "single", "overflow": "overwrite", "slots": 1024,
                  "slot_size": 128, "arena": 1 << 20, "largest": 256 << 10, "publishers_max": 1,
                  "groups_max": 3, "members_max": 5, "type": "0xfeedfacecafebeef"}
        self.assertEqual(channel, {**channel, **wanted})
        self.assertGreater(channel["size"], (1 << 20) + 1024 * 128)
        self.assertRegex(self.run_tool("create", "c", *SHAPE).stdout, rb'channel "c" is there already')

    def test_json(self):
        created = self.json("create", "c")
        self.assertEqual(set(created), {"buses", "channels"})
        self.assertEqual(created["channels"], self.json("ls", self.bus)["channels"])
        self.assertEqual(created["buses"][0]["name"], self.bus)

    def test_mode_is_independent_of_umask(self):
        other = self.new_bus()
        self.run_tool("create", "--mode", "660", umask=0o077)
        self.run_tool("create", "-b", other, umask=0)
        modes = [os.stat(segment(bus)).st_mode & 0o777 for bus in (self.bus, other)]
        self.assertEqual(modes, [0o660, 0o600])
        self.assertEqual(self.stat()["buses"][0]["mode"], "0660")

    def test_bus_option_goes_before_environment(self):
        other = self.new_bus()
        self.run_tool("create", "c", "--bus", other)
        self.assertTrue(os.path.exists(segment(other)))
        self.assertFalse(os.path.exists(segment(self.bus)))


class Listing(ToolCase):
    @staticmethod
    def cells(line):
        return [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+( \S+)*", line)]

    def rows(self, text):
        """Each row as {title: cell}, which also shows that the columns are aligned."""
        head, *lines = text.splitlines()
        titles = self.cells(head)
        rows = []
        for line in lines:
            cells = self.cells(line)
            self.assertEqual(len(cells), len(titles), line)
            for cell, title in zip(cells, titles):
                self.assertTrue(cell[1] == title[1] or cell[2] == title[2], (cell, title, text))
            rows.append({title[0]: cell[0] for cell, title in zip(cells, titles)})
        return rows

    def test_all_buses(self):
        other = self.new_bus()
        self.run_tool("create", "c")
        self.run_tool("create", "-b", other)
        reader = self.start("sub", "c")
        self.until_members(1)
        buses = {bus["name"]: bus for bus in self.json("ls")["buses"]}
        for bus in buses.values():
            self.assertEqual(set(bus), BUS_KEYS)
        self.assertEqual((buses[self.bus]["participants"], buses[self.bus]["channels"]), (1, 1))
        self.assertEqual((buses[other]["participants"], buses[other]["channels"]), (0, 0))
        lines = [line.split() for line in self.run_tool("ls").stdout.decode().splitlines()]
        self.assertEqual(lines[0][:2], ["BUS", "SIZE"])
        self.assertIn(self.bus, [line[0] for line in lines])
        self.interrupt(reader)

    def test_names_are_aligned_and_sorted(self):
        for channel in ("x", "a-much-longer-name", "größer"):
            self.run_tool("create", channel, "--slots", "64")
        rows = self.rows(self.run_tool("ls", self.bus).stdout.decode())
        self.assertEqual({row["CHANNEL"] for row in rows}, {"x", "a-much-longer-name", "größer"})
        self.assertEqual({row["SLOT"] for row in rows}, {"64 B"})

    def test_several_buses(self):
        other = self.new_bus()
        self.run_tool("create", "c")
        self.run_tool("create", "d", "-b", other)
        channels = self.json("ls", self.bus, other)["channels"]
        found = [(channel["bus"], channel["name"]) for channel in channels]
        self.assertEqual(found, [(self.bus, "c"), (other, "d")])
        self.assertEqual(self.json("ls", "-b", other)["channels"], self.json("ls", other)["channels"])

    def test_one_that_is_missing_does_not_hide_the_others(self):
        self.run_tool("create", "c")
        result = self.assert_fails("ls", "no-such-bus", self.bus, "--json", code=1, says="no-such-bus")
        self.assertEqual([channel["name"] for channel in json.loads(result.stdout)["channels"]], ["c"])

    def test_broken_segments_are_shown(self):
        with open(segment(self.bus), "wb") as file:
            file.write(b"this is no bus" * 1000)
        (bus,) = [bus for bus in self.json("ls")["buses"] if bus["name"] == self.bus]
        self.assertTrue(bus["error"])
        self.assertIsNone(bus["size"])
        self.assertIn(bus["error"], self.run_tool("ls").stdout.decode())
        self.assert_fails("ls", self.bus, code=1, says=f'bus "{self.bus}"')

    def test_looking_changes_nothing(self):
        self.run_tool("pub", "c", input=b"line\n")
        self.run_tool("sub", "c", "--group", "d", "--durable", "--timeout", "0")
        with open(segment(self.bus), "rb") as file:
            before = file.read()
        for command in (["ls"], ["ls", self.bus], ["stat"], ["stat", "--json"]):
            self.run_tool(*command)
        with open(segment(self.bus), "rb") as file:
            self.assertEqual(file.read(), before)

    def test_terminal_control_in_names_is_harmless(self):
        """A segment is written by others: what they put in a name must not reach the terminal."""
        self.run_tool("create", "victim-channel")
        with open(segment(self.bus), "r+b") as file:
            content = file.read()
            at = content.index(b"victim-channel\0")
            file.seek(at)
            file.write(b"\x1b[2J\xff\xc2\x9b31m\n\0")
        for command in (["ls", self.bus], ["stat"], ["stat", "--json"]):
            result = subprocess.run([TOOL, *command], env=self.env, capture_output=True, timeout=30)
            self.assertIn(result.returncode, (0, 1))
            self.assertNotRegex(result.stdout.decode() + result.stderr.decode(), "[\x1b\x9b]")

    def test_bold_heads_on_a_terminal_only(self):
        self.run_tool("create", "c")
        self.assertNotIn(b"\x1b", self.run_tool("ls", self.bus).stdout)
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.end(self.start("ls", self.bus, stdout=slave))
        os.close(slave)
        self.assertIn(b"\x1b[1m", os.read(master, 4096))


class Stat(ToolCase):
    def test_everything_is_shown(self):
        reader = self.start("sub", "c", "--group", "g", "--shared")
        self.until_members(1)
        writer = self.start("pub", "c")
        writer.stdin.write(b"four\nfive5\n")
        self.until(lambda: self.group()["messages"] == 2, "both read")
        self.assertEqual(reader.stdout.read(11), b"four\nfive5\n")
        self.until(lambda: self.group()["lag"] == 0, "both given back")
        stat = self.stat()
        for table, keys in STAT_KEYS.items():
            for row in stat[table]:
                self.assertEqual(set(row), keys)
        self.assertEqual(set(stat), set(STAT_KEYS))
        (publisher,), (member,), (group,) = stat["publishers"], stat["members"], stat["groups"]
        self.assertEqual((publisher["pid"], publisher["owner"]), (writer.pid, "shmbus pub"))
        self.assertEqual((publisher["messages"], publisher["bytes"], publisher["alive"]), (2, 9, True))
        self.assertEqual((member["pid"], member["owner"], member["group"]), (reader.pid, "shmbus sub", "g"))
        self.assertEqual((member["messages"], member["bytes"], member["held"]), (2, 9, 0))
        self.assertEqual((group["shared"], group["durable"], group["members"]), (True, False, 1))
        self.assertEqual((group["messages"], group["position"], group["lag"]), (2, 2, 0))
        self.assertEqual(sorted(row["pid"] for row in stat["participants"]), sorted([reader.pid, writer.pid]))
        text = self.run_tool("stat").stdout.decode()
        for word in ("PARTICIPANT", "CHANNEL", "PUBLISHER", "GROUP", "MEMBER", "shmbus pub", str(reader.pid)):
            self.assertIn(word, text)
        self.end(writer)
        self.interrupt(reader)

    def test_one_channel(self):
        self.run_tool("create", "c")
        self.run_tool("create", "d")
        self.assertEqual([row["name"] for row in self.json("stat", "-c", "d")["channels"]], ["d"])
        self.assertEqual(self.json("stat", self.bus)["channels"], self.stat()["channels"])
        self.assert_fails("stat", "-c", "e", code=1, says=['no channel "e"', self.bus])

    def test_who_lags(self):
        self.run_tool("sub", "c", "--group", "slow", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 1234)
        self.assertEqual(self.group("slow")["lag"], 1234)


class Remove(ToolCase):
    def test_buses(self):
        other = self.new_bus()
        self.run_tool("create")
        self.run_tool("create", "-b", other)
        self.assertEqual(self.run_tool("rm", self.bus, other).stderr, b"")
        self.assertFalse(os.path.exists(segment(self.bus)) or os.path.exists(segment(other)))
        self.assert_fails("rm", self.bus, code=1, says=f'cannot remove bus "{self.bus}"')

    def test_missing_does_not_stop_the_rest(self):
        self.run_tool("create")
        self.assert_fails("rm", "no-such-bus", self.bus, code=1, says="no-such-bus")
        self.assertFalse(os.path.exists(segment(self.bus)))

    def test_bus_in_use_goes_on_unseen(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        self.assertRegex(self.run_tool("rm", self.bus).stderr, rb"still attached to it \(1\)")
        self.interrupt(reader)

    def test_channel(self):
        self.run_tool("create", "c")
        self.run_tool("create", "d")
        self.run_tool("rm", "-c", "c")
        self.assertEqual([row["name"] for row in self.json("ls", self.bus)["channels"]], ["d"])
        self.assert_fails("rm", "-c", "c", code=1, says='cannot remove channel "c"')
        self.run_tool("create", "c", "--slots", "64")
        self.assert_quiet()

    def test_group(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        reader = self.start("sub", "c", "--group", "busy")
        self.until_members(1)
        self.run_tool("rm", "-c", "c", "-g", "g")
        self.assertEqual([row["name"] for row in self.stat()["groups"]], ["busy"])
        self.assert_fails("rm", "-c", "c", "-g", "g", code=1, says='cannot remove group "g"')
        self.assert_fails("rm", "-c", "c", "-g", "busy", code=1, says='cannot remove group "busy"')
        self.interrupt(reader)


class Help(ToolCase):
    COMMANDS = ("create", "pub", "sub", "exec", "ls", "stat", "top", "hz", "hist", "peek", "tap", "record", "replay", "dump", "metrics", "doctor", "gc", "rm")

    def test_every_command_has_help_with_examples(self):
        for command in self.COMMANDS:
            text = self.run_tool(command, "--help").stdout.decode()
            self.assertEqual(self.run_tool("help", command).stdout.decode(), text)
            self.assertIn(f"Usage: shmbus {command} ", text)
            self.assertRegex(text, rf"\nExamples:\n  .*shmbus {command}")

    def test_every_json_key_is_documented(self):
        texts = {command: self.run_tool("help", command).stdout.decode() for command in ("ls", "stat")}
        documented = {("ls", "buses"): BUS_KEYS, ("ls", "channels"): CHANNEL_KEYS,
                      ("stat", "channels"): TRAFFIC_KEYS - CHANNEL_KEYS}
        tables = ("participants", "publishers", "groups", "members")
        documented.update({("stat", table): STAT_KEYS[table] for table in tables})
        for (command, table), keys in documented.items():
            for key in keys:
                self.assertRegex(texts[command], rf"\b{key}\b", (command, table))

    def test_overview_and_version(self):
        text = self.run_tool("help").stdout.decode()
        for command in self.COMMANDS:
            self.assertRegex(text, rf"\n  {command} ")
        self.assertEqual(self.run_tool("--help").stdout.decode(), text)
        self.assertRegex(self.run_tool("--version").stdout.decode(), r"\Ashmbus \d+\.\d+\.\d+\n\Z")
        self.assertEqual(self.run_tool(code=2).stderr.decode(), text)


if __name__ == "__main__":
    unittest.main()
