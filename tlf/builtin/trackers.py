"""Trackers: tools that keep and show the figures of runs, through Accelerate.

Each writes to this computer unless the recipe says otherwise.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from uuid import uuid4

from tlf.hookspecs import hookimpl
from tlf.trackers import Outcome, TrackedRun

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

EVENT_FILES = "tensorboard"
"""The folder of TensorBoard's event files, in that of the run."""


@dataclass(frozen=True)
class Opened:
    """A run at one of Accelerate's trackers."""

    tracker: "GeneralTracker"
    id: str
    last: int
    finish: Callable[[Outcome], object]
    logged_with: Mapping[str, Any]
    """Arguments of each call that logs figures."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Keep figures of a step."""
        self.tracker.log(dict(figures), step=step, **self.logged_with)

    def end(self, outcome: Outcome) -> None:
        """Write what is not written yet, and close the run."""
        self.finish(outcome)


@dataclass(frozen=True)
class TensorBoard:
    """Event files of TensorBoard, in the folder ``tensorboard`` of the run."""

    packages = ("tensorboard",)

    def open(self, run: TrackedRun) -> Opened:
        """Write another event file. Readers drop what earlier ones have of steps after the last
        epoch that is kept.
        """
        from accelerate.tracking import TensorBoardTracker

        kept = min(run.logged, run.epochs)
        tracker = TensorBoardTracker(EVENT_FILES, run.folder, purge_step=kept + 1)
        _start(tracker, run)
        return Opened(tracker, EVENT_FILES, kept, lambda _: tracker.finish(), {})


@dataclass(frozen=True)
class MLflow:
    """MLflow: a file ``mlflow.db`` beside the folder of the run, or a server."""

    packages = ("mlflow",)
    project: str = "tlf"
    """The experiment that the run belongs to."""
    uri: str | None = None
    """A server (``http://localhost:5000``) or a database (``sqlite:////data/mlflow.db``). None is
    ``mlflow.db`` beside the folder of the run."""

    def open(self, run: TrackedRun) -> Opened:
        """Start a run of MLflow, or go on with one."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        import mlflow
        from accelerate.tracking import MLflowTracker

        before = mlflow.get_tracking_uri()
        uri = self.uri or f"sqlite:///{Path(run.folder).parent / 'mlflow.db'}"
        mlflow.set_tracking_uri(uri)
        tracker = MLflowTracker(self.project, run_id=run.id, run_name=run.name)
        if run.id is not None:
            tracker.run_id = run.id  # an environment variable may name another
        _start(tracker, run, named=_mlflow_name)
        found: str = tracker.tracker.info.run_id
        steps = mlflow.MlflowClient().get_metric_history(found, "train_loss")

        def finish(outcome: Outcome) -> None:
            status = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}[outcome]
            mlflow.end_run(status)
            mlflow.set_tracking_uri(before)

        # Without the id, a call in another thread would begin another run.
        logged_with = {"run_id": found, "synchronous": True}
        return Opened(
            tracker, found, max((one.step for one in steps), default=0), finish, logged_with
        )


@dataclass(frozen=True)
class Wandb:
    """Weights & Biases: a folder ``wandb`` in that of the run (``wandb sync``), or its server."""

    packages = ("wandb",)
    project: str = "tlf"
    """The project that the run belongs to."""
    entity: str | None = None
    """The user or the team that it belongs to; None is the one that is logged in."""
    mode: Literal["offline", "online"] = "offline"
    """``online`` sends figures to the server while the run trains."""

    def open(self, run: TrackedRun) -> Opened:
        """Start a run of wandb, or go on with one."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        import wandb
        from accelerate.tracking import WandBTracker

        known = run.id or uuid4().hex[:8]
        # Nothing but figures is kept: no output, no code, no use of the hardware.
        settings = wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True
        )
        tracker = WandBTracker(
            self.project, entity=self.entity, mode=self.mode, dir=run.folder, id=known,
            name=run.name, settings=settings,
            resume="allow" if self.mode == "online" else None,
        )  # fmt: skip
        # What a process that was killed has written offline cannot be known, so each writes all.
        last = run.logged if self.mode == "online" else 0
        _start(tracker, run if last else replace(run, id=None))

        def finish(outcome: Outcome) -> None:
            tracker.tracker.finish(exit_code=int(outcome == "failed"))

        return Opened(tracker, known, last, finish, {})


@dataclass(frozen=True)
class Trackio:
    """Trackio: a database in its own folder (``$TRACKIO_DIR``), or a space of Hugging Face."""

    packages = ("trackio",)
    project: str = "tlf"
    """The project that the run belongs to."""
    space: str | None = None
    """The space that figures are sent to, such as ``user/name``; None is this computer."""

    def open(self, run: TrackedRun) -> Opened:
        """Start a run of trackio, or go on with one.

        Raises:
            ValueError: the environment sends figures where the recipe does not.
        """
        for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            if self.space is None and os.environ.get(name):
                raise ValueError(
                    f"{name} must not be set in the environment, got {os.environ[name]!r}; unset "
                    "it, or write tracking.space"
                )
        import trackio
        from accelerate.tracking import TrackioTracker

        known = run.id or f"{run.name}-{uuid4().hex[:8]}"
        tracker = TrackioTracker(
            self.project, name=known, space_id=self.space, resume="allow",
            embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip
        # It writes a little later: a run that was killed early may have left nothing.
        found = trackio.SQLiteStorage.get_max_step_for_run(self.project, known)
        last = run.logged if self.space else found or 0
        with nullcontext() if self.space else _nobody_logged_in():
            _start(tracker, run if last else replace(run, id=None))

        def finish(_: Outcome) -> None:
            tracker.finish()

        return Opened(tracker, known, last, finish, {})


@contextmanager
def _nobody_logged_in() -> Iterator[None]:
    """Trackio asks Hugging Face for a user's name, even for a run that stays on this computer."""
    import huggingface_hub

    def whoami(*_: object, **__: object) -> NoReturn:
        raise LookupError("a run on this computer has no user")

    before = huggingface_hub.whoami
    huggingface_hub.whoami = whoami
    try:
        yield
    finally:
        huggingface_hub.whoami = before


def _start(tracker: "GeneralTracker", run: TrackedRun, named: Callable[[str], str] = str) -> None:
    """Start a tracker, and give it the recipe of a run that is new to it."""
    tracker.start()
    if run.id is None:
        tracker.store_init_configuration({named(key): v for key, v in run.config.items()})


def _mlflow_name(name: str) -> str:
    """A name as MLflow takes it: regular expressions, which can be keys of a recipe, have others.

    >>> _mlflow_name("phases.0.lr_matching.^layer4/")
    'phases.0.lr_matching._layer4/'
    """
    return "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name)


@hookimpl
def tlf_trackers() -> dict[str, type]:
    """Offer the trackers."""
    return {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": Wandb, "trackio": Trackio}
