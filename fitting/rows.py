"""Rows under the model: how likely each measured value is, and values drawn anew.

Both are evaluated by the distributions of the PyMC model itself, for all draws at once
and without a solve, since a draw holds the expected value of each row already.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
from pymc.pytensorf import reseed_rngs
from pytensor.compile.maker import function
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import tensor

# Terms of the logarithm of a value, and those of a limit that was not reached.
LOG, BELOW = "log_value", "_below"


def term_rows(model: pm.Model) -> dict[str, np.ndarray]:
    """Return which rows of the measurements each observed variable holds.

    Parameters
    ----------
    model : pymc.Model
        From `pkmodels.fitting.posterior.build_model`; what a user added to it has no
        rows and is left out.

    Returns
    -------
    dict of str to (n,) array of int
        By name of the variable.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.posterior import build_model
    >>> term_rows(build_model(worked_example.posterior()))
    {'log_value': array([0, 1, 2])}
    """
    names = [str(variable.name) for variable in model.observed_RVs]
    found = {name: model.coords.get(f"{name}_row") for name in names}
    return {name: np.asarray(rows) for name, rows in found.items() if rows is not None}


def log_likelihoods(model: pm.Model, variables: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return ln of the density of each measured value, under each draw.

    It is the density of the value itself: of a log-normal row ln p(ln y) - ln y, so
    that rows, and models of other noise, may be compared. A row below its limit of
    quantification has ln of the probability of that.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    variables : mapping of str to (n_draws, ...) array
        Draws of every variable that the rows hang on, ``expected`` among them.

    Returns
    -------
    (n_draws, n_rows) array

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.posterior import build_model
    >>> model = build_model(worked_example.posterior())
    >>> draw = {"expected": np.array([[70.0, 35.0, 16.0]])}  # as measured
    >>> draw["relative_noise"] = np.array([[0.05]])
    >>> log_likelihoods(model, draw).round(3)  # -ln(sqrt(2 pi) 0.051 y)
    array([[-2.191, -1.498, -0.715]])
    """
    rows = term_rows(model)
    terms = [pm.logp(model[name], _measured(model, name)) for name in rows]
    found = _evaluated(model, terms, variables)
    for name, part in zip(rows, found, strict=True):
        if name == LOG:
            part -= _measured(model, name).eval(mode="FAST_COMPILE")
    return _in_order(model, rows, found)


def draw_rows(
    model: pm.Model, variables: Mapping[str, np.ndarray], seed: int
) -> np.ndarray:
    """Draw a measured value of each row anew, for each draw.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    variables : mapping of str to (n_draws, ...) array
        Draws of every variable that the rows hang on, ``expected`` among them.
    seed : int
        Repeats the values, >= 0.

    Returns
    -------
    (n_draws, n_rows) array
        In each row's unit. A row with a limit of quantification is at it where the
        value drawn is below.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.posterior import build_model
    >>> model = build_model(worked_example.posterior())
    >>> draws = {"expected": np.full((1000, 3), 50.0)}
    >>> draws["relative_noise"] = np.full((1000, 1), 0.1)
    >>> drawn = draw_rows(model, draws, seed=0)
    >>> drawn.shape, float(np.log(drawn).std().round(2))
    ((1000, 3), 0.1)
    """
    rows = term_rows(model)
    found = _evaluated(model, [model[name] for name in rows], variables, seed)
    for name, part in zip(rows, found, strict=True):
        if name.startswith(LOG):
            np.exp(part, out=part)
    return _in_order(model, rows, found)


def _measured(model: pm.Model, name: str) -> Any:
    return model.rvs_to_values[model[name]]


def _in_order(
    model: pm.Model, rows: Mapping[str, np.ndarray], parts: list[np.ndarray]
) -> np.ndarray:
    """Return the terms' rows as one array, in the order of the measurements."""
    places = np.concatenate(list(rows.values()))
    every = np.concatenate(parts, axis=1)
    return every[:, np.argsort(places)]


def _evaluated(
    model: pm.Model,
    outputs: list[Any],
    variables: Mapping[str, np.ndarray],
    seed: int | None = None,
) -> list[np.ndarray]:
    """Evaluate graphs for all draws at once; by NumPy, since compiling takes longer."""
    named = {str(v.name): v for v in (*model.free_RVs, *model.deterministics)}
    given = {name: named[name] for name in variables if name in named}
    count = len(next(iter(variables.values())))
    many = {
        name: tensor(name, dtype=v.type.dtype, shape=(count, *v.type.shape))
        for name, v in given.items()
    }
    replaced: Any = {given[name]: many[name] for name in given}
    graphs: Any = vectorize_graph(outputs, replace=replaced)
    generators = [
        v
        for v in ancestors(graphs)
        if isinstance(v, SharedVariable) and isinstance(v.type, RandomType)
    ]
    if seed is not None:
        reseed_rngs(generators, seed)
    evaluate = function(
        list(many.values()), graphs, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    found: Any = evaluate(*(np.asarray(variables[name], dtype=float) for name in many))
    return [
        np.array(np.broadcast_to(part, (count, np.shape(part)[-1])), dtype=float)
        for part in found
    ]
