"""Red marrow through blood and with receptors: closed forms, and which applies."""

import numpy as np
import pytest
from scipy.linalg import expm

from pkmodels.administrations import Administration
from pkmodels.dosimetry.marrow import (
    PEPTIDE_RATIO,
    BloodActivity,
    marrow_s_values,
    red_marrow_dose,
    red_marrow_to_blood_ratio,
)
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.errors import InputError
from pkmodels.models import marrow
from pkmodels.notation.parameter_values import check_values
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.time_integrals import integrate_observables
from pkmodels.trajectory import simulate
from pkmodels.values import typical

LAMBDA = np.log(2.0) / 159.528
BECAUSE = "no stem-cell binding, Forrer 2009"
BLOOD = ("dotatate", BECAUSE)
TIMES = np.array([0.5, 3.0, 24.0, 96.0, 300.0])
# Of Haenscheid 2022, to which values are tuned.
MARROW_GY_PER_GBQ, MARROW_T_EFF_H = 0.47, 92.0


def through_blood():
    model = marrow.model("dotatate", binds_nothing_because=BECAUSE)
    values = typical(marrow.values("dotatate", binds_nothing_because=BECAUSE))
    return model, values


def given(model, activity_MBq, ligand_nmol=None):
    dose = Administration(0, 0, "x", "Lu-177", activity_MBq, ligand_nmol=ligand_nmol)
    schedule = Schedule((dose,))
    return assemble(model, schedule.form), schedule


def with_receptors(ligand_nmol, activity_MBq=200.0, times=TIMES, **changed):
    system, schedule = given(marrow.model(), activity_MBq, ligand_nmol)
    values = {**typical(marrow.values()), **changed}
    return simulate(system, values, schedule, times)


@pytest.mark.parametrize("because", [None, BECAUSE])
def test_values_cover_the_parameters_in_their_units(because):
    ligand = "dotatate" if because else "pentixather"
    model = marrow.model(ligand, binds_nothing_because=because)
    check_values(model.parameters, marrow.values(ligand, binds_nothing_because=because))


@pytest.mark.slow
def test_marrow_through_blood_is_the_bi_exponential_of_blood():
    model, values = through_blood()
    system, schedule = given(model, 100.0)
    found = simulate(system, values, schedule, TIMES)
    e, u, r = (values[n] for n in ("elimination", "uptake_tissue", "release_tissue"))
    mean, root = (e + u + r) / 2.0, np.sqrt(((e + u + r) / 2.0) ** 2 - e * r)
    fast, slow = mean + root, mean - root
    blood = (
        (fast - r) * np.exp(-fast * TIMES) + (r - slow) * np.exp(-slow * TIMES)
    ) / (fast - slow)
    expected = 100.0 * blood * np.exp(-LAMBDA * TIMES) * 1170.0 / 5600.0
    assert found.observables["red_marrow"] == pytest.approx(expected, rel=1e-5)


def test_marrow_through_blood_gives_the_dose_of_hindorfs_equation():
    model, values = through_blood()
    ratio = red_marrow_to_blood_ratio(0.45)
    system, schedule = given(model, 7400.0)
    own = {**values, "marrow_to_blood": ratio}
    regions = ("blood", "red_marrow")
    found = integrate_observables(system, own, schedule, "Lu-177", regions).values
    e, u, r = (
        values[n] + LAMBDA * (n != "uptake_tissue")
        for n in ("elimination", "uptake_tissue", "release_tissue")
    )
    blood_tia = 7400.0 * r / ((e + u) * r - u * values["release_tissue"])
    assert found["blood"] == pytest.approx(blood_tia, rel=1e-6)
    s = marrow_s_values("Lu-177", "male", (), remainder=False)
    dose = red_marrow_dose(
        s,
        {"S-value of Lu-177, red_marrow": 1.0},
        BloodActivity(blood_tia, 5600.0, 1170.0, ratio),
        ligand="dotatate",
        binds_nothing_because=BECAUSE,
    )
    s_value = s.by_source["red_marrow"].at_mass(1170.0)
    assert found["red_marrow"] * s_value == pytest.approx(dose.total, 1e-6)


