"""Times a step on two ranks of one thread beside one process of two, and works out what a thousand ranks would do.

    python -m tests.benchmarks.ranks [--rounds 3] [--steps 12] [--batch-size 8] [--large-step SECONDS]
        [--json FILE] [--plot FILE]

Measured: the step of the default training both ways, in turn, and on one and on four ranks of one thread each; how much
of it ranks spend in meetings; and sums of arrays from one number to four million. To the sums of two ranks a model is
fitted: a message takes `latency` seconds, and `1 / bandwidth` for each byte. From there on it is arithmetic, on paper:
ranks that wait for the slowest of them (steps are drawn from those that were measured), a sum in which everybody writes
to everybody, as here, or one in which distances double, as in large machines, and with all of it hidden behind the
backward pass, at best; strong scaling as if a batch could be cut into any number of parts. The second network is as
large as a ResNet-50 with a pyramid; its step has to be told. Needs mpi4py and a machine that is otherwise idle.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.ranks.mpi import MpiCommunicator
from tinymaskrcnn.train.ranks.rank_trainer import RankTrainer
from tinymaskrcnn.train.trainer import Trainer, computing

from .contestants import with_train

LENGTHS = (1, 1_000, 10_000, 100_000, 1_000_000, 4_000_000)  # float32 numbers of a sum
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
LARGE = 44_400_000  # numbers of a Mask R-CNN on a ResNet-50 with a pyramid
BACKWARD = 2 / 3  # of a step, behind which a sum may hide
DRAWS = 200
RANKED = {"ranks": 2, "four": 4}  # what is started as how many ranks


# ---------------------------------------------------------------- the model, on paper


def fit(lengths, seconds, *, ranks=2):
    """Latency of a message in seconds and bandwidth in bytes per second, from sums of float32 arrays by `ranks`.

    Least squares of what is off as a share, for a millisecond too much is much for one number and little for a million.
    """
    each, total = 2 * (ranks - 1), 4 * np.array(lengths, float)
    columns = np.stack([np.full(len(lengths), float(each)), each * total / ranks], axis=1) / np.array(seconds)[:, None]
    latency, per_byte = np.linalg.lstsq(columns, np.ones(len(lengths)), rcond=None)[0]
    return max(float(latency), 1e-9), 1 / max(float(per_byte), 1e-15)


def sum_seconds(ranks, numbers, latency, bandwidth, *, doubling=False):
    """One sum of float32 numbers: everybody writes to everybody, or distances double."""
    rounds = 2 * math.log2(ranks) if doubling else 2 * (ranks - 1)
    return rounds * latency + 2 * (ranks - 1) / ranks * 4 * numbers / bandwidth


def meeting_seconds(ranks, latency, *, doubling=False):
    """A few numbers of all, to all."""
    return latency * (math.log2(ranks) if doubling else ranks - 1)


def slowest(ranks, steps, rng):
    """How many times the median of the measured steps the slowest of so many ranks takes, on average."""
    drawn = rng.choice(np.array(steps) / statistics.median(steps), (DRAWS, ranks))
    return float(drawn.max(axis=1).mean())


def simulated(ranks, compute, steps, numbers, meetings, link, *, strong, doubling=False, hidden=False, rng):
    """Seconds of a step on so many ranks; strong: they share one batch, else each has a batch of its own."""
    work = compute * slowest(ranks, steps, rng) / (ranks if strong else 1)
    long = sum_seconds(ranks, numbers, *link, doubling=doubling)
    long = max(0.0, long - BACKWARD * work) if hidden else long
    return work + long + meetings * meeting_seconds(ranks, link[0], doubling=doubling)


WAYS = {"as here": {}, "doubling": {"doubling": True}, "hidden": {"doubling": True, "hidden": True}}


def scaling(compute, steps, numbers, meetings, link):
    """{(strong, way, ranks): share of perfect scaling that is left}, weak and strong, in three ways to add up."""
    shares = {}
    for strong in (False, True):
        for way, how in WAYS.items():
            rng = np.random.default_rng(0)
            for n in RANKS:
                took = simulated(n, compute, steps, numbers, meetings, link, strong=strong, rng=rng, **how)
                shares[strong, way, n] = compute / took / (n if strong else 1)
    return shares


def on_cores(ranks, cores, compute, numbers, meetings, link):
    """Seconds of a step, by the model, of ranks that share a batch and so many cores of one machine."""
    return compute / min(ranks, cores) + sum_seconds(ranks, numbers, *link) + meetings * meeting_seconds(ranks, link[0])


def scaling_table(name, compute, steps, numbers, meetings, link):
    """The shares of `scaling`, and where half of it is lost."""
    shares = scaling(compute, steps, numbers, meetings, link)
    columns = [(strong, way) for strong in (False, True) for way in WAYS]
    lines = [
        f"{name}: {compute:.3g} s a step, {numbers:,} numbers, {meetings} small meetings; share of perfect scaling"
    ]
    lines += [f"{'ranks':>6}" + "".join(f"{('strong ' if s else 'weak ') + way:>18}" for s, way in columns)]
    lines += [f"{n:>6}" + "".join(f"{shares[s, way, n]:>18.2f}" for s, way in columns) for n in RANKS]
    knees = [next((n for n in RANKS if shares[s, way, n] < 0.5), None) for s, way in columns]
    return "\n".join([*lines, f"{'half':>6}" + "".join(f"{knee or '-':>18}" for knee in knees)])


def scaling_figure(networks):
    """The shares of `scaling` of some networks {name: its arguments}: a panel for each, lines for the ways."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(networks), 4.2), layout="constrained")
    for axes, (name, given) in zip(figure.subplots(1, len(networks), squeeze=False)[0], networks.items()):
        shares = scaling(**given)
        for color, way in zip(("#c44e52", "#4c72b0", "#55a868"), WAYS):
            for strong, line in ((False, "-"), (True, "--")):
                label = f"{way}, {'one batch shared' if strong else 'a batch each'}"
                axes.plot(RANKS, [shares[strong, way, n] for n in RANKS], line, color=color, label=label)
        axes.axhline(0.5, color="#888888", linewidth=0.8)
        axes.set(xscale="log", xticks=RANKS[::2], ylim=(0, 1.05), title=f"{name}, {given['compute']:.2g} s a step")
        axes.set_xticks([], minor=True)
        axes.set_xticklabels(RANKS[::2])
        axes.set(xlabel="ranks", ylabel="share of perfect scaling")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


