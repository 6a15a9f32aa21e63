"""Local deposition: every electron and alpha stays where it was emitted.

S = (RBE E_alpha + E_electron) / m. It leaves out the electrons that escape and the
photons that are absorbed, and is refused where these are not small.
"""

import math

from pkmodels.chains import decay_chain
from pkmodels.dosimetry.absorbed_fractions import (
    SOFT_TISSUE_DENSITY,
    escape_coefficient,
)
from pkmodels.dosimetry.decay_energies import (
    emits_alphas,
    energy_of_chain,
    weighted_energy_MeV,
)
from pkmodels.dosimetry.mass_scaling import SValue, Uncertainty
from pkmodels.errors import InputError
from pkmodels.units import GY_G_PER_MEV_MBQ_H
from pkmodels.values import Certainty, Value

LARGEST_ERROR = Value(
    0.1,
    "1",
    "judgement: a bias above 10 % is not to be left in a dose",
    Certainty.JUDGEMENT,
)
PHOTON_ABSORPTION = Value(
    0.03,
    "cm2/g",
    "mass energy-absorption coefficient of soft tissue, 0.1 to 1 MeV: 0.025 to 0.033, "
    "Hubbell and Seltzer, NISTIR 5632 (1995), table 4",
    Certainty.PUBLISHED,
)
ALPHA_CHAIN_LOG_SD = Value(
    0.05,
    "1",
    "judgement: energies of the chain, apart from the electrons that escape",
    Certainty.JUDGEMENT,
)

MODEL_LOG_SD = Value(
    0.01,
    "1",
    "model uncertainty of the Monte Carlo absorbed fractions",
    Certainty.DERIVED,
)
KIDNEY_ESCAPE = Value(
    1.14,
    "1",
    "escape from a kidney over that from a sphere of its mass: 0.069 of Y-90 leave an "
    "ellipsoid of 155 g (Monte Carlo with ICRP 107 spectra), 0.061 by the sphere's law",
    Certainty.DERIVED,
)
SMALLEST_SPHERE = Value(
    0.1,
    "g",
    "the smallest sphere of the Monte Carlo calculation; at 2.8 mm radius alphas, of "
    "0.1 mm range, still stay",
    Certainty.DERIVED,
)

# Solid and convex, of even uptake; the lighter phantom's mass, g: OpenDose, ICRP 110
# AF (right kidney, liver, spleen).
_REFERENCE_G = {
    "kidney": 125.53,
    "left_kidney": 149.483,
    "right_kidney": 125.53,
    "liver": 1399.995,
    "spleen": 129.996,
}
_WITH_ESCAPE = ("Lu-177", "Y-90")
_HEAVIEST_G = 1e5


def local_deposition(
    label: str,
    organ: str,
    *,
    mass_g: float | None = None,
    rbe_alpha: float | None = None,
) -> SValue:
    """Return the self-dose S-value where everything but photons stays in the organ.

    S(m) = (RBE E_alpha + E_electron) / m, per decay of the label with all of its
    daughters decaying in place.

    Parameters
    ----------
    label : str
        ``Lu-177``, ``Y-90``, or a label that emits alphas, alone or by its daughters.
        Of others the electrons' escape is not known here.
    organ : str
        ``kidney`` (one), ``left_kidney``, ``right_kidney``, ``liver``, ``spleen`` or
        ``tumour``.
    mass_g : float or None
        The mass that the error is stated for, g; None: that of the female reference
        phantom, where it is larger (Y-90) than in the male one. A tumour must have one.
    rbe_alpha : float or None
        Relative biological effectiveness of alphas, > 0; needed where there are any. 1
        gives absorbed dose; otherwise S is RBE-weighted, and its source says so.

    Returns
    -------
    SValue
        Its source states the error and the RBE; it holds from the mass on at which the
        error is `LARGEST_ERROR`.

    Raises
    ------
    InputError
        For red marrow, from whose cavities electrons escape; organs that are not solid
        (walls, lungs, the body) or not one region (kidneys); other labels; alphas
        without rbe_alpha; a mass at which the error exceeds `LARGEST_ERROR`.

    References
    ----------
    ICRP Publication 107 (energies); `local_deposition_error`; MIRD pamphlet 22 (RBE).

    Examples
    --------
    >>> one = local_deposition("Y-90", "kidney", mass_g=155.0)
    >>> round(one.at_mass(155.0) / 3.6, 6)  # mGy/(MBq s)
    0.000965
    """
    _check_case(label, organ)
    if organ == "tumour" and mass_g is None:
        raise InputError(
            f"local deposition of {label} in a tumour: whether it holds depends on the "
            "mass: give mass_g"
        )
    mass = _REFERENCE_G[organ] if mass_g is None else mass_g
    deposited_MeV = weighted_energy_MeV(energy_of_chain(label), rbe_alpha)
    error = local_deposition_error(label, organ, mass, rbe_alpha=rbe_alpha)
    if abs(error) > LARGEST_ERROR.value:
        raise InputError(
            f"local deposition of {label} in a {organ} of {mass:g} g is wrong by "
            f"{100.0 * error:+.0f} %, above {100.0 * LARGEST_ERROR.value:.0f} %: take "
            f"s_value({organ!r}, {label!r}, sex), or a table of your own"
        )
    return SValue(
        organ=organ,
        label=label,
        terms=((deposited_MeV * GY_G_PER_MEV_MBQ_H, 1.0),),
        uncertainties=(
            Uncertainty(f"local deposition of {label}, {organ}", _log_sd(label, error)),
        ),
        certainty=Certainty.DERIVED,
        source=_source(label, organ, mass, error, rbe_alpha),
        mass_range_g=_range(label, organ, rbe_alpha),
    )


