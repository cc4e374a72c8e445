"""With ``data.verify = "stat"``, a file that has changed in any way is read, and no other."""

import os
import signal
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from forks import Fork
from generators import exhausted
from image_files import encoded
from places import ROOT
from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.inspection.inspect import inspect_splits
from tlf.data.inspection.known_files import KnownFiles, forget, open_known
from tlf.data.inspection.readable import subset
from tlf.data.inspection.white import find_white
from tlf.data.listing.compact import Names, Numbers
from tlf.data.splits import ReadFile
from tlf.data.splitting.images import Asked
from tlf.data.splitting.pool import ReadEither
from tlf.data.splitting.three_splits import divided
from tlf.errors import DataError
from tlf.events import Notice
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator
from tlf.tasks.single_label import SingleLabel

PREPROCESSING = Preprocessing(size=32, resize=36)
VICTIM = "train/circles/003.jpg"


@pytest.fixture
def reads(monkeypatch):
    """File → how often it was read."""
    counts: Counter[str] = Counter()
    real = ReadFile.__call__

    def counted(self, index):
        counts[self.names[index]] += 1
        return real(self, index)

    monkeypatch.setattr(ReadFile, "__call__", counted)
    return counts


@pytest.fixture
def stat(inspect, reads, monkeypatch):
    """Inspect by stat; give what can be used and the files that were read. Files need not be old:
    the clock of the file system ticks between two inspections.
    """
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", 0)

    def stat(**options):
        reads.clear()
        usable, events = inspect(verify="stat", **options)
        return usable, {*reads}, [event.text for event in events if isinstance(event, Notice)]

    time.sleep(0.02)  # the images were just written
    return stat


def test_files_that_have_not_changed_are_not_read_again(stat, inspect):
    first, read, _ = stat()
    assert (len(read), first.unread) == (31, 0)
    second, read, notices = stat()
    assert (read, second.unread, notices) == (set(), 31, [])
    content, _ = inspect()
    assert first.manifests == second.manifests == content.manifests
    assert second.splits == content.splits
    assert np.array_equal(second.pixels["train"](3), content.pixels["train"](3))


def touch(path):
    os.utime(path, (1, 1))


def change(path):
    """Other bytes, as many; the time of the modification is set back."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace(path):
    """Another file of the same size and time under this name."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    other = path.with_suffix(".other")
    other.write_bytes(data)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("how", [touch, change, replace])
def test_a_file_that_has_changed_in_any_way_is_read_again(stat, inspect, root, how):
    first, _, _ = stat()
    how(root / VICTIM)
    time.sleep(0.02)
    second, read, _ = stat()
    assert second.unread == 30
    assert how is not touch or read == {VICTIM}  # other bytes: the split is decoded again
    assert (second.manifests == first.manifests) is (how is touch)
    assert second.manifests == inspect()[0].manifests
    assert stat()[1] == set()


def test_a_file_that_had_just_changed_is_not_remembered(stat, root, monkeypatch):
    """Its next change might have the same time."""
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", 10**12)
    stat()
    assert len(stat()[1]) == 31
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", 0)
    stat()
    later = time.time_ns() - 10**10  # it is changed after it was looked at
    monkeypatch.setattr("tlf.data.inspection.known_files.time.time_ns", lambda: later)
    touch(root / VICTIM)
    assert stat()[1] == {VICTIM}
    assert stat()[1] == {VICTIM}


def test_a_file_that_cannot_be_read_is_not_remembered(stat, root):
    (root / VICTIM).write_bytes(b"no image at all")
    (root / "train/circles/004.jpg").unlink()
    time.sleep(0.02)
    for _ in range(2):
        usable, _, _ = stat(bad_images="skip")
        assert len(usable.splits.train) == 18
    assert usable.unread == 30  # the one that is gone is not among them
    assert [each.name for each in usable.unreadable] == [VICTIM]


def test_what_is_remembered_is_checked_where_it_is_used(stat, root, monkeypatch):
    """A change that no stamp shows is seen where the image is decoded, and never stored."""
    stat()
    monkeypatch.setattr(ReadFile, "stamp", lambda self, index: (1, 2, 3, index, 5))
    stat()
    change(root / VICTIM)
    with pytest.raises(DataError, match=r"changed while it was read; run again, with data\.verify"):
        stat(preprocessing=Preprocessing(size=24, resize=27))


