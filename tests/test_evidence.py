"""The evidence page: it holds what was measured, and nothing when a check fails."""

import evidence
import numpy as np
import pytest
import registry
from cases import Case, layer

from tinymaskrcnn.nn import layers
from tinymaskrcnn.testing import CheckFailed, Report

SMALL = [case for case in registry.PAIRS if case.what in ("linear", "softmax")]
SMALL += [layer(lambda rng: layers.Linear(3, 4, rng=rng), (5, 3))]
PARITY = {"linear": (6, 3e-16), "nms": (10, 0.0)}


@pytest.fixture(scope="module")
def harness():
    return evidence.run_harness(SMALL, say=lambda text: None)


def test_examples_of_one_operator_share_a_row(harness):
    assert [(name, row.home, row.examples) for name, row in harness.items()] == [
        ("linear", "ops", 1),
        ("softmax", "ops", 2),
        ("Linear", "nn", 1),
    ]
    assert 0 < harness["linear"].gradient < 1e-6 and 0 < harness["linear"].float32 < 1e-6


def test_a_row_keeps_the_largest_errors_and_counts_backends():
    row = evidence.Row("ops")
    row.add(Report(1e-9, 2e-7, {"cuda": 1e-15}))
    row.add(Report(3e-9, None, {}))
    assert (row.examples, row.gradient, row.float32) == (2, 3e-9, 2e-7)
    assert evidence._backends(row) == "NumPy"  # on the GPU only one of two
    row = evidence.Row("ops")
    row.add(Report(1e-9, 2e-7, {"cuda": 1e-15}))
    assert evidence._backends(row) == "NumPy, CuPy"


def test_the_page_says_what_was_measured(harness):
    models = [("maskrcnn_resnet50_fpn", evidence.COMPARED["gradient"], 4, 20, 2e-12)]
    text = evidence.page(harness, PARITY, "live", [("linear_forward", "64 rows", 4e-7)], models)
    lines = text.splitlines()
    gradient, float32 = (f"{error:.0e}" for error in (harness["linear"].gradient, harness["linear"].float32))
    assert f"| `linear` | 1 | {gradient} | {float32} | 6 | 3e-16 | NumPy, strict device |" in lines
    assert any(line.startswith("| `softmax` | 2 |") and "| – | – |" in line for line in lines)
    assert "| `nms` | 10 | equal |" in lines
    assert any(line.startswith("| `Linear` | `nn` | 1 |") and "| – | – |" in line for line in lines)
    assert "| `linear_forward` | 64 rows | 4e-07 |" in lines
    assert "| `maskrcnn_resnet50_fpn` | gradient of every parameter | 4 | 20 | 2e-12 |" in lines
    assert "the largest difference of a gradient was 2e-12" in text
    assert f"| numpy | {np.__version__} |" in lines and "4 examples of 3 operators" in text


def test_without_models_there_is_no_section_about_them(harness):
    assert "Whole models" not in evidence.page(harness, PARITY, "live", [], [])


def double_forward(x):
    """x (K, C)  ->  y (K, C)"""
    return 2 * x, None


def test_a_failing_check_makes_no_page(tmp_path, monkeypatch):
    wrong = Case("methods", lambda rng: (double_forward, lambda dy, cache: 3 * dy), {0: (5, 3)}, note="wrong")
    monkeypatch.setattr(registry, "CASES", [wrong])
    monkeypatch.setattr(evidence, "run_models", lambda: [])
    monkeypatch.setattr("sys.argv", ["evidence.py", "--out", str(tmp_path / "page.md")])
    with pytest.raises(CheckFailed):
        evidence.main()
    assert not (tmp_path / "page.md").exists()


def test_a_model_that_differs_makes_no_page(monkeypatch):
    errors = {"stage P2": 1e-15, "stage boxes": 2e-15, "loss mask": 1e-12, "gradient fpn": 1e-13}
    for name in ("make", "load"):
        monkeypatch.setattr(evidence.record, name, lambda *of: None)
    monkeypatch.setattr(evidence.measure, "torchvision_installed", lambda: True)
    monkeypatch.setattr(evidence.record, "measure", lambda record: dict(errors))
    assert evidence.run_models()[0] == (evidence.small.KINDS[0], "every stage of inference", 4, 8, 2e-15)
    errors["loss mask"] = 1e-8
    with pytest.raises(AssertionError, match="loss mask"):
        evidence.run_models()


def test_every_sort_of_error_of_a_model_has_words():
    errors = evidence.record.measure(evidence.record.load(evidence.small.KINDS[0]))
    assert {name.split(" ")[0] for name in errors} <= set(evidence.COMPARED)


def test_a_difference_from_torchvision_makes_no_page(monkeypatch):
    monkeypatch.setattr(evidence.measure, "by_family", lambda records: {"linear": (1, np.nan)})
    monkeypatch.setattr(evidence.measure, "live", dict)
    with pytest.raises(AssertionError, match="not equal to torchvision"):
        evidence.run_parity()
