"""Hierarchies: log-densities and posteriors against closed forms and other samplers."""

from dataclasses import replace
from typing import Any

import hierarchy_truths as truths
import jax
import numpy as np
import population_cases as cases
import population_simulators as simulators
import pymc as pm
import pytest
from scipy.stats import halfnorm, lognorm, multivariate_normal, norm
from scipy.stats import t as student

from pkmodels.errors import FitRefusedError, InputError, SolveError
from pkmodels.fitting import hierarchy_example
from pkmodels.fitting.centring import (
    Centring,
    centre_all,
    centre_by_information,
    centre_none,
)
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.hierarchy import build_hierarchy, state_hierarchy
from pkmodels.fitting.hierarchy_fit import HierarchyFit, fit_hierarchy
from pkmodels.fitting.hierarchy_priors import (
    HyperPrior,
    add_prior,
    half_normal,
    half_student_t,
    lkj,
    log_normal,
    normal,
)
from pkmodels.population import worked_example
from pkmodels.population.coordinates import names_of, start_of
from pkmodels.population.covariates import CovariateEffect, EffectForm
from pkmodels.population.estimation import fit_population
from pkmodels.population.predictions import Predictor, predictor_of
from pkmodels.population.responses import Response, with_ratios
from pkmodels.population.structure import (
    Block,
    ErrorForm,
    PopulationModel,
    ResidualError,
    Scale,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject, arrange

WHY = "for a test"
CENTRINGS = {"all": centre_all, "none": centre_none, "information": None}


def predictor(model: PopulationModel, subjects: list[Subject]) -> Predictor:
    return predictor_of(model, arrange(model, subjects))


# Everything at once: three scales, each form of covariate and of error, occasions.
FULL = Response(
    ("level", "share", "slope"),
    ("a", "b", "c", "d"),
    lambda p, given, times: (
        given * (p[0] * (1.0 + p[1]) + p[2] * times)[:, None] * np.array([[1, 2, 3, 4]])
    ),
    True,
)


def full_model() -> PopulationModel:
    effects = (
        CovariateEffect("level", "weight", EffectForm.POWER, 70.0, 0.75, True),
        CovariateEffect("level", "age", EffectForm.EXPONENTIAL, 40.0, 0.01, False),
        CovariateEffect("slope", "sex", EffectForm.CATEGORY, "f", 0.2, True, "m"),
    )
    return PopulationModel(
        "full",
        {
            "level": Typical(5.0, "1"),
            "share": Typical(0.3, "1", Scale.LOGIT, estimated=False),
            "slope": Typical(1.0, "1", Scale.IDENTITY),
        },
        (
            Block(("level", "slope"), ((0.2, 0.05), (0.05, 0.3))),
            Block(("share",), ((0.4,),)),
        ),
        {
            "a": ResidualError(ErrorForm.ADDITIVE, additive=0.5),
            "b": ResidualError(ErrorForm.PROPORTIONAL, proportional=0.1),
            "c": ResidualError(ErrorForm.COMBINED, 0.3, 0.2),
            "d": ResidualError(ErrorForm.LOG_NORMAL, additive=0.15),
        },
        effects,
        (Block(("level",), ((0.1,),)),),
    )


def full_priors() -> dict[str, HyperPrior]:
    return {
        "ln level": normal(1.5, 1.0, WHY),
        "slope": normal(1.0, 2.0, WHY),
        "weight on level": normal(0.75, 0.5, WHY),
        "sex m on slope": normal(0.0, 1.0, WHY),
        "sd of level": half_normal(1.0, WHY),
        "sd of slope": half_student_t(0.5, 4.0, WHY),
        "correlation of level, slope": lkj(2.0, WHY),
        "sd of share": log_normal(0.5, 0.7, WHY),
        "sd of level by occasion": half_normal(0.5, WHY),
        "additive sd of a": half_normal(1.0, WHY),
        "proportional sd of b": half_normal(0.3, WHY),
        "additive sd of c": half_student_t(1.0, 3.0, WHY),
        "proportional sd of c": log_normal(0.2, 0.5, WHY),
        "additive sd of d": half_normal(0.5, WHY),
    }


def full_subjects() -> list[Subject]:
    generator = np.random.default_rng(5)
    found = []
    for n, sizes in enumerate(((4, 3), (5,), (2, 4), (4,))):
        occasions = []
        for size in sizes:
            names = tuple("abcd"[(n + j) % 4] for j in range(size))
            values = generator.uniform(4.0, 40.0, size)
            occasions.append(
                Occasion(FULL, np.ones(()), np.arange(size) + 0.5, names, values)
            )
        known = {"weight": 60.0 + 5 * n, "age": 30.0 + n, "sex": "fm"[n % 2]}
        found.append(Subject(f"{n}", tuple(occasions), known))
    return found


@pytest.mark.parametrize(
    "chosen",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("all", "none")]
    + ["information"],
)
def test_the_log_density_is_that_of_the_model_written_anew(chosen: str):
    made = predictor(full_model(), full_subjects())
    rule = CENTRINGS[chosen]
    hierarchy = state_hierarchy(
        made, full_priors(), start=start_of(full_model()), centring=rule and rule(made)
    )
    if chosen == "information":  # a choice of both kinds, also within one subject
        mixed = np.arange(12).reshape(4, 3) % 2 == 0
        within = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], bool)[..., None]
        centring = replace(hierarchy.centring, between=mixed, within=within)
        hierarchy = replace(hierarchy, centring=centring)
    density = compile_density(build_hierarchy(hierarchy))
    generator = np.random.default_rng(1)
    x = 0.3 * generator.standard_normal(density.size)
    x[0] = 1.4
    drawn = dict(zip(density.names, map(np.asarray, density.constrain(x)), strict=True))
    found = float(density.log_density(x))
    # PyMC has the constant of a beta prior in single precision.
    assert found == pytest.approx(
        written_anew(drawn, hierarchy.centring, density, x), abs=1e-7
    )
    direction = generator.standard_normal(density.size)
    slope = jax.jit(jax.grad(density.log_density))(x) @ direction
    step = 1e-6 * direction
    ahead, behind = (float(density.log_density(x + s)) for s in (step, -step))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)


