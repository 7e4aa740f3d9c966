"""A student's file in a process of its own: its answers are those of this process, and its misdeeds end with it."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from homework.bodies import fill

from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.homework.exercise import Call
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.remote import RemoteStudent, _TimedPipes

EXERCISE = find_exercise("hw01.linear_backward")
# A student's own `import os` gets a stand-in; what follows is the worst case, somebody who found a way to the real one.
REAL = "from tinymaskrcnn.backend import importlib as i\nos = i.import_module('os')\n"
CALL = Call((np.ones((2, 3)), (np.ones((2, 2)), np.ones((2, 3)))))


def student(tmp_path, body, **options):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {EXERCISE.id: REAL + body}))
    return RemoteStudent(path, **options)


def test_answers_come_from_another_process(tmp_path):
    body = "x, w = cache\nreturn dy @ w.T, x.T @ dy, np.full(3, float(os.getpid()))"
    with student(tmp_path, body) as remote:
        assert remote.take(EXERCISE) is None
        first, second = remote.answer(CALL), remote.answer(CALL)
    assert first.output[0].tolist() == [[3, 3], [3, 3]]
    assert first.output[2][0] == second.output[2][0] != os.getpid()


def test_an_endless_loop_ends_and_the_next_call_works(tmp_path):
    body = "x, w = cache\nif len(x) == 1:\n    while True: pass\nreturn dy @ w.T, x.T @ dy, dy.sum(0)"
    with student(tmp_path, body, seconds=0.5) as remote:
        assert remote.take(EXERCISE) is None
        began = time.monotonic()
        slow = remote.answer(Call((np.ones((1, 3)), (np.ones((1, 2)), np.ones((2, 3))))))
        assert slow.trouble.kind == "slow" and time.monotonic() - began < 20
        assert remote.take(EXERCISE) is None
        assert remote.answer(CALL).trouble is None


def test_time_is_counted_over_all_calls_of_an_exercise(tmp_path):
    body = "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass\nreturn 1"
    with student(tmp_path, body, seconds=0.5) as remote:
        remote.take(EXERCISE)
        kinds = [getattr(remote.answer(CALL).trouble, "kind", "answered") for _ in range(4)]
    assert "slow" in kinds and kinds[0] == "answered"


@pytest.mark.parametrize(
    "body, kind",
    [
        ("os._exit(3)", "died"),
        ("os.kill(os.getpid(), 9)", "died"),
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


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "body",
    [
        "i.import_module('socket').create_connection(('127.0.0.1', 9), 1)",
        "i.import_module('io').open('made.txt', 'w')",
        "i.import_module('subprocess').run(['true'])",
        "i.import_module('_posixsubprocess').fork_exec",
        "os.truncate('hw01.py', 0)",
        "return os.listdir('/') and i.import_module('io').open('/etc/hostname').read()",
        "os.fork()",
        "os.remove('hw01.py')",
        "import tinymaskrcnn.ops.linear as m\nreturn i.import_module('io').open(m.__file__).read()",
        "try:\n    os.open('made.txt', os.O_CREAT)\nexcept PermissionError:\n    pass\nreturn 1",
    ],
)
def test_in_grading_what_is_forbidden_is_noticed_even_when_it_is_hidden(tmp_path, body, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with student(tmp_path, body, strict=True) as remote:
        remote.take(EXERCISE)
        assert remote.answer(CALL).trouble.kind == "forbidden"
    assert not (tmp_path / "made.txt").exists() and (tmp_path / "hw01.py").exists()


def test_a_forged_answer_is_no_answer(tmp_path):
    body = "for fd in range(3, 200):\n    try: os.write(fd, b'right')\n    except OSError: pass\nreturn 1"
    with student(tmp_path, body) as remote:
        remote.take(EXERCISE)
        trouble = remote.answer(CALL).trouble
    assert trouble is not None and trouble.kind in ("forbidden", "died", "slow")


def test_no_process_is_left_behind(tmp_path):
    with student(tmp_path, "while True: pass", seconds=0.3) as remote:
        remote.take(EXERCISE)
        process = remote.process
        remote.answer(CALL)
    assert process.poll() is not None


def test_syntax_errors_and_missing_functions_are_told(tmp_path):
    cases = [("def f(:\n", "exception", "SyntaxError"), ("return 1\n", "exception", "outside function")]
    for text, kind, words in [*cases, ("x = 1\n", "missing", "defines no function")]:
        path = tmp_path / "hw01.py"
        path.write_text(text)
        with RemoteStudent(path, strict=True) as remote:
            trouble = remote.take(EXERCISE)
        assert trouble.kind == kind and words in trouble.message


@pytest.mark.parametrize("strict", [False, True])
def test_what_a_call_prints_comes_with_its_answer(tmp_path, capfd, strict):
    with student(tmp_path, "print('rows', len(dy), '\\ud800')\nreturn 1", strict=strict) as remote:
        remote.take(EXERCISE)
        assert [remote.answer(CALL).printed for _ in range(2)] == ["rows 2 ?\n"] * 2
    assert capfd.readouterr().out == ""


def test_of_endless_printing_little_is_kept(tmp_path):
    with student(tmp_path, "for i in range(10**5): print('line', i)\nreturn no_such_name") as remote:
        remote.take(EXERCISE)
        answer = remote.answer(CALL)
    assert answer.trouble.kind == "exception" and len(answer.printed) == 4096


def test_the_line_that_writes_comes_with_the_answer(tmp_path):
    with student(tmp_path, "print('once')\ndy += 1\nreturn dy") as remote:
        remote.take(EXERCISE)
        answer = remote.answer(CALL)
    assert (answer.changed, answer.text, answer.printed) == (("dy",), "dy += 1", "once\n") and answer.line > 0


def test_after_its_process_has_ended_the_next_call_starts_another(tmp_path):
    with student(tmp_path, "return 7") as remote:
        remote.take(EXERCISE)
        remote.stop()
        answer = remote.answer(CALL)
        assert answer.trouble is None and answer.output == 7


def test_every_exercise_has_a_process_of_its_own(tmp_path):
    with student(tmp_path, "return 1") as remote:
        remote.take(EXERCISE)
        first = remote.process.pid
        remote.take(find_exercise("hw01.softmax_forward"))
        assert remote.process.pid != first


FORGERY = """
message = b'{"dict": [["output", %s], ["changed", {"list": []}], ["violations", {"list": []}]'
message += b', ["printed", {"is": ""}], ["line", {"is": 0}], ["text", {"is": ""}]]}'
message = len(message).to_bytes(4, "big") + bytes(4) + message
for fd in range(3, 200):
    try: os.write(fd, message)
    except OSError: pass
