"""A learning curve from the files to the result, what is printed, and its files."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from places import ROOT
from tlf.errors import DataError, NotFiniteError, RunError
from tlf.events import Notice, Prepared, Stored
from tlf.metrics.paired import Difference
from tlf.reports.plots.draw import chart
from tlf.runtime.strict_json import dumps
from tlf.studies.judged import judged_images
from tlf.studies.learning_curve import curve as module
from tlf.studies.learning_curve.curve import curve
from tlf.studies.learning_curve.draws import Draw
from tlf.studies.learning_curve.json_file import as_json
from tlf.studies.learning_curve.learning_curve import LearningCurve
from tlf.studies.learning_curve.page import write_curve
from tlf.studies.learning_curve.plots import class_plot, curve_plot
from tlf.studies.learning_curve.summary import class_sentence, rise, sentences
from tlf.tasks import TASKS

SMALL = [
    "backbone={kind='timm', model='test_resnet.r160_in1k', weights='none'}",
    "transforms.size=32", "transforms.resize=36",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    """Circles and squares, with a class of one image, and a name that no page may take for HTML."""
    root = tmp_path_factory.mktemp("curve") / "images"
    shutil.copytree(images, root)
    for split in ("train", "val"):
        (root / split / "squares").rename(root / split / "<b>squares")
        (root / split / "lone").mkdir()
        shutil.copy(root / split / "circles" / "001.jpg", root / split / "lone" / "x.jpg")
    return root


@pytest.fixture(scope="module")
def events(folder):
    """The events of a curve of six sizes."""
    return list(curve(folder, SMALL))


@pytest.fixture(scope="module")
def found(events):
    assert isinstance(events[-1], LearningCurve)
    return events[-1]


def test_eval_images_are_not_decoded(events):
    titles = {event.title for event in events if isinstance(event, Prepared)}
    assert "decoding train images" in titles
    assert "decoding eval images" not in titles


def test_six_sizes_up_to_all_that_folds_leave(found):
    assert [one.images for one in found.sizes] == [4, 5, 7, 9, 12, 16]
    assert (found.images, found.draws, found.gain_from) == (20, 10, 7)
    for one in found.sizes:
        assert np.mean(one.of_draws) == pytest.approx(one.accuracy.value)
        assert 0 <= one.accuracy.low <= one.accuracy.value <= one.accuracy.high <= 1
    values = {one.images: one.accuracy.value for one in found.sizes}
    assert found.gain.value == pytest.approx(values[16] - values[7])


def test_each_class_has_its_curve(found):
    assert {one.name for one in found.classes} == {"circles", "<b>squares"}
    for one in found.classes:
        assert one.images == 10
        assert one.trained_on[0] == 2
        assert one.trained_on[-1] == 8
        assert one.recall.value == one.recalls[-1]
        assert one.gain.value == pytest.approx(one.recalls[-1] - one.recalls[2])
    recalls = np.mean([one.recalls for one in found.classes], 0)
    assert recalls == pytest.approx([one.accuracy.value for one in found.sizes])
    assert found.classes[0].gain.value >= found.classes[1].gain.value


def test_the_limit_of_a_class_knows_the_groups_that_have_it():
    """Its AP is 1 in 5 of 40 groups: the limit is Clopper and Pearson's of 5, not of 40."""
    groups = np.arange(80) // 2
    labels = [(0, 1) if group < 5 else (0,) if group < 39 else () for group in groups]
    judged = judged_images(labels, groups, ("a", "b"), 0, 2, TASKS["multi-label"])
    judged, draw = replace(judged, groups=groups), Draw(0, np.arange(64), np.arange(64, 80))
    classes = module._classes(judged, draw, (32, 64), 0, np.ones((2, 2, 80, 2)))
    lows = {one.name: one.recall.low for one in classes}
    assert lows == pytest.approx({"a": 0.025 ** (1 / 39), "b": 0.025 ** (1 / 5)})


