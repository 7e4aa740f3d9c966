import dataclasses
import io

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from PIL import Image
from tiny_model import tiny_model

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import TrainingFilm, style, use_theme
from tinymaskrcnn.visualize.film import joined_steps

NAMES = ("background", "flat", "tall")
TRUTH = Target(
    np.array([[4, 6, 30, 18], [40, 20, 52, 44]], np.float32),
    np.array([1, 2]),
    np.zeros((2, 64, 64), bool),
)


def image():
    return np.random.default_rng(0).random((64, 64, 1)).astype(np.float32)


@pytest.fixture
def film():
    """Two shots of a model that learns nothing, and forty steps of made-up losses."""
    film = TrainingFilm(image(), TRUTH, NAMES, best=5, min_score=0.3)
    model = tiny_model(seed=3)
    film.shoot(model, 0)
    for step in range(1, 41):
        losses = {"rpn_objectness": 0.7 / step, "box_class": np.float32(1.1), "mask": 0.69}
        film.note({"step": step, "loss": 9.0, **losses, "gradient_norm": 3.0, "learning_rate": 0.1, "seconds": 1.0})
    return film.shoot(model, 20)


def test_limbs_are_drawn_between_joints_that_are_known():
    names, points = ("left_shoulder", "left_elbow"), np.array([[[10, 10, 1], [20, 20, 1]]], np.float32)
    found = Detections(TRUTH.boxes[:1], np.array([1]), np.float32([0.9]), None, keypoints=points)

    def lines(**options):
        film = TrainingFilm(image(), TRUTH, NAMES, **options).shoot(tiny_model(seed=3), 0)
        film.shots[0] = (*film.shots[0][:3], found)
        return len(film.frame(0).axes[-1].lines)

    assert lines(keypoint_names=names) == lines() + 1


