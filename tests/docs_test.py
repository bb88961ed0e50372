#!/usr/bin/env python3
"""What the documents say that a program can check."""
import os
import re
import shutil
import subprocess
import unittest
import xml.dom.minidom

import support


def read(*path):
    with open(os.path.join(support.SOURCE, *path), encoding='utf-8') as f:
        return f.read()


def commands(*above):
    """'compare', 'model pull', ...: every command, as --help lists them."""
    text = support.akin(*above, '--help').stdout
    if '\ncommands:\n' not in text:
        return [' '.join(above)]
    names = re.findall(r'^  ([\w-]+) ', text.split('\ncommands:\n')[1], re.M)
    return [c for name in names for c in commands(*above, name)]


def manual():
    """Command -> its options, long and short, as akin.1 lists them."""
    sections = re.split(r'^\.S[sh] ', read('docs', 'akin.1'), flags=re.M)
    found = {}
    for section in sections:
        title = re.match(r'akin ((?:[a-z-]+ ?)+)', section)
        if title:
            items = re.findall(r'^\.It Fl (.*)', section, re.M)
            found[title[1].strip()] = {
                name for item in items
                for name in re.findall(r'(?:^|, )-?(\w[\w-]*)', item)}
    return found


class Manual(unittest.TestCase):
    maxDiff = None

    def test_it_knows_the_commands_and_options_that_help_lists(self):
        helped = {}
        for command in commands():
            text = support.akin(*command.split(), '--help').stdout
            lines = re.findall(r'^  (?:-(\w),|   ) --([\w-]+)', text, re.M)
            helped[command] = {n for line in lines for n in line if n} - {
                'help', 'h'}
        self.assertEqual(manual(), helped)

    def test_mandoc_finds_nothing_wrong_with_it(self):
        if not shutil.which('mandoc'):
            self.skipTest('mandoc is not there')
        path = os.path.join(support.SOURCE, 'docs', 'akin.1')
        done = subprocess.run(['mandoc', '-Tlint', path], capture_output=True,
                              text=True)
        self.assertEqual(done.stdout + done.stderr, '')


def paths():
    """The paths of the kernels, as src/base/cpu.c names them."""
    table = re.search(r'name\[AKIN__CPU_LEVELS\] = \{(.*?)\};',
                      read('src', 'base', 'cpu.c'), re.DOTALL)[1]
    return re.findall(r'"(\w+)"', table)


def without_paths():
    """What meson's option without_paths may be, and what it is by itself."""
    option = re.search(r"option\('without_paths'.*?value: \[(.*?)\]"
                       r".*?choices: \[(.*?)\]",
                       read('meson_options.txt'), re.DOTALL)
    value, choices = (re.findall(r"'(\w+)'", part) for part in option.groups())
    return choices, value


class Processors(unittest.TestCase):
    def runs(self):
        """The paths with a passing run: processor and date."""
        table = read('docs', 'cpus.md').split('## Passing runs')[1]
        return {path for path, processor in re.findall(
            r'^\| (\w+) \| (.*?) \| \d{4}-\d\d-\d\d \|', table, re.M)
            if re.search(r'family \d+ model \d+', processor)}

    def test_a_path_without_a_recorded_run_is_switched_off(self):
        self.assertEqual(set(paths()) - self.runs(), set(without_paths()[1]))

    def test_every_path_but_plain_c_can_be_switched_off(self):
        self.assertEqual(without_paths()[0], paths()[1:])

    def test_the_pages_know_every_path(self):
        listed = re.findall(r'^\| (\w+) \|', read('docs', 'cpus.md').split(
            '## Passing runs')[0], re.M)
        self.assertEqual(listed, ['path', *paths()] * 2)
        entry = re.search(r'^\.It Ev AKIN_CPU\n(.*?)^\.It', read(
            'docs', 'akin.1'), re.M | re.DOTALL)[1]
        self.assertEqual(re.findall(r'^\.Cm (\w+)', entry, re.M), paths())


class Documents(unittest.TestCase):
    def test_the_apt_line_names_what_run_installs_to_build(self):
        packages = re.search(r'^packages="(.*?)"', read('run'),
                             re.M | re.DOTALL)[1].split()
        line = re.search(r'apt-get install(.*?)\n    meson', read('README.md'),
                         re.DOTALL)[1]
        for package in packages:
            if package not in ('python3', 'python3-venv', 'ca-certificates'):
                self.assertIn(f' {package}', line)

    def test_links_between_the_documents_lead_somewhere(self):
        for folder, _, names in os.walk(support.SOURCE):
            if re.search(r'/(build|\.)[^/]*', folder[len(support.SOURCE):]):
                continue
            for name in names:
                if name.endswith('.md'):
                    for link in re.findall(r'\]\(([^)#:]+)\)',
                                           read(folder, name)):
                        self.assertTrue(
                            os.path.exists(os.path.join(folder, link)),
                            f'{name}: {link}')

    def test_the_picture_of_the_flow_is_well_formed(self):
        xml.dom.minidom.parseString(read('docs', 'flow.svg'))


if __name__ == '__main__':
    unittest.main()
