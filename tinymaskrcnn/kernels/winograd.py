"""Winograd convolution (Lavin and Gray 2016): 3x3 windows one pixel apart, with fewer multiplications.

The output is cut into tiles of m x m pixels, each made from a x a pixels of the input, a = m + 2. In one dimension

    y = A.T @ ((G @ weight) * (B.T @ x))

takes a multiplications instead of 3 m; in two dimensions a*a instead of 9 m*m, that is 16 for 36 with m = 2 and 36 for
144 with m = 4. Over the channels the product becomes a*a matrix products, and the gradient for the weight is the
same formula read from the other end.

A block holds its pixels as (rows, columns, images, channels): a step from tile to tile moves all images and channels
at once, so that the transforms run over long stretches of memory.
"""

import numpy as np

from ..devices import Workspace
from .filters import TransformedWeights, turned_round
from .im2col import deal
from .products import product
from .windows import blocks, copy_window, strided

BUDGET = 5 << 18  # bytes of transformed pixels at a time

_workspace = Workspace()
_weights = TransformedWeights()

_B_T = {
    2: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    4: [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
}
_G = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
}
_A_T = {
    2: [[1, 1, 1, 0], [0, 1, -1, -1]],
    4: [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
}


def _in_both_directions(matrices):
    """The transform of a tile along its rows and its columns, as one matrix for tiles laid out flat."""
    return {m: np.kron(matrix, matrix).astype(np.float32) for m, matrix in matrices.items()}


_BB_T, _GG, _AA_T = _in_both_directions(_B_T), _in_both_directions(_G), _in_both_directions(_A_T)
_AA = {m: np.ascontiguousarray(matrix.T) for m, matrix in _AA_T.items()}


# ---------------------------------------------------------------- the two products


def transformed_weight(weight, m, *, turned=False):
    """The filters of the products, G @ weight @ G.T: weight (3, 3, C, O) -> (a*a, C, O).

    turned: of the weight turned round with its channels exchanged (a*a, O, C), which carries gradients back.
    """

    def transform(weight):
        if turned:
            weight = turned_round(weight)
        return product(_GG[m], weight.reshape(9, -1)).reshape(-1, *weight.shape[2:])

    return _weights.of(weight, (m, turned), transform)


def correlate_jobs(y, x, filters, bias, *, origin, m):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and a transformed weight (a*a, C, O)."""
    C, O = filters.shape[1:]
    a = m + 2

    def job(images, rows):
        pixels = _transformed_pixels(x[images], rows, _tiles(y.shape[2], m), origin, m)  # (a*a, T, C)
        products = _workspace.take("products", (a * a, pixels.shape[1], O))
        product(pixels, filters, out=products)
        if bias is not None:
            products[a + 1] += bias  # the one product that enters every pixel of its tile with weight 1
        tiles = _workspace.take("tiles", (m * m, pixels.shape[1] * O))
        product(_AA_T[m], products.reshape(a * a, -1), out=tiles)
        _store_tiles(y[images], tiles, rows, m)

    return [lambda block=block: job(*block) for block in _blocks(y, C, m)]


def dweight_jobs(x, dy, *, origin, m, lanes):
    """Jobs that each return, from some of the tiles, the gradients for the filters (a*a, C, O) and the bias (O,)."""
    C, O = x.shape[3], dy.shape[3]
    a = m + 2

    def job(lane):
        dfilters = np.zeros((a * a, C, O), np.float32)
        dbias = np.zeros(O, np.float32)
        part = _workspace.take("dfilters", dfilters.shape)
        for images, rows in lane:
            pixels = _transformed_pixels(x[images], rows, _tiles(dy.shape[2], m), origin, m)  # (a*a, T, C)
            dproducts = _transformed_gradients(dy[images], rows, m)  # (a*a, T, O)
            dfilters += product(pixels.transpose(0, 2, 1), dproducts, out=part)
            dbias += product(np.ones(dproducts.shape[1], np.float32), dproducts[a + 1])
        return dfilters, dbias

    return [lambda lane=lane: job(lane) for lane in deal(_blocks(dy, C, m), lanes)]


def weight_gradient(dfilters, m):
    """Mirror of the transform of the weight: (a*a, C, O) -> (3, 3, C, O)."""
    _, C, O = dfilters.shape
    return product(_GG[m].T, dfilters.reshape(-1, C * O)).reshape(3, 3, C, O)


# ---------------------------------------------------------------- tiles


def _tiles(length, m):
    return -(-length // m)


def _blocks(y, C, m):
    """Blocks whose rows are rows of tiles."""
    N, HO, WO, O = y.shape
    return blocks(N, _tiles(HO, m), (m + 2) ** 2 * _tiles(WO, m) * max(C, O) * 4, BUDGET)


def _transformed_pixels(x, rows, columns, origin, m):
    """B.T @ tile @ B for the tiles of some rows: x (n, H, W, C) -> (a*a, T, C), T = rows * columns * n."""
    n, _, _, C = x.shape
    height = rows.stop - rows.start
    pixels = _workspace.take("pixels", (height * m + 2, columns * m + 2, n, C))
    copy_window(pixels.transpose(2, 0, 1, 3), x, origin[0] + rows.start * m, origin[1])
    transform = _transform_by_sums if m == 2 else _transform_by_matrix
    transformed = transform(pixels.reshape(*pixels.shape[:2], n * C), height, columns, m)
    return transformed.reshape((m + 2) ** 2, height * columns * n, C)


def _transform_by_matrix(pixels, height, columns, m):
    """pixels (rows, columns, n * C) -> (a*a, ...): the overlapping tiles are copied out, then it is one product."""
    a = m + 2
    s, t, u = pixels.strides
    overlapping = strided(pixels, (a, a, height, columns, pixels.shape[2]), (s, t, m * s, m * t, u))
    tiles = _workspace.take("overlapping", overlapping.shape)
    np.copyto(tiles, overlapping)
    transformed = _workspace.take("transformed", (a * a, tiles[0, 0].size))
    return product(_BB_T[m], tiles.reshape(a * a, -1), out=transformed)


def _transform_by_sums(pixels, height, columns, m):
    """The same for m = 2, whose B holds only 0, 1 and -1: eight sums of shifted images, and no copy."""
    along_rows = _workspace.take("along_rows", (4, height, *pixels.shape[1:]))
    _sums(along_rows, [pixels[i : i + 2 * height : 2][:height] for i in range(4)])
    transformed = _workspace.take("transformed", (4, 4, height, columns, pixels.shape[2]))
    shifted = [along_rows[:, :, j : j + 2 * columns : 2][:, :, :columns] for j in range(4)]
    _sums(transformed.transpose(1, 0, 2, 3, 4), shifted)
    return transformed


def _sums(out, d):
    """The four rows of B.T for m = 2."""
    np.subtract(d[0], d[2], out=out[0])
    np.add(d[1], d[2], out=out[1])
    np.subtract(d[2], d[1], out=out[2])
    np.subtract(d[1], d[3], out=out[3])


def _transformed_gradients(dy, rows, m):
    """A @ dtile @ A.T for the tiles of some rows: dy (n, HO, WO, O) -> (a*a, T, O)."""
    n, _, WO, O = dy.shape
    height, columns = rows.stop - rows.start, _tiles(WO, m)
    image = _workspace.take("pixels", (height * m, columns * m, n, O))
    copy_window(image.transpose(2, 0, 1, 3), dy, rows.start * m, 0)
    tiles = _workspace.take("tiles", (m, m, height, columns, n * O))
    tiles[...] = image.reshape(height, m, columns, m, n * O).transpose(1, 3, 0, 2, 4)
    dproducts = _workspace.take("products", ((m + 2) ** 2, height * columns * n * O))
    product(_AA[m], tiles.reshape(m * m, -1), out=dproducts)
    return dproducts.reshape((m + 2) ** 2, height * columns * n, O)


def _store_tiles(y, tiles, rows, m):
    """Lay tiles (m*m, rows * columns * n * O) out in y (n, HO, WO, O); what reaches over the border is dropped."""
    n, HO, WO, O = y.shape
    tiles = tiles.reshape(m, m, rows.stop - rows.start, -1, n, O)
    for i in range(m):
        for j in range(m):
            target = y[:, rows.start * m + i : min(rows.stop * m, HO) : m, j::m]
            target[...] = tiles[i, j, : target.shape[1], : target.shape[2]].transpose(2, 0, 1, 3)
