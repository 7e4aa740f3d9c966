"""Homework 1: pairs and gradients."""

import numpy as np

from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._hw01_loss import CROSS_ENTROPY, CROSS_ENTROPY_BACK
from ._hw01_softmax import SOFTMAX, SOFTMAX_BACK
from ._shared import drive_layer

TITLE = "pairs and gradients"


def _linear(rng, K=3, C=2, O=4, dtype=np.float64):
    """dy and the cache of a linear layer."""
    x, weight, dy = (rng.standard_normal(shape).astype(dtype) for shape in ((K, C), (C, O), (K, O)))
    return Call((dy, (x, weight)))


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


def _layer(times=1, K=3, C=2, O=4, dtype=np.float64, before=1.0):
    """x, weight and bias of a layer, what its gradients hold before, and `times` dys."""

    def make(rng):
        shapes = {"x": (K, C), "weight": (C, O), "bias": (O,)}
        arrays = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
        for name, like in (("weight.grad", "weight"), ("bias.grad", "bias")):
            arrays[name] = (before * rng.standard_normal(shapes[like])).astype(dtype)
        dys = [rng.standard_normal((K, O)).astype(dtype) for _ in range(times)]
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
        Case("x, dy and the values stay as they were", "ownership", _layer()),
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


# ---------------------------------------------------------------- where one array had several users


def _terms(*shapes, dtype=np.float64):
    """An array for a shape, a list of arrays for a list of shapes, None for None."""

    def make(rng):
        return Call(tuple(_term(rng, shape, dtype) for shape in shapes))

    return make


def _term(rng, shape, dtype):
    if isinstance(shape, (list,)):
        return [_term(rng, part, dtype) for part in shape]
    return None if shape is None else rng.standard_normal(shape).astype(dtype)


def _tuple_and_list(rng):
    first, second = _terms([(2, 2), (1, 1)], [(2, 2), (1, 1)])(rng).args
    return Call((tuple(first), second))


def _small_terms(rng):
    return Call((np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0, 0.0], [0.0, 10.0]]), np.full((2, 2), 100.0)))


PYRAMID = [(1, 4, 4, 2), (1, 2, 2, 2), (1, 1, 1, 2)]

SUM_GRADS = Exercise(
    id="hw01.sum_grads",
    title="One array, several users: their gradients add up",
    points=3,
    lesson="01",
    recipe="""
        Where a forward used one array twice, its backward gets a gradient from each user, and the array's own is
        their sum. gradients is a tuple of terms. A term is an array, or a list (or tuple) of arrays, one for each
        level of a pyramid, or None: that user sends nothing back.
        1. Leave out the terms that are None. When none is left, return None.
        2. When the terms are lists or tuples, return a list: for each level the sum of that level's terms. A
           level may hold a None as well; which function adds up any terms, None included?
        3. When they are arrays, add them up. The terms are not yours: the first += needs an array that you made
           (a + b makes one), or else you change the gradient that somebody else still holds.
    """,
    returns=("total",),
    cases=(
        Case("three terms by hand", "value", _small_terms),
        Case("two terms", "value", _terms((2, 3), (2, 3))),
        Case("float32 stays float32", "shape", _terms((3,), (3,), (3,), dtype=np.float32)),
        Case("a single term", "shape", _terms((2, 3))),
        Case(
            "some terms are None",
            "adversarial",
            _terms(None, (2, 3), None, (2, 3)),
            "not every user sends something back",
        ),
        Case("four terms", "adversarial", _terms((2,), (2,), (2,), (2,)), "there may be any number of users"),
        Case(
            "terms of zeros",
            "adversarial",
            lambda rng: Call((np.zeros(3), np.zeros(3))),
            "0 is a gradient, and not the same as none",
        ),
        Case("a single None", "adversarial", _terms(None), hidden=True),
        Case("all terms are None", "adversarial", _terms(None, None), "there is nothing to send on: None, not 0"),
        Case("two pyramids", "adversarial", _terms(PYRAMID, PYRAMID), "lists of arrays: + would join them into one"),
        Case(
            "a level without a gradient",
            "adversarial",
            _terms([(2, 2), None, None], [(2, 2), (1, 1), None]),
            "None may stand inside a list as well",
        ),
        Case(
            "None before a pyramid",
            "adversarial",
            _terms(None, PYRAMID, PYRAMID),
            "the first term is None, and a pyramid comes after it",
        ),
        Case("three pyramids of four levels", "adversarial", _terms(*[[*PYRAMID, (1, 1, 1, 1)]] * 3), hidden=True),
        Case("a tuple and a list", "adversarial", _tuple_and_list, "a pyramid may come as either"),
        Case("the terms stay as they were", "ownership", _terms((2, 2), (2, 2), (2, 2))),
        Case("the levels stay as they were", "ownership", _terms(PYRAMID, PYRAMID, PYRAMID)),
        Case("five terms", "value", _terms((2,), None, (2,), (2,), (2,)), hidden=True),
    ),
    mistakes=(
        Mistake(
            "you add into the first term: it belongs to whoever sent it, so start from a fresh array (a + b makes one)",
            (("total = total + term", "total += term"),),
        ),
        Mistake(
            "None is added like an array: leave out the terms that are None first",
            (("[g for g in gradients if g is not None]", "list(gradients)"),),
        ),
        Mistake(
            "when every term is None you return 0: the array then has no gradient at all, so return None",
            (("return None", "return 0"),),
        ),
        Mistake(
            "the lists of pyramids are joined end to end: + of two lists does that; add level by level",
            (("isinstance(terms[0], (list, tuple))", "False"),),
        ),
        Mistake(
            "pyramids that come as tuples are not taken level by level: a term may be a list or a tuple",
            (("(list, tuple)", "list"),),
        ),
        Mistake(
            "None inside a pyramid is added like an array: a level may have terms that are None, so add it up with "
            "sum_grads itself",
            (("sum_grads(*level)", "sum(level)"),),
        ),
        Mistake(
            "only the first two terms are added up: there may be any number of users",
            (("enumerate(terms[1:])", "enumerate(terms[1:2])"),),
        ),
        Mistake(
            "only the last term is left: = in the loop where total + term is meant",
            (("total = total + term", "total = term"), ("total += term", "total = term")),
        ),
        Mistake(
            "you add up each pyramid on its own: for level in zip(*terms) takes the same level of all of them",
            (("zip(*terms, strict=True)", "terms"),),
        ),
        Mistake(
            "only the first three terms are added up: there may be any number of users",
            (("enumerate(terms[1:])", "enumerate(terms[1:3])"),),
        ),
        Mistake(
            "you ask the first of all gradients whether it is a pyramid, but it may be None: ask one of those that are "
            "left",
            (("isinstance(terms[0], (list, tuple))", "isinstance(gradients[0], (list, tuple))"),),
        ),
        Mistake("you return the mean of the terms: gradients add up", (("return total", "return total / len(terms)"),)),
        Mistake(
            "only the first level of each pyramid is added up: return a list with a sum for every level",
            (("zip(*terms, strict=True)]", "list(zip(*terms))[:1]]"),),
        ),
    ),
)

EXERCISES = (LINEAR, LAYER, SOFTMAX, SOFTMAX_BACK, CROSS_ENTROPY, CROSS_ENTROPY_BACK, SUM_GRADS)
