"""Measurements as arrays: what a likelihood needs to predict each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.fitting.experiments import Experiment
from pkmodels.fitting.noise import Noise, arrange_noise
from pkmodels.fitting.stacks import Overlap, Readout, stack_rows
from pkmodels.measurements import Measurement, Quantity, correction_of
from pkmodels.nuclides import nuclide
from pkmodels.values import Certainty, Prior, log_normal


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
    median : float
        Its median, > 0.
    source : str
        Where both come from.
    certainty : Certainty
        How sure they are.
    """

    modality: str
    per_region: bool
    log_sd: float
    median: float = 1.0
    source: str = "by the patient's file"
    certainty: Certainty = Certainty.STATED

    @property
    def prior(self) -> Prior:
        """Its log-normal prior."""
        return log_normal(self.median, self.log_sd, "", self.source, self.certainty)


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
class Observations:
    """Measurements in array form.

    The prediction of row i is factor_i c_i m_i^(-k_i) prod_j x_j^(l_ij) e_i (sum_q
    weight_iq activity_iq + o_i sum_q other_weight_iq activity_iq), with activities of
    any observable at any time, its calibration factor c_i (1 where there is none), the
    region's mass m_i, the recovery factors x_j, the errors e_i that `noise` says it
    shares, and the share o_i of what lies over the region. The power k is 1 for a
    concentration and 0 for a total, unless an `Outline` says more.

    Parameters
    ----------
    measurements : tuple of Measurement
        What the rows are, experiment after experiment.
    readouts : tuple of Readout
        Every label of every experiment that was measured. Their activities, each
        (n_times, n_observables of the experiment) row by row, follow one another in one
        vector: the stack.
    node, weight : (n, n_nodes) arrays
        Places in the stack, and the weight of each: of a frame, its quadrature; of what
        was collected, its start and end.
    overlaps : tuple of (str, Prior)
        Name and prior of the share of each region with an `Overlap`.
    overlap : (n,) array of int
        Its index plus 1; 0 where nothing lies over the region.
    other_node, other_weight : (n, n_other_nodes) arrays
        Places and weights of what lies over it.
    factor : (n,) array
        Decay correction, and the mass as outlined to the power that makes up the unit.
    calibrations : tuple of (str, Prior)
        Name and prior of each calibration factor.
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
    noise : Noise
        Which rows are limits, counts, replicates or largest voxels.
    """

    measurements: tuple[Measurement, ...]
    readouts: tuple[Readout, ...]
    node: np.ndarray
    weight: np.ndarray
    overlaps: tuple[tuple[str, Prior], ...]
    overlap: np.ndarray
    other_node: np.ndarray
    other_weight: np.ndarray
    factor: np.ndarray
    calibrations: tuple[tuple[str, Prior], ...]
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
    noise: Noise


def arrange(
    experiments: Sequence[Experiment],
    calibrations: Sequence[Calibration],
    outlines: Sequence[Outline] = (),
    recoveries: Sequence[tuple[str, float]] = (),
    overlaps: Sequence[Overlap] = (),
) -> Observations:
    """Turn the measurements of experiments into arrays.

    Calibration, recovery, masses and noise go by name of modality and region, so that
    experiments share them.

    Parameters
    ----------
    experiments : sequence of Experiment
        What was given and measured; each region is an observable of its model.
    calibrations : sequence of Calibration
        Unknown factors; a modality without one is taken as exact.
    outlines : sequence of Outline
        Of the regions and modalities whose values hang on the outline.
    recoveries : sequence of (str, float)
        Name and sd of ln of each factor that the outlines' loadings name.
    overlaps : sequence of Overlap
        Of regions whose values hold a share of what lies over them.

    Returns
    -------
    Observations

    Raises
    ------
    InputError
        When a region is no observable, a label was not administered, two experiments
        have one name, an overlap is of no value, or replicates contradict each other.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> arrange([worked_example.experiment()], []).readouts[0].times_h.tolist()
    [24.0, 72.0, 120.0]
    """
    for experiment in experiments:
        _check_known(experiment)
    _check_names(experiments)
    measurements = tuple(m for each in experiments for m in each.measurements)
    stack = stack_rows(experiments, overlaps)
    factors = [_factor(item, calibrations) for item in measurements]
    known = dict(factor for factor in factors if factor is not None)
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
        measurements=measurements,
        readouts=stack.readouts,
        node=stack.node,
        weight=stack.weight,
        overlaps=stack.overlaps,
        overlap=stack.overlap,
        other_node=stack.other_node,
        other_weight=stack.other_weight,
        factor=np.array([_correction(item) for item in measurements]) * unit,
        calibrations=tuple(known.items()),
        calibration=np.array(
            [list(known).index(f[0]) + 1 if f else 0 for f in factors]
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
        noise=arrange_noise(measurements),
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
        Its region and modality, and its quantity where it is no activity: other
        modalities and quantities have other scales.

    Examples
    --------
    >>> scan = Measurement("kidney", "Lu-177", "SPECT", 24.0, 24.0, 70.0,
    ...                    Quantity.ACTIVITY, None, None, "line 2")
    >>> floor_name(scan)
    'kidney, SPECT'
    """
    unit = {Quantity.ACTIVITY: "", Quantity.CONCENTRATION: ", per g"}
    scale = unit.get(item.quantity, f", {item.quantity}")
    return f"{item.region}, {item.modality}{scale}"


def _check_names(experiments: Sequence[Experiment]) -> None:
    names = [experiment.name for experiment in experiments]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{names.count(name)} experiments are called {name!r}: name each"
            )


def _check_known(experiment: Experiment) -> None:
    """Refuse a region that the model lacks and a label that was not administered."""
    given = experiment.schedule.labels
    observables = experiment.compiled.system.observables
    for item in experiment.measurements:
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
    return correction_of(item, nuclide(item.label).decay_constant_per_h)


def _factor(
    item: Measurement, calibrations: Sequence[Calibration]
) -> tuple[str, Prior] | None:
    """Return name and prior of the calibration factor of a measurement, if any."""
    for calibration in calibrations:
        if calibration.modality == item.modality:
            per_region = f", {item.region}" if calibration.per_region else ""
            return f"{item.modality}{per_region}", calibration.prior
    return None
