"""Saturable systems: what a dose shows in a body in which ligand mass matters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import sympy  # noqa: E402

from pkmodels.administrations import Administration  # noqa: E402
from pkmodels.compiled import CompiledSystem, compile_system  # noqa: E402
from pkmodels.compiled_integrals import LIFETIMES, with_tracers  # noqa: E402
from pkmodels.courses import Course, course_of  # noqa: E402
from pkmodels.definition import Model  # noqa: E402
from pkmodels.errors import InputError, ModelError, suggest  # noqa: E402
from pkmodels.exact import Doses  # noqa: E402
from pkmodels.kernels.choice import choose_solver  # noqa: E402
from pkmodels.kernels.equations import equations_of  # noqa: E402
from pkmodels.kernels.printing import jax_matrix  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem  # noqa: E402
from pkmodels.lowering import lower_course  # noqa: E402
from pkmodels.readability import label_unit  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.symbols import amounts_in  # noqa: E402
from pkmodels.system import System, assemble, linear_matrix  # noqa: E402
from pkmodels.units import parse_unit  # noqa: E402

# Organs of the library's models are within 1e-6 so, in a third of the default's time.
CONTROLS = Controls(relative=1e-5, absolute=1e-9)

# The form of a schedule needs some label and amounts; only the form is used.
_ANY_LABEL = "Lu-177"
_ANY_MBQ, _ANY_NMOL, _ANY_HOURS = 1e-3, 1.0, 1.0


@dataclass(frozen=True, eq=False)
class SaturableSystem:
    """The activity that one dose shows, as JAX functions of what varies (float64).

    The label rides on its ligand: with n nmol in the syringe and the activity A, the
    activity in an amount x of ligand is (A / n) x(t) exp(-lambda (t - start)). What
    the ligand does depends on n, so that nothing is rescaled from another mass.

    Parameters
    ----------
    system : System
        The model, with a label in proportion to its ligand.
    parameters : tuple of str
        The parameters that vary, in the order of the vectors below.
    fixed : mapping of str to float
        Values of the others.
    observe : callable
        ``observe(parameters) -> (n_observables, n_amounts)``, what turns activities
        into ``system.observables``.
    solve : callable
        ``solve(parameters, doses, times) -> (n_times, n_amounts)``, MBq of the label in
        each amount at each time (h). `parameters`: (n_parameters,); `doses`: `Doses`
        of one dose with its ``ligand_nmol``. NaN where the solve failed.
    integrate : callable
        ``integrate(parameters, doses, times) -> (activities, until, totals)`` of many
        draws, (n_draws, n_parameters): MBq at some times and the time integrals until
        then, each (n_draws, n_times, n_amounts), and to infinity, (n_draws, n_amounts),
        MBq h. No derivative; NaN where a solve failed.
    """

    system: System
    parameters: tuple[str, ...]
    fixed: Mapping[str, float]
    observe: Callable[[Any], Any]
    solve: Callable[[Any, Doses, Any], Any]
    integrate: Callable[[np.ndarray, Doses, np.ndarray], tuple[Any, Any, Any]]


def compile_saturable(
    model: Model,
    ligand: str,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    *,
    infusions: bool,
    controls: Controls = CONTROLS,
) -> SaturableSystem:
    """Turn a model into functions of one dose of a ligand and of what varies.

    Parameters
    ----------
    model : Model
        The model, whose observables are sums of activities (MBq).
    ligand : str
        Name of the ligand, given intravenously.
    varied : tuple of str
        Parameters that vary.
    fixed : mapping of str to float
        Values of all others.
    infusions : bool
        Whether any dose has a length above 0.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    SaturableSystem

    Raises
    ------
    ModelError
        When an observable is no sum of activities, or nothing saturates: then
        `pkmodels.exact.compile_exactly` is exact and faster.
    InputError
        When a parameter is neither varied nor fixed, or both, or is not the model's.

    Examples
    --------
    >>> from pkmodels.models.blocks import binding
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> free, bound = amounts("free bound", unit="nmol")
    >>> (site,) = receptors("site", unit="nmol")
    >>> (on,) = parameters("on", unit="L/(nmol h)")
    >>> (off,) = parameters("off", unit="1/h")
    >>> (volume,) = parameters("volume", unit="L")
    >>> (sites,) = parameters("sites", unit="nmol")
    >>> model = Model("binding", binding("binding", free, site, bound, volume=volume,
    ...     k_on=on, k_off=off), {"intravenous": free}, {"bound": bound},
    ...     start={site: sites})
    >>> fixed = {"on": 50.0, "off": 1.0, "volume": 1.0}
    >>> compiled = compile_saturable(model, "x", ("sites",), fixed, infusions=False)
    >>> def share(nmol):  # of 1 MBq, with 5 nmol of sites
    ...     dose = Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.0, np.array([nmol]))
    ...     amounts = compiled.solve(np.array([5.0]), dose, np.array([24.0]))
    ...     return round(float((compiled.observe(np.array([5.0])) @ amounts[0])[0]), 3)
    >>> share(1.0), share(10.0)
    (0.995, 0.498)
    """
    length = _ANY_HOURS if infusions else 0.0
    one = Administration(
        0.0, length, ligand, _ANY_LABEL, _ANY_MBQ, ligand_nmol=_ANY_NMOL
    )
    schedule = Schedule((one,))
    system = assemble(model, schedule.form)
    _check(system, varied, fixed)
    course = course_of(system, schedule)
    compiled = compile_system(system, controls=controls)
    rest = {name: float(fixed[name]) for name in fixed}
    return SaturableSystem(
        system=system,
        parameters=varied,
        fixed=rest,
        observe=_observed(system, varied, rest),
        solve=_solver(compiled, course, varied, rest),
        integrate=_integrator(system, schedule, varied, rest, controls),
    )


def _check(system: System, varied: tuple[str, ...], fixed: Mapping[str, float]) -> None:
    if system.matrix is not None:
        raise ModelError(
            f"nothing saturates in {system.name!r}: use compile_exactly, which is exact"
        )
    known = [str(parameter) for parameter in system.parameters]
    for name in (*varied, *fixed):
        if name not in known:
            raise InputError(
                f"{system.name!r} has no parameter {name!r}: {suggest(name, known)}"
            )
    for name in known:
        if (name in varied) == (name in fixed):
            raise InputError(
                f"parameter {name!r} of {system.name!r} is "
                f"{'both varied and fixed' if name in fixed else 'not given'}: it must "
                "be varied or fixed"
            )
    for name, reading in zip(system.observables, system.readings, strict=True):
        own = tuple(amounts_in(reading))
        others = reading.free_symbols - set(own) - set(system.parameters)
        if (
            others
            or linear_matrix(own, (reading,)) is None
            or label_unit(reading) != parse_unit("MBq")
        ):
            raise ModelError(
                f"observable {name!r} of {system.name!r} is {reading}: it must be a "
                "sum of activities, MBq"
            )


def _observed(
    system: System, varied: tuple[str, ...], fixed: Mapping[str, float]
) -> Callable[[Any], Any]:
    matrix = sympy.Matrix(
        [
            [sympy.diff(reading, amount) for amount in system.amounts]
            for reading in system.readings
        ]
    )
    ligand = system.labels[0].ligand
    for column, amount in enumerate(system.amounts):
        if amount.ligand != ligand:  # free receptors hold no activity
            matrix[:, column] = sympy.zeros(matrix.rows, 1)
    entries = jax_matrix(system.parameters, sympy.ImmutableMatrix(matrix))
    order = _ordered(system, varied, fixed)
    return lambda parameters: entries(order(parameters))


def _ordered(
    system: System, varied: tuple[str, ...], fixed: Mapping[str, float]
) -> Callable[[Any], Any]:
    """Return what puts a vector of those that vary into the system's order."""

    def order(parameters: Any) -> Any:
        own = {**fixed, **dict(zip(varied, parameters, strict=True))}
        return jnp.stack([jnp.asarray(own[str(p)]) for p in system.parameters])

    return order


