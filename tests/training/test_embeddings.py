"""Embeddings are what the head gets: from images, from the cache, on one process or on several."""

from dataclasses import replace

import pytest
import torch

from generators import exhausted
from small import write_recipe
from tlf.data.transforms import normalize
from tlf.events import Stored
from tlf.recipe.plan import read_plan
from tlf.results import EpochResult
from tlf.runs.record import opened
from tlf.runs.run import run
from tlf.training.embeddings import embeddings, plain_train_images, stored_by
from tlf.training.features import eval_images
from tlf.training.state import State
from tlf.training.trainer import train

HEAD_ONLY = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'


@pytest.fixture(scope="module")
def recipe_of(tmp_path_factory, images):
    """Write a recipe that trains the head alone."""

    def write(text=""):
        folder = tmp_path_factory.mktemp("embeddings")
        cache = f'cache.dir = "{folder}/cache"\n'
        return write_recipe(folder / "recipe.toml", images, f"{cache}{text}{HEAD_ONLY}")

    return write


def opened_job(path, *overrides):
    return exhausted(opened(read_plan(path, overrides)))[0]


def embedded(job, *chosen, **more):
    with job.loaders:
        return exhausted(embeddings(job, *chosen, **more))


def by_hand(job, images):
    """What the backbone gives, image by image, in a plain loop."""
    pixels = torch.stack([images[0, index][1] for index in range(len(images.labels))])
    with torch.inference_mode():
        return job.classifier.eval().features(normalize(pixels, job.preprocessing)).float()


def test_they_are_what_the_backbone_gives(recipe_of):
    job = opened_job(recipe_of(), 'transforms.augment=["crop-flip"]')
    found, _ = embedded(job)
    torch.testing.assert_close(found.train, by_hand(job, plain_train_images(job)))
    torch.testing.assert_close(found.eval, by_hand(job, eval_images(job)))
    assert found.train.shape == (20, 96)
    assert (found.train.dtype, found.train.device.type) == (torch.float32, "cpu")


def test_what_a_run_with_a_frozen_backbone_stored_is_read(recipe_of):
    path = recipe_of()
    list(run(path))
    job = opened_job(path)
    found, events = embedded(job)
    stored = {event.title: event.reused for event in events if isinstance(event, Stored)}
    assert stored == {"features of 20 train images": True, "features of 11 eval images": True}
    computed, events = embedded(opened_job(path, 'cache.mode="off"'))
    assert not [event for event in events if isinstance(event, Stored)]
    assert torch.equal(found.train, computed.train)
    assert torch.equal(found.eval, computed.eval)


def test_a_run_stopped_while_images_were_augmented_stores_no_embeddings(recipe_of):
    phase = 'name = "{}", freeze = "backbone", epochs = 2, lr = 0.1, augment = "{}"'
    phases = [f"{{{phase.format(*each)}}}" for each in (("a", "crop-flip"), ("b", "none"))]
    places = "cache.views=1", f"phases=[{', '.join(phases)}]"
    job, state = opened_job(recipe_of(), *places), State()
    with job.loaders:
        stores = {
            event.phase: stored_by(job, state) is not None
            for event in train(job, state)
            if isinstance(event, EpochResult)
        }
    assert stores == {"a": False, "b": True}


def test_some_images_are_the_same_rows(recipe_of):
    job = opened_job(recipe_of())
    every, some = embedded(job)[0], embedded(job, [3, 17], [0])[0]
    assert torch.equal(some.train, every.train[[3, 17]])
    assert torch.equal(some.eval, every.eval[:1])


def test_a_head_that_pools_gets_maps_whose_mean_it_is(recipe_of):
    pooling = opened_job(recipe_of('head = "attention-pool"\n'))
    found, _ = embedded(pooling)
    maps = by_hand(pooling, eval_images(pooling))
    assert maps.ndim == 4
    torch.testing.assert_close(found.eval, maps.mean((2, 3)))


def test_processes_that_share_the_work_have_the_same(recipe_of):
    """The process that is not the first embeds all images, too: nothing is gathered."""
    job = opened_job(recipe_of(), 'cache.mode="off"')
    alone, _ = embedded(job)
    second = replace(job, cache=None, manifests={})
    assert torch.equal(embedded(second)[0].train, alone.train)
