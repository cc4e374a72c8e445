"""What a report has found out about images, found again."""

import json

import pytest

from generators import exhausted
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import read_plan, with_splits
from tlf.reports.run_images import images_of
from tlf.reports.run_report import record_of
from tlf.reports.stored_images import stored_comparisons
from tlf.runs import finished


@pytest.fixture
def compare(run_copy, monkeypatch, tmp_path):
    """Compares the images of a run, and says whether its model was opened for it."""
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    opened, open_run = [], finished.open_finished
    monkeypatch.setattr(
        finished, "open_finished", lambda *given: opened.append(given) or open_run(*given)
    )

    def compared():
        opened.clear()
        predicted = read_predictions(run_copy / "predictions.csv")
        found, _ = exhausted(images_of(record_of(run_copy), predicted, embed=True))
        return found, bool(opened)

    return compared


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
