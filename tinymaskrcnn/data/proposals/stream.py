"""Proposals of the pictures of a stream, and of pictures that come without one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...config import to_dict
from ...config_rules import OUTSIDE
from ...counting import counted
from ...errors import ArgumentError
from ..coco import CocoStream
from .given_file import GivenFile
from .recall import recall_report
from .search import find_proposals, scaled
from .store import ProposalStore


class StreamProposals:
    """What a stream, such as `loader.SceneStream`, asks for what comes with its pictures: its attribute `proposals`.

    They are found in whole pictures, once, and mirrored, cut and resized as the picture of the stream was. source: a
    ProposalStore or what else says of(number) -> boxes (P, 4). most: rows that a picture has in a batch.
    """

    def __init__(self, stream, source, *, most):
        self.stream, self.source, self.most = stream, source, most

    def given(self, numbers):
        """For pictures of the stream: {"proposals": (N, most, 4), "proposals_valid": (N, most)}, see `padded`."""
        return padded([self.stream.carried(i, self.of(i)) for i in numbers], most=self.most)

    def of(self, i):
        """Proposals of the whole picture that comes as number i of the stream: boxes (P <= most, 4) in its pixels."""
        return self.source.of(self.stream.number(i))[: self.most]

    def found(self, numbers):
        """`of` for several numbers of the stream. What is searched for is kept, and a line says how far that is."""
        wanted = sorted({self.stream.number(i) for i in numbers})
        missing = self.source.missing(wanted)
        try:
            for number in counted(missing, label=f"searching {len(missing)} pictures for proposals"):
                self.source.of(number)
        finally:
            self.source.flush()
        return [self.of(i) for i in numbers]

    def prepare(self, batches):
        """Find those for so many batches beforehand, where pictures come again."""
        different = len(self.stream) if isinstance(self.stream, CocoStream) else self.stream.different
        self.found(range(min(different, batches * self.stream.batch_size)))

    def report(self, count):
        """How well they cover the objects of the first pictures of the stream: RecallReport.

        Of a file that somebody brought, it tells how many there are for each of all its pictures.
        """
        if isinstance(self.stream, CocoStream) and not self.stream.config.crop:
            count = min(count, len(self.stream))  # each once; windows differ every time
        found = [self.stream.carried(i, boxes) for i, boxes in enumerate(self.found(range(count)))]
        report = recall_report([self.stream.layout(i)[1] for i in range(count)], found)
        return replace(report, **self.source.counts()) if isinstance(self.source, GivenFile) else report


def attach_proposals(stream, config, *, split, folder=None):
    """Let a stream that a Config describes bring proposals, where the model has no RPN; returns the stream.

    They come from the file that the Config names, or are found and kept in a folder: each data set, with its settings,
    has one of its own in `folder`. Without a folder nothing is written. A backbone that learns alone wants none.
    """
    if config.model.system not in OUTSIDE or config.train.procedure == "pretrain":
        return stream
    settings = config.model.proposals
    if isinstance(stream, CocoStream) and (path := _file(config.coco, split)):
        source = GivenFile(path, stream.dataset)
    else:
        about = {"data": stream.about(), "proposals": to_dict(settings)}
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:8]
        place = None if folder is None else Path(folder) / f"{split}-{name}"
        source = ProposalStore(place, about, lambda number: find_proposals(stream.whole(number), settings))
    stream.proposals = StreamProposals(stream, source, most=settings.most)
    return stream


def _file(coco, split):
    """The file of proposals that a CocoConfig names for a split; without pictures of its own it has the training's."""
    own = coco.val_annotations or coco.val_list or coco.val_proposals
    return coco.val_proposals if split != "train" and own else coco.proposals


def padded(found, *, most):
    """Lists of boxes as arrays of one shape, whatever was found.

    found: N arrays (P, 4), best first  ->  {"proposals": (N, most, 4) float32, "proposals_valid": (N, most) bool}
    A short list stays short: no box is repeated to fill it up.
    """
    boxes = np.zeros((len(found), most, 4), np.float32)
    valid = np.zeros((len(found), most), bool)
    for n, rows in enumerate(found):
        boxes[n, : len(rows)] = rows[:most]
        valid[n, : len(rows)] = True
    return {"proposals": boxes, "proposals_valid": valid}


def given_for(images, sizes, config, *, found=None):
    """What a model with this ModelConfig wants beside a batch of pictures: see `padded`; nothing where it has an RPN.

    images: N pictures (H, W, C), sizes (N, 2): height, width in the batch, found: N arrays (P, 4) in pixels of the
    pictures, searched for when None.
    """
    if config.system not in OUTSIDE:
        if found is not None:
            raise ArgumentError("detect: this model proposes by itself; leave out proposals")
        return {}
    if found is None:
        label = f"searching {len(images)} picture{'s'[: len(images) > 1]} for proposals"
        found = [find_proposals(image, config.proposals) for image in counted(images, label=label)]
    if len(found) != len(images):
        raise ArgumentError(f"detect: {len(images)} pictures came with proposals for {len(found)}")
    moved = [scaled(boxes, old=image.shape[:2], new=size) for boxes, image, size in zip(found, images, sizes.tolist())]
    return padded(moved, most=config.proposals.most)
