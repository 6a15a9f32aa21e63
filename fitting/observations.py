"""Measurements as arrays: what a likelihood needs to predict each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.exact import Doses, doses_of
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule

_FRAME_NODES = 8


@dataclass(frozen=True)
class Calibration:
    """An unknown factor that multiplies what a modality reports.

    Parameters
    ----------
    modality : str
        Which modality.
    per_region : bool
        False: one factor shared by all scans and regions of the modality. True: one
        factor for each region, shared by its scans.
    log_sd : float
        Standard deviation of its logarithm, > 0.
    """

    modality: str
    per_region: bool
    log_sd: float


@dataclass(frozen=True)
class Outline:
    """How a region's outline and recovery enter one modality's values.

    A value is too large by (m / m_true)^k prod_j x_j^(l_j), m the mass as outlined.

    Parameters
    ----------
    modality, region : str
        Whose values.
    exponent : float
        k: how the activity found grows with the volume outlined.
    mass_g : float
        m, g, > 0.
    loadings : mapping of str to float
        l_j by the name of the factor x_j, one of `arrange`'s recoveries.
    """

    modality: str
    region: str
    exponent: float
    mass_g: float
    loadings: Mapping[str, float]


@dataclass(frozen=True)
class LabelTimes:
    """The doses of one label and every time at which its activity is needed."""

    doses: Doses
    times_h: np.ndarray


@dataclass(frozen=True)
class Observations:
    """Measurements in array form.

    The prediction of row i is factor_i c_i m_i^(-k_i) prod_j x_j^(l_ij) sum_q weight_iq
    activity_iq, with the activities at the times of one label, its calibration factor
    c_i (1 where there is none), the region's mass m_i and the recovery factors x_j. The
    power k is 1 for a concentration and 0 for a total, unless an `Outline` says more.

    Parameters
    ----------
    labels : mapping of str to LabelTimes
        For each label, its doses and times; times of all labels are stacked in order.
    observables : tuple of str
        Names of the model's observables that the columns of activities stand for.
    column : (n,) array of int
        Observable of each row.
    node, weight : (n, n_nodes) arrays
        Rows of the stacked times, and weights that average a frame.
    factor : (n,) array
        Decay correction, and the mass as outlined to the power that makes up the unit.
    calibrations : tuple of (str, float)
        Name and sd of ln of each calibration factor.
    calibration : (n,) array of int
        Its index plus 1; 0 is a factor of 1.
    weighed : tuple of str
        Regions whose mass enters a prediction.
    mass : (n,) array of int
        Index into `weighed` plus 1; 0 where no mass enters.
    mass_exponent : (n,) array
        k of each row.
    recoveries : tuple of (str, float)
        Name and sd of ln of each recovery factor.
    recovery : (n, n_recoveries) array
        l of each row.
    modalities : tuple of str
        Modalities in order; `modality` holds each row's index.
    regions : tuple of str
        Regions measured, in order; `region` holds each row's index.
    floors : tuple of str
        Kinds of value that share an additive noise: one region, modality and
        quantity; `floor` holds each row's index.
    value, sd : (n,) arrays
        Values, and stated sd (NaN where it is to be estimated).
    """

    labels: Mapping[str, LabelTimes]
    observables: tuple[str, ...]
    column: np.ndarray
    node: np.ndarray
    weight: np.ndarray
    factor: np.ndarray
    calibrations: tuple[tuple[str, float], ...]
    calibration: np.ndarray
    weighed: tuple[str, ...]
    mass: np.ndarray
    mass_exponent: np.ndarray
    recoveries: tuple[tuple[str, float], ...]
    recovery: np.ndarray
    modalities: tuple[str, ...]
    modality: np.ndarray
    regions: tuple[str, ...]
    region: np.ndarray
    floors: tuple[str, ...]
    floor: np.ndarray
    value: np.ndarray
    sd: np.ndarray


def arrange(
    measurements: Sequence[Measurement],
    schedule: Schedule,
    observables: tuple[str, ...],
    calibrations: Sequence[Calibration],
    outlines: Sequence[Outline] = (),
    recoveries: Sequence[tuple[str, float]] = (),
) -> Observations:
    """Turn measurements into arrays.

    Parameters
    ----------
    measurements : sequence of Measurement
        What was measured; each region is an observable of the model.
    schedule : Schedule
        All administrations.
    observables : tuple of str
        Observables of the model, in its order.
    calibrations : sequence of Calibration
        Unknown factors; a modality without one is taken as exact.
    outlines : sequence of Outline
        Of the regions and modalities whose values hang on the outline.
    recoveries : sequence of (str, float)
        Name and sd of ln of each factor that the outlines' loadings name.

    Returns
    -------
    Observations

    Raises
    ------
    InputError
        When a region is no observable, or a label was not administered.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
    >>> scan = Measurement("kidney", "Lu-177", "SPECT", 24.0, 24.0, 70.0,
    ...                    Quantity.ACTIVITY, None, None, "line 2")
    >>> arrange([scan], given, ("kidney",), []).labels["Lu-177"].times_h.tolist()
    [24.0]
    """
    _check_known(measurements, schedule, observables)
    frames = [_nodes(item, schedule) for item in measurements]
    labels, node = _stack_times(measurements, frames, schedule)
    factors = [_factor(item, calibrations) for item in measurements]
    log_sds = dict(factor for factor in factors if factor is not None)
    drawn = {(o.modality, o.region): o for o in outlines}
    exponent, unit = _exponents(measurements, drawn)
    weighed = tuple(
        dict.fromkeys(
            m.region for m, k in zip(measurements, exponent, strict=True) if k != 0.0
        )
    )
    modalities = tuple(dict.fromkeys(m.modality for m in measurements))
    regions = tuple(dict.fromkeys(m.region for m in measurements))
    floors = tuple(dict.fromkeys(floor_name(m) for m in measurements))
    return Observations(
        labels=labels,
        observables=observables,
        column=np.array([observables.index(m.region) for m in measurements]),
        node=node,
        weight=np.array([np.pad(w, (0, node.shape[1] - len(w))) for _, w in frames]),
        factor=np.array([_correction(item) for item in measurements]) * unit,
        calibrations=tuple(log_sds.items()),
        calibration=np.array(
            [list(log_sds).index(f[0]) + 1 if f else 0 for f in factors]
        ),
        weighed=weighed,
        mass=np.array(
            [
                weighed.index(m.region) + 1 if k != 0.0 else 0
                for m, k in zip(measurements, exponent, strict=True)
            ]
        ),
        mass_exponent=exponent,
        recoveries=tuple(recoveries),
        recovery=_loadings(measurements, drawn, [name for name, _ in recoveries]),
        modalities=modalities,
        modality=np.array([modalities.index(m.modality) for m in measurements]),
        regions=regions,
        region=np.array([regions.index(m.region) for m in measurements]),
        floors=floors,
        floor=np.array([floors.index(floor_name(m)) for m in measurements]),
        value=np.array([m.value for m in measurements]),
        sd=np.array([np.nan if m.sd is None else m.sd for m in measurements]),
    )


def _exponents(
    measurements: Sequence[Measurement], outlines: Mapping[tuple[str, str], Outline]
) -> tuple[np.ndarray, np.ndarray]:
    """Return k of each row, and what makes m_true^-k a value of the row's unit."""
    exponents, units = [], []
    for item in measurements:
        per_gram = item.quantity is Quantity.CONCENTRATION
        outline = outlines.get((item.modality, item.region))
        exponents.append(float(per_gram) if outline is None else outline.exponent)
        units.append(1.0)
        if outline is not None:
            units[-1] = outline.mass_g ** (outline.exponent - per_gram)
    return np.array(exponents), np.array(units)


