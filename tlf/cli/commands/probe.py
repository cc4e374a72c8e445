"""``tlf probe RECIPE|FOLDER --backbones NAME…``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.cli.process import goes_on
from tlf.errors import in_shell
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from tlf.studies.probe.probed import ProbedBackbone

EXAMPLES = """\b
Examples:
  tlf probe my/images --backbones timm/resnet18 torchvision/resnet18@starter
  tlf probe recipes/mine.toml --stages
"""


@click.command(epilog=EXAMPLES)
@click.argument("data", type=click.Path(path_type=Path), metavar="RECIPE|FOLDER")
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--backbones", multiple=True, metavar="NAME...",
    help="The backbones to compare.  [default: the recipe's own]",
)  # fmt: skip
@click.option("--stages", is_flag=True, help="Also probe the output of every stage.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write; a number is added if it exists.  [default: probes/NAME]",
)  # fmt: skip
def command(
    data: Path,
    more: tuple[str, ...],
    backbones: tuple[str, ...],
    stages: bool,
    output: Path | None,
) -> None:
    """Find out which backbone suits your images.

    The images are those of RECIPE, or of a FOLDER that holds a folder of images for each class.
    Each backbone turns the train images into features once. Linear probes tell how well the
    features tell the classes apart, on images that the probes have not seen. Nothing else is
    trained, and the eval split stays unseen.

    A backbone is LIBRARY/MODEL or LIBRARY/MODEL@WEIGHTS, PLUGIN:KIND, a table as [backbone] has it,
    or a recipe, whose backbone it is.
    """
    # Before what embeds images is imported, which takes seconds: a mistake is reported at once.
    from tlf.checks.plan import plan_to_check
    from tlf.recipe.plan import with_splits
    from tlf.runtime.files import check_creatable, default_folder, from_here
    from tlf.studies.backbones import plans_of

    overrides, others = arguments.split_overrides(more)
    if others and not backbones:
        raise click.UsageError(f"got {others[0]!r}; write --backbones before names of backbones")
    names = [*backbones, *others]
    plan = with_splits(plan_to_check(data, overrides, "probe"))
    asked = dict(zip(plans_of(plan, names), names, strict=False))
    output = output or default_folder("probes", data)
    check_creatable(output)
    with goes_on("what is computed is stored"):
        probed = tlf.show(tlf.probe(plan, names, stages=stages))
    if probed is not None:
        shown = from_here(tlf.write_probe(probed, output))
        echo(f"\npage      {shown / 'probe.html'}, with the figures in probe.json beside it")
        if names:
            first = probed.backbones[0]
            echo(_use(first, asked[first.name]))
            if data.is_dir():
                backbone = in_shell(asked[first.name])
                command = f"tlf init {in_shell(data)} --backbone {backbone} --output NEW.toml"
                echo(f"\nor let tlf write one: {command}")
        click.get_current_context().exit(1 if probed.failed else 0)


def _use(first: "ProbedBackbone", asked: str) -> str:
    """What a recipe says to use a backbone. ``asked``: how a person has named it."""
    import tomli_w

    from tlf.recipe.backbone_names import backbone_table

    table = tomli_w.dumps({"backbone": backbone_table(asked, "--backbones")})
    return f"\nto use {printable(first.name)}, write in a recipe:\n\n{table.rstrip()}"
