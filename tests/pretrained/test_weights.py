import json
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
