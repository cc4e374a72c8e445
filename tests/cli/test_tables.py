"""Tables and lines that several commands print."""

import io
from dataclasses import replace

from rich.console import Console

from tlf.cli.tables import epoch_text, merged, stage_table
from tlf.results import EpochResult
from tlf.runs.explain import StageRow

RESULT = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)


def test_an_epoch_is_one_line():
    line = epoch_text(RESULT)
    for part in (
        "head",
        "  1",
        "loss 0.5000 train, 0.2500 eval",
        "top-1 87.50%",
        "160 images/s",
        "1.5 s",
    ):
        assert part in line
    assert len(epoch_text(RESULT, 6)) <= 80


def test_columns_of_all_phases_are_aligned():
    other = replace(RESULT, phase="everything", epoch=11)
    one, two = (epoch_text(result, 10) for result in (RESULT, other))
    assert one.index("loss") == two.index("loss")


def test_neighbours_with_the_same_state_and_rates_share_a_row():
    rows = [
        StageRow("stem", 1, 0, ()),
        StageRow("layer1", 2, 0, ()),
        StageRow("layer2", 3, 1, (0.1,)),
        StageRow("layer3", 4, 4, (0.1,)),
        StageRow("layer4", 5, 5, (0.1,)),
        StageRow("head", 6, 6, (0.1,)),
    ]
    assert [(row.stage, row.parameters, row.state) for row in merged(rows)] == [
        ("stem … layer1", 3, "frozen"),
        ("layer2", 3, "33% trainable"),
        ("layer3 … layer4", 9, "trainable"),
        ("head", 6, "trainable"),
    ]


def test_every_stage_has_its_state_and_rates():
    rows = [
        StageRow("stem", 100, 0, ()),
        StageRow("layer1", 200, 50, (0.001,)),
        StageRow("head", 10, 10, (0.001, 0.01)),
    ]
    file = io.StringIO()
    Console(file=file, width=80, color_system=None).print(stage_table(rows))
    text = file.getvalue()
    stem, layer, head = text.splitlines()[1:]
    assert stem.split() == ["stem", "100", "frozen", "–"]
    assert "25% trainable" in layer
    assert head.split() == ["head", "10", "trainable", "1.00e-03", "…", "1.00e-02"]
