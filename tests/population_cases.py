"""Populations for several tests: oral drugs, Michaelis-Menten, a straight line."""

from functools import cache

import numpy as np
import population_simulators as simulators

from pkmodels.exact import Doses
from pkmodels.population import worked_example
from pkmodels.population.coordinates import estimates_of, start_of
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.marginal import marginal_at
from pkmodels.population.predictions import predictor_of
from pkmodels.population.responses import (
    Response,
    exact_response,
    saturable_response,
)
from pkmodels.population.structure import (
    Block,
    ErrorForm,
    PopulationModel,
    ResidualError,
    Scale,
    Typical,
    correlated,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject, arrange

_ZERO, _NO_DECAY = np.zeros(1), np.float64(0.0)


# One each, since what is compiled belongs to a response.
@cache
def _oral_response() -> Response:
    return exact_response(worked_example.oral_system())


@cache
def _saturable_response() -> Response:
    return saturable_response(worked_example.saturable_system())


def oral_population(error: ResidualError, starts: tuple[float, ...]) -> PopulationModel:
    """Ka, cl and v vary independently."""
    ka, cl, v = starts
    return PopulationModel(
        "oral",
        {"ka": Typical(ka, "1/h"), "cl": Typical(cl, "L/h"), "v": Typical(v, "L")},
        independent({"ka": 0.3, "cl": 0.1, "v": 0.1}),
        {"plasma": error},
    )


def theophylline() -> PopulationModel:
    """Theophylline with additive error, from round numbers."""
    error = ResidualError(ErrorForm.ADDITIVE, additive=1.0)
    return oral_population(error, (1.5, 3.0, 30.0))


def oral_subjects(name: str, *, compiled: bool = False) -> list[Subject]:
    """Subjects of a table of nlmixr2data; mg, so that predictions are mg/L.

    By the compiled system or, which compiles faster, by its closed form.
    """
    response = _oral_response() if compiled else worked_example.oral_response()
    return [
        Subject(
            subject,
            (
                Occasion(
                    response,
                    Doses(_ZERO, _ZERO, np.array([dose]), _NO_DECAY)
                    if compiled
                    else np.array(dose),
                    times,
                    ("plasma",) * len(times),
                    values,
                ),
            ),
            {"weight_kg": weight},
        )
        for subject, dose, weight, times, values in simulators.oral_subjects(name)
    ]


def saturable_population() -> PopulationModel:
    """Michaelis-Menten, started away from the truth."""
    return PopulationModel(
        "michaelis_menten",
        {
            "vmax": Typical(2.5, "nmol/h"),
            "km": Typical(1.4, "nmol/L"),
            "v": Typical(2.5, "L"),
        },
        independent({"vmax": 0.15, "v": 0.1}),
        {"plasma": ResidualError(ErrorForm.COMBINED, 0.05, 0.2)},
    )


def saturable_subjects(count: int, seed: int) -> list[Subject]:
    """Simulated by a closed form, solved by ours."""
    response = _saturable_response()
    return [
        Subject(
            f"{n}",
            (
                Occasion(
                    response,
                    Doses(_ZERO, _ZERO, np.array([dose]), _NO_DECAY, np.array([dose])),
                    times,
                    ("plasma",) * len(times),
                    values,
                ),
            ),
        )
        for n, (dose, times, values) in enumerate(
            simulators.michaelis_menten_subjects(count, seed)
        )
    ]


LINE = Response(
    ("level", "slope"),
    ("y",),
    lambda parameters, given, times: (
        given * (parameters[0] + parameters[1] * times)[:, None]
    ),
    True,
)
LEVEL, SLOPE, DEVIATION = 5.0, 0.5, 0.7
BETWEEN = np.array([[1.0, 0.3], [0.3, 0.25]])
WITHIN = 0.4


def line_population(error: ResidualError | None = None) -> PopulationModel:
    """Level and slope are correlated, and the level differs by occasion: all linear."""
    return PopulationModel(
        "line",
        {
            "level": Typical(LEVEL, "1", Scale.IDENTITY),
            "slope": Typical(SLOPE, "1", Scale.IDENTITY),
        },
        (Block(("level", "slope"), tuple(map(tuple, BETWEEN.tolist()))),),
        {"y": error or ResidualError(ErrorForm.ADDITIVE, additive=DEVIATION)},
        occasions=independent({"level": WITHIN}),
    )


def line_moments(sizes: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, covariance and design of one subject's values, occasion by occasion."""
    times = np.concatenate([np.arange(n, dtype=float) for n in sizes])
    occasion = np.repeat(np.arange(len(sizes)), sizes)
    design = np.stack([np.ones_like(times), times], axis=1)
    covariance = design @ BETWEEN @ design.T + DEVIATION**2 * np.eye(len(times))
    covariance += WITHIN * (occasion[:, None] == occasion[None, :])
    return design @ np.array([LEVEL, SLOPE]), covariance, design


def line_subjects(count: int, seed: int) -> list[Subject]:
    """Subjects with one to three occasions of two to five values, from the truth."""
    generator = np.random.default_rng(seed)
    subjects = []
    for n in range(count):
        sizes = generator.integers(2, 6, size=1 + n % 3).tolist()
        mean, covariance, _ = line_moments(sizes)
        values = generator.multivariate_normal(mean, covariance)
        parts = np.split(values, np.cumsum(sizes)[:-1])
        occasions = tuple(
            Occasion(
                LINE, np.ones(()), np.arange(len(p), dtype=float), ("y",) * len(p), p
            )
            for p in parts
        )
        subjects.append(Subject(f"{n}", occasions))
    return subjects


def full_population() -> PopulationModel:
    """Oral, with a full block, used where covariances are to be seen."""
    return PopulationModel(
        "full",
        worked_example.population().typical,
        correlated({"ka": 0.3, "cl": 0.1, "v": 0.05}),
        worked_example.population().residual,
    )


def at_the_truth(model: PopulationModel, subjects: list[Subject]) -> PopulationFit:
    """A fit whose estimates are where the model starts: no estimation."""
    predictor = predictor_of(model, arrange(model, subjects))
    vector = start_of(model)
    zeros = np.zeros((len(subjects), predictor.arrangement.effects.shape[2]))
    found = marginal_at(predictor, vector, zeros)
    return PopulationFit(
        predictor=predictor,
        vector=vector,
        estimates=estimates_of(model, vector),
        objective=found.objective,
        laplace_objective=float(found.laplace.sum()),
        modes=found.modes,
        gradient=0.0,
        evaluations=1,
        failed_evaluations=0,
    )
