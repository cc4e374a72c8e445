"""Datasets of the Hugging Face hub, and local files in its formats."""

from tlf.builtin.hub.dataset import Hub
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer datasets of the Hugging Face hub."""
    return {"hub": Hub}
