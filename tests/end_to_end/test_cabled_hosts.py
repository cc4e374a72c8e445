"""Two hosts that a cable joins train together; what each of them says when the other is lost."""

import os
import re
import shutil
import signal
import sys
import time
from importlib.metadata import distribution

import pytest
import torch
from safetensors.torch import load_file

from cabled_hosts import ADDRESSES, cabled, ended, torchrun, why_not
from conftest import draw_images
from run_files import different_tensors, figures, metrics
from small import write_recipe

pytestmark = pytest.mark.slow

RECIPE = """
checkpoint_every = { updates = 1 }
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.05
[[phases]]
name = "all"
epochs = 3
lr = 0.01
"""
ACCELERATE = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
num_machines: 2
num_processes: 2
machine_rank: {number}
main_process_ip: 10.99.7.1
main_process_port: 29500
mixed_precision: 'no'
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Both have the same recipe and the same images, on a disk of their own."""
    if reason := why_not():
        pytest.skip(reason)
    with cabled(tmp_path_factory.mktemp("hosts")) as both:
        for host in both:
            draw_images(host.folder / "images", 6, 2)
            recipe = write_recipe(host.folder / "recipe.toml", "images", RECIPE)
            recipe.write_text(recipe.read_text().replace(str(host.folder / "run"), "run"))
        yield both


def train(hosts, *words, **more):
    """The same words on both hosts."""
    programs = [host.start(*torchrun(n, *words, **more)) for n, host in enumerate(hosts)]
    codes, errors = ended(programs)
    assert codes == [0, 0], errors
    return hosts[0].folder


def refused(hosts, *words, second=(), **environment):
    """The line that both hosts print, where neither begins a run."""
    words = [*words, "output=refused"]
    first, other = hosts
    programs = [
        first.start(*torchrun(0, *words), **environment),
        other.start(*torchrun(1, *words, *second), **environment),
    ]
    codes, errors = ended(programs)
    assert codes == [1, 1], errors  # those of torchrun: tlf's is 2
    lines = [
        [line for line in error.splitlines() if line.startswith("error: ")] for error in errors
    ]
    assert len(lines[0]) == 1
    assert lines[0] == lines[1]
    assert not any((host.folder / "refused").exists() for host in hosts)
    return lines[0][0]


@pytest.fixture(scope="module")
def whole(hosts):
    """A run of both that nothing stopped. The first host is named as it names itself."""
    return train(hosts, "recipe.toml", "output=whole", main="anna") / "whole"


def test_two_hosts_equal_one(hosts, whole):
    alone = hosts[0].start(sys.executable, "-m", "tlf", "recipe.toml", "output=alone")
    codes, errors = ended([alone])
    assert codes == [0], errors
    one, two = (metrics(hosts[0].folder / name) for name in ("alone", "whole"))
    for first, second in zip(one, two, strict=True):
        for name in ("train_loss", "eval_loss"):
            assert first[name] == pytest.approx(second[name], rel=1e-4)
    first, second = (load_file(whole.with_name(name) / "model.safetensors")
                     for name in ("alone", "whole"))  # fmt: skip
    for name in first:
        assert torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-5), name


def test_the_run_is_on_the_first_host_alone_and_each_has_a_cache(hosts, whole):
    assert not (hosts[1].folder / "whole").exists()
    assert all(any((host.folder / "cache").iterdir()) for host in hosts)


def test_accelerate_launches_the_same(hosts, whole):
    programs = []
    for number, host in enumerate(hosts):
        (host.folder / "hosts.yaml").write_text(ACCELERATE.format(number=number))
        words = ["launch", "--config_file", "hosts.yaml", "-m", "tlf", "recipe.toml"]
        programs.append(host.start("accelerate", *words, "output=accelerated"))
    codes, errors = ended(programs)
    assert codes == [0, 0], errors
    assert different_tensors(
        whole / "model.safetensors", whole.with_name("accelerated") / "model.safetensors"
    ) == []  # fmt: skip


def test_hosts_may_share_a_disk(hosts, whole):
    own = hosts[1].folder
    try:
        hosts[1].folder = hosts[0].folder
        train(hosts, "recipe.toml", "output=shared")
    finally:
        hosts[1].folder = own
    assert figures(whole.with_name("shared")) == figures(whole)


def kill(host, program):
    """All its processes end at once, and its kernel says so to the other host."""
    os.kill(program.pid, signal.SIGKILL)


def pull_the_cable(host, program):
    host.pull_the_cable()


@pytest.mark.parametrize(
    ("harm", "number", "seconds"), [(kill, 1, 30), (kill, 0, 30), (pull_the_cable, 1, 100)]
)
def test_a_host_that_is_lost_ends_the_other_and_the_run_goes_on_elsewhere(
    hosts, whole, harm, number, seconds
):
    """With a copy of the run's folder, the second host can be the first."""
    name = f"lost-{harm.__name__}-{number}"
    programs = [
        host.start(*torchrun(n, "recipe.toml", f"output={name}")) for n, host in enumerate(hosts)
    ]
    lines, deadline = hosts[0].folder / name / "metrics.jsonl", time.monotonic() + 100
    while not lines.exists() or len(lines.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    harm(hosts[number], programs[number])
    started = time.monotonic()
    try:
        codes, errors = ended(programs)
    finally:
        hosts[number].plug_the_cable()
    assert time.monotonic() - started < seconds
    assert codes[1 - number] == 1
    found = [line for line in errors[1 - number].splitlines() if line.startswith("error: ")]
    address = [*ADDRESSES.values()][number].replace(".", r"\.")
    assert len(found) == 1
    assert re.fullmatch(
        f"error: another process of this run, at {address}, has ended or cannot be reached: its "
        rf"own messages may say why; resume with: tlf resume /\S+/anna/{name}",
        found[0],
    )
    shutil.copytree(hosts[0].folder / name, hosts[1].folder / name)
    swapped = hosts[::-1]
    folder = train(swapped, "resume", name, main=hosts[1].address) / name
    assert figures(folder) == figures(whole)
    assert different_tensors(folder / "model.safetensors", whole / "model.safetensors") == []


def test_hosts_that_no_network_joins_name_each_other(hosts):
    line = refused(hosts, "recipe.toml", GLOO_SOCKET_IFNAME="lo")
    assert line.startswith(
        "error: hosts must reach each other on all TCP ports, got no connection from anna "
        "(127.0.0.1) to boris (127.0.0.1): Connection refused; open the firewall between them"
    )


def test_another_recipe_names_the_host(hosts):
    line = refused(hosts, "recipe.toml", second=["seed=7"])
    assert line.startswith(
        "error: seed must be the same in all processes, got 0 in process 0 on anna and 7 in "
        "process 1 on boris; start all processes with the same recipe"
    )


def test_another_torch_names_the_host(hosts, tmp_path):
    info = tmp_path / "torch-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    # Since 2.14, torch finds gloo there.
    entry_points = distribution("torch").read_text("entry_points.txt") or ""
    (info / "entry_points.txt").write_text(entry_points)
    hosts[1].before = f"{tmp_path}:"
    try:
        line = refused(hosts, "recipe.toml")
    finally:
        hosts[1].before = ""
    assert re.match(
        r"error: the version of torch must be the same in all processes, got \S+ in process 0 on "
        "anna and 9.9 in process 1 on boris;",
        line,
    )


def test_other_images_name_the_host(hosts):
    image = hosts[1].folder / "images" / "train" / "squares" / "003.jpg"
    image.rename(aside := image.with_suffix(".aside"))
    try:
        line = refused(hosts, "recipe.toml")
        assert line == (
            "error: train: 'train/squares/003.jpg' is in process 0 on anna and not in process 1 on "
            "boris; copy the images of one to the other"
        )
        image.write_bytes(b"")
        line = refused(hosts, "recipe.toml")
    finally:
        aside.replace(image)
    assert line == (
        "error: train: 'train/squares/003.jpg' has other bytes on boris (process 1) than on anna "
        "(process 0); copy the images of one to the other"
    )
