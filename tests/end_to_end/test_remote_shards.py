"""Shards on a web server give what the same shards on the disk give, whatever fails on the way."""

import tarfile
from collections import deque

import pytest
import tomli_w

from run_files import different_tensors, figures
from small import SMALL
from tlf.builtin.shards.dataset import Shards
from tlf.data.ranges import connections, retries
from web_server import serving

FAULTS = ["cut", 500, None, "hang_up", 503, None, "no_http", "closes", None, 429]
PHASE = {"name": "all", "epochs": 2, "lr": 0.01}


@pytest.fixture(scope="module")
def shards(images, tmp_path_factory):
    """A folder with the images of each split in a shard of their own."""
    folder = tmp_path_factory.mktemp("shards")
    for split in ("train", "val"):
        with tarfile.open(folder / f"{split}.tar", "w") as tar:
            tar.add(images / split, arcname=".")
    return folder


@pytest.fixture
def server(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(retries, "FIRST_LIMIT", 0.1)
    with serving({f"/{path.name}": path.read_bytes() for path in shards.iterdir()}) as server:
        yield server
        connections.close_idle()


def recipe(file, where, **keys):
    """A recipe for the shards of a folder or a server."""
    data = {"kind": "shards", "train": f"{where}/train.tar", "eval": f"{where}/val.tar"}
    output = str(file.with_suffix(""))
    file.write_text(tomli_w.dumps(SMALL | {"output": output, "data": data} | keys))
    return str(file)


def test_a_server_gives_the_images_of_the_disk(shards, server):
    splits = []
    for where in (shards, server.url):
        server.faults.extend(FAULTS)
        splits.append(Shards(train=f"{where}/train.tar", eval=f"{where}/val.tar").build())
        server.faults.clear()
    disk, web = splits
    for local, remote in ((disk.train, web.train), (disk.eval, web.eval)):
        server.faults.extend(FAULTS)
        assert list(local.names) == list(remote.names)
        assert list(local.labels) == list(remote.labels)
        assert [*map(local.read, range(8))] == [*map(remote.read, range(8))]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (403, "train.tar: the server does not allow it (403 Forbidden)"),
        (404, "train.tar: there is no such file (404 Not Found)"),
        (500, "train.tar: the server answered 500 Internal Server Error; tried"),
        ("whole", "train.tar sends whole files only, no byte ranges; download the file"),
        ("stream", "train.tar is a stream"),
    ],
)
def test_a_server_that_fails_is_one_message(server, tmp_path, main, fault, told):
    file = recipe(tmp_path / "run.toml", server.url, phases=[PHASE])
    server.always = fault
    code, out, err = main(file)
    assert (code, out, err.count("error: ")) == (2, "", 1)
    assert told in err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def addresses(server, monkeypatch):
    """Kind of address → where the shards are; the same server speaks S3."""
    for name, value in (("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.files |= {f"/bucket{path}": content for path, content in server.files.items()}
    return {"http": server.url, "s3": "s3://bucket"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_remote_run_is_the_run_from_the_disk(shards, server, addresses, tmp_path, main, kind):
    if kind == "s3":
        s3fs = pytest.importorskip("s3fs", reason="s3fs is missing: pip install 'tlf[remote]'")
        s3fs.S3FileSystem.clear_instance_cache()
    keys = {"transforms": {**SMALL["transforms"], "augment": "crop-flip"}, "phases": [PHASE]}
    assert main(recipe(tmp_path / "local.toml", shards, **keys))[0] == 0
    server.faults.extend(FAULTS * 20)
    assert main(recipe(tmp_path / "remote.toml", addresses[kind], workers=2, **keys))[0] == 0
    assert len(server.faults) < len(FAULTS) * 20
    local, remote = tmp_path / "local", tmp_path / "remote"
    assert figures(local) == figures(remote)
    assert not different_tensors(local / "model.safetensors", remote / "model.safetensors")
    for name in ("predictions.csv", "head.safetensors"):
        assert (local / name).read_bytes() == (remote / name).read_bytes(), name


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("other_version", ".tar has changed since it was first read; start again"),
        ("other_bytes", ".tar are not those that were first read"),
        (403, "train.tar: the server does not allow it"),
    ],
)
def test_no_image_is_left_out_because_of_its_shard(server, tmp_path, main, fault, told):
    file = recipe(tmp_path / "run.toml", server.url, phases=[PHASE])
    Shards(train=f"{server.url}/train.tar", eval=f"{server.url}/val.tar").build()
    server.faults = deque([None] * 8 + [fault])  # in the middle of the images, once
    code, _, err = main(file, "data.bad_images=skip")
    assert (code, err.count("error: ")) == (2, 1)
    assert told in err
    assert not (tmp_path / "run").exists()
