"""Effective draws a second of a hierarchy that is centred, not, or by information.

    python benchmarks/hierarchy.py

Simulated straight-line elimination after a bolus, of which each subject has many
values, few, or some many and some few; the chains' time without compilation, and the
least bulk effective size of typical values, standard deviations and effects.
"""

import time

import arviz as az
import numpy as np

from pkmodels.fitting.centring import centre_all, centre_none
from pkmodels.fitting.checks import check
from pkmodels.fitting.hierarchy import state_hierarchy
from pkmodels.fitting.hierarchy_fit import compile_hierarchy
from pkmodels.fitting.hierarchy_priors import HyperPrior, half_normal, normal
from pkmodels.fitting.hierarchy_starts import problem_of
from pkmodels.fitting.sampling import draw_posterior, warm_up
from pkmodels.population.coordinates import start_of
from pkmodels.population.predictions import predictor_of
from pkmodels.population.responses import Response
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
    ResidualError,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject, arrange

SUBJECTS, DRAWS, SEED = 20, 1000, 1
ERROR = 0.3
SIZES = {
    "rich": [12] * SUBJECTS,
    "sparse": [1] * SUBJECTS,
    "mixed": [12, 1] * (SUBJECTS // 2),
}
RULES = {"information": None, "all centred": centre_all, "none": centre_none}


def predict(parameters, given, times):
    cl, v = parameters
    return given / v * np.e ** (-cl / v * times)[:, None]


def population() -> PopulationModel:
    return PopulationModel(
        "bolus",
        {"cl": Typical(3.0, "L/h"), "v": Typical(30.0, "L")},
        independent({"cl": 0.09, "v": 0.04}),
        {"plasma": ResidualError(ErrorForm.LOG_NORMAL, additive=ERROR)},
    )


def priors() -> dict[str, HyperPrior]:
    why = "wide"
    return {
        "ln cl": normal(1.0, 1.0, why),
        "ln v": normal(3.5, 1.0, why),
        "sd of cl": half_normal(1.0, why),
        "sd of v": half_normal(1.0, why),
        "additive sd of plasma": half_normal(1.0, why),
    }


def subjects(sizes: list[int]) -> list[Subject]:
    response = Response(("cl", "v"), ("plasma",), predict, True)
    generator = np.random.default_rng(SEED)
    found = []
    for n, size in enumerate(sizes):
        cl, v = np.array([3.0, 30.0]) * np.exp([0.3, 0.2] * generator.normal(size=2))
        times = np.linspace(1.0, 24.0, size) if size > 1 else np.array([8.0 + n % 9])
        errors = ERROR * generator.normal(size=size)
        values = 100.0 / v * np.exp(errors - cl / v * times)
        occasion = Occasion(
            response, np.array(100.0), times, ("plasma",) * size, values
        )
        found.append(Subject(f"{n}", (occasion,)))
    return found


def main() -> None:
    head = ("data", "centring", "centred", "s", "CPU s", "least ESS", "ESS/s")
    print("".join(f"{x:>13}" for x in (*head, "ESS/CPU s", "divergences")))
    for data, sizes in SIZES.items():
        model = population()
        predictor = predictor_of(model, arrange(model, subjects(sizes)))
        for name, rule in RULES.items():
            hierarchy = state_hierarchy(
                predictor,
                priors(),
                start=start_of(model),
                centring=rule and rule(predictor),
            )
            sampler = compile_hierarchy(hierarchy, target_acceptance=0.9)
            problem = problem_of(hierarchy, sampler)
            warm_up(sampler, problem)
            clock, cpu = time.perf_counter(), time.process_time()
            drawn = draw_posterior(sampler, problem, seed=1, draws_per_chain=DRAWS)
            clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
            kept = {k: v for k, v in drawn.variables.items() if "sampled" not in k}
            sizes_of = az.ess(az.from_dict({"posterior": kept}))
            least = min(float(sizes_of[k].min()) for k in kept)
            checks = check(drawn, 0, {}, 1)
            share = hierarchy.centring.between.mean()
            row = (data, name, f"{share:.0%}", f"{clock:.1f}", f"{cpu:.1f}")
            rates = (f"{least:.0f}", f"{least / clock:.0f}", f"{least / cpu:.0f}")
            every = (*row, *rates, checks.divergences)
            print("".join(f"{x:>13}" for x in every), flush=True)


if __name__ == "__main__":
    main()
