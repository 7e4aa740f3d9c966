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
# # 02. Convolution
#
# A small window slides over a picture and writes down one number at every place: the weighted sum of the pixels below
# it. Nearly all the arithmetic of Mask R-CNN is this one operator. You will see the window move, learn to count its
# places, turn all of them into one matrix product, and walk the whole way back.
#
# You need lesson 01 (pairs, the chain rule, `check_pair`). Plan about 75 minutes, or two sittings: 35 minutes for the
# way there, and 40 from "The way back" on.

# %%
import inspect
import time

import numpy as np

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.config import BackboneConfig, SceneConfig
from tinymaskrcnn.data import load_bank, make_scene
from tinymaskrcnn.devices import to_device
from tinymaskrcnn.models.build import build_backbone
from tinymaskrcnn.nn.layers import Conv2d
from tinymaskrcnn.ops import conv, naive
from tinymaskrcnn.ops.conv import (
    conv2d_backward,
    conv2d_forward,
    conv_transpose2d_backward,
    conv_transpose2d_forward,
)
from tinymaskrcnn.ops.linear import linear_forward
from tinymaskrcnn.testing import CheckFailed, cache_bytes, check_pair
from tinymaskrcnn.visualize import (
    Steps,
    convolution_figure,
    draw_array,
    draw_boxes,
    draw_feature_map,
    draw_gradient,
    draw_image,
    draw_kernel,
    draw_reads,
    draw_receptive_field,
    draw_window,
    draw_windows,
    im2col_figure,
    receptive_field,
    style,
)

rng = np.random.default_rng(0)

# %% [markdown]
# One helper for the whole lesson: an empty figure with a few axes side by side, in inches.


# %%
def beside(count, width=9.0, height=3.0):
    figure = style.new_figure(width, height)
    margins = {"left": 0.02, "right": 0.98, "bottom": 0.03, "top": 0.88}
    return figure, figure.subplots(1, count, gridspec_kw=margins)


# %% [markdown]
# ## A window over a picture
#
# This scene is one that the detector of lesson 00 could meet: 128 × 128 pixels, white ink on black, values between 0
# and 1.

# %%
bank = load_bank("digits")
scene, target = make_scene(51, SceneConfig(), bank=bank, split="train", seed=0)
scene.shape, scene.dtype, scene.min(), scene.max()

# %% [markdown]
# A **kernel** is a small array of weights. Here are four that people wrote by hand, long before networks learned
# them. `blur` takes the mean of nine pixels. `vertical` subtracts what is on the left from what is on the right,
# `horizontal` what is above from what is below. `spot` compares a pixel with its four neighbours.

# %%
blur = np.full((3, 3), 1 / 9)
vertical = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
horizontal = vertical.T
spot = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
filters = {"blur": blur, "vertical": vertical, "horizontal": horizontal, "spot": spot}

# %% [markdown]
# **Predict.** The flat black background has the same value everywhere, apart from a little noise. Which of the four
# kernels give (nearly) zero there?

# %%
figure, axes = beside(4, height=2.4)
for ax, (name, kernel) in zip(axes, filters.items()):
    draw_gradient(kernel, ax=ax, title=f"{name}, sum {kernel.sum():g}")
figure

# %% [markdown]
# The three whose weights add up to 0: a constant times a sum of zero is zero. They see *changes* only. `blur` adds up
# to 1 and hands a constant through.
#
# One call computes all four: each kernel is a **filter**, and each filter writes its own **channel** of the output.
# Weights are stored as `(KH, KW, C, O)`: rows and columns of the kernel, channels in, filters out.

# %%
weight = np.stack(list(filters.values()), axis=-1)[:, :, None, :]  # (3, 3, 1, 4)
x = scene[None].astype(np.float64)  # (1, 128, 128, 1): a batch of one picture
y, _ = conv2d_forward(x, weight, np.zeros(4), padding=1)
x.shape, weight.shape, y.shape

# %%
figure, axes = beside(5, width=9.4, height=2.15)
draw_image(scene, ax=axes[0], title="scene")
for channel, (ax, name) in enumerate(zip(axes[1:], filters)):
    colors = "gray" if name == "blur" else "RdBu"
    draw_feature_map(y[0], channel=channel, ax=ax, title=name, cmap=colors)
figure

# %% [markdown]
# Look at `vertical`: the left side of every stroke is blue (darkness on the left, ink on the right: positive), the
# right side is red (negative), and white is 0. Horizontal strokes are hardly there at all. `spot` answers to every
# pixel that differs from its neighbours, so it shows the noise as well, which `blur` has mostly smoothed away. The
# first layer of a trained network often holds filters like these, only that nobody chose the numbers.
#
# ## One window, one number
#
# Now slowly, with numbers. These are 6 × 6 pixels of an original 8 × 8 digit, with grey levels from 0 to 16.

# %%
digit = bank.images[np.flatnonzero(bank.labels == 7)[2]][1:7, 1:7].astype(np.float64)
draw_array(digit, title="part of a seven", cmap="gray", vmin=0, vmax=16).figure

# %% [markdown]
# At output row $p$ and column $q$, lay the kernel over the image, multiply each weight with the pixel below it, and
# add up:
#
# $$ y_{p,q} = b + \sum_{i=0}^{k-1} \sum_{j=0}^{k-1} x_{p+i,\;q+j}\; w_{i,j} $$
#
# $x$ is the image, $w$ the kernel with $k$ rows and columns, $b$ the bias: one number that is added everywhere. One
# pair $i, j$ is called a **tap**.
#
# Step through it: the window slides, the output fills.

# %%
places = list(np.ndindex(4, 4))
frames = [convolution_figure(digit, vertical, position=place) for place in places]
sums = [(digit[p : p + 3, q : q + 3] * vertical).sum() for p, q in places]
captions = [
    f"Window {at}: nine products add up to {total:g}."
    for at, total in zip(places, sums)
]
Steps(frames, captions, title="A 3×3 window slides over 6×6 pixels")

