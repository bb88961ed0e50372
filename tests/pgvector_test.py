#!/usr/bin/env python3
"""A table of a real PostgreSQL with pgvector, kept in line with an index."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import support
from cli_case import CLIP, Case
from postgres import Server

try:
    import numpy as np
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; ./run test brings what is needed')

if not re.search(r'^libpq \d', support.akin('--version', '--verbose').stdout,
                 re.M):
    raise unittest.SkipTest('this build has no libpq')

MAKEINDEX = os.path.join(support.BUILD, 'tests', 'makeindex')
ROWS, DIM, QUERIES, K = 1500, 48, 8, 20


def setUpModule():
    global server
    server = Server()
    unittest.addModuleCleanup(server.stop)


def vectors_of(table):
    """float32 [rows, dim], in order of path's bytes."""
    rows = server.sql(f'SELECT embedding FROM {table} ORDER BY path COLLATE "C"')
    return np.array([row[0].strip('[]').split(',') for row in rows], dtype='f4')


def export(index, *args, to=None, code=0, **more):
    done = support.akin('export', index, '--format', 'pgvector', '--to',
                        to or server.uri(), *args, code=code, **more)
    return done.stdout if code == 0 else done.stderr


def counts(index, *args):
    """added, updated, removed, unchanged"""
    found = re.search(r'([\d,]+) added, ([\d,]+) updated, ([\d,]+) removed, '
                      r'([\d,]+) unchanged', export(index, *args))
    return tuple(int(n.replace(',', '')) for n in found.groups())


