"""The picture of a data set's errors: a row for each kind that occurs, with its number, its bar and its worst."""

import numpy as np
from coco_cases import SIZE, draw_image, one_image
from explain.test_error_analysis import CLASSES, analysed

from tinymaskrcnn.visualize.errors import errors_figure

IMAGE = np.linspace(0, 1, SIZE * SIZE).reshape(SIZE, SIZE, 1)


def test_every_kind_that_occurs_has_its_row():
    rng = np.random.default_rng(1)
    report = analysed([draw_image(rng, 4) for _ in range(12)])
    figure = errors_figure(report, {n: IMAGE for n in range(12)}, examples=2)
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.texts]
    bars = [patch.get_width() for ax in figure.axes for patch in ax.patches if not ax.images]
    kinds = [kind for kind in report.kinds if report.count(kind)]
    assert bars == [report.cost(kind) for kind in kinds]
    for kind in kinds:
        assert any(text.replace(",\n", ", ").startswith(f"{kind}\n{report.count(kind)} error") for text in texts)
    assert len([ax for ax in figure.axes if ax.images]) == sum(len(report.examples(kind, 2)) for kind in kinds)
    example = report.examples("wrong class", 1)[0]
    said = f"{CLASSES[example['label']]} {example['score']:.2f} for a {CLASSES[example['true']]}"
    assert f"{said}\nIoU {example['iou']:.2f}, picture {example['picture']}" in texts


def test_what_does_not_occur_is_named():
    truth, found = one_image(scores=(0.9, 0.8), labels=(1, 1))
    figure = errors_figure(analysed([(truth, found)]), {0: IMAGE})
    texts = [text.get_text() for text in figure.texts]
    assert "duplicate\n1 error" in texts
    assert "none: wrong class; poor box; wrong class, poor box; background; missed" in texts


def test_without_errors_there_is_a_sentence():
    figure = errors_figure(analysed([one_image()]), {})
    assert figure.axes[0].texts[0].get_text() == "there is no error"
