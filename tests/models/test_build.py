"""From settings to networks: the relatives of Mask R-CNN, their names and shapes, and settings that cannot be."""

import dataclasses
import hashlib

import numpy as np
import pytest
from tiny_model import change_heads, tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.config import ModelConfig, torchvision_preset
from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.targets.keypoint import keypoint_targets

ALWAYS = ["rpn_objectness", "rpn_box", "box_class", "box_delta"]
PERSON = {"norm": "frozen", "heads": ("box", "keypoint")}


class Zeros:
    """Stands in for a generator where only shapes matter."""

    standard_normal = staticmethod(np.zeros)

    @staticmethod
    def uniform(low, high, shape):
        return np.zeros(shape)


# The number of tensors of torchvision 0.28's models without num_batches_tracked, and a digest of names and shapes.
TORCHVISION = {
    "fasterrcnn_resnet50_fpn": (295, "3b48f955f86cbb36"),
    "maskrcnn_resnet50_fpn": (307, "fac6a17b4d4c2bb9"),
    "maskrcnn_resnet50_fpn_v2": (363, "afe03c90a9e5eca8"),
    "keypointrcnn_resnet50_fpn": (313, "fa197e3b2b219683"),
}


def torch_shape(name, shape):
    """HWIO to OIHW; (in, out) to (out, in). A transposed convolution has its inputs first."""
    if len(shape) == 4:
        h, w, i, o = shape
        return (i, o, h, w) if "conv5_mask" in name or "kps_score" in name else (o, i, h, w)
    return tuple(reversed(shape))


def digest(shapes):
    lines = [f"{name} {tuple(int(n) for n in shape)}" for name, shape in sorted(shapes.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def our_shapes(kind):
    model = build_model(torchvision_preset(kind), rng=Zeros)
    return {name: torch_shape(name, value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("kind", TORCHVISION)
def test_names_and_shapes_are_torchvisions(kind):
    shapes = our_shapes(kind)
    assert (len(shapes), digest(shapes)) == TORCHVISION[kind]


@pytest.mark.parametrize("kind", TORCHVISION)
def test_the_digest_is_that_of_the_installed_torchvision(kind):
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchvision.models.detection")
    with torch.device("meta"):
        model = getattr(detection, kind)(weights=None, weights_backbone=None)
    theirs = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    theirs = {name: shape for name, shape in theirs.items() if not name.endswith("num_batches_tracked")}
    assert theirs == our_shapes(kind)
    assert (len(theirs), digest(theirs)) == TORCHVISION[kind]


# ---------------------------------------------------------------- heads


def test_box_only_models_need_no_masks():
    images, targets = tiny_scene()
    model = tiny_model(heads=("box",))
    assert not any("mask" in name or "keypoint" in name for name, _ in model.named_parameters())
    boxes_only = dataclasses.replace(targets, masks=None)
    losses, cache = model.forward(images, targets=boxes_only, rng=np.random.default_rng(0))
    assert list(losses) == ALWAYS
    model.backward({name: 1.0 for name in losses}, cache)
    assert all(np.isfinite(p.grad).all() for p in model.parameters())
    silent = {name.rsplit(".", 2)[0] for name, p in model.named_parameters() if not p.grad.any()}
    assert silent == {"backbone.fpn.layer_blocks.3"}  # no anchor of the coarsest levels was sampled
    for found in model.eval().detect(images):
        assert len(found) and found.masks is None and found.keypoints is None


def test_mask_and_keypoint_heads_together():
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(heads=("box", "mask", "keypoint"), norm="group")
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    assert list(losses) == [*ALWAYS, "mask", "keypoint"]
    for name, parts in [("mask", "roi_heads.mask"), ("keypoint", "roi_heads.keypoint")]:
        model.zero_grad()
        model.backward({other: float(other == name) for other in losses}, cache)
        touched = {n.rsplit(".", 2)[0] for n, p in model.named_parameters() if np.abs(p.grad).max() > 1e-7}
        assert all(n.startswith((parts, "backbone")) for n in touched) and any(n.startswith(parts) for n in touched)
    found = model.eval().detect(images)[0]
    assert found.masks.shape == (len(found), 64, 64)
    assert found.keypoints.shape == (len(found), 3, 3) and found.keypoints.dtype == np.float32
    inside = found.keypoints[..., :2] - found.boxes[:, None, :2]
    assert (inside >= 0).all() and (inside <= found.boxes[:, None, 2:] - found.boxes[:, None, :2] + 1).all()


@pytest.mark.parametrize("objects", [(0, 2), (0, 0)])
def test_images_without_people_are_ordinary(objects):
    images, targets = tiny_scene(objects, keypoints=3)
    model = tiny_model(**PERSON)
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 1.0 for name in losses}, cache)
    assert all(np.isfinite(loss) for loss in losses.values())
    assert all(np.isfinite(p.grad).all() for p in model.parameters())
    assert (losses["keypoint"] == 0) == (objects == (0, 0))


def test_people_without_a_visible_keypoint_cost_the_head_nothing():
    images, targets = tiny_scene(keypoints=3)
    targets.keypoints[..., 2] = 0
    model = tiny_model(**PERSON)
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 1.0 for name in losses}, cache)
    assert losses["keypoint"] == 0
    heads = [p for name, p in model.named_parameters() if "keypoint" in name]
    assert heads and not any(p.grad.any() for p in heads)


