#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dump: every field that docs/segment-format.md names, at the place that it says, with what stands there."""

import os
import re
import shutil
import unittest

from toolkit import ToolCase, segment

FORMAT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "segment-format.md")
WORD = 8


def sections(text):
    """The page cut at its headings, as [(heading, text)]."""
    parts = re.split(r"^#+ (.*)\n", text, flags=re.M)
    return list(zip(parts[1::2], parts[2::2]))


class Format:
    """docs/segment-format.md as {structure: {field: (offset, size)}}, and the parts of a slot."""

    def __init__(self):
        with open(FORMAT, encoding="utf-8") as file:
            self.sections = sections(file.read())
        self.sizes = {}
        rows = {}
        for heading, text in self.sections:
            found = re.search(r"`(shm_\w+)`, ([\d,]+) bytes", heading)
            if found:
                self.sizes[found[1]] = int(found[2].replace(",", ""))
                rows[found[1]] = self._rows(text)
        self.rows = rows
        wait = rows.pop("shm_wait")
        self.structures = {name: self._fields(rows[name], wait) for name in rows}

    @staticmethod
    def _rows(text):
        """[(offset, size, name, meaning)] of the fields, in a row each."""
        found = re.findall(r"^\| (\d+) \| ([\d,]+) \| `([^`]+)` \| ([^|]*) \|", text, re.M)
        return [(int(at), int(size.replace(",", "")), name, meaning) for at, size, name, meaning in found]

    @classmethod
    def _fields(cls, rows, wait):
        fields = {}
        parts = []
        for at, size, name, meaning in rows:
            if "`shm_wait`" in meaning:
                for inner_at, inner_size, inner, _ in wait:
                    cls._put(fields, at + inner_at, inner_size, f"{name}.{inner}", "")
            elif name.startswith("totals["):  # its meaning names its words; the second has "the same"
                parts = re.findall(r"`(\w+)`", meaning) or parts
                for i, part in enumerate(parts):
                    fields[f"{name}.{part}"] = (at + i * WORD, WORD)
            else:
                cls._put(fields, at, size, name, meaning)
        return fields

    @staticmethod
    def _put(fields, at, size, name, meaning):
        """What is longer than a word is a text, or an array of words."""
        if size > WORD and "padded" not in meaning:
            for i in range(size // WORD):
                fields[f"{name}[{i}]"] = (at + i * WORD, WORD)
        else:
            fields[name] = (at, size)

    def slot(self):
        """Of the stamp: fields of several bits, and all single ones as flags. Behind it: a record, and a time."""
        text = dict(self.sections)
        names = {f"stamp.{name}" for name in re.findall(r"^\| \d+\.\.\d+ \| (\w+)", text["Stamp"], re.M)}
        if re.search(r"^\| \d+ \| \w+", text["Stamp"], re.M):
            names.add("stamp.flags")
        (record,) = re.findall(r"^ +\[ +(\w+) +\| +(\w+) +\]", text["Arena record"], re.M)
        names |= {f"record.{name}" for name in record}
        return names | ({"sent"} if "Time of sending" in text else set())


class DumpCase(ToolCase):
    def fields(self, *arguments):
        return self.json("dump", *arguments)["fields"]

    def traffic(self):
        """30 short messages and a long one, read by one group of two; everything an empty bus has no use for is used."""
        self.run_tool("create", "c", "--slots", "64")
        self.run_tool("sub", "c", "--group", "idle", "--durable", "--timeout", "0")
        self.run_tool("sub", "c", "--group", "left", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"".join(b"%02d\n" % i for i in range(30)) + b"x" * 1000)
        self.run_tool("sub", "c", "--group", "left", "--durable", "--timeout", "0")

    def value(self, field, structure, index=0, channel="c"):
        (found,) = [row for row in self.fields("--structure", structure)
                    if (row["field"], row["index"], row["channel"]) == (field, index, channel)]
        return found["text"] if found["text"] is not None else found["number"]


class Documented(DumpCase):
    def test_every_field_of_the_page_is_dumped_and_no_other(self):
        self.traffic()
        page = Format()
        self.assertGreaterEqual(len(page.structures), 7)
        dumped = {}
        starts = {}
        for row in self.fields():
            key = row["structure"], row["index"]
            at, _ = page.structures.get(row["structure"], {}).get(row["field"], (0, 0))
            starts.setdefault(key, row["offset"] - at)
            dumped.setdefault(row["structure"], {})[row["field"]] = (row["offset"] - starts[key], row["size"])
        self.assertEqual(set(dumped.pop("slot")), page.slot())
        self.assertEqual(dumped, page.structures)

    def test_tables_lie_where_the_page_says(self):
        self.traffic()
        page = Format()
        starts = {}
        for row in self.fields():
            starts.setdefault((row["structure"], row["index"]), row["offset"])
        for structure, size in page.sizes.items():
            if (structure, 1) in starts:
                first = min(at for at, _ in page.structures[structure].values())
                self.assertEqual(starts[structure, 1] - starts[structure, 0], size, structure)
                self.assertEqual(first, 0)


class Values(DumpCase):
    def test_what_stands_in_the_file(self):
        """Of each word the file has the same bytes there."""
        self.traffic()
        with open(segment(self.bus), "rb") as file:
            content = file.read()
        rows = self.fields()
        offsets = [row["offset"] for row in rows]
        self.assertEqual(offsets[:1], [0])
        for row in rows:
            there = content[row["offset"]:row["offset"] + row["size"]]
            if row["text"] is not None:
                self.assertEqual(row["text"].encode(), there.split(b"\0")[0])
                self.assertEqual((row["value"], row["number"]), (None, None))
                continue
            number = int.from_bytes(there, "little")
            if row["structure"] == "slot":
                number = {"stamp.lap": number >> 24, "stamp.publisher": number >> 12 & 0xFFF,
                          "stamp.length": number >> 4 & 0xFF, "stamp.flags": number & 0xF,
                          "record.line": number >> 32, "record.length": number & 0xFFFFFFFF,
                          "sent": number}[row["field"]]
            self.assertEqual(int(row["value"], 16), number, row)
            self.assertEqual(row["number"], number if number <= 1 << 53 else None)

    def test_what_the_traffic_was(self):
        self.traffic()
        self.assertEqual(self.value("name", "shm_header", channel=None), self.bus)
        self.assertEqual(self.value("slots", "shm_channel"), 64)
        self.assertEqual(self.value("messages", "shm_publisher"), 31)
        self.assertEqual(self.value("name", "shm_group", 1), "left")
        totals = [self.value(f"totals[{i}].{what}", "shm_group", 1) for i in (0, 1) for what in ("messages", "bytes")]
        self.assertIn(totals, ([31, 1060, 0, 0], [0, 0, 31, 1060]))
        lengths = [row["number"] for row in self.fields("-s", "slot") if row["field"] == "stamp.length"]
        self.assertEqual(lengths, [2] * 30 + [0])
        self.assertEqual(self.value("record.length", "slot", 30), 1000)

    def test_meanings(self):
        self.traffic()
        meanings = {(row["structure"], row["index"], row["field"]): row["meaning"] for row in self.fields()}
        self.assertEqual(meanings["shm_header", 0, "magic"], "0x31307375626d6873 shmbus01")
        self.assertRegex(meanings["shm_header", 0, "created_ns"], r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z")
        self.assertEqual(meanings["shm_channel", 0, "producers"], "multi")
        self.assertEqual(meanings["shm_channel", 0, "overflow"], "block")
        self.assertRegex(meanings["shm_channel", 0, "tail"], r"\Asequence 31, line \d+\Z")
        self.assertRegex(meanings["shm_group", 0, "state"], r"\Ajoined \d+ times, active, durable\Z")
        self.assertEqual(meanings["shm_entry", 0, "state"], "live")
        self.assertIn("in the arena", meanings["slot", 30, "stamp.flags"])
        self.assertEqual(meanings["shm_channel", 0, "slots"], None)
        owner = self.start("sub", "c", "--group", "here")
        self.until_members(1)
        found = [row["meaning"] for row in self.fields("-s", "member") if row["field"] == "owner" and row["number"] != 0]
        self.assertRegex(found[0], r"\Aparticipant 0, generation \d+\Z")
        self.interrupt(owner)


class Choosing(DumpCase):
    def test_channel(self):
        self.traffic()
        self.run_tool("create", "other")
        self.assertEqual({row["channel"] for row in self.fields("-c", "other")}, {"other"})
        self.assertEqual({row["channel"] for row in self.fields()}, {None, "c", "other"})
        self.assert_fails("dump", "-c", "none", code=1, says=['no channel "none"', self.bus])

    def test_structure(self):
        self.traffic()
        for name in ("shm_group", "group"):
            self.assertEqual({row["structure"] for row in self.fields("-s", name)}, {"shm_group"})
        self.assert_fails("dump", "-s", "shm_none", code=1, says='no structure "shm_none"')

    def test_nonzero(self):
        self.traffic()
        everything = self.fields()
        some = [row for row in everything if row["text"] or row["number"] != 0 and row["text"] is None]
        self.assertEqual(self.fields("--nonzero"), some)
        self.assertLess(len(some), len(everything) / 2)

    def test_a_copy(self):
        self.traffic()
        copy = self.scratch(b"")
        shutil.copyfile(segment(self.bus), copy)
        self.assertEqual(self.fields("--file", copy), self.fields())


class Text(DumpCase):
    def test_a_line_a_field(self):
        self.traffic()
        lines = self.run_tool("dump").stdout.decode().splitlines()
        rows = self.fields()
        self.assertEqual(len(lines), len(rows))
        for line, row in zip(lines, rows):
            offset, path, value = re.fullmatch(r"0x([0-9a-f]{10})  (\S+) +(.+)", line).groups()
            prefix = f"{row['channel']}:" if row["channel"] else ""
            self.assertEqual(int(offset, 16), row["offset"])
            self.assertEqual(path, f"{prefix}{row['structure']}[{row['index']}].{row['field']}")
            shown = f'"{row["text"]}"' if row["text"] is not None else str(int(row["value"], 16))
            self.assertEqual(value.split("  ")[0].rstrip(), shown)
            self.assertTrue(value.endswith(row["meaning"] or shown))

    def test_terminal_control_in_names_is_harmless(self):
        self.run_tool("create", "victim-channel")
        with open(segment(self.bus), "rb") as file:
            content = file.read().replace(b"victim-channel\0", b"\x1b[2J\xff\xc2\x9b31m\n\0")
        for option in ([], ["--json"]):
            result = self.run_tool("dump", "--file", self.scratch(content), *option, code=None)
            self.assertNotRegex(result.stdout.decode() + result.stderr.decode(), "[\x1b\x9b]")


if __name__ == "__main__":
    unittest.main()
