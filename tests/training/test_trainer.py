"""The loop against an independent plain PyTorch loop: the same losses and the same weights, bit
for bit."""

from dataclasses import replace
from shutil import copytree

import pytest
import torch
from torch.nn import functional
from torchvision import models, transforms

from small import RESNET18, write_recipe
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.data.loading import order
from tlf.errors import FrozenMovedError, PluginError
from tlf.events import Notice, SegmentStarted
from tlf.hookspecs import hookimpl
from tlf.recipe.plan import read_plan
from tlf.results import EpochResult
from tlf.runtime.devices import start_accelerator
from tlf.runtime.seeds import derive
from tlf.training.evaluation import classify
from tlf.training.job import open_job
from tlf.training.segments.segment import begin_segment, segment_setup
from tlf.training.state import State
from tlf.training.trainer import train

SMALL_BATCHES = "batch_size = 4\nseed = 3"
SGD = """
[optimizer]
kind = "sgd"
momentum = 0.9
"""
TUTORIAL = 'lr = 1e-3\nscheduler = { kind = "step", every = 1, gamma = 0.1 }'


def open_recipe(tmp_path, images, phases, *overrides, settings=SMALL_BATCHES):
    path = write_recipe(tmp_path / "recipe.toml", images, settings + SGD + phases)
    return open_job(read_plan(path, overrides), start_accelerator("no"))


class LastEpoch:
    """Selects the last epoch, to see the weights that training ends with."""

    @hookimpl
    def tlf_select_best(self, history):
        return len(history) - 1


def keeping_the_last(job):
    job.plan.plugins.manager.register(LastEpoch())
    return job


def train_all(job):
    """Train; give every update's loss, every event, and the final state."""
    losses = []

    def recording(logits, labels):
        values = job.loss(logits, labels)
        if values.requires_grad:
            losses.append(values.mean().item())
        return values

    state = State()
    events = list(train(replace(job, loss=recording), state))
    return losses, events, state


def plain_model(job):
    """torchvision's ResNet-18 with a new head, begun with the same numbers."""
    model = models.resnet18()
    model.fc = torch.nn.Linear(512, 2)
    state = {f"fc.{k}": v.clone() for k, v in job.classifier.head.state_dict().items()}
    state |= {k: v.clone() for k, v in job.classifier.backbone.state_dict().items()}
    model.load_state_dict(state)
    return model.to(memory_format=torch.channels_last)


