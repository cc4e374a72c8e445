"""What a step did, in sentences. All of it is read off the numbers of the step's record."""

from collections.abc import Sequence
from dataclasses import replace
from math import floor, log10

from tlf.simulator.records import StageRecord, StepRecord
from tlf.simulator.scene import Scene
from tlf.simulator.settings import RANDOM

MOST = 4
"""Sentences of a step, at most: nobody reads more between two steps."""
SKIPPED = (
    "No weight moved: gradients were too large for fp16. The next step scales them less, as in a "
    "run."
)
"""What is to be said of a step that the scale of fp16 has skipped."""


def sentences(scene: Scene, record: StepRecord, before: StepRecord | None) -> tuple[str, ...]:
    """What a step did, the most telling first; of step 0, what the next step will do.

    Parameters:
        scene: the network and its images.
        record: what to tell.
        before: the record of the step before, if there was one.
    """
    if record.broken is not None:
        return _broken(record.broken, record)
    if record.skipped:
        return (SKIPPED,)
    if before is None or not record.step:
        found = [_trains(scene, record), _naive(record), _passes(record), _stops(record)]
        found += [_random(record), _kept(record)]
    else:
        found = [_thawed(record, before), _drifts(record), _loss(record, before), _moves(record)]
        found += [_stuck(record), _passed(record), _stopped(record), _unseen(scene, record, before)]
        found += [_unchanged(record)]
    return tuple(sentence for sentence in found if sentence)[:MOST]


def told(scene: Scene, record: StepRecord, before: StepRecord | None) -> StepRecord:
    """A record with its sentences."""
    return replace(record, sentences=sentences(scene, record, before))


def _broken(broken: str, record: StepRecord) -> tuple[str, ...]:
    rates = [stage.rate for stage in record.stages.values() if stage.rate is not None]
    lower = f" than {max(rates):g}" if rates else ""
    return f"{broken}.", f"Press Reset, then choose a lower learning rate{lower}."


# Before the first step


def _trains(scene: Scene, record: StepRecord) -> str:
    sizes = {stage.name: stage.parameters for stage in scene.stages}
    trains = {name: stage.trains for name, stage in record.stages.items() if stage.trains}
    if not trains:
        return "Nothing trains: a step will change no weight. Make at least one stage trainable."
    count, total = sum(trains.values()), sum(sizes.values())
    if count == total:
        return f"Everything trains: {total:,} parameters."
    whole = [name for name, own in trains.items() if own == sizes[name]]
    partly = [name for name in trains if name not in whole]
    said = [f"{_named(record, whole)} {_verb(whole, 'train')}"] if whole else []
    said += [f"a part of {_named(record, partly)}{'' if whole else ' trains'}"] if partly else []
    return f"{_capital(', and '.join(said))}: {count:,} of {total:,} parameters."


def _naive(record: StepRecord) -> str:
    keeping = [n for n, stage in record.stages.items() if not stage.trains and stage.statistics]
    if not record.settings.naive or not keeping:
        return ""
    stay = f"{_named(record, keeping)} {_verb(keeping, 'stay')} in training mode"
    return f"Naive freezing: {stay}, so that each step will change BatchNorm statistics."


def _passes(record: StepRecord) -> str:
    between, lowest = _between(record)
    if not between:
        return ""
    are = _verb(between, "is", "are")
    return (
        f"The gradient will pass through {_named(record, between)}, which {are} frozen, and reach "
        f"{_name(lowest)}, which trains."
    )


def _stops(record: StepRecord) -> str:
    below = _below(record)
    if not below or len(below) == len(record.stages):
        return ""
    lowest = [*record.stages][len(below)]
    return f"The gradient will stop at {_name(lowest)}, because nothing below it trains."


def _random(record: StepRecord) -> str:
    text = "The weights are random: the network has learned nothing before."
    return text if record.settings.weights == RANDOM else ""


def _kept(record: StepRecord) -> str:
    frozen = [name for name, stage in record.stages.items() if not stage.trains]
    if not frozen or record.settings.naive:
        return ""
    return f"{_capital(_named(record, frozen))} will stay as {_verb(frozen, 'it is', 'they are')}."


# After a step


def _thawed(record: StepRecord, before: StepRecord) -> str:
    pairs = [(name, stage, before.stages.get(name)) for name, stage in record.stages.items()]
    thawed = [name for name, now, then in pairs if then and now.trains and not then.trains]
    froze = [name for name, now, then in pairs if then and then.trains and not now.trains]
    said = [
        f"{_named(record, names)} {_verb(names, one, many)}"
        for names, one, many in ((thawed, "trains", "train"), (froze, "is frozen", "are frozen"))
        if names
    ]
    return f"From this step on, {' and '.join(said)}." if said else ""


def _drifts(record: StepRecord) -> str:
    drifts = {
        name: stage.statistics.drift or 0.0
        for name, stage in record.stages.items()
        if not stage.trains and stage.statistics and stage.statistics.changed
    }
    if not drifts:
        return ""
    most = max(drifts, key=lambda name: drifts[name])
    are = _verb([*drifts], "it is", "they are")
    far = f"{percent(drifts[most])} since the start"
    far = f"by {far}" if len(drifts) == 1 else f"by up to {far} (in {_name(most)})"
    why = ": naive freezing" if record.settings.naive else ""
    return (
        f"BatchNorm statistics of {_named(record, [*drifts])} have drifted {far}, although {are} "
        f"frozen{why}."
    )


