"""A disk that is full, has no inodes, or is gone: one message, nothing half-written, and the run
goes on from its last state.
"""

import json
import os
import shutil
import signal
import subprocess

import pytest

from run_files import different_tensors, figures
from stopped_runs import HEAD_ALONE, write
from tlf.errors import RunError, StoppedError, UnwritableError
from tlf.events import Notice, SegmentStarted, Updated
from tlf.results import EpochResult, RunResult
from tlf.runs.history import append_epoch, read_history
from tlf.runs.resume import resume
from tlf.runs.run import run

FEW = f"""{HEAD_ALONE}
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""


@pytest.fixture
def disk(tmp_path):
    """Mount a disk of its own for the run's folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("a disk can only be mounted by root, on Linux")
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], check=False, stderr=subprocess.DEVNULL)


def fill(disk):
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def recipe_on(disk, tmp_path, images):
    """A recipe beside the disk, whose run is on the disk."""
    path, _ = write(tmp_path, images, text=FEW)
    return path, [f"output={disk / 'run'}"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, images):
    """A run that met no full disk."""
    path, output = write(tmp_path_factory.mktemp("whole"), images, text=FEW)
    list(run(path))
    return output


def assert_same(one, other):
    assert different_tensors(one / "model.safetensors", other / "model.safetensors") == []
    assert figures(one) == figures(other)
    for name in ("predictions.csv", "segments.jsonl"):
        assert (one / name).read_text() == (other / name).read_text()


@pytest.mark.parametrize("options", ["size=1m", "size=1m,nr_inodes=9"])
def test_a_run_that_cannot_begin_leaves_nothing(tmp_path, images, disk, options):
    """No space for its first files, and no inode for them: the folder itself takes one."""
    folder = disk(options)
    if "inodes" in options:
        for number in range(6):
            (folder / str(number)).touch()
    else:
        fill(folder)
    before = sorted(folder.iterdir())
    path, overrides = recipe_on(folder, tmp_path, images)
    with pytest.raises(RunError, match="No space left on device") as caught:
        list(run(path, overrides))
    assert str(folder / "run") in str(caught.value)
    assert sorted(folder.iterdir()) == before


def first(kind, number=1):
    """Whether an event is the ``number``-th of its kind."""
    count = 0

    def is_it(event):
        nonlocal count
        count += isinstance(event, kind)
        return isinstance(event, kind) and count == number

    return is_it


def consume(events, moment, act):
    """Consume the events of a run, and act at one of them. Give the notices."""
    notices = []
    for event in events:
        notices += [event.text] if isinstance(event, Notice) else []
        if moment(event):
            act()
    return notices


@pytest.mark.parametrize(
    "moment",
    [first(Updated, 3), first(EpochResult), first(SegmentStarted, 2), first(EpochResult, 3)],
    ids=["in an epoch", "after an epoch", "in a segment", "at the end"],
)
def test_a_disk_that_fills_up_stops_the_run_and_it_can_go_on(tmp_path, images, disk, whole, moment):
    folder = disk("size=32m")
    path, overrides = recipe_on(folder, tmp_path, images)
    with pytest.raises(UnwritableError) as caught:
        consume(run(path, overrides), moment, lambda: fill(folder))
    output = folder / "run"
    message = str(caught.value)
    assert message.startswith(f"cannot write {output}/")
    assert "o space left on device" in message
    assert message.endswith(
        f"the run's last state is stored: when this is fixed, resume with: tlf resume {output}"
    )
    if (output / "metrics.jsonl").is_file():
        assert all(json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines())
    assert not [*output.rglob(".*.part")]
    (folder / "filler").unlink()
    *_, result = resume(output)
    assert isinstance(result, RunResult)
    assert_same(whole, output)


def test_a_disk_that_is_full_for_a_while_costs_one_notice(tmp_path, images, disk, whole):
    """States cannot be stored during an epoch; before it ends, there is room again."""
    folder = disk("size=32m")
    path, overrides = recipe_on(folder, tmp_path, images)
    moments = {2: lambda: fill(folder), 5: (folder / "filler").unlink}
    count = iter(range(1, 1000))
    notices = consume(
        run(path, overrides),
        lambda event: isinstance(event, Updated),
        lambda: moments.get(next(count), lambda: None)(),
    )
    unstored = [text for text in notices if text.startswith("the state of the run could not be")]
    assert len(unstored) == 1
    assert "No space left on device" in unstored[0]
    assert_same(whole, folder / "run")


def test_a_folder_that_is_removed_ends_the_run(tmp_path, images):
    path, output = write(tmp_path, images, text=FEW)
    with pytest.raises(UnwritableError) as caught:
        consume(run(path), first(Updated, 2), lambda: shutil.rmtree(output))
    assert str(caught.value) == f"cannot write {output}/metrics.jsonl: No such file or directory"
    assert not output.exists()


@pytest.mark.parametrize(
    ("number", "advice"), [(1, "restarts the run"), (3, "continues from the state before")]
)
def test_a_stop_whose_state_cannot_be_stored_says_so(tmp_path, images, disk, whole, number, advice):
    folder = disk("size=32m")
    path, overrides = recipe_on(folder, tmp_path, images)

    def fill_and_stop():
        fill(folder)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError) as caught:
        consume(run(path, overrides), first(Updated, number), fill_and_stop)
    output, message = folder / "run", str(caught.value)
    assert message.startswith("stopped by SIGTERM; its state could not be stored: ")
    assert message.endswith(f"; tlf resume {output} {advice}")
    (folder / "filler").unlink()
    list(resume(output))
    assert_same(whole, output)


def test_a_stop_in_a_folder_that_is_gone_says_so(tmp_path, images):
    path, output = write(tmp_path, images, text=FEW)

    def remove_and_stop():
        shutil.rmtree(output)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError) as caught:
        consume(run(path), first(Updated), remove_and_stop)
    assert str(caught.value) == (
        f"stopped by SIGTERM; its folder {output} is gone: start a new run"
    )


def test_a_history_is_left_as_it_was_where_a_line_does_not_fit(finished, disk):
    folder, line = disk("size=64k"), next(read_history(finished))

    def append_without_end():
        while True:
            append_epoch(folder, line)

    with pytest.raises(UnwritableError, match=r"cannot write .*metrics\.jsonl: No space left"):
        append_without_end()
    text = (folder / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    assert text.count("\n") == len([*read_history(folder)]) > 10
