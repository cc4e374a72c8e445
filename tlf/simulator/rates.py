"""Learning rates to begin with: those of the recipe, wherever it has some for what trains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tlf.catalogue import Catalogue
from tlf.components import Optimizer
from tlf.model import Classifier
from tlf.recipe.schema import Phase, Recipe
from tlf.training.job import Job
from tlf.training.segments.foreseen import foreseen_segments

BACKBONE = 0.1
"""The backbone's rate as a fraction of the head's, where no phase of the recipe has one: what is
pretrained must move less than what is new. Source: the ratio of Caffe's example of fine-tuning."""


@dataclass(frozen=True)
class PhaseSegment:
    """Epochs of a phase of the recipe in which the same parameters are frozen."""

    phase: Phase
    number: int
    """Of the phase in the recipe, from 1."""
    epoch: int | None
    """The first of them, from 0; None where it depends on results."""
    frozen: frozenset[str]


@dataclass(frozen=True)
class Rates:
    """How something trains."""

    lr: Mapping[str, float]
    """As in ``Settings``: complete, so that any stage may be set to trainable."""
    layer_decay: float | None
    optimizer: str
    source: str
    """Where they come from: one sentence."""


def phase_segments(job: Job) -> tuple[PhaseSegment, ...]:
    """What the phases of the recipe freeze, as far as it is known before they train."""
    return tuple(
        segment
        for number, phase in enumerate(job.recipe.phases, 1)
        for segment in _of_phase(job, phase, number)
    )


def _of_phase(job: Job, phase: Phase, number: int) -> Iterator[PhaseSegment]:
    foreseen = foreseen_segments(job.plan, job.classifier, phase)
    for frozen, epochs in foreseen.certain.items():
        yield PhaseSegment(phase, number, epochs[0], frozen)
    later = (foreseen.possible or frozenset()) - foreseen.certain.keys()
    for frozen in sorted(later, key=lambda names: (-len(names), sorted(names))):
        yield PhaseSegment(phase, number, None, frozen)


def rates_for(job: Job, trained: frozenset[str], known: Sequence[PhaseSegment]) -> Rates:
    """The rates of the phase that trains these parameters, and the fewest others.

    Where the recipe trains less, the head has the rate of the first phase that trains it, and the
    backbone that of the first phase with the same optimizer that trains any of it; where there is
    none, ``BACKBONE`` of the head's.
    """
    classifier, recipe, catalogue = job.classifier, job.recipe, job.plan.plugins.catalogue
    every = frozenset((*classifier.backbone_names, *classifier.head_names))
    able = [segment for segment in known if trained.isdisjoint(segment.frozen)]
    nearest = min(able, key=lambda segment: len(every - segment.frozen), default=None)
    heads = [segment for segment in known if not segment.frozen.issuperset(classifier.head_names)]
    head = nearest or next(iter(heads), known[0])
    kind = kind_of(catalogue, recipe, head.phase)
    others = [s for s in known if kind_of(catalogue, recipe, s.phase) == kind]
    bodies = [s for s in (head, *others) if _trains_backbone(classifier, s)]
    body = next(iter(bodies), None)
    lr = {"head": _head_rate(head.phase)}
    lr |= _backbone_rates(body.phase) if body else {}
    lr.setdefault("backbone", BACKBONE * lr["head"])
    if body and body.phase is head.phase:
        source = f"Rates of the recipe's phase {head.phase.name}."
    else:
        of_backbone = f"the phase {body.phase.name}" if body else "a tenth of it"
        source = (
            f"Rate of the head: the recipe's phase {head.phase.name}; of the backbone: "
            f"{of_backbone}."
        )
    return Rates(lr, body.phase.layer_decay if body else None, kind, source)


def kind_of(catalogue: Catalogue, recipe: Recipe, phase: Phase) -> str:
    """The kind of a phase's optimizer."""
    return catalogue.offer(phase.optimizer or recipe.optimizer).kind


def optimizers(recipe: Recipe, catalogue: Catalogue) -> dict[str, Optimizer]:
    """Kind → an optimizer of it, to choose from: those of the recipe with their options, then
    plain ones. Of several in the recipe, the first one counts.
    """
    own = [phase.optimizer or recipe.optimizer for phase in recipe.phases]
    plain = [catalogue.of("tlf_optimizers")[kind].component() for kind in ("sgd", "adamw")]
    found: dict[str, Optimizer] = {}
    for one in (*own, *plain):
        found.setdefault(catalogue.offer(one).kind, one)
    return found


def _trains_backbone(classifier: Classifier, segment: PhaseSegment) -> bool:
    return not segment.frozen.issuperset(classifier.backbone_names)


def _head_rate(phase: Phase) -> float:
    if isinstance(phase.lr, float | int):
        return float(phase.lr)
    return float(phase.lr.get("head", max(phase.lr.values())))


def _backbone_rates(phase: Phase) -> dict[str, float]:
    if isinstance(phase.lr, float | int):
        return {"backbone": float(phase.lr)}
    return {name: float(rate) for name, rate in phase.lr.items() if name != "head"}
