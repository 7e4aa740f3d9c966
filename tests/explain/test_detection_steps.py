"""Level, grid, class, NMS, mask: what a chain says of them, and its numbers tried on both sides."""

import numpy as np
import pytest
from explain.explained import detected, goes_on, network, picture, with_settings

from tinymaskrcnn.explain.chain import Step
from tinymaskrcnn.explain.detection_steps import detection_steps, grid_of, mask_limits, soft_mask
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.ops.softmax import softmax_forward

KINDS = ("mask", "keypoint", "mask scoring", "RoIWarp", "C4")
ROI = ("roi.score_threshold", "roi.min_size", "roi.nms_iou", "roi.detections_per_image")


def steps_of(trace, row, **truth):
    return {step.name: step for step in detection_steps(trace, row, **truth)}


@pytest.mark.parametrize("kind", KINDS)
def test_each_number_decides_on_either_side_as_it_says(kind):
    tried = {}
    for seed in range(4):
        model, image = with_settings(network(kind, seed), {"roi.detections_per_image": 60}), picture(seed)
        trace = trace_detection(model, image)
        for row in range(len(trace.detections))[:4]:
            for said in (other for step in detection_steps(trace, row) for other in step.counterfactuals):
                if said.setting in ROI:
                    assert goes_on(model, image, trace, row, said.setting, said.same), said
                    assert not goes_on(model, image, trace, row, said.setting, said.other), said
                    tried[said.setting] = tried.get(said.setting, 0) + 1
    assert tried.keys() == set(ROI) and sum(tried.values()) >= 20


def test_another_level_from_the_canonical_size_on_that_it_says():
    tried = set()
    for seed in range(6):
        model, image = network("mask", seed), picture(seed)
        trace = trace_detection(model, image)
        for row in range(len(trace.detections))[:6]:
            level = steps_of(trace, row)["level"]
            for said in level.counterfactuals:
                if not (1 <= min(said.same, said.other) and max(said.same, said.other) <= 1e5):
                    continue
                for size, changes in ((said.same, False), (said.other, True)):
                    roi = trace.proposals.boxes[trace.origins[row]][None]
                    pool = network("mask", seed).roi_heads.heads["box"].pool
                    pool.config = type(pool.config)(**{**vars(pool.config), "canonical_size": size})
                    crops = [pool.forward(blank(trace, i), rois=roi, image_index=np.zeros(1, int))[0] for i in range(4)]
                    cut_from = 2 + int(np.argmax([abs(crop).sum() for crop in crops]))
                    assert (cut_from != level.numbers["level"]) == changes
                    assert not changes or f"P{cut_from} " in said.text
                tried.add(said.other > said.same)
    assert tried == {True, False}


def blank(trace, level):
    """A pyramid in which one level is bright and the others are dark."""
    return [np.full_like(features[None], i == level) for i, features in enumerate(trace.pyramid)]


def test_without_a_pyramid_there_is_no_other_level():
    step = steps_of(trace_detection(network("C4", 1), picture(1)), 0)["level"]
    assert step.text == "C4, the only map" and step.counterfactuals == ()


@pytest.mark.parametrize("kind", ["mask", "RoIPool"])
def test_a_logit_that_is_so_much_higher_makes_the_other_class_the_likeliest(kind):
    """Said by the box head itself, of the same crops."""
    turned = 0
    for seed in range(4):
        model, image = network(kind, seed), picture(seed)
        trace = trace_detection(model, image)
        head, rows = model.roi_heads.heads["box"], trace.proposals.boxes
        (logits, _), _ = head.forward(trace.said.pyramid, rois=rows, image_index=np.zeros(len(rows), int))
        for row in range(len(trace.detections)):
            step, own = steps_of(trace, row)["class"], int(trace.detections.labels[row])
            needs = step.counterfactuals[1].other
            wins = step.numbers["second"] if step.numbers["logit_margin"] >= 0 else own
            for more, won in ((0.99 * needs - 1e-4, False), (1.01 * needs + 1e-4, True)):
                said = logits[trace.origins[row]].copy()
                said[wins] += more
                (rival,) = {own, step.numbers["second"]} - {wins}
                probabilities = softmax_forward(said[None])[0][0]
                assert (probabilities[wins] > probabilities[rival]) == won
                turned += 1
    assert turned > 20


@pytest.mark.parametrize("kind", ["mask", "mask scoring", "softmax mask"])
def test_a_mask_is_empty_above_the_threshold_that_it_says(kind):
    tried = 0
    for seed in range(4):
        model, image = network(kind, seed), picture(seed)
        trace = trace_detection(model, image)
        for row in range(len(trace.detections))[:4]:
            for said in steps_of(trace, row)["mask"].counterfactuals:
                same, other = said.same - 1e-5, said.same + 1e-5  # other rows are pasted beside it: other rounding
                masks = [detected(with_settings(model, {said.setting: at}), image).masks[row] for at in (same, other)]
                assert masks[0].any() and not masks[1].any() and said.other == pytest.approx(said.same, abs=1e-6)
                tried += 1
    assert tried >= 4


def test_a_mask_fits_between_the_thresholds_that_trying_all_finds():
    rng = np.random.default_rng(0)
    for _ in range(60):
        truth = rng.random((5, 6)) < 0.5
        soft = np.round(np.clip(0.5 * truth + rng.random((5, 6)) * 0.6, 0, 1), 2).astype(np.float32)
        now, least = float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.2, 0.9))

        def fits(at, soft=soft, truth=truth, least=least):
            mask = soft >= np.float32(at)
            return (mask & truth).sum() / max((mask | truth).sum(), 1) >= least

        limits = {said.other > said.now: said for said in mask_limits(soft, truth, now, least)}
        for upward in (True, False):
            near = np.arange(0.005, 1, 0.01)
            near = near[near > now] if upward else near[near < now][::-1]
            near = near[abs(near - now) > 0.006]
            first = next((at for at in near if fits(at) != fits(now)), None)
            if first is None:
                assert upward not in limits or abs(limits[upward].other - now) < 0.012 or limits[upward].other in (0, 1)
                continue
            said = limits[upward]
            assert fits(said.same) == fits(now) and fits(said.other) != fits(now)
            assert abs(said.other - first) <= 0.0101 or abs(said.other - now) < abs(first - now)
    assert mask_limits(np.zeros((2, 2), np.float32), np.ones((2, 2), bool), 0.5, 0.5) == ()


def test_keypoints_and_mask_scores_are_told():
    trace = trace_detection(network("keypoint", 3), picture(3))
    step = steps_of(trace, 0)["keypoints"]
    points = trace.detections.keypoints[0]
    assert step.numbers["least"] == points[:, 2].argmin() and len(step.numbers["points"]) == 3
    assert f"keypoint {points[:, 2].argmin()}" in step.text
    trace = trace_detection(network("mask scoring", 3), picture(3))
    step = steps_of(trace, 0)["mask"]
    assert step.numbers["mask_score"] == trace.detections.mask_scores[0] and "ranks it with" in step.text


def test_a_grid_belongs_to_the_crop_of_the_box_head():
    trace = trace_detection(network("mask", 3), picture(3))
    grid, step = grid_of(trace, 0), steps_of(trace, 0)["grid"]
    assert isinstance(step, Step) and step.numbers["points"] == len(grid.points) == 36
    assert len(grid.x_edges) == 4 and grid.cell == 2 ** trace.proposals.level[trace.origins[0]]
    assert soft_mask(trace, 0).shape == trace.image.shape[:2]
