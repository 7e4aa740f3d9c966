"""Stick figures: joints lie on their ink, limbs keep their lengths, and a mirrored pose is the mirrored picture."""

import math

import numpy as np
import pytest

from tinymaskrcnn.config_whole import JOINTS as COUNTS
from tinymaskrcnn.config_whole import KINDS_OF_OBJECTS
from tinymaskrcnn.data import figures
from tinymaskrcnn.data.digits import SPLITS
from tinymaskrcnn.data.figures import JOINTS, KINDS, FigureBank, Pose, draw_strokes, skeleton
from tinymaskrcnn.data.transforms import mirrored_order
from tinymaskrcnn.errors import ArgumentError

BANK = figures.load()
STRAIGHT = Pose(*({"arm": 0, "elbow": 0, "leg": 0, "knee": 0},) * 2, 0)


def one(pose, kind="person"):
    """A bank of a single figure."""
    return FigureBank("one", (pose,), np.array([KINDS.index(kind)]), {"train": np.array([0])})


def at(joints):
    return dict(zip(JOINTS, joints))


def test_the_rules_know_the_figures():
    assert COUNTS["figures"] == len(JOINTS) == len(set(JOINTS)) and KINDS_OF_OBJECTS["figures"] == len(KINDS)
    assert figures.CLASS_NAMES == ("background", *KINDS)


def test_the_bank_is_always_the_same_and_its_parts_are_disjoint():
    again = figures.load.__wrapped__()
    assert again.poses == BANK.poses and np.array_equal(again.labels, BANK.labels)
    parts = [set(BANK.members(split).tolist()) for split in SPLITS]
    assert [len(part) for part in parts] == [3500, 500, 1000] and len(set.union(*parts)) == len(BANK) == 5000
    assert len(set(map(str, BANK.poses))) == len(BANK)
    assert set(BANK.labels.tolist()) == set(range(len(KINDS)))
    with pytest.raises(ArgumentError, match="split must be one of train, validation, test; got 'all'"):
        BANK.members("all")


def test_someone_who_stands_straight():
    """By hand, as shares of the height: 0.11 to the middle of the head, hands at 0.61, feet at 0.98."""
    joints, strokes, radii = skeleton(STRAIGHT, "person")
    place = at(joints)
    assert place["head"].tolist() == [0, 0.11]
    np.testing.assert_allclose(place["left_hand"], [0.10, 0.27 + 0.34])
    np.testing.assert_allclose(place["right_foot"], [-0.07, 0.56 + 0.42])
    assert len(strokes) == len(radii) == 3 + 8 + 1
    wave = Pose({"arm": 90, "elbow": 90, "leg": 0, "knee": 0}, STRAIGHT.right, 0)
    place = at(skeleton(wave, "person")[0])
    np.testing.assert_allclose(place["left_elbow"], [0.27, 0.27], atol=1e-12)  # straight out
    np.testing.assert_allclose(place["left_hand"], [0.27, 0.10], atol=1e-12)  # and straight up
    leaning = at(skeleton(Pose(STRAIGHT.left, STRAIGHT.right, 90), "person")[0])
    np.testing.assert_allclose(leaning["head"], [-0.11, 0], atol=1e-12)  # a quarter turn clockwise about the top


def test_limbs_turn_and_keep_their_lengths():
    for pose in BANK.poses[:200]:
        place = at(skeleton(pose, "robot")[0])
        for side in ("left", "right"):
            for a, b, length in (
                ("shoulder", "elbow", 0.17),
                ("elbow", "hand", 0.17),
                ("hip", "knee", 0.21),
                ("knee", "foot", 0.21),
            ):
                assert math.dist(place[f"{side}_{a}"], place[f"{side}_{b}"]) == pytest.approx(length)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "angle"), [(30, 0.0), (44, 0.0), (71, 0.0), (50, 25.0), (60, -180.0)])
