"""What ``tlf lr`` prints."""

from collections.abc import Iterator

from tlf.metrics.verdict import verdict
from tlf.runtime.text import printable
from tlf.studies.accuracy import columns, heading, percent
from tlf.studies.learning_rate.found import HeadRates, LearningRates, MeasuredRate, RangeTest
from tlf.studies.learning_rate.range_test import STEPS


def lines(found: LearningRates) -> Iterator[str]:
    """The tables of all phases."""
    for number, phase in enumerate(found.phases):
        if number:
            yield ""
        yield from _of_heads(phase) if isinstance(phase, HeadRates) else _of_test(phase)
        if phase.lines:
            yield f"write in the phase {printable(phase.phase)}:\n"
            yield from (f"  {line}" for line in phase.lines)


def _of_heads(found: HeadRates) -> Iterator[str]:
    seeds, folds = len(found.seeds), found.folds
    yield (
        f"phase     {printable(found.phase)}: the head alone, {found.epochs} "
        f"epoch{'s' if found.epochs > 1 else ''}"
    )
    yield (
        f"measured  on {found.images:,} train images, each when it was held out: {folds} folds, "
        f"dealt anew for each of {seeds} seed{'s' if seeds > 1 else ''}"
    )
    yield f"compared  by intervals of {found.level:.2%}, since all pairs of rates are compared"
    yield f"begins    {begins(found)}"
    yield ""
    yield f"{'rate':>9}   {heading(found.metric)}     loss"
    yield from (_row(one, found) for one in found.rates)
    yield ""
    yield from sentences(found)


def begins(found: HeadRates | RangeTest) -> str:
    """With what training begins, beside a run of the recipe."""
    before = ", ".join(map(printable, found.trained_before))
    after = [f"after {before} at the rate of the recipe"] if before else []
    if found.left_out:
        left_out = ", ".join(map(printable, found.left_out))
        after.append(f"without {left_out}, which a run trains first")
    return ", ".join(after) or "as a run of the recipe does"


def _row(one: MeasuredRate, found: HeadRates) -> str:
    marks = ", ".join(marks_of(one, found))
    if one.accuracy is None:
        return f"{one.rate:>9g}   {'–':>7}   {marks}"
    return f"{one.rate:>9g}   {columns(one.accuracy)}   {one.loss:>6.3f}   {marks}".rstrip()


def marks_of(one: MeasuredRate, found: HeadRates) -> Iterator[str]:
    """What is to be said about a rate in a few words."""
    low, high = found.alike
    if one.rate == found.best:
        yield "best"
    elif low <= one.rate <= high:
        yield "not distinguishable"
    if one.rate == found.suggestion and not found.left_out:
        yield "suggested"
    if one.rate == found.own:
        yield "the recipe's"
    if one.accuracy is None:
        yield "the loss is no finite number"


def sentences(found: HeadRates | RangeTest) -> Iterator[str]:
    """What was found, in words."""
    yield from _about_heads(found) if isinstance(found, HeadRates) else _about_test(found)


def _about_heads(found: HeadRates) -> Iterator[str]:
    best = next(one for one in found.rates if one.rate == found.best)
    low, high = found.alike
    accuracy = best.accuracy.value if best.accuracy else None
    top = f"most accurate: {found.best:g}, with {percent(accuracy)}"
    if low == high:
        yield f"{top}; no rate next to it is as good"
        yield f"{_word(found)}: {found.suggestion:g}"
    else:
        yield f"{top}; rates from {low:g} to {high:g} are not distinguishable from it"
        yield f"{_word(found)}: {found.suggestion:g}, which has the lowest loss of these"
    yield f"the recipe's lr = {found.own:g} {_about_own(found)}"
    if found.seen:
        yield "caution: the start has seen the held-out images, so low rates look too good"
    if found.suggestion in (found.rates[0].rate, found.rates[-1].rate):
        edge = "lowest" if found.suggestion == found.rates[0].rate else "highest"
        yield f"the suggestion is the {edge} rate that was tried; write --rates to try others"


def _word(found: HeadRates) -> str:
    """What the best rate is: where a run has another head by then, it is none to write."""
    return "for such a head" if found.left_out else "suggested"


def _about_own(found: HeadRates) -> str:
    if found.left_out:
        names = ", ".join(map(printable, found.left_out))
        return f"cannot be judged by this: a run trains {names} first"
    own = next(one for one in found.rates if one.rate == found.own)
    side = "too low" if own.rate < found.suggestion else "too high"
    if own.accuracy is None:
        return f"is {side}: its loss is no finite number"
    if own.behind is None:
        return f"is the most accurate{_losses(own, found)}"
    told = verdict(f"{found.best:g}", f"{own.rate:g}", own.behind, "folds")
    if own.behind.better:
        return f"is {side}: {told}"
    low, high = found.alike
    within = (
        "is within these rates" if low <= found.own <= high else f"is not next to {found.best:g}"
    )
    return f"{within}: {told}{_losses(own, found)}"


def _losses(own: MeasuredRate, found: HeadRates) -> str:
    """What speaks for the suggestion where accuracy does not."""
    if own.rate == found.suggestion:
        return ""
    suggested = next(one for one in found.rates if one.rate == found.suggestion)
    return f"; its loss is {own.loss:.3g}, that of the suggestion {suggested.loss:.3g}"


def _of_test(found: RangeTest) -> Iterator[str]:
    yield f"phase     {printable(found.phase)}: a range test of {len(found.rates)} steps"
    yield f"begins    {begins(found)}"
    yield ""
    yield f"{'rate':>9}   {'loss':>8}"
    every = max(1, STEPS // 12)
    lowest = min(range(len(found.smoothed)), key=found.smoothed.__getitem__)
    shown = sorted({*range(0, len(found.rates), every), lowest, len(found.rates) - 1})
    for step in shown:
        mark = "   lowest" if step == lowest else ""
        yield f"{found.rates[step]:>9.1e}   {found.smoothed[step]:>8.4f}{mark}"
    yield ""
    yield from sentences(found)


def _about_test(found: RangeTest) -> Iterator[str]:
    if found.valley is None or found.suggestion is None:
        yield (
            "the curve is flat: no unbroken fall of the smoothed loss is deeper than its noise; no "
            "suggestion"
        )
    else:
        low, high = found.valley
        yield (
            f"suggestion: {found.suggestion:g}, in the middle of the valley from {low:.1e} to "
            f"{high:.1e}"
        )
    if found.exploded is not None:
        yield (
            f"at {found.exploded:.1e} the smoothed loss was four times its lowest value, or a loss "
            "no finite number"
        )
    yield f"the recipe's lr = {found.own:g} {_beside(found)}"


def _beside(found: RangeTest) -> str:
    if found.exploded is not None and found.own >= found.exploded:
        return "is higher than that"
    if found.suggestion is None:
        return "can be neither confirmed nor improved by this test"
    factor = found.own / found.suggestion
    if 1 / 3 <= factor <= 3:
        return "is near the suggestion"
    many = f"{factor:.2g} times" if factor > 1 else f"1/{1 / factor:.2g} of"
    return f"is {many} the suggestion"
