"""What a person sets on the page, for one lane."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from tlf.errors import TlfError, nearest

if TYPE_CHECKING:
    from tlf.simulator.scene import Scene, Stage

FROZEN, TRAINABLE = "frozen", "trainable"
PRETRAINED, RANDOM = "pretrained", "random"
LARGEST_RATE = 1e30
"""As in a recipe: optimizers divide a learning rate, and a larger one is no float32 any more."""
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Settings:
    """How a lane trains from its next step on. Other ``weights`` or another ``seed`` begin anew."""

    stages: Mapping[str, str]
    """Stage, from the stem to ``head`` → ``frozen``, ``trainable``, or the id of a preset: the part
    of the stage that this preset trains."""
    lr: Mapping[str, float]
    """Learning rates as a phase of a recipe has them: of ``head``, ``backbone``, or a stage."""
    layer_decay: float | None = None
    """Each stage trains at this fraction of the next stage's learning rate."""
    optimizer: str = "sgd"
    """Its kind, as a recipe names it."""
    batch: int = 8
    """Train images of a step."""
    weights: str = PRETRAINED
    """``pretrained``: those of the recipe; ``random``: drawn from the seed."""
    seed: int = 0
    naive: bool = False
    """Whether frozen only means ``requires_grad = False``, as in many tutorials: modules stay in
    training mode, so that BatchNorm's statistics change, and dropout drops."""


def check_settings(settings: Settings, scene: "Scene") -> None:
    """Check what a person set.

    Raises:
        TlfError: it cannot be used with the network of the scene; says what to write instead.
    """
    for name in ("stages", "lr"):
        if not isinstance(value := getattr(settings, name), Mapping):
            raise TlfError(f"{name} must be a table, got {value!r:.60}; write a value per stage")
    _check_stages(settings.stages, scene)
    _check_rates(settings, scene)
    decay = settings.layer_decay
    if decay is not None and not (_is_number(decay) and 0 < decay <= 1):
        raise TlfError(
            f"layer_decay must be a number above 0 and at most 1, got {decay!r:.60}; write 1 for "
            "one rate in all stages"
        )
    _check_choice("optimizer", settings.optimizer, scene.optimizers)
    _check_choice("weights", settings.weights, scene.initialisations)
    _check_choice("batch", settings.batch, scene.batches)
    if type(settings.seed) is not int or not 0 <= settings.seed <= LARGEST_SEED:
        raise TlfError(
            f"seed must be a whole number from 0 to {LARGEST_SEED}, got {settings.seed!r:.60}; "
            "write 0"
        )
    if type(settings.naive) is not bool:
        raise TlfError(f"naive must be true or false, got {settings.naive!r:.60}; write false")


def _check_stages(states: Mapping[str, str], scene: "Scene") -> None:
    names = [stage.name for stage in scene.stages]
    if unknown := [name for name in states if name not in names]:
        raise TlfError(
            f"stages must be those of this network, got {unknown[0]!r:.60}; "
            f"{nearest(str(unknown[0]), names)}"
        )
    if missing := [name for name in names if name not in states]:
        raise TlfError(
            f'stages must say what each stage does, got nothing for {missing[0]}; write "{FROZEN}" '
            f'or "{TRAINABLE}"'
        )
    for stage in scene.stages:
        _check_state(stage, states[stage.name], scene)
    if not any(trained(states, stage, scene) for stage in scene.stages):
        raise TlfError(
            "a stage must train, got all of them frozen: then no weight has a gradient, and a step "
            "changes nothing; set a stage to trainable, such as the head"
        )


def _check_state(stage: "Stage", state: object, scene: "Scene") -> None:
    partial = [p.id for p in scene.presets if 0 < p.trains[stage.name] < stage.parameters]
    known = [FROZEN, TRAINABLE, *partial]
    if state not in known:
        raise TlfError(
            f"{stage.name} must be one of {', '.join(known)}, got {state!r:.60}; write "
            f'"{TRAINABLE}" for all of the stage'
        )


def trained(states: Mapping[str, str], stage: "Stage", scene: "Scene") -> int:
    """How many parameters of a stage train."""
    state = states[stage.name]
    if state in (FROZEN, TRAINABLE):
        return stage.parameters if state == TRAINABLE else 0
    return next(preset.trains[stage.name] for preset in scene.presets if preset.id == state)


def _check_rates(settings: Settings, scene: "Scene") -> None:
    names = ["head", "backbone", *(stage.name for stage in scene.stages[:-1])]
    for name, rate in settings.lr.items():
        if name not in names:
            raise TlfError(
                f"lr must have entries for head, backbone and stages, got {name!r:.60}; "
                f"{nearest(str(name), names)}"
            )
        if not _is_number(rate) or not 0 < rate <= LARGEST_RATE:
            raise TlfError(
                f"lr.{name} must be a number above 0, got {rate!r:.60}; write 0.01, or freeze what "
                "must not move"
            )
    for stage in scene.stages:
        general = "head" if stage.name == "head" else "backbone"
        has_rate = general in settings.lr or stage.name in settings.lr
        if trained(settings.stages, stage, scene) and not has_rate:
            raise TlfError(
                f"lr must have a rate for {stage.name}, which trains, got only "
                f"{', '.join(settings.lr) or 'none'}; write lr.{general} = 0.001"
            )


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    # True == 1 and 8.0 == 8: another type is no choice.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        known = ", ".join(map(str, choices))
        raise TlfError(f"{name} must be one of {known}, got {value!r:.60}; write {choices[0]!r}")


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))
