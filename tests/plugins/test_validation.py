"""What a plugin may offer, and which results of hooks are valid."""

from dataclasses import make_dataclass

import pytest
import torch

from installed_plugins import HEADER, RESULT, Plain, failure
from tlf.components import DATA_KEYS
from tlf.errors import PluginError
from tlf.plugins.loading import load_plugins
from tlf.plugins.validation import fault, result_fault

pytestmark = pytest.mark.usefixtures("one_built_in_head")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    raise OSError('no disk')",
            "tlf_heads failed: OSError: no disk (tlf_test_sick.py, line 12)",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return [Gem]",
            "tlf_heads must return a mapping from kind to class, got a list",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'a:b': Gem}",
            "a kind must be a name without ':', got 'a:b'",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {'': Gem}",
            "a kind must be a name without ':', got ''",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_heads():\n    return {3: Gem}",
            "a kind must be a name without ':', got 3",
        ),
        (HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem()}", "which is a Gem; write"),
        (HEADER + "@hookimpl\ndef tlf_heads():\n    return {'g': dict}", "which is the class dict"),
        (
            HEADER.replace("frozen=True", "frozen=False")
            + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem}",
            "which is not frozen; write @dataclass(frozen=True)",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_freeze_policies():\n    return {'g': Gem}",
            "tlf_freeze_policies offers 'g', which has no method frozen",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_augmentations():\n    return {'g': Gem}",
            "which has no method augment or mix",
        ),
        (
            HEADER + "    augment = mix = build\n@hookimpl\ndef tlf_augmentations():\n"
            "    return {'g': Gem}",
            "has both augment and mix; write a class for each",
        ),
        (
            HEADER + "@hookimpl\ndef tlf_extensions():\n    return {'g': Gem}",
            "tlf_extensions offers 'g', which has no method tlf_run_started or",
        ),
        (
            HEADER.replace("width", "kind") + "@hookimpl\ndef tlf_heads():\n    return {'g': Gem}",
            "has a field 'kind', a key that recipes use otherwise; rename it",
        ),
    ],
)
def test_offers_that_are_no_components(install, source, message):
    install("sick", source)
    error = failure("sick")
    assert error.startswith("plugin 'sick' (tlf-sick 1.2): ")
    assert message in error
    assert "\n" not in error


@pytest.mark.parametrize("key", DATA_KEYS)
def test_a_dataset_has_no_option_of_the_name_of_an_engine_key(key):
    dataset = make_dataclass("Web", [(key, str, "")], frozen=True, namespace={"build": None})
    dataset.build = lambda self: self
    message = f"has a field {key!r}, a key that recipes use otherwise; rename it"
    assert fault("tlf_datasets", dataset) == message


@pytest.mark.parametrize(
    ("hook", "result", "message"),
    [
        ("tlf_select_best(history)", "3", "the result must be an epoch from 0 to 2, got 3"),
        ("tlf_select_best(history)", "-1", "the result must be an epoch from 0 to 2, got -1"),
        ("tlf_select_best(history)", "True", "the result must be an epoch from 0 to 2, got True"),
        ("tlf_select_best(history)", "0.5", "the result must be an epoch from 0 to 2, got 0.5"),
        (
            "tlf_training_step(model, images)",
            "1.5",
            "the result must be a loss, a single number, got a float",
        ),
        (
            "tlf_training_step(model, images)",
            "images",
            "the result must be a loss, a single number, got a Tensor of shape (2,)",
        ),
        (
            "tlf_training_step(model, images)",
            "images.mean()",
            "the result must be a loss with a graph, got one that has no gradient",
        ),
    ],
)
def test_invalid_results_name_their_plugin(install, hook, result, message):
    install("loud", HEADER + f"@hookimpl\ndef {hook}:\n    return {result}")
    call = getattr(load_plugins(["loud"]).hook, hook.partition("(")[0])
    step = {"model": None, "images": torch.zeros(2), "labels": None, "loss": None}
    with pytest.raises(PluginError, match=r"^plugin 'loud' \(tlf-loud 1.2\) failed in tlf_") as e:
        call(**({"history": [RESULT] * 3} if "history" in hook else step))
    assert message in str(e.value)


def test_valid_results_pass(install):
    install("calm", HEADER + "@hookimpl\ndef tlf_training_step(images):\n    return images.sum()")
    step = {"model": None, "images": torch.ones(2, requires_grad=True), "labels": 0, "loss": 0}
    assert load_plugins(["calm"]).hook.tlf_training_step(**step) == 2


def test_a_class_with_its_method_is_a_component():
    assert fault("tlf_heads", Plain) is None
    assert fault("tlf_schedulers", Plain) == "has no method factor"


@pytest.mark.parametrize("hook", ["tlf_select_best", "tlf_training_step", "tlf_epoch_ended"])
def test_none_leaves_the_decision_to_others(hook):
    assert result_fault(hook, None, {}) is None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("macro F1", "a kind must be small letters, digits and hyphens, a letter first, got"),
        ("1-error", "a kind must be small letters, digits and hyphens, a letter first, got"),
        ("top1", "a kind must be another than those that every run has, got 'top1'"),
        ("loss", "a kind must be another than those that every run has, got 'loss'"),
        ("mine", "offers 'mine', which has None as its title, of 1 to 20 letters; write title ="),
    ],
)
def test_the_kind_and_the_class_of_a_metric_say_how_it_is_read(install, kind, message):
    cls = "@dataclass(frozen=True)\nclass Mine:\n    def measure(self, p, y):\n        return 0\n"
    hook = f"@hookimpl\ndef tlf_metrics():\n    return {{{kind!r}: Mine}}"
    install("gauge", f"from dataclasses import dataclass\n{HEADER}{cls}{hook}")
    with pytest.raises(PluginError) as caught:
        load_plugins(["gauge"])
    assert message in str(caught.value)
