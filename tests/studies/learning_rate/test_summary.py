"""What is printed."""

from dataclasses import replace

from rates_found import FLAT, FOUND, HEAD, NEAR, TEST, measured
from tlf.studies.learning_rate.summary import lines, marks_of, sentences


def test_a_table_for_each_phase():
    text = "\n".join(lines(FOUND))
    assert text == str(FOUND)
    assert "phase     <head>: the head alone, 5 epochs" in text
    assert "5 folds, dealt anew for each of 2 seeds" in text
    assert "    0.001     70.0%    65.0%–75.0%      0.600   the recipe's\n" in text
    assert (
        "     0.01     95.0%    90.0%–100.0%     0.200   not distinguishable, suggested\n" in text
    )
    assert "        1         –   the loss is no finite number\n" in text
    assert "begins    after <head> at the rate of the recipe" in text
    assert "write in the phase all:\n\n  lr = { head = 0.00032, layer4 = 3.2e-05 }" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_recipes_rate_is_judged():
    first, suggested, own = sentences(HEAD)
    assert first == (
        "most accurate: 0.1, with 96.0%; rates from 0.01 to 0.1 are not distinguishable from it"
    )
    assert suggested == "suggested: 0.01, which has the lowest loss of these"
    assert own == ("the recipe's lr = 0.001 is too low: 0.1 is better by 26.4 points [19.6, 33.3]")
    assert [*sentences(replace(HEAD, own=1.0))][2] == (
        "the recipe's lr = 1 is too high: its loss is no finite number"
    )
    assert [*sentences(replace(HEAD, own=0.1))][2] == (
        "the recipe's lr = 0.1 is the most accurate; its loss is 0.3, that of the suggestion 0.2"
    )
    assert [*sentences(replace(HEAD, own=0.01))][2] == (
        "the recipe's lr = 0.01 is within these rates: not distinguishable; about 1,200 images "
        "would tell"
    )


def test_a_suggestion_at_the_edge_is_told():
    edge = replace(HEAD, suggestion=0.001)
    assert [*sentences(edge)][-1] == (
        "the suggestion is the lowest rate that was tried; write --rates to try others"
    )
    alone = replace(HEAD, rates=(HEAD.rates[0], measured(0.1, 0.96, 0.3)), suggestion=0.1)
    assert [*sentences(alone)][:2] == [
        "most accurate: 0.1, with 96.0%; no rate next to it is as good", "suggested: 0.1",
    ]  # fmt: skip


def test_marks_of_each_rate():
    assert [", ".join(marks_of(one, HEAD)) for one in HEAD.rates] == [
        "the recipe's", "not distinguishable, suggested", "best", "the loss is no finite number",
    ]  # fmt: skip
    island = replace(HEAD, rates=(measured(0.0001, 0.9, 0.2, NEAR), *HEAD.rates))
    assert [*marks_of(island.rates[0], island)] == []


def test_a_range_test_is_told():
    assert [*sentences(TEST)] == [
        "suggestion: 0.00032, in the middle of the valley from 1.0e-05 to 1.0e-02",
        "at 1.0e+00 the smoothed loss was four times its lowest value, or a loss no finite number",
        "the recipe's lr = 0.5 is 1.6e+03 times the suggestion",
    ]
    assert "is higher than that" in [*sentences(replace(TEST, own=2.0))][-1]
    assert [*sentences(replace(TEST, own=0.0005))][-1].endswith("is near the suggestion")
    assert [*sentences(replace(TEST, own=3.2e-5))][-1].endswith("is 1/10 of the suggestion")


def test_a_flat_curve_suggests_nothing():
    first, own = sentences(FLAT)
    assert first.startswith("the curve is flat")
    assert first.endswith("no suggestion")
    assert "neither confirmed nor improved" in own
