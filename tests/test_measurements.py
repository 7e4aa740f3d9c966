"""What the README, `--help` and the pages say was measured is what the file of measurements holds."""

import datetime
import json
import re

import measurements as m
import pytest
from measurements import Figure, figures_in, unknown

from tinymaskrcnn import cli


def test_every_figure_is_a_measurement_and_every_measurement_is_told():
    """Who changes a figure changes docs/measurements.json: `python -m tests.measurements` says where."""
    measurements, chosen = m.load()
    figures = m.all_figures()
    assert len(figures) > 500
    assert unknown(figures, measurements, chosen) + m.idle(figures, measurements) == []


def test_the_front_gives_the_figures_of_the_pages():
    """What the README and the first page say is proved, each has its row in the page that it links to."""
    measurements, _ = m.load()
    for page in ("README.md", "docs/index.md"):
        place = f"{page}#What is proved"
        told = [f for f in m.all_figures() if f.place == place]
        assert len(told) >= 8
        for figure in told:
            homes = [x for x in measurements if m.stands(x, figure) and any(map(figure.rounds, x["values"].values()))]
            assert any(x["name"] == "evidence" or len(x["stands"]) > 2 or x["name"] == "handwriting" for x in homes), (
                figure
            )


def test_a_measurement_says_where_it_comes_from():
    measurements, chosen = m.load()
    names = [one["name"] for one in measurements]
    assert len(set(names)) == len(names)
    places = {figure.place for figure in m.all_figures()}
    for one in measurements:
        assert set(one) == m.NOTES and one["command"] and one["machine"] and one["values"], one["name"]
        datetime.date.fromisoformat(one["date"])
        for command in re.findall(r"tinymaskrcnn ([a-z]+)", one["command"]):
            assert command in cli.COMMANDS, one["command"]
        modules = re.findall(r"python -m (tests[\w.]+)", one["command"])
        for path in (
            *(f"{name.replace('.', '/')}.py" for name in modules),
            *re.findall(r"tests/\S+\.py", one["command"]),
        ):
            assert (m.ROOT / path).is_file(), one["command"]
    for place in {*chosen, *(place for one in measurements for place in one["stands"])}:
        assert any(other == place or other.startswith(f"{place}#") for other in places), f"no figure stands at {place}"


def test_what_is_said_of_the_evidence_is_what_its_page_holds():
    [said] = [one["values"] for one in m.load()[0] if one["name"] == "evidence"]
    text = (m.ROOT / "docs/evidence.md").read_text(encoding="utf-8")
    gradients = [rows[3 if rows[1].startswith("`") else 2] for rows in checked_rows(text)]
    assert max(map(float, gradients)) == said["largest error of a gradient"]
    compared = re.findall(r"^\| `\w+` \| (?:every stage.*|losses.*|gradient.*) \| \d+ \| \d+ \| (\S+) \|$", text, re.M)
    assert len(compared) >= 15
    assert max(map(float, compared)) == said["largest difference from torchvision: stages, losses, gradients"]


def checked_rows(text):
    """The rows of operators and of layers in which a gradient was measured."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = [row for row in rows if len(row) in (7, 8) and row[-1].startswith("NumPy")]
    assert len(rows) > 80
    return [row for row in rows if (row[3] if row[1].startswith("`") else row[2]) != "equal"]


# ---------------------------------------------------------------- the comparison itself


PAGE = """# Title

Setting 0.7 was chosen; `code 0.123` and 128x128 and Python 3.x do not count.

## Speed

It took 41.5 s and 12 % of 1,234.5 MB, an error of 2e-10; 100 of 108 were right.

    in 9.9 s

```bash
sleep 5 s
```
"""


def test_figures_are_found_under_their_headings():
    found = [(figure.place, figure.line, figure.text) for figure in figures_in(PAGE, "p.md")]
    assert found[0] == ("p.md#Title", 3, "0.7")
    assert [text for _, _, text in found[1:]] == ["41.5", "12", "1,234.5", "2e-10", "100", "108"]
    assert {place for place, _, _ in found[1:]} == {"p.md#Speed"}


@pytest.mark.parametrize(
    ("said", "value", "fits"),
    [
        ("0.82", 0.815, True),
        ("0.82", 0.8249, True),
        ("0.82", 0.8251, False),
        ("0.820", 0.815, False),
        ("1,234", 1234.4, True),
        ("1,234", 1235, False),
        ("2e-10", 2e-10, True),
        ("2e-10", 3e-10, False),
    ],
)
def test_a_figure_may_be_rounded_but_not_wrong(said, value, fits):
    assert Figure("p.md#S", 1, said, "").rounds(value) == fits


def test_a_wrong_figure_is_named_with_the_nearest():
    one = {"name": "speed", "stands": ["p.md#Speed"], "values": {"seconds": 41.4}}
    figures = [f for f in figures_in(PAGE, "p.md") if f.text in ("0.7", "41.5")]
    [said] = unknown(figures, [one], {"p.md#Title": ["0.7"]})
    assert "p.md#Speed, line 7: 41.5 is no figure" in said and "nearest there is 41.4 (speed: seconds)" in said
    assert len(unknown(figures, [one], {})) == 2
    elsewhere = {"name": "other", "stands": ["p.md#Title"], "values": {"seconds": 41.5}}
    assert len(unknown(figures, [elsewhere], {"p.md": ["0.7"]})) == 1


def test_what_is_missing_can_be_added(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(PAGE + "\n| steps | 1.5 | 2.5 |\n")
    monkeypatch.setattr(m, "ROOT", tmp_path)
    monkeypatch.setattr(m, "FILE", tmp_path / "docs/measurements.json")
    monkeypatch.setattr(m, "figures_of_help", list)
    m.FILE.write_text(json.dumps({"chosen": {"README.md#Title": ["0.7"]}, "measurements": []}))
    assert len(unknown(m.all_figures(), *m.load())) == 8
    m.add("README.md#Speed", "time it", "a machine")
    assert unknown(m.all_figures(), *m.load()) == m.idle(m.all_figures(), m.load()[0]) == []
    [one] = m.load()[0]
    assert one["values"]["steps, column 2"] == 1.5 and one["values"]["It took"] == 41.5 and set(one) == m.NOTES


def test_a_value_that_nobody_tells_is_named():
    one = {"name": "speed", "stands": ["p.md"], "values": {"seconds": 41.5, "minutes": 7}}
    assert m.idle(figures_in(PAGE, "p.md"), [one]) == ["speed: minutes = 7 stands in none of ['p.md']"]


def test_the_file_is_written_one_value_a_line():
    text = m.FILE.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
