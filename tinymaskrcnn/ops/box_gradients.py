"""The way back through box geometry: from what a box should do to what the deltas should say.

Usual training needs none of this, because it treats proposals as data. Exact joint training follows a proposal back to
the anchor that it was made of: `move_anchors` is how proposals came about, as a pair.
"""

from ..backend import array_module
from ..contract import checked
from .boxes import LARGEST_GROWTH, SMALLEST_SIDE, clip, decode, encode, to_center


def _from_corners(dboxes):
    """dboxes (..., 4) by corners  ->  by centre and size (..., 4), where x1 = cx - w / 2 and x2 = cx + w / 2."""
    dx1, dy1, dx2, dy2 = (dboxes[..., i] for i in range(4))
    return dx1 + dx2, dy1 + dy2, (dx2 - dx1) / 2, (dy2 - dy1) / 2


def _to_corners(dcx, dcy, dw, dh):
    """By centre and size  ->  dboxes (..., 4) by corners, where cx = (x1 + x2) / 2 and w = x2 - x1."""
    corners = [dcx / 2 - dw, dcy / 2 - dh, dcx / 2 + dw, dcy / 2 + dh]
    return array_module(dcx).stack(corners, axis=-1)


# ---------------------------------------------------------------- decode, clip, encode


@checked
def decode_forward(deltas, *, anchors, weights=(1.0, 1.0, 1.0, 1.0), clamp=LARGEST_GROWTH):
    """`boxes.decode` as a pair: anchors are data.

    deltas (..., 4), anchors (..., 4)  ->  boxes (..., 4)
    """
    return decode(deltas, anchors, weights=weights, clamp=clamp), (deltas, anchors, weights, clamp)


@checked
def decode_backward(dboxes, cache):
    """Mirror of decode_forward: a shift counts in widths of the anchor, growth in widths of the box that it has become.

    dboxes (..., 4)  ->  ddeltas (..., 4)
    A size that is held at the clamp does not follow its delta.
    """
    deltas, anchors, weights, clamp = cache
    xp = array_module(deltas)
    dcx, dcy, dw, dh = _from_corners(dboxes)
    _, _, aw, ah = (to_center(anchors)[..., i] for i in range(4))
    wx, wy, ww, wh = weights
    growth_x, growth_y = deltas[..., 2] / ww, deltas[..., 3] / wh
    w = xp.where(growth_x < clamp, aw * xp.exp(xp.minimum(growth_x, clamp)), 0)  # d exp(t) = exp(t) dt
    h = xp.where(growth_y < clamp, ah * xp.exp(xp.minimum(growth_y, clamp)), 0)
    return xp.stack([dcx * aw / wx, dcy * ah / wy, dw * w / ww, dh * h / wh], axis=-1)


@checked
def clip_forward(boxes, *, height, width):
    """`boxes.clip` as a pair.

    boxes (..., 4)  ->  clipped (..., 4)
    """
    clipped = clip(boxes, height=height, width=width)
    return clipped, (boxes, height, width)


@checked
def clip_backward(dclipped, cache):
    """Mirror of clip_forward: a corner that was moved to the border stays there, each coordinate for itself.

    dclipped (..., 4)  ->  dboxes (..., 4)
    """
    boxes, height, width = cache
    xp = array_module(boxes)
    limits = [xp.asarray(side, boxes.dtype) for side in (width, height, width, height)]
    free = [(boxes[..., i] > 0) & (boxes[..., i] < limits[i]) for i in range(4)]
    return dclipped * xp.stack(free, axis=-1)


@checked
def encode_forward(boxes, anchors, *, weights=(1.0, 1.0, 1.0, 1.0)):
    """`boxes.encode` as a pair: where the anchor moves, so does the answer that it should give.

    boxes (..., 4), anchors (..., 4)  ->  deltas (..., 4)
    """
    deltas = encode(boxes, anchors, weights=weights)
    return deltas, (boxes, anchors, weights, deltas)


