"""Curves: what scans at any time would show of each draw, and how it depends on it.

One solve with sensitivities of each draw gives ln e and d ln e / du at nodes; between
them cubic splines in ln t are smooth, so that designs have exact gradients over times
without another solve.
"""

from dataclasses import dataclass
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from scipy.interpolate import CubicSpline  # noqa: E402

from pkmodels.design.unknowns import Unknowns  # noqa: E402
from pkmodels.errors import InputError, SolveError  # noqa: E402
from pkmodels.exact import Doses, ExactSystem, check_lengths  # noqa: E402
from pkmodels.saturable import SaturableSystem  # noqa: E402

# Draws solved together, to bound memory.
_BATCH = 16
# Nodes of ln t: with 20 to a decade splines of an organ's curves are right to 1e-4.
NODES = 48


@dataclass(frozen=True, eq=False)
class Curves:
    """Expected values and their sensitivities over time, of draws of the unknowns.

    Parameters
    ----------
    regions : tuple of str
        Observables.
    earliest_h, latest_h : float
        Where they are known, h.
    knots : (n_nodes,) array
        ln of times (h), ascending.
    log_expected : (4, n_nodes - 1, n_draws, n_regions) array
        Coefficients of the splines of ln e, the highest power first.
    slopes : (4, n_nodes - 1, n_draws, n_regions, n) array
        Those of d ln e / du.
    """

    regions: tuple[str, ...]
    earliest_h: float
    latest_h: float
    knots: np.ndarray
    log_expected: np.ndarray
    slopes: np.ndarray

    def at(self, times_h: Any, arrays: Any = np) -> tuple[Any, Any]:
        """Return ln e (n_times, n_draws, n_regions) and its slopes.

        `arrays` is the module that calculates them: NumPy, or `jax.numpy` of traced
        times.
        """
        x = arrays.log(times_h)
        last = len(self.knots) - 2
        inside = arrays.searchsorted(self.knots, x, side="right") - 1
        place = arrays.clip(inside, 0, last)
        away = x - arrays.asarray(self.knots)[place]
        return (
            _polynomial(arrays.asarray(self.log_expected)[:, place], away),
            _polynomial(arrays.asarray(self.slopes)[:, place], away),
        )


def _polynomial(chosen: Any, away: Any) -> Any:
    step = away.reshape(away.shape + (1,) * (chosen.ndim - 2))
    value = chosen[0]
    for coefficient in chosen[1:]:
        value = value * step + coefficient
    return value


def tabulate_curves(
    compiled: ExactSystem | SaturableSystem,
    doses: Doses,
    unknowns: Unknowns,
    points: np.ndarray,
    earliest_h: float,
    latest_h: float,
    nodes: int = NODES,
) -> Curves:
    """Solve the model at draws, and keep curves and sensitivities between two times.

    Parameters
    ----------
    compiled : ExactSystem or SaturableSystem
        The model, of the parameters of `unknowns`.
    doses : Doses
        Doses of one label, the first at 0 h, from which scans and calendars count, each
        ended by `earliest_h`; of a saturable system, one.
    unknowns : Unknowns
        The coordinates.
    points : (n_draws, n) array
        Where: draws of the priors, or of a patient's posterior.
    earliest_h, latest_h : float
        From when to when, h, 0 < earliest < latest.
    nodes : int
        Of the splines, >= 4.

    Returns
    -------
    Curves

    Raises
    ------
    InputError
        When the times are out of range, or the parameters differ.
    SolveError
        When a draw cannot be solved, or an observable is not above 0.

    Examples
    --------
    >>> from pkmodels.design.unknowns import unknowns_of
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> unknown = unknowns_of(example.table.priors, example.compiled.parameters)
    >>> doses = example.observations.readouts[0].given
    >>> points = unknown.centre[None]  # a half-life of 60 h
    >>> curves = tabulate_curves(example.compiled, doses, unknown, points, 1.0, 200.0)
    >>> log_expected, slopes = curves.at(np.array([60.0]))
    >>> round(float(slopes[0, 0, 0, 0]), 4)  # t ln 2 / half-life
    0.6931
    """
    _check(compiled, doses, unknowns, earliest_h, latest_h, nodes)
    knots = np.linspace(np.log(earliest_h), np.log(latest_h), nodes)
    times = np.exp(knots)
    directions = jnp.eye(len(unknowns.names))

    def one(at: Any) -> tuple[Any, Any]:
        def log_expected(u: Any) -> Any:
            parameters = unknowns.parameters(u)
            amounts = compiled.solve(parameters, doses, times)
            return jnp.log(amounts @ compiled.observe(parameters).T)

        def along(direction: Any) -> tuple[Any, Any]:
            return jax.jvp(log_expected, (at,), (direction,))

        return jax.vmap(along, out_axes=(None, -1))(directions)

    solved = jax.jit(lambda x: jax.lax.map(one, x, batch_size=_BATCH))
    values, slopes = (np.asarray(part) for part in solved(jnp.asarray(points)))
    sound = np.isfinite(values).all(axis=(1, 2)) & np.isfinite(slopes).all((1, 2, 3))
    if not sound.all():
        raise SolveError(
            f"{int((~sound).sum())} of {len(points)} draws of "
            f"{compiled.system.name!r} cannot be solved, or have an observable that is "
            f"not above 0 after {earliest_h:g} h: look at its priors and observables"
        )
    return Curves(
        compiled.system.observables,
        float(earliest_h),
        float(latest_h),
        knots,
        CubicSpline(knots, np.moveaxis(values, 1, 0)).c,
        CubicSpline(knots, np.moveaxis(slopes, 1, 0)).c,
    )


def _check(
    compiled: ExactSystem | SaturableSystem,
    doses: Doses,
    unknowns: Unknowns,
    earliest_h: float,
    latest_h: float,
    nodes: int,
) -> None:
    check_lengths(compiled.system, doses)
    if tuple(compiled.parameters) != unknowns.names:
        raise InputError(
            f"the unknowns are {', '.join(unknowns.names)}; the model's parameters "
            f"{', '.join(compiled.parameters)}: give them in that order"
        )
    if not 0.0 < earliest_h < latest_h < np.inf or nodes < 4:
        raise InputError(
            f"{nodes} nodes from {earliest_h:g} to {latest_h:g} h: give 4 at least, "
            "and 0 < earliest < latest"
        )
    first = float(np.min(doses.start_h))
    if first != 0.0:
        raise InputError(
            f"the first dose starts at {first:g} h: give it at 0 h, from which scans "
            "and calendars count"
        )
    end = float(np.max(np.add(doses.start_h, doses.length_h)))
    if end > earliest_h:
        raise InputError(
            f"a dose ends at {end:g} h, after the earliest scan ({earliest_h:g} h): "
            "curves are smooth only after the last dose"
        )