class Made(unittest.TestCase):
    """An index of many made vectors."""

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix='akin-pgvector-')
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.index = os.path.join(cls.home, 'x.akin')
        random = np.random.default_rng(5)
        raw = os.path.join(cls.home, 'raw')
        random.standard_normal((ROWS, DIM), dtype='f4').tofile(raw)
        subprocess.run([MAKEINDEX, 'make', cls.index, raw, str(ROWS),
                        str(DIM)], check=True)
        cls.queries = random.standard_normal((QUERIES, DIM), dtype='f4')

    def akin_answers(self):
        raw = os.path.join(self.home, 'queries')
        self.queries.tofile(raw)
        lines = subprocess.run(
            [MAKEINDEX, 'search', self.index, raw, str(DIM), str(K)],
            capture_output=True, text=True, check=True).stdout.splitlines()
        cells = [line.split('\t') for line in lines]
        return [c[0::2] for c in cells], np.array([c[1::2] for c in cells], 'f8')

    def test_sql_finds_the_neighbours_of_akin_in_their_order(self):
        export(self.index, '--table', 'order_of')
        paths, cosines = self.akin_answers()
        for query, want, cosine in zip(self.queries, paths, cosines):
            text = ','.join(map(str, query.tolist()))
            rows = server.sql(
                f"SELECT path, 1 - (embedding <=> '[{text}]') FROM order_of "
                f"ORDER BY embedding <=> '[{text}]' LIMIT {K}")
            self.assertEqual([row[0] for row in rows], want)
            got = np.array([row[1] for row in rows], dtype='f8')
            self.assertLess(np.abs(got - cosine).max(), 1e-6)

    def test_the_rows_are_those_of_the_npy_to_the_last_bit(self):
        out = os.path.join(self.home, 'out.npy')
        support.akin('export', self.index, '--format', 'npy', '-o', out)
        export(self.index, '--table', 'bits')
        np.testing.assert_array_equal(vectors_of('bits'), np.load(out))

    def test_a_second_run_touches_no_row(self):
        self.assertEqual(counts(self.index, '--table', 'twice'),
                         (ROWS, 0, 0, 0))
        before = server.sql('SELECT file, ctid, xmin FROM twice ORDER BY file')
        self.assertEqual(counts(self.index, '--table', 'twice'),
                         (0, 0, 0, ROWS))
        self.assertEqual(
            server.sql('SELECT file, ctid, xmin FROM twice ORDER BY file'),
            before)

    def test_what_was_taken_out_of_the_table_comes_back(self):
        export(self.index, '--table', 'holes')
        server.sql('DELETE FROM holes WHERE file % 3 = 0; '
                   'UPDATE holes SET mark = 0 WHERE file % 3 = 1; '
                   'INSERT INTO holes SELECT file + 1000000, mark, path, '
                   'path_bytes, width, height, format, bytes, mtime, taken, '
                   'content, embedding FROM holes WHERE file <= 30')
        self.assertEqual(counts(self.index, '--table', 'holes'),
                         (500, 500, 20, 500))
        self.assertEqual(server.sql('SELECT count(*), max(file) FROM holes'),
                         [[str(ROWS), str(ROWS)]])

    def test_json_says_the_same(self):
        text = export(self.index, '--table', 'said', '--json')
        self.assertRegex(text, r'"table":"said","added":1500,"updated":0,'
                               r'"removed":0,"unchanged":0')

    def test_a_schema_and_any_letters_make_the_name_of_a_table(self):
        server.sql('CREATE SCHEMA "Mine"')
        export(self.index, '--table', 'Mine.we"ird; DROP TABLE x')
        self.assertEqual(server.sql(
            'SELECT count(*) FROM "Mine"."we""ird; DROP TABLE x"'),
            [[str(ROWS)]])

    def test_the_usual_name_is_that_of_the_model(self):
        self.assertIn('table akin_made:', export(self.index))

    def test_a_table_that_is_not_akins_is_refused_and_stays(self):
        server.sql('CREATE TABLE theirs(a int); INSERT INTO theirs VALUES(7)')
        self.assertIn("is not akin's",
                      export(self.index, '--table', 'theirs', code=4))
        self.assertEqual(server.sql('SELECT * FROM theirs'), [['7']])

    def test_vectors_made_differently_never_meet(self):
        export(self.index, '--table', 'meet')
        comment = server.sql("SELECT obj_description('meet'::regclass)")[0][0]
        server.sql("COMMENT ON TABLE meet IS '%s'"
                   % comment.replace('7' * 64, '8' * 64))
        self.assertIn('made differently',
                      export(self.index, '--table', 'meet', code=4))

    def test_another_index_is_refused_and_one_that_moved_is_followed(self):
        moved = os.path.join(self.home, 'y.akin')
        shutil.copytree(self.index, moved)
        export(moved, '--table', 'moves')
        self.assertIn('another index',
                      export(self.index, '--table', 'moves', code=4))
        os.rename(moved, moved + '.z.akin')
        self.assertEqual(counts(moved + '.z.akin', '--table', 'moves'),
                         (0, 0, 0, ROWS))

    def test_no_message_shows_a_password(self):
        for to in (server.uri('wrongword'), 'postgresql://me:wrong/word@h/d',
                   'postgresql://me:wrong@word@h/d',
                   'postgresql://me:wrongword@127.0.0.1:1/d',
                   'postgresql://me:wrongword@h:port/d',
                   'postgresql://me:wrongword@nohost.invalid/d',
                   'host=h password=wrongword'):
            with self.subTest(to=to):
                done = support.akin('export', self.index, '--format',
                                    'pgvector', '--to', to, code=None)
                self.assertIn(done.returncode, (2, 5))
                self.assertNotIn('word', done.stderr.replace('passwords', '')
                                 .replace('password', '').replace('PASSWORD',
                                                                  ''))

    def test_a_password_may_come_from_the_environment(self):
        export(self.index, '--table', 'secret', to=server.uri(None),
               env={**os.environ, 'PGPASSWORD': 's3cret/@word'})

    def test_ctrl_c_leaves_the_table_as_it_was(self):
        export(self.index, '--table', 'held')
        server.sql('DELETE FROM held WHERE file <= 10')
        server.sql('CREATE TABLE bell(rang int)')
        holder = subprocess.Popen(
            [os.path.join(server._bin, 'psql'), '-X', '-q', server.uri(), '-c',
             'BEGIN; LOCK TABLE held IN ROW EXCLUSIVE MODE; '
             'SELECT pg_sleep(20)'], stdout=subprocess.DEVNULL)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        waiting = ("SELECT count(*) FROM pg_locks WHERE relation = "
                   "'held'::regclass AND granted = %s")
        while server.sql(waiting % 'true') == [['0']]:
            time.sleep(0.02)
        run = subprocess.Popen(
            [support.AKIN, 'export', self.index, '--format', 'pgvector',
             '--table', 'held', '--to', server.uri()],
            stderr=subprocess.PIPE, text=True)
        while server.sql(waiting % 'false') == [['0']]:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=10)
        self.assertEqual(run.returncode, 130)
        self.assertIn('the table is as it was', said)
        self.assertEqual(server.sql('SELECT count(*) FROM held'),
                         [[str(ROWS - 10)]])

    def test_the_statements_of_the_page_run(self):
        with open(os.path.join(support.SOURCE, 'docs', 'pgvector.md'),
                  encoding='utf-8') as f:
            blocks = re.findall(r'^```sql\n(.*?)^```', f.read(),
                                re.M | re.DOTALL)
        self.assertEqual(len(blocks), 5)
        export(self.index, '--table', 'akin_clip')
        path = os.path.join(self.home, '7.jpg')
        first = server.sql(blocks[0].replace('/photos/cat.jpg', path))
        self.assertEqual((len(first), first[0]), (10, [path, '1']))
        query = '[%s]' % ','.join(map(str, self.queries[0].tolist()))
        answers = server.sql(blocks[1] + f"EXECUTE nearest('{query}');")
        self.assertEqual([row[0] for row in answers],
                         self.akin_answers()[0][0][:10])
        server.sql("UPDATE akin_clip SET width = 2000, height = 1000, "
                   "taken = '2024-07-01'")
        some = server.sql(blocks[2].replace('/photos', self.home)
                          + f"EXECUTE nearest_of('{query}');")
        self.assertEqual([row[0] for row in some],
                         [row[0] for row in answers])
        server.sql(blocks[3] + blocks[4])
        self.assertIn('akin_clip_nearest', str(server.sql(
            "SET enable_seqscan = off; EXPLAIN SELECT path FROM akin_clip "
            f"ORDER BY embedding <=> '{query}' LIMIT 10")))


