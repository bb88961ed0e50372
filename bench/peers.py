#!/usr/bin/env python3
"""akin's networks against ONNX Runtime, OpenVINO and PyTorch, interleaved.

    peers.py [--model NAME]... [--models FOLDER] [--seconds S] [--rounds N]
             [--json]

NAME is clip, dinov2-base or dinov2-small; FOLDER holds folders of weights so
named. Where weights are not at hand, random ones of the same shapes are as
fast. Each contender is a process of its own (contender.py), open all the time,
with all processors and the batch and settings at which it is fastest; each
round gives each of them S seconds, one after another, so that all see the same
minutes of the machine. Measured is from ready pixels in memory to vectors. The
least cosine of their vectors to those of transformers shows that they compute
the same.
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

from places import MODELS, TOP, processor_name, weights

CONTENDERS = {'f32': ['akin', 'onnxruntime', 'openvino', 'torch'],
              'bf16': ['akin', 'openvino'],
              'int8': ['akin', 'onnxruntime']}
PRECISIONS = {'clip': ['f32', 'bf16', 'int8'], 'dinov2-base': ['f32', 'int8'],
              'dinov2-small': ['f32']}


class Contender:
    """A process of contender.py."""

    def __init__(self, kind, precision, model, work):
        self.kind, self.precision, self.rates = kind, precision, []
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(TOP, 'bench', 'contender.py'), kind,
             precision, model, work], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.about = json.loads(line) if line else {'absent': 'it broke down'}

    def turn(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        done = json.loads(self.process.stdout.readline())
        self.rates.append(done['images'] / done['seconds'])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def result(self):
        found = {'contender': self.kind, **self.about}
        if self.rates:
            found.update(best=max(self.rates),
                         median=statistics.median(self.rates))
        return found


def prepare(model, work):
    """What the contenders find in `work`; in a process that ends, for its
    memory and its threads."""
    import torch
    import graph
    for kind in ('plain', 'fused'):
        graph.write(model, os.path.join(work, kind + '.onnx'), kind == 'fused')
    pixels = np.random.default_rng(1).standard_normal(
        (8, 3, 224, 224)).astype(np.float32)
    with torch.inference_mode():
        vectors = graph.vectors(graph.load(model), torch.from_numpy(pixels))
    np.save(os.path.join(work, 'pixels.npy'), pixels)
    np.save(os.path.join(work, 'vectors.npy'), vectors.numpy())


def compare(model, precision, contenders):
    """One row of the figures."""
    found = [c.result() for c in contenders if c.precision == precision]
    ran = [f for f in found if 'best' in f]
    row = {'model': model, 'precision': precision, 'contenders': found,
           'best_peer': None, 'ratio': None, 'ratio_of_medians': None}
    peers = [f for f in ran if f['contender'] != 'akin']
    if peers and len(peers) < len(ran):
        akin, best = ran[0], max(peers, key=lambda f: f['best'])
        row.update(best_peer=best['contender'],
                   ratio=akin['best'] / best['best'],
                   ratio_of_medians=akin['median'] / max(
                       f['median'] for f in peers))
    return row


def show(row):
    print(f"\n{row['model']} {row['precision']}, images/s from pixels")
    for c in row['contenders']:
        name = f"  {c['contender']} {c.get('version', '')}"
        if 'absent' in c:
            print(f"{name:24}absent: {c['absent']}")
            continue
        cosine = '' if c['cosine'] is None else f", cosine {c['cosine']:.6f}"
        print(f"{name:24}best {c['best']:7.1f}  median {c['median']:7.1f}  "
              f"({c['settings']}{cosine})")
    if row['ratio']:
        print(f"  akin / {row['best_peer']}: {row['ratio']:.2f} "
              f"(of medians {row['ratio_of_medians']:.2f})", flush=True)


def measure(name, folder, told):
    """Rows of all precisions of one model."""
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, __file__, '--prepare', folder, work],
                       check=True, stderr=subprocess.DEVNULL)
        contenders = [Contender(kind, precision, folder, work)
                      for precision in PRECISIONS[name]
                      for kind in CONTENDERS[precision]]
        ready = [c for c in contenders if 'absent' not in c.about]
        for _ in range(told.rounds):
            for c in ready:
                c.turn(told.seconds)
                time.sleep(0.1)  # for its threads to fall asleep
        for c in contenders:
            c.close()
    return [compare(name, p, contenders) for p in PRECISIONS[name]]


def main():
    if len(sys.argv) == 4 and sys.argv[1] == '--prepare':
        return prepare(*sys.argv[2:])
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--model', action='append', choices=list(MODELS))
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--seconds', type=float, default=1.5)
    options.add_argument('--rounds', type=int, default=4)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    os.environ.setdefault('BENCH_MOMENT', str(min(0.4, told.seconds)))
    if not told.json:
        print(f'{processor_name()}, {len(os.sched_getaffinity(0))} processors, '
              f'{told.rounds} rounds of {told.seconds} s')
    for name in told.model or MODELS:
        for row in measure(name, weights(name, told.models), told):
            if told.json:
                print(json.dumps(row), flush=True)
            else:
                show(row)


if __name__ == '__main__':
    main()
