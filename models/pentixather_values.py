"""Numbers of the model `pentixather`: of the body, the ligand, the patient, a tumour.

What is tuned says "tuned to Haenscheid 2022: calibration, not evidence": its median or
spread was chosen so that virtual patients get the published doses of 19 patients
(`studies/pentixather_cohort`). Half-lives were met as slopes of scans from 24 to 96 h
and from 24 to 168 h: washout alone is faster, 33 h in kidneys and 87 h in the liver.
"""

from collections.abc import Mapping

from pkmodels.models import cxcr4_values as cxcr4
from pkmodels.models import physiology
from pkmodels.models.physiology import Body
from pkmodels.values import (
    Certainty,
    ParameterValue,
    Prior,
    Value,
    log_normal,
    logit_normal,
)

_TUNED = "tuned to Haenscheid 2022: calibration, not evidence"
_JUDGED = Certainty.JUDGEMENT

# Organs of the body that the model names; all others are its rest.
_NAMED = ("kidneys", "liver", "spleen", "red_marrow", "adrenals")
_PLASMA_IN_NO_ORGAN = (physiology.ARTERIAL_SHARE, physiology.VENOUS_SHARE)

# ---- the ligand ----
OF_LIGAND: Mapping[str, ParameterValue] = {
    "dissociation_constant": cxcr4.PENTIXATHER_DISSOCIATION_CONSTANT,
    "dissociation": cxcr4.PEPTIDE_DISSOCIATION,
    "internalization": cxcr4.PEPTIDE_INTERNALIZATION,
    "cxcl12_dissociation_constant": cxcr4.CXCL12_DISSOCIATION_CONSTANT,
    "reabsorption_half_saturation": log_normal(
        1000.0,
        1.0,
        "nmol/L",
        "not published; carriers of the proximal tubule saturate at micromolar "
        "peptide, which no clinical mass reaches",
        _JUDGED,
    ),
}
# Of pentixafor over pentixather. Ratios of two tracers of the somatostatin receptor
# run from 0.29 to 1.43 (Siebinga et al., EJNMMI Phys 2023;10:48): equality is wrong.
_RATIO_SOURCE = "not published; ratios of tracers of one receptor run from 0.3 to 1.4"
RATIOS: Mapping[str, Prior] = {
    "pentixafor_dissociation_ratio": cxcr4.PENTIXAFOR_DISSOCIATION_RATIO,
    "pentixafor_internalization_ratio": log_normal(
        1.0, 0.5, "1", _RATIO_SOURCE, _JUDGED
    ),
    "pentixafor_unbound_odds_ratio": log_normal(
        4.0,
        0.7,
        "1",
        "chosen, not read: without the iodine it is bound less, and cleared faster; "
        "14 % unbound. The model of mice, tuned to their blood, has 53 %",
        _JUDGED,
    ),
    "pentixafor_reabsorption_odds_ratio": log_normal(
        1.0, 0.5, "1", _RATIO_SOURCE, _JUDGED
    ),
    "pentixafor_liver_uptake_ratio": log_normal(
        0.5, 0.7, "1", f"less lipophilic; {_RATIO_SOURCE}", _JUDGED
    ),
}

