#!/usr/bin/env python3
"""Older processors, as qemu plays them: nothing is run that they lack.

The baseline must be all that the rest of the program needs, and the kernels
that are chosen must be of the processor: one instruction too new ends it.
"""
import os
import re
import shutil
import subprocess
import unittest

import support

QEMU = shutil.which('qemu-x86_64') or shutil.which('qemu-x86_64-static')
# A processor, and the paths it has; one is left out where this machine, or the
# build, lacks a path of it.
PROCESSORS = {'Nehalem': ['c'], 'Haswell': ['c', 'avx2']}

KERNELS = os.path.join(support.BUILD, 'tests', 'test_kernels')
TILES = os.path.join(support.BUILD, 'tests', 'test_tiles')


def kernels_run(told):
    """The paths that test_kernels did not skip."""
    return re.findall(r'^ok \d+ - kernels_of_(\w+)$', told, re.M)


class Emulated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not QEMU:
            raise unittest.SkipTest('qemu-x86_64 (qemu-user) is not there')
        if os.uname().machine != 'x86_64':
            raise unittest.SkipTest('no x86-64 programs here')
        if support.option('b_sanitize') != 'none':
            raise unittest.SkipTest('a sanitizer needs more than qemu gives')
        here = set(kernels_run(subprocess.run(
            [KERNELS], capture_output=True, text=True, check=True).stdout))
        cls.processors = {name: paths for name, paths in PROCESSORS.items()
                          if here.issuperset(paths)}

    def on(self, processor, *command):
        """What the command prints there; its end by a signal is a failure."""
        done = subprocess.run(
            [QEMU, '-cpu', processor, *command], capture_output=True,
            text=True, env=dict(os.environ, AKIN_CPU='', AKIN_SANDBOX='off'))
        self.assertEqual(done.returncode, 0, f'{processor}: {done.stderr}')
        return done.stdout

    def test_kernels_that_the_processor_has_pass_and_no_others_run(self):
        for processor, paths in self.processors.items():
            told = self.on(processor, KERNELS)
            self.assertEqual(kernels_run(told), paths)
            self.on(processor, TILES)

    def test_vectors_are_those_of_the_same_kernels_here(self):
        picture = support.pictures()[0]
        for name in ('tiny-clip', 'tiny-dinov2'):
            for precision in ('f32', 'bf16', 'int8'):
                command = ('embed', picture, '--model', support.tiny(name),
                           '--precision', precision)
                for processor, paths in self.processors.items():
                    here = support.akin(
                        *command, env=dict(os.environ, AKIN_CPU=paths[-1])).stdout
                    there = self.on(processor, support.AKIN, *command)
                    self.assertEqual(there, here,
                                     f'{name} {precision} {processor}')


if __name__ == '__main__':
    unittest.main()
