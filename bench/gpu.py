#!/usr/bin/env python3
"""akin on a GPU against PyTorch's best, in turns, and from files to an index.

    gpu.py [--part network|files]... [--model NAME]... [--models FOLDER]
           [--seconds S] [--rounds N] [--batch N]... [--max-autotune]
           [--photos N]

network: NAME (clip, dinov2-base) in bf16. PyTorch runs transformers' own model
with the same weights: eager attention, SDPA, SDPA in a CUDA graph, and
torch.compile without and with a CUDA graph, each at the batch at which it is
fastest (torch.compile, which takes a minute a batch, at the best one of the
graphs). Its input lies ready on the card, normalised, in bf16, and its vectors
stay there: that is less work than akin's, whose figure (`akin bench --device
cuda`) is from bytes of pixels in the host's memory to float32 vectors there.
"from pixels" is PyTorch's best kind doing the same as akin, copies overlapped.
Each round gives every contender S seconds. Without weights at hand random ones
of the same shapes are used, by both.

files: JPEG files of 640 x 480 into an index: `akin index --device cuda`, once
a few and once many, so that what starting takes can be left out, and into an
array by `akin embed`; against the same index by the cores alone, with a network
of the same input and next to nothing behind it, and against what they read,
decode and resize (`akin bench FOLDER`).

A line of JSON for each figure, "ok" or "not ok" for each aim, then a table.
--device cpu tries the script itself where no card is.
"""
import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import transformers
from PIL import Image

from places import AKIN, memory_folder, processor_name, weights

BATCHES = (64, 128, 256, 512)
MOMENT = 0.15        # seconds for each batch when the best is sought
COMPILE_WITHIN = 100 # seconds
DATASHEET = 989e12   # bf16, dense, of an H100 or H200 SXM
CLIP_AIM, RATIO_AIM, FILES_AIM = 20000, 1.1, 0.9
CLIP_NORM = ([0.48145466, 0.4578275, 0.40821073],
             [0.26862954, 0.26130258, 0.27577711])
DINO_NORM = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

told = None  # the options
rows = []    # of the table


def say(**figure):
    print(json.dumps(figure), flush=True)


def aim(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}", flush=True)


# ------------------------------------------------------------------- card --

def sync():
    if told.device == 'cuda':
        torch.cuda.synchronize()


def rate(run, batch, seconds):
    """Images a second of run() for about so long."""
    run()
    sync()
    begin = time.perf_counter()
    run()
    sync()
    once = time.perf_counter() - begin
    count = max(int(seconds / max(once, 1e-6)), 2)
    begin = time.perf_counter()
    for _ in range(count):
        run()
    sync()
    return batch * count / (time.perf_counter() - begin)


def matmul_peak(side):
    """FLOP/s of a large product of random numbers in bf16."""
    a, b = (torch.randn(side, side, device=told.device, dtype=torch.bfloat16)
            for _ in range(2))
    return 2 * side ** 3 * rate(lambda: a @ b, 1, 0.2)


def flops(name):
    """Twice the multiply-adds of matrix products and attention."""
    tokens, width, layers, mlp = (50 if name == 'clip' else 257), 768, 12, 3072
    patch = 32 if name == 'clip' else 14
    block = tokens * (4 * width * width + 2 * width * mlp) \
        + 2 * tokens * tokens * width
    first = (tokens - 1) * 3 * patch * patch * width
    return 2 * (first + layers * block + (width * 512 if name == 'clip' else 0))


# ---------------------------------------------------------------- PyTorch --

def load(name, folder, attention):
    """pixels -> vectors, in bf16."""
    kind = transformers.CLIPVisionModelWithProjection if name == 'clip' else \
        transformers.Dinov2Model
    model = kind.from_pretrained(folder, dtype=torch.bfloat16,
                                 attn_implementation=attention)
    model = model.to(told.device).eval()
    if name == 'clip':
        return lambda x: model(pixel_values=x).image_embeds
    return lambda x: model(pixel_values=x).last_hidden_state.mean(dim=1)


def pixels(batch):
    return torch.randn(batch, 3, 224, 224, device=told.device,
                       dtype=torch.bfloat16)


