"""Every limit of the checker, at its border: the last that passes and the first that does not."""

import dataclasses
import inspect
import json
import types
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.homework import asking, check, diagnose, grade, remote
from tinymaskrcnn.homework.answer import Answer, Trouble, local_answer, trouble_of
from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.differences import _adds_up, _of_factors, _ratio, describe_difference
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.explain import _written, explanation, given, small_arrays
from tinymaskrcnn.homework.feedback import _numbered, own_functions
from tinymaskrcnn.homework.files import read_program, set_aside
from tinymaskrcnn.homework.judge import Result, Verdict, Wrong, agrees, draw_call, first_difference, judge, told_apart
from tinymaskrcnn.homework.loading import Stumble, load
from tinymaskrcnn.homework.overlay import MissingFunction, function_in
from tinymaskrcnn.homework.remarks import Note, sentences
from tinymaskrcnn.homework.submissions import Submission
from tinymaskrcnn.homework.summary import summary
from tinymaskrcnn.homework.wire import LARGEST, LARGEST_HEAD, WireError, pack, unpack

EXERCISE = find_exercise("hw01.linear_backward")


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("dtype, limit", [(np.float32, 1e-4), (np.float64, 1e-9)])
def test_what_counts_as_rounding(dtype, limit):
    """A share of the largest finite number of the array, not of the number itself."""
    want = np.array([1000.0, 1.0, np.inf], dtype)
    for share, close in ((0.8, True), (1.25, False)):
        got = want + np.array([0, dtype(share * limit * 1000), 0], dtype)
        assert agrees(want, got).tolist() == [True, close, True]
    assert agrees(np.zeros(1), np.array([1e-40])).all() and not agrees(np.zeros(1), np.array([1e-37])).any()
    assert agrees(np.array([3]), np.array([3])).all() and not agrees(np.array([3]), np.array([4])).any()


def test_digits_are_as_many_as_tell_apart():
    for off, texts in ((1e-3, ["1", "1.001"]), (1e-7, ["1", "1.0000001"]), (1e-16, ["1", "1.0000000000000002"])):
        assert told_apart(np.float64(1), np.float64(1) + max(off, 2.2e-16)) == texts
    assert told_apart(np.float64(1), np.float64(2), least=12) == ["1", "2"]


def test_the_numbers_of_a_case_are_its_own_whatever_else_there_is():
    case = next(c for c in EXERCISE.cases if c.kind == "ownership")
    renamed, other = dataclasses.replace(case, name="another"), find_exercise("hw01.softmax_backward")
    same = draw_call(EXERCISE, dataclasses.replace(case, why="other words"), seed=1).args[0]
    np.testing.assert_array_equal(same, draw_call(EXERCISE, case, seed=1).args[0])
    for exercise, drawn, seed in ((EXERCISE, renamed, 1), (other, case, 1), (EXERCISE, case, 2)):
        assert not np.array_equal(draw_call(exercise, drawn, seed=seed).args[0], same)


@pytest.mark.parametrize("dtype, limit", [(np.float32, 1e-3), (np.float64, 1e-6)])
def test_what_counts_as_one_factor(dtype, limit):
    want = np.array([1.0, 2, 3, 0], dtype)
    for share, one in ((0.3, True), (3.0, False)):
        got = 2 * want * (1 + np.array([0, limit * share, 0, 0], dtype))
        assert (_ratio(want, got) is not None) == one
    assert _ratio(want, 2 * want + np.array([0, 0, 0, 1], dtype)) is None and _ratio(want, want[:3]) is None
    assert "right but for its last digits" in _of_factors("x", [(want, want * (1 + dtype(limit) * dtype(0.5)))])
    assert "times what it should be" in _of_factors("x", [(want, want * dtype(1 + 3 * limit))])


def test_what_adds_up():
    for off, fine in ((0.5e-5, True), (8e-5, False)):
        assert _adds_up(np.array([[0.25, 0.75 + off]]), 1) == fine
    assert not _adds_up(np.ones((3, 1)), 1) and not _adds_up(np.float64(1), 1)


