"""Writes docs/evidence.md from measurements: the harness over the registry, parity with torchvision, kernels.

    python tests/evidence.py [--out docs/evidence.md]

The cases and configurations are those of the tests. Where torch and torchvision are installed all configurations are
asked live, otherwise the stored part of them; with TINYMASKRCNN_DEVICE=cuda the harness runs on CuPy, too. A check
that fails ends the run, and no page is written: the page shows nothing but what passed.
"""

import argparse
import datetime
import importlib.metadata
import itertools
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import registry
import strict_device
from interop import drawn, record, small
from other_backends import BACKENDS
from parity import comparison, kernels, measure
from parity.operators import FAMILIES

import tinymaskrcnn
from tinymaskrcnn.testing.gradients import TOLERANCE

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
MODELS = 4  # random models of each kind, where torchvision can be asked
COMPARED = {
    "stage": "every stage of inference",
    "detections": "detections",
    "labels": "labels of anchors and RoIs",
    "loss": "losses, sampled indices injected",
    "gradient": "gradient of every parameter",
    "state": "running statistics after the step",
}
SHORT = {strict_device.BACKEND.name: "strict device", "cuda": "CuPy"}


# ---------------------------------------------------------------- measuring


@dataclass
class Row:
    """What the harness reported about all examples of one operator, layer or network."""

    home: str  # the package it lives in
    examples: int = 0
    gradient: float = 0.0
    float32: float = 0.0
    backends: dict = field(default_factory=dict)  # name -> (examples that passed, largest error)

    def add(self, report):
        self.examples += 1
        self.gradient = max(self.gradient, report.gradient or 0.0)
        self.float32 = max(self.float32, report.float32 or 0.0)
        for name, error in report.backends.items():
            passed, worst = self.backends.get(name, (0, 0.0))
            self.backends[name] = passed + 1, max(worst, error)


def run_harness(cases=None, say=print):
    """{name: Row}, by the name of the pair or the class; raises CheckFailed when a case fails."""
    rows = {}
    for case in registry.CASES if cases is None else cases:
        name = case.what if case.kind == "pair" else type(case.build()).__name__ if case.kind == "layer" else case.note
        row = rows.setdefault(name, Row(case.home))
        row.add(case.check(BACKENDS))
        say(f"harness: {case}")
    return rows


def run_parity():
    """({family: (configurations, largest error)}, how it was asked); raises when one is above the tolerance."""
    live = measure.torchvision_installed()
    found = measure.by_family(measure.live() if live else measure.stored())
    wrong = {name: error for name, (_, error) in found.items() if not error <= comparison.TOLERANCE}
    if wrong:
        raise AssertionError(f"not equal to torchvision: {wrong}")
    return found, "asked live" if live else f"stored answers of {comparison.made_with()}"


def run_kernels():
    """[(function name, what, error)]"""
    rows = []
    for work in kernels.WORKS:
        rows += [(name, work.what, error) for name, error in kernels.measure(work).items()]
    if kernels.nms_disagreements():
        raise AssertionError("the NMS kernel decides differently from its text")
    return rows


def run_models():
    """[(kind, what was compared, models, arrays, largest error)]; raises when one is above its tolerance."""
    rows = {}
    live = measure.torchvision_installed()
    for kind, number in itertools.product(small.ALL, range(MODELS if live else 1)):
        seed = drawn.seeds(kind, MODELS)[number] if live else 0
        errors = record.measure(drawn.make(kind, seed) if live else record.load(kind))
        if record.excess(errors):
            raise AssertionError(f"{kind} is not equal to torchvision: {record.excess(errors)}")
        for name, error in errors.items():
            rows.setdefault((kind, name.split(" ")[0]), []).append((seed, error))
    return [
        (kind, COMPARED.get(sort, sort), len({seed for seed, _ in found}), len(found), max(error for _, error in found))
        for (kind, sort), found in rows.items()
    ]


# ---------------------------------------------------------------- writing


