"""A model folder as ONNX graphs, for ONNX Runtime and OpenVINO.

Two graphs of the same network, pixels [batch, 3, H, W] to vectors [batch, dim]:
plain is made of standard operators, as exporters make them; fused has ONNX
Runtime's own MultiHeadAttention, which its optimiser does not find by itself.
The rest (LayerNorm, both kinds of GELU, biases) it fuses when it loads a graph.
The vector is akin's: CLIP's projected class token, the mean over DINOv2's
tokens, or over a backbone's patches.
"""
import glob
import os

import numpy as np
import onnx
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Graph:
    """The graph in the making, from the weights as the hub names them."""

    def __init__(self, folder):
        self.nodes, self.weights, self.tensors = [], [], {}
        for path in glob.glob(os.path.join(folder, '*.safetensors')):
            self.tensors.update(load_file(path))
        self.config = transformers.AutoConfig.from_pretrained(folder)

    def has(self, name):
        return name in self.tensors

    def tensor(self, name, shape=None, transpose=False):
        array = self.tensors[name].astype(np.float32)
        array = array.T if transpose else array
        return self.weight(array.reshape(shape or array.shape))

    def weight(self, array):
        name = f'w{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(
            np.array(array, order='C'), name))
        return name

    def ints(self, *numbers):
        return self.weight(np.array(numbers, np.int64))

    def op(self, kind, *inputs, domain='', **attributes):
        name = f'{kind}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name,
                                           domain=domain, **attributes))
        return name

    def linear(self, x, name):
        x = self.op('MatMul', x, self.tensor(f'{name}.weight', transpose=True))
        if not self.has(f'{name}.bias'):
            return x
        return self.op('Add', x, self.tensor(f'{name}.bias'))

    def norm(self, x, name, eps):
        return self.op('LayerNormalization', x, self.tensor(f'{name}.weight'),
                       self.tensor(f'{name}.bias'), axis=-1, epsilon=eps)

    def save(self, path, inputs, dim):
        """inputs: name -> (type, shape)."""
        graph = helper.make_graph(
            self.nodes, 'vit',
            [helper.make_tensor_value_info(name, *what)
             for name, what in inputs.items()],
            [helper.make_tensor_value_info('vectors', TensorProto.FLOAT,
                                           ['batch', dim])], self.weights)
        onnx.save(helper.make_model(
            graph, ir_version=8,
            opset_imports=[helper.make_opsetid('', 17),
                           helper.make_opsetid('com.microsoft', 1)]), path)