# ---- the patient ----
OF_PATIENT: Mapping[str, ParameterValue] = {
    "unbound_fraction": logit_normal(
        0.04,
        0.25,
        "published: more than 96 % is bound in plasma (Schottelius et al., "
        "Theranostics 2017, abstract), of which this median is the edge; 0.02 to 0.06 "
        "between patients is this project's judgement, half of it beyond that edge",
        _JUDGED,
    ),
    "interstitial_protein_ratio": logit_normal(
        0.1,
        0.5,
        "protein that binds, in interstitium over plasma; albumin alone would be a "
        f"third to a half, with which plasma falls too slowly: {_TUNED}",
        _JUDGED,
    ),
    "cxcl12_concentration": cxcr4.CXCL12_CONCENTRATION,
    "glomerular_filtration_rate": log_normal(
        0.1 * physiology.MINUTES_PER_HOUR,
        0.25,
        "L/h",
        "100 mL/min, chosen: candidates for the therapy have kidneys that work, unlike "
        f"some of Kletting 2016; spread {_TUNED}",
        _JUDGED,
    ),
    "tubular_volume": Value(
        0.02, "L", "fluid in the proximal tubules; no result depends on it", _JUDGED
    ),
    "tubular_flow": Value(
        2.4, "L/h", "a third of what is filtered leaves the proximal tubule", _JUDGED
    ),
    "reabsorbed_fraction": logit_normal(0.085, 0.55, _TUNED, _JUDGED),
    "kidney_release": log_normal(0.0165, 0.3, "1/h", _TUNED, _JUDGED),
    "kidney_returned_fraction": logit_normal(
        0.1, 1.0, "most is degraded and excreted; unknown", _JUDGED
    ),
    "bladder_emptying": Value(
        0.35, "1/h", "a void each 3 h, as a constant rate", _JUDGED
    ),
    "liver_uptake": log_normal(0.77, 0.15, "L/h", _TUNED, _JUDGED),
    "liver_release": log_normal(0.0036, 0.22, "1/h", _TUNED, _JUDGED),
    "biliary_fraction": logit_normal(
        0.7, 1.0, "released into bile, and not back; unknown", _JUDGED
    ),
    "intestinal_transit": Value(
        1.0 / 40.0, "1/h", "mean transit of 40 h to the faeces", _JUDGED
    ),
    "release": log_normal(0.0038, 0.3, "1/h", _TUNED, _JUDGED),
    "binding_potential_spleen": log_normal(4.0, 0.55, "1", _TUNED, _JUDGED),
    "binding_potential_red_marrow": log_normal(8.0, 0.9, "1", _TUNED, _JUDGED),
    "permeability_red_marrow": log_normal(
        0.06 * physiology.MINUTES_PER_HOUR,
        0.6,
        "1/h",
        "0.06 mL/(min g), between continuous capillaries (0.02) and open sinusoids "
        f"(2, liver and spleen) of Kletting 2016: {_TUNED}",
        _JUDGED,
    ),
    "binding_potential_adrenals": log_normal(
        4.0, 0.7, "1", "as the spleen; no dose is published", _JUDGED
    ),
}

# ---- a tumour ----
_TUMOUR_PLASMA = 0.10
_TUMOUR_PERMEABILITY = 0.2
_TUMOUR_FLOW = 1.0
TUMOUR_VOLUME = Value(0.05, "L", "a lesion of 50 mL; put a patient's own in", _JUDGED)
TUMOUR_BINDING_POTENTIAL = log_normal(
    10.0, 1.0, "1", "patients are chosen for their uptake; very wide", _JUDGED
)
TUMOUR_RELEASE = log_normal(
    0.006,
    0.7,
    "1/h",
    "slower than the kidneys' in images; between normal organs' and "
    f"{cxcr4.PEPTIDE_RELEASE.parameters['median']:g}",
    _JUDGED,
)

# ---- customary administrations: label, activity, mass of ligand ----
CUSTOMARY: Mapping[str, tuple[str, Value, Value]] = {
    "pentixather": (
        "Lu-177",
        Value(200.0, "MBq", "Haenscheid 2022", Certainty.PUBLISHED),
        Value(75.0, "ug", "methods review of the approach", Certainty.PUBLISHED),
    ),
    "pentixafor": (
        "Ga-68",
        Value(150.0, "MBq", "100 to 150 MBq, methods review", Certainty.PUBLISHED),
        Value(20.0, "ug", "methods review of the approach", Certainty.PUBLISHED),
    ),
}


