"""Files are whole or not there."""

import os

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.files import write_bytes, write_new, write_text


def test_writing_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one")
    assert write_text(path, "zwölf") == path and path.read_text(encoding="utf-8") == "zwölf"
    write_bytes(path, b"\x00")
    assert path.read_bytes() == b"\x00" and os.listdir(path.parent) == ["a.txt"]


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    path = write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
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
