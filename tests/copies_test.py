#!/usr/bin/env python3
"""akin eval make-copies: what each edit does, judged by Pillow and NumPy, and
that the same call makes the same set, however often it is stopped."""
import collections
import csv
import functools
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support import AKIN, akin, drawing

import numpy
import PIL.Image
from PIL import ImageFilter

KINDS = ('crop scale jpeg rotate flip colour blur noise text overlay '
         'screenshot combined').split()


def picture(width, height, seed):
    """Something with shapes that survives a JPEG."""
    image = PIL.Image.fromarray(drawing(width, height, seed))
    return image.filter(ImageFilter.GaussianBlur(1.5))


def photos(folder):
    """Five photos of several formats and shapes."""
    os.makedirs(os.path.join(folder, 'below'))
    for name, size, how in (('a.png', (480, 320), {}),
                            ('b.jpg', (241, 427), dict(quality=95)),
                            ('below/c.webp', (375, 281), dict(lossless=True)),
                            ('below/d.bmp', (301, 300), {}),
                            ('grey.png', (320, 240), {})):
        image = picture(*size, seed=len(name) + size[0])
        if name == 'grey.png':
            image = PIL.Image.new('RGB', size, (128, 128, 128))
        image.save(os.path.join(folder, name), **how)
    return folder


def rows(folder, name):
    with open(os.path.join(folder, name), newline='', encoding='utf-8') as f:
        return list(csv.DictReader(f))


def state(folder):
    """Every file below it and a digest of its bytes."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, 'rb') as f:
                found[os.path.relpath(path, folder)] = hashlib.sha256(
                    f.read()).hexdigest()
    return found


@functools.cache
def whole():
    """A set of everything, made once: the photos' folder and its own."""
    folder = tempfile.mkdtemp(prefix='akin-test-')
    unittest.addModuleCleanup(shutil.rmtree, folder)
    source = photos(os.path.join(folder, 'photos'))
    made = os.path.join(folder, 'set')
    akin('eval', 'make-copies', source, '-o', made)
    return source, made


