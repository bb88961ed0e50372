#!/usr/bin/env python3
"""The vectors of CLIP and DINOv2, computed slowly and plainly in numpy.

    reference_vectors.py MODEL IMAGE...     a vector a line, as JSON

Written from the papers' and transformers' definitions, in float64, to judge
akin's own network: nothing here is shared with it. Every fact on which
implementations have gone wrong is a field of Facts, so that facts_test.py can
break them one by one and see that the vector moves.

vector(folder, image, **wrong) is the whole way from a picture to its vector,
text_vector(folder, ids, **wrong) that from the tokens of a text.
Agrees with transformers 5.23 to 1e-6 (full_reference_test.py checks).
"""
import dataclasses
import json
import math
import os
import struct
import sys

import numpy as np
from PIL import Image


# ------------------------------------------------------------- the weights --

def read_safetensors(path):
    """Name -> float64 array of F32, F16, BF16 tensors, int64 of I64."""
    with open(path, 'rb') as f:
        content = f.read()
    size, = struct.unpack('<Q', content[:8])
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    header.pop('__metadata__', None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        raw = data[begin:end]
        if entry['dtype'] == 'BF16':
            value = (np.frombuffer(raw, '<u2').astype('<u4') << 16).view('<f4')
        else:
            value = np.frombuffer(
                raw, {'F32': '<f4', 'F16': '<f2', 'I64': '<i8'}[entry['dtype']])
        if entry['dtype'] != 'I64':
            value = value.astype(np.float64)
        tensors[name] = value.reshape(entry['shape'])
    return tensors


def read_weights(folder):
    whole = os.path.join(folder, 'model.safetensors')
    if os.path.exists(whole):
        return read_safetensors(whole)
    with open(whole + '.index.json', encoding='utf-8') as f:
        files = sorted(set(json.load(f)['weight_map'].values()))
    tensors = {}
    for file in files:
        tensors.update(read_safetensors(os.path.join(folder, file)))
    return tensors


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding='utf-8') as f:
        return json.load(f)


# --------------------------------------------------------------- the facts --

@dataclasses.dataclass(frozen=True)
class Facts:
    """What makes one model different from the next, and what goes wrong."""
    clip: bool
    heads: int
    layers: int
    patch: int
    eps: float
    act: str             # 'quick_gelu' or 'gelu' (the exact one)
    pool: str            # 'cls', 'mean' over all tokens, 'patches',
                         # 'none': every token
    final_norm: bool     # a last norm over the tokens
    registers: int = 0
    swiglu: bool = False
    # positions, of DINOv2 only: how 37 x 37 become 16 x 16
    cubic_a: float = -0.75
    antialias: bool = False
    position_scale: float = 37 / 16
    # what nobody means to change
    pre_norm: bool = True
    layer_scale: bool = True
    gate_first: bool = True
    gate_act: str = 'silu'
    positions_on_registers: bool = False
    head_scale: bool = True
    rows_first: bool = True
    projection: bool = True
    biases: bool = True
    # the way to the input
    short: int = 0       # 0: as preprocessor_config.json says
    filter: int = 0
    crop_off: int = 0
    channels: tuple = (0, 1, 2)
    # CLIP's text tower
    causal: bool = True
    end: int = 0         # the token whose first place is the vector's; -1: the
    place: int = 0       # largest; and what is added to every place


def facts(folder):
    """The right ones for the model in this folder."""
    c = read_json(folder, 'config.json')
    if c['model_type'] == 'clip':
        v = c['vision_config']
        return Facts(
            clip=True, heads=v.get('num_attention_heads', 12),
            layers=v.get('num_hidden_layers', 12),
            patch=v.get('patch_size', 32), eps=v.get('layer_norm_eps', 1e-5),
            act=v.get('hidden_act', 'quick_gelu'), pool='cls', final_norm=True)
    registers = c['model_type'] == 'dinov2_with_registers'
    backbone = c['architectures'][0].endswith('Backbone')
    layers = c['num_hidden_layers']
    if backbone:
        stage, = c['out_features']
        layers = int(stage[len('stage'):])
    return Facts(
        clip=False, heads=c['num_attention_heads'], layers=layers,
        patch=c['patch_size'], eps=c['layer_norm_eps'], act=c['hidden_act'],
        pool='patches' if backbone else 'mean',
        final_norm=c['apply_layernorm'] if backbone else True,
        registers=c['num_register_tokens'] if registers else 0,
        antialias=registers, cubic_a=-0.5 if registers else -0.75,
        swiglu=c.get('use_swiglu_ffn', False))


