"""Label integrals: time integrals of every label's activity, of many draws at once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

from pkmodels.compiled_integrals import LIFETIMES, with_tracers  # noqa: E402
from pkmodels.kernels.choice import choose_solver  # noqa: E402
from pkmodels.kernels.equations import equations_of  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem  # noqa: E402
from pkmodels.label_courses import (  # noqa: E402
    LabelCourse,
    labelled_amounts,
    summed_by_label,
)
from pkmodels.lowering import lower_course  # noqa: E402
from pkmodels.system import System  # noqa: E402


def label_integrator(
    system: System, order: Callable[[Any], Any], controls: Controls
) -> Callable[[np.ndarray, LabelCourse, Any], tuple[Any, Any, Any]]:
    """Return what integrates activities of many draws; compiled at the first use.

    Every label has states of its own here. To infinity means until 40 mean lives of the
    slowest label after the last dose and the last time asked for.

    Parameters
    ----------
    system : System
        A saturable system, assembled for `pkmodels.label_courses.form_of_labels`.
    order : callable
        Puts the parameters that vary, (n_parameters,), into the system's order.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    callable
        ``integrate(parameters, given, times) -> (activities, until, totals)``: MBq at
        some times (h) and the time integrals until then, each (n_labels, n_draws,
        n_times, n_amounts), and to infinity, (n_labels, n_draws, n_amounts), MBq h, in
        each of `pkmodels.label_courses.labelled_amounts`. NaN where a solve failed.

    Examples
    --------
    >>> from pkmodels.label_courses import label_course
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> from pkmodels.values import typical
    >>> schedule, known = pentixather.schedule(), typical(pentixather.values())
    >>> system = assemble(pentixather.model(), schedule.form)
    >>> integrate = label_integrator(system, lambda values: values, Controls())
    >>> values = np.array([[known[str(p)] for p in system.parameters]])
    >>> given, times = label_course(system, schedule), np.array([0.0])
    >>> totals = integrate(values, given, times)[2][0, 0]  # of 200 MBq
    >>> kidneys = [str(amount) for amount in system.amounts].index("kidneys")
    >>> print(f"{totals[kidneys] / 200.0:.2f} h")
    3.06 h
    """
    amounts, followed = labelled_amounts(system), with_tracers(system)
    states = {(t.slot, t.amount): n for n, t in enumerate(followed.tracers)}
    # Where the activity of each label in each amount stands.
    places = [
        np.array([states.get((slot, amount), -1) for amount in amounts])
        for slot in range(len(system.labels))
    ]

    @lru_cache(maxsize=1)
    def prepared() -> tuple[Callable[..., Problem], Callable[..., Any], int]:
        equations, layout = equations_of(followed, integrals=True)
        assert layout.integrals is not None

        def lower(parameters: Any, given: LabelCourse, times: Any) -> Problem:
            course, values = given.followed, order(parameters)
            return lower_course(followed, layout, values, course, times)[0]

        lowered = jax.jit(jax.vmap(lower, in_axes=(0, None, None)))
        return lowered, choose_solver(equations).solve, layout.integrals

    def integrate(
        parameters: np.ndarray, given: LabelCourse, times: np.ndarray
    ) -> tuple[Any, Any, Any]:
        lowered, solve, first = prepared()
        asked, back = np.unique(times, return_inverse=True)
        every = np.append(asked, _end(given, times))
        problem = Problem(*map(np.asarray, lowered(parameters, given, every)))
        found = solve(problem, None, controls)
        failed = np.asarray(found.report)[:, 0] != Outcome.SOLVED
        solved = np.where(failed[:, None, None], np.nan, np.asarray(found.states))

        def of_labels(start: int) -> np.ndarray:
            parts = [
                np.where(at >= 0, solved[:, :, start + np.maximum(at, 0)], 0.0)
                for at in places
            ]
            return np.stack(summed_by_label(given, parts))

        activity = of_labels(len(system.amounts))
        until = of_labels(first + len(system.amounts))
        return activity[:, :, back], until[:, :, back], until[:, :, -1]

    return integrate


def _end(given: LabelCourse, times: np.ndarray) -> float:
    """Return the time by which every label has decayed, h."""
    course = given.followed
    ends = float(np.max(np.add(course.time_h, course.duration_h)))
    slowest = float(np.min(given.decay_per_h))
    return max(ends, float(np.max(times, initial=0.0))) + LIFETIMES / slowest