def test_keypoint_targets_lie_on_the_grid_of_the_heatmaps():
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(**PERSON)
    samples = tiny_samples(model, images, targets)
    rows = samples.rois.mask_rows
    rois, matched = samples.rois.rois[rows], samples.rois.matched[rows]
    wanted = keypoint_targets(targets.keypoints, rois, matched, size=16)  # crops of 4 x 4, heatmaps four times as fine
    np.testing.assert_array_equal(samples.answers["keypoint"].position, wanted.position)
    assert wanted.position.max() > 64 and wanted.weight.any() and not wanted.weight[:, 2].any()
    head, padding = model.roi_heads.heads["keypoint"], np.zeros_like(samples.rois.mask_weight)
    nothing = head.sees(dataclasses.replace(samples.rois, mask_weight=padding))
    assert not head.answers(nothing, targets, sizes=None).weight.any()


def test_the_keypoint_head_learns():
    """Gradient descent on two scenes: the heatmaps point at the corners of the rectangles."""
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(norm="group", heads=("box", "keypoint"))
    history = []
    for _ in range(40):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward({name: 1.0 for name in losses}, cache)
        for p in model.parameters():
            p.value -= 0.05 * p.grad
        history.append(float(losses["keypoint"]))
    assert abs(history[0] - np.log(256)) < 1 and min(history[-5:]) < 0.7 * history[0]


@pytest.mark.parametrize("head", ["mask", "keypoint"])
def test_targets_without_what_a_head_needs_are_named(head):
    images, targets = tiny_scene()
    model = tiny_model(heads=("box", head))
    with pytest.raises(ArgumentError, match=f"the model has a {head} head, and the targets have no {head}s"):
        bare = dataclasses.replace(targets, masks=None)
        model.forward(images, targets=bare, rng=np.random.default_rng(0))


def test_the_number_of_keypoints_is_checked():
    images, targets = tiny_scene(keypoints=2)
    with pytest.raises(ArgumentError, match="must have 3 keypoints each, roi.num_keypoints; got 2"):
        tiny_model(**PERSON).forward(images, targets=targets, rng=np.random.default_rng(0))


