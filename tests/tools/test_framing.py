#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes into pub comes out of sub, byte by byte, in every framing."""

import hashlib
import os
import random
import unittest

from toolkit import ToolCase, frames, unframe

SIZES = [0, 1, 55, 56, 57, 63, 64, 65, 127, 128, 4095, 4096, 4097, 65535, 65536, 131071, 131072]


class Framing(ToolCase):
    def through(self, pub, sub, data, count, shape=()):
        """Sends the data through a channel of that shape to one subscriber, and returns what it wrote."""
        if shape:
            self.run_tool("create", "c", *shape)
        output = self.output_file()
        reader = self.start("sub", "c", "--count", str(count), *sub, stdout=output)
        if isinstance(data, bytes):
            self.run_tool("pub", "c", "--wait-groups", "1", *pub, input=data)
        else:
            self.run_tool("pub", "c", "--wait-groups", "1", *pub, input=None, stdin=data)
        self.end(reader)
        output.seek(0)
        return output.read()

    # -------------------------------------------------------------------------------------- lines

    def test_lines(self):
        lines = [b"first", b"", b"", b" blanks \t", "Grüße".encode(), bytes(range(11, 256)), b"\0\0", b"\r"]
        data = b"".join(line + b"\n" for line in lines)
        self.assertEqual(self.through([], [], data, len(lines)), data)

    def test_last_line_without_newline_counts(self):
        self.assertEqual(self.through([], [], b"one\ntwo", 2), b"one\ntwo\n")

    def test_no_input_is_no_message(self):
        self.run_tool("create", "c")
        self.assertIn(b"sent 0 messages, 0 bytes", self.run_tool("pub", "c", "-v").stderr)

    def test_many_lines(self):
        data = b"".join(b"%d %s\n" % (i, b"x" * (i % 97)) for i in range(100000))
        self.assertEqual(self.through([], [], data, 100000), data)

    def test_lines_of_every_size(self):
        lines = [b"%c" % (97 + i % 26) * size for i, size in enumerate(SIZES * 5)]
        data = b"\n".join(lines) + b"\n"
        self.assertEqual(self.through([], ["--frame", "length"], data, len(lines)), frames(lines))

    def test_line_larger_than_the_first_buffer(self):
        data = b"y" * (3 << 20) + b"\n" + b"z" * (1 << 20)
        shape = ["--largest", "3M"]
        self.assertEqual(self.through([], [], data, 2, shape), data + b"\n")

    def test_a_line_is_not_kept_back(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        writer = self.start("pub", "c")
        for i in range(50):
            line = b"line %d\n" % i
            # In pieces: what is incomplete is kept, what is complete is sent.
            writer.stdin.write(line[:3])
            writer.stdin.write(line[3:])
            self.assertEqual(reader.stdout.read(len(line)), line)
        self.end(writer)
        self.interrupt(reader)
        self.assert_quiet()

    # ------------------------------------------------------------------------------------- frames

    def test_frames_of_every_size_and_content(self):
        content = random.Random(1)
        messages = [content.randbytes(size) for size in SIZES * 5]
        messages += [b"\0" * 1000, b"\n\n", b"\0"]
        data = frames(messages)
        length = ["--frame", "length"]
        self.assertEqual(self.through(length, length, data, len(messages)), data)

    def large_frames(self, shape, as_file):
        content = random.Random(2)
        sizes = (1 << 20, 5, 0, 300000, 1 << 20, 77, 32768, 32767)
        messages = [content.randbytes(size) for size in sizes] * 4
        data = frames(messages)
        shape = ["--largest", "1M", *shape]
        length = ["--frame", "length"]
        if not as_file:
            self.assertEqual(self.through(length, length, data, len(messages), shape), data)
            return
        with open(self.scratch(data), "rb") as file:
            self.assertEqual(self.through(length, length, file, len(messages), shape), data)

    def test_large_frames_from_a_pipe_single(self):
        self.large_frames(["--single"], False)

    def test_large_frames_from_a_pipe_multi(self):
        self.large_frames(["--multi"], False)

    def test_large_frames_from_a_file(self):
        self.large_frames(["--multi"], True)

    def test_lines_to_frames_and_raw(self):
        framed = self.through([], ["--frame", "length"], b"ab\n\ncd\n", 3)
        self.assertEqual(framed, frames([b"ab", b"", b"cd"]))
        self.assertEqual(self.through([], ["--frame", "raw"], b"ab\n\ncd\n", 3), b"abcd")

    # ------------------------------------------------------------------------------------- blocks

    def test_file_in_large_blocks(self):
        data = random.Random(3).randbytes((10 << 20) + 123)
        path = self.scratch(data)
        # A new channel fits the size without being told.
        writer = self.start("pub", "c", "--file", path, "--size", "1M", "--wait-groups", "2")
        self.until_publishers(1)
        raw, framed = self.output_file(), self.output_file()
        readers = [self.start("sub", "c", "--count", "11", "--frame", "raw", stdout=raw),
                   self.start("sub", "c", "--count", "11", "--frame", "length", stdout=framed)]
        self.end(writer)
        for reader in readers:
            self.end(reader)
        raw.seek(0)
        framed.seek(0)
        self.assertEqual(hashlib.sha256(raw.read()).digest(), hashlib.sha256(data).digest())
        self.assertEqual([len(message) for message in unframe(framed.read())], [1 << 20] * 10 + [123])

    def test_file_in_small_blocks(self):
        data = os.urandom(7 * 5000 + 3)
        path = self.scratch(data)
        output = self.through(["--file", path, "--size", "7"], ["--frame", "length"], b"", 5001)
        self.assertEqual(unframe(output), [data[i:i + 7] for i in range(0, len(data), 7)])

    def test_pipe_in_blocks(self):
        for size in (100, 100000):
            data = os.urandom(1234567)
            count = -(-len(data) // size)
            output = self.through(["--size", str(size)], ["--frame", "length"], data, count)
            self.assertEqual(unframe(output), [data[i:i + size] for i in range(0, len(data), size)])

    def test_file_whose_size_is_not_told(self):
        """/proc says 0 bytes."""
        with open("/proc/cpuinfo", "rb") as file:
            first = file.read(1000)
        output = self.through(["--file", "/proc/cpuinfo", "--size", "64K"], ["--frame", "raw"], b"", 1)
        self.assertEqual(output[:20], first[:20])

    def test_file_of_lines(self):
        path = self.scratch(b"a\nb\n")
        self.assertEqual(self.through(["--file", path], [], b"", 2), b"a\nb\n")

    def test_counts_are_told(self):
        reader = self.start("sub", "c", "--count", "2", "-v")
        result = self.run_tool("pub", "c", "--wait-groups", "1", "-v", input=b"abc\nde\n")
        self.assertRegex(result.stderr, rb"sent 2 messages, 5 bytes, in \d+\.\d+ s")
        self.assertIn(b"received 2 messages, 5 bytes", self.end(reader)[1])


if __name__ == "__main__":
    unittest.main()
