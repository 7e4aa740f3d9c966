"""Selective search (Uijlings et al. 2013): join the two most alike neighbours until one region is left; note every box.

No single way of seeing likeness finds all objects, so the picture is searched several times: in other colour spaces,
from coarser and finer regions, and by other measures of likeness.
"""

import heapq

import numpy as np

from . import colors
from .regions import alike, describe, histogram_places
from .segmentation import grid_edges, segment, touching

REFERENCE = 128 * 128  # pixels of the picture for which sizes in a ProposalConfig are meant


def selective_search(image, config):
    """Boxes around everything that was ever one region, most promising first.

    image (H, W, C) in 0..1, a ProposalConfig  ->  boxes (P, 4) float32 in pixels
    min_size of the config grows with the picture's area, scales and min_side with its root: the larger the picture, the
    smaller the difference of neighbours.
    """
    larger = image.shape[0] * image.shape[1] / REFERENCE
    found = []
    for name in _spaces(image, config):
        seen = colors.to_space(image, name)
        edges, places = grid_edges(seen, sigma=config.sigma), histogram_places(seen)
        for scale in config.scales:
            size = max(1, round(config.min_size * larger))
            labels = segment(seen, scale=scale * np.sqrt(larger), min_size=size, edges=edges)
            regions, pairs = describe(seen, labels, places=places), neighbours(labels)
            found += [group(regions, pairs, area=labels.size, measures=m.split("+")) for m in config.measures]
    return in_order(found, min_side=config.min_side * np.sqrt(larger), most=config.most)


def _spaces(image, config):
    return config.color_spaces if image.shape[2] == 3 else ("intensity",)


def neighbours(labels):
    """Which regions have pixels that touch, corners included: labels (H, W)  ->  pairs (E, 2) int, the lower first"""
    a, b = touching(labels)
    count = int(labels.max()) + 1
    keys = np.unique(np.minimum(a, b)[a != b] * count + np.maximum(a, b)[a != b])
    return np.stack([keys // count, keys % count], axis=1)


def group(regions, pairs, *, area, measures):
    """Join the two neighbours that are most alike, again and again, until all that touch are one.

    Regions (R), pairs (E, 2) int  ->  boxes (up to 2 * R - 1, 4): the regions' own, then the others as they came about
    """
    count = len(regions)
    regions = regions.with_room(2 * count - 1)
    beside = [set() for _ in range(2 * count - 1)]
    for a, b in pairs.tolist():
        beside[a].add(b)
        beside[b].add(a)
    likeness = alike(regions, pairs[:, 0], pairs[:, 1], area=area, measures=measures) if len(pairs) else np.zeros(0)
    queue = [(-s, a, b) for s, (a, b) in zip(likeness.tolist(), pairs.tolist())]
    heapq.heapify(queue)
    gone = bytearray(2 * count - 1)
    new = count
    while queue:
        _, a, b = heapq.heappop(queue)
        if gone[a] or gone[b]:
            continue
        regions.join(a, b, into=new)
        gone[a] = gone[b] = True
        others = sorted((beside[a] | beside[b]) - {a, b})  # whoever touched one of the two touches what they became
        for other in others:
            beside[other] -= {a, b}
            beside[other].add(new)
        beside[new] = set(others)
        if others:
            likeness = alike(regions, new, others, area=area, measures=measures)
            for s, other in zip(likeness.tolist(), others):
                heapq.heappush(queue, (-s, other, new))
        new += 1
    return regions.boxes[:new]


def in_order(found, *, min_side, most):
    """All boxes of several searches in one order, each box once.

    found: a list of boxes (R, 4), each in the order in which they came about  ->  boxes (P, 4) float32

    The last ones of a search, which are the largest, come first. So that they are not all large, each place is
    multiplied by a random number, the same for every picture.
    """
    rng = np.random.default_rng(0)
    places = np.concatenate([np.arange(len(boxes), 0, -1) * rng.random(len(boxes)) for boxes in found])
    boxes = np.concatenate(found)[np.argsort(places, kind="stable")]
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= min_side).all(axis=1)]
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)[:most]].astype(np.float32)
