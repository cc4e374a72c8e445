"""Columns of a table that say by 1 and 0 whether an image is in a split, such as ``is_valid``."""

from tlf.data.splits import EVAL_NAMES

MARKS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""Cell in lower case → whether it is a yes."""
_TRAIN = ("train", "training")


def split_flags(column: str) -> dict[str, str]:
    """Cell in lower case → split, of a column that is called ``is_`` and the name of a split; empty
    for another one. What is not in the eval split is in train, and the other way round.

    >>> flags = split_flags("is_valid")
    >>> flags["true"], flags["0"]
    ('valid', 'train')
    >>> split_flags("Is_Train")["false"], split_flags("valid")
    ('val', {})
    """
    is_, _, name = column.casefold().partition("_")
    if is_ != "is" or name not in (*_TRAIN, *EVAL_NAMES):
        return {}
    yes, no = ("train", EVAL_NAMES[0]) if name in _TRAIN else (name, "train")
    return {cell: yes if marked else no for cell, marked in MARKS.items()}
