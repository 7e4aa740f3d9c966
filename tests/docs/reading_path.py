"""The way through the default model, walked: python -m tests.docs.reading_path

A picture of 128 x 128 pixels with two objects goes through one training step, forward and back, on the readable text.
The files in which a line ran are the reading path, and a few arrays on the way say what shapes they had.
"""

import sys
import threading
from collections import defaultdict
from pathlib import Path

import numpy as np

import tinymaskrcnn
from tinymaskrcnn import backend
from tinymaskrcnn.config import Config
from tinymaskrcnn.models import rpn
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target, collate

PACKAGE = Path(tinymaskrcnn.__file__).parent


class Walk:
    """What ran: files in the order they were first entered, functions {(file, name, line)}, lines {file: {number}}."""

    def __init__(self):
        self.files = []
        self.functions = set()
        self.executed = defaultdict(set)

    @property
    def lines(self):
        """The lines of all files, executed or not: what a reader has in front of the eyes."""
        return sum(map(length, self.files))

    def __enter__(self):
        threading.settrace(self._entered)
        sys.settrace(self._entered)
        return self

    def __exit__(self, *_):
        sys.settrace(None)
        threading.settrace(None)

    def _entered(self, frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if PACKAGE not in path.parents:
            return None
        file = path.relative_to(PACKAGE).as_posix()
        if file not in self.executed:
            self.files.append(file)
        self.functions.add((file, frame.f_code.co_qualname, frame.f_code.co_firstlineno))
        self.executed[file].add(frame.f_lineno)
        return self._line

    def _line(self, frame, event, argument):
        self.executed[Path(frame.f_code.co_filename).relative_to(PACKAGE).as_posix()].add(frame.f_lineno)
        return self._line


def length(file):
    """How many lines a file of the package has."""
    return len((PACKAGE / file).read_text(encoding="utf-8").splitlines())


def one_step(*, kernels=False):
    """The Walk of one training step; kernels: as shipped, not on the readable text."""
    model, batch = _model(), _batch()
    before, backend._KERNELS_ENABLED = backend._KERNELS_ENABLED, kernels
    rpn._anchors.cache_clear()  # as if nobody had walked here before
    backend._constant.cache_clear()
    try:
        with Walk() as walk:
            _step(model, batch)
    finally:
        backend._KERNELS_ENABLED = before
    return walk


def shapes():
    """[(where, what came out)] of that picture on its way forward, in the order in which it comes out."""
    model, seen = _model(), []
    watched = dict(reversed(list(model.named_modules())))  # of several by one name the outermost
    for name in STAGES:
        _watch(watched[name], name, seen)
    _step(model, _batch())
    return seen


STAGES = (  # the modules whose results the page shows
    "normalize",
    "backbone.body",
    "backbone",
    "rpn",
    "roi_heads.box_roi_pool",
    "roi_heads.box_head",
    "roi_heads.box_predictor",
    "roi_heads.mask_roi_pool",
    "roi_heads.mask_head",
    "roi_heads.mask_predictor",
)


def _watch(module, name, seen):
    """Let a module's forward tell the shapes of what it returns."""
    forward = module.forward

    def watched(*args, **data):
        y, cache = forward(*args, **data)
        seen.append((name, [tuple(part.shape) for part in (y if isinstance(y, (list, tuple)) else [y])]))
        return y, cache

    module.forward = watched


def _step(model, batch):
    losses, cache = model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(2))
    model.backward({name: 1.0 for name in losses}, cache)


def _model():
    return build_model(Config().model, rng=np.random.default_rng(0))


def _batch():
    channels = Config().model.backbone.in_channels
    image = np.random.default_rng(1).random((128, 128, channels), dtype=np.float32)
    boxes = np.array([[10, 10, 40, 40], [50, 60, 100, 120]], np.float32)
    masks = np.zeros((2, 128, 128), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = True
    return collate([image], [Target(boxes, np.array([1, 2]), masks)])


def main():
    """The table: each file with its lines, those that ran, and its functions that ran."""
    for kernels in (False, True):
        walk = one_step(kernels=kernels)
        print("as shipped, with kernels:" if kernels else "on the readable text:")
        for file in walk.files:
            count = sum(name == file for name, _, _ in walk.functions)
            print(f"{file:<32}{length(file):>6} lines{len(walk.executed[file]):>6} executed{count:>5} functions")
        print(f"{len(walk.files)} files, {walk.lines} lines, {len(walk.functions)} functions\n")
    for name, arrays in shapes():
        print(f"{name:<32}{'  '.join(map(str, arrays))}")


if __name__ == "__main__":
    main()
