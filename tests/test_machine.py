"""machine.py: what can be started here, and what is said where nothing can be; and that the others ask it."""

import sys
import threading

import pytest

from tinymaskrcnn import machine
from tinymaskrcnn.data.loader import prefetch
from tinymaskrcnn.kernels import threads


@pytest.fixture
def no_threads(monkeypatch):
    """A process that is not allowed another thread; how often it tried."""
    tried = []

    def start(self):
        tried.append(self)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    yield tried
    threads.set_threads(None)


def test_a_pool_has_a_thread_that_runs():
    pool = machine.thread_pool(2, "helper")
    assert pool.submit(threading.get_ident).result() != threading.get_ident()
    pool.shutdown()
    assert machine.can_start_threads()


def test_without_threads_there_is_no_pool(no_threads):
    assert machine.thread_pool(2, "helper") is None and not machine.can_start_threads()


def test_without_the_module_there_is_no_pool(monkeypatch):
    monkeypatch.setitem(sys.modules, "concurrent.futures", None)
    assert machine.thread_pool(2, "helper") is None


@pytest.mark.parametrize("platform, can", [("emscripten", False), ("wasi", False), ("linux", True), ("win32", True)])
def test_processes_are_a_matter_of_the_system(monkeypatch, platform, can):
    monkeypatch.setattr(sys, "platform", platform)
    assert machine.can_start_processes() is can


def test_without_the_module_there_are_no_processes(monkeypatch):
    monkeypatch.setitem(sys.modules, "subprocess", None)
    assert not machine.can_start_processes()


# ---------------------------------------------------------------- those who ask


def test_kernels_work_alone_and_ask_once(no_threads):
    threads.set_threads(3)
    where = set(threads.run(lambda: threading.get_ident() for _ in range(8)))
    assert where == {threading.get_ident()}
    assert threads.get_threads() == 1 and threads.run([int, int]) == [0, 0]
    assert len(no_threads) == 1


def test_a_thread_that_starts_no_more_leaves_its_work_to_the_caller(monkeypatch):
    """The first helper started; then the container was full."""
    threads.set_threads(3)
    threads.get_threads()

    def full(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    meeting = threading.Event()

    def job(i):
        meeting.wait(0.05)  # the one helper is busy when the next would be started
        return i

    assert threads.run(lambda i=i: job(i) for i in range(6)) == list(range(6))
    threads.set_threads(None)


def test_batches_are_made_when_they_are_asked_for(no_threads):
    asked = []

    class Stream:
        def batch(self, i):
            asked.append((i, threading.get_ident()))
            return i

    batches = prefetch(Stream(), start=3, count=4, depth=2)
    assert next(batches) == 3 and [i for i, _ in asked] == [3]  # with a thread, two would be ahead
    assert list(batches) == [4, 5, 6]
    assert {thread for _, thread in asked} == {threading.get_ident()}
