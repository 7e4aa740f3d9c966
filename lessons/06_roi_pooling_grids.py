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
# # 06. RoI pooling grids
#
# A region proposal is a box of any size; the heads that name it and cut it out want an array of one size. In between
# sits a small operator with a long history of half-pixel mistakes. You will see, on one 8 x 8 matrix, what RoIPool
# really computes (a well-known picture of it is wrong), what rounding costs in pixels, how RoIAlign reads *between*
# pixels, and that it is nothing but a sparse matrix. At the end a box climbs onto a digit by gradient descent.
#
# You need lessons 01 (pairs), 03 (max pooling) and 05 (what a proposal is). About 60 minutes.

# %%
import inspect

import numpy as np

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import load_bank, make_scene
from tinymaskrcnn.devices import to_device
from tinymaskrcnn.models.postprocess import paste_masks
from tinymaskrcnn.models.roi_heads import assign_levels
from tinymaskrcnn.ops import naive
from tinymaskrcnn.ops.average_pool import avg_pool2d_forward
from tinymaskrcnn.ops.more_losses import squared_error_backward, squared_error_forward
from tinymaskrcnn.ops.roi_align import (
    interpolation_matrix,
    roi_align_backward,
    roi_align_forward,
)
from tinymaskrcnn.ops.roi_pool import roi_pool_backward, roi_pool_forward
from tinymaskrcnn.targets.roi import mask_targets
from tinymaskrcnn.testing import CheckFailed, cache_bytes, check_pair
from tinymaskrcnn.visualize import (
    Steps,
    draw_array,
    draw_boxes,
    draw_feature_map,
    draw_gradient,
    draw_image,
    draw_pooling_grid,
    interpolation_matrix_figure,
    roi_align_steps,
    style,
    touch,
)

rng = np.random.default_rng(0)

# %% [markdown]
# ## Why a crop of fixed size
#
# Four digits, four boxes, four sizes. The box head begins with a fully connected layer, whose weight matrix has
# `7 * 7 * C` rows ($C$ channels), no more and no fewer. So each box must become a 7 x 7 grid, whether it is 14 pixels
# wide or 44 high.

# %%
scene = SceneConfig(noise=0.0, digits_per_image=(4, 4), digit_size=(20, 44))
image, truth = make_scene(3, scene, bank=load_bank("digits"), split="train", seed=0)
sizes = [f"{x2 - x1:.0f} x {y2 - y1:.0f}" for x1, y1, x2, y2 in truth.boxes]
ax = draw_image(image, title="four regions, four sizes (width x height in pixels)")
draw_boxes(truth.boxes, ax=ax, labels=sizes)
ax.figure

# %% [markdown]
# And the grid is not laid on the image but on a *feature map*, where one cell stands for 4, 8, 16 or 32 pixels. A box
# edge at pixel 77 lies at 77 / 16 = 4.81 cells. There is no cell 4.81. Every operator of this lesson is an answer to
# the question what to do about that.
#
# Our first map is the 8 x 8 matrix with which many introductions to Mask R-CNN explain the matter, and a stride of 1.

# %%
matrix = np.array(
    """.88 .44 .14 .16 .37 .77 .96 .27   .19 .45 .57 .16 .63 .29 .71 .70
       .66 .26 .82 .64 .54 .73 .59 .26   .85 .34 .76 .84 .29 .75 .62 .25
       .32 .74 .21 .39 .34 .03 .33 .48   .20 .14 .16 .13 .73 .65 .96 .32
       .19 .69 .09 .86 .88 .07 .01 .48   .83 .24 .97 .04 .24 .35 .50 .91""".split(),
    np.float64,
).reshape(8, 8)
features = matrix.reshape(1, 8, 8, 1)  # (N, H, W, C)
first = np.array([0])  # the only RoI lies in picture 0

# %% [markdown]
# ## RoIPool, and a picture that is wrong
#
# RoIPool (Fast R-CNN, 2015) cuts the RoI into bins of whole cells and keeps the largest value of each: max pooling
# whose window depends on the RoI. The RoI of the well-known picture covers columns 0 to 6 and rows 3 to 7: 7 wide, 5
# high, to be cut into 2 x 2. Neither 7 nor 5 can be halved. The picture cuts at column 3 and at row 5:

# %%
# from (row, column) up to
windows = [(3, 0, 5, 3), (3, 3, 5, 7), (5, 0, 8, 3), (5, 3, 8, 7)]
colored = [(*window, color) for window, color in zip(windows, style.PALETTE)]
draw_array(
    matrix, fmt="{:.2f}", highlight=colored, title="the well-known picture"
).figure

# %%
[float(matrix[top:bottom, left:right].max()) for top, left, bottom, right in windows]

