#!/usr/bin/env python3
"""akin on a GPU: its vectors are the CPU's and transformers', in any company.

Makes models of every kind, of CLIP B/32's and DINOv2-base's real shapes among
them, with random weights that make each fact of the model tell; makes photos;
and embeds them by `akin embed` on the card, on the CPU and by transformers in
float32. Needs a card, libakin-cuda.so beside akin, PyTorch and transformers;
tests/gpu.sh runs it. Without a card, AKIN_TEST_DEVICE=cpu tries the test
itself: the CPU then stands in for the card.
"""
import concurrent.futures
import ctypes
import functools
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import unittest

import support

DEVICE = os.environ.get('AKIN_TEST_DEVICE', 'cuda')
F32_NEAR, BF16_NEAR = 1e-5, 0.9999
PATIENCE = 60  # seconds that one akin may take
AT_ONCE = 6    # processes
BATCH = 300    # pictures that fill a batch and more
PRECISIONS = ('f32', 'bf16')


def cards():
    """How many the driver knows."""
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


if DEVICE != 'cpu' and not cards():
    raise unittest.SkipTest('no NVIDIA card is at hand')

try:
    import torch
    import transformers
except ImportError as absent:
    raise unittest.SkipTest(f'{absent}; PyTorch and transformers judge here')

import numpy as np
import PIL.Image
import make_tiny
import reference_vectors

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
# Float32 means float32.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False

TORCH = 'cuda' if torch.cuda.is_available() and DEVICE != 'cpu' else 'cpu'


# ----------------------------------------------------------------- models --

def clip(**vision):
    """With next to no text tower: pictures do not go through it."""
    dim = vision.pop('projection_dim', 512)
    return transformers.CLIPModel, transformers.CLIPConfig(
        projection_dim=dim, vision_config={'image_size': 224, **vision},
        text_config={'hidden_size': 64, 'intermediate_size': 64,
                     'num_attention_heads': 1, 'num_hidden_layers': 1,
                     'vocab_size': 300, 'bos_token_id': 298,
                     'eos_token_id': 299})


def dino(kind='Model', **more):
    registers = 'num_register_tokens' in more
    family = 'Dinov2WithRegisters' if registers else 'Dinov2'
    config = getattr(transformers, family + 'Config')(
        **{'image_size': 518, 'patch_size': 14, 'mlp_ratio': 4,
           'layer_norm_eps': 1e-6, **more})
    return getattr(transformers, family + kind), config


def shape(width, heads, layers):
    return {'hidden_size': width, 'num_attention_heads': heads,
            'num_hidden_layers': layers}


# Real shapes first: they take longest. 32 and 8 numbers a head, odd patches and
# MLPs, other activations and 577 tokens are for kernels that know one shape.
MODELS = {
    'dinov2-base': lambda: dino(**shape(768, 12, 12)),
    'clip': lambda: clip(**shape(768, 12, 12), patch_size=32,
                         intermediate_size=3072),
    'dinov2-registers': lambda: dino(**shape(384, 6, 12),
                                     num_register_tokens=4),
    'clip-large-336': lambda: clip(**shape(1024, 16, 2), patch_size=14,
                                   intermediate_size=4096, image_size=336,
                                   projection_dim=768),
    'tiny-swiglu': lambda: dino(**shape(192, 3, 2), use_swiglu_ffn=True),
    'tiny-clip': lambda: clip(**shape(64, 2, 2), patch_size=32,
                              intermediate_size=256, projection_dim=32),
    'tiny-clip-gelu': lambda: clip(**shape(64, 1, 2), patch_size=16,
                                   intermediate_size=256, projection_dim=48,
                                   hidden_act='gelu'),
    'tiny-clip-odd': lambda: clip(**shape(32, 4, 2), patch_size=2,
                                  intermediate_size=37, image_size=30,
                                  projection_dim=20),
    'tiny-backbone': lambda: dino('Backbone', **shape(128, 2, 3),
                                  out_features=['stage2'],
                                  apply_layernorm=True),
}
FULL = ('dinov2-base', 'clip')


def judge(name):
    """Where transformers runs: small models on the CPU. Of tiny-clip-odd
    PyTorch 2.11's float32 on an H200 was 1.5e-3 from what akin gave there and
    on the CPU alike; PyTorch's on a CPU was within 1e-6 for six sets of weights.
    """
    return 'cpu' if name.startswith('tiny') else TORCH