class Ready:
    """A contender: run() goes from `x` on the card to `y` there."""

    def __init__(self, network, batch, graph):
        self.batch, self.x = batch, pixels(batch)
        self.y = None
        self.network = network  # a graph does not keep its weights
        self.step = lambda: network(self.x)
        if graph:
            self.capture()

    def capture(self):
        side, network = torch.cuda.Stream(), self.step
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                network()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.y = network()
        self.step = self.replay

    def replay(self):
        self.graph.replay()
        return self.y

    def run(self):
        self.y = self.step()


class FromPixels:
    """The same from bytes in pinned memory to float32 vectors in it: while one
    batch is computed, the next one's bytes come over."""

    def __init__(self, ready, name):
        self.ready, self.turn = ready, 0
        batch, gpu = ready.batch, told.device == 'cuda'
        self.host = [torch.randint(0, 256, (batch, 224, 224, 3),
                                   dtype=torch.uint8, pin_memory=gpu)
                     for _ in range(2)]
        self.card = [h.to(told.device) for h in self.host]
        ready.run()
        self.out = [torch.empty(ready.y.shape, dtype=torch.float32,
                                pin_memory=gpu) for _ in range(2)]
        mean, std = CLIP_NORM if name == 'clip' else DINO_NORM
        self.scale, self.shift = (
            torch.tensor(v, device=told.device, dtype=torch.float32)
            .view(1, 3, 1, 1) for v in (
                [1 / (255 * s) for s in std],
                [-m / s for m, s in zip(mean, std)]))
        if gpu:
            self.copies = torch.cuda.Stream()
            self.came, self.used = ([torch.cuda.Event() for _ in range(2)]
                                    for _ in range(2))
            for event in self.used:
                event.record()

    def bring(self, i):
        if told.device != 'cuda':
            self.card[i].copy_(self.host[i])
            return
        with torch.cuda.stream(self.copies):
            self.copies.wait_event(self.used[i])
            self.card[i].copy_(self.host[i], non_blocking=True)
            self.came[i].record()
        torch.cuda.current_stream().wait_event(self.came[i])

    def run(self):
        i, self.turn = self.turn % 2, self.turn + 1
        self.bring(i)
        x = self.card[i].permute(0, 3, 1, 2).float()
        self.ready.x.copy_(torch.addcmul(self.shift, x, self.scale))
        if told.device == 'cuda':
            self.used[i].record()
        self.ready.run()
        self.out[i].copy_(self.ready.y, non_blocking=True)


class TooLong(Exception):
    pass


@contextlib.contextmanager
def within(seconds):
    def stop(*_):
        raise TooLong(f'took over {seconds} s')
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(what, make):
    """make(), or None and why not."""
    try:
        return make()
    except Exception as why:  # whatever PyTorch could not do
        say(contender=what, absent=f'{type(why).__name__}: {why}'[:300])
        return None


def best_batch(name, kind, network, graph):
    """The contender at its best batch."""
    best, found = 0, None
    for batch in told.batch:
        ready = attempt(f'{kind}, {batch}',
                        lambda: Ready(network, batch, graph))
        speed = ready and attempt(f'{kind}, {batch}',
                                  lambda: rate(ready.run, batch, MOMENT))
        if speed:
            say(model=name, contender=kind, batch=batch, tried=round(speed))
        if speed and speed > best:
            best, found = speed, ready
    return found


def compiled(name, network, batch):
    """torch.compile's two contenders at one batch."""
    mode = 'max-autotune-no-cudagraphs' if told.max_autotune else 'default'
    limit = 10 * COMPILE_WITHIN if told.max_autotune else COMPILE_WITHIN
    begin = time.perf_counter()
    fast = torch.compile(network, mode=mode, dynamic=False)
    found = {}
    with within(limit):
        plain = Ready(fast, batch, False)
        plain.run()
        sync()
    found['compile'] = plain
    say(model=name, compiled_in=round(time.perf_counter() - begin, 1),
        batch=batch, mode=mode)
    if told.device == 'cuda':
        graph = attempt('compile, graph', lambda: Ready(fast, batch, True))
        if graph:
            found['compile, graph'] = graph
    return found


