#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs on standard input and output as workers of a bus: frames, answers, room."""

import os
import unittest

from toolkit import is_emulated, unframe
from working import LINES, PYTHON, SILENT, ExecCase, answers_to, children_of, cpu_ticks, lines


class Framing(ExecCase):
    def test_lines(self):
        self.publish([*lines(3000), b"", b"no newline at all"], "in")
        self.run_exec("-n", "3002", "--", "cat")
        self.assertEqual(self.sent_to(), [*lines(3000), b"", b"no newline at all"])
        self.assert_quiet()

    def test_length_and_headers_carry_anything(self):
        messages = [b"", b"a\nb\n", bytes(range(256)) * 40, b"Content-Length: 3\r\n\r\n", os.urandom(100000), b"\n"]
        self.publish(messages, "in")
        for framing in ("length", "content-length"):
            self.run_exec("-f", framing, "-n", str(len(messages)), "--", "cat", to=framing)
            self.assertEqual(self.sent_to(framing), messages, framing)

    def test_pieces(self):
        """A worker that writes byte by byte."""
        script = PYTHON + ["import os\nwhile data := os.read(0, 1):\n os.write(1, data)"]
        messages = [b"", b"a", b"some more bytes", b"x" * 300]
        self.publish(messages, "in")
        for framing in ("lines", "length", "content-length"):
            self.run_exec("-f", framing, "-n", str(len(messages)), "--", *script, to=framing)
            self.assertEqual(self.sent_to(framing), messages, framing)

    def test_other_headers(self):
        script = PYTHON + [r"""
import os, sys
source = sys.stdin.buffer
while line := source.readline():
    assert source.readline() == b"\r\n"
    body = source.read(int(line.split()[1]))
    os.write(1, b"Content-Type: text/plain\r\ncontent-length:%d\nX: y\r\n\r\n" % len(body) + body)
"""]
        self.publish([b"one", b"two\n"], "in")
        self.run_exec("-f", "content-length", "-n", "2", "--", *script)
        self.assertEqual(self.sent_to(), [b"one", b"two\n"])

    def test_what_is_no_frame(self):
        for written, says in ((r"nonsense\r\n\r\n", "no header Content-Length"),
                              (r"Content-Length: many\r\n\r\n", "no number of bytes"),
                              (r"X: %0.09000d", "more than 8192 bytes")):
            self.publish([b"one"], "in")
            script = ["sh", "-c", f"printf '{written}'; exec cat >/dev/null"]
            errors = self.run_exec("-f", "content-length", "--restart", "never", "--", *script, code=1)
            self.assertRegex(errors, rf"worker 1 \(pid \d+\) wrote what is no frame: .*{says}")

    def test_newlines(self):
        self.publish([b"one", b"two\nthree", b"four\n", b"five"], "in")
        errors = self.run_exec("-n", "4", "--dead-letter", "dead", "--", "cat")
        self.assertEqual(self.sent_to(), [b"one", b"four", b"five"])
        self.assertEqual(self.sent_to("dead"), [b"two\nthree"])
        self.assertRegex(errors, r'message 1 \(9 bytes\) of channel "in" is passed over: it contains a newline')
        self.assertIn("passed over 1 messages", errors)

    def test_newlines_as_blanks(self):
        messages = [b"a", b"b\nc\n", b"\n\n", b"x\n" * 50000, b"\nd", b"e"]
        self.publish(messages, "in")
        self.run_exec("-n", "6", "--newlines", "blank", "--", "cat")
        self.assertEqual(self.sent_to(), [b"a", b"b c", b" ", (b"x " * 50000)[:-1], b" d", b"e"])

    def test_answers_that_are_too_large(self):
        self.run_tool("create", "out", "--largest", "10000")
        messages = [b"big 20000", b"small", b"big 9997", b"big 500000", b"last"]
        self.publish(messages, "in")
        errors = self.run_exec("-n", "5", "--dead-letter", "dead", "--", *LINES)
        self.assertEqual(self.sent_to(), [b"re small", b"re " + b"x" * 9997, b"re last"])
        self.assertEqual(self.sent_to("dead"), [b"big 20000", b"big 500000"])
        self.assertRegex(errors, r"message 0 .* its answer has 20003 bytes.* is 10000 bytes.*--largest")
        self.assertIn("passed over 2 messages, and 2 frames", errors)

    def test_frames_that_are_too_large(self):
        self.run_tool("create", "out", "--largest", "10000")
        sizes = [5, 20000, 10000, 10001, 7]
        messages = [b"x" * size for size in sizes]
        self.publish(messages, "in")
        for framing in ("length", "content-length"):
            self.run_exec("-f", framing, "-n", "5", "-g", framing, "--", "cat")
        self.assertEqual([len(message) for message in self.sent_to()], [5, 10000, 7] * 2)

    def test_standard_error(self):
        self.publish([b"say one", b"say two", b"say " + b"x" * 200000], "in", "--largest", "1M")
        self.run_exec("-n", "3", "--err", "err", "--", *LINES)
        said = self.sent_to("err")
        self.assertEqual(said[:2], [b"say one", b"say two"])
        self.assertEqual(b"".join(said[2:]), b"say " + b"x" * 200000)
        self.assertIn("say one", self.run_exec("-n", "1", "--", *LINES))

    def test_standard_output_is_ours_without_a_channel(self):
        self.publish(lines(3), "in")
        result = self.run_tool("exec", "--in", "in", "--from", "oldest", "-n", "3", "--", "cat")
        self.assertEqual(result.stdout.splitlines(), lines(3))