# %% [markdown]
# **Predict.** Fast R-CNN does not cut like that. It gives bin $i$ of $S$ over $h$ cells the rows from
# $\lfloor i h / S \rfloor$ up to $\lceil (i+1) h / S \rceil$, the last one not included. Rows 3 to 7 are $h = 5$, so
# for $S = 2$ bin 0 has rows 0, 1, 2 of the RoI. Which rows has bin 1? And which of the four maxima above changes?

# %%
print(inspect.getsource(naive.roi_pool))

# %%
pixels = np.array([[0.0, 3, 6, 7]])  # pixel numbers; the last one belongs to the RoI
data = dict(image_index=first, output_size=(2, 2), scale=1.0)
defined = naive.roi_pool(features, pixels, **data)
print(defined[0, :, :, 0])

# %% [markdown]
# Bin 1 has rows 2, 3, 4 of the RoI: the middle row belongs to both bins, and so does the middle column. So the upper
# right bin reaches down to the .96, and the crop is `[[.85, .96], [.97, .96]]`, not `[[.85, .84], [.97, .96]]`.
# In the drawing the shared cells are hatched. The .96 carries two rings: it is the maximum of two bins.

# %%
draw_pooling_grid(
    matrix, (0, 3, 6, 7), output_size=2, kind="pool", title="RoIPool"
).figure

# %% [markdown]
# Note the red outline. In the coordinates of this project pixel 0 covers 0 to 1, so the box from 0 to 6 ends *before*
# pixel 6. RoIPool was written for pixel *numbers*, and counts the last one in. Keep that in mind; it will cost us half
# a cell further down.
#
# The array version looks at pixel $(i, j)$ of all bins at once. It must say what the loops say:

# %%
crops, cache = roi_pool_forward(features, pixels, **data)
np.testing.assert_array_equal(crops, defined)
np.testing.assert_array_equal(crops[0, :, :, 0], [[0.85, 0.96], [0.97, 0.96]])

# %% [markdown]
# **Its gradient.** A maximum hands its gradient to the cell that won, all others get nothing:
#
# $$\frac{\partial L}{\partial F_{yx}} = \sum_{k, i, j} \frac{\partial L}{\partial \mathrm{crop}_{kij}}
# \,\big[(y, x) \text{ is the maximum of bin } (k, i, j)\big].$$
#
# The sum is not decoration: a cell can win in two bins, and in many RoIs.
#
# **Predict.** Let every bin send back a 1. What does the cell with .96 receive?

# %%
dfeatures, drois = roi_pool_backward(np.ones_like(crops), cache)
draw_gradient(dfeatures[0, :, :, 0], title="RoIPool: who receives a gradient").figure

# %% [markdown]
# It receives 2, and 61 of the 64 cells receive nothing. The gradient for the RoI does not exist:

# %%
print(drois)

# %% [markdown]
# A RoI acts only through its rounded edges. Move an edge by a hundredth of a pixel, and nothing changes; move it past
# the next half, and the crop jumps. The derivative is 0 almost everywhere and undefined elsewhere, so the honest
# answer is `None`. The public harness checks the rest (away from ties, where a maximum has no derivative either):

# %%
# no two values alike
distinct = rng.permutation(2 * 6 * 7 * 2).reshape(2, 6, 7, 2) / 10
boxes = np.array([[0.2, 0.9, 3.1, 4.3], [1.1, 0.1, 4.9, 2.7], [2.2, 1.3, 6.0, 4.8]])
owner = np.array([0, 1, 1])
settings = dict(
    image_index=owner, output_size=(2, 3), scale=1.0, zero_rows=("rois", "image_index")
)
no_boxes = dict(without_gradient=("rois",))
check_pair(
    roi_pool_forward, roi_pool_backward, [distinct, boxes], **settings, **no_boxes
)

# %% [markdown]
# ## RoIWarp: half of the repair
#
# RoIPool rounds twice: the RoI to whole cells, then the bins to whole cells. RoIWarp drops the second: it divides the
# rounded RoI evenly and *interpolates* inside. (It comes from MNC, Dai, He and Sun 2016. That its code still rounds the
# RoI is what the Mask R-CNN paper says of it, and what we build here.) Below, a RoI with crooked edges. The dashed bins
# are equal now, but they still belong to the rounded RoI, not to the one that was asked for.

# %%
crooked = (0.6, 2.3, 6.9, 7.4)
draw_pooling_grid(matrix, crooked, output_size=2, kind="warp", title="RoIWarp").figure

# %% [markdown]
# ## RoIAlign: no rounding at all
#
# RoIAlign (Mask R-CNN, 2017) keeps the RoI where it is, divides it evenly, and puts a few *sample points* into every
# bin. What is the value at a point that lies between cells?
#
# Along one axis, between a cell of value $a$ and the next of value $b$, with share $d$ of the way gone:
# $(1 - d)\, a + d\, b$. Along two axes, do it twice: first along the two rows, then between the results. With $d_x$ to
# the right and $d_y$ down from the upper left neighbour, and the neighbours top left, top right, bottom left and bottom
# right,
#
# $$v = (1-d_y)\big[(1-d_x)\,F_{tl} + d_x\,F_{tr}\big] + d_y\big[(1-d_x)\,F_{bl} + d_x\,F_{br}\big].$$
#
# Four pixels, four weights that sum to 1, and nothing jumps when the point moves. The loops count positions from the
# middle of pixel (0, 0), so that whole numbers are pixels; the first lines look after the border.

