"""Outlines and recovery in a fit: values that hang on the outlined mass."""

import math
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.administrations import Administration
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import outlines_of
from pkmodels.exact import compile_exactly
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import fit
from pkmodels.fitting.observations import Observations, Outline, arrange
from pkmodels.fitting.posterior import RECOVERY, Posterior
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, half_normal, log_normal

LN2 = math.log(2.0)
LU177 = nuclide("Lu-177").decay_constant_per_h
GIVEN = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
MASS_G = 150.0
OUTLINE = Outline("SPECT", "kidney", 0.5, MASS_G, {"b": -0.4})


def scan(time_h: float, value: float, quantity: Quantity, modality: str) -> Measurement:
    return Measurement(
        region="kidney",
        label="Lu-177",
        modality=modality,
        start_h=time_h,
        end_h=time_h,
        value=value,
        quantity=quantity,
        sd=None,
        decay_corrected_to_h=None,
        source="line 2",
    )


def dosimetry(scans: tuple[Measurement, ...]) -> Experiment:
    model = organ_exchange.model(("kidney",))
    compiled = compile_exactly(assemble(model, GIVEN.form))
    return Experiment("dosimetry", compiled, GIVEN, scans)


def scale_of(seen: Observations, mass_g: float, factor: float) -> np.ndarray:
    """Return what multiplies the true activity, as `Observations` states it."""
    masses = np.where(seen.mass > 0, mass_g, 1.0)
    powers = seen.recovery @ np.log([factor])
    return seen.factor * masses**-seen.mass_exponent * np.exp(powers)


def test_a_value_grows_with_the_outline_by_its_exponent() -> None:
    """(m / m_true)^k x^l, over m for a concentration; another modality is untouched."""
    scans = (
        scan(24.0, 70.0, Quantity.ACTIVITY, "SPECT"),
        scan(24.0, 0.4, Quantity.CONCENTRATION, "SPECT"),
        scan(24.0, 70.0, Quantity.ACTIVITY, "PET"),
        scan(24.0, 0.4, Quantity.CONCENTRATION, "PET"),
    )
    seen = arrange([dosimetry(scans)], [], [OUTLINE], [("b", 0.1)])
    true_g, factor = 130.0, 1.2
    grown = (MASS_G / true_g) ** 0.5 * factor**-0.4
    np.testing.assert_allclose(
        scale_of(seen, true_g, factor),
        [grown, grown / MASS_G, 1.0, 1.0 / true_g],
        rtol=1e-12,
    )
    assert seen.weighed == ("kidney",)
    assert seen.recoveries == (("b", 0.1),)


@pytest.fixture(scope="module")
def fitted():
    """A kidney of 150 g +- 20 %, seen without scatter; k = 1/2, recovery +- 20 %."""
    k, w, fraction = LN2 / 1.0, LN2 / 60.0, 0.015

    def activity(t: float) -> float:
        shape = (math.exp(-w * t) - math.exp(-k * t)) / (k - w)
        return 7400.0 * fraction * k * shape * math.exp(-LU177 * t)

    times = (4.0, 24.0, 48.0, 96.0, 168.0)
    scans = [scan(t, activity(t), Quantity.ACTIVITY, "SPECT") for t in times]
    only = dosimetry(tuple(scans))
    posterior = Posterior(
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", {"kidney": "kidney"})),
        observations=arrange([only], [], [OUTLINE], [("b", 0.2)]),
        masses={"kidney": log_normal(MASS_G, 0.2, "g", "CT", Certainty.PUBLISHED)},
        exact_masses={},
        relative_noise=half_normal(0.1, "", "wide", Certainty.JUDGEMENT),
        minimum_noise=0.03,
        noise_floor={},
        floor_everywhere=False,
    )
    return fit(posterior, seed=1, draws_per_chain=1000)


def test_activity_follows_the_mass_and_the_dose_half_as_much(fitted) -> None:
    """A ~ m^k x^-l, so that D = A S / m ~ m^(k-1): at k = 1/2 half of the mass's sd.

    With k = 0 the dose has all of it; regressed on ln m and ln x over the draws.
    """
    assert fitted.checks.passed
    half_time, share, half_life = fitted.parameters().T
    k, w = LN2 / half_time, LN2 / half_life
    log_area = np.log(share * k / ((k + LU177) * (w + LU177)))
    log_mass = np.log(fitted.masses()["kidney"])
    log_factor = np.log(fitted.draws.variables[RECOVERY]).ravel()
    causes = np.stack([log_mass, log_factor, np.ones_like(log_mass)], axis=1)
    slopes, *_ = np.linalg.lstsq(causes, log_area, rcond=None)
    assert slopes[:2] == pytest.approx([0.5, 0.4], abs=0.03)
    assert np.std(log_mass) == pytest.approx(0.2, rel=0.1)
    # What the recovery adds is taken off: the case of the mass alone.
    of_mass = log_area - slopes[1] * log_factor - log_mass
    assert np.std(of_mass) / np.std(log_mass) == pytest.approx(0.5, abs=0.06)


SPHERES = """[recovery.SPECT]
b1_mL = 9.0
b1_cv = 0.10
b2 = 1.2
b2_cv = 0.06
correlation = -0.7
fwhm_mm = 12.0
[decision]"""


def test_loadings_carry_the_covariance_of_the_recovery_curve(tmp_path: Path) -> None:
    """var ln R = g V g^T with g by differences of R = 1 - 1/(1 + (v/b1)^b2)."""
    text = replaced(PATIENT, "[decision]", SPHERES)
    text = replaced(text, "mass_g = 160.0", "mass_g = 160.0\nvolume_mL = 152.0")
    text = replaced(text, "mass_g = 150.0", "mass_g = 30.0\nvolume_mL = 28.5")
    patient = read_patient(write_patient(tmp_path, text, MEASUREMENTS))
    outlines, recoveries = outlines_of(patient)
    assert [outline.region for outline in outlines] == ["kidney_left", "kidney_right"]
    log_sd = dict(recoveries)
    b1_sd, b2_sd = (math.sqrt(math.log1p(cv**2)) for cv in (0.10, 0.06))
    covariance = np.array(
        [[b1_sd**2, -0.7 * b1_sd * b2_sd], [-0.7 * b1_sd * b2_sd, b2_sd**2]]
    )

    def log_recovery(volume: float, b1: float, b2: float) -> float:
        return math.log(1.0 - 1.0 / (1.0 + (volume / b1) ** b2))

    step = 1e-5
    gradients = []
    for volume in (152.0, 28.5):
        middle = (9.0, 1.2)
        up, down = math.exp(step), math.exp(-step)
        gradients.append(
            [
                log_recovery(volume, middle[0] * up, middle[1])
                - log_recovery(volume, middle[0] * down, middle[1]),
                log_recovery(volume, middle[0], middle[1] * up)
                - log_recovery(volume, middle[0], middle[1] * down),
            ]
        )
    slopes = np.array(gradients) / (2.0 * step)
    loads = np.array(
        [
            [outline.loadings[name] * sd for name, sd in log_sd.items()]
            for outline in outlines
        ]
    )
    # Both regions share the curve's error, so that their covariance counts too.
    np.testing.assert_allclose(
        loads @ loads.T, slopes @ covariance @ slopes.T, rtol=1e-6
    )
