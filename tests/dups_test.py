#!/usr/bin/env python3
"""Copies: which pairs are near, which pictures are copies, and what becomes of
their files. FAISS, numpy, photos with known edits and trash-cli judge."""
import configparser
import html.parser
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

from cli_case import DINO, Case
from support import AKIN, BUILD, akin, drawing, shared

import numpy as np
import PIL.Image

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')


def families(rows, dim, seed=1):
    """Unit vectors in families of three that lie more or less near."""
    random = np.random.default_rng(seed)
    vectors = np.repeat(random.standard_normal((rows // 3 + 1, dim)), 3,
                        axis=0)[:rows]
    vectors += random.uniform(0.02, 1, (rows, 1)) * random.standard_normal(
        (rows, dim))
    return vectors.astype(np.float32)


class Made(unittest.TestCase):
    """Indexes of made vectors."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-dups-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.index = os.path.join(self.folder, 'x.akin')

    def make(self, vectors):
        """The index, and the rows as it keeps them."""
        raw = os.path.join(self.folder, 'raw')
        vectors.astype('<f4').tofile(raw)
        subprocess.run([MAKEINDEX, 'make', self.index, raw,
                        *map(str, vectors.shape)], check=True)
        rows = np.fromfile(os.path.join(self.index, 'rows-0.f32'), '<f4',
                           offset=64)
        return rows.reshape(vectors.shape)

    def pairs(self, threshold, *room, cpu=''):
        done = subprocess.run(
            [MAKEINDEX, 'pairs', self.index, repr(threshold), *room],
            capture_output=True, text=True, check=True,
            env=dict(os.environ, AKIN_CPU=cpu))
        lines = [line.split('\t') for line in done.stdout.splitlines()]
        pairs = [(int(a), int(b)) for a, b, _ in lines]
        self.assertEqual(len(pairs), len(set(pairs)), 'a pair twice')
        return set(pairs)


def cosines(rows):
    rows = rows.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    return rows @ rows.T / np.outer(lengths, lengths)


def true_pairs(rows, threshold):
    near = np.argwhere(np.triu(cosines(rows) >= threshold, 1))
    return set(map(tuple, near.tolist()))


class Pairs(Made):
    def test_they_are_those_of_faiss_range_search(self):
        try:
            import faiss
        except ImportError as missing:
            self.skipTest(f'{missing}; ./run test brings what is needed')
        rows = self.make(families(3000, 128))
        flat = faiss.IndexFlatIP(128)
        flat.add(rows)
        limits, _, found = flat.range_search(rows, 0.8)
        first = np.repeat(np.arange(3000), np.diff(limits.astype(int)))
        theirs = {(a, b) for a, b in zip(first.tolist(), found.tolist())
                  if a < b}
        self.assertGreater(len(theirs), 500)
        for cpu in ('', 'avx512', 'avxvnni', 'avx2', 'c'):
            with self.subTest(cpu=cpu):
                self.assertEqual(self.pairs(0.8, cpu=cpu), theirs)

    def test_odd_sizes_lose_no_pair(self):
        for rows, dim in ((1, 5), (2, 1), (257, 17), (600, 33), (513, 511)):
            with self.subTest(rows=rows, dim=dim):
                shutil.rmtree(self.index, ignore_errors=True)
                kept = self.make(families(rows, dim))
                self.assertEqual(self.pairs(0.75), true_pairs(kept, 0.75))

    def test_rows_in_many_parts_give_the_same_pairs(self):
        rows = self.make(families(1500, 64))
        self.assertEqual(self.pairs(0.8, '1'), true_pairs(rows, 0.8))

    def test_the_threshold_is_exact(self):
        rows = self.make(families(400, 96))
        all_cosines = np.sort(cosines(rows)[np.triu_indices(400, 1)])
        for cosine in all_cosines[-60::7]:
            for threshold in (float(cosine) - 1e-12, float(cosine) + 1e-12):
                self.assertEqual(self.pairs(threshold),
                                 true_pairs(rows, threshold))

    def test_values_of_very_different_size_lose_no_pair(self):
        """What bytes keep worst: one large number and many small ones."""
        vectors = families(500, 256)
        vectors[:, 3] *= 60
        rows = self.make(vectors)
        self.assertEqual(self.pairs(0.99), true_pairs(rows, 0.99))

    def test_a_zero_vector_is_near_to_none(self):
        vectors = families(300, 32)
        vectors[::7] = 0
        self.make(vectors)
        self.assertEqual([p for p in self.pairs(0.5)
                          if p[0] % 7 == 0 or p[1] % 7 == 0], [])

    def test_a_damaged_row_is_an_error(self):
        self.make(families(300, 32))
        with open(os.path.join(self.index, 'rows-0.f32'), 'r+b') as f:
            f.seek(64 + 4000)
            f.write(b'\1\2\3')
        done = akin('dups', '-i', self.index, code=4)
        self.assertIn('wrong checksum', done.stderr)


class Many(Made):
    def test_twenty_thousand_equal_pictures_are_one_group_at_once(self):
        vectors = np.repeat(families(1, 64), 20000, axis=0)
        self.make(vectors)
        begin = time.monotonic()
        answer = json.loads(akin('dups', '-i', self.index, '--json').stdout)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual([len(g['files']) for g in answer['groups']], [20000])

    def test_equal_pictures_among_others_are_quick_too(self):
        vectors = families(8000, 64)
        vectors[::2] = vectors[0]
        self.make(vectors)
        answer = json.loads(akin('dups', '-i', self.index, '--json').stdout)
        self.assertEqual(max(len(g['files']) for g in answer['groups']), 4000)

    def test_ctrl_c_ends_it(self):
        self.make(families(12000, 1024))
        running = subprocess.Popen([AKIN, 'dups', '-i', self.index],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, AKIN_CPU='c'))
        self.addCleanup(running.kill)
        time.sleep(1.5)  # it takes a minute in plain C
        self.assertIsNone(running.poll())
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(20), 130)

    def test_the_answer_does_not_depend_on_the_threads(self):
        vectors = np.repeat(families(1500, 64), 2, axis=0)
        vectors[1::2] *= 2
        self.make(vectors)
        one, four = (akin('dups', '-i', self.index, '--json', '--threads',
                          threads).stdout for threads in '14')
        self.assertEqual(one, four)


class Known(unittest.TestCase):
    """Photos of which it is known what is a copy of what. The model has random
    weights and finds everything alike, so the hash alone decides."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix='akin-dups-')
        cls.addClassCleanup(scratch.cleanup)
        roots = [shared('data', *path) for path in (
            ('photos', 'gallery'), ('photos', 'kodak'), ('copies',))]
        index = os.path.join(scratch.name, 'x.akin')
        akin('index', *roots, '-i', index, '--model', DINO, code=None)
        answer = json.loads(akin('dups', '-i', index, '--json').stdout)
        cls.groups = [[os.path.basename(f['path']) for f in g['files']]
                      for g in answer['groups']]

    def test_eighteen_edits_of_a_photo_are_one_group_with_it(self):
        edits = set(os.listdir(shared('data', 'copies', 'bridge')))
        self.assertEqual(len(edits), 19)
        self.assertIn(edits, [set(g) for g in self.groups])

    def test_grey_mirrored_and_scaled_copies_are_found(self):
        self.assertIn({'ukbench00120.jpg', 'ukbench00120_gray.jpg',
                       'ukbench00120_hflip.jpg', 'ukbench00120_resize.jpg'},
                      [set(g) for g in self.groups])

    def test_four_hundred_different_photos_are_in_no_group(self):
        self.assertEqual(len(self.groups), 2)


def state(folder):
    """Everything that a dry run must leave as it is."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            st = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (
                st.st_ino, st.st_size, st.st_mtime_ns, st.st_nlink)
    return found


class Files(Case):
    """wide.jpg, a copy of its bytes, a small copy, and pictures besides."""

    def setUp(self):
        super().setUp()
        self.wide, self.same = self.photo('wide.jpg'), self.photo('z-same.jpg')
        self.less = self.photo('a-less.jpg')
        shutil.copy(self.wide, self.same)
        image = PIL.Image.open(self.wide)
        image.resize([side // 2 for side in image.size]).save(self.less)
        self.akin('index', 'photos', '-i', 'x.akin', '--model', DINO)
        self.data = self.path('data')
        self.trash = os.path.join(self.data, 'Trash')
        os.environ['XDG_DATA_HOME'] = self.data
        self.addCleanup(os.environ.pop, 'XDG_DATA_HOME')

    def dups(self, *args, **more):
        return self.json('dups', '-i', 'x.akin', *args, **more)

    def act(self, action, code=0):
        """What is said of each file that is not kept, by name."""
        answer = self.dups('--action', action, '--yes', code=code)
        return {os.path.basename(f['path']): f
                for g in answer['groups'] for f in g['files'][1:]}


class Groups(Files):
    def test_json_has_the_documented_shape(self):
        answer = self.dups()
        self.assertEqual(list(answer), [
            'index', 'models', 'distance', 'pictures', 'bytes_to_free',
            'alike', 'unhashed', 'groups', 'action', 'dry_run', 'done', 'left',
            'bytes_freed'])
        group, = answer['groups']
        self.assertEqual(list(group), ['files', 'bytes_to_free'])
        for copy in group['files']:
            self.assertEqual(list(copy), [
                'path', 'keep', 'width', 'height', 'bytes', 'format',
                'identical', 'distance', 'scores'])
            self.assertEqual([list(s) for s in copy['scores']],
                             [['model', 'cosine', 'score', 'probability']])
        done = self.act('trash')['a-less.jpg']
        self.assertEqual(list(done)[-4:], ['done', 'one_file', 'to', 'reason'])

    def test_most_pixels_then_bytes_then_path_is_kept(self):
        files = self.dups()['groups'][0]['files']
        self.assertEqual([(f['path'], f['keep'], f['identical'])
                          for f in files], [
            ('photos/wide.jpg', True, True), ('photos/z-same.jpg', False, True),
            ('photos/a-less.jpg', False, False)])
        with open(self.same, 'ab') as f:
            f.write(b'more')
        self.akin('index', 'photos', '-i', 'x.akin')
        self.assertEqual(self.dups()['groups'][0]['files'][0]['path'],
                         'photos/z-same.jpg')

    def test_the_bytes_to_free_are_those_of_all_but_the_first(self):
        group, = self.dups()['groups']
        self.assertEqual(group['bytes_to_free'], os.path.getsize(self.same) +
                         os.path.getsize(self.less))

    def test_the_table_shows_what_to_keep_first(self):
        lines = self.akin('dups', '-i', 'x.akin').stdout.splitlines()
        self.assertRegex(lines[0], r'^keep  photos/wide.jpg +640 x 427 ')
        self.assertRegex(lines[1], r'^      photos/z-same.jpg .* same bytes$')
        self.assertRegex(lines[2], r'^      photos/a-less.jpg .* \d+\.\d %$')
        self.assertIn('1 group of copies, 3 pictures', lines[4])

    def test_what_is_gone_is_in_no_group_after_the_next_index(self):
        os.unlink(self.same)
        os.unlink(self.less)
        self.akin('index', 'photos', '-i', 'x.akin')
        done = self.akin('dups', '-i', 'x.akin', code=1)
        self.assertIn('no copies found', done.stderr)

    def test_a_stricter_threshold_leaves_equal_bytes(self):
        files = self.dups('--threshold', '1')['groups'][0]['files']
        self.assertEqual([f['path'] for f in files],
                         ['photos/wide.jpg', 'photos/z-same.jpg'])

    def test_what_is_only_similar_is_counted_and_not_listed(self):
        done = self.akin('dups', '-i', 'x.akin')
        self.assertRegex(done.stderr, r'akin: \d+ more pictures look like')
        self.assertNotIn('tall.jpg', done.stdout)

    def test_wrong_values_are_refused(self):
        for wrong in (['--threshold', '0'], ['--threshold', '1.5'],
                      ['--threshold', 'x'], ['--action', 'delete'], ['--yes']):
            self.akin('dups', '-i', 'x.akin', *wrong, code=2)

    def test_an_index_of_two_models_shows_both(self):
        self.index()
        answer = self.json('dups', '-i', 'x.akin')
        self.assertEqual([m['model'] for m in answer['models']],
                         ['tiny-dinov2', 'tiny-clip'])
        for f in answer['groups'][0]['files']:
            self.assertEqual([s['model'] for s in f['scores']],
                             ['tiny-dinov2', 'tiny-clip'])


class DryRun(Files):
    def test_it_changes_nothing_and_says_what_would_be(self):
        before = state(self.folder)
        for action in ('trash', 'hardlink'):
            answer = self.dups('--action', action)
            self.assertTrue(answer['dry_run'])
            self.assertGreater(answer['bytes_freed'], 0)
        self.assertEqual(state(self.folder), before)


class Hardlink(Files):
    def test_only_equal_bytes_become_links(self):
        told = self.act('hardlink')
        self.assertTrue(told['z-same.jpg']['done'])
        self.assertTrue(os.path.samefile(self.same, self.wide))
        self.assertIn('its bytes', told['a-less.jpg']['reason'])
        self.assertFalse(os.path.samefile(self.less, self.wide))

    def test_equal_copies_of_a_better_picture_become_links_of_each_other(self):
        shutil.copy(self.less, self.photo('b-less.jpg'))
        self.akin('index', 'photos', '-i', 'x.akin')
        told = self.act('hardlink')
        self.assertTrue(told['b-less.jpg']['done'])
        self.assertTrue(os.path.samefile(self.less, self.photo('b-less.jpg')))

    def test_the_second_time_there_is_nothing_to_do(self):
        self.act('hardlink')
        told = self.act('hardlink')['z-same.jpg']
        self.assertTrue(told['one_file'])
        self.assertFalse(told['done'])
        self.assertIsNone(told['reason'])

    def test_the_index_takes_it_without_embedding_again(self):
        self.act('hardlink')
        report = self.json('index', 'photos', '-i', 'x.akin')
        self.assertEqual(report['models'][0]['images'], 0)

    def test_what_the_index_holds_equal_is_read_again(self):
        """Bytes changed behind the index's back, with size and time kept."""
        st = os.stat(self.same)
        with open(self.same, 'r+b') as f:
            f.seek(st.st_size // 2)
            f.write(b'\0\1\2')
        os.utime(self.same, ns=(st.st_atime_ns, st.st_mtime_ns))
        told = self.act('hardlink', code=1)['z-same.jpg']
        self.assertIn('is not byte for byte', told['reason'])


class Trash(Files):
    def test_copies_go_to_the_trash_and_the_first_stays(self):
        told = self.act('trash')
        self.assertTrue(os.path.exists(self.wide))
        for path in (self.same, self.less):
            name = os.path.basename(path)
            self.assertFalse(os.path.exists(path))
            self.assertTrue(os.path.exists(told[name]['to']))
            entry = configparser.ConfigParser(interpolation=None)
            entry.read(os.path.join(self.trash, 'info', name + '.trashinfo'))
            self.assertEqual(urllib.parse.unquote(entry['Trash Info']['Path']),
                             path)

    def test_trash_cli_brings_them_back(self):
        tools = os.environ.get('AKIN_TRASH_CLI') or os.path.dirname(
            shutil.which('trash-restore') or os.path.join(
                os.path.dirname(sys.executable), 'trash-restore'))
        tool = os.path.join(tools, 'trash-restore')
        if not os.path.exists(tool):
            self.skipTest('trash-restore of trash-cli is not there')
        with open(self.less, 'rb') as f:
            before = f.read()
        self.act('trash')
        done = subprocess.run([tool, self.less], input='0\n', text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.less, 'rb') as f:
            self.assertEqual(f.read(), before)

    def test_a_file_that_has_changed_is_left_alone(self):
        with open(self.less, 'ab') as f:
            f.write(b'x')
        told = self.act('trash', code=1)
        self.assertIn('has changed since', told['a-less.jpg']['reason'])
        self.assertTrue(os.path.exists(self.less))
        self.assertFalse(os.path.exists(self.same))

    def test_nothing_goes_when_the_one_to_keep_is_gone_or_changed(self):
        os.rename(self.wide, self.wide + '.away')
        self.act('trash', code=1)
        os.rename(self.wide + '.away', self.wide)
        os.utime(self.wide)
        self.act('trash', code=1)
        self.assertTrue(os.path.exists(self.same))
        self.assertTrue(os.path.exists(self.less))

    def test_a_second_name_of_the_kept_file_is_left_alone(self):
        os.unlink(self.same)
        os.link(self.wide, self.same)
        self.akin('index', 'photos', '-i', 'x.akin')
        told = self.act('trash')
        self.assertTrue(told['z-same.jpg']['one_file'])
        self.assertTrue(os.path.exists(self.same))

    def test_a_file_that_two_folders_lead_to_is_left_alone(self):
        os.mkdir(self.photo('sub'))
        os.rename(self.photo('tall.jpg'), self.photo('sub/tall.jpg'))
        os.symlink('sub', self.photo('link'))
        self.akin('index', 'photos', '-i', 'x.akin')
        told = self.act('trash')
        self.assertTrue(told['tall.jpg']['one_file'])
        self.assertTrue(os.path.exists(self.photo('sub/tall.jpg')))

    def test_a_link_is_left_alone(self):
        os.rename(self.less, self.path('elsewhere.jpg'))
        os.symlink(self.path('elsewhere.jpg'), self.less)
        told = self.act('trash', code=1)
        self.assertIn('is a link', told['a-less.jpg']['reason'])
        self.assertTrue(os.path.islink(self.less))

    def test_another_disc_has_its_own_trash(self):
        if not os.access('/dev/shm', os.W_OK) or os.stat(
                '/dev/shm').st_dev == os.stat(self.folder).st_dev:
            self.skipTest('/dev/shm is no second disc here')
        with tempfile.TemporaryDirectory(dir='/dev/shm') as other:
            photos = os.path.join(other, 'p')
            shutil.copytree(self.photos, photos)
            self.akin('index', photos, '-i', 'y.akin', '--model', DINO)
            answer = self.json('dups', '-i', 'y.akin', '--action', 'trash',
                               '--yes')
            to = {f['to'] for g in answer['groups'] for f in g['files'][1:]}
            for path in to:
                self.assertRegex(path, rf'^/dev/shm/\.Trash-{os.getuid()}/')
                info = path.replace('/files/', '/info/') + '.trashinfo'
                with open(info) as f:
                    self.assertIn(f'Path={os.path.relpath(other, "/dev/shm")}'
                                  '/p/', f.read())
                os.unlink(path)
                os.unlink(info)
            for name in ('files', 'info', ''):
                try:
                    os.rmdir(f'/dev/shm/.Trash-{os.getuid()}/{name}')
                except OSError:
                    pass  # somebody's trash is in there


class Page(Files):
    def test_it_shows_each_group_and_fetches_nothing(self):
        self.akin('dups', '-i', 'x.akin', '--html', 'page.html')
        with open(self.path('page.html'), encoding='utf-8') as f:
            text = f.read()
        tags = []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, how: tags.append((tag, dict(how)))
        parser.feed(text)
        names = [tag for tag, _ in tags]
        self.assertEqual(names.count('article'), 1)
        self.assertEqual(names.count('img'), 3)
        self.assertNotIn('script', names)
        for tag, how in tags:
            self.assertTrue(how.get('src', 'data:').startswith('data:'))

    def test_a_large_group_shows_some_and_names_the_others(self):
        for i in range(30):
            shutil.copy(self.wide, self.photo(f'copy-{i:02}.jpg'))
        self.akin('index', 'photos', '-i', 'x.akin')
        self.akin('dups', '-i', 'x.akin', '--html', 'page.html')
        with open(self.path('page.html'), encoding='utf-8') as f:
            text = f.read()
        self.assertEqual(text.count('<img '), 12)
        self.assertIn('21 more', text)
        self.assertIn('photos/copy-29.jpg', text)


if __name__ == '__main__':
    unittest.main()
