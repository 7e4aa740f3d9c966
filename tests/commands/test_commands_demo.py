"""`tinymaskrcnn demo` makes a picture, and its tiny model only has one class."""

import numpy as np
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands.demo import OneClass, demo_config
from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream


def test_demo_makes_a_picture(tmp_path, capsys):
    target = tmp_path / "new" / "demo.png"
    assert cli.main(["demo", "--out", str(target), "--steps", "2"]) == 0
    captured = capsys.readouterr()
    assert f"wrote {target}" in captured.out and "2 steps" in captured.out
    assert Image.open(target).size[0] > 300


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