# %% [markdown]
# Sixteen places, so the output has 4 × 4 numbers. The definition in plain loops says the same for a batch of $N$
# images, with $C$ channels and $O$ filters, and with options that we meet one by one below (stride, padding, dilation,
# groups):

# %%
print(inspect.getsource(naive.conv2d))

# %% [markdown]
# It is hopelessly slow and beyond doubt, which makes it the *definition*. The operator of the package computes the
# same in a few array operations. (On paper we write one image and one channel; `[None, :, :, None]` adds the two
# missing axes.)

# %%
x6 = digit[None, :, :, None]
w3 = vertical[:, :, None, None]
y4, _ = conv2d_forward(x6, w3, np.zeros(1))
np.testing.assert_allclose(y4, naive.conv2d(x6, w3, np.zeros(1)))
y4[0, :, :, 0]

# %% [markdown]
# ## Cross-correlation, called convolution
#
# In signal processing, the operator above is a *cross-correlation*; a *convolution* would turn the kernel by 180°
# first. Deep learning says "convolution" and does not turn. You see the difference with the simplest picture there
# is: a single 1.
#
# **Predict.** The kernel holds 1 to 9 in reading order. What does the output look like around the single 1?

# %%
impulse, counting = np.zeros((1, 5, 5, 1)), np.arange(1.0, 10).reshape(3, 3, 1, 1)
impulse[0, 2, 2, 0] = 1
answer, _ = conv2d_forward(impulse, counting, None, padding=1)
turned, _ = conv2d_forward(impulse, counting[::-1, ::-1], None, padding=1)
figure, axes = beside(3, width=7.6, height=2.8)
named = {"a single 1": impulse, "its output": answer, "with the kernel turned": turned}
for ax, (title, values) in zip(axes, named.items()):
    draw_array(values[0, :, :, 0], ax=ax, title=title)
figure

# %% [markdown]
# The output is the kernel turned by 180°. When the window lies up and left of the 1, the 1 is below its *last* tap.
# For a network it makes no difference, since it learns whichever kernel it needs. But keep the turned kernel in mind:
# it comes back in the backward.
#
# ## The border
#
# A 3×3 window does not fit around a corner pixel. **Padding** surrounds the image with zeros before the window
# starts. Three choices have names:
#
# | name | padding | output side, for image side $H$ |
# |---|---|---|
# | valid | $0$ | $H - k + 1$: only windows that lie inside |
# | same | $(k-1)/2$ ($k$ odd) | $H$: one output per pixel |
# | full | $k - 1$ | $H + k - 1$: every window that touches the image at all |

# %%
four = digit[:4, :4]
figure, axes = beside(3, height=3.3)
for ax, (name, padding) in zip(axes, {"valid": 0, "same": 1, "full": 2}.items()):
    side = 4 + 2 * padding - 3 + 1
    title = f"{name}: first window, output {side}×{side}"
    draw_window(four, 0, 0, kernel=3, padding=padding, ax=ax, title=title)
figure

# %% [markdown]
# The hatched cells are not there in the image; the window reads zeros. It has no way of telling them from black
# pixels.
#
# **Predict.** A picture that is 1 everywhere, blurred with padding 1. What comes out in a corner? On an edge?

# %%
ones = np.ones((1, 5, 5, 1))
blurred, _ = conv2d_forward(ones, blur[:, :, None, None], None, padding=1)
title = "a constant 1, blurred with padding"
draw_array(
    blurred[0, :, :, 0], title=title, cmap="viridis", vmin=0, vmax=1, fmt="{:.2f}"
).figure

# %% [markdown]
# 4/9 in the corners and 6/9 along the edges: the border of zeros leaks in. With every 3×3 layer it leaks in by one
# pixel more. This is how a network can tell where the border of the picture is, and why features at the rim look
# different from the others.
#
# Nearly every convolution of this project is "same": 3×3 with padding 1, or 1×1 with padding 0. So a feature map
# keeps its size until a stride changes it.
#
# ## Stride
#
# With **stride** $s$ the window jumps $s$ pixels at a time, and the output has about $1/s$ of the rows and columns.
# Here is one row of 9 pixels. Each bar is a window, each dot a tap that reads the pixel above it.

# %%
figure, axes = beside(2, height=2.6)
draw_windows(
    9, kernel=3, stride=1, ax=axes[0], title="9 pixels, kernel 3, stride 1: 7 outputs"
)
draw_windows(
    9, kernel=3, stride=2, ax=axes[1], title="9 pixels, kernel 3, stride 2: 4 outputs"
)
figure

# %% [markdown]
# Now count. After padding, the row has $H + 2\,\mathrm{pad}$ cells. The first window takes $k$ of them. Each further
# window needs $s$ more. So the number of windows is one, plus the number of times that $s$ fits into what the first
# window left over:
#
# $$ H_O = \left\lfloor \frac{H + 2\,\mathrm{pad} - k}{s} \right\rfloor + 1 $$
#
# $\lfloor\cdot\rfloor$ rounds down: a window that does not fit whole is not there. The operator agrees:

# %%
cases = [(128, 3, 2, 1), (129, 3, 2, 1), (9, 3, 2, 0), (10, 3, 2, 0), (224, 7, 2, 3)]
for side, k, s, pad in cases:
    counted = (side + 2 * pad - k) // s + 1
    image, kernel = np.zeros((1, side, side, 1)), np.zeros((k, k, 1, 1))
    y, _ = conv2d_forward(image, kernel, None, stride=s, padding=pad)
    assert y.shape[1] == counted
    print(f"side {side:3}, kernel {k}, stride {s}, padding {pad}:  output {counted}")

