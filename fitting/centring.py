"""Centring: in which coordinates the random effects of each subject are sampled.

An effect is centred where its own value on the parameter's scale is sampled, and
non-centred where its standard normal score is. The first suits effects that the data
tell, the second those that hardly any data are about; both have the same posterior.
"""

from dataclasses import dataclass, replace

import numpy as np

from pkmodels.errors import InputError
from pkmodels.population.conditional import (
    expected_curvature,
    local_at,
    precision_of,
)
from pkmodels.population.coordinates import estimates_of
from pkmodels.population.predictions import Predictor
from pkmodels.population.structure import effects_of

# Where the data's information about an effect equals the population's.
_EVEN = 1.0


@dataclass(frozen=True, eq=False)
class Centring:
    """Which random effects are centred, and what told so.

    Parameters
    ----------
    names : tuple of str
        Of the subjects.
    effects, occasion_effects : tuple of str
        Parameters that vary between subjects, and between occasions.
    between : (n_subjects, n_effects) array of bool
        Which effects between subjects are centred.
    within : (n_subjects, n_occasions, n_occasion_effects) array of bool
        Likewise between occasions.
    gain_between, gain_within : arrays of those shapes
        Information of the data about each effect, times its variance given the earlier
        effects of its block. NaN where the choice did not ask for it, and of occasions
        that a subject does not have.
    rule : str
        How it was chosen.
    """

    names: tuple[str, ...]
    effects: tuple[str, ...]
    occasion_effects: tuple[str, ...]
    between: np.ndarray
    within: np.ndarray
    gain_between: np.ndarray
    gain_within: np.ndarray
    rule: str

    def __str__(self) -> str:
        """Say of how many subjects each effect is centred."""
        lines = [f"centring {self.rule}"]
        for n, name in enumerate(self.effects):
            which, gain = self.between[:, n], self.gain_between[:, n]
            lines.append(f"  {name}: {_in_words(which, gain, self.names, 'subjects')}")
        for n, name in enumerate(self.occasion_effects):
            real = np.isfinite(self.gain_within[..., n])
            real = real if real.any() else np.ones_like(real)
            which, gain = self.within[..., n][real], self.gain_within[..., n][real]
            said = _in_words(which, gain, (), "occasions")
            lines.append(f"  {name} by occasion: {said}")
        return "\n".join(lines)


def centre_by_information(
    predictor: Predictor, vector: np.ndarray, modes: np.ndarray
) -> Centring:
    """Centre the effects that the data tell better than the population does.

    With u = Lambda z the random effects of a subject, z standard normal and Lambda the
    Cholesky factors of the blocks, the values' information G (Gauss and Newton's, at
    the modes) leaves z the covariance (1 + Lambda' G Lambda)^-1. Of each effect, with v
    its diagonal entry, 1/v - 1 is the information about the effect, the others being
    unknown, times its variance given the earlier effects of the block. Above 1 it is
    centred: so each effect of a correlated block is chosen by itself.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    vector : (n,) array
        Where, in `pkmodels.population.coordinates`.
    modes : (n_subjects, n_effects) array
        Random effects there.

    Returns
    -------
    Centring

    Raises
    ------
    InputError
        When the information of a subject is not finite there.

    References
    ----------
    Papaspiliopoulos, Roberts and Skold, Statistical Science 2007;22:59-73; Betancourt
    and Girolami, in Current Trends in Bayesian Methodology with Applications, 2015,
    chapter 4 (arXiv:1312.0906).

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = centre_by_information(
    ...     fit.predictor, fit.vector, fit.modes.local.effects)
    >>> print(found.rule, found.between.all())
    by information True
    """
    made = predictor.arrangement
    gains = _gains(predictor, vector, modes)
    k = len(effects_of(predictor.model.between))
    gain_within = gains[:, k:].reshape(*made.values.shape[:2], -1)
    real = made.is_value.any(axis=2)
    gain_within = np.where(real[:, :, None], gain_within, np.nan)
    return _centring(predictor, gains[:, :k], gain_within, "by information")


