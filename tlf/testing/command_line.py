"""The contracts of what a plugin adds to the command line: a command, and an exporter."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import torch
from click.testing import CliRunner
from torch import Tensor

from tlf.components import Exporter
from tlf.data.transforms import normalize
from tlf.freezing.freeze import digests
from tlf.model import Classifier
from tlf.plugins.returned import checked_logits
from tlf.plugins.validation import fault
from tlf.preprocessing import Preprocessing
from tlf.runtime.seeds import seeded
from tlf.testing.contract import raising_only, require
from tlf.testing.models import tiny_classifier
from tlf.testing.tiny_run import SIDE

CLASSES = ("a", "b", "c")
PREPROCESSING = Preprocessing(SIDE, SIDE)
TOLERANCE = 1e-4


def check_command(command: click.Command) -> None:
    """Check that a command keeps its contract: it is a click command, its help can be shown and
    says what it does, as the help of each of its options does.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    require(
        isinstance(command, click.Command),
        command,
        "is no click command",
        "write @click.command() above the function",
    )
    rule = "most users read tlf PLUGIN:COMMAND --help, and nothing else"
    require(bool(command.help), command, "has no help; write a docstring", rule)
    options = (one for one in command.params if isinstance(one, click.Option) and not one.hidden)
    silent = next((one.opts[0] for one in options if not one.help), None)
    require(silent is None, command, f"has an option {silent} without help", rule)
    done = CliRunner().invoke(command, ["--help"])
    require(done.exit_code == 0, command, f"fails in --help: {done.exception!r}", rule)


def check_exporter(exporter: Exporter) -> None:
    """Check that an exporter keeps its contract.

    It needs no options. ``write`` writes one file, and leaves the model as it is. Where it has
    ``load``, the file gives the model's logits, for one image and for several.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    problem = fault("tlf_exporters", type(exporter))
    rule = "an exporter is a frozen dataclass with file and write, which needs no options"
    require(problem is None, exporter, str(problem), rule)
    model = tiny_classifier().eval()
    before = digests(model)
    with TemporaryDirectory(prefix="tlf-checked-") as folder:
        path = Path(folder, exporter.file)
        with raising_only(exporter, "write"):
            exporter.write(model, CLASSES, PREPROCESSING, path)
        found = sorted(file.name for file in Path(folder).iterdir())
        require(
            found == [path.name] and path.is_file(),
            exporter,
            f"writes {', '.join(found) or 'nothing'}",
            f"it writes one file, at the path that it is given (here {path.name})",
        )
        require(
            digests(model) == before and not model.training,
            exporter,
            "changes the model",
            "the model is exported, and not changed",
        )
        load = getattr(exporter, "load", None)
        if load is not None:
            _check_logits(exporter, partial(load, path), model)


def _check_logits(
    exporter: Exporter, load: Callable[[], Callable[[Tensor], object]], model: Classifier
) -> None:
    with seeded(0, "images"):
        pixels = torch.randint(256, (5, 3, SIDE, SIDE), dtype=torch.uint8)
    images = normalize(pixels, PREPROCESSING)
    for batch in (images[:1], images):
        with raising_only(exporter, f"load, of {len(batch)} images"), torch.inference_mode():
            found = checked_logits(load()(batch), len(batch), len(CLASSES))
            expected = model(batch)
        difference = float((found - expected).abs().max())
        require(
            difference <= TOLERANCE,
            exporter,
            f"gives logits for {len(batch)} images that differ by up to {difference:.2g}",
            f"the file gives the model's logits, within {TOLERANCE}",
        )