def written_anew(drawn, centring: Centring, density, x) -> float:
    """The log-density of everything, by scipy."""
    correlations = drawn["correlation of level, slope"]
    root = np.linalg.cholesky(correlations)
    sds = np.array([drawn["sd of level"], drawn["sd of slope"]])
    factor = sds[:, None] * root
    between = np.zeros((3, 3))
    between[:2, :2] = factor @ factor.T
    between[2, 2] = drawn["sd of share"] ** 2
    diagonal = np.array([*np.diag(factor), drawn["sd of share"]])
    names = ("level", "slope", "share")
    eta = np.stack([drawn[f"effect of {n}"] for n in names], axis=1)
    normal_effects: Any = multivariate_normal
    total = normal_effects.logpdf(eta, np.zeros(3), between).sum()
    # From random effects to standard scores, where those are sampled.
    total += (np.log(diagonal) * ~centring.between).sum()
    kappa, pi = drawn["effect of level by occasion"], drawn["sd of level by occasion"]
    total += norm.logpdf(kappa, 0.0, pi).sum()
    places = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (3, 0)]
    total += sum(np.log(pi) * ~centring.within[i, k, 0] for i, k in places)
    for (i, k), occasional in zip(places, kappa, strict=True):
        total += of_values(drawn, full_subjects()[i], k, eta[i], occasional)
    half_t = {"sd of slope": (0.5, 4.0), "additive sd of c": (1.0, 3.0)}
    logs = {"sd of share": (0.5, 0.7), "proportional sd of c": (0.2, 0.5)}
    for name, prior in full_priors().items():
        value, numbers = drawn[name], prior.numbers
        if "mean" in numbers:
            total += norm.logpdf(value, numbers["mean"], numbers["sd"])
        elif name in half_t:
            scale, degrees = half_t[name]
            total += np.log(2.0) + student.logpdf(value, degrees, 0.0, scale)
        elif name in logs:
            median, spread = logs[name]
            total += lognorm.logpdf(value, spread, scale=median)
        elif "concentration" not in numbers:
            total += halfnorm.logpdf(value, scale=numbers["scale"])
        if "sd of" in name:
            total += np.log(value)  # it is sampled as its logarithm
    # p(r) = 3/4 (1 - r^2) of LKJ(2), and r as a function of what is sampled.
    total += np.log(0.75 * (1.0 - correlations[1, 0] ** 2))
    place = density.names.index("correlation of level, slope")

    def correlation(at):
        return density.constrain(at)[place][1, 0]

    slopes = np.asarray(jax.grad(correlation)(x))
    return total + np.log(np.abs(slopes).sum())


