#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What exec does when its workers end, and when it is to end itself: nothing is lost, nothing is left behind."""

import os
import re
import signal
import unittest

from working import (FIRST_TIME, LINES, PYTHON, QUICK, ExecCase, answers_to, children_of, descriptors_of,
                     lines, workers_of)


class Crashes(ExecCase):
    def test_each_message_is_given_again_once_per_crash(self):
        folder = self.scratch_folder()
        self.publish(lines(20), "in")
        errors = self.run_exec("-n", "20", "-v", *QUICK, "--", *FIRST_TIME, folder)
        self.assertEqual(self.sent_to(), lines(20))
        self.assertIn("started workers again 20 times", errors)
        self.assertRegex(errors, r"worker 1 \(pid \d+\) was killed by signal 9 \(Killed\); \d+ messages are given")
        self.assertNotIn("passed over 1", errors)

    def test_half_an_answer_is_dropped(self):
        self.publish([b"a", b"half", b"b"], "in")
        errors = self.run_exec("-n", "3", "-a", "2", *QUICK, "--", *LINES)
        self.assertEqual(self.sent_to(), [b"re a", b"re b"])
        self.assertIn("the 11 bytes of a frame it did not finish are dropped", errors)
        self.assertIn("dropped 22 bytes", errors)

    def test_poison_is_passed_over(self):
        self.publish([*lines(5), b"die", *lines(5, 5)], "in")
        for workers in ("1", "3"):
            out, dead = f"out{workers}", f"dead{workers}"
            errors = self.run_exec("-n", "11", "-W", workers, "-a", "4", "--dead-letter", dead, "-v", *QUICK, "--",
                                   *LINES, to=out)
            self.assertEqual(sorted(self.sent_to(out)), answers_to(lines(10)))
            self.assertEqual(self.sent_to(dead), [b"die"])
            self.assertRegex(errors, r'message 5 \(3 bytes\) of channel "in" is passed over: .* ended with it 4 times')
            self.assertIn("started workers again 4 times", errors)
            self.assertIn("passed over 1 messages", errors)

    def test_nobody_ends_while_a_message_is_between_two(self):
        self.publish([b"die", *lines(5), b"die"], "in")
        self.run_exec("-t", "0", "-W", "2", *QUICK, "--dead-letter", "dead", "--", *LINES)
        self.assertEqual(sorted(self.sent_to()), answers_to(lines(5)))
        self.assertEqual(self.sent_to("dead"), [b"die"] * 2)

    def test_innocent_messages_are_not_passed_over(self):
        """Whoever reads ahead dies with many messages; one of them is to blame."""
        self.publish([*lines(100), b"die", *lines(100, 100), b"fail", *lines(10, 200)], "in")
        errors = self.run_exec("-n", "212", "--dead-letter", "dead", *QUICK, "--", *LINES)
        self.assertEqual(self.sent_to(), answers_to(lines(210)))
        self.assertEqual(self.sent_to("dead"), [b"die", b"fail"])
        self.assertEqual(errors.count("was killed by signal 9"), 3)
        self.assertEqual(errors.count("ended with status 3"), 3)

    def test_one_of_a_pool_is_killed(self):
        process = self.start_exec("-W", "3", *QUICK, "-n", "1200", "-v", "--", *LINES)
        for part in range(3):
            workers = self.until(lambda: workers_of(process, 3), "three workers")
            os.kill(workers[part], signal.SIGSTOP)  # so that it has a message when it dies
            self.publish(lines(400, part * 400), "in")
            self.until_answered(part * 400 + 399)
            os.kill(workers[part], signal.SIGKILL)
        _, errors = self.end(process)
        self.assertEqual(sorted(self.sent_to()), sorted(answers_to(lines(1200))))
        self.assertIn(b"gave 3 messages again; passed over 0; started workers again 3 times", errors)

    def test_killed_in_the_middle_of_a_message(self):
        """It is given again as a whole."""
        marker = os.path.join(self.scratch_folder(), "marker")
        script = PYTHON + ["""
import os, struct, sys
source = sys.stdin.buffer
if not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    os.read(0, 70000)
    os.kill(os.getpid(), 9)
while head := source.read(4):
    os.write(1, head + source.read(*struct.unpack("<I", head)))
""", marker]
        messages = [os.urandom(1000), os.urandom(100000), os.urandom(10)]
        self.publish(messages, "in")
        self.run_exec("-f", "length", "-n", "3", *QUICK, "--", *script)
        self.assertEqual(self.sent_to(), messages)

    def test_without_answers_what_was_not_read_is_given_again(self):
        """The shell reads a line and no byte more."""
        self.publish(lines(20), "in")
        self.run_exec("-A", "-n", "20", *QUICK, "--", "sh", "-c", 'read line; echo "$line"; kill -9 $$')
        self.assertEqual(self.sent_to(), lines(20))

    def test_a_table_that_is_full(self):
        """A worker keeps its place, and its messages, where there is no entry for another member."""
        self.run_tool("create", "in", "--members", "2")
        self.publish([*lines(5), b"die"], "in")
        self.run_exec("-W", "2", "-n", "6", "-a", "2", *QUICK, "--", *LINES)
        self.assertEqual(sorted(self.sent_to()), answers_to(lines(5)))
        errors = self.run_tool("exec", "--in", "in", "-W", "3", "--", "cat", code=1).stderr
        self.assertRegex(errors, rb'cannot join group "exec.cat" of channel "in"')

    def test_messages_of_the_dead_are_marked(self):
        """Other members of the group see from the bus that they were given before."""
        self.publish([b"die"], "in")
        process = self.start("exec", "--in", "in", "--out", "out", "--from", "oldest", "-S", "-g", "g", "-d",
                             "--restart", "never", "--", *LINES)
        self.end(process, code=137)
        result = self.run_tool("sub", "in", "-g", "g", "-S", "-d", "-t", "0", "-v")
        self.assertEqual(result.stdout, b"die\n")
        self.assertIn(b"1 redelivered", result.stderr)

    def test_killed_itself_it_loses_nothing(self):
        self.publish(lines(10), "in")
        group = ["-g", "g", "-d", "--from", "oldest", "-W", "2"]
        script = PYTHON + ["import sys\nfor line in sys.stdin: pass"]
        process = self.start("exec", "--in", "in", "--out", "out", *group, "--", *script)
        workers = self.until(lambda: workers_of(process, 2), "two workers")
        process.kill()
        process.wait()
        for worker in workers:
            self.until_gone(worker)
        self.run_tool("exec", "--in", "in", "--out", "out", *group, "-n", "10", "--", "cat")
        self.assertEqual(sorted(self.sent_to()), lines(10))

    def test_a_worker_that_ignores_the_end_of_its_input_ends_with_us(self):
        process = self.start_exec("--", "tail", "-f", "/dev/null")
        (worker,) = self.until(lambda: workers_of(process, 1), "a worker")
        process.kill()
        process.wait()
        self.until_gone(worker)

    def test_nothing_is_left_of_those_that_ended(self):
        process = self.start_exec("--restart", "always", *QUICK, "-W", "2", "--err", "err", "--", "sh", "-c",
                                  'read line && echo "$line" && echo "$line" >&2')
        self.publish(lines(10), "in")
        self.until_answered(10)
        before = len(descriptors_of(process.pid))
        self.publish(lines(200), "in")
        self.until_answered(210)
        # One of them may just be ending, or begin.
        self.assertLess(len(descriptors_of(process.pid)), before + 12)
        self.assertLessEqual(len(children_of(process.pid)), 2)
        self.interrupt(process, code=0)
        self.assertEqual(sorted(self.sent_to()), sorted(lines(10) + lines(200)))
        self.assert_quiet()


