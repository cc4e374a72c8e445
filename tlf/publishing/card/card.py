"""Write the model card of a run: README.md, as the hub shows it."""

import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.metrics.multi_label.figures import MultiLabelEvaluation
from tlf.metrics.text import percent
from tlf.publishing.card import figures, images, training
from tlf.publishing.card.caveats import caveats
from tlf.publishing.card.markdown import Safe, block, code, render, table
from tlf.publishing.card.metadata import card_data
from tlf.publishing.card.usage import Place, usage
from tlf.publishing.facts import Facts, read_facts
from tlf.publishing.licences import UnknownLicenceWarning
from tlf.publishing.loaders import own_loader
from tlf.publishing.private import public_recipe
from tlf.runtime.files import absolute, check_free, write_whole, writing

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

FILE = "README.md"
"""The hub's name for a card."""

MOST_NAMED = 30
"""So many classes are named at the start of a card."""


def write_card(
    run: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    licence: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the model card of a run: what ``tlf export RUN --to card`` writes. Returns its path.

    Nothing is asked of the network.

    Parameters:
        run: the folder of the run.
        output: the file, or a folder for it; by default ``exports`` in the run's folder.
        licence: of the model, as the hub writes it; by default that of the pretrained weights, as
            far as it is known.
        overwrite: replace the file if it exists.

    Raises:
        RunError: the folder holds no run that has ended, or the file exists.
        DataError: its predictions are damaged.
        WeightsError: its model is damaged.
        UnwritableError: the file cannot be written.

    Warns:
        UnknownLicenceWarning: nobody says what the licence is. The card is written.
    """
    folder = absolute(run)
    path = _place(folder, output)
    check_free(path, overwrite=overwrite)
    facts = read_facts(folder, licence)
    card = make_card(facts, Place(own_loader=own_loader(folder).fits))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, str(card))
    if licence is None and not facts.licence.known:
        warnings.warn(
            f"the card says that the licence is not known. {facts.licence.reason.rstrip('.')}; "
            "--licence NAME states it: write --licence apache-2.0 --overwrite",
            UnknownLicenceWarning,
            stacklevel=2,
        )
    return path


def make_card(facts: Facts, place: Place) -> "ModelCard":
    """The card of a run. ``place``: where its files are."""
    from huggingface_hub import ModelCard

    text = render("card.md.jinja", **_about(facts), **_shown(facts), **usage(facts, place))
    return ModelCard(f"---\n{card_data(facts, place).to_yaml()}\n---\n\n{text}\n")


def _place(folder: Path, output: str | PathLike[str] | None) -> Path:
    if output is None:
        return folder / "exports" / FILE
    path = absolute(output)
    return path / FILE if path.is_dir() or not path.suffix else path


def _about(facts: Facts) -> dict[str, Any]:
    """Values of the templates."""
    metadata, evaluation = facts.metadata, facts.report.evaluation
    return {
        "name": facts.name,
        "version": metadata.tlf,
        "multi_label": isinstance(evaluation, MultiLabelEvaluation),
        "classes": metadata.classes,
        "most": MOST_NAMED,
        "size": metadata.preprocessing.size,
        "channels": metadata.preprocessing.channels,
        "preprocessing": metadata.preprocessing,
        "backbone": {"kind": "", "model": "", **metadata.backbone, "weights": facts.weights},
        "head": metadata.head,
        "features": metadata.num_features,
        "licence": facts.licence,
        "images": evaluation.images,
        "evaluation": evaluation,
        "tested": facts.tested,
        "looks": facts.looks,
        "test_images": facts.provenance.get("images", {}).get("test", 0),
        "calibrated": facts.report.calibrated,
        "source": figures.source(facts),
        "sure": figures.sure(facts),
        "unlike": facts.unlike,
        "caveats": caveats(facts),
        "data_name": facts.data_name,
        "data_kind": facts.recipe.get("data", {}).get("kind", "?"),
        "trained": facts.trained,
        "left_out": images.left_out(facts),
        "notes": images.notes(facts),
        "best": facts.run.best,
        "epochs": len(facts.run.history),
        "chosen": len(facts.run.history) > 1,
        "monitor": facts.recipe.get("monitor", "?"),
        "proof": training.proof(facts),
    }


def _shown(facts: Facts) -> Mapping[str, object]:
    """Tables and blocks of the templates."""
    evaluation = facts.report.evaluation
    rows, counts = figures.classes(evaluation), images.counts(facts)
    scaled = [] if facts.report.calibrated is None else ["with the temperature"]
    tested = () if facts.tested is None else figures.tested_headline(facts.tested.figures)
    number = ["figure", "value", "95 % interval"]
    return {
        "headline": table(number, figures.headline(evaluation)),
        "tested_headline": table(number, tested),
        "baseline": percent(
            evaluation.frequency
            if isinstance(evaluation, MultiLabelEvaluation)
            else evaluation.majority
        ),
        "shown_classes": rows,
        "per_class": table(figures.class_headings(evaluation), rows),
        "probabilities": table(
            ["figure, the lower the better", "as they are", *scaled], figures.probabilities(facts)
        ),
        "counts": counts,
        "splits": table(["split", "images"], images.splits(facts)),
        "per_class_images": table(
            ["class", "train", "eval"],
            [(name, "–" if train is None else f"{train:,}", f"{n:,}") for name, train, n in counts],
        ),
        "stretches": table(
            ["phase", "epochs", "trained", "frozen", "learning rate"],
            training.stretches(facts.run.history),
        ),
        "recipe": block(public_recipe(facts.recipe), "toml"),
        "environment": table(["", ""], _coded(training.environment(facts))),
        "hashes": table(["SHA-256", ""], _coded(training.hashes(facts))),
    }


def _coded(rows: Any) -> list[tuple[object, Safe]]:  # noqa: ANN401 - rows of names and values
    return [(name, code(value)) for name, value in rows if value is not None]
