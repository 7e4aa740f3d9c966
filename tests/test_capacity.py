"""What is free is asked of the system, and what cannot fit is refused with its bytes."""

import pytest

from tinymaskrcnn import capacity
from tinymaskrcnn.errors import ConfigError


def test_the_tightest_limit_counts(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4000 kB\n")
    assert capacity.free_bytes(tmp_path) == 4000 * 1024
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert capacity.free_bytes(tmp_path) == 4000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1000\n")
    assert capacity.free_bytes(str(tmp_path)) == 1000
    (tmp_path / "sys/fs/cgroup/memory").mkdir()
    (tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("900\n")  # as older containers say it
    assert capacity.free_bytes(tmp_path) == 900
    (tmp_path / "sys/fs/cgroup/memory.max").unlink()
    assert capacity.free_bytes(tmp_path) == 900


@pytest.mark.parametrize("text", [None, "MemTotal: 9 kB\n", "MemAvailable: much\n"])
def test_without_that_line_all_memory_counts(tmp_path, monkeypatch, text):
    if text:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/meminfo").write_text(text)
    monkeypatch.setattr(capacity.os, "sysconf", {"SC_PHYS_PAGES": 50, "SC_PAGE_SIZE": 4096}.__getitem__, raising=False)
    memory = capacity.free_bytes(tmp_path)
    assert memory == 50 * 4096 and isinstance(memory, int)


@pytest.mark.parametrize("error", [OSError, ValueError, AttributeError])
def test_a_system_that_says_nothing(tmp_path, monkeypatch, error):
    def unknown(name):
        raise error(name)

    monkeypatch.setattr(capacity.os, "sysconf", unknown, raising=False)
    assert capacity.free_bytes(tmp_path) is None


def test_the_line_may_stand_anywhere(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nBuffers: 2 kB\nMemAvailable: 5 kB\nx")
    assert capacity.free_bytes(tmp_path) == 5 * 1024


def test_what_fits_passes_and_what_does_not_is_said_in_bytes(monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda: 3_200_000)
    capacity.require(3_200_000, "a cake")
    with pytest.raises(ConfigError, match=r"^a cake needs at least 288 TB of memory; 3.2 MB are free; eat less$"):
        capacity.require(288 * 10**12, "a cake", advice="; eat less")
    monkeypatch.setattr(capacity, "free_bytes", lambda: None)
    capacity.require(10**30, "a cake")


@pytest.mark.parametrize(
    "count, words",
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1500, "1.5 kB"), (99_400, "99.4 kB"),
        (100_000, "100 kB"), (100_400, "100 kB"), (25 * 10**5, "2.5 MB"), (10**9, "1.0 GB"), (2 * 10**12, "2.0 TB"),
        (3 * 10**15, "3.0 PB"), (10**18, "1000 PB"),
    ],  # fmt: skip
)
def test_bytes_in_words(count, words):
    assert capacity.in_words(count) == words
