"""Commands of plugins, as they are really installed: found, listed, and named when they break."""

import sys
import textwrap

import pytest

from installing import write_metadata
from tlf.cli import main as cli

COMMANDS = """
import click
from tlf.errors import DataError
from tlf.hookspecs import hookimpl

@click.command()
@click.argument("number", type=int)
@click.option("--twice", is_flag=True)
def count(number, twice):
    "Count."
    if number == 0:
        raise DataError("nothing to count")
    if number < 0:
        raise KeyError(number)
    click.echo(number * (1 + twice))

@hookimpl
def tlf_commands():
    return {"count": count, **OTHERS}
"""


@pytest.fixture
def tlf(tmp_path, monkeypatch, capsys):
    """Install the plugin ``sum``, run a command, and give exit code, output and errors."""

    def run(*arguments, others="{}", text=COMMANDS):
        write_metadata(tmp_path / "site", "tlf-sum", "1.0", {"sum": "tlf_sum_commands"})
        source = textwrap.dedent(text).replace("OTHERS", others)
        (tmp_path / "site" / "tlf_sum_commands.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path / "site")
        sys.modules.pop("tlf_sum_commands", None)
        monkeypatch.setattr(sys, "argv", ["tlf", *arguments])
        return cli.main(), *capsys.readouterr()

    return run


def test_it_takes_arguments_and_options(tlf):
    assert tlf("sum:count", "4") == (0, "4\n", "")
    assert tlf("sum:count", "4", "--twice") == (0, "8\n", "")


def test_its_help_is_its_own(tlf):
    status, out, _ = tlf("sum:count", "--help")
    assert status == 0
    assert "sum:count [OPTIONS] NUMBER" in out
    assert "Count." in out


def test_a_file_of_that_name_is_a_recipe(tlf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sum:count").write_text("sead = 1")
    status, _, err = tlf("sum:count")
    assert status == 2
    assert "sead: unknown key" in err


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("sum:cuont", "there is no command 'cuont'; did you mean 'sum:count'?"),
        ("sam:count", "plugin 'sam' is not installed"),
    ],
)
def test_a_misspelt_name_is_reported_with_the_nearest(tlf, command, reported):
    status, out, err = tlf(command)
    assert (status, out) == (2, "")
    assert reported in err


@pytest.mark.parametrize(
    ("others", "reported"),
    [
        ("{'a:b': count}", "tlf_commands: a name must be letters, digits, '-' and '_', got 'a:b'"),
        (
            "{'f': print}",
            "tlf_commands: 'f' must be a click command, got builtin_function_or_method; write",
        ),
    ],
)
def test_an_offer_that_is_no_command_is_reported_with_its_plugin(tlf, others, reported):
    status, _, err = tlf("sum:count", "1", others=others)
    assert status == 2
    assert err.startswith("error: plugin 'sum' (tlf-sum 1.0): ")
    assert reported in err


def test_its_errors_are_one_message(tlf):
    assert tlf("sum:count", "0") == (2, "", "error: nothing to count\n")
    status, _, err = tlf("sum:count", "--", "-1")
    assert status == 2
    assert err.startswith("error: plugin 'sum' (tlf-sum 1.0) failed in sum:count: KeyError: -1")
    assert "tlf_sum_commands.py, line" in err
    assert "Traceback" not in err


def test_help_names_the_plugin_without_importing_it(tlf):
    status, out, _ = tlf("--help", text="raise RuntimeError")
    assert status == 0
    assert out.rstrip().endswith("Plugins: sum. tlf plugins shows their commands.")
    assert "tlf_sum_commands" not in sys.modules


def test_tlf_plugins_lists_its_commands(tlf):
    _, out, _ = tlf("plugins")
    assert "tlf sum:count" in out


GROUP = """
import click
from tlf.hookspecs import hookimpl

@click.group()
def tools():
    "Tools."

@tools.command()
@click.argument("number", type=int)
def double(number):
    click.echo(2 * number)
    return "no exit code"

def divide(ctx, param, value):
    return 1 // value

@click.command()
@click.option("--by", type=int, callback=divide)
def share(by):
    pass

@hookimpl
def tlf_commands():
    return {"tools": tools, "share": share}
"""


def test_a_group_has_its_own_commands_and_a_result_is_no_exit_code(tlf):
    assert tlf("sum:tools", "double", "4", text=GROUP) == (0, "8\n", "")
    assert "double" in tlf("sum:tools", "--help", text=GROUP)[1]


def test_an_option_that_fails_is_named_with_its_plugin(tlf):
    status, _, err = tlf("sum:share", "--by", "0", text=GROUP)
    assert status == 2
    assert err.startswith(
        "error: plugin 'sum' (tlf-sum 1.0) failed in sum:share: ZeroDivisionError"
    )


def test_a_hook_that_exits_is_named(tlf):
    text = GROUP.replace("return {", "raise SystemExit(9); return {")
    status, _, err = tlf("sum:tools", text=text)
    assert status == 2
    assert err.startswith("error: plugin 'sum' (tlf-sum 1.0) failed in tlf_commands: SystemExit")


def test_its_argument_called_run_is_its_own(tlf):
    """tlf's words for a missing run, "the folder of a run", would be wrong."""
    text = COMMANDS.replace('"number", type=int', '"run"').replace("number, twice", "run, twice")
    status, _, err = tlf("sum:count", text=text)
    assert status == 2
    assert "tlf sum:count needs RUN; write: " in err


def test_a_name_that_a_terminal_would_act_on_is_not_in_the_help(tlf, tmp_path, capsys):
    tlf("sum:count", "4")
    info = tmp_path / "site" / "tlf_sum-1.0.dist-info" / "entry_points.txt"
    info.write_text("[tlf]\nsum = tlf_sum_commands\nred\x1b[31m = tlf_sum_commands\n")
    sys.argv[1:] = ["--help"]
    assert cli.main() == 0
    shown = capsys.readouterr().out
    assert "Plugins: " in shown
    assert "sum" in shown
    assert "\x1b" not in shown
