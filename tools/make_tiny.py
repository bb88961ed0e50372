#!/usr/bin/env python3
"""Write tiny test models: the real shapes' structure, 64 numbers wide.

    make_tiny.py OUT [NAME...]

Each NAME (all of MODELS by default) becomes a folder OUT/NAME with config.json,
preprocessor_config.json, weights and, of CLIP, a small vocabulary, as
transformers and the hub write them.
The weights are random, the same in every run, but not meek: norms, biases and
layer scales are random too, attention is sharp, and the embeddings are so
small that the epsilon of the first norm matters. So a wrong activation,
epsilon, position table, token order or pooling moves the vector visibly;
tests/facts_test.py holds that down. Needs numpy.
"""
import json
import os
import shutil
import struct
import sys
import tempfile

import numpy as np

WIDTH, HEADS, LAYERS, PROJECTION = 64, 2, 2, 32
TEXT_WIDTH, TEXT_LAYERS = 32, 2


# ------------------------------------------------------------- vocabulary --

MERGES = ('t h', 'i n', 'a n', 'th e</w>', 'e r</w>', 'an d</w>', 'c a',
          'ca t</w>', 'd o', 'do g</w>', 'r e', 're d</w>', 'p h', 'o f</w>',
          'in g</w>', 'o t', 'ph ot', 'phot o</w>', 'a p', 'ap p', 'l e</w>',
          'app le</w>', '\u00c3 \u00a9</w>', "' s</w>", '! !', '!! !!')


