"""One compartment, and receptors: what several tests solve, and closed forms."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from lsoda import integrate

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import amounts, inputs, parameters, receptors
from pkmodels.system import assemble
from pkmodels.timeline import lower

K = 0.3
# Half-lives of Lu-177 (6.647 d) and Ga-68 (67.71 min) from ICRP Publication 107.
LUTETIUM = math.log(2.0) / (6.647 * 24.0)
GALLIUM = math.log(2.0) * 60.0 / 67.71
(PLASMA,) = amounts("plasma", unit="nmol")
(RATE,) = parameters("k", unit="1/h")
(LAG,) = parameters("lag", unit="h")
(FRACTION,) = parameters("fraction", unit="1")
(CLOSED,) = inputs("closed", unit="1", otherwise=0.0)
ELIMINATION = flow("elimination", PLASMA, None, RATE * (1 - CLOSED) * PLASMA)
ONE_COMPARTMENT = Model(
    "one compartment",
    (ELIMINATION,),
    {"intravenous": PLASMA, "late": Route(PLASMA, LAG, FRACTION)},
    {"plasma": PLASMA},
)
VALUES = {"k": K, "lag": 1.5, "fraction": 0.4}
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 3.7, 10.0, 50.0])


def bolus(nmol: float, time_h: float = 0.0, **details: Any) -> Administration:
    return Administration(time_h, 0.0, "drug", ligand_nmol=nmol, **details)


def solve(
    *given: Administration,
    label: str | None = None,
    values: Mapping[str, float] = VALUES,
    model: Model = ONE_COMPARTMENT,
    times: np.ndarray = TIMES,
    windows: tuple[Window, ...] = (),
    resets_h: tuple[float, ...] = (),
) -> np.ndarray:
    schedule = Schedule(given, windows, resets_h)
    system = assemble(model, schedule.form)
    return integrate(lower(system, values, schedule, label), times)


def infused(times: np.ndarray, length: float, rate: float) -> np.ndarray:
    """Return what is there of 1, given over a length and lost at a rate."""
    during = np.clip(times, 0.0, length)
    filled = -np.expm1(-rate * during) / (rate * length)
    return filled * np.exp(-rate * np.maximum(times - length, 0.0))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-9, atol=1e-12)


(FREE,) = receptors("free", unit="nmol")
(BOUND,) = amounts("bound", unit="nmol")
ON = parameters("on", unit="1/(nmol h)")[0]
OFF, INSIDE = parameters("off internalize", unit="1/h")
SITES = parameters("sites", unit="nmol")[0]
BINDING = Model(
    "binding",
    (
        Reaction(
            "binding", ((PLASMA, 1), (FREE, 1)), ((BOUND, 1),), ON * PLASMA * FREE
        ),
        Reaction("release", ((BOUND, 1),), ((PLASMA, 1), (FREE, 1)), OFF * BOUND),
        Reaction("recycling", ((BOUND, 1),), ((FREE, 1),), INSIDE * BOUND),
        flow("elimination", PLASMA, None, RATE * PLASMA),
    ),
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
    start={FREE: SITES},
)
BINDING_VALUES = {"on": 0.5, "off": 0.1, "internalize": 0.05, "k": K, "sites": 20.0}
