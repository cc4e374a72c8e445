"""What a person takes for a file of weights is named, with what to do instead."""

import gzip
import os
import socket
import tarfile
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tlf.errors import WeightsError
from tlf.pretrained.weight_files import read


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("w.pth", b"", "which is empty; copy it again"),
        (
            "w.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "which is a Git LFS pointer; fetch the file itself: git lfs pull",
        ),
        ("w.pth", b"\n<!DOCTYPE html>\n<html>", "which is a web page; download the file itself"),
        ("w.pth", b"\xef\xbb\xbf<html>", "which is a web page"),
        ("w.bin", b'{"error": "Not found"}', "which is a text; name the file of weights"),
        ("w.bin", b"Entry not found", "which is a text"),
        ("w.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "a file of Keras (HDF5); convert it"),
        ("w.tflite", b"\x1c\0\0\0TFL3" + bytes(99), "a file of TensorFlow; convert it"),
        ("w.pb", b"\x08\x01" + bytes(99), "a file of TensorFlow; convert it"),
        ("w.ONNX", b"\x08\x09" + bytes(99), "an ONNX file; convert it to the names of the network"),
        ("w.npy", b"\x93NUMPY" + bytes(99), "a file of NumPy; convert it"),
        (
            "w.pth.gz",
            gzip.compress(b"weights", mtime=0),
            "a gzip archive; unpack it, and name the file",
        ),
        ("w.pth", gzip.compress(b"weights", mtime=0), "a gzip archive"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"weights must name a file of weights, got {path}, which is")
    assert told in message


def test_archives_are_named(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.write(tmp_path / "w.pth", "w.pth")
    with tarfile.open(tmp_path / "packed.pth.tar", "w") as archive:
        archive.add(tmp_path / "w.pth", "w.pth")
    np.savez(tmp_path / "w.npz", a=np.zeros(1))
    assert "a zip archive; unpack it" in refusal(tmp_path / "zip.pth")
    assert "a tar archive; unpack it" in refusal(tmp_path / "packed.pth.tar")
    assert "a file of NumPy; convert it" in refusal(tmp_path / "w.npz")


def test_what_is_no_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.safetensors").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone.pth").symlink_to("nowhere.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    monkeypatch.chdir(tmp_path)
    assert refusal(Path("run")).endswith("the folder run; write run/model.safetensors")
    assert refusal(Path("empty")).endswith("the folder empty; write the path of a file")
    assert "gone.pth, a link to nowhere.pth, which does not exist" in refusal(Path("gone.pth"))
    assert "pipe.pth, which is a device, a pipe or a socket" in refusal(Path("pipe.pth"))
    assert f"w.pth ({tmp_path}/w.pth), which does not exist" in refusal(Path("w.pth"))
    assert refusal(Path("runs")).endswith("write the path of a file or of a run; did you mean run?")
    assert "the address https:/x.org/w.pth; download" in refusal(Path("https://x.org/w.pth"))
    # A file whose beginning the system refuses to read, as on a damaged disk.
    assert "Input/output error; check its name" in refusal(Path("/proc/self/mem"))
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.pth")
        assert "which is a device, a pipe or a socket" in refusal(Path("socket.pth"))
    assert "File name too long; check its name" in refusal(Path("w" * 300 + ".pth"))


@pytest.mark.parametrize(
    ("content", "way"),
    [
        (lambda net: net, ".state_dict()"),
        (lambda net: {"epoch": 1, "model": net}, "['model'].state_dict()"),
        (
            lambda net: {"hyper_parameters": {"loss": net}, "state_dict": net.state_dict()},
            "['state_dict']",
        ),
    ],
    ids=["network", "network under a key", "lightning"],
)
@pytest.mark.parametrize("old", [False, True], ids=["zip", "before-2020"])
def test_objects_are_refused_with_a_line_that_writes_the_tensors(
    tmp_path, monkeypatch, content, way, old
):
    net, path = nn.Linear(2, 3), tmp_path / "last.ckpt"
    torch.save(content(net), path, _use_new_zipfile_serialization=not old)
    message = refusal(path)
    assert "must hold only tensors, got other objects" in message
    command = message.partition("write its tensors alone: ")[2]
    assert f"weights_only=False){way}, 'last_state_dict.pth')" in command
    code = command.removeprefix('python -c "').removesuffix('"')
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "line", "exec"), {})
    assert read(tmp_path / "last_state_dict.pth").tensors["weight"].equal(net.weight)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_programs_of_torch_are_refused_with_a_line_that_writes_their_weights(tmp_path):
    net = nn.Linear(2, 3)
    torch.jit.save(torch.jit.script(net), tmp_path / "script.pt")
    assert "torch.jit.load(" in refusal(tmp_path / "script.pt")
    torch.export.save(torch.export.export(net, (torch.zeros(1, 2),)), tmp_path / "net.pt2")
    assert "torch.export.load(" in refusal(tmp_path / "net.pt2")


def test_arguments_of_a_training_script_are_no_code(tmp_path):
    tensors = {"a": torch.ones(2)}
    torch.save({"args": Namespace(lr=0.1), "model": tensors}, tmp_path / "w.pth")
    assert read(tmp_path / "w.pth").tensors["a"].equal(tensors["a"])
