"""What authors of plugins run their components through: the rules that the engine relies on.

Each check fails with an ``AssertionError`` whose sentence says what is wrong and what the contract
is. Nothing is fetched, and no test framework is needed.
"""

from tlf.testing.augmentations import check_augmentation
from tlf.testing.backbones import check_backbone
from tlf.testing.datasets import check_dataset
from tlf.testing.freeze_policies import check_freeze_policy
from tlf.testing.heads import check_head
from tlf.testing.losses import check_loss
from tlf.testing.models import tiny_classifiers
from tlf.testing.optimizers import check_optimizer
from tlf.testing.schedulers import check_scheduler

__all__ = [
    "check_augmentation",
    "check_backbone",
    "check_dataset",
    "check_freeze_policy",
    "check_head",
    "check_loss",
    "check_optimizer",
    "check_scheduler",
    "tiny_classifiers",
]
