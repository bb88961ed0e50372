#!/usr/bin/env python3
"""From a photo's file to a model's input: akin against Pillow + transformers.

    photo.py [FILE|FOLDER]... [--rounds N] [--json]

One thread each, in the same minutes: every round does each photo once by
Pillow (open, convert to RGB) and transformers' Pillow processor
(CLIPImageProcessor for clip, BitImageProcessor with 256 for dinov2), once by
akin exactly and once with its fast decoding. The best of the rounds counts.
Then akin's exact input is compared with theirs: `equal` says that no byte
before the arithmetic differs.

Without FILE: the photos of ../shared/data/photos/large as they are, a plain
(not progressive) JPEG of 12 megapixels made of each, as a telephone writes
it, and eight of the gallery.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np
import torch
import transformers
from PIL import Image

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(TOP, 'build')
PHOTOS = os.path.join(os.environ.get('AKIN_SHARED') or
                      os.path.join(TOP, '..', 'shared'), 'data', 'photos')
SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')

Image.MAX_IMAGE_PIXELS = None
torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()


def processor(name):
    """transformers' own, on Pillow, whatever its version calls it."""
    how = {} if name == 'clip' else {
        'size': {'shortest_edge': 256},
        'crop_size': {'height': 224, 'width': 224},
        'image_mean': [0.485, 0.456, 0.406],
        'image_std': [0.229, 0.224, 0.225]}
    kind = {'clip': 'CLIPImageProcessor', 'dinov2': 'BitImageProcessor'}[name]
    found = getattr(transformers, kind + 'Pil', None)
    return found(**how) if found else \
        getattr(transformers, kind)(use_fast=False, **how)


class Akin:
    """tests/pixels.c, asked line by line; it takes the time itself."""

    def __init__(self):
        program = os.path.join(BUILD, 'tests', 'pixels')
        if not os.path.exists(program):
            sys.exit(f'{program} is not there: ninja -C build')
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, mode, path, out='-'):
        """Milliseconds of decoding and of preparing."""
        self.process.stdin.write(f'{mode}\t{out}\t{path}\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip('\n').split('\t')
        if answer[0] != 'ok':
            sys.exit(f'akin: {answer[1]}')
        return float(answer[7]), float(answer[8])


def theirs(prepare, path):
    begin = time.perf_counter()
    image = Image.open(path).convert('RGB')
    middle = time.perf_counter()
    prepare(images=image, return_tensors='pt')
    return 1e3 * (middle - begin), 1e3 * (time.perf_counter() - middle)


def is_equal(akin, name, prepare, path):
    with tempfile.NamedTemporaryFile() as out:
        akin.ask('t' + name[0].upper(), path, out.name)
        ours = np.fromfile(out.name, np.float32)
    image = Image.open(path).convert('RGB')
    want = prepare(images=image, return_tensors='np')['pixel_values']
    # A byte's step is 0.014; the arithmetic's rounding is below 1e-6.
    return bool(np.abs(ours - np.asarray(want).ravel()).max() < 1e-5)


def measure(akin, name, prepare, path, rounds):
    ways = {'pillow': lambda: theirs(prepare, path),
            'exact': lambda: akin.ask('t' + name[0].upper(), path),
            'fast': lambda: akin.ask('tf' + name[0].upper(), path)}
    best = dict.fromkeys(ways, (float('inf'),) * 2)
    for _ in range(rounds):
        for way, run in ways.items():
            best[way] = tuple(map(min, best[way], run()))
    total = {way: sum(times) for way, times in best.items()}
    with Image.open(path) as image:
        size = image.size
    return {'photo': os.path.basename(path), 'model': name,
            'width': size[0], 'height': size[1],
            'equal': is_equal(akin, name, prepare, path),
            **{f'{way}_ms': {'decode': round(times[0], 3),
                             'prepare': round(times[1], 3)}
               for way, times in best.items()},
            'exact_ratio': round(total['pillow'] / total['exact'], 3),
            'fast_ratio': round(total['pillow'] / total['fast'], 3)}


def within(place):
    if not os.path.isdir(place):
        return [place]
    return sorted(os.path.join(place, name) for name in os.listdir(place)
                  if name.lower().endswith(SUFFIXES))


def as_a_telephone(path, folder):
    """12 megapixels, 4:2:0, one scan."""
    image = Image.open(path).convert('RGB')
    scale = (12e6 / (image.width * image.height)) ** 0.5
    if scale > 1.2:
        return []
    out = os.path.join(folder, f'12mp-{os.path.basename(path)}')
    image.resize((round(image.width * scale), round(image.height * scale)),
                 Image.LANCZOS).save(out, quality=90)
    return [out]


def photos_of(places, folder):
    if places:
        return [path for place in places for path in within(place)]
    large = os.path.join(PHOTOS, 'large')
    if not os.path.isdir(large):
        sys.exit('the shared photos are not there: name a FILE')
    large = within(large)
    return (large + [p for path in large for p in as_a_telephone(path, folder)]
            + within(os.path.join(PHOTOS, 'gallery'))[:400:50])


def line(row):
    times = [f'{sum(row[way].values()):8.1f}'
             for way in ('pillow_ms', 'exact_ms', 'fast_ms')]
    return (f'{row["photo"][:24]:24} {row["width"]:5} x {row["height"]:<5}'
            f'{row["model"]:7}{"".join(times)} ms'
            f'{row["exact_ratio"]:7.2f}{row["fast_ratio"]:7.2f}'
            f'{"" if row["equal"] else "  NOT EQUAL"}')


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('photo', nargs='*')
    options.add_argument('--rounds', type=int, default=7)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    warnings.simplefilter('ignore')
    akin, rows = Akin(), []
    if not told.json:
        print(f'{"":24} {"":13}{"":7}{"Pillow":>8}{"exact":>8}{"fast":>8}   '
              f'{"exact":>7}{"fast":>7} times as fast')
    with tempfile.TemporaryDirectory() as folder:
        for path in photos_of(told.photo, folder):
            for name in ('clip', 'dinov2'):
                rows.append(measure(akin, name, processor(name), path,
                                    told.rounds))
                if not told.json:
                    print(line(rows[-1]), flush=True)
    if told.json:
        print(json.dumps({'rounds': told.rounds, 'photos': rows}))
    return 0 if all(row['equal'] for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
