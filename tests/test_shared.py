"""shared.py: made once by whoever comes first, and made anew where that one failed."""

import threading
import time

import pytest
import shared


def test_many_come_and_one_makes_it(tmp_path):
    made, found = [], []

    def make(folder):
        made.append(folder)
        time.sleep(0.1)
        (folder / "result").write_text("whole")

    def come():
        found.append((shared.made_once(tmp_path / "thing", make) / "result").read_text())

    crowd = [threading.Thread(target=come) for _ in range(6)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert found == ["whole"] * 6 and len(made) == 1


def test_where_it_failed_the_next_one_begins_with_an_empty_folder(tmp_path):
    def fail(folder):
        (folder / "half").touch()
        raise KeyError("half way")

    def make(folder):
        assert not list(folder.iterdir())

    with pytest.raises(KeyError, match="half way"):
        shared.made_once(tmp_path / "thing", fail)
    assert shared.made_once(tmp_path / "thing", make) == tmp_path / "thing"


def test_nobody_waits_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "PATIENCE", 0.1)
    (tmp_path / "thing.lock").mkdir()
    with pytest.raises(TimeoutError, match="thing is still being made"):
        shared.made_once(tmp_path / "thing", lambda folder: None)
