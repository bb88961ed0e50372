#!/usr/bin/env python3
"""CLIP's text tower in akin against ONNX Runtime, float32, in turns.

    text.py [--models FOLDER] [--seconds S] [--rounds N] [--json]

Captions of 8 to 12 words, from tokens in memory (ONNX Runtime) or from the text
itself (akin, which has no other way in) to vectors. ONNX Runtime gets them as
Python code has them, padded to 77 tokens, in the graph and batch at which it is
fastest; once one caption at a time as well, as a search has it. Each contender
is a process of its own with all processors. FOLDER holds a folder clip with its
tokenizer; random weights of the same shapes are as fast, and their tokenizer is
made from the shared test data.
"""
import argparse
import ctypes
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from places import BUILD, TOP, processor_name, weights

THREADS = len(os.sched_getaffinity(0))
CAPTIONS, LENGTH, MOMENT = 256, 77, 0.4
WORDS = '''a the of in on with two red small dog cat man woman child street
house tree river beach mountain old new green running sitting white under over
near bridge car boat table window light snow and at dark blue'''.split()


def captions():
    r = random.Random(1)
    return [' '.join(r.choices(WORDS, k=r.randint(8, 12)))
            for _ in range(CAPTIONS)]


def model_folder(models):
    """CLIP's weights with a tokenizer beside them."""
    folder = weights('clip', models)
    if not any(os.path.exists(os.path.join(folder, name))
               for name in ('tokenizer.json', 'vocab.json')):
        sys.path[:0] = [os.path.join(TOP, 'tests'), os.path.join(TOP, 'tools')]
        import tokens_test
        tokens_test.write_tokenizer(folder)
    return folder


# ------------------------------------------------------------- contenders --

