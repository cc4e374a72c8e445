"""The error of a component or of a hook names the plugin."""

from dataclasses import dataclass

import pytest
import torch

from installed_plugins import HEADER, RESULT, Plain
from tlf.catalogue import Offer, Plugin
from tlf.components import Augmentation, BatchAugmentation
from tlf.errors import DataError, PluginError, RecipeError
from tlf.plugins.attribution import (
    AttributedRead,
    attributed,
    blame,
    blame_packages,
    original,
)
from tlf.plugins.loading import load_plugins

IMAGE = torch.zeros(3, 6, 8, dtype=torch.uint8)


@dataclass(frozen=True)
class Image:
    gives: object

    def augment(self, image, size):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@dataclass(frozen=True)
class Batch:
    gives: object

    def mix(self, images, targets):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


def offered(component, plugin="pool"):
    distribution = "tlf" if plugin == "tlf" else f"tlf-{plugin}"
    kind = type(component).__name__.lower()
    offer = Offer("tlf_augmentations", kind, type(component), Plugin(plugin, distribution, "1.2"))
    return attributed(component, offer)


def test_built_in_augmentations_are_not_wrapped():
    assert offered(own := Image(IMAGE), "tlf") is own


def test_a_wrapped_augmentation_has_the_same_protocol():
    assert isinstance(offered(Image(IMAGE)), Augmentation)
    assert not isinstance(offered(Image(IMAGE)), BatchAugmentation)
    assert isinstance(offered(Batch(0)), BatchAugmentation)
    assert offered(Image(IMAGE)).augment(IMAGE, 4) is IMAGE


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (KeyError("x"), "failed in augment: KeyError: 'x'"),
        (ValueError("too dark"), ": too dark"),
        (
            IMAGE.float(),
            "augment must return torch.uint8 of 3 channels (C, H, W), got torch.float32 (3, 6, 8)",
        ),
        (
            IMAGE[:1],
            "augment must return torch.uint8 of 3 channels (C, H, W), got torch.uint8 (1, 6, 8)",
        ),
        (None, "(C, H, W), got None (test_attribution.py, line"),
        (torch.zeros(3, 0, 4, dtype=torch.uint8), "augment must return an image with pixels"),
    ],
)
def test_faults_of_augment_name_the_plugin(gives, message):
    with pytest.raises(PluginError, match=r"^'image' \(tlf-pool 1.2\)") as caught:
        offered(Image(gives)).augment(IMAGE, 4)
    assert message in str(caught.value)


class Crop(Image):
    crops = True


def test_an_augmentation_that_crops_gives_the_size():
    cropped = torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert offered(Crop(cropped)).augment(IMAGE, 4) is cropped
    message = r"augment must return 4 × 4 pixels where crops = True, got \(3, 6, 8\)"
    with pytest.raises(PluginError, match=message):
        offered(Crop(IMAGE)).augment(IMAGE, 4)


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (IndexError("x"), "failed in mix: IndexError: x"),
        (
            (torch.zeros(1), torch.zeros(2, 2)),
            "mix must return the shapes (2, 3) and (2, 2), got (1,) and (2, 2)",
        ),
        (3, "(2, 3) and (2, 2), got an int (test_attribution.py, line"),
        ((torch.zeros(2, 3).half(), torch.zeros(2, 2)), "mix must return torch.float32 and"),
    ],
)
def test_faults_of_mix_name_the_plugin(gives, message):
    with pytest.raises(PluginError, match=r"^'batch' \(tlf-pool 1.2\)") as caught:
        offered(Batch(gives)).mix(torch.zeros(2, 3), torch.zeros(2, 2))
    assert message in str(caught.value)


def test_the_errors_of_tlf_pass_augmentations_unchanged():
    with pytest.raises(DataError, match=r"^unreadable$"):
        offered(Image(DataError("unreadable"))).augment(IMAGE, 4)


def test_the_component_of_the_recipe_can_be_unwrapped():
    component = Image(IMAGE)
    assert original(offered(component)) is component
    assert original(component) is component


@pytest.mark.usefixtures("one_built_in_head")
def test_a_hook_that_fails_in_a_run_names_its_plugin(install):
    event = HEADER + "@hookimpl\ndef tlf_epoch_ended(result):\n    "
    install("calm", event + "pass")
    install("loud", event + "raise ValueError(f'no {result.phase}')")
    with pytest.raises(PluginError) as caught:
        load_plugins(["calm", "loud"]).hook.tlf_epoch_ended(result=RESULT)
    expected = "plugin 'loud' (tlf-loud 1.2) failed in tlf_epoch_ended: ValueError: no head"
    assert str(caught.value) == f"{expected} (tlf_test_loud.py, line 12)"
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.usefixtures("one_built_in_head")
def test_blame_falls_on_the_right_one_behind_a_shared_decorator(install):
    decorated = """
import contextlib
@contextlib.contextmanager
def shared():
    yield
@hookimpl
@shared()
def tlf_epoch_ended(result):
    """
    install("loud", HEADER + decorated + "raise ValueError('x')")
    install("calm", HEADER + decorated + "pass")
    with pytest.raises(PluginError, match=r"^plugin 'loud' \(tlf-loud 1.2\) failed in"):
        load_plugins(["loud", "calm"]).hook.tlf_epoch_ended(result=RESULT)


