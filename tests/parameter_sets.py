"""Parameter sets that several tests simulate at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.populations import Sets, gather_sets, simulate_sets
from pkmodels.schedule import Schedule
from pkmodels.system import assemble

HOURS = np.array([0.0, 0.25, 1.0, 2.0, 6.0, 24.0, 96.0])
EXCHANGE = {
    "blood_half_time": 1.0,
    "fraction_kidney": 0.02,
    "biological_half_life_kidney": 60.0,
}

SYRINGE = Administration(0.0, 0.0, "ligand", "Lu-177", 500.0, ligand_nmol=100.0)


def spread(values: Mapping[str, float], count: int, sd: float = 0.3) -> dict[str, Any]:
    """Return log-normal values around some; the first parameter is the same in all."""
    random = np.random.default_rng(3)
    names = list(values)
    found: dict[str, Any] = {names[0]: values[names[0]]}
    for name in names[1:]:
        found[name] = values[name] * np.exp(sd * random.standard_normal(count))
    return found


def one_of(values: Mapping[str, Any], number: int) -> dict[str, float]:
    return {n: float(v[number] if np.ndim(v) else v) for n, v in values.items()}


def together(
    model: Model, schedule: Schedule, values: Mapping[str, Any], **how: Any
) -> Sets:
    times = how.pop("times", HOURS)
    system = assemble(model, schedule.form)
    return gather_sets(simulate_sets(system, values, schedule, times, **how))
