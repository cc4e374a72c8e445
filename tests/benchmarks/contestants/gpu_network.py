"""The network fed from memory: how fast the device is when nothing else has to be done.

Uint8 images lie on the device. What is frozen is in bf16 already where the precision is bf16."""

import time
from functools import partial
from pathlib import Path

import torch
from network import RESNET18, sgd, training
from task import Task
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision import models
from warm import Work, computing, device, serve, synchronize

SECONDS = 1.0
"""How long each is measured, after a warm-up."""


def main(work: Work) -> Work:
    """Images per second of one kind of work at one batch size and precision."""
    batch, size, frozen = work["batch"], work["size"], work["frozen"]
    task = Task(
        data=Path(), weights=Path(), out=Path(), frozen=frozen, augment="none", epochs=1, lr=1e-3
    )  # fmt: skip
    model = models.resnet18()
    model.fc = nn.Linear(512, 2)
    model = model.to(device()).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, size, size), generator=generator, dtype=torch.uint8)
    images = images.to(device())
    labels = torch.randint(0, 2, (batch,), generator=generator).to(device())
    context = computing(work["precision"])
    training(task, model)
    if frozen == "backbone":
        if work["precision"] == "bf16":
            model = model.to(torch.bfloat16)
        once = partial(forward, model.eval(), images, work["precision"])
    else:
        once = partial(update, model, images, labels, sgd(task, model), context)
    return {"images_per_second": batch * rate(once)}


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Uint8 → normalised float, channels last."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) * 255 for v in RESNET18[:2])
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def forward(model: nn.Module, images: torch.Tensor, precision: str) -> None:
    """A forward pass without gradients."""
    inputs = scaled(images)
    model(inputs.bfloat16() if precision == "bf16" else inputs)


def update(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer,
    context: torch.autocast,
) -> None:  # fmt: skip
    """One update of everything."""
    with context:
        loss = cross_entropy(model(scaled(images)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def rate(once: partial[None]) -> float:
    """How many times a second."""
    for _ in range(5):
        once()
    synchronize()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        for _ in range(10):
            once()
        synchronize()
        done += 10
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    serve(main)
