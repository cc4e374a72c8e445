"""The result of a study."""

from dataclasses import replace

from rates_found import FOUND, HEAD, NEAR, WORSE, measured
from tlf.studies.learning_rate.found import alike


def test_rates_around_the_best_are_alike_up_to_one_that_is_worse():
    assert HEAD.alike == (0.01, 0.1)
    rates = [
        measured(rate, 0.9, 0.1, behind)
        for rate, behind in ((1, NEAR), (2, WORSE), (3, NEAR), (4, None), (5, NEAR))
    ]
    assert [one.rate for one in alike(rates, 4)] == [3, 4, 5]
    assert replace(HEAD, rates=HEAD.rates[2:]).alike == (0.1, 0.1)


def test_a_notebook_shows_what_is_printed():
    class Printer:
        def text(self, text):
            self.shown = text

    printer = Printer()
    FOUND._repr_pretty_(printer, cycle=False)
    assert printer.shown == str(FOUND)
