"""What one stage of a training leaves for the next, damaged as bytes, as archives and in what it says of itself."""

import json

import numpy as np

from tinymaskrcnn.train.stage_files import StageFiles

from .archives import archive, damaged_arrays
from .damage import damaged_bytes, damaged_tree, json_bytes
from .frame import Door

MADE_FROM = {"pictures": "ab12", "rcnn": {"warp_size": 64, "svm_c": 0.001}, "delta_weights": [1.0, 1.0, 1.0, 1.0]}
ARRAYS = {"fc7": np.arange(12, dtype=np.float32).reshape(3, 4), "near_labels": np.array([1, 2, 2])}


def make_stage(rng, folder):
    folder = folder / f"stages{rng.integers(10**9)}"
    files = StageFiles(folder)
    files.write("features", ARRAYS, made_from=MADE_FROM)
    path = files.path("features")
    arrays = dict(np.load(path))
    if rng.random() < 0.4:
        about = damaged_tree(rng, json.loads(arrays["about"].tobytes()))
        arrays["about"] = np.frombuffer(json_bytes(rng, about), np.uint8)
    contents = archive(rng, damaged_arrays(rng, arrays) if rng.random() < 0.6 else arrays)
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.3 else contents)
    return folder


def use_stage(folder):
    arrays = StageFiles(folder).read("features", made_from=MADE_FROM)
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype and np.array_equal(array, ARRAYS[name])


DOORS = [Door("stages", make_stage, use_stage)]
