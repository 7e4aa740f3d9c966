"""The film of a short training: it shows what was found at each shot, and leaves the training as it was."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import reel, style


def scene(side=80, boxes=((2.0, 2.0, 8.0, 8.0), (9.0, 9.0, 15.0, 15.0))):
    boxes = np.array(boxes)
    masks = np.zeros((len(boxes), side, side), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = True
    return np.zeros((side, side, 1), np.float32), Target(boxes, np.ones(len(boxes), np.int64), masks)


def found(truth, rows, scores):
    return Detections(truth.boxes[rows], truth.labels[rows], np.array(scores), truth.masks[rows])


@pytest.fixture
def watched(monkeypatch):
    """A reel whose network finds the second object first, then both; and no network."""
    image, truth = scene()
    told = [found(truth, [1], [0.9]), found(truth, [1, 0], [0.9, 0.4]), found(truth, [0, 1], [0.9, 0.8])]

    class Trace:
        def __init__(self, detections):
            self.detections = detections
            self.proposals = dataclasses.make_dataclass("Proposals", ["boxes"])(np.array([[0.0, 0.0, 4.0, 4.0]]))

    answers = iter(told)
    monkeypatch.setattr(reel, "trace_detection", lambda model, image: Trace(next(answers)))
    monkeypatch.setattr(reel, "array_module", lambda array: np)
    monkeypatch.setattr(reel, "at_rest", lambda model: __import__("contextlib").nullcontext())
    model = type("Model", (), {"parameters": lambda self: [type("P", (), {"value": np.zeros(1)})]})()
    film = reel.Reel([image], [truth])
    for step, loss in ((1, 3.0), (5, 2.0), (9, 1.0)):
        film.shoot(model, step=step, loss=loss)
    return film


def pixel(frame, x, y):
    """A frame's colour at the middle of a scene's pixel."""
    return frame.getpixel((reel.GAP + reel.ENLARGED * x + 1, reel.GAP + reel.ENLARGED * y + 1))


def rgb(color, share=0.65):
    return tuple(int(share * int(color[i : i + 2], 16)) for i in (1, 3, 5))


def test_an_object_keeps_its_colour(watched):
    first, second, third = watched.frames()
    for frame in (first, second, third):
        assert pixel(frame, 12, 12) == pytest.approx(rgb(style.PALETTE[1]), abs=1)
    assert pixel(first, 6, 6) == pixel(second, 6, 6) == (0, 0, 0), "what has a score of 0.4 is not shown"
    assert pixel(third, 6, 6) == pytest.approx(rgb(style.PALETTE[0]), abs=1)


def test_what_lies_on_no_object_is_grey():
    _, truth = scene()
    astray = Detections(np.array([[0.0, 10.0, 5.0, 15.0]]), np.array([1]), np.array([0.9]))
    assert reel._colors(truth, astray) == [style.GREY]
    assert reel._colors(truth.__class__(truth.boxes[:0], truth.labels[:0], truth.masks[:0]), astray) == [style.GREY]


def test_the_losses_until_then_are_drawn(watched):
    """The curve grows to the right from frame to frame, and down where the loss falls."""
    dots = []
    for frame in watched.frames():
        foot = np.asarray(frame)[-reel.FOOT :, 150:]
        dot = np.argwhere((foot == np.array([0xF2] * 3)).all(axis=2))
        dots.append(dot.mean(axis=0))
    (y0, x0), (y1, x1), (y2, x2) = dots
    assert x0 < x1 < x2 and y0 <= y1 <= y2 and y0 < y2


def test_the_film_lasts_eight_seconds_and_stops(watched, tmp_path):
    path, still = watched.write(tmp_path / "film.gif")
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info["loop"] == 2
        times = []
        for number in range(film.n_frames):
            film.seek(number)
            times.append(film.info["duration"])
        assert times == pytest.approx([reel.SHOT, reel.SHOT, reel.LAST], abs=5)
    assert still == tmp_path / "film.png" and Image.open(still).size == watched.frames()[0].size
    assert (reel.SHOTS - 1) * reel.SHOT + reel.LAST == pytest.approx(8000, abs=150)


def test_what_cannot_be_filmed_is_said(watched, tmp_path):
    with pytest.raises(ArgumentError, match="at least one scene"):
        reel.Reel([], [])
    with pytest.raises(ArgumentError, match="shoot"):
        reel.Reel(*map(list, zip(scene()))).frames()
    with pytest.raises(ArgumentError, match=r"end in \.gif; got '.*film\.mp4'"):
        watched.write(tmp_path / "film.mp4")
