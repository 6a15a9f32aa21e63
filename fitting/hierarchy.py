"""Hierarchies: a population model with priors as a PyMC model of all subjects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.shape import specify_shape

from pkmodels.errors import InputError
from pkmodels.fitting.centring import Centring, centre_by_information
from pkmodels.fitting.hierarchy_priors import (
    HyperPrior,
    add_prior,
    check_priors,
    correlation_name,
    describe_priors,
    prior_names,
)
from pkmodels.fitting.operations import solved_rows
from pkmodels.fitting.subject_rows import subject_rows
from pkmodels.population.coordinates import (
    coefficient_names,
    estimates_of,
    names_of,
    start_of,
)
from pkmodels.population.modes import find_modes
from pkmodels.population.predictions import Predictor
from pkmodels.population.structure import Block, PopulationModel

SUBJECT, OCCASION = "subject", "occasion"


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A population of subjects with a prior for all that is estimated of it.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    priors : mapping of str to HyperPrior
        By `pkmodels.fitting.hierarchy_priors.prior_names`.
    start : (n,) array
        Where chains begin about, in `pkmodels.population.coordinates`.
    modes : (n_subjects, n_effects) array
        Most probable random effects there.
    centring : Centring
        Which random effects are centred.
    """

    predictor: Predictor
    priors: Mapping[str, HyperPrior]
    start: np.ndarray
    modes: np.ndarray
    centring: Centring

    @property
    def model(self) -> PopulationModel:
        """The population model."""
        return self.predictor.model

    def __str__(self) -> str:
        """Say what is assumed: every prior, and the centring."""
        said = describe_priors(self.model, self.priors)
        return "\n".join(
            [self.model.name, *(f"  {x}" for x in said), f"{self.centring}"]
        )


def state_hierarchy(
    predictor: Predictor,
    priors: Mapping[str, HyperPrior],
    *,
    start: np.ndarray,
    centring: Centring | None = None,
) -> Hierarchy:
    """State what a hierarchical fit assumes.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects: of a fit by FOCEI, or
        ``predictor_of(model, arrange(model, subjects))``.
    priors : mapping of str to HyperPrior
        For each of `pkmodels.fitting.hierarchy_priors.prior_names`; none is assumed.
    start : (n,) array
        Where to begin: ``vector`` of a fit by FOCEI, or
        ``pkmodels.population.coordinates.start_of(model)``. Standard deviations below
        a tenth of their prior's median are begun there.
    centring : Centring or None
        None chooses by information at the start, `centre_by_information`.

    Returns
    -------
    Hierarchy

    Raises
    ------
    InputError
        When a prior is missing, unused or of another kind, the start has another
        length, or a subject cannot be solved there.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> print(hierarchy_example.hierarchy().centring)
    centring by information
      ka: centred in 6 of 6 subjects (information x variance 52 to 1e+02, median 93)
      cl: centred in 6 of 6 subjects (information x variance 25 to 31, median 29)
    """
    model = predictor.model
    check_priors(model, priors)
    vector = np.array(start, np.float64)
    if vector.shape != start_of(model).shape or not np.isfinite(vector).all():
        raise InputError(
            f"the start is {vector.tolist()}, and {model.name!r} estimates "
            f"{len(names_of(model))}: {', '.join(names_of(model))}; give a finite "
            "number for each, in pkmodels.population.coordinates"
        )
    vector = _away_from_zero(model, priors, vector)
    nowhere = np.zeros((len(predictor.arrangement.names), _n_effects(predictor)))
    modes = find_modes(predictor, estimates_of(model, vector), nowhere).local.effects
    if centring is None:
        centring = centre_by_information(predictor, vector, modes)
    return Hierarchy(predictor, dict(priors), vector, modes, centring)


