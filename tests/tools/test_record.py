#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record and replay: a recording holds what was sent, survives what may happen to it, and comes out again.

Recordings are read here by the words of docs/capture-format.md, not by the command's own code; test_wireshark.py
has them read by Wireshark's.
"""

import collections
import json
import os
import random
import signal
import stat
import struct
import tempfile
import time
import unittest

from toolkit import LIMIT, ToolCase, content_of, pipe_holds, segment, unframe

PIECE = 262144 - 64
SHAPE = ["--single", "--overwrite", "--slots", "1K", "--slot-size", "128", "--arena", "1M", "--largest", "300K",
         "--groups", "3", "--members", "5", "--type", "0xfeedface"]
HEADER = struct.Struct("<4sBBHIIQQQqQIHH")
Packet = collections.namedtuple("Packet", "magic version kind header_size channel publisher sequence missed size "
                                          "sent_ns type offset flags reserved time body")


def read_pcap(data):
    """All whole packets of the file, and how many bytes follow them."""
    magic, major, minor, _, _, snap, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, snap, link) == (0xA1B23C4D, 2, 4, 262144, 147)
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, nanoseconds, size, original = struct.unpack_from("<IIII", data, at)
        assert size == original >= 64
        if at + 16 + size > len(data):
            break
        body = data[at + 16:at + 16 + size]
        packet = Packet(*HEADER.unpack_from(body), seconds * 10**9 + nanoseconds, body[64:])
        assert (packet.magic, packet.version, packet.header_size, packet.reserved) == (b"SHMB", 1, 64, 0)
        packets.append(packet)
        at += 16 + size
    return packets, len(data) - at


def pcap(*bodies):
    """A file with these packets, a second apart."""
    data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 147)
    for number, body in enumerate(bodies):
        data += struct.pack("<IIII", 1700000000 + number, 0, len(body), len(body)) + body
    return data


def channel_packet(name=b"c", number=0):
    shape = struct.pack("<BBBBIIIIIQQQ", 2, 1, 1, len(name), 0, 0, 0, 0, 0, 0, 0, 0)
    return HEADER.pack(b"SHMB", 1, 0, 64, number, 0, 0, 0, 0, 0, 0, 0, 0, 0) + shape + b"b" + name


def message_packet(data, sequence=0, size=None, offset=0, flags=0, **other):
    number, version, kind, header_size = (other.get(key, default) for key, default in
                                          (("number", 0), ("version", 1), ("kind", 1), ("header_size", 64)))
    return HEADER.pack(b"SHMB", version, kind, header_size, number, 0, sequence, 0,
                       len(data) if size is None else size, 0, 0, offset, flags, 0) + data


class RecordCase(ToolCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "recording")

    def record(self, *arguments):
        """Records what is there."""
        return self.run_tool("record", *arguments, "--from", "oldest", "-t", "0", "-o", self.path).stderr

    def start_record(self, *arguments):
        record = self.start("record", "c", "-v", "-o", self.path, *arguments)
        self.until_says(record, b"follows channel")
        return record

    def replayed(self, *arguments, channel="c"):
        """What replay publishes on a bus of its own."""
        bus = self.new_bus()
        self.run_tool("replay", self.path, "--max", "-b", bus, *arguments)
        return unframe(self.drain(channel, "-b", bus, "--frame", "length"))

    def refused(self, data, says):
        self.assert_fails("replay", self.scratch(data), "--max", "-b", self.new_bus(), code=1, says=says)


class Record(RecordCase):
    MESSAGES = [b"", b"plain", bytes(range(256)), b"x" * 70000]

    def test_pcap(self):
        self.run_tool("create", "c", *SHAPE)
        began = time.time_ns()
        self.publish(self.MESSAGES)
        self.record("c")
        packets, rest = read_pcap(content_of(self.path))
        self.assertEqual(rest, 0)
        self.check_channel(packets[0])
        self.assertEqual([packet.body for packet in packets[1:]], self.MESSAGES)
        for number, packet in enumerate(packets[1:]):
            self.assertEqual((packet.kind, packet.channel, packet.publisher, packet.sequence, packet.missed,
                              packet.size, packet.type, packet.offset), (1, 0, 0, number, 0,
                              len(self.MESSAGES[number]), 0xFEEDFACE, 0))
            self.assertEqual(packet.flags, 2 if packet.sent_ns else 0)
            self.assertTrue(began - 10**9 <= packet.time <= time.time_ns() + 10**9)
        self.assertTrue(packets[1].sent_ns)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def check_channel(self, packet):
        shape = struct.unpack_from("<BBBBIIIIIQQQ", packet.body)
        names = (self.bus + "c").encode()
        self.assertEqual((packet.kind, packet.channel, packet.type, packet.body[48:]), (0, 0, 0xFEEDFACE, names))
        self.assertEqual(shape, (1, 2, len(self.bus), 1, 1024, 128, 1, 3, 5, 1 << 20, 300 << 10, 0))

    def test_jsonl(self):
        self.run_tool("create", "c", *SHAPE)
        self.publish(self.MESSAGES)
        self.record("c", "--format", "jsonl")
        lines = content_of(self.path).splitlines()
        about = json.loads(lines[0])
        self.assertEqual((about["channel"], about["bus"], about["shape"]["slots"], about["shape"]["type"]),
                         ("c", self.bus, 1024, "0x00000000feedface"))
        tapped = self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "-j").stdout.splitlines()
        def untimed(line):
            return {key: value for key, value in json.loads(line).items() if key != "time"}
        self.assertEqual([untimed(line) for line in lines[1:]], [untimed(line) for line in tapped])

    def test_large_messages_take_several_packets(self):
        self.run_tool("create", "c", "--largest", "2M")
        message = random.Random(1).randbytes(PIECE * 3)
        messages = [message, message[:PIECE], message[:PIECE + 1], b"end"]
        self.publish(messages)
        self.record("c")
        packets, _ = read_pcap(content_of(self.path))
        self.assertEqual([(packet.sequence, packet.offset, len(packet.body), packet.flags & 4)
                          for packet in packets[1:]],
                         [(0, 0, PIECE, 4), (0, PIECE, PIECE, 4), (0, 2 * PIECE, PIECE, 0), (1, 0, PIECE, 0),
                          (2, 0, PIECE, 4), (2, PIECE, 1, 0), (3, 0, 3, 0)])
        self.assertEqual(self.replayed(), messages)

    def test_snap_and_count_and_file_size(self):
        self.publish([b"x" * 1000] * 50)
        self.record("c", "--snap", "10", "-n", "5")
        packets, _ = read_pcap(content_of(self.path))
        self.assertEqual([(packet.size, packet.body) for packet in packets[1:]], [(1000, b"x" * 10)] * 5)
        self.assertRegex(self.run_tool("replay", self.path, "--max", "-b", self.new_bus()).stderr,
                         rb"of 5 messages only the beginning was recorded")
        errors = self.record("c", "--max-file", "10000")
        self.assertRegex(errors, rb"that is enough")
        self.assertTrue(10000 <= os.stat(self.path).st_size < 11100)

    def test_aborted_and_missed(self):
        self.run_tool("create", "c", "--single", "--overwrite", "--slots", "16", "--largest", "128K")
        record = self.start_record("--aborted")
        record.send_signal(signal.SIGSTOP)
        self.publish([b"m%d" % i for i in range(100)])
        self.run_tool("pub", "c", "--frame", "length", code=1,
                      input=struct.pack("<I", 100 << 10) + b"x" * (40 << 10))
        self.publish([b"end"])
        record.send_signal(signal.SIGCONT)
        self.until(lambda: b"end" in content_of(self.path), "the last message in the file")
        self.interrupt(record)
        packets = read_pcap(content_of(self.path))[0][1:]
        self.assertEqual(sum(packet.missed + 1 for packet in packets), 102)
        self.assertGreaterEqual(packets[0].missed, 84)
        self.assertEqual([(packet.flags & 1, packet.size) for packet in packets[-2:]], [(1, 0), (0, 3)])
        self.assertEqual(self.replayed(), [packet.body for packet in packets if not packet.flags & 1])

    def test_standard_output(self):
        self.publish([b"one", b"two"])
        out = self.run_tool("record", "c", "--from", "oldest", "-t", "0", "-o", "-").stdout
        self.assertEqual([packet.body for packet in read_pcap(out)[0][1:]], [b"one", b"two"])
        with open(self.path, "ab") as file:
            file.write(b"kept")
            file.flush()
            self.start("record", "c", "--from", "oldest", "-t", "0", "-o", "-", stdout=file).wait(timeout=LIMIT)
        self.assertEqual(content_of(self.path)[:8], b"kept" + out[:4])
        bus = self.new_bus()
        self.run_tool("replay", "-", "--max", "-b", bus, input=out)
        self.assertEqual(self.drain("c", "-b", bus), b"one\ntwo\n")

    def test_what_cannot_be_recorded(self):
        self.publish([b"one"])
        self.assert_fails("record", "c", code=2, says="--output FILE")
        self.assert_fails("record", "c", "-o", "/no/such/file", code=1, says="cannot write /no/such/file: No such")
        for form in ("pcap", "jsonl"):
            full = self.assert_fails("record", "c", "--from", "oldest", "-t", "0", "-o", "/dev/full", "-f", form,
                                     code=1, says="cannot write to /dev/full: No space left")
            self.assertEqual(full.stderr.count(b"cannot write"), 1)
        kept = self.scratch(b"an earlier recording")
        self.assert_fails("record", "no-such-channel", "-o", kept, code=1, says="there is no channel")
        self.assertEqual(content_of(kept), b"an earlier recording")


class Killed(RecordCase):
    def killed_while_recording(self, *options):
        """A recording that ended by kill -9 while it grew."""
        self.run_tool("create", "c", "--overwrite", "--slots", "4K", "--slot-size", "256")
        record = self.start_record(*options)
        sender = self.start("pub", "c", stderr=None)
        line = 0
        def grown():
            nonlocal line
            sender.stdin.write(b"".join(b"%d %s\n" % (i, b"x" * (i % 90)) for i in range(line, line + 500)))
            line += 500
            return os.stat(self.path).st_size > 1 << 20
        self.until(grown, "a megabyte in the file")
        record.kill()
        record.wait()
        self.end(sender)
        return content_of(self.path)

    def test_every_whole_packet_decodes(self):
        data = self.killed_while_recording()
        packets, rest = read_pcap(data)
        after = packets[1].sequence - packets[1].missed  # some may have been gone before the first look
        for packet in packets[1:]:
            self.assertEqual(packet.body, b"%d %s" % (packet.sequence, b"x" * (packet.sequence % 90)))
            self.assertEqual(packet.sequence - packet.missed, after)
            after = packet.sequence + 1
        bodies = [packet.body for packet in packets[1:]]
        # Torn or not where it was killed: torn here, at every place within the last packet, and within the first.
        whole = data[:len(data) - rest]
        last = 16 + 64 + len(bodies[-1])
        for cut in (1, len(bodies[-1]), len(bodies[-1]) + 64, last - 1):
            with open(self.path, "wb") as file:
                file.write(whole[:-cut])
            bus = self.new_bus()
            done = self.run_tool("replay", self.path, "--max", "-v", "-n", str(len(bodies) - 1), "-b", bus)
            self.assertRegex(done.stderr, rb"sent %d messages" % (len(bodies) - 1))
            torn = self.run_tool("replay", self.path, "--max", "-v", "-b", bus)
            self.assertRegex(torn.stderr, rb"its last %d bytes are left out\n.*(\n.*)?sent %d messages"
                             % (last - cut, len(bodies) - 1))

    def test_torn_lines_of_json(self):
        data = self.killed_while_recording("--format", "jsonl")
        lines = data[:data.rindex(b"\n")].split(b"\n")
        for line in lines[1:]:
            message = json.loads(line)
            self.assertTrue(message["data"].startswith(f"{message['sequence']} "))
        with open(self.path, "wb") as file:
            file.write(b"\n".join(lines[:10]) + b"\n" + lines[10][:50])
        done = self.run_tool("replay", self.path, "--max", "-v", "-b", self.new_bus())
        self.assertRegex(done.stderr, rb"its last 50 bytes are left out\n(.*\n)?.*sent 9 messages")

    def test_flushes_while_it_runs(self):
        self.run_tool("create", "c")
        record = self.start_record()
        self.publish([b"only one"])
        self.until(lambda: b"only one" in content_of(self.path), "the message in the file")
        self.interrupt(record)


class Replay(RecordCase):
    def test_again_as_it_was(self):
        messages = [b"m%d %s" % (i, b"x" * (i % 200)) for i in range(2000)]
        self.run_tool("create", "c", *SHAPE)
        self.run_tool("create", "d")
        self.publish(messages[:1000])
        self.publish(messages, "d")
        for form in ("pcap", "jsonl"):
            self.record("c", "d", "--format", form)
            bus = self.new_bus()
            self.run_tool("replay", self.path, "--max", "-b", bus)
            there = {channel["name"]: channel for channel in self.json("ls", bus)["channels"]}
            here = {channel["name"]: channel for channel in self.json("ls", self.bus)["channels"]}
            for name in "cd":
                self.assertEqual(there[name], {**here[name], "bus": bus})
            self.assertEqual(unframe(self.drain("d", "-b", bus, "--frame", "length")), messages)
            self.assertEqual(self.run_tool("peek", "c", "-b", bus).stdout[-200:],
                             self.run_tool("peek", "c").stdout[-200:])

    def test_what_tap_wrote(self):
        self.publish([b"one", b"\xff\x00"])
        with open(self.path, "wb") as file:
            file.write(self.run_tool("tap", "c", "--from", "oldest", "-t", "0", "--json").stdout)
        self.assertEqual(self.replayed(), [b"one", b"\xff\x00"])

    def test_one_channel_under_another_name(self):
        self.publish([b"one", b"two"])
        self.publish([b"other"], "d")
        self.record("c", "d")
        self.assertEqual(self.replayed("-c", "c", "--as", "e", channel="e"), [b"one", b"two"])
        self.assert_fails("replay", self.path, "--max", "--as", "e", "-b", self.new_bus(), code=1,
                          says="has messages of several channels: say with --channel")
        self.assert_fails("replay", self.path, "--channel", "f", code=1, says='no message of channel "f"')
        self.assertEqual(self.replayed("-n", "1"), [b"one"])
        self.assert_fails("replay", self.path, "--max", "-n", "4", "-b", self.new_bus(), code=1,
                          says="has 3 messages, less than 4")

    def test_original_timing(self):
        """Due times are absolute: none comes early, whatever the load."""
        self.run_tool("create", "c", "--slots", "64")
        record = self.start_record()
        sender = self.start("pub", "c")
        for number in range(4):
            sender.stdin.write(b"m%d\n" % number)
            self.until(lambda: b"m%d" % number in content_of(self.path), "the message in the file")
        self.interrupt(record)
        times = [packet.time for packet in read_pcap(content_of(self.path))[0][1:]]
        for speed in (1, 4):
            again = self.path + str(speed)
            bus = self.new_bus()
            self.run_tool("create", "c", "-b", bus)
            record = self.start("record", "c", "-v", "-b", bus, "-o", again)
            self.until_says(record, b"follows channel")
            self.run_tool("replay", self.path, "--speed", str(speed), "-b", bus)
            self.until(lambda: os.path.exists(again) and b"m3" in content_of(again), "the last one")
            self.interrupt(record)
            played = [packet.time for packet in read_pcap(content_of(again))[0][1:]]
            self.assertEqual(len(played), 4)
            # The first may have been seen later than it was sent: a millisecond's nap, and what the load adds.
            self.assertGreater((played[-1] - played[0]) * speed, (times[-1] - times[0]) * 0.5)

    def test_signal_ends_it_while_it_waits_for_input(self):
        for begin in (b"{", pcap(channel_packet()), pcap(channel_packet())[:-1]):
            replay = self.start("replay", "-")
            replay.stdin.write(begin)
            self.until(lambda: pipe_holds(replay.stdin) == 0, "the command has read it")
            replay.send_signal(signal.SIGTERM)
            self.assertEqual(replay.wait(timeout=LIMIT), 128 + signal.SIGTERM)
            self.assertEqual(replay.stderr.read(), b"")

    def test_signal_ends_it(self):
        with open(self.path, "wb") as file:
            file.write(pcap(channel_packet(), message_packet(b"m0"), *[message_packet(b"m")] * 1000))
        replay = self.start("replay", self.path)
        self.until(lambda: os.path.exists(segment(self.bus)), "the bus")
        self.interrupt(replay, code=128 + signal.SIGINT)

    def test_a_channel_that_is_there_stays_as_it_is(self):
        self.publish([b"x" * 1000])
        self.record("c")
        bus = self.new_bus()
        self.run_tool("create", "c", "-b", bus, "--slots", "8", "--arena", "4K", "--largest", "512")
        self.assert_fails("replay", self.path, "--max", "-b", bus, code=1,
                          says='message 1 has 1000 bytes; the largest message of channel "c" is 512')
        self.assert_fails("replay", self.path, "--max", "--speed", "2", code=2, says="--speed contradicts --max")
        for speed in ("0", "-1", "fast"):
            self.assert_fails("replay", self.path, "--speed", speed, code=2, says="--speed")

    def test_damaged_files(self):
        whole = (channel_packet(), message_packet(b"one"))
        self.refused(b"", "is empty")
        self.refused(b"\x00" * 100, "no recording")
        self.refused(pcap(*whole).replace(struct.pack("<I", 147), struct.pack("<I", 1), 1), "link type is 1")
        for bad, says in (
                (b"short", "shorter than a header"),
                (b"x" * 100, "no packet of shmbus record"),
                (message_packet(b"two", version=9), "another version"),
                (message_packet(b"two", header_size=63), "cut short"),
                (message_packet(b"two", header_size=65535), "cut short"),
                (message_packet(b"two", kind=7), "kind that is not known"),
                (message_packet(b"two", size=2), "more bytes than the message has"),
                (message_packet(b"two", number=1), "not described before"),
                (message_packet(b"two", size=10, offset=3), "without the one before it"),
                (channel_packet()[:100], "cut short"),
                (channel_packet(b"n" * 48), "name is too long"),
                (channel_packet(b"name")[:-1], "name is too long")):
            self.refused(pcap(*whole, bad), rf"packet 3 is .*{says}" if "channel's" not in says else says)
        more = message_packet(b"abc", size=6, flags=4)
        self.refused(pcap(whole[0], more, channel_packet(b"d", 1)), "middle of a message")
        self.refused(pcap(whole[0], more, message_packet(b"def", 1, 6, 3)), "without the one before it")
        self.refused(pcap(*[channel_packet(number=number) for number in range(5000)]), "one channel too many")
        self.refused(pcap(channel_packet(b"a\x1b[2Jb"), message_packet(b"one")), "cannot publish to channel")
        self.refused(b'{"channel":"c"}\n', "line 1 is")
        self.refused(b'{"channel":"c","shape":7}\n', "line 1 is")
        self.refused(b"{broken\n{}\n", "line 1 is")

    def test_terminal_sequences_stay_in_the_file(self):
        bad = self.scratch(pcap(channel_packet(b"a\x1b[2Jb"), message_packet(b"one")))
        errors = self.run_tool("replay", bad, "--max", code=1).stderr
        self.assertNotIn(b"\x1b", errors)

    def test_random_damage_does_no_harm(self):
        self.publish([b"m%d" % i * i for i in range(40)])
        chance = random.Random(7)
        for form in ("pcap", "jsonl"):
            self.record("c", "--format", form)
            whole = content_of(self.path)
            for _ in range(150):
                bad = bytearray(whole)
                for _ in range(chance.randrange(1, 4)):
                    bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
                replay = self.start("replay", self.scratch(bytes(bad)), "--max", "-b", self.bus)
                _, errors = replay.communicate(timeout=LIMIT)
                self.assertIn(replay.returncode, (0, 1), errors)
                self.assertRegex(errors, rb"\A(shmbus: .*\n)*\Z")


if __name__ == "__main__":
    unittest.main()
