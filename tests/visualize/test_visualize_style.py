"""Figures without pyplot, and files that are whole or not there."""

import ast
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from drawing_checks import assert_legible, words

import tinymaskrcnn.visualize
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import style


def test_pyplot_is_never_imported():
    """It would keep every figure alive and want a screen."""
    for path in Path(tinymaskrcnn.visualize.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = getattr(node, "module", "") or ""
            assert not any("pyplot" in name for name in [module, *names]), path.name


def test_figures_go_when_nobody_holds_them():
    figure = style.new_figure(2, 2)
    gone = weakref.ref(figure)
    del figure
    gc.collect()
    assert gone() is None


def test_notebooks_show_a_figure_by_itself():
    png, words = style.new_figure(1, 1)._repr_png_()
    assert png.startswith(b"\x89PNG") and words == {"alt": "picture"}


def test_a_figure_tells_what_it_shows_to_those_who_do_not_see_it():
    figure = style.new_figure(4, 2)
    left, right = figure.subplots(1, 2)
    left.set_title("the  loss\n(mean)")
    left.set_xlabel("step")
    left.set_ylabel("loss")
    right.set_title("the mask")
    figure.suptitle("training")
    assert figure.alt_text() == "training; the loss (mean): loss against step; the mask"


def test_save_figure_writes_one_whole_file(tmp_path):
    path = style.save_figure(style.message_figure("hello"), tmp_path / "picture.png")
    assert path.read_bytes().startswith(b"\x89PNG") and path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    figure = style.message_figure("new")

    def disk_full(file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", disk_full)
    with pytest.raises(OSError, match=r"No space left on device.*picture\.png"):
        style.save_figure(figure, path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_save_figure_names_what_is_wrong(tmp_path):
    with pytest.raises(ArgumentError, match=r"must end in \.png.*picture\.txt"):
        style.save_figure(style.new_figure(1, 1), tmp_path / "picture.txt")
    with pytest.raises(OSError, match=r"nowhere"):
        style.save_figure(style.new_figure(1, 1), tmp_path / "nowhere" / "picture.png")


def test_ten_classes_have_ten_colours():
    assert len({style.color_of(label) for label in range(1, 11)}) == 10
    assert style.color_of(11) == style.color_of(1)


def test_names_and_ink():
    assert style.name_of(2, ("background", "cat", "dog")) == "dog"
    assert style.name_of(5, ("background", "cat")) == "5" == style.name_of(5)
    assert style.ink_on("#F0E442") == "black" and style.ink_on("#0072B2") == "white"


def test_message_figure_is_legible():
    figure = style.message_figure("there is nothing to see here")
    assert words(figure) == ["there is nothing to see here"]
    assert_legible(figure)


@pytest.mark.parametrize("window", [1, 2, 3, 8, 100])
def test_running_mean(window):
    values, half = np.random.default_rng(0).random(12), window // 2
    expected = [values[max(0, i - half) : i + half + 1].mean() for i in range(12)]
    np.testing.assert_allclose(style.running_mean(values, window), expected)
