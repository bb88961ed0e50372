#!/usr/bin/env python3
"""akin index --watch: what happens to the photos is in the index a moment
later, and nothing that merely went out of sight is lost."""
import fcntl
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
import unittest

import living_test
import support

TINY = support.tiny('tiny-clip')
LONG = 30  # seconds until something that should happen has not


class Watched(living_test.Collection):
    """A collection and an akin that watches it."""

    def watch(self, *args, before=(), shell=''):
        command = [support.AKIN, 'index', *args, '-i', 'x.akin', '--model',
                   TINY, '--json', '--watch']
        if before:
            command = [*before, 'bash', '-c', shell + 'exec ' +
                       shlex.join(command)]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, signal.SIGKILL)
        self.said, self.words = queue.Queue(), queue.Queue()
        for stream, into in ((self.process.stdout, self.said),
                             (self.process.stderr, self.words)):
            threading.Thread(target=lambda s=stream, q=into:
                             [q.put(line) for line in s], daemon=True).start()

    def end(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(LONG)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def next(self):
        """What the next update counted."""
        said = json.loads(self.said.get(timeout=LONG))
        counts = {k: v for k, v in said.items() if isinstance(v, int) and v}
        counts['embedded'] = sum(m['images'] for m in said['models'])
        for name in ('failed', 'warnings'):
            if said[name]:
                counts[name] = [one['path'] for one in said[name]]
        counts.pop('unchanged', None)
        counts.pop('skipped', None)
        return counts

    def sums_to(self, want):
        """That the next updates together count this. What lies in a new folder
        is not watched before the first of them, and a file there that was
        written less than a second before it waits for the second."""
        sums = self.next()
        while sums != want and sums['embedded'] < want['embedded']:
            for name, count in self.next().items():
                sums[name] = sums.get(name, 0) + count
        self.assertEqual(sums, want)

    def hears(self, pattern):
        """Wait for a message."""
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            if re.search(pattern, self.words.get(timeout=LONG)):
                return
        self.fail(f'never said: {pattern}')

    def begin(self, *args, **more):
        self.watch(*args, **more)
        self.assertEqual(self.next(), {'added': 8, 'embedded': 8})
        self.hears('watching 3 folders; ctrl-C ends')


def at_once(case):
    """A test for each scene_ of the class; they run together, because most of
    their time is waiting for it to be quiet."""
    scenes = [name for name in dir(case) if name.startswith('scene_')]

    def start(cls):
        cls.results = {name: unittest.TestResult() for name in scenes}
        cls.threads = {name: threading.Thread(
            target=cls(name).run, args=(cls.results[name],)) for name in scenes}
        for thread in cls.threads.values():
            thread.start()

    def test(name):
        def wait(self):
            self.threads[name].join()
            result = self.results[name]
            for _, trace in result.errors + result.failures:
                self.fail(trace)
            for _, reason in result.skipped:
                self.skipTest(reason)
        wait.__doc__ = getattr(case, name).__doc__
        return wait

    for name in scenes:
        setattr(case, 'test_' + name[len('scene_'):], test(name))
    case.setUpClass = classmethod(start)
    case.setUp = lambda self: self._testMethodName in scenes and \
        Watched.setUp(self)
    return case


@at_once
class Watch(Watched):
    def scene_files_and_folders_that_come_move_and_go(self):
        self.begin('photos', 'other')
        self.move('photos/0.jpg', 'other/renamed.jpg')
        self.assertEqual(self.next(), {'renamed': 1, 'embedded': 0})
        self.move('photos/summer', 'other/winter')
        self.assertEqual(self.next(), {'renamed': 4, 'embedded': 0})
        shutil.copytree(self.path('other/winter'), self.path('photos/a/b'))
        shutil.copy(real_photo(8), self.path('photos/a/new.jpg'))
        self.sums_to({'added': 5, 'embedded': 1})
        os.link(self.path('photos/a/new.jpg'), self.path('photos/link.jpg'))
        os.unlink(self.path('photos/a/b/1.jpg'))
        self.assertEqual(self.next(), {'added': 1, 'removed': 1,
                                       'embedded': 0})
        shutil.rmtree(self.path('photos/a'))
        shutil.copy(real_photo(9), self.path('photos/2.jpg'))
        self.assertEqual(self.next(), {'updated': 1, 'removed': 4,
                                       'embedded': 1})
        shutil.move(self.path('other/winter'), self.path('elsewhere'))
        self.assertEqual(self.next(), {'removed': 4, 'embedded': 0})
        self.assertEqual(self.known(), self.files())
        self.assertEqual(self.end(signal.SIGINT), 130)

    def scene_rules_that_change(self):
        self.begin('photos', 'other')
        with open(self.path('photos/.akinignore'), 'w') as f:
            f.write('summer\n')
        self.assertEqual(self.next(), {'removed': 4, 'embedded': 0})
        os.unlink(self.path('photos/.akinignore'))
        self.assertEqual(self.next(), {'added': 4, 'embedded': 4})
        self.move('photos/summer/1.jpg', 'photos/summer/one.jpg')
        self.assertEqual(self.next(), {'renamed': 1, 'embedded': 0})
        self.assertEqual(self.end(signal.SIGTERM), 143)

    def scene_a_file_is_not_read_half(self):
        self.begin('photos', 'other')
        with open(real_photo(8), 'rb') as f:
            data = f.read()
        os.mkdir(self.path('photos/new'))
        with open(self.path('photos/new/slow.jpg'), 'wb', buffering=0) as f:
            step = len(data) // 8 + 1
            for at in range(0, len(data), step):
                f.write(data[at:at + step])
                time.sleep(0.3)
        self.assertEqual(self.next(), {'added': 1, 'embedded': 1})

    def scene_a_root_that_goes_and_comes_back(self):
        self.begin('photos', 'other')
        self.move('photos', 'away')
        time.sleep(1.8)
        self.move('away/summer', 'away/winter')
        self.move('away', 'photos')
        self.assertEqual(self.next(), {'renamed': 4, 'embedded': 0})
        self.move('photos/0.jpg', 'photos/renamed.jpg')
        self.assertEqual(self.next(), {'renamed': 1, 'embedded': 0})
        self.assertEqual(self.known(), self.files())

    def scene_another_writer_is_waited_for(self):
        os.mkdir(self.path('x.akin'))  # begun and not finished: it is made
        self.begin('photos', 'other')
        self.assertEqual(self.index('photos'), {'unchanged': 8, 'embedded': 0})
        with open(self.path('x.akin/lock'), encoding='utf-8') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.unlink(self.path('photos/0.jpg'))
            self.hears('x.akin: being written by pid')
            self.assertEqual(len(self.known()), 8)
        self.assertEqual(self.next(), {'removed': 1, 'embedded': 0,
                                       'warnings': ['x.akin']})

    def scene_too_few_watches_are_told(self):
        how = living_test.namespace()
        self.watch('photos', 'other', before=how,
                   shell='echo 1 > /proc/sys/user/max_inotify_watches;')
        self.assertEqual(self.next()['added'], 8)
        self.hears('the system watches no more than the 1 folders before it '
                   r'\(limit: sysctl fs.inotify.max_user_watches\)')
        os.unlink(self.path('photos/0.jpg'))
        self.assertEqual(self.next(), {'removed': 1, 'embedded': 0})

    def scene_a_disc_is_unplugged_and_plugged_in(self):
        """From within: the namespace of the watcher is not ours."""
        how = living_test.namespace()
        self.watch('photos', before=how, shell='''
            mkdir photos/disc aside
            mount -t tmpfs disc photos/disc
            cp photos/summer/* photos/disc
            wait_for() {
                for i in $(seq 300); do [ -e $1 ] && break; sleep 0.1; done
            }
            (wait_for out
             mount --move photos/disc aside
             wait_for in
             rm aside/1.jpg; cp photos/0.jpg aside/new.jpg
             mount --move aside photos/disc) </dev/null >/dev/null 2>&1 &
            ''')
        self.assertEqual(self.next(), {'added': 12, 'embedded': 8})
        os.mkdir(self.path('out'))
        self.hears('photos/disc: no picture is there now; the index keeps the '
                   '4 that were')
        os.mkdir(self.path('in'))
        self.assertEqual(self.next(), {'added': 1, 'removed': 1, 'embedded': 0,
                                       'warnings': [self.path('photos/disc')]})


class Service(unittest.TestCase):
    def test_the_unit_of_the_manual_is_a_command(self):
        with open(os.path.join(support.SOURCE, 'docs', 'watch.md'),
                  encoding='utf-8') as f:
            line = re.search(r'^\s*ExecStart=(.*)', f.read(), re.M)[1]
        words = shlex.split(line.replace('%h', '/home/me'))
        self.assertEqual(words[1], 'index')
        support.akin(*words[1:], '--help')


def real_photo(number):
    return living_test.real_photos(number + 1)[number]


if __name__ == '__main__':
    unittest.main()
