"""A student's file in a process of its own: its answers are those of this process, and its misdeeds end with it."""

import os
import time

import numpy as np
import pytest
from homework.bodies import fill

from tinymaskrcnn.homework.exercise import Call
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.remote import RemoteStudent

EXERCISE = find_exercise("hw01.linear_backward")
CALL = Call((np.ones((2, 3)), (np.ones((2, 2)), np.ones((2, 3)))))


def student(tmp_path, body, **options):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {EXERCISE.id: body}))
    return RemoteStudent(path, **options)


def test_answers_come_from_another_process(tmp_path):
    body = "x, w = cache\nreturn dy @ w.T, x.T @ dy, np.full(3, float(__import__('os').getpid()))"
    with student(tmp_path, body) as remote:
        assert remote.take(EXERCISE) is None
        first, second = remote.answer(CALL), remote.answer(CALL)
    assert first.output[0].tolist() == [[3, 3], [3, 3]]
    assert first.output[2][0] == second.output[2][0] != os.getpid()


def test_an_endless_loop_ends_and_the_next_call_works(tmp_path):
    body = "x, w = cache\nif len(x) == 1:\n    while True: pass\nreturn dy @ w.T, x.T @ dy, dy.sum(0)"
    with student(tmp_path, body, seconds=2.0) as remote:
        assert remote.take(EXERCISE) is None
        began = time.monotonic()
        slow = remote.answer(Call((np.ones((1, 3)), (np.ones((1, 2)), np.ones((2, 3))))))
        assert slow.trouble.kind == "slow" and time.monotonic() - began < 20
        assert remote.take(EXERCISE) is None
        assert remote.answer(CALL).trouble is None


def test_time_is_counted_over_all_calls_of_an_exercise(tmp_path):
    body = "import time\ntime.sleep(0.3)\nreturn 1"
    with student(tmp_path, body, seconds=1.0) as remote:
        remote.take(EXERCISE)
        kinds = [getattr(remote.answer(CALL).trouble, "kind", "answered") for _ in range(4)]
    assert "slow" in kinds and kinds[0] == "answered"


@pytest.mark.parametrize(
    "body, kind",
    [
        ("import os\nos._exit(3)", "died"),
        ("import os\nos.kill(os.getpid(), 9)", "died"),
        ("return [np.zeros((1000, 1000, 1000)) for _ in range(9)]", "memory"),
        ("raise SystemExit(0)", "exception"),
    ],
)
def test_every_end_is_told(tmp_path, body, kind):
    with student(tmp_path, body) as remote:
        trouble = remote.take(EXERCISE) or remote.answer(CALL).trouble
        if kind == "died" and trouble.kind == "exception":  # the guard was faster than the signal
            assert "not allowed" in trouble.message
            return
        assert trouble.kind == kind, trouble


@pytest.mark.parametrize(
    "body",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
        "open('made.txt', 'w')",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.fork()",
        "import os\nos.remove('hw01.py')",
        "import tinymaskrcnn.ops.linear as m\nreturn open(m.__file__).read()",
        "try:\n    open('made.txt', 'w')\nexcept PermissionError:\n    pass\nreturn 1",
    ],
)
def test_in_grading_what_is_forbidden_is_noticed_even_when_it_is_hidden(tmp_path, body, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with student(tmp_path, body, strict=True) as remote:
        remote.take(EXERCISE)
        assert remote.answer(CALL).trouble.kind == "forbidden"
    assert not (tmp_path / "made.txt").exists() and (tmp_path / "hw01.py").exists()


def test_a_forged_answer_is_no_answer(tmp_path):
    body = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'right')\n    except OSError: pass\nreturn 1"
    with student(tmp_path, body) as remote:
        remote.take(EXERCISE)
        trouble = remote.answer(CALL).trouble
    assert trouble is not None and trouble.kind in ("forbidden", "died", "slow")


def test_no_process_is_left_behind(tmp_path):
    with student(tmp_path, "while True: pass", seconds=1.0) as remote:
        remote.take(EXERCISE)
        process = remote.process
        remote.answer(CALL)
    assert process.poll() is not None


def test_syntax_errors_and_missing_functions_are_told(tmp_path):
    for text, kind, words in (("def f(:\n", "exception", "SyntaxError"), ("x = 1\n", "missing", "defines no function")):
        path = tmp_path / "hw01.py"
        path.write_text(text)
        with RemoteStudent(path) as remote:
            trouble = remote.take(EXERCISE)
        assert trouble.kind == kind and words in trouble.message


def test_only_the_first_call_s_prints_are_shown(tmp_path, capfd):
    with student(tmp_path, "print('hello')\nreturn 1") as remote:
        remote.take(EXERCISE)
        for _ in range(3):
            remote.answer(CALL)
    assert capfd.readouterr().out.count("hello") == 1
