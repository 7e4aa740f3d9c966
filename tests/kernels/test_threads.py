"""kernels/threads.py: order, errors, nesting, forks, and BLAS kept on one thread."""

import multiprocessing
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.kernels import threads


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_results_come_in_the_order_of_the_jobs(n):
    threads.set_threads(n)

    def job(i):
        time.sleep(0.001 * (i % 3))
        return i

    assert threads.run(lambda i=i: job(i) for i in range(12)) == list(range(12))
    assert threads.run([]) == []


def test_other_threads_help():
    threads.set_threads(3)
    meeting = threading.Barrier(3)  # breaks after 5 s unless three threads are in a job at once

    def job():
        meeting.wait(5)
        return threading.get_ident()

    assert len(set(threads.run([job] * 3))) == 3
    assert threads.get_threads() == 3


def test_another_number_of_threads_leaves_none_of_the_old_ones_behind():
    def living():
        return [thread for thread in threading.enumerate() if thread.name.startswith("tinymaskrcnn")]

    threads.set_threads(1)
    others = living()  # of pools of other tests that nobody closed
    for n in (3, 2, 1):
        threads.set_threads(n)
        meeting = threading.Barrier(n)
        threads.run([lambda meeting=meeting: meeting.wait(5)] * n)
        assert len(set(living()) - set(others)) == n - 1


@pytest.mark.parametrize("n", [1, 2])
def test_an_error_reaches_the_caller_and_the_pool_survives(n):
    threads.set_threads(n)

    def fail():
        raise KeyError("job 1")

    with pytest.raises(KeyError, match="job 1"):
        threads.run([lambda: 0, fail, lambda: 2])
    assert threads.run([lambda: 1, lambda: 2]) == [1, 2]


def test_arrays_are_let_go_though_no_helper_had_time():
    """A helper that is busy elsewhere finds the call later in its queue: it must not keep the arrays until then."""
    threads.set_threads(2)
    busy, end = threading.Event(), threading.Event()
    helpers, executor = threads._pool.helpers()
    assert helpers == 1
    executor.submit(lambda: busy.set() or end.wait(5))
    assert busy.wait(5)
    try:
        array = np.zeros(3)
        alive = weakref.ref(array)
        assert threads.run([lambda a=array: a.sum()] * 4) == [0, 0, 0, 0]
        del array
        assert alive() is None
    finally:
        end.set()


def test_of_several_errors_the_first_in_order_is_raised():
    threads.set_threads(2)
    meeting = threading.Barrier(2)

    def fail(i):
        meeting.wait(5)
        time.sleep(0.01 * (1 - i))  # job 1 fails earlier
        raise KeyError(f"job {i}")

    with pytest.raises(KeyError, match="job 0"):
        threads.run([lambda: fail(0), lambda: fail(1)])


def test_a_job_that_runs_jobs_works_alone():
    threads.set_threads(4)

    def inner():
        time.sleep(0.005)
        return threading.get_ident()

    def outer():
        return set(threads.run([inner] * 4)) == {threading.get_ident()}

    assert threads.run([outer] * 2) == [True] * 2


def test_jobs_see_the_error_state_of_the_caller():
    threads.set_threads(2)

    def job():
        time.sleep(0.01)
        return np.float32(1) / np.float32(0)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.run([job] * 4)


def test_blas_stays_on_one_thread_inside_and_is_restored():
    with threadpool_limits(2, "blas"):
        _check_blas(blas_threads())


def _check_blas(before):
    assert set(before) == {2}
    with threads.single_threaded_blas():
        with threads.single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
        assert set(threads.run([blas_threads])[0]) == {1}
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), threads.single_threaded_blas():
        1 / 0  # noqa: B018
    assert blas_threads() == before


LATER = """
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
from tinymaskrcnn.kernels.threads import single_threaded_blas

with single_threaded_blas():
    pass
import scipy.linalg  # with a BLAS of its own
with threadpool_limits(2, "blas"), single_threaded_blas():
    print([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])
"""


def test_a_blas_that_is_loaded_later_stays_on_one_thread_too():
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert done.stdout.startswith("[1") and "2" not in done.stdout, done


def _in_child(queue):
    meeting = threading.Barrier(2)  # breaks unless two threads are in a job at once

    def job():
        meeting.wait(5)
        return 1

    queue.put(threads.run([job] * 2))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_threads_of_its_own():
    threads.set_threads(2)
    threads.run([lambda: time.sleep(0.01)] * 4)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=20) == [1, 1]
    finally:
        child.join(5)
        child.kill()


