"""Names come out as they are written: no mathematics, no boxes, no warnings, whatever a name holds."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib import font_manager, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tinymaskrcnn import visualize
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import bars, boxes, confusion, detections, fates, graph, legends, lettering, lines, style
from tinymaskrcnn.visualize.lettering import as_written, with_glyphs

NAMES = [
    "$x^2$",
    r"$\frac",
    "a$b$ c$",
    "$",
    "$$",
    r"\$5",
    "50% & {x}_y~#",
    "猫",
    "größe ≥",
    "\udce9",
    "a\x07b",
    "\t",
    "\u200b",
]


@pytest.fixture(autouse=True)
def settings_of_matplotlib(monkeypatch):
    monkeypatch.setattr(lettering, "_said", set())
    lettering._font_with.cache_clear()
    family = list(rcParams["font.family"])
    yield
    rcParams["font.family"] = family
    lettering._font_with.cache_clear()


def letters(text):
    """What matplotlib makes of a text: itself, and whether it takes it for mathematics."""
    return Text(0, 0, text)._preprocess_math(text)


@given(text=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20))
@example(text=r"\$ $\$$ \\$")
@examples(200)
def test_latin_names_reach_the_page_unchanged(text):
    shown, mathematics = letters(as_written(text))
    assert shown == text.replace("\xad", shown[text.index("\xad") : text.index("\xad") + 1] if "\xad" in text else "")
    assert not mathematics


def test_titles_keep_their_mathematics():
    assert letters(with_glyphs("$x^2$ of größe"))[1]


@given(labels=st.lists(st.text(st.characters(), max_size=12), min_size=1, max_size=3))
@example(labels=NAMES)
@examples(60)
def test_any_text_is_drawn_without_a_warning(labels):
    rows = np.tile(np.array([[2, 2, 20, 20]], np.float32), (len(labels), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = boxes.draw_boxes(rows, ax=boxes.draw_image(np.zeros((30, 30))), labels=labels)
        ax.figure.canvas.draw()
    assert not any(text._preprocess_math(text.get_text())[1] for text in ax.texts)


def targets(names):
    count = len(names)
    rows = np.tile(np.array([[2, 2, 20, 20]], np.float32), (count, 1))
    labels = np.arange(1, count + 1)
    return Target(rows, labels, np.zeros((count, 30, 30), bool)), Detections(rows, labels, np.linspace(0.9, 0.6, count))


def drawn(kind, names, ax):
    """One of the drawings that show names of the reader's own."""
    image, classes = np.zeros((30, 30, 1)), ("background", *names)
    truth, found = targets(names)
    numbers = dict(zip(names, range(1, len(names) + 1)))
    match kind:
        case "truth":
            detections.draw_truth(image, truth, classes, ax=ax)
        case "detections":
            detections.draw_detections(image, found, classes, ax=ax)
        case "judged":
            detections.draw_judged(image, truth, found, classes, ax=ax)
        case "confusion":
            confusion.draw_confusion(np.eye(len(classes), dtype=int), classes, ax=ax)
        case "lines":
            lines.draw_lines({name: np.arange(3.0) for name in names}, ax=ax)
        case "bars":
            lines.draw_bars({names[0]: np.ones(len(names)), names[1]: np.ones(len(names))}, names=names, ax=ax)
        case "histogram":
            lines.draw_histogram({name: np.arange(3.0) for name in names}, ax=ax)
        case "mark":
            lines.mark_x(ax, 1, names[0])
        case "graph":
            graph.draw_graph({names[0]: (0, 0), names[1]: (1, 0)}, [(names[0], names[1])], ax=ax)
        case "handles":
            legends.legend_below(ax, [legends.line_handle(name, style.BLUE) for name in names])
        case "message":
            style.say(ax, names[0])
        case "figures":
            figures = [
                bars.bars_figure(numbers, title="t", label="number"),
                detections.detections_figure([image], None, [found], classes),
            ]
            figures += [confusion.confusion_figure(np.eye(len(classes), dtype=int), classes), fates.fate_figure([], [])]
            for figure in figures:
                figure.canvas.draw()
            return [text for figure in figures for text in figure.findobj(Text)]
    ax.figure.canvas.draw()
    return ax.figure.findobj(Text)


KINDS = "truth detections judged confusion lines bars histogram mark graph handles message figures".split()


@pytest.mark.parametrize("kind", KINDS)
def test_names_stand_on_every_drawing_as_they_are(kind):
    """On axes of the reader's own, where nothing but the text itself says that it is no mathematics."""
    figure = Figure()
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = drawn(kind, [r"$\frac", "a$b$ c", "猫$x$", "größe"], figure.subplots())
    shown = [text._preprocess_math(text.get_text()) for text in texts]
    assert not [text for text, mathematics in shown if mathematics]
    assert any(r"$\frac" in text for text, _ in shown)


def test_a_missing_character_comes_from_another_installed_font(capsys):
    """STIX, which comes with matplotlib, has symbols that its common font has not."""
    common, stix = (
        set(font_manager.get_font(font_manager.findfont(name)).get_charmap()) for name in ("DejaVu Sans", "STIXGeneral")
    )
    square = next(chr(code) for code in sorted(stix - common) if code > 0x2100)
    family = list(rcParams["font.family"])
    assert as_written(f"a{square}") == f"a{square}"
    assert rcParams["font.family"][:-1] == family and capsys.readouterr().err == ""
    added = font_manager.get_font(font_manager.findfont(rcParams["font.family"][-1]))
    assert added.get_char_index(ord(square))
    as_written(square)
    assert len(rcParams["font.family"]) == len(family) + 1  # once is enough
    figure = style.new_figure(2, 1)
    figure.text(0.1, 0.5, as_written(square), fontsize=40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba())[..., :3].min() < 128  # there is ink


def test_what_no_font_has_is_drawn_as_its_code_and_said_once(capsys, monkeypatch):
    monkeypatch.setattr(lettering, "_font_names", lambda: [])
    assert as_written("猫 cat") == r"\u732b cat" and as_written("\U0001f9ff犬") == r"\U0001f9ff\u72ac"
    err = capsys.readouterr().err
    assert err.count("note:") == 1 and r"'猫', so its code \u732b is drawn" in err


def test_the_whole_package_warns_of_no_name():
    """A new process, in which the first text on the page is one that no common font has."""
    code = (
        "import numpy as np, warnings\nwarnings.simplefilter('error')\nfrom tinymaskrcnn import visualize as v\n"
        "from tinymaskrcnn.structures import Target\n"
        "target = Target(np.array([[1, 1, 9, 9]], np.float32), np.array([1]), np.zeros((1, 12, 12), bool))\n"
        "v.draw_truth(np.zeros((12, 12)), target, ('background', '\\u732b\\u72ac\\ud800')).figure.canvas.draw()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.count("\n") <= 1 and "Warning" not in done.stderr


def test_the_alternative_text_holds_the_name():
    figure = style.new_figure(2, 2)
    figure.suptitle(as_written("$5"))
    assert figure.alt_text() == "$5" and visualize is not None
