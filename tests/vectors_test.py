#!/usr/bin/env python3
"""akin's vectors against the numpy reference: every kind of model, and starter.

|v - ref| / |ref| <= 1e-5; facts_test.py shows that no fact of a model can be
wrong within that.
"""
import os
import tempfile
import unittest

import support
import numpy as np
import reference_vectors
import make_tiny

NEAR = 1e-5


def embed(folder, pictures, *more):
    """float32 [pictures, dim] from the command."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'v.npy')
        support.akin('embed', *pictures, '--model', folder,
                     '--format', 'npy', '-o', out, *more)
        return np.load(out)


class Vectors(unittest.TestCase):
    def check(self, folder, pictures, *more, **facts):
        weights = reference_vectors.read_weights(folder)
        for picture, got in zip(pictures, embed(folder, pictures, *more),
                                strict=True):
            want = reference_vectors.vector(folder, picture, weights, **facts)
            distance = np.linalg.norm(got - want) / np.linalg.norm(want)
            self.assertLessEqual(distance, NEAR, os.path.basename(picture))

    def test_starter_gives_the_vectors_of_the_reference(self):
        self.check(support.starter(), support.pictures()[:2])

    def test_pool_cls_is_the_class_token(self):
        self.check(support.tiny('tiny-dinov2'), support.pictures()[:2],
                   '--pool', 'cls', pool='cls')

    def test_pool_patches_leaves_out_the_class_token(self):
        self.check(support.tiny('tiny-dinov2'), support.pictures()[:2],
                   '--pool', 'patches', pool='patches')

    def test_pool_patches_leaves_out_the_registers(self):
        self.check(support.tiny('tiny-dinov2-registers'),
                   support.pictures()[:2], '--pool', 'patches', pool='patches')


def gives_the_reference(name):
    return lambda self: self.check(support.tiny(name), support.pictures())


for _name in make_tiny.MODELS:
    setattr(Vectors, f'test {_name} gives the vectors of the reference',
            gives_the_reference(_name))

if __name__ == '__main__':
    unittest.main()
