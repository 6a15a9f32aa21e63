"""Red marrow: what it holds through its blood, or what its receptors bind.

Two models; `method_for` says which applies to a ligand.

Through blood, for a ligand that binds to no cell of blood or marrow. With blood B and
tissue T (amounts),

    dB/dt = -(e + u) B + r T,   dT/dt = u B - r T
    marrow = RMBLR (m_marrow / m_blood) B

with RMBLR the activity concentration of marrow over that of blood: RMECFF /
(1 - haematocrit) (`pkmodels.dosimetry.marrow.red_marrow_to_blood_ratio`, 0.35 at 0.45)
or 1, found for 177Lu peptides. Marrow is read from blood here, not a place of its own:
it fills and empties at once.

With receptors, for a ligand of CXCR4, which cells of the marrow carry: image the marrow
and fit this. With plasma P, marrow interstitium I, bound C, internalized N and free
receptors R:

    dP/dt = -(ln 2 / t_half) P - PS (f_u P / V_P - I / V_I)
    dI/dt = PS (f_u P / V_P - I / V_I) - k_on R I / V_I + k_off C
    dC/dt = k_on R I / V_I - (k_off + k_int) C,   R + C = R_total
    dN/dt = k_int C - k_rel N,   k_on = k_off / K_D
    marrow = (V_p,marrow / V_P) P + I + C + N

Assumptions: only unbound ligand leaves plasma; a receptor that goes in is replaced at
the surface at once; marrow is one well-mixed region; all that plasma loses otherwise is
one rate. Unlike `pentixather`, endogenous CXCL12 is part of K_D, and ligand in the
interstitium is all free.

Limits: none of the binding rates has been measured (`pkmodels.models.cxcr4_values`),
and the number of receptors and the rate of release are tuned to a published median dose
and half-life. Stem cells and the marrow of one bone are not told apart; disease in the
marrow is a tumour, not this. The rates of blood are an example, of 177Lu-PSMA-617: put
in those of the ligand at hand.

References
----------
Through blood: Hindorf et al., Eur J Nucl Med Mol Imaging 2010;37:1238 (EANM); Sgouros,
J Nucl Med 1993;34:689; Forrer et al., Eur J Nucl Med Mol Imaging 2009;36:1138.
With receptors: the scheme of Kletting et al., J Nucl Med 2016;57:503-508. Marrow by
imaging: Haenscheid et al., J Nucl Med 2022.
"""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.dosimetry.marrow import CXCR4_LIGANDS
from pkmodels.errors import InputError
from pkmodels.models import marrow_values
from pkmodels.models.blocks import binding, exchange, internalization_and_release
from pkmodels.models.values import LIGANDS
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters, receptors
from pkmodels.values import ParameterValue

NAME = "marrow"
TESTED_AGAINST = "closed form; Hindorf 2010's dose; Haenscheid 2022's median, tuned"
THROUGH_BLOOD, WITH_RECEPTORS = "through blood", "with receptors"


def method_for(ligand: str, *, binds_nothing_because: str | None = None) -> str:
    """Say which model of the marrow applies to a ligand.

    Parameters
    ----------
    ligand : str
        The ligand.
    binds_nothing_because : str or None
        Why it binds to no cell of blood or marrow; only then does blood tell.

    Returns
    -------
    str
        `THROUGH_BLOOD` or `WITH_RECEPTORS`.

    Raises
    ------
    InputError
        When it is a ligand of CXCR4 and is said to bind nothing, or another of which
        nobody says that it does.

    Examples
    --------
    >>> method_for("pentixather")
    'with receptors'
    >>> method_for("dotatate", binds_nothing_because="Forrer 2009")
    'through blood'
    """
    said = bool(binds_nothing_because and binds_nothing_because.strip())
    if ligand.casefold() in CXCR4_LIGANDS:
        if said:
            raise InputError(
                f"red marrow of {ligand} through blood is refused: it binds to CXCR4, "
                "which cells of the marrow carry, so that marrow holds more than blood "
                "does: leave out binds_nothing_because, and image the marrow"
            )
        return WITH_RECEPTORS
    if not said:
        raise InputError(
            f"red marrow of {ligand}: the method through blood holds for ligands that "
            "bind to no cell of blood or marrow: say why this one does not in "
            "binds_nothing_because, or image the marrow"
        )
    return THROUGH_BLOOD