def contenders(name, folder):
    """PyTorch's, each at its best batch: kind -> Ready."""
    found = {}
    for kind, attention, graph in (('eager', 'eager', False),
                                   ('sdpa', 'sdpa', False),
                                   ('sdpa, graph', 'sdpa', True)):
        if graph and told.device != 'cuda':
            continue
        network = attempt(kind, lambda: load(name, folder, attention))
        if network:
            found[kind] = best_batch(name, kind, network, graph)
    found = {kind: ready for kind, ready in found.items() if ready}
    last = found.get('sdpa, graph') or found.get('sdpa')
    if last and not told.no_compile:
        network = load(name, folder, 'sdpa')
        found.update(attempt('compile', lambda: compiled(
            name, network, last.batch)) or {})
    return found


# ------------------------------------------------------------------- akin --

def akin(*words, seconds=120):
    """What it printed; says why when it failed."""
    try:
        done = subprocess.run([AKIN, *words], text=True, capture_output=True,
                              timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f'akin {words[0]} took over {seconds} s') from None
    if done.returncode:
        raise RuntimeError(f'akin {words[0]} ended with {done.returncode}: '
                           + done.stderr.strip()[-300:])
    return done.stdout


def akin_bench(folder, *words):
    return json.loads(akin(
        'bench', *words, '--model', folder, '--device', told.device,
        '--precision', 'bf16', '--json').splitlines()[0])


# ------------------------------------------------------------------ parts --

def summary(speeds):
    return {'best': max(speeds), 'median': statistics.median(speeds)}


def take_turns(name, folder, found):
    """contender -> images a second of each round; and the peaks."""
    runs = {kind: (ready.run, ready.batch) for kind, ready in found.items()}
    speeds = {kind: [] for kind in ('akin', *runs)}
    peaks, fastest = [], None
    for turn in range(told.rounds):
        done = attempt('akin', lambda: akin_bench(folder))
        if done:
            speeds['akin'].append(done['network']['images_per_second'])
            say(model=name, round=turn, akin=done)
        for kind, (run, batch) in runs.items():
            if speeds[kind] is None:
                continue
            speed = attempt(kind, lambda: rate(run, batch, told.seconds))
            speeds[kind] = speeds[kind] + [speed] if speed else None
        if turn == 0:
            runs.update(from_pixels(name, found, speeds))
            for kind in runs:
                speeds.setdefault(kind, [])
        peaks.append(matmul_peak(8192 if told.device == 'cuda' else 512))
    return {k: v for k, v in speeds.items() if v}, max(peaks)


def from_pixels(name, found, speeds):
    """The contender that was the best in the first round, from pixels."""
    alive = [kind for kind in found if speeds[kind]]
    if not alive:
        return {}
    kind = max(alive, key=lambda k: speeds[k][-1])
    what = f'{kind}, from pixels'
    made = attempt(what, lambda: FromPixels(found[kind], name))
    return {what: (made.run, found[kind].batch)} if made else {}


def network(name):
    folder = place(name)
    with torch.inference_mode():
        found = contenders(name, folder)
        if told.device == 'cuda':
            torch.cuda.empty_cache()  # akin wants some of it
        speeds, peak = take_turns(name, folder, found)
    figures = {}
    for kind, each in speeds.items():
        f = figures[kind] = summary(each)
        batch = found[kind].batch if kind in found else None
        f['tflops'] = f['best'] * flops(name) / 1e12
        f['share_of_matmul'] = f['tflops'] * 1e12 / peak
        f['share_of_datasheet'] = f['tflops'] * 1e12 / DATASHEET
        say(model=name, precision='bf16', contender=kind, batch=batch,
            rounds=[round(e, 1) for e in each], matmul_tflops=peak / 1e12,
            gflop_an_image=flops(name) / 1e9, **f)
        rows.append((f'{name} bf16, {kind}', f"{f['best']:,.0f}",
                     f"{f['median']:,.0f}", batch or '', f"{f['tflops']:.0f}",
                     f"{f['share_of_matmul']:.0%}",
                     f"{f['share_of_datasheet']:.0%}"))
    judge(name, figures)


