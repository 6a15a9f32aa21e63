"""A population from patients' own draws, held against closed forms and full models."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from pkmodels.errors import InputError
from pkmodels.fitting import cohort_posterior
from pkmodels.fitting.cohort_correlations import learn_correlations
from pkmodels.fitting.cohort_draws import CohortDraws, Member, arrange_cohort
from pkmodels.fitting.cohort_posterior import (
    LEAST_PATIENTS,
    CohortPosterior,
    learn_cohort,
)
from pkmodels.fitting.cohort_predictive import find_outliers, predict_next
from pkmodels.fitting.reused_draws import Reuse, ill_smoothed
from pkmodels.fitting.sampling import Problem, compile_sampler, draw_posterior
from pkmodels.fitting.smoothed_draws import smooth_draws, smoothed_log_likelihoods
from pkmodels.values import Certainty, half_normal, log_normal

OWN = {
    name: log_normal(median, log_sd, "h", "wide", Certainty.JUDGEMENT)
    for name, median, log_sd in (
        ("k", 60.0, 1.0),
        ("q", 2.0, 0.7),
        ("left", 60.0, 1.0),
        ("right", 60.0, 1.0),
        ("rare", 1.0, 1.0),
    )
}
PATIENTS = 15


def measured(generator, mean, sd, errors):
    """Draw patients' values and what was measured of them."""
    y = mean + sd * generator.standard_normal(len(errors))
    return y + errors * generator.standard_normal(len(errors))


def drawn(generator, d, e, n=(4, 1500)):
    """Draw the posterior of y ~ N(0, 1) with d ~ N(y, e^2) measured: closed form."""
    variance = 1.0 / (1.0 + 1.0 / e**2)
    return variance * d / e**2 + np.sqrt(variance) * generator.standard_normal(n)


def grid(d, e):
    """Return a grid of m and t with its probabilities: d ~ N(m, t^2 + e^2)."""
    m, t = np.linspace(-2.0, 2.0, 401), np.linspace(1e-3, 2.5, 250)
    of = norm.logpdf(d, m[:, None, None], np.sqrt(t[:, None] ** 2 + e**2)).sum(axis=-1)
    log_p = of + norm.logpdf(m)[:, None] + norm.logpdf(t)
    return m, t, np.exp(log_p - logsumexp(log_p))


def on_grid(d, e):
    """Return means and sds of m and of t by quadrature."""
    m, t, p = grid(d, e)
    found = []
    for x, marginal in ((m, p.sum(axis=1)), (t, p.sum(axis=0))):
        mean = marginal @ x
        found.append((mean, np.sqrt(marginal @ (x - mean) ** 2)))
    return found


SIDES = ("left", "right")
SHARED, APART, SIDE_ERROR = 0.3, 0.05, 0.1


@dataclass(frozen=True)
class Known:
    """What was measured of each component, with which error, and the draws of it."""

    d: dict
    errors: dict
    cohort: CohortDraws

    def measured(self, component):
        """Return what was measured of a component, with its error."""
        weights = component.weights
        d = sum(w * self.d[n] for n, w in weights.items())
        return d, np.sqrt(sum(w**2 * self.errors[n] ** 2 for n, w in weights.items()))


@pytest.fixture(scope="module")
def known():
    """Measured well, measured badly, two organs that are alike, and had by three."""
    generator = np.random.default_rng(7)
    errors = {"k": generator.uniform(0.05, 0.3, PATIENTS), "q": np.full(PATIENTS, 0.9)}
    d = {
        "k": measured(generator, 0.5, 0.3, errors["k"]),
        "q": measured(generator, -0.4, 0.4, errors["q"]),
    }
    both = SHARED * generator.standard_normal(PATIENTS)
    for side in SIDES:
        errors[side] = np.full(PATIENTS, SIDE_ERROR)
        d[side] = measured(generator, both, APART, errors[side])
    members = []
    for i in range(PATIENTS):
        draws = {}
        for name, prior in OWN.items():
            given = prior.parameters
            y = drawn(generator, d[name][i], errors[name][i]) if name in d else 0.0
            if name in d or i < 3:
                draws[name] = given["median"] * np.exp(given["log_sd"] * y)
        if "rare" in draws:
            draws["rare"] = np.exp(drawn(generator, 0.0, 0.2))
        members.append(Member(f"P{i}", draws))
    return Known(d, errors, arrange_cohort(members, OWN, pairs=[SIDES]))


