# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04. Boxes, IoU and non-maximum suppression
#
# A detector talks in boxes. This lesson is about the four things it does with them: measure them, compare two of them
# (IoU), move one onto another (deltas), and throw away those that say the same thing twice (NMS). Nothing here is
# learned, and no gradient flows through it; but every number that a detector learns from, and every score you will
# ever read about one, passes through these few lines.
#
# You need: NumPy, and a little of lesson 01 for the question why a ReLU can hide a bug. About 60 minutes.

# %%
import inspect
import tempfile

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import load_bank, make_scene
from tinymaskrcnn.explain import trace_detection
from tinymaskrcnn.ops import boxes, naive, nms
from tinymaskrcnn.visualize import (
    draw_boxes,
    draw_deltas,
    draw_image,
    draw_iou,
    draw_nms_state,
    iou_steps,
    nms_states,
    nms_steps,
    style,
    touch,
)
from tinymaskrcnn.visualize.boxes import write_labels
from tinymaskrcnn.visualize.legends import legend_below, line_handle, picture_axes
from tinymaskrcnn.zoo import load_tour_detector

rng = np.random.default_rng(0)

# %% [markdown]
# The scene of this lesson: handwritten digits on black paper, made by the package from a seed and a number. The boxes
# come with it: they are the truth.

# %%
bank = load_bank("digits")
image, target = make_scene(4, SceneConfig(noise=0.0), bank=bank, split="train", seed=0)
ax = draw_image(image, title="A scene and its true boxes")
draw_boxes(target.boxes, ax=ax, labels=[str(label - 1) for label in target.labels])
ax.figure

# %% [markdown]
# ## 1. A box is four numbers
#
# We write a box as its corners `x1, y1, x2, y2`: left, top, right, bottom. `x` runs to the right and `y` runs **down**,
# as rows of an image do. Here are the five boxes of the scene, one per row.

# %%
print(target.boxes)

# %% [markdown]
# The coordinates are **continuous**. A pixel is not a point, it is a small square: the pixel in column 0 reaches from
# 0 to 1, and a box around exactly that pixel is `0, 0, 1, 1`. Look at the grid below: the box `1, 0, 3, 2` covers the
# columns 1 and 2 and the rows 0 and 1, and it ends *on the line* where column 3 begins.

# %%
tiny = np.zeros((4, 5), np.float32)
tiny[0:2, 1:3] = 0.7
ax = draw_image(tiny, ax=style.new_figure(4.2, 3.6).subplots(), title="Box 1, 0, 3, 2")
draw_boxes([[1, 0, 3, 2]], ax=ax, colors=style.ORANGE, linewidth=3)
ax.set_xticks(range(6))
ax.set_yticks(range(5))
ax.grid(color=style.GREY, linewidth=0.5)
ax.figure

# %% [markdown]
# With this convention a box is a slice of the array, `image[y1:y2, x1:x2]`, and its size needs no corrections:
#
# $$ w = x_2 - x_1, \qquad h = y_2 - y_1, \qquad \text{area} = w \cdot h. $$

# %%
print("sides of the boxes:", (target.boxes[:, 2:] - target.boxes[:, :2]).tolist())
print("areas:             ", boxes.area(target.boxes).tolist())

# %% [markdown]
# Some formulas are shorter with the centre and the size. `to_center` and `from_center` go back and forth, and they are
# the only place in the package that does so.

# %%
centered = boxes.to_center(target.boxes)
print("cx, cy, w, h of the first box:", centered[0])
np.testing.assert_allclose(boxes.from_center(centered), target.boxes, rtol=1e-6)

# %% [markdown]
# ## 2. Intersection over union
#
# How well do two boxes agree? We want one number: 1 when they are the same, 0 when they have nothing in common, and the
# same number when we look at the picture through a magnifying glass. The usual answer is
#
# $$ \operatorname{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}, $$
#
# the area that both share, divided by the area that they cover together.

# %%
draw_iou([0, 0, 20, 30], [10, 10, 40, 30]).figure

# %% [markdown]
# Here are two boxes for your own hands. Drag them or their corners; with the keyboard, Tab to a box, arrow keys move it
# and Shift and arrow keys stretch it.
#
# **Predict.** Put the smaller box inside the other one. What does moving it around in there do to the IoU? And what is
# the IoU of a box without any height?

# %%
touch.iou(image=image)

# %% [markdown]
# Nothing: as long as one box contains the other, the union is the larger one, and the IoU is the smaller area over the
# larger, wherever it lies. A box without height shares nothing with anybody, not even with itself.

