"""The library's models as a table: what each is, and what it was tested against."""

import textwrap
from collections.abc import Sequence

from pkmodels.models import library

# Characters of a cell; with the names and the gaps a line stays below 100.
_CELL = 36
_GAP = "  "


def list_models(*, sizes: bool = False) -> str:
    """Return a table of the library's models, one to a row, within 100 characters.

    Parameters
    ----------
    sizes : bool
        Whether to count amounts and parameters, for which each model is made: that
        takes seconds.

    Returns
    -------
    str

    Examples
    --------
    >>> print(list_models().splitlines()[0].split())
    ['model', 'what', 'it', 'is', 'tested', 'against']
    """
    rows = [_row(name) for name in library.MODELS]
    if not sizes:
        return _table(("model", "what it is", "tested against"), rows)
    counted = [(*row, *_sizes(row[0])) for row in rows]
    heads = ("model", "what it is", "tested against", "amounts", "parameters")
    return _table(heads, counted)


def _row(name: str) -> tuple[str, ...]:
    return (name, library.summary(name), library.checked_against(name))


def _sizes(name: str) -> tuple[str, str]:
    model = library.find(name).model()
    return str(len(model.amounts)), str(len(model.parameters))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of wrapped cells under their heads, an empty line between them."""
    cells = [[textwrap.wrap(cell, _CELL) or [""] for cell in row] for row in rows]
    columns = zip(*cells, strict=True)
    widths = [
        max(len(head), *(len(line) for cell in column for line in cell))
        for head, column in zip(heads, columns, strict=True)
    ]
    lines = [_line(heads, widths), _line(["-" * width for width in widths], widths)]
    for number, row in enumerate(cells):
        lines += [""] if number else []
        height = max(map(len, row))
        padded = [[*cell, *[""] * (height - len(cell))] for cell in row]
        lines += [_line(each, widths) for each in zip(*padded, strict=True)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    return _GAP.join(cell.ljust(width) for cell, width in pairs).rstrip()
