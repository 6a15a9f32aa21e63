"""Cautions: what a reader must know of a planned activity, as values."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context

from pkmodels.nuclides import nuclide
from pkmodels.units import MBQ_PER_GBQ
from pkmodels.values import Certainty, Value

USUALLY_PREPARED = {
    "Y-90": Value(
        8.0,
        "GBq",
        "methods review of the Pentixafor/Pentixather approach (CXCR4-directed "
        "theranostics): [90Y]pentixather, up to 8 GBq with 250 ug",
        Certainty.PUBLISHED,
    ),
}


@dataclass(frozen=True)
class Caution:
    """One thing to know before an activity is given.

    Parameters
    ----------
    name : str
        Which one: ``"above_usually_prepared"`` or ``"above_carrier_free"``.
    text : str
        A sentence with its numbers.
    """

    name: str
    text: str


def cautions_of(
    label: str, activity_per_cycle_GBq: float, ligand_nmol: float | None
) -> tuple[Caution, ...]:
    """Return what to know of an activity before it is prepared.

    Parameters
    ----------
    label : str
        The radionuclide.
    activity_per_cycle_GBq : float
        Activity of one syringe, GBq, >= 0.
    ligand_nmol : float or None
        Amount of ligand in it, nmol, > 0; None when unknown.

    Returns
    -------
    tuple of Caution

    Raises
    ------
    InputError
        When the radionuclide is unknown.

    Examples
    --------
    >>> [caution] = cautions_of("Y-90", 12.0, 186.0)
    >>> print(caution.text)
    12.0 GBq of Y-90 in one syringe is more than is usually prepared: up to 8 GBq \
(methods review of the Pentixafor/Pentixather approach (CXCR4-directed theranostics): \
[90Y]pentixather, up to 8 GBq with 250 ug)
    >>> [caution] = cautions_of("Lu-177", 60.0, 56.0)
    >>> print(caution.text)
    60.0 GBq of Lu-177 is more than 56 nmol of ligand can carry: 40.7 GBq with a label \
on every molecule (carrier-free, 0.7268 GBq/nmol)
    """
    of_label, shown = nuclide(label), _rounded_down(activity_per_cycle_GBq)
    found = []
    usual = USUALLY_PREPARED.get(label)
    if usual is not None and activity_per_cycle_GBq > usual.value:
        found.append(
            Caution(
                "above_usually_prepared",
                f"{shown} GBq of {label} in one syringe is more than is usually "
                f"prepared: up to {usual.value:g} GBq ({usual.source})",
            )
        )
    if ligand_nmol is not None:
        highest = of_label.carrier_free_MBq_per_nmol / MBQ_PER_GBQ
        if activity_per_cycle_GBq > highest * ligand_nmol:
            found.append(
                Caution(
                    "above_carrier_free",
                    f"{shown} GBq of {label} is more than {ligand_nmol:.4g} nmol of "
                    "ligand can carry: "
                    f"{highest * ligand_nmol:.3g} GBq with a label on every molecule "
                    f"(carrier-free, {highest:.4g} GBq/nmol)",
                )
            )
    return tuple(found)


def _rounded_down(activity_GBq: float) -> str:
    """Return three significant digits, never rounded up, as the answer shows them."""
    context = Context(prec=3, rounding=ROUND_DOWN)
    digits = context.create_decimal(repr(float(activity_GBq)))
    return f"{digits:.{max(2 - digits.adjusted(), 0)}f}"
