"""What commands hand on to whom, and what they print: every option's default, and a spy in the place of each helper."""

import argparse
import dataclasses
import json
import sys
import types

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli, experiment
from tinymaskrcnn.commands import convert, data, demo, doctor, evaluate, export, homework, options, profile, train
from tinymaskrcnn.config import CocoConfig, Config
from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.models.systems import system_settings
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.train.run import RunFolder

NOTHING = dict.fromkeys(("annotations", "images", "data"))
PLACE = {"device": "cpu", "threads": None}
DEFAULTS = {
    "train": PLACE | NOTHING | dict.fromkeys(("steps", "out", "seed", "system", "pretrained", "backbone", "scenes"))
    | dict.fromkeys(("batch_size", "learning_rate", "config", "preset", "model", "freeze", "train_list", "val_list"))
    | dict.fromkeys(("val_annotations", "val_images", "film", "gradients", "look_every"))
    | {"resume": False, "skip_broken": False, "set": [], "tf32": False, "watch": False},
    "evaluate RUN": PLACE | NOTHING | dict.fromkeys(("scenes", "split", "areas", "results", "iou", "save_results"))
    | {"json": False, "skip_unknown": False, "skip_broken": False, "run": "RUN"},
    "predict A --model M": PLACE | {"images": ["A"], "model": "M", "out": "found", "score": 0.5, "invert": False},
    "demo": PLACE | {"out": "demo.png", "seconds": 30.0, "steps": None, "seed": 0, "film": None},
    "export M --out O": {"model": "M", "out": "O", "scenes": 4, "images": None, "licence": "MIT"},
    "data": NOTHING | {"action": "check", "out": None, "decode": None, "pictures": 50, "set": []},
    "convert W --out O": {"weights": "W", "out": "O"} | dict.fromkeys(("kind", "classes", "norm_eps"))
    | {"half": False},
    "doctor": dict.fromkeys(("data", "run", "images", "decode", "out")),
    "profile": PLACE | dict.fromkeys(("run", "config", "system", "backbone", "scenes", "data", "seed", "batch_size"))
    | {"inference": False, "set": [], "steps": 10, "out": "profile.png", "json": None, "tf32": False},
    "homework list": {"action": "list"},
    "homework release hw01": {"action": "release", "homework": "hw01", "out": ".", "nbgrader": False, "seed": None},
    "homework check F": {"action": "check", "file": "F", "only": None, "pictures": None, "no_pictures": False}
    | {"seconds": 10.0},
    "homework grade F": {"action": "grade", "folder": "F", "homework": None, "out": "graded", "seed": None}
    | {"seconds": 5.0, "memory": 2048, "processes": None, "separator": ","},
}  # fmt: skip


@pytest.mark.parametrize("line", DEFAULTS)
def test_what_an_option_means_that_is_not_given(line):
    words = line.split()
    given = vars(cli.parse(words))
    given.pop("execute")
    assert given == DEFAULTS[line] | {"command": words[0]}


GIVEN = {
    "train --steps 3 --seed 4 --batch-size 5 --learning-rate 0.5 --set a=1 --set b=2 --threads 2 --device cuda --tf32":
        dict(steps=3, seed=4, batch_size=5, learning_rate=0.5, set=["a=1", "b=2"], threads=2, device="cuda", tf32=True),
    "train --freeze 0 --skip-broken --resume --val-list v --train-list t --val-images i --val-annotations a":
        dict(freeze=0, skip_broken=True, resume=True, val_list="v", train_list="t", val_images="i"),
    "evaluate R --scenes 3 --json --skip-unknown --skip-broken --iou segm --split train --areas 1,2 --save-results s":
        dict(scenes=3, json=True, skip_unknown=True, skip_broken=True, iou="segm", split="train", save_results="s"),
    "predict a b --model m --score 0.25 --invert": dict(images=["a", "b"], score=0.25, invert=True),
    "demo --seconds 2.5 --steps 3 --seed 4": dict(seconds=2.5, steps=3, seed=4),
    "export m --out o --scenes 0 --images a b --licence x": dict(scenes=0, images=["a", "b"], licence="x"),
    "data proposals --pictures 3 --no-decode": dict(action="proposals", pictures=3, decode=False),
    "data check --decode": dict(decode=True),
    "convert w --out o --norm-eps 1e-3 --half --classes c": dict(norm_eps=1e-3, half=True, classes="c"),
    "profile --steps 3 --batch-size 2 --json j --inference": dict(steps=3, batch_size=2, json="j", inference=True),
    "homework check f --only a b --seconds 2.5 --no-pictures": dict(only=["a", "b"], seconds=2.5, no_pictures=True),
    "homework grade f --seed 3 --seconds 1.5 --memory 4 --processes 2 --separator ;":
        dict(seed=3, seconds=1.5, memory=4, processes=2, separator=";"),
    "homework release hw02 --nbgrader --seed 5 --out o": dict(nbgrader=True, seed=5, out="o"),
}  # fmt: skip


