"""JPEG decoding alone: by threads or processes, as tlf decodes, and by nvJPEG on the device."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from warm import Work, device, serve, synchronize

from tlf.data.transforms import load_pixels
from tlf.preprocessing import Preprocessing


def main(work: Work) -> Work:
    """Images per second."""
    files = [p.read_bytes() for p in sorted(Path(work["data"]).rglob("*.jpg"))[: work["images"]]]
    if work["by"] == "nvjpeg":
        return nvjpeg(files)
    preprocessing = Preprocessing(size=work["size"], resize=work["resize"])
    decode = partial(_decode, preprocessing=preprocessing)
    if work["by"] == "threads":
        with ThreadPoolExecutor(work["cores"]) as pool:
            return timed(pool.map(decode, files), len(files))
    with get_context("fork").Pool(work["cores"]) as pool:
        return timed(pool.imap_unordered(decode, files, chunksize=8), len(files))


def timed(results: Iterable[object], count: int) -> Work:
    """How many a second."""
    began = time.perf_counter()
    for _ in results:
        pass
    return {"images_per_second": count / (time.perf_counter() - began)}


def _decode(data: bytes, preprocessing: Preprocessing) -> int:
    return load_pixels(data, preprocessing).size


def nvjpeg(files: list[bytes]) -> Work:
    """Decoding without resizing, in batches of 64; and the difference of the pixels to Pillow's."""
    if not torch.cuda.is_available():
        raise RuntimeError("there is no CUDA device")
    from io import BytesIO

    import numpy as np
    from PIL import Image
    from torchvision.io import ImageReadMode, decode_jpeg

    given = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]
    batches = [given[i : i + 64] for i in range(0, len(given), 64)]
    decode_jpeg(batches[0], mode=ImageReadMode.RGB, device=device())
    synchronize()
    began = time.perf_counter()
    for batch in batches:
        decode_jpeg(batch, mode=ImageReadMode.RGB, device=device())
    synchronize()
    seconds = time.perf_counter() - began
    differences = []
    for data, image in zip(files[:64], decode_jpeg(given[:64], device=device()), strict=False):
        own = np.asarray(Image.open(BytesIO(data)).convert("RGB"), np.int16)
        differences.append(np.abs(image.permute(1, 2, 0).cpu().numpy().astype(np.int16) - own))
    return {
        "images_per_second": len(files) / seconds,
        "largest_pixel_difference": int(max(d.max() for d in differences)),
        "mean_pixel_difference": float(np.mean([d.mean() for d in differences])),
    }


if __name__ == "__main__":
    serve(main)
