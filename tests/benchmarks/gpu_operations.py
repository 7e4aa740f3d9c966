"""The parts of gpu.py that look at single operations: each CUDA kernel beside its text, and products with TF32."""

import contextlib
import sys

import numpy as np

from tinymaskrcnn import backend, devices, kernel_lookup
from tinymaskrcnn.backend import to_host
from tinymaskrcnn.devices import to_device
from tinymaskrcnn.models import postprocess
from tinymaskrcnn.models.transform import resize_boxes
from tinymaskrcnn.ops.conv import conv2d_forward
from tinymaskrcnn.testing.trees import is_array, largest_difference, map_arrays, structure_difference

from .contestants import stream_of
from .gpu_card import DEVICE, cupy

KERNEL_TOLERANCE = 2e-5  # of the largest number of an array

# ---------------------------------------------------------------- CUDA kernels


def kernels(run):
    """Every CUDA kernel that a training step and a detection call, beside its readable twin on the same arrays."""
    with lent_kernels(run) as lent:
        if not lent:
            yield {"work": "gpu_kernels", "status": "skipped", "note": "no compiler to run the kernels on the host"}
            return
        found = {}
        ours = run.ours(run.sizes.config, start=run.trained)
        batch = stream_of(run.sizes.config, "train").batch(run.sizes.warm_steps)
        with beside_their_twins(found):
            ours.step(batch)
            ours.eval()
            ours.detect(list(batch.images))
    errors = {name: float(np.max(of_calls)) for name, of_calls in sorted(found.items())}  # NaN stays NaN
    calls = {name: len(of_calls) for name, of_calls in sorted(found.items())}
    fine = bool(errors) and all(error <= KERNEL_TOLERANCE for error in errors.values())
    worst = max(errors, key=lambda name: (np.isnan(errors[name]), errors[name]), default="none was called")
    note = f"{len(errors)} in {sum(calls.values())} calls; furthest from its text: {worst}"
    note += f", {errors[worst]:.1e} (bound {KERNEL_TOLERANCE:.0e})" if errors else ""
    row = {"work": "gpu_kernels", "status": "ok" if fine else "failed", "note": note}
    yield row | {"errors": errors, "calls": calls}


def lent_kernels(run):
    """The pretended card runs the CUDA kernels on the host, where there is a compiler for them."""
    if not run.pretend:
        return contextlib.nullcontext([True])
    import cuda_emulator
    import strict_device

    @contextlib.contextmanager
    def emulated():
        with strict_device.kernels():
            yield [True]

    return emulated() if cuda_emulator.available() else contextlib.nullcontext([])


@contextlib.contextmanager
def beside_their_twins(found):
    """Each call of a device's kernel adds to found[name] how far its results are from the text's."""
    kernel_lookup._load_kernels()
    before, texts, caches = dict(kernel_lookup._KERNELS), twins(), {}
    for name, entries in before.items():
        kernel_lookup._KERNELS[name] = [
            (
                module,
                when,
                compared(texts[name], kernel, found.setdefault, caches) if module is devices.DEVICE else kernel,
            )
            for module, when, kernel in entries
        ]
    try:
        yield
    finally:
        kernel_lookup._KERNELS.update(before)


def twins():
    """{name: readable function}"""
    loaded = [module for name, module in sys.modules.items() if name.startswith("tinymaskrcnn.")]
    doors = [value for module in loaded for value in vars(module).values() if hasattr(value, "readable")]
    return {door.readable.__qualname__: door.readable for door in doors}


def compared(text, kernel, remember, caches):
    if text.__name__ == "paste_bits":
        return beside_paste_masks(kernel, remember)
    return beside(text, kernel, remember, caches)


