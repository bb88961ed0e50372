#!/usr/bin/env python3
"""Vectors that others made: FAISS's files, NumPy's, Python's, into an index.

The vectors are those of the numpy reference, the files are written by faiss
and numpy, and what is wrong with them is made by hand.
"""
import csv
import io
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

import reference_vectors
import support
from cli_case import CLIP, DINO, Case

try:
    import faiss
    import numpy as np
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; ./run test brings what is needed')

NAMES = sorted(os.path.basename(p) for p in support.pictures())


def reference(model):
    """float32 [pictures, dim], of length one, in order of NAMES."""
    folder = os.path.dirname(support.pictures()[0])
    rows = np.array([reference_vectors.vector(model, os.path.join(folder, n))
                     for n in NAMES])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype('f4')


class Import(Case):
    @classmethod
    def setUpClass(cls):
        cls.rows = reference(CLIP)
        cls.dim = cls.rows.shape[1]

    def setUp(self):
        super().setUp()
        self.list_as('clip.index.paths', [f'photos/{n}' for n in NAMES])

    def list_as(self, name, paths, end='\n'):
        self.write(name, os.fsencode(end.join(paths) + end))

    def faiss_file(self, rows, flat=faiss.IndexFlatL2, name='clip.index',
                   ids=None, idmap=faiss.IndexIDMap):
        index = flat(rows.shape[1])
        if ids is None:
            index.add(rows)
        else:
            index = idmap(index)
            index.add_with_ids(rows, np.array(ids))
        faiss.write_index(index, self.path(name))
        return name

    def bring(self, name='clip.index', *args, **more):
        return self.json('import', name, '-i', 'x.akin', '--model', CLIP,
                         *args, **more)

    def refuse(self, name, *args, code=3):
        """What is said; no index is made."""
        said = self.akin('import', name, '-i', 'x.akin', '--model', CLIP,
                         *args, code=code).stderr
        self.assertFalse(os.path.exists(self.path('x.akin')))
        return said

    def exported(self, index='x.akin', model='tiny-clip'):
        """Base name of each file and its row, as numpy reads the export."""
        self.akin('export', index, '--model', model, '--format', 'npy', '-o',
                  self.path('out.npy'))
        with open(self.path('out.npy.paths')) as f:
            names = [os.path.basename(line) for line in f.read().split('\n')]
        return names[:-1], np.load(self.path('out.npy'))

    def check_rows(self):
        names, rows = self.exported()
        self.assertEqual(names, NAMES)
        self.assertLess(np.abs(rows - self.rows).max(), 1e-3)

    # ------------------------------------------------------- an article's --

    def test_an_articles_index_is_searched_by_a_picture(self):
        os.mkdir(self.path('x.akin'))  # begun and not finished: it is made
        said = self.bring(self.faiss_file(self.rows))
        self.assertEqual((said['rows'], said['added'], said['missing']),
                         (6, 6, 0))
        self.assertEqual(said['compared'], 5)
        self.assertGreater(said['cosine_min'], 0.99999)
        answers = self.json('search', 'photos/tall.jpg', '-i', 'x.akin')
        first = answers['models'][0]['results'][0]
        self.assertEqual(first['path'], 'photos/tall.jpg')
        self.assertGreater(first['cosine'], 0.99999)

    def test_files_that_are_not_there_are_found_too(self):
        shutil.move(self.photos, self.path('away'))
        done = self.akin('import', self.faiss_file(self.rows), '-i', 'x.akin',
                         '--model', CLIP)
        self.assertIn('nobody has checked', done.stderr)
        answers = self.json('search', 'away/grey.png', '-i', 'x.akin')
        self.assertEqual(answers['models'][0]['results'][0]['path'],
                         'photos/grey.png')

    def test_search_answers_as_faiss_does(self):
        random = np.random.default_rng(3)
        rows = random.standard_normal((500, self.dim)).astype('f4')
        rows[:6] = self.rows
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self.list_as('clip.index.paths', [f'photos/{n}' for n in NAMES]
                     + [f'gone/{n}.jpg' for n in range(494)])
        self.bring(self.faiss_file(rows))
        _, found = faiss.read_index(self.path('clip.index')).search(
            self.rows[:1], 20)
        answers = self.json('search', f'photos/{NAMES[0]}', '-i', 'x.akin',
                            '-k', '20')['models'][0]['results']
        with open(self.path('clip.index.paths')) as f:
            paths = f.read().split('\n')
        self.assertEqual([a['path'] for a in answers],
                         [paths[n] for n in found[0]])

    # ------------------------------------------------------------ formats --

    def test_each_kind_of_file_gives_the_same_rows(self):
        half = io.BytesIO()
        np.lib.format.write_array(half, self.rows.astype('f2'), version=(2, 0))
        self.write('half.npy', half.getvalue())
        np.save(self.path('single.npy'), 17 * self.rows)
        np.save(self.path('double.npy'), self.rows.astype('f8'))
        with open(self.path('rows.csv'), 'w', newline='') as f:
            writer = csv.writer(f)
            writer.writerow(['path', *range(self.dim)])
            for name, row in zip(NAMES, self.rows):
                writer.writerow([f'photos/{name}', *map(float, row)])
        with open(self.path('rows.jsonl'), 'w') as f:
            for name, row in zip(NAMES, self.rows):
                f.write(json.dumps({'path': f'photos/{name}',
                                    'vector': row.tolist()}) + '\n')
        self.list_as('list', [self.photo(n) for n in NAMES])
        ids = [40, 7, 9, 3, 12, 2]
        for name in (
                self.faiss_file(self.rows, faiss.IndexFlatIP, 'ip'),
                self.faiss_file(self.rows, name='map', ids=ids),
                self.faiss_file(self.rows, faiss.IndexFlatIP, 'map2', ids,
                                faiss.IndexIDMap2),
                'half.npy', 'single.npy', 'double.npy', 'rows.csv',
                'rows.jsonl'):
            with self.subTest(name=name):
                listed = [] if name.startswith('rows') else ['--paths', 'list']
                self.bring(name, *listed)
                self.check_rows()
                shutil.rmtree(self.path('x.akin'))

    def test_every_export_comes_back_bit_for_bit(self):
        odd = 'a, "b" \u00e9\r.png'
        shutil.copy(self.photo('grey.png'), self.photo(odd))
        shutil.copy(self.photo('wide.jpg'),
                    os.fsencode(self.photo('c')) + b'\xff.jpg')
        self.json('index', 'photos', '-i', 'one.akin', '--model', CLIP)
        for form in ('faiss', 'faiss-ip', 'faiss-idmap', 'faiss-ip-idmap',
                     'npy', 'jsonl', 'csv'):
            with self.subTest(form=form):
                out = self.path('out.' + form)
                self.akin('export', 'one.akin', '--format', form, '-o', out)
                self.bring(out)
                self.akin('export', 'x.akin', '--format', form, '-o',
                          out + '.again')
                with open(out, 'rb') as a, open(out + '.again', 'rb') as b:
                    first, again = a.read(), b.read()
                if 'idmap' in form:  # another index has other ids
                    first, again = first[:-8 * 8], again[:-8 * 8]
                self.assertEqual(first, again)
                if form not in ('jsonl', 'csv'):
                    with open(out + '.paths', 'rb') as a, \
                            open(out + '.again.paths', 'rb') as b:
                        self.assertEqual(a.read(), b.read())
                shutil.rmtree(self.path('x.akin'))

    def test_a_newline_in_a_path_goes_through_csv_and_jsonl(self):
        os.rename(self.photo('grey.png'), self.photo('gr\ney.png'))
        self.json('index', 'photos', '-i', 'one.akin', '--model', CLIP)
        for form in ('csv', 'jsonl'):
            with self.subTest(form=form):
                out = self.path('out.' + form)
                self.akin('export', 'one.akin', '--format', form, '-o', out)
                self.assertEqual(self.bring(out)['missing'], 0)
                shutil.rmtree(self.path('x.akin'))

    def test_the_list_may_come_from_windows(self):
        self.list_as('clip.index.paths',
                     ['\ufeffphotos/' + NAMES[0]]
                     + [f'photos/{n}' for n in NAMES[1:]], '\r\n')
        self.assertEqual(self.bring(self.faiss_file(self.rows))['missing'], 0)

    def test_relative_paths_begin_at_the_list_or_at_root(self):
        os.mkdir(self.path('lists'))
        self.faiss_file(self.rows)
        self.list_as('lists/l', [f'../photos/{n}' for n in NAMES])
        self.assertEqual(self.bring('clip.index', '--paths', 'lists/l')
                         ['missing'], 0)
        self.list_as('lists/l', NAMES)
        self.assertEqual(self.bring('clip.index', '--paths', 'lists/l',
                                    '--root', 'photos')['unchanged'], 6)

    # ---------------------------------------------------- afterwards ------

    def test_importing_again_changes_nothing(self):
        self.bring(self.faiss_file(self.rows))
        before = os.path.getsize(self.path('x.akin/rows-0.f32'))
        self.assertEqual(self.bring()['unchanged'], 6)
        self.assertEqual(os.path.getsize(self.path('x.akin/rows-0.f32')),
                         before)

    def test_indexing_keeps_what_was_imported_and_looks_once(self):
        self.bring(self.faiss_file(self.rows))
        _, before = self.exported()
        first = self.json('index', 'photos', '-i', 'x.akin')
        self.assertEqual((first['added'], first['updated'],
                          first['models'][0]['images']), (0, 0, 0))
        _, after = self.exported()
        np.testing.assert_array_equal(after, before)

    def test_indexing_embeds_what_changed_since(self):
        self.bring(self.faiss_file(self.rows))
        shutil.copy(self.photo('wide.jpg'), self.photo('tall.jpg'))
        shutil.copy(self.photo('grey.png'), self.photo('new.png'))
        os.rename(self.photo('small.png'), self.photo('moved.png'))
        said = self.json('index', 'photos', '-i', 'x.akin')
        self.assertEqual((said['added'], said['updated'], said['renamed'],
                          said['removed'], said['models'][0]['images']),
                         (1, 1, 1, 0, 0))

    def test_a_second_model_joins_the_first(self):
        self.bring(self.faiss_file(self.rows))
        rows = reference(DINO)
        self.faiss_file(rows, name='dino.index')
        shutil.copy(self.path('clip.index.paths'),
                    self.path('dino.index.paths'))
        said = self.json('import', 'dino.index', '-i', 'x.akin', '--model',
                         DINO)
        self.assertEqual((said['added'], said['updated']), (0, 6))
        self.check_rows()
        _, dino = self.exported(model='tiny-dinov2')
        self.assertLess(np.abs(dino - rows).max(), 1e-6)

    def test_pictures_that_were_not_there_are_no_copies_of_each_other(self):
        self.list_as('clip.index.paths', [f'gone/{n}' for n in NAMES])
        self.bring(self.faiss_file(self.rows))
        self.assertEqual(self.json('dups', '-i', 'x.akin', code=None)
                         ['groups'], [])

    def test_verify_finds_an_import_whole(self):
        self.bring(self.faiss_file(self.rows))
        shutil.rmtree(self.photos)
        self.list_as('clip.index.paths', [f'gone/{n}' for n in NAMES])
        self.bring()
        self.assertIn('whole', self.akin('verify', 'x.akin').stdout)

    def test_an_import_that_is_killed_goes_on_and_ends_the_same(self):
        random = np.random.default_rng(9)
        rows = random.standard_normal((60000, self.dim)).astype('f4')
        self.faiss_file(rows)
        self.list_as('clip.index.paths', [f'g/{n}.jpg' for n in range(60000)])
        run = [support.AKIN, 'import', 'clip.index', '-i', 'x.akin',
               '--model', CLIP]
        db = self.path('x.akin', 'rows-0.f32')
        stopped = subprocess.Popen(run, cwd=self.folder,
                                   stderr=subprocess.DEVNULL)
        while stopped.poll() is None and not (
                os.path.exists(db) and os.path.getsize(db) > 4 * 1000 ** 2):
            time.sleep(0.005)
        stopped.send_signal(signal.SIGKILL)
        self.assertEqual(stopped.wait(), -signal.SIGKILL)
        self.assertIn('whole', self.akin('verify', 'x.akin').stdout)
        said = self.bring()
        self.assertGreaterEqual(said['unchanged'], 10000)
        self.assertEqual(said['unchanged'] + said['added'], 60000)
        _, found = self.exported()
        np.testing.assert_allclose(
            found[:1], rows[:1] / np.linalg.norm(rows[:1]), atol=1e-6)

    # ------------------------------------------- made differently ----------

    def test_rows_in_another_order_are_refused(self):
        said = self.refuse(self.faiss_file(self.rows[::-1].copy()), code=4)
        self.assertIn('the order of the rows', said)

    def test_pictures_that_others_did_not_turn_are_refused(self):
        image = support.PIL.Image.fromarray(support.drawing(400, 300, 8))
        exif = support.PIL.Image.Exif()
        exif[0x0112] = 6
        image.save(self.photo('turned.jpg'), exif=exif, quality=95)
        image.save(self.path('flat.png'))
        stored = self.path('stored.jpg')
        support.PIL.Image.open(self.photo('turned.jpg')).save(stored,
                                                              quality=100)
        row = reference_vectors.vector(CLIP, stored)
        rows = np.vstack([self.rows, row / np.linalg.norm(row)]).astype('f4')
        self.list_as('clip.index.paths', [f'photos/{n}' for n in NAMES]
                     + ['photos/turned.jpg'])
        said = self.refuse(self.faiss_file(rows), code=4)
        self.assertRegex(said, r'turned\.jpg: .*cosine of 0\.\d+ .*--exif off')
        self.assertEqual(self.bring('clip.index', '--exif', 'off')['added'], 7)

    def test_vectors_of_another_length_are_refused(self):
        said = self.refuse(self.faiss_file(reference(DINO)), code=4)
        self.assertIn('vectors of 64 numbers, tiny-clip makes 32', said)

    def test_an_index_that_is_there_keeps_its_settings(self):
        self.bring(self.faiss_file(self.rows))
        said = self.akin('import', 'clip.index', '-i', 'x.akin', '--model',
                         CLIP, '--exif', 'off', code=2).stderr
        self.assertIn('--exif on', said)

    # ----------------------------------------------------- what is wrong ---

    def test_the_numbers_of_rows_and_paths_are_named(self):
        self.faiss_file(self.rows)
        for count in (4, 9):
            self.list_as('clip.index.paths', (3 * NAMES)[:count])
            self.assertIn(f'has 6 rows, clip.index.paths names {count} files',
                          self.refuse('clip.index'))

    def test_a_missing_list_is_asked_for(self):
        self.faiss_file(self.rows, name='other')
        self.assertRegex(self.refuse('other'), r'other\.paths: .*--paths')

    def test_a_row_without_direction_is_named(self):
        for value, what in ((np.nan, 'not finite'), (np.inf, 'not finite'),
                            (0, 'all zeros')):
            rows = self.rows.copy()
            rows[4] = value
            self.assertRegex(self.refuse(self.faiss_file(rows)),
                             f'row 4 .*{what}')
        wide = self.rows.astype('f8')
        wide[2, 3] = 1e300
        np.save(self.path('wide.npy'), wide)
        self.assertRegex(self.refuse('wide.npy', '--paths',
                                     'clip.index.paths'), 'row 2 .*not finite')

    def test_other_kinds_of_index_are_named(self):
        for factory, metric, what in (
                ('HNSW8,Flat', faiss.METRIC_L2, 'IHNf, an HNSW graph'),
                ('IVF1,Flat', faiss.METRIC_L2, 'IwFl, an inverted-file'),
                ('SQ8', faiss.METRIC_L2, 'IxSQ'),
                ('RR8,Flat', faiss.METRIC_L2, 'IxPT'),
                ('LSH', faiss.METRIC_L2, 'IxHe'),
                ('Flat', faiss.METRIC_L1, 'IxFl, .*another metric'),
                ('IDMap,SQ8', faiss.METRIC_L2, 'IxSQ')):
            with self.subTest(factory=factory):
                index = faiss.index_factory(self.dim, factory, metric)
                index.train(self.rows)
                faiss.write_index(index, self.path('clip.index'))
                self.assertRegex(self.refuse('clip.index'), what)

    def test_files_of_other_machines_and_kinds_are_named(self):
        with open(self.path(self.faiss_file(self.rows)), 'rb') as f:
            whole = f.read()
        np.savez(self.path('z.npz'), self.rows)
        np.save(self.path('big.npy'), self.rows.astype('>f4'))
        np.save(self.path('fortran.npy'), np.asfortranarray(self.rows))
        np.save(self.path('flat.npy'), self.rows.ravel())
        np.save(self.path('int.npy'), self.rows.astype('i4'))
        np.save(self.path('text.npy'), np.array([['a', 'b']]))
        with open(self.path('z.npz'), 'rb') as f:
            zipped = f.read()
        for name, data, what in (
                ('big', b'2FxI' + whole[4:], 'big-endian'),
                ('lfs', b'version https://git-lfs.github.com/spec/v1\noid '
                 b'sha256:00\nsize 12\n', 'git-lfs pointer'),
                ('zip', zipped, 'zip'),
                ('empty', b'', 'is empty'),
                ('words', b'some words\n', 'begins with "some words'),
                ('cut', whole[:-1], 'cut short'),
                ('head', whole[:30], 'cut short'),
                ('more', whole + b'x', '1 bytes behind its rows')):
            with self.subTest(name=name):
                self.assertRegex(self.refuse(self.write(name, data)), what)
        for name, what in (('big.npy', 'big-endian'), ('int.npy', '<i4'),
                           ('fortran.npy', "Fortran's"), ('text.npy', '<U1'),
                           ('flat.npy', '1 dimensions')):
            with self.subTest(name=name):
                self.assertRegex(self.refuse(name), what)
        self.assertIn('is a folder', self.refuse('photos'))
        self.assertIn('nothing', self.refuse('nothing'))

    def test_ids_that_are_lines_in_another_order_are_refused(self):
        self.assertIn('another order than the rows', self.refuse(
            self.faiss_file(self.rows, ids=[1, 0, 2, 3, 4, 5])))
        self.assertEqual(self.bring(self.faiss_file(
            self.rows, ids=range(6)))['added'], 6)

    def test_a_huge_promise_takes_no_memory(self):
        with open(self.path(self.faiss_file(self.rows)), 'rb') as f:
            whole = f.read()
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS,
                                           (1 << 30, 1 << 30))
        if support.option('b_sanitize') != 'none':
            limit = None  # a sanitizer reserves terabytes
        for rows in (2 ** 40, 2 ** 62, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1):
            for floats in (rows * self.dim % 2 ** 64, 6 * self.dim):
                self.write('clip.index', whole[:8] + struct.pack('<Q', rows)
                           + whole[16:37] + struct.pack('<Q', floats)
                           + whole[45:])
                done = self.akin('import', 'clip.index', '-i', 'x.akin',
                                 '--model', CLIP, code=3, preexec_fn=limit)
                self.assertIn('do not fit', done.stderr)
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 32)}"
        head %= 2 ** 59
        self.write('x.npy', b'\x93NUMPY\x01\0' + struct.pack('<H', len(head))
                   + head)
        self.assertIn('do not fit', self.refuse('x.npy'))

    def test_texts_that_break_their_form_are_refused_by_line(self):
        good = ','.join('1' for _ in range(self.dim))
        head = 'path,' + ','.join(f'v{i}' for i in range(self.dim)) + '\r\n'
        vector = json.dumps([1.0] * self.dim)
        for name, text, what in (
                ('a.csv', head + f'a.jpg,{good},1\r\n', 'line 2 has 33'),
                ('a.csv', head + f'a.jpg,{good[2:]}\r\n', 'line 2 has 31'),
                ('a.csv', head + f'a.jpg,x{good}\r\n', 'line 2: .*no number'),
                ('a.csv', head + f'a.jpg,nan{good[1:]}\r\n', 'no number'),
                ('a.csv', head + f'a.jpg,0x1{good[1:]}\r\n', 'no number'),
                ('a.csv', head + f'"a.jpg,{good}\r\n', 'quote'),
                ('a.csv', head + f',{good}\r\n', 'path is empty'),
                ('a.csv', head, 'holds no vectors'),
                ('a.csv', 'path,v0,' + 'v,' * 5000 + '\r\n', '1 to 4096'),
                ('a.jsonl', f'{{"path":"a","vector":{vector}}}\n{{"path"',
                 'line 2: '),
                ('a.jsonl', f'{{"vector":{vector}}}\n', 'no "path"'),
                ('a.jsonl', f'{{"path":"a","vector":{vector}}}\n'
                 '{"path":"b","vector":[1]}\n', 'line 2 has 1 numbers'),
                ('a.jsonl', f'{{"path":"a","model":"m","vector":{vector}}}\n'
                 f'{{"path":"b","model":"n","vector":{vector}}}\n',
                 'line 2 is of the model n'),
                ('a.jsonl', '{"path":"a","vector":["1"%s]}\n'
                 % (',1' * (self.dim - 1)), 'line 1: .*no number'),
                ('a.jsonl', '{"path":"a"', 'line 1')):
            with self.subTest(text=text[-50:]):
                self.assertRegex(self.refuse(self.write(name, text.encode())),
                                 what)

    def test_a_list_that_is_no_list_is_refused_by_line(self):
        self.faiss_file(self.rows)
        for data, what in ((b'a\n\nb\nc\nd\ne\nf\n', 'line 2 is empty'),
                           (b'a\nb\0\n', 'line 2 holds a zero'),
                           (b'a\nb/\nc\nd\ne\nf\n', 'names no file'),
                           (b'a' * 100000, 'longer than')):
            self.write('clip.index.paths', data)
            self.assertRegex(self.refuse('clip.index'), what)


if __name__ == '__main__':
    unittest.main()
