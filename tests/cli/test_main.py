"""The command line as a person meets it: help at once, three ways in, one result."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tlf as package
from tlf.results import EpochResult, epoch_line

BIN = Path(sys.executable).parent
TIMES = ("seconds", "images_per_second")
"""What of a metric differs from run to run."""


def start(*command):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )


def figures(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line if key not in TIMES} for line in lines]


def test_help_takes_less_than_a_fifth_of_a_second():
    best = float("inf")
    for _ in range(20):
        before = time.perf_counter()
        start(BIN / "tlf", "--help")
        best = min(best, time.perf_counter() - before)
        if best < 0.2:
            return
    pytest.fail(f"the fastest of 20 took {best:.2f} s")


HEAVY = {"torch", "torchvision", "timm", "accelerate", "datasets", "numpy", "PIL"}
"""Modules that take long to import."""


def profile(*arguments):
    """What a command said, and the modules that it imported."""
    program = (
        "import sys, atexit; from tlf.cli.main import main; sys.argv = ['tlf', *sys.argv[1:]]; "
        "atexit.register(lambda: sys.stderr.write(' '.join(['loaded:', *sys.modules]))); main()"
    )
    done = start(sys.executable, "-c", program, *arguments)
    told, _, loaded = done.stderr.partition("loaded:")
    assert "click" in loaded.split()
    return done.stdout + told, set(loaded.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["explian"]])
def test_what_needs_no_model_imports_no_torch(arguments):
    _, loaded = profile(*arguments)
    assert not loaded & {*HEAVY, "rich", "pydantic"}


@pytest.mark.parametrize("command", [[], ["run"], ["explain"]])
@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        (None, [], "no such file"),
        ("phases = [", [], "line 1, column 11"),
        ("seed = 1", ["seed"], "not an override"),
        ("seed = 1", ["head=gem:gem"], "plugin 'gem' is not installed"),
        ("sead = 1", [], "sead: unknown key; did you mean 'seed'?"),
        ("seed = 1", ["head={kind='linear', dropout=2}"], "dropout must be from 0 to below 1"),
        ("seed = 1", ["backbone.model=resnet18"], "data: missing"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_told_before_torch_is_imported(
    tmp_path, command, text, arguments, told
):
    recipe = tmp_path / "my.toml"
    if text is not None:
        recipe.write_text(text)
    said, loaded = profile(*command, recipe, *arguments)
    assert told in said
    assert not loaded & HEAVY


def test_what_was_stored_and_what_is_over_is_told_without_torch(tmp_path):
    epoch = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text(json.dumps(epoch_line(epoch)) + "\n")
    for arguments, told in (
        (["history", run], "87.50%"),
        (["history", tmp_path / "none"], "name the folder of a run that has ended an epoch\n"),
        (["history", run.parent], f"Known: {run}"),
        (["history", f"{run}s"], f"did you mean '{run}'?"),
        (["cache", "--dir", tmp_path], "0 entries"),
        (["resume", run], "is not the folder of a run; name one"),
    ):
        said, loaded = profile(*arguments)
        assert told in said
        assert not loaded & HEAVY


def test_help_lists_every_command():
    done = start(BIN / "tlf", "--help")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.partition("Commands:")[2].split("\n") if line}
    assert listed >= {"run", "explain", "predict", "plugins"}
    assert start(BIN / "tlf", "-h").stdout == done.stdout
    for command in listed:
        help_text = start(BIN / "tlf", command, "--help").stdout
        assert help_text.startswith(f"Usage: tlf {command} ")


def test_version():
    for command in ([BIN / "tlf"], [sys.executable, "-m", "tlf"]):
        assert start(*command, "--version").stdout == f"tlf, version {package.__version__}\n"


def test_all_ways_in_give_the_same_figures(recipe, tmp_path):
    """The default command, the named one, ``python -m tlf`` and ``accelerate launch -m tlf``."""
    ways = [
        [BIN / "tlf"],
        [sys.executable, "-m", "tlf", "run"],
        [BIN / "accelerate", "launch", "--cpu", "--num_processes", "1", "-m", "tlf"],
    ]
    found = []
    for number, way in enumerate(ways):
        folder = tmp_path / f"way{number}"
        done = start(*way, recipe, f"output={folder}")
        assert done.returncode == 0, done.stderr
        assert "top-1" in done.stdout
        found.append(figures(folder))
    assert len(found[0]) == 3
    assert {"train_loss", "eval_loss", "eval_top1", "lr"} <= found[0][0].keys()
    assert all(each == found[0] for each in found)


def test_a_mistake_in_using_the_command_line_exits_with_2():
    for arguments, told in (
        ([], "Commands:"),
        (["run", "x.toml", "--foo"], "No such option"),
        (["predict", "runs/x", "a.jpg", "--format", "xml"], "'xml' is not one of"),
    ):
        done = start(BIN / "tlf", *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_a_command_that_is_interrupted_says_so_in_one_line():
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


def test_a_run_that_is_interrupted_says_so_in_one_line(recipe, tmp_path):
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


def test_a_run_that_is_interrupted_amid_its_imports_says_so_in_one_line(recipe):
    program = """
import os, signal, sys
from importlib.abc import MetaPathFinder
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
