"""A student's file, up to the moment it would run: read, recognised and looked through."""

from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.check import looks_like
from tinymaskrcnn.homework.files import read_program

from .damage import damaged_bytes, pick
from .frame import Door

LINES = (
    "import numpy as np", "def softmax_forward(x):", "    return x", "    y = np.exp(x)", "x = (" * 200,
    "-" * 5000 + "1",
    "# -*- coding: latin-1 -*-", "# coding: rot13", "# coding: \0", "!pip install x", "get_ipython()", "a\x0cb = 1",
    "class A:", "    def f(self): return getattr(self, '__dict__')", "'\\ud800'", "é = 1", "x = 1e999", "1" * 5000,
)  # fmt: skip


def make_program(rng, folder):
    path = folder / "hw01.py"
    text = pick(rng, ["\n", "\r\n", "\r"]).join(pick(rng, LINES) for _ in range(int(rng.integers(0, 12))))
    contents = text.encode(pick(rng, ["utf-8"] * 3 + ["utf-8-sig", "utf-16", "latin-1"]), "replace")
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.6 else contents)
    return path


def use_program(path):
    text = read_program(path)
    looks_like(text)
    audit(text)


DOORS = [Door("homework files", make_program, use_program)]