C4 = {"backbone": {"fpn": "c4"}, "rpn": {"anchor_sizes": ((8, 16, 32),)}}


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("heads must be a list that holds 'box'", {"heads": ("mask",)}),
        ("heads must be a list that holds 'box'", {"heads": ("box", "pose")}),
        ("heads must be a list that holds 'box'", {"heads": ("box", "box")}),
        ("roi.mask_widths must name at least one width", {"roi": {"mask_widths": ()}}),
        ("roi.keypoint_widths must name", {"roi": {"keypoint_widths": ()}, "heads": ("box", "keypoint")}),
        ("roi.paste must be 'continuous' or 'integer'; got 'round'", {"roi": {"paste": "round"}}),
        ("resize_shorter and resize_longer must both be above 0", {"resize_shorter": 800}),
        ("resize_shorter must be a whole number in 0..100000; got -1", {"resize_shorter": -1, "resize_longer": -1}),
        ("fpn_norm must be '' or 'batch'; got 'layer'", {"backbone": {"fpn_norm": "layer"}}),
        ("norm must be 'batch', 'frozen', 'group' or ''; got 'layer'", {"backbone": {"norm": "layer"}}),
        ("backbone.norm must be 'batch', 'frozen' or 'group' for kind 'resnet'; got ''", {"backbone": {"norm": ""}}),
        ("backbone.depths must have 5 entries for kind 'vgg'; got 4", {"backbone": {"kind": "vgg"}}),
        (
            "backbone.widths must have 4 entries for kind 'plain'; got 5",
            {"backbone": {"kind": "plain", "widths": (8,) * 5}},
        ),
        ("rpn.anchor_sizes must have an entry for the one map, C4; got 5", {"backbone": {"fpn": "c4"}}),
        (
            "rpn.anchor_sizes must have an entry for each of the 5 levels P2..P6; got 1",
            {"rpn": {"anchor_sizes": ((8,),)}},
        ),
        (
            "roi.box_norm must be 'batch' where the box head is the last stage of a ResNet with 'batch' norms; got ''",
            C4,
        ),
        ("roi.box_convs must be ..", C4 | {"roi": {"box_norm": "batch", "box_convs": (8,)}}),
        ("roi.mask_norm must be '' for roi.mask_kind 'fc'", {"roi": {"mask_kind": "fc", "mask_norm": "batch"}}),
    ],
)
def test_settings_that_cannot_be_are_named(message, changes):
    config = ModelConfig()
    with pytest.raises(ConfigError, match=message):
        for part in {"roi", "backbone", "rpn"} & set(changes):
            changes = changes | {part: dataclasses.replace(getattr(config, part), **changes[part])}
        build_model(dataclasses.replace(config, **changes), rng=Zeros)


# ---------------------------------------------------------------- other backbones

BACKBONES = [
    {"kind": kind, "fpn": fpn, "norm": "group" if kind == "resnet" else ""}
    for kind in ("resnet", "vgg", "plain")
    for fpn in ("full", "no_lateral", "no_top_down", "p2", "c4", "c5")
]


@pytest.mark.in_turn
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: f"{b['kind']}-{b['fpn']}")
def test_every_backbone_learns_on_every_map(backbone):
    """30 steps of gradient descent on two scenes; in float64 a step is as it is in float32."""
    images, targets = tiny_scene()
    model = tiny_model(**backbone)
    exact = tiny_model(**backbone).astype(np.float64)
    samples = tiny_samples(model, images, targets)
    wide = dataclasses.replace(targets, boxes=targets.boxes.astype(np.float64))
    given = {"targets": wide, "samples": tiny_samples(exact, images.astype(np.float64), wide)}
    wanted, _ = exact.forward(images.astype(np.float64), **given)
    history = []
    for _ in range(30):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, samples=samples)
        assert history or all(np.isclose(losses[name], wanted[name], rtol=1e-4, atol=1e-5) for name in wanted)
        dimages = model.backward({name: 1.0 for name in losses}, cache)
        assert dimages.shape == images.shape and dimages.any()
        for p in model.parameters():
            p.value -= 0.05 * p.grad
        history.append(sum(map(float, losses.values())))
    assert np.mean(history[-3:]) < 0.9 * history[0]


# ---------------------------------------------------------------- sizes, frozen stages


