# SPDX-License-Identifier: Apache-2.0
"""The style rules. Each takes a Tree and yields a line per violation: `path:line: what is wrong`."""

import ast
import os
import re
from fnmatch import fnmatchcase

from source import functions, includes, macros

FILE_LINES = 500
FUNCTION_LINES = 60
SPDX = "SPDX-License-Identifier: Apache-2.0"
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE_KINDS = ("c", "py", "sh", "cmake")

# The style rules' own test holds planted violations.
PLANTED = "tests/tidy/selftest.py"


def table(name):
    """The lines of a data file beside this one, without comments and blank lines."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


# -------------------------------------------------------------------------------------------- size


def file_length(tree):
    for file in tree.sources(kinds=SOURCE_KINDS):
        if len(file.lines) > FILE_LINES:
            yield f"{file.path}:{FILE_LINES + 1}: {len(file.lines)} lines; a file has at most {FILE_LINES}"


def c_functions(file):
    for start, end in functions(file.code):
        yield file.line_of(start), file.line_of(end) - file.line_of(start) + 1
    for start, lines in macros(file.code):
        yield file.line_of(start), lines


def python_functions(file):
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def shell_functions(file):
    for match in re.finditer(r"^[\w-]+\(\)\s*[{(].*?^[})]", file.text, re.MULTILINE | re.DOTALL):
        yield file.line_of(match.start()), match.group().count("\n") + 1


def function_length(tree):
    finders = {"c": c_functions, "py": python_functions, "sh": shell_functions}
    for file in tree.sources(kinds=tuple(finders)):
        for line, length in finders[file.kind](file):
            if length > FUNCTION_LINES:
                yield f"{file.path}:{line}: function of {length} lines; at most {FUNCTION_LINES}"


def licence(tree):
    for file in tree.sources(kinds=SOURCE_KINDS):
        first = 1 if file.text.startswith("#!") else 0
        if len(file.lines) <= first or SPDX not in file.lines[first]:
            yield f"{file.path}:{first + 1}: lacks `{SPDX}`"


# ----------------------------------------------------------------------------------------- modules


def level_of(levels, path):
    stem = os.path.splitext(os.path.basename(path))[0]
    for rank, (_, patterns) in enumerate(levels):
        if any(fnmatchcase(stem, pattern) for pattern in patterns):
            return rank
    return None


def module_levels(tree):
    levels = [(line.split()[0], line.split()[1:]) for line in table("levels.txt")]
    private = {file.name for file in tree.sources("bus")}
    for file in tree.sources("bus"):
        rank = level_of(levels, file.path)
        if rank is None:
            yield f"{file.path}:1: has no level in tests/tidy/levels.txt"
            continue
        for line, quote, name in includes(file):
            own = quote == '"' and os.path.basename(name) in private
            other = level_of(levels, name) if own else None
            if other is not None and other > rank:
                yield f"{file.path}:{line}: level {levels[rank][0]} includes {name} of {levels[other][0]}"
    for file in tree.sources("shm_tools", "docs"):
        for line, quote, name in includes(file):
            inside = quote == '"' or name.startswith("bus/")
            if inside and os.path.basename(name) in private and not name.startswith("shmbus/"):
                beside = os.path.join(os.path.dirname(file.path), name)
                if not tree.read(os.path.normpath(beside)) or "bus/" in name:
                    yield f"{file.path}:{line}: {name} is private to bus/; use include/shmbus/"


def one_atomics(tree):
    for file in tree.sources("bus", "include"):
        for line, _, name in includes(file):
            if name == "stdatomic.h" and file.path != "bus/atomics.h":
                yield f"{file.path}:{line}: includes <stdatomic.h>; only bus/atomics.h may"


def system_calls(tree):
    words = {"functions": set(), "headers": set()}
    section = None
    for line in table("system_calls.txt"):
        if line in words:
            section = words[line]
        else:
            section.update(line.split())
    call = re.compile(r"(?<![\w.>])(" + "|".join(sorted(words["functions"])) + r")\s*\(")
    for file in tree.sources("bus"):
        if file.name.startswith("os_"):
            continue
        for line, _, name in includes(file):
            if name in words["headers"]:
                yield f"{file.path}:{line}: includes <{name}>; only bus/os_* enters the kernel"
        for match in call.finditer(file.code):
            yield f"{file.path}:{file.line_of(match.start())}: calls {match.group(1)}(); only bus/os_* may"


# ------------------------------------------------------------------------------------------- tests

SLEEPS = {
    "c": r"\b(?:sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\(|\bp?poll\s*\(\s*NULL"
         r"|\bselect\s*\(\s*0\s*,\s*NULL\s*,\s*NULL",
    "sh": r"(?:^|[;&|(`]|\b(?:do|then|else|timeout\s+\S+))\s*u?sleep\s+[\d.$\"']",
    "py": r"\b(?:time\.)?sleep\s*\(",
}


def no_sleeps(tree):
    for file in tree.sources("tests", kinds=tuple(SLEEPS)):
        text = file.code if file.kind == "c" else file.text
        if file.path == PLANTED:
            continue
        for match in re.finditer(SLEEPS[file.kind], text, re.MULTILINE):
            line = file.line_of(match.end())
            if file.kind == "c" or not file.lines[line - 1].lstrip().startswith("#"):
                yield f"{file.path}:{line}: waits by sleeping; wait for what must happen"


# ----------------------------------------------------------------------------------------- exports


def declared(tree):
    """{function: where} of the public headers."""
    found = {}
    for file in tree.sources("include"):
        code = re.sub(r"\btypedef\b[^;{]*;", lambda m: re.sub(r"[^\n]", " ", m.group()), file.code)
        for match in re.finditer(r"\b(shmbus_\w+)\s*\(", code):
            found[match.group(1)] = f"{file.path}:{file.line_of(match.start())}"
    return found


def mapped(tree):
    """{function: line} of the symbol map's global part."""
    found, glob = {}, False
    for number, line in enumerate(tree.read("bus/libshmbus.map").split("\n"), 1):
        word = re.fullmatch(r"\s*([\w*]+)\s*([:;])\s*", line)
        if word and word.group(2) == ":":
            glob = word.group(1) == "global"
        elif word and glob:
            found[word.group(1)] = number
    return found


