"""The classes of an image together, as one text.

A dataset groups its images by this text as by the name of one class, and takes it apart at the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tlf.components import Splits
from tlf.data.splits import HoldOut, Item, check_fraction, each_split, failure, listed, rank
from tlf.tasks import TASKS
from tlf.tasks.multi_label import SEPARATOR
from tlf.tasks.strata import held_out

_NONE = SEPARATOR.strip()
"""The text of an image without a class: never empty, as a missing label is."""


def text_of(names: Iterable[str]) -> str:
    """The text of some classes.

    >>> text_of(["dog", "cat", "dog"]), text_of([])
    ('cat; dog', ';')
    """
    return SEPARATOR.join(sorted({*names})) or _NONE


def names_of(text: str) -> tuple[str, ...]:
    """The classes that a text stands for.

    >>> names_of("cat; dog"), names_of(";")
    (('cat', 'dog'), ())
    """
    return TASKS["multi-label"].named(text)


def is_name(text: str) -> bool:
    """Whether a text can be the name of a class: taken apart, it is the same.

    >>> is_name("cat"), is_name("cat; dog"), is_name(" cat")
    (True, False, False)
    """
    return names_of(text) == (text,)


def check_label_options(labels: Sequence[str], separator: str) -> None:
    """Check that a dataset's options say in one way where several classes are.

    Parameters:
        labels: a column for each class.
        separator: between the names of a text.

    Raises:
        ValueError: both are given, or a name of a column cannot be that of a class.
    """
    if labels and separator:
        raise ValueError(
            "labels must not stand beside label_separator: classes are columns, or names in a "
            "cell; leave one of them out"
        )
    if len({*labels}) < len(labels):
        raise ValueError(f"labels must name each column once, got {[*labels]}")
    if wrong := [name for name in labels if not is_name(name)]:
        raise ValueError(
            "labels must hold names without ';' and without blanks around them, as these "
            f"separate the classes of an image, got {wrong[0]!r}; rename the column"
        )


def check_all_used(where: str, labels: Sequence[str], classes: Sequence[str]) -> None:
    """Check that each column that is a class is the class of an image.

    Raises:
        DataError: no image has it.
    """
    if unused := [name for name in labels if name not in classes]:
        problem = f"no image has a 1 in the column {listed(unused)}"
        raise failure(where, [f"{problem}; leave it out of data.labels"])


def taken_apart(splits: Splits, order: Sequence[str] = ()) -> Splits:
    """Splits whose labels are tuples of classes, of splits whose classes are texts of several.

    Parameters:
        splits: what was grouped by ``text_of``.
        order: of the classes; those that it does not name follow, sorted.
    """
    classes, labels = positions(splits.classes, order)
    changed = each_split(
        splits, lambda split: replace(split, labels=tuple(labels[label] for label in split.labels))
    )
    return replace(changed, classes=classes)


def positions(
    texts: Iterable[str], order: Sequence[str] = ()
) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """The classes that texts stand for, and the positions of each text's among them, ascending.

    >>> positions(["cat; dog", ";", "cat"]), positions(["a; b"], order=["b", "a", "c"])
    ((('cat', 'dog'), [(0, 1), (), (0,)]), (('b', 'a'), [(0, 1)]))
    """
    each = [names_of(text) for text in texts]
    found = {name for names in each for name in names}
    ordered = dict.fromkeys(name for name in order if name in found)
    classes = (*ordered, *sorted(found - {*order}))
    numbers = {name: number for number, name in enumerate(classes)}
    return classes, [tuple(sorted(numbers[name] for name in names)) for names in each]


@dataclass(frozen=True)
class HoldOutOfSets(HoldOut):
    """An eval split that is held out from a train split, with each class in both splits."""

    def divided(
        self, groups: Mapping[str, Sequence[Item]]
    ) -> tuple[dict[str, Sequence[Item]], dict[str, Sequence[Item]]]:
        """Train and eval, whose groups are texts of several classes.

        Raises:
            ValueError: the fraction is not between 0 and 1.
        """
        check_fraction(self.fraction)
        _, labels = positions(groups)
        pairs = [(item, label) for label, text in zip(labels, groups, strict=True)
                 for item in groups[text]]  # fmt: skip
        chosen = held_out(
            [label for _, label in pairs], [rank(self.seed, item) for item, _ in pairs],
            self.fraction,
        )  # fmt: skip
        out = {pairs[place][0] for place in chosen}
        train, evaluated = (
            {text: [item for item in items if (item in out) is inside]
             for text, items in groups.items()}
            for inside in (False, True)
        )  # fmt: skip
        return _filled(train), _filled(evaluated)


def _filled(groups: Mapping[str, list[Item]]) -> dict[str, Sequence[Item]]:
    return {text: items for text, items in groups.items() if items}
