"""The parts of gpu.py that check: the harness on CuPy, GPU against CPU, and the same bits twice."""

import dataclasses

import numpy as np
import registry
import strict_device

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.devices import to_device
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.testing import CHECKS, available_backends
from tinymaskrcnn.testing.trees import map_arrays, same_bits

from .contestants import stream_of
from .gpu_card import DEVICE

# In float64 every loss and gradient, relative to its largest number. In float32 a ReLU whose input is a rounding away
# from 0 lets a gradient pass on one side only: there the losses, and all gradients together as one vector, relative to
# its length (NumPy's float32 was up to 4e-7 and 5e-4 from its float64).
TOLERANCE = {"float64": {"array": 1e-9}, "float32": {"loss": 1e-5, "all gradients": 1e-2}}
PIXELS = {"float64": 1e-6, "float32": 1e-2}  # how far apart the corners of a box may be

# ---------------------------------------------------------------- harness


def harness(run):
    """Every pair and layer on CuPy beside NumPy, float64 and float32: values, gradients, nothing changed, nothing left.

    What NumPy's own numbers have to satisfy, the tests check anywhere. CuPy compiles a kernel for every operation that
    it meets first, and that takes most of the time.
    """
    failures, count = {}, 0
    cases = [case for case in registry.CASES if not run.pretend or str(case).startswith(("linear", "relu"))]
    for case in cases:
        if not run.has_time():
            break
        count += 1
        try:
            on_the_card_alone(case).check((card(run),))
        except Exception as error:
            failures[str(case)] = str(error)[:500]
    note = f"{count - len(failures)} of {len(cases)} cases agree with NumPy, {len(failures)} do not"
    if failures:
        note += f": {', '.join([*failures][:3])}{', ...' if len(failures) > 3 else ''}"
    if count < len(cases):
        note += f"; for {len(cases) - count} there was no time"
    yield {"work": "gpu_harness", "status": "failed" if failures else "ok", "note": note, "failures": failures}


def card(run):
    """The device as the harness wants it."""
    if run.pretend:
        return strict_device.BACKEND
    [found] = available_backends()
    return found


def on_the_card_alone(case):
    """The case with all checks left out but the one of backends."""
    others = {check: "a matter of NumPy" for check in CHECKS if check != "backend"}
    return dataclasses.replace(case, options=case.options | {"skip": others | case.options.get("skip", {})})


# ---------------------------------------------------------------- GPU against CPU


def compare(run):
    """The same weights, batch and random draws on both: losses and all gradients, then detections."""
    for dtype in ("float64", "float32"):
        yield step_row(run, dtype)
    for dtype in ("float64", "float32"):
        yield detections_row(run, dtype)


def models(run, dtype):
    """(CPU's, GPU's) with the same trained weights."""
    pair = []
    for device in ("cpu", DEVICE):
        model = build_model(run.sizes.config.model, rng=np.random.default_rng(0))
        model.load_state_dict(run.trained)
        pair.append(model.astype(np.dtype(dtype)).to_device(device))
    return pair


def step_row(run, dtype):
    """In float32 a rounding may decide which of two equal proposals is sampled: there the card learns from the CPU's.

    In float64 it decides for itself.
    """
    host, card = models(run, dtype)
    batch = cast(stream_of(run.sizes.config, "train").batch(run.sizes.warm_steps), dtype)
    wanted, samples = one_step(host, batch)
    given = map_arrays(lambda array: to_device(array, DEVICE), samples) if dtype == "float32" else None
    found, chosen = one_step(card, batch.to_device(DEVICE), samples=given)
    errors = {what: error(found, wanted) for what, error in ERRORS.items()}
    fine = all(errors[what] <= most for what, most in TOLERANCE[dtype].items())  # also false for NaN
    said = ", ".join(f"{what} {errors[what]:.1e} (bound {most:.0e})" for what, most in TOLERANCE[dtype].items())
    note = f"{len(wanted)} losses and gradients, error by {said}"
    if not same_bits(chosen.rois.labels, samples.rois.labels):
        note += "; the card sampled other RoIs"
    row = {"work": f"gpu_compare_{dtype}", "status": "ok" if fine else "failed", "note": note, "errors": errors}
    return row | {"furthest_off": furthest(found, wanted)}


def cast(batch, dtype):
    """The batch with its floats in that dtype."""
    dtype = np.dtype(dtype)
    targets = dataclasses.replace(batch.targets, boxes=batch.targets.boxes.astype(dtype))
    return dataclasses.replace(batch, images=batch.images.astype(dtype), targets=targets)