def _loadings(
    measurements: Sequence[Measurement],
    outlines: Mapping[tuple[str, str], Outline],
    names: Sequence[str],
) -> np.ndarray:
    found = np.zeros((len(measurements), len(names)))
    for i, item in enumerate(measurements):
        outline = outlines.get((item.modality, item.region))
        if outline is not None:
            found[i] = [outline.loadings.get(name, 0.0) for name in names]
    return found


def floor_name(item: Measurement) -> str:
    """Name the kind of value that shares an additive noise with a measurement.

    Parameters
    ----------
    item : Measurement
        The measurement.

    Returns
    -------
    str
        Its region and modality, and whether it is a concentration: other modalities
        and quantities have other scales.

    Examples
    --------
    >>> scan = Measurement("kidney", "Lu-177", "SPECT", 24.0, 24.0, 70.0,
    ...                    Quantity.ACTIVITY, None, None, "line 2")
    >>> floor_name(scan)
    'kidney, SPECT'
    """
    per_gram = ", per g" if item.quantity is Quantity.CONCENTRATION else ""
    return f"{item.region}, {item.modality}{per_gram}"


def _check_known(
    measurements: Sequence[Measurement],
    schedule: Schedule,
    observables: tuple[str, ...],
) -> None:
    """Refuse a region that the model lacks and a label that was not administered."""
    given = schedule.labels
    for item in measurements:
        if item.region not in observables:
            raise InputError(
                f"{item.source}: the model has no observable {item.region!r}: "
                f"{suggest(item.region, observables)}"
            )
        if item.label not in given:
            raise InputError(
                f"{item.source}: label {item.label!r} was not administered: "
                f"{suggest(item.label, given)}"
            )


