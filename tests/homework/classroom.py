"""A class of thirty: right, wrong, crashing, looping, tampering and empty, each with the verdict it deserves.

python -m tests.homework.classroom DIR [HOMEWORK] writes it, to be graded by `tinymaskrcnn homework grade DIR`.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from homework.bodies import fill  # noqa: E402

from tinymaskrcnn.homework.exercises import exercises_of  # noqa: E402
from tinymaskrcnn.homework.release import student_file  # noqa: E402

# What somebody may put into the first blank who does not mean to solve it, and the verdict of that exercise.
HOSTILE = {
    "loops": ("while True:\n    pass", "too slow"),
    "crawls": ("return sum(np.ones(99).sum() for _ in range(10**9))", "too slow"),
    "hoards": ("rows = []\nwhile True:\n    rows.append(np.zeros((1000, 1000, 50)))", "too much memory"),
    "recurses": ("return linear_backward(dy, cache)", "crashed"),
    "raises": ("raise RuntimeError('I give up')", "crashed"),
    "divides": ("return 1 // 0", "crashed"),
    "exits": ("raise SystemExit(0)", "crashed"),
    "kills": ("import os\nos._exit(0)", "tampered"),
    "shell": ("__import__('os').system('true')", "tampered"),
    "reads": ("return open('/etc/passwd').read()", "tampered"),
    "peeks": ("from tinymaskrcnn.ops.linear import linear_backward as f\nreturn f(dy, cache)", "tampered"),
    "unwraps": ("return np.sum.__globals__", "tampered"),
    "network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "tampered"),
    "patches": ("np.abs = lambda x: 0 * x\nreturn cache[0], cache[1], dy[0]", "tampered"),
    "judge": ("import tinymaskrcnn.homework.judge as j\nj.agrees = lambda a, b: a == a", "tampered"),
}
# What may stand at the top of a file, and the verdict of the whole.
BROKEN = {
    "syntax": ("def broken(:\n", "crashed"),
    "import": ("import torch\n", "right"),
    "import-used": ("import torch\ntorch.manual_seed(0)\n", "right"),
    "top-loop": ("while True:\n    pass\n", "too slow"),
    "top-error": ("1 / 0\n", "right"),  # no exercise uses it
    "binary": (b"\xff\xfe\x00 not text \x80", "crashed"),
}


def build_class(folder, homework="hw01", *, beside=None):
    """Write the submissions; returns {student: (verdict of the whole, {exercise id: verdict})}.

    beside: how many exercises stand rightly filled in behind the first one of a hostile file; all the others when None.
    With a number one file is wrong in all exercises, else three are.
    """
    folder = Path(folder)
    book = importlib.import_module(f"homework.mutants.{homework}")
    identifiers = [exercise.id for exercise in exercises_of(homework)]
    first = identifiers[0]
    expected = {}

    def hand_in(student, text, whole, **words):
        place = folder / student
        place.mkdir(parents=True)
        (place / f"{homework}.py").write_bytes(text if isinstance(text, bytes) else text.encode())
        expected[student] = (whole, words)

    for number in range(3):
        hand_in(f"right-{number}", fill(homework, book.RIGHT), "right", **dict.fromkeys(identifiers, "right"))
    for number in range(3 if beside is None else 1):
        bodies = {i: book.MUTANTS[i][number].body for i in identifiers}
        hand_in(f"wrong-{number}", fill(homework, bodies), None, **dict.fromkeys(identifiers, ("wrong", "crashed")))
    hand_in("empty-0", student_file(homework), "empty", **dict.fromkeys(identifiers, "empty"))
    hand_in("empty-1", "", "empty", **dict.fromkeys(identifiers, "missing"))
    half = {i: book.RIGHT[i] for i in identifiers[::2]}
    words = {i: "right" if i in half else "empty" for i in identifiers}
    hand_in("half", fill(homework, half), "partly right" if len(identifiers) > 1 else "right", **words)
    (folder / "absent").mkdir()
    expected["absent"] = ("nothing handed in", {})
    rest = {i: book.RIGHT[i] for i in identifiers[1:][:beside]}
    for name, (body, word) in HOSTILE.items():
        static = word == "tampered"
        of_others = {i: "right" if i in rest else "empty" for i in identifiers}
        words = {i: word if static else of_others[i] for i in identifiers} | {first: word}
        hand_in(name, fill(homework, rest | {first: body}), word if static else None, **words)
    for name, (head, word) in BROKEN.items():
        text = head if isinstance(head, bytes) else head + fill(homework, book.RIGHT)
        words = {} if isinstance(head, bytes) else dict.fromkeys(identifiers, word)
        hand_in(name, text, word, **words)
    return expected


if __name__ == "__main__":
    for student, (whole, _) in build_class(*sys.argv[1:]).items():
        print(f"{student:<12} {whole or 'see its exercises'}")
