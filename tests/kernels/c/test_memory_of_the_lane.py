"""Functions in C stay inside the arrays that they are given: the compiler watches every access, in every variant."""

import os
import subprocess
import sys

import pytest
from compiled_lane import COMPILER, ROOT, compiled

WATCHED = """
import sys
from pathlib import Path
import numpy as np
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import conv, library, mask_logits, nms, roi_align, sweep
from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.heads.mask import MaskPredictor
from tinymaskrcnn.nn.fused import convolution
from tinymaskrcnn.ops import more_norms, norm
from tinymaskrcnn.ops.conv import conv2d_backward
from tinymaskrcnn.ops.roi_align import pyramid_roi_align_backward
threads.set_threads(1)
model = build_model(ModelConfig(), rng=np.random.default_rng(0)).eval()
built = library.load(Path(sys.argv[1]))
library.load = lambda: built
def ones(*shape):
    return np.ones(shape, np.float32)
def refused(backward, shape, cache):
    try:
        backward(ones(*shape), cache)
    except ValueError:
        pass
conv._is_worth_it = lambda pixels, weight: True
conv.NARROW = 0
if sys.argv[2:]:
    library.use("plain")
    library.lane().window(library.address(ones(7)), library.address(ones(64)), 1, 2, 4, 1, 2, 4, 0, 0)
for variant in library.supported():
    library.use(variant)
    for C, O in ((1, 1), (3, 17), (16, 16), (5, 64), (64, 80)):
        for kernel, options in (
            ((3, 3), dict(padding=1)),
            ((3, 3), dict(padding=(0, 3), stride=(2, 3))),
            ((2, 3), dict(dilation=2)),
            ((1, 1), dict(stride=2)),
            ((1, 1), dict()),
        ):
            tiled = options == dict(padding=1) and C % 16 == O % 16 == 0
            for m in ((1, 1), (2, 2), (4, 4)) if tiled else ((1, 1),):
                conv.choose = lambda *args, m=m, **data: m
                y, cache = conv.conv2d_forward(ones(2, 7, 9, C), ones(*kernel, C, O), ones(O), **options)
                conv.conv2d_backward(y, cache)
                convolution(ones(2, 7, 9, C), ones(*kernel, C, O), ones(O), scale=ones(O), added=y, rectified=True, **(
                    dict(stride=1, padding=0, dilation=1, groups=1) | options
                ))
                for shape in ((9, *y.shape[1:]), (2, 99, *y.shape[2:]), (2, 99, 1, O), (2, 7, 9, O + 32)):
                    refused(conv2d_backward, shape, cache)
    for _ in range(3):
        model.look(ones(1, 64, 96, 1))
    for numbers in (1, 17, 99):
        sweep.relu_backward(ones(numbers), ones(numbers))
    for C in (1, 5, 16, 130):
        arrays = ones(2, 5, -(-sweep.LEAST // 10 // C), C), ones(C), ones(C)
        for forward, backward in (
            (norm.batch_norm2d_forward, norm.batch_norm2d_backward),
            (more_norms.batch_norm2d_relu_forward, more_norms.batch_norm2d_relu_backward),
        ):
            y, cache = forward(*arrays, running_mean=ones(C), running_var=ones(C))
            backward(y, cache)
    for boxes in (0, 1, 9):
        nms.nms(ones(boxes, 4), ones(boxes), iou_threshold=0.5, group=np.arange(boxes) // 4)
    for C, D in ((3, 5), (16, 64)):
        weights = ones(2, 2, C, D), ones(D), ones(1, 1, D, 3), ones(3)
        logits, cache = mask_logits.mask_logits_forward(ones(5, 3, 4, C), *weights, channel=np.arange(5) % 3)
        mask_logits.mask_logits_backward(logits, cache)
        predictor = MaskPredictor(C, D, 3, rng=np.random.default_rng(0))
        for shape in ((5, 2, 2), (1, 6, 8), (9, 6, 8), (5, 48, 1)):
            refused(predictor.backward, shape, cache)
    rois = np.array([[-9, -9, 99, 99], [3, 2, 8, 9], [60, 60, 70, 70], [5, 5, 1, 1], [np.nan] * 4], np.float32)
    for C in (1, 5, 16, 70, 130):
        for samples in (1, 4):
            pyramid, few = [ones(2, 8, 7, C), ones(2, 4, 3, C)], np.arange(5) % 2
            crops, cache = roi_align.pyramid_roi_align_forward(
                pyramid, rois=rois, image_index=few, level=few[::-1], output_size=(3, 5), scales=(1, 0.5),
                samples=samples,
            )
            pyramid_roi_align_backward(crops, cache)
            refused(pyramid_roi_align_backward, (9, 3, 5, C), cache)
    print(variant)
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    try:
        folder = compiled(tmp_path_factory.mktemp("watched"), "-O0", "-fsanitize=address")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the compiler cannot watch memory: {error.stderr[-200:]}")
    found = subprocess.run([COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True)
    runtime = found.stdout.strip()
    if not os.path.isabs(runtime):
        pytest.skip("the compiler's library that watches memory is not installed")
    env = os.environ | {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(ROOT)}

    def run(*more):
        command = [sys.executable, "-c", WATCHED, str(folder), *more]
        return subprocess.run(command, env=env, capture_output=True, text=True)

    return run


def test_no_access_outside_of_an_array(watched, built):
    out = watched()
    assert out.returncode == 0, out.stderr[-2000:]
    assert "plain" in out.stdout.split()


def test_one_float_too_many_would_show(watched, built):
    out = watched("wrong")
    assert out.returncode != 0 and "heap-buffer-overflow" in out.stderr
