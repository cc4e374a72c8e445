"""Every recipe that comes with tlf: what its header promises, and that it trains."""

import re
import tomllib
from pathlib import Path

import pytest
import timm

from installing import installed
from places import ROOT
from tlf.builtin.backbones import Timm
from tlf.recipe.files import dump, resolve
from tlf.recipe.plan import read_plan
from tlf.recipe.schema import Recipe
from tlf.results import RunResult
from tlf.runs.run import run

RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))
ON_CIRCLES = ("data.kind=folder", "backbone.weights=none", "batch_size=10", "precision=no")
"""20 images that the tests draw, and no weights that would have to be fetched."""

each_recipe = pytest.mark.parametrize(
    "path", RECIPES, ids=[str(path.relative_to(ROOT)) for path in RECIPES]
)


@pytest.fixture(scope="module", autouse=True)
def _plugins(tmp_path_factory):
    """The plugins that recipes name are installed."""
    plugins = [ROOT / "plugins" / name for name in ("tlf-formula", "tlf-efficientnet-lite")]
    with installed(tmp_path_factory.mktemp("site"), *plugins):
        yield


def header(path: Path) -> list[str]:
    """The comment that a recipe opens with, line by line, but for what editors read."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("#") for line in lines[:code] if not line.startswith("#:")]


def commands(path: Path) -> list[str]:
    """The indented lines of the header."""
    return [line.strip() for line in header(path) if line.startswith("     ")]


def test_there_are_recipes():
    names = {path.stem for path in RECIPES}
    assert names >= {"hymenoptera_probe", "hymenoptera_head_first", "cifar10_finetune"}


@each_recipe
def test_its_first_line_leads_editors_to_its_schema(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = re.fullmatch(r"#:schema (\S+)", first)[1]
    assert (path.parent / schema).samefile(ROOT / "recipes" / "recipe.schema.json")


@each_recipe
def test_it_opens_with_what_it_does_and_the_command_that_does_it(path):
    first = header(path)[0]
    assert re.match(r" [A-Z].*\w", first)
    assert f"accelerate launch -m tlf {path.relative_to(ROOT).as_posix()}" in commands(path)


@each_recipe
def test_overrides_on_a_line_of_its_header_can_be_made(path):
    for line in header(path):
        read_plan(path, re.findall(r"[a-z_]+(?:\.[a-z0-9_]+)+=\S+", line))


@each_recipe
def test_it_resolves_and_its_dump_says_the_same(path):
    plan = read_plan(path)
    again = tomllib.loads(dump(plan.recipe, plan.plugins.catalogue))
    assert resolve(again, plan.plugins.catalogue) == plan.recipe


@each_recipe
def test_it_writes_to_a_folder_of_its_own_name(path):
    assert read_plan(path).recipe.output == str(Path.cwd() / "runs" / path.stem)


def small(recipe: Recipe) -> tuple[str, ...]:
    """Small images, where the architecture takes any size."""
    if isinstance(recipe.backbone, Timm):
        config = timm.get_pretrained_cfg(recipe.backbone.model)
        if config.fixed_input_size:
            return ()
    return "transforms.size=32", "transforms.resize=36"


@each_recipe
def test_every_phase_trains_two_updates_on_small_images(path, images, tmp_path):
    """On the architecture that it names: stages and rates have to fit."""
    recipe = read_plan(path).recipe
    count = len(recipe.phases)
    once = [f"phases.{number}.epochs=1" for number in range(count)]
    events = run(
        path,
        [*ON_CIRCLES, *small(recipe), f"data.root={images}", f"output={tmp_path / 'run'}", *once],
    )
    result = list(events)[-1]
    assert isinstance(result, RunResult)
    assert [epoch.updates for epoch in result.history] == [2] * count
    assert (tmp_path / "run" / "model.safetensors").is_file()