def page(harness, parity, how, kernel_rows, model_rows):
    pairs = {family.pair or family.name: family.name for family in FAMILIES.values()}
    operators = {name: row for name, row in harness.items() if row.home == "ops"}
    decisions = [name for name, family in FAMILIES.items() if not family.pair and name not in harness]
    sections = [
        _head(harness, parity, how, model_rows),
        "## Operators",
        _table(
            ["operator", "examples", "gradient", "float32", "configurations", "parity", "backends"],
            [[f"`{name}`", row.examples, _error(row.gradient), _error(row.float32), *_parity(parity, pairs.get(name)),
              _backends(row)] for name, row in sorted(operators.items())],
        ),
        "Without a gradient: boxes, anchors, pictures, and decisions, which are equal or wrong.",
        _table(
            ["function", "configurations", "parity"],
            [[f"`{name}`", *_parity(parity, name)] for name in sorted(decisions)],
        ),
        "## Layers and networks",
        "Their arithmetic is that of the operators; what is checked here is how the parts are joined: the gradient of\n"
        "every parameter, sums where an array went to several users, and that nothing is kept or written to.",
        _table(
            ["layer or network", "home", "examples", "gradient", "float32", "configurations", "parity", "backends"],
            [[f"`{name}`", f"`{row.home}`", row.examples, _error(row.gradient), _error(row.float32),
              *_parity(parity, name), _backends(row)] for name, row in harness.items() if name not in operators],
        ),
        *_models(model_rows),
        "## Kernels",
        "The fast twin in float32 against the readable text in float64: the largest error of the outputs, or of all\n"
        "gradients, relative to the largest number of the array. The NMS kernel keeps exactly the same boxes.",
        _table(["kernel", "on", "error"], [[f"`{name}`", what, _error(error)] for name, what, error in kernel_rows]),
        _legend(),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def _head(harness, parity, how, model_rows):
    examples = sum(row.examples for row in harness.values())
    worst = max(row.gradient for row in harness.values())
    count, furthest = sum(n for n, _ in parity.values()), max(error for _, error in parity.values())
    gpu = "on CuPy too" if len(BACKENDS) > 1 else "no GPU was asked for"
    return f"""# Evidence

Written by `python tests/evidence.py` on {datetime.date.today()} from the measurements of the tests; not edited by hand.

- **Gradients.** {examples} examples of {len(harness)} operators, layers and networks passed the harness; the largest
  difference between backward and differences of forward was {_error(worst)} ({TOLERANCE:.0e} is allowed).
- **Parity.** {count} drawn operator configurations equal torch and torchvision ({how}) in float64, forward and
  all gradients; the largest difference was {_error(furthest)} ({comparison.TOLERANCE:.0e} is allowed).
- **Models.** {_of_models(model_rows)}
- **Backends.** Everything ran on NumPy and on the strict device array; {gpu}.

{_table(["", "version"], _versions())}"""


def _of_models(rows):
    if not rows:
        return "No whole model was compared."
    worst = max(error for _, what, *_, error in rows if what == COMPARED["gradient"])
    kinds = len({kind for kind, *_ in rows})
    return f"""{kinds} kinds of torchvision's detectors with random weights: every stage, the losses and the gradient
  of every parameter agree; the largest difference of a gradient was {_error(worst)}."""


def _versions():
    rows = [["tinymaskrcnn", tinymaskrcnn.__version__], ["Python", platform.python_version()]]
    for name in ("numpy", "scipy", "torch", "torchvision", *_cupy_packages()):
        try:
            rows.append([name, importlib.metadata.version(name)])
        except importlib.metadata.PackageNotFoundError:
            rows.append([name, "not installed"])
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return [*rows, ["BLAS of NumPy", f"{blas['name']} {blas['version']}"], ["machine", _machine()]]


def _cupy_packages():
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    return sorted(name for name in installed if name and name.startswith("cupy")) or ["cupy"]


def _machine():
    return f"{platform.system()} {platform.machine()}"


def _parity(parity, family):
    if family not in parity:
        return ["–", "–"]
    count, error = parity[family]
    return [count, _error(error)]


def _backends(row):
    """NumPy, on which all checks run, and the others on which every example passed."""
    return ", ".join(["NumPy", *(SHORT[name] for name, (n, _) in row.backends.items() if n == row.examples)])


def _models(rows):
    if not rows:
        return []
    text = (
        "The same weights and the same two pictures in torchvision's model and in this one, both in float64, with\n"
        "small random widths: the largest error over all arrays of a sort, each relative to its largest number; of\n"
        "masks and labels, the share that differs. torchvision itself decodes keypoints in float32."
    )
    cells = [[f"`{kind}`", *cells, _error(error)] for kind, *cells, error in rows]
    header = ["model", "compared", "drawn models", "arrays", "error"]
    return ["## Whole models against torchvision", text, _table(header, cells)]


def _error(value):
    return "equal" if value == 0 else f"{value:.0e}"


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _legend():
    return f"""## What the columns mean

- **examples**: cases of `tests/registry.py`. Each went through the checks of `tinymaskrcnn.testing`
  ([protocol](protocol.md)).
- **gradient**: backward against central differences of forward, in float64: the largest relative error of a derivative
  along a direction (of every single derivative in small cases), over all inputs and parameters. What is seen is mostly
  the error of the differences themselves: a true gradient and a wrong one are told apart at {TOLERANCE:.0e}.
- **float32**: the same call in float32 against float64, outputs and gradients, relative to the largest number.
- **configurations**, **parity**: drawn configurations of `tests/parity/operators.py`, and the largest difference from
  torchvision in float64, relative to the largest number of each output and each gradient. A dash: not
  compared on its own.
- **backends**: where every example gave the results of NumPy. The strict device array behaves like CuPy's where CuPy
  differs from NumPy, and refuses what a GPU would refuse."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PAGE)
    out = parser.parse_args().out
    parity, how = run_parity()
    kernel_rows, model_rows = run_kernels(), run_models()
    harness = run_harness(say=lambda text: print(text, file=sys.stderr))
    out.write_text(page(harness, parity, how, kernel_rows, model_rows))
    print(out)


if __name__ == "__main__":
    main()