class Answers(ExecCase):
    def test_a_channel_that_overwrites(self):
        """What was gone before it could be read is counted."""
        self.run_tool("sub", "in", "--overwrite", "--slots", "64", "-g", "g", "-d", "-t", "0")
        self.publish(lines(1000), "in")
        errors = self.run_exec("-t", "0", "-g", "g", "-d", "--", "cat")
        answers = self.sent_to()
        self.assertEqual(answers, lines(1000)[-len(answers):])
        missed = 1000 - len(answers)
        self.assertGreater(missed, 900)
        self.assertIn(f"missed {missed} messages", errors)

    def test_extra_answers_are_sent_and_counted(self):
        self.publish([b"twice", b"b"], "in")
        errors = self.run_exec("-n", "2", "-w", "1", "-v", "-G", "20", "--", *LINES)
        self.assertEqual(sorted(self.sent_to()), [b"more", b"re b", b"re twice"])
        self.assertIn("sent 3 answers, 1 of them to nothing", errors)

    def test_unanswered_messages_are_not_given_back(self):
        """They stay for the next run of a durable group."""
        self.publish(lines(5), "in")
        self.run_exec("-d", "-g", "g", "-t", "0", "-n", "2", "--", "cat")
        self.assertEqual(self.sent_to(), lines(2))
        process = self.start("exec", "--in", "in", "-d", "-g", "g", "--out", "out", "--", *SILENT)
        self.until(lambda: children_of(process.pid), "a worker")
        self.interrupt(process)
        self.run_exec("-d", "-g", "g", "-t", "0", "--", "cat")
        self.assertEqual(self.sent_to(), lines(5))

    def test_filter(self):
        self.publish(lines(2000), "in")
        errors = self.run_exec("-n", "2000", "--no-answers", "-v", "--", "grep", "99")
        self.assertEqual(self.sent_to(), [line for line in lines(2000) if b"99" in line])
        self.assertIn("done with 2000 messages", errors)

    def test_sink(self):
        path = self.scratch(b"")
        self.publish(lines(20000), "in", "--slots", "32K")
        self.run_exec("-n", "20000", "--", "tee", path, to=None)
        with open(path, "rb") as file:
            self.assertEqual(file.read().splitlines(), lines(20000))

    def test_a_worker_that_never_reads_holds_up_the_bus(self):
        self.run_tool("create", "in", "--slots", "16")
        # As tail it sleeps, and ends with its group.
        process = self.start_exec("--no-answers", "-G", "0.1", "--", "tail", "-f", "/dev/null")
        writer = self.start("pub", "in", stdin=self.input_file((b"x" * 9999 + b"\n") * 100))
        self.until(lambda: [row for row in self.stat()["publishers"] if row["blocked"] > 0 and row["channel"] == "in"],
                   "a full channel")
        self.assertIsNone(process.poll())
        process.kill()
        process.wait()
        self.end(writer)

    def test_no_room_for_answers(self):
        """Nothing is lost, and nothing more is taken, while nobody reads the answers."""
        self.run_tool("create", "in", "--slots", "16K")
        self.run_tool("create", "out", "--slots", "8")
        self.run_tool("sub", "out", "--group", "slow", "--durable", "-t", "0")
        process = self.start_exec("-n", "10000", "--", "cat")
        self.publish(lines(10000), "in")
        self.until(lambda: self.published("out") == 8, "a full channel")
        self.until(lambda: self.state_of(process.pid) == "S", "asleep")
        self.assertGreater(self.group_of("exec")["lag"], 0)
        reader = self.run_tool("sub", "out", "--group", "slow", "--durable", "-n", "10000")
        self.assertEqual(reader.stdout.splitlines(), lines(10000))
        self.end(process)

    def test_no_room_for_dead_letters(self):
        """They wait for room, and the answers behind them."""
        messages = [b"a\nb", b"answered"] * 100
        for channel in ("dead", "narrow"):
            self.run_tool("create", channel, "--slots", "8")
            self.run_tool("sub", channel, "--group", "slow", "--durable", "-t", "0")
        self.publish([*messages, b"x" * 20000], "in")
        process = self.start("exec", "--in", "in", "--out", "narrow", "--dead-letter", "dead", "--from", "oldest",
                             "-n", "201", "--", "cat")
        self.until(lambda: self.is_there() and self.published("dead") == 8, "a full channel")
        slow = ["--group", "slow", "--durable"]
        answers = self.start("sub", "narrow", *slow, "-n", "101")
        letters = self.run_tool("sub", "dead", *slow, "-n", "100", "--frame", "length").stdout
        self.assertEqual(unframe(letters), [b"a\nb"] * 100)
        self.assertEqual(self.end(answers)[0].splitlines(), [b"answered"] * 100 + [b"x" * 20000])
        self.end(process)

    def test_a_worker_that_does_not_answer_is_told_of(self):
        self.publish(lines(3), "in")
        process = self.start("exec", "--in", "in", "--out", "out", "--from", "oldest", "-w", "1", "--", *SILENT)
        said = self.until_says(process, rb"owes 1 answers")
        self.assertRegex(said, rb"worker 1 \(pid \d+\) .* --window .* 10 s: .*--no-answers")
        self.interrupt(process)

    def test_idle_costs_nothing(self):
        process = self.start_exec("--workers", "3", "--", "cat")
        self.publish(lines(100), "in")
        self.until_answered(100)
        before = cpu_ticks(process.pid)
        other = self.start("sub", "in", "-t", "2")
        self.end(other)
        if not is_emulated():
            self.assertLess(cpu_ticks(process.pid) - before, 0.2 * os.sysconf("SC_CLK_TCK"))
        self.interrupt(process)


if __name__ == "__main__":
    unittest.main()
