"""Errors that name what broke: a component, and the plugin that offers it or implements a hook."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from tlf import hookspecs
from tlf.components import Augmentation, BatchAugmentation, Offer, Plugin
from tlf.errors import PluginError, TlfError
from tlf.plugins.tracebacks import place, reason
from tlf.plugins.validation import result_fault, version

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def blame(offer: Offer, verb: str) -> Iterator[None]:
    """Name the component, and the plugin that offers it, in an error raised inside the context.

    Parameters:
        offer: the component.
        verb: the method that is called.

    Raises:
        PluginError: a component raised a ValueError, or a third party's raised anything.
    """
    who, module = f"{offer.kind!r} ({version(offer.plugin)})", offer.component.__module__
    try:
        yield
    except TlfError:
        raise
    except ValueError as error:
        where = "" if offer.plugin.name == "tlf" else place(error, module)
        raise PluginError(f"{who}: {error}{where}") from error
    except Exception as error:
        if offer.plugin.name == "tlf":
            raise  # a bug of tlf keeps its traceback
        raise PluginError(f"{who} failed in {verb}: {reason(error, module)}") from error


def blaming_manager(loaded: Mapping[str, Plugin]) -> pluggy.PluginManager:
    """A hook manager that names which of the ``loaded`` plugins broke; pluggy does not.

    Parameters:
        loaded: name → plugin; plugins may be added later.
    """
    manager = pluggy.PluginManager("tlf")
    manager.add_hookspecs(hookspecs)
    manager.add_hookcall_monitoring(lambda *_: None, partial(_attribute, loaded))
    return manager


def _attribute(
    loaded: Mapping[str, Plugin],
    outcome: pluggy.Result[Any],
    hook: str,
    implementations: Sequence[pluggy.HookImpl],
    arguments: Mapping[str, object],
) -> None:
    error = outcome.exception
    if error is None:
        fault = result_fault(hook, outcome.get_result(), arguments)
        error = TypeError(fault) if fault else None
    if not isinstance(error, Exception) or isinstance(error, (TlfError, pluggy.HookCallError)):
        return
    suspects = [item for item in implementations if _raised_in(item, error)] or implementations
    # Extensions are registered under "PLUGIN:KIND:NUMBER".
    names = [item.plugin_name.partition(":")[0] for item in suspects]
    plugins = [loaded[name] for name in names if name in loaded]
    if not plugins:
        return  # a bug of tlf keeps its traceback
    who = " or ".join(f"{plugin.name!r} ({version(plugin)})" for plugin in plugins)
    module = inspect.unwrap(suspects[0].function).__module__
    blamed = PluginError(f"plugin {who} failed in {hook}: {reason(error, module)}")
    blamed.__cause__ = error
    outcome.force_exception(blamed)


def _raised_in(implementation: pluggy.HookImpl, error: Exception) -> bool:
    # Several plugins may share a decorator: only the innermost function is the plugin's own.
    code = getattr(inspect.unwrap(implementation.function), "__code__", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False


def attributed(
    augmentation: Augmentation | BatchAugmentation, offer: Offer
) -> Augmentation | BatchAugmentation:
    """The same augmentation, whose errors name it and its plugin."""
    if offer.plugin.name == "tlf":
        return augmentation
    if isinstance(augmentation, Augmentation):
        return _Single(augmentation, offer)
    return _Mixing(augmentation, offer)


def original(augmentation: Augmentation | BatchAugmentation) -> Augmentation | BatchAugmentation:
    """The component of the recipe inside an ``attributed`` one."""
    wrapped = isinstance(augmentation, _Single | _Mixing)
    return augmentation.augmentation if wrapped else augmentation  # type: ignore[union-attr]


@dataclass(frozen=True)
class _Single:
    augmentation: Augmentation
    offer: Offer

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """A uint8 image (C, H, W) → a uint8 image of as many channels."""
        with blame(self.offer, "augment"):
            changed = self.augmentation.augment(image, size)
            if changed.dtype != image.dtype or changed.shape[:-2] != image.shape[:-2]:
                raise ValueError(
                    f"augment must return {image.dtype} of {image.shape[0]} channels (C, H, W), "
                    f"got {changed.dtype} {tuple(changed.shape)}"
                )
            if getattr(self.augmentation, "crops", False) and changed.shape[-2:] != (size, size):
                raise ValueError(
                    f"augment must return {size} × {size} pixels where crops = True, "
                    f"got {tuple(changed.shape)}"
                )
            return changed


@dataclass(frozen=True)
class _Mixing:
    augmentation: BatchAugmentation
    offer: Offer

    def mix(self, images: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Images (B, C, H, W) and class probabilities (B, K) → the same shapes, mixed."""
        with blame(self.offer, "mix"):
            mixed, blended = self.augmentation.mix(images, targets)
            if mixed.shape != images.shape or blended.shape != targets.shape:
                raise ValueError(
                    f"mix must return the shapes {tuple(images.shape)} and {tuple(targets.shape)}, "
                    f"got {tuple(mixed.shape)} and {tuple(blended.shape)}"
                )
            return mixed, blended