@pytest.mark.parametrize("line", GIVEN)
def test_what_an_option_means_that_is_given(line):
    given = vars(cli.parse(line.split()))
    assert {name: given[name] for name in GIVEN[line]} == GIVEN[line]
    assert all(type(given[name]) is type(value) for name, value in GIVEN[line].items())


@pytest.mark.parametrize("text", ["-1", "5", "1.0", "01", "", "two"])
def test_stages_are_counted_from_0_to_4(text, capsys):
    with pytest.raises(SystemExit):
        cli.parse(["train", f"--freeze={text}"])
    assert "must be 0 (the stem) to 4 (the whole backbone)" in capsys.readouterr().err


# ---------------------------------------------------------------- evaluate


class Spied:
    """An experiment that writes down what it is asked to do."""

    def __init__(self, heads=("box", "mask")):
        self.asked = []
        self.config = types.SimpleNamespace(model=types.SimpleNamespace(heads=heads))

    def __getattr__(self, name):
        return lambda *args, **options: self.asked.append((name, args, options)) or {"bbox": {"AP": 0.5}}


def evaluated(monkeypatch, *words):
    spied, opened = Spied(), []
    opener = staticmethod(lambda path, **where: opened.append((path, where)) or spied)
    monkeypatch.setattr(experiment.Experiment, "open", opener)
    assert cli.main(["evaluate", "RUN", *words]) == 0
    return opened[0], spied.asked


def test_a_run_is_judged_as_it_is_when_nothing_is_said(monkeypatch, capsys):
    opened, asked = evaluated(monkeypatch)
    assert opened == ("RUN", PLACE | {"ranks": None})
    names = dict.fromkeys(("scenes", "kinds", "area_ranges", "save_results"))
    assert asked == [("use_data", (None, None), {}), ("evaluate", (), names | {"split": "test"})]
    assert capsys.readouterr().out.splitlines() == ["                 box", "AP             0.500"]


def test_a_run_is_judged_as_the_options_say(monkeypatch, tmp_path, capsys):
    words = ["--iou", "segm", "--areas", "10,20.5", "--skip-broken", "--save-results", "s.json", "--threads", "3"]
    opened, asked = evaluated(
        monkeypatch, "--data", str(tmp_path), "--device", "cuda", "--scenes", "7", "--json", *words
    )
    assert opened == ("RUN", {"device": "cuda", "threads": 3, "ranks": None})
    assert asked[:2] == [("use_data", ("mnist", str(tmp_path)), {}), ("leave_out_broken", (), {})]
    sides = {"all": (0, 1e10), "small": (0, 100), "medium": (100, 20.5**2), "large": (20.5**2, 1e10)}
    wanted = dict(scenes=7, split="test", kinds=["segm"], area_ranges=sides, save_results="s.json")
    assert asked[2] == ("evaluate", (), wanted)
    assert capsys.readouterr().out == json.dumps({"bbox": {"AP": 0.5}}, indent=2) + "\n"
    _, asked = evaluated(monkeypatch, "--annotations", "a.json", "--images", "i", "--split", "train")
    assert asked[0] == ("use_annotations", ("a.json", "i"), {}) and asked[1][2]["split"] == "train"


@pytest.mark.parametrize("text", ["0,5", "5,5", "-1,5", "5,4", "1,2,3", "1", "a,b", "nan,2", ""])
def test_areas_that_are_none(text):
    with pytest.raises(ArgumentError, match="--areas needs"):
        evaluate._areas(text)


def test_figures_stand_side_by_side():
    figures = {"segm": {"AP": 0.5, "APsmall": -1}, "keypoints": {"AP": 0.0, "APlarge": 0.25}}
    figures["mask_scores"] = {"mask_score": 0.75, "class_score": 0.1234}
    assert evaluate.figures_table(figures).splitlines() == [
        "                mask  keypoint",
        "AP             0.500     0.000",
        "APsmall            -         -",
        "APlarge            -     0.250",
        "-: there is no object of this size, so nothing to find (or no such figure for this head)",
        "rank correlation with the IoU of the mask: mask score 0.750, class score 0.123",
    ]


