"""Every figure that the README, `--help` and the pages give of what was measured, held against docs/measurements.json.

    python -m tests.measurements          # which figures stand nowhere in the file, and which of the file nowhere else
    python -m tests.measurements --add "docs/page.md#Heading" COMMAND MACHINE      # what is missing

A writer writes plain sentences. The file is a list of measurements: the command that prints it, the machine, the day
(of those older than the file: on which they came to their page), the places where it stands and its values by name.
A place is a page, a page and a heading ("docs/training.md#The default run") or "--help". A figure is right when
a measurement that stands there has a value that rounds to it. What is no measurement but a setting, a limit or a name's
number is chosen, and stands in the file as that.
"""

import argparse
import datetime
import json
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tinymaskrcnn import cli

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs/measurements.json"
WRITTEN_BY_A_COMMAND = {f"docs/{page}.md" for page in ("evidence", "history", "ablations", "museum")}  # by no hand
UNITS = r"%|(?:ms|us|s|min|minutes?|seconds?|hours?|kB|MB|GB|GiB|GFLOP/s|TFLOP/s|times|launches)\b"
NUMBER = rf"\d[\d,]*\.\d+|\d(?:\.\d+)?e-\d+|\d[\d,]*(?=[ -]?(?:{UNITS})| of \d)|(?<=\d of )\d[\d,]*"
FIGURE = re.compile(rf"(?<![\w.,:/^-])({NUMBER})")
FENCED = r"^(```|~~~|:::).*?^\1|^---\n.*?^---\n"
CODE = re.compile(FENCED + r"|`[^`\n]*`|\]\([^)]*\)|\$[^$\n]+\$|^(?: {4}|\t).*?$|<[^>]*>", re.DOTALL | re.MULTILINE)
NOTES = {"name", "command", "machine", "date", "stands", "values"}


@dataclass(frozen=True)
class Figure:
    """A number in a text: where, in which line, and as it is written."""

    place: str
    line: int
    text: str
    around: str

    def rounds(self, value):
        """Whether a measured value, rounded to as many digits, is this figure."""
        said = self.text.replace(",", "")
        half = Decimal(10) ** Decimal(said).as_tuple().exponent / 2
        return abs(Decimal(said) - Decimal(str(value))) <= half


def pages():
    """The texts that are read: the README, the pages of the docs that hands write."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in found if str(path.relative_to(ROOT)) not in WRITTEN_BY_A_COMMAND]


def figures_in(text, page):
    """The figures of a page, its code left out, each under the heading it stands below."""
    bare = CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    heading, found = "", []
    for number, line in enumerate(bare.split("\n"), start=1):
        if line.startswith("#"):
            heading = line.strip("# ")
        place = f"{page}#{heading}"
        found += [Figure(place, number, m[1], line.strip()) for m in FIGURE.finditer(line)]
    return found


def figures_of_help():
    """The figures in the help of every command."""
    parser, parsers = cli.build_parser()
    helps = {"": parser, **parsers}
    return [
        Figure("--help", number, match[1], f"{name}: {line.strip()}")
        for name, one in helps.items()
        for number, line in enumerate(one.format_help().split("\n"), start=1)
        for match in FIGURE.finditer(line)
    ]


def all_figures():
    found = [f for p in pages() for f in figures_in(p.read_text(encoding="utf-8"), p.relative_to(ROOT).as_posix())]
    return found + figures_of_help()


def lies_in(figure, place):
    """Whether a figure stands at a place: below a heading, or anywhere on a page."""
    return figure.place == place or figure.place.startswith(f"{place}#")


def stands(measurement, figure):
    """Whether a measurement may be quoted where a figure is."""
    return any(lies_in(figure, place) for place in measurement["stands"])


def values_for(figure, measurements):
    return [(f"{m['name']}: {key}", v) for m in measurements if stands(m, figure) for key, v in m["values"].items()]


def unknown(figures, measurements, chosen):
    """[sentence] for each figure that is neither a measurement's nor chosen."""
    said = []
    for figure in figures:
        values = values_for(figure, measurements)
        if any(figure.rounds(value) for _, value in values) or figure.text in chosen_at(figure, chosen):
            continue
        near = sorted(values, key=lambda pair: abs(pair[1] - float(figure.text.replace(",", ""))))[:1]
        hint = f"; the nearest there is {near[0][1]} ({near[0][0]})" if near else ""
        where = f"{figure.place}, line {figure.line}"
        said.append(f"{where}: {figure.text} is no figure of docs/measurements.json{hint}: {figure.around[:100]}")
    return said


def chosen_at(figure, chosen):
    """What is chosen where a figure stands."""
    return {text for place, texts in chosen.items() if lies_in(figure, place) for text in texts}


def idle(figures, measurements):
    """[sentence] for each value that nobody quotes any more."""
    return [
        f"{m['name']}: {key} = {value} stands in none of {m['stands']}"
        for m in measurements
        for key, value in m["values"].items()
        if not any(stands(m, figure) and figure.rounds(value) for figure in figures)
    ]


def add(place, command, machine):
    """Write the figures of a place that stand nowhere into the file, as one measurement of today."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    values = {}
    for figure in all_figures():
        if figure.place == place and unknown([figure], content["measurements"], content["chosen"]):
            name = name_of(figure)
            while name in values:
                name += ", again"
            values[name] = json.loads(figure.text.replace(",", ""))
    today = datetime.date.today().isoformat()
    names = {one["name"] for one in content["measurements"]}
    name = place if place not in names else f"{place}, {today}, {len(names)}"
    new = {"name": name, "command": command, "machine": machine, "date": today, "stands": [place], "values": values}
    content["measurements"].append(new)
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(values)} values of {place}; give them better names in {FILE.relative_to(ROOT)}")


def name_of(figure):
    """What a figure is called until somebody finds better words: its row, or the words before it."""
    before = figure.around[: figure.around.find(figure.text)]
    if figure.around.startswith("|"):
        return f"{figure.around.split('|')[1].strip()}, column {before.count('|')}"
    return " ".join(before.split()[-5:]) or figure.around[:40]


def load():
    """(measurements, what is chosen)"""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return content["measurements"], content["chosen"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--add", nargs=3, metavar=("PLACE", "COMMAND", "MACHINE"), help="write what is missing there")
    if given := parser.parse_args().add:
        return add(*given)
    measurements, chosen = load()
    figures = all_figures()
    wrong = unknown(figures, measurements, chosen) + idle(figures, measurements)
    print(*wrong, sep="\n")
    values = sum(len(measurement["values"]) for measurement in measurements)
    print(f"{len(figures)} figures, {values} values, {len(wrong)} without the other")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