class Akin:
    """Each thread has a session and takes captions, or one has them all."""

    def __init__(self, folder, work):
        from contender import Akin as C
        self.library = ctypes.CDLL(os.path.join(BUILD, 'libakin.so'))
        self.error, self.model = C.Error(), ctypes.c_void_p()
        options = C.ModelOptions(size=ctypes.sizeof(C.ModelOptions), tower=1)
        self.check(self.library.akin_model_open(
            ctypes.byref(self.model), folder.encode(), ctypes.byref(options),
            ctypes.byref(self.error)))
        self.library.akin_model_dim.argtypes = [ctypes.c_void_p]
        self.library.akin_embed_texts.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
            ctypes.c_void_p, ctypes.c_void_p]
        dim = self.library.akin_model_dim(self.model)
        self.texts = (ctypes.c_char_p * CAPTIONS)(
            *[c.encode() for c in captions()])
        self.vectors = np.zeros((CAPTIONS, dim), np.float32)
        self.sessions = [self.session() for _ in range(THREADS)]
        self.chosen = f'{THREADS} threads'
        self.embed(0, 0, CAPTIONS)

    def check(self, status):
        if status:
            raise RuntimeError(self.error.message.decode())

    def session(self):
        session = ctypes.c_void_p()
        self.check(self.library.akin_session_open(
            ctypes.byref(session), self.model, ctypes.byref(self.error)))
        return session

    def embed(self, thread, first, count):
        self.check(self.library.akin_embed_texts(
            self.sessions[thread],
            ctypes.byref(self.texts, first * ctypes.sizeof(ctypes.c_char_p)),
            count, self.vectors[first:].ctypes.data,
            ctypes.byref(self.error)))

    def many(self, seconds):
        done, end = [0] * THREADS, time.perf_counter() + seconds
        share = 32

        def work(thread):
            at = thread * share
            while time.perf_counter() < end:
                self.embed(thread, at % CAPTIONS, share)
                done[thread] += share
                at += THREADS * share
        begin = time.perf_counter()
        threads = [threading.Thread(target=work, args=(t,))
                   for t in range(THREADS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(done), time.perf_counter() - begin

    def one(self, seconds):
        done, begin = 0, time.perf_counter()
        while time.perf_counter() < begin + seconds:
            self.embed(0, done % CAPTIONS, 1)
            done += 1
        return done, time.perf_counter() - begin


class Onnxruntime:
    def __init__(self, folder, work):
        from contender import onnx_session
        padded = np.load(os.path.join(work, 'ids.npy'))
        self.inputs = {'ids': padded,
                       'ends': padded.argmax(1)[:, None].astype(np.int64)}
        self.sessions = [onnx_session(os.path.join(work, kind + '.onnx'))
                         for kind in ('plain', 'fused')]
        self.vectors = self.sessions[0].run(None, self.inputs)[0]
        best = {}
        for s, kind in enumerate(('plain', 'fused')):
            for batch in (1, 4, 8, 16, 32):
                done, took = self.run(s, batch, MOMENT)
                for way in ('one', 'many'):
                    if (way == 'many' or batch == 1) and \
                            done / took > best.get(way, (0,))[0]:
                        best[way] = done / took, s, batch, kind
        self.best = best
        self.chosen = f'{best["many"][3]}, batch {best["many"][2]}; ' \
                      f'one: {best["one"][3]}'

    def run(self, s, batch, seconds):
        done, begin = 0, time.perf_counter()
        while time.perf_counter() < begin + seconds:
            at = done % (CAPTIONS - batch + 1)
            self.sessions[s].run(None, {
                k: v[at:at + batch] for k, v in self.inputs.items()})
            done += batch
        return done, time.perf_counter() - begin

    def many(self, seconds):
        return self.run(self.best['many'][1], self.best['many'][2], seconds)

    def one(self, seconds):
        return self.run(self.best['one'][1], 1, seconds)


KINDS = {'akin': Akin, 'onnxruntime': Onnxruntime}


def contend(kind, folder, work):
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    peer = KINDS[kind](folder, work)
    np.save(os.path.join(work, kind + '.npy'), peer.vectors)
    print(json.dumps(peer.chosen), file=out, flush=True)
    for line in sys.stdin:
        way, seconds = line.split()
        done, took = getattr(peer, way)(float(seconds))
        print(json.dumps(done / took), file=out, flush=True)


# ------------------------------------------------------------------- turns --

class Contender:
    def __init__(self, kind, folder, work):
        self.process = subprocess.Popen(
            [sys.executable, __file__, '--contend', kind, folder, work],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rates = {'many': [], 'one': []}
        self.chosen = json.loads(self.process.stdout.readline())

    def turn(self, way, seconds):
        print(way, seconds, file=self.process.stdin, flush=True)
        self.rates[way].append(json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def write_inputs(folder, work):
    import graph
    texts = captions()
    lines = subprocess.run(
        [os.path.join(BUILD, 'cli', 'akin'), 'embed', '--model', folder,
         '--format', 'tokens', *(a for t in texts for a in ('--text', t))],
        capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line)['ids'] for line in lines]
    ids = np.array([r + r[-1:] * (LENGTH - len(r)) for r in rows], np.int64)
    np.save(os.path.join(work, 'ids.npy'), ids)
    for kind in ('plain', 'fused'):
        graph.write_text(folder, os.path.join(work, kind + '.onnx'),
                         kind == 'fused')
    return sum(len(r) for r in rows) / len(rows)


def measure(told):
    with tempfile.TemporaryDirectory() as work:
        folder = model_folder(told.models)
        tokens = write_inputs(folder, work)
        peers = {kind: Contender(kind, folder, work) for kind in KINDS}
        a, b = (np.load(os.path.join(work, kind + '.npy')) for kind in KINDS)
        off = np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)
        for _ in range(told.rounds):
            for way in ('many', 'one'):
                for peer in peers.values():
                    peer.turn(way, told.seconds)
        for peer in peers.values():
            peer.close()
    for way in ('many', 'one'):
        rates = {k: p.rates[way] for k, p in peers.items()}
        yield {'captions': way, 'tokens': round(tokens, 1),
               **{k: {'texts_per_second': round(max(r), 1),
                      'median': round(statistics.median(r), 1),
                      'settings': peers[k].chosen}
                  for k, r in rates.items()},
               'ratio': round(max(rates['akin']) / max(rates['onnxruntime']),
                              2),
               'median_ratio': round(statistics.median(
                   x / y for x, y in zip(*rates.values())), 2),
               'farthest': float(f'{off.max():.2g}')}


def show(row):
    print(f'captions {row["captions"]}, {row["tokens"]} tokens each on average')
    for kind in KINDS:
        print(f'  {kind:12} {row[kind]["texts_per_second"]:8} texts/s'
              f' (median {row[kind]["median"]}), {row[kind]["settings"]}')
    print(f'  akin is {row["ratio"]} times as fast (median of rounds '
          f'{row["median_ratio"]}); vectors differ by up to {row["farthest"]}')


def main():
    if sys.argv[1:2] == ['--contend']:
        return contend(*sys.argv[2:])
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--seconds', type=float, default=1)
    options.add_argument('--rounds', type=int, default=5)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    if not told.json:
        print(f'CLIP\'s text tower, f32, {THREADS} processors of '
              f'{processor_name()}')
    for row in measure(told):
        print(json.dumps(row)) if told.json else show(row)


if __name__ == '__main__':
    main()
