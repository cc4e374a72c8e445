"""The text of a recipe: TOML, with comments that say what was seen and why it is so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import tomli_w

from tlf.errors import in_shell
from tlf.first_recipe.look import Look
from tlf.first_recipe.strategies import BATCH, STRATEGIES, Strategy, head_epochs
from tlf.first_recipe.table import TableOfImages
from tlf.first_recipe.weights import Weights
from tlf.runtime.text import printable
from tlf.tasks import DEFAULT, TASKS

WIDTH = 98
LISTED = 12
"""Classes in a comment, at most."""
SMALL = 64
"""Images whose shorter side has at most so many pixels are enlarged to ``ENLARGED`` only."""
ENLARGED = 96
"""As in recipes/cifar10_finetune.toml. Enlarged to 224, they would cost five times as much."""
IMBALANCED = 10
"""A class with so many times as many train images as another is much larger."""


@dataclass(frozen=True)
class Choices:
    """What a recipe is written of."""

    folder: str
    """The folder or the table of images, as the person wrote it."""
    path: Path
    """The file of the recipe, as the person wrote it; its name is that of the run."""
    seen: Look
    strategy: Strategy
    weights: Weights
    chosen: bool
    """Whether the person has named the strategy."""
    backbone: str | None = None
    """The backbone, as the person has named it."""
    sizes: bool = True
    """Whether the backbone takes images of any size."""
    table: TableOfImages | None = None
    """What was seen in a table of images; None of a folder."""
    label: str | None = None
    """The column of classes, as the person has named it."""

    @property
    def data(self) -> tuple[tuple[str, object], ...]:
        """The keys of ``[data]``."""
        return self.table.data if self.table else (("kind", "folder"), ("root", self.folder))

    @property
    def task(self) -> str:
        """What the model is trained for."""
        return self.table.task if self.table else DEFAULT

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at in the table."""
        return self.table.warnings if self.table else ()

    @property
    def name(self) -> str:
        """What the images are called."""
        path = Path(self.folder).resolve()
        return path.stem if self.table else path.name

    @property
    def enlarges(self) -> bool:
        """Whether small images are enlarged to less than the size of the weights."""
        return self.sizes and self.seen.side is not None and self.seen.side <= SMALL

    @property
    def imbalanced(self) -> bool:
        """Whether some classes have far fewer train images than others, and the main metric of the
        task does not count all classes alike.
        """
        present = [count for count in self.seen.train if count]
        alike = any(metric.name == "macro_f1" for metric in TASKS[self.task].metrics)
        return not alike and max(present) >= IMBALANCED * min(present)


def recipe_text(choices: Choices) -> str:
    """The recipe."""
    about = "\n".join(f"# {printable(line)}" for line in _about(choices))
    tables = "\n".join(_tables(choices))
    phases = choices.strategy.phases.format(epochs=head_epochs(choices.seen))
    return f"{about}\n{tables}\n{phases}"


def _about(choices: Choices) -> Iterator[str]:
    yield f"A first recipe for the images in {printable(choices.folder)}."
    yield f"    tlf {in_shell(choices.path)}"
    following = STRATEGIES[choices.strategy.next]
    advice = f"To try the next strategy, {following.name} ({following.what}):"
    told = choices.table.reasons if choices.table else ()
    warned = (f"Warning: {text}" for text in choices.warnings)
    for sentence in (*_seen(choices.seen), *told, *warned, *_reasons(choices), advice):
        yield from wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
    name = f"{choices.name}-{following.name}.toml"
    output = in_shell(choices.path.with_name(name))
    asked = "" if choices.backbone is None else f" --backbone {in_shell(choices.backbone)}"
    asked += "" if choices.label is None else f" --label {in_shell(choices.label)}"
    options = f"--strategy {following.name} --output {output}{asked}"
    yield f"    tlf init {in_shell(choices.folder)} {options}"
    yield f"    tlf {output}"


