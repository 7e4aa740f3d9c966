"""`train --data coco`, `evaluate` and `data check` on annotated pictures, from end to end on a very small model."""

import json

import annotated
import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import Experiment, cli
from tinymaskrcnn.commands.pictures import build_picture_config
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.interop.model_file import save_model
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder

SMALL = {"model__resize_shorter": 32, "model__resize_longer": 48, "train__schedule": "constant"}
SMALL |= {"model__roi__keypoint_widths": [8]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return annotated.write(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def learn(train, files):
    """learn(folder, more words, name__of__setting=value): the exit status of `train --data coco`."""
    path, folder = files
    words = ("--data", "coco", "--annotations", path, "--images", folder)
    return lambda out, *more, **settings: train(out, *words, *more, **(SMALL | settings))


@pytest.fixture(scope="module")
def pictures_run(learn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pictures"
    assert learn(folder) == 0
    return folder


def state(folder):
    checkpoint = RunFolder.open(folder).load()
    return checkpoint.model | {f"optimizer {name}": array for name, array in checkpoint.optimizer.items()}


def equal(a, b):
    return set(a) == set(b) and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_run_knows_its_classes_and_its_pictures(pictures_run, files):
    config = RunFolder.open(pictures_run).config
    assert config.model.class_names == ("background", "cat", "person") and config.coco.category_ids == (0, 3, 7)
    assert config.model.heads == ("box", "mask", "keypoint") and config.model.roi.num_keypoints == 3
    assert config.model.backbone.in_channels == 3 and config.coco.annotations == str(files[0].resolve())
    figures = json.loads((pictures_run / "evaluation.json").read_text())
    assert figures["scenes"] == 3 and {"bbox", "segm", "keypoints"} <= set(figures)
    rows = read_rows(pictures_run / "metrics.jsonl")
    assert len(rows) == 4 and {"mask", "keypoint"} <= set(rows[0])
    assert (pictures_run / "detections.png").exists()


def test_stopping_and_resuming_changes_no_bit(learn, pictures_run, tmp_path):
    folder = tmp_path / "halves"
    assert learn(folder, train__steps=2) == 0
    assert cli.main(["train", "--out", str(folder), "--resume", "--steps", "4"]) == 0
    assert equal(state(folder), state(pictures_run))


def test_evaluate_on_its_own_and_on_other_pictures(pictures_run, tmp_path, capsys):
    assert cli.main(["evaluate", str(pictures_run)]) == 0
    assert capsys.readouterr().out.split()[:3] == ["box", "mask", "keypoint"]
    contents = annotated.entries()
    contents["categories"] = [{"id": 1, "name": "person", "keypoints": list(annotated.POINTS)}]
    contents["annotations"] = [contents["annotations"][0] | {"category_id": 1}]
    path, folder = annotated.write(tmp_path, contents)
    words = ["--annotations", str(path), "--images", str(folder)]
    assert cli.main(["evaluate", str(pictures_run), *words, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"bbox", "segm", "keypoints"}


def test_profile(pictures_run, tmp_path, capsys):
    words = ["profile", "--run", str(pictures_run), "--steps", "1", "--out", str(tmp_path / "p.png")]
    assert cli.main(words) == 0
    assert cli.main([*words, "--inference", "--batch-size", "1"]) == 0
    out = capsys.readouterr().out
    assert "training step" in out and "inference" in out and "keypoint predictor" in out


def test_fine_tuning_names_what_starts_anew_and_keeps_what_is_frozen(run, learn, tmp_path, capsys):
    folder = tmp_path / "tuned"
    # the digits' run is grey, so are the pictures then; it has ten classes, the pictures two
    assert learn(folder, "--model", run, "--freeze", 1) == 0
    message = capsys.readouterr().err
    assert f"starting anew, because they do not fit the weights of {run}" in message
    assert "roi_heads.box_predictor.cls_score.weight" in message and "backbone" not in message
    config = RunFolder.open(folder).config
    assert config.train.frozen_stages == 1 and config.model.heads == ("box", "mask")
    before, after = RunFolder.open(run).load().model, RunFolder.open(folder).load().model
    frozen = ("backbone.body.conv1", "backbone.body.bn1", "backbone.body.layer1")
    assert all(np.array_equal(before[name], after[name]) for name in before if name.startswith(frozen))
    assert not np.array_equal(
        before["backbone.body.layer2.0.conv1.weight"], after["backbone.body.layer2.0.conv1.weight"]
    )


def test_fine_tuning_that_is_killed_at_once_goes_on_from_its_weights(run, learn, tmp_path):
    assert learn(tmp_path / "whole", "--model", run) == 0
    assert learn(tmp_path / "killed", "--model", run, train__steps=0) == 0
    start = RunFolder.open(tmp_path / "killed").load().model
    np.testing.assert_array_equal(
        start["backbone.body.conv1.weight"], RunFolder.open(run).load().model["backbone.body.conv1.weight"]
    )
    assert cli.main(["train", "--out", str(tmp_path / "killed"), "--resume", "--steps", "4"]) == 0
    assert equal(state(tmp_path / "killed"), state(tmp_path / "whole"))


def test_the_weights_are_there_before_the_first_step(pictures_run, tmp_path):
    folder = RunFolder.open(pictures_run)
    weights = folder.load().model
    started = Experiment.start(tmp_path / "run", folder.config, weights=weights)
    assert started.fresh == []
    assert equal(started.model.state_dict(), weights)
    assert equal(RunFolder.open(tmp_path / "run").load().model, weights)


def test_a_model_file_that_knows_the_classes_keeps_them(learn, pictures_run, tmp_path, capsys):
    import dataclasses

    config = RunFolder.open(pictures_run).config.model
    names = ("background", "person", "N/A", "cat")  # another order, with a gap
    assert config.keypoint_names == ("nose", "left_eye", "right_eye")  # as the file calls them
    config = dataclasses.replace(config, class_names=names, num_classes=4, keypoint_names=())
    for points, fresh in ((3, None), (17, "roi_heads.keypoint_predictor.kps_score_lowres.weight")):  # the file has 3
        config = dataclasses.replace(config, roi=dataclasses.replace(config.roi, num_keypoints=points))
        save_model(tmp_path / "model.npz", build_model(config, rng=np.random.default_rng(0)))
        assert learn(tmp_path / f"run {points}", "--model", tmp_path / "model.npz", train__steps=1) == 0
        message = capsys.readouterr().err
        assert (f"weights of {tmp_path / 'model.npz'}: {fresh}" in message) if fresh else "anew" not in message
    kept = RunFolder.open(tmp_path / "run 17").config
    assert (
        kept.model.roi.num_keypoints == 3 and kept.model.class_names == names and kept.coco.category_ids == (0, 7, 0, 3)
    )


def test_a_class_that_the_weights_know_goes_on_from_them(learn, pictures_run, tmp_path, capsys):
    """(cat, person) -> (owl, person): person moves from label 2 to label 1 and takes its rows along."""
    contents = annotated.entries()
    cat = next(category for category in contents["categories"] if category["name"] == "cat")
    cat["name"], cat["id"] = "owl", 9
    for entry in contents["annotations"]:
        entry["category_id"] = 9 if entry["category_id"] == 3 else entry["category_id"]
    path, folder = annotated.write(tmp_path, contents)
    words = ("--annotations", path, "--images", folder, "--model", pictures_run)
    assert learn(tmp_path / "tuned", *words, train__steps=0) == 0
    assert f"classes taken over by name from {pictures_run}: person; starting anew: owl" in capsys.readouterr().err
    tuned = RunFolder.open(tmp_path / "tuned")
    assert tuned.config.model.class_names == ("background", "person", "owl")
    before, after = RunFolder.open(pictures_run).load().model, tuned.load().model
    rows = "roi_heads.box_predictor.cls_score.weight"
    np.testing.assert_array_equal(after[rows][:, [0, 1]], before[rows][:, [0, 2]])
    assert not np.isclose(after[rows][:, 2], before[rows][:, 1]).any()
    words = [*words[:4], "--model", str(tmp_path / "tuned")]
    assert learn(tmp_path / "same", *words, train__steps=0) == 0  # the same classes: nothing to say
    assert "anew" not in capsys.readouterr().err


WITHOUT = {
    "no segmentation": (("box", "keypoint"), ("segmentation",)),
    "no keypoints": (("box", "mask"), ("keypoints", "num_keypoints", "skeleton")),
    "neither": (("box",), ("segmentation", "keypoints", "num_keypoints", "skeleton")),
}
KINDS = {"box": "bbox", "mask": "segm", "keypoint": "keypoints"}


@pytest.mark.in_turn
@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize("kind", WITHOUT)
def test_what_the_annotations_lack_is_neither_trained_nor_drawn(kind, emptied, learn, tmp_path, capsys):
    """Left out altogether, or `[]` for every object: trained, judged and drawn in truth, from the command line."""
    heads, names = WITHOUT[kind]
    contents = annotated.entries()
    for entry in [*contents["annotations"], *contents["categories"]]:
        for name in set(names) & set(entry):
            entry[name] = 0 if name == "num_keypoints" else []
            if not emptied:
                del entry[name]
    path, folder = annotated.write(tmp_path, contents)
    assert learn(tmp_path / "run", "--annotations", path, "--images", folder, train__steps=1) == 0
    assert RunFolder.open(tmp_path / "run").config.model.heads == heads
    figures = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert set(figures) == {"scenes", "split", *(KINDS[head] for head in heads)}
    with Image.open(tmp_path / "run" / "detections.png") as drawn:
        assert min(drawn.size) > 300 and len(drawn.convert("RGB").getcolors(1 << 20)) > 100
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 0
    words = ["predict", str(folder / "a.png"), "--model", str(tmp_path / "run"), "--score", "0"]
    assert cli.main([*words, "--out", str(tmp_path / "found")]) == 0
    found = json.loads((tmp_path / "found" / "a.json").read_text())["objects"]
    assert len(found) and all(("mask" in entry) == ("mask" in heads) for entry in found)


@pytest.mark.parametrize("learned", ["--val-", "--"])
@pytest.mark.parametrize("heads", [("box",), ("box", "mask", "keypoint")])
def test_pictures_without_objects_are_trained_on_judged_and_drawn(heads, learned, learn, tmp_path):
    """Held-out ones, or all: where there is no object, no part of one is missing."""
    contents = annotated.entries()
    contents["annotations"] = []
    path, folder = annotated.write(tmp_path, contents)
    words = (f"{learned}annotations", path, f"{learned}images", folder)
    assert learn(tmp_path / "run", *words, train__steps=1, model__heads=heads, model__roi__num_keypoints=3) == 0
    figures = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert figures["bbox"]["AP"] == -1 and set(figures) <= {"scenes", "split", *(KINDS[head] for head in heads)}
    assert (tmp_path / "run" / "detections.png").stat().st_size > 5000


def test_data_check(files, tmp_path, capsys):
    path, folder = files
    assert cli.main(["data", "check", "--annotations", str(path), "--images", str(folder)]) == 0
    assert "sound" in capsys.readouterr().out
    contents = annotated.entries()
    contents["annotations"][0]["bbox"] = [1, 1, 0, 0]
    contents["annotations"][2]["category_id"] = 9
    path, folder = annotated.write(tmp_path, contents)
    assert cli.main(["data", "check", "--annotations", str(path), "--images", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "2 problems" in out and "box is degenerate" in out and "names no category; got 9" in out


def test_broken_annotations_stop_training_before_a_folder_is_made(tmp_path, learn, capsys):
    contents = annotated.entries()
    contents["annotations"][0]["bbox"] = [1, 1, 0, 0]
    path, _ = annotated.write(tmp_path, contents)
    assert learn(tmp_path / "run", "--annotations", path, "--images", tmp_path) == 2
    message = capsys.readouterr().err
    assert "1 problem " in message and "box is degenerate" in message and "--skip-broken" in message
    assert learn(tmp_path / "run", "--val-annotations", path, "--val-images", tmp_path) == 2  # also held-out ones
    assert not (tmp_path / "run").exists()
    assert learn(tmp_path / "run", "--annotations", path, "--images", tmp_path, "--skip-broken", train__steps=1) == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["--data", "coco"], "--data coco needs --annotations JSON and --images DIR"),
        (["--data", "coco", "--annotations", "a.json"], "--annotations needs --images DIR"),
        (["--data", "coco", "--annotations", "a.json", "--images", "."], "a.json: there is no such file"),
        (["--data", "coco", "--scenes", "hard", "--annotations", "a", "--images", "b"], "--scenes needs generated"),
        (["--annotations", "a.json", "--freeze", "0"], "--annotations, --freeze needs --data coco"),
        (["--data", "coco", "--model", "none.npz"], "none.npz"),
    ],
)
def test_options_that_do_not_fit_together(words, message, tmp_path, monkeypatch, fails):
    monkeypatch.chdir(tmp_path)
    assert message in fails("train", "--out", "run", *words)
    assert not (tmp_path / "run").exists()


def test_resuming_keeps_the_pictures(pictures_run, fails):
    line = fails("train", "--out", pictures_run, "--resume", "--annotations", "x.json", "--freeze", 0)
    assert "leave out --annotations, --freeze" in line


def test_stages_are_counted_from_0_to_4(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--data", "coco", "--freeze", "5"])
    assert "must be 0 (the stem) to 4 (the whole backbone); got '5'" in capsys.readouterr().err


# ---------------------------------------------------------------- what is left out, and what is asked for


@pytest.fixture
def small(train, tmp_path):
    """small(change of the entries, more words) -> exit status of one step on the file; without keypoints."""

    def learn(change, *more, **settings):
        contents = annotated.entries()
        contents["categories"] = [{"id": 7, "name": "person"}, {"id": 3, "name": "cat"}]
        contents["annotations"] = [annotated.annotation(k, 10 + 10 * (k > 2), 3, [2, 2 + k, 12, 9]) for k in range(5)]
        change(contents)
        path, folder = annotated.write(tmp_path, contents)
        words = ("--data", "coco", "--annotations", path, "--images", folder)
        return train(tmp_path / "run", *words, *more, train__steps=1, **(SMALL | settings))

    return learn


def break_first(contents):
    contents["annotations"][0]["bbox"] = [5, 5, 0, 0]


def test_what_is_left_out_is_said_once(small, capsys, tmp_path):
    assert small(break_first, "--skip-broken") == 0
    sentence = "left out 3 of 5 objects and 1 of 3 pictures: what cannot be used, and its pictures whole"
    assert capsys.readouterr().err.count(sentence) == 1
    words = ("--annotations", str(tmp_path / "annotations.json"), "--images", str(tmp_path))
    assert cli.main(["evaluate", str(tmp_path / "run"), *words]) == 0  # the run's own setting
    assert capsys.readouterr().err.count(sentence) == 1


def test_nothing_left_is_no_green_run(small, capsys, tmp_path):
    def break_all(contents):
        for entry in contents["annotations"]:
            entry["bbox"] = [5, 5, 0, 0]

    assert small(break_all, "--skip-broken") == 2
    message = capsys.readouterr().err
    assert "Nothing is left to work with: 0 of 5 objects" in message and "--skip-broken" not in message
    assert not (tmp_path / "run").exists()


def test_a_root_category_loses_no_object(small, capsys, tmp_path):
    assert small(lambda contents: contents["categories"].insert(0, {"id": 0, "name": "cat"})) == 0
    captured = capsys.readouterr()
    assert "category 0 without objects is left out: its name 'cat' is taken" in captured.err
    config = RunFolder.open(tmp_path / "run").config
    assert config.model.class_names == ("background", "cat", "person") and config.coco.category_ids == (0, 3, 7)


def no_masks(*which):
    def change(contents):
        for k in which or range(5):
            contents["annotations"][k]["segmentation"] = [[], [[]], {}, "", None][k]

    return change


def test_boxes_alone_need_no_masks(small, capsys, tmp_path):
    assert small(no_masks(0, 1)) == 2
    message = capsys.readouterr().err
    assert "segmentation is missing; other objects have one" in message and "--set 'model.heads=[\"box\"]'" in message
    assert small(no_masks(0, 1), "--set", 'model.heads=["box"]') == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["box"]


def test_figures_of_boxes_need_no_masks(small, capsys, fails, tmp_path):
    assert small(lambda contents: None) == 0
    run, folder = tmp_path / "run", tmp_path / "other"
    folder.mkdir()

    def judge(change, *more):
        contents = json.loads((tmp_path / "annotations.json").read_text())
        change(contents)
        words = annotated.write(folder, contents)
        return ("evaluate", run, "--annotations", words[0], "--images", words[1], *more)

    capsys.readouterr()
    assert cli.main([*map(str, judge(no_masks()))]) == 0
    captured = capsys.readouterr()
    assert captured.out.split()[0] == "box" and "mask" not in captured.out
    assert "no object has a mask, by which to judge segm: left out" in captured.err
    assert "no object has a mask, by which to judge segm" in fails(*judge(no_masks(), "--iou", "segm"))
    assert cli.main([*map(str, judge(no_masks(0, 1), "--iou", "bbox"))]) == 0
    assert cli.main([*map(str, judge(no_masks(0, 1)))]) == 2
    assert "--iou bbox asks for boxes only" in capsys.readouterr().err
    assert cli.main([*map(str, judge(no_masks(0, 1), "--skip-broken"))]) == 0
    assert "left out 3 of 5 objects and 1 of 3 pictures" in capsys.readouterr().err
    assert "--skip-broken: only for a RUN" in fails("evaluate", "--annotations", "a", "--results", "b", "--skip-broken")


def test_masks_are_judged_where_boxes_are_sound(small, capsys, tmp_path):
    assert small(lambda contents: None) == 0
    contents = json.loads((tmp_path / "annotations.json").read_text())
    break_first(contents)
    path, folder = annotated.write(tmp_path, contents)
    for kind in ("bbox", "segm"):
        words = ("evaluate", tmp_path / "run", "--annotations", path, "--images", folder, "--iou", kind)
        assert cli.main([*map(str, words)]) == 2
        assert "box is degenerate" in capsys.readouterr().err
        assert cli.main([*map(str, words), "--skip-broken"]) == 0
        assert "left out 3 of 5 objects and 1 of 3 pictures" in capsys.readouterr().err


def test_going_on_with_a_file_that_is_broken_now(small, capsys, tmp_path):
    """What the error advises works; until a run goes on its folder stays as it is."""
    assert small(lambda contents: None) == 0
    contents = json.loads((tmp_path / "annotations.json").read_text())
    break_first(contents)
    annotated.write(tmp_path, contents)
    before = (tmp_path / "run" / "config.json").read_bytes()
    again = ("train", "--out", tmp_path / "run", "--resume", "--steps", 2)
    capsys.readouterr()
    assert cli.main([*map(str, again)]) == 2
    said = capsys.readouterr().err
    assert "--skip-broken leaves out what cannot be used" in said and "--set" not in said
    assert (tmp_path / "run" / "config.json").read_bytes() == before
    assert cli.main([*map(str, again), "--skip-broken"]) == 0
    assert "left out 3 of 5 objects and 1 of 3 pictures" in capsys.readouterr().err
    run = RunFolder.open(tmp_path / "run")
    assert run.config.coco.skip_broken and run.config.train.steps == 2 and run.load().step == 2


def test_scenes_have_nothing_broken(run, fails):
    assert "is trained on scenes" in fails("train", "--out", run, "--resume", "--skip-broken")


def test_a_category_that_the_model_does_not_know(small, capsys, tmp_path):
    assert small(lambda contents: None) == 0
    contents = json.loads((tmp_path / "annotations.json").read_text())
    contents["categories"].append({"id": 8, "name": "zebra"})
    folder = tmp_path / "other"
    folder.mkdir()
    words = [
        "evaluate",
        str(tmp_path / "run"),
        "--annotations",
        str(folder / "annotations.json"),
        "--images",
        str(folder),
    ]
    annotated.write(folder, contents)
    assert cli.main(words) == 0
    assert "1 category without objects that the model does not know: 'zebra'" in capsys.readouterr().err
    contents["annotations"][0]["category_id"] = 8
    annotated.write(folder, contents)
    assert cli.main(words) == 2
    message = capsys.readouterr().err
    assert "the model does not know: zebra (1 object)" in message and "--skip-broken leaves out" in message
    assert cli.main([*words, "--skip-broken"]) == 0
    assert "left out 1 of 5 objects and 0 of 3 pictures" in capsys.readouterr().err


def test_pictures_that_end_early(small, tmp_path, capsys):
    assert small(lambda contents: None) == 0
    words = ["data", "check", "--annotations", str(tmp_path / "annotations.json"), "--images", str(tmp_path)]
    picture = tmp_path / "b.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 36), dtype=np.uint8)).save(picture, "JPEG")
    picture.write_bytes(picture.read_bytes()[:1000])
    capsys.readouterr()
    assert cli.main([*words, "--no-decode"]) == 0
    assert cli.main(words) == cli.main([*words, "--decode"]) == 1
    out = capsys.readouterr().out
    assert out.count("b.png") == 2 and "cannot be read as a picture" in out


def test_a_list_says_which_pictures_are_learned_from(files, tmp_path):
    path, folder = files
    (tmp_path / "list.txt").write_text("a.png\n")
    words = ["train", "--data", "coco", "--annotations", str(path), "--images", str(folder)]
    whole = build_picture_config(cli.parse(words), None)
    part = build_picture_config(cli.parse([*words, "--train-list", str(tmp_path / "list.txt")]), None)
    assert whole.coco.train_list == "" and part.coco.train_list == str((tmp_path / "list.txt").resolve())
    pixels = np.asarray(Image.open(folder / "a.png")) / 255
    np.testing.assert_allclose(part.model.image_mean, pixels.mean(axis=(0, 1)), atol=1e-3)
    assert not np.allclose(whole.model.image_mean, part.model.image_mean, atol=1e-3)


def test_options_for_pictures_set_what_they_are_called(files, tmp_path):
    path, folder = files
    words = ["train", "--data", "coco", "--annotations", str(path), "--images", str(folder)]
    config = build_picture_config(cli.parse(words), None)
    assert (config.train.batch_size, config.train.learning_rate, config.coco.skip_broken) == (2, 0.01, False)
    more = ["--val-annotations", str(path), "--val-images", str(folder), "--steps", "3", "--seed", "4", "--freeze", "1"]
    more += ["--batch-size", "5", "--learning-rate", "0.5", "--skip-broken", "--set", "train.steps=7"]
    config = build_picture_config(cli.parse([*words, *more]), None)
    train = config.train
    assert (train.steps, train.seed, train.batch_size, train.learning_rate, train.frozen_stages) == (7, 4, 5, 0.5, 1)
    assert config.coco.skip_broken and config.coco.val_annotations == config.coco.annotations == str(path.resolve())
    assert config.coco.val_images == config.coco.images == str(folder.resolve())
    (tmp_path / "config.json").write_text(json.dumps({"train": {"batch_size": 9}}))
    config = build_picture_config(cli.parse([*words, "--config", str(tmp_path / "config.json")]), None)
    assert (config.train.batch_size, config.train.learning_rate) == (9, 0.02)


def test_pictures_and_scenes_do_not_go_together(files):
    with pytest.raises(ConfigError, match="--scenes needs generated scenes; leave it out"):
        build_picture_config(cli.parse(["train", "--data", "coco", "--scenes", "hard"]), None)
    with pytest.raises(ConfigError, match="--data coco needs --annotations JSON and --images DIR"):
        build_picture_config(cli.parse(["train", "--data", "coco"]), None)


# ---------------------------------------------------------------- proposals from outside


def test_fast_rcnn_learns_from_proposals_of_its_own_or_brought_along(learn, files, tmp_path, capsys):
    """Halves equal the whole, the file may be told or not; its boxes are those that are judged, too."""
    path, folder = files
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps([{"image_id": 10, "bbox": [4, 6, 10, 12]}, {"image_id": 20, "bbox": [1, 2, 30, 40]}]))
    kind = {"coco__proposals": str(mine), "model__roi__score_threshold": 0.0, "coco__flip": 0.5, "coco__crop": 24}
    assert learn(tmp_path / "whole", "--system", "fast_rcnn", **kind) == 0
    said = capsys.readouterr().err
    assert "1 proposals in each of 100 pictures" in said and "anchors" not in said
    assert not (tmp_path / "whole" / "proposals").exists() and (tmp_path / "whole" / "proposals.png").exists()
    assert learn(tmp_path / "half", "--system", "fast_rcnn", **kind, train__steps=1, train__schedule="constant") == 0
    assert learn(tmp_path / "all", "--system", "fast_rcnn", **kind, train__schedule="constant") == 0
    assert cli.main(["train", "--out", str(tmp_path / "half"), "--resume", "--steps", "4"]) == 0
    assert equal(state(tmp_path / "half"), state(tmp_path / "all"))
    capsys.readouterr()
    mine.write_text(json.dumps([{"image_id": 77, "bbox": [4, 6, 10, 12]}]))
    assert cli.main(["evaluate", str(tmp_path / "whole")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {mine}: holds proposals of another data set") and said.count("\n") == 1
    assert learn(tmp_path / "own", "--system", "fast_rcnn", model__roi__score_threshold=0.0) == 0
    assert len(list((tmp_path / "own" / "proposals").iterdir())) >= 1
    capsys.readouterr()
    words = ["--model", str(tmp_path / "own"), "--out", str(tmp_path / "f"), "--score", "0"]
    assert cli.main(["predict", str(folder / "a.png"), *words]) == 0
    assert json.loads((tmp_path / "f" / "a.json").read_text())["objects"]
