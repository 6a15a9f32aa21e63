"""Compiled systems: equations turned into one JAX function of a schedule's numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.core import Tracer  # noqa: E402

from pkmodels.arguments import as_numbers, parameter_values  # noqa: E402
from pkmodels.arrivals import Content, Length  # noqa: E402
from pkmodels.courses import Course, as_course  # noqa: E402
from pkmodels.errors import InputError, check_kind, suggest  # noqa: E402
from pkmodels.exact import Doses, ExactSystem, compile_exactly, unsolvable  # noqa: E402
from pkmodels.kernels.choice import KERNELS, choose_solver  # noqa: E402
from pkmodels.kernels.differentiation import differentiable_solve  # noqa: E402
from pkmodels.kernels.equations import Layout, equations_of  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem, check_controls  # noqa: E402
from pkmodels.lowering import lower_course  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.system import System  # noqa: E402

EXACT = "exact"


@dataclass(frozen=True, eq=False)
class CompiledSystem:
    """A system's solution as a JAX function (float64; jit, vmap, jvp and grad apply).

    Parameters
    ----------
    system : System
        What was compiled.
    kernel : str
        What solves it: one of `pkmodels.kernels.choice.KERNELS`, or ``"exact"`` where
        boluses and infusions have a closed form that is faster; resets, windows and the
        like then go by the fastest other kernel.
    controls : Controls
        Tolerances and limits of each solve.
    solve_with_report : callable
        ``solve_with_report(parameters, schedule, times_h, *, label=None, before=None)
        -> (amounts, report)``: as `solve`, with the report (3,) of the
        `pkmodels.kernels.problem.Outcome`, the time reached (h), and the steps tried.
    """

    system: System
    kernel: str
    controls: Controls
    solve_with_report: Callable[..., tuple[Any, Any]]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the system, which another process compiles by the same kernel."""
        return _compiled, (self.system, self.kernel, self.controls)

    def __repr__(self) -> str:
        """Say what it is, without the equations."""
        states = len(self.system.states)
        return f"<compiled {self.system.name!r}: {states} states, {self.kernel}>"

    def solve(
        self,
        parameters: Any,
        schedule: Schedule | Course,
        times_h: Any,
        *,
        label: str | None = None,
        before: Any = None,
    ) -> Any:
        """Return the amounts at some times.

        Derivatives in any of its numbers come from one solve: of parameters, doses,
        their times and lengths, initial amounts and times. There are no second ones,
        and none in what a rate jumps at (see `ModelError`). The steps keep the amounts
        within the tolerances, and their derivatives within a hundred times those, but
        where a slope has a kink or no end (a power below 1 of what starts at 0): there
        they may be off by a part in a hundred at the default tolerances.

        Parameters
        ----------
        parameters : mapping of str to scalar, or (n_parameters,) array
            Values by name, of which only those that vary cost anything in a derivative;
            or in the order of ``system.parameters``.
        schedule : Schedule or Course
            What is done. A course (`pkmodels.courses.course_of`) is arrays, and may be
            traced.
        times_h : (n_times,) array
            Times, h, >= 0, in any order.
        label : str or None
            With a `Schedule`: as of `pkmodels.courses.course_of`.
        before : (n_times,) array of bool or None
            Where a time is that of a jump, whether the amounts before it are wanted.

        Returns
        -------
        (n_times, n_states) array
            In the order of ``system.states``: nmol of each amount, or MBq of it for a
            label of a linear system; then MBq of each tracer. NaN from where a solve
            failed; ``solve_with_report`` says why.

        Raises
        ------
        InputError
            When a name, a kind or a shape is wrong.
        ModelError
            When it is differentiated, and a rate jumps where a state crosses a
            threshold: such a derivative would lack what the jump adds.
        """
        return self.solve_with_report(
            parameters, schedule, times_h, label=label, before=before
        )[0]


def compile_system(
    system: System,
    *,
    kernel: str | None = None,
    controls: Controls = Controls(),  # noqa: B008 (cannot change)
) -> CompiledSystem:
    """Turn a system into a JAX function; equal systems share one compilation.

    Parameters
    ----------
    system : System
        The system.
    kernel : str or None
        ``"native"``, ``"native by a callback"``, ``"xla"`` or ``"exact"``; None for the
        fastest that there is here.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    CompiledSystem

    Raises
    ------
    InputError
        When the kernel is unknown.
    ModelError
        When the kernel that is asked for cannot solve the system.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.5, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> compiled = compile_system(system)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> print(compiled.solve(values, given, jnp.array([24.0]), label="Lu-177").round(4))
    [[0.     1.3928]]
    """
    remedy = "write compile_system(assemble(model, schedule.form))"
    check_kind("the system", system, System, remedy)
    check_controls(controls)
    if kernel is not None:
        known = (*KERNELS, EXACT)
        check_kind("the kernel", kernel, str, f"it is one of {', '.join(known)}")
        if kernel not in known:
            raise InputError(f"no kernel {kernel!r}: {suggest(kernel, known)}")
    return _compiled(system, kernel, controls)


@lru_cache(maxsize=64)
def _compiled(system: System, kernel: str | None, controls: Controls) -> CompiledSystem:
    exact = None
    if kernel == EXACT or (kernel is None and unsolvable(system) is None):
        exact = compile_exactly(system)
        if kernel is None and exact.kernel != "one-step cascade":
            exact = None
    equations, layout = equations_of(system)

    @cache
    def numeric() -> tuple[str, Callable[..., tuple[Any, Any]]]:
        solver = choose_solver(equations, None if kernel == EXACT else kernel)
        return solver.kernel, differentiable_solve(equations, solver.solve, controls)

    body = _body(system, layout, numeric, controls, exact)
    return CompiledSystem(
        system=system,
        kernel=numeric()[0] if exact is None else EXACT,
        controls=controls,
        solve_with_report=_prepared(system, body),
    )


