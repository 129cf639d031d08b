# SPDX-License-Identifier: Apache-2.0
"""What the tests of doctor share: its findings, and ways to bring them about."""

import json
import subprocess

from toolkit import LIMIT, TOOL, ToolCase, segment


class DoctorCase(ToolCase):
    def examine(self, *arguments, code=None, **options):
        """The findings about the bus."""
        command = [TOOL, "doctor", *(arguments or ["-b", self.bus]), "--json"]
        result = subprocess.run(command, capture_output=True, timeout=LIMIT, env=self.env, **options)
        findings = json.loads(result.stdout)["findings"]
        bad = any(row["severity"] != "hint" and row["outcome"] != "mended" for row in findings)
        self.assertEqual(result.returncode, int(bad) if code is None else code, result.stderr)
        return [row for row in findings if row["bus"] in (self.bus, None)]

    def kinds(self):
        return {row["kind"] for row in self.examine() if row["bus"]}

    def finding(self, kind, severity, *arguments, **options):
        """The only finding of this kind, whose severity is the one given."""
        rows = [row for row in self.examine(*arguments, **options) if row["kind"] == kind]
        self.assertEqual([row["severity"] for row in rows], [severity], kind)
        return rows[0]

    def finding_until(self, kind, severity):
        """The same, when it is not there at once: the doctor is asked again."""
        return self.until(lambda: next((row for row in self.examine()
                                        if (row["kind"], row["severity"]) == (kind, severity)), None), kind)

    def patch(self, offset, data):
        with open(segment(self.bus), "r+b") as file:
            file.seek(offset)
            file.write(data)

    def fill(self, slots=64):
        """Publishes until the ring is full, and leaves a publisher waiting."""
        writer = self.start("pub", "c", "--slots", str(slots))
        writer.stdin.write(b"line\n" * (slots + 10))
        self.until(lambda: self.group() and self.group()["lag"] == slots and
                   self.stat()["channels"][0]["publishers_asleep"], "publisher waits for room")
        return writer
