import pickle

import pytest

from tlf.components import Split
from tlf.data.inspection.readable import ReadSubset
from tlf.data.listing.compact import Names, Numbers
from tlf.data.splits import ReadFile
from tlf.data.splitting.pool import ReadEither, part, pooled


class Read:
    def __init__(self, tag):
        self.tag = tag

    def __call__(self, index):
        return f"{self.tag}{index}".encode()


class Indexed(Read):
    """Knows of its images what ``data.verify`` asks."""

    def stamp(self, index):
        return (index, 0, 0, 0, len(self.tag))

    def digest(self, index):
        return self(index).ljust(32)

    def size(self, index):
        return 100 + index


def split(tag, names, read=None):
    return Split(tuple(names), tuple(range(len(names))), read or Read(tag))


def test_images_of_two_splits_are_read_from_their_own():
    pool = pooled((split("t", "abc"), split("e", "de")))
    chosen = pickle.loads(pickle.dumps(part(pool, [4, 0, 3])))
    assert (chosen.names, chosen.labels) == (("e", "a", "d"), (1, 0, 0))
    assert [chosen.read(i) for i in range(3)] == [b"e1", b"t0", b"e0"]
    assert isinstance(pool.read, ReadEither)
    assert len(pool) == 5
    with pytest.raises(IndexError):
        pool.read(5)


def test_what_is_known_of_images_is_known_of_them_in_another_split():
    """So files that have not changed are not read in the next fold."""
    both = split("t", "abc", Indexed("t")), split("ee", "de", Indexed("ee"))
    read = part(pooled(both), [4, 1]).read
    assert [read.stamp(i) for i in range(2)] == [(1, 0, 0, 0, 2), (1, 0, 0, 0, 1)]
    assert [read.digest(i).strip() for i in range(2)] == [b"ee1", b"t1"]
    assert [read.size(i) for i in range(2)] == [101, 101]
    unknown = part(pooled((split("t", "abc"), split("e", "de"))), [4]).read
    assert {verb: getattr(unknown, verb)(0) for verb in ("stamp", "digest", "size")} == {
        "stamp": None, "digest": None, "size": None,
    }  # fmt: skip


def test_files_below_one_folder_are_still_files_to_the_engine():
    one, other = (
        split("", "ab", ReadFile("root", ("a.x", "b.x"))),
        split("", "c", ReadFile("root", "c")),
    )
    assert part(pooled((one, other)), [2, 1]).read == ReadFile("root", ("c", "b.x"))
    elsewhere = split("", "c", ReadFile("other", "c"))
    assert isinstance(pooled((one, elsewhere)).read, ReadEither)


def test_parts_hold_no_object_for_each_image():
    def files(*names):
        names = Names(names)
        return Split(names, Numbers([0] * len(names)), ReadFile("root", names))

    for splits in ((files("a", "b"), files("c")), (files("a", "b", "c"),)):
        found = part(pooled(splits), [2, 0])
        assert (found.names, found.labels) == (Names(["c", "a"]), Numbers([0, 0]))
        assert found.read.names is found.names  # the paths take no memory of their own
    same = pooled((files("a", "b"), files("b")))
    assert same.names == ("train/a", "train/b", "eval/b")
    assert part(same, [2]).read == ReadFile("root", Names(["b"]))


def test_files_below_two_folders_keep_their_stamps(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.x").write_bytes(name.encode())
    parts = [split("", [n], ReadFile(str(tmp_path / n), ("a.x",))) for n in ("one", "other")]
    read = part(pooled(parts), [1, 0]).read
    assert [read.stamp(i)[0] for i in (0, 1)] == [5, 3]


def test_one_split_needs_no_more_than_a_subset():
    chosen = part(pooled((split("t", "abc"),)), [2])
    assert isinstance(chosen.read, ReadSubset)
    assert chosen.read(0) == b"t2"


def test_names_that_both_splits_use_are_told_apart():
    assert pooled((split("t", "ab"), split("e", "b"))).names == ("train/a", "train/b", "eval/b")
    assert pooled((split("t", "ab"), split("e", "c"))).names == ("a", "b", "c")
