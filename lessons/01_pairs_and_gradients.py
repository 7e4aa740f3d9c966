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
# # 01. Pairs and gradients
#
# A network learns by asking one question of each of its numbers: *if you were a little larger, how would the loss
# change?* The answer is called a gradient. In this project every operator comes as two functions that you can read:
# **forward** computes its result, **backward** its part of that answer. The two together are a *pair*.
#
# You will see what a gradient is, derive two of them on paper, check them against the computer, train a small network
# with them, and count what they cost in memory. You need Python, NumPy and the idea of a derivative; about 60
# minutes.

# %%
import inspect

import numpy as np

from tinymaskrcnn.data import digits
from tinymaskrcnn.nn import Sequential, sum_grads
from tinymaskrcnn.nn.layers import Linear, ReLU
from tinymaskrcnn.ops import naive
from tinymaskrcnn.ops.activation import (
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
)
from tinymaskrcnn.ops.linear import linear_backward, linear_forward
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
from tinymaskrcnn.visualize import (
    arrays_figure,
    draw_gradient,
    draw_lines,
    graph_steps,
    mark_x,
    style,
)

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. The sensitivity of a number
#
# Take $y = x^3$ at $x = 2$. Move $x$ by a small step $h$ and watch how far $y$ moves. The quotient
#
# $$\frac{f(x + h) - f(x)}{h}$$
#
# says how many times faster $y$ moves than $x$. As $h$ shrinks it settles at the derivative, here $3x^2 = 12$.


# %%
def cube(x):
    return x**3


for h in (1.0, 0.1, 0.01, 0.001):
    moved = cube(2 + h) - cube(2)
    times = f"that is {moved / h:.4f} times as far"
    print(f"x moves by {h:<6}  y moves by {moved:<8.5f}  {times}")

# %%
x = np.linspace(0.5, 3.2, 60)
curves = {
    "y = x³": (x, cube(x)),
    "step h = 1: slope 19": (np.array([2.0, 3.0]), np.array([8.0, 27.0])),
}
curves["no step at all: slope 12"] = x, 8 + 12 * (x - 2)
ax = draw_lines(
    curves, title="A derivative is a slope, seen from very near", xlabel="x", ylabel="y"
)
mark_x(ax, 2, "x = 2").figure

# %% [markdown]
# So the derivative is a *rate*: near $x = 2$, whatever you add to $x$ comes out of $y$ twelve times as large. If $y$
# is a loss that you want to make smaller, it says in which direction to move $x$, and how much that will help.
#
# ## 2. How small should the step be?
#
# Mathematics lets $h$ go to zero. A computer cannot: it stores a number with about 7 digits (float32) or 16
# (float64). Two errors fight each other.
#
# - **Truncation.** The curve bends within the step. With the one-sided quotient the error is about
#   $\tfrac{h}{2} f''(x)$; with the *central* quotient $\frac{f(x+h) - f(x-h)}{2h}$ it is about
#   $\tfrac{h^2}{6} f'''(x)$.
# - **Rounding.** $f(x+h)$ and $f(x)$ agree in most of their digits, and the subtraction keeps only the rest. The
#   error is about $\varepsilon\,|f(x)| / h$, where $\varepsilon$ is the relative size of the last digit: $10^{-7}$ or
#   $10^{-16}$.
#
# **Predict.** Which step is best for the central quotient in float32: about 0.1, 0.01, 0.0001 or 0.000001? And will
# the smallest steps be good, useless, or just slow?


# %%
def slope_error(step, dtype, central):
    """The relative error of a difference quotient of exp at 1."""
    x, h = dtype(1), dtype(step)
    low, width = (x - h, h + h) if central else (x, h)
    slope = (np.exp(x + h) - np.exp(low)) / width
    return max(abs(float(slope) - np.e) / np.e, 1e-17)


# %%
kinds = {
    "float32, one-sided": (np.float32, False),
    "float32, central": (np.float32, True),
    "float64, one-sided": (np.float64, False),
    "float64, central": (np.float64, True),
}
steps = np.logspace(-12, 0, 97)
errors = {}
for name, kind in kinds.items():
    errors[name] = steps, [slope_error(step, *kind) for step in steps]

# %%
title = "The error of a difference quotient of exp at x = 1"
ax = draw_lines(errors, log="xy", title=title, xlabel="step h", ylabel="relative error")
ax.figure

