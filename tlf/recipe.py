"""The recipe: what a TOML file may say, and its validated values. Every mistake is told at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import Field

from tlf.components import (
    Augmentation,
    Backbone,
    BatchAugmentation,
    Catalogue,
    Dataset,
    FreezePolicy,
    Head,
    Loss,
    Optimizer,
    Scheduler,
)
from tlf.errors import RecipeError, nearest
from tlf.validation.overrides import ENGINE_KEYS, override
from tlf.validation.reading import Reader
from tlf.validation.tables import Kind, kinds, table, titled
from tlf.validation.values import Problem, join

Monitor = Literal["eval_top1", "eval_loss", "train_loss"]
MONITORS: tuple[str, ...] = get_args(Monitor)
"""The figures that early stopping, plateau schedules and the best epoch can go by."""

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Augmentations = tuple[Augmentation | BatchAugmentation, ...]

_AUGMENTATIONS = Kind("tlf_augmentations", "augmentation", many=True)


@dataclass(frozen=True, kw_only=True)
class Data:
    """``[data]``: where the pictures are. The dataset's options stand in the same table."""

    dataset: Annotated[Dataset, Kind("tlf_datasets", "dataset", beside=ENGINE_KEYS)]
    bad_images: Literal["error", "skip"] = "error"
    """What a picture that cannot be decoded does: it stops the run, or is left out and told."""


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """``[transforms]``: what happens to a picture before the backbone sees it."""

    augment: Annotated[Augmentations, _AUGMENTATIONS] = ()
    size: Count | None = None
    """Side of the square input in pixels, if not what the backbone's weights were trained with."""
    resize: Count | None = None
    """Shorter side before the crop in pixels, if not what the backbone's weights come with."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """``[cache]``: what never changes is computed once and stored."""

    mode: Literal["auto", "off"] = "auto"
    """``off`` stores nothing; the results are the same."""
    max_gb: Positive = 20.0
    """How much may be stored, in 10⁹ bytes; what was used longest ago makes room."""
    dir: Text | None = None
    """The folder to store in, if not tlf's own (``$TLF_CACHE``, or ``~/.cache/tlf``)."""
    views: Count | None = None
    """Draw so many random views of each picture instead of a new one in every epoch, where frozen
    stages come first: epoch e uses view e mod ``views``. This is another experiment."""


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """End a phase when the monitored figure no longer improves."""

    patience: Count
    """How many epochs may pass without an improvement."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """By how much the figure has to change to count as improved."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEvery:
    """How often the state of a run is stored, to go on from: by time, or by updates."""

    seconds: Positive | None = None
    updates: Count | None = None

    def __post_init__(self) -> None:
        """Check that it is one of the two."""
        if (self.seconds is None) == (self.updates is None):
            raise ValueError("checkpoint_every is { seconds = … } or { updates = … }")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """``[[phases]]``: a stretch of training with one freeze policy and one schedule."""

    name: Text
    freeze: Annotated[
        tuple[FreezePolicy, ...],
        Kind("tlf_freeze_policies", "freeze policy", default="nothing", many=True),
    ]
    """What stands still; a parameter that any of the policies names is frozen."""
    epochs: Count
    lr: Positive | Mapping[str, Positive]
    """The learning rate; or one each for ``head``, ``backbone`` and stages by name."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each earlier stage learns at this fraction of the next one's learning rate."""
    scheduler: Annotated[Scheduler, Kind("tlf_schedulers", "scheduler", default="constant")]
    optimizer: Annotated[Optimizer | None, Kind("tlf_optimizers", "optimizer")] = None
    """Instead of the recipe's."""
    early_stopping: EarlyStopping | None = None
    augment: Annotated[Augmentations | None, _AUGMENTATIONS] = None
    """Instead of the recipe's."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay per update of an exponential moving average of the weights, which is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run computes, in the order of the data flow."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """``auto`` is what ``accelerate launch`` says."""
    compile: bool = False
    """Whether torch.compile compiles what learns from pictures. It pays back in long phases."""
    batch_size: Count = 32
    """Pictures per update, over all processes together."""
    accumulate: Count = 1
    """In how many pieces a batch is computed, one after the other, to fit into memory."""
    clip_grad_norm: Positive | None = None
    """The longest that the gradient of all parameters together may be."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load pictures, for each process that trains."""
    monitor: Monitor = "eval_top1"
    output: Text
    """The folder that the run's files go to."""
    plugins: tuple[Text, ...] = ()
    """Plugins to load for their hooks; those that a component is named from load by themselves."""
    extensions: Annotated[tuple[Any, ...], Kind("tlf_extensions", "extension", many=True)] = ()
    """Plugins' hooks that take options."""
    checkpoint_every: CheckpointEvery = CheckpointEvery(seconds=60.0)
    """How often the state of the run is stored, to go on from."""
    cache: CacheSettings = CacheSettings()
    data: Data
    transforms: Transforms = Transforms()
    backbone: Annotated[Backbone, Kind("tlf_backbones", "backbone")]
    head: Annotated[Head, Kind("tlf_heads", "head", default="linear")]
    loss: Annotated[Loss, Kind("tlf_losses", "loss", default="cross-entropy")]
    optimizer: Annotated[Optimizer, Kind("tlf_optimizers", "optimizer", default="sgd")]
    phases: tuple[Phase, ...]


