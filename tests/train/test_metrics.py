"""metrics.jsonl survives a cut-off line, and forgets what a resumed run computes again."""

import json

import pytest

from tinymaskrcnn.errors import DataError
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


@pytest.mark.parametrize("end", ["{", '{"st', '{"step": ', '{"step": 6, "lo', "", "hello", '{"loss": 1', "}", " {"])
def test_only_the_beginning_of_a_row_is_what_a_kill_leaves(path, end, capsys):
    path.write_text(path.read_text() + end)
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3, 4, 5]
    said = capsys.readouterr().err
    assert (said == "") == '{"step": 6, "lo'.startswith(end)
    assert said == "" or "line 6: " in said


def test_truncation_keeps_rows_up_to_the_step(path):
    path.write_text(path.read_text() + '{"step": 6, "lo')
    truncate_rows(path, 3)
    append_row(path, {"step": 4})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    assert [p.name for p in path.parent.iterdir()] == ["metrics.jsonl"]


ROW = '{"step": 3, "loss": 0.3}'
DAMAGE = {
    "no JSON": "hello",
    "cut in the middle": ROW[:9],
    "NaN": '{"step": 3, "loss": NaN}',
    "too large": '{"step": 3, "loss": 1e300}',
    "no step": '{"loss": 0.3}',
    "step as a text": '{"step": "3", "loss": 0.3}',
    "step 0": '{"step": 0, "loss": 0.3}',
    "step true": '{"step": true}',
    "step far out": f'{{"step": {1 << 60}}}',
    "half a step": '{"step": 3.0}',
    "a number": "3",
    "a list": "[3]",
    "nothing": "null",
    "loss as a text": '{"step": 3, "loss": "0.3"}',
    "loss as a table": '{"step": 3, "loss": {}}',
    "a strange name": '{"step": 3, "a\\u0007b": 1}',
    "a long name": '{"step": 3, "%s": 1}' % ("x" * 1000),
    "many names": json.dumps({"step": 3} | {f"x{i}": 1 for i in range(100)}),
    "nested": "[" * 50_000,
    "long": '{"step": 3, "loss": %s}' % ("1" * 200_000),
    "a name twice": '{"step": 3, "step": 4}',
    "bytes": b"\xff\x00\xfe\x80",
    "a row again": '{"step": 1, "loss": 9}',
}


@pytest.mark.parametrize("case", DAMAGE)
def test_one_bad_line_costs_no_other_and_the_file_is_kept(path, case, capsys):
    lines = path.read_bytes().splitlines()
    lines[2] = DAMAGE[case] if isinstance(DAMAGE[case], bytes) else DAMAGE[case].encode()
    before = b"\n".join(lines) + b"\n"
    path.write_bytes(before)
    assert [row["step"] for row in read_rows(path)] == [1, 2, 4, 5]
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: 1 line is no row") and "line 3: " in said or case == "a row again"
    assert said.count("\n") == 1 and len(said) - len(str(path)) < 400

    assert [row["step"] for row in truncate_rows(path, 4)] == [1, 2, 4]
    assert "kept as metrics.damaged.jsonl" in capsys.readouterr().err
    assert (path.parent / "metrics.damaged.jsonl").read_bytes() == before
    append_row(path, {"step": 5})
    assert [row["step"] for row in truncate_rows(path, 9)] == [1, 2, 4, 5] and capsys.readouterr().err == ""
    assert sorted(p.name for p in path.parent.iterdir()) == ["metrics.damaged.jsonl", "metrics.jsonl"]


@pytest.mark.parametrize("count, read", [(64, True), (65, False)])
def test_all_rows_together_have_at_most_64_names(path, count, read):
    """Few in each row; step and loss are two of them."""
    rows = [{"step": 6 + k, f"x{k}": 1} for k in range(count - 2)]
    path.write_text(path.read_text() + "".join(json.dumps(row) + "\n" for row in rows))
    assert read_rows(path)[-1]["step"] == (rows[-1]["step"] if read else rows[-2]["step"])


@pytest.mark.parametrize("links", [True, False])
def test_every_damaged_file_is_kept(path, links, monkeypatch):
    if not links:

        def no_links(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr("os.link", no_links)
    for number in range(3):
        path.write_text(f"damage {number}\n")
        assert truncate_rows(path, 9) == [] and path.read_text() == ""
    kept = ["metrics.damaged.jsonl", "metrics.damaged-2.jsonl", "metrics.damaged-3.jsonl"]
    assert [(path.parent / name).read_text() for name in kept] == ["damage 0\n", "damage 1\n", "damage 2\n"]


def test_rows_out_of_order_are_ordered_and_the_later_of_two_counts(path, capsys):
    rows = [{"step": step, "loss": loss} for step, loss in [(1, 1), (3, 3), (2, 2), (3, 9), (4, 4)]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(row["step"], row["loss"]) for row in read_rows(path)] == [(1, 1), (2, 2), (3, 9), (4, 4)]
    assert (
        "1 line is no row of a training, or out of place (line 3: step 2 stands behind step 3)"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_an_editor_saved_again_is_read(path, encoding, capsys):
    path.write_bytes((path.read_text() + "\n\n").replace("\n", "\r\n").encode(encoding))
    assert [row["step"] for row in truncate_rows(path, 4)] == [1, 2, 3, 4]
    assert capsys.readouterr().err == "" and path.read_bytes().startswith(b'{"step": 1, "loss": 0.1}\n')


def test_rows_stay_as_they_were_written(path):
    path.write_text('{"step": 1, "loss": 0.10, "more": null}\n')
    truncate_rows(path, 1)
    assert path.read_text() == '{"step": 1, "loss": 0.10, "more": null}\n'


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read_rows(tmp_path)


def test_no_file_is_no_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == []
    assert truncate_rows(tmp_path / "none.jsonl", 0) == []


def test_a_failed_write_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught:
        append_row(tmp_path / "missing" / "metrics.jsonl", {})
    assert "metrics.jsonl" in caught.value.filename


def test_memory_is_a_plausible_number():
    assert 5 < resident_megabytes() < 100_000