def test_the_number_of_threads_can_be_asked_for(monkeypatch):
    for text, wanted in (("3", 3), (" 2 ", 2), ("", threads.available_cores())):
        monkeypatch.setenv("TINYMASKRCNN_THREADS", text)
        threads.set_threads(None)
        assert threads.get_threads() == wanted
    for text in ("0", "-1", "two", "1.5", "\u00b2"):
        monkeypatch.setenv("TINYMASKRCNN_THREADS", text)
        threads.set_threads(None)
        with pytest.raises(ConfigError, match=f"TINYMASKRCNN_THREADS must be a whole number.*'{text}'"):
            threads.get_threads()
    monkeypatch.delenv("TINYMASKRCNN_THREADS")
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(ConfigError, match="set_threads"):
            threads.set_threads(wrong)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def v2(group, limits, mount="sys/fs/cgroup"):
    """A process in a group of version 2, with limits {group: text of cpu.max}."""
    return {"proc/self/cgroup": f"0::{group}"} | {f"{mount}{name}/cpu.max": text for name, text in limits.items()}


def v1(group, limits, mount="cpu", controllers="cpu,cpuacct"):
    """The same in version 1, with limits {group: microseconds in 100,000}."""
    files = {"proc/self/cgroup": f"9:name=systemd:/x\n2:cpuset:/\n1:{controllers}:{group}\n0::/"}
    for name, quota in limits.items():
        files[f"sys/fs/cgroup/{mount}{name}/cpu.cfs_quota_us"] = str(quota)
        files[f"sys/fs/cgroup/{mount}{name}/cpu.cfs_period_us"] = "100000"
    return files


@pytest.mark.parametrize(
    "files, quota",
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),  # /proc is hidden
        (v2("/", {"": "max 100000"}), None),
        (v2("/", {"": "50000 100000"}), 0.5),
        (v2("/", {"": "25000 12500"}), 2),
        (v2("/", {"": "broken"}), None),
        (v2("/", {"": "100000 0"}), None),
        (v2("/a/b c", {"/a": "300000 100000", "/a/b c": "max 100000"}), 3),  # a limit above the process's own group
        (v2("/a/b", {"/a": "300000 100000", "/a/b": "150000 100000"}), 1.5),
        (v2("/a/b", {"/a": "100000 100000", "/a/b": "150000 100000"}), 1),
        (v2("/a/b", {"/other": "100000 100000"}), None),
        (v2("/docker/4f2", {"": "200000 100000"}), 2),  # the host's name of the group, which a container does not see
        (v2("/../neighbour", {"": "200000 100000", "/neighbour": "100000 100000"}), 2),
        (v2("/a", {"/a": "200000 100000"}, mount="sys/fs/cgroup/unified"), 2),
        (v1("/", {"": -1}), None),
        (v1("/", {"": 50000}), 0.5),
        (v1("/a/b", {"": -1, "/a": 250000, "/a/b": 400000}), 2.5),
        (v1("/docker/4f2", {"": 150000}), 1.5),
        (v1("/", {"": 150000}, mount="cpu,cpuacct"), 1.5),  # without the short name beside it
        (v1("/", {"": 150000}, mount="cpuset", controllers="cpuset"), None),
        (v1("/", {"": 150000}) | {"sys/fs/cgroup/unified/cpu.max": "100000 100000"}, 1),  # both versions at once
    ],
)
def test_a_container_has_a_quota(files, quota, tmp_path):
    write(tmp_path, files)
    assert threads._container_quota(tmp_path) == quota


@pytest.mark.parametrize(
    "quota, cores", [(None, 8), (0.1, 1), (0.5, 1), (1.2, 1), (1.5, 2), (2.4, 2), (2.5, 3), (64, 8)]
)
def test_a_quota_limits_the_cores(quota, cores, monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_container_quota", lambda: quota)
    assert threads.available_cores() == cores


def test_spans_and_pieces():
    for length in (1, 2, 7, 100):
        for pieces in (1, 2, 3, 8):
            cut = threads.spans(length, pieces)
            assert np.concatenate([np.arange(length)[s] for s in cut]).tolist() == list(range(length))
            assert len(cut) == min(pieces, length)
            assert max(s.stop - s.start for s in cut) - min(s.stop - s.start for s in cut) <= 1
    assert [threads.even_pieces(cost, 100) for cost in (0, 50, 51, 200, 201, 1000)] == [1, 1, 2, 2, 4, 10]
