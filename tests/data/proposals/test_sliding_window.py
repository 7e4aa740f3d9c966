"""Windows over scales, and their order: cues against plain loops, whole things first."""

import numpy as np
import pytest

from tinymaskrcnn.config import ProposalConfig, scene_preset
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.data.proposals import sliding_window as module
from tinymaskrcnn.data.proposals.colors import to_space
from tinymaskrcnn.data.proposals.sliding_window import contrast, sliding_windows, whole_regions, windows
from tinymaskrcnn.ops.boxes import iou_matrix


def test_windows_of_every_size_lie_in_the_picture():
    boxes = windows(64, 96, min_side=16)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    assert boxes.min() >= 0 and boxes[:, 2].max() == 96 and boxes[:, 3].max() == 64
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    ratios = np.round(np.log2(height / width))
    assert set(ratios) == {-1, 0, 1}
    assert len(np.unique(np.round(2 * np.log2(np.sqrt(width * height) / 16)))) == 5  # 16, 23, 32, 45, 64
    assert windows(5, 5, min_side=16).tolist() == [[0, 0, 5, 5]]


@pytest.mark.parametrize("least", [2, 3, 16])
def test_windows_by_definition(least):
    """Each side is root 2 of the one before, each step a quarter of a side; squares, and twice as high or wide."""
    height, width, wanted, side = 24, 33, [], float(least)
    while side <= width:
        for ratio in (0.5, 1, 2):
            h, w = round(side * ratio**0.5), round(side / ratio**0.5)
            for y in range(0, height - h + 1, max(1, round(h / 4))):
                wanted += [(x, y, x + w, y + h) for x in range(0, width - w + 1, max(1, round(w / 4)))]
        side *= 2**0.5
    assert list(map(tuple, windows(height, width, min_side=least).tolist())) == wanted
    assert windows(5, 7, min_side=16).tolist() == [[0, 0, 7, 5]]


def test_how_many_windows_of_what_size_compete(monkeypatch):
    """Sizes in the settings are meant for 128 pixels; eight times as many windows as asked for meet in the NMS."""
    asked = {}

    def spied(owner, name):
        before = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **k: asked.update({name: (a, k)}) or before(*a, **k))

    for owner, name in ((module, "segment"), (module, "windows"), (module, "contrast"), (module.nms, "nms")):
        spied(owner, name)
    image = np.random.default_rng(0).random((64, 128, 3))
    config = ProposalConfig(color_spaces=("rgi", "hsv"), scales=(40.0, 90.0), min_size=9, min_side=7.0, most=6)
    boxes = sliding_windows(image, config)
    assert len(boxes) == 6 and asked["windows"][0] == (64, 128)
    assert asked["windows"][1] == {"min_side": pytest.approx(2 * 7 * 0.5**0.5, rel=1e-12)}
    assert asked["segment"][1] == {"scale": pytest.approx(40 * 0.5**0.5, rel=1e-12), "min_size": 4, "sigma": 0.8}
    np.testing.assert_array_equal(asked["contrast"][0][0], to_space(image, "rgi"))
    (met, scores), settings = asked["nms"]
    assert len(met) == 48 and (np.diff(scores) <= 0).all() and settings == {"iou_threshold": 0.7}
    sliding_windows(np.zeros((6, 5, 1)), ProposalConfig(min_side=1.0, min_size=9))
    assert asked["windows"][1] == {"min_side": 2} and asked["segment"][1]["min_size"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_cut_regions_and_contrast_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (6, 8)).repeat(3, axis=0).repeat(3, axis=1)
    image = rng.random((18, 24, 2))
    image.flat[::5], image.flat[3::5] = 1, 0  # the ends belong to the last and the first bin
    boxes = np.concatenate([windows(18, 24, min_side=6)[::7], [[0, 0, 24, 18], [4, 3, 5, 4]]])
    whole, differs = whole_regions(labels, boxes), contrast(image, boxes)
    for (x1, y1, x2, y2), cut, different in zip(boxes.tolist(), whole, differs):
        inside = labels[y1:y2, x1:x2]
        lost = sum(min((inside == r).sum(), (labels == r).sum() - (inside == r).sum()) for r in range(5))
        assert cut == pytest.approx(max(1 - lost / inside.size, 0))
        more_x, more_y = (x2 - x1) // 4 + 1, (y2 - y1) // 4 + 1
        frame = np.zeros(labels.shape, bool)
        frame[max(y1 - more_y, 0) : y2 + more_y, max(x1 - more_x, 0) : x2 + more_x] = True
        frame[y1:y2, x1:x2] = False
        shared = 0
        for channel in np.moveaxis(image, 2, 0):
            within = np.histogram(channel[y1:y2, x1:x2], 8, (0, 1))[0] / inside.size
            shared += np.minimum(within, np.histogram(channel[frame], 8, (0, 1))[0] / max(frame.sum(), 1)).sum()
        assert different == pytest.approx(1 - shared / 2)


def test_the_window_around_a_square_comes_first():
    image = np.full((64, 64, 1), 0.1)
    image[16:32, 24:40] = 0.9
    boxes = sliding_windows(image, ProposalConfig(min_side=16.0))
    assert iou_matrix(np.array([[24, 16, 40, 32]], np.float32), boxes[:1]) == 1
    assert len(boxes) == len(np.unique(boxes, axis=0)) and boxes.dtype == np.float32


def test_few_windows_cover_the_digits_of_a_scene():
    stream = SceneStream(scene_preset("clean"), split="train", seed=1, batch_size=1)
    config = ProposalConfig(most=100)
    best = []
    for image, target in map(stream.scene, range(5)):
        boxes = sliding_windows(image, config)
        assert len(boxes) <= 100
        np.testing.assert_array_equal(boxes, sliding_windows(image.copy(), config))
        best.append(iou_matrix(target.boxes, boxes).max(axis=1))
    assert (np.concatenate(best) >= 0.5).mean() >= 0.95
