"""Blocks of elimination: filtration, reabsorption, excretion, metabolism."""

from collections.abc import Sequence

import sympy

from pkmodels.models.block_checks import MOLES, check_arguments, competition
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount


def filtration(
    name: str,
    plasma: Amount,
    kidney: Amount,
    urine: Amount | None,
    *,
    volume: sympy.Expr,
    filtration_rate: sympy.Expr,
    reabsorbed_fraction: sympy.Expr,
    block: sympy.Expr = sympy.S.Zero,
) -> tuple[Reaction, ...]:
    """Return glomerular filtration of which the tubule retains a constant fraction.

    With F = filtration_rate x plasma / volume: plasma -> kidney at F f (1 - b), and
    plasma -> urine at F (1 - f (1 - b)), f the reabsorbed fraction and b the block.
    Nothing saturates; `filtration_with_saturable_reabsorption` does.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    plasma, kidney : Amount
        Free ligand in plasma, and ligand retained by tubular cells.
    urine : Amount or None
        Where the rest goes; None is the outside of the body.
    volume : sympy expression
        Of plasma, L.
    filtration_rate : sympy expression
        Glomerular filtration rate, times the sieving coefficient where that is not 1,
        L/h.
    reabsorbed_fraction : sympy expression
        Of what is filtered, in [0, 1].
    block : sympy expression
        Part of the reabsorption that is blocked, in [0, 1]: an `Input` that is above 0
        while amino acids are infused.

    Returns
    -------
    tuple of Reaction
        ``<name>_reabsorption`` and ``<name>_excretion``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Kletting et al., J Nucl Med 2016;57:503-508 (a constant fraction is excreted);
    Rolleman et al., Eur J Nucl Med Mol Imaging 2010;37:1018-1031 (amino acids).

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (v,), (gfr,) = parameters("v", unit="L"), parameters("gfr", unit="L/h")
    >>> (kept,) = parameters("kept", unit="1")
    >>> print(filtration("kidney", plasma, kidney, None, volume=v,
    ...                  filtration_rate=gfr, reabsorbed_fraction=kept)[0])
    kidney_reabsorption: plasma -> kidney, rate plasma*gfr*kept/v
    """
    quantities = {
        "volume": (volume, "L"),
        "filtration_rate": (filtration_rate, "L/h"),
        "reabsorbed_fraction": (reabsorbed_fraction, "1"),
        "block": (block, "1"),
    }
    places = {"plasma": plasma, "kidney": kidney, "urine": urine}
    check_arguments("filtration", name, quantities, ligand=places)
    filtered = filtration_rate * plasma / volume
    kept = reabsorbed_fraction * (1 - block)
    return (
        flow(f"{name}_reabsorption", plasma, kidney, filtered * kept),
        flow(f"{name}_excretion", plasma, urine, filtered * (1 - kept)),
    )


