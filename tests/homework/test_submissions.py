"""Which file is graded for whom; no file is left out without a word."""

import os
import unicodedata

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.files import NOTEBOOK_FILE
from tinymaskrcnn.homework.submissions import collect


def lay_out(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def test_flat_files_and_folders_are_found(tmp_path):
    lay_out(tmp_path, "bob/hw01.py", "alice_hw01.py", "hw01-carol.py", "HANS_HW01.PY", "HW02_Erin.py")
    found = collect(tmp_path)
    names = ["HANS", "alice", "bob", "carol"]
    assert [s.student for s in found.submissions if s.homework == "hw01" and s.path] == names
    assert [s.student for s in found.submissions if s.homework == "hw02" and s.path] == ["Erin"]
    assert found.remarks() == []


def test_a_folder_without_submissions_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="holds no submissions"):
        collect(tmp_path)
    with pytest.raises(ArgumentError, match="is none"):
        collect(tmp_path / "nowhere")
    lay_out(tmp_path, "dora.py")
    with pytest.raises(ArgumentError, match="not graded, because the name does not say which homework: dora.py"):
        collect(tmp_path)


def test_other_names_are_told_and_not_graded(tmp_path):
    lay_out(tmp_path, "ann/hw01.py", "ann/hw02.py", "bob/homework1.py", "carl/hw02.py", "dora.py", "eve_hw1.py")
    lay_out(tmp_path, "ann/.x.py", "ann/__init__.py", "fred_hw01.ipynb", "gina/hw01.py/nothing.txt")
    found = collect(tmp_path, "hw01")
    assert found.remarks() == [
        "not graded, because the name does not say hw01: bob/homework1.py, carl/hw02.py, dora.py, eve_hw1.py",
        "not graded, because it is a folder or no file at all: gina/hw01.py",
        "not graded, because it is no .py file: fred_hw01.ipynb",
    ]
    assert {s.student: s.note for s in found.submissions} == {
        "ann": "",
        "bob": "no hw01.py; found homework1.py",
        "carl": "no hw01.py; found hw02.py",
        "fred": f"found fred_hw01.ipynb: {NOTEBOOK_FILE}",
        "gina": "no hw01.py; found hw01.py/",
    }


def test_of_several_files_one_is_graded_and_the_others_are_told(tmp_path):
    lay_out(tmp_path, "zoe/hw01.py", "zoe_hw01.py", "bob/a_hw01.py", "bob/hw01.py", "hw01_bob.py")
    found = collect(tmp_path, "hw01")
    assert {s.student: s.path.relative_to(tmp_path).as_posix() for s in found.submissions} == {
        "bob": "bob/hw01.py",
        "zoe": "zoe/hw01.py",
    }
    assert found.remarks() == [
        "bob handed in 3 times: graded bob/hw01.py, not bob/a_hw01.py, hw01_bob.py",
        "zoe handed in twice: graded zoe/hw01.py, not zoe_hw01.py",
    ]


def test_every_name_and_file_is_dealt_with(tmp_path):
    folder = lay_out(tmp_path / "in", "HW01_Erin.py", "fred/hw01.py/x")
    (folder / "graded").mkdir()
    os.mkfifo(folder / "fifo_hw01.py")
    (folder / "gone_hw01.py").symlink_to("nowhere")
    (folder / os.fsdecode(b"fran\xe7ois")).mkdir()
    found = collect(folder, "hw01", out=folder / "graded")
    assert {s.student: s.path and s.path.name for s in found.submissions} == {
        "Erin": "HW01_Erin.py",
        "fran\\xe7ois": None,
        "fred": None,
    }
    assert found.remarks()[0].endswith(": fred/hw01.py, fifo_hw01.py, gone_hw01.py")


@pytest.mark.parametrize(
    "names, taken",
    [
        (["doejane_12345_67890_hw01.py", "doejane_12345_67891_hw01-1.py"], {"doejane_12345": 1}),  # Canvas
        (["roejoe_LATE_12345_67890_hw01-2.py"], {"roejoe_12345": 0}),
        (["Ann Lee_77_assignsubmission_file_/hw01.py"], {"Ann Lee_77": 0}),  # Moodle
        (["Ann Lee_77_assignsubmission_file_hw01.py"], {"Ann Lee_77": 0}),
        (["HW_jo_attempt_2026-01-31-12-00-00_hw01.py", "HW_jo_attempt_2026-02-01-12-00-00_hw01.py"], {"jo": 1}),
        (["alice_hw01.py", "alice_hw01 (1).py"], {"alice": 1}),  # a browser
        (["alice_hw01-10.py", "alice_hw01-9.py"], {"alice": 0}),
        (["eve/hw01 (2).py", "eve/hw01.py", "eve/draft_hw01.py"], {"eve": 0}),
        (["bob_hw01_final.py"], {"bob": 0}),
        (["hw01_final.py"], {"final": 0}),
        (["Gil Gal - hw01 - Copy.py"], {"Gil Gal": 0}),
        (["team_1_2_hw01.py", "team_1_3_hw01.py"], {"team_1_2": 0, "team_1_3": 1}),
        ([unicodedata.normalize("NFD", "Zoë_hw01.py"), "Zoë/hw01.py"], {"Zoë": 1}),
        ([unicodedata.normalize("NFD", "Zoë/notes.txt"), "Zoë/hw01.py"], {"Zoë": 1}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_names_as_the_systems_that_hand_out_files_write_them(tmp_path, names, taken):
    found = collect(lay_out(tmp_path, *names), "hw01")
    assert {s.student: names.index(s.path.relative_to(tmp_path).as_posix()) for s in found.submissions} == taken
    assert bool(found.twice) == (len([name for name in names if name.endswith(".py")]) > len(taken))


def test_who_handed_in_late_or_another_kind_of_file_is_on_the_list(tmp_path):
    lay_out(tmp_path, "roejoe_LATE_12345_67890_hw01.py", "dan_hw01.py.txt", "eve/hw01.ipynb", "fay_hw01.docx")
    notes = {s.student: s.note for s in collect(tmp_path, "hw01").submissions}
    assert notes == {
        "roejoe_12345": "handed in late",
        "dan": "found dan_hw01.py.txt",
        "eve": f"no hw01.py; found hw01.ipynb: {NOTEBOOK_FILE}",
        "fay": "found fay_hw01.docx",
    }
