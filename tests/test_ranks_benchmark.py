"""What a thousand ranks would do, on paper: the arithmetic behind `python -m tests.benchmarks.ranks`."""

import numpy as np
import pytest
from benchmarks import ranks

STEPS = [0.9, 1.0, 1.0, 1.1, 1.5]


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("latency, bandwidth", [(2e-5, 4e9), (3e-3, 1e7)])
def test_a_link_is_found_again_in_the_sums_that_it_makes(count, latency, bandwidth):
    seconds = [ranks.sum_seconds(count, length, latency, bandwidth) for length in ranks.LENGTHS]
    assert ranks.fit(ranks.LENGTHS, seconds, ranks=count) == pytest.approx((latency, bandwidth), rel=1e-6)


def test_one_rank_has_nobody_to_meet():
    rng = np.random.default_rng(0)
    for doubling in (False, True):
        assert ranks.sum_seconds(1, 10**6, 1e-3, 1e6, doubling=doubling) == 0
        assert ranks.meeting_seconds(1, 1e-3, doubling=doubling) == 0
    took = ranks.simulated(1, 2.0, [1.0], 10**6, 9, (1e-3, 1e6), strong=True, rng=rng)
    assert took == 2.0


def test_more_ranks_wait_longer_for_the_slowest_and_never_beyond_the_slowest_that_was_seen():
    rng = np.random.default_rng(0)
    waits = [ranks.slowest(count, STEPS, rng) for count in (1, 4, 16, 256)]
    assert waits == sorted(waits) and waits[0] == pytest.approx(1.1, abs=0.1) and waits[-1] == 1.5


def test_doubling_needs_fewer_messages_and_what_is_hidden_costs_less():
    link, rng = (1e-4, 1e9), np.random.default_rng
    settings = dict(compute=1.0, steps=[1.0], numbers=10**6, meetings=40, link=link, strong=False)
    here, doubling = (ranks.simulated(64, **settings, doubling=way, rng=rng(0)) for way in (False, True))
    hidden = ranks.simulated(64, **settings, doubling=True, hidden=True, rng=rng(0))
    assert 1 < hidden < doubling < here
    lines = ranks.scaling_table("x", 1.0, STEPS, 10**6, 40, link).splitlines()
    first, last = ([float(share) for share in line.split()[1:]] for line in (lines[2], lines[-2]))
    assert len(lines) == 3 + len(ranks.RANKS) and len(set(first)) == 1 and 0.8 < first[0] <= 1
    assert first[0] > last[2] >= last[1] > last[0] > last[3]  # weak: hidden, doubling, as here; strong is worse


def test_ranks_that_share_cores_gain_nothing_by_being_more_than_these():
    link = (1e-4, 1e9)
    one, two, four = (ranks.on_cores(n, 2, 4.0, 10**6, 40, link) for n in (1, 2, 4))
    assert one == 4.0 and 2.0 < two < 2.1 < one and two < four < 2.2


def test_the_picture_shows_both_networks_and_every_way():
    given = {"compute": 1.0, "steps": STEPS, "numbers": 10**6, "meetings": 40, "link": (1e-4, 1e9)}
    figure = ranks.scaling_figure({"small": given, "large": given | {"numbers": ranks.LARGE}})
    assert [axes.get_title().split(",")[0] for axes in figure.axes] == ["small", "large"]
    for axes in figure.axes:
        drawn = [line.get_ydata() for line in axes.get_lines()[:6]]
        assert len(drawn) == 6 and all(0 <= min(share) <= max(share) <= 1.01 for share in drawn)
    assert len(figure.legends[0].get_texts()) == 6