def plain_images(split, indices):
    """Resize, crop at the centre and scale, by torchvision on Pillow images."""
    from io import BytesIO

    from PIL import Image

    transform = transforms.Compose([
        transforms.Resize(56), transforms.CenterCrop(48), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    opened = [Image.open(BytesIO(split.read(i))).convert("RGB") for i in indices]
    images = torch.stack([transform(p) for p in opened])
    return images.contiguous(memory_format=torch.channels_last)


def plain_epochs(job, model, epochs, frozen=()):
    """The tutorial's loop with SGD 0.001, momentum 0.9, a tenth of it after every epoch."""
    split = job.splits.train
    trainable = [p for n, p in model.named_parameters() if n not in frozen]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    optimizer = torch.optim.SGD(trainable, lr=1e-3, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    losses = []
    for epoch in range(epochs):
        model.train()
        if frozen:
            model.eval()  # frozen BatchNorm done right; the head has no mode
        shuffled = order(3, epoch, len(split))
        for start in range(0, len(split), 4):
            indices = shuffled[start : start + 4]
            labels = torch.tensor([split.labels[i] for i in indices])
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(plain_images(split, indices)), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    return losses


BACKBONE = {n for n, _ in models.resnet18().named_parameters() if not n.startswith("fc.")}


def whole(job):
    """The job's model under torchvision's names."""
    head = {f"fc.{k}": v for k, v in job.classifier.head.state_dict().items()}
    return {**job.classifier.backbone.state_dict(), **head}


@pytest.mark.parametrize(("freeze", "frozen"), [("nothing", set()), ("backbone", BACKBONE)])
def test_parity_with_a_plain_loop(tmp_path, images, freeze, frozen):
    phases = f'[[phases]]\nname = "p"\nfreeze = "{freeze}"\nepochs = 2\n{TUTORIAL}'
    job = keeping_the_last(open_recipe(tmp_path, images, phases, settings=RESNET18))
    model = plain_model(job)
    expected = plain_epochs(job, model, 2, frozen)
    losses, _, _ = train_all(job)
    assert losses == pytest.approx(expected, rel=1e-6)
    theirs = model.state_dict()
    ours = whole(job)
    different = [name for name in theirs if not torch.equal(theirs[name], ours[name])]
    assert not different


def run_phases(tmp_path, images, phases, *overrides):
    job = open_recipe(tmp_path, images, phases, *overrides)
    _, events, state = train_all(job)
    return job, events, state


def test_the_best_epoch_is_what_is_left(tmp_path, images):
    phases = '[[phases]]\nname = "p"\nepochs = 4\nlr = 0.05'
    job, events, state = run_phases(tmp_path, images, phases)
    results = [e for e in events if isinstance(e, EpochResult)]
    top = max(r.eval_top1 for r in results)
    assert state.best.result == next(r for r in results if r.eval_top1 == top)
    for name, tensor in job.classifier.state_dict().items():
        assert torch.equal(tensor, state.best.tensors[name])


HEAD = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 1e-3\n'
THAWED = '[[phases]]\nname = "all"\nepochs = 2\nlr = { head = 1.0, backbone = 1.0 }\n'
GRADUAL = (
    '[[phases]]\nname = "p"\nfreeze = { kind = "gradual", thaw = 2 }\nepochs = 3\n'
    "lr = { head = 1e-3, layer4 = 1.0, layer3 = 1.0, backbone = 1.0 }\n"
)


@pytest.mark.parametrize("phases", [HEAD + THAWED, GRADUAL], ids=["next-phase", "same-phase"])
def test_what_thaws_after_the_best_epoch_is_put_back(tmp_path, images, phases):
    job = open_recipe(tmp_path, images, phases, "monitor=eval_loss")
    loaded = {name: tensor.clone() for name, tensor in job.classifier.state_dict().items()}
    _, events, state = train_all(job)
    assert state.best.result.epoch == 0
    assert len({frozenset(e.rates) for e in events if isinstance(e, SegmentStarted)}) > 1
    for name, tensor in job.classifier.state_dict().items():
        assert torch.equal(tensor, loaded[name]) == (not name.startswith("head.")), name


def test_early_stopping_ends_the_phase_and_the_next_one_begins(tmp_path, images):
    phases = (
        '[[phases]]\nname = "p"\nfreeze = "backbone"\nepochs = 9\nlr = 1e-12\n'
        "early_stopping = { patience = 2 }\n"
        '[[phases]]\nname = "q"\nepochs = 1\nlr = 1e-3'
    )
    _, events, _ = run_phases(tmp_path, images, phases)
    results = [(e.phase, e.epoch) for e in events if isinstance(e, EpochResult)]
    assert results == [("p", 0), ("p", 1), ("p", 2), ("q", 0)]
    assert any("no longer improves" in e.text for e in events if isinstance(e, Notice))


def test_a_head_that_knows_train_images_only_is_not_to_be_trained_longer(tmp_path, images):
    for split, names in (("train", ("circles", "squares")), ("val", ("squares", "circles"))):
        for source, name in zip(("circles", "squares"), names, strict=True):
            copytree(images / "train" / source, tmp_path / "wrong" / split / name)
    phases = '[[phases]]\nname = "p"\nfreeze = "backbone"\nepochs = 4\nlr = 0.01'
    job = keeping_the_last(open_recipe(tmp_path, tmp_path / "wrong", phases))
    _, events, state = train_all(job)
    (told,) = [e.text for e in events if isinstance(e, Notice) and "constant guess" in e.text]
    loss = state.best.result.train_loss
    assert told.endswith(f"of train images it is {loss:.4g}; write fewer epochs, or a lower lr")


def test_a_policy_that_changes_its_mind_begins_a_new_segment(tmp_path, images):
    phases = (
        '[[phases]]\nname = "p"\nfreeze = { kind = "gradual", thaw = 2 }\nepochs = 3\nlr = 1e-3'
    )
    job, events, _ = run_phases(tmp_path, images, phases)
    starts = [e for e in events if isinstance(e, SegmentStarted)]
    assert [s.epoch for s in starts] == [0, 1, 2]
    assert set(starts[0].rates) == set(job.classifier.head_names)
    trainable = {*job.classifier.stage("layer3"), *job.classifier.stage("layer4")}
    assert set(starts[1].rates) == trainable | set(job.classifier.head_names)


@pytest.mark.parametrize("pieces", [2, 3])
def test_accumulation_gives_the_same_weights(tmp_path, images, pieces):
    phases = '[[phases]]\nname = "p"\nfreeze = "norms"\nepochs = 1\nlr = 0.01'
    whole_batches = keeping_the_last(open_recipe(tmp_path, images, phases))
    in_pieces = keeping_the_last(open_recipe(tmp_path, images, phases, f"accumulate={pieces}"))
    train_all(whole_batches)
    train_all(in_pieces)
    one, other = whole(whole_batches), whole(in_pieces)
    for name in one:
        assert torch.allclose(one[name], other[name], rtol=1e-4, atol=1e-6), name


def test_a_last_batch_of_one_is_merged_only_where_batchnorm_trains(tmp_path, images):
    job = open_recipe(
        tmp_path, images,
        '[[phases]]\nname = "frozen"\nfreeze = "norms"\nepochs = 1\nlr = 1e-3\n'
        '[[phases]]\nname = "all"\nepochs = 1\nlr = 1e-3', "batch_size=19",
    )  # fmt: skip
    _, events, _ = train_all(job)
    assert [e.updates for e in events if isinstance(e, EpochResult)] == [2, 1]


def test_eight_images_can_be_overfitted(tmp_path, drawn):
    root = drawn(tmp_path / "few", 4, 2)
    phases = '[[phases]]\nname = "p"\nepochs = 30\nlr = 0.02'
    _, events, _ = run_phases(tmp_path, root, phases, "batch_size=8")
    losses = [e.train_loss for e in events if isinstance(e, EpochResult)]
    assert losses[-1] < 0.1 < losses[0]


def test_the_average_is_evaluated_and_kept(tmp_path, images):
    """With a decay of almost nothing the average is the model; with one near 1 it hardly moves."""
    phases = (
        '[[phases]]\nname = "p"\nfreeze = "norms"\nepochs = 1\nlr = 0.01\n'
        "ema = {}\nema_warmup = false"
    )
    plain, _, _ = run_phases(tmp_path, images, phases.partition("\nema")[0])
    fast, _, _ = run_phases(tmp_path, images, phases.format("1e-9"))
    slow, _, _ = run_phases(tmp_path, images, phases.format("0.999999"))
    start = whole(open_recipe(tmp_path, images, phases.format("0.5")))
    name = "layer4.0.downsample.1.weight"
    assert torch.allclose(whole(fast)[name], whole(plain)[name], atol=1e-6)
    assert torch.allclose(whole(slow)[name], start[name], atol=1e-6)
    assert not torch.allclose(whole(plain)[name], start[name], atol=1e-6)


def test_averages_of_stages_that_are_frozen_again_are_evaluated_in_half_precision(tmp_path, images):
    """What is kept of the frozen weights in half precision is not of their averages."""
    phases = (
        '[[phases]]\nname = "p"\nfreeze = "alternate"\nepochs = 3\nlr = 0.1\n'
        "ema = 0.99\nema_warmup = false"
    )
    path = write_recipe(tmp_path / "recipe.toml", images, phases)
    job = keeping_the_last(open_job(read_plan(path), start_accelerator("bf16")))
    *_, state = train_all(job)
    assert state.best.result.epoch == 2
    every = {name for name, _ in job.classifier.named_parameters()}
    setup = segment_setup(job, job.recipe.phases[0], frozenset(every - {*state.segments[-1].rates}))
    segment = begin_segment(job.accelerator, job.classifier, setup)
    assert segment.weights is not None
    *_, predictions = classify(job, segment, None)
    job.accelerator.free_memory()
    assert torch.equal(state.best.predictions.logits, predictions.logits)


class Liar:
    """Names parameters, and moves one of them."""

    def frozen(self, model, progress):
        with torch.no_grad():
            model.backbone.bn1.weight += 1e-3
        return model.backbone_names


class Raiser:
    """Breaks in its second epoch."""

    def frozen(self, model, progress):
        if progress.epoch:
            raise KeyError("lost")
        return model.backbone_names


def with_policy(tmp_path, images, policy):
    phases = '[[phases]]\nname = "p"\nfreeze = "backbone"\nepochs = 2\nlr = 0.01'
    job = open_recipe(tmp_path, images, phases)
    offer = Offer(
        "tlf_freeze_policies", "odd:policy", type(policy), Plugin("odd", "tlf-odd", "1.0")
    )
    plugins = job.plan.plugins
    catalogue = Catalogue((*plugins.catalogue.offers, offer))
    phase = replace(job.recipe.phases[0], freeze=(policy,))
    recipe = replace(job.recipe, phases=(phase,))
    plan = replace(job.plan, recipe=recipe, plugins=replace(plugins, catalogue=catalogue))
    return replace(job, plan=plan)


def test_a_policy_that_lies_is_named_with_the_tensor(tmp_path, images):
    job = with_policy(tmp_path, images, Liar())
    with pytest.raises(FrozenMovedError, match=r"odd:policy.*backbone\.bn1\.weight was frozen"):
        train_all(job)


def test_a_policy_that_raises_in_the_middle_is_named(tmp_path, images):
    job = with_policy(tmp_path, images, Raiser())
    with pytest.raises(
        PluginError, match=r"'odd:policy' \(tlf-odd 1\.0\) failed in frozen: KeyError"
    ):
        train_all(job)


def test_a_backbone_that_writes_to_a_buffer_at_rest_is_named(tmp_path, images):
    phases = '[[phases]]\nname = "p"\nfreeze = "backbone"\nepochs = 1\nlr = 0.01'
    job = open_recipe(tmp_path, images, phases)
    norm = job.classifier.backbone.bn1

    def write(module, *_):
        module.running_mean.add_(1e-3)

    norm.register_forward_hook(write)
    expected = r"backbone = timm.*backbone\.bn1\.running_mean was frozen and changed"
    with pytest.raises(FrozenMovedError, match=expected):
        train_all(job)


def test_dropout_depends_on_seed_epoch_and_update_only():
    assert derive(0, "update", 1, 2, 0) != derive(0, "update", 1, 2, 1)
