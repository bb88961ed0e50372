#!/usr/bin/env python3
"""akin's vectors against the numpy reference: every kind of model, and starter.

|v - ref| / |ref| <= 1e-5; facts_test.py shows that no fact of a model can be
wrong within that.
"""
import json
import os
import shutil
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

    def test_the_processor_of_transformers_5_says_what_a_model_sees(self):
        """One file for all, its pictures' part under image_processor."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(support.tiny('tiny-dinov2'), folder,
                            dirs_exist_ok=True)
            part = os.path.join(folder, 'preprocessor_config.json')
            whole = os.path.join(folder, 'processor_config.json')
            with open(part, encoding='utf-8') as f:
                processor = json.load(f)
            processor.update(image_mean=[0.5, 0.5, 0.5], size=dict(
                shortest_edge=300))
            make_tiny.write_json(part, processor)
            want = embed(folder, support.pictures())
            make_tiny.write_json(whole, dict(image_processor=processor))
            os.remove(part)
            self.assertEqual(embed(folder, support.pictures()).tobytes(),
                             want.tobytes())


TEXTS = ["the cat and the dog", "", "a photo of a red apple", "caf\u00e9!!!!",
         "it's the dog<|endoftext|>, not the cat", "ring " * 40]


def embed_texts(folder, texts, *more):
    """float32 [texts, dim] from the command."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'v.npy')
        support.akin('embed', *(a for t in texts for a in ('--text', t)),
                     '--model', folder, '--format', 'npy', '-o', out, *more)
        return np.load(out)


def tokens(folder, texts):
    lines = support.akin(
        'embed', *(a for t in texts for a in ('--text', t)), '--model', folder,
        '--format', 'tokens').stdout.splitlines()
    return [json.loads(line)['ids'] for line in lines]


def cosines_of(a, b):
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) *
                             np.linalg.norm(b, axis=1))


class Texts(unittest.TestCase):
    """tokens_test.py judges the tokens."""

    def check(self, name, texts=TEXTS):
        folder = support.tiny(name)
        weights = reference_vectors.read_weights(folder)
        for text, ids, got in zip(texts, tokens(folder, texts),
                                  embed_texts(folder, texts), strict=True):
            want = reference_vectors.text_vector(folder, ids, weights)
            distance = np.linalg.norm(got - want) / np.linalg.norm(want)
            self.assertLessEqual(distance, NEAR, text)

    def test_a_text_has_the_same_bits_alone_and_among_others(self):
        folder = support.tiny('tiny-clip')
        many = [f'{"the cat " * (i % 9)}{i}' for i in range(70)]
        among = embed_texts(folder, many)
        for i in (0, 3, 16, 69):
            self.assertEqual(embed_texts(folder, [many[i]])[0].tobytes(),
                             among[i].tobytes(), many[i])

    def test_bf16_and_int8_come_close(self):
        folder = support.tiny('tiny-clip')
        many = TEXTS + [f'{"the cat " * (i % 9)}{i}' for i in range(12)]
        weights = reference_vectors.read_weights(folder)
        want = [reference_vectors.text_vector(folder, ids, weights)
                for ids in tokens(folder, many)]
        for precision, least in (('bf16', 0.9995), ('int8', 0.996)):
            got = embed_texts(folder, many, '--precision', precision)
            cosines = cosines_of(got, np.array(want))
            self.assertGreater(cosines.min(), least, precision)
            self.assertLess(cosines.min(), 1 - 1e-7, precision)

    def test_a_model_without_a_text_tower_says_that_it_cannot_read(self):
        done = support.akin('embed', '--text', 'x', '--model',
                            support.tiny('tiny-dinov2'), code=2)
        self.assertIn('cannot read', done.stderr)


def gives_the_reference(name):
    return lambda self: self.check(support.tiny(name), support.pictures())


for _name in make_tiny.MODELS:
    setattr(Vectors, f'test {_name} gives the vectors of the reference',
            gives_the_reference(_name))
    if 'clip' in _name:
        setattr(Texts, f'test {_name} gives the texts of the reference',
                lambda self, name=_name: self.check(name))

if __name__ == '__main__':
    unittest.main()
