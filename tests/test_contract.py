"""The door: what the shape line says is checked; and a battery of bad input over every registered pair."""

import cases
import numpy as np
import pytest
import registry
import strict_device

from tinymaskrcnn import contract
from tinymaskrcnn.contract import checked, parse_shapes, shape_line
from tinymaskrcnn.errors import BackendError, DtypeError, ShapeError


@checked
def blend(x, weight, bias=None, *, labels=None, mask=None, scale=None, anchors=None):
    """Add things up.

    x (K, C), weight (C, O), bias (O,), labels (K,) int, mask (..., K) bool, scale (2,) float,
    anchors (..., A*4)  ->  y (K, O)

    Not part of the line (K, 7).
    """
    return x @ weight


X, WEIGHT, BIAS = np.ones((5, 3)), np.ones((3, 4)), np.ones(4)

# ---------------------------------------------------------------- reading the line


def test_the_line_is_read_up_to_the_arrow_over_several_lines():
    shapes = parse_shapes(shape_line(blend))
    assert shapes["x"] == (("K", "C"), None) and shapes["bias"] == (("O",), None)
    assert shapes["labels"] == (("K",), "int") and shapes["mask"] == (("...", "K"), "bool")
    assert set(shapes) == {"x", "weight", "bias", "labels", "mask", "scale", "anchors"}


def test_zero_dimensions_can_be_asked_for():
    assert parse_shapes("loss ()")["loss"] == ((), None)


def test_no_line_no_door():
    with pytest.raises(TypeError, match="nothing has no shape line"):

        @checked
        def nothing(x):
            """Do nothing."""

    assert shape_line(lambda: None) is None


def test_the_door_keeps_name_docstring_and_mark():
    assert blend.__name__ == "blend" and "Add things up" in blend.__doc__ and blend.checked


# ---------------------------------------------------------------- passing through


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_good_arguments_pass(dtype):
    y = blend(
        X.astype(dtype),
        WEIGHT.astype(dtype),
        BIAS.astype(dtype),
        labels=np.zeros(5, np.int32),
        mask=np.zeros((2, 5), bool),
        scale=np.ones(2, np.float32),
        anchors=np.ones((7, 12)),
    )
    assert y.dtype == dtype


def test_none_zero_rows_and_keywords_pass():
    assert blend(X[:0], weight=WEIGHT, bias=None, labels=None).shape == (0, 4)


