"""Optimizers: torch's own for every day, and all of timm's.

Every parameter group comes with its real learning rate, and with ``weight_decay = 0`` where nothing
decays; both win over what holds for the whole optimizer.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from tlf.errors import nearest
from tlf.hookspecs import hookimpl

if TYPE_CHECKING:
    from timm.optim import OptimInfo  # type: ignore[attr-defined]
    from torch.optim import Optimizer

Decay = Literal["weights", "all"]


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with momentum; its weight decay is part of the gradient."""

    momentum: float = 0.9
    """How much of the last step goes into the next; 0 for none."""
    nesterov: bool = False
    """Whether momentum looks ahead, as Nesterov's does."""
    weight_decay: float = 0.0
    """How strongly weights are pulled towards 0."""
    decay: Decay = "weights"
    """What decays: all but norms and biases, or ``all``."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_fraction("momentum", self.momentum)
        _check_from_zero("weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0; write momentum = 0.9")

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        """Build ``torch.optim.SGD``."""
        import torch

        return torch.optim.SGD(
            groups,
            lr=_highest_rate(groups),
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True)
class Adam:
    """Adam. Its weight decay is part of the gradient and hardly holds; ``adamw`` mends that.

    Source: Kingma & Ba 2014, arXiv:1412.6980.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    """How slowly the running means of the gradient and of its square forget."""
    eps: float = 1e-8
    """Keeps the division by the gradient's size from running away."""
    weight_decay: float = 0.0
    """How strongly weights are pulled towards 0."""
    decay: Decay = "weights"
    """What decays: all but norms and biases, or ``all``."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_adam(self.betas, self.eps, self.weight_decay)

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        """Build ``torch.optim.Adam``."""
        import torch

        return torch.optim.Adam(
            groups,
            lr=_highest_rate(groups),
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True)
class AdamW:
    """Adam with weight decay of its own, apart from the gradient.

    Source: Loshchilov & Hutter 2017, arXiv:1711.05101.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    """How slowly the running means of the gradient and of its square forget."""
    eps: float = 1e-8
    """Keeps the division by the gradient's size from running away."""
    weight_decay: float = 0.01
    """How strongly weights are pulled towards 0: by this times the learning rate at an update."""
    decay: Decay = "weights"
    """What decays: all but norms and biases, or ``all``."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_adam(self.betas, self.eps, self.weight_decay)

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        """Build ``torch.optim.AdamW``."""
        import torch

        return torch.optim.AdamW(
            groups,
            lr=_highest_rate(groups),
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True)
class Timm:
    """Any first-order optimizer that timm offers, such as ``lamb``, ``lion`` or ``muon``.

    ``timm.optim.list_optimizers(with_description=True)`` lists them. Options that are left out are
    as timm has them.
    """

    name: str
    """timm's name for it."""
    momentum: float | None = None
    """Its momentum, if it has one."""
    betas: tuple[float, ...] | None = None
    """Its betas, if it has some."""
    eps: float | None = None
    """Its epsilon, if it has one."""
    weight_decay: float = 0.0
    """How strongly weights are pulled towards 0."""
    decay: Decay = "weights"
    """What decays: all but norms and biases, or ``all``."""

    def __post_init__(self) -> None:
        """Check the options, and that the optimizer takes them."""
        _check_from_zero("weight_decay", self.weight_decay)
        if self.momentum is not None:
            _check_fraction("momentum", self.momentum)
        if self.eps is not None:
            _check_from_zero("eps", self.eps)
        for beta in self.betas or ():
            _check_fraction("each of betas", beta)
        self._check_taken(_timm_info(self.name))

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        """Build it through timm's own factory, without its layer decay.

        Raises:
            ValueError: it needs a package or a device that is not there.
        """
        from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

        _check_installed(_timm_info(self.name))
        optimizer: Optimizer = create_optimizer_v2(
            groups, opt=self.name, lr=_highest_rate(groups), **self._given()
        )
        for group in optimizer.param_groups:
            # timm scales "corrected" weight decay by lr / highest lr and takes one highest for all
            # groups, so that groups with lower rates would decay too little.
            if "max_lr_snapshot" in group:
                group["max_lr_snapshot"] = group["lr"]
        return optimizer

    def _given(self) -> dict[str, Any]:
        options = {
            "momentum": self.momentum,
            "betas": self.betas,
            "eps": self.eps,
            "weight_decay": self.weight_decay,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _check_taken(self, info: "OptimInfo") -> None:
        taken = {"momentum": info.has_momentum, "betas": info.has_betas, "eps": info.has_eps}
        for option in self._given():
            # timm drops betas and eps without a word where they do not belong.
            if not taken.get(option, True):
                raise ValueError(f"timm's {self.name!r} has no {option}; leave it out")
        if self.betas is not None and len(self.betas) != info.num_betas:
            raise ValueError(
                f"timm's {self.name!r} has {info.num_betas} betas, not {len(self.betas)}"
            )


def _timm_info(name: str) -> "OptimInfo":
    from timm.optim import (  # type: ignore[attr-defined]
        get_optimizer_info,
        list_optimizers,
    )

    known = [str(listed) for listed in list_optimizers()]
    if name not in known:
        raise ValueError(f"timm has no optimizer {name!r}; {nearest(name, known)}")
    info = get_optimizer_info(name)
    if info.second_order:
        raise ValueError(
            f"timm's {name!r} needs second derivatives, which training does not compute; "
            'for one of first order, write name = "adamw"'
        )
    return info


def _check_installed(info: "OptimInfo") -> None:
    # timm names a class as text where it comes from another package, and asserts a GPU for these.
    if not isinstance(info.opt_class, str):
        return
    import torch

    package = info.opt_class.split(".")[0]
    if find_spec(package) is None or not torch.cuda.is_available():
        raise ValueError(
            f"timm's {info.name!r} needs the package {package} and a CUDA device, which are not "
            "both there; names that begin with neither bnb nor fused need no other package"
        )


def _highest_rate(groups: list[dict[str, Any]]) -> float:
    """What an optimizer is given as its own learning rate; every group's own wins over it.

    >>> _highest_rate([{"lr": 0.01}, {"lr": 0.1}])
    0.1
    """
    return float(max(group["lr"] for group in groups))


def _check_adam(betas: tuple[float, float], eps: float, weight_decay: float) -> None:
    for beta in betas:
        _check_fraction("each of betas", beta)
    _check_from_zero("eps", eps)
    _check_from_zero("weight_decay", weight_decay)


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} is a fraction from 0 to below 1, not {value}")


def _check_from_zero(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is a number from 0 on, not {value}")


@hookimpl
def tlf_optimizers() -> dict[str, type]:
    """Offer the optimizers."""
    return {"sgd": Sgd, "adam": Adam, "adamw": AdamW, "timm": Timm}