def _solver(
    compiled: CompiledSystem,
    course: Course,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
) -> Callable[[Any, Doses, Any], Any]:
    def solve(parameters: Any, doses: Doses, times: Any) -> Any:
        own = dict(zip(varied, jnp.asarray(parameters), strict=True))
        given = _given(course, doses)
        states = compiled.solve({**fixed, **own}, given, times)
        since = jnp.asarray(times) - doses.start_h[0]
        molar = doses.activity[0] / doses.ligand_nmol[0]
        decayed = molar * jnp.exp(-doses.decay_constant_per_h * since)
        return decayed[:, None] * states

    return solve


def _given(course: Course, doses: Doses) -> Course:
    """Return the course of one dose with other numbers."""
    if doses.ligand_nmol is None or np.shape(doses.start_h) != (1,):
        raise InputError(
            "a saturable system is solved for one dose whose amount of ligand is "
            f"known; got {np.size(doses.start_h)} doses and ligand_nmol = "
            f"{doses.ligand_nmol}"
        )
    return replace(
        course,
        time_h=doses.start_h,
        duration_h=doses.length_h,
        ligand_nmol=doses.ligand_nmol,
        activity_MBq=doses.activity,
    )


def _integrator(
    system: System,
    schedule: Schedule,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    controls: Controls,
) -> Callable[[np.ndarray, Doses, np.ndarray], tuple[Any, Any, Any]]:
    """Return what integrates activities of many draws; compiled at the first use."""

    @lru_cache(maxsize=1)
    def prepared() -> tuple[Callable[..., Problem], Callable[..., Any], int]:
        followed = with_tracers(system)
        course = course_of(followed, schedule)
        equations, layout = equations_of(followed, integrals=True)
        order = _ordered(followed, varied, fixed)
        assert layout.integrals is not None

        def lower(parameters: Any, doses: Doses, times: Any) -> Problem:
            given = _given(course, doses)
            decay = jnp.reshape(doses.decay_constant_per_h, (1,))
            given = replace(given, decay_constants=decay)
            return lower_course(followed, layout, order(parameters), given, times)[0]

        lowered = jax.jit(jax.vmap(lower, in_axes=(0, None, None)))
        return lowered, choose_solver(equations).solve, layout.integrals

    tracers = [tracer.amount for tracer in with_tracers(system).tracers]
    # Where the activity in each amount stands; free receptors have none.
    places = np.array(
        [
            len(system.amounts) + tracers.index(a) if a in tracers else -1
            for a in system.amounts
        ]
    )

    def integrate(
        parameters: np.ndarray, doses: Doses, times: np.ndarray
    ) -> tuple[Any, Any, Any]:
        lowered, solve, first = prepared()
        decay = float(doses.decay_constant_per_h)
        ends = float(doses.start_h[0]) + float(doses.length_h[0])
        last = max(ends, float(np.max(times, initial=0.0))) + LIFETIMES / decay
        asked, back = np.unique(times, return_inverse=True)
        every = np.append(asked, last)
        problem = Problem(*map(np.asarray, lowered(parameters, doses, every)))
        found = solve(problem, None, controls)
        failed = np.asarray(found.report)[:, 0] != Outcome.SOLVED
        states = np.where(failed[:, None, None], np.nan, np.asarray(found.states))
        activity = np.where(places >= 0, states[:, :, places], 0.0)
        until = np.where(places >= 0, states[:, :, first + places], 0.0)
        return activity[:, back], until[:, back], until[:, -1]

    return integrate
