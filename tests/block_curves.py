"""Integrate a model's equations by SciPy, with nothing of ours but the equations."""

from collections.abc import Mapping, Sequence

import numpy as np
import sympy
from scipy.integrate import solve_ivp

from pkmodels.definition import Model, derivatives


def curves(
    model: Model,
    values: Mapping[str, float],
    start: Mapping[str, float],
    times: Sequence[float] | np.ndarray,
) -> dict[str, np.ndarray]:
    """Return each amount at the times, from the start at time 0, by name."""
    equations = derivatives(model)
    used = set().union(*(rate.free_symbols for rate in equations.values()))
    given = sorted(used - set(equations), key=str)
    right_hand_side = sympy.lambdify(
        [list(equations), given], list(equations.values()), "numpy"
    )
    numbers = [values[str(symbol)] for symbol in given]
    unknown = set(start) - {amount.name for amount in equations}
    assert not unknown, f"the model has no {unknown}"
    solution = solve_ivp(
        lambda _, x: right_hand_side(x, numbers),
        (0.0, float(times[-1])),
        [start.get(amount.name, 0.0) for amount in equations],
        method="LSODA",
        t_eval=times,
        rtol=1e-10,
        atol=1e-12,
    )
    assert solution.success, solution.message
    return {a.name: solution.y[i] for i, a in enumerate(equations)}


def settled(
    model: Model,
    values: Mapping[str, float],
    start: Mapping[str, float],
    after_h: float,
) -> dict[str, float]:
    """Return each amount at one late time, when nothing changes any more."""
    found = curves(model, values, start, [after_h, 2.0 * after_h])
    for name, (early, late) in found.items():
        assert np.isclose(early, late, rtol=1e-7, atol=1e-9), f"{name} still changes"
    return {name: float(both[1]) for name, both in found.items()}