def centre_all(predictor: Predictor) -> Centring:
    """Centre every effect of every subject.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.

    Returns
    -------
    Centring

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> print(centre_all(worked_example.fitted().predictor))
    centring of all, as asked
      ka: centred in 6 of 6 subjects
      cl: centred in 6 of 6 subjects
    """
    return _asked(predictor, True)


def centre_none(predictor: Predictor) -> Centring:
    """Centre no effect of any subject.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.

    Returns
    -------
    Centring

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> centre_none(worked_example.fitted().predictor).between.any()
    np.False_
    """
    return _asked(predictor, False)


def scores_spread(
    predictor: Predictor, vector: np.ndarray, modes: np.ndarray
) -> np.ndarray:
    """Return the standard deviation that the values leave to each standard score.

    Parameters
    ----------
    predictor, vector, modes
        As of `centre_by_information`.

    Returns
    -------
    (n_subjects, n_effects) array
        In (0, 1]; 1 where there is no information.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = scores_spread(fit.predictor, fit.vector, fit.modes.local.effects)
    >>> bool((found < 0.7).all())
    True
    """
    return 1.0 / np.sqrt(1.0 + _gains(predictor, vector, modes))


def _gains(predictor: Predictor, vector: np.ndarray, modes: np.ndarray) -> np.ndarray:
    estimates = estimates_of(predictor.model, vector)
    local = local_at(predictor, estimates, modes, 1)
    occasions = predictor.arrangement.values.shape[1]
    precision, _ = precision_of(estimates, occasions)
    curvature = expected_curvature(predictor, local, precision)
    bad = ~np.isfinite(curvature).all(axis=(1, 2)) | ~np.isfinite(local.half)
    if bad.any():
        name = predictor.arrangement.names[int(np.argmax(bad))]
        raise InputError(
            f"subject {name} cannot be solved at the start, or has a value whose "
            "variance is 0 there: start elsewhere, look at its doses and times, or "
            "give the error an additive part where 0 is predicted"
        )
    inverse_root = np.linalg.inv(np.linalg.cholesky(np.linalg.inv(precision)))
    spread = inverse_root @ np.linalg.inv(curvature) @ inverse_root.T
    left = np.clip(np.einsum("iee->ie", spread), 1e-300, 1.0)
    return 1.0 / left - 1.0


def _asked(predictor: Predictor, which: bool) -> Centring:
    made, model = predictor.arrangement, predictor.model
    within = (*made.values.shape[:2], len(effects_of(model.occasions)))
    between = (len(made.names), len(effects_of(model.between)))
    rule = f"of {'all' if which else 'none'}, as asked"
    found = _centring(
        predictor, np.full(between, np.nan), np.full(within, np.nan), rule
    )
    every = {"between": np.full(between, which), "within": np.full(within, which)}
    return replace(found, **every)


def _centring(
    predictor: Predictor, between: np.ndarray, within: np.ndarray, rule: str
) -> Centring:
    model = predictor.model
    return Centring(
        names=predictor.arrangement.names,
        effects=effects_of(model.between),
        occasion_effects=effects_of(model.occasions),
        between=between > _EVEN,
        within=within > _EVEN,
        gain_between=between,
        gain_within=within,
        rule=rule,
    )


def _in_words(
    which: np.ndarray, gain: np.ndarray, names: tuple[str, ...], what: str
) -> str:
    said = f"centred in {which.sum()} of {which.size} {what}"
    if np.isfinite(gain).any():
        low, middle, high = np.nanquantile(gain, [0.0, 0.5, 1.0])
        said += f" (information x variance {low:.2g} to {high:.2g}, median {middle:.2g}"
        few = np.flatnonzero(~which)
        named = [names[i] for i in few] if names and 0 < len(few) <= 5 else []
        said += f"; not in {', '.join(named)})" if named else ")"
    return said
