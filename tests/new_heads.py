"""Heads that are about to be trained at several rates, each on a job that nobody else changes."""

from pathlib import Path

from generators import exhausted
from small import write_recipe
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.studies.learning_rate.heads import open_heads
from tlf.studies.learning_rate.segments import segment_of
from tlf.studies.learning_rate.stacked import Heads
from tlf.training.job import open_job, read_images

HEAD = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 2
lr = 0.05
scheduler = "cosine"
"""
DECAYS = f"""optimizer = {{ kind = "sgd", weight_decay = 0.1 }}
{HEAD}"""
"""Its weights overflow at a rate of 1e30."""


def new_heads(folder: Path, images: Path, text: str, seeds: tuple[int, ...] = (0,)) -> Heads:
    """The heads of the first phase of a recipe, ``recipe.toml`` in the folder."""
    plan = read_plan(write_recipe(folder / "recipe.toml", images, text))
    job, _ = exhausted(read_images(open_job(plan, start_accelerator(plan.recipe.precision))))
    phase = job.recipe.phases[0]
    with job.loaders:
        heads, _ = exhausted(open_heads(job, phase, segment_of(job, phase), seeds))
    return heads