def of_values(drawn, subject: Subject, k: int, eta, occasional: float) -> float:
    known: Any = subject.covariates
    occasion = subject.occasions[k]
    level = drawn["ln level"] + eta[0] + occasional
    level += drawn["weight on level"] * np.log(known["weight"] / 70.0)
    level = np.exp(level + 0.01 * (known["age"] - 40.0))
    share = 1.0 / (1.0 + np.exp(-(np.log(0.3 / 0.7) + eta[2])))
    slope = drawn["slope"] + eta[1] + drawn["sex m on slope"] * (known["sex"] != "f")
    total = 0.0
    for time, name, y in zip(
        occasion.times_h, occasion.observables, occasion.values, strict=True
    ):
        f = (level * (1.0 + share) + slope * time) * ("abcd".index(name) + 1)
        additive = drawn.get(f"additive sd of {name}", 0.0)
        proportional = drawn.get(f"proportional sd of {name}", 0.0)
        if name == "d":
            total += lognorm.logpdf(y, additive, scale=f)
        else:
            total += norm.logpdf(y, f, np.hypot(additive, proportional * f))
    return float(total)


@pytest.mark.slow
def test_pymc_itself_gives_the_same_log_density_and_gradient():
    model = build_hierarchy(hierarchy_example.hierarchy())
    density = compile_density(model)
    x = 0.1 * np.random.default_rng(2).standard_normal(density.size)
    point = dict(zip([v.name for v in model.value_vars], density.split(x), strict=True))
    point = {name: np.asarray(value) for name, value in point.items()}
    own = model.compile_logp(mode="FAST_COMPILE")(point)
    slope = model.compile_dlogp(mode="FAST_COMPILE")(point)
    assert own == pytest.approx(float(density.log_density(x)), rel=1e-10)
    expected = np.asarray(jax.grad(density.log_density)(x))
    assert slope == pytest.approx(expected, rel=1e-8)


def test_correlations_of_a_block_have_the_density_of_lkj():
    # det(R)^(eta - 1) times a constant, as a density of the entries below the diagonal.
    size, concentration = 4, 1.7
    with pm.Model() as model:
        add_prior("correlation", lkj(concentration, WHY), size)
    density = compile_density(model)
    lower = np.tril_indices(size, -1)
    place = density.names.index("correlation")

    def entries(x):
        return density.constrain(x)[place][lower]

    found = []
    for x in np.random.default_rng(3).normal(size=(4, 6)):
        matrix = np.asarray(density.constrain(x)[place])
        assert np.diag(matrix) == pytest.approx(np.ones(size))
        stretch = np.linalg.slogdet(np.asarray(jax.jacfwd(entries)(x)))[1]
        determinant = np.linalg.slogdet(matrix)[1]
        own = float(density.log_density(x)) - stretch
        found.append(own - (concentration - 1.0) * determinant)
    assert found == pytest.approx([found[0]] * 4, abs=1e-9)


LEVEL = Response(("level",), ("y",), lambda p, given, times: given * p[:, None], True)


def level_model(between: float = 0.64, sd: float = 0.5) -> PopulationModel:
    return PopulationModel(
        "level",
        {"level": Typical(2.0, "1", Scale.IDENTITY)},
        independent({"level": between}),
        {"y": ResidualError(ErrorForm.ADDITIVE, additive=sd)},
    )


def level_subjects(sizes: list[int], seed: int, noise: float) -> list[Subject]:
    generator = np.random.default_rng(seed)
    found = []
    for n, size in enumerate(sizes):
        values = 2.0 + 0.8 * generator.normal() + noise * generator.normal(size=size)
        # All at time 0, each with the one parameter as what is predicted.
        given = np.ones((1, 1))
        occasion = Occasion(LEVEL, given, np.zeros(size), ("y",) * size, values)
        found.append(Subject(f"{n}", (occasion,)))
    return found


