"""What somebody builds on a run without tlf: the few lines of its document, and a
small server."""

import json
import re
import subprocess
import sys
import urllib.request

import pytest

import tlf as package
from places import ROOT
from run_files import predictions

BLOCKED = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Blocked())
for name in {names!r}:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{{name}} is there")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not set({names!r}) & set(sys.modules)
"""
"""Runs a program in which some modules cannot be imported, which it proves first."""


def without(names, *command, **options):
    program = BLOCKED.format(names=tuple(names))
    return [sys.executable, "-I", "-u", "-c", program, *map(str, command)]


def documented_block(containing):
    text = (ROOT / "tlf" / "inference" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (found,) = (block for block in blocks if containing in block)
    return found


def lines_of(block):
    return [line for line in block.splitlines() if line.strip()]


LIBRARIES = ("tlf", "timm", "accelerate", "torchvision", "datasets", "pluggy", "pydantic", "PIL")


@pytest.mark.parametrize(
    ("framework", "most", "names"),
    [("pt", 10, LIBRARIES), ("numpy", 6, (*LIBRARIES, "torch"))],
)
def test_the_documented_lines_work_without_tlf(finished, tmp_path, framework, most, names):
    block = documented_block(f'safe_open("head.safetensors", framework="{framework}")')
    assert len(lines_of(block)) == most
    (tmp_path / "lines.py").write_text(block)
    done = subprocess.run(
        without(names, tmp_path / "lines.py"),
        cwd=finished, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head = package.load_head(finished / "head.safetensors")
    from safetensors.torch import load_file

    golden = load_file(finished / "head.safetensors")["golden.logits"]
    best = head.labels[int(golden.argmax())]
    assert best in done.stdout
    if framework == "pt":
        told = eval(done.stdout, {"__builtins__": {}})
        assert list(told) == list(head.labels)
        assert list(told.values()) == pytest.approx(golden.softmax(1)[0].tolist(), abs=1e-6)
    else:
        assert done.stdout.strip() == best


def test_what_is_blocked_is_blocked(tmp_path):
    (tmp_path / "a.py").write_text("import timm")
    done = subprocess.run(
        without(["timm"], tmp_path / "a.py"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No module named 'timm'" in done.stderr


@pytest.fixture
def server(finished):
    """The address of the app, in a process of its own that cannot import tlf."""
    command = without(["tlf", "accelerate", "datasets", "pluggy"], ROOT / "tests/app/serve.py")
    process = subprocess.Popen([*command, str(finished), "0"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_a_server_says_what_the_run_said(server, finished, images):
    rows = predictions(finished)
    assert len(rows) == 11
    for row in rows:
        body = (images / row["path"]).read_bytes()
        with urllib.request.urlopen(server, data=body, timeout=60) as answer:
            found = json.load(answer)
        assert max(found, key=found.get) == row["predicted"]
        assert found == pytest.approx(
            {"circles": float(row["p_circles"]), "squares": float(row["p_squares"])}, abs=2e-6
        )


def test_the_app_is_short_and_names_no_tlf():
    lines = lines_of((ROOT / "tests/app/serve.py").read_text(encoding="utf-8"))
    code = lines[2:]
    assert not any(re.search(r"import tlf|from tlf", line) for line in code)
    assert len([line for line in code if not line.startswith(("import", "from"))]) <= 32
