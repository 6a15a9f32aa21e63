"""Times many pbpk12 parameter sets on a GPU, beside the CPU's lanes.

python benchmarks/gpu.py               100,000 and 1,000,000 sets, where JAX has a GPU
python benchmarks/gpu.py --sets 1000   as many on whatever JAX has, for a look
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import pbpk12  # noqa: E402

from pkmodels.kernels.native import available_threads, native_kernel  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem  # noqa: E402
from pkmodels.kernels.xla import xla_solver  # noqa: E402

SETS = (100_000, 1_000_000)
# The CPU's figure does not depend on how many there are.
CPU_SETS = 10_000
ROUNDS = 3
# Those of the posterior problem `onepatient`.
CONTROLS = Controls(relative=1e-6, absolute=1e-8)
COLUMNS = "{:<34}{:>10}{:>10}{:>12}{:>8}{:>10}"


def show(where: str, count: int, compiled_s: float, taken_s: float, found: Any) -> None:
    """Print a row: how fast, how many failed, and how far from SciPy's Radau."""
    states, report = np.asarray(found.states), np.asarray(found.report)
    failed = np.count_nonzero(report[:, 0] != Outcome.SOLVED)
    truth = pbpk12.solve_tightly(
        pbpk12.prior_draws(1)[0], pbpk12.POSTERIOR_TIMES_H, 1e-10
    )
    error = f"{pbpk12.error_of(states[0], truth):.1e}"
    rate = f"{count / taken_s:,.0f}"
    row = (where, f"{count:,}", f"{compiled_s:.1f} s", rate, failed, error)
    print(COLUMNS.format(*row), flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the seconds of the first call, the median of later ones, and a result."""
    samples, found = [], None
    for _ in range(1 + ROUNDS):
        begun = time.perf_counter()
        found = work()
        samples.append(time.perf_counter() - begun)
    return samples[0], statistics.median(samples[1:]), found


def problem_of(count: int) -> Problem:
    """Return as many courses as the prior of `onepatient` draws."""
    constants = pbpk12.constants_of(pbpk12.prior_draws(count))
    return pbpk12.batch_of(constants, pbpk12.POSTERIOR_TIMES_H)


def time_cpu(count: int) -> None:
    """Print the row of the native kernel, on all cores."""
    threads, problem = available_threads(), problem_of(count)
    kernel = native_kernel(pbpk12.equations())
    first, taken, found = timed(
        lambda: kernel.solve(problem, None, CONTROLS, threads=threads)
    )
    show(f"native kernel, {threads} threads", count, first, taken, found)


def time_device(count: int) -> bool:
    """Print the row of the xla kernel on JAX's device; False where it has no memory."""
    device = jax.devices()[0]
    solve = xla_solver(pbpk12.equations())
    try:
        problem = jax.device_put(problem_of(count), device)
        first, taken, found = timed(
            lambda: jax.block_until_ready(solve(problem, None, CONTROLS))
        )
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"{count:,} sets do not fit into the memory of {device.device_kind}")
        return False
    show(f"xla kernel, {device.device_kind}"[:33], count, first, taken, found)
    return True


def main() -> None:
    """Print the table, or that there is no GPU."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sets", type=int, help="a single number of them, anywhere")
    count = options.parse_args().sets
    if count is None and jax.default_backend() != "gpu":
        print("no GPU here: JAX would need one, or say --sets 1000 for the CPU")
        return
    names = ("kernel", "sets", "first call", "solves/s", "failed", "error")
    print(COLUMNS.format(*names))
    time_cpu(CPU_SETS if count is None else count)
    for sets in SETS if count is None else (count,):
        if not time_device(sets):
            break
        gc.collect()


if __name__ == "__main__":
    main()