# ---------------------------------------------------------------- train


def experiment_of(config, folder, **more):
    stream = types.SimpleNamespace(proposals=None)
    given = {"run": RunFolder(folder, config), "stream": lambda *_: stream, "leads": True}
    return types.SimpleNamespace(config=config, **given | more)


def test_a_run_that_ends_is_judged_written_down_and_drawn(tmp_path, capsys):
    """With the words for what it was judged on."""
    figures = {"bbox": {"AP": 0.5}}
    files = CocoConfig(annotations="a.json")
    kinds = [
        (Config(), "on 200 held-out scenes:", 200),
        (dataclasses.replace(Config(), coco=files), "on 3 pictures it was trained on:", 3),
        (dataclasses.replace(Config(), coco=dataclasses.replace(files, val_list="l")), "on 3 held-out pictures:", 3),
        (dataclasses.replace(Config(), coco=dataclasses.replace(files, val_annotations="b")), "on 3 held-out pict", 3),
    ]
    for config, words, scenes in kinds:
        made = experiment_of(config, tmp_path, evaluate=lambda: dict(figures), draw=lambda: ["one.png", "two.png"])
        made.stream = lambda split: [0] * 3 if split == "test" else 1 / 0
        train._finish(made)
        out, err = capsys.readouterr()
        assert out.startswith(words) and out.endswith("wrote one.png\nwrote two.png\n") and err == "drawing ...\n"
        assert evaluate.figures_table(figures) in out
        stored = json.loads((tmp_path / "evaluation.json").read_text())
        assert stored == figures | {"scenes": scenes, "split": "test"}
    silent = dataclasses.replace(Config(), train=dataclasses.replace(Config().train, eval_scenes=0))
    train._finish(experiment_of(silent, tmp_path, draw=lambda: []))
    assert capsys.readouterr() == ("", "drawing ...\n")


def test_a_pretrained_backbone_is_told_by_its_crops(tmp_path, capsys):
    config = options.override(Config(), {"train.procedure": "pretrain"})
    shares = {"objects": 0.5, "no_object": 0.25, "crops": 12}
    train._finish(experiment_of(config, tmp_path, crop_accuracy=lambda: shares))
    assert capsys.readouterr().out.splitlines() == [
        "named rightly of 12 held-out crops: objects 0.500, windows without one 0.250",
        f"a detector begins with it: tinymaskrcnn train --pretrained {tmp_path}",
    ]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == shares


def test_of_several_ranks_one_draws(tmp_path):
    """All judge, since each takes a part of the scenes; crops and pictures are the business of one."""
    judged = []
    follower = {"leads": False, "draw": lambda: 1 / 0, "crop_accuracy": lambda: 1 / 0}
    follower["evaluate"] = lambda: judged.append(1) or {"bbox": {"AP": 0.5}}
    train._finish(experiment_of(Config(), tmp_path, **follower))
    assert judged == [1]
    train._finish(experiment_of(options.override(Config(), {"train.procedure": "pretrain"}), tmp_path, **follower))


