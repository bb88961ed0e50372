#!/usr/bin/env python3
"""How close reduced precisions stay to float32: akin's and ONNX Runtime's.

    accuracy_peers.py [FOLDER] [--models FOLDER] [--model NAME]...
                      [--images N] [--json]

Over N (400) photos of FOLDER, ../shared/data/photos/gallery or those of
mate-backgrounds by default: the cosine of each photo's vector to that of
float32, least and mean, and the share of the photos whose nearest neighbour is
the same. ONNX Runtime's int8 (dynamic, a scale for each channel of a weight) is
compared with ONNX Runtime's float32, akin's precisions with akin's. NAME is
clip, dinov2-base, dinov2-small or starter; without it clip and starter. Only
trained weights say something, so a model that is not at hand is left out.
"""
import argparse
import json
import os
import subprocess
import tempfile

from places import AKIN, MODELS, photo_folder, photos, real_weights


def pixels_of(model, files):
    """[files, 3, H, W] as transformers' Pillow processor prepares them."""
    import numpy as np
    import transformers
    from PIL import Image, ImageOps
    with open(os.path.join(model, 'preprocessor_config.json')) as f:
        kind = json.load(f)['image_processor_type']
    kind = kind.removesuffix('Fast').removesuffix('Pil')
    processor = (getattr(transformers, kind + 'Pil', None) or
                 getattr(transformers, kind)).from_pretrained(model)
    return np.concatenate([np.asarray(processor(
        ImageOps.exif_transpose(Image.open(file)).convert('RGB'),
        return_tensors='np')['pixel_values'], np.float32) for file in files])


def embed(path, pixels):
    import numpy as np
    from contender import onnx_session
    session = onnx_session(path)
    return np.concatenate([session.run(None, {'pixels': pixels[i:i + 8]})[0]
                           for i in range(0, len(pixels), 8)])


def closeness(vectors, reference):
    """As akin_closeness_of has it."""
    import numpy as np
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True)
            for v in (np.float64(vectors), np.float64(reference))]
    cosine = (unit[0] * unit[1]).sum(1)
    nearest = []
    for v in unit:
        all_pairs = v @ v.T
        np.fill_diagonal(all_pairs, -2)
        nearest.append(all_pairs.argmax(1))
    return {'images': len(cosine),
            'cosine': {'min': float(cosine.min()),
                       'p01': float(np.sort(cosine)[(len(cosine) - 1) // 100]),
                       'mean': float(cosine.mean())},
            'same_nearest': float((nearest[0] == nearest[1]).mean())}


def onnxruntime(model, files, work):
    import graph
    from contender import quantise
    full = os.path.join(work, 'full.onnx')
    small = os.path.join(work, 'int8.onnx')
    graph.write(model, full, False)
    quantise(full, small)
    pixels = pixels_of(model, files)
    found = closeness(embed(small, pixels), embed(full, pixels))
    return [{'contender': 'onnxruntime', 'precision': 'int8', **found}]


def akin(model, folder):
    done = subprocess.run([AKIN, 'bench', '--accuracy', folder, '--model',
                           model, '--json'], check=True, capture_output=True,
                          text=True)
    return [{'contender': 'akin', **json.loads(line)}
            for line in done.stdout.splitlines()]


def compare(name, model, files, told):
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, 'photos')
        os.mkdir(folder)
        for i, file in enumerate(files):
            os.symlink(os.path.abspath(file), os.path.join(
                folder, f'{i:05}{os.path.splitext(file)[1]}'))
        found = akin(model, folder)
        try:
            found += onnxruntime(model, files, work)
        except ImportError as missing:
            if not told.json:
                print(f'{name}: ONNX Runtime is absent: {missing}')
    for one in found:
        one['model'] = name
        if told.json:
            print(json.dumps(one), flush=True)
            continue
        print(f"{name:12} {one['contender']:11} {one['precision']:4}  "
              f"{one['images']} photos  cosine min {one['cosine']['min']:.5f}  "
              f"1 % {one['cosine']['p01']:.5f}  "
              f"mean {one['cosine']['mean']:.5f}  same neighbour "
              f"{100 * one['same_nearest']:.1f} %", flush=True)


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('folder', nargs='?', default=photo_folder())
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--model', action='append',
                         choices=[*MODELS, 'starter'])
    options.add_argument('--images', type=int, default=400)
    options.add_argument('--json', action='store_true')
    told = options.parse_args()
    if not told.folder:
        options.error('no FOLDER of photos')
    files = photos(told.folder, told.images)
    for name in told.model or ['clip', 'starter']:
        model = real_weights(name, told.models)
        if model:
            compare(name, model, files, told)
        elif not told.json:
            print(f'{name}: its weights are not at hand')


if __name__ == '__main__':
    main()
