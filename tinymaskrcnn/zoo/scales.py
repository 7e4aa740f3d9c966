"""One picture in several sizes: which ones, and what becomes of what was found in each.

A network knows objects of the sizes that it was trained on. So a picture of unknown scale is shown to it larger and
smaller, halved from one to the next, and every object is met at a size that it knows at least once.
"""

import dataclasses

import numpy as np

from ..data import ink, rle
from ..ops.boxes import area
from ..structures import check_pictures

LONGEST = 1280  # pixels of the longer side in the largest size that is looked at
ENLARGED = 640  # small pictures are doubled, but not beyond this longer side
SHORTEST = 128  # no more halving once the shorter side is below this
KNOWN = (12.0, 80.0)  # heights in pixels that are believed; the largest and the smallest size have to do for the rest
SAME = 0.4  # boxes whose intersection is more than this share of their union are one object
INSIDE = 0.7  # ... and so are they when it is more than this share of the smaller one
GOES_ON = 0.4  # of its score a box loses where the ink inside goes on outside: it shows a part of something
AROUND = (0.08, 0.15)  # of a box's height: how far from it two frames lie, both of which ink has to cross


def in_sizes(detector):
    """The detector; if it looks at ink, used in several sizes, or in the one that was chosen for its model."""
    return InSizes(detector) if detector.model.config.ink else detector


class InSizes:
    """A detector of grey pictures that is used on each in several sizes; what it has besides `detect` is its own.

    A digit is one thing: of what overlaps the best stays, whatever its class, also where one size was chosen.
    """

    def __init__(self, detector):
        self.detector = detector

    def __getattr__(self, name):
        if name == "detector":  # a copy asks before it has one
            raise AttributeError(name)
        return getattr(self.detector, name)

    def detect(self, images, *, encoded=False):
        """Find objects in a list of (H, W, 1) float pictures in 0..1: see `experiment.Detector.detect`."""
        images = check_pictures(images, channels=1)
        found = [self._look(image) for image in images]
        return found if encoded else [_decoded(said, image) for said, image in zip(found, images)]

    def _look(self, image):
        found, larger, original = [], image, image.shape[:2]
        chosen = self.detector.model.config.resize_shorter
        for size in (sizes := [original] if chosen else sizes_to_look_at(*original)):
            larger = resized(larger, size)
            said = self.detector.detect([larger], encoded=True, original_sizes=[original])[0]
            found.append(said if chosen else _parts_held_back(said, larger, size[0] / original[0]))
        return merged(found, sizes, height=original[0])


def _parts_held_back(said, image, scale):
    """Detections of a picture in one size, `scale` times the original; what shows a part only has a lower score."""
    if not len(said):
        return said
    share = goes_on(said.boxes * scale, ink.to_ink(image)[:, :, 0])
    return dataclasses.replace(said, scores=said.scores * (1 - np.float32(GOES_ON) * share))


def goes_on(boxes, inked):
    """How strong the ink is that leaves a box, against the strong ink in it: the loop of a 9 is not a 0.

    boxes (K, 4) in pixels of inked (H, W)  ->  (K,) float32 in 0..1
    """
    smooth = ink._mean(inked, 3)  # a spark is no ink
    return np.array([min(_leaving(smooth, box, share) for share in AROUND) for box in boxes], np.float32)


def _leaving(inked, box, share):
    margin = max(2.0, share * (box[3] - box[1]))
    x1, y1, x2, y2 = np.rint(box + margin * np.array([-1, -1, 1, 1])).astype(int).tolist()
    rows, columns = slice(max(y1, 0), y2 + 1), slice(max(x1, 0), x2 + 1)
    height, width = inked.shape
    frame = [inked[y, columns] for y in (y1, y2) if 0 <= y < height]
    frame += [inked[rows, x] for x in (x1, x2) if 0 <= x < width]
    inside = inked[rows, columns]
    strong = float(np.quantile(inside, 0.95)) if inside.size else 0.0
    most = max((float(side.max(initial=0)) for side in frame), default=0.0)
    return min(1.0, most / max(strong, 1e-3))


def _decoded(said, image):
    """Detections with their masks as pixels; a model of boxes alone has none."""
    masks = None if said.masks is None else rle.decode_many(said.masks, size=image.shape[:2])
    return dataclasses.replace(said, masks=masks)


def sizes_to_look_at(height, width):
    """Sizes (height, width) from the largest to the smallest."""
    longer = max(height, width)
    factor = min(1, LONGEST / longer) if longer > ENLARGED else min(2, ENLARGED / longer)
    sizes = [_scaled(height, width, factor)]
    while min(sizes[-1]) > SHORTEST:
        factor /= 2
        sizes.append(_scaled(height, width, factor))
    return sizes


def _scaled(height, width, factor):
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(image, size):
    """A grey picture in another size, every pixel a mean of what it covers: (H, W, 1)  ->  (height, width, 1)"""
    from PIL import Image

    if tuple(image.shape[:2]) == tuple(size):
        return image
    picture = Image.fromarray(np.asarray(image[:, :, 0], np.float32))  # PIL counts width first
    picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(picture)[:, :, None]


def merged(found, sizes, *, height):
    """One Detections of those in several sizes, all in pixels of the picture, which is `height` pixels high.

    A height that a size does not show well counts there for nothing. From the best score down, an object stays unless
    it overlaps a better one, of whatever class and size, or lies inside it, or around it.
    """
    believed = []
    for place, (said, size) in enumerate(zip(found, sizes)):
        seen = (said.boxes[:, 3] - said.boxes[:, 1]) * (size[0] / height)
        low = KNOWN[0] if place else 0.0
        high = KNOWN[1] if place + 1 < len(sizes) else np.inf
        believed.append(said.select((seen >= low) & (seen < high)))
    together = _joined(believed)
    return together.select(_kept(together.boxes, together.scores))


def _joined(found):
    """Several Detections as one, best score first."""
    order = np.argsort(-np.concatenate([said.scores for said in found]), kind="stable")
    first, parts = found[0], {}
    for field in dataclasses.fields(first):
        values = [getattr(said, field.name) for said in found]
        if values[0] is None:
            continue
        if isinstance(values[0], list):
            flat = [value for part in values for value in part]
            parts[field.name] = [flat[k] for k in order]
        else:
            parts[field.name] = np.concatenate(values)[order]
    return dataclasses.replace(first, **parts)


def _kept(boxes, scores):
    """Which boxes stay, (K,) bool; they come best first."""
    low, high = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = area(boxes)
    smaller = np.minimum(areas[:, None], areas)
    union = areas[:, None] + areas - both
    clash = (both > SAME * union) | (both > INSIDE * smaller)
    kept = np.ones(len(boxes), bool)
    for k in range(len(boxes)):
        kept[k + 1 :] &= ~(clash[k, k + 1 :] & kept[k])
    return kept
