"""Recognize errors about too little memory by their text.

torch raises a type of its own only for a GPU; elsewhere the text alone says what is missing.
"""

import re

_SMALLER = (
    'write a smaller batch_size, accumulate = "auto" (a batch in as many parts as it takes), or a '
    "smaller transforms.size, head or backbone"
)


def explain_out_of_memory(error: BaseException) -> str | None:
    """Say which memory is too small and what to write instead; None for any other error.

    >>> error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total …")
    >>> explain_out_of_memory(error).partition(";")[0]
    'the GPU has too little memory: 2.00 GiB more were requested'
    >>> explain_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    """
    text = _text(error)
    if isinstance(error, MemoryError) or re.search("can('t|not) allocate memory", text, re.I):
        return f"the machine has too little memory{_requested(text)}; {_SMALLER}"
    if "out of memory" in text:
        return f"the GPU has too little memory{_requested(text)}; {_SMALLER}"
    return None


def _text(error: BaseException | None) -> str:
    """The messages of an error and of its causes."""
    return f"{error} {_text(error.__cause__)}" if error is not None else ""


def _requested(text: str) -> str:
    """How much memory was requested, where the message says so."""
    match = re.search(r"[Tt]ried to allocate ([\d.]+) (\w+)", text)
    if not match:
        return ""
    amount, unit = match.groups()
    if unit == "bytes":  # torch's unit on the CPU; on a GPU it writes MiB or GiB
        amount, unit = f"{int(amount) / 2**30:,.2f}", "GiB"
    return f": {amount} {unit} more were requested"