def test_pixels_that_do_not_fit_take_no_reading_either(stat):
    first, read, notices = stat(max_gb=1e-5)
    assert len(read) == 31
    assert "not stored, it takes" in notices[0]
    second, read, again = stat(max_gb=1e-5)
    assert read == set()
    assert again == notices
    assert first.manifests == second.manifests


def test_what_is_damaged_is_made_anew_with_a_note(stat, tmp_path):
    stat()
    (folder,) = (tmp_path / "cache").glob("files-*")
    data = folder / "data"
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    _, read, notices = stat()
    assert len(read) == 31
    assert notices == ["what is known of files (digests): damaged; every file is read, and "
                       "remembered anew"]  # fmt: skip
    assert stat()[1] == set()


def test_a_run_that_reads_all_forgets_what_was_known(stat, root, tmp_path):
    usable, _, _ = stat()
    forget(Cache(tmp_path / "cache", 10**9), usable.splits, PREPROCESSING)
    assert len(stat()[1]) == 31


def test_another_share_of_the_same_folder_is_known_too(stat, root, tmp_path):
    """As folds of one folder are: those of the others are kept."""
    usable, _, _ = stat()
    accelerator, cache = start_accelerator("no"), Cache(tmp_path / "cache", 10**9)
    few = Splits(subset(usable.splits.train, range(15)), usable.splits.eval, ("a", "b"))
    touch(root / VICTIM)
    time.sleep(0.02)
    inspecting = inspect_splits(
        few, PREPROCESSING, "error", SingleLabel(), accelerator, cache, verify="stat"
    )
    assert exhausted(inspecting)[0].unread == 25
    assert stat()[1] == set()


def test_a_split_that_has_not_changed_stays_known_and_takes_no_memory(
    stat, root, tmp_path, monkeypatch
):
    stat()
    kept = []
    store = KnownFiles.store
    monkeypatch.setattr(
        KnownFiles, "store", lambda self: kept.append([*map(len, self.answers)]) or store(self)
    )
    touch(root / "val/circles/000.jpg")
    time.sleep(0.02)
    assert stat()[1] == {"val/circles/000.jpg"}
    assert stat()[1] == set()
    assert kept == [[11], [], [], []]  # digests and what was opened, of two runs


def test_two_processes_at_once_leave_what_one_of_them_knew(stat, tmp_path, root):
    usable, _, _ = stat()
    accelerator, cache = start_accelerator("no"), Cache(tmp_path / "cache", 10**9)
    read = usable.splits.train.read
    both = [
        open_known(accelerator, cache, usable.splits, "seen", PREPROCESSING)[0] for _ in range(2)
    ]
    for index, known in enumerate(both):
        row = known.answer(read, index, lambda data: data[:4])
        known.answers.append(np.frombuffer(row, np.uint8).reshape(1, -1))
        assert [*known.store()] == []
    found, _ = open_known(accelerator, cache, usable.splits, "seen", PREPROCESSING)
    assert found.answer(read, 1, pytest.fail).endswith(b"\0")
    assert found.answer(read, 0, lambda data: b"again")[-49:-1].rstrip(b"\0") == b"again"


REMEMBERING = """
import os, signal, sys
from pathlib import Path
from tlf.builtin.folder import Folder
from tlf.cache import store
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.data.inspection import known_files
from tlf.data.inspection.inspect import inspect_splits
from tlf.preprocessing import Preprocessing
from tlf.runtime.devices import start_accelerator
from tlf.tasks.single_label import SingleLabel

root, cache, killed_in = sys.argv[1:]
for place, step in ((Cache, "store"), (store, "write_note"), (Partial, "publish")):
    if step == killed_in:
        setattr(place, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
known_files._SETTLED = 0
how, cache = Preprocessing(size=32, resize=36), Cache(Path(cache), 10**9)
for _ in inspect_splits(
    Folder(root).build(), how, "error", SingleLabel(), start_accelerator("no"), cache, (),
    verify="stat",
):
    pass
"""


