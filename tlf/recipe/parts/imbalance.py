"""What a recipe says against classes of different sizes, and what it could say."""

from collections.abc import Iterator

from tlf.recipe.schema import Recipe
from tlf.tasks import Task


def remedy_of(recipe: Recipe, task: Task) -> str | None:
    """What to write so that images of rare classes count more; None where they do."""
    if any(_remedies(recipe, task)):
        return None
    option = task.balancing_option
    if getattr(recipe.loss, option, None) == "none":
        return f'loss.{option} = "balanced"'
    return f'loss = {{ kind = "{task.default_loss}", {option} = "balanced" }}'


def remedies_note(recipe: Recipe, task: Task) -> list[str]:
    """A note about several remedies against the same imbalance."""
    remedies = [*_remedies(recipe, task)]
    if len(remedies) < 2:
        return []
    together = " and ".join(remedies)
    return [
        f"{together} add up: in the loss, rare classes then count more than frequent ones; write "
        "one of them"
    ]


def _remedies(recipe: Recipe, task: Task) -> Iterator[str]:
    samplers = [phase.sampler or recipe.sampler for phase in recipe.phases]
    if "balanced" in samplers:
        yield 'sampler = "balanced"'
    if getattr(recipe.loss, task.balancing_option, None) == "balanced":
        yield f'loss.{task.balancing_option} = "balanced"'
    if strength := getattr(recipe.loss, "logit_adjustment", 0.0):
        yield f"loss.logit_adjustment = {strength}"
