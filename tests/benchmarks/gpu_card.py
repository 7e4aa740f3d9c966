"""The card, and what the parts of gpu.py share: their sizes, weights that some training has made, torchvision."""

import contextlib
import dataclasses
import functools
import importlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from interop import small

from tinymaskrcnn.config import (
    BackboneConfig,
    Config,
    ModelConfig,
    RoIConfig,
    RPNConfig,
    SceneConfig,
    torchvision_preset,
)
from tinymaskrcnn.devices import set_tf32

from .contestants import Ours, stream_of, with_model, with_train

DEVICE = "cuda"
KIND = "maskrcnn_resnet50_fpn"


@dataclass(frozen=True)
class Sizes:
    config: Config  # of the tiny model
    warm_steps: int  # training before anything is compared or timed, so that some RoIs are positive
    pairs: int  # turns of each contestant
    batches: dict  # name -> number of scenes
    repeat_steps: int
    train_steps: int
    scenes: int  # held-out scenes of an evaluation
    recipe: tuple  # steps, batch size and learning rate of ap90
    resnet50: ModelConfig
    picture: tuple  # height and width


def recipe(words):
    """An argparse type: STEPS,BATCH,RATE."""
    steps, batch, rate = words.split(",")
    return int(steps), int(batch), float(rate)


@functools.cache
def sizes_of(kind):
    """The sizes "full", "quick" (fewer steps and turns) and "pretend" (also a model of a few channels).

    torchvision's models pool without the half-pixel shift; so do ours here, and the same weights fit both.
    """
    full = Sizes(
        config=with_model(Config(), roi={"aligned": False}),
        warm_steps=100,
        pairs=20,
        batches={"b8": 8, "b64": 64},
        repeat_steps=5,
        train_steps=500,
        scenes=200,
        recipe=(1200, 64, 0.05),
        resnet50=torchvision_preset(KIND),
        picture=(800, 1333),
    )
    quick = {"warm_steps": 20, "pairs": 10, "repeat_steps": 3, "train_steps": 100, "scenes": 50}
    if kind != "pretend":
        return full if kind == "full" else dataclasses.replace(full, **quick)
    narrow = ModelConfig(
        backbone=BackboneConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_width=8, fpn_channels=8),
        rpn=RPNConfig(samples_per_image=8, pre_nms_top_n=(64, 64), post_nms_top_n=(16, 16)),
        roi=RoIConfig(head_width=16, mask_widths=(8,), mask_deconv_width=8, samples_per_image=8, aligned=False),
    )
    scenes = SceneConfig(image_size=64, digits_per_image=(1, 2))
    return Sizes(
        config=with_train(Config(model=narrow, scenes=scenes), batch_size=2),
        warm_steps=2,
        pairs=2,
        batches={"b8": 1, "b64": 2},
        repeat_steps=2,
        train_steps=4,
        scenes=2,
        recipe=(2, 2, 0.02),
        resnet50=small.settings(KIND),
        picture=(96, 128),
    )


LEAVE = 10  # seconds before its limit at which a part with more to do comes to an end


class Run:
    """What a part is given."""

    def has_time(self):
        return time.monotonic() < self.ends

    def __init__(self, args):
        self.pretend, self.tf32, self.recipe = args.pretend, args.tf32, args.recipe
        self.ends = time.monotonic() + args.limit - LEAVE
        self.sizes = sizes_of("pretend" if args.pretend else "quick" if args.quick else "full")

    @functools.cached_property
    def trained(self):
        """The tiny model's weights after some steps on the card."""
        ours, stream = self.ours(self.sizes.config), stream_of(self.sizes.config, "train")
        for i in range(self.sizes.warm_steps):
            ours.step(stream.batch(i))
        return ours.model.state_dict()

    def ours(self, config, *, start=None):
        return Ours(config, start=start, device=DEVICE)

    @functools.cached_property
    def peer_device(self):
        """Where torchvision computes: on the card, or on the CPU beside the pretended one."""
        return "cpu" if self.pretend else "cuda"

    @functools.cached_property
    def no_peer(self):
        """Why there is no torchvision to compare with; None when there is."""
        try:
            torch = importlib.import_module("torch")
            importlib.import_module("torchvision")
        except (ImportError, OSError) as error:  # a CUDA library that is missing is an OSError
            return f"no ratio: {error}"
        if self.pretend or torch.cuda.is_available():
            return None
        return f"no ratio: torch {torch.__version__} sees no GPU"

    def synchronize(self):
        """Wait for everything that was started on the card, by whichever library."""
        cupy().cuda.Device().synchronize()

    @contextlib.contextmanager
    def precision(self, tf32):
        """Matrix products with TF32, or float32 in full; in full afterwards."""
        set_tf32(tf32)
        try:
            yield
        finally:
            set_tf32(False)

    def forget_memory(self):
        """Give back what nobody holds, so that afterwards `memory` tells what was needed at most."""
        cupy().get_default_memory_pool().free_all_blocks()
        if self.no_peer is None and not self.pretend:
            torch = sys.modules["torch"]
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def memory(self):
        """{"ours_mb", "peer_mb"}: what each library has taken from the card; torch's is its peak."""
        found = {"ours_mb": cupy().get_default_memory_pool().total_bytes() / 1e6}
        if self.no_peer is None and not self.pretend:
            found["peer_mb"] = sys.modules["torch"].cuda.max_memory_reserved() / 1e6
        return found


def cupy():
    return sys.modules["cupy"]


def about_the_card():
    """Names and versions for the head of the table."""
    module = cupy()
    runtime, properties = module.cuda.runtime, module.cuda.runtime.getDeviceProperties(0)
    return {
        "cupy": module.__version__,
        "card": properties["name"].decode(),
        "card_memory_gb": round(properties["totalGlobalMem"] / 1e9, 1),
        "compute_capability": module.cuda.Device().compute_capability,
        "driver": driver(),
        "cuda_driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "cores_of_the_host": os.cpu_count(),
    }


def driver():
    """The driver's version by nvidia-smi, or None."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return found[0] if found else None
