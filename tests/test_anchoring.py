"""Anchored coordinates leave the posterior as it is, and sparse data can be fitted."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import simulators
from test_calibration import patient_of

from pkmodels.clinic import compiled_fits
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior
from pkmodels.errors import InputError
from pkmodels.fitting.anchoring import anchored, choose_anchors, fit_form, problem_of
from pkmodels.fitting.fit import CompiledFit, fit
from pkmodels.fitting.posterior import (
    CALIBRATION,
    EXPECTED,
    FLOOR,
    NOISE,
    ODDS,
    build_model,
)
from pkmodels.fitting.sampling import compile_sampler, draw_posterior


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory):
    simulated = simulators.simulate_hybrid(3)
    patient = patient_of(tmp_path_factory.mktemp("p"), simulated, simulators.INFUSION_H)
    return build_posterior(patient)


def test_fractions_are_anchored_to_spect_and_free_factors_to_planar(hybrid):
    fractions, factors = choose_anchors(hybrid)
    seen = hybrid.observations
    spect = seen.modalities.index("SPECT")
    assert sorted(fractions) == [0, 1, 2, 3]
    assert {int(seen.modality[row]) for row in fractions.values()} == {spect}
    assert len(factors) == 4
    assert spect not in {int(seen.modality[row]) for row in factors.values()}


def test_log_determinant_is_that_of_the_jacobian(hybrid):
    """Against jax's own jacobian and numpy's determinant, at scattered positions."""
    problem = problem_of(hybrid)
    move = anchored(hybrid, build_model(hybrid))
    arrays = jax.tree.map(jnp.asarray, problem.coordinates)
    generator = np.random.default_rng(0)
    for _ in range(3):
        offset = generator.uniform(-1.0, 1.0, problem.centre.size)
        position = jnp.asarray(problem.centre + 0.5 * problem.spread * offset)
        _, log_determinant = move(position, arrays)
        jacobian = jax.jacobian(lambda p: move(p, arrays)[0])(position)
        _, expected = np.linalg.slogdet(np.asarray(jacobian))
        assert float(log_determinant) == pytest.approx(float(expected), abs=1e-8)


@pytest.fixture(scope="module")
def three_scans(tmp_path_factory):
    protocol = simulators.Protocol("pentixather", 200.0, (4.0, 24.0, 96.0))
    folder = tmp_path_factory.mktemp("p")
    simulators.write_patient(folder, simulators.simulate(3, protocol), protocol)
    return build_posterior(read_patient(folder))


def turn(posterior):
    """Give the same schedule each region's values at other times: other anchors."""
    seen = posterior.observations
    values = np.empty_like(seen.value)
    for region, modality in np.unique(np.c_[seen.region, seen.modality], axis=0):
        rows = np.flatnonzero((seen.region == region) & (seen.modality == modality))
        values[rows] = np.roll(seen.value[rows], 1)
    return replace(posterior, observations=replace(seen, value=values))


def test_a_coordinate_is_the_residual_of_its_anchor(hybrid):
    """ln(c f) = ln y + s e, s^2 = b^2 + 0.01^2 + (a^2 + sd^2) / y^2 of the anchor."""
    seen, problem = hybrid.observations, problem_of(hybrid)
    offset = np.random.default_rng(1).uniform(-1.0, 1.0, problem.centre.size)
    position = problem.centre + problem.spread * offset
    model = build_model(hybrid)
    moved, _ = anchored(hybrid, model)(jnp.asarray(position), problem.coordinates)
    cuts = np.cumsum([len(of) for of in hybrid.all_priors.values()])[:-1]
    values = [v.name for v in model.value_vars]
    (graph,) = model.replace_rvs_by_values([model[EXPECTED]])
    expect = model.compile_fn(graph, inputs=model.value_vars, on_unused_input="ignore")
    expected = expect(dict(zip(values, np.split(np.asarray(moved), cuts), strict=True)))
    before = dict(zip(hybrid.all_priors, np.split(position, cuts), strict=True))
    for of, anchors in zip((ODDS, CALIBRATION), choose_anchors(hybrid), strict=True):
        for i, row in anchors.items():
            modality = seen.modalities[seen.modality[row]]
            variance = np.exp(2.0 * before[NOISE][hybrid.noisy.index(modality)])
            variance += simulators.MINIMUM_NOISE**2
            if modality == "planar":
                name = f"{seen.regions[seen.region[row]]}, planar"
                floor = before[FLOOR][list(hybrid.all_priors[FLOOR]).index(name)]
                sd = np.hypot(np.exp(floor), seen.sd[row])
                variance += (sd / seen.value[row]) ** 2
            residual = np.log(expected[row] / seen.value[row])
            assert residual == pytest.approx(np.sqrt(variance) * before[of][i], 1e-9)


