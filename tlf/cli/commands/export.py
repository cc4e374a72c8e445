"""``tlf export RUN --to FORMAT``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo, warnings_as_notes
from tlf.cli.process import stopped_cleanly
from tlf.errors import TlfError, nearest
from tlf.tasks import describe

if TYPE_CHECKING:
    from tlf.exports.preprocessing.difference import Difference

CARD, HUB = "card", "hub"
"""What ``--to`` names besides formats of a model."""


@click.command()
@arguments.run_folder
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="head, model, timm, torchvision, torch-export or onnx; or PLUGIN:NAME, of a plugin; card, "
    "a model card; hub, the Hugging Face hub",
)
@click.option(
    "--output", type=click.Path(path_type=Path), callback=arguments.named_file,
    help="The file to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
@click.option("--int8", is_flag=True, help="With onnx: 8-bit weights and activations.")
@click.option(
    "--margin", type=float, default=0.01, show_default=True,
    help="With --int8: how much accuracy 8 bits may cost, as a fraction.",
)  # fmt: skip
@click.option(
    "--with-preprocessing", is_flag=True,
    help="With onnx and torch-export: take images of any size, give probabilities.",
)  # fmt: skip
@click.option(
    "--licence", metavar="NAME",
    help="With card and hub: such as apache-2.0.  [default: that of the pretrained weights]",
)  # fmt: skip
@click.option("--repo", metavar="USER/NAME", help="With hub: the repository.")
@click.option("--private", is_flag=True, help="With hub: seen by its owner alone.")
@click.option("--onnx", is_flag=True, help="With hub: push the model as ONNX, too.")
def command(
    run: Path,
    to: str,
    output: Path | None,
    repo: str | None,
    licence: str | None,
    *,
    overwrite: bool,
    int8: bool,
    margin: float,
    with_preprocessing: bool,
    private: bool,
    onnx: bool,
) -> None:
    """Write a run's best model for another library, or its card.

    --to card writes its model card, --to hub pushes both to the Hugging Face hub.

    Nothing is written unless the file gives the probabilities of the model, in float32.
    """
    _check(to, {
        "--output": (output is not None, to != HUB),
        "--int8": (int8, to not in (CARD, HUB)),
        "--with-preprocessing": (with_preprocessing, to not in (CARD, HUB)),
        "--licence": (licence is not None, to in (CARD, HUB)),
        "--repo": (repo is not None, to == HUB),
        "--private": (private, to == HUB),
        "--onnx": (onnx, to == HUB),
    })  # fmt: skip
    with warnings_as_notes(), stopped_cleanly():
        if to == CARD:
            echo(str(tlf.write_card(run, output, licence=licence, overwrite=overwrite)))
        elif to == HUB:
            _push(run, repo, private=private, licence=licence, onnx=onnx, overwrite=overwrite)
        else:
            _check_format(to)
            _export(
                run, to, output, overwrite=overwrite, int8=int8, margin=margin,
                with_preprocessing=with_preprocessing,
            )  # fmt: skip


def _check(to: str, options: dict[str, tuple[bool, bool]]) -> None:
    """Check the options. Each is given or not, and fits what is written or not.

    Raises:
        TlfError: one does not fit.
    """
    for name, (given, fits) in options.items():
        if given and not fits:
            raise TlfError(
                f"{name} must be left out with --to {to}; write another --to, or leave it out"
            )


def _check_format(to: str) -> None:
    """Check that there is such a format; those of plugins are looked up as they are used.

    Raises:
        TlfError: there is none.
    """
    from tlf.exports.formats import FORMATS

    known = [*FORMATS, CARD, HUB]
    if ":" not in to and to not in known:
        raise TlfError(f"there is no format {to!r}; {nearest(to, known)}")


def _push(
    run: Path,
    repository: str | None,
    *,
    private: bool,
    licence: str | None,
    onnx: bool,
    overwrite: bool,
) -> None:
    if repository is None:
        raise TlfError("--to hub needs --repo, got none; write --repo user/name")
    pushed = tlf.push(
        run, repository, private=private, licence=licence, onnx=onnx, overwrite=overwrite
    )
    name = f"hf-hub:{pushed.repository}"
    echo(f"{pushed.url}\ncommit {pushed.commit}, {len(pushed.files)} files")
    echo(f"tlf predict {name} IMAGE...  classifies with it; {name}@{pushed.commit} stays the same")
    if pushed.own_loader:
        echo(f"tlf alone loads the whole model: {pushed.own_loader}")


def _export(
    run: Path,
    to: str,
    output: Path | None,
    *,
    overwrite: bool,
    int8: bool,
    margin: float,
    with_preprocessing: bool,
) -> None:
    exported = tlf.export(
        run, to, output, overwrite=overwrite, int8=int8, margin=margin,
        with_preprocessing=with_preprocessing,
    )  # fmt: skip
    if not exported.loaded:
        echo(
            f"{exported.path}\nnot compared: {to} has no way to load its file; the model that was "
            f"written: {describe(exported.metrics)} on {exported.images} eval images"
        )
        return
    echo(
        f"{exported.path}\ncompared with the run{_in(exported.run_precision)} on {exported.images} "
        f"eval images: probabilities differ by at most {exported.difference:.1g}; "
        f"{describe(exported.metrics)}, in the run {describe(exported.run_metrics)}"
    )
    if exported.preprocessing is not None:
        echo(_difference(exported.preprocessing, exported.images))


def _difference(found: "Difference", images: int) -> str:
    """What a file changes by preparing images itself."""
    levels = f"{found.levels} of {found.white} grey levels"
    return (
        f"compared with Pillow's pixels: {found.values:.2%} of the values differ, by at most "
        f"{levels}; probabilities by at most {found.largest:.1g}, on average {found.mean:.1g}; "
        f"predictions for {found.predictions} of {images} images"
    )


def _in(precision: str) -> str:
    """What a run computed in, where an export does not."""
    return "" if precision == "no" else f", which computed in {precision},"
