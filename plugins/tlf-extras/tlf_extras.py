"""A log of every update and a limit of time, which survive kills; an export that takes pixels as
they are; local contrast for all images; a metric that guessing cannot raise.

Source: the program is one of torch.export, https://docs.pytorch.org/docs/stable/export.html; the
contrast is that of Jarrett et al. 2009, without the division by channel.
"""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tlf.data.transforms import normalize
from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.reports.panel import Panel
from tlf.reports.report import Report
from tlf.results import UpdateResult


@dataclass(frozen=True)
class Steps:
    """Write a CSV file into the run's folder: a line for every update, each once, however often the
    run is killed and resumed. Seconds are those of all its processes together.
    """

    file: str = "steps.csv"
    """The file's name."""
    state: dict[str, Any] = field(default_factory=dict, init=False)

    @hookimpl
    def tlf_run_started(self, folder: str, resumed: bool) -> None:
        """Begin the file; in a resumed run, without the lines after the last stored state."""
        path = Path(folder, self.file)
        lines = ["phase,epoch,update,seconds,lr,loss\n"]
        if resumed and path.exists():
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines(keepends=True)[: 1 + self.state.get("updates", 0)]
        path.write_text("".join(lines), encoding="utf-8")
        self.state["path"] = str(path)
        self.state["since"] = time.monotonic() - self.state.get("seconds", 0.0)

    @hookimpl
    def tlf_update_ended(self, result: UpdateResult) -> None:
        """Add a line."""
        seconds = self.state["seconds"] = time.monotonic() - self.state["since"]
        self.state["updates"] = self.state.get("updates", 0) + 1
        loss = "" if result.loss is None else f"{result.loss:.6g}"
        where = f"{result.phase},{result.epoch},{result.update}"
        self._add(f"{where},{seconds:.3f},{result.lr:.6g},{loss}")

    @hookimpl
    def tlf_run_failed(self, error: Exception) -> None:
        """Write the error into the last line."""
        self._add(f"# {type(error).__name__}: {' '.join(str(error).split())}")

    @hookimpl
    def tlf_report_panels(self, report: Report) -> Sequence[Panel]:
        """The losses of the run, where it has written the file."""
        if report.run is None or not (report.run.folder / self.file).is_file():
            return []
        with (report.run.folder / self.file).open(encoding="utf-8", newline="") as file:
            losses = [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]
        return [Panel("steps", "Loss by update", _chart(losses))] if losses else []

    def _add(self, line: str) -> None:
        with Path(self.state["path"]).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _chart(losses: Sequence[float]) -> str:
    """Losses as a line, from the first update to the last."""
    width, height, most = 640, 200, max(max(losses), 1e-9)
    # At most 640 points: there are no more pixels. Each is the last of some neighbours.
    step = -(-len(losses) // width)
    shown = losses[step - 1 :: step] or losses[-1:]
    across = width / max(1, len(shown) - 1)
    points = " ".join(
        f"{place * across:.1f},{height * (1 - loss / most):.1f}" for place, loss in enumerate(shown)
    )
    about = (
        f"Mean loss of each epoch so far, at the {len(losses):,} updates where it was known: "
        f"{losses[0]:.4g} at first, {losses[-1]:.4g} at last, {most:.4g} at most."
    )
    return (
        f'<figure style="margin: 0"><svg viewBox="0 -2 {width} {height + 6}" role="img" '
        f'aria-labelledby="about"><path d="M0 {height}H{width}" stroke="currentColor" '
        f'opacity="0.3"/><polyline points="{points}" fill="none" stroke="currentColor" '
        f'stroke-width="2"/></svg><figcaption id="about">{about} The line below is 0.</figcaption>'
        "</figure>"
    )


@dataclass(frozen=True)
class TimeLimit:
    """End the run, with its best model, when its time is over. A run that is killed and resumed
    goes on with what is left of it. One that it has ended and that is resumed gets as much again.
    """

    seconds: float = 3600.0
    """How long the run trains."""
    state: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Check the option."""
        if self.seconds <= 0:
            raise ValueError(f"seconds must be more than 0, got {self.seconds:g}")

    @hookimpl
    def tlf_run_started(self) -> None:
        """Start the clock where the last stored state left it."""
        used = self.state.get("used", 0.0)
        self.state["used"] = 0.0 if used >= self.seconds else used
        self.state["since"] = time.monotonic() - self.state["used"]

    @hookimpl
    def tlf_stop(self) -> str | None:
        """Look at the clock; the main process alone has one."""
        if "since" not in self.state:
            return None
        self.state["used"] = time.monotonic() - self.state["since"]
        return f"{self.seconds:g} s are over" if self.state["used"] >= self.seconds else None


class Prepared(nn.Module):
    """A model that takes uint8 images (B, C, S, S): it scales and normalizes them itself."""

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        """Hold the model."""
        super().__init__()
        self.model, self.preprocessing = model, preprocessing

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels → logits (B, K)."""
        logits: Tensor = self.model(normalize(pixels, self.preprocessing))
        return logits


@dataclass(frozen=True)
class Pixels:
    """A program of torch.export that takes uint8 images of the right size: an app needs neither tlf
    nor the mean and the standard deviation.
    """

    file = "pixels.pt2"

    def write(
        self, model: Classifier, classes: Sequence[str], preprocessing: Preprocessing, path: Path
    ) -> None:
        """Write the program, with the classes as text."""
        size, channels = preprocessing.size, preprocessing.channels
        example = torch.zeros(2, channels, size, size, dtype=torch.uint8)
        batch = torch.export.Dim("batch", min=1, max=4096)
        whole = Prepared(model, preprocessing).eval()
        program = torch.export.export(whole, (example,), dynamic_shapes=({0: batch},))
        statistics = {"mean": preprocessing.mean, "std": preprocessing.std}
        texts = {"classes.txt": "\n".join(classes), "statistics.txt": repr(statistics)}
        with path.open("wb") as file:
            torch.export.save(program, file, extra_files=texts)

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Load the program, and give it the pixels that normalized images were made of."""
        import ast

        texts = {"statistics.txt": ""}
        with path.open("rb") as file:
            module = torch.export.load(file, extra_files=texts).module()
        values = ast.literal_eval(texts["statistics.txt"])
        mean, std = (torch.tensor(values[name]).view(-1, 1, 1) for name in ("mean", "std"))

        def compute(images: Tensor) -> Tensor:
            pixels = ((images * std + mean) * 255).round().to(torch.uint8)
            logits: Tensor = module(pixels.contiguous())
            return logits

        return compute


@dataclass(frozen=True)
class Contrast:
    """Even out brightness: each pixel is compared with its surroundings. For images of very uneven
    light, such as scans and X-rays.
    """

    radius: int = 16
    """The surroundings: so many pixels in each direction."""
    floor: float = 8.0
    """The least contrast, in grey levels: fainter differences are not enlarged."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.radius < 1 or not 0 < self.floor < 256:
            raise ValueError(
                f"radius must be 1 or more and floor between 0 and 256, got {self.radius} and "
                f"{self.floor}"
            )

    def transform(self, image: Tensor) -> Tensor:
        """A uint8 image (C, H, W) → one of the same shape, around grey 128."""
        values = image.float()[None]
        mean = self._around(values)
        spread = (self._around(values.square()) - mean.square()).clamp(min=0).sqrt()
        even = 128 + 48 * (values - mean) / spread.clamp(min=self.floor)
        return even.clamp(0, 255).round().to(torch.uint8)[0]

    def _around(self, values: Tensor) -> Tensor:
        """The mean of the surroundings, as far as they are in the image."""
        side = 2 * self.radius + 1
        return nn.functional.avg_pool2d(
            values, side, stride=1, padding=self.radius, count_include_pad=False
        )


@dataclass(frozen=True)
class Matthews:
    """The correlation of predictions and labels (Gorodkin 2004, the multi-class form of Matthews
    1975): 1 where all are right, about 0 for guessing, whatever the classes' sizes.
    """

    title = "MCC"
    higher_is_better = True
    is_rate = False

    def measure(self, probabilities: Tensor, labels: Tensor) -> float:
        """The coefficient; 0 where it is not defined, as in scikit-learn."""
        predicted, images = probabilities.argmax(1), len(labels)
        right = int((predicted == labels).sum())
        classes = probabilities.shape[1]
        sizes, answers = (one.bincount(minlength=classes).double() for one in (labels, predicted))
        spreads = [images**2 - one.square().sum().item() for one in (sizes, answers)]
        if not all(spreads):
            return 0.0
        together: float = right * images - (sizes * answers).sum().item()
        return together / (spreads[0] * spreads[1]) ** 0.5


@hookimpl
def tlf_metrics() -> dict[str, type]:
    """Offer the coefficient to recipes."""
    return {"matthews": Matthews}


@hookimpl
def tlf_transforms() -> dict[str, type]:
    """Offer the contrast to recipes."""
    return {"contrast": Contrast}


@hookimpl
def tlf_extensions() -> dict[str, type]:
    """Offer the log and the limit to recipes."""
    return {"steps": Steps, "time-limit": TimeLimit}


@hookimpl
def tlf_exporters() -> dict[str, type]:
    """Offer the format ``tlf export RUN --to extras:pixels``."""
    return {"pixels": Pixels}
