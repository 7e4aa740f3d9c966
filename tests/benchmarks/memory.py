"""Memory of a training step and of full-size inference: how much, where it comes from, and what torchvision needs.

    python -m tests.benchmarks.memory [--only WORK ...] [--warm-steps 100] [--threads 2] [--json FILE]

`memory_step` is the tiny model on batches of 8 pictures after some training, `memory_r50` ResNet-50-FPN with random
weights and 100 detections in a picture of 800x1333. First the stages of the network, from what NumPy allocates: what
each keeps for backward, and the most that was in use while it worked. Then the resident memory of a fresh process;
beside it torchvision's, with the same weights and pictures, where torch is installed.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tinymaskrcnn.config import torchvision_preset
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.interop.torchvision import to_state_dict
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.profile import profile_inference, profile_training
from tinymaskrcnn.train.trainer import computing

from .contestants import Ours, shared_config, stream_of, trained_weights
from .measure import Mismatch, at_least, environment, load_average, say, write_rows

ROOT = Path(__file__).parents[2]
NAMES = {"memory_step": "step", "memory_r50": "full_size"}

# ---------------------------------------------------------------- a fresh process for each


def measure(who, what, arrays, *, threads, channels_last=False):
    """What peak.py says of a contestant ("ours" or "peer") at a work ("step" or "full_size"), in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, **arrays)
        words = [sys.executable, "-m", "tests.benchmarks.peak", who, what, str(path), "--threads", str(threads)]
        words += ["--channels-last"] if channels_last else []
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[2:5])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def comparison_row(name, measured):
    """The row of a memory work, of ours alone or of both. What counts is the growth; beside it the whole process.

    Raises Mismatch when they found different numbers of objects: the masks are a good part of the memory.
    """
    row = {"work": name}
    for who, found in measured.items():
        row |= {f"{who}_mb": found["growth_mb"], f"{who}_process_mb": found["peak_mb"]}
        row[f"{who}_program_pages_mb"] = found["program_pages_mb"]
        if "found" in found:
            row[f"{who}_detections"] = found["found"]
    if "peer" in measured:
        row["ratio"] = row["ours_mb"] / row["peer_mb"]
        row["process_ratio"] = row["ours_process_mb"] / row["peer_process_mb"]
        if abs(row.get("ours_detections", 0) - row.get("peer_detections", 0)) > 1:
            raise Mismatch(f"detections: ours {row['ours_detections']}, torchvision {row['peer_detections']}")
    return row | {"peak_was_reset": all(found["reset"] for found in measured.values())}


# ---------------------------------------------------------------- where ours comes from


def profile_of_step(arrays):
    """The stages of a training step that begins with these weights."""
    config = shared_config()
    trainer = Ours(config, start=arrays).trainer
    trainer.stream = stream_of(config, "train")
    return profile_training(trainer, steps=1)


def profile_of_full_size(model, picture):
    """The stages of inference on one picture."""
    return profile_inference(model, OnePicture(picture), steps=1)


class OnePicture:
    """A stream of batches of one picture, always the same."""

    batch_size = 1

    def __init__(self, picture):
        self.picture = picture

    def scene(self, i):
        return self.picture, None


def parts_row(name, profile):
    """What each stage keeps and what is in use meanwhile, in megabytes beyond what the model itself takes."""
    parts = [{"part": s.stage, "kept_mb": s.kept / 1e6, "in_use_mb": s.peak / 1e6} for s in profile.stages]
    return {"work": f"{name}_parts", "in_use_mb": profile.peak / 1e6, "model_mb": profile.model / 1e6, "parts": parts}


def full_size_subject():
    """(model, picture) for a picture of 800x1333: random weights, spread so that it has 100 detections."""
    rng = np.random.default_rng(0)
    model = build_model(torchvision_preset("maskrcnn_resnet50_fpn"), rng=rng).eval()
    picture = rng.random((800, 1333, 3), dtype=np.float32)
    rpn, heads = model.rpn, model.roi_heads.heads["box"].predictor
    for part, layers in (rpn, (rpn.head.cls_logits, rpn.head.bbox_pred)), (heads, (heads.cls_score, heads.bbox_pred)):
        logits, deltas = outputs(part, lambda: Detector(model).detect([picture]))
        spread(layers[0], logits.reshape(-1, layers[0].bias.value.size), 2.5)
        spread(layers[1], deltas.reshape(-1, layers[1].bias.value.size), 0.3)
    return model, picture


def outputs(module, call):
    """What a module's forward gave while `call` ran."""
    forward, seen = module.forward, []

    def watched(x):
        y, cache = forward(x)
        seen.append(y)
        return y, cache

    module.forward = watched
    try:
        call()
    finally:
        del module.forward  # the class's own is found again
    return seen[-1]


def spread(layer, values, deviation):
    """Scale and shift a layer so that its outputs (K, O) have mean 0 and this deviation over the rows."""
    means = values.mean(axis=0)
    scale = np.float32(deviation / (values - means).std())
    layer.weight.value, layer.bias.value = layer.weight.value * scale, (layer.bias.value - means) * scale


# ---------------------------------------------------------------- the program


def measure_work(name, args):
    """The rows of one work: the stages of ours, and the processes."""
    if name == "memory_step":
        arrays = trained_weights(shared_config(), args.warm_steps)
        profile = profile_of_step(arrays)
    else:
        model, picture = full_size_subject()
        profile = profile_of_full_size(model, picture)
        arrays = to_state_dict(model) | {"picture": picture}
        del model
    who = ("ours", "peer") if importlib.util.find_spec("torch") else ("ours",)
    measured = {one: measure(one, NAMES[name], arrays, threads=args.threads) for one in who}
    return [parts_row(name, profile), comparison_row(name, measured)]


def report(parts, row):
    """Both rows of a work as text."""
    lines = [f"{row['work']}: megabytes by stage beyond the {parts['model_mb']:.1f} of the model itself"]
    lines.append(f"  {'':24}{'kept':>9}{'in use':>9}")
    lines += [f"  {part['part']:24}{part['kept_mb']:9.1f}{part['in_use_mb']:9.1f}" for part in parts["parts"]]
    for who, name in (("ours", "ours"), ("peer", "torchvision")):
        if f"{who}_mb" in row:
            of = f"a process of {row[f'{who}_process_mb']:.0f} MB in all"
            lines.append(f"  {name}: resident memory grows by {row[f'{who}_mb']:.0f} MB, {of}")
    if "ratio" in row:
        lines.append(f"  ours / torchvision: {row['ratio']:.2f}, of the whole process {row['process_ratio']:.2f}")
    return "\n".join(lines)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="WORK", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--warm-steps", type=at_least(1), default=100, help="training before (default: 100)")
    parser.add_argument("--threads", type=at_least(1), default=2, help="default: 2")
    parser.add_argument("--json", metavar="FILE", help="write the rows there, too")
    args = parser.parse_args(words)
    where, rows = environment(threads=args.threads, load=load_average()), []
    with computing(args.threads):
        for name in NAMES:
            if args.only is None or name in args.only:
                say(f"{name} ...")
                rows += measure_work(name, args)
                print(report(*rows[-2:]), flush=True)
                write_rows(args.json, where, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