# %% [markdown]
# ### On paper
#
# Two boxes overlap where they overlap along $x$ **and** along $y$. Along one axis, two intervals $[a_1, a_2]$ and
# $[b_1, b_2]$ share the piece from the later start to the earlier end. If that end comes before that start, they share
# nothing:
#
# $$ \text{overlap} = \max\bigl(0,\ \min(a_2, b_2) - \max(a_1, b_1)\bigr). $$
#
# The intersection is the product of the two overlaps. The union needs no geometry at all. Adding the two areas counts
# the shared part twice, so we take it away once:
#
# $$ |A \cup B| = |A| + |B| - |A \cap B|. $$
#
# That is the whole definition. In plain Python:

# %%
print(inspect.getsource(naive.iou))

# %% [markdown]
# **Predict.** Two squares of the same size, one shifted sideways by *half* its width. Half of each square is covered by
# the other. Is the IoU one half?

# %%
naive.iou([0, 0, 20, 20], [10, 0, 30, 20])

# %% [markdown]
# One third. They share half a square, and together they cover one and a half: $0.5 / 1.5$. The union punishes what
# sticks out on **both** sides. In general, for a shift of $s$ widths, $\operatorname{IoU} = (1 - s)/(1 + s)$.
#
# Now drag a box across a digit of our scene. Step through the frames with the slider or the arrow keys; the dot on the
# curve is the frame you look at.

# %%
digit = target.boxes[3].astype(np.float64)
shifts = np.linspace(-24, 24, 49)
dragged = digit + shifts[:, None] * [1, 0, 1, 0]
look = dict(label="shift in pixels", image=image, frames=range(15, 49, 3))
iou_steps(digit, dragged, values=shifts, title="Dragging", **look)

# %% [markdown]
# The curve has a sharp tip: near the truth, every pixel of error costs the most. And it is exactly 0 as soon as the
# boxes are apart, whether by one pixel or by a hundred. IoU says nothing about *how far* a miss was; keep that in mind
# when you read a table of results.
#
# **Predict.** Now the box moves diagonally, by one tenth of its width and one tenth of its height. Does it still have
# an IoU of 0.7 with the digit? (In lesson 05, 0.7 will be the bar for "this box shows an object".)

# %%
width, height = digit[2:] - digit[:2]
shares = np.linspace(-0.8, 0.8, 33)  # row 18 is 0.1
diagonal = digit + shares[:, None] * [width, height, width, height]
print(f"one tenth along both axes: {naive.iou(digit, diagonal[18]):.3f}")
frames = [4, 7, 10, 12, 14, 15, 16, 17, 18, 20, 24, 32]
look = dict(label="shift in box sizes", image=image, frames=frames)
iou_steps(digit, diagonal, values=shares, title="Diagonally", **look)

# %% [markdown]
# No: $0.9^2 / (2 - 0.9^2) = 0.68$. For this digit of 17 x 28 pixels that is a shift of two and three pixels.
# IoU 0.7 is a high bar for small objects, and 0.5 is a good detection, not a sloppy one.
#
# Growing is gentler: one tenth more along both axes costs about half as much as a shift by one tenth. A box with the
# same centre and $g$ times the sides has IoU $1/g^2$ (or $g^2$, when it is the smaller one), and $1/1.1^2 = 0.83$.

# %%
growth = 2 ** np.linspace(-1.25, 1.25, 21)  # row 2 is 1/2, row 18 is 2
factors = np.stack([np.ones(21), np.ones(21), growth, growth], axis=1)
grown = boxes.from_center(boxes.to_center(digit) * factors)
frames = [2, 4, 6, 7, 8, 10, 12, 13, 14, 15, 16, 18]
look = dict(label="log of the growth", image=image, frames=frames)
iou_steps(digit, grown, values=np.log(growth), title="Growing", **look)

# %% [markdown]
# The curve is symmetric because we plotted it over the **logarithm** of the growth: twice as large (the last frame) is
# as wrong as half as large (the first), 0.25 both times. Remember this picture, it comes back in section 4.
#
# ### All pairs at once
#
# A detector compares thousands of boxes with all objects of an image. `iou_matrix` does it without a loop: the boxes of
# one set run along the rows, `(K, 1)`, those of the other along the columns, `(1, M)`, and NumPy fills the table
# `(K, M)`. It must say the same as the definition.

# %%
jitter = rng.normal(0, 0.3, (40, 4)).astype(np.float32)
# section 4 says how
candidates = boxes.decode(jitter, np.repeat(target.boxes, 8, axis=0))
table = boxes.iou_matrix(candidates, target.boxes)
for k, m in np.ndindex(table.shape):
    np.testing.assert_allclose(
        table[k, m], naive.iou(candidates[k], target.boxes[m]), atol=1e-6
    )
