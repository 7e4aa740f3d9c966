"""Writing an ONNX graph as if it were array code: every call adds one node and returns the name of its result."""

from contextlib import contextmanager

import numpy as np

from ..backend import to_host
from ..errors import ConfigError

OPSET = 17  # RoiAlign with half pixels needs 16; nothing here needs more, and old phones know 17
IR_VERSION = 8


def need_onnx():
    """The onnx package, or a ConfigError that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigError("ONNX export needs the package onnx: pip install 'tinymaskrcnn[onnx]'") from error
    return onnx


class Graph:
    """The nodes and constants of an ONNX graph under construction.

    `g.Add(a, 2.0)` adds a node Add and returns the name of its result; every operator of ONNX is such a method. Inputs
    are names, or numbers and arrays, which become constants: whole numbers int64, others float32. Keywords are the
    node's attributes, and `results=n` asks for an operator with n results, returned as a list.
    """

    def __init__(self):
        self.onnx = need_onnx()
        self.nodes = []
        self.constants = {}  # by name
        self._scope = ()
        self._used = {}  # how often a name was asked for

    def __getattr__(self, op):
        if not self.onnx.defs.has(op, OPSET):
            raise AttributeError(f"Graph: there is no operator {op} in ONNX's opset {OPSET}")
        return lambda *inputs, **options: self.node(op, *inputs, **options)

    def node(self, op, *inputs, results=1, **attributes):
        """Add one node; an input None is an optional one that is left out."""
        name = self._fresh("/".join([*self._scope, op]))
        outputs = [name] if results == 1 else [f"{name}.{i}" for i in range(results)]
        inputs = ["" if value is None else self.value(value) for value in inputs]
        self.nodes.append(self.onnx.helper.make_node(op, inputs, outputs, name=name, **attributes))
        return outputs[0] if results == 1 else outputs

    def value(self, value):
        """The name of a value: a name is one already; numbers and arrays become a constant, equal ones the same."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        array = array.astype({"f": np.float32, "i": np.int64, "u": np.int64}.get(array.dtype.kind, array.dtype))
        text = f"{array.dtype}{list(array.shape)}{array.tolist()}" if array.size <= 8 else None
        if text is None:
            return self._add_constant(self._fresh("/".join([*self._scope, "constant"])), array)
        return self._add_constant(text.replace(" ", ""), array)

    def parameter(self, name, array):
        """A weight under its state-dict name; a layer that is used several times keeps one copy."""
        return self._add_constant(".".join([*self._scope, name]), to_host(array).astype(np.float32))

    def for_each(self, build, arrays, shape):
        """Do the same for every row of some arrays, one row after the other, and stack what comes out (ONNX's Loop).

        build takes the names of the rows and returns the name of a float32 result of the given shape. It may look at
        values from outside and at constants.
        """
        helper, types = self.onnx.helper, self.onnx.TensorProto
        count = self.Squeeze(size_of(self, arrays[0], 0), [0])
        outer, self.nodes = self.nodes, []
        step, go_on = (self._fresh("/".join([*self._scope, name])) for name in ("step", "go_on"))
        value = build(*(self.Gather(array, step) for array in arrays))
        body = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [go_on], [f"{go_on}.next"])],
            "row",
            [
                helper.make_tensor_value_info(step, types.INT64, []),
                helper.make_tensor_value_info(go_on, types.BOOL, []),
            ],
            [
                helper.make_tensor_value_info(f"{go_on}.next", types.BOOL, []),
                helper.make_tensor_value_info(value, types.FLOAT, shape),
            ],
        )
        self.nodes = outer
        return self.node("Loop", count, None, body=body)

    def result(self, name, value):
        """Give a value the name under which the finished model returns it."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=f"{name}/Identity"))

    def _add_constant(self, name, array):
        if name not in self.constants:
            self.constants[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name

    def _fresh(self, name):
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else f"{name}_{self._used[name]}"

    @contextmanager
    def scope(self, name):
        """Names inside carry the dotted name of a module in front."""
        outer = self._scope
        self._scope = (*outer, *(part for part in name.split(".") if part))
        try:
            yield
        finally:
            self._scope = outer

    def model(self, inputs, outputs, *, name, metadata, producer_version):
        """The finished model; inputs and outputs are {name: (dtype, dimensions)}, a dimension a number or a letter."""
        helper, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        describe = [
            [
                helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dimensions)
                for key, (dtype, dimensions) in table.items()
            ]
            for table in (inputs, outputs)
        ]
        constants = [numpy_helper.from_array(array, key) for key, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, *describe, initializer=constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tinymaskrcnn",
            producer_version=producer_version,
        )
        helper.set_model_props(model, metadata)
        return model


# ---------------------------------------------------------------- small phrases that several parts use


def size_of(g, x, axis):
    """The length of one axis as an int64 vector of one entry: (1,)."""
    return g.Shape(x, start=axis, end=axis + 1)


def columns_of(g, x, count):
    """Split the last axis (..., count) into its columns, each (..., 1)."""
    return g.Split(x, axis=-1, results=count)


def count_up(g, length):
    """0, 1, ... length - 1 as float32: length (1,)  ->  (length,)"""
    return g.Cast(g.Range(0, g.Squeeze(length, [0]), 1), to=g.onnx.TensorProto.FLOAT)


def sigmoid(g, x):
    """1 / (1 + exp(-x)), spelled out: onnxruntime's Sigmoid is flat below -18 and loses the order of scores there."""
    return g.Reciprocal(g.Add(g.Exp(g.Neg(x)), 1.0))


def best_of(g, scores, count):
    """The `count` best entries, or all when there are fewer: scores (K,) -> values, indices; ties by position."""
    return g.TopK(scores, g.Min([count], size_of(g, scores, 0)), axis=0, results=2)
