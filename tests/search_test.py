#!/usr/bin/env python3
"""Search: codes by docs/format.md alone, answers by numpy, filters by what the
pictures are."""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np
import PIL.Image

import support
from cli_case import Case

MAKEINDEX = os.path.join(support.BUILD, 'tests', 'makeindex')
WAYS = 'usual', 'exact', 'codes', 'codes-many', 'many'


def unit(rows):
    wide = rows.astype('f8')
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def spread_out(rows):
    """Vectors as CLIP's are: a few numbers much larger than the others."""
    rows[:, :3] *= 12
    return rows


class Made(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='akin-search-')
        self.addCleanup(shutil.rmtree, self.home)
        self.index = os.path.join(self.home, 'x.akin')
        self.random = np.random.default_rng(7)

    def normal(self, rows, dim):
        return self.random.standard_normal((rows, dim), dtype=np.float32)

    def makeindex(self, *args, code=0, **env):
        done = subprocess.run([MAKEINDEX, *map(str, args)], text=True,
                              capture_output=True, env=os.environ | env)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def make(self, rows):
        raw = os.path.join(self.home, 'raw')
        rows.astype('<f4').tofile(raw)
        self.makeindex('make', self.index, raw, *rows.shape)

    def write_again(self):
        """A writer that opens the index and adds nothing."""
        raw = os.path.join(self.home, 'raw')
        dim = struct.unpack('<I', self.read('rows-0.f32')[12:16])[0]
        self.makeindex('make', self.index, raw, 0, dim)

    def ask(self, queries, k, how, code=0, **env):
        """For each query the numbers of the files that answer it."""
        raw = os.path.join(self.home, 'queries')
        queries.astype('<f4').tofile(raw)
        done = self.makeindex('search', self.index, raw, queries.shape[1], k,
                              how, code=code, **env)
        return done.stderr if code else [
            [int(os.path.basename(p)[:-4]) for p in line.split('\t')[0::2]]
            for line in done.stdout.splitlines()]

    def path(self, name):
        return os.path.join(self.index, name)

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def write(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data)


def scatter(i):
    i = np.asarray(i, np.uint32)
    i = (i ^ i >> np.uint32(16)) * np.uint32(0x85ebca6b)
    i = (i ^ i >> np.uint32(13)) * np.uint32(0xc2b2ae35)
    return i ^ i >> np.uint32(16)


def hadamard(x):
    n, half = len(x), 1
    while half < n:
        pairs = x.reshape(-1, 2, half)
        x = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]],
                     1).reshape(n)
        half *= 2
    return x * np.float32(1 / np.sqrt(n))


def spread(row):
    row = row.copy()
    p = 1 << (len(row).bit_length() - 1)
    for r in 1, 2:
        row[scatter(65536 * r + np.arange(len(row))) & 1 == 1] *= -1
        part = slice(0, p) if r == 1 else slice(len(row) - p, None)
        row[part] = hadamard(row[part])
    return row


