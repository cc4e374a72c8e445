"""BatchNorm over processes: what three real ones compute equals what one computes; and at rest."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from places import ROOT
from tlf.training.segments.norms import norm_notes, trained_norms

EXCHANGE = '''
"""Three processes with 3, 4 and no images of a batch of seven, against one with all of them."""
import copy, json, sys
import torch
from timm.layers import BatchNormAct2d
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from tlf.training.segments.norms import trained_norms


class Network(nn.Module):
    """A residual block, whose branches have norms of every kind, and a norm in the head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), BatchNormAct2d(6))
        self.shortcut = nn.Sequential(
            nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6, momentum=None),
            nn.BatchNorm2d(6, affine=False), nn.BatchNorm2d(6, track_running_stats=False),
        )
        self.head = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))

    def forward(self, images):
        maps = self.stem(images)
        maps = self.block(maps) + self.shortcut(maps)
        return self.head(maps.mean((2, 3)))


def train(model, images, labels, counts, synchronised, processes):
    """Two updates; the logits of all, the state and the last gradients."""
    norms = trained_norms(model, synchronised=synchronised)
    wrapped = DistributedDataParallel(model) if synchronised else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        with norms.computing(counts):
            logits = wrapped(images)
            loss = functional.cross_entropy(logits, labels, reduction="mean") * counts / 7
            (loss * processes).backward()
        optimizer.step()
    return logits.detach()[:counts]


output, device = sys.argv[1:]
distributed.init_process_group("gloo")
torch.backends.cudnn.allow_tf32 = False
rank = distributed.get_rank()
differences = {}
for dtype, name in ((torch.float64, "float64"), (torch.float32, "float32")):
    torch.manual_seed(0)
    one = Network().to(device, dtype, memory_format=torch.channels_last)
    several = copy.deepcopy(one)
    images = (torch.randn(7, 3, 8, 8, dtype=dtype) * 3 + 5).to(device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0], device=device)
    forwards = [vars(module).get("forward") for module in several.modules()]
    share = [slice(0, 3), slice(3, 7), slice(0, 1)][rank]
    counts = [3, 4, 0][rank]
    own = train(several, images[share], labels[share], counts, True, 3)
    assert forwards == [vars(module).get("forward") for module in several.modules()]
    expected = train(one, images, labels, 7, False, 1)[share][:counts]
    pairs = {"logits": (own, expected)}
    pairs |= {n: (t, one.state_dict()[n]) for n, t in several.state_dict().items()}
    pairs |= {
        f"{n}.grad": (p.grad, dict(one.named_parameters())[n].grad)
        for n, p in several.named_parameters()
    }
    for key, (a, b) in pairs.items():
        assert a.shape == b.shape and a.dtype == b.dtype, key
        worst = float((a - b).abs().max()) if a.numel() else 0.0
        differences[f"{name} {key}"] = worst
digest = [torch.cat([t.double().flatten() for t in several.buffers()]).tolist()]
distributed.all_gather_object(every := [None] * 3, digest)
assert every[0] == every[1] == every[2], "statistics differ between processes"
with open(f"{output}.{rank}", "w") as file:
    json.dump(differences, file)
distributed.destroy_process_group()
'''


DEVICES = [
    pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=pytest.mark.gpu),
]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_three_processes_equal_one(tmp_path, device):
    """Logits, statistics, weights and gradients, where one process has no image."""
    script, found = tmp_path / "exchange.py", tmp_path / "found"
    script.write_text(EXCHANGE)
    words = ["-m", "torch.distributed.run", "--nproc_per_node", "3", "--standalone", script]
    done = subprocess.run(
        [sys.executable, *map(str, words), str(found), device],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    every = [json.loads(found.with_suffix(f".{rank}").read_text()) for rank in range(3)]
    worst = {key: max(differences[key] for differences in every) for key in every[0]}
    assert len(worst) > 100
    bounds = {"float64": 1e-13, "float32": 2e-5}
    assert {key: w for key, w in worst.items() if w > bounds[key.split()[0]]} == {}


class Tracking(nn.Module):
    """Norms that keep statistics: two of BatchNorm, of which one does more, and another one."""

    def __init__(self):
        super().__init__()
        self.batch = nn.BatchNorm2d(4)
        self.timm = BatchNormAct2d(4)
        self.instance = nn.InstanceNorm2d(4, track_running_stats=True)

    def forward(self, maps):
        return self.instance(self.timm(self.batch(maps)))


def after(model, count, *, synchronised=False):
    """The state of a model after a share with so many images that count."""
    norms = trained_norms(model, synchronised=synchronised)
    with norms.computing(count):
        model(torch.rand(2, 4, 3, 3)).sum().backward()
    assert [norm.training for norm in model.children()] == [True] * 3
    assert all("forward" not in vars(norm) for norm in model.modules())
    return model.state_dict()


def test_a_share_without_images_leaves_all_statistics_alone():
    before = Tracking().state_dict()
    unmoved = after(Tracking(), 0)
    assert all(torch.equal(before[name], value) for name, value in unmoved.items())
    moved = after(Tracking(), 2)
    assert moved["batch.num_batches_tracked"] == moved["timm.num_batches_tracked"] == 1
    for name in ("batch.running_mean", "timm.running_var", "instance.running_mean"):
        assert not torch.equal(before[name], moved[name]), name


def test_only_layers_that_train_are_synchronised():
    model = Tracking()
    model.timm.eval()
    norms = trained_norms(model, synchronised=True)
    assert norms.synchronised
    assert [norm for norm, _ in norms.together] == [model.batch]
    assert norms.alone == (model.instance,)
    alone = trained_norms(model, synchronised=False)
    assert not alone.synchronised
    assert alone.alone == (model.batch, model.instance)
    assert not trained_norms(model.eval(), synchronised=True).synchronised


def test_an_error_leaves_the_layers_as_they_were():
    model = Tracking()
    norms = trained_norms(model, synchronised=True)
    with pytest.raises(ValueError, match="4D"), norms.computing(0):
        model(torch.rand(2, 4))
    assert all("forward" not in vars(norm) and norm.training for norm in model.modules())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"accumulate": 3}, ["accumulate = 3: … from pieces of 4 images, not from batches of 8"]),
        (
            {"batchnorm": "local"},
            [
                'batchnorm = "local": … from the images of each process, 4 at once; on another '
                "number of processes, the same recipe is another experiment"
            ],
        ),
        ({"batchnorm": "local", "phases": 1, "accumulate": 2}, []),
    ],
)
def test_a_run_says_where_batchnorm_does_not_see_the_whole_batch(job, changed, changes, expected):
    if "phases" in changes:  # the first phase alone: only the head trains
        changes = {**changes, "phases": job.recipe.phases[:1]}
    several = replace(job, accelerator=SimpleNamespace(num_processes=2))
    notes = norm_notes(changed(several, **changes))
    shown = "BatchNorm takes its statistics"
    assert [*notes] == [line.replace("…", shown) for line in expected]
