"""Simulated doses: a therapy's dose, solved anew at each activity, per draw."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.administrations import Administration  # noqa: E402
from pkmodels.chains import has_followed_daughters  # noqa: E402
from pkmodels.compiled_integrals import (  # noqa: E402
    CompiledIntegrals,
    compile_integrals,
)
from pkmodels.courses import Course, course_of  # noqa: E402
from pkmodels.decision.roots import DoseAt  # noqa: E402
from pkmodels.definition import Model  # noqa: E402
from pkmodels.errors import InputError, SolveError, check_kind, suggest  # noqa: E402
from pkmodels.kernels.printing import numpy_function  # noqa: E402
from pkmodels.kernels.problem import Outcome  # noqa: E402
from pkmodels.nuclides import nuclide  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.symbols import (  # noqa: E402
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    REFERENCE_DENSITY,
    Amount,
    amounts_in,
    symbols_in,
)
from pkmodels.system import System, assemble, linear_matrix  # noqa: E402
from pkmodels.therapy import Therapy, ligand_nmol  # noqa: E402
from pkmodels.time_integrals import integrate_observables  # noqa: E402
from pkmodels.units import (  # noqa: E402
    DECAYS_PER_MBQ_H,
    MBQ_PER_GBQ,
    REFERENCE_DENSITY_G_PER_L,
)

# In mean lives of the label: exp(-20) is 2e-9 of the activity, left to the tail.
_HORIZON = 20.0
# Judgement: of any integral, far below what a dose is known to.
_TAIL_TOLERANCE = 1e-5
# To make the schedule's form; too little for any ligand mass to be exceeded.
_FORM_MBQ = 1e-6


def simulated_dose(
    model: Model,
    parameters: Mapping[str, Any],
    therapy: Therapy,
    weights_Gy_per_MBq_h: Mapping[str, Any],
) -> DoseAt:
    """Return the absorbed dose of one cycle as a function of its activity, per draw.

    D(A) = sum_o w_o TIA_o(A), where the time-integrated activity of each observable o
    is solved with the activity A and its own ligand mass: nothing is rescaled. It
    is integrated for 20 mean lives of the label, and from then on in closed form. Each
    cycle begins with the model's own start: nothing of an earlier one is left.

    Parameters
    ----------
    model : Model
        The model.
    parameters : mapping of str to float or (n_draws,) array
        Every parameter of the model by name; a single number is that of all draws.
    therapy : Therapy
        The plan; its `cycles` are for `SimulatedBurden`.
    weights_Gy_per_MBq_h : mapping of str to float or (n_draws,) array
        By observable: the S-value at the region's mass with what is uncertain of it,
        Gy/(MBq h) where the observable is in MBq, >= 0.

    Returns
    -------
    callable
        Activities of one cycle (GBq, > 0, one a draw) to doses (Gy, one a draw). It
        raises `SolveError` when a draw cannot be solved.

    Raises
    ------
    InputError
        When the model saturates and no mass of ligand is planned, the label has
        daughters, or an observable, a parameter or a weight is wrong.

    Examples
    --------
    >>> from pkmodels.decision import SimulatedBurden, safe_activity
    >>> from pkmodels.models import organ_exchange
    >>> plan = Therapy("pentixather", "Y-90", 0.0)
    >>> values = {"blood_half_time": 1.0, "biological_half_life_kidney": 55.2,
    ...           "fraction_kidney": np.linspace(0.02, 0.03, 40)}
    >>> dose_at = simulated_dose(organ_exchange.model(("kidney",)), values, plan,
    ...                          {"kidney": 3.2e-3})
    >>> kidney = SimulatedBurden(23.0, "absorbed_dose", np.zeros(40), dose_at)
    >>> round(safe_activity({"kidney": kidney}, confidence=0.5).activity_GBq, 2)
    6.86
    """
    check_kind("the model", model, Model, "give the Model, not a System")
    system, schedule = _assembled(model, therapy)
    rows, count = _columns(parameters, weights_Gy_per_MBq_h)
    _check_observables(system, schedule, therapy, rows, weights_Gy_per_MBq_h)
    compiled = compile_integrals(system)
    label = therapy.label if compiled.system.matrix is not None else None
    course = course_of(compiled.system, schedule, label)
    horizon = _HORIZON / nuclide(therapy.label).decay_constant_per_h
    values = np.stack(
        [np.broadcast_to(rows[str(p)], count) for p in system.parameters], axis=1
    )
    counted = _state_weights(compiled, therapy.label, rows, weights_Gy_per_MBq_h, count)
    run = _over_draws(compiled)

    def dose_at(activity_GBq: np.ndarray) -> np.ndarray:
        activity = np.asarray(activity_GBq, np.float64)
        if activity.shape != (count,):
            raise InputError(
                f"activities of the shape {activity.shape} for {count} draws: give one "
                "for each"
            )
        nmol = ligand_nmol(therapy, activity)
        amount = np.full(count, np.nan) if nmol is None else nmol
        given = (activity * MBQ_PER_GBQ)[:, None], amount[:, None]
        whole, error, report = run(values, *given, course, horizon)
        _check_solved(np.asarray(report), activity)
        dose = (counted * np.asarray(whole)).sum(axis=1)
        _check_tail(dose, (counted * np.asarray(error)).sum(axis=1))
        return dose

    return dose_at


def _assembled(model: Model, therapy: Therapy) -> tuple[System, Schedule]:
    """Return the system of a plan, and a schedule of its form."""
    if has_followed_daughters(therapy.label):
        raise InputError(
            f"{therapy.label} has daughters whose dose is their own: simulate() reads "
            "them, and this dose of one label would leave them out"
        )
    planned = ligand_nmol(therapy, 1.0)
    # Whether it saturates is only known of a system that may.
    one = Administration(
        0.0,
        therapy.duration_h,
        therapy.ligand,
        therapy.label,
        _FORM_MBQ,
        ligand_nmol=1.0 if planned is None else planned,
        route=therapy.route,
    )
    schedule = Schedule((one,), therapy.windows)
    system = assemble(model, schedule.form)
    if planned is not None:
        return system, schedule
    if system.matrix is None:
        raise InputError(
            f"the plan of {therapy.ligand} with {therapy.label} has no mass of ligand, "
            f"but in {model.name!r} what ligand does depends on how much of it there "
            "is, so that a dose cannot be taken from another mass: state "
            "ligand_mass_ug (or ligand_mass_ug_per_GBq) of the plan, with "
            "molar_mass_g_per_mol"
        )
    unknown = Schedule((replace(one, ligand_nmol=None),), therapy.windows)
    return assemble(model, unknown.form), unknown


def _columns(
    parameters: Mapping[str, Any], weights: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], int]:
    """Return the parameters as arrays, and how many draws there are."""
    found = {name: np.asarray(v, np.float64) for name, v in parameters.items()}
    arrays = {f"parameter {name!r}": array for name, array in found.items()}
    arrays |= {f"the weight of {n!r}": np.asarray(w) for n, w in weights.items()}
    counts = {}
    for name, array in arrays.items():
        if array.ndim > 1 or not (np.isfinite(array) & (array >= 0.0)).all():
            raise InputError(
                f"{name} must be a number >= 0, or one of each draw; got {array!r:.60}"
            )
        if array.ndim:
            counts[name] = array.size
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the draws are not of one number ({listed or 'none has an array'}): give "
            "the same draws of all"
        )
    return found, next(iter(counts.values()))


def _check_observables(
    system: System,
    schedule: Schedule,
    therapy: Therapy,
    rows: Mapping[str, np.ndarray],
    weights: Mapping[str, Any],
) -> None:
    if not weights:
        raise InputError("no observable has a weight: give the S-value of one at least")
    for name in weights:
        if name not in system.observables:
            raise InputError(
                f"no observable {name!r}: {suggest(name, system.observables)}"
            )
    first = {name: float(row.flat[0]) for name, row in rows.items()}
    found = integrate_observables(
        system, first, schedule, therapy.label, tuple(weights)
    )
    for name, reason in found.reasons.items():
        raise InputError(f"observable {name!r} has no time integral: {reason}")


def _state_weights(
    compiled: CompiledIntegrals,
    label: str,
    rows: Mapping[str, np.ndarray],
    weights: Mapping[str, Any],
    count: int,
) -> np.ndarray:
    """Return what the activity in each state counts for the dose, (n_draws, n_states).

    In Gy/(MBq h): the weight of each observable times its share of the state.
    """
    system = compiled.system
    amounts: tuple[Amount, ...] = system.amounts
    if system.matrix is None:
        amounts = tuple(tracer.amount for tracer in system.tracers)
    readings = dict(zip(system.observables, system.readings, strict=True))
    known: dict[Any, Any] = {
        DECAY_CONSTANT: nuclide(label).decay_constant_per_h,
        REFERENCE_DENSITY: REFERENCE_DENSITY_G_PER_L,
        COUNTED_DECAYS: DECAYS_PER_MBQ_H,
    }
    columns = {amount: column for column, amount in enumerate(amounts)}
    total = np.zeros((count, len(amounts)))
    for name, weight in weights.items():
        own = tuple(amounts_in(readings[name]))
        shares = linear_matrix(own, (readings[name],))
        assert shares is not None, "integrate_observables refuses such a reading"
        used = tuple(s for s in symbols_in(readings[name]) if s not in own)
        values = [known[s] if s in known else rows[s.name] for s in used]
        found = numpy_function(used, tuple(shares.flat()))(values)
        for amount, share in zip(own, found, strict=True):
            if amount in columns:  # free receptors hold no activity
                total[:, columns[amount]] += np.asarray(weight) * share
    return total


@lru_cache(maxsize=16)
def _over_draws(compiled: CompiledIntegrals) -> Callable[..., Any]:
    """Return what integrates one course in many bodies, each with its own syringe."""

    def one(
        row: Any, activity_MBq: Any, nmol: Any, course: Course, horizon_h: Any
    ) -> Any:
        given = replace(course, activity_MBq=activity_MBq, ligand_nmol=nmol)
        found = compiled.integrate(row, given, horizon_h)
        return found.until + found.tail, jnp.abs(found.tail_error), found.report

    return jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None)))


def _check_solved(report: np.ndarray, activity_GBq: np.ndarray) -> None:
    failed = np.flatnonzero(report[:, 0] != Outcome.SOLVED)
    if failed.size:
        at = int(failed[0])
        outcome = Outcome(int(report[at, 0])).name.lower().replace("_", " ")
        raise SolveError(
            f"{failed.size} of {len(report)} draws cannot be solved: draw {at} at "
            f"{activity_GBq[at]:.4g} GBq ends at {report[at, 1]:.4g} h ({outcome})"
        )


def _check_tail(dose: np.ndarray, error: np.ndarray) -> None:
    wrong = np.flatnonzero(~(error <= _TAIL_TOLERANCE * dose))
    if wrong.size:
        at = int(wrong[0])
        raise SolveError(
            f"the dose after {_HORIZON:g} mean lives of the label is not in closed "
            f"form in {wrong.size} of {len(dose)} draws: draw {at} is off by "
            f"{error[at] / dose[at]:.2g} of its dose"
        )
