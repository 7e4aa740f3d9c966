"""What went wrong, by name: known mistakes by imitation, others by how the numbers differ.

A known mistake is an edit of the package's own solution. When the student's function answers every case just as the
edited solution does, it has made that mistake, however differently it is written.
"""

import dataclasses
import re

import numpy as np

from ..testing.trees import arrays_inside
from .answer import READ_ONLY, local_answer
from .differences import describe_difference
from .errors_in_words import in_words
from .judge import agrees, first_difference
from .wire import Other

LAZY = {"map": "list(map(...))", "filter": "list(filter(...))", "zip": "list(zip(...))", "range": "np.arange(...)"}
LAZY |= {"generator": "a function with `yield` needs a `return` instead, and (... for ...) needs [... for ...]"}
LAZY |= {"dict_values": "list(...)", "dict_keys": "list(...)", "memoryview": "np.asarray(...)"}


def diagnosed(verdict):
    """The Verdict with a diagnosis of its first wrong case."""
    first = verdict.first
    if first is None:
        return verdict
    known = True
    words = _of_trouble(first.trouble) if first.trouble is not None else ""
    if first.trouble is None and first.case.kind != "gradient" and first.output is None:
        words = "it returns None: is the `return` missing?"
    if first.trouble is None:
        words = words or _of_kind(first)
    elif first.trouble.kind == "empty" and verdict.word != "empty":
        words = "it raises NotImplementedError here, and answers elsewhere"
    if not words and not _is_final(first.trouble) and first.case is not None:
        words = name_mistake(verdict) or _of_writing(first) or name_mistake(verdict, partly=True) or _of_harness(first)
    if not words and first.trouble is not None:
        words = in_words(first.trouble.message, first.trouble.text)
    if not words and first.wrong is not None:
        words = describe_difference(verdict)
    if not words:
        words = first.message.splitlines()[0] if first.message else ""
        known = first.case is not None and first.case.kind != "gradient"  # the harness finds, and names nothing
    return dataclasses.replace(verdict, diagnosis=words, known=known and bool(words))


def _of_kind(result):
    """What came instead of numbers, and how to make numbers of it."""
    got = result.output if isinstance(result.output, Other) else getattr(result.wrong, "got", None)
    if not isinstance(got, Other):
        return ""
    if got.name in LAZY:
        return f"a {got.name} only promises values: {LAZY[got.name]}"
    kinds = {"complex": "complex numbers: take .real, or look for the root of a negative number"}
    kinds |= {"object": "Python objects and no numbers: parts of different length, or None, were put into one array"}
    kinds |= {"masked": "masked numbers: .filled(0) says what stands in their place", "<U": "text and no numbers"}
    return next((f"it holds {words}" for kind, words in kinds.items() if got.name.startswith(kind)), "")


def _is_final(trouble):
    return trouble is not None and trouble.kind != "exception"


def _of_trouble(trouble):
    words = {
        "empty": "not filled in yet: it still raises NotImplementedError",
        "slow": "it computes too long: a loop without an end, or one for every number where NumPy takes all at once?",
        "memory": "it asked for far too much memory: is an array as large as the square of what is needed?",
    }
    if trouble.kind == "exception" and READ_ONLY in trouble.message:
        return "you write into something you were given: what you received is read-only, write a + b instead of a += b"
    return words.get(trouble.kind, "")


def _of_writing(result):
    """That a wrong answer also wrote into its arguments comes first: all else may follow from it."""
    if not result.changed:
        return ""
    names = ", ".join(result.changed)
    left, roots = _left_of(result.text), {re.split(r"[.\[]", name)[0] for name in result.changed}
    if left and left not in roots:
        return (
            f"you write into {names} (line {result.line}): {left} is no array of its own, but a view of what you were "
            "given; start from a copy, or from zeros"
        )
    return f"you write into {names}: what you were given is read-only; write a + b instead of a += b"


def _left_of(line):
    """The name that a line like dbias += ... writes to; "" for any other line."""
    match = re.match(r"([A-Za-z_]\w*)\s*(?:\[.*\])?\s*(?:[-+*/]|//|\*\*|@)=", line)
    return match.group(1) if match else ""


def _of_harness(result):
    if "ownership" in result.message or "wrote into" in result.message:
        return result.message.splitlines()[0]
    return ""


# ---------------------------------------------------------------- imitation


def name_mistake(verdict, *, partly=False):
    """The known mistake that explains every case; "" when none does.

    partly: the first one that explains what is wrong first, in every case where that is wrong, and fails in none that
    is right; something else may be wrong as well
    """
    compared = [r for r in verdict.results if r.output is not None or _raised(r)]
    wrong = [r for r in compared if not r.passed and r.case.kind != "gradient"]
    if not wrong:
        return ""
    for mistake in verdict.exercise.mistakes:
        function = imitation(verdict.exercise, mistake)
        if not _explains(verdict.exercise, function, wrong[0]):
            continue
        if partly and not _says_little(wrong[0]) and not _is_contradicted(verdict, function, compared):
            return mistake.says
        if all(_explains(verdict.exercise, function, r) for r in compared if r.case.kind != "gradient"):
            return mistake.says
    return ""


