"""What heads say at inference: about which boxes, of which class, and how it is reported in the picture's pixels."""

import types

import numpy as np
import pytest

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.models.found import Found
from tinymaskrcnn.models.heads.box import BoxHead
from tinymaskrcnn.models.heads.keypoint import KeypointHead, decode_keypoints
from tinymaskrcnn.models.heads.mask_variants import MASK_HEADS
from tinymaskrcnn.ops.activation import sigmoid_forward, softmax_forward
from tinymaskrcnn.ops.roi_align import pyramid_roi_align_forward

CONFIG = dict(mask_size=2, mask_widths=(5, 4), mask_deconv_width=3, keypoint_size=2, keypoint_widths=(3,))
CONFIG |= dict(num_keypoints=4, box_size=2, head_width=5, canonical_size=16)
VALID = np.array([[True, False, True], [True, True, False]])
LABELS = np.array([[2, 1, 1], [1, 2, 2]])
WAY = {"old": (40, 60), "new": (100, 90)}  # 5/2 of its rows, 3/2 of its columns


def made(kind, **changes):
    head = kind(2, 3, RoIConfig(**CONFIG | changes), rng=np.random.default_rng(0))
    for p in head.parameters():
        p.value += np.random.default_rng(p.value.size).normal(0, 0.3, p.value.shape).astype(np.float32)
    return head


def scene():
    """Two pictures' pyramids and three boxes in each."""
    rng = np.random.default_rng(1)
    pyramid = [rng.standard_normal((2, 16 >> k, 16 >> k, 2)).astype(np.float32) for k in range(4)]
    corner = rng.uniform(0, 30, (2, 3, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(6, 30, (2, 3, 2))], axis=2).astype(np.float32)
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]], np.float32)
    return pyramid, Found(boxes, LABELS, scores, VALID)


def one_by_one(head, pyramid, found, n, k):
    """The body's answer to one box alone, cut from its own picture."""
    picture = [level[n : n + 1] for level in pyramid]
    crop, _ = head.pool.forward(picture, rois=found.boxes[n, k][None], image_index=np.zeros(1, int))
    return head.body.forward(crop)[0]


@pytest.mark.parametrize("kind", MASK_HEADS)
def test_a_mask_is_that_of_its_box_in_its_picture_and_of_its_class(kind):
    head, (pyramid, found) = made(MASK_HEADS[kind]), scene()
    said = head.detect(pyramid, found, sizes=None).said["mask"]
    assert said.shape == (2, 3, 4, 4) and said.dtype == np.float32
    for n, k in np.ndindex(2, 3):
        h, label = one_by_one(head, pyramid, found, n, k), LABELS[n, k]
        if kind == "softmax":
            wanted = softmax_forward(head.predictor.forward(h)[0])[0][0, :, :, label]
        else:
            channel = np.array([0 if kind == "agnostic" else label])
            wanted = sigmoid_forward(head.predictor.forward(h, channel=channel)[0])[0][0]
        np.testing.assert_allclose(said[n, k], wanted if VALID[n, k] else 0, rtol=1e-4, atol=1e-5)


