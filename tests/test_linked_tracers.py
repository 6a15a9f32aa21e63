"""Two tracers of one receptor: linked by ratios they are covered, as equal they fail.

Truths come from `simulators`, which imports nothing of pkmodels: rates of the therapy
are those of the scan times ratios between 0.3 and 1.4.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import simulators
from scipy.linalg import expm

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.cohorts.rank_tests import coverage_p
from pkmodels.definition import Model
from pkmodels.exact import compile_exactly, doses_of
from pkmodels.fitting.experiments import (
    Experiment,
    ParameterTable,
    share_parameters,
)
from pkmodels.fitting.fit import CompiledFit, compile_fit, fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import Posterior, build_model, parameter_draws
from pkmodels.fitting.prediction import predict, predict_curves
from pkmodels.measurements import Measurement, Quantity
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble
from pkmodels.values import Certainty, PriorSet, half_normal, log_normal

N_LINKED, N_EQUAL = 40, 30
# Of patients that nobody looked at when the limits were set.
FIRST = 7000
DRAWS_PER_CHAIN = 1000
P_LIMIT = 0.005
SCAN, THERAPY = "68Ga scan", "177Lu therapy"
LABELS = {SCAN: "Ga-68", THERAPY: "Lu-177"}
RATES = (*simulators.LINKED_RATES, *simulators.LINKED_RELEASES)
KIDNEYS, TUMOUR = "TIAC of kidneys", "tumour at 24 h"


def tissues() -> Model:
    """Return blood that fills kidneys and tumour, which nothing comes back from."""
    blood, kidneys, tumour = amounts("blood kidneys tumour", unit="nmol")
    elimination, *others = parameters(" ".join(RATES), unit="1/h")
    in_kidneys, in_tumour, from_kidneys, from_tumour = others
    return Model(
        "two tissues",
        (
            flow("elimination", blood, None, elimination * blood),
            flow("uptake_kidneys", blood, kidneys, in_kidneys * blood),
            flow("uptake_tumour", blood, tumour, in_tumour * blood),
            flow("release_kidneys", kidneys, None, from_kidneys * kidneys),
            flow("release_tumour", tumour, None, from_tumour * tumour),
        ),
        {INTRAVENOUS: blood},
        {"blood": blood, "kidneys": kidneys, "tumour": tumour},
    )


SCHEDULES = {
    name: Schedule(
        (Administration(0.0, 0.0, "x", label, simulators.LINKED_MBQ[label]),)
    )
    for name, label in LABELS.items()
}
COMPILED = compile_exactly(assemble(tissues(), SCHEDULES[SCAN].form))


def table_of(*, linked: bool) -> ParameterTable:
    """Return the therapy's rates as the scan's times ratios, or as equal to them."""
    low, high = np.log(simulators.LINKED_RATIOS)
    middle, spread = math.exp((low + high) / 2.0), (high - low) / math.sqrt(12.0)
    ratio = log_normal(middle, spread, "1", "Siebinga 2023", Certainty.PUBLISHED)
    priors = {
        name: log_normal(*of, "1/h", "as simulated", Certainty.STATED)
        for name, of in simulators.LINKED_MEDIANS.items()
    }
    links = {(THERAPY, name): ratio for name in simulators.LINKED_RATES}
    return share_parameters(
        {SCAN: COMPILED.parameters, THERAPY: COMPILED.parameters},
        PriorSet(priors, {}),
        linked=links if linked else None,
    )


def posterior_of(patient: simulators.LinkedPatient, *, linked: bool) -> Posterior:
    experiments = tuple(
        Experiment(
            name,
            COMPILED,
            SCHEDULES[name],
            tuple(
                scan(name, region, time, value)
                for region, of, time, value in patient.rows
                if of == label
            ),
        )
        for name, label in LABELS.items()
    )
    noise = simulators.LINKED_NOISE
    return Posterior(
        experiments=experiments,
        table=table_of(linked=linked),
        observations=arrange(experiments, []),
        masses={},
        exact_masses={},
        relative_noise=half_normal(noise, "", "as simulated", Certainty.STATED),
        minimum_noise=simulators.LINKED_LEAST_NOISE,
        noise_floor={},
        floor_everywhere=False,
    )


def scan(occasion: str, region: str, time: float, value: float) -> Measurement:
    return Measurement(
        region=region,
        label=LABELS[occasion],
        modality=occasion,
        start_h=time,
        end_h=time,
        value=value,
        quantity=Quantity.ACTIVITY,
        sd=None,
        decay_corrected_to_h=None,
        source="simulated",
    )


@dataclass(frozen=True)
class Ranks:
    """Share of draws below the truth, (n_patients,), by quantity; fits that passed."""

    below: dict[str, np.ndarray]
    passed: int


def run(seeds: range, *, linked: bool) -> Ranks:
    """Fit patients by one compiled fit; ranks of TIACs and ratios of the therapy."""
    compiled: CompiledFit | None = None
    below: dict[str, list[float]] = {}
    passed = 0
    for seed in seeds:
        patient = simulators.simulate_linked(seed)
        posterior = posterior_of(patient, linked=linked)
        compiled = compiled or compile_fit(posterior)
        found = fit(
            posterior, seed=seed, draws_per_chain=DRAWS_PER_CHAIN, compiled=compiled
        )
        passed += found.checks.passed
        # What a failed fit would have said is looked at, too: that is the question.
        drawn = parameter_draws(posterior, found.draws, THERAPY)
        for name, values in therapy_of(drawn).items():
            rank = float((values < truth_of(patient)[name]).mean())
            below.setdefault(name, []).append(rank)
        if linked:
            before = parameter_draws(posterior, found.draws, SCAN)
            for i, name in enumerate(COMPILED.parameters):
                if name in patient.ratios:
                    ratio = drawn[:, i] / before[:, i]
                    rank = float((ratio < patient.ratios[name]).mean())
                    below.setdefault(f"ratio of {name}", []).append(rank)
    return Ranks({name: np.array(values) for name, values in below.items()}, passed)


def therapy_of(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return draws of the therapy's kidneys (TIAC, h) and tumour (share at 24 h)."""
    doses = doses_of(SCHEDULES[THERAPY])
    given = float(doses.activity[0])
    found = predict(COMPILED, drawn, doses, 96.0)
    kidneys = found.time_integrals[:, found.observables.index("kidneys")]
    later = predict_curves(COMPILED, drawn, doses, np.array([24.0]))
    tumour = later[:, 0, found.observables.index("tumour")]
    return {KIDNEYS: kidneys / given, TUMOUR: tumour / given}


