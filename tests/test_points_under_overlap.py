"""Points in the report: what lies over a region is taken off, as the fit has it."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import simulators
from test_planar_and_spect import COMPILED, posterior_of

from pkmodels.clinic.figure_data import own_parts
from pkmodels.fitting.expectations import OVERLAP
from pkmodels.fitting.fit import Fit

SHARE = 0.3
# Half-times in blood and of release (h), and shares of the dose.
VALUES = {
    "blood_half_time": 2.0,
    "biological_half_life_kidney": 40.0,
    "biological_half_life_liver": 90.0,
    "fraction_kidney": 0.03,
    "fraction_liver": 0.2,
}


def fit_of(*, overlaid: bool, passed: bool = True) -> Fit:
    """Return what of a fit is looked at, with two draws that are the same."""
    patient = simulators.simulate_planar(0, overlaid=True)
    vector = np.array([VALUES.get(name, 1e-3) for name in COMPILED.parameters])
    return cast(
        Fit,
        SimpleNamespace(
            posterior=posterior_of(patient, overlaid=overlaid),
            parameters=lambda _: np.stack([vector, vector]),
            draws=SimpleNamespace(variables={OVERLAP: np.full((1, 2, 1), SHARE)}),
            checks=SimpleNamespace(passed=passed),
        ),
    )


def held(organ: str, time_h: float) -> float:
    """Return the part of the dose in an organ: uptake and release, closed form."""
    uptake = np.log(2.0) / VALUES["blood_half_time"]
    release = np.log(2.0) / VALUES[f"biological_half_life_{organ}"]
    gone = np.exp(-release * time_h) - np.exp(-uptake * time_h)
    return VALUES[f"fraction_{organ}"] * uptake / (uptake - release) * gone


def test_a_kidney_under_the_liver_keeps_its_own_part() -> None:
    assert set(VALUES) <= set(COMPILED.parameters)
    fit = fit_of(overlaid=True)
    found = own_parts(fit)
    under = 0
    for item, part in zip(
        fit.posterior.observations.measurements, found.tolist(), strict=True
    ):
        if (item.modality, item.region) != ("planar", "kidney"):
            assert part == 1.0
            continue
        under += 1
        kidney, liver = held("kidney", item.start_h), held("liver", item.start_h)
        assert part == pytest.approx(kidney / (kidney + SHARE * liver), rel=1e-6)
    assert under == len(simulators.SERIES_PLANAR_H)


def test_without_an_overlap_or_a_fit_that_passed_nothing_is_taken_off() -> None:
    assert (
        own_parts(fit_of(overlaid=False)).tolist()
        == own_parts(fit_of(overlaid=True, passed=False)).tolist()
    )
    assert set(own_parts(fit_of(overlaid=False)).tolist()) == {1.0}