# %%
print(inspect.getsource(naive.bilinear))

# %% [markdown]
# A crop is the mean of such values over each bin. The 0.5 that is taken off leads from box coordinates, in which pixel
# 0 covers 0 to 1 and has its middle at 0.5, to the counting of `bilinear`; the section "Half a pixel" returns to it.

# %%
print(inspect.getsource(naive.roi_align))

# %% [markdown]
# Step through it (arrow keys work). The RoI is the one of the picture again; in continuous coordinates columns 0 to 6
# and rows 3 to 7 are the box `(0, 3, 7, 8)`.

# %%
roi_align_steps(matrix, (0, 3, 7, 8))

# %% [markdown]
# The array version, and the loops as its judge. `samples` is the number of points along each axis of a bin; `aligned`
# is half a pixel, of which more below.

# %%
box = np.array([[0.0, 3, 7, 8]])
for aligned in (True, False):
    for samples in (1, 2, 4):
        crops, _ = roi_align_forward(
            features, box, **data, samples=samples, aligned=aligned
        )
        defined = naive.roi_align(
            features, box, **data, samples=samples, aligned=aligned
        )
        np.testing.assert_allclose(crops, defined, rtol=1e-12)
        print(
            f"aligned={aligned!s:5}  samples={samples}  "
            f"{crops[0, :, :, 0].round(6).tolist()}"
        )

# %% [markdown]
# The same six results come out of torchvision's `roi_align`, to all six digits. More points change the numbers a
# little: with one point per bin a bin is a peephole, with 4 x 4 it is nearly the mean over its area. torchvision and
# this project use 2 x 2.
#
# `samples=0` is *adaptive*: as many points as a bin has pixels, rounded up. Bins of half a pixel get one point each:

# %%
counted = np.arange(25.0).reshape(1, 5, 5, 1)
small = np.array([[1.0, 1, 3, 3]])
crops, _ = roi_align_forward(
    counted, small, image_index=first, output_size=4, scale=1.0, samples=0
)
print(crops[0, :, :, 0])

# %% [markdown]
# Look at that crop: 2 x 2 pixels became 4 x 4 numbers, evenly spaced, `4.5 5 5.5 6`. You can read that "RoI pooling
# needs windows larger than its output". It does not: RoIAlign simply reads finer than the grid, and RoIPool lets its
# bins overlap.

# %%
draw_pooling_grid(
    counted[0], (1, 1, 3, 3), output_size=4, samples=1, title="2 x 2 to 4 x 4"
).figure

# %% [markdown]
# **Predict.** A map whose value is a plane, $F = 3x - 2y$ at the middle of each cell, is read by a crooked RoI. How
# far is each number of the crop from the plane's value at the middle of its bin?

# %%
middle = np.arange(8) + 0.5
plane = (3 * middle[None] - 2 * middle[:, None]).reshape(1, 8, 8, 1)
here, (x1, y1, x2, y2) = np.array([crooked]), crooked
crops, _ = roi_align_forward(plane, here, image_index=first, output_size=3, scale=1.0)
thirds = (np.arange(3) + 0.5) / 3
wanted = 3 * (x1 + thirds * (x2 - x1))[None] - 2 * (y1 + thirds * (y2 - y1))[:, None]
print("largest difference:", abs(crops[0, :, :, 0] - wanted).max())

# %% [markdown]
# Not at all: interpolation of a plane is the plane, and points that lie evenly around the middle of a bin have the
# middle as their mean. So a plane tells us *where an operator looks*. Let us use that as a measuring instrument.
#
# ## Four operators in your hand
#
# Here are all of them on the matrix, under one region that you drag: below each crop, how far its edges were moved by
# rounding, and how far from its true place the chosen bin is read. A fourth one is among them: PrRoIPool (IoU-Net,
# 2018), which takes the mean over the whole bin instead of a few points. And RoIWarp is the formula of its paper, one
# point at the first corner of each bin; the box beside it rounds the region first, as above.
#
# **Predict.** Move the region to the right by a quarter of a cell, four times. Which of the four crops change each
# time, and which only once?

# %%
touch.roi(matrix, (0.6, 2.3, 6.6, 7.4))

# %% [markdown]
# Whatever interpolates follows every step. RoIPool stays where it is and then jumps by a whole cell, 16 pixels when a
# cell is 16 pixels wide, and so does RoIWarp once its region is rounded.
#
# ## What rounding costs, measured
#
# A map of stride 16 holds, in every cell, the position of the middle of that cell in image pixels. A RoI of 96 x 16
# pixels slides to the right by 2 pixels, an eighth of a cell, at a time. Any operator that reads the map tells us the
# position of what it has read. (RoIPool tells us the right end of a bin, being a maximum, and minus the maximum of the
# negative map is the left end; their mean is the middle.)

