import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.inference.tables.groups import write_groups
from tlf.metrics.paired import over_seeds, over_splits
from tlf.studies.compare.candidates import _same_groups
from tlf.studies.compare.results import Results, on_same_images, read_results

LABELS = dict.fromkeys("abcdefghij", "ant")


def write(folder, rows):
    """Predictions of two classes: name → whether its label, ant, is predicted."""
    folder.mkdir(parents=True)
    lines = ["path,label,predicted,p_ant,p_bee"]
    lines += [f"{name},ant,{'ant,0.9,0.1' if right else 'bee,0.1,0.9'}" for name, right in rows]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    (folder / "recipe.toml").write_text("[data]\n")
    return folder


def with_groups(run, groups):
    """A run whose recipe has ``data.group``."""
    (run / "recipe.toml").write_text('[data]\ngroup = "patient"\n')
    write_groups(run, [*groups], [*groups.values()])
    return run


def test_each_image_is_held_out_once_and_seeds_are_rows(tmp_path):
    rows = {
        1: ([("d", 1), ("a", 0)], [("d", 0), ("a", 1)]),
        2: ([("c", 1), ("b", 1)], [("c", 1), ("b", 0)]),
    }
    runs = {
        fold: [write(tmp_path / f"{fold}-{seed}", own) for seed, own in enumerate(seeds)]
        for fold, seeds in rows.items()
    }
    found = read_results(runs)
    assert [*found.labels] == ["a", "b", "c", "d"]
    assert found.per_image.tolist() == [[0, 1, 1, 1], [1, 0, 1, 0]]
    assert found.folds.tolist() == [0, 1, 1, 0]
    assert found.of_folds == (0.5, 0.75)


def test_without_folds_there_are_seeds_alone(tmp_path):
    found = read_results({None: [write(tmp_path / "0", [("b", 1), ("a", 0)])]})
    assert (found.per_image.tolist(), found.folds, found.of_folds) == ([[0, 1]], None, ())
    other = write(tmp_path / "1", [("b", 1)])
    with pytest.raises(DataError, match=r"same images, and .*1 has others; remove that folder"):
        read_results({None: [found.run, other]})
    with pytest.raises(DataError, match="1 has others"):
        on_same_images({"x": found, "y": read_results({None: [other]})})


def test_each_fold_has_its_own_map_where_images_have_several_labels(tmp_path):
    random, runs, maps = np.random.default_rng(2), {}, []
    for fold in (1, 2):
        labels, scores = random.random((8, 2)) < 0.5, random.random((8, 2)).round(2)
        labels[0] = True
        rows, given = ([json.dumps([name for name, mark in zip("ab", row, strict=True) if mark])
                        .replace('"', '""') for row in marks]
                       for marks in (labels, scores >= 0.5))  # fmt: skip
        lines = [
            f'{fold}-{n},"{row}","{said}",{one},{other}'
            for n, (row, said, (one, other)) in enumerate(zip(rows, given, scores, strict=True))
        ]
        folder = tmp_path / str(fold)
        folder.mkdir()
        text = "\n".join(["path,labels,predicted_labels,p_a,p_b", *lines])
        (folder / "predictions.csv").write_text(f"{text}\n")
        (folder / "recipe.toml").write_text("[data]\n")
        runs[fold] = [folder]
        maps.append(average_precision_score(labels, scores, average="macro"))
    found = read_results(runs)
    assert found.of_folds == pytest.approx(maps)
    assert {*found.labels.values()} <= {"", "a", "b", "a; b"}


def test_seeds_of_a_fold_are_one_result(tmp_path):
    random = np.random.default_rng(0)
    folds = np.arange(10) % 5
    one, other = (Results(tmp_path, LABELS, random.integers(0, 2, (3, 10)) * 1.0, folds)
                  for _ in range(2))  # fmt: skip
    means = [each.per_image.mean(0, keepdims=True) for each in (one, other)]
    assert other.better_than(one) == over_splits(means[0], means[1], folds[None])
    assert other.better_than(one).draws == 5
    plain = [Results(tmp_path, LABELS, each.per_image) for each in (one, other)]
    assert plain[1].better_than(plain[0]) == over_seeds(one.per_image, other.per_image)


def test_groups_are_those_of_the_images_by_name(tmp_path):
    names = [f"{number:02}" for number in range(20)]
    groups = {name: f"p{number % 7}" for number, name in enumerate(names)}
    random = np.random.default_rng(0)
    runs = [
        write(tmp_path / f"{seed}", zip(names[::-1], random.random(20) < 0.7, strict=True))
        for seed in range(5)
    ]
    plain = read_results({None: runs})
    with_groups(runs[1], groups)
    found = read_results({None: runs})
    assert [*found.groups] == [number % 7 for number in range(20)]
    never = np.zeros_like(found.per_image)
    told = found.better_than(replace(found, per_image=never))
    assert told == over_seeds(never, found.per_image, found.groups)
    assert (told.groups, plain.groups) == (7, None)
    folds = np.arange(20) % 7 % 5
    dealt = replace(found, folds=folds)
    mean = found.per_image.mean(0, keepdims=True)
    assert dealt.better_than(replace(dealt, per_image=never)) == over_splits(
        never[:1], mean, folds[None], found.groups
    )


def test_all_candidates_have_the_groups_that_one_knows(tmp_path):
    one, other = (
        {fold: [write(tmp_path / f"{name}-{fold}", [(f"{fold}a", 1), (f"{fold}b", 0)])]
         for fold in (1, 2)} for name in "xy"
    )  # fmt: skip
    with_groups(other[1][0], {"1a": "p", "1b": "q"})
    with_groups(other[2][0], {"2a": "q", "2b": "p"})
    results = {"x": read_results(one), "y": read_results(other)}
    assert results["x"].groups is None
    assert [[*found.groups] for found in on_same_images(results).values()] == [[0, 1, 1, 0]] * 2
    with_groups(other[2][0], {"2a": "p"})  # one image is missing
    results = {"x": read_results(one), "y": read_results(other)}
    assert [found.groups for found in on_same_images(results).values()] == [None, None]


def test_recipes_have_the_same_groups_or_none():
    def plan(*groups):
        split = Split(("a", "b"), (0, 1), str.encode, groups=groups or None)
        return SimpleNamespace(splits=Splits(split, split, ("x", "y")))

    assert _same_groups(plan("p", "q"), plan("p", "q"))
    assert _same_groups(plan("p", "q"), plan())
    assert not _same_groups(plan("p", "q"), plan("p", "p"))
