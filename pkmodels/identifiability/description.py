"""The answer of an analysis of identifiability as text that a modeller reads."""

from collections.abc import Mapping, Sequence

import sympy

from pkmodels.errors import InputError, suggest
from pkmodels.identifiability.answers import StructuralIdentifiability, Verdict
from pkmodels.identifiability.combinations import Family


def describe(
    found: StructuralIdentifiability, practical: Mapping[str, str] | None = None
) -> str:
    """Return a table of the unknowns, and below it what they can be known by.

    Parameters
    ----------
    found : StructuralIdentifiability
        The structural answer.
    practical : mapping of str to str or None
        By name of an unknown, what the data at hand tell of it (as from profile
        likelihoods): a column more.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When `practical` names what was not asked for.

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.identifiability.assessment import assess_equations
    >>> from pkmodels.identifiability.equations import Equations
    >>> x, k, F, V = sympy.symbols("x k F V")
    >>> oral = Equations("dose", {x: -k * x}, {x: 100 * F}, {"plasma": x / V})
    >>> found = assess_equations([oral], [k, F, V], budget_s=10.0, seed=1)
    >>> print(describe(found, {"k": "0.1 (0.09 to 0.12)"}))
    parameter  structural        known only in  practical
    k          identifiable                     0.1 (0.09 to 0.12)
    F          not identifiable  F/V
    V          not identifiable  F/V
    <BLANKLINE>
    F, V: 1 direction unseen; what can be known: F/V (reparametrized, exactly the same)
    <BLANKLINE>
    Curves without noise at every time; "identifiable" is local (finitely many values).
    Rank 2 of 3, reached by 2 of 6 terms; known values are arbitrary.
    By chance wrong with a probability below 1e-19.
    """
    practical = practical or {}
    for name in practical:
        if name not in found.parameters:
            raise InputError(
                f"practical names {name!r}, which was not asked for: "
                f"{suggest(name, found.parameters)}"
            )
    known_in = {
        str(symbol): _shown_in(symbol, family)
        for family in found.families
        for symbol in family.parameters
    }
    rows = [["parameter", "structural", "known only in"]]
    rows += [[n, str(v), known_in.get(n, "")] for n, v in found.parameters.items()]
    if practical:
        rows[0].append("practical")
        for row in rows[1:]:
            row.append(practical.get(row[0], ""))
    if not found.families:
        rows = [[row[0], row[1], *row[3:]] for row in rows]
    parts = [_columns(rows)]
    if found.families:
        parts.append("\n".join(_family_line(family) for family in found.families))
    if found.predicted:
        lines = [f"{n}: {_DETERMINED[v]}" for n, v in found.predicted.items()]
        parts.append("\n".join(lines))
    parts.append("\n".join(_notes(found)))
    return "\n\n".join(parts)


def _shown_in(symbol: sympy.Symbol, family: Family) -> str:
    own = [str(e) for e in family.combinations if symbol in e.free_symbols]
    shown = ", ".join(own) or "-"
    return shown if len(shown) <= _WIDEST else f"{len(own)} combinations, see below"


# Characters of a column of combinations.
_WIDEST = 45
_DETERMINED = {
    Verdict.IDENTIFIABLE: "determined by what is measured",
    Verdict.NOT: "not determined by what is measured",
    Verdict.UNDECIDED: "undecided",
}


def _family_line(family: Family) -> str:
    names = ", ".join(map(str, family.parameters))
    ways = "direction" if family.freedom == 1 else "directions"
    line = f"{names}: {family.freedom} {ways} unseen"
    if family.freedom == len(family.parameters):
        return f"{line}; nothing of them can be known"
    stopped = family.not_looked_for
    if not family.combinations:
        return line + (
            f"; combinations not looked for: {stopped}"
            if stopped
            else "; no simple combination found"
        )
    shown = ", ".join(map(str, family.combinations))
    how = "checked at further points"
    if family.reparametrized:
        how = "reparametrized, exactly the same"
    more = "" if family.complete else "; there is more that no simple combination tells"
    if stopped and not family.complete:
        more = f"; there is more, not looked for: {stopped}"
    return f"{line}; what can be known: {shown} ({how}){more}"


def _notes(found: StructuralIdentifiability) -> list[str]:
    if found.reason:
        return [f"Undecided: {found.reason}."]
    lines = [
        'Curves without noise at every time; "identifiable" is local '
        "(finitely many values).",
        f"Rank {found.rank} of {len(found.parameters)}, reached by {found.settled} of "
        f"{found.terms} terms; known values are arbitrary.",
    ]
    if found.powers > 1 and found.rank < len(found.parameters):
        lines.append(
            "Of what passes unseen between doses, what acts by more than "
            f"{found.powers} powers of that time alone is not told."
        )
    if found.takes_as_independent:
        lines.append(
            "Values of roots, exponentials and logarithms are taken as independent of "
            "one another: not proven."
        )
    if found.proven:
        return [*lines, "The rank is full: no chance is left in that."]
    # Rounded up, and never claimed smaller than one in 1e19.
    bound = max(found.error_bound, 1e-19)
    return [*lines, f"By chance wrong with a probability below {bound:.0e}."]


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