# %%
for name, (_, error) in errors.items():
    print(
        f"{name:20} best step {steps[np.argmin(error)]:.0e}, "
        f"error there {min(error):.0e}"
    )
for h in (1e-2, 1e-3, 1e-4, 1e-5):
    print(
        f"float32, central, h = {h:.0e}: error {slope_error(h, np.float32, True):.0e}"
    )

# %% [markdown]
# Read the picture from right to left. On the right the curves fall in straight lines: truncation, with slope 1 for
# the one-sided and slope 2 for the central quotient. Then they turn, and the noisy branch that rises to the left is
# rounding. A smaller step is *worse* there, and in float32 the quotient is useless in the end: at $10^{-8}$ the step
# is lost in the rounding of $x + h$, so the numerator is zero and the error 100 %. Of the four steps in the question
# 0.01 is the best.
#
# Two habits follow, and the project's harness has both: check gradients in **float64**, and with **central**
# differences. A correct gradient then agrees to seven digits or more. In float32 a good step leaves an error of about
# $10^{-5}$ (the best of 97 steps did better, by luck), and nobody tells you beforehand which step is good. With
# $h = 10^{-5}$ the error is near half a percent, and a factor that is wrong by a thousandth could hide.
#
# ## 3. The chain rule, on a graph
#
# A network is many small steps in a row. Here are three, with two numbers that go in:
#
# $$p = w \cdot x, \qquad s = p + x, \qquad L = s^2.$$
#
# Write $\mathrm{d}a$ for "how much $L$ changes when $a$ does", that is $\partial L / \partial a$. The code of this
# project uses the same short name: `dx` is the gradient of the loss by `x`. Start at the end, where
# $\mathrm{d}L = 1$, and go back one step at a time. Each step multiplies what arrives with its own *local*
# derivative:
#
# $$\mathrm{d}s = 2s\,\mathrm{d}L, \qquad \mathrm{d}p = 1 \cdot \mathrm{d}s, \qquad
# \mathrm{d}w = x\,\mathrm{d}p, \qquad \mathrm{d}x = \underbrace{w\,\mathrm{d}p}_{\text{through } p} +
# \underbrace{1 \cdot \mathrm{d}s}_{\text{directly}}.$$

# %%
x, w = 3.0, -2.0
p = w * x
s = p + x
L = s**2
print(f"forward:  p = {p}, s = {s}, L = {L}")

# %% [markdown]
# **Predict.** The gradient comes back to $x$ on two paths. The direct one brings $1 \cdot (-6)$, the one through $p$
# brings $-2 \cdot (-6) = 12$. What is $\mathrm{d}x$: 12, −6, 6 or −72?

# %%
dL = 1.0
ds = 2 * s * dL
dp = ds
dw = x * dp
dx = w * dp + ds
print(f"backward: ds = {ds}, dp = {dp}, dw = {dw}, dx = {dx}")

# %% [markdown]
# The same as a graph. Each node has a place (column, row), and an edge leads from a number to what is computed with it.

# %%
places = {"x": (0, 0), "w": (0, 1), "p": (1, 1), "s": (2, 0), "L": (3, 0)}
edges = [("x", "p"), ("w", "p"), ("p", "s"), ("x", "s"), ("s", "L")]
labels = {"p": "p = w · x", "s": "s = p + x", "L": "L = s²"}
values = {"x": x, "w": w, "p": p, "s": s, "L": L}

# %% [markdown]
# Then back: what each arrow multiplies with, and what arrives at each node, in this order.

# %%
factors = {
    ("s", "L"): "× 2s = −6",
    ("p", "s"): "× 1",
    ("w", "p"): "× x = 3",
    ("x", "s"): "× 1",
    ("x", "p"): "× w = −2",
}
arrived = {"L": dL, "s": ds, "p": dp, "w": dw, "x": f"−6 + {w * dp:g} = {dx:g}"}

# %%
captions = [
    "Forward: two numbers go in. The value of a node stands above it.",
    "The product p = w · x = −6.",
    "The sum s = p + x = −3. Note that x is used twice.",
    "The loss L = s² = 9. This is the end of forward.",
]

# %%
captions += [
    "Backward: the loss changes by 1 when the loss changes by 1.",
    "s: the slope of s² is 2s = −6, times the 1 that arrives.",
    "p: a sum hands its gradient on as it is.",
    "w: a product multiplies with the other factor, x = 3.",
]
captions += ["x: both its users send something back, and the two are added."]

