"""What is fitted to the network's features: rows by plain loops, on pictures with and without objects and proposals."""

import types

import numpy as np
import pytest

from tinymaskrcnn.config import RCNNConfig
from tinymaskrcnn.ops.naive import encode, iou
from tinymaskrcnn.train import rcnn_fits
from tinymaskrcnn.train.ridge import fit_ridge
from tinymaskrcnn.train.svm import LinearSVM

WEIGHTS = (10.0, 8.0, 5.0, 4.0)
SETTINGS = RCNNConfig(ridge_iou=0.375, svm_negative_iou=0.25, svm_c=0.02, svm_positive_weight=3.0, feature_norm=7.0)


def drawn(rng, count):
    corner = rng.uniform(0, 14, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(10, 25, (count, 2))], axis=1).astype(np.float32)


@pytest.fixture
def stages(rng, monkeypatch):
    """Five pictures, of which the second has no object, the fourth no proposal, and the last neither; two a file."""
    counts = [(2, 9), (0, 5), (3, 8), (1, 0), (0, 0)]
    pictures = [(drawn(rng, m), rng.integers(1, 4, m), drawn(rng, p)) for m, p in counts]
    roi = types.SimpleNamespace(delta_weights=WEIGHTS)
    model = types.SimpleNamespace(roi=roi, rcnn=SETTINGS, num_classes=4)
    config = types.SimpleNamespace(model=model, train=types.SimpleNamespace(seed=6))
    made = types.SimpleNamespace(
        pictures=(pictures, None), config=config, shards=[range(0, 2), range(2, 4), range(4, 5)]
    )
    made.stream = types.SimpleNamespace(scene=lambda number: (number, None))
    made.read = lambda stage: (rcnn_fits.features(made, shard) for shard in made.shards)
    said = lambda stages, image, boxes: (np.hstack([boxes, boxes * 0 + image]), 2 * boxes)  # noqa: E731
    monkeypatch.setattr(rcnn_fits, "_look_at", said)
    return made


def test_features_of_all_boxes_and_of_those_near_an_object(stages):
    met = 0
    for shard in stages.shards:
        found = rcnn_fits.features(stages, shard)
        every, near = [], []
        for number in shard:
            objects, labels, proposals = stages.pictures[0][number]
            every += [2 * box for box in (*objects, *proposals)]
            for box in proposals:
                overlaps = [iou(box, other) for other in objects]
                if overlaps and max(overlaps) >= 0.375:
                    best = int(np.argmax(overlaps))
                    deltas = np.array(encode(objects[best].astype(float), box.astype(float))) * WEIGHTS
                    near.append(([*box, *[number] * 4], labels[best], deltas))
        np.testing.assert_array_equal(found["fc7"], np.array(every).reshape(-1, 4))
        pool5, labels, deltas = (list(part) for part in zip(*near)) if near else ([], [], [])
        np.testing.assert_array_equal(found["near_pool5"], np.array(pool5).reshape(-1, 8))
        assert found["near_labels"].tolist() == labels
        np.testing.assert_allclose(found["near_deltas"], np.array(deltas).reshape(-1, 4), rtol=1e-4, atol=1e-4)
        met += len(near)
    assert met > 4


def test_machines_are_fitted_with_the_settings_and_a_seed_for_each_class(stages, monkeypatch):
    seen = []

    def watched(positives, pictures, **options):
        seen.append((positives, list(pictures), options))
        return LinearSVM(np.arange(1.0, 5), 0.5)

    monkeypatch.setattr(rcnn_fits, "mine_svm", watched)
    rows = np.concatenate([found["fc7"] for found in stages.read("features")])
    scale = 7.0 / np.linalg.norm(rows, axis=1).mean()
    for label in (1, 2, 3):
        told = rcnn_fits.classifier(stages, label)
        np.testing.assert_allclose(told["weight"], np.arange(1.0, 5) * scale, rtol=1e-6)
        assert told["bias"].shape == () and told["bias"] == 0.5
        positives, negatives, options = seen[-1]
        own = [2 * o * scale for objects, labels, _ in stages.pictures[0] for o in objects[labels == label]]
        np.testing.assert_allclose(positives, np.array(own).reshape(-1, 4), rtol=1e-6)
        for (objects, labels, proposals), got in zip(stages.pictures[0], negatives, strict=True):
            away = [all(iou(p, o) < 0.25 for o in objects[labels == label]) for p in proposals]
            np.testing.assert_allclose(got, 2 * proposals[np.array(away, bool)] * scale, rtol=1e-6)
        assert options.pop("rng").random() == np.random.default_rng([6, label]).random()
        fit = {"C": 0.02, "positive_weight": 3.0, "bias_multiplier": SETTINGS.svm_bias_multiplier}
        assert options == fit | {"retrain_after": SETTINGS.svm_retrain_after}


def test_ridges_stand_beside_each_other(stages):
    told, files = rcnn_fits.regression(stages, None), list(stages.read("features"))
    pool5, labels, deltas = (
        np.concatenate([f[n] for f in files]) for n in ("near_pool5", "near_labels", "near_deltas")
    )
    scale = 7.0 / np.linalg.norm(pool5, axis=1).mean()
    assert told["weight"].shape == (8, 12) and told["bias"].shape == (12,)
    for label in (1, 2, 3):
        of = slice(4 * label - 4, 4 * label)
        rows = labels == label
        weight, bias = fit_ridge(pool5[rows] * scale, deltas[rows], strength=SETTINGS.ridge_strength)
        np.testing.assert_allclose(told["weight"][:, of], weight * scale, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(told["bias"][of], bias, rtol=1e-6)


def test_how_long_features_are_is_asked_of_the_first_pictures(stages, monkeypatch):
    """Of 200 of them, in whole files; nothing at all has length 1, and zeros are no reason to divide by 0."""
    assert rcnn_fits.NORMED == 200
    files = list(stages.read("features"))
    for most, count in ((1, 1), (2, 1), (3, 2), (5, 3), (99, 3)):
        monkeypatch.setattr(rcnn_fits, "NORMED", most)
        rows = np.concatenate([f["fc7"] for f in files[:count]]).astype(float)
        assert rcnn_fits._mean_length(stages, "fc7") == pytest.approx(np.linalg.norm(rows, axis=1).mean(), rel=1e-12)
    for rows, wanted in ((np.zeros((0, 3)), 1), (np.zeros((2, 3)), 1e-12), (np.full((1, 1), 1e30, np.float32), 1e30)):
        stages.shards, stages.read = [range(1)], lambda stage, rows=rows: [{"fc7": rows}]
        assert rcnn_fits._mean_length(stages, "fc7") == pytest.approx(wanted)
