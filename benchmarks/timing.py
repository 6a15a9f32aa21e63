"""How works are timed on one core, in turns, and how a row of results is printed."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rivals
import sympy

# A sample is repeated calls for so long, so that the clock's grain does not matter.
SAMPLE_S = 0.005


def use_cores(cores: list[int]) -> None:
    """Bind every thread of this process to some cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def cores_here() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def prepare() -> list[int]:
    """Keep this process to one thread on one core; return the cores that it could use.

    To be called before JAX computes anything: then it reads its flags, once.
    """
    os.environ["XLA_FLAGS"] = (
        "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
    jax.config.update("jax_enable_x64", True)
    cores = cores_here()
    use_cores(cores[:1])
    return cores


def seconds(work: Callable[[], Any]) -> float:
    """Return how long a call takes, by itself."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def seconds_of(
    works: Mapping[str, Callable[[], Any]],
    rounds: int,
    summary: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Return the processor's seconds of a call of each, their samples alternated.

    On one quiet core they are those of the clock. On a busy one the clock would count
    others' turns, and so lengthen long works more than short ones. `min` instead of
    the median is less exposed still.
    """
    calls, samples = {}, {name: [] for name in works}
    for name, work in works.items():
        work()
        calls[name] = max(1, int(np.ceil(SAMPLE_S / seconds(work))))
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            for _ in range(calls[name]):
                work()
            samples[name].append((time.process_time() - begun) / calls[name])
    return {name: summary(found) for name, found in samples.items()}


def describe_machine(cores: list[int]) -> None:
    """Print what was timed, where."""
    flags = Path("/proc/cpuinfo")
    known = flags.read_text("utf-8").split() if flags.exists() else []
    vectors = [name for name in ("avx2", "avx512f") if name in known]
    print(
        f"{platform.machine()}, {len(cores)} cores, {' '.join(vectors) or 'no AVX'}; "
        f"Python {platform.python_version()}, JAX {jax.__version__}, "
        f"NumPy {np.__version__}, SymPy {sympy.__version__}"
    )
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 0.5:
        print(f"Something else runs here (load {load:.1f}): times may be too long.")
    if absent := rivals.missing():
        print(
            f"Not installed, so not timed: {', '.join(absent)}. To time them too:\n"
            f"    {sys.executable} -m pip install {' '.join(absent)}"
        )


def show(
    work: str,
    who: str,
    tolerances: str = "",
    error: float | None = None,
    *,
    taken: str = "",
    ratio: str = "",
    goal: str = "",
) -> None:
    """Print a row of the table; the ratio is that of its time to ours."""
    shown = "" if error is None else f"{error:.1e}"
    print(
        f"{work:<30}{who:<28}{tolerances:<18}{shown:>8}{taken:>12}{ratio:>9}  {goal}",
        flush=True,
    )