def one_step(model, batch, samples=None):
    """({name: loss or gradient, on the host}, the samples it learned from)"""
    kept, choose = [samples], model.choose_samples
    model.choose_samples = lambda *args, **data: kept.append(choose(*args, **data)) or kept[-1]
    try:
        losses, cache = model.train().forward(
            batch.images, targets=batch.targets, sizes=batch.sizes, rng=np.random.default_rng(0), samples=samples
        )
    finally:
        del model.choose_samples
    model.zero_grad()
    model.backward({name: 1.0 for name in losses}, cache)
    results = {f"loss {name}": to_host(loss) for name, loss in losses.items()}
    return results | {name: to_host(p.grad) for name, p in model.named_parameters()}, kept[-1]


def array_errors(found, wanted):
    """{name: error relative to the largest number}, or to a thousandth of the largest gradient where that is more."""
    largest = {name: np.abs(want).max(initial=0) for name, want in wanted.items()}
    floor = 1e-3 * max(value for name, value in largest.items() if not name.startswith("loss"))
    return {n: float(np.abs(found[n] - want).max() / max(largest[n], floor)) for n, want in wanted.items()}


def loss_error(found, wanted):
    losses = [name for name in wanted if name.startswith("loss")]
    return float(np.max([abs(found[name] - wanted[name]) / abs(wanted[name]) for name in losses]))


def gradient_error(found, wanted):
    """Length of the difference of all gradients by the length of all gradients."""
    names = [name for name in wanted if not name.startswith("loss")]
    squares = [(np.square(found[n] - wanted[n]).sum(), np.square(wanted[n]).sum()) for n in names]
    off, length = np.sqrt(np.sum(squares, axis=0))
    return float(off / length)


def furthest(found, wanted):
    return max(array_errors(found, wanted).items(), key=lambda item: (np.isnan(item[1]), item[1]))[0]


ERRORS = {
    "array": lambda found, wanted: float(np.max(list(array_errors(found, wanted).values()))),  # NaN stays NaN
    "loss": loss_error,
    "all gradients": gradient_error,
}


def detections_row(run, dtype):
    """Found on the same pictures: as many, of the same classes, boxes and masks alike."""
    host, card = models(run, dtype)
    stream, size = stream_of(run.sizes.config, "test"), run.sizes.config.train.batch_size
    images = stream.batch(0).images.astype(dtype)
    wanted, found = host.eval().detect(images), card.eval().detect(to_device(images, DEVICE))
    total, equal = sum(map(len, wanted)), sum(alike(f, w, PIXELS[dtype]) for f, w in zip(found, wanted))
    needed = (
        total if dtype == "float64" else 0.98 * total
    )  # in float32 a score may fall on the other side of a threshold
    fine = total > 0 and equal >= needed and abs(sum(map(len, found)) - total) <= total - needed
    note = f"{equal} of {total} detections in {size} scenes are equal (boxes within {PIXELS[dtype]:.0e} px)"
    return {"work": f"gpu_detections_{dtype}", "status": "ok" if fine else "failed", "note": note}


def alike(found, wanted, pixels):
    """How many of the wanted detections have their like among the found: same label, box, score, mask but for 0.1 %."""
    count, left = 0, list(range(len(found)))
    for k in range(len(wanted)):
        for j in left:
            near = np.abs(found.boxes[j] - wanted.boxes[k]).max() <= pixels
            near &= found.labels[j] == wanted.labels[k] and abs(found.scores[j] - wanted.scores[k]) <= pixels
            if near and (found.masks[j] != wanted.masks[k]).mean() <= 1e-3:
                left.remove(j)
                count += 1
                break
    return count


# ---------------------------------------------------------------- the same bits twice


def repeat(run):
    """Some steps from the same weights, twice: every loss, every gradient and the weights at the end, bit for bit."""
    for name, on in (("fp32", False), ("tf32", True)):
        with run.precision(on):
            first, second = (several_steps(run) for _ in range(2))
        differing = [key for key in first if not same_bits(first[key], second[key])]
        steps = run.sizes.repeat_steps
        note = f"{len(first)} losses, gradients and weights of {steps} steps "
        note += f"differ in {len(differing)}, first {differing[0]}" if differing else "have the same bits twice"
        yield {"work": f"gpu_repeat_{name}", "status": "failed" if differing else "ok", "note": note}


def several_steps(run):
    """{"step 0 loss": ..., "step 0 gradient of ...": ..., "weights ...": ...} on the host"""
    ours, stream, kept = run.ours(run.sizes.config, start=run.trained), stream_of(run.sizes.config, "train"), {}
    for i in range(run.sizes.repeat_steps):
        kept[f"step {i} loss"] = np.array(ours.step(stream.batch(i)))
        kept |= {f"step {i} gradient of {n}": to_host(p.grad).copy() for n, p in ours.model.named_parameters()}
    return kept | {f"weights {name}": array for name, array in ours.model.state_dict().items()}
