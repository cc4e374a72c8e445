"""A check from the files to the result. What it finds has tests of its own."""

import re
import shutil
from errno import ENOSPC

import pytest

from places import ROOT
from tlf.cache.store import Cache
from tlf.checks.check import check, described_backbone
from tlf.checks.checked import Checked
from tlf.checks.plan import _OF_FOLDER, plan_to_check
from tlf.errors import DataError, RunError
from tlf.events import Notice, Stored
from tlf.recipe.plan import load_recipe

TINY = ["backbone={kind='timm', model='test_resnet', weights='none'}", "transforms.size=32",
        "transforms.resize=32"]  # fmt: skip


@pytest.fixture(scope="module")
def faulty(images, tmp_path_factory):
    """A few faults of every kind that reading finds, all in one folder."""
    root = tmp_path_factory.mktemp("faulty") / "images"
    shutil.copytree(images, root)
    (root / "train" / "circles" / "000.jpg").write_bytes(b"")
    shutil.copy(root / "val" / "squares" / "000.jpg", root / "train" / "squares" / "copy.jpg")
    for name in ("lost", "alone"):
        (root / "train" / name).mkdir()
        (root / "train" / name / "x.jpg").write_bytes(b"no image")
    shutil.copy(root / "train" / "circles" / "001.jpg", root / "train" / "alone" / "y.jpg")
    (root / "val" / "new").mkdir()
    shutil.copy(root / "val" / "circles" / "001.jpg", root / "val" / "new" / "z.jpg")
    return root


@pytest.fixture(scope="module")
def found(faulty):
    """The events of a check of that folder."""
    return list(check(faulty, TINY))


def test_no_fault_hides_another(found):
    *_, checked = found
    assert isinstance(checked, Checked)
    findings = checked.findings
    assert [name for _, name, _ in findings.unreadable] == [
        "train/alone/x.jpg", "train/circles/000.jpg", "train/lost/x.jpg"
    ]  # fmt: skip
    (leak,) = [group for group in findings.leaks if group.exact]
    assert {image.name for image in leak.images} == {
        "train/squares/copy.jpg", "val/squares/000.jpg"
    }  # fmt: skip
    mixed = [g for g in findings.duplicates if g.exact and g.across_classes]
    assert {image.name for group in mixed for image in group.images} == {
        "train/alone/y.jpg", "train/circles/001.jpg"
    }  # fmt: skip
    assert findings.images == {"train": 21, "eval": 11}
    assert [image.label for image in checked.unreadable] == ["alone", "circles", "lost"]
    assert checked.read(leak.images[0]) == checked.read(leak.images[1])


def test_classes_that_a_split_lacks_are_told(found):
    notes = [event.text for event in found if isinstance(event, Notice)]
    assert (
        "eval: left out 1 of 12 images, of classes that train lacks: 'new' (1 eval image)" in notes
    )
    assert any(note.startswith("eval has no images of 'alone' (2 train images)") for note in notes)
    assert any("have seen no photographs" in note for note in notes)
    assert found[-1].notes == tuple(notes)


def test_fixes_of_a_recipe_are_applied_first(recipe, tmp_path):
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(
        "split,path,label,new_label,leave_out\ntrain,train/circles/000.jpg,circles,,yes\n"
    )
    *_, checked = check(load_recipe(recipe), [f"data.fixes={fixes}"])
    assert checked.findings.images["train"] == 19
    assert checked.backbone == "timm test_resnet.r160_in1k, weights none"


def test_the_example_of_the_document_runs(faulty, tmp_path, monkeypatch, capsys):
    document = (ROOT / "tlf" / "checks" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", document, re.M | re.S)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "images").symlink_to(faulty)
    monkeypatch.chdir(tmp_path)
    backbone = {"kind": "timm", "model": "test_resnet", "weights": "none"}
    small = {"backbone": backbone, "transforms": {"size": 32, "resize": 32}}
    monkeypatch.setattr("tlf.checks.plan._OF_FOLDER", {**_OF_FOLDER, **small})
    exec(compile(example, "README.md", "exec"), names := {})
    assert "checked   my/images: 21 train, 11 eval images" in capsys.readouterr().out
    assert names["folder"] == tmp_path / "checks" / "images"
    assert (names["folder"] / "fixes.csv").is_file()


def test_a_check_is_one_process(recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="a check must be one process, got 2; start it without a"):
        list(check(recipe))


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match="it has no class folders"):
        list(check(tmp_path))
    (tmp_path / "ant").mkdir()
    (tmp_path / "ant" / "x.jpg").touch()
    with pytest.raises(DataError, match="it must have at least 2 classes, got 'ant' only"):
        list(check(tmp_path))
    (tmp_path / "bee").mkdir()
    (tmp_path / "bee" / "x.jpg").touch()
    with pytest.raises(DataError, match="no class has 2 images, one for each split; add images"):
        list(check(tmp_path))


def test_the_backbone_is_named(recipe):
    assert described_backbone(plan_to_check(recipe)).endswith("weights none")


def test_the_same_images_are_compared_once(found, faulty, monkeypatch):
    monkeypatch.setattr("tlf.checks.find.find", None)
    *events, again = check(faulty, TINY)
    assert again.findings == found[-1].findings
    assert events[-1] == Stored("findings of a check of 32 images", events[-1].bytes, reused=True)


def test_other_features_are_compared_anew(found, faulty, monkeypatch):
    monkeypatch.setattr("tlf.checks.find.find", None)
    with pytest.raises(TypeError):
        list(check(faulty, [*TINY, "transforms.size=31"]))


def test_findings_that_do_not_fit_into_the_cache_are_found_all_the_same(found, faulty, monkeypatch):
    monkeypatch.setattr(Cache, "find", lambda *_: None)
    monkeypatch.setattr(Cache, "begin", exhausted)
    *events, checked = check(faulty, TINY)
    assert checked.findings == found[-1].findings
    assert not any("findings" in event.title for event in events if isinstance(event, Stored))


def exhausted(*_):
    raise OSError(ENOSPC, "No space left on device")