@pytest.fixture(scope="module")
def gridded(known):
    """Draws of the population from quadrature, in the place of NUTS."""
    cohort = known.cohort.without(["rare"])
    generator = np.random.default_rng(3)
    drawn = []
    for each in cohort.components:
        m, t, p = grid(*known.measured(each))
        i, j = np.unravel_index(generator.choice(p.size, 1600, p=p.ravel()), p.shape)
        drawn.append((m[i], t[j]))
    mean, sd = (np.stack(each, axis=-1) for each in zip(*drawn, strict=True))
    nothing = np.zeros(len(cohort.components))
    reuse = Reuse(nothing, np.ones(PATIENTS), nothing, 0.0)
    return CohortPosterior(cohort, mean, sd, reuse, 1.0, 1e3, {})


def test_smoothed_draws_give_the_likelihood_of_the_closed_form(known):
    """Of a population against another: ln N(d; m, t^2 + e^2), summed over patients."""
    cohort = known.cohort.without(["rare"])
    for place, each in enumerate(cohort.components):
        d, e = known.measured(each)
        smoothed = smooth_draws(cohort.keeping([place]), seed=0)
        said, truth = [], []
        for m, t in ((0.0, 0.5), (0.3, 0.3), (-0.4, 0.6)):
            of = smoothed_log_likelihoods(smoothed, np.array([m]), np.array([t]))
            said.append(of.sum())
            truth.append(norm.logpdf(d, m, np.sqrt(t**2 + e**2)).sum())
        assert np.diff(said) == pytest.approx(np.diff(truth), abs=0.35)


@pytest.mark.slow
def test_a_population_is_that_of_the_closed_form_and_who_few_have_is_left_out(known):
    found = learn_cohort(known.cohort, seed=2, draws_per_chain=400)
    for place, each in enumerate(found.cohort.components):
        (mean, mean_sd), (sd, sd_sd) = on_grid(*known.measured(each))
        m, t = found.mean[:, place], found.sd[:, place]
        # Of the posterior's own width.
        assert abs(m.mean() - mean) < 0.15 * mean_sd
        assert abs(t.mean() - sd) < 0.15 * sd_sd
        assert m.std() == pytest.approx(mean_sd, rel=0.1)
        assert t.std() == pytest.approx(sd_sd, rel=0.15)
    assert len(found.cohort.components) == 4
    assert found.left_out == {"rare": "3 patients have it, and 8 are needed"}
    assert "rare" not in found.cohort.parameters


@pytest.mark.parametrize("name", ["k", "q"])
def test_the_next_patients_prior_is_the_mixture_and_not_narrower(gridded, name):
    place = [each.name for each in gridded.cohort.components].index(name)
    m, t = gridded.mean[:, place], gridded.sd[:, place]
    y = m + t * np.random.default_rng(0).standard_normal((200, len(m)))
    found = predict_next(gridded, "c")[name]
    given, own = found.prior.parameters, OWN[name].parameters
    x = own["median"] * np.exp(own["log_sd"] * y.ravel())
    z = np.log(x / given["median"]) / given["log_sd"]
    # 5 % are beyond 1.96 where the normal is right.
    assert 0.03 < (np.abs(z) > 1.96).mean() < 0.052
    assert np.median(z) == pytest.approx(0.0, abs=0.05)
    far = np.quantile(z, 0.995) - np.quantile(z, 0.005)
    assert found.tail_ratio == pytest.approx(far / 2 / 2.576, rel=0.03)
    assert found.patients == PATIENTS


def test_two_organs_that_are_alike_keep_the_spread_of_their_mean(known, gridded):
    """Learnt one by one, the mean of both would seem too well known by sqrt(2)."""
    of_mean = (known.d["left"] + known.d["right"]) / 2.0
    truth = np.sqrt(of_mean.var(ddof=1) - SIDE_ERROR**2 / 2.0)
    given = predict_next(gridded, "c")
    wide = [given[side].prior.parameters["log_sd"] for side in SIDES]
    assert wide[0] == pytest.approx(wide[1])
    # The mean of two independent normals of that sd; the own log_sd is 1.
    assert truth < wide[0] / np.sqrt(2.0) < 1.4 * truth
    # Each alone is wider than it is known to be, which is the price.
    alone = given["left"].spread[1]
    assert 1.2 * alone < wide[0] < 1.6 * alone


CORRELATED, COUNT = 0.8, 30


