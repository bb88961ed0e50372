#!/usr/bin/env python3
"""Breaking any fact about a model moves its vector far beyond the tolerance.

So a network that agrees with the reference on the tiny models, as
vectors_test.py demands, has none of these facts wrong.
"""
import functools
import unittest

import support
import numpy as np
import make_tiny
import reference_vectors
from PIL import Image

FAR = 10 * 1e-5  # ten times what vectors_test.py allows

# What holds for every model.
INPUT = {
    'red and blue swapped': dict(channels=(2, 1, 0)),
    'crop one pixel off': dict(crop_off=1),
    'bilinear resize': dict(filter=Image.BILINEAR),
    'Lanczos resize': dict(filter=Image.LANCZOS),
}
NETWORK = {
    'patches column by column': dict(rows_first=False),
    'scores scaled by the whole width': dict(head_scale=False),
    'no biases': dict(biases=False),
    'no final norm': dict(final_norm=False),
    'a layer left out': dict(layers=1),
    'one head': dict(heads=1),
}
CLIP = {
    **INPUT, **NETWORK,
    'shortest edge 256': dict(short=256),
    'DINOv2\'s epsilon': dict(eps=1e-6),
    'no norm before the first layer': dict(pre_norm=False),
    'mean of all tokens': dict(pool='mean'),
    'no projection': dict(projection=False),
    'tanh GELU': dict(act='tanh_gelu'),
}
DINOV2 = {
    **INPUT, **NETWORK,
    'shortest edge 224': dict(short=224),
    'CLIP\'s epsilon': dict(eps=1e-5),
    'class token alone': dict(pool='cls'),
    'mean of the patches alone': dict(pool='patches'),
    'no layer scale': dict(layer_scale=False),
    'positions as older transformers': dict(position_scale=37 / 16.1),
    'positions with Pillow\'s cubic': dict(cubic_a=-0.5),
    'positions antialiased': dict(antialias=True),
}
MUTANTS = {
    'tiny-clip': {**CLIP, 'exact GELU': dict(act='gelu')},
    'tiny-clip-16': {**CLIP, 'exact GELU': dict(act='gelu')},
    'tiny-clip-gelu': {**CLIP, 'quick GELU': dict(act='quick_gelu')},
    'tiny-dinov2': {**DINOV2, 'tanh GELU': dict(act='tanh_gelu'),
                    'quick GELU': dict(act='quick_gelu')},
    'tiny-dinov2-swiglu': {
        **DINOV2, 'gate second': dict(gate_first=False),
        'gate by GELU': dict(gate_act='gelu')},
    'tiny-dinov2-registers': {
        **{k: v for k, v in DINOV2.items() if not k.startswith('positions')},
        'positions not antialiased': dict(antialias=False),
        'positions with PyTorch\'s plain cubic': dict(cubic_a=-0.75),
        'positions as older transformers': dict(position_scale=37 / 16.1),
        'positions added to the registers': dict(positions_on_registers=True),
        'registers not read': dict(registers=0)},
    'tiny-backbone': {
        **{k: v for k, v in DINOV2.items()
           if 'mean' not in k and 'left out' not in k and 'no final' not in k},
        'a final norm': dict(final_norm=True),
        'all its layers': dict(layers=2),
        'mean of all tokens': dict(pool='mean')},
    'tiny-backbone-norm': {'no final norm': dict(final_norm=False)},
    'tiny-backbone-registers': {
        'no final norm': dict(final_norm=False),
        'all its layers': dict(layers=2),
        'mean of all tokens': dict(pool='mean')},
}


@functools.cache
def right(model):
    """A model's folder, weights and the vector that they give the picture."""
    folder = support.tiny(model)
    weights = reference_vectors.read_weights(folder)
    return folder, weights, reference_vectors.vector(
        folder, support.pictures()[0], weights)


def holds(model, wrong):
    def test(self):
        folder, weights, vector = right(model)
        moved = reference_vectors.vector(
            folder, support.pictures()[0], weights, **wrong)
        distance = np.linalg.norm(moved - vector) / np.linalg.norm(vector)
        self.assertGreater(distance, FAR)
    return test


# Of the text tower. The text has its end token twice.
TEXT = {
    'every token sees all': dict(causal=False),
    'the mean of all tokens': dict(pool='mean'),
    'places from one': dict(place=1),
    'DINOv2\'s epsilon': dict(eps=1e-6),
    'exact GELU': dict(act='gelu'),
    'scores scaled by the whole width': dict(head_scale=False),
    'one head': dict(heads=1),
    'no biases': dict(biases=False),
    'no final norm': dict(final_norm=False),
    'a layer left out': dict(layers=1),
    'no projection': dict(projection=False),
}
TEXT_MUTANTS = {
    'tiny-clip': {**TEXT, 'no end token': dict(end=10 ** 6)},
    'tiny-clip-legacy': {**TEXT, 'the end token as the file says':
                         dict(end=2)},
}


@functools.cache
def right_text(model):
    """A model's folder, weights, tokens of a text and its vector."""
    folder = support.tiny(model)
    weights = reference_vectors.read_weights(folder)
    end = make_tiny.VOCABULARY - 1
    ids = (end - 1, 516, 77, 301, end, 2, 64, end)
    return folder, weights, ids, reference_vectors.text_vector(
        folder, ids, weights)


def text_holds(model, wrong):
    def test(self):
        folder, weights, ids, vector = right_text(model)
        moved = reference_vectors.text_vector(folder, ids, weights, **wrong)
        distance = np.linalg.norm(moved - vector) / np.linalg.norm(vector)
        self.assertGreater(distance, FAR)
    return test


class Facts(unittest.TestCase):
    pass


for _model, _mutants in TEXT_MUTANTS.items():
    for _what, _wrong in _mutants.items():
        setattr(Facts, f'test {_model}, text: {_what} moves the vector',
                text_holds(_model, _wrong))


for _model, _mutants in MUTANTS.items():
    for _what, _wrong in _mutants.items():
        setattr(Facts, f'test {_model}: {_what} moves the vector',
                holds(_model, _wrong))

if __name__ == '__main__':
    unittest.main()
