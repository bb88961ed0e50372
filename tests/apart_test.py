#!/usr/bin/env python3
"""akin decodes pictures in processes of their own: every picture has the same
pixels or the same refusal as without, what a process may do is little, and one
bad file costs itself."""
import hashlib
import io
import os
import signal
import subprocess
import tempfile
import time
import unittest

import hostile_test
import pillow_test
import support

# Its scans are beyond every limit but time: many seconds for the decoder.
SCANS = ('--limit', 'jpeg_scans=100000', '--limit',
         'jpeg_scan_pixels=1000000000000')


def children(pid):
    """The processes that `pid` has started and not yet buried."""
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat', encoding='utf-8',
                      errors='replace') as f:
                parent = int(f.read().rsplit(')', 1)[1].split()[1])
        except OSError:  # ended
            continue
        if parent == pid:
            found.append(int(name))
    return found


def wait_until(happens, seconds=20):
    """What it gives once that is something."""
    end = time.monotonic() + seconds
    while not (given := happens()):
        if time.monotonic() > end:
            raise AssertionError('waited in vain')
        time.sleep(0.01)
    return given


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f
                    if ':\t' in line)


class Hostile(unittest.TestCase):
    """The corpus of hostile_test, through a process."""

    @classmethod
    def setUpClass(cls):
        hostile_test.Corpus.setUpClass.__func__(cls)

    def test_every_file_has_the_outcome_that_it_has_without(self):
        apart, seconds = hostile_test.outcomes('ep', self.paths)
        self.assertLess(seconds, 60)
        for here, there in zip(self.usual, apart):
            self.assertEqual(there, here)


class Odd(unittest.TestCase):
    def test_odd_pictures_have_the_same_pixels(self):
        folder = support.shared('data', 'odd')
        self.compare(sorted(os.path.join(place, name)
                            for place, _, names in os.walk(folder)
                            for name in names) + support.pictures())

    def test_a_camera_raw_has_the_same_pixels(self):
        preview = io.BytesIO()
        pillow_test.PHOTO.save(preview, 'JPEG')
        with tempfile.NamedTemporaryFile(suffix='.dng') as file:
            file.write(pillow_test.dng(preview.getvalue(),
                                       pillow_test.PHOTO.size, 6))
            file.flush()
            self.compare([file.name])

    def compare(self, paths):
        for here, there in (('eh', 'ehp'), ('f', 'fp')):
            for path, one, two in zip(paths, self.decoded(here, paths),
                                      self.decoded(there, paths)):
                self.assertEqual(one, two, path)

    def decoded(self, mode, paths):
        """What is said of each file, and the hash of its pixels."""
        with tempfile.TemporaryDirectory(prefix='akin-apart-') as folder:
            outs = [os.path.join(folder, str(i)) for i in range(len(paths))]
            asked = ''.join(f'{mode}\t{out}\t{path}\n'
                            for out, path in zip(outs, paths))
            told = subprocess.run([hostile_test.PIXELS], input=asked.encode(),
                                  check=True, capture_output=True).stdout
            hashes = []
            for out in outs:
                data = b''
                if os.path.exists(out):
                    with open(out, 'rb') as f:
                        data = f.read()
                hashes.append(hashlib.sha256(data).hexdigest())
            return list(zip(told.decode().splitlines(), hashes, strict=True))


