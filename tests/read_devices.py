"""Read where an index's vectors were made, by docs/format.md alone."""
import os
import sqlite3
import struct
import zlib


def read_devices(folder, model):
    """Where the model's vectors were made."""
    db = sqlite3.connect(os.path.join(folder, 'catalog.db'))
    ordinal, dim, fingerprint = db.execute(
        'SELECT ordinal, dim, fingerprint FROM models WHERE name = ?',
        (model,)).fetchone()
    path = os.path.join(folder, f'devices-{ordinal}')
    if not os.path.exists(path):
        return ['cpu']
    with open(path, 'rb') as f:
        head = f.read()
    made, = struct.unpack_from('<I', head, 16)
    assert head == struct.pack('<8s3I32s8xI', b'AKINDEVS', 1, dim, made,
                               bytes.fromhex(fingerprint), zlib.crc32(head[:60]))
    return [['cpu'], ['cuda'], ['cpu', 'cuda']][made - 1]
