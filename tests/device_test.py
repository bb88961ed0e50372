#!/usr/bin/env python3
"""--device, with tests/fakecuda.c in the place of a card: what goes to it, what
is said and recorded, and what comes of its troubles. The fake is a forward pass
of its own, in plain loops."""
import json
import os
import shutil
import subprocess
import unittest

import support
import numpy as np
import make_tiny
from cli_case import CLIP, DINO, Case
from read_devices import read_devices

FAKE = os.path.join(support.BUILD, 'tests', 'libfakecuda.so')
NEAR = 1e-5
CARD = ['--device', 'cuda']


class Device(Case):
    def card(self, *args, code=0, fake=FAKE, **roles):
        """akin where a fake card is."""
        env = {**os.environ, 'AKIN_CUDA_PLUGIN': fake,
               **{f'FAKE_CUDA_{k}': str(v) for k, v in roles.items() if k}}
        if 'FAKE' in roles:
            env['FAKE_CUDA'] = roles['FAKE']
        return self.akin(*args, code=code, env=env)

    def vectors(self, pictures, *more, **roles):
        self.card('embed', *pictures, '--format', 'npy', '-o', 'v.npy', *more,
                  **roles)
        return np.load(self.path('v.npy'))

    def assertNear(self, got, want, name=''):
        apart = np.linalg.norm(got - want, axis=1) / np.linalg.norm(want,
                                                                    axis=1)
        self.assertLessEqual(apart.max(), NEAR, name)


class Vectors(Device):
    def compare(self, name, *more):
        """The card's vectors against the CPU's; the numbers that differ."""
        how = ['--model', support.tiny(name), *more]
        pictures = support.pictures()
        here = self.vectors(pictures, *how, '--device', 'cpu')
        there = self.vectors(pictures, *how, *CARD)
        self.assertNear(there, here, f'{name} {more}')
        return np.count_nonzero(here != there)

    def test_every_kind_of_model_has_the_vectors_of_the_cpu(self):
        for name in make_tiny.MODELS:
            with self.subTest(name):
                self.assertGreater(self.compare(name), 0,
                                   'the card was not asked')

    def test_every_pool_has_the_vectors_of_the_cpu(self):
        for name in ('tiny-dinov2', 'tiny-dinov2-registers'):
            for pool in ('mean', 'cls', 'patches'):
                with self.subTest(name, pool=pool):
                    self.compare(name, '--pool', pool)
        self.compare('tiny-backbone', '--pool', 'mean')

    def test_bf16_weights_go_there_as_float32(self):
        """The fake does not round them, so it is nearer to f32 than to bf16."""
        how = ['--model', CLIP]
        exact = self.vectors(support.pictures(), *how, '--device', 'cpu')
        there = self.vectors(support.pictures(), *how, *CARD, '--precision',
                             'bf16')
        self.assertNear(there, exact)

    def test_a_model_for_texts_and_pictures_reads_on_the_cpu(self):
        log = self.path('log')
        self.card('index', 'photos', '-i', 'x.akin', '--model', CLIP, *CARD)
        here = self.card('search', 'red cat', '-i', 'x.akin', '--json', *CARD,
                         LOG=log)
        self.assertFalse(os.path.exists(log))
        self.assertEqual(
            here.stdout,
            self.akin('search', 'red cat', '-i', 'x.akin', '--json').stdout)
        both = self.card('search', 'red cat', '+', 'photos/wide.jpg', '-i',
                         'x.akin', '--json', *CARD, LOG=log)
        with open(log) as f:
            self.assertEqual(f.read(), '0 1\n')
        self.assertTrue(json.loads(both.stdout))

    def test_compare_and_search_take_a_card_only_when_told(self):
        log = self.path('log')
        self.akin('index', 'photos', '-i', 'x.akin', '--model', CLIP)
        for command in (['compare', 'photos/wide.jpg', 'photos/tall.jpg',
                         '--model', CLIP],
                        ['search', 'photos/wide.jpg', '-i', 'x.akin']):
            with self.subTest(command[0]):
                self.card(*command, LOG=log)
                self.assertFalse(os.path.exists(log))
                for device in ('auto', 'cuda'):
                    self.card(*command, '--device', device, LOG=log)
                    os.remove(log)

    def test_the_fingerprint_is_that_of_the_cpu(self):
        for precision in ('f32', 'bf16'):
            prints = []
            for name, device in (('a.akin', 'cpu'), ('b.akin', 'cuda')):
                self.card('index', 'photos', '-i', precision + name, '--model',
                          CLIP, '--precision', precision, '--device', device)
                prints.append(self.json(
                    'info', precision + name)['models'][0]['fingerprint'])
            self.assertEqual(*prints)


