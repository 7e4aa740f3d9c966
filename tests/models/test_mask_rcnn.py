"""The whole network: its gradient, its decisions, its images without objects, and that it learns."""

import copy
import dataclasses

import numpy as np
import pytest
from tiny_model import change_heads, tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.models import found as found_module
from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.mask_rcnn import MaskRCNN, Normalize
from tinymaskrcnn.nn.module import Module
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.testing import check_layer

LOSSES = ["rpn_objectness", "rpn_box", "box_class", "box_delta", "mask"]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="batch-sigmoid"),
        pytest.param({"norm": "group", "objectness": "softmax"}, id="group-softmax"),
        pytest.param(
            {"norm": "frozen", "block": "bottleneck", "stem": "7x7"}, id="frozen-bottleneck", marks=pytest.mark.long
        ),
    ],
)
def test_gradient_of_every_parameter(config):
    model = tiny_model(**config)
    images, targets = tiny_scene()
    samples = tiny_samples(model, images, targets)
    assert len(samples.rois.mask_rows) > 0
    skip = {"zero_rows": "the samples belong to these two images"}
    check_layer(model, images, targets=None, samples=samples, skip=skip, directions=1)


def test_mean_and_deviation_may_be_lists():
    images, sizes = np.full((1, 2, 3, 2), 0.5), np.array([[2, 3]])
    y, _ = Normalize([0.25, 0.5], [0.5, 0.1]).forward(images, sizes=sizes)
    np.testing.assert_allclose(y[0, 0, 0], [0.5, 0.0])


def test_losses_are_the_five_of_the_paper_and_float32():
    images, targets = tiny_scene()
    losses, _ = tiny_model().forward(images, targets=targets, rng=np.random.default_rng(0))
    assert list(losses) == LOSSES
    assert all(loss.dtype == np.float32 and loss.shape == () for loss in losses.values())


def test_same_generator_same_step_other_generator_other_step():
    images, targets = tiny_scene()
    model = tiny_model(norm="group")
    runs = [model.forward(images, targets=targets, rng=np.random.default_rng(s))[0] for s in (1, 1, 2)]
    assert all(runs[0][name] == runs[1][name] for name in LOSSES)
    assert any(runs[0][name] != runs[2][name] for name in LOSSES)


@pytest.mark.parametrize("objects", [(0, 2), (0, 0)])
def test_images_without_objects_are_ordinary(objects):
    images, targets = tiny_scene(objects)
    model = tiny_model()
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 1.0 for name in losses}, cache)
    assert all(np.isfinite(loss) for loss in losses.values())
    assert all(np.isfinite(p.grad).all() for p in model.parameters())
    if not any(objects):
        assert losses["mask"] == 0 and losses["box_delta"] == 0 and losses["rpn_box"] == 0


def test_a_loss_weight_is_another_seed():
    images, targets = tiny_scene()
    model = tiny_model(norm="group")
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    gradients = []
    for weight in (1.0, 3.0):
        model.zero_grad()
        model.backward({name: weight * (name == "mask") for name in LOSSES}, cache)
        gradients.append({name: p.grad.copy() for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], 3 * gradient, rtol=1e-4, atol=1e-6)
        touched = name.startswith(("backbone", "roi_heads.mask"))
        assert touched or np.abs(gradient).max() == 0, f"the mask loss must not reach {name}"


def test_it_learns_two_scenes_by_heart():
    """Sixty steps of plain gradient descent on the default network: the losses fall and the objects are found."""
    images, targets = tiny_scene((1, 2))
    model = build_model(ModelConfig(), rng=np.random.default_rng(0))
    history = []
    for step in range(60):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(step))
        model.backward({name: 1.0 for name in losses}, cache)
        for p in model.parameters():
            p.value -= 0.03 * p.grad
        history.append(sum(losses.values()))
    assert np.mean(history[-5:]) < 0.25 * history[0]
    model.eval()
    for n, found in enumerate(model.detect(images)):
        overlap = iou_matrix(targets.boxes[n][targets.valid[n]], found.boxes)
        assert overlap.max(axis=1).min() > 0.5


def test_training_leaves_nothing_behind_but_gradients_and_running_statistics():
    images, targets = tiny_scene()
    model = tiny_model()
    before = copy.deepcopy(vars(model))
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 1.0 for name in losses}, cache)
    assert vars(model).keys() == before.keys()


