"""The detectors that the package ships: small, safe to read, described by their presets; the tour's finds digits."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.config import tour_preset
from tinymaskrcnn.data import open_stream
from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.zoo.shipped import DEFAULT, SHIPPED, is_shipped, load_shipped, load_tour_detector

SCENES = 24


@pytest.fixture(scope="module")
def model():
    return load_tour_detector()


@pytest.mark.parametrize("shipped", SHIPPED.values(), ids=SHIPPED)
def test_the_file_is_small_and_holds_plain_arrays(shipped):
    file = files("tinymaskrcnn.zoo").joinpath(shipped.file)
    assert len(file.read_bytes()) <= 1_000_000
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        kinds = {arrays[name].dtype.kind for name in arrays.files}
    assert kinds == {"f", "u"}


def test_every_trained_file_has_its_name():
    there = {path.name for path in files("tinymaskrcnn.zoo").iterdir() if path.name.endswith(".npz")}
    assert {shipped.file for shipped in SHIPPED.values()} == there and DEFAULT in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_the_model_of_its_preset_and_ready_to_detect(name):
    model = load_shipped(name)
    assert model.config == SHIPPED[name].preset().model == open_detector(name).model.config
    assert not model.training
    assert all(p.value.dtype == np.float32 for p in model.parameters())


@pytest.mark.parametrize("name", SHIPPED)
def test_its_name_is_that_of_a_detector_unless_something_is_called_so(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_shipped(name) and is_shipped(Path(name)) and not is_shipped(f"{name}s")
    (tmp_path / name).mkdir()
    assert not is_shipped(name)


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
