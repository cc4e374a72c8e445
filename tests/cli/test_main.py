"""Exit codes, errors without a traceback, and no import that a command does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tlf as package
from tlf.epoch_lines import epoch_line
from tlf.results import EpochResult

BIN = Path(sys.executable).parent


def start(*command):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )


HEAVY = {"torch", "torchvision", "timm", "accelerate", "datasets", "numpy", "PIL"}
"""Modules that take long to import."""


def profile(*commands):
    """What each command printed, and the modules that all of them imported, in one process."""
    program = """
import contextlib, io, json, sys
from tlf.cli.main import main
printed = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["tlf", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.redirect_stderr(text):
        main()
    printed.append(text.getvalue())
print(json.dumps([printed, [*sys.modules]]))
"""
    words = [[str(word) for word in arguments] for arguments in commands]
    done = start(sys.executable, "-c", program, json.dumps(words))
    assert done.returncode == 0, done.stderr
    printed, loaded = json.loads(done.stdout)
    assert "click" in loaded
    return printed, set(loaded)


def test_what_needs_no_model_imports_no_torch():
    _, loaded = profile(["--help"], ["--version"], ["run", "--help"], ["explian"])
    assert not loaded & {*HEAVY, "rich", "pydantic"}


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (None, [], "no such file"),
        ("phases = [", [], "line 1, column 11"),
        ("seed = 1", ["seed"], "must be an override, key=value"),
        ("seed = 1", ["head=gem:gem"], "plugin 'gem' is not installed"),
        ("sead = 1", [], "sead: unknown key; did you mean 'seed'?"),
        ("seed = 1", ["head={kind='linear', dropout=2}"], "dropout must be from 0 to below 1"),
        ("seed = 1", ["backbone.model=resnet18"], "data: missing"),
    ],
)
def test_a_mistake_in_a_recipe_is_reported_before_torch_is_imported(
    tmp_path, text, arguments, message
):
    recipe = tmp_path / "my.toml"
    if text is not None:
        recipe.write_text(text)
    commands = [[], ["run"], ["explain"]]
    printed, loaded = profile(*([*command, recipe, *arguments] for command in commands))
    assert all(message in text for text in printed)
    assert not loaded & HEAVY


def test_history_cache_and_a_refused_resume_import_no_torch(tmp_path):
    epoch = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text(json.dumps(epoch_line(epoch)) + "\n")
    cases = {
        "87.50%": ["history", run],
        "write the folder of a run with a finished epoch\n": ["history", tmp_path / "none"],
        f"Known: {run}": ["history", run.parent],
        f"did you mean '{run}'?": ["history", f"{run}s"],
        "0 entries": ["cache", "--dir", tmp_path],
        "is not the folder of a run; write one": ["resume", run],
    }
    printed, loaded = profile(*cases.values())
    for text, message in zip(printed, cases, strict=True):
        assert message in text
    assert not loaded & HEAVY


def test_help_lists_every_command(main):
    done = start(BIN / "tlf", "--help")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.partition("Commands:")[2].split("\n") if line}
    assert listed >= {"run", "explain", "predict", "plugins"}
    assert start(BIN / "tlf", "-h").stdout == done.stdout
    for command in listed:
        code, help_text, _ = main(command, "--help")
        assert code == 0
        assert help_text.startswith(f"Usage: tlf {command} ")


def test_version():
    for command in ([BIN / "tlf"], [sys.executable, "-m", "tlf"]):
        assert start(*command, "--version").stdout == f"tlf, version {package.__version__}\n"


def test_a_mistake_in_using_the_command_line_exits_with_2(main):
    for arguments, message in (
        ([], "Commands:"),
        (["run", "x.toml", "--foo"], "No such option"),
        (["predict", "runs/x", "a.jpg", "--format", "xml"], "'xml' is not one of"),
    ):
        code, out, err = main(*arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        ("run x.toml --epochs 3", "phases.0.epochs=VALUE"),
        ("compare x.toml --batch-size=8", "batch_size=VALUE"),
        ("sweep x.toml seed=0..3 --dir here", "cache.dir=VALUE"),
        ("explain x.toml --foo", "KEY=VALUE, such as seed=1"),
    ],
)
def test_a_key_that_is_written_as_an_option_is_told(main, arguments, instead):
    code, _, err = main(*arguments.split())
    assert code == 2
    assert err.splitlines()[-1] == f"What a recipe says is changed without dashes: {instead}"


@pytest.mark.parametrize("command", ["plugins", "evaluate run"])
def test_a_command_without_these_keys_tells_of_none(main, command):
    code, _, err = main(*command.split(), "--epochs", "3")
    assert code == 2
    assert "dashes" not in err


def test_a_working_directory_that_is_gone_is_said(main, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main("predict", tmp_path / "run", tmp_path / "a.jpg") == (
        2, "", "error: the working directory is gone; start in another directory\n"
    )  # fmt: skip


def test_an_interrupted_command_prints_one_line():
    program = (
        "import signal, sys\nfrom tlf.cli import main\n"
        "signal.signal(2, signal.default_int_handler)\n"
        "@main.cli.command()\n"
        "def wait():\n"
        "    print('waiting', flush=True)\n"
        "    import time\n"
        "    time.sleep(60)\n"
        "sys.argv = ['tlf', 'wait']\n"
        "sys.exit(main.main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(2)
    _, err = process.communicate(timeout=30)
    assert err.strip() == "interrupted"
    assert process.returncode == 130


def test_an_interrupted_run_prints_one_line(recipe, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "tlf", recipe, "phases.1.epochs=100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("all "):  # an epoch of the second phase is over
            break
    process.send_signal(2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert str(tmp_path / "run") in err


def test_a_run_that_is_interrupted_during_its_imports_prints_one_line(recipe):
    program = """
import os, signal, sys
from importlib.abc import MetaPathFinder
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("numpy.dtypes", "torch._tensor"):
            os.kill(os.getpid(), signal.SIGINT)
from tlf.cli.main import main
sys.meta_path.insert(0, Interrupting())
sys.argv = ["tlf", *sys.argv[1:]]
sys.exit(main())
"""
    done = start(sys.executable, "-c", program, recipe)
    assert (done.returncode, done.stderr.strip()) == (130, "interrupted")
