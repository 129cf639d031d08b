#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bash offers, by the completion that is installed, in a real bash."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from looking import commands, help_of
from test_manual import options_in_help
from toolkit import LIMIT, TOOL, ToolCase

HERE = pathlib.Path(os.path.dirname(__file__)).resolve()
COMPLETION = HERE.parent.parent / "shm_tools" / "completion" / "shmbus.bash"


class Completion(ToolCase):
    def offers(self, *words, **options):
        """For the last word of a line, cut into words as bash does, at `=` too."""
        result = subprocess.run(["bash", "--norc", HERE / "complete.bash", COMPLETION, TOOL, *words],
                                env=self.env, capture_output=True, timeout=LIMIT, check=True, **options)
        self.assertEqual(result.stderr, b"")
        return {line for line in result.stdout.decode().splitlines() if line}

    def test_commands(self):
        self.assertEqual(self.offers(""), {*commands(), "help", "--version"})
        self.assertEqual(self.offers("st"), {name for name in commands() if name.startswith("st")})
        self.assertEqual(self.offers("help", ""), {*commands(), "help"})
        self.assertEqual(self.offers("help", "create", ""), set())

    def test_every_option_of_every_command(self):
        for command in commands():
            with self.subTest(command):
                options = {f"--{name}" for name in options_in_help(help_of(command))}
                self.assertEqual(self.offers(command, "-"), options)
        self.assertEqual(self.offers("sub", "--dur"), {"--durable"})

    def test_choices(self):
        for words in (["--frame", ""], ["-f", ""], ["--frame", "="], ["--frame", "=", ""]):
            self.assertEqual(self.offers("sub", *words), {"lines", "length", "raw"}, words)
        self.assertEqual(self.offers("pub", "--frame", "=", "le"), {"length"})
        self.assertEqual(self.offers("sub", "-f", "raw", "--from", "o"), {"oldest"})

    def test_buses(self):
        prefix = f"tools-{os.getpid()}-"
        other = self.new_bus()
        self.run_tool("create")
        self.run_tool("create", "-b", other)
        for words in (["stat", prefix], ["stat", "-b", prefix], ["pub", "--bus", "=", prefix],
                      ["ls", self.bus, prefix], ["rm", prefix]):
            self.assertEqual(self.offers(*words), {self.bus, other}, words)

    def test_names_are_quoted(self):
        bus = self.new_bus() + " and $HOME"
        self.addCleanup(self._remove, bus)
        self.run_tool("create", "-b", bus)
        self.assertEqual(self.offers("stat", bus[:-6]), {bus.replace(" ", "\\ ").replace("$", "\\$")})

    def test_channels(self):
        other = self.new_bus()
        for channel in ("news", "jobs"):
            self.run_tool("create", channel)
        self.run_tool("create", "far", "-b", other)
        self.assertEqual(self.offers("sub", ""), {"news", "jobs"})
        self.assertEqual(self.offers("pub", "ne"), {"news"})
        self.assertEqual(self.offers("stat", "-c", ""), {"news", "jobs"})
        for words in (["-b", other], ["--bus", other], ["--bus", "=", other]):
            self.assertEqual(self.offers("sub", *words, ""), {"far"}, words)

    def test_files(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pathlib.Path(folder.name, "film.mkv").touch()
        self.assertEqual(self.offers("pub", "-F", "fi", cwd=folder.name), {"film.mkv"})
        self.assertEqual(self.offers("dump", "--file", "=", "fi", cwd=folder.name), {"film.mkv"})

    def test_the_program_that_exec_runs(self):
        self.assertEqual(self.offers("exec", "--frame", "=", "con"), {"content-length"})
        self.assertIn("shuf", self.offers("exec", "--in", "c", "--", "shu"))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pathlib.Path(folder.name, "words.txt").touch()
        self.assertEqual(self.offers("exec", "--in", "c", "--", "sort", "wor", cwd=folder.name), {"words.txt"})

    def test_nothing_where_there_is_nothing(self):
        self.assertEqual(self.offers("no-such-command", "-"), {"--help"})
        self.assertEqual(self.offers("sub", "--count", ""), set())
        self.assertEqual(self.offers("sub", ""), set())  # no bus, no channel

    def test_it_is_registered(self):
        script = f"source {COMPLETION}; complete -p shmbus"
        result = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, timeout=LIMIT, check=True)
        self.assertIn(b"-F _shmbus shmbus", result.stdout)


if __name__ == "__main__":
    unittest.main()
