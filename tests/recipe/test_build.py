"""The model of a recipe: weights and sizes as the recipe says, drawn from its seed."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from tlf.errors import PluginError, RecipeError, WeightsError
from tlf.recipe.build import build_model, check_input, rebuild_model, resolve_preprocessing
from tlf.recipe.plan import read_plan


@pytest.fixture
def plan(recipe):
    return read_plan(recipe)


@pytest.fixture
def built(plan):
    return build_model(plan, 2)


def test_the_head_gives_logits_for_every_class(plan, built):
    backbone, classifier = built
    assert list(classifier.stages) == [*backbone.stages]
    check_input(plan, backbone, classifier, resolve_preprocessing(plan.recipe, backbone), 2)


def test_the_seed_draws_backbone_and_head(recipe, built):
    _, first = built
    _, again = build_model(read_plan(recipe), 2)
    _, other = build_model(read_plan(recipe, ["seed=1"]), 2)
    before, same, changed = (model.state_dict() for model in (first, again, other))
    assert all(torch.equal(before[name], same[name]) for name in before)
    differing = {name for name in before if not torch.equal(before[name], changed[name])}
    assert any(name.startswith("head.") for name in differing)
    assert any(name.startswith("backbone.") for name in differing)


def test_building_leaves_the_generator_alone(plan):
    before = torch.get_rng_state()
    build_model(plan, 2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_recipe_says_depth_and_figures_for_each_channel(plan, built):
    backbone, _ = built
    four = replace(backbone.preprocessing, mean=(0.5,) * 4, std=(0.25,) * 4)
    backbone = replace(backbone, preprocessing=four)
    said = replace(plan.recipe.transforms, mean=(0.1, 0.2, 0.3, 0.4), depth=16)
    found = resolve_preprocessing(replace(plan.recipe, transforms=said), backbone)
    assert (found.mean, found.std, found.depth) == ((0.1, 0.2, 0.3, 0.4), (0.25,) * 4, 16)
    wrong = replace(said, mean=(0.1,), std=(0.2,) * 3)
    with pytest.raises(RecipeError) as caught:
        resolve_preprocessing(replace(plan.recipe, transforms=wrong), backbone)
    for name, count in (("mean", 1), ("std", 3)):
        told = f"transforms.{name}: must hold a number for each of the backbone's 4 channels, got"
        assert f"{told} {count}" in str(caught.value)


def test_the_recipes_sizes_take_the_place_of_the_weights(plan, built):
    backbone, _ = built
    preprocessing = resolve_preprocessing(plan.recipe, backbone)
    assert (preprocessing.size, preprocessing.resize) == (32, 36)
    assert preprocessing.mean == backbone.preprocessing.mean
    plain = replace(plan.recipe, transforms=replace(plan.recipe.transforms, size=None, resize=None))
    assert resolve_preprocessing(plain, backbone) == backbone.preprocessing


def test_images_are_resized_to_at_least_the_crop(plan, built):
    transforms = replace(plan.recipe.transforms, size=None, resize=20)
    with pytest.raises(RecipeError, match=r"the crop, 160, got 20; .* write transforms.size"):
        resolve_preprocessing(replace(plan.recipe, transforms=transforms), built[0])


def test_a_size_that_the_model_cannot_take_is_a_mistake_in_the_recipe(plan, built):
    backbone, classifier = built

    def refuse(module, inputs):
        raise RuntimeError("the window must divide 32")

    classifier.backbone.register_forward_pre_hook(refuse)
    preprocessing = resolve_preprocessing(plan.recipe, built[0])
    with pytest.raises(RecipeError, match=r"that the model takes, got 32: the window .* leave tra"):
        check_input(plan, backbone, classifier, preprocessing, 2)


def test_a_head_that_gives_no_logits_is_named(plan, built):
    backbone, classifier = built
    with pytest.raises(PluginError, match=r"^'linear' \(tlf "):
        check_input(plan, backbone, classifier, resolve_preprocessing(plan.recipe, backbone), 3)


class Sly(torch.nn.Linear):
    """A head that does in training what it does not in evaluation."""

    fault = ""

    def forward(self, features):
        logits = super().forward(features)
        if self.training and self.fault == "rows":
            return logits[:1]
        if self.training and self.fault == "half":
            return logits.argmax(1)
        return logits.detach() if self.fault == "detached" else logits


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("rows", r"logits must be \(2, 2\), one for each image and class, got \(1, 2\)"),
        ("half", r"logits must be \(2, 2\), .*, got \(2,\)"),
        ("detached", "logits must have a gradient, got none; leave out detach and numpy"),
    ],
)
def test_a_head_is_tried_in_training_too(plan, built, fault, message):
    backbone, classifier = built
    classifier.head = Sly(backbone.num_features, 2)
    preprocessing = resolve_preprocessing(plan.recipe, backbone)
    check_input(plan, backbone, classifier, preprocessing, 2)
    classifier.head.fault = fault
    with pytest.raises(PluginError, match=message):
        check_input(plan, backbone, classifier, preprocessing, 2)


def test_trying_a_head_changes_nothing(plan, built):
    backbone, classifier = built
    norm = torch.nn.BatchNorm1d(backbone.num_features)
    linear = torch.nn.Linear(backbone.num_features, 2)
    classifier.head = torch.nn.Sequential(norm, torch.nn.Dropout(), linear)
    before, drawn = deepcopy(classifier.state_dict()), torch.get_rng_state()
    check_input(plan, backbone, classifier, resolve_preprocessing(plan.recipe, backbone), 2)
    after = classifier.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(drawn, torch.get_rng_state())
    assert not any(module.training for module in classifier.modules())


def test_features_of_another_width_are_the_backbones_fault(plan, built):
    backbone, classifier = built
    preprocessing = resolve_preprocessing(plan.recipe, backbone)
    with pytest.raises(PluginError, match=r"^'timm' \(tlf .*: features must be \(2, 7\), \(B, F\)"):
        check_input(plan, replace(backbone, num_features=7), classifier, preprocessing, 2)


def test_a_backbone_without_rebuild_is_built_as_its_recipe_says(plan, built, monkeypatch):
    """Its options mean what its author says: none of them is changed."""
    backbone, classifier = built
    rebuilt = rebuild_model(plan, 2, backbone.config)
    assert rebuilt.state_dict().keys() == classifier.state_dict().keys()
    monkeypatch.delattr(type(plan.recipe.backbone), "rebuild")
    again = rebuild_model(plan, 2, {})
    same = zip(classifier.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(first, second) for first, second in same)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ("start_from=gone.safetensors", "start_from: weights must name a file of weights, got"),
        ("backbone.weights=gone.pt", "backbone: weights must name a file of weights, got"),
    ],
)
def test_an_error_about_weights_names_the_key_of_the_recipe(recipe, change, start):
    with pytest.raises(WeightsError) as caught:
        build_model(read_plan(recipe, ["backbone.model=test_resnet", change]), 2)
    assert str(caught.value).startswith(start)