def test_detections_are_reported_at_the_original_size():
    images, _ = tiny_scene()
    model = tiny_model(heads=("box", "mask", "keypoint")).eval()
    sizes = np.array([[64, 64], [50, 40]])
    plain = model.detect(images, sizes=sizes)
    scaled = model.detect(images, sizes=sizes, original_sizes=np.array([[128, 32], [50, 40]]))
    factors = np.array([0.5, 2, 0.5, 2], np.float32)
    np.testing.assert_allclose(scaled[0].boxes, plain[0].boxes * factors, rtol=1e-6)
    np.testing.assert_allclose(scaled[0].keypoints, plain[0].keypoints * [0.5, 2, 1], rtol=1e-6)
    assert scaled[0].masks.shape == (len(plain[0]), 128, 32)
    area = [d.masks.sum(axis=(1, 2)) for d in (plain[0], scaled[0])]
    large = area[0] > 200
    assert large.any() and (np.abs(area[1][large] / area[0][large] - 1) < 0.15).all()
    for name in ("boxes", "masks", "keypoints", "scores", "labels"):
        np.testing.assert_array_equal(getattr(scaled[1], name), getattr(plain[1], name))


def test_a_frozen_backbone_ends_the_way_back():
    images, targets = tiny_scene()
    images, targets = images.astype(np.float64), dataclasses.replace(targets, boxes=targets.boxes.astype(np.float64))
    gradients = []
    for count in (None, 2):
        model = tiny_model(norm="frozen").astype(np.float64)
        if count is not None:
            freeze_stages(model.backbone.body, count)
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        dimages = model.backward({name: 1.0 for name in losses}, cache)
        assert (dimages is None) == (count is not None)
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.trainable})
    assert set(gradients[1]) < set(gradients[0])
    for name, gradient in gradients[1].items():  # the frozen norms were folded into their convolutions
        np.testing.assert_allclose(gradient, gradients[0][name], atol=1e-12 * abs(gradients[0][name]).max())


def test_integer_pasting_is_a_setting():
    images, _ = tiny_scene()
    model = tiny_model().eval()
    before = model.detect(images)[0]
    change_heads(model, paste="integer")
    after = model.detect(images)[0]
    np.testing.assert_array_equal(before.boxes, after.boxes)
    assert 0 < (before.masks != after.masks).mean() < 0.2


# ---------------------------------------------------------------- on a device


@pytest.mark.parametrize(("version", "paste"), [("", "continuous"), ("v2", "integer")])
def test_a_step_and_a_detection_on_a_device(device, version, paste):
    """Targets, samples, decoding and pasting stay where the arrays are, and choose and find the same.

    With batch norms in the heads no padding may reach them, on the device as little as on the host.
    """
    images, targets = tiny_scene(keypoints=3)
    host = tiny_model(heads=("box", "mask", "keypoint"), version=version)
    there = tiny_model(heads=("box", "mask", "keypoint"), version=version).convert(device.asarray)
    for model in (host, there):
        change_heads(model, paste=paste)
    moved = {f.name: device.asarray(getattr(targets, f.name)) for f in dataclasses.fields(targets)}
    losses = [
        model.forward(x, targets=t, rng=np.random.default_rng(0))[0]
        for model, x, t in ((host, images, targets), (there, device.asarray(images), TargetBatch(**moved)))
    ]
    for name in losses[0]:
        np.testing.assert_allclose(float(losses[1][name]), float(losses[0][name]), rtol=1e-4)
    sizes = np.array([[64, 60], [50, 40]])
    options = {"sizes": sizes, "original_sizes": 2 * sizes}
    found = [host.eval().detect(images, **options), there.eval().detect(device.asarray(images), **options)]
    for here, elsewhere in zip(*found):
        assert type(elsewhere.keypoints) is np.ndarray and len(here) == len(elsewhere) > 0
        np.testing.assert_allclose(elsewhere.boxes, here.boxes, atol=1e-2)
        assert (elsewhere.masks != here.masks).mean() < 1e-3
        assert (np.abs(elsewhere.keypoints[..., :2] - here.keypoints[..., :2]) < 0.1).mean() > 0.95
