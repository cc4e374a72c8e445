"""Recipes are compared over seeds; runs that are there are not made again."""

import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import tlf
from places import ROOT
from shapes import draw_shapes, shapes_recipe
from small import write_recipe
from tlf.errors import DataError, RecipeError, RunError, StoppedError
from tlf.evaluation.groups import UNKNOWN
from tlf.events import Notice, Prepared
from tlf.inference.predictions import read_predictions
from tlf.inference.tables.groups import write_groups
from tlf.metrics.paired import over_seeds
from tlf.runs.owner import owned
from tlf.studies.accuracy import percent
from tlf.studies.compare.compare import compare
from tlf.studies.compare.compared import Compared, ComparedRun
from tlf.studies.compare.files import write_comparison
from tlf.training.checkpoint.requests import ask

HEAD = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 2\nlr = 0.05\n'


@pytest.fixture(scope="module")
def compared(tmp_path_factory, images):
    """A slow and a fast head, three seeds each: all events."""
    root = tmp_path_factory.mktemp("compared")
    slow = write_recipe(root / "slow.toml", images, HEAD.replace("0.05", "1e-9"))
    fast = write_recipe(root / "fast.toml", images, HEAD)
    return [*compare([slow, fast], seeds=3, output=root / """it's "both\"""")]


def test_figures_are_those_of_the_runs(compared):
    found = compared[-1]
    assert isinstance(found, Compared)
    assert (found.images, found.seeds, len(found.recipes)) == (11, (0, 1, 2), 2)
    right = {}
    for one in found.recipes:
        runs = [found.folder / "runs" / f"{one.name}-seed-{seed}" for seed in found.seeds]
        assert [tomllib.loads((run / "recipe.toml").read_text())["seed"] for run in runs] == [
            0, 1, 2,
        ]  # fmt: skip
        tables = [read_predictions(run / "predictions.csv") for run in runs]
        right[one.name] = np.stack([t.predicted == t.labels for t in tables]).astype(float)
        assert one.of_seeds == tuple(right[one.name].mean(1))
        assert one.accuracy.value == pytest.approx(right[one.name].mean())
        assert 0 <= one.accuracy.low <= one.accuracy.value <= one.accuracy.high
        seconds = [sum(e.seconds for e in tlf.read_history(run)) for run in runs]
        assert one.seconds == pytest.approx(np.mean(seconds))
    best, other = found.recipes
    assert best.behind is None
    assert other.behind == over_seeds(right[best.name], right[other.name])
    assert "no verdict from 3 seeds; it takes at least 5" in str(found)
    assert compared[0] == Notice("3 seeds give figures and no verdict, which takes 5")  # at once


@pytest.mark.slow
def test_recipes_for_several_labels_are_compared_by_map(tmp_path, images):
    table = draw_shapes(tmp_path, 28, 12)
    slow = shapes_recipe(tmp_path / "slow.toml", table, {"phases": [
        {"name": "head", "freeze": "backbone", "epochs": 1, "lr": 1e-9}]})  # fmt: skip
    fast = shapes_recipe(tmp_path / "fast.toml", table, {})
    *_, found = compare([slow, fast], seeds=2, output=tmp_path / "out")
    for one in found.recipes:
        for seed, figure in enumerate(one.of_seeds):
            read = read_predictions(tmp_path / f"out/runs/{one.name}-seed-{seed}/predictions.csv")
            known = average_precision_score(read.labels, read.probabilities, average="macro")
            assert figure == pytest.approx(known)
    assert "mAP" in str(found)
    single = write_recipe(tmp_path / "single.toml", images, HEAD)
    with pytest.raises(RecipeError, match="must have the same task, got multi-label in"):
        [*compare([slow, single], seeds=2, output=tmp_path / "other")]


def test_progress_names_the_run_and_how_many_there_are(compared):
    titles = [*dict.fromkeys(e.title for e in compared if isinstance(e, Prepared))]
    own = [title for title in titles if "seed" in title]
    assert own[0] == "slow, seed 0 (1 of 6)"
    assert own[-1] == "fast, seed 2 (6 of 6)"


