"""What is published: the archive of the source, the wheel, and what they say about themselves."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser

import pytest
import yaml
from hatchling import build
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import tlf
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALWAYS = ("pyproject.toml", "LICENSE", ".gitignore")
JUNK = [
    ".DS_Store", "notes.txt", "venv/lib/torch.py", "wandb/run.json", "runs/a/model.safetensors",
    "tlf/.DS_Store", "tlf/.idea/a.xml", "tlf/__pycache__/a.cpython-311.pyc", "tests/.a.py.swp",
    "tests/.pytest_cache/README.md", "dist/tlf-0.0.0.tar.gz", ".github/.DS_Store",
]  # fmt: skip
"""What tools, desktops and users leave in a folder that they work in."""


@pytest.fixture(scope="module")
def littered(tmp_path_factory):
    """A small tlf between files that are none of it; the two archives that are built there."""
    root = tmp_path_factory.mktemp("littered")
    for name in (*ALWAYS, "README.md", "tlf/__init__.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in JUNK:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        names = build.build_sdist("out"), build.build_wheel("out")
    return [root / "out" / name for name in names]


def described(wheel):
    with zipfile.ZipFile(wheel) as archive:
        about = f"tlf-{tlf.__version__}.dist-info/METADATA"
        return Parser().parsestr(archive.read(about).decode())


# What they hold


def test_the_archive_of_the_source_holds_what_builds_and_tests_it():
    """What git tracks but for the forms of issues; hatchling adds ``ALWAYS`` by itself."""
    held = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this folder is no checkout")
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    issues = {name for name in tracked if name.startswith(".github/ISSUE_TEMPLATE/")}
    assert tracked - held == {*ALWAYS, *issues}
    assert {name.partition("/")[0] for name in held - tracked} <= {"tlf", "tests", "plugins"}


def test_the_wheel_holds_the_package_whole():
    held = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    files = (path for path in (ROOT / "tlf").rglob("*") if path.is_file())
    own = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    assert held == own
    assert {
        "tlf/py.typed", "tlf/pretrained/starter_resnet18.safetensors", "tlf/CHANGELOG.md",
        "tlf/reports/templates/page.html", "tlf/reports/templates/page.js",
        "tlf/simulator/page/page.css",
    } <= held  # fmt: skip


def test_neither_holds_what_tools_leave(littered):
    source, wheel = littered
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    package = {"tlf/__init__.py"}
    assert names == {*package, *ALWAYS, "README.md", "PKG-INFO"}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == package


# What they say about themselves


def test_the_wheel_is_described(littered):
    about = described(littered[1])
    assert about["Name"] == "tlf"
    assert about["License-Expression"] == "Apache-2.0"
    assert about["License-File"] == "LICENSE"
    assert about["Author"] == "The tlf authors"
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    with zipfile.ZipFile(littered[1]) as archive:
        licence = archive.read(f"tlf-{tlf.__version__}.dist-info/licenses/LICENSE")
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_pythons_that_are_named_are_tested():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    prefix = "Programming Language :: Python :: "
    named = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if prefix in line]
    assert [one for one in named if "." in one] == job["strategy"]["matrix"]["python"]
    assert job["steps"][-1]["run"] == ".ci/run"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_pages_of_an_index_can_show_the_readme():
    """Neither relative links nor images, which would lead nowhere there, nor raw HTML."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https://)", readme) == []
    assert re.findall(r"^<\w+", readme, re.MULTILINE) == []


# Reproducible


def built(source, out, **more):
    """The two archives, each as its bytes; the wheel is built from the source's archive."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source]
    environment = {**os.environ, **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.slow
def test_two_builds_are_the_same_to_the_last_byte(tmp_path):
    """In another folder, at another time, with another umask, locale and time zone; and the wheel
    from the archive of the source is the one from the repository.
    """
    with tarfile.open(tmp_path / "source.tar", "w") as archive:
        for file in SdistBuilder(str(ROOT)).recurse_included_files():
            archive.add(file.path, file.distribution_path)
        for name in ALWAYS:
            archive.add(ROOT / name, name)
    first, second = tmp_path / "a", tmp_path / "b" / "deeper"
    for folder in (first, second):
        folder.mkdir(parents=True)
        shutil.unpack_archive(tmp_path / "source.tar", folder, filter="data")
    for path in second.rglob("*"):
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
        os.utime(path, (1.9e9, 1.9e9))
    before = os.umask(0o077)
    try:
        other = built(second, tmp_path / "other", LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="7")
    finally:
        os.umask(before)
    one = built(first, tmp_path / "one")
    assert one == other
    alone = tmp_path / "alone"
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", alone, first]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = alone.iterdir()
    assert wheel.read_bytes() == one[wheel.name]


@pytest.mark.slow
def test_an_index_takes_them(tmp_path):
    if importlib.util.find_spec("twine") is None:
        pytest.skip("twine is not installed")
    built(ROOT, tmp_path / "out")
    command = [sys.executable, "-m", "twine", "check", "--strict", *(tmp_path / "out").iterdir()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2
