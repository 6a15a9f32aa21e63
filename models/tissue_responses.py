"""What a tissue of one or two compartments shows of an arterial input, in closed form.

The response to an impulse in plasma is sum_i a_i exp(-r_i t), and a curve is its
convolution with the plasma curve (`pkmodels.models.arterial_input.convolve`). The
equations and letters are those of `pkmodels.models.pet_tissue`.

References
----------
Gunn, Gunn and Cunningham, J Cereb Blood Flow Metab 2001;21:635-652 (responses); Innis
et al., J Cereb Blood Flow Metab 2007;27:1533-1539 (letters).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pkmodels.errors import InputError, ModelError
from pkmodels.models import arterial_input
from pkmodels.models.arterial_input import ArterialInput

# Two rates of a response closer than this, relative, cannot be told apart.
_EQUAL = 1e-9


def scan_means(
    arterial: ArterialInput,
    frames_h: np.typing.ArrayLike,
    parameters: Mapping[str, float],
    *,
    tissues: int = 2,
    reversible: bool = True,
) -> np.ndarray:
    """Return the means over frames of a scan, of a sampled input in closed form.

    Parameters
    ----------
    arterial : ArterialInput
        Plasma and whole blood, corrected for decay as the scan.
    frames_h : (n_frames, 2) array
        Start and end of each frame, h, start < end, on the clock of the samples.
    parameters : mapping of str to float
        ``K1``, ``k2``, ``k3``, ``k4`` (1/h, >= 0, as far as the model has them),
        ``blood_fraction`` (0 to 1) and ``delay`` (h; 0 where left out).
    tissues, reversible
        As `pkmodels.models.pet_tissue.model` takes them.

    Returns
    -------
    (n_frames,) array
        In the unit of the samples.

    Raises
    ------
    InputError
        When a frame is empty or later than the last sample, a parameter is missing, or
        two rates of the response are equal.
    ModelError
        As `check_tissues` does.

    References
    ----------
    Gunn, Gunn and Cunningham, J Cereb Blood Flow Metab 2001;21:635-652.

    Examples
    --------
    >>> curve = ArterialInput([0.0, 0.01, 1.0], [0.0, 90.0, 0.0], [0.0, 50.0, 0.0])
    >>> patient = {"K1": 6.0, "k2": 9.0, "blood_fraction": 0.05}
    >>> print(scan_means(curve, [[0.0, 0.1], [0.4, 0.5]], patient, tissues=1).round(2))
    [19.51 38.25]
    """
    frames = np.asarray(frames_h, float)
    if (
        frames.ndim != 2
        or frames.shape[1] != 2
        or not (frames[:, 0] < frames[:, 1]).all()
    ):
        raise InputError(
            f"frames_h has the shape {frames.shape}: give a row of start and end for "
            "each frame, each ending after it starts"
        )
    weights, rates = impulse_response(
        parameters, tissues=tissues, reversible=reversible
    )
    moved = arterial_input.delayed(arterial, parameters.get("delay", 0.0))
    edges, lengths = frames.ravel(), np.diff(frames, axis=1)[:, 0]
    inside = np.zeros(len(edges))
    for weight, rate in zip(weights, rates, strict=True):
        line = (moved.times_h, moved.plasma, rate, edges)
        inside += weight * arterial_input.convolve(*line)[1]
    blood = arterial_input.integrals(moved.times_h, moved.blood, edges)
    fraction = _number(parameters, "blood_fraction")
    total = (1.0 - fraction) * inside + fraction * blood
    return np.diff(total.reshape(-1, 2), axis=1)[:, 0] / lengths


def impulse_response(
    parameters: Mapping[str, float], *, tissues: int = 2, reversible: bool = True
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a_i and r_i of the tissue's response sum_i a_i exp(-r_i t) to plasma.

    Two tissues: r_1,2 = (s -+ sqrt(s^2 - 4 k_2 k_4)) / 2 with s = k_2 + k_3 + k_4, and
    a_1,2 = K_1 (k_3 + k_4 - r_1) / (r_2 - r_1), K_1 (r_2 - k_3 - k_4) / (r_2 - r_1).

    Parameters
    ----------
    parameters : mapping of str to float
        ``K1``, ``k2``, ``k3``, ``k4``, 1/h, >= 0.
    tissues, reversible
        As `pkmodels.models.pet_tissue.model` takes them.

    Returns
    -------
    weights, rates : tuple of float
        1/h each, the slow term first; the sum of the weights is K_1.

    Raises
    ------
    InputError
        When a parameter is missing or out of its range, or the rates are equal.
    ModelError
        As `check_tissues` does.

    Examples
    --------
    >>> weights, rates = impulse_response({"K1": 6.0, "k2": 9.0, "k3": 3.0},
    ...                                   reversible=False)
    >>> weights, rates
    ((1.5, 4.5), (0.0, 12.0))
    """
    check_tissues(tissues, reversible)
    K1, k2 = (_number(parameters, name) for name in ("K1", "k2"))
    if tissues == 1:
        return (K1,), (k2,)
    k3 = _number(parameters, "k3")
    k4 = _number(parameters, "k4") if reversible else 0.0
    total = k2 + k3 + k4
    # (k_2 + k_3 + k_4)^2 - 4 k_2 k_4 as a sum without differences that cancel.
    spread = math.sqrt((k2 - k4) ** 2 + k3 * (k3 + 2.0 * (k2 + k4)))
    if spread <= _EQUAL * total:
        raise InputError(
            f"k2 {k2:g}, k3 {k3:g} and k4 {k4:g} 1/h give two equal rates: take one "
            "tissue, or a k3 above 0"
        )
    fast = (total + spread) / 2.0
    slow = k2 * k4 / fast
    weights = K1 * (k3 + k4 - slow) / spread, K1 * (fast - k3 - k4) / spread
    return weights, (slow, fast)


