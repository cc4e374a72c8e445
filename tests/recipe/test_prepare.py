"""Transforms of plugins: tried once, recorded with the preprocessing, and found there again."""

from dataclasses import dataclass, replace

import pytest
import torch

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError
from tlf.plugins.loading import load_plugins
from tlf.preprocessing import Preprocessing, read_preprocessing
from tlf.recipe import prepare
from tlf.recipe.augment import crop_line, crops_files, used_pixels
from tlf.recipe.plan import Plan, load_recipe
from tlf.recipe.prepare import check_transforms, prepared, records_of, transforms_of

HOW = Preprocessing(size=24, resize=28)
NOISE = torch.arange(3 * 28 * 30).view(3, 28, 30).to(torch.uint8)


@dataclass(frozen=True)
class Invert:
    top: int = 255

    def transform(self, image):
        return self.top - image


@dataclass(frozen=True)
class Chance:
    def transform(self, image):
        return torch.randint_like(image, 256)


@dataclass(frozen=True)
class Floats:
    def transform(self, image):
        return image / 2


OFFERS = tuple(
    Offer("tlf_transforms", f"try:{cls.__name__.lower()}", cls, Plugin("try", "tlf-try", "1.2"))
    for cls in (Invert, Chance, Floats)
)


@pytest.fixture
def plan(recipe):
    """The plan of the small recipe with transforms."""
    own, read = load_plugins(()), load_recipe(recipe)
    plugins = replace(own, catalogue=Catalogue((*own.catalogue.offers, *OFFERS)))

    def plan(*transforms):
        return Plan(replace(read, transforms=replace(read.transforms, prepare=transforms)), plugins,
                    "a test")  # fmt: skip

    return plan


def test_they_are_recorded_and_found_again(plan, monkeypatch):
    records = records_of(plan(Invert(top=200), Invert()))
    assert records == ({"kind": "try:invert", "top": 200}, {"kind": "try:invert", "top": 255})
    how = read_preprocessing({"size": 24, "resize": 28, "prepare": [*records]})
    assert how.prepare == records
    monkeypatch.setattr(prepare, "load_plugins", lambda names: plan().plugins)
    assert torch.equal(prepared(NOISE, how), 255 - (200 - NOISE))
    first, second = transforms_of(plan(Invert(top=200), Invert()))
    assert torch.equal(second(first(NOISE)), 255 - (200 - NOISE))


def test_a_plugin_that_is_gone_or_offers_it_no_longer_is_named(plan, monkeypatch):
    with pytest.raises(PluginError, match="'gone'"):
        prepared(NOISE, replace(HOW, prepare=({"kind": "gone:clahe"},)))
    monkeypatch.setattr(prepare, "load_plugins", lambda names: plan().plugins)
    with pytest.raises(PluginError, match=r"'try:inverse', which its plugin no longer offers; did"):
        prepared(NOISE, replace(HOW, prepare=({"kind": "try:inverse"},)))


@pytest.mark.parametrize("record", [3, {}, {"kind": 1}])
def test_a_record_that_names_nothing_is_an_error(record):
    with pytest.raises(ValueError, match="prepare must hold tables with a kind, got"):
        read_preprocessing({"prepare": [record]})


def test_they_are_tried_before_anything_trains(plan):
    check_transforms(plan(Invert()), HOW)
    with pytest.raises(PluginError, match=r"'try:chance' \(tlf-try 1.2\): transform must give the"):
        check_transforms(plan(Chance()), HOW)
    with pytest.raises(PluginError, match=r"'try:floats' .* transform must return torch.uint8"):
        check_transforms(plan(Floats()), HOW)


def test_random_crops_are_then_cut_from_resized_images(plan):
    plain, changed = (
        replace(p.recipe, transforms=replace(p.recipe.transforms, augment=(crop(p),)))
        for p in (plan(), plan(Invert()))
    )
    assert crops_files(plain, plain.phases[0])
    assert not crops_files(changed, changed.phases[0])
    assert used_pixels(changed) == {"train", "eval"}
    assert crop_line(changed).startswith("are cut from resized images, as these are what transfor")


def crop(plan):
    return plan.plugins.catalogue.of("tlf_augmentations")["crop-flip"].component()
