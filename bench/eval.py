#!/usr/bin/env python3
"""Which model finds edited copies: the table of README.md.

    eval.py [FOLDER] [--model NAME]... [--count N] [--seed N] [--keep SET]
            [--precision P] [--json] [--quick]

Makes a set of N (12) edited copies of each photo in FOLDER with akin eval
make-copies, measures each model on it with akin eval run (the article's two
where they are at hand, else starter) against the perceptual hash that akin
keeps of every picture, and prints the table, or with --json a line for each
model. --keep leaves set and report in the folder SET; the same command goes on
there. --quick takes six photos. Python's own library is all that this needs.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from places import BUILD, photo_folder

AKIN = os.path.join(BUILD, 'cli', 'akin')
QUICK = 6


def akin(*words):
    """The document that the command prints; what it says goes on to stderr."""
    done = subprocess.run([AKIN, *map(str, words), '--json'], text=True,
                          stdout=subprocess.PIPE)
    if done.returncode > 1:
        sys.exit(f'akin {" ".join(map(str, words))} ended with '
                 f'{done.returncode}')
    return json.loads(done.stdout)


def few(folder, place):
    """A folder with the first photos of another."""
    names = sorted(n for n in os.listdir(folder)
                   if n.lower().endswith(('.jpg', '.jpeg', '.png')))[:QUICK]
    os.makedirs(place, exist_ok=True)
    for name in names:
        path = os.path.join(place, name)
        if not os.path.lexists(path):
            os.symlink(os.path.abspath(os.path.join(folder, name)), path)
    return place


def measure(told, place):
    folder = few(told.folder, os.path.join(place, 'photos')) \
        if told.quick else told.folder
    made = os.path.join(place, 'set')
    akin('eval', 'make-copies', folder, '-o', made, '--count', told.count,
         '--seed', told.seed)
    models = [word for name in told.model for word in ('--model', name)]
    return akin('eval', 'run', made, '-o', os.path.join(place, 'report'),
                *models, *['--precision', told.precision] * bool(
                    told.precision))


def share(model, key):
    if model[key] is None:
        return 'never'
    low, high = model['intervals'][key] or (None, None)
    interval = '' if low is None else f' ({100 * low:.1f} to {100 * high:.1f})'
    return f'{100 * model[key]:.1f} %{interval}'


def table(report):
    """Lines of Markdown."""
    yield (f'{report["positives"]:,} edited copies among '
           f'{report["references"]:,} photos, and {report["distractors"]:,} '
           f'copies of photos that are not among them; '
           f'{report["machine"]["cpu"]}, {report["machine"]["threads"]} threads, '
           f'{report["machine"]["precision"]}')
    yield ''
    yield '| | accuracy | top 3 | uAP | recall at 90 % precision | images/s |'
    yield '|---|---|---|---|---|---|'
    for model in report['models']:
        rate = model['images_per_second']
        cells = [share(model, key) for key in (
            'accuracy', 'top3', 'uAP', 'recall_at_p90')]
        yield (f'| {model["model"]} | {" | ".join(cells)} | '
               f'{f"{rate:.1f}" if rate else ""} |')
    yield ''
    yield report['verdict']


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder', nargs='?', default=photo_folder())
    options.add_argument('--model', action='append', default=[])
    options.add_argument('--count', type=int, default=12)
    options.add_argument('--seed', type=int, default=0)
    options.add_argument('--keep', metavar='SET')
    options.add_argument('--precision')
    options.add_argument('--json', action='store_true')
    options.add_argument('--quick', action='store_true')
    told = options.parse_args()
    if not told.folder:
        options.error('no FOLDER of photos')
    with tempfile.TemporaryDirectory(prefix='akin-eval-') as scratch:
        report = measure(told, told.keep or scratch)
    if not told.json:
        print('\n'.join(table(report)))
        return
    for model in report['models']:
        kept = {key: model[key] for key in (
            'model', 'floor', 'accuracy', 'top3', 'uAP', 'recall_at_p90',
            'intervals', 'images_per_second')}
        print(json.dumps({**kept, 'queries': report['queries'],
                          'references': report['references']}))


if __name__ == '__main__':
    main()
