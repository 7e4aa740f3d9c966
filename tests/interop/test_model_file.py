"""A model in one file: it comes back the same, or with one clear error, and costs no more memory than its bytes."""

import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from interop import small

from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RoIConfig, RPNConfig, to_dict
from tinymaskrcnn.errors import ArgumentError, CheckpointError
from tinymaskrcnn.interop.model_file import load_model, save_model
from tinymaskrcnn.interop.torchvision import from_state_dict
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture(params=small.KINDS)
def model(request):
    config = small.settings(request.param)
    return from_state_dict(request.param, small.weights(config, dtype=np.float32), config=config)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_the_same(model, tmp_path, dtype):
    save_model(tmp_path / "model.npz", model.astype(dtype))
    again = load_model(tmp_path / "model.npz")
    assert again.config == model.config and not again.training
    state = again.state_dict()
    assert all(np.array_equal(state[n], a) and state[n].dtype == dtype for n, a in model.state_dict().items())
    assert os.listdir(tmp_path) == ["model.npz"]


def test_half_rounds_kernels_and_matrices_and_nothing_else(model, tmp_path):
    save_model(tmp_path / "model.npz", model, half=True)
    again = load_model(tmp_path / "model.npz").state_dict()
    for name, array in model.state_dict().items():
        stored = array.astype(np.float16) if array.ndim > 1 else array
        assert again[name].dtype == np.float32 and np.array_equal(again[name], stored.astype(np.float32)), name


def test_half_refuses_numbers_beyond_its_range(model, tmp_path):
    name, weight = next((n, p.value) for n, p in model.named_parameters() if p.value.ndim > 1)
    weight.flat[0] = 1e5
    with pytest.raises(ArgumentError, match=f"{name} must lie within 65504"):
        save_model(tmp_path / "model.npz", model, half=True)
    assert os.listdir(tmp_path) == []


def test_the_checkpoint_of_a_run_is_a_model_too(tmp_path):
    backbone = BackboneConfig(depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), norm="group", fpn_channels=4)
    config = ModelConfig(backbone=backbone, rpn=RPNConfig(objectness="softmax"), roi=RoIConfig(head_width=4))
    trained = build_model(config, rng=np.random.default_rng(3))
    about = {"step": 7, "config": to_dict(Config(model=config)), "model": trained.state_dict()}
    save_checkpoint(tmp_path / "checkpoint.npz", **about, optimizer={"momentum": np.zeros(5)})
    again = load_model(tmp_path / "checkpoint.npz")
    assert again.config == config and not again.training
    assert all(np.array_equal(array, again.state_dict()[name]) for name, array in trained.state_dict().items())


@pytest.fixture
def saved(tmp_path):
    config = small.settings(small.KINDS[0])
    arrays = small.weights(config, dtype=np.float32)
    save_model(tmp_path / "model.npz", from_state_dict(small.KINDS[0], arrays, config=config))
    return tmp_path / "model.npz"


def refused(path, *words):
    tracemalloc.start()
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert all(word in str(caught.value) for word in words), str(caught.value)


def rewrite(path, change):
    """The same file with other settings or arrays, and a checksum that fits: made on purpose, not by accident."""
    stored = load_checkpoint(path)
    config, arrays = json.loads(json.dumps(stored.config)), dict(stored.model)
    change(config, arrays)
    save_checkpoint(path, step=0, config=config, model=arrays, optimizer={})


