"""The phases of a recipe on a model: what each freezes, which learning rates the rest gets, and
which errors would stop it in a later epoch.

Freeze policies are pure functions of the progress, so they can be asked about later epochs before
training starts. A policy may depend on how well training goes. So it is asked twice: as if no
metric ever improved, and as if every metric improved in every epoch.
"""

import re
import reprlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from math import inf

import torch
from torch import nn

from tlf.components import Augmentation, BatchAugmentation, FreezePolicy
from tlf.data.transforms import noise
from tlf.errors import PluginError, RecipeError, nearest
from tlf.freezing.freeze import set_modes, united
from tlf.model import Classifier, trains_batchnorm
from tlf.plugins.attribution import attributed, blame, original
from tlf.plugins.returned import checked_mix
from tlf.preprocessing import Preprocessing
from tlf.recipe.augment import augmentations_of
from tlf.recipe.metrics import described, plausible
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.results import Progress
from tlf.runtime.seeds import seeded
from tlf.training.foresee import Foreseen, foresee


def learning_rates(
    classifier: Classifier, phase: Phase, frozen: Collection[str]
) -> dict[str, float]:
    """Trainable parameter → learning rate, before the scheduler.

    A stage gets its own entry of the ``lr`` table, else the entry ``backbone``; where ``lr`` is one
    number, every stage gets that number. ``layer_decay`` multiplies the rate of the top stage once,
    of the stage below it twice, and so on. It does not change a stage's own entry. ``lr_matching``
    comes last: it sets the rates of the parameters whose names match.

    Source: layer-wise decay as in Clark et al., 2020, arXiv:2003.10555.

    Raises:
        ValueError: the ``lr`` table names no stage of this backbone, or leaves a trainable
            parameter without a rate; or ``lr_matching`` matches no parameter.
    """
    table = {"head": phase.lr} if isinstance(phase.lr, float | int) else dict(phase.lr)
    for name in table.keys() - {"head", "backbone"}:
        try:
            classifier.stage(name)
        except ValueError as error:
            raise ValueError(f"{error}; lr_matching gives rates to parameters by name") from error
    base = table.get("backbone", phase.lr if isinstance(phase.lr, float | int) else None)
    decay = 1.0 if phase.layer_decay is None else phase.layer_decay
    count = len(classifier.stages)
    rates = dict.fromkeys(classifier.head_names, table.get("head"))
    for position, (stage, names) in enumerate(classifier.stages.items()):
        rate = None if base is None else base * decay ** (count - position)
        rates |= dict.fromkeys(names, table.get(stage, rate))
    for pattern, matching in (phase.lr_matching or {}).items():
        rates |= dict.fromkeys(_matched(pattern, [*rates]), matching)
    trainable = {name: rate for name, rate in rates.items() if name not in frozen}
    if missing := [name for name, rate in trainable.items() if rate is None]:
        part = "head" if missing[0].startswith("head.") else "backbone"
        raise ValueError(f"{missing[0]} trains but has no learning rate; add {part} = …")
    return {name: rate for name, rate in trainable.items() if rate is not None}


def _matched(pattern: str, names: Sequence[str]) -> list[str]:
    found = [name for name in names if re.search(pattern, name)]
    if not found:
        raise ValueError(
            f"lr_matching: {pattern!r} matches no parameter; {nearest(pattern, names)} "
            f"(names look like {names[0]})"
        )
    return found


def augmentations(plan: Plan, phase: Phase) -> tuple[Augmentation | BatchAugmentation, ...]:
    """The augmentations of a phase. An error in a plugin's names the plugin."""
    chosen = augmentations_of(plan.recipe, phase)
    return tuple(attributed(a, plan.plugins.catalogue.offer(a)) for a in chosen)