def test_each_run_that_ends_is_told(compared):
    found = compared[-1]
    told = [event for event in compared if isinstance(event, ComparedRun)]
    assert [event.title for event in told[::5]] == [
        "slow, seed 0 (1 of 6)", "fast, seed 2 (6 of 6)"
    ]  # fmt: skip
    accuracies = {one.name: one.of_seeds for one in found.recipes}
    assert tuple(event.accuracy for event in told[::2]) == pytest.approx(accuracies["slow"])
    # Until each recipe has run once, nobody knows how long the others take.
    assert [event.left > 0 for event in told] == [False, *[True] * 4, False]
    assert str(told[-1]) == f"{told[-1].title}: top-1 {percent(told[-1].accuracy)}"
    assert re.fullmatch(r".+: top-1 \d+\.\d%; about [\d.]+ (s|min \d+ s) left", str(told[1]))
    assert told[1].folder == found.folder / "runs" / "fast-seed-0"


def test_no_page_is_replaced_that_tells_of_other_recipes(compared, tmp_path, images):
    folder = shutil.copytree(compared[-1].folder, tmp_path / "both")
    page = write_comparison(replace(compared[-1], folder=folder))
    before = page.read_bytes()
    slow = compared[-1].folder.parent / "slow.toml"
    other = write_recipe(tmp_path / "other.toml", images, HEAD)
    told = "holds a comparison with 'fast', whose page this one would replace; write --output"
    with pytest.raises(RunError, match=told):
        [*compare([slow, other], seeds=3, output=folder)]
    assert page.read_bytes() == before
    assert not [*folder.glob("runs/other*")]


def test_the_same_command_goes_on_and_makes_no_run_twice(compared, tmp_path, images):
    found = compared[-1]
    folder = shutil.copytree(found.folder, tmp_path / "both")
    root = found.folder.parent
    shutil.rmtree(folder / "runs" / "fast-seed-1")
    again = [*compare([root / "slow.toml", root / "fast.toml"], seeds=3, output=folder)]
    own = {e.title for e in again if isinstance(e, Prepared) and "seed" in e.title}
    assert own == {"fast, seed 1 (4 of 6)"}
    assert [e.title for e in again if isinstance(e, ComparedRun)] == ["fast, seed 1 (4 of 6)"]
    assert [one.of_seeds for one in again[-1].recipes] == [one.of_seeds for one in found.recipes]
    with pytest.raises(RunError, match=r"holds a run of another recipe \(phases.0.epochs diff"):
        [*compare([root / "slow.toml", root / "fast.toml"], ["phases.0.epochs=3"], output=folder)]
    record = folder / "runs" / "slow-seed-0" / "recipe.toml"
    text = record.read_text()
    record.write_text(text.replace('sampler = "shuffled"\n', ""))  # of an older tlf
    *_, last = compare([root / "slow.toml", root / "fast.toml"], seeds=2, output=folder)
    assert isinstance(last, Compared)
    record.write_text(f"clip_grad_norm = 1.0\n{text}")
    with pytest.raises(RunError, match=r"holds a run of another recipe \(clip_grad_norm differs\)"):
        [*compare([root / "slow.toml", root / "fast.toml"], output=folder)]
    record.write_text(text)
    for name in ("model.safetensors", "recipe.toml"):
        (folder / "runs" / "slow-seed-0" / name).unlink()
    with pytest.raises(RunError, match=r"slow-seed-0 must be a run, got 'head.safetensors' in"):
        [*compare([root / "slow.toml", root / "fast.toml"], output=folder)]
    shutil.rmtree(folder / "runs" / "slow-seed-0")
    (folder / "runs" / "slow-seed-0" / ".recipe.toml.part").mkdir(parents=True)  # it was killed
    *_, last = compare([root / "slow.toml", root / "fast.toml"], seeds=2, output=folder)
    assert [one.of_seeds for one in last.recipes] == [o.of_seeds[:2] for o in found.recipes]