# %% [markdown]
# Sides 128 and 129 give 64 and 65, sides 9 and 10 give both 4. What happened to the tenth pixel?
#
# ## Why the stride must divide
#
# Rounding down throws something away. When $(H + 2\,\mathrm{pad} - k)$ is not a multiple of $s$, the **rest** of the
# division is the number of cells at the end that *no window ever reads*. They are crossed out below.

# %%
figure, axes = beside(2, height=1.8)
draw_windows(
    10, kernel=3, stride=2, ax=axes[0], title="10 pixels: (10 − 3) leaves rest 1"
)
title = "stride 3, padding 1: (12 − 3) leaves rest 0"
draw_windows(10, kernel=3, stride=3, padding=1, ax=axes[1], title=title)
figure

# %% [markdown]
# In two dimensions it is the last rows and the last columns. The number in a cell says how many windows read it.

# %%
figure, axes = beside(2, width=7.4, height=3.6)
draw_reads((7, 7), kernel=3, stride=2, ax=axes[0], title="7×7, stride 2: all are read")
draw_reads(
    (8, 8), kernel=3, stride=2, ax=axes[1], title="8×8, stride 2: 15 pixels are not"
)
figure

# %% [markdown]
# **Predict.** We compute the gradient of the sum of all outputs by the 8 × 8 image. What is its shape, and what
# stands in the last row?

# %%
x8, kernel = rng.standard_normal((1, 8, 8, 1)), np.ones((3, 3, 1, 1))
y, cache = conv2d_forward(x8, kernel, None, stride=2)
dx, _, _ = conv2d_backward(np.ones_like(y), cache)
title = f"y is 3×3, dx is {dx.shape[1]}×{dx.shape[2]}"
draw_array(dx[0, :, :, 0], title=title, cmap="Blues", vmin=0, vmax=6).figure

# %% [markdown]
# Same picture! The gradient has the shape of the *image*, 8 × 8, and is exactly 0 where nothing was read: a change
# there changes no output. (With a kernel of ones each window sends a 1 to every pixel it read, so $dx$ counts the
# windows.)
#
# And the layers of a real network? A 3×3 with stride 2 and padding 1 halves 128 to 64, and $(128 + 2 - 3)$ is odd:
# the rest is 1. But the cell that goes unread is padding. No pixel is lost, and the price is a grid that sits a
# little off centre:

# %%
figure, axes = beside(2, height=2.0)
for ax, side, title in zip(axes, (8, 9), ("4 outputs, rest 1", "5 outputs, rest 0")):
    title = f"{side} pixels, padding 1: {title}"
    draw_windows(side, kernel=3, stride=2, padding=1, ax=ax, title=title)
figure

# %% [markdown]
# With 9 pixels nothing is unread, but now the sizes are awkward: 9 → 5 → 3 → 2, and doubling 2 on the way back up
# gives 4, not 3. A feature pyramid adds maps of neighbouring levels, so Mask R-CNN pads every picture until its sides
# are multiples of 32, so that five strides of 2 halve the side exactly, five times. That is where the 32 comes from
# that you find in every implementation.
#
# ## Dilation
#
# With **dilation** $d$ the taps stand $d$ pixels apart. The window spans $d(k-1)+1$ pixels and still has only $k$
# taps, so it sees further at no cost. In the formula for the size, the span takes the place of $k$:
#
# $$ H_O = \left\lfloor \frac{H + 2\,\mathrm{pad} - d\,(k-1) - 1}{s} \right\rfloor + 1 $$

# %%
figure, axes = beside(2, height=3.5)
draw_window(
    digit, 0, 1, kernel=3, dilation=2, ax=axes[0],
    title="kernel 3, dilation 2: spans 5×5",
)
draw_windows(9, kernel=3, dilation=2, ax=axes[1], title="in one row")
figure

# %% [markdown]
# Every output reads a *lattice* of pixels and skips those between; its neighbour reads another lattice. Stack more
# layers of dilation 2, and the lattices never meet: two neighbouring outputs have no pixel in common, however deep they
# stand ("gridding"). Mask R-CNN uses no dilation; segmentation networks that avoid strides do.
#
# ## Channels and filters
#
# A colour picture has 3 channels, a feature map 64. The window then reads *all* channels of the pixels below it, and
# the kernel has weights for each:
#
# $$ y_{p,q,o} = b_o + \sum_{i,j} \sum_{c=0}^{C-1} x_{ps+id-\mathrm{pad},\;qs+jd-\mathrm{pad},\;c}\; w_{i,j,c,o} $$
#
# That is the complete definition; compare it with the loops above, line by line. $o$ numbers the filters. Each filter
# sees everything and writes one channel.

# %%
layer = Conv2d(3, 8, 3, padding=1, rng=rng)  # 3 channels in, 8 filters
weight, bias = layer.weight.value, layer.bias.value
print(f"weight {weight.shape}, bias {bias.shape}: {weight.size + bias.size} numbers")
draw_kernel(
    weight, title="A fresh layer: 8 filters (columns) for 3 channels (rows)"
).figure

# %% [markdown]
# $3 \cdot 3 \cdot 3 \cdot 8 + 8 = 224$ numbers, whatever the size of the picture. A fully connected layer from 128 ×
# 128 × 3 to as many pixels with 8 channels would need six *billion*. Two things save them: an output looks at a small
# neighbourhood only, and all places share the same weights.
#
# ### 1×1: a matrix product per pixel
#
# A kernel of one row and one column looks at no neighbours. What is left of the formula is the sum over the channels,
# $y_{p,q,o} = b_o + \sum_c x_{p,q,c}\, w_{c,o}$: a linear layer, applied to every pixel. Our arrays keep channels
# last, so a pixel *is* a row of a matrix already, and nothing has to be moved:

# %%
x, w = rng.standard_normal((2, 5, 4, 6)), rng.standard_normal((1, 1, 6, 3))
b = rng.standard_normal(3)
y, _ = conv2d_forward(x, w, b)
np.testing.assert_allclose(y, x @ w[0, 0] + b)  # (2, 5, 4, 6) @ (6, 3)
y.shape

# %% [markdown]
# ResNet's bottlenecks, the laterals of the feature pyramid and both outputs of the region proposal network are such
# 1×1 convolutions.
#
# One more option, for later: with `groups=g` the channels are dealt out to $g$ groups that do not see each other. Each
# filter reads $C/g$ channels, and there are $g$ times fewer weights. ResNeXt uses 32 groups.

# %% [markdown]
# ## All windows at once: im2col
#
# The loops visit window after window. But every window does the same: take $KH \cdot KW \cdot C$ numbers and form
# weighted sums of them. So copy what each window sees into *one row of a matrix*, and a single matrix product serves
# all places and all filters. The matrix is called the **columns** ("image to columns", im2col): each of its columns
# belongs to one tap.
#
# Step through it and follow the colours: the tap numbered 4 is the middle of the window, and stands in column 4 of
# the window's row.

# %%
rows = range(12)
frames = [im2col_figure(digit[:5], kernel=3, highlight=row) for row in rows]
captions = [
    f"Window ({row // 4}, {row % 4}) becomes row {row} of the columns." for row in rows
]
Steps(frames, captions, title="What a window sees becomes a row")

# %% [markdown]
# Neighbouring windows overlap, so pixels are copied several times; the two in the middle of the image stand in nine
# rows each. With padding some entries are zeros that come from nowhere, and with stride 2 there are fewer rows:

# %%
title = "Stride 2 and padding 1: four windows"
im2col_figure(digit[:4, :4], kernel=3, stride=2, padding=1, highlight=1, title=title)

# %% [markdown]
# The operator has this step as a function of its own. (The leading underscore says: not for the public. We look over
# its shoulder.)

# %%
small = digit[:5, :5]
layout = {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
columns = conv._image_to_columns(small[None, :, :, None], **layout, windows=(3, 3))
print(columns.shape, "= (N, HO, WO, KH, KW, C)")
columns[0, 1, 2, :, :, 0]  # what window (1, 2) sees

# %% [markdown]
# Then the weights become a matrix too, $W$ with $KH \cdot KW \cdot C$ rows and $O$ columns, and
#
# $$ Y = X_\mathrm{col}\, W + b $$
#
# is the whole convolution. You know this operator: it is the linear layer of lesson 01, with one row for each window.

# %%
two = np.stack([vertical, blur], axis=-1)[:, :, None, :]  # two filters: (3, 3, 1, 2)
flat, _ = linear_forward(columns.reshape(9, 9), two.reshape(9, 2), np.zeros(2))
y, _ = conv2d_forward(small[None, :, :, None], two, np.zeros(2))
np.testing.assert_allclose(flat.reshape(y.shape), y)

# %%
figure, axes = beside(3, height=3.6)
draw_array(columns.reshape(9, 9), ax=axes[0], title="columns: 9 windows × 9 taps")
title = "times weights: 9 taps × 2 filters"
draw_gradient(two.reshape(9, 2), ax=axes[1], title=title, fmt="{:.2f}")
draw_array(flat, ax=axes[2], title="gives 9 windows × 2 filters", fmt="{:.3g}")
figure

# %% [markdown]
# ### What the columns cost
#
# **Predict.** A feature map of 64 × 64 pixels with 32 channels, in float32, is half a megabyte. How large are the
# columns of a 3×3 kernel? Which of the two would you keep for the backward?

# %%
x = rng.standard_normal((1, 64, 64, 32), np.float32)
w = rng.standard_normal((3, 3, 32, 32), np.float32)
y, cache = conv2d_forward(x, w, None, padding=1)
columns = conv._image_to_columns(x, (3, 3), (1, 1), (1, 1), (1, 1), (64, 64))
print(f"x {x.nbytes:,} bytes, columns {columns.nbytes:,} bytes")
print(
    "kept for the backward, without the weights: "
    f"{cache_bytes(cache, without=w):,} bytes"
)

# %% [markdown]
# The columns are $KH \cdot KW = 9$ times as large as the image. The backward needs them again, and it would be easy
# to keep them. The operator keeps $x$ alone (and the weights, which are there anyway) and makes the columns a second
# time: copying is cheap, memory is not. In a network with fifty convolutions that is the difference between training
# and an error message.

# %% [markdown]
# ## The way back
#
# (If you read this lesson in two sittings, here is the place for the break.)
#
# Given $dy$, the gradient of the loss by the output, we want it by the bias, the weights and the image. First on
# paper, with the columns. From lesson 01 we know the mirror of $Y = X_\mathrm{col} W + b$, where $dY$ has one row per
# window:
#
# $$ db = \sum_{\text{windows}} dY \qquad\quad
# dW = X_\mathrm{col}^{\top}\, dY \qquad\quad dX_\mathrm{col} = dY\, W^{\top} $$
#
# - The **bias** was added to every window, so its gradient is the sum over all of them.
# - A **weight** met one pixel in each window; its gradient is the sum of these pixels, each times the $dy$ of its
#   window.
# - $dX_\mathrm{col}$ has the shape of the columns: each row is what one window wants of *its* nine pixels.
#
# One step is left. `_image_to_columns` copied pixels into rows, some of them several times. Its mirror walks the same
# way backwards and **adds**: every entry of $dX_\mathrm{col}$ goes to the pixel it came from. A pixel that was read
# by nine windows receives nine contributions. What falls into the padding is cut off, and a pixel that nobody read
# keeps its zero.
#
# Step through it. On the left, more and more entries of $dy$ are switched on; on the right, each of them *paints* the
# kernel, times its value, onto the window it came from.

# %%
w = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])[:, :, None, None]
# dy: one number per window
sent = np.array([[1.0, 2, -1, 1], [-1, 1, 1, -2], [1, 2, -1, 1]])
_, cache = conv2d_forward(np.zeros((1, 5, 6, 1)), w, None)


