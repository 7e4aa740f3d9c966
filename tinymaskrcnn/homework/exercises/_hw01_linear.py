"""Homework 1, first part: a fully connected layer."""

import numpy as np

from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import MANY, differing, magnitudes
from ._shared import drive_layer


def _linear(rng, K=3, C=2, O=4, dtype=np.float64, scale=1.0):
    """dy and the cache of a linear layer."""
    x, weight, dy = ((scale * rng.standard_normal(shape)).astype(dtype) for shape in ((K, C), (C, O), (K, O)))
    return Call((dy, (x, weight)))


def _linear_of(**options):
    return lambda rng: _linear(rng, **options)


def _wide_linear(rng):
    C, O = differing(rng, 2, 7, 12)
    return _linear(rng, MANY, C, O)


def _small_linear(rng):
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    weight = np.array([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 3.0, 0.0], [0.0, 0.0, 1.0, 2.0]])
    return Call((np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 1.0, 1.0]]), (x, weight)))


LAST_BIAS = ("dy.sum(axis=0)", "dy[-1:].sum(axis=0)")
LAST_WEIGHT = ("x.T @ dy", "x[-1:].T @ dy[-1:]")

LINEAR = Exercise(
    id="hw01.linear_backward",
    title="The way back through a fully connected layer",
    points=2,
    lesson="01",
    recipe="""
        The forward was y = x @ weight + bias, and kept x and weight: the cache is (x, weight).
        1. Take x and weight out of the cache.
        2. dbias (O,): bias[o] was added to y[k, o] for every row k. What does one step of bias[o] change, in all?
        3. dweight (C, O): y[k, o] holds x[k, c] * weight[c, o]. Write the sum over k, then see the matrix product
           in it.
        4. dx (K, C): the same for x[k, c], a sum over o.
        5. Return dx, dweight, dbias, in the order of the arguments of linear_forward.
    """,
    returns=("dx", "dweight", "dbias"),
    cases=(
        Case("two rows by hand", "value", _small_linear),
        Case("three rows, two features", "value", _linear, hidden=True),
        Case("float32 stays float32", "shape", lambda rng: _linear(rng, dtype=np.float32)),
        Case("one row", "adversarial", lambda rng: _linear(rng, K=1), "a batch of one"),
        Case(
            "no rows", "adversarial", lambda rng: _linear(rng, K=0), "a batch without rows: gradients of zero, no NaN"
        ),
        Case(
            "as many rows as features",
            "adversarial",
            lambda rng: _linear(rng, K=3, C=3, O=3),
            "every shape fits every other: only the numbers can tell a matrix from its transpose",
        ),
        Case("many rows, features and outputs", "adversarial", _wide_linear, f"{MANY} rows, and as wide as you like"),
        *magnitudes(_linear_of),
        Case("nothing is written into", "ownership", _linear),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.linear:linear_forward",
            lambda rng: Call((rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4))),
        ),
    ),
    mistakes=(
        Mistake(
            "dbias is the mean over the rows, but every row was shifted by the bias: their gradients add up, so take "
            "the sum",
            (("dy.sum(axis=0)", "dy.mean(axis=0)"),),
        ),
        Mistake(
            "dweight is averaged over the rows: the loss already says how rows are weighted, the backward only adds "
            "them up",
            (("x.T @ dy", "x.T @ dy / max(len(x), 1)"),),
        ),
        Mistake(
            "dx uses weight where it needs its transpose: x[k, c] reached every y[k, o] by way of weight[c, o]",
            (("dy @ weight.T", "dy @ weight"),),
        ),
        Mistake(
            "dweight is transposed: weight[c, o] stood in row c, so its gradient does too",
            (("x.T @ dy", "dy.T @ x"),),
        ),
        Mistake(
            "dbias is summed over the outputs: bias[o] belongs to one output and to every row, so sum over the rows, "
            "axis 0",
            (("dy.sum(axis=0)", "dy.sum(axis=1)"),),
        ),
        *(
            Mistake(f"only the last row is left in {name}: = in the loop where += is meant", edits)
            for name, edits in (
                ("dbias and dweight", (LAST_BIAS, LAST_WEIGHT)),
                ("dbias", (LAST_BIAS,)),
                ("dweight", (LAST_WEIGHT,)),
            )
        ),
        Mistake(
            "* multiplies number by number, and dweight is a product of matrices: x.T @ dy",
            (("x.T @ dy", "x.T * dy"),),
        ),
        Mistake(
            "* multiplies number by number, and dx is a product of matrices: dy @ weight.T",
            (("dy @ weight.T", "dy * weight.T"),),
        ),
        Mistake("x and weight are exchanged: the cache is (x, weight)", (("x, weight = cache", "weight, x = cache"),)),
        Mistake(
            "dbias is the gradient of the first row alone: every row was shifted by the same bias, so take the sum",
            (("dy.sum(axis=0)", "dy[0]"),),
        ),
    ),
)


# ---------------------------------------------------------------- the layer around it