@pytest.mark.parametrize("resumed", [0, 12])
def test_the_lines_before_a_training(tmp_path, monkeypatch, capsys, resumed):
    """What it begins with, how well anchors or proposals fit, and after a stop how to go on."""
    made, shown = experiment_of(Config(), tmp_path), []
    told = []
    warnings = lambda **given: told.append(given) or ["W1", "W2"]  # noqa: E731
    report = types.SimpleNamespace(table=lambda: "TABLE", warnings=warnings)
    made.anchor_report = lambda: report
    made.train = lambda on_start, watchers: on_start(resumed) or False
    monkeypatch.setattr(train, "_start", lambda args, ranks: made)
    monkeypatch.setattr("tinymaskrcnn.visualize.coverage_figure", lambda report: ("anchors", report))
    monkeypatch.setattr("tinymaskrcnn.visualize.recall_figure", lambda report, **_: ("recall", report))
    monkeypatch.setattr("tinymaskrcnn.visualize.save_figure", lambda *given: shown.append(given))
    assert cli.main(["train"]) == 130
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"run folder {tmp_path}, 1500 steps of 8 scenes"
    assert said[1:4] == ["TABLE", "warning: W1", "warning: W2"]
    assert ("continuing after step 12" in said) == bool(resumed)
    assert said[-1] == f"stopped and saved. Continue with: tinymaskrcnn train --out {tmp_path} --resume"
    assert shown == [(("anchors", report), tmp_path / "anchors.png")] and (tmp_path / "config.json").is_file()
    counts = []
    proposals = types.SimpleNamespace(report=lambda count: counts.append(count) or report)
    made.stream = lambda *_: types.SimpleNamespace(proposals=proposals)
    assert cli.main(["train"]) == 130 and counts == [100]
    assert shown[1:] == [(("recall", report), tmp_path / "proposals.png")]
    assert "warning: W2" in capsys.readouterr().err and told == [{}, {"samples": 64, "most": 256}]
    outside = options.override(Config(), system_settings("fast_rcnn") | {"train.procedure": "pretrain"})
    made.config, made.stream = outside, lambda *_: types.SimpleNamespace(proposals=None)
    assert cli.main(["train"]) == 130 and len(shown) == 2, "neither anchors nor proposals"
    files = dataclasses.replace(Config(), coco=CocoConfig(annotations="a.json"))
    made.config = files
    assert cli.main(["train"]) == 130 and "1500 steps of 8 pictures" in capsys.readouterr().err


def resumed(folder, *words):
    return train._resumed_folder(cli.parse(["train", "--resume", "--out", str(folder), *words]))


def test_a_run_goes_on_with_its_own_settings_but_for_its_steps(tmp_path, monkeypatch):
    RunFolder.create(tmp_path / "a", Config())
    assert resumed(tmp_path / "a").config == resumed(tmp_path / "a", "--steps", "1500").config == Config()
    longer = resumed(tmp_path / "a", "--steps", "2000").config
    assert longer == options.replace_steps(Config(), 2000)
    assert RunFolder.open(tmp_path / "a").config == Config(), "not before its training begins"
    for option in ("seed=3", "system=mask_rcnn", "backbone=plain", "pretrained=x", "data=digits", "scenes=clean"):
        with pytest.raises(ArgumentError, match=f"with its own settings; leave out --{option.split('=')[0]}$"):
            resumed(tmp_path / "a", f"--{option}")
    for option in ("batch-size=3", "learning-rate=1", "config=c", "preset=tour", "set=a=1", "model=tour", "freeze=0"):
        with pytest.raises(ArgumentError, match=f"with its own settings; leave out --{option.split('=')[0]}$"):
            resumed(tmp_path / "a", f"--{option}")
    for option in ("annotations=a", "images=b", "val-annotations=a", "val-images=b", "train-list=t", "val-list=v"):
        with pytest.raises(ArgumentError, match=f"with its own settings; leave out --{option.split('=')[0]}$"):
            resumed(tmp_path / "a", f"--{option}")
    with pytest.raises(ArgumentError, match="--skip-broken: .* is trained on scenes, of which none is broken"):
        resumed(tmp_path / "a", "--skip-broken")
    files = dataclasses.replace(Config(), coco=CocoConfig(annotations="a.json"))
    RunFolder.create(tmp_path / "b", files)
    assert resumed(tmp_path / "b", "--skip-broken").config.coco == CocoConfig(annotations="a.json", skip_broken=True)
    assert resumed(tmp_path / "b").config == files
    monkeypatch.chdir(tmp_path)
    RunFolder.create(tmp_path / "runs" / "004", Config())
    assert train._resumed_folder(cli.parse(["train", "--resume"])).path.name == "004"


