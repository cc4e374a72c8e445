"""Presets: variants of one recipe that answer a question which people ask before each project.

Variants of strategies train for as many epochs as the recipe does, at the rate that the recipe
gives to its head (and a tenth of it to the backbone), on a cosine. All that stands outside of its
phases is the recipe's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json import dumps

from tlf.errors import RecipeError, nearest
from tlf.preprocessing import Preprocessing
from tlf.recipe.build import build_model, resolve_preprocessing
from tlf.recipe.plan import Plan, find_splits, plan_of

SLOWER = 0.1
"""The rate of a pretrained backbone, relative to that of a new head: 1e-4 and 1e-3 are usual."""

Variants = Sequence[tuple[str, Sequence[str]]]
"""Name and overrides of each."""


@dataclass(frozen=True)
class Preset:
    """A question."""

    question: str
    variants: Callable[[Plan], Variants]


def variants(plan: Plan, preset: str) -> list[tuple[str, Plan]]:
    """The variants of a recipe.

    Raises:
        RecipeError: there is no such preset, or the recipe has no such variants.
    """
    if preset not in PRESETS:
        problem = f"a preset must be one of tlf's, got {preset!r}; {nearest(preset, [*PRESETS])}"
        raise RecipeError([problem], "compare")
    found = PRESETS[preset].variants(plan)
    return [(name, plan_of(plan, overrides)) for name, overrides in found]


def _pretrained_or_random(plan: Plan) -> Variants:
    problems = []
    if (weights := getattr(plan.recipe.backbone, "weights", None)) is None:
        problems.append("backbone: must have the option weights to be drawn at random")
    elif weights == "none":
        problems.append('backbone.weights: must be pretrained ones to be compared, got "none"')
    if plan.recipe.start_from is not None:
        problems.append("start_from: must be unset, as it takes the place of backbone.weights")
    if problems:
        raise RecipeError([f"{problem}; write another recipe" for problem in problems], plan.source)
    random = plan_of(plan, ["backbone.weights=none"])
    same = _same_images(_preprocessing(plan), _preprocessing(random))
    return [("pretrained", []), ("random", ["backbone.weights=none", *same])]


def _preprocessing(plan: Plan) -> Preprocessing:
    built, _ = build_model(plan, len(find_splits(plan).classes))
    return resolve_preprocessing(plan.recipe, built, plan.source)


def _same_images(wanted: Preprocessing, found: Preprocessing) -> list[str]:
    """What a recipe has to say for the images of another one: random weights have no size of their
    own, and the network would see other images.
    """
    names = ("size", "resize", "mean", "std")
    values = {n: getattr(wanted, n) for n in names if getattr(wanted, n) != getattr(found, n)}
    return [f"transforms.{name}={dumps(value)}" for name, value in values.items()]


def _strategies(plan: Plan) -> Variants:
    epochs, rate = _epochs(plan), _rate(plan)
    if epochs < 2:
        problem = "phases: must have 2 epochs or more together, one of them for the head, got 1"
        raise RecipeError([f"{problem}; write more epochs"], plan.source)
    both = f"{{ head = {rate}, backbone = {SLOWER * rate} }}"
    first = max(1, epochs // 3)
    return [
        ("feature extraction", [_phases(_phase("head", '"backbone"', epochs, rate))]),
        ("fine-tuning", [_phases(_phase("all", '"nothing"', epochs, both))]),
        (
            "head first",
            [
                _phases(
                    _phase("head", '"backbone"', first, rate),
                    _phase("all", '"nothing"', epochs - first, both),
                )
            ],
        ),
    ]


def _rates(plan: Plan) -> Variants:
    epochs, rate = _epochs(plan), _rate(plan)
    slower = f"{{ head = {rate}, backbone = {SLOWER * rate} }}"
    return [
        ("one rate", [_phases(_phase("all", '"nothing"', epochs, rate))]),
        ("slower backbone", [_phases(_phase("all", '"nothing"', epochs, slower))]),
    ]


def _freezing(plan: Plan) -> Variants:
    epochs, rate = _epochs(plan), _rate(plan)
    _, classifier = build_model(plan, len(find_splits(plan).classes))
    stages = len(classifier.stages)
    if stages < 3:
        problem = f"backbone: must have 3 stages or more to freeze some, got {stages}"
        raise RecipeError([problem], plan.source)
    both = f"{{ head = {rate}, backbone = {SLOWER * rate} }}"
    train = {"early stages frozen": stages - stages // 3, "all but the last stage frozen": 1}
    policies = {n: f'{{ kind = "all-but-last", stages = {count} }}' for n, count in train.items()}
    return [(n, [_phases(_phase("top", policy, epochs, both))]) for n, policy in policies.items()]


PRESETS: Mapping[str, Preset] = {
    "pretrained-or-random": Preset("what are pretrained weights worth?", _pretrained_or_random),
    "strategies": Preset(
        "feature extraction, fine-tuning, or the head first and then everything?", _strategies
    ),
    "rates": Preset("one rate for all layers, or a slower backbone?", _rates),
    "freezing": Preset("are early stages frozen, or all but the last?", _freezing),
}


def _epochs(plan: Plan) -> int:
    return sum(phase.epochs for phase in plan.recipe.phases)


def _rate(plan: Plan) -> float:
    """The rate of the head in the first phase that gives it one.

    Raises:
        RecipeError: no phase does.
    """
    for phase in plan.recipe.phases:
        if isinstance(phase.lr, float | int):
            return phase.lr
        if "head" in phase.lr:
            return phase.lr["head"]
    problem = "phases: one of them must have a rate for the head, got none; write lr = 1e-3"
    raise RecipeError([problem], plan.source)


def _phase(name: str, freeze: str, epochs: int, rate: object) -> str:
    return (
        f'{{ name = "{name}", freeze = {freeze}, epochs = {epochs}, lr = {rate}, '
        'scheduler = "cosine" }'
    )


def _phases(*phases: str) -> str:
    return f"phases=[{', '.join(phases)}]"
