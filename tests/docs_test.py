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
    names = re.findall(r'^  (\w+) ', text.split('\ncommands:\n')[1], re.M)
    return [c for name in names for c in commands(*above, name)]


def manual():
    """Command -> its options, long and short, as akin.1 lists them."""
    sections = re.split(r'^\.S[sh] ', read('docs', 'akin.1'), flags=re.M)
    found = {}
    for section in sections:
        title = re.match(r'akin ((?:[a-z]+ ?)+)', section)
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
