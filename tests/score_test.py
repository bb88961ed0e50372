#!/usr/bin/env python3
"""akin eval score: the challenge's own answers, FAISS, and hostile files."""
import fractions
import json
import math
import os
import tempfile
import time
import unittest

import support
import numpy as np

try:
    import faiss
except ImportError:
    faiss = None


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = scratch.name

    def put(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, 'wb') as f:
            f.write(text.encode() if isinstance(text, str) else text)
        return path

    def score(self, truth, predictions, *options):
        done = support.akin('eval', 'score', self.put('truth.csv', truth),
                            self.put('p.csv', predictions), '--json', *options)
        return json.loads(done.stdout)

    def refused(self, truth, predictions, code=3):
        done = support.akin('eval', 'score', self.put('truth.csv', truth),
                            self.put('p.csv', predictions), '--json',
                            code=code)
        self.assertEqual(done.stdout, '')
        return done.stderr.replace(self.root + '/', '').strip()


class Challenge(Case):
    """Answers of the challenge's own scorer (isc2021)."""

    def test_its_answers_are_akins_to_1e_9(self):
        folder = support.shared('data', 'goldens', 'isc2021')
        for case in sorted(os.listdir(folder)):
            place = os.path.join(folder, case)
            with open(os.path.join(place, 'expected.json')) as f:
                expected = json.load(f)
            words = ['eval', 'score', os.path.join(place, 'ground_truth.csv'),
                     os.path.join(place, 'predictions.csv'), '--json']
            if 'error' in expected:
                done = support.akin(*words, code=3)
                self.assertEqual(done.stdout, '', case)
                self.assertRegex(done.stderr, r'predictions.csv: line \d+: '
                                 r'the pair \S+ stands already in line \d+\n')
                continue
            found = json.loads(support.akin(*words).stdout)
            self.assertEqual(found.keys(), expected.keys(), case)
            for key, value in expected.items():
                if value is None:
                    self.assertIsNone(found[key], (case, key))
                else:
                    self.assertLessEqual(abs(found[key] - value),
                                         1e-9 * max(1, abs(value)),
                                         (case, key))

    def test_equal_scores_count_against_whoever_gives_them(self):
        found = self.score('q,r\n', 'q,r,1\nq,a,1\nq,b,1\n')
        self.assertAlmostEqual(found['uAP'], 1 / 3)
        self.assertEqual((found['recall_at_1'], found['recall_at_10']), (0, 1))

    def test_zero_of_either_sign_is_one_score(self):
        self.assertEqual(self.score('q,r\n', 'q,r,0.0\nq,a,-0.0\n')['uAP'],
                         self.score('q,r\n', 'q,r,-0.0\nq,a,0.0\n')['uAP'])

    def test_90_percent_are_enough_for_90_percent(self):
        truth = ''.join(f'q{i},r{i}\n' for i in range(10))
        rows = [f'q{i},r{i},{20 - i}\n' for i in range(8)] + [
            'q8,x,11\n', 'q9,r9,10\n']
        found = self.score(truth, ''.join(rows))
        self.assertEqual((found['recall_at_p90'], found['threshold_at_p90']),
                         (0.9, 10))

    def test_all_true_pairs_are_the_denominator(self):
        self.assertEqual(self.score('q,r\np,r\ns,r\n', 'q,r,1\n'),
                         {'uAP': 1 / 3, 'recall_at_p90': 1 / 3,
                          'threshold_at_p90': 1, 'recall_at_1': 1 / 3,
                          'recall_at_10': 1 / 3})

    def test_no_prediction_at_all_is_nothing_found(self):
        self.assertEqual(self.score('q,r\n', 'query_id,reference_id,score\n'),
                         {'uAP': 0, 'recall_at_p90': None,
                          'threshold_at_p90': None, 'recall_at_1': 0,
                          'recall_at_10': 0})

    def test_unknown_queries_are_wrong_ones(self):
        self.assertEqual(self.score('q,r\n', 'x,y,2\nq,r,1\n')['uAP'], 0.5)


