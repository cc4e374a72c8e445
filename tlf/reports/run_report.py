"""The report of a run: what its folder holds, and its images where they still are."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path

from tlf.errors import RunError, TlfError, in_shell
from tlf.evaluation.groups import UNKNOWN, are_unknown, stored_groups
from tlf.evaluation.looks import read_looks, sentences
from tlf.events import Notice, Prepared, Stored
from tlf.inference.calibrated import Calibrated
from tlf.inference.metadata import read_metadata
from tlf.inference.predictions import read_predictions
from tlf.metrics.predicted import AnyPredicted
from tlf.reports.plots.background import drawn_in_background
from tlf.reports.plots.write import write_plots
from tlf.reports.ranking import shown_first
from tlf.reports.report import AnyReport, RunRecord, report_of
from tlf.reports.report_page import plots_on_page, write_report_page
from tlf.reports.run_images import RunImages, images_of
from tlf.runs.folder import check_is_run, has_ended, read_provenance
from tlf.runs.history import best_of, monitor_of, read_history, read_segments
from tlf.runtime.files import absolute, check_page_name
from tlf.runtime.regular_file import read_regular

PAGE = "report.html"
"""The file in the folder of a run."""

LEFT_OUT = (
    "The nearest train images and the check of all images were left out; this adds them: "
    "tlf report {}"
)

Events = Prepared | Notice | Stored


def write_report(
    run: str | PathLike[str],
    *,
    output: str | PathLike[str] | None = None,
    images: bool = True,
    neighbours: bool = True,
    check: bool = False,
    plots: str | PathLike[str] | None = None,
) -> Path:
    """Write the report of a run: one HTML file that needs no network. Returns its path.

    What is gone since the run ended, such as its images, is left out, and the page says so.

    Parameters:
        run: the folder of the run.
        output: the file; None is ``report.html`` in the folder of the run. It is replaced.
        images: whether the page holds thumbnails. The names of images stay.
        neighbours: whether it shows the nearest train images, and what a check of the images
            finds. Both need embeddings, which are computed unless the run has stored them.
        check: whether to check more than 20,000 images, too.
        plots: a folder for each plot as PNG and SVG, as papers need them; None writes none.

    Raises:
        RunError: the folder holds no run, or one without predictions.
        DataError: its predictions are damaged, or no probabilities.
        UnwritableError: the file cannot be written.
    """
    path = page_path(run, output)
    for _ in reported(run, path, images=images, neighbours=neighbours, check=check, plots=plots):
        pass
    return path


def page_path(run: str | PathLike[str], output: str | PathLike[str] | None = None) -> Path:
    """The file that the report of a run is written to.

    Raises:
        RunError: its name is not that of a page.
    """
    if output is None:
        return absolute(run) / PAGE
    check_page_name(Path(output))
    return absolute(output)


def reported(
    run: str | PathLike[str],
    path: Path,
    *,
    images: bool = True,
    neighbours: bool = True,
    check: bool = False,
    plots: str | PathLike[str] | None = None,
    background: bool = False,
) -> Generator[Events, None, None]:
    """Write the report of a run to a file, and yield what is computed for it.

    ``background``: whether another process may draw the charts meanwhile.
    """
    folder = absolute(run)
    check_is_run(folder)
    check_predicted(folder)
    record = record_of(folder)
    report = read_report(folder, record)
    if background:
        report = replace(report, draw=drawn_in_background(partial(plots_on_page, report)))
    found = RunImages()
    if images or neighbours:
        found = yield from images_of(
            record, report.predicted, shown_first(report.predicted), embed=neighbours, check=check
        )
    left_out = [] if neighbours else [LEFT_OUT.format(in_shell(folder))]
    report = replace(
        report,
        read=found.read if images else None,
        neighbours=found.neighbours,
        findings=found.findings,
        read_found=found.read_found if images else None,
        missing=(*found.missing, *report.missing, *left_out),
    )
    write_report_page(report, path)
    if plots is not None:
        write_plots(report, absolute(plots))


def read_report(folder: Path, record: RunRecord) -> AnyReport:
    """What the files of a run say. No image is opened.

    Raises:
        DataError: its predictions are damaged, or no probabilities.
    """
    calibrated, unknown = _calibrated(folder)
    predicted = read_predictions(folder / "predictions.csv").with_thresholds(
        lambda: None if calibrated is None else calibrated.thresholds
    )
    predicted = replace(predicted, groups=stored_groups(folder, predicted.names))
    return replace(
        report_of(folder.name, predicted, predicted.evaluation()),
        run=record,
        split="eval",
        calibrated=calibrated,
        cautions=_cautions(folder, record, predicted),
        missing=unknown,
    )


def _cautions(folder: Path, record: RunRecord, predicted: AnyPredicted) -> tuple[str, ...]:
    """What somebody should know who quotes the figures of a run."""
    told = (*_doubts(folder, record, predicted), *_looked(folder, record))
    if are_unknown(folder, predicted.groups):
        return (f"{UNKNOWN} This finds it out: tlf evaluate {in_shell(folder)}", *told)
    return told


def _doubts(folder: Path, record: RunRecord, predicted: AnyPredicted) -> Iterator[str]:
    """That runs have trained on these images, whose weights are in those of the run."""
    if record.provenance.get("started_from") or record.provenance.get("soup"):
        # They import torch, which the report of another run does without.
        from tlf.evaluation.doubts import recorded_doubts

        yield from (f"{text}." for text in recorded_doubts(folder, predicted.names))


def _looked(folder: Path, record: RunRecord) -> tuple[str, ...]:
    """How often the test split of a run was looked at. The figures of the page are not about it."""
    if looks := read_looks(folder):
        return tuple(f"{text}." for text in sentences(looks))
    if "test_sha256" not in record.provenance:
        return ()
    command = f"tlf evaluate {in_shell(folder)} --split test"
    return (
        f"The test split was not looked at yet. When all is decided, this looks once: {command}",
    )


def check_predicted(folder: Path) -> None:
    """Check that a run has predictions.

    Raises:
        RunError: it has no predictions.csv, or no longer; says what to do about it.
    """
    if (folder / "predictions.csv").is_file():
        return
    run = in_shell(folder)
    if has_ended(folder):
        raise RunError(
            f"the run in {folder} has ended, and its predictions.csv is gone; to classify its eval "
            f"images again, and write a page about them, write: tlf evaluate {run}"
        )
    raise RunError(
        f"the run in {folder} has no predictions.csv yet; wait for its end, or write: "
        f"tlf stop {run}"
    )


def _calibrated(folder: Path) -> tuple[Calibrated | None, tuple[str, ...]]:
    """The calibration that a run's head has, or a sentence that says why it cannot be read."""
    head = folder / "head.safetensors"
    try:
        return (read_metadata(head).calibration if head.is_file() else None), ()
    except TlfError as error:
        return None, (f"Temperature scaling is not shown: {error}.",)


def record_of(folder: Path) -> RunRecord:
    """What the folder of a run says about it.

    Raises:
        RunError: a file is damaged, or no epoch was evaluated.
    """
    history = (*read_history(folder),)
    best = best_of(history, monitor_of(folder))
    if best is None:
        raise RunError(f"the run in {folder} has no epoch with an eval loss; start a new run")
    return RunRecord(
        history=history,
        segments=(*read_segments(folder),) if (folder / "segments.jsonl").is_file() else (),
        provenance=read_provenance(folder),
        recipe=read_regular(folder / "recipe.toml").decode(errors="replace"),
        best=best,
        folder=folder,
    )
