#!/usr/bin/env python3
"""The commands as a user meets them: what they print, and how they end."""
import base64
import fcntl
import html.parser
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import time
import unittest

from cli_case import BOTH, CLIP, DINO, Case
from support import AKIN, SOURCE, akin, drawing, tiny

import numpy
import PIL.Image

COMMANDS = ['compare', 'index', 'search', 'dups', 'embed', 'export', 'info',
            'bench', 'label']


class CommandLine(Case):
    def test_akin_alone_prints_five_things_to_do(self):
        lines = self.akin().stdout.splitlines()
        self.assertEqual(sum(l.startswith('  akin ') for l in lines), 5)

    def test_help_lists_every_command(self):
        text = self.akin('--help').stdout
        for command in COMMANDS:
            self.assertRegex(text, rf'(?m)^  {command} ')

    def test_the_help_of_every_command_has_an_example_of_it(self):
        for command in COMMANDS:
            text = self.akin(command, '--help').stdout
            self.assertRegex(text, rf'example:\n  akin {command} ')

    def test_help_fits_80_columns(self):
        for command in COMMANDS:
            for line in self.akin(command, '--help').stdout.splitlines():
                self.assertLessEqual(len(line), 80, f'{command}: {line}')

    def test_version_is_the_version_of_the_build(self):
        with open(os.path.join(SOURCE, 'meson.build')) as f:
            version = re.search(r"version: '([\d.]+)'", f.read())[1]
        self.assertEqual(self.akin('--version').stdout, f'akin {version}\n')

    def test_verbose_version_names_the_decoders(self):
        self.assertIn('jpeg', self.akin('--version', '--verbose').stdout)

    def wrong(self, *args):
        done = self.akin(*args, code=2)
        self.assertEqual(done.stdout, '')
        self.assertRegex(done.stderr, r'\Aakin: [^\n]+\n\Z')
        return done.stderr

    def test_a_mistyped_command_is_told_the_nearest(self):
        self.assertIn('did you mean search?', self.wrong('serach', 'a.jpg'))

    def test_a_mistyped_option_is_told_the_nearest(self):
        self.assertIn('did you mean --model?',
                      self.wrong('compare', 'a', 'b', '--modle=x'))

    def test_an_option_of_another_command_is_refused(self):
        self.wrong('compare', 'a', 'b', '--html', 'page.html')

    def test_an_option_without_its_value_is_refused(self):
        self.assertIn('--model needs', self.wrong('compare', 'a', 'b',
                                                  '--model'))

    def test_a_value_for_an_option_that_takes_none_is_refused(self):
        self.assertIn('--json', self.wrong('compare', 'a', 'b', '--json=1'))

    def test_an_unknown_letter_is_refused(self):
        self.assertIn('-q', self.wrong('compare', 'a', 'b', '-q'))

    def test_compare_needs_two_files(self):
        self.wrong('compare', 'a.jpg')

    def test_numbers_are_checked(self):
        for number in ('0', '-1', 'x', '3x', '', '99999999999999999999'):
            self.wrong('search', 'a.jpg', '-k', number)

    def test_values_of_pool_and_exif_are_checked(self):
        self.wrong('compare', 'a', 'b', '--pool', 'max')
        self.wrong('compare', 'a', 'b', '--exif', 'yes')

    def test_limits_are_known_by_name_and_positive(self):
        self.assertIn('none of file_bytes=N, side=N, pixels=N',
                      self.wrong('compare', 'a', 'b', '--limit', 'pixel=9'))
        for limit in ('pixels', 'pixels=', 'pixels=0', 'pixels=-1',
                      'pixels=9x', 'side=4294967296'):
            self.wrong('compare', 'a', 'b', '--limit', limit)

    def test_a_model_given_twice_is_refused(self):
        self.wrong('compare', 'a', 'b', '--model', CLIP, '--model', CLIP)

    def test_two_folders_of_one_name_are_refused(self):
        other = self.path('other', os.path.basename(CLIP))
        shutil.copytree(CLIP, other)
        text = self.wrong('compare', self.photo('wide.jpg'),
                          self.photo('tall.jpg'), '--model', CLIP,
                          '--model', other)
        self.assertIn(f'both called {os.path.basename(CLIP)}', text)

    def test_info_and_export_take_one_index(self):
        self.wrong('info', 'a.akin', 'b.akin')


