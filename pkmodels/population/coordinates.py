"""Coordinates: all that is estimated as one vector, and back, with derivatives.

The vector holds typical values on their scales and covariate coefficients; of each
block of random effects the Cholesky factor L of its covariance L L', row by row, the
diagonal as logs; and logs of the residual standard deviations.
"""

from dataclasses import dataclass

import numpy as np

from pkmodels.population.structure import (
    Block,
    PopulationModel,
    Scale,
    effects_of,
)

_MARK = {Scale.LOG: "ln ", Scale.LOGIT: "logit ", Scale.IDENTITY: ""}


@dataclass(frozen=True, eq=False)
class Estimates:
    """What is estimated, each as it is read.

    Parameters
    ----------
    coefficients : (n_coefficients,) array
        Typical values that are estimated, on their scales, and covariate coefficients.
    between, within : (n, n) arrays
        Covariances of random effects between subjects, Omega, and between occasions.
    additive, proportional : (n_observables,) arrays
        a and b of each residual error; 0 where the form has none.
    """

    coefficients: np.ndarray
    between: np.ndarray
    within: np.ndarray
    additive: np.ndarray
    proportional: np.ndarray


def coefficient_names(model: PopulationModel) -> tuple[str, ...]:
    """Return what the coefficients are called.

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> coefficient_names(worked_example.population())
    ('ln ka', 'ln cl', 'ln v')
    """
    typical = [
        f"{_MARK[each.scale]}{name}"
        for name, each in model.typical.items()
        if each.estimated
    ]
    effects = [effect.name for effect in model.covariates if effect.estimated]
    return (*typical, *effects)


def names_of(model: PopulationModel) -> tuple[str, ...]:
    """Return the names of what is estimated, as it is read (`readings_of`).

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    tuple of str
        Coefficients, variances and covariances, standard deviations of residuals.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> names_of(worked_example.population())[3:]
    ('variance of ka', 'variance of cl', 'additive sd of plasma')
    """
    names = list(coefficient_names(model))
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            for i, one in enumerate(block.parameters):
                for other in block.parameters[:i]:
                    names.append(f"covariance of {other} and {one}{ending}")
                names.append(f"variance of {one}{ending}")
    for name, error in model.residual.items():
        names += [f"additive sd of {name}"] if error.additive else []
        names += [f"proportional sd of {name}"] if error.proportional else []
    return tuple(names)


def start_of(model: PopulationModel) -> np.ndarray:
    """Return where estimation starts.

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    (n,) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> print(start_of(worked_example.population()).round(3))
    [ 0.405  1.03   3.466 -0.602 -1.151 -0.693]
    """
    found = [t.on_scale for t in model.typical.values() if t.estimated]
    found += [effect.coefficient for effect in model.covariates if effect.estimated]
    for block in (*model.between, *model.occasions):
        factor = np.linalg.cholesky(np.array(block.covariance))
        rows, columns = np.tril_indices(len(factor))
        entries = factor[rows, columns]
        entries[rows == columns] = np.log(entries[rows == columns])
        found += entries.tolist()
    for error in model.residual.values():
        found += [np.log(x) for x in (error.additive, error.proportional) if x]
    return np.array(found)


def estimates_of(model: PopulationModel, vector: np.ndarray) -> Estimates:
    """Return a vector as it is read.

    Parameters
    ----------
    model : PopulationModel
        The model.
    vector : (n,) array
        As of `start_of`.

    Returns
    -------
    Estimates

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> model = worked_example.population()
    >>> print(estimates_of(model, start_of(model)).between.round(3))
    [[0.3 0. ]
     [0.  0.1]]
    """
    count = len(coefficient_names(model))
    at = count
    covariances = []
    for blocks in (model.between, model.occasions):
        size = len(effects_of(blocks))
        whole, first = np.zeros((size, size)), 0
        for block in blocks:
            factor, at = _factor(block, vector, at)
            here = slice(first, first + len(factor))
            whole[here, here] = factor @ factor.T
            first += len(factor)
        covariances.append(whole)
    spread = np.zeros((2, len(model.residual)))
    for column, error in enumerate(model.residual.values()):
        for row, value in enumerate((error.additive, error.proportional)):
            if value:
                spread[row, column] = np.exp(vector[at])
                at += 1
    return Estimates(vector[:count], *covariances, *spread)


