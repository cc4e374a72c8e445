"""The state of a run: which tensors the best epochs have to hold."""

import torch
from torch import nn

from tlf.model import Classifier
from tlf.results import EpochResult
from tlf.training.best_epoch import BestEpoch, copies
from tlf.training.evaluation import Predictions
from tlf.training.state import State

RESULT = EpochResult("p", 0, 0.0, {"loss": 0.0, "top1": 0.0}, 0.1, 1, 1.0, 1.0)
PREDICTIONS = Predictions(torch.zeros(1, 2), torch.zeros(1))


def model():
    torch.manual_seed(0)
    return Classifier(nn.Linear(3, 2), nn.Linear(2, 2), {"stem": ("weight", "bias")})


def best(classifier, names):
    return BestEpoch(RESULT, copies(classifier, names), PREDICTIONS)


def test_the_names_add_up():
    state = State()
    state.let_change(model(), {"head.weight"})
    state.let_change(model(), {"head.bias"})
    assert state.changed == {"head.weight", "head.bias"}
    assert (state.best, state.phase_best) == (None, None)


def test_a_best_epoch_gets_the_tensors_that_may_change_after_it():
    classifier, state = model(), State(changed={"head.weight", "head.bias"})
    loaded = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    state.best, state.phase_best = (best(classifier, state.changed) for _ in range(2))
    with torch.no_grad():
        classifier.head.weight += 1  # the next epoch, which is not the best
    state.let_change(classifier, {"head.weight", "backbone.weight"})
    with torch.no_grad():
        classifier.backbone.weight += 1
    for epoch in (state.best, state.phase_best):
        assert {*epoch.tensors} == {"head.weight", "head.bias", "backbone.weight"}
        epoch.load_into(classifier)
        assert all(torch.equal(t, loaded[n]) for n, t in classifier.state_dict().items())


def test_the_copies_are_independent_of_the_model():
    classifier = model()
    epoch = best(classifier, {"head.weight"})
    before = classifier.head.weight.detach().clone()
    nn.init.zeros_(classifier.head.weight)
    assert torch.equal(epoch.tensors["head.weight"], before)
