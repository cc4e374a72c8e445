"""What a report has found out about images, found again."""

import json
import shutil

import pytest

from generators import exhausted
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import read_plan, with_splits
from tlf.reports.run_images import images_of
from tlf.reports.run_report import record_of
from tlf.reports.stored_images import stored_comparisons
from tlf.runs import finished


@pytest.fixture
def comparing(monkeypatch):
    """Compares the images of a run, and says whether its model was opened for it."""
    opened, open_run = [], finished.open_finished
    monkeypatch.setattr(
        finished, "open_finished", lambda *given: opened.append(given) or open_run(*given)
    )

    def compared(folder):
        opened.clear()
        predicted = read_predictions(folder / "predictions.csv")
        found, _ = exhausted(images_of(record_of(folder), predicted, embed=True))
        return found, bool(opened)

    return compared


@pytest.fixture
def compare(comparing, run_copy, monkeypatch, tmp_path):
    """The same for one run, whose cache is empty."""
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    return lambda: comparing(run_copy)


def test_a_second_report_finds_all_of_it_without_the_model(compare):
    first, opened = compare()
    assert opened
    second, opened = compare()
    assert not opened
    assert (second.findings, second.missing) == (first.findings, first.missing)
    assert [*second.neighbours] == [*first.neighbours]
    for image, near in first.neighbours.items():
        again = second.neighbours[image]
        assert [(one.name, one.label, one.similarity, one.read()) for one in near] == [
            (one.name, one.label, one.similarity, one.read()) for one in again
        ]
    suspect = next(iter(first.findings.duplicates)).images[0]
    assert second.read_found(suspect) == first.read_found(suspect)


def test_a_first_report_from_stored_features_finds_what_the_model_would(comparing, head_copy):
    first, opened = comparing(head_copy)
    assert not opened
    for kind in ("embeddings", "comparisons", "findings"):
        (entry,) = (head_copy.parent / "cache").rglob(f"{kind}-*")
        shutil.rmtree(entry)
    by_model, opened = comparing(head_copy)
    assert opened
    assert (first.findings, first.missing) == (by_model.findings, by_model.missing)
    assert [*first.neighbours] == [*by_model.neighbours]
    for image, near in first.neighbours.items():
        other = by_model.neighbours[image]
        assert [(one.name, one.similarity) for one in near] == [
            (one.name, one.similarity) for one in other
        ]
    assert first.read(3) == by_model.read(3)


def test_a_changed_image_is_looked_at_anew(comparing, head_copy, images, tmp_path):
    moved = shutil.copytree(images, tmp_path / "images")
    recipe = head_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(moved)))
    (moved / "val/squares/000.jpg").write_bytes((moved / "train/circles/000.jpg").read_bytes())
    found, opened = comparing(head_copy)
    assert opened
    assert found.missing == (
        "The images have changed since the run: the page shows them as they are now.",
    )
    assert any(group.exact for group in found.findings.leaks)


def test_other_predictions_are_compared_anew(compare, run_copy):
    compare()
    predictions = run_copy / "predictions.csv"
    predictions.write_text(predictions.read_text() + "\n")
    assert compare()[1]


def key(folder):
    plan = with_splits(read_plan(folder / "recipe.toml"))
    stored = stored_comparisons(folder, plan, plan.splits)
    return stored and stored.key.name


def test_the_key_is_of_the_model_and_its_files(run_copy):
    before = key(run_copy)
    assert key(run_copy) == before
    provenance = run_copy / "provenance.json"
    provenance.write_text(json.dumps(json.loads(provenance.read_text()) | {"more": 1}))
    assert key(run_copy) != before
    (run_copy / "model.safetensors").unlink()
    assert key(run_copy) is None
