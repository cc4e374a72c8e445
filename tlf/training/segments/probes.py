"""What probes of a network find out before a segment, and what they have found already.

A probe takes as long as many epochs of a head on stored features. So its answer is kept with all
that it depends on, and no later segment asks again: neither of this run, nor of another one of the
same backbone. The cache keeps it for other processes (``stored_answers``).
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from accelerate import Accelerator
from torch import Tensor

from tlf.cache.arithmetic import computed
from tlf.freezing.find_partition import find_partition
from tlf.freezing.find_unused import Unused, agreed_unused, find_unused
from tlf.freezing.partition import Partition
from tlf.model import Classifier
from tlf.runtime.processes import gathered
from tlf.training.segments.stored_answers import StoredAnswers

Image = tuple[int, int, int]
"""(C, S, S)."""


@dataclass(frozen=True)
class ProbeAnswers:
    """What probes have found of the network of one backbone, by the state that it was in."""

    unused: dict[Hashable, Unused] = field(default_factory=dict)
    partitions: dict[Hashable, Partition | None] = field(default_factory=dict)
    features: dict[Hashable, Tensor] = field(default_factory=dict)
    """What the head gets for a few images that every run tries the backbone on."""
    stored: StoredAnswers | None = None
    """Where they are stored for other processes, but for features; None: nowhere."""


def state_of(accelerator: Accelerator, classifier: Classifier, digests: Mapping[str, str]) -> str:
    """A hash of what a probe depends on: every tensor of the backbone to the bit, what trains, the
    layers of the head, and what the last bits depend on.

    A probe compares what a head gives for the same inputs. So its weights are not part of it.

    Parameters:
        accelerator: where it computes.
        classifier: the network, frozen already.
        digests: of its tensors.
    """
    backbone = sorted((n, d) for n, d in digests.items() if n.startswith("backbone."))
    trains = [name for name, p in classifier.named_parameters() if p.requires_grad]
    head = [type(module).__qualname__ for module in classifier.head.modules()]
    state = backbone, trains, head, accelerator.mixed_precision, computed(accelerator)
    return sha256(repr(state).encode()).hexdigest()


def unused_parameters(
    accelerator: Accelerator,
    classifier: Classifier,
    image: Image | None,
    digests: Mapping[str, str],
    probe_answers: ProbeAnswers,
) -> Unused:
    """The parameters that cannot train, although no policy freezes them; none where the loss may
    depend on more than the output for an ``image``.
    """
    if image is None:
        return Unused()
    state, known, stored = (
        state_of(accelerator, classifier, digests),
        probe_answers.unused,
        probe_answers.stored,
    )
    key = image, state
    if key not in known:
        ask = partial(find_unused, classifier, image, accelerator.autocast)
        given = {"image": [*image], "state": state}
        known[key] = stored.unused(classifier, given, ask) if stored else ask()
    return agreed_unused(gathered(known[key]))


def agreed_partition(
    accelerator: Accelerator,
    classifier: Classifier,
    image: Image | None,
    piece: int,
    digests: Mapping[str, str],
    probe_answers: ProbeAnswers,
) -> Partition | None:
    """Where the frozen stages can run apart from the rest, if all processes have found the same;
    None where they cannot, or must not.
    """
    if image is None:
        return None
    state, known, stored = (
        state_of(accelerator, classifier, digests),
        probe_answers.partitions,
        probe_answers.stored,
    )
    key = image, piece, state
    if key not in known:
        frozen = frozenset(n for n, p in classifier.named_parameters() if not p.requires_grad)
        ask = partial(find_partition, classifier, frozen, image, accelerator.autocast, piece)
        given = {"image": [*image], "piece": piece, "state": state}
        known[key] = stored.partition(classifier, given, ask) if stored else ask()
    return known[key] if all(other == known[key] for other in gathered(known[key])) else None
