"""What a push that fails says, and that what it says is on the hub is there."""

import pytest

import tlf as package
from hub_server import Repository
from tlf.errors import RunError
from tlf.publishing.hub import push

pytestmark = pytest.mark.filterwarnings(  # huggingface_hub gives its network library old options
    "ignore:Use 'content=:DeprecationWarning"
)


@pytest.mark.parametrize("fault", ["cut", 502, 504])
def test_a_commit_whose_answer_is_lost_is_not_repeated(
    on_hub, finished, staged, monkeypatch, fault
):
    name = f"me/lost-{fault}"
    monkeypatch.setattr(on_hub, "lost", {f"POST /api/models/{name}/commit": fault})
    with pytest.raises(RunError, match=rf"/{name} holds all of the files now, or none: look there"):
        package.push(finished, name, licence="mit")
    assert "model.safetensors" in on_hub.repositories[name].files
    asked = [
        path for _, path, _ in on_hub.requests if path.startswith(f"/api/models/{name}/commit")
    ]
    assert len(asked) == 1


FAULTS = {
    "the token": ({"GET /api/models": 401, "POST /api/repos/create": 401}, "does not accept the t"),
    "no right": ({"POST /api/repos/create": 403}, "403: the token may not write there; use one wi"),
    "a race": ({"POST /api/repos/create": 409}, "409: somebody else has changed it now"),
    "asking": ({"GET /api/models": 403}, "asking for http.* failed: the hub answered 403"),
}


@pytest.mark.parametrize(("faults", "told"), FAULTS.values(), ids=FAULTS)
def test_nothing_is_pushed_where_the_hub_refuses(
    on_hub, finished, staged, monkeypatch, faults, told
):
    monkeypatch.setattr(on_hub, "faults", faults)
    with pytest.raises(RunError, match=told + r".*Nothing was pushed$"):
        package.push(finished, "me/refused", licence="mit")
    assert "me/refused" not in on_hub.repositories


@pytest.mark.parametrize("fault", [403, 413])
def test_a_push_that_fails_late_says_what_is_left(on_hub, finished, staged, monkeypatch, fault):
    name = f"me/late-{fault}"
    monkeypatch.setattr(on_hub, "faults", {f"POST /api/models/{name}/commit": fault})
    left = rf"/{name} was created and holds none of the files; write --overwrite .*hf repos delete"
    with pytest.raises(RunError, match=left):
        package.push(finished, name, licence="mit")
    assert {*on_hub.repositories[name].files} == {".gitattributes"}
    monkeypatch.setattr(on_hub, "faults", {})
    package.push(finished, name, licence="mit", overwrite=True)
    assert "model.safetensors" in on_hub.repositories[name].files


def test_a_hub_that_is_not_there(on_hub, finished, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    left = r"refused\. Nothing was pushed; push again where the hub can be reached, or set HF_ENDPO"
    with pytest.raises(RunError, match=rf"^asking for http://127.0.0.1:9/me/ants failed: .*{left}"):
        package.push(finished, "me/ants", licence="mit")


@pytest.mark.parametrize("fault", ["cut", 500, 504])
@pytest.mark.parametrize("kind", ["faults", "lost"])  # before it was created, and after
def test_who_cannot_know_whether_it_was_created_pushes_again_all_the_same(
    on_hub, finished, staged, monkeypatch, kind, fault
):
    name = f"me/created-{kind}-{fault}"
    monkeypatch.setattr(on_hub, kind, {"POST /api/repos/create": fault})
    told = (
        rf"^creating http.* failed: .*\. Nothing was pushed, but .*/{name} may exist now, .*--overw"
    )
    with pytest.raises(RunError, match=told):
        package.push(finished, name, licence="mit", private=True)
    assert (name in on_hub.repositories) == (kind == "lost")
    monkeypatch.setattr(on_hub, kind, {})
    package.push(finished, name, licence="mit", private=True, overwrite=True)
    assert "model.safetensors" in on_hub.repositories[name].files


def test_a_fault_while_asking(on_hub, finished, monkeypatch):
    monkeypatch.setattr(on_hub, "faults", {"GET /api/models": 501})
    with pytest.raises(RunError, match=r"501: it has a fault; .*Nothing was pushed; push again"):
        package.push(finished, "me/ants", licence="mit")


def test_a_commit_that_came_in_between_is_not_overwritten(on_hub, finished, staged, monkeypatch):
    there = on_hub.repositories["me/race"] = Repository()
    stage = push.stage

    def meanwhile(*args, **kwargs):
        there.commit({"README.md": b"of somebody else"})
        return stage(*args, **kwargs)

    monkeypatch.setattr(push, "stage", meanwhile)
    told = "answered 412: somebody else has changed it since .*/me/race is as it was before$"
    with pytest.raises(RunError, match=told):
        package.push(finished, "me/race", licence="mit", overwrite=True)
    assert there.files == {"README.md": b"of somebody else"}
    monkeypatch.setattr(push, "stage", stage)
    package.push(finished, "me/race", licence="mit", overwrite=True)
    assert "model.safetensors" in there.files


@pytest.mark.parametrize("unsaid", ["siblings", "sha"])
def test_a_mirror_that_does_not_list_the_files_gets_none(
    on_hub, finished, staged, monkeypatch, unsaid
):
    there = on_hub.repositories["me/mirrored"] = Repository()
    there.commit({"model.onnx": b"old"})
    monkeypatch.setattr(on_hub, "unsaid", {unsaid})
    told = "/me/mirrored exists, and http.* does not say which files it has.*Nothing was pushed$"
    with pytest.raises(RunError, match=told):
        package.push(finished, "me/mirrored", licence="mit", overwrite=True)
    assert there.files == {"model.onnx": b"old"}


def test_a_repository_without_any_commit_gets_its_first(on_hub, finished, staged, monkeypatch):
    there = on_hub.repositories["me/bare"] = Repository()
    there.commit({})
    monkeypatch.setattr(on_hub, "unsaid", {"sha"})
    package.push(finished, "me/bare", licence="mit", overwrite=True)
    assert {*there.files} == {"README.md", "model.safetensors"}
