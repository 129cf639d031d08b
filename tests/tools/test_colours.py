#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Colours, bold heads among them: on a terminal that has them, and not where NO_COLOR says so."""

import os
import pty
import subprocess
import unittest

from toolkit import LIMIT, TOOL, ToolCase

CONTROL = b"\x1b["


class Colours(ToolCase):
    def setUp(self):
        super().setUp()
        self.run_tool("create", "c")
        self.env.pop("NO_COLOR", None)
        self.env["TERM"] = "xterm"

    def on_terminal(self, *arguments, **environment):
        """What the command writes to a terminal; a variable that is None is not set."""
        env = {name: value for name, value in {**self.env, **environment}.items() if value is not None}
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen([TOOL, *arguments], env=env, stdin=slave, stdout=slave, stderr=slave)
        self.started.append(process)
        os.close(slave)
        written = b""
        while part := self.read_terminal(master):
            written += part
        self.assertEqual(process.wait(LIMIT), 0)
        return written

    @staticmethod
    def read_terminal(master):
        try:
            return os.read(master, 65536)
        except OSError:  # EIO: all is read, and nobody has the other end
            return b""

    def test_on_a_terminal(self):
        for term in ("xterm", None):
            self.assertIn(b"\x1b[1m", self.on_terminal("ls", self.bus, TERM=term))
        self.assertIn(CONTROL, self.on_terminal("ls", self.bus, NO_COLOR=""))

    def test_refused(self):
        for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "0"}, {"TERM": "dumb"}):
            for command in (["ls", self.bus], ["stat"], ["dump"], ["metrics"], ["help"], ["stat", "--help"]):
                written = self.on_terminal(*command, **environment)
                self.assertTrue(written)
                self.assertNotIn(CONTROL, written, (command, environment))

    def test_not_into_a_file(self):
        for command in (["ls"], ["stat"], ["dump"]):
            self.assertNotIn(CONTROL, self.run_tool(*command).stdout)


if __name__ == "__main__":
    unittest.main()
