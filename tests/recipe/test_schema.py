"""The keys of a recipe, their defaults, and the values that they become."""

from dataclasses import fields
from pathlib import Path

import pytest

from recipe_components import (
    CATALOGUE,
    FULL,
    GEM,
    MINIMAL,
    Constant,
    Crop,
    CrossEntropy,
    Folder,
    Linear,
    Mixup,
    Mlp,
    Named,
    Norms,
    Sgd,
    Starter,
    UpTo,
    problems,
    read,
)
from tlf.components import DATA_KEYS
from tlf.recipe.schema import CheckpointEvery, Data, EarlyStopping


def test_defaults():
    recipe = read(MINIMAL)
    assert recipe.output == str(Path.cwd() / "runs" / "flowers")
    assert (recipe.head, recipe.loss, recipe.optimizer) == (Linear(), CrossEntropy(), Sgd())
    assert (recipe.data.dataset, recipe.data.bad_images) == (Starter(), "error")
    assert (recipe.transforms.augment, recipe.transforms.size) == ((), None)
    (phase,) = recipe.phases
    assert (phase.freeze, phase.scheduler, phase.optimizer) == ((Named(),), Constant(), None)
    assert (recipe.seed, recipe.batch_size, recipe.workers) == (0, 32, "auto")


def test_everything_written_out():
    recipe = read(FULL)
    assert recipe.data.dataset == Folder("my/images", (0.5, 0.5))
    assert recipe.data.bad_images == "skip"
    assert recipe.transforms.augment == (Crop(), Mixup(1.0))
    assert recipe.head == Mlp((128, 64))
    assert recipe.loss.weights == {"ant": 2.0, "b.e": 0.5}
    head, everything = recipe.phases
    assert head.lr == {"head": 1e-2, "backbone": 1e-3, "stages.2": 1.0}
    assert (head.augment, everything.augment) == ((), None)
    assert everything.freeze == (Norms(), UpTo("layer2"))
    assert everything.early_stopping == EarlyStopping(patience=3)
    assert everything.optimizer == Sgd()


def test_components_are_the_very_classes_that_were_offered():
    assert type(read(FULL).head) is Mlp
    assert CATALOGUE.offer(read(FULL).head).plugin is GEM


def test_whole_numbers_become_floats_where_floats_are_meant():
    assert isinstance(read(MINIMAL, "phases.0.lr=1").phases[0].lr, float)
    assert isinstance(read(FULL).transforms.augment[1].alpha, float)


def test_an_empty_recipe_lacks_three_things():
    assert problems("") == (
        "data: missing; its kind must be one of: folder, starter",
        "backbone: missing; its kind must be one of: torchvision",
        "phases: missing; tlf needs a list of [[tables]]",
    )


@pytest.mark.parametrize("given", [{}, {"seconds": 1.0, "updates": 1}])
def test_checkpoints_are_written_by_time_or_by_updates(given):
    with pytest.raises(ValueError, match=r"^must be \{ seconds = … \} or \{ updates = … \}$"):
        CheckpointEvery(**given)
    assert CheckpointEvery(updates=3).seconds is None


def test_the_default_interval_of_checkpoints_is_a_minute():
    assert read(MINIMAL).checkpoint_every == CheckpointEvery(seconds=60.0)
    assert read(MINIMAL, "checkpoint_every={updates=5}").checkpoint_every.updates == 5


def test_the_keys_of_the_engine_in_data_are_those_that_no_dataset_may_have():
    assert {item.name for item in fields(Data)} == {"dataset", *DATA_KEYS}