def beside_paste_masks(kernel, remember):
    """paste_bits, whose own text leaves all to paste_masks: how far from the threshold a pixel is that differs."""

    def both(masks, boxes, *, old, new, threshold, mode):
        bits = kernel(masks, boxes, old=old, new=new, threshold=threshold, mode=mode)
        errors = [0.0]
        for told, few, found, before, (height, width) in zip(*map(to_host, (bits, masks, boxes)), old, new):
            picture = dict(height=height, width=width)
            moved = resize_boxes(found, old=before, new=(height, width))
            with without_kernels():
                soft = postprocess.paste_masks(few, moved, **picture, threshold=None, mode=mode)
            wrong = postprocess.unpack_masks(told, None, **picture) != (soft >= threshold)
            errors.append(float(np.abs(soft - threshold)[wrong].max(initial=0)))
        remember("paste_bits", []).append(float(np.max(errors)))
        return bits

    return both


@contextlib.contextmanager
def without_kernels():
    backend._KERNELS_ENABLED = False
    try:
        yield
    finally:
        backend._KERNELS_ENABLED = True


def beside(text, kernel, remember, caches):
    """The kernel, which also has its text compute the same from copies: results, and arrays that it changes in place.

    A kernel may keep something else than its text for backward: `caches` leads from what it kept to the text's own.
    """
    forward = text.__name__.endswith("_forward")

    def both(*args, **data):
        copied, more = map_arrays(lambda array: array.copy(), (tuple(caches.get(id(a), (0, a))[1] for a in args), data))
        result = kernel(*args, **data)
        with without_kernels():
            wanted = text(*copied, **more)
        if forward:
            caches[id(result[1])] = result[1], wanted[1]  # the first is kept so that its id stays its own
        got, want = ((y[0] if forward else y, only_arrays(of)) for y, of in ((result, args), (wanted, copied)))
        differs = structure_difference(got, want, text.__name__)
        remember(text.__name__, []).append(float("nan") if differs else largest_difference(got, want))
        return result

    return both


def only_arrays(arguments):
    return [argument for argument in arguments if is_array(argument)]


# ---------------------------------------------------------------- TF32


def tf32(run):
    """Products of random matrices against float64: the switch must change them, and only when it is on."""
    if run.pretend:
        yield {"work": "gpu_tf32", "status": "skipped", "note": "a pretended card has no TF32"}
        return
    errors = {}
    for name in ("off", "on"):
        with run.precision(name == "on"):
            errors[name] = {what: float(error) for what, error in product_errors().items()}
    note = "; ".join(f"{what} {errors['off'][what]:.1e} off, {errors['on'][what]:.1e} on" for what in errors["off"])
    has_it = int(cupy().cuda.Device().compute_capability) >= 80
    fine = all(errors["off"][what] < 5e-6 for what in errors["off"])
    switched = all(1e-5 < errors["on"][what] < 1e-2 for what in ("product", "batch of products"))
    yield {
        "work": "gpu_tf32",
        "status": "ok" if fine and (switched or not has_it) else "failed",
        "note": note,
        "errors": errors,
    }


def product_errors():
    """The largest error of a product, of a batch of products and of a convolution, relative to the largest result."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((8, 512, 512), dtype=np.float32) for _ in range(2))
    x, weight = rng.standard_normal((4, 32, 32, 64), np.float32), rng.standard_normal((3, 3, 64, 64), np.float32)
    on_card = {name: to_device(array, DEVICE) for name, array in {"a": a, "b": b, "x": x, "weight": weight}.items()}
    got = {
        "product": (on_card["a"][0] @ on_card["b"][0], a[0].astype(np.float64) @ b[0]),
        "batch of products": (on_card["a"] @ on_card["b"], a.astype(np.float64) @ b),
        "convolution": (
            conv2d_forward(on_card["x"], on_card["weight"], None, stride=1, padding=1)[0],
            conv2d_forward(x.astype(np.float64), weight.astype(np.float64), None, stride=1, padding=1)[0],
        ),
    }
    return {name: np.abs(to_host(y) - want).max() / np.abs(want).max() for name, (y, want) in got.items()}