def correlated(rho):
    """Return patients whose two parameters go together, each measured with an error."""
    generator = np.random.default_rng(3)
    factor = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
    y = 0.4 * generator.standard_normal((COUNT, 2)) @ factor.T
    d = y + 0.2 * generator.standard_normal(y.shape)
    members = []
    for i in range(COUNT):
        draws = {
            name: OWN[name].parameters["median"]
            * np.exp(
                OWN[name].parameters["log_sd"] * drawn(generator, of, 0.2, (4, 400))
            )
            for name, of in zip("kq", d[i], strict=True)
        }
        members.append(Member(f"P{i}", draws))
    cohort = arrange_cohort(members, OWN)
    known = np.zeros((10, 2)), np.full((10, 2), 0.4)
    reuse = Reuse(np.zeros(2), np.ones(COUNT), np.zeros(2), 0.0)
    return d, CohortPosterior(cohort, *known, reuse, 1.0, 1e3, {})


def test_a_correlation_is_that_of_the_closed_form():
    """Of a known population: d ~ N(0, [[t^2, rho t^2], ...] + e^2)."""
    d, posterior = correlated(CORRELATED)
    [found] = learn_correlations(posterior, [("k", "q")], seed=0)
    rho = np.linspace(-0.99, 0.99, 199)
    log_p = []
    for each in rho:
        covariance = 0.4**2 * np.array([[1.0, each], [each, 1.0]]) + 0.2**2 * np.eye(2)
        inverse = np.linalg.inv(covariance)
        log_p.append(
            -0.5 * np.einsum("pi,ij,pj->", d, inverse, d)
            - 0.5 * COUNT * np.linalg.slogdet(covariance)[1]
        )
    p = np.exp(np.array(log_p) - np.max(log_p))
    p /= p.sum()
    middle, width = p @ rho, np.sqrt(p @ rho**2 - (p @ rho) ** 2)
    assert found.rho[1] == pytest.approx(middle, abs=0.5 * width)
    assert found.covariance == pytest.approx(0.4**2 * middle, abs=0.5 * 0.4**2 * width)
    assert found.rho[0] < CORRELATED < found.rho[2]


def test_a_prior_is_widened_to_hold_a_correlated_population():
    """No direction of the population is wider than the independent normals."""
    _, posterior = correlated(CORRELATED)
    both = learn_correlations(posterior, [("k", "q")], seed=0)
    plain = predict_next(posterior, "c")
    wide = predict_next(posterior, "c", both)
    sds = [
        wide[n].prior.parameters["log_sd"] / OWN[n].parameters["log_sd"] for n in "kq"
    ]
    k = both[0].covariance / 0.4**2
    for name in "kq":
        assert wide[name].widened == pytest.approx(np.sqrt(1.0 + k), rel=1e-3)
        assert plain[name].widened == 1.0
        assert wide[name].patients == COUNT
    population = np.array([[0.4**2, both[0].covariance], [both[0].covariance, 0.4**2]])
    least = np.linalg.eigvalsh(np.diag(np.square(sds)) - population).min()
    assert least > -1e-9
    before = np.linalg.eigvalsh(np.diag([0.4**2, 0.4**2]) - population).min()
    assert before < -0.5 * 0.4**2


@pytest.mark.slow
def test_who_stands_apart_is_named_and_nobody_else():
    generator = np.random.default_rng(11)
    members = []
    for i in range(12):
        y = 0.2 * generator.standard_normal() if i else 1.6
        draws = 60.0 * np.exp(drawn(generator, y, 0.1, n=(4, 500)))
        members.append(Member(f"P{i}", {"k": draws}))
    cohort = arrange_cohort(members, OWN)
    found = learn_cohort(cohort, seed=1, draws_per_chain=400)
    [outlier] = find_outliers(found, seed=1)
    assert (outlier.member, outlier.component) == ("P0", "k")
    ordinary = arrange_cohort(members[1:], OWN)
    rest = learn_cohort(ordinary, seed=1, draws_per_chain=400)
    assert find_outliers(rest, seed=1) == ()


def test_a_patient_smoothed_to_something_else_is_named_and_left_out(known, monkeypatch):
    """Where all components together cannot be held against the draws."""
    cohort = known.cohort.without(["rare"])
    assert not ill_smoothed(cohort, seed=0).any()
    y = cohort.y.copy()
    # Wider than the prior, which no likelihood makes.
    y[3, :, 2] *= 1.5 / y[3, :, 2].std()
    cohort = replace(cohort, y=y)
    ill = ill_smoothed(cohort, seed=0)
    assert np.argwhere(ill).tolist() == [[3, 2]]
    count = len(cohort.components)
    several = np.zeros((8, count)), np.full((8, count), 0.5)
    monkeypatch.setattr(cohort_posterior, "_draw", lambda *_: (*several, 1.0, 1e3))
    for variance, told in ((2.0, {"left of P3", "right of P3"}), (0.5, set())):
        reuse = Reuse(np.zeros(count), np.ones(PATIENTS), np.zeros(count), variance)
        monkeypatch.setattr(
            cohort_posterior, "look_at_reuse", lambda *_, of=reuse, **__: of
        )
        found = learn_cohort(cohort, seed=0)
        assert set(found.left_out) == told
        assert found.cohort.has[3].all() == (not told)