class Compare(Case):
    def setUp(self):
        super().setUp()
        self.pair = [self.photo('wide.jpg'), self.photo('tall.jpg')]

    def test_json_has_the_documented_shape(self):
        found = self.json('compare', *self.pair, *BOTH)
        self.assertEqual(list(found), ['pairs'])
        pair, = found['pairs']
        self.assertEqual(list(pair), ['a', 'b', 'scores'])
        self.assertEqual([pair['a'], pair['b']], self.pair)
        self.assertEqual([s['model'] for s in pair['scores']],
                         ['tiny-clip', 'tiny-dinov2'])
        for score in pair['scores']:
            self.assertEqual(list(score), ['model', 'cosine', 'score'])
            self.assertAlmostEqual(score['score'], (score['cosine'] + 1) / 2)

    def test_the_cosine_is_that_of_the_embedded_vectors(self):
        lines = self.akin('embed', *self.pair, '--model', DINO).stdout
        a, b = (numpy.array(json.loads(line)['vector'])
                for line in lines.splitlines())
        want = a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b)
        pair, = self.json('compare', *self.pair, '--model', DINO)['pairs']
        self.assertAlmostEqual(pair['scores'][0]['cosine'], want, places=7)

    def test_a_picture_is_wholly_like_itself(self):
        found = self.json('compare', self.pair[0], self.pair[0], *BOTH)
        for score in found['pairs'][0]['scores']:
            self.assertAlmostEqual(score['score'], 1, places=9)

    def test_three_pictures_are_three_pairs(self):
        three = self.pair + [self.photo('grey.png')]
        found = self.json('compare', *three, '--model', CLIP)['pairs']
        self.assertEqual([(p['a'], p['b']) for p in found],
                         [(three[0], three[1]), (three[0], three[2]),
                          (three[1], three[2])])

    def test_the_table_has_a_column_for_each_model(self):
        lines = self.akin('compare', *self.pair, *BOTH).stdout.splitlines()
        self.assertEqual(lines[0].split(), ['tiny-clip', 'tiny-dinov2'])
        self.assertRegex(lines[1], r'wide\.jpg +\S+tall\.jpg +[\d.]+ % +'
                                   r'[\d.]+ %$')
        self.assertEqual(len(lines[0]), len(lines[1]))

    def test_pool_changes_the_vector_of_dinov2(self):
        means = [self.json('compare', *self.pair, '--model', DINO, '--pool',
                           pool)['pairs'][0]['scores'][0]['cosine']
                 for pool in ('mean', 'cls', 'patches')]
        self.assertEqual(len(set(means)), 3)

    def test_exif_off_takes_the_pixels_as_stored(self):
        image = PIL.Image.fromarray(drawing(200, 120, 3))
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        for name, more in (('plain.jpg', {}), ('turned.jpg', {'exif': exif})):
            image.save(self.path(name), quality=90, **more)
        score = {how: self.json('compare', 'plain.jpg', 'turned.jpg',
                                '--model', CLIP, '--exif', how)
                 ['pairs'][0]['scores'][0]['score'] for how in ('on', 'off')}
        self.assertAlmostEqual(score['off'], 1, places=9)
        self.assertLess(score['on'], 0.9999)

    def test_one_of_three_missing_leaves_a_pair_and_exit_code_1(self):
        done = self.akin('compare', *self.pair, 'gone.jpg', '--model', CLIP,
                         '--json', code=1)
        self.assertEqual(len(json.loads(done.stdout)['pairs']), 1)
        self.assertIn('gone.jpg: No such file', done.stderr)

    def test_strict_refuses_a_picture_cut_short(self):
        with open(self.pair[0], 'rb') as f:
            cut = self.write('cut.jpg', f.read()[:-400])
        self.akin('compare', cut, *self.pair, *BOTH)
        self.akin('compare', cut, *self.pair, '--strict', *BOTH, code=1)

    def test_a_limit_can_be_set(self):
        done = self.akin('compare', *self.pair, '--limit', 'pixels=1000',
                         *BOTH, code=3)
        self.assertIn('(limit 1000)', done.stderr)

    def test_one_of_two_missing_leaves_nothing_to_compare(self):
        done = self.akin('compare', self.pair[0], 'gone.jpg', '--model', CLIP,
                         code=3)
        self.assertEqual(done.stdout, '')


