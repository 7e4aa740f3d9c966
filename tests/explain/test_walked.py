"""What a walk is made of: mirrors by name, titles of stations, lines of all functions."""

import pytest

from tinymaskrcnn.explain.statements import Definition
from tinymaskrcnn.explain.walked import Call, Function, Station, Walk


def function(name, file="ops/conv.py", **parts):
    return Function(file, name, Definition(1, 1, 1, 2, ""), **parts)


@pytest.mark.parametrize(
    ("name", "partner"),
    [
        ("conv2d_forward", "conv2d_backward"),
        ("Conv2d.backward", "Conv2d.forward"),
        ("RPN.loss_forward", "RPN.loss_backward"),
        ("_image_to_columns", ""),
        ("backwards", ""),
    ],
)
def test_mirrors_are_found_by_name(name, partner):
    assert function(name).partner == partner


@pytest.mark.parametrize(
    ("name", "module", "title"),
    [
        ("Sequential.forward", "backbone", "backbone"),
        ("RPN.loss_backward", "rpn", "rpn loss"),
        ("MaskRCNN.choose_samples", "", "choose samples"),
        ("RoIHeads.forward", "roi_heads", "roi heads"),
    ],
)
def test_titles_of_stations(name, module, title):
    assert Station(Call(function(name), 0, None, 0, module, []), False, "", []).title == title


def test_lines_and_finding():
    one, other = function("f", lines={2, 3}), function("g", "nn/module.py", lines={3})
    walk = Walk([one, other], [], {}, 0, 2)
    assert walk.lines == {("ops/conv.py", 2), ("ops/conv.py", 3), ("nn/module.py", 3)}
    assert walk.find("nn/module.py", "g") is other and walk.find("nn/module.py", "f") is None


def test_marks_stand_around_other_functions():
    assert function("_looks", "contract.py").mark and not function("array_module", "backend.py").mark
    assert function("has_kernel.<locals>.dispatch", "backend.py").mark
