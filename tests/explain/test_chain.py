"""Chains, steps and words."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.explain.chain import Chain, Counterfactual, Step, moved, ordinal, place_of, plural, size_of
from tinymaskrcnn.ops.boxes import from_center


@examples(60)
@given(x=st.floats(-20, 20), y=st.floats(-20, 20), w=st.floats(0.3, 3), h=st.floats(0.3, 3))
def test_how_a_box_moved_can_be_read_back(x, y, w, h):
    before = np.array([30.0, 30, 20, 10])
    words = moved(from_center(before), from_center(before * [1, 1, w, h] + [x, y, 0, 0]))
    signs = {"right": 1, "left": -1, "down": 1, "up": -1, "wider": 1, "narrower": -1, "higher": 1, "lower": -1}
    axes = {"right": 0, "left": 0, "down": 1, "up": 1, "wider": 2, "narrower": 2, "higher": 3, "lower": 3}
    read = np.zeros(4)
    for part in words.split(", ") if words != "left where it was" else ():
        number, *_, way = part.split()
        read[axes[way]] = signs[way] * float(number)
    np.testing.assert_allclose(read, [x, y, 100 * (w - 1), 100 * (h - 1)], atol=0.51)
    np.testing.assert_allclose(read[:2], [x, y], atol=0.0501)


def test_words():
    assert (ordinal(1), ordinal(4)) == ("the best", "number 4")
    assert [plural(n, "box", "boxes") for n in (0, 1, 2)] == ["no boxes", "1 box", "2 boxes"]
    assert plural(2, "anchor") == "2 anchors"
    assert size_of([1, 2, 4, 9]) == "3x7 px" and place_of([1, 2, 4, 9]) == "at 1, 2 to 4, 9"
    assert moved([0, 0, 4, 4], [0, 0, 4, 4]) == "left where it was"


def test_a_chain_prints_its_steps_and_what_would_have_changed_them():
    said = Counterfactual("roi.nms_iou", 0.5, 0.4, 0.3, "stays down to roi.nms_iou 0.4", "it is gone")
    chain = Chain("0: seven", (Step("anchor", "somewhere"), Step("final NMS", "stays", {"a": 1}, (said,))))
    assert str(chain).splitlines() == [
        "0: seven",
        "      anchor  somewhere",
        "   final NMS  stays",
        "              - stays down to roi.nms_iou 0.4 (now 0.5): then it is gone",
    ]
    assert chain["final NMS"].numbers == {"a": 1} and chain.counterfactuals == (said,)
    assert str(Counterfactual("shift", 0, 0, 1, "moved by less than 1 px")) == "moved by less than 1 px"
    with pytest.raises(KeyError):
        chain["mask"]
