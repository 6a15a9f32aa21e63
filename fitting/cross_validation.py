"""Cross-validation: how well a fit predicts what it is not shown.

For each group of rows g the log of its predictive density without it,

    elpd_g = ln p(y_g | y_-g),

is found from the draws of the one fit, weighted by 1 / p(y_g | x) and Pareto-smoothed
(PSIS). Where the weights' Pareto k says that this cannot be trusted, the group is
refused, or the fit is done again without it.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import arviz
import numpy as np

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.bridges import bridge
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.omissions import (
    log_likelihood_of,
    log_likelihood_without,
    without_rows,
)
from pkmodels.fitting.posterior import EXPECTED, FRACTION, Posterior
from pkmodels.fitting.row_groups import By, RowGroup, group_rows
from pkmodels.fitting.saved_draws import digest

# It types what it exports too narrowly.
az: Any = arviz
# A group that is as unlikely as this under a draw has no weight that is a number.
_ENDLESS = "the values of {} are impossible under some draws"

Refit = Callable[[Posterior], Fit]
Progress = Callable[[int, int], None]


class How(StrEnum):
    """How the predictive density of a group was found."""

    IMPORTANCE = "PSIS"
    REFIT = "refit"
    REFUSED = "refused"


@dataclass(frozen=True)
class LeftOut:
    """What a model says of one group that it is not shown.

    Parameters
    ----------
    group : RowGroup
        The rows.
    elpd : float or None
        ln p(y_g | y_-g), jointly of its rows; None where it is refused.
    within : float
        ln p(y_g | y), of the fit that has seen them.
    khat : float
        Pareto k of the weights; NaN where they were not used.
    how : How
        From the weights, from a fit without it, or not at all.
    monte_carlo_error : float or None
        Standard error of `elpd` from the number of draws; of a fit without it only.
    effective_size : float or None
        Draws of that fit that count in the plain mean; see `bridges.Bridged`.
    """

    group: RowGroup
    elpd: float | None
    within: float
    khat: float
    how: How
    monte_carlo_error: float | None = None
    effective_size: float | None = None


@dataclass(frozen=True)
class CrossValidation:
    """The cross-validation of one model.

    Parameters
    ----------
    by : By
        What was left out at a time.
    left_out : tuple of LeftOut
        Group by group.
    good_khat : float
        Pareto k above which weights are not used: min(1 - 1 / log10 S, 0.7) of S draws.
    data : str
        Hash of the measured values and their groups: only models of the same data can
        be compared.
    """

    by: By
    left_out: tuple[LeftOut, ...]
    good_khat: float
    data: str

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the groups without a number."""
        return tuple(x.group.name for x in self.left_out if x.how is How.REFUSED)

    @property
    def each(self) -> np.ndarray:
        """elpd of each group, (n_groups,).

        Raises
        ------
        FitRefusedError
            When a group was refused.
        """
        values = [x.elpd for x in self.left_out if x.elpd is not None]
        if len(values) < len(self.left_out):
            worst = max(self.left_out, key=lambda x: x.khat)
            raise FitRefusedError(
                f"leaving out {', '.join(self.refused)} changes the fit too much for "
                f"weights (Pareto k {worst.khat:.2f} of {worst.group.name}, above "
                f"{self.good_khat:.2f}): give cross_validate a `refit`, which fits "
                "again without these"
            )
        return np.array(values)

    @property
    def elpd(self) -> float:
        """The sum over the groups; FitRefusedError where one was refused."""
        return float(self.each.sum())

    @property
    def effective_parameters(self) -> float:
        """p: how much better the fit says what it was shown, sum (within - elpd_g)."""
        return float(sum(x.within for x in self.left_out)) - self.elpd


