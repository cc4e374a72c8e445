"""What the last bits of a result depend on, besides code and inputs: hardware, threads, and the
settings of the libraries that compute.
"""

import os
from typing import Any

import torch
from accelerate import Accelerator

from tlf.cache.keys import processor
from tlf.runtime.devices import describe
from tlf.runtime.processes import gathered

_NAMES = ("ATEN_", "DNNL_", "MKL_", "NVIDIA_TF32_", "ONEDNN_", "TIMM_", "TORCH_ALLOW_")
"""Prefixes of environment variables that change how torch, its libraries and timm compute."""


def computed(accelerator: Accelerator) -> list[str]:
    """The settings of all processes, as strings; the result is the same in each process."""
    own = repr(_settings(accelerator))
    return sorted({*gathered(own)})


def _settings(accelerator: Accelerator) -> dict[str, Any]:
    cuda = torch.backends.cuda.matmul
    # torch's stubs do not have all attributes of these.
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    # The precision that float32 is rounded to; torch's older switches are shown here, too.
    rounding = (torch.backends, mkldnn, mkldnn.conv, mkldnn.matmul, cudnn, cudnn.conv, cuda)
    return {
        "device": describe(accelerator),
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "float32": [backend.fp32_precision for backend in rounding],
        "half": [
            cuda.allow_fp16_reduced_precision_reduction,
            cuda.allow_bf16_reduced_precision_reduction,
        ],
        "kernels": [mkldnn.enabled, cudnn.enabled, cudnn.benchmark, cudnn.deterministic],
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": sorted(item for item in os.environ.items() if item[0].startswith(_NAMES)),
    }