@checked
def encode_backward(ddeltas, cache):
    """Mirror of encode_forward.

    ddeltas (..., 4)  ->  dboxes (..., 4), danchors (..., 4)
    dx = (gx - ax) / aw falls by dx / aw where aw grows by 1; log(gw / aw) by 1 / aw. A side that is held at the
    smallest one does not count.
    """
    boxes, anchors, weights, deltas = cache
    xp = array_module(deltas)
    dboxes, danchors = [], []
    for axis in range(2):
        g, a = (box[..., axis + 2] - box[..., axis] for box in (boxes, anchors))  # sides
        g_free, a_free = g > SMALLEST_SIDE, a > SMALLEST_SIDE
        g, a = xp.maximum(g, SMALLEST_SIDE), xp.maximum(a, SMALLEST_SIDE)
        dshift, dgrowth = ddeltas[..., axis], ddeltas[..., axis + 2] * weights[axis + 2]
        dcentre = dshift * weights[axis] / a
        dboxes.append((dcentre, dgrowth / g * g_free))
        danchors.append((-dcentre, -(dshift * deltas[..., axis] + dgrowth) / a * a_free))
    (bx, bw), (by, bh) = dboxes
    (ax, aw), (ay, ah) = danchors
    return _to_corners(bx, by, bw, bh), _to_corners(ax, ay, aw, ah)


# ---------------------------------------------------------------- from deltas to proposals, and to drawn RoIs


@checked
def move_anchors_forward(deltas, *, anchors, chosen, height, width):
    """The proposals that some anchors became: moved by their deltas and clipped to the picture.

    deltas (N, A, 4), anchors (A, 4), chosen (N, P) int, height (N, 1), width (N, 1)  ->  proposals (N, P, 4)
    No anchor is chosen twice in a picture. Which ones were chosen is a decision: data.
    """
    image = array_module(deltas).arange(len(deltas))[:, None]
    moved, c_decode = decode_forward(deltas[image, chosen], anchors=anchors[chosen])
    proposals, c_clip = clip_forward(moved, height=height, width=width)
    return proposals, (deltas.shape, image, chosen, c_decode, c_clip)


@checked
def move_anchors_backward(dproposals, cache):
    """Mirror of move_anchors_forward; anchors that became no proposal get 0.

    dproposals (N, P, 4)  ->  ddeltas (N, A, 4)
    """
    shape, image, chosen, c_decode, c_clip = cache
    ddeltas = array_module(dproposals).zeros(shape, dproposals.dtype)
    ddeltas[image, chosen] = decode_backward(clip_backward(dproposals, c_clip), c_decode)
    return ddeltas


@checked
def drawn_rois_forward(proposals, *, image_index, row, rois):
    """The RoIs that were drawn from proposals; one whose row lies beyond them is an object's box, and stays as it is.

    proposals (N, P, 4), image_index (K,) int, row (K,) int, rois (K, 4)  ->  rois (K, 4)
    No row is drawn twice in a picture.
    """
    xp = array_module(proposals)
    count = proposals.shape[1]
    if count == 0:
        return rois, (proposals.shape, image_index, row)
    moved = proposals[image_index, xp.minimum(row, count - 1)]
    return xp.where((row < count)[:, None], moved, rois), (proposals.shape, image_index, row)


@checked
def drawn_rois_backward(drois, cache):
    """Mirror of drawn_rois_forward: to each proposal what its RoI should do, nothing to those that were not drawn.

    drois (K, 4)  ->  dproposals (N, P, 4)
    """
    (n, count, _), image_index, row = cache
    xp = array_module(drois)
    dproposals = xp.zeros((n, count + 1, 4), drois.dtype)  # behind the proposals, one place for all objects
    drawn = row < count
    dproposals[image_index, xp.minimum(row, count)] = xp.where(drawn[:, None], drois, 0)
    return dproposals[:, :count]