def test_a_new_run_is_told_where_it_computes_and_what_it_begins_with(tmp_path, monkeypatch, capsys):
    started = []

    def start(*args, **options):
        started.append((args, options))
        return types.SimpleNamespace(fresh=["a.b", "c.d"], config=Config())

    monkeypatch.setattr(experiment.Experiment, "start", staticmethod(start))
    ranks = object()
    words = ["train", "--out", "o", "--threads", "2", "--device", "cuda", "--data", str(tmp_path)]
    train._start(cli.parse(words), ranks)
    alone = {"backbone": None, "ranks": None}
    mnist = options.PRESETS["mnist"]()
    place = {"device": "cuda", "threads": 2, "backbone": None, "ranks": ranks}
    assert started == [(("o", mnist), place | {"data_dir": str(tmp_path)})]
    config = options.override(Config(), {"train.seed": 5})
    known = types.SimpleNamespace(arrays={"x": 1}, model=types.SimpleNamespace(class_names=("background", "0", "cat")))
    monkeypatch.setattr(train, "build_picture_config", lambda args, start: (config, start)[0])
    monkeypatch.setattr(train, "starting_weights", lambda path: known if path == "m" else None)
    train._start(cli.parse(["train", "--data", "coco", "--model", "m"]), None)
    assert started[1][1] == PLACE | alone | {"weights": {"x": 1}, "known": known.model.class_names}
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "starting anew, because they do not fit the weights of m: a.b, c.d"
    anew = ", ".join(str(d) for d in range(1, 10))
    assert said[1] == f"classes taken over by name from m: 0; starting anew: {anew}"
    train._start(cli.parse(["train", "--data", "coco"]), None)
    assert started[2] == ((None, config), PLACE | alone) and capsys.readouterr().err == ""
    with pytest.raises(ConfigError, match="--annotations, --freeze needs --data coco"):
        train._start(cli.parse(["train", "--annotations", "a", "--freeze", "1"]), None)
    with pytest.raises(ConfigError, match="^--model and --pretrained both say where to start from; leave one out$"):
        train._start(cli.parse(["train", "--model", "tour", "--pretrained", "x"]), None)


# ---------------------------------------------------------------- the others


