"""Weights of strangers: .npz, .safetensors, and .pth where torch is installed; right ones make torchvision's model."""

import functools
import importlib.util
import io
import json
import struct
import warnings

import numpy as np

from tinymaskrcnn.config import torchvision_preset
from tinymaskrcnn.interop.shapes import expected_shapes
from tinymaskrcnn.interop.torchvision import from_state_dict
from tinymaskrcnn.interop.weights import read_weights
from tinymaskrcnn.train.checkpoint import naming

from .archives import archive, damaged_arrays
from .damage import damaged_bytes, damaged_tree, pick
from .frame import Door

KIND = "fasterrcnn_resnet50_fpn"
SAFETENSORS = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL"}


@functools.cache
def sound():
    backbone = {"widths": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "stem_width": 4, "fpn_channels": 4}
    config = torchvision_preset(KIND, num_classes=3, backbone=backbone, roi={"head_width": 4})
    rng = np.random.default_rng(0)
    return {name: rng.random(shape, np.float32) for name, shape in expected_shapes(config).items()}


def drawn(rng):
    arrays = sound()
    if rng.random() < 0.1:
        arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    return damaged_arrays(rng, arrays) if rng.random() < 0.6 else dict(arrays)


def make_npz(rng, folder):
    path = folder / "weights.npz"
    path.write_bytes(archive(rng, drawn(rng)))
    return path


def make_safetensors(rng, folder):
    path = folder / "weights.safetensors"
    header, body = {}, b""
    for name, array in drawn(rng).items():
        if str(array.dtype) in SAFETENSORS:
            place = [len(body), len(body) + array.nbytes]
            header[name] = {"dtype": SAFETENSORS[str(array.dtype)], "shape": list(array.shape), "data_offsets": place}
            body += array.tobytes()
    if rng.random() < 0.6:
        header = damaged_tree(rng, header)
    text = json.dumps(header, ensure_ascii=bool(rng.random() < 0.9)).encode("utf-8", "surrogatepass")
    length = pick(rng, [len(text)] * 9 + [0, 2**63, len(text) + len(body) + 1])
    contents = struct.pack("<Q", length) + text + body
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.3 else contents)
    return path


def make_torch(rng, folder):
    import torch

    path = folder / "weights.pth"
    tensors = {}
    for name, array in drawn(rng).items():
        try:
            tensors[name] = torch.from_numpy(array.copy())
        except (TypeError, ValueError):  # torch has no such numbers
            tensors[name] = pick(rng, [torch.ones(2, dtype=torch.complex64), "text", None, torch.ones(1).expand(10**9)])
    kept = pick(rng, [tensors, tensors, {"model": tensors}, list(tensors.values())])
    file = io.BytesIO()
    torch.save(kept, file)
    path.write_bytes(damaged_bytes(rng, file.getvalue()) if rng.random() < 0.4 else file.getvalue())
    return path


def use_weights(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arrays = read_weights(path)
    assert all(np.isfinite(array.astype(np.float32)).all() for array in arrays.values())
    with naming(path):
        model = from_state_dict(KIND, arrays)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


DOORS = [
    Door("weights .npz", make_npz, use_weights, cost=2.0),
    Door("weights .safetensors", make_safetensors, use_weights, cost=2.0),
]
if importlib.util.find_spec("torch"):
    DOORS.append(Door("weights .pth", make_torch, use_weights, megabytes=1000))
