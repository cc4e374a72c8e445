import json
import pickle
import random
import resource
import struct
import warnings
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tlf.errors import WeightsError
from tlf.pretrained import weights


@pytest.fixture
def net():
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(1, 2, 3), bn=nn.BatchNorm2d(2), fc=nn.Identity())
    )


@pytest.fixture
def state(net):
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in net.state_dict().items()
    }


def same(tensors, expected):
    assert tensors.keys() == expected.keys()
    return all(torch.equal(tensors[name], expected[name]) for name in expected)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("old", [False, True], ids=["zip", "before-2020"])
def test_a_torch_file_is_read_whatever_its_wrapping(tmp_path, state, wrapper, prefix, old):
    content = {prefix + name: tensor for name, tensor in state.items()}
    whole = {wrapper: content, "epoch": 3} if wrapper else content
    torch.save(whole, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
    assert same(weights.read(tmp_path / "w.pth").tensors, state)


def test_a_safetensors_file_is_read_with_its_metadata(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors", {"preprocessing": json.dumps({"size": 64})})
    stored = weights.read(tmp_path / "w.safetensors")
    assert same(stored.tensors, state)
    assert json.loads(stored.metadata["preprocessing"]) == {"size": 64}


def test_one_prefixed_name_among_others_keeps_its_prefix(tmp_path):
    names = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(names, tmp_path / "w.pt")
    assert set(weights.read(tmp_path / "w.pt").tensors) == set(names)


def test_a_file_with_code_is_refused_and_its_code_does_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Code:
        def __reduce__(self):
            return open, (str(marker), "w")

    torch.save({"model": Code()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth must hold only tensors"):
        weights.read(tmp_path / "w.pth")
    assert not marker.exists()


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"state_dict": {"epoch": 1}}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="must hold tensors by name"):
        weights.read(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_truncated_file_is_refused(tmp_path, state, name):
    path = tmp_path / name
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsError, match=r"not a whole|cannot be read|must hold only"):
        weights.read(path)


def changed(data, rng):
    """A file with a few other bytes, or with some more or fewer."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        place = rng.randrange(len(data))
        data[place : place + rng.choice((0, 1, 1, 4))] = rng.randbytes(rng.choice((0, 1, 1, 4, 8)))
    return bytes(data)


def repacked(data, rng, folder):
    """The same archive of torch, with another pickle in it."""
    (folder / "whole").write_bytes(data)
    with zipfile.ZipFile(folder / "whole") as whole, zipfile.ZipFile(folder / "w", "w") as new:
        for name in whole.namelist():
            content = whole.read(name)
            new.writestr(name, changed(content, rng) if name.endswith(".pkl") else content)
    return (folder / "w").read_bytes()


@pytest.mark.parametrize("suffix", ["pth", "old.pth", "safetensors"])
def test_a_changed_file_is_read_or_refused(tmp_path, net, state, suffix):
    """Whatever the libraries raise, one error names the file, in one line of text."""
    rng, path = random.Random(suffix), tmp_path / f"w.{suffix}"
    if suffix == "safetensors":
        save_file(state, path, {"preprocessing": '{"size": 64, "resize": 72}'})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=suffix == "pth")
    whole, told = path.read_bytes(), []
    for number in range(150):
        packed = suffix == "pth" and number % 3
        path.write_bytes(repacked(whole, rng, tmp_path) if packed else changed(whole, rng))
        try:
            with warnings.catch_warnings(action="ignore"):
                weights.fit(net, weights.read(path).tensors)
        except WeightsError as error:
            told.append(str(error))
    assert len(told) > 50
    assert max(map(len, told)) < 1000
    assert all(message.isprintable() for message in told)


def quantized(tensor):
    with warnings.catch_warnings(action="ignore"):  # torch will remove them
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (lambda t: t.to_sparse(), r"1 of another kind: conv\.weight \(torch\.sparse_coo"),
        (lambda t: t.to("meta"), r"1 of another kind: conv\.weight"),
        (quantized, r"conv\.weight \(torch\.strided, torch\.qint8\); write them as float32"),
        (lambda t: t.to(torch.float8_e4m3fn), r"1 of another kind: conv\.weight"),
        (lambda t: t[:1, :1, :1, :1].expand(10**6, 10**6, 1, 1), "1 of another kind: conv.weight"),
        (lambda t: t.to(torch.complex64), r"conv\.weight is torch\.complex64 in the file and"),
        (lambda t: t.int(), r"conv\.weight is torch\.int32 in the file and torch\.float32"),
        (lambda t: t[:0], r"conv\.weight is \(0, 1, 3, 3\) in the file"),
        (lambda t: t * float("nan"), r"1 with NaN or infinity: conv\.weight$"),
        (lambda t: t.double() * 1e300, r"1 with NaN or infinity: conv\.weight$"),
    ],
    ids=["sparse", "meta", "quantized", "float8", "huge", "complex", "int", "empty", "nan", "big"],
)
def test_tensors_of_other_kinds_are_refused(tmp_path, net, state, odd, told):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.save({**state, "conv.weight": odd(state["conv.weight"])}, tmp_path / "w.pth")
    with warnings.catch_warnings(action="ignore"), pytest.raises(WeightsError, match=told):
        weights.fit(net, weights.read(tmp_path / "w.pth").tensors)
    assert same(dict(net.state_dict()), before)


def test_large_numbers_are_finite_though_their_sum_is_not(tmp_path, net, state):
    state["conv.weight"] = torch.full_like(state["conv.weight"], 3e38)
    weights.fit(net, state)
    assert same(dict(net.state_dict()), state)


def test_names_that_are_no_text_are_refused(tmp_path):
    """As text, two of them would be the same."""
    torch.save({1: torch.zeros(1), "1": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="must hold tensors by name"):
        weights.read(tmp_path / "w.pth")


def test_names_in_messages_are_short_and_printable(net, state):
    with pytest.raises(WeightsError) as caught:
        weights.fit(net, {**state, "\x1b[31m" + "x" * 10**6: torch.zeros(1)})
    assert "1 not part of the network: \\x1b[31mxxx" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"N0" * 10**6)
    with pytest.raises(WeightsError, match=r"an archive of \d+ bytes that claims to hold 2000000;"):
        weights.read(tmp_path / "w.pth")


def test_a_claim_of_size_allocates_nothing(tmp_path):
    """A tensor of 64 GB in a file of 100 bytes."""
    header = {"a": {"dtype": "F32", "shape": [2**34], "data_offsets": [0, 2**36]}}
    text = json.dumps(header).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    storage = ("storage", "FloatStorage", "0", "cpu", 2**34)
    (tmp_path / "w.pth").write_bytes(pickle.dumps(storage))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("w.safetensors", "w.pth"):
        with pytest.raises(WeightsError, match=name):
            weights.read(tmp_path / name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        WeightsError, match=r"must name a file that exists, got .*gone\.pth; write its path"
    ):
        weights.read(tmp_path / "gone.pth")


def test_weights_are_fitted_and_the_classifier_is_ignored_whatever_its_shape(net, state):
    weights.fit(net, {**state, "fc.weight": torch.zeros(7, 7)}, ["fc"])
    assert same(dict(net.state_dict()), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_the_networks_precision(net, state, dtype):
    half = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    weights.fit(net, half)
    assert net.conv.weight.dtype == torch.float32
    assert torch.equal(net.conv.weight.detach(), half["conv.weight"].float())


def test_a_count_of_batches_may_be_missing_and_nothing_else(net, state):
    del state["bn.num_batches_tracked"]
    weights.fit(net, state)
    del state["bn.running_mean"]
    with pytest.raises(WeightsError, match=r"1 missing: bn\.running_mean$"):
        weights.fit(net, state)


def test_every_kind_of_misfit_is_reported_and_nothing_is_copied(net, state):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state["conv.weight"] = torch.zeros(2, 3, 3, 3)
    state["bn.weight"] = torch.zeros(2, dtype=torch.int8)
    state |= {f"extra.{i}": torch.zeros(1) for i in range(7)}
    del state["bn.bias"]
    with pytest.raises(WeightsError) as caught:
        weights.fit(net, state)
    message = str(caught.value)
    assert "1 missing: bn.bias" in message
    assert (
        "7 not part of the network: extra.0, extra.1, extra.2, extra.3, extra.4 and 2 more"
        in message
    )
    assert "conv.weight is (2, 3, 3, 3) in the file and (2, 1, 3, 3) in the network" in message
    assert "bn.weight is torch.int8 in the file and torch.float32 in the network" in message
    assert same(dict(net.state_dict()), before)


def test_the_outermost_module_without_tensors_is_found():
    net = nn.ModuleDict({"head": nn.ModuleDict({"norm": nn.LayerNorm(2), "fc": nn.Identity()})})
    assert weights.vacated(net, "head.fc") == "head.fc"
    assert weights.vacated(net, "head_dist.linear") == "head_dist"


def test_the_starter_weights_are_for_one_architecture_only(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "STARTER", tmp_path / "s.safetensors")
    assert weights.local_file("starter", "resnet18") == tmp_path / "s.safetensors"
    with pytest.raises(WeightsError, match='"resnet18" for weights = "starter", got "resnet50"'):
        weights.local_file("starter", "resnet50")


def test_a_fingerprint_depends_on_every_name_dtype_shape_and_byte():
    base = {"a": torch.arange(6.0), "b": torch.ones(2, 2, dtype=torch.bfloat16)}
    others = [
        {"a": base["a"], "c": base["b"]},
        {"a": base["a"].reshape(2, 3), "b": base["b"]},
        {"a": base["a"].view(torch.int32), "b": base["b"]},
        {"a": base["a"], "b": base["b"] * 2},
        {"a": base["a"]},
        {"a": base["b"], "b": base["a"]},
    ]
    prints = {weights.fingerprint(state) for state in [base, *others]}
    assert len(prints) == 7
    assert all(len(digest) == 64 for digest in prints)


def test_a_fingerprint_depends_on_values_and_not_on_memory_layout():
    a = torch.arange(24.0).reshape(1, 2, 3, 4)
    strided = a.contiguous(memory_format=torch.channels_last)
    scalar = torch.tensor(3)
    assert weights.fingerprint({"a": a, "n": scalar}) == weights.fingerprint(
        {"n": scalar, "a": strided}
    )
