"""Who edits a readable function sees the text run, and is told once; what was not edited keeps its kernel."""

import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinymaskrcnn
from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.kernels import texts
from tinymaskrcnn.nn.module import Sequential
from tinymaskrcnn.ops import conv, linear

PACKAGE = Path(tinymaskrcnn.__file__).parent
CONV = "tinymaskrcnn.ops.conv", "conv2d_forward"


def test_the_record_is_that_of_these_texts():
    """After a change: python -m tinymaskrcnn.kernels.texts"""
    assert texts._record() == texts.current()


def test_every_kernel_has_a_text_on_record():
    kernel_lookup._load_kernels()
    assert set(kernel_lookup._KERNELS) <= set(texts._record())


def digest_where(monkeypatch, module, name, *edits):
    """The digest of a function, with edits (module, old, new) of the sources."""
    source = texts._source

    def edited(of):
        text = source(of)
        for place, old, new in edits:
            if of == f"tinymaskrcnn.{place}":
                assert old in text
                text = text.replace(old, new)
        return text

    with monkeypatch.context() as patch:
        patch.setattr(texts, "_source", edited)
        return texts.digest(module, name)


@pytest.mark.parametrize(
    ("name", "edit", "counts"),
    [
        (CONV, ("ops.conv", "y += bias", "y -= bias"), True),
        (CONV, ("ops.conv", "padded = add_border(x, padding)", "padded = add_border(x, padding, 1)"), True),  # a helper
        (CONV, ("ops.common", "padded[:, p : p + H", "padded[:, p : p + H "), True),  # a helper of a helper, elsewhere
        (CONV, ("ops.common", "def column_sum(x):", "def column_sum(x, axis=0):"), False),  # conv2d_backward's
        (CONV, ("ops.conv", "y += bias", "y += bias   "), False),
        (CONV, ("ops.conv", "\n", "\r\n"), False),
        (CONV, ("ops.linear", "x @ weight", "x @ -weight"), False),
        (
            ("tinymaskrcnn.nn.module", "Sequential.forward"),
            ("ops.activation", "maximum(x, 0)", "maximum(x, 1)"),
            True,
        ),
        (
            ("tinymaskrcnn.nn.module", "Sequential.forward"),
            ("nn.layers", "return y, self.keep(cache)", "pass"),
            True,
        ),
        (
            ("tinymaskrcnn.models.backbones.resnet", "ResidualBlock.forward"),
            ("nn.layers", "self.keep(cache)", "0"),
            True,
        ),
        (
            ("tinymaskrcnn.models.heads.mask", "MaskPredictor.forward"),
            ("ops.conv", "one_hot @ bias", "one_hot @ -bias"),
            True,
        ),
        (
            ("tinymaskrcnn.models.heads.mask", "MaskPredictor.backward"),
            ("nn.layers", "conv.conv_transpose2d_backward(dy, cache)", "conv.conv_transpose2d_backward(-dy, cache)"),
            True,
        ),
        (("tinymaskrcnn.nn.module", "Sequential.backward"), ("ops.norm", "dx += dy", "dx -= dy"), True),
    ],
)
def test_what_counts_as_another_text(monkeypatch, name, edit, counts):
    assert (digest_where(monkeypatch, *name, edit) != texts._record()[name[1]]) == counts


@pytest.fixture
def fresh():
    for cached in (texts.edited, kernel_lookup._name_of, texts._source):
        cached.cache_clear()
    yield
    for cached in (texts.edited, kernel_lookup._name_of, texts._source):
        cached.cache_clear()


def test_an_edited_text_is_told_once_and_runs(fresh, monkeypatch, rng):
    monkeypatch.setitem(texts._record(), "linear_forward", "another")
    monkeypatch.setitem(kernel_lookup._KERNELS, "linear_forward", [(np, lambda *a: True, lambda *a: "kernel")])
    x, weight, bias = rng.standard_normal((2, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    with pytest.warns(UserWarning, match=r"linear_forward in .*linear\.py.*the text runs") as told:
        y, _ = linear.linear_forward(x, weight, bias)
    assert (y == x @ weight + bias).all() and len(told) == 1 and len(str(told[0].message)) <= 500
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear.linear_forward(x, weight, bias)


def test_without_a_source_the_kernel_is_trusted(fresh, monkeypatch):
    monkeypatch.setattr(texts, "_source", texts.functools.cache(lambda module: None))
    assert not texts.edited(conv.conv2d_forward.readable) and not texts.edited(Sequential.forward.readable)


def test_functions_of_others_are_not_looked_at(fresh):
    def linear_forward(x):
        return x

    linear_forward.__qualname__ = "linear_forward"
    assert not texts.edited(linear_forward)


SCRIPT = """
import warnings, numpy as np
from tinymaskrcnn.ops import conv, linear
from tinymaskrcnn.kernels import threads
rng = np.random.default_rng(0)
x, weight = (rng.standard_normal(s, dtype=np.float32) for s in ((2, 32, 32, 32), (3, 3, 32, 32)))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    y, _ = conv.conv2d_forward(x, weight, None, padding=1)
    conv.conv2d_forward(x, weight, None, padding=1)
print(bool((y == 7).all()), len(told), any("conv2d_forward in" in str(w.message) for w in told))
"""


def runs(folder, *options):
    command = [sys.executable, *options, "-c", SCRIPT]
    env = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, cwd=folder.parent)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_change_it_and_see(tmp_path):
    """In a copy of the package: as it is, edited, edited and recorded, and in an archive."""
    copy = tmp_path / "lib" / "tinymaskrcnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz", "homework", "visualize"))
    assert runs(copy.parent) == runs(copy.parent, "-O") == ["False", "0", "False"]
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for path in copy.rglob("*.*"):
            archive.write(path, path.relative_to(copy.parent))
    assert runs(tmp_path / "whole.zip") == ["False", "0", "False"]

    text = (copy / "ops" / "conv.py").read_text()
    (copy / "ops" / "conv.py").write_text(
        text.replace("    if bias is not None:\n        y += bias\n", "    y[...] = 7\n", 1)
    )
    assert runs(copy.parent) == ["True", "1", "True"]
    env = {"PYTHONPATH": str(copy.parent)}
    subprocess.run([sys.executable, "-m", "tinymaskrcnn.kernels.texts"], env=env, check=True, cwd=tmp_path)
    assert runs(copy.parent) == ["False", "0", "False"]