class Files(Case):
    TRUTH = 'q,r\np,\n'

    def test_header_returns_marks_quotes_and_blanks_change_nothing(self):
        plain = self.score(self.TRUTH, 'q,a,2\nq,r,1\n')
        for text in ('query_id,reference_id,score\nq,a,2\nq,r,1\n',
                     'query_id,reference_id,score\r\nq,a,2\r\nq,r,1\r\n',
                     '\ufeffquery_id,reference_id,score\nq,a,2\nq,r,1',
                     '"q","a","2"\n"q",r,1\n', 'q,a,2\n\n  q,r, 1 \n\n',
                     'q,a,+2e0\nq,r,1.\n'):
            self.assertEqual(self.score(self.TRUTH, text), plain, text)

    def test_scores_of_any_size_are_ordered(self):
        found = self.score('q,r\n', 'q,a,1e308\nq,b,inf\nq,r,-inf\n'
                                    'q,c,-1e308\nq,d,5e-324\n')
        self.assertEqual(found['uAP'], 0.2)
        found = self.score('q,r\n', 'q,r,Infinity\nq,b,1e308\n')
        self.assertEqual((found['recall_at_p90'], found['threshold_at_p90']),
                         (1, None))

    def test_what_is_no_prediction_is_told_with_its_line(self):
        for text, said in (
                ('q,r,nan\n', 'p.csv: line 1: the score nan is no number'),
                ('q,r,0x10\n', 'p.csv: line 1: the score 0x10 is no number'),
                ('q,a,1\nq,r,\n', 'p.csv: line 2: the score  is no number'),
                ('q,r,1,2\n', 'p.csv: line 1: 4 fields instead of 3'),
                ('q,r\n', 'p.csv: line 1: 2 fields instead of 3'),
                ('q,r,"1\n', 'p.csv: line 1: a quote that is not closed, or '
                             'not a whole field'),
                ('q,r,1\nquery_id,reference_id,score\n',
                 'p.csv: line 2: the score score is no number'),
                ('q,a,1\nx,y,1\nq,a,1\n', 'p.csv: line 3: the pair q,a stands '
                                          'already in line 1'),
                ('x,y,1\nx,y,2\n', 'p.csv: line 2: the pair x,y stands '
                                   'already in line 1')):
            self.assertEqual(self.refused(self.TRUTH, text), 'akin: ' + said)

    def test_a_truth_that_contradicts_itself_is_told(self):
        for text, said in (
                ('q,r\nq,r\n', 'truth.csv: line 2 says again that q shows r, '
                               'as line 1 does'),
                ('q,r\nq,\n', 'truth.csv: line 2: q shows nothing here and '
                              'something in a line before'),
                ('q,\nq,\n', 'truth.csv: line 2: q shows nothing, again'),
                (',r\n', 'truth.csv: line 1: the query is empty'),
                ('q,\n', 'truth.csv: no query has a true reference')):
            self.assertEqual(self.refused(text, 'q,r,1\n'), 'akin: ' + said)

    def test_500_000_rows_are_the_limit_and_take_a_second(self):
        rows = [f'Q{i // 10:05},R{i:06},{i % 997 / 997}\n'
                for i in range(500001)]
        truth = 'Q00000,R000003\n'
        start = time.monotonic()
        self.score(truth, ''.join(rows[:-1]))
        if support.option('b_sanitize') == 'none':
            self.assertLess(time.monotonic() - start, 5)
        self.assertIn('more than 500000 rows', self.refused(
            truth, ''.join(rows)))

    def test_ids_of_another_kind_are_noticed(self):
        done = support.akin('eval', 'score', self.put('t.csv', 'q,r\n'),
                            self.put('p.csv', 'q.jpg,r.jpg,1\n'))
        self.assertIn('no row is of a query that', done.stderr)

    def test_a_file_that_is_not_there_is_exit_code_3(self):
        support.akin('eval', 'score', self.put('t.csv', 'q,r\n'),
                     os.path.join(self.root, 'gone.csv'), code=3)


