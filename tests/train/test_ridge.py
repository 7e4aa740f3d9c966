"""The ridge of the box regression: its closed form, its limits, and whitening, which changes nothing."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.train.ridge import fit_ridge, whitening


def drawn(seed, count=30, size=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, size)) + 1
    return x, x @ rng.normal(size=(size, 4)) * [1, 0.1, 3, 0.01] + rng.normal(size=(count, 4)) * 0.1 + [3, 0, -1, 0.5]


def closed_form(x, targets, strength):
    rows = np.column_stack([x, np.ones(len(x))])
    gram = rows.T @ rows + strength * np.eye(rows.shape[1])
    mean = targets.mean(axis=0)
    solved = np.linalg.inv(gram) @ rows.T @ (targets - mean)
    return solved[:-1], solved[-1] + mean


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1000.0])
@pytest.mark.parametrize("count", [1, 3, 30])  # fewer rows than columns too
def test_is_the_closed_form_whatever_whitening_did(strength, count):
    x, targets = drawn(count, count)
    for got, wanted in zip(fit_ridge(x, targets, strength=strength), closed_form(x, targets, strength)):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


def test_no_step_makes_it_smaller():
    x, targets = drawn(1)
    weight, bias = fit_ridge(x, targets, strength=2.0)
    moved, mean = targets - targets.mean(axis=0), targets.mean(axis=0)

    def cost(weight, bias):
        left = moved - x @ weight - (bias - mean)
        return (left**2).sum() + 2.0 * ((weight**2).sum() + ((bias - mean) ** 2).sum())

    best, rng = cost(weight, bias), np.random.default_rng(0)
    for _ in range(20):
        assert cost(weight + 1e-3 * rng.normal(size=weight.shape), bias + 1e-3 * rng.normal(size=4)) > best


def test_weak_and_strong():
    x, targets = drawn(2)
    exact = x @ np.ones((6, 4)) + 5
    weight, bias = fit_ridge(x, exact, strength=1e-9)
    np.testing.assert_allclose(x @ weight + bias, exact, rtol=1e-6)
    weight, bias = fit_ridge(x, targets, strength=1e12)
    np.testing.assert_allclose(weight, 0, atol=1e-8)
    np.testing.assert_allclose(bias, targets.mean(axis=0), atol=1e-6)


def test_whitening():
    _, targets = drawn(3, 500)
    mean, whiten, unwhiten = whitening(targets, least=0)
    white = (targets - mean) @ whiten
    np.testing.assert_allclose(white.T @ white / 500, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(white @ unwhiten + mean, targets)
    _, whiten, unwhiten = whitening(np.ones((5, 4)))  # no variance at all
    np.testing.assert_allclose(whiten @ unwhiten, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(whiten, np.eye(4) / np.sqrt(1e-3))


def test_without_rows_nothing_moves_and_a_ridge_has_a_strength():
    weight, bias = fit_ridge(np.zeros((0, 3)), np.zeros((0, 4)), strength=1.0)
    assert weight.shape == (3, 4) and not weight.any() and not bias.any()
    with pytest.raises(ArgumentError, match="fit_ridge: strength must be above 0; got 0"):
        fit_ridge(*drawn(0), strength=0)


def test_single_precision_is_solved_in_double():
    x, targets = (values.astype(np.float32) for values in drawn(4))
    got, wanted = fit_ridge(x, targets, strength=2.0), closed_form(x.astype(float), targets.astype(float), 2.0)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    for one in whitening(targets):
        assert one.dtype == np.float64
