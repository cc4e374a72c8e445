"""Which kernels a GPU computes with: TF32, cuDNN's search for the fastest, determinism.

A CPU has one way to compute, which repeats bit for bit: nothing is set there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

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
        before = _Switches.now()
        before.with_kernels(self).set()
        try:
            yield
        finally:
            before.set()


@dataclass(frozen=True)
class _Switches:
    """torch's switches. Programs that call tlf find them as they were: keys of stored features have
    them, too.
    """

    matmul: str
    conv: str
    rnn: str
    deterministic: bool
    warns_only: bool
    cudnn_benchmark: bool

    @classmethod
    def now(cls) -> Self:
        return cls(
            # torch's stubs do not have these.
            torch.backends.cuda.matmul.fp32_precision,
            torch.backends.cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
            torch.backends.cudnn.rnn.fp32_precision,  # type: ignore[attr-defined]
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
        )

    def with_kernels(self, kernels: Kernels) -> Self:
        """These, with the settings of a recipe."""
        precision = "tf32" if kernels.tf32 else "ieee"
        return replace(
            self,
            matmul=precision,
            # cuDNN's older switch knows "none" alone for full precision.
            conv="tf32" if kernels.tf32 else "none",
            rnn="tf32" if kernels.tf32 else "none",
            deterministic=kernels.deterministic,
            warns_only=False,
            cudnn_benchmark=kernels.cudnn_benchmark,
        )

    def set(self) -> None:
        # The older switches come first. They cannot be read, and Inductor reads them, where the
        # newer ones say something else than they were set to.
        torch.backends.cuda.matmul.allow_tf32 = self.matmul == "tf32"
        torch.backends.cudnn.allow_tf32 = self.conv == "tf32"
        torch.backends.cuda.matmul.fp32_precision = self.matmul
        torch.backends.cudnn.conv.fp32_precision = self.conv  # type: ignore[attr-defined]
        torch.backends.cudnn.rnn.fp32_precision = self.rnn  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warns_only)
        torch.backends.cudnn.benchmark = self.cudnn_benchmark
