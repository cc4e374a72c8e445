"""What the crops of each phase are cut from."""

import pytest

from small import write_recipe
from tlf.errors import RecipeError
from tlf.recipe.augment import augmentations_of, crop_line, crops_files, used_pixels
from tlf.recipe.plan import load_recipe

PHASES = """
[[phases]]
name = "first"
epochs = 1
lr = 0.1
[[phases]]
name = "second"
epochs = 1
lr = 0.1
"""
FILES = "are cut from the image files, at full resolution"
LATER = "are cut from resized images, as another augmentation comes first"


@pytest.fixture
def read(tmp_path, images):
    path = write_recipe(tmp_path / "recipe.toml", images, PHASES)
    return lambda *overrides: load_recipe(path, overrides)


@pytest.mark.parametrize(
    ("overrides", "used", "line"),
    [
        ((), {"train"}, None),
        (("transforms.augment=trivial-augment",), {"train"}, None),
        (("transforms.augment=crop-flip",), {"full"}, FILES),
        (("transforms.augment=['crop-flip', 'trivial-augment']",), {"full"}, FILES),
        (("transforms.augment=['mixup', 'crop-flip']",), {"full"}, FILES),
        (("transforms.augment=['trivial-augment', 'crop-flip']",), {"train"}, LATER),
        (
            ("transforms.augment=crop-flip", "transforms.crop_from=resized"),
            {"train"},
            "are cut from resized images",
        ),
        (("transforms.augment=crop-flip", "phases.second.augment=none"), {"full", "train"}, FILES),
        (("phases.first.augment=crop-flip",), {"full", "train"}, FILES),
        (
            (
                "transforms.augment=crop-flip",
                "phases.second.augment=['trivial-augment', 'crop-flip']",
            ),
            {"full", "train"},
            f"those of phase first {FILES}; those of phase second {LATER}",
        ),
    ],
)
def test_only_a_crop_that_comes_first_is_cut_from_the_file(read, overrides, used, line):
    recipe = read(*overrides)
    assert used_pixels(recipe) == used | {"eval"}
    assert crop_line(recipe) == line
    files = {crops_files(recipe, phase) for phase in recipe.phases}
    assert files == {name == "full" for name in used}


def test_a_phase_has_its_own_augmentations_or_the_recipes(read):
    recipe = read("transforms.augment=crop-flip", "phases.second.augment=['none', 'mixup']")
    kinds = [[type(a).__name__ for a in augmentations_of(recipe, phase)] for phase in recipe.phases]
    assert kinds == [["CropFlip"], ["Mixup"]]  # one that changes nothing is not called


@pytest.mark.parametrize("kind", ["none", "crop-flip", "mixup", "cutmix"])
def test_some_augmentations_take_16_bits(read, kind):
    assert read("transforms.depth=16", f"transforms.augment={kind}").transforms.depth == 16


def test_the_others_are_refused_by_name(read):
    chosen = "phases.second.augment=['crop-flip', 'rand-augment']"
    with pytest.raises(RecipeError) as caught:
        read("transforms.depth=16", "transforms.augment=trivial-augment", chosen)
    for place, kind in (("transforms", "trivial"), ("phases.second", "rand")):
        told = f"{place}.augment: '{kind}-augment' takes images of 8 bits alone; write crop-flip"
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["transforms.decoder=torchvision"], "Pillow alone decodes at a reduced scale, got"),
        (["transforms.augment=crop-flip"], 'write transforms.crop_from = "resized"'),
    ],
)
def test_what_cannot_be_reduced_is_refused(read, overrides, told):
    with pytest.raises(RecipeError, match=f"transforms.reduced: .*{told}"):
        read("transforms.reduced=true", *overrides)


def test_resized_crops_may_be_cut_from_reduced_images(read):
    cut = ("transforms.augment=crop-flip", "transforms.crop_from=resized")
    assert read("transforms.reduced=true", *cut).transforms.reduced