def test_what_is_left_out_is_told_and_progress_is_shown(events):
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert notes[-1].startswith("class 'lone' was left out: it has 1 of the 5 different train")
    assert notes == [*events[-1].notes]
    shown = [e for e in events if isinstance(e, Prepared) and e.title == "probes of 6 sizes"]
    assert [event.done for event in shown] == [*range(1, 11)]


def test_the_same_command_finds_what_is_stored_and_gives_the_same(found, folder):
    *again, last = curve(folder, SMALL)
    assert all(event.reused for event in again if isinstance(event, Stored))
    assert last == found


def test_other_sizes(found, folder):
    *_, few = curve(folder, SMALL, sizes=(3, 8))
    assert [one.images for one in few.sizes] == [6, 16]
    assert few.fan is None
    assert few.gain_from == 6
    assert few.sizes[-1] == found.sizes[-1]
    assert "no forecast: a fan of power laws needs four sizes" in str(few)


def test_bad_input(folder, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="must rise, got 8 3"):
        list(curve(folder, SMALL, sizes=(8, 3)))
    with pytest.raises(RunError, match="must be 8 images of each class or fewer, got 9"):
        list(curve(folder, SMALL, sizes=(3, 9)))
    few = tmp_path / "few"
    shutil.copytree(folder, few)
    for name in range(5):
        (few / "train" / "circles" / f"{name:03}.jpg").unlink()
        (few / "train" / "<b>squares" / f"{name:03}.jpg").unlink()
    with pytest.raises(DataError, match="needs 7 train images of each of 2 classes, got 10 in all"):
        list(curve(few, SMALL))
    (few / "train" / "circles" / "005.jpg").unlink()
    with pytest.raises(DataError, match="at least 2 classes with 5 different train images each"):
        list(curve(few, SMALL))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="must be one process, got 2"):
        list(curve(folder))


def test_features_must_be_finite(monkeypatch, folder):
    def nothing(job):
        yield from ()
        return torch.full((len(job.splits.train), 4), float("nan"))

    monkeypatch.setattr(module, "train_embeddings", nothing)
    with pytest.raises(NotFiniteError, match=r"features of timm/test_resnet.* must be"):
        list(curve(folder, SMALL))


def test_what_is_measured_is_told_in_words(found):
    rises = replace(found, gain=Difference(0.021, 0.004, 0.038, 245, 10))
    assert rise(rises) == "from 7 to 16 images, the accuracy rises: +2.1 points [+0.4, +3.8]"
    flat = replace(found, gain=Difference(0.001, -0.007, 0.009, 245, 10))
    assert rise(flat) == "from 7 to 16 images, the curve is flat: +0.1 points [-0.7, +0.9]"
    unknown = replace(found, gain=Difference(0.021, -0.02, 0.06, 245, 10))
    assert rise(unknown).startswith("from 7 to 16 images, no rise can be told from chance: +2.1")
    falls = replace(found, gain=Difference(-0.02, -0.03, -0.01, 245, 10))
    assert rise(falls).endswith("the accuracy falls: -2.0 points [-3.0, -1.0]; check the labels")


def gaining(found, **gains):
    """The same curve of other classes: name → gain in points, and its limits."""
    first = found.classes[0]
    classes = [
        replace(first, name=name, gain=Difference(*(each / 100 for each in gain), 20, 10))
        for name, gain in gains.items()
    ]
    return replace(found, classes=tuple(classes))


