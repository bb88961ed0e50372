#!/usr/bin/env python3
"""Write src/model/unicode_tables.h: what CLIP's tokenizer knows of Unicode.

  pip install -r tests/all-requirements.txt
  tools/gen/unicode.py > src/model/unicode_tables.h

Hugging Face's tokenizers takes normal forms, lower case and classes from three
libraries of three Unicode versions, and none of them is the system's. So it is
asked for each character what it does with it; `unicodedata` is only the list
of characters that it can be asked about.
"""
import textwrap
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

NFC, NFD = normalizers.NFC(), normalizers.NFD()
LOWER = normalizers.Lowercase()
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xAC00 + 11172)


def members(pattern):
    """The characters that the pattern of one character takes."""
    split = pre_tokenizers.Split(Regex(pattern), behavior='removed',
                                 invert=True)
    found = set()
    for at in range(0, len(POINTS), 4096):
        text = ''.join(map(chr, POINTS[at:at + 4096]))
        for piece, _ in split.pre_tokenize_str(text):
            found.update(map(ord, piece))
    return found


def ranges(points):
    """[(first, last)] of a set of characters."""
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def classes():
    """[(first, last, class)]; the classes are those of unicode.h."""
    return sorted((a, b, value) for value, pattern in
                  ((1, r'[\p{L}]'), (2, r'[\p{N}]'), (3, r'\s'))
                  for a, b in ranges(members(pattern)))


def mark_class(c):
    """The combining class: unicodedata's, unless tokenizers does not know the
    character and leaves it where it is."""
    k = unicodedata.combining(chr(c))
    if not k:
        return 0
    other = '\u0345' if k < 240 else '\u0334'   # of class 240, of class 1
    pair = other + chr(c) if k < 240 else chr(c) + other
    return k if NFD.normalize_str('a' + pair) != 'a' + pair else 0


def step(c):
    """One step of the canonical decomposition, or None."""
    if NFD.normalize_str(chr(c)) == chr(c) or c in HANGUL:
        return None
    parts = unicodedata.decomposition(chr(c)).split()
    assert parts and not parts[0].startswith('<') and len(parts) <= 2
    return [int(p, 16) for p in parts] + [0] * (2 - len(parts))


def lower_runs():
    """[(first, 2 last + (step - 1), lower case of first)]: characters `step`
    apart that move as far. The one that becomes two is in unicode.c."""
    runs = []
    for c in POINTS:
        low = [ord(x) for x in LOWER.normalize_str(chr(c))]
        if low == [c] or c == 0x130:
            continue
        assert len(low) == 1, hex(c)
        if runs and low[0] - c == runs[-1][3] - runs[-1][0]:
            first, last, step, _ = runs[-1]
            if c - last in ((1, 2) if last == first else (step,)):
                runs[-1][1:3] = c, c - last
                continue
        runs.append([c, c, 1, low[0]])
    assert LOWER.normalize_str('\u0130') == 'i\u0307'
    return [(a, 2 * b + step - 1, low) for a, b, step, low in runs]


def show(name, rows):
    print(f'static const uint32_t {name}[] = {{')
    text = ', '.join(str(v) for row in rows for v in row).replace(', ', ',')
    print(textwrap.fill(text.replace(',', ', '), 79).replace(', ', ',') + '};')
    print()


def main():
    by_class = {}
    for c in POINTS:
        if mark_class(c):
            by_class.setdefault(mark_class(c), set()).add(c)
    marks = sorted((a, b, k) for k, points in by_class.items()
                   for a, b in ranges(points))
    steps = [(c, *step(c)) for c in POINTS if step(c)]
    pairs = sorted((a, b, at) for at, (c, a, b) in enumerate(steps)
                   if b and NFC.normalize_str(chr(a) + chr(b)) == chr(c))
    print(f"""\
/*
 * Unicode, as Hugging Face's tokenizers {tokenizers.__version__} knows it.
 * Made by tools/gen/unicode.py, which says how; included by unicode.c alone.
 */
/* clang-format off */

/* Ranges: first, last, class of unicode.h. */""")
    show('class_ranges', classes())
    print('/* Ranges: first, last, combining class. */')
    show('mark_ranges', marks)
    print('/* A character and the one or two (else 0) it is made of. */')
    show('decompositions', steps)
    print('/* Those of them that are put together again, in order of parts. */')
    show('compositions', [(at,) for a, b, at in pairs])
    print('/* Runs: first, 2 last + (step - 1), lower case of first. */')
    show('lower_runs', lower_runs())
    print('/* clang-format on */')


if __name__ == '__main__':
    main()
