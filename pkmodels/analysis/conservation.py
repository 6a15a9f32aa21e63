"""What the reactions of a model conserve, and where molecules come and go."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import sympy

from pkmodels.definition import Model
from pkmodels.reactions import Reaction
from pkmodels.symbols import NO_LIGAND, Amount

# Comparisons of supports (a fraction of a second) before the search for
# non-negative totals gives way to the rational null space.
SEARCH_LIMIT = 1_000_000

# The non-zero coefficients of a combination of amounts, by their position.
Combination = dict[int, int]


@dataclass(frozen=True)
class MassBalance:
    """Where the molecules of one ligand, or of what is no ligand, come and go.

    Parameters
    ----------
    ligand : str
        The ligand; `pkmodels.symbols.NO_LIGAND` for receptors and the like.
    created, destroyed : tuple of str
        Reactions in which they come from, or leave to, the outside of the body.
    exchanged : tuple of str
        Reactions in which they bind to, part from or turn into something else.
    unequal : tuple of str
        Reactions into which as many go as do not come out of them, but some.
    """

    ligand: str
    created: tuple[str, ...]
    destroyed: tuple[str, ...]
    exchanged: tuple[str, ...]
    unequal: tuple[str, ...]

    @property
    def conserved(self) -> bool:
        """Whether no reaction changes how many there are."""
        return not (self.created or self.destroyed or self.exchanged or self.unequal)

    def __str__(self) -> str:
        """Print on one line."""
        found = (
            ("created by", self.created),
            ("destroyed by", self.destroyed),
            ("bound, released or converted by", self.exchanged),
            ("not balanced in", self.unequal),
        )
        said = "; ".join(f"{verb} {', '.join(names)}" for verb, names in found if names)
        return f"{self.ligand or 'no ligand'}: {said or 'conserved by every reaction'}"


def conserved_totals(model: Model) -> tuple[sympy.Expr, ...]:
    """Return independent totals of amounts that no reaction changes.

    A basis of {y : y N = 0}, N being the stoichiometry (amounts x reactions), in
    exact arithmetic. Totals of fewest amounts with positive whole coefficients come
    first; where those do not span, or their search passes `SEARCH_LIMIT`, vectors of
    the rational null space, whose coefficients may be negative, complete them.
    Doses, resets and decay change totals; only the reactions conserve them.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    tuple of sympy expression
        Number of amounts less the rank of N, in the order of their first amounts.

    References
    ----------
    Schuster S, Hoefer T. Determining all extreme semi-positive conservation
    relations in chemical reaction systems. J Chem Soc Faraday Trans
    1991;87:2561-2566.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, urine = amounts("plasma urine", unit="nmol")
    >>> (excretion,) = parameters("excretion", unit="1/h")
    >>> filtered = flow("filtration", plasma, urine, excretion * plasma)
    >>> conserved_totals(Model("m", (filtered,), {"intravenous": plasma}, {}))
    (plasma + urine,)
    """
    states = model.amounts
    place = {amount: position for position, amount in enumerate(states)}
    changes = _distinct(
        {place[amount]: count for amount, count in reaction.net_counts().items()}
        for reaction in model.reactions
    )
    wanted = len(states) - len(_echelon(changes))
    chosen = _independent(_semi_positive(changes, len(states)), wanted)
    if len(chosen) < wanted:
        rest = sorted(_null_space(changes, len(states)), key=_simplicity)
        chosen = _independent([*chosen, *rest], wanted)
    return tuple(
        sympy.Add(*(count * states[i] for i, count in sorted(total.items())))
        for total in sorted(chosen, key=sorted)
    )


def mass_balance(model: Model) -> tuple[MassBalance, ...]:
    """Return, for every ligand, which reactions change how many molecules there are.

    An amount of n nmol holds n nmol of its ligand; what else it holds, as a receptor
    that the ligand is bound to, is not counted. For what is no ligand, binding is
    hence listed as an exchange, and `conserved_totals` says whether it is undone.
    An amount that a reaction takes and returns unchanged takes no part.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    tuple of MassBalance
        For each ligand, then for what is no ligand where there is any.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> print(mass_balance(organ_exchange.model(("kidney",)))[0])
    ligand: destroyed by washout_kidney, elimination
    """
    kinds = list(model.ligands)
    kinds += [NO_LIGAND] if any(a.ligand == NO_LIGAND for a in model.amounts) else []
    found = []
    for kind in kinds:
        names: dict[str, list[str]] = {}
        for reaction in model.reactions:
            names.setdefault(_sort(reaction, kind), []).append(reaction.name)
        sorts = ("created", "destroyed", "exchanged", "unequal")
        found.append(
            MassBalance(kind, **{sort: tuple(names.get(sort, ())) for sort in sorts})
        )
    return tuple(found)


def _sort(reaction: Reaction, kind: str) -> str:
    net = reaction.net_counts()
    leaving, arriving = (
        sum(amount in net for amount in side) for side in reaction.of_ligand(kind)
    )
    if leaving == arriving:
        return "balanced"
    if leaving and arriving:
        return "unequal"
    other_way = -1 if arriving else 1
    if any(
        _counterpart(reaction, kind, a) and n * other_way > 0 for a, n in net.items()
    ):
        return "exchanged"
    return "created" if arriving else "destroyed"


def _counterpart(reaction: Reaction, kind: str, amount: Amount) -> bool:
    """Whether molecules of a kind may come from, or go into, another amount."""
    if amount.ligand in (kind, NO_LIGAND):
        return False
    if kind == NO_LIGAND:
        return True
    # A ligand becomes another one only where that one's own count changes.
    leaving, arriving = reaction.of_ligand(amount.ligand)
    return len(leaving) != len(arriving)


def _distinct(changes: Iterable[Combination]) -> list[Combination]:
    found = {tuple(sorted(_primitive(change).items())): None for change in changes}
    return [dict(items) for items in found if items]


def _primitive(combination: Combination) -> Combination:
    divisor = gcd(*combination.values())
    if combination and combination[min(combination)] < 0:
        divisor = -divisor
    return {i: n // divisor for i, n in combination.items()}


def _simplicity(total: Combination) -> tuple[int, int, int, list[int]]:
    signs = sum(n < 0 for n in total.values())
    return signs, len(total), sum(map(abs, total.values())), sorted(total)


def _echelon(rows: Iterable[Combination]) -> dict[int, dict[int, Fraction]]:
    """Reduced rows that span the same, each under the position of its leading 1."""
    reduced: dict[int, dict[int, Fraction]] = {}
    for row in rows:
        _extend(reduced, row)
    return reduced


def _extend(reduced: dict[int, dict[int, Fraction]], row: Combination) -> bool:
    """Add a row to reduced ones in place; False where they span it already."""
    new = {i: Fraction(n) for i, n in row.items()}
    for pivot in [i for i in new if i in reduced]:
        _subtract(new, reduced[pivot], new[pivot])
    if not new:
        return False
    lead = min(new)
    new = {i: value / new[lead] for i, value in new.items()}
    for other in reduced.values():
        if lead in other:
            _subtract(other, new, other[lead])
    reduced[lead] = new
    return True


def _subtract(
    row: dict[int, Fraction], other: dict[int, Fraction], times: Fraction
) -> None:
    for i, value in other.items():
        row[i] = row.get(i, Fraction(0)) - times * value
        if not row[i]:
            del row[i]


def _independent(candidates: Iterable[Combination], wanted: int) -> list[Combination]:
    chosen: list[Combination] = []
    reduced: dict[int, dict[int, Fraction]] = {}
    for candidate in candidates:
        if len(chosen) == wanted:
            break
        if _extend(reduced, candidate):
            chosen.append(candidate)
    return chosen


def _null_space(changes: list[Combination], size: int) -> list[Combination]:
    reduced = _echelon(changes)
    found = []
    for free in (i for i in range(size) if i not in reduced):
        vector = {free: Fraction(1)}
        vector |= {p: -row[free] for p, row in reduced.items() if free in row}
        scale = lcm(*(value.denominator for value in vector.values()))
        found.append(_primitive({i: int(n * scale) for i, n in vector.items()}))
    return found


def _semi_positive(changes: list[Combination], size: int) -> list[Combination]:
    """All totals y >= 0 of minimal support, simplest first; none past the limit."""
    rows = [({i: 1}, _column(changes, i)) for i in range(size)]
    left, work = set(range(len(changes))), 0
    while left:
        column = min(left, key=lambda c: _pairs(rows, c))
        work += _pairs(rows, column) * len(rows)
        if work > SEARCH_LIMIT:
            return []
        rows = _combined(rows, column)
        left.remove(column)
    return sorted((total for total, _ in rows), key=_simplicity)


# A total under way, and what it changes by in each reaction that still counts.
Row = tuple[Combination, Combination]


def _column(changes: list[Combination], position: int) -> Combination:
    return {
        c: change[position] for c, change in enumerate(changes) if position in change
    }


def _pairs(rows: list[Row], column: int) -> int:
    gains = sum(change.get(column, 0) > 0 for _, change in rows)
    losses = sum(change.get(column, 0) < 0 for _, change in rows)
    return gains * losses


def _combined(rows: list[Row], column: int) -> list[Row]:
    supports = [sum(1 << i for i in total) for total, _ in rows]
    found = [row for row in rows if column not in row[1]]
    gains = [i for i, (_, change) in enumerate(rows) if change.get(column, 0) > 0]
    losses = [i for i, (_, change) in enumerate(rows) if change.get(column, 0) < 0]
    for gain in gains:
        for loss in losses:
            union = supports[gain] | supports[loss]
            # Two are neighbours where no third lies within what they span.
            if not any(
                support | union == union
                for i, support in enumerate(supports)
                if i not in (gain, loss)
            ):
                found.append(_cancel(rows[gain], rows[loss], column))
    return found


def _cancel(gain: Row, loss: Row, column: int) -> Row:
    more, less = gain[1][column], -loss[1][column]
    total, change = (
        {
            i: n
            for i in sorted({*first, *second})
            if (n := less * first.get(i, 0) + more * second.get(i, 0))
        }
        for first, second in zip(gain, loss, strict=True)
    )
    divisor = gcd(*total.values())
    return (
        {i: n // divisor for i, n in total.items()},
        {i: n // divisor for i, n in change.items()},
    )
