"""Labels on a saturable model, against labelled and unlabelled molecules apart."""

import math
from collections.abc import Mapping

import hot_and_cold
import numpy as np
import pbpk12_model
import pytest
from hot_and_cold import Dose

from pkmodels.administrations import Administration, Delivery
from pkmodels.chains import bateman
from pkmodels.definition import Fate, Model
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

TIMES = np.array([0.1, 1.0, 4.0, 23.0, 25.0, 48.0, 96.0, 170.0, 240.0])
HOT = 56.0 * 0.005 * hot_and_cold.MBq_per_nmol("Lu-177")
LATER = math.exp(-24.0 * hot_and_cold.decay_constant("Lu-177"))

# Each with the number of label states that it needs.
SCHEDULES = {
    "bolus": (0, [Dose(0.0, 0.0, 100.0, "Lu-177", 5000.0)]),
    "decaying syringe": (0, [Dose(0.0, 6.0, 100.0, "Lu-177", 5000.0)]),
    "one vial twice": (
        0,
        [
            Dose(0.0, 0.5, 56.0, "Lu-177", HOT),
            Dose(24.0, 0.0, 28.0, "Lu-177", HOT * LATER / 2.0),
        ],
    ),
    "constant label": (
        6,
        [Dose(0.0, 30.0, 100.0, "Lu-177", 5000.0, decays_in_syringe=False)],
    ),
    "repeated": (6, [Dose(24.0 * n, 0.5, 56.0, "Lu-177", HOT) for n in range(4)]),
    "cold before hot": (
        6,
        [Dose(0.0, 0.0, 40.0), Dose(2.0, 1.0, 20.0, "Y-90", 2000.0)],
    ),
    "mixed": (
        12,
        [
            Dose(0.0, 0.0, 16.0, "Ga-68", 150.0),
            Dose(3.0, 0.5, 56.0, "Lu-177", 200.0),
            Dose(168.0, 0.5, 186.0, "Lu-177", 7000.0),
        ],
    ),
}


def schedule_of(doses: list[Dose]) -> Schedule:
    return Schedule(
        tuple(
            Administration(
                d.start,
                d.duration,
                "pentixather",
                d.label,
                d.MBq,
                ligand_nmol=d.nmol,
                delivered=Delivery.DECAYING
                if d.decays_in_syringe
                else Delivery.CONSTANT,
            )
            for d in doses
        )
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_fewest_states_agree_with_hot_and_cold_molecules(name: str) -> None:
    tracers, doses = SCHEDULES[name]
    schedule = schedule_of(doses)
    system = assemble(pbpk12_model.model(), schedule.form)
    assert len(system.tracers) == tracers
    ligand, labels = hot_and_cold.activities(doses, schedule.labels, TIMES)
    truth = {"ligand": ligand, **labels}
    for label, curves in truth.items():
        found = simulate(system, pbpk12_model.TRUE_VALUES, schedule, TIMES, label=label)
        for i, state in enumerate(hot_and_cold.STATES):
            scale = curves[:, i].max()
            np.testing.assert_allclose(
                found.amounts[state] / scale, curves[:, i] / scale, atol=2e-7, rtol=2e-6
            )


def test_a_second_label_does_not_disturb_the_first() -> None:
    """Occupancy hangs on all ligand: the label on the second dose does not matter."""
    one = [Dose(0.0, 0.0, 56.0, "Lu-177", 200.0), Dose(48.0, 0.0, 186.0, "Y-90", 6e3)]
    two = [one[0], Dose(48.0, 0.0, 186.0)]
    curves = []
    for doses in (one, two):
        schedule = schedule_of(doses)
        system = assemble(pbpk12_model.model(), schedule.form)
        found = simulate(
            system, pbpk12_model.TRUE_VALUES, schedule, TIMES, label="Lu-177"
        )
        curves.append(found.observables["tumour"])
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-6)