def test_joints_lie_on_the_ink_of_a_figure_of_its_height(kind, height, angle):
    numbers = np.flatnonzero(BANK.labels == KINDS.index(kind))[:40]
    for i in numbers.tolist():
        ink, joints = BANK.render(i, height, angle), BANK.joints(i, height, angle)
        assert ink.dtype == np.float32 and ink.min() == 0 and ink.max() == 1
        np.testing.assert_array_equal(np.rint(ink * 255).astype(np.float32) / np.float32(255), ink)
        mask = ink > 0.5
        assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        hollow = 1 if kind == "robot" else 0  # whose head is a frame
        x, y = joints[hollow:].astype(int).T
        assert mask[y, x].all()
        rows = np.flatnonzero(mask.any(axis=1))
        if angle % 180 == 0:
            assert abs(rows[-1] + 1 - rows[0] - height) <= 1


def test_a_mirrored_pose_is_the_mirrored_picture():
    """Left and right change their names, as `flip_horizontal` changes them."""
    order = mirrored_order(JOINTS)
    for i in range(40):
        kind = KINDS[BANK.labels[i]]
        here, there = one(BANK.poses[i], kind), one(BANK.poses[i].mirrored(), kind)
        for angle in (0.0, 13.0):
            ink, joints = here.render(0, 55, angle), here.joints(0, 55, angle)
            np.testing.assert_allclose(there.render(0, 55, -angle), ink[:, ::-1], atol=1.01 / 255)
            mirrored = joints[order] * (-1, 1) + (ink.shape[1], 0)
            np.testing.assert_allclose(there.joints(0, 55, -angle), mirrored, atol=1e-9)
        assert BANK.poses[i].mirrored().mirrored() == BANK.poses[i]


def test_about_every_other_figure_is_mirrored():
    """The right arm is the one that is raised; in the bank either may be."""
    raised = np.array([pose.right["arm"] > pose.left["arm"] for pose in BANK.poses])
    assert 0.4 < raised.mean() < 0.6


def test_turning_counter_clockwise():
    """A quarter turn takes the head to the left."""
    ink, joints = one(STRAIGHT).render(0, 50, 90.0), at(one(STRAIGHT).joints(0, 50, 90.0))
    assert ink.shape[0] < ink.shape[1] and joints["head"][0] < 0.2 * ink.shape[1] < joints["left_foot"][0]
    assert joints["left_hand"][1] < joints["right_hand"][1]  # its left, our right, is up now


def test_kinds_can_be_told_apart():
    """By the head alone: a disc, a frame, feelers."""
    drawn = {kind: one(STRAIGHT, kind).render(0, 60)[:16] for kind in KINDS}
    assert all(abs(drawn[a] - drawn[b][:, : drawn[a].shape[1]]).sum() > 20 for a, b in zip(KINDS, KINDS[1:]))
    x, y = one(STRAIGHT, "robot").joints(0, 60)[0].astype(int)
    assert drawn["robot"][y, x] == 0 and drawn["person"][y, x] == 1


def test_strokes_against_brute_force():
    """Every pixel's distance to densely sampled points of a line with round ends."""
    rng = np.random.default_rng(0)
    strokes, radii = rng.uniform(3, 27, (4, 2, 2)), rng.uniform(0.8, 3, 4)
    strokes[3, 1] = strokes[3, 0]  # a disc
    ink = draw_strokes(strokes, radii, (30, 30))
    wanted = np.zeros((30, 30))
    share = np.linspace(0, 1, 4001)[:, None]
    for (start, end), radius in zip(strokes, radii):
        line = start + share * (end - start)
        for y, x in np.ndindex(30, 30):
            distance = np.sqrt(((line - (x + 0.5, y + 0.5)) ** 2).sum(axis=1).min())
            wanted[y, x] = max(wanted[y, x], min(max(radius + 0.5 - distance, 0), 1))
    np.testing.assert_allclose(ink, wanted, atol=0.51 / 255 + 1e-3)
