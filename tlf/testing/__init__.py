"""Checks for authors of plugins: a component keeps the rules that tlf relies on.

A check that fails raises an ``AssertionError``: it names the problem and the contract. Nothing is
downloaded, and no test framework is needed.
"""

from tlf.testing.augmentations import check_augmentation, check_transform
from tlf.testing.backbones import check_backbone
from tlf.testing.command_line import check_command, check_exporter
from tlf.testing.datasets import check_dataset
from tlf.testing.decisions import check_select_best, check_training_step
from tlf.testing.evaluation.metrics import check_metric
from tlf.testing.evaluation.report_panels import check_report_panels
from tlf.testing.evaluation.trackers import check_tracker
from tlf.testing.extensions import check_extension
from tlf.testing.freeze_policies import check_freeze_policy
from tlf.testing.heads import check_head
from tlf.testing.losses import check_loss
from tlf.testing.models import tiny_classifiers
from tlf.testing.optimizers import check_optimizer
from tlf.testing.schedulers import check_scheduler

__all__ = [
    "check_augmentation",
    "check_backbone",
    "check_command",
    "check_dataset",
    "check_exporter",
    "check_extension",
    "check_freeze_policy",
    "check_head",
    "check_loss",
    "check_metric",
    "check_optimizer",
    "check_report_panels",
    "check_scheduler",
    "check_select_best",
    "check_tracker",
    "check_training_step",
    "check_transform",
    "tiny_classifiers",
]
