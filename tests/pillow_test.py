#!/usr/bin/env python3
"""Pictures as Pillow sees them, to the last byte: decoded, upright, prepared.

The judge is Pillow: Image.open(f).convert('RGB'), ImageOps.exif_transpose,
resize, and transformers' arithmetic in numpy. Files that Pillow cannot write
are put together here.
"""
import io
import itertools
import json
import os
import struct
import subprocess
import tempfile
import unittest
import warnings
import zlib

import support
from support import numpy as np
from PIL import Image, ImageFile, ImageOps

CLIP = (224, [0.48145466, 0.4578275, 0.40821073],
        [0.26862954, 0.26130258, 0.27577711])
DINO = (256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

Image.MAX_IMAGE_PIXELS = 128_000_000  # an error from twice that, as akin's


class Akin:
    """tests/pixels.c, asked line by line."""

    def __init__(self, folder):
        self.out = os.path.join(folder, 'out')
        self.process = subprocess.Popen(
            [os.path.join(support.BUILD, 'tests', 'pixels')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, mode, path, out=None):
        self.process.stdin.write(f'{mode}\t{out or self.out}\t{path}\n'
                                 .encode())
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().rstrip('\n').split('\t')

    def rgb(self, path, mode=''):
        """uint8 [height, width, 3] or the message; and the warning."""
        answer = self.ask(mode, path)
        if answer[0] != 'ok':
            return answer[1], ''
        pixels = np.fromfile(self.out, np.uint8)
        return pixels.reshape(int(answer[2]), int(answer[1]), 3), answer[4]

    def input(self, path, mode, side=224):
        """float32 [3, side, side]: what a model gets."""
        answer = self.ask(mode, path)
        if answer[0] != 'ok':
            raise AssertionError(answer[1])
        return np.fromfile(self.out, np.float32).reshape(3, side, side)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def resized(image, short):
    w, h = image.size
    size = ((short, int(short * h / w)) if w <= h
            else (int(short * w / h), short))
    return image.resize(size, Image.BICUBIC)


def cropped(pixels, side):
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top:top + side, left:left + side]


def prepared(image, family):
    """float32 [3, 224, 224]: what the model gets."""
    short, mean, std = family
    pixels = cropped(np.asarray(resized(image, short)), 224)
    a = (pixels.astype(np.float64) * (1 / 255)).astype(np.float32)
    a = (a - np.array(mean, np.float32)) / np.array(std, np.float32)
    return a.transpose(2, 0, 1)


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        warnings.simplefilter('ignore')
        cls.folder = tempfile.TemporaryDirectory(prefix='akin-pillow-')
        cls.akin = Akin(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.akin.close()
        cls.folder.cleanup()

    def path(self, name, content=None):
        """A file of this name; content is bytes or what Image.save takes."""
        path = os.path.join(self.folder.name, name)
        if content is not None:
            with open(path, 'wb') as f:
                f.write(content)
        return path

    def save(self, name, image, **how):
        path = self.path(name)
        image.save(path, **how)
        return path

    def unequal(self, paths, mode='', view=lambda image: image.convert('RGB')):
        """Names of the files that akin and Pillow decode differently."""
        wrong = []
        for path in paths:
            with Image.open(path) as image:
                want = np.asarray(view(image))
            got, warning = self.akin.rgb(path, mode)
            if 'this build lacks' in got:
                continue
            if isinstance(got, str) or warning:
                wrong.append(f'{path}: {got if isinstance(got, str) else ""}'
                             f'{warning}')
            elif got.shape != want.shape:
                wrong.append(f'{path}: {got.shape} is not {want.shape}')
            elif (got != want).any():
                wrong.append(f'{path}: {(got != want).sum()} bytes differ')
        return wrong


PHOTO = Image.fromarray(support.drawing(123, 77, seed=5))
GREY = PHOTO.convert('L')
ALPHA = PHOTO.copy()
ALPHA.putalpha(GREY.point(lambda v: v * 3 % 256))
PALETTE = PHOTO.quantize(200)


def chunk(name, data):
    return (struct.pack('>I', len(data)) + name + data +
            struct.pack('>I', zlib.crc32(name + data)))


def png(samples, depth, color, interlace=0, extra=b''):
    """A PNG of samples [height, width, channels], also what Pillow cannot
    write: 16 bits, few bits, Adam7."""
    height, width = samples.shape[:2]

    def lines(part):
        if part.size == 0:
            return b''
        if depth == 16:
            rows = part.astype('>u2').tobytes()
        elif depth == 8:
            rows = part.astype(np.uint8).tobytes()
        else:
            bits = np.unpackbits(part.astype(np.uint8)[..., 0, None], axis=-1)
            bits = bits[..., 8 - depth:].reshape(part.shape[0], -1)
            rows = np.packbits(bits, axis=1).tobytes()
        each = len(rows) // part.shape[0]
        return b''.join(b'\0' + rows[i:i + each]
                        for i in range(0, len(rows), each))

    steps = ([(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4),
              (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)] if interlace
             else [(0, 0, 1, 1)])
    data = b''.join(lines(samples[y::dy, x::dx]) for y, x, dy, dx in steps)
    return (b'\x89PNG\r\n\x1a\n' +
            chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color,
                                       0, 0, interlace)) +
            extra + chunk(b'IDAT', zlib.compress(data)) + chunk(b'IEND', b''))


