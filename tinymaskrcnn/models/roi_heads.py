"""Heads over one pyramid: what each cuts out and makes of a RoI, their losses, and what they find at inference."""

import numpy as np

from ..backend import array_module, has_kernel
from ..nn.module import Module, sum_grads
from ..ops import boxes, roi_align
from ..structures import Detections
from ..targets.roi import sample_rois
from .found import Found


def assign_levels(rois, *, canonical_size, canonical_level, lowest, highest):
    """Which level fits a RoI: floor(canonical_level + log2(sqrt(area) / canonical_size)), in lowest .. highest.

    rois (K, 4) in pixels  ->  level (K,) int

    The papers' canonical size of 224 px is a photograph's: with it, every RoI up to 111 px is cut from P2, and in
    pictures of digits the pyramid does nothing.
    """
    xp = array_module(rois)
    side = xp.sqrt(xp.maximum(boxes.area(rois), 1e-12))
    level = xp.floor(canonical_level + xp.log2(side / canonical_size) + 1e-6)  # so that 112 px is not 111.99...
    return xp.clip(level, lowest, highest).astype(np.int64)


class PyramidRoIAlign(Module):
    """Cut an S x S crop of features for every RoI, from the level that fits its size (FPN paper, equation 1).

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def __init__(self, output_size, config, *, levels=4, lowest=2):
        self.output_size = output_size
        self.config = config
        self.levels, self.lowest = levels, lowest  # P2 .. P5; P6 serves the RPN only

    def forward(self, pyramid, *, rois, image_index):
        config = self.config
        cut, unused = pyramid[: self.levels], pyramid[self.levels :]
        highest = self.lowest + len(cut) - 1
        canonical = dict(canonical_size=config.canonical_size, canonical_level=config.canonical_level)
        level = assign_levels(rois, **canonical, lowest=self.lowest, highest=highest)
        place = dict(rois=rois, image_index=image_index, level=level - self.lowest)
        place["scales"] = [1.0 / 2**i for i in range(self.lowest, highest + 1)]
        settings = dict(output_size=self.output_size, samples=config.sampling_ratio, aligned=config.aligned)
        crops, cache = roi_align.pyramid_roi_align_forward(cut, **place, **settings)
        return crops, self.keep((cache, [p.shape for p in unused]))

    def backward(self, dcrops, cache):
        c_align, unused = cache
        dpyramid = roi_align.pyramid_roi_align_backward(dcrops, c_align)
        nothing = [array_module(dcrops).zeros(shape, dcrops.dtype) for shape in unused]  # no RoI was cut from these
        return dpyramid + nothing


class Head(Module):
    """Cut out, look at, answer: a pool, a body and a predictor, the same for every kind of head.

    pyramid [(N, H, W, C)] * L, rois (K, 4), image_index (K,)  ->  what the predictor says about each RoI

    A kind of head says the rest. In training: which of the sampled RoIs it learns from, `sees(samples) -> seen`; what
    it should say about them, `answers(seen, targets, sizes=)`; how far off it is, `loss_forward(y, seen=, answers=) ->
    losses, cache` and `loss_backward(dlosses, cache) -> dy`. At inference: what it adds to what was found,
    `detect(pyramid, found, sizes=) -> found`; its part of an image's Detections, `report(found, old=, new=, paste=)`,
    from the size (height, width) that the network saw to that of the picture.
    """

    name = ""  # of its losses, its answers, and before the names of its parameters

    def __init__(self, pool, body, predictor):
        self.pool = pool
        self.body = body
        self.predictor = predictor

    def members(self):  # torchvision's names: box_head.fc6.weight
        parts = ("roi_pool", self.pool), ("head", self.body), ("predictor", self.predictor)
        return [(f"{self.name}_{part}", member) for part, member in parts]

    @has_kernel
    def forward(self, pyramid, *, rois, image_index, **question):
        """question: what the predictor wants to know beside the crop."""
        crops, c_pool = self.pool.forward(pyramid, rois=rois, image_index=image_index)
        h, c_body = self.body.forward(crops)
        y, c_predictor = self.predictor.forward(h, **question)
        return y, self.keep((c_pool, c_body, c_predictor))

    def backward(self, dy, cache):
        c_pool, c_body, c_predictor = cache
        dh = self.predictor.backward(dy, c_predictor)
        dcrops = self.body.backward(dh, c_body)
        return self.pool.backward(dcrops, c_pool)

    def learn_forward(self, pyramid, *, samples, answers):
        """Its losses over the RoIs it sees: pyramid, RoISamples, its own answers about them  ->  {name: loss}"""
        seen = self.sees(samples)
        question = self.question(seen.labels)
        y, c_head = self.forward(pyramid, rois=seen.rois, image_index=seen.image_index, **question)
        losses, c_loss = self.loss_forward(y, seen=seen, answers=answers)
        return losses, self.keep((c_head, c_loss))

    def learn_backward(self, dlosses, cache):
        c_head, c_loss = cache
        return self.backward(self.loss_backward(dlosses, c_loss), c_head)

    # ------------------------------------------------------------ what most heads do: look at objects only

    def sees(self, samples):
        """The sampled RoIs that it learns from: those on objects."""
        return samples.positives()

    def question(self, labels):
        """What its predictor asks beside the crop, from the class of every RoI: labels (K,)  ->  keywords"""
        return {}

    def detect(self, pyramid, found, *, sizes):
        """Found, with what it says about the boxes: final ones, fewer and better crops than the proposals were."""
        rows = found.rows_in_use()
        rois, labels = found.boxes.reshape(-1, 4)[rows], found.labels.reshape(-1)[rows]
        y, _ = self.forward(pyramid, rois=rois, image_index=found.image_index()[rows], **self.question(labels))
        return found.and_said(self.name, self.say(y), rows)

    def say(self, y):
        """The predictor's answers as they are reported."""
        return y


