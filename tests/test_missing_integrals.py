"""Time-integrated activity: all that is given decays, and what has no integral."""

from dataclasses import replace

import pytest
from course_cases import hot
from courses import (
    BINDING,
    BINDING_VALUES,
    BOUND,
    CLOSED,
    FREE,
    INSIDE,
    PLASMA,
    RATE,
)
from test_time_integrals import HALF, SATURABLE, area, simulated

from pkmodels.chains import decay_chain
from pkmodels.definition import Fate, Model
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    LIGAND,
    amounts,
    parameters,
)

URINE = amounts("urine", unit="nmol")[0]
GUT = amounts("gut", unit="nmol")[0]
KEPT = Model(
    "kept",
    (
        *BINDING.reactions[:2],
        flow("uptake", BOUND, GUT, INSIDE * BOUND),
        flow("elimination", PLASMA, URINE, RATE * PLASMA),
    ),
    {"intravenous": PLASMA},
    {
        "everything": PLASMA + BOUND + URINE + GUT,
        "counts": COUNTED_DECAYS * URINE,
        "ratio": BOUND / PLASMA,
        "of what was given": BOUND / ADMINISTERED,
        "occupancy": BOUND / (BOUND + FREE),
        "gated": (1 - CLOSED) * PLASMA,
    },
    start=BINDING.start,
    daughters=dict.fromkeys(
        (member.name for member in decay_chain("Ac-225")[1:]), Fate.WITH_LIGAND
    ),
)


@pytest.mark.parametrize("label", ["Lu-177", "Y-90", "Ac-225", "Bi-213", "Pb-209"])
def test_all_that_is_given_decays_in_the_end(label: str) -> None:
    """The integral everywhere is A / lambda, and b A / lambda of each daughter."""
    head = label if label in ("Lu-177", "Y-90") else "Ac-225"
    dose = hot(0.0, 0.0, head, 10.0, ligand_nmol=30.0)
    found = simulated(KEPT, BINDING_VALUES, dose, label=label)
    # Bi-213 and Pb-209 arise in 0.99988 of the decays: ICRP 107, Fr-221.
    branching = 0.99988 if label in ("Bi-213", "Pb-209") else 1.0
    expected = branching * 10.0 / nuclide(head).decay_constant_per_h
    assert area(found, "everything") == pytest.approx(expected, rel=2e-6)


def test_daughters_at_rest_are_in_secular_equilibrium() -> None:
    """What stays where its parent is has its integral, organ by organ."""
    model = replace(
        KEPT,
        daughters=dict.fromkeys(KEPT.daughters, Fate.IN_PLACE),
        observables={"gut": GUT, "bound": BOUND},
    )
    dose = hot(0.0, 0.0, "Ac-225", 10.0, ligand_nmol=30.0)
    parent, daughter = (
        simulated(model, BINDING_VALUES, dose, label=label)
        for label in ("Ac-225", "Bi-213")
    )
    for name in ("gut", "bound"):
        expected = 0.99988 * area(parent, name)
        assert area(daughter, name) == pytest.approx(expected, rel=3e-6)


# What has no integral, and why.


def test_what_has_no_integral_says_why() -> None:
    dose = hot(0.0, 0.0, "Lu-177", 10.0, ligand_nmol=30.0)
    found = simulated(KEPT, BINDING_VALUES, dose)
    assert set(found.time_integrals) == {"everything", "counts"}
    assert found.not_integrated == {
        "ratio": "it is not in proportion to the activities in it",
        "of what was given": "it is relative to what was given until then: divide the "
        "integral of an activity by what was given",
        "occupancy": "it is read of the ligand, which has no activity",
        "gated": "it depends on closed, which may change with time",
    }
    of_ligand = simulated(KEPT, BINDING_VALUES, dose, label=LIGAND)
    assert of_ligand.time_integrals == {}
    assert of_ligand.tail is None
    reasons = set(of_ligand.not_integrated.values())
    assert reasons == {"ligand has no activity: read a label"}


def test_counts_are_decays() -> None:
    dose = hot(0.0, 0.0, "Lu-177", 10.0, ligand_nmol=30.0)
    model = replace(KEPT, observables={"counts": COUNTED_DECAYS * URINE, "u": URINE})
    found = simulated(model, BINDING_VALUES, dose)
    expected = 3.6e9 * area(found, "u")
    assert area(found, "counts") == pytest.approx(expected, rel=1e-12)


def test_a_tail_that_never_becomes_linear_is_refused() -> None:
    """The organ opens when the ligand is used up: long after the label has decayed."""
    (organ,) = amounts("organ", unit="nmol")
    opening = HALF**4 / (HALF**4 + PLASMA**4)
    model = replace(
        SATURABLE,
        reactions=(
            *SATURABLE.reactions,
            flow("uptake", PLASMA, organ, RATE * opening * PLASMA),
        ),
        observables={"organ": organ, "plasma": PLASMA},
    )
    decay = nuclide("Ga-68").decay_constant_per_h
    nmol = 25.0 / decay
    values = {"capacity": 1.0, "half": 1e-3, "k": 1.0}
    dose = hot(0.0, 0.0, "Ga-68", 100.0, ligand_nmol=nmol)
    found = simulated(model, values, dose)
    assert set(found.time_integrals) == {"plasma"}
    assert found.not_integrated["organ"].startswith("its tail is not linear even at")


def test_a_solution_that_ends_is_refused() -> None:
    """Sites that breed explode in finite time, after what was asked for."""
    (breeding,) = parameters("breeding", unit="1/(nmol h)")
    model = replace(
        BINDING,
        reactions=(
            *BINDING.reactions,
            flow("breeding", None, FREE, breeding * FREE**2),
        ),
    )
    dose = hot(0.0, 0.0, "Lu-177", 10.0, ligand_nmol=1.0)
    found = simulated(model, {**BINDING_VALUES, "breeding": 1e-3}, dose)
    assert found.time_integrals == {}
    assert found.not_integrated["plasma"].startswith("the solution ends at")
