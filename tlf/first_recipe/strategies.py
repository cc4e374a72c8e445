"""Strategies: what of a pretrained network trains on a number of images, and why.

The rule: the fewer images there are, the less of the network trains. Its steps are a rule of thumb
and nothing measured on the images at hand: that is what the next strategy is for.

Source of the rule: Yosinski et al., 2014, How transferable are features in deep neural networks?,
arXiv:1411.1792; Kumar et al., 2022, arXiv:2202.10054, for the head before the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tlf.errors import RecipeError, nearest
from tlf.first_recipe.look import Look

FEW = 1_000
"""Fewer train images than this: the head alone."""
MANY = 10_000
"""So many train images: everything."""
UPDATES = 200
"""A new head gets at least so many updates, as far as ``EPOCHS`` allow it."""
EPOCHS = (8, 60)
"""The fewest and the most epochs of a phase that trains the head."""
BATCH = 32
"""Images of a batch."""


@dataclass(frozen=True)
class Strategy:
    """What trains, and when."""

    name: str
    what: str
    """What it does, as the end of a sentence."""
    when: str
    """The number of images that it is for."""
    next: str
    """The strategy to try next."""
    phases: str
    """TOML, with ``{epochs}``: the epochs of the head."""


_HEAD = """\
[[phases]]
name   = "head"
freeze = "backbone"                      # its BatchNorm statistics are frozen, too
epochs = {epochs}
lr     = 1e-3
"""

_THAW = """
[[phases]]
name        = "thaw"
freeze      = ["norms", {{ kind = "all-but-last", stages = 2 }}]
epochs      = 10
lr          = {{ head = 1e-4, backbone = 1e-4 }}
augment     = "crop-flip"                # only here: the head's features are computed once
layer_decay = 0.5                        # each stage trains at half the rate of the next one
scheduler   = {{ kind = "cosine", warmup = 0.1 }}
early_stopping = {{ patience = 4 }}
"""

_ALL = """
[[phases]]
name        = "all"
freeze      = "nothing"
epochs      = 15
lr          = {{ head = 1e-3, backbone = 2e-4 }}
augment     = "crop-flip"                # only here: the head's features are computed once
layer_decay = 0.7                        # each stage trains at 0.7 times the rate of the next one
scheduler   = {{ kind = "cosine", warmup = 0.1 }}
early_stopping = {{ patience = 4 }}
"""

STRATEGIES: Mapping[str, Strategy] = {
    one.name: one
    for one in (
        Strategy(
            "head", "train the head on frozen features first", f"fewer than {FEW:,}",
            "head-then-thaw", phases=_HEAD,
        ),
        Strategy(
            "head-then-thaw", "train the head, then the last two stages at lower rates",
            f"{FEW:,} to {MANY:,}", "all", phases=_HEAD + _THAW,
        ),
        Strategy(
            "all", "train the head, then everything, earlier stages at lower rates",
            f"{MANY:,} or more", "head-then-thaw", phases=_HEAD + _ALL,
        ),
    )
}  # fmt: skip


def strategy_for(seen: Look, name: str | None = None) -> Strategy:
    """The strategy of a name, or the one for so many images.

    Raises:
        RecipeError: there is no such strategy.
    """
    if name is None:
        name = "head" if seen.images < FEW else "head-then-thaw" if seen.images < MANY else "all"
    if name not in STRATEGIES:
        raise RecipeError(
            [f"a strategy must be one of tlf's, got {name!r}; {nearest(name, [*STRATEGIES])}"]
        )
    return STRATEGIES[name]


def head_epochs(seen: Look) -> int:
    """How many epochs a new head trains for.

    >>> from types import SimpleNamespace
    >>> [head_epochs(SimpleNamespace(images=n)) for n in (20, 244, 5000)]
    [60, 25, 8]
    """
    fewest, most = EPOCHS
    updates = -(-seen.images // BATCH)
    return min(most, max(fewest, -(-UPDATES // updates)))