def test_a_demo_trains_for_its_seconds_or_its_steps(monkeypatch, capsys):
    now = [50.0]
    monkeypatch.setattr(demo, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def rows():
        for step in range(1, 25):
            now[0] += 0.5
            yield {"step": step, "loss": step / 8}

    trainer = types.SimpleNamespace(rows=rows)
    assert demo._train(trainer, None) == 12
    assert capsys.readouterr().err == "  step 10  loss 1.250  5 s\n  step 20  loss 2.500  10 s\n"
    assert demo._train(trainer, 2.5) == 2.5 and capsys.readouterr().err == ""


def test_a_demo_draws_three_held_out_scenes(tmp_path, monkeypatch):
    """What is seen, what is there, the best anchors, and what is found above a half."""
    titles, anchors = [], []
    for name in ("draw_image", "draw_truth", "draw_detections"):
        monkeypatch.setattr(f"tinymaskrcnn.visualize.{name}", lambda *a, name=name, **k: titles.append((name, k)))
    monkeypatch.setattr("tinymaskrcnn.visualize.draw_boxes", lambda boxes, **k: anchors.append(boxes))
    asked = []
    none = Detections(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    model = types.SimpleNamespace(detect=lambda images, sizes: asked.append((images.shape, sizes)) or [none] * 3)
    args = argparse.Namespace(seed=4, device="cpu", out=str(tmp_path / "new" / "d.png"))
    config = demo.demo_config(seed=4)
    demo._draw(args, config, model, "7 steps (1 s)")
    assert (tmp_path / "new" / "d.png").is_file() and asked[0][0] == (3, 96, 96, 1)
    assert [(name, given.get("title"), given.get("min_score")) for name, given in titles[:3]] == [
        ("draw_image", "the scene", None),
        ("draw_truth", "the truth", None),
        ("draw_image", f"the best of {demo_anchors(config)} anchors", None),
    ]
    assert titles[3][1]["title"] == "found after 7 steps (1 s)" and titles[3][1]["min_score"] == 0.5
    assert len(titles) == 12 and len(anchors) == 3


def demo_anchors(config):
    from tinymaskrcnn.train.anchor_report import all_anchors

    return len(all_anchors((96, 96), config.model.rpn))


def test_the_best_anchor_of_each_object():
    anchors = np.array([[0, 0, 10, 10], [20, 20, 30, 40], [0, 0, 11, 10]], np.float32)
    truth = Target(np.array([[21, 20, 31, 40], [0, 0, 11, 10]], np.float32), np.array([1, 1]))
    assert demo._best_anchors(anchors, truth).tolist() == anchors[[1, 2]].tolist()


def test_what_an_export_is_compared_on(tmp_path, monkeypatch):
    Image.fromarray(np.full((3, 4), 255, np.uint8)).save(tmp_path / "a.png")
    asked = []
    for channels in (1, 3):
        backbone = types.SimpleNamespace(in_channels=channels)
        detector = types.SimpleNamespace(model=types.SimpleNamespace(config=types.SimpleNamespace(backbone=backbone)))
        words = lambda *more: cli.parse(["export", "m", "--out", "o.onnx", *more])  # noqa: E731
        [image] = export._pictures(detector, words("--images", str(tmp_path / "a.png")))
        assert image.shape == (3, 4, channels) and image.min() == 1
        drawn = export._pictures(detector, words("--scenes", "2"))
        assert [image.shape[2] for image in drawn] == [channels] * 2 and export._pictures(
            detector, words("--scenes", "0")
        ) == []
        detector.scenes = lambda count: asked.append(count) or [("picture", "truth")] * count
        assert export._pictures(detector, words()) == ["picture"] * 4
        assert export._pictures(detector, words("--scenes", "0")) == []
    assert asked == [4, 4]


def test_an_export_says_what_it_wrote(tmp_path, monkeypatch, capsys):
    given, rest = [], []
    model = types.SimpleNamespace(eval=lambda: rest.append(True))
    monkeypatch.setattr(experiment, "open_detector", lambda path: types.SimpleNamespace(model=model, path=path))
    monkeypatch.setattr(export, "_pictures", lambda detector, args: ["p"])
    monkeypatch.setattr(export, "_compare", lambda detector, data, images: f"compared {data} on {images}")

    def exported(model, out, *, licence, check):
        given.append((out, licence))
        check("DATA")
        return b"x" * 2_340_000

    monkeypatch.setattr("tinymaskrcnn.interop.onnx.export_onnx", exported)
    assert cli.main(["export", "m", "--out", "o.onnx"]) == 0 and rest == [True] and given == [("o.onnx", "MIT")]
    said = "o.onnx: 2.3 MB, opset 17, accepted by onnx.checker\ncompared DATA on ['p']\n"
    assert capsys.readouterr().out == said


def test_a_report_on_annotations_ends_as_it_says(monkeypatch, capsys):
    """Whether headers alone were read is said above 300 pictures, when nobody asked."""
    asked = []
    for count, ok, decode, headers in ((301, True, None, 1), (300, False, None, 0), (301, True, True, 0)):
        report = types.SimpleNamespace(table=lambda: "TABLE", notes=["n1", "n2"], total=(count, 9), ok=ok)
        check = lambda *files, decode, report=report: asked.append((files, decode)) or report  # noqa: E731
        monkeypatch.setattr("tinymaskrcnn.data.coco_check.check_coco", check)
        monkeypatch.setattr("tinymaskrcnn.data.coco_check.fit_to_model", lambda report, model: report)
        words = ["--decode"] if decode else []
        assert cli.main(["data", "--annotations", "a", "--images", "i", *words]) == (0 if ok else 1)
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == ["TABLE", "note: n1", "note: n2"] and asked[-1] == (("a", "i"), decode)
        said = "only the headers of the 301 pictures were read; --decode reads them whole"
        assert lines[3:] == [said] * headers


def test_the_pictures_of_proposals_are_those_that_are_described(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("tinymaskrcnn.data.loader.open_stream", lambda config, **given: opened.append((config, given)))
    data._described(cli.parse(["data", "proposals", "--data", str(tmp_path), "--set", "train.train_scenes=9"]))
    [(config, given)] = opened
    assert given == {"split": "train", "data_dir": str(tmp_path)} and config.scenes.source == "mnist"
    assert config.train.train_scenes == 0 and config.model.system == "fast_rcnn"
    data._described(cli.parse(["data", "proposals", "--set", "scenes.color=true"]))
    assert opened[1][0].model.backbone.in_channels == 3 and opened[1][0].scenes.source == "digits"


def test_what_is_listed_of_mnist(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.data.mnist.find", lambda folder: f"found {folder}")
    monkeypatch.setattr("tinymaskrcnn.data.mnist.load", lambda folder: [0] * 7)
    for folder, use in ((None, "mnist"), ("d", "d")):
        digits, mnist = data.listing(folder)
        assert digits == "digits  1797 embedded UCI digits: always there, used by default"
        assert mnist == f"mnist   7 digits in found {folder}, verified; use with --data {use}"


def test_a_doctor_marks_what_is_missing_once_a_chapter(monkeypatch, capsys):
    names = ("_system", "_packages", "_blas", "_cpu", "_helpers", "_gpu", "_ranks", "_folders")
    checks = dict.fromkeys(names, lambda: [(True, "fine")])
    checks["_packages"] = lambda: [(True, "one"), (False, "two")]
    for name, check in checks.items():
        monkeypatch.setattr(doctor, name, check)
    asked = []
    monkeypatch.setattr(doctor, "_data", lambda folder: asked.append(folder) or [(True, "data")])
    assert cli.main(["doctor", "--data", "d"]) == 1 and asked == ["d"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["system    ok  fine", "packages  ok  one", "          !!  two"]
    assert lines[-1] == "lines marked !! need attention" and len(lines) == len(names) + 3
    monkeypatch.setattr(doctor, "_packages", checks["_system"])
    assert cli.main(["doctor"]) == 0 and capsys.readouterr().out.endswith("everything that training needs is there\n")


def test_the_lines_of_a_doctor(monkeypatch):
    for version, fine in (((3, 11), True), ((3, 10, 9), False), ((3, 12, 1), True)):
        monkeypatch.setattr(doctor, "sys", types.SimpleNamespace(version_info=version))
        [(good, line)] = doctor._system()
        assert good == fine and ("(3.11 or newer is needed)" in line) == (not fine)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 3 << 20}
    monkeypatch.setattr(doctor, "os", types.SimpleNamespace(sysconf=sizes.__getitem__, cpu_count=lambda: 6))
    assert doctor._memory() == "12.0 GiB of memory"
    monkeypatch.setattr("tinymaskrcnn.kernels.threads.available_cores", lambda: 5)
    monkeypatch.setattr("tinymaskrcnn.kernels.threads.get_threads", lambda: 4)
    monkeypatch.setattr("tinymaskrcnn.kernels.c.library.described", lambda: "kernels in C")
    line = "5 of 6 cores may be used, kernels in C, on 4 threads; 12.0 GiB of memory"
    assert list(doctor._cpu()) == [(True, line)]
    pools = [{"internal_api": "openblas", "version": "0.3", "architecture": None, "num_threads": 7}]
    loaded = lambda name: types.SimpleNamespace(threadpool_info=lambda: pools)  # noqa: E731
    monkeypatch.setattr(doctor, "importlib", types.SimpleNamespace(import_module=loaded))
    assert list(doctor._blas()) == [(True, "openblas 0.3, 7 threads")]
    pools.clear()
    assert list(doctor._blas()) == [(True, "no BLAS with a thread pool that can be controlled")]


def test_what_is_profiled(run, monkeypatch):
    """A run's model and data, or what the options describe: seeded, frozen, of the split that is worked on."""
    for words, split in ((["--inference"], "test"), ([], "train")):
        parsed = cli.parse(["profile", "--run", str(run), "--batch-size", "3", *words])
        model, stream, config = profile._subject(parsed)
        assert (config.train.batch_size, stream.batch_size, stream.split) == (3, 3, split)
        stored = RunFolder.open(run).load().model
        assert all(np.array_equal(array, stored[name]) for name, array in model.state_dict().items())
    small = ["--set", "model.backbone.depths=[1,1,1,1]", "--set", "train.frozen_stages=1", "--seed", "4"]
    one, other = (profile._subject(cli.parse(["profile", *small])) for _ in range(2))
    state = other[0].state_dict()
    assert all(np.array_equal(array, state[name]) for name, array in one[0].state_dict().items())
    assert one[2].train.seed == 4 and not all(p.trainable for p in one[0].parameters())
    again = profile._subject(cli.parse(["profile", *small[:-1], "5"]))[0].state_dict()
    assert not all(np.array_equal(array, again[name]) for name, array in one[0].state_dict().items())
    assert profile._subject(cli.parse(["profile", "--run", str(run)]))[2] == RunFolder.open(run).config


@pytest.mark.parametrize("suffix, fine", [(".PNG", True), (".pdf", True), (".svg", True), (".jpg", True), ("", False)])
def test_pictures_of_a_profile(suffix, fine):
    args = cli.parse(["profile", "--out", f"p{suffix}"])
    if fine:
        profile._check(args)
        return
    with pytest.raises(ArgumentError, match="--out must end in .png, .pdf, .svg, .jpg; got 'p'"):
        profile._check(args)


def test_a_converted_run_is_told_in_numbers(run, tmp_path, capsys):
    out = tmp_path / "m.npz"
    assert cli.main(["convert", str(run), "--out", str(out)]) == 0
    count = sum(array.size for array in RunFolder.open(run).load().model.values())
    assert capsys.readouterr().out.splitlines() == [
        f"{run}: 11 classes, background included; {count:,} numbers",
        f"-> {out} ({out.stat().st_size / 1e6:.2f} MB)",
    ]


@pytest.mark.parametrize("eps, fine", [("0", True), ("0.999", True), ("1", False), ("-1e-9", False), ("nan", False)])
def test_what_norms_may_add(eps, fine):
    args = cli.parse(["convert", "w", "--out", "o.npz", f"--norm-eps={eps}"])
    if fine:
        assert convert._target(args).name == "o.npz"
        return
    with pytest.raises(ArgumentError, match="--norm-eps must lie between 0 and 1"):
        convert._target(args)


def test_a_class_is_graded_as_the_options_say(tmp_path, monkeypatch, capsys):
    records = [
        {"student": "ann", "homework": "hw01", "verdict": "right", "points": 17.0, "of": 17, "note": "unsaid"},
        {
            "student": "benedict",
            "homework": "hw01",
            "verdict": "tampered",
            "points": 0.5,
            "of": 17,
            "note": "a\nb\nc\nd",
        },
        {"student": "cy", "homework": "hw01", "verdict": "not graded: x", "points": 0, "of": 17, "note": ""},
    ]
    asked = []
    report = {"submissions": records, "remarks": ["r"], "summary": ["s"]}
    monkeypatch.setattr(
        "tinymaskrcnn.homework.grade.grade", lambda folder, **given: asked.append((folder, given)) or report
    )
    words = ["--seed", "3", "--seconds", "1.5", "--memory", "4", "--processes", "2", "--separator", ";", "--out", "o"]
    assert cli.main(["homework", "grade", "f", *words]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ann       hw01      17 of 17  right",
        "benedict  hw01     0.5 of 17  tampered",
        "          b",
        "          c",
        "          d",
        "cy        hw01       0 of 17  not graded: x",
        "r",
        "s",
    ]
    assert err == "wrote o/grades.csv, grades.json and feedback/\n"
    [(folder, given)] = asked
    given.pop("tell")("a word")
    assert capsys.readouterr().err == "note: a word\n"
    assert folder == "f" and given == dict(
        homework=None, seed=3, seconds=1.5, processes=2, separator=";", memory=4 << 20, out="o"
    )
    assert cli.main(["homework", "grade", "f"]) == 0 and asked[1][1]["seed"] == 0
    assert asked[1][1]["memory"] == 2 << 30 and "note: seed 0, which" in capsys.readouterr().err


def test_the_list_of_homeworks(capsys):
    from tinymaskrcnn.homework.exercises import exercises_of, titles

    assert cli.main(["homework", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = []
    for name, title in titles().items():
        own = exercises_of(name)
        wanted.append(f"{name}  {title} ({len(own)} exercises, {sum(e.points for e in own)} points)")
        for e in own:
            unit = "point " if e.points == 1 else "points"
            wanted.append(f"    {e.id:<40} {e.points} {unit}  lesson {e.lesson}  {e.title}")
    assert lines == wanted


@pytest.mark.parametrize("seconds, fine", [("0", False), ("-1", False), ("1e6", False), ("nan", False), ("0.5", True)])
def test_seconds_of_a_check(seconds, fine, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("tinymaskrcnn.homework.check.check_file", lambda file, **given: asked.append(given) or [])
    (tmp_path / "hw01.py").write_text("")
    args = cli.parse(["homework", "check", str(tmp_path / "hw01.py"), f"--seconds={seconds}", "--no-pictures"])
    if not fine:
        with pytest.raises(ArgumentError, match="--seconds must be a time above 0"):
            homework._check(args)
        return
    homework._check(args)
    assert asked == [{"only": None, "seconds": 0.5}]


@pytest.mark.parametrize(
    "argv, orig, on_path, said",
    [
        (["/a/tinymaskrcnn"], ["/a/tinymaskrcnn"], "/a/tinymaskrcnn", "tinymaskrcnn"),
        (["/b/tinymaskrcnn"], ["/b/tinymaskrcnn"], "/a/tinymaskrcnn", "/b/tinymaskrcnn"),
        (["/x/pytest"], ["python", "-m", "pytest"], None, "tinymaskrcnn"),
        (["/x/y.py"], ["py", "-B", "-m", "tinymaskrcnn", "homework"], None, "py -B -m tinymaskrcnn"),
        (["/x/y.py"], ["py", "-m"], None, "tinymaskrcnn"),
    ],
)
def test_how_this_program_is_called(argv, orig, on_path, said, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig)
    monkeypatch.setattr(homework.shutil, "which", lambda name: on_path)
    assert homework._program() == said
