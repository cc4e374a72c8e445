"""The contract of a command that a plugin adds."""

import click
from click.testing import CliRunner

from tlf.testing.contract import require


def check_command(command: click.Command) -> None:
    """Check that a command keeps its contract: it is a click command whose help can be shown, and
    whose help says what it does, as that of each of its options does.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    require(
        isinstance(command, click.Command),
        command,
        "is no click command",
        "write @click.command() above the function",
    )
    rule = "tlf PLUGIN:COMMAND --help is all that most users read"
    require(bool(command.help), command, "has no help", f"a docstring says what it does: {rule}")
    options = (one for one in command.params if isinstance(one, click.Option) and not one.hidden)
    silent = next((one.opts[0] for one in options if not one.help), None)
    require(silent is None, command, f"has an option {silent} without help", rule)
    done = CliRunner().invoke(command, ["--help"])
    require(done.exit_code == 0, command, f"fails in --help: {done.exception!r}", rule)
