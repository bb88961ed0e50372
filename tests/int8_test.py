#!/usr/bin/env python3
"""int8 beside float32: how close the vectors are, with both rules for weights.

Models that are made here are small, so their figures are not those of real
ones; what counts is that each would be missed without the calibration
(src/model/calibrate.c).
"""
import os
import tempfile
import unittest

import support
import numpy as np
import make_tiny
import reference_vectors


def distances(folder, kernels):
    """1 - cosine between int8 and float32, picture by picture."""
    rows = []
    env = {**os.environ, 'AKIN_CPU': kernels}
    with tempfile.TemporaryDirectory() as scratch:
        for precision in ('int8', 'f32'):
            out = os.path.join(scratch, precision + '.npy')
            support.akin('embed', *support.pictures(), '--model', folder,
                         '--precision', precision, '--format', 'npy', '-o', out,
                         env=env)
            found = np.load(out).astype('f8')
            rows.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    return 1 - (rows[0] * rows[1]).sum(1)


def with_outliers(folder, times):
    """Three channels of each norm in a block `times` as large, and the weights
    that meet them as much smaller: the same function."""
    tensors = reference_vectors.read_weights(folder)
    for name, value in tensors.items():
        if 'encoder.layer.' not in name:
            continue
        if '.norm' in name:
            value[[3, 17, 40]] *= times
        elif name.endswith(('query.weight', 'key.weight', 'value.weight',
                            'fc1.weight')):
            value[:, [3, 17, 40]] /= times
    return tensors


class Int8(unittest.TestCase):
    def check(self, folder, most, most_avx2):
        """most_avx2: where no dot product of bytes leaves all values free."""
        for kernels in ('c', 'avx2'):
            self.assertLess(distances(folder, kernels).mean(),
                            most_avx2 if kernels == 'avx2' else most, kernels)

    def test_clip_is_close(self):
        self.check(support.tiny('tiny-clip'), 2.5e-4, 4.5e-4)

    def test_dinov2_is_close(self):
        self.check(support.tiny('tiny-dinov2'), 3e-5, 6e-5)

    def test_channels_that_stand_out_do_no_harm(self):
        whole = support.tiny('tiny-dinov2')
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(scratch, 'outliers')
            os.mkdir(folder)
            for name in ('config.json', 'preprocessor_config.json'):
                os.symlink(os.path.join(whole, name),
                           os.path.join(folder, name))
            make_tiny.write_safetensors(
                os.path.join(folder, 'model.safetensors'),
                {name: ('F32', value.shape, make_tiny.to_bytes(value, 'F32'))
                 for name, value in with_outliers(whole, 50).items()})
            self.check(folder, 6e-5, 1.2e-4)


if __name__ == '__main__':
    unittest.main()
