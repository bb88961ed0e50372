#!/usr/bin/env python3
"""What bad input gets: one line that says which, why and what to do, the exit
code that goes with it, and nothing lost."""
import ctypes
import fcntl
import json
import os
import resource
import shutil
import struct
import subprocess
import unittest
import zlib

from cli_case import BOTH, CLIP, DINO, Case
from support import drawing

import PIL.Image


def as_user():
    """In the child: permissions count for root too."""
    if os.getuid() == 0:
        drop_from_bounding_set, override, search = 24, 1, 2
        for capability in (override, search):
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)


class BadInput(Case):
    def setUp(self):
        super().setUp()
        self.good = self.photo('wide.jpg')

    def refused(self, code, *args, **more):
        """The one line that akin said."""
        done = self.akin(*args, code=code, **more)
        self.assertRegex(done.stderr, r'\Aakin: [^\n]+\n\Z')
        return done.stderr

    def refused_as_input(self, name, why, *how):
        """The same file as an argument of every command that takes one."""
        shown = name.replace('\n', r'\x0a')
        commands = [(3, 'embed', name, '--model', CLIP),
                    (1, 'embed', name, self.good, '--model', CLIP),
                    (3, 'compare', name, self.good, '--model', CLIP)]
        self.akin('index', self.good, '-i', 'x.akin', *BOTH)
        commands += [(3, 'search', name, '-i', 'x.akin'),
                     (1, 'search', name, self.good, '-i', 'x.akin')]
        for code, *args in commands:
            with self.subTest(args[0]):
                text = self.refused(code, *args, *how)
                self.assertIn(shown, text)
                self.assertRegex(text, why)

    def refused_in_folder(self, why, *how):
        """The same file among good ones in a folder."""
        done = self.akin('index', 'photos', '-i', 'y.akin', *BOTH, *how,
                         '--json', code=1)
        found = json.loads(done.stdout)
        self.assertEqual(found['added'], self.count)
        self.assertEqual(len(found['failed']), 1)
        self.assertRegex(found['failed'][0]['reason'], why)


