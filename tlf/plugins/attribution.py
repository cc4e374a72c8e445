"""Errors that name what broke: a component, and the plugin that offers it or implements a hook."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from tlf import hookspecs
from tlf.catalogue import Offer, Plugin
from tlf.components import Augmentation, BatchAugmentation, Stamp, Transform
from tlf.errors import DataError, PluginError, TlfError
from tlf.plugins.returned import checked_image, checked_mix
from tlf.plugins.tracebacks import definition, message, packages, place, reason
from tlf.plugins.validation import kind_of, result_fault, version

if TYPE_CHECKING:
    from torch import Tensor


_PASSING = (KeyboardInterrupt, GeneratorExit)
"""What ends a program or a generator: no plugin is at fault."""


@contextmanager
def blame(offer: Offer, verb: str, function: object = None) -> Iterator[None]:
    """Name the component, and the plugin that offers it, in an error raised inside the context.

    Parameters:
        offer: the component.
        verb: the method that is called.
        function: what is called, if it is not that method of the component.

    Raises:
        PluginError: a component raised a ValueError, or a third party's raised anything.
    """
    who, module = f"{offer.kind!r} ({version(offer.plugin)})", offer.component.__module__
    own = offer.plugin.name == "tlf"
    try:
        yield
    except (TlfError, MemoryError, *_PASSING):
        raise
    except ValueError as error:
        written = definition(function or getattr(offer.component, verb, None))
        where = "" if own else place(error, module) or written
        raise PluginError(f"{who}: {message(error)}{where}") from error
    except BaseException as error:
        if own or _is_about_memory(error):
            raise  # a bug of tlf keeps its traceback
        raise PluginError(f"{who} failed in {verb}: {reason(error, module)}") from error


@contextmanager
def blame_packages(owners: Mapping[str, Sequence[Plugin]]) -> Iterator[None]:
    """Name the plugin whose code raised what is neither an error of tlf nor one about memory.

    For code that torch calls: the network of a backbone, a loss, the step of an optimizer.

    Parameters:
        owners: package → the plugins in it.

    Raises:
        PluginError: names the plugin, and the line.
    """
    try:
        yield
    except (TlfError, MemoryError, *_PASSING):
        raise
    except BaseException as error:
        package = next((name for name in packages(error) if name in owners), None)
        if package is None or _is_about_memory(error):
            raise
        who = _who(owners[package])
        raise PluginError(f"plugin {who} failed in training: {reason(error, package)}") from error


def _who(plugins: Iterable[Plugin]) -> str:
    return " or ".join(f"{plugin.name!r} ({version(plugin)})" for plugin in plugins)


def _is_about_memory(error: BaseException) -> bool:
    """Whether a plugin asked for more memory than there is, which is no bug of it."""
    text = message(error).lower()
    return any(phrase in text for phrase in ("out of memory", "allocate memory"))


@dataclass(frozen=True)
class AttributedRead:
    """Reads an image of a plugin's dataset. Its errors name the plugin. Picklable."""

    read: Callable[[int], bytes]
    offer: Offer
    origin: str = ""
    """The dataset with its options: names of images mean the same in it only."""

    def __call__(self, index: int) -> bytes:
        """The bytes of an image file.

        Raises:
            DataError, OSError: the image cannot be read.
            PluginError: the dataset broke.
        """
        with blame(self.offer, "read", self.read):
            try:
                data = self.read(index)
            except OSError as error:
                raise DataError(error.strerror or str(error)) from error
            if not isinstance(data, bytes):
                raise ValueError(f"read must return bytes, got {kind_of(data)}")
            return data

    def stamp(self, index: int) -> Stamp | None:
        """What the file system says about one image, if the dataset knows it."""
        found: Stamp | None = self._known("stamp", index)
        return found

    def digest(self, index: int) -> bytes | None:
        """The SHA-256 of one image, if the dataset knows it without reading."""
        found: bytes | None = self._known("digest", index)
        return found

    def size(self, index: int) -> int | None:
        """The bytes of one image, if the dataset knows their number without reading."""
        found: int | None = self._known("size", index)
        return found

    def _known(self, verb: str, index: int) -> Any:  # noqa: ANN401 - see Split.read
        """What an optional method of ``Split.read`` says; None where there is none.

        Raises:
            PluginError: it says something else.
        """
        method = getattr(self.read, verb, None)
        if method is None:
            return None
        must, fits = _KNOWN[verb]
        with blame(self.offer, verb, method):
            try:
                found = method(index)
            except OSError:  # it is reported where the image is read
                return None
            if found is not None and not fits(found):
                raise ValueError(f"{verb} must return {must}, or None, got {found!r:.100}")
            return found


_KNOWN: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "stamp": (
        "five whole numbers, as Stamp has them",
        lambda found: isinstance(found, tuple) and [*map(type, found)] == [int] * 5,
    ),
    "digest": ("32 bytes", lambda found: isinstance(found, bytes) and len(found) == 32),
    "size": ("a whole number of bytes", lambda found: type(found) is int and found >= 0),
}
"""Optional method of ``Split.read`` → what it must return, and whether something is that."""


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
    passing = (TlfError, MemoryError, pluggy.HookCallError, *_PASSING)
    if error is None or isinstance(error, passing) or _is_about_memory(error):
        return
    suspects = [item for item in implementations if _raised_in(item, error)] or implementations
    # Extensions are registered under "PLUGIN:KIND:NUMBER".
    names = [item.plugin_name.partition(":")[0] for item in suspects]
    plugins = [loaded[name] for name in names if name in loaded]
    if not plugins:
        return  # a bug of tlf keeps its traceback
    function = inspect.unwrap(suspects[0].function)
    raised = error.__traceback__ is not None
    why = reason(error, function.__module__) + ("" if raised else definition(function))
    blamed = PluginError(f"plugin {_who(plugins)} failed in {hook}: {why}")
    blamed.__cause__ = error
    outcome.force_exception(blamed)


def _raised_in(implementation: pluggy.HookImpl, error: BaseException) -> bool:
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
class AttributedTransform:
    """A transform whose errors name it and its plugin. Picklable."""

    transform: Transform
    offer: Offer

    def __call__(self, image: "Tensor") -> "Tensor":
        """A uint8 image (C, H, W) → a uint8 image of as many channels."""
        with blame(self.offer, "transform"):
            return checked_image(self.transform.transform(image), image, "transform")


@dataclass(frozen=True)
class _Single:
    augmentation: Augmentation
    offer: Offer

    def augment(self, image: "Tensor", size: int) -> "Tensor":
        """A uint8 image (C, H, W) → a uint8 image of as many channels."""
        with blame(self.offer, "augment"):
            changed = checked_image(self.augmentation.augment(image, size), image)
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
            return checked_mix(self.augmentation.mix(images, targets), images, targets)
