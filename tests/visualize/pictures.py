"""A picture of every kind that the package draws, of small things that are always the same."""

import functools

import numpy as np
from coco_cases import draw_image
from explain.test_error_analysis import analysed
from golden import MATRIX
from tiny_model import tiny_model
from visualize.test_dark_pages import FOUND, TRUTH, evaluation
from visualize.test_graph import EDGES, FULL, ORDERS, PLACES
from visualize.test_pool_windows import X
from visualize.test_visualize_anchors import LEVEL, REPORT
from visualize.test_visualize_curves import rows_of
from visualize.test_visualize_detections import IMAGE, NAMES, found_of, truth_of
from visualize.test_visualize_film import TRUTH as SCENE
from visualize.test_visualize_nms import CHAIN, FALLING
from visualize.test_visualize_profile import inference, training
from visualize.test_visualize_recall import RECALL

from tinymaskrcnn import visualize as v
from tinymaskrcnn.explain import GradientFlow, LossGradients, check_maps, score_maps
from tinymaskrcnn.explain.explanation import explain
from tinymaskrcnn.explain.fate import why_missed
from tinymaskrcnn.explain.gradient_flow import FlowShot
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.visualize import style

MAP = MATRIX[0, :, :, 0]
SIGNED = np.array([[1.0, -2.5, 0], [0.25, 3, -1]])
GREY = np.linspace(0, 1, 24 * 32).reshape(24, 32, 1)
GREY_NOISE = np.random.default_rng(1).random((50, 64, 1)).astype(np.float32)
WIDE = np.linspace(0, 1, 5 * 7).reshape(5, 7)
LAYOUT = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0)}
STACK = [(3, 2, 1), (3, 1, 1), (3, 2, 1)]
ROI = (0.4, 2.7, 6.9, 7.5)


@functools.cache
def error_report():
    rng = np.random.default_rng(1)
    return analysed([draw_image(rng, 4) for _ in range(6)])


@functools.cache
def trace():
    """Of a model with random weights, which finds something everywhere, and a picture that is wider than high."""
    image = np.random.default_rng(1).random((50, 64, 1)).astype(np.float32)
    return trace_detection(tiny_model(seed=3).eval(), image)


def checked_maps():
    """Maps and what their checks say, of a network in float64: they are divided by changes as small as rounding."""
    model = tiny_model(seed=3).eval()
    found = trace_detection(model, trace().image)
    model.astype(np.float64)
    maps = score_maps(found, 2)
    return maps, check_maps(maps)


@functools.cache
def fates():
    found = trace().detections
    settings = [{}, {"min_score": 0.999}, {"min_iou": 0.95}]
    return [why_missed(trace(), found.boxes[k], label=found.labels[k], **s) for k, s in enumerate(settings)]


def features(*shape):
    return np.cos(np.arange(np.prod(shape))).reshape(shape) * np.linspace(0.5, 2, shape[-1])


def sent(times):
    levels = [times * features(1, 6 >> k, 8 >> k, 2) for k in range(2)]
    return LossGradients(0.25, times * features(1, *GREY.shape), levels)


def film(**options):
    made = v.TrainingFilm(IMAGE, SCENE, NAMES, best=5, min_score=0.3, **options)
    model = tiny_model(seed=3)
    for step in range(1, 21):
        made.note({"step": step, "loss": 9.0, "box_class": 1.1 / step, "mask": 0.7, "rpn_box": 0.1 * (step % 3)})
    return made.shoot(model, 20)


def flow():
    """Two looks at gradients, of losses that meet everywhere and one that does not reach the RPN."""
    made, rng = GradientFlow(), np.random.default_rng(0)
    for step in (0, 100):
        norms = {stage: {"all": float(rng.uniform(1, 9))} for stage in ("stem", "stage 1", "pyramid", "RPN")}
        each = rng.normal(size=(3, 3, 9))
        each[2, 2] = 0
        products = {place: g @ g.T for place, g in zip(("backbone", "pyramid", "RPN"), each)}
        made.shots.append(FlowShot(step, {"box_class": 1.0, "box_delta": 0.2, "mask": 0.7}, norms, products))
    return made


def sparse():
    settings = dict(image_index=np.array([0]), feature_shape=(1, 8, 8), output_size=2, scale=1.0)
    return roi_align.interpolation_matrix(np.array([ROI]), **settings)


def on_image(draw, *args, **options):
    return draw(*args, ax=v.draw_image(GREY), **options)


