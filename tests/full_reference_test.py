#!/usr/bin/env python3
"""akin against transformers itself: the models at full size, on every photo.

The models are the shared reference script's, random but not meek; their
vectors are what transformers computes here and now in float32. The tiny
models judge the numpy reference in the same way. Needs PyTorch and minutes:
./run test --all.
"""
import glob
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

import support

try:
    import torch
    import transformers
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; it is brought by ./run test --all')

import numpy as np
import make_tiny
import reference_vectors
import texts
import vectors_test

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

MODELS = os.path.join(support.BUILD, 'reference')
NAMES = {'clip': 1e-5, 'dinov2-base': 1e-5, 'dinov2-small': 1e-5,
         'dinov2-registers': 1e-5, 'tiny-clip': 1e-4, 'tiny-dinov2': 1e-4,
         'legacy-clip': 1e-4}


def distance(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def embed(folder, photos):
    """float32 [photos, dim] from the command, pixels as the script's."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'v.npy')
        support.akin('embed', *photos, '--model', folder, '--exif', 'off',
                     '--format', 'npy', '-o', out)
        return np.load(out)


WORDS = ['cat', 'dog', 'red apple', 'golden retriever', 'caf\u00e9', 'x, y']


def labels_agree(case, folder, photos, near):
    """Probabilities of `akin label` are those of CLIPModel's logits."""
    model = transformers.CLIPModel.from_pretrained(
        folder, dtype=torch.float32).eval()
    texts = transformers.CLIPTokenizer.from_pretrained(folder)(
        [f'a photo of a {word}.' for word in WORDS], padding=True,
        return_tensors='pt')
    facts = reference_vectors.facts(folder)
    x = torch.from_numpy(np.stack([
        reference_vectors.pixels(folder, p, facts) for p in photos])).float()
    with torch.no_grad():
        want = model(pixel_values=x, **texts).logits_per_image.softmax(1)
    with tempfile.NamedTemporaryFile('w', encoding='utf-8') as f:
        f.write('\n'.join(WORDS))
        f.flush()
        out = support.akin('label', *photos, '--labels-file', f.name, '--json',
                           '--model', folder, '-k', '99', '--exif', 'off')
    for line, share in zip(map(json.loads, out.stdout.splitlines()),
                           want.numpy(), strict=True):
        got = {x['label']: x['probability'] for x in line['labels']}
        for word, one in zip(WORDS, share, strict=True):
            case.assertLessEqual(abs(got[word] - one), near, line['path'])


class Full(unittest.TestCase):
    """Against models as the shared reference script makes them."""

    @classmethod
    def setUpClass(cls):
        script = support.shared('reference', 'reference.py')
        spec = importlib.util.spec_from_file_location('reference', script)
        cls.reference = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cls.reference)
        if not os.path.exists(os.path.join(MODELS, 'legacy-clip')):
            subprocess.run([sys.executable, script, 'models', MODELS],
                           check=True, capture_output=True)
        photos = support.shared('data', 'photos')
        cls.photos = sorted(
            path for path in glob.glob(f'{photos}/*/*')
            if path.lower().endswith(('.jpg', '.jpeg', '.png')))

    def agrees(self, name, folder, near):
        model = self.reference.load(*os.path.split(folder))
        got = embed(folder, self.photos)
        self.assertEqual(len(got), len(self.photos))
        for i in range(0, len(self.photos), 8):
            x = torch.from_numpy(np.stack(
                [self.reference.pixels(p, name) for p in self.photos[i:i + 8]]))
            for path, mine, want in zip(
                    self.photos[i:], got[i:],
                    self.reference.vector(model, name, x)):
                self.assertLessEqual(distance(mine, want), near, path)

    def test_starter_gives_transformers_vectors_on_every_photo(self):
        self.agrees('starter', support.starter(), 1e-5)

    def text_vectors(self, name):
        """Texts of every kind, and transformers' vectors; a command line holds
        no zero."""
        folder = os.path.join(MODELS, name)
        made = [t.decode() for t in texts.texts(2000)[::10]
                if b'\0' not in t and t.decode('utf-8', 'ignore').encode() == t]
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
        model = self.reference.load(MODELS, name)
        rows = []
        for text in made:
            ids = tokenizer(text, truncation=True, max_length=77,
                            return_tensors='pt')['input_ids']
            with torch.no_grad():
                rows.append(model.text_projection(
                    model.text_model(input_ids=ids).pooler_output)[0].numpy())
        return folder, made, np.array(rows)

    def texts_agree(self, name, near):
        folder, made, rows = self.text_vectors(name)
        got = vectors_test.embed_texts(folder, made)
        for text, mine, want in zip(made, got, rows, strict=True):
            self.assertLessEqual(distance(mine, want), near, text)

    def test_texts_in_bf16_and_int8_are_close_to_transformers(self):
        folder, made, rows = self.text_vectors('clip')
        for precision, least, mean in (('bf16', 0.9998, 0.99995),
                                       ('int8', 0.998, 0.9993)):
            cosines = vectors_test.cosines_of(vectors_test.embed_texts(
                folder, made, '--precision', precision), rows)
            self.assertGreater(cosines.min(), least, precision)
            self.assertGreater(cosines.mean(), mean, precision)

    def test_clip_gives_transformers_vectors_of_texts(self):
        self.texts_agree('clip', 1e-5)

    def test_clip_gives_transformers_labels(self):
        labels_agree(self, os.path.join(MODELS, 'clip'), self.photos[::10],
                      1e-5)

    def test_legacy_clip_gives_transformers_vectors_of_texts(self):
        self.texts_agree('legacy-clip', 1e-5)


