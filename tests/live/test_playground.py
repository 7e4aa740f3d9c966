"""The playground's side of Python, in this Python: what its page is told is what the package computes."""

import base64
import copy
import html
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.data import digits
from tinymaskrcnn.errors import DataError, TinyMaskRCNNError
from tinymaskrcnn.explain import trace_detection, what_if, why_missed
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.zoo import load_tour_detector

LIVE = Path(__file__).parents[2] / "docs" / "live"
sys.path.insert(0, str(LIVE / "python"))
from tab import playground  # noqa: E402
from tab.playground.moving import Mover, held  # noqa: E402
from tab.playground.plain import array, plain  # noqa: E402
from tab.playground.sketch import draw_sketch, read_sketch  # noqa: E402
from tab.playground.training import Training  # noqa: E402

ONE = [[[0.1, -0.5], [0.05, 0.0], [0.0, 0.5]]]
SEVEN = [[[-0.3, -0.5], [0.3, -0.5], [0.0, 0.5]]]


@pytest.fixture(scope="module")
def model():
    return load_tour_detector()


def scene_of(*drawn, **paper):
    return {"digits": list(drawn), "noise": 0.0, "clutter": 0.0, "seed": 0} | paper


def stroked(x, y, size=30, angle=0, strokes=SEVEN, **more):
    return {"x": x, "y": y, "size": size, "angle": angle, "strokes": strokes} | more


def drawn(scene):
    return draw_sketch(read_sketch(scene))


# ---------------------------------------------------------------- the scene


def test_an_embedded_digit_is_painted_as_the_bank_draws_it():
    bank = digits.load()
    for sample, size, angle in ((3, 30, 0), (178, 24, 20), (900, 41, -90)):
        image, target, which = drawn(scene_of({"x": 60, "y": 70, "size": size, "angle": angle, "sample": sample}))
        ink = bank.render(sample, size, angle)
        y, x = (round(at - length / 2) for at, length in zip((70, 60), ink.shape))
        np.testing.assert_allclose(image[y : y + ink.shape[0], x : x + ink.shape[1], 0], ink, atol=1e-6)
        assert image.sum() == pytest.approx(ink.sum(), rel=1e-5)
        assert target.labels.tolist() == [bank.labels[sample] + 1] and which.tolist() == [0]
        np.testing.assert_array_equal(target.masks[0][y : y + ink.shape[0], x : x + ink.shape[1]], ink > 0.5)


def test_strokes_turn_grow_and_are_cut_off_at_the_edge():
    upright = drawn(scene_of(stroked(64, 64)))[0][:, :, 0]
    np.testing.assert_array_equal(drawn(scene_of(stroked(64, 64, angle=90)))[0][:, :, 0], np.rot90(upright))
    np.testing.assert_array_equal(drawn(scene_of(stroked(64, 64, angle=180)))[0][:, :, 0], upright[::-1, ::-1])
    shifted = drawn(scene_of(stroked(64 + 60, 64 - 55)))[0][:, :, 0]
    np.testing.assert_array_equal(shifted[: 128 - 55, 60:], upright[55:, : 128 - 60])
    assert shifted[:, :60].sum() == 0 and shifted[73:].sum() == 0
    small, large = (drawn(scene_of(stroked(64, 64, size)))[1].boxes[0] for size in (20, 60))
    np.testing.assert_allclose((large[2:] - large[:2]) / (small[2:] - small[:2]), 3, rtol=0.12)
    assert len(drawn(scene_of(stroked(-60, 20), stroked(40, 40)))[1]) == 1  # the first lies outside


def test_what_lies_above_hides_what_is_below():
    below, above = stroked(50, 50, strokes=ONE), {"x": 90, "y": 60, "size": 40, "angle": 0, "sample": 3}
    _, target, which = drawn(scene_of(below, above))
    assert which.tolist() == [0, 1] and not (target.masks[0] & target.masks[1]).any()
    _, target, which = drawn(scene_of(stroked(50, 50, size=6, strokes=ONE), stroked(50, 50, size=100, strokes=ONE)))
    assert which.tolist() == [1]  # nothing can be seen of the first


def damages():
    good = scene_of(stroked(50, 50), {"x": 90, "y": 60, "size": 40, "sample": 3})
    for value in (None, "x", [], {}, True, -1e9, float("nan"), float("inf"), [[[1, 2]] * 500], [[1]], "9" * 1000):
        yield value
        for name in ("digits", "noise", "clutter", "seed"):
            yield good | {name: value}
        for name in ("x", "y", "size", "angle", "strokes"):
            yield good | {"digits": [good["digits"][0] | {name: value}]}
        if value is not None:
            yield good | {"digits": [good["digits"][1] | {"sample": value}]}
    yield good | {"digits": good["digits"] * 7}


