"""provenance.json: where a run's results come from."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import tlf as package
from small import TWO_PHASES, write_recipe
from tlf.errors import WeightsError
from tlf.recipe.plan import read_plan
from tlf.runs.folder import recorded_recipe
from tlf.runs.provenance import _git_revision, provenance, start_notes
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job


def test_it_has_versions_plugins_images_and_hashes(finished, images):
    found = json.loads((finished / "provenance.json").read_text())
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["tlf"] == package.__version__
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert [plugin["name"] for plugin in found["plugins"]] == ["tlf"]
    assert found["images"] == {"train": 20, "eval": 11}
    assert len(found["backbone_sha256"]) == 64
    assert found["hardware"]["device"].startswith("CPU")
    assert found["precision"] == "no"
    assert {"git_revision", "notes"} <= found.keys()
    total = hashlib.sha256()
    for label, name in enumerate(("circles", "squares")):
        for path in sorted((images / "val" / name).iterdir()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"val/{name}/{path.name}\t{label}\t{content}\n".encode())
    assert found["data_sha256"]["eval"] == total.hexdigest()
    assert found["data_sha256"]["train"] != total.hexdigest()


def test_the_git_revision_is_that_of_the_recipes_folder(tmp_path):
    assert _git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "recipe.toml").write_text("seed = 1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    clean = _git_revision(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "recipe.toml").write_text("seed = 2")
    assert _git_revision(tmp_path) == f"{clean}-dirty"


def test_without_git_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _git_revision(tmp_path) is None


@pytest.mark.parametrize("file", ["", "model.safetensors"])
def test_a_run_starts_from_the_best_backbone_of_another_run(tmp_path, finished, images, file):
    weights = finished / file
    table = f'[backbone]\nkind = "timm"\nmodel = "test_resnet.r160_in1k"\nweights = "{weights}"\n'
    plan = read_plan(write_recipe(tmp_path / "recipe.toml", images, table + TWO_PHASES))
    job = open_job(plan, start_accelerator("no"))
    trained = load_file(finished / "model.safetensors")
    backbone = job.classifier.backbone.state_dict()
    assert all(torch.equal(trained[name], tensor) for name, tensor in backbone.items())
    (started,) = provenance(job)["started_from"]
    earlier = json.loads((finished / "provenance.json").read_text())
    assert (started["key"], started["folder"]) == ("backbone.weights", str(finished))
    assert started["recipe_sha256"] == earlier["recipe_sha256"]
    assert started["data_sha256"] == earlier["data_sha256"]
    assert started["backbone_sha256"] == provenance(job)["backbone_sha256"]
    assert started["backbone"] == recorded_recipe(finished)["backbone"]
    assert started["classes"] == ["circles", "squares"]
    assert started["metrics"].keys() >= {"eval_loss", "eval_top1"}
    assert started["started_from"] == []


def test_a_person_is_told_where_training_starts_and_what_is_other_about_its_images(
    tmp_path, finished, images
):
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    told = f"training starts from the run {finished}, as start_from says"
    plan = read_plan(recipe, [f"start_from={finished}"])
    job = open_job(plan, start_accelerator("no"))
    assert start_notes(plan.recipe, job.preprocessing) == (told,)
    other = replace(job.preprocessing, size=28, std=(0.5, 0.25, 0.5))
    own = job.preprocessing
    assert start_notes(plan.recipe, other) == (
        f"{told}; its images were prepared otherwise (size {own.size}, now 28, std {own.std}, now "
        f"(0.5, 0.25, 0.5)): for the same write transforms.size={own.size} "
        f"'transforms.std=[{','.join(map(str, own.std))}]'",
    )
    assert start_notes(read_plan(recipe).recipe, other) == ()


def test_the_runs_that_a_run_has_started_from_are_handed_on(tmp_path, run_copy, images):
    recorded = json.loads((run_copy / "provenance.json").read_text())
    recorded["started_from"] = [{"key": "start_from", "folder": "runs/first"}]
    (run_copy / "provenance.json").write_text(json.dumps(recorded))
    text = f'start_from = "{run_copy}"\n{TWO_PHASES}'
    plan = read_plan(write_recipe(tmp_path / "recipe.toml", images, text))
    job = open_job(plan, start_accelerator("no"))
    assert torch.equal(
        load_file(run_copy / "model.safetensors")["fc.weight"], job.classifier.head.weight
    )
    (started,) = provenance(job)["started_from"]
    assert started["key"] == "start_from"
    assert started["started_from"] == recorded["started_from"]


@pytest.mark.parametrize("key", ["start_from", "backbone.weights"])
def test_a_run_without_a_model_is_named(tmp_path, run_copy, images, key):
    (run_copy / "model.safetensors").unlink()
    recipe = write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)
    plan = read_plan(recipe, [f"{key}={run_copy}"])
    with pytest.raises(WeightsError, match=r"the run in .*run has no model yet; wait for its end"):
        open_job(plan, start_accelerator("no"))
