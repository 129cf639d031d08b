# SPDX-License-Identifier: Apache-2.0
"""The source tree as the style rules see it: which files there are, and C with comments told from code."""

import os
import re

SKIPPED_FOLDERS = {".git", ".cache", ".vscode", "__pycache__"}


class File:
    """One file; `path` is relative to the root. C sources offer `code` and `comments`, of the same shape."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self._code = self._comments = None

    @property
    def name(self):
        return os.path.basename(self.path)

    @property
    def kind(self):
        """c, py, sh, cmake, or None for what is not source."""
        extension = os.path.splitext(self.name)[1]
        if extension in (".c", ".h"):
            return "c"
        if extension == ".py":
            return "py"
        if extension == ".cmake" or self.name == "CMakeLists.txt":
            return "cmake"
        if extension in (".sh", "") and re.match(r"#!.*\b(ba)?sh\b", self.text):
            return "sh"
        return "sh" if extension == ".sh" else None

    @property
    def code(self):
        """The text with comments and the contents of strings blanked."""
        if self._code is None:
            self._code, self._comments = separate(self.text)
        return self._code

    @property
    def comments(self):
        """The text with everything but comments blanked."""
        if self._comments is None:
            self._code, self._comments = separate(self.text)
        return self._comments

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = [File(root, path) for path in sorted(self._walk()) if self._readable(path)]

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            folders[:] = [f for f in folders
                          if f not in SKIPPED_FOLDERS and not (here == "." and f.startswith("build"))]
            for name in names:
                yield os.path.normpath(os.path.join(here, name))

    def _readable(self, path):
        full = os.path.join(self.root, path)
        return os.path.isfile(full) and os.path.getsize(full) < 1 << 20

    def sources(self, *folders, kinds=("c",)):
        """Files of these kinds under these folders; everywhere when none is given."""
        for file in self.files:
            if file.kind in kinds and (not folders or file.path.startswith(tuple(f + "/" for f in folders))):
                yield file

    def read(self, path):
        """A file's text, or "" when it is not there."""
        return next((f.text for f in self.files if f.path == path), "")


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def separate(text):
    """(code, comments): two texts of the input's shape."""
    code, comments, end = [], [], 0
    for match in TOKEN.finditer(text):
        between, token = text[end:match.start()], match.group()
        code.append(between)
        comments.append(blank(between))
        if token[0] == "/":
            code.append(blank(token))
            comments.append(token)
        else:
            code.append(token[0] + blank(token[1:-1]) + token[-1])
            comments.append(blank(token))
        end = match.end()
    code.append(text[end:])
    comments.append(blank(text[end:]))
    return "".join(code), "".join(comments)


DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def macros(code):
    """(offset, lines) of each preprocessor directive."""
    return [(m.start(), m.group().count("\n") + 1) for m in DIRECTIVE.finditer(code)]


def functions(code):
    """(start, end) offsets of each function definition, from its first word to its last brace."""
    code = DIRECTIVE.sub(lambda m: blank(m.group()), code)
    depth, header, found, start = 0, 0, [], None
    for match in re.finditer(r"[{};]", code):
        mark, at = match.group(), match.start()
        if mark == "{":
            if depth == 0:
                head = code[header:at]
                if re.fullmatch(r'\s*extern\s+"\s*"\s*', head):
                    header = at + 1
                    continue
                start = header + len(head) - len(head.lstrip()) if is_function(head) else None
            depth += 1
        elif mark == "}":
            if depth == 1 and start is not None:
                found.append((start, at))
            depth = max(0, depth - 1)
        if depth == 0 and mark != "{":
            header = at + 1
    return found


def is_function(head):
    """Is this text before a top-level `{` a function's head, and not a type's or an initialiser's?"""
    while True:
        shorter = re.sub(r"\([^()]*\)", "@", head)
        if shorter == head:
            break
        head = shorter
    head = re.sub(r"\b(__attribute__|_Alignas|alignas)\s*@", " ", head)
    return "@" in head and "=" not in head


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">\n]+)[">]', re.MULTILINE)


def includes(file):
    """(line, "<" or '"', name) of each include."""
    for match in INCLUDE.finditer(file.text):
        yield file.line_of(match.start()), match.group(1), match.group(2)
