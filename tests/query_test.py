#!/usr/bin/env python3
"""Queries of words and pictures: docs/query.md's examples as they stand there,
and answers that numpy works out from akin's vectors."""
import json
import os
import re
import shlex
import shutil
import struct
import time
import unittest

import support
import numpy as np
from cli_case import CLIP, DINO, Case
from cli_test import Page

NAMES = 'tiny-clip', 'tiny-dinov2'


def table(columns):
    """The rows of the table with so many columns, without their backticks."""
    with open(os.path.join(support.SOURCE, 'docs', 'query.md'),
              encoding='utf-8') as f:
        rows = [line.strip('| \n').split(' | ') for line in f
                if line.startswith('| `akin')]
    return [[re.findall(r'`(.+?)`', cell) or [cell] for cell in row]
            for row in rows if len(row) == columns]


def line_of(terms):
    """What akin prints above the answers, from the terms of its JSON."""
    line = ''
    for t in terms:
        weight = abs(t['weight'])
        sign = '-' if t['weight'] < 0 else '+' if line else ''
        line += f'{" " * bool(line)}{sign}{" " * bool(sign)}'
        line += f'{weight:g}:' if weight != 1 else ''
        line += t['path'] if 'path' in t else f'"{t["text"]}"'
    return line


def unit(rows):
    rows = np.asarray(rows, 'f8')
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Queries(Case):
    def setUp(self):
        super().setUp()
        for name, to in (('wide.jpg', 'photo.jpg'), ('tall.jpg', 'pool.jpg'),
                         ('small.png', '2:1.jpg')):
            shutil.copy(self.photo(name), self.path(to))

    def search(self, *args, **more):
        return [json.loads(line) for line in self.akin(
            'search', *args, '-i', 'x.akin', '--json', **more)
            .stdout.splitlines()]

    def embed(self, model, terms, *how):
        """A vector of each term, by akin embed."""
        made = []
        for term in terms:
            is_text = term[0] == '"'
            args = ['--text', term.strip('"')] if is_text else [term]
            made.append(json.loads(self.akin(
                'embed', *args, '--model', model, *how).stdout)['vector'])
        return np.array(made)

    def answers(self, model, query):
        """Paths and cosines of all pictures, best first, by numpy."""
        self.akin('export', 'x.akin', '--model', model, '--format', 'jsonl',
                  '-o', 'rows')
        with open(self.path('rows'), encoding='utf-8') as f:
            rows = [json.loads(line) for line in f]
        cosines = unit([r['vector'] for r in rows]) @ unit(query)
        order = np.argsort(-cosines)
        return [rows[i]['path'] for i in order], cosines[order]

    def agrees(self, found, model, query, count=6):
        results = next(m for m in found['models'] if m['model'] == model)[
            'results']
        paths, cosines = (a[:count] for a in self.answers(model, query))
        self.assertEqual([r['path'] for r in results], paths)
        np.testing.assert_allclose([r['cosine'] for r in results], cosines,
                                   atol=2e-6)


class Grammar(Queries):
    def setUp(self):
        super().setUp()
        self.index()

    def command(self, text):
        words = shlex.split(text)
        self.assertEqual(words[:2], ['akin', 'search'])
        return words[2:]

    def test_each_example_is_what_the_page_says(self):
        rows = table(2)
        self.assertGreater(len(rows), 15)
        for (command,), queries in rows:
            words = self.command(command)
            with self.subTest(command):
                found = self.search('--model', NAMES[0], *words)
                self.assertEqual(
                    [line_of(f['terms']) for f in found if 'terms' in f],
                    [q for q, f in zip(queries, found) if 'terms' in f])
                self.assertEqual([f for f in found if 'terms' not in f and
                                  not f['query'][0].endswith('.jpg')], [])
                said = [w for w in words if w not in ('-k', '--min-score',
                                                      '1', '0.1')]
                self.assertEqual([w for f in found for w in f['query']], said)
                printed = self.akin('search', '-i', 'x.akin', *words).stdout
                self.assertEqual(
                    [p.split('\n')[0] for p in printed.split('\n\n')], queries)

    def test_each_error_is_what_the_page_says(self):
        rows = table(3)
        self.assertGreater(len(rows), 15)
        for (command,), (code,), (words,) in rows:
            with self.subTest(command):
                done = self.akin('search', '-i', 'x.akin', '--model', NAMES[0],
                                 *self.command(command), code=int(code))
                self.assertIn(words, done.stderr)
                self.assertLessEqual(done.stderr.count('\n'), 2)
                self.assertEqual(bool(done.stdout), int(code) == 1)

    def test_a_folder_is_no_picture_and_no_words(self):
        self.assertIn('is a folder', self.akin(
            'search', 'photos', '-i', 'x.akin', code=3).stderr)


