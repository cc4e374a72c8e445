"""What authors of plugins run their components through: the rules that the engine relies on.

Each check fails with an ``AssertionError`` whose sentence says what is wrong and what the contract
is. Nothing is fetched, and no test framework is needed.
"""

from tlf.testing.freeze_policies import check_freeze_policy
from tlf.testing.models import tiny_classifiers

__all__ = ["check_freeze_policy", "tiny_classifiers"]
