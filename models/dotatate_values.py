"""Numbers of DOTATATE in the whole body: typical values and their spread.

Typical values and coefficients of variation between patients are the estimates of
Budiansah et al. 2025 in eight patients (four meningiomas, four neuroendocrine tumours);
the rest was fixed there. Published per minute, used per hour.
"""

from collections.abc import Mapping

from pkmodels.models.physiology import (
    FILTRATION_RATE,
    MINUTES_PER_HOUR,
    Body,
    tumour_flow_density,
)
from pkmodels.values import (
    Certainty,
    ParameterValue,
    Prior,
    Value,
    log_normal,
    log_sd_of_cv,
)

_BUDIANSAH = "Budiansah et al., EJNMMI Phys 2025;12:26"
_KLETTING = "Kletting et al., J Nucl Med 2016;57:503"


def _estimate(median: float, cv: float, unit: str, what: str) -> Prior:
    """Return a published typical value with its spread between patients."""
    source = f"{what}, CV {100 * cv:.0f} % between 8 patients, {_BUDIANSAH}"
    return log_normal(median, log_sd_of_cv(cv), unit, source, Certainty.PUBLISHED)


def _rate(per_min: float, cv: float) -> Prior:
    return _estimate(per_min * MINUTES_PER_HOUR, cv, "1/h", f"{per_min:g} /min")


def _fixed(value: float, unit: str, what: str) -> Value:
    return Value(value, unit, f"{what}, fixed in {_BUDIANSAH}", Certainty.PUBLISHED)


def _ratio(median: float, organ: str) -> Prior:
    source = (
        f"receptors of {organ} over those of the kidneys, {median:g} fixed in "
        f"{_BUDIANSAH}; the spread, a factor of 2.7 at 2 sd, is a judgement"
    )
    return log_normal(median, 0.5, "1", source, Certainty.JUDGEMENT)


DENSITY_TUMOUR = _estimate(15.9, 1.01, "nmol/L", "receptors of the tumour")
# Of organs whose density was estimated.
DENSITIES: Mapping[str, Prior] = {
    "kidneys": _estimate(4.55, 0.45, "nmol/L", "receptors of the kidneys"),
    "liver": _estimate(0.94, 0.43, "nmol/L", "receptors of the liver"),
    "spleen": _estimate(7.37, 0.52, "nmol/L", "receptors of the spleen"),
    "rest": _estimate(0.36, 0.97, "nmol/L", "receptors of the rest of the body"),
}
# Of organs whose density is a multiple of the kidneys'.
RATIOS: Mapping[str, Prior] = {
    "adrenals": _ratio(1.65, "the adrenals"),
    "prostate": _ratio(0.26, "the prostate"),
    "uterus": _ratio(0.092, "the uterus"),
    "muscle": _ratio(0.0056, "muscle"),
    "gut": _ratio(0.16, "gut and pancreas"),
    "red_marrow": _ratio(0.028, "the red marrow"),
}
PEPTIDE: Mapping[str, ParameterValue] = {
    "k_on": _fixed(
        0.1 * MINUTES_PER_HOUR, "L/(nmol h)", "0.1 L/(nmol min): k_off over K_D 0.4 nM"
    ),
    "k_off": _fixed(0.04 * MINUTES_PER_HOUR, "1/h", "0.04 /min"),
    "protein_binding": _rate(5.5e-4, 0.52),
    "internalization": _rate(2.36e-3, 0.28),
    "release": _rate(1.01e-4, 0.19),
    "filtration_rate": FILTRATION_RATE,
    "sieving_coefficient": _fixed(0.66, "1", "against 51Cr-EDTA"),
    "excreted_fraction": _fixed(0.98, "1", "of what is filtered"),
}
TUMOUR_RATES: Mapping[str, Prior] = {
    "internalization_tumour": _rate(1.39e-3, 0.37),
    "release_tumour": _rate(1.15e-4, 0.36),
}
TUMOUR_VOLUME = Value(
    0.0165,
    "L",
    f"median of 8 tumours (2.5-134 mL), {_KLETTING}, table 1: put the patient's own in",
    Certainty.DERIVED,
)


def neuroendocrine_tumour(body: Body) -> dict[str, ParameterValue]:
    """Return spaces and perfusion of a neuroendocrine tumour.

    Parameters
    ----------
    body : Body
        The body, for its haematocrit.

    Returns
    -------
    dict of str to Value
        ``vascular_tumour``, ``interstitial_tumour`` (of its volume),
        ``permeability_tumour`` and ``perfusion_tumour`` (1/h).

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> neuroendocrine_tumour(reference_body("male"))["perfusion_tumour"].value
    33.0
    """
    return _tumour(body, 0.10, 0.3, 0.2, 1.0)


def meningioma(body: Body) -> dict[str, ParameterValue]:
    """Return spaces and perfusion of a meningioma.

    Parameters
    ----------
    body : Body
        The body, for its haematocrit.

    Returns
    -------
    dict of str to Value
        As `neuroendocrine_tumour`: merge it into `pkmodels.models.dotatate_pbpk.values`
        for a patient with one.

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> meningioma(reference_body("male"))["interstitial_tumour"].value
    0.23
    """
    return _tumour(body, 0.11, 0.23, 0.31, 0.9)


def _tumour(
    body: Body, vascular: float, interstitial: float, permeability: float, flow: float
) -> dict[str, ParameterValue]:
    """Return the numbers of a tumour; permeability and flow are in mL/(min g)."""
    return {
        "vascular_tumour": _fixed(vascular, "1", "plasma in the tumour"),
        "interstitial_tumour": _fixed(interstitial, "1", "interstitium of the tumour"),
        "permeability_tumour": _fixed(
            permeability * MINUTES_PER_HOUR, "1/h", f"{permeability:g} mL/(min g)"
        ),
        "perfusion_tumour": tumour_flow_density(body, flow, _BUDIANSAH),
    }