# %%
stride = 16
ruler = ((np.arange(16) + 0.5) * stride * np.ones((2, 1))).reshape(1, 2, 16, 1)
slide = np.arange(1, 65, 2.0)  # image pixels
rois = np.stack([32 + slide, 0 * slide, 128 + slide, 0 * slide + 16], axis=1)
# (K, 7): where the middles of the bins are
asked = rois[:, :1] + (np.arange(7) + 0.5) / 7 * 96
look = dict(image_index=np.zeros(len(rois), int), output_size=(1, 7), scale=1 / stride)

# %%
right_ends, _ = roi_pool_forward(ruler, rois, **look)
left_ends, _ = roi_pool_forward(-ruler, rois, **look)  # minus the left ends
rounded = np.floor(rois / stride + 0.5) * stride  # RoIWarp: whole cells, then RoIAlign
read = {
    "RoIPool": (right_ends - left_ends)[:, 0, :, 0] / 2,
    "RoIWarp": roi_align_forward(ruler, rounded, **look)[0][:, 0, :, 0],
    "RoIAlign": roi_align_forward(ruler, rois, **look)[0][:, 0, :, 0],
}

# %%
looks = [(style.RED, ":"), (style.ORANGE, "--"), (style.BLUE, "-")]
ax = style.plain_axes(style.new_figure(8, 3.6).add_axes((0.1, 0.15, 0.87, 0.74)))
for (name, where), (color, line) in zip(read.items(), looks):
    thick = dict(color=color, linewidth=2.2, marker=".", label=name)
    ax.plot(slide, (where - asked)[:, 3], line, **thick)
ax.set_xlabel(
    "how far the RoI has moved (image pixels; a cell has 16)", fontsize=style.TEXT
)
ax.set_ylabel("error of place (image pixels)", fontsize=style.TEXT)
ax.set_title("where the middle bin is read, minus where it is", fontsize=style.TITLE)
ax.legend(fontsize=style.SMALL, ncols=3, loc="upper right", frameon=False)
ax.set_ylim(-10, 21)
ax.figure

# %%
for name, where in read.items():
    error = where - asked
    mean, size, spread = error.mean().round(9) + 0.0, abs(error).mean(), error.std()
    of_size = f"mean size {size:4.1f} px   spread {spread:4.1f} px"
    print(f"{name:8}  mean {mean:4.1f} px   {of_size}")

# %% [markdown]
# RoIAlign follows the RoI exactly. RoIWarp is right on average, but it stays where it is while the RoI moves on, and
# then jumps by a whole cell: 4 pixels wrong on average, nearly 8 just before and after a jump. RoIPool jumps too, and
# lies half a cell (8 px) to the right on top of that: it takes a continuous edge for a pixel number, and counts the
# last pixel in.
#
# Look at the *spread*. A constant error can be learned by the head that comes after. An error that depends on where
# the box happens to lie cannot. For telling a dog from a cat it matters little; for cutting the dog out, much: the
# Mask R-CNN paper reports +3.4 mask AP for RoIAlign on a map of stride 16, and +7.3 at stride 32.
#
# ## Half a pixel
#
# The value of cell $i$ sits in its *middle*, at $i + \tfrac12$ in continuous coordinates. So a continuous position
# $x$ lies at $x - \tfrac12$ when cells are counted by their middles, and that is what `aligned=True` computes. The
# first RoIAlign forgot it, and many networks still do (torchvision's detection models use `aligned=False`). Their
# points lie half a cell too far to the right and too far down:

# %%
figure = style.new_figure(9.4, 5.0)
for k, aligned in enumerate((True, False)):
    ax = figure.add_axes((0.05 + 0.49 * k, 0.12, 0.44, 0.8))
    look = dict(
        output_size=2, aligned=aligned, highlight=(1, 1), title=f"aligned={aligned}"
    )
    draw_pooling_grid(matrix, (0, 3, 7, 8), **look, ax=ax)
figure

# %% [markdown]
# On the right, the lower points leave the last row's middle at 7.5 behind them; there is nothing to interpolate with,
# so they read the border row alone. Half a cell is little on P2 (2 pixels) and much on P5 (16 pixels).
#
# ## RoIAlign is a sparse matrix
#
# Every number of a crop is a weighted sum of pixels, and the weights depend on the box, not on the pixels. So there is
# a matrix $A$, one row for each bin, one column for each pixel, with
#
# $$\mathrm{crops} = A\, F, \qquad F = \text{the pixels, one after another}.$$