def test_something_small_that_is_taken_for_0():
    """Below a thousandth; elsewhere the part is right."""
    for size, said in ((0.9e-3, True), (1.1e-3, False)):
        want, zero = np.full(3, size), np.zeros(3)
        wrong = Wrong("y", want, zero, "")
        exercise = types.SimpleNamespace(returns=("y",), parts=lambda output, call: {"y": output}, results=None)
        results = (Result(None, False, wrong=wrong, output=zero), Result(None, True, output=np.ones(2)))
        verdict = types.SimpleNamespace(exercise=exercise, first=results[0], results=results)
        assert describe_difference(verdict).endswith("is something small taken for 0?") == said


# ---------------------------------------------------------------- lengths


def test_an_exceptions_text_and_where_it_was_raised():
    assert len(trouble_of(ValueError("x" * 5000)).message) == 2000
    lines = ["  a = 1  ", "b"]
    for line, text in ((0, ""), (1, "a = 1"), (2, "b"), (3, "")):
        error = SyntaxError("no", ("f.py", line, 1, ""))
        assert trouble_of(error, "f.py", lines).text == (text if line else "")
    for error, kind in ((NotImplementedError(), "empty"), (MemoryError(), "memory"), (RecursionError(), "exception")):
        assert trouble_of(error).kind == kind
    assert trouble_of(KeyError()).message == "KeyError" and trouble_of(KeyError()).line == 0


