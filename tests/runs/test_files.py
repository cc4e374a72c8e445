"""Every file that a run writes, checked against something that is not tlf."""

import json

import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load, load_file
from torch.nn import functional
from torchvision import models
from torchvision.transforms import v2

import tlf as package
from run_files import metrics, predictions
from tlf.epoch_lines import epoch_line
from tlf.events import Audit
from tlf.inference.sealed_file import read_sealed
from tlf.runs.history import read_segments

FILES = {
    "head.safetensors",
    "metrics.jsonl",
    "model.safetensors",
    "predictions.csv",
    "segments.jsonl",
    "provenance.json",
    "recipe.toml",
    "resume",
}


def prepared(root, row, preprocessing):
    """An image as torchvision's transforms prepare it."""
    chain = v2.Compose(
        [
            v2.Resize(
                preprocessing["resize"],
                v2.InterpolationMode(preprocessing["interpolation"]),
                antialias=True,
            ),
            v2.CenterCrop(preprocessing["size"]),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    return chain(Image.open(root / row["path"]).convert("RGB"))


def check_predictions(model, folder, images):
    """The probabilities of another library's model are those that the run wrote."""
    rows, preprocessing = (
        predictions(folder),
        metadata(folder / "model.safetensors")["preprocessing"],
    )
    inputs = torch.stack([prepared(images, row, preprocessing) for row in rows])
    with torch.inference_mode():
        found = model.eval()(inputs).softmax(1)
    written = torch.tensor([[float(r["p_circles"]), float(r["p_squares"])] for r in rows])
    torch.testing.assert_close(found, written, atol=2e-5, rtol=0)


def metadata(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["tlf"])


def test_a_run_leaves_these_files_and_no_other(finished):
    assert {path.name for path in finished.iterdir()} == FILES
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in finished.iterdir())


def test_a_line_of_metrics_for_each_epoch(finished_events, finished):
    lines = metrics(finished)
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        ("head", 0),
        ("all", 0),
        ("all", 1),
    ]
    assert lines == [json.loads(json.dumps(epoch_line(e))) for e in finished_events[-1].history]
    assert [line["updates"] for line in lines] == [3, 3, 3]  # 20 images in batches of 8
    assert [line["lr"] for line in lines] == [0.1, 0.01, 0.01]


def test_predictions_are_of_the_best_epoch(finished_events, finished, images):
    rows = predictions(finished)
    best = finished_events[-1].best
    expected = {
        f"val/{path.parent.name}/{path.name}": path.parent.name for path in images.glob("val/*/*")
    }
    assert {row["path"]: row["label"] for row in rows} == expected
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert right / len(rows) == pytest.approx(best.eval_top1, abs=1e-12)
    losses = [-torch.tensor(float(row[f"p_{row['label']}"])).log() for row in rows]
    assert sum(losses) / len(losses) == pytest.approx(best.eval_loss, abs=1e-5)


def test_timm_loads_the_model_and_agrees(finished, images):
    model = timm.create_model(
        "test_resnet.r160_in1k",
        num_classes=2,
        checkpoint_path=str(finished / "model.safetensors"),
    )
    check_predictions(model, finished, images)


def test_torchvision_loads_the_model_and_agrees(finished_torchvision, images):
    model = models.resnet18(num_classes=2)
    model.load_state_dict(load_file(finished_torchvision / "model.safetensors"))
    check_predictions(model, finished_torchvision, images)


def test_the_heads_golden_pair_in_plain_torch(finished):
    tensors = load_file(finished / "head.safetensors")
    features, logits = tensors["golden.features"], tensors["golden.logits"]
    own = functional.linear(features, tensors["weight"], tensors["bias"])
    assert features.shape[0] == 1
    torch.testing.assert_close(own, logits, atol=1e-6, rtol=1e-6)
    assert logits.abs().sum() > 0
    first = predictions(finished)[0]
    written = torch.tensor([[float(first["p_circles"]), float(first["p_squares"])]])
    torch.testing.assert_close(logits.softmax(1), written, atol=2e-5, rtol=0)


def test_head_and_model_hold_their_metadata(finished_events, finished):
    for name in ("head.safetensors", "model.safetensors"):
        found = metadata(finished / name)
        assert found["classes"] == ["circles", "squares"]
        assert found["head"]["kind"] == "linear"
        assert found["backbone"]["kind"] == "timm"
        assert found["backbone"]["model"] == "test_resnet.r160_in1k"
        assert len(found["backbone"]["sha256"]) == 64
        assert (found["preprocessing"]["size"], found["preprocessing"]["resize"]) == (32, 36)
        assert found["metrics"]["eval_top1"] == finished_events[-1].best.eval_top1
        assert found["tlf"] == package.__version__
    head, model = (
        load_file(finished / "head.safetensors"),
        load_file(finished / "model.safetensors"),
    )
    assert torch.equal(head["weight"], model["fc.weight"])
    assert torch.equal(head["bias"], model["fc.bias"])


def test_segments_have_a_line_each_with_the_rates(finished):
    lines = [json.loads(line) for line in (finished / "segments.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["epoch"], line["start"]) for line in lines] == [
        ("head", 0, "features"),
        ("all", 0, "images"),
    ]
    assert lines[0]["rates"] == {"head.weight": 0.1, "head.bias": 0.1}
    assert lines[1]["rates"]["head.weight"] == 0.01
    assert min(lines[1]["rates"].values()) == pytest.approx(0.01 * 0.5**5)


def test_segments_hold_the_proof_that_nothing_frozen_has_changed(finished):
    head, all_of_it = (segment.audit for segment in read_segments(finished))
    network = timm.create_model("test_resnet", num_classes=0)
    values = sum(tensor.numel() for tensor in network.state_dict().values())
    assert head == Audit(frozen=values, trained=2)
    assert all_of_it.frozen == 0
    assert all_of_it.trained == len([*network.parameters()]) + 2


def test_train_top1_is_a_fraction_of_the_train_images(finished):
    for line in metrics(finished):
        assert (line["train_top1"] * 20).is_integer()


def test_the_golden_pair_of_a_run_in_bf16_is_float32(finished_bf16, images):
    """Features in float32 through the head in float32: apps compute so."""
    about, stored = read_sealed(finished_bf16 / "head.safetensors")
    assert about["precision"] == "bf16"
    assert json.loads((finished_bf16 / "provenance.json").read_text())["precision"] == "bf16"
    head, tensors = package.load_head(finished_bf16 / "head.safetensors"), load(stored)
    classifier = package.load_classifier(finished_bf16, precision="no")
    row = predictions(finished_bf16)[0]
    with torch.inference_mode():
        features = classifier.model.features(classifier.prepare([images / row["path"]]))
        assert torch.equal(tensors["golden.features"], features)
        assert torch.equal(tensors["golden.logits"], head(features))
