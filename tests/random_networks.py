"""Mass-action networks drawn at random, and any problem solved by SciPy's Radau."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Problem, Tangents


@dataclass(frozen=True)
class Network:
    """Reactions of one or two of some amounts, none of which makes more molecules.

    Parameters
    ----------
    reactants, products : tuple of tuple of int
        Of each reaction, the numbers of the states.
    logarithms : tuple of float
        Decimal logarithm of each rate constant.
    start : tuple of float
        What is there at 0.
    horizon_h : float
        When it is read last.
    """

    reactants: tuple[tuple[int, ...], ...]
    products: tuple[tuple[int, ...], ...]
    logarithms: tuple[float, ...]
    start: tuple[float, ...]
    horizon_h: float

    @property
    def equations(self) -> Equations:
        states = sympy.symbols(f"x:{len(self.start)}")
        rates = sympy.symbols(f"rate:{len(self.logarithms)}")
        changes = [sympy.S.Zero] * len(states)
        for rate, left, right in zip(rates, self.reactants, self.products, strict=True):
            speed = rate * sympy.prod([states[i] for i in left])
            for i in left:
                changes[i] -= speed
            for i in right:
                changes[i] += speed
        return Equations("random", states, rates, tuple(changes), from_zero=False)

    @property
    def problem(self) -> Problem:
        """The start, and everything once more in the middle, with other rates."""
        rates = 10.0 ** np.array(self.logarithms)
        half = 0.5 * self.horizon_h
        times = np.array([0.0, 0.01, 0.3, 1.0, 1.0, 1.05, 2.0]) * half
        return Problem(
            constants=np.array([rates, rates * np.linspace(0.5, 2.0, len(rates))]),
            boundaries_h=np.array([0.0, half]),
            keep=np.ones((2, len(self.start))),
            added=np.array([self.start, self.start]),
            scales=np.ones(len(self.start)),
            times_h=times,
            places=np.array([0, 0, 0, 0, 1, 1, 1]),
        )


@st.composite
def networks(draw: Any, most: int = 12, *, all_there: bool = False) -> Network:
    """Draw 2 to `most` states, and rates over six decades.

    Half of the states start from 0, unless all are there.
    """
    size = draw(st.integers(2, most))
    count = draw(st.integers(size, 2 * size))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))

    def some(fewest: int, largest: int) -> tuple[int, ...]:
        chosen = generator.integers(size, size=generator.integers(fewest, largest + 1))
        return tuple(chosen.tolist())

    reactants = tuple(some(1, 2) for _ in range(count))
    start = generator.uniform(0.1, 1.0, size)
    if not all_there:
        start *= generator.integers(2, size=size)
    return Network(
        reactants,
        tuple(some(0, len(left)) for left in reactants),
        tuple(generator.uniform(-3.0, 3.0, count).tolist()),
        tuple(start.tolist()),
        10.0 ** generator.uniform(-1.0, 2.0),
    )


def every_direction(problem: Problem, rows: int | None = None) -> Tangents:
    """Return the directions of each constant in all segments, each start, and jump.

    The start is what is added in the first segment; a jump is the boundary of any but
    the first. Of each kind the first `rows` only.
    """
    segments, constants = problem.constants.shape
    states = problem.added.shape[1]
    counts = [constants, states, segments - 1]
    counts = [count if rows is None else min(count, rows) for count in counts]
    total = sum(counts)
    found = Tangents(
        np.zeros((total, segments, constants)),
        np.zeros((total, segments)),
        np.zeros((total, segments, states)),
    )
    for number in range(counts[0]):
        found.constants[number, :, number] = problem.constants[:, number]
    for number in range(counts[1]):
        found.added[counts[0] + number, 0, number] = 1.0
    for number in range(counts[2]):
        found.boundaries_h[counts[0] + counts[1] + number, number + 1] = 1.0
    return found


def _function(equations: Equations, what: Any) -> Callable[[Any, Any], np.ndarray]:
    """Return a function of states and constants; of what lies above 0 where it must."""
    symbols = [equations.states, equations.constants]
    function = sympy.lambdify(symbols, what, "numpy", cse=True)
    least = 1e-30 if equations.from_zero else -np.inf
    return lambda y, c: np.asarray(function(np.maximum(y, least), c), float)


def by_radau(
    equations: Equations,
    problem: Problem,
    tangents: Tangents | None = None,
    *,
    relative: float = 1e-10,
    absolute: float = 1e-14,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the states and sensitivities at the times, by the variational equations.

    ds/dt = J s + (df/dc) c', and at a boundary as `Problem` and its tangents say.
    """
    states, constants = equations.states, equations.constants
    slopes = sympy.Matrix(equations.derivatives)
    right, by_state, by_constant = (
        _function(equations, what)
        for what in (
            list(equations.derivatives),
            slopes.jacobian(states),
            slopes.jacobian(constants) if constants else sympy.zeros(len(states), 0),
        )
    )
    size = len(states)
    count = 0 if tangents is None else len(tangents.boundaries_h)
    if tangents is None:
        tangents = Tangents(
            np.zeros((0, *problem.constants.shape)),
            np.zeros((0, len(problem.boundaries_h))),
            np.zeros((0, *problem.added.shape)),
        )
    y, s = np.zeros(size), np.zeros((count, size))
    found = np.full((len(problem.times_h), 1 + count, size), np.nan)
    ends = np.append(problem.boundaries_h[1:], np.max(problem.times_h, initial=0.0))
    scales = np.tile(problem.scales, 1 + count)
    gone = np.zeros(size)
    for row, (start, end) in enumerate(zip(problem.boundaries_h, ends, strict=True)):
        c, dc = problem.constants[row], tangents.constants[:, row]
        moved = tangents.boundaries_h[:, row, None]
        y = problem.keep[row] * y + problem.added[row]
        come = right(y, c)
        s = problem.keep[row] * (s + gone * moved) + tangents.added[:, row]
        s = s - come * moved

        def change(_: float, both: np.ndarray, c: Any = c, dc: Any = dc) -> Any:
            y, s = both[:size], both[size:].reshape(count, size)
            along = s @ by_state(y, c).T + dc @ by_constant(y, c).T
            return np.concatenate([right(y, c), along.ravel()])

        def jacobian(_: float, both: np.ndarray, c: Any = c) -> Any:
            return np.kron(np.eye(1 + count), by_state(both[:size], c))

        wanted = problem.places == row
        times = np.concatenate([problem.times_h[wanted], [max(start, end)]])
        curve = np.tile(np.append(y, s), (len(times), 1))
        if times[-1] > start:
            distinct, where = np.unique(times - start, return_inverse=True)
            solution = solve_ivp(
                change,
                (0.0, distinct[-1]),
                curve[0],
                "Radau",
                distinct,
                jac=jacobian,
                rtol=relative,
                atol=absolute * scales,
            )
            assert solution.success, solution.message
            curve = solution.y.T[where]
        found[wanted] = curve[:-1].reshape(-1, 1 + count, size)
        y, s = curve[-1, :size], curve[-1, size:].reshape(count, size)
        gone = right(y, c)
    return found[:, 0], np.moveaxis(found[:, 1:], 1, 0)
