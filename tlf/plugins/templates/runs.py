"""The starts of plugins that act in a run, as functions of their module."""

from collections.abc import Mapping

from tlf.plugins.templates import Starter

USE = "tlf explain RECIPE 'plugins=[\"$name\"]'"


def _printing(hook: str, argument: str, annotation: str, shown: str, about: str) -> Starter:
    """A hook that prints one of its arguments."""
    module = f"from tlf.results import {annotation}\n" if annotation.endswith("Result") else ""
    code = f'''from tlf.hookspecs import hookimpl
{module}

@hookimpl
def {hook}({argument}: {annotation}) -> None:
    """{about}"""
    print({shown})
'''
    return Starter(f"A use of the hook {hook}", code, USE)


TRAINING_STEP = '''from collections.abc import Callable

from tlf.hookspecs import hookimpl
from torch import Tensor, nn


@hookimpl
def tlf_training_step(
    model: nn.Module, images: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The mean loss, and a little of the size of the logits."""
    logits: Tensor = model(images)
    return loss(logits, labels).mean() + 0.01 * logits.square().mean()
'''

STOP = '''from collections.abc import Sequence

from tlf.hookspecs import hookimpl
from tlf.results import EpochResult

SMALL = 1e-4


@hookimpl
def tlf_stop(history: Sequence[EpochResult]) -> str | None:
    """End the run, with its best model, once nothing is left to learn."""
    if history and history[-1].train_loss < SMALL:
        return f"the train loss is below {SMALL:g}"
    return None
'''

SELECT_BEST = '''from collections.abc import Sequence

from tlf.hookspecs import hookimpl
from tlf.results import EpochResult


@hookimpl
def tlf_select_best(history: Sequence[EpochResult]) -> int | None:
    """The last epoch."""
    return len(history) - 1
'''

MODEL_TRAINED = '''import torch
from tlf.hookspecs import hookimpl
from tlf.model import Classifier


@hookimpl
def tlf_model_trained(model: Classifier) -> None:
    """Move the rows of a linear head around 0: the probabilities stay the same."""
    with torch.no_grad():
        for name, weight in model.head.named_parameters():
            if name.endswith("weight") and weight.ndim == 2:
                weight.copy_(weight - weight.mean(0))
'''

REPORT_PANELS = '''from collections.abc import Sequence

from markupsafe import escape
from tlf.hookspecs import hookimpl
from tlf.reports.panel import Panel
from tlf.reports.report import Report

MOST = 20


@hookimpl
def tlf_report_panels(report: Report) -> Sequence[Panel]:
    """The images that the model was least sure of."""
    highest = report.predicted.probabilities.max(1)
    rows = [
        f"<tr><th scope='row'>{escape(report.predicted.names[image])}</th>"
        f"<td>{highest[image]:.1%}</td></tr>"
        for image in highest.argsort()[:MOST]
    ]
    head = "<tr><th scope='col'>image</th><th scope='col'>highest probability</th></tr>"
    html = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    return [Panel("least-sure", "Least sure", html)]
'''

STARTERS: Mapping[str, Starter] = {
    "tlf_run_started": _printing(
        "tlf_run_started", "folder", "str", 'f"the run\'s folder is {folder}"', "Say where."
    ),
    "tlf_phase_started": _printing(
        "tlf_phase_started", "phase", "str", 'f"now: {phase}"', "Say which."
    ),
    "tlf_training_step": Starter(
        "A training step", TRAINING_STEP, USE, "", "tlf_training_step", "check_training_step"
    ),
    "tlf_update_ended": _printing(
        "tlf_update_ended", "result", "UpdateResult",
        'f"update {result.update + 1} of {result.updates}"', "Count.",
    ),
    "tlf_epoch_ended": _printing(
        "tlf_epoch_ended", "result", "EpochResult",
        'f"{result.phase}, epoch {result.epoch}: {result.eval_loss:.3g}"', "Show the loss.",
    ),
    "tlf_stop": Starter("A reason to end a run", STOP, USE),
    "tlf_select_best": Starter(
        "A choice of the best epoch", SELECT_BEST, USE, "", "tlf_select_best", "check_select_best"
    ),
    "tlf_model_trained": Starter("A change of the trained model", MODEL_TRAINED, USE),
    "tlf_run_ended": _printing(
        "tlf_run_ended", "result", "RunResult", 'f"{result.seconds:.0f} s"', "Show the time."
    ),
    "tlf_run_failed": _printing(
        "tlf_run_failed", "error", "Exception", 'f"failed: {error}"', "Show the error."
    ),
    "tlf_report_panels": Starter(
        "A panel of reports", REPORT_PANELS,
        "tlf run RECIPE 'plugins=[\"$name\"]' && tlf report RUN", "", "tlf_report_panels",
        "check_report_panels",
    ),
}  # fmt: skip
"""Hook → its start."""