def test_a_file_has_a_quarter_of_a_megabyte_at_most(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text("#" * (256 << 10))
    assert len(read_program(path)) == 262144
    path.write_text("#" * ((256 << 10) + 1))
    with pytest.raises(DataError, match="262145 bytes; a homework file has at most 262144"):
        read_program(path)


def test_results_are_set_aside_under_the_next_number(tmp_path):
    (tmp_path / "earlier-9").mkdir()
    (tmp_path / "earlier-x").mkdir()
    (tmp_path / "a").write_text("1")
    assert set_aside(tmp_path, ["a", "b"]).name == "earlier-10" and set_aside(tmp_path, ["a", "b"]) is None
    assert (tmp_path / "earlier-10" / "a").read_text() == "1"


def test_functions_are_shown_to_their_60th_line_and_200th_letter():
    for count, more in ((60, False), (61, True)):
        node = types.SimpleNamespace(lineno=1, end_lineno=count)
        shown = _numbered([f"  x{'y' * 300}"] * count, node).split("\n")
        assert len(shown) == 60 + more and shown[0] == "   1  x" + "y" * 199
        assert (shown[-1] == "      ... and 1 more lines") == more
    found = own_functions("hw01", "\n\ndef sum_grads(*g):\n    return 1\n")
    assert found == {"hw01.sum_grads": "   3  def sum_grads(*g):\n   4      return 1"}


def test_arrays_are_written_in_full_up_to_24_numbers_and_side_by_side_up_to_64():
    assert _written(np.ones((4, 6)))[0].startswith("[[1.") and _written(np.ones(25)) == ["float64 array of shape (25,)"]
    assert _written(np.ones((2, 1, 2)))[-1].endswith("]]  (2, 1, 2)") or "(2, 1, 2)" in _written(np.ones((2, 1, 2)))[0]
    assert _written(None) == ["None"] and _written((1, 2)) == ["(1, 2)"] and _written(np.float32(0.5)) == ["0.5"]
    for count, shown in ((64, True), (65, False), (0, False)):
        assert bool(small_arrays(Wrong("x", np.ones(count), np.zeros(count), ""))) == shown
    assert not small_arrays(Wrong("x", np.ones(3), np.zeros(65), "")) and not small_arrays(Wrong("x", 1, 2, ""))
    assert small_arrays(Wrong("x", np.array(1.0), np.array(2.0), "")) == []
    call = types.SimpleNamespace(args=(np.ones(25), 3), data={})
    exercise = types.SimpleNamespace(blank=types.SimpleNamespace(parameters=lambda count: ["x", "n"]))
    result = types.SimpleNamespace(call=call, case=types.SimpleNamespace(kind="value"))
    assert given(exercise, result) == []
    call.args = (np.ones(24), 3)
    assert given(exercise, result)[0] == "given:" and given(exercise, result)[-1] == "  n = 3"


def test_twenty_printed_lines_are_shown():
    for count, cut in ((20, False), (21, True)):
        verdict = judge(EXERCISE, lambda call, n=count: Answer(None, printed="row\n" * n))
        lines = explanation(verdict)
        assert lines.count("  row") == 20 and ("  ..." in lines) == cut


def test_what_crosses_between_processes_has_a_size():
    body = np.zeros(LARGEST, np.uint8)
    assert LARGEST == 1 << 24 and LARGEST_HEAD == 1 << 20
    assert len(unpack(pack(body))) == LARGEST
    with pytest.raises(WireError, match="17 MB are larger than any message"):
        pack([body, np.zeros(1, np.uint8)])
    text = "x" * (LARGEST_HEAD - len('{"is": ""}'))
    assert unpack(pack(text)) == text
    with pytest.raises(WireError, match="1 MB are larger"):
        pack(text + "x")


def test_long_words_of_another_process_are_cut():
    words = asking._words
    assert words("ä" * 3000) == "ä" * 2000 and words("abc", 2) == "ab" and words("\ud800") == "?"
    assert [remote._how(status) for status in (None, -9, 3)] == ["", " by signal 9", " with exit status 3"]


def test_a_call_of_an_audit_is_shown_by_60_letters():
    long = "getattr(x, '__globals__', " + "y" * 80 + ")"
    [(line, words)] = audit(f"\nf = {long}\n")
    assert line == 2 and words == f"`{long[:60]}`"


# ---------------------------------------------------------------- options


def test_numbers_of_a_grading():
    fine = {"seed": 0, "seconds": 5.0, "memory": 64 << 20, "processes": None}
    for change, said in (
        ({}, None),
        ({"seed": -1}, "--seed must be a whole number, 0 or more; got -1"),
        ({"seconds": 0}, "--seconds must be a time above 0; got 0"),
        ({"seconds": 1e6}, "--seconds must be a time above 0; got 1e"),
        ({"seconds": 1e5}, None),
        ({"memory": (64 << 20) - 1}, "--memory must be at least 64 MB, which Python and NumPy need; got 63"),
        ({"memory": (1 << 50) - 1}, None),
        ({"memory": 1 << 50}, "--memory must be at least 64 MB"),
        ({"processes": 0}, "--processes must be at least 1; got 0"),
        ({"processes": 1}, None),
    ):
        if said is None:
            grade._check_numbers(**fine | change)
            continue
        with pytest.raises(ArgumentError, match=said):
            grade._check_numbers(**fine | change)


def test_as_many_at_once_as_there_are_cores_and_files(monkeypatch):
    monkeypatch.setattr(grade, "available_cores", lambda: 3)
    said = []
    for processes, groups, wanted in ((None, 9, 3), (2, 9, 2), (9, 9, 3), (3, 9, 3), (None, 2, 2), (None, 0, 1)):
        assert grade._at_once(processes, groups, said.append) == wanted
    assert said == ["9 processes were asked for; 3 cores can be used: 3 at a time"]
    monkeypatch.setattr(grade, "available_cores", lambda: 1)
    assert grade._at_once(2, 5, said.append) == 1 and "1 core can be used: 1 at a time" in said[-1]


def test_what_is_meant_when_nothing_is_said():
    """Ten seconds to check, five to grade, two gigabytes, seed 0, and commas."""
    assert (remote.SECONDS, grade.SECONDS, remote.MEMORY) == (10.0, 5.0, 2 << 30)
    defaults = [
        {n: p.default for n, p in inspect.signature(f).parameters.items() if p.default is not p.empty}
        for f in (check.check_file, grade.grade, check.check_function)
    ]
    assert defaults[0] == dict(only=None, seed=0, hidden=False, strict=False, seconds=10.0, memory=2 << 30)
    told = defaults[1].pop("tell")
    assert told("anything") is None and defaults[2] == {"seed": 0, "hidden": False}
    assert defaults[1] == dict(
        homework=None, seed=0, seconds=5.0, memory=2 << 30, processes=None, pictures=True, separator=","
    )


def test_a_page_has_a_name_that_a_disk_can_hold(tmp_path):
    record = {"homework": "hw01", "note": "", "student": "ä" * 75}
    assert grade._with_page(tmp_path, record, "page") is record
    assert (tmp_path / "feedback" / f"{'ä' * 75}_hw01.html").read_text() == "page"
    names = set()
    for end in "xy":
        grade._with_page(tmp_path, record | {"student": "ä" * 75 + end}, "page")
        names |= {p.name for p in (tmp_path / "feedback").iterdir() if p.name[0] == "ä" and len(p.name) < 70}
    assert len(names) == 2 and all(name.startswith("ä" * 40 + "-") and len(name) == 40 + 1 + 8 + 10 for name in names)
    (tmp_path / "blocked").write_text("")
    noted = grade._with_page(tmp_path / "blocked", record | {"note": "before"}, "page")["note"]
    assert noted.startswith("before\nthe page could not be written: ")


def test_equal_files_are_found_and_what_cannot_be_read_is_graded_by_itself(tmp_path):
    made = {}
    for name, text in (("a", "x = 1"), ("b", "x = 1"), ("c", "x = 2"), ("d", "x = 1")):
        (tmp_path / f"{name}.py").write_text(text)
        made[name] = Submission(name, "hw02" if name == "d" else "hw01", tmp_path / f"{name}.py")
    made["none"] = Submission("none", "hw01", None)
    made["gone"] = Submission("gone", "hw01", tmp_path / "gone.py")
    made["link"] = Submission("link", "hw01", tmp_path / "a.py", linked=True)
    groups = grade._equal_files(list(made.values()))
    assert {first.student: [s.student for s in group] for first, group in groups.items()} == {
        "a": ["a", "b"], "c": ["c"], "d": ["d"], "none": ["none"], "gone": ["gone"], "link": ["link"],
    }  # fmt: skip


def test_tables_that_were_edited_are_noticed(tmp_path):
    for contents in (b"table", b"edited"):
        (tmp_path / "grades.csv").write_bytes(contents)
        (tmp_path / "grades.json").write_text(json.dumps({"sha256 of grades.csv": grade._print_of(b"table")}))
        assert grade._edited(tmp_path) == (contents == b"edited")
    for broken in ("{", "[]", "{}"):
        (tmp_path / "grades.json").write_text(broken)
        assert grade._edited(tmp_path) is False
    assert grade._edited(tmp_path / "nowhere") is False


def test_the_word_for_a_whole_submission():
    there, nothing = Submission("a", "hw01", Path("hw01.py")), Submission("a", "hw01", None)
    for words, wanted in (
        (["right", "right"], "right"),
        (["empty", "missing"], "empty"),
        (["right", "empty"], "partly right"),
        (["wrong", "empty"], "wrong"),
        (["right", "crashed", "too slow"], "partly right, too slow"),
        (["crashed", "wrong"], "crashed"),
        (["too slow", "too much memory"], "too much memory"),
        (["right", "tampered"], "tampered"),
    ):
        verdicts = [Verdict(EXERCISE, word, (), 0.0) for word in words]
        assert grade._overall(there, verdicts) == wanted
        assert grade._overall(nothing, verdicts) == "nothing handed in"


def test_a_class_in_short():
    def record(verdict, points, *words):
        entries = [{"id": f"hw01.{name}", "verdict": word, "points": 0} for name, word in zip("abc", words)]
        return {"homework": "hw01", "verdict": verdict, "points": points, "of": 17, "exercises": entries}

    records = [record("right", 17, "right", "right"), record("partly right, too slow", 8.55, "wrong", "crashed")]
    records += [record("crashed", 0, "crashed", "crashed"), record("tampered", 0, "right", "wrong", "wrong")]
    records += [record("nothing handed in", 0)]
    wanted = "4 submissions, mean 6.4 of 17; nothing handed in: 1; look at by hand: 1 tampered, 1 too slow; "
    assert summary(records) == [wanted + "most often wrong: hw01.b"]
    both = summary([records[0], {**records[0], "homework": "hw02", "points": 3.25}])
    assert both == ["hw01: 1 submission, mean 17 of 17", "hw02: 1 submission, mean 3.2 of 17"]


# ---------------------------------------------------------------- what is left out, and who is meant


def test_statements_that_fail_are_told_of_and_the_rest_runs():
    namespace = {"__builtins__": __builtins__}
    text = "a = 1\nb = nothing\nimport math as m\nraise SystemExit\nc = a + 1\n"
    stumbles = load(text, "f.py", namespace)
    assert [(s.line, s.text, s.names) for s in stumbles] == [(2, "b = nothing", ("b",)), (4, "raise SystemExit", ())]
    assert namespace["c"] == 2 and stumbles[0].message == "NameError: name 'nothing' is not defined"
    with pytest.raises(MemoryError):
        load("raise MemoryError", "f.py", {})
    assert load("x = " + "y" * 300, "f.py", {"__builtins__": {}})[0].text == ("x = " + "y" * 300)[:200]
    away = Stumble(3, "z", "PermissionError: hw01.x: the package's own solution is not allowed")
    assert away.put_away == "hw01.x" and away.in_words().startswith("line 3 was not run while hw01.x is checked")
    assert Stumble(3, "%z", "").in_words() == "line 3 is a line for notebooks and was left out: %z"


def test_of_each_line_one_sentence_and_how_many_more():
    def verdict(*notes):
        return types.SimpleNamespace(notes=notes)

    told = [
        verdict(Note(9, "nine"), Note(3, ""), Note(4, "mild", mild=True)),
        verdict(Note(3, "three"), Note(0, "all")),
    ]
    told.append(verdict(Note(4, "blamed"), Note(9, "again"), Note(7, "")))
    assert sentences(told) == ["three", "blamed", "nine", "all", "1 more line was left out"]
    assert sentences([verdict(Note(1, ""), Note(2, ""))]) == ["2 more lines were left out"] and sentences([]) == []


@pytest.mark.parametrize("name, meant", [("linear_bakward", True), ("linearbackward", True), ("backward_pass", False)])
def test_a_name_nearly_as_wanted_is_asked_about(name, meant):
    with pytest.raises(MissingFunction) as caught:
        function_in({name: lambda dy, cache: None}, EXERCISE.blank)
    said = str(caught.value)
    assert said.startswith("the file defines no function linear_backward")
    assert said.endswith(f"; is {name} meant to be it?") == meant


def test_what_comes_instead_of_numbers():
    for words, name in (
        ("only promises values", "map"),
        ("complex numbers", "complex128 array"),
        ("it holds text", "<U3"),
    ):
        from tinymaskrcnn.homework.wire import Other

        result = types.SimpleNamespace(output=Other(name), wrong=None)
        assert words in diagnose._of_kind(result)
    assert diagnose._of_kind(types.SimpleNamespace(output=Other("set"), wrong=None)) == ""
    assert diagnose._of_kind(types.SimpleNamespace(output=np.ones(2), wrong=Wrong("x", 1, np.ones(2), ""))) == ""


def test_writing_into_an_argument_is_told_by_its_name():
    def writes(dy, cache):
        dy += 0
        cache[0][...] = 7
        return dy @ cache[1].T, cache[0].T @ dy, dy.sum(axis=0)

    call = draw_call(EXERCISE, EXERCISE.cases[0], seed=0)
    assert local_answer(EXERCISE, writes, call).changed == ("cache[0]",)
    stopped = local_answer(EXERCISE, writes, call, path=inspect.getfile(writes), lines=[])
    assert stopped.changed == ("cache[0]",) and stopped.line == inspect.getsourcelines(writes)[1] + 1
    assert first_difference([1.0, "a"], [1.0, "b"], "r").name == "r[1]"


def test_half_the_points_need_every_plain_case_and_an_end():
    def judged(trouble=None, plain=True):
        count = iter(range(99))

        def ask(call):
            number = next(count)
            answer = local_answer(EXERCISE, EXERCISE.blank.reference(), call)
            if trouble and number == 3:
                return Answer(trouble=Trouble(trouble, "t"))
            return answer if number or plain else Answer((0, 0, 0))

        return judge(EXERCISE, ask)

    assert judged().points == 2 and judged("exception").points in (0, 1) and judged(plain=False).points == 0
    for kind in ("slow", "waits", "died", "forbidden", "memory"):
        verdict = judged(kind)
        assert verdict.points == 0 and len(verdict.results) == 4
