"""One row: train as the plan says, from wherever that stopped, test, and tell what was reached and what it cost."""

import datetime
import platform
import shutil
from pathlib import Path

import numpy as np

from ..data.proposals.search import find_proposals
from ..errors import TinyMaskRCNNError
from ..experiment import Detector, Experiment
from ..files import read_json
from ..models.build import build_model
from ..train.pretrain import load_backbone
from ..train.run import RunFolder
from ..train.trainer import computing
from .judge import Stopwatch, judged
from .question import digest_of
from .rows import Row

SEARCHED = 5  # pictures, to time the search for proposals
SPENT = "spent.json"  # in a run folder: the seconds of training before it was interrupted


def measured(plan, work, *, device="cpu", threads=None):
    """The Row of a plan; a training that cannot go on is a row that says why. KeyboardInterrupt leaves it to go on.

    work: the folder in which trainings lie; plans that differ in the test alone share theirs (`forget` removes it).
    """
    made = {
        "on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": _machine(),
        "threads": threads or 0,
    }
    made |= {"kernels": _kernels(), "python": platform.python_version(), "numpy": np.__version__}
    try:
        experiment, cost = _trained(plan, Path(work), device=device, threads=threads)
        figures, of_test, found = _tested(plan, experiment)
    except TinyMaskRCNNError as error:
        return Row.of(plan, made=made, failed=str(error))
    return Row.of(plan, made=made, figures=_rounded(figures), cost=_rounded(cost | of_test), found=found)


def forget(plan, work):
    """Remove the training of a plan: its rows are written. A backbone stays for others, until all are answered."""
    shutil.rmtree(Path(work) / plan.training, ignore_errors=True)


def forget_backbones(work):
    """Remove the backbones that plans began with."""
    for path in Path(work).glob("backbone-*"):
        shutil.rmtree(path, ignore_errors=True)


def _trained(plan, work, **where):
    """The Experiment after its last step, and its cost: seconds of training, of the search for proposals, numbers."""
    backbone, before = None, Stopwatch()
    if plan.pretrained:
        config = plan.backbone_config()
        learned, before = _run_to_end(work / f"backbone-{digest_of(config)}", config, **where)
        backbone = load_backbone(learned.run)
    experiment, watch = _run_to_end(work / plan.training, plan.config, backbone=backbone, **where)
    parameters = sum(parameter.value.size for parameter in experiment.model.parameters())
    cost = {"train_cpu": watch.cpu, "train_wall": watch.wall, "parameters": parameters}
    if plan.pretrained:
        cost |= {"pretrain_cpu": before.cpu}
    return experiment, cost


def _run_to_end(path, config, *, backbone=None, **where):
    """Train in a folder, from its last checkpoint where there is one."""
    if (path / "checkpoint.npz").exists():
        experiment = Experiment(RunFolder.open(path), **where)
    else:
        shutil.rmtree(path, ignore_errors=True)
        experiment = Experiment.start(path, config, backbone=backbone, **where)
    watch = Stopwatch(**read_json(path / SPENT)) if (path / SPENT).exists() else Stopwatch()
    if proposals := experiment.stream().proposals:
        proposals.prepare(config.train.steps)  # of the pictures that come again; not a part of training
    try:
        with watch.running():
            finished = experiment.train()
    finally:
        experiment.run.write_json(SPENT, {"cpu": watch.cpu, "wall": watch.wall})
    if not finished:
        raise KeyboardInterrupt
    return experiment, watch


def _tested(plan, experiment):
    """Figures on held-out scenes, the cost of a picture, and sketches, of the model with the settings of the test."""
    stream, scenes = experiment.stream("test"), plan.config.train.eval_scenes
    cost, proposals = {}, None
    if stream.proposals:
        cost, proposals = _search_cost(stream, plan.config), stream.proposals.found(range(scenes))
    model = build_model(plan.tested(), rng=np.random.default_rng(plan.seed))
    first, learned = model.state_dict(), experiment.model.state_dict()
    back = {name: first[name].copy() for name in first if name.startswith(plan.untrained)} if plan.untrained else {}
    model.load_state_dict(learned | back).eval()
    detector = Detector(model, device=experiment.device, threads=experiment.threads)
    batch = plan.config.train.batch_size
    with computing(experiment.threads):
        figures, of_test, found = judged(detector, stream, scenes=scenes, batch=batch, proposals=proposals)
    return figures, cost | of_test, found


def _search_cost(stream, config):
    """Seconds that a search for proposals takes in a picture, of some that are searched for this alone."""
    watch = Stopwatch()
    for number in range(SEARCHED):
        picture = stream.whole(number)
        with watch.running():
            find_proposals(picture, config.model.proposals)
    return {"search_cpu": watch.cpu / SEARCHED, "search_wall": watch.wall / SEARCHED}


def _rounded(value):
    """Six digits of every number: rows are for reading, and the last digits are those of the machine."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _kernels():
    """Which kernels run, in words; the folder may have been taken away."""
    try:
        from ..kernels.c.library import described
    except ModuleNotFoundError:
        return "no kernels"
    return described()


def _machine():
    """The processor in words, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
