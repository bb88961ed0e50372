#!/usr/bin/env python3
"""Labels: probabilities by numpy's softmax of the vectors that `akin embed`
gives, CSV by Python's reader. full_reference_test.py asks transformers."""
import csv
import io
import json
import os
import shutil
import subprocess
import time
import unittest

import numpy as np

import reference_vectors
import support
from cli_case import CLIP, DINO, Case
from vectors_test import embed, embed_texts

USUAL = 'a photo of a {}.'
WORDS = ['cat', 'dog', 'red apple', 'caf\u00e9']
NEAR = 1e-7  # of a cosine: a float's rounding is 6e-8


def unit(rows):
    wide = rows.astype('f8')
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def scale_of(folder):
    return np.exp(reference_vectors.read_weights(folder)['logit_scale'].item())


def label_rows(folder, words, templates=(USUAL,)):
    """float64 [words, dim], as openai/CLIP's notebook makes them."""
    texts = embed_texts(folder, [t.replace('{}', w) for w in words
                                 for t in templates])
    return unit(unit(texts).reshape(len(words), len(templates), -1).mean(1))


class Label(Case):
    def lines(self, *args, words=WORDS, k=100, **more):
        out = self.akin('label', *args, '--labels', ','.join(words), '--json',
                        '-k', str(k), **more).stdout
        return [json.loads(line) for line in out.splitlines()]

    def agrees(self, got, vectors, labels, scale, words=WORDS):
        """That the lines say what numpy does of the vectors."""
        cosines = unit(vectors) @ labels.T
        shares = softmax(scale * cosines)
        self.assertEqual(len(got), len(vectors))
        for line, cosine, share in zip(got, cosines, shares):
            self.assertEqual([*line], ['path', 'model', 'labels'])
            self.assertEqual([*line['labels'][0]],
                             ['label', 'probability', 'cosine'])
            best = np.argsort(-cosine, kind='stable')[:len(line['labels'])]
            self.assertEqual([x['label'] for x in line['labels']],
                             [words[i] for i in best], line['path'])
            np.testing.assert_allclose(
                [x['cosine'] for x in line['labels']], cosine[best], atol=3 * NEAR)
            np.testing.assert_allclose(
                [x['probability'] for x in line['labels']], share[best],
                atol=scale * NEAR)

    def test_probabilities_are_the_softmax_over_all_labels(self):
        photos = support.pictures()[:3]
        got = self.lines(*photos, '--model', CLIP)
        self.assertEqual([(x['path'], x['model']) for x in got],
                         [(p, 'tiny-clip') for p in photos])
        self.agrees(got, embed(CLIP, photos), label_rows(CLIP, WORDS),
                    scale_of(CLIP))

    def test_several_templates_are_an_ensemble(self):
        photos = support.pictures()[:2]
        templates = [f'{"red " * i}{{}} of the {i}' for i in range(20)] + [
            '{}', '{}? a {}!']
        got = self.lines(*photos, '--model', CLIP,
                         *(a for t in templates for a in ('--template', t)))
        self.agrees(got, embed(CLIP, photos),
                    label_rows(CLIP, WORDS, templates), scale_of(CLIP))

    def test_k_leaves_out_labels_and_changes_no_probability(self):
        photo = support.pictures()[0]
        whole = self.lines(photo, '--model', CLIP)[0]['labels']
        for k in 1, 2, 4:
            self.assertEqual(self.lines(photo, '--model', CLIP, k=k)[0][
                'labels'], whole[:k])

    def test_five_labels_are_told_unless_others_are_asked_for(self):
        words = ','.join('abcdefgh')
        out = self.akin('label', support.pictures()[0], '--model', CLIP,
                        '--labels', words).stdout
        self.assertEqual(len(out.splitlines()), 1 + 5)

    def test_people_read_the_best_first_in_percent(self):
        out = self.akin('label', 'photos/wide.jpg', '--model', CLIP, '--labels',
                        'cat,dog').stdout.splitlines()
        best, other = self.lines('photos/wide.jpg', '--model', CLIP,
                                 words=['cat', 'dog'])[0]['labels']
        self.assertEqual(out[0], 'photos/wide.jpg')
        self.assertEqual([line.split() for line in out[1:]], [
            [f'{100 * x["probability"]:.1f}', '%', x['label']]
            for x in (best, other)])

    def altered(self, scale):
        """The tiny CLIP with another logit_scale, or with None none."""
        folder = self.path('altered')
        shutil.copytree(CLIP, folder)
        path = os.path.join(folder, 'model.safetensors')
        with open(path, 'rb') as f:
            data = f.read()
        length = int.from_bytes(data[:8], 'little')
        head = json.loads(data[8:8 + length])
        at = 8 + length + head['logit_scale']['data_offsets'][0]
        if scale is None:
            data = data.replace(b'"logit_scale"', b'"another_one"')
        else:
            data = data[:at] + np.float32(scale).tobytes() + data[at + 4:]
        with open(path, 'wb') as f:
            f.write(data)
        return folder

    def test_the_scale_is_that_of_the_weights(self):
        photos = support.pictures()[:2]
        for scale in 0, 9.25:  # a factor of 1, and of 10,000: no overflow
            folder = self.altered(scale)
            self.agrees(self.lines(*photos, '--model', folder),
                        embed(CLIP, photos), label_rows(CLIP, WORDS),
                        np.exp(float(np.float32(scale))))
            shutil.rmtree(folder)

    def test_weights_without_a_scale_are_refused(self):
        done = self.akin('label', support.pictures()[0], '--model',
                         self.altered(None), '--labels', 'cat,dog', code=5)
        self.assertIn('logit_scale', done.stderr)

    # ------------------------------------------------------------ labels --

    def read_labels(self, data, code=0):
        """The labels of a file, in its order, and what was said."""
        self.write('labels.txt', data)
        done = self.akin('label', support.pictures()[0], '--model', CLIP,
                         '--labels-file', 'labels.txt', '--json', '-k', '100',
                         code=code)
        names = [x['label'] for x in json.loads(done.stdout)['labels']] \
            if not code else []
        return sorted(names), done.stderr

    def test_a_file_has_a_label_in_each_line_that_is_not_empty(self):
        self.assertEqual(
            self.read_labels(b'\xef\xbb\xbfcat\r\n\r\n  dog, small \r\n\n \t\n'
                             b'caf\xc3\xa9')[0],
            ['caf\u00e9', 'cat', 'dog, small'])

    def test_between_commas_spaces_and_nothing_do_not_count(self):
        got = self.lines(support.pictures()[0], '--model', CLIP,
                         words=[' cat', '', 'red apple ', ''])
        self.assertEqual(sorted(x['label'] for x in got[0]['labels']),
                         ['cat', 'red apple'])

    def test_a_label_that_stands_there_again_counts_once(self):
        names, said = self.read_labels(b'cat\ndog\ncat\n cat \n')
        self.assertEqual(names, ['cat', 'dog'])
        self.assertIn('labels.txt: a label that stands there again counts '
                      'once: cat', said)

    def test_a_file_that_is_no_text_is_refused_by_its_line(self):
        for data, why in ((b'cat\nd\xffg\n', 'line 2 is no UTF-8'),
                          (b'cat\n\ndog\0\n', 'line 3 holds a zero byte'),
                          (b' \r\n\n', 'there is no label'),
                          (b'', 'there is no label')):
            self.assertIn(f'labels.txt: {why}',
                          self.read_labels(data, code=2)[1])
        for name in 'photos', 'gone.txt':
            self.akin('label', 'photos/wide.jpg', '--labels-file', name,
                      code=3)

    def test_what_makes_no_sense_is_refused(self):
        photo, two = 'photos/wide.jpg', ('--labels', 'cat,dog')
        for args, why in (
                ([photo], 'needs --labels'),
                ([photo, *two, '--labels-file', 'x'], 'not both'),
                ([photo, '--labels', ' ,,'], 'there is no label'),
                ([photo, '--labels', b'a,\xff'], 'is no UTF-8'),
                ([photo, *two, '--template', 'a photo'], 'has no {}'),
                ([photo, *two, '--template', b'{}\xff'], 'is no UTF-8'),
                ([photo, *two, '--json', '--csv'], '--json and --csv'),
                ([photo, *two, '-i', 'x.akin'], 'PHOTO.. or -i'),
                ([photo, *two, '--path', '*'], '--path'),
                ([photo, *two, '-k', '0'], '-k')):
            done = self.akin('label', '--model', CLIP, *args, code=2)
            self.assertIn(why.replace('-k', 'top'), done.stderr)

    # -------------------------------------------------------------- files --

    def test_a_photo_that_cannot_be_read_costs_itself_alone(self):
        self.write('photos/bad.jpg', b'no picture')
        done = self.akin('label', 'photos/wide.jpg', 'photos/bad.jpg',
                         'photos/gone.jpg', 'photos/tall.jpg', '--labels',
                         'cat,dog', '--model', CLIP, '--json', code=1)
        self.assertEqual([json.loads(line)['path']
                          for line in done.stdout.splitlines()],
                         ['photos/wide.jpg', 'photos/tall.jpg'])
        self.assertIn('photos/bad.jpg', done.stderr)
        self.assertIn('photos/gone.jpg', done.stderr)
        self.akin('label', 'photos/bad.jpg', '--labels', 'cat,dog', '--model',
                  CLIP, code=3)

    def test_csv_comes_through_pythons_reader(self):
        odd = 'photos/a "b", c\nd.jpg'
        shutil.copy(self.photo('wide.jpg'),
                    self.path(odd))
        self.write('labels.txt', b'cat, "large"\ndog\n')
        out = self.akin('label', odd, 'photos/tall.jpg', '--labels-file',
                        'labels.txt', '--model', CLIP, '--csv').stdout
        want = [json.loads(line) for line in self.akin(
            'label', odd, 'photos/tall.jpg', '--labels-file', 'labels.txt',
            '--model', CLIP, '--json').stdout.splitlines()]
        rows = list(csv.reader(io.StringIO(out, newline='')))
        self.assertEqual(rows[0], ['path', 'model', 'label', 'probability',
                                   'cosine'])
        self.assertEqual(
            [(p, m, n, float(s), float(c)) for p, m, n, s, c in rows[1:]],
            [(line['path'], line['model'], x['label'], x['probability'],
              x['cosine']) for line in want for x in line['labels']])

    # ------------------------------------------------------------- models --

    def test_dinov2_says_that_it_cannot_read(self):
        done = self.akin('label', 'photos/wide.jpg', '--labels', 'cat,dog',
                         '--model', DINO, code=2)
        self.assertIn('cannot read', done.stderr)
        self.assertIn('clip', done.stderr)

    def test_of_an_index_the_models_that_read_give_labels(self):
        self.index()
        got = self.lines('-i', 'x.akin')
        self.assertEqual({x['model'] for x in got}, {'tiny-clip'})
        self.assertEqual(len(got), self.count)
        done = self.akin('label', '-i', 'x.akin', '--labels', 'cat,dog',
                         '--model', 'tiny-dinov2', code=2)
        self.assertIn('cannot read', done.stderr)

    def test_an_index_without_a_model_that_reads_says_what_to_do(self):
        self.akin('index', 'photos', '-i', 'd.akin', '--model', DINO)
        done = self.akin('label', '-i', 'd.akin', '--labels', 'cat', code=4)
        self.assertIn('--model clip', done.stderr)

    # -------------------------------------------------------------- index --

    def test_an_index_has_the_labels_of_its_photos(self):
        self.index()
        want = self.lines(*sorted(os.path.join('photos', n) for n in
                                  os.listdir(self.photos)), '--model', CLIP)
        shutil.rmtree(self.photos)  # nothing is decoded
        got = self.lines('-i', 'x.akin')
        self.assertEqual([x['path'] for x in got], [x['path'] for x in want])
        for mine, theirs in zip(got, want):
            for x, y in zip(mine['labels'], theirs['labels'], strict=True):
                self.assertEqual(x['label'], y['label'])
                self.assertAlmostEqual(x['cosine'], y['cosine'], delta=NEAR)
                self.assertAlmostEqual(x['probability'], y['probability'],
                                       delta=100 * NEAR)

    def test_the_tower_for_pictures_is_not_read(self):
        """Its weights may be anything, here zeros."""
        model = self.altered(4.5)
        self.akin('index', 'photos', '-i', 'x.akin', '--model', model)
        want = self.lines('-i', 'x.akin')
        path = os.path.join(model, 'model.safetensors')
        with open(path, 'rb') as f:
            data = bytearray(f.read())
        length = int.from_bytes(data[:8], 'little')
        for name, tensor in json.loads(data[8:8 + length]).items():
            if name.startswith('vision_model'):
                start, end = (8 + length + x for x in tensor['data_offsets'])
                data[start:end] = bytes(end - start)
        with open(path, 'wb') as f:
            f.write(data)
        done = self.akin('label', '-i', 'x.akin', '--labels', 'cat', code=4)
        self.assertIn('not the one', done.stderr)
        later = time.time() + 5  # as if the rows had been written after that
        os.utime(self.path('x.akin', 'rows-0.f32'), (later, later))
        self.assertEqual(self.lines('-i', 'x.akin'), want)

    def imported(self, count):
        """An index of rows without files; they come in another order."""
        random = np.random.default_rng(3)
        rows = random.standard_normal((count, 32)).astype('f4')
        names = [f'{self.folder}/p{i:05}.jpg' for i in random.permutation(count)]
        np.save(self.path('rows.npy'), rows)
        self.write('rows.npy.paths', '\n'.join(names).encode() + b'\n')
        self.akin('import', 'rows.npy', '-i', 'x.akin', '--model', CLIP)
        order = np.argsort(names)
        return rows[order], [os.path.basename(names[i]) for i in order]

    def test_a_whole_index_is_labelled_in_order_of_path(self):
        words = [f'{a} {b}' for a in WORDS for b in 'abcdefghijklmnopqrstuvwxy']
        rows, names = self.imported(2500)
        got = self.lines('-i', 'x.akin', words=words, k=3)
        self.assertEqual([x['path'] for x in got], names)
        self.agrees(got, rows, label_rows(CLIP, words), scale_of(CLIP), words)

    def test_paths_choose_what_is_labelled(self):
        rows, names = self.imported(2500)
        got = self.lines('-i', 'x.akin', '--path', 'p0[0-4]*7.jpg', k=1)
        chosen = [i for i, n in enumerate(names) if n[2] in '01234' and n[5] ==
                  '7']
        self.assertEqual([x['path'] for x in got], [names[i] for i in chosen])
        self.agrees(got, rows[chosen], label_rows(CLIP, WORDS), scale_of(CLIP))
        self.akin('label', '-i', 'x.akin', '--labels', 'cat', '--path', 'gone',
                  code=1)

    def test_the_library_does_what_its_header_says(self):
        self.imported(2500)
        done = subprocess.run(
            [os.path.join(support.BUILD, 'tests', 'labels'), CLIP,
             self.path('x.akin')], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_without_an_index_named_the_nearest_is_labelled(self):
        self.akin('index', 'photos', '--model', CLIP)
        out = self.akin('label', '--labels', 'cat,dog', '--csv', '-k', '1')
        self.assertEqual(len(out.stdout.splitlines()), 1 + self.count)


if __name__ == '__main__':
    unittest.main()