def test_an_effect_is_centred_where_its_values_tell_more_than_the_population():
    # Of n values the information is n / sd^2, times the variance.
    sizes = [1, 2, 3, 8, 20]
    made = predictor(level_model(0.25, 0.8), level_subjects(sizes, 1, 0.8))
    found = centre_by_information(
        made, start_of(level_model(0.25, 0.8)), np.zeros((5, 1))
    )
    expected = np.array(sizes) * 0.25 / 0.64
    assert found.gain_between[:, 0] == pytest.approx(expected, rel=1e-9)
    assert found.between[:, 0].tolist() == [False, False, True, True, True]
    assert "level: centred in 3 of 5 subjects" in str(found)
    assert "not in 0, 1" in str(found)


def test_effects_of_one_block_and_of_occasions_are_chosen_each_by_itself():
    subjects = cases.line_subjects(6, 3)
    made = predictor(cases.line_population(), subjects)
    start = start_of(cases.line_population())
    found = centre_by_information(made, start, np.zeros((6, 5)))
    root = np.linalg.cholesky(cases.BETWEEN)
    for i, subject in enumerate(subjects):
        sizes = [len(o.values) for o in subject.occasions]
        _, _, design = cases.line_moments(sizes)
        indicator = np.repeat(np.eye(len(sizes)), sizes, axis=0)
        by = np.hstack([design @ root, np.sqrt(cases.WITHIN) * indicator])
        left = np.linalg.inv(np.eye(by.shape[1]) + by.T @ by / cases.DEVIATION**2)
        gain = 1.0 / np.diag(left) - 1.0
        assert found.gain_between[i] == pytest.approx(gain[:2], rel=1e-8)
        within = found.gain_within[i, :, 0]
        assert within[: len(sizes)] == pytest.approx(gain[2:], rel=1e-8)
        assert np.isnan(within[len(sizes) :]).all()
    # The values tell the slope of one of them too little.
    assert (found.between[:, 0].sum(), found.between[:, 1].sum()) == (6, 5)


def test_a_prior_that_is_missing_or_of_no_use_is_named_with_the_remedy():
    fit = worked_example.fitted()
    priors = hierarchy_example.priors()
    for changed, message in (
        (
            {k: v for k, v in priors.items() if k != "sd of cl"},
            "sd of cl of 'oral' has",
        ),
        ({**priors, "ln cll": priors["ln cl"]}, "did you mean 'ln cl'"),
        ({**priors, "ln cl": half_normal(1.0, WHY)}, "prior of ln cl is half-normal"),
        ({**priors, "sd of ka": lkj(1.0, WHY)}, "prior of sd of ka is LKJ"),
    ):
        with pytest.raises(InputError, match=message):
            state_hierarchy(fit.predictor, changed, start=fit.vector)
    with pytest.raises(InputError, match="scale of a half-normal prior is 0"):
        half_normal(0.0, WHY)
    with pytest.raises(InputError, match="say where it comes from"):
        normal(0.0, 1.0, " ")
    with pytest.raises(InputError, match="estimates 6"):
        state_hierarchy(fit.predictor, priors, start=fit.vector[:-1])


def test_a_failed_fit_hands_out_nothing():
    fit = hierarchy_example.made_up_fit()
    failed = replace(fit, checks=replace(fit.checks, reasons=("R-hat is 1.3",)))
    assert "NOT to be trusted: R-hat is 1.3" in repr(failed)
    for read in (failed.vectors, failed.readings, failed.effects, failed.parameters):
        with pytest.raises(FitRefusedError, match=r"R-hat is 1\.3"):
            read()


def test_draws_are_read_as_focei_names_them():
    fit = hierarchy_example.made_up_fit()
    found = dict(zip(fit.names, fit.readings().T, strict=True))
    assert fit.names == names_of(fit.hierarchy.model)
    drawn = fit.draws.variables["sd of ka"].ravel()
    assert found["variance of ka"] == pytest.approx(drawn**2)
    own = fit.parameters()[:, :, 0]
    typical = np.stack([found[n] for n in ("ln ka", "ln cl", "ln v")], axis=-1)
    assert own[..., 1] - typical[:, None, 1] == pytest.approx(fit.effects()[..., 1])
    assert own[..., 2] == pytest.approx(np.repeat(typical[:, 2:], 6, axis=1))


