"""Prediction: a fit's draws carried through doses of any label."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.errors import SolveError
from pkmodels.exact import Doses, ExactSystem, check_lengths, doses_of
from pkmodels.label_courses import LabelCourse
from pkmodels.saturable import SaturableSystem
from pkmodels.schedule import Schedule

# Draws at a time, to bound the memory of curves.
_BATCH = 500
# The solver's own error: less than this share of an integral below 0 is none.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Prediction:
    """What each draw predicts for the doses of one label.

    Parameters
    ----------
    observables : tuple of str
        Names of the columns.
    time_integrals : (n_draws, n_observables) array
        Time-integrated activity from 0 to infinity, MBq h.
    tails : (n_draws, n_observables) array
        The part of it after `last_h`, MBq h.
    at_last : (n_draws, n_observables) array
        Activity at `last_h`, MBq.
    last_h : (n_observables,) array
        Time of the last scan of each observable after the dose, h.
    """

    observables: tuple[str, ...]
    time_integrals: np.ndarray
    tails: np.ndarray
    at_last: np.ndarray
    last_h: np.ndarray


def predict(
    compiled: ExactSystem | SaturableSystem,
    parameters: np.ndarray,
    doses: Doses,
    last_h: float | np.ndarray,
) -> Prediction:
    """Predict time integrals for doses of one label.

    The biological rates are those of the draws; the decay is that of `doses`, so
    that another label is another argument.

    Parameters
    ----------
    compiled : ExactSystem or SaturableSystem
        The model.
    parameters : (n_draws, n_parameters) array
        From a fit.
    doses : Doses
        Doses of one label; of a saturable system, one dose with its ligand.
    last_h : float or (n_observables,) array
        Time that divides the integral of each observable, h; at or after the end of the
        last dose.

    Returns
    -------
    Prediction

    Raises
    ------
    SolveError
        When a draw cannot be solved.

    References
    ----------
    Haenscheid et al., J Nucl Med 2022 (90Y kinetics from measured 177Lu).

    Examples
    --------
    >>> from pkmodels.exact import compile_exactly
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.nuclides import nuclide
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("dotatate", "intravenous"),))
    >>> compiled = compile_exactly(assemble(organ_exchange.model(("kidney",)), form))
    >>> decay = nuclide("Y-90").decay_constant_per_h
    >>> bolus = Doses(np.zeros(1), np.zeros(1), np.ones(1), decay)
    >>> draws = np.array([[1.0, 0.02, 60.0]])
    >>> predict(compiled, draws, bolus, 24.0).time_integrals.round(4)
    array([[0.8805]])
    """
    check_lengths(compiled.system, doses)
    doses = _as_arrays(doses)
    names = compiled.system.observables
    divided = np.broadcast_to(np.asarray(last_h, float), (len(names),))
    if isinstance(compiled, SaturableSystem):
        parts = _simulated_integrals(compiled, parameters, doses, divided)
    else:
        parts = _integrals(compiled, parameters, doses, divided)
    totals, tails, last = (np.asarray(part) for part in parts)
    if not (np.isfinite(totals).all() and np.isfinite(tails).all()):
        count = int((~np.isfinite(totals + tails)).any(axis=1).sum())
        raise SolveError(
            f"{count} of {len(parameters)} draws of {compiled.system.name!r} give no "
            "finite time integral: look at the priors of its rates"
        )
    return Prediction(names, totals, tails, last, divided)


@partial(jax.jit, static_argnums=0)
def _integrals(
    compiled: ExactSystem, parameters: Any, doses: Doses, last_h: Any
) -> tuple[Any, Any, Any]:
    def one(values: Any) -> tuple[Any, Any, Any]:
        observe = compiled.observe(values)
        total = compiled.integrate(values, doses)

        def tail(observed: Any, time: Any) -> Any:
            return observed @ compiled.integrate_after(values, doses, time)

        tails = jax.vmap(tail)(observe, last_h)
        last = jnp.sum(observe * compiled.solve(values, doses, last_h), axis=1)
        return observe @ total, tails, last

    return jax.vmap(one)(parameters)


def _as_arrays(doses: Doses) -> Doses:
    return Doses(*(None if x is None else np.asarray(x, float) for x in doses))


def _simulated_integrals(
    compiled: SaturableSystem, parameters: np.ndarray, doses: Doses, last_h: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `_integrals` does, by solving until the label has decayed."""
    observe = np.asarray(jax.vmap(compiled.observe)(parameters))
    found = []
    for begin in range(0, len(parameters), _BATCH):
        rows = slice(begin, begin + _BATCH)
        activity, until, total = compiled.integrate(parameters[rows], doses, last_h)
        before = np.einsum("doa,doa->do", observe[rows], until)
        totals = np.einsum("doa,da->do", observe[rows], total)
        last = np.einsum("doa,doa->do", observe[rows], activity)
        found.append((totals, _not_below(totals - before, totals), last))
    totals, tails, last = (np.concatenate(part) for part in zip(*found, strict=True))
    return totals, tails, last


