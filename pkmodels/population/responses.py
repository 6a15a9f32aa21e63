"""Responses: what a compiled system predicts of a subject, for batches of subjects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.errors import InputError, suggest  # noqa: E402
from pkmodels.exact import Doses, ExactSystem  # noqa: E402
from pkmodels.saturable import SaturableSystem  # noqa: E402


@dataclass(frozen=True, eq=False)
class Response:
    """What is predicted of one subject on one occasion, as a JAX function.

    Parameters
    ----------
    parameters : tuple of str
        Structural parameters, in the order of the vectors.
    observables : tuple of str
        What is predicted.
    predict : callable
        ``predict(parameters, given, times) -> (n_times, n_observables)``; `given` is a
        pytree of arrays, such as `Doses`. It works under jit and vmap, and jacfwd gives
        its first derivatives.
    has_second_derivatives : bool
        Whether jacfwd of jacfwd does, too. Otherwise they are taken by central
        differences of the first ones.
    """

    parameters: tuple[str, ...]
    observables: tuple[str, ...]
    predict: Callable[[Any, Any, Any], Any]
    has_second_derivatives: bool


def exact_response(compiled: ExactSystem, *, lag: str | None = None) -> Response:
    """Return the response of a linear system to `Doses`.

    Parameters
    ----------
    compiled : ExactSystem
        The system.
    lag : str or None
        Name of one more parameter, h, by which all doses arrive later.

    Returns
    -------
    Response
        With `Doses` of mass and a decay constant of 0, masses: the system is linear.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> response = exact_response(worked_example.oral_system())
    >>> dose = Doses(np.zeros(1), np.zeros(1), np.array([320.0]), 0.0)  # mg
    >>> at = np.array([1.5, 2.8, 32.0])  # ka 1/h, cl L/h, v L
    >>> print(response.predict(at, dose, np.array([2.0, 24.0])).round(3)[:, 0])  # mg/L
    [8.386 1.3  ]
    """
    names = compiled.parameters if lag is None else (*compiled.parameters, lag)
    if len(set(names)) != len(names):
        raise InputError(f"the lag {lag!r} is a parameter of the system: rename it")

    def predict(parameters: Any, doses: Doses, times: Any) -> Any:
        own = parameters if lag is None else parameters[:-1]
        if lag is not None:
            doses = doses._replace(start_h=jnp.asarray(doses.start_h) + parameters[-1])
        return compiled.solve(own, doses, times) @ compiled.observe(own).T

    return Response(names, tuple(compiled.system.observables), predict, True)


def saturable_response(compiled: SaturableSystem) -> Response:
    """Return the response of a saturable system to `Doses` of one administration.

    Parameters
    ----------
    compiled : SaturableSystem
        The system, of one administration. Compile it with tight controls: the
        objective is as smooth as the solve.

    Returns
    -------
    Response
        With an activity equal to the amount of ligand and a decay constant of 0 it is
        of the ligand itself, nmol.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> response = saturable_response(worked_example.saturable_system())
    >>> dose = Doses(np.zeros(1), np.zeros(1), np.full(1, 9.0), 0.0, np.full(1, 9.0))
    >>> at = np.array([2.0, 1.0, 3.0])  # vmax nmol/h, km nmol/L, v L
    >>> print(response.predict(at, dose, np.array([0.0, 3.0])).round(3)[:, 0])  # nmol/L
    [3.    1.618]
    """

    def predict(parameters: Any, doses: Doses, times: Any) -> Any:
        found = compiled.solve(parameters, doses, times)
        return found @ compiled.observe(parameters).T

    names = tuple(compiled.system.observables)
    return Response(compiled.parameters, names, predict, False)


def course_response(compiled: SaturableSystem, label: str) -> Response:
    """Return the response of a saturable system to all that is given to a subject.

    Parameters
    ----------
    compiled : SaturableSystem
        The system, of any schedule.
    label : str
        The label that is measured.

    Returns
    -------
    Response
        `given` is ``compiled.given(schedule)``.

    Raises
    ------
    InputError
        When the label is not given.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> course_response(worked_example.saturable_system(), "Lu-177").observables
    ('plasma',)
    """
    known = compiled.schedule.labels
    if label not in known:
        raise InputError(f"no {label!r} is given: {suggest(label, known)}")
    place = known.index(label)

    def predict(parameters: Any, given: Any, times: Any) -> Any:
        found = compiled.solve_labels(parameters, given, times)[place]
        return found @ compiled.observe(parameters).T

    names = tuple(compiled.system.observables)
    return Response(compiled.parameters, names, predict, False)


def in_unit(response: Response, factors: dict[str, float]) -> Response:
    """Return a response whose observables are in other units.

    Parameters
    ----------
    response : Response
        The response.
    factors : dict of str to float
        What each observable is multiplied by, > 0; others stay.

    Returns
    -------
    Response

    Raises
    ------
    InputError
        When an observable is unknown, or a factor not above 0.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> response = exact_response(worked_example.oral_system())
    >>> in_unit(response, {"plasma": 1e3}).observables
    ('plasma',)
    """
    for name, factor in factors.items():
        if name not in response.observables or not factor > 0.0:
            raise InputError(
                f"the factor of {name!r} is {factor}: factors are above 0, of "
                f"{', '.join(response.observables)}"
            )
    by = np.array([factors.get(name, 1.0) for name in response.observables])

    def predict(parameters: Any, given: Any, times: Any) -> Any:
        return response.predict(parameters, given, times) * by

    return replace(response, predict=predict)


def with_ratios(response: Response, ratios: Mapping[str, str]) -> Response:
    """Return a response in which parameters are multiplied by ratios.

    Used on the occasions of another tracer of the same target: the tracer's occasions
    have the response, the therapy's have this one, and the ratio, on the log scale with
    a random effect between subjects, says how much the therapy's parameter is of the
    tracer's. Make it once and share it, since what is compiled belongs to a response.

    Parameters
    ----------
    response : Response
        The response.
    ratios : mapping of str to str
        For each parameter that is multiplied, the name of the ratio; parameters may
        share one.

    Returns
    -------
    Response
        With the ratios as further parameters.

    Raises
    ------
    InputError
        When a parameter is unknown, a ratio is named as one of them, or there is none.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> therapy = with_ratios(worked_example.oral_response(), {"cl": "cl ratio"})
    >>> therapy.parameters
    ('ka', 'cl', 'v', 'cl ratio')
    >>> at, times = np.array([1.5, 2.0, 32.0, 1.4]), np.array([2.0, 24.0])
    >>> print(therapy.predict(at, 320.0, times).round(3)[:, 0])  # of cl = 2.8
    [8.386 1.3  ]
    """
    known = response.parameters
    for name, ratio in ratios.items():
        if name not in known:
            raise InputError(f"a ratio of {name!r}: {suggest(name, known)}")
        if ratio in known:
            raise InputError(
                f"the ratio of {name!r} is named {ratio!r}, which is a parameter of "
                "the response: rename it"
            )
    if not ratios:
        raise InputError("no ratio is named: use the response itself")
    names = tuple(dict.fromkeys(ratios.values()))
    count = len(known)
    # Of each parameter, the place of what it is multiplied by; of most, a 1.
    places = np.array(
        [
            count + names.index(ratios[n]) if n in ratios else count + len(names)
            for n in known
        ]
    )

    def predict(parameters: Any, given: Any, times: Any) -> Any:
        one = jnp.ones(1, dtype=jnp.asarray(parameters).dtype)
        factors = jnp.concatenate([jnp.asarray(parameters), one])[places]
        return response.predict(parameters[:count] * factors, given, times)

    return replace(response, parameters=(*known, *names), predict=predict)
