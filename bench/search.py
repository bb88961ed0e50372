#!/usr/bin/env python3
"""The nearest vectors: akin against FAISS and usearch, in turns; and how the
time of akin grows.

    search.py [--rows N] [--many N] [--dim N] [--rounds N] [--json]

Of N made vectors (1,000,000 of 512 numbers) each round asks for the 10 nearest
to one query, eight times, and to 256 queries at once: akin by the kernels of
this processor, by those of AVX2, and with float32 alone; FAISS's IndexFlatIP;
usearch's exact search in each of its types. FAISS and usearch have the vectors
in memory; akin opens an index on the disc (makeindex search). Recall is held
against FAISS's answers. All have as many threads as there are processors.

Then two indexes, of a thousand and of --many rows (10,000,000; 0: none), are
opened and searched by themselves: how long opening takes, how long a query, how
long reading the same bytes takes (numpy's sum of the mapped file in a new
process, with as many threads), and the most memory. They want 3 KB a row on the
disc, in $TMPDIR.
"""
import argparse
import concurrent.futures
import json
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time

import faiss
import numpy as np

from places import BUILD, processor_name

try:
    from usearch.index import MetricKind, search as usearch
except ImportError:
    usearch = None

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')
THREADS = len(os.sched_getaffinity(0))
K, TURNS, BATCH = 10, 8, 256


