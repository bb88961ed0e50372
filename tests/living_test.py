#!/usr/bin/env python3
"""Living with a collection: what akin index makes of photos that are renamed,
moved, copied, touched, changed, deleted, left out, unplugged and plugged in
again. Photos are real ones, discs are file systems in memory."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import support

TINY = support.tiny('tiny-clip')


def real_photos(count):
    gallery = support.shared('data', 'photos', 'gallery')
    names = sorted(n for n in os.listdir(gallery) if n.endswith('.JPEG'))
    return [os.path.join(gallery, name) for name in names[:count]]


def namespace():
    """A command before which others may mount; skips where that is barred."""
    how = ['unshare', '--user', '--map-root-user', '--mount']
    try:
        done = subprocess.run([*how, 'sh', '-c', 'mount -t tmpfs x /mnt'],
                              capture_output=True, text=True)
    except FileNotFoundError:
        raise unittest.SkipTest('unshare is not there')
    if done.returncode:
        raise unittest.SkipTest(f'no mounts here: {done.stderr.strip()}')
    return how


class Collection(unittest.TestCase):
    COUNT = 8

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix='akin-living-')
        self.addCleanup(scratch.cleanup)
        self.folder = os.path.realpath(scratch.name)
        for name in ('photos', 'photos/summer', 'other'):
            os.mkdir(self.path(name))
        for i, path in enumerate(real_photos(self.COUNT)):
            where = 'photos/summer' if i % 2 else 'photos'
            shutil.copy(path, self.path(where, f'{i}.jpg'))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def move(self, old, new):
        os.rename(self.path(old), self.path(new))

    def akin(self, *args, **more):
        return support.akin(*args, cwd=self.folder, **more)

    def index(self, *args, **more):
        """What a run counted, without what it did not."""
        done = self.akin('index', *args, '-i', 'x.akin', '--model', TINY,
                         '--json', **more)
        said = json.loads(done.stdout)
        counts = {k: v for k, v in said.items() if isinstance(v, int) and v}
        counts['embedded'] = sum(m['images'] for m in said['models'])
        for name in ('failed', 'warnings'):
            if said[name]:
                counts[name] = [one['path'] for one in said[name]]
        return counts

    def known(self):
        """The paths in the index."""
        done = self.akin('export', 'x.akin', '--format', 'jsonl', '-o', '-x')
        with open(self.path('-x'), encoding='utf-8') as f:
            return sorted(json.loads(line)['path'] for line in f)

    def files(self):
        found = []
        for top in ('photos', 'other'):
            for folder, _, names in os.walk(self.path(top)):
                found += [os.path.relpath(os.path.join(folder, n), self.folder)
                          for n in names if n.endswith('.jpg')]
        return sorted(found)


class Living(Collection):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.index('photos', 'other'),
                         {'added': 8, 'embedded': 8})

    def both(self):
        counts = self.index('photos', 'other')
        self.assertEqual(self.known(), self.files())
        return counts

    def test_nothing_new_reads_nothing(self):
        self.assertEqual(self.both(), {'unchanged': 8, 'embedded': 0})

    def test_a_renamed_file(self):
        self.move('photos/0.jpg', 'photos/new name.jpg')
        self.assertEqual(self.both(), {'renamed': 1, 'unchanged': 7,
                                       'embedded': 0})

    def test_a_renamed_folder(self):
        self.move('photos/summer', 'photos/winter')
        self.assertEqual(self.both(), {'renamed': 4, 'unchanged': 4,
                                       'embedded': 0})

    def test_a_move_from_one_root_to_the_other(self):
        self.move('photos/summer', 'other/summer')
        self.assertEqual(self.both(), {'renamed': 4, 'unchanged': 4,
                                       'embedded': 0})

    def test_two_files_that_change_names(self):
        self.move('photos/0.jpg', 'photos/x')
        self.move('photos/2.jpg', 'photos/0.jpg')
        self.move('photos/x', 'photos/2.jpg')
        self.assertEqual(self.both(), {'updated': 2, 'unchanged': 6,
                                       'embedded': 0})

    def test_a_copy(self):
        shutil.copy(self.path('photos/0.jpg'), self.path('other/copy.jpg'))
        self.assertEqual(self.both(), {'added': 1, 'unchanged': 8,
                                       'embedded': 0})

    def test_a_touched_file(self):
        os.utime(self.path('photos/0.jpg'), (1, 1))
        self.assertEqual(self.both(), {'unchanged': 8, 'embedded': 0})

    def test_a_changed_file(self):
        shutil.copy(real_photos(9)[8], self.path('photos/0.jpg'))
        self.assertEqual(self.both(), {'updated': 1, 'unchanged': 7,
                                       'embedded': 1})

    def test_a_deleted_file_and_a_deleted_folder(self):
        os.unlink(self.path('photos/0.jpg'))
        shutil.rmtree(self.path('photos/summer'))
        self.assertEqual(self.both(), {'removed': 5, 'unchanged': 3,
                                       'embedded': 0})

    def test_a_root_by_another_spelling(self):
        os.symlink('photos', self.path('link'))
        for root in ('photos/', './photos', self.path('photos'), 'link',
                     'other/../photos//', 'link/'):
            self.assertEqual(self.index(root), {'unchanged': 8, 'embedded': 0})

    def test_roots_that_overlap(self):
        os.unlink(self.path('photos/summer/1.jpg'))
        self.assertEqual(self.index('photos/summer', 'photos', 'photos/0.jpg'),
                         {'removed': 1, 'unchanged': 7, 'embedded': 0})
        self.assertEqual(self.known(), self.files())

    def test_an_outer_root_takes_the_place_of_an_inner_one(self):
        self.assertEqual(self.index('.'), {'unchanged': 8, 'embedded': 0})

    def test_a_root_of_one_run_is_left_alone_by_another(self):
        self.move('photos/0.jpg', 'other/0.jpg')
        self.assertEqual(self.index('other'), {'added': 1, 'embedded': 0})
        self.assertEqual(self.index('photos'), {'removed': 1, 'unchanged': 7,
                                                'embedded': 0})
        self.assertEqual(self.known(), self.files())

    def test_an_unplugged_disc(self):
        self.move('photos', 'away')
        os.mkdir(self.path('photos'))
        self.assertIn('no picture is there now; the index keeps the 8 that '
                      'were', self.akin('index', 'photos', 'other', '-i',
                                        'x.akin', code=3).stderr)
        os.rmdir(self.path('photos'))
        self.akin('index', 'photos', '-i', 'x.akin', code=3)
        self.akin('index', 'photos', 'other', '-i', 'x.akin', code=3)
        self.assertEqual(len(self.known()), 8)
        self.move('away', 'photos')
        self.assertEqual(self.both(), {'unchanged': 8, 'embedded': 0})

    def test_a_disc_that_comes_back_elsewhere(self):
        """Its files are copies: the old place may come back as well. Who knows
        that it will not says so."""
        self.move('photos', 'moved')
        self.assertEqual(self.index('moved'), {'added': 8, 'embedded': 0})
        self.assertEqual(len(self.known()), 16)
        self.assertEqual(self.index('--forget', 'photos'),
                         {'removed': 8, 'embedded': 0})
        self.assertEqual(self.index('moved'), {'unchanged': 8, 'embedded': 0})

    def test_an_index_on_the_disc_moves_with_it(self):
        self.akin('index', 'photos', '-i', 'photos/y.akin', '--model', TINY)
        self.move('photos', 'moved')
        done = self.akin('index', 'moved', '-i', 'moved/y.akin', '--json')
        self.assertEqual(json.loads(done.stdout)['unchanged'], 8)

    def test_what_is_forgotten_is_gone_until_it_is_indexed_again(self):
        self.assertEqual(self.index('--forget', 'photos/summer'),
                         {'removed': 4, 'embedded': 0})
        self.assertEqual(len(self.known()), 4)
        self.akin('index', '--forget', 'photos/summer', '-i', 'x.akin', code=3)
        self.assertEqual(self.index('photos'), {'added': 4, 'unchanged': 4,
                                                'embedded': 4})


class LeftOut(Collection):
    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as f:
            f.write(text)

    def test_rules_are_kept_in_the_folders(self):
        self.write('photos/.akinignore', 'summer/*\n!summer/1.jpg\n')
        self.write('photos/summer/.akinignore', '!3.jpg\n')
        self.assertEqual(self.index('photos'), {'added': 6, 'embedded': 6})
        self.assertNotIn('photos/summer/5.jpg', self.known())
        os.unlink(self.path('photos/.akinignore'))
        self.assertEqual(self.index('photos'), {'added': 2, 'unchanged': 6,
                                                'embedded': 2})
        self.write('photos/.akinignore', '/summer/\n')
        self.assertEqual(self.index('photos'), {'removed': 4, 'unchanged': 4,
                                                'embedded': 0})

    def test_exclude_counts_for_one_run(self):
        self.assertEqual(self.index('photos', '--exclude', 'summer/',
                                    '--exclude', '[02].jpg'),
                         {'added': 2, 'embedded': 2})
        self.assertEqual(self.index('photos'), {'added': 6, 'unchanged': 2,
                                                'embedded': 6})
        self.assertEqual(self.index('photos', '--exclude=/summer/[15].*'),
                         {'removed': 2, 'unchanged': 6, 'embedded': 0})

    def test_exclude_is_above_the_rules_of_folders(self):
        self.write('photos/.akinignore', '*.jpg\n')
        self.assertEqual(self.index('photos', '--exclude', '!0.jpg'),
                         {'added': 1, 'embedded': 1})

    def test_a_rule_file_that_is_none_is_named(self):
        self.write('photos/summer/.akinignore', 'a\0b')
        self.assertEqual(self.index('photos', code=1),
                         {'added': 4, 'embedded': 4,
                          'failed': ['photos/summer']})


class Discs(Collection):
    """Discs that are mounted below a root, in a namespace of their own."""

    def run_in(self, script):
        how = namespace()
        done = subprocess.run(
            [*how, 'bash', '-c', 'set -e\n'
             'index() { "$AKIN" index "$@" -i x.akin --model "$TINY" --json; }\n'
             + script],
            cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, 'AKIN': support.AKIN, 'TINY': TINY})
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], \
            done.stderr

    def test_a_disc_below_a_root_is_unplugged_and_plugged_in(self):
        said, errors = self.run_in('''
            mkdir photos/disc
            mount -t tmpfs disc photos/disc
            cp -r photos/summer photos/disc/inner
            index photos
            mkdir aside; mount --move photos/disc aside
            index photos
            echo "not mounted" > photos/disc/README
            index photos
            mount --move aside photos/disc
            rm photos/disc/inner/1.jpg
            index photos''')
        self.assertEqual([(r['added'], r['removed'], r['unchanged'])
                          for r in said],
                         [(12, 0, 0), (0, 0, 8), (0, 0, 8), (0, 1, 11)])
        self.assertIn('photos/disc: no picture is there now; the index keeps '
                      'the 4 that were', errors)

    def test_a_disc_behind_a_link(self):
        said, _ = self.run_in('''
            mkdir disc
            mount -t tmpfs disc disc
            cp photos/summer/* disc
            ln -s ../disc photos/link
            index photos
            umount disc
            index photos''')
        self.assertEqual([(r['added'], r['removed']) for r in said],
                         [(12, 0), (0, 0)])

    def test_a_root_that_is_a_disc(self):
        said, _ = self.run_in('''
            mount -t tmpfs disc other
            cp photos/summer/* other
            index photos other
            umount other
            index photos other''')
        self.assertEqual([(r['added'], r['removed'], r['unchanged'])
                          for r in said], [(12, 0, 0), (0, 0, 8)])


if __name__ == '__main__':
    unittest.main()