def uap(truth, predictions):
    """isc/metrics.py's, of dict query -> reference."""
    rows = sorted((-s, truth.get(q) == r) for q, r, s in predictions)
    right = np.array([r for _, r in rows])
    return float((np.cumsum(right) / np.arange(1, len(right) + 1) * right)
                 .sum() / len(truth))


class Sure(Case):
    """Intervals and tests, against the same done by plain resampling."""

    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(7)
        self.truth = {f'q{i}': f'r{i}' for i in range(150)}

    def answers(self, skill):
        rows = []
        for q in [f'q{i}' for i in range(200)]:
            for j in range(5):
                true = j == 0 and q in self.truth and \
                    self.random.random() < skill
                reference = self.truth[q] if true else f'x{q}-{j}'
                rows.append((q, reference, self.random.normal(1.3 * true)))
        return rows

    def write(self, name, rows):
        return self.put(name, ''.join(f'{q},{r},{s!r}\n' for q, r, s in rows))

    def truth_file(self):
        return self.put('truth.csv', ''.join(
            f'q{i},{self.truth.get(f"q{i}", "")}\n' for i in range(200)))

    def test_95_percent_are_those_of_resampled_queries(self):
        rows = self.answers(0.8)
        done = support.akin('eval', 'score', self.truth_file(),
                            self.write('p.csv', rows), '--json', '--intervals')
        found = json.loads(done.stdout)
        by_query = {}
        for row in rows:
            by_query.setdefault(row[0], []).append(row)
        queries = sorted(by_query)
        values = []
        for _ in range(1000):
            drawn = self.random.choice(queries, len(queries))
            truth, predictions = {}, []
            for i, q in enumerate(drawn):
                if q in self.truth:
                    truth[f'{i}'] = self.truth[q]
                predictions += [(f'{i}', r, s) for _, r, s in by_query[q]]
            values.append(uap(truth, predictions))
        for end, expected in zip(found['intervals']['uAP'],
                                 np.percentile(values, [2.5, 97.5])):
            self.assertAlmostEqual(end, expected, delta=0.012)
        self.assertAlmostEqual(found['uAP'], uap(self.truth, rows), delta=1e-12)

    def test_the_same_seed_gives_the_same_answer_on_any_threads(self):
        words = ['eval', 'score', self.truth_file(),
                 self.write('p.csv', self.answers(0.5)), '--json',
                 '--intervals']
        self.assertEqual(*(support.akin(*words, '--threads', n).stdout
                           for n in '13'))

    def compare(self, a, b):
        done = support.akin('eval', 'score', self.truth_file(),
                            self.write('a.csv', a), self.write('b.csv', b),
                            '--json')
        return json.loads(done.stdout)

    def test_mcnemars_test_is_a_binomials_tail(self):
        found = self.compare(self.answers(0.9), self.answers(0.6))
        accuracy = found['comparison']['accuracy']
        n = accuracy['only_a'] + accuracy['only_b']
        fewer = min(accuracy['only_a'], accuracy['only_b'])
        self.assertGreater(n, 10)
        tail = fractions.Fraction(
            2 * sum(math.comb(n, k) for k in range(fewer + 1)), 2 ** n)
        self.assertAlmostEqual(accuracy['p'], float(min(tail, 1)), delta=1e-12)
        self.assertEqual(sum(accuracy[k] for k in (
            'both', 'neither', 'only_a', 'only_b')), 150)

    def test_the_better_of_two_is_found_and_the_same_is_not(self):
        good, bad = self.answers(0.95), self.answers(0.3)
        uap_of = self.compare(good, bad)['comparison']['uAP']
        self.assertLess(uap_of['p'], 0.01)
        self.assertGreater(uap_of['interval'][0], 0)
        same = self.compare(good, good)['comparison']
        self.assertEqual((same['uAP']['p'], same['accuracy']['p']), (1, 1))
        self.assertEqual(same['uAP']['interval'], [0, 0])

    def test_two_lists_change_places(self):
        one, two = self.answers(0.7), self.answers(0.6)
        ab, ba = self.compare(one, two), self.compare(two, one)
        self.assertEqual(ab['a']['uAP'], ba['b']['uAP'])
        self.assertAlmostEqual(ab['comparison']['uAP']['difference'],
                               -ba['comparison']['uAP']['difference'])


