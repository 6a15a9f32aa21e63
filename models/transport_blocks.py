"""Blocks of transport: exchange between spaces, perfusion, absorption, transit."""

from collections.abc import Sequence

import sympy

from pkmodels.errors import ModelError
from pkmodels.models.block_checks import check_arguments
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount


def exchange(
    name: str,
    first: Amount,
    second: Amount,
    *,
    first_volume: sympy.Expr,
    second_volume: sympy.Expr,
    clearance: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return exchange between two spaces, driven by the difference of concentration.

    first -> second at clearance x first / first_volume, and back at clearance x second
    / second_volume: at equilibrium both concentrations are equal. The clearance is a
    permeability-surface product, or an intercompartmental clearance.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    first, second : Amount
        Free ligand in the two spaces.
    first_volume, second_volume : sympy expression
        Their volumes, L.
    clearance : sympy expression
        Volume cleared per hour in either direction, L/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_forward`` and ``<name>_backward``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Crone, Acta Physiol Scand 1963;58:292-305 (permeability-surface product).

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, tissue = amounts("plasma tissue", unit="nmol")
    >>> v, w = parameters("v w", unit="L")
    >>> (q,) = parameters("q", unit="L/h")
    >>> print(exchange("muscle", plasma, tissue, first_volume=v, second_volume=w,
    ...                clearance=q)[1])
    muscle_backward: tissue -> plasma, rate tissue*q/w
    """
    quantities = {
        "first_volume": (first_volume, "L"),
        "second_volume": (second_volume, "L"),
        "clearance": (clearance, "L/h"),
    }
    check_arguments(
        "exchange", name, quantities, ligand={"first": first, "second": second}
    )
    return (
        flow(f"{name}_forward", first, second, clearance * first / first_volume),
        flow(f"{name}_backward", second, first, clearance * second / second_volume),
    )


def perfused_organ(
    name: str,
    plasma: Amount,
    vascular: Amount,
    interstitium: Amount,
    *,
    plasma_volume: sympy.Expr,
    vascular_volume: sympy.Expr,
    interstitial_volume: sympy.Expr,
    plasma_flow: sympy.Expr,
    permeability_surface: sympy.Expr,
    drains_to: Amount | None = None,
    outflow: sympy.Expr | None = None,
) -> tuple[Reaction, ...]:
    """Return an organ with a vascular and an interstitial space.

    With P plasma, v vascular, s interstitial ligand, V_P, V_v, V_s their volumes, F the
    plasma flow and PS the permeability-surface product:

        dv/dt = F P / V_P - F v / V_v - PS (v / V_v - s / V_s)
        ds/dt = PS (v / V_v - s / V_s)

    What flows out returns to `plasma`, or drains into another amount: venous plasma, or
    the vascular space of the liver from spleen and gut, whose flows the liver's
    `outflow` then includes.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    plasma : Amount
        Where the organ's plasma comes from (arterial).
    vascular, interstitium : Amount
        Ligand in the organ's plasma and in its interstitium.
    plasma_volume, vascular_volume, interstitial_volume : sympy expression
        Volumes of the three, L.
    plasma_flow : sympy expression
        From `plasma` into the organ, L/h.
    permeability_surface : sympy expression
        PS, L/h.
    drains_to : Amount or None
        Where the outflow goes; None is `plasma`.
    outflow : sympy expression or None
        Plasma flow out of the organ, L/h; None is `plasma_flow`.

    Returns
    -------
    tuple of Reaction
        ``<name>_inflow``, ``<name>_outflow``, ``<name>_extravasation`` and
        ``<name>_return``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Kletting et al., J Nucl Med 2016;57:503-508.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, vascular, tissue = amounts("plasma vascular tissue", unit="nmol")
    >>> u, v, w = parameters("u v w", unit="L")
    >>> f, ps = parameters("f ps", unit="L/h")
    >>> print(perfused_organ("tumour", plasma, vascular, tissue, plasma_volume=u,
    ...                      vascular_volume=v, interstitial_volume=w, plasma_flow=f,
    ...                      permeability_surface=ps)[2])
    tumour_extravasation: vascular -> tissue, rate vascular*ps/v
    """
    leaving = plasma_flow if outflow is None else outflow
    quantities = {
        "plasma_volume": (plasma_volume, "L"),
        "vascular_volume": (vascular_volume, "L"),
        "interstitial_volume": (interstitial_volume, "L"),
        "plasma_flow": (plasma_flow, "L/h"),
        "permeability_surface": (permeability_surface, "L/h"),
        "outflow": (leaving, "L/h"),
    }
    spaces = {
        "plasma": plasma,
        "vascular": vascular,
        "interstitium": interstitium,
        "drains_to": None if drains_to == plasma else drains_to,
    }
    check_arguments("perfused_organ", name, quantities, ligand=spaces)
    venous = plasma if drains_to is None else drains_to
    inward = plasma_flow * plasma / plasma_volume
    outward = leaving * vascular / vascular_volume
    forth = permeability_surface * vascular / vascular_volume
    back = permeability_surface * interstitium / interstitial_volume
    return (
        flow(f"{name}_inflow", plasma, vascular, inward),
        flow(f"{name}_outflow", vascular, venous, outward),
        flow(f"{name}_extravasation", vascular, interstitium, forth),
        flow(f"{name}_return", interstitium, vascular, back),
    )


def first_order_absorption(
    name: str, depot: Amount, target: Amount, *, absorption: sympy.Expr
) -> tuple[Reaction, ...]:
    """Return absorption from a depot at a constant chance per hour.

    depot -> target at absorption x depot. Lag time and bioavailability belong to the
    `pkmodels.definition.Route` that gives into the depot.

    Parameters
    ----------
    name : str
        What the reaction's name begins with.
    depot, target : Amount
        Where the dose lies, and where it arrives.
    absorption : sympy expression
        Rate constant, 1/h.

    Returns
    -------
    tuple of Reaction
        ``<name>_absorption``.

    Raises
    ------
    ModelError
        When a unit does not fit or an amount is not what it should be.

    References
    ----------
    Rowland and Tozer, Clinical Pharmacokinetics and Pharmacodynamics, 4th edition,
    2011.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> skin, plasma = amounts("skin plasma", unit="nmol")
    >>> (ka,) = parameters("ka", unit="1/h")
    >>> print(first_order_absorption("skin", skin, plasma, absorption=ka)[0])
    skin_absorption: skin -> plasma, rate skin*ka
    """
    check_arguments(
        "first_order_absorption",
        name,
        {"absorption": (absorption, "1/h")},
        ligand={"depot": depot, "target": target},
    )
    return (flow(f"{name}_absorption", depot, target, absorption * depot),)


def transit_chain(
    name: str,
    chain: Sequence[Amount],
    target: Amount | None,
    *,
    mean_transit_time: sympy.Expr,
) -> tuple[Reaction, ...]:
    """Return a chain of equal compartments, each left at one rate constant.

    chain[0] -> chain[1] -> ... -> chain[n - 1] -> target, each at k = n /
    mean_transit_time. What enters the first at time 0 arrives with the Erlang density
    k^n t^(n - 1) exp(-k t) / (n - 1)!, of mean n / k and variance n / k^2.

    Savic counts the compartments after the first, in which the dose lies, so that this
    n is their n + 1, with the same mean.

    Parameters
    ----------
    name : str
        What the reactions' names begin with.
    chain : sequence of Amount
        The compartments in order, at least one.
    target : Amount or None
        Where the last one leads; None is the outside of the body.
    mean_transit_time : sympy expression
        Mean time from the first to the target, h.

    Returns
    -------
    tuple of Reaction
        ``<name>_transit_1`` to ``<name>_transit_n``.

    Raises
    ------
    ModelError
        When the chain is empty, a unit does not fit or an amount is not what it should
        be.

    References
    ----------
    Savic et al., J Pharmacokinet Pharmacodyn 2007;34:711-726.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> first, second, plasma = amounts("first second plasma", unit="nmol")
    >>> (mtt,) = parameters("mtt", unit="h")
    >>> for reaction in transit_chain("gut", (first, second), plasma,
    ...                               mean_transit_time=mtt):
    ...     print(reaction)
    gut_transit_1: first -> second, rate 2*first/mtt
    gut_transit_2: second -> plasma, rate 2*second/mtt
    """
    if not chain:
        raise ModelError(
            f"block transit_chain {name!r}: its chain is empty: give it the amounts to "
            "pass, or write flow() for a single step"
        )
    members = {f"chain[{i}]": amount for i, amount in enumerate(chain)}
    check_arguments(
        "transit_chain",
        name,
        {"mean_transit_time": (mean_transit_time, "h")},
        ligand={**members, "target": target},
    )
    k = len(chain) / mean_transit_time
    steps = enumerate(zip(chain, (*chain[1:], target), strict=True), start=1)
    return tuple(
        flow(f"{name}_transit_{i}", here, there, k * here) for i, (here, there) in steps
    )
