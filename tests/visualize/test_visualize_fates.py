import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from matplotlib.colors import to_rgba
from tiny_model import tiny_model

from tinymaskrcnn.explain.fate import STAGES, why_missed
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.visualize import fate_figure, fate_steps, style
from tinymaskrcnn.visualize.fates import FITS, TARGET, _frame


@pytest.fixture(scope="module")
def trace():
    image = np.random.default_rng(1).random((64, 64, 1)).astype(np.float32)
    return trace_detection(tiny_model(seed=3).eval(), image)


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield
    style.use_theme("light")


def found_and_hidden(trace):
    """A detection, and the same one when only a certain score would be shown."""
    box, label = trace.detections.boxes[0], trace.detections.labels[0]
    return box, why_missed(trace, box, label=label), why_missed(trace, box, label=label, min_score=0.999)


@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_a_lost_object_has_a_frame_for_each_stage_it_passed_and_one_for_its_end(trace, theme):
    box, _, hidden = found_and_hidden(trace)
    steps = fate_steps(trace, hidden, box, title="the first")
    names = [name for name, _ in STAGES]
    assert hidden.stage == "shown"
    assert len(steps) == names.index("shown") + 1
    assert [caption.split(" (")[0] for caption in steps.captions[:-1]] == names[: names.index("shown")]
    assert steps.captions[-1] == f"shown: {hidden.reason}."


def test_a_found_object_passes_every_stage(trace):
    box, found, _ = found_and_hidden(trace)
    assert len(fate_steps(trace, found, box)) == len(STAGES)


def test_frames_are_legible_and_show_the_boxes_and_the_object(trace, theme, monkeypatch):
    from tinymaskrcnn.visualize import fates

    box, _, hidden = found_and_hidden(trace)
    drawn = []
    monkeypatch.setattr(fates, "Steps", lambda frames, captions, title: drawn.extend(frames))
    fate_steps(trace, hidden, box)
    for figure in drawn:
        assert_legible(figure)
    sizes = {tuple(figure.get_size_inches()) for figure in drawn}
    assert len(sizes) == 1
    first, last = drawn[0].axes[0], drawn[-1].axes[0]
    outlines = [tuple(p.get_bbox().extents) for p in first.patches]
    assert outlines == [*map(tuple, hidden.fitting["anchors"][: fates.MOST]), tuple(box)]
    assert tuple(last.patches[-2].get_bbox().extents) == pytest.approx(tuple(hidden.culprit))
    assert last.patches[-2].get_linewidth() == last.patches[-1].get_linewidth() == 2
    assert {"decided", "fitted it"} <= set(words(drawn[-1]))
    assert tuple(last.patches[0].get_bbox().extents) == pytest.approx(tuple(hidden.fitting["detections"][0]))
    (left, right), (bottom, top) = first.get_xlim(), first.get_ylim()
    assert 0 <= left <= box[0] and box[2] <= right <= 64 and 0 <= top <= box[1] and box[3] <= bottom <= 64


def test_the_object_lies_on_top_of_what_fits_it(trace):
    box, found, _ = found_and_hidden(trace)
    ax = _frame(trace.image, box, found.fitting["box deltas"], "after box deltas").axes[0]
    fits = [p.get_zorder() for p in ax.patches if p.get_edgecolor() == to_rgba(FITS, 0.8)]
    target = [p.get_zorder() for p in ax.patches if p.get_edgecolor() == to_rgba(TARGET)]
    assert len(fits) == found.counts["box deltas"] > 0 and len(target) == 1
    assert ax.images[0].get_zorder() < min(fits) and max(fits) < target[0]


def test_the_funnel_says_how_many_fitted_and_where_it_ended(trace, theme):
    _, found, hidden = found_and_hidden(trace)
    figure = fate_figure([found, hidden], ["found", "hidden"])
    assert_legible(figure)
    assert "boxes that fit, IoU ≥ 0.5, after each stage" in words(figure)
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == [str(found.counts[name]) for name, _ in STAGES]
    said = [text.get_text() for text in right.texts]
    assert said.index("lost here") == [name for name, _ in STAGES].index("shown")
    assert [label.get_text() for label in left.get_yticklabels()] == [name for name, _ in STAGES]
