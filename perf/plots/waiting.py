#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""waiting.py FIGURES.json OUTPUT.svg: round trips by the way of waiting, as `shmbus-bench --json` measured them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

CASES = ["wait/rtt/two-cpus", "wait/rtt/one-cpu"]
CONTESTANTS = ["shmbus spin", "shmbus adaptive", "shmbus block", "futex"]
PERCENTILES = {"p50_ns": 50, "p75_ns": 75, "p90_ns": 90, "p95_ns": 95, "p99_ns": 99, "p99_9_ns": 99.9}
MISSING = 77  # as tests that are skipped end
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "waiting.gnuplot")


def fail(text):
    sys.exit(f"waiting.py: {text}")


def contestants_of(figures, path):
    """Of each case that is drawn, its contestants by name."""
    cases = {case["name"]: case for case in figures["cases"]}
    for name in CASES:
        if name not in cases:
            fail(f"{path} has no case {name}: measure with --case 'wait/rtt/*'")
    return {name: {c["name"]: c for c in cases[name]["contestants"]} for name in CASES}


def rows(contestants):
    """A block for each contestant of each case: percentile and microseconds."""
    for case in CASES:
        for name in CONTESTANTS:
            contestant = contestants[case].get(name, {})
            yield f"# {case}, {name}"
            for key, percentile in PERCENTILES.items():
                if contestant.get(key) is not None:
                    yield f"{percentile} {contestant[key] / 1000}"
            yield "\n"


def main():
    if len(sys.argv) != 3:
        fail("usage: waiting.py FIGURES.json OUTPUT.svg")
    source, output = sys.argv[1:]
    if shutil.which("gnuplot") is None:
        print("waiting.py: gnuplot is missing: apt-get install gnuplot-nox", file=sys.stderr)
        sys.exit(MISSING)
    with open(source, encoding="utf-8") as file:
        figures = json.load(file)
    environment = figures["environment"]
    with tempfile.NamedTemporaryFile("w", suffix=".dat", encoding="utf-8") as data:
        data.write("\n".join(rows(contestants_of(figures, source))))
        data.flush()
        subprocess.run(["gnuplot", "-e", f"data='{data.name}'", "-e", f"output='{output}'",
                        "-e", f"cpu='{environment['cpu']}'", SCRIPT], check=True)


if __name__ == "__main__":
    main()