@pytest.mark.parametrize("one", ["hybrid", "three_scans"])
def test_another_patients_coordinates_serve_whichever_values_are_anchors(one, request):
    """What one patient compiled moves another's positions as its own does."""
    posterior = request.getfixturevalue(one)
    turned = turn(posterior)
    assert choose_anchors(turned) != choose_anchors(posterior)
    problem = problem_of(turned)
    position = jnp.asarray(problem.centre + 0.2 * problem.spread)
    moved, own = (
        anchored(of, build_model(of))(position, problem.coordinates)
        for of in (posterior, turned)
    )
    np.testing.assert_allclose(moved[0], own[0], rtol=1e-12)
    assert float(moved[1]) == pytest.approx(float(own[1]), rel=1e-12)


def test_patients_share_a_compiled_fit_but_where_a_region_has_no_anchor(
    hybrid, monkeypatch
):
    monkeypatch.setattr(compiled_fits, "compile_fit", lambda _: object())
    monkeypatch.setattr(compiled_fits, "warm_up_fit", lambda *_: None)
    monkeypatch.setattr(compiled_fits, "_LAST", {})
    one = compiled_fits.compile_once(hybrid)
    assert compiled_fits.compile_once(turn(hybrid)) is one
    seen = hybrid.observations
    empty = np.where(seen.region == 0, 0.0, seen.value)
    without = replace(hybrid, observations=replace(seen, value=empty))
    assert compiled_fits.compile_once(without) is not one
    never_called: Any = None
    form = fit_form(hybrid)
    compiled = CompiledFit(never_called, form, never_called, hybrid)
    with pytest.raises(InputError, match="compiled for other scans"):
        fit(without, seed=0, draws_per_chain=100, compiled=compiled)


@pytest.mark.slow
def test_the_posterior_is_that_of_plain_coordinates(repository):
    """Patient 4 sampled in the model's own coordinates gives the same answer."""
    patient = read_patient(repository / "studies/lu177_patient4")
    posterior = build_posterior(patient)
    fitted = fit(posterior, seed=3, draws_per_chain=1000)
    model = build_model(posterior)
    plain = compile_sampler(model, target_acceptance=0.95)
    point = model.initial_point()
    centre = np.concatenate([np.ravel(point[str(v.name)]) for v in model.value_vars])
    problem = replace(
        problem_of(posterior),
        coordinates=(),
        centre=centre,
        spread=np.full(centre.size, 0.1),
    )
    drawn = draw_posterior(plain, problem, seed=4, draws_per_chain=1000)
    ours = fitted.draws.unconstrained.reshape(-1, centre.size)
    theirs = drawn.unconstrained.reshape(-1, centre.size)
    difference = np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) / theirs.std(axis=0)
    assert difference.max() < 0.12  # four standard errors at 1,000 effective draws
    assert np.allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.15)


@pytest.mark.slow
def test_one_scan_gives_a_wide_answer(tmp_path):
    from pkmodels.clinic.assessment import assess

    simulated = simulators.simulate(7)
    rows = [row for row in simulated.rows if row[3] == 24.0]
    patient = patient_of(tmp_path, replace(simulated, rows=rows), 0.0)
    assert any("one scan only" in warning for warning in patient.warnings)
    fitted = fit(build_posterior(patient), seed=0, draws_per_chain=1000)
    assert fitted.checks.passed, fitted.checks.reasons
    tiac = assess(patient, fitted).exposures["Lu-177"]["kidneys"].tiac_h
    low, high = np.quantile(tiac, (0.025, 0.975))
    assert low < simulated.kidney_tiac_h["Lu-177"] < high
    assert high / low > 2.0
