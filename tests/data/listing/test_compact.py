"""Compact sequences are what tuples of the same elements would be, in far less memory."""

import pickle
import tracemalloc

import numpy as np
import pytest

from tlf.components import Split, Splits
from tlf.data.inspection.readable import ReadSubset, subset
from tlf.data.listing.compact import Groups, Names, Numbers, alike, chosen
from tlf.data.listing.printable_names import with_printable_names
from tlf.data.splits import file_splits

ODD = ("", "a", "Ω/蚁 🐜.png", "caf\udce9.jpg", " b ", "a")


@pytest.mark.parametrize(
    ("compact", "plain", "other"),
    [(Names(ODD), ODD, "z"), (Numbers(range(6)), (*range(6),), 9), (Groups(ODD), ODD, "z")],
)
def test_it_is_what_a_tuple_would_be(compact, plain, other):
    assert [*compact] == [*plain] == [compact[i] for i in range(6)]
    assert (len(compact), compact[-1], compact[-6]) == (6, plain[-1], plain[0])
    for part in (slice(2), slice(1, 4), slice(None, None, -1), slice(5, 1, -2), slice(9, 12)):
        assert compact[part] == plain[part]
        assert type(compact[part]) is type(compact)
    assert compact == plain
    assert plain == compact
    assert compact == alike(compact, plain) == pickle.loads(pickle.dumps(compact))
    assert hash(compact) == hash(alike(compact, plain))
    assert compact != (*plain, other)
    assert compact != plain[:-1]
    assert compact != alike(compact, (*plain[:-1], other))
    assert compact != [*plain]
    assert plain[2] in compact
    assert other not in compact
    for index in (6, -7):
        with pytest.raises(IndexError):
            compact[index]
    assert not alike(compact, ())


def test_elements_are_of_pythons_own_types():
    assert {type(each) for each in (*Numbers([1, 2]), Numbers([1])[0])} == {int}
    assert {type(each) for each in (*Names("ab"), Names("a")[0])} == {str}
    assert np.asarray(Numbers([3, 4]), np.int64).tolist() == [3, 4]
    assert Numbers(np.array([3, -4], np.int32).tobytes()) == (3, -4)
    assert repr(Names(map(str, range(9)))) == "Names('0', '1', '2', '3', '4', '5', and 3 more)"


def test_what_is_chosen_is_of_the_same_kind():
    assert chosen(Names("abc"), [2, 0]) == Names("ca")
    assert chosen(((0,), (1, 2)), [1]) == ((1, 2),)  # the labels of a plugin stay what they are


def memory_of(make):
    tracemalloc.start()
    try:
        made = make()
        now, peak = tracemalloc.get_traced_memory()
        return made, now, peak
    finally:
        tracemalloc.stop()


def test_a_split_of_many_images_takes_little_memory():
    """Names of 20 letters: their letters and some 12 bytes each, at rest and as a subset."""
    count, classes = 20_000, 100
    each = count // classes

    def groups(split):
        return {
            f"{k:03}": Names(f"{split}/{k:03}/{i:07}.jpg" for i in range(each))
            for k in range(classes)
        }

    train, evaluated = groups("train"), groups("eval")
    splits, now, peak = memory_of(
        lambda: with_printable_names(file_splits("root", train, evaluated))
    )
    assert isinstance(splits, Splits)
    assert splits.train.names is splits.train.read.names
    assert now < 40 * 2 * count
    assert peak < 80 * 2 * count
    left, now, _ = memory_of(lambda: subset(splits.train, range(0, count, 2)))
    assert isinstance(left, Split)
    assert isinstance(left.read, ReadSubset)
    assert left.names[5] == splits.train.names[10]
    assert now < 45 * count // 2


def test_groups_are_numbers_and_each_name_once():
    groups = Groups(f"patient {n // 4}" for n in range(20_000))
    assert groups.numbers[:9] == (0, 0, 0, 0, 1, 1, 1, 1, 2)
    assert len(groups.names) == 5_000
    assert chosen(groups, range(4, 12)).numbers == (0, 0, 0, 0, 1, 1, 1, 1)
    names = Names(f"{n:020}" for n in range(20_000))
    split = Split(names, Numbers([0] * 20_000), str.encode, groups=groups)
    left, now, peak = memory_of(lambda: subset(split, range(0, 20_000, 2)))
    assert left.groups[3] == "patient 1"
    assert now < 60 * 10_000
    assert peak < 150 * 10_000
