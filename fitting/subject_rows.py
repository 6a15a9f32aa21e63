"""All subjects' predictions as one differentiable function of all their parameters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.population.predictions import Predictor


def subject_rows(predictor: Predictor) -> Callable[[Any], Any]:
    """Return what is predicted of every value, as a JAX function of one vector.

    Its derivative comes from the responses' first forward derivatives, which every
    response has; one solve gives both.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.

    Returns
    -------
    callable
        ``rows(active) -> (n_values,)``: f of each value, ln f where its error is
        log-normal, subject by subject; NaN where a solve failed. ``active`` is
        (n_subjects * n_occasions * n_active,), each on its scale: what
        `Arrangement.active` lists, subject by subject.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> rows = subject_rows(fit.predictor)
    >>> at = fit.modes.local.parameters[..., fit.predictor.arrangement.active].ravel()
    >>> print(rows(at)[:3].round(2), jax.grad(lambda x: rows(x)[0])(at)[:3].round(2))
    [5.79 7.9  8.6 ] [ 3.54 -0.13 -5.66]
    """
    made = predictor.arrangement
    n_values = made.values.shape[2]
    held = made.fixed.reshape(-1, made.fixed.shape[-1])
    marks = [each.reshape(-1, n_values) for each in (made.is_log, made.is_value)]
    places = np.flatnonzero(made.is_value)

    def predict(active: Any, derivatives: int) -> tuple[Any, ...]:
        moved = jnp.reshape(active, (len(held), len(made.active)))
        parameters = jnp.asarray(held).at[:, made.active].set(moved)
        shapes = [(len(held), n_values, *moved.shape[1:] * n) for n in range(2)]
        found = [jnp.zeros(shape) for shape in shapes[: derivatives + 1]]
        for group, functions in zip(made.groups, predictor.functions, strict=True):
            own = (parameters[group.rows], *(each[group.rows] for each in marks))
            parts = functions[derivatives](*own)
            found = [
                whole.at[group.rows].set(part)
                for whole, part in zip(found, parts, strict=True)
            ]
        return tuple(found)

    @jax.custom_jvp
    def rows(active: Any) -> Any:
        return predict(active, 0)[0].reshape(-1)[places]

    @rows.defjvp
    def along(primals: Any, tangents: Any) -> Any:
        values, slopes = predict(primals[0], 1)
        moved = tangents[0].reshape(len(held), 1, len(made.active))
        changes = (slopes * moved).sum(axis=-1)
        return values.reshape(-1)[places], changes.reshape(-1)[places]

    return rows
