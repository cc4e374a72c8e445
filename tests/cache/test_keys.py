"""Code that changes is another code."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest
from torch import nn

import tlf
from tlf.cache.keys import code_of, engine, installed, settings, sources
from tlf.heads import Linear


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


def test_settings_are_the_same_in_every_process_and_tell_what_no_tensor_shows():
    def network(eps, size):
        norm = nn.BatchNorm2d(2, eps=eps)
        norm.layers = (nn.ReLU(), lambda x: x)  # whose texts say where they lie in memory
        norm.sizes = (size, size)
        return nn.Sequential(norm)

    one, same = network(1e-5, 2), network(1e-5, 2).eval()
    found = settings(one)
    assert settings(same) == found
    assert settings(network(1e-3, 2)) != found
    assert settings(network(1e-5, 3)) != found


def test_every_file_of_tlf_is_in_the_key():
    """A changed byte in any module gives other names to what is stored."""
    package = Path(tlf.__file__).parent
    files = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert len(files) > 150
    before = engine_of(package)
    for path in [package / name for name in sorted(files)]:
        assert engine_of(package, changed=path) != before, path
    assert engine() == before


def engine_of(package, changed=None):
    """What ``engine`` hashes, computed without it."""
    found = {}
    for path in package.rglob("*.py"):
        text = path.read_bytes() + (b"#" if path == changed else b"")
        found[str(path.relative_to(package))] = sha256(text).hexdigest()
    return sha256(repr(sorted(found.items())).encode()).hexdigest()
