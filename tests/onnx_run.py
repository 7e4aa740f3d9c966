"""Run a few ONNX nodes in onnxruntime: the tests' way to look at one part of a graph."""

import numpy as np

from tinymaskrcnn.interop.onnx_check import open_session
from tinymaskrcnn.interop.onnx_graph import Graph


def run_nodes(build, **inputs):
    """build(g, **names of the inputs) returns the name of a value, or a list of them: the values, as arrays.

    The axes of the inputs have no fixed length, so that nothing may depend on it.
    """
    g = Graph()
    values = build(g, **{name: name for name in inputs})
    values = [values] if isinstance(values, str) else values
    for i, value in enumerate(values):
        g.result(f"result{i}", value)
    kinds = {name: (a.dtype, [f"{name}{axis}" for axis in range(a.ndim)]) for name, a in inputs.items()}
    proto = g.model(kinds, {}, name="test", metadata={}, producer_version="0")
    names = [f"result{i}" for i in range(len(values))]
    proto.graph.output.extend(g.onnx.helper.make_empty_tensor_value_info(name) for name in names)  # types are inferred
    arrays = open_session(proto.SerializeToString(), threads=1).run(names, inputs)
    return arrays[0] if len(arrays) == 1 else arrays


def drawn_boxes(count, seed=0, side=100.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-5, side, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, side, (count, 2))], axis=1).astype(np.float32)


def pyramid_of(size, channels=4, seed=0):
    """[(1, H, W, C)] * 5 of random numbers, P2 to P6 of a picture of that size."""
    rng = np.random.default_rng(seed)
    strides = (4, 8, 16, 32, 64)
    return [rng.normal(0, 1, (1, -(-size[0] // s), -(-size[1] // s), channels)).astype(np.float32) for s in strides]


def channels_first(pyramid):
    """The levels by name, as inputs of a graph."""
    return {f"p{i}": np.ascontiguousarray(level.transpose(0, 3, 1, 2)) for i, level in enumerate(pyramid)}
