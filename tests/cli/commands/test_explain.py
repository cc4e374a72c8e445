"""``tlf explain`` prints what each phase would do, and writes nothing."""

import re
import sys

import pytest
import timm

from tlf.cli import main as cli
from tlf.pretrained import stages


@pytest.fixture
def explained(monkeypatch, capsys, tmp_path):
    """Run ``tlf explain``; return its lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def explained(*arguments):
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["tlf", "explain", *map(str, arguments)])
        assert cli.main() == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert sorted(tmp_path.rglob("*")) == before  # writes nothing
        return out.splitlines()

    return explained


def tables(lines):
    """Phase → stage → its other columns."""
    found, phase = {}, ""
    for line in lines:
        if line.startswith("phase "):
            phase = line.split()[1]
            found[phase] = {}
        elif phase and re.search(r"  (–|\d\.\d\de-\d\d)$", line):
            stage, *columns = re.split(r" {2,}", line.strip())
            found[phase][stage] = columns
    return found


def counts():
    """Stage → parameters, as timm says."""
    model = timm.create_model("test_resnet.r160_in1k", num_classes=2)
    counted = {"stem": 0, "layer1": 0, "layer2": 0, "layer3": 0, "layer4": 0, "head": 0}
    for name, parameter in model.named_parameters():
        first = name.partition(".")[0]
        stage = {"conv1": "stem", "bn1": "stem", "fc": "head"}.get(first, first)
        counted[stage] += parameter.numel()
    return counted


def test_the_table_of_every_phase(explained, recipe):
    found, expected = tables(explained(recipe)), counts()
    assert list(found) == ["head", "all"]
    backbone = f"{sum(expected.values()) - expected['head']:,}"
    assert found["head"] == {
        "stem … layer4": [backbone, "frozen", "–"],
        "head": [f"{expected['head']:,}", "trainable", "1.00e-01"],
    }
    assert found["all"] == {
        stage: [f"{count:,}", "trainable", f"{0.01 * 0.5**power:.2e}"]
        for power, (stage, count) in zip((5, 4, 3, 2, 1, 0), expected.items(), strict=True)
    }


def test_how_many_parameters_train(explained, recipe):
    expected = counts()
    lines = explained(recipe)
    total = sum(expected.values())
    head, everything = (lines.index(line) for line in lines if line.startswith("phase "))
    assert lines[head] == "phase head (1 of 2), 1 epoch: sgd, constant rate"
    assert lines[head + 1] == f"  {expected['head']:,} of {total:,} parameters train"
    assert lines[everything] == "phase all (2 of 2), 2 epochs: sgd, constant rate"
    assert lines[everything + 2] == f"  {total:,} of {total:,} parameters train"


def test_the_story_comes_first_and_the_recipe_last_on_request(explained, recipe):
    story = explained(recipe, "head.dropout=0.25")
    assert story[0] == "images    20 to train on, 11 to evaluate on, 2 classes"
    assert story[1].startswith("          not opened here; a run opens all of")
    assert any(line.startswith("input     3 × 32 × 32, shorter side 36, ") for line in story)
    assert any(line.startswith("head      linear: dropout = 0.25") for line in story)
    assert "[data]" not in story
    whole = explained(recipe, "head.dropout=0.25", "--recipe")
    assert whole[: len(story)] == story
    dumped = whole[len(story) + 1 :]
    assert "dropout = 0.25" in dumped
    assert dumped.index("seed = 0") < dumped.index("[data]")


def test_it_fits_a_terminal_and_a_pipe(explained, recipe, monkeypatch):
    wide = explained(recipe)
    assert max(map(len, wide)) <= 80
    monkeypatch.setenv("COLUMNS", "20")
    assert explained(recipe) == wide


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ("transforms.crop_from=file", "the image files, at full resolution"),
        ("transforms.crop_from=resized", "resized images"),
    ],
)
def test_what_crops_are_cut_from(explained, recipe, change, source):
    assert not any(line.startswith("crops ") for line in explained(recipe, change))
    lines = explained(recipe, change, "phases.1.augment=crop-flip")
    assert f"crops     are cut from {source}" in lines


def test_names_of_the_parameters_that_train(explained, recipe):
    plain, named = explained(recipe), explained(recipe, "--names")
    extra = [line.strip() for line in named if line not in plain]
    model = timm.create_model("test_resnet.r160_in1k", num_classes=2)
    everything = [
        "head." + n[3:] if n.startswith("fc.") else f"backbone.{n}"
        for n, _ in model.named_parameters()
    ]
    assert extra[:2] == ["head.weight", "head.bias"]
    assert sorted(extra[2:]) == sorted(everything)


def test_the_model(explained, recipe):
    plain, shown = explained(recipe), explained(recipe, "--model")
    assert shown[: len(plain)] == plain
    text = "\n".join(shown[len(plain) + 1 :])
    assert text.startswith("Classifier(")
    assert "(layer4): " in text
    assert "(head): " in text


def test_a_backbone_in_one_stage_is_noted(explained, recipe, monkeypatch):
    assert not [line for line in explained(recipe) if line.startswith("note: the whole backbone")]
    monkeypatch.setattr(stages, "cut_timm", in_one_stage)
    (note,) = [line for line in explained(recipe) if line.startswith("note: ")]
    assert note.startswith("note: the whole backbone is one stage, stem: policies and rates")


def in_one_stage(module):
    return {"stem": tuple(name for name, _ in module.named_parameters())}