def _prepared(
    system: System, body: Callable[..., tuple[Any, Any]]
) -> Callable[..., tuple[Any, Any]]:
    """Return what brings the arguments of a solve into shape."""
    run = jax.jit(body)

    def prepare(
        parameters: Any,
        schedule: Schedule | Course,
        times_h: Any,
        *,
        label: str | None = None,
        before: Any = None,
    ) -> tuple[Any, Any]:
        course = as_course(system, schedule, label)
        times = as_numbers("times_h", times_h)
        early = None if before is None else as_numbers("before", before)
        solve_it = body if _is_compiling() else run
        return solve_it(parameter_values(system, parameters), course, times, early)

    return prepare


def _body(
    system: System,
    layout: Layout,
    numeric: Callable[[], tuple[str, Callable[..., tuple[Any, Any]]]],
    controls: Controls,
    exact: ExactSystem | None,
) -> Callable[..., tuple[Any, Any]]:
    """Return what lowers the arguments of a solve and runs it."""

    def body(
        parameters: tuple[Any, ...], course: Course, times: Any, before: Any
    ) -> tuple[Any, Any]:
        if exact is not None and before is None and _is_plain(course):
            vector = _vector(parameters)
            problem, _ = lower_course(system, layout, vector, course, times)
            amounts = exact.solve(vector, _doses(course), times)
            return _judged(amounts, problem, times, controls)
        arguments, form = jax.tree.flatten((parameters, course, before))
        # What is not traced is lowered now, once, instead of at every call.
        traced = [n for n, x in enumerate(arguments) if isinstance(x, Tracer)]
        in_order = before is None and _are_sorted(times)

        def lower(*leaves: Any) -> tuple[Problem, Any]:
            changed = list(arguments)
            for number, leaf in zip(traced, leaves[:-1], strict=True):
                changed[number] = leaf
            found, given, early = jax.tree.unflatten(form, changed)
            readings = leaves[-1] if isinstance(times, Tracer) else times
            early = None if early is None else early > 0.5
            line = (system, layout, _vector(found), given, readings, early)
            return lower_course(*line, in_order=in_order)

        solve = numeric()[1]
        states, report = solve(lower, [arguments[n] for n in traced], times)
        return states[:, : len(system.states)], report

    return body


def _judged(
    amounts: Any, problem: Problem, times: Any, controls: Controls
) -> tuple[Any, Any]:
    """Return an exact solution, or NaN where it is none, and its report."""
    count = amounts.shape[1]
    least = -controls.negative * problem.scales[:count]
    # A rate without end would leave 0 of everything.
    parts = (problem.added, problem.constants, amounts)
    is_known = jnp.all(jnp.stack([jnp.all(jnp.isfinite(part)) for part in parts]))
    is_negative = jnp.any(amounts < least[None, :])
    outcome = jnp.where(is_negative, Outcome.NEGATIVE, Outcome.SOLVED)
    outcome = jnp.where(is_known, outcome, Outcome.NOT_FINITE).astype(float)
    is_solved = outcome == Outcome.SOLVED
    reached = jnp.where(is_solved, jnp.max(times, initial=0.0), 0.0)
    report = jax.lax.stop_gradient(jnp.stack([outcome, reached, jnp.zeros(())]))
    return jnp.where(is_solved, amounts, jnp.nan), report


def _is_compiling() -> bool:
    """Say whether JAX is writing a program down rather than calculating."""
    return isinstance(jnp.add(0.0, 0.0), Tracer)


def _are_sorted(times: Any) -> bool:
    return not isinstance(times, Tracer) and bool(np.all(np.diff(times) >= 0))


def _vector(parameters: Sequence[Any]) -> Any:
    if not parameters:
        return np.zeros(0)
    if len(parameters) == 1 and jnp.ndim(parameters[0]) > 0:
        return parameters[0]
    library = jnp if any(isinstance(p, Tracer) for p in parameters) else np
    return library.stack([library.asarray(p, np.float64) for p in parameters])


def _is_plain(course: Course) -> bool:
    """Say whether the exact solution knows all that a course does."""
    form = course.form
    given = [dose for dose in form.doses if dose.arrivals]
    return bool(
        given
        and course.start_nmol is None
        and not form.windows
        and jnp.size(course.reset_h) == 0
        and len({dose.arrivals for dose in given}) == 1
        and all(
            len(dose.arrivals) == 1
            and dose.arrivals[0].content is not Content.FREE_LABEL
            and dose.length is Length.STATED
            and not dose.constant
            for dose in given
        )
    )


def _doses(course: Course) -> Doses:
    """Return the doses of a plain course."""
    rows = jnp.array([n for n, dose in enumerate(course.form.doses) if dose.arrivals])
    content = next(d.arrivals[0].content for d in course.form.doses if d.arrivals)
    amounts = course.ligand_nmol
    if content is Content.BOUND_LABEL:
        bound = 1.0 - jnp.asarray(course.free_label_fraction)
        amounts = jnp.asarray(course.activity_MBq) * bound
    times, lengths = jnp.asarray(course.time_h), jnp.asarray(course.duration_h)
    given = jnp.asarray(amounts)[rows]
    return Doses(times[rows], lengths[rows], given, course.loss_per_h)