def test_a_start_at_an_edge_is_moved_away_from_it_and_one_without_density_refused():
    fit = worked_example.fitted()
    start = fit.vector.copy()
    start[4] = -20.0  # ln sd of cl
    found = state_hierarchy(fit.predictor, hierarchy_example.priors(), start=start)
    assert np.exp(found.start[4]) == pytest.approx(0.1)  # a tenth of the prior's scale
    # A value before absorption is predicted as 0, so that its proportional error is.
    one = worked_example.subjects()[0].occasions[0]
    times = np.array([0.0, *one.times_h[1:]])
    subjects = [
        replace(s, occasions=(replace(s.occasions[0], times_h=times),))
        for s in worked_example.subjects()
    ]
    error = ResidualError(ErrorForm.PROPORTIONAL, proportional=0.1)
    model = replace(worked_example.population(), residual={"plasma": error})
    priors = hierarchy_example.priors()
    priors["proportional sd of plasma"] = priors.pop("additive sd of plasma")
    with pytest.raises((InputError, SolveError), match="where 0 is predicted"):
        state_hierarchy(predictor(model, subjects), priors, start=start_of(model))


def sample(hierarchy, seed: int = 1, draws: int = 1500) -> HierarchyFit:
    found = fit_hierarchy(hierarchy, seed=seed, draws_per_chain=draws)
    assert found.checks.passed, found.checks.reasons
    return found


def agree(draws: np.ndarray, mean: float, sd: float, name: str, tight: float = 0.1):
    """Means within a tenth of the width, and widths likewise."""
    assert abs(draws.mean() - mean) < tight * sd, (name, draws.mean(), mean, sd)
    assert draws.std() == pytest.approx(sd, rel=1.5 * tight), name


@pytest.mark.slow
@pytest.mark.parametrize("chosen", CENTRINGS)
def test_a_normal_hierarchy_has_the_posterior_of_quadrature_however_it_is_centred(
    chosen: str,
):
    subjects = level_subjects([1, 2, 2, 4, 8, 8, 16, 16], 2, 0.6)
    made = predictor(level_model(), subjects)
    priors = {
        "level": normal(1.0, 2.0, WHY),
        "sd of level": half_normal(1.0, WHY),
        "additive sd of y": half_normal(1.0, WHY),
    }
    rule = CENTRINGS[chosen]
    start = start_of(level_model(0.3, 0.6))
    hierarchy = state_hierarchy(made, priors, start=start, centring=rule and rule(made))
    if chosen == "information":
        assert 0 < hierarchy.centring.between.sum() < 8
    found = sample(hierarchy, draws=2000).draws.variables
    values = [s.occasions[0].values for s in subjects]
    expected = truths.normal_hierarchy(values, 1.0, 2.0, 1.0, 1.0)
    for name, (mean, sd) in zip(priors, expected, strict=True):
        agree(found[name], mean, sd, name)


@pytest.mark.slow
def test_an_interrupted_fit_says_so_and_the_same_call_goes_on(tmp_path):
    """Ctrl-C among the kept draws; then the same call, as if nothing had been."""
    subjects = level_subjects([1, 2, 2, 4, 8, 8, 16, 16], 2, 0.6)
    priors = {
        "level": normal(1.0, 2.0, WHY),
        "sd of level": half_normal(1.0, WHY),
        "additive sd of y": half_normal(1.0, WHY),
    }
    made = predictor(level_model(), subjects)
    hierarchy = state_hierarchy(made, priors, start=start_of(level_model(0.3, 0.6)))

    def press(done: int, total: int) -> None:
        if done > total - 700:
            raise KeyboardInterrupt

    asked: Any = {"seed": 4, "draws_per_chain": 1000, "folder": tmp_path / "draws"}
    part = fit_hierarchy(hierarchy, progress=press, **asked)
    assert part.draws.wanted_per_chain == 1000
    kept = part.draws.unconstrained.shape[1]
    assert 0 < kept < 1000
    chunks = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert any(p.suffix == ".npz" for p in chunks)
    whole = fit_hierarchy(hierarchy, **asked)
    # Every chunk is as it was: none was drawn again.
    assert all(p.stat().st_mtime_ns == then for p, then in chunks.items())
    assert whole.checks.attempts == 1, whole.checks.reasons
    assert whole.draws.wanted_per_chain is None
    assert whole.draws.unconstrained.shape[1] == 1000
    np.testing.assert_array_equal(
        whole.draws.unconstrained[:, :kept], part.draws.unconstrained
    )
    other = fit_hierarchy(hierarchy, seed=4, draws_per_chain=1000)
    np.testing.assert_array_equal(whole.draws.unconstrained, other.draws.unconstrained)