class Index(Case):
    def test_json_has_the_documented_shape(self):
        found = self.index()
        self.assertEqual(list(found), [
            'index', 'added', 'updated', 'unchanged', 'removed', 'failed',
            'models', 'seconds', 'renamed', 'skipped', 'warnings'])
        self.assertEqual(found['index'], 'x.akin')
        self.assertEqual(found['added'], self.count)
        self.assertEqual(found['failed'], [])
        for model, name in zip(found['models'], ['tiny-clip', 'tiny-dinov2']):
            self.assertEqual(list(model), ['model', 'images', 'seconds',
                                           'images_per_second'])
            self.assertEqual(model['model'], name)
            self.assertEqual(model['images'], self.count)
            self.assertGreater(model['images_per_second'], 0)

    def test_the_second_time_needs_no_models_named_and_does_nothing(self):
        self.index()
        found = self.json('index', 'photos', '-i', 'x.akin')
        self.assertEqual(found['unchanged'], self.count)
        self.assertEqual([m['images'] for m in found['models']], [0, 0])
        self.assertIsNone(found['models'][0]['images_per_second'])

    def test_what_changed_is_counted_by_what_happened(self):
        self.index()
        os.rename(self.photo('wide.jpg'), self.photo('moved.jpg'))
        os.remove(self.photo('tall.jpg'))
        shutil.copy(self.photo('grey.png'), self.photo('small.png'))
        PIL.Image.fromarray(drawing(50, 60, 9)).save(self.photo('new.png'))
        self.write('photos/note.txt', b'words')
        found = self.json('index', 'photos', '-i', 'x.akin')
        self.assertEqual({k: found[k] for k in (
            'added', 'updated', 'removed', 'renamed', 'skipped')},
            dict(added=1, updated=1, removed=1, renamed=1, skipped=1))

    def test_without_i_photos_akin_is_made_here(self):
        self.akin('index', 'photos', '--model', CLIP)
        self.assertTrue(os.path.isdir(self.path('photos.akin')))

    def test_without_i_the_nearest_index_above_is_used(self):
        self.akin('index', 'photos', '--model', CLIP)
        done = akin('index', '.', '--json', cwd=self.photos)
        self.assertEqual(json.loads(done.stdout)['unchanged'], self.count)
        self.assertFalse(os.path.exists(self.photo('photos.akin')))

    def test_what_was_begun_and_not_finished_is_made(self):
        for file in None, 'lock', 'catalog.db':
            os.mkdir(self.path('x.akin'))
            if file:
                self.write(f'x.akin/{file}', b'')
            for args in ('info', 'x.akin'), ('verify', 'x.akin'), \
                    ('search', self.photo('tall.jpg'), '-i', 'x.akin'), \
                    ('index', 'photos', '-i', 'x.akin', '--forget'):
                said = self.akin(*args, code=4).stderr
                self.assertIn('begun and not finished; `akin index FOLDER` '
                              'makes it', said)
            self.assertEqual(self.index()['added'], self.count)
            shutil.rmtree(self.path('x.akin'))

    def test_who_makes_it_at_the_moment_is_named(self):
        os.mkdir(self.path('x.akin'))
        self.write('x.akin/lock', b'pid 7 on host other\n')
        with open(self.path('x.akin/lock'), encoding='utf-8') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for _ in 'without a catalog', 'with an empty one':
                said = self.akin('index', 'photos', '-i', 'x.akin', '--model',
                                 CLIP, code=4).stderr
                self.assertIn('x.akin: being written by pid 7 on host other',
                              said)
                self.write('x.akin/catalog.db', b'')

    def test_a_model_can_be_added_later(self):
        self.json('index', 'photos', '-i', 'x.akin', '--model', CLIP)
        found = self.json('index', 'photos', '-i', 'x.akin', '--model', DINO)
        self.assertEqual([m['model'] for m in found['models']],
                         ['tiny-dinov2'])
        self.assertEqual([m['images'] for m in self.json('info', 'x.akin')
                          ['models']], [self.count, self.count])

    def test_a_model_is_known_by_its_name_in_the_index(self):
        self.index()
        found = self.json('index', 'photos', '-i', 'x.akin', '--model',
                          'tiny-dinov2')
        self.assertEqual([m['model'] for m in found['models']],
                         ['tiny-dinov2'])

    def test_a_broken_picture_counts_once(self):
        self.write('photos/broken.jpg', b'no picture')
        first = self.akin('index', 'photos', '-i', 'x.akin', *BOTH, '--json',
                          code=1)
        self.assertEqual(json.loads(first.stdout)['failed'],
                         [{'path': 'photos/broken.jpg',
                           'reason': 'no image of a known format'}])
        self.assertIn('photos/broken.jpg: no image', first.stderr)
        again = self.akin('index', 'photos', '-i', 'x.akin')
        self.assertEqual(again.stderr, '')

    def test_retry_tries_again_what_failed(self):
        self.write('photos/broken.jpg', b'no picture')
        self.akin('index', 'photos', '-i', 'x.akin', *BOTH, code=1)
        self.akin('index', 'photos', '-i', 'x.akin', '--retry', code=1)

    def cut_short(self):
        with open(self.photo('wide.jpg'), 'rb') as f:
            data = f.read()
        self.write('photos/cut.jpg', data[:len(data) // 2])

    def test_a_picture_cut_short_is_used_with_a_warning(self):
        self.cut_short()
        found = self.index()
        self.assertEqual(found['added'], self.count + 1)
        self.assertEqual([w['path'] for w in found['warnings']],
                         ['photos/cut.jpg'])

    def test_strict_refuses_a_picture_cut_short(self):
        self.cut_short()
        found = self.index('--strict', code=1)
        self.assertEqual([f['path'] for f in found['failed']],
                         ['photos/cut.jpg'])

    def test_options_may_not_change_how_an_index_was_made(self):
        self.index('--exif', 'off')
        self.index('--exif', 'off')
        for option in (['--exif', 'on'], ['--pool', 'cls', '--model', DINO]):
            done = self.akin('index', 'photos', '-i', 'x.akin', *option,
                             code=2)
            self.assertIn('was made with', done.stderr)

    def test_other_weights_under_a_known_name_are_refused(self):
        self.index()
        other = self.path('other', 'tiny-clip')
        shutil.copytree(tiny('tiny-dinov2'), other)
        done = self.akin('index', 'photos', '-i', 'x.akin', '--model', other,
                         code=4)
        self.assertIn('is not the one that this index was made with',
                      done.stderr)

    def test_the_same_weights_from_a_new_place_are_taken(self):
        moved = self.path('moved', 'tiny-clip')
        shutil.copytree(CLIP, moved)
        self.json('index', 'photos', '-i', 'x.akin', '--model', moved)
        shutil.rmtree(moved)
        done = self.akin('index', 'photos', '-i', 'x.akin', code=5)
        self.assertIn(f'lay in {moved}', done.stderr)
        self.assertEqual(self.json('index', 'photos', '-i', 'x.akin',
                                   '--model', CLIP)['unchanged'], self.count)

    def test_the_summary_is_in_words(self):
        text = self.akin('index', 'photos', '-i', 'x.akin', *BOTH).stdout
        self.assertRegex(text, rf'\Ax\.akin: {self.count} added; in [\d.]+ s\n'
                               rf'  tiny-clip: {self.count} pictures, ')

    def test_one_missing_folder_of_two_is_a_failure(self):
        done = self.akin('index', 'photos', 'gone', '-i', 'x.akin', *BOTH,
                         '--json', code=1)
        found = json.loads(done.stdout)
        self.assertEqual(found['added'], self.count)
        self.assertEqual([f['path'] for f in found['failed']], ['gone'])


class Cache(Case):
    """Models of the hub, in a cache of its own, under their names."""

    def setUp(self):
        super().setUp()
        self.move_to('cache')

    def move_to(self, name):
        self.home = dict(os.environ, HF_HOME=self.path(name), HOME=self.path(
            'home'), XDG_DATA_HOME=self.path('data'))
        self.home.pop('HF_HUB_CACHE', None)

    def put(self, model, owner_and_name, commit):
        folder = self.path('cache', 'hub', 'models--' + owner_and_name.replace(
            '/', '--'), 'snapshots', commit)
        shutil.copytree(model, folder)

    def put_clip(self):
        self.put(CLIP, 'openai/clip-vit-base-patch32',
                 'b33cedfd0df4e43b8238760678fcc89e1a0d38b3')

    def put_dinov2(self):
        self.put(DINO, 'facebook/dinov2-base',
                 'f9e44c814b77203eaa57a6bdbbd535f21ede1415')

    def models(self, *args):
        return [m['model'] for m in self.json(
            'index', 'photos', *args, env=self.home)['models']]

    def test_a_new_index_gets_the_articles_two_models(self):
        self.put_clip()
        self.put_dinov2()
        self.assertEqual(self.models(), ['clip', 'dinov2'])

    def test_a_new_index_gets_the_one_of_the_two_that_is_there(self):
        self.put_dinov2()
        self.assertEqual(self.models(), ['dinov2'])

    def test_a_new_index_gets_starter_where_there_is_nothing_else(self):
        shutil.copytree(DINO, self.path('data', 'akin', 'models', 'starter'))
        self.assertEqual(self.models(), ['starter'])

    def test_a_model_of_the_hub_keeps_its_name_in_the_index(self):
        self.put_clip()
        self.put(DINO, 'me/mine', '0' * 40)
        self.models('--model', 'clip', '--model', 'me/mine')
        self.assertEqual(self.models(), ['clip', 'me/mine'])
        self.assertEqual(self.models('--model', 'me/mine'), ['me/mine'])
        found = self.json('info', env=self.home)['models']
        self.assertEqual(found[1]['revision'], '0' * 40)

    def test_a_cache_that_moved_is_found_by_the_models_name(self):
        self.put_clip()
        self.models()
        os.rename(self.path('cache'), self.path('other'))
        self.move_to('other')
        self.akin('search', self.photo('wide.jpg'), env=self.home)


class Interrupted(Case):
    def setUp(self):
        super().setUp()
        self.many_photos()

    def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = subprocess.Popen(
                [AKIN, 'index', 'photos', '-i', 'x.akin', *BOTH, '--threads',
                 '1'], cwd=self.folder, stderr=subprocess.PIPE, text=True)
            while not os.path.exists(self.path('x.akin')):
                time.sleep(0.01)
            time.sleep(0.3)
            run.send_signal(number)
            text = run.communicate(timeout=60)[1]
            self.assertEqual(run.returncode, code, text)
            self.assertIn('the same command goes on', text)
        self.index()
        self.assertEqual(self.json('info', 'x.akin')['files'], self.count)

    def test_ctrl_c_leaves_no_half_of_an_array(self):
        names = sorted(os.listdir(self.photos))
        run = subprocess.Popen(
            [AKIN, 'embed', *names, '--model', CLIP, '--format', 'npy', '-o',
             '../x.npy', '--threads', '2'], cwd=self.photos,
            stderr=subprocess.PIPE, text=True)
        while not any('x.npy' in n for n in os.listdir(self.folder)):
            time.sleep(0.01)
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        text = run.communicate(timeout=60)[1]
        self.assertEqual(run.returncode, 130, text)
        self.assertEqual(os.listdir(self.folder), ['photos'])

    def test_a_killed_run_leaves_an_index_that_goes_on(self):
        run = subprocess.Popen(
            [AKIN, 'index', 'photos', '-i', 'x.akin', *BOTH],
            cwd=self.folder, stderr=subprocess.DEVNULL)
        while not os.path.exists(self.path('x.akin')):
            time.sleep(0.01)
        time.sleep(0.4)
        run.kill()
        run.wait()
        self.index()
        self.assertEqual(self.json('info', 'x.akin')['files'], self.count)


class Search(Case):
    def setUp(self):
        super().setUp()
        self.index()
        self.query = self.photo('wide.jpg')

    def search(self, *args, **more):
        return [json.loads(line) for line in self.akin(
            'search', *args, '-i', 'x.akin', '--json', **more)
            .stdout.splitlines()]

    def test_json_has_the_documented_shape(self):
        found, = self.search(self.query)
        self.assertEqual(list(found), ['query', 'models'])
        self.assertEqual(found['query'], [self.query])
        self.assertEqual([m['model'] for m in found['models']],
                         ['tiny-clip', 'tiny-dinov2'])
        for model in found['models']:
            self.assertEqual(list(model), ['model', 'results'])
            self.assertEqual([r['rank'] for r in model['results']], [1, 2, 3])
            for r in model['results']:
                self.assertEqual(list(r), ['rank', 'path', 'cosine', 'score',
                                           'probability'])
                self.assertAlmostEqual(r['score'], (r['cosine'] + 1) / 2)

    def test_answers_are_the_nearest_that_numpy_finds(self):
        names = sorted(os.listdir(self.photos))
        lines = self.akin('embed', *[f'photos/{n}' for n in names], '--model',
                          DINO).stdout.splitlines()
        rows = numpy.array([json.loads(l)['vector'] for l in lines])
        rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
        cosines = rows @ rows[names.index('wide.jpg')]
        order = numpy.argsort(-cosines)[:4]
        found, = self.search(self.query, '-k', '4', '--model', 'tiny-dinov2')
        results = found['models'][0]['results']
        self.assertEqual([r['path'] for r in results],
                         [f'photos/{names[i]}' for i in order])
        numpy.testing.assert_allclose([r['cosine'] for r in results],
                                      cosines[order], atol=1e-6)

    def test_the_picture_itself_comes_first(self):
        found, = self.search(self.query)
        for model in found['models']:
            self.assertEqual(model['results'][0]['path'], 'photos/wide.jpg')
            self.assertAlmostEqual(model['results'][0]['score'], 1, places=6)

    def test_no_more_answers_than_pictures(self):
        found, = self.search(self.query, '-k', '1000')
        self.assertEqual(len(found['models'][0]['results']), self.count)

    def test_each_query_has_its_line(self):
        two = [self.query, self.photo('grey.png')]
        self.assertEqual([f['query'] for f in self.search(*two)],
                         [[two[0]], [two[1]]])

    def test_the_table_has_the_models_side_by_side(self):
        lines = self.akin('search', self.query, '-i', 'x.akin').stdout \
            .splitlines()
        self.assertEqual(lines[0], self.query)
        self.assertEqual(lines[1].split(), ['tiny-clip', 'tiny-dinov2'])
        self.assertRegex(lines[2], r'^1  100\.0 %  photos/wide\.jpg +'
                                   r'100\.0 %  photos/wide\.jpg$')
        self.assertEqual(len(lines), 5)

    def test_some_queries_unreadable_leave_the_others_answered(self):
        done = self.akin('search', 'gone.jpg', self.query, '-i', 'x.akin',
                         '--json', code=1)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertIn('gone.jpg: No such file', done.stderr)

    def test_a_missing_file_is_never_a_text(self):
        for name in ('gone.jpg', 'GONE.PNG', 'folder/gone', '2:gone.jpg'):
            done = self.akin('search', name, '-i', 'x.akin', code=3)
            self.assertIn('No such file or directory (--text', done.stderr)

    def test_an_empty_index_finds_nothing(self):
        os.mkdir(self.path('empty'))
        self.akin('index', 'empty', '-i', 'e.akin', *BOTH, code=3)
        self.akin('search', self.query, '-i', 'e.akin', code=1)

    def test_a_model_that_the_index_lacks_is_named(self):
        done = self.akin('search', self.query, '-i', 'x.akin', '--model',
                         'clip', code=4)
        self.assertIn('tiny-clip, tiny-dinov2', done.stderr)

    def test_options_may_repeat_how_the_index_was_made(self):
        self.search(self.query, '--exif', 'on')

    def test_options_may_not_change_how_the_index_was_made(self):
        for option in (['--exif', 'off'], ['--pool', 'patches']):
            self.akin('search', self.query, '-i', 'x.akin', *option, code=2)

    def test_no_index_anywhere_says_how_to_make_one(self):
        done = akin('search', self.query, cwd='/', code=4)
        self.assertIn('akin index DIR', done.stderr)

    def test_an_index_below_which_one_stands_is_found(self):
        os.rename(self.path('x.akin'), self.path('photos.akin'))
        done = akin('search', 'wide.jpg', cwd=self.photos)
        self.assertRegex(done.stdout, r'(?m)^1  100\.0 %  wide\.jpg ')


class Page(html.parser.HTMLParser):
    """The pictures, texts and titles of a page, and all that it would load."""

    def __init__(self, text):
        super().__init__()
        self.images, self.loads, self.text, self.tags = [], [], '', []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag == 'img':
            self.images.append(values)
        self.loads += [v for k, v in attributes if k in ('src', 'href')]

    def handle_data(self, data):
        self.text += data


class Html(Case):
    def setUp(self):
        super().setUp()
        self.names = [b'<b>&amp;"quoted"\'.png', b'line\nbreak.png',
                      b'invalid-\xff\xfe.png']
        for i, name in enumerate(self.names):
            PIL.Image.fromarray(drawing(400 + i, 900, i)).save(
                self.path('odd.png'))
            os.rename(self.path('odd.png'),
                      os.path.join(os.fsencode(self.photos), name))
        self.index()

    def page(self, *queries, **more):
        self.akin('search', *queries, '-i', 'x.akin', '--html', 'page.html',
                  '-k', '9', **more)
        with open(self.path('page.html'), encoding='utf-8') as f:
            return Page(f.read())

    def test_it_holds_every_picture_and_loads_nothing(self):
        page = self.page('photos/wide.jpg', 'photos/grey.png')
        self.assertEqual(len(page.images), 2 * (1 + 2 * 9))
        self.assertTrue(all(source.startswith('data:image/jpeg;base64,')
                            for source in page.loads))

    def test_pictures_are_small_and_as_wide_as_they_say(self):
        for image in self.page('photos/wide.jpg').images:
            data = base64.b64decode(image['src'].split(',')[1], validate=True)
            small = PIL.Image.open(io.BytesIO(data))
            self.assertEqual(small.size, (int(image['width']),
                                          int(image['height'])))
            self.assertLessEqual(max(small.size), 320)

    def test_a_small_picture_is_the_mean_of_the_large_one(self):
        y, x = numpy.mgrid[0:480, 0:640]
        smooth = numpy.stack([x * 255 / 639, y * 255 / 479, x - x], 2)
        smooth[::2, ::2] += 40  # what a mean evens out and a pick would not
        smooth = smooth.clip(0, 255).astype(numpy.uint8)
        PIL.Image.fromarray(smooth).save(self.path('smooth.png'))
        page = self.page('smooth.png')
        data = base64.b64decode(page.images[0]['src'].split(',')[1])
        small = numpy.asarray(PIL.Image.open(io.BytesIO(data)), float)
        want = smooth.reshape(240, 2, 320, 2, 3).mean((1, 3))
        self.assertLess(numpy.abs(small - want).mean(), 2)

    def test_odd_names_are_shown_and_break_nothing(self):
        page = self.page('photos/wide.jpg')
        titles = [image['alt'] for image in page.images]
        for name in ('<b>&amp;"quoted"\'.png', r'line\x0abreak.png',
                     r'invalid-\xff\xfe.png'):
            self.assertIn('photos/' + name, titles)
            self.assertIn(name, page.text)
        self.assertEqual(page.tags.count('b'), 2 * 9)  # the scores alone

    def test_scores_stand_below_the_pictures(self):
        self.assertEqual(self.page('photos/wide.jpg').text.count('100.0 %'), 2)

    def test_a_picture_that_is_gone_leaves_its_frame(self):
        os.remove(self.photo('grey.png'))
        page = self.page('photos/wide.jpg')
        self.assertIn('grey.png', page.text)
        self.assertIn('No such file', page.text)

    def test_limits_hold_for_its_pictures(self):
        page = self.page('photos/small.png', '--limit', 'side=300')
        self.assertIn('limit 300', page.text)

    def test_a_search_that_fails_leaves_the_old_page(self):
        self.write('page.html', b'old')
        self.akin('search', 'gone.jpg', '-i', 'x.akin', '--html', 'page.html',
                  code=3)
        with open(self.path('page.html')) as f:
            self.assertEqual(f.read(), 'old')
        self.assertEqual([n for n in os.listdir(self.folder) if 'tmp' in n],
                         [])


class Embed(Case):
    def setUp(self):
        super().setUp()
        self.names = [f'photos/{n}' for n in sorted(os.listdir(self.photos))]

    def lines(self, *args, **more):
        return [json.loads(line) for line in self.akin(
            'embed', *args, **more).stdout.splitlines()]

    def test_jsonl_has_the_documented_shape(self):
        found = self.lines(*self.names, *BOTH)
        self.assertEqual(len(found), 2 * len(self.names))
        for i, line in enumerate(found):
            self.assertEqual(list(line), ['path', 'model', 'device', 'dim',
                                          'vector'])
            self.assertEqual(line['path'], self.names[i // 2])
            self.assertEqual(line['model'], ['tiny-clip', 'tiny-dinov2'][i % 2])
            self.assertEqual(line['dim'], len(line['vector']))

    def test_npy_is_what_numpy_loads_and_equals_jsonl_to_the_last_bit(self):
        self.akin('embed', *self.names, '--model', DINO, '--format', 'npy',
                  '-o', 'out.npy')
        array = numpy.load(self.path('out.npy'))
        self.assertEqual((array.dtype, array.shape),
                         (numpy.float32, (len(self.names), 64)))
        lines = numpy.array([l['vector'] for l in self.lines(
            *self.names, '--model', DINO)], numpy.float32)
        numpy.testing.assert_array_equal(array, lines)
        with open(self.path('out.npy.paths')) as f:
            self.assertEqual(f.read().splitlines(), self.names)

    def test_threads_change_nothing(self):
        many = self.names * 9
        texts = [self.akin('embed', *many, '--model', CLIP, '--threads',
                           str(threads)).stdout for threads in (1, 3)]
        self.assertEqual(*texts)

    def test_a_slow_picture_keeps_its_place(self):
        """The others wait for it when they are too far ahead."""
        PIL.Image.new('RGB', (6000, 4000), 'teal').save(self.path('slow.png'),
                                                        compress_level=1)
        lines = self.lines('slow.png', *self.names * 12, '--model', CLIP,
                           '--threads', '2')
        self.assertEqual([line['path'] for line in lines],
                         ['slow.png', *self.names * 12])

    def test_normalize_makes_vectors_of_length_one(self):
        plain = self.lines(self.names[0], '--model', CLIP)[0]['vector']
        scaled = self.lines(self.names[0], '--model', CLIP,
                            '--normalize')[0]['vector']
        numpy.testing.assert_allclose(
            scaled, plain / numpy.linalg.norm(plain), rtol=1e-6)
        self.assertGreater(abs(numpy.linalg.norm(plain) - 1), 0.01)

    def test_json_is_jsonl(self):
        lines = [self.akin('embed', self.photo('wide.jpg'), '--model', CLIP,
                           *how).stdout
                 for how in (['--json'], ['--format', 'jsonl'])]
        self.assertEqual(*lines)
        self.akin('embed', self.photo('wide.jpg'), '--model', CLIP, '--json',
                  '--format', 'npy', '-o', self.path('x.npy'), code=2)

    def test_a_file_that_cannot_be_read_has_no_row(self):
        names = [self.names[0], 'gone.jpg', self.names[1]]
        self.akin('embed', *names, '--model', CLIP, '--format', 'npy', '-o',
                  'out.npy', code=1)
        self.assertEqual(len(numpy.load(self.path('out.npy'))), 2)
        with open(self.path('out.npy.paths')) as f:
            self.assertEqual(f.read().splitlines(), self.names[:2])

    def test_nothing_readable_writes_no_file(self):
        self.akin('embed', 'gone.jpg', '--model', CLIP, '--format', 'npy',
                  '-o', 'out.npy', code=3)
        self.assertEqual(os.listdir(self.folder), ['photos'])

    def test_an_array_holds_one_model(self):
        self.akin('embed', *self.names, *BOTH, '--format', 'npy', '-o',
                  'out.npy', code=2)

    def test_an_array_needs_a_file(self):
        self.akin('embed', *self.names, '--model', CLIP, '--format', 'npy',
                  code=2)

    def test_a_folder_that_is_not_there_is_named_with_the_file(self):
        done = self.akin('embed', self.names[0], '--model', CLIP, '-o',
                         'nowhere/x.jsonl', code=5)
        self.assertEqual(done.stderr, 'akin: nowhere/x.jsonl: cannot be '
                                      'written: No such file or directory\n')

    def test_no_photo_is_written_over(self):
        with open(self.path(self.names[0]), 'rb') as f:
            before = f.read()
        self.akin('embed', self.names[1], '--model', CLIP, '--format', 'npy',
                  '-o', self.names[0], code=2)
        self.index()
        self.akin('search', self.names[1], '-i', 'x.akin', '--html',
                  self.names[0], code=2)
        with open(self.path(self.names[0]), 'rb') as f:
            self.assertEqual(f.read(), before)

    def test_lines_go_to_a_file_as_well(self):
        self.akin('embed', self.names[0], '--model', CLIP, '-o', 'out.jsonl')
        with open(self.path('out.jsonl')) as f:
            self.assertEqual(json.loads(f.read())['path'], self.names[0])

    def test_a_path_that_is_no_utf_8_is_kept_in_hexadecimal(self):
        name = os.fsdecode(b'odd-\xff.png')
        shutil.copy(self.photo('grey.png'), self.path(name))
        line, = self.lines(name, '--model', CLIP)
        self.assertEqual(line['path'], 'odd-\ufffd.png')
        self.assertEqual(bytes.fromhex(line['path_hex']), b'odd-\xff.png')

    def test_a_newline_in_a_name_has_no_line_in_paths(self):
        shutil.copy(self.photo('grey.png'), self.path('a\nb.png'))
        done = self.akin('embed', 'a\nb.png', self.names[0], '--model', CLIP,
                         '--format', 'npy', '-o', 'out.npy', code=1)
        self.assertIn(r'a\x0ab.png', done.stderr)
        self.assertEqual(len(numpy.load(self.path('out.npy'))), 1)


class Export(Case):
    def setUp(self):
        super().setUp()
        self.index()

    def export(self, form, name, *more):
        self.akin('export', 'x.akin', '--model', 'tiny-dinov2', '--format',
                  form, '-o', name, *more)
        return self.path(name)

    def rows(self):
        names = sorted(os.listdir(self.photos))
        lines = self.akin('embed', *[self.photo(n) for n in names], '--model',
                          DINO, '--normalize').stdout.splitlines()
        return names, numpy.array([json.loads(l)['vector'] for l in lines],
                                  numpy.float32)

    def test_npy_has_the_rows_in_order_of_path(self):
        names, rows = self.rows()
        array = numpy.load(self.export('npy', 'out.npy'))
        numpy.testing.assert_allclose(array, rows, atol=1e-6)
        with open(self.path('out.npy.paths')) as f:
            self.assertEqual([os.path.basename(l) for l in f.read()
                              .splitlines()], names)

    def test_faiss_begins_as_an_index_flat_l2(self):
        with open(self.export('faiss', 'out.index'), 'rb') as f:
            head = f.read(16)
        self.assertEqual(struct.unpack('<4siq', head), (b'IxF2', 64,
                                                        self.count))

    def test_faiss_finds_what_akin_finds(self):
        try:
            import faiss
        except ImportError:
            self.skipTest('faiss-cpu is not there')
        index = faiss.read_index(self.export('faiss', 'out.index'))
        with open(self.path('out.index.paths')) as f:
            paths = f.read().splitlines()
        names, rows = self.rows()
        distances, order = index.search(
            rows[names.index('tall.jpg')][None], 4)
        found = json.loads(self.akin(
            'search', self.photo('tall.jpg'), '-i', 'x.akin', '-k', '4',
            '--model', 'tiny-dinov2', '--json').stdout)
        results = found['models'][0]['results']
        self.assertEqual([os.path.basename(r['path']) for r in results],
                         [os.path.basename(paths[i]) for i in order[0]])
        numpy.testing.assert_allclose([r['score'] for r in results],
                                      1 - distances[0] / 4, atol=1e-6)

    def test_jsonl_has_a_line_for_each_picture(self):
        with open(self.export('jsonl', 'out.jsonl')) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(len(lines), self.count)
        self.assertEqual(len(lines[0]['vector']), 64)

    def test_json_says_what_was_written(self):
        model = os.path.basename(CLIP)
        self.assertEqual(
            self.json('export', 'x.akin', '--model', model, '--format', 'npy',
                      '-o', 'x.npy'),
            {'index': 'x.akin', 'model': model, 'format': 'npy',
             'output': 'x.npy', 'paths': 'x.npy.paths', 'rows': self.count,
             'ids': None})

    def test_two_models_need_one_named(self):
        done = self.akin('export', 'x.akin', '--format', 'npy', '-o', 'o.npy',
                         code=2)
        self.assertIn('tiny-clip', done.stderr)

    def test_format_and_target_are_needed_and_must_fit(self):
        for args in (['--format', 'npy'], ['-o', 'out'],
                     ['--format', 'parquet', '-o', 'out'],
                     ['--format', 'pgvector'],
                     ['--format', 'pgvector', '-o', 'out'],
                     ['--format', 'npy', '-o', 'out', '--table', 't'],
                     ['--format', 'npy', '-o', 'out', '--to',
                      'postgresql://']):
            self.akin('export', 'x.akin', '--model', 'tiny-clip', *args,
                      code=2)

    def test_a_model_that_is_not_in_the_index_is_index_trouble(self):
        self.akin('export', 'x.akin', '--model', 'clip', '--format', 'npy',
                  '-o', 'out.npy', code=4)

    def test_a_model_may_be_named_by_its_folder(self):
        self.akin('export', 'x.akin', '--format', 'npy', '-o', 'out.npy',
                  '--model', CLIP + '/')
        self.akin('dups', '-i', 'x.akin', '--model', CLIP, code=1)  # no copies

    def test_a_folder_that_is_not_there_is_system_trouble(self):
        self.akin('export', 'x.akin', '--model', 'tiny-clip', '--format',
                  'npy', '-o', 'nowhere/out.npy', code=5)


class Info(Case):
    def setUp(self):
        super().setUp()
        self.write('photos/broken.jpg', b'no picture')
        self.akin('index', 'photos', '-i', 'x.akin', *BOTH, code=1)

    def test_json_has_the_documented_shape(self):
        found = self.json('info', 'x.akin')
        self.assertEqual(list(found), ['index', 'version', 'files', 'failed',
                                       'bytes', 'exif', 'decode', 'roots',
                                       'models'])
        self.assertEqual((found['files'], found['failed'], found['exif']),
                         (self.count, 1, 'on'))
        self.assertEqual([m['dim'] for m in found['models']], [32, 64])
        self.assertEqual(list(found['models'][0]), [
            'model', 'family', 'dim', 'pool', 'precision', 'devices', 'images',
            'fingerprint', 'folder', 'revision', 'certainty'])
        self.assertEqual(found['models'][0]['folder'], os.path.realpath(CLIP))

    def test_errors_are_listed_with_their_reasons(self):
        self.assertEqual(self.akin('info', 'x.akin', '--errors').stdout,
                         'photos/broken.jpg: no image of a known format\n')
        self.assertEqual(self.json('info', 'x.akin', '--errors')['errors'],
                         [{'path': 'photos/broken.jpg',
                           'reason': 'no image of a known format'}])

    def test_the_text_names_models_and_folders(self):
        text = self.akin('info', 'x.akin').stdout
        self.assertIn('1 could not be read', text)
        self.assertRegex(text, r'(?m)^tiny-dinov2 .* dinov2 +64  mean ')
        self.assertRegex(text, r'(?m)^folder photos$')


class Terminal(Case):
    """What is different when a person looks at it."""

    def look(self, *args, columns=80, **variables):
        """What a terminal of that width is sent."""
        environment = {k: v for k, v in os.environ.items() if k != 'NO_COLOR'}
        environment.update(TERM='xterm', **variables)
        try:
            child, terminal = pty.fork()
        except OSError as error:
            self.skipTest(f'no terminal is to be had here: {error}')
        if child == 0:
            os.chdir(self.folder)
            os.execve('/bin/sh', ['sh', '-c', f'stty cols {columns}; exec "$@"',
                                  'sh', AKIN, *args], environment)
        sent = b''
        try:
            while select.select([terminal], [], [], 60)[0]:
                part = os.read(terminal, 65536)
                if not part:
                    break
                sent += part
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(terminal)
        os.waitpid(child, 0)
        return sent.decode()

    def compare(self, **more):
        deep = self.path('a' * 60, 'b' * 60)
        os.makedirs(deep, exist_ok=True)
        shutil.copy(self.photo('wide.jpg'), deep)
        return self.look('compare', self.photo('tall.jpg'),
                         os.path.join(deep, 'wide.jpg'), *BOTH, **more)

    def test_long_paths_are_shortened_to_its_width(self):
        for line in re.sub(r'\x1b\[\d*m', '', self.compare()).splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertIn('wide.jpg', self.compare())

    def test_headings_are_bold(self):
        self.assertIn('\x1b[1m', self.compare())

    def test_no_color_is_respected(self):
        self.assertNotIn('\x1b[1m', self.compare(NO_COLOR='1'))

    def test_a_pipe_gets_whole_paths_and_no_colours(self):
        deep = self.path('c' * 100)
        os.mkdir(deep)
        shutil.copy(self.photo('wide.jpg'), deep)
        text = self.akin('compare', self.photo('tall.jpg'),
                         os.path.join(deep, 'wide.jpg'), *BOTH).stdout
        self.assertIn(os.path.join(deep, 'wide.jpg'), text)
        self.assertNotIn('\x1b', text)

    def test_progress_is_one_line_that_is_rewritten(self):
        self.many_photos()
        sent = self.look('index', 'photos', *BOTH, '--threads', '1')
        self.assertRegex(sent, r'\r[\d,]+ of [\d,]+ images \(\d+ %\), '
                               r'[\d.]+ images/s, [\d.]+ s left\x1b\[K')


class Streams(Case):
    def test_results_that_cannot_be_written_are_noticed(self):
        photo = self.photo('wide.jpg')
        index = self.path('x.akin')
        self.akin('index', photo, '-i', index, '--model', CLIP)
        with open('/dev/full', 'w') as full:
            for args in (['--help'], ['embed', photo, '--model', CLIP],
                         ['search', photo, '-i', index]):
                done = subprocess.run([AKIN, *args], stdout=full,
                                      stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 5)
                self.assertIn('No space left', done.stderr)

    def test_a_closed_pipe_ends_it_quietly(self):
        for ignored in (False, True):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(
                [AKIN, '--help'], stdout=writer, stderr=subprocess.PIPE,
                restore_signals=not ignored)
            os.close(writer)
            self.assertEqual(done.stderr, b'')
            self.assertNotEqual(done.returncode, 0)


if __name__ == '__main__':
    unittest.main()
