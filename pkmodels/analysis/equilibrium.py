"""Steady states of a model, in symbols, where they can be had in bounded work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import sympy
from sympy import ZZ
from sympy.polys.rings import PolyElement, PolyRing

from pkmodels.analysis.conservation import conserved_totals
from pkmodels.analysis.elimination import Branch, solve_polynomials
from pkmodels.analysis.numerators import numerator, plain_expressions
from pkmodels.analysis.polynomials import Setting, TooLargeError
from pkmodels.analysis.roots import Found, evaluate, root_of, select
from pkmodels.definition import Model, derivatives
from pkmodels.symbols import Amount, Parameter

# Steady states (of parts that do not touch each other, combined) that are listed.
STATE_LIMIT = 64

# Characters that a state is printed in, and that an expression has in a longer one.
_LINE_LENGTH, _EXPRESSION_LENGTH = 300, 80


@dataclass(frozen=True)
class SteadyState:
    """Amounts at which nothing changes.

    Parameters
    ----------
    values : mapping of Amount to sympy expression
        Every amount, of parameters, totals and the undetermined amounts.
    where : tuple of sympy expression
        What must be >= 0 for it to exist; empty where it always does.
    """

    values: Mapping[Amount, sympy.Expr]
    where: tuple[sympy.Expr, ...] = ()

    @property
    def undetermined(self) -> tuple[Amount, ...]:
        """Amounts that may have any value: what they are depends on what was given."""
        return tuple(a for a, value in self.values.items() if value == a)

    def __str__(self) -> str:
        """Print on one line; what is too long to read is only described."""
        written = [f"{a} = {e}" for a, e in self.values.items() if a != e]
        where = [f"{e} >= 0" for e in self.where]
        if sum(map(len, [*written, *where])) > _LINE_LENGTH:
            written, where = self._shortened()
        said = ", ".join(written)
        if self.undetermined:
            said += f"; any {', '.join(map(str, self.undetermined))}"
        if where:
            said += "; where " + " and ".join(where)
        return said.removeprefix("; ")

    def _shortened(self) -> tuple[list[str], list[str]]:
        """Return the values and conditions, those that are long described together."""
        texts = {a: str(e) for a, e in self.values.items() if a != e}
        long = {a: t for a, t in texts.items() if len(t) > _EXPRESSION_LENGTH}
        written = [f"{a} = {t}" for a, t in texts.items() if a not in long]
        if long:
            one, size = len(long) == 1, sum(map(len, long.values()))
            kinds = ("a ratio of polynomials", "ratios of polynomials")
            if any(_has_root(self.values[a]) for a in long):
                kinds = ("a root of a quadratic", "roots of a quadratic")
            written.append(
                f"{', '.join(map(str, long))} = {kinds[0] if one else kinds[1]} "
                f"({size:,} characters; steady_states(model).states holds "
                f"{'it' if one else 'them'})"
            )
        conditions = [str(e) for e in self.where]
        where = [f"{t} >= 0" for t in conditions if len(t) <= _EXPRESSION_LENGTH]
        hidden = len(conditions) - len(where)
        if hidden:
            where.append(f"{hidden} more condition{'s' * (hidden > 1)} (.where)")
        return written, where


def _has_root(expression: sympy.Expr) -> bool:
    # The discriminant of a quadratic is a sum; roots of single parameters are not.
    roots = (p for p in expression.atoms(sympy.Pow) if p.exp == sympy.S.Half)
    return any(root.base.is_Add for root in roots)


@dataclass(frozen=True)
class SteadyStates:
    """All non-negative steady states of a model, or why they are not known.

    Parameters
    ----------
    states : tuple of SteadyState
        All of them, where `complete`.
    totals : mapping of Parameter to sympy expression
        The symbols that stand for conserved totals, with what they are totals of.
    reason : str
        Why they were not found; empty where they were.
    """

    states: tuple[SteadyState, ...]
    totals: Mapping[Parameter, sympy.Expr]
    reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether these are all; none at all then means that none exists."""
        return not self.reason

    def __str__(self) -> str:
        """Print one line for each."""
        if self.reason:
            return f"not found: {self.reason}"
        if not self.states:
            return "none: the equations contradict each other"
        with_totals = [f"with {t} = {e}" for t, e in self.totals.items()]
        return "\n".join([*map(str, self.states), *with_totals])


def steady_states(model: Model) -> SteadyStates:
    """Return where all derivatives vanish and no amount is negative, exactly.

    0 = dx/dt together with total = sum of amounts for every conserved total, solved
    by elimination (`pkmodels.analysis.elimination`) for parameters and totals in
    general, that is, positive and in no special relation. Nothing is given meanwhile,
    and inputs have the value that they have outside a schedule's windows. Whether a
    steady state is stable is not asked.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    SteadyStates
        With the reason where a rate is no ratio of polynomials in the amounts, its
        denominator may vanish, or the search passes a limit of
        `pkmodels.analysis.elimination`.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import parameters, receptors
    >>> (receptor,) = receptors("receptor", unit="nmol")
    >>> (synthesis,) = parameters("synthesis", unit="nmol/h")
    >>> (degradation,) = parameters("degradation", unit="1/h")
    >>> turnover = (
    ...     flow("synthesis", None, receptor, synthesis),
    ...     flow("degradation", receptor, None, degradation * receptor),
    ... )
    >>> print(steady_states(Model("turnover", turnover, {}, {}, {receptor: 1})))
    receptor = synthesis/degradation
    """
    totals = _named_totals(model)
    for reaction in model.reactions:
        if not reaction.rate.is_rational_function(*model.amounts):
            reason = f"the rate of {reaction.name!r} is no ratio of polynomials"
            return SteadyStates((), totals, reason)
    try:
        setting, equations, stands_for = _equations(model, totals)
        parts = []
        for part in _parts(equations, setting):
            branches = solve_polynomials(part, setting)
            parts.append([s for branch in branches for s in _states(branch, setting)])
        if prod(len(part) for part in parts) > STATE_LIMIT:
            raise TooLargeError(f"more than {STATE_LIMIT} steady states")
    except TooLargeError as error:
        return SteadyStates((), totals, str(error))
    restore = [(lump, expression) for lump, expression in reversed(stands_for.items())]
    states = [_joined(model, chosen, restore) for chosen in product(*parts)]
    unique = {tuple(state.values.values()): state for state in states}
    return SteadyStates(tuple(unique.values()), totals)


