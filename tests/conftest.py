"""Images, recipes and processes that several test files need."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from browsers import Browser
from places import ROOT
from small import HEAD_ALONE, TORCHVISION, TWO_PHASES, write_recipe

if TYPE_CHECKING:
    from tlf.runs.record import RunEvent

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def take_one_core() -> None:
    """Give each worker of pytest-xdist one core: threads of two workers would wait for each other,
    and a test that computes would take several times as long.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker and CORES:
        os.sched_setaffinity(0, {sorted(CORES)[int(worker) % len(CORES)]})


take_one_core()  # before torch is imported, which counts the cores: conftest.py of folders do it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: a worker that began one at the end would let the other wait.
    Doctests, whose files take less than a second, come last anyway.
    """
    items.sort(key=lambda item: not {"end_to_end", "test_architecture.py"} & {*item.path.parts})


LOADED = pytest.StashKey[int]()
"""How many modules were loaded when the collection of garbage was last told to pass over them."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the collection of garbage pass over all tests and all that they have imported: each
    segment of a run collects, which would take as long as the segment.
    """
    gc.collect()
    gc.freeze()
    session.config.stash[LOADED] = len(sys.modules)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """The same after a test that has imported much: the first runs load half of the objects."""
    yield
    if len(sys.modules) > item.config.stash[LOADED] + 50:
        pytest_collection_finish(item.session)


TlfCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Draw the starter set once for all tests of all workers, and leave the user's own cache
    alone.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    os.environ.setdefault("TLF_CACHE", str(shared / "cache"))


@pytest.fixture(autouse=True)
def _same_arithmetic() -> Iterator[None]:
    """A test that leaves torch's switches or threads changed would change the keys of what later
    tests store and look for.
    """
    before = _arithmetic()
    yield
    after = _arithmetic()
    assert before is None or after == before


def _arithmetic() -> tuple[object, ...] | None:
    """What torch computes with; None before it is imported."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads"):
        return None
    backends = torch.backends
    of = (backends, backends.mkldnn, backends.mkldnn.matmul, backends.cudnn.conv)
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        backends.cudnn.benchmark,
        [one.fp32_precision for one in (*of, backends.cudnn.rnn, backends.cuda.matmul)],
    )


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Set the number of threads, which is as before after the test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread, until the module ends: results of other modules are compared to the bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw_images(root: Path, train: int, val: int) -> Path:
    """A folder of circles and squares, ``train`` and ``val`` of each, of varied size and colour."""
    rng = np.random.default_rng(0)
    for split, count in {"train": train, "val": val}.items():
        for shape in ("circles", "squares"):
            folder = root / split / shape
            folder.mkdir(parents=True)
            for number in range(count):
                _draw(shape, rng).save(folder / f"{number:03}.jpg", quality=90)
    return root


def _draw(shape: str, rng: np.random.Generator) -> Image.Image:
    width, height = rng.integers(40, 70, 2).tolist()
    ground, ink = (tuple(rng.integers(0, 255, 3).tolist()) for _ in range(2))
    image = Image.new("RGB", (width, height), ground)
    side = int(rng.integers(16, 30))
    x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
    draw = ImageDraw.Draw(image)
    outline = draw.ellipse if shape == "circles" else draw.rectangle
    outline((x, y, x + side, y + side), fill=ink)
    return image


@pytest.fixture(scope="session")
def drawn() -> Callable[[Path, int, int], Path]:
    """Draw a folder of circles and squares."""
    return draw_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 train and 11 val images, in two classes."""
    root = tmp_path_factory.mktemp("images")
    draw_images(root, 10, 5)
    _draw("circles", np.random.default_rng(1)).save(root / "val" / "circles" / "odd.jpg")
    return root


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights for timm's ``test_resnet``: no seed changes them."""
    from safetensors.torch import save_file

    from tlf.builtin.backbones import Timm

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    module = Timm(model="test_resnet", weights="none").build().module
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    return path


@pytest.fixture
def recipe(tmp_path: Path, images: Path) -> Path:
    """A small recipe of two phases, whose run folder is ``run`` beside it."""
    return write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)


@pytest.fixture(scope="session")
def finished_events(tmp_path_factory: pytest.TempPathFactory, images: Path) -> "list[RunEvent]":
    """All events of a run of that recipe, with the seed 4."""
    from tlf.runs.run import run

    root = tmp_path_factory.mktemp("finished")
    return list(run(write_recipe(root / "recipe.toml", images, f"seed = 4\n{TWO_PHASES}")))


@pytest.fixture(scope="session")
def finished(finished_events: "list[RunEvent]") -> Path:
    """The folder of that run, which has ended. No test may change it."""
    return Path(finished_events[-1].folder)


@pytest.fixture(scope="session")
def finished_bf16(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """The folder of a run that computed in bf16, which has ended. No test may change it."""
    from tlf.runs.run import run

    root = tmp_path_factory.mktemp("bf16")
    recipe = write_recipe(root / "recipe.toml", images, f'precision = "bf16"\n{TWO_PHASES}')
    *_, result = run(recipe)
    return Path(result.folder)


@pytest.fixture(scope="session")
def finished_head(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """The folder of a run that has trained the head alone, from stored features; ``cache`` beside
    it is its cache. No test may change either.
    """
    from tlf.runs.run import run

    root = tmp_path_factory.mktemp("head")
    recipe = write_recipe(root / "recipe.toml", images, HEAD_ALONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLF_CACHE", str(root / "cache"))
        *_, result = run(recipe)
    return Path(result.folder)


@pytest.fixture
def head_copy(finished_head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to be changed; a copy of its cache is used."""
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    shutil.copytree(finished_head.parent / "cache", tmp_path / "cache")
    return Path(shutil.copytree(finished_head, tmp_path / "run"))


@pytest.fixture
def run_copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="session")
def finished_torchvision(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """The folder of a run with torchvision's ResNet-18, which has ended. No test may change it."""
    from tlf.runs.run import run

    root = tmp_path_factory.mktemp("torchvision")
    *_, result = run(write_recipe(root / "recipe.toml", images, TORCHVISION))
    return Path(result.folder)


@pytest.fixture
def main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""
    from tlf.cli import main as command_line

    def main(*arguments: object) -> tuple[int, str, str]:
        # As for the installed command: under ``python -m pytest``, click would name pytest.
        monkeypatch.setattr(sys.modules["__main__"], "__package__", None)
        monkeypatch.setattr(sys, "argv", ["tlf", *map(str, arguments)])
        return command_line.main(), *capsys.readouterr()

    return main


@pytest.fixture(scope="session")
def tlf() -> TlfCommand:
    """Run ``python -m tlf`` with some arguments in a process of its own."""

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **more}
        command = [sys.executable, "-m", "tlf", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def spoilt(images: Path, tmp_path: Path) -> Path:
    """More images than a batch, with the four files of ``UNREADABLE``, the first image included."""
    folder = Path(shutil.copytree(images, tmp_path / "spoilt"))
    shutil.copytree(images / "val", folder / "more")
    cut = (folder / "val/circles/000.jpg").read_bytes()[:300]
    (folder / "train/circles/000.jpg").write_bytes(b"")
    (folder / "train/squares/004.jpg").write_text("no image")
    (folder / "val/squares/004.jpg").write_bytes(cut)
    (folder / "val/squares/gone.jpg").write_bytes(b"<svg></svg>")
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium; tests that need it are skipped where there is none."""
    one = Browser(tmp_path_factory.mktemp("downloads"))
    yield one
    one.driver.quit()
