"""The lines that tell what a recipe would do."""

import re

import pytest

from tlf.runs.explain import explain
from tlf.runs.story.stages import StageRow
from tlf.runs.story.text import epochs_text, stage_table

GRADUAL = ["transforms.augment=none", "phases.all.epochs=4", "phases.all.freeze=gradual"]


def phase_of(text, name):
    return text[text.index(f"phase {name} ") :].partition("\n\n")[0].splitlines()


def test_every_segment_of_a_gradual_thaw_has_its_lines(recipe):
    explanation = explain(recipe, [*GRADUAL, "phases.all.early_stopping={patience=3}"])
    text = str(explanation)
    assert text == "\n".join(explanation.lines())
    title, start, stops, *segments = phase_of(text, "all")
    assert title == "phase all (2 of 2), at most 4 epochs: sgd, constant rate"
    assert start == "  starts from the best epoch of head"
    assert stops == "  stops after 3 epochs without a better eval_top1"
    trained = [sum(row.trainable for row in s.stages) for s in explanation.story["all"].segments]
    assert segments[:8] == [
        line
        for number, (count, source) in enumerate(
            zip(trained, ["features", *(f"output of layer{n}" for n in (3, 2, 1))], strict=True)
        )
        for line in (
            f"  epoch {number + 1}: {count:,} of 372,882 parameters train",
            f"    from {source}, computed once and stored",
        )
    ]
    states = [re.split(r" {2,}", line.strip())[2] for line in segments[9:]]
    assert states == [
        "frozen", "trains in epoch 4", "trains in epochs 3-4", "trains in epochs 2-4", "trainable"
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) <= 80


def test_what_training_decides_is_said(recipe):
    explanation = explain(recipe, [*GRADUAL, "phases.all.freeze={kind='plateau', patience=1}"])
    assert len(explanation.story["all"].segments) == 1
    told = phase_of(str(explanation), "all")
    assert (
        told[4] == "  from epoch 2 on, training decides (freeze = plateau): stages may thaw later"
    )
    waits = explain(recipe, [*GRADUAL, "phases.all.freeze={kind='plateau', patience=9}"])
    assert "decides (freeze = plateau): no thaw is expected" in str(waits)
    assert "may thaw" not in str(waits)
    thawing = [line.split()[0] for line in told if "may thaw later  " in line]
    assert thawing == ["layer3", "layer4"]


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ("transforms.augment=none", "from features, computed once and stored"),
        ("transforms.augment=crop-flip", "computed in every epoch, as images change at random"),
        ("cache.mode=off", "from features, computed in every epoch, as nothing is stored"),
        ("transforms.augment=mixup", "as batches are mixed before the frozen stages"),
    ],
)
def test_how_often_the_frozen_part_is_computed(recipe, change, source):
    line = phase_of(str(explain(recipe, [change])), "head")[2]
    assert line.endswith(source)


def test_stored_views_are_counted(recipe):
    changes = ["transforms.augment=crop-flip", "cache.views=3"]
    line = phase_of(str(explain(recipe, changes)), "head")[2]
    assert line == "    from features, computed once for each of 3 views, and stored"


def test_many_stretches_are_cut():
    assert epochs_text(range(0, 100, 2)) == "epochs 1, 3, 5, 7, 9 … 99"


def test_an_explanation_is_one_line_and_a_notebook_shows_all_of_it(recipe):
    explanation, shown = explain(recipe), []
    assert repr(explanation) == "<Explanation of head, all: 372,882 parameters; print shows it>"
    explanation._repr_pretty_(type("Printer", (), {"text": shown.append}), cycle=False)
    assert shown == [str(explanation)]


def table(rows):
    """The cells of the lines below the header."""
    _, *lines = stage_table((row, row.state, row.rates) for row in rows)
    return [re.split(r" {2,}", line.strip()) for line in lines]


def test_neighbours_with_the_same_state_and_rates_share_a_row():
    rows = [
        StageRow("stem", 1, 0, ()),
        StageRow("layer1", 2, 0, ()),
        StageRow("layer2", 3, 1, (0.1,)),
        StageRow("layer3", 4, 4, (0.1,)),
        StageRow("layer4", 5, 5, (0.1,)),
        StageRow("head", 6, 6, (0.1,)),
    ]
    assert [cells[:3] for cells in table(rows)] == [
        ["stem … layer1", "3", "frozen"],
        ["layer2", "3", "33% trainable"],
        ["layer3 … layer4", "9", "trainable"],
        ["head", "6", "trainable"],
    ]


def test_every_stage_has_its_state_and_rates():
    rows = [
        StageRow("stem", 100, 0, ()),
        StageRow("layer1", 200, 50, (0.001,)),
        StageRow("head", 10, 10, (0.001, 0.01)),
    ]
    assert table(rows) == [
        ["stem", "100", "frozen", "–"],
        ["layer1", "200", "25% trainable", "1.00e-03"],
        ["head", "10", "trainable", "1.00e-03 … 1.00e-02"],
    ]
