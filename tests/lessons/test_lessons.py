"""The lessons are what they promise: paired, in form, running as script and notebook, silent about the solutions."""

import ast
import json
import re
import types

import pytest

from lessons import form, pair, running, solutions
from tinymaskrcnn.visualize import Steps, style

LESSONS = [pytest.param(path, id=path.stem) for path in pair.sources()]
SOLUTIONS = solutions.solutions()
BLANKS = 20  # at least so many exercises have a marked solution
FRAMES, FIRST = 12, 0.5  # of what moves; how much less than a later frame the first one may show
DECISIONS = {  # each frame is one of these, and there are no more of them
    "Values run forward, gradients run back": "nodes of a graph",
    "Non-maximum suppression at IoU 0.5": "boxes that are kept",
    "the 7, missed": "stages that a digit lived through",
}
MEGABYTES, PICTURE = 6, 500_000  # of a notebook with all outputs; bytes of a single picture


# ---------------------------------------------------------------- every lesson


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_notebook_is_the_pair_of_its_script(lesson):
    text = lesson.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert text == pair.notebook_text(lesson), "run .venv/bin/python -m tests.lessons.pair"
    for cell in json.loads(text)["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_there_is_no_notebook_without_its_script():
    assert {p.stem for p in pair.LESSONS.glob("*.ipynb")} == {p.stem for p in pair.sources()}


def test_the_lessons_are_numbered_without_a_gap_and_the_overview_names_them_all():
    names = [path.stem for path in pair.sources()]
    assert len(names) >= 8 and [name[:3] for name in names] == [f"{n:02}_" for n in range(len(names))]
    overview = (pair.LESSONS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[\d\d .*?\]\((\w+)\.ipynb\)", overview, re.MULTILINE) == names


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_form_of_a_lesson(lesson):
    assert not form.complaints(lesson, SOLUTIONS)


SCRIPTS = [  # their cells run in the notebook, too
    pytest.param(path, id=path.stem, marks=[] if path.stem[:2] == "00" else pytest.mark.long)
    for path in pair.sources()
]


@pytest.mark.parametrize("lesson", SCRIPTS)
def test_runs_as_a_plain_script(lesson, tmp_path):
    done = running.run_script(lesson, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not running.warnings(done.stderr)
    assert not [p.name for p in tmp_path.iterdir() if p.name != ".ipython"], "a lesson leaves no files behind"
    assert not solutions.given_away(done.stdout, SOLUTIONS)


@pytest.mark.in_turn
@pytest.mark.parametrize("lesson", LESSONS)
def test_runs_as_a_notebook(lesson, executed):
    notebook = running.read(executed(lesson))
    assert not running.errors(notebook)
    assert not running.warnings(running.said_as_error(notebook))
    sizes = running.pictures(notebook)
    assert len(sizes) >= 3, "a lesson shows pictures"
    assert max(sizes) <= PICTURE and min(sizes) > 500, sizes
    assert running.size(notebook) <= MEGABYTES * 2**20, f"{running.size(notebook) / 2**20:.1f} MB"
    for number, text in running.texts(notebook):
        assert not solutions.given_away(text, SOLUTIONS), f"cell {number} gives a solution away"


@pytest.mark.in_turn
@pytest.mark.parametrize("lesson", LESSONS)
def test_what_moves_is_stepped_through_in_a_dozen_frames_and_the_first_shows_something(lesson, executed):
    for title, frames in running.sliders(running.read(executed(lesson))):
        assert len(frames) >= FRAMES or title in DECISIONS, f"{title}: {len(frames)} frames"
        shown = [running.drawn_share(frame) for frame in frames]
        assert shown[0] >= FIRST * sorted(shown)[len(shown) // 2], f"{title}: the first frame shows next to nothing"


def test_the_solutions_are_marked():
    assert len(SOLUTIONS) >= BLANKS, f"{len(SOLUTIONS)} marked solutions: {sorted(SOLUTIONS)}"
    for name, lines in SOLUTIONS.items():
        assert solutions.normal_lines("\n".join(lines)), f"{name} has no line that could be looked for"


# ---------------------------------------------------------------- planted faults: pairs


def lesson_text(*cells, header=form.HEADER):
    return header + "".join(f"\n# %%{cell}\n" for cell in cells)


def markdown(text):
    return " [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in text.splitlines())


@pytest.fixture
def small(tmp_path):
    """Write a lesson of these cells; its path."""

    def write(*cells, name="09_small.py", **options):
        path = tmp_path / name
        path.write_text(lesson_text(*cells, **options), encoding="utf-8")
        return path

    return write


def test_a_pair_is_made_once_and_the_same_again(small):
    path = small(markdown("# 09. Small"), "\nprint(1)", "\nprint(1)")
    assert pair.write(path) and not pair.write(path)
    notebook = json.loads(path.with_suffix(".ipynb").read_text())
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["markdown", "code", "code"]
    assert len({cell["id"] for cell in notebook["cells"]}) == 3
    assert notebook["metadata"] == pair.METADATA
    path.write_text(path.read_text().replace("print(1)", "print(2)"))
    assert pair.notebook_text(path) != path.with_suffix(".ipynb").read_text()


# ---------------------------------------------------------------- planted faults: runs


def test_a_script_that_fails_or_warns_is_noticed(small, tmp_path):
    done = running.run_script(small("\nimport numpy as np\nnp.float32(1) / np.float32(0)"), tmp_path)
    assert done.returncode == 0 and running.warnings(done.stderr)
    assert running.run_script(small("\n1 / 0"), tmp_path).returncode != 0


@pytest.mark.parametrize(
    "attempt", ["socket.create_connection(('192.0.2.1', 80), timeout=2)", "socket.gethostbyname('example.org')"]
)
def test_a_script_that_uses_the_network_is_stopped(attempt, small, tmp_path):
    done = running.run_script(small(f"\nimport socket\n{attempt}"), tmp_path)
    assert done.returncode != 0 and "without a network" in done.stderr


def test_this_machine_itself_may_be_reached(small, tmp_path):
    listen = "\nimport socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname())"
    assert running.run_script(small(listen), tmp_path).returncode == 0


def test_a_notebook_that_fails_warns_or_calls_out_is_noticed(small, tmp_path):
    path = small(
        "\n1 / 0",
        "\nimport warnings\nwarnings.warn('look out', stacklevel=1)",
        "\nimport urllib.request\nurllib.request.urlopen('http://192.0.2.1/')",
        "\nimport os\nprint(os.environ['TINYMASKRCNN_FAST'])",
    )
    notebook = running.run_notebook(path, tmp_path)
    first, second = running.errors(notebook)
    assert "ZeroDivisionError" in first and "URLError" in second
    assert running.warnings(running.said_as_error(notebook))
    assert (3, "1\n") in list(running.texts(notebook))


def test_pictures_are_counted_also_inside_a_slider():
    notebook = pair.read(lesson_text("\n1"))
    html = '<img src="data:image/png;base64,AAAA"><p>x &lt; y</p>'
    notebook.cells[0].outputs = [
        pair.nbformat.v4.new_output("display_data", {"image/png": "A" * 8}),
        pair.nbformat.v4.new_output("display_data", {"text/html": html}),
    ]
    assert sorted(running.pictures(notebook)) == [6, 19]
    assert (0, "x < y") in list(running.texts(notebook))


def test_the_frames_of_a_slider_are_counted_and_an_empty_one_is_noticed():
    empty, full = (style.message_figure(words) for words in (" ", "something that can be read " * 9))
    notebook = pair.read(lesson_text("\n1"))
    html = Steps([empty, full, full], ["a", "b", "c"], title="moves & moves")._repr_html_()
    notebook.cells[0].outputs = [pair.nbformat.v4.new_output("display_data", {"text/html": html})]
    [(title, frames)] = running.sliders(notebook)
    assert title == "moves & moves" and len(frames) == 3
    first, second, third = map(running.drawn_share, frames)
    assert first < FIRST * second and second == third > 0


# ---------------------------------------------------------------- planted faults: solutions

PACKAGE_FILE = """
def linear_backward(dy, cache):
    # BEGIN SOLUTION hw09.linear_backward
    x, weight = cache
    dbias = dy.sum(axis=0)  # every row was shifted
    dweight = x.T @ dy

    return dy @ weight.T, dweight, dbias
    # END SOLUTION


def other():
    # BEGIN SOLUTION hw09.other
    return np.maximum(0, a - b)
    # END SOLUTION
"""


def test_a_solution_that_is_given_away_is_noticed(tmp_path):
    (tmp_path / "linear.py").write_text(PACKAGE_FILE)
    found = solutions.solutions(tmp_path)
    assert list(found) == ["hw09.linear_backward", "hw09.other"]
    shown = "look:\n  dbias  = dy.sum( axis=0 )\n\n  # a remark\n  dweight = x.T @ dy # and another\n"
    assert solutions.given_away(shown, found) == ["hw09.linear_backward"]
    assert solutions.given_away(PACKAGE_FILE, found) == ["hw09.linear_backward", "hw09.other"]
    assert solutions.given_away("y = 2\nreturn np.maximum(0, a-b)\n", found) == ["hw09.other"]
    apart = "dbias = dy.sum(axis=0)\nprint(dbias.shape, dbias.dtype)\ndweight = x.T @ dy\n"
    assert not solutions.given_away(apart, found)
    assert not solutions.given_away("x, weight = cache\nn, c = x.shape", found)


# ---------------------------------------------------------------- planted faults: form

TITLE = markdown("# 09. Small\n\nAbout nothing.")
PREDICT = markdown("**Predict.** What is 1 + 1?")
CODE = "\nx = 1\ny = x + 1\nprint(y)"
CHECK = "Check: `tinymaskrcnn homework check hw09.py`"
EXERCISES = f"## Exercises\n\n1. `hw09.a`\n2. `hw09.b`\n3. `hw09.c`\n\n{CHECK}"
END = (markdown("## What can go wrong"), CODE, markdown(EXERCISES), markdown("## What you have seen"))
GOOD = (TITLE, CODE, PREDICT, CODE, PREDICT, CODE, PREDICT, CODE, *END)
IDS = ("hw09.a", "hw09.b", "hw09.c")


def test_a_lesson_in_good_form(small):
    assert form.complaints(small(*GOOD), IDS) == []


@pytest.mark.parametrize(
    "cells, words",
    [
        ((markdown("# 08. Other"), *GOOD[1:]), "the first cell"),
        ((TITLE, *[CODE] * 4, *END), "Predict"),
        ((*GOOD[:-3], END[-1], markdown(EXERCISES)), "sections"),
        ((*GOOD[:-2], markdown(EXERCISES.replace("`hw09.c`", "hw09.c")), GOOD[-1]), "exactly three"),
        ((*GOOD[:-2], markdown(EXERCISES.replace("09.c", "09.d")), GOOD[-1]), "unknown homework ids"),
        ((*GOOD[:-2], markdown(EXERCISES.replace(CHECK, "")), GOOD[-1]), "how to check"),
        ((*GOOD[:-4], *[CODE] * 12, *END), "about half"),
        ((*GOOD, "\n" + "\n".join(f"x{i} = 1" for i in range(15))), "more than 14"),
        ((*GOOD, "\nx = " + "1" * 85), "a line has 89 columns"),
        ((*GOOD, "\n%matplotlib inline"), "plain script"),
        ((*GOOD, "\ndef iou_matrix(a, b):\n    return a"), "defined again"),
        ((*GOOD, "\ndef helper(a):\n" + "    a = 1\n" * 12), "neither a wrong_ variant"),
        ((*GOOD, "\nclass Helper:\n    pass"), "neither a wrong_ variant"),
        ((*GOOD, "\nfrom tinymaskrcnn.ops import boxes\nboxes = 1"), "another value"),
        ((*GOOD, "\nimport torch"), "does not install"),
        ((*GOOD, "\nfrom tests import tiny_model"), "does not install"),
    ],
)
def test_a_lesson_out_of_form(cells, words, small):
    found = form.complaints(small(*cells), IDS)
    assert len(found) >= 1 and any(words in complaint for complaint in found), found


def test_a_lesson_with_another_header(small):
    assert "header" in form.complaints(small(*GOOD, header=form.HEADER.replace("percent", "light", 1)), IDS)[0]


def test_what_a_lesson_may_define(small):
    wrong = "\ndef wrong_iou(a, b):\n" + "    a = a + b\n" * 9
    helper = "\ndef show(a):\n    return a"
    imports = "\n" + "\n".join(f"from tinymaskrcnn.ops import boxes as b{i}" for i in range(14))
    assert form.complaints(small(*GOOD, wrong, TITLE, helper, TITLE, imports), IDS) == []


@pytest.mark.parametrize("given, fast", [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_variable_that_shortens_a_training_can_be_off(given, fast):
    lines = [line for path in pair.sources() for line in path.read_text(encoding="utf-8").splitlines()]
    settings = [line for line in lines if re.match(r"\w+ = .*TINYMASKRCNN_FAST", line)]
    assert len(settings) >= 2
    environment = {} if given is None else {"TINYMASKRCNN_FAST": given}
    for line in settings:
        found = {}
        exec(line, {"os": types.SimpleNamespace(environ=environment)}, found)
        assert list(found.values()) == [fast], line


def last_line_is_shown(source):
    """Whether a cell ends with a setter, whose answer a notebook prints below it though nobody asked."""
    lines = "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))
    last = (ast.parse(lines).body or [None])[-1]
    call = last.value if isinstance(last, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "attr", "").startswith("set_")


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_cell_prints_what_a_setter_answers(lesson):
    cells = pair.read(lesson.read_text(encoding="utf-8")).cells
    assert not [cell.source for cell in cells if cell.cell_type == "code" and last_line_is_shown(cell.source)]
    assert last_line_is_shown("ax = 1\nax.set_ylim(1.75, -0.45)  # room") and not last_line_is_shown("ax.figure")