def test_what_is_no_scene_is_refused_in_one_sentence():
    refused = 0
    for damaged in damages():
        try:
            drawn(damaged)
        except DataError as error:
            refused += 1
            assert len(str(error)) <= 500 and "\n" not in str(error)
    assert refused > 100


# ---------------------------------------------------------------- what a page is told


def test_the_overview_is_what_the_detector_says(model):
    for number in range(2):
        scene = playground.example(number)
        image = drawn(scene)[0]
        said = playground.overview(scene=scene, min_score=0.3)
        json.dumps(said)  # nothing but what JSON holds
        np.testing.assert_array_equal(array(said["image"]), np.rint(255 * image[:, :, 0]))
        size = np.array([image.shape[:2]])
        [found] = model.detect(image[None], sizes=size, original_sizes=size)
        shown = found.scores >= 0.3
        np.testing.assert_allclose([one["box"] for one in said["detections"]], found.boxes[shown], rtol=1e-5)
        names = [model.config.class_names[label] for label in found.labels[shown]]
        assert [one["name"] for one in said["detections"]] == names
        masks, owner = found.masks[shown], array(said["owner"])
        np.testing.assert_array_equal(owner, np.where(masks.any(axis=0), masks.argmax(axis=0) + 1, 0))
        assert [level["name"] for level in said["levels"]] == ["P2", "P3", "P4", "P5", "P6"]
        for features, _ in (map(array, level["maps"]) for level in said["levels"]):
            assert features.min() == 0 and features.max() == 1
        right = sum(one["verdict"] == "right" for one in said["detections"])
        assert said["words"].startswith(f"{right} of {sum(map(bool, said['digits']))} digits found")
        wrong = len(said["detections"]) - right
        assert bool(wrong) == (f"{wrong} box" in said["words"])


def test_other_thresholds_decide_anew_and_a_cell_is_one_of_the_map(model):
    scene = playground.example(1)
    trace = trace_detection(model, drawn(scene)[0])
    for settings in ({"rpn.nms_iou": 0.2}, {"rpn.post_nms_top_n": 3}, {"roi.mask_threshold": 0.9}):
        other, said = what_if(trace, settings), playground.overview(scene=scene, settings=settings, min_score=0.0)
        np.testing.assert_allclose(array(said["nms"]["after"]["boxes"])[::-1, :4], other.proposals.boxes, rtol=1e-5)
        assert said["nms"]["after"]["words"].endswith(f" the best {len(other.proposals.boxes)} become proposals")
        np.testing.assert_array_equal(array(said["owner"]) > 0, other.detections.masks.any(axis=0))
    for level, row, column in ((0, 31, 0), (1, 4, 3), (4, 1, 1)):
        said = playground.cell(scene=scene, level=level, row=row, column=column)
        stride, boxes = 2 ** (level + 2), np.array(said["boxes"])
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        np.testing.assert_allclose(middle, np.tile([column * stride, row * stride], (3, 1)), atol=stride / 2 + 1e-6)
        most = array(playground.overview(scene=scene)["levels"][level]["maps"][1])[row, column] ** 2
        assert max(said["objectness"]) == pytest.approx(most, rel=1e-5)
        assert said["place"] == [column * stride, row * stride, stride, stride] and said["html"].count("<dt>") == 3


def test_a_detection_is_told_down_to_its_crop(model):
    scene = playground.example(0)
    trace = trace_detection(model, drawn(scene)[0])
    for k in range(2):
        said = playground.detection(scene=scene, k=k)
        rois = np.array([said["roi"]], np.float32)
        crops, _ = model.roi_heads.heads["box"].pool.forward(
            [level[None] for level in trace.pyramid], rois=rois, image_index=np.zeros(1, int)
        )
        strength = np.sqrt((crops[0] ** 2).mean(axis=2))
        np.testing.assert_allclose(array(said["crop"]), strength / strength.max(), rtol=1e-4)
        assert max(said["probabilities"]) == pytest.approx(trace.detections.scores[k])
        assert len(said["dots"]) == 14 * 14 and len(said["lines"]) == 2 * 8 and said["html"].count("<div") == 11
        steps = playground.why(scene=scene, k=k)["steps"]
        assert steps[0]["text"].startswith("right") and {"anchor", "RPN NMS", "mask"} <= {s["name"] for s in steps}


