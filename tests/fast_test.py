#!/usr/bin/env python3
"""Fast decoding: which pictures it makes smaller, by how much, and how close
it stays to the exact decoding averaged over the same pixels."""
import os
import tempfile
import unittest

import support
from support import numpy as np
from pillow_test import Akin
from PIL import Image


def averaged(pixels, by):
    """Means of by x by pixels; sides that `by` divides."""
    h, w = pixels.shape[0] // by, pixels.shape[1] // by
    return pixels.reshape(h, by, w, by, 3).mean((1, 3))


def photo(width, height):
    """Large, with detail, in little time."""
    small = Image.fromarray(support.drawing(width // 4, height // 4, seed=9))
    return small.resize((width, height), Image.BICUBIC)


class Fast(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix='akin-fast-')
        cls.akin = Akin(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.akin.close()
        cls.folder.cleanup()

    def save(self, name, image, **how):
        path = os.path.join(self.folder.name, name)
        image.save(path, **how)
        return path

    def rgb(self, path, mode):
        pixels, warning = self.akin.rgb(path, mode)
        self.assertEqual(warning, '')
        self.assertNotIsInstance(pixels, str)
        return pixels

    def sizes(self, path, mode):
        """Of the pixels, and of the whole picture."""
        answer = self.akin.ask(mode, path, '-')
        return (tuple(map(int, answer[1:3])), tuple(map(int, answer[5:7])))

    def test_sides_are_halved_while_the_shorter_keeps_768_pixels(self):
        for size, want in (((1535, 1536), (1535, 1536)),
                           ((1536, 1600), (768, 800)),
                           ((3000, 1537), (1500, 769)),
                           ((3071, 3073), (1536, 1537)),
                           ((3072, 3072), (768, 768)),
                           ((6143, 6143), (1536, 1536)),
                           ((6144, 6145), (768, 769))):
            path = self.save('flat.jpg', Image.new('L', size, 90))
            self.assertEqual(self.sizes(path, 'f'), (want, size))

    def test_without_being_asked_nothing_is_made_smaller(self):
        path = self.save('flat.jpg', Image.new('L', (1600, 1600), 90))
        self.assertEqual(self.sizes(path, ''), ((1600, 1600), (1600, 1600)))

    def test_a_smaller_jpeg_is_decoded_exactly(self):
        path = self.save('small.jpg', photo(1600, 1532))
        self.assertTrue((self.rgb(path, 'f') == self.rgb(path, '')).all())

    def test_another_format_is_decoded_exactly(self):
        path = self.save('large.png', photo(1600, 1600))
        self.assertTrue((self.rgb(path, 'f') == self.rgb(path, '')).all())

    def test_it_is_near_the_mean_of_the_pixels_it_stands_for(self):
        image = photo(3136, 3072)
        # In 4:2:2 the colours keep half the columns, shrunk or not.
        for name, mean, most, how in (
                ('420', 1.5, 15, dict(subsampling=2)),
                ('422', 4, 40, dict(subsampling=1)),
                ('444', 1, 4, dict(subsampling=0))):
            path = self.save('near.jpg', image, quality=90, **how)
            fast, exact = self.rgb(path, 'f'), self.rgb(path, '')
            off = np.abs(fast - averaged(exact, 4))
            with self.subTest(name):
                self.assertEqual(fast.shape, (768, 784, 3))
                self.assertLess(off.mean(), mean)
                self.assertLess(off.max(), most)

    def test_cmyk_is_near_it_too(self):
        path = self.save('cmyk.jpg', photo(1600, 1568).convert('CMYK'),
                         quality=90)
        off = np.abs(self.rgb(path, 'f') - averaged(self.rgb(path, ''), 2))
        self.assertLess(off.mean(), 2)

    def test_a_progressive_file_gives_the_pixels_of_a_plain_one(self):
        image = photo(1604, 1539)
        plain = self.save('plain.jpg', image, quality=80)
        scans = self.save('scans.jpg', image, quality=80, progressive=True)
        self.assertTrue((self.rgb(plain, 'f') == self.rgb(scans, 'f')).all())

    def test_exif_turns_what_is_left(self):
        image, exif = photo(1604, 1539), Image.Exif()
        for orientation, turned in (
                (2, lambda a: a[:, ::-1]), (3, lambda a: a[::-1, ::-1]),
                (4, lambda a: a[::-1]), (5, lambda a: a.transpose(1, 0, 2)),
                (6, lambda a: np.rot90(a, -1)),
                (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
                (8, np.rot90)):
            exif[274] = orientation
            path = self.save('turned.jpg', image, exif=exif)
            sideways = orientation > 4
            with self.subTest(orientation):
                self.assertTrue(np.array_equal(self.rgb(path, 'fe'),
                                               turned(self.rgb(path, 'f'))))
                self.assertEqual(self.sizes(path, 'fe')[1],
                                 (1539, 1604) if sideways else (1604, 1539))
                self.assertEqual(self.sizes(path, 'f')[1], (1604, 1539))

    def test_the_input_of_a_model_moves_little(self):
        path = self.save('input.jpg', photo(3200, 2400), quality=90)
        fast, exact = (self.akin.input(path, mode) for mode in ('fc', 'c'))
        self.assertLess(np.abs(fast - exact).mean(), 1.5)
        self.assertGreater(np.corrcoef(fast.ravel(), exact.ravel())[0, 1],
                           0.9995)


if __name__ == '__main__':
    unittest.main()
