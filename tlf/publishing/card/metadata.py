"""The metadata of a card, by which the hub lists a model and shows its figures."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tlf.metrics.figures import Figure
from tlf.metrics.text import NO_RATES, interval
from tlf.pretrained.hub_answers import name_problem
from tlf.publishing.card.figures import title
from tlf.publishing.card.usage import Place
from tlf.publishing.facts import Facts
from tlf.publishing.licences import OF_HUB
from tlf.reports.panels.verdict import MAIN
from tlf.runtime.text import printable
from tlf.tasks import TASKS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TASK = "image-classification"
"""The hub's name for what a model does."""

OF_METRIC = {MAIN: "accuracy", "macro_f1": "f1", "macro_precision": "precision",
             "macro_recall": "recall"}  # fmt: skip
"""Figure → the hub's name for its metric; others keep their own."""


def card_data(facts: Facts, place: Place) -> "ModelCardData":
    """The metadata of a model's card, in the hub's own form."""
    from huggingface_hub import ModelCardData

    licence = facts.licence
    named = licence.name in OF_HUB
    kind = str(facts.metadata.backbone["kind"])
    in_timm = place.own_loader and kind == "timm"
    return ModelCardData(
        license=licence.name if named else "other",
        license_name=None if named else licence.name,
        library_name="timm" if in_timm else "tlf",
        pipeline_tag=TASK,
        base_model=licence.base_model.partition("@")[0] or None,
        datasets=_hub_data(facts),
        tags=[TASK, "transfer-learning", "tlf", facts.metadata.task, *(["timm"] * in_timm)],
        metrics=_metrics(facts),
        model_name=printable(place.repository.rpartition("/")[2] or facts.name),
        eval_results=[*_results(facts)],
    )


def _metrics(facts: Facts) -> list[str]:
    names = [metric.name for metric in TASKS[facts.metadata.task].metrics]
    return [OF_METRIC[name] for name in names if name in OF_METRIC] or names


def _hub_data(facts: Facts) -> list[str] | None:
    """The data set's name on the hub; None where it is not from there."""
    data = facts.recipe.get("data", {})
    name = str(data.get("name", ""))
    return [name] if data.get("kind") == "hub" and not name_problem(name) else None


def _results(facts: Facts) -> "Iterator[EvalResult]":
    yield from _of_split(facts, "eval", facts.report.evaluation.headline)
    if facts.tested is not None:
        headline = facts.tested.figures.get("headline", {})
        yield from _of_split(facts, "test", {k: Figure(**v) for k, v in headline.items()})


def _of_split(facts: Facts, split: str, headline: Mapping[str, Figure]) -> "Iterator[EvalResult]":
    from huggingface_hub import EvalResult

    about: dict[str, Any] = {
        "task_type": TASK,
        "task_name": "Image classification",
        "dataset_type": (_hub_data(facts) or ["imagefolder"])[0],
        "dataset_name": printable(facts.data_name),
        "dataset_split": split,
    }
    for name, figure in headline.items():
        if figure.value is None:
            continue
        limits = interval(figure, name not in NO_RATES)
        shown = f"{title(name)} (95 % interval {limits})" if limits else title(name)
        yield EvalResult(
            **about,
            metric_type=OF_METRIC.get(name, name),
            metric_name=shown[:1].upper() + shown[1:],
            metric_value=round(figure.value, 6),
        )
