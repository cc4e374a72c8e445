"""Presets: settings that show one idea each."""

from collections.abc import Collection, Mapping
from typing import Any

from tlf.model import Classifier, normalisation_modules, parameter_count
from tlf.recipe.schema import Phase
from tlf.simulator.scene import Preset
from tlf.simulator.settings import FROZEN, RANDOM, TRAINABLE, Settings
from tlf.training.job import Job
from tlf.training.signals import parts


def presets(job: Job) -> tuple[Preset, ...]:
    """The presets of a recipe's network."""
    classifier, phase = job.classifier, job.recipe.phases[0]
    every = {name for names in parts(classifier).values() for name in names}
    head, backbone = {*classifier.head_names}, {*classifier.backbone_names}
    *_, last = classifier.stages
    norms = {
        f"{name}.{key}"
        for name, module in normalisation_modules(classifier.backbone).items()
        for key, _ in module.named_parameters()
    }
    norms = {f"backbone.{name}" for name in norms}
    found: dict[str, tuple[str, str, set[str], dict[str, Any]]] = {
        "head": ("Head only", "Feature extraction: the pretrained network stays as it is.",
                 backbone, {}),
        "last": ("Last stage and head", "The last stage adapts to your images.",
                 every - head - {*classifier.stages[last]}, {}),
        "norms": ("Norms and head", "Only normalisation layers adapt.", backbone - norms, {}),
        "all": ("Everything", "Full fine-tuning.", set(), {}),
        "naive": ("Head only, naive", "requires_grad = False, but in training mode.", backbone,
                  {"naive": True}),
        "random": ("Head only, random weights", "A network that has learnt nothing before.",
                   backbone, {"weights": RANDOM}),
    }  # fmt: skip
    return tuple(
        _preset(job, phase, id, title, text, frozen, other)
        for id, (title, text, frozen, other) in found.items()
    )


def _preset(
    job: Job,
    phase: Phase,
    id: str,
    title: str,
    text: str,
    frozen: Collection[str],
    other: Mapping[str, Any],
) -> Preset:
    classifier: Classifier = job.classifier
    states, trains = {}, {}
    for stage, names in parts(classifier).items():
        training = [name for name in names if name not in frozen]
        trains[stage] = parameter_count(classifier, training)
        if len(training) == len(names):
            states[stage] = TRAINABLE
        else:
            states[stage] = id if training else FROZEN
    lr = (
        {"head": phase.lr, "backbone": phase.lr}
        if isinstance(phase.lr, float | int)
        else dict(phase.lr)
    )
    optimizer = job.plan.plugins.catalogue.offer(phase.optimizer or job.recipe.optimizer).kind
    settings = Settings(
        states, lr, phase.layer_decay, optimizer, batch=min(8, len(job.splits.train)),
        seed=job.recipe.seed, **other,
    )  # fmt: skip
    return Preset(id, title, text, settings, frozenset(frozen), trains)
