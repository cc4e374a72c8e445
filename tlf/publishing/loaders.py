"""Whether the library of a backbone loads a run's model with its own loader."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from tlf.exports.own_network import colour_only, own_network
from tlf.inference.metadata import read_metadata
from tlf.pretrained.own_classifiers import rearranged, unlike

LIBRARIES = ("timm", "torchvision")
"""They have loaders of their own."""


@dataclass(frozen=True)
class OwnLoader:
    """Whether a library loads model.safetensors as it is."""

    reason: str = ""
    """Why not; empty if it does."""

    @property
    def fits(self) -> bool:
        """Whether it does."""
        return not self.reason


def own_loader(run: Path) -> OwnLoader:
    """Whether timm or torchvision loads the model of a run, by trying it.

    Raises:
        RunError: the run has no model.
        WeightsError: it is damaged.
    """
    path = run / "model.safetensors"
    metadata = read_metadata(path)
    if metadata.backbone["kind"] not in LIBRARIES:
        return OwnLoader("its backbone is no network of timm or torchvision")
    if metadata.head["kind"] != "linear" or not metadata.head.get("bias", True):
        return OwnLoader("its head is no linear layer with a bias")
    network = own_network(metadata)
    if reason := rearranged(network) or unlike(network) or colour_only(metadata):
        return OwnLoader(reason)
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError:  # it lists every tensor, and a plugin may have added some
        return OwnLoader("its tensors are not those of the library's own network")
    return OwnLoader()