def text_facts(folder):
    """The same of CLIP's text tower."""
    t = read_json(folder, 'config.json')['text_config']
    end = t.get('eos_token_id', 49407)
    return Facts(
        clip=True, heads=t.get('num_attention_heads', 8),
        layers=t.get('num_hidden_layers', 12), patch=0,
        eps=t.get('layer_norm_eps', 1e-5),
        act=t.get('hidden_act', 'quick_gelu'), pool='end', final_norm=True,
        end=-1 if end == 2 else end)


# --------------------------------------------------------------- the input --

def pixels(folder, image, f):
    """float64 [3, 224, 224] of a picture, by way of Pillow."""
    c = read_json(folder, 'preprocessor_config.json')
    short = c['size'] if isinstance(c['size'], int) else \
        c['size']['shortest_edge']
    crop = c['crop_size'] if isinstance(c['crop_size'], int) else \
        c['crop_size']['height']
    short = f.short or short
    with Image.open(image) as im:
        im = im.convert('RGB')
    w, h = im.size
    size = (short, int(short * h / w)) if w <= h else \
        (int(short * w / h), short)
    im = im.resize(size, f.filter or c['resample'])
    top, left = (size[1] - crop) // 2, (size[0] - crop) // 2
    a = np.roll(im, f.crop_off, axis=1)[top:top + crop, left:left + crop]
    # Rounded to float32 where transformers does: this is input, not network.
    a = (a * c.get('rescale_factor', 1 / 255)).astype(np.float32)
    a = (a - np.float32(c['image_mean'])) / np.float32(c['image_std'])
    return a.transpose(2, 0, 1)[list(f.channels)].astype(np.float64)


# ------------------------------------------------------------- the network --

def erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


