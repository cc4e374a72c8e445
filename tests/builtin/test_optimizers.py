import pickle
import warnings
from dataclasses import asdict

import pytest
import torch
from packaging.version import Version
from timm import __version__ as installed_timm
from timm.optim import get_optimizer_info, list_optimizers
from torch import nn

from tlf.builtin.optimizers import Adam, AdamW, Sgd, Timm, tlf_optimizers

FOREIGN = [n for n in list_optimizers() if isinstance(get_optimizer_info(n).opt_class, str)]
# kron compiles, which takes seconds: it has a slow test of its own.
FIRST_ORDER = sorted({*list_optimizers()} - {*FOREIGN} - {"adahessian", "kron", "kronc", "kronw"})
HIGHEST_BY_GROUP = Version(installed_timm) >= Version("1.0.31")
"""Whether timm's corrected weight decay knows the highest learning rate of each group."""


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3))


def groups(model):
    """Convolution and linear layer at two rates; the convolution's bias does not decay."""
    convolution, _, linear = model
    return [
        {"params": [convolution.weight], "lr": 1e-3},
        {"params": [convolution.bias], "lr": 1e-3, "weight_decay": 0.0},
        {"params": [linear.weight, linear.bias], "lr": 2e-3},
    ]


def step(model, optimizer, times=2):
    images = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    for _ in range(times):
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def corrected(name):
    return "corrected_weight_decay" in (get_optimizer_info(name).defaults or {})


def decays(optimizer):
    return [group["weight_decay"] for group in optimizer.param_groups]


@pytest.mark.parametrize(
    ("component", "reference"),
    [
        (Sgd(), lambda g: torch.optim.SGD(g, momentum=0.9)),
        (Sgd(momentum=0.0), lambda g: torch.optim.SGD(g)),
        (
            Sgd(momentum=0.8, nesterov=True, weight_decay=0.1),
            lambda g: torch.optim.SGD(g, momentum=0.8, nesterov=True, weight_decay=0.1),
        ),
        (Adam(), lambda g: torch.optim.Adam(g)),
        (
            Adam(betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1),
            lambda g: torch.optim.Adam(g, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1),
        ),
        (AdamW(), lambda g: torch.optim.AdamW(g)),
        (AdamW(weight_decay=0.1), lambda g: torch.optim.AdamW(g, weight_decay=0.1)),
        (Timm("adamw", weight_decay=0.1), lambda g: torch.optim.AdamW(g, weight_decay=0.1)),
        (Timm("momentum", momentum=0.8), lambda g: torch.optim.SGD(g, momentum=0.8)),
        (
            Timm("adam", betas=(0.8, 0.9), eps=1e-4),
            lambda g: torch.optim.Adam(g, betas=(0.8, 0.9), eps=1e-4),
        ),
    ],
)
def test_steps_are_torchs(model, component, reference):
    start = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, component.build(groups(model)))
    found = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(start)
    step(model, reference(groups(model)))
    for name, value in model.state_dict().items():
        assert torch.equal(found[name], value), name
        assert not torch.equal(found[name], start[name]), name


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_groups_win_over_the_optimizer(model, kind):
    optimizer = tlf_optimizers()[kind](weight_decay=0.5).build(groups(model))
    assert rates(optimizer) == [1e-3, 1e-3, 2e-3]
    assert decays(optimizer) == [0.5, 0.0, 0.5]
    assert optimizer.defaults["lr"] == 2e-3


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_timms_first_order_optimizers_train(model, name):
    if corrected(name) and not HIGHEST_BY_GROUP:
        pytest.skip("groups with different rates need timm 1.0.31")
    optimizer = Timm(name, weight_decay=0.1).build(groups(model))
    assert rates(optimizer) == [1e-3, 1e-3, 2e-3]
    assert decays(optimizer) == [0.1, 0.0, 0.1]
    start = {key: value.clone() for key, value in model.named_parameters()}
    step(model, optimizer)
    for key, value in model.named_parameters():
        assert value.isfinite().all(), key
        assert not torch.equal(value, start[key]), key


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kron", "kronc", "kronw"])
def test_timms_kron_trains(model, name):
    with warnings.catch_warnings():
        # kron recommends opt_einsum, and torch's compiler warns, too.
        warnings.simplefilter("ignore")
        start = model[2].weight.detach().clone()
        step(model, Timm(name).build(groups(model)))
    assert not torch.equal(model[2].weight, start)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_timms_optimizers_take_the_options_that_they_have(model, name):
    info = get_optimizer_info(name)
    given = {"momentum": 0.5 if info.has_momentum else None, "eps": 1e-7 if info.has_eps else None}
    betas = (0.5, 0.6, 0.7)[: info.num_betas] if info.has_betas else None
    optimizer = Timm(name, betas=betas, **given).build(groups(model))
    expected = {key: value for key, value in {**given, "betas": betas}.items() if value is not None}
    for group in optimizer.param_groups:
        if betas and "beta1" in group:  # Adafactor's name of the first, the only one that it uses
            group["betas"] = (group["beta1"], *betas[1:])
        assert {key: group[key] for key in expected} == expected


