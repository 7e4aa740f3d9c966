"""The sampler draws what the papers ask for, and every candidate has the same chance."""

import numpy as np
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.targets.matcher import NEGATIVE, POSITIVE, balanced_sample, draw_keys


@examples(80)
@given(st.data())
def test_counts(data):
    n, k = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 40))
    drawn = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n * k, max_size=n * k))
    label = np.array(drawn, int).reshape(n, k)
    count = data.draw(st.integers(1, 24))
    fraction = data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    keys = draw_keys((n, k), rng=np.random.default_rng(data.draw(st.integers(0, 9))), like=np.zeros(1))
    chosen = balanced_sample(label, keys, count=count, positive_fraction=fraction)
    for row in range(n):
        positives, negatives = (label[row] == POSITIVE).sum(), (label[row] == NEGATIVE).sum()
        wanted_positives = min(positives, int(count * fraction))
        assert (chosen[row] & (label[row] == POSITIVE)).sum() == wanted_positives
        assert (chosen[row] & (label[row] == NEGATIVE)).sum() == min(negatives, count - wanted_positives)
        assert not (chosen[row] & (label[row] == 0)).any()


def test_every_candidate_has_the_same_chance():
    label = np.array([[POSITIVE] * 10 + [NEGATIVE] * 30])
    rng = np.random.default_rng(0)
    hits = np.zeros(40)
    for _ in range(2000):
        hits += balanced_sample(label, draw_keys((1, 40), rng=rng, like=label), count=8, positive_fraction=0.5)[0]
    assert np.abs(hits[:10] / 2000 - 0.4).max() < 0.05  # 4 of 10
    assert np.abs(hits[10:] / 2000 - 4 / 30).max() < 0.05  # 4 of 30


def test_keys_are_never_zero():
    """A key of 0 would mark a chosen box as no candidate; 1 - random() lies in (0, 1]."""

    class AlwaysZero:
        def random(self, shape):
            return np.zeros(shape)

    assert (draw_keys((2, 3), rng=AlwaysZero(), like=np.zeros(1)) == 1).all()
