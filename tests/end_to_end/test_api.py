"""What a program can do with tlf: the public names, and runs from a notebook."""

import inspect
import io
import json
import os
import pickle
import re
import socket
import subprocess
import sys
import types

import pytest
from rich.console import Console

import tlf as package
from places import ROOT
from tlf.cli.progress import show


def python(program, **options):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=300, check=False, **options,
    )  # fmt: skip


def test_public_functions_are_typed_and_say_what_goes_wrong():
    functions = [getattr(package, name) for name in package.__all__ if name.islower()]
    functions = [thing for thing in functions if inspect.isfunction(thing)]
    assert len(functions) == 40
    for function in functions:
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty
            if len(signature.parameters) > 1:
                assert f"{parameter.name}: " in function.__doc__, function.__name__


def test_its_document_lists_every_public_name_and_no_other():
    text, _, members = (
        (ROOT / "tlf" / "API.md").read_text(encoding="utf-8").partition("## `Trained")
    )
    assert members  # which test_classifier.py checks
    shown = re.findall(r"^\| `(\w+)(\(?)", text, re.MULTILINE)
    for name, call in shown:
        assert inspect.isfunction(getattr(package, name)) == bool(call), name
    assert sorted(name for name, _ in shown) == sorted({*package.__all__} - {"__version__"})
    assert "`__version__`" in text


def test_the_parameters_that_its_document_shows_are_there():
    text, *_ = (ROOT / "tlf" / "API.md").read_text(encoding="utf-8").partition("## `Trained")
    for name, shown in re.findall(r"^\| `(\w+)\((.*?)\)`", text, re.MULTILINE):
        parameters = inspect.signature(getattr(package, name)).parameters
        for argument in filter(None, shown.split(", ")):
            parameter, _, default = argument.lstrip("*").partition("=")
            assert parameter in parameters, name
            assert not default or repr(parameters[parameter].default) == default, name


def test_what_functions_give_can_be_pickled(
    finished_events, finished, finished_torchvision, images
):
    """As process pools, joblib and Ray do."""
    image = images / "val/squares/001.jpg"
    for run in (finished, finished_torchvision):
        classifier = package.load_classifier(run)
        head = package.load_head(run / "head.safetensors")
        found = classifier.predict(image)
        recipe = package.load_recipe(run / "recipe.toml")
        values = (found, recipe, *finished_events[-2:], package.Exported("a", 1, 0, {}, {}, "no"))
        assert pickle.loads(pickle.dumps(values)) == values
        assert pickle.loads(pickle.dumps(classifier)).predict(image) == found
        assert pickle.loads(pickle.dumps(head)).labels == head.labels
        explanation = package.explain(recipe)
        again = pickle.loads(pickle.dumps(explanation))
        assert again.phases == explanation.phases
        assert package.load_recipe(run / "recipe.toml") == recipe


def test_a_program_trains_explains_and_predicts(recipe, images):
    loaded = package.load_recipe(recipe)
    told = package.explain(loaded)
    assert [row.state for row in told.phases["head"]] == ["frozen"] * 5 + ["trainable"]
    events = list(package.run(loaded))
    epochs = [event for event in events if isinstance(event, package.EpochResult)]
    result = events[-1]
    assert isinstance(result, package.RunResult)
    assert result.history == tuple(epochs) == tuple(package.read_history(result.folder))
    found = list(package.predict(result.folder, str(images / "val")))
    assert len(found) == 11
    one = package.load_classifier(result.folder).predict(found[3].path)
    assert one.label == found[3].label
    assert one.probabilities == pytest.approx(found[3].probabilities, abs=1e-6)


def test_a_run_that_was_left_goes_on(recipe, tmp_path):
    events = package.run(recipe, ["checkpoint_every={updates=1}"])
    folder = next(event.folder for event in events if hasattr(event, "folder"))
    for event in events:
        if isinstance(event, package.EpochResult):
            break
    events.close()
    *_, result = package.resume(str(folder))
    assert result.folder == str(folder)
    *_, again = package.run(recipe, [f"output={tmp_path}/b"])
    keys = ("train_loss", "eval_loss", "eval_top1")
    for first, second in zip(result.history, again.history, strict=True):
        assert [getattr(first, key) for key in keys] == [getattr(second, key) for key in keys]
    with pytest.raises(package.TlfError, match="has ended"):
        list(package.resume(folder))


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook's cells are given to show."""
    shown = []
    module = types.ModuleType("IPython.display")
    module.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_notebook_shows_a_run(recipe, notebook):
    console = Console(force_jupyter=True, width=100)
    assert console.is_jupyter
    result = show(package.run(recipe), console)
    assert isinstance(result, package.RunResult)
    text = "\n".join(
        str(piece) for cell in notebook for piece in cell._repr_mimebundle_({}, {}).values()
    )
    assert "layer4" in text
    for epoch in result.history:
        assert f"{epoch.eval_loss:.4f}" in text
    assert f"{result.folder}/head.safetensors" in text


def test_show_prints_by_default_and_gives_the_result(recipe, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = package.show(package.run(recipe))
    assert f"tlf predict {result.folder}" in capsys.readouterr().out
    assert package.show(iter(()), Console(file=io.StringIO())) is None


LAUNCH = """
import sys
from accelerate import notebook_launcher
import tlf

def train():
    result = tlf.show(tlf.run({recipe!r}))
    sys.stdout.write(f"result of {{result.folder}}\\n")

if __name__ == "__main__":
    notebook_launcher(train, num_processes={processes}, use_port="{port}")
"""


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_it_runs_under_accelerates_notebook_launcher(recipe, tmp_path, processes):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = python(
        LAUNCH.format(recipe=str(recipe), processes=processes, port=port),
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run       ") == 1  # one process speaks for all
    assert done.stdout.count("result of") == processes
    told = json.loads((tmp_path / "run" / "provenance.json").read_text())["hardware"]["device"]
    assert ("× 2 processes" in told) == (processes == 2)
    assert len(list(package.read_history(tmp_path / "run"))) == 3
    assert (tmp_path / "run" / "head.safetensors").is_file()
    assert not (tmp_path / "run-2").exists()