def bmp(bits, width, height, rows, palette=b'', compression=0, masks=b'',
        core=False, offset=None):
    if core:
        header = struct.pack('<IHHHH', 12, width, height, 1, bits)
    else:
        header = struct.pack('<IiiHHIIIIII', 40, width, height, 1, bits,
                             compression, len(rows), 0, 0, 0, 0)
    start = 14 + len(header) + len(masks) + len(palette)
    return (b'BM' + struct.pack('<IHHI', start + len(rows), 0, 0,
                                start if offset is None else offset) +
            header + masks + palette + rows)


class Decoded(Case):
    def test_jpeg(self):
        paths = [self.save(f'{im.mode}{q}{s}{p}.jpg', im, quality=q,
                           subsampling=s, progressive=p)
                 for im, q, s, p in itertools.product(
                     [PHOTO, GREY, PHOTO.convert('CMYK')], [40, 95],
                     [0, 1, 2], [False, True])]
        paths += [self.save('restarts.jpg', PHOTO, restart_marker_rows=1),
                  self.save('large.jpg', PHOTO.resize((1501, 999)))]
        self.assertEqual(self.unequal(paths), [])

    def test_png_as_pillow_writes_it(self):
        paths = [self.save(f'{im.mode}.png', im) for im in
                 [PHOTO, GREY, ALPHA, PALETTE, GREY.convert('1'),
                  ALPHA.convert('LA')]]
        paths += [self.save(f'{n}-colours.png', PHOTO.quantize(n))
                  for n in (2, 3, 4, 16, 17)]
        paths += [self.save('clear.png', PALETTE, transparency=3),
                  self.save('clear-grey.png', GREY, transparency=100),
                  self.save('half-clear.png', PALETTE,
                            transparency=bytes(range(200)))]
        self.assertEqual(self.unequal(paths), [])

    def test_png_of_every_type_depth_and_interlace(self):
        random = np.random.default_rng(1)
        colors = random.integers(0, 256, 3 * 200, np.uint8).tobytes()
        paths = []
        for color, depths, channels in ((0, (1, 2, 4, 8, 16), 1),
                                        (2, (8, 16), 3), (3, (1, 2, 4, 8), 1),
                                        (4, (8, 16), 2), (6, (8, 16), 4)):
            for depth, interlace, (w, h) in itertools.product(
                    depths, (0, 1), ((1, 1), (3, 5), (33, 18))):
                samples = random.integers(0, 1 << depth, (h, w, channels))
                if depth == 16:
                    samples[::2] //= 300  # some are not clipped
                extra = b''
                if color == 3:
                    extra = chunk(b'PLTE', colors[:3 * min(200, 1 << depth)])
                paths.append(self.path(
                    f'{color}-{depth}-{interlace}-{w}.png',
                    png(samples, depth, color, interlace, extra)))
        self.assertEqual(self.unequal(paths), [])

    def test_apng_shows_its_still_picture(self):
        paths = [self.save('a.png', PHOTO, save_all=True,
                           append_images=[ALPHA.convert('RGB'), PHOTO]),
                 self.save('b.png', PHOTO, save_all=True, default_image=True,
                           append_images=[PHOTO.rotate(90)])]
        self.assertEqual(self.unequal(paths), [])

    def test_gif(self):
        paths = [self.save(f'{im.mode}{i}.gif', im, interlace=i)
                 for im in (PALETTE, GREY, GREY.convert('1'))
                 for i in (0, 1)]
        paths += [self.save('clear.gif', PALETTE, transparency=7),
                  self.save('few.gif', PHOTO.quantize(3)),
                  self.save('noise.gif', Image.fromarray(
                      np.random.default_rng(3).integers(
                          0, 256, (200, 300), np.uint8))),
                  self.save('frames.gif', PALETTE, save_all=True,
                            append_images=[PALETTE.rotate(45)])]
        self.assertEqual(self.unequal(paths), [])

    def test_gif_whose_frame_is_not_its_canvas(self):
        paths = []
        for clear in (None, 5):
            with open(self.save('one.gif', PALETTE, interlace=0,
                                **({} if clear is None else
                                   dict(transparency=clear))), 'rb') as f:
                whole = bytearray(f.read())
            at = whole.index(b',\0\0\0\0' + struct.pack('<HH', *PALETTE.size))
            for name, canvas, place in (('wide', (150, 90), (10, 5)),
                                        ('tight', (60, 40), (0, 0)),
                                        ('off', (60, 40), (30, 50))):
                whole[6:10] = struct.pack('<HH', *canvas)
                whole[at + 1:at + 5] = struct.pack('<HH', *place)
                paths.append(self.path(f'{name}{clear}.gif', whole))
        self.assertEqual(self.unequal(paths), [])

    def test_gif_whose_colours_are_fewer_than_its_indices(self):
        """A palette of four, cut down from one of 256."""
        data = self.path('all.gif')
        self.save('all.gif', PHOTO.quantize(200), interlace=0)
        with open(data, 'rb') as f:
            whole = f.read()
        self.assertEqual(whole[10] & 0x87, 0x87)
        few = self.path('cut.gif', whole[:10] + bytes([whole[10] & 0xf9]) +
                        whole[11:13 + 12] + whole[13 + 768:])
        self.assertEqual(self.unequal([few]), [])

    def test_bmp_as_pillow_writes_it(self):
        paths = [self.save(f'{im.mode}{w}.bmp', im.crop((0, 0, w, 40)))
                 for im in (PHOTO, GREY, ALPHA, PALETTE, GREY.convert('1'))
                 for w in (1, 31, 32, 33, 34)]
        self.assertEqual(self.unequal(paths), [])

    def test_bmp_of_other_layouts(self):
        random = np.random.default_rng(2)
        noise = lambda n: random.integers(0, 256, n, np.uint8).tobytes()
        four, three = noise(16 * 4), noise(256 * 3)
        mask = lambda *m: struct.pack('<III', *m)
        made = {
            '4': bmp(4, 13, 7, noise(8 * 7), four),
            'core-8': bmp(8, 13, 7, noise(16 * 7), three, core=True),
            'core-24': bmp(24, 13, 7, noise(40 * 7), core=True),
            'from-the-top': bmp(24, 13, -7, noise(40 * 7)),
            '555': bmp(16, 13, 7, noise(28 * 7)),
            '565': bmp(16, 13, 7, noise(28 * 7), compression=3,
                       masks=mask(0xf800, 0x7e0, 0x1f)),
            '32': bmp(32, 13, 7, noise(52 * 7)),
            'rgbx': bmp(32, 13, 7, noise(52 * 7), compression=3,
                        masks=mask(0xff000000, 0xff0000, 0xff00)),
            'no-offset': bmp(4, 13, 7, noise(8 * 7), four, offset=0),
            'offset-of-palette': bmp(4, 13, 7, noise(8 * 7), four, offset=54),
        }
        paths = [self.path(name + '.bmp', data) for name, data in made.items()]
        self.assertEqual(self.unequal(paths), [])

    def test_bmp_of_runs(self):
        four = np.random.default_rng(4).integers(0, 256, 1024,
                                                 np.uint8).tobytes()
        end_row, end = b'\0\0', b'\0\1'
        eight = (b'\5\7\0\5abcde\0' + end_row + b'\2\3\0\2\1\1\2\5\3\2' +
                 end_row + b'\xff\x21' + end_row + b'\1\1' + end_row +
                 b'\12\5' + b'\0\3\1\2\3\0' * 9)
        half = (b'\5\x71\0\5\x12\x34\x50\0' + end_row + b'\0\2\3\1\3\x2b' +
                end_row + b'\xff\x21' + b'\0\4\x12\x34' * 20)
        paths = [self.path('8.bmp', bmp(8, 10, 6, eight, four, 1)),
                 self.path('4.bmp', bmp(4, 10, 6, half, four[:64], 2))]
        self.assertEqual(self.unequal(paths), [])

    def test_tiff(self):
        raw = [None, 'tiff_lzw', 'tiff_adobe_deflate', 'packbits']
        kinds = [(im, c) for im in
                 (PHOTO, GREY, ALPHA, PALETTE, GREY.convert('1'),
                  ALPHA.convert('LA'), PHOTO.convert('CMYK'),
                  GREY.convert('I;16')) for c in raw]
        kinds += [(PHOTO, 'jpeg'), (GREY, 'jpeg'),
                  (GREY.convert('1'), 'group4'), (GREY.convert('1'), 'group3')]
        paths = [self.save(f'{im.mode.replace(";", "")}-{c}.tif', im,
                           compression=c) for im, c in kinds]
        self.assertEqual(self.unequal(paths), [])

    def test_tiff_with_tags_that_pillow_does_not_write(self):
        """White as zero; colours multiplied by alpha."""
        def tag(number, value):
            return struct.pack('<HHIH', number, 3, 1, value)

        paths = []
        for image, old, new in ((GREY, tag(262, 1), tag(262, 0)),
                                (GREY.convert('1'), tag(262, 1), tag(262, 0)),
                                (ALPHA, tag(338, 2), tag(338, 1))):
            path = self.save('plain.tif', image)
            with open(path, 'rb') as f:
                data = f.read()
            self.assertIn(old, data)
            paths.append(self.path(f'{image.mode}{len(paths)}.tif',
                                   data.replace(old, new)))
        self.assertEqual(self.unequal(paths), [])

    def test_webp(self):
        paths = [self.save(f'{im.mode}{lossless}.webp', im, lossless=lossless,
                           quality=80, exact=True)
                 for im in (PHOTO, ALPHA, GREY) for lossless in (False, True)]
        paths.append(self.save('frames.webp', ALPHA, save_all=True,
                               append_images=[PHOTO.convert('RGBA')]))
        self.assertEqual(self.unequal(paths), [])

    def test_avif(self):
        try:
            paths = [self.save(f'{im.mode}{s[-1]}.avif', im, quality=70,
                               subsampling=s)
                     for im in (PHOTO, ALPHA, GREY)
                     for s in ('4:2:0', '4:4:4')]
        except (KeyError, OSError) as why:
            self.skipTest(f'this Pillow writes no AVIF: {why}')
        self.assertEqual(self.unequal(paths), [])


