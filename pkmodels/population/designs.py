"""Designs: what makes a subject's parameters of coefficients and random effects."""

from collections.abc import Mapping

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.population.covariates import check_categories, check_told_apart
from pkmodels.population.structure import PopulationModel, effects_of


def check_effects(model: PopulationModel, design: np.ndarray) -> None:
    """Refuse estimated effects on a parameter that these subjects cannot tell.

    Parameters
    ----------
    model : PopulationModel
        The model.
    design : (n_subjects, n_occasions, n_parameters, n_coefficients) array
        From `design_of` of each.

    Raises
    ------
    InputError
        When a covariate never varies, or several vary only together.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> model = worked_example.population()
    >>> check_effects(model, np.ones((2, 1, 3, 3)))
    """
    free = [effect for effect in model.covariates if effect.estimated]
    first = design.shape[-1] - len(free)
    for at, (name, typical) in enumerate(model.typical.items()):
        own = [n for n, effect in enumerate(free) if effect.parameter == name]
        if own:
            columns = design[:, :, at, first:][..., own]
            check_told_apart(
                name,
                [free[n].name for n in own],
                columns.reshape(-1, len(own)),
                typical=typical.estimated,
            )


def design_of(
    model: PopulationModel, covariates: Mapping[str, float | str], subject: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what makes a subject's typical parameters of the coefficients.

    Parameters
    ----------
    model : PopulationModel
        The model.
    covariates : mapping of str to float or str
        The subject's.
    subject : str
        Whose, for messages.

    Returns
    -------
    fixed : (n_parameters,) array
        What is not estimated of each parameter, on its scale.
    design : (n_parameters, n_coefficients) array
        What the estimated typical values and coefficients are multiplied by.

    Raises
    ------
    InputError
        When a covariate is missing, or does not suit its effect.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> design_of(worked_example.population(), {}, "1")[1].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    names = list(model.typical)
    estimated = [name for name in names if model.typical[name].estimated]
    free = [effect for effect in model.covariates if effect.estimated]
    fixed = np.zeros(len(names))
    design = np.zeros((len(names), len(estimated) + len(free)))
    for at, (name, typical) in enumerate(model.typical.items()):
        if typical.estimated:
            design[at, estimated.index(name)] = 1.0
        else:
            fixed[at] = typical.on_scale
    for effect in model.covariates:
        at = names.index(effect.parameter)
        if effect.covariate not in covariates:
            raise InputError(
                f"subject {subject} has no {effect.covariate!r}, which acts on "
                f"{effect.parameter}: {suggest(effect.covariate, covariates)}"
            )
        check_categories(model.covariates, covariates, subject)
        by = effect.regressor(covariates[effect.covariate], subject)
        if effect.estimated:
            design[at, len(estimated) + free.index(effect)] = by
        else:
            fixed[at] += effect.coefficient * by
    return fixed, design


def effects_matrix(model: PopulationModel, most: int) -> np.ndarray:
    """Return which random effect moves which parameter on which occasion.

    Parameters
    ----------
    model : PopulationModel
        The model.
    most : int
        Occasions of a subject, >= 1.

    Returns
    -------
    (most, n_parameters, n_effects) array
        1 where it does: effects between subjects first, then those of each occasion.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> effects_matrix(worked_example.population(), 1)[0].sum(axis=0).tolist()
    [1.0, 1.0]
    """
    names = list(model.typical)
    between, within = effects_of(model.between), effects_of(model.occasions)
    effects = np.zeros((most, len(names), len(between) + most * len(within)))
    for column, name in enumerate(between):
        effects[:, names.index(name), column] = 1.0
    for k in range(most):
        for column, name in enumerate(within, start=len(between) + k * len(within)):
            effects[k, names.index(name), column] = 1.0
    return effects
