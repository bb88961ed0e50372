#!/usr/bin/env python3
"""The front door: what ./run refuses, and how single tests are counted."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(os.path.dirname(HERE), 'run')

CASES = '''
import unittest
class Some(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_broken(self): 1 / 0
    def test_skipped(self): self.skipTest('no disc')
    def test_parts(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
class Unready(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError('no room')
    def test_never(self): pass
'''


def run(*args):
    return subprocess.run([RUN, *args], capture_output=True, text=True)


class Door(unittest.TestCase):
    def test_an_unknown_verb_is_wrong_usage(self):
        done = run('dance')
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such thing as './run dance'", done.stderr)

    def test_a_folder_that_is_not_there_is_no_input(self):
        done = run('demo', 'no/such/folder')
        self.assertEqual((done.returncode, done.stderr),
                         (3, 'run: no/such/folder: no such folder\n'))

    def test_an_unknown_option_is_wrong_usage(self):
        self.assertEqual(run('test', '--some').returncode, 2)
        self.assertEqual(run('demo', '--some').returncode, 2)

    def test_help_names_every_verb(self):
        for verb in ('demo', 'test', 'bench', 'build'):
            self.assertIn(f'./run {verb}', run().stdout)


class Counting(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.build = scratch.name

    def summary(self, planned, entries):
        """The lines and exit code for a made-up log of Meson's."""
        os.mkdir(f'{self.build}/meson-logs')
        with open(f'{self.build}/meson-logs/planned.txt', 'w') as f:
            f.writelines(f'akin:slow / {name}\n' for name in planned)
        with open(f'{self.build}/meson-logs/testlog.json', 'w') as f:
            for name, result, stdout in entries:
                f.write(json.dumps(dict(name=f'akin / {name}', result=result,
                                        stdout=stdout, duration=1)) + '\n')
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, 'summary.py'), self.build],
            capture_output=True, text=True)
        return done.stdout.splitlines(), done.returncode

    def test_single_tests_are_counted(self):
        lines, code = self.summary(['a', 'b'], [
            ('a', 'OK', 'ok 1 - x\nok 2 - y # SKIP no disc\n1..2\n'),
            ('b', 'OK', 'ok 1 - z\n1..1\n')])
        self.assertEqual((lines[-1], code),
                         ('2 passed, 0 failed, 1 skipped', 0))
        self.assertIn('skipped: a: y: no disc', lines)

    def test_a_failed_test_is_named_with_what_it_said(self):
        lines, code = self.summary(['a'], [
            ('a', 'ERROR', '# a.c:1: not so\nnot ok 1 - x\n1..1\n')])
        self.assertEqual((lines[-1], code), ('0 passed, 1 failed', 1))
        self.assertIn('FAILED: a: x', lines)
        self.assertIn('# a.c:1: not so', lines)

    def test_a_program_that_dies_is_a_failure(self):
        lines, code = self.summary(['a'], [('a', 'ERROR', 'ok 1 - x\n')])
        self.assertEqual((lines[-1], code), ('1 passed, 1 failed', 1))

    def test_a_program_that_never_ran_is_a_failure(self):
        lines, code = self.summary(['a', 'b'], [('a', 'OK', 'ok 1 - x\n1..1')])
        self.assertEqual((lines[-1], code), ('1 passed, 1 failed', 1))
        self.assertIn('FAILED: b: the program itself: did not run', lines)

    def test_no_log_at_all_is_a_failure(self):
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, 'summary.py'), self.build],
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.endswith('0 passed, 1 failed\n'))

    def test_unittest_cases_are_told_as_tap(self):
        path = os.path.join(self.build, 'some_test.py')
        with open(path, 'w') as f:
            f.write(CASES)
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, 'tap.py'), path],
            capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines()
                 if not line.startswith('#')]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(lines, [
            'not ok 1 - Some.test_bad', 'not ok 2 - Some.test_broken',
            'ok 3 - Some.test_good', 'not ok 4 - Some.test_parts (i=1)',
            'ok 5 - Some.test_skipped # SKIP no disc',
            'not ok 6 - setUpClass (Unready)', '1..6'])


if __name__ == '__main__':
    unittest.main()
