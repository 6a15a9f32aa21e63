"""Energy per decay by kind of radiation, with all daughters decaying in place."""

from dataclasses import dataclass

from pkmodels.chains import decay_chain
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide, nuclides
from pkmodels.values import Certainty, Value

# For a caller to pass as rbe_alpha, knowingly: nothing takes it by itself.
MIRD_22_RBE_ALPHA = Value(
    5.0,
    "1",
    "recommended for deterministic effects of alphas in therapy: Sgouros et al., MIRD "
    "pamphlet 22, J Nucl Med 2010;51:311",
    Certainty.PUBLISHED,
)


@dataclass(frozen=True)
class RadiationEnergy:
    """Mean energy per decay of the head of a chain, by what carries it.

    Parameters
    ----------
    alpha_MeV : float
        Alphas, recoil included, MeV, >= 0.
    electron_MeV : float
        Electrons and positrons, MeV, >= 0.
    photon_MeV : float
        Photons, MeV, >= 0.
    """

    alpha_MeV: float
    electron_MeV: float
    photon_MeV: float


def energy_of_chain(label: str) -> RadiationEnergy:
    """Return the energy per decay of a radionuclide and all of its daughters.

    E = sum_i f_i E_i, f_i being the decays of member i per decay of the head: the sum
    over its parents j of b_ij f_j, once all have decayed, where the head did.

    Parameters
    ----------
    label : str
        The radionuclide at the head of the chain.

    Returns
    -------
    RadiationEnergy
        By kind of radiation, each as it is; no relative biological effectiveness.

    Raises
    ------
    InputError
        When a radioactive daughter is not in the table of radionuclides.

    References
    ----------
    ICRP Publication 107 (2008): energies and branching fractions.

    Examples
    --------
    >>> found = energy_of_chain("Ac-225")
    >>> [round(e, 3) for e in (found.alpha_MeV, found.electron_MeV, found.photon_MeV)]
    [27.994, 0.69, 0.219]
    """
    decays: dict[str, float] = {}
    alpha = electron = photon = 0.0
    for member in decay_chain(label):
        share = sum(b * decays[parent] for parent, b in member.parents)
        decays[member.name] = share if member.parents else 1.0
        alpha += decays[member.name] * member.nuclide.alpha_MeV
        electron += decays[member.name] * member.nuclide.electron_MeV
        photon += decays[member.name] * member.nuclide.photon_MeV
    return RadiationEnergy(alpha, electron, photon)


def emits_alphas(label: str) -> bool:
    """Say whether a radionuclide or any of its daughters in the table emits alphas.

    Parameters
    ----------
    label : str
        A radionuclide.

    Returns
    -------
    bool

    Examples
    --------
    >>> emits_alphas("Pb-212"), emits_alphas("Lu-177")
    (True, False)
    """
    found = nuclide(label)
    known = (name for name, _ in found.daughters if name in nuclides())
    return found.alpha_MeV > 0.0 or any(emits_alphas(name) for name in known)


def weighted_energy_MeV(energy: RadiationEnergy, rbe_alpha: float | None) -> float:
    """Return the energy per decay that stays near: RBE x alphas + electrons.

    Parameters
    ----------
    energy : RadiationEnergy
        From `energy_of_chain`.
    rbe_alpha : float or None
        Relative biological effectiveness of alphas, finite, > 0; 1 gives absorbed
        dose. None is for a chain without alphas.

    Returns
    -------
    float
        MeV; a dose made of it is RBE-weighted unless rbe_alpha is 1.

    Raises
    ------
    InputError
        When there are alphas and no rbe_alpha, or it is not finite and positive.

    Examples
    --------
    >>> energy = energy_of_chain("Bi-213")
    >>> [round(weighted_energy_MeV(energy, rbe), 2) for rbe in (1.0, 5.0)]
    [9.14, 43.07]
    """
    if not energy.alpha_MeV:
        return energy.electron_MeV
    if rbe_alpha is None:
        raise InputError(
            f"rbe_alpha is not given, but {energy.alpha_MeV:.4g} MeV per decay are "
            "alphas: state their relative biological effectiveness, rbe_alpha=1 for "
            "absorbed dose, or MIRD_22_RBE_ALPHA.value (5) for deterministic effects"
        )
    if not 0.0 < rbe_alpha < float("inf"):
        raise InputError(f"rbe_alpha is {rbe_alpha}: give a finite number above 0")
    return rbe_alpha * energy.alpha_MeV + energy.electron_MeV
