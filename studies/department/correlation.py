"""What it costs that uptake and half-life are taken as independent between patients.

    python studies/department/correlation.py

Cohorts are drawn whose ln uptake and ln half-life of an organ are correlated; what they
tell of the next patient is learnt on a grid, in closed form, without correlations. Then
next patients of the same population, whose organ is scanned never, once or twice, get
their posterior on a grid, and their TIAC is looked for in its 95 % interval. "widened":
by what `pkmodels.fitting.cohort_correlations` learns.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))

import simulated_department as department  # pyright: ignore[reportMissingImports]

from pkmodels.fitting.cohort_correlations import learn_correlations
from pkmodels.fitting.cohort_draws import CohortDraws, Component
from pkmodels.fitting.cohort_posterior import CohortPosterior
from pkmodels.fitting.cohort_predictive import predict_next
from pkmodels.fitting.reused_draws import Reuse
from pkmodels.values import Certainty, log_normal

COHORTS, EACH, MEMBERS = 60, 60, 18
MEASURED, NOISE = 0.05, 0.07  # of a member's value; of a scan with its calibration
SCANS_H = {
    "none": (), "24 h": (24.0,), "72 h": (72.0,), "120 h": (120.0,),
    "24 and 72 h": (24.0, 72.0),
}  # fmt: skip
DECAY = {"Lu-177": np.log(2.0) / 159.5, "Y-90": np.log(2.0) / 64.1}
OWN = log_normal(1.0, 1.0, "", "wide", Certainty.JUDGEMENT)
NAMES = ("uptake", "half_life")


def hyper(generator, d, count=400):
    """Draw m and t of d ~ Normal(m, t^2 + MEASURED^2), m ~ N(0, 1), t ~ HN(1)."""
    m, t = np.linspace(-1.5, 1.5, 301), np.linspace(2e-3, 1.5, 300)
    v = t**2 + MEASURED**2
    square = ((d[:, None] - m) ** 2).sum(axis=0)
    log_p = -0.5 * len(d) * np.log(v) - 0.5 * square[:, None] / v
    log_p -= 0.5 * m[:, None] ** 2 + 0.5 * t**2
    p = np.exp(log_p - log_p.max()).ravel()
    i, j = np.unravel_index(generator.choice(p.size, count, p=p / p.sum()), log_p.shape)
    return m[i], t[j]


def learn(generator, y, *, widen):
    """Return median and sd of the next patient's uptake and half-life."""
    seen = y + MEASURED * generator.standard_normal(y.shape)
    drawn = [hyper(generator, column) for column in seen.T]
    mean, sd = (np.stack(each, axis=-1) for each in zip(*drawn, strict=True))
    components = tuple(Component(name, {name: 1.0}) for name in NAMES)
    spread = MEASURED * generator.standard_normal((len(y), 200, 2))
    cohort = CohortDraws(
        dict.fromkeys(NAMES, OWN), components, tuple(map(str, range(len(y)))),
        seen[:, None] + spread, np.ones(y.shape, bool),
    )  # fmt: skip
    reuse = Reuse(np.zeros(2), np.ones(len(y)), np.zeros(2), 0.0)
    posterior = CohortPosterior(cohort, mean, sd, reuse, 1.0, 1e3, {})
    of_both = learn_correlations(posterior, [NAMES], seed=0) if widen else ()
    found = predict_next(posterior, "cohort", of_both)
    of = [found[name].prior.parameters for name in NAMES]
    return [(np.log(each["median"]), each["log_sd"]) for each in of]


UNIT = np.linspace(-4.5, 4.5, 181)


def covered(generator, given, truth, half_life_h, scans_h, label):
    """Return which of the truths lie in the 95 % interval of their TIAC."""
    u, h = (centre + sd * UNIT for centre, sd in given)
    rate = np.log(2.0) / (half_life_h * np.exp(h))
    log_prior = -0.5 * (UNIT[:, None] ** 2 + UNIT**2)
    tiac = u[:, None] - np.log(rate + DECAY[label])
    order = np.argsort(tiac.ravel())
    true_rate = np.log(2.0) / (half_life_h * np.exp(truth[:, 1]))
    true = truth[:, 0] - np.log(true_rate + DECAY[label])
    found = []
    for i, (own, k) in enumerate(zip(truth[:, 0], true_rate, strict=True)):
        log_p = log_prior
        for t in scans_h:
            seen = own - k * t + NOISE * generator.standard_normal()
            log_p = log_p - 0.5 * ((seen - u[:, None] + rate * t) / NOISE) ** 2
        p = np.exp(log_p - log_p.max()).ravel()[order]
        below = np.cumsum(p)[np.searchsorted(tiac.ravel()[order], true[i]) - 1]
        found.append(0.025 < below / p.sum() < 0.975)
    return found


def main():
    print("widened organ   rho  sd of half-life  label   " + "  ".join(SCANS_H))
    for organ in ("kidney", "spleen"):
        s = department.UPTAKE_ODDS[organ].log_sd, department.HALF_LIFE[organ].log_sd
        for rho in (-0.7, 0.0, 0.7):
            for widen in (False, True):
                one_population(organ, s, rho, widen)


def one_population(organ, s, rho, widen):
    factor = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
    hits = {(x, n): [] for x in DECAY for n in SCANS_H}
    widths = []
    for seed in range(COHORTS):
        generator = np.random.default_rng([seed, 7])
        y = generator.standard_normal((MEMBERS + EACH, 2)) @ factor.T * s
        given = learn(generator, y[:MEMBERS], widen=widen)
        widths.append(given[1][1])
        for label, name in hits:
            hits[label, name] += covered(
                generator, given, y[MEMBERS:],
                department.HALF_LIFE[organ].median, SCANS_H[name], label,
            )  # fmt: skip
    for label in DECAY:
        told = "  ".join(f"{np.mean(hits[label, n]):.3f}" for n in SCANS_H)
        print(
            f"{'yes' if widen else 'no ':7s} {organ:7s} {rho:+.1f}  "
            f"{np.mean(widths):.3f}  {label:6s}  {told}",
            flush=True,
        )


if __name__ == "__main__":
    main()
