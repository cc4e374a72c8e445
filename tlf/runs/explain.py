"""What a recipe would do, without training: what each phase freezes, what trains, on which input
and at which rates.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from tlf.components import Splits
from tlf.errors import RecipeError
from tlf.freezing.find_partition import find_partition
from tlf.freezing.find_unused import find_unused
from tlf.freezing.freeze import freeze
from tlf.freezing.partition import start_of
from tlf.model import Classifier
from tlf.notebook import Printed
from tlf.preprocessing import Preprocessing
from tlf.recipe.build import build_model, check_input, own_loader, resolve_preprocessing
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.recipe.schema import Phase
from tlf.runs.provenance import start_notes
from tlf.runs.story.stages import ExplainedPhase, ExplainedSegment, StageRow, stage_rows
from tlf.runs.story.text import input_lines, phase_lines
from tlf.training.phases import apart, check_phases, learning_rates, probed, unused_note
from tlf.training.segments.foreseen import foreseen_segments

ONE_STAGE = (
    "the whole backbone is one stage, stem: policies and rates that work by stage, such as up-to, "
    "gradual and layer_decay, treat it as a whole"
)
"""The note about a backbone that cannot be frozen by stages."""


@dataclass(frozen=True)
class Explanation(Printed):
    """What a recipe would do. ``print`` shows it as the command line does."""

    plan: Plan
    splits: Splits
    classifier: Classifier
    preprocessing: Preprocessing
    story: Mapping[str, ExplainedPhase]
    """Phase → what it would do, in order."""
    own_loader: str = ""
    """Where no other library loads the run's ``model.safetensors``: a sentence that says why."""
    weights: tuple[str, ...] = ()
    """What a person should know about the backbone's weights: one sentence each."""

    @property
    def phases(self) -> Mapping[str, tuple[StageRow, ...]]:
        """Phase → its stages from the stem to the head, at the start of the phase."""
        return {name: phase.segments[0].stages for name, phase in self.story.items()}

    @property
    def trainable(self) -> Mapping[str, tuple[str, ...]]:
        """Phase → names of the parameters that train at its start."""
        return {name: phase.segments[0].trainable for name, phase in self.story.items()}

    @property
    def starts(self) -> Mapping[str, str]:
        """Phase → the input of its trainable part at its start."""
        return {name: phase.segments[0].start for name, phase in self.story.items()}

    @property
    def unused(self) -> tuple[str, ...]:
        """A sentence for each phase that would train parameters which no output depends on."""
        every = {n: {u for s in p.segments for u in s.unused} for n, p in self.story.items()}
        return tuple(unused_note(name, unused) for name, unused in every.items() if unused)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about splits, weights, stages and parameters, one sentence each."""
        whole = [ONE_STAGE] if len(self.classifier.stages) == 1 else []
        own_loader = [self.own_loader] if self.own_loader else []
        return (*self.splits.notes, *self.weights, *own_loader, *whole, *self.unused)

    def lines(self, *, names: bool = False) -> Iterator[str]:
        """What each phase would do, as ``tlf explain`` prints it. ``names``: also the names of the
        parameters that train.
        """
        yield from input_lines(self.plan, self.splits, self.preprocessing, self.notes)
        yield from phase_lines(self.plan, self.story, names=names)

    def __repr__(self) -> str:
        """One line."""
        count = sum(parameter.numel() for parameter in self.classifier.parameters())
        return f"<Explanation of {', '.join(self.story)}: {count:,} parameters; print shows it>"


def explain(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Explanation:
    """Read a recipe, build its model, and find out what each phase would do.

    >>> import tlf
    >>> explanation = tlf.explain("recipes/resnet18_finetune.toml")
    >>> [(row.stage, row.state) for row in explanation.phases["head"]][-2:]
    [('layer4', 'frozen'), ('head', 'trainable')]
    >>> [segment.start for segment in explanation.story["head"].segments]
    ['features']

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
    story = {
        phase.name: _explained(plan, classifier, preprocessing, number, phase)
        for number, phase in enumerate(plan.recipe.phases)
    }
    return Explanation(
        plan,
        splits,
        classifier,
        preprocessing,
        story,
        own_loader(plan, built),
        (*built.notes, *start_notes(plan.recipe, preprocessing)),
    )


def _explained(
    plan: Plan, classifier: Classifier, preprocessing: Preprocessing, number: int, phase: Phase
) -> ExplainedPhase:
    try:
        foreseen = foreseen_segments(plan, classifier, phase)
    except ValueError as error:
        raise RecipeError([f"phases.{number}.freeze: {error}"], plan.source) from error
    segments = tuple(
        _segment(plan, classifier, preprocessing, phase, frozen, epochs)
        for frozen, epochs in foreseen.certain.items()
    )
    if foreseen.possible is None:
        return ExplainedPhase(segments)
    always = frozenset.intersection(*foreseen.certain, *foreseen.possible)
    rates = learning_rates(classifier, phase, always | {*segments[0].unused})
    return ExplainedPhase(segments, stage_rows(classifier, rates))


def _segment(
    plan: Plan,
    classifier: Classifier,
    preprocessing: Preprocessing,
    phase: Phase,
    frozen: frozenset[str],
    epochs: tuple[int, ...],
) -> ExplainedSegment:
    freeze(classifier, frozen)
    image = probed(plan, preprocessing)
    unused = find_unused(classifier, image, nullcontext).always if image else frozenset()
    if unused:
        frozen |= unused
        freeze(classifier, frozen)
    image = apart(plan, phase, preprocessing)
    partition = image and find_partition(classifier, frozen, image, nullcontext)
    rates = learning_rates(classifier, phase, frozen)
    return ExplainedSegment(
        epochs, stage_rows(classifier, rates), tuple(rates), start_of(partition), tuple(unused)
    )