class Codes(Made):
    def test_the_file_is_what_the_format_says(self):
        for dim in 7, 64, 96:
            shutil.rmtree(self.index, ignore_errors=True)
            self.make(spread_out(self.normal(50, dim)))
            rows = np.frombuffer(self.read('rows-0.f32')[64:], '<f4')
            data = self.read('codes-0.u8')
            head = data[:60]
            self.assertEqual(head[:8] + head[8:20], b'AKINCODE' +
                             struct.pack('<3I', 1, dim, 2))
            self.assertEqual(struct.unpack('<I', data[60:64])[0],
                             zlib.crc32(head))
            padded = (dim + 3) // 4 * 4
            weights = (scatter(np.arange(padded + 8)) >> np.uint32(16)).astype(
                np.uint16).view(np.int16).astype(np.int64) | 1
            for number, row in enumerate(rows.reshape(-1, dim)):
                at = 64 + number * (padded + 12)
                record = data[at:at + padded + 12]
                codes = np.frombuffer(record[:dim], np.uint8).astype(float)
                scale, crc, check = struct.unpack('<fII', record[padded:])
                self.assertEqual(crc, zlib.crc32(row.tobytes()))
                self.assertEqual(record[dim:padded], bytes(padded - dim))
                turned = spread(row)
                self.assertAlmostEqual(scale, abs(turned).max() / 127, 7)
                self.assertLessEqual(
                    abs((codes - 128) * scale - turned).max(),
                    0.5001 * scale + 1e-6)
                sum_of = int((np.frombuffer(record[:-4], np.uint8) *
                              weights).sum())
                self.assertEqual(check, (0x414b494e + 0x9e3779b1 * number +
                                         sum_of) % 2 ** 32)

    def test_codes_answer_as_an_exact_search_does(self):
        near = self.normal(40, 64).repeat(100, 0)
        near += 0.05 * self.normal(4000, 64)
        for rows in (self.normal(5000, 96), near,
                     spread_out(self.normal(4000, 100))):
            shutil.rmtree(self.index, ignore_errors=True)
            self.make(rows)
            queries = np.concatenate([self.normal(20, rows.shape[1]),
                                      rows[:12] + .01])
            want = np.argsort(-(unit(queries) @ unit(rows).T))[:, :10]
            for how in WAYS:
                self.assertEqual(self.ask(queries, 10, how), want.tolist(),
                                 how)
            for cpu in 'c', 'avx2':
                for how in 'codes', 'codes-many':
                    self.assertEqual(self.ask(queries, 10, how, AKIN_CPU=cpu),
                                     want.tolist(), (cpu, how))

    def test_without_a_cut_answers_may_point_the_other_way(self):
        rows, query = self.normal(60, 8), self.normal(1, 8)
        self.make(rows)
        want = np.argsort(-(unit(query) @ unit(rows).T))
        for how in WAYS:
            self.assertEqual(self.ask(query, 60, how), want.tolist(), how)

    def test_more_rows_than_pay_are_answered_by_codes_and_exactly(self):
        rows = self.normal(25000, 32)
        self.make(rows)
        queries = self.normal(30, 32)
        want = np.argsort(-(unit(queries) @ unit(rows).T))[:, :10].tolist()
        for how in 'usual', 'many':
            self.assertEqual(self.ask(queries, 10, how), want, how)
        data = bytearray(self.read('codes-0.u8'))
        data[64 + 44 * 77] ^= 1  # row 77: it is looked at
        self.write('codes-0.u8', data)
        self.assertIn('the codes of row 77', self.ask(queries, 10, 'usual', 1))
        self.assertEqual(self.ask(queries, 10, 'exact'), want)

    def test_neighbours_of_photos_are_all_found(self):
        """Vectors of real photos and of edited copies of them, with the model
        starter: recall@10 of codes is 1."""
        folder = support.starter()
        photos = support.shared('data', 'photos', 'gallery')
        pictures = os.path.join(self.home, 'photos')
        os.mkdir(pictures)
        for name in sorted(os.listdir(photos))[::8]:
            photo = PIL.Image.open(os.path.join(photos, name)).convert('RGB')
            photo.save(os.path.join(pictures, name + '.jpg'), quality=85)
            photo.resize((200, 150)).save(
                os.path.join(pictures, name + '.small.jpg'))
        support.akin('index', pictures, '-i', os.path.join(self.home, 'p.akin'),
                     '--model', folder, '--precision', 'int8')
        out = os.path.join(self.home, 'rows.npy')
        support.akin('export', os.path.join(self.home, 'p.akin'), '--format',
                     'npy', '-o', out)
        rows = np.load(out)
        self.assertEqual(len(rows), 100)
        self.make(rows)
        want = np.argsort(-(unit(rows) @ unit(rows).T))[:, :10]
        for how in 'codes', 'codes-many':
            got = self.ask(rows, 10, how)
            self.assertEqual([set(one) for one in got],
                             [set(one) for one in want.tolist()], how)


class Damage(Made):
    def setUp(self):
        super().setUp()
        self.rows = self.normal(12, 8)
        self.make(self.rows)
        self.queries = self.normal(3, 8)
        self.want = self.ask(self.queries, 5, 'exact')
        self.codes = self.read('codes-0.u8')

    def test_each_flipped_byte_is_seen_or_without_effect(self):
        seen = 0
        for at in range(0, len(self.codes), 2):
            data = bytearray(self.codes)
            data[at] ^= 1 << at % 8
            self.write('codes-0.u8', data)
            raw = os.path.join(self.home, 'queries')
            done = subprocess.run(
                [MAKEINDEX, 'search', self.index, raw, '8', '5', 'codes'],
                capture_output=True, text=True)
            if done.returncode:
                self.assertIn('codes of row', done.stderr, at)
                seen += 1
            else:
                self.assertLess(at, 64)  # of the head: the codes are not used
        self.assertEqual(seen, len(range(64, len(self.codes), 2)))

    def test_codes_of_another_length_serve_nobody(self):
        for length in range(0, len(self.codes), 5):
            self.write('codes-0.u8', self.codes[:length])
            self.assertEqual(self.ask(self.queries, 5, 'codes'), self.want,
                             length)

    def test_a_writer_makes_codes_anew(self):
        os.unlink(self.path('codes-0.u8'))
        self.assertEqual(self.ask(self.queries, 5, 'codes'), self.want)
        self.assertFalse(os.path.exists(self.path('codes-0.u8')))
        self.write_again()
        self.assertEqual(self.read('codes-0.u8'), self.codes)
        self.write('codes-0.u8', self.codes[:100])
        self.write_again()
        self.assertEqual(self.read('codes-0.u8'), self.codes)

    def test_verify_looks_at_codes_and_repair_makes_them_anew(self):
        data = bytearray(self.codes)
        data[64 + 20 * 5] ^= 4
        self.write('codes-0.u8', data)
        said = support.akin('verify', self.index, '--json', code=4)
        problem, = json.loads(said.stdout)['problems']
        self.assertIn('codes of row 5', problem['problem'])
        support.akin('repair', self.index)
        support.akin('verify', self.index)
        self.write_again()
        self.assertEqual(self.read('codes-0.u8'), self.codes)