def letters():
    """The character that GPT-2 writes for each byte."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    return [chr(b if b in seen else next(hidden)) for b in range(256)]


def vocabulary():
    """Every byte, every byte at the end of a word, merges, special tokens."""
    tokens = letters()
    tokens += [c + '</w>' for c in tokens]
    tokens += [m.replace(' ', '') for m in MERGES]
    tokens += ['<|startoftext|>', '<|endoftext|>']
    return {token: i for i, token in enumerate(tokens)}


VOCABULARY = len(vocabulary())


# ---------------------------------------------------------------- weights --

def norm(name):
    return {f'{name}.weight': (WIDTH,), f'{name}.bias': (WIDTH,)}


def linear(name, out, into):
    return {f'{name}.weight': (out, into), f'{name}.bias': (out,)}


def clip_layer(prefix, width, inner):
    shapes = {}
    for part in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
        shapes.update(linear(f'{prefix}self_attn.{part}', width, width))
    for part in ('layer_norm1', 'layer_norm2'):
        shapes[f'{prefix}{part}.weight'] = shapes[f'{prefix}{part}.bias'] = \
            (width,)
    shapes.update(linear(f'{prefix}mlp.fc1', inner, width))
    shapes.update(linear(f'{prefix}mlp.fc2', width, inner))
    return shapes


def clip_shapes(config):
    """Both towers: a file from the hub has the text's too."""
    patch = config['vision_config']['patch_size']
    tokens = (224 // patch) ** 2 + 1
    shapes = {
        'logit_scale': (),
        'visual_projection.weight': (PROJECTION, WIDTH),
        'text_projection.weight': (PROJECTION, TEXT_WIDTH),
        'vision_model.embeddings.class_embedding': (WIDTH,),
        'vision_model.embeddings.patch_embedding.weight':
            (WIDTH, 3, patch, patch),
        'vision_model.embeddings.position_embedding.weight': (tokens, WIDTH),
        **norm('vision_model.pre_layrnorm'),
        **norm('vision_model.post_layernorm'),
        'text_model.embeddings.token_embedding.weight':
            (VOCABULARY, TEXT_WIDTH),
        'text_model.embeddings.position_embedding.weight': (77, TEXT_WIDTH),
        'text_model.final_layer_norm.weight': (TEXT_WIDTH,),
        'text_model.final_layer_norm.bias': (TEXT_WIDTH,),
    }
    for n in range(TEXT_LAYERS):
        shapes.update(clip_layer(f'text_model.encoder.layers.{n}.',
                                 TEXT_WIDTH, 64))
    for n in range(LAYERS):
        shapes.update(clip_layer(f'vision_model.encoder.layers.{n}.',
                                 WIDTH, 4 * WIDTH))
    return shapes


def dinov2_shapes(config):
    inner = int(WIDTH * config['mlp_ratio'])
    shapes = {
        'embeddings.cls_token': (1, 1, WIDTH),
        'embeddings.mask_token': (1, WIDTH),
        'embeddings.position_embeddings': (1, 37 * 37 + 1, WIDTH),
        'embeddings.patch_embeddings.projection.weight': (WIDTH, 3, 14, 14),
        'embeddings.patch_embeddings.projection.bias': (WIDTH,),
        **norm('layernorm'),
    }
    if 'num_register_tokens' in config:
        shapes['embeddings.register_tokens'] = \
            (1, config['num_register_tokens'], WIDTH)
    for n in range(LAYERS):
        layer = f'encoder.layer.{n}.'
        shapes.update(norm(layer + 'norm1'))
        shapes.update(norm(layer + 'norm2'))
        for part in ('attention.attention.query', 'attention.attention.key',
                     'attention.attention.value', 'attention.output.dense'):
            shapes.update(linear(layer + part, WIDTH, WIDTH))
        for scale in ('layer_scale1', 'layer_scale2'):
            shapes[f'{layer}{scale}.lambda1'] = (WIDTH,)
        if config.get('use_swiglu_ffn'):
            gated = (int(inner * 2 / 3) + 7) // 8 * 8
            shapes.update(linear(layer + 'mlp.weights_in', 2 * gated, WIDTH))
            shapes.update(linear(layer + 'mlp.weights_out', WIDTH, gated))
        else:
            shapes.update(linear(layer + 'mlp.fc1', inner, WIDTH))
            shapes.update(linear(layer + 'mlp.fc2', WIDTH, inner))
    return shapes


def fill(name, shape, random):
    """Values that make every fact of the model tell; see the top."""
    value = random.standard_normal(shape)
    if name == 'logit_scale':
        return np.full(shape, 4.6)
    if name.endswith('lambda1'):
        return 0.8 + 0.2 * value
    if 'norm' in name and name.endswith('weight'):
        return 1 + 0.2 * value
    if 'embed' in name and not name.endswith('bias'):
        if len(shape) == 4:  # patches: keep the variance of the pixels
            return 0.01 * value / np.sqrt(np.prod(shape[1:]))
        return 0.01 * value
    if len(shape) == 1:
        return 0.02 * value
    sharp = any(k in name for k in ('q_proj', 'k_proj', 'query', 'key', 'fc1'))
    return (2.0 if sharp else 1.0) * value / np.sqrt(shape[-1])


# ------------------------------------------------------------ safetensors --

def to_bytes(value, dtype):
    """float array -> little-endian F32, F16 or BF16 (rounded to even)."""
    if dtype == 'F32':
        return value.astype('<f4').tobytes()
    if dtype == 'F16':
        return value.astype('<f2').tobytes()
    bits = value.astype('<f4').view('<u4')
    bits = bits + 0x7fff + ((bits >> 16) & 1)
    return (bits >> 16).astype('<u2').tobytes()


def write_safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes)."""
    header, data, offset = {'__metadata__': {'format': 'pt'}}, [], 0
    for name in sorted(tensors):
        dtype, shape, content = tensors[name]
        header[name] = {'dtype': dtype, 'shape': list(shape),
                        'data_offsets': [offset, offset + len(content)]}
        data.append(content)
        offset += len(content)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(data))


# ---------------------------------------------------------------- configs --

def clip_config(patch=32, hidden_act='quick_gelu'):
    return {
        'architectures': ['CLIPModel'],
        'model_type': 'clip',
        'projection_dim': PROJECTION,
        'text_config': {
            'hidden_size': TEXT_WIDTH, 'intermediate_size': 64,
            'num_attention_heads': 2, 'num_hidden_layers': TEXT_LAYERS,
            'max_position_embeddings': 77, 'vocab_size': VOCABULARY,
            'bos_token_id': VOCABULARY - 2, 'eos_token_id': VOCABULARY - 1,
            'hidden_act': hidden_act, 'projection_dim': PROJECTION,
        },
        'vision_config': {
            'hidden_size': WIDTH, 'intermediate_size': 4 * WIDTH,
            'num_attention_heads': HEADS, 'num_hidden_layers': LAYERS,
            'image_size': 224, 'patch_size': patch, 'hidden_act': hidden_act,
            'layer_norm_eps': 1e-5, 'projection_dim': PROJECTION,
        },
    }


def dinov2_config(**more):
    return {
        'architectures': ['Dinov2Model'],
        'model_type': 'dinov2',
        'hidden_size': WIDTH, 'num_attention_heads': HEADS,
        'num_hidden_layers': LAYERS, 'mlp_ratio': 4,
        'image_size': 518, 'patch_size': 14, 'layer_norm_eps': 1e-6,
        'hidden_act': 'gelu', 'qkv_bias': True, 'layerscale_value': 1.0,
        'use_swiglu_ffn': False,
        # A plain model saved by transformers 5 carries these three as well.
        'out_features': [f'stage{LAYERS}'], 'apply_layernorm': True,
        'reshape_hidden_states': True,
        **more,
    }


CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
DINO_MEAN, DINO_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def preprocessor(clip):
    return {
        'image_processor_type':
            'CLIPImageProcessor' if clip else 'BitImageProcessor',
        'do_convert_rgb': True,
        'do_resize': True, 'resample': 3,
        'size': {'shortest_edge': 224 if clip else 256},
        'do_center_crop': True, 'crop_size': {'height': 224, 'width': 224},
        'do_rescale': True, 'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': CLIP_MEAN if clip else DINO_MEAN,
        'image_std': CLIP_STD if clip else DINO_STD,
    }


def old_preprocessor():
    """As in openai/clip-vit-base-patch32: plain numbers, few keys."""
    return {
        'crop_size': 224, 'do_center_crop': True, 'do_normalize': True,
        'do_resize': True, 'feature_extractor_type': 'CLIPFeatureExtractor',
        'image_mean': CLIP_MEAN, 'image_std': CLIP_STD, 'resample': 3,
        'size': 224,
    }


def old_clip_config():
    config = clip_config()
    config['text_config'].update(bos_token_id=0, pad_token_id=1,
                                 eos_token_id=2)
    return {**config, 'torch_dtype': 'float16'}


# name: (config, dtype of the weights, how many files)
MODELS = {
    'tiny-clip': (clip_config(), 'F32', 1),
    'tiny-clip-16': (clip_config(patch=16), 'BF16', 1),
    'tiny-clip-gelu': (clip_config(hidden_act='gelu'), 'F32', 1),
    'tiny-clip-legacy': (old_clip_config(), 'F16', 2),
    'tiny-dinov2': (dinov2_config(), 'F32', 1),
    'tiny-dinov2-half': (dinov2_config(), 'F16', 3),
    'tiny-dinov2-swiglu': (dinov2_config(use_swiglu_ffn=True), 'F32', 1),
    'tiny-dinov2-registers': (dinov2_config(
        architectures=['Dinov2WithRegistersModel'],
        model_type='dinov2_with_registers', num_register_tokens=4), 'F32', 1),
    'tiny-backbone': (dinov2_config(
        architectures=['Dinov2Backbone'], out_features=['stage1'],
        apply_layernorm=False), 'F32', 1),
    'tiny-backbone-norm': (dinov2_config(
        architectures=['Dinov2Backbone'], out_features=['stage2']), 'F32', 1),
    'tiny-backbone-registers': (dinov2_config(
        architectures=['Dinov2WithRegistersBackbone'],
        model_type='dinov2_with_registers', num_register_tokens=4,
        out_features=['stage1']), 'F32', 1),
}


def write_model(folder, name):
    config, dtype, files = MODELS[name]
    legacy = name == 'tiny-clip-legacy'
    clip = config['model_type'] == 'clip'
    shapes = clip_shapes(config) if clip else dinov2_shapes(config)
    # Each tower has numbers of its own: one may change without the other.
    number = list(MODELS).index(name)
    random = {True: np.random.default_rng([number, 1]),
              False: np.random.default_rng(number)}
    tensors = {n: (dtype, shapes[n], to_bytes(
        fill(n, shapes[n], random[n.startswith('text_')]), dtype))
               for n in sorted(shapes)}
    if legacy:
        for tower, count in (('text', 77), ('vision', 50)):
            tensors[f'{tower}_model.embeddings.position_ids'] = \
                ('I64', (1, count), np.arange(count, dtype='<i8').tobytes())

    if files == 1:
        write_safetensors(f'{folder}/model.safetensors', tensors)
    else:
        where, size = {}, 0
        for i in range(files):
            file = f'model-{i + 1:05d}-of-{files:05d}.safetensors'
            part = {n: tensors[n] for n in sorted(tensors)[i::files]}
            write_safetensors(f'{folder}/{file}', part)
            where.update(dict.fromkeys(part, file))
            size += sum(len(t[2]) for t in part.values())
        write_json(f'{folder}/model.safetensors.index.json',
                   {'metadata': {'total_size': size}, 'weight_map': where})
    write_json(f'{folder}/config.json', config)
    write_json(f'{folder}/preprocessor_config.json',
               old_preprocessor() if legacy else preprocessor(clip))
    if clip:
        write_json(f'{folder}/vocab.json', vocabulary())
        with open(f'{folder}/merges.txt', 'w', encoding='utf-8') as f:
            f.write('\n'.join(('#version: 0.2', *MERGES, '')))


def write_json(path, content):
    with open(path, 'w', encoding='utf-8') as f:
        json.dump(content, f, indent=1)


def make(out, name):
    """The folder of a tiny model, made if it is not there; safe in parallel."""
    folder = os.path.join(out, name)
    if not os.path.exists(folder):
        os.makedirs(out, exist_ok=True)
        aside = tempfile.mkdtemp(prefix='.tiny-', dir=out)
        write_model(aside, name)
        try:
            os.rename(aside, folder)
        except OSError:  # another test was faster; its folder is the same
            shutil.rmtree(aside)
            if not os.path.exists(folder):
                raise
    return folder


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(MODELS):
        sys.exit(__doc__ + '\nNAMEs: ' + ' '.join(MODELS))
    for name in sys.argv[2:] or MODELS:
        print(make(sys.argv[1], name))


if __name__ == '__main__':
    main()