def graph_words():
    values, gradients = ({node: FULL[name][node] for node in order} for name, order in ORDERS.items())
    return dict(values=values, gradients=gradients, notes=FULL["notes"], captions=[str(k) for k in range(9)])


BROKEN = [
    {"image": IMAGE, "size": IMAGE.shape[:2], "box": (20, 10, 20, 30), "marks": np.array([[5.0, 6]])}
    | {"outlines": [np.array([[3, 3], [90, 9], [9, 30]])], "others": [(2, 2, 9, 9)]}
    | {"where": "annotation 3, a.png", "what": "is empty"},
    {"image": None, "size": (20, 30), "box": None, "outlines": [], "marks": np.zeros((0, 2)), "others": []}
    | {"where": "picture 7, gone.png", "what": "there is no such picture, and nobody knows where it might be " * 4},
]
PICTURES = {
    "draw_anchor_grid": lambda: v.draw_anchor_grid(IMAGE, LEVEL, 8, cell=(1, 5), title="P3"),
    "draw_anchor_grid, with room": lambda: v.draw_anchor_grid(IMAGE, LEVEL, 8, margin=16),
    "draw_anchor_labels": lambda: v.draw_anchor_labels(
        IMAGE, LEVEL, np.resize([-1, 1, 0, -1], len(LEVEL)), objects=LEVEL[5:6], limits={-1: 3}, title="labels"
    ),
    "draw_deltas": lambda: v.draw_deltas(LEVEL[40], LEVEL[40] + np.array([4, -3, 9, 5])),
    "draw_label_bands": lambda: v.draw_label_bands(
        np.linspace(0, 1, 50) ** 2, positive_iou=0.7, negative_iou=0.3, title="Bands"
    ),
    "broken_figure": lambda: v.broken_figure(BROKEN, left=3),
    "coverage_figure": lambda: v.coverage_figure(REPORT),
    "recall_figure": lambda: v.recall_figure(RECALL, IMAGE, TRUTH, FOUND.boxes),
    "recall_figure, curves alone": lambda: v.recall_figure(RECALL),
    "draw_best": lambda: v.draw_best(GREY, TRUTH, FOUND.boxes[:1]),
    "draw_array": lambda: v.draw_array(SIGNED, title="array", cmap="viridis", highlight=[(0, 1, 2, 3, style.RED)]),
    "draw_gradient": lambda: v.draw_gradient(SIGNED, title="signs", vmax=2),
    "arrays_figure": lambda: v.arrays_figure(
        {"x": SIGNED, "w": np.ones((3, 1)), "y": SIGNED[:, :1]},
        signs=["@", "="],
        looks={"w": {"fmt": "{:.1f}"}},
        title="t",
    ),
    "bars_figure": lambda: v.bars_figure(
        {"stem": 1.5e6, "a long name": 2e5}, title="kept", label="bytes", fmt="{:,.0f}"
    ),
    "bars_figure, series": lambda: v.bars_figure(
        {"one": {"a": 1.0, "b": 0.1}, "two": {"a": 3.0, "b": 0.0}}, title="norms", label="norm", log=True
    ),
    "draw_boxes": lambda: on_image(
        v.draw_boxes, [[2, 3, 12, 9], [8, 4, 20, 20]], labels=["a", "b 0.9"], colors=[style.RED, style.BLUE]
    ),
    "chain_figure": lambda: v.chain_figure(explain(tiny_model(seed=3).eval(), GREY_NOISE), 1),
    "confusion_figure": lambda: v.confusion_figure(np.diag([0, 4, 2, 12]) + np.eye(4, k=1, dtype=int), NAMES),
    "draw_confusion": lambda: v.draw_confusion(np.diag([0, 4, 2, 1]) + np.eye(4, k=-1, dtype=int)),
    "convolution_figure": lambda: v.convolution_figure(
        WIDE, np.ones((3, 2)), position=(1, 2), stride=2, padding=1, title="conv"
    ),
    "draw_kernel": lambda: v.draw_kernel(SIGNED, title="kernel"),
    "draw_kernel, a bank": lambda: v.draw_kernel(features(3, 3, 2, 3)),
    "draw_kernel, wrapped": lambda: v.draw_kernel(features(3, 2, 1, 5), columns=3, title="bank"),
    "draw_reads": lambda: v.draw_reads((6, 5), **LAYOUT, title="reads"),
    "draw_window": lambda: v.draw_window(WIDE, 1, 3, **LAYOUT, dilation=2, title="window"),
    "draw_windows": lambda: v.draw_windows(9, kernel=3, stride=2, padding=1, dilation=2, title="windows"),
    "curves_figure": lambda: v.curves_figure(rows_of(60)),
    "curves_figure, one step": lambda: v.curves_figure([{"step": 3, "loss_mask": 1.5, "seconds": 0.1}]),
    "precision_recall_figure": lambda: v.precision_recall_figure(evaluation(), NAMES),
    "draw_precision_recall": lambda: v.draw_precision_recall(evaluation()),
    "draw_truth": lambda: v.draw_truth(IMAGE, TRUTH, NAMES, title="truth"),
    "draw_detections": lambda: v.draw_detections(IMAGE, FOUND, NAMES, min_score=0.75),
    "draw_judged": lambda: v.draw_judged(IMAGE, TRUTH, FOUND, NAMES),
    "detections_figure": lambda: v.detections_figure([IMAGE], [TRUTH], [FOUND], NAMES),
    "detections_figure, of three": lambda: v.detections_figure([IMAGE, GREY, IMAGE], None, [FOUND] * 3, NAMES),
    "detections_figure, of nothing": lambda: v.detections_figure([IMAGE], [truth_of()], [found_of()], NAMES),
    "errors_figure": lambda: v.errors_figure(error_report(), {n: IMAGE for n in range(6)}, examples=2),
    "fate_steps": lambda: v.fate_steps(trace(), fates()[2], trace().detections.boxes[2], title="lost"),
    "fate_figure": lambda: v.fate_figure(fates(), ["found", "hidden", "strict"]),
    "draw_feature_map": lambda: v.draw_feature_map(features(6, 8, 3), title="strength", extent=(0, 32, 24, 0)),
    "draw_feature_map, a channel": lambda: v.draw_feature_map(features(6, 8, 3), channel=1, cmap="PuOr"),
    "feature_maps_figure": lambda: v.feature_maps_figure(features(6, 8, 9), title="layer 1"),
    "feature_maps_figure, chosen": lambda: v.feature_maps_figure(
        features(6, 8, 9), channels=[4, 0, 2, 1, 8], columns=3
    ),
    "pyramid_figure": lambda: v.pyramid_figure(
        [features(16 >> k, 24 >> k, 2) for k in range(3)], np.zeros((64, 96, 1))
    ),
    "pyramid_figure, of five": lambda: v.pyramid_figure([features(32 >> k, 32 >> k, 2) for k in range(5)], lowest=3),
    "draw_pyramid": lambda: v.draw_pyramid([features(1, 16 >> k, 24 >> k, 2) for k in range(3)]),
    "TrainingFilm": lambda: film().steps(),
    "gradient_flow_figure": lambda: v.gradient_flow_figure(flow()),
    "TrainingFilm, with anchors": lambda: film(anchors=True).steps(),
    "gradients_figure": lambda: v.gradients_figure(
        {"box_class": sent(1.0), "mask": sent(-0.5)}, GREY, boxes=[[2, 3, 12, 9]], title="back"
    ),
    "score_maps_figure": lambda: v.score_maps_figure(score_maps(trace(), 0)),
    "score_maps_figure, checked": lambda: v.score_maps_figure(*checked_maps()),
    "draw_graph": lambda: v.draw_graph(PLACES, EDGES, **FULL),
    "graph_steps": lambda: v.graph_steps(PLACES, EDGES, **graph_words(), title="back"),
    "draw_im2col": lambda: v.draw_im2col(X, kernel=2, stride=2, highlight=1),
    "im2col_figure": lambda: v.im2col_figure(X, kernel=(2, 3), padding=(1, 0), highlight=2, title="columns"),
    "draw_image": lambda: v.draw_image(np.repeat(GREY, 3, axis=2), title="picture"),
    "draw_image, large": lambda: v.draw_image(np.tile(GREY, (40, 90, 1))),
    "draw_iou": lambda: v.draw_iou([0, 0, 20, 30], [10, 12, 40, 33]),
    "draw_iou, apart, on a picture": lambda: v.draw_iou([2, 2, 9, 9], [12, 12, 30, 20], image=GREY),
    "iou_steps": lambda: v.iou_steps(
        [0, 0, 20, 30], [[5 * k - 20, k, 5 * k, 20 + k] for k in range(9)], frames=3, title="along"
    ),
    "draw_lines": lambda: v.draw_lines(
        {"a": ([1, 10, 100], [3, 2, 4]), "b": [1, 5, 2]}, title="t", xlabel="x", ylabel="y", log="x", markers=True
    ),
    "draw_lines, smooth": lambda: v.draw_lines({"a": features(30, 1).ravel()}, smooth=5),
    "draw_bars": lambda: v.draw_bars({"a": [1, 2, 3], "b": [2, 1, 4]}, names=["x", "y", "z"], title="t", ylabel="norm"),
    "draw_bars, of many": lambda: v.draw_bars({"a": np.arange(1, 21)}, log=True),
    "draw_histogram": lambda: v.draw_histogram({"a": features(50, 1), "b": features(20, 2)}, bins=6, limits=(-2, 2)),
    "mark_x": lambda: v.mark_x(v.draw_lines({"a": [1, 2, 3]}), 1, "here"),
    "draw_masks": lambda: on_image(
        v.draw_masks, np.eye(24, 32)[None] + np.zeros((2, 1, 1)), colors=[style.RED, style.BLUE]
    ),
    "draw_nms_state": lambda: v.draw_nms_state(
        IMAGE, v.nms_states(CHAIN * 3, FALLING, 0.5, group=[0, 0, 1])[1], title="now"
    ),
    "nms_steps": lambda: v.nms_steps(IMAGE, CHAIN * 3, FALLING, 0.5, title="NMS"),
    "pool_steps": lambda: v.pool_steps(X, kernel=3, stride=1, title="max"),
    "pool_steps, average": lambda: v.pool_steps(X, kernel=2, kind="average"),
    "pool_gradient_steps": lambda: v.pool_gradient_steps(X, [[4.0, 8], [-2, 1]], kernel=3, stride=1, title="back"),
    "pool_gradient_steps, average": lambda: v.pool_gradient_steps(X, [[4.0, 8], [0, 0]], kernel=2, kind="average"),
    "draw_pooling_grid": lambda: v.draw_pooling_grid(MAP, ROI, output_size=2, highlight=(0, 1), title="align"),
    "draw_pooling_grid, near": lambda: v.draw_pooling_grid(
        MAP, (9.0, 10, 22, 25), output_size=(2, 3), samples=1, aligned=False, scale=0.25, around=1, highlight=(1, 1, 0)
    ),
    "draw_pooling_grid, on a picture": lambda: v.draw_pooling_grid(
        MAP, (9.0, 10, 22, 25), output_size=2, scale=0.25, image=np.resize(GREY, (32, 32, 1)), window=(4, 4, 28, 28)
    ),
    "draw_pooling_grid, pool": lambda: v.draw_pooling_grid(MAP, (0, 3, 6, 7), output_size=2, kind="pool"),
    "draw_pooling_grid, warp": lambda: v.draw_pooling_grid(MAP, ROI, output_size=1, kind="warp", points=False),
    "draw_pooling_grid, bare": lambda: v.draw_pooling_grid(
        features(14, 15), ROI, output_size=1, bins=False, legend=False
    ),
    "draw_interpolation_matrix": lambda: v.draw_interpolation_matrix(sparse(), (8, 8), row=0, title="A"),
    "draw_matrix_row": lambda: v.draw_matrix_row(sparse(), (8, 8), row=2, title="row"),
    "interpolation_matrix_figure": lambda: v.interpolation_matrix_figure(sparse(), MAP, row=1),
    "roi_operators_figure": lambda: v.roi_operators_figure(MAP, ROI, bin=(0, 1)),
    "roi_align_steps": lambda: v.roi_align_steps(MAP, ROI, output_size=(1, 2)),
    "profile_figure": lambda: v.profile_figure(training()),
    "profile_figure, of detection": lambda: v.profile_figure(inference()),
    "draw_receptive_field": lambda: v.draw_receptive_field(GREY, STACK, at=(12, 20), show=[0, 2], names=["a", "b"]),
    "draw_receptive_field, at a corner": lambda: v.draw_receptive_field(GREY, STACK, at=(0, 0), title="corner"),
    "class_scores_figure": lambda: v.class_scores_figure(trace()),
    "draw_level_boxes": lambda: v.draw_level_boxes(GREY, CHAIN, [2, 3, 3], scores=[0.9, 0.2, 0.6], title="levels"),
    "draw_objectness": lambda: v.draw_objectness(trace(), 4),
    "objectness_figure": lambda: v.objectness_figure(trace()),
    "proposals_figure": lambda: v.proposals_figure(trace()),
    "roi_grids_figure": lambda: v.roi_grids_figure(trace(), [2, 5]),
    "masks_figure": lambda: v.masks_figure(trace()),
    "filmstrip": lambda: v.Steps(
        [style.message_figure(word) for word in "abc"], ["first", "second", "and a third"], title="strip"
    ).filmstrip(columns=2, width=7.0),
    "message": lambda: style.message_figure("nothing to see"),
}