class Bytes(Device):
    """What a card gets of a picture is what the network on the CPU sees."""

    def inputs(self, pictures, mode):
        """The floats of tests/pixels.c."""
        lines = ''.join(f'{mode}\t{self.path(f"{i}.in")}\t{p}\n'
                        for i, p in enumerate(pictures))
        subprocess.run([os.path.join(support.BUILD, 'tests', 'pixels')],
                       input=lines, text=True, check=True, capture_output=True)
        return [np.fromfile(self.path(f'{i}.in'), '<f4')
                for i in range(len(pictures))]

    def check(self, pictures, folder, more=()):
        config = os.path.join(folder, 'preprocessor_config.json')
        want = self.inputs(pictures, f'eFILE:{config}')
        seen = self.path('seen')
        self.card('embed', *pictures, '--model', folder, '--json', *CARD, *more,
                  PIXELS=seen)
        got = np.fromfile(seen, '<f4').reshape(len(pictures), -1)
        os.remove(seen)
        left = [row.tobytes() for row in got]  # threads come in any order
        for picture, row in zip(pictures, want, strict=True):
            self.assertIn(row.tobytes(), left, picture)
            left.remove(row.tobytes())

    def test_photos_of_all_shapes(self):
        folder = support.shared('data', 'photos', 'gallery')
        photos = sorted(os.path.join(folder, f) for f in os.listdir(folder)
                        if f.endswith('.JPEG'))[:30]
        self.assertEqual(len(photos), 30)
        for model in (CLIP, DINO):
            self.check(photos + support.pictures(), model)

    def test_pictures_smaller_than_the_crop_are_padded_with_byte_0(self):
        """Without a resize the crop reaches beyond them."""
        for model in (CLIP, DINO):
            folder = self.path(os.path.basename(model))
            shutil.copytree(model, folder)
            path = os.path.join(folder, 'preprocessor_config.json')
            with open(path) as f:
                config = json.load(f)
            with open(path, 'w') as f:
                json.dump({**config, 'do_resize': False}, f)
            self.check(support.pictures(), folder)

    def test_without_pinned_memory_too(self):
        seen = self.path('seen')
        runs = [self.card('embed', *support.pictures(), '--model', CLIP,
                          '--json', *CARD, **more).stdout
                for more in ({}, {'NO_PIN': 1})]
        self.assertEqual(*runs)


