"""Commands and exporters."""

from dataclasses import dataclass
from pathlib import Path

import click
import torch

from broken.rules import Rules

COMMANDS, EXPORTERS = Rules(), Rules()


@click.command()
@click.option("--deep", is_flag=True, help="How deep.")
def whole_command(deep):
    """Do it."""


def command(message):
    """Note a command that breaks a rule."""
    return lambda one: COMMANDS.note(getattr(one, "name", "function"), message, lambda: one)


@command("is no click command")
def function():
    """No command."""


@command("has no help; write a docstring")
@click.command()
def silent():
    pass


@command("has an option --deep without help")
@click.command()
@click.option("--deep")
def unexplained(deep):
    """Do it."""


class Failing(click.Command):
    def get_help(self, ctx):
        raise KeyError("help")


@command("fails in --help: KeyError('help')")
@click.command(cls=Failing)
def failing():
    """Do it."""


@dataclass(frozen=True)
class Whole:
    """Tensors as numpy has them, and the network from them."""

    file = "model.pt"

    def write(self, model, classes, preprocessing, path):
        path.write_bytes(b"".join(t.numpy().tobytes() for t in model.state_dict().values()))
        _KEPT["model"] = model

    def load(self, path):
        return _KEPT["model"]


_KEPT = {}


@EXPORTERS.broken('has None as its file; write file = "model.npz"')
@dataclass(frozen=True)
class Nameless:
    def write(self, model, classes, preprocessing, path):
        path.write_text("")


@EXPORTERS.broken("has 'out/model.pt' as its file")
@dataclass(frozen=True)
class InAFolder(Nameless):
    file = "out/model.pt"


@EXPORTERS.broken("needs the option 'opset', which --to cannot give", opset=3)
@dataclass(frozen=True)
class Needy(Nameless):
    opset: int
    file = "model.pt"


@EXPORTERS.broken("writes nothing. The contract: it writes one file")
@dataclass(frozen=True)
class Idle:
    file = "model.pt"

    def write(self, model, classes, preprocessing, path):
        """Nothing."""


@EXPORTERS.broken("writes model.pt, notes.txt")
@dataclass(frozen=True)
class Chatty(Nameless):
    file = "model.pt"

    def write(self, model, classes, preprocessing, path):
        path.write_text("")
        Path(path.parent, "notes.txt").write_text("")


@EXPORTERS.broken("changes the model")
@dataclass(frozen=True)
class Halving(Nameless):
    file = "model.pt"

    def write(self, model, classes, preprocessing, path):
        path.write_bytes(model.half().head.bias.detach().numpy().tobytes())


@EXPORTERS.broken("fails in load, of 1 images: ValueError: load must return what gives logits")
@dataclass(frozen=True)
class Features(Whole):
    def load(self, path):
        return lambda images: images


@EXPORTERS.broken("gives logits for 5 images that differ by up to")
@dataclass(frozen=True)
class OneByOne(Whole):
    def load(self, path):
        return lambda images: _KEPT["model"](images[:1]).expand(len(images), -1)


@EXPORTERS.broken("gives logits for 1 images that differ by up to nan")
@dataclass(frozen=True)
class NotANumber(Whole):
    def load(self, path):
        return lambda images: torch.full((len(images), 3), float("nan"))


@EXPORTERS.broken("fails in write: NotImplementedError")
@dataclass(frozen=True)
class Unfinished(Nameless):
    file = "model.pt"

    def write(self, model, classes, preprocessing, path):
        raise NotImplementedError
