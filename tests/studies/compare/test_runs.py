"""A run of a comparison takes over what earlier ones have found out, and is the same to the bit."""

import json
import shutil
import tomllib

import pytest
from safetensors.torch import load_file

from small import TWO_PHASES, write_recipe
from tlf.errors import RunError
from tlf.inference.metadata import read_metadata
from tlf.pretrained.weights import fingerprint
from tlf.recipe.plan import find_splits, read_plan
from tlf.runs.run import run
from tlf.studies.compare.candidates import candidates
from tlf.studies.compare.runs import check_same_fold, make_run
from tlf.studies.study_runs import RunSeries

HEAD = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 2\nlr = 0.05\n'
BYTES = ("model.safetensors", "head.safetensors", "unlike.safetensors", "predictions.csv")
TIMES = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def compared(tmp_path_factory, images, tiny_weights):
    """The folder of a comparison of a head on a frozen backbone with one that is fine-tuned, and
    the jobs of its runs, in turn.
    """
    root = tmp_path_factory.mktemp("compared")
    texts = {"head": HEAD, "all": TWO_PHASES}
    recipes = [write_recipe(root / f"{n}.toml", images, text) for n, text in texts.items()]
    jobs, series = [], RunSeries()
    for seed in (0, 1):
        for candidate in candidates(recipes, [f"backbone.weights={tiny_weights}"]):
            [*make_run(candidate, seed, root, "", series)]
            (job,) = series.jobs.values()
            jobs.append(job)
    return root, jobs


@pytest.mark.parametrize("name", ["head", "all"])
def test_a_run_by_itself_gives_the_same_bits(compared, name, tmp_path):
    inside = compared[0] / "runs" / f"{name}-seed-1"
    alone = tmp_path / "alone"
    [*run(inside / "recipe.toml", [f"output={alone}"])]
    for file in BYTES:
        assert (inside / file).exists() == (alone / file).exists()
        if (alone / file).exists():
            assert (inside / file).read_bytes() == (alone / file).read_bytes(), file
    assert _lines(inside, "metrics.jsonl") == _lines(alone, "metrics.jsonl")
    assert _lines(inside, "segments.jsonl") == _lines(alone, "segments.jsonl")
    own, other = (_provenance(path) for path in (inside, alone))
    assert own["data_sha256"] == other["data_sha256"]
    assert own["backbone_sha256"] == other["backbone_sha256"]
    model = read_metadata(inside / "model.safetensors")
    tensors = load_file(inside / "model.safetensors")
    backbone = {n: t for n, t in tensors.items() if not n.startswith(f"{model.classifier}.")}
    assert fingerprint(backbone) == model.backbone["sha256"]
    assert (model.backbone["sha256"] == own["backbone_sha256"]) == (name == "head")


def test_runs_take_over_from_each_other(compared):
    head, tuned, again, _ = compared[1]
    assert {id(job.read) for job in compared[1]} == {id(head.read)}
    assert tuned.built is head.built  # it trains it
    assert again.built is not head.built
    assert again.probe_answers.partitions is head.probe_answers.partitions
    assert len(head.probe_answers.partitions) == 2  # of both phases, not of each run


def test_a_run_whose_images_are_dealt_anew_is_refused(images, tmp_path):
    root = shutil.copytree(images, tmp_path / "images")
    path = write_recipe(tmp_path / "recipe.toml", root, HEAD)
    folds = ["data.folds=2", "data.fold=1"]
    names = find_splits(read_plan(path, folds)).eval.names
    rows = [f"{name},circles,circles,1.0,0.0" for name in names]
    heading = "path,label,predicted,p_circles,p_squares"
    (tmp_path / "predictions.csv").write_text("\n".join([heading, *rows, ""]))
    check_same_fold(tmp_path, read_plan(path, folds))
    for number in range(5):
        shutil.copy(root / names[0], root / f"train/circles/more-{number}.jpg")
    with pytest.raises(RunError, match=r"is in another fold now, or gone: images were added"):
        check_same_fold(tmp_path, read_plan(path, folds))


def _lines(folder, file):
    lines = [json.loads(line) for line in (folder / file).read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def _provenance(folder):
    assert tomllib.loads((folder / "recipe.toml").read_text())["seed"] == 1
    return json.loads((folder / "provenance.json").read_text())
