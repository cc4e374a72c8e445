"""An optimizer that finds its steps by itself has no learning rate to look for."""

from dataclasses import dataclass, replace

import pytest
import torch

from small import TWO_PHASES, write_recipe
from tlf.builtin.optimizers import Timm
from tlf.catalogue import Catalogue
from tlf.errors import RecipeError
from tlf.recipe.plan import read_plan
from tlf.studies.learning_rate import optimizers as module
from tlf.studies.learning_rate.optimizers import check_uses_rate


class Fixed(torch.optim.Optimizer):
    """Steps of one length, whatever the rate is."""

    def __init__(self, groups):
        super().__init__(groups, {})

    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= 0.01 * parameter.grad.sign()


@dataclass(frozen=True)
class ByItself:
    def build(self, groups):
        return Fixed(groups)


@pytest.fixture(scope="module")
def plan(tmp_path_factory, images):
    path = write_recipe(tmp_path_factory.mktemp("rate") / "r.toml", images, TWO_PHASES)
    return read_plan(path)


def test_optimizers_that_use_their_rate_are_fine(plan):
    check_uses_rate(plan, plan.recipe.phases)
    for name in ("lion", "radam", "muon", "lamb"):
        assert not torch.equal(*(module._moved(Timm(name=name), rate) for rate in (1e-3, 1e-1)))


def test_one_that_does_not_is_refused(plan, monkeypatch):
    offer = plan.plugins.catalogue.offer(plan.recipe.optimizer)
    monkeypatch.setattr(Catalogue, "offer", lambda *_: replace(offer, kind="by-itself"))
    phases = [replace(plan.recipe.phases[0], optimizer=ByItself())]
    with pytest.raises(RecipeError, match="must use its learning rate, got 'by-itself' in the"):
        check_uses_rate(plan, phases)
