"""Observables and frames of a tracer, against closed forms."""

import math

import numpy as np
import pytest

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.frames import collected, frame_means
from pkmodels.observables import (
    after_wash,
    concentration,
    counts,
    percent_administered,
    percent_per_gram,
    ratio,
    region,
    standardized_uptake,
)
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import amounts, inputs, parameters, receptors
from pkmodels.system import assemble
from pkmodels.trajectory import Trajectory, simulate

GALLIUM = math.log(2.0) / (67.71 / 60.0)
LUTETIUM = math.log(2.0) / 159.528
OUT, UP = 0.4, 0.05
BODY_G, TUMOUR_G, PLASMA_L, TUMOUR_L = 70e3, 20.0, 3.0, 0.02
VALUES = {
    "out": OUT,
    "up": UP,
    "body": BODY_G,
    "mass": TUMOUR_G,
    "plasma_volume": PLASMA_L,
    "tumour_volume": TUMOUR_L,
    "blood_fraction": 0.1,
    "efficiency": 0.4,
    "count_time": 1.0 / 60.0,
    "k_off": 1.5,
    "wash_time": 0.2,
}
TIMES = np.array([0.5, 1.0, 3.0])
ACTIVITY = 150.0


def model() -> Model:
    """Plasma falls as exp(-(out + up) t); what it loses fills tumour and urine."""
    plasma, tumour, urine = amounts("plasma tumour urine", unit="nmol")
    out, up, k_off = parameters("out up k_off", unit="1/h")
    body, mass = parameters("body mass", unit="g")
    plasma_volume, tumour_volume = parameters("plasma_volume tumour_volume", unit="L")
    efficiency, fraction = parameters("efficiency blood_fraction", unit="1")
    count_time, wash_time = parameters("count_time wash_time", unit="h")
    in_plasma = concentration(plasma, plasma_volume)
    in_tumour = concentration(tumour, tumour_volume)
    washed = after_wash(tumour, urine, dissociation=k_off, wash_time=wash_time)
    return Model(
        "tracer",
        (
            flow("out", plasma, urine, out * plasma),
            flow("up", plasma, tumour, up * plasma),
        ),
        {"intravenous": plasma},
        {
            "region": region(
                (tumour,),
                blood_concentration=in_plasma,
                blood_volume=fraction * tumour_volume,
            ),
            "ia": percent_administered(tumour, decay_corrected=False),
            "ia_corrected": percent_administered(tumour, decay_corrected=True),
            "ia_g": percent_per_gram(tumour, mass, decay_corrected=True),
            "suv": standardized_uptake(in_tumour, body),
            "ratio": ratio(in_tumour, in_plasma),
            "washed": washed,
            "counts": counts(washed, efficiency=efficiency, count_time=count_time),
            "square": tumour**2,
        },
    )


def curves(times: np.ndarray = TIMES, label: str = "Ga-68") -> Trajectory:
    dose = Administration(0.0, 0.0, "x", label, ACTIVITY)
    schedule = Schedule((dose,))
    system = assemble(model(), schedule.form)
    return simulate(system, VALUES, schedule, times)


def plasma_at(t: np.ndarray) -> np.ndarray:
    return np.exp(-(OUT + UP) * t)


def tumour_at(t: np.ndarray) -> np.ndarray:
    return UP / (OUT + UP) * (1.0 - plasma_at(t))


def test_observables_are_their_definitions() -> None:
    found, decay = curves().observables, np.exp(-GALLIUM * TIMES)
    plasma, tumour = plasma_at(TIMES), tumour_at(TIMES)
    urine = OUT / UP * tumour
    washed = ACTIVITY * decay * (tumour * math.exp(-1.5 * 0.2) + urine)
    held = (1.0 - math.exp(-GALLIUM / 60.0)) / GALLIUM * 3.6e9
    truth = {
        "region": ACTIVITY * decay * (tumour + plasma / PLASMA_L * 0.1 * TUMOUR_L),
        "ia": 100.0 * tumour * decay,
        "ia_corrected": 100.0 * tumour,
        "ia_g": 100.0 * tumour / TUMOUR_G,
        # 20 mL of 70 kg: g/mL per MBq/mL over MBq.
        "suv": tumour / (TUMOUR_L * 1e3) * BODY_G,
        "ratio": tumour / TUMOUR_L / (plasma / PLASMA_L),
        "washed": washed,
        "counts": 0.4 * washed * held,
    }
    for name, curve in truth.items():
        np.testing.assert_allclose(found[name], curve, rtol=1e-7, err_msg=name)
    assert curves().unread == {"square": "it is not in proportion to the amounts in it"}