# %%
def painted(p, q):
    # on up to window (p, q)
    dy = np.where(np.arange(12).reshape(3, 4) <= 4 * p + q, sent, 0)
    dx, _, _ = conv2d_backward(dy[None, :, :, None], cache)
    figure, (left, right) = beside(2, width=6.0, height=3.2)
    one, nine = ([(p, q, p + k, q + k, style.ORANGE)] for k in (1, 3))
    draw_gradient(dy, ax=left, title="dy", vmax=4, highlight=one)
    draw_gradient(dx[0, :, :, 0], ax=right, title="dx", vmax=6, highlight=nine)
    return figure


# %%
places = list(np.ndindex(3, 4))
said = "Window {} has painted {:g} times the kernel; overlaps are added."
captions = [said.format(place, sent[place]) for place in places]
frames = [painted(*place) for place in places]
Steps(frames, captions, title="The gradient of the image, window by window")

# %% [markdown]
# The kernel is not turned here: the window that read with tap $(i, j)$ sends back through tap $(i, j)$. Is the
# backward right? The harness of lesson 01 compares it with differences of the forward, in an awkward setting: two
# images, two channels, three filters, different strides, a rest, dilation.

# %%
x, w, b = (rng.standard_normal(shape) for shape in ((2, 7, 8, 2), (3, 2, 2, 3), 3))
awkward = {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2)}
check_pair(conv2d_forward, conv2d_backward, [x, w, b], **awkward).gradient

# %% [markdown]
# ## The backward is a convolution too
#
# Now without columns. Which outputs did pixel $r$ touch? (One row, stride 1; the columns go alike.) Output $p$ reads
# pixel $p + i - \mathrm{pad}$ with weight $w_i$, so pixel $r$ is met by $p = r + \mathrm{pad} - i$:
#
# $$ dx_r = \sum_i dy_{\,r + \mathrm{pad} - i}\; w_i $$
#
# The index of $dy$ *falls* while $i$ rises. Count the taps from the other end, $i' = k - 1 - i$:
#
# $$ dx_r = \sum_{i'} dy_{\,r + i' - (k - 1 - \mathrm{pad})}\; w_{k-1-i'} $$
#
# This is a forward convolution of $dy$: with the kernel **turned by 180°** and the padding $k - 1 - \mathrm{pad}$. A
# "valid" forward has a "full" backward, and "same" stays "same". With several channels, filters and channels change
# places: what was written is now read.

# %%
x, w = rng.standard_normal((2, 6, 7, 3)), rng.standard_normal((3, 3, 3, 4))
y, cache = conv2d_forward(x, w, None, padding=1)
dy = rng.standard_normal(y.shape)
dx, dweight, _ = conv2d_backward(dy, cache)
turned = w[::-1, ::-1].transpose(0, 1, 3, 2)  # (KH, KW, O, C)
np.testing.assert_allclose(
    conv2d_forward(dy, turned, None, padding=3 - 1 - 1)[0], dx, atol=1e-12
)

# %% [markdown]
# With stride $s$, the outputs that the window jumped over are missing. Put zeros in their places, and the formula
# holds again: $dy$ is *spread out*, one value every $s$ pixels. And the rest? The unread rows come at the end, as
# zeros in $dy$.
#
# **Predict.** An 8 × 8 image, 3×3, stride 2, no padding: $dy$ is 3 × 3. How large is it spread out, and how large
# together with the rest?

# %%
x, w = rng.standard_normal((1, 8, 8, 1)), rng.standard_normal((3, 3, 1, 1))
y, cache = conv2d_forward(x, w, None, stride=2)
dy = rng.standard_normal(y.shape)
spread = np.zeros((1, 6, 6, 1))  # 2 * (3 - 1) + 1 = 5 rows, and 1 row of rest
spread[:, 0:5:2, 0:5:2] = dy
dx, dweight, _ = conv2d_backward(dy, cache)
through, _ = conv2d_forward(spread, w[::-1, ::-1], None, padding=2)
np.testing.assert_allclose(through, dx, atol=1e-12)

# %%
figure, axes = beside(3, height=3.2)
draw_gradient(dy[0, :, :, 0], ax=axes[0], title="dy, 3×3", fmt="{:.1f}")
draw_gradient(
    spread[0, :, :, 0], ax=axes[1], title="spread out, with a rest of 1", fmt="{:.1f}"
)
draw_gradient(
    dx[0, :, :, 0], ax=axes[2], title="through the turned kernel: dx", fmt="{:.1f}"
)
figure

# %% [markdown]
# Three values, two of them followed by a gap, make 5 rows; with the rest, 6. The full padding of 2 then gives 8, the
# size of the image. Look at the last row and column of $dx$: zeros. Without the row of rest in `spread`, $dx$ would
# be 7 × 7.
#
# The gradient of the weights is a convolution as well. Each weight slides over the picture in the steps of the
# stride, so $dw_i = \sum_p dy_p\, x_{ps + i - \mathrm{pad}}$ is a window as large as $dy$, whose taps stand $s$
# apart. What was stride in the forward is *dilation* here:

# %%
as_kernel = dy.transpose(1, 2, 0, 3)  # (3, 3, 1, 1)
dw, _ = conv2d_forward(x, as_kernel, None, dilation=2)
np.testing.assert_allclose(dw[0, :3, :3, 0], dweight[:, :, 0, 0], atol=1e-12)
dw.shape

