#!/usr/bin/env python3
"""The tokens of 100,000 texts of every kind (texts.py), against transformers
itself; ./run test --all."""
import json
import os
import tempfile
import unittest

import support

try:
    from transformers import CLIPTokenizer
except ImportError as missing:
    raise unittest.SkipTest(f'{missing}; it is brought by ./run test --all')

import texts
import tokens_test

COUNT, FEWER = 100_000, 10_000
ENDS = ('<|startoftext|>', '<|endoftext|>')


def asked(folder, made):
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    ids = []
    for at in range(0, len(made), 1000):
        ids += tokenizer([t.decode('utf-8', 'replace')
                          for t in made[at:at + 1000]],
                         truncation=True, max_length=77)['input_ids']
    return ids


class Full(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = self.scratch.name
        tokens_test.write_clip(self.folder)

    def agree(self, count):
        made = texts.texts(count)
        for text, want, got in zip(made, asked(self.folder, made),
                                   tokens_test.tokens(self.folder, made),
                                   strict=True):
            self.assertEqual(got, want, text[:300])

    def write(self, name, content):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as f:
            json.dump(content, f)

    def test_texts_of_every_kind_have_the_tokens_of_transformers(self):
        self.agree(COUNT)

    def test_a_tokenizer_config_of_openais_time(self):
        token = lambda t: dict(content=t, lstrip=False, rstrip=False,
                               normalized=True, single_word=False,
                               __type='AddedToken')
        self.write('tokenizer_config.json', dict(
            bos_token=token(ENDS[0]), eos_token=token(ENDS[1]),
            unk_token=token(ENDS[1]), pad_token=ENDS[1], do_lower_case=True,
            model_max_length=77, tokenizer_class='CLIPTokenizer'))
        self.agree(FEWER)

    def test_tokenizer_json_with_tokens_that_are_looked_for_late(self):
        tokenizer = CLIPTokenizer.from_pretrained(self.folder)
        content = json.loads(tokenizer.backend_tokenizer.to_str())
        for late in (False, True):
            for token in content['added_tokens']:
                token['normalized'] = late
            self.write('tokenizer.json', content)
            self.agree(FEWER)

    def test_tokenizer_json_alone(self):
        tokenizer = CLIPTokenizer.from_pretrained(self.folder)
        tokenizer.save_pretrained(self.folder)
        for name in ('vocab.json', 'merges.txt'):
            os.remove(os.path.join(self.folder, name))
        self.agree(FEWER)


if __name__ == '__main__':
    unittest.main()
