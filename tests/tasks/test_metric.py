from tlf.tasks.metric import LOSS, Metric


def test_rates_are_shown_as_percentages_and_others_as_numbers():
    assert LOSS.shown(0.25) == "0.2500"
    assert Metric("f1", "F1", higher_is_better=True, is_rate=True).shown(0.5) == "50.00%"
