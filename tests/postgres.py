"""A server of PostgreSQL with pgvector for the tests, of the package pgserver.

Only its binaries are used: pgserver itself makes a user of the system when it
is run by root, and opens the folders above. PostgreSQL refuses root, so for
root they are copied to where the user nobody can reach them.
"""
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import unittest


def _binaries():
    found = importlib.util.find_spec('pgserver')
    folder = found and os.path.join(os.path.dirname(found.origin), 'pginstall')
    if not folder or not os.path.exists(os.path.join(folder, 'bin', 'initdb')):
        raise unittest.SkipTest('the package pgserver is not there; '
                                './run test brings it where it has a wheel')
    return folder


class Server:
    """Runs until stop(); the database is `postgres`, its user the same."""

    def __init__(self):
        install = _binaries()
        self._folder = tempfile.mkdtemp(prefix='akin-pg-')
        self._as = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam('nobody')
            self._as = {'user': nobody.pw_uid, 'group': nobody.pw_gid,
                        'extra_groups': []}
            copied = os.path.join(self._folder, 'pgserver', 'pginstall')
            shutil.copytree(install, copied, symlinks=True)
            libraries = os.path.join(install, '..', '..', 'pgserver.libs')
            if os.path.exists(libraries):  # found by the way there
                shutil.copytree(libraries, os.path.join(self._folder,
                                                        'pgserver.libs'))
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            install = copied
        os.chmod(self._folder, 0o755)
        self._bin = os.path.join(install, 'bin')
        self._data = os.path.join(self._folder, 'data')
        self._run('initdb', '-D', self._data, '-U', 'postgres', '--no-sync',
                  '--auth-local=scram-sha-256', '--encoding=utf8',
                  '--locale=C', '--pwfile', self._password())
        self._run('pg_ctl', '-D', self._data, '-w', '-l',
                  os.path.join(self._folder, 'log'), '-o',
                  f"-F -c listen_addresses='' -k '{self._folder}'", 'start')

    def _password(self):
        path = os.path.join(self._folder, 'password')
        with open(path, 'w') as f:
            f.write('s3cret/@word\n')
        os.chmod(path, 0o644)
        return path

    def _run(self, name, *args):
        done = subprocess.run([os.path.join(self._bin, name), *args],
                              cwd=self._folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **self._as)
        if done.returncode:
            self.stop()
            raise AssertionError(f'{name}: {done.stdout}')

    def uri(self, password='s3cret%2F%40word', user='postgres', database=''):
        secret = f':{password}' if password else ''
        return (f'postgresql://{user}{secret}@/{database or "postgres"}'
                f'?host={self._folder}')

    def sql(self, text, *args, code=0, database=''):
        """What psql prints of the statements: rows of fields."""
        done = subprocess.run(
            [os.path.join(self._bin, 'psql'), '-X', '-q', '-A', '-t', '-F',
             '\t', '-v', 'ON_ERROR_STOP=1', self.uri(database=database), *args],
            input=text, capture_output=True, text=True)
        if done.returncode != code:
            raise AssertionError(f'psql: {done.stderr}\n{text}')
        return [line.split('\t') for line in done.stdout.splitlines()]

    def stop(self):
        if os.path.exists(os.path.join(self._data, 'postmaster.pid')):
            subprocess.run([os.path.join(self._bin, 'pg_ctl'), '-D',
                            self._data, '-m', 'immediate', 'stop'],
                           cwd=self._folder, capture_output=True, **self._as)
        shutil.rmtree(self._folder, ignore_errors=True)