# %%
shape = dict(image_index=first, feature_shape=(1, 8, 8), output_size=2, scale=1.0)
A = interpolation_matrix(np.array([[0.0, 3, 7, 8]]), **shape)
interpolation_matrix_figure(A, matrix, row=1)

# %% [markdown]
# **Predict.** What is the sum of each row of $A$? What would it be for the RoI from $x = 4$ to 11 on this map of 8
# columns, where some of the points lie far outside?

# %%
beyond = interpolation_matrix(np.array([[4.0, 3, 11, 8]]), **shape)
print("inside:      ", np.ravel(A.sum(axis=1)))
print("sticking out:", np.ravel(beyond.sum(axis=1)))

# %% [markdown]
# Inside, 1: a mean of means. Outside, less: a point more than half a cell beyond the border (a whole one beyond the
# middle of the last pixel) reads 0. Nearer ones read the border pixel.
#
# **The gradient for the features** needs no new idea. From $\mathrm{crops} = A F$ follows
#
# $$\frac{\partial L}{\partial F} = A^\top\, \frac{\partial L}{\partial \mathrm{crops}}:$$
#
# a pixel collects from every bin that read it, as much as it gave. In loops, for one pixel: go down its column of $A$.

# %%
crops, cache = roi_align_forward(features, box, **data)
dcrops = np.array([1.0, 2, 3, 4]).reshape(1, 2, 2, 1)
dfeatures, _ = roi_align_backward(dcrops, cache)
column = A.toarray()[:, 5 * 8 + 3]  # how much pixel (5, 3) gave to each bin
by_hand = sum(weight * d for weight, d in zip(column, (1, 2, 3, 4)))
print(
    "gave", column.round(4), "  receives", round(by_hand, 4), "=",
    dfeatures[0, 5, 3, 0].round(4),
)

# %%
draw_gradient(dfeatures[0, :, :, 0], title="the bins send 1, 2, 3, 4").figure

# %% [markdown]
# Compare it with RoIPool's picture above: nobody inside is left out, and pixel (5, 3), which all four bins read,
# collects from all four. Nothing is lost either: rows of $A$ sum to 1, so 1 + 2 + 3 + 4 went out and 10 arrive.

# %%
np.testing.assert_allclose(dfeatures.sum(), 10)
values = rng.normal(size=(2, 6, 7, 2))
check_pair(
    roi_align_forward, roi_align_backward, [values, boxes], **settings, **no_boxes
)

# %% [markdown]
# **What is kept for backward.** RoIPool must remember, for each bin *and each channel*, which pixel won. RoIAlign
# remembers $A$, which is the same for all channels. 64 RoIs on a map with 128 channels, in bytes:

# %%
wide = rng.random((1, 32, 32, 128), np.float32)
corner = rng.uniform(0, 60, (64, 2))
many = np.concatenate([corner, corner + rng.uniform(20, 60, (64, 2))], axis=1)
many = many.astype(np.float32)
look = dict(image_index=np.zeros(64, int), output_size=7, scale=0.25)
crops, c_align = roi_align_forward.readable(wide, many, **look)  # not its fast twin
_, c_pool = roi_pool_forward(wide, many, **look)
print(f"the crops     {crops.nbytes:9,}")
print(f"RoIPool keeps {cache_bytes(c_pool):9,}")
print(f"RoIAlign keeps{cache_bytes(c_align):9,}")

# %% [markdown]
# ## The gradient for the box
#
# "Where is $\partial(\text{crop}) / \partial(\text{box})$?" is asked again and again: of
# [faster-rcnn.pytorch](https://github.com/jwyang/faster-rcnn.pytorch/issues/237), of
# [pytorch-mask-rcnn](https://github.com/multimodallearning/pytorch-mask-rcnn/issues/5), of
# [Sparse R-CNN](https://github.com/PeizeSun/SparseR-CNN/issues/27). It exists; they leave it out. (The paper behind
# RoIWarp, [MNC](https://arxiv.org/abs/1512.04412), already trained with such a gradient.) Follow one point along the
# $x$ axis. It lies at a share $t$ of the RoI's width, and when cells are counted by their middles its position is
#
# $$p = s\,\big(x_1 + t\,(x_2 - x_1)\big) - \tfrac12, \qquad
# \frac{\partial p}{\partial x_1} = s\,(1 - t), \qquad \frac{\partial p}{\partial x_2} = s\,t,$$
#
# where $s$ is the scale of the map (1 / stride). A point near the left edge moves with the left edge, one near the
# right edge with the right. And when the point moves, its bilinear value follows the slope between its neighbours:
#
# $$\frac{\partial v}{\partial p} = (1-d_y)\,(F_{tr} - F_{tl}) + d_y\,(F_{br} - F_{bl}).$$
#
# Chain rule, with $n$ points in a bin:
#
# $$\frac{\partial L}{\partial x_1} = \sum_{i,j} \frac{\partial L}{\partial \mathrm{crop}_{ij}}\;
# \frac1n \sum_{\text{points of bin } (i,j)} s\,(1 - t)\,\frac{\partial v}{\partial p},$$
#
# and the same with $t$ for $x_2$, and along the other axis for $y_1$ and $y_2$. Only where a point crosses the middle
# of a cell does the value have a kink: its slope jumps, and the derivative has two answers.
#
# **Predict.** A map whose value is its $x$ position, a RoI cut into 2 x 2 bins, and a loss that is the sum of the
# crop. What are the four numbers of $\partial L / \partial \mathrm{box}$?

