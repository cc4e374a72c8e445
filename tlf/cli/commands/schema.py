"""``tlf schema``."""

import codecs
import sys
from pathlib import Path

import click

from tlf.cli import arguments
from tlf.cli.output import complain, echo
from tlf.errors import RunError


@click.command()
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=arguments.named_file,
    help="The file to write instead, such as recipe.schema.json; it is replaced.",
)
def command(output: Path | None) -> None:
    """Print the JSON Schema of a recipe, for editors.

    The options of every installed plugin are in it. TLF_PLUGINS=0 leaves them out, and then the
    schema accepts the kinds of all plugins.
    """
    from tlf.recipe.reference.json_schema import schema_of, usable_plugins
    from tlf.runtime.files import write_whole
    from tlf.runtime.strict_json import dumps

    usable, failures = usable_plugins()
    for failure in failures:
        complain(f"left out: {failure}")
    escaped = output is None and codecs.lookup(sys.stdout.encoding).name != "utf-8"
    text = dumps(schema_of(usable), indent=2, ensure_ascii=escaped)
    if output is None:
        echo(text)
        return
    try:
        write_whole(output, f"{text}\n")
    except OSError as error:
        raise RunError(f"cannot write {output}: {error.strerror or error}") from error
    echo(f"{output}\nwrite as the first line of a recipe beside it: #:schema {output.name}")
