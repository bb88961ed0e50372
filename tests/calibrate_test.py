#!/usr/bin/env python3
"""akin eval calibrate: from which cosine on a copy is certain. numpy, made
scores whose probability is known, and published values judge."""
import json
import math
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

from cli_case import CLIP, DINO, Case
from read_certainty import read_certainty
from read_index import read_index
from support import AKIN, BUILD, SOURCE, akin, drawing

import numpy as np
import PIL.Image

MAKEINDEX = os.path.join(BUILD, 'tests', 'makeindex')


class Made(unittest.TestCase):
    """An index of made vectors, model "made", and predictions of ids."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='akin-calibrate-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.index = self.path('x.akin')
        raw = self.path('raw')
        np.random.default_rng(1).standard_normal((6, 8)).astype('<f4').tofile(
            raw)
        subprocess.run([MAKEINDEX, 'make', self.index, raw, '6', '8'],
                       check=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, answers):
        """The two files, of answers (query, score, right), each of another
        reference where no fourth says of which."""
        truth, predictions = {}, []
        for i, (query, score, right, *name) in enumerate(answers):
            reference = f'N{name[0]}' if name else f'R{i}'
            truth.setdefault(query, [])
            if right:
                truth[query].append(reference)
            predictions.append(f'Q{query},{reference},{float(score)!r}\n')
        with open(self.path('truth.csv'), 'w', encoding='ascii') as f:
            for query, references in truth.items():
                f.writelines(f'Q{query},{r}\n' for r in references or [''])
        with open(self.path('answers.csv'), 'w', encoding='ascii') as f:
            f.writelines(predictions)

    def calibrate(self, answers, *args, code=0):
        self.write(answers)
        done = akin('eval', 'calibrate', self.path('truth.csv'),
                    self.path('answers.csv'), '-i', self.index, '--json',
                    *args, code=code)
        return done.stderr if code else json.loads(done.stdout)

    def thresholds(self, answers):
        return [t['cosine'] for t in self.calibrate(answers)['thresholds']]


def singles(scores, right):
    return list(zip(range(len(scores)), scores, right))


# ---------------------------------------------------------------- numpy ----

def lower_bound(right, wrong):
    """The 5th percentile of a beta distribution, by its density on a grid."""
    if right <= 0:
        return 0.0
    x = (np.arange(400000) + 0.5) / 400000
    log = (right - 1) * np.log(x) + wrong * np.log1p(-x)
    mass = np.cumsum(np.exp(log - log.max()))
    return float(np.interp(0.05, mass / mass[-1], x + 0.5 / 400000))


def curve(answers):
    """{step: probability} as docs/eval.md has it, as plainly as can be."""
    step = np.array([math.floor(a[1] * 1000 + 1e-6) for a in answers])
    query = np.array([a[0] for a in answers])
    reference = np.array([a[3] if len(a) > 3 else 1000 + i
                          for i, a in enumerate(answers)])
    right = np.array([a[2] for a in answers], float)
    steps = range(step.min(), step.max() + 2)
    shown, found = 0.0, {}
    for s in steps:
        at = step >= s
        if (step == s).any():
            kish = min(n.sum() ** 2 / (n ** 2).sum()
                       for n in (np.bincount(query[at]),
                                 np.bincount(reference[at])))
            share = right[at].mean()
            shown = max(shown, lower_bound(share * kish, (1 - share) * kish))
        found[s] = min(near(step, right, s, steps), shown)
    return found


def near(step, right, s, steps):
    """Isotonic regression with a wrong answer at s, as max-min of means."""
    return max(min((right[(step >= a) & (step <= b)].sum()
                    / (((step >= a) & (step <= b)).sum() + 1))
                   for b in steps if b >= s) for a in steps if a <= s)


class Curve(Made):
    def compare(self, answers):
        self.calibrate(answers)
        kept = read_certainty(self.index, 'made')['at']
        theirs = curve(answers)
        for s, p in theirs.items():
            self.assertAlmostEqual(kept[s + 1000], p, delta=1e-5, msg=s)
        self.assertTrue(np.isnan(kept[:min(theirs) + 1000]).all())
        np.testing.assert_array_equal(kept[max(theirs) + 1000:],
                                      kept[max(theirs) + 1000])

    def test_it_is_that_of_numpy(self):
        for seed in range(4):
            r = np.random.default_rng(seed)
            score = np.round(r.uniform(0.9, 0.94, 300), 4)
            self.compare(singles(score, r.random(300) <
                                 (score - 0.9) / 0.035))

    def test_it_is_that_of_numpy_with_many_answers_to_a_query(self):
        for seed in range(3):
            r = np.random.default_rng(seed)
            query = r.integers(0, 40, 400) // r.integers(1, 6, 400)
            score = np.round(r.uniform(0.5, 0.53, 400), 4)
            self.compare(list(zip(query.tolist(), score, r.random(400) <
                                  (score - 0.5) / 0.02)))

    def test_it_is_that_of_numpy_with_many_versions_of_a_picture(self):
        for seed in range(3):
            r = np.random.default_rng(seed)
            reference = r.integers(0, 30, 400) // r.integers(1, 4, 400)
            score = np.round(r.uniform(0.5, 0.53, 400), 4)
            self.compare(list(zip(range(400), score, r.random(400) <
                                  (score - 0.5) / 0.02, reference.tolist())))

    def test_the_bound_is_clopper_and_pearsons(self):
        """Right answers among n of one score; the chance of so many or more
        right ones at the bound is 5 %, by binomial numbers."""
        for right, wrong in ((20, 0), (9, 1), (50, 3), (960, 40), (3, 17)):
            n = right + wrong
            self.calibrate(singles([0.5] * n, [True] * right +
                                   [False] * wrong))
            p = float(read_certainty(self.index, 'made')['at'][1500])
            chance = sum(math.comb(n, k) * p ** k * (1 - p) ** (n - k)
                         for k in range(right, n + 1))
            self.assertAlmostEqual(chance, 0.05, delta=2e-5)

    def test_the_order_of_the_answers_is_nothing(self):
        r = np.random.default_rng(5)
        score = r.uniform(0.6, 1, 500)
        answers = list(zip(r.integers(0, 99, 500).tolist(), score,
                           r.random(500) < score))
        self.calibrate(answers)
        with open(os.path.join(self.index, 'certainty-0'), 'rb') as f:
            first = f.read()
        random.Random(1).shuffle(answers)
        self.write(answers)
        akin('eval', 'calibrate', self.path('truth.csv'),
             self.path('answers.csv'), '-i', self.index)
        with open(os.path.join(self.index, 'certainty-0'), 'rb') as f:
            self.assertEqual(f.read(), first)


class Claims(Made):
    MIDDLE, WIDTH = 0.85, 0.02

    def draw(self, seed, count):
        """Answers that are right with a probability that is known."""
        r = np.random.default_rng(seed)
        score = r.uniform(0.6, 1, count)
        p = 1 / (1 + np.exp(-(score - self.MIDDLE) / self.WIDTH))
        return singles(score, r.random(count) < p)

    def true_cosine(self, p):
        return self.MIDDLE + self.WIDTH * math.log(p / (1 - p))

    def true_share(self, cosine):
        """Of right answers among those at the cosine and above."""
        s = np.linspace(cosine, 1, 10001)
        return (1 / (1 + np.exp(-(s - self.MIDDLE) / self.WIDTH))).mean()

    def test_thresholds_are_where_the_probability_is(self):
        found = np.array([self.thresholds(self.draw(seed, 8000))[:2]
                          for seed in range(12)], float)
        for i, p in enumerate((0.9, 0.99)):
            error = found[:, i] - self.true_cosine(p)
            self.assertLess(abs(error.mean()), 0.01, p)
            self.assertLess(error.std(), 0.02, p)

    def test_no_more_is_claimed_than_is_so(self):
        """What is said to be right so often is, among all answers from there
        on; the bound may fail once in twenty."""
        claims = wrong = 0
        for count in (60, 150, 400, 1200):
            for seed in range(10):
                for p, cosine in zip((0.9, 0.99, 0.999), self.thresholds(
                        self.draw(1000 + seed, count))):
                    claims += cosine is not None
                    wrong += cosine is not None and \
                        self.true_share(cosine) < p
        self.assertGreater(claims, 20)
        self.assertLessEqual(wrong, claims / 20)

    def test_twenty_answers_show_no_99_percent(self):
        found = self.calibrate(singles([0.99] * 20, [True] * 20))
        self.assertEqual([(t['cosine'], t['lacking'])
                          for t in found['thresholds']],
                         [(None, 9), (None, 279), (None, 2975)])

    def test_what_is_lacking_is_enough_and_no_less_is(self):
        answers = self.draw(3, 200)
        top = 0.0005 + max(s for _, s, _ in answers)
        for t, p in enumerate((0.9, 0.99)):
            lacking = self.calibrate(answers)['thresholds'][t]['lacking']
            if not lacking:
                continue
            for more, there in ((lacking, True), (lacking - 1, False)):
                longer = answers + [(1000 + i, top, True)
                                    for i in range(more)]
                self.assertEqual(self.thresholds(longer)[t] is not None,
                                 there, (p, more))

    def test_the_fewest_right_answers_are_29_and_299(self):
        for count, index in ((29, 0), (299, 1)):
            self.assertEqual(self.thresholds(singles(
                [0.95] * count, [True] * count))[index], 0.95)
            self.assertIsNone(self.thresholds(singles(
                [0.95] * (count - 1), [True] * (count - 1)))[index])

    def test_answers_of_one_query_or_one_picture_are_no_independent_ones(self):
        many = [(i // 10, 0.95, True) for i in range(60)]
        self.assertIsNone(self.thresholds(many)[0])
        versions = [(i, 0.95, True, i // 10) for i in range(60)]
        self.assertIsNone(self.thresholds(versions)[0])
        self.assertEqual(self.thresholds(singles([0.95] * 60,
                                                 [True] * 60))[0], 0.95)

    def test_thresholds_come_with_the_answers_there(self):
        found = self.calibrate(self.draw(1, 3000))
        answers = self.draw(1, 3000)
        for t in found['thresholds'][:2]:
            there = [r for _, s, r in answers if s >= t['cosine']]
            self.assertEqual((t['pairs'], t['right'], t['lacking']),
                             (len(there), sum(there), 0))

    def test_what_is_no_cosine_is_refused(self):
        said = self.calibrate([(0, 0.5, True), (1, 37.5, True)], code=3)
        self.assertIn('37.5 is no cosine', said)

    def test_where_nothing_is_right_nothing_is_learned(self):
        self.write([(0, 0.5, False), (1, 0.7, False)])
        with open(self.path('truth.csv'), 'a', encoding='ascii') as f:
            f.write('Q2,R2\n')
        said = akin('eval', 'calibrate', self.path('truth.csv'),
                    self.path('answers.csv'), '-i', self.index, code=3).stderr
        self.assertIn('none of 2 answers is right', said)
        self.assertFalse(os.path.exists(
            os.path.join(self.index, 'certainty-0')))


# ------------------------------------------------------------ the index ----

class Kept(Made):
    def setUp(self):
        super().setUp()
        self.calibrate(singles(np.linspace(0.9, 1, 400), [True] * 400) +
                       [(500 + i, 0.3 + i / 2000, False) for i in range(99)])
        self.file = os.path.join(self.index, 'certainty-0')
        with open(self.file, 'rb') as f:
            self.bytes = f.read()

    def info(self, index=None):
        return json.loads(akin('info', index or self.index, '--json').stdout)[
            'models'][0]['certainty']

    def spoil(self, name, at):
        with open(os.path.join(self.index, name), 'r+b') as f:
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 16]))

    def test_info_tells_it(self):
        told = self.info()
        self.assertEqual((told['truth'], told['pairs'], told['right']),
                         ('truth.csv', 499, 400))
        self.assertEqual([t['certain'] for t in told['thresholds']],
                         [0.9, 0.99, 0.999])
        self.assertIsNone(told['thresholds'][2]['cosine'])
        text = akin('info', self.index).stdout
        self.assertIn(f"99 % certain from cosine "
                      f"{told['thresholds'][1]['cosine']:.3f} on", text)
        self.assertIn('by 499 answers to truth.csv', text)

    def test_a_moved_index_keeps_it(self):
        before = self.info()
        os.mkdir(self.path('elsewhere'))
        shutil.move(self.index, self.path('elsewhere', 'y.akin'))
        self.assertEqual(self.info(self.path('elsewhere', 'y.akin')), before)

    def test_a_repair_of_other_damage_keeps_it(self):
        self.spoil('rows-0.f32', 70)
        akin('verify', self.index, code=4)
        akin('repair', self.index, code=1)
        with open(self.file, 'rb') as f:
            self.assertEqual(f.read(), self.bytes)
        akin('verify', self.index)

    def test_a_flip_in_it_is_found_told_and_taken_away(self):
        for at in (3, 9, 25, 62, 70, 120, 5000, len(self.bytes) - 1):
            with open(self.file, 'wb') as f:
                f.write(self.bytes)
            self.spoil('certainty-0', at)
            done = akin('verify', self.index, code=4)
            self.assertIn('certainty-0: damaged', done.stderr)
            akin('info', self.index, code=4)
            done = akin('repair', self.index)
            self.assertIn('`akin eval calibrate` makes it again', done.stderr)
            self.assertIsNone(self.info())
            akin('verify', self.index)

    def test_a_short_or_long_one_is_damage(self):
        for data in (b'', self.bytes[:-1], self.bytes + b'\0'):
            with open(self.file, 'wb') as f:
                f.write(data)
            akin('verify', self.index, code=4)

    def test_that_of_other_vectors_is_none(self):
        head = bytearray(self.bytes[:64])
        head[30] ^= 1
        import zlib
        head[60:] = struct.pack('<I', zlib.crc32(head[:60]))
        with open(self.file, 'wb') as f:
            f.write(head + self.bytes[64:])
        self.assertIsNone(self.info())
        akin('verify', self.index)

    def test_an_index_without_it_knows_none(self):
        v1 = self.path('v1.akin')
        shutil.copytree(os.path.join(SOURCE, 'tests', 'golden', 'v1.akin'), v1)
        self.assertIsNone(self.info(v1))

    def test_an_index_that_is_being_written_is_left_alone(self):
        holder = subprocess.Popen(
            ['flock', os.path.join(self.index, 'lock'), 'sleep', '20'])
        self.addCleanup(holder.wait)
        self.addCleanup(holder.terminate)
        for _ in range(200):
            if subprocess.run(['flock', '-n', os.path.join(self.index, 'lock'),
                               'true'], check=False).returncode:
                break
        self.calibrate([(0, 0.9, True)], code=4)


class Used(Case):
    """Photos, copies of them, and what search and dups say."""

    def setUp(self):
        super().setUp()
        for i in range(12):
            picture = PIL.Image.fromarray(drawing(200, 150, 100 + i))
            picture.save(self.path('photos', f'p{i}.png'))
            picture.save(self.path('photos', f'c{i}.jpg'), quality=40)
        self.count += 24
        self.index()

    def calibrate(self, model=DINO):
        """From made answers: right from 0.6 on, wrong below 0.5."""
        with open(self.path('t.csv'), 'w', encoding='ascii') as truth, \
                open(self.path('a.csv'), 'w', encoding='ascii') as answers:
            for i in range(900):
                cosine = 0.6 + i / 2250 if i < 700 else 0.1 + i / 2250
                truth.write(f'Q{i},{"R%d" % i if i < 700 else ""}\n')
                answers.write(f'Q{i},R{i},{cosine}\n')
        return self.json('eval', 'calibrate', 't.csv', 'a.csv', '-i', 'x.akin',
                         '--model', os.path.basename(model))

    def test_search_states_what_the_index_keeps(self):
        self.calibrate()
        at = read_certainty(self.path('x.akin'), 'tiny-dinov2')['at']
        clip, dino = self.json('search', 'photos/c3.jpg', '-i', 'x.akin',
                               '-k', '30')['models']
        self.assertEqual({r['probability'] for r in clip['results']}, {None})
        stated = [r['probability'] for r in dino['results']]
        for r in dino['results']:
            kept = at[math.floor(r['cosine'] * 1000 + 1e-6) + 1000]
            self.assertTrue(r['probability'] is None if np.isnan(kept) else
                            abs(r['probability'] - kept) < 1e-6, r)
        self.assertGreater(stated[0], 0.99)

    def test_search_shows_it_in_table_and_page(self):
        before = self.akin('search', 'photos/c3.jpg', '-i', 'x.akin').stdout
        self.assertNotIn('certain', before)
        self.calibrate()
        done = self.akin('search', 'photos/c3.jpg', '-i', 'x.akin', '--html',
                         'page.html')
        self.assertIn('certain', done.stdout.splitlines()[1])
        self.assertIn('99.', done.stdout)
        with open(self.path('page.html'), encoding='utf-8') as f:
            self.assertRegex(f.read(), r'99\.\d % certain')

    def test_words_and_mixes_are_no_copies(self):
        self.calibrate(CLIP)
        for query, known in ((['photos/p1.png', '+', 'photos/p2.png'], False),
                             (['--text', 'an apple'], False),
                             (['photos/p1.png'], True)):
            answer = self.json('search', *query, '-i', 'x.akin', '--model',
                               'tiny-clip')
            self.assertEqual({r['probability'] is not None
                              for m in answer['models']
                              for r in m['results'][:1]}, {known}, query)

    def test_dups_takes_the_cosine_of_99_percent(self):
        answer = self.json('dups', '-i', 'x.akin')
        self.assertEqual([m['certain'] for m in answer['models']],
                         [None, None])
        cosine = self.calibrate()['thresholds'][1]['cosine']
        answer = self.json('dups', '-i', 'x.akin')
        self.assertEqual([(m['threshold'], m['certain'])
                          for m in answer['models']],
                         [(0.8, None), (cosine, 0.99)])
        copy = answer['groups'][0]['files'][1]
        clip, dino = copy['scores']
        self.assertIsNone(clip['probability'])
        self.assertGreaterEqual(dino['probability'], 0.99 - 1e-6)
        table = self.akin('dups', '-i', 'x.akin', '--html', 'page.html')
        self.assertRegex(table.stdout, r'\(99\.\d % certain\)')
        self.assertIn(f'from cosine {cosine:.3f} on, where a copy is 99 % '
                      'certain', table.stderr)
        with open(self.path('page.html'), encoding='utf-8') as f:
            self.assertIn('% certain</span>', f.read())

    def test_a_threshold_that_is_given_comes_first(self):
        self.calibrate()
        answer = self.json('dups', '-i', 'x.akin', '--threshold', '0.75')
        self.assertEqual([(m['threshold'], m['certain'])
                          for m in answer['models']],
                         [(0.75, None), (0.75, None)])

    def test_it_outlives_another_update(self):
        self.calibrate()
        PIL.Image.fromarray(drawing(90, 80, 7)).save(self.photo('new.png'))
        self.index()
        self.assertIsNotNone(self.json('info', 'x.akin')['models'][1][
            'certainty'])

    def test_predictions_need_one_model(self):
        self.calibrate()
        done = self.akin('eval', 'calibrate', 't.csv', 'a.csv', '-i', 'x.akin',
                         code=2)
        self.assertIn('--model says which', done.stderr)
        done = self.akin('eval', 'calibrate', 't.csv', 'a.csv', '-i', 'x.akin',
                         '--model', 'other', code=4)
        self.assertIn('has no model other', done.stderr)


class Sets(Case):
    """Sets of pictures that are in the index."""

    def setUp(self):
        super().setUp()
        rows = ['query_id,reference_id\n']
        for i in range(9):
            picture = PIL.Image.fromarray(drawing(160, 120, 300 + i))
            picture.save(self.photo(f'r{i}.png'))
            if i < 7:
                picture.resize((100, 75)).save(self.photo(f'q{i}.jpg'))
                rows.append(f'q{i}.jpg,r{i}.png\n')
        rows.append('square.png,\n')
        with open(self.photo('pairs.csv'), 'w', encoding='ascii') as f:
            f.writelines(rows)
        self.index()

    def test_the_answers_are_the_nearest_that_numpy_finds(self):
        vectors = {os.path.basename(p.decode()): np.array(v) for p, v in
                   read_index(self.path('x.akin'), 'tiny-dinov2')}
        found = self.json('eval', 'calibrate', 'photos/pairs.csv', '-i',
                          'x.akin', '--model', 'tiny-dinov2')
        references = [f'r{i}.png' for i in range(7)]
        queries = [f'q{i}.jpg' for i in range(7)] + ['square.png']
        self.assertEqual((found['queries'], found['pairs'], found['right']),
                         (8, 8 * 7, 7))
        cosines = [vectors[q] @ vectors[r] for q in queries
                   for r in references]
        at = read_certainty(self.path('x.akin'), 'tiny-dinov2')['at']
        self.assertEqual(np.flatnonzero(~np.isnan(at))[0],
                         math.floor(min(cosines) * 1000) + 1000)

    def test_all_models_are_calibrated(self):
        lines = self.akin('eval', 'calibrate', 'photos/pairs.csv', '-i',
                          'x.akin', '--json').stdout.splitlines()
        self.assertEqual([json.loads(line)['model'] for line in lines],
                         ['tiny-clip', 'tiny-dinov2'])
        for model in self.json('info', 'x.akin')['models']:
            self.assertEqual(model['certainty']['truth'], 'pairs.csv')

    def test_the_table_says_what_is_lacking(self):
        text = self.akin('eval', 'calibrate', 'photos/pairs.csv', '-i',
                         'x.akin').stdout
        self.assertIn('99.9 %: these answers do not show it; it takes', text)

    def test_a_picture_that_is_not_in_the_index_is_named(self):
        PIL.Image.fromarray(drawing(50, 50, 1)).save(self.photo('late.png'))
        with open(self.photo('pairs.csv'), 'a', encoding='ascii') as f:
            f.write('late.png,r8.png\n')
        done = self.akin('eval', 'calibrate', 'photos/pairs.csv', '-i',
                         'x.akin', code=3)
        self.assertIn('late.png: is not in x.akin; `akin index` the set first',
                      done.stderr)

    def test_a_picture_that_cannot_be_read_asks_nothing(self):
        self.write('photos/bad.jpg', b'no picture')
        with open(self.photo('pairs.csv'), 'a', encoding='ascii') as f:
            f.write('bad.jpg,r8.png\n')
        self.index(code=None)
        found = self.json('eval', 'calibrate', 'photos/pairs.csv', '-i',
                          'x.akin', '--model', 'tiny-dinov2')
        self.assertEqual((found['queries'], found['right']), (8, 7))

    def test_classes_leave_the_own_file_out(self):
        for c in range(3):
            os.makedirs(self.path('classes', f'k{c}'))
            for i in range(4):
                PIL.Image.fromarray(drawing(60, 60, 10 * c + i)).save(
                    self.path('classes', f'k{c}', f'{i}.png'))
        self.akin('index', 'classes', '-i', 'y.akin', '--model', DINO)
        found = self.json('eval', 'calibrate', 'classes', '-i', 'y.akin')
        self.assertEqual((found['queries'], found['pairs']), (12, 120))


if __name__ == '__main__':
    unittest.main()