def judge(name, figures):
    mine = figures.get('akin')
    peers = {k: f for k, f in figures.items()
             if k != 'akin' and 'from pixels' not in k}
    if not mine or not peers:
        return aim(False, f'{name}: akin and PyTorch both ran')
    best = max(peers, key=lambda k: peers[k]['best'])
    ratio = mine['best'] / peers[best]['best']
    medians = mine['median'] / max(f['median'] for f in peers.values())
    say(model=name, best_peer=best, ratio=ratio, ratio_of_medians=medians)
    rows.append((f"{name}: akin / {best}", f'{ratio:.2f}', f'{medians:.2f}',
                 '', '', '', ''))
    aim(ratio >= RATIO_AIM, f"{name}: {ratio:.2f} times PyTorch's best "
        f'({best}), wanted {RATIO_AIM}; of medians {medians:.2f}')
    if name == 'clip':
        aim(mine['best'] >= CLIP_AIM, f"{name}: {mine['best']:,.0f} images/s "
            f'from pixels in memory, wanted {CLIP_AIM:,}')


# ------------------------------------------------------------------ files --

def one_photo(seed):
    """A base of gradients, edges and mild noise, the costly part."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    image = np.stack([128 + 90 * np.sin(x / a + y / b) for a, b in
                      random.uniform(20, 200, (3, 2))], axis=2)
    image[(x // 40 + y // 25).astype(int) % 3 == 0] *= 0.6
    image += random.normal(0, 6, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def write_photos(job):
    """Photos [first, end) into `folder`, many of one base moved about."""
    folder, first, end = job
    base = one_photo(first)
    for i in range(first, end):
        moved = np.roll(base, (7 * (i - first), 11 * (i - first)), (0, 1))
        Image.fromarray(moved).save(os.path.join(folder, f'{i:06}.jpg'),
                                    quality=85)


def make_photos(folder, count):
    os.makedirs(folder)
    jobs = [(folder, i, min(i + 50, count)) for i in range(0, count, 50)]
    with concurrent.futures.ProcessPoolExecutor(processors()) as pool:
        list(pool.map(write_photos, jobs))


def processors():
    return len(os.sched_getaffinity(0))


def indexing(folder, device):
    return lambda photos, out: akin(
        'index', photos, '-i', out + '.akin', '--model', folder, '--device',
        device, '--precision', 'bf16', '--json')


def embedding(folder):
    return lambda photos, out: akin(
        'embed', *(e.path for e in os.scandir(photos)), '-o', out + '.npy',
        '--format', 'npy', '--model', folder, '--device', told.device,
        '--precision', 'bf16')


def file_rates(ways, few, many):
    """way -> files a second, and seconds for all: the best of two runs of each
    in turns, with the files in the system's memory and starting left out."""
    took = {way: {few: [], many: []} for way in ways}
    for photos in (few, few, many, many):
        for way, run in ways.items():
            with tempfile.TemporaryDirectory(dir=os.path.dirname(few)) as home:
                begin = time.perf_counter()
                run(photos, os.path.join(home, 'out'))
                took[way][photos].append(time.perf_counter() - begin)
    more = len(os.listdir(many)) - len(os.listdir(few))
    best = {way: [min(t[few]), min(t[many])] for way, t in took.items()}
    return {way: (more / max(long - short, 1e-9), long)
            for way, (short, long) in best.items()}


def hollow(name, folder, home):
    """A model that sees what `folder`'s does and hardly computes anything."""
    t = transformers
    least = {'hidden_size': 8, 'num_hidden_layers': 1, 'num_attention_heads': 1}
    if name == 'clip':
        least['intermediate_size'] = 8
        model = t.CLIPModel(t.CLIPConfig(
            vision_config=least, text_config=least, projection_dim=8))
    else:
        model = t.Dinov2Model(t.Dinov2Config(
            image_size=224, patch_size=14, mlp_ratio=1, **least))
    made = os.path.join(home, f'hollow-{name}')
    with contextlib.redirect_stdout(io.StringIO()):
        model.save_pretrained(made)
    shutil.copy(os.path.join(folder, 'preprocessor_config.json'), made)
    return made