# %% [markdown]
# (The output has a fourth row and column: the rest again, a place where the forward never laid its kernel. It is cut
# off.)
#
# ## Walking the way back forwards: the transposed convolution
#
# The backward takes a small map and makes a large one. The mask head needs just that: a 14 × 14 crop becomes a 28 ×
# 28 mask. So take the backward and use it as a forward: each pixel *paints* a weighted copy of the kernel, overlaps
# add. In loops:

# %%
print(inspect.getsource(naive.conv_transpose2d))

# %% [markdown]
# It is called *transposed* because a convolution is a matrix in disguise ($y = Ax$, one long row per output), its
# backward multiplies with $A^\top$, and so does this forward. The sizes go backwards as well:
# $H_O = (H - 1)\,s + k - 2\,\mathrm{pad}$. And indeed, on $dy$ it gives the $dx$ of the convolution with the same
# kernel (where there is no rest: a transposed convolution cannot know about one).

# %%
x, w = rng.standard_normal((1, 7, 7, 2)), rng.standard_normal((3, 3, 2, 3))
y, cache = conv2d_forward(x, w, None, stride=2)
dy = rng.standard_normal(y.shape)
dx, _, _ = conv2d_backward(dy, cache)
forwards, _ = conv_transpose2d_forward(dy, w.transpose(0, 1, 3, 2), None, stride=2)
np.testing.assert_allclose(forwards, dx, atol=1e-12)

# %% [markdown]
# **Predict.** All pixels are 1 and all weights are 1. With a 2×2 kernel and stride 2, what does the output look like?
# And with a 3×3 kernel?

# %%
figure, axes = beside(2, width=7.0, height=3.5)
for ax, k in zip(axes, (2, 3)):
    y, _ = conv_transpose2d_forward(
        np.ones((1, 3, 3, 1)), np.ones((k, k, 1, 1)), None, stride=2
    )
    title = f"kernel {k}, stride 2: 3×3 → {y.shape[1]}×{y.shape[2]}"
    draw_array(y[0, :, :, 0], ax=ax, cmap="Blues", vmin=0, vmax=6, title=title)
figure

# %% [markdown]
# Kernel 2 with stride 2: the copies touch and never overlap, every pixel becomes a block of four. Kernel 3: they
# overlap by one, and the sums make a checkerboard, which such networks like to print into their pictures. The mask
# head of Mask R-CNN has the first. Its pair passes the harness too:

# %%
x, w, b = (rng.standard_normal(shape) for shape in ((2, 3, 4, 2), (2, 2, 2, 3), 3))
check_pair(
    conv_transpose2d_forward, conv_transpose2d_backward, [x, w, b], stride=2
).gradient

# %% [markdown]
# ## What it costs
#
# Each of the $N \cdot H_O \cdot W_O \cdot O$ outputs is a sum of $KH \cdot KW \cdot C$ products: a multiplication and
# an addition each.
#
# $$ \text{operations} = 2 \cdot N\, H_O\, W_O\, O \cdot KH\, KW\, C $$
#
# The backward forms two such products, for $dW$ and for $dX_\mathrm{col}$, so a training step costs three times the
# forward. How long does it take, on this machine?


# %%
def seconds(function, *arguments, repeats=5, **options):
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        function(*arguments, **options)
        took.append(time.perf_counter() - began)
    return min(took)


# %%
x, w = (rng.standard_normal(shape) for shape in ((1, 16, 16, 8), (3, 3, 8, 8)))
b = np.zeros(8)
slow = seconds(naive.conv2d, x, w, b, padding=(1, 1), repeats=1)
fast = seconds(conv2d_forward, x, w, b, padding=1)
print(f"{2 * 16 * 16 * 8 * 9 * 8:,} operations. On this machine:")
print(
    f"loops {1e3 * slow:.0f} ms, arrays {1e3 * fast:.2f} ms, "
    f"{slow / fast:,.0f} times faster"
)

# %% [markdown]
# Same numbers, same definition. The loops spend their time in Python, the arrays in a matrix product that was tuned
# for decades. The larger the layer, the wider the gap: here is one as it stands in the region proposal network on the
# finest level of a 128 × 128 scene.

# %%
device = "cpu"  # "cuda" with CuPy and a GPU
x = to_device(rng.standard_normal((1, 32, 32, 64), np.float32), device)
w = to_device(rng.standard_normal((3, 3, 64, 64), np.float32), device)
# to_host waits for a GPU
took = seconds(lambda: to_host(conv2d_forward(x, w, None, padding=1)[0]))
operations = 2 * 32 * 32 * 64 * 9 * 64
print(
    f"{operations / 1e6:.0f} million operations in {1e3 * took:.1f} ms on this machine,"
)
print(f"{operations / took / 1e9:.0f} billion per second")

# %% [markdown]
# ## How much of the picture does a cell see?
#
# One 3×3 window sees 3 × 3 pixels. A 3×3 on top of a 3×3 sees 5 × 5: three windows, each 1 pixel further. The
# **receptive field** of a cell is the square of pixels that it can depend on at all. Go through the layers and keep
# two numbers: its side $R$, and the **jump** $J$, how many pixels lie between two neighbouring cells. In the
# beginning $R = J = 1$. The outermost taps of a new layer are $d(k-1)$ cells apart, which is $d(k-1) \cdot J$ pixels:
#
# $$ R \leftarrow R + d\,(k-1)\,J \qquad\qquad J \leftarrow J\,s $$
#
# A stride early on makes every later layer see further: that is its second use, besides saving work.

# %%
# kernel, stride, padding
layers = [(3, 1, 1), (3, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 1)]
for field in receptive_field(layers):
    print(
        f"side {field.size:2}, jump {field.jump}, "
        f"field of cell 0 starts at pixel {field.start}"
    )

