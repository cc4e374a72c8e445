"""Components that each break one rule of their contract. Not tests: the tests of tlf.testing
import them, as they would a plugin.
"""

from broken import (
    augmentations,
    backbones,
    datasets,
    freeze_policies,
    heads,
    losses,
    optimizers,
    options,
    schedulers,
)

RULES = {
    **options.RULES,
    **schedulers.RULES,
    **freeze_policies.RULES,
    **heads.RULES,
    **losses.RULES,
    **optimizers.RULES,
    **augmentations.RULES,
    **datasets.RULES,
    **backbones.RULES,
}
"""Name → hook, what the sentence says, and how to make the component."""

WHOLES = [
    (kind.RULES.hook, component)
    for kind in (heads, optimizers, datasets, augmentations, backbones)
    for component in kind.WHOLES
]
"""The same without a fault: what is caught is the fault, and nothing else."""
