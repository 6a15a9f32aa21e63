"""The tables of tests/reference: each opens with its source, in lines after a #."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "reference"


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table by column, as text."""
    lines = (FOLDER / f"{name}.csv").read_text("utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def source(name: str) -> str:
    """Return the comment that opens a table."""
    lines = (FOLDER / f"{name}.csv").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))
