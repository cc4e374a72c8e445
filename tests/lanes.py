"""Lanes of small networks, each on a job that nobody else changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from generators import exhausted
from small import write_recipe
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.simulator.lane import Lane
from tlf.simulator.settings import FROZEN, TRAINABLE, Settings
from tlf.training.job import Job, open_job, read_images
from tlf.training.signals import parts

BACKBONE = """
[backbone]
kind = "{}"
model = "{}"
weights = "none"
"""
THREADS = torch.get_num_threads()
PHASE = """
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""


def opened(folder: Path, images: Path, model: str, more: str = "", kind: str = "timm") -> Job:
    """A job with its images read and its network built. ``more``: what else its recipe says."""
    backbone = "" if "[backbone]" in more else BACKBONE.format(kind, model)
    text = more + backbone + PHASE
    plan = read_plan(write_recipe(folder / "recipe.toml", images, text))
    job, _ = exhausted(read_images(open_job(plan, start_accelerator(plan.recipe.precision))))
    return job


def settings_of(job: Job, trains: Mapping[str, str] | list[str], **more: Any) -> Settings:
    """Settings in which these stages train: by name, or with the preset that trains a part."""
    states = trains if isinstance(trains, Mapping) else dict.fromkeys(trains, TRAINABLE)
    stages = {stage: states.get(stage, FROZEN) for stage in parts(job.classifier)}
    return Settings(stages, **{"lr": {"head": 0.05, "backbone": 0.01}, "batch": 4} | more)


def lane_of(job: Job, settings: Settings, **partial: frozenset[str]) -> Lane:
    """A lane on this very job; ``partial``: preset → the parameters that it freezes."""
    return Lane(lambda weights, seed: job, job.recipe.phases[0], settings, partial, THREADS)
