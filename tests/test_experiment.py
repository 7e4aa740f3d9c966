"""Train, evaluate and draw from Python, and configurations whose parts do not fit."""

import dataclasses
import json
import os
import shutil

import annotated
import numpy as np
import pytest
from matplotlib.figure import Figure
from pretended_cupy import pretended

import tinymaskrcnn
from tinymaskrcnn import Config, Experiment, capacity, visualize
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import BackboneConfig, CocoConfig, ModelConfig, RoIConfig, RPNConfig, SceneConfig, TrainConfig
from tinymaskrcnn.errors import ArgumentError, CheckpointError, ConfigError, DataError, NonFiniteError
from tinymaskrcnn.experiment import Detector, _new_model, _results_writer, open_detector
from tinymaskrcnn.interop.model_file import save_model
from tinymaskrcnn.kernels.threads import get_threads, set_threads
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.shapes import detect_bytes, step_bytes, weights_bytes
from tinymaskrcnn.models.systems import system_settings
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.train.checks import check_experiment, check_memory
from tinymaskrcnn.train.pretrain import new_classifier
from tinymaskrcnn.train.run import RunFolder
from tinymaskrcnn.zoo import load_tour_detector

TINY = Config(
    model=ModelConfig(
        backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_width=8, fpn_channels=8),
        rpn=RPNConfig(samples_per_image=8),
        roi=RoIConfig(head_width=16, mask_widths=(8,), mask_deconv_width=8, samples_per_image=8),
    ),
    scenes=SceneConfig(image_size=64, digits_per_image=(1, 2)),
    train=TrainConfig(steps=2, batch_size=2, eval_scenes=3),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    experiment = Experiment.start(tmp_path_factory.mktemp("runs") / "first", TINY)
    assert experiment.train()
    return experiment


def test_the_ten_lines_of_the_readme(trained):
    figures = trained.evaluate()
    assert set(figures) == {"bbox", "segm"} and -1 <= figures["segm"]["AP"] <= 1
    assert [path.name for path in trained.draw(scenes=2)] == ["detections.png", "curves.png"]


def test_an_opened_run_has_the_trained_weights(trained):
    opened = Experiment.open(trained.run.path)
    for name, array in trained.model.state_dict().items():
        np.testing.assert_array_equal(opened.model.state_dict()[name], array)
    assert opened.evaluate() == trained.evaluate()


def test_four_scenes_are_drawn_and_more_on_demand(trained, monkeypatch):
    drawn = []
    monkeypatch.setattr(visualize, "detections_figure", lambda images, *_, **__: drawn.append(len(images)) or Figure())
    monkeypatch.setattr(visualize, "curves_figure", lambda rows: Figure())
    trained.draw()
    trained.draw(scenes=1, split="train")
    assert drawn == [4, 1]


def test_training_ends_at_rest(trained):
    assert not any(part.training for _, part in trained.model.named_modules())


def test_weights_that_do_not_fit_are_named_with_their_file(tmp_path, trained):
    run = RunFolder(shutil.copytree(trained.run.path, tmp_path / "run"), trained.config)
    state = trained.run.load()
    name = next(name for name in state.model if name.endswith("cls_score.bias"))
    run.save({"step": state.step, "model": state.model | {name: np.zeros(3, np.float32)}, "optimizer": state.optimizer})
    with pytest.raises(CheckpointError, match="cls_score.bias") as caught:
        Experiment.open(run.path)
    assert str(caught.value).startswith(f"{run.checkpoint_file}: ")


def test_pictures_that_cannot_fit_are_refused_in_bytes(trained, monkeypatch):
    images = [np.zeros((64, 64, 1), np.float32), np.zeros((32, 96, 1), np.float32)]
    needed = detect_bytes(TINY.model, (64, 96), pictures=2)
    monkeypatch.setattr(capacity, "free_bytes", lambda: needed)
    assert len(trained.detect(images)) == 2
    monkeypatch.setattr(capacity, "free_bytes", lambda: needed - 1)
    with pytest.raises(ArgumentError, match="objects in 2 pictures of 96x64 pixels needs at least .* of memory"):
        trained.detect(images)
    assert len(trained.detect(images[:1])) == 1
    monkeypatch.setattr(capacity, "free_bytes", lambda: 0)
    with pytest.raises(ArgumentError, match="objects in 1 picture of 64x64 pixels"):
        trained.detect(images[:1])


