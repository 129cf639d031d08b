# SPDX-License-Identifier: Apache-2.0
"""Planted bugs: a table of them replaces one piece of text in one source of bus/, found there exactly once.

A table is a program that ends in `planting.main(PLANTS, sys.argv[1:])`:

TABLE list                        NAME FILE per line
TABLE plant NAME SOURCES OUTPUT   writes SOURCES/FILE with the bug to OUTPUT
"""

import sys
from collections import namedtuple

Plant = namedtuple("Plant", "file old new")


def plant(bug, name, sources, output):
    with open(f"{sources}/{bug.file}", encoding="utf-8") as file:
        text = file.read()
    if text.count(bug.old) != 1:
        sys.exit(f"{name}: bus/{bug.file} has {text.count(bug.old)} places like this, not one:\n{bug.old}")
    with open(output, "w", encoding="utf-8") as file:
        file.write(text.replace(bug.old, bug.new))


def main(plants, arguments):
    if arguments[:1] == ["list"]:
        print("\n".join(f"{name} {bug.file}" for name, bug in plants.items()))
    elif arguments[:1] == ["plant"]:
        _, name, sources, output = arguments
        plant(plants[name], name, sources, output)
    else:
        sys.exit(__doc__)
