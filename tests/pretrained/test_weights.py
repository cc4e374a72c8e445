import warnings

import pytest
import torch
from torch import nn

from tensors import same
from tlf.errors import WeightsError
from tlf.pretrained import weights


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


def test_names_in_messages_are_short_and_printable(net, state):
    with pytest.raises(WeightsError) as caught:
        weights.fit(net, {**state, "\x1b[31m" + "x" * 10**6: torch.zeros(1)})
    assert "1 not part of the network: \\x1b[31mxxx" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_weights_are_fitted_and_the_classifier_is_ignored_whatever_its_shape(net, state):
    weights.fit(net, {**state, "fc.weight": torch.zeros(7, 7)}, ["fc"])
    assert same(dict(net.state_dict()), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_the_networks_precision(net, state, dtype):
    half = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    weights.fit(net, half)
    assert net.conv.weight.dtype == torch.float32
    assert torch.equal(net.conv.weight.detach(), half["conv.weight"].float())


@pytest.mark.parametrize(("stored", "count"), [(7.0, 7), (float("inf"), 0)])
def test_a_count_of_batches_may_be_a_float(net, state, stored, count):
    """``half`` on every tensor of a file: a count of more than 65,504 batches becomes infinite."""
    weights.fit(net, state | {"bn.num_batches_tracked": torch.tensor(stored).half()})
    assert net.bn.num_batches_tracked.equal(torch.tensor(count))


def test_a_count_of_batches_may_be_a_list_of_one_number(net, state):
    """As in files from torch 0.3."""
    weights.fit(net, state | {"bn.num_batches_tracked": torch.tensor([7])})
    assert net.bn.num_batches_tracked.equal(torch.tensor(7))


def test_a_count_of_batches_may_be_missing_and_nothing_else(net, state):
    del state["bn.num_batches_tracked"]
    weights.fit(net, state)
    del state["bn.running_mean"]
    with pytest.raises(
        WeightsError, match=r"5 of its 7 names are in the file; 1 missing: bn\.running_mean$"
    ):
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
    assert "7 not part of the network: extra.0, extra.1, extra.2 and 4 more" in message
    assert "conv.weight is (2, 3, 3, 3) in the file and (2, 1, 3, 3) in the network" in message
    assert "bn.weight is torch.int8 in the file and torch.float32 in the network" in message
    assert same(dict(net.state_dict()), before)


def test_the_outermost_module_without_tensors_is_found():
    net = nn.ModuleDict({"head": nn.ModuleDict({"norm": nn.LayerNorm(2), "fc": nn.Identity()})})
    assert weights.vacated(net, "head.fc") == "head.fc"
    assert weights.vacated(net, "head_dist.linear") == "head_dist"


@pytest.mark.parametrize(
    "name",
    ["w.SAFETENSORS", "w.Pth", "w.bin", "last.ckpt", "model_best.pth.tar", "a.onnx", "my/run"],
)
def test_files_are_told_from_published_names(name):
    assert str(weights.local_file(name, "resnet50")) == name


@pytest.mark.parametrize("name", ["IMAGENET1K_V1", "default", "none", "a1_in1k", "hf-hub:me/net"])
def test_published_names_are_no_files(name):
    assert weights.local_file(name, "resnet50") is None


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
