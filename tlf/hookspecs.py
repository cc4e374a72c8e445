"""Every hook, in the order of a run.

Component hooks are plural nouns and return a mapping from kind to dataclass. Decision hooks are
verbs; the first plugin that returns something other than ``None`` decides. Event hooks are past
participles, are called in the main process only, and return nothing. ``tlf_report_panels`` is asked
when a report is written.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from tlf.results import EpochResult, RunResult, UpdateResult

if TYPE_CHECKING:
    from collections.abc import Callable

    import click
    from torch import Tensor, nn

    from tlf.model import Classifier
    from tlf.reports.panel import Panel
    from tlf.reports.report import Report

hookspec = pluggy.HookspecMarker("tlf")
hookimpl = pluggy.HookimplMarker("tlf")


# What a recipe can name


@hookspec
def tlf_datasets() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer datasets: where images and labels are. Named by ``[data] kind``."""


@hookspec
def tlf_augmentations() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer augmentations of single images or of batches. Named by ``[transforms] augment``."""


@hookspec
def tlf_transforms() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer transforms: what is done to every image, of train and eval alike. Named by
    ``[transforms] prepare``.
    """


@hookspec
def tlf_backbones() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer backbones: pretrained networks. Named by ``[backbone] kind``."""


@hookspec
def tlf_heads() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer heads: features (B, F) → logits (B, K). Named by ``[head] kind``."""


@hookspec
def tlf_losses() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer losses. Named by ``loss``."""


@hookspec
def tlf_metrics() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer metrics: figures of every evaluation, beside top-1. Named by ``metrics``."""


@hookspec
def tlf_freeze_policies() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer freeze policies: which parameters are frozen. Named by a phase's ``freeze``."""


@hookspec
def tlf_optimizers() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer optimizers. Named by ``[optimizer] kind``."""


@hookspec
def tlf_schedulers() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer schedulers: what the learning rate is multiplied by. Named by a phase's
    ``scheduler``.
    """


@hookspec
def tlf_trackers() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer trackers: tools that show the figures of runs. Named by ``[tracking] kind``."""


@hookspec
def tlf_extensions() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer extensions: frozen dataclasses whose methods are the hooks below, and whose fields are
    options. Named by ``extensions``.
    """


# What the command line offers


@hookspec
def tlf_commands() -> "Mapping[str, click.Command]":  # type: ignore[empty-body]
    """Offer commands, each called ``tlf PLUGIN:COMMAND``."""


@hookspec
def tlf_exporters() -> Mapping[str, type]:  # type: ignore[empty-body]
    """Offer exporters: formats of trained models. Named by ``tlf export RUN --to``."""


# What happens during a run


@hookspec
def tlf_run_started(folder: str, resumed: bool) -> None:
    """A run has its folder, its images and its model, and is about to train.

    Parameters:
        folder: the folder of the run.
        resumed: whether it continues from an earlier stop.
    """


@hookspec
def tlf_phase_started(phase: str) -> None:
    """A phase is about to train its first epoch.

    Parameters:
        phase: its name.
    """


@hookspec(firstresult=True)
def tlf_training_step(
    model: "nn.Module",
    images: "Tensor",
    labels: "Tensor",
    loss: "Callable[[Tensor, Tensor], Tensor]",
) -> "Tensor | None":
    """Compute the loss that is back-propagated, instead of ``loss(model(images), labels).mean()``.

    The first plugin that returns a loss decides.

    Parameters:
        model: images (B, C, H, W) → logits (B, K), wrapped for the devices in use.
        images: (B, C, H, W).
        labels: (B,), or (B, K) of several labels; class probabilities (B, K) of mixed images.
        loss: logits and labels → one loss for each image (B,).
    """


@hookspec
def tlf_update_ended(result: UpdateResult) -> None:
    """An optimizer step was made. Called after every one, so it must be fast.

    Parameters:
        result: what is known of it without waiting for the device.
    """


@hookspec
def tlf_epoch_ended(result: EpochResult) -> None:
    """An epoch was trained and evaluated.

    Parameters:
        result: what it gave.
    """


@hookspec(firstresult=True)
def tlf_stop(history: Sequence[EpochResult]) -> str | None:
    """Ask the run to end now, and say why: it writes its best model and can be resumed.

    Called every few updates, at least once a second where updates are short, and after each epoch.
    The first plugin that returns a reason decides; the reason stands in the run's result.

    Parameters:
        history: the results of the run so far; empty in its first epoch.
    """


@hookspec(firstresult=True)
def tlf_select_best(history: Sequence[EpochResult]) -> int | None:
    """Choose the epoch of a phase whose weights are kept, instead of the monitored figure's best.

    The first plugin that returns an index decides.

    Parameters:
        history: the results of the phase so far, at least one.
    """


@hookspec
def tlf_model_trained(model: "Classifier") -> None:
    """Training is over, the best weights are in the model, and it is about to be written.

    A plugin may turn the trained model into the one that is used: merge adapters, remove what only
    training needs. Also called before a saved model is loaded into a new one.

    Parameters:
        model: backbone and head, unwrapped. What is changed, is changed in place.
    """


@hookspec
def tlf_run_ended(result: RunResult) -> None:
    """A run is over and its files are written.

    Parameters:
        result: what it gave.
    """


@hookspec
def tlf_run_failed(folder: str, error: Exception) -> None:
    """An error ends a run that had started. A stop, such as by Ctrl-C, is no error.

    What fails in this hook is reported, and ``error`` is raised all the same.

    Parameters:
        folder: the folder of the run.
        error: the error.
    """


# What a report shows


@hookspec
def tlf_report_panels(report: "Report") -> "Sequence[Panel]":  # type: ignore[empty-body]
    """Add panels to the report of a run: parts of its page, each under its own heading.

    Parameters:
        report: all that the page's own panels show.
    """
