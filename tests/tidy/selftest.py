#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that each style rule can fail: plants one violation at a time in a clean tree, and the rule finds it."""

import os
import tempfile
import unittest

from ctest_properties import violations as property_violations
from rules import FILE_LINES, FUNCTION_LINES, RULES
from source import Tree, functions, separate

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

CLEAN = {
    "include/shmbus/shmbus.h": SPDX + """
#ifdef __cplusplus
extern "C" {
#endif
typedef int (*shmbus_on_message)(void *context);
/* shmbus_ghost() is only mentioned. */
int shmbus_open(const char *name);
#ifdef __cplusplus
}
#endif
""",
    "bus/libshmbus.map": "SHMBUS_0.1 {\n    global:\n        shmbus_open;\n    local:\n        *;\n};\n",
    "bus/atomics.h": SPDX + "#include <stdatomic.h>\n",
    "bus/os_lock.c": SPDX + '#include <unistd.h>\n#include "atomics.h"\nint f(int fd)\n{\n    return close(fd);\n}\n',
    "bus/ring.h": SPDX + "struct ring { int (*close)(int); };\nint ring_release(struct ring *r);\n",
    "bus/ring.c": SPDX + """
#include "ring.h"
#include "atomics.h"
/* close(2) and mmap() are only mentioned; so is "read(". */
int ring_release(struct ring *r)
{
    store64_release(0, 1); /* [rel:ring-stamp] the message */
    return r->close(0) + my_open(1) + ring_release(r);
}
int ring_look(void)
{
    /* [acq:ring-stamp] what the publisher wrote */
    return load64_acquire(0);
}
""",
    "bus/bus.c": SPDX + '#include "ring.h"\n',
    "shm_tools/ring.h": SPDX,
    "shm_tools/main.c": SPDX + '#include <shmbus/shmbus.h>\n#include <bus.h>\n#include "ring.h"\n',
    "docs/memory-model.md": "| `ring-stamp` | why |\n| `lonely` | why |\nnew\n",
    "tests/unit/test.c": SPDX + "/* never sleep(1) */\nint x(void)\n{\n    return no_sleep(1);\n}\n",
    "tests/tools/test.sh": "#!/bin/sh\n" + SPDX.strip("/* ").join(("# ", "")) + "# sleep 1 is not allowed\necho asleep\n",
}

LONG = "int big(void)\n{\n" + "    x();\n" * FUNCTION_LINES + "}\n"

# rule, file, what is added to it (or replaces it, where the file is whole), a word of the message
PLANTS = [
    ("file-length", "bus/bus.c", "\n" * FILE_LINES, "502 lines"),
    ("function-length", "bus/bus.c", LONG, "bus/bus.c:3: function of 63 lines"),
    ("function-length", "bus/bus.c", "#define BIG \\\n" + "    x(); \\\n" * FUNCTION_LINES + "    y()\n", "62"),
    ("function-length", "tests/tools/test.sh", "big() {\n" + "x\n" * FUNCTION_LINES + "}\n", "62"),
    ("function-length", "tests/tidy/big.py", "def big():\n" + "    x()\n" * FUNCTION_LINES, "61"),
    ("licence", "tests/unit/new.c", "int x;\n", "tests/unit/new.c:1"),
    ("licence", "tests/unit/new.sh", "#!/bin/sh\necho\n", "tests/unit/new.sh:2"),
    ("licence", "perf/CMakeLists.txt", "project(x)\n", "perf/CMakeLists.txt:1"),
    ("module-levels", "bus/ring.c", '#include "bus.h"\n', None),
    ("module-levels", "bus/ring.c", '#include "bus/channel.h"\n', None),
    ("module-levels", "bus/os_lock.c", '#  include "ring.h"\n', "linux includes ring.h of mechanism"),
    ("module-levels", "bus/stray.c", SPDX, "has no level"),
    ("module-levels", "shm_tools/main.c", '#include "bus/ring.h"\n', "private"),
    ("module-levels", "shm_tools/main.c", "#include <bus/ring.h>\n", "private"),
    ("module-levels", "docs/examples/one.c", '#include "ring.h"\n', "private"),
    ("one-atomics", "bus/ring.c", "#include <stdatomic.h>\n", "only bus/atomics.h"),
    ("system-calls", "bus/ring.c", "void f(void)\n{\n    close(1);\n}\n", "calls close()"),
    ("system-calls", "bus/bus.c", "int f(void)\n{\n    return syscall (1);\n}\n", "calls syscall()"),
    ("system-calls", "bus/bus.c", "#include <sys/mman.h>\n", "<sys/mman.h>"),
    ("no-sleeps", "tests/unit/test.c", "int y(void)\n{\n    return usleep(1);\n}\n", "test.c:9"),
    ("no-sleeps", "tests/unit/test.c", "int y(void)\n{\n    return poll(NULL, 0, 5);\n}\n", "sleeping"),
    ("no-sleeps", "tests/tools/test.sh", "x; sleep 0.1\n", "test.sh:5"),
    ("no-sleeps", "tests/tools/test.py", "import time\ntime.sleep(1)\n", "test.py:2"),
    ("exports", "include/shmbus/shmbus.h", "int shmbus_new(int a,\n    int b);\n", "shmbus_new() is not in"),
    ("exports", "bus/libshmbus.map", "V2 {\n    global:\n        shmbus_gone;\n};\n", "shmbus_gone is in no"),
    ("labels", "bus/ring.c", "/* [acq:lonely] */\n", "has no [rel:lonely]"),
    ("labels", "bus/ring.c", "/* [rel:lonely] */\n", "has no [acq:lonely]"),
    ("labels", "bus/ring.c", "/* [rel:new] [acq:new] */\n", "new is not listed"),
    ("labels", "bus/ring.c", "/* [rel:Bad_Name] */\n", "lower-case"),
    ("labels", "docs/memory-model.md", "[rel:old-label]\n", "docs/memory-model.md:4: label old-label"),
    ("orderings", "bus/bus.c", "int f(void)\n{\n    return load32_acquire(0);\n}\n", "load32_acquire() has no"),
    ("orderings", "bus/bus.c", "/* [acq:ring-stamp] */\nvoid f(void)\n{\n    fence_release();\n}\n", "[rel:NAME]"),
    ("orderings", "bus/bus.c", "/* [rel:ring-stamp] */\n" + "\n" * 7 + "int x = cas64_acq_rel();\n", "acq/rel"),
]


