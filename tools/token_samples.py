#!/usr/bin/env python3
"""Write tests/tokens.json: texts and what transformers' CLIPTokenizer makes of
them, with CLIP's own vocabulary and with that of the tiny models.

    pip install -r tests/all-requirements.txt
    tools/token_samples.py > tests/tokens.json

A text is hexadecimal, for not every one is UTF-8. Of CLIP's vocabulary only
the numbers are written; tests/tokens_test.py needs the shared test data.
"""
import json
import os
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, 'tests'), os.path.join(TOP, 'tools')]

import make_tiny  # noqa: E402
import texts  # noqa: E402
import tokens_test  # noqa: E402
from transformers import CLIPTokenizer  # noqa: E402


def chosen():
    """A few of each kind, the first 0x250 characters in one text."""
    made = texts.texts(3000)
    return (made[:5] + [b''.join(made[5:597]).replace(b'<', b' ')] +
            [t for t in made[597:] if len(t) < 300][:150] +
            [t[:200] for t in made if len(t) > 3000][:4])


def samples(folder):
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return [[t.hex(), tokenizer(t.decode('utf-8', 'replace'), truncation=True,
                                max_length=77)['input_ids']]
            for t in chosen()]


def main():
    with tempfile.TemporaryDirectory() as scratch:
        tokens_test.write_clip(scratch)
        found = {'tiny': samples(make_tiny.make(scratch, 'tiny-clip')),
                 'clip': samples(scratch)}
    print('{')
    for i, (name, rows) in enumerate(found.items()):
        print(f'"{name}": [')
        print(',\n'.join(json.dumps(row, separators=(',', ':'))
                         for row in rows))
        print(']' + ',' * (i + 1 < len(found)))
    print('}')


if __name__ == '__main__':
    main()
