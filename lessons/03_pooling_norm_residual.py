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
# # 03. Pooling, normalisation and the residual block
#
# Convolutions alone do not make a deep network. Three more parts do: **pooling**, which makes maps smaller, **batch
# normalisation**, which keeps numbers in a range where learning works, and the **residual connection**, which lets a
# gradient pass twenty or a hundred layers.
#
# You will see windows slide and gradients find their way back, watch a channel being normalised, and at the end train
# two networks of 20 layers side by side that differ in nothing but one sum. You need lessons 01 and 02; about 60
# minutes.

# %%
import inspect
import os

import numpy as np

from tinymaskrcnn.data import digits
from tinymaskrcnn.models.backbones.resnet import ResidualBlock, basic_block
from tinymaskrcnn.models.blocks import conv_block
from tinymaskrcnn.nn import Sequential
from tinymaskrcnn.nn.layers import BatchNorm2d, Conv2d, Linear, ReLU
from tinymaskrcnn.nn.module import Identity
from tinymaskrcnn.nn.more_layers import GlobalAvgPool2d
from tinymaskrcnn.ops import average_pool, more_norms, naive, norm, pool
from tinymaskrcnn.ops.losses import (
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from tinymaskrcnn.testing import (
    CheckFailed,
    cache_bytes,
    cache_table,
    check_layer,
    check_pair,
)
from tinymaskrcnn.train.optimizer import SGD
from tinymaskrcnn.visualize import (
    arrays_figure,
    draw_bars,
    draw_histogram,
    draw_lines,
    pool_gradient_steps,
    pool_steps,
    style,
)

# for a quick run: fewer training steps
fast = os.environ.get("TINYMASKRCNN_FAST", "0") not in ("", "0")
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Max pooling
#
# **Intuition.** A feature map says at every pixel how strongly something is there, an edge, a corner. Often it is
# enough to know that it was there *somewhere near*. Max pooling looks at a window and keeps the largest value. With
# windows of 2×2 side by side the map becomes half as high and half as wide, and the next convolution sees twice as
# far.
#
# $$y_{pq} = \max_{0 \le i, j < k} x_{ps + i,\; qs + j}$$
#
# $k$ is the *kernel*, the side of the window, and $s$ the *stride*, how far it moves. There are no weights. Each
# channel is pooled by itself. In loops (`_window` lists the numbers below one window, with `None` where it hangs over
# the border):

# %%
print(inspect.getsource(naive._pool))
print(inspect.getsource(naive.max_pool2d))

# %% [markdown]
# Step through a small picture, with a window of 3 and a stride of 2. The window is outlined in red, the pixel that
# wins in green.

# %%
rows = "1 5 2 0 1 3 0 2 6; 3 2 4 9 1 2 4 1 0; 4 0 7 3 2 5 1 3 2; 1 2 2 1 8 0 3 2 4; "
rows += "5 6 3 8 5 1 2 9 3; 2 1 0 4 3 6 1 0 2; 0 3 1 2 7 2 5 4 1"
small = np.array([row.split() for row in rows.split(";")], int)
pool_steps(small, kernel=3, stride=2, title="Max pooling, kernel 3, stride 2")

# %% [markdown]
# Two things to notice. The windows **overlap**, because they move by less than their size, and the 7 in the third row
# wins two of them. And in the sixth window two pixels hold an 8: the rule is that the first one, row by row, wins.
#
# The array version must agree with the loops. It works on a batch with channels, $(N, H, W, C)$:

# %%
batch = rng.standard_normal((2, 7, 8, 3))
y, cache = pool.max_pool2d_forward(batch, kernel=3, stride=2)
np.testing.assert_allclose(y, naive.max_pool2d(batch, kernel=(3, 3), stride=(2, 2)))
print(batch.shape, "->", y.shape)

# %% [markdown]
# **Predict.** $H = 7$ became 3 and $W = 8$ became 3 as well. Where did the eighth column go?
#
# <details><summary>Answer</summary>
#
# The size is $\lfloor (W - k) / s \rfloor + 1 = \lfloor 5 / 2 \rfloor + 1 = 3$. A fourth window would need columns 6
# to 8, and there is no column 8. The last column is in no window, and its gradient is zero. It is the story of "Why
# the stride must divide" in [lesson 02](02_convolution.ipynb).
#
# </details>
#
# **The gradient.** Wiggle a pixel that is not the largest of its window: nothing happens. Wiggle the winner: $y$
# moves by the same amount. So the derivative is 1 for the winner and 0 for everybody else, and the gradient of a
# window goes back to *one* pixel. A pixel in several windows adds up what it gets from those that it wins:
#
# $$\mathrm{d}x_{ab} = \sum_{p,q} \mathrm{d}y_{pq}\, \bigl[\,(a, b) \text{ won window } (p, q)\,\bigr]$$

# %%
title = "The way back: each dy goes to the pixel that won"
sent = [[1, 2, -1, 2], [3, -4, 1, 1], [2, 1, -3, 1]]
pool_gradient_steps(small, sent, kernel=3, stride=2, title=title)

# %%
check_pair(
    pool.max_pool2d_forward, pool.max_pool2d_backward, [batch], kernel=3, stride=2
)

# %% [markdown]
# **Ties.** What is the slope of $\max(a, b)$ where $a = b$? Raise $a$ by a little and the maximum follows; lower it
# and nothing happens, because $b$ is still there. The slope is 1 on one side and 0 on the other: there is no
# derivative. Any choice between the two is allowed, and somebody must choose. Here the first pixel takes all.
#
# **Predict.** What do *central* differences say at a tie, and so: does the harness accept the package's backward on a
# picture of equal pixels?

# %%
try:
    check_pair(
        pool.max_pool2d_forward, pool.max_pool2d_backward, [np.ones((1, 2, 2, 1))],
        kernel=2,
    )
except CheckFailed as failure:
    print(failure)

# %% [markdown]
# All four pixels are the winner from above and none is from below, so differences give
# $\tfrac{1}{2}(1 + 0)\,\mathrm{d}y$ for *each* of them, where the package gives all of $\mathrm{d}y$ to the first.
# Neither is wrong: at a kink differences and gradients need not agree. So gradient checks draw random numbers, where
# ties do not happen. (In networks they do: behind a ReLU whole windows are zero.)
#
# **What is kept.** Backward must know who won. The package keeps `x` and `y` and finds the winners again:

# %%
print(cache_table(cache))

# %% [markdown]
# In a network these two arrays are there anyway, as the outputs of the layers before and after; `cache_table` counts
# what the cache keeps alive.
#
# ## 2. Average pooling
#
# The mean instead of the maximum. It is linear, so the derivative does not depend on `x`: each of the $k^2$ pixels
# gets the same share of its window's gradient. Where windows overlap, shares add up.

# %%
title = "Average pooling: equal shares"
sent = [[9, 18, -9, 0], [9, -9, 18, 9], [0, 9, 9, -18]]
pool_gradient_steps(small, sent, kernel=3, stride=2, kind="average", title=title)

# %%
y, cache = average_pool.avg_pool2d_forward(batch, kernel=3, stride=2)
np.testing.assert_allclose(y, naive.avg_pool2d(batch, kernel=(3, 3), stride=(2, 2)))
print(
    check_pair(
        average_pool.avg_pool2d_forward, average_pool.avg_pool2d_backward, [batch],
        kernel=3, stride=2,
    )
)
print("bytes kept for backward:", cache_bytes(cache))

# %% [markdown]
# Nothing is kept but the shape of `x`: a linear operator without weights needs to remember nothing. Look at a real
# picture under both, and at the same picture moved by one pixel:

# %%
bank = digits.load()
three = np.pad(bank.images[3], ((0, 0), (1, 1)))[None, :, :, None].astype(float)
moved = np.roll(three, 1, axis=2)
shown = {"a 3": three, "max": pool.max_pool2d_forward(three, kernel=2)[0]}
shown |= {"mean": average_pool.avg_pool2d_forward(three, kernel=2)[0]}
shown |= {"moved by 1": moved, "max of it": pool.max_pool2d_forward(moved, kernel=2)[0]}

# %%
gray = {"cmap": "gray", "fmt": "", "vmin": 0, "vmax": 16}
arrays_figure(
    {name: a[0, :, :, 0] for name, a in shown.items()},
    looks={name: gray for name in shown},
)

# %% [markdown]
# The maximum keeps strokes bright where the mean makes them pale. Both have half the size. It is often said that
# pooling makes a network indifferent to small shifts; compare the two "max" pictures: they are similar, not equal.
# For *where* something is, that matters, and lesson 06 comes back to it.
#
# `GlobalAvgPool2d` is the same with one window over the whole map: (N, H, W, C) becomes (N, C). It stands between the
# last feature map and the classifier.
#
# ## 3. Batch normalisation
#
# **Intuition.** A layer learns from what the layers below send it. When they change, its input shifts and stretches,
# and it must learn again. After many layers numbers may also have grown or faded by factors. Batch normalisation
# takes every *channel*, over all pixels of all pictures of the batch, subtracts the mean and divides by the standard
# deviation. Then a learned `weight` $\gamma$ and `bias` $\beta$ set the range that the next layer gets. (The first of
# these reasons is its inventors'; how much of the benefit it explains is disputed. The second you will measure.)
#
# $$\mu = \frac{1}{M}\sum_m x_m, \qquad \sigma^2 = \frac{1}{M}\sum_m (x_m - \mu)^2, \qquad
# \hat{x}_m = \frac{x_m - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y_m = \gamma\,\hat{x}_m + \beta$$
#
# where $m$ runs over the $M = N \cdot H \cdot W$ numbers of one channel, and a small $\epsilon$ saves channels
# without variance.

# %%
print(inspect.getsource(naive._normalise))
print(inspect.getsource(naive.batch_norm2d))

# %%
x = rng.standard_normal((8, 6, 6, 3)) * [1.0, 3.0, 0.4] + [0.0, 4.0, -2.0]
weight, bias = np.ones(3), np.zeros(3)
y, cache = norm.batch_norm2d_forward(x, weight, bias)
np.testing.assert_allclose(y, naive.batch_norm2d(x, weight, bias, eps=1e-5))

# %%
figure = style.new_figure(9, 3.2)
left, right = figure.subplots(1, 2)
for ax, array, title in ((left, x, "before"), (right, y, "after: mean 0, deviation 1")):
    channels = {f"channel {c}": array[..., c] for c in range(3)}
    draw_histogram(channels, ax=ax, title=title, xlabel="value", bins=40)
figure.tight_layout()
figure

# %% [markdown]
# **Predict.** Somebody adds 100 to every pixel of channel 0, or multiplies the channel by 7. What happens to $y$?

# %%
shifted, stretched = x.copy(), x.copy()
shifted[..., 0] += 100
stretched[..., 0] *= 7
for changed in (shifted, stretched):
    other, _ = norm.batch_norm2d_forward(changed, weight, bias)
    print(f"largest change of y: {abs(other - y).max():.0e}")

# %% [markdown]
# Nothing, but for $\epsilon$ and rounding: the shift is subtracted, the stretch divided out. This has a consequence
# for the design: a convolution in front of a batch norm needs **no bias**; whatever it adds would be subtracted at
# once. And it has a consequence for the gradient.
#
# **The gradient.** If shifting a channel cannot change $y$, it cannot change the loss. So the gradients of a
# channel's pixels must sum to zero. If stretching cannot change $y$, they must also be at right angles to $\hat x$.
# Now derive it. Write $\mathrm{d}\hat{x}_m = \gamma\,\mathrm{d}y_m$. A pixel $x_m$ reaches the loss on three paths:
# directly, through $\mu$, and through $\sigma$. Summed up:
#
# $$\mathrm{d}x_m = \frac{1}{\sqrt{\sigma^2 + \epsilon}}\Bigl(\mathrm{d}\hat{x}_m
# {} - \underbrace{\tfrac{1}{M}\textstyle\sum_j \mathrm{d}\hat{x}_j}_{\text{through } \mu}
# {} - \hat{x}_m\, \underbrace{\tfrac{1}{M}\textstyle\sum_j \mathrm{d}\hat{x}_j\,\hat{x}_j}_{\text{through } \sigma}
# \Bigr)$$
#
# <details><summary>The three paths, line by line</summary>
#
# Write $s = \sqrt{\sigma^2 + \epsilon}$, so that $\hat{x}_j = (x_j - \mu) / s$. Through the variance:
#
# $$\mathrm{d}\sigma^2 = \sum_j \mathrm{d}\hat{x}_j\,(x_j - \mu) \cdot \bigl(-\tfrac{1}{2}\bigr)\, s^{-3}
# = -\frac{1}{2 s^2} \sum_j \mathrm{d}\hat{x}_j\, \hat{x}_j.$$
#
# Through the mean, $\mathrm{d}\mu = -\frac{1}{s} \sum_j \mathrm{d}\hat{x}_j$. (The mean also stands in $\sigma^2$, but
# that path carries $\sum_j (x_j - \mu) = 0$.) A pixel $x_m$ has a share of $\frac{1}{M}$ in $\mu$ and of
# $\frac{2}{M}(x_m - \mu)$ in $\sigma^2$:
#
# $$\mathrm{d}x_m = \frac{\mathrm{d}\hat{x}_m}{s} + \frac{1}{M}\,\mathrm{d}\mu
# {} + \frac{2}{M}(x_m - \mu)\,\mathrm{d}\sigma^2,$$
#
# and with $x_m - \mu = s\,\hat{x}_m$ this is the line above.
#
# </details>
#
# Read it as an order: take the mean out of the gradient, then take the part along $\hat{x}$ out. Exactly the shift
# and the stretch are removed. And for the two parameters, as in a linear layer:
# $\mathrm{d}\gamma = \sum_m \mathrm{d}y_m \hat{x}_m$ and $\mathrm{d}\beta = \sum_m \mathrm{d}y_m$.

# %%
dy = rng.standard_normal(x.shape) + 0.5 + 0.8 * y
dx, dweight, dbias = norm.batch_norm2d_backward(dy, cache)
print("channel                 0         1         2")
for name, gradient in (("dy", dy), ("dx", dx)):
    rows = {"       ": gradient, " * xhat": gradient * y}
    for by, values in rows.items():
        print(
            f"mean of {name}{by}",
            "  ".join(f"{v:8.4f}" for v in values.mean(axis=(0, 1, 2))),
        )

# %% [markdown]
# `dy` was made with a mean of 0.5 and a part 0.8 along $\hat{x}$; in `dx` both are gone (the last 0.0001 is
# $\epsilon$, which the small channel 2 feels most). The harness:

# %%
inputs = [rng.standard_normal(shape) for shape in ((3, 4, 4, 2), 2, 2)]
check_pair(norm.batch_norm2d_forward, norm.batch_norm2d_backward, inputs)

# %%
print(cache_table(cache))

# %% [markdown]
# One array of the size of `x` is kept, the centred values, and two small ones. For a linear or convolution layer the
# same array would be kept: `x` itself.
#
# ## 4. Training and inference
#
# In training a picture's result depends on **the other pictures of the batch**, through $\mu$ and $\sigma$. A
# detector that finds other objects when another photo is in the batch would be of no use. So in training the layer
# also keeps *running statistics*, an average over the batches that it has seen,
#
# $$\text{running} \leftarrow 0.9\,\text{running} + 0.1\,\text{batch},$$
#
# and inference uses these, as constants. They are the one exception to the rule that a forward changes nothing on its
# layer.

# %%
layer = BatchNorm2d(1)
means, deviations = [], []
for _ in range(60):
    layer.forward((4 + 3 * rng.standard_normal((4, 4, 4, 1))).astype(np.float32))
    means.append(layer.running_mean.value[0])
    deviations.append(np.sqrt(layer.running_var.value[0]))

# %%
curves = {"running mean (true 4)": means, "running deviation (true 3)": deviations}
title = "Running statistics need some batches to arrive"
ax = draw_lines(curves, title=title, xlabel="batch", ylabel="value")
ax.figure

# %% [markdown]
# They start at 0 and 1 and need about 30 batches. Before that, inference with them is wrong, and after a change of
# the weights below they lag behind. Now put the *same picture* into two different batches:

# %%
picture = rng.standard_normal((1, 4, 4, 1)).astype(np.float32) * 3 + 4
dark, bright = picture * 0 + 1, picture * 0 + 9
for mode in ("training", "inference"):
    layer.train(mode == "training")
    results = (
        layer.forward(np.concatenate([picture, other]))[0] for other in (dark, bright)
    )
    beside = [y[0, 0, 0, 0] for y in results]
    print(
        f"{mode:9}: one pixel beside a dark picture {beside[0]:.3f}, "
        f"beside a bright one {beside[1]:.3f}"
    )

# %% [markdown]
# **Predict.** The map is 1×1, one number per picture and channel (as at the end of a small network). What does batch
# norm in training make of a batch of *one* picture? And of *two*?

# %%
layer = BatchNorm2d(4)
one = rng.standard_normal((1, 1, 1, 4)).astype(np.float32)
two = rng.standard_normal((2, 1, 1, 4)).astype(np.float32)
print("one picture: ", layer.forward(one)[0].round(3).ravel())
print("two pictures:", *layer.forward(two)[0].round(3).reshape(2, 4), sep="\n  ")

# %% [markdown]
# One number minus its own mean is 0: everything that the network computed is gone, and no gradient comes back. Two
# numbers become +1 and −1, whatever they were (0.999 is $\epsilon$ again): only the order is left. With more pixels it
# is less drastic, but a mean over few pictures is a noisy mean:

# %%
sizes = [1, 2, 4, 8, 16, 32, 64]
# pixels of one picture are alike
level = rng.normal(size=(2000, 1)) + 0.3 * rng.normal(size=(2000, 49))
noise = [np.std([level[rng.choice(2000, n)].mean() for _ in range(300)]) for n in sizes]
title = "How much the mean of a batch wavers (simulated)"
named = {"xlabel": "pictures in the batch", "ylabel": "deviation of the mean"}
ax = draw_bars({"": noise}, names=sizes, title=title, **named)
ax.figure

# %% [markdown]
# Pixels of one picture are alike, so it is the number of *pictures* that counts. Detectors train with large photos,
# one or two per GPU, right at the left end of this figure. Therefore they do not use batch norm as it is. There are
# two ways out.
#
# **Frozen batch norm.** Pretrain on classification with large batches, then use the stored statistics as constants.
# What is left is one scale and one shift per channel, and the backward is a multiplication. With the statistics of
# the batch itself it must compute what batch norm computed:

# %%
mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
frozen, _ = more_norms.frozen_batch_norm2d_forward(x, weight, bias, mean=mean, var=var)
np.testing.assert_allclose(frozen, y, atol=1e-12)
forward = more_norms.frozen_batch_norm2d_forward
backward = more_norms.frozen_batch_norm2d_backward
check_pair(forward, backward, [x[:2, :3, :3], weight, bias], mean=mean, var=var)

# %% [markdown]
# **Group norm.** Take the statistics over one picture and a *group of channels*. No batch is involved, so training
# and inference are the same, and one picture is enough.

# %%
wide = rng.standard_normal((4, 5, 5, 8))
ones, zeros = np.ones(8), np.zeros(8)
together, _ = more_norms.group_norm_forward(wide, ones, zeros, groups=2)
alone, _ = more_norms.group_norm_forward(wide[:1], ones, zeros, groups=2)
difference = abs(together[:1] - alone).max()
print("the first picture with three others and alone: they differ by", difference)
check_pair(
    more_norms.group_norm_forward, more_norms.group_norm_backward,
    [wide[:2, :3, :3], ones, zeros], groups=2,
)

# %% [markdown]
# ## 5. The residual block
#
# **Intuition.** Twenty convolutions in a row are a game of telephone: each layer must first of all not lose what the
# one before said. He et al. (2015) turned the task around. Let a *branch* $F$ compute a **change**, and add it to
# what was there:
#
# $$y = \mathrm{ReLU}(x + F(x)).$$
#
# If a layer has nothing to say, $F = 0$ is enough, and $x$ goes on as it is: it comes out of a ReLU, so it is not
# negative, and the next ReLU leaves it alone.
#
# **The gradient.** Let $\mathrm{d}$ be what comes back through the ReLU. The sum has two users of $x$, so by lesson
# 01 two gradients are added:
#
# $$\mathrm{d}x = \underbrace{\mathrm{d}}_{\text{shortcut}}
# {} + \underbrace{J_F^{\mathsf T}\, \mathrm{d}}_{\text{branch}}.$$
#
# (The second is lesson 01's product of `dy` with $J$, written as a column.) The first term has *no factor*. Whatever
# the branches do, there is a path through a hundred blocks on which only the ReLUs behind the sums stand, and they let
# a gradient pass as it is wherever they are open. (A year later the authors moved them into the branches, and nothing
# at all was left on the path.) The package's code says the same:

# %%
print(inspect.getsource(ResidualBlock.backward))

# %% [markdown]
# `branch` is conv, norm, ReLU, conv, norm. `downsample` is the shortcut: nothing at all (`Identity`) where the shapes
# agree, else a 1×1 convolution that makes them agree. The block is a layer like any other, and the harness takes it
# as a whole:

# %%
block = basic_block(4, 4, rng=rng)
check_layer(block, rng.standard_normal((2, 5, 5, 4)))

# %% [markdown]
# **Predict.** The last norm of the branch has a `weight`. Set it to zero. What does the block compute for an `x` that
# is positive everywhere, and what is its `dx` for a given `dy`?

# %%
block.branch.layers[-1].weight.value[:] = 0
x = rng.random((2, 5, 5, 4)).astype(np.float32) + 0.1
y, cache = block.forward(x)
dy = rng.standard_normal(x.shape).astype(np.float32)
dx = block.backward(dy, cache)
print("y equals x:", np.array_equal(y, x), "  dx equals dy:", np.array_equal(dx, dy))

# %% [markdown]
# The block is the identity, in both directions. Some recipes start every block in just this state.
#
# ## 6. Twenty layers, side by side
#
# Now the experiment. Both networks have 20 layers with weights: a 3×3 convolution, nine blocks of two 3×3
# convolutions with 8 channels, and a linear classifier. Every convolution has a batch norm. They get the *same* first
# weights, the same batches in the same order, the same optimizer. The one difference is the sum: in the plain network
# the branch stands alone.


# %%
def residual(rng):
    return basic_block(8, 8, rng=rng)


def plain(rng):
    return Sequential(basic_block(8, 8, rng=rng).branch, ReLU())


# %%
def network(block, blocks, seed):
    draws = np.random.default_rng(seed)
    stem = conv_block(1, 8, norm="batch", rng=draws)
    body = [block(draws) for _ in range(blocks)]
    return Sequential(stem, *body, GlobalAvgPool2d(), Linear(8, 10, rng=draws))


images = (bank.images[..., None] / bank.full).astype(np.float32)
labels = bank.labels.astype(int)

# %%
twins = {"plain": network(plain, 9, seed=0), "residual": network(residual, 9, seed=0)}
first, second = ([p.value for p in twin.parameters()] for twin in twins.values())
weighted = [
    m for _, m in twins["plain"].named_modules() if isinstance(m, (Conv2d, Linear))
]
print("layers with weights:", len(weighted))
print(
    "the same first values:", all(np.array_equal(a, b) for a, b in zip(first, second))
)


# %% [markdown]
# One training step, as in lesson 01; the optimizer is the package's own.


# %%
def one_step(model, chosen):
    model.zero_grad()
    logits, cache = model.forward(images[chosen])
    loss, c_loss = softmax_cross_entropy_forward(logits, labels=labels[chosen])
    model.backward(softmax_cross_entropy_backward(1.0, c_loss), cache)
    return float(loss), cache


# %% [markdown]
# **Predict.** Before any training: how large are the gradients of the first convolutions, near the picture, compared
# with those of the last ones, near the loss? In the plain network: smaller (they fade on the way), equal, or larger?

# %%
train = bank.members("train")
first_loss, norms, kept = {}, {}, {}
for name, model in twins.items():
    first_loss[name], cache = one_step(model, train[:64])
    norms[name] = [
        np.linalg.norm(p.grad) for p in model.parameters() if p.value.ndim == 4
    ]
    kept[name] = cache_bytes(cache, without=model)

# %%
title = "Gradients before training; convolution 1 is next to the picture"
ax = draw_bars(
    norms, title=title, xlabel="convolution", ylabel="norm of the gradient", log=True
)
ax.figure

# %%
for name, values in norms.items():
    ratio = values[1] / values[-1]
    print(
        f"{name:8}: convolution 2 {values[1]:.2f}, convolution 19 {values[-1]:.2f},",
        end=" ",
    )
    print(
        f"ratio {ratio:.1f}, or {ratio ** (1 / 17):.2f} per layer; "
        f"loss {first_loss[name]:.2f}"
    )

# %% [markdown]
# They are *larger*, and in the plain network much larger. The familiar story says that gradients vanish in deep
# networks. Batch norm prevents that: whatever the scale, it divides by it, on the way there and on the way back. But
# it overdoes it a little. The first weights are chosen so that a convolution behind a ReLU keeps the scale of its
# input. The outputs of a ReLU are never negative, so a part of that scale is only their mean, and batch norm removes
# the mean. What is left is about 0.83 of the scale, and the gradient is divided by it in every layer: a factor of 1.2
# in very wide networks (Yang et al. 2019), a little less in ours. Over 17 layers that multiplies up.
#
# In the plain network, then, no single learning rate fits: what moves the last layers at all throws the first ones
# about. In the residual network the shortcut carries most of the gradient past the norms, and the layers differ much
# less.

# %%
steps = 8 if fast else 100
seeds = (0,) if fast else (0, 1)


def trained(block, blocks, seed, steps=steps):
    model, draws = network(block, blocks, seed), np.random.default_rng(seed)
    optimizer, losses = SGD(model.named_parameters(), momentum=0.9), []
    for _ in range(steps):
        losses.append(one_step(model, draws.choice(train, 32))[0])
        optimizer.step(0.05)
    return model, losses


# %%
runs = {}
for depth, blocks in ((20, 9), (10, 4)):
    for name, block in (("plain", plain), ("residual", residual)):
        runs[name, depth] = [trained(block, blocks, seed) for seed in seeds]

# %%
figure = style.new_figure(9, 3.4)
axes = figure.subplots(1, 2, sharey=True)
for ax, depth in zip(axes, (20, 10)):
    curves = {
        name: np.mean([run[1] for run in runs[name, depth]], axis=0) for name in twins
    }
    draw_lines(
        curves, ax=ax, smooth=9, title=f"{depth} layers", xlabel="step", ylabel="loss"
    )
axes[0].set_ylim(bottom=0)
figure.tight_layout()
figure

# %% [markdown]
# How many digits of the validation part do they get right? One caution, from section 4: the weights moved in every
# step, and the running statistics lag behind. Thirty forward passes without learning bring them up to date.

# %%
validation = bank.members("validation")


def share_right(model):
    for k in range(30):
        model.train().forward(images[np.random.default_rng(k).choice(train, 32)])
    logits, _ = model.eval().forward(images[validation])
    return (logits.argmax(axis=1) == labels[validation]).mean()


# %%
for (name, depth), models in runs.items():
    ends = [f"{np.mean(losses[-20:]):.2f}" for _, losses in models]
    right = [f"{share_right(model):.0%}" for model, _ in models]
    print(
        f"{depth} layers, {name:8}: last losses {', '.join(ends)}; "
        f"digits right {', '.join(right)}"
    )

# %% [markdown]
# Read the four lines in pairs. **Plain:** the deeper network is *worse*, on the training data themselves. So it is
# not overfitting; it is simply harder to train, although it could represent everything that the shallow one can (the
# extra layers would only have to pass their input on). This is what He et al. called *degradation*. **Residual:**
# twenty layers learn as quickly as ten. Notice also where the residual networks *start*: their sum grows from block
# to block, so the first loss lies well above $\log 10 = 2.3$, and it is gone in a few steps.
#
# Two seeds and a hundred steps on tiny pictures are a demonstration, not a measurement; but at 20 layers every plain
# run ends far above every residual one.
#
# **Predict.** What does the shortcut cost: parameters, and bytes kept for backward?

# %%
for name, model in twins.items():
    count = sum(p.value.size for p in model.parameters())
    print(f"{name:8}: {count} parameters, {kept[name]:,} bytes kept for a batch of 64")

# %% [markdown]
# Nothing. A sum has no weights, its backward needs to remember nothing, and the ReLU behind it keeps an array that
# the next block keeps anyway.
#
# ## What can go wrong
#
# **`=` instead of `+=` in pooling.** The most famous bug of home-made pooling: when the gradient of a window is put
# back, it *replaces* what is there instead of being added. Somebody tests it with 2×2 windows and stride 2:


# %%
def wrong_max_pool2d_backward(dy, cache):
    dx = np.zeros(cache[0].shape, dy.dtype)
    for place in np.ndindex(dy.shape):
        one_window = np.zeros_like(dy)
        one_window[place] = dy[place]
        part = pool.max_pool2d_backward(one_window, cache)
        dx = np.where(part != 0, part, dx)  # the bug: should be dx + part
    return dx


# %%
def verdict(picture, kernel, stride):
    options = {"kernel": kernel, "stride": stride}
    try:
        check_pair(
            pool.max_pool2d_forward, wrong_max_pool2d_backward, [picture], **options
        )
        return "all checks pass"
    except CheckFailed as failure:
        return str(failure)


# %%
crowded = small[None, :5, :5, None].astype(float)
crowded[0, 4, 3, 0] = 6  # no tie, so that differences can be trusted
lucky = rng.standard_normal((1, 6, 6, 1))
tried = ("random", lucky, 2), ("random", lucky, 3), ("crowded", crowded, 3)
for name, picture, kernel in tried:
    print(f"{name} picture, kernel {kernel}, stride 2:", verdict(picture, kernel, 2))

# %% [markdown]
# While windows do not overlap, no pixel gets anything twice, and `=` is right. Where they do overlap it is *still*
# right as long as no pixel happens to win twice, as in the second line. Only a picture in which one does brings it
# out. The stem of a ResNet pools with kernel 3 and stride 2, so the bug would be in every step of its training, and
# the homework's check brings such pictures. The difference, seen:

# %%
y, cache = pool.max_pool2d_forward(crowded, kernel=3, stride=2)
dy = np.array([[1, 2], [3, -4.0]])[None, :, :, None]
shown = {
    "added": pool.max_pool2d_backward(dy, cache),
    "replaced": wrong_max_pool2d_backward(dy, cache),
}
looks = dict.fromkeys(shown, {"center": 0, "highlight": [(2, 2, 3, 3, style.RED)]})
title = "dx of the crowded picture: the pixel in the middle won twice, dy 1 and 3"
arrays_figure(
    {name: g[0, :, :, 0] for name, g in shown.items()}, looks=looks, title=title
)

# %% [markdown]
# **A shortcut that forgets its gradient.** Forward adds, backward goes through the branch only.


# %%
class WrongBlock(ResidualBlock):
    def backward(self, dy, cache):
        c_branch, _, c_relu = cache
        return self.branch.backward(self.relu.backward(dy, c_relu), c_branch)


wrong = WrongBlock(basic_block(2, 2, rng=rng).branch, Identity())
try:
    check_layer(wrong, rng.standard_normal((2, 3, 3, 2)))
except CheckFailed as failure:
    print(*str(failure).splitlines()[:5], "...", sep="\n")

# %% [markdown]
# **Predict.** Without the harness nobody would be told. It computes what the residual network computes, only its
# gradient is wrong. Does it train: not at all, like the plain network, or like the residual one?


# %%
def forgetful(rng):
    return WrongBlock(basic_block(8, 8, rng=rng).branch, Identity())


few = min(steps, 60)
curves = {"forgetful": trained(forgetful, 9, seed=0, steps=few)[1]}
curves |= {name: runs[name, 20][0][1] for name in twins}
for name, losses in curves.items():
    end = np.mean(losses[:few][-20:])
    print(f"20 layers, {name:9}: loss at the end of {few} steps {end:.2f}")

# %% [markdown]
# It trains, about as badly as the plain network, whose gradients took the same way. Nothing crashes and the loss goes
# down: "it learns" proves no gradient.
#
# **Forgetting `eval()`.** Take the better network and use it on one digit at a time, as one would in use, but leave it
# in training mode:

# %%
model = runs["residual", 20][0][0]
some = validation[:60]
for mode in ("inference", "training"):
    model.train(mode == "training")
    answers = [model.forward(images[[i]])[0].argmax() for i in some]
    print(
        f"one digit at a time, in {mode} mode: "
        f"{np.mean(answers == labels[some]):.0%} right"
    )

# %% [markdown]
# With one picture in the batch the norms remove what tells this digit from others. No check of a gradient finds that:
# the function is right, it is used in the wrong mode. The sign is a model that is good in training and poor in use, or
# one that changes its answer when another photo is in the batch.
#
# ## Exercises
#
# `tinymaskrcnn homework release hw02 --out mine` writes the file mine/hw02.py, in which the bodies are missing (four
# of them belong to lesson 02).
#
# 1. `hw02.max_pool2d_forward`: the largest value below each window, without a loop over pixels. A border of minus
#    infinity makes padding easy. Check: `tinymaskrcnn homework check mine/hw02.py --only hw02.max_pool2d_forward`
# 2. `hw02.max_pool2d_backward`: to the winner, the first of equals, added where windows overlap. Check:
#    `tinymaskrcnn homework check mine/hw02.py --only hw02.max_pool2d_backward`
# 3. `hw02.avg_pool2d_backward`: equal shares; the cache holds no array. Check:
#    `tinymaskrcnn homework check mine/hw02.py --only hw02.avg_pool2d_backward`
#
# ## What you have seen
#
# - Max pooling routes a gradient to the winner, average pooling shares it; where windows overlap, gradients add up.
# - Batch norm takes shift and stretch out of a channel, and out of its gradient. It ties the pictures of a batch
#   together, so inference uses running statistics, and detectors freeze it or use group norm.
# - A residual block adds a change. Its gradient has a term without a factor, so depth stops hurting; it costs neither
#   weights nor memory.
# - Next: [lesson 04](04_boxes_iou_nms.ipynb) leaves feature maps for a while and turns to boxes.
