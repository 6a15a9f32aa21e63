"""Exact arithmetic modulo primes, on truncated series and their derivatives.

An element is an array (..., n_points, 1 + n_directions, n_powers) of int64: for each
point, with a prime of its own, a value and its derivatives by the unknowns, each a
polynomial in a formal small time e, cut off at e^n_powers.
"""

import numpy as np
import sympy

# Products of two halves of a residue, summed 256 times, are exact in float64.
_BITS = 30
_HALF = 15
_LOW = (1 << _HALF) - 1
MOST_TERMS = 1 << (53 - _BITS - _HALF)


def draw_primes(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw primes p of 30 bits with (p - 1) / 2 prime, too.

    In the squares modulo such a prime every root is unique.

    Parameters
    ----------
    count : int
        How many, >= 1.
    rng : numpy.random.Generator
        Where they are drawn from.

    Returns
    -------
    (count,) array of int64

    Examples
    --------
    >>> (prime,) = draw_primes(1, np.random.default_rng(1))
    >>> bool(sympy.isprime(prime)), bool(sympy.isprime((prime - 1) // 2))
    (True, True)
    """
    found: list[int] = []
    while len(found) < count:
        half = int(sympy.nextprime(int(rng.integers(1 << 28, (1 << 29) - 1000))))
        while not sympy.isprime(2 * half + 1):
            half = int(sympy.nextprime(half))
        if 2 * half + 1 < 1 << _BITS and 2 * half + 1 not in found:
            found.append(2 * half + 1)
    return np.array(found, dtype=np.int64)


def multiply(one: np.ndarray, other: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return the products of elements.

    Parameters
    ----------
    one, other : (..., n_points, 1 + n_directions, n_powers) arrays of int64
        Elements.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points, 1 + n_directions, n_powers) array of int64

    Examples
    --------
    >>> two_e, prime = np.array([[[2, 1], [1, 0]]]), np.array([101])
    >>> multiply(two_e, two_e, prime).tolist()  # (2 + e)^2 and 2 (2 + e)
    [[[4, 4], [4, 2]]]
    """
    powers, modulus = one.shape[-1], primes[:, None]
    out = np.zeros(np.broadcast_shapes(one.shape, other.shape), dtype=np.int64)
    for i in range(powers):
        for j in range(powers - i):
            a, b = one[..., i], other[..., j]
            part = a[..., :1] * b % modulus
            part[..., 1:] += a[..., 1:] * b[..., :1] % modulus
            out[..., i + j] += part
    return out % primes[:, None, None]


def power(
    base: np.ndarray, exponent: int | np.ndarray, primes: np.ndarray
) -> np.ndarray:
    """Return residues to a power >= 0, one exponent a point.

    Parameters
    ----------
    base : (..., n_points) array of int64
        Residues.
    exponent : int or (n_points,) array of int
        Exponents, >= 0.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points) array of int64

    Examples
    --------
    >>> power(np.array([3]), 5, np.array([101])).tolist()
    [41]
    """
    left = np.array(np.broadcast_to(exponent, primes.shape))
    result, square = np.ones_like(base), base % primes
    while left.any():
        result = np.where(left & 1, result * square % primes, result)
        square = square * square % primes
        left >>= 1
    return result


def invert(residues: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return 1 / a of residues, 0 of 0.

    Parameters
    ----------
    residues : (..., n_points) array of int64
        Residues.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points) array of int64

    Examples
    --------
    >>> invert(np.array([4]), np.array([101])).tolist()
    [76]
    """
    return power(residues, primes - 2, primes)


def dot(vectors: np.ndarray, weights: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return sums of products along the last axis, at most `MOST_TERMS` of them.

    Parameters
    ----------
    vectors : (..., n_points, n_directions, n) array of int64
        Residues.
    weights : (..., n_points, n) array of int64
        Residues.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points, n_directions) array of int64

    Examples
    --------
    >>> dot(np.array([[[3, 4]]]), np.array([[50, 60]]), np.array([101])).tolist()
    [[87]]
    """
    halves = np.stack([weights >> _HALF, weights & _LOW], axis=-1)
    sums = vectors.astype(np.float64) @ halves.astype(np.float64)
    high, low = np.moveaxis(sums.astype(np.int64), -1, 0)
    modulus = primes[:, None]
    return ((high % modulus << _HALF) + low) % modulus


def convolve(one: np.ndarray, other: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return the last term of the products of series of elements.

    Parameters
    ----------
    one, other : (..., n_points, 1 + n_directions, n_powers, n) arrays of int64
        Series, n terms each.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points, 1 + n_directions, n_powers) array of int64
        Term n - 1.

    Examples
    --------
    >>> series = np.array([[[[1, 2, 3]]]])
    >>> convolve(series, series, np.array([101])).tolist()  # 3 + 4 + 3
    [[[10]]]
    """
    powers, turned = one.shape[-2], other[..., ::-1]
    out = np.zeros(one.shape[:-1], dtype=np.int64)
    for i in range(powers):
        for j in range(powers - i):
            a, b = one[..., i, :], turned[..., j, :]
            out[..., i + j] += dot(b, a[..., 0, :], primes)
            if a.shape[-2] > 1:
                out[..., 1:, i + j] += dot(a[..., 1:, :], b[..., 0, :], primes)
    return out % primes[:, None, None]


def _nilpotent(element: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return element / its plain value - 1, some power of which is 0."""
    plain = element[..., 0, 0]
    rest = element * invert(plain, primes)[..., None, None] % primes[:, None, None]
    rest[..., 0, 0] = 0
    return rest


def _polynomial(
    coefficients: list[int | np.ndarray], element: np.ndarray, primes: np.ndarray
) -> np.ndarray:
    """Return sum_i c_i element^i, by Horner's rule."""
    out = np.zeros_like(element)
    for coefficient in reversed(coefficients):
        out = multiply(out, element, primes)
        out[..., 0, 0] = (out[..., 0, 0] + coefficient) % primes
    return out


def reciprocal(element: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return 1 / a of elements; where the plain value is 0, so is the result.

    Parameters
    ----------
    element : (..., n_points, 1 + n_directions, n_powers) array of int64
        Elements.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points, 1 + n_directions, n_powers) array of int64

    Examples
    --------
    >>> two_e, prime = np.array([[[2, 1], [1, 0]]]), np.array([101])
    >>> multiply(reciprocal(two_e, prime), two_e, prime).tolist()
    [[[1, 0], [0, 0]]]
    """
    rest = _nilpotent(element, primes)
    signs = [(-1) ** i for i in range(element.shape[-1] + 1)]
    scale = invert(element[..., 0, 0], primes)[..., None, None]
    return _polynomial(signs, rest, primes) * scale % primes[:, None, None]


def logarithm(element: np.ndarray, plain: np.ndarray, primes: np.ndarray) -> np.ndarray:
    """Return ln a of elements, given that of the plain value.

    Parameters
    ----------
    element : (..., n_points, 1 + n_directions, n_powers) array of int64
        Elements.
    plain : (..., n_points) array of int64
        What stands for the logarithm of the plain value.
    primes : (n_points,) array of int64
        The primes.

    Returns
    -------
    (..., n_points, 1 + n_directions, n_powers) array of int64

    Examples
    --------
    >>> three, prime = np.array([[[3, 0], [1, 0]]]), np.array([101])
    >>> logarithm(three, np.array([7]), prime).tolist()  # d ln a = da / 3, 34 = 1/3
    [[[7, 0], [34, 0]]]
    """
    rest = _nilpotent(element, primes)
    terms: list[int | np.ndarray] = [plain]
    for i in range(1, element.shape[-1] + 1):
        inverse = invert(np.full(primes.shape, i, dtype=np.int64), primes)
        terms.append(inverse if i % 2 else -inverse)
    return _polynomial(terms, rest, primes)


def exponential(
    element: np.ndarray, plain: np.ndarray, primes: np.ndarray
) -> np.ndarray:
    """Return exp a of elements, given that of the plain value.

    Parameters
    ----------
    element, plain, primes
        As of `logarithm`.

    Returns
    -------
    (..., n_points, 1 + n_directions, n_powers) array of int64

    Examples
    --------
    >>> three, prime = np.array([[[3, 0], [1, 0]]]), np.array([101])
    >>> exponential(three, np.array([7]), prime).tolist()  # d exp a = exp(a) da
    [[[7, 0], [7, 0]]]
    """
    rest = element.copy()
    rest[..., 0, 0] = 0
    terms: list[int | np.ndarray] = [1]
    factorial = np.ones(primes.shape, dtype=np.int64)
    for i in range(1, element.shape[-1] + 1):
        factorial = factorial * i % primes
        terms.append(invert(factorial, primes))
    found = _polynomial(terms, rest, primes)
    return found * plain[..., None, None] % primes[:, None, None]


def root(residues: np.ndarray, degree: int, primes: np.ndarray) -> np.ndarray:
    """Return the root of residues that is unique, -1 where there is none.

    Parameters
    ----------
    residues : (..., n_points) array of int64
        Residues.
    degree : int
        2 for the square root, >= 1.
    primes : (n_points,) array of int64
        From `draw_primes`.

    Returns
    -------
    (..., n_points) array of int64

    Examples
    --------
    >>> root(np.array([4, 8]), 3, np.array([23, 23])).tolist()  # 3 x 3 x 3 = 4 + 23
    [3, 2]
    >>> root(np.array([5]), 2, np.array([23])).tolist()
    [-1]
    """
    half = (primes - 1) // 2
    square = power(residues, half, primes) <= 1
    inverse = np.array([pow(degree, -1, int(h)) for h in half])
    found = power(np.where(square, residues, primes - residues), inverse, primes)
    if degree % 2:
        return np.where(square, found, primes - found) % primes
    return np.where(square, found, -1)
