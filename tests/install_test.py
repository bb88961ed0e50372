#!/usr/bin/env python3
"""What `meson install` puts down is enough to build and run the C example."""
import os
import shutil
import subprocess
import tempfile
import unittest

import support
import numpy as np
import reference_vectors


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which('meson'):
            raise unittest.SkipTest('meson is not there')
        if support.option('b_sanitize') != 'none':
            raise unittest.SkipTest('a sanitizer must be linked first')
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        subprocess.run(
            ['meson', 'install', '-C', support.BUILD, '--no-rebuild',
             '--quiet', '--destdir', cls.scratch.name],
            check=True, capture_output=True)
        cls.root = cls.scratch.name + support.option('prefix')
        cls.lib = os.path.join(cls.root, support.option('libdir'))

    def compare(self, *args):
        """Build samples/compare.c against what was installed, and run it."""
        environment = dict(
            os.environ, PKG_CONFIG_SYSROOT_DIR=self.scratch.name,
            PKG_CONFIG_PATH=os.path.join(self.lib, 'pkgconfig'))
        flags = subprocess.run(
            ['pkg-config', '--cflags', '--libs', 'akin'], env=environment,
            check=True, capture_output=True, text=True).stdout.split()
        program = os.path.join(self.scratch.name, 'compare')
        subprocess.run(
            ['cc', '-std=c11', '-Wall', '-Wextra', '-pedantic', '-Werror',
             os.path.join(support.SOURCE, 'samples', 'compare.c'), *flags,
             '-o', program], check=True)
        return subprocess.run([program, *args], capture_output=True, text=True,
                              env=dict(os.environ, LD_LIBRARY_PATH=self.lib))

    def test_the_example_prints_the_score_of_two_pictures(self):
        folder = support.tiny('tiny-dinov2')
        one, two = support.pictures()[:2]
        a, b = (reference_vectors.vector(folder, p) for p in (one, two))
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        self.assertEqual(self.compare(folder, one, two).stdout,
                         f'{50 * (cosine + 1):.1f} %\n')

    def test_the_example_says_why_it_cannot(self):
        done = self.compare(support.tiny('tiny-dinov2'), '/dev/null',
                            support.pictures()[0])
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertRegex(done.stderr, '^compare: /dev/null: .+\n$')

    def test_the_example_stands_in_the_readme(self):
        with open(os.path.join(support.SOURCE, 'samples', 'compare.c'),
                  encoding='utf-8') as f:
            example = f.read()
        with open(os.path.join(support.SOURCE, 'README.md'),
                  encoding='utf-8') as f:
            self.assertIn(example, f.read())

    def test_library_command_header_and_manual_are_installed(self):
        for path in (os.path.join(self.lib, 'libakin.so'),
                     os.path.join(self.lib, 'pkgconfig', 'akin.pc'),
                     os.path.join(self.root, 'include', 'akin.h'),
                     os.path.join(self.root, 'include', 'akin_bench.h'),
                     os.path.join(self.root, 'include', 'akin_eval.h'),
                     os.path.join(self.root, 'bin', 'akin'),
                     os.path.join(self.root, 'share/man/man1/akin.1')):
            self.assertTrue(os.path.exists(path), path)


if __name__ == '__main__':
    unittest.main()