# %% [markdown]
# Now the real thing: the backbone of this project's detector, a ResNet with strides 4, 8, 16 and 32 at the ends of
# its four stages C2 to C5. The shortcuts see less than the branches, so we follow the branches.
#
# **Predict.** On the way to C2 lie five 3×3 convolutions; the first two have stride 2. How many pixels does a cell of
# C2 see? And from which stage on does a cell see more than the 128 pixels of the scene?

# %%
body = build_backbone(BackboneConfig(), rng=rng).body
convs = {name: part for name, part in body.named_modules() if isinstance(part, Conv2d)}
branch = {name: part for name, part in convs.items() if "downsample" not in name}
stage_ends = [list(branch).index(f"layer{stage}.1.conv2") for stage in (1, 2, 3, 4)]
fields = receptive_field(branch.values())
[
    (name, fields[i].size, fields[i].jump)
    for name, i in zip(("C2", "C3", "C4", "C5"), stage_ends)
]

# %% [markdown]
# $1 + 2 + 2 \cdot 2 + 3 \cdot 2 \cdot 4 = 31$ pixels for C2. Here are the fields on the scene: of each map, the
# cell whose field is centred nearest to the red cross.

# %%
y1, x1, y2, x2 = target.boxes[2][[1, 0, 3, 2]]
at = int(y1 + y2) // 2, int(x1 + x2) // 2  # the middle of the 1
title = "What the cells nearest to the red cross see"
shown = {"show": stage_ends[:3], "names": ["C2", "C3", "C4"]}
draw_receptive_field(scene, list(branch.values()), at=at, **shown, title=title).figure

# %% [markdown]
# C2 sees a digit and its surroundings (31 pixels), C3 a good part of the scene. The field of C4 is larger than the
# picture: what is hatched was padding. C5, with 423 pixels, would not fit on this page. So the cells on top can know
# about everything that is in the scene.
#
# Two more 3×3 convolutions follow, one of the feature pyramid and one of the region proposal network. On the finest
# level they make it $31 + 2 \cdot 2 \cdot 4 = 47$ pixels, for anchors (its first guesses, lesson 05) of 20. (The
# pyramid's way down brings in still more.) The field must hold the object, or the network guesses.
#
# One thing is odd about these fields. Cell $q$ of C2 stands for the pixels $4q$ to $4q+4$, whose middle is $4q + 2$.
# Where is the centre of its field?

# %%
for name, i in zip(("C2", "C3", "C4", "C5"), stage_ends):
    field = fields[i]
    middle, centre = field.jump / 2, field.start + field.size / 2
    print(
        f"{name}: cell 0 stands for 0..{field.jump}, middle {middle:g}; "
        f"centre of field {centre:g}"
    )

# %% [markdown]
# At 0.5, on every level! That is the rest from above: each stride of 2 on an even side leaves its unread cell at the
# lower right, so all windows sit half a step to the upper left. Networks live with it, because what they learn absorbs
# a constant shift. But you must not mix two conventions, as "What can go wrong" shows.
#
# ### What it *really* looks at
#
# The field says what a cell *can* depend on. How strongly it does is a gradient: send something back from one cell
# (here a random number from each of its channels) and look at $|dx|$. We do it for a cell of C3 in eight networks with
# fresh random weights, and take the mean.
#
# (The norms are frozen here. In training, batch normalisation makes every pixel depend a little on every other,
# through the mean and the variance.)


# %%
def influence(seed):
    rng = np.random.default_rng(seed)
    body = build_backbone(BackboneConfig(norm="frozen"), rng=rng).body
    features, cache = body.forward(rng.random((1, 128, 128, 1), np.float32))
    dfeatures = [np.zeros_like(feature) for feature in features]
    # a cell of C3, all channels
    dfeatures[1][0, 8, 8] = rng.standard_normal(features[1].shape[3])
    return np.abs(body.backward(dfeatures, cache)[0, :, :, 0])


mean = np.mean([influence(seed) for seed in range(8)], axis=0)

# %%
first, last = fields[stage_ends[1]].span(8)
inside, inner = np.zeros((2, 128, 128), bool)
inside[first:last, first:last] = True
# half as wide and half as high
inner[first + 22 : last - 22, first + 22 : last - 22] = True
print(f"largest |dx| outside the field: {mean[~inside].max():g}")
share = mean[inner].sum() / mean.sum()
print(
    "the inner half of the field, a quarter of its area, "
    f"has {share:.0%} of the influence"
)

# %%
figure, (left, right) = beside(2, width=8.2, height=3.9)
draw_feature_map(mean, ax=left, title="|dx| of one cell of C3, mean of 8 networks")
draw_boxes([[first, first, last, last]], ax=left, colors=style.ORANGE)
right.set_position((0.56, 0.14, 0.41, 0.72))
style.plain_axes(right).plot(
    np.arange(128) + 0.5, mean.sum(axis=0), color=style.DARK_BLUE
)
right.axvspan(first, last, color=style.ORANGE, alpha=0.15)
right.set_title("|dx| added up in every column", fontsize=style.TITLE)
right.set_xlabel("column of the picture; shaded: the field", fontsize=style.TEXT)
figure

# %% [markdown]
# Exactly zero outside the box: the counting was right. But inside it is a hill, not a plateau. A pixel in the middle
# reaches the cell on very many paths, a pixel in the corner on a single one; the number of paths falls off like a
# bell. The *effective* receptive field is much smaller than the one on paper (Luo et al. 2016), and this is why
# objects should be a good deal smaller than the field of the level that looks for them.
#
# Two details are worth a look. The bright pixels in the very middle belong to the path along all shortcuts: 1×1
# windows and identities, where nothing spreads but in the 3×3 of the first layer. And the fine grid over the hill is
# the pattern of strides, where some pixels are read by two windows and their neighbours by one.
#
# ## What can go wrong
#
# **The size of $dx$ from the size of $dy$.** The forward says
# $H_O = \lfloor (H + 2\,\mathrm{pad} - k)/s \rfloor + 1$. Turn it round and you get
# $H = (H_O - 1)\,s + k - 2\,\mathrm{pad}$, which forgets what rounding down threw away. Here is a backward with this
# mistake:


