"""Freeze policies: the names of the parameters that are frozen in an epoch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.errors import nearest
from tlf.hookspecs import hookimpl
from tlf.results import Progress, plateaus

if TYPE_CHECKING:
    from tlf.model import Classifier


@dataclass(frozen=True)
class Nothing:
    """Everything trains: fine-tuning."""

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """No names."""
        return ()


@dataclass(frozen=True)
class Backbone:
    """The backbone is frozen and the head trains: a linear probe, if the head is linear."""

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Every name of the backbone."""
        return model.backbone_names


@dataclass(frozen=True)
class UpTo:
    """One stage and all stages before it are frozen."""

    stage: str
    """The last stage that is frozen, such as ``layer2``."""

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names from the stem up to the stage.

        Raises:
            ValueError: the backbone has no such stage.
        """
        model.stage(self.stage)
        order = list(model.stages)
        return _names(model, order[: order.index(self.stage) + 1])


@dataclass(frozen=True)
class AllButLast:
    """The backbone is frozen, except for its last stages."""

    stages: int = 1
    """How many stages train, counted from the top; 0 freezes the whole backbone."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("stages", self.stages, 0)

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of the stages before the last ones.

        Raises:
            ValueError: the backbone has fewer stages.
        """
        if self.stages > len(model.stages):
            raise ValueError(
                f"stages must be at most {len(model.stages)}, the number of the backbone's stages "
                f"({', '.join(model.stages)}), got {self.stages}"
            )
        return _all_but_last(model, self.stages)


@dataclass(frozen=True)
class Only:
    """The stages that are named are frozen, wherever they are."""

    stages: tuple[str, ...]
    """Their names, such as ``["stem", "layer1"]``."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.stages:
            raise ValueError('stages must name a stage, got none; write freeze = "nothing"')

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of those stages.

        Raises:
            ValueError: the backbone has no such stage.
        """
        return _names(model, self.stages)


@dataclass(frozen=True)
class Matching:
    """Every parameter is frozen whose name contains a match of a regular expression.

    Names are full names, such as ``backbone.layer4.0.conv1.weight`` and ``head.weight``.
    """

    pattern: str
    """The regular expression. It may match anywhere in the name; ``^`` and ``$`` match its ends."""

    def __post_init__(self) -> None:
        """Check the options."""
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"pattern must be a regular expression, got {self.pattern!r}: {error}"
            ) from error

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """The names that match.

        Raises:
            ValueError: no name matches.
        """
        known = [name for name, _ in model.named_parameters()]
        found = tuple(name for name in known if re.search(self.pattern, name))
        if not found:
            raise ValueError(
                f"pattern {self.pattern!r} matches no parameter; {nearest(self.pattern, known)} "
                f"(names look like {known[0]})"
            )
        return found


@dataclass(frozen=True)
class Norms:
    """The normalisation layers of the backbone are frozen: their weights and their statistics.

    Their pretrained statistics come from far more images; this helps with small batches.
    """

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of the weights and biases of those layers.

        Raises:
            ValueError: the backbone has none.
        """
        # Imported here, because tlf.model imports torch, and a list of the policies needs no torch.
        from tlf.model import normalisation_modules

        found = tuple(
            f"backbone.{layer}.{name}"
            for layer, module in normalisation_modules(model.backbone).items()
            for name, _ in module.named_parameters()
        )
        if not found:
            raise ValueError(
                'the backbone has no normalisation layers; leave "norms" out of freeze'
            )
        return found


@dataclass(frozen=True)
class Gradual:
    """Gradual unfreezing: the head trains first, then the stages thaw one by one from the top.

    Source: Howard & Ruder 2018, arXiv:1801.06146.
    """

    thaw: int = 1
    """How many stages thaw at a time."""
    every: int = 1
    """How many epochs pass from one thaw to the next."""
    start: int = 0
    """The first thaw is at epoch ``start + every``."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("thaw", self.thaw, 1)
        _check_least("every", self.every, 1)
        _check_least("start", self.start, 0)

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of the stages that have not thawed yet."""
        thaws = max(0, progress.epoch - self.start) // self.every
        return _all_but_last(model, thaws * self.thaw)


@dataclass(frozen=True)
class Plateau:
    """The head trains first; stages thaw from the top when the monitored metric stalls.

    A thaw restarts the count of epochs. The best value is the best of the whole phase.
    """

    patience: int = 2
    """How many epochs in a row without a new best value lead to a thaw."""
    thaw: int = 1
    """How many stages thaw at a time."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("patience", self.patience, 1)
        _check_least("thaw", self.thaw, 1)

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of the stages that have not thawed yet."""
        thaws = plateaus(progress.history, progress.monitor, self.patience)
        return _all_but_last(model, thaws * self.thaw)


@dataclass(frozen=True)
class Alternate:
    """Head and backbone train in turns: first the head, while the backbone is frozen."""

    every: int = 1
    """How many epochs a turn lasts."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_least("every", self.every, 1)

    def frozen(self, model: "Classifier", progress: Progress) -> tuple[str, ...]:
        """Names of the backbone in the head's turns, and of the head in the backbone's turns."""
        turn = progress.epoch // self.every
        return model.head_names if turn % 2 else model.backbone_names


def _names(model: "Classifier", stages: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for stage in stages for name in model.stage(stage))


def _all_but_last(model: "Classifier", count: int) -> tuple[str, ...]:
    order = list(model.stages)
    return _names(model, order[: max(0, len(order) - count)])


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be {least} or more, got {value}")


@hookimpl
def tlf_freeze_policies() -> dict[str, type]:
    """Offer the freeze policies."""
    return {
        "nothing": Nothing,
        "backbone": Backbone,
        "up-to": UpTo,
        "all-but-last": AllButLast,
        "only": Only,
        "matching": Matching,
        "norms": Norms,
        "gradual": Gradual,
        "plateau": Plateau,
        "alternate": Alternate,
    }
