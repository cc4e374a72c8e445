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

STARTERS: Mapping[str, Starter] = {
    "tlf_commands": Starter(
        "A command", COMMANDS, "tlf $name:epochs RUN", "", "epochs", "check_command"
    ),
    "tlf_exporters": Starter(
        "A format of exports", EXPORTERS, "tlf export RUN --to $name:program", "program", "Program",
        "check_exporter",
    ),
}  # fmt: skip
"""Hook → its start."""