def trace_matrix(values):
    """Return M of d(P, I, C, N)/dt = M x where all receptors are free."""
    v = values
    out = v["marrow_permeability_surface"] * v["unbound_fraction"] / v["plasma_volume"]
    back = v["marrow_permeability_surface"] / v["marrow_interstitial_volume"]
    on = v["dissociation"] / v["dissociation_constant"] * v["receptors"]
    on /= v["marrow_interstitial_volume"]
    off, intake, release = v["dissociation"], v["internalization"], v["release"]
    return np.array(
        [
            [-np.log(2.0) / v["plasma_half_time"] - out, back, 0.0, 0.0],
            [out, -back - on, off, 0.0],
            [0.0, on, -off - intake, 0.0],
            [0.0, 0.0, intake, -release],
        ]
    )


def test_a_trace_follows_the_matrix_exponential_and_its_integral():
    values = typical(marrow.values())
    found = with_receptors(1e-6, activity_MBq=1e-5)
    matrix, start = trace_matrix(values), np.array([1e-5, 0.0, 0.0, 0.0])
    weights = np.ones(4)
    weights[0] = values["marrow_plasma_volume"] / values["plasma_volume"]
    expected = [
        weights @ expm(matrix * time) @ start * np.exp(-LAMBDA * time) for time in TIMES
    ]
    assert found.observables["red_marrow"] == pytest.approx(expected, rel=1e-5)
    area = weights @ np.linalg.solve(LAMBDA * np.eye(4) - matrix, start)
    assert found.time_integrals["red_marrow"] == pytest.approx(area, rel=1e-5)


def test_without_escape_the_bound_share_is_the_quadratic_of_equilibrium():
    """No elimination, no intake: L R / C = K_D V with L + C and R + C what is there."""
    found = with_receptors(
        60.0,
        times=np.array([5000.0]),
        plasma_half_time=1e12,
        internalization=0.0,
        release=0.0,
        unbound_fraction=1.0,
    ).amounts
    values = typical(marrow.values())
    decay = np.exp(-LAMBDA * 5000.0) * 200.0 / 60.0
    volumes = values["plasma_volume"] + values["marrow_interstitial_volume"]
    k = values["dissociation_constant"] * volumes
    half = (k + 60.0 + values["receptors"]) / 2.0
    expected = half - np.sqrt(half**2 - 60.0 * values["receptors"])
    assert found["marrow_bound"][0] / decay == pytest.approx(expected, rel=1e-4)


def test_more_ligand_gives_the_marrow_less_for_each_unit_of_activity():
    dosimetry, therapy = (with_receptors(nmol) for nmol in (55.7, 185.6))
    ratio = (
        therapy.time_integrals["red_marrow"] / dosimetry.time_integrals["red_marrow"]
    )
    assert 0.5 < ratio < 0.97


def test_a_typical_marrow_gets_what_it_was_tuned_to():
    schedule, times = marrow.schedule(), np.array([24.0, 48.0, 72.0, 96.0])
    system = assemble(marrow.model(), schedule.form)
    found = simulate(system, typical(marrow.values()), schedule, times)
    own = require_s_value("red_marrow", "Lu-177", "male").at_mass(1170.0)
    dose = found.time_integrals["red_marrow"] * own * 1000.0 / 200.0
    assert dose == pytest.approx(MARROW_GY_PER_GBQ, rel=0.05)
    slope = np.polyfit(times, np.log(found.observables["red_marrow"]), 1)[0]
    assert -np.log(2.0) / slope == pytest.approx(MARROW_T_EFF_H, rel=0.05)


def test_the_method_is_told_by_the_ligand():
    assert marrow.method_for("Pentixafor") == marrow.WITH_RECEPTORS
    assert marrow.method_for(BLOOD[0], binds_nothing_because=BLOOD[1]) == (
        marrow.THROUGH_BLOOD
    )
    through = marrow.values("dotatate", binds_nothing_because=BECAUSE)
    assert through["marrow_to_blood"] == PEPTIDE_RATIO


@pytest.mark.parametrize("call", [marrow.model, marrow.values, marrow.method_for])
def test_blood_does_not_tell_of_a_ligand_that_binds_there(call):
    with pytest.raises(InputError, match="pentixather through blood is refused"):
        call("pentixather", binds_nothing_because="it should not")
    for nothing in (None, "  "):
        with pytest.raises(InputError, match="say why this one does not"):
            call("dotatate", binds_nothing_because=nothing)
