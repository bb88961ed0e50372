#!/usr/bin/env python3
"""An index among files that mean harm: what was there stays as it was.

A hundred good photos are indexed, then thousands of malformed files of the
fuzzers' corpora. Every file has one outcome, the hundred vectors keep their
bytes, and the next run has nothing to say.
"""
import json
import os
import subprocess
import tempfile
import unittest

import support
import numpy

TINY = support.tiny('tiny-dinov2')


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        archive = support.shared('data', 'hostile-images.tar.zst')
        gallery = support.shared('data', 'photos', 'gallery')
        scratch = tempfile.TemporaryDirectory(prefix='akin-update-')
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = scratch.name
        os.mkdir(os.path.join(cls.folder, 'good'))
        for name in sorted(os.listdir(gallery))[:100]:
            os.symlink(os.path.join(gallery, name),
                       os.path.join(cls.folder, 'good', name))
        os.mkdir(os.path.join(cls.folder, 'bad'))
        done = subprocess.run(['tar', '--zstd', '-xf', archive, '-C', 'bad'],
                              cwd=cls.folder, capture_output=True, text=True)
        if done.returncode:
            raise unittest.SkipTest(f'tar reads no zstd: {done.stderr}')
        cls.bad = sum(len(files) for _, _, files in
                      os.walk(os.path.join(cls.folder, 'bad')))
        cls.index('good', '--model', TINY)
        cls.before = cls.vectors()
        cls.first = cls.index('bad', code=1)
        cls.after = cls.vectors()

    @classmethod
    def index(cls, *args, code=0):
        done = support.akin('index', *args, '-i', 'x.akin', '--json',
                            cwd=cls.folder, code=code)
        return json.loads(done.stdout)

    @classmethod
    def vectors(cls):
        """The bytes of each row, by path."""
        support.akin('export', '-i', 'x.akin', '--format', 'npy', '-o',
                     'x.npy', cwd=cls.folder)
        rows = numpy.load(os.path.join(cls.folder, 'x.npy'))
        with open(os.path.join(cls.folder, 'x.npy.paths'), 'rb') as f:
            paths = f.read().split(b'\n')[:-1]
        return {path: row.tobytes()
                for path, row in zip(paths, rows, strict=True)}

    def test_the_vectors_that_were_there_keep_their_bytes(self):
        self.assertEqual(len(self.before), 100)
        self.assertEqual({path: self.after.get(path) for path in self.before},
                         self.before)

    def test_every_file_has_one_outcome(self):
        self.assertGreater(self.bad, 5000)
        self.assertEqual(self.bad, self.first['added'] +
                         self.first['skipped'] + len(self.first['failed']))
        self.assertEqual(len(self.after), 100 + self.first['added'])

    def test_every_failure_has_a_reason_of_one_short_line(self):
        for failure in self.first['failed']:
            self.assertRegex(failure['reason'], r'\A[^\n]{3,200}\Z')

    def test_the_next_run_does_nothing_and_is_silent(self):
        second = self.index('good', 'bad')
        self.assertEqual(second['unchanged'], len(self.after))
        self.assertEqual(second['failed'] + second['warnings'], [])
        self.assertEqual([m['images'] for m in second['models']], [0])


if __name__ == '__main__':
    unittest.main()
