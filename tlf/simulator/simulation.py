"""Open a recipe for the page: its few images, its scene, and lanes."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from accelerate import Accelerator

from tlf.data.inspection.inspect import Events
from tlf.recipe.plan import Plan, RecipeLike, plan_of
from tlf.runtime.devices import start_accelerator
from tlf.simulator.lane import Lane
from tlf.simulator.presets import presets
from tlf.simulator.sample import sampled
from tlf.simulator.scene import Scene
from tlf.simulator.scenery import scene_of
from tlf.simulator.settings import RANDOM, Settings
from tlf.training.job import Job, open_job

FIXED = (
    "workers=0", "accumulate=1", "compile=false", "cache.mode=off", "data.bad_images=skip",
    "calibration=eval",
)  # fmt: skip
"""What a recipe is overridden with: none of it changes what a step does."""


@dataclass(frozen=True)
class Simulation:
    """A recipe, opened for the page."""

    plan: Plan
    job: Job
    scene: Scene
    accelerator: Accelerator = field(repr=False)

    def lane(self, settings: Settings) -> Lane:
        """A lane with these settings, before its first step."""
        partial = {preset.id: preset.frozen for preset in self.scene.presets}
        return Lane(self._open_job, self.plan.recipe.phases[0], settings, partial)

    def _open_job(self, weights: str, seed: int) -> Job:
        """A job with a network of its own, and the images of the page."""
        changes = [f"seed={seed}", *(["backbone.weights=none"] if weights == RANDOM else [])]
        plan = plan_of(replace(self.plan, splits=None), changes)
        job = open_job(replace(plan, splits=self.plan.splits), self.accelerator)
        return replace(
            job, splits=self.job.splits, pixels=self.job.pixels, manifests=self.job.manifests
        )


def open_simulation(
    recipe: RecipeLike, overrides: Sequence[str] = ()
) -> Generator[Events, None, Simulation]:
    """Open a recipe for the page.

    Raises:
        TlfError: anything that would stop a run before it trains.
    """
    plan = plan_of(recipe, [*overrides, *FIXED])
    accelerator = start_accelerator(plan.recipe.precision)
    whole = open_job(plan, accelerator)
    job = yield from sampled(whole)
    plan = replace(plan, splits=whole.splits)
    return Simulation(plan, job, scene_of(job, presets(job)), accelerator)
