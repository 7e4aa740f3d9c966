"""torchvision's state dicts in and out: nothing lost, nothing guessed, and every misfit said in one line."""

import re
from functools import cache

import numpy as np
import pytest
from interop import small

from tinymaskrcnn.config import BackboneConfig, ModelConfig
from tinymaskrcnn.errors import CheckpointError, ConfigError
from tinymaskrcnn.interop.torchvision import from_state_dict, modern_names, read_config, recognize, to_state_dict
from tinymaskrcnn.models.build import build_model

FASTER, MASK, MASK_V2, KEYPOINT = small.KINDS


@cache
def drawn(kind, seed=0):
    return small.weights(small.settings(kind, seed), seed, np.float32)


def with_counters(arrays):
    norms = [name.removesuffix(".running_var") for name in arrays if name.endswith(".running_var")]
    return arrays | {f"{name}.num_batches_tracked": np.asarray(7, np.int64) for name in norms}


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back_is_exact(kind, seed, dtype):
    arrays = {name: array.astype(dtype) + dtype(1e-3) for name, array in drawn(kind, seed).items()}
    back = to_state_dict(from_state_dict(kind, arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == dtype and back[name].flags.c_contiguous
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_half_precision_becomes_float32():
    arrays = {name: array.astype(np.float16) for name, array in drawn(FASTER).items()}
    back = to_state_dict(from_state_dict(FASTER, arrays))
    assert all(array.dtype == np.float32 and np.array_equal(array, arrays[name]) for name, array in back.items())


def test_where_channels_go():
    """The layouts by hand: one number followed through each kind of weight."""
    model = from_state_dict(MASK, drawn(MASK))
    own, arrays = model.state_dict(), drawn(MASK)
    name = "backbone.body.layer2.0.conv2.weight"
    assert own[name][0, 2, 1, 3] == arrays[name][3, 1, 0, 2]
    name = "roi_heads.mask_predictor.conv5_mask.weight"
    assert own[name][0, 1, 2, 3] == arrays[name][2, 3, 0, 1]
    name = "roi_heads.box_head.fc7.weight"
    assert own[name][1, 2] == arrays[name][2, 1]
    name, channels = "roi_heads.box_head.fc6.weight", model.config.backbone.fpn_channels
    row, column, channel, output = 2, 5, 1, 3
    assert (
        own[name][(row * 7 + column) * channels + channel, output]
        == (arrays[name][output, channel * 49 + row * 7 + column])
    )


def test_a_model_comes_ready_to_detect():
    model = from_state_dict(KEYPOINT, drawn(KEYPOINT))
    assert not model.training and model.config.heads == ("box", "keypoint")


def test_our_own_models_leave_too_unless_torchvision_has_no_such_layer():
    rng = np.random.default_rng(0)
    state = to_state_dict(build_model(ModelConfig(), rng=rng))
    assert state["roi_heads.mask_predictor.mask_fcn_logits.weight"].shape == (11, 64, 1, 1)
    with pytest.raises(ConfigError, match="'group' norms"):
        to_state_dict(build_model(ModelConfig(backbone=BackboneConfig(norm="group")), rng=rng))


# ---------------------------------------------------------------- names


def test_old_names_are_understood():
    seed = next(seed for seed in range(20) if small.settings(MASK, seed).rpn.conv_depth == 1)  # files of that age
    wanted, old = drawn(MASK, seed), {}
    for name, array in wanted.items():
        name = re.sub(r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv.", name)
        name = re.sub(r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.", name)
        name = re.sub(r"((?:inner|layer)_blocks\.\d)\.0\.", r"\1.", name)
        old[name] = array
    assert "rpn.head.conv.weight" in old and "roi_heads.mask_head.mask_fcn1.bias" in old
    back = to_state_dict(from_state_dict(MASK, old))
    assert all(np.array_equal(back[name], array) for name, array in wanted.items())


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module.", "module._orig_mod.model.", "net.detector."]
)
def test_the_prefixes_of_what_wraps_a_model_are_taken_away(prefix):
    wrapped = {prefix + name: array for name, array in drawn(FASTER).items()}
    model = from_state_dict(FASTER, wrapped | {"n_averaged": np.array(7)})  # the counter of averaged weights
    assert np.array_equal(to_state_dict(model)["backbone.body.bn1.bias"], drawn(FASTER)["backbone.body.bn1.bias"])


def test_a_compiled_part_of_a_model_is_recognised():
    wrapped = {name.replace("backbone.body.", "backbone.body._orig_mod."): a for name, a in drawn(FASTER).items()}
    assert set(to_state_dict(from_state_dict(FASTER, wrapped))) == set(
        to_state_dict(from_state_dict(FASTER, drawn(FASTER)))
    )


def test_a_name_given_twice_is_refused():
    twice = drawn(FASTER) | {"rpn.head.conv.weight": drawn(FASTER)["rpn.head.conv.0.0.weight"]}
    with pytest.raises(CheckpointError, match=r"rpn\.head\.conv\.0\.0\.weight is given twice"):
        modern_names(twice)


def test_counters_are_accounted_for_and_tell_batch_norms_from_frozen_ones():
    frozen, trained = (read_config(MASK, arrays).backbone for arrays in (drawn(MASK), with_counters(drawn(MASK))))
    assert (frozen.norm, frozen.norm_eps) == ("frozen", 0.0) and (trained.norm, trained.norm_eps) == ("batch", 1e-5)
    from_state_dict(MASK, with_counters(drawn(MASK)))
    from_state_dict(MASK_V2, with_counters(drawn(MASK_V2)))
    stray = drawn(MASK) | {"backbone.fpn.inner_blocks.0.1.num_batches_tracked": np.asarray(7, np.int64)}
    with pytest.raises(CheckpointError, match="unexpected backbone.fpn.inner_blocks.0.1.num_batches_tracked"):
        from_state_dict(MASK, stray)


# ---------------------------------------------------------------- what does not fit


def refused(kind, arrays, *words, config=None, error=CheckpointError):
    with pytest.raises(error) as caught:
        from_state_dict(kind, arrays, config=config)
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message and len(message) < 1500, message


@pytest.mark.parametrize("kind", small.KINDS)
def test_every_missing_array_is_named(kind):
    for name in list(drawn(kind))[::7]:
        if name not in ("backbone.body.layer1.0.conv1.weight", "roi_heads.box_head.0.0.weight"):
            refused(kind, {n: a for n, a in drawn(kind).items() if n != name}, name)


def test_missing_and_unexpected_arrays_are_named_together():
    arrays = dict(drawn(MASK))
    arrays["rpn.head.class_logits.bias"] = arrays.pop("rpn.head.cls_logits.bias")
    arrays["more.weight"] = np.zeros(3, np.float32)
    refused(MASK, arrays, "missing rpn.head.cls_logits.bias", "unexpected rpn.head.class_logits.bias, more.weight")
    many = drawn(MASK) | {f"extra.{i}": np.zeros(1, np.float32) for i in range(40)}
    refused(MASK, many, "missing nothing", "and 28 more")


@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("other", small.KINDS)
def test_weights_of_another_kind_are_recognised(kind, other):
    if kind != other:
        refused(kind, drawn(other), f"these are the weights of {other}, not of {kind}")


def test_weights_of_other_networks_are_recognised():
    zero = np.zeros(1, np.float32)
    box = {"roi_heads.box_predictor.cls_score.bias": zero}
    others = {
        "ResNet without detection heads": {"conv1.weight": zero, "layer1.0.conv1.weight": zero, "fc.weight": zero},
        "RetinaNet": {"backbone.body.conv1.weight": zero, "head.classification_head.conv.0.0.weight": zero},
        "MobileNet": {"backbone.body.0.0.weight": zero} | box,
        "fasterrcnn_resnet50_fpn_v2": {
            "backbone.body.layer1.0.conv1.weight": zero, "roi_heads.box_head.0.0.weight": zero} | box,
    }  # fmt: skip
    for words, arrays in others.items():
        refused(MASK, arrays, words, "not of maskrcnn_resnet50_fpn")
    assert recognize({"anything": zero}) is None
    refused(MASK, {"anything": zero}, "missing backbone.body.conv1.weight", "and ", "unexpected anything")
    refused("maskrcnn", drawn(MASK), "kind must be one of", error=ConfigError)


def test_wrong_number_of_classes_is_said_in_words():
    arrays, config = drawn(MASK), small.settings(MASK)
    count = config.num_classes
    fewer = {"class_names": ("background", "x"), "num_classes": 2}
    wanted = type(config)(**(vars(config) | fewer))
    refused(MASK, arrays, "wrong number of classes", f"for {count} classes", "has 2", config=wanted)
    for name in ("box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits"):
        name = f"roi_heads.{name}.weight"
        short = arrays | {name: arrays[name][:-1]}
        refused(MASK, short, "wrong number of classes", name, f"has {count}")


def test_wrong_shapes_and_values_are_named():
    arrays, name = drawn(MASK), "backbone.body.layer3.0.conv2.weight"
    shape = arrays[name].shape
    refused(MASK, arrays | {name: arrays[name][:, :-1]}, "wrong shapes", name, str(shape))
    refused(MASK, arrays | {name: arrays[name].reshape(-1)}, "wrong shapes", name)
    refused(MASK, arrays | {name: arrays[name].astype(np.int64)}, "floats", f"{name} int64")
    broken = arrays[name].copy()
    broken[0, 0, 0, 0] = np.nan
    refused(MASK, arrays | {name: broken}, "NaN", name)


def test_shapes_that_ask_for_a_huge_model_cost_nothing():
    """Judged by shapes alone: zero-sized or thin arrays cannot make a large network."""
    arrays = dict(drawn(MASK))
    arrays["backbone.body.conv1.weight"] = np.zeros((1 << 40, 3, 7, 0), np.float32)
    refused(MASK, arrays, "wrong shapes")
    arrays["backbone.body.conv1.weight"] = np.zeros((1 << 20, 1, 1, 1), np.float32)
    arrays["backbone.fpn.inner_blocks.0.0.weight"] = np.zeros((1 << 20, 1, 1, 1), np.float32)
    refused(MASK, arrays, "wrong shapes")
    arrays["roi_heads.box_predictor.cls_score.weight"] = np.zeros((1 << 30, 0), np.float32)
    refused(MASK, arrays, "wrong shapes")


# ---------------------------------------------------------------- where each rule ends


@pytest.mark.parametrize("kind", small.KINDS)
def test_a_kind_is_recognised_whatever_stands_first_or_last(kind):
    names = list(drawn(kind))
    telling = [n for n in names if "mask_" in n or "keypoint_" in n or "box_head.0.0.weight" in n or "layer1." in n]
    assert recognize(names) == recognize(names[::-1]) == kind
    for name in telling[:2] + telling[-2:]:
        rest = [n for n in names if n != name]
        assert recognize([name, *rest]) == recognize([*rest, name]) == kind


def test_every_sign_of_another_network_counts_and_half_of_one_does_not():
    body, box = "backbone.body.layer1.0.conv1.weight", "roi_heads.box_predictor.cls_score.bias"
    assert recognize([body, box]) == recognize([box, body]) == "fasterrcnn_resnet50_fpn"
    for half in ([body], [box], ["conv1.weight"], ["layer1.0.conv1.weight"], ["conv1.weight", box], []):
        assert recognize(half) is None
    assert recognize(["conv1.weight", body, box]) == "fasterrcnn_resnet50_fpn"
    assert recognize(["layer1.0.bn1.bias", body, box]) == "fasterrcnn_resnet50_fpn"
    assert recognize(["fc.weight", "layer1.0.bn1.bias", "conv1.weight"]) == "a ResNet without detection heads"
    mask, points, deep = (
        "roi_heads.mask_head.0.0.bias",
        "roi_heads.keypoint_head.0.bias",
        "roi_heads.box_head.0.0.weight",
    )
    assert recognize([body, box, mask]) == "maskrcnn_resnet50_fpn"
    assert recognize([body, box, mask, deep]) == "maskrcnn_resnet50_fpn_v2"
    assert recognize([body, box, points]) == "keypointrcnn_resnet50_fpn"
    assert recognize([body, box, mask, points]) is None


def test_one_array_of_float32_makes_a_float32_model():
    arrays = {name: array.astype(np.float64) for name, array in drawn(FASTER).items()}
    assert {p.value.dtype for p in from_state_dict(FASTER, arrays).parameters()} == {np.dtype(np.float64)}
    for name in (list(arrays)[0], list(arrays)[-1]):
        mixed = arrays | {name: arrays[name].astype(np.float32)}
        assert {p.value.dtype for p in from_state_dict(FASTER, mixed).parameters()} == {np.dtype(np.float32)}
    counted = from_state_dict(FASTER, with_counters(arrays))  # whole numbers have no say in it
    assert {p.value.dtype for p in counted.parameters()} == {np.dtype(np.float64)}


def test_a_name_that_is_given_twice_is_refused():
    arrays = drawn(FASTER) | {"backbone.fpn.inner_blocks.0.weight": np.zeros(1, np.float32)}
    refused(FASTER, arrays, "backbone.fpn.inner_blocks.0.0.weight is given twice, under its old and its new name")


def test_a_prefix_that_only_some_names_have_is_part_of_them():
    wrapped = {"module." + name: array for name, array in drawn(FASTER).items()}
    first, *_, last = wrapped
    for name in (first, last):
        some = dict(wrapped)
        some[name.removeprefix("module.")] = some.pop(name)
        refused(FASTER, some, "unexpected module.")
    assert list(modern_names({"model.a": 1, "model.b": 2})) == ["a", "b"] and modern_names({}) == {}
    assert list(modern_names({"a": 1, "model.b": 2})) == ["a", "model.b"]


@pytest.mark.parametrize(
    "name", ["box_predictor.cls_score", "box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits"]
)
@pytest.mark.parametrize("rows", [1, -1])
def test_rows_of_every_head_are_counted(name, rows):
    arrays, name = drawn(MASK), f"roi_heads.{name}.weight"
    count = len(arrays[name])
    shape = (count + rows, *arrays[name].shape[1:])
    per_class = 4 if "bbox" in name else 1
    words = f"{name} has {count + rows} rows, for {(count + rows) / per_class:g} classes; the model has"
    refused(MASK, arrays | {name: np.zeros(shape, np.float32)}, "wrong number of classes", words)
    turned = np.zeros((count, *arrays[name].shape[1:])[::-1], np.float32)
    if len(turned) != count:
        refused(MASK, arrays | {name: turned}, "wrong number of classes", f"has {len(turned)} rows")
    refused(MASK, arrays | {name: arrays[name][:, :1]}, "wrong shapes", name)
    refused(MASK, arrays | {name: np.float32(3)}, "wrong shapes", f"{name} ()")
    other = "rpn.head.bbox_pred.weight"  # of one class, whatever the model knows
    refused(MASK, arrays | {other: arrays[other][:-1]}, "wrong shapes", other)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_numbers_that_no_float32_holds_are_refused(value):
    name = list(drawn(FASTER))[-1]
    for dtype in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            broken = np.array(drawn(FASTER)[name], dtype)
            broken.flat[-1] = value
        refused(FASTER, drawn(FASTER) | {name: broken}, "NaN or infinite", name)


@pytest.mark.parametrize("kind", [FASTER, MASK_V2])
def test_a_linear_layer_behind_a_crop_that_has_as_many_channels_as_rows(kind):
    """Seven channels and seven rows: nothing but the order tells them apart."""
    config = small.settings(kind)
    backbone = type(config.backbone)(**(vars(config.backbone) | {"fpn_channels": 7}))
    roi = type(config.roi)(**(vars(config.roi) | {"box_convs": (7,) if config.roi.box_convs else ()}))
    config = type(config)(**(vars(config) | {"backbone": backbone, "roi": roi}))
    arrays = small.weights(config, dtype=np.float32)
    model = from_state_dict(kind, arrays, config=config)
    name = "roi_heads.box_head.fc6.weight" if kind == FASTER else "roi_heads.box_head.2.weight"
    ours, theirs = model.state_dict()[name], arrays[name].reshape(-1, 7, 7, 7)
    for channel, row, column in ((1, 2, 3), (3, 1, 2), (0, 6, 5)):
        np.testing.assert_array_equal(ours[(row * 7 + column) * 7 + channel], theirs[:, channel, row, column])
    np.testing.assert_array_equal(to_state_dict(model)[name], arrays[name])


def test_settings_are_not_read_off_weights_of_another_kind():
    with pytest.raises(CheckpointError, match=f"these are the weights of {FASTER}, not of {MASK}"):
        read_config(MASK, drawn(FASTER))
    with pytest.raises(ConfigError, match="kind must be one of"):
        read_config("maskrcnn", drawn(MASK))
    wrapped = {"module." + name: array for name, array in drawn(MASK).items()}
    assert read_config(MASK, wrapped) == read_config(MASK, drawn(MASK))
