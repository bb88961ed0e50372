#!/usr/bin/env python3
"""akin bench: what it prints and how it ends. How fast it finds the machine
is nobody's promise."""
import json
import os
import unittest

from cli_case import CLIP, DINO, Case

RATES = ['read', 'decode', 'resize', 'network', 'pipeline']


class Bench(Case):
    def lines(self, *args, **more):
        text = self.akin('bench', *args, '--json', **more).stdout
        return [json.loads(line) for line in text.splitlines()]

    def wrong(self, *args):
        done = self.akin('bench', *args, code=2)
        self.assertRegex(done.stderr, r'\Aakin: bench: [^\n]+\n\Z')
        return done.stderr


class Speed(Bench):
    def test_json_has_the_documented_shape(self):
        line, = self.lines('photos', '--model', CLIP, '--precision', 'f32',
                           '--threads', '2')
        self.assertEqual(list(line), [
            'model', 'precision', 'threads', 'cpu', 'device', 'card', 'kernels', *RATES, 'gemm',
            'memory_bytes'])
        self.assertEqual((line['model'], line['precision'], line['threads']),
                         ('tiny-clip', 'f32', 2))
        for rate in RATES:
            self.assertEqual(list(line[rate]), ['images_per_second', 'median'])
            self.assertGreater(line[rate]['median'], 0)
            self.assertGreaterEqual(line[rate]['images_per_second'],
                                    line[rate]['median'])
        self.assertEqual(list(line['gemm']), ['share_of_peak'])

    def test_a_row_of_steps_is_slower_than_each_of_them(self):
        line, = self.lines('photos', '--model', CLIP, '--precision', 'f32',
                           '--threads', '1')
        for rate in RATES[:3]:
            self.assertLess(line['pipeline']['images_per_second'],
                            line[rate]['images_per_second'])

    def test_memory_is_at_least_that_of_the_weights(self):
        line, = self.lines('--model', CLIP, '--precision', 'f32')
        if line['memory_bytes'] is None:
            self.skipTest('the system does not say how much there was')
        weights = os.path.getsize(os.path.join(CLIP, 'model.safetensors'))
        self.assertGreater(line['memory_bytes'], weights // 10)

    def test_without_a_folder_only_the_network_is_measured(self):
        line, = self.lines('--model', CLIP, '--precision', 'f32')
        self.assertGreater(line['network']['images_per_second'], 0)
        for rate in ('read', 'decode', 'resize', 'pipeline'):
            self.assertEqual(line[rate],
                             {'images_per_second': None, 'median': None})

    def test_each_model_has_a_line_for_each_precision(self):
        lines = self.lines('--model', CLIP, '--model', DINO, '--precision',
                           'int8', '--precision', 'f32')
        self.assertEqual([(l['model'], l['precision']) for l in lines],
                         [(model, precision)
                          for model in ('tiny-clip', 'tiny-dinov2')
                          for precision in ('f32', 'int8')])

    def test_the_kernels_are_those_that_were_chosen(self):
        line, = self.lines('--model', CLIP, '--precision', 'f32',
                           env=dict(os.environ, AKIN_CPU='c'))
        self.assertEqual(line['kernels'], 'c')
        self.assertIsNone(line['gemm']['share_of_peak'])

    def test_a_table_names_what_is_not_known_with_a_dash(self):
        text = self.akin('bench', '--model', CLIP, '--precision', 'f32').stdout
        self.assertRegex(text, r'\n *tiny-clip +f32 +cpu +\w+ +- +- +- +[\d.]+ +- ')

    def test_a_picture_that_cannot_be_read_is_named_and_left_out(self):
        self.write('photos/bad.jpg', b'no picture')
        done = self.akin('bench', 'photos', '--model', CLIP, '--precision',
                         'f32', '--json', code=1)
        self.assertRegex(done.stderr, r'\Aakin: photos/bad.jpg: [^\n]*\n\Z')
        self.assertGreater(json.loads(done.stdout)['pipeline']['median'], 0)

    def test_a_folder_of_nothing_readable_is_no_input(self):
        os.mkdir(self.path('none'))
        self.write('none/bad.jpg', b'no picture')
        for folder in ('none', 'absent'):
            done = self.akin('bench', folder, '--model', CLIP, code=3)
            self.assertEqual(done.stdout, '')

    def test_a_folder_without_pictures_is_no_input(self):
        os.mkdir(self.path('texts'))
        self.write('texts/a.txt', b'text')
        done = self.akin('bench', 'texts', '--model', CLIP, code=3)
        self.assertIn('texts: no picture is in there', done.stderr)

    def test_a_model_that_is_not_there_is_the_systems_trouble(self):
        self.akin('bench', '--model', self.path('nowhere'), code=5)

    def test_precisions_are_known_by_name(self):
        self.assertIn('none of f32|bf16|int8',
                      self.wrong('--precision', 'int4'))

    def test_it_takes_one_folder(self):
        self.wrong('photos', 'photos')


class Accuracy(Bench):
    def test_json_has_the_documented_shape(self):
        lines = self.lines('--accuracy', 'photos', '--model', CLIP, '--model',
                           DINO)
        self.assertEqual([(l['model'], l['precision']) for l in lines],
                         [(model, precision)
                          for model in ('tiny-clip', 'tiny-dinov2')
                          for precision in ('bf16', 'int8')])
        for line in lines:
            self.assertEqual(list(line), ['model', 'precision', 'images',
                                          'cosine', 'same_nearest', 'speed'])
            self.assertEqual(line['images'], self.count)
            self.assertEqual(list(line['cosine']), ['min', 'p01', 'mean'])
            self.assertLessEqual(line['cosine']['min'], line['cosine']['p01'])
            self.assertLessEqual(line['cosine']['p01'], line['cosine']['mean'])
            self.assertTrue(0.9 < line['cosine']['mean'] <= 1)
            self.assertTrue(0 <= line['same_nearest'] <= 1)
            self.assertGreater(line['speed'], 0)

    def test_a_picture_that_cannot_be_read_is_named_once(self):
        self.write('photos/bad.jpg', b'no picture')
        done = self.akin('bench', '--accuracy', 'photos', '--model', CLIP,
                         '--model', DINO, '--json', code=1)
        self.assertRegex(done.stderr, r'\Aakin: photos/bad.jpg: [^\n]*\n\Z')
        self.assertEqual(json.loads(done.stdout.splitlines()[0])['images'],
                         self.count)

    def test_one_picture_has_no_neighbour(self):
        folder = self.path('one')
        os.mkdir(folder)
        os.rename(self.photo('wide.jpg'), os.path.join(folder, 'wide.jpg'))
        line, = self.lines('--accuracy', 'one', '--model', CLIP,
                           '--precision', 'int8')
        self.assertIsNone(line['same_nearest'])

    def test_it_needs_a_folder(self):
        self.assertIn('--accuracy needs a FOLDER', self.wrong('--accuracy'))

    def test_it_needs_a_precision_to_compare_with_f32(self):
        self.wrong('--accuracy', 'photos', '--precision', 'f32')


if __name__ == '__main__':
    unittest.main()
