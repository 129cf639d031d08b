#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""disassembly.py OBJDUMP LIBRARY: the fast paths have no locked instruction, no full fence, no system call.

Looks at every instruction of each function below, whatever path it is on, and of its `.cold` part. Every call
and every jump out of the function must go to a function on its list: those are the slow path, which begins
where the usual case ends (a thread's first call, a full ring, an empty one, a reader that sleeps). And a way
from the entry to a return without any call must exist: the fast path itself.
"""

import re
import subprocess
import sys

# function -> where its slow path goes
FAST_PATHS = {
    "shmbus_send": {"send_slow", "send_entered", "notify_and_leave"},
    "shmbus_recv": {"recv_slow"},
    "shmbus_peek": {"peek_slow"},
    "shmbus_next": {"peek_slow", "next_entered"},
    "shmbus_release": {"release_slow"},
}

FORBIDDEN = {
    "x86-64": [
        ("locked instruction", r"\block\b"),
        ("locked instruction", r"\bxchg\w*\s+.*\("),
        ("fence", r"\b[ml]fence\b|\bsfence\b"),
        ("serialising instruction", r"\bcpuid\b|\bserialize\b"),
        ("system call", r"\b(?:syscall|sysenter|int)\b"),
    ],
    "aarch64": [
        ("fence", r"\bd[ms]b\b"),
        ("serialising instruction", r"\bisb\b|\bsb\b"),
        ("exclusive access", r"\b(?:ld|st)a?l?xp?r?[bh]?\s+.*\["),
        ("atomic read-modify-write", r"\b(?:cas|swp|(?:ld|st)(?:add|clr|eor|set|[su]max|[su]min))[alpbh]*\s+.*\["),
        ("system call", r"\bsvc\b"),
    ],
}

CALL = {"x86-64": re.compile(r"\bcallq?\b\s+(?P<to>.*)"), "aarch64": re.compile(r"\b(?:bl|blr\w*)\s+(?P<to>.*)")}
JUMP = {
    "x86-64": re.compile(r"^(?:(?:bnd|notrack|data16|addr32|cs|ds|\w+,p[nt])\s+)*(?P<op>j\w+)\s+(?P<to>.*)"),
    "aarch64": re.compile(r"^(?P<op>b(?:\.\w+|r\w*)?|cbn?z|tbn?z)\s+(?P<to>.*)"),
}
RETURN = re.compile(r"^(?:rep[zn]*\s+|bnd\s+)?(?:ret|retq|retaa|retab)\b")
ALWAYS = {"jmp", "jmpq", "b"}

SYMBOL = re.compile(r"<(?P<name>[^>+@]+)(?:@[^>+]*)?(?:\+0x(?P<offset>[0-9a-f]+))?>")


def disassemble(objdump, library):
    """{symbol: [(address, instruction)]} and the architecture."""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", library], check=True, capture_output=True,
                          text=True).stdout
    arch = "aarch64" if re.search(r"file format.*aarch64", text) else "x86-64"
    functions, body = {}, None
    for line in text.split("\n"):
        head = re.match(r"^[0-9a-f]+ <([^>]+)>:", line)
        if head:
            body = functions.setdefault(head.group(1), [])
            continue
        instruction = re.match(r"^\s*([0-9a-f]+):\s+(.*\S)", line)
        if instruction and body is not None:
            body.append((int(instruction.group(1), 16), re.sub(r"\s+", " ", instruction.group(2))))
    return functions, arch


def target(operand):
    """Name of the function that a call or jump goes to; None where a register says it."""
    symbol = SYMBOL.search(operand)
    return symbol.group("name") if symbol else None


def forbidden(arch, body):
    for address, instruction in body:
        for what, pattern in FORBIDDEN[arch]:
            if re.search(pattern, instruction):
                yield f"{what} at {address:x}: {instruction}"


def strangers(arch, name, body, allowed):
    """Calls, and jumps out of the function, to what is not on the list."""
    inside = {name, name + ".cold"}
    for address, instruction in body:
        call, jump = CALL[arch].search(instruction), JUMP[arch].search(instruction)
        leaving = call or jump
        if not leaving:
            continue
        to = target(leaving.group("to"))
        if to is None:
            yield f"{'call' if call else 'jump'} through a register at {address:x}: {instruction}"
        elif (call or to not in inside) and to not in allowed:
            yield f"{'call' if call else 'jump'} to {to} at {address:x}: {instruction}"


def returns_without_call(arch, name, body):
    """Is there a way from the entry to a return that calls nothing?"""
    at = {address: index for index, (address, _) in enumerate(body)}
    pending, seen = [0], set()
    while pending:
        index = pending.pop()
        if index in seen or index >= len(body):
            continue
        seen.add(index)
        instruction = body[index][1]
        if RETURN.search(instruction):
            return True
        if CALL[arch].search(instruction):
            continue
        jump = JUMP[arch].search(instruction)
        if not jump or jump.group("op") not in ALWAYS:
            pending.append(index + 1)
        if jump and target(jump.group("to")) == name:
            offset = SYMBOL.search(jump.group("to")).group("offset")
            pending.append(at.get(body[0][0] + int(offset or "0", 16), len(body)))
    return False


def violations(objdump, library, fast_paths):
    functions, arch = disassemble(objdump, library)
    for name, slow in fast_paths.items():
        body = functions.get(name)
        if not body:
            yield f"{name}: not in the library"
            continue
        whole = body + functions.get(name + ".cold", [])
        for violation in (*forbidden(arch, whole), *strangers(arch, name, whole, slow)):
            yield f"{name}: {violation}"
        if not returns_without_call(arch, name, body):
            yield f"{name}: no way to return without a call: the fast path is not in it"


def main():
    objdump, library = sys.argv[1:]
    found = list(violations(objdump, library, FAST_PATHS))
    for violation in found:
        print(violation)
    if not found:
        functions, _ = disassemble(objdump, library)
        for name in FAST_PATHS:
            print(f"{name}: {len(functions[name])} instructions, none locked, no fence, no call but the slow path")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