print(
    "table:", table.shape, "- the best object of candidates 0 to 7:",
    table[:8].argmax(axis=1),
)

# %% [markdown]
# What is kept for a backward pass? Nothing, 0 bytes: there is none. IoU decides *who learns what*, and decisions have
# no gradient (rule 7 of the protocol). The formula itself could be differentiated, and some detectors do use $1 -
# \operatorname{IoU}$ as a loss. Look at the curve of *Dragging* once more and you see their trouble: where the boxes
# are apart it is flat, so nobody learns which way to go. (Repairs such as GIoU add a term for the distance.)
#
# What it costs is the table itself: 4 bytes per pair. A photograph of 800 x 1088 pixels has about 217,000 anchors
# (lesson 05); with 20 objects that is a table of 17 MB, made in every training step.
#
# ## 3. Properties, tested
#
# We said what IoU should be: symmetric, between 0 and 1, blind to where the picture begins and to how large its pixels
# are. We can *test* that, and not on three examples that we made up. **hypothesis** draws hundreds of cases, and when
# one fails, it looks for the smallest case that still fails.
#
# First we say what a box is: whole numbers, so that the arithmetic is exact. (The first line only keeps hypothesis'
# notes out of your folder.)

# %%
scratch = tempfile.TemporaryDirectory()
set_hypothesis_home_dir(scratch.name)
place, side = st.integers(-20, 20), st.integers(1, 20)
sizes = st.tuples(place, place, side, side)
box = sizes.map(lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]], np.float64))
phases = [Phase.generate, Phase.shrink]
often = settings(
    max_examples=200, deadline=None, database=None, derandomize=True, phases=phases
)


def overlap(a, b):
    return boxes.iou_matrix(a[None], b[None])[0, 0]


# %% [markdown]
# Then the properties. A test is a function with an `assert` in it; `@given` calls it with two drawn boxes, 200 times.


# %%
@often
@given(box, box)
def test_symmetry_and_range(a, b):
    assert overlap(a, b) == overlap(b, a)
    assert 0 <= overlap(a, b) <= 1
    assert overlap(a, a) == 1


test_symmetry_and_range()


# %%
@often
@given(box, box, place, st.sampled_from([0.125, 0.5, 2.0, 16.0]))
def test_blind_to_shift_and_scale(a, b, shift, scale):
    assert overlap(a + shift, b + shift) == overlap(a, b)
    np.testing.assert_allclose(overlap(a * scale, b * scale), overlap(a, b), rtol=1e-12)


test_blind_to_shift_and_scale()


# %%
@often
@given(box, box)
def test_it_is_what_the_loops_say(a, b):
    np.testing.assert_allclose(overlap(a, b), naive.iou(a, b), rtol=1e-12)


test_it_is_what_the_loops_say()

# %% [markdown]
# All pass. That is pleasant, but a test that cannot fail is worth nothing. So here is an IoU with the most common
# mistake of all. It lacks the `max(0, ...)`.


# %%
def wrong_iou(a, b):
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    intersection = width * height
    return intersection / (boxes.area(a) + boxes.area(b) - intersection)


print(
    "overlapping:", wrong_iou(np.array([0.0, 0, 20, 30]), np.array([10.0, 10, 40, 30]))
)
print(
    "apart:      ", wrong_iou(np.array([0.0, 0, 20, 30]), np.array([30.0, 0, 50, 30]))
)

# %% [markdown]
# The first value is right. The second one is wrong, but wrong in a harmless way: it is negative, so no threshold is
# ever passed, and a program with this bug may run for a long time.
#
# **Predict.** For which two boxes is the result not harmless at all? (What happens when **both** overlaps are
# negative?)

# %%
failures = []


@often
@given(box, box)
def test_apart_is_never_alike(a, b):
    with np.errstate(divide="ignore"):
        wrong = overlap(a, b) == 0 and wrong_iou(a, b) > 0.5
    failures.extend([(a, b)] if wrong else [])
    assert not wrong


# %% [markdown]
# When a test fails, hypothesis tries ever smaller cases. The last one that still failed is the smallest.

# %%
try:
    test_apart_is_never_alike()
except AssertionError:
    a, b = failures[-1]
    print(
        f"{len(failures)} failures, the smallest: {a.tolist()}, {b.tolist()}: "
        f"{wrong_iou(a, b)}"
    )

# %%
draw_iou(a, b).figure

