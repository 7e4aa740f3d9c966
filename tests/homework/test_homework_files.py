"""Files are whole or not there."""

import os

import pytest

from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.homework.files import LARGEST, NOTEBOOK_FILE, read_program, set_aside, write_file, write_new


def test_writing_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_file(path, "one")
    assert write_file(path, "zwölf") == path and path.read_text(encoding="utf-8") == "zwölf"
    write_file(path, b"\x00")
    assert path.read_bytes() == b"\x00" and os.listdir(path.parent) == ["a.txt"]


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    path = write_file(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_never_written_over_an_old_one(tmp_path, monkeypatch, links):
    if not links:

        def no_links(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", no_links)
    path = write_new(tmp_path / "a.txt", "mine")
    with pytest.raises(ArgumentError, match="is there already"):
        write_new(path, "other")
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    "contents",
    [b"x = '\xc3\xa4'\n", b"\xef\xbb\xbfx = '\xc3\xa4'\r\n", b"# -*- coding: latin-1 -*-\r\nx = '\xe4'\r\n"],
)
def test_what_editors_add_is_no_part_of_a_program(tmp_path, contents):
    (tmp_path / "a.py").write_bytes(contents)
    text = read_program(tmp_path / "a.py")
    assert text.endswith("x = 'ä'\n") and not text.startswith("\ufeff")


@pytest.mark.parametrize("contents", [b"\xff\xfe\x00", b"# coding: klingon\n", b"# coding: utf-8\n\xe4"])
def test_what_is_no_text_is_an_error(tmp_path, contents):
    (tmp_path / "a.py").write_bytes(contents)
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read_program(tmp_path / "a.py")


def test_a_huge_file_is_not_read(tmp_path):
    with open(tmp_path / "a.py", "wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(DataError, match=f"52428800 bytes; a homework file has at most {LARGEST}"):
        read_program(tmp_path / "a.py")


def test_names_that_are_no_text_can_be_written_down(tmp_path):
    assert write_file(tmp_path / "a.txt", "fran\udce7ois").read_text() == "fran\\udce7ois"


@pytest.mark.parametrize(
    "contents",
    [
        b'{"cells": [], "nbformat": 4, "x": null}',
        b'\xef\xbb\xbf{\r\n "metadata": {},\r\n "cells": [\r\n  {"source": "a',
        b'{\n "cells": [' + b" " * LARGEST,
    ],
)
def test_a_notebook_is_told_by_what_is_in_it(tmp_path, contents):
    (tmp_path / "hw04.py").write_bytes(contents)
    with pytest.raises(DataError) as error:
        read_program(tmp_path / "hw04.py")
    assert str(error.value) == f"{tmp_path / 'hw04.py'}: {NOTEBOOK_FILE}"


def test_a_set_at_the_top_is_no_notebook(tmp_path):
    (tmp_path / "a.py").write_text("{1, 2}\ncells = [3]\n")
    assert read_program(tmp_path / "a.py") == "{1, 2}\ncells = [3]\n"


def test_what_is_there_moves_to_a_folder_of_its_own(tmp_path):
    assert set_aside(tmp_path, ["a.txt"]) is None and os.listdir(tmp_path) == []
    for number in (1, 2):
        for name in ("a.txt", "b.txt"):
            (tmp_path / name).write_text(f"{name} {number}")
        place = set_aside(str(tmp_path), ["a.txt", "none.txt"])
        assert place.parent == tmp_path and place.name.endswith(f"-{number}") and os.listdir(place) == ["a.txt"]
        assert (place / "a.txt").read_text() == f"a.txt {number}" and not (tmp_path / "a.txt").exists()
    assert (tmp_path / "b.txt").read_text() == "b.txt 2"
