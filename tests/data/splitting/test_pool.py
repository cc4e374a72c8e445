import pickle

from tlf.components import Split
from tlf.data.inspection.readable import ReadSubset
from tlf.data.splits import ReadFile
from tlf.data.splitting.pool import Pool, ReadEither


class Read:
    def __init__(self, tag):
        self.tag = tag

    def __call__(self, index):
        return f"{self.tag}{index}".encode()

    def digest(self, index):
        return self(index).rjust(32)

    def size(self, index):
        return len(self(index))


def split(tag, names, read=None):
    return Split(tuple(names), tuple(range(len(names))), read or Read(tag))


def test_images_of_two_splits_are_read_from_their_own():
    pool = Pool((split("t", "abc"), split("e", "de")))
    chosen = pickle.loads(pickle.dumps(pool.chosen([4, 0, 3])))
    assert (chosen.names, chosen.labels) == (("e", "a", "d"), (1, 0, 0))
    assert [chosen.read(i) for i in range(3)] == [b"e1", b"t0", b"e0"]
    assert isinstance(chosen.read, ReadEither)
    assert len(pool) == 5
    assert chosen.read.digest(0) == b"e1".rjust(32)
    assert (chosen.read.size(1), chosen.read.stamp(1)) == (2, None)


def test_files_below_one_folder_are_still_files_to_the_engine():
    one, other = (
        split("", "ab", ReadFile("root", ("a.x", "b.x"))),
        split("", "c", ReadFile("root", "c")),
    )
    assert Pool((one, other)).chosen([2, 1]).read == ReadFile("root", ("c", "b.x"))
    elsewhere = split("", "c", ReadFile("other", "c"))
    assert isinstance(Pool((one, elsewhere)).chosen([0]).read, ReadEither)


def test_files_below_two_folders_keep_their_stamps(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.x").write_bytes(name.encode())
    parts = [split("", [n], ReadFile(str(tmp_path / n), ("a.x",))) for n in ("one", "other")]
    read = Pool((*parts,)).chosen([1, 0]).read
    assert [read.stamp(i)[0] for i in (0, 1)] == [5, 3]


def test_one_split_needs_no_more_than_a_subset():
    chosen = Pool((split("t", "abc"),)).chosen([2])
    assert isinstance(chosen.read, ReadSubset)
    assert chosen.read(0) == b"t2"


def test_names_that_both_splits_use_are_told_apart():
    assert Pool((split("t", "ab"), split("e", "b"))).names == ("train/a", "train/b", "eval/b")
    assert Pool((split("t", "ab"), split("e", "c"))).names == ("a", "b", "c")