@pytest.fixture
def remembering(tmp_path, root):
    """Start a process that remembers what it reads of the files."""
    script = tmp_path / "remembering.py"
    script.write_text(REMEMBERING)

    def remembering(killed_in="", number=0):
        printed = tmp_path / f"printed{number}"
        return Fork([script, root, tmp_path / "cache", killed_in], ROOT, {}, printed)

    return remembering


@pytest.mark.parametrize("step", ["store", "write_note", "publish"])
def test_a_run_that_is_killed_while_it_remembers_costs_reading_at_most(
    stat, inspect, root, remembering, step
):
    stat(used=())
    touch(root / VICTIM)
    time.sleep(0.02)
    process = remembering(step)
    process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    usable, read, notices = stat(used=())
    assert (len(read), notices) == (31, [])
    assert usable.manifests == inspect(used=())[0].manifests
    assert stat(used=())[1] == set()


def test_two_runs_that_remember_the_same_files_leave_one_sound_entry(stat, remembering):
    processes = [remembering(number=number) for number in range(2)]
    printed = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    _, read, notices = stat(used=())
    assert (read, notices) == (set(), [])


def test_another_fold_is_known_too_where_the_images_have_no_folder_in_common(
    stat, root, tmp_path, reads
):
    both = [
        Split(names, labels, ReadFile(str(root / name), names))
        for name in ("train", "val")
        for names, labels in [_listed(root / name)]
    ]
    splits = Splits(*both, ("circles", "squares"))
    accelerator, cache = start_accelerator("no"), Cache(tmp_path / "cache", 10**9)
    for fold, read in ((1, 31), (2, 0), (3, 0)):
        reads.clear()
        divided_anew = divided(splits, Asked(folds=3, fold=fold), SingleLabel())
        assert isinstance(divided_anew.eval.read.split.read, ReadEither)
        inspecting = inspect_splits(
            divided_anew, PREPROCESSING, "error", SingleLabel(), accelerator, cache, (),
            verify="stat",
        )  # fmt: skip
        assert exhausted(inspecting)[0].unread == 31 - read
        assert sum(reads.values()) == read


def _listed(folder):
    """The images of class folders, and their labels."""
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.jpg"))
    return Names(names), Numbers(int(name.startswith("squares")) for name in names)


@pytest.fixture
def png(tmp_path):
    """Two 16-bit images, and one of 8 bits."""
    files = {
        "a.png": encoded(Image.fromarray(np.full((4, 4), 4095, np.uint16)), "PNG"),
        "b.png": encoded(Image.fromarray(np.full((4, 4), 99, np.uint16)), "PNG"),
        "c.png": encoded(Image.new("L", (4, 4)), "PNG"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return Split((*files,), (0, 1, 0), ReadFile(str(tmp_path), (*files,)))


def test_what_8_bits_cannot_show_is_remembered(png, tmp_path, reads, monkeypatch):
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", -(10**9))
    splits, accelerator = Splits(png, png, ("a", "b")), start_accelerator("no")
    cache, found = Cache(tmp_path / "cache", 10**9), []
    for _ in range(2):
        reads.clear()
        known, _ = open_known(accelerator, cache, splits, "seen", PREPROCESSING)
        found.append(exhausted(find_white(splits, "auto", accelerator, PREPROCESSING, known))[0])
    assert (
        found[0] == found[1] == exhausted(find_white(splits, "auto", accelerator, PREPROCESSING))[0]
    )
    assert found[0][0] == 4095
    assert sum(reads.values()) == 6  # of the last one, without what was remembered


class Archive:
    """Reads images of which an index knows the digests."""

    def __init__(self):
        self.reads = 0

    def __call__(self, index):
        self.reads += 1
        return b"image"

    def digest(self, index):
        return bytes([index]) * 32


def test_what_an_index_knows_is_not_read(tmp_path):
    split = Split(("a", "b"), (0, 1), Archive())
    splits, accelerator = Splits(split, split, ("a", "b")), start_accelerator("no")
    known, _ = open_known(accelerator, Cache(tmp_path, 10**9), splits, "digests", PREPROCESSING)
    assert isinstance(known, KnownFiles)
    half = subset(split, [1])
    row = known.answer(half.read, 0, pytest.fail)
    assert row[40:] == bytes([1]) * 32 + b"\0"
    assert split.read.reads == 0
