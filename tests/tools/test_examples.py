#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each example of the commands' help and manual pages, run by a shell in a /dev/shm of its own."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from looking import commands, help_of
from toolkit import TOOL, UNSHARE, can_mount, is_emulated

PAGES = pathlib.Path(os.path.dirname(__file__), "..", "..", "docs", "man")
LUA = PAGES.parent.parent / "shm_tools" / "wireshark" / "shmbus.lua"
FOLLOWS = 1  # seconds, then SIGINT: most examples end before, some never do
INSISTS = 20  # then once more: a shell that is just starting a command may swallow the first one
ENDED_BY_US = 124

# What the examples take to be there.
SCENE = """
set -e
mount -t tmpfs none /dev/shm
exec 2>/dev/null
for bus in default lab; do
    shmbus create ticks -b $bus --single --overwrite --slots 64K
    for channel in news jobs results ticks; do seq 2000 | shmbus pub $channel -b $bus; done
    shmbus sub jobs -b $bus --group workers --shared --durable --from oldest --count 10 --frame length >/dev/null
done
cp /dev/shm/shmbus.default copy-of-segment
cp /dev/shm/shmbus.default segment.copy
shmbus record news jobs --from oldest -t 0 -o news.pcap
shmbus record jobs --from oldest -t 0 -o jobs.pcap
head -c 3000000 /dev/zero >film.mkv
seq 100 >services
"""
COMMANDS = {
    "producer": r"printf '\003\000\000\000abc'",
    "worker": "cat >/dev/null",
    "ssh": 'shift; exec "$@"',
    "wireshark": "cat >/dev/null",
}
PLACES = {
    "/etc/services": "services",
    "/var/log/syslog": "services",
    "/var/lib/prometheus/node-exporter/": "",
    "/tmp/copy": "segment.copy",
    "alice": "nobody",
    "audit": "adm",
}


def of_help(command):
    text = help_of(command)
    lines = text[text.index("\nExamples:\n"):].splitlines()[2:]
    return [re.split(r" {3,}", line.strip())[0] for line in lines if line.strip()]


def of_page(path):
    """Some are for other languages than the shell."""
    text = path.read_text(encoding="utf-8")
    shown = text[text.index(".Sh EXAMPLES"):text.index(".Sh SEE ALSO")]
    shown = "".join(re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", shown, re.M | re.S))
    lines = re.sub(r"\|\n *", "| ", shown.replace(r"\e", "\\").replace(r"\-", "-")).splitlines()
    return [re.split(r" {3,}", line.strip())[0] for line in lines if re.search(r"\b(shmbus|tshark) ", line)]


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@unittest.skipIf(is_emulated(), "too slow, and no other than on this machine")
@unittest.skipUnless(can_mount(), "needs mounts of its own")
class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "shmbus").symlink_to(TOOL)
        for name, script in COMMANDS.items():
            path = self.folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
            path.chmod(0o755)

    def run_example(self, example):
        for place, here in PLACES.items():
            example = example.replace(place, here)
        example = example.replace(":9091", f":{free_port()}")
        folder = tempfile.mkdtemp(dir=self.folder)
        environment = dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}")
        environment.update(TERM="xterm", HOME=folder)
        environment.pop("SHMBUS_BUS", None)
        shutil.copy(LUA, folder)
        if example.startswith("shmbus top") and "--" not in example.replace("--sort", "").replace("--filter", ""):
            example = f"script -qec '{example}' /dev/null"  # wants a terminal
        script = f'({SCENE})\nexec timeout -s INT {INSISTS} timeout -s INT {FOLLOWS} bash -o pipefail -c "$1"'
        return subprocess.run([*UNSHARE, "bash", "-c", script, "bash", example], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    def check(self, examples):
        self.assertTrue(examples)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for example, ended in zip(examples, pool.map(self.run_example, examples)):
                with self.subTest(example):
                    # doctor has something to say of this bus, and of most hosts.
                    allowed = (0, 1, ENDED_BY_US) if " doctor" in example else (0, ENDED_BY_US)
                    self.assertIn(ended.returncode, allowed, ended.stderr)
                    self.assertNotIn(b"Try: shmbus", ended.stderr)

    def test_of_help(self):
        examples = sorted({example for command in commands() for example in of_help(command)})
        self.check([example for example in examples if "jq" not in example or shutil.which("jq")])

    def test_of_pages(self):
        known = {example for command in commands() for example in of_help(command)}
        shown = {example for page in PAGES.glob("*.1") for example in of_page(page)}
        self.check(sorted(example for example in shown - known if "jq" not in example or shutil.which("jq")))


if __name__ == "__main__":
    unittest.main()