class Running(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-apart-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.index = os.path.join(self.folder, 'x.akin')
        self.photos = os.path.join(self.folder, 'photos')
        os.mkdir(self.photos)
        for path in support.pictures():
            os.link(path, os.path.join(self.photos, os.path.basename(path)))
        self.slow = os.path.join(self.photos, 'slow.jpg')

    def make_slow(self, scans=3000):
        with open(self.slow, 'wb') as f:
            f.write(hostile_test.jpeg_of_many_scans(2000, scans))

    def command(self, *more):
        return ('index', self.photos, '-i', self.index, '--model',
                support.tiny('tiny-clip'), *SCANS, *more)

    def start(self, *more, env=None):
        """akin at work on the slow picture, and the process that decodes."""
        process = subprocess.Popen([support.AKIN, *self.command(*more)],
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=env)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        busy = lambda: [c for c in children(process.pid)
                        if 'decode-worker' in self.words(c)
                        and self.ticks(c) > 20]
        return process, wait_until(busy)[0]

    def words(self, pid):
        try:
            with open(f'/proc/{pid}/cmdline', encoding='utf-8') as f:
                return f.read().split('\0')
        except OSError:
            return []

    def ticks(self, pid):
        """Processor time."""
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
                return int(f.read().rsplit(')', 1)[1].split()[11])
        except OSError:
            return 0

    def test_a_picture_beyond_its_time_fails_for_good_and_alone(self):
        self.make_slow()
        done = support.akin(*self.command('--limit', 'seconds=1'), code=1)
        self.assertIn('slow.jpg: decoding takes over 1 seconds of processor '
                      'time (limit seconds=1)\n', done.stderr)
        self.assertIn(f'{len(support.pictures())} added', done.stdout)
        start = time.monotonic()
        done = support.akin(*self.command('--limit', 'seconds=1'))
        self.assertNotIn('slow.jpg', done.stderr)
        self.assertLess(time.monotonic() - start, 1)
        done = support.akin(*self.command('--limit', 'seconds=1', '--retry'),
                            code=1)
        self.assertIn('slow.jpg', done.stderr)

    def test_a_picture_beyond_its_memory_fails_for_good_and_alone(self):
        if support.option('b_sanitize') != 'none':
            self.skipTest('a sanitizer takes more memory than any limit')
        picture = support.PIL.Image.new('RGB', (9000, 6000))
        picture.save(os.path.join(self.photos, 'big.png'), compress_level=1)
        # 324 MB of coefficients
        picture.save(os.path.join(self.photos, 'big.jpg'), progressive=True,
                     subsampling=0)
        more = ('--limit', 'process_bytes=300000000')
        done = support.akin(*self.command(*more), code=1)
        self.assertIn('big.jpg: decoding takes more memory than its process '
                      'may have (limit process_bytes=300000000)\n', done.stderr)
        self.assertNotIn('big.png', done.stderr)
        self.assertEqual(support.akin(*self.command(*more)).stderr, '')

    def test_a_query_is_held_to_the_same(self):
        support.akin(*self.command())
        self.make_slow()
        for command in (('search', self.slow, '-i', self.index),
                        ('embed', self.slow, '--model',
                         support.tiny('tiny-clip'))):
            done = support.akin(*command, *SCANS, '--limit', 'seconds=1',
                                code=3)
            self.assertIn('slow.jpg: decoding takes over 1 seconds of',
                          done.stderr)

    def test_the_process_is_confined(self):
        self.make_slow()
        akin, worker = self.start()
        said = status_of(worker)
        self.assertEqual(said['NoNewPrivs'], '1')
        if 'sandbox seccomp' in support.akin('--version', '--verbose').stdout:
            self.assertEqual(said['Seccomp'], '2')
        with open(f'/proc/{worker}/oom_score_adj', encoding='ascii') as f:
            self.assertEqual(f.read().strip(), '900')
        try:
            files = sorted(os.listdir(f'/proc/{worker}/fd'))
        except PermissionError:  # nobody but root may look
            return
        self.assertEqual(files, ['0', '1', '2', '3', '4'])

    def test_without_its_list_of_calls_it_has_the_rest(self):
        self.make_slow()
        env = dict(os.environ, AKIN_SANDBOX='off')
        akin, worker = self.start(env=env)
        self.assertEqual(status_of(worker)['Seccomp'], '0')
        self.assertEqual(status_of(worker)['NoNewPrivs'], '1')

    def test_killed_by_others_a_picture_is_tried_again(self):
        self.make_slow()
        akin, worker = self.start('--threads', '1')
        os.kill(worker, signal.SIGKILL)
        _, said = akin.communicate(timeout=60)
        self.assertEqual(akin.returncode, 1)
        self.assertIn(b"slow.jpg: the decoder's process was killed by others "
                      b'(SIGKILL), as when memory is short\n', said)
        self.make_slow(2)
        done = support.akin(*self.command())
        self.assertIn('1 added', done.stdout)

    def test_ctrl_c_ends_the_run_and_its_processes(self):
        self.make_slow(400)
        akin, worker = self.start()
        akin.send_signal(signal.SIGINT)
        os.kill(worker, signal.SIGINT)  # a terminal tells all
        akin.communicate(timeout=60)
        self.assertEqual(akin.returncode, 128 + signal.SIGINT)
        self.assertFalse(os.path.exists(f'/proc/{worker}'))
        done = support.akin('info', self.index, '--errors')
        self.assertNotIn('slow.jpg', done.stdout)

    def test_when_akin_is_killed_its_processes_end(self):
        self.make_slow()
        akin, worker = self.start()
        workers = children(akin.pid)
        self.assertIn(worker, workers)
        akin.kill()
        akin.wait()

        def ended(pid):
            try:
                return status_of(pid)['State'].startswith('Z')
            except OSError:
                return True
        wait_until(lambda: all(map(ended, workers)))

    def test_called_by_hand_it_does_nothing(self):
        done = subprocess.run([support.AKIN, 'decode-worker'],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=20)
        self.assertEqual(done.returncode, 2)


if __name__ == '__main__':
    unittest.main()
