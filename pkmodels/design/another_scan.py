"""Another scan: what one more would add to what a patient's fit already says.

The fit's draws say how the quantity goes with what the scan would show. The best
estimate of ln q that is linear in the new values y = ln e + ln c + error leaves

    V(t) = Var(ln q) - C' (Cov(ln e + ln c) + mean s^2 I)^-1 C,
    C = Cov(ln e + ln c, ln q),

which the expected posterior variance never exceeds, and equals where all is normal. No
sensitivities are needed, and the calibration that earlier scans share is in the draws.
"""

from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.fitting.expectations import CALIBRATION, RECOVERY
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import FLOOR, NOISE
from pkmodels.fitting.prediction import predict_labels
from pkmodels.measurements import Quantity

# Fewer draws would find a use in a scan that has none: of r values about r in n.
_FEWEST_DRAWS = 100


@dataclass(frozen=True, eq=False)
class AnotherScan:
    """What one more scan of a modality is expected to tell, at each time.

    Parameters
    ----------
    modality : str
        Its modality.
    regions : tuple of str
        What it shows.
    times_h : (n_times,) array
        When it could be made, h.
    log_sd_now : float
        sd of ln q after the fit.
    log_sd_then : (n_times,) array
        Expected sd of ln q with one more: at most this.
    """

    modality: str
    regions: tuple[str, ...]
    times_h: np.ndarray
    log_sd_now: float
    log_sd_then: np.ndarray

    @property
    def best(self) -> int:
        """Which time tells most."""
        return int(np.argmin(self.log_sd_then))

    def describe(self) -> str:
        """Say in a sentence what the best time would bring."""
        now, then = self.log_sd_now, float(self.log_sd_then[self.best])
        return (
            f"One more {self.modality} of {', '.join(self.regions)} would tell most at "
            f"{self.times_h[self.best]:.3g} h: the interval (as ln upper / lower) is "
            f"expected to shrink by {1.0 - then / now:.0%} at least."
        )


def check_draws(
    quantity: np.ndarray, log_values: np.ndarray, variance: np.ndarray
) -> None:
    """Refuse draws of a scan that do not fit together, or are too few.

    Parameters
    ----------
    quantity : (n_draws,) array
        What is asked.
    log_values : (n_draws, n_times, n_regions) array
        ln of what the scan would show.
    variance : (n_times, n_regions) array
        Of its scatter.

    Raises
    ------
    InputError
        When shapes differ, a variance is not above 0, or there are too few draws.

    Examples
    --------
    >>> check_draws(np.ones(100), np.ones((100, 1, 2)), np.ones((1, 2)))
    """
    if log_values.ndim != 3 or len(log_values) != len(quantity):
        raise InputError(
            f"{log_values.shape} values for {len(quantity)} draws: give (n_draws, "
            "n_times, n_regions)"
        )
    if variance.shape != log_values.shape[1:] or not (variance > 0.0).all():
        raise InputError(
            f"the variances are {variance.shape}: give one above 0 to each time and "
            f"region, {log_values.shape[1:]}"
        )
    if len(quantity) < _FEWEST_DRAWS:
        raise InputError(f"{len(quantity)} draws: give {_FEWEST_DRAWS} at least")


