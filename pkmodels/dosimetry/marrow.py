"""Red-marrow dose from the activity in blood, for ligands that bind nothing there.

D = TIA_blood (m_RM / m_blood) RMBLR S(RM<-RM) + TIA_RB S(RM<-RB) + sum_h TIA_h S(RM<-h)
with RM the red marrow, RB the remainder of the body and h the organs followed apart.

References
----------
Hindorf et al., EANM Dosimetry Committee guidelines for bone marrow and whole-body
dosimetry, Eur J Nucl Med Mol Imaging 2010;37:1238.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkmodels.dosimetry.mass_scaling import SValue
from pkmodels.dosimetry.s_rows import STable
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.errors import InputError
from pkmodels.values import Certainty, Value

EXTRACELLULAR_FRACTION = Value(
    0.19,
    "1",
    "fraction of the red marrow that is extracellular fluid (RMECFF): Sgouros, J Nucl "
    "Med 1993;34:689, as taken by Hindorf et al. 2010",
    Certainty.PUBLISHED,
)
PEPTIDE_RATIO = Value(
    1.0,
    "1",
    "red marrow to blood, Lu-177 peptides that bind no stem cell: Forrer et al., Eur J "
    "Nucl Med Mol Imaging 2009;36:1138",
    Certainty.PUBLISHED,
)

# Ligands of CXCR4, which cells of the marrow carry.
CXCR4_LIGANDS = ("pentixather", "pentixafor")
_MARROW = "red_marrow"
_BODY = "total_body"
_POSITIVE = ("blood_g", "red_marrow_g", "ratio")


@dataclass(frozen=True)
class MarrowDose:
    """The parts of a red-marrow dose, Gy, each of the shape of the draws.

    Parameters
    ----------
    from_marrow : array
        From activity in the marrow itself, by way of the blood.
    from_remainder : array or None
        From the remainder of the body; None where its activity is not known.
    from_organs : mapping of str to array
        From each organ followed apart.
    statement : str
        What was assumed and what was left out, for the report.
    """

    from_marrow: Any
    from_remainder: Any
    from_organs: Mapping[str, Any]
    statement: str

    @property
    def total(self) -> Any:
        """The sum of the parts that are known, Gy."""
        parts = [self.from_marrow, *self.from_organs.values()]
        return sum(
            parts if self.from_remainder is None else [*parts, self.from_remainder]
        )


@dataclass(frozen=True)
class BloodActivity:
    """What a patient's blood, organs and body hold, over all time, and their masses.

    Each is a number or an array of draws, (n_draws,).

    Parameters
    ----------
    blood_MBq_h : array
        Time-integrated activity of the whole blood, MBq h, >= 0.
    blood_g, red_marrow_g : array
        Masses, g, > 0.
    ratio : array
        Red marrow to blood, RMBLR, > 0: `red_marrow_to_blood_ratio`, or
        `PEPTIDE_RATIO`.
    organs_MBq_h : mapping of str to array
        Of each organ followed apart, MBq h, >= 0; ``kidneys`` is the sum of both.
    body_MBq_h, body_g : array or None
        Of the whole body, MBq h, and its mass, g. None: the remainder is left out, and
        the result says so.
    """

    blood_MBq_h: Any
    blood_g: Any
    red_marrow_g: Any
    ratio: Any
    organs_MBq_h: Mapping[str, Any] = field(default_factory=dict)
    body_MBq_h: Any = None
    body_g: Any = None


@dataclass(frozen=True)
class MarrowSValues:
    """S-values of red marrow from each source, and the sources' reference masses.

    Parameters
    ----------
    by_source : mapping of str to SValue
        From ``red_marrow``, the organs, and ``total_body`` where it counts.
    masses_g : mapping of str to float
        Mass of each source in the reference phantom, g, > 0.
    """

    by_source: Mapping[str, SValue]
    masses_g: Mapping[str, float]


def red_marrow_to_blood_ratio(
    haematocrit: Any, extracellular_fraction: Any = EXTRACELLULAR_FRACTION.value
) -> Any:
    """Return the activity concentration of red marrow over that of blood, RMBLR.

    RMBLR = RMECFF / (1 - haematocrit): the ligand is in plasma and in the marrow's
    extracellular fluid, in equal concentration, and nowhere else.

    Parameters
    ----------
    haematocrit : float or (n_draws,) array
        Fraction of the blood that is cells, in (0, 1).
    extracellular_fraction : float or (n_draws,) array
        RMECFF, in (0, 1): `EXTRACELLULAR_FRACTION` unless measured.

    Returns
    -------
    float or (n_draws,) array

    Raises
    ------
    InputError
        When a fraction is not between 0 and 1: percent are refused.

    References
    ----------
    Sgouros, J Nucl Med 1993;34:689; Hindorf et al. 2010.

    Examples
    --------
    >>> round(red_marrow_to_blood_ratio(0.45), 3)
    0.345
    """
    for name, value in (
        ("haematocrit", haematocrit),
        ("extracellular_fraction", extracellular_fraction),
    ):
        found = np.asarray(value, dtype=np.float64)
        wrong = found[~((found > 0.0) & (found < 1.0))]
        if wrong.size:
            raise InputError(
                f"{name}: found {wrong[0]:g}; give a fraction between 0 and 1, as in "
                "0.45, not percent"
            )
    return extracellular_fraction / (1.0 - haematocrit)


def marrow_s_values(
    label: str,
    sex: str,
    organs: tuple[str, ...],
    *,
    remainder: bool,
    table: STable | None = None,
) -> MarrowSValues:
    """Return the S-values to red marrow that `red_marrow_dose` needs, by source.

    Parameters
    ----------
    label, sex, table
        As in `s_value`.
    organs : tuple of str
        Organs followed apart: ``kidneys``, ``liver``, ``spleen``...
    remainder : bool
        Whether the remainder of the body counts: needs that of the total body too.

    Returns
    -------
    MarrowSValues

    Raises
    ------
    InputError
        When one is missing; for Y-90 only that of red marrow from itself is known.

    Examples
    --------
    >>> found = marrow_s_values("Lu-177", "male", ("kidneys",), remainder=True)
    >>> list(found.by_source)
    ['red_marrow', 'kidneys', 'total_body']
    """
    sources = (_MARROW, *organs, *([_BODY] if remainder else []))
    values, masses = {}, {}
    for source in sources:
        other = None if source == _MARROW else source
        found = require_s_value(_MARROW, label, sex, source_organ=other, table=table)
        own = require_s_value(source, label, sex, table=table)
        values[source] = found
        if own.reference_mass_g is None:
            raise InputError(
                f"reference mass of {source}, {sex}: its S-value, {own.source}, has "
                "none; give one with its mass in a table of your own"
            )
        masses[source] = own.reference_mass_g
    return MarrowSValues(values, masses)


def remainder_s(values: MarrowSValues, factors: Mapping[str, Any]) -> Any:
    """Return S of red marrow from the remainder of the reference body, Gy/(MBq h).

    S(RM<-RB) = [S(RM<-TB) m_TB - sum_h S(RM<-h) m_h] / m_RB, with h the red marrow
    itself and the organs followed apart, m_RB = m_TB - sum_h m_h: what the remainder
    must have so that an even distribution gives S(RM<-TB).

    Parameters
    ----------
    values : MarrowSValues
        With the total body.
    factors : mapping of str to (n_draws,) array
        Of all of these values.

    Returns
    -------
    float or (n_draws,) array
        Not below 0: where the tables' errors make it so in a draw, 0.

    Raises
    ------
    InputError
        When there is no total body.

    References
    ----------
    Hindorf et al. 2010.

    Examples
    --------
    >>> found = marrow_s_values("Lu-177", "male", (), remainder=True)
    >>> ones = {u.name: 1.0 for v in found.by_source.values() for u in v.uncertainties}
    >>> print(f"{remainder_s(found, ones) / 3.6:.3e}")  # mGy/(MBq s)
    9.115e-08
    """
    if _BODY not in values.by_source:
        raise InputError(
            "S of red marrow from the remainder needs that from total_body: take "
            "marrow_s_values(..., remainder=True)"
        )
    energy, mass = 0.0, 0.0
    for source, value in values.by_source.items():
        s = value.at_mass(values.masses_g[_MARROW]) * _factor(value, factors)
        sign = 1.0 if source == _BODY else -1.0
        energy = energy + sign * s * values.masses_g[source]
        mass += sign * values.masses_g[source]
    return np.maximum(energy / mass, 0.0)


def red_marrow_dose(
    values: MarrowSValues,
    factors: Mapping[str, Any],
    activity: BloodActivity,
    *,
    ligand: str,
    binds_nothing_because: str | None,
) -> MarrowDose:
    """Return the red-marrow dose that follows from the activity in blood.

    D = TIA_b (m_RM / m_b) RMBLR S(RM<-RM) + TIA_RB S(RM<-RB) m_TB,ref / m_TB
    + sum_h TIA_h S(RM<-h), TIA_RB = TIA_TB - TIA_RM - sum_h TIA_h.

    Parameters
    ----------
    values : MarrowSValues
        From `marrow_s_values`, for the organs of `activity` and no other.
    factors : mapping of str to (n_draws,) array
        From `pkmodels.dosimetry.doses.draw_factors` of these values.
    activity : BloodActivity
        What the patient's blood, organs and body hold, and their masses.
    ligand : str
        The ligand. The method holds for none that binds to cells of blood or marrow.
    binds_nothing_because : str or None
        Why this one does not: kept in the statement of the result. Without it the dose
        is refused, of ligands of CXCR4 above all.

    Returns
    -------
    MarrowDose

    Raises
    ------
    InputError
        When it is not said why the ligand binds nothing; an S-value is missing; a
        quantity is not finite or negative; the parts hold more than the whole body.

    References
    ----------
    Hindorf et al. 2010. The scaling of the remainder by the mass of the body is from
    memory of that paper: check it before relying on this term.

    Examples
    --------
    >>> values = marrow_s_values("Lu-177", "male", (), remainder=False)
    >>> blood = BloodActivity(15000.0, 5600.0, 1170.0, PEPTIDE_RATIO.value)
    >>> dose = red_marrow_dose(
    ...     values, {"S-value of Lu-177, red_marrow": 1.0}, blood, ligand="dotatate",
    ...     binds_nothing_because="no stem-cell binding, Forrer 2009",
    ... )
    >>> round(dose.total, 4)  # 15000 / 5600 x 1170 x 4.14e-5 Gy/(MBq h)
    0.1297
    """
    _check_ligand(ligand, binds_nothing_because)
    _check_activity(values, activity)
    in_marrow = (
        activity.blood_MBq_h * (activity.red_marrow_g / activity.blood_g)
    ) * activity.ratio
    own = values.by_source[_MARROW]
    from_marrow = in_marrow * own.at_mass(activity.red_marrow_g) * _factor(own, factors)
    from_organs = {}
    for organ, time_integral in activity.organs_MBq_h.items():
        value = values.by_source[organ]
        # Cross values do not depend on the mass.
        s = value.at_mass(values.masses_g[_MARROW]) * _factor(value, factors)
        from_organs[organ] = time_integral * s
    from_remainder = None
    if activity.body_MBq_h is not None:
        rest = _remainder_MBq_h(activity, in_marrow)
        scale = values.masses_g[_BODY] / activity.body_g
        from_remainder = rest * remainder_s(values, factors) * scale
    statement = _statement(ligand, str(binds_nothing_because), values, from_remainder)
    return MarrowDose(from_marrow, from_remainder, from_organs, statement)


def _check_ligand(ligand: str, reason: str | None) -> None:
    if reason is not None and reason.strip():
        return
    known = ligand.casefold() in CXCR4_LIGANDS
    why = (
        "it binds to CXCR4, which cells of the marrow carry, so that marrow holds more "
        "than blood does: measure the marrow by imaging (Haenscheid 2022) or give the "
        "model a compartment of it"
        if known
        else "the method holds for ligands that bind to no cell of blood or marrow"
    )
    raise InputError(
        f"red-marrow dose of {ligand} from blood is refused: {why}; if this ligand "
        "binds nothing there, say why in binds_nothing_because"
    )


def _check_activity(values: MarrowSValues, activity: BloodActivity) -> None:
    wanted = {_MARROW, *activity.organs_MBq_h}
    wanted |= {_BODY} if activity.body_MBq_h is not None else set()
    if wanted != set(values.by_source):
        raise InputError(
            f"S-values to red marrow are given from {', '.join(values.by_source)}, but "
            f"the activity is in {', '.join(sorted(wanted))}: take marrow_s_values for "
            "these organs, with remainder=True where body_MBq_h is given"
        )
    positive = {name: getattr(activity, name) for name in _POSITIVE}
    held = {"blood_MBq_h": activity.blood_MBq_h, **activity.organs_MBq_h}
    if activity.body_MBq_h is not None:
        held["body_MBq_h"] = activity.body_MBq_h
        positive["body_g"] = activity.body_g
    for name, value in {**held, **positive}.items():
        if value is None:
            raise InputError(
                f"{name} is not given, but body_MBq_h is: give both or none"
            )
        found = np.asarray(value, dtype=np.float64)
        enough = found > 0.0 if name in positive else found >= 0.0
        wrong = found[~(np.isfinite(found) & enough)]
        if wrong.size:
            least = "above 0" if name in positive else "at least 0"
            raise InputError(
                f"{name}: found {wrong[0]:g}; it must be finite and {least}"
            )


def _remainder_MBq_h(activity: BloodActivity, in_marrow: Any) -> Any:
    rest = activity.body_MBq_h - in_marrow - sum(activity.organs_MBq_h.values())
    if np.any(np.asarray(rest) < 0.0):
        raise InputError(
            "body_MBq_h: red marrow and organs together hold more than the whole body: "
            "check the time-integrated activities and their unit, MBq h"
        )
    return rest


def _factor(value: SValue, factors: Mapping[str, Any]) -> Any:
    return math.prod((factors[u.name] for u in value.uncertainties), start=1.0)


def _statement(
    ligand: str, reason: str, values: MarrowSValues, from_remainder: Any
) -> str:
    said = (
        f"red-marrow dose from blood (EANM, Hindorf 2010): {ligand} is taken to bind "
        f"to no cell of blood or marrow, because: {reason}"
    )
    if from_remainder is None:
        said += "; left out: the remainder of the body"
    for value in values.by_source.values():
        if value.certainty is not Certainty.PUBLISHED:
            said += f"; S-value of {value.label} is a {value.certainty}: {value.source}"
    return said