def check_augmentations(plan: Plan, preprocessing: Preprocessing, num_classes: int) -> None:
    """Try the augmentations of plugins once, on images of noise; tlf's own only of odd channels.

    Raises:
        PluginError: names the augmentation that broke or gives something else than an image.
    """
    channels, side = preprocessing.channels, preprocessing.size
    with seeded(0, "images"):
        image = noise(preprocessing, preprocessing.resize, preprocessing.resize)
        images = torch.randn(2, channels, side, side)
    targets = torch.eye(num_classes)[:2]
    for phase in plan.recipe.phases:
        with seeded(0, "augment"):
            for augmentation in augmentations(plan, phase):
                offer = plan.plugins.catalogue.offer(original(augmentation))
                if offer.plugin.name == "tlf" and channels in (1, 3):
                    continue
                if isinstance(augmentation, Augmentation):
                    image = augmentation.augment(image, side)
                else:
                    mixed = augmentation.mix(images, targets)
                    with blame(offer, "mix"):
                        checked_mix(mixed, images, targets, values=True)


def apart(plan: Plan, phase: Phase, preprocessing: Preprocessing) -> tuple[int, int, int] | None:
    """(C, S, S) of the images, where the frozen stages of a phase may run apart from the rest.

    None where batches are mixed before the frozen stages, or where a plugin's training step needs
    the whole model.
    """
    mixing = any(isinstance(a, BatchAugmentation) for a in augmentations(plan, phase))
    return None if mixing else probed(plan, preprocessing)


def probed(plan: Plan, preprocessing: Preprocessing) -> tuple[int, int, int] | None:
    """(C, S, S) of the images, where the loss depends on the model's output alone.

    None where a plugin's training step decides what it depends on.
    """
    if plan.plugins.replaces_step:
        return None
    return preprocessing.channels, preprocessing.size, preprocessing.size


def frozen_in(
    plan: Plan, classifier: Classifier, phase: Phase, progress: Progress
) -> frozenset[str]:
    """Ask the policies of a phase which parameters are frozen.

    Raises:
        PluginError: names the policy that raised, or that is not a pure function.
        ValueError: the policies name unknown parameters, or freeze everything.
    """
    answers = []
    for policy in phase.freeze:
        with blame(plan.plugins.catalogue.offer(policy), "frozen"):
            answers.append(_names(policy, classifier, progress))
    return united(classifier, answers)


def unused_note(phase: str, unused: Collection[str]) -> str:
    """A line that names the parameters of a phase that cannot train; of many, the first ones."""
    names = sorted(unused)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = ", ".join(names[:_SHOWN]) + more
    return f"{phase}: the model's output does not depend on {listed}; frozen in this phase"


_SHOWN = 12
"""Names of parameters in a line, at most."""


def _names(policy: FreezePolicy, classifier: Classifier, progress: Progress) -> frozenset[str]:
    """Ask a policy twice: what is drawn at random, or counts its calls, is no function of progress.

    Raises:
        ValueError: it gives no names, or others the second time, or changes its own options.
    """
    options = repr(policy)
    answers = [policy.frozen(classifier, progress) for _ in range(2)]
    for answer in answers:
        named = isinstance(answer, Collection) and not isinstance(answer, str | bytes)
        if not named or not all(isinstance(name, str) for name in answer):
            raise ValueError(
                f"frozen must return a set of names of parameters, got {reprlib.repr(answer)}"
            )
    if repr(policy) != options:
        raise ValueError(
            "frozen must leave the policy's options as they are, and changes them; "
            "read what has happened so far from progress"
        )
    first, second = map(frozenset, answers)
    if first != second:
        raise ValueError(
            "frozen must return the same names for the same progress, and names others when it is "
            "asked again; draw nothing at random"
        )
    return first


