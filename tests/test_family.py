"""One battery for every member of the family, and for every part it can be made of: all that a user does with a run.

A new system is tried as soon as it has a name in models/systems.py; a new setting when it gets a line in VARIANTS.
"""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_settings import TINY_PARTS, TINY_RUN

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config
from tinymaskrcnn.experiment import KINDS
from tinymaskrcnn.models.systems import SCENES, SYSTEMS, system_settings
from tinymaskrcnn.train.profile import profile_inference, profile_training
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.train.trainer import Trainer

TINY = TINY_RUN | TINY_PARTS | {"train.checkpoint_every": 3, "train.eval_scenes": 3, "train.steps": 6}
VARIANTS = {
    "exact joint": {"model.box_gradient": "features+targets"},
    "four steps": {"train.procedure": "alternating"},
    "RoIPool": {"model.roi.pooling": "pool"},
    "RoIWarp": {"model.roi.pooling": "warp"},
    "PrRoIPool": {"model.roi.pooling": "prroi"},
}
pytestmark = pytest.mark.in_turn  # of all members: each run takes the same few through all of it
MEMBERS = {name: system_settings(name) for name in SYSTEMS} | VARIANTS


def settings(name):
    """The tiny Config of a member; what makes it what it is wins over what makes it tiny."""
    own = SYSTEMS.get(name, VARIANTS.get(name))
    small = {key: value for key, value in TINY.items() if key not in own}
    if own.get("train.train_scenes"):
        small["train.train_scenes"] = 6  # the proposals of the first
    if name in SCENES:
        small["scenes.digit_size"] = (24, 40)  # figures that fit into so small a picture
    return override(Config(), MEMBERS[name] | small)


LONG = ("RoIWarp", "PrRoIPool")  # as RoIPool in all that a user does; what they compute is proved in ops/ and models/


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in MEMBERS]
)
def member(request, tmp_path_factory):
    """A trained run of each, and its name."""
    experiment = Experiment.start(tmp_path_factory.mktemp("family") / "run", settings(request.param))
    assert experiment.train() is True
    return request.param, experiment


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.long
def test_a_backbone_learns_alone_whatever_proposes_later(tmp_path, capsys):
    """That of Fast R-CNN needs no proposals to learn single objects, and becomes that of a detector."""
    words = [word for name, value in TINY.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    pretrain = ["--set", "train.procedure=pretrain", "--out", str(tmp_path / "backbone")]
    assert cli.main(["train", "--system", "fast_rcnn", *words, *pretrain]) == 0
    assert not (tmp_path / "backbone" / "proposals").exists()
    start = ["--pretrained", str(tmp_path / "backbone"), "--out", str(tmp_path / "detector")]
    assert cli.main(["train", "--system", "fast_rcnn", *words, *start]) == 0
    assert "MABO" in capsys.readouterr().err


def test_an_opened_run_is_the_trained_one(member):
    _, experiment = member
    opened = Experiment.open(experiment.run.path)
    assert same(opened.model.state_dict(), experiment.model.state_dict())
    assert opened.evaluate() == experiment.evaluate()


class Stop(Exception):
    pass


def test_a_run_that_was_killed_goes_on_to_the_same_bits(member, tmp_path, monkeypatch):
    name, experiment = member
    real = Trainer.train_step

    def killed(self, batches):
        if self.step == 5:
            raise Stop
        return real(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(Stop):
            Experiment.start(tmp_path / "parts", settings(name)).train()
    again = Experiment(RunFolder.open(tmp_path / "parts"))
    assert again.train() is True
    assert same(again.model.state_dict(), experiment.model.state_dict())


def test_every_part_learned(member):
    """Nothing that can be trained stayed where it began: a gradient that does not arrive would show here."""
    name, experiment = member
    first = Experiment.start(experiment.run.path.parent / "first", settings(name)).model
    final, moved = experiment.model.state_dict(), {}
    for n, p in first.named_parameters():
        part = n.rpartition(".")[0]  # a layer
        moved[part] = moved.get(part, False) or not p.trainable or not np.array_equal(p.value, final[n])
    still = {part for part, any_moved in moved.items() if not any_moved}
    assert still <= {"backbone.fpn.layer_blocks.3.0"}  # of so small a picture, no anchor and no RoI looks at P5


def test_its_figures_are_those_of_its_heads(member, tmp_path, capsys):
    _, experiment = member
    figures = experiment.evaluate(scenes=3)
    added = ["mask_scores"] if experiment.config.model.roi.mask_iou_widths else []
    assert list(figures) == [KINDS[head] for head in experiment.config.model.heads if head in KINDS] + added
    assert all(-1 <= value <= 1 for part in figures.values() for value in part.values())
    assert cli.main(["evaluate", str(experiment.run.path), "--json", "--scenes", "3"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(figures))


def test_what_it_finds_lies_in_the_picture(member):
    _, experiment = member
    images = [np.random.default_rng(i).random((40 + 24 * i, 64, 1)).astype(np.float32) for i in range(2)]
    for image, found in zip(images, experiment.detect(images), strict=True):
        height, width = image.shape[:2]
        assert (found.boxes >= 0).all() and (found.boxes <= [width, height, width, height]).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all() and (np.diff(found.scores) <= 0).all()
        assert ((found.labels >= 1) & (found.labels < experiment.config.model.num_classes)).all()
        if "mask" in experiment.config.model.heads:
            assert found.masks.shape == (len(found), height, width)
        if "keypoint" in experiment.config.model.heads:
            assert found.keypoints.shape == (len(found), experiment.config.model.roi.num_keypoints, 3)
    assert experiment.detect([]) == []


def test_it_is_drawn_and_predicts(member, tmp_path, monkeypatch, capsys):
    name, experiment = member
    if name in VARIANTS:
        pytest.skip("what is drawn is as its system's")
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in experiment.draw(scenes=1)] == ["detections.png", "curves.png"]
    image, _ = experiment.stream("test").scene(0)
    Image.fromarray((255 * image[:, :, 0]).astype(np.uint8)).save("scene.png")
    assert cli.main(["predict", "scene.png", "--model", str(experiment.run.path), "--score", "0"]) == 0
    assert json.loads((tmp_path / "found/scene.json").read_text())["objects"]
    capsys.readouterr()


def test_its_time_and_memory_are_told_stage_by_stage(member):
    _, experiment = member
    stream, where = experiment.stream(), {"steps": 1}
    for profile in (
        profile_training(Trainer(experiment.model, stream, experiment.config.train), **where),
        profile_inference(experiment.model, experiment.stream("test"), **where),
    ):
        numbers = json.dumps(profile.as_dict(), allow_nan=False)
        assert "head" in numbers
    experiment.model.load_state_dict(Experiment.open(experiment.run.path).model.state_dict())  # as they were


def test_it_becomes_one_file_or_says_why_not(member, tmp_path, capsys):
    name, experiment = member
    for command, file in (("convert", "model.npz"), ("export", "model.onnx")):
        folder = tmp_path / command
        folder.mkdir()
        code = cli.main([command, str(experiment.run.path), "--out", str(folder / file)])
        said = capsys.readouterr().err
        if code == 0:
            assert list(folder.iterdir())
        else:
            assert name not in ("mask_rcnn", "faster_rcnn")
            assert code == 2 and "Traceback" not in said and said.count("\n") <= 2 and not list(folder.iterdir())