def model(
    ligand: str = "pentixather", *, binds_nothing_because: str | None = None
) -> Model:
    """Return the model of the marrow that applies to a ligand.

    Parameters
    ----------
    ligand, binds_nothing_because
        As of `method_for`.

    Returns
    -------
    Model
        With ``red_marrow`` (MBq) among its observables.

    Raises
    ------
    InputError
        As `method_for` does.

    Examples
    --------
    >>> model("dotatate", binds_nothing_because="Forrer 2009").observables["red_marrow"]
    blood*marrow_to_blood*red_marrow_mass/blood_mass
    """
    if method_for(ligand, binds_nothing_because=binds_nothing_because) == THROUGH_BLOOD:
        return _through_blood()
    return _with_receptors()


def _through_blood() -> Model:
    blood, tissue = amounts("blood tissue", unit="nmol")
    elimination, uptake, release = parameters(
        "elimination uptake_tissue release_tissue", unit="1/h"
    )
    (ratio,) = parameters("marrow_to_blood", unit="1")
    marrow_g, blood_g = parameters("red_marrow_mass blood_mass", unit="g")
    return Model(
        name=NAME,
        reactions=(
            flow("elimination", blood, None, elimination * blood),
            flow("uptake_tissue", blood, tissue, uptake * blood),
            flow("release_tissue", tissue, blood, release * tissue),
        ),
        routes={INTRAVENOUS: blood},
        observables={
            "blood": blood,
            "blood_concentration": blood / blood_g,
            "red_marrow": ratio * marrow_g / blood_g * blood,
        },
    )


def _with_receptors() -> Model:
    plasma, interstitium, bound, inside = amounts(
        "plasma marrow_interstitium marrow_bound marrow_internalized", unit="nmol"
    )
    (free,) = receptors("marrow_receptor", unit="nmol")
    (half_time,) = parameters("plasma_half_time", unit="h")
    (unbound,) = parameters("unbound_fraction", unit="1")
    plasma_volume, vascular, interstitial = parameters(
        "plasma_volume marrow_plasma_volume marrow_interstitial_volume", unit="L"
    )
    (permeability,) = parameters("marrow_permeability_surface", unit="L/h")
    (sites,) = parameters("receptors", unit="nmol")
    (affinity,) = parameters("dissociation_constant", unit="nmol/L")
    off, internalization, release = parameters(
        "dissociation internalization release", unit="1/h"
    )
    return Model(
        name=NAME,
        reactions=(
            flow("elimination", plasma, None, sympy.log(2) / half_time * plasma),
            *exchange(
                "marrow",
                plasma,
                interstitium,
                first_volume=plasma_volume / unbound,
                second_volume=interstitial,
                clearance=permeability,
            ),
            *binding(
                "marrow",
                interstitium,
                free,
                bound,
                volume=interstitial,
                k_on=off / affinity,
                k_off=off,
            ),
            *internalization_and_release(
                "marrow",
                bound,
                inside,
                internalization=internalization,
                release=release,
                receptor=free,
                released=None,
            ),
        ),
        routes={INTRAVENOUS: plasma},
        observables={
            "plasma": plasma,
            "plasma_concentration": plasma / plasma_volume,
            "red_marrow": vascular / plasma_volume * plasma
            + interstitium
            + bound
            + inside,
        },
        start={free: sites},
    )


def values(
    ligand: str = "pentixather", *, binds_nothing_because: str | None = None
) -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Parameters
    ----------
    ligand, binds_nothing_because
        As of `method_for`.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    InputError
        As `method_for` does.

    Examples
    --------
    >>> sorted(values("dotatate", binds_nothing_because="Forrer 2009"))[:2]
    ['blood_mass', 'elimination']
    """
    if method_for(ligand, binds_nothing_because=binds_nothing_because) == THROUGH_BLOOD:
        return dict(marrow_values.through_blood())
    return marrow_values.with_receptors()


def schedule() -> Schedule:
    """Return the dosimetry of Haenscheid 2022: 200 MBq, 75 ug of 177Lu-pentixather.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> round(schedule().administrations[0].ligand_nmol, 1)
    55.7
    """
    mass = LIGANDS["pentixather"].molar_mass_g_per_mol.value
    dose = Administration(
        0.0,
        0.0,
        "pentixather",
        "Lu-177",
        200.0,
        ligand_mass_ug=75.0,
        molar_mass_g_per_mol=mass,
    )
    return Schedule((dose,))