def build_hierarchy(hierarchy: Hierarchy) -> pm.Model:
    """Return the PyMC model of a hierarchy.

    Its variables are named as the priors. ``"sampled effect of ka"`` is, subject by
    subject, the parameter on its scale where the effect is centred and the standard
    score where it is not; ``"effect of ka"`` is the random effect, eta. Of occasions
    likewise, ``"... by occasion"``. The log-density is normalized. Predictions are
    one operation: sample with JAX or, in PyMC itself, ``pm.sample(cores=1)``.

    Parameters
    ----------
    hierarchy : Hierarchy
        Population, subjects, priors and centring.

    Returns
    -------
    pymc.Model

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> model = build_hierarchy(hierarchy_example.hierarchy())
    >>> [str(v.name) for v in model.free_RVs][5:]
    ['additive sd of plasma', 'sampled effect of ka', 'sampled effect of cl']
    """
    predictor = hierarchy.predictor
    made, model = predictor.arrangement, predictor.model
    real = real_occasions(predictor)
    coords = {
        SUBJECT: list(made.names),
        OCCASION: [f"{made.names[i]}, occasion {k + 1}" for i, k in real],
    }
    with pm.Model(coords=coords) as built:
        drawn = {
            name: add_prior(name, prior, _size(model, name))
            for name, prior in _in_order(model, hierarchy.priors)
        }
        names = coefficient_names(model)
        coefficients: Any = (
            pt.stack([drawn[n] for n in names]) if names else pt.zeros(0)
        )
        own = _parameters(hierarchy, drawn, coefficients, real)
        size = made.values.shape[0] * made.values.shape[1] * len(made.active)
        flat = specify_shape(own.flatten(), (size,))
        predicted = solved_rows(subject_rows, (predictor,))(flat)
        _add_values(hierarchy, drawn, predicted)
    return built


def real_occasions(predictor: Predictor) -> np.ndarray:
    """Return which occasions there are.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.

    Returns
    -------
    (n_occasions_in_all, 2) array of int
        Subject and occasion of each, subject by subject.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> real_occasions(worked_example.fitted().predictor).shape
    (6, 2)
    """
    return np.argwhere(predictor.arrangement.is_value.any(axis=2))