@pytest.mark.parametrize("named", [{}, {"digit": 7}])
def test_a_missed_digit_is_told_where_it_was_lost(model, named):
    scene = scene_of(stroked(40, 40, size=9, **named))
    [lost] = playground.overview(scene=scene)["missed"]
    image, target, _ = drawn(scene)
    label = named.get("digit", -1) + 1 or None
    fate = why_missed(trace_detection(model, image), target.boxes[0], label=label, mask=target.masks[0], min_score=0.5)
    assert lost["stage"] == fate.stage and lost["digit"] == 0
    told = playground.missed(scene=scene)
    [one] = told["missed"]
    assert (one["stage"], one["reason"]) == (fate.stage, fate.reason) and one["steps"]
    assert {name: count for name, _, count in one["funnel"]}.items() <= fate.counts.items()
    assert one["funnel"][-1][0] == fate.stage and f"Digit 1 was lost at “{fate.stage}”" in told["html"]
    assert html.escape(one["steps"][0]["text"]) in told["html"]
    assert html.escape(fate.reason) in playground.missed(scene=scene, most=0)["html"]


def test_of_an_empty_scene_everything_can_be_told():
    said = playground.overview(scene=scene_of(), min_score=0.95)
    assert said["words"] == "0 of 0 digits found." and said["detections"] == [] == said["missed"]
    assert "Nothing is found" in playground.why(scene=scene_of(), k=0, min_score=0.95)["html"]
    assert "<button" in playground.missed(scene=scene_of(), min_score=0.95)["html"]


def test_a_digit_that_nobody_named_is_what_it_is_found_as():
    drawing = stroked(
        40, 40, size=32, strokes=[[[0.3, -0.5], [-0.3, -0.3], [-0.3, 0.3], [0.3, 0.5], [0.4, 0], [0.3, -0.5]]]
    )
    [unnamed] = playground.overview(scene=scene_of(drawing))["detections"][:1]
    assert unnamed["verdict"] == "found" and unnamed["digit"] == 0
    other = (int(unnamed["name"]) + 1) % 10
    [named] = playground.overview(scene=scene_of(drawing | {"digit": other}))["detections"][:1]
    assert named["verdict"] == "wrong class"


# ---------------------------------------------------------------- what learns


def test_a_box_follows_the_slope_of_the_loss(model):
    scene = playground.example(0)
    image, target, _ = drawn(scene)
    pyramid = [level[None] for level in trace_detection(model, image).pyramid]
    mover, rng, off = Mover(model), np.random.default_rng(0), []
    for box, label in zip(np.repeat(target.boxes, 3, axis=0), np.repeat(target.labels, 3)):
        box = held(box + rng.uniform(-6, 6, 4), 128)
        gradient = mover.look(pyramid, box, label)[2]
        for edge in range(4):
            ends = [mover.look(pyramid, box + sign * 4e-3 * np.eye(4)[edge], label)[0] for sign in (1, -1)]
            off.append(abs((ends[0] - ends[1]) / 8e-3 - gradient[edge]) / max(abs(gradient).max(), 1e-2))
    assert np.median(off) < 0.02 and np.quantile(off, 0.8) < 0.1  # a few lie where a point goes on to another pixel


def test_a_box_beside_a_digit_is_pulled_onto_it():
    scene = playground.example(0)
    _, target, _ = drawn(scene)
    gained = []
    for box, label in zip(target.boxes, target.labels):
        start = (box + [7, -5, 9, -3]).tolist()
        walked = playground.move(scene=scene, box=start, digit=int(label) - 1, steps=60)
        iou = iou_matrix(np.array(walked["boxes"]), box[None].astype(np.float64))[:, 0]
        assert f"loss {walked['losses'][-1]:.3f}; IoU {iou[-1]:.2f}" in walked["words"]
        assert all(abs(x) <= 13 and abs(y) <= 13 and (x == 0) != (y == 0) for _, (x, y) in walked["pulls"])
        assert walked["iou"] == pytest.approx(iou[-1]) and walked["losses"][-1] < walked["losses"][0] / 4
        gained.append(iou[-1] - iou[0])
        again = playground.move(scene=scene, box=walked["boxes"][30], digit=int(label) - 1, steps=30)
        np.testing.assert_allclose(again["boxes"], walked["boxes"][30:], rtol=1e-9)  # from anywhere on, the same
    assert min(gained) > 0.1
    with pytest.raises(TinyMaskRCNNError, match="steps must be"):
        playground.move(scene=scene, box=[1, 2, 3, 4], digit=3, steps=10**9)