def test_the_model_goes_on_as_it_was():
    model = tiny_model(seed=3)
    before = model.state_dict()
    TrainingFilm(image(), TRUTH, NAMES).shoot(model, 0)
    assert all(part.training for _, part in model.named_modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    TrainingFilm(image(), TRUTH, NAMES).shoot(model.eval(), 0)
    assert not any(part.training for _, part in model.named_modules())


def test_a_model_on_a_device_stays_there(device):
    film, model = TrainingFilm(image(), TRUTH, NAMES), tiny_model(seed=3)
    film.shoot(model, 0).shoot(model.convert(device.asarray), 1)
    film.note({"step": 1, "mask": device.asarray(np.float32(0.7))})
    assert type(model.parameters()[0].value) is type(device.asarray(np.zeros(1)))
    np.testing.assert_array_equal(film.shots[0][1], film.shots[1][1])
    assert film.history == {"mask": [(1, pytest.approx(0.7))]}


def test_only_losses_are_noted(film):
    assert list(film.history) == ["rpn_objectness", "box_class", "mask"]
    assert film.history["rpn_objectness"][1] == (2, 0.35)
    with pytest.raises(ArgumentError, match="'step'"):
        film.note({"mask": 1.0})


@pytest.mark.parametrize("theme", THEMES)
def test_frames_are_legible_of_one_size_and_say_what_they_show(film, theme):
    use_theme(theme)
    try:
        figures = [film.frame(0), film.frame(1)]
        assert figures[0].get_size_inches().tolist() == figures[1].get_size_inches().tolist()
        for figure in figures:
            assert_legible(figure)
            assert {"losses (running mean)", "rpn objectness", "mask", "step"} <= set(words(figure))
            assert any(text.startswith("5 best proposals, objectness") for text in words(figure))
            assert any(text.startswith("score ≥ 0.3: ") for text in words(figure))
        assert len(film.steps().pictures) == 2 and film.steps().captions[1].startswith("After 20 steps: 8 proposals")
    finally:
        use_theme("light")


def test_frames_are_short_and_look_as_they_were_drawn(film):
    figure, picture = film.frame(1), film.steps().pictures[1]
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    assert len(picture) < 60_000 and shown.shape == drawn.shape
    assert np.abs(shown - drawn).max() <= 16  # of 255


def test_curves_end_at_the_step_of_the_shot_on_axes_that_fit_all(film):
    early, late = film.frame(0).axes[0], film.frame(1).axes[0]
    assert early.get_xlim() == late.get_xlim() and early.get_ylim() == late.get_ylim()
    assert late.get_xlim()[1] > 40
    so_far = [[line for line in ax.lines if line.get_alpha() is None] for ax in (early, late)]
    to_come = [[line for line in ax.lines if line.get_alpha()] for ax in (early, late)]
    curves = [line for line in so_far[1] if len(line.get_xdata()) > 1]
    assert [line.get_xdata().max() for line in curves] == [20, 20, 20]
    assert all(len(line.get_xdata()) == 0 for line in so_far[0])
    for lines in to_come:  # faint, in every frame, so that the first one is not empty
        assert [line.get_xdata().max() for line in lines] == [40, 40, 40]
    np.testing.assert_allclose(curves[1].get_ydata(), 1.1, rtol=1e-6)
    assert len({str(line.get_linestyle()) + str(line.get_color()) for line in curves}) == 3


def test_the_best_proposals_are_drawn_the_likeliest_on_top(film):
    boxes = np.array([[k, k, k + 9, k + 9] for k in range(7)], np.float32)
    ax = film.draw_proposals(boxes, np.linspace(0.9, 0.1, 7))
    drawn = [patch.get_bbox().extents.tolist() for patch in ax.patches]
    assert drawn[:5] == boxes[:5][::-1].tolist()
    assert drawn[5:] == TRUTH.boxes.tolist()
    assert ax.get_title(loc="left") == "5 best proposals, objectness 0.90 to 0.37"
    assert "0 best" in film.draw_proposals(boxes[:0], np.zeros(0)).get_title(loc="left")


def test_the_caption_counts_what_is_there(film):
    found = Detections(TRUTH.boxes[[0, 0]], np.array([1, 2]), np.array([0.9, 0.29]), None)
    proposals = np.array([[40, 20, 52, 44], [0, 0, 9, 9]], np.float32)
    film.shots.append((30, proposals, np.array([0.9, 0.8]), found))
    assert film.covered(2) == (1, pytest.approx((1 + 15 / 378) / 2))
    assert film.caption(2) == (
        "After 30 steps: 2 proposals cover 1 of 2 objects (best IoU 0.52 in the mean); "
        "detections with a score of 0.3 or more: 1 right, 1 missed."
    )
    film.shots.append((31, proposals[:0], np.zeros(0), dataclasses.replace(found, labels=np.array([2, 1]))))
    assert "0 proposals cover 0 of 2 objects (best IoU 0.00" in film.caption(3)
    assert film.caption(3).endswith("0.3 or more: 1 wrong class, 1 missed.")
    assert_legible(film.frame(3))


def test_what_cannot_be_filmed():
    empty = Target(TRUTH.boxes[:0], TRUTH.labels[:0], TRUTH.masks[:0])
    with pytest.raises(ArgumentError, match="at least one object"):
        TrainingFilm(image(), empty)
    with pytest.raises(ArgumentError, match="call shoot"):
        TrainingFilm(image(), TRUTH).steps()


def test_losses_alone_also_without_any():
    figure = TrainingFilm(image(), TRUTH).draw_losses().figure
    assert figure.get_facecolor()[:3] == tuple(style.to_rgb(style.paper()))


# ---------------------------------------------------------------- anchors that turn positive, and several scenes


def test_anchors_that_are_taken_for_objects_have_a_panel():
    model = tiny_model(seed=3)
    film = TrainingFilm(image(), TRUTH, NAMES, anchors=True).shoot(model, 0)
    trace = trace_detection(model.eval(), image())
    sure = trace.anchors.boxes[trace.anchors.objectness > 0.5]
    assert 0 < len(sure) < len(trace.anchors.boxes)
    figure = film.frame(0)
    panel = next(ax for ax in figure.axes if "anchors taken for objects" in ax.get_title("left"))
    fits = iou_matrix(sure, TRUTH.boxes).max(axis=1) >= 0.5
    assert panel.get_title("left") == f"{len(sure)} anchors taken for objects, {fits.sum()} fit one"
    drawn = [np.stack([line.get_xdata(), line.get_ydata()], axis=1) for line in panel.lines]
    middle = (sure[:, :2] + sure[:, 2:]) / 2
    np.testing.assert_allclose(drawn[0], middle[~fits])
    np.testing.assert_allclose(drawn[1], middle[fits])
    assert len(figure.axes) == len(TrainingFilm(image(), TRUTH, NAMES).shoot(model, 0).frame(0).axes) + 1


def test_films_of_one_training_are_shown_below_one_another(film):
    joined = joined_steps([film, film], title="both")
    assert len(joined) == 2 and joined.title == "both"
    one, both = (Image.open(io.BytesIO(steps.pictures[1])) for steps in (film.steps(), joined))
    assert both.size == (one.width, 2 * one.height)
    np.testing.assert_array_equal(*(np.asarray(both.crop((0, y, one.width, y + one.height))) for y in (0, one.height)))
    assert joined.captions[1] == f"{film.caption(1)} {film.caption(1)}"
    other = TrainingFilm(image(), TRUTH, NAMES).shoot(tiny_model(seed=3), 0)
    with pytest.raises(ArgumentError, match=r"as many shots each, at least one; got \[1, 2\]"):
        joined_steps([film, other])
