"""What a report has found out about images, found again."""

import json
import shutil
from dataclasses import replace

import pytest

from generators import exhausted
from tlf.data.inspection.inspect import inspect_splits
from tlf.data.inspection.known_rows import KnownRows
from tlf.data.splits import ReadFile
from tlf.inference.predictions import read_predictions
from tlf.preprocessing import Preprocessing
from tlf.recipe.plan import cache_of, read_plan, with_splits
from tlf.reports.ranking import shown_first
from tlf.reports.run_images import images_of
from tlf.reports.run_report import record_of
from tlf.reports.stored_images import stored_comparisons
from tlf.runs import finished
from tlf.runtime.devices import start_accelerator
from tlf.runtime.seal import digest, seal
from tlf.tasks.single_label import SingleLabel


@pytest.fixture
def comparing(monkeypatch):
    """Compares the images of a run, and says whether its model was opened for it."""
    opened, open_run = [], finished.open_finished
    monkeypatch.setattr(
        finished, "open_finished", lambda *given: opened.append(given) or open_run(*given)
    )

    def compared(folder, **asked):
        opened.clear()
        predicted = read_predictions(folder / "predictions.csv")
        first = shown_first(predicted)
        found, _ = exhausted(images_of(record_of(folder), predicted, first, embed=True, **asked))
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


def test_many_images_are_checked_where_somebody_asks_for_it(comparing, head_copy, monkeypatch):
    monkeypatch.setattr("tlf.reports.run_images.CHECKED", 30)
    found, _ = comparing(head_copy)
    assert found.findings is None
    assert len(found.neighbours) == 11
    (why,) = found.missing
    assert why.startswith("The 31 images were not checked for faults")
    assert why.endswith(f"tlf report {head_copy} --check.")
    checked, _ = comparing(head_copy, check=True)
    assert checked.findings
    assert checked.missing == ()
    again, _ = comparing(head_copy)  # what was found is shown from then on
    assert (again.findings, again.missing) == (checked.findings, ())


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


def test_files_that_a_run_knew_by_stat_are_not_read_for_its_report(
    comparing, head_copy, monkeypatch
):
    """As in the run, unless they have changed."""
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", 0)
    provenance = head_copy / "provenance.json"
    about = json.loads(provenance.read_text())
    provenance.write_text(json.dumps(about | {"verify": "stat"}))
    plan = with_splits(read_plan(head_copy / "recipe.toml"))
    cache, accelerator = cache_of(plan.recipe), start_accelerator("no")
    how = Preprocessing(size=32, resize=36)
    exhausted(
        inspect_splits(plan.splits, how, "error", SingleLabel(), accelerator, cache, verify="stat")
    )
    read, reads = ReadFile.__call__, []
    monkeypatch.setattr(
        ReadFile, "__call__", lambda self, index: reads.append(index) or read(self, index)
    )
    first, _ = comparing(head_copy)  # its check reads them all
    reads.clear()
    found, _ = comparing(head_copy)
    assert (found.findings, reads) == (first.findings, [])
    monkeypatch.setattr(KnownRows, "digest", lambda *_: None)
    comparing(head_copy)
    assert len(reads) == 31


def key(folder):
    plan = with_splits(read_plan(folder / "recipe.toml"))
    stored = stored_comparisons(folder, plan, plan.splits)
    return stored and stored.key.name


def test_a_run_without_its_model_has_no_key(run_copy):
    assert key(run_copy) == key(run_copy)
    (run_copy / "model.safetensors").unlink()
    assert key(run_copy) is None


def _edit_predictions(run, images, monkeypatch):
    path = run / "predictions.csv"
    path.write_text(path.read_text() + "\n")


def _edit_provenance(run, images, monkeypatch):
    path = run / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))


def _edit_recipe(run, images, monkeypatch):
    path = run / "recipe.toml"
    path.write_text(path.read_text().replace("seed = 4", "seed = 5"))


def _train_other_weights(run, images, monkeypatch):
    path = run / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content.replace(digest(bytes(path.read_bytes())).encode(), b"0" * 64))
    seal(path)


def _edit_image(run, images, monkeypatch):
    path = images / "val" / "circles" / "000.jpg"
    path.write_bytes(path.read_bytes() + b" ")


def _move_image(run, images, monkeypatch):
    (images / "train" / "circles" / "000.jpg").rename(images / "train" / "squares" / "moved.jpg")


def _edit_tlf(run, images, monkeypatch):
    monkeypatch.setattr("tlf.runs.identity.engine", lambda: "other code")


def _upgrade_torch(run, images, monkeypatch):
    monkeypatch.setattr("tlf.runs.identity._versions", lambda: {"torch": "of tomorrow"})


def _upgrade_scipy(run, images, monkeypatch):
    monkeypatch.setattr("tlf.reports.stored_images.version", lambda name: f"{name} of tomorrow")


def _upgrade_decoder(run, images, monkeypatch):
    monkeypatch.setattr("tlf.reports.stored_images.decoders", lambda: {"pillow": "of tomorrow"})


@pytest.mark.parametrize(
    "change",
    [_edit_predictions, _edit_provenance, _edit_recipe, _train_other_weights, _edit_image,
     _move_image, _edit_tlf, _upgrade_torch, _upgrade_scipy, _upgrade_decoder],
)  # fmt: skip
def test_what_may_change_a_result_changes_its_key(change, run_copy, images, tmp_path, monkeypatch):
    own = shutil.copytree(images, tmp_path / "images")
    recipe = run_copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(images), str(own)))
    before = key(run_copy)
    change(run_copy, own, monkeypatch)
    assert key(run_copy) not in (before, None)


@pytest.mark.parametrize("length", [2**63, 2**40])
def test_a_model_whose_header_is_of_no_length_is_damaged(compare, run_copy, length):
    path = run_copy / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    found, _ = compare()
    assert "is damaged" in found.missing[0] or "not a safetensors file" in found.missing[0]


def test_packages_that_a_plugin_may_call_are_part_of_the_key(run_copy, monkeypatch):
    plan = with_splits(read_plan(run_copy / "recipe.toml"))
    names = set()
    for plugins in (plan.plugins, replace(plan.plugins, loaded=(*plan.plugins.loaded,) * 2)):
        for installed in ("a-1", "a-2"):
            monkeypatch.setattr("tlf.reports.stored_images.installed", lambda n=installed: {n})
            plan = replace(plan, plugins=plugins)
            names.add(stored_comparisons(run_copy, plan, plan.splits).key.name)
    assert len(names) == 3