@pytest.mark.slow
def test_blocks_and_occasions_have_the_posterior_of_the_marginal_model():
    subjects = cases.line_subjects(20, 4)
    made = predictor(cases.line_population(), subjects)
    priors = {
        "level": normal(5.0, 2.0, WHY),
        "slope": normal(0.5, 2.0, WHY),
        "sd of level": half_normal(2.0, WHY),
        "sd of slope": half_normal(2.0, WHY),
        "correlation of level, slope": lkj(2.0, WHY),
        "sd of level by occasion": half_normal(2.0, WHY),
        "additive sd of y": half_normal(2.0, WHY),
    }
    start = start_of(cases.line_population())
    found = sample(state_hierarchy(made, priors, start=start)).draws.variables
    sizes = [[len(o.values) for o in s.occasions] for s in subjects]
    width = max(map(sum, sizes))
    designs = np.zeros((len(subjects), width, 2))
    alike = np.zeros((len(subjects), width, width))
    values, is_value = np.zeros((2, len(subjects), width))
    for i, (subject, own) in enumerate(zip(subjects, sizes, strict=True)):
        n = sum(own)
        occasion = np.repeat(np.arange(len(own)), own)
        designs[i, :n] = cases.line_moments(own)[2]
        alike[i, :n, :n] = occasion[:, None] == occasion[None, :]
        values[i, :n] = np.concatenate([o.values for o in subject.occasions])
        is_value[i, :n] = 1.0
    other = truths.sampled(truths.line_model, designs, alike, values, is_value > 0.0)
    pairs = {
        "level": other["mean"][:, 0],
        "slope": other["mean"][:, 1],
        "sd of level": other["spread"][:, 0],
        "sd of slope": other["spread"][:, 1],
        "sd of level by occasion": other["within"],
        "additive sd of y": other["sd"],
    }
    for name, draws in pairs.items():
        agree(found[name], draws.mean(), draws.std(), name, 0.13)
    r = found["correlation of level, slope"][..., 1, 0]
    assert r.ndim == 2
    own = other["half"] * 2.0 - 1.0
    agree(r, own.mean(), own.std(), "correlation", 0.13)


def theophylline_priors() -> dict[str, HyperPrior]:
    return {
        "ln ka": normal(0.5, 1.0, WHY),
        "ln cl": normal(1.0, 1.0, WHY),
        "ln v": normal(3.5, 1.0, WHY),
        "sd of ka": half_normal(1.0, WHY),
        "sd of cl": half_normal(1.0, WHY),
        "sd of v": half_normal(1.0, WHY),
        "additive sd of plasma": half_normal(2.0, WHY),
    }


@pytest.mark.slow
@pytest.mark.reference
def test_theophylline_has_the_posterior_of_another_program():
    rows = simulators.oral_subjects("theo_sd.csv")
    width = max(len(times) for *_, times, _ in rows)

    def padded(arrays):
        return np.array([np.pad(a, (0, width - len(a))) for a in arrays])

    is_value = padded([np.ones(len(values)) for *_, values in rows]) > 0.0
    other = truths.sampled(
        truths.oral_model,
        np.array([dose for _, dose, *_ in rows]),
        padded([times for *_, times, _ in rows]),
        padded([values for *_, values in rows]),
        is_value,
    )
    focei = fit_population(cases.theophylline(), cases.oral_subjects("theo_sd.csv"))
    hierarchy = state_hierarchy(
        focei.predictor, theophylline_priors(), start=focei.vector
    )
    fit = sample(hierarchy)
    found = fit.draws.variables
    for n, name in enumerate(("ka", "cl", "v")):
        for key, draws in (
            (f"ln {name}", other["typical"][:, n]),
            (f"sd of {name}", other["spread"][:, n]),
        ):
            agree(found[key], draws.mean(), draws.std(), key, 0.15)
    agree(found["additive sd of plasma"], other["sd"].mean(), other["sd"].std(), "sd")
    own = other["typical"][:, None, :] + other["spread"][:, None, :] * other["score"]
    ours = fit.parameters()[:, :, 0]
    off = (ours.mean(axis=0) - own.mean(axis=0)) / own.std(axis=0)
    assert np.abs(off).max() < 0.2


