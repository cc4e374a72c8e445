"""Logits of train images, from images and from what a run has stored."""

from dataclasses import replace

import pytest
import torch

from generators import exhausted
from small import write_recipe
from tlf.builtin.augmentations import CropFlip
from tlf.data.transforms import normalize
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.training.calibration.classify import train_logits
from tlf.training.embeddings import plain_train_images
from tlf.training.features import activations
from tlf.training.segments.segment import begin_segment, segment_setup


@pytest.mark.parametrize("augmented", [False, True])
def test_they_are_those_of_a_plain_loop(tmp_path, images, augmented):
    """Also where a segment has stored what the head gets for augmented images."""
    text = '[[phases]]\nname = "head"\nfreeze = "backbone"\nepochs = 1\nlr = 0.1\n'
    path = write_recipe(tmp_path / "recipe.toml", images, text)
    job, _ = exhausted(opened(read_plan(path, [f"cache.dir={tmp_path}/cache"])))
    some = [17, 3, 9]
    pixels = torch.stack([plain_train_images(job)[0, index][1] for index in some])
    with torch.inference_mode():
        expected = job.classifier.eval()(normalize(pixels, job.preprocessing))
    frozen = frozenset(job.classifier.backbone_names)
    setup = segment_setup(job, job.recipe.phases[0], frozen)
    segment = begin_segment(job.accelerator, job.classifier, setup)
    with job.loaders:
        if augmented:
            flipped = replace(plain_train_images(job), augmentations=(CropFlip(),))
            stored, _ = exhausted(activations(job, segment, "train", flipped, 0, "views"))
            assert stored is not None
        for given in (None, segment):
            found, _ = exhausted(train_logits(job, some, given))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    job.accelerator.free_memory()
