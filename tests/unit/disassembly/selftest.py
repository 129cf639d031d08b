#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""selftest.py OBJDUMP LIBRARY: shows that disassembly.py can fail, on functions planted in a library."""

import sys
import unittest

from disassembly import FORBIDDEN, disassemble, forbidden, violations

OBJDUMP, LIBRARY = sys.argv[1:3]

# planted function -> words of what must be found in it
PLANTED = {
    "exchanges": "locked instruction|exclusive access|atomic read-modify-write|call to __aarch64_swp",
    "adds": "locked instruction|exclusive access|atomic read-modify-write|__aarch64_ldadd",
    "compares": "locked instruction|exclusive access|atomic read-modify-write|__aarch64_cas",
    "fences": "fence|locked instruction",
    "enters_the_kernel": "system call",
    "calls_a_stranger": "call to stranger",
    "jumps_to_a_stranger": "to stranger",
    "calls_a_pointer": "through a register",
    "jumps_to_a_pointer": "through a register",
    "is_all_slow": "no way to return without a call",
    "is_not_there": "not in the library",
}

INSTRUCTIONS = {
    "x86-64": {
        True: ["lock xadd %rax,(%rdx)", "lock orq $0x0,(%rsp)", "xchg %rax,(%rdx)", "mfence", "lfence", "syscall",
               "xchg %eax,0x8(%rdi,%rcx,4)", "int $0x80"],
        False: ["xchg %ax,%ax", "mov %rax,(%rdx)", "movups %xmm0,-0x8(%rcx,%rax,1)", "prefetchw 0x40(%rax)",
                "call 3460 <block_until>", "pause"],
    },
    "aarch64": {
        True: ["dmb ish", "dmb sy", "dmb ishld", "dmb ishst", "dsb sy", "isb", "ldaxr x0, [x1]", "ldxr w0, [x1]", "stlxr w2, x0, [x1]",
               "ldaxp x0, x1, [x2]", "stxrb w0, w1, [x2]", "casal x0, x1, [x2]", "cas w0, w1, [x2]",
               "swpal x0, x1, [x2]", "ldaddal x0, x1, [x2]", "stadd x0, [x1]", "ldset x0, x1, [x2]", "svc #0x0"],
        False: ["yield", "ldar x0, [x1]", "stlr x0, [x1]", "ldapr x0, [x1]", "ldp x0, x1, [sp]",
                "str x0, [x1]", "stp x29, x30, [sp, #-16]!", "stlrb w0, [x1]", "ldrb w0, [x1]"],
    },
}


class Planted(unittest.TestCase):
    def test_what_is_planted_is_found(self):
        for name, words in PLANTED.items():
            with self.subTest(function=name):
                found = list(violations(OBJDUMP, LIBRARY, {name: {"slow"}}))
                self.assertTrue(found)
                self.assertRegex("\n".join(found), words)

    def test_the_clean_one_passes(self):
        self.assertEqual(list(violations(OBJDUMP, LIBRARY, {"clean": {"slow"}})), [])

    def test_the_slow_path_must_be_on_the_list(self):
        self.assertRegex("\n".join(violations(OBJDUMP, LIBRARY, {"clean": set()})), "to slow")

    def test_the_library_is_not_empty(self):
        self.assertGreater(len(disassemble(OBJDUMP, LIBRARY)[0]), len(PLANTED))


class Instructions(unittest.TestCase):
    def test_of_both_architectures(self):
        for arch in FORBIDDEN:
            for is_forbidden, instructions in INSTRUCTIONS[arch].items():
                for instruction in instructions:
                    with self.subTest(arch=arch, instruction=instruction):
                        self.assertEqual(bool(list(forbidden(arch, [(0, instruction)]))), is_forbidden)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
