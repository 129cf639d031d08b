#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command that looks, on segments that lie: it ends by itself, with 0, or with 1 and a reason.

The segments are those that the inputs of tests/fuzz/corpus make, and a small real one whose words are replaced one
by one. The choice is the same in every run.
"""

import concurrent.futures
import itertools
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

from looking import Looks
from toolkit import LIMIT, TOOL, ToolCase, is_emulated, segment

REPLAYERS = os.environ.get("SHMBUS_REPLAYERS", "")  # the folder of replay_TARGET
CORPUS = pathlib.Path(os.path.dirname(__file__), "..", "fuzz", "corpus").resolve()
WORKERS = 2
EACH = 3  # looks at one damaged segment: they take turns
PATIENT = 16  # of so many turns doctor gets one: it looks twice, with a pause between
WORD = 8
SMALL = ["--slots", "4", "--slot-size", "64", "--arena", "4K", "--publishers", "2", "--groups", "2", "--members", "2"]


@unittest.skipIf(is_emulated(), "takes minutes there, and asks nothing of the processor")
class Damaged(ToolCase):
    def setUp(self):
        super().setUp()
        self.looks = Looks()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.turns = itertools.count()

    # ------------------------------------------------------------------------------------ looking

    def look(self, command, what):
        result = subprocess.run([TOOL, *command], env=self.env, capture_output=True, timeout=LIMIT)
        case = (what, command, result.returncode, result.stderr[-2000:])
        self.assertIn(result.returncode, (0, 1), case)
        for line in result.stderr.decode().splitlines():
            self.assertRegex(line, r"\Ashmbus: .", case)
        if result.returncode == 1 and command[0] != "doctor":  # which may have printed what it found
            self.assertTrue(result.stderr, case)
        return result.returncode

    def looks_at(self, path, bus):
        """Some of the looks; all have had their turn after a few calls."""
        whole = self.looks.at_file(path)
        placed = [look for look in self.looks.at_bus(bus) if look[0] not in self.looks.of_files]
        patient = [look for look in whole + placed if look[0] == "doctor"]
        others = [look for look in whole + placed if look[0] != "doctor"]
        turns = [next(self.turns) for _ in range(EACH)]
        return [patient[turn // PATIENT % len(patient)] if patient and turn % PATIENT == 0 else
                others[turn % len(others)] for turn in turns]

    def see(self, damaged):
        """Looks at one damaged segment, (name, content), as a file and as a bus. Returns the exit codes."""
        what, content = damaged
        bus = f"tools-{os.getpid()}-damaged-{next(self.turns)}"
        path = segment(bus)
        try:
            with open(path, "wb") as file:
                file.write(content)
            return [self.look(command, what) for command in self.looks_at(path, bus)]
        finally:
            os.unlink(path)

    def see_all(self, damaged):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            seen = list(pool.map(self.see, damaged))
        codes = [code for of_one in seen for code in of_one]
        print(f"{len(seen)} segments; exit code 0: {codes.count(0)}, 1: {codes.count(1)}", flush=True)
        return len(seen)

    # ------------------------------------------------------------------------------------- damage

    def small(self):
        """A bus whose every part has been used, and where the words of its file are."""
        self.run_tool("create", "c", "--participants", "3", "--channels", "2", *SMALL)
        self.run_tool("sub", "c", "--group", "idle", "--durable", "--timeout", "0")
        reader = self.start("sub", "c", "--group", "busy", "--shared")
        self.until_members(1)
        self.run_tool("pub", "c", input=b"1\n22\n" + b"x" * 500)
        self.until(lambda: self.group("busy").get("messages") == 3, "3 read")
        fields = self.json("dump")["fields"]
        with open(segment(self.bus), "rb") as file:
            content = file.read()
        self.interrupt(reader)
        offsets = {row["offset"] // WORD * WORD for row in fields
                   if row["structure"] != "shm_latency" or row["index"] == 0 and "[" not in row["field"]}
        return content, sorted(offsets)

    @staticmethod
    def replaced(content, offset, value):
        return content[:offset] + value + content[offset + len(value):]

    def words(self, content, offsets):
        chance = random.Random(1)
        for offset in offsets:
            for value in (b"\0" * WORD, b"\xff" * WORD, chance.randbytes(WORD)):
                yield f"word at {offset}: {value.hex()}", self.replaced(content, offset, value)

    def halves(self, content, offsets):
        """What is near to right, in one half of a word."""
        chance = random.Random(2)
        for offset in offsets:
            half = offset + chance.choice((0, 4))
            number = int.from_bytes(content[half:half + 4], "little")
            value = (number + chance.choice((-1, 1, 4096, 1 << 31))) % (1 << 32)
            yield f"half at {half}: {value}", self.replaced(content, half, value.to_bytes(4, "little"))

    def several(self, content, offsets, count):
        chance = random.Random(3)
        for i in range(count):
            damaged = content
            for offset in chance.sample(offsets, 6):
                damaged = self.replaced(damaged, offset, chance.choice((b"\0", b"\xff", b"\1", b"\x80")) * WORD)
            yield f"several, {i}", damaged

    # -------------------------------------------------------------------------------------- tests

    def test_words(self):
        content, offsets = self.small()
        self.assertGreater(len(offsets), 100)
        self.assertGreater(self.see_all(self.words(content, offsets)), 300)

    def test_halves_and_several(self):
        content, offsets = self.small()
        self.see_all(itertools.chain(self.halves(content, offsets), self.several(content, offsets, 100)))

    def test_truncated(self):
        content, _ = self.small()
        sizes = {0, 1, 8, 111, 112, 127, 128, 129, len(content) - 1}
        sizes |= {size + more for size in range(0, len(content), 4096) for more in (0, 1)}
        self.see_all((f"{size} bytes", content[:size]) for size in sorted(sizes))

    def test_no_segment(self):
        chance = random.Random(4)
        self.see_all((f"noise {i}", chance.randbytes(1 << i)) for i in range(18))

    @unittest.skipUnless(REPLAYERS, "the replayers of tests/fuzz are not built")
    def test_what_the_fuzzers_found(self):
        for target in sorted(CORPUS.iterdir()):
            with self.subTest(target.name):
                folder = pathlib.Path(self.folder.name, target.name)
                folder.mkdir()
                env = dict(self.env, SHMBUS_FUZZ_KEEP=folder, SHMBUS_FUZZ_BUS=self.bus)
                subprocess.run([pathlib.Path(REPLAYERS, f"replay_{target.name}"), target], env=env,
                               stderr=subprocess.DEVNULL, timeout=4 * LIMIT, check=True)
                kept = sorted(folder.iterdir())
                self.assertEqual(len(kept), len(list(target.iterdir())))
                self.see_all((f"{target.name} {path.name}", path.read_bytes()) for path in kept)

    def test_endless_and_strange_files(self):
        for path in ("/dev/zero", "/dev/null", "/proc/self/mem", "/", self.folder.name + "/none"):
            for command in self.looks.at_file(path):
                with self.subTest(command):
                    self.look(command, path)
        os.mkfifo(self.folder.name + "/pipe")
        for command in self.looks.at_file(self.folder.name + "/pipe"):
            with self.subTest(command):
                self.look(command, "a pipe that nobody writes")


if __name__ == "__main__":
    unittest.main()
