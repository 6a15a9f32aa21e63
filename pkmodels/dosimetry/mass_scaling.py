"""An S-value as a function of the target's mass, with what is uncertain of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pkmodels.errors import InputError
from pkmodels.values import Certainty, Value

SHARE_OUTSIDE = Value(
    0.1,
    "1",
    "so many of a mass's draws may lie outside a table's range, in the tails of a mass "
    "that is itself inside; they follow the table's last slope",
    Certainty.JUDGEMENT,
)


@dataclass(frozen=True)
class Uncertainty:
    """A log-normal factor with median 1 that several doses may share.

    Parameters
    ----------
    name : str
        What is uncertain; doses that name the same one share its draws.
    log_sd : float
        Standard deviation of its logarithm, > 0.
    """

    name: str
    log_sd: float


@dataclass(frozen=True)
class SValue:
    """The S-value of a target, for activity in itself or in a source organ, by mass.

    S(m) = sum_i c_i m^(-p_i), Gy/(MBq h): electrons with p = 1, photons with
    p = 2/3, electrons that leave a sphere with p = 4/3, cross-fire with p = 0. Where
    nodes are given, S is interpolated between them instead, ln S linear in ln m.

    Parameters
    ----------
    organ, label : str
        Target and radionuclide.
    terms : tuple of (float, float)
        (c_i, p_i), with the mass in g.
    uncertainties : tuple of Uncertainty
        Independent factors that multiply it.
    certainty : Certainty
        How sure it is.
    source : str
        Where it comes from.
    reference_mass_g : float or None
        Mass of the phantom's target, g; None where it follows from others.
    source_organ : str or None
        What holds the activity; None is the target itself.
    nodes : tuple of (float, float)
        Masses, g, increasing, and S there, Gy/(MBq h).
    mass_range_g : tuple of (float, float) or None
        The masses for which it holds, g; None is all.

    References
    ----------
    Bolch et al., MIRD pamphlet 21, J Nucl Med 2009;50:477 (schema, mass scaling).
    """

    organ: str
    label: str
    terms: tuple[tuple[float, float], ...]
    uncertainties: tuple[Uncertainty, ...]
    certainty: Certainty
    source: str
    reference_mass_g: float | None = None
    source_organ: str | None = None
    nodes: tuple[tuple[float, float], ...] = ()
    mass_range_g: tuple[float, float] | None = None

    def at_mass(self, mass_g: Any) -> Any:
        """Return S, Gy/(MBq h), for a mass.

        Parameters
        ----------
        mass_g : float or array
            Mass of the target, g, > 0.

        Returns
        -------
        float or array
            Of the shape of `mass_g`.

        Raises
        ------
        InputError
            When a mass is not finite and positive, or more than one in ten of them (a
            single one: it) lies outside the range for which the S-value holds.
        """
        self._check_masses(np.asarray(mass_g, dtype=np.float64))
        if not self.nodes:
            return sum(c * mass_g ** (-p) for c, p in self.terms)
        return _interpolate(self.nodes, mass_g)

    def _check_masses(self, masses: np.ndarray) -> None:
        what = f"S-value of {self.label} for {self.organ}"
        wrong = masses[~(np.isfinite(masses) & (masses > 0.0))]
        if wrong.size:
            raise InputError(
                f"{what}: found a mass of {wrong[0]:g} g; a mass must be finite and "
                "above 0 g"
            )
        if self.mass_range_g is None or not masses.size:
            return
        low, high = self.mass_range_g
        outside = masses[(masses < low) | (masses > high)]
        if outside.size > SHARE_OUTSIDE.value * masses.size:
            share = (
                "" if masses.size == 1 else f", as are {outside.size} of {masses.size}"
            )
            raise InputError(
                f"{what}: {outside.flat[0]:g} g is outside the {low:g} to {high:g} g "
                f"for which it holds{share}: give an S-value for this mass in a table "
                "of your own, or leave the region's dose out"
            )


def _interpolate(nodes: tuple[tuple[float, float], ...], mass_g: Any) -> Any:
    """Interpolate ln S in ln m; beyond the ends, at the slope of the last interval."""
    at, values = (np.log(column) for column in zip(*nodes, strict=True))
    x = np.log(np.asarray(mass_g, dtype=np.float64))
    i = np.clip(np.searchsorted(at, x) - 1, 0, len(at) - 2)
    slope = (values[i + 1] - values[i]) / (at[i + 1] - at[i])
    found = np.exp(values[i] + slope * (x - at[i]))
    return found if found.ndim else float(found)


def check_label(value: SValue, label: str) -> None:
    """Refuse an S-value of another radionuclide.

    Parameters
    ----------
    value : SValue
        The S-value to be used.
    label : str
        The radionuclide whose activity it is to be multiplied by.

    Raises
    ------
    InputError
        When they differ.

    Examples
    --------
    >>> kidney = SValue("kidney", "Lu-177", ((0.1, 1.0),), (), Certainty.STATED, "mine")
    >>> check_label(kidney, "Lu-177")
    """
    if value.label != label:
        raise InputError(
            f"S-value of {value.label} for {value.organ} asked to serve {label}: "
            "an S-value holds for its own radionuclide only; take "
            f"require_s_value({value.organ!r}, {label!r}, sex)"
        )


def check_target(value: SValue, organ: str) -> None:
    """Refuse an S-value of another target; one kidney and both are told apart.

    Parameters
    ----------
    value : SValue
        The S-value to be used.
    organ : str
        The organ whose dose is wanted.

    Raises
    ------
    InputError
        When they differ; for kidneys the message says why they may not be exchanged.

    Examples
    --------
    >>> liver = SValue("liver", "Lu-177", ((0.1, 1.0),), (), Certainty.STATED, "mine")
    >>> check_target(liver, "liver")
    """
    sides = ("kidney", "left_kidney", "right_kidney")
    if value.organ == organ or (value.organ in sides and organ == "kidney"):
        return
    if {value.organ, organ} & {"kidneys"} and {value.organ, organ} & set(sides):
        raise InputError(kidneys_confused(value.organ, organ))
    raise InputError(
        f"S-value for {value.organ} asked to serve {organ}: take the S-value of {organ}"
    )


def kidneys_confused(found: str, wanted: str) -> str:
    """Say that an S-value of both kidneys cannot serve one, or the other way round.

    Parameters
    ----------
    found, wanted : str
        Target of the S-value at hand, and the one asked for.

    Returns
    -------
    str

    Examples
    --------
    >>> kidneys_confused("kidneys", "kidney")[:42]
    'S-value for kidneys asked to serve kidney:'
    """
    return (
        f"S-value for {found} asked to serve {wanted}: 'kidneys' is both outlined as "
        "one region (the activity of both over the mass of both), 'kidney' is one of "
        "them, and their S-values differ by about a factor of 2; give the row of the "
        "one that was outlined"
    )