def test_a_training_goes_on_where_it_stood():
    one, two = Training(), Training()
    whole = one.go(3)
    parts = [two.go(1), two.go(2)]
    assert whole["losses"] == [*parts[0]["losses"], *parts[1]["losses"]] and whole["step"] == 3
    assert whole["curve"] == parts[1]["curve"] == pytest.approx([np.mean(whole["losses"][: i + 1]) for i in range(3)])
    assert whole["frame"] == parts[1]["frame"]
    first = playground.train(steps=0, begin=True)
    assert first["step"] == 0 and playground.train(steps=2)["losses"] == whole["losses"][:2]
    assert playground.train(steps=0, begin=True) == first
    short = Training(steps=2)
    assert len(short.go(5)["losses"]) == 2 and set(short.judge()) == {"right", "digits", "wrong"}


@pytest.mark.long
def test_the_small_detector_learns():
    training = Training()
    training.go(10**6)
    judged = training.judge()
    assert judged["right"] >= 0.8 * judged["digits"]


# ---------------------------------------------------------------- between Python and the page


def link_of(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_link_holds_a_scene_and_what_it_leaves_out_is_filled_in(model):
    given = {"scene": {"digits": [{"x": 90, "y": 60, "size": 40, "sample": 3}]}, "settings": {"rpn.nms_iou": 0.4}}
    said = playground.linked(link=link_of(given | {"least": 0.3}))
    assert said["scene"] == scene_of({"x": 90, "y": 60, "size": 40, "angle": 0, "sample": 3})
    assert said["settings"]["rpn.nms_iou"] == 0.4 and said["min_score"] == 0.3
    config, usual = model.config, playground.recorded()["settings"]
    assert said["settings"].keys() == usual.keys()
    assert usual["rpn.nms_iou"] == config.rpn.nms_iou and usual["rpn.post_nms_top_n"] == config.rpn.post_nms_top_n[1]
    assert usual["roi.mask_threshold"] == config.roi.mask_threshold


def test_a_link_without_a_scene_is_refused_in_one_sentence():
    texts = ["e30", "%%", "", "ä", link_of([]), link_of({"scene": 5}), link_of({"scene": {"digits": [5]}})]
    texts += [link_of({"scene": damaged}) for damaged in damages() if isinstance(damaged, dict) and damaged]
    texts += [link_of({"scene": scene_of(), "least": value}) for value in (None, "half", [], float("nan"), True)]
    texts += [link_of({"scene": scene_of(), "settings": s}) for s in (5, {"rpn.nms_iou": "half"}, {"rpn.other": 1})]
    refused = 0
    for text in texts:
        try:
            drawn(playground.linked(link=text)["scene"])
        except DataError as error:
            refused += 1
            assert str(error).startswith("This link holds no scene that can be read") and len(str(error)) <= 500
    assert refused > 80


PROGRAM = ("playground", "draw", "sketch", "learning", "worker")


def test_the_program_of_the_page_stays_small():
    """600 lines of code at most, none of them long: what is computed or worded, Python does."""
    pages = [(LIVE / "pages" / f"{name}.js").read_text(encoding="utf-8").splitlines() for name in PROGRAM]
    lines = [line for page in pages for line in page if line.strip() and not line.strip().startswith("//")]
    assert len(lines) <= 600
    assert max(map(len, lines)) <= 160


def test_arrays_travel_as_text():
    rng = np.random.default_rng(0)
    for value in (rng.random((3, 4)), rng.random(5) < 0.5, rng.integers(-9, 9, (2, 1)), np.zeros((0, 4), np.float32)):
        told = json.loads(json.dumps(plain({"a": [value]})))["a"][0]
        np.testing.assert_array_equal(array(told), value.astype(np.float32) if value.dtype.kind == "f" else value)
    assert plain({"a": (np.float32(0.5), None, "b")}) == {"a": [0.5, None, "b"]}


def test_what_is_recorded_is_what_is_said():
    recorded = json.loads(json.dumps(playground.recorded()))
    scene = recorded["scene"]
    assert recorded["overview"] == json.loads(json.dumps(playground.overview(scene=scene)))
    assert recorded["cell"] == playground.cell(scene=scene, **recorded["at"])
    labels = digits.load().labels
    assert all((labels[numbers] == digit).all() for digit, numbers in enumerate(recorded["samples"]))
    moved = copy.deepcopy(scene)
    moved["digits"][0]["x"] += 9
    assert playground.overview(scene=moved)["digits"] != recorded["overview"]["digits"]


def test_page_and_python_agree_on_pen_and_size():
    page = (LIVE / "pages" / "sketch.js").read_text(encoding="utf-8")
    python = (LIVE / "python" / "tab" / "playground" / "sketch.py").read_text(encoding="utf-8")
    of_page, of_python = (dict(re.findall(r"(\w+) = ([\d.]+)", text)) for text in (page, python))
    assert all(of_page[name] == of_python[name] for name in ("SIDE", "PEN"))
    assert of_page["MOST"] == re.search(r"MOST_DIGITS, .* = (\d+),", python)[1]
