"""What torchvision answered for a small model, stored; and how far our answers are from it.

A record holds a model's settings and weights, two pictures with their objects, and torchvision's answers: samples of
every stage's numbers, detections, losses, and the whole gradient of every parameter.
"""

import json
from dataclasses import dataclass

import numpy as np
from interop import small, stages

from tinymaskrcnn.config import ModelConfig, from_dict, to_dict
from tinymaskrcnn.interop.torchvision import _to_ours, from_state_dict
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import Target

TOLERANCE = 1e-9  # relative, in float64
MOST = 500  # numbers stored of each stage


@dataclass(frozen=True)
class Record:
    kind: str
    config: ModelConfig
    weights: dict  # by torchvision's names
    images: list  # (H, W, 3) uint8
    targets: list
    stages: dict  # {name: array}, or {name: sample(array)} when it was stored
    detections: list
    losses: dict
    gradients: dict
    state: dict  # after the step
    anchors: tuple  # per picture which anchors are sampled (A,) bool, and their labels 1, 0, -1
    rois: tuple  # the same of proposals and, behind them, objects


def make(kind, seed=0, sizes=small.SIZES):
    """Ask torchvision, which must be installed."""
    from interop import peer

    config = small.settings(kind, seed)
    weights, images = small.weights(config, seed), small.pictures(seed, sizes)
    targets = small.objects(config, seed, sizes)
    model = peer.load(config, weights)
    found = peer.stages(model, small.floats(images))
    detections = peer.detections(model, small.floats(images))
    step = peer.training_step(model, small.floats(images), targets, seed)
    losses, gradients, anchors, rois, state = step
    state = {name: array for name, array in state.items() if "running" in name}
    return Record(kind, config, weights, images, targets, found, detections, losses, gradients, state, anchors, rois)


