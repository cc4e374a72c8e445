"""Which kernels a GPU computes with: TF32, cuDNN's search for the fastest, determinism.

A CPU has one way to compute, which repeats bit for bit: nothing is set there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""cuBLAS repeats a product bit for bit only with a workspace of fixed size. It reads this variable
once, when it is first used. Source: NVIDIA, cuBLAS documentation, "Results reproducibility"."""


@dataclass(frozen=True)
class Kernels:
    """The settings of a recipe."""

    tf32: bool
    deterministic: bool
    cudnn_benchmark: bool

    def reserve(self) -> None:
        """What has to be known before the GPU is first used."""
        if self.deterministic:
            os.environ.setdefault(*_WORKSPACE)

    @contextmanager
    def used_on(self, device: torch.device) -> Iterator[None]:
        """Compute with these settings inside a ``with`` block; as before it at its end."""
        if device.type == "cpu":
            yield
            return
        before = _now()
        _set(self)
        try:
            yield
        finally:
            _set(before)


# torch has older and newer switches for TF32 and refuses to read the old ones once the new ones are
# written. The old ones can be read in both ways.
def _now() -> Kernels:
    return Kernels(
        tf32=torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        cudnn_benchmark=torch.backends.cudnn.benchmark,
    )


def _set(kernels: Kernels) -> None:
    torch.backends.cuda.matmul.allow_tf32 = kernels.tf32
    torch.backends.cudnn.allow_tf32 = kernels.tf32
    torch.backends.cudnn.benchmark = kernels.cudnn_benchmark
    torch.use_deterministic_algorithms(kernels.deterministic)