class Edits(unittest.TestCase):
    """Each kind, of every photo at every strength, undone or done again."""

    def each(self, kind):
        """Photo, query, strength and parameters of every query of the kind."""
        source, made = whole()
        details = {row['query_id']: row for row in rows(made, 'details.csv')}
        found = 0
        for row in rows(made, 'edits.csv'):
            if row['edit'] != kind:
                continue
            detail = details[row['query_id']]
            values = dict(word.split('=', 1)
                          for word in detail['parameters'].split(' ')
                          if '=' in word)
            with PIL.Image.open(os.path.join(source, detail['photo'])) as f:
                photo = f.convert('RGB')
            with PIL.Image.open(os.path.join(
                    made, 'images', 'queries',
                    row['query_id'] + '.jpg')) as f:
                f.load()
                yield photo, f, int(row['strength']), values, detail
            found += 1
        self.assertEqual(found, 15)

    def near(self, query, wanted, limit=4, shift=1):
        """The sizes are equal but for `shift`, and so are the middles."""
        for ours, theirs in zip(query.size, wanted.size):
            self.assertLessEqual(abs(ours - theirs), shift)
        size = [min(pair) for pair in zip(query.size, wanted.size)]
        a, b = (numpy.asarray(image.convert('RGB').crop((
            (image.width - size[0]) // 2, (image.height - size[1]) // 2,
            (image.width - size[0]) // 2 + size[0],
            (image.height - size[1]) // 2 + size[1])), dtype=float)
                for image in (query, wanted))
        self.assertLess(numpy.abs(a - b).mean(), limit)

    def test_flip_is_pillows_mirrored_picture(self):
        how = [PIL.Image.Transpose.FLIP_LEFT_RIGHT,
               PIL.Image.Transpose.FLIP_TOP_BOTTOM,
               PIL.Image.Transpose.TRANSPOSE]
        for photo, query, strength, _, _ in self.each('flip'):
            self.near(query, photo.transpose(how[strength - 1]), shift=0)

    def test_crop_is_the_window_that_its_row_names(self):
        kept = collections.defaultdict(list)
        for photo, query, strength, values, _ in self.each('crop'):
            left, top, width, height = (
                (round(float(values[name]) * 1000) * side + 500) // 1000
                for name, side in zip(('left', 'top', 'width', 'height'),
                                      2 * photo.size))
            left = min(left, photo.width - width)
            top = min(top, photo.height - height)
            self.near(query, photo.crop((left, top, left + width,
                                         top + height)), shift=0)
            kept[strength].append(query.width * query.height /
                                  (photo.width * photo.height))
        for strength, least, most in ((1, .6, .8), (2, .3, .5), (3, .1, .2)):
            self.assertGreater(min(kept[strength]), least)
            self.assertLess(max(kept[strength]), most)

    def test_scale_is_pillows_bicubic(self):
        for photo, query, _, values, _ in self.each('scale'):
            size = [round(side * float(values['side'])) for side in photo.size]
            wanted = photo.resize(query.size, PIL.Image.Resampling.BICUBIC)
            self.near(query.convert('L'), wanted.convert('L'))
            self.assertLessEqual(abs(query.width - size[0]), 1)
            self.assertLessEqual(abs(query.height - size[1]), 1)

    def test_jpeg_has_the_tables_of_its_quality(self):
        for photo, query, _, values, _ in self.each('jpeg'):
            saved = io.BytesIO()
            photo.save(saved, 'JPEG', quality=int(values['quality']))
            self.assertEqual(query.quantization,
                             PIL.Image.open(saved).quantization)
            self.near(query, PIL.Image.open(saved), limit=3, shift=0)

    def test_rotate_is_pillows_by_that_angle(self):
        fill = {'black': 0, 'white': 255, 'grey': 128}
        for photo, query, strength, values, _ in self.each('rotate'):
            angle = float(values['degrees'])
            wanted = photo.rotate(angle, PIL.Image.Resampling.BILINEAR, True,
                                  fillcolor=(fill[values['corners']],) * 3)
            self.near(query, wanted, limit=6, shift=2)
            low, high = ((3, 12), (15, 40), (50, 130))[strength - 1]
            self.assertTrue(low <= abs(angle) <= high, angle)

    def test_colour_is_svgs_matrix(self):
        light = numpy.array([.213, .715, .072])
        turn = numpy.array([[-.213, -.715, .928], [.143, .140, -.283],
                            [-.787, .715, .072]])
        for photo, query, _, values, _ in self.each('colour'):
            v = {name: float(value) for name, value in values.items()}
            angle = numpy.radians(v['hue'])
            grey = numpy.tile(light, (3, 1))
            hue = (grey + numpy.cos(angle) * (numpy.eye(3) - grey) +
                   numpy.sin(angle) * turn)
            matrix = (1 - v['saturation']) * grey + v['saturation'] * hue
            pixels = numpy.asarray(photo, dtype=float) @ matrix.T
            pixels = (pixels * v['brightness'] - 128) * v['contrast'] + 128
            self.near(query, PIL.Image.fromarray(
                pixels.clip(0, 255).round().astype(numpy.uint8)), shift=0)

    def test_blur_is_three_of_pillows_boxes(self):
        for photo, query, _, values, _ in self.each('blur'):
            radius = max(1, int(max(photo.size) * float(values['radius'])
                                + .5))
            for _ in range(3):
                photo = photo.filter(ImageFilter.BoxBlur(radius))
            self.near(query, photo, limit=2, shift=0)

    def test_noise_has_its_deviation(self):
        for photo, query, _, values, detail in self.each('noise'):
            if detail['photo'] != 'grey.png':
                continue
            # Of independent channels, so the luma's is 0.668 of theirs.
            y = numpy.asarray(query.convert('L'), dtype=float)
            self.assertAlmostEqual(
                y.std() / (.668 * int(values['deviation'])), 1, delta=.12)
            self.assertAlmostEqual(y.mean(), 128, delta=1)

    def test_text_covers_more_the_stronger_it_is(self):
        covered = collections.defaultdict(list)
        for photo, query, strength, _, _ in self.each('text'):
            self.assertEqual(photo.size, query.size)
            change = numpy.abs(numpy.asarray(photo, dtype=float) -
                               numpy.asarray(query.convert('RGB')))
            covered[strength].append((change.max(axis=2) > 60).mean())
        mean = [numpy.mean(covered[s]) for s in (1, 2, 3)]
        self.assertTrue(.002 < mean[0] < mean[1] < mean[2] < .6, mean)

    def test_overlay_is_the_photo_on_a_distractor(self):
        source, made = whole()
        referred = {row['path'] for row in rows(made, 'photos.csv')}
        for photo, query, _, values, detail in self.each('overlay'):
            if values['on'] == 'plain':  # the only distractor itself
                self.assertNotIn(detail['photo'], referred)
                continue
            self.assertNotIn(values['on'], referred)
            with PIL.Image.open(os.path.join(source, values['on'])) as f:
                ground = f.convert('RGB')
            self.assertEqual(query.size, ground.size)
            changed = numpy.abs(
                numpy.asarray(ground, dtype=float) -
                numpy.asarray(query.convert('RGB'))).max(axis=2) > 30
            x, y = (numpy.flatnonzero(changed.any(axis=axis))
                    for axis in (0, 1))
            width, height = x[-1] - x[0] + 1, y[-1] - y[0] + 1
            share = min(ground.width / photo.width,
                        ground.height / photo.height) * float(values['side'])
            self.assertAlmostEqual(width, photo.width * share, delta=9)
            self.assertAlmostEqual(height, photo.height * share, delta=9)

    def test_a_window_holds_the_photo_as_it_is(self):
        for photo, query, strength, _, _ in self.each('screenshot'):
            if strength == 1:
                top = 3 * (max(photo.size) // 50)
                self.near(query.crop((0, top, photo.width,
                                      top + photo.height)), photo, shift=0)

    def test_screenshots_have_the_shapes_of_screens(self):
        for _, query, strength, _, _ in self.each('screenshot'):
            if strength > 1:
                self.assertAlmostEqual(query.width / query.height,
                                       (9 / 16, 16 / 10)[strength - 2],
                                       delta=.02)

    def test_combined_edits_are_two_three_and_four(self):
        for _, _, strength, _, detail in self.each('combined'):
            steps = detail['parameters'].split('; ')
            kinds = [step.split(' ')[0] for step in steps]
            self.assertEqual(len(set(kinds)), strength + 1)
            self.assertLessEqual(set(kinds), set(KINDS))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-test-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.photos = self.path('photos')

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def make(self, name='set', *args, code=0, source=None, **more):
        made = self.path(name)
        self.done = akin('eval', 'make-copies', source or self.photos, '-o',
                         made, '--json', *args, code=code, **more)
        if code < 2:
            self.report = json.loads(self.done.stdout)
        return made

    def save(self, name, image, **how):
        os.makedirs(os.path.dirname(self.path('photos', name)), exist_ok=True)
        image.save(self.path('photos', name), **how)


class Sets(Case):
    """What lies in the folder."""

    def test_every_query_is_a_jpeg_of_at_most_1024_pixels(self):
        folder = os.path.join(whole()[1], 'images', 'queries')
        self.assertEqual(len(os.listdir(folder)), 5 * 36)
        for name in os.listdir(folder):
            with PIL.Image.open(os.path.join(folder, name)) as image:
                image.load()
                self.assertEqual((image.format, image.mode), ('JPEG', 'RGB'))
                self.assertLessEqual(max(image.size), 1024)

    def test_references_are_the_originals(self):
        source, made = whole()
        folder = os.path.join(made, 'images', 'references')
        paths = {row['reference_id']: row['path']
                 for row in rows(made, 'photos.csv')}
        found = {name.split('.')[0]: name for name in os.listdir(folder)}
        self.assertEqual(set(found), set(paths))
        for reference, path in paths.items():
            name = found[reference]
            self.assertEqual(name.split('.')[1], path.split('.')[1])
            self.assertTrue(os.path.samefile(os.path.join(folder, name),
                                             os.path.join(source, path)))

    def test_the_tables_say_the_truth(self):
        _, made = whole()
        paths = {row['path']: row['reference_id']
                 for row in rows(made, 'photos.csv')}
        self.assertEqual(len(paths), 4)
        truth = rows(made, 'ground_truth.csv')
        details = rows(made, 'details.csv')
        self.assertEqual([row['query_id'] for row in truth],
                         sorted(row['query_id'] for row in details))
        for row, detail in zip(truth, details):
            self.assertEqual(row['reference_id'],
                             paths.get(detail['photo'], ''))
        sorts = collections.Counter((row['edit'], row['strength'])
                                    for row in rows(made, 'edits.csv'))
        self.assertEqual(sorts, {(kind, str(s)): 5 for kind in KINDS
                                 for s in (1, 2, 3)})

    def test_akin_eval_score_reads_the_truth(self):
        _, made = whole()
        with open(self.path('right.csv'), 'w', encoding='utf-8') as f:
            for row in rows(made, 'ground_truth.csv'):
                if row['reference_id']:
                    f.write(f"{row['query_id']},{row['reference_id']},1\n")
        figures = json.loads(akin(
            'eval', 'score', os.path.join(made, 'ground_truth.csv'),
            self.path('right.csv'), '--json').stdout)
        self.assertEqual(figures['uAP'], 1)

    def test_a_photo_is_turned_as_its_exif_says(self):
        image, exif = picture(400, 300, 1), PIL.Image.Exif()
        exif[0x112] = 6
        self.save('turned.jpg', image, quality=95, exif=exif)
        made = self.make('set', '--edits', 'jpeg')
        with PIL.Image.open(os.path.join(
                made, 'images', 'queries', 'Q00000.jpg')) as query:
            self.assertEqual(query.size, (300, 400))

    def test_a_large_photo_is_made_smaller_as_pillow_does_it(self):
        image = picture(3000, 2000, 2)
        self.save('large.png', image)
        made = self.make('set', '--edits', 'flip')
        wanted = image.resize((1024, 683), PIL.Image.Resampling.BICUBIC)
        with PIL.Image.open(os.path.join(
                made, 'images', 'queries', 'Q00001.jpg')) as query:
            self.assertEqual(query.size, wanted.size)
            difference = numpy.abs(
                numpy.asarray(query, dtype=float) - numpy.asarray(
                    wanted.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)))
        self.assertLess(difference.mean(), 3)

    def test_the_smallest_pictures_are_edited_too(self):
        for name, size in (('dot.png', (1, 1)), ('line.png', (3, 900)),
                           ('thread.png', (2000, 1)), ('few.png', (8, 6))):
            self.save(name, PIL.Image.new('RGB', size, (200, 30, 90)))
        made = self.make()
        folder = os.path.join(made, 'images', 'queries')
        for name in os.listdir(folder):
            with PIL.Image.open(os.path.join(folder, name)) as query:
                query.load()
        self.assertEqual(self.report['queries'], 4 * 36)

    def test_a_picture_without_suffix_gets_one(self):
        self.save('nameless', picture(200, 150, 3), format='PNG')
        made = self.make('set', '--edits', 'flip')
        self.assertEqual(os.listdir(os.path.join(made, 'images',
                                                 'references')),
                         ['R00000.png'])

    def test_equal_files_are_one_photo(self):
        photos(self.photos)
        shutil.copy(self.path('photos', 'b.jpg'), self.path('photos', 'z.jpg'))
        made = self.make('set', '--edits', 'flip')
        self.assertEqual((self.report['photos'], self.report['same']), (5, 1))
        self.assertNotIn('z.jpg', [row['photo'] for row in
                                   rows(made, 'details.csv')])

    def test_what_cannot_be_read_is_told_and_costs_itself(self):
        photos(self.photos)
        with open(self.path('photos', 'broken.jpg'), 'wb') as f:
            f.write(b'\xff\xd8\xff\xe0 no more')
        with open(self.path('photos', 'notes.txt'), 'wb') as f:
            f.write(b'no picture')
        made = self.make('set', '--edits', 'flip', code=1)
        self.assertIn('broken.jpg', self.done.stderr)
        self.assertEqual([os.path.basename(one['path'])
                          for one in self.report['failed']], ['broken.jpg'])
        self.assertEqual((self.report['photos'], self.report['skipped']),
                         (5, 1))
        self.assertNotIn('broken.jpg', [row['photo'] for row in
                                        rows(made, 'details.csv')])

    def test_a_folder_without_pictures_makes_nothing(self):
        os.mkdir(self.photos)
        self.make(code=3)
        self.assertIn('no picture', self.done.stderr)
        self.assertFalse(os.path.exists(self.path('set')))

    def test_a_set_that_cannot_be_made_is_the_systems_trouble(self):
        self.save('a.png', picture(90, 60, 8))
        self.make('photos/a.png', code=5)
        self.make('photos/a.png/set', code=5)
        self.make('set', code=3, source=self.path('nowhere'))

    def test_a_set_in_its_own_folder_is_none_of_the_photos(self):
        photos(self.photos)
        for _ in range(2):
            self.make('photos/set', '--edits', 'flip')
            self.assertEqual(self.report['photos'], 5)


class Choices(Case):
    """Edits, count, seed and distractors."""

    def setUp(self):
        super().setUp()
        photos(self.photos)

    def test_edits_are_those_that_were_named(self):
        made = self.make('set', '--edits', 'blur,crop')
        self.assertEqual({row['edit'] for row in rows(made, 'edits.csv')},
                         {'blur', 'crop'})
        self.make('other', '--edits', 'blur,fold', code=2)
        self.assertIn('"fold"', self.done.stderr)

    def test_a_count_takes_all_edits_in_turn(self):
        made = self.make('set', '--edits', 'flip,jpeg,crop', '--count', '2')
        self.assertEqual(self.report['queries'], 10)
        sorts = collections.Counter((row['edit'], row['strength'])
                                    for row in rows(made, 'edits.csv'))
        self.assertEqual((len(sorts), max(sorts.values())), (9, 2))
        self.make('other', '--edits', 'flip', '--count', '4', code=2)
        self.assertIn('more than its 3', self.done.stderr)

    def test_another_seed_makes_other_edits(self):
        one, two = (self.make(str(seed), '--edits', 'crop,noise', '--seed',
                              str(seed)) for seed in (1, 2))
        a, b = state(one), state(two)
        queries = [name for name in a if 'queries' in name]
        self.assertEqual(len(queries), 30)
        self.assertFalse([name for name in queries if a[name] == b[name]])

    def test_distractors_are_a_share_and_may_be_none(self):
        for share, count in (('0', 0), ('1%', 1), ('60%', 3), ('1', 4)):
            self.make('set' + share, '--edits', 'flip', '--distractors', share)
            self.assertEqual((self.report['distractors'],
                              self.report['references']), (count, 5 - count))


class Same(Case):
    """The same call makes the same set."""

    def setUp(self):
        super().setUp()
        photos(self.photos)

    def test_on_any_number_of_threads_and_every_processor(self):
        wanted = state(whole()[1])
        for number, cpu in (('1', 'avx2'), ('2', 'c')):
            made = self.make(cpu, '--threads', number,
                             env=dict(os.environ, AKIN_CPU=cpu))
            self.assertEqual(state(made), wanted)

    def test_wherever_the_folder_lies_and_however_it_is_listed(self):
        copied = self.path('elsewhere', 'copied')
        for place, _, names in os.walk(self.photos, topdown=False):
            to = os.path.join(copied, os.path.relpath(place, self.photos))
            os.makedirs(to, exist_ok=True)
            for name in sorted(names, reverse=True):
                shutil.copyfile(os.path.join(place, name),
                                os.path.join(to, name))
        made = self.make(source=copied)
        self.assertEqual(state(made), state(whole()[1]))

    def start(self, made):
        return subprocess.Popen(
            [AKIN, 'eval', 'make-copies', self.photos, '-o', made,
             '--threads', '1'], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)

    def stop(self, number):
        """Stop a run by a signal once it has made some of its queries."""
        made = self.path('set')
        queries = os.path.join(made, 'images', 'queries')
        running = self.start(made)
        while running.poll() is None and not (
                os.path.isdir(queries) and len(os.listdir(queries)) > 20):
            time.sleep(.005)
        running.send_signal(number)
        said = running.communicate()[1]
        self.assertLess(len(os.listdir(queries)), 5 * 36)
        return running.returncode, said

    def test_after_a_kill_it_goes_on(self):
        self.stop(signal.SIGKILL)
        with open(self.path('set', 'images', 'queries', 'Q9.jpg.1.tmp'),
                  'wb') as f:
            f.write(b'half')
        made = self.make()
        self.assertGreater(self.report['made'], 0)
        self.assertLess(self.report['made'], 5 * 36)
        self.assertEqual(state(made), state(whole()[1]))

    def test_an_interrupt_keeps_what_is_done(self):
        code, said = self.stop(signal.SIGINT)
        self.assertEqual(code, 128 + signal.SIGINT)
        self.assertIn('goes on from there', said)
        self.assertEqual(state(self.make()), state(whole()[1]))

    def test_what_is_missing_or_cut_short_is_made_again(self):
        made = self.make()
        folder = os.path.join(made, 'images')
        os.remove(os.path.join(folder, 'queries', 'Q00007.jpg'))
        os.truncate(os.path.join(folder, 'queries', 'Q00050.jpg'), 0)
        os.truncate(os.path.join(folder, 'queries', 'Q00051.jpg'), 900)
        os.remove(os.path.join(folder, 'references', os.listdir(
            os.path.join(folder, 'references'))[0]))
        self.make()
        self.assertEqual(self.report['made'], 3)
        self.assertEqual(state(made), state(whole()[1]))

    def test_a_set_of_another_call_is_refused_and_left_alone(self):
        made = self.make('set', '--edits', 'flip')
        before = state(made)
        self.make('set', '--edits', 'flip', '--seed', '1', code=2)
        self.assertIn('other options', self.done.stderr)
        self.save('more.png', picture(90, 60, 8))
        self.make('set', '--edits', 'flip', code=2)
        self.assertEqual(state(made), before)

    def test_a_folder_that_is_no_set_is_refused(self):
        os.mkdir(self.path('set'))
        self.make('set', '--edits', 'flip')  # empty: as if it were not there
        os.mkdir(self.path('mine'))
        with open(self.path('mine', 'letter.txt'), 'wb') as f:
            f.write(b'dear')
        self.make('mine', code=2)
        self.assertEqual(os.listdir(self.path('mine')), ['letter.txt'])


if __name__ == '__main__':
    unittest.main()
