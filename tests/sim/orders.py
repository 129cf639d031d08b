# SPDX-License-Identifier: Apache-2.0
"""Numbers the ordered accesses of bus/, so that the simulation can make each of them weaker, one at a time.

orders.py number SOURCES OUTPUT FILE...
    copies every source of SOURCES to OUTPUT, where each acquire, release and fence of FILEs and headers is called by
    its number, and writes the table of them to OUTPUT/sites.inc
orders.py check PROGRAM TABLE SCHEDULES [all]
    weakens each label of TABLE in turn, and compares what PROGRAM, the simulation, finds within so many schedules with
    what TABLE says; those that it says are not found, only with `all`
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OPERATION = re.compile(
    r"\b(?:load(?:32|64)_acquire|store(?:32|64)_release|(?:exchange|cas|add|or|and)(?:32|64)_(?:acquire|release|acq_rel)"
    r"|fence_acquire|fence_release|fence_seq_cst|os_barrier_global)\(")
LABEL = re.compile(r"\[(rel|acq|fence|asym):([a-z0-9-]+)\]")
FUNCTION = re.compile(r"^[a-z].*?\b(\w+)\(", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
ABOVE, BELOW = 6, 1  # as tests/tidy has it
SIDES = {"acquire": ["acq"], "release": ["rel"], "acq_rel": ["acq", "rel"], "seq_cst": ["fence"], "global": ["asym"]}


def sides_of(operation):
    return SIDES[re.search(r"(acquire|release|acq_rel|seq_cst|global)$", operation).group(1)]


def label_near(lines, line, sides, word):
    """The label of one of the sides that is nearest to the line; rather one that has a name in common with the word."""
    near = []
    for number in range(max(0, line - ABOVE), min(len(lines), line + BELOW + 1)):
        for side, name in LABEL.findall(lines[number]):
            if side in sides or (side == "fence" and sides != ["asym"]):
                foreign = not any(part in word for part in name.split("-"))
                # What stands behind an access on its own line, or below it, is rather its own than what is above.
                near.append((number < line or number > line + 1, foreign, abs(number - line), name if side in ("acq", "rel") else f"{side}/{name}"))
    return min(near)[-1] if near else "none"


def number(sources, output, files):
    """Copies bus/, numbering; returns nothing."""
    output.mkdir(parents=True, exist_ok=True)
    sites = []
    for source in sorted(sources.glob("*.[ch]")):
        text = source.read_text(encoding="utf-8")
        if source.name in files or (source.suffix == ".h" and source.name not in ("atomics.h", "handle.h", "os_barrier.h")):
            text = number_file(source.name, text, sites)
        (output / source.name).write_text(text, encoding="utf-8")
    rows = "\n".join('    {"%s", "%s", "%s", "%s"},' % site for site in sites)
    (output / "sites.inc").write_text(rows + "\n", encoding="utf-8")


def number_file(name, text, sites):
    code = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    lines = text.split("\n")
    pieces, end = [], 0
    for match in OPERATION.finditer(code):
        operation = match.group()[:-1]
        line = code.count("\n", 0, match.start())
        functions = [f.group(1) for f in FUNCTION.finditer(code, 0, match.start())]
        word = re.match(r"[^,;]*", code[match.end():]).group()
        label = label_near(lines, line, sides_of(operation), word)
        pieces += [text[end:match.start()], f"{operation}_at({len(sites)}" + (", " if code[match.end()] != ")" else "")]
        end = match.end()
        sites.append((name, functions[-1] if functions else "", operation, label))
    return "".join(pieces) + text[end:]


def read_table(path):
    """{weakening: expected}, from lines of `LABEL[:SIDE] found|unseen REASON`."""
    rows = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        words = line.split(maxsplit=2)
        if words and not words[0].startswith("#"):
            if len(words) < 2 or words[1] not in ("found", "unseen") or (words[1] == "unseen") != (len(words) > 2):
                sys.exit(f"{path}: not `LABEL[:SIDE] found` or `LABEL[:SIDE] unseen REASON`: {line}")
            rows[words[0]] = words[1]
    return rows


def weakenings(program):
    """All that can be weakened in what the simulation runs."""
    lines = subprocess.run([program, "--accesses", "--schedules=200", "--jobs=1"], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    names = set()
    for _, _, _, operation, label, met in (line.split() for line in lines if line[0].isdigit()):
        if met != "0":
            sides = sides_of(operation)
            parts = {"acq": ":acquire", "rel": ":release"}
            names |= {label + ("" if "/" in label else parts.get(side, "")) for side in sides if label != "none"}
    return names


def try_one(program, weakening, schedules):
    """What the simulation says with this weakening: (found, its words)."""
    command = [program, f"--weaken={weakening}", f"--schedules={schedules}", "--jobs=1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    violation = next((line for line in run.stdout.splitlines() if line.startswith("violation: ")), "")
    return bool(violation), violation or run.stdout.strip() + run.stderr.strip()


def check(program, table, schedules, everything):
    expected = read_table(table)
    names = weakenings(program)
    problems = [f"{name}: can be weakened, and is not in {table}" for name in sorted(names - expected.keys())]
    problems += [f"{name}: in {table}, and nothing of that name is met" for name in sorted(expected.keys() - names)]
    chosen = [name for name, what in expected.items() if name in names and (everything or what == "found")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: try_one(program, name, schedules), chosen)
        for name, (found, words) in zip(chosen, results):
            print(f"{name:24} {expected[name]:7} {words}")
            if found != (expected[name] == "found"):
                problems.append(f"{name}: expected to be {expected[name]}")
    print(f"{sum(what == 'found' for what in expected.values())} of {len(expected)} weakenings are found")
    sys.exit("\n".join(problems) if problems else 0)


def main(arguments):
    if arguments[:1] == ["number"]:
        number(Path(arguments[1]), Path(arguments[2]), set(arguments[3:]))
    elif arguments[:1] == ["check"] and len(arguments) >= 4:
        check(arguments[1], arguments[2], int(arguments[3]), arguments[4:] == ["all"])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
