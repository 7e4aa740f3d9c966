"""Lines of Python as HTML: nothing is lost, and links find their names."""

import re
from html import unescape

import pytest

from tinymaskrcnn.explain.statements import PACKAGE
from tinymaskrcnn.visualize.walk_code import highlighted


def test_parts_are_told_apart():
    html, used = highlighted('return f"a{b}" if x.f(12) < 3 else None  # f', {"f": "f7"})
    assert "<b>return</b>" in html and '<s>f"a{b}"</s>' in html and "<u>12</u>" in html and "<i># f</i>" in html
    assert html.count('<a href="#f7">f</a>') == 1 and used == {"f7"} and "&lt;" in html


def test_a_name_within_a_name_is_no_link():
    html, used = highlighted("conv2d_forward(forward2)", {"forward": "f1"})
    assert used == set() and "<a" not in html


@pytest.mark.parametrize(
    "file", ["ops/conv.py", "ops/roi_samples.py", "contract.py", "nn/module.py", "homework/wire.py"]
)
def test_no_letter_is_lost(file):
    for line in (PACKAGE / file).read_text(encoding="utf-8").splitlines():
        html, _ = highlighted(line.strip(), {"x": "f1", "xp": "f2"})
        assert unescape(re.sub(r"<[^>]*>", "", html)) == line.strip()