def test_few_patients_are_no_cohort():
    y = np.random.default_rng(5).standard_normal((LEAST_PATIENTS - 1, 4, 200))
    members = [Member(f"P{i}", {"k": np.exp(own)}) for i, own in enumerate(y)]
    with pytest.raises(InputError, match="7 patients are no cohort"):
        learn_cohort(arrange_cohort(members, OWN), seed=1)


def test_what_cannot_be_standardized_or_carried_is_refused():
    noise = {"noise": half_normal(0.1, "", "wide", Certainty.JUDGEMENT)}
    with pytest.raises(InputError, match="half-normal"):
        arrange_cohort([Member("P", {"noise": np.ones((4, 100))})], noise)
    with pytest.raises(InputError, match="has no prior"):
        arrange_cohort([Member("P", {"z": np.ones((4, 100))})], OWN)
    two = [Member("P", {name: np.ones((4, 100)) for name in ("k", "q")})]
    with pytest.raises(InputError, match="k and q are a pair with two priors"):
        arrange_cohort(two, OWN, pairs=[("k", "q")])
    stuck = np.repeat([[60.0], [61.0], [60.0], [61.0]], 200, axis=1)
    with pytest.raises(InputError, match="independent draws"):
        arrange_cohort([Member("P", {"k": stuck})], OWN)


TIMES_H = np.array([4.0, 24.0, 96.0])
LOG_ERROR = 0.15


def decay(k, q):
    """Return ln of an amplitude exp(q) that falls with the half-life 60 exp(k) h."""
    return q - np.log(2.0) * TIMES_H / 60.0 * np.exp(-k)


def alone(generator, values):
    """Draw a patient's posterior under N(0, 1) priors, exactly: on a fine grid."""
    k, q = np.meshgrid(np.linspace(-4, 4, 801), np.linspace(-4, 4, 801), indexing="ij")
    curve = decay(k[..., None], q[..., None])
    log_p = -0.5 * (k**2 + q**2) - 0.5 * (((values - curve) / LOG_ERROR) ** 2).sum(-1)
    p = np.exp(log_p - log_p.max()).ravel()
    places = generator.choice(p.size, 8000, p=p / p.sum())
    jitter = generator.uniform(-0.005, 0.005, (2, 8000))
    return np.array([k.ravel()[places], q.ravel()[places]]) + jitter


@pytest.mark.slow
def test_two_stages_give_what_one_model_of_all_patients_gives():
    """A curve that is not linear in its parameters, and every patient in one model."""
    generator = np.random.default_rng(4)
    count = 12
    truth = np.array([0.4, -0.3])[:, None] + np.array([0.35, 0.5])[:, None] * (
        generator.standard_normal((2, count))
    )
    values = decay(truth[0][:, None], truth[1][:, None])
    values = values + LOG_ERROR * generator.standard_normal(values.shape)
    unit = {n: log_normal(1.0, 1.0, "", "wide", Certainty.JUDGEMENT) for n in "kq"}
    members = []
    for i in range(count):
        k, q = np.exp(alone(generator, values[i])).reshape(2, 4, 2000)
        members.append(Member(f"P{i}", {"k": k, "q": q}))
    found = learn_cohort(arrange_cohort(members, unit), seed=1)
    with pm.Model() as model:
        mean = pm.Normal("mean", 0.0, 1.0, shape=2)
        sd = pm.HalfNormal("sd", 1.0, shape=2)
        each = mean[:, None] + sd[:, None] * pm.Normal("unit", shape=(2, count))
        slope = -np.log(2.0) * TIMES_H / 60.0
        rate: Any = pm.math.exp(-each[0])
        curve = each[1][:, None] + slope[None, :] * rate[:, None]
        pm.Normal("seen", curve, LOG_ERROR, observed=values)
    sampler = compile_sampler(model, target_acceptance=0.95)
    size = 4 + 2 * count
    whole = draw_posterior(
        sampler,
        Problem({}, (), np.zeros(size), np.full(size, 0.5)),
        seed=1,
        draws_per_chain=2000,
    )
    for name, two_stage in (("mean", found.mean), ("sd", found.sd)):
        one = whole.variables[name].reshape(-1, 2)
        # Of its own width; both are drawn, with an error of 0.03 to 0.05 of it.
        assert np.abs(two_stage.mean(0) - one.mean(0)).max() < 0.2 * one.std(0).min()
        assert two_stage.std(0) == pytest.approx(one.std(0), rel=0.15)
