"""The examples of the module are its cases; here is what they leave out."""

from tlf.metrics.paired import Difference
from tlf.metrics.verdict import verdict


def test_equal_candidates_need_no_number_of_images():
    assert verdict("A", "B", Difference(0.0, -0.1, 0.1, 40, 50)) == "not distinguishable"


def test_a_name_stays_on_its_line():
    found = Difference(0.1, 0.05, 0.2, 40, 50)
    assert "\n" not in verdict("A", "B\nC", found)
