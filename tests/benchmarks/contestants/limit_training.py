"""What the limit does once torch is there."""

import ctypes
import math
import random
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from limit_network import Folded, Net
from safetensors.torch import load_file, save_file
from task import Epochs, Task
from torch import Tensor
from torch.nn import functional

Labelled = list[tuple[Future[tuple[bytes, int, int]], int]]
FROZEN_BATCH = 16
"""Images that the frozen part sees at once: what passes between layers stays in the caches."""


def run(
    task: Task, epochs: Epochs, train: Labelled, val: Labelled, pool: ThreadPoolExecutor
) -> None:
    """Do the job."""
    epochs.begin()
    keep_freed_memory()
    torch.manual_seed(task.seed)
    random.seed(task.seed)
    labels, val_labels = (torch.tensor([k for _, k in split]) for split in (train, val))
    classes = int(labels.max()) + 1
    weights = load_file(task.weights)
    kind = torch.bfloat16 if task.bf16 else torch.float32
    head = torch.empty(classes, 512).normal_(0, 0.01), torch.zeros(classes)
    if task.frozen == "backbone":
        probe(task, epochs, Folded(weights, kind), (train, labels), (val, val_labels), head, pool)
    else:
        learn(task, epochs, weights, kind, (train, labels), (val, val_labels), head, pool)


def keep_freed_memory() -> None:
    """Have glibc's malloc neither map large blocks by themselves nor give memory back."""
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, mmap_max = -1, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, (1 << 31) - 1)


# Images


def centers(split: Labelled, task: Task):
    """Batches of images that do not change, (B, 3, S, S) uint8, channels last."""
    for start in range(0, len(split), FROZEN_BATCH):
        parts = [pixels(future) for future, _ in split[start : start + FROZEN_BATCH]]
        yield torch.stack(parts).permute(0, 3, 1, 2)


def pixels(future: Future[tuple[bytes, int, int]]) -> Tensor:
    """(H, W, 3) uint8."""
    data, height, width = future.result()
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(height, width, 3)


def random_part(image: Tensor, size: int) -> Tensor:
    """Part of an image (H, W, 3) → (size, size, 3), mirrored at random; as torchvision's
    RandomResizedCrop of a tensor draws and resizes it."""
    top, left, height, width = box(*image.shape[:2])
    part = image[top : top + height, left : left + width].permute(2, 0, 1)[None]
    part = functional.interpolate(part, (size, size), mode="bilinear", antialias=True)[0]
    return (part.flip(2) if random.random() < 0.5 else part).permute(1, 2, 0)


