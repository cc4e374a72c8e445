"""Presets: settings that show one idea each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tlf.model import Classifier, normalisation_modules, parameter_count
from tlf.simulator.rates import PhaseSegment, phase_segments, rates_for
from tlf.simulator.scene import Preset
from tlf.simulator.settings import FROZEN, RANDOM, TRAINABLE, Settings
from tlf.training.job import Job
from tlf.training.signals import parts

MOST = 8
"""Presets of a page, at most: each of them is recorded."""
LONGEST = 24
"""Characters of a phase's name in a title, at most."""

_SHOWN = ("head", "last", "norms", "all", "sandwich", "naive", "random")
"""In this order; those of the recipe follow."""
_KEPT = ("head", "all", "begins", "last", "naive", "random", "sandwich", "norms", "later")
"""In this order, where there are more than ``MOST``."""


@dataclass(frozen=True)
class Idea:
    """What a preset shows, before it has learning rates."""

    id: str
    title: str
    text: str
    frozen: frozenset[str]
    """Names of the parameters that it freezes."""
    naive: bool = False
    random: bool = False
    group: str = ""
    """``begins`` or ``later``, for one that shows how a phase of the recipe is then."""
    phases: tuple[str, ...] = ()
    """Phases of the recipe that freeze the same."""

    @property
    def named(self) -> str:
        """The title, with the phase that freezes the same."""
        if not self.phases:
            return self.title
        more = f" +{len(self.phases) - 1}" if len(self.phases) > 1 else ""
        return f"{self.title} ({_short(self.phases[0])}{more})"


def presets(
    job: Job, batch: int, initialisations: Sequence[str], *, naive: bool
) -> tuple[Preset, ...]:
    """The presets of a recipe's network, the simplest first.

    Parameters:
        job: the job.
        batch: how many images a step trains on.
        initialisations: the weights to choose from, first those of the recipe.
        naive: whether naive freezing differs from freezing in this network.
    """
    known = phase_segments(job)
    ideas = _with_phases(_different(_of_network(job.classifier)), known)
    ideas += _on_frozen(ideas[0], naive=naive, random=RANDOM in initialisations[1:])
    kept = sorted(ideas, key=lambda idea: _KEPT.index(idea.group or idea.id))[:MOST]
    order = {idea.id: number for number, idea in enumerate(ideas)}
    order |= {id: number - len(_SHOWN) for number, id in enumerate(_SHOWN)}
    return tuple(
        _preset(job, idea, batch, RANDOM if idea.random else initialisations[0], known)
        for idea in sorted(kept, key=lambda idea: order[idea.id])
    )


def _of_network(classifier: Classifier) -> Iterator[Idea]:
    """What can be shown of every network. In a small one, some are the same."""
    backbone, stages = frozenset(classifier.backbone_names), [*classifier.stages]
    last, middle = stages[-1], stages[(len(stages) - 1) // 2]
    norms = {
        f"backbone.{name}.{key}"
        for name, module in normalisation_modules(classifier.backbone).items()
        for key, _ in module.named_parameters()
    }
    text = "Only the new head trains; the network below it stays as it is."
    yield Idea("head", "Head only", text, backbone)
    yield Idea("all", "Everything", "All weights train: full fine-tuning.", frozenset())
    text = f"The head and {last} train; what is below {last} stays as it is."
    yield Idea("last", "Last stage", text, backbone - {*classifier.stages[last]})
    text = "The head trains, and so do the scales and shifts of normalisation layers."
    yield Idea("norms", "Norms + head", text, backbone - norms)
    text = f"The head and {middle} train; gradients pass through the frozen stages between them."
    yield Idea("sandwich", "Frozen sandwich", text, backbone - {*classifier.stages[middle]})


def _on_frozen(head: Idea, *, naive: bool, random: bool) -> list[Idea]:
    """What the head alone shows in other circumstances."""
    plain = replace(head, phases=())
    found = []
    if naive:
        text = "Frozen by requires_grad = False alone: BatchNorm and dropout work as in training."
        found.append(replace(plain, id="naive", title="Naive freezing", text=text, naive=True))
    if random:
        text = "Only the head trains, on a network that has learned nothing before."
        found.append(replace(plain, id="random", title="Random weights", text=text, random=True))
    return found


def _different(ideas: Iterator[Idea]) -> list[Idea]:
    """The first of those that freeze the same."""
    found: dict[frozenset[str], Idea] = {}
    for idea in ideas:
        found.setdefault(idea.frozen, idea)
    return [*found.values()]


def _with_phases(ideas: Sequence[Idea], known: Sequence[PhaseSegment]) -> list[Idea]:
    """The same ideas, with what the recipe's phases freeze: what is new, or the phase's name."""
    found = {idea.frozen: idea for idea in ideas}
    for segment in known:
        same = found.get(segment.frozen) or _of_phase(segment, len(found))
        names = dict.fromkeys((*same.phases, *([] if same.group else [segment.phase.name])))
        found[segment.frozen] = replace(same, phases=tuple(names))
    return [*found.values()]


def _of_phase(segment: PhaseSegment, number: int) -> Idea:
    name, id = segment.phase.name, f"phase{segment.number}"
    if segment.epoch == 0:
        text = f"What the phase {name} of the recipe freezes at its start."
        return Idea(id, f"Phase {_short(name)}", text, segment.frozen, group="begins")
    if segment.epoch is None:
        text = f"What the phase {name} of the recipe may freeze later, as its results decide."
        title, id = f"{_short(name)}, later", f"{id}-later{number}"
    else:
        text = f"What the phase {name} of the recipe freezes from epoch {segment.epoch + 1} on."
        title, id = f"{_short(name)}, epoch {segment.epoch + 1}", f"{id}-epoch{segment.epoch + 1}"
    return Idea(id, title, text, segment.frozen, group="later")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _preset(
    job: Job, idea: Idea, batch: int, weights: str, known: Sequence[PhaseSegment]
) -> Preset:
    classifier = job.classifier
    states, trains, learning = {}, {}, []
    for stage, names in parts(classifier).items():
        training = [name for name in names if name not in idea.frozen]
        trains[stage] = parameter_count(classifier, training)
        states[stage] = TRAINABLE if training else FROZEN
        if training and len(training) < len(names):
            states[stage] = idea.id
        learning += training
    rates = rates_for(job, frozenset(learning), known)
    settings = Settings(
        states, rates.lr, rates.layer_decay, rates.optimizer, batch, weights, job.recipe.seed,
        idea.naive,
    )  # fmt: skip
    return Preset(idea.id, idea.named, idea.text, settings, idea.frozen, trains, rates=rates.source)
