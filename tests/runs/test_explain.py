"""What each phase would do, found out without training."""

import pytest

from tlf.events import Notice, SegmentStarted
from tlf.pretrained.own_classifiers import REARRANGED
from tlf.recipe.build import OTHER_HEAD
from tlf.runs.explain import explain
from tlf.runs.run import run


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ("phases.0.freeze={kind='up-to', stage='layer2'}", "output of layer2"),
        ("transforms.augment=crop-flip", "features"),
        ("transforms.augment=mixup", "images"),  # batches are mixed before the frozen stages
        ("phases.0.freeze=norms", "images"),
    ],
)
def test_a_phase_trains_from_what_a_run_trains_it_from(recipe, change, start):
    starts = explain(recipe, [change]).starts
    assert starts == {"head": start, "all": "images"}
    events = run(recipe, [change, "phases.all.epochs=1"])
    started = {e.phase: e.start for e in events if isinstance(e, SegmentStarted)}
    assert started == starts


def test_nothing_is_trained_and_no_image_is_decoded(recipe, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("explaining trains and decodes nothing")

    monkeypatch.setattr("torch.Tensor.backward", refuse)
    monkeypatch.setattr("tlf.data.transforms.decode", refuse)
    monkeypatch.setattr("tlf.data.inspection.inspect.decode", refuse)
    assert set(explain(recipe).phases) == {"head", "all"}


def test_a_stage_that_trains_in_part(recipe):
    explanation = explain(recipe, ["phases.1.freeze=norms"])
    rows = explanation.phases["all"]
    assert all(0 < row.trainable < row.parameters for row in rows[:-1])
    assert rows[0].state == f"{rows[0].trainable / rows[0].parameters:.0%} trainable"
    assert rows[-1].state == "trainable"


def test_parameters_that_no_output_depends_on_are_frozen_and_named(recipe):
    norm = ["backbone.head.norm.weight", "backbone.head.norm.bias"]
    changes = ["backbone.model=test_convnext", "head={kind='attention-pool', heads=2}"]
    explanation = explain(recipe, changes)
    assert not {*norm} & {*explanation.trainable["all"]}
    assert explanation.notes[-1] == (
        "all: the model's output does not depend on backbone.head.norm.bias, "
        "backbone.head.norm.weight; frozen in this phase"
    )
    events = [*run(recipe, [*changes, "phases.all.epochs=1"])]
    started = {e.phase: e for e in events if isinstance(e, SegmentStarted)}
    assert {*started["all"].rates} == {*explanation.trainable["all"]}
    lines = [event.text for event in events if isinstance(event, Notice)]
    assert [line for line in lines if "norm" in line] == [explanation.notes[-1]]


def test_what_the_librarys_own_loader_refuses_is_said_before_training(recipe, monkeypatch):
    monkeypatch.setitem(REARRANGED, "ResNet", "its classifier has two heads")
    (note,) = explain(recipe).notes
    assert "own test_resnet.r160_in1k does not load the run's model.safetensors: its clas" in note
    assert note in [event.text for event in run(recipe) if isinstance(event, Notice)]
    assert explain(recipe, ["head=mlp"]).notes == (OTHER_HEAD,)
    assert explain(recipe, ["head.bias=false"]).notes == (OTHER_HEAD,)
