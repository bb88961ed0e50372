#!/usr/bin/env python3
"""One contender of peers.py, kept alive and told when it is its turn.

    contender.py KIND PRECISION MODEL WORK

KIND is akin, onnxruntime, openvino or torch. In the folder WORK are, as peers.py
made them: pixels.npy, float32 [images, 3, H, W], ready to be embedded;
vectors.npy, what transformers makes of them; plain.onnx and fused.onnx. Tries what settings it has (batch sizes, graphs, hints) for a
moment each, keeps the fastest, and prints a line of JSON: {"version",
"settings", "cosine"} with the least cosine of its vectors to those of
transformers (null: not asked), or {"absent": why}. Then each line "SECONDS"
on standard input is answered by {"images", "seconds"} of work.
"""
import ctypes
import json
import logging
import os
import sys
import time

import numpy as np

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(TOP, 'build')
THREADS = len(os.sched_getaffinity(0))
BATCHES = (1, 4, 8)
MOMENT = float(os.environ.get('BENCH_MOMENT', 0.4))  # for each setting


def timed(embed, seconds):
    """(images, seconds) of calls of embed, which says how many it did."""
    begin, images = time.perf_counter(), 0
    while True:
        images += embed()
        took = time.perf_counter() - begin
        if took >= seconds:
            return images, took