class Upright(Case):
    def oriented(self):
        for o in range(1, 9):
            exif = Image.Exif()
            exif[0x112] = o
            for end, how in (('jpg', {}), ('png', {}),
                             ('webp', dict(lossless=True))):
                yield self.save(f'{o}.{end}', PHOTO, exif=exif, **how)

    def test_exif_turns_the_picture(self):
        self.assertEqual(self.unequal(
            self.oriented(), 'e',
            lambda im: ImageOps.exif_transpose(im).convert('RGB')), [])

    def test_pixels_are_as_stored_with_exif_off(self):
        self.assertEqual(self.unequal(self.oriented()), [])

    def test_exif_in_a_webp_may_have_the_prefix_of_jpeg(self):
        exif = Image.Exif()
        exif[0x112] = 6
        with open(self.save('6.webp', PHOTO, exif=exif), 'rb') as f:
            data = f.read()
        at = data.index(b'EXIF')
        block = b'Exif\0\0' + data[at + 8:]
        data = data[:at + 4] + struct.pack('<I', len(block)) + block
        path = self.path('prefix.webp', b'RIFF' +
                         struct.pack('<I', len(data) - 8) + data[8:])
        self.assertEqual(self.unequal(
            [path], 'e', lambda im: ImageOps.exif_transpose(im).convert('RGB')),
            [])

    def test_the_orientation_of_a_tiff_always_counts(self):
        paths = [self.save(f'{o}.tif', PHOTO, tiffinfo={274: o})
                 for o in range(1, 9)]
        self.assertEqual(self.unequal(paths, 'e'), [])
        self.assertEqual(self.unequal(paths), [])

    def test_avif_is_turned_by_its_own_marks(self):
        paths = []
        for o in range(1, 9):
            exif = Image.Exif()
            exif[0x112] = o
            try:
                paths.append(self.save(f'{o}.avif', PHOTO, exif=exif))
            except (KeyError, OSError) as why:
                self.skipTest(f'this Pillow writes no AVIF: {why}')
        self.assertEqual(self.unequal(
            paths, 'e', lambda im: ImageOps.exif_transpose(im).convert('RGB')),
            [])
        self.assertEqual(self.unequal(paths), [])

    def test_the_preview_of_a_camera_raw_is_shown_upright(self):
        preview = io.BytesIO()
        PHOTO.save(preview, 'JPEG')
        path = self.path('a.dng', dng(preview.getvalue(), PHOTO.size, 6))
        got, warning = self.akin.rgb(path, 'e')
        if 'lacks' in got:
            self.skipTest(got)
        want = Image.open(preview).transpose(Image.Transpose.ROTATE_270)
        self.assertEqual(got.shape, np.asarray(want).shape)
        self.assertTrue((got == np.asarray(want)).all())


