"""Distributions that PyMC lacks or derives no finite slope of: limits and counts."""

from typing import Any

import numpy as np
import pytensor.tensor as pt

# More extra variance than mean^2 / 1e10 only is told from Poisson's without rounding.
_MOST_ALPHA = 1e10
# Normal scores below are taken from a series.
_FAR = -12.0


def log_probability_below(
    limit: Any, centre: Any, spread: Any, degrees: float | None
) -> Any:
    """Return ln P(y < limit) of residuals y, normal or Student's t.

    Parameters
    ----------
    limit, centre, spread : (n,) PyTensor vectors
        The limit, and the location and scale of y; the location is infinite where it
        could not be solved, and minus infinite where y is certainly below any limit.
    degrees : float or None
        Of Student's t; None for the normal distribution.

    Returns
    -------
    (n,) PyTensor vector
        With finite derivatives far into either tail; -inf where the location is
        infinite, 0 where it is minus infinite.

    Examples
    --------
    >>> one = pt.constant([1.0]), pt.constant([1.0]), pt.constant([2.0])
    >>> log_probability_below(*one, None).eval().round(4)  # ln 0.5
    array([-0.6931])
    """
    finite = pt.isfinite(centre)
    known: Any = pt.switch(finite, centre, limit)
    z: Any = (limit - known) / spread
    if degrees is None:
        found = _log_normal_probability(z)
    else:
        # A plain number would be taken in single precision.
        freedom, half = np.array(degrees), np.array(degrees / 2.0)
        root: Any = pt.sqrt(z**2 + freedom)
        # (z + root) / (2 root) without cancellation where z is far below 0.
        share = pt.switch(z < 0.0, freedom / (root - pt.minimum(z, 0.0)), z + root) / (
            2.0 * root
        )
        found = pt.log(pt.betainc(half, half, share))
    return pt.switch(finite, found, pt.switch(pt.eq(centre, -np.inf), 0.0, -np.inf))


def _log_normal_probability(z: Any) -> Any:
    """Return ln Phi(z), with derivatives of any order.

    Below -12 by the asymptotic series (Abramowitz and Stegun 26.2.12), 1e-8 there;
    JAX has no second derivative of erfcx for vectors.
    """
    # Each branch is kept where it is finite, or its derivative would be no number.
    high: Any = pt.maximum(z, -1.0)
    middle: Any = pt.clip(z, _FAR, -1.0)
    far: Any = pt.minimum(z, _FAR)
    above: Any = pt.erfc(high / np.sqrt(2.0))
    below: Any = pt.erfc(-middle / np.sqrt(2.0))
    step = far**-2
    series = -step * (1 - 3 * step * (1 - 5 * step * (1 - 7 * step * (1 - 9 * step))))
    tail = pt.log1p(series) - far**2 / 2.0 - pt.log(-far * np.sqrt(2.0 * np.pi))
    near = pt.switch(z < -1.0, pt.log(below / 2.0), pt.log1p(-above / 2.0))
    return pt.switch(z < _FAR, tail, near)


def draw_censored(
    centre: np.ndarray,
    spread: np.ndarray,
    limit: np.ndarray,
    rng: np.random.Generator | None = None,
    size: Any = None,
    *,
    degrees: float | None,
) -> np.ndarray:
    """Draw values, those below the limit as the limit.

    Parameters
    ----------
    centre, spread, limit : arrays
        Location and scale of the values, and the limit.
    rng : numpy.random.Generator
        Repeats the draws.
    size : tuple of int, optional
        Of the result.
    degrees : float or None
        Of Student's t; None for the normal distribution.

    Returns
    -------
    array

    Examples
    --------
    >>> one = np.zeros(10_000), np.ones(10_000), np.full(10_000, 1.0)
    >>> drawn = draw_censored(*one, rng=np.random.default_rng(0), degrees=None)
    >>> round(float((drawn == 1.0).mean()), 2)  # P(z < 1)
    0.84
    """
    generator = np.random.default_rng(rng)
    shape = (
        np.broadcast_shapes(np.shape(centre), np.shape(limit)) if size is None else size
    )
    unit = (
        generator.standard_normal(shape)
        if degrees is None
        else generator.standard_t(degrees, shape)
    )
    return np.maximum(centre + spread * unit, limit)


