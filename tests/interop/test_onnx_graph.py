"""Writing a graph: constants, names, phrases, and a message when onnx is not there."""

import sys

import numpy as np
import pytest
from onnx_run import run_nodes

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.interop.onnx_graph import Graph, best_of, columns_of, sigmoid, size_of
from tinymaskrcnn.ops import activation


def test_a_formula_reads_like_one():
    x = np.array([[1, 2], [3, 4]], np.float32)
    y = run_nodes(lambda g, x: g.MatMul(g.Add(x, 1.0), np.float64([[2], [0.5]])), x=x)
    assert y.dtype == np.float32 and y.tolist() == [[5.5], [10.5]]


def test_numbers_become_constants_of_two_kinds_and_equal_ones_are_shared():
    g = Graph()
    names = [g.value(v) for v in (1.0, np.float64(1), 1, [1], np.int32(1), True)]
    kinds = [(g.constants[n].dtype.name, g.constants[n].shape) for n in names]
    assert kinds == [("float32", ()), ("float32", ()), ("int64", ()), ("int64", (1,)), ("int64", ()), ("bool", ())]
    assert names[0] == names[1] and names[2] == names[4] and len(g.constants) == 4


def test_large_constants_keep_their_numbers_apart():
    g = Graph()
    a, b = g.value(np.arange(20)), g.value(np.arange(20) + 1)
    assert a != b and g.constants[b][0] == 1


def test_names_say_where_a_node_belongs_and_never_clash():
    g = Graph()
    with g.scope("rpn"), g.scope("head.conv"):
        first, second = g.Relu("x"), g.Relu("x")
        weight = g.parameter("weight", np.ones((2, 2)))
        assert g.parameter("weight", np.ones((2, 2))) == weight == "rpn.head.conv.weight"
    assert (first, second) == ("rpn/head/conv/Relu", "rpn/head/conv/Relu_2")
    assert g.Relu("x") == "Relu" and len(g.constants) == 1


def test_an_operator_that_does_not_exist():
    with pytest.raises(AttributeError, match="no operator Relo in ONNX's opset 17"):
        Graph().Relo("x")


def test_several_results_and_an_input_left_out():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = run_nodes(lambda g, x: [*columns_of(g, x, 3), size_of(g, x, 1), g.Clip(x, None, 3.0)], x=x)
    assert [v.tolist() for v in values[:4]] == [[[0], [3]], [[1], [4]], [[2], [5]], [3]]
    assert values[4].max() == 3 and values[4].min() == 0


def test_sigmoid_keeps_the_order_of_small_scores():
    x = np.linspace(-60, 60, 241, dtype=np.float32)
    y = run_nodes(lambda g, x: sigmoid(g, x), x=x)
    np.testing.assert_allclose(y, activation.sigmoid_forward(x)[0], rtol=1e-6, atol=0)
    assert (np.diff(y[x < 0]) > 0).all()
    assert run_nodes(lambda g, x: sigmoid(g, x), x=np.float32([-200, 200])).tolist() == [0, 1]


@pytest.mark.parametrize("count, expected", [(2, [1, 3]), (9, [1, 3, 4, 0, 2]), (0, [])])
def test_the_best_come_first_and_ties_by_position(count, expected):
    scores = np.float32([0.1, 0.9, 0.1, 0.9, 0.5])
    values, indices = run_nodes(lambda g, scores: best_of(g, scores, count), scores=scores)
    assert indices.tolist() == expected and values.tolist() == scores[expected].tolist()


def test_without_onnx_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"pip install 'tinymaskrcnn\[onnx\]'"):
        Graph()
