"""What a model gives for the images that calibrate it."""

from collections.abc import Generator

from tlf.training.calibration.classify import train_logits
from tlf.training.calibration.out_of_fold import out_of_fold_logits
from tlf.training.evaluation import Predictions
from tlf.training.features import Events
from tlf.training.job import Job
from tlf.training.state import State


def calibration_predictions(
    job: Job, state: State
) -> Generator[Events, None, tuple[str, Predictions]]:
    """Logits and labels of the images that calibrate the best model, and where the images come
    from: ``eval``, ``calibration`` or ``out-of-fold``. Every process has to call this, with the
    job's loaders open, while the model has its best weights.
    """
    if state.best is None:
        raise RuntimeError("a run without an epoch")
    if job.recipe.calibration == "out-of-fold":
        logits = yield from out_of_fold_logits(job, state)
        return "out-of-fold", Predictions(logits, job.labels["train"])
    if job.held_out:
        indices = sorted(job.held_out)
        logits = yield from train_logits(job, indices)
        return "calibration", Predictions(logits, job.labels["train"][indices])
    return "eval", state.best.predictions
