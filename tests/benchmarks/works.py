"""What is compared with torchvision, and with onnxruntime, by name: each work gives both the same and checks it.

A work is a function of a Bench that returns its row; WORKS, at the end, names them all. Imported only where torch and
torchvision are installed. torchvision's models take part in the fastest of FORMS: which that is, is found out first.
"""

import copy
import functools
import time

import numpy as np
import torch
import torchvision

from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.interop.torchvision import from_state_dict
from tinymaskrcnn.ops import nms, roi_align

from . import memory, onnxruntime_peer
from .contestants import Ours, counted_rois, require_same_size, shared_config, stream_of, trained_weights, with_model
from .measure import Mismatch, race, say, timing_row
from .torchvision_peer import Torchvision, compile_parts

FULL_SIZE = (800, 1333)
FORMS = {
    "default": {},
    "channels-last": {"channels_last": True},
    "compiled": {"compiled": True},
    "compiled, channels-last": {"compiled": True, "channels_last": True},
}
KIND = "maskrcnn_resnet50_fpn"


class Bench:
    """What the works share: the settings, and weights that some real training has made, made once."""

    def __init__(self, *, threads=2, pairs=None, warm_steps=100, channels_last=False, forms=None):
        self.threads, self.pairs, self.warm_steps = threads, pairs, warm_steps
        self.layout = {"channels_last": channels_last}
        self.forms = forms or (["channels-last"] if channels_last else list(FORMS))
        self.config = shared_config()

    @functools.cached_property
    def trained(self):
        """Our weights after some steps: both start from them, and as many RoIs are positive as in training."""
        return trained_weights(self.config, self.warm_steps)

    def tiny(self, call, config=None):
        """Both contestants with the trained weights, in the middle of the schedule, and the columns of the peer's form.

        call(peer, turn): what will be timed
        """
        config = config or self.config
        ours = Ours(config, start=self.trained)

        def make(**form):
            peer = Torchvision(config, start=self.trained, **form)
            require_same_size(ours, peer)
            peer.steps_done = self.warm_steps
            return peer

        peer, columns = self.fastest(make, call, calls=8)
        peer.begin(self.trained, self.warm_steps)
        ours.trainer.step = self.warm_steps
        return {"ours": ours, "peer": peer}, columns

    def fastest(self, make, call, *, calls):
        """The peer in the form that takes least time, and the columns that say so: the fastest half of some calls.

        make(**form) -> peer; call(peer, turn). A form that does not work here (torch.compile wants a compiler) is said.
        """
        peers, seconds = {}, {}
        for form in self.forms:
            try:
                peers[form], spent = make(**FORMS[form]), []
                for turn in range(calls):
                    began = time.perf_counter()
                    call(peers[form], turn)
                    spent.append(time.perf_counter() - began)
            except Exception as error:
                if len(self.forms) == 1:
                    raise
                say(f"  torch, {form}: left out, {type(error).__name__}: {str(error).strip().splitlines()[0]}")
                continue
            seconds[form] = float(np.median(sorted(spent)[: -(-calls // 2)]))
            say(f"  torch, {form}: {1e3 * seconds[form]:.4g} ms")
        if not seconds:
            raise Mismatch(f"torch works in none of its forms: {', '.join(self.forms)}")
        best = min(seconds, key=seconds.get)
        return peers[best], {"peer_form": best, "peer_forms_s": seconds}

    @functools.cached_property
    def full_size(self):
        """torchvision's model with random weights that finds about a hundred objects, and a picture to find them in."""
        from tests.interop import full_size

        torch.set_num_threads(self.threads)  # that module wants one
        return full_size.build(KIND, 0), full_size.picture(1, *FULL_SIZE)

    def time(self, name, calls, *, pairs, warm=2):
        """The row of two functions of the turn."""
        if torch.get_num_threads() != self.threads:
            raise Mismatch(f"torch computes on {torch.get_num_threads()} threads; {self.threads} were asked for")
        return timing_row(name, race(calls, pairs=self.pairs or pairs, warm=warm))


# ---------------------------------------------------------------- the tiny model: steps and detections


def training_step(bench, name, *, pairs, rpn=None, roi=None):
    """Forward, backward, clipping and SGD on the same batches; making the scenes is not timed."""
    stream = stream_of(bench.config, "train")
    batch_of, losses = functools.cache(lambda turn: stream.batch(bench.warm_steps + 2 + turn)), {"ours": [], "peer": []}
    for turn in range(-2, bench.pairs or pairs):
        batch_of(turn)
    config = with_model(bench.config, rpn=rpn, roi=roi)
    both, form = bench.tiny(lambda peer, turn: peer.step(batch_of(turn)), config)

    def step(who, turn):
        losses[who].append(both[who].step(batch_of(turn)))

    calls = {who: functools.partial(step, who) for who in both}
    with counted_rois(both["ours"]) as our_rois, counted_rois(both["peer"]) as their_rois:
        row = bench.time(name, calls, pairs=pairs)
    means = {who: float(np.mean(values)) for who, values in losses.items()}
    per_image = np.array([np.mean(our_rois, 0), np.mean(their_rois, 0)]) / bench.config.train.batch_size
    require_similar("loss", means["ours"], means["peer"], within=1.5)
    require_similar("number of RoIs", *per_image[:, 0], within=1.1)
    require_similar("number of positive RoIs", *per_image[:, 1], within=1.5)
    columns = {"ours_loss": means["ours"], "peer_loss": means["peer"]}
    for who, (rois, positive) in zip(both, per_image.tolist()):
        columns |= {f"{who}_rois_per_image": rois, f"{who}_positive_rois_per_image": positive}
    return row | columns | form


def tiny_inference(bench, name, *, pairs, pictures):
    """From pictures to boxes and masks of whole pictures; the seconds are those of the batch."""
    stream = stream_of(bench.config, "test")

    @functools.cache
    def images_of(turn):
        return [stream.scene((turn + 2) * pictures + i)[0] for i in range(pictures)]

    for turn in range(-2, bench.pairs or pairs):
        images_of(turn)

    def detects(peer, turn):
        peer.eval()
        peer.detect(images_of(turn))

    both, form = bench.tiny(detects)
    found = {who: {} for who in both}
    for contestant in both.values():
        contestant.eval()

    def detect(who, turn):
        found[who][turn] = sum(map(len, both[who].detect(images_of(turn))))

    row = bench.time(name, {who: functools.partial(detect, who) for who in both}, pairs=pairs)
    counts = {who: float(np.mean(list(number.values()))) / pictures for who, number in found.items()}
    require_similar("number of detections", counts["ours"], counts["peer"], within=1.1)
    return row | {"pictures": pictures} | {f"{who}_detections": count for who, count in counts.items()} | form


def require_similar(what, ours, peer, *, within):
    """Raise Mismatch unless both numbers are finite and one is at most `within` times the other."""
    low, high = sorted((float(ours), float(peer)))
    if not (np.isfinite([low, high]).all() and low >= 0 and high <= within * low):
        raise Mismatch(f"{what}: ours {ours:.4g}, torchvision {peer:.4g}; they may differ by a factor of {within}")


# ---------------------------------------------------------------- full size


def full_size_inference(bench, name, *, pairs):
    """ResNet-50-FPN with the same random weights. torchvision's masks stay probabilities, ours are true or false."""
    plain, image = bench.full_size
    ours = Detector(from_state_dict(KIND, arrays_of(plain)), threads=bench.threads)
    picture, found = torch.from_numpy(image).permute(2, 0, 1), {}

    def make(channels_last=False, compiled=False):
        peer = copy.deepcopy(plain)
        if channels_last:
            peer = peer.to(memory_format=torch.channels_last)
        if compiled:
            compile_parts(peer)
        return peer

    def detects(peer, turn):
        with torch.inference_mode():
            return len(peer([picture])[0]["boxes"])

    peer, form = bench.fastest(make, detects, calls=4)

    def ours_detects(turn):
        found["ours"] = len(ours.detect([image])[0])

    def peer_detects(turn):
        found["peer"] = detects(peer, turn)

    row = bench.time(name, {"ours": ours_detects, "peer": peer_detects}, pairs=pairs, warm=1)
    say(f"  detections: ours {found['ours']}, torchvision {found['peer']}")
    if abs(found["ours"] - found["peer"]) > 1 or not found["peer"]:
        raise Mismatch(f"detections: ours {found['ours']}, torchvision {found['peer']}; they may differ by one")
    return row | {"ours_detections": found["ours"], "peer_detections": found["peer"]} | form


def arrays_of(peer):
    return {name: value.numpy() for name, value in peer.state_dict().items()}


# ---------------------------------------------------------------- operators


def crowd(rng, n, size):
    """Boxes in clusters of about a dozen."""
    clusters = max(1, n // 12)
    centre = rng.uniform(0, size, (clusters, 2))[rng.integers(0, clusters, n)] + rng.normal(0, 10, (n, 2))
    sides = rng.uniform(16, 160, (n, 2))
    return np.concatenate([centre - sides / 2, centre + sides / 2], axis=1).astype(np.float32)


def pooling_backward(bench, name, *, pairs):
    """512 crops of 7x7x64 from the finest level of eight tiny pictures; the way forward is timed beside it."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((8, 32, 32, 64), dtype=np.float32)
    rois, image_index = np.clip(crowd(rng, 512, 128), 0, 128), np.sort(rng.integers(0, 8, 512))
    options = dict(image_index=image_index, output_size=7, scale=0.25)
    _, cache = roi_align.roi_align_forward(features, rois, **options)
    dcrops = rng.standard_normal((512, 7, 7, 64), dtype=np.float32)

    images = torch.from_numpy(features).permute(0, 3, 1, 2).contiguous().requires_grad_()
    indexed = torch.from_numpy(np.concatenate([image_index[:, None].astype(np.float32), rois], axis=1))

    def pool():
        return torchvision.ops.roi_align(images, indexed, 7, 0.25, sampling_ratio=2, aligned=True)

    crops, dy = pool(), torch.from_numpy(dcrops).permute(0, 3, 1, 2).contiguous()
    gradient = {
        "ours": lambda turn: roi_align.roi_align_backward(dcrops, cache)[0],
        "peer": lambda turn: torch.autograd.grad(crops, images, dy, retain_graph=True)[0],
    }
    theirs = gradient["peer"](0).permute(0, 2, 3, 1).numpy()
    error = float(np.abs(gradient["ours"](0) - theirs).max() / np.abs(theirs).max())
    if not error <= 1e-5:
        raise Mismatch(f"the gradients differ by {error:.1g} of the largest")
    row = bench.time(name, gradient, pairs=pairs)
    with torch.no_grad():
        forward = {
            "ours": lambda turn: roi_align.roi_align_forward(features, rois, **options),
            "peer": lambda t: pool(),
        }
        more = bench.time(name, forward, pairs=pairs)
    return row | {f"forward_{key}": more[key] for key in ("ours_s", "peer_s", "ratio")}


def suppression(bench, name, *, pairs, boxes):
    """Boxes in clusters on a photograph, IoU 0.7; both must keep the same ones."""
    rng = np.random.default_rng(0)
    found, scores = crowd(rng, boxes, 800), rng.random(boxes, dtype=np.float32)
    tensors = torch.from_numpy(found), torch.from_numpy(scores)
    calls = {
        "ours": lambda turn: nms.nms(found, scores, iou_threshold=0.7),
        "peer": lambda turn: torchvision.ops.nms(*tensors, 0.7),
    }
    kept = np.flatnonzero(calls["ours"](0))
    if not np.array_equal(kept, np.sort(calls["peer"](0).numpy())):
        raise Mismatch("they keep different boxes")
    return bench.time(name, calls, pairs=pairs) | {"boxes": boxes, "kept": len(kept)}


# ---------------------------------------------------------------- memory


def peak_memory(bench, name, *, what):
    """Fresh processes, one for each, with the same weights and pictures as in the works above."""
    arrays = bench.trained if what == "step" else arrays_of(bench.full_size[0]) | {"picture": bench.full_size[1]}
    options = {"threads": bench.threads, **bench.layout}
    measured = {who: memory.measure(who, what, arrays, **options) for who in ("ours", "peer")}
    return memory.comparison_row(name, measured)


# ---------------------------------------------------------------- all of them

# torchvision's own numbers: 512 RoIs of an image, a quarter of them positive where there are that many
RPN_512 = {"samples_per_image": 256, "pre_nms_top_n": (2000, 1000), "post_nms_top_n": (2000, 1000)}

WORKS = {
    "tiny_step_b8": functools.partial(training_step, pairs=20),
    "tiny_step_512": functools.partial(training_step, pairs=10, rpn=RPN_512, roi={"samples_per_image": 512}),
    "tiny_inference_b1": functools.partial(tiny_inference, pairs=20, pictures=1),
    "tiny_inference_b8": functools.partial(tiny_inference, pairs=20, pictures=8),
    "r50_800x1333": functools.partial(full_size_inference, pairs=10),
    "ort_tiny_b1": functools.partial(onnxruntime_peer.tiny, pairs=20),
    "ort_r50": functools.partial(onnxruntime_peer.full_size, pairs=10, kind=KIND, arrays=arrays_of),
    "roi_align_backward": functools.partial(pooling_backward, pairs=20),
    "nms_1000": functools.partial(suppression, pairs=20, boxes=1000),
    "nms_6000": functools.partial(suppression, pairs=20, boxes=6000),
    "memory_step": functools.partial(peak_memory, what="step"),
    "memory_r50": functools.partial(peak_memory, what="full_size"),
}