# %%
slope = np.tile(middle, (8, 1)).reshape(1, 8, 8, 1)
_, cache = roi_align_forward(slope, here, **data, box_gradient=True)
_, dbox = roi_align_backward(np.ones((1, 2, 2, 1)), cache)
print(dbox.round(6) + 0.0)

# %% [markdown]
# Moving both vertical edges by 1 moves all four bins by 1, which is 4 in all; each edge has half of it. The horizontal
# edges change nothing.
#
# Now the matrix, and a loss in which every bin counts differently. Move one edge by $\varepsilon$ and compare:

# %%
_, cache = roi_align_forward(features, here, **data, box_gradient=True)
_, dbox = roi_align_backward(dcrops, cache)
for name, step, computed in zip(("x1", "y1", "x2", "y2"), 1e-4 * np.eye(4), dbox[0]):
    after, before = (
        roi_align_forward(features, here + sign * step, **data)[0] for sign in (1, -1)
    )
    measured = ((after - before) * dcrops).sum() / 2e-4
    print(f"{name}: moved and measured {measured:8.5f}   computed {computed:8.5f}")

# %% [markdown]
# The harness, this time with no exception for the RoIs:

# %%
settings |= dict(box_gradient=True)
check_pair(roi_align_forward, roi_align_backward, [values, boxes], **settings)

# %% [markdown]
# ## A box climbs onto a digit
#
# A gradient is there to be followed. The features are the scene at stride 4 (each cell the mean of 4 x 4 pixels). The
# crop of the true box of the digit at the lower left is the target; the loss is the squared difference between the
# crop of *our* box and that target. Our box starts too high, too far right and too small. Nothing but
# $\partial L / \partial \mathrm{box}$ moves it.

# %%
device = "cpu"  # "cuda" with CuPy and a GPU
picture = to_device(image.astype(np.float64)[None], device)
map4, _ = avg_pool2d_forward(picture, kernel=4, stride=4)  # (1, 32, 32, 1)
goal = truth.boxes[1:2].astype(np.float64)
cut = dict(image_index=to_device(first, device), output_size=7, scale=0.25)
target, _ = roi_align_forward(map4, to_device(goal, device), **cut)

# %%
path, losses, answer = [], [], target.reshape(1, 49)
moving = to_device(goal + np.array([[11.0, -12.0, 4.0, -16.0]]), device)
for _ in range(41):
    crop, c_crop = roi_align_forward(map4, moving, **cut, box_gradient=True)
    loss, c_loss = squared_error_forward(
        crop.reshape(1, 49), target=answer, normalizer=1.0
    )
    dcrop = squared_error_backward(1.0, c_loss).reshape(crop.shape)
    _, dmoving = roi_align_backward(dcrop, c_crop)
    path, losses = [*path, (to_host(moving), to_host(crop)[0])], [*losses, float(loss)]
    moving = moving - 4.0 * dmoving


# %%
PLACES = (0.02, 0.03, 0.62, 0.94), (0.7, 0.53, 0.27, 0.39), (0.7, 0.03, 0.27, 0.39)
COLORS = [style.GREEN, style.RED]


def draw_climb(step):
    figure = style.new_figure(5.6, 3.7)
    left, *right = (figure.add_axes(place) for place in PLACES)
    both = np.concatenate([goal, path[step][0]]) - np.array([0, 64, 0, 64])
    draw_image(image[64:, :64], ax=left)
    draw_boxes(both, ax=left, colors=COLORS, linestyles=["--", "-"])
    crops = path[step][1], to_host(target)[0]
    for ax, title, crop in zip(right, ("crop", "target"), crops):
        draw_feature_map(crop, ax=ax, title=title, cmap="gray", vmin=0, vmax=1)
    return figure


# %%
shown = [*range(0, 21, 2), 25, 30, 40]
said = [
    f"After {k} steps, loss {losses[k]:.4f}. Solid: our box. Dashed: the goal."
    for k in shown
]
Steps(
    [draw_climb(k) for k in shown], said,
    title="Gradient descent on the four edges of a box",
)

# %%
assert losses[-1] < 1e-3 * losses[0]
print("goal", goal[0], "  reached", path[-1][0][0].round(2))

# %% [markdown]
# **Predict.** And a box that starts on empty ground, in the upper left corner of the scene? Its crop is all 0 and its
# loss is large.

