"""Labels that are missed, and labels that are wrong."""

from label_sets import marked


def test_missed_and_wrong_decisions():
    found = marked([[1, 0], [1, 1]], [[0.1, 0.9], [0.8, 0.7]])
    assert found.missed.tolist() == [[True, False], [False, False]]
    assert found.wrong.tolist() == [[False, True], [False, False]]
    assert found.exact.tolist() == [False, True]
    assert len(found) == 2
    assert found.evaluation().headline["exact_match"].value == 0.5
    assert found.compare(found).images == 2
