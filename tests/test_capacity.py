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
    assert capacity.free_bytes(tmp_path) == 1000


def test_what_fits_passes_and_what_does_not_is_said_in_bytes(monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda: 3_200_000)
    capacity.require(3_200_000, "a cake")
    with pytest.raises(ConfigError, match=r"^a cake needs at least 288 TB of memory; 3.2 MB are free; eat less$"):
        capacity.require(288 * 10**12, "a cake", advice="; eat less")
    monkeypatch.setattr(capacity, "free_bytes", lambda: None)
    capacity.require(10**30, "a cake")


@pytest.mark.parametrize(
    "count, words",
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (10**9, "1.0 GB"), (10**18, "1000 PB")],
)
def test_bytes_in_words(count, words):
    assert capacity.in_words(count) == words