def dng(preview, size, orientation):
    """A camera's file: a JPEG preview, and 64 x 48 samples of a sensor."""
    letters = {1: 'B', 3: 'H', 4: 'I', 5: 'I', 10: 'i'}

    def directory(entries, at):
        out, after = struct.pack('<H', len(entries)), b''
        beyond = at + 2 + 12 * len(entries) + 4
        for tag, kind, values in sorted(entries):
            data = values if kind == 2 else struct.pack(
                f'<{len(values)}{letters[kind]}', *values)
            count = len(values) // (2 if kind in (5, 10) else 1)
            place = data.ljust(4, b'\0')
            if len(data) > 4:
                place = struct.pack('<I', beyond + len(after))
                after += data + b'\0' * (len(data) % 2)
            out += struct.pack('<HHI', tag, kind, count) + place
        return out + struct.pack('<I', 0) + after

    sensor = bytes(64 * 48 * 2)
    inner, shown = 2048, 4096
    raw = shown + len(preview) + len(preview) % 2
    first = directory(
        [(254, 4, [1]), (256, 4, [size[0]]), (257, 4, [size[1]]),
         (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6]),
         (271, 2, b'Maker\0'), (272, 2, b'Model\0'), (273, 4, [shown]),
         (274, 3, [orientation]), (277, 3, [3]), (278, 4, [size[1]]),
         (279, 4, [len(preview)]), (284, 3, [1]), (330, 4, [inner]),
         (50706, 1, [1, 4, 0, 0]), (50708, 2, b'Maker Model\0'),
         (50721, 10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1])],
        8)
    second = directory(
        [(254, 4, [0]), (256, 4, [64]), (257, 4, [48]), (258, 3, [16]),
         (259, 3, [1]), (262, 3, [32803]), (273, 4, [raw]), (277, 3, [1]),
         (278, 4, [48]), (279, 4, [len(sensor)]), (284, 3, [1]),
         (33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]), (50717, 3, [4095])],
        inner)
    whole = (b'II*\0' + struct.pack('<I', 8) + first).ljust(inner, b'\0')
    whole = (whole + second).ljust(shown, b'\0') + preview
    return whole.ljust(raw, b'\0') + sensor