# %% [markdown]
# Two boxes that lie diagonally apart: minus times minus is plus, and two unit squares that do not even touch get an IoU
# of 1. In NMS one of them would delete the other. No example with boxes side by side would have shown it;
# the property did, and it handed us a case that we can work out in our heads.
#
# ## 4. Deltas: how to say "a bit further right, and taller"
#
# The network does not predict corners. It looks at a fixed box, the **anchor**, and says how to change it. Four
# numbers, the **deltas**:
#
# $$ d_x = \frac{g_x - a_x}{a_w}, \qquad d_y = \frac{g_y - a_y}{a_h}, \qquad
#    d_w = \log\frac{g_w}{a_w}, \qquad d_h = \log\frac{g_h}{a_h}, $$
#
# where $g$ is the box we want, $a$ the anchor, and both are given by centre and size.

# %%
anchor, wanted = np.array([10.0, 10, 34, 34]), np.array([14.0, 6, 46, 54])
draw_deltas(anchor, wanted).figure

# %%
print(inspect.getsource(naive.encode))
np.testing.assert_allclose(boxes.encode(wanted, anchor), naive.encode(wanted, anchor))

# %% [markdown]
# **Why divide by the size of the anchor?** The network sees features, not pixels. A digit that sticks out to the right
# of its anchor looks the same whether the anchor is 20 or 96 pixels wide, so the right answer should be the same
# number. The readme of a project called "Mask scoring r cnn with TensorFlow 2.0" uses plain pixel offsets instead, and
# multiplies the size without a logarithm. Zoom into the picture, and see which answer stays:

# %%
for zoom in (1, 2, 4):
    cx, cy, w, h = boxes.to_center(anchor * zoom)
    gx, gy, gw, gh = boxes.to_center(wanted * zoom)
    pixels = [float(v) for v in (gx - cx, gy - cy, gw / w, gh / h)]
    deltas = boxes.encode(wanted * zoom, anchor * zoom)
    print(
        f"zoom {zoom}: pixels and factors {np.round(pixels, 2)}, "
        f"deltas {deltas.round(3)}"
    )

# %% [markdown]
# **Why the logarithm?** Three reasons.
#
# 1. A width must be positive. A network output may be any number, and $a_w e^{d_w}$ is positive for all of them. A
#    plain factor can come out as -0.3.
# 2. Twice as wide and half as wide become +0.69 and -0.69: equally far from "leave it". As factors they are 2 and 0.5,
#    at distances 1 and 0.5, and the loss would care twice as much about too large as about too small. The symmetric
#    curve of *Growing* above says that IoU does not see it that way.
# 3. The error that counts is relative. An error of 0.1 in $d_w$ is about 10 % of the width, whatever the width.
#
# ### And back
#
# Solve each equation for $g$ and you have `decode`:
#
# $$ g_x = a_x + d_x a_w, \qquad g_y = a_y + d_y a_h, \qquad g_w = a_w e^{d_w}, \qquad g_h = a_h e^{d_h}. $$
#
# The two must undo each other, both ways round.


# %%
@often
@given(box, box)
def test_decode_undoes_encode(anchor, wanted):
    np.testing.assert_allclose(
        boxes.decode(boxes.encode(wanted, anchor), anchor), wanted, atol=1e-9
    )


test_decode_undoes_encode()
deltas = rng.normal(0, 0.5, (100, 4))
many = np.tile(anchor, (100, 1))
np.testing.assert_allclose(
    boxes.encode(boxes.decode(deltas, many), many), deltas, atol=1e-12
)

# %% [markdown]
# ### How sensitive is the box?
#
# Take the derivatives on paper:
#
# $$ \frac{\partial g_x}{\partial d_x} = a_w, \qquad \frac{\partial g_w}{\partial d_w} = a_w e^{d_w} = g_w. $$
#
# A shift is counted in widths of the *anchor*, a growth in widths of the *result*. The anchor of the picture is 24
# wide, the box 32. Nudge each delta a little and see whether the box follows:

# %%
deltas, nudge = boxes.encode(wanted, anchor), 1e-6 * np.eye(4)
up, down = (
    boxes.to_center(boxes.decode(deltas + n, np.tile(anchor, (4, 1))))
    for n in (nudge, -nudge)
)
print(
    "d(gx)/d(dx), d(gy)/d(dy), d(gw)/d(dw), d(gh)/d(dh):",
    (np.diag(up - down) / 2e-6).round(4),
)

# %% [markdown]
# 24 and 24, the sides of the anchor; 32 and 48, the sides of the box. So at an anchor of 24 pixels, an error of 0.1 in
# $d_x$ means 2.4 pixels.
#
# **Predict.** Which error of 0.1 hurts the IoU more, one in $d_x$ or one in $d_w$?

