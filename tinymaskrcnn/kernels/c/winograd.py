"""Jobs for winograd.h: blocks of tiles, their scratch memory, and the filters in panels."""

import ctypes

import numpy as np

from ...devices import Workspace
from ..filters import TransformedWeights
from ..im2col import deal
from ..windows import blocks
from .library import Tiles, address, lane

BUDGET = 5 << 18  # bytes of transformed pixels at a time
PLANE = 16  # floats between two planes, so that they do not fall on the same lines of the cache

_workspace = Workspace()
_filters = TransformedWeights()


def filters_of(weight, m, *, turned=False):
    """The transformed weight (a*a, C, O), each of the a*a in panels; turned: of the weight that carries gradients back.

    Remembered while the weight holds the same numbers.
    """

    def transform(weight):
        if turned:
            weight = weight[::-1, ::-1].transpose(0, 1, 3, 2)
        filters = np.empty(((m + 2) ** 2, *weight.shape[2:]), np.float32)
        steps = (stride // 4 for stride in weight.strides)
        lane().winograd_filters(m, address(filters), address(weight), *weight.shape[2:], *steps)
        return filters

    return _filters.of(weight, (lane().variant, m, turned), transform)


def correlate_jobs(y, x, filters, bias, *, origin, m):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and the filters of a 3x3 weight."""

    def job(images, rows):
        seen, about = _tiles(x[images], y[images], rows, origin, m)
        pixels, products = _planes(about, m)
        arrays = (y[images, rows.start * m :], seen, filters, bias, pixels, products)
        lane().winograd(m, *map(address, arrays), ctypes.addressof(about))

    return [lambda block=block: job(*block) for block in _blocks(y, x.shape[3], m)]


def dweight_jobs(x, dy, *, origin, m, lanes):
    """Jobs that each return, from some of the tiles, the gradients for the filters (a*a, C, O) and the bias (O,)."""
    C, O = x.shape[3], dy.shape[3]

    def job(some):
        dfilters, dbias = np.zeros(((m + 2) ** 2, C, O), np.float32), np.zeros(O, np.float32)
        for images, rows in some:
            seen, about = _tiles(x[images], dy[images], rows, origin, m)
            pixels, dproducts = _planes(about, m)
            arrays = (dfilters, dbias, seen, dy[images, rows.start * m :], pixels, dproducts)
            lane().winograd_gradient(m, *map(address, arrays), ctypes.addressof(about))
        return dfilters, dbias

    return [lambda some=some: job(some) for some in deal(_blocks(dy, C, m), lanes)]


def _blocks(y, C, m):
    """Blocks whose rows are rows of tiles."""
    N, HO, WO, O = y.shape
    return blocks(N, -(-HO // m), (m + 2) ** 2 * -(-WO // m) * max(C, O) * 4, BUDGET)


def _tiles(x, y, rows, origin, m):
    """What some rows of tiles see of x (n, H, W, C), in the workspace, and all that C has to know about them."""
    n, H, W, C = x.shape
    _, HO, WO, O = y.shape
    down, along = rows.stop - rows.start, -(-WO // m)
    height, width = down * m + 2, along * m + 2
    seen = _workspace.take("seen", (n, height, width, C))
    lane().window(address(seen), address(x), n, H, W, C, height, width, origin[0] + rows.start * m, origin[1])
    plane = n * down * along * max(C, O) + PLANE
    steps = height * width * C, width * C, HO - rows.start * m, WO, HO * WO * O, WO * O
    return seen, Tiles(n, down, along, C, O, *steps, plane)


def _planes(about, m):
    shape = (m + 2) ** 2, about.plane
    return _workspace.take("pixels", shape), _workspace.take("products", shape)