class Truncated(Case):
    def check(self, name, whole, part):
        path = self.path(name, whole[:int(len(whole) * part)])
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            want = np.asarray(Image.open(path).convert('RGB'))
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        got, warning = self.akin.rgb(path)
        self.assertNotIsInstance(got, str, name)
        self.assertTrue((got == want).all(), name)
        self.assertTrue(warning, name)
        message, _ = self.akin.rgb(path, 's')
        self.assertEqual(message, f'{path}: {warning}')

    def test_what_is_there_of_a_cut_file_is_as_pillow_has_it(self):
        image = PHOTO.resize((640, 480))
        for name, how in (('a.jpg', {}), ('b.jpg', dict(subsampling=0)),
                          ('a.png', {}), ('a.bmp', {}), ('a.gif', {})):
            data = io.BytesIO()
            image.save(data, {'jpg': 'JPEG'}.get(name[2:], name[2:]), **how)
            for part in (0.3, 0.7, 0.98):
                with self.subTest(name=name, part=part):
                    if name != 'a.bmp':  # Pillow refuses those
                        self.check(f'{part}{name}', data.getvalue(), part)

    def test_interlaced_png(self):
        samples = np.asarray(PHOTO.resize((640, 480)))
        self.check('i.png', png(samples, 8, 2, 1), 0.4)


