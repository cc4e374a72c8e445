"""Lines that several commands print."""

from dataclasses import replace

from tlf.cli.lines import epoch_text
from tlf.results import EpochResult

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
