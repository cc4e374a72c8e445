"""A changed byte of code, or a changed setting, gives another key."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from torch import nn

import tlf
from tlf.cache.keys import (
    code_of,
    engine,
    feature_key,
    installed,
    pixel_key,
    resizing,
    settings,
    sources,
)
from tlf.catalogue import Offer, Plugin
from tlf.heads import Linear
from tlf.preprocessing import Preprocessing


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


def test_the_code_of_third_parties_depends_on_all_installed_distributions(package, tmp_path):
    own, _ = package
    before = code_of([own])
    (tmp_path / "opencv_test-1.0.dist-info").mkdir()
    forget()
    assert set(code_of([own])) - set(before) == {"opencv_test-1.0"}


def test_large_libraries_and_tlf_are_named_by_their_modules():
    assert code_of([nn.Linear, Linear]) == sorted([nn.Linear.__module__, Linear.__module__])


def test_settings_are_the_same_in_every_process_and_hold_plain_attributes():
    def network(eps, size):
        norm = nn.BatchNorm2d(2, eps=eps)
        norm.layers = (nn.ReLU(), lambda x: x)  # its repr has its address in memory
        norm.sizes = (size, size)
        return nn.Sequential(norm)

    one, same = network(1e-5, 2), network(1e-5, 2).eval()
    expected = settings(one)
    assert settings(same) == expected
    assert settings(network(1e-3, 2)) != expected
    assert settings(network(1e-5, 3)) != expected


def test_every_file_of_tlf_is_in_the_key():
    """A changed byte in any module gives another key."""
    package = Path(tlf.__file__).parent
    hashes = {
        str(path.relative_to(package)): sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*.py")
    }
    assert len(hashes) > 150
    assert engine() == engine_of(hashes)
    for path in hashes:
        assert engine_of(hashes | {path: "of other bytes"}) != engine(), path


def engine_of(hashes):
    """What ``engine`` returns, computed without it."""
    return sha256(repr(sorted(hashes.items())).encode()).hexdigest()


def test_pixels_depend_on_images_resizing_code_and_decoders(monkeypatch):
    def key(digests=(b"a" * 32, b"b" * 32), resize=256, mean=(0.5,), pillow="1"):
        preprocessing = Preprocessing(resize=resize, mean=mean, std=(0.2,) * len(mean))
        return json.dumps(pixel_key(digests, preprocessing, {"pillow": pillow}))

    expected = key()
    assert key() == key(mean=(0.4,)) == expected, "pixels are normalised after they are stored"
    others = [
        key((b"b" * 32, b"a" * 32)),
        key((b"a" * 32, b"")),
        key(resize=232),
        key(mean=(0.5,) * 3),
        key(pillow="2"),
    ]
    monkeypatch.setattr("tlf.cache.keys.engine", lambda: "other code")
    others.append(key())
    assert len({expected, *others}) == 7


def test_pixels_at_full_resolution_depend_on_no_size():
    def key(full, resize=256, channels=3):
        preprocessing = Preprocessing(resize=resize, mean=(0.5,) * channels, std=(1.0,) * channels)
        return json.dumps(pixel_key([b"a" * 32], preprocessing, {}, full=full))

    assert key(full=True) == key(full=True, resize=300)
    assert len({key(full=False), key(full=True), key(full=True, channels=1)}) == 3


def test_resizing_has_the_number_of_channels_and_no_normalisation():
    assert resizing(Preprocessing(64, 72, mean=(0.1,), std=(0.2,))) == {
        "size": 64,
        "resize": 72,
        "crop": "center",
        "interpolation": "bilinear",
        "white": 65535,
        "depth": 8,
        "decoder": "pillow",
        "reduced": False,
        "channels": 1,
    }


def test_features_depend_on_each_of_their_inputs():
    offer = Offer("tlf_heads", "linear", Linear, Plugin("tlf", "tlf", "1"))
    inputs = {
        "manifest": "images",
        "preprocessing": Preprocessing(),
        "components": [(Linear(), offer)],
        "network": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
        "frozen": {"0.weight": "hash"},
        "partition": {"boundary": "head"},
        "computed": ["cpu"],
        "decoders": {"pillow": "1"},
        "seed": None,
        "view": 0,
        "full": False,
    }
    others = {
        "manifest": "other images",
        "preprocessing": Preprocessing(mean=(0.1,) * 3),
        "components": [(Linear(dropout=0.5), offer)],
        "network": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, eps=1e-3)),
        "frozen": {"0.weight": "other hash"},
        "partition": {"boundary": "1"},
        "computed": ["gpu"],
        "decoders": {"pillow": "2"},
        "seed": 0,
        "view": 1,
        "full": True,
    }
    assert feature_key(**inputs) == feature_key(**inputs)
    keys = [feature_key(**inputs | {name: other}) for name, other in others.items()]
    texts = {json.dumps(key, sort_keys=True) for key in [feature_key(**inputs), *keys]}
    assert len(texts) == 1 + len(inputs)
