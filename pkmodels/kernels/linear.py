"""Exact solutions of linear compartment systems dx/dt = M x.

Two kernels give the response to one dose: `exponential_response` for any M, and
`cascade_response`, a closed form, where every amount is fed by the dosed one only.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

SQUARINGS = 24
_TAYLOR_DEGREE = 16  # with a scaled norm of 0.5 the remainder is 0.5^17/17! = 2e-20
_SCALED_NORM = 0.5

_INFUSION_NODES = 32


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
        during = jnp.clip(elapsed, 0.0, length)
        dose = jnp.zeros(size).at[root].set(1.0)
        augmented = jnp.zeros((size + 1, size + 1))
        augmented = augmented.at[:size, :size].set(matrix).at[root, size].set(1.0)
        infused = matrix_exponential(augmented, during)[:size, size]
        is_bolus = length == 0.0
        start = jnp.where(is_bolus, dose, infused / jnp.where(is_bolus, 1.0, length))
        after = jnp.maximum(elapsed - during, 0.0)
        return jnp.where(elapsed < 0.0, 0.0, matrix_exponential(matrix, after) @ start)

    return jax.vmap(at_one_time, in_axes=(None, 0, 0))


def cascade_response(root: int, *, infusions: bool) -> Response:
    """Return the dose response where every amount is fed by the dosed one only.

    After a bolus: x_root = exp(-k t), x_j = u_j t exp(-w_j t) (1 - exp(-d)) / d,
    d = (k - w_j) t, with k = -M_rr, w_j = -M_jj, u_j = M_jr; stable also where
    k = w_j. An infusion is the mean of the bolus responses over its length, by
    Gauss-Legendre quadrature: to 2e-14 while k times the length is below 80.

    Parameters
    ----------
    root : int
        Index of the dosed amount.
    infusions : bool
        Whether any dose may have a length.

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
    nodes, weights = _infusion_nodes() if infusions else (np.zeros(1), np.ones(1))

    def bolus(matrix: Any, times: Any) -> Any:
        rates = -jnp.diagonal(matrix)[None, None, :]
        dosed_rate = rates[:, :, root, None]
        slow = jnp.minimum(rates, dosed_rate)
        # Not abs(), whose slope at equal rates would not be shared between them.
        gap = (jnp.maximum(rates, dosed_rate) - slow) * times
        organs = matrix[None, None, :, root] * times * jnp.exp(-slow * times) * phi(gap)
        is_root = jnp.arange(matrix.shape[0])[None, None, :] == root
        return jnp.where(is_root, jnp.exp(-rates * times), organs)

    def response(matrix: Any, elapsed: Any, lengths: Any) -> Any:
        since_start = jnp.maximum(elapsed, 0.0)
        during = jnp.minimum(since_start, lengths)
        is_bolus = jnp.where(lengths > 0.0, 0.0, 1.0)
        share = (during + is_bolus) / (lengths + is_bolus)
        share = jnp.where(elapsed < 0.0, 0.0, share)
        since = since_start[:, None] - during[:, None] * nodes[None, :]
        responses = bolus(matrix, since[:, :, None])
        mean = jnp.sum(responses * weights[None, :, None], axis=1)
        return share[:, None] * mean

    return response


def phi(z: Any) -> Any:
    """Return (1 - exp(-z)) / z, the mean of exp(-z s) over s in 0..1.

    Parameters
    ----------
    z : array, >= 0
        Rate times length; 0 gives 1, with the right gradient.

    Returns
    -------
    array

    Examples
    --------
    >>> print(phi(jnp.array([0.0, 1.0])))
    [1.         0.63212056]
    """
    small = z < 1e-3
    safe = jnp.where(small, 1.0, z)
    series = 1.0 - z / 2.0 * (1.0 - z / 3.0 * (1.0 - z / 4.0 * (1.0 - z / 5.0)))
    return jnp.where(small, series, -jnp.expm1(-safe) / safe)


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


def _infusion_nodes() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(_INFUSION_NODES)
    return (nodes + 1.0) / 2.0, weights / 2.0
