"""The phases of a recipe on a model: what each freezes, at which rates the rest trains, and what
would stop it later.

Freeze policies are pure functions of the progress, so they can be asked about epochs that have not
come yet. What depends on how well training goes is asked twice: as if no figure ever improved, and
as if all of them always did.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from tlf.components import Augmentation, BatchAugmentation
from tlf.errors import PluginError, RecipeError
from tlf.freezing.freeze import united
from tlf.model import Classifier
from tlf.plugins.attribution import attributed, blame
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.results import EpochResult, Progress, StageSignals
from tlf.tasks import TASKS
from tlf.tasks.metric import LOSS


def learning_rates(
    classifier: Classifier, phase: Phase, frozen: Collection[str]
) -> dict[str, float]:
    """Learning parameter → learning rate, before the scheduler.

    A stage trains at its own entry of the ``lr`` table, else at the backbone's, else at the
    head's rate. ``layer_decay`` multiplies the rate of the top stage once, of the one below it
    twice, and so on; an entry of a stage's own is taken as it stands.

    Source: layer-wise decay as in Clark et al., 2020, arXiv:2003.10555.

    Raises:
        ValueError: the ``lr`` table names no stage of this backbone, or leaves parameters without
    a rate.
    """
    table = {"head": phase.lr} if isinstance(phase.lr, float | int) else dict(phase.lr)
    for name in table.keys() - {"head", "backbone"}:
        classifier.stage(name)
    base = table.get("backbone", phase.lr if isinstance(phase.lr, float | int) else None)
    decay = 1.0 if phase.layer_decay is None else phase.layer_decay
    count = len(classifier.stages)
    rates = dict.fromkeys(classifier.head_names, table.get("head"))
    for position, (stage, names) in enumerate(classifier.stages.items()):
        rate = None if base is None else base * decay ** (count - position)
        rates |= dict.fromkeys(names, table.get(stage, rate))
    claimed = {name: rate for name, rate in rates.items() if name not in frozen}
    if missing := [name for name, rate in claimed.items() if rate is None]:
        part = "head" if missing[0].startswith("head.") else "backbone"
        raise ValueError(f"{missing[0]} trains but has no learning rate; add {part} = …")
    return {name: rate for name, rate in claimed.items() if rate is not None}


def augmentations(plan: Plan, phase: Phase) -> tuple[Augmentation | BatchAugmentation, ...]:
    """What changes the images of one phase at random. A plugin's is named if it breaks."""
    chosen = plan.recipe.transforms.augment if phase.augment is None else phase.augment
    return tuple(attributed(a, plan.plugins.catalogue.offer(a)) for a in chosen)


def frozen_in(
    plan: Plan, classifier: Classifier, phase: Phase, progress: Progress
) -> frozenset[str]:
    """Ask the policies of a phase which parameters stand still.

    Raises:
        PluginError: a policy refused its options or broke; names it.
        ValueError: what the policies name cannot be frozen.
    """
    answers = []
    for policy in phase.freeze:
        with blame(plan.plugins.catalogue.offer(policy), "frozen"):
            answers.append(policy.frozen(classifier, progress))
    return united(classifier, answers)


def check_phases(plan: Plan, classifier: Classifier) -> None:
    """Ask every policy what it freezes, now and later, and find a rate for everything else.

    Raises:
        RecipeError: names every phase that cannot begin or go on, and why.
    """
    problems = []
    for number, phase in enumerate(plan.recipe.phases):
        start = Progress(0, phase.epochs, monitor=plan.recipe.monitor)
        key = "freeze"
        try:
            frozen = frozen_in(plan, classifier, phase, start)
            key = "lr"
            learning_rates(classifier, phase, frozen)
        except (ValueError, PluginError) as error:
            problems.append(f"phases.{number}.{key}: {error}")
        else:
            later = next(_later_problems(plan, classifier, phase, start), None)
            problems += [] if later is None else [f"phases.{number}.{later}"]
    if problems:
        raise RecipeError(problems, plan.source)


def _later_problems(
    plan: Plan, classifier: Classifier, phase: Phase, start: Progress
) -> Iterator[str]:
    """What would stop a phase at a later epoch: no rate for what may thaw, or, however training
    goes, nothing to train.
    """
    seen = set()
    parts = (*classifier.stages, "head")
    ask, plausible = partial(frozen_in, plan, classifier, phase), TASKS[plan.recipe.task].plausible
    for epoch, answers in foresee(ask, start, parts, plausible):
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


Foreseen = frozenset[str] | ValueError | None
"""The parameters that stand still, or why there is no training like that; ``None`` where the policy
broke over figures that nobody measured, which it is not blamed for."""


CLOSELY = 50
"""Epochs of a phase that are asked for one by one; of those after them, only the last is."""


def foresee(
    ask: Callable[[Progress], frozenset[str]],
    start: Progress,
    stages: Iterable[str],
    plausible: Callable[[float], Mapping[str, float]],
) -> Iterator[tuple[int, tuple[Foreseen, ...]]]:
    """Ask about the epochs after the first: yield the number of each, and both answers.
    ``plausible``: a loss → the metrics that an evaluation with it could give.

    >>> late = lambda progress: frozenset() if progress.epoch > 1 else frozenset({"stem"})
    >>> [answers[0] for _, answers in foresee(late, Progress(0, 3), (), lambda loss: {})]
    [frozenset({'stem'}), frozenset()]
    """
    signals = dict.fromkeys(stages, StageSignals(1.0, 1.0, 1e-3))
    histories = [
        tuple(
            _supposed(epoch, signals, plausible, improving=improving)
            for epoch in range(start.epochs - 1)
        )
        for improving in (False, True)
    ]
    last = start.epochs - 1
    for epoch in sorted({*range(1, min(last, CLOSELY) + 1), last} - {0}):
        moments = (replace(start, epoch=epoch, history=history[:epoch]) for history in histories)
        yield epoch, tuple(_answer(ask, moment) for moment in moments)


def _answer(ask: Callable[[Progress], frozenset[str]], progress: Progress) -> Foreseen:
    try:
        return ask(progress)
    except ValueError as error:
        return error
    except PluginError:
        return None


def _supposed(
    epoch: int,
    signals: Mapping[str, StageSignals],
    plausible: Callable[[float], Mapping[str, float]],
    *,
    improving: bool,
) -> EpochResult:
    """An epoch that nobody trained, with figures that could be."""
    loss = 1 / (epoch + 2) if improving else 10.0
    return EpochResult(
        phase="",
        epoch=epoch,
        train_loss=loss,
        metrics={LOSS.name: loss, **plausible(loss)},
        lr=1e-3,
        updates=1,
        seconds=1.0,
        images_per_second=1.0,
        stages=signals,
    )
