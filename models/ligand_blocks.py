"""Blocks of a ligand by itself: its turnover, and binding that never saturates."""

import sympy

from pkmodels.models.block_checks import MOLES, check_arguments
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount


def ligand_turnover(
    name: str, ligand: Amount, *, synthesis: sympy.Expr, degradation: sympy.Expr
) -> tuple[Reaction, ...]:
    """Return synthesis and degradation of an endogenous ligand.

    d ligand/dt = synthesis - degradation x ligand, besides what binds. CXCL12, the
    agonist of CXCR4, is this with `binding` to the receptors and
    `internalization_and_release` to lysosomes, where it is degraded (released=None).

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    ligand : Amount
        Free ligand.
    synthesis : sympy expression
        Amount per hour, nmol/h.
    degradation : sympy expression
        Rate constant of its loss other than by receptors, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_synthesis`` and ``<name>_degradation``.

    Raises
    ------
    ModelError
        When a unit does not fit or the amount is not what it should be.

    References
    ----------
    Dayneka, Garg and Jusko, J Pharmacokinet Biopharm 1993;21:457-478 (synthesis at a
    constant rate, loss in proportion).

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (cxcl12,) = amounts("cxcl12", unit="nmol", ligand="CXCL12")
    >>> (made,), (lost,) = (parameters("made", unit="nmol/h"),
    ...                     parameters("lost", unit="1/h"))
    >>> print(ligand_turnover("cxcl12", cxcl12, synthesis=made, degradation=lost)[0])
    cxcl12_synthesis: outside -> cxcl12, rate made
    """
    check_arguments(
        "ligand_turnover",
        name,
        {"synthesis": (synthesis, "nmol/h"), "degradation": (degradation, "1/h")},
        ligand={"ligand": ligand},
        unit=MOLES,
    )
    return (
        flow(f"{name}_synthesis", None, ligand, synthesis),
        flow(f"{name}_degradation", ligand, None, degradation * ligand),
    )


def plasma_protein_binding(
    name: str,
    free: Amount,
    bound: Amount,
    *,
    unbound_fraction: sympy.Expr,
    dissociation: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return reversible binding to plasma protein in excess, which never saturates.

    free -> bound at dissociation (1 / f_u - 1) free, and back at dissociation x bound,
    so that at equilibrium free / (free + bound) = f_u, the unbound fraction.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    free, bound : Amount
        Ligand in plasma, free and bound to protein.
    unbound_fraction : sympy expression
        f_u, in (0, 1].
    dissociation : sympy expression
        Rate constant, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_association`` and ``<name>_dissociation``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Mass action with protein in excess: Rowland and Tozer, Clinical Pharmacokinetics
    and Pharmacodynamics, 4th edition, 2011.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> free, bound = amounts("free bound", unit="nmol")
    >>> (unbound,), (off,) = (parameters("unbound", unit="1"),
    ...                       parameters("off", unit="1/h"))
    >>> print(plasma_protein_binding("albumin", free, bound, unbound_fraction=unbound,
    ...                              dissociation=off)[0])
    albumin_association: free -> bound, rate free*off*(-1 + 1/unbound)
    """
    quantities = {
        "unbound_fraction": (unbound_fraction, "1"),
        "dissociation": (dissociation, "1/h"),
    }
    check_arguments(
        "plasma_protein_binding",
        name,
        quantities,
        ligand={"free": free, "bound": bound},
    )
    association = dissociation * (1 / unbound_fraction - 1)
    return _reversible(name, free, bound, association, dissociation)


def nonspecific_binding(
    name: str,
    free: Amount,
    bound: Amount,
    *,
    association: sympy.Expr,
    dissociation: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return reversible binding to sites that are many and never saturate.

    free -> bound at association x free, and back at dissociation x bound: at
    equilibrium bound / free = association / dissociation, whatever is added.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    free, bound : Amount
        Free ligand, and ligand at the sites.
    association, dissociation : sympy expression
        Rate constants, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_association`` and ``<name>_dissociation``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Hulme and Trevethick, Br J Pharmacol 2010;161:1219-1237.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> free, sites = amounts("free sites", unit="nmol")
    >>> on, off = parameters("on off", unit="1/h")
    >>> print(nonspecific_binding("plastic", free, sites, association=on,
    ...                           dissociation=off)[1])
    plastic_dissociation: sites -> free, rate sites*off
    """
    quantities = {
        "association": (association, "1/h"),
        "dissociation": (dissociation, "1/h"),
    }
    check_arguments(
        "nonspecific_binding", name, quantities, ligand={"free": free, "bound": bound}
    )
    return _reversible(name, free, bound, association, dissociation)


def _reversible(
    name: str,
    free: Amount,
    bound: Amount,
    association: sympy.Expr,
    dissociation: sympy.Expr,
) -> tuple[Reaction, ...]:
    return (
        flow(f"{name}_association", free, bound, association * free),
        flow(f"{name}_dissociation", bound, free, dissociation * bound),
    )
