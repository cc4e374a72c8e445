"""Build the model that a recipe describes: the backbone with its weights, and a new head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlf.components import BuiltBackbone
from tlf.errors import RecipeError, WeightsError
from tlf.model import Classifier, channels_last
from tlf.plugins.attribution import blame
from tlf.plugins.returned import checked_backbone, checked_features, checked_head
from tlf.preprocessing import Preprocessing
from tlf.pretrained.names import first
from tlf.pretrained.weights import fit, read
from tlf.recipe.plan import ModelPlan, Plan
from tlf.recipe.schema import Recipe
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS

OTHER_HEAD = (
    "only a linear head with a bias loads into timm's or torchvision's own network; "
    "tlf export writes this model --to torch-export or onnx"
)
"""The note about any other head."""


def build_model(plan: Plan, classes: int) -> tuple[BuiltBackbone, Classifier]:
    """Build the backbone with its weights, and a new head for so many classes; or both as an
    earlier run has trained them.

    Raises:
        RecipeError: the head pools, but the backbone gives no maps or tokens.
        WeightsError: the weights cannot be fetched or do not fit.
    """
    return build_model_at(plan, classes, plan.recipe.transforms.size)


def build_model_at(
    plan: Plan | ModelPlan, classes: int, size: int | None
) -> tuple[BuiltBackbone, Classifier]:
    """The same for images of a size: the side in pixels, or None for that of the weights."""
    built, _ = build_backbone(plan, size)
    return built, with_head(plan, built, classes)


def build_backbone(plan: Plan | ModelPlan, size: int | None) -> tuple[BuiltBackbone, bool]:
    """The backbone with its weights, and whether building it has drawn random numbers: only then
    can it depend on the seed.

    Raises:
        WeightsError: the weights cannot be fetched or do not fit.
    """
    recipe, catalogue = plan.recipe, plan.plugins.catalogue
    # weights = "none" draws the backbone's weights from the seed.
    backbone = recipe.backbone
    sized = size is not None and hasattr(backbone, "build_at")
    verb, arguments = ("build_at", (size,)) if sized else ("build", ())
    with (
        _weights_of("backbone"),
        seeded(recipe.seed, "backbone"),
        blame(catalogue.offer(backbone), verb),
    ):
        before = torch.get_rng_state()
        built = checked_backbone(getattr(backbone, verb)(*arguments), verb)
        return built, not torch.equal(before, torch.get_rng_state())


def with_head(plan: Plan | ModelPlan, built: BuiltBackbone, classes: int) -> Classifier:
    """A backbone with a new head for so many classes; or both as an earlier run has trained them.

    Raises:
        RecipeError: the head pools, but the backbone gives no maps or tokens.
        WeightsError: the weights of the earlier run do not fit.
    """
    classifier = _joined(plan, built, classes, "build")
    if plan.recipe.start_from is not None:
        _load_trained(Path(plan.recipe.start_from), built.classifier, classifier)
    return classifier


def rebuild_model(
    plan: Plan | ModelPlan, classes: int, config: Mapping[str, Any], size: int | None = None
) -> Classifier:
    """Build the model of a trained run, which the run's own weights are loaded into next.

    Parameters:
        plan: the recipe of the run, or the part of it that the model is built from.
        classes: the number of classes.
        config: what the backbone said when the run was trained: ``BuiltBackbone.config``.
        size: the side of the images that it was trained on, for a backbone that has ``build_at``
            and no ``rebuild``.

    Raises:
        PluginError: the backbone or the head cannot be built; names its plugin.
        WeightsError: the backbone needs its pretrained weights, and they are gone.
    """
    catalogue, backbone = plan.plugins.catalogue, plan.recipe.backbone
    rebuild = getattr(backbone, "rebuild", None)
    if rebuild is None:
        return _joined(plan, build_backbone(plan, size)[0], classes, "build")
    with seeded(plan.recipe.seed, "backbone"), blame(catalogue.offer(backbone), "rebuild"):
        built = checked_backbone(rebuild(config), "rebuild")
    return _joined(plan, built, classes, "rebuild")


def _load_trained(path: Path, name: str, classifier: Classifier) -> None:
    """Load a run's model. ``name``: what its architecture calls the classifier."""
    trained = {}
    with _weights_of("start_from"):
        stored = read(path)
    for key, tensor in first(stored.groups).items():
        inner = key.removeprefix(f"{name}.")
        trained[f"backbone.{key}" if inner == key else f"head.{inner}"] = tensor
    try:
        fit(classifier, trained)
    except WeightsError as error:
        raise WeightsError(
            f"start_from must be a run, or its model.safetensors, with the same backbone, head and "
            f"number of classes, got {path} (for its backbone alone, with a new head, write "
            f"backbone.weights={path} instead): {error}"
        ) from error


