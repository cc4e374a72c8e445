"""What leaves the computer: no folders, no passwords, nothing of the machine."""

import tomllib
from pathlib import Path

import pytest

from tlf.inference.metadata import read_metadata
from tlf.publishing.private import (
    paths_in,
    public,
    public_metadata,
    public_provenance,
    public_recipe,
)

RECIPE = {
    "output": "/home/me/my runs/ants",
    "data": {
        "root": "/data/pets",
        "group": r"/patient-(\d+)/",
        "shards": ["s3://u:pw@b/a.tar?x=1"],
    },
    "backbone": {"weights": "C:\\Users\\me\\net.pth", "model": "resnet18"},
    "lr": 0.1,
}


def test_of_a_path_the_last_part_is_left():
    assert tomllib.loads(public_recipe(RECIPE)) == {
        "output": "ants",
        "data": {"root": "pets", "group": r"/patient-(\d+)/", "shards": ["s3://b/a.tar?…"]},
        "backbone": {"weights": "net.pth", "model": "resnet18"},
        "lr": 0.1,
    }
    assert [*paths_in(RECIPE)] == [
        "/home/me/my runs/ants", "/data/pets", "C:\\Users\\me\\net.pth"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("2 images of /data/pets/train are gone", "2 images of train are gone"),
        ("see /home/me/my runs/ants.", "see ants."),
        ("https://host/a/b and 1/2 and and/or", "https://host/a/b and 1/2 and and/or"),
        ("file:///home/me/x.png", "x.png"),
        ("/home/me/my runs/ants has none (see a/b): 4", "ants has none (see a/b): 4"),
        (f"see {Path.home()}/my ants and {Path.home()}", "see ~/my ants and ~"),
        ("/data/my ants (1)", "my ants (1)"),
        ("tlf evaluate '/a/b c/run' --split test", "tlf evaluate 'run' --split test"),
        ("\"C:\\Users\\A B\\x\" and '~/a b/y' and it's", "\"x\" and 'y' and it's"),
        ("class '/' and 'a/b'", "class '/' and 'a/b'"),
        ("see `/home/me/secret dir/x.png` or `~/a b/y`", "see `x.png` or `y`"),
        ("file(/home/me/p q/img.png), [/a b/c d/e], {C:\\A B\\x}", "file(img.png), [e], {x}"),
        ("none (/home/me/ants (2)/p q/a.csv) (/), f(1/2)", "none (a.csv) (/), f(1/2)"),
    ],
)
def test_sentences_name_no_folder(said, left):
    assert public({"note": said}, ("/home/me/my runs/ants",)) == {"note": left}


def test_paths_have_parentheses_and_notes_begin_with_paths():
    recipe = {"data": {"root": "/home/me/ants (2)", "file": "/home/me/ants (2)/a.csv"}}
    assert public(recipe) == {"data": {"root": "ants (2)", "file": "a.csv"}}
    note = "/home/me/ants (2)/a.csv has no eval split of its own: 20% (drawn by data.seed = 0)"
    about = public_provenance({"notes": [note, "/home/me/b.csv is empty"]}, recipe)
    said = "a.csv has no eval split of its own: 20% (drawn by data.seed = 0)"
    assert about["notes"] == [said, "b.csv is empty"]


def test_options_of_plugins_keep_their_secrets():
    options = {"api_key": "a", "access_token": "b", "weights_key": "c", "tokens": "d", "token": 5}
    assert public(options) == options | {"api_key": "…", "access_token": "…"}
    more = {"aws_secret_access_key": "a", "proxy-authorization": "b", "credentials": {"user": "c"},
            "passphrase": ["d", ""], "key": "e", "monkey": "f", "secret_key": ""}  # fmt: skip
    assert public(more) == more | {
        "aws_secret_access_key": "…", "proxy-authorization": "…", "credentials": {"user": "…"},
        "passphrase": ["…", ""],
    }  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [
        "account_key", "accountKey", "signing_key", "encryption-key", "shared.key",
        "SharedAccessKey", "accessToken", "APIKey", "AWSSecretKey", "apikey", "passWord",
        "connection_string", "connectionString", "db_pwd", "pwd", "bearer",
        "sas", "blobSAS", "PASSWD", "client_secret",
    ],
)  # fmt: skip
def test_secrets_are_known_however_they_are_written(key):
    assert public({"storage": {key: "zzz"}}) == {"storage": {key: "…"}}


@pytest.mark.parametrize("key", ["sort_key", "tokenizer", "maxTokens", "canvas", "account", "by"])
def test_other_options_are_no_secrets(key):
    assert public({key: "zzz"}) == {key: "zzz"}


def test_provenance_has_the_recipe_without_its_paths():
    notes = ["2 images are in both splits\n  a.png", "left out 1: 'mr x.PNG', of 'a', \"o'b.jpg\""]
    chapter = {"recipe": "output = '/home'", "notes": notes}
    about = {
        **chapter,
        "hardware": {"device": "CPU", "machine": "Linux-acme"},
        "earlier": [chapter],
    }
    found = public_provenance(about, RECIPE)
    assert found["hardware"] == {"device": "CPU"}
    assert found["notes"] == ["2 images are in both splits", "left out 1: …, of 'a', …"]
    assert found["earlier"] == [{"notes": found["notes"]}]
    assert found["recipe"] == public_recipe(RECIPE)


def test_metadata_names_no_train_images(finished):
    metadata = read_metadata(finished / "head.safetensors")
    changed = {**metadata.backbone, "weights": "/secret/net.pth"}
    found = public_metadata(metadata.__class__(**{**vars(metadata), "backbone": changed}))
    assert (found.backbone["weights"], found.unlike) == ("net.pth", None)
    assert found.backbone["sha256"] == metadata.backbone["sha256"]
