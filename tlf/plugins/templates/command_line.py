"""The starts of plugins that add to the command line: commands, and formats of exports."""

from collections.abc import Mapping

from tlf.plugins.templates import Starter
from tlf.plugins.templates.components import offering

COMMANDS = '''import click
from tlf.hookspecs import hookimpl


@click.command()
@click.argument("run")
def epochs(run: str) -> None:
    """Count the epochs of a run."""
    import tlf

    click.echo(len(list(tlf.read_history(run))))


@hookimpl
def tlf_commands() -> dict[str, click.Command]:
    """Offer the command ``tlf $name:epochs``."""
    return {"epochs": epochs}
'''

EXPORTERS = '''from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from torch import Tensor


@dataclass(frozen=True)
class Program:
    """A program of torch.export."""

    file = "program.pt2"

    def write(
        self, model: Classifier, classes: Sequence[str], preprocessing: Preprocessing, path: Path
    ) -> None:
        """Write the file."""
        size = preprocessing.size
        images = torch.zeros(2, preprocessing.channels, size, size)
        shapes = ({0: torch.export.Dim("batch", max=1024)},)
        with path.open("wb") as file:
            torch.export.save(torch.export.export(model, (images,), dynamic_shapes=shapes), file)

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Load the file: images (B, C, S, S) → logits (B, K)."""
        with path.open("rb") as file:
            return torch.export.load(file).module()
''' + offering("tlf_exporters", "program", "Program")

TRACKERS = '''import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlf.hookspecs import hookimpl
from tlf.trackers import Outcome, TrackedRun


@dataclass(frozen=True)
class Opened:
    """A run, in a file of its own."""

    file: Path
    id: str
    last: int

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Add a line."""
        with self.file.open("a") as file:
            print(json.dumps({"step": step, **figures}), file=file)

    def end(self, outcome: Outcome) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Lines:
    """Write a line of JSON for each epoch."""

    name: str = "figures.jsonl"
    """The name of the file, in the folder of the run."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin a file, or go on with it."""
        file = Path(run.folder, self.name)
        lines = file.read_text().splitlines() if run.id and file.exists() else []
        return Opened(file, self.name, max((json.loads(line)["step"] for line in lines), default=0))
''' + offering("tlf_trackers", "lines", "Lines")

STARTERS: Mapping[str, Starter] = {
    "tlf_commands": Starter(
        "A command", COMMANDS, "tlf $name:epochs RUN", "", "epochs", "check_command"
    ),
    "tlf_trackers": Starter(
        "A tracker", TRACKERS, "tlf explain RECIPE 'tracking={kind=\"$name:lines\"}'", "lines",
        "Lines", "check_tracker",
    ),
    "tlf_exporters": Starter(
        "A format of exports", EXPORTERS, "tlf export RUN --to $name:program", "program", "Program",
        "check_exporter",
    ),
}  # fmt: skip
"""Hook → its start."""
