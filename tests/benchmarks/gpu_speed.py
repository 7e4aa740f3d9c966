"""The parts of gpu.py that measure time beside torchvision on the same card, with the same weights and precision."""

import contextlib
import functools
import importlib

import numpy as np
from interop import small

from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.interop.torchvision import from_state_dict

from .contestants import stream_of, with_train
from .gpu_card import DEVICE, KIND
from .measure import race, timing_row

PRECISIONS = (("fp32", False), ("tf32", True))
WARM = 3


def timed(run, work, calls, *, pairs=None):
    """The row of a race on the card: every call ends when the device has finished; without a peer, ours alone."""

    def finished(call, turn):
        run.synchronize()
        result = call(turn)
        run.synchronize()
        return result

    run.forget_memory()
    waiting = {who: functools.partial(finished, call) for who, call in calls.items()}
    seconds = race(waiting, pairs=pairs or run.sizes.pairs, warm=WARM)
    if "peer" in seconds:
        row = timing_row(work, seconds)
    else:
        ours = seconds["ours"][:, 0]
        low, middle, high = np.percentile(ours, (25, 50, 75)).tolist()
        row = {"work": work, "ours_s": middle, "ours_25_s": low, "ours_75_s": high, "pairs": len(ours)}
    return row | run.memory()


@contextlib.contextmanager
def same_precision(run, tf32):
    """The same for both: torch by itself would let its convolutions use TF32, but not its matrix products."""
    torch = importlib.import_module("torch") if run.no_peer is None else None
    with run.precision(tf32):
        if torch:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        yield


# ---------------------------------------------------------------- training steps


def steps(run):
    """Forward, backward, clipping and SGD, the batch's way to the card included; making the scenes is not timed."""
    for name, batch_size in run.sizes.batches.items():
        config = with_train(run.sizes.config, batch_size=batch_size)
        stream = stream_of(config, "train")
        batches = {turn: stream.batch(1000 + turn) for turn in range(-WARM, run.sizes.pairs)}
        for precision, tf32 in PRECISIONS:
            with same_precision(run, tf32):
                yield step_row(run, f"gpu_step_{name}_{precision}", config, batches)


def step_row(run, work, config, batches):
    both = {"ours": run.ours(config, start=run.trained)}
    if run.no_peer is None:
        from .torchvision_peer import Torchvision

        both["peer"] = Torchvision(config, start=run.trained, device=run.peer_device)
    losses = {who: [] for who in both}

    def step(who, turn):
        losses[who].append(both[who].step(batches[turn]))

    row = timed(run, work, {who: functools.partial(step, who) for who in both})
    means = {f"{who}_loss": float(np.mean(values)) for who, values in losses.items()}
    note = ", ".join(
        f"mean loss {value:.3f}" if who == "ours_loss" else f"torchvision's {value:.3f}" for who, value in means.items()
    )
    return (
        row
        | means
        | {"note": note if run.no_peer is None else f"{note}; {run.no_peer}", "batch": config.train.batch_size}
    )


# ---------------------------------------------------------------- full size


def r50(run):
    """From a picture on the host to boxes and masks on the host, with the same random weights.

    torchvision's masks stay probabilities, ours are true or false. Both find as many objects as they report.
    """
    config, (height, width) = run.sizes.resnet50, run.sizes.picture
    arrays = small.weights(config, dtype=np.float32)
    [image] = small.floats(small.pictures(0, sizes=((height, width),)))
    found, calls = {}, {}
    ours = Detector(from_state_dict(KIND, arrays, config=config), device=DEVICE)

    def ours_detects(turn):
        found["ours"] = len(ours.detect([image])[0])

    calls["ours"] = ours_detects
    if run.no_peer is None:
        calls["peer"] = peer_detects(run, config, arrays, image, found)
    for precision, tf32 in PRECISIONS:
        with same_precision(run, tf32):
            row = timed(
                run,
                "gpu_r50_800x1333" + ("" if precision == "fp32" else "_tf32"),
                calls,
                pairs=max(10, run.sizes.pairs // 2) if not run.pretend else None,
            )
        note = f"{found['ours']} objects" + (
            f", torchvision {found['peer']}" if "peer" in found else f"; {run.no_peer}"
        )
        alike = abs(found["ours"] - found.get("peer", found["ours"])) <= 1 or tf32
        yield row | {"status": "ok" if alike else "failed", "note": note, "size": f"{height}x{width}"}


def peer_detects(run, config, arrays, image, found):
    """A call that lets torchvision find the objects of the picture and brings them back to the host."""
    import torch
    from interop import peer

    model = peer.load(config, arrays).to(run.peer_device)
    picture = torch.from_numpy(image).permute(2, 0, 1)

    @torch.inference_mode()
    def detect(turn):
        one = model([picture.to(run.peer_device)])[0]
        found["peer"] = len([value.cpu() for value in one.values()][0])

    return detect
