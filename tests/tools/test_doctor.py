#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""doctor: each of its findings in a real situation: stopped and killed processes, full rings, damaged files, and hosts
of their own in mount namespaces."""

import ctypes
import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import unittest

from doctoring import DoctorCase
from toolkit import LIMIT, TOOL, UNSHARE, can_mount, is_emulated, maps, segment

LOCK_DIRECTORY = 1 << 60
LOCK = struct.Struct("hhqqi4x")  # struct flock
SOMEBODY = 12345  # no system user


def set_directory_lock(file, kind):
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, LOCK.pack(kind, os.SEEK_SET, LOCK_DIRECTORY, 1, 0))


class Attendance(DoctorCase):
    def test_a_bus_in_use_is_well(self):
        reader = self.start("sub", "c")
        self.until_members(1)
        self.run_tool("pub", "c", input=b"line\n" * 100)
        self.assertEqual(self.kinds(), set())
        self.interrupt(reader)

    def test_stale_bus(self):
        self.run_tool("create", "c")
        row = self.finding("stale-bus", "warning")
        self.assertEqual(row["command"], f"shmbus gc -b {self.bus}")
        self.assertEqual(self.run_command(row), 0)
        self.assertFalse(os.path.exists(segment(self.bus)))

    def run_command(self, row):
        """The command it advises, as a shell runs it."""
        path = os.path.dirname(TOOL) + ":" + os.environ["PATH"]
        return subprocess.run(["sh", "-c", row["command"]], capture_output=True, timeout=LIMIT,
                              env=dict(self.env, PATH=path)).returncode

    def test_stale_bus_with_unread_messages(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 7)
        row = self.finding("stale-bus", "warning")
        self.assertIn("have 7 messages", row["meaning"])
        self.assertIn("gc --durable", row["command"])

    def test_dead_participant(self):
        reader = self.start("sub", "c")
        other = self.start("sub", "c")
        self.until_members(2)
        reader.kill()
        reader.wait()
        row = self.finding("dead-participant", "warning")
        self.assertIn(f"(pid {reader.pid})", row["what"])
        self.run_command(row)
        row = self.finding("dead-participant", "warning", "-b", self.bus, "--fix", "--yes")
        self.assertEqual(row["outcome"], "mended")
        self.assertEqual(self.kinds(), set())
        self.interrupt(other)

    def test_nobody_can_attach(self):
        self.run_tool("create", "--participants", "1", "--channels", "1")
        reader = self.start("sub", "c")
        self.until_members(1)
        self.finding("participants-full", "problem")
        self.finding("channels-full", "hint")
        self.interrupt(reader)

    def test_directory_locked(self):
        self.run_tool("create", "c")
        with open(segment(self.bus), "r+b") as file:
            set_directory_lock(file, fcntl.F_WRLCK)
            self.assertIn("kill -CONT", self.finding("directory-locked", "problem")["meaning"])
            set_directory_lock(file, fcntl.F_UNLCK)
            self.assertNotIn("directory-locked", self.kinds())


class Channels(DoctorCase):
    def abandon(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0", "--slots", "64")

    def test_abandoned_group_that_stops_publishers(self):
        self.abandon()
        writer = self.fill()
        row = self.finding("abandoned-group", "problem")
        self.assertEqual(row["command"], f"shmbus rm -b {self.bus} -c c -g g")
        row = self.finding("abandoned-group", "problem", "-b", self.bus, "--fix", "--yes", stdin=subprocess.DEVNULL)
        self.assertEqual(row["outcome"], "kept")
        row = self.finding("abandoned-group", "problem", "-b", self.bus, "--fix", input=b"y\n")
        self.assertEqual(row["outcome"], "mended")
        self.end(writer, b"")
        self.assertEqual(self.stat()["groups"], [])

    def test_abandoned_group_that_will_stop_them(self):
        self.abandon()
        self.run_tool("pub", "c", input=b"line\n" * 31)
        self.assertNotIn("abandoned-group", self.kinds())
        self.run_tool("pub", "c", input=b"line\n" * 2)
        self.assertIn("33 of 64 messages", self.finding("abandoned-group", "warning")["what"])

    def test_missed(self):
        self.run_tool("create", "c", "--overwrite", "--slots", "64")
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 1000)
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        missed = self.group("g")["missed"]
        self.assertGreater(missed, 900)
        self.assertIn(f"has missed {missed} of 1000", self.finding("missed", "hint")["what"])

    def test_figures_that_do_not_add_up(self):
        self.run_tool("sub", "c", "--group", "ledger-group", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n" * 20)
        self.run_tool("sub", "c", "--group", "ledger-group", "--durable", "--count", "5")
        self.assertNotIn("ledger", self.kinds())
        with open(segment(self.bus), "rb") as file:
            group = file.read().index(b"ledger-group\0") - 64  # shm_group.name
        for totals in (128, 168):
            self.patch(group + totals, struct.pack("<Q", 6))
        row = self.finding("ledger", "problem")
        self.assertIn("20 published", row["what"])
        self.assertIn("messages 6 + aborted 0 + missed 0 + lag 15 = 21", row["what"])

    def test_memory_that_belongs_to_nobody(self):
        self.run_tool("create", "c", "--arena", "4M")
        self.run_tool("rm", "-c", "c")
        self.assertNotIn("leaked-memory", self.kinds())
        self.patch(os.stat(segment(self.bus)).st_size - (2 << 20), b"x" * (2 << 20))
        self.assertIn("2.0 MiB", self.finding("leaked-memory", "warning")["what"].replace("2 MiB", "2.0 MiB"))


class Files(DoctorCase):
    def test_other_layout(self):
        self.run_tool("create")
        self.patch(8, struct.pack("<Q", 0x1234567890ABCDEF))
        row = self.finding("layout", "problem")
        self.assertIn("1234567890abcdef", row["what"])
        self.assertEqual(row["command"], f"shmbus rm -b {self.bus}")

    def test_no_bus_at_all(self):
        with open(segment(self.bus), "wb") as file:
            file.write(b"this is no bus" * 1000)
        self.finding("damaged", "problem")

    def test_truncated_while_it_is_looked_at(self):
        self.run_tool("create", "c")
        doctor = self.start("doctor", "--json")
        self.until(lambda: doctor.poll() is not None or self.bus in maps(doctor.pid), "it has the file open")
        os.truncate(segment(self.bus), 8192)
        output, errors = doctor.communicate(timeout=LIMIT)
        self.assertEqual(doctor.returncode, 1, errors)
        rows = [row for row in json.loads(output)["findings"] if row["bus"] == self.bus]
        self.assertLessEqual({row["kind"] for row in rows}, {"damaged", "stale-bus"})
        self.finding("damaged", "problem")

    def test_writable_by_everybody(self):
        self.run_tool("create", "--mode", "666")
        row = self.finding("world-writable", "warning")
        subprocess.run(["sh", "-c", row["command"]], check=True)
        self.assertEqual(os.stat(segment(self.bus)).st_mode & 0o777, 0o664)
        self.assertNotIn("world-writable", self.kinds())

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away")
    def test_another_users(self):
        self.run_tool("create")
        os.chown(segment(self.bus), SOMEBODY, SOMEBODY)
        self.assertIn(str(SOMEBODY), self.finding("other-user", "hint")["what"])

    def test_a_copy(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0", "--slots", "64")
        self.run_tool("pub", "c", input=b"line\n" * 60)
        copy = self.scratch(b"")
        shutil.copyfile(segment(self.bus), copy)
        rows = json.loads(self.run_tool("doctor", "--file", copy, "--json", code=1).stdout)["findings"]
        self.assertEqual({row["kind"] for row in rows if row["bus"]}, {"abandoned-group"})
        self.assert_fails("doctor", "--file", copy, "--fix", code=2, says="not a copy")


class Fixing(DoctorCase):
    def fix(self, *arguments, answer=b"", code=0):
        return self.run_tool("doctor", "-b", self.bus, "--fix", *arguments, input=answer, code=code)

    def test_it_asks(self):
        self.run_tool("create")
        self.assertIn(b"remove the bus? [y/N]", self.fix(answer=b"n\n", code=1).stderr)
        self.fix(answer=b"", code=1)
        self.assertTrue(os.path.exists(segment(self.bus)))
        self.assertIn(b"mended", self.fix(answer=b"y\n").stdout)
        self.assertFalse(os.path.exists(segment(self.bus)))

    def test_yes_does_not_throw_messages_away(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        self.run_tool("pub", "c", input=b"line\n")
        self.fix("--yes", code=1)
        self.assertEqual(self.group("g")["lag"], 1)

    def test_without_fix_nothing_changes(self):
        self.run_tool("sub", "c", "--group", "g", "--durable", "--timeout", "0")
        reader = self.start("sub", "c")
        self.until_members(1)
        reader.kill()
        reader.wait()
        with open(segment(self.bus), "rb") as file:
            before = file.read()
            self.run_tool("doctor", self.bus, code=1)
            file.seek(0)
            self.assertEqual(file.read(), before)

    def test_usage(self):
        self.assert_fails("doctor", "--yes", code=2, says="--yes needs --fix")
        self.assert_fails("doctor", "no-such-bus", code=1, says="no-such-bus")

    def test_hostile_names_are_harmless(self):
        self.run_tool("sub", "c", "--group", "gggggggggggg", "--durable", "--timeout", "0", "--slots", "64")
        self.run_tool("pub", "c", input=b"line\n" * 60)
        with open(segment(self.bus), "rb") as file:
            name = file.read().index(b"gggggggggggg\0")
        self.patch(name, b"\x1b[31m'; rm x")
        leader, follower = pty.openpty()
        result = subprocess.run([TOOL, "doctor", self.bus], stdout=follower, env=self.env, timeout=LIMIT)
        os.close(follower)
        text = os.read(leader, 65536)
        os.close(leader)
        self.assertEqual(result.returncode, 1)
        self.assertNotIn(b"\x1b", text)
        row = self.finding("abandoned-group", "warning")
        words = subprocess.run(["sh", "-c", row["command"].replace("shmbus", "printf '%s\\n'", 1)],
                               capture_output=True, check=True).stdout
        self.assertEqual(words.split(b"\n")[6], "\ufffd[31m'; rm x".encode())


@unittest.skipUnless(can_mount(), "needs mounts of its own")
class Host(DoctorCase):
    """The command on a host whose /dev/shm, /sys, /run and /etc are made for it."""

    def on_host(self, script):
        """The findings after the shell commands of `script`."""
        command = [*UNSHARE, "sh", "-ec", f'{script}\nexec "$TOOL" doctor --json']
        result = subprocess.run(command, capture_output=True, timeout=LIMIT, env=dict(self.env, TOOL=TOOL))
        self.assertIn(result.returncode, (0, 1), result.stderr)
        findings = json.loads(result.stdout)["findings"]
        self.assertEqual(result.returncode, int(any(row["severity"] != "hint" for row in findings)))
        return {row["kind"]: row for row in findings}

    SHM = "mount -t tmpfs -o size={size},mode={mode} none /dev/shm\n"

    def test_small_and_full(self):
        found = self.on_host(self.SHM.format(size="8m", mode=1777))
        self.assertEqual(found["shm-small"]["command"], "mount -o remount,size=16M /dev/shm")
        self.assertNotIn("shm-full", found)
        found = self.on_host(self.SHM.format(size="8m", mode=1777) + "head -c 7700000 /dev/zero > /dev/shm/file")
        self.assertEqual(found["shm-full"]["severity"], "problem")
        self.assertRegex(found["shm-full"]["what"], r"full to 9[0-9] %: \d+ KiB of 8 MiB are left")
        self.assertNotIn("shm-small", self.on_host(self.SHM.format(size="100m", mode=1777)))

    def test_not_sticky(self):
        found = self.on_host(self.SHM.format(size="100m", mode="0777"))
        self.assertEqual(found["shm-not-sticky"]["severity"], "problem")
        self.assertNotIn("shm-not-sticky", self.on_host(self.SHM.format(size="100m", mode=1777)))

    LOGIND = SHM.format(size="100m", mode=1777) + (
        "mount -t tmpfs none /run; mkdir -p /run/systemd/sessions /run/systemd/logind.conf.d\n"
        "for at in /etc/systemd /usr/lib/systemd; do if [ -d $at ]; then mount -t tmpfs none $at; fi; done\n"
        '"$TOOL" create > /dev/null; chown {uid} /dev/shm/shmbus."$SHMBUS_BUS"\n')

    def test_logind(self):
        yes = self.LOGIND.format(uid=SOMEBODY)
        self.assertEqual(self.on_host(yes)["remove-ipc"]["severity"], "warning")
        self.assertNotIn("remove-ipc", self.on_host(self.LOGIND.format(uid=999)))
        self.assertNotIn("remove-ipc", self.on_host(yes + "rmdir /run/systemd/sessions\n"))
        drop_in = "printf '[Login]\\n#RemoveIPC=yes\\nRemoveIPC=%s\\n' {value} > /run/systemd/logind.conf.d/{name}.conf\n"
        self.assertNotIn("remove-ipc", self.on_host(yes + drop_in.format(value="no", name="10-a")))
        both = [drop_in.format(value="no", name="10-a"), drop_in.format(value="yes", name="20-b")]
        for order in (both, both[::-1]):
            self.assertIn("remove-ipc", self.on_host(yes + "".join(order)))

    SYS = "mount -t tmpfs none /sys; mkdir -p /sys/devices/system/cpu/cpu0/cpufreq /sys/kernel/mm/transparent_hugepage\n"

    def test_governor(self):
        governor = "echo {} > /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor\n"
        self.assertIn("powersave", self.on_host(self.SYS + governor.format("powersave"))["cpu-governor"]["what"])
        self.assertNotIn("cpu-governor", self.on_host(self.SYS + governor.format("performance")))

    def test_huge_pages(self):
        setting = ("echo 'always within_size advise [never] deny force' > "
                   "/sys/kernel/mm/transparent_hugepage/shmem_enabled\n")
        shm = self.SYS + setting + self.SHM.format(size="300m", mode=1777)
        large = '"$TOOL" create c --arena 128M > /dev/null\n'
        self.assertIn("remount,huge=", self.on_host(shm + large)["huge-pages"]["command"])
        self.assertNotIn("huge-pages", self.on_host(shm))


@unittest.skipIf(is_emulated(), "the emulator's own calls would be forbidden")
class Kernel(DoctorCase):
    CALLS = {"membarrier": "no-membarrier", "futex_waitv": "no-futex-waitv", "io_uring_setup": "no-uring-futex"}

    def setUp(self):
        super().setUp()
        try:
            self.seccomp = ctypes.CDLL("libseccomp.so.2")
        except OSError:
            self.skipTest("needs libseccomp")
        self.seccomp.seccomp_init.restype = ctypes.c_void_p

    def forbid(self, *calls):
        """For preexec_fn: those calls give EPERM from then on."""
        library = self.seccomp

        def act():
            rules = ctypes.c_void_p(library.seccomp_init(0x7FFF0000))  # SCMP_ACT_ALLOW
            for call in calls:
                number = 449 if call == "futex_waitv" else library.seccomp_syscall_resolve_name(call.encode())
                if library.seccomp_rule_add(rules, 0x00050001, number, 0) != 0:  # SCMP_ACT_ERRNO(EPERM)
                    os._exit(99)
            if library.seccomp_load(rules) != 0:
                os._exit(99)
        return act

    def test_what_is_forbidden(self):
        self.run_tool("create")
        allowed = {row["kind"] for row in self.examine()}
        found = {row["kind"]: row["severity"] for row in self.examine(preexec_fn=self.forbid(*self.CALLS))}
        for call, kind in self.CALLS.items():
            self.assertEqual(found.get(kind), "hint", call)
        for kind in set(self.CALLS.values()) - allowed:
            only = {row["kind"] for row in self.examine(preexec_fn=self.forbid(*[
                call for call in self.CALLS if self.CALLS[call] != kind]))}
            self.assertNotIn(kind, only)

    def test_participant_without_membarrier(self):
        process = subprocess.Popen([TOOL, "sub", "c"], env=self.env, stdout=subprocess.DEVNULL,
                                   preexec_fn=self.forbid("membarrier"))
        self.started.append(process)
        self.until_members(1)
        self.assertEqual(self.finding("timed", "hint")["pid"], process.pid)
        self.interrupt(process)


if __name__ == "__main__":
    unittest.main()
