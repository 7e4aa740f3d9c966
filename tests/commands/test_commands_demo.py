"""`tinymaskrcnn demo` makes a picture, and its tiny model only has one class."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands.demo import OneClass, _Camera, demo_config
from tinymaskrcnn.config import Config, to_dict
from tinymaskrcnn.data.loader import SceneStream


def test_demo_makes_a_picture(tmp_path, capsys):
    target = tmp_path / "new" / "demo.png"
    assert cli.main(["demo", "--out", str(target), "--steps", "2"]) == 0
    captured = capsys.readouterr()
    last = rf"wrote {re.escape(str(target))}: what 2 steps \(\d+ s\) taught it. Next: tinymaskrcnn train\n"
    assert re.fullmatch(last, captured.out)
    assert captured.err.splitlines()[0] == "training a very small Mask R-CNN ..."
    assert Image.open(target).size[0] > 300


def test_demo_films_its_training(tmp_path, capsys):
    """Every step of so short a training is a picture, and the model learns what it learns without a film."""
    film, out = tmp_path / "films" / "learns.gif", ["--out", str(tmp_path / "demo.png"), "--steps", "10"]
    assert cli.main(["demo", *out, "--film", str(film)]) == 0
    filmed = capsys.readouterr()
    assert f"wrote {film}" in filmed.out and str(film.with_suffix(".png")) in filmed.out
    assert Image.open(film).n_frames == 10 and Image.open(film.with_suffix(".png")).size == Image.open(film).size
    assert cli.main(["demo", *out]) == 0
    losses = [re.findall(r"step 10  loss \S+", text) for text in (filmed.err, capsys.readouterr().err)]
    assert losses[0] == losses[1] and len(losses[0]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--film", "demo.gif"], "--film 'demo.gif' would overwrite --out 'demo.png'"),
        (["--film", "a/../x.gif", "--out", "x.png"], "--film 'a/../x.gif' would overwrite --out 'x.png'"),
        (["--film", "x.gif", "--out", "x.gif"], "--film 'x.gif' would overwrite --out 'x.gif'"),
        (["--film", "x.mp4"], "must end in .gif; got 'x.mp4'"),
    ],
)
def test_a_film_that_cannot_be_written_is_refused_before_the_training(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--steps", "1", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and "training" not in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_pictures_are_taken_often_at_first():
    """As many as make eight seconds, and the last step is among them."""
    taken = []
    camera = object.__new__(_Camera)
    camera.model, camera.shots = None, 48
    camera.reel = type("Reel", (), {"shots": taken, "shoot": lambda self, model, *, step, loss: taken.append(step)})()
    for step in range(1, 501):
        camera.look({"step": step, "loss": 1.0}, step / 500)
    gaps = np.diff(taken)
    assert 48 <= len(taken) <= 50 and taken[-1] == 500 and gaps[0] <= 4 and gaps[-2] >= 12


def test_every_digit_is_just_a_digit():
    scenes = demo_config().scenes
    stream = OneClass(SceneStream(scenes, split="train", seed=0, batch_size=4))
    batch = stream.batch(0)
    np.testing.assert_array_equal(batch.targets.labels, batch.targets.valid.astype(int))
    assert set(stream.scene(0)[1].labels) == {1}


def test_what_the_demo_trains():
    config = demo_config()
    assert (config.train.seed, config.train.steps, config.model.class_names) == (0, 10**6, ("background", "digit"))
    assert demo_config(seed=3, steps=5).train.seed == 3 and demo_config(seed=3, steps=5).train.steps == 5
    assert config.scenes.image_size < Config().scenes.image_size


def test_the_settings_of_the_demo():
    """Found by trying which model shows something within half a minute: whoever changes one tries again."""
    theirs, ours = (flat(to_dict(config)) for config in (Config(), demo_config()))
    assert {name: value for name, value in ours.items() if theirs[name] != value} == {
        "model.backbone.depths": [1, 1, 1, 1],
        "model.backbone.widths": [16, 24, 32, 48],
        "model.backbone.fpn_channels": 32,
        "model.class_names": ["background", "digit"],
        "model.num_classes": 2,
        "model.roi.head_width": 64,
        "model.roi.mask_widths": [32, 32],
        "model.roi.mask_deconv_width": 32,
        "model.roi.samples_per_image": 32,
        "scenes.image_size": 96,
        "scenes.digits_per_image": [2, 4],
        "train.learning_rate": 0.002,
        "train.optimizer": "adamw",
        "train.schedule": "constant",
        "train.steps": 10**6,
        "train.warmup_steps": 10,
    }


def flat(settings, above=""):
    """{a.b.c: value} of tables in tables, with lists for tuples."""
    found = {}
    for name, value in settings.items():
        place = f"{above}{name}"
        found |= flat(value, f"{place}.") if isinstance(value, dict) else {place: json.loads(json.dumps(value))}
    return found
