"""Elimination: the order in which a sparse matrix is factored, fixed beforehand."""

from collections.abc import Iterable
from dataclasses import dataclass

# Row and column of an entry of a matrix that is not always 0.
Place = tuple[int, int]


@dataclass(frozen=True)
class Elimination:
    """The steps of a sparse LU factorization with the diagonal as pivots.

    Parameters
    ----------
    order : tuple of int
        The rows (and columns) in the order in which they are eliminated.
    below : tuple of tuple of int
        For each step, the rows that the pivot's row is taken from.
    right : tuple of tuple of int
        For each step, the columns of the pivot's row that are not 0.
    """

    order: tuple[int, ...]
    below: tuple[tuple[int, ...], ...]
    right: tuple[tuple[int, ...], ...]

    @property
    def filled(self) -> tuple[Place, ...]:
        """Every entry of L and U that is not always 0, pivots included."""
        steps = zip(self.order, self.below, self.right, strict=True)
        found: list[Place] = []
        for pivot, below, right in steps:
            found.append((pivot, pivot))
            found += [(row, pivot) for row in below]
            found += [(pivot, column) for column in right]
        return tuple(found)


def plan_elimination(size: int, entries: Iterable[Place]) -> Elimination:
    """Choose the order that fills in least: at each step Markowitz's smallest count.

    Parameters
    ----------
    size : int
        Number of rows.
    entries : iterable of (row, column)
        The entries that are not always 0; the diagonal is added.

    Returns
    -------
    Elimination

    References
    ----------
    Markowitz, Management Science 1957;3:255.

    Examples
    --------
    >>> arrow = [(0, 1), (0, 2), (1, 0), (2, 0)]
    >>> plan_elimination(3, arrow).order  # the hub last but one: nothing fills in
    (1, 0, 2)
    """
    rows: list[set[int]] = [set() for _ in range(size)]
    columns: list[set[int]] = [set() for _ in range(size)]
    for row, column in entries:
        if row != column:
            rows[row].add(column)
            columns[column].add(row)
    left = set(range(size))
    order, below, right = [], [], []
    while left:
        pivot = min(left, key=lambda i: (len(rows[i]) * len(columns[i]), i))
        left.remove(pivot)
        order.append(pivot)
        below.append(tuple(sorted(columns[pivot])))
        right.append(tuple(sorted(rows[pivot])))
        for row in columns[pivot]:
            rows[row].discard(pivot)
            for column in rows[pivot]:
                if column != row:
                    rows[row].add(column)
                    columns[column].add(row)
        for column in rows[pivot]:
            columns[column].discard(pivot)
    return Elimination(tuple(order), tuple(below), tuple(right))