def readings_of(model: PopulationModel, vector: np.ndarray) -> np.ndarray:
    """Return a vector as the numbers that `names_of` names.

    Parameters
    ----------
    model : PopulationModel
        The model.
    vector : (n,) array
        As of `start_of`.

    Returns
    -------
    (n,) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> model = worked_example.population()
    >>> print(readings_of(model, start_of(model)).round(3))
    [0.405 1.03  3.466 0.3   0.1   0.5  ]
    """
    estimates = estimates_of(model, vector)
    found = [estimates.coefficients]
    pairs = ((model.between, estimates.between), (model.occasions, estimates.within))
    for blocks, whole in pairs:
        first = 0
        for block in blocks:
            size = len(block.parameters)
            part = whole[first : first + size, first : first + size]
            found.append(part[np.tril_indices(size)])
            first += size
    spread = np.stack([estimates.additive, estimates.proportional], axis=1).ravel()
    found.append(spread[spread > 0.0])
    return np.concatenate(found)


def gradient_of(
    model: PopulationModel,
    vector: np.ndarray,
    coefficients: np.ndarray,
    between: np.ndarray,
    within: np.ndarray,
    additive: np.ndarray,
    proportional: np.ndarray,
) -> np.ndarray:
    """Return derivatives by the vector, of derivatives by what is read.

    Parameters
    ----------
    model : PopulationModel
        The model.
    vector : (n,) array
        Where.
    coefficients : (n_subjects, n_coefficients) array
        Derivatives by the coefficients, of each subject.
    between, within : (n_subjects, n, n) arrays
        By the covariances, each entry taken as free; symmetric.
    additive, proportional : (n_subjects, n_observables) arrays
        By the logs of a and b.

    Returns
    -------
    (n_subjects, n) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> model = worked_example.population()
    >>> no, one, spread = np.zeros((1, 3)), np.eye(2)[None], np.zeros((1, 1))
    >>> by = (no, one, one[:, :0, :0], spread, spread)
    >>> found = gradient_of(model, start_of(model), *by)
    >>> print(found.round(3))  # of the sum of variances, by the logs of their roots
    [[0.  0.  0.  0.6 0.2 0. ]]
    """
    at = coefficients.shape[1]
    found = [coefficients]
    for blocks, by in ((model.between, between), (model.occasions, within)):
        first = 0
        for block in blocks:
            factor, at = _factor(block, vector, at)
            here = slice(first, first + len(factor))
            by_factor = 2.0 * by[:, here, here] @ factor
            rows, columns = np.tril_indices(len(factor))
            entries = by_factor[:, rows, columns]
            entries[:, rows == columns] *= np.diag(factor)
            found.append(entries)
            first += len(factor)
    for column, error in enumerate(model.residual.values()):
        found += [additive[:, [column]]] if error.additive else []
        found += [proportional[:, [column]]] if error.proportional else []
    return np.concatenate(found, axis=1)


def _factor(block: Block, vector: np.ndarray, at: int) -> tuple[np.ndarray, int]:
    """Return the Cholesky factor of a block, and where the next one's entries begin."""
    size = len(block.parameters)
    rows, columns = np.tril_indices(size)
    factor = np.zeros((size, size))
    factor[rows, columns] = vector[at : at + len(rows)]
    diagonal = np.arange(size)
    factor[diagonal, diagonal] = np.exp(factor[diagonal, diagonal])
    return factor, at + len(rows)