class Answers(Queries):
    def test_a_mix_is_the_sum_that_numpy_makes(self):
        self.index()
        terms = '"the cat"', 'photo.jpg', '"a red dog"', 'pool.jpg'
        vectors = self.embed(CLIP, terms)
        self.assertGreater(np.ptp(np.linalg.norm(vectors, axis=1)), 1e-3)
        found, = self.search('2:the cat', '+', 'photo.jpg', '-', 'a red dog',
                             '-', '0.25:pool.jpg', '-k', '99')
        self.agrees(found, 'tiny-clip', [2, 1, -1, -.25] @ unit(vectors))
        pictures = unit(self.embed(DINO, terms[1::2]))
        self.agrees(found, 'tiny-dinov2', [1, -.25] @ pictures)
        self.assertEqual([m['answers'] for m in found['models']],
                         ['whole', 'pictures'])

    def test_many_queries_are_answered_in_their_order(self):
        self.index()
        words = []
        for i in range(40):
            words += [['cat'], ['photo.jpg'], ['pool.jpg', '-', 'a dog'],
                      ['gone.jpg', '+', 'cat'], ['dog', '+', 'pool.jpg']][i % 5]
        found = self.search(*words, '-k', '99', code=1)
        self.assertEqual([f['query'] for f in found], [
            w for i in range(40) for w in [[['cat'], ['photo.jpg'], [
                'pool.jpg', '-', 'a dog'], None, ['dog', '+', 'pool.jpg']][
                    i % 5]] if w])
        one = self.search('cat', '-k', '99')[0]['models']
        self.assertEqual([f['models'] for f in found[::4]], [one] * 8)
        dog, pool = unit(self.embed(CLIP, ['"a dog"', 'pool.jpg']))
        for f in found[2::4]:
            self.agrees(f, 'tiny-clip', pool - dog)

    def test_words_alone_are_their_vector_at_every_precision(self):
        for precision in 'f32', 'bf16', 'int8':
            with self.subTest(precision):
                shutil.rmtree(self.path('x.akin'), ignore_errors=True)
                self.index('--precision', precision)
                found, = self.search('the red cat')
                vector = self.embed(CLIP, ['"the red cat"'], '--precision',
                                    precision)
                self.agrees(found, 'tiny-clip', vector[0], 3)

    def test_what_cannot_read_says_so(self):
        self.index()
        done = self.akin('search', 'photo.jpg', '+', 'cat', '-i', 'x.akin')
        self.assertEqual(done.stderr, 'akin: tiny-dinov2 cannot read: it '
                         'answers the pictures of a query alone\n')
        self.assertIn('tiny-dinov2 (pictures only)', done.stdout)
        done = self.akin('search', 'cat', '-i', 'x.akin')
        self.assertEqual(done.stderr, 'akin: tiny-dinov2 cannot read: it has '
                         'no answer to words\n')
        self.assertIn('tiny-dinov2 (cannot read)', done.stdout)
        for words in ['cat'], ['cat', '-', 'photo.jpg']:
            found, = self.search(*words)
            self.assertEqual([(m['answers'], len(m['results']))
                              for m in found['models']],
                             [('whole', 3), ('nothing', 0)])

    def test_pictures_of_a_mix_are_all_that_it_answers(self):
        self.index()
        only = '--model', 'tiny-dinov2', '-k', '99'
        found, = self.search('photo.jpg', '+', '3:cat', *only)
        self.agrees(found, 'tiny-dinov2', self.embed(DINO, ['photo.jpg'])[0])

    def test_words_that_nothing_can_read_are_an_error_with_a_way_out(self):
        self.index()
        done = self.akin('search', 'cat', '-i', 'x.akin', '--model',
                         'tiny-dinov2', code=2)
        self.assertIn('`akin index DIR -i x.akin --model clip` adds one',
                      done.stderr)
        self.assertEqual(done.stderr.count('\n'), 1)

    def test_a_picture_that_cannot_be_read_costs_its_query_alone(self):
        self.index()
        self.write('broken.jpg', b'\xff\xd8\xff\xe0 no more')
        done = self.akin('search', 'cat', 'photo.jpg', '+', 'broken.jpg', '+',
                         'pool.jpg', 'pool.jpg', '-i', 'x.akin', '--json',
                         code=1)
        self.assertEqual([json.loads(l)['query'] for l in
                          done.stdout.splitlines()], [['cat'], ['pool.jpg']])
        self.assertIn('no answer to photo.jpg + broken.jpg + pool.jpg',
                      done.stderr)

    def test_odd_bytes_are_kept_in_hexadecimal(self):
        self.index()
        found, = self.search('photo.jpg', '+', 'caf\udce9')
        self.assertEqual(found['query'], ['photo.jpg', '+', 'caf\ufffd'])
        self.assertEqual(found['query_hex'], [None, None, '636166e9'])
        self.assertEqual(found['terms'][1], {
            'weight': 1, 'text': 'caf\ufffd', 'text_hex': '636166e9'})

    def test_the_page_shows_each_term(self):
        self.index()
        self.akin('search', '2:<b>cat', '+', 'photo.jpg', '-', 'pool.jpg',
                  '-i', 'x.akin', '--html', 'page.html', '-k', '1')
        with open(self.path('page.html'), encoding='utf-8') as f:
            page = Page(f.read())
        self.assertEqual(len(page.images), 2 + 2)
        for text in ('\u201c<b>cat\u201d', '2 \u00d7', '+ ', '\u2212 ',
                     'tiny-dinov2: the pictures alone'):
            self.assertIn(text, page.text)


