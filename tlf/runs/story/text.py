"""What a recipe would do, as lines of text: phase after phase, in 80 columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from textwrap import wrap

from tlf.components import BatchAugmentation, Splits
from tlf.preprocessing import Preprocessing
from tlf.recipe.augment import augmentations_of, crop_line, is_random
from tlf.recipe.plan import Plan, cache_of
from tlf.recipe.schema import Phase, Recipe
from tlf.recipe.tables import table
from tlf.runs.story.stages import ExplainedPhase, ExplainedSegment, StageRow

MOST_STRETCHES = 5
"""So many stretches of epochs are listed where the same parameters train again and again."""


def input_lines(
    plan: Plan, splits: Splits, preprocessing: Preprocessing, notes: Iterable[str]
) -> Iterator[str]:
    """What a run is given: images, backbone and head; and what a person should know about them."""
    size, catalogue, recipe = preprocessing.size, plan.plugins.catalogue, plan.recipe
    yield (
        f"images    {len(splits.train):,} to train on, {len(splits.eval):,} to evaluate on, "
        f"{len(splits.classes):,} classes"
    )
    yield "          not opened here; a run opens all of them first"
    if splits.test is not None:
        yield f"test      {len(splits.test):,} kept for the end: no run opens them"
    deep = ", 16 bits" if preprocessing.depth == 16 else ""
    yield (
        f"input     {preprocessing.channels} × {size} × {size}, shorter side "
        f"{preprocessing.resize}, {preprocessing.interpolation}{deep}"
    )
    for name in ("mean", "std"):
        yield f"          {name} {', '.join(f'{v:.4g}' for v in getattr(preprocessing, name))}"
    if line := crop_line(recipe):
        yield f"crops     {line}"
    for part in ("backbone", "head"):
        component = getattr(recipe, part)
        options = ", ".join(f"{k} = {v}" for k, v in table(component, catalogue).items())
        kind = catalogue.offer(component).kind
        yield from _wrapped(f"{part:<10}", f"{kind}: {options}" if options else kind)
    for note in notes:
        yield from _wrapped("note: ", note)


def phase_lines(
    plan: Plan, story: Mapping[str, ExplainedPhase], *, names: bool = False
) -> Iterator[str]:
    """What each phase would do. ``names``: also the names of the parameters that train."""
    before, kinds, phases = None, plan.plugins.catalogue.offer, plan.recipe.phases
    for number, phase in enumerate(phases, start=1):
        yield ""
        optimizer = kinds(phase.optimizer or plan.recipe.optimizer).kind
        yield (
            f"phase {phase.name} ({number} of {len(phases)}), {_length(phase)}: {optimizer}, "
            f"{kinds(phase.scheduler).kind} rate"
        )
        if before:
            yield f"  starts from the best epoch of {before}"
        if stopping := phase.early_stopping:
            yield (
                f"  stops after {stopping.patience} epoch{'s' if stopping.patience > 1 else ''} "
                f"without a better {plan.recipe.monitor}"
            )
        yield from _phase(plan, phase, story[phase.name], names=names)
        before = phase.name


def _wrapped(title: str, text: str) -> list[str]:
    """A title and a text beside it, which may need several lines."""
    return wrap(
        text, 80, initial_indent=title, subsequent_indent=" " * len(title),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _length(phase: Phase) -> str:
    limit = "at most " if phase.early_stopping else ""
    return f"{limit}{phase.epochs} epoch{'s' if phase.epochs > 1 else ''}"


def _phase(plan: Plan, phase: Phase, explained: ExplainedPhase, *, names: bool) -> Iterator[str]:
    several = len(explained.segments) > 1 or explained.later is not None
    for segment in explained.segments:
        total = sum(row.parameters for row in segment.stages)
        trainable = sum(row.trainable for row in segment.stages)
        epochs = f"{epochs_text(segment.epochs)}: " if several else ""
        yield f"  {epochs}{trainable:,} of {total:,} parameters train"
        yield f"    {_source(plan.recipe, phase, segment)}"
        yield from (f"    {name}" for name in segment.trainable if names)
    if explained.later is not None:
        kinds = [plan.plugins.catalogue.offer(one).kind for one in phase.freeze]
        pairs = zip(explained.segments[0].stages, explained.later, strict=True)
        thaw = any(row.trainable < later.trainable for row, later in pairs)
        yield (
            f"  from epoch 2 on, training decides (freeze = {', '.join(kinds)}): "
            f"{'stages may thaw later' if thaw else 'no thaw is expected'}"
        )
    yield from stage_table(_stages(explained))


def _source(recipe: Recipe, phase: Phase, segment: ExplainedSegment) -> str:
    """What the trainable part is computed from, and how often that is computed."""
    if segment.start == "images":
        mixed = any(isinstance(a, BatchAugmentation) for a in augmentations_of(recipe, phase))
        frozen = any(row.state == "frozen" for row in segment.stages)
        if mixed and frozen:
            return "from images in every epoch, as batches are mixed before the frozen stages"
        return "from images, through the whole network in every epoch"
    views = recipe.cache.views
    if cache_of(recipe) is None:
        often = "computed in every epoch, as nothing is stored"
    elif not is_random(augmentations_of(recipe, phase)):
        often = "computed once and stored"
    elif views is None:
        often = "computed in every epoch, as images change at random"
    else:
        often = f"computed once for each of {views} views, and stored"
    return f"from {segment.start}, {often}"


def epochs_text(epochs: Sequence[int]) -> str:
    """Epochs as a person counts them, from 1.

    >>> epochs_text([0]), epochs_text([2, 3, 4]), epochs_text([0, 2, 3])
    ('epoch 1', 'epochs 3-5', 'epochs 1, 3-4')
    """
    cuts = [0, *(n for n, (a, b) in enumerate(pairwise(epochs), 1) if b != a + 1), len(epochs)]
    stretches = [epochs[start:end] for start, end in pairwise(cuts)]
    texts = [
        f"{s[0] + 1}-{s[-1] + 1}" if len(s) > 1 else f"{s[0] + 1}"
        for s in stretches[:MOST_STRETCHES]
    ]
    more = f" … {epochs[-1] + 1}" if len(stretches) > MOST_STRETCHES else ""
    return f"epoch{'s' if len(epochs) > 1 else ''} {', '.join(texts)}{more}"


def stage_table(stages: Iterable[tuple[StageRow, str, Sequence[float]]]) -> Iterator[str]:
    """A line for each stage, neighbours that are alike together: parameters, state, rates. The head
    stays apart.

    >>> from tlf.runs.story.stages import StageRow
    >>> rows = [StageRow(stage, 1000, 0, ()) for stage in ("stem", "layer1", "layer2", "head")]
    >>> for line in stage_table((row, row.state, row.rates) for row in rows):
    ...     print(line)
      stage          parameters  state   lr
      stem … layer2       3,000  frozen   –
      head                1,000  frozen   –

    Parameters:
        stages: each with its state and its learning rates, ascending.
    """
    rows = [("stage", "parameters", "state", "lr")]
    told = ((row, state, _rates(rates)) for row, state, rates in stages)
    for (_, state, rates), group in groupby(
        told, key=lambda one: (one[0].stage == "head", *one[1:])
    ):
        alike = [row for row, *_ in group]
        ends = dict.fromkeys((alike[0].stage, alike[-1].stage))
        count = sum(row.parameters for row in alike)
        rows.append((" … ".join(ends), f"{count:,}", state, rates))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = (f"{cell:{s}{w}}" for cell, s, w in zip(row, "<><>", widths, strict=True))
        yield "  " + "  ".join(cells)


def _stages(explained: ExplainedPhase) -> Iterator[tuple[StageRow, str, Sequence[float]]]:
    """Each stage with its state and its rates in the whole phase."""
    first = explained.segments[0].stages
    for number, row in enumerate(first):
        every = [segment.stages[number] for segment in explained.segments]
        possible = every if explained.later is None else [explained.later[number]]
        rates = sorted({rate for one in possible for rate in one.rates})
        if explained.later is not None and possible[0].trainable and not row.trainable:
            state = "may thaw later"
        elif len({one.state for one in every}) == 1:
            state = row.state
        else:
            trains = [s for s, one in zip(explained.segments, every, strict=True) if one.trainable]
            state = f"trains in {epochs_text(sorted(e for s in trains for e in s.epochs))}"
        yield row, state, rates


def _rates(rates: Sequence[float]) -> str:
    return " … ".join(f"{rate:.2e}" for rate in dict.fromkeys((*rates[:1], *rates[-1:]))) or "–"
