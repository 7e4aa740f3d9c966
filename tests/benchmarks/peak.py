"""The largest resident memory of one contestant at one work, in a process of its own: run by memory.py.

    python -m tests.benchmarks.peak {ours,peer} {step,full_size} ARRAYS.npz [--threads 2] [--channels-last]

Prints one JSON object in megabytes (10^6 bytes): `level_mb` when everything is imported and model and inputs are made,
`peak_mb` of the process, `growth_mb` between the two. Gradients, momentum, and the program's own pages that are read in
while it works belong to the growth.
"""

import argparse
import ctypes
import gc
import json
import sys
from pathlib import Path

import numpy as np

STEPS, PICTURES = 6, 2  # how often the work is done: the second picture may need more than the first


def status_mb(field):
    """A line of /proc/self/status such as VmHWM, in megabytes; None where there is no such file."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(values[0]) * 1024 / 1e6 if values else None


def peak_mb():
    """The most that ever was resident, or since forget_peak()."""
    peak = status_mb("VmHWM")
    if peak is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return peak


def resident_mb():
    resident = status_mb("VmRSS")
    return peak_mb() if resident is None else resident


def forget_peak():
    """Let the peak start anew at what is resident now; False where the system cannot do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def tidy():
    """Give what was freed back to the system, so that it is not taken for what the work needs, or the reverse."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        pass  # not glibc


# ---------------------------------------------------------------- four ways to work: prepare, and give the rest


def ours_step(arrays, args):
    from tinymaskrcnn.models.build import build_model
    from tinymaskrcnn.train.trainer import Trainer

    config, batches = tiny_scenes()
    model = build_model(config.model, rng=np.random.default_rng(0)).train()
    model.load_state_dict(arrays)

    def work():
        trainer = Trainer(model, None, config.train)
        return [trainer.train_step([batch])["loss"] for batch in batches]

    return work


def peer_step(arrays, args):
    from .torchvision_peer import Torchvision

    config, batches = tiny_scenes()
    peer = Torchvision(config, start=arrays, channels_last=args.channels_last)
    return lambda: [peer.step(batch) for batch in batches]


def tiny_scenes():
    from .contestants import shared_config, stream_of

    config = shared_config()
    stream = stream_of(config, "train")
    return config, [stream.batch(i) for i in range(STEPS)]


def ours_full_size(arrays, args):
    from tinymaskrcnn.experiment import Detector
    from tinymaskrcnn.interop.torchvision import from_state_dict

    picture = arrays.pop("picture")
    detector = Detector(from_state_dict("maskrcnn_resnet50_fpn", arrays), threads=args.threads)
    return lambda: [len(detector.detect([picture])[0]) for _ in range(PICTURES)]


def peer_full_size(arrays, args):
    import torch
    from torchvision.models import resnet50
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops.misc import FrozenBatchNorm2d

    picture = torch.from_numpy(arrays.pop("picture")).permute(2, 0, 1)
    body = resnet50(weights=None, norm_layer=lambda width: FrozenBatchNorm2d(width, eps=0.0))
    model = MaskRCNN(_resnet_fpn_extractor(body, 5), 91).eval()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def work():
        return [len(model([picture])[0]["boxes"]) for _ in range(PICTURES)]

    return work


WAYS = {(who, what): globals()[f"{who}_{what}"] for who in ("ours", "peer") for what in ("step", "full_size")}


def measure(args):
    """Prepare, look, work, look again."""
    with np.load(args.arrays) as file:
        arrays = dict(file)
    work = WAYS[args.who, args.what](arrays, args)
    arrays.clear()
    tidy()
    level, library = resident_mb(), status_mb("RssFile")
    reset = forget_peak()
    numbers = work()
    peak = peak_mb()
    found = {"losses": numbers} if args.what == "step" else {"found": numbers[-1]}
    pages = None if library is None else status_mb("RssFile") - library
    return {
        "level_mb": level,
        "peak_mb": peak,
        "growth_mb": peak - level,
        "program_pages_mb": pages,
        "reset": reset,
    } | found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("who", choices=("ours", "peer"))
    parser.add_argument("what", choices=("step", "full_size"))
    parser.add_argument("arrays", help="weights by name, and the picture")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    if args.who == "peer":
        import torch

        torch.set_num_threads(args.threads)
        print(json.dumps(measure(args)))
        return
    from tinymaskrcnn.train.trainer import computing

    with computing(args.threads):
        print(json.dumps(measure(args)))


if __name__ == "__main__":
    main()