def log_sd_with_another(
    log_quantity: np.ndarray, log_values: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return the expected sd of ln q after one more scan, from draws.

    Parameters
    ----------
    log_quantity : (n_draws,) array
        ln q.
    log_values : (n_draws, n_times, n_regions) array
        ln of what the scan would show at each time, but for its scatter.
    variance : (n_times, n_regions) array
        Of the scatter, of ln, > 0.

    Returns
    -------
    (n_times,) array

    Raises
    ------
    InputError
        When shapes differ, or there are fewer than 100 draws.

    References
    ----------
    Raiffa and Schlaifer, Applied Statistical Decision Theory, 1961 (preposterior
    analysis); the linear estimate is Goldstein and Wooff, Bayes Linear Statistics,
    2007, section 3.1.

    Examples
    --------
    A scan of ln q itself with as much scatter as is unknown halves the variance.

    >>> draws = np.random.default_rng(0).standard_normal(4000)
    >>> draws = (draws - draws.mean()) / draws.std(ddof=1)
    >>> found = log_sd_with_another(draws, draws[:, None, None], np.ones((1, 1)))
    >>> print(found.round(4))
    [0.7071]
    """
    check_draws(log_quantity, log_values, variance)
    count = len(log_quantity)
    about = log_quantity - log_quantity.mean()
    away = log_values - log_values.mean(axis=0)
    with_quantity = np.einsum("dtr,d->tr", away, about) / (count - 1)
    spread = np.einsum("dtr,dts->trs", away, away) / (count - 1)
    spread = spread + variance[:, :, None] * np.eye(variance.shape[1])
    solved = np.linalg.solve(spread, with_quantity[..., None])[..., 0]
    gained = np.einsum("tr,tr->t", with_quantity, solved)
    return np.sqrt(np.maximum(about @ about / (count - 1) - gained, 0.0))


@dataclass(frozen=True, eq=False)
class ForeseenScan:
    """What one more scan would show in each draw of a fit, but for its scatter.

    Parameters
    ----------
    modality : str
        Its modality.
    regions : tuple of str
        What it shows.
    times_h : (n_times,) array
        When it could be made, h.
    log_values : (n_draws, n_times, n_regions) array
        ln of its values without scatter.
    variance : (n_draws, n_times, n_regions) array
        Of the scatter, of ln, > 0.
    """

    modality: str
    regions: tuple[str, ...]
    times_h: np.ndarray
    log_values: np.ndarray
    variance: np.ndarray

    def value(self, quantity: np.ndarray) -> AnotherScan:
        """Return what it would tell of a quantity, (n_draws,), > 0, at each time."""
        values = np.asarray(quantity, float)
        if values.shape != (len(self.log_values),) or not (values > 0.0).all():
            raise InputError(
                f"the quantity is {values.shape} for {len(self.log_values)} draws: "
                "give one above 0 for each"
            )
        then = log_sd_with_another(
            np.log(values), self.log_values, self.variance.mean(axis=0)
        )
        now = float(np.std(np.log(values), ddof=1))
        return AnotherScan(self.modality, self.regions, self.times_h, now, then)


def value_another_scan(
    fitted: Fit,
    modality: str,
    times_h: np.ndarray,
    quantity: np.ndarray,
    experiment: str | None = None,
) -> AnotherScan:
    """Return what one more scan of a modality that was used would tell of a quantity.

    Parameters
    ----------
    fitted, modality, times_h, experiment
        See `foresee_scan`.
    quantity : (n_draws,) array
        q of each of the fit's draws, > 0: a dose (Gy/GBq) or a TIAC (h).

    Returns
    -------
    AnotherScan

    Raises
    ------
    FitRefusedError, InputError
        As of `foresee_scan`, and when the quantity is not above 0.
    """
    return foresee_scan(fitted, modality, times_h, experiment).value(quantity)


def foresee_scan(
    fitted: Fit, modality: str, times_h: np.ndarray, experiment: str | None = None
) -> ForeseenScan:
    """Return what one more scan of a modality that was used would show.

    It would show the regions that the modality has shown, with the same calibration,
    outlines and scatter. Where sds of values are stated, its own is the same share of
    its value: the root mean square of those of the region's rows.

    Parameters
    ----------
    fitted : Fit
        A fit that passed its checks.
    modality : str
        One of the experiment's.
    times_h : (n_times,) array
        When, h, after the last dose.
    experiment : str, optional
        Of which; the first one by default.

    Returns
    -------
    ForeseenScan

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When the experiment has no such modality or several labels, or its values are
        not plain (counts, replicates, largest voxels, collections, overlaps).
    """
    only = fitted.posterior.experiment(experiment)
    draws = fitted.parameters(only.name)
    rows = _rows_of(fitted, only.name, modality)
    times = np.asarray(times_h, float)
    measured = fitted.posterior.observations.measurements
    labels = {measured[i].label for i in rows.values()}
    if len(labels) != 1:
        raise InputError(f"{modality} is of {', '.join(sorted(labels))}: one is needed")
    curves = predict_labels(only.compiled, draws, only.schedule, times)[labels.pop()]
    names = only.compiled.system.observables
    shown = curves[:, :, [names.index(region) for region in rows]]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_shown = np.log(shown)
    log_values = log_shown + _log_factors(fitted, list(rows.values()))[:, None]
    lost = int((~np.isfinite(log_values).all(axis=(1, 2))).sum())
    if lost:
        raise InputError(
            f"{modality} at {times[0]:g} to {times[-1]:g} h: {lost} of the fit's draws "
            "show nothing above 0, or cannot be solved: ask for earlier times"
        )
    variance = _variance(fitted, list(rows.values()), np.exp(log_values))
    return ForeseenScan(modality, tuple(rows), times, log_values, variance)


def _rows_of(fitted: Fit, experiment: str, modality: str) -> dict[str, int]:
    """Return a row of each region that a modality has shown."""
    seen = fitted.posterior.observations
    first = 0
    for each in fitted.posterior.experiments:
        if each.name == experiment:
            break
        first += len(each.measurements)
    own = fitted.posterior.experiment(experiment).measurements
    places = range(first, first + len(own))
    rows = {
        seen.measurements[i].region: i
        for i in places
        if seen.measurements[i].modality == modality
    }
    if not rows:
        known = sorted({m.modality for m in own})
        raise InputError(
            f"{experiment} has no modality {modality!r}: {suggest(modality, known)}"
        )
    for region, i in rows.items():
        reason = _not_plain(fitted, i)
        if reason is not None:
            raise InputError(
                f"{modality} of {region} {reason}: what one more scan would tell is "
                "known of plain values only"
            )
    return rows


def _not_plain(fitted: Fit, row: int) -> str | None:
    """Say why another value like a row cannot be foreseen, if it cannot."""
    seen = fitted.posterior.observations
    item = seen.measurements[row]
    if seen.noise.counted[row]:
        return "is counted"
    if seen.overlap[row]:
        return "holds a share of what lies over it"
    if seen.noise.sample[row]:
        return "is of replicates"
    if seen.noise.maximum[row]:
        return "is a largest voxel"
    if item.quantity is Quantity.COLLECTED:
        return "is collected"
    if item.decay_corrected_to_h is not None and fitted.posterior.additive[row]:
        return "is decay-corrected and has additive noise"
    if np.isnan(_stated_share(fitted, row)):
        return "has stated sds, but no value above 0 to compare them with"
    return None


def _stated_share(fitted: Fit, row: int) -> float:
    """Return the root mean square of sd / value of a row's region and modality.

    0 where no sd is stated, NaN where there is no value above 0 to tell.
    """
    seen = fitted.posterior.observations
    item = seen.measurements[row]
    alike = [
        i
        for i, each in enumerate(seen.measurements)
        if (each.region, each.modality, each.label)
        == (item.region, item.modality, item.label)
        and np.isfinite(seen.sd[i])
    ]
    if not alike:
        return 0.0
    told = [i for i in alike if seen.value[i] > 0.0]
    if not told:
        return float("nan")
    return float(np.sqrt(np.mean((seen.sd[told] / seen.value[told]) ** 2)))


def _log_factors(fitted: Fit, rows: list[int]) -> np.ndarray:
    """Return ln of calibration, recovery and power of the mass, (n_draws, n_rows)."""
    seen, variables = fitted.posterior.observations, fitted.draws.variables
    count = fitted.draws.diverging.size
    found = np.tile(np.log(seen.factor[rows]), (count, 1))
    if seen.calibrations:
        factors = np.log(variables[CALIBRATION].reshape(count, -1))
        found += np.pad(factors, ((0, 0), (1, 0)))[:, seen.calibration[rows]]
    if seen.recoveries:
        factors = np.log(variables[RECOVERY].reshape(count, -1))
        found += factors @ seen.recovery[rows].T
    if seen.weighed:
        masses = fitted.masses()
        logs = np.log(np.stack([masses[r] for r in seen.weighed], axis=1))
        weights = np.pad(logs, ((0, 0), (1, 0)))[:, seen.mass[rows]]
        found -= seen.mass_exponent[rows] * weights
    return found


def _variance(fitted: Fit, rows: list[int], expected: np.ndarray) -> np.ndarray:
    """Return the variance of the scatter of ln, (n_draws, n_times, n_rows)."""
    posterior, variables = fitted.posterior, fitted.draws.variables
    seen, count = posterior.observations, fitted.draws.diverging.size
    noise = variables[NOISE].reshape(count, -1)
    columns = [posterior.noisy.index(seen.modalities[seen.modality[i]]) for i in rows]
    relative = noise[:, columns] ** 2 + posterior.minimum_noise**2
    relative = relative + seen.noise.own_log_sd[rows] ** 2
    relative = relative + np.array([_stated_share(fitted, i) for i in rows]) ** 2
    # Of Student's t, whose scale is told: nu / (nu - 2) as much.
    degrees = posterior.student_t_degrees
    heavier = 1.0 if degrees is None else degrees / (degrees - 2.0)
    found = np.broadcast_to(relative[:, None], expected.shape).copy()
    if not posterior.additive[rows].any():
        return heavier * found
    floors = variables[FLOOR].reshape(count, -1)
    names = list(posterior.all_priors[FLOOR])
    for place, i in enumerate(rows):
        if posterior.additive[i]:
            floor = floors[:, names.index(seen.floors[seen.floor[i]])]
            found[:, :, place] += (floor[:, None] / expected[:, :, place]) ** 2
    return heavier * found
