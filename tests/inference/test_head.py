"""The head by itself, in programs that have little else."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load, load_file
from torch import nn

import tlf as package
from run_files import predictions
from small import write_recipe
from tlf.errors import RunError, TlfError, WeightsError
from tlf.heads import KINDS, AttentionPool, Cosine, Linear, Mlp
from tlf.inference.attach import described
from tlf.inference.head import load_head
from tlf.inference.metadata import Metadata
from tlf.inference.model_files import backbone_sha256, save_head
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing

F, K = 16, 3
HEADS = [
    Linear(dropout=0.5),
    Linear(bias=False),
    Mlp(hidden=(8, 6), norm="batch", dropout=0.1),
    Mlp(norm="layer"),
    Cosine(scale=4.0),
    Cosine(learn_scale=False),
    AttentionPool(heads=4),
]


def backbone(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, F, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def card(classifier, head, kind, plugins=()):
    return Metadata(
        classes=("ants", "bees", "Ω moths"),
        preprocessing=Preprocessing(size=8, resize=9),
        head={"kind": kind, **asdict(head)},
        backbone={"kind": "timm", "model": "tiny", "sha256": backbone_sha256(classifier)},
        num_features=F,
        classifier="fc",
        metrics={"eval_top1": 0.5},
        plugins=dict(plugins),
        tlf="0.1.0",
    )


def written(path, head, kind=None, plugins=(), features=None):
    """A classifier with such a head, and the head in a file."""
    torch.manual_seed(1)
    stages = {"stem": ("0.weight", "0.bias")}
    classifier = Classifier(backbone(), head.build(F, K), stages)
    for name, value in classifier.head.named_buffers():
        if value.is_floating_point() and name != "scale":
            nn.init.uniform_(value, 0.5, 2.0)  # running statistics as after training
    kinds = {component: name for name, component in KINDS.items()}
    kind = kind or kinds[type(head)]
    if features is None:
        pools = getattr(classifier.head, "pools", False)
        features = torch.randn(1, F, 4, 4) if pools else torch.randn(1, F)
    save_head(path, classifier, card(classifier, head, kind, plugins), features)
    return classifier.eval(), features


@pytest.fixture
def path(tmp_path):
    return tmp_path / "head.safetensors"


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_every_kind_comes_back(path, head):
    classifier, features = written(path, head)
    state = torch.get_rng_state()
    loaded = load_head(path)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers stay his
    assert loaded.labels == ("ants", "bees", "Ω moths")
    assert loaded.preprocessing == Preprocessing(size=8, resize=9)
    assert loaded.backbone["model"] == "tiny"
    assert not loaded.training
    batch = features.repeat(5, *[1] * (features.ndim - 1)) * torch.randn(
        5, *[1] * (features.ndim - 1)
    )
    with torch.inference_mode():
        expected = classifier.head(batch)
        assert torch.equal(loaded(batch), expected)
    assert not loaded(batch).requires_grad
    assert [*loaded.module.state_dict()] == [*classifier.head.state_dict()]


def test_it_knows_every_head_that_comes_with_tlf():
    assert {type(head) for head in HEADS} == set(KINDS.values())


def test_it_imports_torch_and_safetensors_and_no_more(path):
    written(path, Mlp())
    program = f"""
