#!/usr/bin/env python3
"""All pairs of near vectors: akin dups against FAISS's range search, in turns.

    dups.py [--rows N] [--dim N] [--threshold T] [--rounds N] [--cpu NAME]...
            [--json]

N vectors (100,000 of 512 numbers) are made, in families of four that lie more
or less near each other. Each round asks FAISS's IndexFlatIP for all pairs of
cosine T (0.9) or more, and akin for the same, by each of the kernels --cpu
(those of this processor, and avx2). FAISS's time is that of range_search alone,
the vectors in memory; akin's is that of a whole command (makeindex pairs) that
opens an index, reads and checks every row, and finds the exact cosines. The
pairs are compared.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import faiss
import numpy as np

from places import BUILD

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')


def made(rows, dim):
    random = np.random.default_rng(7)
    shape = (rows, dim)
    vectors = np.repeat(random.standard_normal(
        (rows // 4 + 1, dim), dtype=np.float32), 4, axis=0)[:rows]
    vectors += random.uniform(0.05, 0.6, (rows, 1)).astype(np.float32) * \
        random.standard_normal(shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[random.permutation(rows)]


def their_turn(index, vectors, threshold):
    begin = time.perf_counter()
    limits, _, found = index.range_search(vectors, threshold)
    seconds = time.perf_counter() - begin
    first = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(int)))
    above = first < found
    return seconds, set(zip(first[above].tolist(), found[above].tolist()))


def our_turn(index, threshold, cpu):
    environment = dict(os.environ, **{'AKIN_CPU': cpu} if cpu else {})
    begin = time.perf_counter()
    done = subprocess.run([MAKEINDEX, 'pairs', index, str(threshold)],
                          capture_output=True, text=True, check=True,
                          env=environment)
    seconds = time.perf_counter() - begin
    return seconds, {tuple(map(int, line.split('\t')[:2]))
                     for line in done.stdout.splitlines()}


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--rows', type=int, default=100000)
    options.add_argument('--dim', type=int, default=512)
    options.add_argument('--threshold', type=float, default=0.9)
    options.add_argument('--rounds', type=int, default=2)
    options.add_argument('--cpu', action='append')
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    kernels = told.cpu or ['', 'avx2']
    vectors = made(told.rows, told.dim)
    flat = faiss.IndexFlatIP(told.dim)
    flat.add(vectors)
    times = {name: [] for name in ('faiss', *kernels)}
    differing = {}
    with tempfile.TemporaryDirectory(prefix='akin-dups-') as home:
        raw, index = os.path.join(home, 'raw'), os.path.join(home, 'x.akin')
        vectors.tofile(raw)
        subprocess.run([MAKEINDEX, 'make', index, raw, str(told.rows),
                        str(told.dim)], check=True)
        for _ in range(told.rounds):
            seconds, theirs = their_turn(flat, vectors, told.threshold)
            times['faiss'].append(seconds)
            for cpu in kernels:
                seconds, ours = our_turn(index, told.threshold, cpu)
                times[cpu].append(seconds)
                differing[cpu] = len(ours ^ theirs)
    for cpu in kernels:
        row = {'rows': told.rows, 'dim': told.dim, 'kernels': cpu or 'best',
               'akin_seconds': min(times[cpu]),
               'faiss_seconds': min(times['faiss']),
               'ratio': min(times['faiss']) / min(times[cpu]),
               'ratio_of_medians': statistics.median(times['faiss']) /
               statistics.median(times[cpu]),
               'pairs': len(theirs), 'differing': differing[cpu]}
        print(json.dumps(row) if told.json else
              f"{told.rows:,} x {told.dim}, kernels {row['kernels']}: akin "
              f"{row['akin_seconds']:.1f} s, FAISS {row['faiss_seconds']:.1f} "
              f"s, {row['ratio']:.1f} times as fast (medians "
              f"{row['ratio_of_medians']:.1f}); {row['pairs']:,} pairs, "
              f"{row['differing']} of them not found by both", flush=True)


if __name__ == '__main__':
    main()
