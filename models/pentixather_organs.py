"""Organs of the model `pentixather`: the equations that its docstring states.

Each function returns reactions, made of the blocks, and what the organ holds; all
organs meet in plasma and bladder. Parameters of pentixafor are those of pentixather
times a ratio, or at odds times a ratio where they are fractions.
"""

from dataclasses import dataclass

import sympy

from pkmodels.models.blocks import (
    binding,
    exchange,
    excretion,
    filtration_with_saturable_reabsorption,
    internalization_and_release,
)
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, amounts, inputs, parameters, receptors

# Organs with receptors that every body has.
NORMAL = ("spleen", "red_marrow", "adrenals")
AMINO_ACID_BLOCK = "amino_acid_block"


@dataclass(frozen=True)
class Pools:
    """What the organs share.

    Parameters
    ----------
    ligand : str
        The ligand.
    plasma, bladder, urine : Amount
        All ligand in plasma, in the bladder, and what it has emptied, nmol.
    volume : sympy expression
        Of plasma, L.
    free, free_in_tissue : sympy expression
        Fraction that no protein binds, in plasma and in interstitium.
    """

    ligand: str
    plasma: Amount
    bladder: Amount
    urine: Amount
    volume: sympy.Expr
    free: sympy.Expr
    free_in_tissue: sympy.Expr


@dataclass(frozen=True)
class ReceptorOrgan:
    """An organ with receptors.

    Parameters
    ----------
    reactions : tuple of Reaction
        Exchange, binding, internalization and release.
    held : sympy expression
        All ligand in it, with that in its plasma, nmol.
    receptor : Amount
        Free receptor.
    sites : sympy expression
        All receptors, with which `receptor` starts, nmol.
    """

    reactions: tuple[Reaction, ...]
    held: sympy.Expr
    receptor: Amount
    sites: sympy.Expr


def pools(ligand: str) -> Pools:
    """Return plasma, bladder and free fractions of one ligand.

    Interstitium holds a part r of plasma's protein: 1 / f_i - 1 = r (1 / f_u - 1).

    Parameters
    ----------
    ligand : str
        ``"pentixather"`` or ``"pentixafor"``.

    Returns
    -------
    Pools

    Examples
    --------
    >>> pools("pentixather").free
    unbound_fraction
    """
    plasma, bladder, urine = amounts("plasma bladder urine", unit="nmol", ligand=ligand)
    (volume,) = parameters("plasma_volume", unit="L")
    unbound, protein = parameters(
        "unbound_fraction interstitial_protein_ratio", unit="1"
    )
    free = _of_odds(ligand, unbound, "pentixafor_unbound_odds_ratio")
    in_tissue = free / (free + protein * (1 - free))
    return Pools(ligand, plasma, bladder, urine, volume, free, in_tissue)


def receptor_organ(shared: Pools, name: str) -> ReceptorOrgan:
    """Return spleen, red marrow, adrenals or a tumour.

    Parameters
    ----------
    shared : Pools
        Where it takes ligand from, and where it goes.
    name : str
        One of `NORMAL`, or the name of a tumour.

    Returns
    -------
    ReceptorOrgan

    Examples
    --------
    >>> receptor_organ(pools("pentixather"), "spleen").sites
    binding_potential_spleen*dissociation_constant*volume_spleen
    """
    kind = name if name in NORMAL else "tumour"
    ending = "" if name in NORMAL else "_tumour"
    interstitium, bound, inside = amounts(
        f"interstitium_{name} bound_{name} internalized_{name}",
        unit="nmol",
        ligand=shared.ligand,
    )
    (receptor,) = receptors(f"receptor_{name}", unit="nmol")
    (size,) = parameters(f"volume_{name}", unit="L")
    (affinity,) = parameters("dissociation_constant", unit="nmol/L")
    vascular, interstitial, potential = parameters(
        f"vascular_fraction_{kind} interstitial_fraction_{kind} "
        f"binding_potential_{name}",
        unit="1",
    )
    internalization, release = parameters(
        f"internalization release{ending}", unit="1/h"
    )
    k_on, k_off = _binding_rates(shared.ligand)
    space = interstitial * size / shared.free_in_tissue
    reactions = (
        *exchange(
            name,
            shared.plasma,
            interstitium,
            first_volume=shared.volume / shared.free,
            second_volume=space,
            clearance=_clearance(kind, shared.free) * size,
        ),
        *binding(
            name, interstitium, receptor, bound, volume=space, k_on=k_on, k_off=k_off
        ),
        *internalization_and_release(
            name,
            bound,
            inside,
            internalization=_of(
                shared.ligand, internalization, "pentixafor_internalization_ratio"
            ),
            release=release,
            receptor=receptor,
            released=shared.bladder,
        ),
    )
    held = interstitium + bound + inside + _in_plasma(shared, vascular * size)
    return ReceptorOrgan(reactions, held, receptor, potential * affinity * size)


