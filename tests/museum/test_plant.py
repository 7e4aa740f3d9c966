"""Planting: a module gets another source, before anybody has imported it and without its file being touched."""

import importlib.util
import inspect
import sys

import pytest

from tinymaskrcnn.museum import plant


def test_a_planted_module_has_its_own_text():
    name, text = "tinymaskrcnn.ops.naive", "def linear():\n    return 'planted'\n"
    spec = plant.Planted({name: text}).find_spec(name, importlib.import_module("tinymaskrcnn.ops").__path__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.linear() == "planted" and inspect.getsource(module.linear).startswith("def linear")
    assert spec.origin.endswith("naive.py") and spec.loader.get_source(name) == text
    assert plant.Planted({name: text}).find_spec("tinymaskrcnn.ops.linear") is None


def test_what_is_imported_already_cannot_be_planted():
    before = list(sys.meta_path)
    with pytest.raises(RuntimeError, match=r"tinymaskrcnn\.museum\.plant is imported already"):
        plant.plant({"tinymaskrcnn.museum.plant": ""})
    assert sys.meta_path == before
