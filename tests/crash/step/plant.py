#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plant.py PLANT SOURCE COPY: writes a copy of a source with a bug planted.

A plant is a text of hunks, each `<<<<`, what is there, `====`, what is there instead, `>>>>`, on lines of their
own; what stands outside says what it is. What is there must be there exactly once.
"""

import re
import sys

HUNK = re.compile(r"^<<<<\n(.*?)^====\n(.*?)^>>>>$", re.MULTILINE | re.DOTALL)


def main():
    plant, source, copy = sys.argv[1:]
    with open(plant, encoding="utf-8") as file:
        hunks = HUNK.findall(file.read())
    with open(source, encoding="utf-8") as file:
        text = file.read()
    if not hunks:
        sys.exit(f"{plant}: no hunk")
    for before, after in hunks:
        if text.count(before) != 1:
            sys.exit(f"{plant}: found {text.count(before)} times in {source}, must be once:\n{before}")
        text = text.replace(before, after)
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
