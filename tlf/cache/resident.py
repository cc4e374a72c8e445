"""An entry in a GPU's own memory, for epochs that read all of it again and again."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from tlf.cache.entry import Entry
from tlf.runtime.ahead import ahead
from tlf.runtime.cores import local_processes, usable_cores

_BLOCK = 16 * 2**20
"""Bytes that a thread reads at a time."""


def resident(entry: Entry, device: torch.device, share: float) -> Tensor | None:
    """All bytes (V,) of an entry on a device; None where they do not fit, or it was cut.

    Parameters:
        entry: the entry.
        device: a GPU; on a CPU, everything fits.
        share: how much of its free memory the bytes may take.
    """
    pin = device.type == "cuda"
    if pin and entry.bytes > share * torch.cuda.mem_get_info(device)[0]:
        return None
    values = torch.empty(entry.bytes, dtype=torch.uint8, device=device)
    starts = range(0, entry.bytes, _BLOCK)
    # One thread asks for page-locked memory: see ``Rows``.
    blocks = (
        torch.empty(min(_BLOCK, entry.bytes - start), dtype=torch.uint8, pin_memory=pin)
        for start in starts
    )
    threads = max(1, usable_cores() // local_processes())
    with ThreadPoolExecutor(threads) as pool:
        begun = (
            (start, block, pool.submit(entry.read_into, block.numpy(), start))
            for start, block in zip(starts, blocks, strict=True)
        )
        try:
            for start, block, reading in ahead(begun, threads):
                reading.result()
                values[start : start + len(block)].copy_(block, non_blocking=pin)
        except OSError:
            return None
    return values
