#!/usr/bin/env python3
"""Perceptual hashes and dates, judged by numpy and Pillow."""
import datetime
import glob
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import BUILD, shared

SIDE, KEPT = 64, 16


def ask(paths):
    """[(hash as 256 bits, date or None)] of what akin makes of the files."""
    import numpy as np
    lines = ''.join(f'eh\t-\t{p}\n' for p in paths)
    done = subprocess.run([os.path.join(BUILD, 'tests', 'pixels')],
                          input=lines, capture_output=True, text=True,
                          check=True)
    answers = []
    for line in done.stdout.splitlines():
        parts = line.split('\t')
        assert parts[0] == 'ok', line
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(parts[7]), np.uint8),
                             bitorder='little')
        answers.append((bits, None if parts[8] == '-' else int(parts[8])))
    return answers


def cell(at, length):
    """What is looked at of cell `at` in one direction: docs/format.md."""
    first, end = at * length // SIDE, (at + 1) * length // SIDE
    end = max(end, first + 1)
    return slice(first, end, max((end - first) // 8, 1))


def dct_hash(image):
    """The same by numpy: box means of luma, DCT-II, median. [16][16] bool."""
    import numpy as np
    luma = np.asarray(image.convert('RGB'), np.float64) @ [.299, .587, .114]
    height, width = luma.shape
    cells = np.array([[luma[cell(i, height), cell(j, width)].mean()
                       for j in range(SIDE)] for i in range(SIDE)])
    k, x = np.arange(1, KEPT + 1)[:, None], np.arange(SIDE)
    cosine = np.cos(np.pi / (2 * SIDE) * k * (2 * x + 1))
    frequencies = cosine @ cells @ cosine.T
    return frequencies > np.median(frequencies)


class Hash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def gallery(self, count):
        return sorted(glob.glob(os.path.join(
            shared('data', 'photos', 'gallery'), '*')))[:count]

    def save(self, image, name):
        path = os.path.join(self.folder.name, name)
        image.save(path)
        return path

    def test_a_hash_is_what_numpy_computes(self):
        from PIL import Image
        paths = self.gallery(40)
        for path, (bits, _) in zip(paths, ask(paths)):
            want = dct_hash(Image.open(path)).ravel()
            self.assertLessEqual(int((bits != want).sum()), 2, path)

    def test_a_hash_is_what_numpy_computes_at_any_size(self):
        import numpy as np
        from PIL import Image
        noise = np.random.default_rng(1)  # in which every pixel counts
        for width, height in ((40, 30), (63, 200), (513, 65), (640, 480),
                              (1023, 70), (1025, 768), (3000, 1999)):
            image = Image.fromarray(noise.integers(
                0, 256, (height, width, 3), dtype=np.uint8))
            (bits, _), = ask([self.save(image, 'noise.bmp')])
            want = dct_hash(image).ravel()
            self.assertLessEqual(int((bits != want).sum()), 2, (width, height))

    def test_different_photos_are_far_apart(self):
        import numpy as np
        bits = np.array([b for b, _ in ask(self.gallery(400))])
        apart = (bits[:, None] != bits[None]).sum(2)
        self.assertGreater(apart[np.triu_indices(len(bits), 1)].min(), 80)

    def test_an_edited_copy_is_near(self):
        import numpy as np
        from PIL import Image, ImageFilter
        photo = Image.open(self.gallery(1)[0]).convert('RGB')
        small = photo.resize((200, 150))
        paths = [self.save(photo, 'photo.png'), self.save(small, 'small.png'),
                 self.save(photo.filter(ImageFilter.GaussianBlur(2)),
                           'blurred.png')]
        photo.save(os.path.join(self.folder.name, 'poor.jpg'), quality=20)
        paths.append(os.path.join(self.folder.name, 'poor.jpg'))
        (first, _), *others = ask(paths)
        for (bits, _), path in zip(others, paths[1:]):
            self.assertLessEqual(int(np.sum(bits != first)), 20, path)

    def test_a_large_picture_is_sampled_and_has_nearly_the_same_hash(self):
        import numpy as np
        from PIL import Image
        photo = Image.open(self.gallery(2)[1]).convert('RGB')
        large = photo.resize((photo.width * 6, photo.height * 6),
                             Image.BICUBIC)
        (one, _), (two, _) = ask([self.save(photo, 'one.png'),
                                  self.save(large, 'six.png')])
        self.assertLessEqual(int(np.sum(one != two)), 12)

    def test_one_colour_has_no_hash(self):
        from PIL import Image
        path = self.save(Image.new('RGB', (300, 200), (90, 120, 30)), 'one.png')
        self.assertEqual(int(ask([path])[0][0].sum()), 0)


class Date(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def taken(self, name, original=None, date=None, **options):
        from PIL import Image
        exif = Image.Exif()
        if date is not None:
            exif[0x132] = date
        if original is not None:
            exif.get_ifd(0x8769)[0x9003] = original
        path = os.path.join(self.folder.name, name)
        Image.new('RGB', (16, 16), 'red').save(path, exif=exif, **options)
        return ask([path])[0][1]

    def test_the_original_date_counts_in_every_format_that_has_one(self):
        want = int(datetime.datetime(
            2019, 5, 4, 12, 31, 7,
            tzinfo=datetime.timezone.utc).timestamp())
        for name in 'a.jpg', 'a.png', 'a.webp', 'a.avif':
            self.assertEqual(self.taken(name, '2019:05:04 12:31:07',
                                        '2021:01:01 00:00:00'), want, name)

    def test_without_it_the_date_of_the_file_counts(self):
        for name in 'b.jpg', 'b.tiff':
            self.assertEqual(
                self.taken(name, date='1970:01:02 00:00:01'), 86401, name)

    def test_days_are_counted_as_python_counts_them(self):
        epoch = datetime.date(1970, 1, 1)
        for day in ('1969:12:31', '2000:02:29', '1900:03:01', '2100:12:31'):
            date = datetime.date(*map(int, day.split(':')))
            self.assertEqual(self.taken('c.jpg', day + ' 00:00:00'),
                             (date - epoch).days * 86400, day)

    def test_what_is_no_date_is_not_known(self):
        for text in ('0000:00:00 00:00:00', '    :  :     :  :  ',
                     '2019:13:01 00:00:00', '2019', 'yesterday, at about six'):
            self.assertIsNone(self.taken('d.jpg', text), text)

    def test_photos_have_the_dates_that_pillow_reads(self):
        from PIL import Image
        paths, want = [], []
        for path in glob.glob(os.path.join(shared('data'), '*', '*.jp*g')):
            try:
                exif = Image.open(path).getexif()
                text = exif.get_ifd(0x8769).get(0x9003) or exif.get(0x132)
                date = datetime.datetime.strptime(
                    text.rstrip('\0'), '%Y:%m:%d %H:%M:%S')
            except Exception:
                continue
            paths.append(path)
            want.append(int(date.replace(
                tzinfo=datetime.timezone.utc).timestamp()))
        self.assertEqual([date for _, date in ask(paths)], want)
        if not paths:
            self.skipTest('no photo there has a date')


if __name__ == '__main__':
    unittest.main()
