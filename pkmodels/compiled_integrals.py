"""Compiled integrals: time-integrated activity to infinity as one JAX function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import sympy  # noqa: E402

from pkmodels.arguments import as_numbers, parameter_values  # noqa: E402
from pkmodels.courses import Course, as_course  # noqa: E402
from pkmodels.errors import InputError, ModelError, check_kind  # noqa: E402
from pkmodels.kernels.choice import choose_solver  # noqa: E402
from pkmodels.kernels.differentiation import differentiable_solve  # noqa: E402
from pkmodels.kernels.equations import Layout, equations_of  # noqa: E402
from pkmodels.kernels.printing import jax_matrix  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem, check_controls  # noqa: E402
from pkmodels.lowering import lower_course  # noqa: E402
from pkmodels.schedule import LabelForm, Schedule  # noqa: E402
from pkmodels.symbols import LIGAND, Amount, Parameter, amounts_in  # noqa: E402
from pkmodels.system import System  # noqa: E402
from pkmodels.tracers import DecayConstant, Tracer, transports  # noqa: E402

# Of the slowest nuclide, in units of 1 / lambda: exp(-40) is 4e-18 of the activity.
LIFETIMES = 40.0


class Integrals(NamedTuple):
    """Time-integrated activity in each of the states that a label has.

    Attributes
    ----------
    until : (n_states,) array
        From 0 to `from_h`, MBq h.
    tail : (n_states,) array
        From `from_h` to infinity, by the label's linear equations with the ligand and
        the receptors held as they are then: exact where nothing saturates, MBq h.
    tail_error : (n_states,) array
        By how much the tail is off, found by solving on until the activity has
        decayed, MBq h; the error of that solve is in it. It has no derivative.
    from_h : scalar
        The horizon, or the last jump where that is later, h.
    report : (3,) array
        Of the solve, as in `pkmodels.kernels.problem.Solution`; where its first entry
        is not 0, as where no label decays, the integrals are NaN.
    """

    until: Any
    tail: Any
    tail_error: Any
    from_h: Any
    report: Any


@dataclass(frozen=True, eq=False)
class CompiledIntegrals:
    """A system's time integrals as a JAX function (float64; jit, vmap, grad apply).

    Parameters
    ----------
    system : System
        The system in which every label has states of its own, as `with_tracers` gives
        it: make a `Course` with this one.
    states : tuple of Amount
        What is integrated: the tracers, or the amounts of a linear system.
    kernel : str
        What solves it, one of `pkmodels.kernels.choice.KERNELS`.
    controls : Controls
        Tolerances and limits of each solve.
    run : callable
        ``run(parameters, course, horizon_h) -> Integrals``.
    """

    system: System
    states: tuple[Amount, ...]
    kernel: str
    controls: Controls
    run: Callable[[Any, Course, Any], Integrals]

    def integrate(
        self,
        parameters: Any,
        schedule: Schedule | Course,
        horizon_h: Any,
        *,
        label: str | None = None,
    ) -> Integrals:
        """Return the time integral of the activity in each state.

        Its derivatives are the solver's sensitivities, from one solve. Their sum over
        `until` and `tail` does not depend on the horizon where the tail is exact.

        Parameters
        ----------
        parameters : mapping of str to scalar, or (n_parameters,) array
            Values by name, of which only those that vary cost anything in a derivative;
            or in the order of ``system.parameters``.
        schedule : Schedule or Course
            What is done; a course was made with ``system``.
        horizon_h : scalar
            From when on the tail is taken, h; the last jump where that is later. The
            tail is only right once nothing saturates: see `tail_error`. One that is
            negative or not finite gives NaN, and ``Outcome.NOT_FINITE`` in the report.
        label : str or None
            With a `Schedule`: as of `pkmodels.courses.course_of`.

        Returns
        -------
        Integrals

        Raises
        ------
        InputError
            When a name or a shape is wrong, or of several labels none is named.
        """
        is_cold = isinstance(schedule, Schedule) and not schedule.labels
        if is_cold or label == LIGAND:
            raise InputError(
                f"{self.system.name!r}: ligand has no activity to integrate: give a "
                "label in the schedule, and name it where there are several"
            )
        course = as_course(self.system, schedule, label)
        values = parameter_values(self.system, parameters)
        numbers = values if isinstance(parameters, Mapping) else values[0]
        horizon = as_numbers("horizon_h", horizon_h)
        if horizon.shape:
            raise InputError(f"horizon_h has the shape {horizon.shape}: give one time")
        return self.run(numbers, course, horizon)


def compile_integrals(
    system: System,
    *,
    kernel: str | None = None,
    controls: Controls = Controls(),  # noqa: B008 (cannot change)
) -> CompiledIntegrals:
    """Turn a system into a JAX function of its time integrals.

    With M the matrix of the label's equations and a its activities, both at the
    horizon, the tail is -M^-1 a.

    Parameters
    ----------
    system : System
        The system.
    kernel : str or None
        One of `pkmodels.kernels.choice.KERNELS`; None for the fastest that there is.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    CompiledIntegrals

    Raises
    ------
    InputError
        When the kernel is unknown, or the controls are out of their range.
    ModelError
        When the system follows no label, or the kernel cannot solve it.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.5, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> compiled = compile_integrals(system)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> found = compiled.integrate(values, given, 24.0, label="Lu-177")
    >>> print(compiled.states, (found.until + found.tail).round(2))
    (blood, kidney) [143.22 124.89]
    """
    remedy = "write compile_integrals(assemble(model, schedule.form))"
    check_kind("the system", system, System, remedy)
    check_controls(controls)
    return _compiled(system, kernel, controls)


@lru_cache(maxsize=64)
def _compiled(
    system: System, kernel: str | None, controls: Controls
) -> CompiledIntegrals:
    followed = with_tracers(system)
    states = followed.amounts
    if followed.matrix is None:
        states = followed.states[len(followed.amounts) :]
    if not states:
        raise ModelError(
            f"{system.name!r} was assembled without a label, whose activity could be "
            "integrated: give one in the schedule"
        )
    equations, layout = equations_of(followed, integrals=True)
    solver = choose_solver(equations, kernel)
    solve = differentiable_solve(equations, solver.solve, controls)
    return CompiledIntegrals(
        system=followed,
        states=states,
        kernel=solver.kernel,
        controls=controls,
        run=_integrated(followed, layout, solve, len(states)),
    )


def _integrated(
    system: System, layout: Layout, solve: Callable[..., tuple[Any, Any]], count: int
) -> Callable[[Any, Course, Any], Integrals]:
    """Return what solves up to the horizon and far beyond it, traced once a form."""
    size, first = len(system.states), layout.integrals
    assert first is not None
    entries = jax_matrix(coefficients_of(system), label_matrix(system))

    @jax.jit
    def run(parameters: Any, course: Course, horizon_h: Any) -> Integrals:
        leaves, form = jax.tree.flatten((parameters, course))

        def lower(*leaves: Any) -> tuple[Problem, Any]:
            values, changed = jax.tree.unflatten(form, leaves[:-1])
            values = jnp.stack(values) if isinstance(values, tuple) else values
            return lower_course(system, layout, values, changed, leaves[-1])

        problem, _ = lower(*map(jnp.asarray, leaves), jnp.zeros(1))
        linear = system.matrix is not None
        decay = jnp.asarray(course.loss_per_h if linear else course.decay_constants)
        is_known = horizon_h >= 0.0
        horizon = jnp.maximum(horizon_h, problem.boundaries_h[-1])
        horizon = jax.lax.stop_gradient(horizon)
        times = jnp.stack([horizon, horizon + LIFETIMES / jnp.min(decay)])
        states, report = solve(lower, leaves, times)
        constants = problem.constants[-1]

        def tail(row: int) -> Any:
            there = jnp.maximum(states[row, :size], 0.0)
            matrix = entries(jnp.concatenate([there, constants]))
            loss = course.loss_per_h if linear else 0.0
            loss = loss * jnp.eye(count)
            return jnp.linalg.solve(loss - matrix, states[row, size - count : size])

        until = states[:, first + size - count : first + size]
        beyond = until[1] - until[0] + tail(1)
        found = tail(0)
        error = jax.lax.stop_gradient(jnp.abs(found - beyond))
        is_known &= jnp.isfinite(times).all()
        parts = [jnp.where(is_known, x, jnp.nan) for x in (until[0], found, error)]
        impossible = report.at[0].set(float(Outcome.NOT_FINITE))
        report = jnp.where(is_known, report, impossible)
        return Integrals(parts[0], parts[1], parts[2], horizon, report)

    return run


@lru_cache(maxsize=64)
def with_tracers(system: System) -> System:
    """Return a system in which every label has states of its own.

    Where a label is in proportion to its ligand, its activity in x obeys da/dt =
    - (r / x) a - lambda a, and so on, as that of any other label does.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    System
        The same one where it is linear, or no label is in proportion.

    Examples
    --------
    >>> from pkmodels.models.blocks import binding
    >>> from pkmodels.definition import Model
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> from pkmodels.system import assemble
    >>> free, bound = amounts("free bound", unit="nmol")
    >>> (site,) = receptors("site", unit="nmol")
    >>> (on,) = parameters("on", unit="L/(nmol h)")
    >>> (off,), (volume,) = parameters("off", unit="1/h"), parameters("v", unit="L")
    >>> (sites,) = parameters("sites", unit="nmol")
    >>> model = Model("binding", binding("binding", free, site, bound, volume=volume,
    ...     k_on=on, k_off=off), {"intravenous": free}, {"bound": bound},
    ...     start={site: sites})
    >>> label = LabelForm("x", proportional=True)
    >>> form = ScheduleForm((("x", "intravenous"),), (label,), amounts_known=True)
    >>> with_tracers(assemble(model, form)).states
    (free, site, bound, free_label_1, bound_label_1)
    """
    tracers, rates = list(system.tracers), list(system.derivatives)
    constants = list(system.decay_constants)
    for slot, form in enumerate(system.labels):
        if not form.proportional:
            continue
        symbol = Parameter(f"decay_constant_label_{slot + 1}", "1/h")
        constants.append(DecayConstant(symbol, slot, None))
        found = _label_rates(system, slot, form, symbol)
        tracers += found
        rates += found.values()
    return replace(
        system,
        tracers=tuple(tracers),
        derivatives=tuple(rates),
        decay_constants=tuple(constants),
        labels=tuple(replace(form, proportional=False) for form in system.labels),
    )


def _label_rates(
    system: System, slot: int, form: LabelForm, decay: Parameter
) -> dict[Tracer, sympy.Expr]:
    tracers = {
        amount: Tracer(
            Amount(f"{amount}_label_{slot + 1}", "MBq", amount.ligand),
            slot,
            None,
            amount,
            moves=True,
        )
        for amount in system.amounts
        if amount.ligand == form.ligand
    }
    terms = {a: [-decay * tracer.symbol] for a, tracer in tracers.items()}
    for transport in transports(system.reactions, form.ligand):
        flux = transport.coefficient * tracers[transport.source].symbol
        terms[transport.source].append(-flux)
        if transport.target is not None:
            terms[transport.target].append(flux)
    return {tracer: sympy.Add(*terms[amount]) for amount, tracer in tracers.items()}


@lru_cache(maxsize=64)
def label_matrix(system: System) -> sympy.ImmutableMatrix:
    """Return the matrix M of the labels' equations, da/dt = M(x) a.

    Parameters
    ----------
    system : System
        A linear system, whose M is without the decay; or one in which every label has
        states of its own, with it.

    Returns
    -------
    (n_tracers, n_tracers) or (n_amounts, n_amounts) sympy.ImmutableMatrix

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> label_matrix(assemble(organ_exchange.model(("kidney",)), form)).shape
    (2, 2)
    """
    if system.matrix is not None:
        return system.matrix
    places = {tracer.symbol: place for place, tracer in enumerate(system.tracers)}
    entries: dict[tuple[int, int], sympy.Expr] = {}
    for row, rate in enumerate(system.derivatives[len(system.amounts) :]):
        for symbol in amounts_in(rate):
            if symbol in places:
                entries[row, places[symbol]] = sympy.diff(rate, symbol)
    size = len(places)
    return sympy.ImmutableMatrix(sympy.SparseMatrix(size, size, entries))


def coefficients_of(system: System) -> tuple[sympy.Symbol, ...]:
    """Return what the entries of `label_matrix` may depend on, in order.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    tuple of Symbol
        The states, the parameters, the inputs and the decay constants.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> coefficients_of(assemble(organ_exchange.model(("kidney",)), form))[:3]
    (blood, kidney, blood_half_time)
    """
    decay = [constant.symbol for constant in system.decay_constants]
    return (*system.states, *system.parameters, *system.inputs, *decay)
