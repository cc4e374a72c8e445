"""Code that changes is another code."""

import sys

import pytest
from torch import nn

from tlf.heads.linear import Linear
from tlf.sources import code_of, installed, sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A class of a package that has a part in a folder of its own."""
    folder = tmp_path / "test_third"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("class Own:\n    pass\n")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "more.py").write_text("FACTOR = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("test_third").Own, folder
    sys.modules.pop("test_third")
    forget()


def forget():
    sources.cache_clear()
    installed.cache_clear()


def test_a_package_is_hashed_with_all_its_parts(package):
    own, folder = package
    before = code_of([own])
    assert code_of([own]) == before
    (folder / "deep" / "more.py").write_text("FACTOR = 2\n")
    forget()
    assert code_of([own]) != before


def test_a_module_in_no_package_is_hashed_with_its_neighbours(tmp_path, monkeypatch):
    (tmp_path / "test_lone.py").write_text("class Own:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = __import__("test_lone").Own
    before = code_of([own])
    (tmp_path / "test_neighbour.py").write_text("")
    forget()
    try:
        assert code_of([own]) != before
    finally:
        sys.modules.pop("test_lone")
        forget()


def test_third_parties_may_call_whatever_is_installed(package, tmp_path):
    own, _ = package
    before = code_of([own])
    (tmp_path / "opencv_test-1.0.dist-info").mkdir()
    forget()
    assert set(code_of([own])) - set(before) == {"opencv_test-1.0"}


def test_large_libraries_and_tlf_itself_stand_by_their_versions():
    assert code_of([nn.Linear, Linear]) == sorted([nn.Linear.__module__, Linear.__module__])