def of_body(body: Body) -> dict[str, ParameterValue]:
    """Return volumes and perfusion of a body's plasma, organs and rest.

    Parameters
    ----------
    body : Body
        Sex and size.

    Returns
    -------
    dict of str to Value
        By name of the parameter.

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> round(of_body(reference_body("male"))["interstitial_volume_rest"].value, 1)
    11.3
    """
    found: dict[str, ParameterValue] = {
        "plasma_volume": physiology.plasma_volume(body),
        "haematocrit": Value(body.haematocrit, "1", "of the body", Certainty.STATED),
    }
    for name in _NAMED:
        organ = physiology.organ(body, name)
        found[f"volume_{name}"] = organ.volume_L
        found[f"vascular_fraction_{name}"] = _over(organ.vascular_L, organ, "1")
        if name in ("kidneys", "liver"):
            continue
        assert organ.interstitial_L is not None
        assert organ.permeability_surface_L_per_h is not None
        space, surface = organ.interstitial_L, organ.permeability_surface_L_per_h
        found[f"interstitial_fraction_{name}"] = _over(space, organ, "1")
        found[f"flow_{name}"] = _over(organ.flow_L_per_h, organ, "1/h")
        if name != "red_marrow":  # the patient's, in OF_PATIENT
            found[f"permeability_{name}"] = _over(surface, organ, "1/h")
    return found | _rest(body)


def of_tumours(body: Body, names: tuple[str, ...]) -> dict[str, ParameterValue]:
    """Return what is known of tumours: of each, and what they have in common.

    Parameters
    ----------
    body : Body
        For the haematocrit, since perfusion is of blood.
    names : tuple of str
        Of the tumours.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> of_tumours(reference_body("male"), ("lesion",))["volume_lesion"].value
    0.05
    """
    source = "neuroendocrine tumours, Budiansah et al., EJNMMI Phys 2025"
    permeability = _TUMOUR_PERMEABILITY * physiology.MINUTES_PER_HOUR
    found: dict[str, ParameterValue] = {
        "vascular_fraction_tumour": Value(
            _TUMOUR_PLASMA, "1", f"plasma in a tumour's volume, {source}", _JUDGED
        ),
        "interstitial_fraction_tumour": Value(0.3, "1", source, _JUDGED),
        "flow_tumour": physiology.tumour_flow_density(body, _TUMOUR_FLOW, source),
        "permeability_tumour": Value(
            permeability, "1/h", f"{_TUMOUR_PERMEABILITY} mL/(min g), {source}", _JUDGED
        ),
        "release_tumour": TUMOUR_RELEASE,
    }
    for name in names:
        found[f"volume_{name}"] = TUMOUR_VOLUME
        found[f"binding_potential_{name}"] = TUMOUR_BINDING_POTENTIAL
    return found


def _over(quantity: Value, organ: physiology.Organ, unit: str) -> Value:
    return Value(
        quantity.value / organ.volume_L.value,
        unit,
        f"per volume of the organ: {quantity.source}",
        quantity.certainty,
    )


def _rest(body: Body) -> dict[str, ParameterValue]:
    """Return the interstitium of all other organs, and its permeability."""
    plasma = physiology.plasma_volume(body).value
    every = [physiology.organ(body, name) for name in physiology.organs(body)]
    others = [organ for organ in every if organ.name not in _NAMED]
    in_organs = sum(organ.vascular_L.value for organ in every)
    in_none = plasma * sum(share.value for share in _PLASMA_IN_NO_ORGAN)
    unnamed = physiology.body_volume(body).value - sum(o.volume_L.value for o in every)
    space = physiology.REST_INTERSTITIUM.value * (plasma - in_organs - in_none)
    surface = physiology.REST_PERMEABILITY.value * unnamed
    space += sum(o.interstitial_L.value for o in others if o.interstitial_L)
    surfaces = (o.permeability_surface_L_per_h for o in others if o.name != "lungs")
    surface += sum(s.value for s in surfaces if s)
    source = (
        "muscle, gut, skin, adipose, bone, heart, lungs and what is unnamed, as one "
        "space: Kletting et al. 2016; Budiansah et al. 2025"
    )
    return {
        "interstitial_volume_rest": Value(space, "L", source, Certainty.DERIVED),
        "permeability_surface_rest": Value(
            surface, "L/h", f"{source}; without the lungs'", Certainty.DERIVED
        ),
    }