def test_detect_gives_sorted_boxes_inside_the_true_image():
    images, _ = tiny_scene()
    model = tiny_model().eval()
    found = model.detect(images, sizes=np.array([[64, 64], [50, 40]]))
    assert len(found) == 2
    for detections, (height, width) in zip(found, [(64, 64), (50, 40)]):
        assert len(detections) > 0
        assert (np.diff(detections.scores) <= 0).all()
        assert detections.boxes.min() >= 0
        assert detections.boxes[:, 2].max() <= width and detections.boxes[:, 3].max() <= height
        assert detections.masks.shape == (len(detections), height, width) and detections.masks.dtype == bool
        assert detections.labels.min() >= 1


def test_normalize():
    mean, std, sizes = (0.1, 0.2, 0.3), (0.5, 0.4, 0.3), np.array([[7, 5], [4, 6]])
    images = np.random.default_rng(0).random((2, 7, 6, 3), np.float32)
    y, _ = Normalize(mean, std).forward(images, sizes=sizes)
    for image, wanted, (height, width) in zip(y, images, sizes):
        inside = (wanted[:height, :width] - np.float32(mean)) / np.float32(std)
        np.testing.assert_allclose(image[:height, :width], inside, rtol=1e-6)
        assert not image[height:].any() and not image[:, width:].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_way_back_through_the_normalisation(dtype):
    """Divided by the deviation inside a picture, nothing from its padding; None where all below is frozen."""
    sizes = np.array([[7, 5], [4, 6]])
    layer = Normalize((0.1, 0.2), (0.5, 0.25))
    y, cache = layer.forward(np.ones((2, 7, 6, 2), dtype), sizes=sizes)
    dy = np.random.default_rng(0).standard_normal(y.shape).astype(dtype)
    dx = layer.backward(dy, cache)
    assert y.dtype == dx.dtype == dtype
    wanted = np.zeros_like(dy)
    for n, (height, width) in enumerate(sizes):
        wanted[n, :height, :width] = dy[n, :height, :width] / np.array([0.5, 0.25], dtype)
    np.testing.assert_allclose(dx, wanted, rtol=1e-6)
    assert layer.backward(None, cache) is None
    assert layer.eval().forward(np.ones((2, 7, 6, 2), dtype), sizes=sizes)[1] is None


LAST = {
    "box": "predictor.bbox_pred.weight",
    "mask": "predictor.mask_fcn_logits.weight",
    "keypoint": "predictor.kps_score_lowres.weight",
}
HEADS = [("box",), ("box", "mask"), ("box", "keypoint"), ("box", "mask", "keypoint")]


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("frozen", (-1, 2))
def test_a_head_alone_asks_for_its_answers_and_every_backward_adds(heads, frozen):
    """Without a head its data may be missing; two passes leave twice the gradients of one, in each state."""
    images, targets = tiny_scene()
    model = tiny_model(norm="frozen", heads=heads)
    if frozen >= 0:
        freeze_stages(model.backbone.body, frozen)
    keypoints = np.random.default_rng(0).uniform(8, 40, (*targets.labels.shape, 3, 3)).astype(np.float32)
    data = {"masks": targets.masks, "keypoints": keypoints}
    targets = dataclasses.replace(targets, **{k: v if k.removesuffix("s") in heads else None for k, v in data.items()})
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    assert set(losses) == {*LOSSES[:4], *heads[1:]}
    seeds = {name: 1.0 for name in losses}
    first = model.backward(seeds, cache)
    once = {name: p.grad.copy() for name, p in model.named_parameters()}
    again = model.backward(seeds, cache)
    assert first is again is None if frozen >= 0 else np.array_equal(first, again)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad, 2 * once[name], rtol=1e-5, atol=1e-7, err_msg=name)
        assert p.trainable or not once[name].any(), name
    assert all(once[f"roi_heads.{head}_{part}"].any() for head, part in LAST.items() if head in heads)
    for head in heads[1:]:
        without = dataclasses.replace(targets, **{f"{head}s": None})
        with pytest.raises(ArgumentError, match=f"the model has a {head} head, and the targets have no {head}s"):
            model.forward(images, targets=without, rng=np.random.default_rng(0))
    if "keypoint" in heads:
        few = dataclasses.replace(targets, keypoints=keypoints[:, :, :2])
        with pytest.raises(ArgumentError, match="the targets must have 3 keypoints each, .*; got 2"):
            model.forward(images, targets=few, rng=np.random.default_rng(0))