class Restarts(ExecCase):
    def run_once(self, *arguments, code):
        self.publish([b"fail"], "in")
        return self.run_exec("-a", "0", *arguments, "--", *LINES, code=code)

    def test_never(self):
        errors = self.run_once("--restart", "never", code=3)
        self.assertRegex(errors, r"worker 1 \(pid \d+\) ended with status 3; 1 messages were not given back\n\Z")

    def test_on_failure_so_many_times(self):
        errors = self.run_once("--restarts", "4", *QUICK, code=3)
        self.assertEqual(len(re.findall("ended with status 3", errors)), 5)
        self.assertIn("end 5 in a row without progress, and --restarts allows 4", errors)

    def test_on_failure_ends_with_success(self):
        self.publish([b"a", b"leave", b"b"], "in")
        self.run_exec("-w", "1", "--", *LINES)
        self.assertEqual(self.sent_to(), [b"re a"])

    def test_always(self):
        self.publish(lines(30), "in")
        errors = self.run_exec("-n", "30", "-v", "--restart", "always", "--", "sh", "-c", 'read line; echo "$line"')
        self.assertEqual(self.sent_to(), lines(30))
        self.assertRegex(errors, r"started workers again (29|30) times")

    def test_delays_double(self):
        errors = self.run_once("--restarts", "4", "--restart-delay", "0.001", code=3)
        self.assertEqual(re.findall(r"started again in ([\d.]+) s", errors), ["0.001", "0.002", "0.004", "0.008"])

    def test_exit_statuses(self):
        self.publish([b"die"], "in")
        self.assertIn("killed by signal 9", self.run_exec("--restart", "never", "--", *LINES, code=137))
        self.assertIn("cannot run", self.run_exec("--", "/no/such/command", code=127))
        self.assertIn("cannot run", self.run_exec("--", "/dev/null", code=126))
        self.run_exec("--", "true")

    def test_exit_statuses_where_nobody_is_told_of_children(self):
        self.publish([b"fail"], "in")
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        process = self.start("exec", "--in", "in", "--out", "out", "--from", "oldest", "--restart", "never", "--", *LINES)
        signal.signal(signal.SIGCHLD, before)
        self.end(process, code=3)

    def test_usage(self):
        for arguments, says in ((["--in", "a"], "command is missing"), (["--in", "a", "--"], "command is missing"),
                                (["--", "cat"], "--in CHANNEL is missing"),
                                (["--in", "a", "--out", "a", "--", "cat"], "same channel"),
                                (["x", "-b", "y", "--in", "a", "--", "cat"], "named twice"),
                                (["x", "y", "--in", "a", "--", "cat"], "unexpected argument"),
                                (["--in", "a", "--workers", "0", "--", "cat"], "less than 1"),
                                (["--in", "a", "--workers", "9999", "--", "cat"], "more than 1024")):
            self.assert_fails("exec", *arguments, code=2, says=says)

    def test_the_bus_as_an_argument(self):
        bus = self.new_bus()
        self.run_tool("pub", "in", "-b", bus, input=b"a\nb\n")
        self.run_tool("exec", bus, "--in", "in", "--out", "out", "--from", "oldest", "-n", "2", "--", "cat", "--", "-")
        self.assertEqual(self.drain("out", "-b", bus), b"a\nb\n")


