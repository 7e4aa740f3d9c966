"""Trees of arrays survive the way between processes; bytes that are no message never do harm."""

import io
import struct

import numpy as np
import pytest
import scipy.sparse
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinymaskrcnn.homework.wire import LARGEST, LARGEST_HEAD, Other, WireError, pack, receive, send, send_any, unpack

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.text(max_size=5),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.bool_, np.uint8]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=6,
)


def same(a, b):
    if isinstance(a, (np.ndarray, np.generic)):
        return (
            type(a) is type(b)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and (a == b or (a != a and b != b))


@examples(100)
@given(TREES)
def test_what_is_packed_comes_back(tree):
    assert same(tree, unpack(pack(tree)))


def test_views_with_gaps_and_scalars_come_back():
    wide = np.arange(24.0).reshape(4, 6)
    assert same(wide[::2, ::3].copy(), unpack(pack(wide[::2, ::3])))
    assert same(np.float32(2.5), unpack(pack(np.float32(2.5))))


def test_sparse_matrices_come_back():
    A = scipy.sparse.random(5, 7, 0.3, format="csr", random_state=np.random.default_rng(0))
    assert (unpack(pack((A,)))[0] != A).nnz == 0


def test_other_things_arrive_as_their_name():
    back = unpack(pack((object(), np.array(["a"]), {1, 2})))
    assert [b.name for b in back if isinstance(b, Other)] == ["object", "<U1 array (1,)", "set"]


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(message):
    with pytest.raises(WireError):
        unpack(message)


@given(TREES, st.data())
def test_a_damaged_message_is_refused_or_read_as_data(tree, data):
    message = bytearray(pack(tree))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    try:
        unpack(bytes(message))
    except WireError:
        pass


def test_messages_follow_each_other_and_an_end_is_told():
    stream = io.BytesIO()
    send(stream, [1, 2])
    send(stream, np.arange(3))
    stream.seek(0)
    assert receive(stream) == [1, 2]
    assert receive(stream).tolist() == [0, 1, 2]
    with pytest.raises(EOFError):
        receive(stream)


@pytest.mark.parametrize("sizes", [(LARGEST_HEAD + 1, 0), (0, LARGEST + 1), (2**32 - 1, 2**32 - 1)])
def test_a_boast_of_size_is_refused_before_it_is_read(sizes):
    with pytest.raises(WireError, match="are larger than any message"):
        receive(io.BytesIO(struct.pack(">II", *sizes) + b"x" * 10))


@pytest.mark.parametrize("missing", [1, 8, 24])
def test_an_array_that_is_cut_off_is_refused(missing):
    message = pack(np.arange(3.0))
    head, body = struct.unpack(">II", message[:8])
    with pytest.raises(WireError, match="an array reaches beyond the message"):
        unpack(struct.pack(">II", head, body - missing) + message[8:-missing])


def test_what_is_too_large_is_not_sent():
    with pytest.raises(WireError, match="are larger than any message"):
        pack(np.zeros(LARGEST // 8 + 1))


class Liar(dict):
    def items(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "output, kind",
    [(np.zeros(LARGEST), "memory"), (10**5000, "exception"), (Liar(a=1), "exception")],
    ids=["large", "many digits", "lies"],
)
def test_an_answer_that_cannot_be_sent_becomes_trouble(output, kind):
    stream = io.BytesIO()
    send_any(stream, {"output": output, "violations": ["x"]})
    stream.seek(0)
    reply = receive(stream)
    assert reply["trouble"][0] == kind and reply["violations"] == ["x"]


@pytest.mark.parametrize("head", [b'{"float": "0x1p99999"}', b'{"array": ["<f8", [1e400]]}', b"[]", b'{"is": 1'])
def test_a_strange_head_is_refused(head):
    with pytest.raises(WireError):
        unpack(struct.pack(">II", len(head), 0) + head)