def test_a_device_array_passes(device):
    assert blend(device.asarray(X), device.asarray(WEIGHT)).shape == (5, 4)


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("error", "message", "changed"),
    [
        (ShapeError, r"blend: x must have 2 axes \(K, C\); got shape \(5, 3, 1\)", {"x": X[..., None]}),
        (
            ShapeError,
            r"blend: weight must be \(C, O\) with C = 3 to fit x \(5, 3\); got \(4, 3\)\. Did you pass the transpose\?",
            {"weight": WEIGHT.T},
        ),
        (ShapeError, r"bias must be \(O,\) with O = 4 to fit weight \(3, 4\); got \(5,\)\.$", {"bias": np.ones(5)}),
        (ShapeError, r"blend: mask must be \(K,\) with K = 5 to fit x", {"mask": np.zeros((5, 2), bool)}),
        (ShapeError, r"blend: mask must have 1 axes \(K,\); got shape \(\)", {"mask": np.zeros((), bool)}),
        (ShapeError, r"blend: scale must be \(2,\); got \(3,\)", {"scale": np.ones(3)}),
        (DtypeError, "blend: x must be an array .K, C.; got list. Wrap it with np.asarray", {"x": X.tolist()}),
        (DtypeError, "blend: x must hold float32 or float64; got int64", {"x": X.astype(int)}),
        (DtypeError, "blend: x must hold float32 or float64; got float16", {"x": X.astype(np.float16)}),
        (DtypeError, "blend: weight must be float64 like x; got float32", {"weight": WEIGHT.astype(np.float32)}),
        (DtypeError, "blend: labels must hold integers; got float64", {"labels": np.ones(5)}),
        (DtypeError, "blend: mask must hold booleans; got int64", {"mask": np.ones((1, 5), int)}),
        (DtypeError, "blend: scale must hold float32 or float64; got int64", {"scale": np.ones(2, int)}),
        (BackendError, "blend: bias must be an array of numpy like x; got one of strict_cupy",
         {"bias": strict_device.xp.asarray(BIAS)}),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(error, message, changed):
    with pytest.raises(error, match=message):
        blend(**{"x": X, "weight": WEIGHT, **changed})


# ---------------------------------------------------------------- the battery over the registry

CHECKED = [case for case in registry.PAIRS if case.kind == "pair"]


def arrays(case):
    """forward, its positional arguments by name, its data, [(name, array, dims)] of the line, the whole line."""
    forward, _ = case.build()
    positional, data = case.drawn()
    names = cases.positional_names(forward)
    shapes = parse_shapes(shape_line(forward))
    known = [(n, a, shapes[n]) for n, a in zip(names, positional) if isinstance(a, np.ndarray) and n in shapes]
    return forward, dict(zip(names, positional)), data, known, shapes


def refused(error, forward, argument, arguments, data, **changed):
    with pytest.raises(error) as failure:
        given = {**arguments, **{n: v for n, v in changed.items() if n in arguments}}
        forward(*given.values(), **{**data, **{n: v for n, v in changed.items() if n not in arguments}})
    assert str(failure.value).startswith(f"{forward.__name__}: ") and argument in str(failure.value), failure.value


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_wrong_number_of_axes(case):
    forward, arguments, data, known, _ = arrays(case)
    for name, array, (dims, _) in known:
        if dims == ("...",):
            continue  # any number of axes will do
        wrong = array[..., None] if "..." not in dims else np.asarray(1.0)
        refused(ShapeError, forward, name, arguments, data, **{name: wrong})


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_integers_and_lists(case):
    forward, arguments, data, known, _ = arrays(case)
    lists = {name: value for name, value in arguments.items() if isinstance(value, list)}
    assert known or lists, "the shape line names no positional array"
    for name, value in lists.items():
        refused(DtypeError, forward, name, arguments, data, **{name: [array.astype(np.int64) for array in value]})
        refused(DtypeError, forward, name, arguments, data, **{name: [array.tolist() for array in value]})
        refused(ShapeError, forward, name, arguments, data, **{name: [array[0] for array in value]})
    for name, array, _ in known:
        refused(DtypeError, forward, name, arguments, data, **{name: array.astype(np.int64)})
        refused(DtypeError, forward, name, arguments, data, **{name: array.tolist()})


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_mixed_precision_and_mixed_backend(case):
    forward, arguments, data, known, shapes = arrays(case)
    for name, array, _ in known[1:]:
        refused(DtypeError, forward, name, arguments, data, **{name: array.astype(np.float32)})
    others = [(n, v) for n, v in data.items() if isinstance(v, np.ndarray) and n in shapes]
    for name, array in [(n, a) for n, a, _ in known[1:]] + others:
        refused(BackendError, forward, name, arguments, data, **{name: strict_device.xp.asarray(array)})


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_integer_data_refuses_floats(case):
    forward, arguments, data, _, shapes = arrays(case)
    for name, value in data.items():
        if shapes.get(name, (None, None))[1] == "int" and isinstance(value, np.ndarray):
            refused(DtypeError, forward, name, arguments, data, **{name: value.astype(np.float64)})
            refused(ShapeError, forward, name, arguments, data, **{name: value[..., None]})


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_backward_refuses_a_bad_dy(case):
    forward, backward = case.build()
    positional, data = case.drawn()
    y, cache = forward(*positional, **data)
    (name, (dims, _)), *_ = parse_shapes(shape_line(backward)).items() or [(None, ((), None))]
    if name is None or not dims:
        return  # a loss: dloss may be a number
    with pytest.raises(DtypeError, match=f"{backward.__name__}: {name}"):
        backward(np.ones(y.shape, np.int64), cache)
    if dims != ("...",):
        with pytest.raises(ShapeError, match=f"{backward.__name__}: {name}"):
            backward(np.ones((*y.shape, 1)) if "..." not in dims else np.asarray(1.0), cache)


# ---------------------------------------------------------------- what passed before


def test_what_passed_before_says_nothing_about_what_looks_different(monkeypatch):
    looked = []
    look = contract._check_arrays
    monkeypatch.setattr(contract, "_check_arrays", lambda *args: looked.append(args[0]) or look(*args))

    @checked
    def double(x, *, labels=None):
        """Twice x.

        x (K, C), labels (K,) int  ->  y (K, C)
        """
        return 2 * x

    labels = np.zeros(5, np.int64)
    for _ in range(3):
        double(X, labels=labels)
    assert len(looked) == 1  # equal kinds, shapes and dtypes are looked at once
    for bad in (labels[:4], labels.astype(float), labels[:, None], labels.tolist(), strict_device.xp.asarray(labels)):
        for _ in range(2):  # and what is refused is refused again
            with pytest.raises((ShapeError, DtypeError, BackendError)):
                double(X, labels=bad)
    with pytest.raises(DtypeError):
        double(X.astype(np.int64), labels=labels)
    double(X)
    double(X.astype(np.float32), labels=labels)


def test_ever_new_shapes_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(contract, "REMEMBERED", 3)
    looked = []
    look = contract._check_arrays
    monkeypatch.setattr(contract, "_check_arrays", lambda *args: looked.append(1) or look(*args))

    @checked
    def same(x):
        """The same.

        x (K,)  ->  y (K,)
        """
        return x

    for _ in range(2):
        for k in range(6):
            same(np.zeros(k))
    assert len(looked) == 6 + 3
