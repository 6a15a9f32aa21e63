"""Predictions of all subjects at once, with their derivatives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.population.responses import Response  # noqa: E402
from pkmodels.population.structure import PopulationModel, Scale  # noqa: E402
from pkmodels.population.subjects import Arrangement, Group  # noqa: E402

# Half the width of the central differences of first derivatives, on a parameter's
# scale: their error is its square, and the noise of a solve divided by it.
_STEP = 1e-3


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted of every value, 0 where there is none.

    Parameters
    ----------
    values : (n_subjects, n_occasions, n_values) array
        f; ln f where the error is log-normal. NaN where a solve failed.
    slopes : (..., n_active) array
        Derivatives by the parameters that are not held (`Arrangement.active`), each on
        its scale. Empty where they were not asked for.
    curvatures : (..., n_active, n_active) array
        Second derivatives, likewise.
    """

    values: np.ndarray
    slopes: np.ndarray = field(default_factory=_nothing)
    curvatures: np.ndarray = field(default_factory=_nothing)


@dataclass(frozen=True, eq=False)
class Predictor:
    """A population model and its subjects, ready to predict.

    Parameters
    ----------
    model : PopulationModel
        The model.
    arrangement : Arrangement
        Its subjects.
    functions : tuple
        For each group a function for each number of derivatives.
    """

    model: PopulationModel
    arrangement: Arrangement
    functions: tuple[tuple[Callable[..., Any], ...], ...]

    def predict(self, parameters: np.ndarray, derivatives: int) -> Prediction:
        """Return what is predicted of every value.

        Parameters
        ----------
        parameters : (n_subjects, n_occasions, n_parameters) array
            Each on its scale.
        derivatives : int
            0, 1 or 2.

        Returns
        -------
        Prediction
        """
        made, shape = self.arrangement, self.arrangement.values.shape
        active = (len(made.active),)
        rows = parameters.reshape(-1, parameters.shape[-1])
        marks = [each.reshape(-1, shape[2]) for each in (made.is_log, made.is_value)]
        found: list[np.ndarray] = []
        for group, functions in zip(made.groups, self.functions, strict=True):
            own = (rows[group.rows], *(each[group.rows] for each in marks))
            parts = [np.asarray(part) for part in functions[derivatives](*own)]
            if len(made.groups) == 1:
                found = parts
                break
            if not found:
                found = [np.zeros((len(rows), *part.shape[1:])) for part in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[group.rows] = part
        return Prediction(
            *(part.reshape(*shape, *active * n) for n, part in enumerate(found))
        )


def predictor_of(model: PopulationModel, arrangement: Arrangement) -> Predictor:
    """Return what predicts all subjects of a population, compiled at its first use.

    Parameters
    ----------
    model : PopulationModel
        The model.
    arrangement : Arrangement
        Its subjects, `pkmodels.population.subjects.arrange`.

    Returns
    -------
    Predictor

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> from pkmodels.population.subjects import arrange
    >>> model = worked_example.population()
    >>> made = arrange(model, worked_example.subjects())
    >>> at = np.log(np.broadcast_to([1.5, 2.8, 32.0], (6, 1, 3)))
    >>> found = predictor_of(model, made).predict(at, 2)
    >>> print(found.values[0, 0].round(2), found.curvatures.shape)
    [5.15 7.36 8.39 6.85 4.83 1.3 ] (6, 1, 6, 3, 3)
    """
    scales = tuple(typical.scale for typical in model.typical.values())
    made = tuple(_functions(g, scales, arrangement.active) for g in arrangement.groups)
    return Predictor(model, arrangement, made)


def on_own_scale(parameters: Any, scales: tuple[Scale, ...]) -> Any:
    """Return parameters, given on the scales of their effects, as they are.

    Parameters
    ----------
    parameters : (..., n) array
        On the scales.
    scales : tuple of n Scale
        The scales.

    Returns
    -------
    (..., n) array of JAX

    Examples
    --------
    >>> on_own_scale(np.zeros(3), (Scale.LOG, Scale.LOGIT, Scale.IDENTITY)).tolist()
    [1.0, 0.5, 0.0]
    """
    columns = [
        jnp.exp(x) if s is Scale.LOG else jax.nn.sigmoid(x) if s is Scale.LOGIT else x
        for s, x in zip(
            scales, jnp.moveaxis(jnp.asarray(parameters), -1, 0), strict=True
        )
    ]
    return jnp.stack(columns, axis=-1)


def _functions(
    group: Group, scales: tuple[Scale, ...], active: np.ndarray
) -> tuple[Callable[..., Any], ...]:
    """Return what predicts a group with 0, 1 and 2 derivatives."""
    order = tuple(group.order.tolist())
    compiled = _compiled(group.response, scales, order, tuple(active.tolist()))
    rest = (group.given, group.times_h, group.time, group.observable)

    def batched(run: Callable[..., Any]) -> Callable[..., Any]:
        return lambda parameters, is_log, is_value: run(
            parameters[:, active], parameters, is_log, is_value, *rest
        )

    zero, first, second = map(batched, compiled)
    if not group.response.has_second_derivatives:
        second = _differences(first, active)
    return zero, first, second


@lru_cache(maxsize=64)
def _compiled(
    response: Response,
    scales: tuple[Scale, ...],
    order: tuple[int, ...],
    active: tuple[int, ...],
) -> tuple[Callable[..., Any], ...]:
    """Return functions of many runs, compiled once for all fits of a response."""

    def one(
        moved: Any,
        held: Any,
        is_log: Any,
        is_value: Any,
        given: Any,
        times: Any,
        at: Any,
        what: Any,
    ) -> Any:
        own = on_own_scale(held.at[np.array(active, int)].set(moved), scales)
        found = response.predict(own[np.array(order)], given, times)[at, what]
        # The inner choice keeps the derivative of what is not taken from being NaN.
        logs = jnp.log(jnp.where(is_log, found, 1.0))
        return jnp.where(is_value, jnp.where(is_log, logs, found), 0.0)

    def with_value(moved: Any, *rest: Any) -> Any:
        found = one(moved, *rest)
        return found, found

    def with_slopes(moved: Any, *rest: Any) -> Any:
        slopes, values = jax.jacfwd(with_value, has_aux=True)(moved, *rest)
        return slopes, (values, slopes)

    def with_curvatures(moved: Any, *rest: Any) -> Any:
        along = jax.jacfwd(with_slopes, has_aux=True)
        curvatures, (values, slopes) = along(moved, *rest)
        return values, slopes, curvatures

    wanted = (
        lambda *every: (one(*every),),
        lambda *every: with_slopes(*every)[1],
        with_curvatures,
    )
    return tuple(jax.jit(jax.vmap(function)) for function in wanted)


def _differences(first: Callable[..., Any], active: np.ndarray) -> Callable[..., Any]:
    """Return what adds second derivatives, by central differences of the first."""

    def second(parameters: np.ndarray, *marks: np.ndarray) -> Any:
        values, slopes = map(np.asarray, first(parameters, *marks))
        curvatures = np.zeros((*slopes.shape, len(active)))
        for column, place in enumerate(active):
            sides = []
            for sign in (1.0, -1.0):
                moved = parameters.copy()
                moved[:, place] += sign * _STEP
                sides.append(np.asarray(first(moved, *marks)[1]))
            curvatures[..., column] = (sides[0] - sides[1]) / (2.0 * _STEP)
        return values, slopes, (curvatures + np.swapaxes(curvatures, -1, -2)) / 2.0

    return second
