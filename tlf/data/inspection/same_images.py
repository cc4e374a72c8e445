"""All processes of a run must find the same images, with the same labels and the same bytes: each
deals every batch for itself.
"""

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from platform import node
from typing import Any

from accelerate.state import PartialState

from tlf.components import Splits
from tlf.data.inspection.readable import Inspection, whole
from tlf.data.splits import ReadFile, parts_of
from tlf.errors import DataError
from tlf.runtime.processes import Machine, by_machine, gathered

_SPLITS = ("train", "eval", "test")
_AGAIN = "copy the images of one to the other"

Listing = Mapping[str, Sequence[Any]]
"""The class names, and the names and labels of the images of each split."""


def check_listings(splits: Splits) -> None:
    """Compare classes, names and labels before an image is read. Every process has to call this.

    Raises:
        DataError: names the first process that differs from the main one, and the first image.
    """
    if PartialState().num_processes == 1:
        return
    machines = by_machine((_digest(splits), _folders(splits)))
    if len({digest for machine in machines for digest, _ in machine.answers.values()}) > 1:
        first, *others = gathered((node(), _listing(splits)))
        for number, (host, other) in enumerate(others, start=1):
            if other != first[1]:
                here, there = f"process 0 on {first[0]}", f"process {number} on {host}"
                raise DataError(f"{_difference(first[1], other, here, there)}; {_AGAIN}")
    for machine in machines:
        _check_folders(machine)


def check_bytes(
    split_name: str, names: Sequence[str], machines: Sequence[tuple[str, Inspection]]
) -> None:
    """Compare what the machines have read of a split.

    Parameters:
        split_name: ``train`` or ``eval``.
        names: the names of its images.
        machines: the name of each machine, and what its processes have read.

    Raises:
        DataError: names the first image that is not the same on all machines.
    """
    (first, one), *others = machines
    for title, other in others:
        for index in range(len(names)):
            digest, other_digest = one.digests[index], other.digests[index]
            why, other_why = (each.reasons.get(index, "") for each in (one, other))
            # What a process has not read, as it failed, it reports itself.
            unread = not (digest or why) or not (other_digest or other_why)
            if unread or (digest, why) == (other_digest, other_why):
                continue
            image = f"{split_name}: {names[index]!r}"
            if why or other_why:
                where, reason = (title, other_why) if other_why else (first, why)
                raise DataError(f"{image} cannot be read on {where}: {reason}; {_AGAIN}")
            raise DataError(f"{image} has other bytes on {title} than on {first}; {_AGAIN}")


def _listing(splits: Splits) -> Listing:
    return {"classes": tuple(splits.classes)} | {
        name: tuple(zip(split.names, split.labels, strict=True))
        for name, split in parts_of(splits).items()
    }


def _digest(splits: Splits) -> bytes:
    """A hash of the listing, of which nothing is made in the memory."""
    total = sha256(repr(tuple(splits.classes)).encode(errors="surrogatepass"))
    for name, split in parts_of(splits).items():
        total.update(f"\n{name} {len(split)}\n".encode())
        for image in zip(split.names, split.labels, strict=True):
            total.update(repr(image).encode(errors="surrogatepass"))
    return total.digest()


def _difference(first: Listing, other: Listing, here: str, there: str) -> str:
    """The first difference between the listings of two processes."""
    if first["classes"] != other["classes"]:
        one, two = (", ".join(map(repr, listing["classes"])) for listing in (first, other))
        must = "the classes must be the same in all processes"
        return f"{must}, got {one} in {here} and {two} in {there}"
    split = next(name for name in _SPLITS if first.get(name) != other.get(name))
    labels, others = dict(first.get(split, ())), dict(other.get(split, ()))
    for name in (*labels, *others):
        if name not in others:
            return f"{split}: {name!r} is in {here} and not in {there}"
        if name not in labels:
            return f"{split}: {name!r} is in {there} and not in {here}"
        if labels[name] != others[name]:
            return f"{split}: {name!r} has another label in {there} than in {here}"
    return f"{split}: the images have another order in {there} than in {here}"


def _folders(splits: Splits) -> list[str]:
    """Where the images are read from, if they are files."""
    reads = [whole(split).read for split in (splits.train, splits.eval)]
    return [os.path.abspath(read.root) for read in reads if isinstance(read, ReadFile)]


def _check_folders(machine: Machine[tuple[bytes, list[str]]]) -> None:
    """The processes of a machine share the reading: they must read the same files."""
    answers = [(number, folders) for number, (_, folders) in machine.answers.items()]
    (first, expected), *others = answers
    for number, folders in others:
        for one, other in zip(expected, folders, strict=True):
            if one != other:
                raise DataError(
                    f"the folder of the images must be the same in all processes of {machine.name}"
                    f", got {one} in process {first} and {other} in process {number}; start all in "
                    "the same folder"
                )
