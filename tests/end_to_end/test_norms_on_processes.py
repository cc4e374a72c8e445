"""The same recipe is the same experiment on one, two and three processes where BatchNorm trains."""

import pytest
import torch
from safetensors.torch import load_file

from forks import run_together
from run_files import metrics
from small import write_recipe

PHASE = """
[[phases]]
name = "all"
epochs = 1
lr = 0.001
"""
PIECES = """
batch_size = 8
accumulate = 3
[head]
kind = "mlp"
hidden = [8]
norm = "batch"
[transforms]
size = 32
resize = 36
augment = "mixup"
"""


def train(folder, processes, images, text):
    """Run a recipe; what it prints."""
    path = write_recipe(folder / f"{processes}.toml", images, text, f"run{processes}")
    printed = run_together(processes, ["tlf", path], folder)
    assert not any("Warning" in errors for _, errors in printed)
    return " ".join(" ".join(out for out, _ in printed).split())


@pytest.mark.parametrize(
    ("text", "processes"),
    [
        # Two pairs of images in each batch: of three processes, one never has an image.
        pytest.param(
            "batch_size = 4\n", 3, id="a batch smaller than the processes", marks=pytest.mark.slow
        ),
        # 21 images: 8 + 8 + 5, in three and two pieces.
        pytest.param(PIECES, 2, id="pieces"),
    ],
)  # fmt: skip
def test_several_processes_equal_one(tmp_path, drawn, text, processes):
    images = drawn(tmp_path / "images", 10, 3)
    extra = images / "train" / "circles"
    (extra / "more.jpg").write_bytes((extra / "003.jpg").read_bytes())
    for count in (1, processes):
        train(tmp_path, count, images, text + PHASE)
    one, several = tmp_path / "run1", tmp_path / f"run{processes}"
    (first,), (second,) = metrics(one), metrics(several)
    assert first["train_loss"] == pytest.approx(second["train_loss"], rel=1e-5)
    assert first["eval_loss"] == pytest.approx(second["eval_loss"], rel=1e-4)
    before, after = (load_file(folder / "model.safetensors") for folder in (one, several))
    for name, value in before.items():
        assert torch.allclose(value, after[name], rtol=1e-3, atol=1e-4), name
        if name.endswith("num_batches_tracked"):
            assert value == (8 if "accumulate" in text else 5)


UNUSED = """
batch_size = 4
batchnorm = "local"
[backbone]
kind = "timm"
model = "test_convnext"
weights = "none"
[head]
kind = "attention-pool"
heads = 2
"""


def test_parameters_that_the_output_does_not_depend_on_are_named_and_frozen(tmp_path, images):
    lines = [train(tmp_path, count, images, UNUSED + PHASE) for count in (1, 2)]
    for line in lines:
        assert line.count("does not depend on backbone.head.norm.bias, backbone.head.norm.w") == 1
    (first,), (second,) = metrics(tmp_path / "run1"), metrics(tmp_path / "run2")
    assert first["train_loss"] == pytest.approx(second["train_loss"], rel=1e-4)


@pytest.mark.slow
def test_local_statistics_are_those_of_the_first_process_and_a_line_says_so(tmp_path, images):
    text = 'batch_size = 4\nbatchnorm = "local"\n' + PHASE
    line = train(tmp_path, 3, images, text)
    assert 'batchnorm = "local": BatchNorm takes its statistics from the images of each' in line
    model = load_file(tmp_path / "run3" / "model.safetensors")
    (name, *_) = (name for name in model if name.endswith("num_batches_tracked"))
    assert model[name] == 5, "the first process has images of every batch"
