"""Population estimation on theophylline, warfarin and a simulated saturable drug.

    python studies/population/study.py --data FOLDER

FOLDER holds theo_sd.csv and warfarin.csv of nlmixr2data, which is not part of this
project. Writes estimates.csv and likelihoods.csv, with --pages PAGES each fit's page
and tables; `figures.py` draws.
"""

import argparse
import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from pkmodels.clinic.population_page import write_population_page
from pkmodels.exact import Doses
from pkmodels.population import worked_example
from pkmodels.population.covariates import allometry
from pkmodels.population.distribution_errors import (
    DistributionErrors,
    distribution_errors,
)
from pkmodels.population.estimation import PopulationFit, fit_population
from pkmodels.population.goodness import shrinkage
from pkmodels.population.importance import sampled_likelihood
from pkmodels.population.predictive_checks import (
    PredictiveCheck,
    visual_predictive_check,
)
from pkmodels.population.responses import (
    Response,
    exact_response,
    saturable_response,
)
from pkmodels.population.simulation import simulate_values
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
    ResidualError,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject
from pkmodels.population.uncertainty import CovarianceKind, Uncertainty, uncertainty

HERE = Path(__file__).parent
SEED, REPLICATES, DRAWS = 1, 1000, 4096
ADDITIVE = ResidualError(ErrorForm.ADDITIVE, additive=1.0, unit="mg/L")
COMBINED = ResidualError(ErrorForm.COMBINED, 0.5, 0.1, unit="mg/L")
# The truth of the simulated drug: ours, near nothing that exists.
TRUE = {"vmax": 2.0, "km": 1.0, "v": 3.0}
TRUE_VARIANCES = {"vmax": 0.09, "v": 0.04}
TRUE_CV = 0.1
DOSES_NMOL = (30.0, 60.0, 90.0)
SUBJECTS = 90
SATURABLE = "michaelis_menten"


@dataclass(frozen=True, eq=False)
class Answer:
    """A fit with all that is shown of it."""

    name: str
    fit: PopulationFit
    subjects: list[Subject]
    bins: int | list[float]
    errors: Uncertainty
    sandwich: Uncertainty
    check: PredictiveCheck
    npde: DistributionErrors
    seconds: float


@cache
def oral(lag: str | None) -> Response:
    """One compartment with first-order absorption, late or not."""
    return exact_response(worked_example.oral_system(), lag=lag)