def box(height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the part."""
    for _ in range(10):
        area = height * width * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    ratio = min(max(width / height, 3 / 4), 4 / 3)
    h, w = min(height, round(width / ratio)), min(width, round(height * ratio))
    return (height - h) // 2, (width - w) // 2, h, w


def random_batch(
    images: list[Tensor], chosen: list[int], task: Task, pool: ThreadPoolExecutor
) -> Tensor:
    """(B, 3, S, S) uint8, channels last."""
    parts = pool.map(lambda i: random_part(images[i], task.size), chosen)
    return torch.stack([*parts]).permute(0, 3, 1, 2)


def normalized(images: Tensor, kind: torch.dtype) -> Tensor:
    """The three roundings of ToTensor and Normalize."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return images.to(torch.float32).div_(255).sub_(mean).div_(std).to(kind)


# The backbone is frozen


@torch.inference_mode()
def probe(task, epochs, net, train, val, head, pool) -> None:
    """Train the head on features; fresh ones each epoch where images change."""
    (futures, labels), (val_futures, val_labels) = train, val
    fresh = task.augment == "crop-flip"
    if fresh:
        images = [pixels(future) for future, _ in futures]
    else:
        features = features_of(net, futures, task)
    val_features = features_of(net, val_futures, task)
    momenta = [torch.zeros_like(tensor) for tensor in head]
    best = -1.0
    for _ in range(task.epochs):
        for chosen in torch.randperm(len(labels)).split(task.batch_size):
            if fresh:
                batch = random_batch(images, chosen.tolist(), task, pool)
                x = torch.cat([
                    net.features(normalized(part, net.kind)).float()
                    for part in batch.split(FROZEN_BATCH)
                ])  # fmt: skip
            else:
                x = features[chosen]
            sgd([*head], head_gradient(*head, x, labels[chosen]), momenta, task.lr)
        top1 = accuracy(functional.linear(val_features, *head), val_labels)
        if top1 > best:
            best, kept = top1, {"fc.weight": head[0].clone(), "fc.bias": head[1].clone()}
        epochs.end(top1)
    save_file(kept, task.out / "head.safetensors")


def features_of(net: Folded, split: Labelled, task: Task) -> Tensor:
    """(N, 512) float32."""
    batches = centers(split, task)
    return torch.cat([net.features(normalized(batch, net.kind)).float() for batch in batches])


def head_gradient(weight: Tensor, bias: Tensor, x: Tensor, labels: Tensor) -> list[Tensor]:
    """The gradient of the mean cross-entropy."""
    error = functional.linear(x, weight, bias).softmax(1)
    error[torch.arange(len(labels)), labels] -= 1
    error /= len(labels)
    return [error.T @ x, error.sum(0)]


def sgd(tensors: list[Tensor], gradients: list[Tensor], momenta: list[Tensor], lr: float) -> None:
    """A step with momentum 0.9."""
    torch._foreach_mul_(momenta, 0.9)
    torch._foreach_add_(momenta, gradients)
    torch._foreach_add_(tensors, momenta, alpha=-lr)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1."""
    return (logits.argmax(1) == labels).double().mean().item()


# Part of it learns, or all


def learn(task, epochs, weights, kind, train, val, head, pool) -> None:
    """Train layer4 and the head on layer3's activations, or everything on images."""
    (futures, labels), (val_futures, val_labels) = train, val
    partly = task.frozen == "layer3"
    net = Net(weights, head, prefixes=("layer4.", "fc.") if partly else ("",))
    frozen = Folded(weights, kind)
    fresh = task.augment == "crop-flip"
    with torch.inference_mode():
        inputs = [pixels(f) for f, _ in futures] if fresh else stored(frozen, futures, task)
        val_inputs = stored(frozen if partly else None, val_futures, task)
    momenta = [torch.zeros_like(tensor) for tensor in net.trainable]
    best = -1.0
    for _ in range(task.epochs):
        for chosen in torch.randperm(len(labels)).split(task.batch_size):
            if fresh:
                x = normalized(random_batch(inputs, chosen.tolist(), task, pool), torch.float32)
            else:
                x = inputs[chosen].clone()
            with torch.autocast("cpu", torch.bfloat16, enabled=bool(task.bf16)):
                logits = net(x, from_layer4=partly)
            loss = functional.cross_entropy(logits.float(), labels[chosen])
            gradients = torch.autograd.grad(loss, net.trainable)
            with torch.no_grad():
                sgd(net.trainable, [*gradients], momenta, task.lr)
        top1 = evaluated(net, kind, val_inputs, val_labels, partly)
        if top1 > best:
            best, kept = top1, {n: t.detach().clone() for n, t in net.tensors.items()}
        epochs.end(top1)
    save_file({n: t.contiguous() for n, t in kept.items()}, task.out / "model.safetensors")


def stored(net: Folded | None, split: Labelled, task: Task) -> Tensor:
    """Layer3's activations, or without a net the images themselves."""
    if net is None:
        return torch.cat([*centers(split, task)])
    return torch.cat([net.layer3(normalized(batch, net.kind)) for batch in centers(split, task)])


@torch.inference_mode()
def evaluated(net: Net, kind: torch.dtype, inputs: Tensor, labels: Tensor, partly: bool) -> float:
    """Top-1 with what was learnt, folded anew."""
    folded, logits = Folded(net.tensors, kind, partly), []
    for batch in inputs.split(FROZEN_BATCH):
        features = folded.pooled(batch) if partly else folded.features(normalized(batch, kind))
        logits.append(functional.linear(features.float(), *net.head))
    return accuracy(torch.cat(logits), labels)