import sys
import torch
before = {{name.partition(".")[0] for name in sys.modules}}
import tlf
head = tlf.load_head({str(path)!r})
assert head(torch.zeros(2, {F})).shape == (2, {K})
print(*sorted({{name.partition(".")[0] for name in sys.modules}} - before))
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
print(*sorted(name.partition(".")[2] for name in sys.modules if name.startswith("tlf.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    new, everything, own = (set(line.split()) for line in done.stdout.splitlines())
    assert new == {"safetensors", "tlf"}
    # Every module more is time that each start of an app takes longer.
    assert own == {"inference", "inference.head", "inference.metadata", "inference.sealed_file",
                   "runtime", "runtime.files", "tasks", "tasks.metric", "tasks.single_label",
                   "commands", "errors", "preprocessing", "heads", "head_modules"}  # fmt: skip
    for name in (
        "timm",
        "accelerate",
        "datasets",
        "pluggy",
        "pydantic",
        "torchvision",
        "PIL",
        "rich",
    ):
        assert name not in everything


def test_bytes_that_changed_are_refused(path):
    """All over the file: length, header, names, class names, options, tensors, golden pair."""
    written(path, Mlp(hidden=(4,)))
    whole = path.read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    marks = (b"dtype", b"data_offsets", b"golden.features", b"ants", b"hidden", b"mean", b"format",
             b"file_sha256", b"eval_top1", b"interpolation", b"linear1.weight")  # fmt: skip
    places = {*range(8), *range(8, length, 7), *range(length, len(whole), 11), len(whole) - 1}
    places |= {whole.index(mark, 8, length) for mark in marks}
    for place in sorted(places):
        data = bytearray(whole)
        data[place] ^= 0x10
        path.write_bytes(data)
        with pytest.raises(TlfError):
            load_head(path)
    path.write_bytes(whole)
    load_head(path)


def test_a_head_that_computes_something_else_is_refused(path, monkeypatch):
    """What only the golden pair shows: the file is whole, and the code that runs it has changed."""
    written(path, Linear())
    load_head(path)
    real = Linear.build

    def changed(self, num_features, num_classes):
        module = real(self, num_features, num_classes)
        module.register_forward_hook(lambda module, inputs, logits: logits * 1.001)
        return module

    monkeypatch.setattr(Linear, "build", changed)
    with pytest.raises(WeightsError, match="does not give the logits that it gave"):
        load_head(path)


def rewritten(path, change):
    """The same file, whole, with something else in it."""
    about, data = read_sealed(path)
    tensors = load(data)
    change(tensors, about)
    write_sealed(path, tensors, about)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors, about: tensors.pop("weight"), "does not fit the head that it names"),
        (lambda tensors, about: tensors.pop("golden.logits"), "is no head by itself"),
        (lambda tensors, about: about["head"].update(kind="newer"), "'newer' head"),
        (lambda tensors, about: about["head"].update(more=1), "cannot build"),
        (lambda tensors, about: about["head"].update(dropout=7), "cannot build"),
        (lambda tensors, about: about.pop("classes"), "not say all of what it is: 'classes'"),
        (lambda tensors, about: about.update(other=1), "not say all of what it is"),
        (lambda tensors, about: about.update(num_features=F + 1), "does not fit the head"),
    ],
)
def test_files_that_are_whole_and_make_no_sense(path, change, told):
    written(path, Linear())
    rewritten(path, change)
    with pytest.raises(WeightsError, match=told):
        load_head(path)


def test_a_newer_format_and_no_file(path, monkeypatch):
    with pytest.raises(RunError, match="there is no"):
        load_head(path)
    monkeypatch.setattr("tlf.inference.sealed_file.FORMAT", 3)
    written(path, Linear())
    monkeypatch.undo()
    with pytest.raises(RunError, match="upgrade"):
        load_head(path)


def test_what_is_no_head_is_called_what_it_is(finished, images, tmp_path):
    head, text = finished / "head.safetensors", tmp_path / "notes.txt"
    text.write_text("the head is in the run's folder")
    photo = images / "val" / "circles" / "000.jpg"
    wanted = "name a run's head.safetensors or model.safetensors"
    ended = "name the head.safetensors of a run that has ended"
    for path, error, told in (
        (finished, RunError, f"{finished} is a folder; name the head in it: {head}"),
        (tmp_path, RunError,
         f"{tmp_path} is a folder, and there is no {tmp_path}/head.safetensors; {ended}"),
        (tmp_path / "gone", RunError, f"there is no {tmp_path}/gone; {ended}"),
        (text, WeightsError, f"{text} is not a safetensors file; {wanted}"),
        (photo, WeightsError, f"{photo} is not a safetensors file; {wanted}"),
    ):  # fmt: skip
        with pytest.raises(error) as caught:
            load_head(path)
        assert str(caught.value) == told


