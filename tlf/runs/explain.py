"""What a recipe would do, without training: what each phase freezes, what trains, on which input
and at which rates.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from tlf.components import Splits
from tlf.freezing.find_partition import find_partition
from tlf.freezing.find_unused import find_unused
from tlf.freezing.freeze import freeze
from tlf.freezing.partition import start_of
from tlf.model import Classifier, parameter_count
from tlf.preprocessing import Preprocessing
from tlf.pretrained.own_classifiers import onnx_note
from tlf.recipe.build import build_model, check_input, has_linear_head, resolve_preprocessing
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.results import Progress
from tlf.training.phases import (
    apart,
    check_phases,
    frozen_in,
    learning_rates,
    probed,
    unused_note,
)

ONE_STAGE = (
    "the whole backbone is one stage, stem: policies and rates that work by stage, such as up-to, "
    "gradual and layer_decay, treat it as a whole"
)
"""The note about a backbone that cannot be frozen by stages."""


OTHER_HEAD = (
    "only a linear head with a bias loads into timm's or torchvision's own network; "
    "tlf export writes this model --to torch-export or onnx"
)
"""The note about any other head."""


@dataclass(frozen=True)
class StageRow:
    """One stage, or the head, in one phase."""

    stage: str
    parameters: int
    """Their number."""
    trainable: int
    """How many of them train."""
    rates: tuple[float, ...]
    """The learning rates in use, ascending; empty if everything is frozen."""

    @property
    def state(self) -> str:
        """``frozen``, ``trainable``, or the percentage that trains."""
        if self.trainable in (0, self.parameters):
            return "trainable" if self.trainable else "frozen"
        percent = round(100 * self.trainable / self.parameters)
        return (
            f"{min(99, max(1, percent))}% trainable"  # 0% and 100% would mean frozen and trainable
        )


@dataclass(frozen=True)
class Explanation:
    """What a recipe would do."""

    plan: Plan
    splits: Splits
    classifier: Classifier
    preprocessing: Preprocessing
    phases: Mapping[str, tuple[StageRow, ...]]
    """Phase → its stages from the stem to the head, at the start of the phase."""
    trainable: Mapping[str, tuple[str, ...]]
    """Phase → names of the parameters that train at its start."""
    starts: Mapping[str, str]
    """Phase → the input of its trainable part: images, or the output of the frozen stages. Checked
    in float32 on the CPU; a run checks it again on its own device."""
    own_loader: str = ""
    """Where no other library loads the run's ``model.safetensors``: a sentence that says why."""
    onnx: str = ""
    """Where the model cannot be exported to ONNX: a sentence that says why."""
    unused: tuple[str, ...] = ()
    """A sentence for each phase that would train parameters which no output depends on."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about splits, stages and parameters, one sentence each."""
        whole = [ONE_STAGE] if len(self.classifier.stages) == 1 else []
        exports = filter(None, [self.own_loader, self.onnx])
        return (*self.splits.notes, *exports, *whole, *self.unused)


def explain(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Explanation:
    """Read a recipe, build its model, and find out what each phase would do.

    >>> import tlf
    >>> explanation = tlf.explain("recipes/resnet18_finetune.toml")
    >>> [(row.stage, row.state) for row in explanation.phases["head"]][-2:]
    [('layer4', 'frozen'), ('head', 'trainable')]

    Parameters:
        recipe: the path of a recipe, the result of ``load_recipe``, or an explanation's ``plan``.
        overrides: ``key=value``, as on the command line.

    Raises:
        TlfError: anything that would stop a run before it trains, except unreadable images.
    """
    plan = plan_of(recipe, overrides)
    splits = find_splits(plan)
    built, classifier = build_model(plan, len(splits.classes))
    check_phases(plan, classifier)
    preprocessing = resolve_preprocessing(plan.recipe, built, plan.source)
    check_input(plan, built, classifier, preprocessing, len(splits.classes))
    rates, starts, notes = {}, {}, []
    for phase in plan.recipe.phases:
        start = Progress(0, phase.epochs, monitor=plan.recipe.monitor)
        frozen = frozen_in(plan, classifier, phase, start)
        freeze(classifier, frozen)
        image = probed(plan, preprocessing)
        unused = find_unused(classifier, image, nullcontext).always if image else frozenset()
        if unused:
            notes.append(unused_note(phase, unused))
            frozen |= unused
            freeze(classifier, frozen)
        rates[phase.name] = learning_rates(classifier, phase, frozen)
        image = apart(plan, phase, preprocessing)
        partition = image and find_partition(classifier, frozen, image, nullcontext)
        starts[phase.name] = start_of(partition)
    return Explanation(
        plan=plan,
        splits=splits,
        classifier=classifier,
        preprocessing=preprocessing,
        phases={name: stage_rows(classifier, table) for name, table in rates.items()},
        trainable={name: tuple(table) for name, table in rates.items()},
        starts=starts,
        own_loader=built.own_loader if has_linear_head(plan) else OTHER_HEAD,
        onnx=onnx_note(built.module),
        unused=tuple(notes),
    )


def stage_rows(classifier: Classifier, rates: Mapping[str, float]) -> tuple[StageRow, ...]:
    """A row for each stage, from the stem up, and the head. ``rates``: trained parameter → rate."""
    groups = {**classifier.stages, "head": classifier.head_names}
    rows = []
    for stage, names in groups.items():
        trainable = [name for name in names if name in rates]
        rows.append(
            StageRow(
                stage=stage,
                parameters=parameter_count(classifier, names),
                trainable=parameter_count(classifier, trainable),
                rates=tuple(sorted({rates[name] for name in trainable})),
            )
        )
    return tuple(rows)