def kidneys(shared: Pools) -> tuple[tuple[Reaction, ...], sympy.Expr]:
    """Return both kidneys and the emptying of the bladder.

    Parameters
    ----------
    shared : Pools
        As of `receptor_organ`.

    Returns
    -------
    tuple of (tuple of Reaction, sympy expression)
        Reactions, and all ligand in both kidneys, nmol.

    Examples
    --------
    >>> print(kidneys(pools("pentixather"))[0][0])
    kidney_filtration: plasma -> tubule, rate \
plasma*glomerular_filtration_rate*unbound_fraction/plasma_volume
    """
    tubule, retained = amounts("tubule kidneys", unit="nmol", ligand=shared.ligand)
    filtration_rate, tubular_flow = parameters(
        "glomerular_filtration_rate tubular_flow", unit="L/h"
    )
    size, tubular_volume = parameters("volume_kidneys tubular_volume", unit="L")
    vascular, kept, returned = parameters(
        "vascular_fraction_kidneys reabsorbed_fraction kidney_returned_fraction",
        unit="1",
    )
    (half,) = parameters("reabsorption_half_saturation", unit="nmol/L")
    release, emptying = parameters("kidney_release bladder_emptying", unit="1/h")
    (block,) = inputs(AMINO_ACID_BLOCK, unit="1", otherwise=0)
    kept = _of_odds(shared.ligand, kept, "pentixafor_reabsorption_odds_ratio")
    reactions = (
        *filtration_with_saturable_reabsorption(
            "kidney",
            shared.plasma,
            tubule,
            retained,
            shared.bladder,
            volume=shared.volume / shared.free,
            filtration_rate=filtration_rate,
            tubular_volume=tubular_volume,
            tubular_flow=tubular_flow,
            # So that this fraction of a trace of ligand is reabsorbed.
            transport_maximum=half * tubular_flow * kept / (1 - kept),
            half_saturation=half,
            competitive=True,
            block=block,
        ),
        flow("kidney_return", retained, shared.plasma, returned * release * retained),
        *excretion(
            "renal",
            retained,
            shared.bladder,
            shared.urine,
            secretion=(1 - returned) * release,
            emptying=emptying,
        ),
    )
    return reactions, retained + tubule + _in_plasma(shared, vascular * size)


def liver(shared: Pools) -> tuple[tuple[Reaction, ...], sympy.Expr, Amount]:
    """Return liver and intestine.

    Parameters
    ----------
    shared : Pools
        As of `receptor_organ`.

    Returns
    -------
    tuple of (tuple of Reaction, sympy expression, Amount)
        Reactions, all ligand in the liver, and that in the intestine, nmol.

    Examples
    --------
    >>> print(liver(pools("pentixather"))[0][0])
    liver_uptake: plasma -> hepatocytes, rate \
plasma*liver_uptake*unbound_fraction/plasma_volume
    """
    cells, intestine = amounts(
        "hepatocytes intestine", unit="nmol", ligand=shared.ligand
    )
    (uptake,) = parameters("liver_uptake", unit="L/h")
    release, transit = parameters("liver_release intestinal_transit", unit="1/h")
    vascular, biliary = parameters("vascular_fraction_liver biliary_fraction", unit="1")
    (size,) = parameters("volume_liver", unit="L")
    uptake = _of(shared.ligand, uptake, "pentixafor_liver_uptake_ratio")
    taken_up = uptake * shared.free * shared.plasma / shared.volume
    reactions = (
        flow("liver_uptake", shared.plasma, cells, taken_up),
        flow("liver_return", cells, shared.plasma, (1 - biliary) * release * cells),
        *excretion(
            "biliary",
            cells,
            intestine,
            None,
            secretion=biliary * release,
            emptying=transit,
        ),
    )
    return reactions, cells + _in_plasma(shared, vascular * size), intestine


def rest(shared: Pools) -> tuple[Reaction, ...]:
    """Return exchange with the interstitium of all other organs.

    Parameters
    ----------
    shared : Pools
        As of `receptor_organ`.

    Returns
    -------
    tuple of Reaction

    Examples
    --------
    >>> print(rest(pools("pentixather"))[0])
    rest_forward: plasma -> interstitium_rest, rate \
plasma*permeability_surface_rest*unbound_fraction/plasma_volume
    """
    (interstitium,) = amounts("interstitium_rest", unit="nmol", ligand=shared.ligand)
    (space,) = parameters("interstitial_volume_rest", unit="L")
    (clearance,) = parameters("permeability_surface_rest", unit="L/h")
    return exchange(
        "rest",
        shared.plasma,
        interstitium,
        first_volume=shared.volume / shared.free,
        second_volume=space / shared.free_in_tissue,
        clearance=clearance,
    )


def _clearance(kind: str, free: sympy.Expr) -> sympy.Expr:
    """Return F PS / (F + f_u PS) per volume: plasma in the organ is quasi-steady."""
    perfusion, permeability = parameters(f"flow_{kind} permeability_{kind}", unit="1/h")
    return perfusion * permeability / (perfusion + free * permeability)


def _binding_rates(ligand: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Return k_on beside CXCL12, and k_off.

    A ratio of K_D is one of k_off: peptides of one scaffold associate alike.
    """
    affinity, cxcl12, cxcl12_affinity = parameters(
        "dissociation_constant cxcl12_concentration cxcl12_dissociation_constant",
        unit="nmol/L",
    )
    (dissociation,) = parameters("dissociation", unit="1/h")
    k_on = dissociation / affinity / (1 + cxcl12 / cxcl12_affinity)
    return k_on, _of(ligand, dissociation, "pentixafor_dissociation_ratio")


def _in_plasma(shared: Pools, plasma_L: sympy.Expr) -> sympy.Expr:
    return plasma_L / shared.volume * shared.plasma


def _of(ligand: str, quantity: sympy.Expr, ratio: str) -> sympy.Expr:
    """Return a quantity of pentixather, or times a ratio that of pentixafor."""
    return parameters(ratio, unit="1")[0] * quantity if _scaled(ligand) else quantity


def _of_odds(ligand: str, fraction: sympy.Expr, ratio: str) -> sympy.Expr:
    """Return a fraction of pentixather, or with odds times a ratio of pentixafor."""
    if not _scaled(ligand):
        return fraction
    odds = parameters(ratio, unit="1")[0] * fraction
    return odds / (1 - fraction + odds)


def _scaled(ligand: str) -> bool:
    return ligand == "pentixafor"
