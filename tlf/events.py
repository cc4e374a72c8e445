"""What happens in a run, as a program sees it that iterates over the events of ``tlf.run``. The
results of epochs and of the run, which are events, too, are in ``tlf.results``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tlf.epoch_lines import check_names_and_counts
from tlf.results import Progress


@dataclass(frozen=True)
class Audit:
    """What a segment has changed: digests of every tensor, from before and after it, compared.

    A frozen tensor that differs is an error, so there is no audit with one.
    """

    frozen: int
    """Values in frozen parameters and buffers. Each is the same as before, bit for bit."""
    trained: int
    """Parameters that were to train, each a whole tensor."""
    unmoved: tuple[str, ...] = ()
    """Those of them that did not change."""


@dataclass(frozen=True)
class SegmentStarted:
    """A phase begins to train, or continues with other parameters frozen."""

    phase: str
    epoch: int
    rates: Mapping[str, float] = field(repr=False)
    """Parameter that trains → learning rate before the scheduler; all others are frozen."""
    start: str = "images"
    """The input of the trainable part: images, or the output of frozen stages."""
    audit: Audit | None = None
    """What it has changed; None until it ends."""


def segment_started(line: Mapping[str, Any]) -> SegmentStarted:
    """A segment from its fields, as segments.jsonl and a stored state have them.

    >>> segment_started({"phase": "head", "epoch": 0, "rates": {"head.bias": 0.1}}).start
    'images'

    Raises:
        KeyError, TypeError, AttributeError: a value is missing, or is of another kind.
    """
    audit = line.get("audit")  # an older version writes none
    if audit is not None:
        audit = Audit(**{**audit, "unmoved": tuple(audit["unmoved"])})
    counts = {"epoch": line["epoch"], **({} if audit is None else vars(audit))}
    check_names_and_counts(line, {n: v for n, v in counts.items() if n != "unmoved"})
    known = {field.name for field in fields(SegmentStarted)}  # a newer version may write more
    return SegmentStarted(**{n: v for n, v in line.items() if n in known} | {"audit": audit})


@dataclass(frozen=True)
class SegmentEnded:
    """A segment has ended, and its audit found every frozen tensor as it was."""

    phase: str
    epoch: int
    """The epoch that it started with."""
    audit: Audit


@dataclass(frozen=True)
class Updated:
    """An optimizer step was taken, or a batch of the eval split was classified."""

    phase: str
    progress: Progress
    evaluating: bool
    done: int
    """Images of this epoch (or of the eval split) that are done, over all processes."""
    images: int
    """All images of this epoch (or of the eval split)."""
    loss: float | None = None
    """Mean loss of the epoch so far in this process, as far as it was read from the device."""
    synced: bool = True
    """Whether the host has waited for the device, and for the other processes, which it does every
    few updates. Several processes can only stop or store their state where all of them do."""


@dataclass(frozen=True)
class Prepared:
    """Progress of something that is computed once, such as features."""

    title: str
    done: int
    images: int


@dataclass(frozen=True)
class Stored:
    """Something was stored in the cache, or found there."""

    title: str
    bytes: int
    reused: bool


@dataclass(frozen=True)
class PhaseEnded:
    """A phase has trained and evaluated its last epoch."""

    phase: str


@dataclass(frozen=True)
class Notice:
    """Something that a person should know."""

    text: str


@dataclass(frozen=True)
class SimulatorStarted:
    """The page of the simulator is served, until the program is interrupted."""

    address: str
    """Of the page. It holds a secret token."""


@dataclass(frozen=True)
class ServerStarted:
    """The models of ``tlf serve`` are loaded, and it answers requests until it is interrupted."""

    address: str
