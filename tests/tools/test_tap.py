#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peek and tap: what they show is what was sent, what they count adds up, and nobody notices them."""

import base64
import json
import os
import re
import shutil
import signal
import struct
import time
import unittest

from toolkit import LIMIT, ToolCase, content_of, segment

HOSTILE = b"\x1b[2J\x07\xff\xc2\x9bn \xe2\x82\xac"
COUNTS = re.compile(rb"seen (\d+), missed (\d+), aborted (\d+), filtered (\d+)")


def counts(errors):
    """seen, missed, aborted, filtered as the command says them last."""
    return tuple(map(int, COUNTS.findall(errors)[-1]))


def objects(lines):
    return [json.loads(line) for line in lines.splitlines()]


def content(message):
    """The bytes of a message that is shown as JSON."""
    if "base64" in message:
        return base64.b64decode(message["base64"])
    return message["data"].encode()


class TapCase(ToolCase):
    def start_tap(self, *arguments):
        """A tap of "c" that has found it."""
        tap = self.start("tap", "c", "--verbose", *arguments)
        self.until_says(tap, rb'follows channel "c" from message \d+ on')
        return tap

    def abort_one(self, channel):
        """One message that its publisher gives up: a frame that ends before its length says."""
        self.run_tool("pub", channel, "--frame", "length", code=1,
                      input=struct.pack("<I", 100 << 10) + b"x" * (40 << 10))


