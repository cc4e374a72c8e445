"""Processes that found other images are told which, and where."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tlf.components import Split, Splits
from tlf.data.inspection import same_images
from tlf.data.inspection.readable import Inspection, subset
from tlf.data.inspection.same_images import check_bytes, check_listings
from tlf.data.splits import ReadFile
from tlf.errors import DataError
from tlf.runtime.processes import Machine


def split(names, labels, root="/images"):
    return Split(tuple(names), tuple(labels), ReadFile(root, tuple(names)))


SPLITS = Splits(split("abc", (0, 1, 0)), split("de", (0, 1)), ("ants", "bees"))


@pytest.fixture
def beside(monkeypatch):
    """The message of a process beside which another one has found other images."""

    def message(other, machine="far"):
        def gathered(value):
            return [value, (machine, same_images._listing(other))]

        def by_machine(value):
            theirs = (same_images._digest(other), same_images._folders(other))
            if machine == "near":
                return [Machine("near", {0: value, 1: theirs})]
            return [Machine("near", {0: value}), Machine(machine, {1: theirs})]

        monkeypatch.setattr(same_images, "PartialState", lambda: SimpleNamespace(num_processes=2))
        monkeypatch.setattr(same_images, "node", lambda: "near")
        monkeypatch.setattr(same_images, "gathered", gathered)
        monkeypatch.setattr(same_images, "by_machine", by_machine)
        with pytest.raises(DataError) as raised:
            check_listings(SPLITS)
        return str(raised.value)

    return message


HERE, THERE = "process 0 on near", "process 1 on far"
AGAIN = "; copy the images of one to the other"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            replace(SPLITS, train=split("ac", (0, 0))),
            f"train: 'b' is in {HERE} and not in {THERE}",
        ),
        (
            replace(SPLITS, eval=split("def", (0, 1, 1))),
            f"eval: 'f' is in {THERE} and not in {HERE}",
        ),
        (
            replace(SPLITS, eval=split("de", (1, 1))),
            f"eval: 'd' has another label in {THERE} than in {HERE}",
        ),
        (
            replace(SPLITS, train=split("acb", (0, 0, 1))),
            f"train: the images have another order in {THERE} than in {HERE}",
        ),
        (
            replace(SPLITS, test=split("xy", (0, 1))),
            f"test: 'x' is in {THERE} and not in {HERE}",
        ),
        (
            replace(SPLITS, classes=("ants", "wasps")),
            f"the classes must be the same in all processes, got 'ants', 'bees' in {HERE} and "
            f"'ants', 'wasps' in {THERE}",
        ),
    ],
)
def test_the_first_difference_is_named(beside, other, message):
    assert beside(other) == message + AGAIN


def test_processes_of_one_machine_read_the_same_folder(beside):
    other = replace(SPLITS, eval=split("de", (0, 1), "/others"))
    assert beside(other, "near") == (
        "the folder of the images must be the same in all processes of near, got /images in "
        "process 0 and /others in process 1; start all in the same folder"
    )


def test_images_of_a_subset_of_a_subset_are_read_from_a_folder(beside):
    def twice(found):
        return subset(subset(found, [0, 1]), [0, 1])

    other = replace(SPLITS, eval=twice(split("de", (0, 1), "/others")))
    assert "got /images in process 0 and /others in process 1" in beside(other, "near")


def test_one_process_compares_nothing(monkeypatch):
    monkeypatch.setattr(same_images, "_listing", pytest.fail)
    check_listings(SPLITS)


def machines(*read):
    """Two machines that have read some images: digest and reason of each."""
    titles = ("a (process 0)", "b (process 1)")
    inspections = [
        Inspection(
            [digest for digest, _ in part], {i: why for i, (_, why) in enumerate(part) if why}
        )
        for part in read
    ]
    return [*zip(titles, inspections, strict=True)]


def test_other_bytes_are_named():
    first = [(b"one", ""), (b"two", "")]
    check_bytes("train", "xy", machines(first, first))
    check_bytes("train", "xy", machines(first, [first[0], (b"", "")]))  # it failed, and says why
    with pytest.raises(DataError) as raised:
        check_bytes("train", "xy", machines(first, [first[0], (b"2", "")]))
    assert str(raised.value) == (
        "train: 'y' has other bytes on b (process 1) than on a (process 0)" + AGAIN
    )


@pytest.mark.parametrize("turn", [1, -1])
def test_an_image_that_one_machine_cannot_read_is_named(turn):
    read = [[(b"one", "")], [(b"", "Permission denied")]][::turn]
    where = "b (process 1)" if turn == 1 else "a (process 0)"
    with pytest.raises(DataError) as raised:
        check_bytes("eval", "x", machines(*read))
    assert str(raised.value) == f"eval: 'x' cannot be read on {where}: Permission denied" + AGAIN


def test_an_image_that_no_machine_can_read_is_reported_elsewhere():
    broken = [(b"", "truncated")]
    check_bytes("eval", "x", machines(broken, broken))