def test_pictures_of_different_sizes_in_one_call(trained):
    rng = np.random.default_rng(0)
    images = [rng.random(shape, np.float32) for shape in ((64, 64, 1), (1, 1, 1), (40, 90, 1))]
    found = trained.detect(images)
    assert [f.masks.shape[1:] for f in found] == [(64, 64), (1, 1), (40, 90)]
    assert trained.detect([]) == []


def test_batches_do_not_change_what_is_found(trained):
    images = [image for image, _ in trained.scenes(3)]
    together = trained.detect(images)
    for image, found in zip(images, together):
        [alone] = trained.detect([image])
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)


def test_detecting_leaves_the_mode_as_it_was(trained):
    trained.model.train()
    trained.model.backbone.eval()
    trained.detect([np.zeros((32, 32, 1), np.float32)])
    assert trained.model.training and trained.model.rpn.head.training and not trained.model.backbone.training
    trained.model.eval()


def test_a_model_at_rest_is_not_walked_for_every_picture(trained, monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.experiment.at_rest", None)
    monkeypatch.setattr(type(trained.model), "train", None)
    assert len(trained.detect([np.zeros((32, 32, 1), np.float32)])) == 1


def test_other_data_for_the_evaluation(trained):
    copy = Experiment.open(trained.run.path).use_data("digits")
    assert copy.config == trained.config
    assert copy.use_data("mnist", "folder").config.scenes.source == "mnist"
    assert copy.run.config.scenes.source == "digits"  # what the run was trained on stays


def test_a_run_without_a_checkpoint_cannot_be_opened(tmp_path):
    Experiment.start(tmp_path / "run", TINY)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Experiment.open(tmp_path / "run")


def test_no_scenes(trained):
    with pytest.raises(ArgumentError, match="scenes must be at least 1; got 0"):
        trained.evaluate(scenes=0)


def changed(**parts):
    return dataclasses.replace(
        TINY, **{name: dataclasses.replace(getattr(TINY, name), **entries) for name, entries in parts.items()}
    )


@pytest.mark.parametrize(
    "config, message",
    [
        (changed(model={"num_classes": 5}), "model.num_classes must count class_names .* got 5 and 11"),
        (changed(model={"num_classes": 2, "class_names": ("background", "digit")}), "at least 11 for scenes"),
        (changed(scenes={"color": True}), "model.backbone.in_channels must be 3 for colour scenes; got 1"),
        (changed(model={"image_mean": (0.1, 0.1)}), "model.image_mean must have as many entries as .*, 1; got 2"),
    ],
)
def test_parts_that_do_not_fit(config, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        check_experiment(config)
    with pytest.raises(ConfigError, match=message):
        Experiment.start(tmp_path / "run", config)
    assert os.listdir(tmp_path) == []
    RunFolder.create(tmp_path / "old", config)
    with pytest.raises(ConfigError, match=message):
        Experiment.open(tmp_path / "old")


def test_a_run_of_which_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = Experiment.start()
    assert begun.config == Config() and begun.run.path.resolve() == tmp_path / "runs" / "001"


def test_a_run_begins_with_the_backbone_that_is_given(tmp_path, monkeypatch):
    given = []

    def move_in(model, backbone):
        given.append(backbone)
        model.parameters()[0].value[...] = 7

    monkeypatch.setattr(tinymaskrcnn.experiment, "transplant", move_in)
    begun = Experiment.start(tmp_path / "run", TINY, backbone="pretrained")
    for experiment in (begun, Experiment.open(tmp_path / "run")):  # also after it was killed before its first step
        assert (experiment.model.parameters()[0].value == 7).all()
    assert given == ["pretrained"]


def test_the_package_offers_names_without_importing_them():
    assert set(tinymaskrcnn.__all__) <= set(dir(tinymaskrcnn))
    with pytest.raises(AttributeError, match="has no attribute 'experimant'"):
        tinymaskrcnn.experimant  # noqa: B018


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("one_sign", [False, True])  # of one sign: sums pass every bound, and none is NaN
@pytest.mark.parametrize("part", ["backbone", "rpn", "roi_heads.box", "roi_heads.mask"])
def test_weights_too_large_are_named_and_do_not_look_like_nothing_found(part, one_sign):
    """As a training leaves them that was stopped just before it broke: finite, but what they make is not."""
    detector = Detector(load_tour_detector())
    channels = detector.model.config.backbone.in_channels
    picture = np.random.default_rng(0).random((64, 80, channels), np.float32)
    assert len(detector.detect([picture])) == 1
    for name, p in detector.model.named_parameters():
        if name.startswith(part) and p.value.ndim > 1:
            p.value[...] = 1e30 if one_sign else p.value * np.float32(1e20)
    with pytest.raises(NonFiniteError, match=rf"of layer '{part}.*: the weights are too large, as a training that div"):
        detector.detect([picture])


# ---------------------------------------------------------------- annotated pictures


COLOUR = {"in_channels": 3}


def annotated_config(folder, contents=None, *, heads=("box", "mask"), names=("background", "cat", "person"), **coco):
    """A tiny model for the three pictures of annotated.py."""
    path, folder = annotated.write(folder, contents)
    model = dataclasses.replace(
        TINY.model,
        num_classes=len(names),
        class_names=names,
        heads=heads,
        image_mean=(0.5,) * 3,
        image_std=(0.2,) * 3,
        backbone=dataclasses.replace(TINY.model.backbone, in_channels=3),
        roi=dataclasses.replace(TINY.model.roi, num_keypoints=3, keypoint_widths=(8,)),
    )
    return dataclasses.replace(TINY, model=model, coco=CocoConfig(annotations=str(path), images=str(folder), **coco))


def test_a_run_on_pictures_judges_all_of_them_and_what_they_have(tmp_path, capsys):
    contents = annotated.entries()
    for entry in contents["annotations"]:
        entry.pop("keypoints", None)
    for folder in ("pictures", "others"):
        (tmp_path / folder).mkdir()
    config = annotated_config(tmp_path / "pictures", heads=("box", "mask", "keypoint"))
    path, folder = annotated.write(tmp_path / "others", contents)
    experiment = Experiment.start(tmp_path / "run", config).use_annotations(path, folder)
    capsys.readouterr()
    seen = []
    experiment.detect = lambda images, **_: [seen.append(image.shape) or nothing() for image in images]
    figures = experiment.evaluate(save_results=tmp_path / "found.json")
    assert set(figures) == {"bbox", "segm"} and len(seen) == 3
    note = f"{path}: no object has a keypoint, by which to judge keypoints: left out"
    assert capsys.readouterr().err.splitlines().count(note) == 1
    experiment.evaluate(scenes=2)
    assert len(seen) == 5 and note not in capsys.readouterr().err, "what is left out is said once"
    experiment.evaluate(scenes=99)
    assert len(seen) == 8, "an evaluation has as many pictures as there are"
    assert list(experiment.evaluate(kinds=["segm"])) == ["segm"]
    with pytest.raises(ArgumentError, match=r"no object has a keypoint, by which to judge keypoints$"):
        experiment.evaluate(kinds=["keypoints"])
    assert json.loads((tmp_path / "found.json").read_text()) == []


def test_results_bear_the_ids_of_the_file(tmp_path):
    experiment = Experiment.start(tmp_path / "run", annotated_config(tmp_path, heads=("box",)))
    one = Detections(np.array([[1.0, 2, 9, 8]]), np.array([1]), np.array([0.5]))
    experiment.detect = lambda images, **_: [one for _ in images]
    experiment.evaluate(save_results=tmp_path / "found.json")
    entries = json.loads((tmp_path / "found.json").read_text())
    assert [(e["image_id"], e["category_id"]) for e in entries] == [(10, 3), (20, 3), (30, 3)]


def nothing():
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0, np.float32), [], np.zeros((0, 3, 3)))


