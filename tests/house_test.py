#!/usr/bin/env python3
"""The house rules that a compiler does not see: rooms, seams, names, size."""
import collections
import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = os.environ.get('AKIN_SOURCE') or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(SOURCE, 'build')

HEADERS = ('akin.h', 'akin_bench.h', 'akin_eval.h')

# What a room may include besides its own files and those headers.
ROOMS = {
    'base': set(),
    'math': {'base'},
    'image': {'base'},
    'model': {'base', 'math'},
    'index': {'base', 'math'},
    'embed': {'base', 'math', 'image', 'model', 'index'},
    'eval': {'base', 'math', 'image', 'index', 'embed'},
    'view': {'base', 'image'},
    'cli': {'base', 'view'},
}

# Headers of the system and of libraries that have one place in the house.
PLACES = {
    r'curl/.*|netdb\.h|netinet/.*': r'src/model/hub.*',
    r'sys/socket\.h': r'src/model/hub.*|src/base/process\.c',
    r'spawn\.h|linux/.*|sys/shm\.h|sys/prctl\.h|sys/wait\.h': r'src/base/.*',
    r'.*intrin\.h|arm_neon\.h':
        r'src/math/.*|src/image/resize_(body\.h|avx512vnni\.c)',
    r'cpuid\.h': r'src/base/cpu\.c',
    r'dlfcn\.h|link\.h': r'src/math/cuda/load\.c',
    r'libpq-fe\.h': r'src/index/pgvector.*',
    r'sqlite3\.h': r'src/index/.*|src/base/vfs.*',
    r'chafa\.h': r'src/view/draw_chafa\.c',
    r'jpeglib\.h': r'src/image/.*',
    r'png\.h|webp/.*|tiffio\.h|gif_lib\.h|libheif/.*|avif/.*'
    r'|jxl/.*|libraw/.*': r'src/image/.*',
    r'openssl/.*': r'src/base/.*|src/view/html\.c',
    r'zlib\.h|pthread\.h|fcntl\.h|sys/mman\.h|sys/file\.h'
    r'|dirent\.h|sys/inotify\.h': r'src/base/.*',
}

# Calls at which faults are injected: memory, and what changes files.
SEAMS = re.compile(
    r'\b(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup'
    r'|strndup|asprintf|vasprintf|getline|open|openat|creat|fopen|fdopen'
    r'|freopen|mkstemp|mkdtemp|tmpfile|opendir|fsync|fdatasync|sync|rename'
    r'|renameat|unlink|unlinkat|remove|mkdir|mkdirat|rmdir|link|symlink'
    r'|truncate|ftruncate|mmap|munmap|flock|pthread_create)\s*\(')


def files(*folders, ends=('.c', '.h', '.S')):
    """Paths of the house, from its top, in order of name."""
    found = []
    for folder in folders:
        for place, inner, names in os.walk(os.path.join(SOURCE, folder)):
            inner[:] = [d for d in inner if d != '__pycache__']
            found += [os.path.relpath(os.path.join(place, n), SOURCE)
                      for n in names if n.endswith(ends)]
    return sorted(found)


def read(path):
    with open(os.path.join(SOURCE, path), encoding='utf-8',
              errors='replace') as f:
        return f.read()


def code(path):
    """The file without comments and strings, line for line."""
    blank = lambda m: '\n' * m[0].count('\n')
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank,
                  read(path), flags=re.DOTALL)


def symbols(path, *how):
    listing = subprocess.run(['nm', *how, path], capture_output=True,
                             text=True, check=True).stdout
    return [line.split()[-2:] for line in listing.splitlines()
            if len(line.split()) == 3]


