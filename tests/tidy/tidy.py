#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py ROOT [RULE...]: checks the source tree against the style rules; all of them when none is named."""

import sys

from rules import RULES
from source import Tree


def main():
    if len(sys.argv) < 2 or any(name not in RULES for name in sys.argv[2:]):
        sys.exit(f"usage: tidy.py ROOT [{'|'.join(RULES)}]...")
    tree = Tree(sys.argv[1])
    if not any(tree.sources("bus")):
        sys.exit(f"tidy.py: {sys.argv[1]} is not the source tree: it has no bus/*.c")
    found = [violation for name in sys.argv[2:] or RULES for violation in RULES[name](tree)]
    print("\n".join(found))
    if found:
        sys.exit(f"{len(found)} violations")


if __name__ == "__main__":
    main()
