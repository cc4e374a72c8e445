"""A request to end a run is a file that any process may write and its owner removes."""

from tlf.training.checkpoint.requests import ask, is_asked, withdraw


def test_a_request_is_there_until_it_is_withdrawn(tmp_path):
    withdraw(tmp_path)
    assert not is_asked(tmp_path)
    for _ in range(2):
        ask(tmp_path)
        assert is_asked(tmp_path)
    withdraw(tmp_path)
    assert not is_asked(tmp_path)
    assert not [*tmp_path.iterdir()]
    withdraw(tmp_path / "gone")
