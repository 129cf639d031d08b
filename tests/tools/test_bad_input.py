#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong usage ends with 2, what cannot be done with 1; the message names the value and the limit."""

import os
import unittest

from toolkit import ToolCase, frames, segment


class Usage(ToolCase):
    """None of these gets as far as the bus."""

    CASES = [
        (["nonsense"], 'unknown command "nonsense"'),
        (["help", "nonsense"], 'unknown command "nonsense"'),
        (["pub"], "CHANNEL is missing"),
        (["sub"], "CHANNEL is missing"),
        (["pub", "c", "surplus"], 'unexpected argument "surplus"'),
        (["create", "c", "d"], 'unexpected argument "d"'),
        (["pub", "c", "--colour"], "unknown option --colour"),
        (["sub", "c", "-x"], "unknown option -x"),
        (["sub", "c", "--count"], "--count needs a value"),
        (["sub", "c", "--verbose=yes"], "--verbose.* takes no value"),
        (["sub", "c", "--count", "0"], "--count: 0 is less than 1"),
        (["sub", "c", "--count", "-1"], '--count: "-1" is not a whole number'),
        (["sub", "c", "--count", ""], '--count: "" is not a whole number'),
        (["sub", "c", "--count", "1x"], '--count: "1x" is not a whole number'),
        (["sub", "c", "--count", "1KB"], '--count: "1KB" is not a whole number'),
        (["sub", "c", "--count", "18446744073709551616"], "more than 18446744073709551615"),
        (["sub", "c", "--count", "17179869184G"], "more than 18446744073709551615"),
        (["sub", "c", "--timeout", "soon"], '--timeout: "soon" is not a number of seconds'),
        (["sub", "c", "--timeout", "-1"], '--timeout: "-1" is not a number of seconds'),
        (["sub", "c", "--timeout", "1e9"], '--timeout: "1e9" is not a number of seconds'),
        (["sub", "c", "--timeout", "99999999999"], "--timeout: 99999999999 is more than 10 years"),
        (["sub", "c", "--frame", "xml"], '--frame: "xml" is none of lines|length|raw'),
        (["pub", "c", "--frame", "raw"], '--frame: "raw" is none of lines|length'),
        (["sub", "c", "--from", "old"], '--from: "old" is none of now|oldest'),
        (["sub", "c", "--shared"], "need --group"),
        (["sub", "c", "--durable"], "need --group"),
        (["pub", "c", "--size", "1", "--frame", "length"], "--size contradicts --frame"),
        (["create", "c", "--single", "--multi"], "--multi contradicts --single"),
        (["create", "c", "--overwrite", "--block"], "--block contradicts --overwrite"),
        (["create", "c", "--slots", "0"], "--slots: 0 is less than 1"),
        (["create", "c", "--slots", "4G"], "--slots: 4G is more than 4294967295"),
        (["create", "c", "--arena", "some"], '--arena: "some" is not a whole number'),
        (["create", "--slots", "64"], "no CHANNEL"),
        (["create", "--mode", "888"], '--mode: "888" is not octal'),
        (["create", "--mode", "7777"], '--mode: "7777" is not octal'),
        (["rm"], "say what to remove"),
        (["rm", "-g", "g"], "--group needs --channel"),
        (["rm", "x", "-c", "c"], "give the bus with --bus"),
        (["rm", "x", "-b", "y"], "not both"),
        (["ls", "x", "-b", "y"], "not both"),
        (["stat", "x", "-b", "y"], "not both"),
    ]

    def test_usage(self):
        for arguments, says in self.CASES:
            with self.subTest(arguments):
                self.assert_fails(*arguments, code=2, says=[says.replace("|", r"\|"), "Try: shmbus"])
        self.assertFalse(os.path.exists(segment(self.bus)))


