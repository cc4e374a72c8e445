"""What every contestant is told on its command line, and what it prints. Standard library only."""

import argparse
import time
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Task:
    """One job: a network with given weights and a new last layer, on a folder of images."""

    data: Path
    """Holds train/<class>/*.jpg and val/<class>/*.jpg."""
    weights: Path
    """The backbone's tensors, with the names of torchvision or timm, as safetensors."""
    out: Path
    """An empty folder for whatever is written."""
    frozen: str
    """``backbone``, ``layer3`` (everything up to it) or ``nothing``."""
    augment: str
    """``none``: the centre of the resized image. ``crop-flip``: a random crop."""
    epochs: int
    lr: float
    model: str = "resnet18"
    """torchvision's ``resnet18``, or a network of timm."""
    crop_from: str = "file"
    """What random crops are cut from: the ``file``, or the ``resized`` image."""
    bf16: int = 0
    tuned: int = 0
    """Whether a framework is switched to bf16 and channels-last."""
    workers: int = 0
    batch_size: int = 32
    size: int = 224
    seed: int = 0

    @property
    def resize(self) -> int:
        """Shorter side before the crop."""
        return self.size * 256 // 224

    def arguments(self) -> list[str]:
        """The same as ``--name=value``."""
        return [f"--{f.name}={getattr(self, f.name)}" for f in fields(self)]


def read_task() -> Task:
    """The task that the command line says."""
    parser = argparse.ArgumentParser()
    for field in fields(Task):
        parser.add_argument(f"--{field.name}", type=field.type, default=field.default)
    return Task(**vars(parser.parse_args()))


class Epochs:
    """Prints a line for each epoch, which the parent reads."""

    def __init__(self) -> None:
        self.done = 0
        self.begin()

    def begin(self) -> None:
        """An epoch begins."""
        self.began = time.perf_counter()

    def end(self, top1: float) -> None:
        """An epoch and its evaluation are over, and the next one begins."""
        self.done += 1
        seconds = time.perf_counter() - self.began
        print(f"epoch {self.done}: top-1 {top1:.2%}, {seconds:.4f} s", flush=True)
        self.begin()
