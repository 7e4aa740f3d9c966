"""Every operator equals torchvision's, in values and all gradients: against stored answers, and with faults planted."""

import numpy as np
import pytest
from parity import comparison, measure
from parity.faults import FAULTS
from parity.operators import CONFIGURATIONS, FAMILIES

STORED = measure.stored()


def test_there_are_enough_configurations():
    assert len(CONFIGURATIONS) >= 200 and len(STORED) >= 100
    assert {configuration.family for configuration in STORED} == set(FAMILIES)
    assert comparison.STORED.stat().st_size < 1e6


@pytest.mark.parametrize("configuration", STORED, ids=str)
def test_equals_torchvisions_stored_answer(configuration):
    arrays, settings, want = STORED[configuration]
    wrong = comparison.differences(configuration.ours(arrays, settings), want)
    assert max(wrong.values()) <= comparison.TOLERANCE, (settings, wrong)


@pytest.mark.parametrize("configuration", STORED, ids=str)
def test_every_output_and_every_gradient_is_stored(configuration):
    """Nothing escapes the comparison by not being there, or by being zero throughout."""
    arrays, settings, want = STORED[configuration]
    data = {"rois"} if not settings.get("box_gradient") else set()  # boxes are data unless they learn
    expected = {f"d{name}" for name in configuration.inputs if name in arrays and name not in data}
    expected |= {"y"} if configuration.inputs else set()
    assert expected <= set(want) == set(configuration.ours(arrays, settings))
    assert all(array.any() for name, array in want.items() if name in ("y", "dweight", "dbias"))


# ---------------------------------------------------------------- the comparison can fail


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_is_caught(fault):
    caught = []
    for configuration, (arrays, settings, want) in STORED.items():
        if configuration.family == fault.family and fault.applies(arrays, settings):
            got = fault.plant(configuration, arrays, settings)
            caught.append(comparison.largest_difference(got, want) > comparison.TOLERANCE)
    assert caught and (all(caught) if fault.everywhere else any(caught))


@pytest.mark.parametrize("configuration", [next(c for c in STORED if c.family == name) for name in FAMILIES], ids=str)
def test_a_single_wrong_number_is_caught(configuration):
    arrays, settings, want = STORED[configuration]
    right = configuration.ours(arrays, settings)
    for name, array in right.items():
        wrong = np.array(array)
        if wrong.dtype.kind == "f":
            largest = np.unravel_index(np.abs(wrong).argmax(), wrong.shape)
            wrong[largest] = wrong[largest] * (1 + 2e-9) + 1e-20
            if not wrong.any() or not array.any():
                continue  # zero throughout
        else:
            wrong[(-1,) * wrong.ndim] ^= 1
        assert comparison.largest_difference({**right, name: wrong}, want) > comparison.TOLERANCE, name


@pytest.mark.parametrize(
    "got",
    [
        {},
        {"y": np.ones(3), "dx": np.ones(3)},
        {"y": np.ones((3, 1))},
        {"y": np.ones(1)},
        {"y": np.array([1, np.nan, 1])},
        {"y": np.array([1, np.inf, 1])},
        {"y": np.ones(3, int)},
    ],
)
def test_what_is_not_the_same_thing_is_infinitely_wrong(got):
    assert comparison.largest_difference({"y": np.ones(3)}, {"y": np.ones(3)}) == 0
    assert comparison.largest_difference(got, {"y": np.ones(3)}) == np.inf


def test_what_was_stored_comes_back(tmp_path):
    records = {"conv2d-0": ({"x": np.arange(6.0).reshape(2, 3)}, {"stride": (1, 2)}, {"keep": np.array([True, False])})}
    comparison.save(tmp_path / "stored.npz", records, "torch 2")
    assert comparison.made_with(tmp_path / "stored.npz") == "torch 2"
    arrays, settings, results = comparison.load(tmp_path / "stored.npz")["conv2d-0"]
    assert np.array_equal(arrays["x"], records["conv2d-0"][0]["x"]) and settings == {"stride": (1, 2)}
    assert results["keep"].dtype == bool and results["keep"].tolist() == [True, False]
