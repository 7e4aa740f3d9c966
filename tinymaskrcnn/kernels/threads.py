"""Threads for the kernels: jobs run on a small pool, each with a BLAS that stays on its own thread.

What is cut into jobs, and in which order their results are added up, depends on the shapes alone. One, two or four
threads therefore compute the same bits.
"""

import contextlib
import contextvars
import functools
import itertools
import os
import queue
import sys
import threading
import time
from pathlib import Path

from threadpoolctl import ThreadpoolController

from ..errors import ConfigError

# ---------------------------------------------------------------- how many


def available_cores():
    """Cores this process may use: its CPU affinity, and the quota of the container around it to the nearest core."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        cores = os.cpu_count() or 1
    quota = _container_quota()
    return max(1, cores if quota is None else min(cores, int(quota + 0.5)))


def _container_quota(root=Path("/")):
    """Cores' worth of time that the control groups around this process grant; None without a limit.

    Its own group may lie deep below the root of the hierarchy, and each one on the way may have a limit: the smallest
    holds. A container may name its group as the host sees it; folders that are not there are passed over.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:cpu:/"]
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2
            limits += _limits(root, ("", "unified"), group, _quota_v2)
        elif "cpu" in controllers.split(","):
            limits += _limits(root, ("cpu", controllers), group, _quota_v1)
    return min(limits, default=None)


def _limits(root, mounts, group, quota_of):
    """The limits of a group and of all above it, in the first of the places where the hierarchy may be mounted."""
    parts = [part for part in group.split("/") if part]
    depth = 0 if ".." in parts else len(parts)  # ".." is a group outside of what this process may see
    for mount in mounts:
        top = root / "sys/fs/cgroup" / mount
        limits = []
        for length in range(depth + 1):
            with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                limits.append(quota_of(top.joinpath(*parts[:length])))
        if limits:
            return [limit for limit in limits if limit is not None]
    return []


def _quota_v2(folder):
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder):
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return None if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())


def _wanted_threads():
    wanted = os.environ.get("TINYMASKRCNN_THREADS", "").strip()
    if not wanted:
        return available_cores()
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ConfigError(f"TINYMASKRCNN_THREADS must be a whole number, at least 1; got {wanted!r}")
    return int(wanted)


# ---------------------------------------------------------------- one pool


class _Helpers:
    """Threads that wait for something to call: as many as were asked for, or as could be started."""

    def __init__(self, count, name):
        self.calls, self.threads = queue.SimpleQueue(), []
        with contextlib.suppress(RuntimeError):
            for i in range(count):
                thread = threading.Thread(target=self._serve, name=f"{name}_{i}", daemon=True)
                thread.start()
                self.threads.append(thread)

    def submit(self, call):
        self.calls.put(call)

    def _serve(self):
        while (call := self.calls.get()) is not None:
            call()
            del call  # and with it the arrays that it worked on, while this thread waits

    def shutdown(self):
        for _ in self.threads:
            self.calls.put(None)
        for thread in self.threads:
            thread.join()


class _Pool:
    """The number of threads and the executor that serves all but the calling one, made on first use.

    Where no thread can be started the caller is alone, whatever number was asked for.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.threads = None
        self.executor = None

    def helpers(self):
        """How many threads may help the caller, and the executor to ask (None when the caller is alone)."""
        with self.lock:
            if self.threads is None:
                self.threads = _wanted_threads()
            if self.threads > 1 and self.executor is None:
                self.executor = _Helpers(self.threads - 1, "tinymaskrcnn")
                self.threads = 1 + len(self.executor.threads)
            return self.threads - 1, self.executor

    def resize(self, threads):
        with self.lock:
            old, self.executor, self.threads = self.executor, None, threads
        if old is not None:
            old.shutdown()


_pool = _Pool()


def _forget_pool():
    """A forked child has the parent's pool object but none of its threads: start over."""
    global _pool, _blas
    _pool, _blas = _Pool(), _Blas()


def get_threads():
    """How many threads the kernels use, the calling one included; 1 where no other can be started."""
    return _pool.helpers()[0] + 1


def set_threads(threads):
    """Use this many threads; None goes back to TINYMASKRCNN_THREADS or the cores at hand."""
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ConfigError(f"set_threads: threads must be an int, at least 1, or None; got {threads!r}")
    _pool.resize(threads)


