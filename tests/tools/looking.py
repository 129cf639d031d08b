# SPDX-License-Identifier: Apache-2.0
"""The commands that only look, and how each is called once: for what is true of all of them."""

import hashlib
import os
import re
import subprocess

from toolkit import LIMIT, TOOL

CHANNEL = "c"

# What each command gets besides the bus or file.
ONCE = {
    "ls": [[]],
    "stat": [[], ["--json"]],
    "dump": [[], ["--json"]],
    "metrics": [[]],
    "doctor": [[], ["--json"]],
    "top": [["--batch", "-n", "1", "-i", "0.05"]],
    "hz": [[CHANNEL, "-n", "1", "-i", "0.01"]],
    "hist": [[CHANNEL]],
    "peek": [[CHANNEL]],
    "tap": [[CHANNEL, "-t", "0", "--from", "oldest"]],
    "record": [[CHANNEL, "-t", "0", "--from", "oldest", "-o", "/dev/null"]],
}


def help_of(command):
    return subprocess.run([TOOL, "help", command], capture_output=True, timeout=LIMIT, check=True).stdout.decode()


def commands():
    """The names of all commands, as `shmbus help` lists them."""
    text = subprocess.run([TOOL, "help"], capture_output=True, timeout=LIMIT, check=True).stdout.decode()
    listed = text[text.index("Usage:"):text.index("Examples:")]
    return [name for name in re.findall(r"^  ([a-z]+) ", listed, re.M) if name != "help"]


class Looks:
    """The looks that there are, and whether each takes --file."""

    def __init__(self):
        self.there = [name for name in commands() if name in ONCE]
        self.of_files = {name for name in self.there if "--file=" in help_of(name)}

    def at_bus(self, bus):
        return [[name, *arguments, "--bus", bus] for name in self.there for arguments in ONCE[name]]

    def at_file(self, path):
        """Of the commands that take one."""
        return [[name, *arguments, "--file", path]
                for name in self.there if name in self.of_files for arguments in ONCE[name]]


def state(path):
    """All bytes of a file, and when it and they were changed."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        return hashlib.sha256(file.read()).hexdigest(), status.st_mtime_ns, status.st_ctime_ns, status.st_blocks