def files():
    with tempfile.TemporaryDirectory(prefix='akin-gpu-',
                                     dir=memory_folder(4 << 30)) as home:
        few, many = (os.path.join(home, n) for n in ('few', 'many'))
        begin = time.perf_counter()
        counts = max(told.photos // 8, 1), told.photos
        make_photos(few, counts[0])
        make_photos(many, counts[1])
        size = sum(e.stat().st_size for e in os.scandir(few)) / counts[0]
        say(photos=counts, kilobytes=round(size / 1024, 1),
            made_in=round(time.perf_counter() - begin, 1))
        for name in told.model:
            attempt(f'files, {name}',
                    lambda: files_of(name, place(name), few, many))


def files_of(name, folder, few, many):
    steps = akin_bench(folder, many)
    empty = hollow(name, folder, os.path.dirname(few))
    found = file_rates({'index': indexing(folder, told.device),
                        'alone': indexing(empty, 'cpu'),
                        'embed': embedding(folder)}, few, many)
    (speed, whole), (alone, _), (embed, _) = found.values()
    rates = {k: steps[k]['images_per_second']
             for k in ('read', 'decode', 'resize', 'network', 'pipeline')}
    cores = 1 / sum(1 / rates[k] for k in ('read', 'decode', 'resize'))
    limit = min(alone, rates['network'])
    count = len(os.listdir(many))
    say(files=name, images_per_second=speed, whole=count / whole,
        seconds=whole, alone=alone, embed=embed, cores=cores,
        share_of_limit=speed / limit, share_of_cores=speed / cores, **rates)
    for what, *figures in (
            (f'bf16, {count:,} JPEG files into an index', speed, count / whole),
            ('the same into an array by akin embed', embed),
            (f'the same by {processors()} cores alone, next to no network',
             alone),
            ('the same cores read, decode and resize', cores),
            ('the same cores decode alone', rates['decode'])):
        cells = [f'{name}: {what}', *(f'{f:,.0f}' for f in figures)]
        rows.append(tuple(cells + [''] * (7 - len(cells))))
    aim(speed >= FILES_AIM * limit,
        f'{name}: {speed:,.0f} images/s from files, of {alone:,.0f} that '
        f"{processors()} cores do without a network and "
        f"{rates['network']:,.0f} of the network; wanted {FILES_AIM:.0%}")


# ------------------------------------------------------------------- main --

def place(name):
    """The folder of its weights; random ones are made on the card, fast."""
    with torch.device(told.device), contextlib.redirect_stdout(io.StringIO()):
        return weights(name, told.models)


def table():
    head = ('', 'images/s, best', 'median', 'batch', 'TFLOP/s',
            'of matmul', 'of 989 TFLOP/s')
    for row in (head, ('---',) + ('--:',) * 6, *rows):
        print('| ' + ' | '.join(str(c) for c in row) + ' |')
    if 'files' in (told.part or ['files']):
        print('\nmedian of files: starting and loading the model included')


def stop(*_):
    """Out of time: what there is."""
    table()
    sys.exit(1)


def main():
    global told
    signal.signal(signal.SIGTERM, stop)
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument('--part', action='append',
                         choices=['network', 'files'])
    options.add_argument('--model', action='append',
                         choices=['clip', 'dinov2-base'])
    options.add_argument('--models', metavar='FOLDER')
    options.add_argument('--seconds', type=float, default=0.6)
    options.add_argument('--rounds', type=int, default=3)
    options.add_argument('--batch', type=int, action='append')
    options.add_argument('--photos', type=int, default=12000)
    options.add_argument('--max-autotune', action='store_true')
    options.add_argument('--no-compile', action='store_true')
    options.add_argument('--device', choices=['cuda', 'cpu'], default='cuda')
    told = options.parse_args()
    told.model = told.model or ['clip', 'dinov2-base']
    told.batch = told.batch or BATCHES
    if told.device == 'cuda' and not torch.cuda.is_available():
        sys.exit('gpu.py: no NVIDIA card is at hand')
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    say(cpu=processor_name(), processors=processors(),
        card=torch.cuda.get_device_name(0) if told.device == 'cuda' else None,
        torch=torch.__version__, transformers=transformers.__version__,
        cuda=torch.version.cuda)
    for name in told.model if 'network' in (told.part or ['network']) else ():
        attempt(f'network, {name}', lambda: network(name))
        if told.device == 'cuda':
            torch.cuda.empty_cache()
    if 'files' in (told.part or ['files']):
        attempt('files', files)
    table()


if __name__ == '__main__':
    main()
