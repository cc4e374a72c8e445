import re
from dataclasses import replace
from io import BytesIO

from PIL import Image

from histories import record, report, two_phases
from tlf.checks.findings import (
    Duplicates,
    Findings,
    ImageRef,
    Inseparable,
    LabelSuspect,
    OddSize,
)
from tlf.errors import DataError
from tlf.reports.panels.findings import FIRST, MOST, class_rows, findings_panel, panel

EVIL = ImageRef("train", 0, '"><img src=x>.jpg', "<script>")
IMAGES = tuple(ImageRef("train", n, f"train/{n}.jpg", "ants") for n in range(5))
IN_EVAL = ImageRef("eval", 3, "val/3.jpg", "bees")
FOUND = Findings(
    images={"train": 6, "eval": 4},
    class_counts={"train": {"ants": 5, "bees": 1}, "eval": {"bees": 4}},
    unreadable=(("train", "train/x.jpg", "the file is <empty>"),),
    duplicates=(
        Duplicates((IMAGES[0], IN_EVAL), (0, 0), similarity=1.0),
        Duplicates((IMAGES[1], EVIL), (0, 1), similarity=0.9712),
    ),
    suspects=(LabelSuspect(EVIL, "bees", 0.02, 0.96, (IMAGES[2],)),),
    inseparable=(Inseparable(("ants", "bees"), 0.21, 10),),
    odd_sizes=(OddSize(IMAGES[3], 12, 9000, "750 times as high as wide"),),
)


def picture(_image):
    Image.new("RGB", (200, 100), "red").save(file := BytesIO(), "PNG")
    return file.getvalue()


def test_every_kind_of_finding_is_shown_and_escaped():
    html = findings_panel(FOUND, picture).html
    assert "<script>" not in html
    assert "<img src=x>" not in html
    for text in (
        "6 train images, 4 eval images", "Train and eval share images", "2 images in 1 group",
        "the same file", "near-duplicates, similarity 0.971", "with different labels",
        "looks like <strong><bdi>bees</bdi></strong> (96.0\N{NO-BREAK SPACE}%)", "21.0",
        "the file is &lt;empty&gt;", "12 × 9,000, 750 times as high as wide",
    ):  # fmt: skip
        assert text in html
    assert html.count("data:image/jpeg;base64,") == 6
    size = len(re.search(r"base64,([^\"]+)", html)[1])
    few = findings_panel(FOUND, picture, largest=size * 5).html  # of six places
    assert few.count("data:image/jpeg;base64,") == 5
    assert class_rows(FOUND) == [("bees", [1, 4]), ("ants", [5, 0])]


def test_of_near_duplicates_those_of_one_file_are_named():
    group = Duplicates((IMAGES[1], EVIL, IN_EVAL), (0, 1, 1), 0.9712)
    html = findings_panel(replace(FOUND, duplicates=(group,))).html
    assert (
        "similarity 0.971; the same file: <bdi>&#34;&gt;&lt;img src=x&gt;.jpg</bdi> = "
        "<bdi>val/3.jpg</bdi>, <strong>with different labels"
    ) in html


def test_of_several_labels_the_doubted_one_is_named():
    several = replace(FOUND.suspects[0].image, label="ants; <bees>")
    found = replace(FOUND, suspects=(LabelSuspect(several, "ants", 0.02, 0.96),))
    html = findings_panel(found).html
    assert "<strong><bdi>&lt;bees&gt;</bdi></strong> seems to be wrong (96.0" in html
    assert "looks like" not in html


def test_without_images_there_are_no_thumbnails():
    def gone(_image):
        raise DataError("the file is gone")

    assert "<img" not in findings_panel(FOUND).html
    assert "<img" not in findings_panel(FOUND, gone).html
    assert panel(report()) is None
    assert "<img" not in panel(report(findings=FOUND)).html
    assert panel(report(findings=FOUND, read_found=picture)).html.count("<img") == 6


def test_the_page_of_a_run_names_the_command_that_corrects_train_images():
    command = "tlf check &#39;runs/my run/recipe.toml&#39;"
    assert command in panel(report(record(two_phases()), findings=FOUND)).html
    assert "tlf check" not in findings_panel(FOUND).html


def test_long_lists_are_cut_and_counted():
    many = tuple(
        Duplicates((ImageRef("train", n, f"{n}", "a"), ImageRef("train", -n, f"{n}b", "a")),
                   (0, 0), similarity=1.0)
        for n in range(1, MOST + 51)
    )  # fmt: skip
    counts = {"train": {f"class {n}": n for n in range(10_000)}}
    html = findings_panel(Findings({"train": 600}, counts, duplicates=many), picture).html
    assert "500 images in 250 groups" in html
    assert html.count("<li>") == MOST
    assert f"Show {MOST - FIRST} more" in html
    assert re.findall(r"and (\S+) more", html) == ["50", "9,800"]
    assert html.count("<img") == 200
    assert len(html) < 2_500_000


def test_nothing_found_is_said():
    html = findings_panel(Findings({"train": 3}, {"train": {"a": 3}})).html
    assert "Nothing was found that looks wrong." in html
    assert "Duplicates" not in html
