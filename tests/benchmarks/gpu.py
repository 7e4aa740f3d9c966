"""Everything that is to be known about this package on a GPU, in one command.

    python -m tests.benchmarks.gpu [--json FILE [--resume]] [--only PART ...] [--minutes N] [--quick]

on a machine with an NVIDIA GPU and CuPy 14 or newer (torch and torchvision with CUDA for the ratios). The parts:

    kernels   every CUDA kernel that a step calls, beside its readable twin on the same arrays
    tf32      how exact matrix products are with the TF32 switch off and on
    compare   a training step and detections, GPU against CPU, in float64 and float32
    repeat    training steps twice: the same bits
    steps     a training step, batch 8 and 64, float32 and TF32, by turns with torchvision on the same card
    r50       ResNet-50-FPN on a picture of 800x1333, likewise
    train     the tiny model learns scenes of digits
    ap90      seconds of training until box AP 0.90 (MNIST where it is found, else the embedded digits)
    harness   every operator and layer on CuPy beside NumPy, as many as there is time for

Each part runs in a process of its own: what fails, or crashes, or takes longer than --limit, is named in the table and
the others go on. All have --minutes together, 9 unless said otherwise; what then has not run is skipped. The file is
written after every row, and --resume goes on with the parts that are not finished in it. Status 0: nothing failed; 1:
something did; 2: there is no GPU. Times are medians of at least ten turns after warming up, the device being waited for
around each. --pretend runs all of it at very small sizes on an array that behaves like CuPy's (what it prints as times
means nothing): a test does so.
"""

import argparse
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))  # the strict device array, small models for torchvision

from tinymaskrcnn.devices import to_device  # noqa: E402
from tinymaskrcnn.errors import BackendError  # noqa: E402
from tinymaskrcnn.train.trainer import computing  # noqa: E402

from . import gpu_checks, gpu_operations, gpu_speed, gpu_training  # noqa: E402
from .gpu_card import Run, about_the_card, recipe, sizes_of  # noqa: E402
from .measure import at_least, environment, load_average, say, write_rows  # noqa: E402

PARTS = {
    "kernels": gpu_operations.kernels,
    "tf32": gpu_operations.tf32,
    "compare": gpu_checks.compare,
    "repeat": gpu_checks.repeat,
    "steps": gpu_speed.steps,
    "r50": gpu_speed.r50,
    "train": gpu_training.train,
    "ap90": gpu_training.ap90,
    "harness": gpu_checks.harness,  # last: what it finds, the tests found on the strict device array, or NVRTC will
}
NO_GPU = 2
SHORTEST = 10  # seconds with which a part may still begin
STOPPED = "stopped after"
LOOK = 0.5  # seconds between two looks at what a part has written

# ---------------------------------------------------------------- one part


def run_part(name, run, report):
    """The rows of a part, one that says what went wrong included; report(rows) is called after each."""
    rows, began = [], time.perf_counter()
    try:
        for row in PARTS[name](run):
            rows.append({"status": "ok", "part": name} | row)
            say(f"  {in_words(rows[-1])}")
            report(rows)
    except Exception as error:
        rows.append(failed(name, f"{type(error).__name__}: {error}", trace=traceback.format_exc()))
        say(rows[-1]["trace"])
    say(f"{name}: {time.perf_counter() - began:.0f} s")
    report(rows)
    return rows


def failed(name, note, **more):
    return {"work": f"gpu_{name}", "part": name, "status": "failed", "note": " ".join(note.split())} | more


def run_in_a_process(name, args, limit, report):
    """The rows of a part that runs in a process of its own, which may crash or hang; report(rows) as they come."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        process = subprocess.Popen(
            command_of(name, args, file, limit), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            status = wait_for(process, limit, lambda: report(rows_in(file)))
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it started
            process.wait()
        rows = rows_in(file)
    ending = None
    if status is None:
        ending = f"{STOPPED} {limit:.0f} s; --limit and --minutes allow more"
    elif status not in (0, 1) or not rows:
        ending = f"the process ended with status {status}" + (
            f" ({signal.Signals(-status).name})" if status < 0 else ""
        )
    return rows if ending is None else [*rows, failed(name, ending)]


def wait_for(process, limit, look):
    """The process's exit status, None when it took longer; look() now and then."""
    ends = time.monotonic() + limit
    while (left := ends - time.monotonic()) > 0:
        try:
            return process.wait(timeout=min(LOOK, left))
        except subprocess.TimeoutExpired:
            look()
    return None


def rows_in(file):
    return json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []


def command_of(name, args, file, limit):
    flags = [f"--{flag}" for flag in ("pretend", "quick", "tf32") if getattr(args, flag)]
    words = [
        "--only",
        name,
        "--json",
        str(file),
        "--limit",
        str(max(1, int(limit))),
        "--recipe",
        ",".join(map(str, args.recipe)),
    ]
    return [sys.executable, "-m", "tests.benchmarks.gpu", *words, *flags]