@unittest.skipUnless(faiss, 'faiss-cpu is not there')
class Vectors(Case):
    """Vectors in npy with a list of ids, against FAISS."""
    N, M, T, DIM = 60, 300, 900, 40

    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        mix = random.normal(size=(self.DIM, self.DIM)) * \
            np.geomspace(1, 0.2, self.DIM)
        make = lambda n: (random.normal(size=(n, self.DIM)) @ mix +
                          1).astype('float32')
        self.q, self.r, self.t = make(self.N), make(self.M), make(self.T)
        self.q[:30] = self.r[:30] + random.normal(
            size=(30, self.DIM)).astype('float32')
        self.truth = self.put('truth.csv', ''.join(
            f'Q{i},' + (f'R{i}' if i < 30 else '') + '\n'
            for i in range(self.N)))
        for name, array in (('Q', self.q), ('R', self.r), ('T', self.t)):
            np.save(self.path(name), array)
            self.put(name + '.npy.ids', ''.join(
                f'{name}{i}\n' for i in range(len(array))))

    def path(self, name):
        return os.path.join(self.root, name + '.npy')

    def run_it(self, *options):
        """query -> [(reference, score)], best first, as akin writes it."""
        out = os.path.join(self.root, 'out.csv')
        done = support.akin('eval', 'score', self.truth, '--queries',
                            self.path('Q'), '--references', self.path('R'),
                            '-o', out, '--json', *options)
        found = {}
        with open(out) as f:
            self.assertEqual(next(f), 'query_id,reference_id,score\n')
            for line in f:
                q, r, s = line.strip().split(',')
                found.setdefault(int(q[1:]), []).append((int(r[1:]), float(s)))
        again = support.akin('eval', 'score', self.truth, out, '--json')
        self.assertEqual(json.loads(again.stdout), json.loads(done.stdout))
        return found

    def same(self, found, scores, ids, delta=2e-6):
        self.assertEqual(len(found), len(ids))
        for i, (score, row) in enumerate(zip(scores, ids)):
            self.assertEqual([r for r, _ in found[i]], list(row))
            np.testing.assert_allclose([s for _, s in found[i]], score,
                                       atol=delta)

    @staticmethod
    def unit(x):
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype('float32')

    def test_candidates_are_those_of_the_exact_index(self):
        self.same(self.run_it('-k', '7'),
                  *faiss.knn(self.unit(self.q), self.unit(self.r), 7,
                             faiss.METRIC_INNER_PRODUCT))

    def test_fewer_references_than_asked_for_are_all(self):
        self.assertEqual({len(v) for v in self.run_it('-k', '500').values()},
                         {self.M})

    def test_whitening_is_by_lapacks_eigenvectors(self):
        for kept in (self.DIM, 12):
            mean = self.t.astype(float).mean(axis=0)
            value, vector = np.linalg.eigh(np.cov(self.t.astype(float).T))
            matrix = (vector / np.sqrt(value))[:, ::-1][:, :kept]
            q, r = (self.unit((x - mean) @ matrix) for x in (self.q, self.r))
            self.same(self.run_it('-k', '5', '--train', self.path('T'),
                                  '--whiten', str(kept)),
                      *faiss.knn(q, r, 5, faiss.METRIC_INNER_PRODUCT),
                      delta=1e-4)

    def test_whitening_is_that_of_pcaw(self):
        codec = faiss.index_factory(self.DIM, f'PCAW{self.DIM},L2norm,Flat')
        codec.train(self.t)
        codec.add(self.r)
        distance, _ = codec.search(self.q, 5)
        found = self.run_it('-k', '5', '--train', self.path('T'), '--whiten',
                            str(self.DIM))
        np.testing.assert_allclose(
            [[s for _, s in found[i]] for i in range(self.N)],
            1 - distance / 2, atol=1e-4)

    def test_score_normalisation_is_sscds(self):
        q, r, t = map(self.unit, (self.q, self.r, self.t))
        near, _ = faiss.knn(q, t, 3, faiss.METRIC_INNER_PRODUCT)
        q = np.hstack([q, -near.mean(axis=1, keepdims=True)])
        r = np.hstack([r, np.ones((len(r), 1), 'float32')])
        self.same(self.run_it('-k', '6', '--train', self.path('T'),
                              '--score-norm'),
                  *faiss.knn(q, r, 6, faiss.METRIC_INNER_PRODUCT))

    def test_a_list_of_paths_gives_ids_as_well(self):
        before = self.run_it()
        os.remove(self.path('R') + '.ids')
        self.put('R.npy.paths', ''.join(
            f'a/b/R{i}.jpg\n' for i in range(self.M)))
        self.assertEqual(self.run_it(), before)

    def refuse(self, *options, code=3):
        done = support.akin('eval', 'score', self.truth, '--queries',
                            self.path('Q'), '--references', self.path('R'),
                            *options, code=code)
        return done.stderr.replace(self.root + '/', '').strip()

    def test_what_does_not_fit_is_told(self):
        self.put('R.npy.ids', 'R0\nR1\n')
        self.assertEqual(self.refuse(), 'akin: R.npy: has 300 rows, the list '
                                        'of its ids 2 lines')
        self.put('R.npy.ids', 'R0\nR0\n')
        self.assertIn('line 2: the id R0 stands there twice', self.refuse())
        self.put('R.npy.ids', ''.join(f'S{i}\n' for i in range(self.M)))
        self.assertEqual(self.refuse(),
                         'akin: truth.csv: line 1: there is no reference R0')
        os.remove(self.path('R') + '.ids')
        self.assertIn('there is no list of its ids', self.refuse())

    def test_too_few_or_too_flat_vectors_do_not_whiten(self):
        np.save(self.path('T'), self.t[:30])
        self.put('T.npy.ids', ''.join(f'T{i}\n' for i in range(30)))
        self.assertIn('30 vectors are too few', self.refuse(
            '--train', self.path('T'), '--whiten', '40', code=2))
        self.t[:, 20:] = self.t[:, :20]
        np.save(self.path('T'), self.t)
        self.put('T.npy.ids', ''.join(f'T{i}\n' for i in range(self.T)))
        self.assertIn('differ in 20 dimensions', self.refuse(
            '--train', self.path('T'), '--whiten', '30', code=2))

    def test_options_that_do_not_fit_are_told(self):
        self.assertIn('need --train', self.refuse('--whiten', '3', code=2))
        self.assertIn('is for --whiten', self.refuse(
            '--train', self.path('T'), code=2))
        done = support.akin('eval', 'score', self.truth, code=2)
        self.assertIn('needs PREDICTIONS.csv', done.stderr)


class Tables(Case):
    def test_the_table_says_what_the_json_says(self):
        truth = self.put('t.csv', 'q,r\np,\n')
        rows = self.put('p.csv', 'q,a,2\nq,r,1\n')
        text = support.akin('eval', 'score', truth, rows, '--intervals').stdout
        self.assertIn('2 queries, 1 of them with a true reference, 1 true '
                      'pairs', text)
        self.assertRegex(text, r'(?m)^uAP +50\.00 % ')
        self.assertRegex(text, r'(?m)^top 3, of all queries +50\.00 %')
        self.assertRegex(text, r'(?m)^its threshold +never')


if __name__ == '__main__':
    unittest.main()
