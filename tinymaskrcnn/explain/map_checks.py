"""Can a map be believed? Two sanity checks: cover patches and look at the score, and ask a network of random weights.

A gradient says what a small change would do. Covering a patch is a large one, after which the network may bend: the
correlation with it says how far the map carries. Faintly covered, the patches have to agree with the map. And a map
that a network of random weights draws as well shows the picture, not what was learned (Adebayo et al. 2018).
"""

from dataclasses import dataclass

import numpy as np

from ..models.build import build_model
from ..ops import softmax
from ..structures import collate
from .chain import Step, name_of
from .score_maps import ScoreMaps, follow_score, propose_again
from .watched import watched

EDGES = ("left", "top", "right", "bottom")
FAINT = 0.02  # how much of a patch is covered where the map itself is tried
BATCH = 12  # pictures that are looked at together


@dataclass(frozen=True)
class Occlusion:
    """What covering patches does to a score, and what a map says it would do.

    patches (P, 4) whole pixels; strength: 1 covers, 0.1 fades by a tenth; measured {"held", "free"}: change of the
    score (P,), with the box held and with it following the picture; told: the same by the map.
    """

    patches: np.ndarray
    strength: float
    measured: dict
    told: dict

    def correlation(self, which="held"):
        """Pearson's, of what was measured with what was told; NaN where one of them does not vary."""
        return correlation(self.measured[which], self.told[which])


def occlude(maps, *, side=6, strength=1.0):
    """Cover the surroundings of a detection's proposal patch by patch, with the commonest brightness of the picture.

    ScoreMaps, side: patches along each axis, strength  ->  Occlusion; side² looks at the picture
    """
    image = maps.trace.image
    patches = _patches(maps.proposal, image.shape[:2], side)
    cover = strength * (np.median(image, axis=(0, 1)) - image)
    changes = np.zeros((len(patches), *image.shape), image.dtype)
    for change, (x1, y1, x2, y2) in zip(changes, patches):
        change[y1:y2, x1:x2] = cover[y1:y2, x1:x2]
    before = _scores(maps, image[None])
    parts = [_scores(maps, image + changes[start : start + BATCH]) for start in range(0, len(patches), BATCH)]
    measured = {which: np.concatenate([part[which] for part in parts]) - before[which] for which in before}
    told = {which: (changes * getattr(maps, which)).sum(axis=(1, 2, 3), dtype=np.float64) for which in before}
    return Occlusion(patches, strength, measured, told)


def _patches(box, size, side):
    """A grid over a window twice as wide and high as a box, clipped to the picture: (P, 4) int, none empty."""
    edges = []
    for low, high, length in ((box[0], box[2], size[1]), (box[1], box[3], size[0])):
        margin = (high - low) / 2
        line = np.linspace(max(low - margin, 0), min(high + margin, length), side + 1)
        edges.append(np.unique(np.rint(line).astype(int)))
    columns, rows = edges
    return np.array([(x1, y1, x2, y2) for y1, y2 in zip(rows, rows[1:]) for x1, x2 in zip(columns, columns[1:])])


def _scores(maps, images):
    """The score of the same class, anchor and level in other pictures (N, H, W, C): {"held": (N,), "free": (N,)}."""
    model, batch = maps.trace.said.model, collate(list(images))
    pictures = batch.images.astype(maps.held.dtype)
    pyramid, _ = model.backbone.forward(model.normalize.forward(pictures, sizes=batch.sizes)[0])
    held = np.repeat(maps.proposal[None], len(images), axis=0)
    free = held
    if maps.anchor is not None:
        (_, deltas), _ = model.rpn.forward(pyramid)
        free = propose_again(model, pyramid, deltas, maps.anchor, pictures.shape[1:3], batch.sizes)[0]
    scores = {}
    for which, rois in (("held", held), ("free", free)):
        (logits, _), _ = model.roi_heads.heads["box"].forward(pyramid, rois=rois, image_index=np.arange(len(images)))
        said = logits if maps.of == "logit" else softmax.softmax_forward(logits)[0]
        scores[which] = said[:, maps.label].astype(np.float64)
    return scores


def random_maps(maps, *, seed=0):
    """The maps that the same network with weights nobody trained has for the same box and class: ScoreMaps"""
    model = build_model(maps.trace.config, rng=np.random.default_rng(seed)).astype(maps.held.dtype)
    net = watched(model.eval(), box_gradient=True)
    return follow_score(net, maps.trace, None, maps.proposal, maps.label, maps.of)


@dataclass(frozen=True)
class MapChecks:
    """Both sanity checks of the maps of one detection: whole and faint are Occlusions, control ScoreMaps."""

    maps: ScoreMaps
    whole: Occlusion
    faint: Occlusion
    control: ScoreMaps

    @property
    def likeness(self):
        """The correlation of the map with the one of random weights."""
        return correlation(self.maps.held, self.control.held)

    def steps(self):
        """What came of them, check by check: (Step, ...)"""
        maps, lengths = self.maps, {way: np.linalg.norm(getattr(self.maps, way)) for way in ("held", "moves", "free")}
        name = name_of(maps.trace.config, maps.label)
        held = f"{maps.of} {maps.score:.3g} of {name}; length of its gradient: box held {lengths['held']:.2g}"
        way = "the proposal was given: nothing moves it"
        if maps.anchor is not None:
            way = "by moving the box {moves:.2g}, both {free:.2g}".format(**lengths)
        edges = ", ".join(f"{edge} {value:+.2g}" for edge, value in zip(EDGES, maps.edges))
        return (
            Step("pixels", f"{held}, {way}"),
            Step("edges", f"the {maps.of} for each pixel that an edge of the proposal goes right or down: {edges}"),
            Step("occlusion", self._occlusion()),
            Step("random", f"a network with random weights: correlation {self.likeness:.2f} with this map"),
        )

    def __str__(self):
        return "\n".join(map(str, self.steps()))

    def _occlusion(self):
        held, free = (f"{self.whole.correlation(which):.2f}" for which in ("held", "free"))
        faint = f"{self.faint.correlation('held'):.2f} and {self.faint.correlation('free'):.2f}"
        patches = f"{len(self.whole.patches)} patches covered, one at a time: correlation with the map"
        return f"{patches} {held}, with the box free {free}; covered by {self.faint.strength:.0%}: {faint}"


def check_maps(maps):
    """ScoreMaps  ->  MapChecks; some 150 looks at the picture"""
    return MapChecks(maps, occlude(maps), occlude(maps, strength=FAINT), random_maps(maps))


def correlation(one, other):
    """Pearson's, of two arrays of one shape; NaN where one of them does not vary."""
    one, other = (np.asarray(array, np.float64).ravel() for array in (one, other))
    one, other = one - one.mean(), other - other.mean()
    length = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / length) if length else float("nan")
