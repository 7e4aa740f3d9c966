"""Proposals from outside: a file that somebody brings, and the parts that a run keeps."""

import types

import numpy as np

from tinymaskrcnn.data.proposals.given_file import GivenFile
from tinymaskrcnn.data.proposals.store import ProposalStore

from .archives import archive, damaged_arrays
from .damage import damaged_bytes, damaged_tree, json_bytes
from .frame import Door

PICTURES = [types.SimpleNamespace(id=k, file_name=f"{k}.png", height=20, width=24) for k in (1, 2)]
DATASET = types.SimpleNamespace(pictures=PICTURES, path="annotations.json")
ABOUT = {"data": {"seed": 0}, "proposals": {"method": "selective_search"}}


def entries():
    boxes = ((1, [4, 3, 8, 6], 0.9), (2, [0, 0, 24, 20], 0.5), (2, [1.5, 2, 3, 4], 0.25))
    return [{"image_id": i, "bbox": box, "score": score} for i, box, score in boxes]


def make_file(rng, folder):
    tree = entries()
    if rng.random() < 0.5:
        contents = json_bytes(rng, damaged_tree(rng, tree) if rng.random() < 0.8 else tree)
        path = folder / "mine.json"
        path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.15 else contents)
        return path
    arrays = {"image_id": np.array([1, 2, 2]), "boxes": np.array([[4, 3, 12, 9], [0, 0, 24, 20], [1, 2, 4, 6.5]])}
    path = folder / "mine.npz"
    path.write_bytes(archive(rng, damaged_arrays(rng, arrays | {"scores": np.array([0.9, 0.5, 0.25])})))
    return path


def use_file(path):
    given = GivenFile(path, DATASET)
    for number in range(2):
        boxes = given.of(number)
        assert boxes.dtype == np.float32 and boxes.shape[1:] == (4,)
        assert np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()


def make_store(rng, folder):
    """A folder with a part that is damaged, or an about.json that is."""
    folder = folder / f"store{rng.integers(10**9)}"
    store = ProposalStore(folder, ABOUT, lambda number: np.full((number, 4), number, np.float32))
    for number in range(4):
        store.of(number)
    store.flush()
    arrays = dict(np.load(folder / "part-00000.npz"))
    if rng.random() < 0.7:
        (folder / "part-00000.npz").write_bytes(archive(rng, damaged_arrays(rng, arrays)))
    else:
        (folder / "about.json").write_bytes(json_bytes(rng, damaged_tree(rng, {"format": 1, **ABOUT})))
    return folder


def use_store(folder):
    store = ProposalStore(folder, ABOUT, lambda number: np.zeros((0, 4), np.float32))
    for number in range(4):
        boxes = store.of(number)
        assert boxes.dtype == np.float32 and boxes.shape[1:] == (4,) and np.isfinite(boxes).all()


DOORS = [Door("proposals", make_file, use_file), Door("kept proposals", make_store, use_store)]
