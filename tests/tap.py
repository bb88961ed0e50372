#!/usr/bin/env python3
"""Run the unittest cases of one file and say how it went in TAP.

    tap.py tests/NAME_test.py

One line a test, a skipped one with its reason, what went wrong as comments:
so that Meson and `./run test` count tests written in Python one by one.
"""
import importlib.util
import os
import sys
import unittest


class Tap(unittest.TestResult):
    """Prints a TAP line for each test as it ends."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def say(self, verdict, test, remark='', trouble=''):
        self.count += 1
        name = test.id().replace('tests.', '').replace('#', '')
        print(f'{verdict} {self.count} - {name}{remark}')
        for line in trouble.splitlines():
            print('# ' + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('ok', test, f' # SKIP {reason}')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say('not ok', test, trouble=self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.say('not ok', test, trouble=self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:  # a test with a failed subtest has no addSuccess
            self.say('not ok', subtest,
                     trouble=self._exc_info_to_string(err, test))


def main():
    path = sys.argv[1]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location('tests', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules['tests'] = module
    try:
        spec.loader.exec_module(module)
    except unittest.SkipTest as why:  # the whole file
        print(f'1..0 # SKIP {why}')
        return 0
    result = Tap()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    print(f'1..{result.count}')
    return not result.wasSuccessful()


if __name__ == '__main__':
    sys.exit(main())
