"""Compiled systems: equations turned into JAX functions of parameters and doses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.administrations import Delivery  # noqa: E402
from pkmodels.deliveries import slack  # noqa: E402
from pkmodels.errors import InputError, ModelError  # noqa: E402
from pkmodels.kernels import linear  # noqa: E402
from pkmodels.kernels.printing import jax_matrix  # noqa: E402
from pkmodels.nuclides import nuclide  # noqa: E402
from pkmodels.routes import Route  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.system import System  # noqa: E402


class Doses(NamedTuple):
    """The doses of one label as run-time arrays.

    Attributes
    ----------
    start_h, length_h : (n_doses,) arrays
        Start and length of each, h, >= 0; length 0 is a bolus.
    activity : (n_doses,) array
        Activity of the whole syringe at the start, MBq.
    decay_constant_per_h : scalar
        Of the label, 1/h, >= 0; 0 follows the ligand itself.
    ligand_nmol : (n_doses,) array or None
        Of all ligand in each syringe, > 0; None where it is not known, which only a
        system in which nothing saturates accepts.
    """

    start_h: Any
    length_h: Any
    activity: Any
    decay_constant_per_h: Any
    ligand_nmol: Any = None


@dataclass(frozen=True)
class ExactSystem:
    """A system's solution as JAX functions (float64; jit, vmap and grad apply).

    Parameters
    ----------
    system : System
        What was compiled.
    kernel : str
        Which solution was chosen.
    observe : callable
        ``observe(parameters) -> (n_observables, n_amounts)``, what turns amounts into
        ``system.observables``.
    solve : callable
        ``solve(parameters, doses, times) -> (n_times, n_amounts)``, MBq of the label
        in each amount at each time (h). `parameters`: (n_parameters,) in the order of
        ``system.parameters``; `doses`: `Doses`. NaN where a length is negative, or
        not 0 in a system without infusions.
    integrate : callable
        ``integrate(parameters, doses) -> (n_amounts,)``, the time integral of each
        amount from the first dose to infinity, MBq h: exact, (lambda I - M)^-1 x0.
    integrate_after : callable
        ``integrate_after(parameters, doses, time) -> (n_amounts,)``, the same from
        `time` (h, at or after the end of the last dose) to infinity.
    """

    system: System
    kernel: str
    observe: Callable[[Any], Any]
    solve: Callable[[Any, Doses, Any], Any]
    integrate: Callable[[Any, Doses], Any]
    integrate_after: Callable[[Any, Doses, Any], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the system, from which another process compiles it anew."""
        return compile_exactly, (self.system,)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what the vectors of parameters hold."""
        return tuple(str(parameter) for parameter in self.system.parameters)


def doses_of(schedule: Schedule) -> Doses:
    """Return the administrations of one label as arrays.

    Parameters
    ----------
    schedule : Schedule
        Administrations that all carry the same label.

    Returns
    -------
    Doses

    Raises
    ------
    InputError
        When there is no administration, or there are several labels.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Administration(0.0, 0.5, "dotatate", "Lu-177", 7400.0)
    >>> doses_of(Schedule((given,))).activity.tolist()
    [7400.0]
    """
    given = schedule.administrations
    labels = sorted({str(administration.label) for administration in given})
    if len(labels) != 1 or given[0].label is None:
        raise InputError(
            f"doses of one label are needed; the schedule has "
            f"{', '.join(labels) or 'no administration'}: use Schedule.of_label"
        )
    reason = not_plain(schedule)
    if reason is not None:
        raise InputError(
            f"the exact solution of a linear system knows doses only, and {reason}: "
            "use simulate"
        )
    return Doses(
        np.array([a.time_h for a in given]),
        np.array([a.duration_h for a in given]),
        np.array([a.activity_MBq for a in given]),
        np.float64(nuclide(labels[0]).decay_constant_per_h),
        None
        if any(a.ligand_nmol is None for a in given)
        else np.array([a.ligand_nmol for a in given]),
    )


def not_plain(schedule: Schedule) -> str | None:
    """Say what of a schedule the exact solution does not know, if anything.

    Parameters
    ----------
    schedule : Schedule
        The schedule.

    Returns
    -------
    str or None
        The reason, or None where all are boluses and infusions by one route.

    Examples
    --------
    >>> not_plain(Schedule((), resets_h=(24.0,)))
    'the schedule has resets'
    """
    if schedule.resets_h:
        return "the schedule has resets"
    if schedule.windows:
        return "the schedule sets inputs"
    for a in schedule.administrations:
        if a.steady_state is not None:
            return f"the {a.described()} is at steady state"
        if a.modelled:
            return f"the {a.described()} has a modelled length"
        if a.free_label_fraction > 0.0:
            return f"the {a.described()} has free label"
        if a.duration_h > 0.0 and a.delivered is Delivery.CONSTANT:
            return f"the {a.described()} has a label that does not decay in the syringe"
    return None


def unsolvable(system: System) -> str | None:
    """Say why a system has no exact solution here, if it has none.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    str or None
        The reason, or None where it has one.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("dotatate", "intravenous"),))
    >>> unsolvable(assemble(organ_exchange.model(("kidney",)), form)) is None
    True
    """
    if system.matrix is None:
        return "it is not linear and homogeneous in its amounts"
    if system.observation is None:
        return "an observable is not linear in its amounts"
    symbols = system.matrix.free_symbols | system.observation.free_symbols
    foreign = sorted(map(str, symbols - set(system.parameters)))
    if foreign:
        return f"it depends on {', '.join(foreign)}"
    arrivals = {route for _, _, route in system.routes}
    if len(arrivals) != 1 or arrivals != {Route(r.amount) for r in arrivals}:
        return "its doses arrive by several routes, late, or in part"
    return None


def check_lengths(system: System, doses: Doses) -> None:
    """Refuse infusions that a system was not assembled for.

    Parameters
    ----------
    system : System
        The system.
    doses : Doses
        Concrete arrays.

    Raises
    ------
    InputError
        When a dose has a length and the system's form has no infusions.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("dotatate", "intravenous"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), form)
    >>> check_lengths(system, Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.0))
    """
    if not system.has_infusions and np.any(np.asarray(doses.length_h) > 0.0):
        raise InputError(
            f"{system.name!r} was assembled for boluses only, but a dose takes time: "
            "assemble it with a form whose infusions is True"
        )


@lru_cache(maxsize=64)
def compile_exactly(system: System) -> ExactSystem:
    """Turn a linear system into JAX functions; equal systems share one compilation.

    The activity of a label given at t_d is exp(-lambda (t - t_d)) times the ligand's
    response: during an infusion the label in the syringe decays at the same rate.
    A time that is equal to the start or the end of a dose but for rounding
    (`pkmodels.inflows.slack_h`) is at it, with the values and derivatives just after
    it; a length that short is a bolus, whose derivative in its length is given as 0.

    Parameters
    ----------
    system : System
        A linear, homogeneous system.

    Returns
    -------
    ExactSystem

    Raises
    ------
    ModelError
        When the system has no exact solution.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("dotatate", "intravenous"),))
    >>> compiled = compile_exactly(assemble(organ_exchange.model(("kidney",)), form))
    >>> compiled.kernel
    'one-step cascade'
    """
    reason = unsolvable(system)
    if reason is not None or system.matrix is None or system.observation is None:
        raise ModelError(
            f"model {system.name!r} has no exact solution: {reason}; simulate() "
            "integrates it numerically"
        )
    size = len(system.amounts)
    root = system.amounts.index(system.routes[0][2].amount)
    matrix = jax_matrix(system.parameters, system.matrix)
    kernel, response = _kernel(system, root)

    # As one program each: by itself, every operation would be compiled on its own.
    @jax.jit
    def solve(parameters: Any, doses: Doses, times: Any) -> Any:
        starts, lengths = jnp.asarray(doses.start_h), _lengths(system, doses)
        times = jnp.asarray(times)[:, None]
        lengths = jnp.broadcast_to(lengths, (len(times), len(starts)))
        elapsed = _snapped(times - starts[None, :], 0.0, slack(times))
        elapsed = _snapped(elapsed, lengths, slack(times))
        unit = response(matrix(parameters), elapsed.ravel(), lengths.ravel())
        since = jnp.where(elapsed < 0.0, 0.0, elapsed)
        decay = jnp.exp(-doses.decay_constant_per_h * since)
        given = decay * jnp.asarray(doses.activity)[None, :]
        return jnp.sum(given[:, :, None] * unit.reshape(*elapsed.shape, size), axis=1)

    def resolve(parameters: Any, doses: Doses, state: Any) -> Any:
        decay = doses.decay_constant_per_h * jnp.eye(size)
        return jnp.linalg.solve(decay - matrix(parameters), state)

    @jax.jit
    def integrate(parameters: Any, doses: Doses) -> Any:
        decayed = doses.decay_constant_per_h * _lengths(system, doses)
        delivered = jnp.sum(jnp.asarray(doses.activity) * linear.phi(decayed))
        return resolve(parameters, doses, jnp.zeros(size).at[root].set(delivered))

    @jax.jit
    def integrate_after(parameters: Any, doses: Doses, time: Any) -> Any:
        state = solve(parameters, doses, jnp.reshape(time, (1,)))[0]
        return resolve(parameters, doses, state)

    return ExactSystem(
        system=system,
        kernel=kernel,
        observe=jax_matrix(system.parameters, system.observation),
        solve=solve,
        integrate=integrate,
        integrate_after=integrate_after,
    )


def _lengths(system: System, doses: Doses) -> Any:
    """Return the lengths of doses, h; 0 where the start, rounded, is the end too.

    They are NaN where they are no lengths, or the system has no infusions.
    """
    lengths = jnp.asarray(doses.length_h)
    is_possible = lengths >= 0.0 if system.has_infusions else lengths == 0.0
    is_bolus = lengths <= slack(jnp.asarray(doses.start_h))
    known = jnp.where(is_bolus, 0.0, lengths)
    return jnp.where(is_possible, known, jnp.nan)


def _snapped(values: Any, to: Any, within: Any) -> Any:
    """Return values moved to what they are near to, with derivatives of their own."""
    fixed = jax.lax.stop_gradient((values, to))
    moved = fixed[1] + (values - fixed[0])
    return jnp.where(jnp.abs(fixed[0] - fixed[1]) <= within, moved, values)


def _kernel(system: System, root: int) -> tuple[str, linear.Response]:
    assert system.matrix is not None
    if linear.is_one_step_cascade(system.matrix, root):
        infusions = system.has_infusions
        return "one-step cascade", linear.cascade_response(root, infusions=infusions)
    return "matrix exponential", linear.exponential_response(root)
