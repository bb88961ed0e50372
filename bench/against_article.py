#!/usr/bin/env python3
"""akin index against the article's loop on the same photos, interleaved.

    against_article.py [FOLDER] [--images N] [--rounds N] [--model NAME]...

FOLDER is ../shared/data/photos/gallery or the photos of mate-backgrounds by
default, of which the first N (100) are taken. Each round runs article_loop.py
and then `akin index` into a new index, so that both see the same minutes of
the machine. akin's time is that of the whole command, loading the model and
syncing to disc included; the loop's begins after loading. NAME is clip or
dinov2: where their weights are not at hand, random ones of the same shapes
are as fast and are made once.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(TOP, 'build')
AKIN = os.path.join(BUILD, 'cli', 'akin')
FOLDERS = [os.path.join(TOP, '..', 'shared', 'data', 'photos', 'gallery'),
           '/usr/share/backgrounds/mate']


def weights(name):
    """The folder of a model's weights, real ones if they are at hand."""
    found = subprocess.run([AKIN, 'model', 'path', name], capture_output=True,
                           text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    folder = os.path.join(BUILD, 'bench', name)
    if not os.path.exists(os.path.join(folder, 'preprocessor_config.json')):
        import transformers as t
        if name == 'clip':  # ViT-B/32 is the default of CLIPConfig
            model, processor = t.CLIPModel(t.CLIPConfig()), \
                t.CLIPImageProcessor()
        else:
            model = t.Dinov2Model(t.Dinov2Config(
                image_size=518, patch_size=14, layer_norm_eps=1e-6))
            processor = t.BitImageProcessor(size={'shortest_edge': 256})
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def photos(folder, count):
    names = sorted(
        os.path.join(place, name)
        for place, _, files in os.walk(folder) for name in files
        if name.lower().endswith(('.jpg', '.jpeg', '.png')))
    if not names:
        sys.exit(f'{folder}: no photos')
    return names[:count]


def loop(model, files, scratch):
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, 'bench', 'article_loop.py'), model,
         os.path.join(scratch, 'loop.index'), *files],
        check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])['seconds']


def akin(model, folder, scratch):
    index = os.path.join(scratch, 'photos.akin')
    shutil.rmtree(index, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run([AKIN, 'index', folder, '-i', index, '--model', model],
                   check=True, capture_output=True)
    return time.perf_counter() - begin


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder', nargs='?', default=next(
        (f for f in FOLDERS if os.path.isdir(f)), None))
    options.add_argument('--images', type=int, default=100)
    options.add_argument('--rounds', type=int, default=3)
    options.add_argument('--model', action='append',
                         choices=['clip', 'dinov2'])
    told = options.parse_args()
    if not told.folder:
        options.error('no FOLDER of photos')

    with tempfile.TemporaryDirectory() as scratch:
        copies = os.path.join(scratch, 'photos')
        os.mkdir(copies)
        files = [shutil.copy(path, os.path.join(
            copies, f'{i:04d}{os.path.splitext(path)[1]}'))
            for i, path in enumerate(photos(told.folder, told.images))]
        for name in told.model or ['clip', 'dinov2']:
            model = weights(name)
            ratios = []
            for i in range(told.rounds):
                theirs = loop(model, files, scratch)
                ours = akin(model, copies, scratch)
                ratios.append(theirs / ours)
                print(f'{name}: {len(files)} images: the loop '
                      f'{len(files) / theirs:.1f}, akin '
                      f'{len(files) / ours:.1f} images/s: '
                      f'{ratios[-1]:.2f} times', flush=True)
            print(f'{name}: median {statistics.median(ratios):.2f} times, '
                  f'best {max(ratios):.2f}, worst {min(ratios):.2f}')


if __name__ == '__main__':
    main()