def test_it_sits_on_its_own_backbone_and_on_no_other(path):
    classifier, _ = written(path, Linear())
    head = load_head(path)
    images = torch.randn(4, 3, 8, 8)
    attached = head.attach(backbone())
    with torch.inference_mode():
        assert torch.equal(attached.model(images), classifier(images))
    assert attached.labels == head.labels
    with pytest.raises(WeightsError) as caught:
        head.attach(backbone(seed=5))
    told = str(caught.value)
    assert f"timm tiny (SHA-256 {head.backbone['sha256'][:12]}" in told
    other = backbone_sha256(
        Classifier(backbone(seed=5), nn.Identity(), {"a": ("0.weight", "0.bias")})
    )
    assert f"this Sequential (SHA-256 {other[:12]}" in told
    moved = backbone()
    with torch.no_grad():
        moved[0].bias[3] += 1e-6
    with pytest.raises(WeightsError, match="not on this Sequential"):
        head.attach(moved)


@pytest.mark.parametrize("thing", [3, None, "resnet18"], ids=repr)
def test_what_is_no_backbone_is_told_what_is_taken(path, thing):
    written(path, Linear())
    with pytest.raises(WeightsError) as caught:
        load_head(path).attach(thing)
    told = f"{type(thing).__name__} is no backbone; give a torch.nn.Module: timm tiny (SHA-256 "
    assert str(caught.value).startswith(told)


def test_a_backbone_that_kept_its_classifier(path):
    written(path, Linear())
    whole = nn.Sequential()
    for name, child in backbone().named_children():
        whole.add_module(name, child)
    whole.add_module("fc", nn.Linear(F, 10))
    with pytest.raises(WeightsError, match=r"put torch.nn.Identity\(\) in the place of fc"):
        load_head(path).attach(whole)


def test_another_architecture_is_told_so_and_which_one_to_build(tmp_path):
    """What its weights cannot fit is not told to load them."""
    resnet = torchvision.models.resnet18()
    published = resnet.fc
    resnet.fc = nn.Identity()
    named = [name for name, _ in resnet.named_parameters()]
    torch.manual_seed(1)
    classifier = Classifier(resnet, nn.Linear(512, K), {"all": named})
    about = card(classifier, Linear(), "linear")
    backbone_told = {**about.backbone, "kind": "torchvision", "model": "resnet18"}
    about = replace(about, num_features=512, backbone=backbone_told)
    save_head(tmp_path / "head.safetensors", classifier, about, torch.randn(1, 512))
    head = load_head(tmp_path / "head.safetensors")
    instead = "build resnet18, and load the run's model.safetensors into it"

    def told(module):
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        training = [part.training for part in module.modules()]
        with pytest.raises(WeightsError, match="trained on torchvision resnet18 ") as caught:
            head.attach(module)
        assert training == [part.training for part in module.modules()]
        assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
        return str(caught.value).partition("; ")[2]

    whole = torchvision.models.resnet50()
    for wider in (whole, timm.create_model("resnet50", num_classes=0)):
        assert told(wider) == (
            f"this is another architecture, of 2048 features where the head takes 512: {instead}"
        )
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    unknown = "if it is resnet18, load the weights of the run, model.safetensors, into it; "
    assert told(vit).startswith(unknown)  # which takes no images of 8 × 8
    assert told(timm.create_model("resnet34", num_classes=0)).startswith(unknown)
    for own in (published, nn.Sequential(nn.Dropout(), nn.Linear(512, 2))):
        resnet.fc = own
        assert "in the place of fc" in told(resnet)


def test_a_head_that_pools_needs_maps(path):
    written(path, AttentionPool(heads=4))
    with pytest.raises(WeightsError, match="has no forward_features"):
        load_head(path).attach(backbone())