def distribution_volume(
    parameters: Mapping[str, Any], *, tissues: int = 2
) -> np.ndarray:
    """Return V_T, the ratio of tissue to plasma at equilibrium.

    Parameters
    ----------
    parameters : mapping of str to float or array
        ``K1``, ``k2`` and of two tissues ``k3``, ``k4``; k_2 and k_4 > 0.
    tissues : int
        1 or 2.

    Returns
    -------
    array
        mL of plasma per mL of tissue.

    Raises
    ------
    InputError
        When a parameter is missing, or k_2 or k_4 is 0: then there is none.

    Examples
    --------
    >>> round(float(distribution_volume({"K1": 6.689, "k2": 9.63, "k3": 5.543,
    ...                                  "k4": 2.386})), 2)
    2.31
    """
    check_tissues(tissues, True)
    needed = ("K1", "k2", "k3", "k4")[: 2 * tissues]
    rates = {name: np.asarray(_given(parameters, name), float) for name in needed}
    for name in ("k2", "k4")[:tissues]:
        if not (rates[name] > 0.0).all():
            raise InputError(
                f"{name} is {rates[name]!r:.60}, so that the tissue never comes to "
                "equilibrium and V_T has no value: ask for net_influx"
            )
    volume = rates["K1"] / rates["k2"]
    return volume if tissues == 1 else volume * (1.0 + rates["k3"] / rates["k4"])


def net_influx(parameters: Mapping[str, Any]) -> np.ndarray:
    """Return K_i = K_1 k_3 / (k_2 + k_3), at which tracer is trapped irreversibly.

    Parameters
    ----------
    parameters : mapping of str to float or array
        ``K1``, ``k2``, ``k3``, 1/h, of two tissues without k_4.

    Returns
    -------
    array
        mL of plasma cleared per mL of tissue and h.

    Raises
    ------
    InputError
        When a parameter is missing.

    Examples
    --------
    >>> float(net_influx({"K1": 6.0, "k2": 9.0, "k3": 3.0}))
    1.5
    """
    K1, k2, k3 = (
        np.asarray(_given(parameters, name), float) for name in ("K1", "k2", "k3")
    )
    return K1 * k3 / (k2 + k3)


def check_tissues(tissues: int, reversible: bool) -> None:
    """Refuse what is no tissue model.

    Parameters
    ----------
    tissues : int
        1 or 2.
    reversible : bool
        Whether the last compartment releases the tracer.

    Raises
    ------
    ModelError
        When there are others, or one tissue that releases nothing.

    Examples
    --------
    >>> check_tissues(3, True)
    Traceback (most recent call last):
    pkmodels.errors.ModelError: a PET model has 1 or 2 tissues; got 3
    """
    if tissues not in (1, 2):
        raise ModelError(f"a PET model has 1 or 2 tissues; got {tissues!r}")
    if tissues == 1 and not reversible:
        raise ModelError(
            "a PET model with one tissue is reversible: take tissues=2 for trapping"
        )


def _given(parameters: Mapping[str, Any], name: str) -> Any:
    if name not in parameters:
        raise InputError(
            f"parameter {name!r} is missing; given are "
            f"{', '.join(parameters) or 'none'}"
        )
    return parameters[name]


def _number(parameters: Mapping[str, float], name: str) -> float:
    value = float(_given(parameters, name))
    if not 0.0 <= value < math.inf:
        raise InputError(f"parameter {name!r} is {value}; it must be finite and >= 0")
    return value