def test_files_that_are_no_models(saved, tmp_path):
    refused(tmp_path / "nothing.npz", "nothing.npz")
    content = saved.read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 40):
        saved.write_bytes(content[:length])
        refused(saved, "model.npz")
    np.savez(saved, w=np.zeros(3))
    refused(saved, "not a checkpoint")
    np.savez(saved, w=np.array([{}], object))
    refused(saved, "pickled Python objects")
    with zipfile.ZipFile(saved, "w") as archive:
        header = repr({"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}).encode()
        archive.writestr("model/w.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    refused(saved, "does not fill")


def test_a_changed_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(bytes(content))
    refused(saved, "model.npz")


HUGE = 1_000_000_000
LIES = {
    "another width": lambda c, a: c["model"]["roi"].update(head_width=9),
    "a huge width": lambda c, a: c["model"]["roi"].update(head_width=HUGE),
    "huge widths": lambda c, a: c["model"]["backbone"].update(widths=[HUGE] * 4),
    "a negative width": lambda c, a: c["model"]["roi"].update(head_width=-1),
    "a text as width": lambda c, a: c["model"]["backbone"].update(widths=["wide"] * 4),
    "a huge depth": lambda c, a: c["model"]["backbone"].update(depths=[HUGE, 1, 1, 1]),
    "a deep RPN": lambda c, a: c["model"]["rpn"].update(conv_depth=HUGE),
    "no settings": lambda c, a: c.clear(),
    "settings of another kind": lambda c, a: c.update(model=[1, 2]),
    "an unknown setting": lambda c, a: c["model"].update(colour="red"),
    "an impossible setting": lambda c, a: c["model"]["backbone"].update(stem="first"),
    "an unknown block": lambda c, a: c["model"]["backbone"].update(block="round"),
    "an unknown head": lambda c, a: c["model"].update(heads=["box", "tail"]),
    "an empty stem": lambda c, a: c["model"]["backbone"].update(stem=""),
    "no anchors": lambda c, a: c["model"]["rpn"].update(anchor_sizes=[]),
    "more classes than names": lambda c, a: c["model"].update(class_names=["background"]),
    "an array less": lambda c, a: a.pop("rpn.head.bbox_pred.bias"),
    "an array more": lambda c, a: a.update(more=np.zeros(3, np.float32)),
    "an array of another shape": lambda c, a: a.update({"rpn.head.bbox_pred.bias": np.zeros((3, 4), np.float32)}),
}


def test_what_is_wrong_with_the_settings_is_said(saved):
    count = load_model(saved).config.num_classes
    rewrite(saved, LIES["more classes than names"])
    refused(saved, f"model.num_classes must count class_names (background first); got {count} and 1 names")
    rewrite(saved, lambda c, a: c["model"].update(class_names=["background", *map(str, range(1, count))]))
    rewrite(saved, LIES["an array more"])
    refused(saved, "its settings describe another model than its", "arrays")


@pytest.mark.parametrize("lie", LIES)
def test_settings_that_do_not_describe_the_arrays(saved, lie):
    rewrite(saved, LIES[lie])
    refused(saved)


def test_what_was_there_stays_when_writing_fails(saved, model, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr("tinymaskrcnn.interop.model_file.to_dict", lambda config: object())  # no JSON
    with pytest.raises(TypeError):
        save_model(saved, model)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == ["model.npz"]
    assert to_dict(load_model(saved).config)["num_classes"] >= 2


def test_the_largest_float16_is_stored_and_more_is_not(model, tmp_path):
    name, weight = next((n, p.value) for n, p in model.named_parameters() if p.value.ndim > 1)
    for sign in (1, -1):
        weight.flat[-1] = sign * 65504
        save_model(tmp_path / "model.npz", model, half=True)
        assert load_model(tmp_path / "model.npz").state_dict()[name].flat[-1] == sign * 65504
        weight.flat[-1] = sign * 65505
        with pytest.raises(ArgumentError, match=f"save_model: {name} must lie within 65504 .* got 65505"):
            save_model(tmp_path / "model.npz", model, half=True)
    save_model(tmp_path / "model.npz", model)  # as it is, unless one says otherwise
    assert load_model(tmp_path / "model.npz").state_dict()[name].flat[-1] == -65505


def test_one_array_of_float32_makes_a_float32_model(saved):
    def widen(arrays, names):
        arrays.update({name: arrays[name].astype(np.float64) for name in names})

    names = list(load_checkpoint(saved).model)
    rewrite(saved, lambda c, a: widen(a, names[1:]))
    assert {p.value.dtype for p in load_model(saved).parameters()} == {np.dtype(np.float32)}
    rewrite(saved, lambda c, a: widen(a, names))
    assert {p.value.dtype for p in load_model(saved).parameters()} == {np.dtype(np.float64)}
