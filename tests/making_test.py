#!/usr/bin/env python3
"""How vectors are made: precision, decoding, batches and threads.

An index keeps how it was made, neither the number of threads nor what else is
in a batch changes a bit of a vector, and nothing is allocated for a picture.
"""
import os
import shutil
import sqlite3
import subprocess
import unittest

import support
import numpy
import PIL.Image
from cli_case import CLIP, DINO, Case

TWO = [['--precision', 'int8'], ['--precision', 'bf16'], ['--decode', 'fast']]


class Options(Case):
    def wrong(self, *args):
        done = self.akin(*args, code=2)
        self.assertIn('was made with', done.stderr)
        return done.stderr

    def models(self):
        """The index's table of models as it is on disc."""
        return sqlite3.connect(self.path('x.akin', 'catalog.db')).execute(
            'SELECT precision, exif FROM models').fetchall()

    def test_words_that_are_no_choice_are_wrong_usage(self):
        for option in (['--precision', 'f16'], ['--precision', 'f32|bf16'],
                       ['--precision', ''], ['--decode', 'quick']):
            self.akin('compare', 'a', 'b', *option, code=2)

    def test_an_index_without_options_is_as_it_always_was(self):
        self.index()
        self.assertEqual(self.models(), [('f32', 0)] * 2)

    def test_an_index_records_precision(self):
        self.index('--precision', 'int8')
        self.assertEqual(self.models(), [('int8', 0)] * 2)

    def test_an_index_records_decoding_beside_exif(self):
        self.index('--decode', 'fast', '--exif', 'off')
        self.assertEqual(self.models(), [('f32', 3)] * 2)

    def test_the_size_of_a_picture_is_that_of_its_file(self):
        turned = PIL.Image.Exif()
        turned[0x0112] = 6
        drawing = PIL.Image.fromarray(support.drawing(2400, 1800, 1))
        drawing.save(self.photo('plain.jpg'))
        drawing.save(self.photo('turned.jpg'), exif=turned)
        for how, size in (('on', (1800, 2400)), ('off', (2400, 1800))):
            self.index('--decode', 'fast', '--exif', how)
            sizes = dict((path.decode(), size) for path, *size in
                         sqlite3.connect(
                             self.path('x.akin', 'catalog.db')).execute(
                             'SELECT path, width, height FROM files'))
            self.assertEqual(sizes['photos/plain.jpg'], [2400, 1800])
            self.assertEqual(sizes['photos/turned.jpg'], list(size))
            shutil.rmtree(self.path('x.akin'))

    def test_later_runs_follow_without_being_told(self):
        for option in TWO:
            self.index(*option)
            again = self.json('index', 'photos', '-i', 'x.akin')
            self.assertEqual(again['unchanged'], self.count)
            self.akin('search', self.photo('tall.jpg'), '-i', 'x.akin')
            shutil.rmtree(self.path('x.akin'))

    def test_a_model_that_joins_later_follows(self):
        self.json('index', 'photos', '-i', 'x.akin', '--model', CLIP,
                  '--precision', 'bf16', '--decode', 'fast')
        self.json('index', 'photos', '-i', 'x.akin', '--model', DINO)
        self.assertEqual(self.models(), [('bf16', 2)] * 2)

    def test_options_may_repeat_how_the_index_was_made(self):
        for option in TWO:
            self.index(*option)
            self.index(*option)
            self.akin('search', self.photo('tall.jpg'), '-i', 'x.akin',
                      *option)
            shutil.rmtree(self.path('x.akin'))

    def test_options_that_contradict_the_index_are_refused(self):
        for made, other in ((TWO[0], ['--precision', 'f32']),
                            (TWO[0], ['--precision', 'bf16']),
                            (TWO[2], ['--decode', 'exact'])):
            self.index(*made)
            self.wrong('index', 'photos', '-i', 'x.akin', *other)
            told = self.wrong('search', self.photo('tall.jpg'), '-i',
                              'x.akin', *other)
            self.assertIn(' '.join(made), told)
            shutil.rmtree(self.path('x.akin'))

    def test_a_usual_index_refuses_the_others(self):
        self.index()
        for option in TWO:
            self.wrong('index', 'photos', '-i', 'x.akin', *option)
            self.wrong('search', self.photo('tall.jpg'), '-i', 'x.akin',
                       *option)

    def test_info_shows_both(self):
        self.index('--precision', 'bf16', '--decode', 'fast')
        info = self.json('info', 'x.akin')
        self.assertEqual(info['decode'], 'fast')
        self.assertEqual([m['precision'] for m in info['models']],
                         ['bf16'] * 2)
        text = self.akin('info', 'x.akin').stdout
        self.assertIn('decoding fast', text)
        self.assertIn('bf16', text)

    def test_compare_and_embed_take_them(self):
        for option in TWO:
            self.akin('compare', self.photo('wide.jpg'),
                      self.photo('tall.jpg'), '--model', CLIP, *option)
            self.akin('embed', self.photo('wide.jpg'), '--model', CLIP,
                      *option)


