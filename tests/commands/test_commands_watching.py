"""`tinymaskrcnn train --film --gradients`: what looks on, and that the training does not notice."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import Experiment
from tinymaskrcnn.commands.watching import DoctorWatcher
from tinymaskrcnn.visualize import TrainingFilm


def test_a_film_and_gradients_of_a_training_that_goes_on_as_it_would(train, run, tmp_path, capsys):
    film, flow = tmp_path / "new" / "film.html", tmp_path / "flow.svg"
    assert train(tmp_path / "watched", "--film", film, "--gradients", flow, "--look-every", 3) == 0
    said = capsys.readouterr().err
    assert f"wrote {film}" in said and f"wrote {flow}" in said
    assert (
        "gradients of 5 losses, 3 looks, after steps 0 to 4" in said
    )  # before the first, after the third and the last
    page = film.read_text(encoding="utf-8")
    assert page.count("<figure>") == 3 and "After 0 steps: " in page and "anchors" not in page.split("<style>")[0]
    watched, alone = (Experiment.open(path).model.state_dict() for path in (tmp_path / "watched", run))
    assert all(np.array_equal(watched[name], alone[name]) for name in alone)


def test_a_film_shows_the_weights_that_a_run_leaves_behind(train, tmp_path, monkeypatch):
    shot, shoot = [], TrainingFilm.shoot

    def watched(film, model, step):
        shot.append(model.state_dict())
        shoot(film, model, step)

    monkeypatch.setattr(TrainingFilm, "shoot", watched)
    settings = {"train__average": 0.6, "train__steps": 3}
    assert train(tmp_path / "filmed", "--film", tmp_path / "film.html", "--look-every", 1, **settings) == 0
    assert train(tmp_path / "alone", **settings) == 0
    filmed, alone = (Experiment.open(tmp_path / name).model.state_dict() for name in ("filmed", "alone"))
    assert all(np.array_equal(filmed[name], alone[name]) for name in alone)
    assert all(np.array_equal(filmed[name], shot[-1][name]) for name in alone)
    assert any(not np.array_equal(filmed[name], shot[0][name]) for name in alone)


@pytest.mark.long
def test_a_film_may_be_a_gif(train, tmp_path):
    assert train(tmp_path / "run", "--film", tmp_path / "film.gif", train__steps=2) == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--film", "film.png"], "--film must end in .html or .gif; got 'film.png'"),
        (["--gradients", "flow.gif"], "--gradients must end in .png or .pdf or .svg; got 'flow.gif'"),
        (["--look-every", "3"], "--look-every: of --film and --gradients only"),
        (["--film", "a.gif", "--system", "fast_rcnn"], "--film needs a system with an RPN"),
        (["--film", "a.gif", "--set", 'train.procedure="alternating"'], "--watch need joint training"),
    ],
)
def test_what_cannot_be_watched_is_said_before_the_first_step(words, said, fails, tiny_words, tmp_path):
    assert said in fails("train", "--out", tmp_path / "run", *tiny_words(train__steps=8), *words)
    assert (tmp_path / "run").exists() == ("--set" in words or "--system" in words)  # files are looked at first


# ---------------------------------------------------------------- the doctor


def test_the_doctor_says_what_is_wrong_once_and_the_training_goes_on(train, run, tmp_path, capsys):
    assert train(tmp_path / "sick", "--watch", train__weight_decay=1.0) == 0
    said = capsys.readouterr().err
    assert said.count("doctor, after step 0: weight decay: all weights.") == 1
    assert train(tmp_path / "watched", "--watch") == 0
    watched, alone = (Experiment.open(path).model.state_dict() for path in (tmp_path / "watched", run))
    assert all(np.array_equal(watched[name], alone[name]) for name in alone)


def test_the_doctor_comes_so_seldom_that_it_costs_next_to_nothing(monkeypatch):
    times = iter(range(0, 1000, 3))  # each look takes three seconds
    doctor = DoctorWatcher(None, clock=lambda: next(times))
    monkeypatch.setattr(DoctorWatcher, "examine", lambda self, trainer: looks.append(trainer.step) or 3.0)
    looks, trainer = [], SimpleNamespace(step=0)
    doctor.begin(trainer)
    for step in range(1, 2001):
        trainer.step = step
        doctor.look(trainer, {"step": step, "seconds": 0.1})
    assert looks[:3] == [0, 100, 851] and 3.0 * (len(looks) - 1) <= 0.05 * 2000 * 0.1
