"""Local structural identifiability: the exact rank of the outputs' sensitivities.

The power series of every output and of its derivatives by the unknowns are computed at
random points modulo random primes (after Sedoglavic 2002). A parameter whose unit
vector lies in the row space is locally identifiable: at most finitely many values give
the same curves. No floating-point number decides anything.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sympy

from pkmodels.errors import InputError, ModelError, check_kind, suggest
from pkmodels.identifiability.answers import StructuralIdentifiability, Verdict
from pkmodels.identifiability.combinations import Family
from pkmodels.identifiability.equations import Equations
from pkmodels.identifiability.exploration import find_families, points_of
from pkmodels.identifiability.field import MOST_TERMS, draw_primes
from pkmodels.identifiability.matrices import (
    Matrix,
    Task,
    draw_points,
    rows_of,
    sensitivities,
)
from pkmodels.identifiability.nullspaces import NullSpace, null_space
from pkmodels.identifiability.occasions import Occasion, occasion_equations
from pkmodels.identifiability.program import (
    OutOfTimeError,
    UndecidableError,
    check_time,
    compile_equations,
)

# Points of the answer, each with a prime of its own.
_POINTS = 3
# Powers of the formal small time between doses that are kept at first, and to check;
# of small systems as many as decide wherever nothing saturates, 2 n + 1.
_FEW_POWERS, _MANY_POWERS = 3, 6
_SMALL = 6


def assess_equations(
    occasions: Sequence[Equations],
    unknown: Sequence[sympy.Symbol],
    *,
    budget_s: float,
    seed: int,
) -> StructuralIdentifiability:
    """Say which unknowns several occasions together can tell.

    rank of d(y_0, y_1, ...)/dp at random points modulo random primes, y_k the terms of
    the outputs' power series after each dose. Symbols that are neither states nor
    unknown are known and have arbitrary values. The bound of error is that of Schwartz
    and Zippel, degree / prime for each point, for the degree that the equations allow:
    it holds for the draw of points modulo the primes at hand, not for that of primes.

    Parameters
    ----------
    occasions : sequence of Equations
        At least one. Symbols of one name are one parameter.
    unknown : sequence of symbol
        At least one; each in some occasion.
    budget_s : float
        Time after which the answer is "undecided", s, > 0. It is looked at between the
        terms of a series.
    seed : int
        Repeats the points and primes, >= 0.

    Returns
    -------
    StructuralIdentifiability

    Raises
    ------
    InputError, ModelError
        When the budget is not > 0, or an unknown is in no occasion.

    References
    ----------
    Sedoglavic, J Symb Comput 2002;33:735-755 (power series modulo a prime). Schwartz,
    J ACM 1980;27:701-717 (probability). Anguelova, Karlsson, Jirstrand, Math Biosci
    2012;239:139-153 (null space and families of parameters).

    Examples
    --------
    >>> x, k, dose, volume = sympy.symbols("x k dose volume")
    >>> bolus = Equations("bolus", {x: -k * x}, {x: dose}, {"c": x / volume})
    >>> found = assess_equations([bolus], [k, dose, volume], budget_s=10.0, seed=1)
    >>> found.of(Verdict.NOT), found.families[0].combinations
    (('dose', 'volume'), (dose/volume,))
    """
    began = time.monotonic()
    _check_budget(budget_s)
    _check_occasions(occasions, unknown)
    known = {s for each in occasions for s in each.symbols}
    for symbol in unknown:
        if symbol not in known:
            raise ModelError(
                f"unknown {symbol} is in no occasion: "
                f"{suggest(str(symbol), sorted(map(str, known)))}"
            )
    return _assessed(occasions, unknown, budget_s, seed, began)


def _assessed(
    occasions: Sequence[Equations],
    unknown: Sequence[sympy.Symbol],
    budget_s: float,
    seed: int,
    began: float,
) -> StructuralIdentifiability:
    deadline = began + budget_s
    try:
        programs = tuple(compile_equations(each, deadline) for each in occasions)
        task = Task(tuple(occasions), programs, tuple(unknown), deadline)
        return _decided(task, np.random.default_rng(seed), began)
    except OutOfTimeError:
        reason = _out_of_time(budget_s)
    except UndecidableError as problem:
        reason = str(problem)
    names = _predicted_names(occasions)
    return _undecided([str(s) for s in unknown], names, reason, began)


def _out_of_time(budget_s: float) -> str:
    return f"it takes longer than the {budget_s:g} s allowed"


def _undecided(
    unknown: Sequence[str], predicted: Sequence[str], reason: str, began: float
) -> StructuralIdentifiability:
    verdicts = dict.fromkeys(unknown, Verdict.UNDECIDED)
    wanted = dict.fromkeys(predicted, Verdict.UNDECIDED)
    spent = time.monotonic() - began
    return StructuralIdentifiability(
        verdicts, wanted, (), -1, 0, 0, 1.0, False, reason, spent
    )


def assess_structure(
    occasions: Sequence[Occasion],
    unknown: Sequence[str],
    *,
    budget_s: float,
    seed: int,
) -> StructuralIdentifiability:
    """Say which unknown parameters several occasions together can tell.

    As `assess_equations`, of models and schedules.

    Parameters
    ----------
    occasions : sequence of Occasion
        At least one; parameters of one name are one parameter.
    unknown : sequence of str
        Names of parameters of the models and of the curves' scales; all others are
        known, with arbitrary values.
    budget_s, seed
        As of `assess_equations`. Assembling the model of one occasion is not
        interrupted: 0.4 s of a processor for `models/dotatate_pbpk`.

    Returns
    -------
    StructuralIdentifiability

    Raises
    ------
    InputError, ModelError
        As `assess_equations` and `occasion_equations`.

    Examples
    --------
    Planar scans of unknown scale tell how fast kidneys empty, not how much they hold;
    one SPECT/CT beside them tells that, too.

    >>> from pkmodels.identifiability.occasions import Curve
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.symbols import Parameter
    >>> planar = Curve("kidney", "Lu-177", Parameter("planar_scale", "1"))
    >>> model, given = organ_exchange.model(("kidney",)), organ_exchange.schedule()
    >>> unknown = [*map(str, model.parameters), "planar_scale"]
    >>> alone = Occasion("therapy", model, given, (planar,), 0.0)
    >>> found = assess_structure([alone], unknown, budget_s=10.0, seed=1)
    >>> found.of(Verdict.NOT), found.families[0].combinations
    (('fraction_kidney', 'planar_scale'), (fraction_kidney*planar_scale,))
    >>> spect = Curve("kidney", "Lu-177")
    >>> hybrid = Occasion("therapy", model, given, (planar, spect), 0.0)
    >>> assess_structure([hybrid], unknown, budget_s=10.0, seed=1).of(Verdict.NOT)
    ()
    """
    began = time.monotonic()
    _check_budget(budget_s)
    try:
        deadline = began + budget_s
        equations = [e for o in occasions for e in occasion_equations(o, deadline)]
    except (UndecidableError, OutOfTimeError) as problem:
        late = isinstance(problem, OutOfTimeError)
        reason = _out_of_time(budget_s) if late else str(problem)
        wanted = [f"{o.name}: {curve}" for o in occasions for curve in o.predicted]
        return _undecided(unknown, wanted, reason, began)
    known: dict[str, sympy.Symbol] = {}
    for symbol in (s for e in equations for s in e.symbols):
        if known.setdefault(symbol.name, symbol) != symbol:
            raise ModelError(
                f"{symbol.name!r} is defined in two ways: give both occasions one "
                "definition, or the parameters two names"
            )
    of_models = {p.name: p for each in occasions for p in each.model.parameters}
    for name in unknown:
        if name not in known and name not in of_models:
            names = sorted({*known, *of_models})
            raise ModelError(
                f"unknown {name!r} is in no occasion: {suggest(name, names)}"
            )
    symbols = [known[name] for name in unknown if name in known]
    _check_occasions(equations, unknown)
    found = (
        _assessed(equations, symbols, budget_s, seed, began)
        if symbols
        else _nothing_acts(equations)
    )
    # What acts on nothing that is measured is in no equation.
    idle = tuple(Family((of_models[n],), 1, ()) for n in unknown if n not in known)
    return replace(
        found,
        parameters={n: found.parameters.get(n, Verdict.NOT) for n in unknown},
        families=(*found.families, *idle),
        proven=found.proven and not idle,
        seconds=time.monotonic() - began,
    )


def _nothing_acts(occasions: Sequence[Equations]) -> StructuralIdentifiability:
    """Return the answer where no unknown acts on any curve, so that all are known."""
    wanted = dict.fromkeys(_predicted_names(occasions), Verdict.IDENTIFIABLE)
    return StructuralIdentifiability({}, wanted, (), 0, 0, 0, 0.0, False, "", 0.0)


def _check_budget(budget_s: float) -> None:
    if not budget_s > 0.0:
        raise InputError(f"budget_s is {budget_s}; it must be > 0 s")


def _check_occasions(occasions: Sequence[Equations], unknown: Sequence[object]) -> None:
    if not occasions or not unknown:
        raise InputError("give at least one occasion, and one unknown parameter")
    for each in occasions:
        check_kind("an occasion", each, Equations, "make it with occasion_equations()")
    if not any(each.outputs for each in occasions):
        raise InputError(
            "nothing is measured on any occasion: give one a curve that is measured"
        )
    names = [each.name for each in occasions]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{names.count(name)} occasions are called {name!r}: name each"
            )


def _predicted_names(occasions: Sequence[Equations]) -> list[str]:
    return [f"{each.name}: {name}" for each in occasions for name in each.predicted]


def _decided(
    task: Task, rng: np.random.Generator, began: float
) -> StructuralIdentifiability:
    """Compute few terms first, since a full rank needs no more."""
    matrix, spaces = _few_terms(task, rng)
    if spaces[0].rank < len(task.unknown):
        matrix, spaces = _all_terms(task, rng)
    points = points_of(task, matrix, spaces)
    terms, rank = matrix.outputs.shape[-1], points[0].space.rank
    best = [space.rank for space in spaces].index(rank)
    fixed = np.all([point.space.fixed for point in points], axis=0)
    full = rank == len(task.unknown)
    verdicts = {
        str(s): Verdict.IDENTIFIABLE if known else Verdict.NOT
        for s, known in zip(task.unknown, fixed, strict=True)
    }
    predicted = _predictions(task, matrix, best, rank)
    found: tuple[Family, ...] = ()
    if not full:
        powers = matrix.points.powers
        found = find_families(task, points, rng, terms=terms, powers=powers)
    bound = 0.0 if full else _error_bound(task, matrix, len(points))
    settled = _settled(matrix, best, rank)
    spent = time.monotonic() - began
    return StructuralIdentifiability(
        verdicts,
        predicted,
        found,
        rank,
        terms,
        settled,
        bound,
        full and task.is_rational,
        "",
        spent,
        powers=matrix.points.powers,
        takes_as_independent=not task.is_rational,
    )


def _few_terms(task: Task, rng: np.random.Generator) -> tuple[Matrix, list[NullSpace]]:
    outputs = sum(
        len(each.outputs) * sum(stretch.read for stretch in each.stretches)
        for each in task.occasions
    )
    terms = min(task.terms, 8 + 2 * -(-len(task.unknown) // outputs))
    powers = _FEW_POWERS if task.has_doses_apart else 1
    points = draw_points(task, rng, draw_primes(1, rng), powers=powers)
    matrix = sensitivities(task, points, terms)
    return matrix, [null_space(matrix.rows(0, terms), int(points.primes[0]))]


def _all_terms(task: Task, rng: np.random.Generator) -> tuple[Matrix, list[NullSpace]]:
    """Compute what suffices; more where the rank has only just stopped growing."""
    terms, states = task.terms, task.states
    few, many = _FEW_POWERS, _MANY_POWERS
    if states <= _SMALL:
        many = max(many, 2 * states + 1)
        few = many - 2
    kept = (few, many) if task.has_doses_apart else (1,)
    while True:
        # Fewer powers are but a check, and one point is enough for it.
        found = [
            _at_points(task, rng, terms, powers, 1 if powers < kept[-1] else _POINTS)
            for powers in kept
        ]
        matrix, spaces = found[-1]
        rank = max(space.rank for space in spaces)
        best = [space.rank for space in spaces].index(rank)
        if _settled(matrix, best, rank) <= max(terms // 2, 4):
            break
        if terms == MOST_TERMS:
            raise UndecidableError(
                f"the rank still grows after {terms} terms of the power series"
            )
        terms = min(2 * terms, MOST_TERMS)
    answers = set()
    for some, few in found:
        points = points_of(task, some, few)
        fixed = np.all([point.space.fixed for point in points], axis=0)
        answers.add((points[0].space.rank, tuple(fixed)))
    if len(answers) > 1:
        raise UndecidableError(
            f"{few} and {many} powers of the time between doses tell different things"
        )
    return matrix, spaces


def _at_points(
    task: Task, rng: np.random.Generator, terms: int, powers: int, count: int
) -> tuple[Matrix, list[NullSpace]]:
    points = draw_points(task, rng, draw_primes(count, rng), powers=powers)
    matrix = sensitivities(task, points, terms)
    spaces = []
    for n, prime in enumerate(points.primes):
        check_time(task.deadline)
        spaces.append(null_space(matrix.rows(n, terms), int(prime)))
    return matrix, spaces


def _settled(matrix: Matrix, n: int, rank: int) -> int:
    """Return the fewest terms that have the rank."""
    low, high = 0, matrix.outputs.shape[-1]
    prime = int(matrix.points.primes[n])
    while high - low > 1:
        middle = (low + high) // 2
        if null_space(matrix.rows(n, middle), prime).rank == rank:
            high = middle
        else:
            low = middle
    return high


def _predictions(task: Task, matrix: Matrix, n: int, rank: int) -> dict[str, Verdict]:
    """Say of each curve that is wanted whether the outputs determine it."""
    prime, terms = int(matrix.points.primes[n]), matrix.outputs.shape[-1]
    measured, found = matrix.rows(n, terms), {}
    for each, series in zip(task.occasions, matrix.predicted, strict=True):
        for place, name in enumerate(each.predicted):
            check_time(task.deadline)
            own = series[place :: len(each.predicted), n]
            both = np.concatenate([measured, rows_of(own, terms)])
            same = null_space(both, prime).rank == rank
            verdict = Verdict.IDENTIFIABLE if same else Verdict.NOT
            found[f"{each.name}: {name}"] = verdict
    return found


def _error_bound(task: Task, matrix: Matrix, points: int) -> float:
    """Bound the chance that every point has too low a rank (Schwartz, Zippel).

    A term k of y has numerator and denominator of degree at most d_h + 3 k d_f; a minor
    has as many rows as there are unknowns.
    """
    terms = matrix.outputs.shape[-1]
    degree = max(
        2 * (p.output_degree + 3 * (terms - 1) * p.degree) for p in task.programs
    )
    one = degree * len(task.unknown) / float(matrix.points.primes.min())
    return min(1.0, one) ** points
