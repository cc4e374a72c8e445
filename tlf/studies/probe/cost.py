"""What a backbone costs: parameters, memory of its weights, and seconds for an image."""

import time
from dataclasses import dataclass

import torch

from tlf.model import parameter_count
from tlf.training.job import Job

BATCH = 4
"""Images in a batch that is timed."""
_TIMES = 3


@dataclass(frozen=True)
class Cost:
    """What a backbone costs."""

    parameters: int
    megabytes: float
    """10⁶ bytes of parameters and buffers."""
    seconds: float
    """For an image, without decoding it: in the fastest of three batches of ``BATCH``."""


def cost_of(job: Job) -> Cost:
    """Measure the backbone of a job."""
    classifier = job.classifier
    tensors = job.built.module.state_dict().values()
    return Cost(
        parameter_count(classifier, classifier.backbone_names),
        sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 10**6,
        _seconds(job),
    )


@torch.inference_mode()
def _seconds(job: Job) -> float:
    device, size = job.accelerator.device, job.preprocessing.size
    images = torch.zeros(BATCH, job.preprocessing.channels, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    job.classifier.eval()
    taken = []
    for _ in range(1 + _TIMES):  # the first one prepares kernels
        start = time.perf_counter()
        with job.accelerator.autocast():
            features = job.classifier.features(images)
        features.sum().item()  # waits for the device
        taken.append((time.perf_counter() - start) / BATCH)
    return min(taken[1:])
