"""The start of a plugin with a freeze policy, the one that is written where no hook is named."""

from collections.abc import Mapping

from tlf.plugins.templates import Starter

FREEZE_POLICIES = '''from dataclasses import dataclass

from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.results import Progress


@dataclass(frozen=True)
class Ends:
    """Train the stem, the last stages and the head; freeze the stages between."""

    last: int = 1
    """How many of the last stages train."""

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the parameters that are frozen in this epoch."""
        middle = list(model.stages)[1 : len(model.stages) - self.last]
        return [name for stage in middle for name in model.stage(stage)]


@hookimpl
def tlf_freeze_policies() -> dict[str, type]:
    """Offer the policy to recipes."""
    return {"ends": Ends}
'''

TEST = '''\
"""The policy keeps tlf's contract, freezes the right stages, and is found by its name."""

from tlf.plugins import load_plugins
from tlf.results import Progress
from tlf.testing import check_freeze_policy, tiny_classifiers

from $module import Ends


def test_it_keeps_the_contract():
    check_freeze_policy(Ends())
    check_freeze_policy(Ends(last=2))


def test_what_it_freezes():
    model = tiny_classifiers()["resnet18"]
    frozen = set(Ends().frozen(model, Progress(epoch=0, epochs=1)))
    assert [s for s in model.stages if frozen & {*model.stage(s)}] == ["layer1", "layer2", "layer3"]


def test_recipes_find_it():
    offers = load_plugins(["$name"]).catalogue.of("tlf_freeze_policies")
    assert offers["$name:ends"].component is Ends
'''

README = """\
# tlf-$name

A freeze policy for tlf: the stem, the last stages and the head train; the stages between are
frozen.

```sh
pip install -e '.[test]'
pytest
```

In a recipe:

```toml
[[phases]]
freeze = "$name:ends"                       # or { kind = "$name:ends", last = 2 }
```

| option | default | what it does |
|---|---|---|
| `last` | `1` | how many of the last stages train |
"""

STARTERS: Mapping[str, Starter] = {
    "tlf_freeze_policies": Starter(
        "A freeze policy", FREEZE_POLICIES, "tlf explain RECIPE phases.0.freeze=$name:ends", "ends",
        "Ends", "check_freeze_policy", TEST, README,
    ),
}  # fmt: skip
"""Hook → its start."""
