"""One family of exceptions, each also what Python programmers would catch."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn import errors
from tinymaskrcnn.cli import COMMANDS
from tinymaskrcnn.config import Config, to_dict
from tinymaskrcnn.config_changes import flat_names
from tinymaskrcnn.errors import listed, meant, shown
from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.studies.catalogue import QUESTIONS

ALL = [value for _, value in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_one_family(error):
    assert issubclass(error, errors.TinyMaskRCNNError) and error.__doc__
    with pytest.raises(errors.TinyMaskRCNNError, match="what was wanted"):
        raise error("what was wanted")


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ShapeError, ValueError),
        (errors.DtypeError, TypeError),
        (errors.BackendError, TypeError),
        (errors.ArgumentError, ValueError),
        (errors.ConfigError, ValueError),
        (errors.DataError, ValueError),
        (errors.CheckpointError, ValueError),
        (errors.NonFiniteError, ArithmeticError),
        (errors.RankError, RuntimeError),
    ],
)
def test_builtin_relatives(error, builtin):
    assert issubclass(error, builtin)


def test_no_line_of_a_message_is_endless():
    short, long = "x" * 500, f"a.json: {'y' * 5000} z.png"
    assert str(errors.DataError(short)) == short
    cut = str(errors.DataError(f"{long}\n{short}\n{long}")).split("\n")
    assert len(cut) == 3 and max(map(len, cut)) <= 500 and cut[1] == short
    assert cut[0] == cut[2] == f"a.json: {'y' * 297} ... {'y' * 184} z.png"


# ---------------------------------------------------------------- values in a message


def test_a_value_is_shown_as_python_writes_it():
    assert shown("cat") == "'cat'" and shown(b"x") == "b'x'" and shown([1, None, 2.5]) == "[1, None, 2.5]"
    assert shown("猫\n") == "'猫\\n'"


def test_a_long_value_loses_its_middle():
    fits = list(range(100, 112))  # 60 characters
    assert len(repr(fits)) == 60 and shown(fits) == repr(fits)
    assert shown("a" * 30 + "b" * 30) == f"'{'a' * 29} ... {'b' * 24}'"  # 62 of them
    assert shown(10**60) == f"1{'0' * 29} ... {'0' * 25}"  # 61
    assert shown("abcdefghijklmnopqrst", most=20) == "'abcdefghi ... qrst'"
    assert shown("abcdefghijklmnopqr", most=20) == "'abcdefghijklmnopqr'"


def test_what_cannot_be_written_is_shown_by_its_kind():
    class Odd:
        def __repr__(self):
            raise KeyError("no words")

    assert shown(Odd()) == "a Odd"


def test_what_no_console_prints_is_shown_as_its_number():
    class Half:
        def __repr__(self):
            return "half \ud800 a sign, é"

    assert shown(Half()) == "half \\ud800 a sign, é"


# ---------------------------------------------------------------- names in a message


def test_names_in_a_row():
    assert listed(["cat"]) == "cat" and listed(["cat", "dog"]) == "cat, dog" and listed([]) == "nothing"
    assert listed({3: "x", 4: "y"}) == "3, 4" and listed(iter([None, 1.5])) == "None, 1.5"


def test_of_many_names_the_first_are_said():
    twelve = [f"n{i}" for i in range(12)]
    assert listed(twelve) == ", ".join(twelve)
    assert listed([*twelve, "x"]) == ", ".join(twelve) + " and 1 more"
    assert listed([*twelve, "x", "y"]) == ", ".join(twelve) + " and 2 more"
    assert listed("abcd", most=2) == "a, b and 2 more"


def test_names_take_up_a_room_and_not_more():
    assert listed(["a" * 80, "b" * 60, "c" * 60]) == f"{'a' * 80}, {'b' * 60}, {'c' * 60}"  # 200 together
    assert listed(["a" * 80, "b" * 60, "c" * 61, "d"]) == f"{'a' * 80}, {'b' * 60} and 2 more"
    assert listed(["abc", "d", "e"], room=4) == "abc, d and 1 more"
    assert listed(["abc", "d"], room=2) == "abc and 1 more"  # one is always said


def test_a_long_name_loses_its_end():
    assert listed(["a" * 100, "b" * 101], room=300) == f"{'a' * 100}, {'b' * 95} ..."


# ---------------------------------------------------------------- misspelt names


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("mask_los", "mask_loss"),
        ("nmss", "proposal_nms"),  # one of its parts, misspelt
        ("context", "rcnn_context"),
        ("MASK_LOSS", "mask_loss"),
        ("fpn-parts", "fpn_parts"),
        ("what", ""),
        ("", ""),
        (3, ""),
    ],
)
def test_what_was_meant(word, name):
    assert meant(word, ["mask_head", "mask_loss", "proposal_nms", "rcnn_context", "fpn_parts"]) == name
    assert meant(word, []) == ""


@pytest.mark.parametrize("names", [list(QUESTIONS), list(EXHIBITS), list(COMMANDS), flat_names(to_dict(Config()))])
@given(st.data())
def test_one_slip_of_the_finger_is_forgiven(names, data):
    """A letter too many, too few, or two that changed places: of all names that one is meant, or one as near."""
    name = data.draw(st.sampled_from(names))
    k = data.draw(st.integers(0, len(name) - 2))
    slips = (name[:k] + name[k] + name[k:], name[:k] + name[k + 1 :], name[:k] + name[k + 1] + name[k] + name[k + 2 :])
    word = data.draw(st.sampled_from(slips))
    found = meant(word, names)
    assert found == name or edits(found, word) <= edits(name, word)


def edits(first, second):
    """How many letters have to be put in, taken out or changed to get from one word to the other (Levenshtein)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        last, row = row, [i]
        for j, b in enumerate(second, start=1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (a != b)))
    return row[-1]
