"""Dose weights: how much dose each region gives to each other, draw by draw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.patient import Patient, Region
from pkmodels.dosimetry.s_values import SValue, cross_value, s_value

# Planned or not, these are compared where their dose is known: the two labels of the
# ligands' therapy.
COMPARED = ("Lu-177", "Y-90")

# Gy/(MBq h) of each source, by target and source region.
Weights = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Pair:
    """What one region's activity does to another region, or to itself.

    Parameters
    ----------
    target, source : str
        Names of the regions.
    value : SValue
        Of their organs.
    """

    target: str
    source: str
    value: SValue


@dataclass(frozen=True)
class Irradiation:
    """Every S-value that a label needs in a patient.

    Parameters
    ----------
    label : str
        The radionuclide.
    pairs : tuple of Pair
        Of the regions whose self-dose is known; those without mass have none.
    missing : mapping of str to str
        By region: why its dose is not known.
    no_cross : tuple of (str, str)
        Target and source regions without a cross S-value: left out of the dose.
    """

    label: str
    pairs: tuple[Pair, ...]
    missing: Mapping[str, str]
    no_cross: tuple[tuple[str, str], ...]


def labels_of(patient: Patient) -> list[str]:
    """Return every label whose dose a patient's result may give.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    list of str
        Those given, then those planned, then those that are compared.
    """
    planned = (plan.label for plan in patient.plans)
    return list(dict.fromkeys([*patient.schedule.labels, *planned, *COMPARED]))


def self_value(patient: Patient, region: Region, label: str) -> SValue | None:
    """Return the self-dose S-value of a patient's region, or None where none is known.

    Parameters
    ----------
    patient : Patient
        Its own table comes before the built-in one.
    region : Region
        The region.
    label : str
        The radionuclide.

    Returns
    -------
    SValue or None
    """
    return s_value(
        region.organ, label, patient.sex, side=region.side, table=patient.s_table
    )


def irradiation_of(
    patient: Patient, measured: tuple[str, ...], label: str
) -> Irradiation:
    """Look up the S-values of a label for every pair of measured regions.

    Parameters
    ----------
    patient : Patient
        The patient.
    measured : tuple of str
        Names of the regions whose activity is known.
    label : str
        The radionuclide.

    Returns
    -------
    Irradiation
    """
    regions = [region for region in patient.regions if region.name in measured]
    own = {region.name: self_value(patient, region, label) for region in regions}
    missing = {
        region.name: why
        for region in regions
        if (why := _missing(region, own[region.name], label)) is not None
    }
    pairs = [
        Pair(name, name, value)
        for name, value in own.items()
        if value is not None and name not in missing
    ]
    no_cross = []
    sex, table = patient.sex, patient.s_table
    for target, source in _others(regions, missing):
        names = _name(target), _name(source)
        # Of the marrow the tables know both kidneys' activity only, left as right.
        if target.organ == "red_marrow" and source.organ == "kidney":
            names = target.organ, "kidneys"
        value = None
        # Two kidneys without a side would be taken for both irradiating themselves.
        if names[0] != names[1]:
            value = cross_value(*names, label, sex, table=table)
        if value is None:
            no_cross.append((target.name, source.name))
        else:
            pairs.append(Pair(target.name, source.name, value))
    return Irradiation(label, tuple(pairs), missing, tuple(no_cross))


def _others(
    regions: list[Region], missing: Mapping[str, str]
) -> Iterator[tuple[Region, Region]]:
    for target in regions:
        if target.name not in missing:
            yield from ((target, other) for other in regions if other is not target)


def _name(region: Region) -> str:
    """Return what tables of cross-dose call a region; kidneys if no side is known."""
    if region.organ != "kidney":
        return region.organ
    return "kidneys" if region.side is None else f"{region.side}_kidney"


def _missing(region: Region, value: SValue | None, label: str) -> str | None:
    if value is None:
        return f"no S-value of {label} for {region.organ}"
    if region.mass_g is None:
        return f"no mass of {region.name}: give mass_g and mass_cv"
    return None


def weigh(
    irradiation: Irradiation,
    masses_g: Mapping[str, np.ndarray],
    factors: Mapping[str, np.ndarray],
    targets: Mapping[str, tuple[str, ...]],
) -> dict[str, dict[str, np.ndarray]]:
    """Return each source's dose per time-integrated activity, for each target.

    D_target = sum_source w_source TIA_source; a group's is sum_r m_r w_r / sum_r m_r.

    Parameters
    ----------
    irradiation : Irradiation
        The S-values.
    masses_g : mapping of str to (n_draws,) array
        Mass of each region, g.
    factors : mapping of str to (n_draws,) array
        What is uncertain of the S-values, by name.
    targets : mapping of str to tuple of str
        Regions of each target.

    Returns
    -------
    dict of str to dict of str to (n_draws,) array
        Gy/(MBq h); targets of which a region's dose is not known are left out.
    """
    of_region: dict[str, dict[str, np.ndarray]] = {}
    for pair in irradiation.pairs:
        value = pair.value.at_mass(masses_g[pair.target])
        for uncertainty in pair.value.uncertainties:
            value = value * factors[uncertainty.name]
        of_region.setdefault(pair.target, {})[pair.source] = value
    found = {}
    for target, names in targets.items():
        if not all(name in of_region for name in names):
            continue
        mass = sum(masses_g[name] for name in names)
        total: dict[str, np.ndarray] = {}
        for name in names:
            share = masses_g[name] / mass
            for source, weight in of_region[name].items():
                total[source] = total.get(source, 0.0) + share * weight
        found[target] = total
    return found


def combine(
    weights: Mapping[str, np.ndarray], of_source: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return sum_source w_source x_source over the draws.

    Parameters
    ----------
    weights : mapping of str to (n_draws,) array
        Of one target, by source region.
    of_source : mapping of str to (n_draws,) array
        As the time-integrated activity of each region.

    Returns
    -------
    (n_draws,) array
    """
    parts = [weight * of_source[name] for name, weight in weights.items()]
    return np.sum(parts, axis=0)
