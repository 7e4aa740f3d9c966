"""A picture cut into regions of like pixels (Felzenszwalb and Huttenlocher 2004): where selective search begins.

Pixels are the nodes of a graph, neighbours its edges, weighted by how different they are. From the smallest difference
up, an edge joins the two regions at its ends when it is no larger than what either of them has inside already, plus a
tolerance that shrinks as a region grows: scale / size.
"""

import numpy as np

from .smoothing import smooth

BLOCKS = 8  # after each, regions are numbered anew and edges inside them left out: what is slow is Python's loop


def segment(image, *, scale, min_size, sigma=0.8, edges=None):
    """Cut a picture into regions, numbered from 0 in the order of their first pixels.

    image (H, W, C) in 0..1  ->  labels (H, W) int
    scale: the tolerance of a region of one pixel, in 255ths of a pixel's range; larger means larger regions. min_size:
    a region of fewer pixels joins the neighbour that it differs least from. sigma: of the smoothing before all this.
    edges: those of `grid_edges`, where several scales share them.
    """
    height, width = image.shape[:2]
    first, second, weight = grid_edges(image, sigma=sigma) if edges is None else edges
    labels, sizes = _join_alike(first, second, weight, count=height * width, scale=scale / 255)
    labels = _join_small(labels[first], labels[second], sizes, min_size)[labels]
    return _by_first_pixel(labels).reshape(height, width)


def grid_edges(image, *, sigma=0.8):
    """The edges between touching pixels, corners included, smallest difference first; of equal ones the upper left.

    image (H, W, C)  ->  first (E,) int, second (E,) int: places in the flattened picture, weight (E,) float64
    """
    height, width = image.shape[:2]
    first, second = touching(np.arange(height * width).reshape(height, width))
    pixels = smooth(image, sigma=sigma).reshape(height * width, -1)
    weight = np.sqrt(((pixels[first] - pixels[second]) ** 2).sum(axis=1))
    order = np.argsort(weight, kind="stable")
    return first[order], second[order], weight[order]


def touching(values):
    """What stands beside each other in a grid: to the right, below, and at both lower corners.

    values (H, W)  ->  first (E,), second (E,): the values of each pair of touching places
    """
    every, before, behind = slice(None), slice(None, -1), slice(1, None)
    pairs = [((every, before), (every, behind)), ((before, every), (behind, every))]
    pairs += [((before, before), (behind, behind)), ((before, behind), (behind, before))]
    return [np.concatenate([values[pair[end]].ravel() for pair in pairs]) for end in (0, 1)]


def _join_alike(first, second, weight, *, count, scale):
    """The rule of the paper, edge by edge: both ends have to agree.

    ->  labels (count,) int, sizes (regions,) int
    """
    labels, sizes, limits = np.arange(count), np.ones(count, np.int64), np.full(count, scale)
    for block in np.array_split(np.arange(len(weight)), BLOCKS):
        ends, weights = (labels[first[block]], labels[second[block]]), weight[block]
        # A region that refuses an edge refuses all later ones, which are no smaller: it is finished.
        unfinished = np.minimum(limits[ends[0]], limits[ends[1]]) >= weights.min(initial=np.inf)
        open_ = np.flatnonzero((ends[0] != ends[1]) & unfinished)
        parent, size, limit = list(range(len(sizes))), sizes.tolist(), limits.tolist()
        for a, b, w in zip(*(values[open_].tolist() for values in (*ends, weights))):
            while parent[a] != a:  # up to the root of its region, shortening the way for those who come later
                parent[a] = a = parent[parent[a]]
            while parent[b] != b:
                parent[b] = b = parent[parent[b]]
            if a != b and w <= limit[a] and w <= limit[b]:
                if size[a] < size[b]:
                    a, b = b, a
                parent[b] = a
                size[a] += size[b]
                limit[a] = w + scale / size[a]
        numbers, roots = _numbered(parent)
        labels, sizes, limits = numbers[labels], np.array(size)[roots], np.array(limit)[roots]
    return labels, sizes


def _join_small(first, second, sizes, min_size):
    """Along edges from the smallest difference up, join where one of the two regions is too small.

    first (E,), second (E,): the regions at both ends, sizes (R,)  ->  numbers (R,) int of what they are now
    """
    parent, size = list(range(len(sizes))), sizes.tolist()
    open_ = np.flatnonzero((first != second) & (np.minimum(sizes[first], sizes[second]) < min_size))
    for a, b in zip(first[open_].tolist(), second[open_].tolist()):
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if a != b and min(size[a], size[b]) < min_size:
            parent[b] = a
            size[a] += size[b]
    return _numbered(parent)[0]


def _numbered(parent):
    """Regions 0, 1, 2, ... from a forest in which every node names its parent, and a root itself.

    parent: a list of n nodes  ->  numbers (n,) int of the region of each, roots (regions,) int
    """
    parent = np.array(parent)
    while not np.array_equal(above := parent[parent], parent):
        parent = above
    is_root = parent == np.arange(len(parent))
    return (np.cumsum(is_root) - 1)[parent], np.flatnonzero(is_root)


def _by_first_pixel(labels):
    """The same regions, numbered in the order in which labels (n,) first appear."""
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