def _correction(item: Measurement) -> float:
    decay = nuclide(item.label).decay_constant_per_h
    reference = item.decay_corrected_to_h
    return decay_correction_factor(item.start_h, item.end_h, reference, decay)


def _nodes(item: Measurement, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Return times and weights that average the frame, split where a dose jumps."""
    if item.end_h == item.start_h:
        return np.array([item.start_h]), np.array([1.0])
    starts = {a.time_h for a in schedule.administrations}
    ends = {a.time_h + a.duration_h for a in schedule.administrations}
    inside = {t for t in starts | ends if item.start_h < t < item.end_h}
    edges = sorted({item.start_h, item.end_h} | inside)
    nodes, weights = np.polynomial.legendre.leggauss(_FRAME_NODES)
    times = [(a + b) / 2.0 + (b - a) / 2.0 * nodes for a, b in pairwise(edges)]
    share = [(b - a) / 2.0 * weights for a, b in pairwise(edges)]
    return np.concatenate(times), np.concatenate(share) / (item.end_h - item.start_h)


def _stack_times(
    measurements: Sequence[Measurement],
    frames: Sequence[tuple[np.ndarray, np.ndarray]],
    schedule: Schedule,
) -> tuple[dict[str, LabelTimes], np.ndarray]:
    width = max(len(times) for times, _ in frames)
    node = np.zeros((len(measurements), width), dtype=int)
    labels: dict[str, LabelTimes] = {}
    offset = 0
    for label in dict.fromkeys(item.label for item in measurements):
        rows = [i for i, item in enumerate(measurements) if item.label == label]
        times = np.unique(np.concatenate([frames[i][0] for i in rows]))
        for i in rows:
            found = np.searchsorted(times, frames[i][0]) + offset
            node[i] = np.pad(found, (0, width - len(found)), mode="edge")
        labels[label] = LabelTimes(doses_of(schedule.of_label(label)), times)
        offset += len(times)
    return labels, node


def _factor(
    item: Measurement, calibrations: Sequence[Calibration]
) -> tuple[str, float] | None:
    """Return name and sd of ln of the calibration factor of a measurement, if any."""
    for calibration in calibrations:
        if calibration.modality == item.modality:
            per_region = f", {item.region}" if calibration.per_region else ""
            return f"{item.modality}{per_region}", calibration.log_sd
    return None
