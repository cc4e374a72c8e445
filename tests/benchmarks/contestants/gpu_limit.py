"""The limit on a GPU: the same jobs by hand, without tlf, timm and Accelerate, as fast as their
author could make them.

Threads decode every image once; all of them stay on the device as uint8. What is frozen is in bf16
where the job allows it, and sees an image that does not change once. Random crops are cut and
resized on the device. Nothing waits for the device but the end of an epoch."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from gpu_network import scaled
from limit import files
from network import network, sgd, training
from PIL import Image
from task import Task
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.transforms import RandomResizedCrop, v2
from warm import Work, computing, device, serve, synchronize, watched

Images = list[Tensor]


def main(work: Work) -> Work:
    """Seconds of a job and of its epochs."""
    task = Task(
        data=Path(work["data"]), weights=Path(work["weights"]), out=Path(), seed=0,
        **{n: work[n] for n in ("frozen", "augment", "epochs", "lr", "batch_size", "size")},
    )  # fmt: skip
    began = time.perf_counter()
    with watched() as figures:
        train, labels = decoded(task, "train", whole=task.augment != "none")
        val, val_labels = decoded(task, "val", whole=False)
        synchronize()
        ready = time.perf_counter()
        epochs, rates, top1 = trained(task, work["precision"], train, labels, val, val_labels)
    return {
        "seconds": time.perf_counter() - began, "decoding": ready - began, "epoch_seconds": epochs,
        "images_per_second": rates, "top1": top1, **figures,
    }  # fmt: skip


def decoded(task: Task, split: str, *, whole: bool) -> tuple[Images, Tensor]:
    """Every image of a split on the device: the file's pixels, or the centre of the resized one."""
    found = files(task.data / split)
    fixed = v2.Compose([v2.Resize(task.resize), v2.CenterCrop(task.size)])

    def load(path: Path) -> Tensor:
        image = Image.open(path).convert("RGB")
        pixels = v2.functional.pil_to_tensor(image if whole else fixed(image))
        return pixels.pin_memory() if torch.cuda.is_available() else pixels

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        images = [*pool.map(lambda each: load(each[0]).to(device(), non_blocking=True), found)]
    return images, torch.tensor([label for _, label in found], device=device())


def trained(
    task: Task, precision: str, train: Images, labels: Tensor, val: Images, val_labels: Tensor
) -> tuple[list[float], list[float], float]:
    """Seconds of each epoch with its evaluation, train images per second, and top-1."""
    model = network(task, 2).to(device()).to(memory_format=torch.channels_last)
    stem, rest = parts(task, model, precision)
    optimizer, context = sgd(task, model), computing(precision)
    still = task.augment == "none"
    stacked = torch.stack(val)
    with torch.no_grad():
        known = through(stem, train) if still else None
        known_val = through(stem, [*stacked])
    epochs, rates = [], []
    for _ in range(task.epochs):
        began = time.perf_counter()
        training(task, model)
        for rows in torch.randperm(len(train)).split(task.batch_size):
            on_device = rows.to(device(), non_blocking=True)
            if known is None:
                with torch.no_grad():
                    inputs = stem(cropped([train[i] for i in rows.tolist()], task.size))
            else:
                inputs = known[on_device]
            with context:
                loss = cross_entropy(rest(inputs), labels[on_device])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synchronize()
        rates.append(len(train) / (time.perf_counter() - began))
        model.eval()
        with torch.no_grad(), context:
            logits = torch.cat([rest(part) for part in known_val.split(256)])
        top1 = float((logits.argmax(1) == val_labels).float().mean())
        epochs.append(time.perf_counter() - began)
    return epochs, rates, top1


def parts(task: Task, model: nn.Module, precision: str) -> tuple[nn.Module, nn.Module]:
    """The frozen part, in bf16 where it may be, and the rest."""
    every = [*model.children()]
    layers = [*every[:-1], nn.Flatten(), every[-1]]
    first = {"backbone": len(layers) - 1, "layer3": len(layers) - 4, "nothing": 0}[task.frozen]
    stem = nn.Sequential(*layers[:first]).eval()
    if precision == "bf16" and first:
        stem.to(torch.bfloat16)
    kind = torch.bfloat16 if precision == "bf16" and first else torch.float32
    return (lambda images: stem(scaled(images).to(kind))), nn.Sequential(*layers[first:])


def through(stem: nn.Module, images: Images) -> Tensor:
    """All images through the frozen part."""
    return torch.cat([stem(torch.stack(images[i : i + 256])) for i in range(0, len(images), 256)])


def cropped(images: Images, size: int) -> Tensor:
    """A random part of each image, half of them flipped."""
    parts = []
    for image in images:
        box = RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])
        parts.append(v2.functional.resized_crop(image, *box, [size, size], antialias=True))
    stacked = torch.stack(parts)
    flipped = (torch.rand(len(stacked)) < 0.5).to(device(), non_blocking=True)
    return torch.where(flipped[:, None, None, None], stacked.flip(-1), stacked)


if __name__ == "__main__":
    serve(main)
