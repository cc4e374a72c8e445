import json
import pickle
import random
import resource
import struct
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from tensors import same
from tlf.errors import WeightsError
from tlf.pretrained import weights


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
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


def test_a_file_is_read_by_its_content_and_not_by_its_suffix(tmp_path, state):
    save_file(state, tmp_path / "pytorch_model.bin")
    torch.save(state, tmp_path / "w.SAFETENSORS.pth")
    for path in tmp_path.iterdir():
        assert same(weights.read(path).tensors, state)


def test_every_table_of_tensors_is_found_once(tmp_path, state):
    """An optimizer's state is none: it is by number. A table may stand in very many places."""
    many = {"a": torch.zeros(1)}
    for _ in range(40):
        many = {"left": many, "right": many}
    optimizer = {"state": {0: {"step": torch.zeros(1)}}, "param_groups": [{"lr": 0.1}]}
    whole = {"optimizer": optimizer, "net": {"module": state}, "many": many, "step": torch.ones(1)}
    torch.save(whole, tmp_path / "w.ckpt")
    groups = weights.read(tmp_path / "w.ckpt").groups
    assert [*groups] == ["", "net.module", "many" + 40 * ".left"]
    assert same(groups["net.module"], state)


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


def test_names_that_are_no_text_are_refused(tmp_path):
    """As text, two of them would be the same."""
    torch.save({1: torch.zeros(1), "1": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="must hold tensors by name"):
        weights.read(tmp_path / "w.pth")


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