def differing(akin, paths):
    """Names of the files that are prepared otherwise than by Pillow. Floats
    tell: the 256 values of a byte are as many floats."""
    wrong = []
    for path in paths:
        with Image.open(path) as file:
            image = file.convert('RGB')
        for family, letter in ((CLIP, 'C'), (DINO, 'D')):
            differ = akin.input(path, letter) != prepared(image, family)
            if differ.any():
                wrong.append(f'{path} {letter} {image.size}: {differ.sum()}')
    return wrong


class Prepared(Case):
    def drawn(self, sizes):
        for i, size in enumerate(sizes):
            yield self.save(f'{size[0]}x{size[1]}.bmp', Image.fromarray(
                support.drawing(*size, seed=i)))

    def test_odd_sizes(self):
        sizes = [(1, 1), (1, 2), (1, 300), (300, 1), (2, 999), (223, 223),
                 (224, 224), (225, 225), (223, 225), (224, 500), (500, 224),
                 (255, 256), (256, 256), (257, 255), (256, 1000), (1000, 256),
                 (448, 448), (100, 203), (203, 100), (300, 700), (300, 601),
                 (10000, 30), (30, 10000)]
        self.assertEqual(differing(self.akin, self.drawn(sizes)), [])

    def test_random_sizes(self):
        random = np.random.default_rng(20)
        sizes = [tuple(map(int, random.integers(3, 1200, 2)))
                 for _ in range(40)]
        self.assertEqual(differing(self.akin, self.drawn(sizes)), [])

    def test_extreme_values_are_clipped_as_pillow_does(self):
        random = np.random.default_rng(21)
        noise = random.integers(0, 2, (311, 401, 3), np.uint8) * 255
        path = self.save('noise.bmp', Image.fromarray(noise))
        self.assertEqual(differing(self.akin, [path]), [])

    def test_every_filter_that_a_config_may_ask_for(self):
        config, wrong = self.path('preprocessor_config.json'), []
        for resample, (w, h), size in itertools.product(
                (1, 2, 3, 4, 5), ((100, 80), (640, 480), (90, 700)),
                ((64, 64), (33, 90), (200, 150))):
            with open(config, 'w') as f:
                json.dump(dict(size=dict(width=size[0], height=size[1]),
                               crop_size=32, resample=resample,
                               do_rescale=False, do_normalize=False), f)
            path = next(self.drawn([(w, h)]))
            want = cropped(np.asarray(Image.open(path).resize(size, resample)),
                           32)
            got = self.akin.input(path, 'FILE:' + config, 32)
            if (got.transpose(1, 2, 0) != want).any():
                wrong.append((resample, w, h, size))
        self.assertEqual(wrong, [])

    def test_a_picture_smaller_than_the_crop_is_padded_with_black(self):
        """As transformers' center_crop: the odd pixel of padding in front."""
        config = self.path('preprocessor_config.json')
        with open(config, 'w') as f:
            json.dump(dict(do_resize=False, crop_size=32, do_rescale=False,
                           do_normalize=False), f)
        for w, h in ((31, 29), (10, 50), (40, 7), (32, 32)):
            path = next(self.drawn([(w, h)]))
            pixels = np.asarray(Image.open(path))
            big = np.zeros((max(h, 32), max(w, 32), 3), np.uint8)
            top, left = (big.shape[0] - h + 1) // 2, (big.shape[1] - w + 1) // 2
            big[top:top + h, left:left + w] = pixels
            got = self.akin.input(path, 'FILE:' + config, 32)
            self.assertTrue((got.transpose(1, 2, 0) == cropped(big, 32)).all(),
                            (w, h))