def filtration_with_saturable_reabsorption(
    name: str,
    plasma: Amount,
    tubule: Amount,
    kidney: Amount,
    urine: Amount | None,
    *,
    volume: sympy.Expr,
    filtration_rate: sympy.Expr,
    tubular_volume: sympy.Expr,
    tubular_flow: sympy.Expr,
    transport_maximum: sympy.Expr,
    half_saturation: sympy.Expr,
    competitive: bool,
    block: sympy.Expr = sympy.S.Zero,
    competitors: Sequence[tuple[sympy.Expr, sympy.Expr]] = (),
) -> tuple[Reaction, ...]:
    """Return glomerular filtration and carrier-mediated reabsorption that saturates.

    With p = plasma / volume, x = c / K of the concentration c = tubule / tubular_volume
    and s = sum_j c_j / K_j of the other ligands at the transporter, the `competitors`:

        plasma -> tubule   filtration_rate p
        tubule -> kidney   T_m (1 - b) x / (1 + x + s), blocked without competition
                           T_m (1 - b) x / (1 + (1 - b) (x + s)), blocked by one of them
        tubule -> urine    tubular_flow c

    where T_m is the transport maximum, K the concentration of half saturation and b the
    block. Once the tubule is steady, excreted = filtered - reabsorbed. Both blocks
    leave 1 - b of the reabsorption of a trace of ligand; a large load of ligand
    displaces what blocks by competition, whose factor on K is 1 / (1 - b) while nothing
    else competes, but no other block.

    Two ligands share T_m only where each one's block names the other among its
    `competitors` (and K, T_m where they are equal are one symbol). Otherwise, as after
    `pkmodels.variants.for_ligand` and merging, each has the whole of a T_m by itself.

    The fluid in the tubule is an amount of its own, so that no more is reabsorbed than
    was filtered, whatever the values.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    plasma, tubule, kidney : Amount
        Ligand free in plasma, in tubular fluid and retained by tubular cells, nmol.
    urine : Amount or None
        Where the rest goes; None is the outside of the body.
    volume, tubular_volume : sympy expression
        Of plasma and of tubular fluid, L.
    filtration_rate, tubular_flow : sympy expression
        Glomerular filtration rate (times the sieving coefficient), and fluid that
        leaves the reabsorbing part of the tubule, L/h.
    transport_maximum : sympy expression
        T_m, nmol/h.
    half_saturation : sympy expression
        K, in tubular fluid, nmol/L.
    competitive : bool
        Whether what blocks competes with the ligand for the carrier.
    block : sympy expression
        b, in [0, 1]: an `Input` that is above 0 while amino acids are infused.
    competitors : sequence of (sympy expression, sympy expression)
        Of each other ligand at the transporter, the concentration in tubular fluid and
        the half saturation, nmol/L.

    Returns
    -------
    tuple of Reaction
        ``<name>_filtration``, ``<name>_reabsorption`` and ``<name>_excretion``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Shannon and Fisher, Am J Physiol 1938;122:765-774 (transport maximum); Rolleman et
    al., Eur J Nucl Med Mol Imaging 2010;37:1018-1031 (amino acids); Segel, Enzyme
    Kinetics, Wiley 1975 (competing substrates). The tubular fluid as one mixed space is
    this project's simplification.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, inputs, parameters
    >>> plasma, tubule, kidney, urine = amounts("plasma tubule kidney urine",
    ...                                         unit="nmol")
    >>> u, v = parameters("u v", unit="L")
    >>> gfr, q = parameters("gfr q", unit="L/h")
    >>> (most,), (half,) = (parameters("most", unit="nmol/h"),
    ...                     parameters("half", unit="nmol/L"))
    >>> (acids,) = inputs("acids", unit="1", otherwise=0)
    >>> print(filtration_with_saturable_reabsorption(
    ...     "kidney", plasma, tubule, kidney, urine, volume=u, filtration_rate=gfr,
    ...     tubular_volume=v, tubular_flow=q, transport_maximum=most,
    ...     half_saturation=half, competitive=False, block=acids)[1].rate)
    tubule*most*(1 - acids)/(tubule + half*v)
    """
    quantities = {
        "volume": (volume, "L"),
        "filtration_rate": (filtration_rate, "L/h"),
        "tubular_volume": (tubular_volume, "L"),
        "tubular_flow": (tubular_flow, "L/h"),
        "transport_maximum": (transport_maximum, "nmol/h"),
        "half_saturation": (half_saturation, "nmol/L"),
        "block": (block, "1"),
    }
    places = {"plasma": plasma, "tubule": tubule, "kidney": kidney, "urine": urine}
    check_arguments(
        "filtration_with_saturable_reabsorption",
        name,
        quantities,
        ligand=places,
        unit=MOLES,
    )
    others = competition(
        "filtration_with_saturable_reabsorption", name, tubule, competitors
    )
    free, half = 1 - block, half_saturation * tubular_volume
    load = tubule + half * others
    reabsorbed = transport_maximum * free * tubule
    reabsorbed = reabsorbed / (half + (free * load if competitive else load))
    filtered = filtration_rate * plasma / volume
    excreted = tubular_flow * tubule / tubular_volume
    return (
        flow(f"{name}_filtration", plasma, tubule, filtered),
        flow(f"{name}_reabsorption", tubule, kidney, reabsorbed),
        flow(f"{name}_excretion", tubule, urine, excreted),
    )


