"""Francium and bismuth that recoil has set free: where they are, and where they go.

Each is a ligand of its own in five places: plasma, the interstitium and the cells of a
tumour, kidneys, and the rest of the body. What decays there decays there.
"""

from collections.abc import Mapping

import sympy

from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, Parameter, amounts, parameters

PLACES = ("plasma", "interstitium", "cells", "kidneys", "rest")


def francium() -> tuple[dict[str, Amount], tuple[Reaction, ...]]:
    """Return the amounts of free francium by place, and its reactions.

    Out of cells at escape_from_cells, out of interstitium and kidneys at
    francium_escape, out of plasma into the rest of the body at francium_clearance. It
    does not come back from there, its half-life being 5 min.

    Returns
    -------
    dict of str to Amount, tuple of Reaction

    Examples
    --------
    >>> print(francium()[1][-1])
    francium_uptake: francium_plasma -> francium_rest, rate \
francium_plasma*francium_clearance
    """
    free = _element("francium", "free Fr")
    escape, clearance = parameters("francium_escape francium_clearance", unit="1/h")
    plasma, kidneys = free["plasma"], free["kidneys"]
    return free, (
        *_escapes("francium", free),
        flow("francium_out_of_kidneys", kidneys, plasma, escape * kidneys),
        flow("francium_uptake", plasma, free["rest"], clearance * plasma),
    )


def bismuth() -> tuple[dict[str, Amount], tuple[Reaction, ...]]:
    """Return the amounts of free bismuth by place, and its reactions.

    Out of cells at escape_from_cells, out of interstitium at bismuth_escape, out of
    plasma at ln 2 / bismuth_plasma_half_time: the fraction f of it into kidneys, (1 -
    f) e into urine and the rest into the rest of the body. It stays in both, its
    half-life being 46 min.

    Returns
    -------
    dict of str to Amount, tuple of Reaction

    Examples
    --------
    >>> print(bismuth()[1][1])
    bismuth_out_of_tumour: bismuth_interstitium -> bismuth_plasma, rate \
bismuth_interstitium*bismuth_escape
    """
    free = _element("bismuth", "free Bi")
    rate = sympy.log(2) / Parameter("bismuth_plasma_half_time", "h")
    kidneys, excreted = parameters(
        "bismuth_kidney_fraction bismuth_excreted_share", unit="1"
    )
    left, plasma = 1 - kidneys, free["plasma"]
    rest = left * (1 - excreted)
    return free, (
        *_escapes("bismuth", free),
        flow("bismuth_to_kidneys", plasma, free["kidneys"], kidneys * rate * plasma),
        flow("bismuth_to_rest", plasma, free["rest"], rest * rate * plasma),
        flow("bismuth_to_urine", plasma, None, left * excreted * rate * plasma),
    )


def _element(name: str, ligand: str) -> dict[str, Amount]:
    made = amounts(" ".join(f"{name}_{p}" for p in PLACES), unit="nmol", ligand=ligand)
    return dict(zip(PLACES, made, strict=True))


def _escapes(name: str, free: Mapping[str, Amount]) -> tuple[Reaction, ...]:
    """Return how a free element leaves the tumour."""
    escape, from_cells = parameters(f"{name}_escape escape_from_cells", unit="1/h")
    inside, outside = free["cells"], free["interstitium"]
    return (
        flow(f"{name}_out_of_cells", inside, outside, from_cells * inside),
        flow(f"{name}_out_of_tumour", outside, free["plasma"], escape * outside),
    )
