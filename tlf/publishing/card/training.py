"""What the training of a card says: phases, what was frozen when, the proof, the environment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tlf.publishing.facts import Facts
from tlf.results import EpochResult
from tlf.runtime.text import duration

_NAMED = 3
"""So many stages are named; of more, the first and the last."""

Row = Sequence[object]


@dataclass(frozen=True)
class Proof:
    """What the audits of a run have found together."""

    stretches: int
    """Stretches of training that ended with an audit."""
    frozen: int
    """The most values that were frozen in one of them, and stayed the same to the bit."""
    unmoved: int
    """Tensors that were to train and did not change."""
    missing: int
    """Stretches without an audit."""


def stretches(history: Sequence[EpochResult]) -> Iterator[Row]:
    """Phase, epochs, what trained, what was frozen, highest rate: a row while these stay."""
    for (phase, _), group in groupby(history, key=lambda one: (one.phase, _trained(one))):
        epochs = [*group]
        first, last = epochs[0], epochs[-1]
        which = f"{first.epoch + 1} to {last.epoch + 1}" if len(epochs) > 1 else first.epoch + 1
        trained = _trained(first)
        rest = [name for name in first.stages if name not in trained]
        known = bool(first.stages)
        yield (
            phase,
            which,
            stages(trained) if known else "not recorded",
            stages(rest) if known else "not recorded",
            f"{max(one.lr for one in epochs):g}",
        )


def stages(names: Sequence[str]) -> str:
    """Stages in a few words.

    >>> stages(["stem", "layer1", "layer2", "layer3"]), stages(["head"]), stages([])
    ('stem … layer3 (4 stages)', 'head', 'nothing')
    """
    if len(names) <= _NAMED:
        return ", ".join(names) or "nothing"
    return f"{names[0]} … {names[-1]} ({len(names)} stages)"


def proof(facts: Facts) -> Proof | None:
    """What the audits say; None where the run has written none."""
    segments = facts.run.segments
    audits = [one.audit for one in segments if one.audit is not None]
    if not segments:
        return None
    return Proof(
        stretches=len(audits),
        frozen=max((one.frozen for one in audits), default=0),
        unmoved=len({name for one in audits for name in one.unmoved}),
        missing=len(segments) - len(audits),
    )


def environment(facts: Facts) -> Iterator[Row]:
    """Names and values of what a result depends on."""
    of = facts.provenance
    yield "device", _table(of, "hardware").get("device")
    yield "precision", {"no": "float32"}.get(facts.metadata.precision, facts.metadata.precision)
    yield "seed", facts.recipe.get("seed")
    yield "training time", duration(sum(one.seconds for one in facts.run.history))
    yield from _table(of, "versions").items()
    for plugin in of.get("plugins", []):
        if plugin.get("name") != "tlf":
            yield f"plugin {plugin.get('name')}", plugin.get("version")


def hashes(facts: Facts) -> Iterator[Row]:
    """What somebody compares who repeats the run."""
    of = facts.provenance
    yield "backbone before training", of.get("backbone_sha256")
    for split, digest in _table(of, "data_sha256").items():
        yield f"{split} images (names, labels, bytes)", digest
    if of.get("test_sha256"):
        yield "test images (names, labels)", of["test_sha256"]
    yield "recipe.toml as it was run", of.get("recipe_sha256")
    yield "backbone of this model", facts.metadata.backbone["sha256"]


def _trained(epoch: EpochResult) -> tuple[str, ...]:
    return tuple(name for name, signals in epoch.stages.items() if not signals.frozen)


def _table(recorded: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = recorded.get(name)
    return found if isinstance(found, Mapping) else {}