class Names(ToolCase):
    BAD = ["", "x" * 48, "a/b", "a\nb", "a\x7fb", ".hidden"]

    def test_bus_names(self):
        for name in self.BAD:
            for command in (["create"], ["pub", "c"], ["sub", "c", "--timeout=0"], ["ls"], ["stat"], ["rm"]):
                with self.subTest(name=name, command=command):
                    self.assert_fails(*command, "-b", name, code=1, says="shmbus: cannot .*bus")

    def test_channel_names(self):
        self.run_tool("create")
        for name in self.BAD:
            for command in (["create", name], ["pub", name], ["sub", name, "-t0"], ["rm", "-c", name]):
                with self.subTest(name=name, command=command[0]):
                    self.assert_fails(*command, code=1, says="shmbus: cannot .*channel")
        self.assertEqual(self.stat()["channels"], [])

    def test_group_names(self):
        self.run_tool("create", "c")
        for name in self.BAD:
            with self.subTest(name=name):
                self.assert_fails("sub", "c", "--group", name, "-t0", code=1, says="cannot subscribe")
        self.assertEqual(self.stat()["groups"], [])

    def test_limits_are_named(self):
        self.assert_fails("create", "-b", "x" * 48, code=1, says=["48", "47"])
        longest = f"{self.bus}-".ljust(47, "x")
        self.addCleanup(self._remove, longest)
        self.run_tool("create", "c" * 47, "-b", longest)
        self.assertEqual(self.json("ls", longest)["channels"][0]["name"], "c" * 47)


class Shapes(ToolCase):
    def test_impossible_shapes(self):
        self.run_tool("create")
        for option, value, says in [
            ("--slots", "100", "100"),
            ("--slots", "32M", str(32 << 20)),
            ("--slot-size", "100", "100"),
            ("--arena", "5000", "5000"),
            ("--arena", "128G", str(128 << 30)),
            ("--publishers", "5000", "5000"),
            ("--groups", "2000", "2000"),
            ("--members", "5000", "5000"),
        ]:
            with self.subTest(option=option, value=value):
                self.assert_fails("create", "c", option, value, code=1, says=['channel "c"', says])
        self.assert_fails("create", "c", "--arena", "1M", "--largest", "1M", code=1, says=str(1 << 20))
        self.assert_fails("create", "c", "--single", "--publishers", "2", code=1, says="publishers")
        self.assertEqual(self.stat()["channels"], [])

    def test_impossible_buses(self):
        self.assert_fails("create", "--participants", "5000", code=1, says=["5000", "4095"])
        self.assert_fails("create", "--channels", "2000", code=1, says=["2000", "1024"])
        self.assertFalse(os.path.exists(segment(self.bus)))

    def test_more_memory_than_there_is(self):
        room = os.statvfs("/dev/shm")
        if room.f_bavail * room.f_frsize > 64 << 30:
            self.skipTest("/dev/shm has room for the largest arena")
        self.run_tool("create", "small")
        before = os.stat(segment(self.bus))
        self.assert_fails("create", "c", "--arena", "64G", "--largest", "1G", code=1,
                          says=['channel "c"', "/dev/shm"])
        self.assertEqual([channel["name"] for channel in self.stat()["channels"]], ["small"])
        after = os.stat(segment(self.bus))
        self.assertEqual((after.st_size, after.st_blocks), (before.st_size, before.st_blocks))

    def test_channel_of_another_shape(self):
        self.run_tool("create", "c", "--slots", "64", "--single")
        for command in (["create", "c"], ["pub", "c"], ["sub", "c", "--timeout", "0"]):
            self.assert_fails(*command, "--slots", "128", code=1, says=["slots", "64", "128"])
            self.assert_fails(*command, "--multi", code=1, says="single")
            self.assert_fails(*command, "--type", "7", code=1, says="type")
            self.run_tool(*command, "--slots", "64", "--single")

    def test_table_of_channels_full(self):
        self.run_tool("create", "c", "--channels", "1")
        self.assert_fails("create", "d", code=1, says=["channel", "1"])