def telling(name, r):
    """What a parameter becomes of numbers `r` of variance one: norms, biases
    and layer scales that are not neutral, and sharp attention."""
    if name.endswith('lambda1'):
        return 0.3 + 0.1 * r
    if 'norm' in name:
        return 0.2 * r + (1 if name.endswith('weight') else 0)
    if r.dim() == 1:
        return 0.1 * r
    if r.dim() == 4:
        return r * r[0].numel() ** -0.5
    if 'embed' in name or name.endswith('_token') or name.endswith('_tokens'):
        return 0.5 * r
    sharp = any(k in name for k in ('q_proj', 'k_proj', 'query', 'key'))
    return (1.2 if sharp else 1.0) * r * r.shape[-1] ** -0.5


@torch.no_grad()
def make_model(name, folder):
    """The model, where it is judged, and its folder."""
    kind, config = MODELS[name]()
    config._attn_implementation = 'eager'
    with torch.device(judge(name)):
        model = kind(config)
    for n, (key, p) in enumerate(sorted(model.named_parameters())):
        if p.dim():
            seed = 1000 * list(MODELS).index(name) + n
            g = torch.Generator(p.device).manual_seed(seed)
            p.copy_(telling(key, torch.randn(p.shape, generator=g,
                                             device=p.device)))
    model.save_pretrained(folder)
    told = make_tiny.preprocessor('clip' in name)
    if 'clip' in name:
        side = config.vision_config.image_size
        told['size']['shortest_edge'] = side
        told['crop_size'] = {'height': side, 'width': side}
    make_tiny.write_json(os.path.join(folder, 'preprocessor_config.json'), told)
    return model.eval()


@torch.no_grad()
def reference(model, folder, photos):
    """float32 [photos, dim] by transformers, eight photos together."""
    facts = reference_vectors.facts(folder)
    x = np.stack([reference_vectors.pixels(folder, p, facts) for p in photos])
    vectors = []
    for part in torch.from_numpy(x).float().split(8):
        part = part.to(model.device)
        if hasattr(model, 'visual_projection'):
            v = model.visual_projection(
                model.vision_model(pixel_values=part).pooler_output)
        elif isinstance(model, transformers.Dinov2Backbone):
            v = model(pixel_values=part).feature_maps[0].mean(dim=(2, 3))
        else:
            v = model(pixel_values=part).last_hidden_state.mean(dim=1)
        vectors.append(v.cpu().numpy())
    return np.concatenate(vectors)


# ----------------------------------------------------------------- photos --

def make_photos(folder):
    """About 40, of every shape; nothing smaller costs less to decode."""
    sizes = [(640, 480), (480, 640), (500, 375), (224, 224), (256, 256),
             (225, 223), (97, 61), (33, 200), (1, 1), (2000, 90), (70, 1500),
             (1280, 960), (341, 512)]
    paths = []
    for n in range(40):
        width, height = sizes[n % len(sizes)]
        image = PIL.Image.fromarray(support.drawing(width, height, seed=n))
        if n % 11 == 5:
            image = image.convert('L')
        paths.append(os.path.join(folder, f'{n:02}.jpg'))
        image.save(paths[-1], quality=70 + n % 26, progressive=n % 3 == 1,
                   subsampling=n % 3)
    return paths


# ------------------------------------------------------------------- akin --

class Broken(Exception):
    """A run of akin that did not give what it was asked for."""


stuck = []


