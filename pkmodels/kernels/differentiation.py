"""Differentiation: a solve whose derivative is its own sensitivities."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax.custom_derivatives import SymbolicZero
from sympy.core.relational import Relational

from pkmodels.errors import InputError, ModelError
from pkmodels.kernels.equations import Equations
from pkmodels.kernels.printing import jax_matrix
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents
from pkmodels.symbols import Parameter

_JUMPING = (sympy.Heaviside, sympy.sign, sympy.floor, sympy.ceiling)
# A quotient by one of these, where it is 0 at its kink, is a sign in disguise.
_KINKED = (sympy.Abs, sympy.Max, sympy.Min, sympy.Piecewise)

Lower = Callable[..., tuple[Problem, Any]]


def differentiable_solve(
    equations: Equations, run: Callable[..., Solution], controls: Controls
) -> Callable[..., tuple[Any, Any]]:
    """Return a solve that JAX differentiates in all that its problem is made of.

    Its derivative is one solve with as many directions as there are numbers that vary:
    once for a Jacobian or a gradient, not once for each direction. What does not vary
    costs nothing. There are no second derivatives.

    Parameters
    ----------
    equations : Equations
        What `run` solves.
    run : callable
        ``run(problem, tangents, controls) -> Solution``.
    controls : Controls
        What a solve is allowed.

    Returns
    -------
    callable
        It raises a `ModelError` when it is differentiated and a rate jumps as a state
        changes, and an `InputError` when it is differentiated twice.
        ``solve(lower, leaves, times) -> (states, report)``. From arrays of float64,
        ``lower(*leaves, times)`` gives the problem, of which only the times depend on
        `times`, and the row of its times that each of `times` is.

    Examples
    --------
    >>> import numpy as np, sympy
    >>> from pkmodels.kernels.xla import xla_solver
    >>> x, a = sympy.symbols("x a")
    >>> equations = Equations("decay", (x,), (a,), (-a * x,), False)
    >>> solve = differentiable_solve(equations, xla_solver(equations), Controls())
    >>> one = np.ones((1, 1))
    >>> def lower(rate, times):
    ...     none = np.array([0])
    ...     return Problem(rate * one, 0 * one[0], one, one, one[0], times, none), none
    >>> left = lambda rate, time: solve(lower, (rate,), time[None])[0][0, 0]
    >>> slopes = jax.grad(left, (0, 1))(2.0, jnp.array(1.0))
    >>> print(*(f"{slope:.5f}" for slope in slopes))  # - e^-2 and -2 e^-2
    -0.13534 -0.27067
    """
    slopes = _slopes(equations)

    @jax.custom_jvp
    def once(given: Any) -> tuple[Any, ...]:
        return tuple(run(*given, controls))

    @once.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        raise InputError(
            f"{equations.name!r}: there are no second derivatives of a solve: use "
            "differences of its gradients"
        )

    def solve(lower: Lower, leaves: Sequence[Any], times: Any) -> tuple[Any, Any]:
        @jax.custom_jvp
        def solved(*leaves: Any) -> tuple[Any, Any]:
            problem, rows = lower(*leaves)
            found = run(problem, None, controls)
            return _in_rows(found.states, rows), found.report

        def derivative(primals: Any, tangents: Any) -> Any:
            jump = jump_in(equations)
            if jump is not None:
                raise ModelError(
                    f"{equations.name!r} cannot be differentiated: a rate jumps at "
                    f"{jump}, and when that is depends on what is differentiated; "
                    "write it without a jump (Max, Min, a steep (x / K)**n)"
                )
            moving = [i for i, t in enumerate(tangents) if type(t) is not SymbolicZero]
            problem, rows = lower(*primals)
            directions, times = _along(lower, primals, moving)
            found = Solution(*once((problem, directions)))
            by = found.sensitivities
            if moving[-1] == len(primals) - 1:
                moved = times[:, :, None]
                # At 0 a slope may have no end, which then matters to nothing.
                change = moved * slopes(found.states, problem)[None]
                by += jnp.where(moved == 0.0, 0.0, change)
            way = jnp.concatenate([jnp.ravel(tangents[i]) for i in moving])
            moved = _in_rows(jnp.tensordot(way, by, axes=1), rows)
            values = (_in_rows(found.states, rows), found.report)
            return values, (moved, jnp.zeros_like(found.report))

        solved.defjvp(derivative, symbolic_zeros=True)
        return solved(*(jnp.asarray(leaf, jnp.float64) for leaf in (*leaves, times)))

    return solve


def _in_rows(array: Any, rows: Any) -> Any:
    """Return rows of an array; itself where that is known to be all in order."""
    if isinstance(rows, np.ndarray) and np.array_equal(rows, np.arange(len(array))):
        return array
    return array[rows]


def _along(
    lower: Lower, leaves: Sequence[Any], moving: Sequence[int]
) -> tuple[Tangents, Any]:
    """Return the derivatives of a problem, and of its times, by each moving number."""
    shapes = [jnp.shape(leaves[i]) for i in moving]

    def lowered(numbers: Any) -> tuple[Any, ...]:
        changed, start = list(leaves), 0
        for i, shape in zip(moving, shapes, strict=True):
            end = start + math.prod(shape)
            changed[i] = numbers[start:end].reshape(shape)
            start = end
        found, _ = lower(*changed)
        return found.constants, found.boundaries_h, found.added, found.times_h

    numbers = jnp.concatenate([jnp.ravel(leaves[i]) for i in moving])
    along = (jnp.moveaxis(a, -1, 0) for a in jax.jacfwd(lowered)(numbers))
    constants, boundaries, added, times = along
    return Tangents(constants, boundaries, added), times


def _slopes(equations: Equations) -> Callable[[Any, Problem], Any]:
    """Return what gives dy/dt at the times of a problem."""
    arguments = (*equations.states, *equations.constants)
    rates = jax_matrix(arguments, sympy.ImmutableMatrix(equations.derivatives))

    def slopes(states: Any, problem: Problem) -> Any:
        constants = jnp.asarray(problem.constants)[problem.places]
        if equations.from_zero:
            states = jnp.maximum(states, 0.0)
        return jax.vmap(rates)(jnp.concatenate([states, constants], axis=1))[..., 0]

    return slopes


@lru_cache(maxsize=256)
def jump_in(equations: Equations) -> sympy.Basic | None:
    """Return where a rate jumps as a state changes, if one does.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    sympy expression or None
        A function of states that jumps; a quotient by what may be 0 where it has a
        kink, as x / Abs(x) is; or the condition of a Piecewise at which its pieces
        differ, or cannot be seen to be equal.

    Examples
    --------
    >>> x, a, b = sympy.symbols("x a b")
    >>> for piece in (a * b, a * x / 2):
    ...     rate = sympy.Piecewise((a * x, x < b), (piece, True))
    ...     print(jump_in(Equations("made", (x,), (a, b), (rate,), False)))
    None
    b > x
    """
    states = set(equations.states)
    for rate in map(sympy.sympify, equations.derivatives):
        for part in rate.atoms(*_JUMPING):
            if part.free_symbols & states:
                return part
        for power in rate.atoms(sympy.Pow):
            if _is_sign(power, states):
                return power
        for part in rate.atoms(sympy.Piecewise):
            found = _jump_between(part, states)
            if found is not None:
                return found
    return None


def _is_sign(power: Any, states: set[sympy.Symbol]) -> bool:
    """Say whether a power may divide by what is 0 where it has a kink."""
    parameters = power.atoms(Parameter)
    positive = {p: sympy.Dummy(str(p), positive=True) for p in parameters}
    base, exponent = (part.xreplace(positive) for part in power.args)
    if exponent.is_nonnegative:
        return False
    # SymPy takes apart a power of a product, unless a sign is not known.
    kinks = base.atoms(*_KINKED)
    return any(_may_vanish_at(k, base) for k in kinks if _places_of(k) & states)


def _places_of(kink: Any) -> set[sympy.Symbol]:
    """Return what decides where a function has its kink."""
    if not isinstance(kink, sympy.Piecewise):
        return kink.free_symbols
    pieces: list[Any] = list(kink.args)
    return set().union(*(condition.free_symbols for _, condition in pieces))


def _may_vanish_at(kink: Any, base: Any) -> bool:
    """Say whether it cannot be seen that a base is not 0 at a kink in it."""

    def may_vanish(at_kink: Any) -> bool:
        return base.xreplace({kink: at_kink}).is_zero is not False

    if isinstance(kink, sympy.Abs):
        return may_vanish(sympy.Integer(0))
    # Two arguments of Max or Min, or pieces, are equal there: one not 0 is enough.
    values: list[Any] = list(kink.args)
    if isinstance(kink, sympy.Piecewise):
        values = [piece for piece, _ in values]
    pairs = combinations(values, 2)
    return any(all(may_vanish(x) for x in pair) for pair in pairs)


def _jump_between(part: Any, states: set[sympy.Symbol]) -> Any:
    """Return the first condition of states at which the value may jump."""
    pieces: list[Any] = list(part.args)
    is_whole = pieces[-1][1] == sympy.true
    for number, (piece, condition) in enumerate(pieces):
        here = condition.free_symbols & states
        if not here:
            continue
        if not (is_whole and isinstance(condition, Relational)):
            return condition
        state = min(here, key=str)
        # Another condition may keep the value from the very next piece.
        later = [following for following, _ in pieces[number + 1 :]]
        try:
            edges = sympy.solve(sympy.Eq(*condition.args), state)
            gaps = [(piece - x).subs(state, edge) for x in later for edge in edges]
            is_joined = edges and all(sympy.simplify(gap) == 0 for gap in gaps)
        except NotImplementedError:  # of SymPy: it cannot be seen
            is_joined = False
        if not is_joined:
            return condition
    return None