# %%
errors = {
    "dx": [1, 0, 0, 0], "dw": [0, 0, 1, 0], "dx, dy": [1, 1, 0, 0], "all": [1, 1, 1, 1],
}
for name, error in errors.items():
    moved = boxes.decode(0.1 * np.array(error), anchor)
    print(f"an error of 0.1 in {name:7s} IoU {naive.iou(anchor, moved):.3f}")

# %% [markdown]
# The shift: it loses on one side *and* sticks out on the other. A change of the width only sticks out. But the last
# line is odd. Four errors are *less* bad than the first two of them alone? Drag all four at once:

# %%
values = np.linspace(-1, 1, 41)
moved = boxes.decode(values[:, None] * np.ones(4), np.tile(anchor, (41, 1)))
look = dict(label="dx = dy = dw = dh", frames=range(5, 41, 3))
iou_steps(anchor, moved, values=values, title="All four deltas at once", **look)

# %% [markdown]
# The curve is lopsided. To the right the box grows while it moves, and so it still covers most of the anchor that it
# leaves behind. To the left it shrinks while it moves, and is soon gone. Errors of different deltas can cancel in part,
# or add up; the loss of the network looks at each of the four alone and knows nothing of this.
#
# %% [markdown]
# ### A seat belt for the exponential
#
# At the start of training, outputs can be wild. What does the formula make of $d_w = 100$ in float32? And where is
# the centre of such a box?

# %%
with np.errstate(all="ignore"):
    half = np.float32(24) * np.exp(np.float32(100)) / 2
    left, right = 22 - half, 22 + half
    print(
        "without the seat belt: from", left, "to", right, "- the centre is at",
        (left + right) / 2,
    )
print(
    "with it:",
    boxes.decode(np.array([0, 0, 100, 100], np.float32), anchor.astype(np.float32)),
)

# %% [markdown]
# One NaN in one proposal is enough: the features that are cut out for it are NaN, and so is the loss. `decode`
# therefore holds $d_w$ and $d_h$ at $\log(1000/16) \approx 4.1$: no box grows more than 62.5 times. The number is the
# one of torchvision and Detectron. For every sensible delta it changes nothing.
#
# ### Why the second stage multiplies by ten
#
# A two-stage detector uses deltas twice: first from anchors to proposals, then from proposals to the final boxes. The
# second time the boxes are already good. Here are the proposals that the trained detector of lesson 00 makes of our
# scene. How far are those that lie on a digit from the truth?

# %%
trace = trace_detection(load_tour_detector(), image)
rois = trace.proposals.boxes
fit = boxes.iou_matrix(rois, target.boxes)
near, owner = fit.max(axis=1) >= 0.5, fit.argmax(axis=1)
for weights in ((1, 1, 1, 1), (10, 10, 5, 5)):
    left_over = boxes.encode(target.boxes[owner], rois, weights=weights)[near]
    print(
        f"{near.sum()} proposals, weights {weights}: "
        f"spread {left_over.std(axis=0).round(2)}"
    )

# %% [markdown]
# About 0.1 for the shifts and 0.2 for the growth. Errors so small make a small loss, and the box head would lose its
# say against the classifier. So its deltas are multiplied by 10, 10, 5, 5, and then all four spread around 1. That is
# where these four numbers come from, which you find in most implementations; `encode` takes them as `weights`.
#
# ## 5. Non-maximum suppression
#
# A detector answers at thousands of places, and around every object many of the answers are right. All of them are the
# same answer. We want one.
#
# Let us make such a crowd. Each digit gets seven proposals with jittered deltas, and a score that is higher for better
# ones, but not strictly: a score is an opinion, it does not know the IoU.

# %%
crowd = np.repeat(target.boxes, 7, axis=0)
proposals = boxes.decode(rng.normal(0, 0.12, crowd.shape).astype(np.float32), crowd)
fit = boxes.iou_matrix(proposals, target.boxes).max(axis=1)
scores = fit * rng.uniform(0.8, 1.0, len(fit)).astype(np.float32)
ax = draw_image(image, title=f"{len(proposals)} proposals for {len(target)} digits")
draw_boxes(proposals, ax=ax, linewidth=1.2).figure

# %% [markdown]
# The recipe is greedy, and it fits on a napkin:
#
# 1. Take the best-scored box that is left. Keep it.
# 2. Throw away every other box that overlaps it with an IoU **above** the threshold.
# 3. Repeat until nobody is left.
#
# The definition in loops says the same from the point of view of the one that is judged: go from the best score down,
# and keep a box if it overlaps no *kept* one too much.

# %%
print(inspect.getsource(naive.nms))

# %% [markdown]
# Step by step on our proposals. Solid orange is the box that has just been kept, dashed red are those it suppresses.
# Solid green were kept before, dotted grey were suppressed before, and blue are those that wait.

