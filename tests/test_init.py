"""``import tlf``: public names, imported when they are first used."""

import inspect
import subprocess
import sys
from typing import get_args

import pytest

import tlf as package
from places import ROOT
from tlf.runs.record import RunEvent


def python(program):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_public_names_are_sorted_and_there_and_documented():
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        thing = getattr(package, name)
        assert name in dir(package)
        if name != "__version__":
            assert thing.__name__ == name
            assert thing.__module__.startswith("tlf.")
            assert inspect.getdoc(thing)


def test_every_event_of_a_run_is_public():
    assert {event.__name__ for event in get_args(RunEvent)} <= {*package.__all__}


def test_no_module_takes_the_place_of_a_name():
    modules = {path.stem for path in (ROOT / "tlf").iterdir()}
    assert not modules & set(package.__all__) - {"__init__"}
    done = python(
        "import tlf.cli.main, tlf.exports.export, tlf.runs.run, tlf.runs.explain\n"
        "from tlf import run, explain, predict, resume\n"
        "import tlf\n"
        "assert callable(run) and tlf.run is run and callable(explain) and callable(predict)"
    )
    assert done.returncode == 0, done.stderr


def test_importing_it_imports_nothing_large():
    done = python(
        "import sys; before = set(sys.modules); import tlf; dir(tlf)\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    assert set(done.stdout.split()) <= {"tlf", "typing", "importlib", "collections", "functools",
                                        "operator", "re", "contextlib", "copyreg", "enum", "types",
                                        "keyword", "reprlib", "itertools", "warnings",
                                        "_collections", "_functools", "_operator", "_typing",
                                        "_sre", "_abc"}  # fmt: skip
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_a_notebook_without_ipywidgets_is_not_warned():
    done = python(
        "import sys, types, warnings\n"
        "shell = types.SimpleNamespace(config={'IPKernelApp': {}})\n"
        "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: shell)\n"
        "sys.modules['ipywidgets'] = None\n"
        "warnings.simplefilter('error')\n"
        "import tlf; tlf.Notice; assert 'tqdm.auto' in sys.modules"
    )
    assert done.returncode == 0, done.stderr
