"""Training on a GPU beside a plain loop on the same GPU, in every precision, stopped and resumed.

``pytest -m gpu`` runs it. ``TLF_GPU_TESTS=cpu`` runs the same on a CPU: a rehearsal, without what a
GPU alone can show. The measured differences are a part of ``tests/benchmarks/gpu.py``.
"""

import os
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from small import write_recipe
from stopped_runs import stop_after, write
from tlf.cli.out_of_memory import explain_out_of_memory
from tlf.data.loading import make_batches, order
from tlf.data.transforms import center_crop, normalize
from tlf.events import SegmentStarted
from tlf.model import Classifier
from tlf.results import EpochResult, RunResult
from tlf.runs.folder import RunStarted
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.tasks.metric import LOSS
from tlf.training.job import Job

REHEARSAL = os.environ.get("TLF_GPU_TESTS") == "cpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (torch.cuda.is_available() or REHEARSAL), reason="there is no CUDA device"
    ),
]

EXACT = 'report = false\nprecision = "no"\ntf32 = false\nmonitor = "eval_loss"\nbatch_size = 8\n'
BACKBONE = """
optimizer = { kind = "sgd", momentum = 0.9 }
[transforms]
size = 64
resize = 72
[backbone]
kind = "torchvision"
model = "resnet18"
weights = "starter"
"""
PHASES = {
    "features": '[[phases]]\nname = "a"\nfreeze = "backbone"\nepochs = 2\nlr = 0.01\n',
    "full": '[[phases]]\nname = "a"\nepochs = 2\nlr = 0.003\n',
    "partial": (
        '[[phases]]\nname = "a"\nfreeze = { kind = "up-to", stage = "layer3" }\n'
        "epochs = 2\nlr = 0.003\n"
    ),
    "head, then all": (
        '[[phases]]\nname = "a"\nfreeze = "backbone"\nepochs = 1\nlr = 0.01\n'
        '[[phases]]\nname = "b"\nepochs = 2\nlr = 0.003\n'
    ),
    "gradual": (
        '[[phases]]\nname = "a"\nfreeze = { kind = "gradual", thaw = 1 }\nepochs = 3\nlr = 0.003\n'
    ),
    "layer decay": '[[phases]]\nname = "a"\nepochs = 2\nlr = 0.003\nlayer_decay = 0.5\n',
}


@dataclass(frozen=True)
class Trained:
    """A run, and its network as it was before the first update."""

    job: Job
    start: Classifier
    segments: list[SegmentStarted]
    results: list[EpochResult]
    folder: Path


def train(path: Path) -> Trained:
    started, segments, results = None, [], []
    for event in run(path):
        if isinstance(event, RunStarted):
            started = event.job, deepcopy(event.job.classifier)
        elif isinstance(event, SegmentStarted):
            segments.append(event)
        elif isinstance(event, EpochResult):
            results.append(event)
        elif isinstance(event, RunResult):
            folder = Path(event.folder)
    assert started is not None
    return Trained(*started, segments, results, folder)