def test_answers_are_those_of_the_positive_rois():
    """What is handed to the heads: masks twice as fine as the crop, keypoints four times, for rows that are objects."""
    images, targets = tiny_scene()
    keypoints = np.random.default_rng(0).uniform(8, 40, (*targets.labels.shape, 3, 3)).astype(np.float32)
    targets = dataclasses.replace(targets, keypoints=keypoints)
    model = tiny_model(heads=("box", "mask", "keypoint"))
    samples = tiny_samples(model, images, targets)
    rows = samples.rois.mask_rows
    assert len(rows) and (samples.rois.labels[rows] > 0).all()
    masks, keypoints = samples.answers["mask"], samples.answers["keypoint"]
    assert masks.shape == (len(rows), 8, 8) and masks.max() > 0.5
    assert keypoints.position.shape == keypoints.weight.shape == (len(rows), 3)
    assert keypoints.position.max() < 16 * 16
    bare = tiny_samples(tiny_model(heads=("box",)), images, targets)
    assert bare.answers == {"box": None}


@pytest.mark.parametrize("original", ([[64, 64], [50, 40]], [[128, 32], [25, 120]]))
def test_what_was_found_is_told_in_pixels_of_the_original(original):
    """As it was found in the picture that was fed; then boxes, masks and keypoints move to the original's size."""
    images, _ = tiny_scene()
    model = tiny_model(heads=("box", "mask", "keypoint")).eval()
    sizes = np.array([[64, 64], [50, 40]])
    fed = model.detect(images, sizes=sizes)
    found = model.detect(images, sizes=sizes, original_sizes=np.array(original))
    for here, there, (height, width), (h, w) in zip(fed, found, original, sizes, strict=True):
        np.testing.assert_array_equal(here.scores, there.scores)
        np.testing.assert_allclose(there.boxes, here.boxes * np.array([width / w, height / h] * 2), rtol=1e-5)
        scaled = here.keypoints * np.array([width / w, height / h, 1])
        np.testing.assert_allclose(there.keypoints, scaled, rtol=1e-5)
        assert there.masks.shape == (len(here), height, width) and len(here) > 0
        assert there.keypoints.shape == (len(here), 3, 3)
    whole = model.detect(images)
    for one, other in zip(whole, model.detect(images, sizes=np.array([[64, 64]] * 2)), strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        assert one.masks.shape[1:] == (64, 64)


def test_paste_is_told_what_the_settings_say():
    images, _ = tiny_scene()
    model = tiny_model().eval()
    change_heads(model, mask_threshold=0.625)
    told = []

    def paste(masks, boxes, **settings):
        told.append((masks.shape[1:], len(masks) == len(boxes), settings))
        return np.zeros((len(boxes), 1, 1), bool)

    found = model.detect(images, sizes=np.array([[64, 64], [50, 40]]), paste=paste)
    mode = model.roi_heads.config.paste
    wanted = [{"height": h, "width": w, "threshold": 0.625, "mode": mode} for h, w in ((64, 64), (50, 40))]
    assert told == [((8, 8), True, settings) for settings in wanted]
    assert all(one.masks.shape == (len(one), 1, 1) and one.keypoints is None for one in found)


@pytest.mark.parametrize("head", ("mask", "keypoint"))
def test_heads_pass_over_padding_and_change_nothing(head, monkeypatch):
    """On the host only detections reach the mask and keypoint head; as if the rows of padding had gone along."""
    model = tiny_model(heads=("box", head)).eval()
    change_heads(model, score_threshold=0.33)
    images = tiny_scene()[0]
    found, seen = {}, []
    network = model.roi_heads.heads[head].body
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda x: seen.append(len(x)) or forward(x))
    for name, rows in (("some", found_module.rows_in_use), ("all", lambda used: np.arange(used.size))):
        monkeypatch.setattr(found_module, "rows_in_use", rows)
        found[name] = model.detect(images)
    detections = sum(map(len, found["some"]))
    assert seen[0] == detections and 0 < detections < seen[1]
    for some, every in zip(*found.values()):
        np.testing.assert_array_equal(some.boxes, every.boxes)
        values = (some.masks, every.masks) if head == "mask" else (some.keypoints, every.keypoints)
        np.testing.assert_allclose(*values, rtol=1e-4)


def test_no_detection_at_all():
    model = tiny_model().eval()
    change_heads(model, score_threshold=1.0)
    for found in model.detect(tiny_scene()[0]):
        assert len(found) == 0 and found.masks.shape == (0, 64, 64)


