"""Which parameters train in which epochs, as far as the recipe alone decides it."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from torch import nn

from tlf.builtin.freeze_policies import Alternate, Backbone, Gradual, Norms, Nothing, Plateau
from tlf.builtin.schedulers import Constant
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError
from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.recipe.schema import Phase
from tlf.training.segments.foreseen import MOST_EPOCHS, foreseen_segments

STAGES = {"stem": ["0.weight"], "low": ["1.weight"], "top": ["2.weight"]}
PHASE = Phase(name="p", freeze=(Nothing(),), epochs=6, lr=0.1, scheduler=Constant())


@dataclass(frozen=True)
class LooksLate:
    """A plugin's policy, which looks at results in its fourth epoch only."""

    fault: bool = False

    def frozen(self, model, progress):
        if progress.epoch == 3 and self.fault:
            raise ZeroDivisionError
        if progress.epoch == 3 and progress.history[-1].stages["top"].grad_norm < 1e-9:
            return ()
        return model.backbone_names


OWN = Offer("tlf_freeze_policies", "p:late", LooksLate, Plugin("p", "p", "1"))


@pytest.fixture(scope="module")
def foreseen():
    layers = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3)))
    model = Classifier(layers, nn.Linear(2, 2), STAGES)
    catalogue = Catalogue((*load_plugins([]).catalogue.offers, OWN))
    recipe = SimpleNamespace(monitor="eval_top1", task="single-label", metrics=())
    plan = SimpleNamespace(recipe=recipe, plugins=SimpleNamespace(catalogue=catalogue))

    def foreseen(*policies, epochs=6):
        found = foreseen_segments(plan, model, replace(PHASE, freeze=policies, epochs=epochs))
        frozen = {
            tuple(stage for stage in STAGES if {*model.stages[stage]} <= names): epochs
            for names, epochs in found.certain.items()
        }
        return frozen, found.possible

    return foreseen


def test_the_epochs_of_each_segment(foreseen):
    every = tuple(range(6))
    assert foreseen(Nothing()) == ({(): every}, None)
    assert foreseen(Gradual(every=2)) == (
        {("stem", "low", "top"): (0, 1), ("stem", "low"): (2, 3), ("stem",): (4, 5)}, None
    )  # fmt: skip
    assert foreseen(Alternate())[0] == {("stem", "low", "top"): (0, 2, 4), (): (1, 3, 5)}
    assert foreseen(Gradual(), Backbone()) == ({("stem", "low", "top"): every}, None)
    assert foreseen(Nothing(), epochs=10**6)[0] == {(): tuple(range(MOST_EPOCHS))}


@pytest.mark.parametrize("policies", [[Plateau(patience=1)], [Gradual(), Plateau()], [LooksLate()]])
def test_where_training_decides_only_the_first_epoch_is_certain(foreseen, policies):
    certain, possible = foreseen(*policies)
    assert certain == {("stem", "low", "top"): (0,)}
    thaws = any("backbone.2.weight" not in names for names in possible)
    assert thaws == (policies != [LooksLate()])


def test_a_policy_that_fails_without_looking_is_named(foreseen):
    with pytest.raises(PluginError, match=r"p:late.*ZeroDivisionError"):
        foreseen(LooksLate(fault=True))


def test_names_that_no_epoch_may_have_are_an_error(foreseen):
    with pytest.raises(PluginError, match="no normalisation layers"):
        foreseen(Norms())