def act(name, x):
    if name == 'quick_gelu':
        return x / (1 + np.exp(-1.702 * x))
    if name == 'silu':
        return x / (1 + np.exp(-x))
    if name == 'tanh_gelu':
        return 0.5 * x * (1 + np.tanh(
            math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    assert name == 'gelu', name
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def cubic(x, a):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1
    if x < 2:
        return a * x ** 3 - 5 * a * x ** 2 + 8 * a * x - 4 * a
    return 0.0


def resampling(out, into, f):
    """The matrix [out, into] of PyTorch's bicubic, without corners aligned."""
    matrix = np.zeros((out, into))
    stretch = f.position_scale if f.antialias else 1.0
    for i in range(out):
        centre = (i + 0.5) * f.position_scale - 0.5
        if f.antialias:  # weights of those inside, made to sum to one
            reach = 2 * stretch
            first = max(int(centre + 0.5 - reach + 0.5), 0)
            last = min(int(centre + 0.5 + reach + 0.5), into)
            for j in range(first, last):
                matrix[i, j] = cubic((j - centre) / stretch, f.cubic_a)
            matrix[i] /= matrix[i].sum()
        else:  # those outside are the border again
            base = math.floor(centre)
            for j in range(base - 1, base + 3):
                matrix[i, min(max(j, 0), into - 1)] += \
                    cubic(j - centre, f.cubic_a)
    return matrix


def positions(table, grid, f):
    """[1 + grid * grid, width] from the trained [1 + 37 * 37, width]."""
    side = math.isqrt(len(table) - 1)
    m = resampling(grid, side, f)
    patches = table[1:].reshape(side, side, -1)
    patches = np.einsum('yi,xj,ijc->yxc', m, m, patches)
    return np.concatenate([table[:1], patches.reshape(grid * grid, -1)])


def layer_norm(w, name, x, f):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return ((x - mean) / np.sqrt(var + f.eps) * w[name + '.weight']
            + w[name + '.bias'])


def linear(w, name, x, f):
    y = x @ w[name + '.weight'].T
    if f.biases:
        y = y + w[name + '.bias']
    return y


def attention(w, names, x, f, causal=False):
    q, k, v, out = names
    tokens, width = x.shape
    head = width // f.heads
    split = lambda name: linear(w, name, x, f).reshape(
        tokens, f.heads, head).transpose(1, 0, 2)
    scores = split(q) @ split(k).transpose(0, 2, 1)
    scores = scores / math.sqrt(head if f.head_scale else width)
    if causal:
        scores = np.where(np.tri(tokens, dtype=bool), scores, -np.inf)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    mixed = (scores @ split(v)).transpose(1, 0, 2).reshape(tokens, width)
    return linear(w, out, mixed, f)


def patches(weight, x, f):
    """[grid * grid, width]: a convolution whose stride is its size."""
    grid = x.shape[1] // f.patch
    cut = x[:, :grid * f.patch, :grid * f.patch].reshape(
        3, grid, f.patch, grid, f.patch)
    order = (1, 3, 0, 2, 4) if f.rows_first else (3, 1, 0, 2, 4)
    cut = cut.transpose(order).reshape(grid * grid, -1)
    return cut @ weight.reshape(len(weight), -1).T


def clip_blocks(w, tower, h, f, causal):
    for n in range(f.layers):
        p = f'{tower}encoder.layers.{n}.'
        names = [f'{p}self_attn.{k}_proj' for k in ('q', 'k', 'v', 'out')]
        h = h + attention(w, names, layer_norm(w, p + 'layer_norm1', h, f), f,
                          causal)
        m = layer_norm(w, p + 'layer_norm2', h, f)
        m = act(f.act, linear(w, p + 'mlp.fc1', m, f))
        h = h + linear(w, p + 'mlp.fc2', m, f)
    return h


def clip_text(w, ids, f):
    e = 'text_model.embeddings.'
    places = np.arange(len(ids)) + f.place
    h = (w[e + 'token_embedding.weight'][ids] +
         w[e + 'position_embedding.weight'][places])
    h = clip_blocks(w, 'text_model.', h, f, f.causal)
    end = np.argmax(np.array(ids) == f.end) if f.end >= 0 else np.argmax(ids)
    v = h.mean(0) if f.pool == 'mean' else h[end]
    if f.final_norm:
        v = layer_norm(w, 'text_model.final_layer_norm', v, f)
    matrix = w['text_projection.weight']
    return matrix @ v if f.projection else v[:len(matrix)]


def clip(w, x, f):
    e = 'vision_model.embeddings.'
    h = np.concatenate([w[e + 'class_embedding'][None],
                        patches(w[e + 'patch_embedding.weight'], x, f)])
    h = h + w[e + 'position_embedding.weight']
    if f.pre_norm:
        h = layer_norm(w, 'vision_model.pre_layrnorm', h, f)
    h = clip_blocks(w, 'vision_model.', h, f, causal=False)
    v = h[0] if f.pool == 'cls' else h.mean(0)
    if f.final_norm:
        v = layer_norm(w, 'vision_model.post_layernorm', v, f)
    matrix = w['visual_projection.weight']
    return matrix @ v if f.projection else v[:len(matrix)]


def dinov2_mlp(w, p, x, f):
    if not f.swiglu:
        return linear(w, p + 'mlp.fc2',
                      act(f.act, linear(w, p + 'mlp.fc1', x, f)), f)
    gate, up = np.split(linear(w, p + 'mlp.weights_in', x, f), 2, axis=-1)
    if not f.gate_first:
        gate, up = up, gate
    return linear(w, p + 'mlp.weights_out', act(f.gate_act, gate) * up, f)


def dinov2_embeddings(w, x, f):
    """[1 + registers + patches, width]"""
    h = patches(w['embeddings.patch_embeddings.projection.weight'], x, f)
    if f.biases:
        h = h + w['embeddings.patch_embeddings.projection.bias']
    grid = math.isqrt(len(h))
    h = np.concatenate([w['embeddings.cls_token'][0], h])
    table = positions(w['embeddings.position_embeddings'][0], grid, f)
    h = h + table
    if f.registers:
        extra = w['embeddings.register_tokens'][0]
        if f.positions_on_registers:
            extra = extra + table[1:1 + f.registers]
        h = np.concatenate([h[:1], extra, h[1:]])
    return h


def dinov2(w, x, f):
    h = dinov2_embeddings(w, x, f)
    for n in range(f.layers):
        p = f'encoder.layer.{n}.'
        names = [f'{p}attention.attention.{k}'
                 for k in ('query', 'key', 'value')]
        names.append(p + 'attention.output.dense')
        scale = [w[f'{p}layer_scale{i}.lambda1'] if f.layer_scale else 1
                 for i in (1, 2)]
        h = h + scale[0] * attention(
            w, names, layer_norm(w, p + 'norm1', h, f), f)
        h = h + scale[1] * dinov2_mlp(
            w, p, layer_norm(w, p + 'norm2', h, f), f)
    if f.final_norm:
        h = layer_norm(w, 'layernorm', h, f)
    if f.pool == 'none':
        return h
    if f.pool == 'cls':
        return h[0]
    return h.mean(0) if f.pool == 'mean' else h[1 + f.registers:].mean(0)


def vector(folder, image, weights=None, **wrong):
    """float64 [dim], not normalised, as transformers gives it."""
    f = dataclasses.replace(facts(folder), **wrong)
    w = read_weights(folder) if weights is None else weights
    return (clip if f.clip else dinov2)(w, pixels(folder, image, f), f)


def text_vector(folder, ids, weights=None, **wrong):
    """The same of a text's tokens, whole with start and end."""
    f = dataclasses.replace(text_facts(folder), **wrong)
    w = read_weights(folder) if weights is None else weights
    return clip_text(w, list(ids), f)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for image in sys.argv[2:]:
        print(json.dumps(vector(sys.argv[1], image).tolist()))


if __name__ == '__main__':
    main()