# %%
nms_steps(image, proposals, scores, 0.5, title="Non-maximum suppression at IoU 0.5")

# %% [markdown]
# The array version, the loops and the last picture must agree.

# %%
keep = nms.nms(proposals, scores, iou_threshold=0.5)
slow = naive.nms(proposals, scores, iou_threshold=0.5, group=np.zeros(len(scores)))
np.testing.assert_array_equal(keep, slow)
np.testing.assert_array_equal(keep, nms_states(proposals, scores, 0.5)[-1].kept)
print(f"{keep.sum()} of {len(keep)} boxes are kept, for {len(target)} digits")

# %% [markdown]
# Three too many. Look at the last three frames again: these boxes lie so badly that they share less than half with the
# winner of their digit, and so they survive. NMS removes *copies*, not *mistakes*. Their scores are the lowest of the
# eight, 0.55 and less; a threshold on the score is the detector's other broom.
#
# **Predict.** Three boxes in a row, scores 0.9, 0.8, 0.7. Neighbours overlap with IoU 0.54, the two ends with 0.25. The
# threshold is 0.5. Which stay?

# %%
chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)
nms.nms(chain, np.array([0.9, 0.8, 0.7], np.float32), iou_threshold=0.5)

# %% [markdown]
# The first and the third. The second is suppressed, and **who is suppressed suppresses nobody**. This is why the loop
# is hard to get rid of: whether box 3 stays depends on what became of box 2. An NMS that suppresses everything which
# overlaps *any* better box would have lost it.
#
# ### The threshold

# %%
for threshold in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
    kept = nms.nms(proposals, scores, iou_threshold=threshold)
    hit = (boxes.iou_matrix(target.boxes, proposals[kept]).max(axis=1) >= 0.5).sum()
    print(
        f"threshold {threshold}: {kept.sum():2d} boxes, "
        f"{hit} of {len(target)} digits have one"
    )

# %%
figure = style.new_figure(9.4, 3.4)
axes = [figure.add_axes((0.01 + 0.33 * k, 0.03, 0.31, 0.86)) for k in range(3)]
for ax, threshold in zip(axes, (0.0, 0.5, 0.9)):
    last = nms_states(proposals, scores, threshold)[-1]
    draw_image(image, ax=ax, title=f"threshold {threshold}: {last.kept.sum()} boxes")
    draw_boxes(proposals[last.kept], ax=ax, colors=style.GREEN, linewidth=1.4)
figure

# %% [markdown]
# A high threshold lets near-copies through. At 0 nothing may overlap at all, and one digit is gone: the boxes of the 2
# and the 7 share a corner. The package uses 0.7 for the proposals of the RPN, where too many are better than too few,
# and 0.5 for the final detections.
#
# ### A real crowd
#
# Our proposals were made up. Here are real ones from the trained detector: the boxes of its first stage, the region
# proposal network (RPN), of which it is more sure than not that something is there.
#
# **Predict.** Five digits. How many boxes will the RPN be sure of?

# %%
found = trace.candidates
crowd, certain = found.boxes[found.scores > 0.5], found.scores[found.scores > 0.5]
for threshold in (0.7, 0.5, 0.3):
    left = nms.nms(crowd, certain, iou_threshold=threshold).sum()
    print(f"{len(crowd)} boxes, {left} after NMS at {threshold}")

# %% [markdown]
# Move the threshold. The box that is marked says what became of it: who suppressed it, and with what IoU.

# %%
touch.nms(image, crowd, certain, threshold=0.7)

# %% [markdown]
# About forty boxes per digit: neighbouring cells and neighbouring anchors all see the same digit, and all of them were
# trained to say so. Without NMS the second stage would do everything forty times over.
#
# ### Groups: one NMS for all classes
#
# A 3 should not suppress a 9. NMS is therefore done per class, and for each image of a batch on its own. One call does
# it: `group` gives every box a number, and only boxes with the same number compete. (The RPN knows no classes. Its
# groups are the levels of the pyramid.) Here are two digits, one on top of the other.

# %%
look = dict(noise=0.0, color=True, image_size=96)
crowded = SceneConfig(
    digits_per_image=(2, 4), digit_size=(28, 40), max_overlap=0.85, **look
)
hidden, pair = make_scene(352, crowded, bank=bank, split="train", seed=0)
shared = boxes.iou_matrix(pair.boxes, pair.boxes)[1, 2]
print(f"digits {(pair.labels - 1).tolist()}; the last two have an IoU of {shared:.2f}")

# %% [markdown]
# Suppose the detector is perfect: it returns exactly the true boxes, with scores 0.97, 0.95, 0.93.
#
# **Predict.** What does NMS at 0.5 do to these perfect detections, without groups and with the class as the group?

