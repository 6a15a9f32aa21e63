"""What is measured of a peptide in the whole body, and the values of that body.

Regions of scans to the organs of `pkmodels.models.peptide_pbpk`, the names that its
models give their parameters, and the values of those that any peptide shares.
"""

from collections.abc import Mapping, Sequence

import sympy

from pkmodels.errors import ModelError, suggest
from pkmodels.models import physiology
from pkmodels.models.peptide_pbpk import KIDNEYS, TUMOUR, WholeBody
from pkmodels.models.physiology import Body
from pkmodels.symbols import Parameter
from pkmodels.values import Certainty, ParameterValue, Prior, Value, logit_normal


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


def tumours_of(regions: Mapping[str, str]) -> tuple[str, ...]:
    """Return the regions that are tumours.

    Parameters
    ----------
    regions : mapping of str to str
        Organ of each region.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> tumours_of({"liver": "liver", "segment_6": "tumour"})
    ('segment_6',)
    """
    return tuple(region for region, organ in regions.items() if organ == TUMOUR)


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


def share_name(regions: Mapping[str, str]) -> str | None:
    """Return the name of the parameter that tells one kidney from the other.

    Parameters
    ----------
    regions : mapping of str to str
        Organ of each region.

    Returns
    -------
    str or None
        ``share_<region>`` of the first region that is a ``kidney``; None where none is.

    Examples
    --------
    >>> share_name({"left": "kidney", "right": "kidney", "liver": "liver"})
    'share_left'
    """
    single = [region for region, organ in regions.items() if organ == "kidney"]
    return f"share_{single[0]}" if single else None


def share_prior() -> Prior:
    """Return the prior of one kidney's share of both kidneys' activity.

    Returns
    -------
    Prior

    Examples
    --------
    >>> share_prior().parameters["median"]
    0.5
    """
    source = "two kidneys alike; 5 % of either way at 1 sd"
    return logit_normal(0.5, 0.2, source, Certainty.JUDGEMENT)


def observables(
    body: WholeBody, regions: Mapping[str, str], organs: Mapping[str, str]
) -> dict[str, sympy.Expr]:
    """Return what is observed: each region, the serum and the whole body.

    Parameters
    ----------
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
        When an organ is unknown or described by two regions, or a name is taken.

    Examples
    --------
    >>> from pkmodels.models.peptide_pbpk import whole_body
    >>> body = whole_body(("lungs", "liver", "spleen", "kidneys", "gut"), (), {})
    >>> observables(body, {"left": "kidney"}, {})["left"].has(
    ...     Parameter("share_left", "1"))
    True
    """
    found: dict[str, sympy.Expr] = {}
    owners: dict[str, str] = {}
    for region, organ in regions.items():
        known = ("kidney", "kidneys", TUMOUR, "whole_body", *organs)
        if organ not in known:
            raise ModelError(
                f"region {region!r} is the organ {organ!r}, which the model does not "
                f"describe: {suggest(organ, known)}"
            )
        if region in ("serum", "whole_body") and region != organ:
            raise ModelError(
                f"a region is called {region!r}, which is taken: rename it"
            )
        if organ in owners and organ not in ("kidney", TUMOUR):
            raise ModelError(
                f"regions {owners[organ]!r} and {region!r} are both the organ {organ}: "
                "give it as one region"
            )
        owners[organ] = region
        if organ == "kidney":
            found[region] = _one_kidney(body, regions, region)
        elif organ == "whole_body":
            found[region] = body.whole_body
        else:
            name = region if organ == TUMOUR else organs.get(organ, organ)
            found[region] = body.contents[name]
    return {**found, "serum": body.serum, "whole_body": body.whole_body}


def _one_kidney(body: WholeBody, regions: Mapping[str, str], region: str) -> sympy.Expr:
    single = [r for r, organ in regions.items() if organ == "kidney"]
    if len(single) > 2:
        raise ModelError(
            f"{len(single)} regions are a kidney ({', '.join(single)}): give two, or "
            "both as one region, 'kidneys'"
        )
    share = Parameter(str(share_name(regions)), "1")
    if region != single[0]:
        return (1 - share) * body.contents[KIDNEYS]
    return share * body.contents[KIDNEYS]
