"""Stick figures with named joints: what a keypoint head learns from, drawn from a bank of poses as digits are.

A figure faces us, so its left hand is on the right of the picture. Its kind shows in head and body; all kinds have the
same thirteen joints, and limbs that turn at them.
"""

import functools
import hashlib
import json
import math
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from .digits import SPLITS

KINDS = ("person", "robot", "alien")  # a disc; a hollow square, a hollow body; feelers and a belly
JOINTS = (
    *("head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_hand", "right_hand"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_foot", "right_foot"),
)
CLASS_NAMES = ("background", *KINDS)
POSES = 5000

# Lengths as shares of a standing figure's height, y downwards from the top of the head.
HEAD, NECK, SHOULDERS, HIPS = 0.11, 0.22, 0.27, 0.56  # places on the middle line; HEAD is its radius, too
SHOULDER, HIP, ARM, LEG, STROKE = 0.10, 0.07, 0.17, 0.21, 0.035  # half widths, half limbs, half a stroke

# Degrees, drawn between two limits: upper arm and thigh from straight down outwards, lower parts against upper ones.
# The two sides differ, as they do in most who walk or wave; every other figure is mirrored.
LEFT = {"arm": (-5, 75), "elbow": (-30, 90), "leg": (-5, 30), "knee": (-30, 5)}
RIGHT = {"arm": (20, 150), "elbow": (-90, 60), "leg": (0, 45), "knee": (-60, 5)}
LEAN = (-10, 10)


@dataclass(frozen=True)
class Pose:
    """Angles in degrees: of the left and the right side {"arm", "elbow", "leg", "knee"}, and of the whole body."""

    left: dict
    right: dict
    lean: float

    def mirrored(self):
        """As in a mirror: left is right."""
        return Pose(self.right, self.left, -self.lean)


@dataclass(frozen=True)
class FigureBank:
    """Poses, their kinds and their split into disjoint parts; what a scene asks of a DigitBank, and the joints.

    poses [Pose] * K, labels (K,) uint8 places in KINDS, splits {"train", "validation", "test"} -> indices into poses.
    """

    name: str
    poses: tuple
    labels: np.ndarray
    splits: dict

    joint_names = JOINTS

    def __len__(self):
        return len(self.poses)

    def digest(self):
        """A short text that stands for what is drawn."""
        poses = [[pose.left, pose.right, pose.lean] for pose in self.poses]
        return hashlib.sha256(json.dumps([poses, self.labels.tolist()]).encode()).hexdigest()[:16]

    def members(self, split):
        """The poses of one split, as indices."""
        if split not in self.splits:
            raise ArgumentError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        return self.splits[split]

    def render(self, i, height, angle=0.0):
        """Draw figure i `height` pixels high, then turned by `angle` degrees counter-clockwise.

        i, height, angle  ->  ink (h, w) float32 in 0..1, k / 255; ink > 0.5 is the mask
        """
        _, strokes, radii, size = self._placed(i, height, angle)
        return draw_strokes(strokes, radii, size)

    def joints(self, i, height, angle=0.0):
        """Where the joints of that drawing are, in the order of JOINTS: (13, 2) as x, y from its upper left corner."""
        return self._placed(i, height, angle)[0]

    def _placed(self, i, height, angle):
        """Joints (13, 2), strokes (S, 2, 2) and their half widths (S,) in a window of size (h, w) around them."""
        joints, strokes, radii = skeleton(self.poses[i], KINDS[self.labels[i]])
        low, high = _extent(strokes, radii)
        scale = height / (high - low)[1]
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = scale * np.array([[c, -s], [s, c]])  # of x, y as rows, y downwards
        joints, strokes, radii = joints @ turn, strokes @ turn, radii * scale
        low, high = _extent(strokes, radii)
        size = np.ceil(high - low - 1e-6) + 2  # a pixel on each side for the soft edge; less a hair, as for digits
        shift = size / 2 - (low + high) / 2
        width, height = size.astype(int).tolist()
        return joints + shift, strokes + shift, radii, (height, width)


def _extent(strokes, radii):
    """The smallest box around all strokes: x, y of its corners."""
    around = radii[:, None, None]
    return (strokes - around).min(axis=(0, 1)), (strokes + around).max(axis=(0, 1))


def skeleton(pose, kind):
    """The figure in its own frame, a standing one 1 high.

    Pose, kind  ->  joints (13, 2) as x, y, strokes (S, 2, 2) from point to point, radii (S,): half of their widths
    """
    at = {"head": (0.0, HEAD)}
    for side, out, angles in (("left", 1, pose.left), ("right", -1, pose.right)):
        at[f"{side}_shoulder"], at[f"{side}_hip"] = (out * SHOULDER, SHOULDERS), (out * HIP, HIPS)
        for first, second, third, upper, bend, length in (
            ("shoulder", "elbow", "hand", "arm", "elbow", ARM),
            ("hip", "knee", "foot", "leg", "knee", LEG),
        ):
            turned = angles[upper]
            at[f"{side}_{second}"] = _limb(at[f"{side}_{first}"], out * turned, length)
            at[f"{side}_{third}"] = _limb(at[f"{side}_{second}"], out * (turned + angles[bend]), length)
    lines = [(at["left_shoulder"], at["right_shoulder"]), (at["left_hip"], at["right_hip"])]
    if kind == "robot":
        lines += [(at[f"{side}_shoulder"], at[f"{side}_hip"]) for side in ("left", "right")]
    else:
        lines += [((0.0, NECK), (0.0, HIPS))]
    for side in ("left", "right"):
        for chain in (("shoulder", "elbow", "hand"), ("hip", "knee", "foot")):
            lines += [(at[f"{side}_{a}"], at[f"{side}_{b}"]) for a, b in zip(chain, chain[1:])]
    head, radii = _head(kind)
    joints = np.array([at[name] for name in JOINTS])
    strokes, radii = np.array(lines + head), np.array([STROKE] * len(lines) + radii)
    c, s = math.cos(math.radians(pose.lean)), math.sin(math.radians(pose.lean))
    lean = np.array([[c, s], [-s, c]])  # clockwise: to the right of the picture
    return joints @ lean, strokes @ lean, radii


def _limb(start, angle, length):
    """Where a limb ends that leaves `start` at an angle from straight down, positive to the right."""
    return start[0] + length * math.sin(math.radians(angle)), start[1] + length * math.cos(math.radians(angle))


def _head(kind):
    """The strokes of a head, and of a belly, and half of their widths."""
    if kind == "person":
        return [((0.0, HEAD), (0.0, HEAD))], [HEAD]
    if kind == "alien":
        feelers = [((0.0, HEAD), (side * 0.11, 0.0)) for side in (-1, 1)]
        small, belly = ((0.0, 0.14), (0.0, 0.14)), ((0.0, 0.42), (0.0, 0.42))
        return [small, belly, *feelers], [0.08, 0.09, STROKE / 1.4, STROKE / 1.4]
    half = HEAD - STROKE
    corners = [(x * half, HEAD + y * half) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return list(zip(corners, corners[1:] + corners[:1])), [STROKE] * 4


def draw_strokes(strokes, radii, size):
    """Lines with round ends and soft edges: 1 inside, 1/2 on the edge, 0 half a pixel beyond it.

    strokes (S, 2, 2) from x, y to x, y, radii (S,), size (h, w)  ->  ink (h, w) float32, k / 255
    """
    ink = np.zeros(size)
    for (start, end), radius in zip(strokes, radii):
        low = np.floor(np.maximum(np.minimum(start, end) - radius - 0.5, 0)).astype(int)
        high = np.ceil(np.maximum(start, end) + radius + 0.5).astype(int)
        part = ink[low[1] : high[1], low[0] : high[0]]  # nothing is inked elsewhere
        x = np.arange(part.shape[1]) + 0.5 + low[0] - start[0]
        y = np.arange(part.shape[0])[:, None] + 0.5 + low[1] - start[1]
        along = end - start
        share = np.clip((x * along[0] + y * along[1]) / max(along @ along, 1e-12), 0, 1)
        distance = np.sqrt((x - share * along[0]) ** 2 + (y - share * along[1]) ** 2)
        np.maximum(part, np.clip(radius + 0.5 - distance, 0, 1), out=part)
    return np.rint(255 * ink).astype(np.float32) / np.float32(255)


# ---------------------------------------------------------------- the bank


@functools.cache
def load():
    """The bank of figures: 70 % of the poses are for training, 10 % for validation, 20 % for tests."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(2017)))
    draws = rng.random((POSES, 11)).tolist()
    poses = tuple(_pose(*draw[1:]) for draw in draws)
    labels = np.array([int(draw[0] * len(KINDS)) for draw in draws], np.uint8)
    numbers = np.arange(POSES)
    parts = numbers[numbers % 10 < 7], numbers[numbers % 10 == 7], numbers[numbers % 10 > 7]
    for array in (labels, *parts):
        array.setflags(write=False)  # shared between threads and streams
    return FigureBank("figures", poses, labels, dict(zip(SPLITS, parts)))


def _pose(*draws):
    """A pose from ten numbers in [0, 1): eight angles, the lean, and whether it is mirrored."""
    sides = []
    for limits, numbers in ((LEFT, draws[:4]), (RIGHT, draws[4:8])):
        sides.append({name: low + (high - low) * u for (name, (low, high)), u in zip(limits.items(), numbers)})
    pose = Pose(*sides, LEAN[0] + (LEAN[1] - LEAN[0]) * draws[8])
    return pose.mirrored() if draws[9] < 0.5 else pose
