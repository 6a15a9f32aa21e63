"""Exact solutions of linear compartment systems dx/dt = M x.

Two kernels give the response to one dose: `exponential_response` for any M, and
`cascade_response`, a closed form, where every amount is fed by the dosed one only.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import sympy

SQUARINGS = 24
_TAYLOR_DEGREE = 16  # with a scaled norm of 0.5 the remainder is 0.5^17/17! = 2e-20
_SCALED_NORM = 0.5

# Differences closer than this are by series, whose 16 terms leave 0.5^16 / 17!; the
# others by quotients, in which a tenth of what is subtracted or more remains.
_CLOSE = 0.5
_TERMS = 16


def matrix_exponential(matrix: Any, time: Any) -> Any:
    """Return exp(M t) by scaling and squaring of a shifted Taylor polynomial.

    exp(M t) = (exp(-s h) exp((M + s I) h))^(2^n), h = t / 2^n, s = max(-diag M).
    For a compartment system M + s I has no negative entry, so nothing cancels and
    each entry keeps its relative accuracy, about s t times the rounding error of one
    operation, however small the entry is.

    Parameters
    ----------
    matrix : (n, n) array, 1/h
        The system's matrix.
    time : scalar, h, >= 0
        Time since the bolus.

    Returns
    -------
    (n, n) array
        NaN where the norm of (M + s I) t, for a compartment system at most s t,
        exceeds 0.5 * 2^24, which no physiology reaches.

    References
    ----------
    Higham, Functions of Matrices (2008), section 10.3 (scaling and squaring);
    Xue and Ye, Math Comp 2013;82:1577 (the shift, componentwise accuracy).

    Examples
    --------
    >>> transition = matrix_exponential(jnp.array([[-1.0, 0.0], [1.0, 0.0]]), 1.0)
    >>> print(round(float(transition[1, 0]), 12))  # 1 - exp(-1)
    0.632120558829
    """
    identity = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    shift = jax.lax.stop_gradient(jnp.max(-jnp.diag(matrix)))
    shifted = matrix + shift * identity
    column_sums = jnp.sum(jnp.abs(shifted), axis=0)
    norm = jnp.maximum(jnp.max(column_sums) * time, _SCALED_NORM)
    halvings = jnp.ceil(jnp.log2(jax.lax.stop_gradient(norm) / _SCALED_NORM))
    step = time * jnp.exp2(-halvings)
    scaled = shifted * step
    power = identity
    for order in range(_TAYLOR_DEGREE, 0, -1):
        power = identity + scaled @ power / float(order)
    power = power * jnp.exp(-shift * step)

    def square(carry: Any, index: Any) -> tuple[Any, None]:
        return jnp.where(index < halvings, carry @ carry, carry), None

    power, _ = jax.lax.scan(square, power, jnp.arange(SQUARINGS, dtype=matrix.dtype))
    return jnp.where(halvings > SQUARINGS, jnp.nan, power)


Response = Callable[[Any, Any, Any], Any]


def exponential_response(root: int) -> Response:
    """Return the dose response of any linear system, by the matrix exponential.

    At the time t after the start of a unit dose given over a length d:
    x(t) = exp(M (t - s)) y, s = min(t, d), with y = (1/d) int_0^s exp(M r) e dr from
    the exponential of [[M, e], [0, 0]], or y = e for a bolus (e: the dosed amount).

    Parameters
    ----------
    root : int
        Index of the dosed amount.

    Returns
    -------
    callable
        ``(matrix, elapsed, lengths) -> (n_times, n_amounts)``; `elapsed` (h) may be
        negative (0 is returned), `lengths` (h) are those of the dose, 0 for a bolus.
        Where a dose starts or ends, derivatives are those just after; that in the
        length of a bolus is given as 0.

    References
    ----------
    Van Loan, IEEE Trans Automat Control 1978;23:395 (the augmented matrix).

    Examples
    --------
    >>> response = exponential_response(0)
    >>> times, bolus = jnp.array([-1.0, 0.0, 1.0]), jnp.zeros(3)
    >>> print(response(jnp.array([[-1.0]]), times, bolus)[:, 0])
    [0.         1.         0.36787944]
    """

    def at_one_time(matrix: Any, elapsed: Any, length: Any) -> Any:
        size = matrix.shape[0]
        during, after, _ = _phases(elapsed, length)
        dose = jnp.zeros(size).at[root].set(1.0)
        augmented = jnp.zeros((size + 1, size + 1))
        augmented = augmented.at[:size, :size].set(matrix).at[root, size].set(1.0)
        infused = matrix_exponential(augmented, during)[:size, size]
        is_bolus = length <= 0.0
        start = jnp.where(is_bolus, dose, infused / jnp.where(is_bolus, 1.0, length))
        return jnp.where(elapsed < 0.0, 0.0, matrix_exponential(matrix, after) @ start)

    return jax.vmap(at_one_time, in_axes=(None, 0, 0))


def cascade_response(root: int, *, infusions: bool) -> Response:
    """Return the dose response where every amount is fed by the dosed one only.

    At the time t after the start of a unit dose given over a length d, with
    s = min(t, d), a = t - s, k = -M_rr, w_j = -M_jj, u_j = M_jr:
    x_root = (s / d) exp(-k a) phi(k s),
    x_j = (s / d) u_j [a exp(-w_j a) phi((k - w_j) a) phi(k s)
    + s exp(-w_j a) phi_drop(w_j s, k s)], with s / d = 1 for a bolus.
    Both terms are of one sign, so that no digits are lost at any rate or length, nor
    where k = w_j.

    Parameters
    ----------
    root : int
        Index of the dosed amount.
    infusions : bool
        Whether any dose may have a length; where not, lengths must be 0.

    Returns
    -------
    callable
        As `exponential_response` does.

    Examples
    --------
    >>> response = cascade_response(0, infusions=False)
    >>> matrix = jnp.array([[-1.0, 0.0], [1.0, -1.0]])
    >>> print(response(matrix, jnp.array([2.0]), jnp.zeros(1))[0])  # e^-2, 2 e^-2
    [0.13533528 0.27067057]
    """

    def response(matrix: Any, elapsed: Any, lengths: Any) -> Any:
        during, after, share = (x[:, None] for x in _phases(elapsed, lengths))
        rates = -jnp.diagonal(matrix)[None, :]
        dosed_rate = rates[:, root, None]
        slow, fast = _in_order(rates, dosed_rate)
        faded = jnp.exp(-rates * after)
        organs = after * jnp.exp(-slow * after) * phi((fast - slow) * after)
        dosed = faded
        if infusions:
            mean = phi(dosed_rate * during)
            filled = during * phi_drop(rates * during, dosed_rate * during)
            organs, dosed = organs * mean + faded * filled, faded * mean
        is_root = jnp.arange(matrix.shape[0])[None, :] == root
        return share * jnp.where(is_root, dosed, matrix[None, :, root] * organs)

    return response


def phi(z: Any) -> Any:
    """Return (1 - exp(-z)) / z, the mean of exp(-z s) over s in 0..1.

    Parameters
    ----------
    z : array
        Rate times length; 0 gives 1, with the right derivatives.

    Returns
    -------
    array

    Examples
    --------
    >>> print(phi(jnp.array([0.0, 1.0])))
    [1.         0.63212056]
    """
    is_small = jnp.abs(z) < _CLOSE
    small, large = jnp.where(is_small, z, 0.0), jnp.where(is_small, 1.0, z)
    series = 0.0
    for order in range(_TERMS, -1, -1):
        series = 1.0 / math.factorial(order + 1) - small * series
    return jnp.where(is_small, series, -jnp.expm1(-large) / large)


def phi_drop(first: Any, second: Any) -> Any:
    """Return (phi(a) - phi(b)) / (b - a), and its limit -phi'(a) where a = b.

    It is the second divided difference of exp(-z) at 0, a and b. With these in order,
    p <= q <= r, it is exp(-p) [phi(q - p) - exp(p - q) phi(r - q)] / (r - p), or where
    r - p is small exp(-p) times the sum over n of (-1)^n h_n(q - p, r - p) / (n + 2)!,
    h_n being the sum of all products of degree n.

    Parameters
    ----------
    first, second : array
        The numbers a and b.

    Returns
    -------
    array
        Its derivatives are right everywhere, also where a = b.

    References
    ----------
    McCurdy, Ng and Parlett, Math Comp 1984;43:501 (divided differences of exp).

    Examples
    --------
    >>> print(phi_drop(jnp.array([0.0, 1.0]), jnp.array([0.0, 2.0])))
    [0.5       0.1997882]
    """
    lower, greatest = _in_order(first, second)
    least, lower = _in_order(jnp.zeros_like(lower), lower)
    middle, greatest = _in_order(lower, greatest)
    near, far = middle - least, greatest - least
    is_small = far < _CLOSE
    small_near, small_far = (jnp.where(is_small, x, 0.0) for x in (near, far))
    products, power, series = 1.0, 1.0, 0.5
    for order in range(1, _TERMS + 1):
        power = -small_far * power
        products = power - small_near * products
        series = series + products / math.factorial(order + 2)
    difference = phi(near) - jnp.exp(-near) * phi(greatest - middle)
    quotient = difference / jnp.where(is_small, 1.0, far)
    return jnp.exp(-least) * jnp.where(is_small, series, quotient)


def is_one_step_cascade(matrix: sympy.ImmutableMatrix, root: int) -> bool:
    """Say whether every amount is fed by the dosed one only.

    Parameters
    ----------
    matrix : (n, n) sympy matrix
        The system's matrix.
    root : int
        Index of the dosed amount.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_one_step_cascade(sympy.ImmutableMatrix([[-1, 0], [1, -2]]), 0)
    True
    >>> is_one_step_cascade(sympy.ImmutableMatrix([[-1, 1], [1, -2]]), 0)
    False
    """
    size = matrix.shape[0]
    return all(
        matrix[i, j] == 0
        for i in range(size)
        for j in range(size)
        if i != j and not (j == root and i != root)
    )


def _phases(elapsed: Any, lengths: Any) -> tuple[Any, Any, Any]:
    """Return for how long a dose went in, for how long it is over, and its share.

    Conditions instead of minima, whose derivative at a tie would be halved.
    """
    lengths = jnp.where(lengths <= 0.0, 0.0, lengths)
    since = jnp.where(elapsed < 0.0, 0.0, elapsed)
    is_over = since >= lengths
    during = jnp.where(is_over, lengths, since)
    after = jnp.where(is_over, since - lengths, 0.0)
    share = jnp.where(is_over, 1.0, since / jnp.where(is_over, 1.0, lengths))
    return during, after, jnp.where(elapsed < 0.0, 0.0, share)


def _in_order(one: Any, other: Any) -> tuple[Any, Any]:
    """Return the smaller and the larger; of equal ones each keeps its derivative."""
    is_ordered = one <= other
    smaller = jnp.where(is_ordered, one, other)
    return smaller, jnp.where(is_ordered, other, one)
