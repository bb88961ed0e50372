#!/usr/bin/env python3
"""`akin model verify` recomputes what was published of the real weights.

They are not here. A model that has CLIP's true class embedding, by which it is
recognised, and random numbers else, is given what the numpy reference makes of
it as if that had been published. The figures that are in the code cannot hold
for it, and must be off by just as much as the reference is.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import support
import numpy as np
import make_tiny
import reference_vectors
import tokens_test
from PIL import Image

GOLDENS = ('data', 'goldens')
NAME = 'clip-vit-base-patch32'
CATS = 'two-cats-000000039769.png'
PHOTOS = [('123_456', '208_495'), ('416_264', '456_123'),
          ('321_421', '389_535'), ('524_316',)]
ROWS = 49408
START, END = ROWS - 2, ROWS - 1
APPLE = [START, 320, 736, 3055, END]
LOGITS = {'cat': ([START, 320, 1125, 539, 320, 2368, END], 24.5701),
          'dog': ([START, 320, 1125, 539, 320, 1929, END], 19.3049)}


def config():
    """As large as what is published needs, and no larger."""
    made = make_tiny.clip_config()
    made['projection_dim'] = 512
    made['vision_config'].update(hidden_size=768, num_attention_heads=12,
                                 num_hidden_layers=1, intermediate_size=64)
    made['text_config'].update(vocab_size=ROWS, eos_token_id=2,
                               num_hidden_layers=1)
    return made


def shapes():
    width, text = 768, make_tiny.TEXT_WIDTH
    return {
        'logit_scale': (),
        'visual_projection.weight': (512, width),
        'text_projection.weight': (512, text),
        'vision_model.embeddings.class_embedding': (width,),
        'vision_model.embeddings.patch_embedding.weight': (width, 3, 32, 32),
        'vision_model.embeddings.position_embedding.weight': (50, width),
        **{f'vision_model.{n}.{k}': (width,) for k in ('weight', 'bias')
           for n in ('pre_layrnorm', 'post_layernorm')},
        'text_model.embeddings.token_embedding.weight': (ROWS, text),
        'text_model.embeddings.position_embedding.weight': (77, text),
        'text_model.final_layer_norm.weight': (text,),
        'text_model.final_layer_norm.bias': (text,),
        **make_tiny.clip_layer('vision_model.encoder.layers.0.', width, 64),
        **make_tiny.clip_layer('text_model.encoder.layers.0.', text, 64)}


def write_model(folder, embedding):
    tokens_test.write_clip(folder)
    random = np.random.default_rng(0)
    made = {n: make_tiny.fill(n, s, random) for n, s in shapes().items()}
    made['vision_model.embeddings.class_embedding'] = embedding
    make_tiny.write_safetensors(f'{folder}/model.safetensors', {
        n: ('F32', v.shape, make_tiny.to_bytes(v, 'F32'))
        for n, v in made.items()})
    make_tiny.write_json(f'{folder}/config.json', config())
    make_tiny.write_json(f'{folder}/preprocessor_config.json',
                         make_tiny.preprocessor(True))


def publish(folder, model):
    """What the reference makes of the model, as others would publish it; what
    the code has of the real one, as (name, difference)."""
    w = reference_vectors.read_weights(model)
    for part in (NAME, 'preprocess'):
        os.mkdir(f'{folder}/{part}')
    Image.new('RGB', (224, 224), 'white').save(f'{folder}/white.png')
    vector = lambda path, **how: reference_vectors.vector(model, path, w, **how)
    found = {'white': vector(f'{folder}/white.png'),
             'apple': reference_vectors.text_vector(model, APPLE, w)}
    for name, file in (('white', 'white.image'), ('apple', 'a_red_apple.text')):
        np.savetxt(f'{folder}/{NAME}/{file}_features.txt', found[name], '%.9g')
    for i, group in enumerate(PHOTOS):
        rows = []
        for photo in group:
            path = support.shared(*GOLDENS, 'preprocess', photo + '.jpg')
            shutil.copy(path, f'{folder}/preprocess')
            v = vector(path, crop_off=-1 if photo == '524_316' else 0)
            rows.append(v / np.linalg.norm(v))
        np.save(f'{folder}/{NAME}/emb_{i}.npy', np.array(rows, '<f2'))
    cats = support.shared(*GOLDENS, CATS)
    shutil.copy(cats, folder)
    unit = lambda v: v / np.linalg.norm(v)
    off = {'a white picture: the sum of its vector':
           abs(found['white'].sum() + 2.08032),
           '"a red apple": the length of its vector':
           abs(np.linalg.norm(found['apple']) - 9.33482)}
    for animal, (ids, logit) in LOGITS.items():
        text = reference_vectors.text_vector(model, ids, w)
        mine = np.exp(w['logit_scale']) * (unit(text) @ unit(vector(cats)))
        off[f'two cats: the logit of "a photo of a {animal}"'] = \
            abs(mine - logit)
    return off


class Figures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.model = os.path.join(cls.scratch.name, 'model')
        cls.folder = os.path.join(cls.scratch.name, 'published')
        os.mkdir(cls.model)
        os.mkdir(cls.folder)
        embedding = np.loadtxt(support.shared(*GOLDENS, NAME,
                                              'class_embedding.txt'))
        write_model(cls.model, embedding)
        cls.off = publish(cls.folder, cls.model)

    def figures(self, folder=None, model=None, code=5):
        done = support.akin('model', 'verify', model or self.model, '--json',
                            '--pictures', folder or self.folder, code=code)
        verdict, = json.loads(done.stdout)['models']
        return verdict, {f['figure']: f for f in verdict['figures']}

    def test_what_the_reference_gives_holds(self):
        verdict, figures = self.figures()
        self.assertTrue(verdict['published'])
        for name, figure in figures.items():
            if 'numbers' in name or 'tokens' in name or 'photo 1' in name:
                self.assertTrue(figure['holds'], figure)
        photos = [f for n, f in figures.items() if n.startswith('photo')]
        self.assertEqual([f['holds'] for f in photos], 7 * [True], photos)
        self.assertLess(max(f['difference'] for f in photos), 6e-4)

    def test_what_the_code_knows_is_off_as_far_as_the_reference_is(self):
        verdict, figures = self.figures()
        for name, difference in self.off.items():
            self.assertAlmostEqual(figures[name]['difference'], difference,
                                   delta=1e-4, msg=name)
            self.assertFalse(figures[name]['holds'])
        self.assertIn('do not hold', verdict['reason'])

    def test_a_wrong_number_does_not_hold(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(scratch, 'other')
            shutil.copytree(self.folder, folder)
            path = f'{folder}/{NAME}/emb_3.npy'
            rows = np.load(path)
            rows[0, :16] *= -1
            np.save(path, rows)
            path = f'{folder}/{NAME}/white.image_features.txt'
            numbers = np.loadtxt(path)
            numbers[7] *= 1.1
            np.savetxt(path, numbers, '%.9g')
            _, figures = self.figures(folder)
        wrong = [n for n, f in figures.items()
                 if not f['holds'] and n not in self.off]
        self.assertIn('photo 524_316, cropped at 74', wrong)
        self.assertIn('a white picture: the 512 numbers of its vector', wrong)
        self.assertTrue(figures['photo 123_456']['holds'])

    def test_without_the_pictures_the_others_are_left_out_and_named(self):
        with tempfile.TemporaryDirectory() as empty:
            _, figures = self.figures(empty)
        skipped = [n for n, f in figures.items() if f['skipped']]
        self.assertEqual(len(skipped), 10, skipped)
        self.assertEqual(figures['photo 123_456']['holds'], None)

    def test_the_lines_say_pass_or_fail(self):
        done = support.akin('model', 'verify', self.model, '--pictures',
                            self.folder, code=5)
        self.assertIn('  pass     photo 123_456: off by', done.stdout)
        self.assertIn('  FAIL     two cats: the logit', done.stdout)

    def test_other_weights_have_no_published_figures(self):
        model = support.tiny('tiny-clip')
        verdict, figures = self.figures(model=model, code=0)
        self.assertEqual((verdict['published'], figures), (False, {}))
        self.assertIn('no figures were published for these weights',
                      support.akin('model', 'verify', model).stdout)

    def test_dinov2_is_off_as_far_as_the_reference_is(self):
        model = support.tiny('tiny-dinov2')
        done = subprocess.run(
            [os.path.join(support.BUILD, 'tests', 'figures'), model,
             self.folder], capture_output=True, text=True, check=True)
        difference, name = done.stdout.strip().split('\t')
        right = np.array([[-2.1747, -0.4729, 1.0936],
                          [-3.2780, -0.8269, -0.9210],
                          [-2.9129, 1.1284, -0.7306]])
        state = reference_vectors.vector(model, f'{self.folder}/{CATS}',
                                         pool='none')
        self.assertIn('last_hidden_state', name)
        self.assertAlmostEqual(float(difference),
                               abs(state[:3, :3] - right).max(), delta=1e-4)


if __name__ == '__main__':
    unittest.main()
