"""The harness over everything: every public pair and Module, on NumPy, on the strict device array, on CuPy if there."""

import cases
import pytest
import registry
import strict_device

from tinymaskrcnn.testing import available_backends

BACKENDS = (strict_device.BACKEND, *available_backends())


@pytest.mark.parametrize("case", registry.CASES, ids=str)
def test_case(case):
    case.check(BACKENDS)


def test_every_public_pair_is_registered():
    registered = {case.what for case in registry.CASES if case.kind == "pair"}
    assert not set(cases.public_pairs()) - registered, "add a line to tests/registry.py"


def test_every_public_module_is_registered():
    registered = {type(case.build()).__name__ for case in registry.CASES if case.kind == "layer"}
    assert not cases.public_modules() - registered, "add a line to tests/registry.py"
