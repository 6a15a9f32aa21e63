"""Times a solve of the library's largest models, with 12 sensitivities and without.

    python benchmarks/models.py

As a fit calls it: from JAX, for one label, five scans until 168 h, at the tolerances
of fits and at the default ones, with derivatives by the logs of the first 12 parameters
that a patient's scans inform. SciPy's LSODA has no sensitivities; it solves the same
equations at the same tolerances, its right-hand side being plain Python.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import odeint
from timing import describe_machine, prepare, seconds_of, show

from pkmodels.compiled import compile_system
from pkmodels.courses import course_of
from pkmodels.kernels.equations import equations_of
from pkmodels.kernels.printing import numpy_function
from pkmodels.kernels.problem import Controls, Outcome, Problem
from pkmodels.lowering import lower_course
from pkmodels.models import library
from pkmodels.saturable import CONTROLS
from pkmodels.schedule import Schedule
from pkmodels.system import System, assemble
from pkmodels.trajectory import label_of_states
from pkmodels.values import typical

GOALS_MS = {"pentixather": 3.0, "dotatate_pbpk": 10.0}
SCANS_H = np.array([4.0, 24.0, 48.0, 96.0, 168.0])
DIRECTIONS = 12
ROUNDS = 11
OURS, THEIRS = "pkmodels", "scipy LSODA (odeint)"


class Case(NamedTuple):
    """A model with what is done and numbers for it, and which parameters vary."""

    system: System
    schedule: Schedule
    values: dict[str, float]
    varied: tuple[str, ...]


def case_of(name: str) -> Case:
    """Return a model of the library at its typical values and customary dose."""
    module = library.find(name)
    schedule = module.schedule()
    system = assemble(module.model(), schedule.form)
    return Case(
        system, schedule, typical(module.values()), module.fitted()[:DIRECTIONS]
    )


def our_works(
    case: Case, controls: Controls
) -> tuple[dict[str, Callable[[], Any]], Any]:
    """Return a solve, and one with derivatives, as jitted calls; and the report."""
    compiled = compile_system(case.system, controls=controls)
    label = label_of_states(case.system, case.schedule.labels[0])
    kept = {n: v for n, v in case.values.items() if n not in case.varied}

    def curves(logs: jax.Array) -> tuple[jax.Array, jax.Array]:
        varied = dict(zip(case.varied, jnp.exp(logs), strict=True))
        return compiled.solve_with_report(
            {**kept, **varied}, case.schedule, SCANS_H, label=label
        )

    logs = jnp.log(jnp.array([case.values[n] for n in case.varied]))
    value = jax.jit(curves)
    slopes = jax.jit(jax.jacfwd(lambda logs: (curves(logs)[0],) * 2, has_aux=True))
    works = {
        "a solve": lambda: jax.block_until_ready(value(logs)),
        f"gradient by {len(case.varied)}": lambda: jax.block_until_ready(slopes(logs)),
    }
    return works, value(logs)[1]


def problem_of(case: Case) -> tuple[Problem, np.ndarray]:
    """Return the arrays of the same solve, and the rows of its readings."""
    _, layout = equations_of(case.system)
    label = label_of_states(case.system, case.schedule.labels[0])
    course = course_of(case.system, case.schedule, label)
    numbers = jnp.array([case.values[str(p)] for p in case.system.parameters])
    problem, rows = lower_course(case.system, layout, numbers, course, SCANS_H)
    return Problem(*map(np.asarray, problem)), np.asarray(rows)


def by_lsoda(case: Case, controls: Controls) -> Callable[[], np.ndarray]:
    """Return the solve by LSODA, segment by segment."""
    equations, _ = equations_of(case.system)
    function = numpy_function(
        (*equations.states, *equations.constants), equations.derivatives
    )
    problem, rows = problem_of(case)
    ends = np.append(problem.boundaries_h[1:], SCANS_H[-1])

    def work() -> np.ndarray:
        found = np.empty((len(problem.times_h), len(equations.states)))
        state = np.zeros(len(equations.states))
        for row, start in enumerate(problem.boundaries_h):
            constants = problem.constants[row].tolist()
            state = problem.keep[row] * state + problem.added[row]
            wanted = problem.places == row
            times = np.concatenate(
                [[start], problem.times_h[wanted], [max(start, ends[row])]]
            )
            distinct, where = np.unique(times, return_inverse=True)
            curve = state[None]
            if len(distinct) > 1:
                curve = odeint(
                    lambda _, y, c=constants: function([*y.tolist(), *c]),
                    state,
                    distinct,
                    tfirst=True,
                    rtol=controls.relative,
                    atol=controls.absolute * problem.scales,
                    mxstep=100_000,
                )
            found[wanted], state = curve[where[1:-1]], curve[-1]
        return found[rows]

    return work


def error_of(states: np.ndarray, truth: np.ndarray, scales: np.ndarray) -> float:
    """Return the largest |y - truth| / (|truth| + 1e-6 of what is given)."""
    count = states.shape[1]
    size = np.abs(truth[:, :count]) + 1e-6 * scales[:count]
    return float(np.max(np.abs(states - truth[:, :count]) / size))


def time_model(name: str, controls: Controls) -> None:
    """Print the rows of one model at some tolerances."""
    case = case_of(name)
    works, report = our_works(case, controls)
    outcome, _, steps = np.asarray(report).tolist()
    if Outcome(int(outcome)) is not Outcome.SOLVED:
        raise ArithmeticError(f"{name}: {Outcome(int(outcome)).name}")
    print(f"{name}: {len(case.system.states)} states, {steps:.0f} steps tried")
    works[THEIRS] = by_lsoda(case, controls)
    truth = by_lsoda(case, Controls(relative=1e-11, absolute=1e-15))()
    scales = problem_of(case)[0].scales
    ours = np.asarray(works["a solve"]()[0])
    errors = {
        "a solve": error_of(ours, truth, scales),
        THEIRS: error_of(works[THEIRS](), truth, scales),
    }
    tolerances = f"{controls.relative:.1e} / {controls.absolute:.0e}"
    taken = seconds_of(works, ROUNDS)
    for work, each_s in taken.items():
        is_ours = work != THEIRS
        goal = f"<= {GOALS_MS[name]:g} ms" if work.startswith("gradient") else ""
        show(
            f"{name}, {work if is_ours else 'a solve'}",
            OURS if is_ours else THEIRS,
            tolerances,
            errors.get(work),
            taken=f"{1e3 * each_s:.3f} ms",
            ratio=f"{each_s / taken['a solve']:.1f} x",
            goal=goal,
        )


def main() -> None:
    describe_machine(prepare())
    show("work", "solver", "tolerances", taken="time", ratio="ratio", goal="goal")
    for name in GOALS_MS:
        if name not in library.MODELS:
            print(f"{name} is not in the library: not timed")
            continue
        for controls in (CONTROLS, Controls()):
            time_model(name, controls)


if __name__ == "__main__":
    main()