def _named_totals(model: Model) -> dict[Parameter, sympy.Expr]:
    taken = {s.name for s in (*model.amounts, *model.parameters, *model.inputs)}
    found: dict[Parameter, sympy.Expr] = {}
    for total in conserved_totals(model):
        first = next(a for a in model.amounts if a in total.free_symbols)
        name = wanted = f"total_{first.name}"
        number = 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name)
        found[Parameter(name, first.unit)] = total
    return found


def _equations(
    model: Model, totals: Mapping[Parameter, sympy.Expr]
) -> tuple[Setting, list[PolyElement], dict[sympy.Symbol, sympy.Expr]]:
    expressions = _summed(model, totals.values())
    expressions += [total - symbol for symbol, total in totals.items()]
    amounts = set(model.amounts)
    plain, stands_for = plain_expressions(expressions, amounts)
    symbols = sorted({s for e in plain for s in e.free_symbols} - amounts, key=str)
    ring = PolyRing([*model.amounts, *symbols], ZZ)
    unknown = frozenset(range(len(model.amounts)))
    signless = frozenset(
        position
        for position, symbol in enumerate(ring.symbols)
        if _may_be_negative(symbol, totals, stands_for)
    )
    setting = Setting(ring, unknown, signless)
    return setting, [numerator(e, amounts, setting) for e in plain], stands_for


def _summed(model: Model, totals: Iterable[sympy.Expr]) -> list[sympy.Expr]:
    """The derivatives, with the longest of each ligand replaced by their sum.

    That says the same, and shows at once what only leaves.
    """
    rates = derivatives(model)
    related = [{a, *rate.free_symbols} for a, rate in rates.items()]
    related += [set(total.free_symbols) for total in totals]
    found = []
    for together, _ in _merged([(symbols & {*rates}, []) for symbols in related]):
        for ligand in dict.fromkeys(a.ligand for a in model.amounts):
            members = [
                r for a, r in rates.items() if a in together and a.ligand == ligand
            ]
            members.sort(key=_length)
            total = sympy.expand(sympy.Add(*members))
            if members and _length(total) < _length(members[-1]):
                members[-1] = total
            found += members
    return found


def _length(expression: sympy.Expr) -> int:
    return int(sympy.count_ops(expression))


def _may_be_negative(
    symbol: Any,
    totals: Mapping[Parameter, sympy.Expr],
    stands_for: Mapping[sympy.Symbol, sympy.Expr],
) -> bool:
    if symbol in stands_for:
        return not stands_for[symbol].is_nonnegative
    if isinstance(symbol, Parameter) and symbol in totals:
        return any(n < 0 for n in totals[symbol].as_coefficients_dict().values())
    return False


def _parts(
    equations: Iterable[PolyElement], setting: Setting
) -> list[list[PolyElement]]:
    """Equations in groups that share no unknown."""
    single = [(setting.unknowns(equation), [equation]) for equation in equations]
    return [members for _, members in _merged(single)]


def _merged[Item, Member](
    groups: Iterable[tuple[set[Item], list[Member]]],
) -> list[tuple[set[Item], list[Member]]]:
    found: list[tuple[set[Item], list[Member]]] = []
    for items, members in groups:
        apart = []
        for other in found:
            if other[0] & items:
                items, members = items | other[0], [*other[1], *members]
            else:
                apart.append(other)
        found = [*apart, (items, members)]
    return found


def _states(branch: Branch, setting: Setting) -> list[Found]:
    """What a case says of its unknowns, once for each root that can be."""
    roots = root_of(setting.ring, branch.quadratic)
    values = dict(roots)
    for position, top, bottom in branch.solved:
        values[position] = evaluate(top, roots).over(evaluate(bottom, roots))
    return select(values, setting)


def _joined(
    model: Model,
    chosen: Iterable[Found],
    restore: list[tuple[sympy.Symbol, sympy.Expr]],
) -> SteadyState:
    def full(expression: Any) -> sympy.Expr:
        for lump, meaning in restore:
            expression = expression.xreplace({lump: meaning})
        return expression

    values: dict[int, sympy.Expr] = {}
    where: dict[sympy.Expr, None] = {}
    for found, conditions in chosen:
        values |= found
        where |= dict.fromkeys(full(condition) for condition in conditions)
    return SteadyState(
        {a: full(values.get(i, a)) for i, a in enumerate(model.amounts)},
        tuple(where),
    )
