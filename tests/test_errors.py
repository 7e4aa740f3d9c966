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