def read_subjects(path: Path, lag: str | None = None) -> list[Subject]:
    """Subjects of theo_sd.csv or warfarin.csv: mg and mg/L, since nothing saturates."""
    with path.open(encoding="utf-8") as file:
        rows = [
            {key.upper(): value for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
    rows = [row for row in rows if row.get("DVID", "cp") == "cp"]
    found = []
    for subject in dict.fromkeys(row["ID"] for row in rows):
        own = [row for row in rows if row["ID"] == subject]
        given = [row for row in own if row["EVID"] != "0"]
        seen = [row for row in own if row["EVID"] == "0"]
        doses = Doses(
            np.array([float(row["TIME"]) for row in given]),
            np.zeros(len(given)),
            np.array([float(row["AMT"]) for row in given]),
            np.float64(0.0),
        )
        occasion = Occasion(
            oral(lag),
            doses,
            np.array([float(row["TIME"]) for row in seen]),
            ("plasma",) * len(seen),
            np.array([float(row["DV"]) for row in seen]),
        )
        weight = {"weight_kg": float(own[0]["WT"])}
        found.append(Subject(subject, (occasion,), weight))
    return found


def theophylline() -> PopulationModel:
    """The model of Boeckmann, Sheiner and Beal's example, from round numbers."""
    return PopulationModel(
        "theophylline",
        {
            "ka": Typical(1.5, "1/h"),
            "cl": Typical(3.0, "L/h"),
            "v": Typical(30.0, "L"),
        },
        independent({"ka": 0.3, "cl": 0.1, "v": 0.1}),
        {"plasma": ADDITIVE},
    )


def warfarin() -> PopulationModel:
    """Absorption begins late, and clearance and volume grow with weight."""
    return PopulationModel(
        "warfarin",
        {
            "ka": Typical(1.0, "1/h"),
            "cl": Typical(0.1, "L/h"),
            "v": Typical(10.0, "L"),
            "lag": Typical(0.8, "h"),
        },
        independent({"ka": 0.4, "cl": 0.1, "v": 0.1, "lag": 0.1}),
        {"plasma": COMBINED},
        (allometry("cl", 0.75), allometry("v", 1.0)),
    )


def warfarin_as_published() -> PopulationModel:
    """The model that nlmixr2 was run with: no lag, no weight, proportional error."""
    return replace(
        warfarin(),
        name="warfarin, plain",
        typical={k: v for k, v in warfarin().typical.items() if k != "lag"},
        between=independent({"ka": 0.4, "cl": 0.1, "v": 0.1}),
        residual={
            "plasma": ResidualError(
                ErrorForm.PROPORTIONAL, proportional=0.2, unit="mg/L"
            )
        },
        covariates=(),
    )


def saturable() -> PopulationModel:
    """Michaelis-Menten elimination, started half away from the truth."""
    return PopulationModel(
        SATURABLE,
        {
            "vmax": Typical(3.0, "nmol/h"),
            "km": Typical(1.5, "nmol/L"),
            "v": Typical(2.0, "L"),
        },
        independent({"vmax": 0.2, "v": 0.2}),
        {
            "plasma": ResidualError(
                ErrorForm.PROPORTIONAL, proportional=0.2, unit="nmol/L"
            )
        },
    )


def saturable_subjects(seed: int) -> list[Subject]:
    """Simulated subjects, given 30, 60 or 90 nmol; solved by the same generated code.

    `tests/test_population_estimation.py` simulates with a closed form instead.
    """
    response = saturable_response(worked_example.saturable_system())
    generator = np.random.default_rng(seed)
    times = np.array([0.5, 2.0, 4.0, 6.0, 9.0, 12.0])
    found = []
    for n in range(SUBJECTS):
        dose = np.array([DOSES_NMOL[n % len(DOSES_NMOL)]])
        given = Doses(np.zeros(1), np.zeros(1), dose, np.float64(0.0), dose)
        own = np.array(
            [
                value * np.exp(np.sqrt(TRUE_VARIANCES.get(name, 0.0)) * z)
                for (name, value), z in zip(
                    TRUE.items(), generator.normal(size=3), strict=True
                )
            ]
        )
        f = np.asarray(response.predict(own, given, times))[:, 0]
        values = f * (1.0 + TRUE_CV * generator.normal(size=len(times)))
        one = Occasion(response, given, times, ("plasma",) * len(times), values)
        found.append(Subject(f"{n + 1}", (one,)))
    return found


def answer(
    model: PopulationModel, subjects: list[Subject], bins: int | Iterable[float]
) -> Answer:
    """Fit, and make all that is shown."""
    begun = time.perf_counter()
    fit = fit_population(model, subjects)
    seconds = time.perf_counter() - begun
    draws = simulate_values(fit, REPLICATES, seed=SEED)
    edges = bins if isinstance(bins, int) else list(bins)
    return Answer(
        name=model.name,
        fit=fit,
        subjects=subjects,
        bins=edges,
        errors=uncertainty(fit, CovarianceKind.CURVATURE),
        sandwich=uncertainty(fit, CovarianceKind.SANDWICH),
        check=visual_predictive_check(
            fit,
            "plasma",
            bins=edges,
            replicates=REPLICATES,
            seed=SEED,
            prediction_corrected=model.name == SATURABLE,
            simulated=draws,
        ),
        npde=distribution_errors(
            fit, replicates=REPLICATES, seed=SEED, simulated=draws
        ),
        seconds=seconds,
    )


def answers(data: Path) -> list[Answer]:
    """Return the three fits."""
    theo_bins = (-0.1, 0.1, 0.45, 0.8, 1.5, 2.8, 4.3, 6.0, 8.0, 10.5, 18.0, 25.0)
    warfarin_bins = (0.0, 0.75, 1.25, 1.75, 2.5, 4.5, 7.5, 10.5, 18.0, 30, 42, 60, 84,
                     108, 130)  # fmt: skip
    return [
        answer(theophylline(), read_subjects(data / "theo_sd.csv"), theo_bins),
        answer(warfarin(), read_subjects(data / "warfarin.csv", "lag"), warfarin_bins),
        answer(saturable(), saturable_subjects(SEED), 6),
    ]


def write_estimates(path: Path, found: list[Answer]) -> None:
    """Write one row for each estimate."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["drug", "estimate", "value", "se", "se_sandwich"])
        for each in found:
            rows = zip(
                each.fit.names,
                each.fit.values,
                each.errors.standard_errors,
                each.sandwich.standard_errors,
                strict=True,
            )
            for name, *numbers in rows:
                writer.writerow([each.name, name, *(f"{x:.5g}" for x in numbers)])


def write_likelihoods(path: Path, found: list[Answer], plain: PopulationFit) -> None:
    """Write objective, likelihood and diagnostics of each fit."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["drug", "quantity", "value"])
        for each in found:
            fit, npde = each.fit, each.npde
            sampled = sampled_likelihood(fit, DRAWS, seed=SEED)
            drawn = shrinkage(fit)
            constant = fit.minus_two_log_likelihood - fit.objective
            numbers = {
                "objective": fit.objective,
                "-2 ln L, FOCEI": fit.minus_two_log_likelihood,
                "-2 ln L, Laplace": fit.laplace_objective + constant,
                "-2 ln L, sampled": sampled.value,
                "-2 ln L, sampled, standard error": sampled.standard_error,
                "least effective fraction": sampled.effective_fraction.min(),
                "AIC": fit.aic,
                "BIC": fit.bic,
                "corrected BIC": fit.corrected_bic,
                "condition number": each.errors.condition_number,
                **{f"shrinkage of {k}": v for k, v in drawn.between.items()},
                "shrinkage of residuals": drawn.residual["plasma"],
                "NPDE mean": npde.mean,
                "NPDE variance": npde.variance,
                "NPDE global p": npde.p_global,
                "VPC quantiles within bands": each.check.fraction_within,
                "objectives computed": fit.evaluations,
            }
            for name, number in numbers.items():
                writer.writerow([each.name, name, f"{number:.6g}"])
        writer.writerow(["warfarin, plain", "objective", f"{plain.objective:.6g}"])
        for name, value in zip(plain.names, plain.values, strict=True):
            writer.writerow(["warfarin, plain", name, f"{value:.5g}"])


def write_pages(folder: Path, found: list[Answer]) -> None:
    """Write each fit as the page that `pkmodels.clinic` makes of any."""
    for each in found:
        write_population_page(
            folder / each.name,
            each.fit,
            each.subjects,
            kind=CovarianceKind.CURVATURE,
            bins=each.bins,
            replicates=REPLICATES,
            seed=SEED,
            logarithmic=each.name == SATURABLE,
            prediction_corrected=each.name == SATURABLE,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="nlmixr2data as CSV")
    parser.add_argument("--pages", type=Path, help="folder for each fit's page")
    asked = parser.parse_args()
    data, pages = asked.data, asked.pages
    found = answers(data)
    if pages is not None:
        write_pages(pages, found)
    plain = fit_population(
        warfarin_as_published(), read_subjects(data / "warfarin.csv")
    )
    write_estimates(HERE / "estimates.csv", found)
    write_likelihoods(HERE / "likelihoods.csv", found, plain)
    for each in found:
        print(f"{each.name}: objective {each.fit.objective:.3f}, {each.seconds:.1f} s")
        print(each.errors)
        for finding in each.fit.findings:
            print(f"  {finding}")
        npde = each.npde
        print(
            f"NPDE mean {npde.mean:.2f}, variance {npde.variance:.2f}, p "
            f"{npde.p_mean:.3f} {npde.p_variance:.3f} {npde.p_normal:.3f}, global "
            f"{npde.p_global:.3f}\n"
        )
    print(f"warfarin, plain: objective {plain.objective:.3f}, {plain.values.round(4)}")


if __name__ == "__main__":
    main()
