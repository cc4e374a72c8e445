"""JPEG decoding alone: by threads or processes, as tlf decodes, and by nvJPEG on the device."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from gpu_network import scaled
from network import network
from PIL import Image
from task import Task
from torch import Tensor
from torchvision.transforms import v2
from warm import Work, device, serve, synchronize

from tlf.data.transforms import load_pixels
from tlf.preprocessing import Preprocessing


def main(work: Work) -> Work:
    """Images per second."""
    files = [p.read_bytes() for p in sorted(Path(work["data"]).rglob("*.jpg"))[: work["images"]]]
    if work["by"] == "nvjpeg":
        return nvjpeg(files, work)
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


def nvjpeg(files: list[bytes], work: Work) -> Work:
    """Decoding without resizing, in batches of 64; and what differs from Pillow's pixels: they, and
    the logits of the network. On a CPU, torchvision's own decoder rehearses it.
    """
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
    few = decode_jpeg(batches[0], mode=ImageReadMode.RGB, device=device())
    return {"images_per_second": len(files) / seconds, **differences(files, few, work)}


def differences(files: list[bytes], decoded: list[Tensor], work: Work) -> Work:
    """How decoded images differ from those that Pillow decodes."""
    opened = [Image.open(BytesIO(data)).convert("RGB") for data in files[: len(decoded)]]
    own = [torch.from_numpy(np.array(image)).permute(2, 0, 1).to(device()) for image in opened]
    pixels = [(a.short() - b.short()).abs() for a, b in zip(own, decoded, strict=True)]
    expected, found = (logits(images, work) for images in (own, decoded))
    return {
        "largest_pixel_difference": int(max(each.max() for each in pixels)),
        "mean_pixel_difference": sum(float(each.float().mean()) for each in pixels) / len(pixels),
        "largest_logit_difference": float((found - expected).abs().max() / expected.abs().max()),
        "changed_labels": int((found.argmax(1) != expected.argmax(1)).sum()),
    }


@torch.no_grad()
def logits(images: list[Tensor], work: Work) -> Tensor:
    """What the network makes of images, which are resized on the device; with a head of its own."""
    size = work["size"]
    task = Task(
        data=Path(), weights=Path(work["weights"]), out=Path(), frozen="backbone", augment="none",
        epochs=1, lr=1e-3, size=size,
    )  # fmt: skip
    model = network(task, 2).to(device()).eval()
    fixed = v2.Compose([v2.Resize(task.resize, antialias=True), v2.CenterCrop(size)])
    return model(scaled(torch.stack([fixed(image) for image in images])))


if __name__ == "__main__":
    serve(main)