def cross_validate(
    fit: Fit,
    *,
    by: By,
    refit: Refit | None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Leave out one group of rows after another.

    Parameters
    ----------
    fit : Fit
        A fit that passed its checks, of all rows.
    by : By
        What to leave out at a time.
    refit : callable or None
        ``refit(posterior) -> Fit`` of `without_rows`, called for groups whose Pareto k
        is above the limit, as ``lambda p: fit(p, seed=1, draws_per_chain=500)``. None
        refuses them: their elpd is None.
    progress : callable, optional
        Called with (refits done, refits in all).

    Returns
    -------
    CrossValidation

    Raises
    ------
    FitRefusedError
        When the fit, or a fit without a group, failed its checks.
    InputError
        When there is only one group.

    References
    ----------
    Vehtari, Gelman and Gabry, Stat Comput 2017;27:1413 (PSIS-LOO, refits where k is
    high); Vehtari et al., J Mach Learn Res 2024;25(72) (the limit of k).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> generator = np.random.default_rng(0)
    >>> near = np.exp(0.03 * generator.standard_normal((4, 500, 3)))
    >>> variables = {
    ...     "kinetics": np.exp(4.1 + 0.1 * generator.standard_normal((4, 500, 1))),
    ...     "relative_noise": np.full((4, 500, 1), 0.05),
    ...     "expected": np.array([70.0, 35.0, 16.0]) * near,
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> made = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> found = cross_validate(made, by=By.SCAN, refit=None)
    >>> found.refused, round(found.elpd, 1)
    ((), -5.0)
    """
    if not fit.checks.passed and fit.despite is None:
        raise FitRefusedError("; ".join(fit.checks.reasons))
    groups = group_rows(fit.posterior, by)
    if len(groups) < 2:
        names = ", ".join(group.name for group in groups)
        raise InputError(
            f"all rows are of one {by} ({names}): leave out something smaller"
        )
    logs = log_likelihood_of(fit)
    of_groups = np.stack([logs[..., list(g.rows)].sum(-1) for g in groups], axis=-1)
    variables = {
        name: values
        for name, values in fit.draws.variables.items()
        if name not in (EXPECTED, FRACTION)
    }
    found, good_khat = leave_out(of_groups, groups, variables)
    bad = [i for i, x in enumerate(found) if x.how is How.REFUSED]
    if refit is not None:
        for done, i in enumerate(bad):
            found[i] = _fitted_again(fit, found[i], of_groups[..., i], refit)
            if progress is not None:
                progress(done + 1, len(bad))
    data = digest(
        [fit.posterior.observations.value, *(np.array(g.rows) for g in groups)]
    )
    return CrossValidation(by, tuple(found), good_khat, data)


def _fitted_again(fit: Fit, left: LeftOut, whole: np.ndarray, refit: Refit) -> LeftOut:
    """Fit without a group, and ask what that fit and the whole one say of it."""
    rows, name = left.group.rows, left.group.name
    reduced = refit(without_rows(fit.posterior, rows))
    if not reduced.checks.passed and reduced.despite is None:
        raise FitRefusedError(
            f"the fit without {name} failed its checks, so that nothing is known of "
            f"how well it is predicted: {'; '.join(reduced.checks.reasons)}"
        )
    found = bridge(
        log_likelihood_without(fit.posterior, rows, reduced),
        whole,
        (_most_worth(reduced), _most_worth(fit)),
    )
    return LeftOut(
        left.group,
        found.elpd,
        left.within,
        np.nan,
        How.REFIT,
        found.monte_carlo_error,
        found.effective_size,
    )


def _most_worth(fit: Fit) -> float:
    """Return what draws that were resampled by weight are worth at most."""
    is_of_chains = bool(fit.draws.statistics)
    return np.inf if is_of_chains else fit.checks.ess_bulk_min or np.inf


def leave_out(
    log_likelihood: np.ndarray,
    groups: tuple[RowGroup, ...],
    variables: Mapping[str, np.ndarray],
) -> tuple[list[LeftOut], float]:
    """Weight the draws of one fit for each group that is left out (PSIS).

    Parameters
    ----------
    log_likelihood : (n_chains, n_draws, n_groups) array
        ln p(y_g | x) of each group, its rows summed.
    groups : tuple of RowGroup
        What they are.
    variables : mapping of str to (n_chains, n_draws, ...) array
        Draws of the unknowns, whose autocorrelation says what the draws are worth.

    Returns
    -------
    list of LeftOut
        Those above the limit of Pareto k are refused.
    good_khat : float
        The limit.

    Raises
    ------
    InputError
        When a group is impossible under a draw.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4, 500, 1))
    >>> rows = (RowGroup("a scan", (0,)),)
    >>> found, limit = leave_out(-0.5 * (0.1 * x) ** 2, rows, {"x": x})
    >>> found[0].how.value, round(limit, 3)
    ('PSIS', 0.697)
    """
    for i, group in enumerate(groups):
        if not np.isfinite(log_likelihood[..., i]).all():
            raise InputError(f"{_ENDLESS.format(group.name)}: look at their noise")
    tree = az.from_dict(
        {"posterior": dict(variables), "log_likelihood": {"value": log_likelihood}},
        coords={"group": list(range(len(groups)))},
        dims={"value": ["group"]},
    )
    with warnings.catch_warnings():
        # Pareto k is told group by group; one group is its own sum.
        warnings.filterwarnings("ignore", "Estimated shape parameter", UserWarning)
        warnings.filterwarnings("ignore", "The point-wise LOO is the same", UserWarning)
        found = az.loo(tree, pointwise=True, var_name="value")
    count = log_likelihood[..., 0].size
    flat = log_likelihood.reshape(count, -1)
    within = np.logaddexp.reduce(flat, axis=0) - np.log(count)
    limit = float(found.good_k)
    left = []
    for i, group in enumerate(groups):
        khat, elpd = float(found.pareto_k[i]), float(found.elpd_i[i])
        # A k that is no number comes of weights that are all the same.
        good = khat <= limit or bool(np.ptp(flat[:, i]) == 0.0)
        left.append(
            LeftOut(
                group,
                elpd if good else None,
                float(within[i]),
                khat,
                How.IMPORTANCE if good else How.REFUSED,
            )
        )
    return left, limit
