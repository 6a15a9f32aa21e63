"""AMD3100 (plerixafor) in the animal of `xenograft`: how it is given, and what it does.

Equations, for skin S, plasma P of volume V_P of which the fraction f is free, the
extracellular fluid X of the other tissues, of volume V_X, free A and bound C in the
tumour's interstitium V_i of the tumour's volume V:

    dS/dt = -k_a S
    dP/dt =  k_a S - s V_X (P / V_P - X / V_X) - q (f P / V_P - A / V_i) - GFR f P / V_P
    dX/dt =  s V_X (P / V_P - X / V_X)
    dA/dt =  q (f P / V_P - A / V_i) - k_on (A / V_i) R + k_off C
    dC/dt =  k_on (A / V_i) R - k_off C

with q = times k V, the multiple of the tracer's permeability that a smaller molecule
has, and k_on = k_off / K. It is not internalized and not metabolized; the numbers and
their sources are in `xenograft_values`.
"""

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.models import xenograft_values as numbers
from pkmodels.models.blocks import binding, exchange, first_order_absorption
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, parameters
from pkmodels.units import NMOL_PER_UMOL

BLOCKER = "AMD3100"
SUBCUTANEOUS = "subcutaneous"


def amd3100_reactions(
    skin: Amount,
    plasma: Amount,
    tissue: Amount,
    tumour: Amount,
    bound: Amount,
    receptor: Amount,
) -> tuple[Reaction, ...]:
    """Return absorption, spreading, entry into the tumour, binding and filtration.

    Parameters
    ----------
    skin, plasma, tissue, tumour, bound : Amount
        S, P, X, A, C, nmol of AMD3100.
    receptor : Amount
        Free receptor R, nmol, that the tracer binds as well.

    Returns
    -------
    tuple of Reaction

    Raises
    ------
    ModelError
        When an amount is of another ligand or unit, or named twice.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, receptors
    >>> of_blocker = amounts("skin plasma tissue tumour bound", unit="nmol",
    ...                      ligand="AMD3100")
    >>> (receptor,) = receptors("receptor", unit="nmol")
    >>> print(amd3100_reactions(*of_blocker, receptor)[-1])
    amd3100_filtration: plasma -> outside, rate \
plasma*amd3100_unbound_fraction*glomerular_filtration/plasma_volume
    """
    volume, tissue_volume = parameters("plasma_volume amd3100_tissue_volume", unit="L")
    (filtered,) = parameters("glomerular_filtration", unit="L/h")
    (mass,), (density,) = (
        parameters("tumour_mass", unit="g"),
        parameters("tissue_density", unit="g/L"),
    )
    unbound, space, times = parameters(
        "amd3100_unbound_fraction tumour_space amd3100_permeability_ratio", unit="1"
    )
    (constant,) = parameters("amd3100_dissociation_constant", unit="nmol/L")
    absorption, off, spreading, permeability = parameters(
        "amd3100_absorption amd3100_dissociation amd3100_spreading tumour_permeability",
        unit="1/h",
    )
    interstitium = space * mass / density
    cleared = filtered * unbound * plasma / volume
    return (
        *first_order_absorption("amd3100", skin, plasma, absorption=absorption),
        *exchange(
            "amd3100_tissue",
            plasma,
            tissue,
            first_volume=volume,
            second_volume=tissue_volume,
            clearance=spreading * tissue_volume,
        ),
        *exchange(
            "amd3100_tumour",
            plasma,
            tumour,
            first_volume=volume / unbound,
            second_volume=interstitium,
            clearance=times * permeability * mass / density,
        ),
        *binding(
            "amd3100",
            tumour,
            receptor,
            bound,
            volume=interstitium,
            k_on=off / constant,
            k_off=off,
        ),
        flow("amd3100_filtration", plasma, None, cleared),
    )


def amd3100_given(
    block: str, animal: str, mg_per_kg: float | None = None
) -> Administration:
    """Return the dose of AMD3100 of one animal, at 0 h.

    n = dose x body mass / molar mass.

    Parameters
    ----------
    block : str
        As of `xenograft.schedule`: under the skin where ``"subcutaneous"``, else into
        plasma.
    animal : str
        ``"mouse"`` or ``"rat"``.
    mg_per_kg : float or None
        Free base, mg/kg, > 0; None is the customary dose.

    Returns
    -------
    Administration

    Raises
    ------
    InputError
        When the animal is unknown or the dose is not above 0.

    Examples
    --------
    >>> given = amd3100_given("intravenous", "rat")
    >>> given.route, round(given.ligand_nmol)  # 30 mg/kg of 250 g
    ('intravenous', 14916)
    """
    size = numbers.animal_named(animal)
    dose = size.amd3100_mg_per_kg if mg_per_kg is None else mg_per_kg
    # 1 mg/kg is 1 ug/g, and 1 ug over 1 g/mol is 1 umol.
    umol = dose * size.body_mass_g / numbers.AMD3100_MOLAR_MASS.value
    return Administration(
        0.0,
        0.0,
        BLOCKER,
        ligand_nmol=umol * NMOL_PER_UMOL,
        route=SUBCUTANEOUS if block == SUBCUTANEOUS else INTRAVENOUS,
    )
