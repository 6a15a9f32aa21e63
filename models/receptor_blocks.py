"""Blocks of receptors: binding, internalization, turnover and recycling."""

import sympy

from pkmodels.models.block_checks import MOLES, check_arguments
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount


def binding(
    name: str,
    ligand: Amount,
    receptor: Amount,
    bound: Amount,
    *,
    volume: sympy.Expr,
    k_on: sympy.Expr,
    k_off: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return reversible binding of a ligand to a receptor, by mass action.

    ligand + receptor -> bound at the rate k_on (ligand / volume) receptor, and back at
    k_off bound. At equilibrium bound / receptor = (ligand / volume) / K_D, K_D = k_off
    / k_on. Ligand and free receptor are used up by what is bound, so that depletion of
    either is described, and ligands given the same `receptor` compete.

    Assumptions: one site a receptor, no cooperativity, `volume` well mixed, receptors
    reached from it without delay.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    ligand : Amount
        Free ligand in the volume, nmol.
    receptor : Amount
        Free receptor, nmol, shared by all ligands that bind to it.
    bound : Amount
        The complex, nmol.
    volume : sympy expression
        In which the ligand meets the receptor, L.
    k_on : sympy expression
        Association rate constant, L/(nmol h).
    k_off : sympy expression
        Dissociation rate constant, 1/h.

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
    Hulme and Trevethick, Br J Pharmacol 2010;161:1219-1237; for competing ligands
    Motulsky and Mahan, Mol Pharmacol 1984;25:1-9; in a whole body Kletting et al.,
    J Nucl Med 2016;57:503-508.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> interstitium, bound = amounts("interstitium bound", unit="nmol")
    >>> (free,) = receptors("free", unit="nmol")
    >>> (volume,) = parameters("volume", unit="L")
    >>> (on,), (off,) = (parameters("on", unit="L/(nmol h)"),
    ...                  parameters("off", unit="1/h"))
    >>> for reaction in binding("tumour", interstitium, free, bound,
    ...                         volume=volume, k_on=on, k_off=off):
    ...     print(reaction)
    tumour_association: interstitium + free -> bound, rate free*interstitium*on/volume
    tumour_dissociation: bound -> interstitium + free, rate bound*off
    """
    quantities = {
        "volume": (volume, "L"),
        "k_on": (k_on, "L/(nmol h)"),
        "k_off": (k_off, "1/h"),
    }
    check_arguments(
        "binding",
        name,
        quantities,
        ligand={"ligand": ligand, "bound": bound},
        receptor={"receptor": receptor},
        unit=MOLES,
    )
    free, complexed = ((ligand, 1), (receptor, 1)), ((bound, 1),)
    association = k_on * ligand / volume * receptor
    return (
        Reaction(f"{name}_association", free, complexed, association),
        Reaction(f"{name}_dissociation", complexed, free, k_off * bound),
    )


def internalization_and_release(
    name: str,
    bound: Amount,
    internalized: Amount,
    *,
    internalization: sympy.Expr,
    release: sympy.Expr,
    receptor: Amount | None,
    released: Amount | None,
) -> tuple[Reaction, ...]:
    """Return internalization of a complex and release of the ligand from the cell.

    bound -> internalized + receptor at internalization x bound, and internalized ->
    released at release x internalized. What becomes of the receptor is the modeller's
    statement:

    - the amount of free receptor: one reaches the surface at once for each that leaves
      it, so that the receptor's total stays constant (Kletting 2016);
    - an amount of receptor inside the cell: an agonist takes its receptor in, to be
      recycled or degraded by `receptor_recycling`; what is not recycled in time is
      missing from the surface (down-regulation driven by the agonist);
    - None: the receptor is degraded with the ligand.

    A ligand that does not internalize (many an antagonist) takes `binding` alone.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    bound, internalized : Amount
        The complex at the surface and the ligand inside.
    internalization, release : sympy expression
        Rate constants, 1/h.
    receptor : Amount or None
        Where the receptor goes.
    released : Amount or None
        Where the ligand goes; None where it is degraded and leaves the body.

    Returns
    -------
    tuple of Reaction
        ``<name>_internalization`` and ``<name>_release``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Wiley and Cunningham, Cell 1981;25:433-440; Kletting et al., J Nucl Med
    2016;57:503-508.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> bound, inside = amounts("bound inside", unit="nmol")
    >>> (free,) = receptors("free", unit="nmol")
    >>> intake, loss = parameters("intake loss", unit="1/h")
    >>> for reaction in internalization_and_release(
    ...     "tumour", bound, inside, internalization=intake, release=loss,
    ...     receptor=free, released=None):
    ...     print(reaction)
    tumour_internalization: bound -> inside + free, rate bound*intake
    tumour_release: inside -> outside, rate inside*loss
    """
    check_arguments(
        "internalization_and_release",
        name,
        {"internalization": (internalization, "1/h"), "release": (release, "1/h")},
        ligand={"bound": bound, "internalized": internalized, "released": released},
        receptor={"receptor": receptor},
    )
    inside = ((internalized, 1),)
    if receptor is not None:
        inside = (*inside, (receptor, 1))
    taken_in = internalization * bound
    return (
        Reaction(f"{name}_internalization", ((bound, 1),), inside, taken_in),
        flow(f"{name}_release", internalized, released, release * internalized),
    )


def receptor_turnover(
    name: str, receptor: Amount, *, synthesis: sympy.Expr, degradation: sympy.Expr
) -> tuple[Reaction, ...]:
    """Return synthesis and degradation of free receptors.

    d receptor/dt = synthesis - degradation x receptor, which without ligand settles at
    synthesis / degradation: start there (``start={receptor: synthesis / degradation}``)
    unless the receptors are on their way.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    receptor : Amount
        Free receptor.
    synthesis : sympy expression
        Amount per hour, nmol/h.
    degradation : sympy expression
        Rate constant, 1/h.

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
    Mager and Jusko, J Pharmacokinet Pharmacodyn 2001;28:507-532.

    Examples
    --------
    >>> from pkmodels.symbols import parameters, receptors
    >>> (free,) = receptors("free", unit="nmol")
    >>> (made,), (lost,) = (parameters("made", unit="nmol/h"),
    ...                     parameters("lost", unit="1/h"))
    >>> print(receptor_turnover("cxcr4", free, synthesis=made, degradation=lost)[1])
    cxcr4_degradation: free -> outside, rate free*lost
    """
    check_arguments(
        "receptor_turnover",
        name,
        {"synthesis": (synthesis, "nmol/h"), "degradation": (degradation, "1/h")},
        ligand={},
        receptor={"receptor": receptor},
        unit=MOLES,
    )
    return (
        flow(f"{name}_synthesis", None, receptor, synthesis),
        flow(f"{name}_degradation", receptor, None, degradation * receptor),
    )


def receptor_recycling(
    name: str,
    inside: Amount,
    receptor: Amount,
    *,
    recycling: sympy.Expr,
    degradation: sympy.Expr,
    endocytosis: sympy.Expr = sympy.S.Zero,
) -> tuple[Reaction, ...]:
    """Return what becomes of receptors inside the cell.

    inside -> receptor at recycling x inside, inside is degraded at degradation x
    inside, and receptor -> inside at endocytosis x receptor, without any ligand.

    With `receptor_turnover` and an agonist held at the concentration c, which takes its
    receptor in (`internalization_and_release` into `inside`), free receptors settle at
    synthesis / (k_d + k_i a d / (r + d)), where a = k_on c / (k_off + k_i), k_i is the
    complex's internalization, r and d are this block's recycling and degradation, k_d
    is that of the surface, and nothing is endocytosed without ligand.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    inside, receptor : Amount
        Receptor inside the cell and free receptor at its surface.
    recycling, degradation, endocytosis : sympy expression
        Rate constants, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_recycling``, ``<name>_inner_degradation`` and, where `endocytosis` is
        not 0, ``<name>_endocytosis``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Wiley and Cunningham, Cell 1981;25:433-440; Lauffenburger and Linderman, Receptors,
    Oxford University Press, 1993.

    Examples
    --------
    >>> from pkmodels.symbols import parameters, receptors
    >>> inside, free = receptors("inside free", unit="nmol")
    >>> back, lost = parameters("back lost", unit="1/h")
    >>> print(receptor_recycling("cxcr4", inside, free, recycling=back,
    ...                          degradation=lost)[0])
    cxcr4_recycling: inside -> free, rate inside*back
    """
    quantities = {
        "recycling": (recycling, "1/h"),
        "degradation": (degradation, "1/h"),
        "endocytosis": (endocytosis, "1/h"),
    }
    check_arguments(
        "receptor_recycling",
        name,
        quantities,
        ligand={},
        receptor={"inside": inside, "receptor": receptor},
    )
    reactions = (
        flow(f"{name}_recycling", inside, receptor, recycling * inside),
        flow(f"{name}_inner_degradation", inside, None, degradation * inside),
    )
    if endocytosis == 0:
        return reactions
    taken_in = flow(f"{name}_endocytosis", receptor, inside, endocytosis * receptor)
    return (*reactions, taken_in)
