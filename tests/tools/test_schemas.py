#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON of every command is what docs/json/ says, and has no key that is not there."""

import json
import os
import pathlib
import re
import shutil
import unittest

try:
    import jsonschema
except ImportError:
    raise SystemExit(77) from None  # python3-jsonschema is not installed

from looking import commands, help_of
from toolkit import ToolCase, segment

FOLDER = pathlib.Path(os.path.dirname(__file__), "..", "..", "docs", "json").resolve()
SHARED = {"messages", "tables"}  # no commands

# What each command is run with. FILE: a copy of the bus; those of LINES print an object a line.
RUNS = {
    "create": [["new"], []],
    "ls": [[], ["BUS"], ["BUS", "no-such-bus"]],
    "stat": [[], ["-c", "c"]],
    "dump": [[], ["--nonzero", "-s", "slot"], ["--file", "FILE"]],
    "doctor": [[]],
    "gc": [["--dry-run"], ["--dry-run", "-b", "BUS"]],
    "top": [["-n", "1", "-i", "0.05", *view] for view in ([], ["-p"], ["-c", "c"])],
    "hz": [["c", "-n", "2", "-i", "0.05"]],
    "hist": [["c"], ["c", "-i", "0.01"]],
    "peek": [["c", "-n", "5"], ["c", "--sequence", "100"]],
    "tap": [["c", "-t", "0", "--from", "oldest"]],
    "record": [["c", "-t", "0", "--from", "oldest", "-o", "-"]],
}
LINES = {"hist", "hz", "peek", "record", "tap", "top"}
AS_JSON = {"record": ["--format", "jsonl"]}


def close(schema):
    """The same without room for keys that it does not name."""
    if isinstance(schema, list):
        return [close(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(part) for key, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def names():
    return sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))


def validator(name):
    store = {}
    for path in FOLDER.glob("*.schema.json"):
        store[path.as_uri()] = close(json.loads(path.read_text(encoding="utf-8")))
    uri = (FOLDER / f"{name}.schema.json").as_uri()
    resolver = jsonschema.RefResolver(uri, store[uri], store=store)
    return jsonschema.Draft202012Validator(store[uri], resolver=resolver)


def prints_json(name):
    """Has it an option for that?"""
    return re.search(r"^ +(-\w, )?--(json\b|format=.*jsonl)", help_of(name), re.MULTILINE) is not None


class Schemas(ToolCase):
    def traffic(self):
        """Something in every table, also what is unknown."""
        self.run_tool("sub", "c", "--group", "idle", "--durable", "--timeout", "0")
        self.start("sub", "c", "--group", "busy", "--shared")
        self.until_members(1)
        writer = self.start("pub", "c")
        writer.stdin.write(b"line\n" * 100 + b"x" * 2000 + b"\n")
        self.until(lambda: self.group("busy")["messages"] == 101, "101 read")
        self.file = self.scratch(b"")
        shutil.copyfile(segment(self.bus), self.file)

    def outputs(self, name, arguments):
        places = {"BUS": self.bus, "FILE": self.file}
        text = self.run_tool(name, *[places.get(word, word) for word in arguments], *AS_JSON.get(name, ["--json"]),
                             code=None).stdout
        return [json.loads(line) for line in text.splitlines()] if name in LINES else [json.loads(text)]

    def test_schemas_are_schemas(self):
        for name in names():
            with self.subTest(name):
                schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
                jsonschema.Draft202012Validator.check_schema(schema)
                self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")

    def test_every_command_with_json_has_one(self):
        with_json = {name for name in commands() if prints_json(name)}
        self.assertGreaterEqual(with_json, {"create", "dump", "ls", "record", "stat", "top"})
        self.assertEqual(with_json, set(names()) - SHARED)

    def test_output(self):
        self.traffic()
        for name in sorted(set(names()) - SHARED):
            for arguments in RUNS.get(name, []):
                with self.subTest(command=name, arguments=arguments):
                    outputs = self.outputs(name, arguments)
                    self.assertTrue(outputs)
                    for output in outputs:
                        validator(name).validate(output)

    def test_bus_that_goes(self):
        self.traffic()
        looker = self.start("top", "--json", "--interval", "0.05", "--count", "1000")
        check = validator("top")
        check.validate(json.loads(looker.stdout.readline()))
        os.unlink(segment(self.bus))
        line = json.loads(looker.stdout.readline())
        while "error" not in line:
            check.validate(line)
            line = json.loads(looker.stdout.readline())
        check.validate(line)

    def test_the_dead(self):
        self.traffic()
        for process in self.started:
            process.kill()
            process.wait()
        (doctor,) = self.outputs("doctor", [])
        self.assertTrue([finding for finding in doctor["findings"] if finding["bus"] == self.bus])
        validator("doctor").validate(doctor)
        (stat,) = self.outputs("stat", [])
        self.assertIn("dead", [person["state"] for person in stat["participants"]])
        validator("stat").validate(stat)

    def test_every_schema_is_used(self):
        self.assertLessEqual(set(names()) - SHARED, set(RUNS))

    def test_broken_bus(self):
        with open(segment(self.bus), "wb") as file:
            file.write(b"this is no bus" * 1000)
        self.file = None
        for output in self.outputs("ls", []):
            validator("ls").validate(output)

    def test_what_the_schemas_refuse(self):
        """They can fail: a key more, one less, another type."""
        self.traffic()
        (stat,) = self.outputs("stat", [])
        check = validator("stat")
        check.validate(stat)
        for change in (lambda row: row.update(strange=1), lambda row: row.pop("name"), lambda row: row.update(slots="64")):
            broken = json.loads(json.dumps(stat))
            change(broken["channels"][0])
            self.assertFalse(check.is_valid(broken))


if __name__ == "__main__":
    unittest.main()