class Sending(ToolCase):
    def test_line_too_large(self):
        self.run_tool("create", "c", "--largest", "1000", "--arena", "4K")
        for last in (b"x" * 1001, b"x" * 5000, b"x" * 999999, b"x" * 999999 + b"\nmore\n"):
            size = len(last.split(b"\n")[0])
            self.assert_fails("pub", "c", input=b"one\ntwo\n" + last, code=1,
                              says=["line 3 ", f" has {size} bytes", " 1000 bytes", "--largest",
                                    "2 before it were sent"])
        output = self.drain()
        self.assertEqual(output, b"one\ntwo\n" * 4)
        self.run_tool("pub", "c", input=b"y" * 1000)

    def test_frame_too_large(self):
        self.run_tool("create", "c", "--largest", "1000", "--arena", "4K")
        self.assert_fails("pub", "c", "--frame", "length", input=frames([b"a", b"b" * 1001]), code=1,
                          says=["frame 2 has 1001 bytes", "1000 bytes"])
        # Lines given as frames by mistake
        self.assert_fails("pub", "c", "--frame", "length", input=b"hello world\n", code=1,
                          says="frame 1 has 1819043176")

    def test_frame_cut_short(self):
        whole = frames([b"first", b"second"])
        for lost in (1, 6, 7, 9):
            self.assert_fails("pub", "c", "--frame", "length", input=whole[:-lost], code=1,
                              says=[f"ends in frame 2, after {10 - lost} of its", "1 before it were sent"])
        self.run_tool("create", "s", "--single")
        self.assert_fails("pub", "s", "--frame", "length", input=frames([b"a", b"b" * 100000])[:-1], code=1,
                          says="ends in frame 2, after 100003 of its 100004 bytes")
        self.assertEqual(self.drain("s"), b"a\n")

    def test_size_larger_than_the_channel_takes(self):
        self.run_tool("create", "c")
        path = self.scratch(b"content")
        self.assert_fails("pub", "c", "--file", path, "--size", "1M", code=1, says=["1048576", "131072"])

    def test_files_that_cannot_be_read(self):
        self.assert_fails("pub", "c", "--file", "/no/such/file", code=1, says='"/no/such/file": No such file')
        self.assertFalse(os.path.exists(segment(self.bus)), "a bus was made for nothing")
        self.assert_fails("pub", "c", "--file", "/", code=1, says="cannot read /: Is a directory")

    def test_second_publisher_of_a_single_channel(self):
        first = self.start("pub", "c", "--single")
        self.until_publishers(1)
        self.assert_fails("pub", "c", input=b"x\n", code=1, says=['cannot publish to channel "c"', "single"])
        self.end(first, input=b"mine\n")
        self.run_tool("pub", "c", input=b"now\n")
        self.assertEqual(self.drain(), b"mine\nnow\n")

    def test_group_that_is_taken(self):
        first = self.start("sub", "c", "--group", "g")
        self.until_members(1)
        self.assert_fails("sub", "c", "--group", "g", code=1, says="cannot subscribe")
        self.assert_fails("sub", "c", "--group", "g", "--shared", code=1, says="cannot subscribe")
        self.interrupt(first)


class Segments(ToolCase):
    def test_missing_bus(self):
        for command in (["stat"], ["stat", "no-such-bus"], ["ls", "no-such-bus"], ["rm", "no-such-bus"],
                        ["rm", "-c", "c"], ["rm", "-c", "c", "-g", "g"]):
            self.assert_fails(*command, code=1, says=r"shmbus: cannot .* bus \"")
        self.assertFalse(os.path.exists(segment(self.bus)))

    def test_missing_channel_or_group(self):
        self.run_tool("create", "c")
        self.assert_fails("rm", "-c", "d", code=1, says='"d"')
        self.assert_fails("rm", "-c", "d", "-g", "g", code=1, says='"g"')
        self.assert_fails("rm", "-c", "c", "-g", "g", code=1, says='"g"')

    def test_no_bus_segment(self):
        for content in (b"", b"x", b"not a bus " * 100000):
            with open(segment(self.bus), "wb") as file:
                file.write(content)
            if content:
                for command in (["create"], ["pub", "c"], ["sub", "c", "-t0"], ["stat"], ["ls", self.bus]):
                    self.assert_fails(*command, code=1, says=f'bus "{self.bus}"')
                with open(segment(self.bus), "rb") as file:
                    self.assertEqual(file.read(), content, "somebody's file was changed")

    def test_truncated_segment(self):
        self.run_tool("create", "c")
        size = os.stat(segment(self.bus)).st_size
        for left in (size - 4096, size // 2, 4096, 100):
            os.truncate(segment(self.bus), left)
            for command in (["pub", "c"], ["stat"]):
                self.assert_fails(*command, code=1, says=f'bus "{self.bus}"')


if __name__ == "__main__":
    unittest.main()