@pytest.mark.parametrize("kinds", [[], ["keypoints"], ["bbox", "masks"]])
def test_figures_that_a_model_does_not_have(trained, kinds):
    with pytest.raises(ArgumentError) as caught:
        trained.evaluate(kinds=kinds)
    assert str(caught.value) == f"evaluate: kinds must be some of bbox, segm for this model; got {kinds}"


def test_figures_that_are_asked_for(trained):
    assert list(trained.evaluate(kinds=("bbox",), scenes=1)) == ["bbox"]
    ranges = {"all": (0, 1e10), "tiny": (0, 9)}
    assert {"AP", "APtiny"} <= set(trained.evaluate(kinds=("segm",), scenes=1, area_ranges=ranges)["segm"])


def test_other_pictures_to_judge_by(tmp_path, trained):
    copy = Experiment.open(trained.run.path).use_annotations(tmp_path / "a.json", tmp_path)
    assert copy.config.coco == CocoConfig(
        annotations=str(tmp_path / "a.json"), val_annotations=str(tmp_path / "a.json"), val_images=str(tmp_path)
    )
    (tmp_path / "pictures").mkdir()
    own = annotated_config(tmp_path / "pictures", val_list="some.txt")
    copy.config = own
    copy._streams["test", None] = "old"
    copy.use_annotations("b.json", "b")
    want = dataclasses.replace(own.coco, val_annotations="b.json", val_images="b", val_list="")
    assert copy.config.coco == want and copy._streams == {}


