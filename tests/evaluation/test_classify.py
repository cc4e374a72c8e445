"""Images are classified in the batches of a run's evaluation; unreadable ones are listed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from run_files import predictions
from small import UNREADABLE
from tlf.errors import DataError, RunError, WeightsError
from tlf.evaluation.classify import classify
from tlf.evaluation.images import align, source_of
from tlf.evaluation.models import load
from tlf.evaluation.views import Views
from tlf.inference.read_ahead import read_ahead
from tlf.tasks import TASKS


@pytest.fixture
def classified(finished):
    """Classify images with the run."""

    def classified(data, split=None, **options):
        model = load(finished, None, None)
        found = source_of(finished, data, (), split).found
        return classify(model, align(found, "mine", model.labels, TASKS["single-label"]), **options)

    return classified


def test_the_eval_images_of_a_run_get_the_same_bits(finished):
    model = load(finished, None, None)
    found = source_of(finished, None, (), None).found
    predicted = classify(model, align(found, "mine", model.labels, TASKS["single-label"])).predicted
    rows = predictions(finished)
    assert predicted.names == tuple(row["path"] for row in rows)
    expected = np.array([[float(row[f"p_{name}"]) for name in model.labels] for row in rows])
    assert np.array_equal(predicted.probabilities.astype(np.float32), expected.astype(np.float32))
    assert [model.labels[k] for k in predicted.labels] == [row["label"] for row in rows]


def test_unreadable_images_are_listed_and_the_others_keep_their_rows(classified, spoilt, images):
    watched = []

    def watch(items, total, failed):
        for item in items:
            watched.append((item, total, failed()))
            yield item

    found = classified(spoilt, "val", watch=watch)
    bad = {name: why for name, why in UNREADABLE.items() if name.startswith("val/")}
    assert [name for name, _ in found.unreadable] == list(bad)
    for (_, why), expected in zip(found.unreadable, bad.values(), strict=True):
        assert expected.lower() in why.lower()
    whole = classified(images, "val").predicted
    kept = [whole.names.index(name) for name in found.predicted.names]
    assert len(kept) == len(whole) - 1
    assert [item for item, *_ in watched] == [*range(len(kept))]
    assert watched[-1][1:] == (len(kept) + 2, 2)
    np.testing.assert_allclose(
        found.predicted.probabilities, whole.probabilities[kept], atol=1e-6, rtol=0
    )
    assert found.predicted.labels.tolist() == whole.labels[kept].tolist()


def test_where_no_image_can_be_read_all_are_named(classified, tmp_path):
    for name in ("circles/1.jpg", "squares/2.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no image")
    with pytest.raises(DataError, match=r"no image can be read\n  circles/1.jpg: not an image"):
        classified(tmp_path)


def test_views_are_averaged_beside_the_plain_probabilities(classified, images, finished):
    plain = classified(images).predicted
    found = classified(images, views=Views(3))
    assert np.array_equal(found.predicted.probabilities, plain.probabilities)
    assert found.averaged is not None
    model = load(finished, None, None)
    files = [images / name for name in plain.names]
    cut = [views for _, views in read_ahead(files, model.preprocessing, by=1, crop=Views(3).cut)]
    each = [model.logits([views[v] for views in cut]).softmax(1).double() for v in range(3)]
    expected = sum(each).numpy() / 3
    np.testing.assert_allclose(found.averaged.probabilities, expected, atol=1e-7)
    assert np.abs(found.averaged.probabilities - plain.probabilities).max() > 1e-4


def test_a_model_that_takes_whole_images_has_no_margin_for_crops(images, finished):
    model = load(finished, None, None)
    found = source_of(finished, images, (), None).found
    aligned = align(found, "mine", model.labels, TASKS["single-label"])
    squash = replace(model.classifier, preprocessing=replace(model.preprocessing, crop="squash"))
    with pytest.raises(RunError, match="tta must be flip for this model, which takes whole images"):
        classify(replace(model, classifier=squash), aligned, Views(3))


def test_logits_that_are_not_finite_are_an_error(classified, images, finished):
    model = load(finished, None, None)
    with torch.no_grad():
        model.classifier.model.head.bias.fill_(float("nan"))
    found = source_of(finished, images, (), None).found
    with pytest.raises(WeightsError, match="logits must be finite, got NaN or infinity: the model"):
        classify(model, align(found, "mine", model.labels, TASKS["single-label"]))
