"""One family of exceptions, each also what Python programmers would catch."""

import inspect

import pytest

from tinymaskrcnn import errors

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
    ],
)
def test_builtin_relatives(error, builtin):
    assert issubclass(error, builtin)


def test_no_line_of_a_message_is_endless():
    short, long = "x" * 500, f"a.json: {'y' * 5000} z.png"
    assert str(errors.DataError(short)) == short
    cut = str(errors.DataError(f"{long}\n{short}\n{long}"))
    assert max(map(len, cut.split("\n"))) <= 500 and cut.split("\n")[1] == short
    assert all(line.startswith("a.json: y") and line.endswith("y z.png") for line in cut.split("\n")[::2])
