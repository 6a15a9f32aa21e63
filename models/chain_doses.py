"""Doses of a label whose daughters move by themselves, from where each one decays.

A region's dose is the sum over the chain's members m, each where it is when it decays,

    D = (1 / mass) sum_m TIA_m (RBE E_alpha,m + E_electron,m)

of alphas (recoil included) and electrons, all absorbed in the region itself. Photons
are left out: their dose is spread over the body. It holds for regions that are large
beside the ranges, some 0.1 mm for alphas and some mm for betas of Bi-213 and Tl-209.

References
----------
Energies and branching: ICRP Publication 107 (2008). Sgouros et al., MIRD pamphlet 22,
J Nucl Med 2010;51:311 (daughters by themselves, RBE).
"""

from collections.abc import Mapping

from pkmodels.chains import decay_chain
from pkmodels.definition import Model
from pkmodels.dosimetry.decay_energies import RadiationEnergy, weighted_energy_MeV
from pkmodels.errors import InputError, SolveError, suggest
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.time_integrals import integrate_observables
from pkmodels.units import GY_G_PER_MEV_MBQ_H


def integrate_chain(
    model: Model,
    parameters: Mapping[str, float],
    schedule: Schedule,
    regions: tuple[str, ...],
) -> dict[str, dict[str, float]]:
    """Return the time-integrated activity of each member of a chain in each region.

    Parameters
    ----------
    model : Model
        The model, which says what becomes of daughters.
    parameters : mapping of str to float
        Every parameter by name.
    schedule : Schedule
        What is done, with one label.
    regions : tuple of str
        Observables of the model, each an activity.

    Returns
    -------
    dict of str to dict of str to float
        By member, then region, MBq h: what decays there in all, over 3.6e9.

    Raises
    ------
    InputError
        When there is no label or several, or a region is no observable.
    SolveError
        When an activity has no time integral.

    Examples
    --------
    >>> from pkmodels.models import alpha_therapy
    >>> from pkmodels.values import typical
    >>> found = integrate_chain(alpha_therapy.model(), typical(alpha_therapy.values()),
    ...                         alpha_therapy.schedule(), ("tumour",))
    >>> list(found)
    ['Ac-225', 'Fr-221', 'At-217', 'Bi-213', 'Po-213', 'Tl-209', 'Pb-209']
    >>> found["Bi-213"]["tumour"] < found["Ac-225"]["tumour"]
    True
    """
    if len(schedule.labels) != 1:
        raise InputError(
            f"the schedule gives {', '.join(schedule.labels) or 'no label'}: give one "
            "label, the head of the chain"
        )
    for region in regions:
        if region not in model.observables:
            raise InputError(
                f"no observable {region!r}: {suggest(region, model.observables)}"
            )
    system = assemble(model, schedule.form)
    found: dict[str, dict[str, float]] = {}
    for member in decay_chain(schedule.labels[0]):
        whole = integrate_observables(
            system, parameters, schedule, member.name, regions
        )
        for region, reason in whole.reasons.items():
            raise SolveError(
                f"{member.name} in {region!r} has no time integral: {reason}"
            )
        found[member.name] = dict(whole.values)
    return found


def energy_of_member(name: str) -> RadiationEnergy:
    """Return the energy of one decay of a radionuclide, without its daughters.

    Parameters
    ----------
    name : str
        The radionuclide.

    Returns
    -------
    RadiationEnergy

    Raises
    ------
    InputError
        When it is not in the table.

    Examples
    --------
    >>> energy_of_member("Bi-213").alpha_MeV  # Po-213 gives the rest
    0.1245
    """
    one = nuclide(name)
    return RadiationEnergy(one.alpha_MeV, one.electron_MeV, one.photon_MeV)


def chain_doses(
    integrals: Mapping[str, Mapping[str, float]],
    masses_g: Mapping[str, float],
    *,
    rbe_alpha: float,
) -> dict[str, float]:
    """Return the dose of each region from what decays in it.

    Parameters
    ----------
    integrals : mapping of str to mapping of str to float
        As `integrate_chain` gives them, MBq h.
    masses_g : mapping of str to float
        Mass of each region, g, > 0; the doses of these are returned.
    rbe_alpha : float
        Relative biological effectiveness of alphas, > 0: 1 gives absorbed dose.

    Returns
    -------
    dict of str to float
        Gy, weighted by the RBE.

    Raises
    ------
    InputError
        When a mass or the RBE is out of its range, or a region has no integral.

    Examples
    --------
    >>> static = {"Bi-213": {"tumour": 1.0}, "Po-213": {"tumour": 0.9791},
    ...           "Tl-209": {"tumour": 0.0209}, "Pb-209": {"tumour": 1.0}}
    >>> dose = chain_doses(static, {"tumour": 1.0}, rbe_alpha=1.0)["tumour"]
    >>> round(dose / 0.576784, 3)  # 8.483 + 0.656 MeV a decay
    9.139
    """
    doses = {}
    for region, mass in masses_g.items():
        if not 0.0 < mass < float("inf"):
            raise InputError(f"the mass of {region!r} is {mass} g; it must be > 0")
        energy = 0.0
        for name, found in integrals.items():
            if region not in found:
                raise InputError(
                    f"{region!r} has a mass, but no integral: {suggest(region, found)}"
                )
            per_decay = weighted_energy_MeV(energy_of_member(name), rbe_alpha)
            energy += per_decay * found[region]
        doses[region] = energy * GY_G_PER_MEV_MBQ_H / mass
    return doses
