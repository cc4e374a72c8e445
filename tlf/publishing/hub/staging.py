"""The files of a run's repository, in a folder: verified, and without what is private."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import load_file

from tlf.errors import WeightsError
from tlf.exports.export import export
from tlf.inference.metadata import as_json
from tlf.inference.sealed_file import write_sealed
from tlf.publishing.card.card import FILE as CARD
from tlf.publishing.card.card import make_card
from tlf.publishing.card.usage import Place
from tlf.publishing.facts import Facts
from tlf.publishing.loaders import OwnLoader, own_loader
from tlf.publishing.private import public_recipe
from tlf.publishing.timm_config import timm_config
from tlf.runtime.strict_json import dumps

CONFIG, ONNX, TESTED = "config.json", "model.onnx", "test_evaluation.json"

OPTIONAL = (CONFIG, ONNX, TESTED, "segments.jsonl")
"""Files that one run has and another has not: old ones are removed from a repository."""

_ABOUT_IMAGES = frozenset({"model", "data", "unreadable", "shared_images", "other", "comparison"})
"""Keys of an evaluation.json that name images or folders."""


@dataclass(frozen=True)
class Staged:
    """The files of a repository."""

    files: Mapping[str, int]
    """Name → bytes."""
    loader: OwnLoader


def stage(facts: Facts, folder: Path, repository: str, *, onnx: bool) -> Staged:
    """Write the files of a repository. The model gives what the run gave, as for every export.

    Parameters:
        facts: of the run.
        folder: where they are written to.
        repository: its name on the hub.
        onnx: whether the model as ONNX is one of them.

    Raises:
        WeightsError: the model no longer gives what the run gave.
        DataError: images of the run are missing, so that nothing can be compared.
        RunError: packages for ONNX are missing.
    """
    run = facts.run.folder
    export(run, "model", folder / "model.safetensors")
    for name in ("model", "head"):
        path = folder / f"{name}.safetensors"
        tensors = load_file(run / path.name)
        write_sealed(path, tensors, as_json(facts.metadata), facts.metadata.format)
    if onnx:
        export(run, "onnx", folder / ONNX)
    loader = _verified_loader(facts)
    _write_records(facts, folder)
    if loader.fits and facts.metadata.backbone["kind"] == "timm":
        _write_json(folder / CONFIG, timm_config(facts.metadata, facts.licence.name))
    place = Place(repository, loader.fits, onnx)
    (folder / CARD).write_text(str(make_card(facts, place)), encoding="utf-8")
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return Staged(files, loader)


def _verified_loader(facts: Facts) -> OwnLoader:
    """Whether the backbone's library loads the model, and computes what the run has computed."""
    loader = own_loader(facts.run.folder)
    if not loader.fits:
        return loader
    kind = str(facts.metadata.backbone["kind"])
    with TemporaryDirectory(prefix="tlf-") as folder:
        try:
            export(facts.run.folder, kind, Path(folder, "own.safetensors"))
        except WeightsError as error:  # the model itself was compared before
            return OwnLoader(str(error))
    return loader


def _write_records(facts: Facts, folder: Path) -> None:
    """What the run says of itself. Files that name single images stay with it."""
    (folder / "recipe.toml").write_text(public_recipe(facts.recipe), encoding="utf-8")
    _write_json(folder / "provenance.json", dict(facts.provenance))
    _write_json(folder / "evaluation.json", facts.report.evaluation.as_json())
    if facts.tested is not None:
        figures = {k: v for k, v in facts.tested.figures.items() if k not in _ABOUT_IMAGES}
        _write_json(folder / TESTED, figures)
    for name in ("metrics.jsonl", "segments.jsonl"):
        if (facts.run.folder / name).is_file():
            copyfile(facts.run.folder / name, folder / name)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(f"{dumps(content, indent=2)}\n", encoding="utf-8")
