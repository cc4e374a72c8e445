"""A model of images with any number of labels, from the list of images to the files of the run."""

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch.nn.functional import binary_cross_entropy_with_logits

from generators import exhausted
from shapes import INKS, draw_shapes, shapes_recipe
from tlf.data.loading import make_batches, order
from tlf.errors import DataError, PluginError, RecipeError
from tlf.inference.calibrated import calibrate
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.training.calibration.predictions import calibration_predictions
from tlf.training.embeddings import embeddings
from tlf.training.state import State
from tlf.training.trainer import train


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return draw_shapes(tmp_path_factory.mktemp("shapes"), 28, 12)


def job_of(folder, table, **changes):
    path = shapes_recipe(folder / "recipe.toml", table, changes)
    job, _ = exhausted(opened(read_plan(path, [f"cache.dir={folder}/cache"])))
    return job


def test_a_frozen_backbone_trains_as_plain_torch_does(tmp_path, table):
    job = job_of(tmp_path, table, monitor="train_loss")
    start = {name: tensor.clone() for name, tensor in job.classifier.head.state_dict().items()}
    state = State()
    with job.loaders:
        exhausted(train(job, state))
        features, _ = exhausted(embeddings(job))
    head = torch.nn.Linear(features.train.shape[1], len(INKS))
    head.load_state_dict(start)
    optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=job.recipe.optimizer.momentum)
    labels, found = job.labels["train"].float(), []
    for epoch in range(3):
        for indices in make_batches(order(0, epoch, len(labels)), 8):
            losses = binary_cross_entropy_with_logits(
                head(features.train[indices]), labels[indices], reduction="none"
            )
            losses.sum(1).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            scores = head(features.eval).sigmoid()
        found.append(average_precision_score(job.labels["eval"], scores, average="macro"))
    assert [result.eval_map for result in state.history] == pytest.approx(found, abs=1e-12)
    assert state.best.result.epoch == 2
    trained = job.classifier.head.state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in head.state_dict().items())


def test_the_thresholds_of_classes_come_from_heads_that_have_not_seen_the_images(tmp_path, table):
    job, state = job_of(tmp_path, table, calibration="out-of-fold", loss="asymmetric"), State()
    with job.loaders:
        exhausted(train(job, state))
        (source, found), _ = exhausted(calibration_predictions(job, state))
    assert (source, found.logits.shape) == ("out-of-fold", (28, 3))
    assert torch.equal(found.labels, job.labels["train"])
    scores = job.task.probabilities(found.logits)
    calibrated = calibrate(job.task, found.logits, scores, found.labels, 0.9, source)
    assert calibrated.thresholds == job.task.thresholds(scores, found.labels)
    for result in state.history:
        assert result.metrics.keys() == {
            "loss", "map", "macro_f1", "micro_f1", "exact_match",
        }  # fmt: skip
        assert 0 <= result.train_exact_match <= 1


def test_mixed_images_and_a_backbone_that_trains(tmp_path, table):
    phases = [{"name": "all", "epochs": 1, "lr": 0.01, "augment": ["mixup", "cutmix"]}]
    job = job_of(tmp_path, table, phases=phases, loss={"pos_weight": "balanced"}, calibration=0.2)
    with job.loaders:
        exhausted(train(job, state := State()))
    assert {*job.splits.train.labels} > {(), (0, 1, 2)}
    assert state.best.predictions.labels.shape == (12, 3)
    assert len(job.held_out) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "single-label"}, r'got \(\); write task = "multi-label"'),
        ({"loss": "cross-entropy"}, "loss: must fit the task 'multi-label', got 'cross-entropy'"),
        ({"metrics": ["balanced-accuracy"]}, "metrics: must fit the task 'multi-label'"),
    ],
)
def test_what_does_not_fit_the_task_is_an_error_before_anything_trains(
    tmp_path, table, changes, message
):
    with pytest.raises((RecipeError, DataError, PluginError), match=message):
        job_of(tmp_path, table, **changes)


def test_a_plain_column_of_labels_is_no_set_of_labels(tmp_path, table):
    plain = table.with_name("plain.csv")
    plain.write_text(table.read_text().replace(",,", ",none,"))
    data = {"kind": "csv", "file": str(plain)}
    with pytest.raises(PluginError, match=r"one class for each image; .* data.label_separator"):
        job_of(tmp_path, table, data=data)
