#!/usr/bin/env python3
"""Pictures that mean harm: malformed ones from fuzzers' corpora, and bombs.

Whatever the file, there is one outcome, told in one short line, in bounded
time and memory, and nothing is printed by a library in between.
"""
import io
import os
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

import support
from PIL import Image

PIXELS = os.path.join(support.BUILD, 'tests', 'pixels')
MIB = 1 << 20


def outcomes(mode, paths):
    """The answers of tests/pixels.c, one process for all; and the seconds."""
    asked = ''.join(f'{mode}\t-\t{path}\n' for path in paths)
    start = time.monotonic()
    done = subprocess.run([PIXELS], input=asked.encode(), capture_output=True)
    seconds = time.monotonic() - start
    if done.returncode or done.stderr:
        raise AssertionError(f'ended with {done.returncode} after '
                             f'{done.stdout.splitlines()[-1:]}:\n'
                             f'{done.stderr.decode()[-3000:]}')
    lines = done.stdout.decode('utf-8').split('\n')[:-1]
    if len(lines) != len(paths):
        raise AssertionError(f'{len(lines)} answers for {len(paths)} files')
    return [line.split('\t') for line in lines], seconds


def repaired(data):
    """A PNG with the checksums its chunks ought to have."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = struct.unpack('>I', out[at:at + 4])[0]
        end = at + 8 + length
        if end + 4 > len(out):
            break
        out[end:end + 4] = struct.pack('>I', zlib.crc32(out[at + 4:end]))
        at = end + 4
    return bytes(out)


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        archive = support.shared('data', 'hostile-images.tar.zst')
        cls.folder = tempfile.TemporaryDirectory(prefix='akin-hostile-')
        cls.addClassCleanup(cls.folder.cleanup)
        done = subprocess.run(['tar', '--zstd', '-xf', archive, '-C',
                               cls.folder.name], capture_output=True, text=True)
        if done.returncode:
            raise unittest.SkipTest(f'tar reads no zstd: {done.stderr}')
        cls.paths = sorted(
            os.path.join(place, name)
            for place, _, names in os.walk(cls.folder.name)
            for name in names if name != 'MANIFEST.tsv')
        for path in [p for p in cls.paths if p.endswith('.png')]:
            with open(path, 'rb') as f:
                data = f.read()
            if repaired(data) != data:
                with open(path[:-4] + '.repaired.png', 'wb') as f:
                    f.write(repaired(data))
                cls.paths.append(path[:-4] + '.repaired.png')
        cls.usual, cls.seconds = outcomes('e', cls.paths)

    def test_every_file_has_one_outcome_in_a_minute(self):
        self.assertGreater(len(self.paths), 6000)
        self.assertLess(self.seconds, 60)
        for path, answer in zip(self.paths, self.usual):
            self.assertIn(answer[0], ('ok', '-5', '-6', '-7'), path)

    def test_every_message_is_one_short_line_behind_the_path(self):
        for path, answer in zip(self.paths, self.usual):
            if answer[0] == 'ok':
                self.assertLessEqual(len(answer[4].encode()), 200, answer)
                continue
            self.assertEqual(answer[1][:len(path) + 2], path + ': ')
            text = answer[1][len(path) + 2:]
            self.assertTrue(text.isprintable() and text, answer)
            self.assertLessEqual(len(text.encode()), 200, answer)

    def test_strict_refuses_just_what_draws_a_warning(self):
        strict, _ = outcomes('es', self.paths)
        for path, usual, other in zip(self.paths, self.usual, strict):
            if usual[0] == 'ok' and usual[4]:
                self.assertEqual(other, ['-6', f'{path}: {usual[4]}'])
            else:
                self.assertEqual(other, usual)

    def test_most_of_what_is_whole_is_read(self):
        """Against libjpeg-turbo, libspng and libwebp, as the manifest has it:
        of what they read without a word akin reads all but two."""
        manifest = next(os.path.join(place, 'MANIFEST.tsv')
                        for place, _, names in os.walk(self.folder.name)
                        if 'MANIFEST.tsv' in names)
        with open(manifest, encoding='utf-8') as f:
            rows = [line.rstrip('\n').split('\t') for line in f][1:]
        whole = {row[0] for row in rows if row[3] == 'ok'}
        read = {os.path.basename(path) for path, answer
                in zip(self.paths, self.usual) if answer[0] == 'ok'}
        self.assertGreater(len(whole), 900)
        self.assertLessEqual(len(whole - read), 2, whole - read)


def png_header(width, height, more=b''):
    def chunk(name, data):
        return (struct.pack('>I', len(data)) + name + data +
                struct.pack('>I', zlib.crc32(name + data)))
    return (b'\x89PNG\r\n\x1a\n' +
            chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 6, 0, 0,
                                       0)) + more +
            chunk(b'IDAT', zlib.compress(bytes(1000))))


def jpeg(width, height, **how):
    data = io.BytesIO()
    Image.new('L', (width, height)).save(data, 'JPEG', **how)
    return bytearray(data.getvalue())


def jpeg_of_many_scans(side, scans):
    """The first scan of a progressive JPEG over and over, said to be exact,
    so that the decoder has nothing to complain of."""
    data = jpeg(side, side, progressive=True)
    first = data.index(b'\xff\xda')
    end = first + 2 + data[first + 3]
    data[end - 1] = 0  # the bit at which it stops
    after = min(data.index(mark, end) for mark in (b'\xff\xda', b'\xff\xc4')
                if mark in data[end:])
    return data[:first] + data[first:after] * scans + b'\xff\xd9'


def with_jpeg_size(data, width, height):
    for mark in (b'\xff\xc0', b'\xff\xc2'):
        at = data.find(mark)
        if at > 0:
            data[at + 5:at + 9] = struct.pack('>HH', height, width)
    return data


def text_chunk(inflated):
    data = b'Comment\0\0' + zlib.compress(bytes(inflated))
    return (struct.pack('>I', len(data)) + b'zTXt' + data +
            struct.pack('>I', zlib.crc32(b'zTXt' + data)))


def riff(chunks):
    return b'RIFF' + struct.pack('<I', len(chunks) + 4) + b'WEBP' + chunks


BOMBS = {
    'png.png': png_header(60000, 60000),
    'png-wide.png': png_header(0x7fffffff, 1),
    'jpeg.jpg': bytes(with_jpeg_size(jpeg(64, 64), 65500, 65500)),
    'jpeg-scans.jpg': bytes(with_jpeg_size(
        jpeg(64, 64, progressive=True), 65500, 65500)),
    'gif.gif': b'GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2',
    'bmp.bmp': b'BM' + struct.pack('<IHHIIIIHHIIIIII', 0, 0, 0, 54, 40,
                                   60000, 60000, 1, 8, 1, 0, 0, 0, 0, 0),
    'webp.webp': riff(b'VP8L' + struct.pack('<I', 20) +
                      b'\x2f\xff\xff\xff\x0f' + bytes(15)),
    'tiff.tif': b'II*\0\x08\0\0\0\x03\0' +
                struct.pack('<HHII', 256, 4, 1, 60000) +
                struct.pack('<HHII', 257, 4, 1, 60000) +
                struct.pack('<HHII', 273, 4, 1, 8) + bytes(4),
}


class Bombs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-bombs-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def run_alone(self, path):
        """Its answer, seconds, and the peak of its memory in bytes."""
        with subprocess.Popen([PIXELS], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            start = time.monotonic()
            process.stdin.write(f'e\t-\t{path}\n'.encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode().rstrip().split('\t')
            seconds = time.monotonic() - start
            with open(f'/proc/{process.pid}/status', encoding='ascii') as f:
                peak = next(int(line.split()[1]) * 1024 for line in f
                            if line.startswith('VmHWM'))
            process.stdin.close()
        return answer, seconds, peak

    def test_bombs_are_refused_by_their_headers(self):
        idle = self.run_alone(self.path('idle.png', b'text'))[2]
        for name, data in BOMBS.items():
            with self.subTest(name=name):
                answer, seconds, peak = self.run_alone(self.path(name, data))
                self.assertEqual(answer[0], '-7', answer)
                self.assertIn('(limit ', answer[1])
                self.assertLess(seconds, 0.5)
                self.assertLess(peak - idle, 64 * MIB)

    def test_a_jpeg_of_thousands_of_scans_ends_early(self):
        data = jpeg_of_many_scans(2000, 5000)
        answer, seconds, _ = self.run_alone(self.path('scans.jpg', data))
        self.assertEqual(answer[0], '-7', answer)
        self.assertIn('scans or more (limit 100)', answer[1])
        self.assertLess(seconds, 4)

    def test_text_in_a_png_is_not_inflated(self):
        data = png_header(8, 1, text_chunk(64 * MIB))
        idle = self.run_alone(self.path('idle.png', b'text'))[2]
        answer, _, peak = self.run_alone(self.path('text.png', data))
        self.assertEqual(answer[0], 'ok', answer)
        self.assertLess(peak - idle, 16 * MIB)

    def test_runs_beyond_a_bmp_stop_at_its_edge(self):
        header = struct.pack('<IHHIIIIHHIIIIII', 0, 0, 0, 54, 40, 100, 100, 1,
                             8, 1, 0, 0, 0, 256, 0)
        data = b'BM' + header + bytes(1024) + b'\0\2\xff\xff' * 1_000_000
        answer, seconds, _ = self.run_alone(self.path('runs.bmp', data))
        self.assertEqual(answer[0], 'ok', answer)
        self.assertLess(seconds, 1)


if __name__ == '__main__':
    unittest.main()
