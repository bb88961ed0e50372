#!/usr/bin/env python3
"""Texts become the numbers that transformers' CLIPTokenizer gives them.

tests/tokens.json holds what it gave (tools/token_samples.py);
full_tokens_test.py asks it again for 100,000 texts.
"""
import gzip
import json
import os
import struct
import subprocess
import tempfile
import unittest

import support
import make_tiny

SAMPLES = os.path.join(support.SOURCE, 'tests', 'tokens.json')
MERGES = ('data', 'goldens', 'clip-vit-base-patch32',
          'bpe_simple_vocab_16e6.txt.gz')


def write_tokenizer(folder):
    """CLIP's tokenizer files, from the list that OpenAI published."""
    with gzip.open(support.shared(*MERGES), 'rt', encoding='utf-8') as f:
        merges = f.read().split('\n')[1:49152 - 256 - 2 + 1]
    # In order of the numbers of bytes, not of bytes: those that are seen first.
    letters = sorted(make_tiny.letters())
    vocabulary = letters + [c + '</w>' for c in letters]
    vocabulary += [m.replace(' ', '') for m in merges]
    vocabulary += ['<|startoftext|>', '<|endoftext|>']
    with open(f'{folder}/vocab.json', 'w', encoding='utf-8') as f:
        json.dump({t: i for i, t in enumerate(vocabulary)}, f)
    with open(f'{folder}/merges.txt', 'w', encoding='utf-8') as f:
        f.write('\n'.join(('#version: 0.2', *merges, '')))


def write_model(folder):
    """What makes a folder a model's; nothing of it is read for tokens."""
    for name in ('config.json', 'model.safetensors'):
        with open(f'{folder}/{name}', 'w', encoding='utf-8') as f:
            f.write('{"model_type": "clip"}')


def whole(vocabulary, merges, late=False):
    """tokenizer.json"""
    ends = ('<|startoftext|>', '<|endoftext|>')
    return {'model': {'type': 'BPE', 'end_of_word_suffix': '</w>',
                      'vocab': vocabulary, 'merges': merges},
            'added_tokens': [{'id': vocabulary[t], 'content': t,
                              'normalized': late, 'special': True}
                             for t in ends]}


def tokens(folder, texts, code=0):
    """The numbers of each text of bytes."""
    done = subprocess.run(
        [os.path.join(support.BUILD, 'tests', 'tokens'), folder],
        input=b''.join(struct.pack('<I', len(t)) + t for t in texts),
        capture_output=True)
    if done.returncode != code:
        raise AssertionError(done.stderr.decode())
    if code:
        return done.stderr.decode()
    return [[int(n) for n in line.split()]
            for line in done.stdout.decode().splitlines()]


def samples(name):
    with open(SAMPLES, encoding='utf-8') as f:
        return [(bytes.fromhex(text), ids) for text, ids in json.load(f)[name]]


def write_clip(folder):
    """The same in the folder of a model."""
    write_tokenizer(folder)
    write_model(folder)


class Tokens(unittest.TestCase):
    maxDiff = None

    def agree(self, folder, name):
        rows = samples(name)
        for (text, ids), got in zip(
                rows, tokens(folder, [t for t, _ in rows]), strict=True):
            self.assertEqual(got, ids, text)

    def test_the_tiny_vocabulary_gives_the_numbers_of_transformers(self):
        self.agree(support.tiny('tiny-clip'), 'tiny')

    def test_clips_own_vocabulary_gives_the_numbers_of_transformers(self):
        with tempfile.TemporaryDirectory() as scratch:
            write_clip(scratch)
            self.agree(scratch, 'clip')
            self.assertEqual(
                tokens(scratch, [b'a photo of a fox', b'a red apple']),
                [[49406, 320, 1125, 539, 320, 3240, 49407],
                 [49406, 320, 736, 3055, 49407]])

    def test_the_command_prints_a_line_for_each_text(self):
        done = support.akin('embed', '--text', 'the cat', '--text', 'é\xa0"',
                            '--model', support.tiny('tiny-clip'), '--format',
                            'tokens')
        v = make_tiny.vocabulary()
        ends = v['<|startoftext|>'], v['<|endoftext|>']
        self.assertEqual([json.loads(x) for x in done.stdout.splitlines()], [
            {'text': 'the cat',
             'ids': [ends[0], v['the</w>'], v['cat</w>'], ends[1]]},
            {'text': 'é\xa0"',
             'ids': [ends[0], v['Ã©</w>'], v['"</w>'], ends[1]]}])


class Files(unittest.TestCase):
    """The files a tokenizer is made of, and what is refused."""

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = self.scratch.name
        write_model(self.folder)

    def write(self, name, content):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as f:
            f.write(content if isinstance(content, str) else
                    json.dumps(content))

    def refused(self, words):
        self.assertIn(words, tokens(self.folder, [b'a'], code=1))

    def test_tokenizer_json_serves_alone(self):
        v = make_tiny.vocabulary()
        self.write('tokenizer.json', whole(v, list(make_tiny.MERGES)))
        self.assertEqual(tokens(self.folder, [b'the cat'])[0][1:3],
                         [v['the</w>'], v['cat</w>']])

    def test_merges_may_be_pairs(self):
        v = make_tiny.vocabulary()
        self.write('tokenizer.json',
                   whole(v, [m.split(' ') for m in make_tiny.MERGES]))
        self.assertEqual(tokens(self.folder, [b'the cat'])[0][1:3],
                         [v['the</w>'], v['cat</w>']])

    def test_a_normalized_special_token_is_found_in_capitals(self):
        v = make_tiny.vocabulary()
        for late in (False, True):
            self.write('tokenizer.json',
                       whole(v, list(make_tiny.MERGES), late))
            got, = tokens(self.folder, [b'<|EndOfText|>'])
            self.assertEqual(len(got) == 3, late, got)

    def test_no_files_are_no_tokenizer(self):
        self.refused('has no tokenizer.json, and no vocab.json with merges.txt')

    def test_a_vocabulary_without_a_byte_is_refused(self):
        v = make_tiny.vocabulary()
        del v['q</w>']
        self.write('tokenizer.json', whole(v, []))
        self.refused('has no token "q</w>"')

    def test_a_number_beyond_the_embedding_is_refused(self):
        v = make_tiny.vocabulary()
        v['q'] = 49408
        self.write('tokenizer.json', whole(v, []))
        self.refused('has no token "q" below 49408')

    def test_a_merge_that_makes_no_token_is_refused(self):
        self.write('tokenizer.json', whole(make_tiny.vocabulary(), ['q x']))
        self.refused('merge 1 is of or makes a token that is not')

    def test_a_merge_of_one_is_refused(self):
        self.write('tokenizer.json', whole(make_tiny.vocabulary(), ['q']))
        self.refused('merge 1 is not two tokens')

    def test_another_kind_of_tokenizer_is_refused(self):
        root = whole(make_tiny.vocabulary(), [])
        root['model']['type'] = 'Unigram'
        self.write('tokenizer.json', root)
        self.refused('no tokenizer of CLIP\'s kind')


if __name__ == '__main__':
    unittest.main()