# %%
lost = to_device(np.array([[2.0, 2, 30, 30]]), device)
crop, c_crop = roi_align_forward(map4, lost, **cut, box_gradient=True)
_, dlost = roi_align_backward(2 * (crop - target), c_crop)
print(
    f"loss {float(((crop - target) ** 2).sum()):.1f}, gradient for the box",
    to_host(dlost)[0],
)

# %% [markdown]
# It never leaves: where the map is flat, moving an edge changes nothing, however wrong the crop is. The gradient for
# the box sees only as far as its own sample points. It polishes a proposal; it does not search for one.
#
# Following this gradient is what the *exact* (or "non-approximate") *joint training* of Faster R-CNN means: the losses
# of the heads also pull at the proposals, through the box gradient, on through the decoding of the deltas into the RPN.
# The usual, *approximate* joint training treats proposals as data, and `roi_align_backward` therefore returns `None`
# for the RoIs unless `box_gradient=True`. That is the whole difference, one line. With RoIPool there is nothing to
# switch on. `models/exact_joint.py` goes the whole way: `tinymaskrcnn train --set model.box_gradient=features`.
#
# ## On which level?
#
# In a feature pyramid every RoI is cut from one level, by its size:
# $k = \lfloor k_0 + \log_2(\sqrt{wh} / c) \rfloor$, where $c$ is the side that belongs to level $k_0$. Here is our
# digit (29 x 44 pixels) on four levels: the grid is always 7 x 7, the cells are 4 to 32 pixels. (The maps are means of
# the image, so that you can recognise what is in them.)

# %%
strides = (4, 8, 16, 32)
whole = image.astype(np.float64)[None]
pyramid = [avg_pool2d_forward(whole, kernel=s, stride=s)[0] for s in strides]

# %%
figure = style.new_figure(9.4, 4.6)
for k, (s, level) in enumerate(zip(strides, pyramid)):
    above = figure.add_axes((0.04 + 0.245 * k, 0.47, 0.2, 0.45))
    below = figure.add_axes((0.04 + 0.245 * k, 0.02, 0.2, 0.33))
    look = dict(image=image, window=(0, 64, 64, 128), samples=1, ax=above)
    look |= dict(bins=False, legend=False)
    look |= dict(title=f"P{k + 2}: cells of {s} px", output_size=7, scale=1 / s)
    draw_pooling_grid(level[0], goal[0], **look)
    crop, _ = roi_align_forward(
        level, goal, image_index=first, output_size=7, scale=1 / s
    )
    draw_feature_map(crop[0], ax=below, title="crop", cmap="gray")
figure

# %% [markdown]
# (A dot is the middle of a bin; each crop has its own greys.) On P2 and P3 you can read the 0. On P4 the hole is
# smeared, and on P5 the digit is one cell and a bit: 49 numbers are spun out of a handful of pixels. Too fine is wrong
# as well, for large RoIs: along an axis the 2 points of a bin read at most 4 cells, so bins of more than 4 cells have
# gaps that nobody looks at.

# %%
on_p2 = dict(image_index=first, feature_shape=(1, 32, 32), output_size=7, scale=0.25)
for cells in (14, 28, 32):
    reads = interpolation_matrix(np.array([[0.0, 0, 4 * cells, 4 * cells]]), **on_p2)
    seen = reads.getnnz(axis=0).reshape(32, 32)[:cells, :cells] > 0
    print(
        f"RoI of {4 * cells:3} px: bins of {cells / 7:.1f} cells, "
        f"{seen.mean():4.0%} of the cells are read"
    )

# %% [markdown]
# The paper's rule sends a side of 224 pixels to P4 (stride 16), so bins have 2 to 4 cells, on every level but for what
# is too small for the lowest or too large for the highest: exactly what two points per axis can see. (Round down, as
# the formula says. Some code rounds to the nearest level, and then a RoI of 160 pixels is cut from P4 instead of P3.)
# But the rule is for photographs. At the size of our digits it sends everything to P2:

# %%
limits = dict(lowest=2, highest=5)
print("size in pixels: ", sizes)
for size, k0 in ((224.0, 4), (28.0, 3)):
    levels = assign_levels(
        truth.boxes, canonical_size=size, canonical_level=k0, **limits
    )
    print(f"with {size:3.0f} px = P{k0}:", [f"P{k}" for k in levels])

# %% [markdown]
# ## What can go wrong
#
# **Half a pixel, seen in masks.** What the mask head should predict is the object's mask, cut out by RoIAlign (lesson
# 07). Cut the four masks out with `aligned=False`, paste them back where they came from, and compare with the
# originals. No network is involved, so any loss is the operator's.
#
# **Predict.** The strokes of these digits are mostly 3 to 8 pixels wide. How much of the IoU does half a pixel cost?

