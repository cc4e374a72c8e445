"""The head by itself, in programs that have little else."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load, load_file

import tlf as package
from run_files import predictions
from small_heads import F, K, written
from tlf.errors import RunError, TlfError, WeightsError
from tlf.heads import KINDS, AttentionPool, Cosine, Linear, Mlp
from tlf.inference.head import load_head
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.preprocessing import Preprocessing
from tlf.runtime.seal import header, seal

HEADS = [
    Linear(dropout=0.5),
    Linear(bias=False),
    Mlp(hidden=(8, 6), norm="batch", dropout=0.1),
    Mlp(norm="layer"),
    Cosine(scale=4.0),
    Cosine(learn_scale=False),
    AttentionPool(heads=4),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "head.safetensors"


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_every_kind_comes_back(path, head):
    classifier, features = written(path, head)
    state = torch.get_rng_state()
    loaded = load_head(path)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers stay as they are
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
import safetensors.torch, torch
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
    assert new == {"tlf"}
    # Every module more is time that each start of an app takes longer.
    assert own == {"inference", "inference.head", "inference.metadata", "inference.sealed_file",
                   "commands", "errors", "preprocessing", "heads", "heads.linear", "heads.mlp",
                   "head_modules", "runtime", "runtime.regular_file", "runtime.seal"}  # fmt: skip
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
    with pytest.MonkeyPatch.context() as patched:  # a forger may write numbers that JSON lacks
        patched.setattr("tlf.runtime.strict_json.dumps", json.dumps)
        write_sealed(path, tensors, about)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors, about: tensors.pop("weight"), "does not fit the head that it names"),
        (
            lambda tensors, about: tensors.pop("golden.logits"),
            "must hold a head and its golden features, got none; name a head",
        ),
        (lambda tensors, about: about["head"].update(kind="newer"), "'newer' head"),
        (lambda tensors, about: about["head"].update(more=1), "cannot build"),
        (lambda tensors, about: about["head"].update(dropout=7), "cannot build"),
        (
            lambda tensors, about: about.pop("classes"),
            "or unknown metadata: 'classes'",
        ),
        (lambda tensors, about: about.update(other=1), "has incomplete or unknown metadata: "),
        (lambda tensors, about: about.update(num_features=F + 1), "does not fit the head"),
    ],
)
def test_files_that_are_whole_and_make_no_sense(path, change, told):
    written(path, Linear())
    rewritten(path, change)
    with pytest.raises(WeightsError, match=told):
        load_head(path)


GOLDEN = "golden.features"


@pytest.mark.parametrize(
    ("head", "change", "told"),
    [
        (
            Linear(),
            lambda t, a: a.update(num_features=10**12),
            "it would be larger than what the file",
        ),
        (Linear(), lambda t, a: a.update(num_features="16"), "num_features must be above 0, got"),
        (Linear(), lambda t, a: a.update(classes=["a"] * 10), r"weight must be .* \(10, 16\), got"),
        (Linear(), lambda t, a: a.update(classes=[1, 2, 3]), "classes must be a list of names"),
        (Linear(), lambda t, a: a.update(head=None), "head must be a table, got None"),
        (Linear(), lambda t, a: a.update(head={"kind": 1}), "head.kind must be a text of at most"),
        (Linear(), lambda t, a: a["head"].update(dropout="a"), "cannot build: '<=' not supported"),
        (Linear(), lambda t, a: a["head"].update(kind="a:b"), "its head, 'a:b', needs the plugin"),
        (Linear(), lambda t, a: a["preprocessing"].update(size=10**9), "size must be a whole num"),
        (Linear(), lambda t, a: a.update(precision=16), "precision must be a text"),
        (
            Linear(),
            lambda t, a: t.update({GOLDEN: t[GOLDEN].int()}),
            "does not take its golden pair",
        ),
        (
            Linear(),
            lambda t, a: t.update({GOLDEN: t[GOLDEN][:0]}),
            "does not give the logits",
        ),
        (Linear(), lambda t, a: t.update({GOLDEN: t[GOLDEN][None]}), "does not give the logits"),
        (Linear(), lambda t, a: t.update({GOLDEN: t[GOLDEN][0, 0]}), "does not take its golden p"),
        (
            Linear(),
            lambda t, a: t.update({"golden.logits": torch.ones(1, K, dtype=torch.bool)}),
            "does not take its golden pair",
        ),
        (Linear(), lambda t, a: t.update(weight=t["weight"].to(torch.complex64)), "weight must be"),
        (
            Linear(),
            lambda t, a: t.update(weight=t["weight"] * float("nan")),
            "does not give the lo",
        ),
        (Mlp((8,)), lambda t, a: a["head"].update(hidden=[10**9]), "it would be larger than what"),
        (Mlp((8,)), lambda t, a: a["head"].update(hidden=[1] * 10**6), "it has more layers than"),
        (Mlp((8,)), lambda t, a: a["head"].update(hidden={}), "cannot build: hidden must hold"),
        (
            Mlp((8,)),
            lambda t, a: a["head"].update(norm=[]),
            "'mlp' head that this tlf cannot build",
        ),
        (Cosine(), lambda t, a: a["head"].update(scale=float("nan")), "scale must be a finite"),
        (AttentionPool(4), lambda t, a: a["head"].update(heads=10**18), "write heads = 16"),
        (
            AttentionPool(4),
            lambda t, a: t.update({GOLDEN: t[GOLDEN].flatten(1)[:, :F]}),
            "does not take its golden pair: the input of attention pooling must be maps",
        ),
    ],
)
def test_a_forged_head_is_refused_before_it_is_built(path, head, change, told):
    """Whole files, sealed like true ones, whose contents claim what cannot be."""
    written(path, head)
    rewritten(path, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=told) as caught:
        load_head(path)
    assert str(path) in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_tensors_that_overlap_are_refused(path):
    """A header that JSON and the seal allow, and safetensors does not."""
    written(path, Linear())
    data = path.read_bytes()
    start, rest = data[: len(header(data))], data[len(header(data)) :]
    forged = start.replace(b'"data_offsets":[0,', b'"data_offsets":[4,')
    assert forged != start
    path.write_bytes(forged + rest)
    seal(path)
    with pytest.raises(WeightsError, match="is not a whole safetensors file"):
        load_head(path)


def test_a_newer_format_and_no_file(path, monkeypatch):
    with pytest.raises(RunError, match="there is no"):
        load_head(path)
    written(path, Linear())
    monkeypatch.setattr("tlf.inference.sealed_file.NEWEST", 2)
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


def test_the_file_says_all_that_an_app_needs(finished):
    about, _ = read_sealed(finished / "head.safetensors")
    assert about["classes"] == ["circles", "squares"]
    assert {*about["preprocessing"]} == {
        "size", "resize", "crop", "interpolation", "mean", "std", "mode", "white"
    }  # fmt: skip
    assert about["backbone"]["model"] == "test_resnet.r160_in1k"
    assert about["head"] == {"kind": "linear", "dropout": 0.0, "bias": True}
    assert json.dumps(about)
