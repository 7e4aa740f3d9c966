"""Training, resuming and evaluating on a device, which here is the strict device array, beside the same on the CPU."""

import dataclasses

import cuda_emulator
import numpy as np
import pytest
import strict_device
from pretended_cupy import pretended
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn import Config, Experiment, cli
from tinymaskrcnn.config import BackboneConfig, ModelConfig, RoIConfig, RPNConfig, SceneConfig, TrainConfig
from tinymaskrcnn.errors import NonFiniteError
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.testing.trees import arrays_inside
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.trainer import Trainer

TINY = Config(
    model=ModelConfig(
        backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_width=8, fpn_channels=8),
        rpn=RPNConfig(samples_per_image=8, pre_nms_top_n=(64, 64), post_nms_top_n=(16, 16)),
        roi=RoIConfig(head_width=16, mask_widths=(8,), mask_deconv_width=8, samples_per_image=8),
    ),
    scenes=SceneConfig(image_size=64, digits_per_image=(1, 2)),
    train=TrainConfig(steps=2, batch_size=2, eval_scenes=2, checkpoint_every=1, schedule="constant"),
)
TIMINGS = ("seconds", "memory_mb")


@pytest.fixture(autouse=True)
def card():
    with pretended() as card:
        yield card


def train(folder, device, **settings):
    """A trained run and the rows of its steps."""
    config = dataclasses.replace(TINY, train=dataclasses.replace(TINY.train, **settings))
    experiment = Experiment.start(folder, config, device=device)
    assert experiment.train()
    return experiment, rows_of(experiment)


def rows_of(experiment):
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in read_rows(experiment.run.metrics_file)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pretended():
        return train(folder / "cpu", "cpu"), train(folder / "cuda", "cuda")


def on_the_device(experiment):
    return {type(p.value).__name__ for p in experiment.model.parameters()} == {"StrictArray"}


def test_two_steps_on_the_device_equal_two_on_the_cpu(both):
    (cpu, wanted), (cuda, found) = both
    assert on_the_device(cuda) and not on_the_device(cpu)
    assert len(found) == 2 and found[0].keys() == wanted[0].keys()
    for row, want in zip(found, wanted):
        for name, value in want.items():
            assert row[name] == pytest.approx(value, rel=1e-5), (name, row["step"])


def test_a_checkpoint_of_the_device_is_one_of_the_cpu(both):
    """Written from the device, read on the CPU: the same weights and velocities, on the host."""
    (cpu, _), (cuda, _) = both
    saved, wanted = cuda.run.load(), cpu.run.load()
    assert saved.step == 2
    for part in ("model", "optimizer"):
        for name, want in getattr(wanted, part).items():
            array = getattr(saved, part)[name]
            assert type(array) is np.ndarray
            np.testing.assert_allclose(array, want, rtol=1e-3, atol=1e-5, err_msg=name)


def test_evaluating_on_the_device_finds_what_the_cpu_finds(both):
    _, (cuda, _) = both
    on_device = Experiment.open(cuda.run.path, device="cuda")
    on_host = Experiment.open(cuda.run.path)
    assert on_the_device(on_device) and not on_the_device(on_host)
    assert on_device.evaluate() == on_host.evaluate()
    images = [image for image, _ in on_host.scenes(2)]
    for found, wanted in zip(on_device.detect(images), on_host.detect(images)):
        assert all(type(a) is np.ndarray for a in (found.boxes, found.labels, found.scores, found.masks))
        assert found.labels.tolist() == wanted.labels.tolist()
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-3)


def test_detection_waits_once_and_copies_nothing_row_by_row(both):
    """The sizes of the pictures are known on the host; `repeat` along an axis would be a launch for every proposal."""
    _, (cuda, _) = both
    on_device = Experiment.open(cuda.run.path, device="cuda")
    images = [image for image, _ in on_device.scenes(2)]
    with strict_device.counting() as cost:
        on_device.detect(images)
    assert cost.synchronisations == 1 + cost.sparse_waits
    assert max(event.count for event in cost.events if event.kind == "launch") <= 8


@pytest.mark.skipif(not cuda_emulator.available(), reason="g++ is missing: the CUDA kernels cannot be run on the host")
def test_masks_are_pasted_where_they_were_made(both):
    """One launch for a picture, and what comes to the host, with the boxes and in one wait, are bits."""
    _, (cuda, _) = both
    on_device = Experiment.open(cuda.run.path, device="cuda")
    images = [image for image, _ in on_device.scenes(2)]
    wanted = on_device.detect(images)
    with strict_device.kernels() as launched, strict_device.counting() as cost:
        found = on_device.detect(images)
    assert cost.synchronisations == 1 and launched.count("paste_bits") == 2
    assert sum(map(len, wanted)) > 0
    for f, w in zip(found, wanted, strict=True):
        assert f.labels.tolist() == w.labels.tolist() and f.masks.dtype == bool and f.masks.shape == w.masks.shape
        assert (f.masks != w.masks).mean() < 1e-3


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_resuming_on_the_device_equals_never_having_stopped(tmp_path, optimizer):
    settings = {"optimizer": optimizer, "learning_rate": 0.001, "warmup_steps": 0}
    whole, rows = train(tmp_path / "whole", "cuda", **settings)
    half, _ = train(tmp_path / "half", "cuda", **settings, steps=1)
    run = half.run.reconfigured(whole.config)
    resumed = Experiment(run, device="cuda")
    started = []
    assert resumed.train(on_start=started.append)
    assert started == [1] and on_the_device(resumed)
    assert rows_of(resumed) == rows
    a, b = whole.run.load(), resumed.run.load()
    for part in ("model", "optimizer"):
        for name, array in getattr(a, part).items():
            np.testing.assert_array_equal(array, getattr(b, part)[name], err_msg=name)


