"""Images are built, train without a network, and serve. It needs a container engine and a package
index. Where `debootstrap` is installed, the base comes from Debian's packages, else from a registry
of images. The images stay, called tlf-test-…: the next time begins with their layers.
"""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from places import ROOT
from run_files import metrics

NAMES = ("pyproject.toml", "README.md", "LICENSE", "tlf", "recipes", "docker", ".dockerignore")
BASE, TRAIN, SERVE, CHANGED = (f"tlf-test-{name}" for name in ("base", "train", "serve", "changed"))
ANYONE = "4321:4321"
"""A user whom no image knows."""
RUN = Path("runs") / "resnet18_finetune"

TWICE = """
import collections, json, os
found = collections.Counter()
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = {*folders} - {"dev", "proc", "sys"}
    if folder.endswith("-packages"):  # what a library brings inside of itself is its own
        found.update(name.split("-")[0] for name in folders if name.endswith(".dist-info"))
    if "/triton/" in folder:  # it has profilers of its own, for two versions of CUDA
        continue
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.islink(path) and os.path.getsize(path) > 10_000_000:
            found[name.split(".so")[0]] += 1
print(json.dumps({name: count for name, count in found.items() if count > 1 or name == "torch"}))
"""
ASK = """
import urllib.request
with open("/work/image.jpg", "rb") as image:
    asked = urllib.request.Request(
        "http://127.0.0.1:8000/predict", image.read(), {"Content-Type": "image/jpeg"}
    )
print(urllib.request.urlopen(asked).read().decode())
"""

pytestmark = pytest.mark.slow


def docker(*words, check=True):
    """What the engine's client prints."""
    ended = subprocess.run(
        ["docker", *map(str, words)], capture_output=True, text=True, timeout=1800
    )
    assert not check or ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout.strip()


def build(tag, folder, *words):
    """Build an image from a copy of the repository."""
    index = ["--build-arg", "PIP_INDEX_URL"] if "PIP_INDEX_URL" in os.environ else []
    docker("build", "--network", "host", *index, "--build-arg", f"BASE={base()}",
           "-f", folder / "docker" / "Dockerfile", "-t", tag, *words, folder)  # fmt: skip


def base():
    """The image that the others begin with."""
    if not shutil.which("debootstrap"):
        return "python:3.12-slim"
    if not docker("images", "--quiet", BASE):
        subprocess.run([ROOT / "docker" / "debian-base.sh", BASE], check=True, timeout=600)
    return BASE


def layers(tag):
    return json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", tag))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of what a build is given, which tests may change."""
    if not shutil.which("docker") or not docker("info", "--format", "{{.ID}}", check=False):
        pytest.skip("no container engine answers: docker info")
    folder = tmp_path_factory.mktemp("images") / "tlf"
    folder.mkdir()
    for name in NAMES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def train(repository):
    """The image that trains."""
    build(TRAIN, repository)
    return TRAIN


@pytest.fixture(scope="module")
def trained(train, tmp_path_factory):
    """A folder in which the first recipe has been run by a user whom the image does not know."""
    folder = tmp_path_factory.mktemp("trained")
    folder.chmod(0o777)
    docker("run", "--rm", "--network", "none", "--user", ANYONE, "--shm-size", "1g",
           "-v", f"{folder}:/work", "-v", f"{ROOT / 'recipes'}:/work/recipes:ro",
           train, "recipes/resnet18_finetune.toml")  # fmt: skip
    return folder


def test_the_first_recipe_runs_without_a_network(trained):
    run = trained / RUN
    assert max(line["eval_top1"] for line in metrics(run)) > 0.9
    assert {path.stat().st_uid for path in [run, *run.rglob("*")]} == {4321}


def test_nobody_is_root(train):
    assert docker("run", "--rm", "--entrypoint", "id", train, "-u") == "1000"
    assert docker("image", "inspect", "--format", "{{.Config.User}}", train) == "1000:1000"


def test_the_image_s_own_user_can_write_where_runs_and_caches_lie(train):
    where = 'touch /work/a /work/runs/a "$HOME/a" "$HOME/.cache/a" && ! touch /opt/tlf/a'
    docker("run", "--rm", "--entrypoint", "sh", train, "-c", where)


def test_nothing_is_in_the_image_twice(train):
    # Root reads all of it.
    found = docker("run", "--rm", "--user", "0", "--entrypoint", "python", train, "-c", TWICE)
    assert json.loads(found) == {"torch": 1}


def test_the_layers_of_tlf_are_small(train):
    lines = docker("history", "--no-trunc", "--human=false", "--format",
                   "{{.Size}} {{.CreatedBy}}", train).splitlines()  # fmt: skip
    code, weights = [int(x.split()[0]) for x in lines if re.search(r"COPY .*/opt/tlf\b", x)]
    assert 2_000_000 < code < 15_000_000
    assert code + weights < 40_000_000


def test_a_change_of_tlf_replaces_its_own_layer_alone(train, repository):
    changed = ("tlf/__init__.py", "pyproject.toml")
    for name in changed:
        with (repository / name).open("a") as file:
            file.write("# another line\n")
    build(CHANGED, repository)
    before, after = layers(train), layers(CHANGED)
    docker("image", "rm", CHANGED)
    for name in changed:
        shutil.copy2(ROOT / name, repository / name)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]


@pytest.fixture
def server(repository, trained):
    """The name of a container that serves the run, on no network but its own."""
    Image.new("RGB", (64, 48)).save(trained / "image.jpg")
    build(SERVE, repository, "--target", "serve")
    docker("run", "--detach", "--name", SERVE, "--network", "none", "--read-only",
           "--tmpfs", "/tmp", "-v", f"{trained}:/work:ro", SERVE, RUN)  # fmt: skip
    yield SERVE
    docker("rm", "--force", SERVE)


def state(container, key):
    return docker("inspect", "--format", f"{{{{.State.{key}}}}}", container)


def test_it_serves_and_says_that_it_is_healthy(server, trained):
    for _ in range(120):
        if state(server, "Health.Status") == "healthy" or state(server, "Status") != "running":
            break
        time.sleep(1)
    assert state(server, "Health.Status") == "healthy", docker("logs", server)

    answer = json.loads(docker("exec", server, "python", "-c", ASK))
    (model,) = answer["models"]
    assert model["run"] == RUN.name
    assert model["predictions"][0]["predicted"] in {"ants", "bees"}

    docker("stop", server)
    assert state(server, "ExitCode") == "0"
