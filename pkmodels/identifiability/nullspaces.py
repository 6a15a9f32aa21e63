"""Ranks and null spaces over the series in a formal small number, modulo a prime."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NullSpace:
    """What leaves every output as it is, to first order.

    Parameters
    ----------
    rank : int
        Of the matrix.
    basis : (n_columns, n_columns - rank, precision) array of int64
        Columns that it takes to 0, each 1 at one of the columns `free` and 0 at the
        others; terms in the small number, of which so many are sure.
    free : tuple of int
        Those columns.
    """

    rank: int
    basis: np.ndarray
    free: tuple[int, ...]

    @property
    def fixed(self) -> np.ndarray:
        """Whether each column is determined: 0 in all of the null space."""
        return ~(self.basis != 0).any(axis=(1, 2))


def null_space(rows: np.ndarray, prime: int) -> NullSpace:
    """Return rank and null space by exact elimination.

    Each pivot has the lowest power of the small number of all that is left, so that
    dividing by it loses nothing.

    Parameters
    ----------
    rows : (n_rows, n_columns, n_powers) array of int64
        The matrix.
    prime : int
        The prime.

    Returns
    -------
    NullSpace

    Examples
    --------
    >>> found = null_space(np.array([[[1], [2]], [[3], [6]]]), 101)
    >>> found.rank, found.basis[..., 0].tolist()  # 99 = -2
    (1, [[99], [1]])
    """
    left = rows[(rows != 0).any(axis=(1, 2))].copy()
    columns, powers = rows.shape[1], rows.shape[2]
    pivots: list[tuple[np.ndarray, int, int]] = []
    while len(left):
        low = np.where(left != 0, np.arange(powers), powers).min(axis=2)
        lowest = int(low.min())
        if lowest == powers:
            break
        column = int(np.argmax((low == lowest).any(axis=0)))
        row = int(np.argmax(low[:, column] == lowest))
        pivot = left[row]
        factor = _quotient(left[:, column], pivot[column], lowest, prime)
        factor[row] = 0
        left = _less(left, factor, pivot, prime)
        left = np.delete(left, row, axis=0)
        left[:, column] = 0
        left = left[(left != 0).any(axis=(1, 2))]
        pivots.append((pivot, column, lowest))
    taken = {column for _, column, _ in pivots}
    free = tuple(n for n in range(columns) if n not in taken)
    precision = powers - max((lowest for *_, lowest in pivots), default=0)
    basis = np.zeros((columns, len(free), powers), dtype=np.int64)
    basis[list(free), np.arange(len(free)), 0] = 1
    for pivot, column, lowest in reversed(pivots):
        total = np.zeros((len(free), powers), dtype=np.int64)
        for i in range(powers):
            for j in range(powers - i):
                products = pivot[:, i, None] * basis[:, :, j] % prime
                total[:, i + j] += products.sum(axis=0)
        basis[column] = -_quotient(total % prime, pivot[column], lowest, prime) % prime
    return NullSpace(len(pivots), basis[..., :precision], free)


def _quotient(
    above: np.ndarray, below: np.ndarray, lowest: int, prime: int
) -> np.ndarray:
    """Return (n, n_powers) over one element whose lowest power is `lowest`."""
    powers = above.shape[-1]
    rest, out = above[:, lowest:].copy(), np.zeros_like(above)
    unit = below[lowest:]
    inverse = pow(int(unit[0]), -1, prime)
    for k in range(powers - lowest):
        out[:, k] = rest[:, k] * inverse % prime
        shifted = unit[: powers - lowest - k]
        rest[:, k:] = (rest[:, k:] - out[:, k, None] * shifted % prime) % prime
    return out


def _less(
    rows: np.ndarray, factor: np.ndarray, pivot: np.ndarray, prime: int
) -> np.ndarray:
    powers = rows.shape[-1]
    out = rows.copy()
    for i in range(powers):
        for j in range(powers - i):
            if factor[:, i].any() and pivot[:, j].any():
                out[..., i + j] -= factor[:, i, None] * pivot[None, :, j] % prime
    return out % prime