# %%
told = {"notes": factors, "labels": labels, "captions": captions}
title = "Values run forward, gradients run back"
graph_steps(places, edges, values=values, gradients=arrived, title=title, **told)

# %% [markdown]
# Look at the last picture. $x$ reaches the loss on two paths, so a change of $x$ arrives there twice, and
# $\mathrm{d}x$ is the **sum over all paths**. That is the whole chain rule, and there is nothing else in this
# project: backward is forward, read from right to left, with local derivatives and sums. (The graph is no accident
# either: $s = p + x$ is a *residual connection*; lesson 03 builds networks of them.)
#
# Check it with the quotient of section 2:


# %%
def loss_of(x, w):
    return (w * x + x) ** 2


h = 1e-6
print("dx by differences:", (loss_of(x + h, w) - loss_of(x - h, w)) / (2 * h))
print("dw by differences:", (loss_of(x, w + h) - loss_of(x, w - h)) / (2 * h))

# %% [markdown]
# Differences need two forward passes for *each* number. The detector that `tinymaskrcnn train` trains has a million
# and a half parameters. Backward gives all their gradients in one pass that costs about as much as two forwards. That
# is why we write backward functions, and use differences only to check them.
#
# ## 4. From numbers to arrays: why `dy` comes in
#
# When $x$ and $y$ are arrays, *every* number of $y$ may depend on *every* number of $x$. All these local derivatives
# form the **Jacobian**
#
# $$J_{ij} = \frac{\partial y_i}{\partial x_j}, \qquad\text{and the chain rule reads}\qquad
# \mathrm{d}x_j = \sum_i \mathrm{d}y_i\, J_{ij}.$$
#
# Nobody stores $J$. Here is why:

# %%
# 8 pictures of 64 x 64 pixels with 32 channels; as many numbers come out
n = 8 * 64 * 64 * 32
print(f"x in float32:            {4 * n / 2**20:8.0f} MiB")
print(f"dy in float32:           {4 * n / 2**20:8.0f} MiB")
print(f"the Jacobian in float32: {4 * n * n / 2**40:8.0f} TiB")

# %% [markdown]
# Hence the form of every backward function: it does not return $J$. It takes `dy`, the gradient that arrives from
# above, and returns the *product* of `dy` with $J$. (The literature says *vector-Jacobian product*.) For a tiny layer
# we can still look at the whole $J$: hand in a `dy` that is 1 in one place and 0 elsewhere, and a row of $J$ comes
# out. The layer is the fully connected one, the subject of section 5: two examples, three numbers each, two outputs.