def _is_contradicted(verdict, function, compared):
    """Whether a case speaks against a mistake: one that fails otherwise, or one that is right where it fails."""
    name = verdict.first.wrong.name if verdict.first.wrong is not None else None
    for result in compared:
        if result.case.kind == "gradient":
            continue
        if result.passed:
            if _alone_in_error(verdict, function, result):
                return True
        elif result.wrong is not None and result.wrong.name == name:
            if _differs(verdict.exercise, function, result, name):
                return True
    return False


def _differs(exercise, function, result, name):
    """Whether most of the numbers that are wrong in one part, answered in the same form, are wrong in another way.

    Not all of them: near a tie or in the last bits, the same mistake written in other words decides otherwise.
    """
    answer = local_answer(exercise, function, result.call)
    if answer.trouble is not None:
        return False
    outputs = (_compared(exercise, output, result.call) for output in (answer.output, result.output))
    mine, theirs = (output.get(name) for output in outputs)
    alike = isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray) and mine.shape == theirs.shape
    if not alike or theirs.dtype.kind not in "biuf" or mine.dtype.kind not in "biuf":
        return False
    want = np.asarray(result.wrong.want)
    if want.shape != theirs.shape:
        return False
    coarse = min((mine.dtype, theirs.dtype, want.dtype), key=lambda dtype: dtype.itemsize)
    mine, theirs, want = (array.astype(coarse) for array in (mine, theirs, want))
    wrong = ~agrees(want, theirs)
    return bool(wrong.any()) and bool(np.mean(agrees(mine, theirs)[wrong]) < 0.5)


def _says_little(result):
    """Whether many mistakes answer a case like this: by an exception, or by NaN alone."""
    got = None if result.wrong is None else result.wrong.got
    return _raised(result) or (isinstance(got, np.ndarray) and got.dtype.kind == "f" and bool(np.isnan(got).all()))


def _without_rows(call):
    """Whether an argument is empty: some guard against that, and make the mistake all the same."""
    return any(array.size == 0 for _, array in arrays_inside((call.args, call.data), ""))


def _alone_in_error(verdict, function, result):
    """Whether a function fails a case that the student passes, who then has not made its mistake."""
    if result.case.kind == "gradient" or not result.passed or _without_rows(result.call):
        return False
    exercise = verdict.exercise
    answer = local_answer(exercise, function, result.call)
    if answer.trouble is not None:  # a guard for no rows, say, that the edit lacks
        return False
    want = _compared(exercise, local_answer(exercise, exercise.blank.reference(), result.call).output, result.call)
    wrong = first_difference(want, _compared(exercise, answer.output, result.call)) is not None
    return wrong or (result.case.kind == "ownership" and bool(answer.changed))


def _raised(result):
    return result.trouble is not None and result.trouble.kind == "exception"


def imitation(exercise, mistake):
    """The package's function with a mistake in it. ValueError when an edit does not fit the solution."""
    text = "\n".join(exercise.blank.solution)
    for old, new in mistake.edits:
        if text.count(old) != 1:
            raise ValueError(f"{exercise.id}: {old!r} must stand in the solution once; it does {text.count(old)} times")
        text = text.replace(old, new)
    reference = exercise.blank.reference()
    while hasattr(reference, "__wrapped__"):
        reference = reference.__wrapped__
    namespace = {"np": np} | reference.__globals__  # every released file has np, whatever the module imports
    exec(exercise.blank.with_solution(text.splitlines()), namespace)
    return namespace[exercise.blank.function]


def _explains(exercise, function, result):
    """Whether a function answers a case as the student did."""
    answer = local_answer(exercise, function, result.call)
    if _raised(result) or answer.trouble is not None:
        both = _raised(result) and answer.trouble is not None
        return both and _kind(result.trouble.message) == _kind(answer.trouble.message)
    if result.case.kind == "ownership" and bool(answer.changed) != (not result.passed and result.wrong is None):
        return False  # one of them wrote into what it was given, the other did not
    mine, theirs = (_compared(exercise, output, result.call) for output in (answer.output, result.output))
    return first_difference(mine, theirs) is None


def _kind(message):
    """What makes two exceptions alike: their type, and the shapes they speak of."""
    return message.split(":")[0], re.findall(r"\(\d[\d,]*\)", message)


def _compared(exercise, output, call):
    """What a judge compares of an output; the bare output when that cannot be told."""
    try:
        return exercise.parts(output, call)
    except Exception:  # of a form that no right answer has, a mistake's own one included
        return {"": output}