# %%
perfect = np.array([0.97, 0.95, 0.93], np.float32)
figure = style.new_figure(8.4, 4.7)
axes = [figure.add_axes((0.02 + 0.5 * k, 0.17, 0.46, 0.74)) for k in range(2)]
for ax, group, name in zip(axes, (None, pair.labels), ("all together", "per class")):
    draw_nms_state(
        hidden, nms_states(pair.boxes, perfect, 0.5, group=group)[-1], ax=ax, title=name
    )
figure

# %% [markdown]
# All together, one true digit is deleted. Per class it survives. But nothing saves **two digits of the same class**
# that overlap this much: greedy NMS cannot tell "two objects" from "one object, found twice". It is a rule of thumb,
# and this is its price. Crowded scenes are why the threshold of a detector is a setting, and why there are soft
# versions of NMS that lower scores instead of deleting boxes.

# %%
same = np.zeros(3, int)  # as if both were of one class
for threshold in (0.5, 0.6, 0.7):
    print(threshold, nms.nms(pair.boxes, perfect, iou_threshold=threshold, group=same))

# %% [markdown]
# ### Ties, and what it costs
#
# Equal scores must not depend on luck: the earlier row goes first, always. A sort that is not *stable* may keep
# a different box on another machine, and your results change with the library.

# %%
twins = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
equal = np.ones(2, np.float32)
print(
    nms.nms(twins, equal, iou_threshold=0.5),
    nms.nms(twins[::-1], equal, iou_threshold=0.5),
)

# %% [markdown]
# And the cost: every box may have to be compared with every other one, so time grows with the square.

# %%
for count in (64, 512, 2000, 10_000):
    pairs, table = count * (count - 1) // 2, 4 * count**2 / 1e6
    print(f"{count:6d} boxes: {pairs:11,d} pairs, a table of {table:6.2f} MB")

# %% [markdown]
# This is why the RPN trims to the best few hundred *before* NMS (`pre_nms_top_n`), and why the package compares boxes
# block by block, so that memory grows with the number of boxes and not with its square.
#
# ## What can go wrong
#
# ### One pixel too many
#
# Old code measures a box as `x2 - x1 + 1`, because it thinks of the corners as the first and the last *pixel*. Mixed
# with continuous coordinates, every side is one unit too long.


# %%
def wrong_iou_plus_one(a, b):
    width, height = np.maximum(
        np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1, 0
    )
    area_a, area_b = np.prod(a[2:] - a[:2] + 1), np.prod(b[2:] - b[:2] + 1)
    return width * height / (area_a + area_b - width * height)


# %% [markdown]
# **Predict.** Two boxes with a true IoU of 1/3, at four zooms: 100 pixels large, 10 pixels, 4 pixels, and in normalised
# coordinates, where the whole image is 1. Where does the `+ 1` hurt?

# %%
a, b = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.5, 0.0, 1.5, 1.0])
for size in (100, 10, 4, 0.2):
    right, wrong = naive.iou(a * size, b * size), wrong_iou_plus_one(a * size, b * size)
    print(f"side {size:5}: right {right:.3f}, with + 1 {wrong:.3f}")

# %% [markdown]
# On photographs nobody notices. On small boxes the IoU is too large by up to a tenth, which is enough to give an anchor
# another label. In normalised coordinates *all* boxes look alike. The property "blind to scale" from section 3 catches
# it at once:


# %%
@often
@given(box, box)
def test_scale_of_the_wrong_one(a, b):
    np.testing.assert_allclose(
        wrong_iou_plus_one(2 * a, 2 * b), wrong_iou_plus_one(a, b), rtol=1e-9
    )


try:
    test_scale_of_the_wrong_one()
except AssertionError as error:
    print(error.__notes__[0])

# %% [markdown]
# Here it is hypothesis itself that tells us the smallest case: a unit square, and the same one twice as high. An IoU of
# 1/2 would be right; with the `+ 1` it is $4/6$, and at twice the size $9/15$.
#
# ### Find the bug: boxes that only move right
#
# This one is real. It stood in [a public detector of handwritten
# digits](https://github.com/gesina/simple_mask_rcnn) of 2018. The layer that predicts the deltas ended, like every
# other layer of the network, in a **ReLU**. Nothing crashes: such a network
# trains, its loss falls, boxes come out. What can it not say?
#
# A ReLU lets no negative number through:

