"""What a bench calculates from binding assays: counts, K_D, IC50, receptors per cell.

Pure functions of numbers, one equation each. Concentrations are in nmol/L of the tube:
bound and receptor as well, as if dissolved in its volume. K is a dissociation constant.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from pkmodels.errors import InputError, SolveError
from pkmodels.models.assay_checks import check_not_negative, check_positive
from pkmodels.models.binding_equilibria import equilibrium_with_depletion
from pkmodels.nuclides import nuclide
from pkmodels.units import AVOGADRO_PER_MOL, DECAYS_PER_MBQ_H

# Two numbers are fitted, and one more tube shows how far off they are.
_FEWEST_TUBES = 3


@dataclass(frozen=True)
class Saturation:
    """What a saturation curve says.

    Parameters
    ----------
    dissociation_constant_nmol_per_L : float
        K_D, nmol/L.
    sites_nmol_per_L : float
        B_max, nmol of sites per L of the tube.
    log_standard_errors : (float, float)
        Of ln K_D and ln B_max, by the curvature at the fit and the scatter about it
        (n - 2 degrees of freedom, n >= 3); 0 where all tubes lie on one curve.
    """

    dissociation_constant_nmol_per_L: float
    sites_nmol_per_L: float
    log_standard_errors: tuple[float, float]


def activity_of_counts(
    counts: float | np.ndarray,
    label: str,
    *,
    count_time_h: float,
    efficiency: float,
    background_per_h: float,
    delay_h: float = 0.0,
) -> np.ndarray:
    """Return the activity that a count stands for, at the end of the incubation.

    A = (N - b T) / (eps n (1 - exp(-lambda T)) / lambda) exp(lambda t), with N counts
    in the time T, b the background, eps the efficiency, n = 3.6e9 decays per MBq h and
    t the delay before the count.

    Parameters
    ----------
    counts : float or array
        Counts of each tube, >= 0.
    label : str
        The radionuclide.
    count_time_h : float
        T, h, > 0.
    efficiency : float
        Counts per decay, > 0.
    background_per_h : float
        Counts per hour of an empty tube, >= 0.
    delay_h : float
        t, h, >= 0.

    Returns
    -------
    array of the shape of `counts`
        MBq; below 0 where a tube has less than the background.

    Raises
    ------
    InputError
        When the time or the efficiency is not above 0, the background or the delay is
        below 0, a count is below 0, or the label is unknown.

    Examples
    --------
    >>> cpm = activity_of_counts(1e6, "Ga-68", count_time_h=1 / 60, efficiency=0.58,
    ...                          background_per_h=0.0)
    >>> round(float(cpm), 4)  # 28.7 kBq give 1e6 counts per minute
    0.0289
    """
    check_positive("count_time_h", count_time_h)
    check_positive("efficiency", efficiency)
    check_not_negative("background_per_h", background_per_h)
    check_not_negative("delay_h", delay_h)
    check_not_negative("counts", counts)
    rate = nuclide(label).decay_constant_per_h
    decays = -math.expm1(-rate * count_time_h) / rate * DECAYS_PER_MBQ_H
    net = np.asarray(counts, np.float64) - background_per_h * count_time_h
    return net / (efficiency * decays) * math.exp(rate * delay_h)


def fit_saturation(free: np.ndarray, bound: np.ndarray) -> Saturation:
    """Return K_D and B_max of a saturation curve, B = B_max F / (K_D + F).

    Least squares of ln B, as errors of counts are about proportional. F is the *free*
    ligand, measured or what was added less what is bound: with what was added instead,
    depletion makes K_D seem larger.

    Parameters
    ----------
    free : (n_tubes,) array
        F, nmol/L, > 0; three tubes at least, of two different concentrations.
    bound : (n_tubes,) array
        B, bound specifically, nmol per L of the tube, > 0.

    Returns
    -------
    Saturation

    Raises
    ------
    InputError
        When the arrays differ in size, a number is not above 0, or there are fewer
        than three tubes: two fix K_D and B_max and tell nothing of their errors.
    SolveError
        When the fit fails, as where the curve is straight up to its last point.

    References
    ----------
    Hulme and Trevethick, Br J Pharmacol 2010;161:1219-1237.

    Examples
    --------
    >>> free = np.array([1.0, 3.0, 10.0, 30.0, 100.0])
    >>> fit = fit_saturation(free, 0.12 * free / (10.0 + free))
    >>> round(fit.dissociation_constant_nmol_per_L, 6), round(fit.sites_nmol_per_L, 6)
    (10.0, 0.12)
    """
    x, y = check_positive("free", free), check_positive("bound", bound)
    if x.shape != y.shape or x.size < _FEWEST_TUBES or np.unique(x).size < 2:
        raise InputError(
            f"free has {x.size} tubes and bound {y.size}: give one of each, for two "
            f"different concentrations and {_FEWEST_TUBES} tubes at least, as two "
            "tubes tell nothing of the errors of K_D and B_max"
        )

    def residuals(p: np.ndarray) -> np.ndarray:
        return p[1] - np.log1p(np.exp(p[0]) / x) - np.log(y)

    begin = [math.log(np.median(x)), math.log(2.0 * y.max())]
    found = least_squares(residuals, begin, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    information = found.jac.T @ found.jac
    if not found.success or np.linalg.cond(information) > 1e10:
        raise SolveError(
            "the saturation curve does not bend within the data, so that K_D and B_max "
            f"cannot be told apart: go beyond {x.max():g} nmol/L"
        )
    variance = 2.0 * found.cost / (x.size - 2)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(information)))
    constant, sites = np.exp(found.x)
    return Saturation(
        float(constant), float(sites), (float(errors[0]), float(errors[1]))
    )


def ic50_of_curve(
    competitor: np.ndarray, bound: np.ndarray, uninhibited: float
) -> float:
    """Return the concentration that halves specific binding, by interpolation.

    Between the two tubes that bracket one half, ln (B_0 / B - 1) is taken as linear in
    ln I, which it is with slope 1 for one kind of site without depletion (Hill).

    Parameters
    ----------
    competitor : (n_tubes,) array
        What was added of the competitor, nmol/L, > 0, increasing.
    bound : (n_tubes,) array
        B, bound specifically: less what stays with the highest block.
    uninhibited : float
        B_0, without competitor, > 0, in the unit of `bound`.

    Returns
    -------
    float
        nmol/L.

    Raises
    ------
    InputError
        When the curve does not cross one half once, or a number is out of its range.

    Examples
    --------
    >>> inhibitor = 10.0 ** np.linspace(0.0, 5.0, 6)
    >>> round(ic50_of_curve(inhibitor, 1.0 / (1.0 + inhibitor / 330.0), 1.0), 1)
    330.0
    """
    dose = check_positive("competitor", competitor)
    part = np.asarray(bound, np.float64) / check_positive("uninhibited", uninhibited)
    crossings = np.flatnonzero((part[:-1] > 0.5) & (part[1:] <= 0.5))
    if part.shape != dose.shape or crossings.size != 1 or np.any(np.diff(dose) <= 0.0):
        raise InputError(
            f"binding falls through one half {crossings.size} times between "
            f"{dose.min():g} and {dose.max():g} nmol/L: give one increasing row of "
            "doses that spans the IC50"
        )
    first = int(crossings[0])
    high, low = float(part[first]), float(part[first + 1])
    if not (high < 1.0 and low > 0.0):
        raise InputError(
            f"binding falls from {high:.3g} to {low:.3g} of the uninhibited between "
            f"{dose[first]:g} and {dose[first + 1]:g} nmol/L, which is too steep to "
            "read an IC50 from: add doses between them"
        )
    above, below = math.log(high / (1.0 - high)), math.log(low / (1.0 - low))
    steps = above / (above - below)
    return float(dose[first] * (dose[first + 1] / dose[first]) ** steps)


def cheng_prusoff(
    ic50: float, free_ligand: float, dissociation_constant: float
) -> float:
    """Return the competitor's constant where nothing is used up.

    K_i = IC50 / (1 + F / K_D). It holds where binding is at equilibrium and neither the
    tracer nor the competitor is depleted; `inhibition_constant` needs the first only.
    Then F is the tracer that was added. K_i < IC50 always; at F << K_D they agree.

    Parameters
    ----------
    ic50 : float
        nmol/L, > 0.
    free_ligand : float
        F, of the tracer, nmol/L, >= 0.
    dissociation_constant : float
        K_D of the tracer, nmol/L, > 0.

    Returns
    -------
    float
        K_i, nmol/L.

    Raises
    ------
    InputError
        When a number is out of its range.

    References
    ----------
    Cheng and Prusoff, Biochem Pharmacol 1973;22:3099-3108.

    Examples
    --------
    >>> round(cheng_prusoff(330.0, 1.0, 10.0), 6)
    300.0
    """
    check_positive("ic50", ic50)
    check_not_negative("free_ligand", free_ligand)
    check_positive("dissociation_constant", dissociation_constant)
    return ic50 / (1.0 + free_ligand / dissociation_constant)


def inhibition_constant(
    ic50: float, ligand: float, receptor: float, dissociation_constant: float
) -> float:
    """Return the competitor's constant with depletion of all three.

    At one half of the B_0 of `equilibrium_with_depletion`, B = B_0 / 2, free receptor
    is r = K_D B / (L - B), the competitor holds C = R - r - B, and K_i = (IC50 - C) r /
    C, IC50 being all competitor that was added. For B_0 << L and C << IC50 it is
    `cheng_prusoff`.

    Parameters
    ----------
    ic50 : float
        nmol/L, > 0.
    ligand, receptor : float
        L and R, all tracer and all receptor, nmol/L, > 0.
    dissociation_constant : float
        K_D of the tracer, nmol/L, > 0.

    Returns
    -------
    float
        K_i, nmol/L.

    Raises
    ------
    InputError
        When a number is not above 0, or so little competitor cannot hold so much
        receptor.

    References
    ----------
    Munson and Rodbard, J Recept Res 1988;8:533-546 (the same in other symbols).

    Examples
    --------
    >>> round(inhibition_constant(330.0, 1.0, 0.12, 10.0), 1)
    297.1
    """
    check_positive("ic50", ic50)
    check_positive("ligand", ligand)
    check_positive("receptor", receptor)
    check_positive("dissociation_constant", dissociation_constant)
    half = 0.5 * float(
        equilibrium_with_depletion(ligand, receptor, dissociation_constant)
    )
    free = dissociation_constant * half / (ligand - half)
    held = receptor - free - half
    if not ic50 > held:
        raise InputError(
            f"IC50 is {ic50:g} nmol/L, but the competitor must hold {held:g} nmol/L of "
            "receptor to halve the tracer's binding: check the receptors"
        )
    return (ic50 - held) * free / held


def receptors_per_cell(sites_nmol_per_L: float, cells: float, volume_L: float) -> float:
    """Return the number of receptors on one cell.

    B_max V N_A / cells.

    Parameters
    ----------
    sites_nmol_per_L : float
        B_max, nmol per L of the tube, >= 0.
    cells : float
        Cells in the tube, > 0.
    volume_L : float
        Of the tube, L, > 0.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When there are no cells, or another number is out of its range.

    Examples
    --------
    >>> round(receptors_per_cell(0.12, 4e5, 5.5e-4))  # 1e5 receptors are 0.12 nM
    99365
    """
    check_not_negative("sites_nmol_per_L", sites_nmol_per_L)
    check_positive("cells", cells)
    check_positive("volume_L", volume_L)
    return sites_nmol_per_L * 1e-9 * volume_L * AVOGADRO_PER_MOL / cells


def internalized_fraction(
    acid_wash: float | np.ndarray, pellet: float | np.ndarray
) -> np.ndarray:
    """Return the part of what cells hold that an acid wash does not remove.

    pellet / (pellet + acid wash), both specific: less the same of blocked tubes.

    Parameters
    ----------
    acid_wash, pellet : float or array
        What the acid takes off the surface and what stays, in one unit, >= 0.

    Returns
    -------
    array
        From 0 to 1.

    Raises
    ------
    InputError
        When one is below 0 or not finite, or both are 0.

    Examples
    --------
    >>> print(internalized_fraction([30.0, 50.0], [10.0, 50.0]))
    [0.25 0.5 ]
    """
    outer, inner = np.asarray(acid_wash, float), np.asarray(pellet, float)
    both = outer + inner
    if not np.all((outer >= 0.0) & (inner >= 0.0) & (both > 0.0) & np.isfinite(both)):
        raise InputError(
            f"acid wash {outer} and pellet {inner}: both must be finite and >= 0, and "
            "one above 0; less than the blocked tubes is no signal"
        )
    return inner / both
