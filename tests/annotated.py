"""A small annotated folder in COCO's format: three pictures, polygons, run lengths, a crowd, keypoints, odd ids."""

import json

import numpy as np
from PIL import Image

POINTS = ("nose", "left_eye", "right_eye")


def annotation(id, image_id, category_id, bbox, **more):
    x, y, w, h = bbox
    polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    entry = {"id": id, "image_id": image_id, "category_id": category_id, "bbox": bbox, "segmentation": polygon}
    return entry | {"iscrowd": 0, "area": w * h} | more


def entries():
    """The contents of a sound file, fresh each time: change them as you like."""
    face = [10, 8, 2, 8, 7, 1, 0, 0, 0]
    crowd = {"size": [32, 40], "counts": [32 * 20, 32 * 20]}  # the right half
    return {
        "images": [
            {"id": 30, "file_name": "c.png", "height": 24, "width": 24},
            {"id": 10, "file_name": "a.png", "height": 32, "width": 40},
            {"id": 20, "file_name": "b.png", "height": 48, "width": 36},
        ],
        "annotations": [
            annotation(1, 10, 7, [4, 6, 10, 12], keypoints=face, num_keypoints=2),
            annotation(2, 10, 3, [20, 0, 20, 32], segmentation=crowd, iscrowd=1),
            annotation(5, 20, 3, [1, 2, 30, 40]),
        ],
        "categories": [
            {"id": 7, "name": "person", "keypoints": list(POINTS), "skeleton": [[1, 2]]},
            {"id": 3, "name": "cat"},
        ],
    }


def write(folder, contents=None):
    """Pictures and annotations.json in a folder  ->  (path of the json, folder)"""
    rng = np.random.default_rng(0)
    for name, size, mode in (("a.png", (32, 40, 3), "RGB"), ("b.png", (48, 36), "L"), ("c.png", (24, 24), "P")):
        pixels = rng.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / name)
    path = folder / "annotations.json"
    path.write_text(json.dumps(entries() if contents is None else contents))
    return path, folder
