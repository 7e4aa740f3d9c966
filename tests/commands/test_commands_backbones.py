"""Every command on every kind of backbone, map and mask head: what assumes five levels and a ResNet is found here."""

import json

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.explain.fate import why_missed
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.visualize import objectness_figure, proposals_figure, roi_grids_figure

SMALL = {"model.roi.head_width": 8, "model.roi.mask_widths": [4], "model.roi.mask_deconv_width": 4}
SMALL |= {"model.backbone.fpn_channels": 8}
SMALL |= {"model.rpn.pre_nms_top_n": [32, 32], "model.rpn.post_nms_top_n": [8, 8], "model.roi.samples_per_image": 8}
SMALL |= {"scenes.image_size": 64, "train.batch_size": 1, "train.steps": 2, "train.eval_scenes": 1}
KINDS = {
    "faster_rcnn_c4": ["--preset", "faster_rcnn_c4", "--set", "model.backbone.widths=[4, 4, 4, 8]"],
    "vgg11-c4": ["--backbone", "vgg11-c4:4", "--set", "model.roi.mask_kind=agnostic", "--set", "train.frozen_stages=1"],
    "plain-c4": ["--backbone", "plain-c4:8", "--set", "model.roi.mask_kind=softmax"],
    "resnet18-p2": ["--backbone", "resnet18-p2:4", "--set", "model.roi.mask_kind=fc"],
    "plain-no_top_down": ["--backbone", "plain-no_top_down:8", "--set", "train.frozen_stages=2"],
}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.long if i > 1 else []) for i, k in enumerate(KINDS)]
)
def test_train_evaluate_predict_and_profile(kind, tmp_path, capsys):
    folder, small = tmp_path / "run", [f"{name}={json.dumps(value)}" for name, value in SMALL.items()]
    options = [word for setting in small for word in ("--set", setting)]
    assert cli.main(["train", "--out", str(folder), *KINDS[kind], *options]) == 0
    assert cli.main(["evaluate", str(folder), "--scenes", "1", "--json"]) == 0
    assert cli.main(["profile", "--run", str(folder), "--steps", "1", "--out", str(tmp_path / "profile.png")]) == 0
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 64), np.uint8)).save(tmp_path / "a.png")
    found = ["--model", str(folder), "--out", str(tmp_path / "found"), "--score", "0"]
    assert cli.main(["predict", str(tmp_path / "a.png"), *found]) == 0
    assert (tmp_path / "found" / "a.json").exists()
    said = capsys.readouterr()
    assert "all stages" in said.out and "Traceback" not in said.err

    experiment = Experiment.open(folder)
    model, fixed = experiment.model.eval(), experiment.config.train.frozen_stages
    trainable = {name.split(".")[2] for name, p in model.backbone.named_parameters() if p.trainable and "body" in name}
    assert fixed == -1 or "conv1_1" not in trainable and "conv1" not in trainable
    _explain(model)


def _explain(model):
    """A picture on its way: traced, drawn, and an object that is missed because nothing was learned."""
    image = np.random.default_rng(1).random((64, 64, 1)).astype(np.float32)
    trace = trace_detection(model, image)
    backbone = model.config.backbone
    assert set(trace.anchors.level.tolist()) == set(backbone.levels)
    assert set(trace.proposals.level.tolist()) <= set(backbone.levels)
    fate = why_missed(trace, (60, 60, 63.5, 63.5), min_iou=0.95)
    assert fate.stage == "anchors" and f"on {backbone.level_name(fate.numbers['level'])}," in fate.reason
    titles = [ax.get_title() for ax in objectness_figure(trace).axes if ax.get_title()]
    names = [backbone.level_name(level) for level in backbone.levels]
    assert [title.split(":")[0] for title in titles if ":" in title] == names
    legend = proposals_figure(trace).legends[0].get_texts()
    assert {text.get_text() for text in legend[:-1]} <= {f"from {name}" for name in names}
    roi_grids_figure(trace, [0])
