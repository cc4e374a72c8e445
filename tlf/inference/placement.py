"""Where a trained model computes, and in which type of number: what a program may ask for."""

import torch

from tlf.errors import RunError

DTYPES = ("float32", "float16", "bfloat16", "float64")
"""The types of number that a model may be converted to."""


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name, if this machine has it.

    >>> find_device("cpu")
    device(type='cpu')

    Raises:
        RunError: it has no such device.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:  # its message lists kinds that no machine has
        raise _no_device(device, "it is no name of a device") from error
    try:
        if found.type == "meta":
            raise RuntimeError("it holds no values")
        torch.zeros(1, device=found)
    # Each kind of device has its own error: of torch without CUDA, it is an AssertionError.
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), "").partition(". ")[0].rstrip(".")
        raise _no_device(device, f"{reason:.200}") from error
    return found


def _no_device(device: object, reason: str) -> RunError:
    return RunError(
        f"device must be one of {', '.join(_devices())} here, got {str(device)!r:.60}: {reason}; "
        "leave it out for cpu"
    )


def find_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The floating-point type of that name.

    >>> find_dtype("bfloat16"), find_dtype(torch.half)
    (torch.bfloat16, torch.float16)

    Raises:
        RunError: it is none that a network computes in.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise RunError(
            f"dtype must be one of {', '.join(DTYPES)}, got {name!r:.60}; leave it out for float32"
        )
    found: torch.dtype = getattr(torch, name)
    return found


def _devices() -> list[str]:
    accelerator = torch.accelerator.current_accelerator()
    others = range(torch.accelerator.device_count()) if accelerator else ()
    return ["cpu", *(f"{accelerator.type}:{number}" for number in others if accelerator)]
