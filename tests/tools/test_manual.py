#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages: well formed, one for each command with all its options, and all functions in section 3."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

from looking import commands, help_of

ROOT = pathlib.Path(os.path.dirname(__file__), "..", "..").resolve()
PAGES = ROOT / "docs" / "man"
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]


def page_of(command):
    return (PAGES / f"shmbus-{command}.1").read_text(encoding="utf-8")


def options_in_help(text):
    """{long option: letter or None}; popt indents them by two."""
    found = re.findall(r"^  (?:-(.), |    )--([a-z][a-z-]*)", text, re.M)
    return {name: letter or None for letter, name in found}


def options_in_page(text):
    """The same of the lists' items, as `.It Fl c Ar N , Fl -count Ns = Ns Ar N`."""
    found = {}
    for item in re.findall(r"^\.It (Fl .*)", text, re.M):
        words = re.findall(r"Fl (?:\\?-)?([A-Za-z][a-z-]*)", item)
        long = [word for word in words if len(word) > 1]
        found.update({name: next((word for word in words if len(word) == 1), None) for name in long})
    return found


def functions_of(header):
    text = (ROOT / "include" / "shmbus" / header).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return set(re.findall(r"^[a-z].*?\b(shmbus_\w+)\((?!\*)", text, re.M))


class Manual(unittest.TestCase):
    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_has_nothing_to_say(self):
        for page in sorted(PAGES.iterdir()):
            with self.subTest(page.name):
                result = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, timeout=60)
                self.assertEqual((result.stdout.decode(), result.returncode), ("", 0))

    def test_every_command_has_a_page(self):
        overview = re.findall(r"Xr shmbus-(\w+) 1", (PAGES / "shmbus.1").read_text(encoding="utf-8"))
        for command in commands():
            with self.subTest(command):
                sections = re.findall(r"^\.Sh (.*)", page_of(command), re.M)
                self.assertEqual([section for section in sections if section in SECTIONS], SECTIONS)
                self.assertIn(command, overview)

    def test_every_page_is_of_a_command(self):
        pages = {page.name for page in PAGES.iterdir()}
        self.assertEqual(pages - {f"shmbus-{command}.1" for command in commands()},
                         {"shmbus.1", "shmbus.3", "shmbus_inspect.3"})

    def test_every_option_is_in_its_page_and_no_other(self):
        for command in commands():
            with self.subTest(command):
                options = options_in_help(help_of(command))
                self.assertIn("help", options)
                self.assertEqual(options_in_page(page_of(command)), options)

    def test_every_function_is_in_its_page_and_no_other(self):
        for header, page in (("shmbus.h", "shmbus.3"), ("inspect.h", "shmbus_inspect.3")):
            with self.subTest(page):
                text = (PAGES / page).read_text(encoding="utf-8")
                functions = functions_of(header)
                self.assertGreater(len(functions), 10)
                self.assertEqual(set(re.findall(r"^\.Fo (\w+)", text, re.M)), functions)
                explained = {name for item in re.findall(r"^\.It (Fn .*)", text, re.M)
                             for name in re.findall(r"Fn (\w+)", item)}
                self.assertEqual(explained, functions)

    def test_prototypes_are_the_headers(self):
        for header, page in (("shmbus.h", "shmbus.3"), ("inspect.h", "shmbus_inspect.3")):
            source = (ROOT / "include" / "shmbus" / header).read_text(encoding="utf-8")
            source = re.sub(r"\s", "", re.sub(r"/\*.*?\*/", "", source, flags=re.S))
            text = (PAGES / page).read_text(encoding="utf-8")
            for kind, name, rest in re.findall(r"^\.Ft ([^\n]*)\n\.Fo (\w+)\n(.*?)^\.Fc", text, re.M | re.S):
                arguments = ",".join(re.findall(r'^\.Fa "(.*)"', rest, re.M))
                there = re.sub(r"\s", "", f"{kind}{name}({arguments});") in source
                self.assertTrue(there, f"{page}: {kind} {name}({arguments})")


if __name__ == "__main__":
    unittest.main()
