#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whose bus it is and who may use it, by the command; and that looking changes nothing."""

import hashlib
import os
import signal
import unittest

from toolkit import TOOL, ToolCase, segment

ALICE, BOB, OPS = 64001, 64002, 64100


def state(bus):
    """All bytes of the segment, and when the file and they were changed."""
    with open(segment(bus), "rb") as file:
        status = os.fstat(file.fileno())
        return hashlib.sha256(file.read()).digest(), status.st_mtime_ns, status.st_ctime_ns, status.st_blocks


class Creation(ToolCase):
    def test_mode_and_group(self):
        group = str(OPS) if os.geteuid() == 0 else str(os.getegid())
        os.umask(0o777)
        self.addCleanup(os.umask, 0o022)
        self.run_tool("create", "--mode", "660", "--group", group)
        (bus,) = self.stat()["buses"]
        self.assertEqual((bus["mode"], bus["uid"], bus["gid"]), ("0660", os.geteuid(), int(group)))
        self.assertEqual(bus["group"] if group == str(OPS) else group, group)

    def test_what_cannot_be_granted(self):
        self.assert_fails("create", "--group", "no-such-group", code=1, says='"no-such-group".*no such group')
        self.assert_fails("create", "--acl", "nonsense", code=1, says='ACL "nonsense".*u:alice:rw')
        self.assertFalse(os.path.exists(segment(self.bus)))


@unittest.skipUnless(os.geteuid() == 0, "only root can start commands as other users")
class Others(ToolCase):
    def setUp(self):
        super().setUp()
        path = os.path.realpath(TOOL)
        while path != "/":
            if not os.stat(path).st_mode & 0o001:
                self.skipTest(f"other users cannot run {TOOL}: {path} is closed to them")
            path = os.path.dirname(path)

    @staticmethod
    def as_user(user, *groups):
        return {"user": user, "group": user, "extra_groups": groups}

    def test_any_owner(self):
        self.run_tool("create", "c", "--mode", "666")
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        alice = self.as_user(ALICE)
        for command in (["create"], ["pub", "c"], ["sub", "c", "--timeout", "0"], ["rm", "-c", "c"]):
            with self.subTest(command):
                self.assert_fails(*command, code=1, says=["belongs to user 0, and this is user 64001",
                                                          "--any-owner"], **alice)
        self.run_tool("create", "--any-owner", **alice)
        self.run_tool("pub", "c", "--any-owner", input=b"hello\n", **alice)
        self.assertEqual(self.run_tool("sub", "c", "--group", "g", "--durable", "--any-owner",
                                       "--timeout", "0", **alice).stdout, b"hello\n")
        self.run_tool("rm", "-c", "c", "-g", "g", "--any-owner", **alice)
        self.assert_fails("rm", self.bus, code=1, says="cannot remove", **alice)

    def test_root_does_not_walk_into_a_users_bus(self):
        self.run_tool("create", "c", "--mode", "666", **self.as_user(ALICE))
        self.assert_fails("pub", "c", code=1, says=["belongs to user 64001, and this is user 0"])
        self.assertEqual(self.stat()["buses"][0]["uid"], ALICE)

    def test_acl(self):
        self.run_tool("create", "c", "--acl", f"u:{ALICE}:rw,g:{OPS}:r")
        self.run_tool("pub", "c", "--any-owner", input=b"x\n", **self.as_user(ALICE))
        ops = self.as_user(BOB, OPS)
        self.assertIn(self.bus.encode(), self.run_tool("ls", self.bus, **ops).stdout)
        self.assert_fails("sub", "c", "--any-owner", code=1, says="no permission to read and write", **ops)
        self.assert_fails("ls", self.bus, code=1, says="no permission to read", **self.as_user(BOB))

    def test_ls_shows_what_it_may_not_look_at(self):
        self.run_tool("create")
        table = self.run_tool("ls", **self.as_user(BOB)).stdout.decode()
        self.assertRegex(table, rf"{self.bus}.*no permission to read")


class Looking(ToolCase):
    def look(self, **options):
        self.run_tool("sub", "c", "--group", "d", "--durable", "--timeout", "0")
        reader = self.start("sub", "c", "--group", "w", "--shared")
        self.until_members(1)
        self.run_tool("pub", "c", input=b"1\n2\n3\n")
        self.until(lambda: self.group("w").get("messages") == 3 and self.group("w")["lag"] == 0, "3 messages")
        reader.send_signal(signal.SIGSTOP)  # a sleeping one counts its sleeps
        os.waitid(os.P_PID, reader.pid, os.WSTOPPED | os.WNOWAIT)
        before = state(self.bus)
        for command in (["ls"], ["ls", self.bus], ["ls", "--json"], ["stat"], ["stat", "--json"]):
            with self.subTest(command):
                self.run_tool(*command, **options)
                self.assertEqual(state(self.bus), before)
        reader.send_signal(signal.SIGCONT)
        self.interrupt(reader)

    def test_changes_nothing(self):
        self.run_tool("create", "c")
        self.look()

    @unittest.skipUnless(os.geteuid() == 0, "only root can start commands as other users")
    def test_changes_nothing_as_another_user(self):
        self.run_tool("create", "c", "--mode", "644")
        self.look(user=BOB, group=BOB, extra_groups=[])


if __name__ == "__main__":
    unittest.main()