def exports(tree):
    public, exported = declared(tree), mapped(tree)
    for name in sorted(public.keys() - exported.keys()):
        yield f"{public[name]}: {name}() is not in bus/libshmbus.map"
    for name in sorted(exported.keys() - public.keys()):
        yield f"bus/libshmbus.map:{exported[name]}: {name} is in no header of include/shmbus/"
    if not public:
        yield "include/shmbus:1: declares no function"


# ---------------------------------------------------------------------------------- memory ordering

LABEL = re.compile(r"\[(acq|rel):([^\]\s]*)\]")
LABEL_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MEMORY_MODEL = "docs/memory-model.md"
LABEL_ABOVE, LABEL_BELOW = 6, 1  # lines that a label may be away from its operation


def labels(tree):
    found = {}
    for file in tree.sources("bus"):
        for match in LABEL.finditer(file.comments):
            side, name = match.groups()
            where = f"{file.path}:{file.line_of(match.start())}"
            if not LABEL_NAME.fullmatch(name):
                yield f"{where}: label `{name}` is not lower-case words joined by dashes"
                continue
            found.setdefault(name, {}).setdefault(side, where)
    page = tree.read(MEMORY_MODEL)
    for name, sides in sorted(found.items()):
        for side in {"acq", "rel"} - sides.keys():
            yield f"{next(iter(sides.values()))}: label {name} has no [{side}:{name}] anywhere"
        if f"`{name}`" not in page and f":{name}]" not in page:
            yield f"{next(iter(sides.values()))}: label {name} is not listed as `{name}` in {MEMORY_MODEL}"
    for match in LABEL.finditer(page):
        if LABEL_NAME.fullmatch(match.group(2)) and match.group(2) not in found:
            line = page.count("\n", 0, match.start()) + 1
            yield f"{MEMORY_MODEL}:{line}: label {match.group(2)} is nowhere in bus/"


def orderings(tree):
    operation = re.compile(r"\b(?:load|store|exchange|add|sub|or|and|cas|fence)\d*_(acquire|release|acq_rel)\s*\(")
    for file in tree.sources("bus"):
        if file.name == "atomics.h":
            continue
        comments = file.comments.split("\n")
        for match in operation.finditer(file.code):
            line = file.line_of(match.start())
            near = "\n".join(comments[max(0, line - 1 - LABEL_ABOVE):line + LABEL_BELOW])
            sides = {side for side, _ in LABEL.findall(near)}
            wanted = {"acquire": {"acq"}, "release": {"rel"}}.get(match.group(1), {"acq", "rel"})
            if not sides & wanted:
                yield (f"{file.path}:{line}: {match.group().strip('( ')}() has no "
                       f"[{'/'.join(sorted(wanted))}:NAME] beside it, up to {LABEL_ABOVE} lines above or {LABEL_BELOW} below")


RULES = {
    "file-length": file_length,
    "function-length": function_length,
    "licence": licence,
    "module-levels": module_levels,
    "one-atomics": one_atomics,
    "system-calls": system_calls,
    "no-sleeps": no_sleeps,
    "exports": exports,
    "labels": labels,
    "orderings": orderings,
}
