"""Times the generated solver beside its rivals on `pbpk12`; README.md tells how.

python benchmarks/solver.py             everything
python benchmarks/solver.py --sets 1000  smaller batches, for a look
"""

import argparse
import os
import statistics
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pbpk12
import rivals
from rivals import Contender
from timing import describe_machine, prepare, seconds, seconds_of, show, use_cores

from pkmodels.kernels.choice import XLA, Solver, choose_solver
from pkmodels.kernels.native import NativeKernel, native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem

OURS = "pkmodels"
DIRECT = "pkmodels, without JAX"
ROUNDS = 11
# Tolerances tried, from tight to loose; the absolute one (nmol) as a part of it.
RELATIVES = np.geomspace(1e-9, 1e-3, 37)
PARTS = (1e-2, 1e-4)
# Those of the posterior problem `onepatient`.
POSTERIOR = (1e-6, 1e-8)
# log-likelihood and gradient: error and time as the benchmark's authors measured them,
# on another machine (versions: AMICI 1.0.1; Rodas5P in C).
PUBLISHED = {"AMICI": (1.7e-6, 9.7), "C by hand, dense LU": (1.2e-6, 0.99)}
CHECKED_DRAWS = 20
RIVAL_DRAWS = 50


class Setting(NamedTuple):
    """A contender at some tolerances, and its error there."""

    relative: float
    absolute: float
    error: float
    work: Callable[[], Any]


def sweep(
    contender: Contender, error_of: Callable[[Any], float], largest: float
) -> list[list[Setting]]:
    """Return its settings from tight to loose, up to the first error too large."""
    found = []
    for part in PARTS:
        settings: list[Setting] = []
        for relative in RELATIVES.tolist():
            work = contender.at(relative, part * relative)
            error = error_of(contender.read(work()))
            settings.append(Setting(relative, part * relative, error, work))
            if not error <= largest:
                break
        found.append(settings)
    return found


def choose(sweeps: list[list[Setting]], bound: float) -> Setting | None:
    """Return the fastest setting that, as all tighter ones, has errors in bounds."""
    loosest = {}
    for part, settings in zip(PARTS, sweeps, strict=True):
        within = list(takewhile(lambda setting: setting.error <= bound, settings))
        if within:
            loosest[str(part)] = within[-1]
    if not loosest:
        return None
    taken = seconds_of({part: s.work for part, s in loosest.items()}, 5, min)
    return loosest[min(taken, key=lambda part: taken[part])]


def compare(
    work: str,
    sweeps: dict[str, list[list[Setting]]],
    bound: float,
    goals: dict[str, str],
    followers: Callable[[Setting], dict[str, Setting]],
) -> Setting | None:
    """Time all at the loosest tolerances within a bound, print, and return ours.

    Followers work at the tolerances found for us without JAX: each new ones would be
    compiled anew.
    """
    found = {name: choose(settings, bound) for name, settings in sweeps.items()}
    ours = found[DIRECT]
    chosen: dict[str, Setting | None] = dict(followers(ours)) if ours else {}
    chosen |= found
    settings = {name: setting for name, setting in chosen.items() if setting}
    taken = seconds_of({name: s.work for name, s in settings.items()}, ROUNDS)
    title = f"{work}, error <= {bound:.0e}"
    for name, setting in chosen.items():
        goal = goals.get(name, "")
        if setting is None:
            show(title, name, "none is as exact", goal=goal)
            continue
        show(
            title,
            name,
            f"{setting.relative:.1e} / {setting.absolute:.0e}",
            setting.error,
            taken=f"{1e3 * taken[name]:.3f} ms",
            ratio=f"{taken[name] / taken[OURS]:.1f} x" if OURS in taken else "",
            goal=goal,
        )
    return ours


def our_solve(name: str, solver: Solver) -> Contender:
    """Return our solve at the true values, called from JAX as diffrax is."""
    constants = jnp.asarray(pbpk12.constants_of(pbpk12.TRUE_LOG))

    def at(relative: float, absolute: float) -> Callable[[], Any]:
        controls = Controls(relative=relative, absolute=absolute)

        @jax.jit
        def solve(constants: jax.Array) -> jax.Array:
            return solver.solve(pbpk12.problem_of(constants), None, controls).states

        return lambda: solve(constants).block_until_ready()

    return Contender(name, at, np.asarray)


def our_direct_solve(kernel: NativeKernel) -> Contender:
    """Return the same without JAX."""
    problem = pbpk12.problem_of(pbpk12.constants_of(pbpk12.TRUE_LOG))

    def at(relative: float, absolute: float) -> Callable[[], Any]:
        controls = Controls(relative=relative, absolute=absolute)
        return lambda: kernel.solve(problem, None, controls).states

    return Contender(DIRECT, at, np.asarray)