def test_groups_are_those_that_runs_have_stored(compared, tmp_path):
    """Whatever the dataset says by now, of which images may be gone."""
    folder = shutil.copytree(compared[-1].folder, tmp_path / "both")
    recipes = [compared[-1].folder.parent / name for name in ("slow.toml", "fast.toml")]
    stored = [
        folder / "runs" / f"{name}-seed-{seed}" for name in ("slow", "fast") for seed in (0, 1)
    ]
    for run in stored:
        names = read_predictions(run / "predictions.csv").names
        write_groups(run, names, [f"{number // 2}" for number in range(11)])
        text = (run / "recipe.toml").read_text()
        text = text.replace("[data]\n", "[data]\ngroup = '^(.*)[.]jpg'\n", 1)
        (run / "recipe.toml").write_text(text)
    asked = {"overrides": ["data.group=^(.*)[.]jpg"], "seeds": 2, "output": folder}
    *before, found = compare(recipes, **asked)
    assert found.groups == 6
    assert Notice(UNKNOWN) not in before
    for run in stored:
        write_groups(run, names[1:], names[1:])
    *_, told, found = compare(recipes, **asked)
    assert (told, found.groups) == (Notice(UNKNOWN), None)


def test_one_process_at_a_time_compares_in_a_folder(compared):
    root = compared[-1].folder.parent
    with owned(compared[-1].folder), pytest.raises(RunError, match="another comparison is running"):
        next(compare([root / "slow.toml", root / "fast.toml"], output=compared[-1].folder))
    assert not (compared[-1].folder / "lock").exists()


@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_stops_the_comparison_which_goes_on_later(compared, tmp_path):
    recipes = [compared[-1].folder.parent / name for name in ("slow.toml", "fast.toml")]
    run = tmp_path / "both" / "runs" / "slow-seed-0"
    stopped = compare(recipes, seeds=2, output=tmp_path / "both")
    next(e for e in stopped if isinstance(e, Prepared) and "seed 0" in e.title)
    ask(run)
    with pytest.raises(StoppedError, match=r"request in slow, seed 0 \(1 of 4\); what is done"):
        list(stopped)
    *_, found = compare(recipes, seeds=2, output=tmp_path / "both")
    one = next(one for one in found.recipes if one.name == "slow")
    assert one.of_seeds == next(o for o in compared[-1].recipes if o.name == "slow").of_seeds[:2]


def test_runs_on_other_images_are_named(compared, tmp_path):
    folder = shutil.copytree(compared[-1].folder, tmp_path / "both")
    root = compared[-1].folder.parent
    record = folder / "runs" / "fast-seed-1" / "provenance.json"
    before = record.read_text()
    for split in ("train", "eval"):
        digest = json.loads(before)["data_sha256"][split]
        record.write_text(before.replace(digest, "0"))
        with pytest.raises(RunError, match=rf"the same {split} images, .* those of .*fast-seed-1"):
            [*compare([root / "slow.toml", root / "fast.toml"], seeds=3, output=folder)]
    record.write_text(before)
    first = json.loads((folder / "runs" / "fast-seed-0" / "provenance.json").read_text())
    drawn = json.loads(before)["backbone_sha256"]  # from the seed
    record.write_text(before.replace(drawn, first["backbone_sha256"]))
    with pytest.raises(RunError, match=r"start from the same weights, and those of .*-seed-2 dif"):
        [*compare([root / "slow.toml", root / "fast.toml"], seeds=3, output=folder)]
    record.write_text(before)
    table = folder / "runs" / "fast-seed-2" / "predictions.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match=r"the same images, and .*fast-seed-2 has others"):
        [*compare([root / "slow.toml", root / "fast.toml"], seeds=3, output=folder)]


def test_files_for_programs_and_people(compared):
    page = tlf.write_comparison(compared[-1])
    content = json.loads((page.parent / "compare.json").read_text())
    assert content["format"] == 1
    best, other = content["recipes"]
    assert best["difference_from_best"] is None
    assert other["difference_from_best"]["distinguishable"] is False
    assert "no verdict from 3 seeds" in other["difference_from_best"]["verdict"]
    html = page.read_text()
    assert "no verdict from 3 seeds" in html
    assert 'aria-labelledby="recipes-title recipes-desc"' in html
    document = (ROOT / "tlf/studies/compare/README.md").read_text().partition("# `compare.json`")[2]
    keys = {*content, *content["intervals"], *other, *other["difference_from_best"]}
    assert keys <= {*re.findall(r"`(\w+)`", document)}


