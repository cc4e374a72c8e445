"""Open a recipe for the page: its few images, its scene, lanes, and what their steps cost."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from tlf.components import Backbone, Optimizer
from tlf.data.inspection.inspect import Events
from tlf.errors import TlfError
from tlf.events import Prepared
from tlf.recipe.plan import RecipeLike, plan_of, with_splits
from tlf.runtime.cores import check_alone, usable_cores
from tlf.runtime.devices import start_accelerator
from tlf.simulator import costs
from tlf.simulator.build_scene import scene_of
from tlf.simulator.costs import Costs
from tlf.simulator.fit import fitted, timed_step
from tlf.simulator.lane import Lane
from tlf.simulator.network.opened import computing, frozen_by
from tlf.simulator.presets import presets
from tlf.simulator.rates import optimizers
from tlf.simulator.sample import sampled
from tlf.simulator.scene import Scene
from tlf.simulator.settings import PRETRAINED, RANDOM, Settings, trained
from tlf.training.job import Job, kernels_of, open_job

FIXED = ("workers=0", "compile=false", "cache.mode=off", "calibration=eval")
"""What a recipe is overridden with: the page has few images, and shows one step after the other."""


@dataclass(frozen=True)
class Simulation:
    """A recipe, opened for the page."""

    job: Job
    """Its images are those of the page. Its network is only measured: no lane trains it."""
    scene: Scene
    threads: int
    """Threads of the CPU that steps are computed on: one core is left for the page."""
    _measured: dict[object, tuple[int, float]] = field(default_factory=dict, repr=False)
    """Memory and time of steps in which everything trains, which are measured once."""
    _costs: dict[object, Costs] = field(default_factory=dict, repr=False)

    def lane(self, settings: Settings) -> Lane:
        """A lane with these settings, before its first step."""
        phase = self.job.recipe.phases[0]
        return Lane(self._open_job, phase, settings, self._partial, self.threads)

    def costs(self, settings: Settings) -> Costs:
        """What a step with these settings costs. No lane is touched."""
        frozen = frozen_by(settings, self.job.classifier, self._partial)
        key = frozen, settings.naive, settings.optimizer, settings.batch
        if key not in self._costs:
            with computing(self.job, self.threads):
                self._costs[key] = self._costs_of(settings, frozen)
        return self._costs[key]

    @property
    def _partial(self) -> dict[str, frozenset[str]]:
        """Id of a preset → the parameters that it freezes."""
        return {preset.id: preset.frozen for preset in self.scene.presets}

    def _costs_of(self, settings: Settings, frozen: frozenset[str]) -> Costs:
        scene, batch = self.scene, settings.batch
        optimizer = _optimizer(self.job, settings.optimizer)
        place = None if settings.naive else costs.partition_of(self.job, frozen, batch)
        names = [stage.name for stage in scene.stages]
        once = names[: names.index(place.stage) + 1] if place else ()
        trains = {stage.name: trained(settings.stages, stage, scene) for stage in scene.stages}
        everything = {stage.name: stage.parameters for stage in scene.stages}
        memory, seconds = self._of_everything(settings.optimizer, batch)
        return Costs(
            computed_once=place.name if place else None,
            multiply_adds=costs.step_multiply_adds(scene.stages, trains, once),
            everything=costs.step_multiply_adds(scene.stages, everything),
            memory=costs.held_bytes(self.job, frozen, optimizer, batch, naive=settings.naive),
            memory_everything=memory,
            seconds_everything=seconds,
        )

    def _of_everything(self, kind: str, batch: int) -> tuple[int, float]:
        if (kind, batch) not in self._measured:
            memory = costs.held_bytes(self.job, frozenset(), _optimizer(self.job, kind), batch)
            # The first step after another one touches new memory, which takes time of its own.
            seconds = min(timed_step(self.job, batch, kind).seconds for _ in range(2))
            self._measured[kind, batch] = memory, seconds
        return self._measured[kind, batch]

    def _open_job(self, weights: str, seed: int) -> Job:
        """A job with a network of its own, and the images of the page."""
        with computing(self.job, self.threads):
            return _own_job(self.job, weights, seed)


def open_simulation(
    recipe: RecipeLike, overrides: Sequence[str] = ()
) -> Generator[Events, None, Simulation]:
    """Open a recipe for the page.

    Raises:
        RunError: several processes were started.
        TlfError: anything else that would stop a run before it trains.
    """
    check_alone("the simulator")
    plan = with_splits(plan_of(recipe, [*overrides, *FIXED]))
    kernels_of(plan.recipe).reserve()
    accelerator = start_accelerator(plan.recipe.precision)
    threads = min(torch.get_num_threads(), max(1, usable_cores() - 1))
    job = yield from sampled(open_job(plan, accelerator))
    yield Prepared("measuring steps", 0, 1)
    with computing(job, threads):
        found = yield from fitted(job)
        job = found.job
        weights = _initialisations(job)
        offered = presets(job, found.batches[-1], weights, naive=costs.naive_differs(job))
        forward = costs.forward_work(job)
        scene = scene_of(job, offered, found.batches, weights, forward, found.notes)
    return Simulation(job, scene, threads)


def _own_job(images: Job, weights: str, seed: int) -> Job:
    """A job with a network of its own, and the images of another one."""
    recipe = replace(images.recipe, seed=seed)
    if weights == RANDOM:
        # Weights in a file may say how images are prepared: the others get the same images.
        size, resize = images.preprocessing.size, images.preprocessing.resize
        recipe = replace(
            recipe,
            start_from=None,
            backbone=_random(recipe.backbone),
            transforms=replace(recipe.transforms, size=size, resize=resize),
        )
    job = open_job(replace(images.plan, recipe=recipe), images.accelerator)
    return replace(
        job, splits=images.splits, pixels=images.pixels, preprocessing=images.preprocessing
    )


def _random(backbone: Backbone) -> Backbone:
    """The backbone with weights that are drawn from the seed."""
    key: Mapping[str, str] = {"weights_key": ""} if hasattr(backbone, "weights_key") else {}
    drawn: Backbone = replace(backbone, weights="none", **key)  # type: ignore[type-var]
    return drawn


def _initialisations(job: Job) -> tuple[str, ...]:
    """The weights to choose from, first those of the recipe."""
    recipe, catalogue = job.recipe, job.plan.plugins.catalogue
    backbone = recipe.backbone
    if not hasattr(backbone, "weights"):
        return (PRETRAINED,)
    if backbone.weights == "none" and recipe.start_from is None:
        return (RANDOM,)
    if catalogue.offer(backbone).plugin.name != "tlf":
        try:  # ``none`` need not mean anything to it
            _own_job(job, RANDOM, recipe.seed)
        except TlfError:
            return (PRETRAINED,)
    return (PRETRAINED, RANDOM)


def _optimizer(job: Job, kind: str) -> Optimizer:
    return optimizers(job.recipe, job.plan.plugins.catalogue)[kind]
