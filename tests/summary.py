#!/usr/bin/env python3
"""Sum up what `meson test` left in its logs, counting single tests.

    summary.py BUILD...

Prints a line for each test program, the skipped tests with their reasons, the
failed ones with what they said, and last of all "N passed, N failed" (", N skipped" if any).
Ends with 1 when something failed or nothing ran.
"""
import json
import os
import re
import sys

LINE = re.compile(r'(not )?ok\b[ \d]*-? ?(.*)')
SKIP = re.compile(r'\s*# SKIP\S*\s*(.*)', re.IGNORECASE)


def count(entry):
    """The passed, failed and skipped tests of one program, by name."""
    passed, failed, skipped = [], [], []
    for line in entry.get('stdout', '').splitlines():
        if re.match(r'1\.\.0\b', line):  # a program that skips itself whole
            skipped.append(('all of it', SKIP.sub(r'\1', line[4:])))
        match = LINE.match(line)
        if not match:
            continue
        name, reason = match[2], SKIP.search(match[2])
        if match[1]:
            failed.append(name)
        elif reason:
            skipped.append((name[:reason.start()], reason[1]))
        else:
            passed.append(name)
    if entry['result'] not in ('OK', 'SKIP') and not failed:
        failed.append(f"the program itself: {entry['result'].lower()}")
    return passed, failed, skipped


def name_of(listed):
    """What Meson lists as `akin:slow / every_index`."""
    return listed.strip().split(' / ')[-1]


def missing(build, entries):
    """Tests that were to run and left no word, when Meson itself broke off."""
    with open(os.path.join(build, 'meson-logs', 'planned.txt'),
              encoding='utf-8') as f:
        planned = {name_of(line) for line in f}
    ran = {name_of(entry['name']) for entry in entries}
    return [{'name': name, 'result': 'did not run', 'duration': 0}
            for name in planned - ran]


def main():
    totals = [0, 0, 0]
    notes = []
    for build in sys.argv[1:]:
        log = os.path.join(build, 'meson-logs', 'testlog.json')
        if not os.path.exists(log):
            print(f'{build}: no tests were run')
            totals[1] += 1
            continue
        with open(log, encoding='utf-8') as f:
            entries = [json.loads(line) for line in f]
        entries += missing(build, entries)
        for entry in sorted(entries, key=lambda e: e['name']):
            passed, failed, skipped = count(entry)
            name = name_of(entry['name'])
            where = '' if build == sys.argv[1] else f' ({build})'
            print(f'{name + where:32} {len(passed):5} passed {len(failed):4} '
                  f'failed {len(skipped):4} skipped {entry["duration"]:7.1f} s')
            notes += [f'skipped: {name}{where}: {test}: {why}'
                      for test, why in skipped]
            if failed:
                said = [line for line in entry.get('stdout', '').splitlines()
                        if line.startswith('#')]
                notes += said[-40:]
            notes += [f'FAILED: {name}{where}: {test}' for test in failed]
            for i, some in enumerate((passed, failed, skipped)):
                totals[i] += len(some)
    for note in notes:
        print(note)
    print(f'{totals[0]} passed, {totals[1]} failed'
          + (f', {totals[2]} skipped' if totals[2] else ''))
    return totals[1] != 0 or totals[0] == 0


if __name__ == '__main__':
    sys.exit(main())
