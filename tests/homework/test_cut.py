"""A module without one of its solutions: the rest of it is as it was."""

import subprocess
import sys
import textwrap

import pytest

import tinymaskrcnn.ops
from tinymaskrcnn.homework.blanks import find_blank
from tinymaskrcnn.homework.cut import Cut, cut_out

TEXT = """
def f(x):
    "Says what it does."
    return x + 1
class A:
    def f(self): return 1
    def g(self): return 2
"""


def test_only_the_named_functions_lose_their_bodies():
    namespace = {}
    exec(compile(cut_out(TEXT, {"f", "A.g"}, "hw01.f"), "x.py", "exec"), namespace)
    assert namespace["f"].__doc__ == "Says what it does." and namespace["A"]().f() == 1
    for call in (lambda: namespace["f"](1), lambda: namespace["A"]().g()):
        with pytest.raises(PermissionError, match="the package's own solution of hw01.f is not there"):
            call()


def test_it_must_come_before_what_it_cuts():
    with pytest.raises(RuntimeError, match="is imported already"):
        from tinymaskrcnn.ops import linear  # noqa: F401

        Cut(find_blank("hw01.linear_backward")).install()


def test_of_the_package_one_module_is_cut_and_the_kernels_are_not_there():
    cut = Cut(find_blank("hw01.linear_backward"))
    for name in ("tinymaskrcnn.kernels", "tinymaskrcnn.kernels.nms"):
        with pytest.raises(ModuleNotFoundError, match=f"{name} is not there when homework is checked"):
            cut.find_spec(name)
    assert cut.find_spec("tinymaskrcnn.ops.conv") is None and cut.find_spec("tinymaskrcnn.kernels_of_mine") is None
    spec = cut.find_spec("tinymaskrcnn.ops.linear", tinymaskrcnn.ops.__path__)
    namespace = {"__name__": spec.name}
    exec(spec.loader.get_code(spec.name), namespace)
    with pytest.raises(PermissionError, match="not there while yours is checked"):
        namespace["linear_backward"](None, None)


def test_there_is_no_kernel_and_no_loop_to_take_its_place():
    program = """
        from tinymaskrcnn.homework.blanks import find_blank
        from tinymaskrcnn.homework.cut import Cut
        import numpy as np
        Cut(find_blank("hw03.nms"), ("_greedy",)).install()
        from tinymaskrcnn.ops import nms, boxes
        from tinymaskrcnn.ops import naive
        from tinymaskrcnn.targets import roi
        from tinymaskrcnn import kernel_lookup
        def refused(f, *args, **data):
            try:
                f(*args, **data)
            except (PermissionError, ImportError):
                return True
        a = np.array([[0.0, 0, 2, 2]])
        assert boxes.iou_matrix(a, a) == 1 and not kernel_lookup._KERNELS
        assert refused(nms.nms, a, np.ones(1), iou_threshold=0.5)
        assert refused(nms.nms.readable, a, np.ones(1), iou_threshold=0.5)
        assert refused(nms._greedy, None, None) and refused(naive.nms, a)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
