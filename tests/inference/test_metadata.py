"""The metadata of a weights file."""

from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load

from small_heads import written
from tlf.errors import RunError, WeightsError
from tlf.heads import Linear
from tlf.inference.metadata import FIRST_TASK, as_json, from_json, read_metadata, read_with_metadata
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.preprocessing import Preprocessing
from tlf.tasks import DEFAULT


@pytest.fixture
def path(tmp_path):
    written(tmp_path / "head.safetensors", Linear())
    return tmp_path / "head.safetensors"


def rewrite(path, change):
    about, data = read_sealed(path)
    change(about)
    write_sealed(path, load(data), about)


def test_every_field_comes_back_as_it_was(path):
    metadata, data = read_with_metadata(path)
    assert data == path.read_bytes()
    changed = replace(metadata, changed_by=("adapters",))
    assert metadata == read_metadata(path)
    assert all(one == from_json(as_json(one), path) for one in (metadata, changed))
    assert metadata.classes == ("ants", "bees", "Ω moths")
    assert metadata.preprocessing == Preprocessing(size=8, resize=9)
    assert metadata.head == {"kind": "linear", "dropout": 0.0, "bias": True}
    assert (metadata.num_features, metadata.classifier, metadata.tlf) == (16, "fc", "0.1.0")
    assert (metadata.metrics, metadata.plugins) == ({"eval_top1": 0.5}, {})


def test_the_color_mode_follows_from_the_number_of_channels(path):
    about, _ = read_sealed(path)
    assert about["preprocessing"]["mode"] == "RGB"
    grey = Preprocessing(size=8, resize=9, mean=(0.5,), std=(0.5,))
    rewrite(path, lambda about: about.update(preprocessing={**asdict(grey), "mode": "L"}))
    assert read_metadata(path).preprocessing == grey


def test_a_file_without_a_task_is_of_the_only_task_of_its_time(path):
    expected = read_metadata(path)
    rewrite(path, lambda about: about.pop("task"))
    assert read_metadata(path) == replace(expected, task="single-label")


def test_a_task_of_a_newer_tlf_is_refused(path):
    rewrite(path, lambda about: about.update(task="depth"))
    with pytest.raises(RunError, match=r"must be one of .*single-label.*, got 'depth'; upgrade"):
        read_metadata(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.pop("classes"),
        lambda about: about.pop("preprocessing"),
        lambda about: about["preprocessing"].pop("mean"),
        lambda about: about["preprocessing"].update(more=1),
        lambda about: about.update(more=1),
        lambda about: about["backbone"].update(config=[1]),
    ],
    ids=["classes", "preprocessing", "mean", "more preprocessing", "more", "config"],
)
def test_incomplete_or_unknown_metadata_is_refused(path, change):
    rewrite(path, change)
    with pytest.raises(WeightsError, match="has incomplete or unknown metadata: "):
        read_metadata(path)


def test_a_file_of_others_has_no_metadata(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="it has no metadata of tlf; name a run's"):
        read_metadata(tmp_path / "a.safetensors")


def test_the_task_of_older_files_is_the_default():
    assert FIRST_TASK == DEFAULT


def test_what_is_unusual_of_images_is_said_and_the_usual_is_not(path):
    metadata = read_metadata(path)
    unusual = {"depth": 16, "decoder": "torchvision", "reduced": True}
    assert not as_json(metadata)["preprocessing"].keys() & {*unusual, "prepare"}
    five = replace(metadata.preprocessing, mean=(0.5,) * 5, std=(0.2,) * 5, **unusual)
    about = as_json(replace(metadata, preprocessing=five))
    assert about["preprocessing"].items() >= {**unusual, "mode": "5 channels"}.items()
    assert from_json(about, path).preprocessing == five
    about["preprocessing"]["shade"] = 1  # as a newer tlf may say
    with pytest.raises(WeightsError, match=r"unknown metadata: .*'shade'"):
        from_json(about, path)