def test_an_even_distribution_has_an_uptake_value_of_one() -> None:
    (everywhere,) = amounts("everywhere", unit="nmol")
    (volume,), (mass,) = parameters("volume", unit="L"), parameters("mass", unit="g")
    (out,) = parameters("out", unit="1/h")
    body = Model(
        "body",
        (flow("out", everywhere, None, out * everywhere),),
        {"intravenous": everywhere},
        {"suv": standardized_uptake(everywhere / volume, mass)},
    )
    schedule = Schedule((Administration(0.0, 0.0, "x", "Ga-68", 150.0),))
    values = {"volume": 70.0, "mass": 70e3, "out": 0.0}
    found = simulate(assemble(body, schedule.form), values, schedule, TIMES)
    np.testing.assert_allclose(found.observables["suv"], 1.0, rtol=1e-9)


def test_a_frame_is_the_mean_with_the_decay_in_it() -> None:
    frames = np.array([[0.5, 0.75], [0.75, 3.0]])
    schedule = Schedule((Administration(0.0, 0.0, "x", "Ga-68", ACTIVITY),))
    system = assemble(model(), schedule.form)
    found = frame_means(system, VALUES, schedule, frames)
    share = UP / (OUT + UP)

    def area(rate: float, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (np.exp(-rate * left) - np.exp(-rate * right)) / rate

    left, right = frames.T
    plasma = area(GALLIUM + OUT + UP, left, right)
    tumour = share * (area(GALLIUM, left, right) - plasma)
    np.testing.assert_allclose(
        found.amounts["tumour"], ACTIVITY * tumour / (right - left), rtol=1e-9
    )
    # Corrected for the decay within the frame: over the mean of what is undecayed.
    expected = 100.0 * tumour / area(GALLIUM, left, right)
    np.testing.assert_allclose(found.observables["ia_corrected"], expected, rtol=1e-9)
    of_means = tumour / TUMOUR_L / (plasma / PLASMA_L)
    np.testing.assert_allclose(found.observables["ratio"], of_means, rtol=1e-9)


def test_a_frame_is_split_where_a_dose_falls_into_it() -> None:
    later = Administration(1.0, 0.0, "x", "Ga-68", 50.0)
    schedule = Schedule((Administration(0.0, 0.0, "x", "Ga-68", ACTIVITY), later))
    found = frame_means(
        assemble(model(), schedule.form), VALUES, schedule, np.array([[0.5, 1.5]])
    )
    rate = GALLIUM + OUT + UP
    one, two = (
        activity * (math.exp(-rate * a) - math.exp(-rate * b)) / rate
        for activity, a, b in ((ACTIVITY, 0.5, 1.5), (50.0, 0.0, 0.5))
    )
    assert found.amounts["plasma"][0] == pytest.approx(one + two, rel=1e-9)


def test_an_empty_frame_is_refused() -> None:
    schedule = Schedule((Administration(0.0, 0.0, "x", "Ga-68", ACTIVITY),))
    system = assemble(model(), schedule.form)
    with pytest.raises(InputError, match="the frame from 2 to 1 h: it must start"):
        frame_means(system, VALUES, schedule, np.array([[2.0, 1.0]]))


def test_urine_is_what_arrives_between_two_vessels() -> None:
    times = np.array([0.0, 4.0, 10.0])
    found = collected(curves(times, "Lu-177"), "urine")
    gained = np.diff(OUT / (OUT + UP) * (1.0 - plasma_at(times)))
    np.testing.assert_allclose(
        found, ACTIVITY * gained * np.exp(-LUTETIUM * times[1:]), rtol=1e-9
    )
    with pytest.raises(InputError, match="no amount 'urin': did you mean 'urine'"):
        collected(curves(), "urin")


def test_several_labels_must_be_told_apart() -> None:
    both = Schedule(
        tuple(Administration(0.0, 0.0, "x", n, 10.0) for n in ("Lu-177", "Y-90"))
    )
    system = assemble(model(), both.form)
    with pytest.raises(InputError, match="gives Lu-177, Y-90: say which one to read"):
        simulate(system, VALUES, both, TIMES)
    with pytest.raises(InputError, match="label 'Lu177' is neither given nor a"):
        simulate(system, VALUES, both, TIMES, label="Lu177")
    one = simulate(system, VALUES, both, TIMES, label="Y-90").observables["ia"]
    decay = np.exp(-math.log(2.0) / 64.1 * TIMES)
    np.testing.assert_allclose(one, 100.0 * tumour_at(TIMES) * decay, rtol=1e-9)


def test_the_ligand_has_no_counts_and_no_unknown_amounts() -> None:
    schedule = Schedule((Administration(0.0, 0.0, "x", "Ga-68", 150.0, None, 15.0),))
    system = assemble(model(), schedule.form)
    found = simulate(system, VALUES, schedule, TIMES, label="ligand")
    assert found.unread == {"counts": "it needs a label"}
    np.testing.assert_allclose(
        found.amounts["tumour"], 15.0 * tumour_at(TIMES), rtol=1e-9
    )
    unknown = Schedule((Administration(0.0, 0.0, "x", "Ga-68", 150.0),))
    with pytest.raises(InputError, match="need ligand_nmol of every administration"):
        simulate(system, VALUES, unknown, TIMES, label="ligand")


def test_units_of_observables_are_checked_where_they_are_made() -> None:
    (tumour,) = amounts("tumour", unit="nmol")
    (mass,), (volume,) = parameters("mass", unit="g"), parameters("volume", unit="L")
    with pytest.raises(ModelError, match="the volume mass is in g, expected L"):
        concentration(tumour, mass)
    with pytest.raises(ModelError, match="the mass volume is in L, expected g"):
        percent_per_gram(tumour, volume, decay_corrected=True)
    with pytest.raises(ModelError, match="expected no unit"):
        standardized_uptake(tumour, mass)
    with pytest.raises(ModelError, match="blood needs both blood_concentration"):
        region((tumour,), blood_volume=volume)


def test_an_input_acts_while_its_window_lasts() -> None:
    """Elimination is shut from 1 to 3 h: A(4) = exp(-k (4 - 2))."""
    (plasma,), (shut,) = (
        amounts("plasma", unit="nmol"),
        inputs("shut", unit="1", otherwise=0.0),
    )
    (out,) = parameters("out", unit="1/h")
    gate = Model(
        "gate",
        (flow("out", plasma, None, out * (1 - shut) * plasma),),
        {"intravenous": plasma},
        {"plasma": plasma, "open": plasma * (1 - shut)},
    )
    schedule = Schedule(
        (Administration(0.0, 0.0, "x", ligand_nmol=1.0),),
        (Window("shut", 1.0, 3.0, 1.0),),
    )
    found = simulate(
        assemble(gate, schedule.form), {"out": 0.5}, schedule, np.array([2.0, 4.0])
    )
    np.testing.assert_allclose(
        found.observables["plasma"], [math.exp(-0.5), math.exp(-1.0)], rtol=1e-9
    )
    np.testing.assert_allclose(
        found.observables["open"], [0.0, math.exp(-1.0)], rtol=1e-9
    )


def test_occupancy_is_read_of_the_ligand_under_any_label() -> None:
    """At equilibrium without depletion, bound / sites = c / (c + K_D)."""
    medium, bound = amounts("medium bound", unit="nmol")
    (free,) = receptors("free", unit="nmol")
    (on,), (off,) = parameters("on", unit="1/(nmol h)"), parameters("off", unit="1/h")
    (sites,) = parameters("sites", unit="nmol")
    apart, joined = ((medium, 1), (free, 1)), ((bound, 1),)
    cells = Model(
        "cells",
        (
            Reaction("on", apart, joined, on * medium * free),
            Reaction("off", joined, apart, off * bound),
        ),
        {"intravenous": medium},
        {"occupancy": bound / (bound + free), "bound": bound},
        {free: sites},
    )
    schedule = Schedule((Administration(0.0, 0.0, "x", "Lu-177", 50.0, None, 10.0),))
    values = {"on": 2.0, "off": 6.0, "sites": 1e-4}
    found = simulate(assemble(cells, schedule.form), values, schedule, np.array([50.0]))
    assert found.observables["occupancy"][0] == pytest.approx(10.0 / 13.0, rel=1e-4)
    hot = 5.0 * math.exp(-LUTETIUM * 50.0)
    assert found.observables["bound"][0] == pytest.approx(
        hot * 1e-4 * 10.0 / 13.0, rel=1e-4
    )