@pytest.mark.usefixtures("one_built_in_head")
def test_the_errors_of_tlf_pass_hooks_unchanged(install):
    source = "\nfrom tlf.errors import DataError\n@hookimpl\ndef tlf_epoch_ended(result):\n    "
    install("careful", HEADER + source + "raise DataError('no images')")
    with pytest.raises(DataError, match=r"^no images$"):
        load_plugins(["careful"]).hook.tlf_epoch_ended(result=RESULT)


OWN = Offer("tlf_heads", "plain", Plain, Plugin("tlf", "tlf", "0.1"))


THIRD = Offer("tlf_heads", "pool:gem", Plain, Plugin("pool", "tlf-pool", "1.2"))


@pytest.mark.parametrize(
    ("offer", "error", "message"),
    [
        (OWN, ValueError("no stage 'x'"), "'plain' (tlf 0.1): no stage 'x'"),
        (THIRD, ValueError("no stage 'x'"), "'pool:gem' (tlf-pool 1.2): no stage 'x'{}"),
        (THIRD, KeyError("x"), "'pool:gem' (tlf-pool 1.2) failed in build: KeyError: 'x'{}"),
    ],
)
def test_blame_names_the_component_and_the_line_of_a_third_partys(offer, error, message):
    with pytest.raises(PluginError) as caught, blame(offer, "build"):
        raise error
    line = error.__traceback__.tb_next.tb_lineno
    assert str(caught.value) == message.format(f" (test_attribution.py, line {line})")
    assert caught.value.__cause__ is error


def test_blame_passes_errors_of_tlf_and_bugs_of_built_in_components():
    with pytest.raises(RecipeError), blame(THIRD, "build"):
        raise RecipeError(["seed: x"])
    with pytest.raises(KeyError), blame(OWN, "build"):
        raise KeyError("a fault of tlf's own keeps its traceback")


def raising(error):
    def read(index):
        if isinstance(error, BaseException):
            raise error
        return error

    return AttributedRead(read, THIRD)


def test_reading_an_image_names_the_plugin():
    assert raising(b"bytes")(0) == b"bytes"
    place = r" \(test_attribution.py, line \d+\)$"
    with pytest.raises(PluginError, match=r"^'pool:gem' .* failed in read: KeyError: 3" + place):
        raising(KeyError(3))(0)
    with pytest.raises(PluginError, match=r"read must return bytes, got a str" + place):
        raising("text")(0)
    for unreadable in (OSError(5, "disk fault"), DataError("disk fault")):
        with pytest.raises(DataError, match=r"^disk fault$"):
            raising(unreadable)(0)


class Known:
    """Reads images that it knows something of."""

    def __init__(self, found):
        self.found = found

    def __call__(self, index): ...

    def digest(self, index):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    stamp = size = digest


def test_what_a_dataset_knows_of_an_image_passes():
    plain = raising(b"bytes")
    assert (plain.stamp(0), plain.digest(0), plain.size(0)) == (None, None, None)
    of = {"digest": bytes(32), "stamp": (1, 2, 3, 4, 5), "size": 7}
    for verb, found in of.items():
        assert getattr(AttributedRead(Known(found), THIRD), verb)(0) == found
        assert getattr(AttributedRead(Known(OSError(2, "gone")), THIRD), verb)(0) is None
        with pytest.raises(PluginError, match=rf"^'pool:gem' .*{verb} must return .* got 'x'"):
            getattr(AttributedRead(Known("x"), THIRD), verb)(0)


def test_what_ends_a_program_is_a_failure_but_for_ctrl_c():
    with pytest.raises(PluginError, match=r"failed in build: SystemExit: 7"), blame(THIRD, "build"):
        raise SystemExit(7)
    with pytest.raises(KeyboardInterrupt), blame(THIRD, "build"):
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError, match="out of memory"), blame(THIRD, "build"):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_code_that_torch_calls_is_blamed_by_its_package():
    owners = {__name__.partition(".")[0]: [THIRD.plugin]}
    message = r"^plugin 'pool' \(tlf-pool 1.2\) failed in training: KeyError: 'x' \(test_attribut"
    with pytest.raises(PluginError, match=message), blame_packages(owners):
        raise KeyError("x")
    for passing in (
        DataError("x"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        with pytest.raises(type(passing)) as caught, blame_packages(owners):
            raise passing
        assert caught.value is passing
    with pytest.raises(KeyError), blame_packages({"another": [THIRD.plugin]}):
        raise KeyError("x")


class Indexed:
    """Reads images whose digests are known."""

    def __call__(self, index):
        return b"image"

    def digest(self, index):
        return {0: b"\1" * 32}[index]

    def stamp(self, index):
        raise FileNotFoundError(2, "No such file")


def test_what_a_dataset_knows_of_an_image_is_asked_for():
    read = AttributedRead(Indexed(), THIRD)
    assert (read.digest(0), read.stamp(0), read.size(0)) == (b"\1" * 32, None, None)
    with pytest.raises(PluginError, match=r"^'pool:gem' .* failed in digest: KeyError: 1"):
        read.digest(1)
    assert raising(b"bytes").digest(0) is None
