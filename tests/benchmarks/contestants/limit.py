"""The limit: the same job by hand, as fast as its author could make it. Without tlf, torchvision,
timm and Accelerate; the very pixels of the plain loop; every epoch is evaluated.

- Threads decode while torch is still being imported; each image is decoded once.
- What is frozen is folded (convolution and BatchNorm in one), channels-last, in bf16 where the job
  allows it, and sees an image that does not change once.
- The head's gradient is written out; the optimizer is, too, which spares torch's (and an import of
  torch._dynamo, a second).
- Freed memory is kept: giving it back costs a page fault for every 4 KiB of the next activation.
- The process ends without being torn down.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from task import Epochs, Task, read_task

Raw = tuple[bytes, int, int]
"""RGB bytes, height, width."""


def main() -> None:
    """Start to decode, then load torch and train."""
    task, epochs = read_task(), Epochs()
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    train, val = files(task.data / "train"), files(task.data / "val")
    part = task.crop_from if task.augment == "crop-flip" else "centre"
    decoding = [pool.submit(decoded, path, task, part) for path, _ in train]
    decoding_val = [pool.submit(decoded, path, task, "centre") for path, _ in val]
    from limit_training import run

    run(task, epochs, labelled(train, decoding), labelled(val, decoding_val), pool)
    os._exit(0)


def files(root: Path) -> list[tuple[Path, int]]:
    """Every image and its label."""
    classes = sorted(folder for folder in root.iterdir() if folder.is_dir())
    return [(path, k) for k, folder in enumerate(classes) for path in sorted(folder.iterdir())]


def labelled(
    found: list[tuple[Path, int]], decoding: list[Future[Raw]]
) -> list[tuple[Future[Raw], int]]:
    """An image that is being decoded, and its label."""
    return [(image, label) for image, (_, label) in zip(decoding, found, strict=True)]


def decoded(path: Path, task: Task, part: str) -> Raw:
    """The image in its ``file``, ``resized``, or the ``centre`` of that: bit-equal to torchvision's
    Resize and CenterCrop."""
    image = Image.open(path).convert("RGB")
    if part == "file":
        return image.tobytes(), image.height, image.width
    width, height = image.size
    short, resize = min(width, height), task.resize
    width, height = (int(resize * width / short), int(resize * height / short))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    if part == "centre":
        left, top = round((width - task.size) / 2), round((height - task.size) / 2)
        image = image.crop((left, top, left + task.size, top + task.size))
    return image.tobytes(), image.height, image.width


if __name__ == "__main__":
    main()
