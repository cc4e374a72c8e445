"""``accumulate = "auto"``: the fewest pieces that fit, and nothing else changes."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from weakref import ref

import pytest
import torch

from small import write_recipe
from tensors import same
from tlf.errors import PluginError, RecipeError, TrainingError
from tlf.events import Notice
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.runs.run import run
from tlf.runtime import memory
from tlf.runtime.kernels import Kernels
from tlf.training.ema import Ema
from tlf.training.job import kernels_of
from tlf.training.segments import pieces
from tlf.training.segments.pieces import fit_pieces

VIT = """
batch_size = 16
accumulate = "auto"
[transforms]
size = 160
resize = 160
[backbone]
kind = "timm"
model = "test_vit.r160_in1k"
weights = "none"
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""


def result(events):
    """What a generator returns, and its notes."""
    notes = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value, notes
        if isinstance(event, Notice):
            notes.append(event.text)


@pytest.fixture
def job(tmp_path: Path, images: Path):
    plan = read_plan(write_recipe(tmp_path / "recipe.toml", images, VIT))
    return result(opened(plan))[0]


@pytest.fixture
def limited(monkeypatch):
    """Steps of more images than this run out of memory; the numbers that were tried."""

    def limit(most: int, error: type[Exception] = torch.OutOfMemoryError) -> list[int]:
        tried: list[int] = []

        def step(job, phase, frozen, count):
            tried.append(count)
            if count > most:
                raise error("CUDA out of memory. Tried to allocate 2.00 GiB.")

        monkeypatch.setattr(pieces, "_step", step)
        return tried

    return limit


def test_a_batch_that_fits_stays_whole_and_the_model_is_as_it_was(job):
    before = {name: tensor.clone() for name, tensor in job.classifier.state_dict().items()}
    state = torch.get_rng_state()
    found, notes = result(fit_pieces(job))
    assert found.recipe.accumulate == found.pieces == 1
    assert notes == [
        'accumulate = "auto" is 1: 16 images fit into the memory of a process at once, and a tenth '
        "of it stays free"
    ]
    assert same(dict(job.classifier.state_dict()), before)
    assert all(parameter.grad is None for parameter in job.classifier.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_the_piece_is_halved_until_it_fits(job, limited, error):
    tried = limited(5, error)
    assert result(fit_pieces(job))[0].pieces == 4
    assert tried == [16, 8, 4]


def test_the_smallest_memory_of_all_processes_decides(job, limited, monkeypatch):
    limited(16)
    monkeypatch.setattr(pieces, "gathered", lambda own: [own, 8])
    assert result(fit_pieces(job))[0].pieces == 8


def test_where_nothing_fits_it_says_so(job, limited):
    tried = limited(1)
    with pytest.raises(TrainingError, match="not even 2 of 16 images fit into the memory; write a"):
        result(fit_pieces(job))
    assert tried == [16, 8, 4, 2]
    odd = replace(job, plan=replace(job.plan, recipe=replace(job.recipe, batch_size=5)))
    with pytest.raises(TrainingError, match="not even 3 of 5 images"):  # 2 and 3
        result(fit_pieces(odd))


def test_a_phase_that_trains_little_may_need_the_most_memory(tmp_path, images, monkeypatch):
    freeze = '{ kind = "matching", pattern = "mlp" }'
    more = f'[[phases]]\nname = "few"\nfreeze = {freeze}\nepochs = 1\nlr = 0.1\n'
    job = result(opened(read_plan(write_recipe(tmp_path / "a.toml", images, VIT + more))))[0]
    monkeypatch.setattr(pieces, "_fits", lambda job, phase, frozen, n: phase.name == "all" or n < 5)
    assert result(fit_pieces(job))[0].pieces == 4


def test_another_error_is_not_taken_for_too_little_memory(job, limited, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(pieces, "_step", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        result(fit_pieces(job))


def test_a_step_of_the_trial_holds_what_a_step_of_the_run_does(job, monkeypatch):
    """The averages of the phase; and it is computed with the kernels of the recipe."""
    made, kernels, loss = [], [], pieces._loss

    class Watched(Ema):
        def __init__(self, *options, **more):
            super().__init__(*options, **more)
            made.append(ref(self))

    @contextmanager
    def used_on(own, device):
        kernels.append(own)
        yield
        kernels.remove(own)

    def held(*args):
        (average,) = made
        assert {*average().tensors} == {name for name, _ in job.classifier.named_parameters()}
        assert kernels == [kernels_of(job.recipe)]
        return loss(*args)

    monkeypatch.setattr(pieces, "Ema", Watched)
    monkeypatch.setattr(Kernels, "used_on", used_on)
    monkeypatch.setattr(pieces, "_loss", held)
    (phase,) = job.recipe.phases
    recipe = replace(job.recipe, phases=(replace(phase, ema=0.9),))
    averaged = replace(job, plan=replace(job.plan, recipe=recipe))
    assert result(fit_pieces(averaged))[0].pieces == 1
    assert [average() for average in made] == [None]


def test_an_optimizer_that_cannot_be_built_is_named(job, monkeypatch):
    def broken(*_):
        raise ValueError("it is tired")

    monkeypatch.setattr(pieces, "build_optimizer", broken)
    with pytest.raises(PluginError, match=r"^'sgd' .*it is tired"):
        result(fit_pieces(job))


def test_a_number_is_left_as_it_is(job, limited):
    tried = limited(1)
    given = replace(job, plan=replace(job.plan, recipe=replace(job.recipe, accumulate=2)))
    assert result(fit_pieces(given)) == (given, [])
    assert not tried


def test_it_is_refused_where_batchnorm_trains_with_the_two_ways_out(tmp_path, recipe):
    plan = read_plan(recipe, ["accumulate=auto"])
    with pytest.raises(RecipeError, match=r'in the phase all.*freeze "norms".*write the number'):
        result(fit_pieces(result(opened(plan))[0]))
    frozen = read_plan(recipe, ["accumulate=auto", 'phases.1.freeze="norms"'])
    assert result(fit_pieces(result(opened(frozen))[0]))[0].pieces == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="it needs Linux's /proc")
def test_too_little_memory_on_a_cpu_is_noticed_before_the_machine_is_full(job, monkeypatch):
    plan = replace(job.plan, recipe=replace(job.recipe, batch_size=4096))
    splits = replace(job.splits, train=replace(job.splits.train, names=["a"] * 4096))
    large = replace(job, plan=plan, splits=splits)
    monkeypatch.setattr(memory, "free_memory", lambda: 600 * 2**20)
    found = result(fit_pieces(large))[0].pieces
    assert found > 1
    assert torch.ones(2**28).sum() == 2**28  # the limit is gone: this is 1 GiB


def test_the_run_records_what_it_found_and_is_the_run_with_that_number(tmp_path, images, limited):
    limited(8)
    auto = write_recipe(tmp_path / "auto.toml", images, VIT, "auto")
    two = write_recipe(tmp_path / "two.toml", images, VIT.replace('"auto"', "2"), "two")
    weights = [(Path([*run(r)][-1].folder) / "model.safetensors").read_bytes() for r in (auto, two)]
    assert "accumulate = 2" in (tmp_path / "auto" / "recipe.toml").read_text()
    assert weights[0] == weights[1]
