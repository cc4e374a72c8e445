"""Evaluations know which images belong together: of a run, of an older one, of other images."""

import json
import shutil

import pytest

import tlf
from run_files import predictions
from small import HEAD_ALONE, write_recipe
from tlf.errors import DataError
from tlf.evaluation.classify import unwatched
from tlf.evaluation.evaluate import evaluate
from tlf.evaluation.groups import UNKNOWN, stored_groups
from tlf.evaluation.summary import cautions, result_lines
from tlf.inference.predict import load_classifier
from tlf.inference.tables.groups import FILE, read_groups, write_groups
from tlf.recipe.files import read_table
from tlf.runtime.files import write_whole
from tlf.studies.soup.own_split import on_own_split

EACH, FEW = r"^(.*)[.]jpg", r"^(.*).[.]jpg"
"""Every image is a group of its own; there are three groups of val images."""


def grouped(run, line):
    """A run of an earlier version, whose recipe has more in ``[data]``."""
    recipe = run / "recipe.toml"
    write_whole(recipe, recipe.read_text().replace("[data]\n", f"[data]\n{line}\n", 1))
    assert read_table(recipe)["data"]["group"]
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, images):
    root = tmp_path_factory.mktemp("grouped")
    recipe = write_recipe(root / "recipe.toml", images, HEAD_ALONE)
    *_, result = tlf.run(recipe, [f"data.group={EACH}"])
    return root / result.folder


def test_a_run_stores_the_groups_of_its_eval_images(run):
    groups = read_groups(run)
    assert [*groups] == [row["path"] for row in predictions(run)]
    assert groups["val/circles/odd.jpg"] == "val/circles/odd"
    found = evaluate(run)
    assert (found.recorded, found.evaluation.groups, found.groups_unknown) == (True, 11, False)
    text = " ".join(result_lines(found))
    assert "The images are in 11 groups (data.group): intervals are about other groups" in text
    folder = tlf.write_evaluation(found)
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["intervals"]["groups"] == 11
    assert content["intervals"]["method"] == "bootstrap over groups of images, percentiles"
    assert "The images are in 11 groups" in (folder / "report.html").read_text()
    assert evaluate(run, split="train").evaluation.groups == 20
    assert evaluate(run, against=run).comparison.groups == 11


def test_a_report_says_what_intervals_are_about(run, tmp_path):
    page = tlf.write_report(run, output=tmp_path / "a.html", images=False, neighbours=False)
    assert "The images are in 11 groups (data.group): intervals are about" in page.read_text()


def test_what_a_run_has_stored_counts_and_images_may_be_gone(run_copy, tmp_path):
    rows = [row["path"] for row in predictions(run_copy)]
    grouped(run_copy, 'group = "patient"')
    lines = [f"{name},{number // 2}" for number, name in enumerate(rows)]
    (run_copy / FILE).write_text("\n".join(["path,group", *lines, ""]))
    found = evaluate(run_copy)
    assert found.evaluation.groups == 6
    assert found.predicted.groups.tolist() == [number // 2 for number in range(11)]
    assert UNKNOWN not in [*cautions(found)]


def test_an_older_run_finds_them_by_its_pattern(run_copy):
    grouped(run_copy, f'group = "{FEW}"')
    found = evaluate(run_copy)
    assert found.evaluation.groups == 3
    assert {one.low for one in found.evaluation.headline.values()} == {None}
    text = " ".join(result_lines(found))
    assert "3 groups (data.group): there is no interval, which takes at least 5" in text
    page = tlf.write_report(run_copy, images=False, neighbours=False).read_text()
    assert "there is no interval, which takes at least 5" in page
    assert "so the intervals are wide" not in page


def test_an_older_run_finds_them_in_its_column_where_images_still_are(run_copy, images, tmp_path):
    table = tmp_path / "images.csv"
    every = [path.relative_to(images) for path in sorted(images.rglob("*.jpg"))]
    table.write_text("\n".join(["path,label,split,patient", *(
        f"{one},{one.parts[1]},{one.parts[0]},{one.parts[0]}{number % 7}"
        for number, one in enumerate(every))]))  # fmt: skip
    recipe, data = run_copy / "recipe.toml", f'kind = "csv"\nfile = "{table}"\nroot = "{images}"'
    before, _, rest = recipe.read_text().partition("[data]\n")
    after = rest[rest.index("\n[") :]
    recipe.write_text(f'{before}[data]\n{data}\ngroup = "patient"\n{after}')
    assert evaluate(run_copy).evaluation.groups == 7
    page = tlf.write_report(run_copy, images=False, neighbours=False).read_text()
    assert "It is not known which of these images belong together" in page
    assert "This finds it out: tlf evaluate" in page
    table.unlink()
    found = evaluate(run_copy)
    assert (found.evaluation.groups, found.groups_unknown) == (None, True)
    assert UNKNOWN in [*cautions(found)]


def test_other_images_are_grouped_by_a_pattern_over_their_names(run, images, tmp_path):
    root = shutil.copytree(images / "val", tmp_path / "other")
    assert evaluate(run, root).evaluation.groups == 11
    found = evaluate(run, root, overrides=[f"data.group={FEW}"])
    assert (found.evaluation.groups, found.groups_unknown) == (3, False)
    with pytest.raises(DataError, match=r"data\.group must be a pattern over names"):
        evaluate(run, root, overrides=["data.group=patient"])
    with pytest.raises(DataError, match=r"data\.group must match the name of every image"):
        evaluate(run, root, overrides=["data.group=(odd)"])
    for shape in ("circles", "squares"):
        for path in (root / shape).iterdir():
            path.rename(path.with_suffix(".jpeg"))
    odd = evaluate(run, root)
    assert (odd.evaluation.groups, odd.groups_unknown) == (None, True)


def test_groups_that_are_not_of_every_image_are_not_known(run_copy):
    names = [row["path"] for row in predictions(run_copy)]
    grouped(run_copy, 'group = "patient"')
    (run_copy / FILE).write_text(f"path,group\n{names[0]},a\n")
    assert stored_groups(run_copy, names) is None


def test_a_table_that_the_recipe_knows_nothing_of_does_not_count(run_copy):
    names = [row["path"] for row in predictions(run_copy)]
    write_groups(run_copy, names, names)
    assert stored_groups(run_copy, names) is None
    grouped(run_copy, 'group = "patient"')
    assert stored_groups(run_copy, names).tolist() == [*range(11)]


def test_a_soup_takes_the_groups_of_its_runs(run):
    own = on_own_split(run, load_classifier(run), unwatched)
    assert [*own.groups] == [*read_groups(run).values()]
    assert own.predicted.groups.tolist() == [*range(11)]
