"""Jobs for winograd.h: blocks of tiles, their scratch memory, and the filters in panels."""

import ctypes
import functools

import numpy as np

from ...devices import Workspace, on_line
from ..filters import TransformedWeights, turned_round
from ..im2col import deal
from ..windows import blocks
from .correlate import laid_out
from .library import Tiles, address, gapless, lane

BUDGET = 5 << 18  # bytes of transformed pixels at a time, for a gradient
JOB = 4 * BUDGET  # of them are a job on the way forward
MOST = 2 * JOB  # at a time, where one row of tiles has more
SMALL = 1 << 20  # bytes of filters that stay in the cache, whatever passes
FEW = 42  # tiles at a time under such filters: a multiple of the pixels that are kept in registers
LITTLE = 64  # tiles at a time on the way back: a gradient takes so many pixels at once (weights.h)
PLANE = 16  # floats between two planes, so that they do not fall on the same lines of the cache

_workspace = Workspace()
_filters = TransformedWeights()


def filters_of(weight, m, *, turned=False):
    """The transformed weight (a*a, C, O), each of the a*a in panels; turned: of the weight that carries gradients back.

    Remembered while the weight holds the same numbers.
    """

    def transform(weight):
        weight = turned_round(weight) if turned else gapless(weight)
        filters = on_line(((m + 2) ** 2, *weight.shape[2:]))
        lane().winograd_filters(m, address(filters), address(weight), *weight.shape[2:])
        return filters

    return _filters.of(weight, (lane().variant, m, turned), transform)


def correlate_jobs(y, x, filters, becomes, *, origin, m):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and the filters of a 3x3 weight.

    filters: a function that returns them, which the first job may have to make; becomes: what is done to the sums, a
    `correlate.finish`
    """
    C, O = x.shape[3], y.shape[3]
    few = FEW if 4 * (m + 2) ** 2 * C * O <= SMALL else max(MOST // (4 * (m + 2) ** 2 * max(C, O)), 1)
    to, begin = address(y), address(x)

    def job(at_y, at_x, about):
        own = filters()  # held until C has read them: another job may have made the same, and others be forgotten
        arrays = to + at_y, begin + at_x, address(own), ctypes.addressof(becomes), *map(address, _planes(about, m))
        lane().winograd(m, *arrays, ctypes.addressof(about))

    return [functools.partial(job, *some) for some in _plan(y.shape, x.shape, origin, m, few)]


@functools.lru_cache(maxsize=1024)
def _plan(out, image, origin, m, few):
    """Of each job, by the shapes of y and x without gaps: where in them it begins, in bytes, and its `tiles`."""
    y, x, plan = laid_out(out), laid_out(image), []
    for images, rows in _blocks(y, image[3], m, JOB):
        starts = address(y[images, rows.start * m :]) - address(y), address(x[images]) - address(x)
        plan.append((*starts, tiles(x[images], y[images], rows, origin, m, few)))
    return plan


def dweight_jobs(x, dy, *, origin, m, lanes):
    """Jobs that each return, from some of the tiles, the gradients for the filters (a*a, C, O) and the bias (O,)."""
    C, O = x.shape[3], dy.shape[3]
    few = LITTLE if 4 * (m + 2) ** 2 * C * O <= SMALL else None

    def job(some):
        dfilters, dbias = np.zeros(((m + 2) ** 2, C, O), np.float32), np.zeros(O, np.float32)
        for images, rows in some:
            about = tiles(x[images], dy[images], rows, origin, m, few)
            arrays = (dfilters, dbias, x[images], dy[images, rows.start * m :], *_planes(about, m))
            lane().winograd_gradient(m, *map(address, arrays), ctypes.addressof(about))
        return dfilters, dbias

    return [lambda some=some: job(some) for some in deal(_blocks(dy, C, m, BUDGET), lanes)]


def _blocks(y, C, m, budget):
    """Blocks whose rows are rows of tiles."""
    N, HO, WO, O = y.shape
    return blocks(N, -(-HO // m), (m + 2) ** 2 * -(-WO // m) * max(C, O) * 4, budget)


def tiles(x, y, rows, origin, m, few=None):
    """All that C has to know about some rows of tiles of x (n, H, W, C) and y (n, HO, WO, O), `few` at a time."""
    n, H, W, C = x.shape
    _, HO, WO, O = y.shape
    down, along = rows.stop - rows.start, -(-WO // m)
    chunk = min(n * down * along, few or n * down * along)
    seen = H, W, origin[0] + rows.start * m, origin[1], H * W * C, W * C
    made = HO - rows.start * m, WO, HO * WO * O, WO * O
    return Tiles(n, down, along, C, O, *seen, *made, chunk, chunk * max(C, O) + PLANE)


def _planes(about, m):
    """Scratch memory for the transformed tiles on either side of the products."""
    shape = (m + 2) ** 2, about.plane
    return _workspace.take("pixels", shape), _workspace.take("products", shape)