def excretion(
    name: str,
    organ: Amount,
    collecting: Amount,
    excreted: Amount | None,
    *,
    secretion: sympy.Expr,
    emptying: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return excretion from an organ through a space that collects it.

    organ -> collecting at secretion x organ, collecting -> excreted at emptying x
    collecting: kidney, bladder and urine, or liver, intestine and faeces. What the
    intestine takes up again is a `first_order_absorption` from it.

    Emptying at a constant chance stands for voiding now and then: right on average over
    many voids, wrong for the bladder's content at one moment.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    organ, collecting : Amount
        The organ, and bladder or intestine.
    excreted : Amount or None
        Urine or faeces; None is the outside of the body.
    secretion, emptying : sympy expression
        Rate constants, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_secretion`` and ``<name>_emptying``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    ICRP Publication 53, Ann ICRP 1988;18(1-4) (kidney-bladder model).

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> liver, gut = amounts("liver gut", unit="nmol")
    >>> bile, passage = parameters("bile passage", unit="1/h")
    >>> print(excretion("biliary", liver, gut, None, secretion=bile,
    ...                 emptying=passage)[1])
    biliary_emptying: gut -> outside, rate gut*passage
    """
    check_arguments(
        "excretion",
        name,
        {"secretion": (secretion, "1/h"), "emptying": (emptying, "1/h")},
        ligand={"organ": organ, "collecting": collecting, "excreted": excreted},
    )
    return (
        flow(f"{name}_secretion", organ, collecting, secretion * organ),
        flow(f"{name}_emptying", collecting, excreted, emptying * collecting),
    )


def michaelis_menten_elimination(
    name: str,
    source: Amount,
    product: Amount | None = None,
    *,
    volume: sympy.Expr,
    maximum_rate: sympy.Expr,
    half_saturation: sympy.Expr,
    competitors: Sequence[tuple[sympy.Expr, sympy.Expr]] = (),
) -> tuple[Reaction, ...]:
    """Return elimination that saturates, with c = source / volume.

    source -> product at V_max x / (1 + x + s), where x = c / K_m and s = sum_j c_j /
    K_j of other ligands, the `competitors`: where there are none, V_max c / (K_m + c).
    V_max / K_m is the clearance of a trace; one competitor alone makes K_m seem
    K_m (1 + c_j / K_j).

    Two ligands share the enzyme only where each one's block names the other among its
    `competitors`. Otherwise, as after `pkmodels.variants.for_ligand` and merging, each
    has the whole of a V_max by itself.

    Parameters
    ----------
    name : str
        What the reaction's name begins with.
    source : Amount
        What is eliminated, nmol.
    product : Amount or None
        What becomes of it; None is the outside of the body.
    volume : sympy expression
        Of `source`, L.
    maximum_rate : sympy expression
        V_max, nmol/h.
    half_saturation : sympy expression
        K_m, nmol/L.
    competitors : sequence of (sympy expression, sympy expression)
        Of each other ligand at the enzyme, the concentration and the half saturation,
        nmol/L.

    Returns
    -------
    tuple of Reaction
        ``<name>_elimination``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Michaelis and Menten, Biochem Z 1913;49:333-369; its solution: Schnell and Mendoza,
    J Theor Biol 1997;187:207-212; of competing substrates: Segel, Enzyme Kinetics,
    Wiley 1975.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,), (v,) = amounts("plasma", unit="nmol"), parameters("v", unit="L")
    >>> (fastest,), (half,) = (parameters("fastest", unit="nmol/h"),
    ...                        parameters("half", unit="nmol/L"))
    >>> print(michaelis_menten_elimination("liver", plasma, volume=v,
    ...                                    maximum_rate=fastest,
    ...                                    half_saturation=half)[0])
    liver_elimination: plasma -> outside, rate plasma*fastest/(plasma + half*v)
    """
    quantities = {
        "volume": (volume, "L"),
        "maximum_rate": (maximum_rate, "nmol/h"),
        "half_saturation": (half_saturation, "nmol/L"),
    }
    check_arguments(
        "michaelis_menten_elimination",
        name,
        quantities,
        ligand={"source": source, "product": product},
        unit=MOLES,
    )
    others = competition("michaelis_menten_elimination", name, source, competitors)
    half = half_saturation * volume
    rate = maximum_rate * source / (half + source + half * others)
    return (flow(f"{name}_elimination", source, product, rate),)
