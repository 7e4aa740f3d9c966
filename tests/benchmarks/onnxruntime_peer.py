"""Our detection beside onnxruntime's of our own export: what somebody would run who only wants the answers."""

import functools

from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.interop.onnx import onnx_model
from tinymaskrcnn.interop.onnx_check import compare_detections, open_session
from tinymaskrcnn.interop.torchvision import from_state_dict

from .contestants import Ours, stream_of
from .measure import Mismatch


def race_of(bench, name, model, pictures, *, pairs, warm=2):
    """The row of one picture a turn: a model in eval mode, and an onnxruntime session of it on as many threads."""
    session, found = open_session(onnx_model(model).SerializeToString(), threads=bench.threads), {}
    outputs, detector = [output.name for output in session.get_outputs()], Detector(model, threads=bench.threads)

    def ours(turn):
        [found["ours"]] = detector.detect([pictures(turn)])

    def peer(turn):
        found["peer"] = dict(zip(outputs, session.run(outputs, {"image": pictures(turn)})))

    ours(0), peer(0)
    difference = compare_detections(found["ours"], found["peer"])
    if difference.unpaired > 1 or difference.boxes > 0.1:  # of a hundred, one may lie on either side of a threshold
        raise Mismatch(f"they find other objects: {difference}")
    row = bench.time(name, {"ours": ours, "peer": peer}, pairs=pairs, warm=warm)
    return row | {"peer": "onnxruntime", "detections": difference.detections}


def tiny(bench, name, *, pairs):
    """The default model, trained a little, on a held-out scene of 128x128 a turn."""
    ours, stream = Ours(bench.config, start=bench.trained), stream_of(bench.config, "test")
    pictures = functools.cache(lambda turn: stream.scene(turn + 2)[0])
    for turn in range(-2, bench.pairs or pairs):
        pictures(turn)
    return race_of(bench, name, ours.model.eval(), pictures, pairs=pairs)


def full_size(bench, name, *, pairs, kind, arrays):
    """ResNet-50-FPN with the weights and the picture of the other rows."""
    image = bench.full_size[1]
    model = from_state_dict(kind, arrays(bench.full_size[0])).eval()
    return race_of(bench, name, model, lambda turn: image, pairs=pairs, warm=1)