RATIO, RATIO_SPREAD = 0.6, 0.25


def tracer_and_therapy(count: int, seed: int) -> tuple[PopulationModel, list[Subject]]:
    """Oral kinetics whose clearance is another of the therapy, by closed form."""
    generator = np.random.default_rng(seed)
    tracer = Response(
        ("ka", "cl", "v"),
        ("plasma",),
        worked_example.oral_response().predict,
        True,
    )
    therapy = with_ratios(tracer, {"cl": "cl ratio"})
    times = np.array([0.5, 1.0, 3.0, 8.0, 24.0])
    subjects = []
    for n in range(count):
        z = generator.normal(size=4)
        ka, cl, v = np.array([1.5, 2.8, 32.0]) * np.exp([0.3, 0.2, 0.1] * z[:3])
        ratio = RATIO * np.exp(RATIO_SPREAD * z[3])
        occasions = []
        for response, own in ((tracer, cl), (therapy, ratio * cl)):
            f = simulators.oral(320.0, ka, own, v, times)
            values = f * (1.0 + 0.1 * generator.normal(size=5))
            occasions.append(
                Occasion(response, np.array(320.0), times, ("plasma",) * 5, values)
            )
        subjects.append(Subject(f"{n}", tuple(occasions)))
    model = PopulationModel(
        "tracer and therapy",
        {
            "ka": Typical(1.0, "1/h"),
            "cl": Typical(2.0, "L/h"),
            "v": Typical(30.0, "L"),
            "cl ratio": Typical(1.0, "1"),
        },
        independent({"ka": 0.1, "cl": 0.1, "v": 0.05, "cl ratio": 0.1}),
        {"plasma": ResidualError(ErrorForm.PROPORTIONAL, proportional=0.2)},
    )
    return model, subjects


@pytest.mark.slow
def test_the_ratio_of_therapy_to_tracer_and_its_spread_are_found_by_both():
    model, subjects = tracer_and_therapy(30, 7)
    focei = fit_population(model, subjects)
    estimates = dict(zip(focei.names, focei.values, strict=True))
    error = RATIO_SPREAD / np.sqrt(30)
    assert abs(estimates["ln cl ratio"] - np.log(RATIO)) < 2.5 * error
    spread = np.sqrt(estimates["variance of cl ratio"])
    assert abs(spread - RATIO_SPREAD) < 2.5 * RATIO_SPREAD / np.sqrt(60)
    priors = {
        **{f"ln {n}": normal(m, 1.0, WHY) for n, m in (("ka", 0), ("cl", 1), ("v", 3))},
        "ln cl ratio": normal(0.0, 0.7, WHY),
        **{f"sd of {n}": half_normal(0.5, WHY) for n in model.typical},
        "proportional sd of plasma": half_normal(0.3, WHY),
    }
    hierarchy = state_hierarchy(focei.predictor, priors, start=focei.vector)
    drawn = sample(hierarchy, draws=1000).draws.variables
    for name, truth in (
        ("ln cl ratio", np.log(RATIO)),
        ("sd of cl ratio", RATIO_SPREAD),
        ("ln cl", np.log(2.8)),
        ("sd of cl", 0.2),
    ):
        low, high = np.quantile(drawn[name], [0.005, 0.995])
        assert low < truth < high, name
    mean, sd = drawn["ln cl ratio"].mean(), drawn["ln cl ratio"].std()
    assert abs(mean - estimates["ln cl ratio"]) < 0.5 * sd


def test_a_ratio_multiplies_its_parameter_and_unknown_ones_are_refused():
    response = worked_example.oral_response()
    therapy = with_ratios(response, {"cl": "ratio", "v": "ratio"})
    times = np.array([1.0, 5.0, 12.0])
    at = np.array([1.2, 2.0, 20.0, 1.5])
    found = np.asarray(therapy.predict(at, 320.0, times))[:, 0]
    assert found == pytest.approx(simulators.oral(320.0, 1.2, 3.0, 30.0, times))
    with pytest.raises(InputError, match="did you mean 'cl'"):
        with_ratios(response, {"cll": "ratio"})
    with pytest.raises(InputError, match="rename it"):
        with_ratios(response, {"cl": "v"})
    with pytest.raises(InputError, match="no ratio"):
        with_ratios(response, {})
