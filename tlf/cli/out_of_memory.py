"""Too little memory, in whichever words it is told: torch has a type of its own only for what a GPU
lacks.
"""

import re

_SMALLER = (
    "write a smaller batch_size, accumulate = 2 or more for batches in as many pieces, or a "
    "smaller transforms.size, head or backbone"
)


def explain_out_of_memory(error: BaseException) -> str | None:
    """What is short of memory and what to write instead; None if an error is something else.

    >>> error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total …")
    >>> explain_out_of_memory(error).partition(";")[0]
    'the GPU has too little memory, 2.00 GiB more were asked for'
    >>> explain_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))

    Parameters:
        error: one that may be about memory.
    """
    text = _told(error)
    if "killed by signal: Bus error" in text or "out of shared memory" in text:
        return (
            "the processes that load images have too little shared memory; write workers = 0, or "
            "give a container more of it (docker run --ipc=host, or --shm-size 8g)"
        )
    if "killed by signal: Killed" in text:
        return (
            "a process that loads images was killed, as a system does that runs out of memory; "
            "write fewer workers or a smaller batch_size"
        )
    if isinstance(error, MemoryError) or re.search("can('t|not) allocate memory", text, re.I):
        return f"the machine has too little memory{_asked(text)}; {_SMALLER}"
    if "out of memory" in text:
        return f"the GPU has too little memory{_asked(text)}; {_SMALLER}"
    return None


def _told(error: BaseException | None) -> str:
    """What an error and those behind it say."""
    return f"{error} {_told(error.__cause__)}" if error is not None else ""


def _asked(text: str) -> str:
    found = re.search(r"[Tt]ried to allocate ([\d.]+) (\w+)", text)
    if not found:
        return ""
    amount, unit = found.groups()
    if unit == "bytes":  # of the machine's memory; a GPU's is told for a person
        amount, unit = f"{int(amount) / 2**30:,.2f}", "GiB"
    return f", {amount} {unit} more were asked for"
