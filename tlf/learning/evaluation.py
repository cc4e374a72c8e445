"""Classify a split exactly: every picture counts once, however many processes share the work."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tlf.data import EVAL_BATCH, Pictures, batches_of, cut
from tlf.pictures import normalize


@dataclass(frozen=True)
class Predictions:
    """The logits of a whole split, in its order."""

    logits: Tensor
    """(N, K) float32 on the CPU."""
    labels: Tensor
    """(N,)."""

    @property
    def top1(self) -> float:
        """Fraction of pictures whose largest logit is their label's."""
        return (self.logits.argmax(1) == self.labels).double().mean().item()

    @property
    def probabilities(self) -> Tensor:
        """(N, K), each row sums to 1."""
        return self.logits.softmax(1)


@torch.inference_mode()
def classify(
    accelerator: Accelerator, model: nn.Module, pictures: Pictures, workers: int
) -> Iterator[int | Predictions]:
    """Yield how many pictures are done after each batch, and in the end their predictions."""
    model.eval()
    count, device = len(pictures.split), accelerator.device
    mine = range(accelerator.process_index, count, accelerator.num_processes)
    keys = [[(0, i) for i in batch] for batch in cut(mine, EVAL_BATCH)]
    parts = []
    for batch in batches_of(pictures, keys, workers, pin=device.type == "cuda"):
        images = normalize(batch.images.to(device, non_blocking=True), pictures.how)
        with accelerator.autocast():
            logits = model(images.contiguous(memory_format=torch.channels_last))
        parts.append((batch.indices.to(device), logits.float()))
        yield min(count, sum(len(i) for i, _ in parts) * accelerator.num_processes)
    yield _joined(accelerator, parts, pictures)


def _joined(
    accelerator: Accelerator, parts: list[tuple[Tensor, Tensor]], pictures: Pictures
) -> Predictions:
    """Gather (index, logits) from all processes; put each picture's logits at its index.

    Raises:
        RuntimeError: a picture is missing.
    """
    count = len(pictures.split)
    indices = torch.cat([i for i, _ in parts])
    logits = torch.cat([x for _, x in parts])
    # Processes may hold one picture fewer than others, and gathering needs equal shapes.
    indices = accelerator.pad_across_processes(indices, pad_index=-1)
    gathered = accelerator.gather((indices, accelerator.pad_across_processes(logits)))
    indices, logits = (tensor.cpu() for tensor in gathered)
    real = indices >= 0
    if not torch.equal(indices[real].sort().values, torch.arange(count)):
        raise RuntimeError(f"{int(real.sum())} predictions for {count} pictures")
    ordered = torch.empty(count, logits.shape[1])
    ordered[indices[real]] = logits[real]
    return Predictions(ordered, torch.tensor(pictures.split.labels))
