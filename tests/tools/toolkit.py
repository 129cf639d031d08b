# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command share: they run the real one, named by SHMBUS_TOOL, on buses of their own.

Nothing here waits for time to pass: until() asks the bus, again and again, whether what must happen has
happened, and fails at a deadline.
"""

import array
import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import platform
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

TOOL = os.environ["SHMBUS_TOOL"]
LIMIT = 40  # seconds for any one step; far more than one needs, for slow and sanitized runs
UNSHARE = ["unshare", "--mount", "--propagation", "private"]
_numbers = itertools.count()
_libc = ctypes.CDLL(None)


def _die_with_parent():
    """A test that is killed at its time limit leaves no command behind."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def is_emulated():
    """Does qemu-user run the command? It opens files before the command does, and catches all signals itself."""
    with open(TOOL, "rb") as program:
        machine = struct.unpack_from("<H", program.read(20), 18)[0]
    return machine == 183 and platform.machine() != "aarch64"  # EM_AARCH64


def pipe_holds(pipe):
    """How many bytes lie in the pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def pipe_size(pipe):
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


def maps(pid):
    """What files the process has mapped."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return file.read()


def segment(bus):
    return f"/dev/shm/shmbus.{bus}"


def frames(messages):
    """The messages as --frame length writes them."""
    return b"".join(struct.pack("<I", len(message)) + message for message in messages)


def unframe(data):
    messages = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        assert len(data) >= 4 + size, "a frame is cut short"
        messages.append(data[4:4 + size])
        data = data[4 + size:]
    return messages


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def can_mount():
    """May we have mounts of our own? Root may, mostly."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/sys"], capture_output=True).returncode == 0


class ToolCase(unittest.TestCase):
    """A test with a bus of its own, which is the command's default; all is gone when it ends."""

    def setUp(self):
        self.bus = self.new_bus()
        # ThreadSanitizer would let every command sleep for a second at its end.
        sanitizer = os.environ.get("TSAN_OPTIONS", "") + ":atexit_sleep_ms=0"
        self.env = dict(os.environ, SHMBUS_BUS=self.bus, TSAN_OPTIONS=sanitizer)
        self.started = []
        self.addCleanup(self._end_started)

    def new_bus(self):
        bus = f"tools-{os.getpid()}-{next(_numbers)}"
        self.addCleanup(self._remove, bus)
        return bus

    @staticmethod
    def _remove(bus):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(segment(bus))

    def _end_started(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    # ------------------------------------------------------------------------------------ running

    def run_tool(self, *arguments, input=b"", code=0, **options):
        """Runs the command to its end and checks its exit code, unless that is None."""
        result = subprocess.run([TOOL, *arguments], input=input, capture_output=True, timeout=LIMIT,
                                env=self.env, preexec_fn=_die_with_parent, **options)
        if code is not None:
            self.assertEqual(result.returncode, code, (arguments, result.stderr))
        return result

    def publish(self, messages, channel="c", *options):
        self.run_tool("pub", channel, "--frame", "length", *options, input=frames(messages))

    def drain(self, channel="c", *options):
        """What a new group finds in the channel."""
        return self.run_tool("sub", channel, "--from", "oldest", "--timeout", "0", *options).stdout

    def start(self, *arguments, **options):
        """Starts the command with pipes; the test's end ends it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([TOOL, *arguments], env=self.env, bufsize=0,
                                   preexec_fn=_die_with_parent, **pipes)
        self.started.append(process)
        return process

    def end(self, process, input=None, code=0):
        """Feeds what is given, waits for the end, and returns standard output and error."""
        output, errors = process.communicate(input, timeout=LIMIT)
        self.assertEqual(process.returncode, code, errors)
        return output, errors

    def interrupt(self, process, number=signal.SIGINT, code=0):
        process.send_signal(number)
        return self.end(process, code=code)

    def pause(self, process):
        process.send_signal(signal.SIGSTOP)
        self.until(lambda: self.state_of(process.pid) == "T", "stopped")

    @staticmethod
    def state_of(pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]

    def output_file(self):
        """A file for the output of a command that nobody reads while it runs."""
        file = tempfile.TemporaryFile()
        self.addCleanup(file.close)
        return file

    def scratch(self, content):
        """The path of a file with this content."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "file")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def input_file(self, content):
        """The content as standard input that is all there at once."""
        file = open(self.scratch(content), "rb")
        self.addCleanup(file.close)
        return file

    # ------------------------------------------------------------------------------------- asking

    def json(self, *arguments):
        return json.loads(self.run_tool(*arguments, "--json").stdout)

    def stat(self):
        return self.json("stat")

    def group(self, name=None):
        """The only group, or the one of that name; {} when there is none."""
        groups = [group for group in self.stat()["groups"] if name in (None, group["name"])]
        return groups[0] if groups else {}

    def until(self, condition, what):
        """Waits until condition() is true, and returns that."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
        self.fail(f"did not come in {LIMIT} s: {what}")
        return None

    def read_some(self, process):
        """What it has printed, once there is something."""
        ready, _, _ = select.select([process.stdout], [], [], LIMIT)
        self.assertTrue(ready, f"printed nothing in {LIMIT} s")
        return os.read(process.stdout.fileno(), 4096)

    def until_says(self, process, pattern):
        """Waits for a line on standard error that matches, and returns it. The lines before it are lost."""
        for line in iter(process.stderr.readline, b""):
            if re.search(pattern, line):
                return line
        self.fail(f"ended without saying {pattern}")
        return None

    def until_rows(self, table, count):
        """Waits for so many rows, on a bus that may not be there yet, or only half."""
        def there():
            result = subprocess.run([TOOL, "stat", "--json"], capture_output=True, timeout=LIMIT,
                                    env=self.env)
            return result.returncode == 0 and len(json.loads(result.stdout)[table]) == count
        self.until(there, f"{count} {table}")

    def until_members(self, count):
        self.until_rows("members", count)

    def until_publishers(self, count):
        self.until_rows("publishers", count)

    def assert_quiet(self):
        """Nobody is attached, and nobody died: who ended has closed what it had."""
        (bus,) = self.stat()["buses"]
        self.assertEqual((bus["participants"], bus["dead"]), (0, 0))

    def assert_fails(self, *arguments, code, says, input=b"", **options):
        """The command fails with that exit code, and standard error matches each pattern."""
        result = self.run_tool(*arguments, code=code, input=input, **options)
        errors = result.stderr.decode()
        self.assertRegex(errors, r"\Ashmbus( [a-z]+)?: ")
        for pattern in says if isinstance(says, (list, tuple)) else [says]:
            self.assertRegex(errors, pattern)
        return result
