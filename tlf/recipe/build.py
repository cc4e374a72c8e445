"""Build the model that a recipe describes: the backbone with its weights, and a new head on it."""

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
    """Build the backbone with its weights, put a new head on it, and check every phase against it.

    Raises:
        RecipeError: a phase names a stage that the backbone lacks, or trains nothing.
        WeightsError: the weights cannot be had or do not fit.
    """
    recipe, catalogue = plan.recipe, plan.plugins.catalogue
    # The seed matters to a backbone where weights = "none".
    with seeded(recipe.seed, "backbone"), blame(catalogue.offer(recipe.backbone), "build"):
        built = recipe.backbone.build()
    with seeded(recipe.seed, "head"), blame(catalogue.offer(recipe.head), "build"):
        head = recipe.head.build(built.num_features, classes)
    if getattr(head, "pools", False) and not hasattr(built.module, "forward_features"):
        problem = "head: it pools maps or tokens, and this backbone gives neither; write 'linear'"
        raise RecipeError([problem], plan.source)
    classifier = Classifier(built.module, head, built.stages)
    channels_last(classifier)
    return built, classifier


def resolve_preprocessing(
    recipe: Recipe, built: BuiltBackbone, source: str = "recipe"
) -> Preprocessing:
    """What the backbone's weights ask for, with what the recipe says otherwise.

    Raises:
        RecipeError: images would be resized to less than what is cropped from them.
    """
    wanted = recipe.transforms
    preprocessing = built.preprocessing.sized(wanted.size, wanted.resize)
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
    """Let two empty images through the model, to see that it takes their size, and that its head
    fits the task.

    Raises:
        PluginError: the head gives what is no logits; names who offers it.
        RecipeError: the model does not take images of this size.
    """
    classifier.eval()
    size = preprocessing.size
    try:
        with torch.inference_mode():
            logits = classifier(torch.zeros(2, preprocessing.channels, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        problem = (
            f"transforms.size: the model cannot take images of {size} × {size} pixels: {error}; "
            "leave transforms.size out for the size that its weights come with"
        )
        raise RecipeError([problem], plan.source) from error
    with blame(plan.plugins.catalogue.offer(plan.recipe.head), "forward"):
        TASKS[plan.recipe.task].check_logits(logits, num_classes)
