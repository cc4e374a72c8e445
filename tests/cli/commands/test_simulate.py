"""``tlf simulate`` as a person uses it."""

import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from small import TWO_PHASES, write_recipe

SECONDS = 300


@contextmanager
def stopped(process):
    """A process that is ended also where the test fails."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def recipe(tmp_path, images):
    return write_recipe(tmp_path / "recipe.toml", images, TWO_PHASES)


def test_mistakes_are_reported(main, tmp_path, recipe):
    (tmp_path / "a.html").mkdir()
    for arguments, message in {
        ("nowhere.toml",): "nowhere.toml",
        (recipe, "batch_sise=1"): "batch_sise",
        (recipe, "--save", tmp_path / "a.html", "--open"): "--save serves no page; leave it out, ",
        (recipe, "--save", tmp_path / "a.html", "--port", 1): "--save serves no page; leave it out",
        (recipe, "--save", "-"): "--save must be the name of a file, got -",
        (recipe, "--save", tmp_path / "a.html"): "it is not a regular file",
        (recipe, "--save", recipe): f"the name of a page must end in .html, got {recipe}; write a ",
        (recipe, "--port", 70000): "70000 is not in the range",
        (): "tlf simulate needs a recipe, a .toml file; write: tlf simulate RECIPE",
    }.items():
        code, out, err = main("simulate", *arguments)
        assert (code, out) == (2, ""), err
        assert message in err
        assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "recipe.toml"}
    assert recipe.read_text().startswith("batch_size")


def test_ctrl_c_ends_it_at_once_also_in_the_middle_of_steps(recipe):
    """A pipe gets the address alone, on a line of its own."""
    command = [sys.executable, "-m", "tlf", "simulate", str(recipe), "--port", "0"]
    with stopped(
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # a job in the background ignores it
    ) as process:
        address = process.stdout.readline()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        stream = urllib.request.urlopen(f"{address.strip()}events", timeout=SECONDS)
        step = urllib.request.Request(
            f"{address.strip()}step", b'{"count": 100}', {"Content-Type": "application/json"}
        )
        assert urllib.request.urlopen(step, timeout=SECONDS).status == 204
        while b'"stepped"' not in stream.readline():
            pass
        process.send_signal(signal.SIGINT)
        told = stream.read().decode()  # whole: a stream that is cut off raises
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, "")
    assert '"text": "tlf has ended. Start it again, and open its new address: tlf simul' in told
    assert [line for line in err.splitlines() if line] == ["Ctrl-C ends it", "interrupted"]
