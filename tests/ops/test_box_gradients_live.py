"""The way from the heads back to the RPN's deltas against torch's autograd, where torch and torchvision are installed.

torchvision decodes, clips and encodes; its RoIAlign has no gradient for boxes, so the crops are read by grid_sample.
"""

import numpy as np
import pytest

from tinymaskrcnn.ops import box_gradients, more_losses, pyramid_boxes

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("torchvision", reason="needs torchvision")

WEIGHTS = (10.0, 10.0, 5.0, 5.0)
SIZE, SCALE, BINS, SAMPLES = 64, 0.25, 3, 2


def drawn(seed):
    """Features (1, 16, 16, 2), deltas (1, 7, 4), anchors of which some leave the picture, objects and masks' logits."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(-6, 50, (7, 2))
    anchors = np.concatenate([start, start + rng.uniform(6, 30, (7, 2))], axis=1)
    deltas = rng.normal(0, 0.4, (1, 7, 4))
    deltas[0, 0, 2] = 9.0  # held at the clamp
    start = rng.uniform(0, 40, (5, 2))
    objects = np.concatenate([start, start + rng.uniform(5, 20, (5, 2))], axis=1)
    features = rng.normal(size=(1, SIZE // 4, SIZE // 4, 2))
    dcrops, predicted = rng.normal(size=(5, BINS, BINS, 2)), rng.normal(size=(5, 4))
    return features, deltas, anchors, objects, dcrops, predicted


def ours(features, deltas, anchors, objects, dcrops, predicted, chosen):
    sides = dict(height=np.full((1, 1), float(SIZE)), width=np.full((1, 1), float(SIZE)))
    proposals, c_move = box_gradients.move_anchors_forward(deltas, anchors=anchors, chosen=chosen, **sides)
    rois, c_drawn = box_gradients.drawn_rois_forward(
        proposals, image_index=np.zeros(5, int), row=np.arange(5), rois=np.zeros((5, 4))
    )
    place = dict(image_index=np.zeros(5, int), level=np.zeros(5, int), scales=[SCALE])
    crops, c_crops = pyramid_boxes.pyramid_roi_align_boxes_forward(
        [features], rois, output_size=BINS, samples=SAMPLES, **place
    )
    answers, c_encode = box_gradients.encode_forward(objects, rois, weights=WEIGHTS)
    loss, c_loss = more_losses.smooth_l1_both_forward(predicted, answers, beta=1 / 9)
    _, danswers = more_losses.smooth_l1_both_backward(1.0, c_loss)
    drois = pyramid_boxes.pyramid_roi_align_boxes_backward(dcrops, c_crops)[1]
    drois = drois + box_gradients.encode_backward(danswers, c_encode)[1]
    dproposals = box_gradients.drawn_rois_backward(drois, c_drawn)
    return (crops * dcrops).sum() + loss, box_gradients.move_anchors_backward(dproposals, c_move)


def theirs(features, deltas, anchors, objects, dcrops, predicted, chosen):
    from torchvision.models.detection import _utils
    from torchvision.ops import boxes

    arrays = features, anchors, objects, dcrops, predicted
    features, anchors, objects, dcrops, predicted = map(torch.from_numpy, arrays)
    deltas = torch.from_numpy(deltas).requires_grad_()
    chosen = torch.from_numpy(chosen[0])
    decoded = _utils.BoxCoder((1.0,) * 4).decode_single(deltas[0, chosen], anchors[chosen])
    rois = boxes.clip_boxes_to_image(decoded, (SIZE, SIZE))
    along = (torch.arange(BINS * SAMPLES, dtype=torch.float64) + 0.5) / (BINS * SAMPLES)
    x, y = (SCALE * (rois[:, i, None] + along * (rois[:, i + 2] - rois[:, i])[:, None]) for i in range(2))
    grid = torch.stack([x[:, None, :].expand(5, len(along), -1), y[:, :, None].expand(5, -1, len(along))], dim=-1)
    grid = 2 * grid / (SIZE * SCALE) - 1  # -1 and 1 are the borders of the picture
    planes = features.permute(0, 3, 1, 2).expand(5, -1, -1, -1)
    points = torch.nn.functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    crops = torch.nn.functional.avg_pool2d(points, SAMPLES).permute(0, 2, 3, 1)
    answers = _utils.encode_boxes(objects, rois, torch.tensor(WEIGHTS, dtype=torch.float64))
    loss = torch.nn.functional.smooth_l1_loss(predicted, answers, beta=1 / 9, reduction="sum") / 5
    total = (crops * dcrops).sum() + loss
    total.backward()
    return total.item(), deltas.grad.numpy()


@pytest.mark.parametrize("seed", range(5))
def test_from_the_heads_to_the_deltas(seed):
    case = drawn(seed)
    chosen = np.array([[6, 0, 3, 1, 4]])
    loss, ddeltas = ours(*case, chosen)
    wanted, dwanted = theirs(*case, chosen)
    np.testing.assert_allclose(loss, wanted, rtol=1e-12)
    np.testing.assert_allclose(ddeltas, dwanted, rtol=1e-9, atol=1e-12)
    assert ddeltas[0, 0, 2] == 0 and not ddeltas[0, [2, 5]].any() and np.abs(ddeltas).max() > 1
