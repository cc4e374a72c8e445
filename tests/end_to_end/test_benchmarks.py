"""The benchmarks: the limit does the plain loop's job, and the command gives its table."""

import doctest
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

from places import TESTS

BENCHMARKS = TESTS / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "contestants")]

import gpu_contestant  # noqa: E402
import gpu_decoding  # noqa: E402
import gpu_rows  # noqa: E402
import limit  # noqa: E402
import limit_training as by_hand  # noqa: E402
import loading  # noqa: E402
import measuring  # noqa: E402
import network  # noqa: E402
import table  # noqa: E402
import turns  # noqa: E402
from limit_network import Folded, Net  # noqa: E402
from task import Task  # noqa: E402


@pytest.fixture
def task(images, tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18()
    for name, tensor in model.named_buffers():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    del model.fc
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    return Task(
        data=images, weights=tmp_path / "weights.safetensors", out=tmp_path, frozen="backbone",
        augment="none", epochs=2, lr=1e-2, size=32, batch_size=8,
    )  # fmt: skip


def test_the_limit_sees_the_very_pixels_of_the_plain_loop(task):
    plain, _ = network.image_folders(task)
    with ThreadPoolExecutor(2) as pool:
        found = limit.files(task.data / "train")
        decoding = [pool.submit(limit.decoded, path, task, "centre") for path, _ in found]
        split = limit.labelled(found, decoding)
        images = torch.cat([*by_hand.centers(split, task)])
    images = by_hand.normalized(images, torch.float32)
    assert [label for _, label in found] == plain.targets
    assert torch.equal(images, torch.stack([image for image, _ in plain]))


@pytest.mark.parametrize("source", ["file", "resized"])
def test_the_limit_and_the_plain_loop_cut_crops_from_the_same_pixels(task, source):
    task = replace(task, augment="crop-flip", crop_from=source)
    random = network.image_folders(task)[0]
    shown = random.transform.transforms
    kinds = [type(step).__name__ for step in shown]
    assert kinds[0] == ("Resize" if source == "resized" else "RandomResizedCrop")
    for path, _ in limit.files(task.data / "train"):
        with Image.open(path) as image:
            given = shown[0](image) if source == "resized" else image
            data, height, width = limit.decoded(path, task, source)
            assert (width, height, data) == (*given.size, given.tobytes())


@pytest.mark.parametrize("frozen", ["backbone", "nothing"])
def test_the_plain_loop_has_networks_of_timm(task, frozen, tmp_path):
    import timm

    task = replace(task, model="test_resnet", frozen=frozen, weights=tmp_path / "timm.safetensors")
    model = timm.create_model(task.model)
    save_file(model.state_dict(), task.weights)
    ours = network.network(task, 2)
    assert ours.fc.weight.shape == (2, model.fc.in_features)
    same = model.state_dict().items()
    own = ours.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in same if name[:3] != "fc.")
    trains = {n.partition(".")[0] for n, p in ours.named_parameters() if p.requires_grad}
    assert (trains == {"fc"}) is (frozen == "backbone")
    assert network.preparation(task)[2] == timm.get_pretrained_cfg(task.model).interpolation
    save_file({"stem": torch.zeros(1)}, task.weights)
    with pytest.raises(SystemExit, match="is not of test_resnet"):
        network.network(task, 2)


def test_a_random_part_is_torchvisions(monkeypatch):
    from torchvision.transforms.v2 import functional

    image = torch.randint(0, 256, (3, 40, 52), dtype=torch.uint8)
    monkeypatch.setattr(by_hand, "box", lambda *_: (5, 7, 30, 21))
    monkeypatch.setattr(by_hand.random, "random", lambda: 0.4)
    part = by_hand.random_part(image.permute(1, 2, 0).contiguous(), 16).permute(2, 0, 1)
    expected = functional.resized_crop(image, 5, 7, 30, 21, [16, 16], antialias=True).flip(2)
    assert torch.equal(part, expected)


