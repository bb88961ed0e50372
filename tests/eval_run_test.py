#!/usr/bin/env python3
"""akin eval run: figures by numpy from exported vectors, with formulas of this
file alone; what is stopped goes on; the page says what the JSON says."""
import collections
import csv
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import PIL.Image
import PIL.ImageFilter
import PIL.ImageOps

import support

CLIP, DINO = support.tiny('tiny-clip'), support.tiny('tiny-dinov2')
EDITS = {
    'crop': lambda im, s: im.crop((
        im.width * s // 10, im.height * s // 10,
        im.width - im.width * s // 10, im.height - im.height * s // 10)),
    'blur': lambda im, s: im.filter(PIL.ImageFilter.GaussianBlur(3 * s)),
    'turn': lambda im, s: im.rotate(30 * s, expand=True),
}


def photos(count):
    folder = support.shared('data', 'photos', 'kodak')
    for name in sorted(os.listdir(folder))[:count]:
        with PIL.Image.open(os.path.join(folder, name)) as im:
            im = im.convert('RGB')
            im.thumbnail((240, 240))
            yield im


def make_set(place, count=16, train=False, twin=False):
    """References, two copies of most by each edit, and queries of nothing; a
    twin of a reference scores as it does, and its queries count as missed."""
    parts = {name: os.path.join(place, 'images', name)
             for name in ('queries', 'references', 'train')[:2 + train]}
    for folder in parts.values():
        os.makedirs(folder)
    truth, edits, number = [], [], 0
    for i, im in enumerate(photos(count)):
        if train and i % 2:
            im.save(f'{parts["train"]}/T{i:02}.png')
            continue
        distractor = i >= count - 3
        if not distractor:
            im.save(f'{parts["references"]}/R{i:02}.png')
            if twin and i == 5:
                im.save(f'{parts["references"]}/R99.png')
        for kind, edit in EDITS.items():
            for strength in (1, 2):
                edit(im, strength).save(f'{parts["queries"]}/Q{number:03}.jpg')
                truth.append(f'Q{number:03},' + ('' if distractor
                                                 else f'R{i:02}'))
                edits.append(f'Q{number:03},{kind},{strength}')
                number += 1
    for name, lines in (('ground_truth.csv', ['query_id,reference_id', *truth]),
                        ('edits.csv', ['query_id,edit,strength', *edits])):
        with open(os.path.join(place, name), 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines) + '\n')
    return dict(line.split(',') for line in truth)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def vectors(report, model, scratch):
    """The index's vectors by id, as others read them."""
    file = os.path.join(scratch, f'{model}.npy')
    support.akin('export', os.path.join(report, 'vectors.akin'), '--model',
                 model, '--format', 'npy', '-o', file)
    with open(file + '.paths', encoding='utf-8') as f:
        names = [stem(line.rstrip('\n')) for line in f]
    return dict(zip(names, np.load(file).astype('f8')))


def unit(rows):
    rows = np.asarray(rows, 'f8')
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def rank_all(scores, k=10):
    """[(query, reference, score)] of the k best of each row."""
    best = np.argsort(-scores, axis=1, kind='stable')[:, :k]
    return [(q, int(r), float(scores[q, r]))
            for q in range(len(scores)) for r in best[q]]


def figures(predictions, truth):
    """The challenge's and the article's, written out again."""
    pairs = set(truth.items())
    rows = sorted(predictions, key=lambda p: (-p[2], (p[0], p[1]) in pairs))
    right = np.array([(q, r) in pairs for q, r, _ in rows])
    precision = np.cumsum(right) / np.arange(1, len(rows) + 1)
    recall = np.cumsum(right) / len(pairs)
    steps = np.diff(np.concatenate([[0], recall]))
    good = np.flatnonzero(precision >= 0.9)
    place, seen = {}, collections.Counter()
    for q, r, _ in rows:  # a query's own come in this order as well
        if (q, r) in pairs:
            place.setdefault(q, seen[q])
        seen[q] += 1
    asked = [place.get(q) for q in truth]
    share = lambda most: sum(p is not None and p < most
                             for p in asked) / len(asked)
    return {'uAP': float(np.sum(steps * precision)),
            'recall_at_p90': float(recall[good[-1]]) if len(good) else None,
            'accuracy': share(1), 'top3': share(3), 'recall_at_1': share(1),
            'recall_at_10': share(10)}


class Case(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='akin-run-')
        self.addCleanup(shutil.rmtree, self.home)
        self.set = os.path.join(self.home, 'set')
        self.report = os.path.join(self.home, 'report')

    def run_akin(self, *options, code=0, where=None):
        return support.akin('eval', 'run', where or self.set, '-o', self.report,
                            *options, code=code)

    def read(self, name):
        with open(os.path.join(self.report, name), encoding='utf-8') as f:
            return f.read()

    def document(self):
        return json.loads(self.read('report.json'))

    def close(self, found, expected, where=''):
        for key, value in expected.items():
            if value is None:
                self.assertIsNone(found[key], (where, key))
            else:
                self.assertAlmostEqual(found[key], value, 6, (where, key))


class Pictures(Case):
    """Two models and the floor on copies of real photos."""

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix='akin-run-')
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.truth = make_set(os.path.join(cls.place, 'set'), twin=True)
        cls.done = support.akin(
            'eval', 'run', os.path.join(cls.place, 'set'), '--model', CLIP,
            '--model', DINO, '-o', os.path.join(cls.place, 'report'), '--json')

    def setUp(self):
        self.report = os.path.join(self.place, 'report')
        self.truths = {q: r for q, r in self.truth.items() if r}

    def test_figures_are_numpys_from_the_exported_vectors(self):
        references = sorted({*self.truths.values(), 'R99'})
        queries = sorted(self.truth)
        for model in self.document()['models'][:2]:
            of = vectors(self.report, model['model'], self.place)
            scores = unit([of[q] for q in queries]) @ \
                unit([of[r] for r in references]).T
            predictions = [(queries[q], references[r], s)
                           for q, r, s in rank_all(scores)]
            self.close(model, figures(predictions, self.truths),
                       model['model'])

    read, document, close = Case.read, Case.document, Case.close

    def test_predictions_are_written_as_the_challenge_reads_them(self):
        for model in self.document()['models']:
            name = model['model'].replace(' ', '-')
            path = os.path.join(self.report, f'predictions-{name}.csv')
            done = support.akin('eval', 'score',
                                os.path.join(self.place, 'set',
                                             'ground_truth.csv'),
                                path, '--json')
            for key, value in json.loads(done.stdout).items():
                if value is None:
                    self.assertIsNone(model[key], key)
                else:
                    self.assertAlmostEqual(value, model[key], 12, key)

    def test_the_floor_scores_the_bits_that_are_alike(self):
        floor = self.document()['models'][2]
        self.assertTrue(floor['floor'])
        self.assertEqual(floor['model'], 'perceptual hash')
        with open(os.path.join(self.report,
                               'predictions-perceptual-hash.csv')) as f:
            scores = [256 * float(row[2]) for row in list(csv.reader(f))[1:]]
        self.assertEqual(len(scores), 10 * len(self.truth))
        self.assertTrue(all(s == int(s) and 0 <= s <= 256 for s in scores))

    def test_edits_are_counted_each_for_itself(self):
        document = self.document()
        self.assertEqual(
            [(e['kind'], e['strength'], e['queries'])
             for e in document['edits']],
            [(kind, str(s), 13) for kind in sorted(EDITS) for s in (1, 2)])
        for m, model in enumerate(document['models']):
            self.assertEqual(sum(e['right'][m] for e in document['edits']),
                             round(model['accuracy'] * len(self.truths)))

    def test_examples_are_of_the_kind_that_they_stand_under(self):
        examples = self.document()['examples']
        wanted = {'both_right': (True, True), 'none_right': (False, False),
                  'only_first': (True, False), 'only_second': (False, True)}
        self.assertEqual(sum(examples[kind] for kind in wanted),
                         len(self.truths))
        for row in examples['rows']:
            first = tuple(m['results'][0]['right'] for m in row['models'])
            self.assertEqual(first, wanted[row['kind']])
            self.assertEqual(self.truths[stem(row['query'])],
                             stem(row['truth']))
            for model in row['models']:
                for result in model['results']:
                    self.assertEqual(
                        result['right'],
                        self.truths[stem(row['query'])] ==
                        stem(result['path']))
        for kind in wanted:
            shown = sum(row['kind'] == kind for row in examples['rows'])
            self.assertEqual(shown, min(4, examples[kind]))

    def test_a_missed_pairs_rank_is_its_place_among_all_references(self):
        model = self.document()['models'][1]
        of = vectors(self.report, model['model'], self.place)
        references = sorted({*self.truths.values(), 'R99'})
        self.assertGreater(len(model['missed']), 3)
        for miss in model['missed']:
            query = unit(of[stem(miss['query'])])
            scores = unit([of[r] for r in references]) @ query
            own = scores[references.index(stem(miss['truth']))]
            self.assertEqual(miss['rank'], int(np.sum(scores >= own - 1e-12)))
            self.assertAlmostEqual(miss['truth_score'], own, 6)
            self.assertAlmostEqual(miss['answer_score'], scores.max(), 6)

    def test_curve_and_histogram_come_to_the_same_sums(self):
        for model in self.document()['models']:
            curve, bins = model['curve'], model['histogram']
            self.assertAlmostEqual(curve[-1]['recall'], model['recall_at_10'])
            self.assertEqual([p['recall'] for p in curve],
                             sorted(p['recall'] for p in curve))
            self.assertEqual(sum(bins['right']), len(self.truths))
            self.assertEqual(sum(bins['wrong']), len(self.truth))

    def test_stages_are_timed(self):
        document = self.document()
        for stage in ('read', 'decode'):
            self.assertGreater(document['seconds'][stage], 0)
        for model in document['models'][:2]:
            for stage in ('preprocess', 'network', 'search', 'total'):
                self.assertGreater(model['seconds'][stage], 0, stage)
            self.assertGreater(model['images_per_second'], 0)
        self.assertIsNone(document['models'][2]['images_per_second'])

    def test_stdout_file_and_page_say_the_same(self):
        document = self.document()
        self.assertEqual(json.loads(self.done.stdout), document)
        page = html.unescape(re.sub('<[^>]*>', ' ', self.read('index.html')))
        for model in document['models']:
            self.assertIn(model['model'], page)
            for key in ('accuracy', 'top3', 'uAP', 'recall_at_10'):
                self.assertIn(f'{100 * model[key]:.1f} %', page, key)
        self.assertIn(document['verdict'].split('.')[0], page)

    def test_again_only_what_is_missing_is_done(self):
        report = os.path.join(self.place, 'again')
        shutil.copytree(self.report, report)
        answers = os.path.join(report, 'work', 'answers-tiny-dinov2')
        before = os.stat(answers).st_mtime_ns
        done = support.akin('eval', 'run', os.path.join(self.place, 'set'),
                            '-o', report, '--terminal')
        again = json.load(open(os.path.join(report, 'report.json')))
        for old, new in zip(self.document()['models'], again['models']):
            self.assertEqual(old['seconds'], new['seconds'])
            self.assertEqual(old['intervals'], new['intervals'])
        self.assertEqual(os.stat(answers).st_mtime_ns, before)
        self.assertIn('tiny-dinov2', done.stdout)


