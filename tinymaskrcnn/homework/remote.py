"""A student's file in a process of its own, with limits on time and memory, started again when it dies."""

import os
import select
import signal
import subprocess
import sys
import time

from .answer import Answer, Trouble
from .wire import WireError, receive, send

SECONDS = 10.0  # for all calls of an exercise together
START = 60.0  # for the process to import what it needs, on a busy machine
MEMORY = 2 << 30  # bytes of address space


class RemoteStudent:
    """Asks for answers as `local_answer` gives them; `with` it, so that no process is left behind.

    strict: as in grading: nothing printed is shown (else what the first case prints is), and the package's source
    cannot be read. seconds bounds what the calls of an exercise take together, memory the address space in bytes.
    """

    def __init__(self, path, *, seconds=SECONDS, memory=MEMORY, strict=False):
        self.path, self.seconds, self.memory, self.strict = str(path), seconds, memory, strict
        self.process = self.answers = self.taken = None
        self.left, self.quiet = seconds, strict
        self.violations = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def take(self, exercise):
        """Turn to the function of another exercise; None, or the Trouble that its file or its function is in."""
        self.taken, self.left, self.quiet = exercise, self.seconds, self.strict
        if self.process is None:
            self._start()
            trouble = self._ask({"do": "ready"}, START).trouble  # what it needs is imported, on a busy machine too
            if trouble is not None:
                return trouble
        return self._ask({"do": "take", "id": exercise.id}, self.seconds).trouble

    def answer(self, call):
        """The Answer of the function in hand to a Call."""
        if self.process is None:
            trouble = self.take(self.taken)
            if trouble is not None:
                return Answer(trouble=trouble)
        began = time.monotonic()
        request = {"do": "call", "args": list(call.args), "data": call.data, "quiet": self.quiet}
        answer = self._ask(request, max(self.left, 0.1))
        self.quiet = True
        self.left -= time.monotonic() - began
        return answer

    # ------------------------------------------------------------ the process

    def _start(self):
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "tinymaskrcnn.homework.worker", self.path]
        command += ["--answers", str(writing), "--memory", str(self.memory)] + ["--strict"] * self.strict
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
        output = subprocess.DEVNULL if self.strict else None
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(writing,),
            env={**os.environ, **threads, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"},
            start_new_session=True,  # so that all it started can be ended with it
        )
        os.close(writing)
        self.answers = _TimedReader(reading)

    def stop(self):
        """End the process and whatever it started."""
        if self.process is None:
            return None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = self.process.wait()
        self.process.stdin.close()
        self.answers.close()
        self.process = self.answers = None
        return status

    def _ask(self, request, seconds):
        try:
            self.answers.deadline = time.monotonic() + seconds
            send(self.process.stdin, request)
            reply = receive(self.answers)
            return self._read(reply)
        except TimeoutError:
            self.stop()
            return Answer(trouble=Trouble("slow", f"no answer within {self.seconds:g} seconds: an endless loop?"))
        except (EOFError, BrokenPipeError):
            self.answers.deadline = time.monotonic() + 5
            return Answer(trouble=Trouble("died", f"the process ended{_how(self.process, self)}"))
        except (WireError, KeyError, TypeError, ValueError, AttributeError):
            self.stop()
            return Answer(trouble=Trouble("forbidden", "answered in a form that no function gives"))

    def _read(self, reply):
        self.violations = [str(v) for v in reply["violations"]]
        if self.strict and self.violations:
            return Answer(trouble=Trouble("forbidden", f"tried what homework does not need: {self.violations[0]}"))
        if "trouble" in reply:
            kind, message, line, text = reply["trouble"]
            return Answer(trouble=Trouble(str(kind), str(message), int(line), str(text)))
        if "done" in reply:
            return Answer()
        return Answer(reply["output"], changed=tuple(map(str, reply["changed"])))


def _how(process, student):
    try:
        status = process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        status = None
    student.stop()
    if status is None:
        return ""
    return f" by signal {-status}" if status < 0 else f" with exit status {status}"


class _TimedReader:
    """Reads a pipe until a deadline; TimeoutError after it."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.deadline = 0.0

    def read(self, count):
        left = self.deadline - time.monotonic()
        if left <= 0 or not select.select([self.descriptor], [], [], left)[0]:
            raise TimeoutError
        return os.read(self.descriptor, min(count, 1 << 16))

    def close(self):
        os.close(self.descriptor)
