"""What the heads find, on its way from proposals to detections."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..backend import array_module, to_host


@dataclass(frozen=True)
class Found:
    """D boxes per image, best first: boxes (N, D, 4), labels (N, D), scores (N, D), valid (N, D) bool.

    said {head: (N, D, ...)} is what each further head says about them: "mask" probabilities (N, D, 2S, 2S), "keypoint"
    heatmaps (N, D, 4S, 4S, J). Proposals, which no head has seen yet, have neither labels nor scores.
    """

    boxes: Any
    labels: Any
    scores: Any
    valid: Any
    said: dict = field(default_factory=dict)

    def rows_in_use(self):
        """The rows of the flattened (N*D) boxes that are worth looking at, (R,) int."""
        return rows_in_use(self.valid.reshape(-1))

    def image_index(self):
        """The image that each of the flattened (N*D) boxes belongs to, (N*D,) int."""
        xp = array_module(self.valid)
        n, d = self.valid.shape
        return xp.repeat(xp.arange(n), d)

    def and_said(self, head, values, rows):
        """The same with what a head says about some rows; about the others it says 0: values (R, ...), rows (R,)."""
        xp, shape = array_module(values), self.valid.shape
        padded = xp.zeros((shape[0] * shape[1], *values.shape[1:]), values.dtype)
        padded[rows] = values
        return replace(self, said={**self.said, head: padded.reshape(*shape, *values.shape[1:])})

    def of_image(self, n):
        """What was found in image n, without padding: boxes (K, 4), labels (K,) and so on."""
        rows = self.valid[n]
        arrays = self.boxes, self.labels, self.scores, self.valid
        said = {head: values[n][rows] for head, values in self.said.items()}
        return Found(*(array[n][rows] for array in arrays), said)

    def to_host(self):
        """The same in NumPy arrays. All come as bytes of one: a device is waited for at each that is fetched."""
        xp, shape = array_module(self.boxes), self.valid.shape
        if xp is np:
            return self
        arrays = [self.boxes, self.labels, self.scores, self.valid, *self.said.values()]
        rows = [xp.ascontiguousarray(array.reshape(*shape, -1)).view(np.uint8) for array in arrays]
        together, start, host = to_host(xp.concatenate(rows, axis=2)), 0, []
        for row, array in zip(rows, arrays):
            end = start + row.shape[2]
            host.append(np.ascontiguousarray(together[..., start:end]).view(array.dtype).reshape(array.shape))
            start = end
        return Found(*host[:4], dict(zip(self.said, host[4:])))


def rows_in_use(used):
    """The rows that are worth computing: used (K,) bool  ->  rows (R,) int, ascending.

    On the host those in use; on a device all of them, so that no shape depends on the data and nothing has to wait.
    """
    xp = array_module(used)
    return xp.flatnonzero(used) if xp is np else xp.arange(len(used))
