#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Groups: everyone sees everything, members share, late readers, durable groups, missed messages."""

import re
import unittest

from toolkit import ToolCase, pipe_holds, pipe_size


def numbered(count, first=0):
    return b"".join(b"message %d\n" % i for i in range(first, first + count))


class Groups(ToolCase):
    def read(self, file):
        file.seek(0)
        return file.read()

    def test_every_group_gets_everything_in_order(self):
        data = numbered(20000)
        outputs = [self.output_file() for _ in range(3)]
        names = [["--group", "one"], ["--group", "two"], []]
        readers = [self.start("sub", "c", "--count", "20000", *name, stdout=output)
                   for name, output in zip(names, outputs)]
        self.run_tool("pub", "c", "--wait-groups", "3", input=data)
        for reader, output in zip(readers, outputs):
            self.end(reader)
            self.assertEqual(self.read(output), data)

    def test_many_publishers(self):
        """Each publisher's messages stay in its order."""
        output = self.output_file()
        reader = self.start("sub", "c", "--count", "15000", stdout=output)
        self.until_members(1)
        writers = [self.start("pub", "c", stdin=self.input_file(
            b"".join(b"%d %d\n" % (who, i) for i in range(5000)))) for who in range(3)]
        for writer in writers:
            self.end(writer)
        self.end(reader)
        seen = [[], [], []]
        for line in self.read(output).splitlines():
            who, number = line.split()
            seen[int(who)].append(int(number))
        self.assertEqual(seen, [list(range(5000))] * 3)

    def test_workers_share_exactly_once(self):
        count = 20000
        outputs = [self.output_file() for _ in range(3)]
        worker = ["sub", "c", "--group", "workers", "--shared"]
        workers = [self.start(*worker, stdout=output) for output in outputs]
        self.until_members(3)
        self.assertEqual([group["name"] for group in self.stat()["groups"]], ["workers"])
        self.run_tool("pub", "c", input=numbered(count))
        self.until(lambda: self.group()["lag"] == 0, "nothing left to do")
        for worker in workers:
            self.interrupt(worker)
        lines = [line for output in outputs for line in self.read(output).splitlines()]
        self.assertEqual(sorted(lines), sorted(numbered(count).splitlines()))

    def test_a_killed_workers_message_goes_to_another(self):
        """What it had taken and not written is not lost; at most one message is written twice."""
        worker = ["sub", "c", "--group", "workers", "--shared", "--durable"]
        victim = self.start(*worker)
        self.until_members(1)
        lines = [(b"%05d" % i).ljust(1023, b"x") for i in range(500)]
        writer = self.start("pub", "c", stdin=self.input_file(b"\n".join(lines)))
        # Nobody reads its pipe: it is stuck in the first message that does not fit.
        self.until(lambda: pipe_holds(victim.stdout) == pipe_size(victim.stdout), "a full pipe")
        victim.kill()
        victim.wait()
        written = victim.stdout.read()
        left = written[:written.rfind(b"\n") + 1].splitlines()
        output = self.output_file()
        heir = self.start(*worker, stdout=output)
        self.end(writer)
        self.until(lambda: self.group()["lag"] == 0, "nothing left to do")
        self.interrupt(heir)
        rest = self.read(output).splitlines()
        self.assertEqual(sorted(set(left + rest)), lines)
        self.assertLessEqual(len(left) + len(rest), len(lines) + 1)

    # --------------------------------------------------------------------------------- late and gone

    def test_from_oldest(self):
        self.run_tool("pub", "c", input=numbered(100))
        counted = self.run_tool("sub", "c", "--from", "oldest", "--count", "100")
        self.assertEqual(counted.stdout, numbered(100))
        self.assertEqual(self.drain(), numbered(100))

    def test_from_now(self):
        self.run_tool("pub", "c", input=b"old\n")
        reader = self.start("sub", "c", "--count", "1")
        self.run_tool("pub", "c", "--wait-groups", "1", input=b"new\n")
        self.assertEqual(self.end(reader)[0], b"new\n")

    def test_durable_group_goes_on_where_it_was(self):
        durable = ["sub", "c", "--group", "d", "--durable"]
        self.run_tool(*durable, "--timeout", "0")
        self.run_tool("pub", "c", input=numbered(5))
        self.assertEqual(self.run_tool(*durable, "--count", "2").stdout, numbered(2))
        group = self.group("d")
        self.assertEqual((group["members"], group["durable"], group["lag"]), (0, True, 3))
        self.run_tool("pub", "c", input=numbered(3, 5))
        self.assertEqual(self.run_tool(*durable, "--timeout", "0").stdout, numbered(6, 2))
        self.assertEqual(self.group("d")["lag"], 0)

    def test_own_group_vanishes(self):
        self.run_tool("sub", "c", "--group", "g", "--timeout", "0")
        self.assertEqual(self.stat()["groups"], [])
        self.assert_quiet()

    def test_missed_is_exact(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "16")
        durable = ["sub", "c", "--group", "d", "--durable", "--timeout", "0"]
        self.run_tool(*durable)
        self.run_tool("pub", "c", input=numbered(1000))
        result = self.run_tool(*durable)
        received = result.stdout.splitlines()
        self.assertTrue(0 < len(received) <= 16)
        self.assertEqual(received, numbered(1000).splitlines()[-len(received):])
        missed = int(re.search(rb"missed (\d+) messages", result.stderr)[1])
        self.assertEqual(missed + len(received), 1000)
        self.assertEqual(self.group("d")["missed"], missed)

    def test_nothing_missed_nothing_said(self):
        self.run_tool("create", "c", "--overwrite")
        self.run_tool("pub", "c", input=numbered(3))
        self.assertEqual(self.run_tool("sub", "c", "--from", "oldest", "--count", "3").stderr, b"")

    # --------------------------------------------------------------------------------------- endings

    def test_timeout(self):
        self.assertEqual(self.run_tool("sub", "c", "--timeout", "0.01").stdout, b"")
        self.run_tool("pub", "c", input=b"1\n2\n")
        result = self.assert_fails("sub", "c", "--from", "oldest", "--timeout", "0.01", "--count", "3",
                                   code=1, says="2 of 3 messages came")
        self.assertEqual(result.stdout, b"1\n2\n")

    def test_wait_for_a_channel(self):
        reader = self.start("sub", "c", "--wait", "--count", "1")
        other = self.start("sub", "c", "--wait", "--count", "1", "--slots", "64")
        self.run_tool("create", "elsewhere")
        self.run_tool("create", "c", "--slots", "128")
        self.assertRegex(self.end(other, code=1)[1], rb"slots")
        self.run_tool("pub", "c", "--wait-groups", "1", input=b"here\n")
        self.assertEqual(self.end(reader)[0], b"here\n")

    def test_every_group_balances(self):
        """On a quiet bus: published - joined = messages + aborted + missed + lag."""
        self.run_tool("create", "c", "--overwrite", "--slots", "64")
        self.run_tool("pub", "c", input=numbered(10))
        for name, start in (("all", "oldest"), ("some", "now")):
            self.run_tool("sub", "c", "--group", name, "--durable", "--from", start, "--timeout", "0")
        self.run_tool("pub", "c", input=numbered(300))
        self.run_tool("sub", "c", "--group", "all", "--durable", "--count", "5")
        self.run_tool("pub", "c", input=numbered(7))
        stat = self.stat()
        (channel,) = stat["channels"]
        self.assertEqual({group["name"] for group in stat["groups"]}, {"all", "some"})
        self.assertEqual(channel["published"], 317)
        for group in stat["groups"]:
            parts = [group[key] for key in ("messages", "aborted", "missed", "lag")]
            self.assertEqual(channel["published"] - group["joined"], sum(parts), group)


if __name__ == "__main__":
    unittest.main()