# ---------------------------------------------------------------- measured


def timed_steps(trainer, count):
    """Seconds of each of `count` steps after one that does not count."""
    rows = trainer.rows()
    seconds = [next(rows)["seconds"] for _ in range(count + 1)][1:]
    rows.close()
    return seconds


def work(kind, steps, batch_size, file):
    """What one of the processes that were started does: `alone`, on `one` thread, or as one of several ranks."""
    config = with_train(Config(), batch_size=batch_size, steps=10 * steps)
    model = build_model(config.model, rng=np.random.default_rng(0))
    stream, found = open_stream(config, split="train"), {}
    if kind in ("alone", "one"):
        with computing(None if kind == "alone" else 1):
            found["steps"] = timed_steps(Trainer(model, stream, config.train), steps)
            numbers = sum(p.value.size for p in model.parameters())
        Path(file).write_text(json.dumps(found | {"numbers": numbers}))
        return
    ranks, met = MpiCommunicator(), []
    usual = ranks.exchange

    def exchange(parts):
        began = time.perf_counter()
        came = usual(parts)
        met.append(time.perf_counter() - began)
        return came

    ranks.exchange = exchange
    with computing(1):
        found["steps"] = timed_steps(RankTrainer(model, stream, config.train, ranks=ranks), steps)
    met = met[: len(met) * steps // (steps + 1)]
    found |= {"meetings": len(met) // steps, "share": sum(met) / sum(found["steps"])}
    found["sums"] = [summed(ranks, length) for length in LENGTHS]
    if ranks.first:
        Path(file).write_text(json.dumps(found))


def summed(ranks, length, times=9):
    """The median of the seconds of a sum of so many numbers."""
    flat, seconds = np.zeros(length, np.float32), []
    for _ in range(times):
        ranks.told("go")
        began = time.perf_counter()
        ranks.sum_into(flat)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def started(kind, args):
    """What `work` measured in processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        words = [sys.executable, "-m", "tests.benchmarks.ranks", "--work", kind, "--file", str(file)]
        words += ["--steps", str(args.steps), "--batch-size", str(args.batch_size)]
        if kind in RANKED:
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
            start = [shutil.which("mpiexec", path=path) or "mpiexec", "-n", str(RANKED[kind]), "--oversubscribe"]
            words = start + words
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        subprocess.run(words, check=True, env=os.environ | root)
        return json.loads(file.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--large-step", type=float, help="seconds of a step of the large network on one rank")
    parser.add_argument("--json", help="also write what was measured")
    parser.add_argument("--plot", help="also draw what the model says of up to a thousand ranks")
    parser.add_argument("--work", choices=("alone", "one", *RANKED), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(args.work, args.steps, args.batch_size, args.file)
    rounds = [(started("alone", args), started("ranks", args)) for _ in range(args.rounds)]
    alone, shared = ([step for pair in rounds for step in pair[i]["steps"]] for i in (0, 1))
    ratios = [statistics.median(b["steps"]) / statistics.median(a["steps"]) for a, b in rounds]
    last, numbers = rounds[-1][1], rounds[-1][0]["numbers"]
    sums = [statistics.median(b["sums"][i] for _, b in rounds) for i in range(len(LENGTHS))]
    link = fit(LENGTHS, sums)
    print(f"one process {statistics.median(alone):.3f} s a step, two ranks {statistics.median(shared):.3f} s")
    spread = f"{min(ratios):.3f} .. {max(ratios):.3f}"
    print(f"ratio {statistics.median(ratios):.3f} ({spread}), in meetings {last['share']:.1%}")
    for length, seconds in zip(LENGTHS, sums):
        by_model = sum_seconds(2, length, *link)
        print(f"sum of {length:>9,} numbers: {1e3 * seconds:.3f} ms, by the model {1e3 * by_model:.3f} ms")
    print(f"latency {1e6 * link[0]:.1f} us, bandwidth {link[1] / 1e9:.2f} GB/s\n")
    one, four = (statistics.median(started(kind, args)["steps"]) for kind in ("one", "four"))
    for n, measured in ((1, one), (2, statistics.median(shared)), (4, four)):
        by_model = on_cores(n, os.cpu_count(), one, numbers, last["meetings"], link)
        print(f"{n} ranks on {os.cpu_count()} cores: {measured:.3f} s a step, by the model {by_model:.3f} s")
    rest = {"steps": shared, "meetings": last["meetings"], "link": link}
    networks = {"the default network": {"compute": one, "numbers": numbers} | rest}
    if args.large_step:
        networks["ResNet-50-FPN"] = {"compute": args.large_step, "numbers": LARGE} | rest
    for name, given in networks.items():
        print("\n" + scaling_table(name, **given))
    if args.plot:
        scaling_figure(networks).savefig(args.plot, dpi=110)
    if args.json:
        Path(args.json).write_text(json.dumps({"rounds": rounds, "link": link}))


if __name__ == "__main__":
    main()