class Photos(Case):
    """A folder of photos that changes."""

    def setUp(self):
        super().setUp()
        self.table = 'photos_%d' % time.monotonic_ns()
        self.update()

    def update(self):
        return self.json('index', 'photos', '-i', 'x.akin', '--model', CLIP)

    def counts(self):
        return counts(self.path('x.akin'), '--table', self.table)

    def test_only_what_changed_is_sent(self):
        self.assertEqual(self.counts(), (6, 0, 0, 0))
        os.remove(self.photo('small.png'))
        os.rename(self.photo('tall.jpg'), self.photo('renamed.jpg'))
        shutil.copy(self.photo('wide.jpg'), self.photo('more.jpg'))
        shutil.copy(self.photo('large.jpg'), self.photo('square.png'))
        self.update()
        # The renamed one, and the one with another content.
        self.assertEqual(self.counts(), (1, 2, 1, 3))
        self.assertEqual(self.counts(), (0, 0, 0, 6))
        self.assertEqual(
            server.sql(f'SELECT path FROM {self.table} ORDER BY path'),
            [[self.photo(n)] for n in sorted(os.listdir(self.photos))])

    def test_the_columns_say_what_the_index_knows(self):
        self.counts()
        stat = os.stat(self.photo('wide.jpg'))
        self.assertEqual(server.sql(
            f'SELECT width, height, format, bytes, '
            f'floor(extract(epoch FROM mtime)), path_bytes IS NULL FROM '
            f"{self.table} WHERE path = '{self.photo('wide.jpg')}'"),
            [['640', '427', 'jpeg', str(stat.st_size),
              str(int(stat.st_mtime)), 't']])
        with open(self.photo('wide.jpg'), 'rb') as f:
            content = hashlib.sha256(f.read()).hexdigest()
        self.assertEqual(server.sql(
            f"SELECT encode(content, 'hex') FROM {self.table} "
            f"WHERE path = '{self.photo('wide.jpg')}'"), [[content]])

    def test_the_date_taken_is_the_cameras(self):
        image = support.PIL.Image.open(self.photo('wide.jpg'))
        exif = support.PIL.Image.Exif()
        exif[0x0132] = '2024:07:09 12:34:56'
        image.save(self.photo('dated.jpg'), exif=exif)
        self.update()
        self.counts()
        self.assertEqual(server.sql(
            f'SELECT taken FROM {self.table} WHERE path LIKE '
            "'%/dated.jpg'"), [['2024-07-09 12:34:56']])

    def test_a_path_that_is_no_utf_8_keeps_its_bytes(self):
        name = os.fsencode(self.photo('')) + b'a\xff.jpg'
        shutil.copy(self.photo('wide.jpg'), name)
        self.update()
        self.counts()
        self.assertEqual(server.sql(
            f"SELECT path, encode(path_bytes, 'hex') FROM {self.table} "
            'WHERE path_bytes IS NOT NULL'),
            [[self.photo('a\\xff.jpg'), name.hex()]])

    def test_what_was_not_looked_at_yet_is_null(self):
        out = self.path('out.jsonl')
        self.akin('export', 'x.akin', '--format', 'jsonl', '-o', out)
        shutil.rmtree(self.photos)
        self.akin('import', out, '-i', 'y.akin', '--model', CLIP)
        counts(self.path('y.akin'), '--table', self.table)
        self.assertEqual(server.sql(
            f'SELECT DISTINCT width, height, format, bytes, mtime, taken, '
            f'content FROM {self.table}'), [[''] * 7])


if __name__ == '__main__':
    unittest.main()
