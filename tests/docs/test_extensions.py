"""What the site does to docstrings, to the source it shows, and to the lessons it brings in."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = DOCS.parent / "tinymaskrcnn"


def extension(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Sum of `a`.\n\nx (K,)  ->  y ()\nmore `b`", "Sum of ``a``.\n\n::\n\n    x (K,)  ->  y ()\n\nmore ``b``"),
        ("One.\n\nx (K,), b (2,)\n->  y ()\n\nTwo.", "One.\n\n::\n\n    x (K,), b (2,)\n    ->  y ()\n\n\n\nTwo."),
        ("One.\n\ndy ()  ->  dx (),\ndw ()", "One.\n\n::\n\n    dy ()  ->  dx (),\n    dw ()\n\n"),
        ("One.\n\n    a = 1\n\n    b = 2\n\nTwo.", "One.\n\n::\n\n    a = 1\n\n    b = 2\n\nTwo."),
        ("Called draw_... and a_b, ``c``.", "Called draw\\_... and a_b, ``c``."),
        ("Not a shape: a -> b.", "Not a shape: a -> b."),
    ],
)
def test_docstrings_become_pages(text, wanted):
    assert "\n".join(extension("docstrings").arrange(text.split("\n"))) == wanted


def test_the_shown_source_holds_no_answer():
    emptied = extension("blanks").without_answers
    blanks = 0
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in ("homework", "exercises"):
            continue  # it speaks of the markers, and holds none
        text = path.read_text(encoding="utf-8")
        shown = emptied(text)
        names = re.findall(r"# BEGIN SOLUTION (\S+)", text)
        assert re.findall(r'NotImplementedError\("(\S+)"\)  # this', shown) == names
        assert "SOLUTION" not in shown
        compile(shown, str(path), "exec")
        blanks += len(names)
    assert blanks >= 20


def test_the_places_of_functions_fit_the_shown_source():
    pytest.importorskip("sphinx")
    shown, tags = extension("blanks").find_source(None, "tinymaskrcnn.ops.linear")
    kind, first, last = tags["linear_backward"]
    lines = shown.split("\n")[first - 1 : last]
    assert kind == "def" and any(line.startswith("def linear_backward") for line in lines)
    assert 'NotImplementedError("hw01.linear_backward")' in "\n".join(lines)
    assert extension("blanks").find_source(None, "tinymaskrcnn.ops.naive") is None


def test_the_answer_to_a_question_is_folded_away():
    nodes = pytest.importorskip("docutils.nodes")
    pytest.importorskip("sphinx")

    def cell(*outputs):
        inside = [nodes.container("", nodes.Text(text), classes=["cell_output"]) for text in outputs]
        return nodes.container("", *inside, classes=["cell"])

    bold = nodes.strong("", "Predict.")
    silent, spoken, later = cell(), cell("0.33"), cell("later")
    asked = nodes.paragraph("", nodes.Text(""), bold, nodes.Text(" One half?"))
    answer, after = nodes.paragraph("", "One third."), nodes.paragraph("", "Now drag.")
    section = nodes.section("", nodes.title("", "IoU"), asked, silent, spoken, answer, after, later)
    extension("predictions").fold_answers(None, section)
    kinds = [node.astext() if isinstance(node, nodes.raw) else node for node in section.children]
    assert kinds[1:4] == [asked, silent, spoken] and spoken.astext() == "" and later.astext() == "later"
    assert kinds[4].startswith("<details") and kinds[7] == "</details>\n" and kinds[8:] == [after, later]
    assert kinds[5].astext() == "0.33" and kinds[6] is answer

    question, answer = nodes.paragraph("", "", nodes.strong("", "Predict.")), nodes.paragraph("", "One third.")
    touched = nodes.section("", question, cell('<div class="tmr-touch">'), answer)
    extension("predictions").fold_answers(None, touched)
    assert "tmr-touch" in touched.children[1].astext()  # what is to be touched stays in sight
    assert touched.children[2].astext().startswith("<details") and touched.children[3] is answer


def test_the_list_of_lessons_names_every_lesson_and_has_its_picture():
    pytest.importorskip("sphinx")
    found = extension("lesson_list").rows((DOCS.parent / "lessons" / "README.md").read_text(encoding="utf-8"))
    assert [page for _, _, page, *_ in found] == sorted(path.stem for path in (DOCS.parent / "lessons").glob("*.ipynb"))
    for number, *_ in found:
        assert (DOCS / "_static" / "thumbnails" / f"{number}.png").stat().st_size < 60_000


def test_lessons_are_brought_in_and_taken_away(tmp_path):
    bring = extension("lessons").bring
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "00_tour.ipynb").write_text("one")
    (source / "01_next.ipynb").write_text("two")
    (source / "README.md").write_text("no lesson")
    bring(source, target)
    assert sorted(p.name for p in target.iterdir()) == ["00_tour.ipynb", "01_next.ipynb"]
    untouched = (target / "00_tour.ipynb").stat().st_mtime_ns
    (source / "01_next.ipynb").unlink()
    (source / "00_new.ipynb").write_text("three")
    bring(source, target)
    assert sorted(p.name for p in target.iterdir()) == ["00_new.ipynb", "00_tour.ipynb"]
    assert (target / "00_tour.ipynb").stat().st_mtime_ns == untouched


def test_every_module_has_its_page():
    """A module that nobody documents is one that nobody finds; what is not for readers is named here."""
    quiet = re.compile(r"^(kernels|commands|testing|homework|visualize)\b|^(cli|__main__)$|interop\.|train\.|data\.")
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md"))
    shown = set(re.findall(r"automodule:: tinymaskrcnn\.(\S+)", pages))
    modules = {str(p.relative_to(PACKAGE))[:-3].replace("/", ".") for p in PACKAGE.rglob("[!_]*.py")}
    folders = {"visualize", "visualize.touch", "homework", "testing", "studies.catalogue"}
    assert shown - modules <= folders, "a page names a module that is not there"
    missing = {name for name in modules - shown if not quiet.match(name)}
    alike = {"models.at_once", "models.at_rest", "models.heads_at_rest", "nn.flat", "nn.fused"}
    alike |= {"ops.common", "ops.naive", "ops.naive_family"}
    assert missing <= alike, sorted(missing)


def test_no_page_is_left_out():
    """Every page of the API is in its table of contents (Sphinx would warn, but not everyone has it)."""
    listed = (DOCS / "api" / "index.md").read_text(encoding="utf-8").split("\n")
    assert {p.stem for p in (DOCS / "api").glob("*.md")} - {"index"} <= set(listed)


def test_the_extensions_ask_for_nothing_but_sphinx():
    code = "\n".join((DOCS / "_ext" / name).read_text() for name in ("lessons.py", "docstrings.py", "blanks.py"))
    imported = set(re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE))
    assert imported <= set(sys.stdlib_module_names) | {"sphinx"}


def picture_script(name, monkeypatch):
    """A module of docs/_pictures, by its name."""
    monkeypatch.syspath_prepend(DOCS / "_pictures")  # as for the script itself
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"_pictures/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_chart_of_performance_shows_the_table_below_it(monkeypatch):
    """It is drawn from the table, and keeps what it was drawn from."""
    ratios = picture_script("ratios", monkeypatch)
    text = ratios.PAGE.read_text(encoding="utf-8")
    found = ratios.rows(text)
    assert len(found) == 12 and all(0 < ratio < 1 for _, ratio, _ in found)
    with Image.open(ratios.PICTURE) as drawn:
        assert json.loads(drawn.text["rows"]) == json.loads(json.dumps(found)), "python docs/_pictures/ratios.py"
    assert text.startswith("# Performance\n\n![") and ratios.PICTURE.name in text.split("\n", 3)[2]


def test_the_chart_of_training_and_its_table_show_the_rows(monkeypatch):
    """They are the means of docs/results/torchvision.json over the seeds that both models have, and its intervals."""
    beside = picture_script("beside", monkeypatch)
    series, page = beside.points(), (DOCS / "training.md").read_text(encoding="utf-8")
    with Image.open(beside.PICTURE) as drawn:
        assert json.loads(drawn.text["rows"]) == series, "python docs/_pictures/beside.py"
    assert f"(images/{beside.PICTURE.name})" in page
    for lines in (beside.table, beside.differences, beside.gains):
        assert "\n\n" + "\n".join(lines()) + "\n\n" in page, "\n".join(lines())
    words = " ".join(page.split())
    for sentence in beside.sentences():
        assert sentence in words, sentence