def check_phases(plan: Plan, classifier: Classifier) -> None:
    """Check that in every epoch of every phase something trains, and has a learning rate.

    Raises:
        RecipeError: names every phase that cannot start or continue, and the reason.
    """
    problems = []
    for number, phase in enumerate(plan.recipe.phases):
        start = Progress(0, phase.epochs, monitor=plan.recipe.monitor)
        key = "freeze"
        try:
            frozen = frozen_in(plan, classifier, phase, start)
            key = "lr"
            learning_rates(classifier, phase, frozen)
            key = "scheduler"
            rate_factor(plan, phase, start)
        except (ValueError, PluginError) as error:
            problems.append(f"phases.{number}.{key}: {error}")
        else:
            later = next(_later_problems(plan, classifier, phase, start), None)
            problems += [] if later is None else [f"phases.{number}.{later}"]
    if plan.recipe.batch_size == 1 and not problems:
        name = trains_norms(plan, classifier)
        problems = [] if name is None else [_LONE.format(name)]
    if problems:
        raise RecipeError(problems, plan.source)


_LONE = (
    "batch_size: must be at least 2, as BatchNorm trains in the phase {}, got 1; write "
    'batch_size = 2, or freeze "norms" in every phase'
)


def trains_backbone(plan: Plan, classifier: Classifier) -> str | None:
    """The name of the first phase in which the backbone trains, or may train; None without one."""
    for phase in plan.recipe.phases:
        if not all({*classifier.backbone_names} <= f for f in possible(plan, classifier, phase)):
            return phase.name
    return None


def trains_norms(plan: Plan, classifier: Classifier) -> str | None:
    """The name of the first phase in which BatchNorm trains, or may train; None if there is none.

    It leaves the modules in the modes of a phase.
    """
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in classifier.modules()):
        return None
    for phase in plan.recipe.phases:
        for frozen in possible(plan, classifier, phase):
            set_modes(classifier, frozen)
            if trains_batchnorm(classifier):
                return phase.name
    return None


def possible(plan: Plan, classifier: Classifier, phase: Phase) -> Iterator[frozenset[str]]:
    """Every answer of the policies of a phase that can be foreseen, each once."""
    start = Progress(0, phase.epochs, monitor=plan.recipe.monitor)
    seen = {frozen_in(plan, classifier, phase, start)}
    yield from seen
    for _, answers in foreseen_answers(plan, classifier, phase, start):
        for frozen in answers:
            if isinstance(frozen, frozenset) and frozen not in seen:
                seen.add(frozen)
                yield frozen


def foreseen_answers(
    plan: Plan, classifier: Classifier, phase: Phase, start: Progress
) -> Iterator[tuple[int, tuple[Foreseen, ...]]]:
    """What the policies of a phase would freeze in later epochs, with invented results."""
    parts = (*classifier.stages, "head")
    ask = partial(frozen_in, plan, classifier, phase)
    return foresee(ask, start, parts, partial(plausible, plan), described(plan))


def rate_factor(plan: Plan, phase: Phase, progress: Progress) -> float:
    """What every learning rate of a phase is multiplied by in the next update.

    Raises:
        PluginError: the scheduler broke, or gives no finite number, 0 or more.
    """
    with blame(plan.plugins.catalogue.offer(phase.scheduler), "factor"):
        factor: object = phase.scheduler.factor(progress)
        if not isinstance(factor, float | int) or not 0 <= factor < inf:
            raise ValueError(f"factor must return a finite number, 0 or more, got {factor!r}")
        return factor


def _later_problems(
    plan: Plan, classifier: Classifier, phase: Phase, start: Progress
) -> Iterator[str]:
    """The errors that would stop a phase in a later epoch: a parameter that may thaw has no rate,
    or nothing is left to train, however well training goes.
    """
    seen = set()
    for epoch, answers in foreseen_answers(plan, classifier, phase, start):
        refused = [answer for answer in answers if isinstance(answer, ValueError)]
        if len(refused) == len(answers):
            yield f"freeze: in epoch {epoch + 1}, {refused[0]}"
        for frozen in answers:
            if not isinstance(frozen, frozenset) or frozen in seen:
                continue
            seen.add(frozen)
            try:
                learning_rates(classifier, phase, frozen)
            except ValueError as error:
                yield f"lr: by epoch {epoch + 1}, {error}"
