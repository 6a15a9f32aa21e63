"""Time from a model of 60 states to its assembled system; the target is 2 s.

    python benchmarks/assembly.py

Organs with vascular, interstitial, bound and internalized ligand and free receptors,
all fed by one plasma: 12 organs make 61 amounts. The first symbol also loads pint.
"""

import time
from collections.abc import Callable

import sympy

from pkmodels.administrations import Administration
from pkmodels.analysis.findings import analyse
from pkmodels.definition import Model
from pkmodels.models.blocks import (
    binding,
    internalization_and_release,
    perfused_organ,
)
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter, amounts, receptors
from pkmodels.system import assemble

ORGANS = 12
TARGET_S = 2.0


def organs(count: int) -> Model:
    """Return a model of `count` organs of five amounts each, and plasma."""
    (plasma,) = amounts("plasma", unit="nmol")
    volume = Parameter("plasma_volume", "L")
    k_on, k_off = Parameter("k_on", "L/(nmol h)"), Parameter("k_off", "1/h")
    reactions, start = [], {}
    observables: dict[str, sympy.Expr] = {}
    for number in range(count):
        name = f"organ_{number}"
        vascular, interstitium, bound, inside = amounts(
            f"{name}_vascular {name}_interstitium {name}_bound {name}_inside",
            unit="nmol",
        )
        (free,) = receptors(f"{name}_receptor", unit="nmol")
        within = Parameter(f"{name}_interstitial_volume", "L")
        reactions += perfused_organ(
            name,
            plasma,
            vascular,
            interstitium,
            plasma_volume=volume,
            vascular_volume=Parameter(f"{name}_vascular_volume", "L"),
            interstitial_volume=within,
            plasma_flow=Parameter(f"{name}_flow", "L/h"),
            permeability_surface=Parameter(f"{name}_permeability", "L/h"),
        )
        reactions += binding(
            name, interstitium, free, bound, volume=within, k_on=k_on, k_off=k_off
        )
        reactions += internalization_and_release(
            name,
            bound,
            inside,
            internalization=Parameter(f"{name}_internalization", "1/h"),
            release=Parameter(f"{name}_release", "1/h"),
            receptor=free,
            released=None,
        )
        start[free] = Parameter(f"{name}_sites", "nmol")
        observables[name] = vascular + interstitium + bound + inside
    return Model(
        "organs", tuple(reactions), {"intravenous": plasma}, observables, start
    )


def given(*times_h: float) -> Schedule:
    """Return a schedule of like syringes at some times."""
    return Schedule(
        tuple(
            Administration(t, 0.5, "ligand", "Lu-177", 200.0, ligand_nmol=56.0)
            for t in times_h
        )
    )


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Print the times."""
    print(f"define:                 {seconds(lambda: organs(ORGANS)):6.2f} s")
    model = organs(ORGANS)
    for what, schedule in (("one syringe", given(0.0)), ("two", given(0.0, 168.0))):
        took = seconds(lambda s=schedule: assemble(model, s.form))
        states = len(assemble(model, schedule.form).states)
        print(
            f"assemble, {what:12}: {took:6.2f} s  {states} states (target {TARGET_S:g})"
        )
    print(f"analyse:                {seconds(lambda: analyse(model)):6.2f} s")


if __name__ == "__main__":
    main()
