"""Free memory, as the system and a container see it."""

import pytest

from tlf.runtime import memory


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Let the system and a container say something; the result."""

    def said(system, container):
        for name, text in (("_SYSTEM", system), ("_CONTAINER", container)):
            path = tmp_path / name
            monkeypatch.setattr(memory, name, path)
            if text is not None:
                path.write_text(text)
        return memory.free_memory()

    return said


@pytest.mark.parametrize(
    ("system", "container", "free"),
    [
        ("MemTotal: 9 kB\nMemAvailable:  8 kB\n", None, 8192),
        ("MemTotal: 9 kB\nMemAvailable:  8 kB\n", "max\n", 8192),
        ("MemTotal: 9 kB\nMemAvailable:  8 kB\n", "4096\n", 4096),
        ("MemTotal: 9 kB\n", "max\n", 0),
        (None, None, 0),
    ],
)
def test_the_smaller_of_both_is_free(said, system, container, free):
    assert said(system, container) == free


@pytest.mark.parametrize(
    ("trained", "side", "images"),
    [
        (32, 224, 128),
        (64, 224, 256),
        (256, 224, 256),
        (1024, 224, 1024),
        (64, 448, 64),
        (8, 32, 32),
    ],
)
def test_where_nothing_trains_a_gpu_gets_more_images(trained, side, images):
    """Four times as many as it trains on, as far as these still make it faster."""
    assert memory.untrained_batch(trained, side, side) == images
