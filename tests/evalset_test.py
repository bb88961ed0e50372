#!/usr/bin/env python3
"""Sets to measure on: each layout as its makers lay it out, and every way in
which one can be wrong, told with file and line."""
import os
import shutil
import subprocess
import tempfile
import unittest

import support

NONE = -1


class Opened:
    """What tests/evalset.c says of a set."""
    def __init__(self, text):
        rows = [line.split('\t') for line in text.splitlines()]
        self.layout, self.positives, self.pairs, self.labels = map(
            int, rows[0][1:])
        self.query, self.reference, self.train = (
            {r[1]: (r[2], int(r[3]), int(r[4]), r[5], r[6])
             for r in rows if r[0] == kind}
            for kind in ('query', 'reference', 'train'))
        self.true = {(r[1], r[2]) for r in rows if r[0] == 'true'}


class Sets(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = os.path.join(scratch.name, 'set')
        os.mkdir(self.root)

    def put(self, name, text='x'):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', newline='') as f:
            f.write(text)
        return path

    def put_all(self, *names):
        for name in names:
            self.put(name)

    def run_it(self, *options, path=None):
        return subprocess.run(
            [os.path.join(support.BUILD, 'tests', 'evalset'),
             path or self.root, *options], capture_output=True, text=True)

    def open(self, *options, path=None):
        done = self.run_it(*options, path=path)
        self.assertEqual(done.stderr, '')
        return Opened(done.stdout)

    def refused(self, *options, path=None):
        done = self.run_it(*options, path=path)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        return done.stderr.replace(self.root + '/', '').strip()


class Disc(Sets):
    """isc2021's README: images/{queries,references,train}."""
    def setUp(self):
        super().setUp()
        self.put_all('images/queries/Q00000.jpg', 'images/queries/Q00001.jpg',
                     'images/queries/Q00002.jpg', 'images/train/T000000.jpg')
        self.put_all(*(f'images/references/R{i:06}.jpg' for i in range(40)))
        self.truth('query_id,reference_id\nQ00000,R000007\nQ00001,\n')

    def truth(self, text):
        return self.put('public_ground_truth.csv', text)

    def test_ids_are_the_names_of_files(self):
        found = self.open()
        self.assertEqual(found.query['Q00000'][0], os.path.join(
            self.root, 'images/queries/Q00000.jpg'))
        self.assertEqual(found.true, {('Q00000', 'R000007')})
        self.assertEqual((len(found.reference), list(found.train)),
                         (40, ['T000000']))

    def test_a_truth_that_names_distractors_names_all_queries(self):
        self.assertEqual(list(self.open().query), ['Q00000', 'Q00001'])

    def test_a_truth_of_pairs_alone_leaves_all_queries_in(self):
        self.truth('Q00000,R000007\n')
        self.assertEqual(len(self.open().query), 3)

    def test_sscd_has_other_names_for_the_same(self):
        shutil.move(os.path.join(self.root, 'images/queries'),
                    os.path.join(self.root, 'val_query'))
        shutil.move(os.path.join(self.root, 'images/references'),
                    os.path.join(self.root, 'val_ref'))
        os.rename(os.path.join(self.root, 'public_ground_truth.csv'),
                  os.path.join(self.root, 'val_groundtruth_matches.csv'))
        self.assertEqual(self.open().true, {('Q00000', 'R000007')})

    def test_a_query_may_show_several(self):
        self.truth('Q00000,R000007\nQ00000,R000008\n')
        self.assertEqual(self.open().true, {('Q00000', 'R000007'),
                                            ('Q00000', 'R000008')})

    def test_lists_choose_and_true_ones_stay(self):
        found = self.open(
            'queries=' + self.put('q.txt', 'Q00000\n'),
            'references=' + self.put('r.txt', 'R000001\r\nR000002\r\n'))
        self.assertEqual(list(found.query), ['Q00000'])
        self.assertEqual(list(found.reference),
                         ['R000001', 'R000002', 'R000007'])

    def test_a_number_draws_by_seed_and_true_ones_stay(self):
        one = list(self.open('count=10', 'seed=1').reference)
        self.assertEqual(one, list(self.open('count=10', 'seed=1').reference))
        other = list(self.open('count=10', 'seed=2').reference)
        self.assertNotEqual(one, other)
        for drawn in (one, other):
            self.assertEqual(len(drawn), 10)
            self.assertIn('R000007', drawn)

    def test_a_larger_draw_holds_the_smaller(self):
        few, more = (set(self.open(f'count={n}', 'seed=3').reference)
                     for n in (8, 20))
        self.assertLess(few, more)

    def test_edits_are_known(self):
        self.put('edits.csv', 'query_id,edit,strength\nQ00000,crop,2\n'
                              'Q00001,,\n')
        found = self.open()
        self.assertEqual(found.query['Q00000'][3:], ('crop', '2'))
        self.assertEqual(found.query['Q00001'][3:], ('', ''))

    def test_every_mistake_is_told_with_file_and_line(self):
        csv = 'public_ground_truth.csv: line '
        for text, said in (
                ('query_id,reference_id\nQ9,R000001\n',
                 csv + '2: no picture in images/queries is named Q9'),
                ('Q00000,R9\n',
                 csv + '1: no picture in images/references is named R9'),
                ('Q00000,R000001\n\nQ00000,R000001\n',
                 csv + '3 says again that Q00000 shows R000001, as line 1 '
                 'does'),
                ('Q00000,\nQ00000,R000001\n',
                 csv + '2: Q00000 shows R000001, but line 1 says that it '
                 'shows nothing'),
                ('Q00000,R000001,0.5\n', csv + '1: 3 fields instead of 2'),
                ('Q00000,"R000001\n',
                 csv + '1: a quote that is not closed, or not a whole field'),
                ('Q00000\0,R000001\n',
                 csv + '1 holds a zero byte: is it a text?')):
            self.truth(text)
            self.assertEqual(self.refused(), said)

    def test_two_truths_want_a_name(self):
        self.put('other_ground_truth.csv', 'Q00002,R000001\n')
        self.assertIn('holds two ground truths', self.refused())
        found = self.open('truth=' + os.path.join(self.root,
                                                  'other_ground_truth.csv'))
        self.assertEqual(found.true, {('Q00002', 'R000001')})

    def test_an_id_of_two_files_is_refused(self):
        self.put('images/queries/more/Q00000.png')
        self.assertRegex(self.refused(), 'Q00000.* have the same id, Q00000$')

    def test_a_list_names_what_is_there(self):
        self.assertEqual(
            self.refused('references=' + self.put('r.txt', 'R000001\nR9\n')),
            'r.txt: line 2: no picture in images/references is named R9')

    def test_more_references_than_there_are_is_refused(self):
        self.assertIn('41 references were asked for; it has 40',
                      self.refused('count=41'))

    def test_a_truth_without_pairs_is_refused(self):
        self.truth('Q00000,\n')
        self.assertIn('no query has a true reference', self.refused())


class Copydays(Sets):
    def setUp(self):
        super().setUp()
        self.put_all('original/200000.jpg', 'original/200100.jpg',
                     'strong/200001.jpg', 'strong/200102.jpg',
                     'strong/200103.jpg', 'jpegqual/75/200100.jpg',
                     'crops/10/200000.jpg')

    def test_the_first_digits_say_which_original(self):
        true = self.open().true
        self.assertIn(('strong/200103.jpg', 'original/200100.jpg'), true)
        self.assertIn(('crops/10/200000.jpg', 'original/200000.jpg'), true)
        self.assertEqual(len(true), 7)  # originals ask as well

    def test_edit_and_strength_are_the_folders(self):
        query = self.open().query
        self.assertEqual(query['jpegqual/75/200100.jpg'][3:],
                         ('jpegqual', '75'))
        self.assertEqual(query['strong/200001.jpg'][3:], ('strong', ''))

    def test_distractors_are_references_alone(self):
        self.put('distractors/any name.jpg')
        found = self.open()
        self.assertEqual((len(found.query), len(found.reference)), (7, 3))

    def test_an_edit_of_no_original_is_refused(self):
        self.put('strong/999901.jpg')
        self.assertEqual(self.refused(), 'strong/999901.jpg: there is no '
                                         '999900 among the originals')

    def test_a_name_that_is_no_number_is_refused(self):
        self.put('strong/holiday.jpg')
        self.assertIn('strong/holiday.jpg: no name of Copydays',
                      self.refused())


class Classes(Sets):
    def test_every_picture_asks_for_the_others_of_its_class(self):
        self.put_all('cat/a.jpg', 'cat/b.jpg', 'dog/a.jpg', 'dog/x/b.jpg',
                     'dog/c.jpg', 'one/a.jpg')
        found = self.open()
        self.assertEqual((found.labels, found.pairs, found.positives),
                         (3, 2 + 6, 5))
        self.assertIn(('dog/a.jpg', 'dog/x/b.jpg'), found.true)
        self.assertNotIn(('cat/a.jpg', 'cat/a.jpg'), found.true)
        self.assertEqual([v[2] for v in found.query.values()], list(range(6)))

    def test_photos_without_folders_are_no_set(self):
        self.put('a.jpg')
        self.assertIn('lies in no class folder', self.refused())

    def test_an_empty_folder_is_no_set(self):
        self.assertIn('holds no pictures', self.refused())


class Pairs(Sets):
    def csv(self, text):
        return self.put('pairs.csv', text)

    def test_paths_begin_at_the_file_and_may_be_absolute(self):
        self.put_all('a.jpg', 'b/c, d.jpg', 'e.jpg')
        far = os.path.join(self.root, 'e.jpg')
        path = self.csv('query,reference\r\na.jpg,"b/c, d.jpg"\r\n'
                        f'a.jpg,{far}\r\n')
        self.assertEqual(self.open(path=path).true,
                         {('a.jpg', 'b/c, d.jpg'), ('a.jpg', far)})

    def test_a_row_of_one_path_is_a_distractor(self):
        self.put_all('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg')
        found = self.open(path=self.csv('a.jpg,b.jpg\nc.jpg,\n,d.jpg\n'))
        self.assertEqual((list(found.query), list(found.reference)),
                         (['a.jpg', 'c.jpg'], ['b.jpg', 'd.jpg']))

    def test_a_picture_that_is_both_is_no_answer_to_itself(self):
        self.put_all('a.jpg', 'b.jpg')
        path = self.csv('a.jpg,b.jpg\nb.jpg,a.jpg\n')
        self.assertEqual([v[2] for v in self.open(path=path).query.values()],
                         [1, 0])
        self.assertEqual(self.refused(path=self.csv('a.jpg,a.jpg\n')),
                         'pairs.csv: line 1: a.jpg is no answer to itself')

    def test_a_file_that_is_not_there_is_told(self):
        self.put('a.jpg')
        self.assertEqual(self.refused(path=self.csv('a.jpg,gone.jpg\n')),
                         'pairs.csv: line 1: there is no file gone.jpg')

    def test_a_pair_that_comes_twice_is_told(self):
        self.put_all('a.jpg', 'b.jpg')
        self.assertEqual(
            self.refused(path=self.csv('a.jpg,b.jpg\na.jpg,b.jpg\n')),
            'pairs.csv: line 2 says again that a.jpg shows b.jpg, as line 1 '
            'does')

    def test_options_of_disc_are_refused(self):
        self.put_all('a.jpg', 'b.jpg')
        self.assertIn('are for a set as DISC21', self.refused(
            'count=3', path=self.csv('a.jpg,b.jpg\n')))


if __name__ == '__main__':
    unittest.main()
