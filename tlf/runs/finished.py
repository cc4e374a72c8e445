"""A run that has written its model, opened again: with its images, and with the best weights."""

from collections.abc import Generator
from os import PathLike

from tlf.errors import RunError
from tlf.events import Notice, Prepared, Stored
from tlf.inference.model_files import load_model
from tlf.recipe.plan import Plan, read_plan
from tlf.runs.folder import check_is_run
from tlf.runs.record import opened
from tlf.runtime.files import absolute
from tlf.training.job import Job


def open_finished(
    run: str | PathLike[str], plan: Plan | None = None
) -> Generator[Prepared | Notice | Stored, None, Job]:
    """Open the job of a run with its best model: its images are found and read again.

    Parameters:
        run: the folder of the run.
        plan: its recipe, where it is read already.

    Raises:
        RunError: the folder holds no run, or one without a model.
        DataError: the images of its recipe are no longer there.
        WeightsError, PluginError: its pretrained weights, or a plugin, are missing.
    """
    folder = absolute(run)
    check_is_run(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise RunError(f"the run in {folder} has no model yet; wait for its end, or stop it")
    job = yield from opened(plan or read_plan(folder / "recipe.toml"))
    job.hook.tlf_model_trained(model=job.classifier)
    load_model(weights, job.classifier)
    return job
