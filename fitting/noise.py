"""Noise: how each row scatters, and which errors rows share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError, ModelError
from pkmodels.measurements import Measurement
from pkmodels.values import Certainty, Prior, log_normal

SAMPLE, BACKGROUND, EXCESS = "sample_factor", "background_factor", "maximum_excess"


@dataclass(frozen=True)
class Noise:
    """What kind of noise each row has and what it shares with others, as arrays.

    Parameters
    ----------
    below : (n,) array of bool
        Rows whose value is a limit of quantification that was not reached.
    counted : (n,) array of bool
        Rows that are counts.
    overdispersed : (n,) array of bool
        Counts that scatter more than Poisson's.
    counts_per_MBq : (n,) array
        Sensitivity times live time; 0 where nothing is counted.
    background : (n,) array
        Counts expected without the region's activity.
    backgrounds : tuple of (str, float)
        Name and sd of ln of each factor of backgrounds.
    background_factor : (n,) array of int
        Its index plus 1; 0 where the background is known.
    samples : tuple of (str, float)
        Name and sd of ln of the error of each sample of several replicates.
    sample : (n,) array of int
        Its index plus 1; 0 where none is shared.
    own_log_sd : (n,) array
        sd of ln of the error of a sample of one replicate: it adds to the noise.
    maxima : tuple of str
        Modalities with rows that are the largest voxel of a region.
    maximum : (n,) array of int
        Index of the row's modality in `maxima` plus 1; 0 where it is no maximum.
    """

    below: np.ndarray
    counted: np.ndarray
    overdispersed: np.ndarray
    counts_per_MBq: np.ndarray
    background: np.ndarray
    backgrounds: tuple[tuple[str, float], ...]
    background_factor: np.ndarray
    samples: tuple[tuple[str, float], ...]
    sample: np.ndarray
    own_log_sd: np.ndarray
    maxima: tuple[str, ...]
    maximum: np.ndarray

    @property
    def plain(self) -> np.ndarray:
        """Rows whose value is an estimate of what the model expects, (n,) bool."""
        return ~(self.below | self.counted)

    @property
    def poisson(self) -> np.ndarray:
        """Counts without any other scatter, (n,) bool."""
        return self.counted & ~self.overdispersed & (self.own_log_sd == 0.0)

    @property
    def noisy(self) -> np.ndarray:
        """Rows with the relative noise of their modality, (n,) bool."""
        return ~self.counted | self.overdispersed

    @property
    def form(self) -> tuple[object, ...]:
        """All but the names: what a compiled likelihood depends on."""
        factors = (self.backgrounds, self.samples, self.maxima)
        arrays = (
            self.below,
            self.counted,
            self.overdispersed,
            self.counts_per_MBq,
            self.background,
            self.background_factor,
            self.sample,
            self.own_log_sd,
            self.maximum,
        )
        return (*factors, *(array.tolist() for array in arrays))


def arrange_noise(measurements: Sequence[Measurement]) -> Noise:
    """Say of each measurement how it scatters and what it shares with others.

    Replicates of one sample share a log-normal factor. A sample of one replicate has no
    factor of its own: the variance of ln of it adds to that of the noise, which is the
    same where the noise is log-normal, and to first order elsewhere.

    Parameters
    ----------
    measurements : sequence of Measurement
        What was measured, in the order of the rows.

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        When replicates of one sample, or backgrounds of one region and modality, state
        different errors.

    Examples
    --------
    >>> from pkmodels.measurements import Quantity, Sample
    >>> tube = Sample("blood at 1 h", 0.03)
    >>> blood = Measurement("blood", "Lu-177", "well counter", 1.0, 1.0, 0.9,
    ...                     Quantity.PER_LITRE, None, None, "line 2", sample=tube)
    >>> arrange_noise([blood, blood]).samples, arrange_noise([blood]).own_log_sd
    ((('blood at 1 h', 0.03),), array([0.03]))
    """
    sizes: dict[str, int] = {}
    stated: dict[str, float] = {}
    backgrounds: dict[str, float] = {}
    for item in measurements:
        if item.sample is not None:
            name = item.sample.name
            sizes[name] = sizes.get(name, 0) + 1
            _agree(stated, name, item.sample.log_sd, item.source)
        if item.counting is not None and item.counting.background_log_sd > 0.0:
            log_sd = item.counting.background_log_sd
            _agree(backgrounds, _background_name(item), log_sd, item.source)
    samples = {name: sd for name, sd in stated.items() if sizes[name] > 1}
    of_sample = [m.sample.name if m.sample else "" for m in measurements]
    maxima = tuple(dict.fromkeys(m.modality for m in measurements if m.maximum))
    countings = [m.counting for m in measurements]
    return Noise(
        below=np.array([m.below for m in measurements], dtype=bool),
        counted=np.array([c is not None for c in countings], dtype=bool),
        overdispersed=np.array([bool(c and c.overdispersed) for c in countings]),
        counts_per_MBq=np.array(
            [c.counts_per_s_per_MBq * c.live_time_s if c else 0.0 for c in countings]
        ),
        background=np.array([c.background if c else 0.0 for c in countings]),
        backgrounds=tuple(backgrounds.items()),
        background_factor=_places(
            [_background_name(m) if m.counting else "" for m in measurements],
            backgrounds,
        ),
        samples=tuple(samples.items()),
        sample=_places(of_sample, samples),
        own_log_sd=np.array(
            [0.0 if n in samples else stated.get(n, 0.0) for n in of_sample]
        ),
        maxima=maxima,
        maximum=_places(
            [m.modality if m.maximum else "" for m in measurements], maxima
        ),
    )


def _background_name(item: Measurement) -> str:
    return f"{item.region}, {item.modality}"


def _places(
    names: Sequence[str], among: Mapping[str, float] | tuple[str, ...]
) -> np.ndarray:
    """Return the index plus 1 of each name, 0 where it is not among them."""
    known = list(among)
    return np.array([known.index(n) + 1 if n in known else 0 for n in names], dtype=int)


def _agree(stated: dict[str, float], name: str, log_sd: float, source: str) -> None:
    if stated.setdefault(name, log_sd) != log_sd:
        raise InputError(
            f"{source}: {name!r} has an error of {log_sd:g} (sd of ln) here and "
            f"{stated[name]:g} elsewhere: state one for all"
        )


def noise_priors(
    noise: Noise, maximum_excess: Mapping[str, Prior]
) -> dict[str, dict[str, Prior]]:
    """Return the priors of the errors that rows share, by PyMC variable.

    Parameters
    ----------
    noise : Noise
        Of the rows.
    maximum_excess : mapping of str to Prior
        Log-normal prior of x for each modality with largest voxels: their value is
        1 + x times the mean.

    Returns
    -------
    dict of str to dict of str to Prior
        Groups without members are left out.

    Raises
    ------
    ModelError
        When a modality with largest voxels has no prior, or a prior no such modality.

    Examples
    --------
    >>> from pkmodels.measurements import Quantity
    >>> from pkmodels.values import log_normal
    >>> hottest = Measurement("spleen", "Ga-68", "PET", 1.0, 1.0, 0.02,
    ...                       Quantity.CONCENTRATION, None, None, "line 2",
    ...                       maximum=True)
    >>> prior = log_normal(0.4, 0.8, "", "noise and texture", Certainty.JUDGEMENT)
    >>> list(noise_priors(arrange_noise([hottest]), {"PET": prior}))
    ['maximum_excess']
    """
    missing = [name for name in noise.maxima if name not in maximum_excess]
    unused = [name for name in maximum_excess if name not in noise.maxima]
    if missing or unused:
        raise ModelError(
            "each modality with largest voxels (SUVmax) needs a prior of their excess "
            f"over the mean in maximum_excess; without one: "
            f"{', '.join(missing) or 'none'}; unused: {', '.join(unused) or 'none'}"
        )
    groups = {
        SAMPLE: {name: _factor_prior(sd) for name, sd in noise.samples},
        BACKGROUND: {name: _factor_prior(sd) for name, sd in noise.backgrounds},
        EXCESS: {name: maximum_excess[name] for name in noise.maxima},
    }
    return {name: group for name, group in groups.items() if group}


def _factor_prior(log_sd: float) -> Prior:
    return log_normal(1.0, log_sd, "", "stated with the measurement", Certainty.STATED)


def noisy_modalities(
    noise: Noise, modalities: Sequence[str], modality: np.ndarray
) -> tuple[str, ...]:
    """Return the modalities whose relative noise some row has.

    Parameters
    ----------
    noise : Noise
        Of the rows.
    modalities : sequence of str
        All of them.
    modality : (n,) array of int
        Index of each row's.

    Returns
    -------
    tuple of str
        In order, without those that only give counts that are not overdispersed.

    Examples
    --------
    >>> from pkmodels.measurements import Quantity
    >>> scan = Measurement("liver", "Lu-177", "SPECT", 24.0, 24.0, 70.0,
    ...                    Quantity.ACTIVITY, None, None, "line 2")
    >>> noisy_modalities(arrange_noise([scan]), ("SPECT",), np.zeros(1, int))
    ('SPECT',)
    """
    used = {int(i) for i in modality[noise.noisy]}
    return tuple(name for i, name in enumerate(modalities) if i in used)


def check_degrees(degrees: float | None) -> None:
    """Refuse degrees of freedom of Student's t at which it has no variance.

    Parameters
    ----------
    degrees : float or None
        Of the residuals, > 2; None where they are normal.

    Raises
    ------
    ModelError
        When they are 2 or fewer, or not finite.

    References
    ----------
    Lange et al., J Am Stat Assoc 1989;84:881 (t-distributed residuals).

    Examples
    --------
    >>> check_degrees(4.0)
    """
    if degrees is not None and not (math.isfinite(degrees) and degrees > 2.0):
        raise ModelError(
            f"student_t_degrees is {degrees}: it must be finite and above 2, as 4, or "
            "None for normal residuals"
        )
