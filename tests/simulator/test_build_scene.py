import os
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tlf.data.transforms import center_crop
from tlf.recipe.plan import plan_of
from tlf.simulator import build_scene
from tlf.simulator.build_scene import scene_of
from tlf.simulator.costs import forward_work


def pixels(thumbnail):
    return np.asarray(Image.open(BytesIO(b64decode(thumbnail)))).astype(int)


@pytest.fixture
def scene_with(simulation):
    """The scene of a simulation whose recipe or job differs."""

    def changed(*overrides, **more):
        plan = plan_of(replace(simulation.job.plan, splits=None), overrides)
        job = replace(simulation.job, plan=plan, **more)
        return scene_of(job, (), (2, 4), ("random",), forward_work(job), ("a note.",))

    return changed


def test_what_a_page_says_of_a_recipe(simulation):
    scene = simulation.scene
    assert (scene.title, scene.backbone) == ("small", "timm test_resnet.r160_in1k")
    assert (scene.weights, scene.head, scene.size) == ("none", "linear", 32)
    assert scene.classes == ("circles", "squares")
    assert scene.optimizers == ("sgd", "adamw")
    assert scene.batches == (2, 4, 8)
    assert len(scene.train) == 8
    assert [image.labels for image in scene.train] == [(0,), (1,)] * 4
    assert {"circles", "squares"} == {image.name.split("/")[1] for image in scene.eval}
    names = [stage.name for stage in scene.stages]
    assert names == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    stem, *_, head = scene.stages
    assert (stem.statistics, head.statistics) == (3, 0)
    assert all(stage.observed and stage.multiply_adds > 0 for stage in scene.stages)


def test_a_thumbnail_is_what_the_network_sees(simulation):
    for image, index in zip(simulation.scene.train, range(3), strict=False):
        crop = center_crop(simulation.job.pixels["train"](index), 32)
        seen = pixels(image.thumbnail)
        assert seen.shape == (32, 32, 3)
        assert abs(seen - crop.permute(1, 2, 0).numpy().astype(int)).mean() < 8  # JPEG


def test_a_thumbnail_of_grey_images_is_grey_and_has_96_pixels_at_most(odd):
    scene = odd("channels = 1", "transforms.size=120", "transforms.resize=120").scene
    assert pixels(scene.eval[0].thumbnail).shape == (96, 96)


def test_a_file_of_weights_is_shown_by_its_name(scene_with):
    scene = scene_with("backbone.weights=/home/me/secret/own.safetensors", "start_from=/runs/a.pth")
    assert scene.weights == "own.safetensors, then a.pth"


def test_classes_are_named_while_there_is_room(scene_with, monkeypatch, simulation):
    monkeypatch.setattr(build_scene, "NAMES", 60)
    names = tuple(f"the class {k}" for k in range(6))
    splits = replace(simulation.job.splits, classes=names)
    assert scene_with(splits=splits).classes == (
        "the class 0",
        "the class 1",
        "#2",
        "#3",
        "#4",
        "#5",
    )


def test_a_title_is_text_that_any_page_can_hold(simulation):
    plan = replace(simulation.job.plan, source=os.fsdecode(b"a/caf\xe9.toml"))
    job = replace(simulation.job, plan=plan)
    assert scene_of(job, (), (2,), (), forward_work(job), ()).title == r"caf\xe9"


def test_what_the_page_leaves_out_is_said(scene_with):
    augment = 'transforms.augment={ kind = "crop-flip" }'
    notes = scene_with(
        augment,
        "phases.all.ema=0.9",
        "phases.all.lr_matching={ bias = 0.1 }",
        "phases.all.scheduler=cosine",
        "accumulate=2",
    ).notes
    assert notes[-6:] == (
        "a note.",
        "Images are not augmented here, so that steps can be compared; a run that augments at "
        "random computes frozen stages once with cache.views.",
        "lr_matching of the phase all is left out here: each stage has one learning rate.",
        "ema of the phase all is left out here: weights are not averaged.",
        "Learning rates stay the same from step to step here; no scheduler changes them.",
        "A batch is computed whole here, not in pieces as accumulate has it.",
    )
    assert scene_with().notes[-1] == "a note."