def log_count_probability(counts: Any, mean: Any, extra: Any) -> Any:
    """Return ln P of counts: Poisson, or negative-binomial with extra variance.

    With alpha = mean^2 / extra,
    P(N) = Gamma(N + alpha) / (N! Gamma(alpha)) (alpha / (alpha + mean))^alpha
    (mean / (alpha + mean))^N; Poisson's in the limit of no extra variance.

    Parameters
    ----------
    counts : (n,) PyTensor vector
        N, whole, >= 0.
    mean : (n,) PyTensor vector
        Of the counts; infinite where it could not be solved.
    extra : (n,) PyTensor vector
        Variance less the mean, >= 0.

    Returns
    -------
    (n,) PyTensor vector
        -inf where the mean is infinite.

    Examples
    --------
    >>> one = pt.constant([3]), pt.constant([2.0]), pt.constant([0.0])
    >>> log_count_probability(*one).eval().round(4)  # ln(8/6) - 2
    array([-1.7123])
    """
    finite = pt.isfinite(mean)
    mean = pt.switch(finite, mean, 1.0)
    scattered = finite & has_extra_variance(mean, extra)
    safe: Any = pt.switch(scattered, extra, 1.0)
    known: Any = pt.switch(scattered, mean, 1.0)
    alpha: Any = known**2 / safe
    log_gamma: Any = pt.gammaln
    negative_binomial = (
        log_gamma(counts + alpha)
        - log_gamma(alpha)
        - log_gamma(counts + 1.0)
        - alpha * pt.log1p(known / alpha)
        - counts * pt.log1p(alpha / known)
    )
    # 0 counts of a mean of 0 are certain.
    positive = pt.switch(mean > 0.0, mean, 1.0)
    some = pt.switch(mean > 0.0, counts * pt.log(positive), -np.inf)
    poisson = pt.switch(pt.eq(counts, 0), 0.0, some) - mean - log_gamma(counts + 1.0)
    found = pt.switch(scattered, negative_binomial, poisson)
    return pt.switch(finite, found, -np.inf)


def has_extra_variance(mean: Any, extra: Any) -> Any:
    """Return where counts scatter more than Poisson's, as far as can be told.

    Parameters
    ----------
    mean, extra : arrays or PyTensor variables
        Mean, and variance less the mean.

    Returns
    -------
    array or PyTensor variable of bool

    Examples
    --------
    >>> has_extra_variance(np.array([100.0, 100.0]), np.array([0.0, 1.0])).tolist()
    [False, True]
    """
    return extra * _MOST_ALPHA > mean**2


def draw_counts(
    mean: np.ndarray,
    extra: np.ndarray,
    rng: np.random.Generator | None = None,
    size: Any = None,
) -> np.ndarray:
    """Draw counts, as `log_count_probability` has them.

    Parameters
    ----------
    mean, extra : arrays
        Mean, and variance less the mean.
    rng : numpy.random.Generator
        Repeats the draws.
    size : tuple of int, optional
        Of the result.

    Returns
    -------
    array of int

    Examples
    --------
    >>> drawn = draw_counts(np.full(10_000, 100.0), np.full(10_000, 300.0),
    ...                     rng=np.random.default_rng(0))
    >>> round(float(drawn.mean())), round(float(drawn.var()), -2)
    (100, 400.0)
    """
    generator = np.random.default_rng(rng)
    mean, extra = np.broadcast_arrays(mean, extra)
    scattered = has_extra_variance(mean, extra)
    shape = np.where(scattered, mean**2 / np.where(scattered, extra, 1.0), 1.0)
    gamma = generator.gamma(shape, mean / shape, size=size)
    return generator.poisson(np.where(scattered, gamma, mean), size=size)