class Messages(Device):
    embed = ['embed', 'photos/wide.jpg', '--model', CLIP, '--json']

    def trouble(self, words, *more, model=CLIP, fake=FAKE, **roles):
        """--device cuda stops with these words, auto says them and goes on."""
        how = ['embed', 'photos/wide.jpg', '--model', model, '--json', *more]
        done = self.card(*how, *CARD, code=5, fake=fake, **roles)
        self.assertEqual(done.stdout, '')
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn('device cpu does without', done.stderr)
        auto = self.card(*how, '--device', 'auto', fake=fake, **roles)
        self.assertEqual(len(auto.stderr.splitlines()), 1, auto.stderr)
        self.assertIn('the CPU goes on', auto.stderr)
        self.assertIn(words, auto.stderr)
        here = self.akin(*how, '--device', 'cpu')
        self.assertEqual((auto.stdout, here.stderr), (here.stdout, ''))
        return self.card(*how, fake=fake, **roles)

    def test_no_driver(self):
        self.assertIn('no NVIDIA driver',
                      self.trouble('no NVIDIA driver', FAKE='no-driver').stderr)

    def test_an_old_driver(self):
        self.trouble('the driver is of CUDA 11.4', FAKE='old-driver')

    def test_no_card(self):
        self.trouble('no card is in this machine', FAKE='no-card')

    def test_a_card_that_does_not_serve(self):
        self.trouble('card 0 is not for everybody', FAKE='busy')

    def test_too_little_memory_for_the_weights(self):
        done = self.trouble('Fake H100', FREE=1000)
        self.assertRegex(done.stderr, r'0 MB of memory free.* need \d+ MB')

    def test_too_little_memory_for_the_rest(self):
        self.trouble('the network needs 34 MB', FULL=1)

    def test_a_model_that_no_card_runs(self):
        self.trouble('a card takes widths of 4', FAKE='narrow')

    def test_a_plugin_of_another_build(self):
        self.trouble('belongs to another akin', FAKE='abi')

    def test_a_plugin_that_is_none(self):
        with open(self.path('none.so'), 'w') as f:
            f.write('no library')
        self.trouble('none.so: cannot be loaded', fake=self.path('none.so'))
        self.trouble('cannot be loaded', fake=self.path('missing.so'))

    def test_no_plugin_is_only_said_when_a_device_was(self):
        done = self.trouble('libakin-cuda.so is not installed', fake='')
        self.assertEqual(done.stderr, '')

    def test_8_bits_are_only_said_when_a_device_was(self):
        done = self.trouble('8 bits run on the CPU alone', '--precision',
                            'int8')
        self.assertEqual(done.stderr, '')

    def test_it_is_said_once_for_two_models(self):
        done = self.card('embed', 'photos/wide.jpg', '--json', '--model', CLIP,
                         '--model', DINO, FAKE='no-driver')
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_there_is_no_such_card(self):
        done = self.card(*self.embed, '--device', 'cuda:2', code=5, CARDS=2)
        self.assertIn('there is no card 2: this machine has 2', done.stderr)

    def test_a_card_is_chosen_by_its_number(self):
        log = self.path('log')
        for device, card in (('cuda', 0), ('cuda:0', 0), ('cuda:1', 1),
                             ('auto', 0)):
            self.card(*self.embed, '--device', device, CARDS=2, LOG=log)
            with open(log) as f:
                self.assertEqual(f.read(), f'{card} 1\n')
            os.remove(log)

    def test_the_first_that_serves_is_taken(self):
        for device in ('cuda', 'auto'):
            done = self.card(*self.embed, '--device', device, CARDS=2,
                             FAKE='busy')
            self.assertEqual(json.loads(done.stdout)['device'], 'cuda:1')

    def test_what_is_no_device_is_wrong_usage(self):
        for word in ('gpu', '', 'cuda:', 'cuda:x', 'cuda:1x', 'cuda:-1',
                     'CUDA', 'cpu:0'):
            done = self.card(*self.embed, '--device', word, code=2)
            self.assertIn('is none of auto, cpu, cuda, cuda:N', done.stderr)

    def test_without_a_word_a_card_serves(self):
        line = json.loads(self.card(*self.embed).stdout)
        self.assertEqual(line['device'], 'cuda:0')
        line = json.loads(self.card(*self.embed, '--device', 'cpu').stdout)
        self.assertEqual(line['device'], 'cpu')

    def test_a_card_that_fails_ends_it_and_says_so_once(self):
        done = self.card('embed', *support.pictures(), '--model', CLIP,
                         '--json', code=5, FAIL_AT=3)
        self.assertEqual(done.stderr, 'akin: cuda:0 failed: it fell off the '
                                      'bus\n')


class Bench(Device):
    def test_it_names_the_card(self):
        line = self.card('bench', '--model', DINO, '--precision', 'f32',
                         '--json', BATCH=2)
        line = json.loads(line.stdout)
        self.assertEqual((line['device'], line['card'], line['kernels'],
                          line['gemm']['share_of_peak']),
                         ('cuda:0', 'Fake H100 number 0', 'cuda', None))
        self.assertGreater(line['network']['images_per_second'], 0)
        text = self.card('bench', '--model', DINO, '--precision', 'f32',
                         BATCH=2).stdout
        self.assertRegex(text, r'Fake H100 number 0: images a second')

    def test_a_card_is_not_asked_for_8_bits_it_lacks(self):
        lines = self.card('bench', 'photos', '--accuracy', '--model', DINO,
                          '--json', *CARD, BATCH=2).stdout.splitlines()
        self.assertEqual([json.loads(l)['precision'] for l in lines], ['bf16'])


