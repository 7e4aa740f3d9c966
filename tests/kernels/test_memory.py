"""kernels/memory.py: understood by glibc, harmless elsewhere."""

import platform

from tinymaskrcnn.kernels import memory


def test_keeping_memory_is_a_request(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert memory.keep_freed_memory() is False
    monkeypatch.undo()
    assert memory.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
