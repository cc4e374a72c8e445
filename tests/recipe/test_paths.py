"""Paths in a recipe: relative ones are relative to the working directory, and become absolute."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest

from tlf.components import IsPath
from tlf.errors import RecipeError
from tlf.recipe.files import dump
from tlf.recipe.paths import is_on_disk, path_keys, with_absolute_paths
from tlf.recipe.plan import load_recipe, plan_of, read_plan
from tlf.recipe.schema import CacheSettings


@dataclass(frozen=True)
class Several:
    """Options of every type that may hold a path."""

    one: Path
    many: tuple[Path, ...] = (Path("a"), Path("/b"))
    named: Mapping[str, Path] = field(default_factory=lambda: {"x": Path("c")})
    maybe: Path | None = None
    word: Literal["auto"] | Path = "auto"
    text: Annotated[str, IsPath()] = ""
    either: Annotated[str, IsPath(when=lambda text: text.endswith(".bin"))] = "none"
    plain: str = "d"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("either", "word", "there"),
    [("a.bin", Path("b"), True), ("none", Path("b"), False), ("a.bin", "auto", False)],
)
def test_a_component_of_paths_alone_is_on_the_disk(either, word, there):
    assert is_on_disk(Several(Path("a"), either=either, word=word)) is there
    assert not is_on_disk(CacheSettings())


@dataclass(frozen=True)
class Elsewhere:
    """A dataset with a folder for what it fetches. Its addresses bear no mark."""

    folder: Path = Path("a")
    sources: tuple[str, ...] = ()
    mirror: str = ""


@dataclass(frozen=True)
class Drawn:
    """A dataset that needs neither files nor a server."""

    on_disk: ClassVar[bool] = True
    images: int = 10


def test_a_dataset_with_an_address_is_not_on_the_disk():
    assert is_on_disk(Elsewhere(sources=("a", "file:///b"), mirror="no address"))
    assert not is_on_disk(Elsewhere(sources=("a", "https://host/b.tar")))
    assert not is_on_disk(Elsewhere(mirror="s3://bucket/b"))
    assert is_on_disk(Drawn())


@pytest.mark.parametrize(
    ("data", "there"),
    [
        ({"kind": "folder", "root": "/data"}, True),
        ({"kind": "starter"}, True),
        ({"kind": "shards", "train": "/data/{0..9}.tar"}, True),
        ({"kind": "shards", "train": "file:///data/a.tar", "eval": "/data/b.tar"}, True),
        ({"kind": "shards", "train": "https://host/a.tar"}, False),
        ({"kind": "shards", "train": "/data/a.tar", "eval": "s3://bucket/b.tar"}, False),
        ({"kind": "hub", "name": "/data/pets.parquet"}, True),
        ({"kind": "hub", "name": "me/pets"}, False),
    ],
    ids=str,
)
def test_which_datasets_are_on_the_disk(recipe, data, there):
    assert is_on_disk(load_recipe(recipe, [f"data={inline(data)}"]).data.dataset) is there


def inline(table):
    return "{" + ", ".join(f"{key} = '{value}'" for key, value in table.items()) + "}"


def test_every_path_of_a_component_becomes_absolute_its_defaults_too(here):
    assert with_absolute_paths(Several, {"one": Path("../e")}) == {
        "one": here.parent / "e",
        "many": (here / "a", Path("/b")),
        "named": {"x": here / "c"},
        "maybe": None,
        "word": "auto",
        "text": "",
        "either": "none",
    }
    given = {"one": Path("/e"), "word": Path("f"), "text": "g", "either": "h.bin", "plain": "i"}
    placed = with_absolute_paths(Several, given)
    assert placed["word"] == here / "f"
    assert (placed["text"], placed["either"]) == (f"{here}/g", f"{here}/h.bin")
    assert (placed["one"], placed["plain"]) == (Path("/e"), "i")


def test_a_recipe_that_is_read_holds_absolute_paths_only(recipe, here, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = read_plan(recipe, ["output=out", "data.root=~/images", "backbone.weights=w/x.pth",
                              "cache.dir=./c", "start_from=m.safetensors"])  # fmt: skip
    changed = plan.recipe
    assert changed.output == f"{here}/out"
    assert changed.data.dataset.root == f"{tmp_path}/images"
    assert changed.backbone.weights == f"{here}/w/x.pth"
    assert changed.cache.dir == f"{here}/c"
    assert changed.start_from == f"{here}/m.safetensors"
    assert {*path_keys(changed)} == {
        "output", "start_from", "data.root", "backbone.weights", "cache.dir", "data.fixes"
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "written.toml"
    written.write_text(dump(changed, plan.plugins.catalogue))
    assert load_recipe(written) == changed
    assert plan_of(replace(changed, output="other")).recipe.output == f"{tmp_path}/other"


@pytest.mark.parametrize("weights", ["none", "starter", "IMAGENET1K_V1"])
def test_names_of_weights_are_no_paths(recipe, weights):
    change = f"backbone={{kind='torchvision', model='resnet18', weights='{weights}'}}"
    assert load_recipe(recipe, [change]).backbone.weights == weights


def test_the_name_of_a_dataset_is_a_path_where_it_is_one(recipe, here):
    def name_of(text):
        return load_recipe(recipe, [f"data={{kind='hub', name='{text}'}}"]).data.dataset.name

    assert name_of("beans/tiny") == "beans/tiny"
    assert name_of("tiny.parquet") == f"{here}/tiny.parquet"
    (here / "beans" / "tiny").mkdir(parents=True)
    assert name_of("beans/tiny") == f"{here}/beans/tiny"


def test_a_path_with_a_nul_is_refused(recipe):
    with pytest.raises(RecipeError, match="a path must not contain the character NUL"):
        plan_of(replace(load_recipe(recipe), output="a\0b"))


def test_a_user_that_does_not_exist_is_named(recipe):
    with pytest.raises(RecipeError, match="~nobody-here/x is in the folder of a user that does no"):
        load_recipe(recipe, ["output=~nobody-here/x"])


def test_an_empty_path_is_not_the_working_directory(recipe):
    with pytest.raises(RecipeError, match=r'root must be a path, got ""; "\." is the working dir'):
        load_recipe(recipe, ['data.root=""'])
