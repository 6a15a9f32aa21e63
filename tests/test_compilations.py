"""How often systems are compiled: once each, in all processes together."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from courses import PLASMA, bolus

from pkmodels.administrations import Administration
from pkmodels.compiled import compile_system
from pkmodels.courses import course_of
from pkmodels.definition import Model
from pkmodels.kernels import native
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import parameters
from pkmodels.system import assemble

TIMES = np.array([0.0, 0.5, 2.0, 2.5, 3.0, 24.0])


def test_equal_systems_share_one_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another dose, time or label of one form compiles nothing; nor an equal system."""
    made: list[Any] = []
    compiled_code = native.compiled_code

    def counted(*arguments: Any, **options: Any) -> bytes:
        if arguments[0].name == "shared":  # not the trial of the kernel itself
            made.append(arguments)
        return compiled_code(*arguments, **options)

    monkeypatch.setattr(native, "compiled_code", counted)
    monkeypatch.setenv("PKMODELS_CACHE", os.devnull)  # no folder: nothing is kept
    (rate,) = parameters("speed_of_this_test", unit="1/h")

    def model() -> Model:
        reactions = (flow("out", PLASMA, None, 3 * rate * PLASMA),)
        return Model("shared", reactions, {"intravenous": PLASMA}, {"plasma": PLASMA})

    def given(label: str, MBq: float, time: float) -> Schedule:
        dose = Administration(time, 1.0, "drug", label, MBq, ligand_nmol=2.0)
        return Schedule((dose, bolus(1.0, 9.0)))

    first = given("Lu-177", 100.0, 0.0)
    solvers = [
        compile_system(assemble(model(), schedule.form), kernel="native")
        for schedule in (first, given("Lu-177", 100.0, 0.0))
    ]
    assert solvers[0] is solvers[1]
    assert len(made) == 1
    traces: list[int] = []

    @jax.jit
    def traced(course: Any) -> Any:
        traces.append(1)
        return solvers[0].solve({rate.name: 0.1}, course, TIMES)

    for schedule, label in (
        (first, "Lu-177"),
        (given("Lu-177", 50.0, 3.0), "Lu-177"),
        (given("Y-90", 70.0, 0.2), "Y-90"),
    ):
        assert compile_system(assemble(model(), schedule.form), kernel="native")
        traced(course_of(solvers[0].system, schedule, label))
    assert len(made) == 1
    assert len(traces) == 1


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """Neither for one solve, nor for a batch, nor for a derivative."""
    program = textwrap.dedent(
        """
        import numpy as np
        import jax
        from pkmodels.administrations import Administration
        from pkmodels.compiled import compile_system
        from pkmodels.kernels import native
        from pkmodels.models import organ_exchange
        from pkmodels.schedule import Schedule
        from pkmodels.system import assemble
        from pkmodels.trajectory import simulate

        made, compiled_code = [], native.compiled_code
        native.compiled_code = lambda *a, **o: made.append(1) or compiled_code(*a, **o)
        dose = Administration(0.0, 0.5, "x", ligand_nmol=10.0)
        schedule = Schedule((dose,))
        system = assemble(organ_exchange.model(("kidney",)), schedule.form)
        values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
                  "biological_half_life_kidney": 60.0}
        compiled = compile_system(system, kernel="native")
        solve = lambda v: compiled.solve(v, schedule, np.array([24.0]))[0, 1]
        print(float(solve(values)), float(jax.grad(solve)(values)["fraction_kidney"]))
        simulate(system, values, schedule, np.array([24.0]))
        print(len(made))
        """
    )
    environment = {**os.environ, "PKMODELS_CACHE": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout.split()
        for _ in range(2)
    ]
    assert int(outputs[0][2]) >= 1
    assert int(outputs[1][2]) == 0
    assert outputs[0][:2] == outputs[1][:2]