def our_gradient(name: str, solver: Solver, data: np.ndarray) -> Contender:
    """Return our log-likelihood and gradient at the shifted values, from JAX."""
    logs = jnp.asarray(pbpk12.SHIFTED_LOG)

    def at(relative: float, absolute: float) -> Callable[[], Any]:
        controls = Controls(relative=relative, absolute=absolute)

        @jax.jit
        def value_and_slope(logs: jax.Array) -> tuple[Any, Any]:
            constants = rivals.jax_constants(logs)
            problem = pbpk12.problem_of(constants)
            tangents = pbpk12.tangents_of(constants)
            states, sensitivities, _ = solver.solve(problem, tangents, controls)
            value = pbpk12.log_likelihood(states, data, jnp.log)
            return value, pbpk12.gradient(states, sensitivities, data, jnp.log)

        return lambda: jax.block_until_ready(value_and_slope(logs))

    return Contender(name, at, rivals.pair)


def our_direct_gradient(kernel: NativeKernel, data: np.ndarray) -> Contender:
    """Return the same without JAX."""
    constants = pbpk12.constants_of(pbpk12.SHIFTED_LOG)
    problem, tangents = pbpk12.problem_of(constants), pbpk12.tangents_of(constants)

    def at(relative: float, absolute: float) -> Callable[[], Any]:
        controls = Controls(relative=relative, absolute=absolute)

        def work() -> tuple[Any, Any]:
            states, sensitivities, _ = kernel.solve(problem, tangents, controls)
            value = pbpk12.log_likelihood(states, data)
            return value, pbpk12.gradient(states, sensitivities, data)

        return work

    return Contender(DIRECT, at, rivals.pair)


def at_setting(
    contenders: list[Contender], error_of: Callable[[Any], float], setting: Setting
) -> dict[str, Setting]:
    """Return contenders at one's tolerances, with their own errors."""
    found = {}
    for contender in contenders:
        work = contender.at(setting.relative, setting.absolute)
        error = error_of(contender.read(work()))
        found[contender.name] = setting._replace(error=error, work=work)
    return found


def time_single(kernel: NativeKernel) -> None:
    """Print the rows of one solve, of one gradient, and of the overhead of JAX."""
    truth, source = pbpk12.reference_states()
    print(f"Errors of states are against {source}.")
    data = pbpk12.data_of(truth)
    ours = {
        OURS: choose_solver(kernel.equations),
        f"{OURS}, xla kernel": choose_solver(kernel.equations, XLA),
    }
    print(f"{OURS} is called from JAX by the kernel {ours[OURS].kernel!r}.\n")
    show("work", "solver", "tolerances", taken="time", ratio="ratio", goal="goal")

    error_of = partial(pbpk12.error_of, truth=truth)
    swept = [our_direct_solve(kernel), *rivals.solvers()]
    sweeps = {c.name: sweep(c, error_of, 1e-5) for c in swept}
    solves = [our_solve(name, solver) for name, solver in ours.items()]
    followers = partial(at_setting, solves, error_of)
    goals = {"casadi CVODES": ">= 6 x"}
    goals |= {c.name: ">= 80 x" for c in swept if c.name.startswith("diffrax")}
    rough, fine = {OURS: "<= 0.15 ms", **goals}, {OURS: "<= 0.25 ms", **goals}
    compare("one solve", sweeps, 1e-5, rough, followers)
    setting = compare("one solve", sweeps, 1e-6, fine, followers)

    error_of = pbpk12.gradient_error_of
    swept = [our_direct_gradient(kernel, data), *rivals.gradients(data)]
    sweeps = {c.name: sweep(c, error_of, 2e-6) for c in swept}
    slopes = [our_gradient(name, solver, data) for name, solver in ours.items()]
    goals = {c.name: ">= 60 x" for c in swept if c.name.startswith("diffrax")}
    goals[OURS] = "<= 0.8 ms"
    followers = partial(at_setting, slopes, error_of)
    compare("gradient by 8", sweeps, 2e-6, goals, followers)
    for name, (error, taken_ms) in PUBLISHED.items():
        title, taken = "gradient by 8, published", f"{taken_ms:.3f} ms"
        show(title, name, error=error, taken=taken)
    if setting:
        time_overhead(kernel, solves[0], setting)


