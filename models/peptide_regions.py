"""What is measured of a peptide in the whole body, and the values of that body.

Regions of scans to the organs of `pkmodels.models.peptide_pbpk`, the names that its
models give their parameters, and the values of those that any peptide shares.
"""

from collections.abc import Mapping, Sequence

import sympy

from pkmodels.models import physiology
from pkmodels.models.peptide_pbpk import WholeBody
from pkmodels.models.physiology import Body
from pkmodels.models.regions import (
    KIDNEY,
    KIDNEYS,
    TUMOUR,
    check_regions,
    observe_regions,
)
from pkmodels.values import Certainty, ParameterValue, Value

WHOLE_BODY = "whole_body"


def body_values(body: Body, organs: Sequence[str]) -> dict[str, ParameterValue]:
    """Return what `whole_body` needs to know of a body without tumours.

    Parameters
    ----------
    body : Body
        The body.
    organs : sequence of str
        Those of the model.

    Returns
    -------
    dict of str to Value
        ``plasma_volume``, ``body_volume`` (L), ``cardiac_output`` (L/h),
        ``arterial_share`` and ``venous_share`` of plasma; of each organ ``volume_``
        (L), ``flow_`` (L/h), ``vascular_`` and ``interstitial_`` (of its volume) and
        ``permeability_`` (1/h, per volume), as far as it has them; of the rest
        ``interstitial_rest`` (of its plasma) and ``permeability_rest``.

    Examples
    --------
    >>> body = physiology.reference_body("male")
    >>> known = body_values(body, ("kidneys",))
    >>> known["volume_kidneys"].value, round(known["vascular_kidneys"].value, 3)
    (0.31, 0.055)
    """
    known: dict[str, ParameterValue] = {
        "plasma_volume": physiology.plasma_volume(body),
        "body_volume": physiology.body_volume(body),
        "cardiac_output": physiology.cardiac_output(body),
        "arterial_share": physiology.ARTERIAL_SHARE,
        "venous_share": physiology.VENOUS_SHARE,
        "interstitial_rest": physiology.REST_INTERSTITIUM,
        "permeability_rest": physiology.REST_PERMEABILITY,
    }
    for name in organs:
        organ = physiology.organ(body, name)
        known[f"volume_{name}"] = organ.volume_L
        known[f"vascular_{name}"] = _per_volume(organ, organ.vascular_L, "1")
        if name != "lungs":
            known[f"flow_{name}"] = organ.flow_L_per_h
        if organ.interstitial_L is not None:
            share = _per_volume(organ, organ.interstitial_L, "1")
            known[f"interstitial_{name}"] = share
        if organ.permeability_surface_L_per_h is not None:
            rate = _per_volume(organ, organ.permeability_surface_L_per_h, "1/h")
            known[f"permeability_{name}"] = rate
    return known


def _per_volume(organ: physiology.Organ, value: Value, unit: str) -> Value:
    share = value.value / organ.volume_L.value
    source = f"per volume of {organ.name}: {value.source}"
    return Value(share, unit, source, Certainty.DERIVED)


def density_name(organ: str) -> str:
    """Return the name of the density of an organ's or a lesion's receptors.

    Parameters
    ----------
    organ : str
        Its name in the body.

    Returns
    -------
    str

    Examples
    --------
    >>> density_name("spleen")
    'receptor_density_spleen'
    """
    return f"receptor_density_{organ}"


def ratio_name(organ: str) -> str:
    """Return the name of an organ's density relative to another organ's.

    Parameters
    ----------
    organ : str
        Its name in the body.

    Returns
    -------
    str

    Examples
    --------
    >>> ratio_name("gut")
    'receptor_ratio_gut'
    """
    return f"receptor_ratio_{organ}"


def observables(
    model: str, body: WholeBody, regions: Mapping[str, str], organs: Mapping[str, str]
) -> dict[str, sympy.Expr]:
    """Return what is observed: each region, the serum and the whole body.

    Parameters
    ----------
    model : str
        Name of the model.
    body : WholeBody
        The body.
    regions : mapping of str to str
        Organ of each region; a ``kidney`` is one of two.
    organs : mapping of str to str
        For each organ that a region may be, its name in the body; ``kidney``,
        ``kidneys``, ``tumour`` and ``whole_body`` besides.

    Returns
    -------
    dict of str to sympy expression
        Amounts, and ``serum`` per L.

    Raises
    ------
    ModelError
        When an organ is unknown or described more than once, or a name is taken.

    Examples
    --------
    >>> from pkmodels.models.peptide_pbpk import whole_body
    >>> body = whole_body(("lungs", "liver", "spleen", "kidneys", "gut"), (), {})
    >>> shown = observables("body", body, {"left": "kidney"}, {})
    >>> "share_left" in map(str, shown["left"].free_symbols)
    True
    """
    known = (KIDNEY, KIDNEYS, TUMOUR, WHOLE_BODY, *organs)
    # Whatever has a compartment is the name of that organ alone.
    taken = {name: organ for organ, name in organs.items()}
    taken |= {KIDNEYS: KIDNEYS, WHOLE_BODY: WHOLE_BODY, "serum": ""}
    check_regions(model, regions, known, taken)
    held = {**body.contents, WHOLE_BODY: body.whole_body}
    shown = observe_regions(regions, held, organs)
    return {**shown, "serum": body.serum, WHOLE_BODY: body.whole_body}