class RoIHeads(Module):
    """A list of heads, decoupled: they share the pyramid and the RoIs, and nothing else.

    The first one, the box head, makes boxes of the proposals; the others look at its boxes.
    """

    def __init__(self, heads, config):
        self.heads = {head.name: head for head in heads}
        self.config = config

    def members(self):
        return [("", head) for head in self.heads.values()]

    def choose_samples(self, proposals, valid, targets, *, sizes, rng):
        """RoISamples drawn from the proposals, and what each head should answer: {head: answers}."""
        samples = sample_rois(proposals, valid, targets, self.config, rng=rng)
        heads = self.heads.items()
        return samples, {name: head.answers(head.sees(samples), targets, sizes=sizes) for name, head in heads}

    def forward(self, pyramid, *, samples, answers):
        """The losses of all heads.

        pyramid [(N, H, W, C)] * L, RoISamples, answers {head: ...}  ->  {"box_class", "box_delta", "mask", ...}
        """
        losses, caches = {}, []
        for name, head in self.heads.items():
            of_head, cache = head.learn_forward(pyramid, samples=samples, answers=answers[name])
            losses |= of_head
            caches.append(cache)
        return losses, self.keep(caches)

    def backward(self, dlosses, cache):
        dpyramid = None
        for head, c_head in zip(reversed(self.heads.values()), reversed(cache)):
            dpyramid = sum_grads(dpyramid, head.learn_backward(dlosses, c_head))
        return dpyramid

    def detect(self, pyramid, proposals, valid, *, sizes):
        """What each head in turn makes of what was found before it, from the proposals on.

        pyramid [(N, H, W, C)] * L, proposals (N, P, 4), valid (N, P), sizes (N, 2)  ->  Found
        """
        found = Found(proposals, None, None, valid)
        for head in self.heads.values():
            found = head.detect(pyramid, found, sizes=sizes)
        return found

    def report(self, found, **where):
        """The Detections of one image, put together by the heads: see `Head.report`."""
        parts = {}
        for head in self.heads.values():
            parts |= head.report(found, **where)
        return Detections(**parts)