@pytest.mark.parametrize(
    ("gains", "told"),
    [
        (
            {"ants": (15, 9, 21), "bees": (2, -4, 8)},
            "ants needs images most: from 7 to 16 images, its recall rises most, by +15.0 points",
        ),
        (
            {"rare": (25, -10, 60), "ants": (15, 9, 21)},
            "ants (+15.0) needs images: from 7 to 16 images, recall rises by these points, which "
            "is more than chance; which class needs images most cannot be told",
        ),
        (
            {"bees": (16, 9, 23), "ants": (15, 9, 21), "owls": (0, -1, 1)},
            "bees (+16.0), ants (+15.0) need images: from 7 to 16 images, recall rises by these "
            "points, which is more than chance; which class needs images most cannot be told",
        ),
        (
            {"bees": (5, -1, 9), "ants": (-5, -9, -1)},
            "which class needs images most cannot be told: no gain is more than chance",
        ),
    ],
)
def test_the_classes_that_need_images_are_named_where_it_can_be_told(found, tmp_path, gains, told):
    other = gaining(found, **gains)
    assert class_sentence(other) == told
    assert str(other).endswith(f"\n{told}")
    assert as_json(other)["verdict_of_classes"] == told
    page = write_curve(other, tmp_path / "found") / "curve.html"
    assert f"<p><bdi>{told}</bdi></p>" in page.read_text(encoding="utf-8")


def test_of_many_classes_that_need_images_five_are_named(found):
    many = gaining(found, **{f"c{number}": (15, 9, 21) for number in range(7)})
    assert "c3 (+15.0), c4 (+15.0) and 2 more need images: " in class_sentence(many)


def test_the_table(found):
    text = str(found)
    assert "20 train images of 2 classes; features of timm/test_resnet.r160_in1k@none" in text
    assert "  top-1   95 % interval    per class   train images\n" in text
    assert re.search(r"%      *2.5              5\n", text)
    assert "no forecast: the fan is too wide" in text
    sure = replace(found.fan, problem="")
    text = "\n".join(sentences(replace(found, fan=sure)))
    one = sure.forecasts[0]
    assert (
        f"with 2 × as many images (32): {one.accuracy.low:.1%} to {one.accuracy.high:.1%}; that is "
        f"{100 * one.gain.low:.1f} to {100 * one.gain.high:.1f} points more"
    ) in text


def test_many_classes_are_cut_short(found):
    many = replace(found, classes=found.classes * 11)
    assert "  … 2 more classes gain less; see the page" in str(many)
    assert len(chart(class_plot(many)).table.rows) == 6 * 6


def test_a_fan_is_drawn_where_it_says_something(found):
    assert "fan of power laws" not in chart(curve_plot(found)).svg
    sure = replace(found, fan=replace(found.fan, problem=""))
    drawn = chart(curve_plot(sure))
    assert "fan of power laws" in drawn.svg
    assert [row[1] for row in drawn.table.rows].count("fan") == len(found.fan.band)
    assert "&lt;b&gt;squares" in chart(class_plot(found)).svg


def test_the_folder_holds_a_page_and_the_figures(found, tmp_path):
    folder = write_curve(found, tmp_path / "found")
    assert sorted(path.name for path in folder.iterdir()) == ["curve.html", "curve.json"]
    content = json.loads((folder / "curve.json").read_text())
    assert content == json.loads(dumps(as_json(found)))
    assert [size["images"] for size in content["sizes"]] == [4, 5, 7, 9, 12, 16]
    assert content["fan"]["forecasts"][1]["images"] == 64
    page = (folder / "curve.html").read_text(encoding="utf-8")
    assert "<b>squares" not in page
    assert "&lt;b&gt;squares" in page
    assert "No forecast: the fan is too wide" in page
    assert "class &#39;lone&#39; was left out" in page
    assert write_curve(found, tmp_path / "found").name == "found-2"


def test_every_key_is_documented(found):
    document = (ROOT / "tlf/studies/learning_curve/README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", document.partition("## `curve.json`")[2], re.M)
    content = as_json(found)
    keys = [*content, *content["sizes"][0], *content["classes"][0], *content["fan"]]
    assert [key for key in dict.fromkeys(keys) if key not in told] == []


def test_a_notebook_shows_what_is_printed(found):
    class Printer:
        def text(self, text):
            self.shown = text

    printer = Printer()
    found._repr_pretty_(printer, cycle=False)
    assert printer.shown == str(found)