def _layer(times=1, K=3, C=2, O=4, dtype=np.float64, before=1.0, scale=1.0, later=False):
    """x, weight and bias of a layer, what its gradients hold before, and `times` dys.

    later: also the values that its weight has when the backward comes, which are no longer those of the forward
    """

    def make(rng):
        shapes = {"x": (K, C), "weight": (C, O), "bias": (O,)}

        def draw(shape, scale):
            return (scale * rng.standard_normal(shape)).astype(dtype)

        arrays = {name: draw(shape, scale) for name, shape in shapes.items()}
        for name, like in (("weight.grad", "weight"), ("bias.grad", "bias")):
            arrays[name] = draw(shapes[like], before * (scale * scale if like == "weight" else scale))
        dys = [draw((K, O), scale) for _ in range(times)]
        if later:
            arrays["later"] = draw((C, O), scale)
        return Call((), {**arrays, "dys": dys})

    return make


def _small_layer(rng):
    dy, (x, weight) = _small_linear(rng).args
    before = {"weight.grad": np.zeros_like(weight), "bias.grad": np.zeros(4)}
    return Call((), {"x": x, "weight": weight, "bias": np.ones(4), **before, "dys": [dy]})


LAYER = Exercise(
    id="hw01.linear_layer_backward",
    title="A layer adds into its gradients",
    points=2,
    lesson="01",
    recipe="""
        self.weight and self.bias are Parameters: each has a value and a grad of the same shape. The layer's
        forward called linear.linear_forward and returned its cache; this is the mirror of that.
        1. Call linear.linear_backward(dy, cache): it returns dx, dweight, dbias.
        2. Add dweight to self.weight.grad and dbias to self.bias.grad. The layer may have been used twice, or be
           in the second of two batches: what grad holds already must stay in the sum. Only zero_grad() ever
           empties it.
        3. Return dx, which goes on to the layer before. The values of the parameters stay as they are: a step of
           training changes them later, and not here.
    """,
    returns=("dx", "weight.grad", "bias.grad", "values unchanged"),
    drive=drive_layer,
    cases=(
        Case("one backward, grad still 0", "value", _small_layer),
        Case("float32 stays float32", "shape", _layer(dtype=np.float32, before=0.0)),
        Case("grad holds something already", "adversarial", _layer(), "another user of the layer was there before"),
        Case(
            "two backwards",
            "adversarial",
            _layer(times=2),
            "the layer serves twice, as one RPN head serves every level; its gradients add up",
        ),
        Case("no rows", "adversarial", _layer(K=0), "a batch without rows adds 0"),
        Case("as many rows as features", "adversarial", _layer(K=3, C=3, O=3), "every shape fits every other"),
        Case(
            "the weight has changed since the forward",
            "adversarial",
            _layer(later=True),
            "the layer has learned something in between: the cache says what the forward used",
        ),
        Case("many rows, features and outputs", "adversarial", _layer(K=MANY, C=7, O=9), f"{MANY} rows"),
        *magnitudes(_layer),
        Case("x, dy and the values stay as they were", "ownership", _layer(later=True)),
        Case("three backwards", "value", _layer(times=3, K=2, C=3, O=2), hidden=True),
    ),
    mistakes=(
        Mistake(
            "you assign to grad instead of adding, or you empty it first with zero_grad(): right for the first "
            "backward, and the second user of the layer then wipes out what the first one left",
            (
                ("self.weight.grad += dweight", "self.weight.grad = dweight"),
                ("self.bias.grad += dbias", "self.bias.grad = dbias"),
            ),
        ),
        Mistake(
            "weight.grad is assigned instead of added to; only bias.grad adds up",
            (("self.weight.grad += dweight", "self.weight.grad = dweight"),),
        ),
        Mistake(
            "bias.grad is assigned instead of added to; only weight.grad adds up",
            (("self.bias.grad += dbias", "self.bias.grad = dbias"),),
        ),
        Mistake(
            "the gradient of the bias is lost: self.bias.grad must receive dbias",
            (("self.bias.grad += dbias", "pass"),),
        ),
        Mistake(
            "the gradient of the weight is lost: nothing arrived in self.weight.grad, and dweight belongs there",
            (("self.weight.grad += dweight", "pass"),),
        ),
        Mistake(
            "nothing arrived in weight.grad and bias.grad: add into self.weight.grad and self.bias.grad themselves "
            "(dweight += self.weight.grad fills only the array that linear_backward gave you)",
            (("self.weight.grad += dweight", "pass"), ("self.bias.grad += dbias", "pass")),
        ),
        Mistake(
            "dx is not returned: without it the layers before this one learn nothing", (("return dx", "return None"),)
        ),
        Mistake(
            "all three gradients are returned: a layer keeps those of its parameters in grad, and returns dx alone",
            (("return dx", "return dx, dweight, dbias"),),
        ),
        Mistake(
            "you change the values of the parameters: a backward adds into grad, and a step of training changes "
            "values later",
            (
                ("self.weight.grad += dweight", "self.weight.value = self.weight.value - dweight"),
                ("self.bias.grad += dbias", "self.bias.value = self.bias.value - dbias"),
            ),
        ),
        Mistake(
            "you change the values of the parameters as well: a step of training does that later, and not here",
            (
                ("self.weight.grad += dweight", "self.weight.grad += dweight; self.weight.value = 0"),
                ("self.bias.grad += dbias", "self.bias.grad += dbias; self.bias.value = 0"),
            ),
        ),
        Mistake(
            "the gradients are subtracted: grad holds the slope itself; the step of training goes against it later",
            (
                ("self.weight.grad += dweight", "self.weight.grad -= dweight"),
                ("self.bias.grad += dbias", "self.bias.grad -= dbias"),
            ),
        ),
    ),
)