class Filters(Case):
    """The answers are those of all pictures that pass, however few."""

    def setUp(self):
        super().setUp()
        self.facts = {}
        for number in range(12):
            name = f'made-{number:02}.' + ('png' if number % 3 else 'jpg')
            size = 60 + 20 * number, 50 + 10 * number
            exif = PIL.Image.Exif()
            exif[0x112] = 1  # without any, Pillow leaves EXIF out
            if number % 2:
                exif.get_ifd(0x8769)[0x9003] = f'{2010 + number}:03:05 12:00:00'
            PIL.Image.fromarray(support.drawing(*size, number)).save(
                self.photo(name), exif=exif)
            self.facts[name] = dict(
                pixels=size[0] * size[1], year=number % 2 and 2010 + number,
                bytes=os.path.getsize(self.photo(name)))
        for name in os.listdir(self.photos):
            if name not in self.facts:
                os.unlink(self.photo(name))
        self.index()
        self.all = self.names('-k', '50')

    def names(self, *args, code=0):
        said = self.json('search', self.photo('made-03.jpg'), '-i', 'x.akin',
                         *args, code=code)
        answers = [[os.path.basename(one['path']) for one in model['results']]
                   for model in said['models']]
        return answers

    def passing(self, test):
        return [[name for name in names if test(name, self.facts[name])]
                for names in self.all]

    def test_every_picture_that_passes_is_found(self):
        cases = {
            ('--path', '*made-0*'): lambda n, f: 'made-0' in n,
            ('--format', 'jpg'): lambda n, f: n.endswith('jpg'),
            ('--format', 'png,gif'): lambda n, f: n.endswith('png'),
            ('--taken', '2013'): lambda n, f: f['year'] == 2013,
            ('--taken', '2013-03..2017-03-05'):
                lambda n, f: 2013 <= (f['year'] or 0) <= 2017,
            ('--taken', '2017-03-06..'): lambda n, f: f['year'] > 2017,
            ('--taken', '..2015'): lambda n, f: 0 < f['year'] <= 2015,
            ('--pixels', '10k..20k'):
                lambda n, f: 10000 <= f['pixels'] <= 20000,
            ('--pixels', '0.02M..'): lambda n, f: f['pixels'] >= 20000,
            ('--size', '20k..'): lambda n, f: f['bytes'] >= 20000,
            ('--size', '..9000', '--format', 'jpeg'):
                lambda n, f: f['bytes'] <= 9000 and n.endswith('jpg'),
        }
        for args, test in cases.items():
            want = self.passing(test)
            self.assertTrue(want[0], args)  # else it would show nothing
            for more in (), ('--exact',):
                self.assertEqual(self.names('-k', '50', *args, *more), want,
                                 args)
            first = [names[:1] for names in want]
            self.assertEqual(self.names('-k', '1', *args), first, args)

    def test_pages_follow_each_other(self):
        pages = [self.names('-k', '5', '--offset', at) for at in ('0', '5')]
        last = self.names('-k', '5', '--offset', '10')
        for model, names in enumerate(self.all):
            self.assertEqual(pages[0][model] + pages[1][model] + last[model],
                             names)
        said = self.json('search', self.photo('made-03.jpg'), '-i', 'x.akin',
                         '-k', '2', '--offset', '3')
        self.assertEqual([one['rank'] for one in said['models'][0]['results']],
                         [4, 5])

    def test_thresholds_keep_what_scores_enough(self):
        said = self.json('search', self.photo('made-03.jpg'), '-i', 'x.akin',
                         '-k', '50')
        for option, limit in (('--min-score', .9), ('--cut', .8)):
            want = [[os.path.basename(one['path']) for one in model['results']
                     if one['score' if option == '--min-score' else 'cosine']
                     >= limit * (1 if option == '--min-score'
                                 else model['results'][0]['cosine'])]
                    for model in said['models']]
            self.assertTrue(any(len(w) < 12 for w in want))
            self.assertEqual(self.names('-k', '50', option, str(limit)), want)
        self.assertEqual(self.names('-k', '50', '--min-score', '100%'),
                         [['made-03.jpg']] * 2)
        self.assertEqual(self.names('-k', '50', '--min-score', '90%'),
                         self.names('-k', '50', '--min-score', '0.9'))

    def test_nothing_found_is_said_and_ends_with_1(self):
        done = self.akin('search', self.photo('made-03.jpg'), '-i', 'x.akin',
                         '--taken', '1999', code=1)
        self.assertIn('no picture in it is an answer', done.stderr)

    def test_a_range_that_makes_no_sense_is_refused(self):
        for option, word in (('--taken', '2019-13'), ('--taken', '2019-02-30'),
                             ('--taken', '2020..2019'), ('--size', '-1'),
                             ('--size', '2M..1M'), ('--pixels', '12Q'),
                             ('--min-score', '1.5'), ('--cut', 'half'),
                             ('--format', 'mp3')):
            done = self.akin('search', 'x.jpg', '-i', 'x.akin', option, word,
                             code=2)
            self.assertIn(option, done.stderr)


if __name__ == '__main__':
    unittest.main()
