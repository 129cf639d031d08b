#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ctest_properties.py CTEST BUILD: every registered test has a time limit of its own and a known label."""

import json
import subprocess
import sys

KINDS = {"unit", "stress", "crash", "fuzz", "tools", "tidy", "model", "sim", "examples"}
OTHERS = {"nosan", "onethread"}
LIMIT = 600  # seconds: more belongs into a run started by hand


def violations(tests):
    for test in tests:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        name, limit = test["name"], properties.get("TIMEOUT")
        labels = set(properties.get("LABELS", []))
        if not limit or limit > LIMIT:
            yield f"{name}: TIMEOUT is {limit}; every test has one, of at most {LIMIT} seconds"
        if not labels & KINDS or labels - KINDS - OTHERS:
            yield f"{name}: LABELS are {sorted(labels)}; one of {sorted(KINDS)}, and at will of {sorted(OTHERS)}"


def main():
    ctest, build = sys.argv[1:]
    listing = subprocess.run([ctest, "--test-dir", build, "--show-only=json-v1"],
                             check=True, capture_output=True, text=True).stdout
    tests = json.loads(listing)["tests"]
    found = list(violations(tests))
    print("\n".join(found) or f"{len(tests)} tests have a time limit and a label")
    sys.exit(1 if found or not tests else 0)


if __name__ == "__main__":
    main()
