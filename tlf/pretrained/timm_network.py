"""Build a network of timm with weights: those of a file as they are, others as timm converts them.

timm resizes position tables to the size of the images, and adapts the weights of colours to other
channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings

from tlf.errors import WeightsError
from tlf.pretrained.names import listed, match
from tlf.pretrained.published import check_timm_options, timm_classifiers
from tlf.pretrained.sizes import one_size, reshaped, timm_sized
from tlf.pretrained.stem import COLOURS, adapted, stem_note
from tlf.pretrained.weights import StoredWeights, fit, needed, not_finite, other_number, vacated

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class TimmNetwork:
    """A network of timm that is about to be built."""

    architecture: str
    config: Any
    """timm's description of its weights."""
    size: int
    """Side of its images in pixels."""
    options: Mapping[str, Any]
    """Further options of the network, as timm calls them; ``in_chans`` is one."""

    def random(self) -> "nn.Module":
        """The network with random weights, without classifier."""
        return self._created(self.config, {"num_classes": 0})

    def with_file(
        self, stored: StoredWeights, key: str = ""
    ) -> tuple["nn.Module", tuple[str, ...]]:
        """The network with a file's weights, as they are or else as timm converts them, and notes.

        Raises:
            WeightsError: they do not fit, or nothing is stored under the key.
        """
        from tlf.pretrained.skip_init import Unfilled

        with Unfilled():
            module = self.random()
        names = timm_classifiers(self.config)
        ignored = [vacated(module, name) for name in names]
        found = match(stored.groups, needed(module, ignored), key)
        try:
            given, notes = self._adapted(module, found.tensors)
            fit(module, given, ignored)
        except WeightsError as misfit:
            rows = [found.tensors.get(f"{name}.weight") for name in names[:1]]
            classes = next((len(tensor) for tensor in rows if tensor is not None), 0)
            config = replace(self.config, num_classes=classes, label_offset=0)
            try:
                module, notes = replace(self, config=config).converted(found.tensors)
            except Exception:  # of tensors that are not its own, timm may raise anything
                raise WeightsError(f"{misfit}{self._size_hint}") from misfit
        return module, (*found.notes, *notes)

    def converted(self, tensors: "Mapping[str, Tensor]") -> tuple["nn.Module", tuple[str, ...]]:
        """The network with weights that timm itself converts and loads, and notes about them.

        Raises:
            WeightsError: they do not fit.
        """
        # timm is strict only where the network has as many classes as the weights.
        config = replace(self.config, state_dict=dict(tensors))
        try:
            with catch_warnings(action="ignore"):  # of how timm computes, which nobody can change
                module = self._created(config, {"pretrained": True})
        except RuntimeError as error:
            # torch lists every tensor, which may be hundreds.
            reason = str(error) if len(str(error)) < 600 else f"{str(error)[:600]} …"
            raise WeightsError(
                f"the weights do not fit {self.architecture}: {reason}{self._size_hint}"
            ) from error
        module.pretrained_cfg.pop("state_dict")  # type: ignore[operator,union-attr]
        if hasattr(module, "reset_classifier"):
            module.reset_classifier(0)  # type: ignore[operator]
        own = module.state_dict()
        # torch loads any kind of number into any other, and drops what is imaginary.
        misfits = [m for n in own if n in tensors and (m := other_number(n, own[n], tensors[n]))]
        for problem in [*listed("of another type", misfits), *not_finite(own)]:
            raise WeightsError(f"the weights do not fit {self.architecture}: {problem}")
        stem = self._stem(own, tensors)
        rest = {name: tensor for name, tensor in tensors.items() if name not in stem}
        how = f"for images of {self.size} pixels, as timm does it"
        return module, (*reshaped(rest, own, how), *map(self._note, stem))

    def _adapted(
        self, module: "nn.Module", tensors: "Mapping[str, Tensor]"
    ) -> tuple[dict[str, "Tensor"], tuple[str, ...]]:
        """The tensors with the first convolution adapted to the images, and a note about it."""
        stem = self._stem(module.state_dict(), tensors)
        changed = {name: adapted(tensors[name], self._channels) for name in stem}
        return {**tensors, **changed}, tuple(map(self._note, stem))

    def _stem(self, own: "Mapping[str, Tensor]", given: "Mapping[str, Tensor]") -> list[str]:
        """Kernels that images come to, where those of a file are for colour and these are not."""
        first = self.config.first_conv or ()
        names = [f"{name}.weight" for name in ([first] if isinstance(first, str) else first)]
        there = [name for name in names if name in given and name in own]
        channels = (COLOURS,), (self._channels,)
        return [
            name
            for name in there
            if channels[0] != channels[1]
            and (given[name].shape[1:2], own[name].shape[1:2]) == channels
        ]

    @property
    def _channels(self) -> int:
        return int(self.options.get("in_chans", COLOURS))

    def _note(self, name: str) -> str:
        return stem_note(name, self._channels)

    @property
    def _size_hint(self) -> str:
        """What may be the reason, where the network was built for images of another size."""
        if not timm_sized(self.config, self.size):
            return ""
        return (
            f"; timm cannot resize the weights of every network, here to {self.size} pixels: leave "
            "transforms.size out"
        )

    def _created(self, config: Any, more: Mapping[str, Any]) -> "nn.Module":  # noqa: ANN401
        import timm

        check_timm_options(self.options)
        size = timm_sized(config, self.size)
        options = {**self.options, **size, **more}
        try:
            module: nn.Module = timm.create_model(
                self.architecture, pretrained_cfg=config, **options
            )
        except TypeError as error:
            if "drop_path_rate" in options and "drop_path_rate" in str(error):
                raise ValueError(f"{self.architecture} has no drop_path; leave it out") from error
            raise
        except AssertionError as error:
            raise ValueError(one_size(self.size, error)) from error
        return module
