#!/usr/bin/env python3
"""A search by words in a new process: akin against transformers and numpy.

    cold.py [--models FOLDER] [--rows N] [--rounds N] [--json]

What a user waits for who types `akin search "sunset at the sea"`: the program
starts, reads CLIP's text tower, embeds the words and looks through the vectors
of N pictures. The other is a Python that does the same as fast as it is told
how to: transformers' CLIPTextModelWithProjection (without the vision tower) and
its tokenizer, then one matrix product with an array that numpy maps. Each is
started anew in turns; the files are in the page cache for both. The search
alone is what opening the index and looking through it take in a process of
their own. FOLDER holds a folder clip; random weights of the same shapes are as
fast.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from places import AKIN, BUILD, processor_name

TEXT, K = 'sunset at the sea', 3
MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')


def contend(folder, rows, text):
    """What the Python process does."""
    import torch
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer
    model = CLIPTextModelWithProjection.from_pretrained(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        query = model(**tokenizer([text], return_tensors='pt')).text_embeds[0]
    query = query.numpy() / np.linalg.norm(query)
    cosines = np.load(rows, mmap_mode='r') @ query
    best = np.argpartition(-cosines, K)[:K]
    print(json.dumps(best[np.argsort(-cosines[best])].tolist()))


def make_vectors(work, rows, dim):
    """Made vectors, as an array and as an index of a model called "made"."""
    random = np.random.default_rng(1)
    with open(f'{work}/raw', 'wb') as raw:
        for at in range(0, rows, 10000):
            part = random.standard_normal((min(10000, rows - at), dim),
                                          dtype=np.float32)
            part /= np.linalg.norm(part, axis=1, keepdims=True)
            part.tofile(raw)
    np.save(f'{work}/rows.npy',
            np.fromfile(f'{work}/raw', '<f4').reshape(rows, dim))
    random.standard_normal((1, dim), dtype=np.float32).tofile(f'{work}/query')
    subprocess.run([MAKEINDEX, 'make', f'{work}/x.akin', f'{work}/raw',
                    str(rows), str(dim)], check=True)
    os.remove(f'{work}/raw')


def timed(command):
    """The numbers of the answers, and seconds."""
    env = {**os.environ, 'HF_HUB_OFFLINE': '1', 'TRANSFORMERS_VERBOSITY':
           'error', 'HF_HUB_DISABLE_PROGRESS_BARS': '1'}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    took = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f'{command[0]}: {done.stderr[-2000:]}')
    found = json.loads(done.stdout)
    if isinstance(found, dict):
        found = [int(os.path.basename(r['path'])[:-4])
                 for r in found['models'][0]['results']]
    return found, took


def search_alone(work, dim):
    """Seconds to open the index and to look through it."""
    done = subprocess.run([MAKEINDEX, 'search', f'{work}/x.akin',
                           f'{work}/query', str(dim), str(K)], check=True,
                          capture_output=True, text=True)
    return sum(float(line.split()[0]) for line in done.stderr.splitlines()
               if line.endswith(' ms')) / 1e3


def measure(told):
    import text
    folder = text.model_folder(told.models)
    with open(os.path.join(folder, 'config.json'), encoding='utf-8') as f:
        dim = json.load(f).get('projection_dim', 512)
    seconds = {'akin': [], 'transformers': [], 'search': []}
    with tempfile.TemporaryDirectory() as work:
        make_vectors(work, told.rows, dim)
        os.symlink(os.path.abspath(folder), f'{work}/made')
        commands = {
            'akin': [AKIN, 'search', TEXT, '-i', f'{work}/x.akin', '--model',
                     f'{work}/made', '-k', str(K), '--json'],
            'transformers': [sys.executable, __file__, '--contend', folder,
                             f'{work}/rows.npy', TEXT]}
        answers = [timed(command)[0] for command in commands.values()]
        for _ in range(told.rounds):
            for name, command in commands.items():
                seconds[name].append(timed(command)[1])
            seconds['search'].append(search_alone(work, dim))
    best = {name: min(took) for name, took in seconds.items()}
    return {'rows': told.rows, 'dim': dim,
            **{name: {'seconds': round(best[name], 4),
                      'median': round(statistics.median(took), 4)}
               for name, took in seconds.items()},
            'ratio': round(best['transformers'] / best['akin'], 1),
            'median_ratio': round(statistics.median(
                p / a for a, p in zip(seconds['akin'],
                                      seconds['transformers'])), 1),
            'search_share': round(best['search'] / best['akin'], 3),
            'same_answers': answers[0] == answers[1]}


def show(row):
    print(f'"{TEXT}" in {row["rows"]:,} vectors of {row["dim"]}, each in a '
          f'new process, on {processor_name()}')
    for name in 'akin', 'transformers':
        print(f'  {name:12} {row[name]["seconds"]:7.3f} s'
              f' (median {row[name]["median"]:.3f})')
    print(f'  akin is {row["ratio"]} times as fast (median of rounds '
          f'{row["median_ratio"]}); the search alone takes '
          f'{1e3 * row["search"]["seconds"]:.1f} ms, '
          f'{row["search_share"]:.1%} of it; '
          f'{"the same" if row["same_answers"] else "OTHER"} answers')


def main():
    if sys.argv[1:2] == ['--contend']:
        return contend(*sys.argv[2:])
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--rows', type=int, default=100000)
    options.add_argument('--rounds', type=int, default=5)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    row = measure(told)
    print(json.dumps(row)) if told.json else show(row)


if __name__ == '__main__':
    main()
