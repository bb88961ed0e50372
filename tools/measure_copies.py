#!/usr/bin/env python3
"""How many copies `akin dups` finds, and how many it sees where there are none.

    measure_copies.py FOLDER [--model NAME]... [--photos N] [--threshold T]...
                      [--akin PATH] [--json]

FOLDER has photos of different things. From N of them, evenly spread (all
without it), edited copies are made with Pillow, one of each kind below; all are
indexed, and for each threshold (the model's own without it) `akin dups` is asked for groups. A
copy counts as found when it is in a group with its original. A group that holds
copies of two photos is false, and so is every pair in it that is of two photos.
FOLDER should hold no copies itself: what is found among the originals alone is
listed, to be looked at.
"""
import argparse
import collections
import io
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageEnhance
import PIL.ImageFilter
import PIL.ImageOps

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PICTURES = ('.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff', '.bmp')


def scaled(image, share):
    return image.resize([max(1, round(side * share)) for side in image.size],
                        PIL.Image.Resampling.LANCZOS)


def cropped(image, share):
    """Without `share` of each side, half of it at either end."""
    w, h = image.size
    x, y = round(w * share / 2), round(h * share / 2)
    return image.crop((x, y, w - x, h - y))


def bordered(image):
    return PIL.ImageOps.expand(image, max(1, min(image.size) // 20), 'white')


def marked(image):
    """A line of text in a corner, as a camera writes the date."""
    image = image.copy()
    w, h = image.size
    PIL.ImageDraw.Draw(image).text((w * 0.7, h * 0.93), '2024-02-29 12:00',
                                   fill=(255, 180, 0))
    return image


def noisy(image):
    random = np.random.default_rng(1)
    values = np.asarray(image, dtype=np.float32)
    values = values + random.normal(0, 12, values.shape)
    return PIL.Image.fromarray(values.clip(0, 255).astype(np.uint8))


def turned(how):
    return lambda image: image.transpose(getattr(PIL.Image.Transpose, how))


def enhanced(kind, share):
    return lambda image: getattr(PIL.ImageEnhance, kind)(image).enhance(share)


# Name: (what is done, how it is saved).
JPEG = ('jpg', {'quality': 90})
KINDS = {
    'saved again, quality 90': (lambda i: i, JPEG),
    'saved again, quality 50': (lambda i: i, ('jpg', {'quality': 50})),
    'saved again, quality 20': (lambda i: i, ('jpg', {'quality': 20})),
    'as PNG': (lambda i: i, ('png', {})),
    'as WebP': (lambda i: i, ('webp', {'quality': 75})),
    'half the side': (lambda i: scaled(i, 0.5), JPEG),
    'a quarter of the side': (lambda i: scaled(i, 0.25), JPEG),
    'twice the side': (lambda i: scaled(i, 2), JPEG),
    'turned by 90 degrees': (turned('ROTATE_90'), JPEG),
    'turned by 180 degrees': (turned('ROTATE_180'), JPEG),
    'mirrored': (turned('FLIP_LEFT_RIGHT'), JPEG),
    'brighter by 20 %': (enhanced('Brightness', 1.2), JPEG),
    'darker by 20 %': (enhanced('Brightness', 0.8), JPEG),
    'more contrast': (enhanced('Contrast', 1.4), JPEG),
    'more colour': (enhanced('Color', 1.6), JPEG),
    'grey': (lambda i: i.convert('L').convert('RGB'), JPEG),
    'sharpened': (enhanced('Sharpness', 3), JPEG),
    'blurred': (lambda i: i.filter(PIL.ImageFilter.GaussianBlur(2)), JPEG),
    'noisy': (noisy, JPEG),
    'a line of text in it': (marked, JPEG),
    'cropped by 2 %': (lambda i: cropped(i, 0.02), JPEG),
    'cropped by 5 %': (lambda i: cropped(i, 0.05), JPEG),
    'cropped by 10 %': (lambda i: cropped(i, 0.1), JPEG),
    'white border of 5 %': (bordered, JPEG),
    'turned by 2 degrees': (lambda i: i.rotate(
        2, PIL.Image.Resampling.BICUBIC), JPEG),
}


def photos_of(folder):
    return sorted(os.path.join(place, name)
                  for place, _, names in os.walk(folder) for name in names
                  if name.lower().endswith(PICTURES))


def make(photos, edited, out):
    """Each photo as OUT/NUMBER/original.EXT, and for `edited` of them copies
    beside it as KIND.EXT."""
    chosen = {i * len(photos) // edited for i in range(edited)}
    for number, photo in enumerate(photos):
        place = os.path.join(out, f'{number:06}')
        os.mkdir(place)
        with open(photo, 'rb') as f:
            data = f.read()
        name = 'original' + os.path.splitext(photo)[1].lower()
        with open(os.path.join(place, name), 'wb') as f:
            f.write(data)
        if number not in chosen:
            continue
        image = PIL.ImageOps.exif_transpose(
            PIL.Image.open(io.BytesIO(data))).convert('RGB')
        for kind, (edit, (ext, how)) in KINDS.items():
            edit(image).save(os.path.join(place, f'{kind}.{ext}'), **how)


def akin(told, *args):
    done = subprocess.run([told.akin, *args], stdout=subprocess.PIPE,
                          text=True)
    if done.returncode > 1:
        sys.exit(f'akin {args[0]} ended with {done.returncode}')
    return done.stdout


def photo_of(path, out):
    """OUT/NUMBER/KIND.EXT -> NUMBER, KIND; whatever way leads there."""
    place, name = os.path.split(os.path.relpath(os.path.realpath(path), out))
    return place, os.path.splitext(name)[0]


def alone(index, out, told, model, threshold):
    """Pairs of different photos that the model by itself finds alike."""
    file = index + '.npy'
    akin(told, 'export', '-i', index, '--model', model, '--format', 'npy',
         '-o', file)
    rows = np.load(file)
    with open(file + '.paths') as f:
        photos = [photo_of(path, out)[0] for path in f.read().splitlines()]
    photos = np.unique(photos, return_inverse=True)[1]
    pairs = 0
    for at in range(0, len(rows), 1024):
        near = rows[at:at + 1024] @ rows.T >= threshold
        near &= photos[at:at + 1024, None] != photos[None]
        pairs += int(np.triu(near, at + 1).sum())
    return pairs


def judge(index, out, told, threshold):
    how = ['--threshold', str(threshold)] if threshold else []
    answer = json.loads(akin(told, 'dups', '-i', index, '--json', *how))
    found, false_groups, false_pairs, odd = collections.Counter(), 0, 0, []
    for group in answer['groups']:
        paths = [f['path'] for f in group['files']]
        parts = [photo_of(path, out) for path in paths]
        photos = collections.Counter(photo for photo, _ in parts)
        with_original = {photo for photo, kind in parts if kind == 'original'}
        for photo, kind in parts:
            found[kind] += photo in with_original
        false_groups += len(photos) > 1
        size = len(parts)
        false_pairs += (size * size - sum(
            n * n for n in photos.values())) // 2
        if len(photos) > 1:
            odd.append(sorted(paths))
    return {'models': answer['models'], 'groups': len(answer['groups']),
            'false_groups': false_groups, 'false_pairs': false_pairs,
            'false_pairs_of_model': {
                m['model']: alone(index, out, told, m['model'],
                                  m['threshold']) for m in answer['models']},
            'found': found, 'odd': odd}


def tell(result):
    models = ', '.join(f'{m["model"]} {m["threshold"]:g}'
                       for m in result['models'])
    print(f'\nthreshold {models}: {result["groups"]} groups, '
          f'{result["false_groups"]} of them false; {result["false_pairs"]} '
          f'false pairs of {result["different_pairs"]:,}; by the model alone '
          + ', '.join(f'{n:,}' for n in
                      result['false_pairs_of_model'].values()))
    edited = result['edited']
    for kind in KINDS:
        print(f'  {kind:28} {100 * result["found"][kind] / edited:6.1f} %')
    total = sum(result['found'][kind] for kind in KINDS)
    print(f'  {"all":28} {100 * total / edited / len(KINDS):6.1f} %')
    for paths in result['odd'][:10]:
        print('  false:', *paths)


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder')
    options.add_argument('--model', action='append', default=[])
    options.add_argument('--photos', type=int)
    options.add_argument('--threshold', action='append', default=[])
    options.add_argument('--akin',
                         default=os.path.join(TOP, 'build', 'cli', 'akin'))
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    photos = photos_of(told.folder)
    edited = min(told.photos or len(photos), len(photos))
    files = len(photos) + edited * len(KINDS)
    alike = edited * (len(KINDS) + 1) * len(KINDS) // 2
    counts = {'photos': len(photos), 'edited': edited,
              'different_pairs': files * (files - 1) // 2 - alike}
    if not photos:
        options.error(f'{told.folder}: no photos')
    models = [word for m in told.model for word in ('--model', m)]
    with tempfile.TemporaryDirectory(prefix='akin-copies-') as work:
        out = os.path.join(os.path.realpath(work), 'copies')
        os.mkdir(out)
        make(photos, edited, out)
        index = os.path.join(work, 'x.akin')
        akin(told, 'index', out, '-i', index, *models)
        for threshold in told.threshold or [None]:
            result = {**counts, **judge(index, out, told, threshold)}
            if told.json:
                print(json.dumps(result))
            else:
                tell(result)


if __name__ == '__main__':
    main()
