"""Homework 1, last part: where one array had several users."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import MANY, magnitudes


def _terms(*shapes, dtype=np.float64, scale=1.0):
    """An array for a shape, a list of arrays for a list of shapes, None for None."""

    def make(rng):
        return Call(tuple(_term(rng, shape, dtype, scale) for shape in shapes))

    return make


def _term(rng, shape, dtype, scale):
    if isinstance(shape, (list,)):
        return [_term(rng, part, dtype, scale) for part in shape]
    return None if shape is None else (scale * rng.standard_normal(shape)).astype(dtype)


def _terms_of(**options):
    return _terms((3, 2), None, (3, 2), (3, 2), **options)


def _many_terms(rng):
    """So many users that nobody writes them down, some of which send nothing back."""
    return _terms((2, 3), None, *[(2, 3) if rng.random() < 0.9 else None for _ in range(MANY)])(rng)


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
        Case("many users", "adversarial", _many_terms, f"about {MANY} terms, None here and there"),
        Case(
            "many rows and channels",
            "adversarial",
            _terms([(MANY, 2), (7, 8, 7, 9)], [(MANY, 2), None], [(MANY, 2), (7, 8, 7, 9)]),
            "arrays of any number of axes, each of any length",
        ),
        Case("terms without rows", "adversarial", _terms((0, 4), (0, 4)), "an array without rows is an array"),
        *magnitudes(_terms_of),
        Case("the terms stay as they were", "ownership", _terms(*[(2, 2)] * 6)),
        Case("the levels stay as they were", "ownership", _terms(*[[*PYRAMID, (1, 1, 1, 1)]] * 3)),
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