def test_a_real_run_on_plain_timm(finished, images):
    """The model of the run, loaded by timm alone, and the run's head: the run's predictions."""
    head = package.load_head(finished / "head.safetensors")
    tensors = load_file(finished / "model.safetensors")
    module = timm.create_model("test_resnet", num_classes=0)
    module.load_state_dict({n: t for n, t in tensors.items() if not n.startswith("fc.")})
    classifier = head.attach(module)
    rows = predictions(finished)
    found = classifier.predict(
        [images / "val" / Path(row["path"]).relative_to("val") for row in rows]
    )
    for row, one in zip(rows, found, strict=True):
        assert one.label == row["predicted"]
        assert one.probabilities["circles"] == pytest.approx(float(row["p_circles"]), abs=2e-6)


def test_published_weights_stay_what_they_are_under_a_frozen_backbone(tmp_path, images):
    """Then an app needs no model.safetensors: the head knows torchvision's own by its hash."""
    torch.manual_seed(3)
    published = torchvision.models.resnet18()
    from safetensors.torch import save_file

    save_file(published.state_dict(), tmp_path / "resnet18.safetensors")
    text = f"""
[backbone]
kind = "torchvision"
weights = "{tmp_path}/resnet18.safetensors"
[[phases]]
name = "probe"
freeze = "backbone"
epochs = 1
lr = 0.1
"""
    *_, result = package.run(write_recipe(tmp_path / "probe.toml", images, text))
    head = package.load_head(Path(result.folder) / "head.safetensors")
    with pytest.raises(WeightsError, match="in the place of fc"):
        head.attach(published)
    published.fc = nn.Identity()
    image = images / "val" / "circles" / "000.jpg"
    found = head.attach(published).predict(image)
    assert found.probabilities == pytest.approx(
        package.load_classifier(result.folder).predict(image).probabilities, abs=1e-6
    )


PLUGIN = """
from dataclasses import dataclass
from torch import nn
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Wide:
    width: int = 4
    def build(self, num_features, num_classes):
        first = nn.Linear(num_features, self.width)
        return nn.Sequential(first, nn.Linear(self.width, num_classes))

@hookimpl
def tlf_heads():
    return {"wide": Wide}
"""


def test_a_third_partys_head_needs_its_plugin(path, tmp_path, monkeypatch):
    from importlib.metadata import EntryPoint

    (tmp_path / "tlf_test_wide.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    import tlf_test_wide

    classifier, features = written(
        path, tlf_test_wide.Wide(width=5), "wide:wide", {"wide": "tlf-wide 1.2"}
    )
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: ())
    with pytest.raises(WeightsError) as caught:
        load_head(path)
    told = str(caught.value)
    assert "'wide:wide', comes with the plugin 'wide' of tlf-wide 1.2" in told
    assert "is not installed" in told
    entry = EntryPoint("wide", "tlf_test_wide", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    assert torch.equal(load_head(path)(features), classifier.head(features))
    (tmp_path / "tlf_test_narrow.py").write_text(PLUGIN.replace('"wide"', '"narrow"'))
    entry = EntryPoint("wide", "tlf_test_narrow", "tlf")
    monkeypatch.setattr("tlf.plugins.discovery.entry_points", lambda group: (entry,))
    with pytest.raises(WeightsError, match=r"offers no 'wide:wide'; it was written with tlf-wide"):
        load_head(path)


def test_described_names_what_there_is():
    assert described({"kind": "mine:net", "sha256": "c" * 64}).startswith("mine:net (SHA")


def test_the_file_says_all_that_an_app_needs(finished):
    about, _ = read_sealed(finished / "head.safetensors")
    assert about["classes"] == ["circles", "squares"]
    assert {*about["preprocessing"]} == {
        "size", "resize", "crop", "interpolation", "mean", "std", "mode"
    }  # fmt: skip
    assert about["backbone"]["model"] == "test_resnet.r160_in1k"
    assert about["head"] == {"kind": "linear", "dropout": 0.0, "bias": True}
    assert json.dumps(about)
