"""Learning curves in a terminal."""

import random
from itertools import pairwise
from math import inf, nan

import pytest

from histories import SEGMENTS, epoch, two_phases
from tlf.cli.charts.canvas import ASCII, BRAILLE, Canvas, characters_of
from tlf.cli.charts.curves import NARROWEST, ROWS, curve_lines


def lines(history, width=80, characters=BRAILLE, segments=(), best=None):
    return [*curve_lines(history, segments, best, width, characters)]


def dots(text):
    return sum(bin(ord(one) - 0x2800).count("1") for one in text if 0x2800 <= ord(one) < 0x2900)


def test_a_canvas_has_a_dot_where_one_was_drawn():
    canvas = Canvas(2, 1, BRAILLE)
    canvas.line((0, 0), (0, 0), "*")
    canvas.line((3, 3), (3, 3), "*")
    assert [*canvas.lines()] == ["⠁⢀"]
    canvas = Canvas(3, 2, ASCII)
    canvas.line((0, 1), (2, 0), "*")
    canvas.line((0, 0), (0, 0), ".")
    canvas.line((0, 1), (0, 1), ".", dotted=True)  # what is drawn already stays
    assert [*canvas.lines()] == [". *", "** "]


def test_the_loss_and_the_main_metric_fit_the_width():
    made = lines(two_phases(), segments=SEGMENTS)
    assert made[0] == "loss: eval 0.2500 (line), train 0.5000 (dots)"
    assert made[ROWS + 4] == "top-1: eval 87.50% (line), train 12.50% (dots)"
    assert max(map(len, made)) == 80
    assert made[1].startswith("2.0000 │")
    assert made[ROWS].startswith("0.2500 │")
    assert made[-2:] == ["┴ a phase begins", "▲ more tensors train than before"]
    axis, names = made[ROWS + 1 : ROWS + 3]
    assert (axis.count("┴"), axis.count("▲")) == (2, 1)
    assert [names.index("head"), names.index("all")] == [
        place for place, sign in enumerate(axis) if sign == "┴"
    ]
    assert axis.index("▲") > names.index("all")
    assert max(map(len, lines(two_phases(), 20)[1 : ROWS + 2])) == NARROWEST


def test_the_best_epoch_is_on_the_axis_and_every_metric_has_a_chart():
    history = [epoch("all", n) for n in range(4)]
    history[2].metrics["macro_f1"] = 0.5
    made = lines(history, best=history[2])
    assert [line.partition(":")[0] for line in made if ": eval" in line] == [
        "loss", "top-1", "macro-F1"
    ]  # fmt: skip
    axis, names = made[ROWS + 1 : ROWS + 3]
    assert names.split() == ["all", "4", "epochs"]
    assert axis.count("●") == 1
    assert axis.index("┴") < len(axis) // 2 < axis.index("●")
    assert "o" in lines(history, characters=ASCII, best=history[2])[ROWS + 1]


def test_a_higher_figure_is_higher():
    history = [epoch("all", n, 8.0 - n, 8.0 - n, n / 8) for n in range(8)]
    rows = lines(history)
    tops = [next(y for y in range(1, ROWS + 1) if rows[y][x : x + 1].strip()) for x in (13, 42, 73)]
    assert all(one < other for one, other in pairwise(tops))


def test_ascii_where_the_encoding_has_no_more():
    made = lines(two_phases(), characters=ASCII, segments=SEGMENTS)
    assert "\n".join(made).isascii()
    assert made[0] == "loss: eval 0.2500 (*), train 0.5000 (.)"
    assert "*" in "".join(made[1 : ROWS + 1])
    for encoding, known in (("utf-8", BRAILLE), ("latin-1", ASCII), ("no such one", ASCII)):
        assert characters_of(encoding) is known


@pytest.mark.parametrize("characters", [BRAILLE, ASCII])
def test_one_epoch_many_and_endless_figures(characters):
    assert dots("".join(lines([epoch("head", 0)]))) == 4  # two figures, two charts
    rng = random.Random(0)
    long = [epoch(f"phase{n // 100}", n % 100, rng.random(), rng.random()) for n in range(10_000)]
    made = lines(long, characters=characters)
    assert max(map(len, made)) == 80
    assert len(made[1]) < 40  # columns show means, not a black block
    history = [epoch("head", n, loss) for n, loss in enumerate([1.0, nan, inf, 0.5])]
    first = lines(history, characters=characters)[0]
    assert "train 0.5000" in first
    assert "2 not finite" in first
    nothing = [epoch("head", n, nan, nan, nan) for n in range(3)]
    assert len(lines(nothing, characters=characters)) == 2 * ROWS + 7
    unmeasured = [epoch("head", 0, train_metrics={})]
    assert "train – (" in "\n".join(lines(unmeasured, characters=characters))
