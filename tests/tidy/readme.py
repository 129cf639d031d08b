#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C example in README.md is docs/examples/hello.c, to the letter: the one that is built and run."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
shown = re.findall(r"^```c\n(.*?)^```$", (root / "README.md").read_text(), re.M | re.S)
example = (root / "docs/examples/hello.c").read_text()
if example not in shown:
    sys.exit("README.md shows none of its C blocks as docs/examples/hello.c has it")
