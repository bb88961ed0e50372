#!/usr/bin/env python3
"""The forms of a report: its page by parsers of HTML and XML, its JSON, and
what a terminal gets."""
import glob
import html
import html.parser
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import support

MAKE = os.path.join(support.BUILD, 'tests', 'makereport')
KINDS = ('three', 'one', 'empty', 'hostile', 'many', 'classes')
VOID = {'meta', 'img', 'br'}
OPTIONAL = {'html'}  # opened, never closed


def make(kind, form, *rest, **more):
    return subprocess.run([MAKE, kind, form, *map(str, rest)], check=True,
                          capture_output=True, **more).stdout


class Page(html.parser.HTMLParser):
    """What a page holds, and whether every element is closed where it was
    opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.tags = [], [], []
        self.words, self.cells = [], []
        self.feed(text)
        self.close()
        self.wrong += [t for t in self.open if t not in OPTIONAL]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if len(dict(attributes)) != len(attributes):
            self.wrong.append(f'{tag} has an attribute twice')
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'/{tag} at line {self.getpos()[0]}')

    def handle_data(self, data):
        if not self.open or self.open[-1] != 'style':
            self.words.append(data)

    def text(self):
        return re.sub(r'\s+', ' ', ' '.join(self.words))

    def all(self, tag):
        return [a for t, a in self.tags if t == tag]


class Pages(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.picture = []
        for i in range(6):
            path = os.path.join(cls.folder.name, f'photo {i}.png')
            support.PIL.Image.fromarray(
                support.drawing(90 + 40 * i, 120, i)).save(path)
            cls.picture.append(path)
        cls.source, cls.page = {}, {}
        for kind in KINDS:
            out = os.path.join(cls.folder.name, kind + '.html')
            make(kind, 'page', out, *cls.picture)
            with open(out, encoding='utf-8') as f:
                cls.source[kind] = f.read()
            cls.page[kind] = Page(cls.source[kind])
        cls.json = {k: json.loads(make(k, 'json')) for k in KINDS}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def each(self):
        return [(self.page[kind], self.source[kind]) for kind in KINDS]

    def test_every_element_is_closed_where_it_was_opened(self):
        for page, _ in self.each():
            self.assertEqual(page.wrong, [])

    def test_every_drawing_is_xml(self):
        for page, source in self.each():
            drawings = re.findall(r'<svg.*?</svg>', source, re.S)
            self.assertEqual(len(drawings), len(page.all('svg')))
            for drawing in drawings:
                xml.etree.ElementTree.fromstring(drawing)

    def test_drawings_have_only_numbers_for_places(self):
        for _, source in self.each():
            for places in re.findall(r' (?:d|points|x|y|transform)="([^"]*)"',
                                     source):
                self.assertNotRegex(places, 'nan|inf')
                numbers = [float(n) for n in
                           re.findall(r'-?\d+(?:\.\d+)?', places)]
                self.assertLessEqual(max(map(abs, numbers)), 500)

    def test_nothing_is_fetched_and_nothing_runs(self):
        for page, source in self.each():
            self.assertFalse({t for t, _ in page.tags} & {
                'script', 'link', 'iframe', 'object', 'embed', 'base', 'form',
                'use', 'image', 'foreignobject'})
            for tag, attributes in page.tags:
                for name, value in attributes.items():
                    self.assertFalse(name.startswith('on'), (tag, name))
                    if name == 'src':
                        self.assertTrue(
                            value.startswith('data:image/jpeg;base64,'))
                    if name in ('href', 'xlink:href'):
                        self.assertTrue(value.startswith('#'), value)
            style = ' '.join(re.findall(r'<style>(.*?)</style>', source, re.S))
            self.assertNotRegex(style, r'url\(|@import|expression')
            self.assertLessEqual(set(re.findall(r'url\((.)', source)), {'#'})

    def test_names_that_would_break_out_are_words(self):
        page = self.page['hostile']
        self.assertIn('"><script>alert(\'&amp;\')</script>\\x0a\\x1b[31m\\xff'
                      '.jpg', page.text())
        self.assertNotRegex(self.source['hostile'], '[\x00-\x08\x0b-\x1f]')

    def test_links_lead_to_sections_and_ids_are_there_once(self):
        for page, source in self.each():
            ids = [a['id'] for _, a in page.tags if 'id' in a]
            self.assertEqual(len(ids), len(set(ids)))
            named = {a['href'][1:] for a in page.all('a')}
            named |= set(re.findall(r'url\(#(\w+)\)', source))
            for _, attributes in page.tags:
                named |= set(attributes.get('aria-labelledby', '').split())
            self.assertLessEqual(named, set(ids))

    def test_who_does_not_see_it_can_read_it(self):
        for page, _ in self.each():
            self.assertEqual(page.tags[0], ('html', {'lang': 'en'}))
            for picture in page.all('img'):
                self.assertTrue(picture['alt'])
            for drawing in page.all('svg'):
                self.assertTrue(drawing.get('aria-hidden') == 'true' or
                                drawing.get('role') == 'img' and
                                'aria-labelledby' in drawing)
            for heading in page.all('th'):
                self.assertIn(heading['scope'], ('col', 'row'))
            for tag, attributes in page.tags:
                if attributes.get('class') == 'scroll':  # by keys as well
                    self.assertEqual(attributes['tabindex'], '0')
                    self.assertTrue(attributes['aria-label'])

    def figures(self, value, seen, path=()):
        """The numbers of the document that a page shows, as it shows them."""
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in ('curve', 'histogram', 'rows'):
                    self.figures(inner, seen, path + (key,))
        elif isinstance(value, list):
            for inner in value:
                self.figures(inner, seen, path)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            pass
        elif isinstance(value, int):
            if path[-1] not in ('right', 'queries', 'threads', 'rank') or \
                    path[0] != 'queries':
                seen.append((path, f'{value:,}'))
        elif path[-1] in ('answer_score', 'truth_score', 'threshold_at_p90',
                          'score'):
            seen.append((path, f'{value:.3f}'))
        elif path[-1] in ('difference', 'interval'):
            seen.append((path, f'{100 * value:+.1f}'))
        elif 'seconds' in path:
            seen.append((path, f'{value:.2f} s' if value < 10 else
                         f'{value:.1f} s' if value < 100 else
                         f'{int(value + .5) // 60} min '
                         f'{int(value + .5) % 60} s'))
        elif path[-1] == 'images_per_second':
            seen.append((path, f'{value:.1f}'))
        elif path[-1] != 'p':
            seen.append((path, f'{100 * value:.1f}'))

    def test_the_page_has_every_number_of_the_document(self):
        for kind in ('three', 'one', 'many', 'classes'):
            with self.subTest(kind):
                seen = []
                self.figures({k: v for k, v in self.json[kind].items()
                              if k not in ('queries', 'edits')}, seen)
                text = self.page[kind].text()
                self.assertGreater(len(seen), 40)
                for path, number in seen:
                    if path[0] == 'pairs' and kind != 'classes':
                        continue  # as many as queries with an answer
                    self.assertRegex(text, rf'(?<![\d.,]){re.escape(number)}'
                                     r'(?![\d])', path)

    def test_edits_have_their_shares(self):
        document, text = self.json['three'], self.page['three'].text()
        for edit in document['edits']:
            for right in edit['right']:
                self.assertIn(f'{100 * right / edit["queries"]:.1f} %', text)

    def test_bins_of_both_kinds_of_scores_lie_one_over_the_other(self):
        for chart in re.findall(r'<svg class="chart".*?</svg>',
                                self.source['three'], re.S)[1:]:
            edges = []
            for kind in ('right', 'wrong'):
                path = re.search(rf'class="{kind}".*?d="([^"]*)"', chart)[1]
                edges.append({float(x) for x in re.findall(r'[MH]([\d.]+)',
                                                           path)})
            right, wrong = edges
            both = [x for x in wrong if min(right) <= x <= max(right)]
            self.assertGreater(len(both), 5)
            self.assertLessEqual(set(both), right)

    def test_curves_lie_where_their_points_say(self):
        lines = [a['points'] for a in self.page['three'].all('polyline')]
        for model, line in zip(self.json['three']['models'], lines):
            places = [tuple(map(float, p.split(','))) for p in line.split()]
            self.assertEqual(len(places), len(model['curve']))
            for (x, y), point in zip(places, model['curve']):
                self.assertAlmostEqual(x, 74 + 378 * point['recall'], delta=.06)
                self.assertAlmostEqual(y, 284 - 270 * point['precision'],
                                       delta=.06)

    def test_right_answers_are_told_in_words_too(self):
        right = sum(result['right'] for row in
                    self.json['three']['examples']['rows']
                    for model in row['models'] for result in model['results'])
        self.assertEqual(right, 8)
        self.assertEqual(self.page['three'].text().count('✓ right'), right)

    def test_pictures_are_in_it_and_lost_ones_say_why(self):
        # Four rows of a query, its truth and three answers; eight errors of
        # three pictures, of which one has no right answer.
        self.assertEqual(len(self.page['one'].all('img')), 4 * 5 + 8 * 3 - 1)
        self.assertIn('No such file', self.page['hostile'].text())

    def test_a_browser_finds_nothing_wider_than_the_screen(self):
        chromium = shutil.which('chromium') or shutil.which('google-chrome')
        if not chromium:
            self.skipTest('no chromium here')
        frame = os.path.join(self.folder.name, 'frame.html')
        with open(frame, 'w', encoding='utf-8') as f:
            for kind in ('three', 'many', 'hostile', 'classes'):
                for width in (320, 800):
                    f.write(f'<iframe title="{kind} {width}" style="width:'
                            f'{width}px;height:700px" frameborder="0" srcdoc="'
                            f'{html.escape(self.source[kind])}"></iframe>')
            f.write('<script>onload = () => document.title = '
                    '[...document.querySelectorAll("iframe")].map(f => '
                    'f.title + " " + f.contentDocument.documentElement'
                    '.scrollWidth).join()</script>')
        done = subprocess.run(
            [chromium, '--headless=new', '--no-sandbox', '--disable-gpu',
             '--hide-scrollbars', f'--user-data-dir={self.folder.name}/browser',
             '--dump-dom', 'file://' + frame], capture_output=True, text=True,
            timeout=120)
        found = re.search(r'<title>(three 320.*?)</title>', done.stdout)
        if not found:
            self.skipTest('chromium does not run here')
        for measured in found[1].split(','):
            kind, width, wide = measured.split()
            self.assertEqual(width, wide, kind)


class Documents(unittest.TestCase):
    def test_what_is_not_known_is_null(self):
        def never(name):
            self.fail(f'{name} in the document')
        for kind in KINDS:
            json.loads(make(kind, 'json'), parse_constant=never)
        empty = json.loads(make('empty', 'json'))
        model = empty['models'][0]
        for key in ('accuracy', 'uAP', 'recall_at_p90', 'dim',
                    'threshold_at_p90', 'images_per_second', 'histogram'):
            self.assertIsNone(model[key], key)
        self.assertEqual(set(model['intervals'].values()), {None})
        self.assertEqual(set(empty['seconds'].values()), {None})

    def test_names_of_any_bytes_keep_them(self):
        document = json.loads(make('hostile', 'json'))
        self.assertIn('\ufffd', document['set'])
        self.assertEqual(bytes.fromhex(document['set_hex'])[-5:], b'\xff.jpg')

    def test_every_member_is_described(self):
        with open(os.path.join(support.SOURCE, 'docs', 'json.md'),
                  encoding='utf-8') as f:
            about = f.read().split('## akin eval run')[1].split('\n## ')[0]
        keys = set()

        def walk(value):
            for inner in value.values() if isinstance(value, dict) else value:
                if isinstance(inner, (dict, list)):
                    walk(inner)
            if isinstance(value, dict):
                keys.update(value)
        for kind in ('three', 'classes'):
            walk(json.loads(make(kind, 'json')))
        missing = {k for k in keys if not re.search(rf'\b{k}\b', about)}
        self.assertEqual(missing, set())


class Terminals(unittest.TestCase):
    def setUp(self):
        self.picture = os.path.join(tempfile.mkdtemp(), 'a.png')
        self.addCleanup(shutil.rmtree, os.path.dirname(self.picture))
        support.PIL.Image.new('RGB', (64, 48), (250, 10, 20)).save(self.picture)

    def show(self, kind, width, **environment):
        return make(kind, 'terminal', width, self.picture,
                    env={**os.environ, **environment}).decode()

    def test_without_a_terminal_there_are_tables_and_no_escapes(self):
        for kind in KINDS:
            text = self.show(kind, 0)
            self.assertNotRegex(text, '[\x00-\x09\x0b-\x1f]', kind)
            self.assertIn('No pictures: the output is no terminal.'
                          if self.drawn(kind) else 'No pictures', text)

    def drawn(self, kind):
        return b'No pictures: this akin' not in make(kind, 'terminal', 100)

    def test_the_tables_have_the_models_and_their_figures(self):
        text = self.show('three', 0)
        for row in ('clip +28.4 %  27.1 to 29.6 %', 'dinov2 +64.0 %',
                    'pHash .* –\n', r'rotation, 2 +115 +29.6 % +64.3 %',
                    'Only dinov2 right: 574 queries'):
            self.assertRegex(text, row)

    def test_pictures_are_as_wide_as_the_terminal_at_most(self):
        if not self.drawn('three'):
            self.skipTest('this build has no libchafa')
        for width in (40, 80, 200):
            text = self.show('three', width, TERM='xterm-256color',
                             COLORTERM='truecolor')
            plain = re.sub('\x1b\\[[0-9;]*[A-Za-z]', '', text)
            self.assertNotIn('\x1b', plain)
            drawn = [line for line in plain.splitlines()
                     if re.search('[▀-▟]|^ *$', line) and line]
            self.assertGreater(len(drawn), 20)
            self.assertLessEqual(max(map(len, drawn)), width)
            self.assertRegex(text, r'\x1b\[[0-9;]*2;2[45]\d;\d\d?;[12]?\d')

    def test_without_colours_they_are_black_and_white(self):
        if not self.drawn('three'):
            self.skipTest('this build has no libchafa')
        text = self.show('one', 80, TERM='xterm-256color', NO_COLOR='1')
        self.assertRegex(text, '[\u2580-\u259f]')
        self.assertNotRegex(text, r'\x1b\[[0-9;]*[34]8;')

    def test_a_terminal_with_sixels_gets_them(self):
        if not self.drawn('three'):
            self.skipTest('this build has no libchafa')
        self.assertIn('\x1bP', self.show('one', 80, TERM='mlterm'))

    def test_a_narrow_terminal_is_told_so(self):
        if not self.drawn('three'):
            self.skipTest('this build has no libchafa')
        self.assertIn('No pictures: this terminal is too narrow.',
                      self.show('one', 20))


if __name__ == '__main__':
    unittest.main()
