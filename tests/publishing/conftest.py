"""A hub of these tests, and a run that was pushed to it."""

import pytest

import tlf as package
from hub_server import TOKEN, hub, use_hub
from tlf.publishing.hub import push as module
from tlf.publishing.hub.staging import Staged
from tlf.publishing.loaders import OwnLoader


@pytest.fixture(scope="module")
def on_hub(tmp_path_factory):
    """A hub that this process takes for the real one, with a token; and its cache."""
    with hub() as server, pytest.MonkeyPatch.context() as patch:
        use_hub(patch, server.url, tmp_path_factory.mktemp("hub"))
        patch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture(scope="module")
def pushed(on_hub, finished):
    """The run of ``finished``, pushed as ``me/my_shapes``."""
    return package.push(finished, "me/my_shapes", licence="mit")


@pytest.fixture
def staged(monkeypatch):
    """Two small files in place of a whole run: test_hub.py shows what is staged."""

    def stage(facts, folder, repository, *, onnx):
        (folder / "README.md").write_text("---\nlicense: mit\n---\n")
        (folder / "model.safetensors").write_bytes(b"0" * 200_000)
        return Staged({"README.md": 24, "model.safetensors": 200_000}, OwnLoader())

    monkeypatch.setattr(module, "stage", stage)