def test_broken_pictures_can_be_left_out(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    contents = annotated.entries()
    contents["annotations"][2]["bbox"] = [1, 2, -3, 4]
    config = annotated_config(tmp_path / "pictures", contents)
    with pytest.raises(Exception, match="annotation 5  b.png    box is degenerate"):
        Experiment.start(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()
    start = Experiment.start(
        tmp_path / "run", dataclasses.replace(config, coco=dataclasses.replace(config.coco, skip_broken=True))
    )
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert said and len(said) == len(set(said)), "training and test pictures are the same: said once"
    assert len(start.stream("train")) == 2 and start.stream("train") is start.stream("train")
    start.config = config
    start._streams = {}
    assert start.leave_out_broken() is start and start.config.coco.skip_broken
    assert len(start.stream("test")) == 2
    assert capsys.readouterr().err == ""
    opened = Experiment.open(tmp_path / "run", weights=False)
    for split in ("test", "train", "test"):
        opened.stream(split)
    assert capsys.readouterr().err.splitlines() == said, "said once, as at the start"


def test_the_anchor_report_says_where_it_looked(tmp_path, trained):
    assert trained.anchor_report(scenes=2).looked_at == "2 training scenes"
    (tmp_path / "pictures").mkdir()
    config = annotated_config(tmp_path / "pictures")
    run = Experiment.start(tmp_path / "run", config)
    report = run.anchor_report()  # of 100 at most: each once
    assert report.looked_at == "3 training pictures"
    assert run.anchor_report(scenes=2).looked_at == "2 training pictures"
    cut = dataclasses.replace(config, coco=dataclasses.replace(config.coco, crop=16))
    report = Experiment.start(tmp_path / "cut", cut).anchor_report(scenes=12)
    assert report.looked_at.startswith("12 random windows of the training pictures")


def test_results_of_classes_without_a_category(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    config = annotated_config(tmp_path / "pictures", names=("background", "dog", "cat", "person"))
    config = dataclasses.replace(config, coco=dataclasses.replace(config.coco, category_ids=(0, 0, 3, 7)))
    stream = Experiment.start(tmp_path / "run", config).stream("test")
    found = Detections(np.tile([[1.0, 2, 3, 5]], (3, 1)), np.array([1, 2, 3]), np.array([0.5, 0.4, 0.3]))
    said = []
    with _results_writer(tmp_path / "found.json", stream, said.append) as add:
        add(0, found)
        add(2, found)
    entries = json.loads((tmp_path / "found.json").read_text())
    assert [(e["image_id"], e["category_id"]) for e in entries] == [(10, 3), (10, 7), (30, 3), (30, 7)]
    assert said == [
        f"{tmp_path / 'found.json'}: left out 2 found objects of classes that "
        f"{config.coco.annotations} has no category for"
    ]
    with _results_writer(tmp_path / "scenes.json", None, said.append) as add:
        add(5, found)
    entries = json.loads((tmp_path / "scenes.json").read_text())
    assert [(e["image_id"], e["category_id"]) for e in entries] == [(5, 1), (5, 2), (5, 3)] and len(said) == 1


# ---------------------------------------------------------------- what finds objects, and what it costs


def test_a_detector_is_opened_by_what_its_path_is(tmp_path, trained):
    run = open_detector(trained.run.path, threads=2)
    assert type(run) is Experiment and (run.threads, run.device) == (2, "cpu")
    one_file = tmp_path / "model.npz"
    save_model(one_file, trained.model)
    alone = open_detector(str(one_file), threads=2)
    assert type(alone) is Detector and alone.threads == 2 and alone.class_names == TINY.model.class_names
    np.testing.assert_array_equal(alone.model.parameters()[0].value, trained.model.parameters()[0].value)
    assert open_detector("tour").model.config.backbone.fpn_channels == 32


def test_detecting_keeps_to_its_threads(trained):
    seen, detect = [], trained.model.detect
    trained.model.detect = lambda *args, **more: seen.append(get_threads()) or detect(*args, **more)
    try:
        Detector(trained.model, threads=3).detect([np.zeros((32, 32, 1), np.float32)])
    finally:
        trained.model.detect = detect
        set_threads(None)
    assert seen == [3]


def test_masks_are_pixels_or_run_lengths(trained):
    image = np.random.default_rng(0).random((48, 40, 1), np.float32)
    [pixels], [encoded] = trained.detect([image]), trained.detect([image], encoded=True)
    assert isinstance(pixels.masks, np.ndarray) and isinstance(encoded.masks, list)
    assert len(encoded.masks) == len(pixels.masks) and all(tuple(rle.size) == (48, 40) for rle in encoded.masks)


def test_a_training_that_cannot_fit_is_refused_before_anything(tmp_path, monkeypatch, trained):
    monkeypatch.setattr("tinymaskrcnn.capacity.free_bytes", lambda: 10**4)
    message = r"^a training step needs at least .*; 10.0 kB are free; lower train.batch_size, the size of the pictures"
    for call in (lambda: Experiment.start(tmp_path / "run", TINY), trained.train, lambda: check_memory(TINY)):
        with pytest.raises(ConfigError, match=message):
            call()
    assert os.listdir(tmp_path) == []


def needed(monkeypatch, config, **options):
    asked = []
    monkeypatch.setattr("tinymaskrcnn.train.checks.require", lambda count, what, advice: asked.append(count))
    check_memory(config, **options)
    return asked[0]


def test_what_a_training_needs_grows_with_its_settings(monkeypatch):
    numbers = 4 * sum(p.value.size for p in load_model_of(TINY).parameters())
    here = needed(monkeypatch, TINY)
    adam = needed(monkeypatch, changed(train={"optimizer": "adamw"}))
    assert adam - here == pytest.approx(numbers, rel=0.05), "a second number is remembered of each weight"
    assert needed(monkeypatch, changed(train={"batch_size": 4})) > here
    assert needed(monkeypatch, changed(scenes={"image_size": 128})) > here
    assert needed(monkeypatch, TINY, device="cuda") == 4 * 2 * 64 * 64
    pictures = dataclasses.replace(TINY, coco=CocoConfig(annotations="a.json"))
    assert needed(monkeypatch, pictures, device="cuda") == 0, "their size is not known"
    cut = dataclasses.replace(TINY, coco=CocoConfig(annotations="a.json", crop=10))
    assert needed(monkeypatch, cut, device="cuda") == 4 * 2 * 10 * 10
    resized = dataclasses.replace(cut, model=dataclasses.replace(cut.model, resize_shorter=20, resize_longer=30))
    assert needed(monkeypatch, resized, device="cuda") == 4 * 2 * 20 * 20


def load_model_of(config):
    return build_model(config.model, rng=np.random.default_rng(0))


def test_weights_to_begin_with(tmp_path, trained):
    weights = trained.model.state_dict()
    tuned = Experiment.start(tmp_path / "run", changed(train={"seed": 5, "frozen_stages": 1}), weights=weights)
    assert tuned.fresh == []
    opened = Experiment.open(tmp_path / "run")  # before its first step: killed early, it has not lost them
    for model in (tuned.model, opened.model):
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, weights[name])
        assert not all(p.trainable for p in model.parameters())
    anew = Experiment.open(tmp_path / "run", weights=False)
    assert any((anew.model.state_dict()[name] != array).any() for name, array in weights.items())


def test_a_model_is_made_where_it_computes():
    with pretended():
        model = _new_model(TINY, "cuda")
        assert all(type(p.value).__name__ == "StrictArray" for p in model.parameters())
        assert type(Detector(load_model_of(TINY), device="cuda").model.parameters()[0].value).__name__ == "StrictArray"


def test_pictures_to_judge_by_are_looked_at_before_a_run_begins(tmp_path):
    (tmp_path / "pictures").mkdir()
    config = annotated_config(tmp_path / "pictures", val_annotations=str(tmp_path / "none.json"))
    with pytest.raises(DataError, match="none.json: there is no such file"):
        Experiment.start(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- what is handed on, to whom


def spied(monkeypatch, name, answer=None, owner=tinymaskrcnn.experiment):
    """[(arguments, keywords)] of each call of something that an experiment uses; answer: what it says instead."""
    calls, before = [], getattr(owner, name)

    def call(*args, **options):
        calls.append((args, options))
        return before(*args, **options) if answer is None else answer

    monkeypatch.setattr(owner, name, call)
    return calls


def test_a_run_opens_its_data_once_and_remembers_where_they_are(tmp_path, monkeypatch):
    opened, told = spied(monkeypatch, "open_stream"), spied(monkeypatch, "load_fitting", ["some"])
    begun = Experiment.start(tmp_path / "run", TINY, data_dir=tmp_path, weights={"a": 1}, known=("background", "owl"))
    assert [options for _, options in opened] == [
        {"split": split, "data_dir": tmp_path, "folder": tmp_path / "run" / "proposals"} for split in ("train", "test")
    ]
    assert all(args == (TINY,) for args, _ in opened)
    for split in ("train", "test", "train"):
        begun.stream(split)
    assert len(opened) == 2
    [(args, options)] = told
    assert args == (begun.model, {"a": 1}) and options == {"class_names": ("background", "owl")}
    assert begun.fresh == ["some"] and begun.data_dir == str(tmp_path)
    again = Experiment.open(tmp_path / "run")
    assert again.data_dir == str(tmp_path)
    again.stream("test", parts=("box",))
    assert opened[-1][1] == opened[1][1] | {"data_dir": str(tmp_path), "parts": ("box",)}
    first = again.stream("test")
    assert first is again.stream("test") is not again.stream("test", parts=("box",))
    assert again.use_data(None).stream("test") is not first and again.config == TINY
    again.use_data("mnist", "elsewhere")
    assert again.data_dir == "elsewhere" and again._streams == {}


def test_first_weights_come_from_the_seed():
    for seed in (0, 5):
        config = changed(train={"seed": seed})
        wanted = build_model(config.model, rng=np.random.default_rng(seed)).state_dict()
        for name, array in _new_model(config, "cpu").state_dict().items():
            np.testing.assert_array_equal(array, wanted[name])


def test_what_opens_keeps_the_device(tmp_path, trained):
    file = tmp_path / "model.npz"
    save_model(file, trained.model)
    with pretended():
        for path in ("tour", file, trained.run.path):
            opened = open_detector(path, device="cuda", threads=3)
            assert (opened.device, opened.threads) == ("cuda", 3)
            assert type(opened.model.parameters()[0].value).__name__ == "StrictArray"
    with pytest.raises(CheckpointError):
        Experiment.open(Experiment.start(tmp_path / "empty", TINY).run.path)
    assert Experiment.open(tmp_path / "empty", weights=False, threads=2).threads == 2


def test_pictures_are_looked_at_in_the_precision_of_the_weights(monkeypatch):
    for dtype in (np.float32, np.float64):
        detector = Detector(load_model_of(TINY).astype(dtype))
        seen = spied(monkeypatch, "detect", answer=["found"], owner=type(detector.model))
        assert detector.detect([np.zeros((40, 33, 1), np.float32)]) == ["found"]
        (images,), options = seen[0][0][-1:], seen[0][1]
        assert images.dtype == dtype and images.shape == (1, 64, 64, 1)
        assert options["sizes"].tolist() == options["original_sizes"].tolist() == [[40, 33]]


def outside(**more):
    """A tiny Fast R-CNN, whose proposals come with its scenes."""
    settings = {"train.train_scenes": 4, "model.proposals.most": 12, "scenes.image_size": 48, **more}
    return override(TINY, system_settings("fast_rcnn") | settings)


def test_proposals_go_where_their_picture_goes(tmp_path, monkeypatch):
    """In training as many are found beforehand as steps will want; in an evaluation each batch has its own."""
    experiment = Experiment.start(tmp_path / "run", outside(**{"train.steps": 3, "train.accumulate": 2}))
    prepared = spied(monkeypatch, "prepare", answer=True, owner=type(experiment.stream().proposals))
    monkeypatch.setitem(tinymaskrcnn.experiment.PROCEDURES, "joint", lambda training, on_start: on_start(7) or "done")
    steps = []
    assert experiment.train(on_start=steps.append) == "done" and steps == [7] and prepared[0][0][1:] == (6,)
    seen = []
    experiment.detect = lambda images, **given: seen.append((len(images), given)) or [nothing() for _ in images]
    for split in ("test", "train"):
        seen.clear()
        wanted = [experiment.stream(split).proposals.of(i) for i in range(3)]
        experiment.evaluate(split=split)
        assert [count for count, _ in seen] == [2, 1]
        found = [boxes for _, given in seen for boxes in given["proposals"]]
        assert len(found) == 3 and all(map(np.array_equal, found, wanted))
    assert all(given["encoded"] for _, given in seen)
    monkeypatch.setattr(visualize, "detections_figure", lambda *_, **__: Figure())
    seen.clear()
    experiment.draw(scenes=2, split="train")
    [(count, given)] = seen
    assert count == len(given["proposals"]) == 2 and all(map(np.array_equal, given["proposals"], wanted))


def test_proposals_may_be_brought_along(monkeypatch):
    detector = Detector(build_model(outside().model, rng=np.random.default_rng(0)))
    seen = spied(monkeypatch, "detect", answer=[], owner=type(detector.model))
    detector.detect([np.zeros((32, 32, 1), np.float32)], proposals=[np.array([[1.0, 2, 9, 8]], np.float32)])
    assert seen[0][1]["proposals"].shape == (1, 12, 4) and seen[0][1]["proposals_valid"].sum() == 1
    assert seen[0][1]["proposals"][0, 0].tolist() == [1, 2, 9, 8]


def test_what_judges_is_told_what_it_judges(trained, monkeypatch):
    """The figures' own settings, and whether masks have scores of their own; a line says how many scenes."""
    made, labels = spied(monkeypatch, "Evaluator"), []
    monkeypatch.setattr(tinymaskrcnn.experiment, "counted", lambda items, label: labels.append(label) or items)
    copy = Experiment.open(trained.run.path)
    copy.detect = lambda images, **_: [nothing() for _ in images]
    assert set(copy.evaluate(scenes=1)) == {"bbox", "segm"}
    assert [options["iou_type"] for _, options in made] == ["bbox", "segm"]
    assert all(len(options["sigmas"]) == 17 and "area_ranges" not in options for _, options in made)
    copy.evaluate(split="train", kinds=["bbox"], area_ranges={"all": (0, 9.0)})
    assert made[-1][1]["area_ranges"] == {"all": (0, 9.0)}
    assert labels == ["evaluating on 1 test scenes", "evaluating on 3 train scenes"]
    roi = dataclasses.replace(TINY.model.roi, mask_iou_widths=(4,), num_keypoints=5)
    copy.config = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, roi=roi))
    monkeypatch.setattr(tinymaskrcnn.experiment, "MaskQuality", Judge)
    assert copy.evaluate(scenes=1)["mask_scores"] == "judged" and len(made[-1][1]["sigmas"]) == 5
    assert set(copy.evaluate(scenes=1, kinds=["bbox"])) == {"bbox"}


class Judge:
    def add(self, truth, found):
        pass

    def summarize(self):
        return "judged"


def test_a_pretrained_backbone_names_crops_and_is_no_detector(tmp_path, monkeypatch):
    config = changed(train={"procedure": "pretrain", "steps": 1, "seed": 3, "eval_scenes": 5})
    experiment = Experiment.start(tmp_path / "run", config)
    assert experiment.train()
    stored, labels = experiment.run.load().model, []
    monkeypatch.setattr(tinymaskrcnn.experiment, "counted", lambda items, label: labels.append(label) or items)
    anew = Experiment(RunFolder.open(tmp_path / "run"), threads=2)
    called = []

    def watched(classifier, batches, *, rng):
        batches = list(batches)
        called.append((classifier, batches, rng.random(), get_threads()))
        return {"crops": len(batches)}

    monkeypatch.setattr(tinymaskrcnn.experiment, "crop_accuracy", watched)
    assert anew.crop_accuracy() == {"crops": 3} and anew.crop_accuracy(scenes=2) == {"crops": 1}
    for classifier, batches, drawn, threads in called:
        assert drawn == np.random.default_rng(3).random() and threads == 2
        for name, array in classifier.state_dict().items():
            np.testing.assert_array_equal(array, stored[name])
        np.testing.assert_array_equal(batches[0].images, anew.stream("test").batch(0).images)
    assert labels == ["naming crops"] * 2
    set_threads(None)
    with pytest.raises(ArgumentError, match="run holds a pretrained backbone and no detector; a training can begin"):
        Experiment.open(tmp_path / "run")


def test_a_backbone_that_was_pretrained_is_asked_on_as_many_pictures_as_there_are(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    config = annotated_config(tmp_path / "pictures", heads=("box",))
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, procedure="pretrain", steps=1))
    experiment = Experiment.start(tmp_path / "run", config)
    experiment.run.save({"step": 0, "model": new_classifier(experiment.model, 0).state_dict(), "optimizer": {}})
    monkeypatch.setattr(tinymaskrcnn.experiment, "crop_accuracy", lambda _, batches, rng: len(list(batches)))
    assert experiment.crop_accuracy(scenes=99) == 2  # three pictures, two at a time
    assert len(experiment.scenes(99)) == 3 and len(experiment.scenes(5, split="train")) == 5  # these come again


