"""NMS as states and pictures: the last state is what ops.nms.nms returns."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import boxes, nms
from tinymaskrcnn.visualize import draw_nms_state, nms_states, nms_steps, style
from tinymaskrcnn.visualize.nms import NOBODY, nms_caption

CHAIN = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)  # neighbours 0.54, ends 0.25
FALLING = np.array([0.9, 0.8, 0.7], np.float32)
IMAGE = np.full((24, 24, 1), 0.2, np.float32)


@st.composite
def drawn_case(draw):
    """Crowded boxes on whole pixels, so that IoUs hit the threshold; few scores, so that there are ties."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    count = draw(st.integers(0, 25))
    corner = rng.integers(0, 8, (count, 2))
    found = np.concatenate([corner, corner + rng.integers(1, 7, (count, 2))], axis=1)
    found = found.astype(draw(st.sampled_from([np.float32, np.float64])))
    scores = rng.integers(0, draw(st.sampled_from([3, 1000])), count) / 1000
    group = rng.integers(0, draw(st.integers(1, 3)), count)
    return found, scores.astype(found.dtype), group, draw(st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))


@examples(150)
@given(case=drawn_case())
def test_the_last_state_is_the_answer_of_nms(case):
    found, scores, group, threshold = case
    states = nms_states(found, scores, threshold, group=group)
    last = states[-1]
    np.testing.assert_array_equal(last.kept, nms.nms(found, scores, iou_threshold=threshold, group=group))
    assert not last.waiting.any()
    assert len(states) == 1 + last.kept.sum()
    for before, after in zip(states, states[1:]):
        assert after.kept.sum() == before.kept.sum() + 1 and after.kept[after.current]
        assert before.waiting[after.current] and scores[after.current] == scores[before.waiting].max()
        new = after.suppressed_by != before.suppressed_by
        np.testing.assert_array_equal(new, after.suppressed_now)
        assert (before.waiting[new]).all() and (group[new] == group[after.current]).all()
    gone = np.flatnonzero(last.suppressed_by != NOBODY)
    np.testing.assert_array_equal(gone, np.flatnonzero(~last.kept))
    for k in gone:
        by = last.suppressed_by[k]
        assert last.suppressed_iou[k] == boxes.iou_matrix(found, found)[by, k] > threshold
        assert last.kept[by] and scores[by] >= scores[k]


def test_who_is_suppressed_suppresses_nobody():
    states = nms_states(CHAIN, FALLING, 0.5)
    assert [state.current for state in states] == [NOBODY, 0, 2]
    assert states[-1].suppressed_by.tolist() == [NOBODY, 0, NOBODY]
    assert states[-1].suppressed_iou.round(2).tolist() == pytest.approx([0, 0.54, 0], abs=1e-6)


def test_captions_tell_the_story():
    first, second, third = (nms_caption(state) for state in nms_states(CHAIN, FALLING, 0.5))
    assert first.startswith("3 boxes wait.")
    assert "box 0 has the best score, 0.90" in second and "suppresses 1 (IoU 0.54). 1 still wait." in second
    assert "box 2" in third and "It overlaps no waiting box by more than 0.5" in third and "Nobody waits" in third


@pytest.mark.parametrize("theme", THEMES)
def test_every_state_is_legible(theme):
    style.use_theme(theme)
    try:
        for state in nms_states(CHAIN, FALLING, 0.5):
            assert_legible(draw_nms_state(IMAGE, state).figure)
        crowd = np.repeat(CHAIN[:1], 12, axis=0) + np.arange(12, dtype=np.float32)[:, None] / 10
        assert_legible(draw_nms_state(IMAGE, nms_states(crowd, np.linspace(1, 0.5, 12), 0.5)[-1]).figure)
    finally:
        style.use_theme("light")


def test_the_legend_counts_and_the_boxes_lie_where_they_are():
    ax = draw_nms_state(IMAGE, nms_states(CHAIN, FALLING, 0.5)[1])
    legend = {"current: 1", "kept before: 0", "suppressed now: 1", "waiting: 1"}
    assert legend | {"IoU 0.54", "0.90"} <= set(words(ax.figure))
    corners = sorted((p.get_xy(), p.get_width()) for p in ax.patches)
    assert corners == [((0, 0), 10), ((3, 0), 10), ((6, 0), 10)]


def test_steps_hold_a_frame_for_every_state():
    steps = nms_steps(IMAGE, CHAIN, FALLING, 0.5)
    assert len(steps) == 3 and steps.captions == [nms_caption(s) for s in nms_states(CHAIN, FALLING, 0.5)]


def test_no_boxes():
    [state] = nms_states(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.5)
    assert_legible(draw_nms_state(IMAGE, state).figure)


def test_messages():
    with pytest.raises(ShapeError, match=r"nms_states: boxes must be \(K, 4\) and scores \(K,\)"):
        nms_states(CHAIN, FALLING[:2], 0.5)
    with pytest.raises(ArgumentError, match="nms_states: iou_threshold must lie between 0 and 1; got 50"):
        nms_states(CHAIN, FALLING, 50)