def test_a_heatmap_is_that_of_its_box_in_its_picture():
    head, (pyramid, found) = made(KeypointHead), scene()
    said = head.detect(pyramid, found, sizes=None).said["keypoint"]
    assert said.shape == (2, 3, 8, 8, 4)
    for n, k in np.ndindex(2, 3):
        wanted = head.predictor.forward(one_by_one(head, pyramid, found, n, k))[0][0]
        np.testing.assert_allclose(said[n, k], wanted if VALID[n, k] else 0, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- reports


def test_boxes_are_reported_in_the_pixels_of_the_picture():
    found = Found(np.array([[4.0, 10, 20, 30]], np.float32), np.array([2]), np.array([0.5], np.float32), None)
    said = made(BoxHead).report(found, **WAY, paste=None)
    np.testing.assert_allclose(said["boxes"], [[6, 25, 30, 75]])
    assert said["labels"] is found.labels and said["scores"] is found.scores and len(said) == 3


def test_keypoints_are_read_at_the_networks_size_and_reported_in_the_pictures():
    boxes = np.array([[4.0, 10, 20, 30], [0, 0, 11, 7]], np.float32)
    heatmaps = np.random.default_rng(2).standard_normal((2, 8, 8, 4)).astype(np.float32)
    found = Found(boxes, None, None, None, {"keypoint": heatmaps})
    said = made(KeypointHead).report(found, **WAY, paste=None)
    wanted = decode_keypoints(heatmaps, boxes) * np.array([1.5, 2.5, 1])
    np.testing.assert_allclose(said["keypoints"], wanted, rtol=1e-6)
    assert said["keypoints"].dtype == np.float32 and len(said) == 1


@pytest.mark.parametrize("kind", MASK_HEADS)
@pytest.mark.parametrize("settings", [{}, {"mask_threshold": 0.25, "paste": "integer"}])
def test_masks_are_pasted_into_the_picture_as_the_settings_say(kind, settings):
    masks = np.random.default_rng(3).random((1, 4, 4))
    found = Found(np.array([[4.0, 10, 20, 30]]), None, None, None, {"mask": masks})
    calls = []
    said = made(MASK_HEADS[kind], **settings).report(found, **WAY, paste=lambda *a, **k: calls.append((a, k)) or "m")
    assert said == {"masks": "m"}
    [((given, boxes), where)] = calls
    assert given is masks and where.pop("height") == 100 and where.pop("width") == 90
    np.testing.assert_allclose(boxes, [[6, 25, 30, 75]])
    wanted = settings or {"mask_threshold": 0.5, "paste": "continuous"}
    assert where == {"threshold": wanted["mask_threshold"], "mode": wanted["paste"]}


# ---------------------------------------------------------------- answers


ROIS = np.array([[4.0, 2, 20, 18], [0, 0, 8, 40]], np.float32)
SEEN = types.SimpleNamespace(rois=ROIS, matched=np.array([1, 0]), weight=np.array([1.0, 1], np.float32))


def test_a_keypoints_answer_is_its_cell_among_four_times_as_many_as_the_crop_has():
    points = np.zeros((1, 2, 4, 3), np.float32)
    points[0, 1] = [[4, 2, 2], [13, 17.9, 1], [8, 6, 0], [21, 6, 2]]  # a corner, inside, not annotated, outside
    points[0, 0] = [[7.5, 36, 1], [0, 39, 2], [3, 4, 2], [1, 20, 0]]
    targets = types.SimpleNamespace(keypoints=points)
    found = made(KeypointHead).answers(SEEN, targets, sizes=None)
    assert found.weight.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert found.position.tolist() == [[0, 7 * 8 + 4, 0, 0], [7 * 8 + 7, 7 * 8, 3, 0]]
    padding = types.SimpleNamespace(**vars(SEEN) | {"weight": np.array([0.0, 1], np.float32)})
    assert made(KeypointHead).answers(padding, targets, sizes=None).weight.sum(axis=1).tolist() == [0, 3]


@pytest.mark.parametrize("aligned", [True, False])
def test_a_masks_answer_is_cut_from_the_object_up_to_the_pictures_own_border(aligned):
    """The second object fills its picture, whose rows and columns beyond 18 and 20 are padding."""
    masks = np.zeros((1, 2, 48, 24), np.uint8)
    masks[0, 1, :18, :20] = 1
    masks[0, 0] = np.random.default_rng(5).integers(0, 2, (48, 24))
    head, targets = made(MASK_HEADS["per_class"], aligned=aligned), types.SimpleNamespace(masks=masks)
    found = head.answers(SEEN, targets, sizes=np.array([[18, 20]]))
    assert found.shape == (2, 4, 4)
    np.testing.assert_allclose(found[0], 1)
    inside = types.SimpleNamespace(**vars(SEEN) | {"rois": np.array([[4, 2, 20, 18], [1, 1, 9.0, 17]], np.float32)})
    found = head.answers(inside, targets, sizes=np.array([[48, 24]]))
    image = masks[0, 0][None, :, :, None].astype(np.float32)
    place = dict(image_index=np.zeros(1, int), level=np.zeros(1, int), output_size=4, scales=[1.0])
    wanted, _ = pyramid_roi_align_forward([image], rois=inside.rois[1:], **place, samples=0, aligned=aligned)
    np.testing.assert_allclose(found[1], wanted[0, :, :, 0], atol=1e-6)


@pytest.mark.parametrize("kind", MASK_HEADS)
def test_a_mask_head_wants_masks_and_a_keypoint_head_keypoints(kind):
    nothing = types.SimpleNamespace(masks=None, keypoints=None)
    with pytest.raises(ValueError, match="has a mask head, and the targets have no masks"):
        made(MASK_HEADS[kind]).answers(SEEN, nothing, sizes=None)
    with pytest.raises(ValueError, match="has a keypoint head, and the targets have no keypoints"):
        made(KeypointHead).answers(SEEN, nothing, sizes=None)
