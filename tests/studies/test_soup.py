"""Runs that share their start are averaged, and the mean is used as a run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score

import tlf
from shapes import draw_shapes, shapes_recipe
from small import write_recipe
from tlf.errors import DataError, RunError, WeightsError
from tlf.inference.calibrated import calibrate
from tlf.inference.metadata import read_metadata
from tlf.inference.model_files import save_model
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import read_plan
from tlf.runs.provenance import provenance
from tlf.runtime.devices import start_accelerator
from tlf.runtime.stored.state import state_file
from tlf.studies.soup.soup import soup
from tlf.tasks import TASKS
from tlf.training.job import open_job

MEMBER = """
[[phases]]
name = "all"
freeze = { kind = "up-to", stage = "layer2" }
epochs = 1
"""
FILES = {"head.safetensors", "model.safetensors", "predictions.csv", "provenance.json",
         "recipe.toml", "soup.json"}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory, finished, images):
    """Three runs that have started from one model, with other rates and seeds."""
    root, found = tmp_path_factory.mktemp("soup"), []
    for seed, lr in enumerate((0.003, 0.03, 0.3)):
        text = f'seed = {seed}\nstart_from = "{finished}"\n{MEMBER}lr = {lr}\n'
        *_, _ = tlf.run(write_recipe(root / f"{seed}.toml", images, text, output=f"{seed}"))
        found.append(root / str(seed))
    return found


@pytest.fixture(scope="module")
def uniform(runs):
    """The mean of all of them, in a folder beside one that was there before."""
    (runs[0].parent / "uniform").mkdir()
    found = soup(runs, uniform=True, output=runs[0].parent / "uniform")
    assert found.folder == runs[0].parent / "uniform-2"
    return found


@pytest.mark.slow
def test_a_soup_of_models_of_several_labels_is_chosen_by_map(tmp_path):
    table = draw_shapes(tmp_path, 28, 24)
    phases = [{"name": "head", "freeze": "backbone", "epochs": 1, "lr": 0.05}]
    [*_] = tlf.run(shapes_recipe(tmp_path / "start.toml", table, {"phases": phases}))
    start = {"start_from": str(tmp_path / "run"), "phases": [{**phases[0], "freeze": "norms"}]}
    runs = []
    for seed in range(3):
        runs.append(tmp_path / f"run-{seed}")
        changes = {**start, "seed": seed, "output": str(runs[-1])}
        [*_] = tlf.run(shapes_recipe(tmp_path / f"{seed}.toml", table, changes))
    found = soup(runs, output=tmp_path / "soup")

    def of(folder):
        return read_predictions(folder / "predictions.csv")

    def known(read):
        return average_precision_score(read.labels, read.probabilities, average="macro")

    alone = [known(of(run)) for run in runs]
    assert [one.accuracy.value for one in found.tried] == pytest.approx(sorted(alone)[::-1])
    assert found.accuracy.value == pytest.approx(known(of(found.folder)))
    assert found.accuracy.value >= max(alone)
    assert "mAP" in str(found)
    thresholds = read_metadata(found.folder / "model.safetensors").calibrated["thresholds"]
    given = of(found.folder)
    assert (given.predicted == (given.probabilities >= np.array(thresholds))).all()


def tensors(folder):
    return load_file(folder / "model.safetensors")


def test_the_mean_is_that_of_the_files(runs, uniform, finished):
    found, start = tensors(uniform.folder), tensors(finished)
    each = [tensors(run) for run in runs]
    for name, tensor in found.items():
        assert tensor.dtype == start[name].dtype
        values = np.stack([one[name].numpy() for one in each])
        exact = values.astype(np.longdouble).mean(0).astype(values.dtype)
        assert np.array_equal(tensor.numpy(), exact)
        frozen = name.startswith(("conv1", "bn1", "layer1", "layer2"))
        assert torch.equal(tensor, start[name]) == frozen, name


def test_the_folder_is_used_as_that_of_a_run(uniform, runs, images):
    folder = uniform.folder
    assert {path.name for path in folder.iterdir()} == FILES
    table = tlf.evaluate(folder)
    assert table.recorded
    assert table.evaluation.headline["top1"] == uniform.accuracy
    again = tlf.evaluate(folder, images / "val")
    assert sorted(again.predicted.names) == sorted(
        n.removeprefix("val/") for n in table.predicted.names
    )
    assert again.evaluation.headline["top1"].value == uniform.accuracy.value
    classifier = tlf.load_classifier(folder)
    assert classifier.predict(images / "val" / "circles" / "000.jpg").label in {
        "circles",
        "squares",
    }
    assert tlf.load_head(folder / "head.safetensors").labels == ("circles", "squares")
    assert tlf.export(folder, "timm", folder.parent / "timm.safetensors").difference < 1e-5


def test_the_model_is_calibrated_anew(uniform, runs):
    about = read_metadata(uniform.folder / "model.safetensors")
    assert about.metrics == {"eval_top1": pytest.approx(uniform.accuracy.value)}
    assert about.unlike is None
    predicted = tlf.evaluate(uniform.folder).predicted
    probabilities = torch.from_numpy(predicted.probabilities)
    labels = torch.from_numpy(predicted.labels)
    wanted = calibrate(
        TASKS["single-label"], probabilities.log(), probabilities, labels, 0.9, "eval"
    )
    assert about.calibration.temperature == pytest.approx(wanted.temperature, rel=1e-3)
    assert about.calibration.threshold == pytest.approx(wanted.threshold)
    assert about == read_metadata(uniform.folder / "head.safetensors")


def measured(runs, images):
    """The accuracy of the mean of runs on the eval images, by hand."""
    classifier = tlf.load_classifier(runs[0])
    each = [tlf.load_classifier(run).model.state_dict() for run in runs]
    mean = {k: torch.stack([one[k].double() for one in each]).mean(0) for k in each[0]}
    classifier.model.load_state_dict(mean)
    paths = sorted((images / "val").glob("*/*.jpg"))
    found = classifier.predict(paths)
    return np.mean([one.label == path.parent.name for one, path in zip(found, paths, strict=True)])


def test_a_greedy_soup_keeps_what_makes_it_no_worse(runs, images, tmp_path):
    told = []
    found = soup(runs, output=tmp_path / "greedy", say=told.append)
    alone = [tlf.evaluate(one.run).evaluation.headline["top1"].value for one in found.tried]
    assert alone == sorted(alone, reverse=True) == [one.accuracy.value for one in found.tried]
    kept, accuracy = [found.tried[0].run], alone[0]
    for one in found.tried[1:]:
        pair = measured([*kept, one.run], images)
        assert one.with_it == pytest.approx(pair)
        assert one.kept == (pair >= accuracy)
        if one.kept:
            kept.append(one.run)
            accuracy = pair
    assert [one.run for one in found.kept] == kept
    assert found.accuracy.value == pytest.approx(accuracy)
    assert found.comparison.top1.value == pytest.approx(accuracy - alone[0])
    assert len(told) == 5
    assert "so its figure is optimistic" in str(found)


def test_its_runs_and_their_start_are_recorded(uniform, runs, finished):
    recorded = json.loads((uniform.folder / "provenance.json").read_text())
    of_runs = [json.loads((run / "provenance.json").read_text()) for run in runs]
    for key in ("backbone_sha256", "head_sha256", "data_sha256", "started_from", "classes"):
        assert all(recorded[key] == one[key] for one in of_runs)
    members = recorded["soup"]["runs"]
    assert recorded["soup"]["kind"] == "uniform"
    assert sorted(one["run"] for one in members) == sorted(map(str, runs))
    assert {one["weight"] for one in members} == {1 / 3}
    figures = json.loads((uniform.folder / "soup.json").read_text())
    assert figures["images"] == 11
    assert figures["accuracy"]["value"] == uniform.accuracy.value


@pytest.mark.parametrize("key", ["start_from", "backbone.weights"])
def test_a_run_starts_from_a_soup(uniform, images, tmp_path, key):
    table = SMALL_BACKBONE.format(weights=uniform.folder if key != "start_from" else "none")
    start = f'start_from = "{uniform.folder}"\n' if key == "start_from" else ""
    text = f"{start}{table}{MEMBER}lr = 0.1\n"
    job = open_job(
        read_plan(write_recipe(tmp_path / "a.toml", images, text)), start_accelerator("no")
    )
    backbone, trained = job.classifier.backbone.state_dict(), tensors(uniform.folder)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in backbone.items())
    (started,) = provenance(job)["started_from"]
    assert started["soup"]["kind"] == "uniform"


SMALL_BACKBONE = """
[backbone]
kind = "timm"
model = "test_resnet.r160_in1k"
weights = "{weights}"
"""


def test_what_needs_epochs_says_that_a_soup_has_none(uniform, main):
    for arguments in (["resume"], ["resume", "phases.all.epochs=9"], ["report"], ["history"]):
        command, *more = arguments
        code, out, err = main(command, uniform.folder, *more)
        assert (code, out) == (2, "")
        assert "is a soup, the mean of the weights of runs: it has no epochs of its own" in err


def test_other_images_choose_and_the_soup_is_still_described_by_its_own(runs, images, tmp_path):
    for name, path in {"circles": "circles/000", "flies": "squares/000"}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(images / "train" / f"{path}.jpg", tmp_path / "data" / name)
    (tmp_path / "data" / "circles" / "broken.jpg").write_bytes(b"")
    found = soup(runs[:2], data=tmp_path / "data", output=tmp_path / "s")
    assert (found.images, found.own_images) == (1, False)
    assert len(tlf.evaluate(found.folder).predicted) == 11
    assert "best epoch" not in str(found)
    assert "left out  1 image of classes that the model does not know: 'flies' (1)" in str(found)
    assert "left out  1 image that cannot be read" in str(found)


def changed(run, folder, change):
    """A copy of a run whose provenance.json is changed."""
    shutil.copytree(run, folder)
    path = folder / "provenance.json"
    recorded = json.loads(path.read_text())
    change(recorded)
    path.write_text(json.dumps(recorded))
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"backbone_sha256": "0"}, "its backbone must have started from the same weights, got oth"),
        ({"head_sha256": "0"}, 'its head must have started from the same weights.*start_from = "r'),
        ({"head_sha256": None}, "an older tlf has not recorded them in .*changed; train that run"),
        ({"data_sha256": {"eval": "0"}}, "its eval images must be the same, to the byte"),
    ],
)
def test_runs_with_another_start_are_refused(runs, tmp_path, change, told):
    other = changed(runs[1], tmp_path / "changed", lambda recorded: recorded.update(change))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RunError, match=told):
        soup([runs[0], other], output=tmp_path / "s")
    assert sorted(tmp_path.iterdir()) == before


def test_a_stopped_run_is_its_best_epoch_and_its_start_that_of_its_first_chapter(runs, tmp_path):
    def resume(recorded):
        recorded["earlier"] = [dict(recorded)]
        recorded["head_sha256"] = "0"

    stopped = changed(runs[1], tmp_path / "a", resume)
    (stopped / "model.safetensors").unlink()

    def goes_on(_told):  # another state takes the place of this one
        state_file(stopped).unlink(missing_ok=True)

    found = soup([runs[0], stopped], uniform=True, output=tmp_path / "s", say=goes_on)
    found = tensors(found.folder)
    wanted, other = tensors(runs[0]), tensors(runs[1])
    for name, tensor in found.items():
        mean = (wanted[name].double() + other[name].double()) / 2
        assert torch.equal(tensor, mean.to(tensor.dtype))


def test_all_that_differs_is_named(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    path = other / "model.safetensors"
    about = read_metadata(path)
    about = replace(
        about,
        classes=("circles", "stars"),
        preprocessing=replace(about.preprocessing, size=24),
        head={**about.head, "bias": False, "dropout": 0.5},
        backbone={**about.backbone, "model": "test_vit", "weights": "elsewhere"},
        precision="bf16",
        changed_by=("wise",),
    )
    save_model(path, tlf.load_classifier(runs[1]).model, about)
    with pytest.raises(RunError) as caught:
        soup([runs[0], other], output=tmp_path / "s")
    assert str(caught.value).splitlines() == [
        f"the runs of a soup must differ in nothing but training; beside {runs[0]}",
        f"  {other}: classes must be circles, squares, got circles, stars",
        f"  {other}: precision must be no, got bf16",
        f"  {other}: the plugins that change the model must be none, got wise",
        f"  {other}: backbone.model must be test_resnet.r160_in1k, got test_vit",
        f"  {other}: head.bias must be True, got False",
        f"  {other}: preprocessing.size must be 32, got 24",
    ]


def test_mistakes_are_told(runs, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(runs[0], copy)
    for given, told in (
        ([runs[0]], "must be of 2 runs or more, got 1"),
        ([], "must be of 2 runs or more, got 0"),
        ([runs[0], runs[1].parent / "." / "0"], "must be different, got the same run in"),
        ([runs[0], copy], "must be different, got the same model in"),
        ([runs[0], tmp_path], "is not the folder of a run"),
    ):
        with pytest.raises(RunError, match=told):
            soup(given, output=tmp_path / "s")
    with pytest.raises(DataError, match="does not exist"):
        soup(runs, data=tmp_path / "gone", output=tmp_path / "s")
    (copy / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError):
        soup([runs[1], copy], output=tmp_path / "s")
    shutil.rmtree(copy / "resume")
    (copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has not ended"):
        soup([runs[1], copy], output=tmp_path / "s")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="a soup must be one process, got 2"):
        soup(runs, output=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_eval_images_that_have_changed_are_told(runs, tmp_path):
    copies = [shutil.copytree(run, tmp_path / run.name) for run in runs[:2]]
    for copy in copies:
        table = (copy / "predictions.csv").read_text().replace("val/circles/odd", "val/circles/old")
        (copy / "predictions.csv").write_text(table)
    with pytest.raises(
        DataError, match=r"must be evaluated on the same images, got 11 and 11 .*od"
    ):
        soup(copies, output=tmp_path / "s")
    assert not (tmp_path / "s").exists()