# ---------------------------------------------------------------- all of them


def run_parts(args):
    """Every part that was asked for, a table, and the exit status."""
    names = [name for name in PARTS if args.only is None or name in args.only]
    rows, finished = before(args)
    where = environment(threads=None, load=load_average(), **about_the_card(), pretended=args.pretend)
    ends = time.monotonic() + 60 * args.minutes
    for i, name in enumerate(names, start=1):
        limit = min(args.limit, ends - time.monotonic())
        say(f"[{i}/{len(names)}] {name}{' is finished' if name in finished else ''}")
        if name in finished:
            continue

        report = functools.partial(write_more, args.json, where | {"finished": finished}, rows)
        if limit < min(SHORTEST, args.limit):
            found = [
                {"work": f"gpu_{name}", "part": name, "status": "skipped", "note": "no time left; --resume goes on"}
            ]
        elif len(names) == 1:
            with computing():
                found = run_part(name, Run(args), report)
        else:
            found = run_in_a_process(name, args, limit, report)
        if limit == args.limit or not any(row["note"].startswith(("no time left", STOPPED)) for row in found):
            finished = [*finished, name]
        rows = [*rows, *found]
        write_rows(args.json, where | {"finished": finished}, rows)
    print_table(where, rows)
    return int(any(row["status"] == "failed" for row in rows))


def write_more(path, where, rows, found):
    write_rows(path, where, [*rows, *found])


def before(args):
    """(rows, names of the parts) that an earlier run has finished, where --resume asks for them."""
    if not (args.resume and Path(args.json).exists()):
        return [], []
    document = json.loads(Path(args.json).read_text(encoding="utf-8"))
    finished = document["environment"]["finished"]
    return [row for row in document["rows"] if row.get("part") in finished], finished


def print_table(where, rows):
    names = ("card", "driver", "cuda_runtime", "cupy", "numpy", "torch", "torchvision")
    print(", ".join(f"{name} {where[name]}" for name in names if where.get(name)))
    print(f"{'work':24}{'status':9}{'ours':>12}{'torchvision':>13}{'ratio':>8}  note")
    for row in rows:
        ours, peer, ratio = times(row)
        line = f"{row['work']:24}{row['status']:9}{ours:>12}{peer:>13}{ratio:>8}  {row.get('note', '')}"
        print(line.rstrip(), flush=True)


def times(row):
    """Three cells: milliseconds of both and their ratio, empty where there is none."""
    cells = [f"{1e3 * row[key]:.4g} ms" if row.get(key) is not None else "" for key in ("ours_s", "peer_s")]
    return *cells, f"{row['ratio']:.3f}" if row.get("ratio") is not None else ""


def in_words(row):
    return "  ".join(part for part in (row["work"], row["status"], *times(row), row.get("note", "")) if part)


# ---------------------------------------------------------------- the program


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--json", metavar="FILE", help="write the rows there, too")
    parser.add_argument("--quick", action="store_true", help="fewer steps and turns, to see that all is well")
    parser.add_argument("--minutes", type=at_least(1), default=9, help="for all parts together (default: 9)")
    parser.add_argument("--resume", action="store_true", help="only the parts that are not finished in --json FILE")
    parser.add_argument("--limit", type=at_least(1), default=180, help="seconds for one part (default: 180)")
    parser.add_argument("--tf32", action="store_true", help="train and ap90 with TF32")
    parser.add_argument(
        "--recipe",
        type=recipe,
        metavar="STEPS,BATCH,RATE",
        help=f"how ap90 trains (default: {','.join(map(str, sizes_of('full').recipe))})",
    )
    parser.add_argument("--pretend", action="store_true", help="very small, on an array that only behaves like a GPU's")
    args = parser.parse_args(words)
    if args.resume and args.json is None:
        parser.error("--resume needs --json FILE")
    args.recipe = args.recipe or sizes_of("pretend" if args.pretend else "full").recipe
    return args


def missing():
    """Why this machine cannot run the benchmark, or None."""
    try:
        to_device(np.zeros(1, np.float32), "cuda")
    except BackendError as error:
        return str(error)
    version = sys.modules["cupy"].__version__
    if version.split(".")[0].isdecimal() and int(version.split(".")[0]) < 14:
        return f"CuPy 14 or newer is needed; {version} is installed"
    return None


def main(words=None):
    args = parse(words)
    with contextlib.ExitStack() as stack:
        if args.pretend:
            from pretended_cupy import pretended

            stack.enter_context(pretended())
        if reason := missing():
            say(f"nothing can be measured: {reason}")
            return NO_GPU
        return run_parts(args)


if __name__ == "__main__":
    sys.exit(main())