def test_drawings_know_names_and_there_are_curves_where_there_are_rows(tmp_path, monkeypatch):
    experiment, drawn = Experiment.start(tmp_path / "run", TINY), []
    monkeypatch.setattr(visualize, "detections_figure", lambda *_, **names: drawn.append(names) or Figure())
    assert experiment.draw(scenes=1) == [tmp_path / "run" / "detections.png"]
    assert drawn == [{"class_names": TINY.model.class_names, "keypoint_names": TINY.model.keypoint_names}]
    assert (tmp_path / "run" / "detections.png").is_file()


def test_anchors_are_compared_with_a_hundred_scenes(trained, monkeypatch):
    labels = []
    monkeypatch.setattr(tinymaskrcnn.experiment, "counted", lambda items, label: labels.append(label) or items)
    seen = spied(monkeypatch, "anchor_report")
    report = trained.anchor_report()
    assert labels == ["comparing anchors with 100 scenes"] and report.looked_at == "100 training scenes"
    [(args, options)] = seen
    assert args[1] is trained.config.model.rpn and options == {"levels": (2, 3, 4, 5, 6)}


def test_what_a_training_needs_is_its_step_and_three_numbers_a_weight(monkeypatch):
    step = step_bytes(TINY.model, (64, 64), pictures=2)
    assert needed(monkeypatch, TINY) == step + weights_bytes(TINY.model, arrays=3)
