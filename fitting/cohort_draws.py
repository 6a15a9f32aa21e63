"""Cohort draws: what each patient's own fit told, on the scale of its priors.

A patient was fitted alone, with priors that are normal on the scale of ln x (or of
logit x): z = (ln x - ln median) / sd is standard normal before the data. Of a pair of
organs, such as two kidneys, sum and difference stand in for the two,

    u = (z_left + z_right) / sqrt(2),   v = (z_left - z_right) / sqrt(2),

which are standard normal and independent before the data, too, but independent between
patients where left and right are not: a patient's kidneys are alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import arviz as az
import numpy as np
import xarray as xr

from pkmodels.errors import InputError
from pkmodels.fitting.posterior import KINETICS, ODDS, PROPORTION
from pkmodels.fitting.priors import on_sampling_scale, sampling_scale_sd
from pkmodels.values import Family, Prior

# Of each patient; more cost time, fewer carry narrow populations less well.
DRAWS_EACH = 4000
_LEAST_DRAWS = 100
# All are thinned to the count of the worst patient: one of fewer had better be left out
# than make the others' likelihoods as coarse as its own.
ENOUGH_DRAWS = 400
_HALF = math.sqrt(0.5)


@dataclass(frozen=True, eq=False)
class Member:
    """One patient of a cohort.

    Parameters
    ----------
    name : str
        Names it in messages.
    draws : mapping of str to (n_chains, n_draws) array
        Posterior draws of each parameter, in its prior's unit; the first-stage prior is
        that given to `arrange_cohort`.
    """

    name: str
    draws: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Component:
    """A direction in which patients differ: y = sum of weight x standardized parameter.

    Parameters
    ----------
    name : str
        Names it.
    weights : mapping of str to float
        By parameter; their squares add up to 1.
    """

    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class CohortDraws:
    """Every patient's draws in the components of the cohort.

    Parameters
    ----------
    priors : mapping of str to Prior
        Of the first stage, by parameter.
    components : tuple of Component
    members : tuple of str
        Names of the patients.
    y : (n_members, n_draws, n_components) array
        Standard normal before the data; 0 where a patient lacks the component.
    has : (n_members, n_components) bool array
        Which patient has which component.
    """

    priors: Mapping[str, Prior]
    components: tuple[Component, ...]
    members: tuple[str, ...]
    y: np.ndarray
    has: np.ndarray

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the components are made of, in order."""
        names = (name for each in self.components for name in each.weights)
        return tuple(dict.fromkeys(names))

    def without(self, parameters: Sequence[str]) -> "CohortDraws":
        """Return the cohort without the components of some parameters."""
        return self.keeping(
            [
                i
                for i, each in enumerate(self.components)
                if not set(each.weights) & set(parameters)
            ]
        )

    def keeping(self, places: Sequence[int]) -> "CohortDraws":
        """Return the cohort with the components at these places."""
        kept = list(places)
        return replace(
            self,
            components=tuple(self.components[i] for i in kept),
            y=self.y[:, :, kept],
            has=self.has[:, kept],
        )


def arrange_cohort(
    members: Sequence[Member],
    priors: Mapping[str, Prior],
    *,
    pairs: Sequence[tuple[str, str]] = (),
    draws_each: int = DRAWS_EACH,
) -> CohortDraws:
    """Return patients' draws in components, thinned to what are independent ones.

    Parameters
    ----------
    members : sequence of Member
        The patients, each with draws of some of the parameters.
    priors : mapping of str to Prior
        With which every patient was fitted; log-normal or logit-normal. A parameter
        that no patient has is left out.
    pairs : sequence of (str, str)
        Parameters of two organs that are alike within a patient, with one prior. Of a
        patient who has one of them only, neither counts: a single kidney is another
        organ than one of two.
    draws_each : int
        Of each patient at most.

    Returns
    -------
    CohortDraws

    Raises
    ------
    InputError
        When a draw is of no parameter, a prior cannot be standardized, a pair has two
        priors, or a patient has too few independent draws.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> prior = log_normal(60.0, 0.5, "h", "wide", Certainty.JUDGEMENT)
    >>> spread = np.random.default_rng(0).standard_normal((4, 500))
    >>> patient = Member("P1", {"half_life": 60.0 * np.exp(0.5 * (2.0 + 0.1 * spread))})
    >>> found = arrange_cohort([patient], {"half_life": prior})
    >>> found.y.shape, round(float(found.y.mean()), 1)
    ((1, 2000, 1), 2.0)
    """
    _check(members, priors, pairs)
    components = _components(members, priors, pairs)
    has = np.array(
        [[set(c.weights) <= set(m.draws) for c in components] for m in members]
    )
    each = [
        _of_member(m, priors, components, own, draws_each)
        for m, own in zip(members, has, strict=True)
    ]
    count = min(len(rows) for rows in each)
    y = np.stack([_thinned(rows, count) for rows in each])
    return CohortDraws(priors, components, tuple(m.name for m in members), y, has)


def _check(
    members: Sequence[Member],
    priors: Mapping[str, Prior],
    pairs: Sequence[tuple[str, str]],
) -> None:
    for member in members:
        for name in member.draws:
            if name not in priors:
                raise InputError(
                    f"{member.name} has draws of {name!r}, which has no prior: give "
                    "the one that it was fitted with"
                )
    for name, prior in priors.items():
        if prior.family not in (Family.LOG_NORMAL, Family.LOGIT_NORMAL):
            raise InputError(
                f"the prior of {name} is {prior}: a cohort is learnt on the scale of "
                "log-normal and logit-normal priors only; leave it out"
            )
    for first, second in pairs:
        of_each = [
            (priors[n].family, dict(priors[n].parameters)) for n in (first, second)
        ]
        if of_each[0] != of_each[1]:
            raise InputError(
                f"{first} and {second} are a pair with two priors ({priors[first]}; "
                f"{priors[second]}): give both one, or no pair"
            )


