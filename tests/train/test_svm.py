"""The support vector machine: scikit-learn's objective, the conditions of the optimum, and the mining of negatives."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops.more_losses import hinge_backward, hinge_forward
from tinymaskrcnn.testing import check_pair
from tinymaskrcnn.train.svm import LinearSVM, fit_svm, mine_svm, svm_objective

STORED = Path(__file__).parents[1] / "fixtures" / "svm.npz"  # by `python tests/train/test_svm.py`, with scikit-learn
PROBLEMS = 6


def problem(number):
    """Rows of two classes that overlap more or less, few of them positive; C around the 1e-3 of R-CNN."""
    rng = np.random.default_rng([31, number])
    count, size = int(rng.integers(40, 90)), int(rng.integers(2, 9))
    positive = rng.random(count) < rng.uniform(0.1, 0.5)
    positive[:2] = True, False
    apart = rng.normal(size=size) * rng.uniform(0.3, 3)
    x = rng.normal(size=(count, size)) + np.where(positive[:, None], apart, -0.5 * apart)
    fit = dict(C=10.0 ** rng.uniform(-4, -0.5), positive_weight=float(rng.integers(1, 4)), bias_multiplier=10.0)
    return x * 20 / np.linalg.norm(x, axis=1).mean(), positive, fit


def by_sklearn(x, positive, fit):
    from sklearn.svm import LinearSVC

    weight = {1: fit["positive_weight"], 0: 1.0}
    options = dict(loss="hinge", dual=True, tol=1e-7, max_iter=2_000_000, random_state=0)
    with warnings.catch_warnings():  # that it has not converged to the last digit
        warnings.simplefilter("ignore")
        found = LinearSVC(C=fit["C"], class_weight=weight, intercept_scaling=fit["bias_multiplier"], **options).fit(
            x, positive.astype(int)
        )
    return LinearSVM(found.coef_[0].astype(np.float64), float(found.intercept_[0]))


def check(x, positive, fit, theirs):
    ours, _ = fit_svm(x, positive, rng=np.random.default_rng(0), **fit)
    got, wanted = svm_objective(ours, x, positive, **fit), svm_objective(theirs, x, positive, **fit)
    assert 0.99 * wanted < got < 1.01 * wanted
    close, _ = fit_svm(x, positive, rng=np.random.default_rng(0), tolerance=1e-6, **fit)
    np.testing.assert_allclose(close.scores(x), theirs.scores(x), atol=0.02 * np.abs(theirs.scores(x)).max())


@pytest.mark.parametrize("number", range(PROBLEMS))
def test_objective_is_that_of_scikit_learn(number):
    with np.load(STORED) as stored:
        theirs = LinearSVM(stored[f"weight{number}"], float(stored[f"bias{number}"]))
    check(*problem(number), theirs)


@pytest.mark.parametrize("number", range(40))
def test_objective_is_that_of_scikit_learn_asked_live(number):
    pytest.importorskip("sklearn")
    x, positive, fit = problem(100 + number)
    check(x, positive, fit, by_sklearn(x, positive, fit))


def test_on_paper():
    """One row on each side, at 1 and -1: w = 1, no bias, both margins exactly 1."""
    svm, alpha = fit_svm(np.array([[1.0], [-1]]), np.array([True, False]), C=10.0, tolerance=1e-9, rng=rng())
    assert svm.weight == pytest.approx([1]) and svm.bias == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(alpha, [0.5, 0.5])
    assert svm_objective(svm, np.array([[1.0], [-1]]), np.array([True, False]), C=10.0) == pytest.approx(0.5)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("number", range(4))
def test_conditions_of_the_optimum(number):
    """w is the sum of the rows times their alphas; inside the margin alpha is at its limit, outside it is 0."""
    x, positive, fit = problem(number)
    svm, alpha = fit_svm(x, positive, tolerance=1e-7, rng=rng(), **fit)
    sign, most = np.where(positive, 1, -1), fit["C"] * np.where(positive, fit["positive_weight"], 1)
    np.testing.assert_allclose(svm.weight, (alpha * sign) @ x, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(svm.bias, (alpha * sign).sum() * fit["bias_multiplier"] ** 2, rtol=1e-6, atol=1e-9)
    margin = sign * svm.scores(x)
    assert (alpha >= 0).all() and (alpha <= most).all()
    np.testing.assert_allclose(alpha[margin < 0.99], most[margin < 0.99])
    np.testing.assert_allclose(alpha[margin > 1.01], 0, atol=1e-12)


def test_gradient_of_the_objective_points_nowhere_lower():
    """The hinge is a pair like any other; at the optimum a step against its gradient, of any size, does not help."""
    x, positive, fit = problem(1)
    sign, share = np.where(positive, 1, -1), fit["C"] * np.where(positive, fit["positive_weight"], 1.0)
    found, _ = fit_svm(x, positive, tolerance=1e-9, rng=rng(), **fit)
    scores = LinearSVM(found.weight * 1.3, found.bias + 0.4).scores(x)  # a place without kinks nearby
    check_pair(hinge_forward, hinge_backward, [scores], targets=sign, weight=share, normalizer=1.0)
    best = svm_objective(found, x, positive, **fit)
    _, cache = hinge_forward(found.scores(x), targets=sign, weight=share, normalizer=1.0)
    dscores = hinge_backward(1.0, cache)
    dweight, dbias = found.weight + x.T @ dscores, found.bias / fit["bias_multiplier"] ** 2 + dscores.sum()
    for step in (1e-4, 1e-3, 1e-2):
        moved = LinearSVM(found.weight - step * dweight, found.bias - step * dbias)
        assert svm_objective(moved, x, positive, **fit) >= best * (1 - 1e-6)


def test_a_fit_goes_on_from_an_earlier_one_and_repeats_itself():
    x, positive, fit = problem(2)
    first, alpha = fit_svm(x, positive, tolerance=1e-6, rng=rng(), **fit)
    kept = alpha.copy()
    again, _ = fit_svm(x, positive, tolerance=1e-6, rng=rng(), **fit)
    assert (again.weight == first.weight).all() and again.bias == first.bias

    class Unused:
        def permutation(self, rows):
            raise AssertionError("there was something left to do")

    warm, _ = fit_svm(x, positive, alpha=alpha, tolerance=1e-6, rng=Unused(), **fit)
    np.testing.assert_allclose(warm.weight, first.weight)
    assert (alpha == kept).all()


def test_without_positives_nothing_is_positive():
    x = problem(0)[0]
    svm, _ = fit_svm(x, np.zeros(len(x), bool), C=1.0, bias_multiplier=10.0, rng=rng())
    assert (svm.scores(x) < -0.9).all()


def test_what_does_not_end_says_so(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.train.svm.SWEEPS", 2)
    with pytest.raises(ArgumentError, match="fit_svm: after 2 sweeps the objective .* is not within"):
        fit_svm(*problem(3)[:2], C=1000.0, rng=rng())


# ---------------------------------------------------------------- mining


def pictures_of(negatives, count):
    return np.array_split(negatives, count)


FIT = dict(C=0.05, positive_weight=2.0, bias_multiplier=10.0, tolerance=1e-6)


def overlapping(seed=0, negatives=600):
    rng = np.random.default_rng(seed)
    return rng.normal(1.5, 1, (40, 4)), rng.normal(-0.5, 1, (negatives, 4))


def test_mining_finds_what_all_negatives_at_once_say():
    """Those that were never hard are not needed: the plane is that of all of them."""
    positives, negatives = overlapping()
    mined = mine_svm(positives, pictures_of(negatives, 30), retrain_after=25, rng=rng(), **FIT)
    x, positive = np.concatenate([positives, negatives]), np.arange(640) < 40
    whole, _ = fit_svm(x, positive, rng=rng(), **FIT)
    best = svm_objective(whole, x, positive, **{k: v for k, v in FIT.items() if k != "tolerance"})
    got = svm_objective(mined, x, positive, **{k: v for k, v in FIT.items() if k != "tolerance"})
    assert best * 0.9999 < got < best * 1.01


def test_the_schedule_of_mining(monkeypatch):
    """All of the first picture; then those above `hard`; a fit whenever enough have come; below `easy` they go."""
    fits = []

    def watched(x, positive, *, alpha, rng, **fit):
        fits.append((len(x), int(positive.sum())))
        return LinearSVM(np.array([1.0]), 0.0), np.arange(len(x), dtype=float)  # the score is the feature itself

    monkeypatch.setattr("tinymaskrcnn.train.svm.fit_svm", watched)
    column = lambda *values: np.array(values)[:, None]  # noqa: E731
    pictures = [
        column(-5.0, -1.1, 0.0),  # all three, though two are easy: fit with 2 + 3 rows; -5 goes
        column(-1.2, -1.0, -1.00005),  # the first is not hard; two wait
        column(),
        column(0.5, -3.0),  # three wait: fit with 2 + 2 + 3 rows
        column(-1.0),  # waits until the end: fit with 2 + 5 + 1 rows
    ]
    mine_svm(column(2.0, -9.0), pictures, retrain_after=3, rng=rng(), C=1.0)
    assert fits == [(5, 2), (7, 2), (8, 2)]  # positives stay whatever they score


def test_who_is_hard_and_who_is_easy_to_the_last_digit(monkeypatch):
    """Above -1.0001 a negative is hard, below -1.2 it is let go; every 2000 hard ones the machine is fitted anew."""
    fits = []

    def watched(x, positive, *, alpha, rng, **fit):
        fits.append((sorted(x[~positive, 0].tolist()), alpha.tolist()))
        return LinearSVM(np.array([1.0]), 0.0), np.arange(len(x), dtype=float)

    monkeypatch.setattr("tinymaskrcnn.train.svm.fit_svm", watched)
    column = lambda *values: np.array(values)[:, None]  # noqa: E731
    many, more = np.full((1999, 1), 3.0), np.full((2000, 1), 4.0)
    pictures = [column(-1.2, -1.2001, 0.0), column(-1.0001, -1.00009), many[:1998], many[:1], more]
    mine_svm(column(2.0), pictures, rng=rng())
    assert fits[0] == ([-1.2001, -1.2, 0], [0] * 4) and len(fits) == 3
    assert fits[1][0][:3] == [-1.2, -1.00009, 0] and len(fits[1][0]) == 2 + 2000
    assert fits[1][1] == [0, 1, 3] + [0] * 2000, "what stays keeps its alpha, what is new begins with 0"


def test_the_objective_on_paper():
    svm, x = LinearSVM(np.array([3.0, -1.0]), 2.0), np.array([[1.0, 0], [0, 1], [0.5, 3]])
    positive = np.array([False, True, True])  # scores 5, 1, 0.5: lacking 6, 0, 0.5
    assert svm_objective(svm, x, positive, C=1.0) == pytest.approx(0.5 * (10 + 4) + 6.5)
    weighted = dict(C=0.5, positive_weight=4.0, bias_multiplier=10.0)
    assert svm_objective(svm, x, positive, **weighted) == pytest.approx(0.5 * (10 + 0.04) + 0.5 * (6 + 4 * 0.5))
    fitted, _ = fit_svm(x, positive, C=1.0, tolerance=1e-9, rng=rng())
    given = dict(positive_weight=1.0, bias_multiplier=1.0)
    assert fitted.bias == fit_svm(x, positive, C=1.0, tolerance=1e-9, rng=rng(), **given)[0].bias


def test_a_fit_ends_within_a_thousandth_of_its_bound_when_nothing_is_said():
    x, positive, fit = problem(5)
    one, other = fit_svm(x, positive, rng=rng(), **fit), fit_svm(x, positive, rng=rng(), tolerance=1e-3, **fit)
    assert one[0].bias == other[0].bias and (one[1] == other[1]).all()


def test_without_any_negative_there_is_still_a_machine():
    svm = mine_svm(overlapping()[0], [np.zeros((0, 4))], rng=rng(), **FIT)
    assert (svm.scores(overlapping()[0]) > 0.9).mean() > 0.5


if __name__ == "__main__":
    stored = {}
    for number in range(PROBLEMS):
        theirs = by_sklearn(*problem(number))
        stored |= {f"weight{number}": theirs.weight, f"bias{number}": np.float64(theirs.bias)}
    np.savez_compressed(STORED, **stored)
    print(f"{STORED}: {STORED.stat().st_size} bytes")