class Peek(TapCase):
    def test_last_ones(self):
        self.publish([b"m%d" % i for i in range(20)])
        self.assertEqual(self.run_tool("peek", "c").stdout, b"19 p0 m19\n")
        self.assertEqual(self.run_tool("peek", "c", "-n", "3").stdout, b"17 p0 m17\n18 p0 m18\n19 p0 m19\n")
        self.assertEqual(len(self.run_tool("peek", "c", "-n", "100").stdout.splitlines()), 20)
        self.assertEqual(self.run_tool("peek", "c", "--sequence", "4", "-n", "2").stdout,
                         b"4 p0 m4\n5 p0 m5\n")

    def test_what_is_not_there(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "8")
        self.assert_fails("peek", "c", code=1, says=r'channel "c" holds no such message: 0 were published')
        self.publish([b"m%d" % i for i in range(100)])
        self.assert_fails("peek", "c", "-q", "3", code=1, says=r"message 3 .* is gone: the oldest is \d+")
        self.assert_fails("peek", "c", "-q", "100", code=1, says="not there yet: the next one is 100")
        self.assert_fails("peek", "d", code=1, says='there is no channel "d" in bus')
        self.assert_fails("peek", "c", "-b", "no-such-bus", code=1, says="cannot look at bus")
        shown = self.run_tool("peek", "c", "-n", "100").stdout.splitlines()
        self.assertEqual(shown[-1], b"99 p0 m99")
        self.assertLessEqual(len(shown), 8)

    def test_formats(self):
        message = bytes(range(40))
        self.publish([message])
        self.assertEqual(self.run_tool("peek", "c", "--format", "raw").stdout, message)
        self.assertEqual(self.run_tool("peek", "c", "--format", "raw", "--snap", "7").stdout, message[:7])
        lines = self.run_tool("peek", "c", "--format", "hex").stdout.decode().splitlines()
        self.assertEqual(lines[0], "0 p0 40 B")
        self.assertEqual(lines[1], "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  "
                                   "|................|")
        self.assertEqual(lines[3], "00000020  20 21 22 23 24 25 26 27" + " " * 27 + "|" + " !\"#$%&'|")
        self.assertEqual(lines[4], "00000028")

    def test_hostile_text_reaches_no_terminal(self):
        self.publish([HOSTILE])
        shown = self.run_tool("peek", "c").stdout
        self.assertEqual(shown.decode(), "0 p0 \ufffd[2J\ufffd\ufffd\ufffd\ufffdn \u20ac\n")
        (line,) = objects(self.run_tool("peek", "c", "--json").stdout)
        self.assertEqual(content(line), HOSTILE)
        self.publish(["\x9b\u202e\x00".encode()])
        json_line = self.run_tool("peek", "c", "--json").stdout
        self.assertRegex(json_line, rb"\A[\x20-\x7e]+\n\Z")
        self.assertEqual(content(json.loads(json_line)), "\x9b\u202e\x00".encode())

    def test_copy_of_the_file(self):
        self.publish([b"one", b"two"])
        copy = self.scratch(b"")
        shutil.copyfile(segment(self.bus), copy)
        os.unlink(segment(self.bus))
        self.assertEqual(self.run_tool("peek", "c", "-F", copy, "-n", "2").stdout, b"0 p0 one\n1 p0 two\n")
        tapped = self.run_tool("tap", "c", "-F", copy)
        self.assertEqual((tapped.stdout, counts(tapped.stderr)), (b"0 p0 one\n1 p0 two\n", (2, 0, 0, 0)))

    def test_damaged_copies_do_no_harm(self):
        self.publish([b"one", b"two"])
        whole = content_of(segment(self.bus))
        step = max(1, len(whole) // 4096)
        for at in list(range(0, 8192, 97)) + list(range(8192, len(whole), step * 331)):
            bad = self.scratch(whole[:at] + bytes(byte ^ 0xFF for byte in whole[at:at + 64]) + whole[at + 64:])
            for arguments in (("peek", "c", "-F", bad), ("tap", "c", "-F", bad, "-d", "2", "-f", "raw")):
                process = self.start(*arguments)
                _, errors = process.communicate(timeout=LIMIT)
                self.assertIn(process.returncode, (0, 1), (arguments[0], at))
                self.assertRegex(errors, rb"\A(shmbus: .*\n)*\Z")


    def test_segment_that_is_truncated_meanwhile(self):
        self.publish([b"one"])
        tap = self.start_tap()
        os.truncate(segment(self.bus), 4096)
        output, errors = self.end(tap, code=1)
        self.assertEqual(output, b"")
        self.assertRegex(errors, rb"\A(shmbus: .*\n)+\Z")


class Tap(TapCase):
    def test_shows_what_comes_from_now_on(self):
        self.publish([b"before"])
        tap = self.start_tap("-n", "3")
        self.publish([b"a", b"bb", b"ccc"])
        output, errors = self.end(tap)
        self.assertEqual(output, b"1 p0 a\n2 p0 bb\n3 p0 ccc\n")
        self.assertEqual(counts(errors), (3, 0, 0, 0))

    def test_json(self):
        self.run_tool("create", "c", "--type", "7")
        began = time.time()
        messages = [b"plain", "gr\u00fcn".encode(), HOSTILE, b"", b"x" * 5000]
        self.publish(messages)
        shown = objects(self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "--json").stdout)
        self.assertEqual([content(line) for line in shown], messages)
        self.assertEqual([line["size"] for line in shown], [len(message) for message in messages])
        self.assertEqual([line["sequence"] for line in shown], list(range(5)))
        self.assertIn("base64", shown[2])
        for line in shown:
            self.assertEqual(set(line) - {"data", "base64"},
                             {"channel", "sequence", "publisher", "size", "missed", "aborted", "time",
                              "sent_ns"})
            self.assertEqual((line["channel"], line["aborted"], line["missed"]), ("c", False, 0))
            self.assertTrue(began - 1 <= float(line["time"]) <= time.time() + 1)
        self.assertTrue(any(line["sent_ns"] for line in shown))

    def test_filters(self):
        self.run_tool("create", "c", "--type", "9")
        self.publish([b"x" * size for size in (1, 10, 100, 1000, 10000)])
        def sizes(*options):
            tapped = self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "--json", *options)
            shown = [line["size"] for line in objects(tapped.stdout)]
            self.assertEqual(counts(tapped.stderr), (5, 0, 0, 5 - len(shown)))
            return shown
        self.assertEqual(sizes("--min-size", "10", "--max-size", "1000"), [10, 100, 1000])
        self.assertEqual(sizes("--publisher", "1"), [])
        self.assertEqual(sizes("--publisher", "0", "--type", "9"), [1, 10, 100, 1000, 10000])
        self.assertEqual(sizes("--type", "8"), [])
        (cut,) = objects(self.run_tool("peek", "c", "--snap", "4", "--json").stdout)
        self.assertEqual((cut["size"], cut["data"]), (10000, "xxxx"))

    def test_publisher_filter_with_two(self):
        first = self.start("pub", "c")
        self.until_publishers(1)
        second = self.start("pub", "c")
        self.until_publishers(2)
        self.end(second, b"s1\ns2\n")
        self.end(first, b"f1\n")
        shown = self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "-p", "1").stdout
        self.assertEqual(shown, b"0 p1 s1\n1 p1 s2\n")

    def test_aborted_only_when_asked_for(self):
        self.run_tool("create", "c", "--single")
        self.publish([b"one"])
        self.abort_one("c")
        self.publish([b"two"])
        plain = self.run_tool("tap", "c", "--from", "oldest", "-t", "0")
        self.assertEqual((plain.stdout, counts(plain.stderr)), (b"0 p0 one\n2 p0 two\n", (2, 0, 1, 0)))
        shown = objects(self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "--aborted", "-j").stdout)
        self.assertEqual([line["aborted"] for line in shown], [False, True, False])

    def test_count_that_does_not_come(self):
        self.publish([b"one"])
        failed = self.assert_fails("tap", "c", "--from", "oldest", "-n", "2", "-t", "0.05", code=1,
                                   says="1 of 2 messages came; then nothing more before the timeout")
        self.assertEqual(failed.stdout, b"0 p0 one\n")

    def test_signal_ends_it_well(self):
        self.publish([b"one"])
        for number in (signal.SIGINT, signal.SIGTERM):
            tap = self.start_tap("--from", "oldest")
            self.assertEqual(self.read_some(tap), b"0 p0 one\n")
            _, errors = self.interrupt(tap, number)
            self.assertEqual(counts(errors), (1, 0, 0, 0))

    def test_removed_channel_ends_it(self):
        self.publish([b"one"])
        tap = self.start_tap("--from", "oldest")
        self.assertEqual(self.read_some(tap), b"0 p0 one\n")
        self.run_tool("rm", "-c", "c")
        self.assertRegex(self.end(tap)[1], rb'channel "c" was removed')

    def test_waits_for_a_channel_that_comes_back(self):
        tap = self.start("tap", "c", "--wait", "-n", "4")
        self.until_says(tap, rb'waits for channel "c"')
        self.publish([b"one"])
        self.assertEqual(self.read_some(tap), b"0 p0 one\n")
        # One that is made anew before the tap has noticed is another one all the same.
        for message in (b"two", b"three"):
            self.pause(tap)
            self.run_tool("rm", "-c", "c")
            self.publish([message])
            tap.send_signal(signal.SIGCONT)
            self.assertEqual(self.read_some(tap), b"0 p0 %s\n" % message)
        self.run_tool("rm", self.bus)
        self.publish([b"four"])
        self.assertEqual(self.end(tap)[0], b"0 p0 four\n")

    def test_several_channels(self):
        self.publish([b"a"], "x")
        self.publish([b"b"], "y")
        shown = self.run_tool("tap", "x", "y", "--from", "oldest", "-t", "0").stdout
        self.assertEqual(sorted(shown.splitlines()), [b"x 0 p0 a", b"y 0 p0 b"])

    def test_closed_output_ends_it(self):
        self.publish([b"one"])
        tap = self.start_tap("--from", "oldest")
        tap.stdout.close()
        self.publish([b"two"])
        self.assertEqual(tap.wait(timeout=40), 0)

    def test_leaves_no_trace(self):
        self.publish([b"m%d" % i for i in range(100)])
        before = content_of(segment(self.bus))
        self.run_tool("tap", "c", "--from", "oldest", "-t", "0.1")
        self.run_tool("peek", "c", "-n", "50")
        self.assertEqual(content_of(segment(self.bus)), before)