def full(name, near):
    return lambda self: self.agrees(name, os.path.join(MODELS, name), near)


for _name, _near in NAMES.items():
    setattr(Full, f'test {_name} gives transformers\' vectors on every photo',
            full(_name, _near))


class Labels(unittest.TestCase):
    def test_the_tiny_clip_gives_transformers_labels(self):
        labels_agree(self, support.tiny('tiny-clip'), support.pictures(), 1e-4)


class Reference(unittest.TestCase):
    """The numpy reference against transformers in float64."""


def judged(name):
    def test(self):
        folder = support.tiny(name)
        kind = reference_vectors.read_json(folder, 'config.json')
        model, loading = getattr(
            transformers, kind['architectures'][0]).from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True)
        self.assertEqual(
            {k: list(v) for k, v in loading.items() if v}, {}, 'loading')
        model = model.double().eval()
        facts = reference_vectors.facts(folder)
        for picture in support.pictures():
            x = torch.from_numpy(
                reference_vectors.pixels(folder, picture, facts))[None]
            with torch.no_grad():
                if facts.clip:
                    v = model.get_image_features(pixel_values=x).pooler_output
                elif facts.pool == 'patches':
                    v = model(pixel_values=x).feature_maps[0].mean(dim=(2, 3))
                else:
                    v = model(pixel_values=x).last_hidden_state.mean(dim=1)
            mine = reference_vectors.vector(folder, picture)
            self.assertLessEqual(distance(mine, v[0].numpy()), 1e-6)
    return test


def text_judged(name):
    def test(self):
        folder = support.tiny(name)
        model = transformers.CLIPModel.from_pretrained(
            folder, dtype=torch.float32).double().eval()
        end = make_tiny.VOCABULARY - 1
        for ids in ([end - 1, end], [end - 1, 516, 77, end, 2, 64, end],
                    [end - 1] + [300] * 75 + [end]):
            with torch.no_grad():
                v = model.text_projection(model.text_model(
                    input_ids=torch.tensor([ids])).pooler_output)
            mine = reference_vectors.text_vector(folder, ids)
            self.assertLessEqual(distance(mine, v[0].numpy()), 1e-6)
    return test


for _name in make_tiny.MODELS:
    if 'clip' in _name:
        setattr(Reference,
                f'test {_name}: numpy agrees with transformers on texts',
                text_judged(_name))
    setattr(Reference, f'test {_name}: numpy agrees with transformers',
            judged(_name))

if __name__ == '__main__':
    unittest.main()
