"""Presets make variants of a recipe."""

from dataclasses import replace

import pytest

from small import RESNET18, write_recipe
from tlf.errors import RecipeError
from tlf.recipe.build import build_model, resolve_preprocessing
from tlf.recipe.plan import plan_of, read_plan
from tlf.studies.compare.candidates import candidates
from tlf.studies.compare.presets import PRESETS, variants

PHASES = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 4
lr = { head = 0.02 }
[[phases]]
name = "all"
epochs = 5
lr = 0.001
"""


@pytest.fixture
def plan(tmp_path, images):
    network = RESNET18.replace('"none"', '"starter"')
    return read_plan(write_recipe(tmp_path / "recipe.toml", images, network + PHASES))


@pytest.mark.parametrize("preset", PRESETS)
def test_variants_train_for_as_long_and_at_the_rate_of_the_head(plan, preset):
    found = candidates([plan], preset=preset)
    assert len({one.name for one in found}) == len(found) >= 2
    for one in found:
        phases = one.plan.recipe.phases
        assert sum(phase.epochs for phase in phases) == 9
        lr = phases[0].lr
        assert (lr if isinstance(lr, float) else lr["head"]) == 0.02
        assert one.plan.splits is not None


def test_what_the_variants_are(plan):
    found = {name: made.recipe for name, made in variants(plan, "strategies")}
    freezes = {n: [type(p.freeze[0]).__name__ for p in r.phases] for n, r in found.items()}
    assert freezes == {
        "feature extraction": ["Backbone"],
        "fine-tuning": ["Nothing"],
        "head first": ["Backbone", "Nothing"],
    }
    assert found["fine-tuning"].phases[0].lr == {"head": 0.02, "backbone": pytest.approx(0.002)}
    random = dict(variants(plan, "pretrained-or-random"))["random"]
    assert random.recipe.backbone.weights == "none"
    early, late = (made.recipe.phases[0].freeze[0] for _, made in variants(plan, "freezing"))
    assert (early.stages, late.stages) == (4, 1)


def test_random_weights_see_the_images_that_the_pretrained_ones_see(plan):
    transforms = replace(plan.recipe.transforms, size=None, resize=None)
    plan = replace(plan, recipe=replace(plan.recipe, transforms=transforms))
    made = dict(variants(plan, "pretrained-or-random"))
    sizes = {}
    for name, one in made.items():
        built, _ = build_model(one, 2)
        found = resolve_preprocessing(one.recipe, built)
        sizes[name] = (found.size, found.resize, found.mean, found.std)
    assert sizes["random"] == sizes["pretrained"]
    assert sizes["pretrained"][:2] == (112, 128)  # of the weights; 224 and 256 without them


def test_what_cannot_be_varied_is_told(plan):
    without = next(made for _, made in variants(plan, "rates"))
    assert without.recipe.phases[0].lr == 0.02
    with pytest.raises(RecipeError, match="did you mean 'freezing'"):
        variants(plan, "freeze")
    random = plan_of(plan, ["backbone.weights=none"])
    with pytest.raises(RecipeError, match=r'must be pretrained ones .*, got "none"; write'):
        variants(random, "pretrained-or-random")
    short = plan_of(plan, ["phases=[{name='a', freeze='backbone', epochs=1, lr=0.1}]"])
    with pytest.raises(RecipeError, match=r"must have 2 epochs or more together, .* got 1; write"):
        variants(short, "strategies")