def shrunk(rates):
    """Weights of 1, each with its own rate and without a gradient, after a step of ``sgdc``."""
    weights = [nn.Parameter(torch.ones(2, 2)) for _ in rates]
    own = [{"params": [w], "lr": lr} for w, lr in zip(weights, rates, strict=True)]
    optimizer = Timm("sgdc", weight_decay=0.5).build(own)
    for weight in weights:
        weight.grad = torch.zeros(2, 2)
    optimizer.step()
    return [float(weight.detach()[0, 0]) for weight in weights]


def test_corrected_weight_decay_uses_each_groups_own_rate():
    # By its formula such a weight shrinks by lr² / highest lr · decay: at the highest rate of each
    # group, by lr · decay.
    assert shrunk([0.1, 0.1]) == pytest.approx([1 - 0.05, 1 - 0.05])
    if HIGHEST_BY_GROUP:
        assert shrunk([0.01, 0.1]) == pytest.approx([1 - 0.005, 1 - 0.05])
    else:
        with pytest.raises(ValueError, match=r"'sgdc' needs timm 1\.0\.31 .* different learning"):
            shrunk([0.01, 0.1])


@pytest.mark.parametrize("name", FOREIGN)
def test_an_optimizer_of_another_package_names_the_package(model, name):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there, and so may be the packages")
    package = "bitsandbytes" if name.startswith("bnb") else "apex"
    with pytest.raises(ValueError, match=f"needs the package {package} and a CUDA device.*; write"):
        Timm(name).build(groups(model))


@pytest.mark.parametrize(
    ("component", "options", "message"),
    [
        (Sgd, {"momentum": 1.0}, "momentum must be a fraction from 0 to below 1, got 1.0"),
        (Sgd, {"weight_decay": -1.0}, "weight_decay must be finite and 0 or more, got -1.0"),
        (Sgd, {"momentum": 0.0, "nesterov": True}, "momentum must be above 0 for nesterov, got 0"),
        (
            Adam,
            {"betas": (0.9, 1.0)},
            "betas must be a fraction from 0 to below 1, got 1.0",
        ),
        (Adam, {"eps": -1e-8}, "eps must be finite and 0 or more, got -1e-08"),
        (AdamW, {"betas": (-0.1, 0.9)}, "each of betas must be a fraction .* got -0.1"),
        (
            AdamW,
            {"weight_decay": float("inf")},
            "weight_decay must be finite and 0 or more, got inf",
        ),
        (Timm, {"name": "adammw"}, "timm has no optimizer 'adammw'; did you mean 'adamw'"),
        (Timm, {"name": "lookahead_adam"}, "timm has no optimizer 'lookahead_adam'"),
        (
            Timm,
            {"name": "adahessian"},
            "must be an optimizer of first order, got 'adahessian'",
        ),
        (Timm, {"name": "adamw", "momentum": 0.9}, "'adamw' has no momentum; leave it out"),
        (Timm, {"name": "momentum", "betas": (0.9, 0.9)}, "'momentum' has no betas; leave it out"),
        (Timm, {"name": "lion", "eps": 1e-8}, "'lion' has no eps; leave it out"),
        (
            Timm,
            {"name": "adan", "betas": (0.9, 0.9)},
            "betas must be 3 numbers .* 'adan', got 2",
        ),
        (
            Timm,
            {"name": "lamb", "betas": (0.9, 1.5)},
            "betas must be a fraction .* got 1.5",
        ),
        (Timm, {"name": "lamb", "weight_decay": -1.0}, "weight_decay must be finite and 0 or more"),
        (Timm, {"name": "sgdw", "momentum": 2.0}, "momentum must be a fraction .* got 2.0"),
        (Timm, {"name": "lamb", "eps": -1.0}, "eps must be finite and 0 or more, got -1.0"),
    ],
)
def test_wrong_options(component, options, message):
    with pytest.raises(ValueError, match=message):
        component(**options)


@pytest.mark.parametrize("kind", tlf_optimizers())
def test_components_are_values(kind):
    optimizer = tlf_optimizers()[kind](**({"name": "lamb"} if kind == "timm" else {}))
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    assert type(optimizer)(**asdict(optimizer)) == optimizer
    assert optimizer.decay == "weights"
