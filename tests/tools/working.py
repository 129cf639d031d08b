# SPDX-License-Identifier: Apache-2.0
"""What the tests of exec share: programs that it runs, and what became of them."""

import json
import os
import sys

from toolkit import ToolCase, unframe

PYTHON = [sys.executable, "-c"]

# Answers each line; what else it does the line says.
LINES = PYTHON + ["""
import os, sys
for line in sys.stdin:
    word = line.split()[0] if line.split() else ""
    if word == "die":
        os.kill(os.getpid(), 9)
    if word == "half":
        sys.stdout.write("half an ans")
        sys.stdout.flush()
        os.kill(os.getpid(), 9)
    if word == "fail":
        sys.exit(3)
    if word == "leave":
        sys.exit(0)
    if word == "big":
        line = "x" * int(line.split()[1]) + "\\n"
    if word == "twice":
        sys.stdout.write("more\\n")
    if word == "say":
        print(line.strip(), file=sys.stderr, flush=True)
    sys.stdout.write("re " + line)
    sys.stdout.flush()
"""]
# Dies with each line the first time it sees it, as a file remembers; then answers.
FIRST_TIME = PYTHON + ["""
import os, sys
for line in sys.stdin:
    path = os.path.join(sys.argv[1], line.strip())
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), 9)
    sys.stdout.write(line)
    sys.stdout.flush()
"""]
# Reads and answers nothing.
SILENT = ["sh", "-c", "exec cat >/dev/null"]
QUICK = ["--restart-delay", "0"]


def lines(count, first=0):
    return [b"line %d" % i for i in range(first, first + count)]


def answers_to(messages):
    return [b"re " + message for message in messages]


def children_of(pid):
    """The processes that are its children, zombies too."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def workers_of(process, count):
    """Its workers, if they are so many and each has become the program that it is to run."""
    children = children_of(process.pid)
    try:
        begun = [os.readlink(f"/proc/{child}/exe") != os.readlink(f"/proc/{process.pid}/exe") for child in children]
    except FileNotFoundError:  # one has just ended
        return []
    return children if all(begun) and len(children) == count else []


def descriptors_of(pid):
    return sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class ExecCase(ToolCase):
    def run_exec(self, *arguments, code=0, to="out"):
        """Runs it on what channel "in" holds to its end. Returns what it said."""
        out = ["--out", to] if to else []
        return self.run_tool("exec", "--in", "in", *out, "--from", "oldest", *arguments, code=code).stderr.decode()

    def start_exec(self, *arguments, to="out"):
        process = self.start("exec", "--in", "in", *(["--out", to] if to else []), *arguments)
        self.until(lambda: self.is_there() and self.group_of("exec"), "a member")
        return process

    def is_there(self):
        return os.path.exists(f"/dev/shm/shmbus.{self.bus}")

    def group_of(self, prefix):
        result = self.run_tool("stat", "--json", code=None)
        if result.returncode != 0:
            return None
        groups = [row for row in json.loads(result.stdout)["groups"]
                  if row["channel"] == "in" and row["name"].startswith(prefix)]
        return groups[0] if groups else None

    def sent_to(self, channel="out"):
        return unframe(self.drain(channel, "--frame", "length"))

    def published(self, channel):
        rows = [row for row in self.stat()["channels"] if row["name"] == channel]
        return rows[0]["published"] if rows else 0

    def until_answered(self, count, channel="out"):
        self.until(lambda: self.published(channel) >= count, f"{count} messages in {channel}")

    def until_gone(self, pid):
        def gone():
            try:
                return self.state_of(pid) == "Z"
            except (FileNotFoundError, ProcessLookupError):
                return True
        self.until(gone, f"the end of process {pid}")

    def scratch_folder(self):
        return os.path.dirname(self.scratch(b""))
