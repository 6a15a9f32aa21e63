"""A worked example for the doctests of this package: small systems and subjects.

The numbers are round ones near those of oral theophylline (Upton et al., in Boeckmann,
Sheiner and Beal, NONMEM Users Guide part V, 1994); values are made by hand.
"""

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from pkmodels.definition import Model
from pkmodels.exact import ExactSystem, compile_exactly
from pkmodels.kernels.problem import Controls
from pkmodels.population.estimation import PopulationFit, fit_population
from pkmodels.population.responses import Response
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
    ResidualError,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject
from pkmodels.reactions import flow
from pkmodels.saturable import SaturableSystem, compile_saturable
from pkmodels.schedule import ScheduleForm
from pkmodels.symbols import Parameter, amounts
from pkmodels.system import assemble


@cache
def oral_system() -> ExactSystem:
    """Return one compartment with first-order absorption.

    Returns
    -------
    ExactSystem

    Examples
    --------
    >>> oral_system().parameters
    ('ka', 'cl', 'v')
    """
    depot, central = amounts("depot central", unit="nmol")
    ka, cl, v = Parameter("ka", "1/h"), Parameter("cl", "L/h"), Parameter("v", "L")
    model = Model(
        "oral",
        (
            flow("absorption", depot, central, ka * depot),
            flow("elimination", central, None, cl / v * central),
        ),
        {"oral": depot},
        {"plasma": central / v},
    )
    return compile_exactly(assemble(model, ScheduleForm((("drug", "oral"),))))


@cache
def saturable_system() -> SaturableSystem:
    """Return one compartment with Michaelis-Menten elimination.

    Returns
    -------
    SaturableSystem

    Examples
    --------
    >>> saturable_system().parameters
    ('vmax', 'km', 'v')
    """
    (central,) = amounts("central", unit="nmol")
    vmax, km = Parameter("vmax", "nmol/h"), Parameter("km", "nmol/L")
    v = Parameter("v", "L")
    rate = vmax * central / (km * v + central)
    model = Model(
        "michaelis_menten",
        (flow("elimination", central, None, rate),),
        {"intravenous": central},
        {"plasma": central / v},
    )
    tight = Controls(relative=1e-9, absolute=1e-13)
    names = ("vmax", "km", "v")
    return compile_saturable(model, "drug", names, {}, infusions=False, controls=tight)


@cache
def oral_response() -> Response:
    """Return the closed form of `oral_system`, which compiles faster, after a bolus.

    Returns
    -------
    Response
        `given` is the dose.

    Examples
    --------
    >>> at, times = np.array([1.5, 2.8, 32.0]), np.array([2.0, 24.0])
    >>> print(oral_response().predict(at, 320.0, times).round(3)[:, 0])
    [8.386 1.3  ]
    """

    def predict(parameters: Any, given: Any, times: Any) -> Any:
        ka, cl, v = parameters
        gone = jnp.exp(-cl / v * times) - jnp.exp(-ka * times)
        return (given * ka / (v * ka - cl) * gone)[:, None]

    return Response(("ka", "cl", "v"), ("plasma",), predict, True)


def population() -> PopulationModel:
    """Return a population of `oral_system` in which ka and cl vary.

    Returns
    -------
    PopulationModel

    Examples
    --------
    >>> sorted(population().typical)
    ['cl', 'ka', 'v']
    """
    return PopulationModel(
        "oral",
        {
            "ka": Typical(1.5, "1/h"),
            "cl": Typical(2.8, "L/h"),
            "v": Typical(32.0, "L"),
        },
        independent({"ka": 0.3, "cl": 0.1}),
        {"plasma": ResidualError(ErrorForm.ADDITIVE, additive=0.5, unit="mg/L")},
    )


def subjects() -> tuple[Subject, ...]:
    """Return six subjects, 320 mg each, with values made by hand, mg/L.

    Returns
    -------
    tuple of Subject

    Examples
    --------
    >>> len(subjects())
    6
    """
    response = oral_response()
    dose = np.array(320.0)
    times = np.array([0.5, 1.0, 2.0, 5.0, 9.0, 24.0])
    values = (
        (5.6, 8.1, 8.9, 6.9, 5.1, 1.6),
        (3.0, 5.2, 7.6, 7.4, 5.4, 1.1),
        (7.4, 8.6, 8.2, 6.7, 4.2, 1.4),
        (2.6, 4.1, 6.6, 7.5, 6.3, 2.9),
        (4.9, 7.3, 7.7, 5.2, 3.1, 0.6),
        (3.7, 6.6, 8.1, 7.3, 5.6, 2.1),
    )
    return tuple(
        Subject(
            f"{n}",
            (Occasion(response, dose, times, ("plasma",) * 6, np.array(row)),),
        )
        for n, row in enumerate(values, start=1)
    )


@cache
def fitted() -> PopulationFit:
    """Return the example fitted.

    Returns
    -------
    PopulationFit

    Examples
    --------
    >>> fitted().findings
    ()
    """
    return fit_population(population(), subjects())