def counted_step(objects, seed, **kind):
    """A training step on two pictures with so many objects: what it cost, and the shapes of all that backward needs."""
    keypoints = 3 if "keypoint" in kind.get("heads", ()) else 0
    images, targets = tiny_scene(objects=objects, seed=seed, keypoints=keypoints)
    batch = ImageBatch(images, np.full((2, 2), 64), targets).to_device("cuda")
    model = tiny_model(**{"norm": "group"} | kind).to_device("cuda")
    trainer = Trainer(model, None, TINY.train, device="cuda")
    shapes, forward = [], trainer.model.forward

    def watched(*args, **data):
        losses, cache = forward(*args, **data)
        shapes.extend(array.shape for _, array in arrays_inside(cache))
        return losses, cache

    trainer.model.forward = watched
    with strict_device.kernels(dry=True), np.errstate(all="ignore"), strict_device.counting() as cost:
        trainer.train_step([batch])
    return cost, shapes


def test_what_a_step_does_depends_on_shapes_alone():
    """As many operations on arrays of the same shapes, whatever is in the pictures: a CUDA graph could replay them."""
    counted_step((2, 1), 0)  # moves the constants there
    cost, shapes = counted_step((2, 1), 0)
    for objects, seed in (((1, 2), 5), ((2, 0), 7)):
        other, others = counted_step(objects, seed)
        assert shapes == others and len(shapes) > 100
        assert cost.operations == other.operations
    assert cost.synchronisations == 1  # for the numbers of its row


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "kind",
    [
        {"fpn": "c4"},
        {"fpn": "c4", "norm": "frozen", "heads": ("box",)},
        {"kind": "vgg", "norm": "", "fpn": "c5", "mask_kind": "agnostic"},
        {"kind": "plain", "norm": "", "fpn": "p2", "mask_kind": "softmax"},
        {"fpn": "no_lateral", "mask_kind": "fc"},
        {"fpn": "no_top_down", "norm": "batch"},
        {"mask_iou_widths": (4, 4)},
        {"heads": ("box", "mask", "keypoint")},
    ],
    ids=lambda kind: "-".join(map(str, kind.values())),
)
def test_a_step_of_other_parts_waits_for_nothing_either(kind):
    counted_step((2, 1), 0, **kind)  # moves the constants there
    (cost, shapes), (other, others) = counted_step((2, 1), 0, **kind), counted_step((1, 0), 5, **kind)
    assert shapes == others and cost.operations == other.operations
    assert cost.synchronisations == other.synchronisations == 1


@pytest.mark.parametrize(
    "value, what",
    [
        (float("nan"), "parameter {name} .* holds .* NaN"),
        (1e38, "the output .* of layer 'roi_heads.box_head.fc6' .* infinite"),
    ],
)
def test_the_first_nan_on_a_device_is_named(tmp_path, value, what):
    experiment = Experiment.start(tmp_path / "run", TINY, device="cuda")
    name, parameter = next(
        named for named in experiment.model.named_parameters() if named[0].endswith("box_head.fc6.weight")
    )
    batch = experiment.stream().batch

    def spoiling(i):  # after the checkpoint of step 0, which could not hold it
        parameter.value[...] = value
        return batch(i)

    experiment.stream().batch = spoiling
    with pytest.raises(NonFiniteError, match=f"step 1: {what.format(name=name)}.*weights of step 0 are kept"):
        experiment.train()


def test_train_with_tf32_switches_the_card(tmp_path, card):
    words = ["--set", "model.backbone.widths=[4,4,4,4]", "--set", "scenes.image_size=64", "--batch-size", "1"]
    words += ["--set", "train.eval_scenes=0", "--set", "model.roi.mask_widths=[4]", "--steps", "1"]
    assert cli.main(["train", "--out", str(tmp_path / "run"), "--device", "cuda", "--tf32", *words]) == 0
    assert card.math_mode == 3


def test_tf32_without_the_device_is_refused(tmp_path, capsys, card):
    assert cli.main(["train", "--out", str(tmp_path / "run"), "--tf32"]) == 2
    assert "error: --tf32 is a setting of the GPU: add --device cuda" in capsys.readouterr().err
    assert card.math_mode == 0 and not (tmp_path / "run").exists()
