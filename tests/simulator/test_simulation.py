import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from generators import exhausted
from small import TWO_PHASES, write_recipe
from tlf.errors import RunError, TlfError
from tlf.recipe.plan import find_splits, read_plan
from tlf.runtime.devices import on_threads
from tlf.simulator.simulation import open_simulation


def tensors(lane):
    return job_of(lane).classifier.state_dict()


def job_of(lane):
    return lane.network.job if hasattr(lane, "network") else lane.job


def test_a_lane_has_the_images_of_the_page_and_a_network_of_its_own(simulation):
    settings = simulation.scene.presets[0].settings
    lane = simulation.lane(settings)
    assert job_of(lane).splits is simulation.job.splits
    assert job_of(lane).classifier is not simulation.job.classifier
    own = simulation.job.classifier.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in tensors(lane).items())
    other = simulation.lane(replace(settings, seed=settings.seed + 1))
    assert not torch.equal(tensors(other)["head.weight"], own["head.weight"])


def test_a_lane_is_computed_on_the_threads_of_the_page_from_its_first_segment_on(simulation):
    before = torch.get_num_threads()
    with on_threads(simulation.threads + 1):
        lane = simulation.lane(simulation.scene.presets[0].settings)
        used = []
        with lane.network.computing():
            used.append(torch.get_num_threads())
        lane.network.job.classifier.register_forward_hook(
            lambda *_: used.append(torch.get_num_threads())
        )
        lane.start()
        lane.make_step()
    assert lane._segment.threads == simulation.threads
    assert len(used) > 3
    assert {*used} == {simulation.threads}
    assert torch.get_num_threads() == before


def test_random_weights_take_nothing_from_a_file(simulation, tmp_path, images):
    """Neither those of the backbone nor those of a run that is started from."""
    drawn = simulation.job.classifier.state_dict()
    stored = {
        name.removeprefix("backbone.").replace("head.", "fc."): (tensor + 1).contiguous()
        for name, tensor in drawn.items()
    }
    save_file(stored, tmp_path / "run.safetensors")
    text = f'start_from = "{tmp_path}/run.safetensors"\naccumulate = "auto"\n{TWO_PHASES}'
    started, _ = exhausted(open_simulation(write_recipe(tmp_path / "a.toml", images, text)))
    assert started.scene.initialisations == ("pretrained", "random")
    assert started.scene.weights == "none, then run.safetensors"
    assert started.scene.notes[-1].startswith("A batch is computed whole here")
    presets = {preset.id: preset for preset in started.scene.presets}
    for id, expected in (("head", stored["fc.weight"]), ("random", drawn["head.weight"])):
        found = tensors(started.lane(presets[id].settings))
        assert torch.equal(found["head.weight"], expected)
    assert torch.equal(found["backbone.conv1.0.weight"], drawn["backbone.conv1.0.weight"])


def test_weights_that_cannot_be_left_out_are_no_choice(odd):
    scene = odd("", 'backbone={ kind = "odd:stored", weights = "own" }').scene
    assert scene.initialisations == ("pretrained",)
    assert "random" not in [preset.id for preset in scene.presets]


def test_many_classes_keep_the_head_of_the_recipe(odd):
    """Images are few, and of the same classes in both splits."""
    simulation = odd("", 'data="odd:many"')
    scene = simulation.scene
    assert len(scene.classes) == 1000
    assert [i.labels for i in scene.train] == [(k,) for k in range(8)]
    assert [i.labels for i in scene.eval] == [(k,) for k in range(8)]
    assert simulation.job.classifier.head.weight.shape[0] == 1000
    assert simulation.lane(scene.presets[0].settings).make_step().step == 1


@pytest.mark.parametrize("empty", ["", "val"])
def test_without_images_the_error_is_that_of_a_run(tmp_path, images, empty):
    root = shutil.copytree(images, tmp_path / "images")
    for path in (root / empty).rglob("*.jpg"):
        path.unlink()
    recipe = write_recipe(tmp_path / "a.toml", root, TWO_PHASES)
    with pytest.raises(TlfError) as of_run:
        find_splits(read_plan(recipe))
    with pytest.raises(TlfError) as caught:
        exhausted(open_simulation(recipe))
    assert str(caught.value) == str(of_run.value)
    assert "hold" in str(caught.value)
    assert "Splits." not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"WORLD_SIZE": "2"}, "2"),
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}, "more"),
    ],
)
def test_several_processes_are_refused(monkeypatch, environment, count):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError) as caught:
        next(open_simulation("recipes/resnet18_finetune.toml"))
    assert str(caught.value) == (
        f"the simulator must be one process, got {count}; start it without a launcher"
    )