@contextmanager
def _weights_of(key: str) -> Iterator[None]:
    """Name the key of the recipe in an error about weights."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{key}: {error}") from error


def _joined(plan: Plan | ModelPlan, built: BuiltBackbone, classes: int, verb: str) -> Classifier:
    """A backbone, and a new head for so many classes."""
    recipe, catalogue = plan.recipe, plan.plugins.catalogue
    with seeded(recipe.seed, "head"), blame(catalogue.offer(recipe.head), "build"):
        head = checked_head(recipe.head.build(built.num_features, classes))
    if getattr(head, "pools", False) and not hasattr(built.module, "forward_features"):
        problem = "head: must not pool, as this backbone gives no maps or tokens; write 'linear'"
        raise RecipeError([problem], plan.source)
    with blame(catalogue.offer(recipe.backbone), verb):
        classifier = Classifier(built.module, head, built.stages)
    channels_last(classifier)
    return classifier


def build_loss(
    plan: Plan, labels: Sequence[Any], num_classes: int
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of a recipe for train images with these labels, tried on a few of them.

    Raises:
        PluginError: it broke, gives something else than a loss for each image, or a negative one.
    """
    task, recipe = TASKS[plan.recipe.task], plan.recipe
    with blame(plan.plugins.catalogue.offer(recipe.loss), "build"):
        loss = recipe.loss.build(task.class_counts(labels, num_classes))
        task.check_loss(loss, num_classes)
        some = task.labels(labels[:8], num_classes)
        with seeded(0, "loss"):
            logits = 3 * torch.randn(len(some), num_classes)
        check_sign(float(loss(logits, some).min()))
    return loss


def check_sign(loss: float) -> None:
    """Check the least loss of an image.

    Raises:
        ValueError: it is negative.
    """
    if loss < 0:
        raise ValueError(f"the loss of an image must be 0 or more, got {loss}")


def own_loader(plan: Plan, built: BuiltBackbone) -> str:
    """Why the library's own network does not load the run's ``model.safetensors``: a sentence, or
    nothing where it does.
    """
    head = plan.recipe.head
    linear = plan.plugins.catalogue.offer(head).kind == "linear" and getattr(head, "bias", True)
    return built.own_loader if linear else OTHER_HEAD


def resolve_preprocessing(
    recipe: Recipe, built: BuiltBackbone, source: str = "recipe"
) -> Preprocessing:
    """The preprocessing of the backbone's weights, changed by what the recipe says of images.

    Raises:
        RecipeError: images would be resized to less than the size of the crop, or the recipe has
            not as many figures as there are channels.
    """
    transforms = recipe.transforms
    preprocessing = built.preprocessing.sized(transforms.size, transforms.resize)
    mean, std = _figures(recipe, preprocessing, source)
    preprocessing = replace(
        preprocessing,
        mean=mean,
        std=std,
        depth=transforms.depth,
        decoder=transforms.decoder,
        reduced=transforms.reduced,
    )
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


def _figures(
    recipe: Recipe, preprocessing: Preprocessing, source: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the std that a recipe says, or those of the weights."""
    mean, std = recipe.transforms.mean, recipe.transforms.std
    problems = [
        f"transforms.{name}: must hold a number for each of the backbone's "
        f"{preprocessing.channels} channels, got {len(figures)}"
        for name, figures in (("mean", mean), ("std", std))
        if figures is not None and len(figures) != preprocessing.channels
    ]
    if problems:
        raise RecipeError(problems, source)
    return mean or preprocessing.mean, std or preprocessing.std


def check_input(
    plan: Plan,
    built: BuiltBackbone,
    classifier: Classifier,
    preprocessing: Preprocessing,
    num_classes: int,
    features_of: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> None:
    """Run the model on two images of noise: does it take their size, do its parts fit together and
    the task, and can its head train?

    ``features_of``: gives what the head gets for images, where it may be known already; None: the
    model does.

    Raises:
        PluginError: the backbone gives no features, or the head no logits; names its plugin.
        RecipeError: the model does not take images of this size.
    """
    catalogue, head = plan.plugins.catalogue, classifier.head
    classifier.eval()
    with seeded(0, "images"):
        images = torch.randn(2, preprocessing.channels, preprocessing.size, preprocessing.size)
    images = images.to(next(classifier.parameters()).device)
    with blame(catalogue.offer(plan.recipe.backbone), "build"):
        features = _features(plan, features_of or classifier.features, images)
    pools, num_features = bool(getattr(head, "pools", False)), built.num_features
    with blame(catalogue.offer(plan.recipe.backbone), "build"):
        checked_features(features, len(images), num_features, pools=pools)
    with blame(catalogue.offer(plan.recipe.head), "build"), seeded(0, "head"):
        for training in (False, True):
            # The head may count what it sees: its buffers are copies, which are dropped.
            state = {name: buffer.clone() for name, buffer in head.named_buffers()}
            logits = torch.func.functional_call(head.train(training), state, features)
            TASKS[plan.recipe.task].check_logits(logits, len(images), num_classes)
            _check_trains(head, logits)
    classifier.eval()


def _features(
    plan: Plan, features_of: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    try:
        with torch.no_grad():
            return features_of(images)
    except (AssertionError, RuntimeError, ValueError) as error:
        third = plan.plugins.catalogue.offer(plan.recipe.backbone).plugin.name != "tlf"
        if third and plan.recipe.transforms.size is None:
            raise  # its own size: a bug of it
        problem = (
            f"transforms.size: must be a size that the model takes, got {images.shape[-1]}: "
            f"{error}; leave transforms.size out for the size of the backbone's weights"
        )
        raise RecipeError([problem], plan.source) from error


def _check_trains(head: nn.Module, logits: torch.Tensor) -> None:
    if any(p.requires_grad for p in head.parameters()) and not logits.requires_grad:
        raise ValueError("logits must have a gradient, got none; leave out detach and numpy")
