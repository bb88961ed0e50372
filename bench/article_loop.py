#!/usr/bin/env python3
"""The article's loop: transformers and PyTorch, one image at a time.

    article_loop.py MODEL OUT.index FILE...

Opens each file with Pillow, embeds it with the processor and the model as the
article's listing does, normalises, and adds it to a FAISS IndexFlatL2, which
is written at the end. Prints {"images": N, "seconds": S} as JSON; loading the
model is not counted.
"""
import json
import sys
import time

import faiss
import numpy as np
import torch
import transformers
from PIL import Image

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).to(device).eval()
    clip = model.config.model_type == 'clip'
    index = None

    begin = time.perf_counter()
    for file in files:
        image = Image.open(file).convert('RGB')
        with torch.no_grad():
            inputs = processor(images=image, return_tensors='pt').to(device)
            if clip:
                vector = model.get_image_features(**inputs).pooler_output
            else:
                vector = model(**inputs).last_hidden_state.mean(dim=1)
        vector = np.float32(vector.cpu().numpy())
        faiss.normalize_L2(vector)
        if index is None:
            index = faiss.IndexFlatL2(vector.shape[1])
        index.add(vector)
    faiss.write_index(index, out)
    seconds = time.perf_counter() - begin
    print(json.dumps({'images': len(files), 'seconds': seconds}))


if __name__ == '__main__':
    main()