return 1
"""


@pytest.mark.parametrize("output", ['{"float": "0x1p99999"}', "[" * 9999, '{"is": Infinity}' * 100, '{"csr": [1]}'])
def test_a_message_that_no_worker_writes_is_refused(tmp_path, output):
    with student(tmp_path, FORGERY.replace("%s", output), strict=True) as remote:
        remote.take(EXERCISE)
        assert remote.answer(CALL).trouble.kind == "forbidden"


def test_who_answers_ahead_and_reads_no_more_does_not_keep_us_waiting():
    reading, writing = os.pipe()
    pipes = _TimedPipes(reading, writing)
    pipes.deadline = time.monotonic() + 0.2
    with pytest.raises(TimeoutError):
        pipes.write(bytes(1 << 20))
    pipes.close()
    os.close(writing)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "body, kind",
    [
        ("return np.zeros(10**7)", "memory"),
        ("a = []\nfor _ in range(5000): a = [a]\nreturn a", "exception"),
        ("a = []\na.append(a)\nreturn a", "exception"),
        ("raise ValueError('\\ud800' * 10**6)", "exception"),
        ("class Mute(Exception):\n    def __str__(self): raise self\nraise Mute", "died"),
        ("raise KeyboardInterrupt", "died"),
        ("os.closerange(0, 200)\nwhile True: pass", "died"),
    ],
)
def test_answers_that_cannot_be_sent_have_their_own_trouble(tmp_path, body, kind):
    with student(tmp_path, body, strict=True) as remote:
        remote.take(EXERCISE)
        trouble = remote.answer(CALL).trouble
    assert trouble.kind == kind and len(trouble.message) <= 2000 and trouble.message.encode()


def test_an_orphan_ends(tmp_path):
    """Nobody is left to stop what loops when the one who grades is killed: its own limit does."""
    with student(tmp_path, "return 1", strict=True, seconds=3.0) as remote:
        remote.take(EXERCISE)
        limits = Path(f"/proc/{remote.process.pid}/limits")
        lines = limits.read_text().splitlines() if limits.exists() else ["Max cpu time  67  67  seconds"]
    assert next(line for line in lines if "cpu time" in line).split()[3:5] == ["67", "67"]


def test_the_surroundings_of_the_one_who_grades_stay_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    (tmp_path / "numpy.py").write_text("1 / 0")  # beside the file, as in a folder of submissions
    monkeypatch.chdir(tmp_path)
    with student(tmp_path, "return len([n for n in os.environ if 'SECRET' in n]), os.getcwd()") as remote:
        assert remote.take(EXERCISE) is None
        assert remote.answer(CALL).output == (0, "/")


def test_elsewhere_it_is_said_where_it_runs(tmp_path, monkeypatch):
    with student(tmp_path, "return 1") as remote:
        monkeypatch.setattr(os, "name", "nt")
        with pytest.raises(BackendError, match="need Linux or macOS; on Windows use WSL"):
            remote.take(EXERCISE)
        monkeypatch.undo()
