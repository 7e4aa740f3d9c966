"""What a network says about one picture, before anything is decided: asked once, and remembered.

When a decision turns out otherwise, other boxes become proposals and others are found. About those that no head has
looked at yet it is asked then; the backbone and the RPN have said all they have to say.
"""

import copy

import numpy as np

from ..config_rules import OUTSIDE
from ..errors import ArgumentError, ShapeError
from ..models.found import Found
from ..models.rcnn import RCNNHead
from ..structures import check_pictures, collate

TOGETHER = 512  # RoIs that the box head looks at at a time when it looks ahead


class Said:
    """One picture as a network sees it: pyramid [(1, h, w, channels)] * L, and what was said about it.

    Of a model with an RPN: logits (1, A), deltas (1, A, 4), levels [(A_l, 4)], the anchors; of one without, given
    (1, P, 4), the proposals that came with the picture, and logits is None.
    """

    def __init__(self, model, image, *, proposals=None):
        self.model, self.image = model, image
        batch = collate(check_pictures([image], channels=model.config.backbone.in_channels))
        self.sizes, self.image_size = batch.sizes, batch.images.shape[1:3]
        x, _ = model.normalize.forward(batch.images, sizes=batch.sizes)
        self.pyramid, _ = model.backbone.forward(x)
        if model.config.system in OUTSIDE:
            given, _ = model.rpn.forward(self.pyramid, proposals=proposals)
            self.given, _ = model.rpn.propose(self.pyramid, *given, **self.where())
            self.logits = self.deltas = self.levels = None
        else:
            (self.logits, self.deltas), _ = model.rpn.forward(self.pyramid)
            self.levels = model.rpn.anchors(self.pyramid, self.image_size)
            self.given = None
        self._boxes = {}  # row -> what the box head says of it: logits (num_classes,), deltas (num_classes, 4)
        self._found = {}  # (row, label) -> {head: what it says of the box}

    def where(self):
        return {"image_size": self.image_size, "sizes": self.sizes}

    def of_boxes(self, rows, rois, ahead):
        """What the box head says of proposals: rows (P,) int, of anchors or of what was given, rois (1, P, 4)
        ->  logits (P, num_classes), deltas (P, num_classes, 4)

        ahead() -> rows (R,), boxes (R, 4): what else may be asked for; looked at when a proposal is new.
        """
        keys = rows.tolist()
        if not self._boxes:  # exactly what the model asks, in one go
            self._look(keys, rois[0])
        elif not self._boxes.keys() >= set(keys):
            others, boxes = (np.concatenate(pair) for pair in zip(ahead(), (rows, rois[0])))
            others, first = np.unique(others, return_index=True)
            new = np.array([row not in self._boxes for row in others.tolist()])
            others, boxes = others[new], boxes[first[new]]
            for start in range(0, len(others), TOGETHER):
                part = slice(start, start + TOGETHER)
                self._look(others[part].tolist(), boxes[part])
        logits, deltas = zip(*(self._boxes[key] for key in keys))
        return np.stack(logits), np.stack(deltas)

    def _look(self, keys, rois):
        head = self.model.roi_heads.heads["box"]
        y, _ = head.forward(self.pyramid, rois=rois, image_index=np.zeros(len(rois), int))
        self._boxes |= zip(keys, zip(*y))

    def of_found(self, found, keys):
        """Found of this picture, with what the further heads say: keys [(row, label)] tell its boxes (1, D) apart."""
        new = np.array([key not in self._found for key in keys], bool)
        if new.all():  # at first, as the model asks
            asked = self._ask(found)
            for k, key in enumerate(keys):
                self._found[key] = {head: values[0, k] for head, values in asked.said.items()}
            return asked
        if new.any():
            some = (array[:, new] for array in (found.boxes, found.labels, found.scores, found.valid))
            self.of_found(Found(*some), [key for key, is_new in zip(keys, new) if is_new])
        for head in self._found[keys[0]]:
            values = np.stack([self._found[key][head] for key in keys])
            found = found.and_said(head, values, np.arange(len(keys)))
        return found

    def with_objectness(self, anchor, logit):
        """The same, had the RPN said something else of one anchor; what is remembered is shared."""
        other = copy.copy(self)
        other.logits = self.logits.copy()
        other.logits[0, anchor] = logit
        return other

    def _ask(self, found):
        for head in list(self.model.roi_heads.heads.values())[1:]:
            found = head.detect(self.pyramid, found, sizes=self.sizes)
        return found

    def report(self, found, roi_config, paste, *, boxes_only=False):
        """The Detections of this picture, put together by the heads with these settings."""
        heads = copy.copy(self.model.roi_heads)
        told = [(name, head) for name, head in heads.heads.items() if name == "box" or not boxes_only]
        heads.heads = {name: with_config(head, roi_config) for name, head in told}
        size = self.image.shape[:2]
        return heads.report(found.of_image(0), old=size, new=size, paste=paste)


def with_config(module, config):
    """The same part of a network, with other settings and the same weights."""
    twin = copy.copy(module)
    twin.config = config
    return twin


def listen(model, image, *, proposals=None):
    """Said of one picture: MaskRCNN in eval mode on the host, image (H, W, C), proposals (P, 4) without an RPN."""
    if model.training:
        raise ArgumentError("trace_detection: call model.eval() first, so that nothing is kept and statistics rest")
    if isinstance(model.roi_heads.heads["box"], RCNNHead):
        raise ArgumentError("trace_detection: R-CNN looks at crops one by one, and has no stages to trace")
    outside = model.config.system in OUTSIDE
    if outside and proposals is None:
        system = model.config.system
        raise ArgumentError(
            f"trace_detection: needs a model with an RPN; got one of system {system!r}: give proposals="
        )
    if proposals is None:
        return Said(model, image)
    if not outside:
        raise ArgumentError("trace_detection: this model has an RPN, which makes its proposals: leave proposals= out")
    proposals = np.asarray(proposals)
    if proposals.ndim != 2 or proposals.shape[1] != 4 or not len(proposals):
        raise ShapeError(f"trace_detection: proposals must be (P, 4) with P > 0; got {proposals.shape}")
    return Said(model, image, proposals=proposals[None])