class Towers(Queries):
    """What is not needed is not opened."""

    def setUp(self):
        super().setUp()
        self.clip = self.path('reader')
        self.dino = self.path('seer')
        shutil.copytree(CLIP, self.clip)
        shutil.copytree(DINO, self.dino)
        self.json('index', 'photos', '-i', 'x.akin', '--model', self.clip,
                  '--model', self.dino)

    def rename_tensors(self, old, new):
        path = os.path.join(self.clip, 'model.safetensors')
        with open(path, 'r+b') as f:
            count, = struct.unpack('<Q', f.read(8))
            header = f.read(count)
            self.assertIn(old, header)
            f.seek(8)
            f.write(header.replace(old, new))

    def spoil_the_projection(self):
        path = os.path.join(self.clip, 'model.safetensors')
        with open(path, 'r+b') as f:
            count, = struct.unpack('<Q', f.read(8))
            header = json.loads(f.read(count))
            begin = header['visual_projection.weight']['data_offsets'][0]
            f.seek(8 + count + begin)
            byte = f.read(1)[0]
            f.seek(-1, 1)
            f.write(bytes([byte ^ 1]))

    def test_words_alone_need_no_tensor_of_the_vision_tower(self):
        self.rename_tensors(b'"vision_model.', b'"nowhere_odel.')
        later = time.time() + 5  # as if the rows had been written after that
        os.utime(self.path('x.akin/rows-0.f32'), (later, later))
        shutil.rmtree(self.dino)
        found, = self.search('cat')
        self.assertEqual(len(found['models'][0]['results']), 3)
        self.akin('search', 'photo.jpg', '-i', 'x.akin', '--model', 'reader',
                  code=5)

    def test_pictures_alone_need_no_tensor_of_the_text_tower(self):
        self.rename_tensors(b'"text_model.', b'"nowhere_od.')
        for name in os.listdir(self.clip):
            if name.startswith(('vocab', 'merges', 'tokenizer')):
                os.remove(os.path.join(self.clip, name))
        self.assertEqual(len(self.search('photo.jpg')[0]['models']), 2)
        self.akin('search', 'photo.jpg', '+', 'cat', '-i', 'x.akin', code=5)

    def test_words_and_mixes_are_refused_with_other_weights(self):
        self.spoil_the_projection()
        self.akin('search', 'photo.jpg', '+', 'cat', '-i', 'x.akin', code=4)
        done = self.akin('search', 'cat', '-i', 'x.akin', code=4)
        self.assertIn('is not the one that this index was made with',
                      done.stderr)

    def test_words_are_answered_by_weights_that_were_only_copied(self):
        shutil.copytree(self.clip, self.clip + '.copy')
        shutil.rmtree(self.clip)
        os.rename(self.clip + '.copy', self.clip)
        self.assertEqual(len(self.search('cat')[0]['models'][0]['results']), 3)


if __name__ == '__main__':
    unittest.main()
