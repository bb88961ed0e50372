"""What the Python tests share: where things are, tiny models, pictures."""
import functools
import hashlib
import json
import os
import subprocess
import sys
import unittest

SOURCE = os.environ.get('AKIN_SOURCE') or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(SOURCE, 'build')
SHARED = os.environ.get('AKIN_SHARED') or os.path.join(SOURCE, '..', 'shared')
AKIN = os.path.join(BUILD, 'cli', 'akin')

sys.path.insert(0, os.path.join(SOURCE, 'tools'))

# Small matrices, and tests that run side by side: more threads are slower.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

try:
    import numpy
    import PIL.Image
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; ./run test brings what is needed')


def shared(*path):
    """A path in the shared test data; skips the test where it is absent."""
    found = os.path.join(SHARED, *path)
    if not os.path.exists(found):
        raise unittest.SkipTest(f'shared test data not found: {"/".join(path)}')
    return found


def akin(*args, code=0, **more):
    """What the command did; any other exit code fails the test."""
    done = subprocess.run([AKIN, *args], capture_output=True, text=True,
                          errors='surrogateescape', **more)
    if code is not None and done.returncode != code:
        raise AssertionError(f'akin {" ".join(map(str, args))} ended with '
                             f'{done.returncode}, not {code}:\n{done.stderr}')
    return done


def option(name):
    """The value of one of Meson's options in this build."""
    path = os.path.join(BUILD, 'meson-info', 'intro-buildoptions.json')
    with open(path, encoding='utf-8') as f:
        return next(o['value'] for o in json.load(f) if o['name'] == name)


def _scratch(name, script):
    """A folder of the build that is new whenever the script is."""
    with open(os.path.join(SOURCE, script), 'rb') as f:
        state = hashlib.sha256(f.read()).hexdigest()[:8]
    return os.path.join(BUILD, 'tests', f'{name}-{state}')


def tiny(name):
    """The folder of a tiny model of tools/make_tiny.py."""
    import make_tiny
    return make_tiny.make(_scratch('tiny', 'tools/make_tiny.py'), name)


def starter():
    """The folder of the model `starter`; skips the test where there is none."""
    data = os.environ.get('XDG_DATA_HOME') or os.path.expanduser(
        '~/.local/share')
    folder = os.path.join(data, 'akin', 'models', 'starter')
    if not os.path.exists(os.path.join(folder, 'model.safetensors')):
        raise unittest.SkipTest('the model starter is not there; '
                                './run test makes it where PyPI is in reach')
    return folder


def drawing(width, height, seed):
    """uint8 [height, width, 3]: gradients, edges and noise, always the same."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    value = numpy.empty((height, width, 3))
    for c in range(3):
        fx, fy, turn = random.uniform(1, 9, 3)
        value[..., c] = 128 + 90 * numpy.sin(
            6.3 * (fx * x / width + fy * y / height) + turn)
    value[(x // 40 + y // 25) % 3 == 0] *= 0.6
    value += random.normal(0, 12, value.shape)
    return value.clip(0, 255).astype(numpy.uint8)


@functools.cache
def pictures():
    """Paths of a few small files whose decoding nobody disputes."""
    folder = _scratch('pictures', 'tests/support.py')
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, size, how in (
            ('wide.jpg', (640, 427), dict(quality=90)),
            ('tall.jpg', (301, 533), dict(quality=75, progressive=True)),
            ('large.jpg', (1200, 900), dict(quality=85, subsampling=0)),
            ('square.png', (224, 224), {}),
            ('small.png', (97, 61), {}),
            ('grey.png', (300, 257), {})):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            image = PIL.Image.fromarray(drawing(*size, seed=len(paths)))
            if name == 'grey.png':
                image = image.convert('L')
            aside = f'{path}.{os.getpid()}'
            image.save(aside, 'JPEG' if name.endswith('jpg') else 'PNG', **how)
            os.rename(aside, path)
        paths.append(path)
    return paths
