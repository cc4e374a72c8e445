import pickle

from tlf.components import Split
from tlf.data.inspection.readable import ReadSubset
from tlf.data.listing.compact import Names, Numbers
from tlf.data.splits import ReadFile
from tlf.data.splitting.pool import Pool, ReadEither


class Read:
    def __init__(self, tag):
        self.tag = tag

    def __call__(self, index):
        return f"{self.tag}{index}".encode()


def split(tag, names, read=None):
    return Split(tuple(names), tuple(range(len(names))), read or Read(tag))


def test_images_of_two_splits_are_read_from_their_own():
    pool = Pool((split("t", "abc"), split("e", "de")))
    chosen = pickle.loads(pickle.dumps(pool.chosen([4, 0, 3])))
    assert (chosen.names, chosen.labels) == (("e", "a", "d"), (1, 0, 0))
    assert [chosen.read(i) for i in range(3)] == [b"e1", b"t0", b"e0"]
    assert isinstance(chosen.read, ReadEither)
    assert len(pool) == 5


class Known(Read):
    def stamp(self, index):
        return None

    def digest(self, index):
        return self(index) * 16

    def size(self, index):
        return 100 + index


def test_what_an_archive_knows_of_its_images_is_known_of_those_of_two_splits():
    read = Pool((split("t", "abc", Known("t")), split("e", "de", Known("e")))).chosen([4, 0]).read
    assert [read.digest(i) for i in range(2)] == [b"e1" * 16, b"t0" * 16]
    assert [read.size(i) for i in range(2)] == [101, 100]
    assert read.stamp(0) is None
    read = Pool((split("t", "abc"), split("e", "de"))).chosen([4]).read
    assert (read.stamp(0), read.digest(0), read.size(0)) == (None, None, None)


def test_images_that_are_divided_anew_take_little_memory():
    labels = Numbers(range(3))
    one = Split(Names("abc"), labels, ReadFile("root", Names("abc")))
    chosen = Pool((one,)).chosen([2, 1])
    assert [type(each) for each in (chosen.names, chosen.labels, chosen.read.names)] == [
        Names, Numbers, Names
    ]  # fmt: skip


def test_files_below_one_folder_are_still_files_to_the_engine():
    one, other = (
        split("", "ab", ReadFile("root", ("a.x", "b.x"))),
        split("", "c", ReadFile("root", "c")),
    )
    assert Pool((one, other)).chosen([2, 1]).read == ReadFile("root", ("c", "b.x"))
    elsewhere = split("", "c", ReadFile("other", "c"))
    assert isinstance(Pool((one, elsewhere)).chosen([0]).read, ReadEither)


def test_one_split_needs_no_more_than_a_subset():
    chosen = Pool((split("t", "abc"),)).chosen([2])
    assert isinstance(chosen.read, ReadSubset)
    assert chosen.read(0) == b"t2"


def test_names_that_both_splits_use_are_told_apart():
    assert Pool((split("t", "ab"), split("e", "b"))).names == ("train/a", "train/b", "eval/b")
    assert Pool((split("t", "ab"), split("e", "c"))).names == ("a", "b", "c")