def pixels(job: Job, split: str, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    size, device = job.preprocessing.size, job.accelerator.device
    images = torch.stack([center_crop(job.pixels[split](i), size) for i in indices])
    return normalize(images.to(device), job.preprocessing), job.labels[split][indices].to(device)


def modes(network: nn.Module, trains: set[str]) -> None:
    """What has no trainable parameter is in eval mode."""
    for name, module in network.named_modules():
        own = {n for n, _ in module.named_parameters(prefix=name)}
        module.training = bool(own & trains)


def plain_epochs(trained: Trained) -> list[tuple[float, float]]:
    """The same training by a plain loop: train and eval loss of each epoch."""
    job, network = trained.job, trained.start
    found: list[tuple[float, float]] = []
    for phase in job.recipe.phases:
        started = [s for s in trained.segments if s.phase == phase.name]
        named = dict(network.named_parameters())
        optimizer = torch.optim.SGD(
            [{"params": [p], "lr": 0.0, "name": n} for n, p in named.items()], momentum=0.9
        )
        best, kept = float("inf"), network.state_dict()
        for epoch in range(phase.epochs):
            rates = [s for s in started if s.epoch <= epoch][-1].rates
            for group in optimizer.param_groups:
                group["lr"] = rates.get(group["name"], 0.0)
            for name, parameter in named.items():
                parameter.requires_grad_(name in rates)
            modes(network, set(rates))
            losses = []
            indices = order(job.recipe.seed, len(found), len(job.splits.train))
            for batch in make_batches(indices, job.recipe.batch_size):
                images, labels = pixels(job, "train", batch)
                loss = cross_entropy(network(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses += [loss.item()] * len(batch)
            network.eval()
            with torch.no_grad():
                images, labels = pixels(job, "eval", [*range(len(job.splits.eval))])
                evaluated = cross_entropy(network(images), labels).item()
            found.append((sum(losses) / len(losses), evaluated))
            if evaluated < best:
                best, kept = evaluated, deepcopy(network.state_dict())
        network.load_state_dict(kept)
    return found


def figure(text: str) -> None:
    """Print a measured difference, and add it to the file that ``TLF_GPU_FIGURES`` names."""
    print(text)
    if path := os.environ.get("TLF_GPU_FIGURES"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def largest(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> float:
    """The largest relative difference between two lists of losses."""
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return max(abs(a - b) / abs(b) for a, b in pairs)


def losses(trained: Trained) -> list[tuple[float, float]]:
    return [(r.train_loss, r.metrics[LOSS.name]) for r in trained.results]


def trained(folder: Path, images: Path, head: str, phases: str, name: str = "run") -> Trained:
    path = folder / f"{name}.toml"
    return train(write_recipe(path, images, f"{head}{BACKBONE}{phases}", output=name))


@pytest.mark.parametrize("kind", PHASES)
def test_a_plain_loop(kind: str, tmp_path: Path, images: Path):
    own = trained(tmp_path, images, EXACT, PHASES[kind])
    with torch.backends.cudnn.flags(allow_tf32=False):
        difference = largest(losses(own), plain_epochs(own))
    figure(f"float32, {kind}: losses differ from a plain loop's by at most {difference:.1e}")
    assert difference < 1e-3


@pytest.mark.parametrize("precision", ["bf16", pytest.param("fp16", id="fp16")])
@pytest.mark.parametrize("kind", ["features", "partial", "full"])
def test_half_precision(precision: str, kind: str, tmp_path: Path, images: Path):
    if precision == "fp16" and REHEARSAL:
        pytest.skip("fp16 needs a GPU")
    exact = trained(tmp_path, images, EXACT, PHASES[kind], "exact")
    half = EXACT.replace('"no"', f'"{precision}"')
    difference = largest(
        losses(trained(tmp_path, images, half, PHASES[kind], "half")), losses(exact)
    )
    figure(f"{precision}, {kind}: losses differ from float32's by at most {difference:.1e}")
    assert difference < (0.05 if precision == "fp16" else 0.15)


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_resumed_bit_for_bit(precision: str, tmp_path: Path, images: Path):
    if precision == "fp16" and REHEARSAL:
        pytest.skip("fp16 needs a GPU")
    settings = f'precision = "{precision}"\ndeterministic = true\n'
    from stopped_runs import RECIPE

    whole, whole_run = write(tmp_path, images, "whole", settings + RECIPE)
    stopped, stopped_run = write(tmp_path, images, "stopped", settings + RECIPE)
    *_, _ = run(whole)
    stop_after(stopped, 9)
    *_, _ = resume(stopped_run)
    name = "model.safetensors"
    assert (stopped_run / name).read_bytes() == (whole_run / name).read_bytes()


@pytest.mark.parametrize("kind", ["features", "partial"])
def test_without_a_cache(kind: str, tmp_path: Path, images: Path):
    stored = trained(tmp_path, images, EXACT, PHASES[kind], "stored")
    computed = trained(
        tmp_path, images, EXACT + "cache = { mode = 'off' }\n", PHASES[kind], "computed"
    )
    difference = largest(losses(computed), losses(stored))
    figure(f"{kind}, without a cache: losses differ by at most {difference:.1e}")
    assert difference < 1e-4


@pytest.mark.skipif(REHEARSAL, reason="it fills the memory of a GPU")
def test_out_of_memory(tmp_path: Path, images: Path):
    path = write_recipe(
        tmp_path / "recipe.toml", images, EXACT + BACKBONE + PHASES["full"], output="run"
    )
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated() / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(held + 1e-4)
    try:
        with pytest.raises(RuntimeError) as raised:
            *_, _ = run(path)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert explain_out_of_memory(raised.value).startswith("the GPU has too little memory: ")


@pytest.mark.skipif(REHEARSAL, reason="it measures the memory of a GPU")
def test_pieces_that_fit(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch):
    """``accumulate = "auto"`` where 2 GiB are free: a run stays within them, and is the same."""
    free, all_there_is = 2 * 2**30, torch.cuda.mem_get_info()[1]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (free, all_there_is))
    large = BACKBONE.replace("size = 64\nresize = 72", "size = 512\nresize = 512")
    phases = '[[phases]]\nname = "a"\nfreeze = "norms"\nepochs = 2\nlr = 0.003\n'

    def measured(accumulate: str, name: str) -> tuple[int, int, list[tuple[float, float]]]:
        """The number of pieces, the bytes taken at most, and the losses."""
        head = EXACT.replace("batch_size = 8", f"batch_size = 16\naccumulate = {accumulate}")
        path = write_recipe(tmp_path / f"{name}.toml", images, head + large + phases, output=name)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_reserved()
        own = train(path)
        return own.job.pieces, torch.cuda.max_memory_reserved() - held, losses(own)

    pieces, taken, found = measured('"auto"', "pieces")
    _, taken_whole, expected = measured("1", "whole")
    difference = largest(found, expected)
    figure(
        f"2 GiB: {pieces} pieces take {taken / 2**20:,.0f} MiB, the whole batch "
        f"{taken_whole / 2**20:,.0f}; losses differ by at most {difference:.1e}"
    )
    assert pieces > 1
    assert taken <= free < taken_whole
    assert difference < 1e-4


def test_epochs_count_up(tmp_path: Path, images: Path):
    """Where the host does not wait for the device, figures still belong to their epochs."""
    results = trained(tmp_path, images, EXACT, PHASES["full"]).results
    assert [r.epoch for r in results] == [0, 1]
    assert all(b.train_loss < a.train_loss for a, b in pairwise(results))
