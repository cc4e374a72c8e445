"""Two hosts, each with folders of its own: both end with one line where they differ or one is lost,
and a run is resumed from the folder of one.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

import psutil
import pytest

from forks import Fork, address
from places import ROOT
from run_files import different_tensors, figures
from small import write_recipe

RECIPE = """
checkpoint_every = { updates = 1 }
[[phases]]
name = "all"
epochs = 3
lr = 0.01
"""
PLUGIN = """
from tlf.hookspecs import hookimpl

@hookimpl
def tlf_phase_started(phase):
    return {}
"""
SAME = "must be the same in all processes, got"


@pytest.fixture
def hosts(tmp_path, drawn):
    """The folders of two hosts, each with a recipe and the same images."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for host in folders:
        drawn(host / "images", 6, 2)
        recipe = write_recipe(host / "recipe.toml", "images", RECIPE)
        recipe.write_text(recipe.read_text().replace(str(host / "run"), "run"))
    return folders


def environments_of(hosts, sites):
    """What a launcher sets on each host, and its cache and path of modules."""
    shared = address() | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    return [
        shared | {"RANK": str(rank), "TLF_CACHE": str(host / "cache"), "PYTHONPATH": site}
        for rank, (host, site) in enumerate(zip(hosts, sites, strict=True))
    ]


def start(hosts, *words, second=(), sites=(str(ROOT),) * 2):
    """Begin a process on each host.

    Parameters:
        words: what both are called with.
        second: more words for the second.
        sites: where each finds modules.
    """
    environments = environments_of(hosts, sites)
    return [
        Fork(["tlf", *words, *(second if rank else ())], host, environment, host / "printed")
        for rank, (host, environment) in enumerate(zip(hosts, environments, strict=True))
    ]


def start_anew(hosts, *words, sites=(str(ROOT),) * 2):
    """Begin a process on each host, as an interpreter that has imported nothing yet."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tlf", *map(str, words)], cwd=host, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environment,
        )
        for host, environment in zip(hosts, environments_of(hosts, sites), strict=True)
    ]  # fmt: skip


def end(both):
    """Exit codes and error messages of processes that end by themselves."""
    try:
        errors = [process.communicate(timeout=120)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    return [process.returncode for process in both], errors


def refusal(hosts, *words, begin=start, **more):
    """The line that both hosts print; neither of them has begun a run."""
    codes, errors = end(begin(hosts, *words, **more))
    assert codes == [2, 2], errors
    assert errors[0] == errors[1]
    assert errors[0].count("\n") == 1
    assert not any((host / "run").exists() for host in hosts)
    return errors[0]


def test_another_recipe_is_refused(hosts):
    line = refusal(hosts, "recipe.toml", second=["seed=7", "workers=0"])
    assert line.startswith(f"error: seed {SAME} 0 in process 0 on {socket.gethostname()} and 7 in ")


@pytest.mark.slow
def test_other_code_of_tlf_is_refused(hosts, tmp_path):
    copied = tmp_path / "copied" / "tlf"
    shutil.copytree(ROOT / "tlf", copied, ignore=shutil.ignore_patterns("*.safetensors"))
    (copied / "model.py").write_text((copied / "model.py").read_text() + "# another line\n")
    sites = str(ROOT), str(copied.parent)
    line = refusal(hosts, "recipe.toml", begin=start_anew, sites=sites)
    assert line.startswith(f"error: the code of tlf {SAME} another in process 1")


@pytest.mark.parametrize("what", [pytest.param("version", marks=pytest.mark.slow), "code"])
def test_another_plugin_is_refused(hosts, tmp_path, what):
    sites = []
    for host, text, version in zip("ab", ("0", "1"), ("1.2", "1.3"), strict=True):
        site, version = tmp_path / f"site-{host}", version if what == "version" else "1.2"
        info = site / f"tlf_gem-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: tlf-gem\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text("[tlf]\ngem = gem_plugin\n")
        (site / "gem_plugin.py").write_text(PLUGIN.format(text if what == "code" else ""))
        sites.append(f"{ROOT}:{site}")
    line = refusal(hosts, "recipe.toml", 'plugins=["gem"]', sites=sites)
    expected = {
        "version": f"error: the plugin 'gem' {SAME} tlf-gem 1.2 in process 0",
        "code": f"error: the code of the plugin 'gem' {SAME} another in process 1",
    }
    assert line.startswith(expected[what])


LACKS = r"error: train: 'train/squares/003.jpg' is in process 0 on .* and not in process 1 on "
DIFFERS = r"error: eval: 'val/circles/001.jpg' has other bytes on .* \(process 1\) than on .* \("


def lack(images):
    (images / "train" / "squares" / "003.jpg").unlink()


def differ(images):
    shutil.copy(images / "train" / "squares" / "003.jpg", images / "val" / "circles" / "001.jpg")


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        pytest.param(lack, [], LACKS, marks=pytest.mark.slow),  # see test_same_images.py, too
        (differ, [], DIFFERS),
        pytest.param(differ, ["cache.mode=off"], DIFFERS, marks=pytest.mark.slow),
    ],
)
def test_other_images_are_refused(hosts, change, words, message):
    change(hosts[1] / "images")
    line = refusal(hosts, "recipe.toml", *words)
    assert re.match(message, line)
    assert line.endswith("; copy the images of one to the other\n")


def wait_for(path, lines=1):
    deadline = time.monotonic() + 100
    while not path.exists() or len(path.read_bytes().splitlines()) < lines:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_ends_the_other_and_the_run_is_resumed(hosts, killed):
    """The folder of the run is on the first host alone: its state is sent to the second."""
    whole = end(start(hosts, "recipe.toml"))
    assert whole[0] == [0, 0], whole[1]
    both = start(hosts, "recipe.toml", "phases.0.epochs=3")
    wait_for(hosts[0] / "run-2" / "metrics.jsonl")
    both[killed].kill()
    codes, errors = end(both)
    assert codes[1 - killed] == 2
    assert re.fullmatch(
        r"error: another process of this run, at \S+, has ended or cannot be reached: its own "
        r"messages may say why; resume with: tlf resume /\S+/a/run-2\n",
        errors[1 - killed],
    )
    assert not (hosts[1] / "run-2").exists()
    codes, errors = end(start(hosts, "resume", "run-2"))
    assert codes == [0, 0], errors
    one, two = hosts[0] / "run", hosts[0] / "run-2"
    assert different_tensors(one / "model.safetensors", two / "model.safetensors") == []
    assert figures(one) == figures(two)


def test_a_run_that_no_host_has_is_refused_by_both(hosts):
    line = refusal(hosts, "resume", "nowhere")
    assert line.startswith("error: /")
    assert line.endswith("/a/nowhere is not the folder of a run; write one, such as runs/mine\n")


def test_a_loader_that_is_killed_ends_the_run(hosts):
    host = hosts[0]
    words = ["recipe.toml", "workers=1", "phases.0.epochs=1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tlf", *words], cwd=host, text=True, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        wait_for(host / "run" / "metrics.jsonl")
        while not (loaders := psutil.Process(process.pid).children()):
            assert process.poll() is None
        loaders[0].kill()
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 2
    assert re.fullmatch(
        r"error: a process that loads images (was killed.*|ended unexpectedly); resume with: "
        rf"tlf resume {host}/run\n",  # unexpectedly: its pipe ends before its signal is known
        error,
    )
