"""A recipe made real: pictures found, the model built. Nothing is trained or written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.answerable import answerable
from tlf.blaming import blame
from tlf.caching.cache import Cache
from tlf.components import (
    Augmentation,
    BatchAugmentation,
    BuiltBackbone,
    Splits,
)
from tlf.data import Decoded, Pixels, worker_count
from tlf.errors import PluginError, RecipeError
from tlf.folders import check_writable
from tlf.foresight import foresee
from tlf.freeze import united
from tlf.model import Classifier, channels_last
from tlf.phases import learning_rates
from tlf.planning import Plan, cache_of, find_splits
from tlf.preprocessing import Preprocessing
from tlf.pretrained.weights import fingerprint
from tlf.recipe import Phase, Recipe
from tlf.results import Progress
from tlf.seeds import seeded


@dataclass(frozen=True)
class Job:
    """Everything that a run needs."""

    plan: Plan
    accelerator: Accelerator
    splits: Splits
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized pictures."""
    cache: Cache | None
    """Where to store what is computed once; None where nothing is stored."""
    built: BuiltBackbone
    backbone_sha256: str
    """Of the backbone's weights as they were loaded."""
    classifier: Classifier
    how: Preprocessing
    loss: Callable[[Tensor, Tensor], Tensor]
    workers: int
    manifests: Mapping[str, str] = field(default_factory=dict)
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their pictures; empty
    before anybody has looked at them (see ``tlf.pixels``)."""

    @property
    def recipe(self) -> Recipe:
        """What the user asked for."""
        return self.plan.recipe

    @property
    def hook(self) -> Any:  # noqa: ANN401 - pluggy's relay has no type of its own per hook
        """Calls the hooks of the plugins in use."""
        return self.plan.plugins.hook


def augmentations(plan: Plan, phase: Phase) -> tuple[Augmentation | BatchAugmentation, ...]:
    """What changes the pictures of one phase at random. A plugin's is named if it breaks."""
    chosen = plan.recipe.transforms.augment if phase.augment is None else phase.augment
    return tuple(answerable(a, plan.plugins.catalogue.offer(a)) for a in chosen)


def open_job(plan: Plan, accelerator: Accelerator) -> Job:
    """Find the pictures, build the model and load its weights. No picture is read.

    Raises:
        DataError: pictures are missing or do not fit together.
        RecipeError: a phase does not fit the backbone.
        WeightsError: the weights cannot be had or do not fit.
    """
    recipe = plan.recipe
    check_writable(recipe.output)
    # One process looks first: it may have to draw or fetch what the others then find.
    with accelerator.main_process_first():
        splits = find_splits(plan)
    with accelerator.main_process_first():
        built, classifier = build_model(plan, len(splits.classes))
    count = Counter(splits.train.labels)
    counts = [count[k] for k in range(len(splits.classes))]
    with blame(plan.plugins.catalogue.offer(recipe.loss), "build"):
        loss = recipe.loss.build(counts)
    how = preprocessing(recipe, built, plan.source)
    check_input(plan, classifier, how)
    on_cpu = accelerator.device.type == "cpu"
    return Job(
        plan=plan,
        accelerator=accelerator,
        splits=splits,
        pixels={"train": Decoded(splits.train, how), "eval": Decoded(splits.eval, how)},
        cache=cache_of(recipe),
        built=built,
        backbone_sha256=fingerprint(built.module.state_dict()),
        classifier=classifier.to(accelerator.device),
        how=how,
        loss=loss,
        workers=worker_count(recipe.workers, on_cpu=on_cpu, processes=accelerator.num_processes),
    )


def build_model(plan: Plan, classes: int) -> tuple[BuiltBackbone, Classifier]:
    """Build the backbone with its weights, put a new head on it, and check every phase against it.

    Raises:
        RecipeError: a phase names a stage that the backbone lacks, or trains nothing.
        WeightsError: the weights cannot be had or do not fit.
    """
    recipe, catalogue = plan.recipe, plan.plugins.catalogue
    # The seed matters to a backbone where weights = "none".
    with seeded(recipe.seed, "backbone"), blame(catalogue.offer(recipe.backbone), "build"):
        built = recipe.backbone.build()
    with seeded(recipe.seed, "head"), blame(catalogue.offer(recipe.head), "build"):
        head = recipe.head.build(built.num_features, classes)
    if getattr(head, "pools", False) and not hasattr(built.module, "forward_features"):
        problem = "head: it pools maps or tokens, and this backbone gives neither; write 'linear'"
        raise RecipeError([problem], plan.source)
    classifier = Classifier(built.module, head, built.stages)
    check_phases(plan, classifier)
    channels_last(classifier)
    return built, classifier


def preprocessing(recipe: Recipe, built: BuiltBackbone, source: str = "recipe") -> Preprocessing:
    """What the backbone's weights ask for, with what the recipe says otherwise.

    Raises:
        RecipeError: pictures would be resized to less than what is cropped from them.
    """
    wanted = recipe.transforms
    how = built.preprocessing.sized(wanted.size, wanted.resize)
    if how.resize < how.size:
        problem = (
            f"transforms.resize: {how.resize} is below the size of the crop, {how.size}, which the "
            "backbone's weights come with; write transforms.size, too"
        )
        raise RecipeError([problem], source)
    return how


def check_input(plan: Plan, classifier: Classifier, how: Preprocessing) -> None:
    """Let two empty pictures through the model, to see that it takes their size.

    Raises:
        RecipeError: it does not.
    """
    classifier.eval()
    try:
        with torch.inference_mode():
            classifier(torch.zeros(2, how.channels, how.size, how.size))
    except (AssertionError, RuntimeError, ValueError) as error:
        problem = (
            f"transforms.size: the model cannot take pictures of {how.size} × {how.size} pixels: "
            f"{error}; leave transforms.size out for the size that its weights come with"
        )
        raise RecipeError([problem], plan.source) from error


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
    for epoch, answers in foresee(partial(frozen_in, plan, classifier, phase), start, parts):
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