class Batches(Case):
    def rows(self, *args):
        """Each model's rows and paths of an index that is made for it."""
        self.index(*args)
        found = []
        for model in ('tiny-clip', 'tiny-dinov2'):
            self.akin('export', '-i', 'x.akin', '--model', model, '--format',
                      'npy', '-o', 'out.npy')
            found.append((numpy.load(self.path('out.npy')).tobytes(),
                          open(self.path('out.npy.paths')).read()))
        shutil.rmtree(self.path('x.akin'))
        return found

    def copies(self):
        """A copy next to each picture, and another at the end."""
        for name in sorted(os.listdir(self.photos)):
            for copy in (name.replace('.', ' copy.'), 'z' + name):
                shutil.copy(self.photo(name), self.photo(copy))

    def test_any_number_of_threads_gives_the_same_bits(self):
        self.copies()
        for precision in ('f32', 'bf16', 'int8'):
            how = ['--precision', precision, '--threads']
            one = self.rows(*how, '1')
            for threads in ('2', '4'):
                self.assertEqual(self.rows(*how, threads), one)

    def test_each_precision_gives_vectors_of_its_own(self):
        rows = [self.rows('--precision', precision)
                for precision in ('f32', 'bf16', 'int8')]
        for model in (0, 1):
            self.assertEqual(len({r[model][0] for r in rows}), 3)

    def test_an_index_holds_what_each_picture_gives_alone(self):
        self.index('--threads', '2')
        for folder, model in ((CLIP, 'tiny-clip'), (DINO, 'tiny-dinov2')):
            self.akin('export', '-i', 'x.akin', '--model', model, '--format',
                      'npy', '-o', 'out.npy')
            rows = numpy.load(self.path('out.npy'))
            names = sorted(os.listdir(self.photos))
            for row, name in zip(rows, names, strict=True):
                self.akin('embed', self.photo(name), '--model', folder,
                          '--format', 'npy', '-o', 'one.npy')
                alone = numpy.load(self.path('one.npy'))[0].astype('f8')
                alone /= numpy.sqrt((alone * alone).sum())
                self.assertLess(abs(row - alone).max(), 1e-7, name)

    def test_embed_images_gives_the_bits_of_one_by_one(self):
        program = os.path.join(support.BUILD, 'tests', 'batches')
        for model in (CLIP, DINO):
            done = subprocess.run([program, model, *support.pictures()],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr),
                             (0, ''))

    def test_a_session_takes_no_memory_once_it_is_open(self):
        program = os.path.join(support.BUILD, 'tests', 'allocations')
        for name in ('tiny-clip', 'tiny-dinov2', 'tiny-dinov2-swiglu',
                     'tiny-dinov2-registers'):
            for picture in support.pictures():
                done = subprocess.run([program, support.tiny(name), picture],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout + done.stderr),
                                 (0, ''), name)


if __name__ == '__main__':
    unittest.main()