# %%
shifts = [[6, 5, 6, 5], [-6, -5, -6, -5], [4, -4, 0, 0], [-3, -3, 3, 3], [5, 4, -3, -4]]
anchors = target.boxes + np.array(shifts, np.float32)
right = boxes.encode(target.boxes, anchors)
wrong_deltas = np.maximum(right, 0)  # what a ReLU makes of the perfect answer
print("wanted:", *right.round(2)[:3], sep="\n")
print("said:", *wrong_deltas.round(2)[:3], sep="\n")

# %%
said = boxes.decode(wrong_deltas, anchors)
dotted, dashed = (0, (1, 1.5)), (0, (4, 2))
looks = {
    "digit": (style.PURPLE, dotted), "said at best": (style.ORANGE, "-"),
    "anchor": (style.BLUE, dashed),
}
ax = draw_image(image, ax=picture_axes(), title="Perfect deltas behind a ReLU")
for some, (color, line) in zip((target.boxes, said, anchors), looks.values()):
    draw_boxes(some, ax=ax, colors=color, linestyles=[line] * 5, linewidth=1.5)
reached = [f"IoU {naive.iou(s, t):.2f}" for s, t in zip(said, target.boxes)]
write_labels(said, reached, [style.ORANGE] * 5, ax=ax)
legend_below(
    ax, [line_handle(name, *look) for name, look in looks.items()], ncols=3
).figure

# %% [markdown]
# A negative $d_x$ is a move to the left, a negative $d_w$ is a shrinking. Both are clipped to 0. Only a target that
# lies to the lower right of its anchor and is larger in both directions can be reached: here the 1 and no other. Around
# the 3 and the 6, the best that can be said is the anchor itself.
#
# How many are that? We draw pairs of an anchor and an object as a detector meets them: IoU at least 0.5.

# %%
objects = np.tile(np.array([[40, 40, 60, 70]], np.float64), (20_000, 1))
drawn = boxes.decode(rng.normal(0, 0.2, objects.shape), objects)
drawn = drawn[boxes.iou_matrix(drawn, objects[:1])[:, 0] >= 0.5]
wanted = boxes.encode(objects[: len(drawn)], drawn)
best = boxes.decode(np.maximum(wanted, 0), drawn)
before, after = (boxes.iou_matrix(b, objects[:1]).mean() for b in (drawn, best))
print(
    "anchors whose object the network can still reach: "
    f"{(wanted >= 0).all(axis=1).mean():.1%}"
)
print(
    f"mean IoU: of the anchors {before:.3f}, behind a ReLU at best {after:.3f}, "
    "without it 1.000"
)

# %% [markdown]
# About one in sixteen, as four coins would have it. Why is that hard to notice? Because half of each delta still
# works, because the loss still falls, and because boxes still look like boxes. And where the output is clipped, the
# gradient of a ReLU is 0 (lesson 01): these weights get no hint at all.
#
# Two lessons. Draw what the network *says* next to what it *should* say. And check that a model can reach the answer at
# all, before you train it.

# %% [markdown]
# ## Exercises
#
# Fill in the same functions yourself. `tinymaskrcnn homework release hw03 --out mine` writes the file to fill in.
#
# 1. `hw03.iou_matrix`: the table of all pairs, without a loop. Mind the boxes that are apart, and the empty ones.
#    Check: `tinymaskrcnn homework check mine/hw03.py --only hw03.iou_matrix`
# 2. `hw03.encode`: from a box and an anchor to four deltas.
#    Check: `tinymaskrcnn homework check mine/hw03.py --only hw03.encode`
# 3. `hw03.nms`: greedy, with groups, ties in the order of the rows.
#    Check: `tinymaskrcnn homework check mine/hw03.py --only hw03.nms`
#
# Something to think about: NMS compares boxes of one class only, so one digit can come out as a 3 *and* as an 8. What
# would you do?
#
# <details><summary>Answer</summary>
#
# There is no free answer. A second NMS over all classes with a high threshold (0.8, say) removes such doubles, and with
# them one of two different digits that lie exactly on top of each other. Mask R-CNN leaves the doubles in: average
# precision hardly minds a second answer with a low score.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - A box is four continuous numbers and a slice of the image; there is no `+ 1` anywhere.
# - IoU is overlap along x times overlap along y, divided by what both cover. It is strict: one tenth of a shift along
#   both axes is below 0.7.
# - Properties find what examples miss, and hypothesis hands you the smallest case.
# - Deltas are shifts in anchor sizes and logarithms of growth, so they mean the same at every scale. A ReLU behind
#   them makes 15 of 16 targets unreachable.
# - NMS keeps the best and deletes what overlaps it. Who is suppressed suppresses nobody, and two real objects that
#   overlap too much are one too many.
#
# Next: lesson 05 lays anchors over the whole image and asks which of them should answer "here is something".
