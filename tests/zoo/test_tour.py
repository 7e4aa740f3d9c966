"""The detector that the package ships: small, safe to read, described by its preset, and it finds digits."""

from importlib.resources import files

import numpy as np
import pytest

from tinymaskrcnn.config import tour_preset
from tinymaskrcnn.data import open_stream
from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.zoo.tour import FILE, load_tour_detector

SCENES = 24


@pytest.fixture(scope="module")
def model():
    return load_tour_detector()


def test_the_file_is_small_and_holds_plain_arrays():
    file = files("tinymaskrcnn.zoo").joinpath(FILE)
    assert len(file.read_bytes()) <= 1_000_000
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        kinds = {arrays[name].dtype.kind for name in arrays.files}
    assert kinds == {"f", "u"}


def test_it_is_the_model_of_its_preset_and_ready_to_detect(model):
    assert model.config == tour_preset().model
    assert not model.training
    assert all(p.value.dtype == np.float32 for p in model.parameters())


def evaluate(model):
    """(AP50 of boxes, of masks, share of the digits that were found) on scenes of digits it was not trained on."""
    stream = open_stream(tour_preset(), split="test")
    kinds = [Evaluator(iou_type=kind) for kind in ("bbox", "segm")]
    for first in range(0, SCENES, 8):
        images, truths = zip(*(stream.scene(i) for i in range(first, first + 8)))
        for truth, found in zip(truths, model.detect(np.stack(images))):
            for kind in kinds:
                kind.add(truth, found)
    boxes, masks = (kind.summarize() for kind in kinds)
    return boxes["AP50"], masks["AP50"]


def test_it_finds_the_digits_of_scenes_it_has_not_seen(model):
    boxes, masks = evaluate(model)
    assert boxes >= 0.97  # measured: 0.982
    assert masks >= 0.97


def test_the_measurement_notices_weights_that_went_wrong():
    broken = load_tour_detector()
    broken.roi_heads.heads["box"].predictor.cls_score.weight.value[:, 1:] = np.roll(
        broken.roi_heads.heads["box"].predictor.cls_score.weight.value[:, 1:], 1, axis=1
    )
    boxes, _ = evaluate(broken)
    assert boxes < 0.1