def _seen(seen: Look) -> Iterator[str]:
    classes = seen.splits.classes
    yield (
        f"Seen: {seen.images:,} train and {seen.eval.images:,} eval images of {len(classes):,} "
        f"classes. Train images of each class: {_counts(seen)}."
    )
    if (test := seen.splits.test) is not None:
        yield (
            f"The {len(test):,} images in {seen.test} are the test split: no decision sees them. "
            "When all is decided, tlf evaluate RUN --split test looks at them."
        )
    yield from seen.splits.notes
    if seen.side is not None:
        opened = f"of {seen.sampled:,} images that were opened"
        yield f"The shorter side of an image has {seen.side} pixels, the median {opened}."
    if 0 < (count := seen.eval.images) < 100:
        yield f"There are few eval images: one of them is {1 / count:.1%} of the accuracy."


def _counts(seen: Look) -> str:
    pairs = [*zip(seen.splits.classes, seen.train, strict=True)]
    named = [f"{printable(name)} {count:,}" for name, count in pairs[:LISTED]]
    more = f", and {len(pairs) - LISTED:,} more" if len(pairs) > LISTED else ""
    return ", ".join(named) + more


def _reasons(choices: Choices) -> Iterator[str]:
    strategy = choices.strategy
    if choices.chosen:
        yield f"Strategy {strategy.name}, as asked for: {strategy.what}."
    else:
        yield (
            f"Strategy {strategy.name}: {strategy.what}. It is for {strategy.when} train images: a "
            "rule of thumb, not a measurement."
        )
    yield f"Weights: {choices.weights.why}."
    if choices.weights.warning:
        yield f"Warning: {choices.weights.warning}."


def _tables(choices: Choices) -> Iterator[str]:
    if choices.task != DEFAULT:
        yield _toml("task", choices.task, 10)
    yield f"seed       = 0\nbatch_size = {BATCH}"
    yield _toml("output", f"runs/{choices.path.stem}", 10)
    if choices.imbalanced:
        yield 'metrics    = ["macro-f1"]                # accuracy says little about rare classes'
        yield 'monitor    = "eval_macro_f1"             # chooses the best epoch'
    yield "\n[data]"
    yield from (_toml(key, value) for key, value in choices.data)
    yield from _data(choices.seen)
    yield from _transforms(choices)
    yield "\n[backbone]"
    table = [*choices.weights.table]
    if choices.seen.channels is not None and "channels" not in dict(table):
        table.append(("channels", choices.seen.channels))
    width = max((len(key) for key, _ in table), default=0)
    yield from (_toml(key, value, width) for key, value in table)
    yield '\n[head]\nkind    = "linear"\ndropout = 0.5'
    if choices.imbalanced:
        yield '\n[loss]\nkind          = "cross-entropy"'
        yield 'class_weights = "balanced"               # some classes have far fewer images'
    yield '\n[optimizer]\nkind = "adamw"\n'


def _transforms(choices: Choices) -> Iterator[str]:
    if choices.enlarges or choices.seen.deep:
        yield "\n[transforms]"
    if choices.enlarges:
        comment = f"# images of {choices.seen.side} pixels, enlarged; nothing is cropped"
        yield f"size   = {ENLARGED}                              {comment}"
        yield f"resize = {ENLARGED}"
    if choices.seen.deep:
        yield "depth  = 16                              # images of 16 bits keep them"


def _data(seen: Look) -> Iterator[str]:
    if seen.test is not None:
        yield _toml("test", seen.test)
    if seen.deep:
        yield 'white = "auto"                           # the largest value of the train images'
    if seen.unreadable:
        names = f"{len(seen.unreadable)} of {seen.sampled} cannot be read: {seen.unreadable[0]}"
        yield f'bad_images = "skip"                      # {printable(names)}'
    if seen.unevaluated:
        named = f"no eval images: {', '.join(seen.unevaluated[:LISTED])}"
        yield f'missing_in_eval = "allow"                # {printable(named)}'
    if seen.untrained:
        named = f"no train images: {', '.join(seen.untrained[:LISTED])}"
        yield f'unknown_in_eval = "skip"                 # {printable(named)}'


def _toml(key: str, value: object, width: int = 0) -> str:
    """A line of TOML. ``width``: of the key."""
    name, _, text = tomli_w.dumps({key: value}).strip().partition(" = ")
    return f"{name:<{width}} = {text}"