def local_deposition_error(
    label: str, organ: str, mass_g: float, *, rbe_alpha: float | None = None
) -> float:
    """Return the relative error of local deposition, deposited over true - 1.

    Absorbed truly: RBE E_alpha + (1 - e m^(-1/3)) E_electron + phi E_photon, with e the
    escape of electrons (Lu-177's own, otherwise Y-90's, the hardest of the labels; in
    kidneys by `KIDNEY_ESCAPE` more) and phi = (3/4) mu_en R the share of photons over
    the mean path in a sphere.

    Parameters
    ----------
    label : str
        ``Lu-177``, ``Y-90``, or one that emits alphas.
    organ : str
        As in `local_deposition`.
    mass_g : float
        Mass, g, at least 0.1.
    rbe_alpha : float or None
        As in `local_deposition`.

    Returns
    -------
    float
        Positive where the dose comes out too high.

    Raises
    ------
    InputError
        When the label or organ is another, the mass is smaller, or alphas have no RBE.

    References
    ----------
    `PHOTON_ABSORPTION`; `pkmodels.dosimetry.absorbed_fractions`.

    Examples
    --------
    >>> round(local_deposition_error("Lu-177", "kidney", 155.0), 3)
    -0.011
    >>> round(local_deposition_error("Y-90", "kidney", 155.0), 3)
    0.074
    """
    _check_case(label, organ)
    if not SMALLEST_SPHERE.value <= mass_g < math.inf:
        raise InputError(
            f"local deposition of {label} in {organ}: found a mass of {mass_g:g} g; it "
            f"must be finite and at least {SMALLEST_SPHERE.value:g} g"
        )
    energy = energy_of_chain(label)
    deposited = weighted_energy_MeV(energy, rbe_alpha)
    hardest = label if label in _WITH_ESCAPE else "Y-90"
    shape = KIDNEY_ESCAPE.value if "kidney" in organ else 1.0
    escaped = min(1.0, shape * escape_coefficient(hardest) / mass_g ** (1.0 / 3.0))
    density = SOFT_TISSUE_DENSITY.value
    radius_cm = (3.0 * mass_g / (4.0 * math.pi * density)) ** (1.0 / 3.0)
    photons = min(1.0, 0.75 * PHOTON_ABSORPTION.value * density * radius_cm)
    true = deposited - escaped * energy.electron_MeV + photons * energy.photon_MeV
    return deposited / true - 1.0 if true > 0.0 else math.inf


def _check_case(label: str, organ: str) -> None:
    if label not in _WITH_ESCAPE and not emits_alphas(label):
        raise InputError(
            f"local deposition of {label}: how far its electrons reach and how many of "
            f"its photons stay is known here for {', '.join(_WITH_ESCAPE)} and labels "
            "that emit alphas only: give S-values of it in a table of your own"
        )
    if organ in ("red_marrow", "bone_marrow", "marrow"):
        raise InputError(
            f"local deposition of {label} in {organ} is refused: electrons leave the "
            "cavities of the marrow, and 0.57 of those of Lu-177 stay: take "
            f"s_value('red_marrow', {label!r}, sex)"
        )
    if organ == "kidneys":
        raise InputError(
            f"local deposition of {label} in kidneys: they are two regions, each with "
            "its own surface: take 'kidney', and the energy of both over their mass"
        )
    if organ not in _REFERENCE_G and organ != "tumour":
        raise InputError(
            f"local deposition of {label} in {organ} is refused: it holds in a solid "
            f"organ much larger than the range, known here: {', '.join(_REFERENCE_G)}, "
            "tumour"
        )


def _log_sd(label: str, error: float) -> float:
    """Return the bias as a spread: it is not corrected, only known in size."""
    base = ALPHA_CHAIN_LOG_SD if emits_alphas(label) else MODEL_LOG_SD
    return math.hypot(error, base.value)


def _source(
    label: str, organ: str, mass_g: float, error: float, rbe_alpha: float | None
) -> str:
    energy = energy_of_chain(label)
    said = (
        f"local deposition of {label}, ICRP 107 energies; its error for a {organ} of "
        f"{mass_g:g} g is {100.0 * error:+.1f} %, kept as the sd and not corrected"
    )
    if energy.alpha_MeV:
        daughters = ", ".join(m.name for m in decay_chain(label)[1:]) or "none"
        said += (
            f"; alphas weighted by rbe_alpha = {rbe_alpha:g} as stated by the caller "
            f"({'absorbed dose' if rbe_alpha == 1.0 else 'RBE-weighted, not absorbed'}"
            f"); all daughters ({daughters}) decay in place: their own activity must "
            "not be counted again"
        )
    return said


def _range(label: str, organ: str, rbe_alpha: float | None) -> tuple[float, float]:
    """Return from and up to which mass the error stays below the largest allowed.

    It falls as the mass grows: fewer electrons escape, more photons stay.
    """

    def error_at(mass_g: float) -> float:
        return local_deposition_error(label, organ, mass_g, rbe_alpha=rbe_alpha)

    def edge(error: float) -> float:
        low, high = SMALLEST_SPHERE.value, _HEAVIEST_G
        if error_at(low) <= error or error_at(high) >= error:
            return low if error_at(low) <= error else high
        for _ in range(60):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if error_at(middle) > error else (low, middle)
        return low

    return edge(LARGEST_ERROR.value), edge(-LARGEST_ERROR.value)
