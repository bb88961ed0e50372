#!/usr/bin/env python3
"""How the indexes of this folder were made, each by the akin of its time:

    make.py MAKEINDEX NAME      MAKEINDEX is build/tests/makeindex of that akin

writes NAME.akin and, when it is not there, queries.f32 and answers.json: what
any akin must find for them. Run from this folder.
"""
import json
import subprocess
import sys

import numpy as np

ROWS, QUERIES, DIM, BEST = 24, 4, 8, 10

random = np.random.default_rng(1)
rows = random.normal(size=(ROWS, DIM)).astype('<f4')
queries = random.normal(size=(QUERIES, DIM)).astype('<f4')
rows.tofile('rows.f32')
subprocess.run([sys.argv[1], 'make', sys.argv[2] + '.akin', 'rows.f32',
                str(ROWS), str(DIM)], check=True)
queries.tofile('queries.f32')
unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
cosines = unit(queries.astype('f8')) @ unit(rows.astype('f8')).T
answers = [[[f'{i}.jpg', round(float(line[i]), 6)]
            for i in np.argsort(-line)[:BEST]] for line in cosines]
with open('answers.json', 'w', encoding='utf-8') as f:
    json.dump(answers, f, indent=1)