class Index(Device):
    def made(self):
        """What info says, which is what the file has by docs/format.md."""
        devices = self.json('info', 'x.akin')['models'][0]['devices']
        self.assertEqual(devices, read_devices(self.path('x.akin'),
                                               'tiny-clip'))
        return devices

    def update(self, *more, code=0, **roles):
        return self.card('index', 'photos', '-i', 'x.akin', '--model', CLIP,
                         '--json', *more, code=code, **roles)

    def test_an_index_of_the_cpu_has_no_file_of_it(self):
        self.update('--device', 'cpu')
        self.assertEqual(self.made(), ['cpu'])
        self.assertFalse(os.path.exists(self.path('x.akin', 'devices-0')))

    def test_an_index_of_a_card_says_so(self):
        self.update()
        self.assertEqual(self.made(), ['cuda'])
        self.assertIn('cuda', self.akin('info', 'x.akin').stdout)

    def test_who_made_nothing_is_not_named(self):
        self.update('--device', 'cpu')
        self.update(*CARD)
        self.assertEqual(self.made(), ['cpu'])
        self.update(*CARD, '--retry')
        self.assertEqual(self.made(), ['cpu'])

    def test_an_index_fed_by_both_names_both(self):
        for first, second in (('cpu', 'cuda'), ('cuda', 'cpu')):
            shutil.rmtree(self.path('x.akin'), ignore_errors=True)
            self.update('--device', first)
            with open(support.pictures()[4], 'rb') as f:
                self.write('photos/new.png', f.read() + first.encode())
            self.update('--device', second)
            self.assertEqual(self.made(), ['cpu', 'cuda'])
            self.assertIn('cpu, cuda', self.akin('info', 'x.akin').stdout)

    def test_vectors_of_both_compare(self):
        self.update()
        self.update('--device', 'cpu')  # nothing to do: the same fingerprint
        for device in ('cpu', 'cuda'):
            found = json.loads(self.card(
                'search', 'photos/tall.jpg', '-i', 'x.akin', '--json',
                '--device', device).stdout)
            best = found['models'][0]['results'][0]
            self.assertEqual(best['path'], 'photos/tall.jpg')
            self.assertGreater(best['cosine'], 1 - 1e-6)

    def test_damage_is_found_and_mended(self):
        self.update()
        path = self.path('x.akin', 'devices-0')
        with open(path, 'rb') as f:
            whole = f.read()
        for spoilt in (b'', whole[:63], whole + b'x', whole[:16] + b'\4' +
                       whole[17:], whole[:20] + b'x' + whole[21:]):
            with open(path, 'wb') as f:
                f.write(spoilt)
            self.assertIsNone(self.json('info', 'x.akin')['models'][0][
                'devices'])
            done = self.akin('verify', 'x.akin', code=4)
            self.assertIn('devices-0: damaged', done.stderr + done.stdout)
            self.akin('repair', 'x.akin', code=None)
            self.akin('verify', 'x.akin')
            self.assertEqual(self.made(), ['cpu', 'cuda'])

    def test_a_card_that_fails_leaves_what_is_staged(self):
        self.many_photos(24)
        done = self.update('--threads', '1', code=5, FAIL_AT=4)
        self.assertIn('it fell off the bus', done.stderr)
        kept = self.json('info', 'x.akin')
        self.assertGreater(kept['files'], 0)
        self.assertLess(kept['files'], self.count)
        self.akin('verify', 'x.akin')
        report = json.loads(self.update('--threads', '1').stdout)
        self.assertEqual(report['added'], self.count - kept['files'])
        self.assertEqual(self.json('info', 'x.akin')['files'], self.count)

    def test_a_small_folder_goes_in_several_batches(self):
        """So that progress moves, and no worker holds all of it."""
        self.many_photos(26)
        log = self.path('log')
        self.update('--threads', '2', BATCH=256, LOG=log)
        with open(log) as f:
            counts = [int(line.split()[1]) for line in f]
        self.assertEqual(sum(counts), self.count)
        self.assertGreaterEqual(len(counts), 10)
        self.assertLessEqual(max(counts), 3)

    def test_each_picture_of_a_batch_has_its_own_vector(self):
        for i in range(6):
            for picture in support.pictures():
                with open(picture, 'rb') as f:
                    self.write(f'photos/{i}-{os.path.basename(picture)}',
                               f.read() + b'%d' % i)
        log = self.path('log')
        vectors = []
        for device in ('cpu', 'cuda'):
            shutil.rmtree(self.path('x.akin'), ignore_errors=True)
            self.update('--threads', '1', '--device', device, BATCH=256,
                        LOG=log)
            self.akin('export', 'x.akin', '--format', 'npy', '-o', 'v.npy')
            vectors.append(np.load(self.path('v.npy')))
        with open(log) as f:
            self.assertEqual(f.readline(), '0 6\n')
        self.assertNear(vectors[1], vectors[0])

    def test_a_batch_of_the_card_is_never_overfull(self):
        self.many_photos(8)
        log = self.path('log')
        self.update('--threads', '1', BATCH=2, LOG=log)
        with open(log) as f:
            self.assertEqual(max(int(line.split()[1]) for line in f), 2)

    def test_two_models_share_the_card(self):
        self.card('index', 'photos', '-i', 'x.akin', '--model', CLIP, '--model',
                  DINO, *CARD)
        self.assertEqual([m['devices'] for m in self.json(
            'info', 'x.akin')['models']], [['cuda']] * 2)


if __name__ == '__main__':
    unittest.main()