class Photos(Case):
    """Over real photos, and real files that are odd."""

    def files(self, *path):
        folder = support.shared('data', *path)
        found = [os.path.join(folder, n) for n in sorted(os.listdir(folder))]
        return [f for f in found if os.path.isfile(f)
                and f.lower().endswith(('jpg', 'jpeg', 'png'))
                and 'corrupt' not in f]

    def check(self, *path):
        paths = self.files(*path)
        self.assertEqual(self.unequal(paths), [])
        self.assertEqual(differing(self.akin, paths), [])

    def test_gallery(self):
        self.check('photos', 'gallery')

    def test_kodak(self):
        self.check('photos', 'kodak')

    def test_large(self):
        self.check('photos', 'large')

    def test_copies_of_the_bridge(self):
        self.check('copies', 'bridge')

    def test_copies_of_ukbench(self):
        self.check('copies', 'ukbench')

    def test_goldens(self):
        self.check('goldens', 'preprocess')

    def test_odd_files(self):
        """Where Pillow reads a file that akin is to read, it is the same."""
        folder, wrong = support.shared('data', 'odd'), []
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        self.addCleanup(setattr, ImageFile, 'LOAD_TRUNCATED_IMAGES', False)
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            try:
                with Image.open(path) as image:
                    want = np.asarray(image.convert('RGB'))
            except (OSError, Image.DecompressionBombError):
                continue
            got, _ = self.akin.rgb(path)
            if isinstance(got, str):
                if not any(why in got for why in (
                        'not supported', 'Unsupported', 'lacks')):
                    wrong.append(got)
            elif got.shape != want.shape or (got != want).any():
                wrong.append(name)
        self.assertEqual(wrong, [])

    def test_the_tensors_of_openai_clip(self):
        folder = support.shared('data', 'goldens', 'preprocess')
        for k, names in enumerate((('123_456', '208_495'),
                                   ('416_264', '456_123'),
                                   ('321_421', '389_535'), ('524_316',))):
            tensors = np.load(os.path.join(folder, f'pixel_values_{k}.npy'))
            for name, tensor in zip(names, tensors):
                path = os.path.join(folder, name + '.jpg')
                got = self.akin.input(path, 'C')
                if name == '524_316':  # cropped by another rounding
                    tensor = prepared(Image.open(path).convert('RGB'), CLIP)
                self.assertEqual(np.abs(got - tensor).max(), 0.0, name)

    def test_the_tensor_of_clip_cpp(self):
        folder = support.shared('data', 'goldens', 'clip-vit-base-patch32')
        want = np.fromfile(os.path.join(folder, 'white.pixel_values.f32'),
                           np.float32).reshape(3, 224, 224)
        got = self.akin.input(os.path.join(folder, 'white.jpg'), 'C')
        self.assertEqual(np.abs(got - want).max(), 0.0)


if __name__ == '__main__':
    unittest.main()
