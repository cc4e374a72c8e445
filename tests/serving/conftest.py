"""Servers of small runs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from served import Client, serving


@pytest.fixture(scope="session")
def served_runs(
    tmp_path_factory: pytest.TempPathFactory, finished_head: Path, finished: Path
) -> list[Path]:
    """Two runs on one frozen backbone, and one on another. No test may change them."""
    root = tmp_path_factory.mktemp("served")
    names = {"one": finished_head, "two": finished_head, "three": finished}
    return [Path(shutil.copytree(run, root / name)) for name, run in names.items()]


@pytest.fixture(scope="module")
def server(served_runs: list[Path]) -> Iterator[Client]:
    """A server of all of them."""
    with serving(*served_runs) as client:
        yield client


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """Serve runs, with settings."""
    return serving


@pytest.fixture(scope="session")
def jpegs(images: Path) -> list[Path]:
    """Some images."""
    return sorted((images / "val").rglob("*.jpg"))
