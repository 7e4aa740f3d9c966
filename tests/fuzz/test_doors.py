"""No door lets anything out but a right result or an error of our own. TINYMASKRCNN_FUZZ=2000 tries as many cases."""

import os
import warnings
from pathlib import Path

import pytest

from tinymaskrcnn.errors import DataError

from .doors import all_doors
from .frame import REFUSED, RIGHT, Door, judge, run_door

QUICK = 40  # cases for each door in the normal suite
CASES = int(os.environ.get("TINYMASKRCNN_FUZZ", "0"))


@pytest.mark.in_turn
@pytest.mark.parametrize("door", all_doors().values(), ids=lambda door: door.name)
def test_damaged_things_give_a_right_result_or_an_own_error(door, tmp_path):
    outcomes, first = run_door(door, CASES or max(4, round(QUICK / door.cost)), tmp_path)
    assert not first, f"outcomes {dict(outcomes)}, first seeds {first}"


# ---------------------------------------------------------------- the judge himself


def _raise(error):
    raise error


def _spin(given):
    while True:
        pass


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (lambda given: 1, RIGHT),
        (lambda given: _raise(DataError(f"{given}: is bad")), REFUSED),
        (lambda given: _raise(DataError("is bad")), "an error that does not name"),
        (lambda given: _raise(DataError(f"{given}:" + "\n {}".format("x" * 300) * 2)), "a message of 6"),
        (lambda given: _raise(ValueError("is bad")), "ValueError at test_doors.py"),
        (lambda given: warnings.warn("careful", stacklevel=1), "warning: careful"),
        (lambda given: bytearray(2**30), "more than 400 MB"),
        (_spin, "more than 0.2 seconds"),
    ],
    ids=["right", "own", "nameless", "long", "foreign", "warning", "memory", "time"],
)
def test_the_judge_knows_the_outcomes(use, wanted, tmp_path):
    def make(rng, folder):
        return Path(folder / "a.json")

    assert judge(Door("some", make, use, seconds=0.2), 0, tmp_path).startswith(wanted)


def test_a_seed_brings_a_case_back(tmp_path):
    seen = []
    door = Door("some", lambda rng, folder: rng.random(), seen.append)
    run_door(door, 3, tmp_path)
    run_door(door, 3, tmp_path)
    assert seen[:3] == seen[3:] and len(set(seen)) == 3
