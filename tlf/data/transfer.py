"""Batches on their way to the device, copied while it computes on the batch before them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tlf.data.loading import Batch
from tlf.data.stored_batches import StoredBatch
from tlf.runtime.ahead import ahead


def on_device(
    batches: Iterable[Sequence[Batch] | Sequence[StoredBatch]], device: torch.device
) -> Iterator[Batch]:
    """Copy batches, which come in parts, to a device; on CUDA one batch ahead, beside its work.

    Indices and labels go to the device, too. On a CPU, a batch of one part is given as it is.
    """
    if device.type != "cuda":
        for parts in batches:
            yield _joined([part.on(device) for part in parts])
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copied() -> Iterator[tuple[Batch, torch.cuda.Event]]:
        for parts in batches:
            with torch.cuda.stream(stream):
                batch = _channels_last(_joined([part.on(device) for part in parts]))
                done = stream.record_event()
            yield batch, done

    for batch, done in ahead(copied()):
        yield _arrived(batch, done)


def on_host(results: Iterable[Tensor]) -> Iterator[Tensor]:
    """Copy results to the host; from CUDA while the device computes the next one."""
    for copied, done in ahead(map(_leaving, results)):
        if done is not None:
            done.synchronize()
        yield copied


def _leaving(result: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on the host, and when it is whole; None: it is."""
    if result.device.type != "cuda":
        return result.cpu(), None
    copied = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
    copied.copy_(result, non_blocking=True)
    return copied, torch.cuda.current_stream(result.device).record_event()


def _arrived(batch: Batch, done: torch.cuda.Event) -> Batch:
    """The batch, for work on the current stream, which waits for the copy; the host does not."""
    current = torch.cuda.current_stream(batch.inputs.device)
    current.wait_event(done)
    for tensor in (batch.indices, batch.inputs, batch.labels):
        # Its memory may not be used again before the current stream has read it.
        tensor.record_stream(current)
    return batch


def _channels_last(batch: Batch) -> Batch:
    """Images as convolutions take them: reordered as integers, they are a quarter of the bytes."""
    return replace(batch, inputs=batch.inputs.contiguous(memory_format=torch.channels_last))


def _joined(parts: Sequence[Batch]) -> Batch:
    if len(parts) == 1:
        return parts[0]
    indices, inputs, labels = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("indices", "inputs", "labels")
    )
    return Batch(indices, inputs, labels, parts[0].stored)
