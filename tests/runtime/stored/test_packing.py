"""Nested values with tensors, as safetensors and JSON can hold them."""

import json

import pytest
import torch
from safetensors.torch import load, save

from tlf.runtime.stored.packing import pack, unpack

VALUE = {
    "step": torch.tensor(3.0),
    "momentum": [torch.arange(4.0), None, {"inner": torch.ones(2, 2, dtype=torch.bfloat16)}],
    "betas": (0.9, 0.999, (True, "text")),
    "dtype": torch.bfloat16,
    "count": 3,
    "empty": {},
    "unbounded": [float("inf"), (float("-inf"), 0.5)],
}


def test_a_value_comes_back_from_json_and_safetensors():
    tensors = {}
    text = json.dumps(pack(VALUE, "state", tensors), allow_nan=False)
    assert [*tensors] == ["state/step", "state/momentum/0", "state/momentum/2/inner"]
    found = unpack(json.loads(text), load(save(tensors)))
    assert found.keys() == VALUE.keys()
    assert torch.equal(found["step"], VALUE["step"])
    assert torch.equal(found["momentum"][0], VALUE["momentum"][0])
    assert found["momentum"][1] is None
    inner = found["momentum"][2]["inner"]
    assert torch.equal(inner, torch.ones(2, 2, dtype=torch.bfloat16))
    assert inner.dtype == torch.bfloat16
    for name in ("betas", "dtype", "count", "empty", "unbounded"):
        assert found[name] == VALUE[name]
        assert type(found[name]) is type(VALUE[name])


@pytest.mark.parametrize(
    ("value", "kind"), [(print, "builtin_function_or_method"), ({1}, "set"), (1j, "complex")]
)
def test_a_value_that_cannot_be_stored_is_named_with_its_path(value, kind):
    with pytest.raises(TypeError, match=f"^state/groups/1/odd holds a {kind}, which cannot"):
        pack({"groups": [{}, {"odd": value}]}, "state", {})
