#!/usr/bin/env python3
"""The nearest rows on a GPU: akin's plugin against PyTorch, in turns.

    gpu_search.py [--rows N] [--dim N] [--k K] [--rounds N] [--index N]

N made unit vectors (10,000,000 of 768 numbers) lie in the card's memory in
bf16, once for libakin-cuda.so (AKIN_CUDA_PLUGIN, else the one of the build) and
once for PyTorch. In turns each gives the best K (64) for 1 query and for 1,000:
akin by rows_nearest, from float32 queries in the host's memory to places and
scores there; PyTorch by matmul and topk, pieces of rows at a time where the
scores would not fit, on the card alone. Whether the 10 nearest by float32 are
among the K of bf16 is held against PyTorch's float32 product without TF32.

Then an index of --index vectors (200,000; 0: none) is searched by the card,
with float32 ranking what bf16 found, and by float32 alone: the answers are the
same.

A line of JSON for each figure, "ok" or "not ok" for each aim, then a table.
--device cpu tries the script itself where no card is.
"""
import argparse
import ctypes
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from places import BUILD, TOP, memory_folder

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')
PLUGIN = os.environ.get('AKIN_CUDA_PLUGIN') or \
    os.path.join(BUILD, 'libakin-cuda.so')
PIECE = 500_000  # rows made at once
WANTED = 10      # of the K
HEADER = os.path.join(TOP, 'src', 'math', 'cuda', 'plugin.h')

told = None
table = []


def say(**figure):
    print(json.dumps(figure), flush=True)


def aim(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}", flush=True)


# ----------------------------------------------------------------- plugin --

def declared():
    """The ABI's number, and struct akin__cuda_plugin by plugin.h."""
    with open(HEADER, encoding='utf-8') as f:
        text = f.read()
    abi = int(re.search(r'AKIN__CUDA_ABI = (\d+)', text)[1])
    body = re.search(r'struct akin__cuda_plugin \{(.*?)\n\};', text, re.S)[1]

    class Table(ctypes.Structure):
        _fields_ = [('abi', ctypes.c_int)] + [
            (name, ctypes.c_void_p)
            for name in re.findall(r'\(\*(\w+)\)\(', body)]
    return abi, Table


class Error(ctypes.Structure):
    _fields_ = [('code', ctypes.c_int), ('message', ctypes.c_char * 1024)]


def address(array):
    return ctypes.c_void_p(array.ctypes.data)


class Rows:
    """Rows in the card's memory, by the plugin."""

    def __init__(self, most, dim):
        abi, table_of = declared()
        library = ctypes.CDLL(PLUGIN)
        library.akin_cuda_plugin.restype = ctypes.POINTER(table_of)
        self.plugin = library.akin_cuda_plugin().contents
        if self.plugin.abi != abi:
            sys.exit(f'gpu_search.py: {PLUGIN} has ABI {self.plugin.abi}')
        self.rows = ctypes.c_void_p()
        self.call('rows_open', ctypes.byref(self.rows), ctypes.c_int(0),
                  ctypes.c_size_t(most), ctypes.c_size_t(dim))

    def call(self, name, *args):
        err = Error()
        function = ctypes.CFUNCTYPE(ctypes.c_int)(getattr(self.plugin, name))
        function.argtypes = None
        status = function(*args, ctypes.byref(err))
        if status:
            raise RuntimeError(f'{name}: {status}: '
                               + err.message.decode(errors='replace'))

    def put(self, vectors):
        self.call('rows_put', self.rows, ctypes.c_size_t(len(vectors)),
                  address(vectors))

    def nearest(self, queries, k):
        """uint32 and float32 [queries, k], best first; float32 [queries]."""
        count = len(queries)
        place = np.empty((count, k), np.uint32)
        score = np.empty((count, k), np.float32)
        found, reach = np.zeros(count, np.uintp), np.empty(count, np.float32)
        self.call('rows_nearest', self.rows, address(queries),
                  ctypes.c_size_t(count), ctypes.c_size_t(k), None,
                  address(place), address(score), address(found),
                  address(reach))
        if (found != k).any():
            raise RuntimeError(f'found {found.min()} rows of {k}')
        return place, score, reach

    def close(self):
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.plugin.rows_close)(
            ctypes.byref(self.rows))


