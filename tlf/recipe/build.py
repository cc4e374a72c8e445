"""Build the model that a recipe describes: the backbone with its weights, and a new head."""

from dataclasses import replace

import torch

from tlf.components import BuiltBackbone
from tlf.errors import RecipeError
from tlf.model import Classifier, channels_last
from tlf.plugins.attribution import blame
from tlf.preprocessing import Preprocessing
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Recipe
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS


def build_model(plan: Plan, classes: int) -> tuple[BuiltBackbone, Classifier]:
    """Build the backbone with its weights, and a new head for so many classes.

    Raises:
        RecipeError: the head pools, but the backbone gives no maps or tokens.
        WeightsError: the weights cannot be fetched or do not fit.
    """
    recipe, catalogue = plan.recipe, plan.plugins.catalogue
    # weights = "none" draws the backbone's weights from the seed.
    with seeded(recipe.seed, "backbone"), blame(catalogue.offer(recipe.backbone), "build"):
        built = recipe.backbone.build()
    with seeded(recipe.seed, "head"), blame(catalogue.offer(recipe.head), "build"):
        head = recipe.head.build(built.num_features, classes)
    if getattr(head, "pools", False) and not hasattr(built.module, "forward_features"):
        problem = "head: must not pool, as this backbone gives no maps or tokens; write 'linear'"
        raise RecipeError([problem], plan.source)
    classifier = Classifier(built.module, head, built.stages)
    channels_last(classifier)
    return built, classifier


def resolve_preprocessing(
    recipe: Recipe, built: BuiltBackbone, source: str = "recipe"
) -> Preprocessing:
    """The preprocessing of the backbone's weights, changed by the recipe's sizes and its white.

    Raises:
        RecipeError: images would be resized to less than the size of the crop, or would need
            channels that they do not have.
    """
    transforms, channels = recipe.transforms, built.preprocessing.channels
    if channels not in (1, 3):
        problem = (
            f"backbone: must take images of 3 channels (colour) or 1 (grey), got {channels}, the "
            "length of its mean; write another backbone, or other weights"
        )
        raise RecipeError([problem], source)
    preprocessing = built.preprocessing.sized(transforms.size, transforms.resize)
    if isinstance(recipe.data.white, int):
        preprocessing = replace(preprocessing, white=recipe.data.white)
    if preprocessing.resize < preprocessing.size:
        problem = (
            f"transforms.resize: must be at least the size of the crop, {preprocessing.size}, got "
            f"{preprocessing.resize}; the crop comes with the backbone's weights: write "
            "transforms.size, too"
        )
        raise RecipeError([problem], source)
    return preprocessing


def check_input(
    plan: Plan, classifier: Classifier, preprocessing: Preprocessing, num_classes: int
) -> None:
    """Run the model on two black images: does it take their size, and does its head fit the task?

    Raises:
        PluginError: the head does not give logits; names its plugin.
        RecipeError: the model does not take images of this size.
    """
    classifier.eval()
    size = preprocessing.size
    try:
        with torch.inference_mode():
            logits = classifier(torch.zeros(2, preprocessing.channels, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        problem = (
            f"transforms.size: must be a size that the model takes, got {size}: {error}; "
            "leave transforms.size out for the size of the backbone's weights"
        )
        raise RecipeError([problem], plan.source) from error
    with blame(plan.plugins.catalogue.offer(plan.recipe.head), "forward"):
        TASKS[plan.recipe.task].check_logits(logits, num_classes)
