"""What a patient's file says of joint data: occasions, sharing, and special rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pkmodels.schedule import Schedule


@dataclass(frozen=True)
class Occasion:
    """Administrations that are solved together, apart from all others.

    Parameters
    ----------
    name : str
        Its name.
    schedule : Schedule
        What was given; times are the file's, h after the first administration of all.
    """

    name: str
    schedule: Schedule

    @property
    def start_h(self) -> float:
        """When its first administration starts, h: the zero of its own times."""
        return min(a.time_h for a in self.schedule.administrations)


def divide_schedule(schedule: Schedule, names: Sequence[str]) -> tuple[Occasion, ...]:
    """Divide what was given into occasions.

    Parameters
    ----------
    schedule : Schedule
        All administrations, in the order of time.
    names : sequence of str
        Name of each one's occasion, in the same order; empty where the file names none:
        then each ligand is one occasion, and its name is the ligand's.

    Returns
    -------
    tuple of Occasion
        In the order of their first administrations.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Schedule((
    ...     Administration(0.0, 0.0, "pentixafor", "Ga-68", 150.0),
    ...     Administration(48.0, 0.0, "pentixather", "Lu-177", 200.0),
    ... ))
    >>> [(o.name, o.start_h) for o in divide_schedule(given, ())]
    [('pentixafor', 0.0), ('pentixather', 48.0)]
    """
    given = schedule.administrations
    of_each = list(names) or [a.ligand for a in given]
    return tuple(
        Occasion(
            name,
            replace(
                schedule,
                administrations=tuple(
                    a for a, own in zip(given, of_each, strict=True) if own == name
                ),
            ),
        )
        for name in dict.fromkeys(of_each)
    )


def occasion_at(
    occasions: Sequence[Occasion], label: str, start_h: float
) -> Occasion | None:
    """Return the occasion that a measured label was given on.

    Parameters
    ----------
    occasions : sequence of Occasion
        All of them.
    label : str
        The label measured.
    start_h : float
        When the measurement starts, h.

    Returns
    -------
    Occasion or None
        Of those that gave the label before, the one that gave it last; None where none
        did.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> def dose(time_h):
    ...     return Administration(time_h, 0.0, "pentixafor", "Ga-68", 150.0)
    >>> given = Schedule((dose(0.0), dose(500.0)))
    >>> two = divide_schedule(given, ("before", "after"))
    >>> [occasion_at(two, "Ga-68", t).name for t in (1.0, 499.0, 501.0)]
    ['before', 'before', 'after']
    """
    found = [
        (a.time_h, occasion.name)
        for occasion in occasions
        for a in occasion.schedule.of_label(label).administrations
        if a.time_h <= start_h
    ]
    if not found:
        return None
    _, last = max(found, key=lambda one: one[0])
    return next(occasion for occasion in occasions if occasion.name == last)


@dataclass(frozen=True)
class StatedSharing:
    """What one parameter of one occasion has to do with the other occasions'.

    Parameters
    ----------
    parameter, occasion : str
        Whose.
    how : "shared", "linked" or "free"
        One value for all; a ratio to it with a prior; or a value of its own, with the
        model's prior.
    ratio_median, ratio_log_sd : float or None
        Median of the ratio and sd of its logarithm, > 0; of a linked one only.
    source : str or None
        Where they come from.
    """

    parameter: str
    occasion: str
    how: Literal["shared", "linked", "free"]
    ratio_median: float | None = None
    ratio_log_sd: float | None = None
    source: str | None = None


@dataclass(frozen=True)
class StatedOverlap:
    """What lies above and below a region and is counted with it.

    A value is A + o sum_k w_k A_k, the share o with a logit-normal prior.

    Parameters
    ----------
    modality, region : str
        Whose values.
    others : mapping of str to float
        Weight w_k of each region, or observable of the model, that makes up the others.
    share_median : float
        Median of o, 0 to 1.
    share_logit_sd : float
        Standard deviation of ln(o / (1 - o)), > 0.
    source : str
        Where both come from.
    """

    modality: str
    region: str
    others: Mapping[str, float]
    share_median: float
    share_logit_sd: float
    source: str


@dataclass(frozen=True)
class MaximumExcess:
    """By how much a modality's largest voxel (SUVmax) exceeds the region's mean.

    Parameters
    ----------
    modality : str
        Name of the modality.
    median : float
        Median of maximum / mean - 1, > 0.
    log_sd : float
        Standard deviation of its logarithm, > 0.
    source : str
        Where both come from.
    """

    modality: str
    median: float
    log_sd: float
    source: str


@dataclass(frozen=True)
class StatedCounting:
    """How a modality's counts follow from activity.

    Parameters
    ----------
    modality : str
        Name of the modality.
    counts_per_s_per_MBq : float
        Sensitivity, > 0.
    background_log_sd : float
        Standard deviation of ln of the background that the rows state, >= 0.
    overdispersed : bool
        Whether counts scatter more than Poisson's.
    """

    modality: str
    counts_per_s_per_MBq: float
    background_log_sd: float
    overdispersed: bool
