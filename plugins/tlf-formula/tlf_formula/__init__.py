"""Images made by formula, for tlf to pretrain on: no photograph and no label is needed.

Source: after H. Kataoka et al., 2020, Pre-training without Natural Images, arXiv:2101.08515.
"""

from tlf.hookspecs import hookimpl
from tlf_formula.dataset import Formula


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer the images to recipes."""
    return {"images": Formula}
