"""The contract of a dataset."""

import pickle
from hashlib import sha256
from itertools import chain

from tlf.components import Dataset, Split, Splits
from tlf.data.decoding.values import picture
from tlf.data.splits import parts_of
from tlf.errors import DataError
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.second_process import check_second_process

HOOK = "tlf_datasets"


def check_dataset(dataset: Dataset, images: int = 8) -> None:
    """Check that a dataset keeps its contract.

    Its options survive a recipe. It builds splits that are not empty. Each image has a label, or a
    tuple of any number of them, and a name of its own, and each class has a name. The order is the
    same in every build and in a second process. Every class has train images. An image is read as
    bytes that can be decoded, the same bytes each time. ``read`` can be pickled for other
    processes. Where it has ``build_with``, this lists the same images as ``build``. Eval images
    that it says were held out are no train images.

    Parameters:
        dataset: the component, with its options.
        images: how many images of each split to read.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(dataset, HOOK)
    with no_random_numbers(dataset, "build", but_torch=True):
        splits, again = _built(dataset), _built(dataset)
    same = _listing(splits) == _listing(again)
    rule = "the same options give the same images in the same order: sort what has no order"
    require(
        same, dataset, "lists different images, or in another order, when it is built again", rule
    )
    _check_classes(dataset, splits)
    _check_build_with(dataset, splits)
    _check_held_out(dataset, splits)
    for name, split in parts_of(splits).items():
        _check_split(dataset, name, split, len(splits.classes))
        _check_images(dataset, name, split, images)
    present = chain.from_iterable(map(_indices, splits.train.labels))
    missing = {*range(len(splits.classes))} - {*present}
    require(
        not missing,
        dataset,
        f"has no train image of {[splits.classes[k] for k in sorted(missing)]}",
        "the class map comes from the train split",
    )
    check_second_process(dataset, HOOK, recipe)


def describe(dataset: Dataset) -> str:
    """The images that it lists, in order."""
    return _listing(dataset.build())


def _built(dataset: Dataset) -> Splits:
    with raising_only(dataset, "build", DataError):
        splits = dataset.build()
    right = isinstance(splits, Splits)
    require(
        right, dataset, f"builds a {type(splits).__name__}", "build gives Splits: train, eval …"
    )
    return splits


def _listing(splits: Splits) -> str:
    parts = [(list(s.names), [*map(_indices, s.labels)]) for s in parts_of(splits).values()]
    return sha256(repr((splits.classes, parts)).encode()).hexdigest()


def _check_build_with(dataset: Dataset, splits: Splits) -> None:
    build_with = getattr(dataset, "build_with", None)
    if build_with is None:
        return
    with raising_only(dataset, "build_with(None, ())", DataError):
        again = build_with(None, ())
    require(
        isinstance(again, Splits) and _listing(again) == _listing(splits),
        dataset,
        "lists other images in build_with(None, ()) than in build()",
        "without a test split and columns, build_with gives what build gives",
    )


def _check_held_out(dataset: Dataset, splits: Splits) -> None:
    if splits.held_out is None:
        return
    require(
        0 < splits.held_out.fraction < 1 and splits.held_out.note in splits.notes,
        dataset,
        f"gives held_out = {splits.held_out!r}",
        "its fraction is between 0 and 1, and its note is one of Splits.notes",
    )
    shared = {*splits.train.names} & {*splits.eval.names}
    require(
        not shared,
        dataset,
        f"has {min(shared, default='')!r} in train and in eval, and says that eval was held out",
        "the engine joins them to divide them anew: an image is in one of them",
    )


def _check_classes(dataset: Dataset, splits: Splits) -> None:
    names = splits.classes
    require(
        isinstance(names, tuple) and all(isinstance(name, str) and name for name in names),
        dataset,
        f"gives classes = {names!r}",
        "classes is a tuple of names, in the order of the labels",
    )
    doubled = [name for name in names if names.count(name) > 1]
    require(
        not doubled, dataset, f"has two classes called {doubled[:1]}", "names of classes are unique"
    )
    require(len(names) > 1, dataset, f"has classes = {names}", "there are two or more classes")


def _check_split(dataset: Dataset, name: str, split: Split, classes: int) -> None:
    count = len(split.names)
    require(count > 0, dataset, f"has no image in its {name} split", "each split has images")
    require(
        len(split.labels) == count,
        dataset,
        f"has {len(split.labels)} labels for {count} images of its {name} split",
        "there is one name and one label for each image",
    )
    invalid = [label for label in split.labels if not _is_label(label, classes)]
    require(
        not invalid,
        dataset,
        f"has a label {invalid[:1]} in its {name} split",
        f"a label is a Python int, the index of a class: 0 to {classes - 1}; of several labels, a "
        "tuple of them, ascending",
    )
    several = {isinstance(label, tuple) for label in split.labels}
    require(
        len(several) == 1,
        dataset,
        f"has labels that are indices and labels that are tuples in its {name} split",
        "all images have one label each, or all may have any number",
    )
    doubled = count - len({*split.names})
    require(
        not doubled,
        dataset,
        f"has {doubled} names twice in its {name} split",
        "the name of an image is unique in its split",
    )


def _indices(label: object) -> tuple[int, ...]:
    """The classes of an image."""
    return tuple(map(int, label)) if isinstance(label, tuple) else (int(label),)  # type: ignore[call-overload] # a number


def _is_label(label: object, classes: int) -> bool:
    of = label if isinstance(label, tuple) else (label,)
    return all(isinstance(k, int) and 0 <= k < classes for k in of) and [*of] == sorted({*of})


def _check_images(dataset: Dataset, name: str, split: Split, images: int) -> None:
    try:
        pickle.dumps(split.read)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"{dataset!r} gives its {name} split a read that cannot be pickled: {error}. "
            "The contract: read is picklable, such as an instance of a class at the top of a module"
        ) from error
    step = max(1, len(split) // images)
    for index in range(0, len(split), step):
        with raising_only(dataset, f"read({index}) of its {name} split", DataError):
            data = split.read(index)
        require(
            isinstance(data, bytes),
            dataset,
            f"reads a {type(data).__name__} as {split.names[index]}",
            "read gives the bytes of an image file; tlf decodes them",
        )
        with raising_only(dataset, f"decoding {split.names[index]}"):
            picture(data)
        same = split.read(index) == data
        rule = "an image's bytes are always the same; augmentations are random"
        require(same, dataset, f"reads different bytes as {split.names[index]} again", rule)
