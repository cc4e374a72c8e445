"""The precision that a device computes in: float32 (``no``), or 16 bits where they are faster.

It needs torch and no other library: apps that only classify images import it.
"""

import warnings
from typing import TYPE_CHECKING

from tlf.errors import TlfWarning

if TYPE_CHECKING:
    import torch

DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
"""Precisions of 16 bits: what a recipe calls them → torch's name."""

PRECISIONS = ("no", *DTYPES)
"""What ``tlf predict --precision`` may be."""


class PrecisionWarning(TlfWarning):
    """A device computes in float32, because it has no fast form of the wanted precision."""


def has_fast(precision: str, device: "torch.device") -> bool:
    """Whether a device computes in a precision without being slower than in float32.

    A CPU does where oneDNN has kernels for it: bf16 needs AVX-512 or an ARM core with bf16, fp16
    needs AVX-512 FP16 or AMX. Without them torch multiplies numbers one by one, which takes five
    times as long as float32 and more. A GPU does where its own instructions compute in 16 bits.
    """
    import torch

    if precision not in DTYPES:
        return precision == "no"
    if device.type == "cpu":
        if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return False
        kernels = torch.ops.mkldnn
        if precision == "bf16":
            return bool(kernels._is_mkldnn_bf16_supported())
        return bool(kernels._is_mkldnn_fp16_supported())
    if device.type == "cuda" and precision == "bf16":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cuda" or precision == "fp16"


def usable(precision: str, device: "torch.device") -> str:
    """The precision, where a device has a fast form of it. Otherwise ``no``, with a warning."""
    if has_fast(precision, device):
        return precision
    warnings.warn(
        f"this {device.type.upper()} has no fast {precision}: float32 is used instead, and figures "
        f"may differ from those in {precision}",
        PrecisionWarning,
        stacklevel=2,
    )
    return "no"


def autocast(precision: str, device: "torch.device") -> "torch.autocast":
    """A context in which a device computes in a precision, as training does."""
    import torch

    wanted = precision in DTYPES
    dtype = getattr(torch, DTYPES[precision]) if wanted else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=wanted)