def sample(array, most=MOST):
    """(shape, evenly spread numbers of a large array, its sum and sum of squares): where faults show."""
    array = np.asarray(array, np.float64)
    step = max(1, -(-array.size // most))
    step += step > 1 and step % 2 == 0  # an even step would see half of the channels only
    return np.array(array.shape), array.ravel()[::step], np.array([array.sum(), (array**2).sum()])


# ---------------------------------------------------------------- the distance


def measure(record, config=None, weights=None, change=lambda model: None):
    """{what: relative error} of our model with the record's weights and settings, or with others in their place."""
    model = load_ours(record.kind, weights or record.weights, config or record.config)
    change(model)
    images = small.floats(record.images)
    found = stages.stages(model, images)
    errors = {f"stage {name}": _stage_error(found[name], want) for name, want in record.stages.items()}
    for n, (got, want) in enumerate(zip(stages.detections(model, images), record.detections)):
        errors |= {f"detections {n} {name}": _detection_error(name, got[name], want[name]) for name in want}
    batch = small.batch(images, record.targets)
    losses, gradients, state, labels = stages.training_step(model, batch, record.anchors[0], record.rois[0])
    for name, labelled in (("anchors", record.anchors[1]), ("rois", record.rois[1])):
        errors |= {
            f"labels {name} {n}": float((got != want).mean())
            for n, (got, want) in enumerate(zip(labels[name], labelled))
        }
    errors |= {f"loss {name}": error(losses.get(name, np.nan), want) for name, want in record.losses.items()}
    largest = max(np.abs(gradient).max() for gradient in record.gradients.values())
    for name, want in record.gradients.items():  # a gradient that is 0 but for rounding is measured by the largest
        errors[f"gradient {name}"] = error(gradients.get(name, np.nan), want, floor=1e-6 * largest)
    errors |= {f"state {name}": error(state[name], want) for name, want in record.state.items()}
    if set(losses) != set(record.losses) or set(gradients) != set(record.gradients):
        errors["names"] = np.inf
    return errors


def load_ours(kind, weights, config):
    """Our model with torchvision's weights; one of a kind that torchvision has no name for is filled by names, too."""
    if kind != small.C4:
        return from_state_dict(kind, weights, config=config)
    model = build_model(config, rng=np.random.default_rng(0)).astype(np.float64).eval()
    return model.load_state_dict({name: _to_ours(name, array, config) for name, array in weights.items()})


def error(got, want, floor=1e-12):
    """Largest difference over largest value; infinite for other shapes and for what is not finite."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape or not np.isfinite(got).all():
        return np.inf
    return float(np.abs(got - want).max(initial=0) / max(np.abs(want).max(initial=0), floor))


def _stage_error(got, want):
    if isinstance(want, tuple):
        return max(error(*pair) for pair in zip(sample(got), want, strict=True))
    return error(got, want)


def _detection_error(name, got, want):
    """torchvision rounds scales and keypoints to float32; masks are counted in pixels."""
    if name == "masks":
        return float((got != want).sum() / max(want.size, 1)) if got.shape == want.shape else np.inf
    return error(got, want)


def tolerance(what):
    """Detections: torchvision itself computes their last steps in float32."""
    return 1e-6 if what.endswith("keypoints") else TOLERANCE


def worst(errors):
    """(what, error) of the largest error in units of its tolerance."""
    return max(errors.items(), key=lambda item: item[1] / tolerance(item[0]))


def excess(errors):
    """The errors beyond their tolerance."""
    return {what: value for what, value in errors.items() if not value <= tolerance(what)}


# ---------------------------------------------------------------- files


def path_of(kind):
    return small.FIXTURES / f"{kind}.npz"


def save(record):
    arrays = {f"weights/{name}": array.astype(np.float32) for name, array in record.weights.items()}
    for name, array in record.stages.items():
        arrays |= {f"stages/{name}/{i}": part for i, part in enumerate(sample(array))}
    for part in ("gradients", "state"):
        arrays |= {f"{part}/{name}": array for name, array in getattr(record, part).items()}
    for n, image in enumerate(record.images):
        target, found = record.targets[n], record.detections[n]
        arrays[f"{n}/image"] = image
        for name, (chosen, labels) in (("anchors", record.anchors), ("rois", record.rois)):
            arrays |= {f"{n}/{name}/chosen": chosen[n], f"{n}/{name}/labels": labels[n]}
        arrays |= {f"{n}/target/boxes": target.boxes, f"{n}/target/labels": target.labels}
        if target.masks is not None:
            arrays[f"{n}/target/masks"] = np.packbits(target.masks, axis=2)
        if target.keypoints is not None:
            arrays[f"{n}/target/keypoints"] = target.keypoints
        found = found | ({"masks": np.packbits(found["masks"], axis=2)} if "masks" in found else {})
        arrays |= {f"{n}/found/{name}": array for name, array in found.items()}
    about = {"kind": record.kind, "config": to_dict(record.config), "losses": record.losses}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez_compressed(path_of(record.kind), **arrays)


def load(kind):
    with np.load(path_of(kind), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays.pop("about").tobytes())

    def below(prefix):
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    def unpacked(table, width):
        if "masks" in table:
            table["masks"] = np.unpackbits(table["masks"], axis=2, count=width).astype(bool)
        return table

    images = [arrays["0/image"], arrays["1/image"]]
    targets = [unpacked(below(f"{n}/target/"), image.shape[1]) for n, image in enumerate(images)]
    names = {name.split("/")[1] for name in arrays if name.startswith("stages/")}
    stages = {name: tuple(arrays[f"stages/{name}/{i}"] for i in range(3)) for name in sorted(names)}
    return Record(
        kind=about["kind"],
        config=from_dict(ModelConfig, about["config"]),
        weights={name: array.astype(np.float64) for name, array in below("weights/").items()},
        images=images,
        targets=[Target(t["boxes"], t["labels"], t.get("masks"), keypoints=t.get("keypoints")) for t in targets],
        stages=stages,
        detections=[unpacked(below(f"{n}/found/"), image.shape[1]) for n, image in enumerate(images)],
        losses=about["losses"],
        gradients=below("gradients/"),
        state=below("state/"),
        anchors=tuple([arrays[f"{n}/anchors/{part}"] for n in (0, 1)] for part in ("chosen", "labels")),
        rois=tuple([arrays[f"{n}/rois/{part}"] for n in (0, 1)] for part in ("chosen", "labels")),
    )
