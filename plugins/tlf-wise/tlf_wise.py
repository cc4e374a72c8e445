"""WiSE-FT: a mixture of pretrained and fine-tuned weights classifies both kinds of images well.

Source: Wortsman et al. 2022, arXiv:2109.01903.
"""

import csv
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch
from torch import Tensor

from tlf.components import Split
from tlf.data.transforms import center_crop, load, normalize
from tlf.errors import DataError, RunError
from tlf.hookspecs import hookimpl
from tlf.inference.metadata import Metadata, read_metadata
from tlf.inference.model_files import backbone_sha256, load_model, save_model
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.recipe.build import build_model
from tlf.recipe.plan import find_splits, read_plan
from tlf.recipe.prepare import prepared
from tlf.results import EpochResult, RunResult

BATCH = 32
TENTHS = tuple(number / 10 for number in range(11))


@dataclass(frozen=True)
class Interpolate:
    """After a run, mix the backbone's pretrained and fine-tuned weights in several shares. The
    mixture that classifies the eval split best is written to the folder ``wise`` of the run.

    The head is always the fine-tuned one. Statistics of norms are mixed as weights are.
    """

    shares: tuple[float, ...] = TENTHS
    """Shares of the fine-tuned weights: 0 is the pretrained backbone, 1 the fine-tuned one."""
    last: bool = False
    """Mix with the weights of the last epoch, as the paper does, instead of the best epoch."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.shares or not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"shares must be fractions from 0 to 1, got {self.shares}")

    @hookimpl
    def tlf_select_best(self, history: Sequence[EpochResult]) -> int | None:
        """The last epoch, if ``last`` is set."""
        return len(history) - 1 if self.last else None

    @hookimpl
    def tlf_run_ended(self, result: RunResult) -> None:
        """Try all shares and write the best mixture; nothing, if the backbone did not train."""
        run = Path(result.folder)
        pretrained, model, metadata, split = _open_run(run)
        tuned = {name: value.clone() for name, value in model.state_dict().items()}
        if all(torch.equal(value, tuned[name]) for name, value in pretrained.items()):
            return
        rows = []
        for share in self.shares:
            model.load_state_dict(tuned | mixed(pretrained, tuned, share))
            rows.append((share, *evaluated(model, split, metadata.preprocessing)))
        best = max(rows, key=lambda row: (row[1], -row[2]))
        model.load_state_dict(tuned | mixed(pretrained, tuned, best[0]))
        metrics = {"eval_top1": best[1], "eval_loss": best[2], "share": best[0]}
        backbone = {**metadata.backbone, "sha256": backbone_sha256(model)}
        _write(run, model, replace(metadata, metrics=metrics, backbone=backbone), rows)


def mixed(
    pretrained: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """``share`` of the fine-tuned weights plus ``1 - share`` of the pretrained ones. Whole numbers,
    such as counts of batches, are the run's.

    >>> zero, two = {"w": torch.zeros(1)}, {"w": torch.full((1,), 2.0)}
    >>> mixed(zero, two, 0.25)["w"]
    tensor([0.5000])
    """
    return {
        name: torch.lerp(value, tuned[name], share) if value.is_floating_point() else tuned[name]
        for name, value in pretrained.items()
    }


def evaluated(model: Classifier, split: Split, preprocessing: Preprocessing) -> tuple[float, float]:
    """Top-1 accuracy and cross-entropy, each a mean over the images of a split."""
    right, lost, count = 0, 0.0, 0
    model.eval()
    for images, labels in _batches(split, preprocessing):
        with torch.inference_mode():
            logits = model(normalize(images, preprocessing))
        right += int((logits.argmax(1) == labels).sum())
        lost += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        count += len(labels)
    return right / count, lost / count


def _open_run(run: Path) -> tuple[dict[str, Tensor], Classifier, Metadata, Split]:
    """The pretrained backbone's tensors, the run's model, its metadata, and its eval split."""
    weights = run / "model.safetensors"
    plan, metadata = read_plan(run / "recipe.toml"), read_metadata(weights)
    _, model = build_model(plan, len(metadata.classes))
    plan.plugins.hook.tlf_model_trained(model=model)
    names = [name for name in model.state_dict() if name.startswith("backbone.")]
    pretrained = {name: model.state_dict()[name].clone() for name in names}
    load_model(weights, model)
    return pretrained, model, metadata, find_splits(plan).eval


def _batches(split: Split, preprocessing: Preprocessing) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = [], []
    for index, label in enumerate(split.labels):
        try:
            image = prepared(load(split.read(index), preprocessing), preprocessing)
            images.append(center_crop(image, preprocessing.size))
            labels.append(label)
        except DataError:
            continue  # the run has skipped it, too, or it would have failed
        if len(images) == BATCH:
            yield torch.stack(images), torch.tensor(labels)
            images, labels = [], []
    if images:
        yield torch.stack(images), torch.tensor(labels)


def _write(
    run: Path, model: Classifier, metadata: Metadata, rows: Sequence[tuple[float, float, float]]
) -> None:
    """Write a folder for ``tlf predict`` under another name, and rename it when it is complete."""
    with tempfile.TemporaryDirectory(dir=run, prefix=".wise.") as side:
        whole = Path(side, "wise")
        whole.mkdir()
        shutil.copy(run / "recipe.toml", whole)
        save_model(whole / "model.safetensors", model, metadata)
        with (whole / "shares.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("share", "eval_top1", "eval_loss"), *rows])
        whole.rename(run / "wise")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def shares(run: Path) -> None:
    """Print how well each mixture of a run classified the eval split."""
    file = run / "wise" / "shares.csv"
    if not file.is_file():
        advice = 'write extensions = ["wise:interpolate"] in the recipe'
        raise RunError(f"there is no {file}; {advice}")
    click.echo(file.read_text(encoding="utf-8"), nl=False)


@hookimpl
def tlf_commands() -> dict[str, click.Command]:
    """Offer the command ``tlf wise:shares``."""
    return {"shares": shares}


@hookimpl
def tlf_extensions() -> dict[str, type]:
    """Offer the extension to recipes."""
    return {"interpolate": Interpolate}