def test_boxes_stay_inside_and_are_of_every_size():
    boxes = [by_hand.box(30, 40) for _ in range(500)]
    assert all(t >= 0 and e >= 0 and t + h <= 30 and e + w <= 40 for t, e, h, w in boxes)
    areas = [h * w / 1200 for _, _, h, w in boxes]
    assert min(areas) < 0.15
    assert max(areas) > 0.85


def test_the_folded_network_computes_what_the_whole_one_does(task):
    model = network.network(task, 2).eval()
    model.fc = torch.nn.Identity()
    images = torch.randn(4, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        features = Folded(load_file(task.weights), torch.float32).features(images)
        torch.testing.assert_close(features, model(images), rtol=1e-3, atol=1e-4)


def test_the_limit_trains_as_torchvisions_network_does(task):
    # In float64: in float32, rounding turns a ReLU or two the other way.
    model = network.network(replace(task, frozen="nothing"), 2).train().double()
    images, labels = torch.randn(8, 3, 64, 64, dtype=torch.float64), torch.arange(8) % 2
    cross_entropy(model(images), labels).backward()
    head = model.fc.weight.detach().clone(), model.fc.bias.detach().clone()
    net = Net({n: t.double() for n, t in load_file(task.weights).items()}, head, ("",))
    loss = cross_entropy(net(images, from_layer4=False), labels)
    gradients = torch.autograd.grad(loss, net.trainable)
    assert len(gradients) == len([*model.parameters()])
    trainable = [name for name, tensor in net.tensors.items() if tensor.requires_grad]
    for name, gradient in zip(trainable, gradients, strict=True):
        expected = model.get_parameter(name).grad
        torch.testing.assert_close(gradient, expected)
    for name, buffer in model.named_buffers():
        if not name.endswith("tracked"):
            torch.testing.assert_close(net.tensors[name], buffer)


def test_the_heads_gradient_is_autograds():
    weight, bias = torch.randn(3, 5, requires_grad=True), torch.randn(3, requires_grad=True)
    x, labels = torch.randn(4, 5), torch.tensor([0, 2, 1, 1])
    expected = torch.autograd.grad(cross_entropy(x @ weight.T + bias, labels), [weight, bias])
    with torch.no_grad():
        found = by_hand.head_gradient(weight, bias, x, labels)
    torch.testing.assert_close(found, [*expected])


def test_steps_are_those_of_torch():
    ours, theirs = torch.ones(3), torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    momenta = [torch.zeros(3)]
    for _ in range(3):
        theirs.grad = torch.full((3,), 0.5)
        optimizer.step()
        by_hand.sgd([ours], [torch.full((3,), 0.5)], momenta, 0.1)
    torch.testing.assert_close(ours, theirs.detach())


@pytest.mark.parametrize(
    ("frozen", "augment", "bf16"),
    [("backbone", "none", 1), ("layer3", "none", 1), ("backbone", "crop-flip", 0),
     ("nothing", "crop-flip", 1)],
)  # fmt: skip
def test_the_limit_does_every_job(task, capsys, monkeypatch, frozen, augment, bf16):
    monkeypatch.setattr(by_hand, "keep_freed_memory", lambda: None)
    task = replace(task, frozen=frozen, augment=augment, bf16=bf16)
    monkeypatch.setattr(sys, "argv", ["limit.py", *task.arguments()])
    monkeypatch.setattr(limit.os, "_exit", lambda _: None)
    limit.main()
    assert len(measuring.told(task.out, capsys.readouterr().out)) == 2
    written = load_file(next(task.out.glob("*[dl].safetensors")))
    assert written["fc.weight"].shape == (2, 512)


def test_a_process_is_measured_and_its_failure_shown(tmp_path):
    line = "print('epoch 1: top-1 50.00%, 1.5 s')"
    command = [sys.executable, "-c", f"bytearray(200 * 2**20); {line}"]
    figures = measuring.measure(command, tmp_path, {}, tmp_path / "none")
    assert (figures.top1, figures.first_epoch, figures.epochs) == (50.0, 1.5, 1)
    assert figures.peak_mib > 200
    with pytest.raises(SystemExit, match="no such luck"):
        measuring.measure(
            [sys.executable, "-c", "raise SystemExit('no such luck')"], tmp_path, {}, tmp_path
        )


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], pytest.param(["--uncompiled"], marks=pytest.mark.slow)])
def test_what_loading_a_head_costs_is_printed(finished, capsys, monkeypatch, option):
    head = str(finished / "head.safetensors")
    monkeypatch.setattr(sys, "argv", ["loading.py", head, "--repeats", "2", *option])
    loading.main()
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:4]}
    imports, call, both = (float(rows[name][0]) for name in ("imports", "loading", "both"))
    assert both == pytest.approx(imports + call, abs=0.2)
    with pytest.raises(SystemExit, match="there is no"):
        loading.taken(finished / "nothing.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False])
def test_a_head_loads_within_ten_milliseconds(finished, tmp_path, compiled):
    environment = loading.COMPILED if compiled else loading.uncompiled(tmp_path)
    head = finished / "head.safetensors"
    loading.taken(head, environment)
    taken = [sum(loading.taken(head, environment)) for _ in range(15)]
    # The least: what else the machine does can only add to it.
    assert min(taken) < 0.01


def test_ratios_are_those_of_the_medians():
    figures = measuring.Figures(30.0, 50.0, 900.0, 0.0, 12.0, 10.0, 10.0, 90.0, 2)
    results = {
        "plain loop": [figures], "tlf": [replace(figures, seconds=s) for s in (9.0, 10.0, 99.0)],
        "the limit": [replace(figures, seconds=8.0)], "fastai": [],
    }  # fmt: skip
    body = table.rows(results, 400, 2)
    assert body[1][1:5] == ["3", "10.0 [9.0, 99.0]", "3.00", "1.25"]
    assert body[3][2] == "not installed"
    estimate = table.rows({"plain loop": [measuring.extended(figures, 25)]}, 400, 25)[0]
    assert estimate[0] == "plain loop (estimated from 2 of 25 epochs)"
    assert estimate[2] == "260.0"
    assert estimate[-1] == "–"
    assert "| 10.0 [9.0, 99.0] | 3.00 |" in table.text("job", body, markdown=True)


def test_accuracy_is_compared_with_chance():
    def each(*top1):
        return [measuring.Figures(1, 1, 1, 1, 1, 1, 1, t, 1) for t in top1]

    results = {"a": each(90, 92, 94), "b": each(91, 92, 95), "c": each(60, 61, 62)}
    assert "within" in table.agreement("a", "b", results)
    assert "beyond" in table.agreement("a", "c", results)


@pytest.mark.parametrize("module", [measuring, table, turns])
def test_the_examples_hold(module):
    failed, tried = doctest.testmod(module)
    assert not failed
    assert tried


@pytest.mark.slow
def test_one_command_gives_the_table(images, tmp_path):
    raw = tmp_path / "raw.json"
    command = [
        sys.executable, str(BENCHMARKS / "compare.py"), "--images", str(images), "--size", "32",
        "--epochs", "2", "--jobs", "features,full", "--contestants", "plain,tlf,limit",
        "--repeats", "1", "--workers", "0", "--json", str(raw),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for row in ("plain loop, 0 workers", "tlf", "the limit"):
        assert done.stdout.count(f"\n{row}  ") == 2
    assert json.loads(raw.read_text())["jobs"]["full"]["tlf"][0]["epochs"] == 2


@pytest.mark.slow
def test_one_command_prints_how_cached_epochs_grow(tmp_path):
    command = [
        sys.executable, str(BENCHMARKS / "scaling.py"), "--counts", "20,80", "--epochs", "2",
        "--turns", "2",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.count("\n80 ") == 2
    ratio = r"^20 → 80 images: cached epochs .* times as long \(2 turns\)"
    assert re.search(ratio, done.stdout, re.MULTILINE)
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_the_gpu_benchmark_can_be_rehearsed_on_a_cpu(tmp_path):
    raw = tmp_path / "gpu.json"
    command = [
        sys.executable, str(BENCHMARKS / "gpu.py"), "--tiny", "--no-tests", "--json", str(raw),
        "--folder", str(tmp_path), "--only", "frozen pass, bf16;limit, full fine-tuning, "
        "crop-flip, bf16, batch 8;tlf, full fine-tuning, crop-flip, bf16, batch 8",
    ]  # fmt: skip
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    rows = {row["row"]: row for row in json.loads(raw.read_text())["rows"]}
    own, limit, alone = (
        next(row for name, row in rows.items() if name.startswith(start))
        for start in ("tlf", "limit", "network alone, frozen pass, bf16, batch 8")
    )
    assert not any("error" in row for row in rows.values())
    assert len(own["images_per_second"]) == len(limit["images_per_second"]) == 1
    assert alone["images_per_second"] > 0


@pytest.mark.slow
def test_all_rows_of_the_gpu_benchmark_can_be_rehearsed(tmp_path):
    raw = tmp_path / "gpu.json"
    command = [
        sys.executable, str(BENCHMARKS / "gpu.py"), "--tiny", "--minutes", "25", "--json", str(raw),
        "--folder", str(tmp_path),
    ]  # fmt: skip
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    known = json.loads(raw.read_text())
    assert not known["left_out"]
    assert not [row for row in known["rows"] if "error" in row]
    differences = [r["loss_difference"] for r in known["rows"] if "loss_difference" in r]
    assert len(differences) == 4
    assert max(differences) < 0.15


def test_what_needs_several_gpus_is_skipped_by_name(tmp_path):
    def named(gpus):
        rows = gpu_rows.rows(gpu_rows.TINY, tmp_path, gpus)
        return {row["row"]: row for row in rows if "beside one" in row["row"]}

    assert {row["skipped"] for row in named(1).values()} == {"there is one GPU"}
    assert [name[:6] for name in named(4)] == ["4 GPUs"] * 4
    rehearsed = named(0).values()
    assert [row["work"]["processes"] for row in rehearsed] == [2] * 4
    for words in ("features", "synchronised norms", "thaw, with the digests"):
        assert any(words in row["row"] for row in rehearsed)


ENDLESS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
sys.stdin.readline()
open("child", "w").write(str(child.pid))
while True:
    print("still busy", flush=True)
    time.sleep(0.05)
"""


def test_a_contestant_that_does_not_end_is_killed_with_all_it_started(tmp_path, monkeypatch):
    """However much it says in the meantime."""
    (tmp_path / "contestants").mkdir()
    (tmp_path / "contestants" / "endless.py").write_text(ENDLESS)
    monkeypatch.setattr(gpu_contestant, "HERE", tmp_path)
    with gpu_contestant.Contestants(tmp_path) as contestants:
        answer = contestants.ask("endless", {}, 1)
        assert answer == {"error": "TimeoutError: no answer within 1 s"}
        assert not contestants.running
    state = Path("/proc", (tmp_path / "child").read_text(), "stat")
    for _ in range(100):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("what it started is still running")


def test_the_difference_of_a_decoder_is_told_in_pixels_and_logits(task):
    files = [path.read_bytes() for path in sorted(task.data.rglob("*.jpg"))[:4]]
    opened = [torch.from_numpy(np.array(Image.open(BytesIO(f)).convert("RGB"))) for f in files]
    pixels = [image.permute(2, 0, 1) for image in opened]
    work = {"size": 32, "weights": str(task.weights)}
    found = gpu_decoding.differences(files, pixels, work)
    assert set(found.values()) == {0}
    found = gpu_decoding.differences(files, [255 - image for image in pixels], work)
    assert found["largest_pixel_difference"] == 255
    assert found["largest_logit_difference"] > 0.01
