"""Whole models in onnxruntime say what `detect` says; what cannot be exported is refused and leaves no file."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_model import change_heads, tiny_model

from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.interop.onnx import export_onnx, onnx_model
from tinymaskrcnn.interop.onnx_check import compare_onnx, detect, open_session
from tinymaskrcnn.nn.more_layers import Sigmoid

ALL = {"heads": ("box", "mask", "keypoint")}
MODELS = {
    "batch norm": {},
    "frozen, bottleneck, 7x7": {"norm": "frozen", "block": "bottleneck", "stem": "7x7"},
    "group norm, softmax": {"norm": "group", "objectness": "softmax"},
    "boxes only": {"heads": ("box",)},
    "keypoints": ALL,
    "second version": {"version": "v2", **ALL},
    "VGG": {"kind": "vgg", "norm": ""},
    "VGG, batch norm": {"kind": "vgg", **ALL},
    "plain": {"kind": "plain", "norm": ""},
    "plain, group norm": {"kind": "plain", "norm": "group"},
}


def model_of(name, seed=0, *, rpn=None, roi=None, **settings):
    """A random model that finds many things: deltas and scores spread, thresholds low."""
    model = tiny_model(seed, **MODELS[name]).eval()
    rng = np.random.default_rng(seed)
    for _, buffer in model.named_buffers():
        buffer.value += rng.uniform(0.1, 0.5, buffer.value.shape).astype(np.float32)
    model.roi_heads.heads["box"].predictor.cls_score.weight.value *= 30
    model.roi_heads.heads["box"].predictor.bbox_pred.weight.value *= 30
    rpn = dataclasses.replace(model.rpn.config, post_nms_top_n=(8, 40), **(rpn or {}))
    roi = {"score_threshold": 0.01, "nms_iou": 0.6, "detections_per_image": 30} | (roi or {})
    roi = change_heads(model, **roi)
    model.config = dataclasses.replace(model.config, rpn=rpn, roi=roi, **settings)
    model.rpn.config = rpn
    return model


def pictures(count=4):
    """Strong noise of any size: in a smooth picture a random model gives many boxes the same score, in any order."""
    rng = np.random.default_rng(2)
    sizes = [(96, 96), (50, 96), (65, 97), (64, 31)]
    return [rng.random((*size, 1), dtype=np.float32) for size in sizes[:count]]


@pytest.mark.in_turn
@pytest.mark.parametrize("name", MODELS)
def test_the_same_detections(name):
    model = model_of(name)
    differences = compare_onnx(model, onnx_model(model).SerializeToString(), pictures(), threads=1)
    assert not differences, differences
    assert differences.detections > 40 and differences.pictures == 4
    assert differences.keypoints == (0 if "keypoint" not in model.config.heads else differences.detections * 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"resize_shorter": 48, "resize_longer": 100},
        {"resize_shorter": 120, "resize_longer": 130},
        {"roi": {"paste": "integer"}},
        {"roi": {"aligned": False, "sampling_ratio": 0}},
    ],
    ids=str,
)
def test_the_same_detections_with_other_settings(settings):
    model = model_of("keypoints", seed=1, **settings)
    differences = compare_onnx(model, onnx_model(model).SerializeToString(), pictures(), threads=1)
    assert not differences and differences.detections > 40, differences


@pytest.mark.parametrize("size", [(2, 400), (400, 2)])
def test_a_picture_of_any_shape_has_detections_within_it(size):
    model = model_of("keypoints", seed=1, resize_shorter=48, resize_longer=100)
    session = open_session(onnx_model(model).SerializeToString(), threads=1)
    image = np.random.default_rng(0).random((*size, 1), dtype=np.float32)
    found = dict(zip([output.name for output in session.get_outputs()], session.run(None, {"image": image})))
    assert np.isfinite(found["boxes"]).all() and len(found["boxes"]) == len(found["scores"])
    assert (found["boxes"] >= 0).all() and (found["boxes"] <= [*size[::-1], *size[::-1]]).all()


@pytest.mark.parametrize("settings", [{"roi": {"score_threshold": 1.0}}, {"rpn": {"min_size": 1e5}}], ids=str)
def test_nothing_found(settings):
    model = model_of("second version", **settings)
    session = open_session(onnx_model(model).SerializeToString(), threads=1)
    boxes, labels, scores, masks, probabilities, keypoints = session.run(None, {"image": pictures()[1]})
    assert boxes.shape == (0, 4) and labels.shape == scores.shape == (0,)
    assert masks.shape == (0, 50, 96) and probabilities.shape == (0, 8, 8) and keypoints.shape == (0, 3, 3)


def test_what_comes_out_is_what_the_file_says():
    model = model_of("batch norm")
    session = open_session(onnx_model(model, licence="CC0").SerializeToString(), threads=1)
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [
        ("image", ["height", "width", 1], "tensor(float)")
    ]
    outputs = {output.name: (output.shape, output.type) for output in session.get_outputs()}
    assert outputs["masks"] == (["detections", "height", "width"], "tensor(bool)")
    assert outputs["labels"] == (["detections"], "tensor(int64)")
    found = dict(zip(outputs, session.run(None, {"image": pictures()[0]})))
    ours = detect(model, pictures()[0])
    assert found["boxes"].dtype == np.float32 and found["labels"].dtype == np.int64
    assert (np.diff(found["scores"]) <= 0).all() and found["masks"].any() and not found["masks"].all()
    np.testing.assert_allclose(found["scores"], ours.scores, atol=1e-4)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["class_names"]) == ["background", "flat", "tall"] and about["licence"] == "CC0"
    assert json.loads(about["image_mean"]) == [0.1] and json.loads(about["image_std"]) == [0.25]


def test_weights_keep_their_names_and_shared_ones_are_stored_once():
    proto = onnx_model(model_of("batch norm"))
    names = [tensor.name for tensor in proto.graph.initializer]
    assert len(names) == len(set(names))
    assert {"backbone.body.layer1.0.conv1.weight", "rpn.head.conv.0.0.weight"} <= set(names)
    assert [entry.version for entry in proto.opset_import] == [17]


@pytest.mark.parametrize("name", ["VGG, batch norm", "plain", "group norm, softmax"])
def test_weights_of_every_backbone_keep_their_names(name):
    model = model_of(name)
    stored = {tensor.name for tensor in onnx_model(model).graph.initializer}
    assert {n for n in model.state_dict() if n.startswith("backbone.")} <= stored


def planted(model, part):
    """Change one number of the model after it was exported."""
    if part == "weight":
        model.backbone.fpn.inner_blocks[1].layers[0].weight.value[0, 0, :, 0] += 0.5
    elif part == "bias of the masks":
        model.roi_heads.heads["mask"].predictor.mask_fcn_logits.bias.value += 1
    elif part == "running mean":
        model.backbone.body.stem.layers[1].running_mean.value += 0.3
    else:
        change_heads(model, **part)
    return model


@pytest.mark.parametrize(
    "part", ["weight", "bias of the masks", "running mean", {"aligned": False}, {"nms_iou": 0.3}], ids=str
)
def test_a_model_that_differs_is_noticed(part):
    data = onnx_model(model_of("batch norm")).SerializeToString()
    assert compare_onnx(planted(model_of("batch norm"), part), data, pictures(2), threads=1)


# ---------------------------------------------------------------- the file


def test_the_file_is_whole_or_not_there(tmp_path):
    model, path = model_of("boxes only"), tmp_path / "model.onnx"
    path.write_bytes(b"before")

    def refuse(data):
        assert path.read_bytes() == b"before" and len(data) > 10_000
        raise ArgumentError("no")

    with pytest.raises(ArgumentError, match="no"):
        export_onnx(model, path, check=refuse)
    assert path.read_bytes() == b"before"
    data = export_onnx(model, path)
    assert path.read_bytes() == data and [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_layer_without_onnx_form_leaves_no_file(tmp_path):
    model = model_of("batch norm")
    conv, norm, _, pool = model.backbone.body.stem.layers
    model.backbone.body.stem.layers = conv, norm, Sigmoid(), pool
    with pytest.raises(ConfigError, match="knows no layer Sigmoid"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="is a folder; give the name of a file"):
        export_onnx(model_of("boxes only"), tmp_path)


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export_onnx(model_of("boxes only"), path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1