def embed(folder, photos, device, precision):
    """float32 [photos, dim] by the command."""
    if stuck and device != 'cpu':
        raise Broken(f'not tried: {stuck[0]}')
    handle, out = tempfile.mkstemp(suffix='.npy', dir=os.path.dirname(folder))
    os.close(handle)
    try:
        done = subprocess.run(
            [support.AKIN, 'embed', *photos, '--model', folder, '--exif', 'off',
             '--device', device, '--precision', precision, '--threads', '4',
             '--format', 'npy', '-o', out], text=True,
            capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        stuck.append(f'akin took over {PATIENCE} s for {len(photos)} photos at '
                     f'{precision} with {os.path.basename(folder)}')
        raise Broken(stuck[0])
    if done.returncode:
        raise Broken(f'akin ended with {done.returncode}: '
                     + (done.stderr.strip()[-600:] or 'no word'))
    vectors = np.load(out)
    if len(vectors) != len(photos):
        raise Broken(f'{len(vectors)} vectors of {len(photos)} photos')
    return vectors


def companies(count, full):
    """Orders of photos in which each must have the vector that it has among
    all: name -> their numbers."""
    shuffled = [i % count for i in range(BATCH)]
    random.Random(3).shuffle(shuffled)
    found = {'all': list(range(count)), 'the other way': [*range(count)][::-1],
             'one': [0], 'the last one': [count - 1], 'three': [9, 4, 20]}
    if full:
        found.update({'another one': [7], 'three more': [5, 5, 31],
                      'seventeen': list(range(20, 37)), 'many': shuffled})
    return found


def distances(got, want):
    return (np.linalg.norm(got.astype('f8') - want, axis=1)
            / np.linalg.norm(want.astype('f8'), axis=1))


def cosines(got, want):
    got, want = got.astype('f8'), want.astype('f8')
    return (got * want).sum(1) / (np.linalg.norm(got, axis=1)
                                  * np.linalg.norm(want, axis=1))


@functools.cache
def everything():
    """(model, precision, company or, at f32, 'cpu') -> vectors or what went
    wrong, and model -> transformers' vectors; the runs side by side."""
    home = tempfile.mkdtemp(prefix='akin-gpu-')
    unittest.addModuleCleanup(shutil.rmtree, home)
    begin = time.monotonic()
    photos = make_photos(home)
    runs, wanted = {}, {}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name in MODELS:
            folder = os.path.join(home, name)
            model = make_model(name, folder)
            runs[name, 'f32', 'cpu'] = pool.submit(
                embed, folder, photos, 'cpu', 'f32')
            for precision in PRECISIONS:
                for what, order in companies(len(photos),
                                             name in FULL).items():
                    runs[name, precision, what] = pool.submit(
                        embed, folder, [photos[i] for i in order], DEVICE,
                        precision)
            wanted[name] = reference(model, folder, photos)
            del model
        made = time.monotonic() - begin
        concurrent.futures.wait(runs.values())
    print(f'# models and references made in {made:.1f} s on {TORCH}, all of '
          f'{len(runs)} runs done in {time.monotonic() - begin:.1f} s')
    return runs, wanted


# ------------------------------------------------------------------ tests --

class Gpu(unittest.TestCase):
    def each(self, precision, check):
        """check(model, its runs by company, transformers' vectors)"""
        runs, wanted = everything()
        for name in MODELS:
            mine = {what: run for (model, p, what), run in runs.items()
                    if model == name and (p == precision or what == 'cpu')}
            with self.subTest(model=name, precision=precision):
                try:
                    check(name, mine, wanted[name])
                except Broken as why:
                    self.fail(str(why))

    def near(self, precision, check, cpu=False):
        def one(name, runs, want):
            got = runs['all'].result()
            self.assertTrue(np.isfinite(got).all(), name)
            check(name, got, runs['cpu'].result() if cpu else want)
        self.each(precision, one)

    def within(self, name, got, want):
        worst = distances(got, want).max()
        print(f'# {name}: |v - ref| / |ref| up to {worst:.1e}')
        self.assertLessEqual(worst, F32_NEAR, name)

    def alike(self, name, got, want):
        least = cosines(got, want).min()
        print(f'# {name}: cosines from {least:.6f} on')
        self.assertGreaterEqual(least, BF16_NEAR, name)

    def test_f32_vectors_are_the_cpus(self):
        self.near('f32', self.within, cpu=True)

    def test_f32_vectors_are_transformers(self):
        self.near('f32', self.within)

    def test_bf16_vectors_are_close_to_transformers_f32(self):
        self.near('bf16', self.alike)

    def test_bf16_vectors_are_close_to_the_cpus_f32(self):
        self.near('bf16', self.alike, cpu=True)

    def same_bits(self, name, runs, _):
        alone = runs['all'].result()
        for what, order in companies(len(alone), name in FULL).items():
            got = runs[what].result()
            other = [i for i, row in zip(order, got, strict=True)
                     if row.tobytes() != alone[i].tobytes()]
            self.assertEqual(other, [], f'{name}, {what}: photos that differ '
                                        'from all together')

    def test_f32_bits_are_the_same_in_any_company(self):
        self.each('f32', self.same_bits)

    def test_bf16_bits_are_the_same_in_any_company(self):
        self.each('bf16', self.same_bits)

    def differ(self, name, runs, _):
        got = runs['all'].result().astype('f8')
        got /= np.linalg.norm(got, axis=1, keepdims=True)
        self.assertLess((got @ got.T - np.eye(len(got))).max(), 0.99999, name)

    def test_photos_differ_or_all_of_this_says_nothing(self):
        self.each('f32', self.differ)

    def test_the_card_is_named(self):
        """akin info or bench would say; a run that fell back to the CPU in
        silence must not pass for one on the card."""
        if DEVICE == 'cpu':
            self.skipTest('this is about a card')
        done = subprocess.run(
            [support.AKIN, 'bench', '--model', support.tiny('tiny-clip'),
             '--device', DEVICE, '--precision', 'f32', '--json'], text=True,
            capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout.splitlines()[0])
        if TORCH == 'cuda':
            self.assertIn(torch.cuda.get_device_name(0), json.dumps(told))


if __name__ == '__main__':
    unittest.main()