class Files(BadInput):
    def test_a_missing_file(self):
        self.refused_as_input('gone.jpg', 'No such file')

    def test_a_folder_instead_of_a_file(self):
        os.mkdir(self.path('folder.jpg'))
        self.refused_as_input('folder.jpg', 'is a folder')

    def test_a_pipe_is_never_waited_for(self):
        os.mkfifo(self.path('pipe.jpg'))
        self.refused_as_input('pipe.jpg', 'no regular file')

    def test_no_image(self):
        self.write('photos/words.jpg', b'words, not pixels')
        self.refused_as_input('photos/words.jpg', 'no image of a known format')
        self.refused_in_folder('no image of a known format')

    def test_zero_bytes(self):
        self.write('photos/empty.jpg', b'')
        self.refused_as_input('photos/empty.jpg', 'empty|0 bytes|no image')
        self.refused_in_folder('empty|0 bytes|no image')

    def test_too_large(self):
        size = 30000 * 30000
        head = struct.pack('>IIBBBBB', 30000, 30000, 8, 2, 0, 0, 0)
        chunk = lambda name, data: struct.pack('>I', len(data)) + name + data \
            + struct.pack('>I', zlib.crc32(name + data))
        self.write('photos/huge.png', b'\x89PNG\r\n\x1a\n' +
                   chunk(b'IHDR', head) + chunk(b'IDAT', b'x') +
                   chunk(b'IEND', b''))
        self.assertGreater(size, 256_000_000)
        self.refused_as_input('photos/huge.png', r'limit 256,?000,?000')
        self.refused_in_folder(r'limit 256,?000,?000')

    def test_truncated_is_used_with_a_warning(self):
        self.cut()
        done = self.akin('embed', 'photos/cut.jpg', '--model', CLIP)
        self.assertRegex(done.stderr, r'\Aakin: warning: photos/cut\.jpg: .*'
                                      r'\n\Z')
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_truncated_is_refused_when_strict(self):
        self.cut()
        self.refused(3, 'embed', 'photos/cut.jpg', '--model', CLIP, '--strict')
        self.refused_in_folder('Premature end', '--strict')

    def cut(self):
        with open(self.good, 'rb') as f:
            data = f.read()
        self.write('photos/cut.jpg', data[:len(data) // 2])

    def test_a_loop_of_links(self):
        os.symlink('b.jpg', self.path('a.jpg'))
        os.symlink('a.jpg', self.path('b.jpg'))
        self.refused_as_input('a.jpg', 'symbolic links')

    def test_a_folder_that_links_to_itself_is_walked_once(self):
        os.symlink('.', self.photo('again'))
        found = self.index()
        self.assertEqual((found['added'], found['failed']), (self.count, []))

    def odd_name(self, name):
        """A good picture under it is read, indexed and found."""
        shutil.copy(self.good, os.path.join(os.fsencode(self.photos), name))
        os.remove(self.good)
        self.index()
        name = os.fsdecode(b'photos/' + name)
        line, = self.akin('search', name, '-i', 'x.akin', '-k', '1',
                          '--json').stdout.splitlines()
        return json.loads(line)

    def test_a_name_with_a_newline(self):
        found = self.odd_name(b'a\nb.jpg')
        self.assertEqual(found['query'], ['photos/a\nb.jpg'])
        self.assertEqual(found['models'][0]['results'][0]['path'],
                         'photos/a\nb.jpg')

    def test_a_name_that_is_no_utf_8(self):
        found = self.odd_name(b'a\xffb.jpg')
        self.assertEqual(found['query'], ['photos/a\ufffdb.jpg'])
        self.assertEqual(bytes.fromhex(found['query_hex'][0]),
                         b'photos/a\xffb.jpg')
        result = found['models'][0]['results'][0]
        self.assertEqual(bytes.fromhex(result['path_hex']),
                         b'photos/a\xffb.jpg')

    def test_odd_names_are_one_line_in_tables_and_messages(self):
        self.write('photos/bad\n\x1b[31m.jpg', b'no picture')
        done = self.akin('index', 'photos', '-i', 'x.akin', *BOTH, code=1)
        self.assertIn(r'photos/bad\x0a\x1b[31m.jpg: no image', done.stderr)
        self.assertNotIn('\x1b', done.stderr)
        text = self.akin('info', 'x.akin', '--errors').stdout
        self.assertEqual(text.count('\n'), 1)
        self.assertNotIn('\x1b', text)


class Folders(BadInput):
    def test_a_missing_folder(self):
        self.assertIn('gone: No such file', self.refused(
            3, 'index', 'gone', '-i', 'x.akin', *BOTH))
        self.assertFalse(os.path.exists(self.path('x.akin')))

    def test_an_empty_folder(self):
        os.mkdir(self.path('empty'))
        self.assertIn('empty: ', self.refused(
            3, 'index', 'empty', '-i', 'x.akin', *BOTH))

    def test_a_folder_without_pictures(self):
        os.mkdir(self.path('texts'))
        self.write('texts/a.txt', b'words')
        self.refused(3, 'index', 'texts', '-i', 'x.akin', *BOTH)

    def test_a_folder_of_nothing_but_broken_pictures(self):
        os.mkdir(self.path('broken'))
        self.write('broken/a.jpg', b'words')
        self.akin('index', 'broken', '-i', 'x.akin', *BOTH, code=3)

    def test_an_unreadable_folder(self):
        os.chmod(self.photos, 0)
        try:
            self.assertIn('Permission denied', self.refused(
                3, 'index', 'photos', '-i', 'x.akin', *BOTH,
                preexec_fn=as_user))
        finally:
            os.chmod(self.photos, 0o755)

    def test_an_unreadable_folder_inside_is_a_failure_and_loses_nothing(self):
        inside = self.photo('inside')
        os.mkdir(inside)
        shutil.copy(self.good, inside)
        self.index(preexec_fn=as_user)
        os.chmod(inside, 0)
        try:
            done = self.akin('index', 'photos', '-i', 'x.akin', '--json',
                             code=1, preexec_fn=as_user)
        finally:
            os.chmod(inside, 0o755)
        found = json.loads(done.stdout)
        self.assertEqual(found['removed'], 0)
        self.assertIn('Permission denied', found['failed'][0]['reason'])
        self.assertEqual(self.json('info', 'x.akin')['files'], self.count + 1)

    def test_an_unreadable_file(self):
        os.chmod(self.good, 0)
        done = self.akin('index', 'photos', '-i', 'x.akin', *BOTH, code=1,
                         preexec_fn=as_user)
        self.assertIn('photos/wide.jpg: Permission denied', done.stderr)
        self.assertIn('Permission denied', self.refused(
            3, 'embed', self.good, '--model', CLIP, preexec_fn=as_user))


class Indexes(BadInput):
    def setUp(self):
        super().setUp()
        self.index()

    def everywhere(self, code, index, why):
        for args in (['search', self.good, '-i', index],
                     ['index', 'photos', '-i', index],
                     ['info', index],
                     ['export', index, '--model', 'tiny-clip', '--format',
                      'npy', '-o', 'out.npy']):
            with self.subTest(args[0]):
                self.assertRegex(self.refused(code, *args), why)

    def test_a_photo_in_the_place_of_an_index(self):
        before = os.stat(self.good)
        self.everywhere(4, self.good, 'not an index')
        self.assertEqual(os.stat(self.good), before)

    def test_a_folder_that_is_no_index(self):
        self.everywhere(4, 'photos', 'photos')
        self.assertEqual(len(os.listdir(self.photos)), self.count)

    def test_no_index_there(self):
        for args in (['search', self.good, '-i', 'no.akin'],
                     ['info', 'no.akin']):
            self.assertIn('no.akin', self.refused(4, *args))

    def test_an_index_of_a_newer_version(self):
        with open(self.path('x.akin', 'catalog.db'), 'r+b') as f:
            f.seek(60)  # SQLite's user_version
            f.write(struct.pack('>I', 99))
        self.everywhere(4, 'x.akin', '99.*newer akin')

    def test_an_index_of_another_model(self):
        self.json('index', 'photos', '-i', 'one.akin', '--model', CLIP)
        self.assertIn('tiny-clip', self.refused(
            4, 'search', self.good, '-i', 'one.akin', '--model', DINO))

    def test_a_damaged_index(self):
        with open(self.path('x.akin', 'catalog.db'), 'r+b') as f:
            f.seek(4096)
            f.write(b'\xff' * 4096)
        self.everywhere(4, 'x.akin', 'x.akin')

    def test_another_process_is_writing(self):
        for name in os.listdir(self.path('x.akin')):
            if 'lock' in name:
                with open(self.path('x.akin', name), 'r+b') as f:
                    fcntl.flock(f, fcntl.LOCK_EX)
                    self.refused(4, 'index', 'photos', '-i', 'x.akin')
                    self.akin('search', self.good, '-i', 'x.akin')
                return
        self.fail('the index has no lock file')

    def test_an_index_that_may_not_be_written_is_searched_all_the_same(self):
        subprocess.run(['chmod', '-R', 'a-w', self.path('x.akin')])
        self.akin('search', self.good, '-i', 'x.akin', preexec_fn=as_user)
        self.assertIn('ermission denied', self.refused(
            5, 'index', 'photos', '-i', 'x.akin', preexec_fn=as_user))
        subprocess.run(['chmod', '-R', 'u+w', self.path('x.akin')])


class Weights(BadInput):
    def model(self, change=None, name='broken'):
        """A copy of a tiny model whose tensors `change` has changed."""
        folder = self.path(name)
        shutil.copytree(CLIP, folder)
        path = os.path.join(folder, 'model.safetensors')
        with open(path, 'rb') as f:
            length, = struct.unpack('<Q', f.read(8))
            header, data = json.loads(f.read(length)), f.read()
        if change:
            header, data = change(header, data)
        text = json.dumps(header).encode()
        with open(path, 'wb') as f:
            f.write(struct.pack('<Q', len(text)) + text + data)
        return folder

    def refused_model(self, folder, why):
        commands = (['embed', self.good], ['compare', self.good, self.good],
                    ['index', 'photos', '-i', 'z.akin'])
        for args in commands:
            with self.subTest(args[0]):
                self.assertRegex(self.refused(5, *args, '--model', folder),
                                 why)
        self.assertFalse(os.path.exists(self.path('z.akin')))

    def test_the_copy_itself_is_good(self):
        self.akin('embed', self.good, '--model', self.model())

    def test_weights_of_the_wrong_shape(self):
        def change(header, data):
            norm = 'vision_model.post_layernorm.weight'
            header[norm]['shape'] = [8, 8]
            return header, data
        self.refused_model(self.model(change),
                           r'broken.*post_layernorm\.weight.*8')

    def test_a_missing_tensor(self):
        def change(header, data):
            norm = 'vision_model.post_layernorm.weight'
            begin, end = header.pop(norm)['data_offsets']
            for name, tensor in header.items():
                if name != '__metadata__' and tensor['data_offsets'][0] >= end:
                    tensor['data_offsets'] = [
                        at - end + begin for at in tensor['data_offsets']]
            return header, data[:begin] + data[end:]
        self.refused_model(self.model(change),
                           r'broken.*post_layernorm\.weight')

    def test_weights_cut_short(self):
        self.refused_model(self.model(lambda h, d: (h, d[:-100])),
                           r'broken.*model\.safetensors')

    def test_weights_of_zero_bytes(self):
        folder = self.model()
        with open(os.path.join(folder, 'model.safetensors'), 'wb'):
            pass
        self.refused_model(folder, r'broken.*model\.safetensors')

    def test_a_folder_without_weights(self):
        folder = self.model()
        os.remove(os.path.join(folder, 'model.safetensors'))
        self.refused_model(folder, r'broken.*no model\.safetensors')

    def test_weights_that_may_not_be_read(self):
        folder = self.model()
        for shut in ('model.safetensors', 'config.json', ''):
            os.chmod(os.path.join(folder, shut), 0)
            text = self.refused(5, 'embed', self.good, '--model', folder,
                                preexec_fn=as_user)
            self.assertRegex(text, r'broken.*Permission denied')
            os.chmod(os.path.join(folder, shut), 0o700)

    def test_a_config_that_is_no_json(self):
        folder = self.model()
        with open(os.path.join(folder, 'config.json'), 'w') as f:
            f.write('{')
        self.refused_model(folder, r'broken.*config\.json')

    def test_a_model_that_is_not_at_hand_names_the_way_to_it(self):
        home = dict(os.environ, HF_HOME=self.path('no'), XDG_DATA_HOME=self.
                    path('no'), HOME=self.path('no'))
        for name in ('clip', 'facebook/dinov2-small'):
            self.assertIn(f'akin model pull {name}', self.refused(
                5, 'embed', self.good, '--model', name, env=home))
        self.assertIn('akin model pull clip dinov2', self.refused(
            5, 'embed', self.good, env=home))
        self.refused(5, 'embed', self.good, '--model', 'nothing', env=home)

    def test_weights_that_went_away(self):
        folder = self.model(name='mine')
        self.akin('index', 'photos', '-i', 'x.akin', '--model', folder)
        shutil.rmtree(folder)
        text = self.refused(5, 'search', self.good, '-i', 'x.akin')
        self.assertIn('--model FOLDER/mine', text)
        self.akin('search', self.good, '-i', 'x.akin', '--model',
                  self.model(name='new/mine'))


class Output(BadInput):
    def limited(self, bytes):
        """In the child: no file may grow beyond it, as on a full disc."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, bytes))
        return dict(preexec_fn=limit, restore_signals=False)

    def test_a_full_disc_under_an_index_keeps_what_was_there(self):
        self.index()
        for i in range(60):
            PIL.Image.fromarray(drawing(64, 64, i)).save(
                self.photo(f'new-{i}.png'))
        size = max(os.path.getsize(self.path('x.akin', n))
                   for n in os.listdir(self.path('x.akin')))
        self.refused(5, 'index', 'photos', '-i', 'x.akin',
                     **self.limited(size + 100))
        self.akin('search', self.good, '-i', 'x.akin')
        self.index()
        self.assertEqual(self.json('info', 'x.akin')['files'],
                         self.count + 60)

    def test_a_full_disc_under_a_file_leaves_the_old_one(self):
        names = [self.good] * 40
        self.index()
        for args in (['embed', *names, '--model', CLIP, '--format', 'npy',
                      '-o', 'out'],
                     ['embed', *names, '--model', CLIP, '-o', 'out'],
                     ['search', self.good, '-i', 'x.akin', '--html', 'out'],
                     ['export', 'x.akin', '--model', 'tiny-dinov2',
                      '--format', 'npy', '-o', 'out']):
            with self.subTest(args[0]):
                self.write('out', b'old')
                self.akin(*args, code=5, **self.limited(1000))
                with open(self.path('out'), 'rb') as f:
                    self.assertEqual(f.read(), b'old')
                self.assertEqual([n for n in os.listdir(self.folder)
                                  if 'tmp' in n or 'paths' in n], [])

    def test_a_full_disc_of_its_own(self):
        disc = self.path('disc')
        os.mkdir(disc)
        if os.getuid() or subprocess.run(
                ['mount', '-t', 'tmpfs', '-o', 'size=256k', 'akin-test', disc],
                capture_output=True).returncode:
            self.skipTest('a small disc cannot be mounted here')
        self.addCleanup(subprocess.run, ['umount', disc])
        with open(os.path.join(disc, 'fill'), 'wb') as f:
            f.write(bytes(200 * 1024))
        self.assertIn('disc/x.akin', self.refused(
            5, 'index', 'photos', '-i', 'disc/x.akin', *BOTH))
        os.remove(os.path.join(disc, 'fill'))
        self.akin('index', 'photos', '-i', 'disc/x.akin', *BOTH)

    def test_a_folder_that_may_not_be_written(self):
        os.mkdir(self.path('shut'), 0o555)
        self.index()
        for args in (['index', 'photos', '-i', 'shut/x.akin', *BOTH],
                     ['embed', self.good, '--model', CLIP, '-o', 'shut/out'],
                     ['search', self.good, '-i', 'x.akin', '--html',
                      'shut/page.html']):
            with self.subTest(args[0]):
                self.assertIn('ermission denied', self.refused(
                    5, *args, preexec_fn=as_user))

    def test_a_pipe_and_a_folder_are_never_replaced(self):
        os.mkfifo(self.path('pipe'))  # harmless where the test fails, as root
        for name in ('pipe', 'photos'):
            self.refused(5, 'embed', self.good, '--model', CLIP, '-o', name)

    def test_an_output_in_a_folder_that_is_not_there(self):
        self.assertIn('no/out', self.refused(
            5, 'embed', self.good, '--model', CLIP, '-o', 'no/out'))


if __name__ == '__main__':
    unittest.main()