def test_ligand_of_the_body_carries_no_label() -> None:
    """What is there and what is made is cold: A(t) = A0 exp(-(k + lambda) t)."""
    (plasma,) = amounts("plasma", unit="nmol")
    (out,), (made,) = parameters("out", unit="1/h"), parameters("made", unit="nmol/h")
    (there,) = parameters("there", unit="nmol")
    leaving = flow("out", plasma, None, out * plasma)
    synthesis = flow("synthesis", None, plasma, made)
    schedule = schedule_of([Dose(0.0, 0.0, 10.0, "Lu-177", 5.0)])
    hours = np.array([1.0, 5.0])
    fall = np.exp(-(0.2 + hot_and_cold.decay_constant("Lu-177")) * hours)
    for reactions, start, values in (
        ((leaving,), {plasma: there}, {"there": 100.0}),
        ((leaving, synthesis), {}, {"made": 20.0}),
    ):
        model = Model("body", reactions, {"intravenous": plasma}, {"p": plasma}, start)
        system = assemble(model, schedule.form)
        found = simulate(system, {"out": 0.2, **values}, schedule, hours)
        np.testing.assert_allclose(found.observables["p"], 5.0 * fall, rtol=1e-8)


CHAIN = ("Fr-221", "Bi-213", "Tl-209", "Pb-209")
HOURS = np.array([0.05, 0.5, 2.0, 10.0, 100.0, 500.0])


def two_places(daughters: Mapping[str, object]) -> Model:
    """Ligand that goes to and fro and does not leave; free bismuth that is excreted."""
    plasma, tumour = amounts("plasma tumour", unit="nmol")
    (bismuth,) = amounts("bismuth", unit="nmol", ligand="free Bi")
    to, fro, excretion = parameters("to fro excretion", unit="1/h")
    return Model(
        "two_places",
        (
            flow("to", plasma, tumour, to * plasma),
            flow("fro", tumour, plasma, fro * tumour),
            flow("excretion", bismuth, None, excretion * bismuth),
        ),
        {"intravenous": (plasma, bismuth)},
        {"tumour": tumour},
        daughters={
            name: fate
            if isinstance(fate, Fate)
            else {plasma: bismuth, tumour: bismuth, bismuth: bismuth}
            for name, fate in daughters.items()
        },
    )


def chain_curves(
    daughters: Mapping[str, object], label: str, read: str, times: np.ndarray
) -> dict[str, np.ndarray]:
    given = Administration(0.0, 0.0, "ligand", label, 8.0)
    schedule = Schedule((given,))
    system = assemble(two_places(daughters), schedule.form)
    values = {"to": 0.7, "fro": 0.1, "excretion": 0.3}
    return dict(simulate(system, values, schedule, times, label=read).amounts)


@pytest.mark.parametrize("fate", [Fate.WITH_LIGAND, Fate.IN_PLACE])
@pytest.mark.parametrize("label", ["Ac-225", "Bi-213", "Pb-212"])
def test_what_does_not_leave_obeys_bateman(fate: Fate, label: str) -> None:
    truth = bateman(label, HOURS)
    fates = dict.fromkeys([name for name in truth if name != label], fate)
    for member, curve in truth.items():
        found = sum(chain_curves(fates, label, member, HOURS).values())
        later = HOURS > 0.4  # a prompt member is in equilibrium after a few seconds
        np.testing.assert_allclose(
            np.asarray(found)[later], 8.0 * curve[later], rtol=2e-4, atol=1e-9
        )


def test_daughters_in_place_do_not_move() -> None:
    """With the ligand shifting to the tumour, less bismuth is left behind in plasma."""
    curves = {
        fate: chain_curves(dict.fromkeys(CHAIN, fate), "Ac-225", "Bi-213", HOURS)
        for fate in (Fate.WITH_LIGAND, Fate.IN_PLACE)
    }
    early = HOURS == 0.5
    moved, left = (curves[f]["tumour"][early] for f in curves)
    assert left < 0.9 * moved


def test_a_daughter_set_free_has_kinetics_of_its_own() -> None:
    """The parent stays: A_d = l_d (e^-l_p t - e^-(l_d + k) t) / (l_d + k - l_p)."""
    fates = {"Bi-212": "free", "Tl-208": "free"}
    found = chain_curves(fates, "Pb-212", "Bi-212", HOURS)["bismuth"]
    parent, daughter = math.log(2.0) / 10.64, math.log(2.0) / (60.55 / 60.0)
    lost = daughter + 0.3
    truth = daughter * (np.exp(-parent * HOURS) - np.exp(-lost * HOURS))
    truth *= 8.0 / (lost - parent)
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-12)
