"""A table of the report, and the words that its cells share."""

from dataclasses import dataclass

from pkmodels.clinic.report_strips import Picture

NOT_COMPUTED = "not computed"

Cell = str | Picture


@dataclass(frozen=True)
class Table:
    """A table as text.

    Parameters
    ----------
    headers : tuple of str or Picture
        One for each column, with its unit.
    rows : tuple of tuple of str or Picture
        One cell for each column; a row of one cell is a heading of what follows.
        Text is escaped.
    notes : tuple of str
        Said below the table.
    words : tuple of int
        Columns of running text, besides the first: left-aligned and wrapped.
    """

    headers: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    words: tuple[int, ...] = ()

    @property
    def blocks(self) -> tuple[tuple[tuple[Cell, ...], ...], ...]:
        """Return the rows cut before each heading, so that print keeps them whole."""
        blocks: list[list[tuple[Cell, ...]]] = []
        for row in self.rows:
            if not blocks or len(row) == 1:
                blocks.append([])
            blocks[-1].append(row)
        return tuple(map(tuple, blocks))
