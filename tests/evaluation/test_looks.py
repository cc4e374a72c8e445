import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tlf.errors import RunError
from tlf.evaluation.looks import FILE, Look, check_countable, count_look, read_looks, sentences

LOOK = Look("2026-01-02T03:04:05+00:00", "tlf evaluate runs/mine --split test", "ab", 40, "cd")


def test_looks_are_counted_and_read_again(tmp_path):
    assert read_looks(tmp_path) == ()
    assert count_look(tmp_path, LOOK) == (LOOK,)
    assert count_look(tmp_path, LOOK) == read_looks(tmp_path) == (LOOK, LOOK)
    assert json.loads((tmp_path / FILE).read_text())["format"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_processes_that_look_at_the_same_time_all_count(tmp_path):
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        found = [*pool.map(partial(_count, tmp_path), range(30))]
    assert sorted(found) == [*range(1, 31)]
    assert len(read_looks(tmp_path)) == 30


def _count(folder, _):
    return len(count_look(folder, LOOK))


@pytest.mark.parametrize("text", ["{", '{"looks": [{"at": 1}]}', "[]", '{"looks": [3]}'])
def test_a_damaged_count_is_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(
        RunError, match=rf"{FILE} is damaged, which counts the looks .*; put it bac"
    ):
        count_look(tmp_path, LOOK)
    assert (tmp_path / FILE).read_text() == text


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(
    tmp_path, monkeypatch
):
    check_countable(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunError, match=r"is counted in .*, which cannot be written to; allow that"):
        check_countable(tmp_path)


def test_the_second_look_says_what_it_means():
    assert [*sentences([])] == []
    assert [*sentences([LOOK])] == ["The test split was looked at once, on 2026-01-02 at 03:04 UTC"]
    other = Look("2026-02-03T04:05:06+00:00", "tlf", "ef", 41, "gh")
    count, meaning, changed = sentences([LOOK, other])
    assert count == (
        "The test split was looked at 2 times, with 2 models, first on 2026-01-02 at 03:04 UTC and "
        "last on 2026-02-03 at 04:05 UTC"
    )
    assert meaning.startswith("Only the first look is an honest estimate.")
    assert "have changed" in changed
    assert "with the same model" in next(sentences([LOOK, LOOK]))
