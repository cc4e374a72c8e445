import torch

from tlf.testing import models
from tlf.testing.models import CLASSES, each_classifier, progresses, results, tiny_classifiers


def test_the_classifiers_are_new_on_every_call_with_the_same_weights():
    first, second = tiny_classifiers(), tiny_classifiers()
    assert list(first) == ["resnet18", "mobilenet_v3_small", "tiny_vit"]
    for name, model in first.items():
        other = second[name].state_dict()
        assert all(torch.equal(tensor, other[key]) for key, tensor in model.state_dict().items())
        assert not {p.data_ptr() for p in model.parameters()} & {
            p.data_ptr() for p in second[name].parameters()
        }
        assert model.head.out_features == CLASSES


def test_a_network_is_built_when_it_is_needed(monkeypatch):
    built = []
    monkeypatch.setattr(
        models, "_built", lambda name, build=models._built: built.append(name) or build(name)
    )
    name, model = next(each_classifier())
    assert (name, built) == ("resnet18", ["resnet18"])
    assert next(iter(model.stages)) == "stem"


def test_a_phases_epochs_see_the_results_before_them():
    model = tiny_classifiers()["resnet18"]
    series = progresses(model, epochs=4)
    assert [(p.epoch, p.epochs, len(p.history)) for p in series] == [(n, 4, n) for n in range(4)]
    assert [*series[-1].history[0].stages] == [*model.stages, "head"]


def test_results_improve_stall_and_improve_again():
    losses = [result.train_loss for result in results(6, ("stem",))]
    assert losses == [0.7, 0.5, 0.5, 0.5, 0.6, 0.3]
    metrics = results(6, ("stem",))[0].metrics
    assert metrics["loss"] > 0
    assert 0 <= metrics["top1"] <= 1