# %%
small = rng.standard_normal((2, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
_, cache = linear_forward(*small)
J = np.stack(
    [linear_backward(one.reshape(2, 2), cache)[0].ravel() for one in np.eye(4)]
)
title = "J of y (2, 2) by x (2, 3)\nrows: y₀₀ y₀₁ y₁₀ y₁₁, columns: x₀₀ … x₁₂"
ax = draw_gradient(J, title=title, fmt="{:.2f}")
ax.figure

# %%
dy = rng.standard_normal((2, 2))
dx, _, _ = linear_backward(dy, cache)
np.testing.assert_allclose(dx.ravel(), dy.ravel() @ J)
print("dx from backward is the product dy J")

# %% [markdown]
# **Predict.** Two quarters of the picture are zeros, and the other two are equal. Which numbers are these, and why?
#
# <details><summary>Answer</summary>
#
# The first row of <code>y</code> does not depend on the second row of <code>x</code>: examples of a batch do not see
# each other. And each example meets the same weights, so both blocks hold them: each row of a block is a column of
# <code>weight</code>. A $J$ of 24 numbers holds only 6 different ones and many zeros; <code>linear_backward</code>
# never writes it down.
#
# </details>
#
# ## 5. The first pair: a fully connected layer
#
# **Intuition.** Every output is a weighted sum of all inputs, plus a shift. With $K$ examples of $C$ numbers each,
# and $O$ outputs:
#
# $$y_{ko} = b_o + \sum_c x_{kc}\, w_{co}.$$
#
# The file `ops/naive.py` says just that, in loops:

# %%
print(inspect.getsource(naive.linear))


# %%
def outlined(*rectangles, **look):
    """Options of draw_array: rectangles (row0, col0, row1, col1) outlined in red."""
    return {"highlight": [(*rectangle, style.RED) for rectangle in rectangles], **look}


x, weight, bias = (rng.standard_normal(shape) for shape in ((5, 3), (3, 4), 4))
y, cache = linear_forward(x, weight, bias)

# %%
looks = [
    outlined((1, 0, 2, 3)),
    outlined((0, 2, 3, 3)),
    outlined((0, 2, 1, 3)),
    outlined((1, 2, 2, 3)),
]
names = "x (5, 3)", "weight (3, 4)", "bias (4,)", "y (5, 4)"
arrays, looks = dict(zip(names, (x, weight, bias, y))), dict(zip(names, looks))
title = "One output, y[1, 2]: row 1 of x meets column 2 of the weight"
arrays_figure(arrays, signs=["@", "+", "="], looks=looks, title=title)

# %% [markdown]
# The array version is one line, a matrix product. It must agree with the loops:

# %%
np.testing.assert_allclose(y, naive.linear(x, weight, bias))
shapes = [part.shape for part in cache]
print(f"linear_forward equals the loops; y is {y.shape}, the cache holds {shapes}")

# %% [markdown]
# **The gradient, index by index.** `dy` arrives, one number per output:
# $\mathrm{d}y_{ko} = \partial L / \partial y_{ko}$. Take one input number $x_{kc}$ and ask where it goes: into the
# outputs of its own row $k$, into all $O$ of them, each time multiplied with a weight. Sum over these paths:
#
# $$\mathrm{d}x_{kc} = \sum_o \mathrm{d}y_{ko}\, \frac{\partial y_{ko}}{\partial x_{kc}}
# = \sum_o \mathrm{d}y_{ko}\, w_{co}.$$
#
# A weight $w_{co}$ is used by every example $k$, always for output $o$, and is multiplied with $x_{kc}$. The bias
# $b_o$ is added for every example:
#
# $$\mathrm{d}w_{co} = \sum_k x_{kc}\,\mathrm{d}y_{ko}, \qquad \mathrm{d}b_o = \sum_k \mathrm{d}y_{ko}.$$
#
# Three sums, and each is a matrix product or a sum along an axis. *Which* one is your first exercise. A check that
# always helps: a gradient has the **shape of what it belongs to**, and with shapes (5, 3), (3, 4) and (5, 4) there
# are not many products that fit.

# %%
dy = rng.standard_normal(y.shape)
dx, dweight, dbias = linear_backward(dy, cache)
looks = [
    outlined((1, 0, 2, 4), center=0),
    outlined((0, 0, 1, 4), center=0),
    outlined((1, 0, 2, 1), center=0),
]
names = "dy (5, 4)", "weight (3, 4)", "dx (5, 3)"
title = "dx[1, 0]: row 1 of dy meets row 0 of the weight, a sum over all outputs"
arrays_figure(
    dict(zip(names, (dy, weight, dx))), looks=dict(zip(names, looks)), title=title
)

# %%
by_hand = sum(dy[1, o] * weight[0, o] for o in range(4))
print(f"the sum by hand {by_hand:.6f}, linear_backward {dx[1, 0]:.6f}")

# %% [markdown]
# **Check it.** The project has one harness for every pair, and it is public: it is yours for your own code as well.
# Give it the two functions and some example inputs. It says how far off they are, or, in words, what is wrong.

# %%
check_pair(linear_forward, linear_backward, [x, weight, bias])

# %% [markdown]
# `gradient` is the largest relative error against central differences in float64; `float32` compares the same calls
# in single precision; `backends` would name a GPU, if there were one. Behind that line are ten checks:
#
# | check | asks |
# |---|---|
# | gradient | does backward agree with differences of forward? |
# | structure | do gradients have the shapes and types of the inputs? |
# | strides | are the values the same for views with gaps in memory? |
# | linearity | is backward linear in `dy`? |
# | twice | can backward run twice, and do parameter gradients add up? |
# | state | do two calls stay out of each other's way? |
# | ownership | were inputs, `dy` and cache left untouched? |
# | eval | does a layer keep nothing in inference? |
# | zero_rows | do empty batches flow through? |
# | backend | are the values the same on a GPU, if there is one? |
#
# **What the cache costs.** Forward hands backward a *cache*: what it needs to know from the way there. Here that is
# `x` and `weight`, for look at the formulas: $\mathrm{d}x$ needs $w$, and $\mathrm{d}w$ needs $x$. `y` is in none of
# them, so it is not kept.

# %%
print(cache_table(cache))

# %% [markdown]
# ## 6. Used twice: gradients add up
#
# In section 3 the number $x$ had two users, and their gradients were added. With arrays it is the same, and it
# happens in two places.
#
# **An array with several users.** A feature map goes to the next layer *and* to a head. Where that happens, the code
# of the project says `sum_grads(...)`: the sum of all gradients that came back. A user that sends nothing back is
# `None`.

# %%
a, b = np.array([1.0, 2, 3]), np.array([10.0, 20, 30])
print(sum_grads(a, b), sum_grads(a, None, b), sum_grads(None, a))
print("a is still", a, ": the terms belong to others and stay as they were")

# %% [markdown]
# **A parameter with several users.** The heads of a detector run over five levels of a pyramid with the *same*
# weights. So a layer's backward does not *set* `weight.grad`, it **adds** to it. `zero_grad()` is the only way back
# to zero.
#
# **Predict.** A layer sees two batches, `forward` and `backward` for each, without `zero_grad()` between. What is in
# `weight.grad`? Compare with one run over both batches at once.

# %%
layer = Linear(3, 4, rng=rng).astype(np.float64)
first, second = rng.standard_normal((5, 3)), rng.standard_normal((2, 3))
dy = rng.standard_normal((7, 4))
for batch, gradient in ((first, dy[:5]), (second, dy[5:])):
    _, cache = layer.forward(batch)
    layer.backward(gradient, cache)
twice = layer.weight.grad.copy()

# %%
layer.zero_grad()
_, cache = layer.forward(np.concatenate([first, second]))
layer.backward(dy, cache)
np.testing.assert_allclose(layer.weight.grad, twice)
print("two batches one after the other give the same weight.grad as both at once")

# %% [markdown]
# Because a weight's gradient is a sum over examples anyway (the $\sum_k$ above), it does not matter in how many calls
# the examples come. Shared heads, one weight used in two layers, and large batches cut into small ones all work
# without a line of code, as long as nobody writes `=`.
#
# ## 7. A loss is a pair, too: softmax and cross-entropy
#
# **Intuition.** A classifier ends in one score per class, the *logits* $z$. Softmax makes them positive and makes
# them sum to 1:
#
# $$p_c = \frac{e^{z_c}}{\sum_j e^{z_j}}.$$
#
# The loss of an example with the true class $t$ is $-\log p_t$: 0 when the network is sure and right, large when it
# is sure and wrong.

# %%
print(inspect.getsource(naive.softmax_cross_entropy))

# %%
logits = rng.standard_normal((4, 5))
labels = np.array([2, 0, 4, 1])
loss, cache = softmax_cross_entropy_forward(logits, labels=labels)
loops = naive.softmax_cross_entropy(
    logits, labels=labels, weight=np.ones(4), normalizer=4
)
np.testing.assert_allclose(loss, loops)
print(f"loss {loss:.4f}; who guesses among 5 classes has log(5) = {np.log(5):.4f}")

# %% [markdown]
# **The gradient, on paper.** Write the loss of one row without the fraction:
#
# $$\ell = -\log p_t = -z_t + \log \sum_j e^{z_j}.$$
#
# The first term has the derivative $-1$ by $z_t$ and 0 by all others. The second has $e^{z_c} / \sum_j e^{z_j}$ by
# $z_c$, which is just $p_c$. Together
#
# $$\frac{\partial \ell}{\partial z_c} = p_c - [c = t]$$
#
# where $[c = t]$ is 1 for the true class and 0 elsewhere: *probability minus one-hot label*. No logarithm and no
# fraction is left. The loss is the mean over $K$ rows, so each row is divided by $K$.

# %%
dlogits = softmax_cross_entropy_backward(1.0, cache)
mine = [(k, t, k + 1, t + 1) for k, t in enumerate(labels)]
looks = {
    "p": outlined(*mine, cmap="viridis", fmt="{:.2f}"),
    "dlogits · 4": outlined(*mine, center=0, fmt="{:.2f}"),
}
shown = {"p": softmax_forward(logits)[0], "dlogits · 4": 4 * dlogits}
arrays_figure(
    shown, looks=looks, title="p − 1 for the true class (outlined), p elsewhere"
)

# %% [markdown]
# Every row of `dlogits` sums to zero: what the true class is pulled up, the others are pushed down. A confident
# mistake is pulled hardest (near −1), a confident hit hardly at all. The harness agrees:

# %%
print(f"largest number in a row's sum: {abs(dlogits.sum(axis=1)).max():.1e}")
check_pair(
    softmax_cross_entropy_forward, softmax_cross_entropy_backward, [logits],
    labels=labels,
)

# %% [markdown]
# Softmax on its own is a pair as well. Raising one score lowers every other probability, so its Jacobian is full. The
# quotient rule gives
#
# $$\frac{\partial p_c}{\partial z_j} = p_c\,\bigl([c = j] - p_j\bigr).$$
#
# Here is all of it, row by row, by a `dy` that is 1 in one place:

# %%
z = np.array([[2.0, 1.0, 0.0, -1.0]])
p, cache = softmax_forward(z)
J = np.concatenate([softmax_backward(one[None], cache) for one in np.eye(4)])
looks = {"p": {"fmt": "{:.2f}"}, "J of softmax": {"center": 0, "fmt": "{:.2f}"}}
arrays_figure({"p": p, "J of softmax": J}, looks=looks)

# %% [markdown]
# In the corner $0.64 \cdot (1 - 0.64) = 0.23$, beside it $-0.64 \cdot 0.24 = -0.15$. Each row sums to zero (up to the
# digits that are not shown), because a shift of all scores changes no probability.
#
# **Large numbers.** $e^{1000}$ does not exist in float64 (the largest number is about $10^{308} \approx e^{709}$; in
# float32 already $e^{89}$ is too large). When a training run goes astray, such logits do happen.
#
# **Predict.** What do the plain formula, and the package, say for the logits (1000, 0, −1000) and the true class 1?


# %%
def wrong_softmax(z):
    e = np.exp(z)  # overflows
    return e / e.sum()


huge = np.array([[1000.0, 0.0, -1000.0]])
with np.errstate(over="ignore", invalid="ignore"):
    print("the formula as it stands:", wrong_softmax(huge[0]))

# %%
loss, cache = softmax_cross_entropy_forward(huge, labels=np.array([1]))
print(
    "the package: probabilities", softmax_forward(huge)[0][0], "and loss", float(loss)
)
print("             gradient     ", softmax_cross_entropy_backward(1.0, cache)[0])

# %% [markdown]
# The way out: softmax does not change when the same number $m$ is subtracted from all logits, because
# $e^{z_c - m} = e^{z_c} e^{-m}$ and $e^{-m}$ cancels. Take the largest logit as $m$. Then no exponent is above 0,
# nothing overflows, and the sum is at least 1, so its logarithm is fine too. The loss of 1000 is right: the network
# was very sure, and wrong. A `softmax` followed by a separate `log` could not have said it: $p_t$ is rounded to 0, and
# $\log 0$ is minus infinity. That is why the project has *one* loss function from logits.
#
# ## 8. A network, trained by hand
#
# Now the parts together. The package embeds 1,797 handwritten digits of 8×8 pixels. A network with one hidden layer,
# the loss above, and the simplest rule of all: move every number a little against its gradient.

# %%
bank = digits.load()
images = (bank.images.reshape(len(bank), 64) / bank.full).astype(np.float32)
train, validation = bank.members("train"), bank.members("validation")
first = {f"a {bank.labels[i]}": bank.images[i] for i in train[:6]}
arrays_figure(
    first,
    looks={name: {"fmt": "", "cmap": "gray"} for name in first},
    title="six of the digits, 8 × 8 pixels each",
)

# %%
network = Sequential(Linear(64, 32, rng=rng), ReLU(), Linear(32, 10, rng=rng))
print([f"{name} {p.value.shape}" for name, p in network.named_parameters()])

# %% [markdown]
# One step is eight lines. Forward through the network, forward through the loss, backward through the loss, backward
# through the network, and then `value -= rate · grad` for each parameter.
#
# **Predict.** What is the loss before the first step, when the network knows nothing? (There are ten classes.)

# %%
losses = []
for _ in range(250):
    chosen = rng.choice(train, 64)
    network.zero_grad()
    logits, c_network = network.forward(images[chosen])
    loss, c_loss = softmax_cross_entropy_forward(
        logits, labels=bank.labels[chosen].astype(int)
    )
    network.backward(softmax_cross_entropy_backward(1.0, c_loss), c_network)
    for parameter in network.parameters():
        parameter.value -= 0.3 * parameter.grad
    losses.append(float(loss))

# %%
title = "250 steps, 64 digits each"
ax = draw_lines(
    {"loss of the batch": losses}, smooth=15, title=title, xlabel="step", ylabel="loss"
)
ax.axhline(np.log(10), color=style.muted(), linestyle=":")
ax.text(125, np.log(10) + 0.03, "log(10): guessing", fontsize=style.SMALL, va="bottom")
ax.figure

# %%
logits, _ = network.forward(images[validation])
right = logits.argmax(axis=1) == bank.labels[validation]
print(f"first loss {losses[0]:.2f}, last loss {np.mean(losses[-15:]):.2f}")
share = right.mean()
print(f"{right.sum()} of {len(right)} digits it has never seen are right: {share:.0%}")

# %% [markdown]
# The first loss lies near $\log 10 = 2.30$, a little above, because the first random logits are already opinions, and
# wrong ones. A loss that starts far from $\log$(number of classes) is an early sign that something is wrong.
#
# Backward does not stop at the weights: it returns `dx`, the gradient of the loss by the *pixels*. Nobody needs it
# for training, but it is worth a look: which pixels should change so that the network is *less* sure of the right
# answer?

# %%
i = validation[2]
logits, cache = network.forward(images[[i]])
_, c_loss = softmax_cross_entropy_forward(logits, labels=bank.labels[[i]].astype(int))
dx = network.backward(softmax_cross_entropy_backward(1.0, c_loss), cache).reshape(8, 8)
looks = {
    f"a {bank.labels[i]}": {"fmt": "", "cmap": "gray"},
    "dx: blue raises the loss": {"fmt": "", "center": 0},
}
arrays_figure(dict(zip(looks, (bank.images[i], dx))), looks=looks)

# %% [markdown]
# Ink on a blue pixel would make the network doubt, ink on a red one would make it more certain. All 64 answers came
# out of one backward pass.
#
# ## 9. What the caches cost
#
# During training every layer keeps what its backward needs. `cache_table` lists it (`without=network`: the weights
# are there anyway).

# %%
x = images[train[:64]]
_, cache = network.forward(x)
print(cache_table(cache, without=network))

# %% [markdown]
# The table has one surprise: the second layer also keeps its *input*, and no line shows it. That input is the output
# of the ReLU, and the ReLU keeps its own output, to know where it was positive. It is *one* array in two caches, so
# it is listed and costs once. The ReLU needs nothing that was not there.
#
# In inference nothing is kept. A layer hands its cache out through `self.keep(cache)`, which is `None` in eval mode:

# %%
sizes = [1, 16, 64, 256, 1024]
network_caches = (network.forward(images[train[:size]])[1] for size in sizes)
training = [cache_bytes(cache, without=network) for cache in network_caches]
network.eval()
inference = [cache_bytes(network.forward(images[train[:size]])[1]) for size in sizes]
network.train()
for size, kept, none in zip(sizes, training, inference):
    kept = f"{kept / 1024:7.1f} KiB kept in training"
    print(f"batch of {size:4}: {kept}, {none} in inference")

# %% [markdown]
# The cost grows with the batch and with every layer. That is the price of one backward pass instead of millions of
# forward passes: **memory**. Here the weights take 9.4 KiB, and 64 digits keep more than twice as much. With
# convolutions the gap is far wider: the network of 20 layers in lesson 03 has 42 KiB of weights and keeps 4.8 MiB for
# 64 digits. This is why training a detector needs so much more memory than using it, and why later lessons count
# bytes for each operator.
#
# ## What can go wrong
#
# Backward functions are easy to get *almost* right, and a network with a slightly wrong gradient still learns, only
# badly. So let the harness speak. The operator is the sigmoid, $y = 1 / (1 + e^{-x})$ with
# $\mathrm{d}x = \mathrm{d}y \cdot y\,(1 - y)$; it keeps $y$ as its cache. Six people wrote its backward.


# %%
def ask(forward, backward):
    try:
        print(check_pair(forward, backward, [rng.standard_normal((2, 3))]))
    except CheckFailed as failure:
        print(failure)


# %% [markdown]
# **1. A factor is missing.** The message is a table: what backward says beside what the differences say, number by
# number. The two do not differ by the same factor everywhere, so something that depends on $x$ is missing.


# %%
def wrong_backward_factor(dy, cache):
    return dy * cache


ask(sigmoid_forward, wrong_backward_factor)


# %% [markdown]
# **2. It writes into what it was given.** The numbers are right. But `dy` belongs to the caller, who may need it for
# another path of the graph.


# %%
def wrong_backward_in_place(dy, cache):
    dy *= cache * (1 - cache)
    return dy


ask(sigmoid_forward, wrong_backward_in_place)

# %% [markdown]
# **3. It remembers outside the cache.** Right when forward and backward alternate; wrong when one layer serves five
# levels of a pyramid.

# %%
memory = {}


def wrong_forward_state(x):
    memory["y"], _ = sigmoid_forward(x)
    return memory["y"].copy(), None


def wrong_backward_state(dy, cache):
    return dy * memory["y"] * (1 - memory["y"])


ask(wrong_forward_state, wrong_backward_state)


# %% [markdown]
# **4. It takes the cache apart.** Works once.


# %%
def wrong_forward_list(x):
    y, _ = sigmoid_forward(x)
    return y, [y]


def wrong_backward_pop(dy, cache):
    y = cache.pop()
    return dy * y * (1 - y)


ask(wrong_forward_list, wrong_backward_pop)


# %% [markdown]
# **5. It does more than multiply.** Somebody found that negative gradients "only make it unstable".


# %%
def wrong_backward_threshold(dy, cache):
    return np.maximum(dy, 0) * cache * (1 - cache)


ask(sigmoid_forward, wrong_backward_threshold)


# %% [markdown]
# **6. It changes the type.** The values are right, but one float64 in a float32 network makes everything behind it
# twice as large and slow.


# %%
def wrong_backward_type(dy, cache):
    return (dy * cache * (1 - cache)).astype(np.float64)


ask(sigmoid_forward, wrong_backward_type)

# %% [markdown]
# **And a layer.** Layers own parameters, and their backward must *add* into `grad` (section 6). This one sets it.
# Trained alone, it is right in every step, since `zero_grad()` comes before; in a shared head it silently learns from
# the last level only.


# %%
class WrongLinear(Linear):
    def backward(self, dy, cache):
        before = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad -= before  # as if it had been written with = instead of +=
        return dx


try:
    check_layer(WrongLinear(3, 4, rng=rng), rng.standard_normal((5, 3)))
except CheckFailed as failure:
    print(failure)

# %% [markdown]
# **Predict.** Which of the seven would a test find that compares the gradient with differences once, and does nothing
# else?
#
# <details><summary>Answer</summary>
#
# The first one, and the fifth if <code>dy</code> happens to have a negative number. All others return exactly the
# right gradient the first time they are called. That is why there are ten checks and not one.
#
# </details>
#
# ## Exercises
#
# `tinymaskrcnn homework release hw01 --out mine` writes the file mine/hw01.py, in which the bodies are missing. Fill
# them in and check as often as you like.
#
# 1. `hw01.linear_backward`: turn the three sums of section 5 into two matrix products and a sum along an axis. Start
#    with the shapes. Check: `tinymaskrcnn homework check mine/hw01.py --only hw01.linear_backward`
# 2. `hw01.softmax_cross_entropy_backward`: probability minus one-hot, times what each row counts. The cache is
#    described there. Check: `tinymaskrcnn homework check mine/hw01.py --only hw01.softmax_cross_entropy_backward`
# 3. `hw01.linear_layer_backward`: the layer's own part: what goes into `grad`, and what is returned? Check:
#    `tinymaskrcnn homework check mine/hw01.py --only hw01.linear_layer_backward`
#
# The same file holds four more of the same kind: softmax forward and backward, the forward of the loss (mind the
# logits of 1000), and `sum_grads`.
#
# ## What you have seen
#
# - A gradient says how the loss answers to each number. Differences compute it slowly, backward functions all at
#   once.
# - The chain rule: multiply along a path, add over paths. A backward function takes `dy` and returns `dx`; nobody
#   writes a Jacobian down.
# - A pair hands a cache from forward to backward. It costs memory in training and nothing in inference.
# - Right numbers are not enough: ownership, state and accumulation are what a shared head needs.
# - Next: [lesson 02](02_convolution.ipynb), the convolution, on the same path: loops, picture, arrays, gradient, bytes.