class Parts(Case):
    """Runs that were not whole at once."""

    def test_a_run_goes_on_where_it_was_stopped(self):
        truth = make_set(self.set, 12)
        half = os.path.join(self.home, 'half.txt')
        with open(half, 'w', encoding='utf-8') as f:
            f.write('\n'.join(sorted(truth)[:20]))
        # Begun and not finished.
        os.makedirs(os.path.join(self.report, 'vectors.akin'))
        self.run_akin('--model', CLIP, '--query-list', half)
        some = json.loads(self.read('work/times.json'))
        self.assertEqual(some['models']['tiny-clip']['images'], 20 + 9)
        self.run_akin()
        whole = json.loads(self.read('work/times.json'))
        self.assertEqual(whole['models']['tiny-clip']['images'],
                         len(truth) + 9)
        parts = self.read('predictions-tiny-clip.csv')
        shutil.rmtree(self.report)
        self.run_akin('--model', CLIP)
        self.assertEqual(self.read('predictions-tiny-clip.csv'), parts)

    def test_pictures_that_cannot_be_read_count_as_not_found(self):
        truth = make_set(self.set, 12)
        for name in ('queries/Q000.jpg', 'references/R01.png'):
            with open(os.path.join(self.set, 'images', name), 'wb') as f:
                f.write(b'no picture')
        done = self.run_akin('--model', CLIP, code=1)
        self.assertIn('2 of the pictures could not be read: they count as not found',
                      done.stderr)
        with open(os.path.join(self.report, 'predictions-tiny-clip.csv')) as f:
            rows = list(csv.reader(f))[1:]
        self.assertFalse([r for r in rows if r[0] == 'Q000' or r[1] == 'R01'])
        asked = sum(r != '' for r in truth.values())
        found = self.document()
        self.assertEqual(found['positives'], asked)
        self.assertLessEqual(found['models'][0]['recall_at_10'],
                             (asked - 7) / asked)

    def test_classes_have_a_map_of_whole_rankings(self):
        for i, im in enumerate(photos(12)):
            folder = os.path.join(self.set, f'class{i % 3}')
            os.makedirs(folder, exist_ok=True)
            im.save(os.path.join(folder, f'{i:02}.png'))
        with open(os.path.join(self.set, 'class0', '99.png'), 'wb') as f:
            f.write(b'no picture')  # never found, and finds nothing
        self.run_akin('--model', DINO, code=1)
        of = vectors(self.report, 'tiny-dinov2', self.home)
        names = sorted(of, key=lambda n: (int(n) % 3, n))
        rows = unit([of[n] for n in names])
        scores, label = rows @ rows.T, [int(n) % 3 for n in names]
        precisions = []
        for q in range(len(names)):
            order = [r for r in np.argsort(-scores[q]) if r != q]
            right = np.array([label[r] == label[q] for r in order])
            at = np.cumsum(right) / np.arange(1, len(order) + 1)
            precisions.append(at[right].sum() / (4 if label[q] == 0 else 3))
        self.assertAlmostEqual(self.document()['models'][0]['mAP'],
                               sum(precisions) / 13, 6)

    def test_whitened_and_normalised_scores_are_numpys(self):
        truth = make_set(self.set, 24, train=True)
        truths = {q: r for q, r in truth.items() if r}
        self.run_akin('--model', CLIP, '--whiten', '6', '--score-norm')
        of = vectors(self.report, 'tiny-clip', self.home)
        train = np.array([v for n, v in sorted(of.items()) if n[0] == 'T'])
        mean = train.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov((train - mean).T, bias=True))
        best = np.argsort(-values)[:6]
        white = lambda rows: unit((np.array(rows) - mean) @ axes[:, best] /
                                  np.sqrt(values[best]))
        queries = sorted(truth)
        references = sorted(n for n in of if n[0] == 'R')
        q, r, t = (white([of[n] for n in names]) for names in (
            queries, references, sorted(n for n in of if n[0] == 'T')))
        scores = q @ r.T - np.sort(q @ t.T, axis=1)[:, -3:].mean(axis=1,
                                                                keepdims=True)
        predictions = [(queries[a], references[b], s)
                       for a, b, s in rank_all(scores)]
        model = self.document()['models'][0]
        self.close(model, figures(predictions, truths))
        self.assertIn('PCA whitening to 6 numbers', model['note'])

    def test_what_makes_no_sense_is_said(self):
        make_set(self.set, 6)
        truth = os.path.join(self.set, 'ground_truth.csv')
        for words, said in (
                (['--queries', 'q.npy'], 'both --queries and --references'),
                (['--whiten', '4'], 'has no folder train'),
                (['--queries', 'q.npy', '--references', 'r.npy', '--model',
                  CLIP], 'are for pictures')):
            done = self.run_akin(*words, code=2)
            self.assertIn(said, done.stderr)
        self.assertFalse(os.path.exists(self.report), truth)


