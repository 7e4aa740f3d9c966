"""COCO's files: annotations, results, and the run lengths in both."""

import json

import numpy as np
from PIL import Image

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.annotations import Annotations
from tinymaskrcnn.data.coco import CocoDataset
from tinymaskrcnn.evaluation.results import evaluate_results, load_results
from tinymaskrcnn.structures import Target

from .damage import damaged_bytes, damaged_tree, json_bytes, pick
from .frame import Door

MASK = np.zeros((20, 24), bool)
MASK[3:9, 4:12] = True
CODE = rle.to_coco(rle.encode(MASK))
BOX = [4, 3, 8, 6]


def annotations():
    corners = [4, 3, 12, 3, 12, 9, 4, 9]
    common = {"area": 48, "bbox": BOX, "iscrowd": 0, "keypoints": [5, 4, 2, 11, 8, 1], "num_keypoints": 2}
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "height": 20, "width": 24},
            {"id": 2, "file_name": "b.png", "height": 20, "width": 24},
        ],
        "categories": [
            {"id": 3, "name": "cat", "keypoints": ["nose", "tail"]},
            {"id": 8, "name": "dog", "keypoints": ["nose", "tail"]},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [corners], **common},
            {"id": 2, "image_id": 2, "category_id": 8, "segmentation": CODE, **common},
            {"id": 3, "image_id": 2, "category_id": 3, "segmentation": CODE, **common, "iscrowd": 1},
        ],
    }


def results():
    entry = {"image_id": 1, "category_id": 3, "score": 0.9, "bbox": BOX, "segmentation": CODE}
    return [entry, {**entry, "score": 0.2}, {**entry, "image_id": 2, "category_id": 8, "score": 1.0}]


def _write(rng, folder, name, tree):
    contents = json_bytes(rng, damaged_tree(rng, tree) if rng.random() < 0.8 else tree)
    (folder / name).write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.15 else contents)
    return folder / name


def make_annotations(rng, folder):
    for name in ("a.png", "b.png"):
        if not (folder / name).exists():
            Image.new("L", (24, 20), 128).save(folder / name)
    return _write(rng, folder, "annotations.json", annotations())


def use_dataset(path):
    """Index the file for training; every object that is left is one that the package's own judge calls sound."""
    dataset = CocoDataset.open(path, path.parent)
    for i in range(len(dataset)):
        image, target = dataset.image(i), dataset.target(i)
        target.validate(height=image.shape[0], width=image.shape[1], num_classes=len(dataset.class_names))


def use_truths(path):
    truths = Annotations(path)
    for image_id in truths.sizes:
        for iou_type in ("bbox", "segm", "keypoints"):
            target = truths.target(image_id, iou_type=iou_type)
            assert np.isfinite(target.boxes).all()


def make_results(rng, folder):
    return _write(rng, folder, "results.json", results())


def use_results(path):
    """Judge the file against two pictures; every figure lies in 0..1 or says that there is none (-1)."""
    sizes, ids = {1: (20, 24), 2: (20, 24)}, [3, 8]
    truth = Target(np.array([[4.0, 3, 12, 9]]), np.array([1]), [rle.encode(MASK)], np.array([False]), None, None)
    for skip in (False, True) if path.stat().st_size % 2 else (True,):
        found = load_results(path, category_ids=ids, sizes=sizes, skip_unknown=skip)
        for iou_type in {"bbox", "segm"} & {"bbox": "bbox", "segmentation": "segm"}.keys() & set(found.parts):
            figures = evaluate_results([(1, truth), (2, truth)], found, iou_type=iou_type)
            assert all(-1 <= value <= 1 for value in figures.values() if isinstance(value, float))


def make_code(rng, folder):
    """The run lengths of one mask, as a string, as numbers, or broken."""
    entry = pick(rng, [CODE, {"size": [20, 24], "counts": [64, 6, 410]}])
    entry = json.loads(json.dumps(entry))
    entry = damaged_tree(rng, entry, most=2) if rng.random() < 0.6 else entry
    if isinstance(entry, dict) and isinstance(entry.get("counts"), str) and rng.random() < 0.5:
        entry["counts"] = damaged_bytes(rng, entry["counts"].encode("utf-8", "surrogatepass")).decode("latin-1")
        entry["counts"] += pick(rng, ["", "\ud800", "?", "猫", " ", "\n", "\0"])
    return entry


def use_code(entry):
    """A mask comes of it only where the entry's own characters mean one: packed again they are the same."""
    code = rle.from_coco(entry)
    mask = rle.decode(code)
    assert mask.shape == tuple(entry["size"]) and mask.sum() == rle.area(code)
    assert set(entry["counts"]) <= set(map(chr, range(48, 112))) if isinstance(entry["counts"], str) else True


DOORS = [
    Door("annotations", make_annotations, use_dataset),
    Door("annotations, judged", make_annotations, use_truths),
    Door("results", make_results, use_results),
    Door("run lengths", make_code, use_code, names_file=False),
]
