"""Real images and real ImageNet weights, served by a package that is installed for the tests."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from places import TESTS

SHARED = TESTS.parent.parent / "shared"
WEIGHTS = SHARED / "weights" / "mobilenetv1_075.safetensors"
HYMENOPTERA = SHARED / "data" / "hymenoptera"
CIFAR = SHARED / "data" / "cifar10_small"

pytestmark = pytest.mark.skipif(
    not (WEIGHTS.exists() and HYMENOPTERA.exists() and CIFAR.exists()),
    reason="real weights and images are not in ../shared",
)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder that the plugin is installed in, from a wheel, as anybody would install it."""
    built, site = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    source = shutil.copytree(
        TESTS / "tlf-mobilenet", tmp_path_factory.mktemp("source") / "tlf-mobilenet"
    )
    _python("-m", "build", "--wheel", "--no-isolation", "--outdir", built, source)
    (wheel,) = built.glob("*.whl")
    _python("-m", "pip", "install", "--no-index", "--no-deps", "--target", site, wheel)
    return site


def _python(*arguments):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def train(tlf, site, tmp_path):
    """Run a recipe on a folder of images; give the run's folder and its epochs."""

    def train(recipe, root, name="run", *overrides):
        path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        done = tlf(
            TESTS / "recipes" / recipe, f"data.root={root}", f"backbone.weights={WEIGHTS}",
            f"output={tmp_path / name}", *overrides, PYTHONPATH=path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return tmp_path / name, [json.loads(line) for line in lines]

    return train


def best(epochs):
    return max(epoch["eval_top1"] for epoch in epochs)


def predictions(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def moved(folder):
    """Modules of the backbone whose tensors, statistics included, are not the published ones."""
    published, kept = load_file(WEIGHTS), load_file(folder / "model.safetensors")
    names = [name for name in published if not name.startswith("classifier.")]
    assert set(names) <= set(kept)
    return {
        ".".join(name.split(".")[:2])
        for name in names
        if not torch.equal(published[name], kept[name])
    }


def test_a_linear_probe_reaches_93_percent(train):
    folder, epochs = train("hymenoptera_probe.toml", HYMENOPTERA)
    assert best(epochs) >= 0.93
    rows = predictions(folder)
    # imageNotFound.gif, an image of no ant, is one of the 245.
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["images"] == {"train": 245, "eval": 153}
    assert sum(row["label"] == row["predicted"] for row in rows) / len(rows) == best(epochs)
    assert [row["label"] for row in rows].count("ants") == 70
    named = [(p["name"], p["distribution"], p["version"]) for p in provenance["plugins"]]
    assert ("mobilenet", "tlf-mobilenet", "1.0") in named
    assert moved(folder) == set()
    _compare_with_timm_and_torchvision(folder, rows[::10])


def _compare_with_timm_and_torchvision(folder, rows):
    """The published network, torchvision's transforms and the head that was trained, put together
    without tlf, give the probabilities that were written down.
    """
    from PIL import Image
    from timm.models.efficientnet import _gen_mobilenet_v1
    from torchvision import transforms

    network = _gen_mobilenet_v1("mobilenetv1_100", 0.75, bn_eps=1e-3, pad_type="same").eval()
    network.load_state_dict(load_file(WEIGHTS))
    network.reset_classifier(0)
    head = load_file(folder / "head.safetensors")
    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    images = [prepare(Image.open(HYMENOPTERA / row["path"]).convert("RGB")) for row in rows]
    with torch.inference_mode():
        logits = network(torch.stack(images)) @ head["weight"].T + head["bias"]
    written = torch.tensor([[float(row["p_ants"]), float(row["p_bees"])] for row in rows])
    torch.testing.assert_close(logits.softmax(1), written, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_head_first_thaws_what_the_recipe_says_and_nothing_else(train):
    """A short one, of which the last epoch is kept: two for the head, one after the thaw."""
    short = ("phases.head.epochs=2", "phases.thaw.epochs=1", "monitor=train_loss")
    folder, epochs = train("hymenoptera_head_first.toml", HYMENOPTERA, "run", *short)
    assert [epoch["phase"] for epoch in epochs] == ["head", "head", "thaw"]
    assert best(epochs) >= 0.9
    assert epochs[2]["train_loss"] < epochs[1]["train_loss"] < epochs[0]["train_loss"]
    assert moved(folder) == {"blocks.3", "blocks.4"}


@pytest.mark.slow
def test_head_first_reaches_93_percent_as_the_mean_of_three_seeds(train):
    reached = []
    for seed in range(3):
        _, epochs = train("hymenoptera_head_first.toml", HYMENOPTERA, f"run{seed}", f"seed={seed}")
        reached.append(best(epochs))
    assert sum(reached) / 3 >= 0.93, reached


@pytest.fixture
def some_of_cifar(tmp_path):
    """60 train and 20 test images of each class."""
    for split, count in {"train": 60, "test": 20}.items():
        for name in sorted(path.name for path in (CIFAR / split).iterdir()):
            folder = tmp_path / "cifar" / split / name
            folder.mkdir(parents=True)
            for image in sorted((CIFAR / split / name).iterdir())[:count]:
                shutil.copy(image, folder)
    return tmp_path / "cifar"


def compare_with_frozen(train, root, *overrides):
    """Fine-tune, and train the head alone for as many epochs; the epochs of both."""
    recipe = "cifar10_finetune.toml"
    _, tuned = train(recipe, root, "tuned", *overrides)
    _, frozen = train(
        recipe, root, "frozen", *overrides, "phases.0.freeze=backbone", "phases.0.lr=1e-3"
    )
    assert tuned[-1]["train_loss"] < tuned[0]["train_loss"] / 2
    assert best(tuned) > best(frozen) + 0.02
    return tuned, frozen


@pytest.mark.slow
def test_a_fine_tune_on_some_of_cifar10_beats_a_frozen_backbone(train, some_of_cifar):
    small = ("transforms.size=64", "transforms.resize=64", "phases.0.epochs=4")
    tuned, frozen = compare_with_frozen(train, some_of_cifar, *small)
    assert best(frozen) > 0.3  # chance is 0.1
    assert best(tuned) > 0.5


@pytest.mark.slow
def test_a_fine_tune_on_5000_images_of_cifar10_beats_a_frozen_backbone(train):
    tuned, _ = compare_with_frozen(train, CIFAR, "phases.0.epochs=5")
    assert best(tuned) > 0.77