def test_padding_of_a_batch_is_invisible_to_the_first_layer():
    model = tiny_model().eval()
    images = np.random.default_rng(0).random((1, 64, 64, 1), dtype=np.float32)
    dirty = images.copy()
    dirty[:, 50:] = 7.0  # whatever lies in the padding
    sizes = np.array([[50, 64]])
    first, second = model.detect(images, sizes=sizes)[0], model.detect(dirty, sizes=sizes)[0]
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_an_image_does_not_depend_on_its_neighbours():
    images, _ = tiny_scene((2, 1))
    model = tiny_model().eval()
    together, alone = model.detect(images)[1], model.detect(images[1:])[0]
    np.testing.assert_allclose(together.boxes, alone.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(together.labels, alone.labels)


def test_errors():
    images, targets = tiny_scene()
    model = tiny_model()
    with pytest.raises(ArgumentError, match=r"call model.eval\(\) first"):
        model.detect(images)
    with pytest.raises(ArgumentError, match="rng must be a numpy.random.Generator"):
        model.forward(images, targets=targets)
    for part, got in ((images[:, :63], r"\(63, 64\)"), (images[:, :, :40], r"\(64, 40\)")):
        with pytest.raises(ArgumentError, match=f"multiples of 32 .*got {got}"):
            model.forward(part, targets=targets, rng=np.random.default_rng(0))
    for part, got in ((images[..., [0, 0]], r"\(2, 64, 64, 2\)"), (images[0], r"\(64, 64, 1\)")):
        with pytest.raises(ShapeError, match=rf"images must be \(N, H, W, C\) with C = 1; got {got}"):
            model.eval().detect(part)


# ---------------------------------------------------------------- another proposer


class GivenProposals(Module):
    """A proposer without parameters and without losses: its boxes come with the batch."""

    def forward(self, pyramid, *, proposals):
        return (proposals,), None

    def backward(self, dsaid, cache):
        return None

    def sample(self, pyramid, targets, *, image_size, rng):
        return None

    def loss_forward(self, proposals, *, targets):
        return {}, None

    def loss_backward(self, dlosses, cache):
        return None

    def propose(self, pyramid, proposals, *, image_size, sizes):
        return proposals, np.ones(proposals.shape[:2], bool)


def proposed(model, images):
    """What the RPN of a model proposes: proposals (N, P, 4), none of them padding."""
    size, sizes = images.shape[1:3], np.full((len(images), 2), images.shape[1])
    pyramid, _ = model.backbone.forward(model.normalize.forward(images, sizes=sizes)[0])
    said, _ = model.rpn.forward(pyramid)
    proposals, valid = model.rpn.propose(pyramid, *said, image_size=size, sizes=sizes)
    assert valid.all()
    return proposals


def without_rpn(model):
    """A detector with the same weights whose proposals are given."""
    return MaskRCNN(model.backbone, GivenProposals(), model.roi_heads, model.config)


def test_proposals_may_come_with_the_batch():
    """The same losses, gradients and detections as an RPN's that proposes the same; only its own are not there."""
    images, targets = tiny_scene()
    model = tiny_model(norm="group")
    given, proposals = without_rpn(model), proposed(model, images)
    rng = np.random.default_rng(3)
    losses, cache = given.forward(images, targets=targets, rng=rng, proposals=proposals)
    assert list(losses) == ["box_class", "box_delta", "mask"]
    assert not any(name.startswith("rpn.") for name in given.state_dict())
    dimages = given.backward(dict.fromkeys(losses, 1.0), cache)
    gradients = [p.grad.copy() for p in given.parameters()]

    rng = np.random.default_rng(3)
    rois, answers = model.roi_heads.choose_samples(
        proposals, np.ones(proposals.shape[:2], bool), targets, sizes=np.full((2, 2), 64), rng=rng
    )
    samples = dataclasses.replace(tiny_samples(model, images, targets), rois=rois, answers=answers)
    wanted, cache = model.forward(images, targets=None, samples=samples)
    assert {name: wanted[name] for name in losses} == losses
    model.zero_grad()
    seeds = dict.fromkeys(losses, 1.0) | {"rpn_objectness": 0.0, "rpn_box": 0.0}
    np.testing.assert_allclose(dimages, model.backward(seeds, cache), rtol=1e-5, atol=1e-9)
    for got, p in zip(gradients, given.parameters(), strict=True):
        np.testing.assert_allclose(got, p.grad, rtol=1e-5, atol=1e-9)


def test_detections_in_given_proposals():
    images, _ = tiny_scene()
    model = tiny_model(norm="frozen").eval()
    given, proposals = without_rpn(model), proposed(model, images)
    for one, other in zip(given.eval().detect(images, proposals=proposals), model.detect(images), strict=True):
        assert len(one) > 0
        for name in ("boxes", "labels", "scores", "masks"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    with pytest.raises(TypeError, match="proposals"):
        model.detect(images, proposals=proposals)