def violations(files, rule):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return list(RULES[rule](Tree(root)))


class Rules(unittest.TestCase):
    def test_clean_tree_passes(self):
        for rule in RULES:
            self.assertEqual(violations(CLEAN, rule), [], rule)

    def test_every_rule_has_a_plant(self):
        self.assertEqual({plant[0] for plant in PLANTS}, set(RULES))

    def test_plants_are_found(self):
        extra = {"bus/bus.h": SPDX, "bus/channel.h": SPDX}
        for rule, path, text, message in PLANTS:
            with self.subTest(rule=rule, path=path, text=text[:60]):
                files = {**CLEAN, **extra, path: CLEAN.get(path, "") + text}
                found = violations(files, rule)
                self.assertEqual(len(found), 1, found)
                self.assertIn(path, found[0])
                self.assertIn(message or "", found[0])


class Parsing(unittest.TestCase):
    def test_comments_and_strings_are_told_from_code(self):
        code, comments = separate('a("/* no */"); /* yes "x" */ b(\'"\'); // last\n')
        self.assertEqual(code, 'a("        ");               b(\' \');        \n')
        self.assertEqual(comments.split(), ["/*", "yes", '"x"', "*/", "//", "last"])

    def test_functions_are_told_from_data(self):
        code = """
struct a { int x; };
struct b *b(struct b *p) { if (p) { return p; } return 0; }
static const int t[] = { f(1), 2 };
struct __attribute__((packed)) c { int y; };
Test(suite, name, .timeout = 5)
{
}
__attribute__((noinline))
int
d(void) { struct a a = {1}; return a.x; }
"""
        heads = [code[start:end].split("{")[0].split() for start, end in functions(code)]
        self.assertEqual([head[0] for head in heads], ["struct", "Test(suite,", "__attribute__((noinline))"])


class Properties(unittest.TestCase):
    def found(self, **properties):
        test = {"name": "t", "properties": [{"name": n, "value": v} for n, v in properties.items()]}
        return list(property_violations([test]))

    def test_limit_and_label_are_wanted(self):
        self.assertEqual(self.found(TIMEOUT=5.0, LABELS=["unit", "nosan"]), [])
        self.assertEqual(len(self.found(LABELS=["unit"])), 1)
        self.assertEqual(len(self.found(TIMEOUT=6000.0, LABELS=["unit"])), 1)
        self.assertEqual(len(self.found(TIMEOUT=5.0)), 1)
        self.assertEqual(len(self.found(TIMEOUT=5.0, LABELS=["nosan"])), 1)
        self.assertEqual(len(self.found(TIMEOUT=5.0, LABELS=["unit", "other"])), 1)


if __name__ == "__main__":
    unittest.main()
