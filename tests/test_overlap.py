"""Planar scans of free scale under an overlap, tied down by one SPECT: coverage."""

import numpy as np
import pytest
import simulators
from scipy.special import logit
from scipy.stats import binomtest, halfnorm, kstest, norm

from pkmodels.administrations import Administration
from pkmodels.exact import compile_exactly
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import compile_fit, fit
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import Posterior, build_model
from pkmodels.fitting.stacks import Overlap
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, half_normal, log_sd_of_cv, logit_normal

N_PATIENTS = 30
P_LIMIT = 0.005
GIVEN = Schedule(
    (Administration(0.0, 0.0, "dotatate", "Lu-177", simulators.THERAPY.activity_MBq),)
)
ORGANS = {"kidney": "kidney", "liver": "liver"}
COMPILED = compile_exactly(assemble(organ_exchange.model(tuple(ORGANS)), GIVEN.form))
SHARE = logit_normal(*simulators.OVERLAP_SHARE, "as simulated", Certainty.STATED)


def posterior_of(rows: list[tuple], *, overlaid: bool) -> Posterior:
    scans = tuple(
        Measurement(
            region=region,
            label="Lu-177",
            modality=modality,
            start_h=time,
            end_h=time,
            value=value,
            quantity=Quantity.ACTIVITY,
            sd=None,
            decay_corrected_to_h=None,
            source="simulated",
        )
        for region, modality, time, value in rows
    )
    only = Experiment("therapy", COMPILED, GIVEN, scans)
    calibrations = (
        Calibration("planar", per_region=True, log_sd=1.0),
        Calibration("SPECT", False, log_sd_of_cv(simulators.CALIBRATION_CV)),
    )
    overlaps = [Overlap("planar", "kidney", {"liver": 1.0}, SHARE)] if overlaid else []
    noise = simulators.NOISE_SCALE
    return Posterior(
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", ORGANS)),
        observations=arrange([only], calibrations, overlaps=overlaps),
        masses={},
        exact_masses={},
        relative_noise=half_normal(noise, "", "as simulated", Certainty.STATED),
        minimum_noise=simulators.MINIMUM_NOISE,
        noise_floor={},
        floor_everywhere=False,
    )


def test_the_joint_log_density_is_that_of_the_stated_model() -> None:
    """Every prior and both modalities' rows typed again, on the unconstrained scale."""
    simulated = simulators.simulate_overlap(13)
    model = build_model(posterior_of(simulated.rows, overlaid=True))
    half_times, odds, share = np.array([1.3, 50.0, 90.0]), np.array([0.01, 0.06]), 0.3
    factors, noise = np.array([2.0, 0.7, 1.04]), np.array([0.06, 0.09])
    expected = norm.logpdf(
        np.log([*half_times, *odds, *factors]),
        np.log([1.0, 60.0, 114.0, 0.012, 0.05, 1.0, 1.0, 1.0]),
        [0.7, 1.0, 1.0, 0.8, 1.0, 1.0, 1.0, simulators.log_sd(0.05)],
    ).sum()
    expected += norm.logpdf(logit(share), logit(0.2), 0.5)
    expected += (halfnorm.logpdf(noise, scale=0.1) + np.log(noise)).sum()
    k, w = np.log(2.0) / half_times[0], np.log(2.0) / half_times[1:]
    fractions = odds / (1.0 + odds.sum())
    scale_of = {
        ("kidney", "planar"): factors[0],
        ("liver", "planar"): factors[1],
        ("kidney", "SPECT"): factors[2],
        ("liver", "SPECT"): factors[2],
    }
    for region, modality, t, value in simulated.rows:
        shape = (np.exp(-w * t) - np.exp(-k * t)) / (k - w)
        decayed = np.exp(-simulators.LAMBDA["Lu-177"] * t)
        kidney, liver = 7400.0 * fractions * k * shape * decayed
        over = share * liver if modality == "planar" else 0.0
        mean = kidney + over if region == "kidney" else liver
        spread = np.hypot(noise[0 if modality == "planar" else 1], 0.01)
        centre = np.log(scale_of[region, modality] * mean)
        expected += norm.logpdf(np.log(value), centre, spread)
    point = {
        "kinetics_log__": np.log(half_times),
        "uptake_odds_log__": np.log(odds),
        "calibration_log__": np.log(factors),
        "overlap_logodds__": logit(np.array([share])),
        "relative_noise_log__": np.log(noise),
    }
    found = model.compile_logp(mode="JAX")(point)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def kidney_tiac(parameters: np.ndarray) -> np.ndarray:
    """Return h: f k / ((k + lambda) (w + lambda)), in closed form."""
    drawn = dict(zip(COMPILED.parameters, parameters.T, strict=True))
    decay = nuclide("Lu-177").decay_constant_per_h
    k = np.log(2.0) / drawn["blood_half_time"]
    w = np.log(2.0) / drawn["biological_half_life_kidney"]
    return drawn["fraction_kidney"] * k / ((k + decay) * (w + decay))


def ranks_of(n_patients: int, *, overlaid: bool) -> tuple[np.ndarray, int]:
    """Return the share of draws of the kidney's TIAC below the truth, of each fit."""
    compiled, ranks, failed = None, [], 0
    for seed in range(n_patients):
        simulated = simulators.simulate_overlap(seed)
        posterior = posterior_of(simulated.rows, overlaid=overlaid)
        compiled = compiled or compile_fit(posterior)
        found = fit(posterior, seed=seed, draws_per_chain=1000, compiled=compiled)
        if not found.checks.passed:
            failed += 1
            continue
        tiac = kidney_tiac(found.parameters())
        ranks.append(float((tiac < simulated.kidney_tiac_h).mean()))
    return np.array(ranks), failed


@pytest.mark.slow
def test_the_kidney_under_the_liver_is_covered() -> None:
    ranks, failed = ranks_of(N_PATIENTS, overlaid=True)
    assert failed <= 2
    covered = int(((ranks > 0.025) & (ranks < 0.975)).sum())
    assert binomtest(covered, len(ranks), 0.95).pvalue > P_LIMIT
    assert kstest(ranks, "uniform").pvalue > P_LIMIT


@pytest.mark.slow
def test_the_kidney_is_not_covered_where_the_liver_over_it_is_ignored() -> None:
    """The same test of coverage must fail where the overlap is left out."""
    ranks, _ = ranks_of(N_PATIENTS // 2, overlaid=False)
    covered = int(((ranks > 0.025) & (ranks < 0.975)).sum())
    assert binomtest(covered, len(ranks), 0.95).pvalue < P_LIMIT
