#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""top on a terminal: tmux is the terminal, keys are typed into it and its screen is read."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import unittest

from toolkit import LIMIT, TOOL, ToolCase, segment

TMUX = shutil.which("tmux")


class Terminal:
    """A tmux server of its own with one pane, which runs a shell command."""

    def __init__(self, case, command, columns=80, lines=24):
        self.case = case
        self.server = f"shmbus-{os.getpid()}-{id(self)}"
        case.addCleanup(self.close)
        self.call("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), command)

    def call(self, *arguments, check=True):
        result = subprocess.run([TMUX, "-u", "-L", self.server, *arguments], capture_output=True, timeout=LIMIT,
                                env=self.case.env, check=False)
        if check:
            self.case.assertEqual(result.returncode, 0, (arguments, result.stderr))
        return result.stdout.decode()

    def close(self):
        self.call("kill-server", check=False)

    def keys(self, *keys):
        self.call("send-keys", *keys)

    def type(self, text):
        self.call("send-keys", "-l", text)

    def resize(self, columns, lines):
        self.call("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self, *options):
        return self.call("capture-pane", "-p", *options)

    def lines(self):
        return self.screen().splitlines()

    def ask(self, variable):
        return self.call("display-message", "-p", f"#{{{variable}}}").strip()

    def shows(self, pattern):
        """Waits for it, and returns the screen that has it."""
        last = [""]

        def found():
            last[0] = self.screen()
            return re.search(pattern, last[0])
        try:
            self.case.until(found, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is\n{last[0]}") from None
        return last[0]

    def top_pid(self):
        """Of the command that the pane's shell runs."""
        shell = self.ask("pane_pid")
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
            return int(file.read().split()[0])


@unittest.skipUnless(TMUX, "needs tmux")
class TopCase(ToolCase):
    def setUp(self):
        super().setUp()
        self.env.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
        self.env.pop("NO_COLOR", None)
        self.env.pop("TMUX", None)

    def top(self, *arguments, columns=80, lines=24):
        """Runs top, and what tells how it left the terminal, in a shell; returns the Terminal."""
        self.folder = os.path.dirname(self.scratch(b""))
        words = " ".join(shlex.quote(word) for word in (TOOL, "top", "-i", "0.1", *arguments))
        return Terminal(self, f"cd {shlex.quote(self.folder)}; stty -a > before; {words} 2> errors; echo $? > code; "
                              "stty -a > after; echo ENDED; exec cat", columns, lines)

    def left(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def assert_terminal_is_as_before(self, terminal, code):
        terminal.shows("ENDED")
        self.assertEqual(self.left("before"), self.left("after"))
        self.assertEqual((terminal.ask("alternate_on"), terminal.ask("cursor_flag")), ("0", "1"))
        self.assertEqual(self.left("code"), f"{code}\n", self.left("errors"))

    def channels(self, *names):
        for name in names:
            self.run_tool("create", name, "--slots", "1K")

    def lag(self, channel, count):
        self.run_tool("sub", channel, "--group", "g", "--durable", "--timeout", "0")
        self.run_tool("pub", channel, input=b"x\n" * count)

    def shows_rows(self, terminal, pattern, wanted):
        """Waits for the pattern, and for the first words of the rows to be as wanted: a list, or a function."""
        last = []

        def names():
            screen = terminal.screen()
            last[:] = [line.split()[0] for line in screen.splitlines()[3:-1] if line.strip()]
            return re.search(pattern, screen) and (wanted(last) if callable(wanted) else last == wanted)
        try:
            self.until(names, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; the rows are {last}") from None


class Screen(TopCase):
    def test_the_least_size(self):
        self.channels("news", "ticks")
        self.lag("ticks", 512)
        terminal = self.top()
        lines = terminal.shows(r"(?s)ticks .* 50% .*\nq quit .* help\n*\Z").splitlines()
        self.assertEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertRegex(lines[0], rf'^bus "{self.bus}".* alive 0 dead  2 ch  .* msg/s .* MB/s  0\.1 s$')
        self.assertEqual(lines[2].split(), ["CHANNEL", "KIND", "MSG/S", "MB/S", "FILL", "LAG", "MISSED", "BLK/S",
                                            "P50", "P99", "RATE"])
        self.assertRegex(terminal.screen(), r"\nticks +N blk +0 +0 [█▌ ]{3}  50% +512 ██ +0 +0 +- +-")
        self.assertRegex(lines[-1], "^q quit .* help$")
        terminal.keys("q")
        self.assert_terminal_is_as_before(terminal, 0)

    def test_a_large_screen_follows_its_size(self):
        self.channels("a-name-that-is-longer-than-others")
        terminal = self.top(columns=160, lines=50)
        terminal.shows("a-name-that-is-longer-than-others N blk")
        terminal.resize(120, 30)
        self.until(lambda: len(terminal.lines()) == 30 and "q quit" in terminal.lines()[-1], "30 lines")
        terminal.resize(79, 24)
        terminal.shows("at least 80x24, this is 79x24")
        terminal.resize(80, 23)
        terminal.shows("at least 80x24, this is 80x23")
        terminal.resize(200, 60)
        terminal.shows("a-name-that-is-longer-than-others N blk")
        self.until(lambda: "q quit" in terminal.lines()[-1] and len(terminal.lines()) == 60, "60 lines")

    def test_rates_and_pause(self):
        self.channels("c")
        reader = self.start("sub", "c", stdout=self.output_file())
        self.until_members(1)
        writer = self.start("pub", "c")
        self.until_publishers(1)
        terminal = self.top()
        terminal.shows(r"\nc +N blk +0 ")
        writer.stdin.write(b"line\n" * 100)
        screen = terminal.shows(r"\nc .* N blk.*█")
        self.assertIn("MSG/S", screen)
        terminal.keys("p")
        terminal.shows("PAUSED")
        others = ["top", "--batch", "-i", "0.1", "-n"]  # while these look, this one had the time to
        self.run_tool(*others, "1")
        before = terminal.screen()
        writer.stdin.write(b"line\n" * 500)
        self.until(lambda: self.stat()["publishers"][0]["messages"] == 600, "sent meanwhile")
        self.run_tool(*others, "5")
        self.assertEqual(terminal.screen(), before)
        terminal.keys("Space")
        self.until(lambda: "PAUSED" not in terminal.screen() and terminal.screen() != before, "it goes on")
        self.interrupt(reader)

    def test_locale_without_unicode(self):
        self.env["LC_ALL"] = "C"
        self.channels("c")
        self.lag("c", 1024)
        screen = self.top().shows(r"\nc +N blk .*### 100% 1.02k ##")
        self.assertTrue(screen.isascii())

    def test_colours(self):
        self.channels("c")
        self.lag("c", 1024)
        terminal = self.top()
        terminal.shows("100%")
        self.assertRegex(terminal.screen("-e"), r"\x1b\[[0-9;]*3[1-6]")
        self.env["NO_COLOR"] = "1"
        terminal = self.top()
        terminal.shows("100%")
        self.assertNotRegex(terminal.screen("-e"), r"\x1b\[(?:[0-9]+;)*[349][0-7][;m]")


class Keys(TopCase):
    def test_filter(self):
        self.channels("news", "tick-a", "tick-b")
        terminal = self.top()
        terminal.shows("news")
        terminal.keys("/")
        terminal.type("tixx")
        terminal.keys("BSpace", "BSpace")
        terminal.shows("filter: ti_")
        terminal.keys("Enter")
        self.shows_rows(terminal, "2, by msgs, filter: ti", ["tick-a", "tick-b"])
        terminal.keys("/")
        terminal.type("news")
        terminal.keys("Escape")
        self.shows_rows(terminal, "filter: ti\n", ["tick-a", "tick-b"])
        terminal.keys("Escape")
        self.shows_rows(terminal, "channels: 3, by msgs\n", lambda rows: len(rows) == 3)
        terminal.keys("/")
        terminal.type("q")  # is a letter here, and no end
        terminal.shows("filter: q_")

    def test_sort(self):
        self.channels("a", "b", "c")
        for channel, count in (("a", 20), ("b", 30), ("c", 10)):
            self.lag(channel, count)
        terminal = self.top("--sort", "fill")
        self.shows_rows(terminal, "by fill", ["b", "a", "c"])
        terminal.keys("s")
        self.shows_rows(terminal, "by lag", ["b", "a", "c"])
        terminal.keys("r")
        self.shows_rows(terminal, "by lag, reversed", ["c", "a", "b"])
        terminal.keys(*["s"] * 6)
        self.shows_rows(terminal, "by name, reversed", ["c", "b", "a"])

    def test_views(self):
        self.channels("news", "ticks")
        reader = self.start("sub", "ticks", "--group", "readers", stdout=self.output_file())
        self.until_members(1)
        writer = self.start("pub", "ticks")
        self.until_publishers(1)
        terminal = self.top("--sort", "name")
        terminal.shows("news")
        terminal.keys("Down", "Enter")
        screen = terminal.shows(r"channel ticks: 3")
        self.assertEqual([line.split()[0] for line in screen.splitlines()[3:6]], ["publisher", "group", "member"])
        self.assertRegex(screen, rf"\npublisher +0 shmbus pub +{writer.pid} alive ")
        self.assertRegex(screen, r"\ngroup +0 readers +- own ")
        self.assertRegex(screen, rf"\nmember +0 shmbus sub +{reader.pid} alive ")
        terminal.keys("Escape")
        terminal.shows("channels: 2")
        terminal.keys("Tab", "Tab")
        screen = terminal.shows("participants: 2")
        self.assertRegex(screen, rf"\nshmbus sub +{reader.pid} alive ")
        terminal.keys("Tab")
        terminal.shows("channels: 2")
        self.interrupt(reader)

    def test_killed_publisher(self):
        self.channels("c")
        writer = self.start("pub", "c")
        self.until_publishers(1)
        terminal = self.top("-c", "c")
        terminal.shows(rf"publisher +0 shmbus pub +{writer.pid} alive ")
        terminal.shows("1 alive 0 dead")
        writer.send_signal(signal.SIGKILL)
        terminal.shows(rf"publisher +0 shmbus pub +{writer.pid} dead ")
        terminal.shows("0 alive 1 dead")
        terminal.keys("Tab")
        terminal.shows(rf"shmbus pub +{writer.pid} dead ")

    def test_scrolling(self):
        self.run_tool("create", "--channels", "64")
        self.channels(*(f"channel-{number:02}" for number in range(50)))
        terminal = self.top("--sort", "name")
        self.shows_rows(terminal, "channel-19", lambda rows: rows[-1:] == ["channel-19"])
        terminal.keys("PPage", "NPage", "Down")
        self.shows_rows(terminal, "channel-21", lambda rows: rows[:1] == ["channel-02"])
        terminal.keys("End")
        self.shows_rows(terminal, "channel-49", lambda rows: rows[:1] == ["channel-30"])
        terminal.keys("Enter")
        terminal.shows("channel channel-49: 0")
        terminal.keys("Escape", "Home")
        self.shows_rows(terminal, "channel-00", lambda rows: rows[-1:] == ["channel-19"])

    def test_interval_and_help(self):
        self.channels("c")
        terminal = self.top()
        terminal.shows(r"  0\.1 s\n")
        terminal.keys("+")
        terminal.shows(r"  0\.2 s\n")
        terminal.keys("-")
        terminal.shows(r"  0\.1 s\n")
        terminal.keys("-")
        for key in ("h", "?"):
            terminal.keys(key)
            terminal.shows("KIND +N many publishers")
            terminal.keys("q")  # closes the help only
            self.until(lambda: "many publishers" not in terminal.screen(), "the help is gone")
        terminal.shows(r"  0\.1 s\n")


class Endings(TopCase):
    def test_signals(self):
        self.channels("c")
        for number in (signal.SIGTERM, signal.SIGINT):
            terminal = self.top()
            terminal.shows("\nc ")
            self.assertEqual((terminal.ask("alternate_on"), terminal.ask("cursor_flag")), ("1", "0"))
            os.kill(terminal.top_pid(), number)
            self.assert_terminal_is_as_before(terminal, 0)
        terminal = self.top()
        terminal.shows("\nc ")
        terminal.keys("p")
        terminal.shows("PAUSED")
        terminal.keys("C-c")
        self.assert_terminal_is_as_before(terminal, 0)

    def test_bus_is_missing(self):
        terminal = self.top()
        self.assert_terminal_is_as_before(terminal, 1)
        self.assertIn(f'cannot look at bus "{self.bus}"', self.left("errors"))

    def test_unknown_terminal(self):
        self.channels("c")
        # tmux sets TERM for what it runs.
        with open(self.scratch(b"#!/bin/sh\nexec env TERM=no-such-terminal \"$SHMBUS_REAL\" \"$@\"\n"),
                  encoding="utf-8") as file:
            os.chmod(file.name, 0o700)
            terminal = Terminal(self, f"SHMBUS_REAL={shlex.quote(TOOL)} {file.name} top; echo ENDED; exec cat")
            self.assertIn('a terminal of type "no-such-terminal"', terminal.shows("ENDED"))

    def test_bus_and_channel_come_and_go(self):
        self.channels("first", "second")
        terminal = self.top("-c", "first")
        terminal.shows("channel first: 0")
        self.run_tool("rm", "-c", "first")
        terminal.shows('channel "first" is gone')
        terminal.keys("Escape")
        self.shows_rows(terminal, "channels: 1", ["second"])
        self.run_tool("rm", self.bus)
        self.shows_rows(terminal, rf'\n.*{self.bus}.*\n', [])
        self.channels("third")
        self.shows_rows(terminal, "channels: 1", ["third"])
        os.truncate(segment(self.bus), 0)
        terminal.shows(rf'\n.*(truncated|too short|no shmbus|bytes).*\n')
        os.unlink(segment(self.bus))
        self.channels("fourth")
        self.shows_rows(terminal, "channels: 1", ["fourth"])
        terminal.keys("q")
        self.assert_terminal_is_as_before(terminal, 0)


if __name__ == "__main__":
    unittest.main()
