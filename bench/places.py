"""Where the scripts of bench/ find akin, models and photos."""
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('AKIN_BUILD') or os.path.join(TOP, 'build')
AKIN = os.path.join(BUILD, 'cli', 'akin')
SHARED = os.environ.get('AKIN_SHARED') or os.path.join(TOP, '..', 'shared')
FOLDERS = [os.path.join(SHARED, 'data', 'photos', 'gallery'),
           '/usr/share/backgrounds/mate']

# What the figures are of, and what akin calls it.
MODELS = {'clip': 'clip', 'dinov2-base': 'dinov2',
          'dinov2-small': 'facebook/dinov2-small'}


def real_weights(name, models=None):
    """The folder of a model's weights, in `models` or where akin finds them;
    None where they are not at hand."""
    if models and os.path.exists(os.path.join(models, name, 'config.json')):
        return os.path.join(models, name)
    found = subprocess.run([AKIN, 'model', 'path', MODELS.get(name, name)],
                           capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def weights(name, models=None):
    """The same, or random ones of the same shapes, which are as fast."""
    found = real_weights(name, models)
    if found:
        return found
    folder = os.path.join(BUILD, 'bench', name)
    if not os.path.exists(os.path.join(folder, 'preprocessor_config.json')):
        import transformers as t
        if name == 'clip':  # ViT-B/32 is the default of CLIPConfig
            model, processor = t.CLIPModel(t.CLIPConfig()), \
                t.CLIPImageProcessor()
        else:
            small = {'hidden_size': 384, 'num_attention_heads': 6}
            model = t.Dinov2Model(t.Dinov2Config(
                image_size=518, patch_size=14, layer_norm_eps=1e-6,
                **(small if name == 'dinov2-small' else {})))
            processor = t.BitImageProcessor(size={'shortest_edge': 256})
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def photo_folder():
    return next((f for f in FOLDERS if os.path.isdir(f)), None)


def photos(folder, count):
    names = sorted(
        os.path.join(place, name)
        for place, _, files in os.walk(folder) for name in files
        if name.lower().endswith(('.jpg', '.jpeg', '.png')))
    if not names:
        sys.exit(f'{folder}: no photos')
    return names[:count]


def memory_folder(size):
    """A folder in memory with so many bytes free; None: there is none."""
    folder = '/dev/shm'
    return folder if os.access(folder, os.W_OK) and \
        shutil.disk_usage(folder).free >= size else None


def processor_name():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return 'unknown processor'
