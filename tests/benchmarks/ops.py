"""Time the operators on the shapes of training: the readable text, its kernel, and torch where it is installed.

    python tests/benchmarks/ops.py [--threads N] [--repeat N] [--only conv] [--cpu]

The three take turns of three calls, so that other work on the machine hits them alike; printed are medians in
milliseconds. torch is given both of its memory layouts, and the better one counts. The text's BLAS and torch use as
many threads as the kernels. --cpu prints the time that all threads worked, which depends less on a busy machine.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tinymaskrcnn.kernels import threads
from tinymaskrcnn.ops import activation, bilinear, conv, linear, nms, norm, roi_align

sys.path.insert(0, str(Path(__file__).parents[1]))
import mask_predictor  # noqa: E402

torch = __import__("torch") if importlib.util.find_spec("torch") else None
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


# ---------------------------------------------------------------- what is timed: (name, {who: function})


def pair(name, forward, backward, inputs, torch_forward=None, **data):
    """Forward and backward of one operator, by each who can; torch_forward takes and gives torch tensors."""
    y, cache = forward(*inputs, **data)
    dy = normal(*y.shape)
    ways = {"text": lambda: forward.readable(*inputs, **data), "kernel": lambda: forward(*inputs, **data)}
    back = {"text": lambda: backward.readable(dy, cache), "kernel": lambda: backward(dy, cache)}
    if torch and torch_forward:
        for layout in (torch.contiguous_format, torch.channels_last):
            ways[f"torch {layout}"], back[f"torch {layout}"] = torch_pair(torch_forward, inputs, layout)
    yield f"{name} forward", ways
    yield f"{name} backward", back


def torch_pair(function, inputs, layout):
    tensors = [to_torch(x, layout).requires_grad_() for x in inputs if x is not None]
    y = function(*tensors)
    dy = torch.randn_like(y)

    def forward():
        with torch.no_grad():
            return function(*tensors)

    return forward, lambda: torch.autograd.grad(y, tensors, dy, retain_graph=True)


def to_torch(x, layout):
    """NHWC -> NCHW for maps and HWIO -> OIHW for weights, told apart by the size of a kernel; others as they are."""
    x = torch.from_numpy(x)
    if x.ndim != 4:
        return x.clone()
    axes = (3, 2, 0, 1) if x.shape[0] < 8 else (0, 3, 1, 2)
    return x.permute(axes).contiguous(memory_format=layout)


def convolutions():
    shapes = [
        ("stem 3x3/2, 1>16, 8x128x128", (8, 128, 128, 1), 3, 16, 2),
        ("3x3, 16>16, 8x32x32", (8, 32, 32, 16), 3, 16, 1),
        ("3x3/2, 16>32, 8x32x32", (8, 32, 32, 16), 3, 32, 2),
        ("3x3, 32>32, 8x16x16", (8, 16, 16, 32), 3, 32, 1),
        ("3x3, 64>64, 8x8x8", (8, 8, 8, 64), 3, 64, 1),
        ("3x3, 128>128, 8x4x4", (8, 4, 4, 128), 3, 128, 1),
        ("1x1/2, 64>128, 8x8x8", (8, 8, 8, 64), 1, 128, 2),
        ("1x1, 16>64, 8x32x32", (8, 32, 32, 16), 1, 64, 1),
        ("3x3, 64>64, 8x32x32", (8, 32, 32, 64), 3, 64, 1),
        ("3x3, 64>64, 8x16x16", (8, 16, 16, 64), 3, 64, 1),
        ("3x3, 64>64, 128 RoIs of 14x14", (128, 14, 14, 64), 3, 64, 1),
    ]
    for name, x, k, O, stride in shapes:
        inputs = normal(*x), normal(k, k, x[3], O), normal(O)

        def in_torch(x, weight, bias, stride=stride, padding=k // 2):
            return torch.nn.functional.conv2d(x, weight, bias, stride, padding)

        options = dict(stride=stride, padding=k // 2)
        yield from pair(f"conv {name}", conv.conv2d_forward, conv.conv2d_backward, inputs, in_torch, **options)


def heads():
    inputs = normal(128, 14, 14, 64), normal(2, 2, 64, 64), normal(64)
    name = "deconv 2x2/2, 64>64, 128 RoIs of 14x14"

    def deconv(x, weight, bias):
        return torch.nn.functional.conv_transpose2d(x, weight.transpose(0, 1), bias, 2)

    yield from pair(name, conv.conv_transpose2d_forward, conv.conv_transpose2d_backward, inputs, deconv, stride=2)
    inputs = normal(128, 28, 28, 64), normal(1, 1, 64, 11), normal(11)
    select = conv.select_conv1x1_forward, conv.select_conv1x1_backward
    channel = rng.integers(0, 11, 128)
    yield from pair("one channel of 1x1, 128 of 28x28", *select, inputs, channel=channel)
    inputs = normal(128, 14, 14, 64), normal(2, 2, 64, 64), normal(64), *inputs[1:]
    logits = mask_predictor.forward, mask_predictor.backward  # the text: the kernels of its three steps
    yield from pair("mask logits, 128 RoIs of 14x14", *logits, inputs, channel=channel)
    inputs = normal(512, 3136), normal(3136, 128), normal(128)
    fully = linear.linear_forward, linear.linear_backward
    yield from pair("linear 512x3136>128", *fully, inputs, lambda x, w, b: x @ w + b)
    relu = activation.relu_forward, activation.relu_backward
    in_torch = torch.relu if torch else None
    yield from pair("relu 128x28x28x64", *relu, (normal(128, 28, 28, 64),), in_torch)
    yield from pair("relu 8x32x32x64", *relu, (normal(8, 32, 32, 64),), in_torch)

    def batch_norm(x, weight, bias):
        return torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True)

    norms = norm.batch_norm2d_forward, norm.batch_norm2d_backward
    yield from pair("batch norm 8x32x32x16", *norms, (normal(8, 32, 32, 16), normal(16), normal(16)), batch_norm)


def pictures():
    """Forward only: nothing is learned from how a picture is resized."""

    def in_torch(x):
        return torch.nn.functional.interpolate(x, size=(400, 400), mode="bilinear", align_corners=False)

    pairs = bilinear.resize_bilinear_forward, bilinear.resize_bilinear_backward
    yield next(pair("resize 8x1000x1000x3 to 400x400", *pairs, (normal(8, 1000, 1000, 3),), in_torch, size=(400, 400)))


def crowd(n, size):
    """Boxes in clusters of about a dozen."""
    clusters = max(1, n // 12)
    centre = rng.uniform(0, size, (clusters, 2))[rng.integers(0, clusters, n)] + rng.normal(0, 10, (n, 2))
    sides = rng.uniform(16, 160, (n, 2))
    return np.concatenate([centre - sides / 2, centre + sides / 2], axis=1).astype(np.float32)


def detection():
    group = np.repeat(np.arange(40), [512, 512, 192, 48, 12] * 8)
    for name, n, groups in [("nms 0.7, 6000 boxes", 6000, None), ("nms 0.7, 8 images x 5 levels", len(group), group)]:
        boxes, scores = crowd(n, 800 if groups is None else 128), rng.random(n, dtype=np.float32)
        options = dict(iou_threshold=0.7, group=groups)
        ways = {
            "text": lambda b=boxes, s=scores, o=options: nms.nms.readable(b, s, **o),
            "kernel": lambda b=boxes, s=scores, o=options: nms.nms(b, s, **o),
        }
        if torch and importlib.util.find_spec("torchvision"):
            from torchvision.ops import boxes as torch_boxes

            tensors = [torch.from_numpy(a) for a in (boxes, scores, np.zeros(n, int) if groups is None else groups)]
            ways["torch"] = lambda t=tensors: torch_boxes.batched_nms(*t, 0.7)
        yield name, ways
    features, rois = normal(8, 32, 32, 64), np.clip(crowd(512, 128), 0, 128)
    options = dict(image_index=np.sort(rng.integers(0, 8, 512)), output_size=7, scale=0.25)
    pairs = roi_align.roi_align_forward, roi_align.roi_align_backward
    yield from pair("RoIAlign 512 RoIs, 7x7, 8x32x32x64", *pairs, (features, rois), **options)


# ---------------------------------------------------------------- the clock and the table


WARM_UP = 0.1  # seconds: until then the threads of the one before still spin, and one's own wake up side by side


def medians(ways, repeat, clock):
    """The functions take turns, `repeat` times; in a turn, three calls count after the warm-up."""
    times = {who: [] for who in ways}
    for _ in range(repeat):
        for who, function in ways.items():
            warm = time.perf_counter() + WARM_UP
            while time.perf_counter() < warm:
                function()
            for _ in range(3):
                start = clock()
                result = function()
                times[who].append(clock() - start)
                del result
    return {who: statistics.median(taken) * 1e3 for who, taken in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=threads.available_cores())
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="a part of the names of the operators to time")
    parser.add_argument(
        "--cpu", action="store_true", help="the time of all threads together, instead of the wall clock"
    )
    args = parser.parse_args()
    clock = time.process_time if args.cpu else time.perf_counter
    threads.set_threads(args.threads)
    if torch:
        torch.set_num_threads(args.threads)
    unit = f"{args.threads} thread(s), {'CPU ' if args.cpu else ''}ms"
    print(f"| {unit} | text | kernel | torch | kernel / text | kernel / torch |")
    print("|---|---|---|---|---|---|")
    for part in (convolutions, heads, pictures, detection):
        for name, ways in part():
            if args.only not in name:
                continue
            with threadpool_limits(args.threads, "blas"):
                took = medians(ways, args.repeat, clock)
            best = min((t for who, t in took.items() if who.startswith("torch")), default=None)
            row = [name, f"{took['text']:.2f}", f"{took['kernel']:.2f}", "" if best is None else f"{best:.2f}"]
            row += [f"{took['kernel'] / took['text']:.2f}", "" if best is None else f"{took['kernel'] / best:.2f}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
