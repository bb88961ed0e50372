#!/usr/bin/env python3
"""What others make of an index: FAISS, numpy, JSON, and a reader of 40 lines."""
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import read_index
from support import BUILD

try:
    import faiss
    import numpy as np
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; ./run test brings what is needed')

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')
ROWS, DIM, QUERIES, K = 3000, 96, 25, 10


def makeindex(*args, code=0):
    done = subprocess.run([MAKEINDEX, *map(str, args)], capture_output=True,
                          text=True)
    assert done.returncode == code, done.stderr
    return done


def search(index, queries, dim, k):
    """For each query the file numbers and the cosines that akin answers."""
    with tempfile.NamedTemporaryFile() as raw:
        queries.astype('<f4').tofile(raw.name)
        lines = makeindex('search', index, raw.name, dim, k).stdout.split('\n')
    cells = [line.split('\t') for line in lines if line]
    names = [[int(os.path.basename(p)[:-4]) for p in c[0::2]] for c in cells]
    return np.array(names), np.array([c[1::2] for c in cells], dtype=float)


class Exchange(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix='akin-exchange-')
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.index = os.path.join(cls.home, 'x.akin')
        random = np.random.default_rng(20240229)
        cls.vectors = random.standard_normal((ROWS, DIM), dtype=np.float32)
        cls.vectors *= random.uniform(1e-3, 1e3, (ROWS, 1)).astype('f4')
        cls.queries = random.standard_normal((QUERIES, DIM), dtype=np.float32)
        raw = os.path.join(cls.home, 'raw')
        cls.vectors.tofile(raw)
        makeindex('make', cls.index, raw, ROWS, DIM)
        wide = cls.vectors.astype('f8')
        cls.unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        # Exports are in order of path, which is not that of the numbers.
        cls.order = sorted(range(ROWS), key=lambda n: f'{n}.jpg')

    def export(self, form):
        file = os.path.join(self.home, f'out.{form}')
        makeindex('export', self.index, form, file)
        return file

    def names_beside(self, file):
        with open(file + '.paths') as f:
            paths = f.read().split('\n')
        self.assertEqual(paths.pop(), '')
        self.assertEqual(paths, [os.path.join(self.home, f'{n}.jpg')
                                 for n in self.order])

    def test_search_gives_the_cosines_of_numpy_in_float64(self):
        found, cosines = search(self.index, self.queries, DIM, K)
        wide = self.queries.astype('f8')
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        true = wide @ self.unit.T
        best = np.argsort(-true, axis=1)[:, :K]
        np.testing.assert_array_equal(found, best)
        worst = np.abs(cosines - np.take_along_axis(true, best, 1)).max()
        self.assertLess(worst, 1e-6)

    def test_rows_closer_than_float_can_tell_are_in_true_order(self):
        random = np.random.default_rng(7)
        query = random.standard_normal(DIM)
        noise = random.standard_normal((ROWS, DIM))
        vectors = (query + 1e-3 * noise).astype('f4')
        folder = tempfile.mkdtemp(dir=self.home)
        vectors.tofile(f'{folder}/raw')
        makeindex('make', f'{folder}/x.akin', f'{folder}/raw', ROWS, DIM)
        makeindex('export', f'{folder}/x.akin', 'npy', f'{folder}/out')
        stored = np.load(f'{folder}/out').astype('f8')
        query = query.astype('f4').astype('f8')
        true = stored @ query / np.linalg.norm(query)
        true /= np.linalg.norm(stored, axis=1)
        best = [self.order[n] for n in np.argsort(-true)[:200]]
        found, _ = search(f'{folder}/x.akin', query[None], DIM, 200)
        self.assertEqual(found[0].tolist(), best)

    def test_faiss_reads_the_export_and_finds_the_same_neighbours(self):
        file = self.export('faiss')
        index = faiss.read_index(file)
        self.assertIsInstance(index, faiss.IndexFlatL2)
        self.assertEqual((index.ntotal, index.d), (ROWS, DIM))
        self.names_beside(file)
        unit = self.queries / np.linalg.norm(self.queries, axis=1,
                                             keepdims=True)
        _, theirs = index.search(unit.astype('f4'), K)
        ours, _ = search(self.index, self.queries, DIM, K)
        np.testing.assert_array_equal(np.array(self.order)[theirs], ours)

    def test_each_faiss_export_is_what_faiss_writes_itself(self):
        rows = np.load(self.export('npy'))
        for form, flat, ids in (
                ('faiss', faiss.IndexFlatL2, None),
                ('faiss-ip', faiss.IndexFlatIP, None),
                ('faiss-idmap', faiss.IndexFlatL2, self.ids()),
                ('faiss-ip-idmap', faiss.IndexFlatIP, self.ids())):
            with self.subTest(form=form):
                index = flat(DIM)
                if ids is None:
                    index.add(rows)
                else:
                    index = faiss.IndexIDMap(index)
                    index.add_with_ids(rows, ids)
                theirs = os.path.join(self.home, 'theirs.faiss')
                faiss.write_index(index, theirs)
                file = self.export(form)
                self.names_beside(file)
                with open(file, 'rb') as a, open(theirs, 'rb') as b:
                    self.assertEqual(a.read(), b.read())

    def ids(self):
        """The catalog's id of each row's file, in order of path."""
        with sqlite3.connect(f'file:{self.index}/catalog.db?mode=ro',
                             uri=True) as db:
            found = dict(db.execute('SELECT path, id FROM files'))
        return np.array([found[b'%d.jpg' % n] for n in self.order])

    def test_the_ids_of_an_idmap_lead_to_the_paths(self):
        file = self.export('faiss-idmap')
        with open(file + '.ids.csv', newline='') as f:
            lines = list(csv.reader(f))
        self.assertEqual(lines[0], ['id', 'path'])
        path_of = {int(i): path for i, path in lines[1:]}
        _, found = faiss.read_index(file).search(
            (self.queries / np.linalg.norm(self.queries, axis=1,
                                           keepdims=True)).astype('f4'), K)
        ours, _ = search(self.index, self.queries, DIM, K)
        self.assertEqual([[path_of[i] for i in row] for row in found],
                         [[os.path.join(self.home, f'{n}.jpg') for n in row]
                          for row in ours])

    def test_csv_gives_the_same_floats_back(self):
        rows = np.load(self.export('npy'))
        with open(self.export('csv'), newline='') as f:
            lines = list(csv.reader(f))
        self.assertEqual(lines[0], ['path'] + [f'v{i}' for i in range(DIM)])
        self.assertEqual([line[0] for line in lines[1:]],
                         [os.path.join(self.home, f'{n}.jpg')
                          for n in self.order])
        read = np.array([line[1:] for line in lines[1:]]).astype('f4')
        np.testing.assert_array_equal(read, rows)

    def test_numpy_reads_the_export_as_rows_of_length_one(self):
        file = self.export('npy')
        rows = np.load(file)
        self.assertEqual((rows.dtype, rows.shape), (np.float32, (ROWS, DIM)))
        self.names_beside(file)
        self.assertLess(np.abs(rows - self.unit[self.order]).max(), 1e-7)

    def test_json_lines_give_the_same_floats_back(self):
        rows = np.load(self.export('npy'))
        with open(self.export('jsonl')) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(list(lines[0]), ['path', 'model', 'dim', 'vector'])
        self.assertEqual([line['path'] for line in lines],
                         [os.path.join(self.home, f'{n}.jpg')
                          for n in self.order])
        read = np.array([line['vector'] for line in lines]).astype('f4')
        np.testing.assert_array_equal(read, rows)

    def test_a_reader_of_40_lines_gets_the_same_rows(self):
        with open(read_index.__file__) as f:
            self.assertLessEqual(f.read().count('\n'), 40)
        rows = np.load(self.export('npy'))
        paths, read = zip(*read_index.read_index(self.index, 'made'))
        self.assertEqual([os.fsdecode(p) for p in paths],
                         [os.path.join(self.home, f'{n}.jpg')
                          for n in self.order])
        np.testing.assert_array_equal(np.array(read, dtype='f4'), rows)

    def test_few_rows_and_odd_dimensions_are_exported_too(self):
        for dim in (1, 15, 17, 511):
            with self.subTest(dim=dim):
                folder = tempfile.mkdtemp(dir=self.home)
                raw, index = f'{folder}/raw', f'{folder}/x.akin'
                vectors = self.vectors.ravel()[:2 * dim]
                vectors.tofile(raw)
                makeindex('make', index, raw, 2, dim)
                makeindex('export', index, 'faiss', f'{folder}/out')
                read = faiss.read_index(f'{folder}/out')
                self.assertEqual((read.ntotal, read.d), (2, dim))
                found, _ = search(index, vectors.reshape(2, dim), dim, 1)
                if dim > 1:
                    self.assertEqual(found.ravel().tolist(), [0, 1])


if __name__ == '__main__':
    unittest.main()