def time_overhead(kernel: NativeKernel, ours: Contender, setting: Setting) -> None:
    """Print what a call from JAX takes more than the same from NumPy, and at all.

    The second is a call that has nothing to solve, for all times are 0.
    """
    controls = Controls(relative=setting.relative, absolute=setting.absolute)
    solver, times = choose_solver(kernel.equations), 0.0 * pbpk12.TIMES_H

    @jax.jit
    def solve_nothing(constants: jax.Array) -> jax.Array:
        problem = pbpk12.problem_of(constants, times)
        return solver.solve(problem, None, controls).states

    @jax.jit
    def fill(constants: jax.Array) -> jax.Array:
        return jnp.full((len(times), len(pbpk12.STATES)), constants[0])

    constants = jnp.asarray(pbpk12.constants_of(pbpk12.TRUE_LOG))
    works = {
        "jitted": ours.at(setting.relative, setting.absolute),
        "direct": setting.work,
        "nothing": lambda: solve_nothing(constants).block_until_ready(),
        "fill": lambda: fill(constants).block_until_ready(),
    }
    taken = seconds_of(works, 3 * ROUNDS, min)
    taken_us = {name: 1e6 * each for name, each in taken.items()}
    more = taken_us["jitted"] - taken_us["direct"]
    work, goal = "a call from JAX", "<= 10 us"
    show(work, "less one from NumPy", taken=f"{more:.1f} us", goal=goal)
    nothing = f"{taken_us['nothing']:.1f} us"
    show(work, "nothing to solve", taken=nothing, goal=goal)
    show(work, "without pkmodels", taken=f"{taken_us['fill']:.1f} us")


def time_batches(kernel: NativeKernel, count: int, cores: list[int]) -> None:
    """Print the rows of many parameter sets at once."""
    times, controls = pbpk12.POSTERIOR_TIMES_H, Controls(*POSTERIOR)
    constants = pbpk12.constants_of(pbpk12.prior_draws(count))
    problem = pbpk12.batch_of(constants, times)
    tangents = pbpk12.tangents_of(constants)
    draws = pbpk12.prior_draws(count)[:CHECKED_DRAWS]
    truth = np.stack([pbpk12.solve_tightly(d, times, 1e-10) for d in draws])
    solved = kernel.solve(problem, None, controls)
    failed = np.count_nonzero(solved.report[:, 0] != Outcome.SOLVED)
    error = pbpk12.error_of(solved.states[:CHECKED_DRAWS], truth)
    singly = np.stack(
        [
            kernel.solve(pbpk12.problem_of(row, times), None, controls).states
            for row in constants[:CHECKED_DRAWS]
        ]
    )
    apart = pbpk12.error_of(solved.states[:CHECKED_DRAWS], singly)
    title = f"{count:,} sets"
    tolerances = f"{controls.relative:.1e} / {controls.absolute:.0e}"
    works = {"1 core": partial(kernel.solve, problem, None, controls, threads=1)}
    taken = seconds_of(works, 5)["1 core"]
    each = f"{1e6 * taken / count:.1f} us"
    goal = "<= 30 us with AVX-512, 60 us with AVX2"
    show(title, f"{OURS}, 1 core", tolerances, error, taken=each, goal=goal)
    print(f"{'':30}{failed} failed; from single solves at most {apart:.1e}")
    time_cores(kernel, problem, controls, cores)
    works = {"8": partial(kernel.solve, problem, tangents, controls, threads=1)}
    with_8 = seconds_of(works, 3)["8"]
    each = f"{1e6 * with_8 / count:.0f} us"
    title = f"{title}, 8 sensitivities"
    show(title, f"{OURS}, 1 core", tolerances, taken=each, goal="<= 300 us")
    few = pbpk12.prior_draws(count)[:RIVAL_DRAWS]
    for rival in rivals.batches(few, times):
        work = rival.at(*POSTERIOR)
        error = pbpk12.error_of(rival.read(work())[:CHECKED_DRAWS], truth)
        each_s = seconds_of({"rival": work}, 3)["rival"] / len(few)
        ratio = f"{each_s * count / taken:.0f} x"
        each = f"{1e6 * each_s:.0f} us"
        title = f"{len(few)} of the sets"
        show(title, rival.name, tolerances, error, taken=each, ratio=ratio)


def time_cores(
    kernel: NativeKernel, problem: Problem, controls: Controls, cores: list[int]
) -> None:
    """Print how much faster two cores are than one, alternated."""
    count = len(problem.constants)
    if len(cores) < 2 or not hasattr(os, "sched_setaffinity"):
        print(f"{count:,} sets, 2 cores: only one can be bound here, so not timed")
        return
    samples = {1: [], 2: []}
    for _ in range(5):
        for number, found in samples.items():
            use_cores(cores[:number])
            work = partial(kernel.solve, problem, None, controls, threads=number)
            found.append(seconds(work))
    use_cores(cores[:1])
    one, two = (statistics.median(samples[number]) for number in (1, 2))
    each, goal = f"{1e6 * two / count:.1f} us", f"{one / two:.2f} x faster; >= 1.6 x"
    show(f"{count:,} sets", f"{OURS}, 2 cores", taken=each, goal=goal)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sets", type=int, default=10_000, help="in a batch")
    given = options.parse_args()
    cores = prepare()
    describe_machine(cores)
    kernel = native_kernel(pbpk12.equations())
    time_single(kernel)
    time_batches(kernel, given.sets, cores)


if __name__ == "__main__":
    main()
