"""Two hundred simulated patients: the stated intervals cover the known truth.

The truths are drawn from the stated priors by `simulators`, which imports nothing of
pkmodels. Coverage is that of the 95 % interval; the ranks of the truths among the
draws are also held against the uniform distribution, which sees a shift of 0.3 sd.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import simulators

from pkmodels.clinic import syringes
from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.assessment import assess
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior
from pkmodels.cohorts.calibration import DRAWS
from pkmodels.cohorts.rank_tests import coverage_p, ecdf_p, ranks_of_shares
from pkmodels.fitting.anchoring import fit_form
from pkmodels.fitting.fit import compile_fit, fit
from pkmodels.nuclides import nuclide

N_PATIENTS = 200
N_HYBRID = 8  # an infusion and a frame: half a minute each
N_DRAWS = 4000
P_LIMIT = 0.005
FAILED_LIMIT = 0.02


@dataclass(frozen=True)
class Calibration:
    """Truth and draws of the kidneys of every patient whose fit passed."""

    failed: int
    draws: dict[str, np.ndarray]
    truths: dict[str, np.ndarray]

    def ranks(self, quantity):
        """Return for each patient the share of draws below the truth."""
        return (self.draws[quantity] < self.truths[quantity][:, None]).mean(axis=1)


def patient_of(folder, simulated, duration):
    simulators.write_patient(folder, simulated, duration=duration)
    patient = read_patient(folder)
    check_answerable(patient)
    return patient


def found_in(patient, fitted, simulated):
    """Return draws and truth of each quantity of the kidneys, by name."""
    exposures = assess(patient, fitted).exposures
    found = {}
    for label, of_label in exposures.items():
        kidneys, truth = of_label["kidneys"], simulated.kidney_tiac_h[label]
        dose = simulated.kidney_dose_Gy_per_GBq[label]
        found[f"TIAC {label}"] = kidneys.tiac_h, truth
        found[f"dose {label}"] = kidneys.dose_Gy_per_GBq, dose
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(syringes, "nuclide", faster_decay)
        spoiled = assess(patient, fitted).exposures["Y-90"]["kidneys"].tiac_h
    found["TIAC Y-90, decay 5 % off"] = spoiled, simulated.kidney_tiac_h["Y-90"]
    return found


def faster_decay(name):
    """Return a nuclide, the planned one with a decay constant that is 5 % too large."""
    true = nuclide(name)
    return (
        replace(true, half_life_h=true.half_life_h / 1.05) if name == "Y-90" else true
    )


def run_patients(folder, seeds, simulate, duration):
    """Fit every simulated patient through the patient files."""
    compiled = None
    draws, truths, failed = {}, {}, 0
    for seed in seeds:
        simulated = simulate(seed)
        patient = patient_of(folder, simulated, duration)
        posterior = build_posterior(patient)
        if compiled is None or compiled.form != fit_form(posterior):
            compiled = compile_fit(posterior)
        fitted = fit(
            posterior, seed=seed, draws_per_chain=N_DRAWS // 4, compiled=compiled
        )
        if not fitted.checks.passed:
            failed += 1
            continue
        for name, (drawn, truth) in found_in(patient, fitted, simulated).items():
            # Chains that were short have gone on to twice their length.
            draws.setdefault(name, []).append(drawn[:: drawn.size // N_DRAWS])
            truths.setdefault(name, []).append(truth)
    return Calibration(
        failed,
        {name: np.array(value) for name, value in draws.items()},
        {name: np.array(value) for name, value in truths.items()},
    )


def held_p(ranks):
    """Return the exact two-sided binomial p of the 95 % interval's coverage."""
    return coverage_p(((ranks > 0.025) & (ranks < 0.975)).sum(), len(ranks))


def uniform_p(ranks):
    """Return the exact p that the shares are uniform, as ranks among fewer draws."""
    return ecdf_p(ranks_of_shares(ranks, DRAWS), DRAWS)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    return run_patients(folder, range(N_PATIENTS), simulators.simulate, 0.0)


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory):
    """Planar scans of free scale, one SPECT/CT in kBq/mL, an infusion, stated sd."""
    folder = tmp_path_factory.mktemp("hybrid")
    simulate, length = simulators.simulate_hybrid, simulators.INFUSION_H
    return run_patients(folder, range(N_HYBRID), simulate, length)


QUANTITIES = ("TIAC Lu-177", "TIAC Y-90", "dose Lu-177", "dose Y-90")


@pytest.mark.slow
def test_few_fits_fail(calibration):
    assert calibration.failed < FAILED_LIMIT * N_PATIENTS


@pytest.mark.slow
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_intervals_cover_the_truth(calibration, quantity):
    assert held_p(calibration.ranks(quantity)) > P_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_ranks_of_the_truth_are_uniform(calibration, quantity):
    assert uniform_p(calibration.ranks(quantity)) > P_LIMIT


@pytest.mark.slow
def test_a_decay_constant_5_percent_off_is_seen(calibration):
    """The same test must fail when the label exchange is wrong."""
    ranks = calibration.ranks("TIAC Y-90, decay 5 % off")
    assert uniform_p(ranks) < P_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_hybrid_protocol_is_calibrated(hybrid, quantity):
    assert hybrid.failed == 0
    ranks = hybrid.ranks(quantity)
    assert held_p(ranks) > P_LIMIT
    assert uniform_p(ranks) > P_LIMIT
