"""What a few paired seeds can say: the interval of a mean by Student's t, a sign test, and how many seeds it takes."""

import functools
import math

import numpy as np

from ..errors import ArgumentError

CONFIDENCE = 0.95
POWER = 0.8
NORMAL = 2.8  # quantiles of the normal distribution at 0.975 and at 0.8, added up


def mean_interval(values, *, confidence=CONFIDENCE):
    """The mean of some independent numbers, and the interval in which their expectation lies (Student 1908).

    values (K,)  ->  mean, low, high; with fewer than two values nothing is known of the spread: -inf and inf
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ArgumentError(f"mean_interval: values must be at least one finite number; got {values.tolist()}")
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return mean, -math.inf, math.inf
    half = t_quantile((1 + confidence) / 2, count - 1) * float(values.std(ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half


def sign_test(differences):
    """How likely so lopsided signs are when either is as likely, two-sided; differences of 0 say nothing.

    differences (K,)  ->  p in 0..1, never below 2 / 2**K: 0.25 for three seeds, 0.0625 for five
    """
    signs = np.sign(np.asarray(differences, np.float64))
    count, above = int(np.count_nonzero(signs)), int((signs > 0).sum())
    fewer = min(above, count - above)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count)


def seeds_needed(spread, effect, *, most=1000):
    """How many paired seeds show a mean difference of `effect` with POWER, when differences spread so much.

    spread: standard deviation of a paired difference, effect: the size that matters, above 0  ->  2 .. most
    """
    if not effect > 0:
        raise ArgumentError(f"seeds_needed: effect must be above 0; got {effect}")
    least = (spread / effect * NORMAL) ** 2  # if the spread were known; it is not, so it takes more
    for count in range(max(2, math.floor(min(least, most))), most):
        quantiles = t_quantile((1 + CONFIDENCE) / 2, count - 1) + t_quantile(POWER, count - 1)
        if spread * quantiles <= effect * math.sqrt(count):
            return count
    return most


@functools.cache
def t_quantile(share, freedom):
    """Where Student's distribution with so many degrees of freedom has this share to its left, 0.5 <= share < 1."""
    high = 1.0
    while t_share(high, freedom) < share:
        high *= 2
    low = 0.0
    for _ in range(80):  # halving until float64 has no number in between
        middle = (low + high) / 2
        low, high = (middle, high) if t_share(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def t_share(t, freedom):
    """The share of Student's distribution that lies left of t >= 0."""
    if t * t < freedom:  # each side for what is small: 1 - x would lose the digits of a small t
        return 0.5 + 0.5 * beta_share(t * t / (freedom + t * t), 0.5, freedom / 2)
    return 1 - 0.5 * beta_share(freedom / (freedom + t * t), freedom / 2, 0.5)


def beta_share(x, a, b):
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz's method).

    x in 0..1, a, b above 0  ->  0..1
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on this side alone
        return 1 - beta_share(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / (a * _fraction(x, a, b))


def _fraction(x, a, b, *, tiny=1e-300):
    """1 + d1 / (1 + d2 / (1 + ...)), from the first term on."""
    value = numerator = 1.0
    denominator = 0.0
    for term in range(1, 10_000):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / ((1 + d * denominator) or tiny)
        numerator = (1 + d / numerator) or tiny
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-16:
            break
    return value