class House(unittest.TestCase):
    maxDiff = None

    def test_every_include_points_to_a_room_on_the_left(self):
        wrong = []
        for path in files('src', 'cli'):
            room = path.split(os.sep)[1 if path.startswith('src') else 0]
            self.assertIn(room, ROOMS, path)
            for name in re.findall(r'^#include "(.*)"', read(path), re.M):
                to = name.split('/')[0] if '/' in name else 'cli'
                if name not in HEADERS and to not in ROOMS[room] | {room}:
                    wrong.append(f'{path} includes {name}')
        self.assertEqual(wrong, [])

    def test_libraries_are_reached_from_one_place_each(self):
        wrong = []
        for path in files('src', 'cli'):
            for name in re.findall(r'^#include <(.*)>', read(path), re.M):
                for header, place in PLACES.items():
                    if re.fullmatch(header, name) and \
                            not re.fullmatch(place, path):
                        wrong.append(f'{path} includes {name}')
        self.assertEqual(wrong, [])

    def test_only_the_ground_floor_calls_memory_and_files(self):
        wrong = [f'{path}: {call}' for path in files('src', 'cli')
                 if not path.startswith('src/base/')
                 for call in SEAMS.findall(code(path))]
        self.assertEqual(wrong, [])

    def test_only_math_has_assembly(self):
        wrong = [path for path in files('src', 'cli')
                 if not path.startswith('src/math/')
                 and (path.endswith('.S')
                      or re.search(r'\b(__asm__|asm)\b', code(path)))]
        self.assertEqual(wrong, [])

    def test_the_library_never_prints_or_exits(self):
        calls = (r'\b(printf|puts|putchar|perror|exit|_exit|abort|setlocale'
                 r'|chdir)\s*\(|\b(stdout|stderr)\b')
        wrong = [f'{path}: {found[0]}' for path in files('src')
                 for found in re.finditer(calls, code(path))]
        self.assertEqual(wrong, [])

    def test_no_file_is_longer_than_1000_lines(self):
        wrong = [path for path in files('src', 'cli', 'tests', 'include',
                                        ends=('.c', '.h', '.S', '.cpp'))
                 if read(path).count('\n') > 1000]
        self.assertEqual(wrong, [])

    def test_no_function_is_longer_than_120_lines(self):
        wrong = []
        for path in files('src', 'cli', ends='.c'):
            for body in re.finditer(r'^\{$.*?^\}$', read(path),
                                    re.M | re.DOTALL):
                if body[0].count('\n') > 120 and 'src/math/' not in path:
                    wrong.append(f'{path}: {body[0].count(chr(10))} lines')
        self.assertEqual(wrong, [])

    def test_every_file_begins_by_saying_what_it_is(self):
        wrong = [path for path in files('src', 'cli', 'include', 'samples')
                 if not read(path).startswith('/*')]
        self.assertEqual(wrong, [])

    def test_nothing_is_left_open_in_the_code(self):
        marks = 'TO' + 'DO|FIX' + 'ME|XX' + 'X|HA' + 'CK'
        wrong = [path for path in files('src', 'cli', 'tests', 'tools',
                                        'bench', ends=('.c', '.h', '.S', '.py'))
                 if re.search(rf'\b({marks})\b', read(path))]
        self.assertEqual(wrong, [])

    def test_no_path_of_one_machine_is_written_down(self):
        place = re.compile(r'(?<![\w.])/(wo' r'rk|ro' r'ot|ho' r'me/\w+)/')
        paths = ['run', 'meson.build', 'meson_options.txt'] + [
            n for n in os.listdir(SOURCE) if n.endswith('.md')] + files(
                'src', 'cli', 'tests', 'tools', 'bench', 'docs', 'samples',
                ends='')
        wrong = [path for path in paths if place.search(read(path))]
        self.assertEqual(wrong, [])

    def test_the_code_is_formatted_as_clang_format_14_does_it(self):
        beside = os.path.join(os.path.dirname(sys.executable), 'clang-format')
        tool = beside if os.path.exists(beside) else \
            shutil.which('clang-format')
        version = tool and subprocess.run(
            [tool, '--version'], capture_output=True, text=True).stdout
        if not version or ' 14.' not in version:
            self.skipTest('clang-format 14 is not there')
        done = subprocess.run(
            [tool, '--dry-run', '-Werror',
             *files('src', 'cli', 'include', 'tests', 'samples', 'bench',
                    ends=('.c', '.h', '.cpp'))],
            cwd=SOURCE, capture_output=True, text=True)
        wrong = set(re.findall(r'^(\S+?:\d+):.*error:', done.stderr, re.M))
        self.assertEqual(sorted(wrong), [])


class Names(unittest.TestCase):
    def test_the_library_exports_what_its_headers_have_and_nothing_else(self):
        declared = {name for header in HEADERS for name in re.findall(
            r'AKIN_API\b[^;]*?\b(akin_\w+)\(', code(f'include/{header}'))}
        exported = {name for kind, name in symbols(
            os.path.join(BUILD, 'libakin.so'), '-D', '--defined-only')
            if not name.startswith('__')}  # of a sanitizer
        self.assertEqual(exported, declared)

    def test_what_crosses_a_file_is_named_akin(self):
        wrong = [name for kind, name in symbols(
            os.path.join(BUILD, 'libakin_all.a'), '--defined-only', '-g')
            if kind in 'TDBRVW' and not re.match(r'akin__?[a-z]|__', name)]
        self.assertEqual(wrong, [])

    def test_no_name_crosses_files_without_need(self):
        """A name used in one file only is static there."""
        uses = collections.Counter()
        for path in files('src', 'cli', 'tests', 'bench'):
            for name in set(re.findall(r'\bakin__\w+', code(path))):
                uses[name] += path.endswith(('.c', '_body.h', '.S'))
        made = {name for kind, name in symbols(
            os.path.join(BUILD, 'libakin_all.a'), '--defined-only', '-g')
            if kind == 'T' and name.startswith('akin__')}
        self.assertEqual(sorted(n for n in made if uses[n] == 1), [])


class Header(unittest.TestCase):
    def compiles(self, header, *how):
        compiler = shutil.which('cc') or shutil.which('gcc') or \
            shutil.which('clang')
        return subprocess.run(
            [compiler, '-Wall', '-Wextra', '-pedantic', '-Werror',
             '-fsyntax-only', *how, '-include', header, '-'],
            input='', cwd=os.path.join(SOURCE, 'include'), text=True,
            capture_output=True)

    def test_each_header_alone_is_c11(self):
        for header in HEADERS:
            done = self.compiles(header, '-std=c11', '-I.', '-xc')
            self.assertEqual(done.stderr, '', header)

    def test_each_header_alone_is_cpp(self):
        for header in HEADERS:
            done = self.compiles(header, '-std=c++11', '-I.', '-xc++')
            if 'cc1plus' in done.stderr:
                self.skipTest('no C++ compiler here')
            self.assertEqual(done.stderr, '', header)


if __name__ == '__main__':
    unittest.main()