class Peer:
    """Subclasses give settings: a list of (name, embed(pixels) -> vectors)."""

    def __init__(self, precision, model, work):
        self.precision, self.model, self.work = precision, model, work
        self.pixels = np.load(os.path.join(work, 'pixels.npy'))
        best = 0
        for name, batch, embed in self.settings():
            call = self.call(embed, batch)
            call()
            images, seconds = timed(call, MOMENT)
            if images / seconds > best:
                best = images / seconds
                self.chosen, self.batch = name, batch
                self.embed, self.turn = embed, call

    def call(self, embed, batch):
        pixels = np.ascontiguousarray(self.pixels[:batch])
        return lambda: len(embed(pixels))

    def cosine(self):
        """The least, of these vectors to those of transformers."""
        want = np.load(os.path.join(self.work, 'vectors.npy'))
        got = np.concatenate([self.embed(part) for part in np.split(
            self.pixels, len(self.pixels) // self.batch)])
        norm = np.linalg.norm
        return float(((got * want).sum(1) / norm(got, axis=1) /
                      norm(want, axis=1)).min())


def quantise(path, out):
    """As ONNX Runtime does it dynamically, with a scale for each channel. A
    processor without VNNI adds products of bytes in 16 bits, which overflow
    unless weights have 7."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    logging.disable(logging.WARNING)
    with open('/proc/cpuinfo') as f:
        vnni = 'vnni' in f.read()
    quantize_dynamic(path, out, per_channel=True, reduce_range=not vnni,
                     weight_type=QuantType.QInt8,
                     op_types_to_quantize=['MatMul'],
                     extra_options={'MatMulConstBOnly': True,
                                    'DefaultTensorType':
                                        onnx.TensorProto.FLOAT})


def onnx_session(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options,
                                        providers=['CPUExecutionProvider'])


class Onnxruntime(Peer):
    def settings(self):
        import onnxruntime
        self.version = onnxruntime.__version__
        for kind in ('plain', 'fused'):
            path = os.path.join(self.work, kind + '.onnx')
            if self.precision == 'int8':
                full, path = path, path.replace('.onnx', '-int8.onnx')
                quantise(full, path)
            session = onnx_session(path)
            for batch in BATCHES:
                yield (f'{kind}, batch {batch}', batch, lambda pixels, s=session:
                       s.run(None, {'pixels': pixels})[0])


class Openvino(Peer):
    def settings(self):
        import openvino
        self.version = openvino.__version__.split('-')[0]
        core = openvino.Core()
        path = os.path.join(self.work, 'plain.onnx')
        if self.precision == 'bf16' and 'BF16' not in core.get_property(
                'CPU', 'OPTIMIZATION_CAPABILITIES'):
            raise ImportError('no bf16 on this processor')
        for hint, batches in (('LATENCY', (1, 8)), ('THROUGHPUT', (1, 4))):
            for batch in batches:
                model = core.read_model(path)
                model.reshape([batch, *self.pixels.shape[1:]])
                compiled = core.compile_model(model, 'CPU', {
                    'PERFORMANCE_HINT': hint, 'INFERENCE_NUM_THREADS': THREADS,
                    'INFERENCE_PRECISION_HINT': self.precision})
                yield (f'{hint.lower()} hint, batch {batch}', batch,
                       lambda pixels, c=compiled: c(pixels)[0])

    def call(self, embed, batch):
        """Requests in flight, as many as the compiled model wants."""
        import openvino
        compiled = embed.__defaults__[0]
        wanted = compiled.get_property('OPTIMAL_NUMBER_OF_INFER_REQUESTS')
        pixels = np.ascontiguousarray(self.pixels[:batch])
        if wanted == 1:
            return lambda: len(compiled(pixels)[0])
        queue = openvino.AsyncInferQueue(compiled, wanted)

        def rounds():
            for _ in range(2 * wanted):
                queue.start_async({0: pixels}, share_inputs=True)
            queue.wait_all()
            return 2 * wanted * batch
        return rounds


class Torch(Peer):
    def settings(self):
        import graph
        import torch
        self.version = torch.__version__.split('+')[0]
        torch.set_num_threads(THREADS)
        model = graph.load(self.model)
        model.set_attn_implementation('sdpa')

        def embed(pixels):
            with torch.inference_mode():
                return graph.vectors(model, torch.from_numpy(pixels)).numpy()
        for batch in (1, 8):
            yield f'eager, sdpa, batch {batch}', batch, embed


class Akin:
    """libakin through its public header: akin_bench_run's network figure."""

    class ModelOptions(ctypes.Structure):
        _fields_ = [('size', ctypes.c_size_t), ('pool', ctypes.c_int),
                    ('exif', ctypes.c_int), ('revision', ctypes.c_char_p),
                    ('name', ctypes.c_char_p), ('threads', ctypes.c_int),
                    ('precision', ctypes.c_int), ('decode', ctypes.c_int),
                    ('tower', ctypes.c_int)]

    class Options(ctypes.Structure):
        _fields_ = [('size', ctypes.c_size_t), ('threads', ctypes.c_int),
                    ('seconds', ctypes.c_double), ('file', ctypes.c_void_p),
                    ('files', ctypes.c_size_t)]

    class Bench(ctypes.Structure):
        _fields_ = [(name, ctypes.c_double) for name in (
            'read', 'decode', 'resize', 'network', 'pipeline', 'gemm_share')
        ] + [('kernels', ctypes.c_char_p), ('threads', ctypes.c_int)]

    class Error(ctypes.Structure):
        _fields_ = [('code', ctypes.c_int), ('message', ctypes.c_char * 1024)]

    def __init__(self, precision, model, work):
        self.library = ctypes.CDLL(os.path.join(BUILD, 'libakin.so'))
        self.library.akin_version.restype = ctypes.c_char_p
        self.version = self.library.akin_version().decode()
        self.model, self.error = ctypes.c_void_p(), self.Error()
        options = self.ModelOptions(
            size=ctypes.sizeof(self.ModelOptions),
            precision=('f32', 'bf16', 'int8').index(precision))
        self.check(self.library.akin_model_open(
            ctypes.byref(self.model), model.encode(), ctypes.byref(options),
            ctypes.byref(self.error)))
        self.run(0.01)

    def check(self, status):
        if status:
            raise RuntimeError(self.error.message.decode())

    def run(self, seconds):
        options = self.Options(size=ctypes.sizeof(self.Options),
                               threads=THREADS, seconds=seconds)
        bench = self.Bench()
        self.check(self.library.akin_bench_run(
            self.model, ctypes.byref(options), ctypes.byref(bench),
            ctypes.byref(self.error)))
        self.chosen = bench.kernels.decode()
        return bench.network * seconds, seconds

    def cosine(self):
        return None  # its tests compare it with transformers


KINDS = {'akin': Akin, 'onnxruntime': Onnxruntime, 'openvino': Openvino,
         'torch': Torch}


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    kind, precision, model, work = sys.argv[1:]
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # whatever else is printed is no answer
    try:
        contender = KINDS[kind](precision, model, work)
        answer = {'version': contender.version, 'settings': contender.chosen,
                  'cosine': contender.cosine()}
    except (ImportError, OSError, RuntimeError) as missing:
        answer = {'absent': str(missing).splitlines()[0]}
    print(json.dumps(answer), file=out, flush=True)
    for line in sys.stdin:
        if kind == 'akin':
            images, seconds = contender.run(float(line))
        else:
            images, seconds = timed(contender.turn, float(line))
        print(json.dumps({'images': images, 'seconds': seconds}), file=out,
              flush=True)


if __name__ == '__main__':
    main()
