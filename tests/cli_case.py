"""What the tests of the commands share: a folder of photos, and akin in it."""
import io
import json
import os
import shutil
import tempfile
import unittest

from support import akin, drawing, pictures, tiny

import PIL.Image

CLIP, DINO = tiny('tiny-clip'), tiny('tiny-dinov2')
BOTH = ['--model', CLIP, '--model', DINO]


class Case(unittest.TestCase):
    """A folder of its own, with some pictures of the shared ones in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-test-')
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        self.photos = self.path('photos')
        os.mkdir(self.photos)
        for path in pictures():
            shutil.copy(path, self.photos)
        self.count = len(pictures())

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def photo(self, name):
        return os.path.join(self.photos, name)

    def many_photos(self, count=150):
        """Photos that take a while; each is another file, if only just."""
        data = io.BytesIO()
        PIL.Image.fromarray(drawing(1800, 1200, 5)).save(data, 'JPEG')
        for i in range(count):
            self.write(f'photos/many-{i:03}.jpg', data.getvalue() + b'%d' % i)
        self.count += count

    def akin(self, *args, **more):
        return akin(*args, cwd=self.folder, **more)

    def json(self, *args, **more):
        return json.loads(self.akin(*args, '--json', **more).stdout)

    def index(self, *args, **more):
        return self.json('index', 'photos', '-i', 'x.akin', *BOTH, *args,
                         **more)

    def write(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data)
        return name
