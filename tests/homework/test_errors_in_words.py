"""NumPy's own errors, made here, are recognised in the wording of the NumPy that is installed."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix  # noqa: F401  used by a line below

from tinymaskrcnn.homework.errors_in_words import in_words
from tinymaskrcnn.nn.module import Parameter

A, B = np.ones((2, 3)), np.ones((2, 4))
P = Parameter(np.ones(3))
NOTHING = None


@pytest.mark.parametrize(
    "line, words",
    [
        ("dx = A @ B", "the inner sides of a matrix product must agree: in A @ B they are 3 and 2"),
        ("np.dot(A, B)", "the inner sides of a matrix product must agree: shapes (2,3) and (2,4) have 3 and 2 there"),
        ("csr_matrix(A) @ B", "the inner sides of a matrix product must agree: in csr_matrix(A) @ B they are 3 and 2"),
        ("A @ 2", "one of the two is a number"),
        (
            "A - A.max(axis=-1)",
            "(2, 3) and (2,) do not fit: sides are compared from the last one on, and must be equal or",
        ),
        ("A - A.max(axis=-1)", "here 3 meets 2. Is keepdims=True missing"),
        ("A + B", "the shapes (2, 3) and (2, 4) do not fit"),
        (
            "np.ones(3).__iadd__(A)",
            "+= keeps the shape of what stands on its left, (3,), and the result would have shape (2,3)",
        ),
        ("A.__setitem__(0, np.ones(2))", "what you assign has shape (2,), and the place it goes to has shape (3,)"),
        ("A.sum(axis=2)", "there is no axis 2: the array has the axes 0 to 1"),
        ("A[0].sum(axis=1)", "there is no axis 1: the array has axis 0 alone"),
        ("A.reshape(2, 4)", "6 numbers cannot be laid out as (2, 4), which has room for 8"),
        ("1 if A > 0 else 0", "use np.where, &, |, ~, np.maximum or np.minimum"),
        ("max(A[0], A[1])", "want a single True or False, and this is a whole array"),
        ("P + A", "a Parameter is no array: its numbers are self.weight.value"),
        ("P - 1.0", "a Parameter is no array"),
        ("NOTHING + 1.0", "one of the two sides of + is None"),
        ("NOTHING.T", "this is None and no array"),
        ("(A, B) - 1", "the left side of - is a tuple: take its parts out first"),
        ("(A, B).T", "this is a tuple, not an array: take its parts out first, a, b = cache"),
        ("(lambda a, b: a)(*[]) if 0 else dict([(1, 2, 3)])", ""),
        ("A[2]", "axis 0 has length 2, so there is no index 2 along it"),
        ("A[0, 1, 2]", "the array has 2 axes, and you give 3 indices"),
        ("A[A]", "an index must hold whole numbers or True and False, not fractions"),
        ("np.ones((0, 3)).max()", "there is no maximum of no numbers"),
        ("np.ones(3, int).__iadd__(0.5)", "an array of int64 cannot take up float64"),
        ("dwieght", "there is nothing called dwieght here"),
        ("import nunpy as np", "there is no module called nunpy here: is it misspelt?"),
        ("np.summe(A)", "NumPy has no function called summe"),
    ],
)
def test_the_words_of_an_error(line, words):
    found = in_words(message_of(line), line)
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize(
    "lines, words",
    [
        ("a, b, c = A", "the right side of = holds 2 things, and on the left stand 3 names"),
        ("a, = A", "holds more than the 1 names"),
        ("def f():\n    x = x + 1\nf()", "x is used before it is given a value"),
        ("def f():\n    f()\nf()", "it calls itself and never comes to an end"),
    ],
)
def test_the_words_of_statements(lines, words):
    assert words in in_words(message_of(lines))


def test_what_homework_keeps_away_is_not_called_misspelt():
    assert in_words("NameError: name 'open' is not defined") == "no file can be opened when homework is checked"
    assert in_words("NameError: name 'eval' is not defined").startswith("eval is not there when homework is checked")
    assert "in a notebook only" in in_words("NameError: name 'get_ipython' is not defined")
    assert "misspelt" in in_words("NameError: name 'opne' is not defined")


def test_a_misspelt_import_is_told_where_it_is_used():
    words = "is not there when homework is checked; NumPy is all you need"
    assert in_words(f"ImportError: nunpy.sum {words}") == "there is no module nunpy: is numpy misspelt in your import?"
    assert in_words(f"ImportError: matplotlib.pyplot {words}") == ""


def test_a_message_of_one_s_own_is_left_alone():
    assert in_words("RuntimeError: I give up") == ""


def message_of(lines):
    with pytest.raises(Exception) as caught:
        exec(lines, globals() | {"A": A.copy()})
    return f"{caught.type.__name__}: {caught.value}"