def attention(g, x, names, heads, fused, mask=None):
    """Multi-head attention over x; names of query, key, value, output. `mask`
    [tokens, tokens] is the causal one, added to the scores."""
    width = len(g.tensors[f'{names[0]}.bias'])
    if fused:
        q, k, v = (g.linear(x, name) for name in names[:3])
        y = g.op('MultiHeadAttention', q, k, v, domain='com.microsoft',
                 num_heads=heads, **({'unidirectional': 1} if mask else {}))
        return g.linear(y, names[3])
    apart = g.ints(0, 0, heads, width // heads)
    q, k, v = (g.op('Transpose', g.op('Reshape', g.linear(x, name), apart),
                    perm=perm)
               for name, perm in zip(names, ([0, 2, 1, 3], [0, 2, 3, 1],
                                             [0, 2, 1, 3])))
    scale = g.weight(np.float32((width // heads) ** -0.5))
    scores = g.op('Mul', g.op('MatMul', q, k), scale)
    if mask:
        scores = g.op('Add', scores, mask)
    share = g.op('Softmax', scores, axis=-1)
    y = g.op('Transpose', g.op('MatMul', share, v), perm=[0, 2, 1, 3])
    return g.linear(g.op('Reshape', y, g.ints(0, 0, width)), names[3])


def gelu(g, x):
    half = g.op('Div', x, g.weight(np.float32(2 ** 0.5)))
    one = g.op('Add', g.op('Erf', half), g.weight(np.float32(1)))
    return g.op('Mul', g.op('Mul', x, one), g.weight(np.float32(0.5)))


def quick_gelu(g, x):
    scaled = g.op('Mul', x, g.weight(np.float32(1.702)))
    return g.op('Mul', x, g.op('Sigmoid', scaled))


def tokens(g, convolution, cls, positions):
    """Patches with the class token before them and positions added."""
    width, _, patch, _ = g.tensors[f'{convolution}.weight'].shape
    inputs = [g.tensor(f'{convolution}.{part}') for part in ('weight', 'bias')
              if g.has(f'{convolution}.{part}')]
    x = g.op('Conv', 'pixels', *inputs, kernel_shape=[patch] * 2,
             strides=[patch] * 2)
    x = g.op('Reshape', x, g.ints(0, width, -1))
    x = g.op('Transpose', x, perm=[0, 2, 1])
    batch = g.op('Shape', 'pixels', start=0, end=1)
    shape = g.op('Concat', batch, g.ints(1, width), axis=0)
    first = g.op('Expand', g.tensor(cls, (1, 1, width)), shape)
    return g.op('Add', g.op('Concat', first, x, axis=1),
                g.weight(positions.reshape(1, -1, width)))


def clip(g, fused):
    c = g.config.vision_config
    tower = 'vision_model.'
    at = tower + 'embeddings.'
    x = tokens(g, at + 'patch_embedding', at + 'class_embedding',
               g.tensors[at + 'position_embedding.weight'].astype(np.float32))
    x = g.norm(x, tower + 'pre_layrnorm', c.layer_norm_eps)
    for i in range(c.num_hidden_layers):
        block = f'{tower}encoder.layers.{i}.'
        y = g.norm(x, block + 'layer_norm1', c.layer_norm_eps)
        y = attention(g, y, [f'{block}self_attn.{n}_proj' for n in
                             ('q', 'k', 'v', 'out')], c.num_attention_heads,
                      fused)
        x = g.op('Add', x, y)
        y = g.norm(x, block + 'layer_norm2', c.layer_norm_eps)
        y = quick_gelu(g, g.linear(y, block + 'mlp.fc1'))
        x = g.op('Add', x, g.linear(y, block + 'mlp.fc2'))
    x = g.op('Gather', x, g.weight(np.array(0, np.int64)), axis=1)
    x = g.norm(x, tower + 'post_layernorm', c.layer_norm_eps)
    g.linear(x, 'visual_projection')
    return c.image_size, g.config.projection_dim


def positions(folder, size):
    """DINOv2's positions for this size, as transformers interpolates them."""
    model = load(folder)
    at, = (m for m in model.modules() if hasattr(m, 'interpolate_pos_encoding'))
    patches = (size // model.config.patch_size) ** 2
    like = torch.zeros(1, patches + 1, model.config.hidden_size)
    with torch.no_grad():
        return at.interpolate_pos_encoding(like, size, size).numpy()


def dinov2(g, fused, folder, size=224):
    c = g.config
    backbone = 'Backbone' in (c.architectures or [''])[0]
    x = tokens(g, 'embeddings.patch_embeddings.projection',
               'embeddings.cls_token', positions(folder, size))
    for i in range(c.num_hidden_layers):
        block = f'encoder.layer.{i}.'
        y = g.norm(x, block + 'norm1', c.layer_norm_eps)
        y = attention(g, y, [f'{block}attention.attention.{n}' for n in
                             ('query', 'key', 'value')] +
                      [block + 'attention.output.dense'],
                      c.num_attention_heads, fused)
        y = g.op('Mul', y, g.tensor(block + 'layer_scale1.lambda1'))
        x = g.op('Add', x, y)
        y = g.norm(x, block + 'norm2', c.layer_norm_eps)
        y = gelu(g, g.linear(y, block + 'mlp.fc1'))
        y = g.op('Mul', g.linear(y, block + 'mlp.fc2'),
                 g.tensor(block + 'layer_scale2.lambda1'))
        x = g.op('Add', x, y)
    if not backbone or c.apply_layernorm:
        x = g.norm(x, 'layernorm', c.layer_norm_eps)
    if backbone:  # the patches alone
        x = g.op('Slice', x, g.ints(1), g.ints(1 << 30), g.ints(1))
    g.op('ReduceMean', x, axes=[1], keepdims=0)
    return size, c.hidden_size


def load(folder):
    """The transformers model in the folder, in float32."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = transformers.AutoModel
    if config.architectures: # AutoBackbone takes a folder for a hub's name
        kind = getattr(transformers, config.architectures[0])
    return kind.from_pretrained(folder, dtype=torch.float32).eval()


def vectors(model, pixels):
    """What transformers makes of pixels [batch, 3, H, W]."""
    if model.config.model_type == 'clip':
        return model.get_image_features(pixel_values=pixels).pooler_output
    found = model(pixels)
    if hasattr(found, 'feature_maps'):
        return found.feature_maps[-1].mean(dim=(2, 3))
    return found.last_hidden_state.mean(dim=1)


def write(folder, path, fused):
    g = Graph(folder)
    if g.config.model_type == 'clip':
        size, dim = clip(g, fused)
    else:
        size, dim = dinov2(g, fused, folder)
    g.nodes[-1].output[0] = 'vectors'
    g.save(path, {'pixels': (TensorProto.FLOAT, ['batch', 3, size, size])},
           dim)


def write_text(folder, path, fused):
    """CLIP's text tower: ids [batch, 77], padded, and the places of the end
    tokens, ends [batch, 1], to vectors."""
    g = Graph(folder)
    c = g.config.text_config
    tower = 'text_model.'
    length = c.max_position_embeddings
    x = g.op('Gather', g.tensor(tower + 'embeddings.token_embedding.weight'),
             'ids')
    x = g.op('Add', x, g.tensor(tower + 'embeddings.position_embedding.weight',
                                (1, length, -1)))
    mask = g.weight(np.triu(np.full((length, length), -1e9, np.float32), 1))
    for i in range(c.num_hidden_layers):
        block = f'{tower}encoder.layers.{i}.'
        y = g.norm(x, block + 'layer_norm1', c.layer_norm_eps)
        y = attention(g, y, [f'{block}self_attn.{n}_proj' for n in
                             ('q', 'k', 'v', 'out')], c.num_attention_heads,
                      fused, mask)
        x = g.op('Add', x, y)
        y = g.norm(x, block + 'layer_norm2', c.layer_norm_eps)
        y = quick_gelu(g, g.linear(y, block + 'mlp.fc1'))
        x = g.op('Add', x, g.linear(y, block + 'mlp.fc2'))
    x = g.op('GatherND', x, 'ends', batch_dims=1)
    x = g.norm(x, tower + 'final_layer_norm', c.layer_norm_eps)
    g.linear(x, 'text_projection')
    g.nodes[-1].output[0] = 'vectors'
    g.save(path, {'ids': (TensorProto.INT64, ['batch', length]),
                  'ends': (TensorProto.INT64, ['batch', 1])},
           g.config.projection_dim)