class Endings(ExecCase):
    def test_signals_let_workers_finish(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            path = self.scratch(b"")
            process = self.start_exec("-W", "2", "--", "sh", "-c", f'cat; echo finished >>{path}')
            self.publish(lines(10), "in")
            self.until(lambda: self.group_of("exec")["lag"] == 0 and self.published("out") % 10 == 0, "all answered")
            self.until(lambda: len(children_of(process.pid)) == 2, "two workers")
            self.interrupt(process, number)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), b"finished\n" * 2)
        self.assertEqual(len(self.sent_to()), 20)
        self.assert_quiet()

    def test_those_that_do_not_end_are_made_to(self):
        script = """
import signal
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("yes", flush=True)
while True:
    signal.pause()
"""
        process = self.start_exec("-G", "0.1", "--no-answers", "--", *PYTHON, script)
        self.until_answered(1)
        self.until(lambda: children_of(process.pid), "a worker")
        _, errors = self.interrupt(process, code=1)
        self.assertRegex(errors.decode(), r"it gets SIGTERM(.|\n)*it gets SIGKILL")

    def test_no_room_for_the_last_answers(self):
        self.run_tool("create", "out", "--slots", "8")
        self.run_tool("sub", "out", "--group", "never", "--durable", "-t", "0")
        process = self.start_exec("-G", "0.2", "-d", "-g", "exec", "--", "cat")
        self.publish(lines(100), "in")
        self.until(lambda: self.published("out") == 8, "a full channel")
        _, errors = self.interrupt(process, code=1)
        self.assertRegex(errors, rb"could not be sent: there was no room for 0.2 s")
        self.assertEqual(self.group_of("exec")["lag"], 92)
        self.assert_quiet()

    def test_timeout_waits_for_answers(self):
        script = PYTHON + ["""
import signal, sys
for line in sys.stdin:
    signal.sigtimedwait([], 0.3)
    print(line, end="", flush=True)
"""]
        self.publish(lines(3), "in")
        self.run_exec("-t", "0", "--", *script)
        self.assertEqual(self.sent_to(), lines(3))

    def test_timeout_before_count(self):
        self.publish(lines(3), "in")
        errors = self.run_exec("-t", "0.1", "-n", "5", "--", "cat", code=1)
        self.assertIn("3 of 5 messages came; then none for 0.100 s", errors)

    def test_no_worker_holds_anothers_pipes(self):
        process = self.start_exec("-W", "3", "--", "cat")
        workers = self.until(lambda: workers_of(process, 3), "three workers")
        for worker in workers:  # its loader may have a library open
            self.until(lambda: descriptors_of(worker) == [0, 1, 2], "no pipes but its own")
        self.interrupt(process)

    def test_a_channel_that_is_removed(self):
        process = self.start_exec("--", "cat")
        self.run_tool("rm", "-c", "in")
        _, errors = self.end(process, code=1)
        self.assertIn(b'channel "in"', errors)


if __name__ == "__main__":
    unittest.main()
