"""Times how long the generated solver takes to compile, at a first and second start.

    python benchmarks/compiling.py

Each start is a process of its own; those of one model share an empty cache folder.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial

import assembly
import numpy as np
import pbpk12
from timing import prepare, seconds_of, show

from pkmodels.kernels.equations import Equations, equations_of
from pkmodels.kernels.native import native_kernel
from pkmodels.kernels.problem import Outcome, Problem, Tangents
from pkmodels.system import assemble

# Organs of `assembly.organs` (0: pbpk12), directions of sensitivity, and the goal.
CASES = (
    (0, 0, "<= 5 s"),
    (0, 8, "<= 5 s"),
    (6, 0, "<= 20 s"),
    (11, 12, "<= 60 s"),
)
# Made up, by unit (of no unit: inflows): only how long it takes to compile counts.
VALUE_OF_UNIT = {
    "L": 0.3,
    "L/h": 2.0,
    "1/h": 0.1,
    "L/(nmol h)": 0.5,
    "nmol": 5.0,
    "": 0.0,
}


def organs_problem(count: int) -> tuple[Equations, Problem]:
    """Return the equations of some organs, and a made-up course of them."""
    system = assemble(assembly.organs(count), assembly.given(0.0).form)
    equations, _ = equations_of(system)
    units = [str(getattr(symbol, "unit", "")) for symbol in equations.constants]
    constants = np.array([VALUE_OF_UNIT[unit] for unit in units])
    names = [str(state) for state in equations.states]
    start = np.array([10.0 * name.endswith("receptor") for name in names])
    start[names.index("plasma")] = 56.0
    single = pbpk12.problem_of(constants)
    size = (1, len(names))
    course = single._replace(
        keep=np.zeros(size), added=start[None], scales=np.full(size[1], 10.0)
    )
    return equations, course


def first_directions(problem: Problem, count: int) -> Tangents:
    """Return the directions of the logs of the first constants that are not 0."""
    values = problem.constants[0]
    chosen = np.flatnonzero(values)[:count]
    towards = np.zeros((count, 1, len(values)))
    towards[np.arange(count), 0, chosen] = values[chosen]
    added = np.zeros((count, *problem.added.shape))
    return Tangents(towards, np.zeros((count, 1)), added)


def compile_once(organs: int, directions: int) -> None:
    """Compile and solve once in this process; print the times as JSON."""
    if organs:
        equations, problem = organs_problem(organs)
    else:
        equations = pbpk12.equations()
        problem = pbpk12.problem_of(pbpk12.constants_of(pbpk12.TRUE_LOG))
    tangents = first_directions(problem, directions) if directions else None
    begun = time.perf_counter()
    kernel = native_kernel(equations)
    solution = kernel.solve(problem, tangents)
    taken = time.perf_counter() - begun
    works = {"solve": partial(kernel.solve, problem, tangents)}
    print(
        json.dumps(
            {
                "states": len(equations.states),
                "compile_s": taken,
                "solve_s": seconds_of(works, 5)["solve"],
                "outcome": Outcome(int(solution.report[0])).name,
            }
        )
    )


def time_compiling() -> None:
    """Print how long a first and a second start take, in processes of their own."""
    for organs, directions, goal in CASES:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "PKMODELS_CACHE": folder}
            found = []
            for _ in range(2):
                command = [sys.executable, __file__, "--organs", str(organs)]
                command += ["--directions", str(directions)]
                run = subprocess.run(
                    command, check=True, env=environment, stdout=subprocess.PIPE
                )
                found.append(json.loads(run.stdout))
        first, second = found
        title = f"compile, {first['states']} states"
        title += f" + {directions}" if directions else ""
        for start, result, wanted in (
            ("first start", first, goal),
            ("second start", second, "compiles nothing"),
        ):
            taken = f"{result['compile_s']:.2f} s"
            show(title, f"pkmodels, {start}", taken=taken, goal=wanted)
        print(f"{'':30}a solve: {1e3 * second['solve_s']:.3f} ms, {second['outcome']}")


def main() -> None:
    """Print the table, or the figures of one start, for the process that asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--organs", type=int)
    options.add_argument("--directions", type=int, default=0)
    given = options.parse_args()
    if given.organs is None:
        time_compiling()
    else:
        prepare()
        compile_once(given.organs, given.directions)


if __name__ == "__main__":
    main()
