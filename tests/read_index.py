"""Read an index without akin, by docs/format.md alone."""
import os
import sqlite3
import struct
import zlib


def check_pages(catalog):
    with open(catalog, 'rb') as f:
        for number, page in enumerate(iter(lambda: f.read(4096), b''), 1):
            check = struct.unpack('<I', page[4092:])[0]
            assert check == zlib.crc32(page[:4092]) ^ number, number


def read_index(folder, model):
    """Yield each file's path and vector, in order of path."""
    folder = os.fsencode(os.path.realpath(folder))
    check_pages(folder + b'/catalog.db')
    db = sqlite3.connect(folder + b'/catalog.db')
    assert db.execute('PRAGMA application_id').fetchone() == (0x616b696e,)
    assert db.execute('PRAGMA user_version').fetchone() in ((1,), (2,))
    ordinal, dim, rows, fingerprint = db.execute(
        'SELECT ordinal, dim, rows, fingerprint FROM models WHERE name = ?',
        (model,)).fetchone()
    with open(folder + b'/rows-%d.f32' % ordinal, 'rb') as f:
        head, data = f.read(64), f.read(rows * dim * 4)
    assert head == struct.pack('<8s3I32s8xI', b'AKINROWS', 1, dim, 1,
                               bytes.fromhex(fingerprint), zlib.crc32(head[:60]))
    for path, row, crc in db.execute(
            'SELECT path, row, crc FROM files JOIN rows ON file = id '
            'WHERE model = ? ORDER BY path', (ordinal,)):
        vector = data[row * dim * 4:(row + 1) * dim * 4]
        assert zlib.crc32(vector) == crc, path
        yield (os.path.join(os.path.dirname(folder), path),
               struct.unpack(f'<{dim}f', vector))