def truth_of(patient: simulators.LinkedPatient) -> dict[str, float]:
    return {KIDNEYS: patient.kidneys_tiac_h, TUMOUR: patient.tumour_24h}


def covered(ranks: np.ndarray) -> int:
    return int(((ranks > 0.025) & (ranks < 0.975)).sum())


def test_its_curves_are_the_matrix_exponential() -> None:
    rates = {n: median for n, (median, _) in simulators.LINKED_MEDIANS.items()}
    left = sum(rates[n] for n in simulators.LINKED_RATES)
    matrix = np.diag([-left, -rates["release_kidneys"], -rates["release_tumour"]])
    matrix[1, 0], matrix[2, 0] = rates["uptake_kidneys"], rates["uptake_tumour"]
    for time in (0.3, 5.0, 90.0):
        found = simulators.linked_curves(rates, simulators.LAMBDA_GA, time)
        expected = expm((matrix - simulators.LAMBDA_GA * np.eye(3)) * time)[:, 0]
        assert list(found.values()) == pytest.approx(expected, rel=1e-9)
    # Its TIAC is what the prediction of the true rates gives.
    patient = simulators.simulate_linked(1)
    assert nuclide("Ga-68").decay_constant_per_h == pytest.approx(
        simulators.LAMBDA_GA, rel=1e-3
    )
    assert all(0.3 <= ratio <= 1.4 for ratio in patient.ratios.values())


def test_a_linked_posterior_expects_what_was_simulated_without_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ratios multiply the therapy's rates and no others."""
    monkeypatch.setattr(simulators, "LINKED_NOISE", 0.0)
    monkeypatch.setattr(simulators, "LINKED_LEAST_NOISE", 1e-12)
    patient = simulators.simulate_linked(2)
    generator = np.random.default_rng([2, 4])
    true = {
        name: simulators.log_normal(generator, *of)
        for name, of in simulators.LINKED_MEDIANS.items()
    }
    monkeypatch.undo()
    posterior = posterior_of(patient, linked=True)
    unknowns = true | {
        f"ratio of {name}, {THERAPY}": ratio for name, ratio in patient.ratios.items()
    }
    model = build_model(posterior)
    named = model.coords["kinetics_of"]
    assert named is not None
    values = np.array([unknowns[str(name)] for name in named])
    expected = model["expected"].eval({model["kinetics"]: values})
    assert expected == pytest.approx(posterior.observations.value, rel=1e-6)
    before = np.array([true[name] for name in COMPILED.parameters])
    ratios = [patient.ratios.get(name, 1.0) for name in COMPILED.parameters]
    found = therapy_of((before * ratios)[None])
    for name, true_value in truth_of(patient).items():
        assert found[name][0] == pytest.approx(true_value, rel=1e-6)


@pytest.mark.slow
def test_therapies_linked_to_a_scan_by_ratios_are_covered() -> None:
    found = run(range(FIRST, FIRST + N_LINKED), linked=True)
    assert found.passed >= 0.95 * N_LINKED
    for name, ranks in found.below.items():
        p = coverage_p(covered(ranks), len(ranks))
        assert p > P_LIMIT, f"{name}: {covered(ranks)} of {len(ranks)}"


@pytest.mark.slow
def test_the_assumption_that_tracers_are_equal_fails() -> None:
    """It goes wrong in the tumour, which the therapy's data do not show.

    Of 30 patients 6 intervals hold it, and 14 fits are refused by their checks.
    """
    found = run(range(FIRST, FIRST + N_EQUAL), linked=False)
    ranks = found.below[TUMOUR]
    assert covered(ranks) < 0.75 * N_EQUAL
    assert coverage_p(covered(ranks), N_EQUAL) < P_LIMIT
    assert found.passed < 0.75 * N_EQUAL
