#!/usr/bin/env python3
"""All figures of akin beside those of others: what `./run bench` runs.

    everything.py [FOLDER] [--models FOLDER] [--part PART]... [--json] [--quick]

FOLDER has photos (../shared/data/photos/gallery, or those of mate-backgrounds),
--models folders of weights named clip, dinov2-base and dinov2-small; random
ones of the same shapes serve for speed. --quick only shows that all parts run.
PART, all of them without it, in this order:

  gemm      the matrix products against the processor's peak (gemm.c)
  network   against ONNX Runtime, OpenVINO and PyTorch (peers.py)
  accuracy  int8 against ONNX Runtime's, over 400 photos (accuracy_peers.py)
  article   files to index against the article's loop (against_article.py)
  photo     decoding and preparing photos against Pillow (photo.py)
  dups      all pairs of near vectors against FAISS (dups.py)
  text      CLIP's text tower against ONNX Runtime, padded (text.py)
  cold      a search by words in a new process against transformers (cold.py)
  search    the nearest of a million vectors against FAISS and usearch, and what
            ten million cost (search.py)
  eval      which model finds edited copies, against a perceptual hash (eval.py)

Each part measures its contenders in turns; read the ratios, not the rates of
one part beside those of another. With --json a line for each figure, with its
part in it.
"""
import argparse
import json
import os
import subprocess
import sys

from places import BUILD, TOP, photo_folder


def gemm(told):
    program = os.path.join(BUILD, 'bench', 'gemm_bench')
    if not os.path.exists(program):
        return []
    return [program, *['--json'] * told.json, *['--rounds', '1'] * told.quick]


def script(name, *how):
    path = os.path.join(TOP, 'bench', name)
    return [sys.executable, path, *how] if os.path.exists(path) else []


def network(told):
    quick = ['--seconds', '0.1', '--rounds', '1'] * told.quick
    return script('peers.py', *told.how, *quick)


def accuracy(told):
    return script('accuracy_peers.py', told.folder, *told.how,
                  *['--images', '8'] * told.quick)


def article(told):
    quick = ['--images', '4', '--rounds', '1'] * told.quick
    return script('against_article.py', told.folder, '--model', 'clip',
                  '--precision', 'f32', '--precision', 'int8', *told.how,
                  *quick)


def photo(told):
    return script('photo.py', *['--json'] * told.json,
                  *['--rounds', '1'] * told.quick)


def dups(told):
    return script('dups.py', *['--json'] * told.json,
                  *['--rows', '2000', '--rounds', '1'] * told.quick)


def text(told):
    return script('text.py', *told.how,
                  *['--seconds', '0.1', '--rounds', '1'] * told.quick)


def cold(told):
    return script('cold.py', *told.how,
                  *['--rows', '2000', '--rounds', '1'] * told.quick)


def search(told):
    quick = ['--rows', '30000', '--many', '60000', '--rounds', '1']
    return script('search.py', *['--json'] * told.json, *quick * told.quick)


def evaluate(told):
    return script('eval.py', told.folder, *['--json'] * told.json,
                  *['--quick', '--count', '3'] * told.quick)


PARTS = {part.__name__: part
         for part in (gemm, network, accuracy, article, photo, dups, text,
                      cold, search)}
PARTS['eval'] = evaluate


def documents(text):
    """The JSON in the text: one document, a list of them, or one a line."""
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line]


def run(part, command, told):
    if not told.json:
        print(f'\n== {part}', flush=True)
    if not command:
        print(f'{part}: not in this build', file=sys.stderr)
        return 0
    if not told.json:
        return subprocess.run(command).returncode
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    for document in documents(done.stdout):
        print(json.dumps({'part': part, **document}), flush=True)
    return done.returncode


def main():
    # What transformers says while it makes a model is no figure.
    os.environ.setdefault('TRANSFORMERS_VERBOSITY', 'error')
    os.environ.setdefault('HF_HUB_DISABLE_PROGRESS_BARS', '1')
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder', nargs='?', default=photo_folder())
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--part', action='append', choices=list(PARTS))
    options.add_argument('--json', action='store_true')
    options.add_argument('--quick', action='store_true')
    told = options.parse_args()
    if not told.folder:
        options.error('no FOLDER of photos')
    told.how = ['--json'] * told.json
    if told.models:
        told.how += ['--models', os.path.abspath(told.models)]
    broken = [part for part in told.part or PARTS
              if run(part, PARTS[part](told), told)]
    if broken:
        sys.exit(f'broken: {", ".join(broken)}')


if __name__ == '__main__':
    main()