def shifts_of(predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Return what the coefficients add to centred effects.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.

    Returns
    -------
    between : (n_subjects, n_effects, n_coefficients) array
        Of effects between subjects: the mean design of the subject's occasions.
    within : (n_occasions_in_all, n_occasion_effects, n_coefficients) array
        Of effects between occasions.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> shifts_of(worked_example.fitted().predictor)[0][0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    made, model = predictor.arrangement, predictor.model
    names = list(model.typical)
    there = made.is_value.any(axis=2)
    share = there / there.sum(axis=1, keepdims=True)
    mean = np.einsum("ik,ikpc->ipc", share, made.design)
    real = real_occasions(predictor)
    at = [names.index(n) for block in model.between for n in block.parameters]
    within = [names.index(n) for block in model.occasions for n in block.parameters]
    return mean[:, at], made.design[real[:, 0], real[:, 1]][:, within]


def _in_order(
    model: PopulationModel, priors: Mapping[str, HyperPrior]
) -> list[tuple[str, HyperPrior]]:
    return [(name, priors[name]) for name in prior_names(model)]


def _size(model: PopulationModel, name: str) -> int:
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            if name == correlation_name(block, ending):
                return len(block.parameters)
    return 1


def _factor(block: Block, ending: str, drawn: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of the Cholesky factor of a block's covariance."""
    sds = [drawn[f"sd of {name}{ending}"] for name in block.parameters]
    if len(sds) == 1:
        return [sds]
    chol = drawn[correlation_name(block, ending)]
    return [[sd * x for x in row] for sd, row in zip(sds, chol, strict=True)]


def _effects(
    blocks: tuple[Block, ...],
    ending: str,
    drawn: Mapping[str, Any],
    shift: dict[str, Any],
    centred: dict[str, np.ndarray],
    dim: str,
) -> dict[str, Any]:
    """Add a block's effects one by one, each given the scores of those before it."""
    found: dict[str, Any] = {}
    for block in blocks:
        factor, scores = _factor(block, ending, drawn), []
        for row, name in zip(factor, block.parameters, strict=True):
            before: Any = sum((a * z for a, z in zip(row, scores, strict=False)), 0.0)
            sd, which = row[-1], centred[name]
            sampled = pm.Normal(
                f"sampled effect of {name}{ending}",
                mu=pt.switch(which, shift[name] + before, 0.0),
                sigma=pt.switch(which, sd, 1.0),
                dims=dim,
            )
            about: Any = sampled - shift[name]
            scores.append(pt.switch(which, (about - before) / sd, sampled))
            found[name] = pm.Deterministic(
                f"effect of {name}{ending}",
                pt.switch(which, about, before + sd * sampled),
                dims=dim,
            )
    return found


def _parameters(
    hierarchy: Hierarchy, drawn: Mapping[str, Any], coefficients: Any, real: np.ndarray
) -> Any:
    """Return (n_subjects, n_occasions, n_active) parameters on their scales."""
    predictor, centring = hierarchy.predictor, hierarchy.centring
    made, model = predictor.arrangement, predictor.model
    by_subject, by_occasion = shifts_of(predictor)
    eta = _effects(
        model.between,
        "",
        drawn,
        {
            n: _linear(by_subject[:, e], coefficients)
            for e, n in enumerate(centring.effects)
        },
        {n: centring.between[:, e] for e, n in enumerate(centring.effects)},
        SUBJECT,
    )
    rows, occasions = real[:, 0], real[:, 1]
    # An occasion's own value holds the subject's effect, too.
    shift = {
        n: _linear(by_occasion[:, e], coefficients)
        + (eta[n][rows] if n in eta else 0.0)
        for e, n in enumerate(centring.occasion_effects)
    }
    which = {
        n: centring.within[rows, occasions, e]
        for e, n in enumerate(centring.occasion_effects)
    }
    kappa = _effects(model.occasions, " by occasion", drawn, shift, which, OCCASION)
    names, columns = list(model.typical), []
    for p in made.active:
        own: Any = made.fixed[:, :, p] + _linear(made.design[:, :, p], coefficients)
        if names[p] in eta:
            own = own + eta[names[p]][:, None]
        if names[p] in kappa:
            own = own[rows, occasions].inc(kappa[names[p]])
        columns.append(own)
    return pt.stack(columns, axis=-1)


def _linear(design: np.ndarray, coefficients: Any) -> Any:
    """Return design @ coefficients, with no product for which PyTensor seeks a BLAS."""
    return (design * coefficients).sum(axis=-1)


def _add_values(hierarchy: Hierarchy, drawn: Mapping[str, Any], predicted: Any) -> None:
    """Add the likelihood, normal or log-normal about what is predicted."""
    made, model = hierarchy.predictor.arrangement, hierarchy.model
    zero = pt.constant(0.0)
    sds: list[Any] = [
        pt.stack([drawn.get(f"{kind} sd of {name}", zero) for name in model.residual])
        for kind in ("additive", "proportional")
    ]
    error = made.error[made.is_value]
    additive, proportional = (each[error] for each in sds)
    values, is_log = made.values[made.is_value], made.is_log[made.is_value]
    plain, logs = np.flatnonzero(~is_log), np.flatnonzero(is_log)
    if len(plain):
        f = predicted[plain]
        sd = pt.sqrt(additive[plain] ** 2 + (proportional[plain] * f) ** 2)
        pm.Normal("values", f, sd, observed=values[plain])
    if len(logs):
        observed = np.exp(values[logs])
        pm.LogNormal(
            "log-normal values", predicted[logs], additive[logs], observed=observed
        )


def _n_effects(predictor: Predictor) -> int:
    return predictor.arrangement.effects.shape[2]


def _away_from_zero(
    model: PopulationModel, priors: Mapping[str, HyperPrior], vector: np.ndarray
) -> np.ndarray:
    """Return a start whose standard deviations of effects are not next to 0."""
    found, at = vector.copy(), len(coefficient_names(model))
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            for i, name in enumerate(block.parameters):
                at += i
                numbers = priors[f"sd of {name}{ending}"].numbers
                least = 0.1 * numbers.get("scale", numbers.get("median", 0.0))
                found[at] = max(found[at], np.log(least))
                at += 1
    return found
