"""What a device may lack: seen in a whole training."""

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from small import write_recipe
from tlf.recipe.plan import read_plan
from tlf.runtime.devices import start_accelerator
from tlf.training.job import open_job
from tlf.training.state import State
from tlf.training.trainer import train

PHASES = """
seed = 3
loss = { kind = "focal", class_weights = "balanced" }
optimizer = { kind = "adamw" }
clip_grad_norm = 1.0
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.01
augment = ["mixup", "cutmix"]
[[phases]]
name = "all"
epochs = 1
lr = 0.001
ema = 0.9
"""


class WithoutFloat64(TorchDispatchMode):
    """A device that has no float64, as MPS: only tensors of the host may be of it.

    On a CPU the device is the host. So tensors are marked. On the host is what is made without a
    device or with the word "cpu", what is copied there, and what is made of nothing else.
    """

    def __init__(self):
        super().__init__()
        self.wide = self.ours = 0
        """Results in float64 on the host; results on the device."""
        self.making = False
        """Whether a tensor is being made on the host."""
        self._moves = _Moves(self)

    def __enter__(self):
        self._moves.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._moves.__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        made = not given or function.overloadpacket is torch.ops.aten.lift_fresh
        on_host = self.making if made else all(on_the_host(t) for t in given)
        for result in tree_leaves(results):
            if isinstance(result, torch.Tensor):
                result.on_host = on_host
                self.ours += not on_host
                self.wide += result.dtype == torch.float64
                if result.dtype == torch.float64 and not on_host:
                    raise TypeError(f"the device has no float64: {function}")
        return results


def on_the_host(tensor):
    return getattr(tensor, "on_host", False)


class _Moves(TorchFunctionMode):
    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        where = (kwargs or {}).get("device")
        self.device.making = not isinstance(where, torch.device)
        result = function(*args, **(kwargs or {}))
        self.device.making = False
        name, named = getattr(function, "__name__", ""), (*args[1:], where)
        if name == "from_numpy":
            result.on_host = True
        elif name == "cpu" or (name == "to" and "cpu" in named):
            result = result.detach().clone()
            result.on_host = True
        elif name == "to" and any(isinstance(each, torch.device) for each in named):
            result = result.clone()
            result.on_host = False
        return result


def test_the_device_that_has_no_float64_is_seen():
    device = torch.device("cpu")
    with WithoutFloat64():
        ours = torch.ones(2, device=device)
        assert ours.cpu().double().mean().item() == 1
        assert torch.full((), 2.0, dtype=torch.float64, device="cpu").sqrt() > 1
        assert torch.tensor([1.0], dtype=torch.float64).to(device, torch.float32).sum() == 1
        for wide in (
            lambda: ours.double(),
            lambda: torch.zeros((), dtype=torch.float64, device=device),
            lambda: torch.ones(2, dtype=torch.float64).to(device).sqrt(),
            lambda: torch.add(ours, torch.ones(2, dtype=torch.float64)),
        ):
            with pytest.raises(TypeError, match="no float64"):
                wide()


def test_a_whole_training_needs_no_float64_on_the_device(tmp_path, images):
    path = write_recipe(tmp_path / "recipe.toml", images, PHASES)
    job = open_job(read_plan(path), start_accelerator("no"))
    with WithoutFloat64() as device:
        assert [*train(job, State())]
    assert device.wide > 0
    assert device.ours > 5_000
