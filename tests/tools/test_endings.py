#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signals, closed pipes and closed descriptors end the command cleanly, with nothing left behind."""

import os
import signal
import subprocess
import unittest

from toolkit import TOOL, ToolCase, is_emulated, pipe_holds, pipe_size


class Endings(ToolCase):
    def test_signal_ends_sub_after_its_output(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            reader = self.start("sub", "c")
            self.run_tool("pub", "c", "--wait-groups", "1", input=b"a\nb\n")
            self.until(lambda: self.group()["lag"] == 0, "all read")
            self.assertEqual(self.interrupt(reader, number)[0], b"a\nb\n")
            self.assert_quiet()

    def test_signal_ends_pub_that_waits_for_input(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            writer = self.start("pub", "c", "-v")
            self.until_publishers(1)
            writer.stdin.write(b"a\nhalf a line")
            self.until(lambda: self.stat()["publishers"][0]["messages"] == 1, "the first line")
            writer.send_signal(number)
            self.assertEqual(writer.wait(timeout=30), code)
            self.assertIn(b"sent 1 messages, 1 bytes", writer.stderr.read())
            self.assert_quiet()

    def test_signal_ends_pub_that_waits_for_room(self):
        self.run_tool("create", "c", "--slots", "8")
        self.run_tool("sub", "c", "--group", "d", "--durable", "--timeout", "0")
        writer = self.start("pub", "c", stdin=self.input_file(b"line\n" * 100))
        self.until(lambda: [row for row in self.stat()["publishers"] if row["blocked"] > 0], "a full channel")
        self.interrupt(writer, code=130)
        self.assert_quiet()
        # What was sent is whole, and the channel goes on.
        self.run_tool("pub", "c", input=b"", code=0)
        lines = self.run_tool("sub", "c", "--group", "d", "--durable", "--timeout", "0").stdout
        self.assertEqual(lines, b"line\n" * 8)

    def test_signal_ends_a_claim_that_waits_for_its_bytes(self):
        """A frame that never came whole is given up, and nobody waits for it."""
        self.run_tool("create", "c", "--single")
        reader = self.start("sub", "c", "--count", "1")
        self.until_members(1)
        writer = self.start("pub", "c", "--frame", "length")
        writer.stdin.write((100000).to_bytes(4, "little") + b"x" * 50000)
        self.until(lambda: self.stat()["channels"][0]["published"] == 1, "the claim")
        writer.send_signal(signal.SIGINT)
        self.assertEqual(writer.wait(timeout=30), 130)
        self.run_tool("pub", "c", input=b"next\n")
        self.assertEqual(self.end(reader)[0], b"next\n")

    def test_signal_ends_waits_for_others(self):
        writer = self.start("pub", "c", "--wait-groups", "1")
        self.until_publishers(1)
        writer.send_signal(signal.SIGINT)
        self.assertEqual(writer.wait(timeout=30), 130)
        self.assert_quiet()

    @unittest.skipIf(is_emulated(), "an emulator catches all signals, whatever the command does")
    def test_signal_ends_sub_before_there_is_a_bus(self):
        reader = self.start("sub", "never", "--wait")
        # It has its handler once SIGINT is in its mask of caught signals.
        self.until(lambda: self.catches(reader, signal.SIGINT), "the handler")
        self.assertEqual(self.interrupt(reader)[0], b"")

    @staticmethod
    def catches(process, number):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            (mask,) = [line.split()[1] for line in status if line.startswith("SigCgt")]
        return int(mask, 16) >> (number - 1) & 1

    def test_signal_ends_sub_that_nobody_reads(self):
        reader = self.start("sub", "c")
        self.run_tool("pub", "c", "--wait-groups", "1", input=b"x" * 99 + b"\n", code=0)
        writer = self.start("pub", "c", stdin=self.input_file((b"y" * 999 + b"\n") * 3000))
        self.until(lambda: pipe_holds(reader.stdout) > pipe_size(reader.stdout) - 4096, "a full pipe")
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(timeout=30), 1)
        self.assertIn(b"nobody reads standard output", reader.stderr.read())
        # Nobody holds the publisher back any more.
        self.end(writer)
        self.assert_quiet()

    # --------------------------------------------------------------------------------- closed pipes

    def test_closed_pipe_ends_sub(self):
        reader = self.start("sub", "c")
        self.run_tool("pub", "c", "--wait-groups", "1", input=b"one\n")
        self.assertEqual(reader.stdout.read(4), b"one\n")
        reader.stdout.close()
        self.assertEqual(reader.wait(timeout=30), 0)
        self.assertEqual(reader.stderr.read(), b"")
        self.assert_quiet()

    def test_closed_pipe_ends_sub_in_a_flood(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        with open("/dev/zero", "rb") as zeros:
            writer = self.start("pub", "c", "--size", "50", stdin=zeros)
        self.assertEqual(reader.stdout.read(10), b"\0" * 10)
        reader.stdout.close()
        self.assertEqual(reader.wait(timeout=30), 0)
        self.assertEqual(reader.stderr.read(), b"")
        self.interrupt(writer, code=130)
        self.assert_quiet()

    def test_message_for_a_closed_pipe_stays_for_the_next(self):
        """In a durable group a message that could not be written was not delivered."""
        durable = ["sub", "c", "--group", "d", "--durable"]
        self.run_tool(*durable, "--timeout", "0")
        self.run_tool("pub", "c", input=b"precious\n")
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.end(self.start(*durable, "--count", "1", stdout=write_end))
        os.close(write_end)
        self.assertEqual(self.run_tool(*durable, "--timeout", "0").stdout, b"precious\n")

    def test_tables_into_a_closed_pipe(self):
        self.run_tool("create", "c")
        for command in (["stat"], ["ls"], ["stat", "--json"], ["help"]):
            read_end, write_end = os.pipe()
            os.close(read_end)
            self.assertEqual(self.end(self.start(*command, stdout=write_end))[1], b"")
            os.close(write_end)

    def test_full_device(self):
        self.run_tool("pub", "c", input=b"line\n")
        for command in (["stat"], ["stat", "--json"], ["sub", "c", "--from", "oldest", "--timeout", "0"]):
            with open("/dev/full", "wb") as full:
                _, errors = self.end(self.start(*command, stdout=full), code=1)
            self.assertRegex(errors, rb"shmbus: cannot write to standard output: No space left")

    @unittest.skipIf(is_emulated(), "an emulator takes the closed numbers for files of its own")
    def test_closed_descriptors_do_not_reach_the_bus(self):
        """The next file opened gets number 1: were it the bus, output would overwrite it."""
        self.run_tool("pub", "c", input=b"line\n")
        script = '"$0" sub c --from oldest --timeout 0 >&-'
        result = subprocess.run(["bash", "-c", script, TOOL], env=self.env, capture_output=True, timeout=30)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"cannot write to standard output", result.stderr)
        result = subprocess.run(["bash", "-c", '"$0" pub c <&-', TOOL], env=self.env, capture_output=True,
                                timeout=30)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"cannot read standard input", result.stderr)
        self.assertEqual(self.drain(), b"line\n")

    def test_killed_is_seen_and_cleaned_up(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        reader.kill()
        reader.wait()
        self.assertEqual([participant["alive"] for participant in self.stat()["participants"]], [False])
        # The next one that joins may have the place.
        self.run_tool("pub", "c", input=b"line\n" * 10000)

    def test_removed_channel_ends_both(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        writer = self.start("pub", "c")
        self.until_publishers(1)
        self.run_tool("rm", "-c", "c")
        self.assertRegex(self.end(reader, code=1)[1], rb'shmbus: cannot receive from channel "c": .+')
        _, errors = self.end(writer, input=b"line\n", code=1)
        self.assertRegex(errors, rb'shmbus: cannot send line 1 to channel "c": .+')


if __name__ == "__main__":
    unittest.main()
