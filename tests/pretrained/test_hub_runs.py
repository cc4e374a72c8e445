"""Runs of the hub: what is fetched, what the cache has, and what may fail."""

import pytest

from hub_server import TOKEN, Repository, hub, use_hub
from tlf.errors import RunError
from tlf.pretrained.hub_runs import fetch_run


@pytest.fixture
def server(monkeypatch, tmp_path):
    with hub() as server:
        use_hub(monkeypatch, server.url, tmp_path)
        own = server.repositories["me/ants"] = Repository()
        own.commit({"recipe.toml": b"x", "model.safetensors": b"y" * 200_000, "big.onnx": b"z"})
        server.repositories["me/private"] = Repository(private=True)
        yield server


def test_two_files_are_fetched_once(server, capsys):
    folder = fetch_run("hf-hub:me/ants")
    commit = server.repositories["me/ants"].commits[-1][0]
    assert {path.name for path in folder.iterdir()} == {"recipe.toml", "model.safetensors"}
    told = f"fetching hf-hub:me/ants (0.2 MB) from {server.url}/me/ants to "
    err = capsys.readouterr().err
    assert (err.count(told), f"hf-hub:me/ants is at commit {commit}\n" in err) == (1, True)
    asked = len(server.requests)
    assert fetch_run("hf-hub:me/ants") == fetch_run(f"hf-hub:me/ants@{commit}") == folder
    assert len(server.requests) == asked


def test_an_older_commit(server):
    there = server.repositories["me/ants"]
    before = there.commits[-1][0]
    there.commit({**there.files, "recipe.toml": b"new"})
    assert (fetch_run(f"hf-hub:me/ants@{before}") / "recipe.toml").read_bytes() == b"x"
    assert (fetch_run("hf-hub:me/ants") / "recipe.toml").read_bytes() == b"new"


def test_a_private_one_needs_a_token(server, monkeypatch):
    server.repositories["me/private"].commit(server.repositories["me/ants"].files)
    with pytest.raises(RunError, match=r"answered 40[14]: .* log in with: hf auth login"):
        fetch_run("hf-hub:me/private")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert (fetch_run("hf-hub:me/private") / "recipe.toml").is_file()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hf-hub:ants", r"must be hf-hub:user/name, got hf-hub:ants: it has no owner"),
        ("hf-hub:../..", r"must be hf-hub:user/name, got hf-hub:\.\./\.\."),
        ("hf-hub:me/none", r"cannot fetch hf-hub:me/none from http.*: the hub answered 404"),
        ("hf-hub:me/ants@nope", r"the hub answered 404: it has no such repository or revision"),
    ],
)
def test_what_is_not_there(server, name, told):
    with pytest.raises(RunError, match=told):
        fetch_run(name)


def test_what_is_no_run(server):
    server.repositories["me/other"] = Repository()
    with pytest.raises(RunError, match=r"me/other must hold a run of tlf, got no model\.safeten"):
        fetch_run("hf-hub:me/other")


def test_a_download_that_is_cut_leaves_nothing_that_is_taken_for_a_run(server, monkeypatch):
    server.faults = {"GET /me/ants/resolve": 403}
    with pytest.raises(RunError, match=r"cannot fetch hf-hub:me/ants"):
        fetch_run("hf-hub:me/ants")
    server.faults = {}
    assert (fetch_run("hf-hub:me/ants") / "recipe.toml").read_bytes() == b"x"


def test_without_a_network(server, monkeypatch):
    fetch_run("hf-hub:me/ants")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetch_run("hf-hub:me/ants")
    with pytest.raises(RunError, match=r"offline mode is enabled.*It is not in .* either"):
        fetch_run("hf-hub:me/others")