def _not_below(tails: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return tails of which rounding alone is below 0 as 0."""
    rounding = (tails < 0.0) & (tails > -_ROUNDING * totals)
    return np.where(rounding, 0.0, tails)


def predict_curves(
    compiled: ExactSystem | SaturableSystem,
    parameters: np.ndarray,
    doses: Doses,
    times_h: np.ndarray,
) -> np.ndarray:
    """Predict the activity of every observable over time.

    Parameters
    ----------
    compiled : ExactSystem or SaturableSystem
        The model.
    parameters : (n_draws, n_parameters) array
        From a fit.
    doses : Doses
        Doses of one label.
    times_h : (n_times,) array
        Times, h.

    Returns
    -------
    (n_draws, n_times, n_observables) array, MBq

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> [measured] = example.observations.readouts
    >>> draws = np.array([[50.0], [60.0]])  # biological half-life, h
    >>> times = np.array([24.0, 72.0])
    >>> curves = predict_curves(example.compiled, draws, measured.given, times)
    >>> curves[:, :, 0].round(2)
    array([[64.6 , 26.96],
           [68.28, 31.83]])
    """
    check_lengths(compiled.system, doses)
    doses = _as_arrays(doses)
    return np.asarray(_curves(compiled, parameters, doses, times_h))


@partial(jax.jit, static_argnums=0)
def _curves(
    compiled: ExactSystem | SaturableSystem, parameters: Any, doses: Doses, times: Any
) -> Any:
    def one(values: Any) -> Any:
        return compiled.solve(values, doses, times) @ compiled.observe(values).T

    return jax.lax.map(one, parameters, batch_size=_BATCH)


def predict_labels(
    compiled: ExactSystem | SaturableSystem,
    parameters: np.ndarray,
    schedule: Schedule,
    times_h: np.ndarray,
) -> dict[str, np.ndarray]:
    """Predict every observable over time for each label of what was given.

    Parameters
    ----------
    compiled : ExactSystem or SaturableSystem
        The model; a saturable one was compiled for a schedule of this form.
    parameters : (n_draws, n_parameters) array
        From a fit.
    schedule : Schedule
        All administrations; what an earlier one left saturated acts on the next.
    times_h : (n_times,) array
        Times, h.

    Returns
    -------
    dict of str to (n_draws, n_times, n_observables) array
        By label: MBq, or MBq/L of a concentration.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> only = worked_example.experiment()
    >>> draws, times = np.array([[60.0]]), np.array([24.0, 72.0])
    >>> found = predict_labels(only.compiled, draws, only.schedule, times)
    >>> found["Lu-177"][:, :, 0].round(2)
    array([[68.28, 31.83]])
    """
    if not isinstance(compiled, SaturableSystem):
        return {
            label: predict_curves(
                compiled, parameters, doses_of(schedule.of_label(label)), times_h
            )
            for label in schedule.labels
        }
    given = compiled.given(schedule)
    curves = np.asarray(_label_curves(compiled, parameters, given, times_h))
    return {label: curves[:, i] for i, label in enumerate(schedule.labels)}


@partial(jax.jit, static_argnums=0)
def _label_curves(
    compiled: SaturableSystem, parameters: Any, given: LabelCourse, times: Any
) -> Any:
    def one(values: Any) -> Any:
        return compiled.solve_labels(values, given, times) @ compiled.observe(values).T

    return jax.lax.map(one, parameters, batch_size=_BATCH)
