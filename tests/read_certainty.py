"""Read how certain an index's answers are, by docs/format.md alone."""
import os
import sqlite3
import struct
import zlib

import numpy


def read_certainty(folder, model):
    """What is kept of how certain answers are: truth, answers, right, and at,
    [2001] of float32."""
    db = sqlite3.connect(os.path.join(folder, 'catalog.db'))
    ordinal, dim, fingerprint = db.execute(
        'SELECT ordinal, dim, fingerprint FROM models WHERE name = ?',
        (model,)).fetchone()
    with open(os.path.join(folder, f'certainty-{ordinal}'), 'rb') as f:
        head, body, end = f.read(64), f.read(8220), f.read()
    assert head == struct.pack('<8s3I32s8xI', b'AKINCERT', 1, dim, 1,
                               bytes.fromhex(fingerprint), zlib.crc32(head[:60]))
    assert end == struct.pack('<I', zlib.crc32(body))
    answers, right, truth = struct.unpack('<QQ200s', body[:216])
    return {'truth': truth.rstrip(b'\0').decode(), 'answers': answers,
            'right': right, 'at': numpy.frombuffer(body[216:], '<f4')}