class Exact(TapCase):
    """Seen, missed and aborted are what was published, whatever the publishers' speed."""

    COUNT = 300000
    SIZE = 64

    def tap_traffic(self, shape, publishers, *options, aborts=0):
        self.run_tool("create", "c", *shape)
        tap = self.start_tap("-f", "raw", *options)
        traffic = self.scratch(os.urandom(self.COUNT * self.SIZE))
        senders = [self.start("pub", "c", "--size", str(self.SIZE), "--file", traffic)
                   for _ in range(publishers)]
        for sender in senders:
            self.end(sender)
        for _ in range(aborts):
            self.abort_one("c")
        self.publish([b"the last one"])
        published = publishers * self.COUNT + aborts + 1
        self.assertEqual(self.stat()["channels"][0]["published"], published)
        self.until(lambda: sum(counts(self.until_says(tap, COUNTS))[:3]) == published,
                   f"seen + missed + aborted = {published}")
        output, errors = self.interrupt(tap)
        self.assertEqual(sum(counts(errors)[:3]), published)
        self.assertEqual(counts(errors)[2], aborts)
        return output, counts(errors)

    def test_filtered(self):
        output, (seen, _, _, filtered) = self.tap_traffic(["--multi", "--slots", "64K"], 2, "--max-size", "63")
        self.assertEqual((output, filtered), (b"the last one", seen - 1))

    def test_single_overwrite_with_aborts(self):
        self.tap_traffic(["--single", "--overwrite", "--slots", "1K"], 1, "--max-size", "63", aborts=3)

    def test_missed_is_told_with_the_next_that_is_shown(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "16")
        tap = self.start_tap("--json", "-n", "1", "--min-size", "3")
        tap.send_signal(signal.SIGSTOP)
        self.publish([b"x"] * 1000 + [b"shown"])
        tap.send_signal(signal.SIGCONT)
        output, errors = self.end(tap)
        seen, missed, _, filtered = counts(errors)
        (line,) = objects(output)
        self.assertEqual((line["sequence"], line["missed"]), (1000, missed))
        self.assertEqual((seen + missed, filtered), (1001, seen - 1))
        self.assertGreaterEqual(missed, 1001 - 16)


if __name__ == "__main__":
    unittest.main()