# ---------------------------------------------------------------- PyTorch --

def sync():
    if told.device == 'cuda':
        torch.cuda.synchronize()


class Peer:
    """matmul and topk over bf16 rows on the card."""

    def __init__(self, rows, queries, k):
        self.rows, self.k = rows, k
        self.queries = torch.from_numpy(queries).to(told.device).bfloat16()
        # 2 GB of scores at most
        self.step = max(min(len(rows), (1 << 30) // len(queries)), k)

    def run(self):
        best = []
        for at in range(0, len(self.rows), self.step):
            part = self.rows[at:at + self.step]
            score = self.queries @ part.T
            found = torch.topk(score, min(self.k, score.shape[1]), dim=1,
                               sorted=False)
            best.append((found.values, found.indices + at))
        if len(best) == 1:
            return best[0]
        score, place = (torch.cat(x, dim=1) for x in zip(*best))
        top = torch.topk(score, self.k, dim=1, sorted=False)
        return top.values, torch.gather(place, 1, top.indices)


# ----------------------------------------------------------------- making --

def units(rows, seed):
    g = torch.Generator(told.device).manual_seed(seed)
    x = torch.randn(rows, told.dim, generator=g, device=told.device)
    return x / x.norm(dim=1, keepdim=True)


def make(queries):
    """akin's rows, PyTorch's, and the places of the exact nearest of each
    query [queries, WANTED]."""
    mine = Rows(told.rows, told.dim)
    theirs = torch.empty(told.rows, told.dim, device=told.device,
                         dtype=torch.bfloat16)
    host = torch.empty(min(PIECE, told.rows), told.dim,
                       pin_memory=told.device == 'cuda')
    asked = torch.from_numpy(queries).to(told.device)
    best, took = [], 0
    for at in range(0, told.rows, PIECE):
        piece = units(min(PIECE, told.rows - at), at + 1)
        theirs[at:at + len(piece)] = piece
        found = torch.topk(asked @ piece.T, WANTED, dim=1)
        best.append((found.values, found.indices + at))
        host[:len(piece)].copy_(piece)
        sync()
        begin = time.perf_counter()
        mine.put(host[:len(piece)].numpy())
        took += time.perf_counter() - begin
    say(rows=told.rows, dim=told.dim, rows_put_a_second=told.rows / took)
    score, place = (torch.cat(x, dim=1) for x in zip(*best))
    top = torch.topk(score, WANTED, dim=1)
    return mine, theirs, torch.gather(place, 1, top.indices).cpu().numpy()


def seconds(run):
    sync()
    begin = time.perf_counter()
    run()
    sync()
    return time.perf_counter() - begin


def compare(mine, theirs, queries, exact):
    count, k = len(queries), told.k
    peer = Peer(theirs, queries, k)
    runs = {'akin': lambda: mine.nearest(queries, k), 'torch': peer.run}
    took = {who: [] for who in runs}
    for run in runs.values():
        run()
    for _ in range(told.rounds):
        for who, run in runs.items():
            took[who].append(seconds(run))
    place, score, reach = mine.nearest(queries, k)
    among = np.mean([len(set(e) & set(p.tolist())) / WANTED
                     for e, p in zip(exact.tolist(), place)])
    again, same, _ = mine.nearest(queries, k)
    steady = (np.sort(place) == np.sort(again)).all() and \
        (np.sort(score) == np.sort(same)).all()
    ratio = min(took['torch']) / min(took['akin'])
    say(queries=count, k=k, ratio=ratio, exact_among_them=among,
        reach=float(reach.max()), **{
            who: {'best_ms': 1e3 * min(t), 'median_ms':
                  1e3 * statistics.median(t)} for who, t in took.items()})
    for who, t in took.items():
        table.append((f'{told.rows:,} x {told.dim} bf16, {count:,} queries, '
                      f'best {k}: {who}', f'{1e3 * min(t):.2f}',
                      f'{1e3 * statistics.median(t):.2f}',
                      f'{2 * told.rows * told.dim / min(t) / 1e9:,.0f}'
                      if count == 1 else '',
                      f'{2 * told.rows * told.dim * count / min(t) / 1e12:.0f}'
                      if count > 1 else ''))
    aim(among == 1, f'{count} queries: {among:.2%} of the {WANTED} nearest by '
        f'float32 are among the {k} of bf16')
    aim(steady, f'{count} queries: the same answer twice')
    aim(ratio >= 1, f"{count} queries: {ratio:.2f} times as fast as PyTorch's "
        'matmul and topk')


# ------------------------------------------------------------------ index --

def asked(index, queries, how):
    """Lines of answers, and milliseconds of each search."""
    done = subprocess.run([MAKEINDEX, 'search', index, queries, str(told.dim),
                           str(WANTED), how], text=True, capture_output=True,
                          timeout=100)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return done.stdout.splitlines(), [
        float(line.split()[0]) for line in done.stderr.splitlines()
        if line.endswith(' ms')][1:]


def places(line):
    return line.split('\t')[::2]


def of_an_index():
    with tempfile.TemporaryDirectory(prefix='akin-gpu-',
                                     dir=memory_folder(4 << 30)) as home:
        raw, few, index = (os.path.join(home, n)
                           for n in ('raw', 'few', 'x.akin'))
        units(told.index, 5).cpu().numpy().tofile(raw)
        units(100, 6).cpu().numpy().tofile(few)
        subprocess.run([MAKEINDEX, 'make', index, raw, str(told.index),
                        str(told.dim)], check=True, timeout=200)
        os.remove(raw)
        card = 'card' if told.device == 'cuda' else 'usual'
        for how in (card, f'{card}-many') if told.device == 'cuda' else (card,):
            got, took = asked(index, few, how)
            want, other = asked(index, few, 'exact')
            say(index=told.index, how=how, median_ms=statistics.median(took),
                first_ms=took[0], exact_median_ms=statistics.median(other))
            aim([places(g) for g in got] == [places(w) for w in want],
                f'an index of {told.index:,}, {how}: the answers of float32')


def print_table():
    head = ('', 'ms, best', 'median', 'GB/s', 'TFLOP/s')
    for row in (head, ('---',) + ('--:',) * 4, *table):
        print('| ' + ' | '.join(row) + ' |', flush=True)


def stop(*_):
    """Out of time: what there is."""
    print_table()
    sys.exit(1)


def main():
    global told
    signal.signal(signal.SIGTERM, stop)
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--rows', type=int, default=10_000_000)
    options.add_argument('--dim', type=int, default=768)
    options.add_argument('--k', type=int, default=64)
    options.add_argument('--many', type=int, default=1000)
    options.add_argument('--rounds', type=int, default=7)
    options.add_argument('--index', type=int, default=200_000)
    options.add_argument('--device', choices=['cuda', 'cpu'], default='cuda')
    told = options.parse_args()
    if told.device == 'cuda' and not torch.cuda.is_available():
        sys.exit('gpu_search.py: no NVIDIA card is at hand')
    torch.backends.cuda.matmul.allow_tf32 = False
    with torch.inference_mode():
        queries = units(told.many, 0).cpu().numpy()
        mine, theirs, exact = make(queries)
        for count in (1, told.many):
            try:
                compare(mine, theirs, queries[:count], exact[:count])
            except Exception as why:
                aim(False, f'{count} queries: {type(why).__name__}: {why}')
        mine.close()
        del theirs
        if told.device == 'cuda':
            torch.cuda.empty_cache()
        if told.index:
            try:
                of_an_index()
            except Exception as why:
                aim(False, f'an index: {type(why).__name__}: {why}')
    print_table()


if __name__ == '__main__':
    main()
