"""What probes of a network find out before a segment, and what they have found already.

A probe takes as long as many epochs of a head on stored features. So its answer is kept with all
that it depends on, and no later segment asks again: neither of this run, nor of another one of the
same backbone.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from accelerate import Accelerator

from tlf.cache.arithmetic import computed
from tlf.freezing.find_partition import find_partition
from tlf.freezing.find_unused import Unused, agreed_unused, find_unused
from tlf.freezing.partition import Partition
from tlf.model import Classifier
from tlf.runtime.processes import gathered

Image = tuple[int, int, int]
"""(C, S, S)."""


@dataclass(frozen=True)
class ProbeAnswers:
    """What probes have found of the network of one backbone, by the state that it was in."""

    unused: dict[Hashable, Unused] = field(default_factory=dict)
    partitions: dict[Hashable, Partition | None] = field(default_factory=dict)


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
    key, known = (image, state_of(accelerator, classifier, digests)), probe_answers.unused
    if key not in known:
        known[key] = find_unused(classifier, image, accelerator.autocast)
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
    key, known = (
        (image, piece, state_of(accelerator, classifier, digests)),
        probe_answers.partitions,
    )
    if key not in known:
        frozen = frozenset(n for n, p in classifier.named_parameters() if not p.requires_grad)
        known[key] = find_partition(classifier, frozen, image, accelerator.autocast, piece)
    return known[key] if all(other == known[key] for other in gathered(known[key])) else None