def units(rows, dim, seed):
    vectors = np.random.default_rng(seed).standard_normal(
        (rows, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def make_index(home, name, vectors, rows):
    raw, index = os.path.join(home, 'raw'), os.path.join(home, name)
    vectors.tofile(raw)
    subprocess.run([MAKEINDEX, 'make', index, raw, str(rows),
                    str(vectors.shape[1])], check=True)
    os.remove(raw)
    return index


class Akin:
    def __init__(self, home, index, queries):
        self.index, self.dim = index, str(queries.shape[1])
        self.one = os.path.join(home, 'one')
        self.many = os.path.join(home, 'many')
        queries[:TURNS].tofile(self.one)
        queries.tofile(self.many)

    def run(self, queries, how, cpu=''):
        """Seconds to open, of each search, the rows found, bytes at most."""
        done = subprocess.run(
            [MAKEINDEX, 'search', self.index, queries, self.dim, str(K), how],
            capture_output=True, text=True, check=True,
            env=dict(os.environ, **{'AKIN_CPU': cpu} if cpu else {}))
        *times, memory = [float(line.split()[0])
                          for line in done.stderr.splitlines()]
        opened, *searched = [time / 1e3 for time in times]
        found = [[int(os.path.basename(path)[:-len('.jpg')])
                  for path in line.split('\t')[::2]]
                 for line in done.stdout.splitlines()]
        return opened, searched, found, int(memory)

    def turn(self, how='usual', cpu=''):
        _, times, found, _ = self.run(self.one, how, cpu)
        return times[1:], found  # the first also meets new memory

    def batch(self, cpu=''):
        _, times, found, _ = self.run(self.many, 'many', cpu)
        return times, found


def timed(ask, queries):
    times, found = [], []
    for query in queries:
        begin = time.perf_counter()
        answer = ask(query)
        times.append(time.perf_counter() - begin)
        found.extend(np.asarray(answer).reshape(-1, K).tolist())
    return times, found


def usearch_turn(vectors, queries):
    return timed(lambda q: usearch(vectors, q, K, MetricKind.IP, exact=True,
                                   threads=THREADS).keys,
                 [queries[i:i + 1] for i in range(TURNS)])


def contenders(akin, flat, vectors, queries):
    """What is timed: (queries at a time, name) -> a turn of it."""
    told = {
        (1, 'akin'): akin.turn,
        (1, 'akin, AVX2'): lambda: akin.turn(cpu='avx2'),
        (1, 'akin --exact'): lambda: akin.turn('exact'),
        (1, 'FAISS IndexFlatIP'): lambda: timed(
            lambda q: flat.search(q, K)[1],
            [queries[i:i + 1] for i in range(TURNS)]),
        (BATCH, 'akin'): akin.batch,
        (BATCH, 'akin, AVX2'): lambda: akin.batch('avx2'),
        (BATCH, 'FAISS IndexFlatIP'): lambda: timed(
            lambda q: flat.search(q, K)[1], [queries]),
    }
    if usearch:
        for name, type_, scale in (('float32', np.float32, 1),
                                   ('float16', np.float16, 1),
                                   ('int8', np.int8, 127)):
            there = (vectors * scale).round().astype(type_) \
                if scale > 1 else vectors.astype(type_, copy=False)
            asked = (queries * scale).astype(type_)
            told[1, f'usearch {name}'] = \
                lambda a=there, b=asked: usearch_turn(a, b)
    return told


def against_others(home, told):
    vectors = units(told.rows, told.dim, 3)
    queries = units(BATCH, told.dim, 4)
    index = make_index(home, 'x.akin', vectors, told.rows)
    flat = faiss.IndexFlatIP(told.dim)
    flat.add(vectors)
    truth = flat.search(queries, K)[1].tolist()
    turns = contenders(Akin(home, index, queries), flat, vectors, queries)
    times, recall = {key: [] for key in turns}, {}
    for _ in range(told.rounds):
        for key, turn in turns.items():
            seconds, found = turn()
            times[key] += seconds
            recall[key] = statistics.mean(
                len(set(a) & set(b)) / K for a, b in zip(found, truth))
    for (together, name), seconds in times.items():
        ours = times[together, 'akin']
        row = {'rows': told.rows, 'dim': told.dim, 'queries': together,
               'name': name, 'best_ms': 1e3 * min(seconds),
               'median_ms': 1e3 * statistics.median(seconds),
               'recall_at_10': recall[together, name],
               'times_akin': min(seconds) / min(ours)}
        print(json.dumps(row) if told.json else
              f'{told.rows:,} x {told.dim}, {together:3} at once, {name:18}: '
              f"best {row['best_ms']:8.1f} ms, median "
              f"{row['median_ms']:8.1f}, recall@10 {row['recall_at_10']:.4f}, "
              f"{row['times_akin']:.2f} times akin's", flush=True)


def reading(path):
    """Seconds to go over the bytes of a file that is in memory."""
    words = np.memmap(path, dtype='<u8', mode='r', offset=64,
                      shape=(os.path.getsize(path) - 64) // 8)
    parts = np.array_split(words, 64 * THREADS)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            list(pool.map(np.add.reduce, parts))
            times.append(time.perf_counter() - begin)
    return times


def by_itself(home, told, rows):
    vectors = units(min(rows, 199999), told.dim, 5)
    queries = units(TURNS, told.dim, 6)
    index = make_index(home, f'{rows}.akin', vectors, rows)
    akin = Akin(home, index, queries)
    codes = os.path.join(index, 'codes-0.u8')
    opened, searched, read = [], [], []
    akin.run(akin.one, 'codes')
    for _ in range(told.rounds):
        with multiprocessing.Pool(1) as new_process:
            read += new_process.apply(reading, (codes,))
        begun, times, _, memory = akin.run(akin.one, 'codes')
        opened.append(begun)
        searched += times[1:]
    row = {'rows': rows, 'dim': told.dim, 'open_ms': 1e3 * min(opened),
           'best_ms': 1e3 * min(searched),
           'median_ms': 1e3 * statistics.median(searched),
           'reading_ms': 1e3 * min(read),
           'reading_median_ms': 1e3 * statistics.median(read),
           'times_reading': statistics.median(searched) /
           statistics.median(read),
           'codes_bytes': os.path.getsize(codes),
           'rows_bytes': os.path.getsize(os.path.join(index, 'rows-0.f32')),
           'peak_bytes': memory}
    print(json.dumps(row) if told.json else
          f"{rows:,} x {told.dim} alone: opened in {row['open_ms']:.1f} ms, a "
          f"query best {row['best_ms']:.1f}, median {row['median_ms']:.1f} ms, "
          f"reading the {row['codes_bytes'] / 1e6:,.0f} MB of codes "
          f"best {row['reading_ms']:.1f}, median {row['reading_median_ms']:.1f} "
          f"ms ({row['times_reading']:.2f} times); at "
          f"most {row['peak_bytes'] / 1e6:,.0f} MB in memory, rows "
          f"{row['rows_bytes'] / 1e6:,.0f} MB", flush=True)


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--rows', type=int, default=1000000)
    options.add_argument('--many', type=int, default=10000000)
    options.add_argument('--dim', type=int, default=512)
    options.add_argument('--rounds', type=int, default=3)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    faiss.omp_set_num_threads(THREADS)
    if not told.json:
        print(f'{processor_name()}, {THREADS} threads', flush=True)
    if told.rows:
        with tempfile.TemporaryDirectory(prefix='akin-search-') as home:
            against_others(home, told)
    if told.many:
        for rows in (1000, told.many):
            with tempfile.TemporaryDirectory(prefix='akin-search-') as home:
                by_itself(home, told, rows)


if __name__ == '__main__':
    main()
