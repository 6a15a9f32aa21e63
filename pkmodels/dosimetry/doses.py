"""Absorbed dose: time-integrated activity times S, with what is uncertain of S."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from pkmodels.dosimetry.mass_scaling import SValue, check_label


def draw_factors(
    s_values: list[SValue], n_draws: int, seed: Sequence[int]
) -> dict[str, np.ndarray]:
    """Draw each uncertainty of some S-values once, for all that share it.

    Parameters
    ----------
    s_values : list of SValue
        The S-values in use.
    n_draws : int
        Number of draws.
    seed : sequence of int
        Repeats the draws, each >= 0. A name has its own draws, whatever else is drawn.

    Returns
    -------
    dict of str to (n_draws,) array
        Log-normal factors with median 1, by name.

    Examples
    --------
    >>> from pkmodels.dosimetry.s_values import s_value
    >>> kidney = s_value("kidney", "Y-90", "male")
    >>> sorted(draw_factors([kidney], 3, [0]))
    ['S-value of Lu-177, kidney', 'Y-90 / Lu-177 S-value ratio, kidney']
    """
    by_name = {u.name: u.log_sd for value in s_values for u in value.uncertainties}
    drawn = {}
    for name in sorted(by_name):
        generator = np.random.default_rng([*seed, crc32(name.encode())])
        drawn[name] = np.exp(by_name[name] * generator.standard_normal(n_draws))
    return drawn


def absorbed_dose(
    value: SValue,
    label: str,
    time_integral: Any,
    mass_g: Any,
    factors: Mapping[str, Any],
) -> Any:
    """Return the dose of a region from one source, D = TIA S(m).

    Parameters
    ----------
    value : SValue
        Its S-value.
    label : str
        The radionuclide of the time-integrated activity.
    time_integral : (n_draws,) array
        Time-integrated activity, MBq h, >= 0.
    mass_g : (n_draws,) array
        Mass of the region, g, > 0.
    factors : mapping of str to (n_draws,) array
        From `draw_factors`.

    Returns
    -------
    (n_draws,) array, Gy

    Raises
    ------
    InputError
        When the S-value is of another radionuclide.

    Examples
    --------
    >>> from pkmodels.dosimetry.s_values import s_value
    >>> kidney = s_value("kidney", "Lu-177", "male")
    >>> certain = {kidney.uncertainties[0].name: 1.0}
    >>> round(float(absorbed_dose(kidney, "Lu-177", 7593.75, 245.3, certain)), 2)
    2.68
    """
    check_label(value, label)
    dose = time_integral * value.at_mass(mass_g)
    for uncertainty in value.uncertainties:
        dose = dose * factors[uncertainty.name]
    return dose


def energy_weighted_mean(doses: Mapping[str, Any], masses_g: Mapping[str, Any]) -> Any:
    """Return the dose of regions taken together: energy over mass.

    sum_r D_r m_r / sum_r m_r.

    Parameters
    ----------
    doses : mapping of str to array
        Dose of each region, Gy.
    masses_g : mapping of str to array
        Mass of each region, g, > 0.

    Returns
    -------
    array, Gy

    Examples
    --------
    >>> energy_weighted_mean({"left": 2.0, "right": 4.0}, {"left": 1.0, "right": 3.0})
    3.5
    """
    energy = sum(doses[region] * masses_g[region] for region in doses)
    return energy / sum(masses_g[region] for region in doses)
