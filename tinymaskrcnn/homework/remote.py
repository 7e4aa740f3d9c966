"""A student's file in processes of its own, one for each exercise, with limits on time and memory."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from ..errors import BackendError
from ..machine import can_start_processes
from .answer import Answer, Trouble
from .asking import MEMORY, SECONDS, AskedStudent
from .blanks import PACKAGE
from .library import THREADS
from .wire import WireError, receive, send

START = 60  # of computing, for the process to import what it needs
PATIENCE = 12.0  # times as long may pass on the clock: other processes want the same processor
BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from tinymaskrcnn.homework.worker import main; main()"
SETTINGS = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
SETTINGS |= {"TINYMASKRCNN_KERNELS": "0"}  # the readable text is all there is
# What a process needs of the surroundings; keys and tokens of the one who grades are none of its business.
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")


class RemoteStudent(AskedStudent):
    """Asks a process for each exercise; none is left behind after a `with`.

    strict: as in grading: what the file prints at its top is not shown, and no file can be read but those of Python's
    libraries. What a call prints comes with its Answer. seconds bounds what the calls of an exercise compute together,
    in seconds of the processor, so that the answers are the same on a busy machine; memory the address space in bytes.
    """

    def __init__(self, path, *, text=None, seconds=SECONDS, memory=MEMORY, strict=False):
        super().__init__(path, text=text, seconds=seconds, strict=strict)
        self.memory = memory
        self.process = self.pipes = None
        self.patience = float(seconds)

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
        if not can_start_processes():
            raise BackendError("homework is graded in processes, and none can be started here; use Linux or macOS")
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