def read_table(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe and apply ``key=value`` overrides to it. Nothing is validated yet.

    Raises:
        RecipeError: the file cannot be read or is not TOML, or an override cannot be applied.
    """
    content, problems = override(_parsed(path, _text(path)), overrides)
    if problems:
        raise RecipeError(problems, str(path))
    return content


def named_plugins(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The plugins that a recipe needs, in the order in which it names them.

    >>> named_plugins({"plugins": ["wandb"], "head": "gem:pooled", "phases": [{"freeze": ["a:b"]}]})
    ('wandb', 'gem', 'a')
    """
    listed = table.get("plugins", [])
    plain = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    qualified = [kind.split(":")[0] for kind in kinds(Recipe, table) if ":" in kind]
    return tuple(dict.fromkeys(name for name in [*plain, *qualified] if name))


def resolve(table: Mapping[str, Any], catalogue: Catalogue, source: str = "recipe") -> Recipe:
    """Validate a recipe and make its components. ``source`` is the file that it was read from.

    Raises:
        RecipeError: something in it is wrong. Tells every mistake, each with its path.
    """
    reader = Reader(catalogue)
    recipe = reader.table(Recipe, {"output": f"runs/{Path(source).stem}"} | dict(table), "")
    problems = [*reader.problems, *_clashes(table)]
    if problems or not isinstance(recipe, Recipe):
        raise RecipeError([str(problem) for problem in problems], source)
    return recipe


def dump(recipe: Recipe, catalogue: Catalogue) -> str:
    """The recipe as TOML with every default written out. Resolving it gives an equal recipe."""
    content = table(recipe, catalogue)
    return tomli_w.dumps(
        content
        | {name: titled(content[name]) for name in ("backbone", "head", "loss", "optimizer")}
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = f"byte {error.start} is not UTF-8; save the file as UTF-8 text"
        raise RecipeError([text], str(path)) from error
    except OSError as error:
        raise RecipeError([_unreadable(path, error)], str(path)) from error


def _unreadable(path: Path, error: OSError) -> str:
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    recipes = [file.name for file in files if file.name != "pyproject.toml"]
    others = f"; {nearest(path.name, recipes)}" if recipes else ""
    if path.is_dir():
        example = folder / (recipes[0] if recipes else "my_recipe.toml")
        return f"is a folder; write the path of a recipe, such as {example}{others}"
    if isinstance(error, FileNotFoundError):
        return f"no such file; write the path of a recipe, a file that ends in .toml{others}"
    return f"cannot be read: {error.strerror}"


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(
            r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error)
        )
        if not found:
            raise RecipeError([f"not TOML: {error}"], str(path)) from error
        raise RecipeError([_where(text, *found.groups())], str(path)) from error


def _where(text: str, fault: str, row: str | None, column: str | None) -> str:
    """What is not TOML, and in which line. Without a row and a column it is the end of the text."""
    lines = (text if row else text.rstrip()).split("\n")
    line = lines[int(row or len(lines)) - 1]
    place = f"line {row or len(lines)}, column {column or len(line) + 1}"
    told = f"{place}: {fault}" if row else f"not TOML: {fault} at the end, {place}"
    return f"{told}, in: {line.strip()}"


def _clashes(table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between values that are right by themselves."""
    batch, pieces = table.get("batch_size", 32), table.get("accumulate", 1)
    if isinstance(batch, int) and isinstance(pieces, int) and 1 <= batch < pieces:
        yield Problem(
            "accumulate", f"cuts batches of {batch} into {pieces} pieces; at most {batch}"
        )
    yield from _size_clash(table.get("transforms"))
    phases = table.get("phases")
    if phases == []:
        yield Problem("phases", "is empty; write at least one [[phases]] table")
    if isinstance(phases, list):
        yield from _phase_clashes([phase for phase in phases if isinstance(phase, dict)])


def _size_clash(transforms: object) -> Iterator[Problem]:
    sides = transforms if isinstance(transforms, dict) else {}
    size, resize = sides.get("size"), sides.get("resize")
    if isinstance(size, int) and isinstance(resize, int) and 1 <= resize < size:
        yield Problem("transforms.resize", f"{resize} is below the size of the crop, {size}")


def _phase_clashes(phases: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    seen: dict[object, int] = {}
    for index, phase in enumerate(phases):
        name, path = phase.get("name"), join("phases", index)
        if isinstance(name, str) and name in seen:
            text = f"phases.{seen[name]} is also called {name!r}; names have to differ"
            yield Problem(join(path, "name"), text)
        elif isinstance(name, str):
            seen[name] = index
        if isinstance(phase.get("lr"), dict) and "head" not in phase["lr"]:
            yield Problem(join(path, "lr"), "a table of learning rates needs one for head")
