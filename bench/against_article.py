#!/usr/bin/env python3
"""akin index against the article's loop on the same photos, interleaved.

    against_article.py [FOLDER] [--images N] [--rounds N] [--model NAME]...
                       [--models FOLDER] [--precision P]... [--json]

FOLDER is ../shared/data/photos/gallery or the photos of mate-backgrounds by
default, of which the first N (100) are taken. Each round runs article_loop.py
and then `akin index` into a new index at each precision P (f32), so that all
see the same minutes of the machine. akin's time is that of the whole command,
loading the model and syncing to disc included; the loop's begins after loading.
NAME is clip, dinov2-base or dinov2-small (clip and dinov2-base): where their
weights are neither in --models nor at hand, random ones of the same shapes are
as fast and are made once.
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

from places import AKIN, MODELS, TOP, photo_folder, photos, weights


def loop(model, files, scratch):
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, 'bench', 'article_loop.py'), model,
         os.path.join(scratch, 'loop.index'), *files],
        check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])['seconds']


def akin(model, folder, scratch, precision):
    index = os.path.join(scratch, 'photos.akin')
    shutil.rmtree(index, ignore_errors=True)
    how = [] if precision == 'f32' else ['--precision', precision]
    begin = time.perf_counter()
    subprocess.run([AKIN, 'index', folder, '-i', index, '--model', model, *how],
                   check=True, capture_output=True)
    return time.perf_counter() - begin


def known_precisions(wanted):
    """Those that this akin can index at."""
    text = subprocess.run([AKIN, 'index', '--help'], capture_output=True,
                          text=True).stdout
    return [p for p in wanted if p == 'f32' or '--precision' in text]


def compare(name, files, copies, scratch, told):
    model = weights(name, told.models)
    precisions = known_precisions(told.precision or ['f32'])
    loops, ours = [], {p: [] for p in precisions}
    for _ in range(told.rounds):
        loops.append(loop(model, files, scratch))
        for p in precisions:
            ours[p].append(akin(model, copies, scratch, p))
        if not told.json:
            print(f'{name}: {len(files)} images: the loop '
                  f'{len(files) / loops[-1]:.1f} images/s', *(
                      f'akin {p} {len(files) / ours[p][-1]:.1f}: '
                      f'{loops[-1] / ours[p][-1]:.2f} times'
                      for p in precisions), sep=', ', flush=True)
    for p in precisions:
        ratios = [theirs / our for theirs, our in zip(loops, ours[p])]
        row = {'model': name, 'precision': p, 'images': len(files),
               'loop': len(files) / min(loops),
               'akin': len(files) / min(ours[p]),
               'ratio': min(loops) / min(ours[p]),
               'ratio_of_medians': statistics.median(loops) /
               statistics.median(ours[p])}
        print(json.dumps(row) if told.json else
              f"{name} {p}: akin / the loop, files to index: "
              f"{row['ratio']:.2f} best to best, median of rounds "
              f"{statistics.median(ratios):.2f}", flush=True)


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder', nargs='?', default=photo_folder())
    options.add_argument('--images', type=int, default=100)
    options.add_argument('--rounds', type=int, default=3)
    options.add_argument('--model', action='append', choices=list(MODELS))
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--precision', action='append',
                         choices=['f32', 'bf16', 'int8'])
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    if not told.folder:
        options.error('no FOLDER of photos')

    with tempfile.TemporaryDirectory() as scratch:
        copies = os.path.join(scratch, 'photos')
        os.mkdir(copies)
        files = [shutil.copy(path, os.path.join(
            copies, f'{i:04d}{os.path.splitext(path)[1]}'))
            for i, path in enumerate(photos(told.folder, told.images))]
        for name in told.model or ['clip', 'dinov2-base']:
            compare(name, files, copies, scratch, told)


if __name__ == '__main__':
    main()