def _components(
    members: Sequence[Member],
    priors: Mapping[str, Prior],
    pairs: Sequence[tuple[str, str]],
) -> tuple[Component, ...]:
    known = {name for member in members for name in member.draws}
    partner = dict(pairs) | {second: first for first, second in pairs}
    found: list[Component] = []
    for name in priors:
        other = partner.get(name)
        if name not in known:
            continue
        if other is None or other not in known:
            found.append(Component(name, {name: 1.0}))
        elif (name, other) in pairs:
            mean = {name: _HALF, other: _HALF}
            apart = {name: _HALF, other: -_HALF}
            found.append(Component(f"{name} and {other}", mean))
            found.append(Component(f"{name} against {other}", apart))
    return tuple(found)


def count_independent(
    member: Member,
    priors: Mapping[str, Prior],
    *,
    pairs: Sequence[tuple[str, str]] = (),
) -> int:
    """Return how many independent draws a patient's are worth.

    Parameters
    ----------
    member, priors, pairs
        As of `arrange_cohort`.

    Returns
    -------
    int
        The least bulk effective size of the components; of draws that come several
        times, at most how many are distinct.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> prior = {"k": log_normal(1.0, 1.0, "h", "wide", Certainty.JUDGEMENT)}
    >>> few = np.exp(np.random.default_rng(0).standard_normal((4, 50)))
    >>> count_independent(Member("P1", {"k": np.repeat(few, 10, axis=1)}), prior) < 250
    True
    """
    components = _components([member], priors, pairs)
    has = np.array([set(c.weights) <= set(member.draws) for c in components])
    return _standardized(member, priors, components, has)[1]


def _standardized(
    member: Member,
    priors: Mapping[str, Prior],
    components: Sequence[Component],
    has: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Return (n_draws, n_components), and how many of them are independent."""
    z = {n: standardize(priors[n], draws) for n, draws in member.draws.items()}
    shape = next(iter(z.values())).shape
    y = np.zeros((*shape, len(components)))
    for i, component in enumerate(components):
        if not has[i]:
            continue
        parts = component.weights.items()
        y[..., i] = sum(weight * z[name] for name, weight in parts)
    used = y[..., has]
    tree = az.from_dict({"posterior": {"y": used}})
    size = float(az.ess(tree, method="bulk")["y"].values.min())
    flat = y.reshape(-1, len(components))
    # Draws that were resampled from weighted ones come several times.
    unique = len(np.unique(used.reshape(flat.shape[0], -1), axis=0))
    return flat, int(min(size, unique, len(flat)))


def _of_member(
    member: Member,
    priors: Mapping[str, Prior],
    components: Sequence[Component],
    has: np.ndarray,
    most: int,
) -> np.ndarray:
    """Return (n_draws, n_components): as many as are independent, evenly taken."""
    flat, count = _standardized(member, priors, components, has)
    count = min(count, most)
    if not count >= _LEAST_DRAWS:
        raise InputError(
            f"{member.name} has {count} independent draws, and its part of a cohort "
            f"needs {_LEAST_DRAWS}: fit it again with more, or leave it out"
        )
    return _thinned(flat, count)


def _thinned(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def standardize(prior: Prior, draws: np.ndarray) -> np.ndarray:
    """Return draws in units of a prior: standard normal where they are of the prior.

    Parameters
    ----------
    prior : Prior
        Log-normal or logit-normal.
    draws : array
        In its unit.

    Returns
    -------
    array

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> prior = log_normal(60.0, 0.5, "h", "wide", Certainty.JUDGEMENT)
    >>> standardize(prior, np.array([60.0, 60.0 * np.exp(0.5)])).tolist()
    [0.0, 1.0]
    """
    centre = on_sampling_scale(prior, np.array([prior.parameters["median"]]))
    return (on_sampling_scale(prior, draws) - centre) / sampling_scale_sd(prior)


def read_kinetics(path: Path) -> dict[str, np.ndarray] | None:
    """Read the draws of the kinetics from the file of a fit.

    Parameters
    ----------
    path : Path
        What `pkmodels.fitting.trees.to_tree` wrote as netCDF.

    Returns
    -------
    dict of str to (n_chains, n_draws) array, or None
        By parameter; an uptake fraction as its ratio to the eliminated one. None where
        the fit failed its checks.

    Examples
    --------
    >>> import tempfile
    >>> dims = ("chain", "draw", "kinetics_of")
    >>> draws = {"kinetics": (dims, np.full((4, 9, 1), 2.0))}
    >>> posterior = xr.Dataset(draws, {"kinetics_of": ["half_life"]})
    >>> tree = xr.DataTree.from_dict({"posterior": posterior})
    >>> tree.attrs["checks_passed"] = 1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "posterior.nc"
    ...     tree.to_netcdf(path, engine="h5netcdf")
    ...     read_kinetics(path)["half_life"].shape
    (4, 9)
    """
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        if not tree.attrs["checks_passed"]:
            return None
        posterior, found = tree["posterior"].to_dataset(), {}
        for variable in (KINETICS, PROPORTION, ODDS):
            if variable in posterior:
                values = posterior[variable].values
                names = posterior[f"{variable}_of"].values
                found |= {str(n): values[..., i] for i, n in enumerate(names)}
    return found