# ---------------------------------------------------------------- BLAS on one thread


class _Blas:
    """Counts who wants BLAS on one thread; the first sets it, the last restores what was there."""

    def __init__(self):
        self.lock = threading.Lock()
        self.depth = 0
        self.libraries = []
        self.before = []
        self.modules = 0

    def enter(self):
        with self.lock:
            self.depth += 1
            if self.depth > 1:
                return
            self._look()
            self.before = [library.get_num_threads() for library in self.libraries]
            self._set([1] * len(self.libraries))

    def _look(self):
        """Find the libraries. That takes a millisecond, setting them a microsecond: so only where a module has come
        since, which may have brought a BLAS of its own, as SciPy's does.
        """
        if self.modules != len(sys.modules):
            found = ThreadpoolController().lib_controllers
            self.libraries = [library for library in found if library.user_api == "blas"]
            self.modules = len(sys.modules)

    def leave(self):
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                self._set(self.before)

    def _set(self, numbers):
        for library, number in zip(self.libraries, numbers):
            library.set_num_threads(number)


_blas = _Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


@contextlib.contextmanager
def single_threaded_blas():
    """BLAS computes on the thread that calls it. May be nested; around a whole training run it costs nothing inside.

    Two levels of threads would fight for the cores: a BLAS pool that spins while another one works was seen to slow
    everything down 10 to 300 times.
    """
    blas = _blas
    blas.enter()
    try:
        yield
    finally:
        blas.leave()


# ---------------------------------------------------------------- jobs

LOOKS = 50  # at the others' last jobs, before the calling thread sleeps: to be woken up takes as long

_local = threading.local()  # .busy: this thread is inside a job


def run(jobs):
    """Call every job (a function without arguments) and return the results in the order of the jobs.

    The calling thread works too, so that a pool that is busy elsewhere costs nothing. A job that itself calls `run`
    works its jobs off alone. The first exception, in the order of the jobs, is raised again; later jobs are dropped.
    """
    jobs, blas = list(jobs), _blas
    blas.enter()  # as single_threaded_blas, which costs more than a small job
    try:
        if len(jobs) < 2 or getattr(_local, "busy", False):
            return [job() for job in jobs]
        helpers, executor = _pool.helpers()
        shift = _Shift(jobs)
        for _ in range(min(helpers, len(jobs) - 1)):
            executor.submit(functools.partial(contextvars.copy_context().run, shift.work))
        shift.work()
        return shift.outcome()
    finally:
        blas.leave()


class _Shift:
    """A list of jobs that any number of threads work through together, each taking the next one."""

    def __init__(self, jobs):
        self.jobs, self.count = jobs, len(jobs)
        self.results = [None] * len(jobs)
        self.errors = {}
        self.next, self.ended = itertools.count(), itertools.count(1)  # next() on them is atomic
        self.open = threading.Lock()  # until the last job has ended
        self.open.acquire()

    def work(self):
        _local.busy = True
        try:
            while (i := next(self.next)) < self.count:
                try:
                    self.results[i] = None if self.errors else self.jobs[i]()
                except BaseException as error:  # KeyboardInterrupt too: it must reach the caller, not a helper's end
                    self.errors[i] = error
                if next(self.ended) == self.count:
                    self.open.release()
        finally:
            _local.busy = False

    def outcome(self):
        """The results. A helper that comes late is left with an empty shift: jobs hold the arrays that they worked on,
        and nobody should hold these longer than the caller.
        """
        for _ in range(LOOKS):
            if self.open.acquire(blocking=False):
                break
            time.sleep(0)  # the lock of Python is free meanwhile
        else:
            self.open.acquire()
        results, self.jobs, self.results = self.results, (), ()
        if self.errors:
            raise self.errors[min(self.errors)]
        return results


# ---------------------------------------------------------------- cutting work into jobs


def spans(length, pieces):
    """Cut range(length) into that many slices of nearly equal length, none of them empty."""
    pieces = max(1, min(pieces, length))
    edges = [length * i // pieces for i in range(pieces + 1)]
    return [slice(a, b) for a, b in zip(edges, edges[1:])]


def even_pieces(cost, budget):
    """Into how many pieces work is cut so that one fits the budget: 1, or an even number (cores come in pairs)."""
    if 2 * cost <= budget:
        return 1
    return 2 * max(1, -(-cost // (2 * budget)))
