"""From drawn scenes to files: every figure of a run, legible, on scenes crowded enough to be hard to label."""

import numpy as np
import pytest
from drawing_checks import assert_legible
from PIL import Image

from tinymaskrcnn.config import scene_preset
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.evaluation import Evaluator
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.visualize import figures, style

NAMES = ("background", *"0123456789")


def moved(target, rng):
    """Detections of most objects, a little beside their place, some with a wrong class."""
    kept = rng.random(len(target)) < 0.8
    count = int(kept.sum())
    boxes = (target.boxes[kept] + rng.normal(0, 1, (count, 4))).clip(0, target.masks.shape[1]).astype(np.float32)
    labels = np.where(rng.random(count) < 0.8, target.labels[kept], rng.integers(1, 11, count))
    return Detections(boxes, labels, rng.uniform(0.3, 1, count).astype(np.float32), target.masks[kept] != 0)


@pytest.mark.parametrize("preset", ["clean", "hard"])
def test_all_figures_of_a_run(tmp_path, preset):
    rng = np.random.default_rng(0)
    stream = SceneStream(scene_preset(preset), split="test", seed=0, batch_size=1)
    images, truths = zip(*(stream.scene(i) for i in range(4)))
    found = [moved(truth, rng) for truth in truths]
    evaluator = Evaluator(iou_type="segm", num_classes=11)
    for pair in zip(truths, found):
        evaluator.add(*pair)
    drawn = {
        "detections": figures.detections_figure(images, truths, found, NAMES, max_rows=3),
        "predictions": figures.detections_figure(images, None, found, NAMES),
        "precision_recall": figures.precision_recall_figure(evaluator.accumulate(), NAMES),
    }
    for name, figure in drawn.items():
        if name == "precision_recall" or preset == "clean":  # ten objects on 128 pixels leave no room for every label
            assert_legible(figure)
        path = figures.save_figure(figure, tmp_path / f"{name}.png")
        with Image.open(path) as picture:
            picture.load()
            wide, tall = figure.get_size_inches() * figure.dpi
            assert abs(picture.width - wide) <= 1 and abs(picture.height - tall) <= 1
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50  # not an empty sheet


def figure_with(*places, texts=()):
    figure = style.new_figure(4, 4)
    for place in places:
        figure.add_axes(place, xticks=[], yticks=[])
    for x, y in texts:
        figure.text(x, y, "here", ha="center", va="center")
    return figure


ILLEGIBLE = [
    ([(0.7, 0.1, 0.4, 0.8)], [], "'axes 0' is cut off at the side"),
    ([(0.1, 0.1, 0.4, 0.8), (0.5, -0.1, 0.5, 0.8)], [], "'axes 1' is cut off at the top or bottom"),
    ([(0.1, 0.1, 0.42, 0.8), (0.5, 0.1, 0.5, 0.8)], [], "'axes 0' lies on 'axes 1'"),
    ([], [(0.5, 0.5), (0.0, 0.3)], "'here' is cut off at the side"),
    ([], [(0.5, 0.999)], "'here' is cut off at the top or bottom"),
    ([], [(0.5, 0.5), (0.1, 0.3), (0.51, 0.51)], "'here' lies on 'here'"),
]


@pytest.mark.parametrize(("axes", "texts", "said"), ILLEGIBLE)
def test_what_is_cut_off_or_lies_on_another_is_seen(axes, texts, said):
    with pytest.raises(AssertionError, match=said):
        assert_legible(figure_with(*axes, texts=texts))


def test_what_stands_side_by_side_is_legible():
    assert_legible(style.new_figure(1, 1))
    assert_legible(figure_with((0.1, 0.1, 0.4, 0.8), (0.5, 0.1, 0.5, 0.8), texts=[(0.2, 0.5), (0.2, 0.6)]))
