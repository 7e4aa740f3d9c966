"""Print the rows of a JSON file of compare_torchvision or scaling as a table in Markdown, with where they come from.

python -m tests.benchmarks.table FILE.json
python -m tests.benchmarks.table FIRST.json SECOND.json ...     # runs of compare_torchvision, side by side
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

NAMES = {  # work: (in words, the largest ratio that is allowed)
    "tiny_step_b8": ("training step, batch 8, 128x128", 0.4),
    "tiny_step_512": ("the same with 512 RoIs per picture", 0.5),
    "tiny_inference_b1": ("inference, 1 picture of 128x128", 0.7),
    "tiny_inference_b8": ("inference, 8 pictures", 0.55),
    "r50_800x1333": ("ResNet-50-FPN inference, 800x1333, 100 detections", 1.0),
    "ort_tiny_b1": ("1 picture of 128x128, beside onnxruntime on our export", 1.0),
    "ort_r50": ("ResNet-50-FPN, beside onnxruntime on our export", 0.8),
    "roi_align_backward": ("RoIAlign backward, 512x7x7x64", 0.1),
    "nms_1000": ("NMS at 0.7, 1,000 boxes", 0.8),
    "nms_6000": ("NMS at 0.7, 6,000 boxes", 0.5),
    "memory_step": ("memory of a training step", 1.0),
    "memory_r50": ("memory of ResNet-50-FPN inference", 1.0),
}


def ratios_table(rows):
    """What compare_torchvision wrote: the ratio with its middle half, against what is required of it."""
    lines = ["| work | ours | peer | ratio | middle half | required |", "|---|---|---|---|---|---|"]
    for row in rows:
        words, required = NAMES.get(row["work"], (row["work"], None))
        if "error" in row:
            lines.append(f"| {words} | | | {row['error'].replace('|', '/')} | | |")
            continue
        unit = "MB" if "ours_mb" in row else "s"
        ours, peer = (amount(row[f"{who}_{unit.lower()}"], unit) for who in ("ours", "peer"))
        if row.get("peer_form", "default") != "default":
            peer += f" ({row['peer_form']})"
        half = f"{row['ratio_25']:.2f} to {row['ratio_75']:.2f}" if "ratio_25" in row else ""
        bound = (
            "" if required is None else f"at most {required:.2f}{'' if row['ratio'] <= required else ': **missed**'}"
        )
        lines.append(f"| {words} | {ours} | {peer} | **{row['ratio']:.2f}** | {half} | {bound} |")
    return "\n".join(lines)


def runs_table(runs):
    """Several runs of compare_torchvision: of each work the medians of its times, and the ratio of every run.

    A run of some works leaves the others out.
    """
    lines = ["| work | ours | peer | ratios | required |", "|---|---|---|---|---|"]
    for work, (words, required) in NAMES.items():
        rows = [next((row for row in run if row["work"] == work and "error" not in row), None) for run in runs]
        found = [row for row in rows if row]
        if not found:
            continue
        unit = "MB" if "ours_mb" in found[0] else "s"
        ours, peer = (
            amount(statistics.median(row[f"{who}_{unit.lower()}"] for row in found), unit) for who in ("ours", "peer")
        )
        ratios = ", ".join(f"{row['ratio']:.2f}" if row else "–" for row in rows)
        missed = sum(row["ratio"] > required for row in found)
        bound = f"at most {required:.2f}" + (f": **missed** in {missed} of {len(found)}" if missed else "")
        lines.append(f"| {words} | {ours} | {peer} | {ratios} | {bound} |")
    return "\n".join(lines)


KINDS = {  # those of scaling.py, which imports the package
    "step": "training step",
    "inference": "inference",
    "data": "digit scenes",
    "predict": "predict",
    "evaluation": "evaluation",
    "drawing": "drawing",
}


def scaling_table(rows):
    """What scaling wrote: of each kind of work the constant part, the power beside it, and the most the line is off."""
    kinds = [kind for kind in KINDS if f"{kind}_s" in rows[0]]
    lines = ["| cost grows with | from .. to | " + " | ".join(KINDS[kind] for kind in kinds) + " |"]
    lines.append("|---" * (2 + len(kinds)) + "|")
    for row in rows:
        cells = [
            f"{amount(row[f'{kind}_constant'], 's')} + x^{row[f'{kind}_exponent']:.2f} ({row[f'{kind}_off']:.0%})"
            for kind in kinds
        ]
        lines.append(f"| {row['label']} | {row['x'][0]:,.0f} .. {row['x'][-1]:,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def amount(value, unit):
    """Seconds in the unit that reads best, megabytes as they are."""
    if unit == "MB":
        return f"{value:.0f} MB"
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def origin(where):
    """One sentence about the machine and the versions."""
    packages = ("numpy", "scipy", "torch", "torchvision", "onnxruntime")
    versions = [f"{name} {where[name]}" for name in packages if name in where]
    text = f"{where['processor']}, {where['cores']} cores, {where['threads']} threads; Python {where['python']}, "
    text += ", ".join(versions) + f"; BLAS: {', '.join(where['blas']) or 'unknown'}"
    text += f"; {where['kernels']}" if "kernels" in where else ""
    if where.get("torch_cpu_capability"):
        text += f"; torch with {where['torch_cpu_capability']}"
    if where.get("channels_last"):
        text += ", channels last"
    if where.get("held_back_by"):
        text += "; with " + ", ".join(f"{name}={value}" for name, value in where["held_back_by"].items())
    return f"{text}. Load at the start: {where['load_at_start']}."


def table(document):
    """The whole of a file in Markdown."""
    rows = document["rows"]
    ours = scaling_table if rows and "axis" in rows[0] else ratios_table
    return f"{ours(rows)}\n\n{origin(document['environment'])}"


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    args = parser.parse_args(words)
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in args.files]
    if len(documents) == 1:
        print(table(documents[0]))
    else:
        print(runs_table([document["rows"] for document in documents]), end="\n\n")
        print(*(origin(document["environment"]) for document in documents), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
