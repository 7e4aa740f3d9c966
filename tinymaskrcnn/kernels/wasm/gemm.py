"""Products of float32 matrices in WebAssembly's vectors of four, some four times faster than the BLAS of SciPy there.

A block of 4 rows and 8 columns of the product is held in eight vectors while the sums run; the last block of a row or a
column begins earlier, so that it is whole, and computes what it shares with its neighbour once more.
"""

import ctypes
import functools
import sys
import tempfile

import numpy as np

from .assembler import library

ROWS, COLUMNS = 4, 8  # of a block
ITEM = 4  # bytes of a float
PARAMETERS = "count M K N a a_next a_row a_column b b_next b_row c c_next".split()  # steps are in bytes
NAME = "multiply"

_EACH = range(ROWS)
LOCALS = dict.fromkeys(["i", "j", "k", "row", "column", "at", *(f"a{r}" for r in _EACH)], "i32")
LOCALS |= dict.fromkeys(["b0", "b1", "x", *(f"c{r}{h}" for r in _EACH for h in (0, 1))], "v128")


def _least(one, other):
    """The smaller of two numbers, each given by the instructions that put it on the stack."""
    return f"{one} {other} {one} {other} i32.lt_s select"


def _set(name, *parts):
    return f"{' '.join(parts)} local.set ${name}"


def _get(name):
    return f"local.get ${name}"


def _add(name, step):
    return _set(name, _get(name), step, "i32.add")


def _again(loop, value, bound):
    """Once more from the loop's beginning while value < bound."""
    return f"{value} {bound} i32.lt_s br_if ${loop} end"


def _multiplied(r):
    """Row r of the block gains a number of `a` times eight of `b`."""
    load = _set("x", _get(f"a{r}"), "v128.load32_splat offset=0")
    sums = [_set(f"c{r}{h}", _get(f"c{r}{h}"), _get("x"), _get(f"b{h}"), "f32x4.mul f32x4.add") for h in (0, 1)]
    return " ".join([load, *sums, _add(f"a{r}", _get("a_column"))])


def _stored(r):
    halves = [f"{_get('at')} {_get(f'c{r}{h}')} v128.store offset={16 * h}" for h in (0, 1)]
    return " ".join([*halves, _add("at", f"{_get('N')} i32.const {ITEM} i32.mul")])


def program():
    """The function in WebAssembly's text: for every matrix, eight columns, four rows, the sums over k."""
    row_of_block = f"{_get('row')} {_get('a_row')} i32.mul"
    lines = [
        "loop $matrices i32.const 0 local.set $j",
        "loop $columns i32.const 0 local.set $i",
        _set("column", _least(_get("j"), f"{_get('N')} i32.const {COLUMNS} i32.sub")),
        "loop $rows",
        _set("row", _least(_get("i"), f"{_get('M')} i32.const {ROWS} i32.sub")),
        _set("a0", _get("a"), row_of_block, "i32.add"),
        *(_set(f"a{r}", _get(f"a{r - 1}"), _get("a_row"), "i32.add") for r in _EACH[1:]),
        _set("at", _get("b"), _get("column"), f"i32.const {ITEM} i32.mul i32.add"),
        *(_set(f"c{r}{h}", "v128.const f32x4 0 0 0 0") for r in _EACH for h in (0, 1)),
        _set("k", "i32.const 0"),
        "loop $sums",
        *(_set(f"b{h}", _get("at"), f"v128.load offset={16 * h}") for h in (0, 1)),
        *map(_multiplied, _EACH),
        _add("at", _get("b_row")),
        _add("k", "i32.const 1"),
        _again("sums", _get("k"), _get("K")),
        _set("at", _get("row"), _get("N"), "i32.mul", _get("column"), f"i32.add i32.const {ITEM} i32.mul"),
        _add("at", _get("c")),
        *map(_stored, _EACH),
        _add("i", f"i32.const {ROWS}"),
        _again("rows", _get("i"), _get("M")),
        _add("j", f"i32.const {COLUMNS}"),
        _again("columns", _get("j"), _get("N")),
        *(_add(name, _get(f"{name}_next")) for name in "abc"),
        _add("count", "i32.const -1"),
        _again("matrices", "i32.const 0", _get("count")),
    ]
    return "\n".join(lines)


@functools.cache
def loaded():
    """The function in this process, called with PARAMETERS; None on another machine, or one without vectors."""
    if sys.platform != "emscripten":
        return None
    with tempfile.NamedTemporaryFile(suffix=".so") as file:  # dlopen takes a name
        file.write(library(NAME, PARAMETERS, LOCALS, program()))
        file.flush()
        try:
            function = getattr(ctypes.CDLL(file.name), NAME)
        except (OSError, AttributeError):
            return None
    function.argtypes, function.restype = [ctypes.c_int] * len(PARAMETERS), None
    return function


def fits(a, b, y):
    """Whether the function takes float32 matrices, or stacks of them, y being whole in memory."""
    return a.shape[-2] >= ROWS and b.shape[-1] >= COLUMNS and a.itemsize == b.itemsize == ITEM and y.flags.c_contiguous


def fill(y, a, b):
    """y = a @ b: a (..., M, K), b (..., K, N), y (..., M, N), stacks of one length"""
    if b.strides[-1] != ITEM:
        b = np.ascontiguousarray(b)
    a3, b3, y3 = (x if x.ndim == 3 else x[None] for x in (a, b, y))
    at_a, at_b, at_y = (x.__array_interface__["data"][0] for x in (a3, b3, y3))
    sizes = *a3.shape, b3.shape[2]
    loaded()(*sizes, at_a, *a3.strides, at_b, *b3.strides[:2], at_y, y3.strides[0])
