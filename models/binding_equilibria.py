"""Binding at equilibrium, exactly: depletion of the ligand, and a competitor.

Concentrations are in nmol/L of one tube: bound and receptor as well, as if dissolved in
its volume.
"""

import numpy as np

from pkmodels.errors import SolveError
from pkmodels.models.assay_checks import check_not_negative, check_positive

_MOST_STEPS = 200


def equilibrium_with_depletion(
    ligand: float | np.ndarray, receptor: float, dissociation_constant: float
) -> np.ndarray:
    """Return what is bound at equilibrium, of a ligand that it uses up.

    B^2 - (L + R + K) B + L R = 0, the smaller root, which for L << R + K is B = R L /
    (K + R): less than R L / (K + L), where nothing is used up.

    Parameters
    ----------
    ligand : float or array
        L, all of it, nmol/L, >= 0.
    receptor : float
        R, all of it, nmol/L, >= 0.
    dissociation_constant : float
        K, nmol/L, > 0.

    Returns
    -------
    array
        B, nmol/L.

    Raises
    ------
    InputError
        When a number is out of its range.

    References
    ----------
    Hulme and Trevethick, Br J Pharmacol 2010;161:1219-1237.

    Examples
    --------
    >>> print(equilibrium_with_depletion(1.0, 0.12, 10.0).round(5))
    0.0108
    """
    total = check_not_negative("ligand", ligand)
    check_not_negative("receptor", receptor)
    check_positive("dissociation_constant", dissociation_constant)
    linear = total + receptor + dissociation_constant
    product = 4.0 * total * receptor
    # The conjugate form: no difference of two nearly equal numbers.
    return 0.5 * product / (linear + np.sqrt(linear**2 - product))


def competitive_equilibrium(
    ligand: float,
    receptor: float,
    dissociation_constant: float,
    competitor: float | np.ndarray,
    competitor_constant: float,
) -> np.ndarray:
    """Return what is bound of a ligand at equilibrium with a competitor.

    Free receptor r solves r + L r / (K + r) + I r / (K_i + r) = R, and B = L r / (K +
    r), with L, I, R all ligand, competitor and receptor: exact, with depletion of each.
    The left side is concave, so that Newton's steps from 0 never pass the root.

    Parameters
    ----------
    ligand, receptor : float
        L and R, nmol/L, >= 0.
    dissociation_constant, competitor_constant : float
        K and K_i, nmol/L, > 0.
    competitor : float or array
        I, nmol/L, >= 0.

    Returns
    -------
    array
        B, nmol/L, of the shape of `competitor`.

    Raises
    ------
    InputError
        When a number is out of its range.
    SolveError
        When Newton's method does not settle.

    References
    ----------
    The cubic equation whose root it is: Wang, FEBS Lett 1995;360:111-114.

    Examples
    --------
    >>> print(competitive_equilibrium(1.0, 0.12, 10.0, [0.0, 330.0, 1e5], 300.0))
    [1.08018597e-02 5.42677691e-03 3.58803465e-05]
    """
    check_not_negative("ligand", ligand)
    check_not_negative("receptor", receptor)
    k = check_positive("dissociation_constant", dissociation_constant)
    ki = check_positive("competitor_constant", competitor_constant)
    inhibitor = check_not_negative("competitor", competitor)
    free = np.zeros(inhibitor.shape)
    for _ in range(_MOST_STEPS):
        missing = receptor - free * (
            1.0 + ligand / (k + free) + inhibitor / (ki + free)
        )
        slope = 1.0 + ligand * k / (k + free) ** 2 + inhibitor * ki / (ki + free) ** 2
        step = missing / slope
        free = np.maximum(free + step, 0.0)
        if np.all(np.abs(step) <= 1e-15 * receptor):
            return ligand * free / (k + free)
    raise SolveError(
        f"the equilibrium of {ligand:g} nmol/L of ligand with {receptor:g} nmol/L of "
        f"receptor does not settle within {_MOST_STEPS} steps"
    )
