"""A student's file in processes of its own, one for each exercise, with limits on time and memory."""

import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import sys
import time

import numpy as np

from ..errors import BackendError
from .answer import MESSAGE, PRINTED, Answer, Trouble
from .blanks import PACKAGE, all_blanks
from .files import read_program
from .library import THREADS
from .loading import Stumble
from .wire import WireError, receive, send

SECONDS = 10.0  # of computing, for all calls of an exercise together
START = 60  # of computing, for the process to import what it needs
PATIENCE = 12.0  # times as long may pass on the clock: other processes want the same processor
MEMORY = 2 << 30  # bytes of address space
BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from tinymaskrcnn.homework.worker import main; main()"
SETTINGS = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
SETTINGS |= {"TINYMASKRCNN_KERNELS": "0"}  # the readable text is all there is
# What a process needs of the surroundings; keys and tokens of the one who grades are none of its business.
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")


class RemoteStudent:
    """Asks for answers as `local_answer` gives them; `with` it, so that no process is left behind.

    strict: as in grading: what the file prints at its top is not shown, and no file can be read but those of Python's
    libraries. What a call prints comes with its Answer. seconds bounds what the calls of an exercise compute together,
    in seconds of the processor, so that the answers are the same on a busy machine; memory the address space in bytes.
    stumbles: what of the file failed when it was loaded, and was left out; more: the lines of what else did.
    """

    def __init__(self, path, *, text=None, seconds=SECONDS, memory=MEMORY, strict=False):
        self.path, self.seconds, self.memory, self.strict = str(path), seconds, memory, strict
        self.text = read_program(path) if text is None else text
        self.process = self.pipes = self.taken = None
        self.left = self.patience = float(seconds)
        self.violations, self.stumbles, self.more = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def take(self, exercise):
        """Turn to the function of another exercise; None, or the Trouble that its file or its function is in."""
        loud = self.taken is None and not self.strict  # what the file prints at its top is shown once
        self.stop()
        self.taken, self.left = exercise, float(self.seconds)
        self._start()
        self.patience = max(PATIENCE * self.seconds, 30.0)
        trouble = self._ask(self._preparation(exercise), PATIENCE * START).trouble
        trouble = trouble or self._run({"do": "take", "loud": loud}).trouble
        self.left = float(self.seconds)  # what the file itself computes is not taken from the exercise
        return trouble

    def answer(self, call):
        """The Answer of the function in hand to a Call."""
        if self.process is None:
            trouble = self.take(self.taken)
            if trouble is not None:
                return Answer(trouble=trouble)
        return self._run({"do": "call", "args": list(call.args), "data": call.data})

    def _run(self, request):
        """Ask for what runs the student's lines, for as long as is left of both times."""
        began = time.monotonic()
        answer = self._ask({**request, "seconds": max(self.left, 0.1)}, max(self.patience, 0.1))
        self.patience -= time.monotonic() - began
        return answer

    # ------------------------------------------------------------ the process

    def _start(self):
        if os.name != "posix":
            raise BackendError("homework check and grade need Linux or macOS; on Windows use WSL, or check_function")
        reading, writing = os.pipe()
        command = [sys.executable, "-P", "-c", BOOT, str(PACKAGE.parent), "--answers", str(writing)]
        command += ["--memory", str(self.memory), "--cpu", str(int(START + 2 * self.seconds) + 1)]
        surroundings = {name: os.environ[name] for name in PASSED if name in os.environ}
        surroundings |= THREADS
        output = subprocess.DEVNULL if self.strict else None
        self.process = subprocess.Popen(
            command + ["--strict"] * self.strict,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            bufsize=0,
            cwd="/",  # where nothing of anybody's lies: neither files to read nor a numpy.py to import
            pass_fds=(writing,),
            env={**surroundings, **SETTINGS},
            start_new_session=True,  # so that all it started can be ended with it
        )
        os.close(writing)
        self.pipes = _TimedPipes(reading, self.process.stdin.fileno())

    def _preparation(self, exercise):
        drive = exercise.drive
        return {
            "path": os.path.abspath(self.path).encode("utf-8", "replace").decode(),
            "text": np.frombuffer(self.text.encode("utf-8", "surrogatepass"), np.uint8),
            "id": exercise.id,
            "without": list(exercise.without),
            "blanks": [dataclasses.asdict(blank.emptied()) for blank in all_blanks().values()],
            "drive": f"{drive.__module__}:{drive.__name__}" if drive else "",
        }

    def stop(self):
        """End the process and whatever it started."""
        if self.process is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: all in the group have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        status = self.process.wait()
        self.process.stdin.close()
        self.pipes.close()
        self.process = self.pipes = None
        return status

    def _ask(self, request, seconds):
        try:
            self.pipes.deadline = time.monotonic() + seconds
            send(self.pipes, request)
            return self._read(receive(self.pipes))
        except TimeoutError:
            self.stop()
            words = f"no answer within {seconds:g} seconds: does it wait for something?"
            return Answer(trouble=Trouble("waits", words))
        except (EOFError, BrokenPipeError):
            return Answer(trouble=self._of_end(_end(self.process, self)))
        except (WireError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            self.stop()
            return Answer(trouble=Trouble("forbidden", "answered in a form that no function gives"))

    def _of_end(self, status):
        if status in (-signal.SIGPROF, -signal.SIGXCPU):
            words = f"not done after {self.seconds:g} seconds of computing: an endless loop, or far too many steps?"
            return Trouble("slow", words)
        return Trouble("died", f"the process ended{_how(status)}")

    def _read(self, reply):
        self.violations = [(_words(why), int(line), _words(text)) for why, line, text in reply["violations"]]
        self.left -= min(max(float(reply.get("spent", 0.0)), 0.0), self.seconds)
        if self.strict and self.violations:
            why, line, text = self.violations[0]
            return Answer(trouble=Trouble("forbidden", f"tried what homework does not need: {why}", line, text))
        if "stumbles" in reply:
            self.stumbles = [Stumble(int(n), _words(t, 200), _words(m, 500)) for n, t, m in reply["stumbles"]]
            self.more = [int(n) for n in reply["more"]]
        if "trouble" in reply:
            kind, message, line, text = reply["trouble"]
            trouble = Trouble(_words(kind), _words(message), int(line), _words(text))
            return Answer(trouble=trouble, printed=_words(reply.get("printed", ""), PRINTED))
        if "done" in reply:
            return Answer()
        changed, printed = tuple(map(_words, reply["changed"])), _words(reply["printed"], PRINTED)
        return Answer(reply["output"], None, changed, int(reply["line"]), _words(reply["text"]), printed)


def _words(text, most=MESSAGE):
    """Words from another process, short enough for a page and fit to be written."""
    return str(text)[:most].encode("utf-8", "replace").decode()


def _end(process, student):
    """The exit status of a process that says no more; None when it has to be ended."""
    try:
        status = process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        status = None
    student.stop()
    return status


def _how(status):
    if status is None:
        return ""
    return f" by signal {-status}" if status < 0 else f" with exit status {status}"


class _TimedPipes:
    """Reads from one pipe and writes to another until a deadline; TimeoutError after it."""

    def __init__(self, reading, writing):
        self.reading, self.writing = reading, writing
        self.deadline = 0.0
        os.set_blocking(writing, False)  # who does not read must not keep us waiting

    def read(self, count):
        self._wait([self.reading], [])
        return os.read(self.reading, min(count, 1 << 16))

    def write(self, message):
        rest = memoryview(message)
        while rest:
            self._wait([], [self.writing])
            rest = rest[os.write(self.writing, rest) :]

    def flush(self):
        pass

    def _wait(self, reading, writing):
        left = self.deadline - time.monotonic()
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            raise TimeoutError

    def close(self):
        os.close(self.reading)
