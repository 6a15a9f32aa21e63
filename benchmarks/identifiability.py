"""Time to say what the clinic's schedules can tell of the library's models.

    python benchmarks/identifiability.py

One dose, kidneys, liver, spleen, red marrow and a tumour by planar scans of one unknown
scale, with or without one SPECT/CT of the kidneys, from 4 h on; the unknowns are those
that a patient's scans inform in a fit, and the scale. A typical model should take less
than 3 s. Clock and processor time of one process, imports left out.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from pkmodels.definition import Model
from pkmodels.identifiability.assessment import assess_structure
from pkmodels.identifiability.description import describe
from pkmodels.identifiability.occasions import Curve, Occasion
from pkmodels.models import dotatate_pbpk, organ_exchange, pentixather
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter

TARGET_S = 3.0
FIRST_SCAN_H = 4.0
BUDGET_S = 120.0
INFUSION_H = 0.5
ORGANS = ("kidneys", "liver", "spleen", "red_marrow", "tumour")
SCALE = Parameter("planar_scale", "1")


def infused(schedule: Schedule) -> Schedule:
    """Return a schedule whose doses take half an hour."""
    doses = (replace(a, duration_h=INFUSION_H) for a in schedule.administrations)
    return Schedule(tuple(doses))


def cases() -> list[tuple[str, Model, Schedule, Sequence[str]]]:
    regions = {name: name for name in ORGANS}
    exchange = organ_exchange.model(ORGANS)
    return [
        (
            "organ_exchange",
            exchange,
            organ_exchange.schedule(),
            [str(p) for p in exchange.parameters],
        ),
        (
            "organ_exchange, infusion",
            exchange,
            infused(organ_exchange.schedule()),
            [str(p) for p in exchange.parameters],
        ),
        (
            "pentixather",
            pentixather.model(regions),
            pentixather.schedule(),
            pentixather.fitted(regions),
        ),
        (
            "pentixather, infusion",
            pentixather.model(regions),
            infused(pentixather.schedule()),
            pentixather.fitted(regions),
        ),
        (
            "pentixather, every parameter",
            pentixather.model(regions),
            pentixather.schedule(),
            [str(p) for p in pentixather.model(regions).parameters],
        ),
        (
            "dotatate_pbpk, infusion",
            dotatate_pbpk.model(regions),
            dotatate_pbpk.schedule(),
            dotatate_pbpk.fitted(regions),
        ),
    ]


def main() -> None:
    for name, model, schedule, unknown in cases():
        (label,) = schedule.labels
        planar = [Curve(organ, label, SCALE) for organ in ORGANS]
        kidneys = Curve("kidneys", label)
        for scans, curves in {
            "planar": planar,
            "planar and SPECT": [*planar, kidneys],
        }.items():
            seen = Occasion(
                "scans", model, schedule, tuple(curves), FIRST_SCAN_H, (kidneys,)
            )
            clock, cpu = time.perf_counter(), time.process_time()
            found = assess_structure(
                [seen], [*unknown, SCALE.name], budget_s=BUDGET_S, seed=1
            )
            clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
            late = "" if cpu <= TARGET_S else f" (above {TARGET_S:g} s)"
            print(f"## {name}, {scans}: {clock:.2f} s, processor {cpu:.2f} s{late}")
            print(describe(found), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
