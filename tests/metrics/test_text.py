"""Evaluations as lines for a terminal."""

from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len

from predicted_sets import SETS, drawn, predicted
from tlf.metrics.comparison import compare
from tlf.metrics.evaluation import evaluation
from tlf.metrics.text import comparison_lines, lines


@pytest.mark.parametrize("name", SETS)
def test_lines_are_few_and_fit_into_a_terminal(name):
    found = [*lines(evaluation(SETS[name](), resamples=20))]
    assert max(map(cell_len, found)) <= 80
    assert len(found) < 40
    assert not any("None" in line or "nan" in line for line in found)


def test_headline_baseline_confusions_and_classes_are_shown():
    labels = [0] * 6 + [1] * 3 + [2]
    found = predicted(labels, np.eye(3)[[0, 0, 0, 0, 2, 2, 1, 1, 0, 2]], ("ant", "bee", "fly"))
    shown = "\n".join(lines(evaluation(found, resamples=100)))
    assert "top-1                70.00%   " in shown
    assert "baseline             60.00%   top-1 of always saying 'ant'" in shown
    assert [line.split() for line in shown.splitlines() if " of " in line][-2:] == [
        ["ant", "fly", "2", "of", "6"],
        ["bee", "ant", "1", "of", "3"],
    ]
    assert [line.split()[:2] for line in shown.splitlines()[-3:]] == [
        ["ant", "6"], ["bee", "3"], ["fly", "1"]
    ]  # fmt: skip


def test_undefined_is_a_dash_and_absent_classes_are_counted():
    shown = [*lines(evaluation(SETS["a class without an image"](), resamples=20))]
    (row,) = [line for line in shown if line.startswith("class 2 ") and "–" in line]
    assert row.split()[-1] == "–"
    assert shown[-1] == "1 of the model's classes has no image."


def test_where_no_image_is_wrong_the_bound_is_shown():
    shown = "\n".join(lines(evaluation(SETS["perfect"](), resamples=20)))
    assert "No image is wrong. 40 images show only that top-1 is at least 91.19%." in shown
    assert "most confused" not in shown


def test_of_many_classes_the_worst_are_shown():
    shown = [*lines(evaluation(drawn(500, 40), resamples=20))]
    assert "worst of 40 classes" in "\n".join(shown)
    f1 = [float(line.split("%")[0].split()[-1]) for line in shown[-5:]]
    assert f1 == sorted(f1)


def test_names_are_escaped_and_shortened():
    classes = ("\x1b[31m", "蚁" * 40, "<script>alert(1)</script>" * 3)
    found = evaluation(replace(drawn(60, 3, skill=0.5), classes=classes), resamples=20)
    shown = [*lines(found)]
    assert "\x1b" not in "".join(shown)
    assert any(r"\x1b[31m" in line for line in shown)
    assert max(map(cell_len, shown)) <= 80


def test_a_comparison_names_both_models_and_the_verdict():
    labels = np.arange(100) % 4
    good, bad = predicted(labels, np.eye(4)[labels]), predicted(labels, np.eye(4)[labels * 0])
    shown = [*comparison_lines(compare(good, bad), "runs/a", "runs/" + "b" * 200)]
    assert shown[1].startswith("top-1                -75.00%   -8")
    assert shown[0].startswith("second − first ")
    assert shown[3].split(maxsplit=4)[3:] == ["75", "the first, runs/a"]
    assert "   the second, runs/bb" in shown[4]
    assert "runs/a is better (McNemar's p = 5.3e-23)" in shown[-1]
    assert max(map(cell_len, shown)) <= 80
    *_, verdict = comparison_lines(compare(good, good), "a", "b")
    assert verdict.split(maxsplit=1)[1] == "not distinguishable (McNemar's p = 1)"


def test_where_models_cannot_be_told_apart_more_images_are_asked_for():
    labels = np.zeros(50, int)
    first, second = np.eye(2)[labels].copy(), np.eye(2)[labels].copy()
    first[:5], second[5:7] = [0, 1], [0, 1]
    *_, verdict = comparison_lines(
        compare(predicted(labels, first), predicted(labels, second)), "a", "b"
    )
    assert "not distinguishable (McNemar's p = 0.45); about 300 images would tell" in verdict
