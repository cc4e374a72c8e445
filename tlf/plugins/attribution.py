"""Names what broke: the component, and the plugin behind it or behind a hook."""

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
from tlf.plugins.validation import version, wrong_answer

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def blame(offer: Offer, verb: str) -> Iterator[None]:
    """Name the component, and the plugin behind it, if what happens inside breaks.

    Raises:
        PluginError: a component refused its options or its surroundings, or a third party's broke.
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
            raise  # a fault of tlf's own keeps its traceback
        raise PluginError(f"{who} failed in {verb}: {reason(error, module)}") from error


def blaming_manager(loaded: Mapping[str, Plugin]) -> pluggy.PluginManager:
    """A manager of hooks that names which of the ``loaded`` plugins broke; pluggy does not.

    Parameters:
        loaded: name → plugin; plugins that are added to it later are known too.
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
        wrong = wrong_answer(hook, outcome.get_result(), arguments)
        error = TypeError(wrong) if wrong else None
    if not isinstance(error, Exception) or isinstance(error, (TlfError, pluggy.HookCallError)):
        return
    guilty = [item for item in implementations if _raised_in(item, error)] or implementations
    # An extension is registered under its kind.
    names = [item.plugin_name.partition(":")[0] for item in guilty]
    third = [loaded[name] for name in names if name in loaded]
    if not third:
        return  # a fault of tlf's own keeps its traceback
    who = " or ".join(f"{plugin.name!r} ({version(plugin)})" for plugin in third)
    module = inspect.unwrap(guilty[0].function).__module__
    blamed = PluginError(f"plugin {who} failed in {hook}: {reason(error, module)}")
    blamed.__cause__ = error
    outcome.force_exception(blamed)


def _raised_in(implementation: pluggy.HookImpl, error: Exception) -> bool:
    # The innermost function is the plugin's own; a decorator may be shared by several plugins.
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
    """The same augmentation, which names itself if it breaks."""
    if offer.plugin.name == "tlf":
        return augmentation
    if isinstance(augmentation, Augmentation):
        return _Single(augmentation, offer)
    return _Mixing(augmentation, offer)


def original(augmentation: Augmentation | BatchAugmentation) -> Augmentation | BatchAugmentation:
    """The component as the recipe has it."""
    known = isinstance(augmentation, _Single | _Mixing)
    return augmentation.augmentation if known else augmentation  # type: ignore[union-attr]


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
                    f"augment gave {changed.dtype} {tuple(changed.shape)}; an image stays "
                    f"{image.dtype} of {image.shape[0]} channels (C, H, W)"
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
                    f"mix gave {tuple(mixed.shape)} and {tuple(blended.shape)}; shapes stay "
                    f"{tuple(images.shape)} and {tuple(targets.shape)}"
                )
            return mixed, blended
