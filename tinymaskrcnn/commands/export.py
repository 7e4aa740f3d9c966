"""`tinymaskrcnn export`: a trained model as one ONNX file, compared with this one before it is written."""

from pathlib import Path

HELP = "write a trained model as an ONNX file for onnxruntime, phones and browsers"
EXAMPLES = """examples:
  tinymaskrcnn export runs/001 --out digits.onnx
  tinymaskrcnn export runs/001 --out digits.onnx --scenes 50          compare on 50 held-out scenes
  tinymaskrcnn export model.npz --out coco.onnx --images photos/      a converted model, compared on photographs

Needs the package onnx, and onnxruntime for the comparison: pip install 'tinymaskrcnn[onnx]'.
When the two disagree, nothing is written."""


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN|FILE|NAME", help="run folder, model.npz, tour or handwriting")
    parser.add_argument("--out", metavar="FILE", required=True, help="the model to write, a .onnx file")
    parser.add_argument(
        "--scenes", type=int, default=4, metavar="N", help="scenes to compare on, 0 for none (default: 4)"
    )
    parser.add_argument("--images", metavar="IMAGE", nargs="+", help="compare on these pictures instead")
    parser.add_argument("--licence", default="MIT", metavar="TEXT", help="noted in the file (default: MIT)")


def run(args):
    from ..errors import ArgumentError
    from ..experiment import open_detector
    from ..interop.onnx import OPSET, export_onnx

    if Path(args.out).suffix != ".onnx":
        raise ArgumentError(f"--out must be a .onnx file; got {args.out!r}")
    if args.scenes < 0:
        raise ArgumentError(f"--scenes must be at least 0; got {args.scenes}")
    detector = open_detector(args.model)
    detector.model.eval()
    images = _pictures(detector, args)
    said = []
    data = export_onnx(
        detector.model, args.out, licence=args.licence, check=lambda data: said.append(_compare(detector, data, images))
    )
    print(f"{args.out}: {len(data) / 1e6:.1f} MB, opset {OPSET}, accepted by onnx.checker")
    print(*said)
    return 0


def _pictures(detector, args):
    """What to compare on: given pictures, scenes of the run, or scenes that fit the model's channels."""
    from ..config import SceneConfig
    from ..data.loader import SceneStream
    from ..data.pictures import list_images, read_image

    channels = detector.model.config.backbone.in_channels
    if args.images:
        return [read_image(path, channels) for path in list_images(args.images)]
    if hasattr(detector, "scenes"):
        return [image for image, _ in detector.scenes(args.scenes)] if args.scenes else []
    stream = SceneStream(SceneConfig(color=channels == 3), split="test", seed=0, batch_size=1)
    return [stream.scene(i)[0] for i in range(args.scenes)]


def _compare(detector, data, images):
    """The differences in words; an error, before anything is written, when they are too large."""
    from ..interop.onnx_check import compare_onnx, require_equal

    if not images:
        return "not compared with onnxruntime"
    try:
        import onnxruntime
    except ImportError:
        return "not compared: onnxruntime is not installed"
    return f"onnxruntime {onnxruntime.__version__}: {require_equal(compare_onnx(detector.model, data, images))}"
