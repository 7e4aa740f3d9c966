"""metrics.jsonl survives a cut-off line, and forgets what a resumed run computes again."""

import json

import pytest

from tinymaskrcnn.train.metrics import append_row, read_rows, resident_megabytes, truncate_rows


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in range(1, 6):
        append_row(path, {"step": step, "loss": step / 10})
    return path


def test_rows_come_back(path):
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3, 4, 5]
    assert len(path.read_text().splitlines()) == 5


def test_a_cut_off_line_is_left_out(path):
    path.write_text(path.read_text()[:-5])
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3, 4]


def test_truncation_keeps_rows_up_to_the_step(path):
    path.write_text(path.read_text() + '{"step": 6, "lo')
    truncate_rows(path, 3)
    append_row(path, {"step": 4})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    assert [p.name for p in path.parent.iterdir()] == ["metrics.jsonl"]


def test_no_file_is_no_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == []
    assert truncate_rows(tmp_path / "none.jsonl", 0) == []


def test_a_failed_write_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught:
        append_row(tmp_path / "missing" / "metrics.jsonl", {})
    assert "metrics.jsonl" in caught.value.filename


def test_memory_is_a_plausible_number():
    assert 5 < resident_megabytes() < 100_000
