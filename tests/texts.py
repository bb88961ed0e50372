"""Texts for the tokenizer: `texts(count)` gives as many, always the same, as
bytes. They are of every script and kind: words, names of characters, random
characters of every block, emoji sequences, marks in heaps, controls, what is
no UTF-8, words without end, special tokens, nothing."""
import random
import unicodedata

WORDS = '''a photo of the cat dog sunset at sea red apple golden retriever
snow mountain it's they're don't I'll we've he'd I'm 1st 2023 3,000 $5.99 hello
WORLD Straße naïve façade Ünïcödé ΣΊΣΥΦΟΣ İstanbul ǅ ﬁ … — “quoted” C++ #tag
@name http://example.org/a?b=c&d e-mail under_score (brackets) [x] {y} 50% ½ ²
x² Ⅷ ① 東京 タワー 한국어 사진 москва שלום مرحبا हिन्दी ไทย မြန်မာ ᏣᎳᎩ'''.split()
SPACES = [' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u3000', '\u2028', '\x0b',
          '\x85', '\u200b', '\ufeff', '\u180e']
SPECIAL = ['<|startoftext|>', '<|endoftext|>', '<|StartOfText|>',
           '<|ENDOFTEXT|>', '<|endoftext|', '|endoftext|>', '<|', '<<|',
           '</w>', "'s", "'S", "'ll", "''re", "'", '’s']
EMOJI = ['\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f1ee\U0001f1f8',
         '\U0001f44d\U0001f3fd', '\u2764\ufe0f', '\u2764', '1\ufe0f\u20e3',
         '\U0001f3f4\U000e0067\U000e0062\U000e007f', '\U0001f600', '\u263a',
         '\U0001fae8', '\U0001f9d1\u200d\U0001f680']
MARKS = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
# Assigned or not: a character is a character. Surrogates are none.
BLOCKS = [b for b in list(range(0, 0x3000, 0x40)) +
          list(range(0x3000, 0x20000, 0x100)) +
          [0x20000, 0x2a600, 0x2f800, 0x30000, 0x31300, 0xe0000, 0xe0100,
           0xf0000, 0x10ff00] if not 0xd800 <= b < 0xe000]
HOMES = [b for b in BLOCKS if any(
    unicodedata.category(chr(c))[0] == 'L' for c in range(b, b + 0x40))]


def character(r):
    return chr(r.choice(BLOCKS) + r.randrange(0x40))


def words(r):
    out = [r.choice(WORDS) for _ in range(r.randrange(1, 14))]
    return r.choice(SPACES).join(
        r.choice((str, str.upper, str.title))(w) for w in out)


def one_script(r):
    """Words of one block, as a language has them."""
    home = r.choice(HOMES)
    return ' '.join(''.join(chr(home + r.randrange(0x40))
                            for _ in range(r.randrange(1, 9)))
                    for _ in range(r.randrange(1, 9)))


def all_scripts(r):
    return ''.join(character(r) for _ in range(r.randrange(1, 40)))


def emoji(r):
    return ''.join(r.choice(EMOJI + ['', ' ', 'hi', '!'])
                   for _ in range(r.randrange(1, 12)))


def marks(r):
    """Letters under marks in any order; Hangul and other letters in parts."""
    out = []
    for _ in range(r.randrange(1, 12)):
        out.append(r.choice([chr(r.randrange(0x41, 0x250)), character(r),
                             chr(0x1100 + r.randrange(0x100)),
                             chr(0xac00 + r.randrange(11172))]))
        out += [r.choice(MARKS) for _ in range(r.choice((0, 1, 1, 2, 5)))]
        text = ''.join(out)
    return r.choice((text, unicodedata.normalize('NFD', text)))


def controls(r):
    return ''.join(r.choice([chr(r.randrange(0x20)), chr(0x7f + r.randrange(
        0x21)), r.choice(SPACES), 'a', '0', 'é']) for _ in range(
            r.randrange(1, 20)))


def marked(r):
    return ''.join(r.choice(SPECIAL + WORDS + [' ', '!', 'é'])
                   for _ in range(r.randrange(1, 9)))


def endless(r):
    kind = r.choice(['a', 'ab', "'", '!', '0', 'é', 'e\u0301', 'haha', '漢',
                     '\U0001f600', '\u0301\u0316', 'the'])
    return kind * r.choice((100, 1000, 5000))


def broken(r):
    """What is no UTF-8, between what is."""
    out = b''
    for _ in range(r.randrange(1, 9)):
        whole = r.choice([words, emoji, all_scripts])(r).encode()
        at = r.randrange(len(whole) + 1)
        out += r.choice([whole[:at], whole[at:], whole,
                         bytes([r.randrange(128, 256)]),
                         b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xc0\xaf',
                         b'\xf0\x9f\x98', b'\xe2\x82', b'\xff'])
    return out


KINDS = [(words, 20), (one_script, 25), (all_scripts, 20), (marks, 15),
         (emoji, 5), (controls, 5), (marked, 5), (broken, 4.7), (endless, .3)]


def texts(count, seed=20250101):
    r = random.Random(seed)
    fixed = [b'', b' ', b'a photo of a fox', b'\0', b'a red apple']
    fixed += [chr(c).encode() for c in range(0x250)]
    kinds, weights = zip(*KINDS)
    made = fixed[:count]
    while len(made) < count:
        text = r.choices(kinds, weights)[0](r)
        made.append(text if isinstance(text, bytes) else text.encode())
    return made