@pytest.mark.parametrize(
    ("recipes", "given", "told"),
    [
        (["a"], {}, "recipes must be two or more, got one"),
        (["a", "a"], {"seeds": 1}, "seeds must be 2 or more, got 1"),
        (["a", "a"], {"preset": "rates"}, "a preset must be given one recipe, got 2"),
        (["a"], {"preset": "rate"}, "did you mean 'rates'"),
        (["a", "gone"], {}, "gone"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(tmp_path, images, recipes, given, told):
    write_recipe(tmp_path / "a", images, HEAD)
    with pytest.raises((RecipeError, RunError), match=told):
        next(compare([tmp_path / name for name in recipes], output=tmp_path / "out", **given))
    assert not (tmp_path / "out").exists()


def test_recipes_with_other_classes_or_one_eval_image_are_refused(tmp_path, images):
    more = Path(shutil.copytree(images, tmp_path / "more"))
    shutil.copytree(more / "train" / "circles", more / "train" / "stars")
    recipes = [write_recipe(tmp_path / f"{p.name}.toml", p, HEAD) for p in (images, more)]
    given = ["data.missing_in_eval=allow"]
    with pytest.raises(RecipeError, match=r"must have the same classes, got 'stars' in .*more\.t"):
        next(compare(recipes, given, output=tmp_path / "out"))
    for path in [*(more / "val").rglob("*.jpg")][1:]:
        path.unlink()
    with pytest.raises(RecipeError, match="must evaluate 2 images or more, got 1; add"):
        next(compare([recipes[1], recipes[1]], given, output=tmp_path / "out"))


def test_recipes_with_other_eval_images_are_refused(tmp_path, images, drawn):
    one = write_recipe(tmp_path / "one.toml", images, HEAD)
    two = write_recipe(tmp_path / "two.toml", drawn(tmp_path / "others", 4, 3), HEAD)
    with pytest.raises(RecipeError, match=r"the same images .*, got 11 in .* and 6 in .*one and"):
        next(compare([one, two], output=tmp_path / "out"))


@pytest.mark.parametrize("seeds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_recipes_are_compared_over_folds(tmp_path, images, seeds):
    slow = write_recipe(tmp_path / "slow.toml", images, HEAD.replace("0.05", "1e-9"))
    fast = write_recipe(tmp_path / "fast.toml", images, HEAD)
    keys = ["phases.0.epochs=1", "data.test=0.2"]
    events = [*compare([slow, fast], keys, folds=2, seeds=seeds, output=tmp_path / "folds")]
    found = events[-1]
    assert (found.folds, found.images, found.seeds) == (2, 27, (*range(seeds),))  # 4 of 31 are kept
    assert events[0] == Notice("2 folds give figures and no verdict, which takes 5")
    titles = [*dict.fromkeys(e.title for e in events if isinstance(e, Prepared))]
    own = [title for title in titles if "seed" in title]
    assert own[0] == f"slow, fold 1, seed 0 (1 of {4 * seeds})"
    assert len(own) == 4 * seeds
    assert own[-1] == f"fast, fold 2, seed {seeds - 1} ({4 * seeds} of {4 * seeds})"
    for one in found.recipes:
        runs = [found.folder / "runs" / f"{one.name}-fold-{fold}-seed-0" for fold in (1, 2)]
        tables = [read_predictions(run / "predictions.csv") for run in runs]
        names = [name for table in tables for name in table.names]
        assert len({*names}) == len(names) == 27
        right = [np.mean(table.predicted == table.labels) for table in tables]
        assert len(one.of_folds) == 2
        if seeds == 1:
            assert one.of_folds == pytest.approx(tuple(right))
    best, other = found.recipes
    assert (best.behind, other.behind.draws, other.behind.images) == (None, 2, 27)
    text = str(found)
    assert f"2 folds of 27 images, each held out once, {seeds} seed" in text
    assert "worst–best fold" in text
    assert "no verdict from 2 folds; it takes at least 5" in text
    page = tlf.write_comparison(found).read_text()
    assert "strokes: each fold" in page
    assert "Worst fold" in page
    assert json.loads((found.folder / "compare.json").read_text())["folds"] == 2
    with pytest.raises(RunError, match="folds must be 2 or more, got 1; five or more allow"):
        [*compare([slow, fast], folds=1)]