# %%
masks, everyone, whole, pasted = truth.masks, np.arange(4), np.array([[128, 128]]), {}
for aligned in (True, False):
    cut_out = mask_targets(
        masks[None], truth.boxes, everyone, sizes=whole, size=28, aligned=aligned
    )
    pasted[aligned] = paste_masks(cut_out, truth.boxes, height=128, width=128)
    both, either = pasted[aligned] & masks, pasted[aligned] | masks
    iou = both.sum(axis=(1, 2)) / either.sum(axis=(1, 2))
    print(f"aligned={aligned!s:5}  IoU with the originals", iou.round(2))

# %%
figure, edge = style.new_figure(7.4, 4.6), np.arange(128) + 0.5
for k, aligned in enumerate((True, False)):
    ax = figure.add_axes((0.03 + 0.49 * k, 0.04, 0.45, 0.86))
    change = masks[1].astype(float) - pasted[aligned][1]
    draw_feature_map(
        change, ax=ax, cmap="PuOr", vmin=-1.4, vmax=1.4, title=f"aligned={aligned}"
    )
    ax.contour(edge, edge, masks[1], levels=[0.5], colors=[style.GREY], linewidths=1)
    ax.set(xlim=(10, 50), ylim=(125, 73))
figure

# %% [markdown]
# Purple: the mask lost it; orange: it was added; the grey line is the original. Everything moved up and to the left,
# and 15 to 23 % of the IoU is gone. And this was half a pixel of the *image*. On a feature map it is half a
# cell (this time the 2):


# %%
def height_of_ink(crop, box):
    bins = np.arange(len(crop)) + 0.5  # where the middles of the rows are
    return crop.sum(axis=1) @ bins / crop.sum() * (box[3] - box[1]) / len(crop)


# %%
ink = masks[3][None, :, :, None].astype(np.float64)
two = truth.boxes[3:4].astype(np.float64)
for s in (4, 8):
    cells, _ = avg_pool2d_forward(ink, kernel=s, stride=s)
    # with a margin, so that nothing is cut off
    around = two + 2 * np.array([-s, -s, s, s])
    look = dict(image_index=first, output_size=28, scale=1 / s)
    crops = [
        roi_align_forward(cells, around, **look, aligned=a)[0][0, :, :, 0]
        for a in (True, False)
    ]
    right, wrong = (height_of_ink(crop, around[0]) for crop in crops)
    print(f"stride {s}: the crop shows the digit {right - wrong:.1f} px too high")

# %% [markdown]
# **Predict.** Does `check_pair` notice?

# %%
check_pair(
    roi_align_forward, roi_align_backward, [values, boxes], **settings, aligned=False
)

# %% [markdown]
# It does not, and it cannot: the backward is the right mirror of a forward that looks in the wrong place. The harness
# proves that two functions belong together, not that the first one is what you meant. For that you need a value you
# know (the plane above) or a picture.
#
# **$y$ before $x$.** Some implementations write boxes as $y_1, x_1, y_2, x_2$, others as $x_1, y_1, x_2, y_2$. Mix
# them in the gradient of the box, and every shape still fits. This one the harness does see:


# %%
def wrong_backward(dcrops, cache):
    dfeatures, dbox = roi_align_backward(dcrops, cache)
    return dfeatures, dbox[:, [1, 0, 3, 2]]


try:
    check_pair(roi_align_forward, wrong_backward, [values, boxes], **settings)
except CheckFailed as failed:
    print(failed)

# %% [markdown]
# Back to the half pixel. A head can learn to live with a constant shift, and torchvision's models do. What it cannot
# survive is a *mixture*: features cut with one convention and mask targets with the other, or weights trained with one
# and run with the other. If masks come out shifted by half a cell, look here first.
#
# ## Exercises
#
# The blanks are in the file of homework 4 (`tinymaskrcnn homework release hw04 --out mine`).
#
# 1. `hw04.roi_pool_bins`: where the bins of RoIPool begin and end, in integers, for RoIs that stick out, too. Check
#    with `tinymaskrcnn homework check mine/hw04.py --only hw04.roi_pool_bins`. (Its mirror, hw04.roi_pool_backward,
#    waits in the same file.)
# 2. `hw04.roi_align_points`: where the sample points of RoIAlign lie, with and without alignment, fixed and adaptive.
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.roi_align_points`
# 3. `hw04.roi_align_backward`: one sparse matrix, the other way round.
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.roi_align_backward`
#
# ## What you have seen
#
# - RoIPool's bins overlap; the picture with disjoint bins shows another operator.
# - Rounding a RoI costs 4 pixels on average at stride 16, and the error cannot be learned away because it jumps.
# - RoIAlign is bilinear reading at points that follow the box: exact on planes, and a sparse matrix $A$; backward is
#   its transpose.
# - The gradient for the box exists, and a box can be trained with it.
# - Half a pixel costs these masks 15 to 23 % of their IoU, and the gradient check cannot see it.
#
# Next: [07. Mask R-CNN from its parts](07_mask_rcnn_from_its_parts.ipynb), where these crops feed three heads.