# %%
def wrong_size_backward(dy, cache):
    dx, dweight, dbias = conv2d_backward(dy, cache)
    # stride 2, kernel 3, no padding
    height, width = (2 * (n - 1) + 3 for n in dy.shape[1:3])
    return dx[:, :height, :width], dweight, dbias


# %%
w, b = rng.standard_normal((3, 3, 1, 2)), np.zeros(2)
check_pair(
    conv2d_forward, wrong_size_backward, [rng.standard_normal((1, 7, 7, 1)), w, b],
    stride=2,
)
print("7 × 7: no complaint")
try:
    check_pair(conv2d_forward, wrong_size_backward, [x8, w, b], stride=2)
except CheckFailed as failure:
    print("8 × 8:", failure)

# %% [markdown]
# Right for 7 × 7, caught for 8 × 8. At least the shape gives it away. It gets worse when somebody repairs the shape
# in the wrong place and puts the missing row *before* the others:


# %%
def wrong_shifted_backward(dy, cache):
    dx, dweight, dbias = conv2d_backward(dy, cache)
    rest = [(n - 3) % 2 for n in dx.shape[1:3]]  # stride 2, kernel 3, no padding
    return np.roll(dx, rest, axis=(1, 2)), dweight, dbias


# %%
try:
    check_pair(conv2d_forward, wrong_shifted_backward, [x8, w, b], stride=2)
except CheckFailed as failure:
    print(failure)

# %%
y, cache = conv2d_forward(x8, kernel, None, stride=2)
figure, axes = beside(2, width=7.4, height=3.6)
for ax, backward in zip(axes, (conv2d_backward, wrong_shifted_backward)):
    dx, _, _ = backward(np.ones_like(y), cache)
    title = "dx, " + (
        "right" if backward is conv2d_backward else "wrong: shifted by the rest"
    )
    draw_array(dx[0, :, :, 0], ax=ax, title=title, cmap="Blues", vmin=0, vmax=6)
figure

# %% [markdown]
# All shapes fit and even the sum of $dx$ is right, but every pixel gets the gradient of its neighbour. No test on a 7
# × 7 image will ever find it. So hand the harness sizes that do *not* divide, as the package's own tests and your
# homework do.
#
# **Two conventions for "same".** With stride 2 on an even side, one row of padding is enough. PyTorch (and this
# package) pads on both sides and leaves the last cell unread; TensorFlow's `SAME` pads only at the lower right. With
# a kernel that just copies its middle pixel:

# %%
ramp, middle = np.arange(8.0)[None, None, :, None], np.zeros((1, 3, 1, 1))
middle[0, 1] = 1
both, _ = conv2d_forward(ramp, middle, None, stride=(1, 2), padding=(0, 1))
longer = np.pad(ramp, [(0, 0), (0, 0), (0, 1), (0, 0)])
last_only, _ = conv2d_forward(longer, middle, None, stride=(1, 2))
print("both sides:", both[0, 0, :, 0], "  lower right only:", last_only[0, 0, :, 0])

# %% [markdown]
# Pixels 0, 2, 4, 6 against 1, 3, 5, 7. Load weights that were trained with one convention into a network that has the
# other: everything runs, and all features are one pixel off, at every stride once more. By C5 that is up to 31 pixels
# ($1 + 2 + 4 + 8 + 16$), and the boxes move along.
#
# **`=` for `+=` on the way back.** Rows that go back to the image must be *added*. Assigning is right as long as no
# two windows overlap, which is the case for stride = kernel. For 3×3 with stride 1, eight of nine contributions are
# lost.
#
# **A turned kernel.** A true convolution (kernel turned) agrees with ours for `blur` and `spot`, which look the same
# after a half turn. Test with kernels that have no symmetry.
#
# ## Exercises
#
# The blanks are in the file of homework 2 (`tinymaskrcnn homework release hw02 --out mine`). The mirror of the first
# one, columns to image, is a blank there too: do it when you have time for one more.
#
# 1. `hw02.image_to_columns`: copy what each window sees into its row. You loop over the *taps*, not over the windows:
#    for one tap, what do all the windows read?
#    Check: `tinymaskrcnn homework check mine/hw02.py --only hw02.image_to_columns`
# 2. `hw02.conv2d_forward`: columns, one matrix product, the bias, and what the backward will need.
#    Check: `tinymaskrcnn homework check mine/hw02.py --only hw02.conv2d_forward`
# 3. `hw02.conv2d_backward`: the three formulas of "The way back". Shapes tell you where a transpose belongs.
#    Check: `tinymaskrcnn homework check mine/hw02.py --only hw02.conv2d_backward`
#
# ## What you have seen
#
# - One window, one weighted sum; all windows together are one matrix product with the columns, which are made again
#   rather than kept.
# - $H_O = \lfloor (H + 2\,\mathrm{pad} - d(k-1) - 1)/s \rfloor + 1$; the rest of the division is never read, and its
#   gradient is exactly zero.
# - The backward paints: every window sends the kernel times $dy$ to its pixels, and overlaps add. It is a convolution
#   of the spread-out $dy$ with the turned kernel.
# - A transposed convolution is this backward, used as a forward.
# - Receptive fields grow by $d(k-1)\,J$ per layer, and what really counts is a hill in their middle.
#
# Next: [lesson 03](03_pooling_norm_residual.ipynb), the other layers of a ResNet: pooling, batch normalisation, and
# the shortcut that makes depth trainable.