class Table(Case):
    def test_one_command_makes_a_set_and_the_table(self):
        folder = support.shared('data', 'photos', 'kodak')
        words = [sys.executable, os.path.join(support.SOURCE, 'bench',
                                              'eval.py'), folder, '--quick',
                 '--count', '3', '--model', DINO, '--keep', self.home]
        said = lambda *more: subprocess.run(
            [*words, *more], capture_output=True, text=True, check=True).stdout
        text, lines = said(), said('--json')
        self.assertRegex(text, r'\A15 edited copies among 5 photos, and 3 ')
        self.assertRegex(text, r'\n\| tiny-dinov2 \|( [\d.]+ % \([^|]*\) \|){3}')
        self.assertRegex(text, r'\n\| perceptual hash \|')
        for line in map(json.loads, lines.splitlines()):
            self.assertIn(f'| {line["model"]} | {100 * line["accuracy"]:.1f} %',
                          text)


class Vectors(Case):
    """Vectors that are made: what is large enough to be stopped."""

    QUERIES, REFERENCES, DIM, PART = 12288, 12000, 192, 4096

    def make(self):
        random = np.random.default_rng(3)
        r = random.standard_normal((self.REFERENCES, self.DIM), np.float32)
        q = random.standard_normal((self.QUERIES, self.DIM), np.float32)
        q[:900] = q[:900] * .8 + r[:900] * .2
        self.words = []
        for name, rows in (('queries', q), ('references', r)):
            path = os.path.join(self.home, name + '.npy')
            np.save(path, rows)
            with open(path + '.ids', 'w', encoding='utf-8') as f:
                f.writelines(f'{name[0]}{i}\n' for i in range(len(rows)))
            self.words += [f'--{name}', path]
        self.truth = os.path.join(self.home, 'truth.csv')
        with open(self.truth, 'w', encoding='utf-8') as f:
            f.writelines(f'q{i},r{i}\n' if i < 900 else f'q{i},\n'
                         for i in range(self.QUERIES))
        return unit(q), unit(r)

    def stop(self):
        """Ends a run when the first part of its search is kept."""
        kept = os.path.join(self.report, 'work', 'answers-vectors')
        part = 24 + self.PART * 160
        for _ in range(5):
            shutil.rmtree(self.report, ignore_errors=True)
            run = subprocess.Popen(
                [support.AKIN, 'eval', 'run', self.truth, *self.words, '-o',
                 self.report, '--threads', '1'], stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL, text=True)
            while run.poll() is None and not (
                    os.path.exists(kept) and os.path.getsize(kept) > part):
                time.sleep(0.002)
            run.send_signal(signal.SIGINT)
            self.said = run.communicate()[1]
            if run.returncode == 128 + signal.SIGINT:
                return kept
        return self.fail('it was never stopped')

    def test_a_search_goes_on_and_trusts_no_damaged_part(self):
        q, r = self.make()
        kept = self.stop()
        self.assertIn('the same command goes on from there', self.said)
        with open(kept, 'rb') as f:
            before = f.read()
        self.assertLess(len(before), 3 * 160 * self.PART)
        support.akin('eval', 'run', self.truth, *self.words, '-o', self.report)
        with open(kept, 'rb') as f:
            after = bytearray(f.read())
        self.assertEqual(after[:len(before)], before)
        model = self.document()['models'][0]
        scores = q @ r.T
        truths = {i: i for i in range(900)}
        self.close(model, figures(rank_all(scores), truths))
        self.assertIn('Not shown.', self.read('index.html'))
        self.assertNotIn('None.', self.read('index.html'))
        after[64 + 24 + 4] ^= 1  # the best answer of q0, to another one
        with open(kept, 'wb') as f:
            f.write(after)
        support.akin('eval', 'run', self.truth, *self.words, '-o', self.report)
        self.assertEqual(self.document()['models'][0]['uAP'], model['uAP'])


if __name__ == '__main__':
    unittest.main()
