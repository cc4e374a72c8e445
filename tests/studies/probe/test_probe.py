"""A study from the files to the result."""

import re
import shutil

import pytest
import torch

from places import ROOT
from tlf.checks.plan import _OF_FOLDER
from tlf.errors import DataError, NotFiniteError, RunError
from tlf.events import Notice, Prepared, Stored
from tlf.studies.probe import probe as module
from tlf.studies.probe import probing
from tlf.studies.probe.probe import probe
from tlf.studies.probe.probed import Probed

TINY = "timm/test_resnet.r160_in1k@none"
SMALL = ["transforms.size=32", "transforms.resize=36"]


@pytest.fixture(scope="module", autouse=True)
def _few_folds():
    """Deal images twice: more takes its time, and shows the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "REPEATS", 2)
        yield


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    """Circles and squares, with a class of one image and a file that is no image."""
    root = tmp_path_factory.mktemp("probed") / "images"
    shutil.copytree(images, root)
    for split in ("train", "val"):
        (root / split / "lone").mkdir()
        shutil.copy(root / split / "circles" / "001.jpg", root / split / "lone" / "x.jpg")
    (root / "train" / "circles" / "bad.jpg").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def events(folder):
    """The events of a study of two backbones, and of two that cannot be loaded."""
    names = [TINY, "timm/resnet18@gone.pth", "torchvision/resnet19", "timm/test_vit@none"]
    return list(probe(folder, names, SMALL, stages=True))


def test_backbones_are_compared_on_the_same_images(events):
    *_, found = events
    assert isinstance(found, Probed)
    assert found.images == 20
    assert found.class_counts == {"circles": 10, "squares": 10}
    assert {one.name for one in found.backbones} == {TINY, "timm/test_vit@none"}
    best, other = found.backbones
    assert best.behind is None
    difference = other.accuracy["logistic"].value - best.accuracy["logistic"].value
    assert other.behind.value == pytest.approx(difference)
    assert (other.behind.images, other.behind.draws) == (20, 10)
    for one in found.backbones:
        for figure in one.accuracy.values():
            assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert one.seconds > 0
        assert one.megabytes == pytest.approx(4 * one.parameters / 1e6, rel=0.1)
        assert one.backbone["kind"] == "timm"


def test_what_cannot_be_loaded_is_told_and_the_others_go_on(events):
    failed = {one.name: one.why for one in events[-1].failed}
    assert [*failed] == ["timm/resnet18@gone.pth", "torchvision/resnet19"]
    assert "gone.pth" in failed["timm/resnet18@gone.pth"]
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert any(note.startswith("torchvision/resnet19 was not probed: ") for note in notes)


def test_images_that_are_left_out_are_told(events):
    *_, lone = notes = events[-1].notes
    (bad,) = [note for note in notes if "bad.jpg: not an image in a known format" in note]
    assert bad.startswith("train: left out 1 of ")
    told = [event.text for event in events if isinstance(event, Notice)]
    assert all(told.count(note) == 1 for note in notes)
    assert lone == (
        "class 'lone' was left out: it has 1 of the 5 different train images that folds need"
    )


def test_every_stage_has_its_accuracy_and_the_last_is_the_features(events):
    one = next(one for one in events[-1].backbones if one.name == TINY)
    assert [stage.stage for stage in one.stages] == [
        "stem", "stages.0", "stages.1", "stages.2", "stages.3"
    ] or len(one.stages) > 2  # fmt: skip
    assert one.stages[-1].accuracy == one.accuracy["logistic"]
    assert one.stages[-1].features == one.features
    titles = {event.title for event in events if isinstance(event, Prepared)}
    own = [f"logistic probes of {TINY}, {stage.stage}" in titles for stage in one.stages]
    assert own == [True] * (len(own) - 1) + [False]  # the features are probed once


def test_eval_images_are_not_decoded(events):
    titles = {event.title for event in events if isinstance(event, Prepared)}
    assert {"reading eval images", "decoding train images"} <= titles
    assert "decoding eval images" not in titles


def test_the_same_command_finds_what_is_stored(events, folder):
    again = list(probe(folder, [TINY], SMALL, stages=True))
    stored = [event for event in again if isinstance(event, Stored)]
    assert stored
    assert all(event.reused for event in stored)
    one = next(one for one in events[-1].backbones if one.name == TINY)
    assert again[-1].backbones[0].accuracy == one.accuracy
    assert again[-1].backbones[0].stages == one.stages


def test_features_are_those_that_a_run_has_stored(head_copy):
    stored = [event for event in probe(head_copy / "recipe.toml") if isinstance(event, Stored)]
    assert [event.title for event in stored if event.reused] == [
        "20 decoded train images", "features of 20 train images"
    ]  # fmt: skip


def test_the_example_of_the_document_runs(images, tmp_path, monkeypatch, capsys):
    document = (ROOT / "tlf" / "studies" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", document, re.M | re.S)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "images").symlink_to(images)
    monkeypatch.chdir(tmp_path)
    small = {"transforms": {"size": 32, "resize": 32}}
    monkeypatch.setattr("tlf.checks.plan._OF_FOLDER", {**_OF_FOLDER, **small})
    names = {}
    exec(compile(example.replace("timm/resnet18", TINY), "README.md", "exec"), names)
    assert "probed    my/images: 20 train images of 2 classes" in capsys.readouterr().out
    assert names["folder"] == tmp_path / "probes" / "images"
    assert (names["folder"] / "probe.json").is_file()


def test_no_backbone_and_too_few_images_are_errors(folder, tmp_path):
    with pytest.raises(
        DataError, match=r"one that can be loaded, got none\n  torchvision/resnet19"
    ):
        list(probe(folder, ["torchvision/resnet19"], SMALL))
    few = tmp_path / "few"
    shutil.copytree(folder, few)
    for name in range(6):
        (few / "train" / "squares" / f"{name:03}.jpg").unlink()
    with pytest.raises(DataError, match=r"at least 2 classes with 5 different train images"):
        list(probe(few, [TINY], SMALL))


def test_a_study_is_one_process(monkeypatch, folder):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="must be one process, got 2"):
        list(probe(folder))


def test_features_must_be_finite(monkeypatch, folder):
    def nothing(job):
        yield from ()
        return torch.full((len(job.splits.train), 4), float("nan"))

    monkeypatch.setattr(module, "train_embeddings", nothing)
    with pytest.raises(NotFiniteError, match="must be finite numbers"):
        list(probe(folder, [TINY], SMALL))