def _loss(record: StepRecord, before: StepRecord) -> str:
    now, then = record.train.loss, before.train.loss
    if now is None or then is None or record.settings.batch != before.settings.batch:
        return ""
    return f"The loss on the batch {_changed(then, now)}."


def _moves(record: StepRecord) -> str:
    moves = {
        name: stage.update / stage.weights
        for name, stage in record.stages.items()
        if stage.moved and stage.update and stage.weights
    }
    if not moves:
        return ""
    by_move = sorted(moves, key=lambda name: -moves[name])
    if len(moves) > 2:
        most, least = by_move[0], by_move[-1]
        return (
            f"{_capital(_name(most))} moved most, by {percent(moves[most])}; "
            f"{_name(least)} moved least, by {percent(moves[least])}."
        )
    said = [f"{_name(name)} moved by {percent(moves[name])}" for name in by_move]
    return f"{_capital('; '.join(said))}."


def _stuck(record: StepRecord) -> str:
    stuck = {name: s for name, s in record.stages.items() if s.trains and not s.moved}
    for name, stage in stuck.items():
        return f"{_capital(_name(name))} trains but did not move: {_why_stuck(stage)}."
    return ""


def _why_stuck(stage: StageRecord) -> str:
    if stage.rate == 0:
        return "its learning rate is 0"
    if stage.gradient is None:
        return "it got no gradient"
    if stage.gradient == 0:
        return "its gradient is 0"
    return "the update is too small to change a number"


def _passed(record: StepRecord) -> str:
    between, lowest = _between(record)
    through = [name for name in between if record.stages[name].flow is not None]
    if not through or record.stages[lowest].gradient is None:
        return ""
    are, them = _verb(through, "is", "are"), _verb(through, "it", "them")
    return (
        f"{_capital(_named(record, through))} {are} frozen, but the gradient passed through {them} "
        f"to {_name(lowest)}, which trains."
    )


def _stopped(record: StepRecord) -> str:
    below = _below(record)
    if not below or any(_reached(record.stages[name]) for name in below):
        return ""
    *_, highest = below
    where = _name(highest) if len(below) == 1 else f"{_name(highest)} or below"
    return f"{_capital(_named(record, below))} got no gradient, because nothing at {where} trains."


def _unseen(scene: Scene, record: StepRecord, before: StepRecord) -> str:
    if not scene.eval:
        return ""
    now, then = record.eval.correct, before.eval.correct
    was = "as before" if now == then else f"{then} before"
    return f"Right about unseen images: {now} of {len(scene.eval)}, {was}."


def _unchanged(record: StepRecord) -> str:
    frozen = [name for name, stage in record.stages.items() if not stage.trains]
    if not frozen or not all(record.stages[name].unchanged for name in frozen):
        return ""
    are = _verb(frozen, "is", "are")
    return f"{_capital(_named(record, frozen))} {are} frozen and unchanged, bit for bit."


# What the record says about the gradient's way


def _below(record: StepRecord) -> list[str]:
    """The stages below the lowest one that trains, from the lowest on."""
    found: list[str] = []
    for name, stage in record.stages.items():
        if stage.trains:
            break
        found.append(name)
    return found


def _between(record: StepRecord) -> tuple[list[str], str]:
    """The frozen stages above the lowest one that trains, and that one."""
    names, below = [*record.stages], len(_below(record))
    if below == len(names):
        return [], ""
    return [name for name in names[below:] if not record.stages[name].trains], names[below]


def _reached(stage: StageRecord) -> bool:
    return stage.flow is not None or stage.gradient is not None


# Words


def percent(share: float) -> str:
    """A share in percent, with two digits that count: ``0.42 %``."""
    value = 100 * share
    if 0 < value < 1e-4:
        return "less than 0.0001 %"
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    while value and digits < 6 and value < 10 ** (1 - digits):
        digits += 1
    return f"{value:.{digits}f} %"


def _changed(then: float, now: float) -> str:
    """Two numbers with as few digits, from two on, as tell them apart."""
    larger = max(then, now)
    for digits in (2, 3, 4) if now != then else ():
        places = min(8, max(0, digits - 1 - floor(log10(larger))))
        first, second = f"{then:.{places}f}", f"{now:.{places}f}"
        if first != second:
            return f"{'fell' if now < then else 'rose'} from {first} to {second}"
    return f"{'did not change' if now == then else 'hardly changed'}: {now:.3g}"


def _named(record: StepRecord, names: Sequence[str]) -> str:
    """Stages, as a sentence names them."""
    order = [*record.stages]
    first, last = order.index(names[0]), order.index(names[-1])
    if len(names) > 2 and last - first == len(names) - 1:
        return f"{_name(names[0])} to {_name(names[-1])}"
    if len(names) > 3:
        return f"{_name(names[0])}, {_name(names[1])} and {len(names) - 2} more stages"
    *others, final = [_name(name) for name in names]
    return f"{', '.join(others)} and {final}" if others else final


def _name(stage: str) -> str:
    return "the head" if stage == "head" else stage


def _verb(names: Sequence[str], one: str, many: str | None = None) -> str:
    """The form of a verb or a pronoun that fits one stage, or several."""
    if many is None:
        return f"{one}s" if len(names) == 1 else one
    return one if len(names) == 1 else many


def _capital(text: str) -> str:
    """A stage keeps its name: only ordinary words get a capital letter."""
    first = text.split(" ")[0]
    return f"{first.capitalize()}{text[len(first) :]}" if first in ("the", "a") else text
