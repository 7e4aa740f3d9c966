"""Roads to points that do not lead through the exercise, past the look at the file: none arrives.

Each of the first group was once open. The look at a file (audit) is not asked here: what it would find is beside the
point, the solution must not be there to be found.
"""

import pytest
from homework.bodies import fill

from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.check import check_file, explanation
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import judge, refused
from tinymaskrcnn.homework.remote import RemoteStudent

LINEAR = "hw01.linear_backward"
IMPORT = "from tinymaskrcnn.backend import importlib as i\n"
ROADS = {  # what stands at the top of the file, and in the blank
    "kept before it is laid over": (LINEAR, "kept = linear.linear_backward", "return kept(dy, cache)"),
    "the class it inherits from": (
        "hw01.linear_layer_backward",
        "kept = Linear.backward",
        "return kept(self, dy, cache)",
    ),
    "another module's name for it": (
        "hw03.iou_matrix",
        "from tinymaskrcnn.ops.nms import iou_matrix as f",
        "return f(a, b)",
    ),
    "the helper that is the solution": (
        "hw03.nms",
        "from tinymaskrcnn.ops import nms as m",
        "n = len(boxes)\nreturn m._greedy(boxes, np.arange(n), np.ones(n, bool), iou_threshold)",
    ),
    "a module of a module": (
        LINEAR,
        "import dataclasses\nf = dataclasses.sys.modules['tinymaskrcnn.ops.linear'].linear_backward",
        "return f(dy, cache)",
    ),
    "what a decorator wraps": (
        LINEAR,
        "f = getattr(linear.linear_backward, '__wrap' + 'ped__')",
        "return f(dy, cache)",
    ),
    "a kernel": (
        "hw02.max_pool2d_forward",
        IMPORT + "K = i.import_module('tinymaskrcnn.kernel_lookup')._KERNELS",
        "return K['max_pool2d_forward'][0][2](x, kernel=kernel, stride=stride, padding=padding)",
    ),
    "the text of the solution": (
        LINEAR,
        IMPORT + "b = i.import_module('tinymaskrcnn.homework.blanks')",
        f"return b.find_blank({LINEAR!r}).solution",
    ),
    "importing once more": (
        LINEAR,
        IMPORT + "s = i.import_module('sys')",
        "del s.modules['tinymaskrcnn.ops.linear']\n"
        "s.meta_path[:] = [f for f in s.meta_path if 'Cut' not in str(type(f))]\n"
        "return i.import_module('tinymaskrcnn.ops.linear').linear_backward(dy, cache)",
    ),
}


def graded(path, identifier):
    exercise = find_exercise(identifier)
    with RemoteStudent(path, strict=True, seconds=5) as student:
        trouble = student.take(exercise)
        return refused(exercise, trouble) if trouble else judge(exercise, student.answer, seed=3, hidden=True)


def write(folder, identifier, top, body):
    text = fill(identifier[:4], {identifier: body})
    place = text.index("\n# ---")
    path = folder / f"{identifier[:4]}.py"
    path.write_text(f"{text[:place]}\n{top}\n{text[place:]}")
    return path


@pytest.mark.in_turn
@pytest.mark.parametrize("name", ROADS)
def test_the_solution_is_not_there_to_be_called(tmp_path, name):
    identifier, top, body = ROADS[name]
    verdict = graded(write(tmp_path, identifier, top, body), identifier)
    assert verdict.points == 0 and verdict.word in ("tampered", "crashed"), explanation(verdict)


HABITS = """
import os, sys, time
import matplotlib.pyplot as plt
from dataclasses import dataclass, field
from typing import Any
from tinymaskrcnn.testing import check_pair
np.set_printoptions(threshold=sys.maxsize, precision=3)
@dataclass
class Pair:
    x: "Any"
    w: Any = field(default=None)
class Helper:
    def __call__(self, a, *, b=1): return a
show = lambda x: plt.imshow(x)
print("loaded", file=sys.stderr, flush=True)
"""
HABITS_BODY = """
import warnings
warnings.warn("here")
warnings.simplefilter("always")
pair = Pair(*cache)
assert dy.ndim == 2, f"{type(dy).__name__} of {dy.shape!r:>9}"
np.testing.assert_allclose(dy, Helper()(dy))
noise = np.random.default_rng(0).normal(size=getattr(dy, "shape"))
first, *rest = [np.log(noise * 0), *cache]
try:
    np.zeros(3).reshape(2)
except ValueError as error:
    print("no", error)
return dy @ pair.w.T, rest[0].T @ dy, sum(dy, np.zeros(dy.shape[1], dy.dtype))
"""


MAIN = """
if __name__ == "__main__":
    open("x", "w").write(os.getcwd())
    check_pair(1, 2)
"""


def test_the_habits_of_honest_people_are_no_tampering(tmp_path):
    path = write(tmp_path, LINEAR, HABITS, HABITS_BODY)
    text = path.read_text() + MAIN
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert audit(text) == []
    (verdict,) = check_file(path, only=[LINEAR], strict=True, hidden=True)
    assert verdict.word == "right", explanation(verdict)
