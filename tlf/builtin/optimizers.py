"""Optimizers: torch's usual ones, and all of timm's.

Every parameter group has its learning rate, and ``weight_decay = 0`` where nothing decays. Both
take precedence over the options of the optimizer.
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
    """Stochastic gradient descent with momentum. Weight decay is added to the gradient."""

    momentum: float = 0.9
    """How much of the last step is added to the next; 0 for none."""
    nesterov: bool = False
    """Whether to use Nesterov's momentum."""
    weight_decay: float = 0.0
    """How strongly weights decay towards 0."""
    decay: Decay = "weights"
    """``weights``: all but norms and biases decay. ``all``: everything decays."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_fraction("momentum", self.momentum)
        _check_from_zero("weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("momentum must be above 0 for nesterov, got 0; write momentum = 0.9")

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
    """Adam. Weight decay is added to the gradient, which weakens it; ``adamw`` fixes that.

    Source: Kingma & Ba 2014, arXiv:1412.6980.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    eps: float = 1e-8
    """Added to the divisor, so that it is never 0."""
    weight_decay: float = 0.0
    """How strongly weights decay towards 0."""
    decay: Decay = "weights"
    """``weights``: all but norms and biases decay. ``all``: everything decays."""

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
    """Adam with decoupled weight decay: it is not added to the gradient.

    Source: Loshchilov & Hutter 2017, arXiv:1711.05101.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    eps: float = 1e-8
    """Added to the divisor, so that it is never 0."""
    weight_decay: float = 0.01
    """How strongly weights decay towards 0: by this times the learning rate in an update."""
    decay: Decay = "weights"
    """``weights``: all but norms and biases decay. ``all``: everything decays."""

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

    ``timm.optim.list_optimizers(with_description=True)`` lists them. Options that are left out have
    timm's defaults.
    """

    name: str
    """timm's name for the optimizer."""
    momentum: float | None = None
    """Its momentum, if it has one."""
    betas: tuple[float, ...] | None = None
    """Its betas, if it has any."""
    eps: float | None = None
    """Its epsilon, if it has one."""
    weight_decay: float = 0.0
    """How strongly weights decay towards 0."""
    decay: Decay = "weights"
    """``weights``: all but norms and biases decay. ``all``: everything decays."""

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
        """Build it with timm's own factory, without timm's layer decay.

        Raises:
            ValueError: it needs a package, a device or a newer timm that is missing.
        """
        from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

        _check_installed(_timm_info(self.name))
        optimizer: Optimizer = create_optimizer_v2(
            groups, opt=self.name, lr=_highest_rate(groups), **self._given()
        )
        for group in optimizer.param_groups:
            self._correct_decay(group, optimizer.defaults["lr"])
        return optimizer

    def _correct_decay(self, group: dict[str, Any], highest: float) -> None:
        # timm scales "corrected" weight decay by lr / highest lr. It takes one highest lr for all
        # groups, and groups with lower rates would decay too little.
        decays = group.get("corrected_weight_decay") and group["weight_decay"]
        if "max_lr_snapshot" in group:
            group["max_lr_snapshot"] = group["lr"]
        elif decays and group["lr"] != highest:  # before timm 1.0.31 a group has no highest lr
            raise ValueError(
                f"the weight decay of timm's {self.name!r} needs timm 1.0.31 where parts of the "
                'network have different learning rates; update timm, or write name = "adamw"'
            )

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
            # timm ignores betas and eps silently where an optimizer has none.
            if not taken.get(option, True):
                raise ValueError(f"timm's {self.name!r} has no {option}; leave it out")
        if self.betas is not None and len(self.betas) != info.num_betas:
            raise ValueError(
                f"betas must be {info.num_betas} numbers for timm's {self.name!r}, "
                f"got {len(self.betas)}"
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
            f"name must be an optimizer of first order, got {name!r}, which needs second "
            'derivatives; write name = "adamw"'
        )
    return info


def _check_installed(info: "OptimInfo") -> None:
    # timm gives the class as text where it is in another package; timm asserts a GPU for these.
    if not isinstance(info.opt_class, str):
        return
    import torch

    package = info.opt_class.split(".")[0]
    if find_spec(package) is None or not torch.cuda.is_available():
        raise ValueError(
            f"timm's {info.name!r} needs the package {package} and a CUDA device, of which one is "
            "missing; write a name that does not begin with bnb or fused"
        )


def _highest_rate(groups: list[dict[str, Any]]) -> float:
    """The learning rate of the optimizer as a whole; each group's own rate takes precedence.

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
        raise ValueError(f"{name} must be a fraction from 0 to below 1, got {value}")


def _check_from_zero(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and 0 or more, got {value}")


@hookimpl
def tlf_optimizers() -> dict[str, type]:
    """Offer the optimizers."""
    return {"sgd": Sgd, "adam": Adam, "adamw": AdamW, "timm": Timm}
