"""The table of the family from rows."""

import pytest

from tinymaskrcnn.studies import history
from tinymaskrcnn.studies.rows import Row


class Told:
    def __init__(self, seconds):
        self.seconds = seconds

    def get(self, plan):
        system = plan.config.model.system
        if system not in self.seconds:
            return None
        if plan.seed == 2:
            return Row.of(plan, failed="broke")
        cost = {"test_cpu": self.seconds[system], "passes": 64.0 if system == "rcnn" else 1.0}
        return Row.of(plan, figures={"bbox": {"AP": 0.5 + plan.seed / 10, "AP90": -1.0}}, cost=cost)


def test_means_and_spreads_over_seeds_that_did_not_fail():
    systems = history.told(Told({"rcnn": 0.3, "fast_rcnn": 0.01}))
    rcnn = systems[0]
    assert rcnn["box AP"] == {"mean": pytest.approx(0.55), "spread": pytest.approx(0.1 / 2**0.5)}
    assert rcnn["seeds"] == [0, 1] and rcnn["failed"] == {"2": "broke"} and rcnn["AP90"]["mean"] is None
    assert systems[2]["box AP"] == {"mean": None, "spread": None}
    assert history.slowdown(systems) == pytest.approx(30)
    lines = history.table(systems)
    found, costs = lines[: lines.index("")], lines[lines.index("") + 1 :]  # one table would be wider than a page
    assert found[2].startswith("| rcnn | 2 (1 failed) | 0.550 ± 0.071 |") and "| 300.0 | 64 |" in costs[2]
    for part in (found, costs):
        assert len({line.count("|") for line in part}) == 1 and len(part) == 8
    assert "R-CNN takes 30 times as long" in history.markdown(systems)
    assert history.verdict_on(systems).endswith("With the search, times are in the papers' order.")
    wrong = history.verdict_on(
        history.told(Told({"rcnn": 0.3, "fast_rcnn": 0.01, "faster_rcnn": 0.02, "mask_rcnn": 0.03}))
    )
    assert wrong.endswith("not in the papers' order: fast_rcnn is not slower than faster_rcnn.")


def test_without_both_nothing_is_compared():
    systems = history.told(Told({"rcnn": 0.3}))
    assert history.slowdown(systems) is None and "not both measured" in history.verdict_on(systems)
